package prom

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/goshawk-io/goshawk/internal/model"
)

// requestSchema is about that of a probe that counts requests in the kernel.
func requestSchema() *model.Schema {
	labels := []model.Label{{Name: "http_route", Field: "http.route"}, {Name: "http_response_status_code", Field: "status"}}
	return &model.Schema{
		Probe: "http", Tallied: true, Failure: "error.type", Groups: []string{"http.route", "status", "role"},
		Fields: []model.Field{
			{Key: "http.route", Kind: model.KindString}, {Key: "status", Kind: model.KindInt},
			{Key: "role", Kind: model.KindString}, {Key: "error.type", Kind: model.KindString}, {Key: "cached", Kind: model.KindBool},
		},
		Metrics: []model.Metric{
			{Name: "http.server.request.duration", Kind: model.Histogram, Unit: "s", Summary: "Served.", When: "role", Equals: "server", Labels: labels, Buckets: []float64{0.001, 0.1, 1}},
			{Name: "http.client.request.duration", Kind: model.Histogram, Unit: "s", Summary: "Sent.", When: "role", Equals: "client", Labels: labels, Buckets: []float64{0.001, 0.1, 1}},
			{Name: "goshawk.http.requests", Kind: model.Counter, Unit: "{request}", Summary: "Requests.", Labels: []model.Label{{Name: "cached", Field: "cached"}}},
			{Name: "goshawk.http.failures", Kind: model.Counter, Unit: "{request}", Summary: "Failures.", When: "error.type"},
		},
	}
}

// tally returns a tally of as many requests as there are durations.
func tally(s *model.Schema, service, role, route string, durations ...time.Duration) *model.Event {
	e := new(model.Event)
	e.Reset(s)
	e.Phase, e.Service, e.Time, e.Duration = model.PhaseTally, service, time.Unix(1_800_000_000, 0), time.Second
	e.Tally = &model.Tally{Count: uint64(len(durations)), Durations: new(model.Distribution)}
	for _, d := range durations {
		e.Tally.Durations.Add(d)
	}
	e.Values[0], e.Values[1], e.Values[2] = model.StringValue(route), model.IntValue(200), model.StringValue(role)
	return e
}

func newMetrics(t testing.TB, schemas ...*model.Schema) (*Metrics, *prometheus.Registry) {
	registry := prometheus.NewPedanticRegistry()
	m, err := New(registry, schemas...)
	if err != nil {
		t.Fatal(err)
	}
	return m, registry
}

