package doctor

import (
	"fmt"
	"strings"

	"github.com/goshawk-io/goshawk/internal/model"
)

func networkRules() []Rule {
	return []Rule{
		{"dead-goproxy", ScopeEnvironment, model.SeverityWarn, "A proxy of GOPROXY refuses connections, does not answer, or answers with a failure.", deadGoProxy},
		{"goproxy-off", ScopeEnvironment, model.SeverityInfo, "GOPROXY=off: nothing is downloaded.", goProxyOff},
		{"dead-gosumdb", ScopeEnvironment, model.SeverityWarn, "The checksum database cannot be asked, neither by a proxy nor directly.", deadGoSumDB},
	}
}

// failed says how asking a server failed, empty when it did not.
func (r *Reached) failed() string {
	switch {
	case r.Outcome == Refused:
		return fmt.Sprintf("%s refused the connection after %s", r.Host, short(r.Took))
	case r.Outcome == Silent:
		return fmt.Sprintf("%s did not answer within %s", r.Host, short(r.Took))
	case r.Outcome == Unreachable:
		return fmt.Sprintf("%s cannot be reached: %s", r.Host, clipped(r.Cause))
	case r.Status >= 500:
		return fmt.Sprintf("%s answered with status %d", r.Host, r.Status)
	}
	return ""
}

func deadGoProxy(ev *Evidence) []model.Finding {
	e := ev.Environment
	var found []model.Finding
	for i := range e.Proxies {
		p := &e.Proxies[i]
		failed := p.failed()
		if failed == "" {
			continue
		}
		effect := "a go command that needs a module which is not in the cache fails"
		if p.Outcome == Silent {
			effect = "a go command that needs a module which is not in the cache hangs, without a word"
		}
		if p.FallsThrough {
			effect = "go commands try it first, and go on to the next"
		}
		found = append(found, one(model.SeverityWarn, fmt.Sprintf("GOPROXY, from %s: %s; %s", e.Settings["GOPROXY"].From, failed, effect),
			"Start the proxy, or set GOPROXY to one that answers, to direct, or to off with all modules in the cache (go mod download) or vendored. After a comma the next is only asked when a proxy says 404 or 410; after | also when it fails.")...)
		if !p.FallsThrough {
			break // those after it are not asked
		}
	}
	return found
}

func goProxyOff(ev *Evidence) []model.Finding {
	e := ev.Environment
	if strings.TrimSpace(e.value("GOPROXY")) != "off" {
		return nil
	}
	return one(model.SeverityInfo, e.said("GOPROXY")+": only modules in the cache or vendored are found", "Nothing, if it is meant. Else go env -u GOPROXY, or unset GOPROXY.")
}

func deadGoSumDB(ev *Evidence) []model.Finding {
	e := ev.Environment
	if e.SumDB == nil || e.SumDBByProxy != "" {
		return nil
	}
	failed := e.SumDB.failed()
	if failed == "" {
		return nil
	}
	return one(model.SeverityWarn, "GOSUMDB: "+failed+", and no proxy answers for it: a go command that adds a module to go.sum fails or hangs",
		"Let GOSUMDB be reached, use a GOPROXY that answers for it (…/sumdb/NAME/supported), and name your own modules in GOPRIVATE.")
}
