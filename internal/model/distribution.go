package model

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"slices"
	"time"
)

// Distribution counts durations in buckets whose bounds grow by 1/16 to
// 1/8 each: a quantile is right to within 7 %. The zero value is empty. It is
// sparse:
// what it costs grows with how different the durations are.
type Distribution struct {
	buckets []bucket // in the order of their indices
	sum     uint64   // in nanoseconds, saturating
	max     int64    // in nanoseconds
}

type bucket struct {
	index uint16
	count uint64
}

// subBits is the logarithm of the number of buckets for each power of two.
const subBits = 3

// bucketOf returns the index of the bucket of a number: the position of its
// highest bit, and the subBits bits below. Numbers below 1<<subBits have a
// bucket each.
func bucketOf(n uint64) uint16 {
	if n < 1<<subBits {
		return uint16(n)
	}
	shift := bits.Len64(n) - 1 - subBits
	return uint16((shift+1)<<subBits) | uint16(n>>shift)&(1<<subBits-1)
}

// boundsOf returns the least number of a bucket and how many it has.
func boundsOf(index uint16) (low, width uint64) {
	if index < 1<<subBits {
		return uint64(index), 1
	}
	shift := int(index>>subBits) - 1
	return uint64(1<<subBits|index&(1<<subBits-1)) << shift, 1 << shift
}

// middleOf returns the middle of a bucket.
func middleOf(index uint16) int64 {
	low, width := boundsOf(index)
	return int64(low + width>>1)
}

// Add counts a duration. A negative one counts as 0.
func (h *Distribution) Add(d time.Duration) { h.AddN(d, 1) }

// AddN counts a duration as often as count says.
func (h *Distribution) AddN(d time.Duration, count uint64) {
	if count == 0 {
		return
	}
	n := max(int64(d), 0)
	h.add(bucketOf(uint64(n)), count)
	if hi, sum := bits.Mul64(uint64(n), count); hi == 0 {
		h.addSum(sum)
	} else {
		h.sum = math.MaxUint64
	}
	h.max = max(h.max, n)
}

func (h *Distribution) add(index uint16, count uint64) { h.addFrom(0, index, count) }

// addFrom adds to a bucket that is at position from or after it, and returns
// where it is.
func (h *Distribution) addFrom(from int, index uint16, count uint64) int {
	i, found := slices.BinarySearchFunc(h.buckets[from:], index, func(b bucket, index uint16) int { return int(b.index) - int(index) })
	i += from
	if found {
		h.buckets[i].count += count
		return i
	}
	h.buckets = slices.Insert(h.buckets, i, bucket{index, count})
	return i
}

func (h *Distribution) addSum(n uint64) {
	sum, carry := bits.Add64(h.sum, n, 0)
	if carry != 0 {
		sum = math.MaxUint64
	}
	h.sum = sum
}

// Buckets that a kernel program counts in: see [Distribution.AddBuckets].
const (
	// KernelBuckets is how many there are.
	KernelBuckets = 23 << subBits
	// kernelFirst is the index of the first: that of 8192 ns.
	kernelFirst = 11 << subBits
	// FineBuckets is how many there are for what is shorter as well.
	FineBuckets = kernelFirst + KernelBuckets
)

// AddBuckets counts what a kernel program did, in buckets of the same bounds as
// the distribution's own: the first holds all below 9216 ns, the last all from
// 64 s on. counts has [KernelBuckets] at most; sum, in
// nanoseconds, is exact, and so is longest, which may be from earlier: it is
// taken where it fits the buckets.
func (h *Distribution) AddBuckets(counts []uint64, sum, longest uint64) {
	h.addBuckets(kernelFirst, counts[:min(len(counts), KernelBuckets)], sum, longest)
}

// AddFineBuckets is [Distribution.AddBuckets] with buckets from 0 ns on: each
// number below 8 has one. counts has [FineBuckets] at most.
func (h *Distribution) AddFineBuckets(counts []uint64, sum, longest uint64) {
	h.addBuckets(0, counts[:min(len(counts), FineBuckets)], sum, longest)
}

func (h *Distribution) addBuckets(first int, counts []uint64, sum, longest uint64) {
	highest := -1
	for i, n := range counts {
		if n > 0 {
			h.add(uint16(first+i), n)
			highest = i
		}
	}
	// What was longest ever may have been so long ago: it is no longer than the
	// last bucket that is not empty, but for the one without an end.
	if low, width := boundsOf(uint16(first + max(highest, 0))); highest < len(counts)-1 {
		longest = min(longest, low+width-1)
	}
	h.addSum(sum)
	h.max = max(h.max, int64(min(longest, math.MaxInt64)))
}

