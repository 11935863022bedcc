package startup

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// mostShared is up to which share of an interval may be cut off for the rest to
// have its share by time of what was measured of all: more would be a guess.
const mostShared = 0.05

// Cut forgets what happened later than a time after s.Time, because the program
// was ended then: what it did to end is no part of its start. What went on at
// that moment ends there. What it had spent until then, CPU time say, is known as
// long as nearly all of it is left; else it is Unknown, and Unseen says so.
func (s *Start) Cut(at time.Duration) {
	at = max(0, at)
	s.Duration = min(s.Duration, at)
	var unknown []string
	s.Phases = slices.DeleteFunc(s.Phases, func(p Phase) bool {
		// There was no response before it was over.
		return p.Begin > at || p.Name == FirstResponse && p.End() > at
	})
	for i := range s.Phases {
		if p := &s.Phases[i]; p.cut(at) {
			unknown = append(unknown, p.Name)
		}
	}
	s.Packages = slices.DeleteFunc(s.Packages, func(p Package) bool { return p.Begin > at })
	for i := range s.Packages {
		if p := &s.Packages[i]; p.cut(at) {
			unknown = append(unknown, "the init of "+p.Name)
		}
	}
	if len(unknown) == 0 {
		return
	}
	s.Unseen = append(s.Unseen, Unseen{
		What: "what was spent in " + strings.Join(unknown, ", "),
		Why:  fmt.Sprintf("goshawk ended the program %s after exec, and what it did to end cannot be told apart", short(at)),
	})
}

// cut ends an interval that goes on at a time, and reports whether what it had
// spent has become unknown.
func (u *Usage) cut(at time.Duration) (lost bool) {
	u.Calls = slices.DeleteFunc(u.Calls, func(c Call) bool { return c.Begin >= at })
	for i := range u.Calls {
		c := &u.Calls[i]
		c.Duration = min(c.Duration, at-c.Begin)
	}
	slices.SortStableFunc(u.Calls, func(a, b Call) int { return compareCalls(call{Call: a}, call{Call: b}) })
	if u.End() <= at {
		return false
	}
	share := float64(at-u.Begin) / float64(u.Duration)
	if 1-share > mostShared {
		was := u.Unknown
		*u = Usage{Begin: u.Begin, Duration: at - u.Begin, Unknown: true, Calls: u.Calls}
		return !was && u.Duration > 0
	}
	for _, d := range []*time.Duration{&u.CPU, &u.RunDelay, &u.OffCPU, &u.Throttled, &u.SyscallTime, &u.Observed} {
		*d = time.Duration(share * float64(*d))
	}
	for _, n := range []*uint64{&u.Syscalls, &u.MinorFaults, &u.MajorFaults} {
		*n = uint64(share * float64(*n))
	}
	u.Duration = at - u.Begin
	return false
}
