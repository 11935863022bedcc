package sli_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

// TestWindows_sumLikeAListOfEvents compares random series, with gaps, bursts and
// late events, with a list that forgets nothing.
func TestWindows_sumLikeAListOfEvents(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			w := &sli.Windows{Tiers: smallTiers()}
			m := &naive{tiers: smallTiers()}
			now := epoch()
			for range 300 {
				now = now.Add(step(r, now))
				at := now
				switch r.IntN(6) {
				case 0:
					at = now.Add(-time.Duration(r.Int64N(int64(25 * time.Minute))))
				case 1:
					at = now.Add(time.Duration(r.Int64N(int64(2 * time.Second))))
				case 2:
					at = up(now, time.Second)
				}
				c := sli.Counts{Good: r.Uint64N(5), Bad: r.Uint64N(2)}
				if got, want := w.Add(now, at, c), m.add(now, at, c); got != want {
					t.Fatalf("Add(%v, %v) = %v, want %v", now, at, got, want)
				}
				if r.IntN(4) == 0 {
					compareWindows(t, r, now, w, m)
				}
			}
			if w.Saturated() != 0 || w.Displaced() != 0 {
				t.Errorf("saturated %d, displaced %d, want 0", w.Saturated(), w.Displaced())
			}
		})
	}
}

// compareWindows asks both for a window, a span, slices, and all with
// exceptions.
func compareWindows(t *testing.T, r *rand.Rand, now time.Time, w *sli.Windows, m *naive) {
	t.Helper()
	d := time.Duration(1 + r.Int64N(int64(21*time.Minute)))
	if r.IntN(2) == 0 {
		d = up(time.Unix(0, int64(d)), time.Second).Sub(time.Unix(0, 0))
	}
	check := func(what string, got sli.Counts, err error, want sli.Counts, ok bool) {
		t.Helper()
		if ok != (err == nil) || err != nil && !errors.Is(err, sli.ErrSpan) || got != want {
			t.Fatalf("%s %v at %v: got %v, %v, want %v, %v", what, d, now, got, err, want, ok)
		}
	}
	want, ok := m.between(now, sli.Span{From: now.Add(-d), To: now})
	got, err := w.Over(now, sli.Rolling(d))
	check("window", got, err, want, ok)

	s := sli.Span{From: now.Add(-d), To: now.Add(-time.Duration(r.Int64N(int64(d))))}
	want, ok = m.between(now, s)
	got, err = w.Between(now, s)
	check("span", got, err, want, ok)

	var except []sli.Span
	for range r.IntN(3) {
		from := now.Add(-time.Duration(r.Int64N(int64(10 * time.Minute))))
		except = append(except, sli.Span{From: from, To: from.Add(time.Duration(r.Int64N(int64(time.Minute))))})
	}
	want, ok = m.between(now, sli.Span{From: now.Add(-d), To: now}, except...)
	got, err = sli.View{Windows: w, Except: except}.Over(now, sli.Rolling(d))
	check("exceptions", got, err, want, ok)

	ts := sli.TimeSlices{Length: []time.Duration{time.Second, 7 * time.Second, 10 * time.Second, time.Minute}[r.IntN(4)],
		Target: []float64{0, 0.5, 0.9, 1}[r.IntN(4)], EmptyIsGood: r.IntN(2) == 0}
	want, wantEmpty, ok := m.slices(now, d, ts, except...)
	got, empty, err := sli.View{Windows: w, Except: except, Slices: ts}.Count(now, sli.Rolling(d))
	check(fmt.Sprintf("slices %+v", ts), got, err, want, ok)
	if empty != wantEmpty {
		t.Fatalf("slices %+v: %d empty, want %d", ts, empty, wantEmpty)
	}
}

// TestWindows_clockSteps moves the clock forwards and back by up to years. What
// is counted is never more than what happened, and what is lost is at most what
// the slots had that were written to while the clock was wrong.
func TestWindows_clockSteps(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			w := &sli.Windows{Tiers: smallTiers()}
			m := &naive{tiers: smallTiers()}
			real, wrong := epoch(), time.Duration(0)
			wrongEvents := map[int64]bool{} // slots of the widest tier
			for i := range 400 {
				real = real.Add(time.Duration(r.Int64N(int64(2 * time.Second))))
				switch {
				case i%50 == 20:
					wrong = time.Duration(r.Int64N(int64(48*time.Hour))) - 24*time.Hour
				case i%50 == 24:
					wrong = 0
				}
				now := real.Add(wrong)
				if wrong != 0 {
					wrongEvents[up(now, time.Minute).Unix()] = true
				}
				c := sli.Counts{Good: 10, Bad: 1}
				if got, want := w.Add(now, now, c), m.add(now, now, c); got != want {
					t.Fatalf("Add(%v) = %v, want %v", now, got, want)
				}
			}
			// The widest tier, 22 slots of a minute.
			const d = 19 * time.Minute
			got, err := w.Over(real, sli.Rolling(d))
			if err != nil {
				t.Fatal(err)
			}
			want, _ := m.between(real, sli.Span{From: real.Add(-d), To: real})
			var mayLose sli.Counts
			for _, e := range m.events {
				end := up(e.at, time.Minute).Unix()
				for other := range wrongEvents {
					if (end-other)/60%22 == 0 && end != other {
						mayLose = mayLose.Plus(e.c)
						break
					}
				}
			}
			if got.Good > want.Good || got.Bad > want.Bad || got.Good+mayLose.Good < want.Good || got.Bad+mayLose.Bad < want.Bad {
				t.Errorf("got %v, want %v less %v at most", got, want, mayLose)
			}
		})
	}
}

