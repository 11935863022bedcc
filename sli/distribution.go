package sli

import (
	"cmp"
	"math"
	"math/bits"
	"time"
)

const (
	// subBits is the logarithm of the number of buckets for each power of two.
	subBits = 4
	buckets = (63-subBits)<<subBits + 1<<subBits
)

// Distribution counts durations in buckets. Up to 31 ns each has its own, from
// there on a bucket's width is 1/16 to 1/32 of the durations in it, so that a
// quantile is known to 6 %. [Distribution.Bounds] says how well.
//
// It is of a fixed size of 8 KB, so that adding to it never allocates. The zero
// value is empty. It is for one goroutine. It is for showing: whether an
// objective is kept is counted against the exact threshold, by a [Ratio].
type Distribution struct {
	counts    [buckets]uint64
	total     uint64
	sum       uint64 // in ns
	least     int64
	most      int64
	saturated uint64
}

// bucketOf returns the bucket of n: the position of its highest bit and the
// subBits below it.
func bucketOf(n uint64) int {
	if n < 1<<subBits {
		return int(n)
	}
	shift := bits.Len64(n) - 1 - subBits
	return (shift+1)<<subBits | int(n>>shift)&(1<<subBits-1)
}

// boundsOf returns the least and the greatest number of a bucket.
func boundsOf(bucket int) (low, high int64) {
	if bucket < 1<<subBits {
		return int64(bucket), int64(bucket)
	}
	shift := bucket>>subBits - 1
	low = int64(1<<subBits|bucket&(1<<subBits-1)) << shift
	return low, low + (1<<shift - 1)
}

// Add counts a duration. A negative one is not counted: see [CheckDuration].
func (d *Distribution) Add(v time.Duration) Reason {
	if v < 0 {
		return Negative
	}
	if d.total == math.MaxUint64 {
		d.saturated++
		return Accepted
	}
	if d.total == 0 || int64(v) < d.least {
		d.least = int64(v)
	}
	d.most = max(d.most, int64(v))
	d.total++
	d.counts[bucketOf(uint64(v))]++
	d.sum = d.plus(d.sum, uint64(v))
	return Accepted
}

// plus adds saturating, and counts when it did.
func (d *Distribution) plus(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		d.saturated++
		return math.MaxUint64
	}
	return sum
}

// Merge adds what other counted. In which order distributions are merged does
// not matter, but to what Saturated says.
func (d *Distribution) Merge(other *Distribution) {
	if other.total == 0 {
		return
	}
	if d.total == 0 {
		d.least = other.least
	}
	d.least, d.most = min(d.least, other.least), max(d.most, other.most)
	d.saturated += other.saturated
	d.total = d.plus(d.total, other.total)
	d.sum = d.plus(d.sum, other.sum)
	for i := range d.counts {
		if n := other.counts[i]; n != 0 {
			d.counts[i] = d.plus(d.counts[i], n)
		}
	}
}

// Count returns how many durations were added, saturating.
func (d *Distribution) Count() uint64 { return d.total }

// Sum returns their sum in nanoseconds, saturating.
func (d *Distribution) Sum() uint64 { return d.sum }

// Mean returns Sum / Count; ok is false when there are none.
func (d *Distribution) Mean() (mean time.Duration, ok bool) {
	if d.total == 0 {
		return 0, false
	}
	return time.Duration(min(d.sum/d.total, math.MaxInt64)), true
}

// Min returns the shortest duration, exactly; ok is false when there are none.
func (d *Distribution) Min() (shortest time.Duration, ok bool) {
	return time.Duration(d.least), d.total > 0
}

// Max returns the longest duration, exactly; ok is false when there are none.
func (d *Distribution) Max() (longest time.Duration, ok bool) {
	return time.Duration(d.most), d.total > 0
}

// Saturated returns how many sums did not fit and stayed at the largest there
// is.
func (d *Distribution) Saturated() uint64 { return d.saturated }

// Bounds returns between what, both included, the quantile q of the durations
// is: the least of them that at least the share q of all does not exceed (the
// nearest rank; see [Quantile]). ok is false when there are none, or q is not
// between 0 and 1.
func (d *Distribution) Bounds(q float64) (low, high time.Duration, ok bool) {
	rank, ok := rankOf(q, d.total)
	if !ok {
		return 0, 0, false
	}
	var n uint64
	for i, count := range d.counts {
		if count >= rank-n {
			l, h := boundsOf(i)
			return time.Duration(max(l, d.least)), time.Duration(min(h, d.most)), true
		}
		n += count
	}
	// Only after saturating the buckets hold less than the total.
	return time.Duration(d.least), time.Duration(d.most), true
}

// Quantile returns the middle of [Distribution.Bounds], at most 3.2 % from the
// quantile itself.
func (d *Distribution) Quantile(q float64) (quantile time.Duration, ok bool) {
	low, high, ok := d.Bounds(q)
	return low + (high-low)/2, ok
}

// Quantile returns the quantile q of values in ascending order: the least of
// them that at least the share q of all does not exceed, values[ceil(q*n)-1],
// the nearest rank (Hyndman and Fan 1996, definition 1). It is one of the
// values, never between two. ok is false without values, or when q is not
// between 0 and 1.
func Quantile[T cmp.Ordered](ascending []T, q float64) (quantile T, ok bool) {
	rank, ok := rankOf(q, uint64(len(ascending)))
	if !ok {
		return quantile, false
	}
	return ascending[rank-1], true
}

// rankOf returns the nearest rank, from 1 to total.
func rankOf(q float64, total uint64) (rank uint64, ok bool) {
	if total == 0 || !(q >= 0 && q <= 1) {
		return 0, false
	}
	// The product in decimals: 0.07 * 100 is 7, not 7.000000000000001.
	exact := decimal(q)
	exact.Mul(exact, whole(total))
	return max(ceil(exact), 1), true
}
