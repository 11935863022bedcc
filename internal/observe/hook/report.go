package hook

import (
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// Report is what was measured.
type Report struct {
	// Functions are in the order in which they were named, those of a pattern
	// in the order of their code.
	Functions []Result
	// Took is how long was measured.
	Took time.Duration
	// Ending says why it ended, "" when it goes on.
	Ending Ending
	// SampleInterval is how much time passes at least between two samples of one
	// function, 0 when calls are not sampled.
	SampleInterval time.Duration
	// SamplesLost is how many samples, or their ends, there was no room for.
	SamplesLost uint64
}

// Result is what was measured of one function.
type Result struct {
	Func string
	Tier string
	// Calls is how often it was entered.
	Calls uint64
	// Errors is how often its last result was an error that is not nil;
	// ErrorsKnown says whether that can be told.
	Errors      uint64
	ErrorsKnown bool
	// Bad is how many of the calls that returned did so with an error, or took
	// longer than [Options.Threshold].
	Bad uint64
	// Latency holds how long the calls took that returned.
	Latency model.Distribution
	// Unfinished is how many calls had not returned at the end: they were
	// still running, or a panic or Goexit ended them.
	Unfinished uint64
	// Lost is how many calls returned without their duration being counted, for
	// want of memory.
	Lost uint64
	// Took is for how long the function was hooked.
	Took time.Duration
	// Cost is the CPU time that one call costs the process, as measured before.
	Cost time.Duration
	// Detached says why the function was given up before the end, "" when it
	// was not.
	Detached string
	// Refused says why the function was not hooked at all, "" when it was.
	Refused string
}

// Rate returns the calls a second.
func (r *Result) Rate() float64 {
	if r.Took <= 0 {
		return 0
	}
	return float64(r.Calls) / r.Took.Seconds()
}

// tally is what a tier counted of a function.
type tally struct {
	calls, errors, bad uint64
	// returned calls have a duration.
	returned uint64
	latency  model.Distribution
	// unseen calls could not be followed, replaced ones never returned.
	unseen, replaced uint64
}

// lost returns how many calls have returned without a duration, when open ones
// have not yet returned.
func (t *tally) lost(open uint64) uint64 {
	known := t.returned + t.replaced + open
	// While calls go on the parts are not of one moment.
	return t.calls - min(known, t.calls)
}

// report reads what was counted so far.
func (s *Session) report(took time.Duration, ending Ending) (*Report, error) {
	open, err := s.tier.counter().open()
	if err != nil {
		return nil, err
	}
	r := &Report{Took: took, Ending: ending, Functions: make([]Result, len(s.functions))}
	if s.sampler != nil {
		r.SampleInterval = s.sampler.interval
		if r.SamplesLost, err = s.sampler.lost(); err != nil {
			return nil, err
		}
	}
	now := time.Now()
	for i := range s.functions {
		f, h := &s.functions[i], &s.hooked[i]
		one := Result{Func: f.name, Tier: s.tierName, ErrorsKnown: f.known, Cost: s.prices.call(f), Detached: h.detached}
		if f.refused != nil {
			one.Refused = f.refused.Error()
			r.Functions[i] = one
			continue
		}
		until := h.until
		if until.IsZero() {
			until = now
		}
		one.Took = until.Sub(h.from)
		t, err := s.tier.counter().read(i)
		if err != nil {
			return nil, err
		}
		one.Calls, one.Errors, one.Latency = t.calls, t.errors, t.latency
		// While calls go on the parts are not of one moment.
		one.Bad = min(t.bad, t.returned)
		one.Unfinished, one.Lost = t.replaced+open[i], t.lost(open[i])
		r.Functions[i] = one
	}
	return r, nil
}
