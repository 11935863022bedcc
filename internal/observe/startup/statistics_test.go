package startup

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func numbers(all ...float64) []time.Duration {
	d := make([]time.Duration, len(all))
	for i, n := range all {
		d[i] = time.Duration(math.Round(n * 100))
	}
	return d
}

func sequence(from, to int) []time.Duration {
	var d []time.Duration
	for i := from; i <= to; i++ {
		d = append(d, time.Duration(i))
	}
	return d
}

// TestRankTest has published values: the permeability constants of Hollander and
// Wolfe (Nonparametric Statistical Methods, 1973, table 4.1), for which R's
// wilcox.test documents 0.1272 one-sided; and counts of permutations, which are
// binomial coefficients where samples are apart.
func TestRankTest(t *testing.T) {
	for _, test := range []struct {
		name string
		a, b []time.Duration
		want float64
	}{
		{"Hollander and Wolfe", numbers(0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46), numbers(1.15, 0.88, 0.90, 0.74, 1.21), 0.2544},
		{"five apart from five", sequence(1, 5), sequence(6, 10), 2.0 / 252},
		{"five apart from five, the other way", sequence(6, 10), sequence(1, 5), 2.0 / 252},
		{"ten apart from ten", sequence(1, 10), sequence(11, 20), 2.0 / 184756},
		{"three apart from three", sequence(1, 3), sequence(4, 6), 2.0 / 20},
		{"one and one", sequence(1, 1), sequence(2, 2), 1},
		{"all the same", numbers(1, 1, 1, 1, 1), numbers(1, 1, 1, 1, 1), 1},
		{"many, all the same", make([]time.Duration, 30), make([]time.Duration, 30), 1},
		// Of 6 ways to choose 2 of the ranks 1, 2.5, 2.5, 4 the sum is 3.5 or 6.5 in 4.
		{"ties", numbers(1, 2), numbers(2, 3), 4.0 / 6},
		{"none", nil, sequence(1, 5), 1},
	} {
		if got := rankTest(test.a, test.b); math.Abs(got-test.want) > 1e-4 {
			t.Errorf("%s: p = %.6f, want %.6f", test.name, got, test.want)
		}
	}
}

// TestRankTest_criticalValues are those of the usual tables of U, two-sided at
// 0.01: the largest U that is still significant.
func TestRankTest_criticalValues(t *testing.T) {
	for _, test := range []struct{ n, u int }{{5, 0}, {6, 2}, {7, 4}, {8, 7}, {9, 11}, {10, 16}, {15, 51}, {20, 105}} {
		if p := rankTest(withU(test.n, test.u)); p > 0.01 {
			t.Errorf("n = %d, U = %d: p = %.5f, want no more than 0.01", test.n, test.u, p)
		}
		if p := rankTest(withU(test.n, test.u+1)); p <= 0.01 {
			t.Errorf("n = %d, U = %d: p = %.5f, want more than 0.01", test.n, test.u+1, p)
		}
	}
}

// withU returns two samples of n with u pairs in which the first is the larger.
func withU(n, u int) (a, b []time.Duration) {
	b = sequence(1, n)
	for i := range b {
		b[i] *= 100
	}
	for i := range n {
		passed := min(u, n)
		u -= passed
		a = append(a, time.Duration(passed*100+i+1))
	}
	return a, b
}

func TestRankTest_normalIsCloseToExact(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		var a, b []time.Duration
		for range 20 {
			a = append(a, time.Duration(random.IntN(30)))
			b = append(b, time.Duration(random.IntN(30)+random.IntN(20)))
		}
		ranks, ofA, _ := doubledRanks(a, b)
		exact := exactRankTest(ranks, len(a), ofA)
		// One more of both makes 21: beyond what is counted out.
		if approximate := rankTest(append(a, 1000), append(b, -1000)); math.Abs(rankTest(a, b)-exact) > 1e-12 || approximate < 0 || approximate > 1 {
			t.Fatalf("p = %g, exactly %g, of more %g", rankTest(a, b), exact, approximate)
		}
		long, other := append(slices.Clone(a), 14), append(slices.Clone(b), 24)
		ranks, ofA, _ = doubledRanks(long, other)
		if got, want := rankTest(long, other), exactRankTest(ranks, len(long), ofA); math.Abs(got-want) > 0.01 {
			t.Fatalf("p = %g of 21 and 21, exactly %g", got, want)
		}
	}
}

func TestRankTest_doesNotDependOnSideOrOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var a, b []time.Duration
		for range 1 + random.IntN(25) {
			a = append(a, time.Duration(random.IntN(12)))
		}
		for range 1 + random.IntN(25) {
			b = append(b, time.Duration(random.IntN(12)))
		}
		p, swapped := rankTest(a, b), rankTest(b, a)
		slices.Reverse(a)
		if reversed := rankTest(a, b); math.Abs(p-swapped) > 1e-9 || p != reversed || p <= 0 || p > 1 {
			t.Fatalf("p = %g, swapped %g, reversed %g", p, swapped, reversed)
		}
	}
}

func TestHolm(t *testing.T) {
	for _, test := range []struct {
		name string
		p    []float64
		want []bool
	}{
		{"none", nil, []bool{}},
		{"one", []float64{0.01}, []bool{true}},
		{"each step allows more", []float64{0.005, 0.003, 0.01}, []bool{true, true, true}},
		{"the first too large ends it", []float64{0.0034, 0.001}, []bool{true, true}},
		{"nothing behind one too large", []float64{0.004, 0.004, 0.004}, []bool{false, false, false}},
		{"some", []float64{1, 0.001, 0.5}, []bool{false, true, false}},
	} {
		if got := holm(test.p, 0.01); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestSpread(t *testing.T) {
	for _, test := range []struct {
		name string
		of   []time.Duration
		want Spread
	}{
		{"of none", nil, Spread{}},
		{"of one", []time.Duration{7}, Spread{7, 7, 7, 0, 1}},
		{"of two", []time.Duration{9, 5}, Spread{5, 7, 9, 2, 2}},
		{"an outlier moves neither median nor spread", []time.Duration{10, 1000, 12, 11, 9}, Spread{9, 11, 1000, 1, 5}},
		{"of an even number", []time.Duration{1, 2, 4, 10}, Spread{1, 3, 10, 1, 4}},
	} {
		if got := spread(test.of); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 999: "999ns", 1234: "1.23µs", 12345: "12.3µs", 123456: "123µs", 1234567: "1.23ms", 12345678: "12.3ms",
		123456789: "123ms", 1234567890: "1.23s", 83456 * time.Millisecond: "1m23.5s", -1234567: "-1.23ms", 100 * time.Hour: "100h0m0s",
	} {
		if got := short(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}
