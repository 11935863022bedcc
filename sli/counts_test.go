package sli_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/goshawk-io/goshawk/sli"
)

func TestCounts_plusInAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	number := func() uint64 {
		switch r.IntN(3) {
		case 0:
			return math.MaxUint64 - r.Uint64N(3)
		case 1:
			return r.Uint64()
		}
		return r.Uint64N(3)
	}
	counts := func() sli.Counts { return sli.Counts{Good: number(), Bad: number()} }
	for range 10_000 {
		a, b, c := counts(), counts(), counts()
		if a.Plus(b).Plus(c) != a.Plus(b.Plus(c)) || a.Plus(b) != b.Plus(a) || a.Plus(sli.Counts{}) != a {
			t.Fatalf("the order of %v, %v, %v matters", a, b, c)
		}
		if sum := a.Plus(b); sum.Good < a.Good || sum.Bad < b.Bad {
			t.Fatalf("%v plus %v wraps to %v", a, b, sum)
		}
		good, ok1 := a.Ratio()
		bad, ok2 := a.BadRatio()
		if ok1 != (a != sli.Counts{}) || ok2 != ok1 || !(good >= 0 && good <= 1) || ok1 && math.Abs(good+bad-1) > 1e-15 {
			t.Fatalf("%v has shares %v, %v and %v, %v", a, good, ok1, bad, ok2)
		}
	}
}

func TestCounts_ratioIsTheNearestNumber(t *testing.T) {
	for _, tt := range []struct {
		c    sli.Counts
		want float64
	}{
		{sli.Counts{Good: 999, Bad: 1}, 0.999},
		{sli.Counts{Good: 99, Bad: 1}, 0.99},
		{sli.Counts{Good: 1, Bad: 2}, 1. / 3},
		{sli.Counts{Good: math.MaxUint64, Bad: math.MaxUint64}, 0.5},
		{sli.Counts{Good: 1 << 60, Bad: 3 << 60}, 0.25},
		{sli.Counts{Bad: 1}, 0},
	} {
		if got, ok := tt.c.Ratio(); got != tt.want || !ok {
			t.Errorf("%v: %v, %v, want %v", tt.c, got, ok, tt.want)
		}
	}
	r := rand.New(rand.NewPCG(12, 12))
	for range 10_000 {
		c := sli.Counts{Good: r.Uint64() >> 1, Bad: r.Uint64() >> (1 + r.IntN(60))}
		want, _ := new(big.Rat).SetFrac(new(big.Int).SetUint64(c.Good), new(big.Int).SetUint64(c.Good+c.Bad)).Float64()
		if got, ok := c.Ratio(); got != want || !ok {
			t.Fatalf("%v: %v, want %v", c, got, want)
		}
	}
	if total := (sli.Counts{Good: math.MaxUint64, Bad: 1}).Total(); total != math.MaxUint64 {
		t.Errorf("total wraps to %d", total)
	}
}

// TestCumulative_growthIsWhatHappened lets a process count, restart and be read
// now and then. What growth misses is what came between the last reading and
// a restart, and what a restart hides by overtaking both counters.
func TestCumulative_growthIsWhatHappened(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 5))
		var c sli.Cumulative
		var counter, last, sum, want, unread sli.Counts
		var resets uint64
		c.Read(counter)
		for range 200 {
			switch r.IntN(8) {
			case 0: // read
				growth, _ := c.Read(counter)
				sum = sum.Plus(growth)
				want = want.Plus(unread)
				last, unread = counter, sli.Counts{}
			case 1: // restart, read before it has overtaken
				counter, unread = sli.Counts{}, sli.Counts{}
				if last != (sli.Counts{}) {
					growth, reset := c.Read(counter)
					if resets++; !reset || growth != (sli.Counts{}) {
						t.Fatalf("a restart gives %v, %v", growth, reset)
					}
					last = counter
				}
			default:
				grow := sli.Counts{Good: r.Uint64N(100), Bad: r.Uint64N(5)}
				counter, unread = counter.Plus(grow), unread.Plus(grow)
			}
		}
		if sum != want || c.Resets() != resets {
			t.Fatalf("grew %v with %d resets, want %v with %d", sum, c.Resets(), want, resets)
		}
	}
}

func TestCumulative_readings(t *testing.T) {
	type step struct {
		reading, growth sli.Counts
		reset           bool
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"the first reading is no growth", []step{{sli.Counts{Good: 100, Bad: 7}, sli.Counts{}, false}}},
		{"growth is the difference", []step{
			{sli.Counts{Good: 100}, sli.Counts{}, false},
			{sli.Counts{Good: 110, Bad: 2}, sli.Counts{Good: 10, Bad: 2}, false},
			{sli.Counts{Good: 110, Bad: 2}, sli.Counts{}, false}}},
		{"one counter that falls resets both", []step{
			{sli.Counts{Good: 100, Bad: 5}, sli.Counts{}, false},
			{sli.Counts{Good: 150, Bad: 1}, sli.Counts{Good: 150, Bad: 1}, true},
			{sli.Counts{Good: 3, Bad: 1}, sli.Counts{Good: 3, Bad: 1}, true},
			{sli.Counts{Good: 4, Bad: 1}, sli.Counts{Good: 1}, false}}},
		{"a counter that wraps is a reset", []step{
			{sli.Counts{Good: math.MaxUint64}, sli.Counts{}, false},
			{sli.Counts{Good: 4}, sli.Counts{Good: 4}, true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c sli.Cumulative
			for i, s := range tt.steps {
				if growth, reset := c.Read(s.reading); growth != s.growth || reset != s.reset {
					t.Errorf("reading %d: %v, %v, want %v, %v", i, growth, reset, s.growth, s.reset)
				}
			}
		})
	}
}
