package sli

import (
	"fmt"
	"time"
)

// nanos returns the nanoseconds since 1970 of t, false for times that have none
// above 0: years before 1970 and from 2262 on.
func nanos(t time.Time) (int64, bool) {
	const last = 9_214_646_400 // 2262-01-01: a year before nanoseconds overflow
	if s := t.Unix(); s < 0 || s >= last {
		return 0, false
	}
	n := t.UnixNano()
	return n, n > 0
}

// bothNanos is nanos for an event's two times, which mostly are the same.
func bothNanos(now, at time.Time) (n, t int64, ok bool) {
	t, ok = nanos(at)
	if now == at || !ok {
		return t, t, ok
	}
	n, ok = nanos(now)
	return n, t, ok
}

// spanNanos returns a span that ends by now in nanoseconds. It may begin before
// 1970, when there was nothing.
func spanNanos(now time.Time, s Span) (n, from, to int64, err error) {
	n, okNow := nanos(now)
	to, okTo := nanos(s.To)
	from, okFrom := nanos(s.From)
	if s.From.Unix() <= 0 && !okFrom {
		okFrom = true
	}
	if !okNow || !okTo || !okFrom {
		return 0, 0, 0, fmt.Errorf("sli: span from %v to %v at %v: must be of the years 1970 to 2261", s.From, s.To, now)
	}
	if from > to || to > n {
		return 0, 0, 0, fmt.Errorf("sli: span from %v to %v at %v: must end by then, after its start", s.From, s.To, now)
	}
	return n, from, to, nil
}

// indexOf returns which slot of the given width holds the instant n > 0: slot i
// has i*width < n <= (i+1)*width.
func indexOf(n, width int64) int64 { return (n - 1) / width }

// ring holds a summary S for each of the last slots of time. Every slot says
// itself what time it is of, so that the ring has no clock that could be wrong:
// time that jumps costs no more than the slots that are then written to.
type ring[S any] struct {
	width int64 // of a slot, in ns
	span  int64 // what is kept before now, in ns, a multiple of width
	slots []slot[S]

	// The slot that was written to last, and (low, high] which it is of.
	low, high int64
	last      *S
	// displaced counts slots of times after now that made way.
	displaced uint64
}

type slot[S any] struct {
	number int64 // index + 1, 0 when never written to
	sum    S
}

// newRing has two slots more than the span: of a slot cut by now - span a part
// is in the span still, and an event may be a slot ahead.
func newRing[S any](t Tier) ring[S] {
	return ring[S]{
		width: int64(t.Slot),
		span:  int64(t.Span),
		slots: make([]slot[S], t.Span/t.Slot+2),
	}
}

// at returns the summary to add what happened at t to, nil when that is too
// long before now. t is no more than a slot's width after now.
func (r *ring[S]) at(now, t int64) *S {
	if t <= now-r.span {
		return nil
	}
	if t > r.low && t <= r.high {
		return r.last
	}
	index := indexOf(t, r.width)
	s := &r.slots[index%int64(len(r.slots))]
	if s.number != index+1 {
		if s.number > index+1 {
			// The clock was wrong then, or is now. A slot for times that have
			// not come is worth less than the event at hand.
			r.displaced++
		}
		*s = slot[S]{number: index + 1}
	}
	r.low, r.high, r.last = index*r.width, (index+1)*r.width, &s.sum
	return &s.sum
}

// covers reports whether the ring still has all that happened after from.
func (r *ring[S]) covers(now, from int64) bool { return from >= now-r.span }

// slotsOf returns the first and the last index of the slots that end in
// (from, to], both rounded up to the end of a slot. Adjacent intervals have no
// slot in common, and none between them.
func (r *ring[S]) slotsOf(from, to int64) (first, last int64) {
	return slotsBefore(from, r.width), slotsBefore(to, r.width) - 1
}

// slotsBefore returns how many slots begin before the instant n.
func slotsBefore(n, width int64) int64 {
	if n <= 0 {
		return 0
	}
	return indexOf(n, width) + 1
}

// each calls visit for the slots from index first to last that hold something.
func (r *ring[S]) each(first, last int64, visit func(index int64, sum *S)) {
	n := int64(len(r.slots))
	last = min(last, first+n-1)
	for i := first; i <= last; i++ {
		if s := &r.slots[i%n]; s.number == i+1 {
			visit(i, &s.sum)
		}
	}
}

// merge adds another ring of the same tier: where both hold the same slot add is
// called, where they hold different ones the later stays.
func (r *ring[S]) merge(o *ring[S], add func(to, from *S)) {
	for i := range o.slots {
		to, from := &r.slots[i], &o.slots[i]
		switch {
		case from.number == 0 || from.number < to.number:
		case from.number > to.number:
			if r.last == &to.sum {
				r.low, r.high, r.last = 0, 0, nil
			}
			*to = *from
		default:
			add(&to.sum, &from.sum)
		}
	}
	r.displaced += o.displaced
}
