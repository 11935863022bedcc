package slotest

import (
	"cmp"
	"fmt"
	"math/bits"
	"sync"
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

// TB is what an assertion needs of a test: *testing.T, *testing.B and *testing.F
// are such, and so is whatever stands in for them.
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Skipf(format string, args ...any)
}

// Objective is a share of events that must be good. Only Target is needed.
type Objective struct {
	// Name begins the messages; by default it is "objective".
	Name string
	// Target is the share, above 0 and below 1: 0.99.
	Target float64
	// Confidence is how sure an answer must be, from 0.5 to below 1: when the
	// true share is below the target, Kept is the answer at most once in
	// 1 / (1 - Confidence) tests, and the same of Broken when it is not. By
	// default it is 0.95. A test that runs a hundred times a day wants more.
	Confidence float64
	// OnUndecided is what to do when there are not enough events; by default
	// the test is skipped.
	OnUndecided Reaction
}

// Reaction is what an assertion does when the events do not tell.
type Reaction uint8

// The reactions.
const (
	// Skip skips the test, which ends it there, as t.Skip does.
	Skip Reaction = iota
	// Log logs it, and the test goes on.
	Log
	// Fail fails the test, which goes on: for tests that must have enough
	// events, and else are wrong themselves.
	Fail
)

// String returns "skip", "log" or "fail".
func (r Reaction) String() string {
	if names := []string{"skip", "log", "fail"}; int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("reaction_%d", uint8(r))
}

// Answer is what the events say about an objective.
type Answer uint8

// The answers. The zero value claims nothing.
const (
	// Undecided: the events do not tell.
	Undecided Answer = iota
	// Kept: the share of good events is the target or more.
	Kept
	// Broken: the share of good events is below the target.
	Broken
)

// String returns "undecided", "kept" or "broken".
func (a Answer) String() string {
	if names := []string{"undecided", "kept", "broken"}; int(a) < len(names) {
		return names[a]
	}
	return fmt.Sprintf("answer_%d", uint8(a))
}

// Decision is an answer and what it rests on.
type Decision struct {
	// Objective is what was asked, with its defaults.
	Objective Objective
	// Counts are the events.
	Counts sli.Counts
	// Low and High are the ends of the interval: the true share of good events
	// is Low or more with the objective's confidence, and High or less with
	// the same.
	Low, High float64
	// Answer is what follows.
	Answer Answer
	// More is how many more events, all good, would make the answer Kept; 0
	// when it is not Undecided, or more than a billion would be needed.
	More uint64
}

// maxMore bounds the search for [Decision.More].
const maxMore = 1_000_000_000

// Validate returns what is wrong with the objective, nil when nothing is.
func (o Objective) Validate() error {
	if !(o.Target > 0 && o.Target < 1) {
		return fmt.Errorf("slotest: %s: target %v: must be above 0 and below 1", o.name(), o.Target)
	}
	if o.Confidence != 0 && !(o.Confidence >= 0.5 && o.Confidence < 1) {
		return fmt.Errorf("slotest: %s: confidence %v: must be 0.5 or more, below 1", o.name(), o.Confidence)
	}
	if o.OnUndecided > Fail {
		return fmt.Errorf("slotest: %s: no reaction: %d", o.name(), o.OnUndecided)
	}
	return nil
}

func (o Objective) name() string { return cmp.Or(o.Name, "objective") }

// Decide says what the events tell about the objective. It is a pure function.
// An objective that is not valid is Undecided.
//
// The ends of the interval are one-sided bounds of Clopper and Pearson: see
// sli.ClopperPearson. They hold for one look at the events: who looks again and
// again until the answer is to his liking is wrong more often; [Objective.Watch]
// may look all the time.
func (o Objective) Decide(c sli.Counts) Decision {
	o.Name, o.Confidence = o.name(), cmp.Or(o.Confidence, 0.95)
	d := Decision{Objective: o, Counts: c, High: 1}
	if o.Validate() != nil {
		return d
	}
	d.Low, d.High = o.bounds(c)
	switch {
	case d.Low >= o.Target:
		d.Answer = Kept
	case d.High < o.Target:
		d.Answer = Broken
	default:
		d.More = o.more(c)
	}
	return d
}

func (o Objective) bounds(c sli.Counts) (low, high float64) {
	return sli.ClopperPearson(c.Good, c.Total(), 2*o.Confidence-1)
}

