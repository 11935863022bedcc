package rules

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

// Several agents count for one objective; each is read on its own, comes, goes and
// starts again, and what was counted on one that is gone still counts.
func TestGrowth_addsAgentsUp(t *testing.T) {
	slo := brief("many")
	w := newWitness(slo)
	r := newRig(t, []objective.SLO{slo}, Options{Interval: tick})
	random := rand.New(rand.NewPCG(3, 3))
	agents := make([]*life, 3)
	counters := make([]sli.Cumulative, len(agents))
	for i := range agents {
		agents[i] = &life{random: random, resets: true}
	}
	for n := range 300 {
		now := begin().Add(time.Duration(n) * tick)
		for i, a := range agents {
			a.next(n)
			if n/50%len(agents) == i {
				continue // away, for less than an hour
			}
			for result, v := range map[string]uint64{"good": a.counts.Good, "bad": a.counts.Bad} {
				r.add(now, float64(v), "__name__", counterName, "slo", slo.Name, "service", "checkout", "result", result, "instance", fmt.Sprint(i))
			}
			growth, _ := counters[i].Read(a.counts)
			w.windows.Add(now, now, growth)
		}
		r.evaluate(now)
		w.compare(t, r, now)
		if t.Failed() {
			return
		}
	}
}

// A query's counters are each looked at alone, and a counter of errors that does
// not exist has counted none.
func TestQuery_ofCounters(t *testing.T) {
	for _, part := range []string{"bad", "good"} {
		t.Run(part, func(t *testing.T) {
			q := objective.Query{Total: `sum(all_total{job="api"})`}
			if part == "bad" {
				q.Bad = `some_total{job="api"}`
			} else {
				q.Good = `some_total{job="api"}`
			}
			slo := brief("query", asks(q))
			w := newWitness(slo)
			r := newRig(t, []objective.SLO{slo}, Options{Interval: tick})
			a := &life{random: rand.New(rand.NewPCG(5, 1)), resets: true}
			var total, some sli.Cumulative
			for n := range 300 {
				now := begin().Add(time.Duration(n) * tick)
				_, readable := a.next(n)
				if readable && !(a.hidden) {
					v := a.counts.Bad
					if part == "good" {
						v = a.counts.Good
					}
					r.add(now, float64(a.counts.Total()), "__name__", "all_total", "job", "api", "instance", "1")
					growth, _ := total.Read(sli.Counts{Good: a.counts.Total()})
					counted := sli.Counts{Good: growth.Good}
					if n > 30 {
						r.add(now, float64(v), "__name__", "some_total", "job", "api", "instance", "1")
						growth, _ = some.Read(sli.Counts{Bad: v})
						counted.Bad = growth.Bad
					}
					counted.Good -= min(counted.Bad, counted.Good)
					if part == "good" {
						counted.Good, counted.Bad = counted.Bad, counted.Good
					}
					w.windows.Add(now, now, counted)
					w.last = now
				}
				r.evaluate(now)
				if now.Sub(w.last) < 5*time.Minute && n > 30 {
					w.compare(t, r, now)
				}
				if t.Failed() {
					return
				}
			}
		})
	}
}

// Each value of a label that is kept has a budget and alerts of its own.
func TestQuery_thatKeepsALabel(t *testing.T) {
	slo := brief("by", asks(objective.Query{Bad: "bad_total", Total: "all_total", By: []string{"handler"}}))
	r := newRig(t, []objective.SLO{slo}, Options{Interval: tick})
	handlers := []string{"/pay", "/see"}
	counts := make([]sli.Counts, 2)
	for n := range 61 {
		now := begin().Add(time.Duration(n) * tick)
		for i, h := range handlers {
			grown := sli.Counts{Good: 100}
			if i == 0 && n > 30 {
				grown = sli.Counts{Good: 50, Bad: 50}
			}
			counts[i] = counts[i].Plus(grown)
			r.add(now, float64(counts[i].Total()), "__name__", "all_total", "handler", h)
			r.add(now, float64(counts[i].Bad), "__name__", "bad_total", "handler", h)
		}
		r.evaluate(now)
	}
	now := begin().Add(60 * tick)
	for i, want := range []struct{ firing, left float64 }{{2, 1 - 1500/6000./0.01}, {0, 1}} {
		firing, _ := r.ask(now, fmt.Sprintf(`count(ALERTS{alertstate="firing",handler=%q}) or vector(0)`, handlers[i]))
		left, _ := r.ask(now, fmt.Sprintf(`slo:period_error_budget_remaining:ratio{handler=%q}`, handlers[i]))
		if firing != want.firing || math.Abs(left-want.left) > 1e-9 {
			t.Errorf("%s: %v alerts fire, %v left, want %+v", handlers[i], firing, left, want)
		}
	}
}

