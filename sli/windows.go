package sli

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Tier is a resolution and for how long it is kept.
type Tier struct {
	// Slot is the resolution: events are told apart by the slot they fall into.
	// It is a day at most.
	Slot time.Duration
	// Span is how far back the tier goes, a multiple of Slot.
	Span time.Duration
}

// maxSlots bounds a tier's memory: 24 bytes for each slot of counts.
const maxSlots = 10_000_000

// Validate returns what is wrong with the tier, nil when nothing is.
func (t Tier) Validate() error {
	switch {
	case t.Slot <= 0 || t.Slot > day:
		return fmt.Errorf("sli: tier with slots of %v: must be above 0, a day at most", t.Slot)
	case t.Span < t.Slot || t.Span%t.Slot != 0:
		return fmt.Errorf("sli: tier of %v: must be a multiple of its slots of %v", t.Span, t.Slot)
	case t.Span/t.Slot > maxSlots:
		return fmt.Errorf("sli: tier of %v in slots of %v: has more than %d slots", t.Span, t.Slot, maxSlots)
	}
	return nil
}

// DefaultTiers returns what a [Windows] without tiers has: 6 hours in slots of
// 10 seconds, and 32 days, which any month fits in, in slots of 5 minutes. They
// take 270 KB.
func DefaultTiers() []Tier {
	return []Tier{{10 * time.Second, 6 * time.Hour}, {5 * time.Minute, 32 * day}}
}

// Source tells how many events of a window were good and bad. [*Windows] and
// [View] are sources, and so may be a query to a server.
type Source interface {
	// Over returns the counts of the window as it is at now. It fails when it
	// does not know all of the window.
	Over(now time.Time, w Window) (Counts, error)
}

// ErrSpan is wrapped by the errors for windows that go back further than what
// is kept.
var ErrSpan = errors.New("longer than what is kept")

// Windows keeps counts by time, in one ring for each [Tier], and sums them over
// windows. The zero value has the [DefaultTiers]. It may be used by several
// goroutines, and must not be copied. No method reads a clock.
//
// Events are known by their slot, so a window's start is rounded up to the end
// of a slot: a window of a multiple of the slot's width is that many slots, of
// which the last is not over yet. At an instant that ends a slot the sum is
// exact.
type Windows struct {
	// Tiers are what is kept, each with a longer span and wider slots than the
	// one before. They are read when the Windows is first used.
	Tiers []Tier

	pending   pending // what is not in the rings yet
	mu        sync.Mutex
	rings     []ring[Counts]
	ahead     int64 // how much later than now an event may be, in ns
	recent    int64 // the finest ring's span, in ns
	err       error // what is wrong with Tiers
	saturated uint64
	current   []*Counts // the slots that pending belongs to, one of each ring
}

// init reads Tiers, once. It is called with the lock held.
func (w *Windows) init() error {
	if w.rings != nil || w.err != nil {
		return w.err
	}
	tiers := w.Tiers
	if len(tiers) == 0 {
		tiers = DefaultTiers()
	}
	rings := make([]ring[Counts], 0, len(tiers))
	for i, t := range tiers {
		w.err = t.Validate()
		if w.err == nil && i > 0 && (t.Span <= tiers[i-1].Span || t.Slot == tiers[i-1].Slot || t.Slot%tiers[i-1].Slot != 0) {
			w.err = fmt.Errorf("sli: tier of %v in slots of %v: must have a longer span than the one before, and slots of a multiple of its slots", t.Span, t.Slot)
		}
		if w.err != nil {
			return w.err
		}
		rings = append(rings, newRing[Counts](t))
	}
	w.rings, w.ahead, w.recent = rings, rings[0].width, rings[0].span
	w.current = make([]*Counts, 0, len(rings))
	return nil
}

// Validate returns what is wrong with Tiers, nil when nothing is. With a fault
// there [Windows.Add] answers Invalid, and [Windows.Over] fails.
func (w *Windows) Validate() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.init()
}

// Add counts events that happened at one time, seen at now. Both are arguments,
// as only the caller knows whether they differ.
//
// What is older than the longest tier is Late, what is more than the first
// tier's slot later than now is Ahead; neither counts. No reading of a clock is
// remembered, so that one that was wrong harms only the slots that were written
// to meanwhile. After a step back the events that came with later times wait for
// their time to come.
func (w *Windows) Add(now, at time.Time, c Counts) Reason {
	n, t, ok := bothNanos(now, at)
	if !ok {
		return BadTime
	}
	// Inside of the span of the finest ring is inside of all.
	if s := w.pending.load(); s.open() && t > n-w.recent && t-n <= w.ahead && w.pending.add(s, t, c) {
		return Accepted
	}
	w.mu.Lock()
	r := w.add(n, t, c)
	w.mu.Unlock()
	return r
}

