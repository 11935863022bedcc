package sli_test

import (
	"math/rand/v2"
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

// naive is what Windows is compared with: it keeps every event, and looks at
// all of them for each answer.
type naive struct {
	tiers  []sli.Tier
	events []naiveEvent
}

type naiveEvent struct {
	at time.Time
	c  sli.Counts
}

func (m *naive) add(now, at time.Time, c sli.Counts) sli.Reason {
	longest := m.tiers[len(m.tiers)-1].Span
	switch {
	case at.Sub(now) > m.tiers[0].Slot:
		return sli.Ahead
	case now.Sub(at) >= longest:
		return sli.Late
	}
	m.events = append(m.events, naiveEvent{at, c})
	return sli.Accepted
}

// tier returns the first that goes back to from and has slots that multiple
// (0: any) is a multiple of.
func (m *naive) tier(now, from time.Time, multiple time.Duration) (sli.Tier, bool) {
	for _, t := range m.tiers {
		if !from.Before(now.Add(-t.Span)) && multiple%t.Slot == 0 {
			return t, true
		}
	}
	return sli.Tier{}, false
}

// up rounds t up to a multiple of d since 1970.
func up(t time.Time, d time.Duration) time.Time {
	n := t.UnixNano()
	if rest := n % int64(d); rest > 0 {
		n += int64(d) - rest
	}
	return time.Unix(0, n)
}

func (m *naive) between(now time.Time, s sli.Span, except ...sli.Span) (c sli.Counts, ok bool) {
	t, ok := m.tier(now, s.From, 0)
	if !ok {
		return c, false
	}
	return m.sum(t, sli.Span{From: up(s.From, t.Slot), To: up(s.To, t.Slot)}, except), true
}

// sum counts events by the end of their slot.
func (m *naive) sum(t sli.Tier, s sli.Span, except []sli.Span) (c sli.Counts) {
	for _, e := range m.events {
		end := up(e.at, t.Slot)
		if s.Contains(end) && !touched(end.Add(-t.Slot), end, except) {
			c.Good += e.c.Good
			c.Bad += e.c.Bad
		}
	}
	return c
}

// touched looks for a nanosecond that is in both (from, to] and an exception.
func touched(from, to time.Time, except []sli.Span) bool {
	for _, s := range except {
		first, last := s.From, s.To
		if first.Before(from) {
			first = from
		}
		if last.After(to) {
			last = to
		}
		if first.Before(last) {
			return true
		}
	}
	return false
}

func (m *naive) slices(now time.Time, d time.Duration, ts sli.TimeSlices, except ...sli.Span) (c sli.Counts, empty uint64, ok bool) {
	end := time.Unix(0, now.UnixNano()/int64(ts.Length)*int64(ts.Length))
	t, ok := m.tier(end, end.Add(-d), ts.Length)
	if !ok {
		return c, 0, false
	}
	for range d / ts.Length {
		sum := m.sum(t, sli.Span{From: end.Add(-ts.Length), To: end}, except)
		total := sum.Good + sum.Bad
		switch {
		case total == 0 && !ts.EmptyIsGood:
			empty++
		case total == 0:
			empty++
			c.Good++
		case float64(sum.Good)/float64(total) >= ts.Target:
			c.Good++
		default:
			c.Bad++
		}
		end = end.Add(-ts.Length)
	}
	return c, empty, true
}

// epoch is when the tests begin: at no round time.
func epoch() time.Time { return time.Date(2026, 11, 21, 7, 13, 44, 123456789, time.UTC) }

// smallTiers make rings turn often.
func smallTiers() []sli.Tier {
	return []sli.Tier{{Slot: time.Second, Span: 20 * time.Second}, {Slot: 5 * time.Second, Span: 3 * time.Minute}, {Slot: time.Minute, Span: 20 * time.Minute}}
}

// step returns how far the next event is from the last: mostly near, at times
// at the same time, on a boundary, or after a gap.
func step(r *rand.Rand, at time.Time) time.Duration {
	switch r.IntN(12) {
	case 0:
		return 0
	case 1:
		return up(at, time.Second).Sub(at)
	case 2:
		return up(at, 5*time.Second).Sub(at)
	case 3:
		return time.Duration(r.Int64N(int64(2 * time.Minute)))
	}
	return time.Duration(r.Int64N(int64(3 * time.Second)))
}
