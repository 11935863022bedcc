package sli_test

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

// A service promises that 99.9 % of its requests are answered within 300 ms and
// without an error of its own.
func Example() {
	type request struct {
		Took   time.Duration
		Status int
	}
	ratio := &sli.Ratio[request]{Good: func(r request) bool {
		return r.Status < 500 && r.Took <= 300*time.Millisecond
	}}
	collector := &sli.Collector[request]{To: []sli.Aggregator[request]{ratio}}

	// A request each second for an hour, of which every 25th is too slow.
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for i := range 3600 {
		r := request{Took: 20 * time.Millisecond, Status: 200}
		if i%25 == 24 {
			r.Took = time.Second
		}
		collector.Observe(now.Add(time.Duration(i)*time.Second), r)
	}
	now = now.Add(time.Hour)

	checkout := sli.Objective{Name: "checkout", Target: 0.999}
	status, err := checkout.Evaluate(now, ratio)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %v, SLI %.2f, budget left %.0f %%\n", status.Name, status.Verdict, status.SLI, 100*status.Budget.RemainingRatio)
	for _, a := range status.Alerts {
		if a.Firing {
			fmt.Printf("%s: burn rate %.1f, limit %v\n", a.Alert.Severity, a.LongBurn, a.Alert.Burn)
		}
	}
	// Output:
	// checkout: exhausted, SLI 0.96, budget left -3900 %
	// page: burn rate 40.0, limit 14.4
	// page: burn rate 40.0, limit 6
	// ticket: burn rate 40.0, limit 3
	// ticket: burn rate 40.0, limit 1
}

func noon() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// An event of a plain type.
func ExampleEvent() {
	e := sli.Event[time.Duration]{At: noon(), Value: 120 * time.Millisecond}
	fmt.Println(e.Value, "at", e.At.Format(time.TimeOnly))
	// Output: 120ms at 12:00:00
}

// An event of a type of the caller's own, that is reported later than it
// happened.
func ExampleEvent_late() {
	type job struct {
		Queue string
		Err   error
	}
	ratio := &sli.Ratio[job]{Good: func(j job) bool { return j.Err == nil }}
	e := sli.Event[job]{At: noon(), Value: job{"mail", errors.New("refused")}}
	fmt.Println(ratio.Collect(noon().Add(time.Hour), e))
	// Output: accepted
}

func ExampleCollector() {
	ratio := &sli.Ratio[float64]{Good: func(seconds float64) bool { return seconds <= 0.3 }}
	c := &sli.Collector[float64]{To: []sli.Aggregator[float64]{ratio}}
	for _, seconds := range []float64{0.1, 0.2, 4, math.NaN(), math.Inf(1)} {
		fmt.Println(c.Observe(noon(), seconds))
	}
	fmt.Println(ratio.Over(noon(), sli.Rolling(time.Hour)))
	fmt.Println(c.TotalRejected(), "rejected")
	// Output:
	// accepted
	// accepted
	// accepted
	// not_a_number
	// infinite
	// {2 1} <nil>
	// 2 rejected
}

// A check of one's own, and two aggregators that see the same events.
func ExampleCollector_check() {
	type request struct {
		Took   time.Duration
		Status int
	}
	c := &sli.Collector[request]{
		Check: func(r request) sli.Reason {
			if r.Status == 0 {
				return sli.Invalid // the connection broke before an answer
			}
			return sli.CheckDuration(r.Took)
		},
		To: []sli.Aggregator[request]{
			&sli.Ratio[request]{Good: func(r request) bool { return r.Status < 500 }},
			&sli.Quantiles[request]{Of: func(r request) time.Duration { return r.Took }},
		},
	}
	fmt.Println(c.Observe(noon(), request{time.Second, 200}))
	fmt.Println(c.Observe(noon(), request{-time.Second, 200}))
	fmt.Println(c.Observe(noon(), request{time.Second, 0}))
	fmt.Println(c.Rejected(sli.Negative), c.Rejected(sli.Invalid))
	// Output:
	// accepted
	// negative
	// invalid
	// 1 1
}

// largest is an aggregator that keeps the largest value.
type largest struct{ value int }

func (l *largest) Collect(_ time.Time, e sli.Event[int]) sli.Reason {
	l.value = max(l.value, e.Value)
	return sli.Accepted
}

// An aggregator of one's own.
func ExampleAggregator() {
	var most largest
	c := &sli.Collector[int]{To: []sli.Aggregator[int]{&most}}
	for _, v := range []int{3, 9, 4} {
		c.Observe(noon(), v)
	}
	fmt.Println(most.value)
	// Output: 9
}

// A collector is an aggregator, too: what all have in common is checked first,
// what one of them alone asks for next.
func ExampleAggregator_nested() {
	fast := &sli.Ratio[time.Duration]{Good: func(d time.Duration) bool { return d < time.Second }}
	inner := &sli.Collector[time.Duration]{
		Check: func(d time.Duration) sli.Reason {
			if d == 0 {
				return sli.Skipped // answered from a cache
			}
			return sli.Accepted
		},
		To: []sli.Aggregator[time.Duration]{fast},
	}
	outer := &sli.Collector[time.Duration]{To: []sli.Aggregator[time.Duration]{inner}}
	fmt.Println(outer.Observe(noon(), -1), outer.Observe(noon(), 0), outer.Observe(noon(), 1))
	// Output: negative skipped accepted
}

