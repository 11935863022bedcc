package sli

import "time"

// Ratio is an [Aggregator] that sorts events into good and bad and counts them
// by time. It is ready as a literal with Good, must not be copied, and may be
// used by several goroutines when its functions may.
type Ratio[T any] struct {
	// Good says whether a value keeps the promise. Only a T of bool, true for
	// good, does without.
	Good func(T) bool
	// Skip, if any, says which events are not counted at all, such as requests
	// that are meant to wait.
	Skip func(T) bool
	// Windows holds the counts, and answers what they are over a window.
	Windows Windows
}

// Collect counts an event as good or bad.
func (r *Ratio[T]) Collect(now time.Time, e Event[T]) Reason {
	if r.Skip != nil && r.Skip(e.Value) {
		return Skipped
	}
	var good bool
	if r.Good != nil {
		good = r.Good(e.Value)
	} else if b, ok := any(e.Value).(bool); ok {
		good = b
	} else {
		return Invalid
	}
	if good {
		return r.Windows.Add(now, e.At, Counts{Good: 1})
	}
	return r.Windows.Add(now, e.At, Counts{Bad: 1})
}

// Over returns the counts of a window as it is at now: a Ratio is a [Source].
func (r *Ratio[T]) Over(now time.Time, w Window) (Counts, error) { return r.Windows.Over(now, w) }
