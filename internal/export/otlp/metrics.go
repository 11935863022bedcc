package otlp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/goshawk-io/goshawk/internal/export/prom"
	"github.com/goshawk-io/goshawk/internal/model"
)

// serviceLabel is the label by which the metrics of a schema tell services
// apart.
const serviceLabel = "service"

// metrics exports what a Prometheus gatherer has, at an interval.
type metrics struct {
	provider *sdkmetric.MeterProvider
}

func startMetrics(ctx context.Context, s signal, r resources, o Options, stats *counters) (*metrics, error) {
	client, err := newMetricClient(ctx, s, o)
	if err != nil {
		return nil, fmt.Errorf("start OTLP export of metrics to %s: %w", s, err)
	}
	exporter := &serviceExporter{
		Exporter:  client,
		resources: r,
		stats:     stats,
		endpoint:  exportHealth(o.Log, s),
	}
	var reader []sdkmetric.PeriodicReaderOption
	if o.Gatherer != nil {
		reader = append(reader, sdkmetric.WithProducer(newRenamer(o)))
	}
	if o.Judge != nil {
		reader = append(reader, sdkmetric.WithProducer(&objectives{
			judge: o.Judge, series: o.Series, version: o.Version, now: o.Now, health: &health{
				log: o.Log, bad: "reading since when objectives are counted fails", good: "reading since when objectives are counted works again",
			},
		}))
	}
	return &metrics{provider: sdkmetric.NewMeterProvider(
		sdkmetric.WithResource(sdkResource(r.own)),
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter, reader...)),
	)}, nil
}

// newRenamer returns what produces the metrics of the gatherer.
func newRenamer(o Options) *renamer {
	g := &tolerant{inner: o.Gatherer, health: &health{
		log: o.Log, bad: "gathering metrics for OTLP fails", good: "gathering metrics for OTLP works again",
	}}
	if o.Judge != nil {
		g.leftOut = namesOfObjectives()
	}
	return &renamer{inner: bridge.NewMetricProducer(bridge.WithGatherer(g)), schema: schemaMetrics(o.Schemas), version: o.Version}
}

func newMetricClient(ctx context.Context, s signal, o Options) (sdkmetric.Exporter, error) {
	if s.grpc {
		return otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{
			Enabled: true, InitialInterval: o.RetryWait, MaxInterval: maxRetryWait, MaxElapsedTime: o.RetryFor,
		}))
	}
	return otlpmetrichttp.New(ctx, otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{
		Enabled: true, InitialInterval: o.RetryWait, MaxInterval: maxRetryWait, MaxElapsedTime: o.RetryFor,
	}))
}

// shutdown exports once more, until ctx ends.
func (m *metrics) shutdown(ctx context.Context) error {
	if err := m.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("OTLP export of metrics: %w", err)
	}
	return nil
}

// tolerant takes what a gatherer could gather, as Prometheus's own handler can
// be told to; the bridge would drop all for one collector's error.
type tolerant struct {
	inner  prometheus.Gatherer
	health *health
	// leftOut are the names of families that go out in another way.
	leftOut []string
}

// Gather implements [prometheus.Gatherer].
func (g *tolerant) Gather() ([]*dto.MetricFamily, error) {
	families, err := g.inner.Gather()
	g.health.report(err)
	// The bridge knows no histograms of gauges.
	return slices.DeleteFunc(families, func(f *dto.MetricFamily) bool {
		return f.GetType() == dto.MetricType_GAUGE_HISTOGRAM || slices.Contains(g.leftOut, f.GetName())
	}), nil
}

// schemaMetric is what the schema knows of a metric and Prometheus does not.
type schemaMetric struct {
	probe, name, unit string
	labels            map[string]labelField // by the label's name
}

// labelField is what a label was made of.
type labelField struct {
	key  string
	kind model.Kind
}

