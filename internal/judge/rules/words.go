package rules

import (
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
)

// The names that Sloth gives to series, its dashboards know them.
const (
	ratioName       = "slo:sli_error:ratio_rate"
	objectiveName   = "slo:objective:ratio"
	allowanceName   = "slo:error_budget:ratio"
	daysName        = "slo:time_period:days"
	currentBurnName = "slo:current_burn_rate:ratio"
	periodBurnName  = "slo:period_burn_rate:ratio"
	remainingName   = "slo:period_error_budget_remaining:ratio"
	infoName        = "sloth_slo_info"
)

// CounterName is the metric that counts the events of objectives; its label "slo"
// names the objective, "result" is good or bad.
const CounterName = "goshawk_slo_events_total"

// The names that are Goshawk's own; a window or an interval is appended.
const (
	counterName = CounterName
	// growthName is what happened since the last evaluation.
	growthName = "slo:sli_events:growth"
	countName  = "slo:sli_events:count"
	lowerName  = "slo:sli_error:lower_bound"
)

// The labels.
const (
	idLabel       = "sloth_id"
	serviceLabel  = "sloth_service"
	sloLabel      = "sloth_slo"
	windowLabel   = "sloth_window"
	severityLabel = "sloth_severity"
	resultLabel   = "result"
	thirdLabel    = "sloth_period"
)

// Text writes a duration as the labels of alerts have it.
func Text(d time.Duration) string { return text(d) }

// text writes a duration like Prometheus and Sloth do: 5m, 1h30m, 30d, 4w.
func text(d time.Duration) string { return model.Duration(d).String() }

// since writes the range of a window that has its end and not its start. A range
// has had its start until Prometheus 3, so that it must end just after it.
func since(d time.Duration) string { return "[" + text(d-time.Millisecond) + "]" }

// number writes a number so that it is read back as the same.
func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// decimal returns the decimal number that f was written as.
func decimal(f float64) *big.Rat {
	r, _ := new(big.Rat).SetString(number(f))
	return r
}

// product returns the float64 nearest to the product of two decimal numbers.
func product(a, b float64) float64 {
	f, _ := new(big.Rat).Mul(decimal(a), decimal(b)).Float64()
	return f
}

// selector writes a selector of series by labels.
func selector(name string, pairs ...string) string {
	var b strings.Builder
	b.WriteString(name)
	for i := 0; i+1 < len(pairs); i += 2 {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(pairs[i] + "=" + strconv.Quote(pairs[i+1]))
	}
	b.WriteByte('}')
	return b.String()
}

// indent puts an expression on lines of its own, so that a comment at its end
// ends there.
func indent(expr string) string {
	lines := strings.Split(strings.TrimSpace(expr), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight("  "+l, " \t\r")
	}
	return strings.Join(lines, "\n")
}

// wrap puts an expression into the parentheses that head opens.
func wrap(head, expr string) string { return head + "(\n" + indent(expr) + "\n)" }

var noLabel = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// labelName makes a label's name of a key, "" when there is none.
func labelName(key string) string {
	name := noLabel.ReplaceAllString(key, "_")
	if name == "" {
		return ""
	}
	if name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	if strings.HasPrefix(name, "__") {
		return ""
	}
	return name
}

// reserved reports whether rules need a label themselves.
func reserved(name string) bool {
	return slices.Contains([]string{"alertname", resultLabel, longLabel, shortLabel, receiverLabel}, name) || strings.HasPrefix(name, "sloth_")
}

// identity returns what tells an objective's series from others.
func identity(slo *objective.SLO) map[string]string {
	return map[string]string{
		idLabel:      slo.Name,
		serviceLabel: slo.Service,
		// Sloth's sloth_id is the service and the name.
		sloLabel: strings.TrimPrefix(slo.Name, slo.Service+"-"),
	}
}

// with returns labels and those of more, which go first.
func with(labels map[string]string, more ...string) map[string]string {
	labels = maps.Clone(labels)
	if labels == nil {
		labels = make(map[string]string)
	}
	for i := 0; i+1 < len(more); i += 2 {
		labels[more[i]] = more[i+1]
	}
	return labels
}

// merged returns labels and those of more, which go first.
func merged(labels, more map[string]string) map[string]string {
	labels = with(labels)
	maps.Copy(labels, more)
	return labels
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// literal escapes text that is no template.
func literal(s string) string { return strings.ReplaceAll(s, "{{", `{{"{{"}}`) }

// Series returns how many series rules make at most of an objective whose events are
// counted as good and bad.
func Series(groups []Group) int {
	n := 0
	for _, g := range groups {
		for _, r := range g.Rules {
			n++
			pair := strings.Contains(r.Record, ":sli_events:") && r.Labels[resultLabel] == ""
			if r.Alert != "" || pair {
				n++ // whether it fires and since when; good and bad
			}
		}
	}
	return n
}
