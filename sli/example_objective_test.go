package sli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

func ExampleCounts() {
	c := sli.Counts{Good: 997, Bad: 3}
	share, ok := c.Ratio()
	fmt.Println(c.Total(), share, ok)
	// Output: 1000 0.997 true
}

// A ratio of sums weighs each event alike; a mean of ratios would say 0.5 here.
func ExampleCounts_Plus() {
	day, night := sli.Counts{Good: 9999, Bad: 1}, sli.Counts{Good: 0, Bad: 1}
	share, _ := day.Plus(night).Ratio()
	fmt.Printf("%.4f\n", share)
	// Output: 0.9998
}

func ExampleCumulative() {
	var c sli.Cumulative
	for _, reading := range []sli.Counts{{Good: 1000, Bad: 4}, {Good: 1100, Bad: 5}, {Good: 20, Bad: 0}} {
		fmt.Println(c.Read(reading))
	}
	// Output:
	// {0 0} false
	// {100 1} false
	// {20 0} true
}

// Counters that are read every ten seconds.
func ExampleCumulative_windows() {
	var c sli.Cumulative
	var w sli.Windows
	for i := range uint64(7) {
		now := noon().Add(time.Duration(i) * 10 * time.Second)
		growth, _ := c.Read(sli.Counts{Good: 100 * i, Bad: i})
		w.Add(now, now, growth)
	}
	fmt.Println(w.Over(noon().Add(time.Minute), sli.Rolling(time.Minute)))
	// Output: {600 6} <nil>
}

func ExampleTier() {
	minutes := sli.Tier{Slot: time.Minute, Span: 24 * time.Hour}
	fmt.Println(minutes.Validate())
	// Output: <nil>
}

func ExampleTier_Validate() {
	fmt.Println(sli.Tier{Slot: 7 * time.Minute, Span: time.Hour}.Validate())
	// Output: sli: tier of 1h0m0s: must be a multiple of its slots of 7m0s
}

func ExampleWindows() {
	var w sli.Windows
	w.Add(noon(), noon(), sli.Counts{Good: 10})
	later := noon().Add(2 * time.Hour)
	w.Add(later, later, sli.Counts{Bad: 1})
	fmt.Println(w.Over(later, sli.Rolling(time.Hour)))
	fmt.Println(w.Over(later, sli.Rolling(24*time.Hour)))
	fmt.Println(w.Over(later, sli.Rolling(90*24*time.Hour)))
	// Output:
	// {0 1} <nil>
	// {10 1} <nil>
	// {0 0} sli: 90d back, of 32d kept: longer than what is kept
}

// A year in slots of an hour takes 210 KB.
func ExampleWindows_tiers() {
	w := &sli.Windows{Tiers: []sli.Tier{
		{Slot: 10 * time.Second, Span: time.Hour},
		{Slot: time.Hour, Span: 366 * 24 * time.Hour},
	}}
	fmt.Println(w.Add(noon(), noon().AddDate(0, -11, 0), sli.Counts{Good: 1}))
	fmt.Println(w.Add(noon(), noon().AddDate(-2, 0, 0), sli.Counts{Good: 1}))
	fmt.Println(w.Add(noon(), noon().Add(time.Minute), sli.Counts{Good: 1}))
	// Output:
	// accepted
	// late
	// ahead
}

func ExampleWindow() {
	fmt.Println(sli.Rolling(28 * 24 * time.Hour))
	fmt.Println(sli.Calendar(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 1, 0))
	// Output:
	// 28d
	// calendar 1M from 2026-01-01
}

// Quarters that begin in February.
func ExampleWindow_Period() {
	quarters := sli.Calendar(time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC), 3, 0)
	p := quarters.Period(noon())
	fmt.Println(p.From.Format(time.DateOnly), p.To.Format(time.DateOnly))
	// Output: 2026-11-01 2027-02-01
}

func ExampleSpan() {
	today := sli.Span{From: noon().Add(-12 * time.Hour), To: noon().Add(12 * time.Hour)}
	fmt.Println(today.Length(), today.Contains(noon()))
	// Output: 24h0m0s true
}