// schemaMetrics returns the metrics of schemas by their Prometheus names.
func schemaMetrics(schemas []*model.Schema) map[string]schemaMetric {
	found := map[string]schemaMetric{}
	for _, s := range schemas {
		for _, m := range s.Metrics {
			known := schemaMetric{probe: s.Probe, name: m.Name, unit: m.Unit, labels: make(map[string]labelField)}
			for _, l := range m.Labels {
				field := labelField{key: l.Name}
				if i := s.Index(l.Field); i >= 0 && strings.ReplaceAll(l.Field, ".", "_") == l.Name {
					field = labelField{l.Field, s.Fields[i].Kind}
				}
				known.labels[l.Name] = field
			}
			found[prom.Name(m)] = known
		}
	}
	return found
}

// renamer gives the metrics of schemas their names, units, attributes and
// scopes back.
type renamer struct {
	inner   sdkmetric.Producer
	schema  map[string]schemaMetric
	version string
}

// Produce implements [sdkmetric.Producer].
func (p *renamer) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	scopes, err := p.inner.Produce(ctx)
	var produced []metricdata.ScopeMetrics
	byProbe := map[string]*metricdata.ScopeMetrics{}
	for _, scope := range scopes {
		others := metricdata.ScopeMetrics{Scope: scope.Scope}
		for _, m := range scope.Metrics {
			known, ok := p.schema[m.Name]
			if !ok {
				others.Metrics = append(others.Metrics, m)
				continue
			}
			m.Name, m.Unit = known.name, known.unit
			known.setAttributes(m.Data)
			if byProbe[known.probe] == nil {
				byProbe[known.probe] = &metricdata.ScopeMetrics{
					Scope: instrumentation.Scope{Name: scopePrefix + known.probe, Version: p.version},
				}
			}
			byProbe[known.probe].Metrics = append(byProbe[known.probe].Metrics, m)
		}
		if len(others.Metrics) > 0 {
			produced = append(produced, others)
		}
	}
	for _, probe := range slices.Sorted(maps.Keys(byProbe)) {
		produced = append(produced, *byProbe[probe])
	}
	return produced, err
}

// setAttributes gives the points of a metric the attributes that its labels were
// made of. Schemas have counters and histograms only.
func (m *schemaMetric) setAttributes(data metricdata.Aggregation) {
	switch data := data.(type) {
	case metricdata.Sum[float64]:
		for i := range data.DataPoints {
			data.DataPoints[i].Attributes = m.attributes(data.DataPoints[i].Attributes)
		}
	case metricdata.Histogram[float64]:
		for i := range data.DataPoints {
			data.DataPoints[i].Attributes = m.attributes(data.DataPoints[i].Attributes)
		}
	case metricdata.ExponentialHistogram[float64]:
		for i := range data.DataPoints {
			data.DataPoints[i].Attributes = m.attributes(data.DataPoints[i].Attributes)
		}
	}
}

// attributes returns a set without the labels that are empty, which in
// Prometheus is the same as none. A label that has the name of its field in
// Prometheus's form gets the field's own name and type.
func (m *schemaMetric) attributes(labels attribute.Set) attribute.Set {
	list := make([]attribute.KeyValue, 0, labels.Len())
	for _, kv := range labels.ToSlice() {
		field, known := m.labels[string(kv.Key)]
		text := kv.Value.AsString()
		switch {
		case !known:
			list = append(list, kv)
			continue
		case text == "":
			continue
		}
		list = append(list, typed(field, text))
	}
	return attribute.NewSet(list...)
}

// typed returns the text of a label as an attribute. What is no value of its
// type, as of the label sets beyond a bound, stays text.
func typed(field labelField, text string) attribute.KeyValue {
	switch field.kind {
	case model.KindInt:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return attribute.Int64(field.key, n)
		}
	case model.KindBool:
		if b, err := strconv.ParseBool(text); err == nil {
			return attribute.Bool(field.key, b)
		}
	}
	return attribute.String(field.key, text)
}

// serviceExporter sends the metrics of each service under its own resource, as
// the spans are.
type serviceExporter struct {
	sdkmetric.Exporter
	resources resources
	stats     *counters
	endpoint  *health
}