// more searches how many more good events make the objective kept.
func (o Objective) more(c sli.Counts) uint64 {
	kept := func(n uint64) bool {
		low, _ := o.bounds(c.Plus(sli.Counts{Good: n}))
		return low >= o.Target
	}
	if !kept(maxMore) {
		return 0
	}
	enough := uint64(1)
	for !kept(enough) {
		enough *= 2
	}
	low := enough / 2 // too few
	for enough-low > 1 {
		if middle := low + (enough-low)/2; kept(middle) {
			enough = middle
		} else {
			low = middle
		}
	}
	return enough
}

// String says the decision in a line.
func (d Decision) String() string {
	o := d.Objective
	head := fmt.Sprintf("%s: %v: %d of %d events were good", o.Name, d.Answer, d.Counts.Good, d.Counts.Total())
	sure := fmt.Sprintf("with %.4g %% confidence", 100*o.Confidence)
	switch d.Answer {
	case Kept:
		return fmt.Sprintf("%s; %s at least %.4f %% are, the target is %.12g %%", head, sure, 100*d.Low, 100*o.Target)
	case Broken:
		return fmt.Sprintf("%s; %s at most %.4f %% are, the target is %.12g %%", head, sure, 100*d.High, 100*o.Target)
	}
	text := fmt.Sprintf("%s; %s at least %.4f %% are and at most %.4f %%, the target of %.12g %% is between",
		head, sure, 100*d.Low, 100*d.High, 100*o.Target)
	if d.More > 0 {
		text += fmt.Sprintf("; %d more, all good, would show that it is kept", d.More)
	}
	return text
}

// Assert decides, tells the test, and returns the answer. Kept is logged, Broken
// is an error that lets the test go on, Undecided skips the test unless
// OnUndecided says otherwise: with [Skip] a real test does not return from
// Assert then. An objective that is not valid is an error.
//
// A benchmark gets the share of good events as the metric "good-share".
func (o Objective) Assert(tb TB, c sli.Counts) Answer {
	tb.Helper()
	if err := o.Validate(); err != nil {
		tb.Errorf("%v", err)
		return Undecided
	}
	if b, ok := tb.(interface{ ReportMetric(float64, string) }); ok {
		if share, ok := c.Ratio(); ok {
			b.ReportMetric(share, "good-share")
		}
	}
	d := o.Decide(c)
	switch {
	case d.Answer == Kept, d.Answer == Undecided && o.OnUndecided == Log:
		tb.Logf("%v", d)
	case d.Answer == Undecided && o.OnUndecided == Skip:
		tb.Skipf("%v", d)
	default:
		tb.Errorf("%v", d)
	}
	return d.Answer
}

// firstLook is the number of events at which Watch looks first.
const firstLook = 16

// Watch fails the test when the events so far say beyond doubt that the
// objective is broken, and else does nothing: it is for calling after each
// event, where the last one is never known to be the last. It never skips and
// never answers Kept.
//
// To be right in spite of many looks it takes them at 16, 32, 64, ... events
// only, the k-th with the share 1 / (k (k+1)) of the error that the confidence
// permits: all shares together are no more than 1. Between, it answers
// Undecided.
//
// In a fuzz test the input at hand is blamed for all that came before: it fails
// alone only when it is bad itself, always.
func (o Objective) Watch(tb TB, c sli.Counts) Answer {
	tb.Helper()
	if err := o.Validate(); err != nil {
		tb.Errorf("%v", err)
		return Undecided
	}
	n := c.Total()
	if n < firstLook || n&(n-1) != 0 {
		return Undecided
	}
	k := float64(bits.Len64(n) - bits.Len64(firstLook) + 1)
	o.Confidence = 1 - (1-cmp.Or(o.Confidence, 0.95))/(k*(k+1))
	d := o.Decide(c)
	if d.Answer != Broken {
		return Undecided
	}
	tb.Errorf("%v", d)
	return Broken
}

// Recorder counts good and bad events. The zero value has none. It may be used
// by several goroutines, and must not be copied.
type Recorder struct {
	mu sync.Mutex
	c  sli.Counts
}

// Event counts an event as good or bad, and returns what it was.
func (r *Recorder) Event(good bool) bool {
	c := sli.Counts{Bad: 1}
	if good {
		c = sli.Counts{Good: 1}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.c = r.c.Plus(c)
	return good
}

// Error counts nil as good and any error as bad, and returns it.
func (r *Recorder) Error(err error) error {
	r.Event(err == nil)
	return err
}

// Within counts a duration as good when it is the limit or less. A negative one
// is bad: no event takes less than no time.
func (r *Recorder) Within(d, limit time.Duration) bool { return r.Event(d >= 0 && d <= limit) }

// Counts returns what was counted so far.
func (r *Recorder) Counts() sli.Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.c
}
