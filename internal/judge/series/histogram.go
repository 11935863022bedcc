package series

import (
	"errors"
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/histogram"
)

// Histogram is a native histogram of numbers that are not negative: buckets
// whose bounds grow by 2^(1/2^Schema). It is for display: a verdict counts
// events against the threshold itself.
type Histogram struct {
	// Schema is -4 to 8.
	Schema int
	// Count is of all observations, Sum their sum.
	Count, Sum float64
	// ZeroThreshold is the upper bound of what ZeroCount counts.
	ZeroThreshold, ZeroCount float64
	// Buckets are those with observations, in the order of their indices.
	Buckets []Bucket
}

// Bucket counts the observations between two bounds, the upper one included.
type Bucket struct {
	Index int
	Count float64
}

// Bounds returns the bounds of the bucket with an index.
func (h *Histogram) Bounds(index int) (low, high float64) {
	bound := func(i int) float64 { return math.Exp2(float64(i) * math.Exp2(-float64(h.Schema))) }
	return bound(index - 1), bound(index)
}

// maxBuckets is far above what a latency needs: schema 3 from 1 ns to an hour
// has 335.
const maxBuckets = 512

// stored turns a histogram into the store's form, which the store keeps.
func (h *Histogram) stored() (*histogram.Histogram, error) {
	if h.Schema < -4 || h.Schema > 8 {
		return nil, fmt.Errorf("histogram: schema %d is not within -4 and 8", h.Schema)
	}
	if len(h.Buckets) > maxBuckets {
		return nil, fmt.Errorf("histogram: %d buckets, %d at most", len(h.Buckets), maxBuckets)
	}
	out := &histogram.Histogram{
		Schema: int32(h.Schema), Sum: h.Sum, ZeroThreshold: h.ZeroThreshold,
		Count: uint64(h.Count), ZeroCount: uint64(h.ZeroCount),
		PositiveBuckets: make([]int64, 0, len(h.Buckets)),
	}
	if !isCount(h.Count) || !isCount(h.ZeroCount) || !isFinite(h.Sum) || !isFinite(h.ZeroThreshold) {
		return nil, errors.New("histogram: its counts are no counts, or its sum is not finite")
	}
	previous, index := int64(0), 0
	for i, b := range h.Buckets {
		switch {
		case !isCount(b.Count):
			return nil, fmt.Errorf("histogram: bucket %d: %v is not a count", b.Index, b.Count)
		case i > 0 && b.Index < index || math.Abs(float64(b.Index)) > 1<<20:
			return nil, fmt.Errorf("histogram: bucket %d: out of order or range", b.Index)
		case i > 0 && b.Index == index:
			out.PositiveSpans[len(out.PositiveSpans)-1].Length++
		default:
			out.PositiveSpans = append(out.PositiveSpans, histogram.Span{Offset: int32(b.Index - index), Length: 1})
		}
		index = b.Index + 1
		out.PositiveBuckets = append(out.PositiveBuckets, int64(b.Count)-previous)
		previous = int64(b.Count)
	}
	return out, out.Validate()
}

// isCount is true of what a float64 counts exactly.
func isCount(v float64) bool { return v >= 0 && v <= 1<<53 && v == math.Trunc(v) }

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// histogramOf turns a result of the query language into a histogram. Buckets of
// numbers below 0 are left out: none are taken in.
func histogramOf(f *histogram.FloatHistogram) *Histogram {
	h := &Histogram{Schema: int(f.Schema), Count: f.Count, Sum: f.Sum, ZeroThreshold: f.ZeroThreshold, ZeroCount: f.ZeroCount}
	for it := f.PositiveBucketIterator(); it.Next(); {
		if b := it.At(); b.Count != 0 {
			h.Buckets = append(h.Buckets, Bucket{int(b.Index), b.Count})
		}
	}
	return h
}
