package cli

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/goshawk-io/goshawk/internal/judge/evaluate"
	"github.com/goshawk-io/goshawk/internal/judge/notify"
	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

// always is a source in which all windows have the same counts.
type always sli.Counts

func (s always) Over(time.Time, sli.Window) (sli.Counts, error) { return sli.Counts(s), nil }

// stateOf is an objective with one alert.
func stateOf(t *testing.T, name string, c sli.Counts) evaluate.State {
	t.Helper()
	slo := &objective.SLO{
		Name: name, Service: "shop", Target: 0.99, Windows: []sli.Window{sli.Rolling(30 * 24 * time.Hour), sli.Rolling(7 * 24 * time.Hour)},
		Alerts: []objective.Alert{{Alert: sli.Alert{Severity: "page", Burn: 10, Long: time.Hour, Short: 5 * time.Minute}}},
	}
	s := evaluate.State{SLO: slo}
	for _, o := range slo.Objectives() {
		status, err := o.Evaluate(time.Now(), always(c))
		if err != nil {
			t.Fatal(err)
		}
		s.Statuses = append(s.Statuses, status)
	}
	return s
}

func TestSLOMetrics(t *testing.T) {
	states := []evaluate.State{
		stateOf(t, "busy", sli.Counts{Good: 700, Bad: 300}), stateOf(t, "quiet", sli.Counts{}),
		{SLO: &objective.SLO{Name: "asked", Service: "shop", Target: 0.9, Windows: []sli.Window{sli.Rolling(24 * time.Hour)}}, Err: errors.New("nobody knows")},
	}
	readings := []evaluate.Reading{{Name: "busy", Counts: sli.Counts{Good: 70000, Bad: 300}, Unjudged: 4}, {Name: "quiet"}, {Name: "asked"}}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newSLOMetrics(func() []evaluate.State { return states }, func() []evaluate.Reading { return readings }, func() bool { return false }))
	want := `
# HELP goshawk_slo_alert_firing 1 when the alert fires, 0 when it does not.
# TYPE goshawk_slo_alert_firing gauge
goshawk_slo_alert_firing{long_window="1h",service="shop",severity="page",short_window="5m",slo="busy"} 1
goshawk_slo_alert_firing{long_window="1h",service="shop",severity="page",short_window="5m",slo="quiet"} 0
# HELP goshawk_slo_budget_remaining_ratio Share of the error budget of a window that is left; below 0 when more is spent than there was.
# TYPE goshawk_slo_budget_remaining_ratio gauge
goshawk_slo_budget_remaining_ratio{service="shop",slo="busy",window="30d"} -29
goshawk_slo_budget_remaining_ratio{service="shop",slo="busy",window="7d"} -29
goshawk_slo_budget_remaining_ratio{service="shop",slo="quiet",window="30d"} 1
goshawk_slo_budget_remaining_ratio{service="shop",slo="quiet",window="7d"} 1
# HELP goshawk_slo_burn_rate How many times faster than allowed the error budget burns, by the windows that alerts look back; none without events.
# TYPE goshawk_slo_burn_rate gauge
goshawk_slo_burn_rate{service="shop",slo="busy",window="1h"} 30
goshawk_slo_burn_rate{service="shop",slo="busy",window="5m"} 30
# HELP goshawk_slo_events_total Events that objectives are about, good and bad, over restarts.
# TYPE goshawk_slo_events_total counter
goshawk_slo_events_total{result="bad",service="shop",slo="busy"} 300
goshawk_slo_events_total{result="bad",service="shop",slo="quiet"} 0
goshawk_slo_events_total{result="good",service="shop",slo="busy"} 70000
goshawk_slo_events_total{result="good",service="shop",slo="quiet"} 0
# HELP goshawk_slo_files_in_force 1 when what the files of objectives say is in force, 0 when some were rejected.
# TYPE goshawk_slo_files_in_force gauge
goshawk_slo_files_in_force 0
# HELP goshawk_slo_objective_ratio Share of good events that is promised.
# TYPE goshawk_slo_objective_ratio gauge
goshawk_slo_objective_ratio{service="shop",slo="asked"} 0.9
goshawk_slo_objective_ratio{service="shop",slo="busy"} 0.99
goshawk_slo_objective_ratio{service="shop",slo="quiet"} 0.99
# HELP goshawk_slo_objectives How many objectives there are, proposals too; the first 500 have series of their own.
# TYPE goshawk_slo_objectives gauge
goshawk_slo_objectives 3
# HELP goshawk_slo_unjudged_events_total Events that were neither good nor bad, as their time was not known exactly.
# TYPE goshawk_slo_unjudged_events_total counter
goshawk_slo_unjudged_events_total{service="shop",slo="busy"} 4
goshawk_slo_unjudged_events_total{service="shop",slo="quiet"} 0
# HELP goshawk_slo_verdict 1 for the verdict that holds, 0 for the others.
# TYPE goshawk_slo_verdict gauge
`
	for _, s := range []struct{ name, verdict string }{{"asked", "insufficient_data"}, {"busy", "exhausted"}, {"quiet", "insufficient_data"}} {
		for _, v := range []string{"burning", "exhausted", "insufficient_data", "ok"} {
			want += fmt.Sprintf("goshawk_slo_verdict{service=\"shop\",slo=%q,verdict=%q} %v\n", s.name, v, truth(v == s.verdict))
		}
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestSLOMetrics_areBounded(t *testing.T) {
	var states []evaluate.State
	for n := range maxMeasuredSLOs + 10 {
		states = append(states, stateOf(t, fmt.Sprint("slo-", n), sli.Counts{Good: 1}))
	}
	c := newSLOMetrics(func() []evaluate.State { return states }, func() []evaluate.Reading { return nil }, func() bool { return true })
	if n := testutil.CollectAndCount(c, "goshawk_slo_objective_ratio"); n != maxMeasuredSLOs {
		t.Errorf("%d objectives have series", n)
	}
	if n := testutil.CollectAndCount(c, "goshawk_slo_objectives"); n != 1 {
		t.Errorf("%d series say how many there are", n)
	}
}

func TestNotifyMetrics(t *testing.T) {
	stats := func() []notify.Stats {
		return []notify.Stats{{Receiver: "on-call", Kind: "webhook", Waiting: 1, Sent: 2, Failed: 3, Retried: 4, Dropped: 5, Failing: true}, {Receiver: "chat", Kind: "command"}}
	}
	var want strings.Builder
	for _, m := range []struct {
		name, kind, help string
		value            int
	}{
		{"dropped_total", "counter", "Alerts that a receiver was not told of, as too many waited or as they ended before.", 5},
		{"failed_total", "counter", "Notifications that a receiver refused, and that were given up.", 3},
		{"failing", "gauge", "1 when the last attempt failed.", 1},
		{"pending", "gauge", "Alerts that have news that the receiver has not been told.", 1},
		{"retried_total", "counter", "Attempts that failed and are made again.", 4},
		{"sent_total", "counter", "Alerts that a receiver was told of, also that they ended.", 2},
	} {
		name := "goshawk_notifications_" + m.name
		fmt.Fprintf(&want, "# HELP %s %s\n# TYPE %s %s\n%s{kind=\"command\",receiver=\"chat\"} 0\n%s{kind=\"webhook\",receiver=\"on-call\"} %d\n", name, m.help, name, m.kind, name, name, m.value)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newNotifyMetrics(stats))
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want.String())); err != nil {
		t.Error(err)
	}
}
