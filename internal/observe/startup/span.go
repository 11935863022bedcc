package startup

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// End is when the interval was over, from Start.Time on.
func (u *Usage) End() time.Duration { return u.Begin + u.Duration }

// Phase returns the first phase of that name, nil when it was not seen.
func (s *Start) Phase(name string) *Phase {
	if i := slices.IndexFunc(s.Phases, func(p Phase) bool { return p.Name == name }); i >= 0 {
		return &s.Phases[i]
	}
	return nil
}

// ToMain is what happened from exec to main.main, on the one thread that a
// program has until then. When main.main was not reached it is what was seen of
// the way, and reached is false. A start of whose way nothing was seen, because
// the observation began later, has a zero Duration.
func (s *Start) ToMain() (u Usage, reached bool) {
	if main := s.Phase(Main); main != nil {
		u, until := s.between(main.Begin)
		if until == 0 {
			return Usage{}, false
		}
		u.Duration = main.Begin
		return u, true
	}
	u, until := s.between(math.MaxInt64)
	u.Duration = until
	return u, false
}

// between adds up what happened from exec until a point in time, and returns up
// to when something was seen. Intervals may lie within others; each moment counts
// once, with what the outermost says.
func (s *Start) between(until time.Duration) (sum Usage, seen time.Duration) {
	var all []*Usage
	for i := range s.Phases {
		if p := &s.Phases[i]; p.Within == "" && p.Name != FirstResponse {
			all = append(all, &p.Usage)
		}
	}
	for i := range s.Packages {
		all = append(all, &s.Packages[i].Usage)
	}
	slices.SortStableFunc(all, func(a, b *Usage) int {
		return cmp.Or(cmp.Compare(a.Begin, b.Begin), cmp.Compare(b.Duration, a.Duration))
	})
	for _, u := range all {
		from, to := max(u.Begin, seen), min(u.End(), until)
		if to > from {
			seen = to
			sum.add(u, float64(to-from)/float64(u.Duration))
		}
	}
	return sum, seen
}

// add adds a share of u, as of one thread: see [Usage.Own].
func (sum *Usage) add(u *Usage, share float64) {
	part := func(d time.Duration) time.Duration {
		if share == 1 {
			return d
		}
		return time.Duration(float64(d) * share)
	}
	cpu, delay := u.onOneThread()
	sum.Duration += part(u.Duration)
	sum.CPU += part(cpu)
	sum.RunDelay += part(delay)
	sum.OffCPU += part(u.OffCPU)
	sum.Throttled += part(min(u.Throttled, u.Duration))
	sum.SyscallTime += part(u.SyscallTime)
	sum.Observed += part(u.Observed)
	sum.Syscalls += u.Syscalls
	sum.HasSyscalls = sum.HasSyscalls || u.HasSyscalls
	sum.MinorFaults += u.MinorFaults
	sum.MajorFaults += u.MajorFaults
}

// shares says which share of an interval on one thread it was ready and not
// running, and which it was throttled: not while it ran, however long others of
// its control group were. Of a throttled thread the scheduler says that it is
// ready: that is no starvation.
func (u *Usage) shares() (starved, throttled float64) {
	if u.Duration <= 0 {
		return 0, 0
	}
	whole := float64(u.Duration)
	delay := min(u.RunDelay, u.Duration)
	return float64(max(0, delay-min(u.Throttled, u.Duration))) / whole, float64(u.held()) / whole
}

// held returns for how long a thread was throttled, at most.
func (u *Usage) held() time.Duration {
	cpu, _ := u.onOneThread()
	return min(u.Throttled, u.Duration-cpu)
}

// contention says which share of the time that a thread wanted to run it did not,
// throttling aside. Unlike a share of all time it does not become smaller where a
// program waits for longer.
func (u *Usage) contention() float64 {
	delay := max(0, min(u.RunDelay, u.Duration)-min(u.Throttled, u.Duration))
	if delay+u.CPU <= 0 {
		return 0
	}
	return float64(delay) / float64(delay+u.CPU)
}
