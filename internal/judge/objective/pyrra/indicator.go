package pyrra

import (
	"strconv"
	"strings"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/objective/draft"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// readIndicator reads the indicator, of which there is one.
func (r *resource) readIndicator(v yamldoc.Value) {
	r.At("indicator", v)
	r.At("indicator.query", v.Named())
	var kinds []yamldoc.Value
	one := func(name string, read func(yamldoc.Value)) yamldoc.Field {
		return yamldoc.Field{Name: name, Nothing: true, Read: func(v yamldoc.Value) {
			kinds = append(kinds, v)
			read(v)
		}}
	}
	v.Object([]yamldoc.Field{
		one("ratio", r.readRatio), one("latency", r.readLatency),
		one("latencyNative", r.readNative), one("bool_gauge", r.readGauge),
	})
	switch {
	case len(kinds) == 0 && (v.IsObject() || v.IsNull()):
		v.Named().Fail("write ratio, latency, latencyNative or bool_gauge", "has no indicator")
	case len(kinds) > 1:
		kinds[1].Named().Fail("remove all but one", "there are %d indicators", len(kinds))
	case len(kinds) == 1:
		// The queries below do not show from which metrics they were made.
		r.Keep("spec.indicator", v)
	}
}

func (r *resource) readRatio(v yamldoc.Value) {
	var bad, total string
	var by []string
	v.Object([]yamldoc.Field{metric("errors", &bad), metric("total", &total), grouping(&by)})
	if bad != "" && bad == total {
		v.Named().Warn("choose the errors, by a status say", "errors and total are the same")
	}
	r.set(objective.Query{Bad: rate(bad, by), Total: rate(total, by), By: by}, bad, total)
}

func (r *resource) readLatency(v yamldoc.Value) {
	var good, total string
	var by []string
	v.Object([]yamldoc.Field{metric("success", &good), metric("total", &total), grouping(&by)})
	r.set(objective.Query{Good: rate(good, by), Total: rate(total, by), By: by}, good, total)
}

func (r *resource) readNative(v yamldoc.Value) {
	var total, text string
	var by []string
	seconds := ""
	v.Object([]yamldoc.Field{
		metric("total", &total), grouping(&by),
		{Name: "latency", Kind: "a duration such as 200ms", Required: true, Sample: "200ms", Read: func(v yamldoc.Value) {
			if !v.Word(&text, draft.MaxName) {
				return
			}
			length, ok := draft.Length(text)
			if !ok {
				v.Fail("write a duration such as 200ms", "is not a duration")
				return
			}
			seconds = strconv.FormatFloat(length.Seconds(), 'f', -1, 64)
		}},
	})
	rates := rate(total, by)
	// The share alone would say nothing of how many there were.
	r.set(objective.Query{
		Good: "histogram_fraction(0, " + seconds + ", " + rates + ") * histogram_count(" + rates + ")", Total: "histogram_count(" + rates + ")", By: by,
	}, total, seconds)
}

func (r *resource) readGauge(v yamldoc.Value) {
	var gauge string
	var by []string
	field := metric("", &gauge)
	v.Object([]yamldoc.Field{field.Fields[0], grouping(&by)})
	r.set(objective.Query{Good: over("sum_over_time", gauge, by), Total: over("count_over_time", gauge, by), By: by}, gauge)
}

// set takes a query when all that it is made of is there.
func (r *resource) set(q objective.Query, parts ...string) {
	for _, part := range parts {
		if part == "" {
			return
		}
	}
	r.SLO.Indicator.Signal, r.SLO.Indicator.Query = objective.SignalQuery, q
}

func grouping(to *[]string) yamldoc.Field {
	return yamldoc.Field{Name: "grouping", Nothing: true, Read: func(v yamldoc.Value) {
		v.AnyItems(draft.MaxList, func(v yamldoc.Value) {
			label := ""
			switch {
			case !v.Text(&label, draft.MaxName):
			case !isLabel(label):
				v.Fail("write the name of a label, such as handler", "is no name of a label")
			default:
				*to = append(*to, label)
			}
		})
	}}
}

func isLabel(name string) bool {
	return name != "" && (name[0] < '0' || name[0] > '9') && !strings.ContainsFunc(name, func(c rune) bool {
		return !(c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z')
	})
}

// metric is a field with the selector of a metric in it.
func metric(name string, to *string) yamldoc.Field {
	return yamldoc.Field{Name: name, Required: true, Sample: "{metric: http_requests_total}", Fields: []yamldoc.Field{
		{Name: "metric", Kind: "a metric", Required: true, Sample: "http_requests_total", Read: func(v yamldoc.Value) {
			text := ""
			switch {
			case !v.Prose(&text, draft.MaxProse):
			case !isSelector(text):
				v.Fail(`write a metric with its labels, such as http_requests_total{code=~"5.."}`, "is not the selector of a metric")
			default:
				*to = strings.TrimSpace(text)
			}
		}},
	}}
}

// isSelector reports whether text is the name of a metric, labels in braces, or
// both, and nothing after them. What is in the braces is the server's to read.
func isSelector(text string) bool {
	name, rest, braces := strings.Cut(strings.TrimSpace(text), "{")
	name = strings.TrimSpace(name)
	if strings.ContainsFunc(name, func(c rune) bool {
		return !(c == '_' || c == ':' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z')
	}) {
		return false
	}
	if !braces {
		return name != ""
	}
	quote := rune(0)
	escaped := false
	for i, c := range rest {
		switch {
		case escaped:
			escaped = false
		case quote != 0 && quote != '`' && c == '\\':
			escaped = true
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '{' || c == '#':
			return false
		case c == '}':
			return strings.TrimSpace(rest[i+1:]) == ""
		}
	}
	return false
}

// rate returns the query for the events per second of a metric.
func rate(metric string, by []string) string { return over("rate", metric, by) }

// over returns the query for the sum of what a function makes of a metric's window.
func over(function, metric string, by []string) string {
	sum := "sum"
	if len(by) > 0 {
		sum += " by (" + strings.Join(by, ", ") + ") "
	}
	return sum + "(" + function + "(" + metric + "[{{.window}}]))"
}
