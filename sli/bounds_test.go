package sli_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/goshawk-io/goshawk/sli"
)

// TestBounds_published are intervals of R. G. Newcombe, "Two-sided confidence
// intervals for the single proportion", 1998, table I.
func TestBounds_published(t *testing.T) {
	for _, tt := range []struct {
		count, total           uint64
		wilsonLow, wilsonHigh  float64
		clopperLow, clopperEnd float64
	}{
		{81, 263, 0.2553, 0.3662, 0.2527, 0.3676},
		{15, 148, 0.0624, 0.1605, 0.0578, 0.1617},
		{0, 20, 0, 0.1611, 0, 0.1684},
		{1, 29, 0.0061, 0.1718, 0.0009, 0.1776},
	} {
		low, high := sli.Wilson(tt.count, tt.total, 0.95)
		if math.Abs(low-tt.wilsonLow) > 5e-5 || math.Abs(high-tt.wilsonHigh) > 5e-5 {
			t.Errorf("Wilson of %d of %d: %.4f to %.4f", tt.count, tt.total, low, high)
		}
		low, high = sli.ClopperPearson(tt.count, tt.total, 0.95)
		if math.Abs(low-tt.clopperLow) > 5e-5 || math.Abs(high-tt.clopperEnd) > 5e-5 {
			t.Errorf("Clopper-Pearson of %d of %d: %.4f to %.4f", tt.count, tt.total, low, high)
		}
	}
}

// atLeast returns P(X >= k) for X binomial of n and p, summed with 300 bits.
func atLeast(k, n int64, p float64) float64 {
	const bits = 300
	number := func(f float64) *big.Float { return new(big.Float).SetPrec(bits).SetFloat64(f) }
	q := new(big.Float).Sub(number(1), number(p))
	sum := number(0)
	for i := k; i <= n; i++ {
		term := new(big.Float).SetPrec(bits).SetInt(new(big.Int).Binomial(n, i))
		for range i {
			term.Mul(term, number(p))
		}
		for range n - i {
			term.Mul(term, q)
		}
		sum.Add(sum, term)
	}
	f, _ := sum.Float64()
	return f
}

// TestClopperPearson_solvesItsEquations puts the bounds into the sums that
// define them.
func TestClopperPearson_solvesItsEquations(t *testing.T) {
	for n := int64(1); n <= 40; n += 3 {
		for k := int64(0); k <= n; k++ {
			for _, confidence := range []float64{0.5, 0.9, 0.95, 0.999999} {
				low, high := sli.ClopperPearson(uint64(k), uint64(n), confidence)
				level := (1 - confidence) / 2
				if k == 0 && low != 0 || k == n && high != 1 {
					t.Fatalf("%d of %d: %v to %v", k, n, low, high)
				}
				if k > 0 {
					if got := atLeast(k, n, low); math.Abs(got-level) > 1e-11*level {
						t.Fatalf("%d of %d at %v: low %v has a tail of %v, want %v", k, n, confidence, low, got, level)
					}
				}
				if k < n {
					// By symmetry. A high end near 1 is rounded there, to 1e-16.
					rounding := 4e-16 * float64(n) / (1 - high)
					if got := atLeast(n-k, n, 1-high); math.Abs(got-level) > (1e-11+rounding)*level {
						t.Fatalf("%d of %d at %v: high %v has a tail of %v, want %v", k, n, confidence, high, got, level)
					}
				}
			}
		}
	}
}

// TestBounds_properties hold for any number of events, up to the largest.
func TestBounds_properties(t *testing.T) {
	totals := []uint64{1, 2, 5, 29, 1000, 1e6, 1e9, 3e9, 1e12, 1e15, math.MaxUint64}
	for _, total := range totals {
		for _, count := range []uint64{0, 1, 2, total / 1000, total / 100, total / 2, total - total/100, total - 1, total} {
			if count > total {
				continue
			}
			checkBounds(t, count, total, 0.95)
		}
	}
	for confidence := 0.01; confidence < 1; confidence += 0.01 {
		for total := uint64(1); total < 50; total += 7 {
			checkBounds(t, 0, total, confidence)
			checkBounds(t, total, total, confidence)
			checkBounds(t, total/2, total, confidence)
		}
	}
	for _, tt := range []struct {
		count, total uint64
		confidence   float64
	}{{0, 0, 0.95}, {2, 1, 0.95}, {1, 2, 1}, {1, 2, -0.1}, {1, 2, math.NaN()}, {1, 2, math.Inf(1)}} {
		for name, f := range bounds() {
			if low, high := f(tt.count, tt.total, tt.confidence); low != 0 || high != 1 {
				t.Errorf("%s of %+v: %v to %v, want 0 to 1", name, tt, low, high)
			}
		}
	}
}

func bounds() map[string]func(uint64, uint64, float64) (float64, float64) {
	return map[string]func(uint64, uint64, float64) (float64, float64){"Wilson": sli.Wilson, "Clopper-Pearson": sli.ClopperPearson}
}

func checkBounds(t *testing.T, count, total uint64, confidence float64) {
	t.Helper()
	share := float64(count) / float64(total)
	for name, f := range bounds() {
		low, high := f(count, total, confidence)
		if !(low >= 0 && low <= share && share <= high && high <= 1) {
			t.Errorf("%s of %d of %d at %v: %v to %v does not hold %v", name, count, total, confidence, low, high, share)
		}
		mirrorLow, mirrorHigh := f(total-count, total, confidence)
		if math.Abs(1-mirrorHigh-low) > 1e-12 || math.Abs(1-mirrorLow-high) > 1e-12 {
			t.Errorf("%s of %d of %d at %v: %v to %v is no mirror of %v to %v", name, count, total, confidence, low, high, mirrorLow, mirrorHigh)
		}
		if widerLow, widerHigh := f(count, total, (1+confidence)/2); widerLow > low+1e-15 || widerHigh < high-1e-15 {
			t.Errorf("%s of %d of %d: more confidence than %v narrows it", name, count, total, confidence)
		}
	}
}

// TestClopperPearson_approximation compares both sides of the number of events
// from which on it is one.
func TestClopperPearson_approximation(t *testing.T) {
	const many = 1_000_000_000
	for _, total := range []uint64{2 * many, 10 * many, 1000 * many} {
		low, high := sli.ClopperPearson(many, total, 0.95)
		// One more of each; the share moves by next to nothing.
		nextLow, nextHigh := sli.ClopperPearson(many+1, total+2, 0.95)
		moved := float64(many+1)/float64(total+2) - float64(many)/float64(total)
		if math.Abs(nextLow-low-moved) > 1e-10 || math.Abs(nextHigh-high-moved) > 1e-10 {
			t.Errorf("%d: from %v, %v to %v, %v", total, low, high, nextLow, nextHigh)
		}
	}
}
