package otlp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/goshawk-io/goshawk/internal/judge/evaluate"
	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/series"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/sli"
)

// availability promises that 99 % of a service's requests do not fail.
func availability(name, service string) objective.SLO {
	return objective.SLO{
		Name: name, Service: service, Target: 0.99, Windows: []sli.Window{sli.Rolling(30 * 24 * time.Hour), sli.Rolling(7 * 24 * time.Hour)},
		Indicator: objective.Indicator{Signal: objective.SignalHTTP, Select: objective.Selector{Service: []string{service}}},
	}
}

// bench is an agent's judge whose clock the test moves.
type bench struct {
	*evaluate.Judge
	t      *testing.T
	dir    string
	now    time.Time
	engine *series.Engine
}

// open opens it, as an agent does that starts.
func (b *bench) open(slos ...objective.SLO) {
	b.t.Helper()
	clock := func() time.Time { return b.now }
	var err error
	if b.engine, err = series.Open(b.t.Context(), series.Options{Dir: b.dir, Manual: true, Now: clock, Elapsed: func() time.Duration { return b.now.Sub(startTime()) }}); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { b.engine.Close() })
	b.Judge = evaluate.NewJudge(evaluate.JudgeOptions{Engine: b.engine, Now: clock})
	if err := b.Set(slos); err != nil {
		b.t.Fatal(err)
	}
	b.Step(b.t.Context())
}

// serve counts requests of a service, and lets a minute pass.
func (b *bench) serve(service string, good, bad uint64) {
	for status, n := range map[int64]uint64{200: good, 500: bad} {
		e := newTally("server", "/", n, time.Millisecond)
		e.Service, e.Values[2] = service, model.IntValue(status)
		if status == 500 {
			e.Values[3] = model.StringValue("500")
		}
		b.Counting().Consume(e)
	}
	b.now = b.now.Add(time.Minute)
	b.Step(b.t.Context())
}

// export returns what a collector gets.
func (b *bench) export(o Options) []*metricspb.ResourceMetrics {
	b.t.Helper()
	c, url := newHTTPCollector(b.t)
	useEndpoint(b.t, url, "", "OTEL_TRACES_EXPORTER=none")
	o.Judge, o.Now = b, func() time.Time { return b.now }
	shutdown(b.t, start(b.t, o))
	return c.metrics
}

// begins returns the start time of each counter of objectives, and whether each is
// a sum that only grows.
func begins(t *testing.T, list []*metricspb.ResourceMetrics) []string {
	t.Helper()
	var all []string
	for _, r := range list {
		for _, scope := range r.ScopeMetrics {
			for _, m := range scope.Metrics {
				if m.Name != "goshawk.slo.events" {
					continue
				}
				if s := m.GetSum(); !s.IsMonotonic || s.AggregationTemporality != metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE {
					t.Errorf("it is %v, monotonic %t", s.AggregationTemporality, s.IsMonotonic)
				}
				for _, p := range m.GetSum().DataPoints {
					all = append(all, fmt.Sprintf("%s %g since %v", renderInline(p.Attributes), p.GetAsDouble(), time.Unix(0, int64(p.StartTimeUnixNano)).Sub(startTime().Truncate(time.Millisecond)).Round(time.Millisecond)))
				}
			}
		}
	}
	return all
}

func TestObjectives_areExportedByService(t *testing.T) {
	b := &bench{t: t, dir: t.TempDir(), now: startTime()}
	query := availability("asked", "other")
	query.Indicator = objective.Indicator{Signal: objective.SignalQuery, Query: objective.Query{Good: "sum(rate(a[{{.window}}]))", Total: "sum(rate(b[{{.window}}]))"}}
	proposal := availability("proposed", "shop")
	proposal.Proposal = true
	b.open(availability("shop-up", "shop"), availability("cart-up", "cart"), query, proposal)
	b.serve("shop", 90, 10)
	registry := newRegistry()
	for _, name := range namesOfObjectives() {
		registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: "The same, without a resource."}))
	}
	got := string(renderMetrics(b.export(Options{Gatherer: registry, Series: b.engine})))
	for _, want := range []string{
		"resource host.name=\"node-1\" os.type=\"linux\" service.name=\"shop\"\n  scope github.com/goshawk-io/goshawk/judge v1.2.3\n",
		"goshawk.slo.events unit=\"{event}\" \"Good and bad events of objectives.\"\n",
		"      sum 90 result=\"good\" slo=\"shop-up\"\n", "      sum 10 result=\"bad\" slo=\"shop-up\"\n",
		"      sum 0 result=\"good\" slo=\"cart-up\"\n",
		"      gauge -9 slo=\"shop-up\" window=\"30d\"\n", "      gauge -9 slo=\"shop-up\" window=\"7d\"\n", "      gauge 1 slo=\"cart-up\" window=\"30d\"\n",
		"      gauge 10 slo=\"shop-up\" window=\"5m\"\n", "      gauge 10 slo=\"shop-up\" window=\"1h\"\n",
		"goshawk.slo.objective unit=\"1\" \"Share of good events that is promised.\"\n      gauge 0.99 slo=\"asked\"\n",
		"goshawk_queue_length", // what the gatherer has is there as well
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	for _, not := range []string{` service="shop" slo=`, `slo="cart-up" window="5m"`, `slo="cart-up" window="3d"`, `result="good" slo="asked"`, "proposed", "The same"} {
		if strings.Contains(got, not) {
			t.Errorf("%q is in\n%s", not, got)
		}
	}
}

