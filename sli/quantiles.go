package sli

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Quantiles is an [Aggregator] that keeps the distribution of a duration by
// time. It is ready as a literal with Of, must not be copied, and may be used by
// several goroutines when Of may.
type Quantiles[T any] struct {
	// Of returns the duration of a value. Only a T of time.Duration does
	// without.
	Of func(T) time.Duration
	// Tier is the resolution, and what is kept: 8 KB for each slot. The zero
	// value is an hour in slots of a minute. It is read when the Quantiles is
	// first used.
	Tier Tier

	mu   sync.Mutex
	ring ring[Distribution]
	err  error
}

// init reads Tier, once. It is called with the lock held.
func (q *Quantiles[T]) init() error {
	if q.ring.slots != nil || q.err != nil {
		return q.err
	}
	t := q.Tier
	if t == (Tier{}) {
		t = Tier{time.Minute, time.Hour}
	}
	if q.err = t.Validate(); q.err == nil {
		q.ring = newRing[Distribution](t)
	}
	return q.err
}

// Collect counts an event's duration. A negative one is rejected; times are
// judged like those of [Windows.Add].
func (q *Quantiles[T]) Collect(now time.Time, e Event[T]) Reason {
	var d time.Duration
	if q.Of != nil {
		d = q.Of(e.Value)
	} else if v, ok := any(e.Value).(time.Duration); ok {
		d = v
	} else {
		return Invalid
	}
	if d < 0 {
		return Negative
	}
	n, t, ok := bothNanos(now, e.At)
	if !ok {
		return BadTime
	}
	q.mu.Lock()
	r := q.add(n, t, d)
	q.mu.Unlock()
	return r
}

func (q *Quantiles[T]) add(now, at int64, d time.Duration) Reason {
	if q.ring.slots == nil && q.init() != nil {
		return Invalid
	}
	if at-now > q.ring.width {
		return Ahead
	}
	sum := q.ring.at(now, at)
	if sum == nil {
		return Late
	}
	return sum.Add(d)
}

// Over returns the distribution of a window as it is at now, which belongs to
// the caller. The window's start is rounded as that of [Windows].
func (q *Quantiles[T]) Over(now time.Time, w Window) (*Distribution, error) {
	if err := w.Validate(); err != nil {
		return nil, err
	}
	s := w.Span(now)
	n, from, to, err := spanNanos(now, s)
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.init(); err != nil {
		return nil, err
	}
	if !q.ring.covers(n, from) {
		return nil, fmt.Errorf("sli: %s back, of %s kept: %w", spell(s.Length()), spell(time.Duration(q.ring.span)), ErrSpan)
	}
	sum := new(Distribution)
	first, last := q.ring.slotsOf(from, to)
	q.ring.each(first, last, func(_ int64, d *Distribution) { sum.Merge(d) })
	return sum, nil
}

// Merge adds what other holds, like [Windows.Merge].
func (q *Quantiles[T]) Merge(other *Quantiles[T]) error {
	if q == other {
		return errors.New("sli: quantiles merged with themselves")
	}
	other.mu.Lock()
	err := other.init()
	from := other.ring
	from.slots = slices.Clone(from.slots)
	other.mu.Unlock()
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.init(); err != nil {
		return err
	}
	if q.ring.width != from.width || q.ring.span != from.span {
		return errors.New("sli: quantiles of different tiers cannot be merged")
	}
	q.ring.merge(&from, func(to, from *Distribution) { to.Merge(from) })
	return nil
}
