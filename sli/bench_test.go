package sli_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/sli"
	"github.com/prometheus/client_golang/prometheus"
)

// request is what the benchmarks count: 24 bytes.
type request struct {
	Duration time.Duration
	Status   int
	Route    uint64
}

func good(r request) bool { return r.Status < 500 && r.Duration <= 300*time.Millisecond }

// traffic is a request every 50 us from now on, 1 in 1024 of them bad.
type traffic struct {
	now time.Time
	n   int
}

func (t *traffic) next() (time.Time, request) {
	t.n++
	t.now = t.now.Add(50 * time.Microsecond)
	r := request{Duration: time.Duration(t.n&0xffff) * time.Microsecond, Status: 200}
	if t.n&1023 == 0 {
		r.Status = 500
	}
	return t.now, r
}

func newTraffic() *traffic { return &traffic{now: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)} }

// BenchmarkTraffic is what the others spend on making events.
func BenchmarkTraffic(b *testing.B) {
	t := newTraffic()
	var sum time.Duration
	for b.Loop() {
		_, r := t.next()
		sum += r.Duration
	}
	if sum < 0 {
		b.Fatal("overflow")
	}
}

func BenchmarkCollector(b *testing.B) {
	b.Run("ratio", func(b *testing.B) {
		c := sli.Collector[request]{To: []sli.Aggregator[request]{&sli.Ratio[request]{Good: good}}}
		t := newTraffic()
		b.ReportAllocs()
		for b.Loop() {
			c.Observe(t.next())
		}
	})
	b.Run("quantiles", func(b *testing.B) {
		c := sli.Collector[request]{To: []sli.Aggregator[request]{
			&sli.Quantiles[request]{Of: func(r request) time.Duration { return r.Duration }},
		}}
		t := newTraffic()
		b.ReportAllocs()
		for b.Loop() {
			c.Observe(t.next())
		}
	})
	b.Run("durations", func(b *testing.B) {
		c := sli.Collector[time.Duration]{To: []sli.Aggregator[time.Duration]{
			&sli.Ratio[time.Duration]{Good: func(d time.Duration) bool { return d <= 300*time.Millisecond }},
		}}
		t := newTraffic()
		b.ReportAllocs()
		for b.Loop() {
			now, r := t.next()
			c.Observe(now, r.Duration)
		}
	})
	b.Run("rejected", func(b *testing.B) {
		c := sli.Collector[float64]{To: []sli.Aggregator[float64]{&sli.Ratio[float64]{Good: func(float64) bool { return true }}}}
		t := newTraffic()
		b.ReportAllocs()
		for b.Loop() {
			now, _ := t.next()
			c.Observe(now, math.NaN())
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	b.Run("counts", func(b *testing.B) {
		var w sli.Windows
		t := newTraffic()
		b.ReportAllocs()
		for b.Loop() {
			now, _ := t.next()
			w.Add(now, now, sli.Counts{Good: 1})
		}
	})
	b.Run("anotherSlotEachTime", func(b *testing.B) {
		var w sli.Windows
		now := newTraffic().now
		b.ReportAllocs()
		for b.Loop() {
			now = now.Add(10 * time.Minute)
			if now.Year() == 2200 {
				now = newTraffic().now
			}
			w.Add(now, now, sli.Counts{Good: 1})
		}
	})
	b.Run("distribution", func(b *testing.B) {
		var d sli.Distribution
		t := newTraffic()
		b.ReportAllocs()
		for b.Loop() {
			_, r := t.next()
			d.Add(r.Duration)
		}
	})
}

func BenchmarkParallel(b *testing.B) {
	b.Run("sli", func(b *testing.B) {
		c := sli.Collector[request]{To: []sli.Aggregator[request]{&sli.Ratio[request]{Good: good}}}
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for t := newTraffic(); p.Next(); {
				c.Observe(t.next())
			}
		})
	})
	b.Run("prometheus", func(b *testing.B) {
		counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "events"}, []string{"result"})
		ok, failed := counter.WithLabelValues("good"), counter.WithLabelValues("bad")
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for t := newTraffic(); p.Next(); {
				if _, r := t.next(); good(r) {
					ok.Inc()
				} else {
					failed.Inc()
				}
			}
		})
	})
}

// anyCollector is the collector without type parameters: events of any, an
// aggregator by interface, and otherwise the same work.
type anyCollector struct {
	check func(any) sli.Reason
	to    []anyAggregator
}

