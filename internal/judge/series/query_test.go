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

func TestQuery_errors(t *testing.T) {
	e := openTest(t, nil, Options{MaxSamples: 40})
	fill(t, e, 10*time.Minute)
	ctx := context.Background()
	instant := func(expr string) func() error {
		return func() error { _, err := e.Query(ctx, expr, begin()); return err }
	}
	ranged := func(expr string, to, step time.Duration) func() error {
		return func() error { _, err := e.Range(ctx, expr, begin(), begin().Add(to), step); return err }
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	for _, c := range []struct {
		name string
		do   func() error
		want error
		text string
	}{
		{"nonsense", instant("sum(("), ErrExpression, `query "sum(("`},
		{"a range for a vector", instant(`filled{i="1"}[1m]`), ErrExpression, "matrix"},
		{"a text for a vector", instant(`"x"`), ErrExpression, "string"},
		{"too many samples", instant("filled"), ErrTooMuch, "more than 40"},
		{"too many samples in a range", ranged("filled", time.Minute, time.Second), ErrTooMuch, "more than 40"},
		{"too many points", ranged("filled", 11_000*time.Second, time.Second), ErrTooMuch, "11001 points"},
		{"no step", ranged("filled", time.Minute, 0), ErrExpression, "shorter than 1ms"},
		{"a range that ends first", ranged("filled", -time.Minute, time.Second), ErrExpression, "ends before"},
		{"a range that cannot be understood", ranged("filled{", time.Minute, time.Second), ErrExpression, "filled{"},
		{"a range of ranges", ranged("filled[1m]", time.Minute, time.Second), ErrExpression, "range vector"},
		{"series without an end", func() error { _, err := e.Series(ctx, "filled{", begin(), begin()); return err }, ErrExpression, "filled{"},
		{"nobody waits", func() error { _, err := e.Query(cancelled, "filled", begin()); return err }, context.Canceled, "filled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.do(); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v; want %v with %q", err, c.want, c.text)
			}
		})
	}
}

func TestQuery_isLimited(t *testing.T) {
	e := openTest(t, nil, Options{MaxQueries: 2, QueryTimeout: 50 * time.Millisecond})
	ctx := context.Background()
	for range 2 { // as two queries do that run
		e.turns <- struct{}{}
	}
	if _, err := e.Query(ctx, "a", begin()); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "2 run") {
		t.Errorf("%v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := e.Query(cancelled, "a", begin()); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	<-e.turns
	if _, err := e.Query(ctx, "a", begin()); err != nil {
		t.Errorf("%v", err)
	}
	<-e.turns
	if len(e.turns) != 0 {
		t.Errorf("%d turns are not given back", len(e.turns))
	}
}

func TestQuery_takesTooLong(t *testing.T) {
	e := openTest(t, nil, Options{QueryTimeout: 3 * time.Second})
	storeOne(t, e, begin(), handle(t, e, "a"), 1)
	ctx := context.Background()
	late, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	defer cancel()
	_, err := e.instant(late, "a", begin())
	if err := e.named(ctx, err); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "more than 3s") {
		t.Errorf("%v", err)
	}
	if _, err := e.Query(late, "a", begin()); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrTimeout) {
		t.Errorf("the caller's own deadline: %v", err)
	}
}

