package prom

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/goshawk-io/goshawk/internal/model"
)

// maxServices is how many services have series of their own.
const maxServices = 500

// otherService stands for the services beyond.
const otherService = "_other"

// Metrics aggregates the events of some schemas. It is safe for concurrent
// use.
type Metrics struct {
	bySchema map[string][]instrument
	mu       sync.Mutex
	services map[string]string
}

// instrument is one metric of a schema.
type instrument struct {
	metric    model.Metric
	labels    []int // indices of the label fields
	sum       int   // index of the summed field, -1 to count
	value     int   // index of the distributed field, -1 for the duration
	when      int   // index of the field that must be set, -1 for none
	sumKind   model.Kind
	counter   *prometheus.CounterVec
	histogram *prometheus.HistogramVec
	tallies   *tallies // instead of both, for a tallied schema
}

// New registers the metrics of schemas with registry.
func New(registry prometheus.Registerer, schemas ...*model.Schema) (*Metrics, error) {
	m := &Metrics{bySchema: make(map[string][]instrument), services: make(map[string]string)}
	for _, s := range schemas {
		for _, metric := range s.Metrics {
			in, collector, err := newInstrument(s, metric)
			if err != nil {
				return nil, err
			}
			if err := registry.Register(collector); err != nil {
				return nil, fmt.Errorf("register metric %s: %w", metric.Name, err)
			}
			m.bySchema[s.Probe] = append(m.bySchema[s.Probe], in)
		}
	}
	return m, nil
}

func newInstrument(s *model.Schema, metric model.Metric) (instrument, prometheus.Collector, error) {
	in := instrument{metric: metric, sum: -1, value: -1, when: -1}
	labels := []string{"service"}
	for _, l := range metric.Labels {
		i := s.Index(l.Field)
		if i < 0 {
			return in, nil, fmt.Errorf("metric %s: probe %s has no field %q", metric.Name, s.Probe, l.Field)
		}
		in.labels = append(in.labels, i)
		labels = append(labels, l.Name)
	}
	for _, ref := range []struct {
		key   string
		index *int
	}{{metric.Sum, &in.sum}, {metric.Value, &in.value}, {metric.When, &in.when}} {
		if ref.key == "" {
			continue
		}
		if *ref.index = s.Index(ref.key); *ref.index < 0 {
			return in, nil, fmt.Errorf("metric %s: probe %s has no field %q", metric.Name, s.Probe, ref.key)
		}
	}
	if err := checkCondition(s, metric, in.when); err != nil {
		return in, nil, err
	}
	if in.sum >= 0 {
		in.sumKind = s.Fields[in.sum].Kind
	}
	name := Name(metric)
	if s.Tallied {
		if in.sum >= 0 || in.value >= 0 {
			return in, nil, fmt.Errorf("metric %s: probe %s is tallied, and tallies have no %q", metric.Name, s.Probe, metric.Sum+metric.Value)
		}
		if metric.Kind == model.Histogram && !slices.IsSorted(bucketsOf(metric)) {
			return in, nil, fmt.Errorf("metric %s: classic buckets %v of probe %s: are not in order", metric.Name, metric.Buckets, s.Probe)
		}
		in.tallies = newTallies(prometheus.NewDesc(name, metric.Summary, labels, nil), metric)
		return in, in.tallies, nil
	}
	if metric.Kind == model.Histogram {
		in.histogram = prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name, Help: metric.Summary,
			Buckets:                         bucketsOf(metric),
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
		}, labels)
		return in, in.histogram, nil
	}
	in.counter = prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: metric.Summary}, labels)
	return in, in.counter, nil
}

// checkCondition checks that a text can be compared with the field of When,
// whose index is when.
func checkCondition(s *model.Schema, metric model.Metric, when int) error {
	if metric.Equals != "" && (when < 0 || s.Fields[when].Kind != model.KindString) {
		return fmt.Errorf("metric %s: probe %s has no text %q that could equal %q", metric.Name, s.Probe, metric.When, metric.Equals)
	}
	return nil
}

func bucketsOf(metric model.Metric) []float64 {
	if metric.Buckets != nil {
		return metric.Buckets
	}
	return durationBuckets()
}

// durationBuckets are the classic buckets of what lasts from a millisecond to
// minutes, as commands do.
func durationBuckets() []float64 {
	return []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}
}

// Name returns the Prometheus name of a metric, by the OpenTelemetry mapping:
// dots become underscores, the unit follows in full, a counter ends in _total.
func Name(m model.Metric) string {
	name := strings.ReplaceAll(m.Name, ".", "_")
	if unit := unitName(m.Unit); unit != "" {
		name += "_" + unit
	}
	if m.Kind == model.Counter {
		name += "_total"
	}
	return name
}

// unitName returns the long form of a UCUM unit; annotations, in braces, are
// left out.
func unitName(unit string) string {
	switch {
	case unit == "s":
		return "seconds"
	case unit == "By":
		return "bytes"
	case strings.HasPrefix(unit, "{"), unit == "1":
		return ""
	}
	return unit
}

// Consume adds one event that ended, or one tally where the schema is Tallied.
// The event is borrowed.
func (m *Metrics) Consume(e *model.Event) {
	if !e.Counts() {
		return
	}
	instruments := m.bySchema[e.Schema.Probe]
	if len(instruments) == 0 {
		return
	}
	service := m.service(e.Service)
	var labels [8]string
	for i := range instruments {
		in := &instruments[i]
		if !in.wants(e) {
			continue
		}
		if in.tallies != nil {
			in.tallies.add(e, service, in.labels)
			continue
		}
		values := append(labels[:0], service)
		for _, field := range in.labels {
			values = append(values, labelValue(e, field))
		}
		in.add(e, values)
	}
}

// wants reports whether the metric's condition holds for e.
func (in *instrument) wants(e *model.Event) bool {
	if in.when < 0 {
		return true
	}
	v := e.Values[in.when]
	return v.IsSet() && (in.metric.Equals == "" || v.Str() == in.metric.Equals)
}

func (in *instrument) add(e *model.Event, labels []string) {
	if in.histogram != nil {
		d := e.Duration
		if in.value >= 0 {
			d = e.Values[in.value].Duration()
		}
		if d >= 0 {
			in.histogram.WithLabelValues(labels...).Observe(d.Seconds())
		}
		return
	}
	n := 1.0
	if in.sum >= 0 {
		n = float64(max(0, e.Values[in.sum].Int()))
		if in.sumKind == model.KindDuration {
			n /= float64(time.Second)
		}
	}
	in.counter.WithLabelValues(labels...).Add(n)
}

// labelValue copies a field's text: a metric outlives the event.
func labelValue(e *model.Event, field int) string { return string(appendLabel(nil, e, field)) }

// appendLabel appends the text of a field, nothing when it is not set.
func appendLabel(dst []byte, e *model.Event, field int) []byte {
	v := e.Values[field]
	if !v.IsSet() {
		return dst
	}
	switch e.Schema.Fields[field].Kind {
	case model.KindString:
		return append(dst, strings.ToValidUTF8(v.Str(), "\uFFFD")...)
	case model.KindBool:
		return strconv.AppendBool(dst, v.Bool())
	}
	return strconv.AppendInt(dst, v.Int(), 10)
}

// service returns the label for a service, interned and bounded.
func (m *Metrics) service(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.services[name]; ok {
		return s
	}
	if len(m.services) >= maxServices {
		return otherService
	}
	s := strings.Clone(strings.ToValidUTF8(name, "\uFFFD"))
	m.services[s] = s
	return s
}
