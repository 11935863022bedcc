package dashboards

import (
	"bytes"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
	pmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/export/prom"
	"github.com/goshawk-io/goshawk/internal/export/remotewrite"
	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/rules"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probes"
	"github.com/goshawk-io/goshawk/sli"
)

const day = 24 * time.Hour

// The objectives by their kind. That of counters breaks at the end.
const (
	counted   = "checkout-availability"
	secondary = counted + "-1w"
	monthly   = "pay-latency"
	idle      = "admin-availability"
	alight    = "login-availability"
	ownAlerts = "cart-availability"
	byLabel   = "search-availability"
	sliced    = "search-minutes"
	aRatio    = "gateway-up"
)

// objectives returns one of each kind: of them the agent itself counts those of own,
// the others ask the server.
func objectives() (own, asking []objective.SLO) {
	of := func(name, service string, i objective.Indicator, windows ...sli.Window) objective.SLO {
		return objective.SLO{Name: name, Service: service, Target: 0.99, Windows: windows, Indicator: i}
	}
	ask := func(q objective.Query) objective.Indicator {
		return objective.Indicator{Signal: objective.SignalQuery, Query: q}
	}
	requests, month := objective.Indicator{Signal: objective.SignalHTTP}, sli.Calendar(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 1, 0)
	lax := of(monthly, "pay", requests, month)
	lax.Target = 0.95 // for whose first alert five bad events are not enough
	alerting := of(ownAlerts, "cart", requests, sli.Rolling(30*day))
	alerting.Alerts = []objective.Alert{{Alert: sli.Alert{Severity: "page", Burn: 10, Long: 2 * time.Hour, Short: 10 * time.Minute}}}
	minutes := of(sliced, "search", ask(objective.Query{Bad: `failed_total`, Total: `served_total`}), sli.Rolling(30*day))
	minutes.Slice = objective.Slice{Width: 10 * time.Minute, Target: 0.95}
	return []objective.SLO{
			of(counted, "checkout", requests, sli.Rolling(30*day), sli.Rolling(7*day)), lax,
			of(idle, "admin", requests, sli.Rolling(30*day)), of(alight, "login", requests, sli.Rolling(30*day)), alerting,
		}, []objective.SLO{
			of(byLabel, "search", ask(objective.Query{Bad: `failed_total`, Total: `served_total`, By: []string{"shard"}}), sli.Rolling(7*day)),
			minutes, of(aRatio, "gateway", ask(objective.Query{Ratio: `1 - up{job="gateway"}`}), sli.Rolling(30*day)),
		}
}

// record stores readings of the counters, and what the rules make of them.
func record(t testing.TB, l *library, o rules.Options, slos []objective.SLO) {
	t.Helper()
	groups, _, err := rules.Groups(slos, o)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := rules.WriteYAML(&file, groups); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, g := range groups {
		order = append(order, g.Name)
	}
	evaluate := l.evaluate(t, file.Bytes(), order)
	readings := make(map[*labels.Labels]float64)
	series := func(pairs ...string) *labels.Labels {
		all := labels.FromStrings(pairs...)
		readings[&all] = 0
		return &all
	}
	type pair struct {
		good, bad *labels.Labels
		name      string
	}
	var pairs []pair
	for i := range slos {
		if s := &slos[i]; s.Indicator.Signal != objective.SignalQuery {
			of := func(result string) *labels.Labels {
				return series("__name__", rules.CounterName, "slo", s.Name, "service", s.Service, "result", result)
			}
			pairs = append(pairs, pair{of("good"), of("bad"), s.Name})
		}
	}
	for _, shard := range []string{"a", "b"} {
		pairs = append(pairs, pair{series("__name__", "served_total", "shard", shard), series("__name__", "failed_total", "shard", shard), byLabel})
	}
	up := series("__name__", "up", "job", "gateway")
	for at := begin(); !at.After(end()); at = at.Add(step) {
		failing := at.After(end().Add(-40 * time.Minute))
		for _, p := range pairs {
			good, bad := 300.0, 0.0
			switch {
			case p.name == idle:
				good = 0
			case p.name == monthly:
				bad = 1
			case p.name == alight && at.Before(end().Add(-65*time.Minute)):
				good = 1_000_000 // which is budget enough for what comes
			case failing:
				good, bad = 200, 100
			}
			readings[p.good] += good
			readings[p.bad] += bad
		}
		readings[up] = 1
		if failing {
			readings[up] = 0
		}
		l.add(t, at, readings)
		evaluate(at)
	}
}

