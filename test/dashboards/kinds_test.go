package dashboards

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/rules"
	"github.com/goshawk-io/goshawk/sli"
)

// The states that a dashboard tells apart.
const (
	noEvents  = -1
	ok        = 0
	burning   = 1
	exhausted = 2
)

// kind says what the detail of an objective of a kind shows.
type kind struct {
	slo, minutes string
	state        float64
	// empty are the targets that have no answer, as "panel, target"; all others
	// have one.
	empty []string
}

// alertPanels are those of the default alerts.
func alertPanels() []string {
	return []string{"1h and 5m: page", "6h and 30m: page", "1d and 2h: ticket", "3d and 6h: ticket"}
}

// of returns targets of panels.
func of(panels []string, refs ...string) []string {
	var all []string
	for _, p := range panels {
		for _, r := range refs {
			all = append(all, p+", "+r)
		}
	}
	return all
}

func kinds() []kind {
	alerts := of([]string{"", "Alerts of this objective"}, "A")
	alerts[0] = "annotation"
	bounds := of(alertPanels(), "C", "D")
	rates := append(of(alertPanels(), "A", "B", "C", "D", "E"), of([]string{"Good events in the window", "Burn rate now", "Burn rate of each window", "Budget lasts for"}, "A")...)
	rates = append(rates, "Good events, A", "Good events, B", "Windows now, C", "Windows now, D")
	events := []string{"Windows now, A", "Windows now, B", "Good and bad events, A", "Minimum traffic, A", "Minimum traffic, B"}
	return []kind{
		{counted, "43200", exhausted, nil},
		// The events, bounds and alerts are those of the first window alone.
		{secondary, "10080", exhausted, slices.Concat(alerts, bounds, of(alertPanels(), "E"), events[2:])},
		{monthly, "43200", ok, alerts},
		{idle, "43200", noEvents, slices.Concat(alerts, rates)},
		{alight, "43200", burning, nil},
		{ownAlerts, "43200", exhausted, append(of(alertPanels(), "C", "E"), "1h and 5m: page, D",
			"6h and 30m: page, A", "6h and 30m: page, B", "6h and 30m: page, D", "1d and 2h: ticket, A",
			"3d and 6h: ticket, A", "3d and 6h: ticket, B", "3d and 6h: ticket, D")},
		// A week has no alert over three days.
		{byLabel, "10080", exhausted, of(alertPanels()[3:], "A", "C", "E")},
		{sliced, "43200", exhausted, append(alerts, "Good events, A", "1h and 5m: page, B", "1h and 5m: page, D", "1h and 5m: page, E")},
		{aRatio, "43200", exhausted, append(bounds, events...)},
	}
}

// everyKind asks the detail of each objective what it shows.
func everyKind(t *testing.T, s store) {
	d := find(t, "goshawk-slo")
	own, asking := objectives()
	for _, k := range kinds() {
		t.Run(k.slo, func(t *testing.T) {
			known := values{"slo": k.slo}
			for _, v := range d.Templating.List {
				if v.Name == "minutes" {
					if minutes := v.options(t, s, known); !slices.Equal(minutes, []string{k.minutes}) {
						t.Errorf("its window has %q minutes, want %s", minutes, k.minutes)
					}
				}
			}
			var empty []string
			answered := make(map[string][]found)
			for _, q := range d.questions() {
				name := q.panel + ", " + q.ref
				if q.panel == "" {
					name = "annotation"
				}
				if answered[name] = s.ask(t, known.fill(t, q.expr), q.instant); !slices.ContainsFunc(answered[name], func(f found) bool { return f.number() }) {
					empty = append(empty, name)
				}
			}
			for _, list := range [][]string{empty, k.empty} {
				slices.Sort(list)
			}
			if want := slices.Compact(k.empty); !slices.Equal(empty, want) {
				t.Errorf("nothing to show:\n%q\nwant\n%q", empty, want)
			}
			if state := answered["State, A"]; len(state) != 1 || state[0].values[0] != k.state {
				t.Errorf("state %v, want %v", state, k.state)
			}
			for _, slo := range append(own, asking...) {
				if slo.Name == k.slo {
					checkAlerts(t, &slo, answered, empty)
				}
			}
		})
	}
}

