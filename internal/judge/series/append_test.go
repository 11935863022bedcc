package series

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Values are chosen so that what the query language extrapolates is known: 5
// samples a minute apart, the range begins and ends on a sample.
func TestQuery_countersAsComputedByHand(t *testing.T) {
	w := newWatch()
	e := openTest(t, w, Options{})
	good := handle(t, e, "events_total", Label{"result", "good"}, Label{"slo", "shop"})
	bad := handle(t, e, "events_total", Label{"slo", "shop"}, Label{"result", "bad"})
	b := e.Batch()
	for i, v := range []struct{ good, bad float64 }{{100, 0}, {190, 10}, {270, 30}, {380, 30}, {480, 40}} {
		b.Add(good, v.good)
		b.Add(bad, v.bad)
		at := begin().Add(time.Duration(i) * time.Minute)
		if a, err := b.Commit(context.Background(), at); err != nil || a.Stored != 2 {
			t.Fatal(a, err)
		}
		w.pass(time.Minute)
	}
	end := begin().Add(4 * time.Minute)
	wantNumber(t, e, `events_total{result="good"}`, end, 480)
	wantNumber(t, e, `events_total{result="good"} - events_total{result="good"} offset 4m`, end, 380)
	wantNumber(t, e, `sum(events_total - events_total offset 2m)`, end, 480+40-270-30)
	// 40 of 420 events of the four minutes were bad.
	wantNumber(t, e, `sum(events_total{result="bad"} - events_total{result="bad"} offset 4m) / sum(events_total - events_total offset 4m)`, end, 40.0/420)
	// A range is open on the left: of the last 2m there are the samples of minutes
	// 3 and 4. The language takes their slope for all of the two minutes, because
	// the first is not further from the range's begin than from the second.
	wantNumber(t, e, `increase(events_total{result="good"}[2m])`, end, (480-380)*120/60)
	wantNumber(t, e, `rate(events_total{result="bad"}[2m])`, end, 10.0/60)
	wantNumber(t, e, `time() - 0`, end, float64(end.Unix()))

	got, err := e.Range(context.Background(), `events_total{result="bad"}`, begin(), end, 2*time.Minute)
	want := Matrix{{
		Name:   Name{"events_total", Labels{{"result", "bad"}, {"slo", "shop"}}},
		Points: []Point{{At: begin()}, {At: begin().Add(2 * time.Minute), Value: 30}, {At: end, Value: 40}},
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	names, err := e.Series(context.Background(), `{slo="shop"}`, begin(), end)
	if fmt.Sprint(names) != `[events_total{result="bad", slo="shop"} events_total{result="good", slo="shop"}]` || err != nil {
		t.Error(names, err)
	}
	if s := e.Stats(); s.Series != 2 || s.Stored != 10 || s.Rejected.Total() != 0 || !s.Oldest.Equal(begin()) || !s.Newest.Equal(end) || !s.Writable || s.Bytes == 0 || s.LastError != "" {
		t.Errorf("%+v", s)
	}
}

func TestCommit_rejects(t *testing.T) {
	histogram := func() *Histogram { return &Histogram{Schema: 3, Count: 1, Sum: 1, Buckets: []Bucket{{0, 1}}} }
	for _, c := range []struct {
		name    string
		at      time.Duration // after begin
		samples []Sample
		want    Appended
		err     error
	}{
		{"nothing of good samples", time.Minute, []Sample{{Metric: "a", Value: 2}, {Metric: "new"}}, Appended{Stored: 2}, nil},
		{"nothing of what is the same again", 0, []Sample{{Metric: "a", Value: 1}}, Appended{Stored: 1}, nil},
		{"NaN", time.Minute, []Sample{{Metric: "a", Value: math.NaN()}, {Metric: "b"}}, Appended{1, rejected(NotFinite, 1)}, nil},
		{"infinities", time.Minute, []Sample{{Metric: "a", Value: math.Inf(1)}, {Metric: "b", Value: math.Inf(-1)}}, Appended{0, rejected(NotFinite, 2)}, nil},
		{"what is older than the last", -time.Minute, []Sample{{Metric: "a", Value: 1}, {Metric: "new", Value: 1}}, Appended{1, rejected(OutOfOrder, 1)}, nil},
		{"another value at the same time", 0, []Sample{{Metric: "a", Value: 7}}, Appended{0, rejected(Duplicate, 1)}, nil},
		{"a series twice", time.Minute, []Sample{{Metric: "new", Value: 1}, {Metric: "new", Value: 2}}, Appended{1, rejected(Duplicate, 1)}, nil},
		{"what is older than the head takes", -3 * time.Hour, []Sample{{Metric: "a", Value: 1}, {Metric: "new", Value: 1}}, Appended{0, rejected(TooOld, 2)}, nil},
		{"what is older than the retention", -DefaultRetention - time.Hour, []Sample{{Metric: "a", Value: 1}}, Appended{0, rejected(TooOld, 1)}, nil},
		{"nothing of what is as far ahead as may be", DefaultMaxAhead, []Sample{{Metric: "a", Value: 2}}, Appended{Stored: 1}, nil},
		{"what is further ahead", DefaultMaxAhead + time.Millisecond, []Sample{{Metric: "a"}, {Metric: "b"}}, Appended{0, rejected(Ahead, 2)}, ErrAhead},
		{"a histogram that contradicts itself", time.Minute, []Sample{{Metric: "h", Histogram: &Histogram{Count: 3, Buckets: []Bucket{{0, 1}}}}}, Appended{0, rejected(Invalid, 1)}, nil},
		{"series too many", time.Minute, []Sample{{Metric: "c"}, {Metric: "d"}, {Metric: "e"}, {Metric: "a", Value: 2}}, Appended{3, rejected(SeriesLimit, 1)}, nil},
		{"histograms too many", time.Minute, []Sample{{Metric: "h1", Histogram: histogram()}, {Metric: "h2", Histogram: histogram()}, {Metric: "c"}}, Appended{2, rejected(HistogramLimit, 1)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := openTest(t, nil, Options{MaxSeries: 4, MaxHistograms: 1})
			ctx := context.Background()
			// Two hours of data: what is older than an hour before the newest is too old.
			if _, err := e.Append(ctx, begin().Add(-2*time.Hour), []Sample{{Metric: "b", Value: 1}}); err != nil {
				t.Fatal(err)
			}
			if a, err := e.Append(ctx, begin(), []Sample{{Metric: "a", Value: 1}}); err != nil || a.Stored != 1 {
				t.Fatal(a, err)
			}
			got, err := e.Append(ctx, begin().Add(c.at), c.samples)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%+v, %v; want %+v, %v", got, err, c.want, c.err)
			}
			if stats := e.Stats(); stats.Rejected != c.want.Rejected || stats.Stored != uint64(2+c.want.Stored) {
				t.Errorf("stats: %+v", stats)
			}
			// Whatever was rejected, the store goes on.
			if a, err := e.Append(ctx, begin().Add(DefaultMaxAhead), []Sample{{Metric: "a", Value: 2}}); err != nil || a.Stored != 1 {
				t.Error(a, err)
			}
		})
	}
}

// A store that begins in the year 1 would be written to a block for each two
// hours since.
func TestCommit_neverBeginsBeforeTheRetention(t *testing.T) {
	e := openTest(t, nil, Options{})
	for _, at := range []time.Time{{}, time.Unix(0, 0), begin().Add(-DefaultRetention - time.Millisecond)} {
		if a, err := e.Append(context.Background(), at, []Sample{{Metric: "a"}}); err != nil || a.Rejected != rejected(TooOld, 1) {
			t.Errorf("%v: %+v, %v", at, a, err)
		}
	}
	storeOne(t, e, begin().Add(-DefaultRetention), handle(t, e, "a"), 1)
	storeOne(t, e, begin(), handle(t, e, "a"), 2)
}

func TestAppend_survivesStepsOfTheClock(t *testing.T) {
	w := newWatch()
	e := openTest(t, w, Options{})
	s := handle(t, e, "a")
	now := func() (Appended, error) {
		b := e.Batch()
		b.Add(s, float64(w.now().Unix()))
		return b.Commit(context.Background(), w.now())
	}
	stores := func(when string) {
		t.Helper()
		if a, err := now(); err != nil || a.Stored != 1 {
			t.Fatalf("%s: %+v, %v", when, a, err)
		}
	}
	stores("at first")
	w.step(365 * 24 * time.Hour)
	if a, err := now(); !errors.Is(err, ErrAhead) || a.Rejected[Ahead] != 1 {
		t.Fatalf("a year ahead: %+v, %v", a, err)
	}
	w.step(-365 * 24 * time.Hour)
	w.pass(time.Second)
	stores("when the clock is right again")
	w.step(-30 * time.Second)
	if a, err := now(); err != nil || a.Rejected[OutOfOrder] != 1 {
		t.Fatalf("30 s back: %+v, %v", a, err)
	}
	w.pass(31 * time.Second)
	stores("when it has caught up")
	w.step(time.Hour)
	if _, err := now(); !errors.Is(err, ErrAhead) {
		t.Fatalf("an hour ahead: %v", err)
	}
	w.pass(DefaultMaxAhead)
	stores("an hour ahead, for ten minutes")
	if s := e.Stats(); s.Stored != 4 || s.Rejected != rejected(Ahead, 2, OutOfOrder, 1) {
		t.Errorf("%+v", s)
	}
}

// After a clock that was too far ahead for too long, before a restart.
func TestOpen_saysThatTheStoreIsAheadOfTheClock(t *testing.T) {
	w := newWatch()
	o := Options{Dir: t.TempDir()}
	e := openTest(t, w, o)
	storeOne(t, e, begin(), handle(t, e, "a"), 1)
	closeTest(t, e)
	w.step(-24 * time.Hour)
	e = openTest(t, w, o)
	if s := e.Stats(); !strings.Contains(s.LastError, "ahead of the clock") || !s.Newest.Equal(begin()) || s.LastErrorAt.IsZero() {
		t.Errorf("%+v", s)
	}
	if a, err := e.Append(context.Background(), w.now(), []Sample{{Metric: "a"}}); err != nil || a.Rejected != rejected(TooOld, 1) {
		t.Errorf("%+v, %v", a, err)
	}
	closeTest(t, e)
	w.step(24 * time.Hour)
	if s := openTest(t, w, o).Stats(); s.LastError != "" {
		t.Errorf("%+v", s)
	}
}

func TestNewSeries_refusesBadNames(t *testing.T) {
	e := openTest(t, nil, Options{})
	for _, c := range []struct {
		name, metric string
		labels       []Label
		want         string
	}{
		{"no metric", "", nil, "not a metric's name"},
		{"a metric that is none", "a b", nil, `"a b"`},
		{"a label without a name", "a", []Label{{"", "x"}}, "not a label's name"},
		{"a label with a bad name", "a", []Label{{"http.route", "x"}}, `"http.route"`},
		{"the metric's name as a label", "a", []Label{{"__name__", "x"}}, "is the metric's name"},
		{"a label twice", "a", []Label{{"x", "1"}, {"y", "2"}, {"x", "3"}}, `label "x": is there twice`},
		{"a value that is no text", "a", []Label{{"x", "\xff"}}, "UTF-8"},
		{"a long value", "a", []Label{{"x", strings.Repeat("x", maxLabelBytes+1)}}, "1025 bytes"},
		{"many labels", "a", make([]Label, maxLabels+1), "33 labels"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := e.NewSeries(c.metric, c.labels...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	s, err := e.NewSeries("a", Label{"y", "2"}, Label{"empty", ""}, Label{"x", "1"})
	if err != nil || s.Name().String() != `a{x="1", y="2"}` || s.Name().Labels.Get("y") != "2" || s.Name().Labels.Get("z") != "" {
		t.Error(s.Name(), err)
	}
}

func TestSeriesLimit_holdsForAnExplosion(t *testing.T) {
	e := openTest(t, nil, Options{MaxSeries: 100})
	b := e.Batch()
	var total Appended
	for i := range 10_000 {
		b.Add(handle(t, e, "requests_total", Label{"route", fmt.Sprint("/", i)}), 1)
		if len(b.entries) == 500 {
			a, err := b.Commit(context.Background(), begin())
			if err != nil {
				t.Fatal(err)
			}
			total.Stored += a.Stored
			total.Rejected[SeriesLimit] += a.Rejected[SeriesLimit]
		}
	}
	if total.Stored != 100 || total.Rejected != rejected(SeriesLimit, 9900) {
		t.Errorf("%+v", total)
	}
	wantNumber(t, e, "count(requests_total)", begin(), 100)
	if s := e.Stats(); s.Series != 100 || s.Rejected != total.Rejected {
		t.Errorf("%+v", s)
	}
}

func TestBatch_isEmptyAfterACommit(t *testing.T) {
	e := openTest(t, nil, Options{})
	b := e.Batch()
	b.Add(handle(t, e, "a"), 1)
	if _, err := b.Commit(context.Background(), begin().Add(time.Hour)); !errors.Is(err, ErrAhead) {
		t.Fatal(err)
	}
	if a, err := b.Commit(context.Background(), begin()); a != (Appended{}) || err != nil {
		t.Errorf("%+v, %v", a, err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	b.Add(handle(t, e, "a"), 1)
	if a, err := b.Commit(cancelled, begin()); a != (Appended{}) || !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestEngine_closed(t *testing.T) {
	e := openTest(t, nil, Options{})
	s := handle(t, e, "a")
	storeOne(t, e, begin(), s, 1)
	closeTest(t, e)
	ctx := context.Background()
	b := e.Batch()
	b.Add(s, 1)
	_, commitErr := b.Commit(ctx, begin())
	_, queryErr := e.Query(ctx, "a", begin())
	_, rangeErr := e.Range(ctx, "a", begin(), begin(), time.Second)
	_, seriesErr := e.Series(ctx, "a", begin(), begin())
	for i, err := range []error{commitErr, queryErr, rangeErr, seriesErr, e.SetRules(nil), e.Evaluate(ctx, begin())} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if s := e.Stats(); s.Writable || s.Stored != 1 || len(e.Alerts()) != 0 {
		t.Errorf("%+v", s)
	}
}

func TestReason_String(t *testing.T) {
	seen := map[string]bool{}
	for r := range reasons {
		seen[r.String()] = true
	}
	if len(seen) != int(reasons) || seen["reason_9"] || reasons.String() != "reason_9" {
		t.Error(seen)
	}
}

func TestBatch_addsWithoutAllocating(t *testing.T) {
	e := openTest(t, nil, Options{})
	s := handle(t, e, "a")
	b := e.Batch()
	add := func() {
		for range 1000 {
			b.Add(s, 1)
		}
		// A commit keeps the room that the batch has.
		if _, err := b.Commit(context.Background(), begin().Add(time.Hour)); !errors.Is(err, ErrAhead) {
			t.Fatal(err)
		}
	}
	add()
	// Of the refused commit there is the error.
	if allocs := testing.AllocsPerRun(100, add); allocs > 50 {
		t.Errorf("%v allocations for 1000 samples", allocs)
	}
}