// TestObjectives_countOnOverARestart has counters go on, since the same time, with
// what was counted before.
func TestObjectives_countOnOverARestart(t *testing.T) {
	b := &bench{t: t, dir: t.TempDir(), now: startTime().Add(time.Hour)}
	for round, want := range []string{"5 since 1h0m0s", "10 since 1h0m0s", "15 since 1h0m0s"} {
		b.open(availability("shop-up", "shop"))
		b.serve("shop", 5, 1)
		got := begins(t, b.export(Options{Series: b.engine}))
		if len(got) != 2 || !strings.Contains(strings.Join(got, "\n"), ` result="good" slo="shop-up" `+want) {
			t.Errorf("round %d: got %q, want %s", round, got, want)
		}
		b.engine.Close()
	}
}

// memory has first readings of its own.
type memory struct {
	list []series.Stored
	err  error
}

func (m memory) First(context.Context, string) ([]series.Stored, error) { return m.list, m.err }

func TestObjectives_countSinceTheFirstReadingThatIsKept(t *testing.T) {
	first := func(service, result string, at time.Duration, value float64) series.Stored {
		return series.Stored{
			Name:    series.Name{Metric: "goshawk_slo_events_total", Labels: series.Labels{{Name: "result", Value: result}, {Name: "service", Value: service}, {Name: "slo", Value: "shop-up"}}},
			Numbers: []series.Number{{At: startTime().Add(at).UnixMilli(), Value: value}},
		}
	}
	for _, tt := range []struct {
		name   string
		series Series
		want   string // of the good ones
	}{
		{"that is of the begin", memory{list: []series.Stored{first("shop", "bad", -time.Hour, 0), first("shop", "good", -time.Hour, 0)}}, "5 since -1h0m0s"},
		{"that is all the store still has", memory{list: []series.Stored{first("shop", "bad", -time.Hour, 1), first("shop", "good", -time.Hour, 3)}}, "2 since -1h0m0s"},
		{
			"that is of another service before", memory{list: []series.Stored{
				first("shop", "bad", -time.Hour, 1), first("shop", "good", -time.Hour, 3), first("old", "bad", -2*time.Hour, 0), first("old", "good", -2*time.Hour, 1),
			}}, "4 since -2h0m0s",
		},
		{
			"that is of another service before, which is read first", memory{list: []series.Stored{
				first("old", "bad", -2*time.Hour, 0), first("old", "good", -2*time.Hour, 1), first("shop", "bad", -time.Hour, 1), first("shop", "good", -time.Hour, 3),
			}}, "4 since -2h0m0s",
		},
		{"and is above what is counted now", memory{list: []series.Stored{first("shop", "bad", -time.Hour, 0), first("shop", "good", -time.Hour, 50)}}, "0 since 1m0s"},
		{"or what is exported first, without any", memory{}, "0 since 1m0s"},
		{"or what is exported first, when it cannot be read", memory{err: errors.New("gone")}, "0 since 1m0s"},
		{"or what is exported first, without a store", nil, "0 since 1m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log logBuffer
			b := &bench{t: t, dir: t.TempDir(), now: startTime()}
			b.open(availability("shop-up", "shop"))
			b.serve("shop", 5, 1)
			got := begins(t, b.export(Options{Series: tt.series, Log: log.logger()}))
			if len(got) != 2 || !strings.Contains(strings.Join(got, "\n"), ` result="good" slo="shop-up" `+tt.want) {
				t.Errorf("got %q, want %s", got, tt.want)
			}
			if m, _ := tt.series.(memory); (m.err != nil) != (log.count("since when objectives") == 1) {
				t.Errorf("log: %s", log.text.String())
			}
		})
	}
}