func TestSeries_inARangeOfTime(t *testing.T) {
	e := openTest(t, nil, Options{})
	for i := range 5 {
		storeOne(t, e, begin().Add(time.Duration(i-60)*time.Minute), handle(t, e, "a", Label{"i", fmt.Sprint(i)}), 1)
	}
	got, err := e.Series(context.Background(), `a{i=~"[0-3]"}`, begin().Add(-58*time.Minute), begin())
	if want := []Name{{"a", Labels{{"i", "2"}}}, {"a", Labels{{"i", "3"}}}}; !cmp.Equal(got, want) || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

func TestHistogram_goesThroughTheStore(t *testing.T) {
	e := openTest(t, nil, Options{})
	s := handle(t, e, "latency_seconds", Label{"slo", "shop"})
	// Schema 0: bucket i holds numbers in (2^(i-1), 2^i].
	first := &Histogram{Schema: 0, Count: 12, Sum: 30, ZeroThreshold: 0.001, ZeroCount: 2, Buckets: []Bucket{{-1, 1}, {1, 4}, {2, 4}, {9, 1}}}
	second := &Histogram{Schema: 0, Count: 22, Sum: 50, ZeroThreshold: 0.001, ZeroCount: 2, Buckets: []Bucket{{-1, 1}, {1, 4}, {2, 14}, {9, 1}}}
	b := e.Batch()
	for i, h := range []*Histogram{first, second} {
		b.AddHistogram(s, h)
		if a, err := b.Commit(context.Background(), begin().Add(time.Duration(i)*time.Minute)); err != nil || a.Stored != 1 {
			t.Fatal(a, err)
		}
	}
	got := query(t, e, "latency_seconds", begin())
	want := Vector{{Metric: "latency_seconds", Labels: Labels{{"slo", "shop"}}, Histogram: first}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	end := begin().Add(time.Minute)
	if diff := cmp.Diff([]Bucket{{2, 10}}, query(t, e, "latency_seconds - latency_seconds offset 1m", end)[0].Histogram.Buckets); diff != "" {
		t.Error(diff)
	}
	// 7 of the 22 are at most 2 s: bucket 1 ends there.
	wantNumber(t, e, "histogram_fraction(0, 2, latency_seconds)", end, 7.0/22)
	wantNumber(t, e, "histogram_count(latency_seconds)", end, 22)
	matrix, err := e.Range(context.Background(), "latency_seconds", begin(), end, time.Minute)
	if diff := cmp.Diff([]Point{{At: begin(), Histogram: first}, {At: end, Histogram: second}}, matrix[0].Points); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if low, high := (&Histogram{Schema: 3}).Bounds(-7); math.Abs(low-0.5) > 1e-15 || math.Abs(high-0.5*math.Pow(2, 1.0/8)) > 1e-15 {
		t.Errorf("bucket -7 of schema 3: %v to %v", low, high)
	}
	if s := e.Stats(); s.Histograms != 1 {
		t.Errorf("%+v", s)
	}
}

func TestHistogram_refuses(t *testing.T) {
	good := func() *Histogram { return &Histogram{Schema: 3, Count: 3, Sum: 1, Buckets: []Bucket{{-1, 1}, {4, 2}}} }
	for _, c := range []struct {
		name   string
		change func(h *Histogram)
	}{
		{"a schema too fine", func(h *Histogram) { h.Schema = 9 }},
		{"a schema too coarse", func(h *Histogram) { h.Schema = -5 }},
		{"a count that is not the sum", func(h *Histogram) { h.Count = 4 }},
		{"a count below 0", func(h *Histogram) { h.Buckets[0].Count = -1 }},
		{"a broken count", func(h *Histogram) { h.Buckets[0].Count = 0.5 }},
		{"a count that is NaN", func(h *Histogram) { h.Count = math.NaN() }},
		{"a zero count that is infinite", func(h *Histogram) { h.ZeroCount = math.Inf(1) }},
		{"a sum that is NaN", func(h *Histogram) { h.Sum = math.NaN() }},
		{"buckets out of order", func(h *Histogram) { h.Buckets[0], h.Buckets[1] = h.Buckets[1], h.Buckets[0] }},
		{"a bucket twice", func(h *Histogram) { h.Buckets[1].Index = -1 }},
		{"a bucket out of range", func(h *Histogram) { h.Buckets[1].Index = 1 << 21 }},
		{"too many buckets", func(h *Histogram) { h.Buckets = make([]Bucket, maxBuckets+1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := good()
			if _, err := h.stored(); err != nil {
				t.Fatal(err)
			}
			c.change(h)
			if _, err := h.stored(); err == nil {
				t.Errorf("%+v is taken", h)
			}
		})
	}
}

// A histogram of any numbers is stored or refused, and what is stored comes
// back.
func FuzzHistogram(f *testing.F) {
	f.Add(3, 3.0, 1.0, 0.0, -1, 1.0, 4, 2.0)
	f.Add(-4, 1e300, math.Inf(1), math.NaN(), 1<<30, -1.0, -1<<30, 0.5)
	f.Fuzz(func(t *testing.T, schema int, count, sum, zero float64, i int, a float64, j int, b float64) {
		h := &Histogram{Schema: schema, Count: count, Sum: sum, ZeroCount: zero, Buckets: []Bucket{{i, a}, {j, b}}}
		out, err := h.stored()
		if err != nil {
			return
		}
		back := histogramOf(out.ToFloat(nil))
		want := *h
		want.Buckets = nil
		for _, b := range h.Buckets {
			if b.Count != 0 {
				want.Buckets = append(want.Buckets, b)
			}
		}
		if diff := cmp.Diff(&want, back); diff != "" {
			t.Error(diff)
		}
	})
}