type anyEvent struct {
	at    time.Time
	value any
}

type anyAggregator interface {
	collect(now time.Time, e anyEvent) sli.Reason
}

type anyRatio struct {
	good    func(any) bool
	windows sli.Windows
}

func (r *anyRatio) collect(now time.Time, e anyEvent) sli.Reason {
	if r.good(e.value) {
		return r.windows.Add(now, e.at, sli.Counts{Good: 1})
	}
	return r.windows.Add(now, e.at, sli.Counts{Bad: 1})
}

func (c *anyCollector) observe(now time.Time, v any) sli.Reason {
	if r := c.check(v); r != sli.Accepted {
		return r
	}
	var result sli.Reason
	for _, to := range c.to {
		if r := to.collect(now, anyEvent{now, v}); r != sli.Accepted {
			result = r
		}
	}
	return result
}

func checkAny(v any) sli.Reason {
	switch v := v.(type) {
	case float64:
		return sli.CheckNumber(v)
	case time.Duration:
		return sli.CheckDuration(v)
	case request:
		return sli.Accepted
	}
	return sli.Invalid
}

func BenchmarkAny(b *testing.B) {
	b.Run("ratio", func(b *testing.B) {
		c := anyCollector{checkAny, []anyAggregator{&anyRatio{good: func(v any) bool {
			r, ok := v.(request)
			return ok && good(r)
		}}}}
		t := newTraffic()
		b.ReportAllocs()
		for b.Loop() {
			now, r := t.next()
			c.observe(now, r)
		}
	})
	b.Run("durations", func(b *testing.B) {
		c := anyCollector{checkAny, []anyAggregator{&anyRatio{good: func(v any) bool {
			d, ok := v.(time.Duration)
			return ok && d <= 300*time.Millisecond
		}}}}
		t := newTraffic()
		b.ReportAllocs()
		for b.Loop() {
			now, r := t.next()
			c.observe(now, r.Duration)
		}
	})
}

// BenchmarkPrometheus counts the same events with client_golang, which keeps a
// total and no windows.
func BenchmarkPrometheus(b *testing.B) {
	b.Run("counters", func(b *testing.B) {
		counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "events"}, []string{"result"})
		ok, failed := counter.WithLabelValues("good"), counter.WithLabelValues("bad")
		t := newTraffic()
		b.ReportAllocs()
		for b.Loop() {
			if _, r := t.next(); good(r) {
				ok.Inc()
			} else {
				failed.Inc()
			}
		}
	})
	b.Run("countersByLabel", func(b *testing.B) {
		counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "events"}, []string{"result"})
		t := newTraffic()
		b.ReportAllocs()
		for b.Loop() {
			if _, r := t.next(); good(r) {
				counter.WithLabelValues("good").Inc()
			} else {
				counter.WithLabelValues("bad").Inc()
			}
		}
	})
	b.Run("histogram", func(b *testing.B) {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "duration", Buckets: prometheus.DefBuckets})
		t := newTraffic()
		b.ReportAllocs()
		for b.Loop() {
			_, r := t.next()
			h.Observe(r.Duration.Seconds())
		}
	})
	b.Run("nativeHistogram", func(b *testing.B) {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "duration", NativeHistogramBucketFactor: 1.1})
		t := newTraffic()
		b.ReportAllocs()
		for b.Loop() {
			_, r := t.next()
			h.Observe(r.Duration.Seconds())
		}
	})
}

func BenchmarkEvaluate(b *testing.B) {
	var w sli.Windows
	now := newTraffic().now
	for t := now.Add(-30 * 24 * time.Hour); t.Before(now); t = t.Add(10 * time.Second) {
		w.Add(t, t, sli.Counts{Good: 999, Bad: 1})
	}
	o := sli.Objective{Target: 0.999}
	b.ReportAllocs()
	for b.Loop() {
		if s, err := o.Evaluate(now, &w); err != nil || s.Verdict != sli.Exhausted {
			b.Fatal(s.Verdict, err)
		}
	}
}

func BenchmarkBounds(b *testing.B) {
	for _, n := range []uint64{1000, 1_000_000, 1_000_000_000} {
		b.Run(fmt.Sprintf("clopperPearson%d", n), func(b *testing.B) {
			for b.Loop() {
				sli.ClopperPearson(n/100, n, 0.95)
			}
		})
	}
	b.Run("wilson", func(b *testing.B) {
		for b.Loop() {
			sli.Wilson(10, 1000, 0.95)
		}
	})
}