func ExampleRatio() {
	ratio := &sli.Ratio[int]{Good: func(status int) bool { return status < 500 }}
	for _, status := range []int{200, 404, 500, 200} {
		ratio.Collect(noon(), sli.Event[int]{At: noon(), Value: status})
	}
	c, _ := ratio.Over(noon(), sli.Rolling(5*time.Minute))
	share, _ := c.Ratio()
	fmt.Printf("%d good, %d bad, %.2f\n", c.Good, c.Bad, share)
	// Output: 3 good, 1 bad, 0.75
}

// Requests that wait on purpose are none of the objective's.
func ExampleRatio_skip() {
	type request struct {
		Route string
		Took  time.Duration
	}
	ratio := &sli.Ratio[request]{
		Good: func(r request) bool { return r.Took < 300*time.Millisecond },
		Skip: func(r request) bool { return r.Route == "/events" },
	}
	fmt.Println(ratio.Collect(noon(), sli.Event[request]{At: noon(), Value: request{"/events", time.Minute}}))
	fmt.Println(ratio.Collect(noon(), sli.Event[request]{At: noon(), Value: request{"/pay", time.Minute}}))
	// Output:
	// skipped
	// accepted
}

func ExampleQuantiles() {
	q := &sli.Quantiles[time.Duration]{}
	for i := range 1000 {
		q.Collect(noon(), sli.Event[time.Duration]{At: noon(), Value: time.Duration(i) * time.Millisecond})
	}
	d, _ := q.Over(noon(), sli.Rolling(10*time.Minute))
	low, high, _ := d.Bounds(0.99)
	fmt.Printf("p99 of %d is between %v and %v\n", d.Count(), low.Round(time.Millisecond), high.Round(time.Millisecond))
	// Output: p99 of 1000 is between 973ms and 999ms
}

// Two goroutines keep their own, and are merged when someone looks.
func ExampleQuantiles_Merge() {
	a, b := &sli.Quantiles[time.Duration]{}, &sli.Quantiles[time.Duration]{}
	a.Collect(noon(), sli.Event[time.Duration]{At: noon(), Value: time.Second})
	b.Collect(noon(), sli.Event[time.Duration]{At: noon(), Value: time.Minute})
	sum := &sli.Quantiles[time.Duration]{}
	fmt.Println(sum.Merge(a), sum.Merge(b))
	d, _ := sum.Over(noon(), sli.Rolling(time.Minute))
	fmt.Println(d.Min())
	fmt.Println(d.Max())
	// Output:
	// <nil> <nil>
	// 1s true
	// 1m0s true
}

func ExampleReason() {
	_, r := sli.Seconds(math.NaN())
	fmt.Println(r)
	_, r = sli.Seconds(-1)
	fmt.Println(r)
	fmt.Println(sli.Seconds(0.25))
	// Output:
	// not_a_number
	// negative
	// 250ms accepted
}

// All reasons, as labels of a metric.
func ExampleReason_labels() {
	var c sli.Collector[float64]
	c.Observe(noon(), math.Inf(-1))
	for _, r := range sli.Reasons() {
		if n := c.Rejected(r); n > 0 {
			fmt.Printf("rejected{reason=%q} %d\n", r, n)
		}
	}
	// Output: rejected{reason="infinite"} 1
}

func ExampleDistribution() {
	var d sli.Distribution
	for _, ms := range []int{12, 15, 11, 240, 13} {
		d.Add(time.Duration(ms) * time.Millisecond)
	}
	median, _ := d.Quantile(0.5)
	longest, _ := d.Max()
	fmt.Println(median.Round(time.Millisecond), longest)
	// Output: 13ms 240ms
}

func ExampleDistribution_Merge() {
	var monday, tuesday, both sli.Distribution
	monday.Add(time.Second)
	tuesday.Add(3 * time.Second)
	both.Merge(&monday)
	both.Merge(&tuesday)
	fmt.Println(both.Mean())
	// Output: 2s true
}

func ExampleQuantile() {
	fmt.Println(sli.Quantile([]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0.9))
	fmt.Println(sli.Quantile([]string{}, 0.9))
	// Output:
	// 9 true
	//  false
}

func ExampleWilson() {
	low, high := sli.Wilson(1, 29, 0.95)
	fmt.Printf("1 of 29 is between %.1f %% and %.1f %%\n", 100*low, 100*high)
	// Output: 1 of 29 is between 0.6 % and 17.2 %
}

func ExampleClopperPearson() {
	// Nothing failed in 299 trials: with 95 % confidence (one-sided, so 0.9 for
	// both sides), less than 1 % does.
	_, high := sli.ClopperPearson(0, 299, 0.9)
	fmt.Printf("%.4f\n", high)
	// Output: 0.0100
}
