package model

import (
	"testing"
	"time"
)

func TestAddFineBucketsCountsAsAddDoes(t *testing.T) {
	var want, got Distribution
	counts := make([]uint64, FineBuckets)
	for _, d := range []time.Duration{0, 1, 7, 8, 15, 16, 100, 8191, 8192, 9216, time.Millisecond, time.Second, 64 * time.Second} {
		want.AddN(d, 3)
		counts[bucketOf(uint64(d))] += 3
	}
	got.AddFineBuckets(counts, want.Sum(), uint64(want.Max()))
	a, _ := want.AppendBinary(nil)
	b, _ := got.AppendBinary(nil)
	if string(a) != string(b) {
		t.Errorf("AddFineBuckets gives %+v, want %+v", got, want)
	}
}