func TestConsume_countsTalliesAlone(t *testing.T) {
	s := requestSchema()
	m, registry := newMetrics(t, s)
	const ms = time.Millisecond
	for range 3 {
		m.Consume(tally(s, "shop", "server", "/orders/{id}", ms/2, 5*ms, 5*ms, 2*time.Second))
	}
	failed := tally(s, "shop", "client", "bad\xff", 500*ms)
	failed.Values[1], failed.Values[3], failed.Values[4] = model.Value{}, model.StringValue("timeout"), model.BoolValue(true)
	m.Consume(failed)
	for _, phase := range []model.Phase{model.PhaseStart, model.PhaseEnd, model.PhaseUnfinished} {
		e := tally(s, "shop", "server", "/orders/{id}", 5*ms)
		e.Phase, e.Tally, e.Weight = phase, nil, 1000
		m.Consume(e)
	}
	broken := tally(s, "shop", "server", "/orders/{id}")
	broken.Tally = nil
	m.Consume(broken)
	want := `
# HELP goshawk_http_failures_total Failures.
# TYPE goshawk_http_failures_total counter
goshawk_http_failures_total{service="shop"} 1
# HELP goshawk_http_requests_total Requests.
# TYPE goshawk_http_requests_total counter
goshawk_http_requests_total{cached="",service="shop"} 12
goshawk_http_requests_total{cached="true",service="shop"} 1
# HELP http_client_request_duration_seconds Sent.
# TYPE http_client_request_duration_seconds histogram
http_client_request_duration_seconds_bucket{http_response_status_code="",http_route="bad�",service="shop",le="0.001"} 0
http_client_request_duration_seconds_bucket{http_response_status_code="",http_route="bad�",service="shop",le="0.1"} 0
http_client_request_duration_seconds_bucket{http_response_status_code="",http_route="bad�",service="shop",le="1"} 1
http_client_request_duration_seconds_bucket{http_response_status_code="",http_route="bad�",service="shop",le="+Inf"} 1
http_client_request_duration_seconds_sum{http_response_status_code="",http_route="bad�",service="shop"} 0.5
http_client_request_duration_seconds_count{http_response_status_code="",http_route="bad�",service="shop"} 1
# HELP http_server_request_duration_seconds Served.
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_bucket{http_response_status_code="200",http_route="/orders/{id}",service="shop",le="0.001"} 3
http_server_request_duration_seconds_bucket{http_response_status_code="200",http_route="/orders/{id}",service="shop",le="0.1"} 9
http_server_request_duration_seconds_bucket{http_response_status_code="200",http_route="/orders/{id}",service="shop",le="1"} 9
http_server_request_duration_seconds_bucket{http_response_status_code="200",http_route="/orders/{id}",service="shop",le="+Inf"} 12
http_server_request_duration_seconds_sum{http_response_status_code="200",http_route="/orders/{id}",service="shop"} 6.0315
http_server_request_duration_seconds_count{http_response_status_code="200",http_route="/orders/{id}",service="shop"} 12
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestConsume_takesNoTallyOfASchemaWithout(t *testing.T) {
	s := requestSchema()
	s.Tallied = false
	m, registry := newMetrics(t, s)
	m.Consume(tally(s, "shop", "server", "/", time.Second))
	if n, err := testutil.GatherAndCount(registry); n != 0 || err != nil {
		t.Errorf("%d series, %v, want none", n, err)
	}
	e := tally(s, "shop", "client", "/", time.Second)
	e.Phase, e.Tally, e.Duration = model.PhaseEnd, nil, 3*time.Second
	m.Consume(e)
	got := histograms(t, registry)
	if len(got) != 1 || got["http_client_request_duration_seconds"].GetSampleSum() != 3 {
		t.Errorf("%v, want one histogram, of the client", got)
	}
}

func TestConsume_countsATallyThatKnowsNoDurations(t *testing.T) {
	s := requestSchema()
	m, registry := newMetrics(t, s)
	e := tally(s, "shop", "server", "/", time.Second, time.Second)
	e.Tally.Durations = nil
	m.Consume(e)
	if err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP goshawk_http_requests_total Requests.
# TYPE goshawk_http_requests_total counter
goshawk_http_requests_total{cached="",service="shop"} 2
`), "goshawk_http_requests_total"); err != nil {
		t.Error(err)
	}
	if h := histograms(t, registry)["http_server_request_duration_seconds"]; h.GetSampleCount() != 0 || h.GetZeroThreshold() == 0 {
		t.Errorf("%v, want an empty histogram that is native", h)
	}
}

// histograms returns the first histogram of each name.
func histograms(t *testing.T, g prometheus.Gatherer) map[string]*dto.Histogram {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*dto.Histogram{}
	for _, f := range families {
		if f.GetType() == dto.MetricType_HISTOGRAM {
			found[f.GetName()] = f.Metric[0].Histogram
		}
	}
	return found
}

// nativeBuckets returns the counts of a native histogram by their positions.
func nativeBuckets(h *dto.Histogram) map[int]uint64 {
	counts := map[int]uint64{}
	at, n, i := 0, int64(0), 0
	for _, span := range h.PositiveSpan {
		at += int(span.GetOffset())
		for range span.GetLength() {
			n += h.PositiveDelta[i]
			i++
			if n != 0 {
				counts[at] = uint64(n)
			}
			at++
		}
	}
	return counts
}