// scrape stores what /metrics says of agents, again and again.
func scrape(t testing.TB, l *library, instances ...string) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	http := probes.Find("http").Schema
	metrics, err := prom.New(registry, http)
	if err != nil {
		t.Fatal(err)
	}
	n := uint64(0)
	oldest := v1.Time(begin())
	registry.MustRegister(
		prom.Health(func() []model.ProbeHealth {
			return []model.ProbeHealth{{Probe: "http", Up: true, Events: 10 * n, Lost: n, LostRecords: n, CostSeconds: float64(n)}, {Probe: "exec", CostSeconds: -1}}
		}, func() map[string]uint64 { return map[string]uint64{"otlp": n} }),
		prom.Store(func() v1.Store {
			return v1.Store{Files: 2, SizeBytes: 1 << 20, LimitBytes: 1 << 30, Oldest: &oldest, Kept: 10 * n, LeftOut: n, Dropped: map[string]uint64{"queue": n}}
		}),
		remotewrite.Collector(func() []remotewrite.Stats {
			return []remotewrite.Stats{{Name: "mimir", Samples: n, Dropped: n, Failed: n}}
		}),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(readSources(t, "../../internal/cli").standIns(func() float64 { return float64(n) })...)
	kept := make(map[string]*labels.Labels)
	for at := begin(); !at.After(end()); at = at.Add(step) {
		n++
		for _, e := range requests(http) {
			metrics.Consume(e)
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		vector, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{}, families...)
		if err != nil {
			t.Fatal(err)
		}
		samples := make(map[*labels.Labels]float64)
		for _, s := range vector {
			for _, instance := range instances {
				key := instance + s.Metric.String()
				if kept[key] == nil {
					all := labelsOf(s.Metric, instance)
					kept[key] = &all
				}
				samples[kept[key]] = float64(s.Value)
			}
		}
		l.add(t, at, samples)
	}
}

func labelsOf(m pmodel.Metric, instance string) labels.Labels {
	b := labels.NewBuilder(labels.FromStrings("job", "goshawk", "instance", instance))
	for name, value := range m {
		b.Set(string(name), string(value))
	}
	return b.Labels()
}

// requests returns what the http probe says of one second: served with a route, with
// none, and failed; made of another service.
func requests(s *model.Schema) []*model.Event {
	of := func(count uint64, fields map[string]model.Value) *model.Event {
		e := new(model.Event)
		e.Reset(s)
		e.Phase, e.Service, e.Time, e.Duration = model.PhaseTally, "checkout", begin(), time.Second
		e.Tally = &model.Tally{Count: count, Durations: new(model.Distribution)}
		e.Tally.Durations.AddN(30*time.Millisecond, count)
		for key, value := range fields {
			e.Values[s.Index(key)] = value
		}
		return e
	}
	text, number := model.StringValue, model.IntValue
	return []*model.Event{
		of(9, map[string]model.Value{"goshawk.role": text("server"), "http.request.method": text("GET"), "http.route": text("/carts/{id}"), "http.response.status_code": number(200)}),
		of(5, map[string]model.Value{"goshawk.role": text("server"), "http.request.method": text("GET"), "url.template": text("/{id}"), "http.response.status_code": number(404)}),
		of(1, map[string]model.Value{"goshawk.role": text("server"), "http.request.method": text("PUT"), "http.route": text("/carts/{id}"), "http.response.status_code": number(500), "error.type": text("500")}),
		of(7, map[string]model.Value{"goshawk.role": text("client"), "http.request.method": text("GET"), "server.address": text("bank"), "http.response.status_code": number(200)}),
		of(1, map[string]model.Value{"goshawk.role": text("client"), "http.request.method": text("GET"), "server.address": text("bank"), "error.type": text("error")}),
	}
}
