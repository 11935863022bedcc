package ui

import (
	"cmp"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/sli"
)

func sloHref(name string) string { return "/slos/" + url.PathEscape(name) }

// sloOutcome is how an objective stands, as a colour, a shape and a word.
func sloOutcome(o *v1.SLO) Outcome {
	if o.Error != "" {
		return Outcome{"bad", "warn", "not known", visible(o.Error)}
	}
	out := verdictOutcome(o.Verdict)
	if o.Verdict == sli.InsufficientData {
		out.Title = insufficient(o)
	}
	return out
}

func verdictOutcome(v sli.Verdict) Outcome {
	switch v {
	case sli.OK:
		return Outcome{"ok", "ok", "ok", "There is budget left, and it does not burn too fast."}
	case sli.Burning:
		return Outcome{"warn", "burn", "burning", "There is budget left, but it burns so fast that an alert fires."}
	case sli.Exhausted:
		return Outcome{"bad", "fail", "exhausted", "The budget of the window is spent."}
	}
	return Outcome{"neutral", "unknown", "insufficient data", "There were too few events to say more."}
}

// insufficient says what the data lack.
func insufficient(o *v1.SLO) string {
	if o.Good+o.Bad == 0 {
		return "There was no event in the window: nothing can be said."
	}
	if blindAlert(o) != nil {
		return "The budget seems to burn too fast, but there are too few events for an alert to be sure."
	}
	return "There were too few events to say more."
}

func blindAlert(o *v1.SLO) *v1.SLOAlert {
	for i := range o.Alerts {
		if o.Alerts[i].Blind {
			return &o.Alerts[i]
		}
	}
	return nil
}

// sloRank orders objectives by how much they need someone: what is not known
// comes before what is well.
func sloRank(o *v1.SLO) int {
	switch {
	case o.Error != "":
		return 2
	case o.Verdict == sli.Exhausted:
		return 0
	case o.Verdict == sli.Burning:
		return 1
	case blindAlert(o) != nil:
		return 3
	case o.Verdict == sli.InsufficientData:
		return 4
	}
	return 5
}

// worstFirst compares two objectives.
func worstFirst(a, b *v1.SLO) int {
	return cmp.Or(
		cmp.Compare(sloRank(a), sloRank(b)), cmp.Compare(a.BudgetRemainingRatio, b.BudgetRemainingRatio),
		cmp.Compare(burnShare(b), burnShare(a)), strings.Compare(a.Name, b.Name),
	)
}

// burning is how far an alert is from firing.
type burning struct {
	alert *v1.SLOAlert
	// rate is the lower of its two rates: both must be above the threshold.
	rate float64
}

// worstBurn returns the alert that fires, of several the one of the highest rate,
// or else the one that is the nearest to it; nil without one that has events in
// both of its windows.
func worstBurn(o *v1.SLO) *burning {
	var worst *burning
	for i := range o.Alerts {
		a := &o.Alerts[i]
		if a.LongBurn == nil || a.ShortBurn == nil || a.Burn <= 0 {
			continue
		}
		b := &burning{a, min(*a.LongBurn, *a.ShortBurn)}
		if worst == nil || b.worse(worst) {
			worst = b
		}
	}
	return worst
}

func (b *burning) worse(than *burning) bool {
	if b.alert.Firing != than.alert.Firing {
		return b.alert.Firing
	}
	if b.alert.Firing && b.alert.Burn != than.alert.Burn {
		return b.alert.Burn > than.alert.Burn
	}
	return b.share() > than.share()
}

// share is the rate as a share of the threshold.
func (b *burning) share() float64 { return b.rate / b.alert.Burn }

func burnShare(o *v1.SLO) float64 {
	if b := worstBurn(o); b != nil {
		return b.share()
	}
	return -1
}

// firingAlerts are the alerts that fire, the most urgent first.
func firingAlerts(o *v1.SLO) []*v1.SLOAlert {
	var list []*v1.SLOAlert
	for i := range o.Alerts {
		if o.Alerts[i].Firing {
			list = append(list, &o.Alerts[i])
		}
	}
	slices.SortStableFunc(list, func(a, b *v1.SLOAlert) int {
		return cmp.Or(strings.Compare(alertClass(a.Severity), alertClass(b.Severity)), cmp.Compare(b.Burn, a.Burn))
	})
	return list
}

func sinceOf(a *v1.SLOAlert) time.Time {
	if a.Since == nil {
		return time.Time{}
	}
	return time.Time(*a.Since)
}

// availability renders a share of good events so that what is missing has two digits,
// however little it is: 99.947 %. Only nothing but good events is 100 %.
func availability(share float64) string {
	bad := (1 - share) * 100
	switch {
	case math.IsNaN(bad):
		return unknown
	case bad <= 0:
		return "100 %"
	}
	const most = 8
	digits := min(max(int(math.Ceil(-math.Log10(bad)))+1, 1), most)
	text := strconv.FormatFloat(share*100, 'f', digits, 64)
	if text == strconv.FormatFloat(100, 'f', digits, 64) {
		return ">" + "99." + strings.Repeat("9", most) + " %"
	}
	return trimZeros(text) + " %"
}

func availabilityOr(share *float64) string {
	if share == nil {
		return unknown
	}
	return availability(*share)
}