// Export implements [sdkmetric.Exporter]. It keeps failures from the reader,
// which would hand each to OpenTelemetry's global handler.
func (x *serviceExporter) Export(ctx context.Context, all *metricdata.ResourceMetrics) error {
	var first error
	for _, part := range x.split(all) {
		if err := x.Exporter.Export(ctx, part); err != nil && first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	if first != nil {
		x.stats.failedMetrics.Add(1)
	}
	if !errors.Is(ctx.Err(), context.Canceled) { // Shutdown cuts an export short and begins another
		x.endpoint.report(first)
	}
	return nil
}

// split returns what has no service first, then a part per service.
func (x *serviceExporter) split(all *metricdata.ResourceMetrics) []*metricdata.ResourceMetrics {
	own := &metricdata.ResourceMetrics{Resource: all.Resource}
	services := map[string]*metricdata.ResourceMetrics{}
	for _, scope := range all.ScopeMetrics {
		if !strings.HasPrefix(scope.Scope.Name, scopePrefix) && scope.Scope.Name != objectiveScope {
			own.ScopeMetrics = append(own.ScopeMetrics, scope)
			continue
		}
		parts := map[string]*metricdata.ScopeMetrics{}
		for _, m := range scope.Metrics {
			for service, data := range splitData(m.Data) {
				if parts[service] == nil {
					parts[service] = &metricdata.ScopeMetrics{Scope: scope.Scope}
				}
				part := m
				part.Data = data
				parts[service].Metrics = append(parts[service].Metrics, part)
			}
		}
		for service, part := range parts {
			if services[service] == nil {
				services[service] = &metricdata.ResourceMetrics{Resource: sdkResource(x.resources.of(service))}
			}
			services[service].ScopeMetrics = append(services[service].ScopeMetrics, *part)
		}
	}
	var list []*metricdata.ResourceMetrics
	if len(own.ScopeMetrics) > 0 {
		list = append(list, own)
	}
	for _, service := range slices.Sorted(maps.Keys(services)) {
		list = append(list, services[service])
	}
	return list
}

// splitData splits the points of a metric by service. Schemas have counters
// and histograms only, objectives counters and gauges; anything else is taken as of
// no known service.
func splitData(data metricdata.Aggregation) map[string]metricdata.Aggregation {
	split := map[string]metricdata.Aggregation{}
	switch data := data.(type) {
	case metricdata.Sum[float64]:
		for service, points := range splitPoints(data.DataPoints, func(p *metricdata.DataPoint[float64]) *attribute.Set { return &p.Attributes }) {
			split[service] = metricdata.Sum[float64]{DataPoints: points, Temporality: data.Temporality, IsMonotonic: data.IsMonotonic}
		}
	case metricdata.Gauge[float64]:
		for service, points := range splitPoints(data.DataPoints, func(p *metricdata.DataPoint[float64]) *attribute.Set { return &p.Attributes }) {
			split[service] = metricdata.Gauge[float64]{DataPoints: points}
		}
	case metricdata.Histogram[float64]:
		for service, points := range splitPoints(data.DataPoints, func(p *metricdata.HistogramDataPoint[float64]) *attribute.Set { return &p.Attributes }) {
			split[service] = metricdata.Histogram[float64]{DataPoints: points, Temporality: data.Temporality}
		}
	case metricdata.ExponentialHistogram[float64]:
		for service, points := range splitPoints(data.DataPoints, func(p *metricdata.ExponentialHistogramDataPoint[float64]) *attribute.Set { return &p.Attributes }) {
			split[service] = metricdata.ExponentialHistogram[float64]{DataPoints: points, Temporality: data.Temporality}
		}
	default:
		split[""] = data
	}
	return split
}

// splitPoints groups points by the service attribute, which it removes.
func splitPoints[P any](points []P, attributes func(*P) *attribute.Set) map[string][]P {
	split := map[string][]P{}
	for _, p := range points {
		set := attributes(&p)
		value, _ := set.Value(serviceLabel)
		*set, _ = set.Filter(func(kv attribute.KeyValue) bool { return kv.Key != serviceLabel })
		split[value.AsString()] = append(split[value.AsString()], p)
	}
	return split
}

func sdkResource(pairs [][2]string) *resource.Resource {
	list := make([]attribute.KeyValue, len(pairs))
	for i, pair := range pairs {
		list[i] = attribute.String(valid(pair[0]), valid(pair[1]))
	}
	return resource.NewSchemaless(list...)
}
