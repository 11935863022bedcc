package rules

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

func TestCalendar_knowsThePeriod(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	date := func(month time.Month, day, hour int, zone *time.Location) time.Time {
		return time.Date(2026, month, day, hour, 0, 0, 0, zone)
	}
	tests := []struct {
		name   string
		window sli.Window
		off    time.Duration
	}{
		{"months", sli.Calendar(date(1, 1, 0, time.UTC), 1, 0), 0},
		{"months from the 15th at 9", sli.Calendar(date(4, 15, 9, time.UTC), 1, 0), 0},
		{"months from the 28th", sli.Calendar(date(2, 28, 0, time.UTC), 1, 0), 0},
		{"months of a zone ahead", sli.Calendar(date(1, 1, 0, time.FixedZone("", 9*3600)), 1, 0), 0},
		{"months of a zone behind", sli.Calendar(date(1, 1, 0, time.FixedZone("", -8*3600)), 1, 0), 0},
		{"quarters", sli.Calendar(date(1, 1, 0, time.UTC), 3, 0), 0},
		{"quarters from February", sli.Calendar(date(2, 1, 0, time.UTC), 3, 0), 0},
		{"five months", sli.Calendar(date(2, 1, 0, time.UTC), 5, 0), 0},
		{"years", sli.Calendar(date(7, 1, 0, time.UTC), 12, 0), 0},
		{"weeks", sli.Calendar(date(1, 5, 0, time.UTC), 0, 7), 0},
		{"days of 10 days", sli.Calendar(date(1, 5, 6, time.UTC), 0, 10), 0},
		{"months where clocks are put forward", sli.Calendar(date(1, 1, 0, berlin), 1, 0), time.Hour},
		{"weeks where clocks are put forward", sli.Calendar(date(1, 5, 0, berlin), 0, 7), time.Hour},
	}
	r := newRig(t, nil, Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := calendarOf(tt.window)
			if c.off != tt.off {
				t.Errorf("off by %v, want %v", c.off, tt.off)
			}
			number := func(at time.Time) float64 {
				v, ok := r.ask(at, c.expr())
				if !ok {
					t.Fatalf("%s has no value", c.expr())
				}
				return v
			}
			end := date(1, 20, 0, time.UTC)
			for range 40 {
				p := tt.window.Period(end.Add(time.Nanosecond))
				end = p.To
				before, at, after := number(p.To.Add(-tt.off-time.Second)), number(p.To.Add(-tt.off)), number(p.To.Add(tt.off+time.Second))
				if before != at || after != math.Mod(before+1, 3) {
					t.Fatalf("around %v: %v %v %v", p.To, before, at, after)
				}
				if tt.off == 0 && c.longest < p.Length() {
					t.Fatalf("%v is longer than %v", p, c.longest)
				}
			}
		})
	}
}

func TestCalendar_thatCannotBeWritten(t *testing.T) {
	slo := example("a", in(sli.Calendar(time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), 1, 0)))
	groups, warnings, err := Groups([]objective.SLO{slo}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0].Text, "cannot tell its periods apart") {
		t.Errorf("warnings are %v", warnings)
	}
	for _, g := range groups {
		for _, rule := range g.Rules {
			if strings.Contains(rule.Record, "period_burn") || strings.Contains(rule.Record, "1M") {
				t.Errorf("%s is written all the same", rule.Record)
			}
		}
		if strings.HasSuffix(g.Name, "-period") && !strings.Contains(g.Comment, "cannot tell its periods apart") {
			t.Errorf("the comment does not say so: %s", g.Comment)
		}
	}
}

// Days, as the calendar has them, of counters and of a query for a window.
func TestCalendar_countsThePeriod(t *testing.T) {
	window := sli.Calendar(time.Date(2026, 1, 1, 6, 0, 0, 0, time.UTC), 0, 1)
	slo := brief("days", in(window), alerting())
	r := newRig(t, []objective.SLO{slo}, Options{Interval: slowInterval, ResetFree: true})
	var windows sli.Windows
	windows.Tiers = []sli.Tier{{Slot: slowInterval, Span: 72 * time.Hour}}
	o := slo.Objectives()[0]
	a := &life{random: rand.New(rand.NewPCG(8, 8))}
	for n := range 1500 {
		now := begin().Add(time.Duration(n) * slowInterval)
		a.hidden = false
		grown, _ := a.next(n)
		r.reading(now, slo.Name, a.counts)
		if n > 0 {
			windows.Add(now, now, grown)
		}
		r.evaluate(now)
		if n == 0 || n%17 > 0 && n%720 != 180 {
			continue
		}
		status, err := o.Evaluate(now, &windows)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := r.ask(now, "slo:period_error_budget_remaining:ratio")
		if !ok || math.Abs(got-status.Budget.RemainingRatio) > 1e-9*math.Max(1, math.Abs(got)) {
			t.Fatalf("%v: %v %v left, sli %v of %+v", now, got, ok, status.Budget.RemainingRatio, status.Counts)
		}
	}
}

// A query for a window is asked for the whole of it, and for pieces of five minutes
// of the period: as rate looks at a window from its first to its last reading, it
// lacks the events before the first one.
func TestQuery_ofWindowsIsBounded(t *testing.T) {
	slo := brief("windowed", asks(objective.Query{
		Bad: `sum(rate(bad_total[{{.window}}]))`, Total: `sum(rate(all_total[{{.window}}]))`}))
	r := newRig(t, []objective.SLO{slo}, Options{Interval: tick})
	var windows sli.Windows
	windows.Tiers = []sli.Tier{{Slot: tick, Span: 24 * time.Hour}}
	a := &life{random: rand.New(rand.NewPCG(2, 8))}
	compared := 0
	for n := range 500 {
		now := begin().Add(time.Duration(n) * tick)
		a.hidden = false
		grown, _ := a.next(n)
		r.add(now, float64(a.counts.Total()), "__name__", "all_total")
		r.add(now, float64(a.counts.Bad), "__name__", "bad_total")
		if n > 0 {
			windows.Add(now, now, grown)
		}
		r.evaluate(now)
		for _, length := range []time.Duration{5 * time.Minute, 20 * time.Minute, time.Hour, 4 * time.Hour} {
			pieces, lacks := time.Duration(1), length
			if length == 4*time.Hour {
				pieces, lacks = length/tileLength, tileLength
				if n%10 > 0 {
					continue
				}
			}
			want, _ := windows.Over(now, sli.Rolling(length))
			got, ok := r.ask(now, fmt.Sprintf("slo:sli_error:ratio_rate%s", text(length)))
			share, has := want.BadRatio()
			if !ok || !has || now.Sub(begin()) < length+tileLength {
				continue
			}
			var missed sli.Counts
			for i := range pieces {
				from := now.Add(-length + i*tileLength)
				first, _ := windows.Between(now, sli.Span{From: from, To: from.Add(tick)})
				missed = missed.Plus(first)
			}
			// What is seen is stretched over what is not, each counter by its own
			// factor, as one that is near 0 is stretched less.
			stretch := float64(lacks)/float64(lacks-tick) - 1
			seen := float64(want.Total() - missed.Total())
			limit := float64(missed.Total())/seen + stretch
			if off := math.Abs(got - share); seen > 0 && off > limit {
				t.Fatalf("%v in %v: %v, sli %v: off by %v, more than %v", now, length, got, share, off, limit)
			}
			compared++
		}
	}
	if compared < 500 {
		t.Errorf("%d windows were compared", compared)
	}
}
