package v1

import (
	"math"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// Rollup sums up the events of a service, or of one group of them, that ended
// in one step of time.
type Rollup struct {
	// Time is the begin of the step.
	Time    Time   `json:"time"`
	Probe   string `json:"probe"`
	Service string `json:"service"`
	// Group holds the attributes that the group's events have in common, of
	// those asked for;
	// absent when groups are not told apart, empty for the rest when there
	// are too many.
	Group map[string]string `json:"group,omitempty"`
	// Count, Failed and Findings count the events, those that failed, and
	// those that have findings, whether or not they were kept; of a probe that
	// is Sampled, Findings counts those that it emitted.
	Count    uint64 `json:"count"`
	Failed   uint64 `json:"failed"`
	Findings uint64 `json:"findings"`
	// RatePerS is Count by the length of the step.
	RatePerS float64 `json:"rate_per_s"`
	// The durations are right to within 7 %, MeanNS and MaxNS exactly; all are
	// 0 when the events have none.
	P50NS  int64 `json:"p50_ns"`
	P90NS  int64 `json:"p90_ns"`
	P99NS  int64 `json:"p99_ns"`
	MaxNS  int64 `json:"max_ns"`
	MeanNS int64 `json:"mean_ns"`
	// Buckets distribute the durations, the shortest first, without those that
	// count nothing; absent when nobody asked.
	Buckets []Bucket `json:"buckets,omitempty"`
}

// Bucket counts the durations from LowNS on and below HighNS. The bounds are
// the same in all answers: eight buckets double the duration.
type Bucket struct {
	LowNS  int64  `json:"low_ns"`
	HighNS int64  `json:"high_ns"`
	Count  uint64 `json:"count"`
}

// NewBuckets returns the wire form of d.
func NewBuckets(d *model.Distribution) []Bucket {
	var list []Bucket
	d.EachBucket(func(low, high, count uint64) {
		list = append(list, Bucket{int64(min(low, math.MaxInt64)), int64(min(high, math.MaxInt64)), count})
	})
	return list
}

// NewRollup returns the wire form of r, over step. groups are the keys of its
// probe's groups.
func NewRollup(r *model.Rollup, groups []string, step time.Duration) Rollup {
	v := Rollup{
		Time: Time(r.Time), Probe: r.Probe, Service: text(r.Service),
		Count: r.Count, Failed: r.Failed, Findings: r.Findings,
		P50NS: int64(r.Durations.Quantile(0.5)), P90NS: int64(r.Durations.Quantile(0.9)), P99NS: int64(r.Durations.Quantile(0.99)),
		MaxNS: int64(r.Durations.Max()), MeanNS: int64(r.Durations.Mean()),
	}
	if step > 0 {
		v.RatePerS = float64(r.Count) / step.Seconds()
	}
	if r.Group != nil {
		v.Group = make(map[string]string)
		for i, value := range r.Group {
			if i < len(groups) && value != "" {
				v.Group[groups[i]] = text(value)
			}
		}
	}
	return v
}
