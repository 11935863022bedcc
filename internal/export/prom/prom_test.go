package prom

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/goshawk-io/goshawk/internal/model"
)

func schema() *model.Schema {
	return &model.Schema{
		Probe: "made-up",
		Fields: []model.Field{
			{Key: "outcome", Kind: model.KindString},
			{Key: "cpu", Kind: model.KindDuration},
			{Key: "retries", Kind: model.KindInt},
		},
		Metrics: []model.Metric{
			{Name: "goshawk.made_up", Kind: model.Counter, Unit: "{thing}", Summary: "Things.", Labels: []model.Label{{Name: "outcome", Field: "outcome"}}},
			{Name: "goshawk.made_up.cpu", Kind: model.Counter, Unit: "s", Sum: "cpu", Summary: "CPU."},
			{Name: "goshawk.made_up.retries", Kind: model.Counter, Sum: "retries", When: "retries", Summary: "Retries."},
			{Name: "goshawk.made_up.duration", Kind: model.Histogram, Unit: "s", Summary: "Durations."},
		},
	}
}

func event(s *model.Schema, service, outcome string, d time.Duration) *model.Event {
	var e model.Event
	e.Reset(s)
	e.Service, e.Duration = service, d
	e.Values[0] = model.StringValue(outcome)
	e.Values[1] = model.DurationValue(1500 * time.Millisecond)
	return &e
}

func TestConsume_aggregatesBySchema(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	s := schema()
	m, err := New(registry, s)
	if err != nil {
		t.Fatal(err)
	}
	m.Consume(event(s, "a", "ok", 20*time.Millisecond))
	m.Consume(event(s, "a", "ok", -1))
	retried := event(s, "b", "bad\xff", time.Second)
	retried.Values[2] = model.IntValue(3)
	m.Consume(retried)
	started := event(s, "a", "ok", time.Second)
	started.Phase = model.PhaseStart
	m.Consume(started)
	other := event(&model.Schema{Probe: "other", Fields: s.Fields}, "a", "ok", time.Second)
	m.Consume(other)
	want := `
# HELP goshawk_made_up_total Things.
# TYPE goshawk_made_up_total counter
goshawk_made_up_total{outcome="bad�",service="b"} 1
goshawk_made_up_total{outcome="ok",service="a"} 2
# HELP goshawk_made_up_cpu_seconds_total CPU.
# TYPE goshawk_made_up_cpu_seconds_total counter
goshawk_made_up_cpu_seconds_total{service="a"} 3
goshawk_made_up_cpu_seconds_total{service="b"} 1.5
# HELP goshawk_made_up_retries_total Retries.
# TYPE goshawk_made_up_retries_total counter
goshawk_made_up_retries_total{service="b"} 3
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "goshawk_made_up_total", "goshawk_made_up_cpu_seconds_total", "goshawk_made_up_retries_total"); err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(m.bySchema["made-up"][3].histogram); n != 2 {
		t.Errorf("%d histograms, want one for each service", n)
	}
}

func TestConsume_boundsTheServices(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := schema()
	m, err := New(registry, s)
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxServices + 50 {
		m.Consume(event(s, fmt.Sprint("service", i), "ok", time.Second))
	}
	if n := testutil.CollectAndCount(m.bySchema["made-up"][0].counter); n != maxServices+1 {
		t.Errorf("%d series, want %d and one for the rest", n, maxServices)
	}
	if got := testutil.ToFloat64(m.bySchema["made-up"][0].counter.WithLabelValues(otherService, "ok")); got != 50 {
		t.Errorf("%v events of other services, want 50", got)
	}
}

func TestNew_refusesAMetricOfNoField(t *testing.T) {
	for _, metric := range []model.Metric{
		{Name: "m", Sum: "nothing"}, {Name: "m", Value: "nothing"}, {Name: "m", When: "nothing"},
		{Name: "m", Labels: []model.Label{{Name: "l", Field: "nothing"}}},
	} {
		s := &model.Schema{Probe: "p", Metrics: []model.Metric{metric}}
		if _, err := New(prometheus.NewRegistry(), s); err == nil || !strings.Contains(err.Error(), `no field "nothing"`) {
			t.Errorf("%+v: error %v, want one that names the field", metric, err)
		}
	}
}

func TestHealth_rendersEveryProbe(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(Health(func() []model.ProbeHealth {
		return []model.ProbeHealth{
			{Probe: "exec", Up: true, Events: 7, Lost: 1, LostRecords: 2, CostSeconds: 0.5},
			{Probe: "tcp", CostSeconds: -1},
		}
	}, func() map[string]uint64 { return map[string]uint64{"stdout": 3} }))
	want := `
# HELP goshawk_probe_events_total Events that the probe delivered.
# TYPE goshawk_probe_events_total counter
goshawk_probe_events_total{probe="exec"} 7
goshawk_probe_events_total{probe="tcp"} 0
# HELP goshawk_probe_cost_seconds_total CPU time spent in the probe's eBPF programs.
# TYPE goshawk_probe_cost_seconds_total counter
goshawk_probe_cost_seconds_total{probe="exec"} 0.5
# HELP goshawk_probe_events_lost_total Events known to be lost before they were decoded.
# TYPE goshawk_probe_events_lost_total counter
goshawk_probe_events_lost_total{probe="exec"} 1
goshawk_probe_events_lost_total{probe="tcp"} 0
# HELP goshawk_probe_up 1 when the probe delivers events.
# TYPE goshawk_probe_up gauge
goshawk_probe_up{probe="exec"} 1
goshawk_probe_up{probe="tcp"} 0
# HELP goshawk_sink_events_dropped_total Events that did not fit the queue of a sink.
# TYPE goshawk_sink_events_dropped_total counter
goshawk_sink_events_dropped_total{sink="stdout"} 3
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "goshawk_probe_events_total", "goshawk_probe_cost_seconds_total",
		"goshawk_probe_events_lost_total", "goshawk_probe_up", "goshawk_sink_events_dropped_total"); err != nil {
		t.Error(err)
	}
}
