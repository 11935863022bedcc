package prom

import (
	"encoding/binary"
	"maps"
	"math"
	"math/bits"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/goshawk-io/goshawk/internal/model"
)

const (
	// maxSetsOfService bounds the label sets of one service that a tallied
	// metric tells apart, and maxSets those of all services. Beyond, a service
	// has one more for the rest.
	maxSetsOfService = 1000
	maxSets          = 10_000
)

// otherLabel is the value of each label of the rest of a service.
const otherLabel = "_other"

// tallies has the series of one metric of a tallied schema. Unlike what
// client_golang has to count in, it takes a whole distribution at once. It is
// safe for concurrent use.
type tallies struct {
	desc *prometheus.Desc
	kind model.MetricKind
	// classic are the upper bounds of the classic buckets in seconds.
	classic []float64
	native  nativeBounds

	mu     sync.Mutex
	series map[string]*series
	sets   map[string]int // by service, without the one for the rest
	key    []byte
}

// series is what was counted for one set of labels.
type series struct {
	labels    []string
	since     time.Time
	count     uint64
	durations model.Distribution
}

func newTallies(desc *prometheus.Desc, metric model.Metric) *tallies {
	t := &tallies{desc: desc, kind: metric.Kind, series: make(map[string]*series), sets: make(map[string]int)}
	if metric.Kind == model.Histogram {
		t.classic, t.native = bucketsOf(metric), newNativeBounds()
	}
	return t
}

// add counts a tally. fields are those of the labels after the service.
func (t *tallies) add(e *model.Event, service string, fields []int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.key = appendText(t.key[:0], service)
	for _, field := range fields {
		from := len(t.key)
		t.key = appendLabel(append(t.key, 0, 0, 0, 0), e, field)
		binary.BigEndian.PutUint32(t.key[from:], uint32(len(t.key)-from-4))
	}
	s := t.series[string(t.key)]
	if s == nil {
		s = t.admit(e, service, fields)
	}
	s.count += e.Tally.Count
	if t.kind == model.Histogram && e.Tally.Durations != nil {
		s.durations.Merge(e.Tally.Durations)
	}
}

func appendText(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...)
}

// admit returns the series for t.key, which is new: one of its own or, when
// there are too many, the one for the rest of the service. t.mu is held.
func (t *tallies) admit(e *model.Event, service string, fields []int) *series {
	labels := []string{service}
	if len(fields) > 0 && (t.sets[service] >= maxSetsOfService || len(t.series) >= maxSets) {
		t.key = appendText(t.key[:0], service)
		for range fields {
			labels = append(labels, otherLabel)
			t.key = appendText(t.key, otherLabel)
		}
		if rest := t.series[string(t.key)]; rest != nil {
			return rest
		}
	} else {
		t.sets[service]++
		for _, field := range fields {
			labels = append(labels, labelValue(e, field))
		}
	}
	s := &series{labels: labels, since: e.Time}
	t.series[string(t.key)] = s
	return s
}

// Describe implements [prometheus.Collector].
func (t *tallies) Describe(ch chan<- *prometheus.Desc) { ch <- t.desc }

// Collect implements [prometheus.Collector].
func (t *tallies) Collect(ch chan<- prometheus.Metric) {
	t.mu.Lock()
	all := slices.Collect(maps.Values(t.series))
	t.mu.Unlock()
	for _, s := range all {
		ch <- t.metric(s)
	}
}

// metric renders what s has counted until now. It holds up add for no more
// than one series.
func (t *tallies) metric(s *series) prometheus.Metric {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kind == model.Counter {
		return prometheus.MustNewConstMetricWithCreatedTimestamp(t.desc, prometheus.CounterValue, float64(s.count), s.since, s.labels...)
	}
	zero, buckets := t.native.split(&s.durations)
	native, err := prometheus.NewConstNativeHistogram(t.desc, s.durations.Count(), float64(s.durations.Sum())/float64(time.Second), buckets, nil,
		zero, nativeSchema, prometheus.DefNativeHistogramZeroThreshold, s.since, s.labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(t.desc, err)
	}
	return &withClassic{native, classicBuckets(&s.durations, t.classic)}
}

// withClassic is a native histogram that has classic buckets too.
type withClassic struct {
	prometheus.Metric
	buckets []*dto.Bucket
}

// Write implements [prometheus.Metric].
func (m *withClassic) Write(out *dto.Metric) error {
	if err := m.Metric.Write(out); err != nil {
		return err
	}
	out.Histogram.Bucket = m.buckets
	return nil
}

// classicBuckets counts the durations up to each of bounds, which are in
// seconds and ascend.
func classicBuckets(d *model.Distribution, bounds []float64) []*dto.Bucket {
	buckets := make([]*dto.Bucket, len(bounds))
	counts := make([]uint64, len(bounds))
	for i := range bounds {
		buckets[i] = &dto.Bucket{UpperBound: &bounds[i], CumulativeCount: &counts[i]}
	}
	d.EachBucket(func(low, high, count uint64) {
		for i, bound := range bounds {
			counts[i] += countUpTo(low, high, count, nanoseconds(bound))
		}
	})
	return buckets
}

// countUpTo returns how many of count numbers, spread evenly from low to
// below high, are at most bound. It never goes down as count goes up, and
// neither does count less it.
func countUpTo(low, high, count, bound uint64) uint64 {
	switch {
	case bound >= high-1:
		return count
	case bound < low:
		return 0
	}
	up, down := bits.Mul64(count, bound-low+1)
	n, _ := bits.Div64(up, down, high-low)
	return n
}

// nanoseconds returns the whole nanoseconds of a bound in seconds.
func nanoseconds(seconds float64) uint64 {
	// A bound such as 0.1 is meant exactly, though no float is.
	ns := math.Floor(seconds*float64(time.Second) + 1e-3)
	switch {
	case ns < 0 || math.IsNaN(ns):
		return 0
	case ns >= math.MaxInt64:
		return math.MaxUint64
	}
	return uint64(ns)
}

const (
	// nativeSchema is the resolution of native histograms: buckets grow by the
	// eighth root of 2, as they do where client_golang counts.
	nativeSchema = 3
	// The native buckets between which all durations lie.
	firstNative, lastNative = -240, 266
)

// nativeBounds are the upper bounds of native buckets, in whole nanoseconds,
// from firstNative on.
type nativeBounds []uint64

func newNativeBounds() nativeBounds {
	bounds := make(nativeBounds, 0, lastNative-firstNative+1)
	for i := firstNative; i <= lastNative; i++ {
		bounds = append(bounds, nanoseconds(math.Exp2(float64(i)/(1<<nativeSchema))))
	}
	return bounds
}

// split counts the durations in native buckets, and those of 0 in zero.
func (b nativeBounds) split(d *model.Distribution) (zero uint64, buckets map[int]int64) {
	buckets = make(map[int]int64)
	at := 0
	d.EachBucket(func(low, high, count uint64) {
		if low == 0 {
			// This bucket has no other number.
			zero += count
			return
		}
		for b[at] < low {
			at++
		}
		for i := at; count > 0; i++ {
			n := countUpTo(low, high, count, b[i])
			if n > 0 {
				buckets[firstNative+i] += int64(n)
			}
			count, low = count-n, b[i]+1
		}
	})
	return zero, buckets
}
