package rules

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

// sheet writes the rules of one objective.
type sheet struct {
	slo      *objective.SLO
	options  Options
	interval time.Duration
	// labels are those of all series of the objective.
	labels map[string]string
	source source
	// by are the labels that series keep of what a query counts.
	by []string

	groups   []Group
	warnings []Warning
}

func newSheet(slo *objective.SLO, o Options) *sheet {
	s := &sheet{slo: slo, options: o, labels: make(map[string]string)}
	for _, key := range sortedKeys(slo.Labels) {
		switch name := labelName(key); {
		case name == "":
			s.warn("label %q is none of Prometheus, and left out", key)
		case reserved(name):
			s.warn("label %q means something else in the rules, and is left out", key)
		default:
			s.labels[name] = slo.Labels[key]
		}
	}
	s.labels = merged(s.labels, identity(slo))
	s.interval = s.step()
	s.source = s.newSource()
	return s
}

func (s *sheet) warn(format string, args ...any) {
	w := Warning{SLO: s.slo.Name, Text: fmt.Sprintf(format, args...)}
	if !slices.Contains(s.warnings, w) {
		s.warnings = append(s.warnings, w)
	}
}

// step returns how often the rules are evaluated: so that the windows and slices
// are multiples of it.
func (s *sheet) step() time.Duration {
	step := s.options.Interval
	lengths := s.windows()
	if s.slo.Slice.Width > 0 {
		lengths = append(lengths, s.slo.Slice.Width)
	}
	for _, l := range lengths {
		for l%step != 0 {
			step, l = l%step, step
		}
	}
	if step < time.Second {
		s.warn("no interval of a second or more divides all windows: they are counted to %v", time.Second)
		return time.Second
	}
	return step
}

// windows returns the lengths of all windows that have series, in ascending order:
// those of the alerts, and two that Sloth's dashboards show.
func (s *sheet) windows() []time.Duration {
	all := s.alertWindows()
	for _, w := range []time.Duration{5 * time.Minute, time.Hour} {
		if w < s.slo.Windows[0].Length() {
			all = append(all, w)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.DeleteFunc(all, s.tooShort)
}

// alertWindows returns the lengths of the windows of the alerts, in ascending
// order.
func (s *sheet) alertWindows() []time.Duration {
	var all []time.Duration
	for _, a := range s.alerts() {
		all = append(all, a.Long, a.Short)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// shortest is the window of what happens now.
func (s *sheet) shortest() time.Duration {
	if all := s.windows(); len(all) > 0 {
		return all[0]
	}
	return s.interval
}

// alerts returns the alerts, and the default ones as values too.
func (s *sheet) alerts() []objective.Alert { return s.slo.EveryAlert() }

// objective is the one that the alerts are about.
func (s *sheet) objective() sli.Objective { return s.slo.Objectives()[0] }

// own selects a series of the objective.
func (s *sheet) own(name string, pairs ...string) string {
	return selector(name, append([]string{idLabel, s.slo.Name}, pairs...)...)
}

// write writes all groups.
func (s *sheet) write() {
	name := "goshawk-slo-" + s.slo.Name
	fast := Group{Name: name, Interval: s.interval, Comment: s.title()}
	fast.Rules = append(fast.Rules, s.source.prepare()...)
	for _, w := range s.windows() {
		rules := s.source.window(w)
		if s.source.counted() {
			rules = append(rules, s.share(text(w), with(s.labels, windowLabel, text(w)), s.slo.Name))
			if slices.Contains(s.alertWindows(), w) {
				rules = append(rules, s.lowerBound(w))
			}
		}
		if len(rules) > 0 && rules[0].Comment == "" {
			rules[0].Comment = "The last " + text(w) + "."
		}
		fast.Rules = append(fast.Rules, rules...)
	}
	fast.Rules = append(fast.Rules, s.alertRules()...)
	s.groups = append(s.groups, fast)
	if tiles := s.source.tiles(); len(tiles) > 0 {
		s.groups = append(s.groups, Group{
			Name: name + "-tiles", Interval: tileLength, Rules: tiles,
			Comment: "What the long windows are counted by: one value every " + text(tileLength) + ".",
		})
	}
	s.writePeriods(name)
}

// title says what the objective is, for people.
func (s *sheet) title() string {
	var b strings.Builder
	if s.slo.Title != "" {
		fmt.Fprintf(&b, "%s: ", s.slo.Title)
	}
	fmt.Fprintf(&b, "%s of %s.\n%s of the ", s.slo.Name, s.slo.Service, percent(s.slo.Target))
	if s.slo.Slice.Width > 0 {
		fmt.Fprintf(&b, "slices of %s have %s good events, in ", text(s.slo.Slice.Width), percent(s.slo.Slice.Target))
	} else {
		b.WriteString("events are good, in ")
	}
	for i, w := range s.slo.Windows {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(w.String())
	}
	b.WriteString(".")
	if s.slo.Proposal {
		b.WriteString("\nA proposal that nobody has accepted yet: it alerts nobody.")
	}
	for _, w := range s.warnings {
		b.WriteString("\nNote: " + w.Text + ".")
	}
	return b.String()
}

// share records the share of bad events of a window; it has none without events.
func (s *sheet) share(window string, labels map[string]string, id string) Rule {
	count := countName + window
	return Rule{
		Record: ratioName + window, Labels: labels,
		Expr: fmt.Sprintf("%s\n/ ignoring (%s)\n(sum without (%[2]s) (%s) > 0)",
			selector(count, idLabel, id, resultLabel, "bad"), resultLabel, selector(count, idLabel, id)),
	}
}

// z returns the quantile of the standard normal distribution that package sli
// takes the lower bound of its confidence with.
func (s *sheet) z() float64 {
	return math.Sqrt2 * math.Erfinv(max(2*s.confidence()-1, 0))
}

// lowerBound records the one-sided bound of Wilson's interval, in the order of
// operations of package sli.
func (s *sheet) lowerBound(w time.Duration) Rule {
	z, count := s.z(), countName+text(w)
	bad, good := s.own(count, resultLabel, "bad"), s.own(count, resultLabel, "good")
	total := "(sum without (" + resultLabel + ") (" + s.own(count) + ") > 0)"
	return Rule{
		Record: lowerName + text(w), Labels: with(s.labels, windowLabel, text(w)),
		Comment: "The least share that is not in doubt, at a confidence of " + percent(s.confidence()) + ".",
		Expr: fmt.Sprintf(`(
    (%[2]s + %[4]s)
  - ignoring (%[1]s)
    %[5]s * sqrt(
      %[2]s * ignoring (%[1]s) (%[3]s / ignoring (%[1]s) %[7]s)
      + %[6]s)
)
/ (%[7]s + %[8]s)`, resultLabel, bad, good, number(z*z/2), number(z), number(z*z/4), total, number(z*z)),
	}
}

func (s *sheet) confidence() float64 {
	if s.slo.Confidence == 0 {
		return 0.95
	}
	return s.slo.Confidence
}

func (s *sheet) minBad() uint64 {
	if s.slo.MinBad == 0 {
		return 5
	}
	return s.slo.MinBad
}