// Each calls yield with the middle of each bucket that is not empty, in order,
// and what it counts.
func (h *Distribution) Each(yield func(middle time.Duration, count uint64)) {
	for _, b := range h.buckets {
		yield(time.Duration(middleOf(b.index)), b.count)
	}
}

// EachBucket calls yield with each bucket that is not empty, in order: the
// least number of nanoseconds that it counts, the least beyond it, and its
// count.
func (h *Distribution) EachBucket(yield func(low, high, count uint64)) {
	for _, b := range h.buckets {
		low, width := boundsOf(b.index)
		yield(low, low+width, b.count)
	}
}

// bytes returns about how much memory h takes.
func (h *Distribution) bytes() int { return 48 + 16*len(h.buckets) }

// Sum returns the sum of all durations in nanoseconds, saturating.
func (h *Distribution) Sum() uint64 { return h.sum }

// Clone returns a copy that shares nothing with h.
func (h *Distribution) Clone() *Distribution {
	c := *h
	c.buckets = slices.Clone(h.buckets)
	return &c
}

// Reset empties h, keeping its memory.
func (h *Distribution) Reset() { *h = Distribution{buckets: h.buckets[:0]} }

// Merge adds what other counted.
func (h *Distribution) Merge(other *Distribution) {
	at := 0
	for _, b := range other.buckets {
		// Mostly the two have the same buckets, one after the other.
		if at < len(h.buckets) && h.buckets[at].index == b.index {
			h.buckets[at].count += b.count
			at++
			continue
		}
		at = h.addFrom(at, b.index, b.count) + 1
	}
	h.addSum(other.sum)
	h.max = max(h.max, other.max)
}

// Count returns how many durations were added.
func (h *Distribution) Count() uint64 {
	var n uint64
	for _, b := range h.buckets {
		n += b.count
	}
	return n
}

// Max returns the longest duration, exactly.
func (h *Distribution) Max() time.Duration { return time.Duration(h.max) }

// Mean returns the mean, exact but for an overflow after 584 years; 0 when the
// distribution is empty.
func (h *Distribution) Mean() time.Duration {
	if n := h.Count(); n > 0 {
		return time.Duration(h.sum / n)
	}
	return 0
}

// Quantile returns the duration that the share q of all durations does not
// exceed (the nearest rank), 0 when the distribution is empty. q below 0 counts
// as 0, above 1 as 1.
func (h *Distribution) Quantile(q float64) time.Duration {
	total := h.Count()
	if total == 0 {
		return 0
	}
	rank := max(uint64(math.Ceil(min(max(q, 0), 1)*float64(total))), 1)
	var n uint64
	for _, b := range h.buckets {
		if n+b.count >= rank {
			// Within a bucket durations are taken to be spread evenly.
			low, width := boundsOf(b.index)
			at := float64(low) + float64(width)*(float64(rank-n)-0.5)/float64(b.count)
			return time.Duration(min(int64(at), h.max))
		}
		n += b.count
	}
	return time.Duration(h.max)
}

// AppendBinary appends the distribution to b in a form that
// [Distribution.UnmarshalBinary] reads; it never fails.
func (h *Distribution) AppendBinary(b []byte) ([]byte, error) {
	b = binary.AppendUvarint(b, h.sum)
	b = binary.AppendUvarint(b, uint64(h.max))
	last := uint16(0)
	for _, bucket := range h.buckets {
		b = binary.AppendUvarint(b, uint64(bucket.index-last))
		b = binary.AppendUvarint(b, bucket.count)
		last = bucket.index
	}
	return b, nil
}

var errDistribution = errors.New("not a distribution")

// UnmarshalBinary reads what [Distribution.AppendBinary] wrote.
func (h *Distribution) UnmarshalBinary(b []byte) error {
	next := func() (n uint64, ok bool) {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			return 0, false
		}
		b = b[size:]
		return n, true
	}
	sum, ok1 := next()
	longest, ok2 := next()
	if !ok1 || !ok2 || longest > math.MaxInt64 {
		return errDistribution
	}
	read := Distribution{sum: sum, max: int64(longest)}
	index := uint64(0)
	for len(b) > 0 {
		step, ok1 := next()
		count, ok2 := next()
		if !ok1 || !ok2 || count == 0 || step > uint64(bucketOf(math.MaxInt64)) || len(read.buckets) > 0 && step == 0 {
			return errDistribution
		}
		if index += step; index > uint64(bucketOf(math.MaxInt64)) {
			return errDistribution
		}
		read.buckets = append(read.buckets, bucket{uint16(index), count})
	}
	*h = read
	return nil
}
