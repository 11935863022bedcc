package otlp

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/goshawk-io/goshawk/internal/judge/evaluate"
	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/rules"
	"github.com/goshawk-io/goshawk/internal/judge/series"
	"github.com/goshawk-io/goshawk/sli"
)

// objectiveScope is the instrumentation scope of the metrics of objectives.
const objectiveScope = "github.com/goshawk-io/goshawk/judge"

// namesOfObjectives returns what the metrics of objectives are called in Prometheus.
// A gatherer may have them too, without the service's resource and the start times.
func namesOfObjectives() []string {
	return []string{rules.CounterName, "goshawk_slo_budget_remaining_ratio", "goshawk_slo_burn_rate", "goshawk_slo_objective_ratio"}
}

// Judge says how objectives stand; [evaluate.Judge] does.
type Judge interface {
	// States returns how they stand, not to be changed.
	States() []evaluate.State
	// Counting returns what counts their events.
	Counting() *evaluate.Counting
}

// Series has the readings of objectives that were kept; [series.Engine] has.
type Series interface {
	// First returns the first number of each series that a selector selects.
	First(ctx context.Context, selector string) ([]series.Stored, error)
}

// objectives produces the metrics of objectives. An event counter is what was
// counted since the first reading that is kept: it goes on over restarts, and when
// readings become too old to be kept, it begins again with what is the first then.
// It is used by one goroutine at a time.
type objectives struct {
	judge   Judge
	series  Series // nil when nothing is kept
	version string
	now     func() time.Time
	health  *health
	begins  map[string]reading // by the objective's name
}

// reading is what was counted at a time.
type reading struct {
	at time.Time
	sli.Counts
}

// Produce implements the interface of producers of OpenTelemetry's SDK.
func (o *objectives) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	now := o.now()
	counts := make(map[string]sli.Counts)
	// Nobody has promised what is a proposal.
	states := slices.DeleteFunc(slices.Clone(o.judge.States()), func(s evaluate.State) bool { return s.SLO.Proposal })
	for _, r := range o.judge.Counting().Read() {
		counts[r.Name] = r.Counts
	}
	o.begin(ctx, states, counts, now)
	var events, budget, burn, target []metricdata.DataPoint[float64]
	for i := range states {
		s := &states[i]
		at := func(value float64, pairs ...string) metricdata.DataPoint[float64] {
			list := []attribute.KeyValue{attribute.String(serviceLabel, valid(s.SLO.Service)), attribute.String("slo", valid(s.SLO.Name))}
			for i := 0; i < len(pairs); i += 2 {
				list = append(list, attribute.String(pairs[i], pairs[i+1]))
			}
			return metricdata.DataPoint[float64]{Attributes: attribute.NewSet(list...), Time: now, Value: value}
		}
		target = append(target, at(s.SLO.Target))
		if n, counted := counts[s.SLO.Name]; counted && s.SLO.Indicator.Signal != objective.SignalQuery {
			begin := o.begins[s.SLO.Name]
			good, bad := at(float64(n.Good-begin.Good), "result", "good"), at(float64(n.Bad-begin.Bad), "result", "bad")
			good.StartTime, bad.StartTime = begin.at, begin.at
			events = append(events, good, bad)
		}
		for i := range s.Statuses {
			budget = append(budget, at(s.Statuses[i].Budget.RemainingRatio, "window", s.SLO.Windows[i].String()))
		}
		rates := burns(s)
		for _, window := range slices.Sorted(maps.Keys(rates)) {
			burn = append(burn, at(rates[window], "window", window))
		}
	}
	gauge := func(points []metricdata.DataPoint[float64]) metricdata.Aggregation {
		return metricdata.Gauge[float64]{DataPoints: points}
	}
	return o.scope(
		metricdata.Metrics{
			Name: "goshawk.slo.events", Unit: "{event}", Description: "Good and bad events of objectives.",
			Data: metricdata.Sum[float64]{DataPoints: events, Temporality: metricdata.CumulativeTemporality, IsMonotonic: true},
		},
		metricdata.Metrics{Name: "goshawk.slo.budget.remaining", Unit: "1", Description: "Share of the error budget of a window that is left; below 0 when more is spent than there was.", Data: gauge(budget)},
		metricdata.Metrics{Name: "goshawk.slo.burn_rate", Description: "How many times faster than allowed the error budget burns.", Data: gauge(burn)},
		metricdata.Metrics{Name: "goshawk.slo.objective", Unit: "1", Description: "Share of good events that is promised.", Data: gauge(target)},
	), nil
}

// scope returns the metrics that have points.
func (o *objectives) scope(all ...metricdata.Metrics) []metricdata.ScopeMetrics {
	s := metricdata.ScopeMetrics{Scope: instrumentation.Scope{Name: objectiveScope, Version: o.version}}
	for _, m := range all {
		points := 0
		switch data := m.Data.(type) {
		case metricdata.Sum[float64]:
			points = len(data.DataPoints)
		case metricdata.Gauge[float64]:
			points = len(data.DataPoints)
		}
		if points > 0 {
			s.Metrics = append(s.Metrics, m)
		}
	}
	if len(s.Metrics) == 0 {
		return nil
	}
	return []metricdata.ScopeMetrics{s}
}

// burns returns the burn rates of an objective by window; one without events has
// none.
func burns(s *evaluate.State) map[string]float64 {
	rates := make(map[string]float64)
	if len(s.Statuses) == 0 {
		return rates
	}
	for _, a := range s.Statuses[0].Alerts {
		if a.Long.Total() > 0 {
			rates[rules.Text(a.Alert.Long)] = a.LongBurn
		}
		if a.Short.Total() > 0 {
			rates[rules.Text(a.Alert.Short)] = a.ShortBurn
		}
	}
	return rates
}

// begin finds out since when objectives count that are new here, and forgets those
// that are gone.
func (o *objectives) begin(ctx context.Context, states []evaluate.State, counts map[string]sli.Counts, now time.Time) {
	var first map[string]reading
	known := o.begins
	o.begins = make(map[string]reading, len(states))
	for i := range states {
		name := states[i].SLO.Name
		begin, ok := known[name]
		if !ok {
			if first == nil {
				first = o.first(ctx)
			}
			begin, ok = first[name]
		}
		if n := counts[name]; !ok || begin.Good > n.Good || begin.Bad > n.Bad {
			// It is not kept, or the store lost what was.
			begin = reading{now, n}
		}
		o.begins[name] = begin
	}
}

// first returns the first readings that are kept.
func (o *objectives) first(ctx context.Context) map[string]reading {
	all := make(map[string]reading)
	if o.series == nil {
		return all
	}
	kept, err := o.series.First(ctx, rules.CounterName)
	o.health.report(err)
	services := make(map[string]string)
	for _, s := range kept {
		at, value := time.UnixMilli(s.Numbers[0].At).UTC(), uint64(s.Numbers[0].Value)
		name, service := s.Labels.Get("slo"), s.Labels.Get("service")
		r, ok := all[name]
		switch {
		case ok && services[name] == service:
		case ok && !at.Before(r.at):
			continue // it was of another service before
		default:
			r = reading{at: at}
			services[name] = service
		}
		switch s.Labels.Get("result") {
		case "good":
			r.Good = value
		case "bad":
			r.Bad = value
		}
		all[name] = r
	}
	return all
}
