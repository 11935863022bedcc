package evaluate

import (
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

// longestSilence is after how long without a tick it is not known what happened:
// the agent, or the host, has slept, or the clock was set.
const longestSilence = time.Minute

// slice is the slice of time that is going on. Slices begin at multiples of their
// width since 1970.
type slice struct {
	width  time.Duration
	target float64
	end    time.Time
	ticked time.Time
	counts sli.Counts
	// partial marks one whose begin was not seen.
	partial bool
}

// tick returns the slices that are over by now: good when the share of good events
// is the target at least, or there were none. A slice that was not seen as a whole
// is none, nor are those while nobody ticked.
func (s *slice) tick(now time.Time) sli.Counts {
	// Without its monotonic part: slices are of the wall clock.
	now = now.Round(0)
	silence := now.Sub(s.ticked)
	s.ticked = now
	switch {
	case s.end.IsZero() || silence > max(longestSilence, s.width) || now.Before(s.end.Add(-s.width)):
		s.begin(now)
		s.partial = !s.end.Add(-s.width).Equal(now)
		return sli.Counts{}
	case now.Before(s.end):
		return sli.Counts{}
	}
	var over sli.Counts
	if !s.partial {
		over = over.Plus(s.judge())
	}
	// Those that began and ended since had no events.
	over.Good += uint64(now.Sub(s.end) / s.width)
	s.begin(now)
	return over
}

func (s *slice) begin(now time.Time) {
	s.end = now.Truncate(s.width).Add(s.width)
	s.counts, s.partial = sli.Counts{}, false
}

func (s *slice) judge() sli.Counts {
	if (sli.TimeSlices{Target: s.target, EmptyIsGood: true}).Good(s.counts) {
		return sli.Counts{Good: 1}
	}
	return sli.Counts{Bad: 1}
}
