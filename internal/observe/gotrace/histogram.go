package gotrace

import "math/bits"

// subBuckets is how many buckets an octave of a histogram has: a value is off by
// at most 1/16 of itself.
const subBuckets = 16

// histogram counts durations in logarithmic buckets. The zero value is empty.
type histogram struct {
	count   uint64
	total   int64
	max     int64
	buckets []uint64
}

// add counts a duration in ns. A negative one counts as 0.
func (h *histogram) add(ns int64) {
	ns = max(ns, 0)
	h.count++
	h.total += ns
	h.max = max(h.max, ns)
	i := bucketOf(uint64(ns))
	if i >= len(h.buckets) {
		h.buckets = append(h.buckets, make([]uint64, i+1-len(h.buckets))...)
	}
	h.buckets[i]++
}

// bucketOf returns the bucket of a value: the value itself below 16, and from there
// on the octave and the four bits after its highest.
func bucketOf(v uint64) int {
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - 5
	return (shift+1)*subBuckets + int(v>>uint(shift))&(subBuckets-1)
}

// bucketFloor returns the smallest value of a bucket.
func bucketFloor(i int) uint64 {
	if i < subBuckets {
		return uint64(i)
	}
	return uint64(subBuckets+i%subBuckets) << uint(i/subBuckets-1)
}

// quantile returns the middle of the bucket in which the q-th part of the values
// ends, 0 < q <= 1, and never more than the largest value. It is 0 when empty.
func (h *histogram) quantile(q float64) int64 {
	rank := uint64(q * float64(h.count))
	var seen uint64
	for i, n := range h.buckets {
		if seen += n; seen > rank {
			middle := (bucketFloor(i) + bucketFloor(i+1)) / 2
			return min(int64(middle), h.max)
		}
	}
	return h.max
}

// stats takes a histogram together.
func (h *histogram) stats() Stats {
	if h == nil {
		return Stats{}
	}
	return Stats{Count: h.count, Total: h.total, Max: h.max,
		P50: h.quantile(0.50), P90: h.quantile(0.90), P99: h.quantile(0.99)}
}

// distribution returns the buckets that hold a value, joined to four per octave,
// as pictures need no more.
func (h *histogram) distribution() []Bucket {
	if h == nil {
		return nil
	}
	const join = subBuckets / 4
	var out []Bucket
	for i := 0; i < len(h.buckets); i += join {
		var n uint64
		for _, c := range h.buckets[i:min(i+join, len(h.buckets))] {
			n += c
		}
		if n > 0 {
			out = append(out, Bucket{From: int64(bucketFloor(i)), To: int64(bucketFloor(i + join)), Count: n})
		}
	}
	return out
}
