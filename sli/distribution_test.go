package sli_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

// durations returns n of very different lengths.
func durations(r *rand.Rand, n int) []time.Duration {
	ds := make([]time.Duration, n)
	for i := range ds {
		switch r.IntN(4) {
		case 0:
			ds[i] = time.Duration(r.Int64N(40))
		case 1:
			ds[i] = time.Duration(r.Int64() >> r.IntN(63))
		default:
			ds[i] = time.Duration(math.Exp(r.NormFloat64()) * 1e8)
		}
	}
	return ds
}

func TestDistribution_boundsHoldTheQuantile(t *testing.T) {
	quantiles := []float64{0, 0.001, 0.07, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 6))
		ds := durations(r, 1+r.IntN(400))
		var d sli.Distribution
		for _, v := range ds {
			d.Add(v)
		}
		slices.Sort(ds)
		for _, q := range append(quantiles, r.Float64()) {
			exact, ok := sli.Quantile(ds, q)
			low, high, ok2 := d.Bounds(q)
			middle, ok3 := d.Quantile(q)
			if !ok || !ok2 || !ok3 || exact < low || exact > high || middle < low || middle > high {
				t.Fatalf("quantile %v is %v, not in %v to %v with %v", q, exact, low, high, middle)
			}
			if float64(high-low) > float64(low)/16 {
				t.Fatalf("bounds %v to %v are too wide", low, high)
			}
		}
		if least, ok := d.Min(); least != ds[0] || !ok {
			t.Errorf("min %v, want %v", least, ds[0])
		}
		if most, ok := d.Max(); most != ds[len(ds)-1] || !ok {
			t.Errorf("max %v, want %v", most, ds[len(ds)-1])
		}
		if d.Count() != uint64(len(ds)) {
			t.Errorf("count %d, want %d", d.Count(), len(ds))
		}
	}
}

// TestQuantile_isTheLeastThatEnoughDoNotExceed is the definition, counted out.
func TestQuantile_isTheLeastThatEnoughDoNotExceed(t *testing.T) {
	for n := 1; n <= 200; n++ {
		values := make([]int, n)
		for i := range values {
			values[i] = i + 1
		}
		for percent := range 101 {
			got, ok := sli.Quantile(values, float64(percent)/100)
			want := 1
			for want*100 < percent*n {
				want++
			}
			if got != want || !ok {
				t.Fatalf("%d %% of %d: %d, %v, want %d", percent, n, got, ok, want)
			}
		}
	}
	for _, q := range []float64{-0.1, 1.1, math.NaN(), math.Inf(1)} {
		if v, ok := sli.Quantile([]int{1}, q); ok {
			t.Errorf("quantile %v is %v", q, v)
		}
		var d sli.Distribution
		d.Add(1)
		if v, ok := d.Quantile(q); ok {
			t.Errorf("quantile %v of a distribution is %v", q, v)
		}
	}
	if v, ok := sli.Quantile([]int{}, 0.5); ok {
		t.Errorf("the median of nothing is %v", v)
	}
}

func TestDistribution_mergeInAnyOrder(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 7))
		parts := [3]sli.Distribution{}
		var all sli.Distribution
		for i := range parts {
			for _, v := range durations(r, r.IntN(50)) {
				parts[i].Add(v)
				all.Add(v)
			}
		}
		merged := func(order ...int) sli.Distribution {
			var d sli.Distribution
			for _, i := range order {
				d.Merge(&parts[i])
			}
			return d
		}
		nested := parts[1]
		nested.Merge(&parts[2])
		right := parts[0]
		right.Merge(&nested)
		for name, got := range map[string]sli.Distribution{"a, b, c": merged(0, 1, 2), "c, a, b": merged(2, 0, 1), "a, (b, c)": right} {
			if got.Saturated() == 0 && all.Saturated() == 0 && got != all {
				t.Errorf("seed %d: %s differs from all at once", seed, name)
			}
			if fmt.Sprint(got.Quantile(0.5)) != fmt.Sprint(all.Quantile(0.5)) || got.Count() != all.Count() || got.Sum() != all.Sum() {
				t.Errorf("seed %d: %s differs from all at once", seed, name)
			}
		}
	}
}

