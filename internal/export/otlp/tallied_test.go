package otlp

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/goshawk-io/goshawk/internal/export/prom"
	"github.com/goshawk-io/goshawk/internal/model"
)

// requestSchema is about that of a probe that counts requests in the kernel.
func requestSchema() *model.Schema {
	labels := []model.Label{
		{Name: "http_route", Field: "http.route"}, {Name: "http_response_status_code", Field: "http.response.status_code"},
		{Name: "error_type", Field: "error.type"}, {Name: "cached", Field: "cached"}, {Name: "way", Field: "goshawk.role"},
	}
	return &model.Schema{
		Probe: "http", Tallied: true, Failure: "error.type",
		Fields: []model.Field{
			{Key: "http.request.method", Kind: model.KindString}, {Key: "http.route", Kind: model.KindString},
			{Key: "http.response.status_code", Kind: model.KindInt}, {Key: "error.type", Kind: model.KindString},
			{Key: "goshawk.role", Kind: model.KindString}, {Key: "cached", Kind: model.KindBool},
		},
		Metrics: []model.Metric{
			{Name: "http.server.request.duration", Kind: model.Histogram, Unit: "s", Summary: "Served.", When: "goshawk.role", Equals: "server", Labels: labels, Buckets: []float64{0.01, 1}},
			{Name: "http.client.request.duration", Kind: model.Histogram, Unit: "s", Summary: "Sent.", When: "goshawk.role", Equals: "client", Labels: labels, Buckets: []float64{0.01, 1}},
			{Name: "goshawk.http.requests", Kind: model.Counter, Unit: "{request}", Summary: "Requests.", Labels: labels[:2]},
		},
		Span: &model.Span{Kind: model.SpanServer, Name: "http.request.method", Names: []string{"http.route", "goshawk.nothing"}, ClientWhen: model.Match{Key: "goshawk.role", Value: "client"}},
	}
}

// newRequest returns an event of a request with ids made of n.
func newRequest(n byte, role, method, route string) *model.Event {
	e := newEvent(requestSchema(), n)
	for i, text := range []string{method, route, "", "", role} {
		if text != "" {
			e.Values[i] = model.StringValue(text)
		}
	}
	e.Values[2] = model.IntValue(200)
	return e
}

// newTally returns a tally of requests that took d each.
func newTally(role, route string, count uint64, d time.Duration) *model.Event {
	e := newRequest(0, role, "GET", route)
	e.Phase, e.Duration = model.PhaseTally, time.Second
	e.TraceID, e.SpanID = model.TraceID{}, model.SpanID{}
	e.Tally = &model.Tally{Count: count, Durations: new(model.Distribution)}
	e.Tally.Durations.AddN(d, count)
	return e
}

