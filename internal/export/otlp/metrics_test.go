package otlp

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/goshawk-io/goshawk/internal/model"
)

func metricSchema() *model.Schema {
	return &model.Schema{Probe: "query", Metrics: []model.Metric{
		{Name: "goshawk.query", Kind: model.Counter, Unit: "{query}"},
		{Name: "goshawk.query.duration", Kind: model.Histogram, Unit: "s"},
		{Name: "goshawk.query.wait", Kind: model.Histogram, Unit: "s"},
	}}
}

// newRegistry holds the metrics of metricSchema for two services and an
// unknown one, and one of Goshawk's own.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	count := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "goshawk_query_total", Help: "Queries."}, []string{"service", "outcome"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "goshawk_query_duration_seconds", Help: "How long.", Buckets: []float64{0.1, 1},
	}, []string{"service"})
	wait := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "goshawk_query_wait_seconds", Help: "How long before.", NativeHistogramBucketFactor: 1.1,
	}, []string{"service"})
	own := prometheus.NewGauge(prometheus.GaugeOpts{Name: "goshawk_queue_length", Help: "Own."})
	r.MustRegister(count, duration, wait, own)
	count.WithLabelValues("shop", "ok").Add(2)
	count.WithLabelValues("shop", "failed").Add(1)
	count.WithLabelValues("cart", "ok").Add(4)
	count.WithLabelValues("", "ok").Add(5)
	duration.WithLabelValues("shop").Observe(0.5)
	duration.WithLabelValues("cart").Observe(5)
	wait.WithLabelValues("shop").Observe(0.25)
	own.Set(3)
	return r
}

// failingGatherer gives a family, one that the bridge does not know, and an
// error.
type failingGatherer struct{ err error }

func (g failingGatherer) Gather() ([]*dto.MetricFamily, error) {
	good, odd := "good", "odd"
	gauge, gaugeHistogram := dto.MetricType_GAUGE, dto.MetricType_GAUGE_HISTOGRAM
	return []*dto.MetricFamily{{Name: &good, Type: &gauge}, {Name: &odd, Type: &gaugeHistogram}}, g.err
}

func TestTolerant_keepsWhatWasGathered(t *testing.T) {
	var log logBuffer
	failing := &failingGatherer{err: errors.New("a collector failed")}
	g := &tolerant{inner: failing, health: &health{log: log.logger(), bad: "fails", good: "works"}}
	for range 3 {
		families, err := g.Gather()
		if err != nil || len(families) != 1 || families[0].GetName() != "good" {
			t.Fatalf("got %v, %v", families, err)
		}
	}
	failing.err = nil
	if _, err := g.Gather(); err != nil {
		t.Fatal(err)
	}
	if log.count("msg=fails") != 1 || log.count("msg=works") != 1 {
		t.Errorf("logged %q", log.text.String())
	}
}