// TestTallies_areAsIfEachWereObserved compares with what client_golang counts
// of the same durations: sums up to any bound differ by no more than is in one
// bucket of the distribution.
func TestTallies_areAsIfEachWereObserved(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	s := requestSchema()
	s.Metrics[0].Buckets = nil
	m, registry := newMetrics(t, s)
	reference := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "r", Buckets: durationBuckets(), NativeHistogramBucketFactor: 1.1})
	registry.MustRegister(reference)
	var all []time.Duration
	for range 20 {
		var some []time.Duration
		for range 1000 {
			d := time.Duration(math.Exp(random.NormFloat64()*2) * 1e7)
			reference.Observe(d.Seconds())
			some = append(some, d)
		}
		all = append(all, some...)
		m.Consume(tally(s, "shop", "server", "/", append(some, 0)...))
		reference.Observe(0)
	}
	found := histograms(t, registry)
	got, want := found["http_server_request_duration_seconds"], found["r"]
	if got.GetSampleCount() != want.GetSampleCount() || math.Abs(got.GetSampleSum()-want.GetSampleSum()) > 1e-6 || got.GetZeroCount() != 20 ||
		got.GetSchema() != want.GetSchema() || got.GetZeroThreshold() != want.GetZeroThreshold() || !got.GetCreatedTimestamp().AsTime().Equal(time.Unix(1_800_000_000, 0)) {
		t.Errorf("got %v of %v s, %v of 0, schema %v; want %v", got.GetSampleCount(), got.GetSampleSum(), got.GetZeroCount(), got.GetSchema(), want)
	}
	// near returns how many durations are in a bucket around a bound.
	near := func(bound float64) float64 {
		n := 0.0
		for _, d := range all {
			if math.Abs(d.Seconds()-bound) <= bound/8 {
				n++
			}
		}
		return n
	}
	for i, b := range got.Bucket {
		if diff := math.Abs(float64(b.GetCumulativeCount()) - float64(want.Bucket[i].GetCumulativeCount())); diff > 0.3*near(b.GetUpperBound())+2 {
			t.Errorf("up to %g s: %d, want %d", b.GetUpperBound(), b.GetCumulativeCount(), want.Bucket[i].GetCumulativeCount())
		}
	}
	gotNative, wantNative, sumGot, sumWant := nativeBuckets(got), nativeBuckets(want), 0.0, 0.0
	for i := firstNative; i <= lastNative; i++ {
		sumGot, sumWant = sumGot+float64(gotNative[i]), sumWant+float64(wantNative[i])
		if bound := math.Exp2(float64(i) / 8); math.Abs(sumGot-sumWant) > 0.3*near(bound)+2 {
			t.Errorf("up to native bucket %d, %g s: %v, want %v", i, bound, sumGot, sumWant)
		}
	}
	if sumGot != sumWant || sumGot != 20_000 {
		t.Errorf("native buckets have %v, those of the reference %v, want 20,000", sumGot, sumWant)
	}
}

// TestTallies_neverGoDown holds every bucket to what Prometheus takes for a
// restart otherwise.
func TestTallies_neverGoDown(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	s := requestSchema()
	s.Metrics[0].Buckets = nil
	m, registry := newMetrics(t, s)
	classic, native, total := make([]uint64, len(durationBuckets())), map[int]uint64{}, uint64(0)
	for range 300 {
		var some []time.Duration
		for range 1 + random.IntN(5) {
			some = append(some, time.Duration(random.Int64N(1<<(5+random.IntN(40)))))
		}
		m.Consume(tally(s, "shop", "server", "/", some...))
		total += uint64(len(some))
		h := histograms(t, registry)["http_server_request_duration_seconds"]
		last := uint64(0)
		for i, b := range h.Bucket {
			if b.GetCumulativeCount() < classic[i] || b.GetCumulativeCount() < last {
				t.Fatalf("the bucket up to %g went from %d to %d, the one before has %d", b.GetUpperBound(), classic[i], b.GetCumulativeCount(), last)
			}
			classic[i], last = b.GetCumulativeCount(), b.GetCumulativeCount()
		}
		now, sum := nativeBuckets(h), h.GetZeroCount()
		for _, n := range now {
			sum += n
		}
		if sum != total || h.GetSampleCount() != total {
			t.Fatalf("%d in native buckets, count %d; want %d", sum, h.GetSampleCount(), total)
		}
		for i, n := range native {
			if now[i] < n {
				t.Fatalf("native bucket %d went from %d to %d", i, n, now[i])
			}
		}
		native = now
	}
}

func TestCountUpTo_isExactAtTheEnds(t *testing.T) {
	for _, tt := range []struct{ low, high, count, bound, want uint64 }{
		{8, 16, 80, 7, 0}, {8, 16, 80, 8, 10}, {8, 16, 80, 14, 70}, {8, 16, 80, 15, 80}, {8, 16, 80, 16, 80}, {8, 16, 80, math.MaxUint64, 80},
		{8, 16, 1, 11, 0}, {8, 16, 2, 11, 1}, {0, 1, 5, 0, 5}, {1 << 62, 1 << 63, math.MaxUint64, 3<<61 - 1, math.MaxUint64 / 2},
	} {
		if got := countUpTo(tt.low, tt.high, tt.count, tt.bound); got != tt.want {
			t.Errorf("of %d from %d to %d, %d are up to %d, want %d", tt.count, tt.low, tt.high, got, tt.bound, tt.want)
		}
	}
}