// With slices, of counters and of a ratio, each slice is good or bad, and an empty
// one is good.
func TestSlices_areJudgedLikeSliDoes(t *testing.T) {
	queries := map[string]objective.Query{
		"counters": {Bad: "bad_total", Total: "all_total"},
		"ratio":    {Ratio: "bad_gauge"},
	}
	for name, q := range queries {
		t.Run(name, func(t *testing.T) {
			slo := brief("slices", asks(q), sliced(2*tick, 0.9), alerting(
				sli.Alert{Severity: "page", Burn: 10, Long: time.Hour, Short: 10 * time.Minute}), func(s *objective.SLO) { s.MinBad = 2 })
			var windows sli.Windows
			windows.Tiers = []sli.Tier{{Slot: tick, Span: 24 * time.Hour}}
			view := sli.View{Windows: &windows, Slices: sli.TimeSlices{Length: 2 * tick, Target: 0.9, EmptyIsGood: true}}
			r := newRig(t, []objective.SLO{slo}, Options{Interval: tick})
			random := rand.New(rand.NewPCG(9, 9))
			var counts sli.Counts
			o := slo.Objectives()[0]
			fired := 0
			for n := range 240 {
				now := begin().Add(time.Duration(n) * tick)
				grown := sli.Counts{}
				if n/20%3 > 0 {
					grown.Bad = uint64(random.IntN(1 + n/40%4*10))
					grown.Good = 50 - grown.Bad
				}
				if name == "ratio" {
					share, _ := grown.BadRatio()
					r.add(now, share, "__name__", "bad_gauge")
					// Both readings of a slice weigh the same.
					grown = sli.Counts{Good: 50 - grown.Bad, Bad: grown.Bad}
				}
				counts = counts.Plus(grown)
				if name == "counters" {
					r.add(now, float64(counts.Total()), "__name__", "all_total")
					r.add(now, float64(counts.Bad), "__name__", "bad_total")
				}
				if n > 0 {
					windows.Add(now, now, grown)
				}
				r.evaluate(now)
				if n < 70 {
					continue // before, slices of before the beginning count as good
				}
				status, err := o.Evaluate(now, view)
				if err != nil {
					t.Fatal(err)
				}
				for _, length := range []time.Duration{10 * time.Minute, time.Hour} {
					want, _ := view.Over(now, sli.Rolling(length))
					bad, _ := r.ask(now, fmt.Sprintf(`slo:sli_events:count%s{result="bad"}`, text(length)))
					good, _ := r.ask(now, fmt.Sprintf(`slo:sli_events:count%s{result="good"}`, text(length)))
					if bad != float64(want.Bad) || good != float64(want.Good) {
						t.Fatalf("%v: slices in %v: %v good, %v bad, sli %+v", now, length, good, bad, want)
					}
				}
				firing, _ := r.ask(now, `count(ALERTS{alertstate="firing"}) or vector(0)`)
				if (firing == 1) != status.Alerts[0].Firing {
					t.Fatalf("%v: fires %v, sli %+v", now, firing, status.Alerts[0])
				}
				fired += int(firing)
			}
			if fired == 0 || fired == 170 {
				t.Errorf("fired %d of 170 times: the slices decide nothing", fired)
			}
		})
	}
}

