package model

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketOf_growsWithItsNumber(t *testing.T) {
	last := uint16(0)
	for n := uint64(0); n < 1<<62; n += n/64 + 1 {
		i := bucketOf(n)
		if i < last || i > last+1 {
			t.Fatalf("%d is in bucket %d after %d", n, i, last)
		}
		if got := middleOf(i); math.Abs(float64(got)-float64(n)) > float64(n)*0.07 {
			t.Fatalf("%d is in bucket %d, whose middle is %d", n, i, got)
		}
		last = i
	}
}

func TestHistogram_knowsQuantilesWithinSevenPercent(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h, left, right Distribution
	var all []time.Duration
	var sum time.Duration
	for i := range 10000 {
		d := time.Duration(math.Exp(random.NormFloat64()*2) * 1e6)
		all = append(all, d)
		sum += d
		h.Add(d)
		if i%3 == 0 {
			left.Add(d)
		} else {
			right.Add(d)
		}
	}
	slices.Sort(all)
	left.Merge(&right)
	b, _ := left.AppendBinary(nil)
	var read Distribution
	if err := read.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]*Distribution{"added": &h, "merged": &left, "read": &read} {
		for _, q := range []float64{-1, 0, 0.5, 0.9, 0.99, 1, 2} {
			want := all[max(int(math.Ceil(min(max(q, 0), 1)*10000))-1, 0)]
			if got := h.Quantile(q); math.Abs(float64(got-want)) > 0.07*float64(want) {
				t.Errorf("%s: quantile %g is %s, want %s", name, q, got, want)
			}
		}
		if h.Count() != 10000 || h.Max() != all[9999] || h.Mean() != sum/10000 {
			t.Errorf("%s: count %d, max %s, mean %s", name, h.Count(), h.Max(), h.Mean())
		}
	}
}

func TestHistogram_empty(t *testing.T) {
	var h Distribution
	if h.Quantile(0.5) != 0 || h.Mean() != 0 || h.Count() != 0 || h.Max() != 0 {
		t.Error("an empty distribution is not all 0")
	}
	h.Add(-5)
	if h.Count() != 1 || h.Max() != 0 {
		t.Error("a negative duration does not count as 0")
	}
}

func FuzzHistogram_UnmarshalBinary(f *testing.F) {
	f.Add([]byte{5, 5, 5, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var h, again Distribution
		if h.UnmarshalBinary(b) != nil {
			return
		}
		written, _ := h.AppendBinary(nil)
		if err := again.UnmarshalBinary(written); err != nil || again.Quantile(0.5) != h.Quantile(0.5) || again.Count() != h.Count() {
			t.Errorf("%x is read, but what it writes, %x, is not the same: %v", b, written, err)
		}
	})
}

func TestDistribution_takesTheBucketsOfTheKernel(t *testing.T) {
	for n := uint64(1 << 13); n < 1<<36; n += n/50 + 1 {
		counts := make([]uint64, KernelBuckets)
		counts[bucketOf(n)-kernelFirst] = 3
		var h, want Distribution
		h.AddBuckets(counts, 3*n, n)
		for range 3 {
			want.Add(time.Duration(n))
		}
		if h.Count() != 3 || h.Quantile(0.5) != want.Quantile(0.5) || h.Mean() != want.Mean() || h.Max() != want.Max() {
			t.Fatalf("%d ns: count %d, median %s, mean %s, max %s", n, h.Count(), h.Quantile(0.5), h.Mean(), h.Max())
		}
	}
	if last := bucketOf(1<<36 - 1); int(last-kernelFirst) != KernelBuckets-1 {
		t.Errorf("the last bucket of the kernel is %d, not %d", kernelFirst+KernelBuckets-1, last)
	}
}

func TestDistribution_interpolatesWithinABucket(t *testing.T) {
	var h Distribution
	for n := range 1000 {
		h.Add(time.Duration(1_000_000 + 10*n))
	}
	if got := h.Quantile(0.5); got < 983040 || got > 1_010_000 {
		t.Errorf("median %s of durations from 1 ms to 1.01 ms", got)
	}
}

func TestDistribution_mergesWhateverTheBuckets(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		var one, other, want Distribution
		for range random.IntN(40) {
			d := time.Duration(random.Int64N(1 << (1 + random.IntN(62))))
			into := &one
			if random.IntN(2) == 0 {
				into = &other
			}
			into.Add(d)
			want.Add(d)
		}
		one.Merge(&other)
		one.Merge(&Distribution{})
		got, _ := one.AppendBinary(nil)
		if wanted, _ := want.AppendBinary(nil); !slices.Equal(got, wanted) {
			t.Fatalf("merged %x, want %x", got, wanted)
		}
	}
}

func TestDistribution_addsMany(t *testing.T) {
	for _, tt := range []struct {
		d     time.Duration
		count uint64
	}{{time.Second, 0}, {time.Millisecond, 1}, {3 * time.Second, 1000}, {-1, 5}, {math.MaxInt64, 2}, {math.MaxInt64, 3}} {
		var got, want Distribution
		got.AddN(tt.d, tt.count)
		for range tt.count {
			want.Add(tt.d)
		}
		g, _ := got.AppendBinary(nil)
		if w, _ := want.AppendBinary(nil); !slices.Equal(g, w) {
			t.Errorf("%d times %v: %x, want %x", tt.count, tt.d, g, w)
		}
	}
}

func TestDistribution_yieldsItsBuckets(t *testing.T) {
	var h Distribution
	for _, n := range []time.Duration{0, 7, 8, 1000, 1000, math.MaxInt64} {
		h.Add(n)
	}
	last, total := uint64(0), uint64(0)
	h.EachBucket(func(low, high, count uint64) {
		if low < last || high <= low || count == 0 || uint64(bucketOf(low)) != uint64(bucketOf(high-1)) || bucketOf(high) == bucketOf(low) {
			t.Errorf("a bucket from %d to %d of %d after %d", low, high, count, last)
		}
		last = high
		total += count
	})
	if total != h.Count() {
		t.Errorf("the buckets have %d, want %d", total, h.Count())
	}
}
