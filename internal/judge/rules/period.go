package rules

import (
	"fmt"

	"github.com/goshawk-io/goshawk/sli"
)

// writePeriods writes, for each window of the objective, what Sloth's dashboards
// show of it. The first has the objective's own name in sloth_id, each other one
// its length appended.
func (s *sheet) writePeriods(name string) {
	slow := max(slowInterval, s.interval)
	for i, w := range s.slo.Windows {
		labels := with(s.labels)
		group := Group{Name: name + "-period", Interval: slow, Comment: fmt.Sprintf("%s: what is left of the budget of %s.", s.slo.Name, w)}
		if i > 0 {
			suffix := "-" + windowName(w)
			labels[idLabel] += suffix
			labels[sloLabel] += suffix
			group.Name += suffix
		}
		if w.IsCalendar() {
			before := len(s.warnings)
			s.explainCalendar(w)
			for _, note := range s.warnings[before:] {
				group.Comment += "\nNote: " + note.Text + "."
			}
		}
		group.Rules = append(group.Rules, s.constants(w, labels)...)
		if i > 0 {
			group.Rules = append(group.Rules, s.copies(labels)...)
		}
		group.Rules = append(group.Rules, s.currentBurn(labels)...)
		if !w.IsCalendar() || s.expressible(w) {
			group.Rules = append(group.Rules, s.budget(w, labels)...)
		}
		s.groups = append(s.groups, group)
	}
}

// constants are series of what the objective says.
func (s *sheet) constants(w sli.Window, labels map[string]string) []Rule {
	vector := func(name string, value float64) Rule {
		return Rule{Record: name, Expr: "vector(" + number(value) + ")", Labels: labels}
	}
	spec := s.slo.Origin.Format
	if spec == "" {
		spec = "goshawk"
	}
	version := s.options.Version
	if version == "" {
		version = "dev"
	}
	info := vector(infoName, 1)
	info.Labels = with(labels, "sloth_version", version, "sloth_mode", "goshawk", "sloth_spec", spec,
		"sloth_objective", percentNumber(s.slo.Target))
	if s.slo.Proposal {
		info.Labels["goshawk_proposal"] = "true"
	}
	return []Rule{
		vector(objectiveName, s.slo.Target),
		vector(allowanceName, s.objective().Allowance()),
		vector(daysName, w.Length().Hours()/24),
		info,
	}
}

// copies are the series of short windows under the name of another window of the
// objective.
func (s *sheet) copies(labels map[string]string) []Rule {
	var rules []Rule
	for _, w := range s.windows() {
		rules = append(rules, Rule{Record: ratioName + text(w), Expr: s.own(ratioName + text(w)), Labels: with(labels, windowLabel, text(w))})
	}
	return rules
}

func (s *sheet) currentBurn(labels map[string]string) []Rule {
	if len(s.windows()) == 0 {
		return nil
	}
	return []Rule{{
		Record: currentBurnName, Labels: labels,
		Expr: s.own(ratioName+text(s.shortest())) + " / " + number(s.objective().Allowance()),
	}}
}

// budget records what happened in the window, and what that leaves.
func (s *sheet) budget(w sli.Window, labels map[string]string) []Rule {
	rules := s.source.period(w, labels)
	id, window := labels[idLabel], windowName(w)
	if s.source.counted() {
		rules = append(rules, s.share(window, with(labels, windowLabel, window), id))
	}
	rules[0].Comment = fmt.Sprintf("The window of %s. It counts events, so that a quiet hour weighs what its events weigh.", w)
	if !s.source.counted() {
		rules[0].Comment = fmt.Sprintf("The window of %s. Each moment weighs the same, as the number of events is not known.", w)
	}
	burn := Rule{
		Record: periodBurnName, Labels: labels,
		Expr: selector(ratioName+window, idLabel, id) + " / " + number(s.objective().Allowance()),
	}
	left := Rule{Record: remainingName, Labels: labels, Expr: "1 - " + selector(periodBurnName, idLabel, id)}
	if s.source.counted() {
		left.Comment = "Without events all of it is left."
		left.Expr += fmt.Sprintf("\nor on (%s) 1 + (sum without (%s) (%s) == 0)", s.each(), resultLabel, selector(countName+window, idLabel, id))
	}
	return append(rules, burn, left)
}

func percentNumber(share float64) string {
	p := percent(share)
	return p[:len(p)-1]
}