// Exclusions are left out of every window that they are in, in part or as a whole,
// also when they are known only afterwards.
func TestExclusions_areLeftOut(t *testing.T) {
	modes := []struct {
		name      string
		options   Options
		knownLate bool
	}{
		{"of counters that never start again, afterwards", Options{Interval: tick, ResetFree: true}, true},
		{"of counters that start again, before", Options{Interval: tick}, false},
	}
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			spans := []sli.Span{
				{From: begin().Add(60 * tick), To: begin().Add(75 * tick)},
				{From: begin().Add(140 * tick), To: begin().Add(230 * tick)},
				{From: begin().Add(500 * tick), To: begin().Add(600 * tick)},
			}
			slo := brief("excluded", func(s *objective.SLO) {
				for _, e := range spans {
					s.Exclusions = append(s.Exclusions, objective.Exclusion{Reason: "test", From: e.From, To: e.To})
				}
			})
			w := newWitness(slo)
			view := sli.View{Windows: &w.windows, Except: spans}
			r := newRig(t, []objective.SLO{slo}, mode.options)
			a := &life{random: rand.New(rand.NewPCG(1, 2)), outage: true}
			for n := range 420 {
				now := begin().Add(time.Duration(n) * tick)
				if _, readable := a.next(n); readable {
					r.reading(now, slo.Name, a.counts)
					w.keeps = true
					w.read(now, a.counts)
				}
				if mode.knownLate && n < 250 {
					continue
				}
				r.evaluate(now)
				if a.hidden {
					continue
				}
				for _, length := range []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute, time.Hour, 4 * time.Hour} {
					if length == 4*time.Hour && n%2 == 1 {
						continue
					}
					want, err := view.Over(now, sli.Rolling(length))
					if err != nil {
						t.Fatal(err)
					}
					w.compareWindow(t, r, now, length, want)
				}
				if t.Failed() {
					return
				}
			}
		})
	}
}

// A window of more than six hours that begins before its counter, or while nobody
// counted, begins with the first reading in it, however late the copies are that
// long windows are counted by.
func TestDirect_longWindowsAreExact(t *testing.T) {
	for _, first := range []int{0, 1, 4} {
		t.Run(fmt.Sprintf("the first reading at minute %d", first), func(t *testing.T) {
			slo := brief("long", in(sli.Rolling(8*time.Hour)), alerting())
			r := newRig(t, []objective.SLO{slo}, Options{Interval: tick, ResetFree: true})
			var windows sli.Windows
			windows.Tiers = []sli.Tier{{Slot: tick, Span: 24 * time.Hour}}
			var counts sli.Counts
			for n := first; n < 900; n++ {
				now := begin().Add(time.Duration(n) * tick)
				if n >= 100 && n < 251 {
					continue // nobody is there
				}
				if n != first && n != 251 {
					// All that is bad comes at once, and then nothing for long.
					grown := sli.Counts{}
					if n < first+3 || n >= 251 && n < 253 || n > 700 {
						grown = sli.Counts{Good: uint64(90 + n%20), Bad: uint64(50 + n%7)}
					}
					counts = counts.Plus(grown)
					windows.Add(now, now, grown)
				}
				r.reading(now, slo.Name, counts)
				r.evaluate(now)
				if n%2 > 0 || n == first {
					continue
				}
				want, _ := windows.Over(now, sli.Rolling(8*time.Hour))
				total, _ := r.ask(now, "sum(slo:sli_events:count8h)")
				bad, _ := r.ask(now, `slo:sli_events:count8h{result="bad"}`)
				if total != float64(want.Total()) || bad != float64(want.Bad) {
					t.Fatalf("%v: %v events, %v bad, want %+v", now, total, bad, want)
				}
			}
		})
	}
}

// What is counted between the first reading and the first evaluation counts in a
// calendar's window too.
func TestGrowth_beginsWithTheFirstReading(t *testing.T) {
	slo := brief("first", in(sli.Calendar(begin(), 1, 0)))
	r := newRig(t, []objective.SLO{slo}, Options{Interval: tick, ResetFree: true})
	r.reading(begin().Add(5*time.Second), slo.Name, sli.Counts{})
	r.reading(begin().Add(25*time.Second), slo.Name, sli.Counts{Good: 60, Bad: 40})
	for n := 1; n < 9; n++ {
		now := begin().Add(time.Duration(n) * tick)
		r.reading(now, slo.Name, sli.Counts{Good: 60, Bad: 40})
		r.evaluate(now)
	}
	for result, want := range map[string]float64{"good": 60, "bad": 40} {
		if got, ok := r.ask(begin().Add(8*tick), fmt.Sprintf("slo:sli_events:count1M{result=%q}", result)); !ok || got != want {
			t.Errorf("%v %s events, want %v", got, result, want)
		}
	}
}

