package startup

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// spread returns how durations are distributed. It does not keep them.
func spread(durations []time.Duration) Spread {
	n := len(durations)
	if n == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(durations))
	middle := median(sorted)
	away := make([]time.Duration, n)
	for i, d := range sorted {
		away[i] = (d - middle).Abs()
	}
	slices.Sort(away)
	return Spread{Min: sorted[0], Median: middle, Max: sorted[n-1], MAD: median(away), N: n}
}

// median returns the middle of sorted numbers, the mean of the middle two of an
// even number, 0 of none.
func median[T ~int64 | ~float64](sorted []T) T {
	n := len(sorted)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return sorted[n/2]
	}
	return sorted[n/2-1] + (sorted[n/2]-sorted[n/2-1])/2
}

func medianOf[T ~int64 | ~float64](numbers []T) T {
	return median(slices.Sorted(slices.Values(numbers)))
}

// maxExact is up to how many pairs of runs the distribution of ranks is counted
// out; beyond it is close to normal.
const maxExact = 400

// rankTest returns the probability that the ranks of two samples of one
// distribution are as far apart as these, or farther: Mann and Whitney's test,
// two-sided, ties at their mean rank (H. B. Mann, D. R. Whitney, On a Test of
// Whether one of Two Random Variables is Stochastically Larger than the Other,
// Annals of Mathematical Statistics 18, 1947). Small samples are counted out over
// all ways to share the ranks, larger ones are taken as normal, with the
// corrections for ties and continuity. It is 1 when a sample is empty.
func rankTest(a, b []time.Duration) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 1
	}
	ranks, ofA, ties := doubledRanks(a, b)
	if len(a)*len(b) <= maxExact {
		return exactRankTest(ranks, len(a), ofA)
	}
	n1, n2 := float64(len(a)), float64(len(b))
	n := n1 + n2
	away := math.Abs(float64(ofA)/2-n1*(n+1)/2) - 0.5
	variance := n1 * n2 / 12 * (n + 1 - ties/(n*(n-1)))
	if variance <= 0 || away <= 0 {
		return 1
	}
	return math.Erfc(away / math.Sqrt(2*variance))
}

// doubledRanks returns twice the rank of each of all numbers together, which is
// whole where ties share a rank, twice the sum of the ranks of a, and the sum of
// t^3-t over the ties of t numbers.
func doubledRanks(a, b []time.Duration) (ranks []int, ofA int, ties float64) {
	type ranked struct {
		d   time.Duration
		isA bool
	}
	all := make([]ranked, 0, len(a)+len(b))
	for _, d := range a {
		all = append(all, ranked{d, true})
	}
	for _, d := range b {
		all = append(all, ranked{d, false})
	}
	slices.SortFunc(all, func(x, y ranked) int { return cmp.Compare(x.d, y.d) })
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].d == all[i].d {
			j++
		}
		rank := i + 1 + j // twice the mean of the ranks i+1 to j
		for _, r := range all[i:j] {
			ranks = append(ranks, rank)
			if r.isA {
				ofA += rank
			}
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	return ranks, ofA, ties
}

// exactRankTest counts in how many of all ways to choose n of the ranks their
// sum is as far from its mean as observed.
func exactRankTest(ranks []int, n, observed int) float64 {
	highest := 0
	for _, r := range ranks[len(ranks)-n:] {
		highest += r
	}
	// ways[k][s] is how many choices of k ranks have the sum s.
	ways := make([][]float64, n+1)
	for k := range ways {
		ways[k] = make([]float64, highest+1)
	}
	ways[0][0] = 1
	for i, r := range ranks {
		for k := min(i+1, n); k > 0; k-- {
			for s := highest; s >= r; s-- {
				ways[k][s] += ways[k-1][s-r]
			}
		}
	}
	mean := n * (len(ranks) + 1) // of doubled ranks
	away := max(observed-mean, mean-observed)
	var all, far float64
	for s, w := range ways[n] {
		all += w
		if s-mean >= away || mean-s >= away {
			far += w
		}
	}
	return far / all
}

// holm reports which of several probabilities are too small for chance when all
// are looked at together: S. Holm's step-down (A Simple Sequentially Rejective
// Multiple Test Procedure, Scandinavian Journal of Statistics 6, 1979) keeps the
// probability of any false one below alpha.
func holm(probabilities []float64, alpha float64) []bool {
	order := make([]int, len(probabilities))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(probabilities[a], probabilities[b]) })
	rejected := make([]bool, len(probabilities))
	for rank, i := range order {
		if probabilities[i] > alpha/float64(len(order)-rank) {
			break
		}
		rejected[i] = true
	}
	return rejected
}
