package sli_test

import (
	"math"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

func TestSeconds(t *testing.T) {
	for _, tt := range []struct {
		in   float64
		want time.Duration
		r    sli.Reason
	}{
		{0, 0, sli.Accepted},
		{0.25, 250 * time.Millisecond, sli.Accepted},
		{0.3, 300 * time.Millisecond, sli.Accepted},
		{9e9, 9e9 * time.Second, sli.Accepted},
		{1 << 63 / 1e9, 0, sli.Overflow},
		{1e10, 0, sli.Overflow},
		{math.MaxFloat64, 0, sli.Overflow},
		{-1e-12, 0, sli.Negative},
		{-1, 0, sli.Negative},
		{-math.MaxFloat64, 0, sli.Negative},
		{math.NaN(), 0, sli.NotANumber},
		{math.Inf(1), 0, sli.Infinite},
		{math.Inf(-1), 0, sli.Infinite},
	} {
		if got, r := sli.Seconds(tt.in); got != tt.want || r != tt.r {
			t.Errorf("Seconds(%v) = %v, %v, want %v, %v", tt.in, got, r, tt.want, tt.r)
		}
	}
}

func TestCollector_rejectsAndCounts(t *testing.T) {
	ratio := &sli.Ratio[float64]{
		Good: func(v float64) bool { return v <= 0.3 },
		Skip: func(v float64) bool { return v == 42 },
	}
	c := &sli.Collector[float64]{To: []sli.Aggregator[float64]{ratio}}
	now := epoch()
	for _, tt := range []struct {
		v    float64
		at   time.Time
		want sli.Reason
	}{
		{0.1, now, sli.Accepted},
		{0.5, now, sli.Accepted},
		{42, now, sli.Skipped},
		{math.NaN(), now, sli.NotANumber},
		{math.Inf(1), now, sli.Infinite},
		{0.1, now.Add(10 * time.Second), sli.Accepted},
		{0.1, now.Add(10*time.Second + 1), sli.Ahead},
		{0.1, now.Add(-32 * 24 * time.Hour), sli.Late},
		{0.1, now.Add(-32*24*time.Hour + 1), sli.Accepted},
		{0.1, time.Time{}, sli.BadTime},
	} {
		before := c.Rejected(tt.want)
		if got := c.Collect(now, sli.Event[float64]{At: tt.at, Value: tt.v}); got != tt.want {
			t.Errorf("%v at %v: %v, want %v", tt.v, tt.at, got, tt.want)
		}
		if tt.want != sli.Accepted && c.Rejected(tt.want) != before+1 {
			t.Errorf("%v at %v is not counted", tt.v, tt.at)
		}
	}
	if got, err := ratio.Over(now, sli.Rolling(time.Hour)); got != (sli.Counts{Good: 1, Bad: 1}) || err != nil {
		t.Errorf("counted %v, %v, want 1 of each", got, err)
	}
	if c.TotalRejected() != 6 || c.Rejected(sli.Accepted) != 0 || c.Rejected(200) != 0 {
		t.Errorf("rejected %d in all, want 6", c.TotalRejected())
	}
}

func TestCollector_checks(t *testing.T) {
	now := epoch()
	durations := &sli.Collector[time.Duration]{}
	if r := durations.Observe(now, -1); r != sli.Negative {
		t.Errorf("a negative duration is %v", r)
	}
	if r := durations.Observe(now, 1); r != sli.Accepted {
		t.Errorf("a duration is %v", r)
	}
	own := &sli.Collector[string]{Check: func(s string) sli.Reason {
		if s == "odd" {
			return 250
		}
		return sli.Accepted
	}}
	if r := own.Observe(now, "odd"); r != 250 || own.TotalRejected() != 1 {
		t.Errorf("the caller's own reason comes back as %v, %d rejected", r, own.TotalRejected())
	}
	if r := own.Observe(now, ""); r != sli.Accepted {
		t.Errorf("a sound value is %v", r)
	}
}

func TestAggregators_withoutFunction(t *testing.T) {
	now := epoch()
	if r := new(sli.Ratio[int]).Collect(now, sli.Event[int]{At: now}); r != sli.Invalid {
		t.Errorf("Ratio of int: %v", r)
	}
	if r := new(sli.Quantiles[int]).Collect(now, sli.Event[int]{At: now}); r != sli.Invalid {
		t.Errorf("Quantiles of int: %v", r)
	}
	var ratio sli.Ratio[bool]
	for _, v := range []bool{true, false, true} {
		if r := ratio.Collect(now, sli.Event[bool]{At: now, Value: v}); r != sli.Accepted {
			t.Errorf("Ratio of bool: %v", r)
		}
	}
	if c, err := ratio.Over(now, sli.Rolling(time.Hour)); c != (sli.Counts{Good: 2, Bad: 1}) || err != nil {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestReasons_haveNames(t *testing.T) {
	seen := map[string]bool{}
	for i, r := range sli.Reasons() {
		if int(r) != i || seen[r.String()] || r.String() == "" {
			t.Errorf("reason %d is %q, as another or none", r, r)
		}
		seen[r.String()] = true
	}
	if sli.Reason(99).String() != "reason_99" {
		t.Errorf("an unknown reason is %q", sli.Reason(99))
	}
}

// TestHotPath_allocatesNothing is the claim of the benchmarks, without times.
func TestHotPath_allocatesNothing(t *testing.T) {
	now := epoch()
	c := &sli.Collector[request]{To: []sli.Aggregator[request]{
		&sli.Ratio[request]{Good: good},
		&sli.Quantiles[request]{Of: func(r request) time.Duration { return r.Duration }},
	}}
	numbers := &sli.Collector[float64]{To: []sli.Aggregator[float64]{&sli.Ratio[float64]{Good: func(v float64) bool { return v < 1 }}}}
	c.Observe(now, request{})
	numbers.Observe(now, 0)
	for name, f := range map[string]func(){
		"an event":           func() { c.Observe(now, request{Status: 500}) },
		"a new slot":         func() { now = now.Add(time.Hour); c.Observe(now, request{}) },
		"a late event":       func() { c.Collect(now, sli.Event[request]{At: now.AddDate(-1, 0, 0)}) },
		"a number":           func() { numbers.Observe(now, 2) },
		"what is no number":  func() { numbers.Observe(now, math.NaN()) },
		"a negative request": func() { c.Observe(now, request{Duration: -1}) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