// TestWindows_aStepToAnotherCentury costs one slot, and it is not dead until
// then.
func TestWindows_aStepToAnotherCentury(t *testing.T) {
	w := &sli.Windows{Tiers: []sli.Tier{{Slot: time.Second, Span: time.Minute}}}
	now := time.Unix(1_800_000_000, 0)
	for i := range 60 {
		w.Add(now.Add(time.Duration(i)*time.Second), now.Add(time.Duration(i)*time.Second), sli.Counts{Good: 1})
	}
	now = now.Add(59 * time.Second)
	future := now.AddDate(200, 0, 0)
	w.Add(future, future, sli.Counts{Bad: 1})
	if c, _ := w.Over(now, sli.Rolling(time.Minute)); c.Bad != 0 || c.Good < 59 {
		t.Errorf("after the step back %v, want 59 or 60 good", c)
	}
	for i := range 124 {
		at := now.Add(time.Duration(i) * time.Second)
		if r := w.Add(at, at, sli.Counts{Good: 1}); r != sli.Accepted {
			t.Fatalf("%d s later an event is %v", i, r)
		}
	}
	if w.Displaced() != 1 {
		t.Errorf("displaced %d slots, want 1", w.Displaced())
	}
	now = now.Add(123 * time.Second)
	if c, _ := w.Over(now, sli.Rolling(time.Minute)); c != (sli.Counts{Good: 60}) {
		t.Errorf("two minutes later %v, want 60 good", c)
	}
}

func TestWindows_mergeInAnyOrder(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 3))
		fill := func(n int) (*sli.Windows, []naiveEvent) {
			w := &sli.Windows{Tiers: smallTiers()}
			var events []naiveEvent
			for range n {
				at := epoch().Add(time.Duration(r.Int64N(int64(15 * time.Second))))
				c := sli.Counts{Good: r.Uint64N(3), Bad: r.Uint64N(3)}
				w.Add(at, at, c)
				events = append(events, naiveEvent{at, c})
			}
			return w, events
		}
		a, ea := fill(20)
		b, eb := fill(20)
		c, ec := fill(20)
		merged := func(parts ...*sli.Windows) *sli.Windows {
			sum := &sli.Windows{Tiers: smallTiers()}
			for _, p := range parts {
				if err := sum.Merge(p); err != nil {
					t.Fatal(err)
				}
			}
			return sum
		}
		m := &naive{tiers: smallTiers(), events: append(append(ea, eb...), ec...)}
		now := epoch().Add(15 * time.Second)
		for _, d := range []time.Duration{4 * time.Second, 20 * time.Second, time.Minute, 10 * time.Minute} {
			want, _ := m.between(now, sli.Span{From: now.Add(-d), To: now})
			for name, w := range map[string]*sli.Windows{
				"a, b, c": merged(a, b, c), "c, a, b": merged(c, a, b),
				"(a, b), c": merged(merged(a, b), c), "a, (b, c)": merged(a, merged(b, c)),
			} {
				if got, err := w.Over(now, sli.Rolling(d)); got != want || err != nil {
					t.Errorf("%s over %v: %v, %v, want %v", name, d, got, err, want)
				}
			}
		}
	}
}

// TestWindows_mergeThenAdd adds to a slot that a merge has replaced.
func TestWindows_mergeThenAdd(t *testing.T) {
	tiers := []sli.Tier{{Slot: time.Second, Span: 3 * time.Second}}
	a, b := &sli.Windows{Tiers: tiers}, &sli.Windows{Tiers: tiers}
	at := time.Unix(1_000, 0)
	later := at.Add(5 * time.Second) // the same place in the ring
	a.Add(at, at, sli.Counts{Good: 1})
	b.Add(later, later, sli.Counts{Bad: 1})
	if err := a.Merge(b); err != nil {
		t.Fatal(err)
	}
	a.Add(at, at, sli.Counts{Good: 1})
	a.Add(later, later, sli.Counts{Bad: 1})
	if c, err := a.Over(later, sli.Rolling(3*time.Second)); c.Good != 0 || c.Bad == 0 || err != nil {
		t.Errorf("got %v, %v: what was added for one time is counted at another", c, err)
	}
}