// A span has its end and not its start.
func ExampleSpan_Contains() {
	s := sli.Span{From: noon(), To: noon().Add(time.Hour)}
	fmt.Println(s.Contains(s.From), s.Contains(s.To))
	// Output: false true
}

// An hour of maintenance is taken out, afterwards.
func ExampleView() {
	var w sli.Windows
	for i := range 24 {
		at := noon().Add(time.Duration(i) * time.Hour)
		w.Add(at, at, sli.Counts{Good: 90, Bad: 10 * uint64(i/23)})
	}
	now := noon().Add(23 * time.Hour)
	down := sli.Span{From: now.Add(-time.Hour), To: now}
	day := sli.Rolling(24 * time.Hour)
	fmt.Println(w.Over(now, day))
	fmt.Println(sli.View{Windows: &w, Except: []sli.Span{down}}.Over(now, day))
	// Output:
	// {2160 10} <nil>
	// {2070 0} <nil>
}

// Minutes are counted, not requests.
func ExampleView_slices() {
	var w sli.Windows
	busy, quiet := noon().Add(30*time.Second), noon().Add(90*time.Second)
	w.Add(busy, busy, sli.Counts{Good: 1000, Bad: 1})
	w.Add(quiet, quiet, sli.Counts{Bad: 2})
	v := sli.View{Windows: &w, Slices: sli.TimeSlices{Length: time.Minute, Target: 0.95}}
	c, empty, err := v.Count(noon().Add(10*time.Minute), sli.Rolling(10*time.Minute))
	fmt.Println(c, empty, err)
	// Output: {1 1} 8 <nil>
}

func ExampleTimeSlices() {
	minutes := sli.TimeSlices{Length: time.Minute, Target: 0.95}
	fmt.Println(minutes.Good(sli.Counts{Good: 95, Bad: 5}), minutes.Good(sli.Counts{Good: 94, Bad: 6}))
	// Output: true false
}

func ExampleTimeSlices_empty() {
	fmt.Println(sli.TimeSlices{Length: time.Minute}.Good(sli.Counts{}))
	fmt.Println(sli.TimeSlices{Length: time.Minute, EmptyIsGood: true}.Good(sli.Counts{}))
	// Output:
	// false
	// true
}

func ExampleObjective() {
	o := sli.Objective{Name: "checkout", Target: 0.999}
	c := sli.Counts{Good: 99_950, Bad: 50}
	rate, _ := o.BurnRate(c)
	fmt.Println(o.Budget(c).RemainingRatio, rate)
	fmt.Println(o.Judge(c, nil))
	// Output:
	// 0.5 0.5
	// ok
}

func ExampleObjective_Validate() {
	fmt.Println(sli.Objective{Name: "checkout", Target: 99.9}.Validate())
	// Output: sli: objective "checkout": target 99.9: must be above 0 and below 1
}

// With few events nothing is claimed, unless it is beyond doubt.
func ExampleObjective_Judge() {
	o := sli.Objective{Target: 0.999}
	fmt.Println(o.Judge(sli.Counts{Good: 60}, nil))
	fmt.Println(o.Judge(sli.Counts{Good: 59, Bad: 1}, nil))
	fmt.Println(o.Judge(sli.Counts{Good: 20, Bad: 40}, nil))
	// Output:
	// insufficient_data
	// insufficient_data
	// exhausted
}

func ExampleAlert() {
	for _, a := range sli.DefaultAlerts(0.999, sli.Rolling(30*24*time.Hour)) {
		fmt.Println(a.Severity, a.Burn, a.Long, a.Short)
	}
	// Output:
	// page 14.4 1h0m0s 5m0s
	// page 6 6h0m0s 30m0s
	// ticket 3 24h0m0s 2h0m0s
	// ticket 1 72h0m0s 6h0m0s
}

// One alert of one's own.
func ExampleAlert_Validate() {
	o := sli.Objective{Name: "batch", Target: 0.9, Alerts: []sli.Alert{
		{Severity: "page", Burn: 12, Long: time.Hour, Short: 5 * time.Minute},
	}}
	fmt.Println(o.Alerts[0].Validate())
	fmt.Println(o.Validate())
	// Output:
	// <nil>
	// sli: objective "batch": alert at burn rate 12: no share of bad events is above 12 times 0.1: it can never fire
}

