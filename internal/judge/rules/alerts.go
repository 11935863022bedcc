package rules

import (
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
)

// alertName is the name of an alert that the objective gives none.
const alertName = "SLOBudgetBurn"

// The labels that tell the alerts of an objective apart.
const (
	longLabel     = "long_window"
	shortLabel    = "short_window"
	receiverLabel = "goshawk_receivers"
)

// AlertID tells the alerts of all objectives apart, as the labels of their rules do:
// two of an objective that share all of this are one to whoever is told.
type AlertID struct{ SLO, Name, Severity, Long, Short string }

// IDOf returns what the labels of an alert of an objective say.
func IDOf(slo *objective.SLO, a *objective.Alert) AlertID {
	name := a.Name
	if name == "" {
		name = alertName
	}
	return AlertID{slo.Name, name, a.Severity, text(a.Long), text(a.Short)}
}

// IDOfLabels returns which alert has these labels, of which get returns one by its
// name.
func IDOfLabels(get func(name string) string) AlertID {
	return AlertID{get(idLabel), get("alertname"), get(severityLabel), get(longLabel), get(shortLabel)}
}

// alertRules returns the alerts, none for a proposal.
func (s *sheet) alertRules() []Rule {
	if s.slo.Proposal {
		return nil
	}
	var rules []Rule
	for _, a := range s.alerts() {
		if s.tooShort(a.Short) {
			s.warn("the alert over %s and %s is left out: its short window has no whole slice of %s", text(a.Long), text(a.Short), text(s.slo.Slice.Width))
			continue
		}
		rules = append(rules, s.alertRule(a))
	}
	return rules
}

func (s *sheet) alertRule(a objective.Alert) Rule {
	name := IDOf(s.slo, &a).Name
	labels := with(s.labels, severityLabel, a.Severity, longLabel, text(a.Long), shortLabel, text(a.Short), windowLabel, text(a.Long))
	if a.Severity == "" {
		delete(labels, severityLabel)
	}
	if len(a.Receivers) > 0 {
		labels[receiverLabel] = strings.Join(a.Receivers, ",")
	}
	for key, value := range a.Labels {
		if l := labelName(key); l != "" && !reserved(l) && labels[l] == "" {
			labels[l] = value
		}
	}
	return Rule{
		Alert: name, Expr: s.alertExpr(a), For: a.For, Labels: labels,
		Annotations: merged(s.annotations(a), a.Annotations),
		Comment:     fmt.Sprintf("More than %s of the events were bad in the last %s and in the last %s:\n%s times the %s that may be.", percent(s.threshold(a)), text(a.Long), text(a.Short), number(a.Burn), percent(s.objective().Allowance())),
	}
}

// threshold is the share of bad events above which an alert fires.
func (s *sheet) threshold(a objective.Alert) float64 {
	return product(a.Burn, s.objective().Allowance())
}

// alertExpr is true when the share of bad events is above the threshold in both
// windows, which its lower bound implies where there is one. Its value is the
// share in the long window.
func (s *sheet) alertExpr(a objective.Alert) string {
	limit, also := number(s.threshold(a)), "\nand on ("+s.each()+") "
	conditions := []string{s.own(ratioName+text(a.Long)) + " > " + limit}
	if !s.source.counted() {
		conditions = append(conditions, s.own(ratioName+text(a.Short))+" > "+limit)
		return strings.Join(conditions, also)
	}
	for _, w := range []time.Duration{a.Long, a.Short} {
		conditions = append(conditions,
			s.own(lowerName+text(w))+" > "+limit,
			s.own(countName+text(w), resultLabel, "bad")+fmt.Sprintf(" >= %d", s.minBad()))
	}
	return strings.Join(conditions, also)
}

// annotations are what people read.
func (s *sheet) annotations(a objective.Alert) map[string]string {
	window := s.slo.Windows[0]
	limit := percent(s.threshold(a))
	lasts := time.Duration(float64(window.Length()) / a.Burn)
	name := s.slo.Title
	if name == "" {
		name = s.slo.Name
	}
	notes := map[string]string{
		"summary": literal(fmt.Sprintf("%s: the error budget of %s burns more than %s times too fast.", s.slo.Service, name, number(a.Burn))),
		"description": fmt.Sprintf("{{ $value | humanizePercentage }} of the %s of the last %s were bad, and as in the last %s that is beyond doubt more than %s. "+
			"The objective allows %s in %s; at %s times that rate the whole budget is gone in %s.",
			s.unit(), text(a.Long), text(a.Short), limit, percent(s.objective().Allowance()), window, number(a.Burn), roughly(lasts)),
	}
	if !s.source.counted() {
		notes["description"] = strings.Replace(notes["description"], "that is beyond doubt more", "that is more", 1)
	}
	if s.slo.Description != "" {
		notes["objective"] = literal(s.slo.Description)
	}
	links := []struct{ key, option string }{{"runbook_url", s.options.RunbookURL}, {"dashboard_url", s.options.DashboardURL}}
	for _, l := range links {
		replace := strings.NewReplacer("{slo}", url.PathEscape(s.slo.Name), "{service}", url.PathEscape(s.slo.Service))
		link := replace.Replace(l.option)
		if own := s.slo.Annotations[l.key]; own != "" {
			link = own
		}
		if link != "" {
			notes[l.key] = literal(link)
		}
	}
	return notes
}

// unit is what an objective counts.
func (s *sheet) unit() string {
	if s.slo.Slice.Width > 0 {
		return "slices of " + text(s.slo.Slice.Width)
	}
	return "events"
}

// percent writes a share that was written as a decimal number: 0.1 %.
func percent(share float64) string {
	f, _ := new(big.Rat).Mul(decimal(share), big.NewRat(100, 1)).Float64()
	return number(f) + "%"
}

// roughly writes a duration to the minute.
func roughly(d time.Duration) string {
	if d < time.Hour {
		return text(d.Round(time.Second))
	}
	return text(d.Round(time.Minute))
}