func TestToSpan_ofASampledRequest(t *testing.T) {
	for _, tt := range []struct {
		name   string
		event  *model.Event
		weight uint64
		want   string
	}{
		{"served", newRequest(1, "server", "GET", "/orders/{id}"), 0, `"GET /orders/{id}" SERVER`},
		{"sent, and stands for others", newRequest(2, "client", "POST", ""), 20, `"POST" CLIENT goshawk.weight=int(20)`},
		{"of no known role or method", newRequest(3, "", "", "/"), 1, `"/" SERVER`},
		{"of which nothing is known", newRequest(4, "", "", ""), math.MaxUint64, `"http" SERVER goshawk.weight=int(9223372036854775807)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.event.Weight = tt.weight
			s := toSpan(item{event: tt.event, end: tt.event.End()})
			got := fmt.Sprintf("%q %s", s.Name, strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_"))
			for _, kv := range s.Attributes {
				if kv.Key == "goshawk.weight" {
					got += " goshawk.weight=" + renderValue(kv.Value)
				}
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestExporter_sendsNoTallyAsASpan(t *testing.T) {
	c, url := newHTTPCollector(t)
	useEndpoint(t, url, "")
	e := start(t, Options{})
	e.Consume(newTally("server", "/", 5, time.Second))
	e.Consume(newRequest(1, "server", "GET", "/"))
	shutdown(t, e)
	if got := c.spanIDs(); len(got) != 1 || got[0] != 1 {
		t.Errorf("got spans %v, want 1", got)
	}
	if got, want := e.Stats(), (Stats{Exported: 1}); got != want {
		t.Errorf("got %+v, want %+v: a tally is no span that was dropped", got, want)
	}
}

// TestMetrics_ofTalliesKeepTheirBuckets follows tallies through Prometheus's
// form to OTLP's.
func TestMetrics_ofTalliesKeepTheirBuckets(t *testing.T) {
	registry, schema := prometheus.NewRegistry(), requestSchema()
	m, err := prom.New(registry, schema)
	if err != nil {
		t.Fatal(err)
	}
	m.Consume(newTally("server", "/a", 1000, 3*time.Millisecond))
	m.Consume(newTally("server", "/a", 10, 700*time.Millisecond))
	m.Consume(newTally("server", "/a", 2, 0))
	failed := newTally("client", "/b", 7, 3*time.Millisecond)
	failed.Values[2], failed.Values[3], failed.Values[5] = model.Value{}, model.StringValue("timeout"), model.BoolValue(false)
	m.Consume(failed)

	c, url := newHTTPCollector(t)
	useEndpoint(t, url, "", "OTEL_TRACES_EXPORTER=none")
	shutdown(t, start(t, Options{Gatherer: registry, Schemas: []*model.Schema{schema}}))
	server := pointOf(t, c.metrics, "http.server.request.duration")
	if got, want := renderInline(server.Attributes), ` http.response.status_code=int(200) http.route="/a" way="server"`; got != want {
		t.Errorf("attributes%s, want%s", got, want)
	}
	if server.Count != 1012 || math.Abs(server.GetSum()-10) > 1e-9 || server.ZeroCount != 2 || server.Scale != 3 {
		t.Errorf("count %d, sum %g, zero %d, scale %d; want 1012, 10, 2, 3", server.Count, server.GetSum(), server.ZeroCount, server.Scale)
	}
	if got := time.Unix(0, int64(server.StartTimeUnixNano)).UTC(); !got.Equal(startTime()) {
		t.Errorf("it counts since %v, want the begin of the first tally, %v", got, startTime())
	}
	checkBuckets(t, server, map[time.Duration]uint64{3 * time.Millisecond: 1000, 700 * time.Millisecond: 10})
	client := pointOf(t, c.metrics, "http.client.request.duration")
	if got, want := renderInline(client.Attributes), ` cached=bool(false) error.type="timeout" http.route="/b" way="client"`; got != want || client.Count != 7 {
		t.Errorf("%d with attributes%s, want 7 with%s", client.Count, got, want)
	}
	checkBuckets(t, client, map[time.Duration]uint64{3 * time.Millisecond: 7})
	const sums = "goshawk.http.requests unit=\"{request}\" \"Requests.\"\n      sum 7 http.route=\"/b\"\n      sum 1012 http.response.status_code=int(200) http.route=\"/a\"\n"
	if text := string(renderMetrics(c.metrics)); !strings.Contains(text, sums) {
		t.Errorf("got\n%swant\n%s", text, sums)
	}
}

// checkBuckets checks that the counts are where the durations are, give or take
// the width of one bucket of the distribution.
func checkBuckets(t *testing.T, p *metricspb.ExponentialHistogramDataPoint, want map[time.Duration]uint64) {
	t.Helper()
	left, total := p.Count-p.ZeroCount, uint64(0)
	for d, n := range want {
		for i, count := range p.Positive.BucketCounts {
			upper := math.Exp2(float64(int(p.Positive.Offset)+i+1) / 8)
			if near := d.Seconds(); upper > near*0.88 && upper < near*1.25 {
				total += count
				n -= min(n, count)
			}
		}
		if n != 0 {
			t.Errorf("%d of the durations of %v are elsewhere", n, d)
		}
	}
	if total != left {
		t.Errorf("%d are in the buckets of the durations, want %d", total, left)
	}
}

// pointOf returns the only point of a histogram.
func pointOf(t *testing.T, list []*metricspb.ResourceMetrics, name string) *metricspb.ExponentialHistogramDataPoint {
	t.Helper()
	for _, r := range list {
		for _, scope := range r.ScopeMetrics {
			for _, m := range scope.Metrics {
				if points := m.GetExponentialHistogram().GetDataPoints(); m.Name == name && len(points) == 1 {
					return points[0]
				}
			}
		}
	}
	t.Fatalf("%s is not among\n%s", name, renderMetrics(list))
	return nil
}

func TestTyped_keepsWhatIsNoNumberAsText(t *testing.T) {
	for text, want := range map[string]string{"200": "INT64", "_other": "STRING"} {
		if got := typed(labelField{"status", model.KindInt}, text); got.Value.Type().String() != want || got.Value.String() != text {
			t.Errorf("%q became %v of %v, want %s", text, got.Value.String(), got.Value.Type(), want)
		}
	}
}