func ExampleAlertStatus() {
	o := sli.Objective{Target: 0.999}
	page := sli.Alert{Burn: 14.4, Long: time.Hour, Short: 5 * time.Minute}
	s := o.Alert(page, sli.Counts{Good: 9700, Bad: 300}, sli.Counts{Good: 900, Bad: 100})
	fmt.Println(s.LongBurn, s.ShortBurn, s.Firing)
	// Output: 30 100 true
}

// A request fails at night, when there are no others.
func ExampleAlertStatus_blind() {
	o := sli.Objective{Target: 0.999}
	page := sli.Alert{Burn: 14.4, Long: time.Hour, Short: 5 * time.Minute}
	s := o.Alert(page, sli.Counts{Bad: 1}, sli.Counts{Bad: 1})
	fmt.Println(s.LongBurn, s.Firing, s.Blind, s.MinEvents)
	// Output: 1000 false true 5
}

func ExampleBudget() {
	b := sli.Objective{Target: 0.999}.Budget(sli.Counts{Good: 9_992, Bad: 8})
	fmt.Println(b.Allowed, b.Remaining, b.RemainingRatio, b.Spent)
	// Output: 10 2 0.2 false
}

// The last event that is allowed spends the budget; the one after it breaks the
// objective.
func ExampleBudget_spent() {
	o := sli.Objective{Target: 0.99}
	fmt.Println(o.Budget(sli.Counts{Good: 99, Bad: 1}))
	fmt.Println(o.Budget(sli.Counts{Good: 98, Bad: 2}))
	// Output:
	// {1 0 0 true}
	// {1 -1 -1 true}
}

func ExampleStatus() {
	var w sli.Windows
	w.Add(noon(), noon(), sli.Counts{Good: 1999, Bad: 1})
	s, err := sli.Objective{Name: "checkout", Target: 0.999}.Evaluate(noon(), &w)
	fmt.Println(s.Name, s.SLI, s.Budget.RemainingRatio, s.Verdict, err)
	// Output: checkout 0.9995 0.5 ok <nil>
}

// Burn rates by window.
func ExampleStatus_burn() {
	var w sli.Windows
	w.Add(noon(), noon(), sli.Counts{Good: 980, Bad: 20})
	s, _ := sli.Objective{Target: 0.999}.Evaluate(noon(), &w)
	for _, a := range s.Alerts[:2] {
		fmt.Println(a.Alert.Long, a.LongBurn, a.Alert.Short, a.ShortBurn, a.Firing)
	}
	// Output:
	// 1h0m0s 20 5m0s 20 false
	// 6h0m0s 20 30m0s 20 true
}

func ExampleVerdict() {
	var v sli.Verdict
	fmt.Println(v, sli.OK, sli.Burning, sli.Exhausted)
	// Output: insufficient_data ok burning exhausted
}

func ExampleVerdict_MarshalText() {
	b, err := json.Marshal(map[string]sli.Verdict{"verdict": sli.Burning})
	fmt.Println(string(b), err)
	// Output: {"verdict":"burning"} <nil>
}

// server is a source that asks elsewhere.
type server map[time.Duration]sli.Counts

func (s server) Over(_ time.Time, w sli.Window) (sli.Counts, error) {
	c, ok := s[w.Length()]
	if !ok {
		return c, errors.New("no such series")
	}
	return c, nil
}

func ExampleSource() {
	s := server{30 * 24 * time.Hour: {Good: 999_900, Bad: 100}}
	o := sli.Objective{Name: "checkout", Target: 0.999, Alerts: []sli.Alert{}}
	status, err := o.Evaluate(noon(), s)
	fmt.Println(status.Verdict, status.Budget.RemainingRatio, err)
	// Output: ok 0.9 <nil>
}

func ExampleSource_error() {
	_, err := sli.Objective{Name: "checkout", Target: 0.999}.Evaluate(noon(), server{})
	fmt.Println(err)
	// Output: sli: objective "checkout": no such series
}