// TestWindows_mergeKeepsTheLater looks at two times of the same place.
func TestWindows_mergeKeepsTheLater(t *testing.T) {
	tiers := []sli.Tier{{Slot: time.Second, Span: 3 * time.Second}}
	at := time.Unix(1_000, 0)
	later := at.Add(5 * time.Second)
	old, recent := &sli.Windows{Tiers: tiers}, &sli.Windows{Tiers: tiers}
	old.Add(at, at, sli.Counts{Good: 1})
	recent.Add(later, later, sli.Counts{Bad: 1})
	for name, order := range map[string][2]*sli.Windows{"old first": {old, recent}, "recent first": {recent, old}} {
		sum := &sli.Windows{Tiers: tiers}
		if err := errors.Join(sum.Merge(order[0]), sum.Merge(order[1])); err != nil {
			t.Fatal(err)
		}
		if c, err := sum.Over(later, sli.Rolling(3*time.Second)); c != (sli.Counts{Bad: 1}) || err != nil {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}

// TestWindows_anEventOfTheLastSlotThatIsOld comes for the slot of the event
// before it, long after.
func TestWindows_anEventOfTheLastSlotThatIsOld(t *testing.T) {
	w := &sli.Windows{Tiers: smallTiers()}
	at := epoch()
	for _, tt := range []struct {
		after time.Duration
		want  sli.Reason
	}{{0, sli.Accepted}, {time.Minute, sli.Accepted}, {20 * time.Minute, sli.Late}, {-2 * time.Second, sli.Ahead}} {
		if r := w.Add(at, at, sli.Counts{Good: 1}); r != sli.Accepted {
			t.Fatalf("at once: %v", r)
		}
		if r := w.Add(at.Add(tt.after), at, sli.Counts{Good: 1}); r != tt.want {
			t.Errorf("%v later: %v, want %v", tt.after, r, tt.want)
		}
	}
}

func TestWindows_refuse(t *testing.T) {
	second := sli.Tier{Slot: time.Second, Span: time.Minute}
	for _, tt := range []struct {
		name  string
		tiers []sli.Tier
	}{
		{"no slot", []sli.Tier{{Span: time.Minute}}},
		{"a negative slot", []sli.Tier{{Slot: -1, Span: time.Minute}}},
		{"a slot of two days", []sli.Tier{{Slot: 48 * time.Hour, Span: 96 * time.Hour}}},
		{"a span shorter than a slot", []sli.Tier{{Slot: time.Second, Span: time.Millisecond}}},
		{"a span that is no multiple", []sli.Tier{{Slot: time.Second, Span: 1500 * time.Millisecond}}},
		{"too many slots", []sli.Tier{{Slot: 1, Span: time.Hour}}},
		{"the same tier twice", []sli.Tier{second, second}},
		{"a shorter tier second", []sli.Tier{second, {Slot: 2 * time.Second, Span: 10 * time.Second}}},
		{"slots that do not nest", []sli.Tier{{Slot: 2 * time.Second, Span: time.Minute}, {Slot: 3 * time.Second, Span: time.Hour}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &sli.Windows{Tiers: tt.tiers}
			if w.Validate() == nil {
				t.Error("Validate finds nothing")
			}
			if r := w.Add(epoch(), epoch(), sli.Counts{Good: 1}); r != sli.Invalid {
				t.Errorf("Add = %v, want invalid", r)
			}
			if _, err := w.Over(epoch(), sli.Rolling(time.Second)); err == nil {
				t.Error("Over succeeds")
			}
			if new(sli.Windows).Merge(w) == nil || w.Merge(new(sli.Windows)) == nil {
				t.Error("Merge succeeds")
			}
		})
	}
	w := new(sli.Windows)
	if w.Merge(w) == nil {
		t.Error("windows merge with themselves")
	}
	if w.Merge(&sli.Windows{Tiers: []sli.Tier{second}}) == nil {
		t.Error("windows of different tiers merge")
	}
}

func TestWindows_badTimesAndSpans(t *testing.T) {
	w := new(sli.Windows)
	for _, bad := range []time.Time{{}, time.Unix(0, 0), time.Unix(-1, 0), time.Unix(math.MaxInt64, 0), time.Unix(math.MinInt64, 0), time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if r := w.Add(bad, bad, sli.Counts{Good: 1}); r != sli.BadTime {
			t.Errorf("Add(%v) = %v, want bad_time", bad, r)
		}
		if r := w.Add(epoch(), bad, sli.Counts{Good: 1}); r != sli.BadTime {
			t.Errorf("Add(now, %v) = %v, want bad_time", bad, r)
		}
		if r := w.Add(bad, epoch(), sli.Counts{Good: 1}); r != sli.BadTime {
			t.Errorf("Add(%v, at) = %v, want bad_time", bad, r)
		}
		if _, err := w.Over(bad, sli.Rolling(time.Hour)); err == nil {
			t.Errorf("Over(%v) succeeds", bad)
		}
	}
	now := epoch()
	for name, s := range map[string]sli.Span{
		"backwards": {From: now, To: now.Add(-time.Second)},
		"future":    {From: now, To: now.Add(time.Second)},
		"too long":  {From: now.Add(-33 * 24 * time.Hour), To: now},
	} {
		if c, err := w.Between(now, s); err == nil {
			t.Errorf("%s: got %v", name, c)
		}
	}
	if _, err := w.Over(now, sli.Window{}); err == nil {
		t.Error("no window has counts")
	}
	early := time.Unix(100, 0)
	w.Add(early, early, sli.Counts{Bad: 2})
	if c, err := w.Over(early, sli.Rolling(time.Hour)); c.Bad != 2 || err != nil {
		t.Errorf("a window that begins before 1970: %v, %v", c, err)
	}
}

func TestWindows_saturate(t *testing.T) {
	w := new(sli.Windows)
	now := epoch()
	for range 3 {
		w.Add(now, now, sli.Counts{Good: math.MaxUint64 - 1, Bad: 1})
	}
	c, err := w.Over(now, sli.Rolling(time.Hour))
	if err != nil || c != (sli.Counts{Good: math.MaxUint64, Bad: 3}) {
		t.Errorf("got %v, %v", c, err)
	}
	if w.Saturated() == 0 {
		t.Error("nothing says so")
	}
	if share, ok := c.BadRatio(); !ok || share <= 0 || share > 1e-18 {
		t.Errorf("bad share %v", share)
	}
}

// TestWindows_manyEventsOfOneSlot adds more than fit where they wait at first.
func TestWindows_manyEventsOfOneSlot(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 13))
	w := new(sli.Windows)
	now := epoch()
	var want sli.Counts
	for range 20_000 {
		c := sli.Counts{Good: r.Uint64N(1 << r.IntN(24)), Bad: r.Uint64N(1 << r.IntN(24))}
		want = want.Plus(c)
		if got := w.Add(now, now, c); got != sli.Accepted {
			t.Fatal(got)
		}
	}
	for _, d := range []time.Duration{time.Minute, 24 * time.Hour} {
		if got, err := w.Over(now, sli.Rolling(d)); got != want || err != nil {
			t.Errorf("over %v: %v, %v, want %v", d, got, err, want)
		}
	}
}

