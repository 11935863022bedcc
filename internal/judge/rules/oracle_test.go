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

// Each test below gives the same readings to the rules and to package sli, and
// compares all they say, at every evaluation.

const tick = time.Minute

func begin() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }

// brief is an objective whose windows pass within a test.
func brief(name string, change ...func(*objective.SLO)) objective.SLO {
	return example(name, append([]func(*objective.SLO){
		in(sli.Rolling(4 * time.Hour)),
		alerting(
			sli.Alert{Severity: "page", Burn: 10, Long: 20 * time.Minute, Short: 5 * time.Minute},
			sli.Alert{Severity: "ticket", Burn: 2, Long: time.Hour, Short: 10 * time.Minute}),
		func(s *objective.SLO) { s.Target = 0.99 },
	}, change...)...)
}

// life is a process that counts, and whether it can be read.
type life struct {
	random *rand.Rand
	// resets is whether the process may start again.
	resets bool
	// outage is whether nothing is counted while it cannot be read: it is the
	// process that is away.
	outage bool

	counts  sli.Counts
	rate    float64
	share   float64
	until   int
	silent  bool
	hidden  bool
	restart bool
}

// next lives through one tick.
func (l *life) next(n int) (growth sli.Counts, read bool) {
	back := l.hidden && l.outage
	if n >= l.until {
		l.silent, l.hidden, l.restart = false, false, false
		l.rate = []float64{0.02, 0.5, 20, 3000}[l.random.IntN(4)]
		l.share = []float64{0, 0.001, 0.02, 0.1, 0.5, 1}[l.random.IntN(6)]
		l.until = n + 1 + l.random.IntN(30)
		switch l.random.IntN(8) {
		case 0:
			l.silent = true
		case 1:
			l.hidden = true
			l.until = n + 1 + l.random.IntN(90)
		case 2:
			l.restart = l.resets
		}
	}
	if l.restart {
		l.counts, l.restart = sli.Counts{}, false
	}
	// Who comes back says first what it has kept.
	if back = back && !l.hidden; !back && !l.silent && !(l.hidden && l.outage) {
		events := uint64(l.rate * (0.5 + l.random.Float64()) * 2)
		growth.Bad = uint64(math.Round(float64(events) * l.share))
		growth.Good = events - growth.Bad
	}
	l.counts = l.counts.Plus(growth)
	return growth, !l.hidden
}

// witness is what package sli makes of the readings.
type witness struct {
	slo     objective.SLO
	windows sli.Windows
	counter sli.Cumulative
	last    time.Time
	// keeps is for counters that never start again.
	keeps bool
}

func newWitness(slo objective.SLO) *witness {
	w := &witness{slo: slo}
	w.windows.Tiers = []sli.Tier{{Slot: tick, Span: 24 * time.Hour}}
	return w
}

// read takes a reading; after more than an hour it begins anew, as the rules for
// counters that start again do.
func (w *witness) read(now time.Time, reading sli.Counts) {
	if !w.keeps && now.Sub(w.last) > memory {
		w.counter = sli.Cumulative{}
	}
	w.last = now
	growth, _ := w.counter.Read(reading)
	w.windows.Add(now, now, growth)
}

// compare compares all series and alerts with the status of package sli.
func (w *witness) compare(t *testing.T, r *rig, now time.Time) {
	t.Helper()
	name := w.slo.Name
	o := w.slo.Objectives()[0]
	status, err := o.Evaluate(now, &w.windows)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range status.Alerts {
		w.compareWindow(t, r, now, a.Alert.Long, a.Long)
		w.compareWindow(t, r, now, a.Alert.Short, a.Short)
		firing, _ := r.ask(now, fmt.Sprintf(`count(ALERTS{alertstate="firing",sloth_id=%q,long_window=%q}) or vector(0)`, name, text(a.Alert.Long)))
		if (firing == 1) != a.Firing {
			t.Errorf("%s at %v: alert over %v: the rules say %v, sli %+v", name, now, a.Alert.Long, firing == 1, a)
		}
	}
	if now.UnixNano()%int64(slowInterval) != 0 {
		return
	}
	w.compareWindow(t, r, now, o.Window.Length(), status.Counts)
	left, ok := r.ask(now, fmt.Sprintf(`slo:period_error_budget_remaining:ratio{sloth_id=%q}`, name))
	if ok && math.Abs(left-status.Budget.RemainingRatio) > 1e-9*math.Max(1, math.Abs(left)) || !ok && status.Counts.Total() > 0 {
		t.Errorf("%s at %v: budget left %v %v, sli %v of %+v", name, now, left, ok, status.Budget.RemainingRatio, status.Counts)
	}
}

func (w *witness) compareWindow(t *testing.T, r *rig, now time.Time, length time.Duration, want sli.Counts) {
	t.Helper()
	got, ok := r.ask(now, fmt.Sprintf(`slo:sli_error:ratio_rate%s{sloth_id=%q}`, text(length), w.slo.Name))
	ratio, has := want.BadRatio()
	if ok != has || ok && !(math.Abs(got-ratio) <= 1e-9) {
		t.Errorf("%s at %v: share of bad in %s: %v %v, sli %v %v of %+v", w.slo.Name, now, text(length), got, ok, ratio, has, want)
	}
}

// lives and ticks are enough for every window to pass, and for all that happens.
const lives, ticks = 4, 280

func TestRules_sayWhatSliSays(t *testing.T) {
	modes := []struct {
		name    string
		options Options
		resets  bool
		outage  bool
	}{
		{"counters that start again", Options{Interval: tick}, true, false},
		{"counters that do not", Options{Interval: tick, ResetFree: true}, false, true},
	}
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			var slos []objective.SLO
			var seen []*witness
			var processes []*life
			for i := range lives {
				slo := brief(fmt.Sprintf("slo-%d", i), func(s *objective.SLO) {
					s.Confidence, s.MinBad = []float64{0, 0.99, 0.5}[i%3], []uint64{0, 1, 20}[i%3]
				})
				slos, seen = append(slos, slo), append(seen, newWitness(slo))
				seen[i].keeps = mode.options.ResetFree
				processes = append(processes, &life{random: rand.New(rand.NewPCG(7, uint64(i))), resets: mode.resets, outage: mode.outage})
			}
			r := newRig(t, slos, mode.options)
			fired := 0
			for n := range ticks {
				now := begin().Add(time.Duration(n) * tick)
				for i, p := range processes {
					if _, readable := p.next(n); readable {
						r.reading(now, slos[i].Name, p.counts)
						seen[i].read(now, p.counts)
					}
				}
				r.evaluate(now)
				for i, w := range seen {
					if processes[i].hidden && mode.outage {
						continue // nobody evaluates then
					}
					if processes[i].hidden && now.Sub(w.last) >= 5*time.Minute {
						continue // the counter has gone
					}
					w.compare(t, r, now)
				}
				firing, _ := r.ask(now, `count(ALERTS{alertstate="firing"}) or vector(0)`)
				fired += int(firing)
				if t.Failed() {
					return
				}
			}
			if fired == 0 || fired == ticks*lives*2 {
				t.Errorf("alerts fired %d times: the series decide nothing", fired)
			}
		})
	}
}

// reading stores what Goshawk's own counters say.
func (r *rig) reading(at time.Time, name string, c sli.Counts) {
	r.t.Helper()
	r.add(at, float64(c.Good), "__name__", counterName, "slo", name, "service", "checkout", "result", "good")
	r.add(at, float64(c.Bad), "__name__", counterName, "slo", name, "service", "checkout", "result", "bad")
}