// checkAlerts compares what is drawn of the default alerts with what package sli
// makes of them.
func checkAlerts(t *testing.T, slo *objective.SLO, answered map[string][]found, empty []string) {
	t.Helper()
	shown := 0
	for _, a := range slo.EveryAlert() {
		short := rules.Text(a.Short)
		panel := fmt.Sprintf("%s and %s: %s", rules.Text(a.Long), short, a.Severity)
		if !slices.Contains(empty, panel+", E") && slices.Contains(alertPanels(), panel) {
			shown++
			if limit := answered[panel+", E"]; len(limit) != 1 || math.Abs(limit[0].values[0]-a.Burn) > 1e-9 {
				t.Errorf("%s: fires above %v, want %v", panel, limit, a.Burn)
			}
		}
		want := slo.Objectives()[0].Alert(a.Alert, sli.Counts{}, sli.Counts{}).MinEvents
		for _, f := range answered["Minimum traffic, B"] {
			if f.labels["sloth_window"] == short && f.values[0] != float64(want) {
				t.Errorf("it takes %v events in %s, want %d", f.values[0], short, want)
			}
		}
	}
	drawn := 0
	for _, panel := range alertPanels() {
		if len(answered[panel+", E"]) > 0 {
			drawn++
		}
	}
	if drawn != shown {
		t.Errorf("%d alerts are drawn, and the objective has %d of them", drawn, shown)
	}
}

// slothsDashboards checks which panels of dashboards 14348 and 14643 have their
// series. The names and labels are those of their queries; the answer is what
// docs/grafana.md says.
func slothsDashboards(t *testing.T, s store) {
	const one = `{sloth_service="checkout", sloth_slo="availability"}`
	alert := func(severity string) string {
		return `ALERTS{sloth_service="checkout", sloth_slo="availability", sloth_severity="` + severity + `"}`
	}
	tests := []struct {
		dashboard, panel string
		series           []string
	}{
		{"14348", "the variables service and slo", []string{`slo:objective:ratio{sloth_service="checkout", sloth_slo!=""}`}},
		{"14348", "Exceeded burning rate SLOs, All burning rate", []string{`slo:current_burn_rate:ratio > 1`}},
		{"14348", "name of the objective", []string{`slo:objective:ratio` + one}},
		{"14348", "Objective", []string{`sloth_slo_info{sloth_service="checkout", sloth_slo="availability", sloth_objective="99"}`}},
		{"14348", "Current burning budget, Burn rate (speed) magnitude", []string{`slo:current_burn_rate:ratio` + one}},
		{"14348", "Remaining error budget (30d window)", []string{`slo:period_error_budget_remaining:ratio` + one}},
		{"14348", "Remaining error budget (month), Month error budget burn chart", []string{`slo:sli_error:ratio_rate1h` + one, `slo:error_budget:ratio` + one}},
		{"14348", "Warning alert", []string{alert("ticket")}},
		{"14348", "Critical alert", []string{alert("page")}},
		{"14643", "SLOs, Services", []string{`sloth_slo_info`}},
		{"14643", "burn rates", []string{`slo:current_burn_rate:ratio{sloth_service!="", sloth_slo!="", sloth_id!=""}`}},
		{"14643", "Budget remaining", []string{`slo:period_error_budget_remaining:ratio{sloth_id!=""}`}},
		{"14643", "Warning alerts", []string{`ALERTS{sloth_id!="", sloth_severity="ticket"}`}},
		{"14643", "Critical alerts", []string{`ALERTS{sloth_id!="", sloth_severity="page"}`}},
	}
	for _, window := range strings.Split("5m,30m,1h,2h,6h,1d,3d,30d", ",") {
		tests = append(tests, struct {
			dashboard, panel string
			series           []string
		}{"14348", "SLI, window " + window, []string{`slo:sli_error:ratio_rate` + window + one, `slo:objective:ratio` + one}})
	}
	for _, test := range tests {
		for _, expr := range test.series {
			if len(s.ask(t, expr, true)) == 0 {
				t.Errorf("%s, %s: nothing writes %s", test.dashboard, test.panel, expr)
			}
		}
	}
	// A week's window has another name than the dashboard offers.
	if all := s.ask(t, `slo:sli_error:ratio_rate7d`, true); len(all) > 0 {
		t.Errorf("%v: docs/grafana.md says that there is none", all)
	}
	if len(s.ask(t, `slo:sli_error:ratio_rate1w{sloth_id="`+secondary+`"}`, true)) == 0 {
		t.Error("the share of a week is not called 1w")
	}
}