func TestDistribution_edges(t *testing.T) {
	var d sli.Distribution
	if _, ok := d.Quantile(0.5); ok {
		t.Error("an empty distribution has a median")
	}
	if _, ok := d.Mean(); ok {
		t.Error("an empty distribution has a mean")
	}
	if _, ok := d.Min(); ok {
		t.Error("an empty distribution has a least")
	}
	if r := d.Add(-1); r != sli.Negative || d.Count() != 0 {
		t.Errorf("a negative duration is %v and counts %d", r, d.Count())
	}
	for range 3 {
		d.Add(math.MaxInt64)
	}
	if d.Sum() != math.MaxUint64 || d.Saturated() != 1 {
		t.Errorf("sum %d, saturated %d", d.Sum(), d.Saturated())
	}
	if q, ok := d.Quantile(0.5); q != math.MaxInt64 || !ok {
		t.Errorf("median %v, %v", q, ok)
	}
	var ten sli.Distribution
	for i := range 10 {
		ten.Add(time.Duration(i))
	}
	if mean, ok := ten.Mean(); mean != 4 || !ok {
		t.Errorf("mean %v, %v", mean, ok)
	}
	// 64 doublings are more than can be counted.
	for range 64 {
		same := ten
		ten.Merge(&same)
	}
	if ten.Count() != math.MaxUint64 || ten.Saturated() == 0 {
		t.Errorf("count %d, saturated %d", ten.Count(), ten.Saturated())
	}
	if r := ten.Add(1); r != sli.Accepted || ten.Count() != math.MaxUint64 {
		t.Errorf("one more: %v, count %d", r, ten.Count())
	}
	if low, high, ok := ten.Bounds(1); !ok || low < 0 || high > 9 || low > high {
		t.Errorf("bounds after saturating: %v to %v, %v", low, high, ok)
	}
}

func TestQuantiles_overWindows(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 8))
		q := &sli.Quantiles[time.Duration]{Tier: sli.Tier{Slot: time.Second, Span: 30 * time.Second}}
		var seen []sli.Event[time.Duration]
		now := epoch()
		for range 200 {
			now = now.Add(step(r, now))
			e := sli.Event[time.Duration]{At: now.Add(-time.Duration(r.Int64N(int64(40 * time.Second)))), Value: time.Duration(r.Int64N(1e9))}
			want := sli.Accepted
			if now.Sub(e.At) >= 30*time.Second {
				want = sli.Late
			} else {
				seen = append(seen, e)
			}
			if got := q.Collect(now, e); got != want {
				t.Fatalf("%v at %v is %v, want %v", e.At, now, got, want)
			}
			window := time.Duration(1 + r.Int64N(int64(30*time.Second)))
			var want2 []time.Duration
			from, to := up(now.Add(-window), time.Second), up(now, time.Second)
			for _, e := range seen {
				if end := up(e.At, time.Second); end.After(from) && !end.After(to) {
					want2 = append(want2, e.Value)
				}
			}
			d, err := q.Over(now, sli.Rolling(window))
			if err != nil || d.Count() != uint64(len(want2)) {
				t.Fatalf("%d durations over %v, %v, want %d", d.Count(), window, err, len(want2))
			}
			slices.Sort(want2)
			if exact, ok := sli.Quantile(want2, 0.9); ok {
				if low, high, _ := d.Bounds(0.9); exact < low || exact > high {
					t.Fatalf("quantile %v is not in %v to %v", exact, low, high)
				}
			}
		}
	}
}

func TestQuantiles_refuse(t *testing.T) {
	now := epoch()
	bad := &sli.Quantiles[time.Duration]{Tier: sli.Tier{Slot: time.Second}}
	if r := bad.Collect(now, sli.Event[time.Duration]{At: now}); r != sli.Invalid {
		t.Errorf("a bad tier is %v", r)
	}
	if _, err := bad.Over(now, sli.Rolling(time.Minute)); err == nil {
		t.Error("a bad tier has windows")
	}
	q := &sli.Quantiles[time.Duration]{}
	for at, want := range map[time.Time]sli.Reason{
		{}:                         sli.BadTime,
		now.Add(-time.Hour):        sli.Late,
		now.Add(time.Minute):       sli.Accepted,
		now.Add(time.Minute + 1):   sli.Ahead,
		now.Add(1 - time.Hour):     sli.Accepted,
		now.AddDate(400, 0, 0):     sli.BadTime,
		now.Add(-59 * time.Minute): sli.Accepted,
	} {
		if got := q.Collect(now, sli.Event[time.Duration]{At: at}); got != want {
			t.Errorf("at %v: %v, want %v", at, got, want)
		}
	}
	if r := q.Collect(now, sli.Event[time.Duration]{At: now, Value: -1}); r != sli.Negative {
		t.Errorf("a negative duration is %v", r)
	}
	for _, w := range []sli.Window{{}, sli.Rolling(2 * time.Hour)} {
		if _, err := q.Over(now, w); err == nil {
			t.Errorf("window %v has a distribution", w)
		}
	}
	if _, err := q.Over(time.Time{}, sli.Rolling(time.Minute)); err == nil {
		t.Error("no time has a distribution")
	}
	if q.Merge(q) == nil || q.Merge(bad) == nil || bad.Merge(q) == nil ||
		q.Merge(&sli.Quantiles[time.Duration]{Tier: sli.Tier{Slot: time.Second, Span: time.Minute}}) == nil {
		t.Error("Merge takes what does not fit")
	}
	other := &sli.Quantiles[time.Duration]{}
	other.Collect(now, sli.Event[time.Duration]{At: now, Value: 5})
	if err := q.Merge(other); err != nil {
		t.Error(err)
	}
	if d, err := q.Over(now, sli.Rolling(time.Minute)); err != nil || d.Count() != 1 {
		t.Errorf("merged: %d, %v", d.Count(), err)
	}
}
