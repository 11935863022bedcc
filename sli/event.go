package sli

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// Event is something that happened, and when. T is the caller's own type: a
// duration, a status code, a struct of both.
type Event[T any] struct {
	// At is when it happened: by convention when it ended.
	At time.Time
	// Value is what is known of it.
	Value T
}

// Aggregator is what a [Collector] hands events to. [Ratio] and [Quantiles]
// are aggregators; a caller may bring another.
type Aggregator[T any] interface {
	// Collect takes an event that happened at e.At, seen at now, and says what
	// became of it. An event that is not Accepted has changed nothing.
	Collect(now time.Time, e Event[T]) Reason
}

// Reason says what became of an event: it was accepted, or why it was not.
type Reason uint8

// What becomes of an event.
const (
	// Accepted events count.
	Accepted Reason = iota
	// Skipped events are none of the objective's, by its own rule.
	Skipped
	// NotANumber is the reason for NaN.
	NotANumber
	// Infinite is the reason for an infinity of either sign.
	Infinite
	// Negative is the reason for a duration below 0.
	Negative
	// Overflow is the reason for a duration of more than 292 years.
	Overflow
	// Invalid is the reason for what the caller's own check refuses, and for
	// everything while an aggregator is not set up right.
	Invalid
	// Late events are older than what is kept.
	Late
	// Ahead events are more than a slot later than now.
	Ahead
	// BadTime is the reason for times outside the years 1970 to 2261; the zero
	// time.Time is one.
	BadTime
	reasons
)

// Reasons returns all reasons, Accepted first.
func Reasons() []Reason {
	all := make([]Reason, reasons)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// String returns the reason in lower case, words joined by underscores, as in
// a label of a metric.
func (r Reason) String() string {
	names := [reasons]string{"accepted", "skipped", "not_a_number", "infinite", "negative",
		"overflow", "invalid", "late", "ahead", "bad_time"}
	if r < reasons {
		return names[r]
	}
	return fmt.Sprintf("reason_%d", uint8(r))
}

// CheckNumber accepts what is neither NaN nor infinite.
func CheckNumber(v float64) Reason {
	switch {
	case v != v:
		return NotANumber
	case v-v != 0: // only an infinity differs from itself by NaN
		return Infinite
	}
	return Accepted
}

// CheckDuration accepts what is not negative.
func CheckDuration(d time.Duration) Reason {
	if d < 0 {
		return Negative
	}
	return Accepted
}

// Seconds turns seconds into a duration, to the nearest nanosecond. NaN,
// infinities, negative numbers and more than 292 years are refused, with 0.
func Seconds(v float64) (time.Duration, Reason) {
	if r := CheckNumber(v); r != Accepted {
		return 0, r
	}
	ns := math.Round(v * 1e9)
	switch {
	case v < 0:
		return 0, Negative
	case ns >= 1<<63:
		return 0, Overflow
	}
	return time.Duration(ns), Accepted
}

// Collector checks events and hands those that are sound to its aggregators;
// what it rejects it counts, by reason. It is ready as a literal, must not be
// copied, and may be used by several goroutines when its aggregators may: those
// of this package may.
type Collector[T any] struct {
	// Check says whether a value is sound; any answer but Accepted rejects it.
	// nil checks a T of float64 by [CheckNumber] and one of time.Duration by
	// [CheckDuration], and accepts all values of other types.
	Check func(T) Reason
	// To are the aggregators, all of which see each sound event.
	To []Aggregator[T]

	rejected [reasons]atomic.Uint64
}

// Observe takes a value that happened now.
func (c *Collector[T]) Observe(now time.Time, v T) Reason {
	return c.Collect(now, Event[T]{At: now, Value: v})
}

// Collect takes an event, seen at now. It returns Accepted, or why the check or
// the first aggregator that did rejected the event; other aggregators may have
// taken it all the same. A Collector is itself an [Aggregator].
func (c *Collector[T]) Collect(now time.Time, e Event[T]) Reason {
	var result Reason
	if c.Check != nil {
		result = c.Check(e.Value)
	} else {
		result = check(e.Value)
	}
	if result == Accepted {
		for _, to := range c.To {
			if r := to.Collect(now, e); r != Accepted && result == Accepted {
				result = r
			}
		}
	}
	if result != Accepted {
		c.rejected[min(result, reasons-1)].Add(1)
	}
	return result
}

// check is what a Collector does without a Check. The type is told from a nil
// pointer so that a large T is not copied into an interface.
func check[T any](v T) Reason {
	switch any((*T)(nil)).(type) {
	case *float64:
		return CheckNumber(any(v).(float64))
	case *time.Duration:
		return CheckDuration(any(v).(time.Duration))
	}
	return Accepted
}

// Rejected returns how many events ended for a reason, and 0 for Accepted: how
// many those are the aggregators know.
func (c *Collector[T]) Rejected(r Reason) uint64 {
	if r >= reasons {
		return 0
	}
	return c.rejected[r].Load()
}

// TotalRejected returns how many events ended for any reason but Accepted.
func (c *Collector[T]) TotalRejected() uint64 {
	var n uint64
	for i := range c.rejected {
		n += c.rejected[i].Load()
	}
	return n
}