// TestWindows_goroutinesOfDifferentTimes lets each goroutine change the slot
// that the others add to.
func TestWindows_goroutinesOfDifferentTimes(t *testing.T) {
	w := &sli.Windows{Tiers: smallTiers()}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			at := epoch().Add(time.Duration(g%3) * time.Second)
			for range 5000 {
				if r := w.Add(epoch().Add(2*time.Second), at, sli.Counts{Good: 1, Bad: 2}); r != sli.Accepted {
					t.Error(r)
				}
			}
		})
	}
	wg.Wait()
	for _, d := range []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute} {
		if got, err := w.Over(epoch().Add(2*time.Second), sli.Rolling(d)); got != (sli.Counts{Good: 40_000, Bad: 80_000}) || err != nil {
			t.Errorf("over %v: %v, %v", d, got, err)
		}
	}
}

func TestWindows_ofSeveralGoroutines(t *testing.T) {
	q := &sli.Quantiles[time.Duration]{}
	r := &sli.Ratio[time.Duration]{Good: func(d time.Duration) bool { return d < 500 }}
	c := &sli.Collector[time.Duration]{To: []sli.Aggregator[time.Duration]{r, q}}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 1000 {
				now := epoch().Add(time.Duration(i) * 100 * time.Millisecond)
				c.Observe(now, time.Duration(i-1))
				if i%100 == 0 {
					if _, err := r.Over(now, sli.Rolling(time.Hour)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	now := epoch().Add(100 * time.Second)
	if got, err := r.Over(now, sli.Rolling(time.Hour)); got != (sli.Counts{Good: 4 * 500, Bad: 4 * 499}) || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if d, err := q.Over(now, sli.Rolling(time.Hour)); err != nil || d.Count() != 4*999 {
		t.Errorf("distribution of %d, %v", d.Count(), err)
	}
	if c.Rejected(sli.Negative) != 4 || c.TotalRejected() != 4 {
		t.Errorf("rejected %d negative, %d in all, want 4", c.Rejected(sli.Negative), c.TotalRejected())
	}
}