// add is Add with the lock held. It makes the event's slot the current one.
func (w *Windows) add(now, at int64, c Counts) Reason {
	if w.rings == nil && w.init() != nil {
		return Invalid
	}
	if at-now > w.ahead {
		return Ahead
	}
	w.flush()
	w.current = w.current[:0]
	for i := range w.rings {
		if sum := w.rings[i].at(now, at); sum != nil {
			w.plus(sum, c)
			w.current = append(w.current, sum)
		}
	}
	switch len(w.current) {
	case 0:
		return Late
	case len(w.rings):
		w.pending.openFor(w.rings[0].low, w.rings[0].high)
	}
	return Accepted
}

func (w *Windows) plus(to *Counts, c Counts) {
	var saturated bool
	if *to, saturated = to.plus(c); saturated {
		w.saturated++
	}
}

// flush moves pending to the rings, and closes it.
func (w *Windows) flush() {
	if c := w.pending.close(); c != (Counts{}) {
		for _, sum := range w.current {
			w.plus(sum, c)
		}
	}
}

// Over returns the counts of a window as it is at now, of the finest tier that
// goes back far enough.
func (w *Windows) Over(now time.Time, window Window) (Counts, error) {
	if err := window.Validate(); err != nil {
		return Counts{}, err
	}
	return w.Between(now, window.Span(now))
}

// Between returns the counts of a span that ends by now. Both of its ends are
// rounded up to the end of a slot.
func (w *Windows) Between(now time.Time, s Span) (Counts, error) {
	var sum Counts
	err := w.read(now, s, 0, func(r *ring[Counts], from, to int64) {
		first, last := r.slotsOf(from, to)
		r.each(first, last, func(_ int64, c *Counts) { sum = sum.Plus(*c) })
	})
	return sum, err
}

// read calls visit with the lock held and the finest ring that has all of the
// span, in slots that multiple (0: any) is a multiple of.
func (w *Windows) read(now time.Time, s Span, multiple int64, visit func(r *ring[Counts], from, to int64)) error {
	n, from, to, err := spanNanos(now, s)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.init(); err != nil {
		return err
	}
	fits := func(r ring[Counts]) bool { return r.covers(n, from) && multiple%r.width == 0 }
	i := slices.IndexFunc(w.rings, fits)
	if i < 0 {
		longest := time.Duration(w.rings[len(w.rings)-1].span)
		if multiple != 0 {
			return fmt.Errorf("sli: %s back in slices of %v, of %s kept: %w", spell(now.Sub(s.From)), time.Duration(multiple), spell(longest), ErrSpan)
		}
		return fmt.Errorf("sli: %s back, of %s kept: %w", spell(now.Sub(s.From)), spell(longest), ErrSpan)
	}
	w.flush()
	visit(&w.rings[i], from, to)
	return nil
}

// Merge adds what other holds, as if its events had been added here. The two
// must have the same tiers. Where their rings have slots of different times at
// the same place, which is so when one is ahead by more than a tier's span, the
// later stays. Merging is associative and commutative.
func (w *Windows) Merge(other *Windows) error {
	if w == other {
		return errors.New("sli: windows merged with themselves")
	}
	rings, saturated, err := other.snapshot()
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.init(); err != nil {
		return err
	}
	same := func(a, b ring[Counts]) bool { return a.width == b.width && a.span == b.span }
	if !slices.EqualFunc(w.rings, rings, same) {
		return errors.New("sli: windows of different tiers cannot be merged")
	}
	w.flush()
	w.saturated += saturated
	for i := range rings {
		w.rings[i].merge(&rings[i], func(to, from *Counts) { w.plus(to, *from) })
	}
	return nil
}

// snapshot copies, so that a merge holds one lock at a time.
func (w *Windows) snapshot() ([]ring[Counts], uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.init(); err != nil {
		return nil, 0, err
	}
	w.flush()
	rings := slices.Clone(w.rings)
	for i := range rings {
		rings[i].slots = slices.Clone(rings[i].slots)
	}
	return rings, w.saturated, nil
}

// Saturated returns how many times a count of a slot would have grown larger
// than fits, and stayed at the largest there is.
func (w *Windows) Saturated() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush()
	return w.saturated
}

// Displaced returns how many slots of times that had not come yet were given up
// for events of before: what a step forwards and back of the clock has cost.
func (w *Windows) Displaced() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var n uint64
	for i := range w.rings {
		n += w.rings[i].displaced
	}
	return n
}