// The service of an objective gets another name: its counters go on under that, and
// the old ones stay for a while.
func TestDirect_theServiceMayGetAnotherName(t *testing.T) {
	slo := brief("renamed", in(sli.Rolling(8*time.Hour)))
	w := newWitness(slo)
	w.keeps = true
	r := newRig(t, []objective.SLO{slo}, Options{Interval: tick, ResetFree: true})
	var counts sli.Counts
	for n := range 300 {
		now := begin().Add(time.Duration(n) * tick)
		if n > 0 {
			counts = counts.Plus(sli.Counts{Good: uint64(90 + n%20), Bad: uint64(n / 7 % 20)})
		}
		service := "checkout"
		if n >= 100 {
			service = "shop"
		}
		r.add(now, float64(counts.Good), "__name__", counterName, "slo", slo.Name, "service", service, "result", "good")
		r.add(now, float64(counts.Bad), "__name__", counterName, "slo", slo.Name, "service", service, "result", "bad")
		w.read(now, counts)
		r.evaluate(now)
		w.compare(t, r, now)
		if t.Failed() {
			return
		}
	}
}

// The lower bound is package sli's, to the last digit or the one before.
func TestLowerBound_isWilsons(t *testing.T) {
	slo := brief("bound", func(s *objective.SLO) { s.Confidence = 0.97 })
	s := newSheet(&slo, Options{Interval: tick})
	rule := s.lowerBound(5 * time.Minute)
	r := newRig(t, nil, Options{})
	random := rand.New(rand.NewPCG(4, 4))
	for n := range 500 {
		now := begin().Add(time.Duration(n) * time.Hour)
		c := sli.Counts{Bad: random.Uint64N(1 << random.IntN(45)), Good: random.Uint64N(1 << random.IntN(45))}
		r.add(now, float64(c.Bad), "__name__", "slo:sli_events:count5m", "sloth_id", "bound", "result", "bad")
		r.add(now, float64(c.Good), "__name__", "slo:sli_events:count5m", "sloth_id", "bound", "result", "good")
		got, ok := r.ask(now, rule.Expr)
		want, _ := sli.Wilson(c.Bad, c.Total(), 0.94)
		if c.Total() == 0 {
			want = 0
		}
		if ok != (c.Total() > 0) || math.Abs(got-want) > 4e-16*math.Max(1, got/1e-3)+1e-15*want {
			t.Errorf("%+v: %v %v, want %v", c, got, ok, want)
		}
	}
}

// What readings between two evaluations leave out is bounded: a window ends and
// begins at the last reading before, and the shares differ by no more than the
// share of the events between.
func TestReadings_betweenEvaluationsAreLate(t *testing.T) {
	for _, options := range []Options{{Interval: tick}, {Interval: tick, ResetFree: true}} {
		t.Run(fmt.Sprintf("reset free %v", options.ResetFree), func(t *testing.T) {
			slo := brief("late")
			r := newRig(t, []objective.SLO{slo}, options)
			var windows sli.Windows
			windows.Tiers = []sli.Tier{{Slot: time.Second, Span: 6 * time.Hour}}
			random := rand.New(rand.NewPCG(6, 6))
			a := &life{random: random}
			phase := time.Duration(1+random.IntN(13)) * time.Second
			decided, largest := 0, 0.0
			for n := range 1200 { // every 15 s
				now := begin().Add(time.Duration(n) * 15 * time.Second)
				a.hidden = false
				grown, _ := a.next(n)
				if n > 0 {
					windows.Add(now, now.Add(-5*time.Second), grown)
				}
				r.reading(now.Add(phase), slo.Name, a.counts)
				if n%4 != 0 || n < 8 {
					continue
				}
				r.evaluate(now)
				for _, length := range []time.Duration{5 * time.Minute, time.Hour} {
					want, _ := windows.Over(now, sli.Rolling(length))
					got, ok := r.ask(now, fmt.Sprintf("slo:sli_error:ratio_rate%s", text(length)))
					counted, _ := r.ask(now, fmt.Sprintf("sum(slo:sli_events:count%s)", text(length)))
					share, has := want.BadRatio()
					if !ok || !has || now.Add(-length).Before(begin().Add(5*time.Minute)) {
						continue
					}
					// What the last reading lacks is of the last 15 s, the phase and 5 s.
					reach := 35 * time.Second
					late, _ := windows.Between(now, sli.Span{From: now.Add(-reach), To: now})
					early, _ := windows.Between(now, sli.Span{From: now.Add(-length - reach), To: now.Add(-length)})
					limit := float64(late.Total()+early.Total())/counted + 1e-9
					if off := math.Abs(got - share); off > limit {
						t.Fatalf("%v in %v: %v, sli %v: off by %v, more than %v", now, length, got, share, off, limit)
					} else {
						largest = max(largest, off)
					}
					decided++
				}
			}
			if decided < 300 || largest == 0 {
				t.Errorf("%d windows were compared, at most off by %v", decided, largest)
			}
		})
	}
}