func TestNativeBounds_spanAllDurations(t *testing.T) {
	b := newNativeBounds()
	if b[0] > 1 || b[len(b)-1] != math.MaxUint64 || b[-firstNative] != 1e9 || b[8-firstNative] != 2e9 {
		t.Errorf("bounds from %d over %d and %d to %d", b[0], b[-firstNative], b[8-firstNative], b[len(b)-1])
	}
	var d model.Distribution
	for _, n := range []time.Duration{0, 1, 2, 3, time.Second, math.MaxInt64} {
		d.Add(n)
	}
	zero, buckets := b.split(&d)
	sum := int64(0)
	for _, n := range buckets {
		sum += n
	}
	if zero != 1 || sum != 5 {
		t.Errorf("%d are 0 and %d are not, want 1 and 5: %v", zero, sum, buckets)
	}
}

func TestConsume_boundsTheLabelSetsOfTallies(t *testing.T) {
	s := requestSchema()
	m, registry := newMetrics(t, s)
	const services, routes = 12, maxSetsOfService + 200
	for i := range services {
		for j := range routes {
			m.Consume(tally(s, fmt.Sprint("service", i), "server", fmt.Sprint("/", j), time.Millisecond))
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	perService, total, rest := map[string]int{}, uint64(0), 0
	for _, f := range families {
		if f.GetName() != "http_server_request_duration_seconds" {
			continue
		}
		for _, metric := range f.Metric {
			total += metric.Histogram.GetSampleCount()
			labels := map[string]string{}
			for _, l := range metric.Label {
				labels[l.GetName()] = l.GetValue()
			}
			perService[labels["service"]]++
			if labels["http_route"] == otherLabel && labels["http_response_status_code"] == otherLabel {
				rest++
			}
		}
	}
	if total != services*routes {
		t.Errorf("%d requests are counted, want %d", total, services*routes)
	}
	sets := 0
	for service, n := range perService {
		if sets += n; n > maxSetsOfService+1 {
			t.Errorf("%s has %d label sets", service, n)
		}
	}
	if len(perService) != services || rest != services || sets > maxSets+services {
		t.Errorf("%d services with %d label sets, %d for the rest; want %d with no more than %d", len(perService), sets, rest, services, maxSets+services)
	}
}

func TestNew_refusesWhatTalliesDoNotHave(t *testing.T) {
	for want, metric := range map[string]model.Metric{
		`probe http is tallied, and tallies have no "status"`:      {Name: "m", Sum: "status"},
		`probe http is tallied, and tallies have no "error.type"`:  {Name: "m", Kind: model.Histogram, Value: "error.type"},
		`probe http has no text "" that could equal "server"`:      {Name: "m", Equals: "server"},
		`probe http has no text "status" that could equal "200"`:   {Name: "m", When: "status", Equals: "200"},
		`metric m: probe http has no field "nothing"`:              {Name: "m", When: "nothing", Equals: "200"},
		`metric m: classic buckets [1 0.5] of probe http: are not`: {Name: "m", Kind: model.Histogram, Buckets: []float64{1, 0.5}},
	} {
		s := requestSchema()
		s.Metrics = []model.Metric{metric}
		if _, err := New(prometheus.NewRegistry(), s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %s", metric, err, want)
		}
	}
}

// spread returns durations as those of a route are.
func spread(n int) []time.Duration {
	random := rand.New(rand.NewPCG(5, 6))
	list := make([]time.Duration, n)
	for i := range list {
		list[i] = time.Duration(math.Exp(random.NormFloat64()) * 2e6)
	}
	return list
}

func BenchmarkConsume(b *testing.B) {
	for _, n := range []int{1, 100, 20_000} {
		b.Run(fmt.Sprintf("a tally of %d", n), func(b *testing.B) {
			s := requestSchema()
			m, _ := newMetrics(b, s)
			e := tally(s, "shop", "server", "/orders/{id}", spread(n)...)
			b.ReportAllocs()
			for b.Loop() {
				m.Consume(e)
			}
		})
	}
	b.Run("an event", func(b *testing.B) {
		s := requestSchema()
		s.Tallied = false
		m, _ := newMetrics(b, s)
		e := tally(s, "shop", "server", "/orders/{id}", time.Millisecond)
		e.Phase = model.PhaseEnd
		b.ReportAllocs()
		for b.Loop() {
			m.Consume(e)
		}
	})
}

func BenchmarkGather(b *testing.B) {
	s := requestSchema()
	m, registry := newMetrics(b, s)
	durations := spread(5000)
	for i := range 1000 {
		m.Consume(tally(s, fmt.Sprint("service", i%50), "server", fmt.Sprint("/", i), durations...))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := registry.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