// targetText renders what is promised, as it was written.
func targetText(target float64) string {
	return strconv.FormatFloat(math.Round(target*1e11)/1e9, 'f', -1, 64) + " %"
}

// budgetText renders what is left of a budget.
func budgetText(left float64) string {
	size := math.Abs(left) * 100
	text := significant(size) + " %"
	switch {
	case math.IsNaN(left) || math.IsInf(left, 0):
		return unknown
	case size < 0.005:
		return "0 %"
	case size < 1:
		text = trimZeros(strconv.FormatFloat(size, 'f', 2, 64)) + " %"
	}
	if left < 0 {
		return "−" + text
	}
	return text
}

func budgetClass(o *v1.SLOWindow) string {
	switch {
	case o.Good+o.Bad == 0:
		return "muted"
	case o.BudgetRemainingRatio <= 0:
		return "bad"
	case o.BudgetRemainingRatio < lowBudget:
		return "warn"
	}
	return "ok"
}

// lowBudget is the share of the budget below which it is said to be low.
const lowBudget = 0.25

// timesText renders a burn rate.
func timesText(rate float64) string {
	if rate > 0 && rate < 0.01 {
		return "<0.01×"
	}
	return significant(rate) + "×"
}

func timesOr(rate *float64) string {
	if rate == nil {
		return unknown
	}
	return timesText(*rate)
}

// lengthText renders the length of a window in its largest unit, as windows are
// written: 5m, 1h, 3d.
func lengthText(ns int64) string { return sli.Rolling(time.Duration(ns)).String() }

// eventWords are what the events of an objective are called, one and many.
func eventWords(o *v1.SLO) (one, many string) {
	switch {
	case o.SliceNS > 0:
		return "slice", "slices"
	case o.UnitNS > 0:
		return "time", "time"
	}
	return signalWords(o.Signal)
}

// amount renders so many of the events of an objective, or so much time.
func amount(o *v1.SLO, n uint64) string {
	if u := o.UnitNS; u > 0 {
		return duration(int64(min(n, math.MaxInt64/uint64(u))) * u)
	}
	return count(n)
}

func signalWords(signal string) (one, many string) {
	switch signal {
	case "http":
		return "request", "requests"
	case "exec":
		return "command", "commands"
	case "tcp":
		return "connect", "connects"
	case "func":
		return "call", "calls"
	}
	return "event", "events"
}

// promiseText says in sentences what is promised.
func promiseText(o *v1.SLO) string {
	_, many := signalWords(o.Signal)
	if o.UnitNS > 0 {
		many = "time"
	}
	var b strings.Builder
	b.WriteString(targetText(o.Objective) + " of ")
	if o.SliceNS > 0 {
		b.WriteString("the slices of " + duration(o.SliceNS) + " are to be good" + inWindow(o.Window) + ". A slice is good when ")
		if o.SliceObjective > 0 {
			b.WriteString(targetText(o.SliceObjective) + " of ")
		}
		b.WriteString("its " + many + " are.")
	} else {
		b.WriteString("the " + many + map[bool]string{true: " is", false: " are"}[o.UnitNS > 0] + " to be good" + inWindow(o.Window) + ".")
	}
	switch {
	case o.UnitNS > 0:
		b.WriteString(" A Prometheus server says which share of each moment is bad, not of how many events: each moment weighs the same.")
	case o.Signal == "query":
		b.WriteString(" A Prometheus server counts them.")
	case o.ThresholdNS > 0:
		b.WriteString(" One is bad when it takes longer than " + duration(o.ThresholdNS) + " or " + badWhen(o) + ".")
	default:
		b.WriteString(" One is bad when it " + badWhen(o) + ".")
	}
	return b.String()
}

func inWindow(window string) string {
	length, calendar := strings.CutPrefix(window, "calendar ")
	switch {
	case window == "":
		return ""
	case !calendar:
		return " in " + window
	}
	length, _, _ = strings.Cut(length, " ")
	for unit, name := range map[string]string{"M": "month", "d": "day"} {
		if n, ok := strings.CutSuffix(length, unit); ok && n == "1" {
			return " in each calendar " + name
		} else if ok {
			return " in each " + n + " " + name + "s of the calendar"
		}
	}
	return " in each " + length
}

func badWhen(o *v1.SLO) string {
	switch {
	case len(o.BadWhen) > 0:
		return "has " + selectorsText(o.BadWhen)
	case o.Signal == "http":
		return "is answered 500 or above or not at all"
	}
	return "fails"
}

func selectorsText(list []v1.SLOSelector) string {
	var texts []string
	for i := range list {
		texts = append(texts, selectorText(&list[i]))
	}
	return strings.Join(texts, ", or ")
}

// selectorText renders which events a selector chooses.
func selectorText(s *v1.SLOSelector) string {
	var texts []string
	if len(s.Service) > 0 {
		texts = append(texts, "service = "+strings.Join(s.Service, " or "))
	}
	for _, a := range s.Attributes {
		var patterns []string
		for _, p := range a.Patterns {
			patterns = append(patterns, orWord(p, "(not set)"))
		}
		texts = append(texts, strings.Join(a.Keys, " or ")+" = "+strings.Join(patterns, " or "))
	}
	return visible(orWord(strings.Join(texts, " and "), "all"))
}
