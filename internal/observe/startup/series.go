package startup

import (
	"cmp"
	"slices"
	"time"
)

// series is one phase or package over several runs, with a Usage of each that has
// it.
type series struct {
	name, within string
	runs         []Usage
}

type seriesKey struct{ name, within string }

// collector takes usages of several runs, a run at a time.
type collector struct {
	index  map[seriesKey]int
	all    []series
	filled []int // in how many runs, up to the present one
	run    int
}

func newCollector() *collector { return &collector{index: make(map[seriesKey]int)} }

// add adds a usage to the present run, to the one of the same name if it has it.
func (c *collector) add(name, within string, u *Usage) {
	k := seriesKey{name, within}
	i, ok := c.index[k]
	if !ok {
		i = len(c.all)
		c.index[k] = i
		c.all = append(c.all, series{name: name, within: within})
		c.filled = append(c.filled, -1)
	}
	s := &c.all[i]
	if c.filled[i] != c.run {
		c.filled[i] = c.run
		one := *u
		one.Calls = nil
		s.runs = append(s.runs, one)
		return
	}
	s.runs[len(s.runs)-1].merge(u)
}

// merge adds another interval of the same name. What is between the two does not
// count.
func (sum *Usage) merge(u *Usage) {
	sum.Begin = min(sum.Begin, u.Begin)
	sum.Duration += u.Duration
	sum.Unknown = sum.Unknown || u.Unknown
	sum.CPU += u.CPU
	sum.RunDelay += u.RunDelay
	sum.OffCPU += u.OffCPU
	sum.Throttled += u.Throttled
	sum.SyscallTime += u.SyscallTime
	sum.Syscalls += u.Syscalls
	sum.HasSyscalls = sum.HasSyscalls || u.HasSyscalls
	sum.Observed += u.Observed
	sum.MinorFaults += u.MinorFaults
	sum.MajorFaults += u.MajorFaults
}

// sorted returns the series in the order of their median begin.
func (c *collector) sorted() []series {
	begins := make(map[seriesKey]time.Duration, len(c.all))
	for i := range c.all {
		s := &c.all[i]
		begins[seriesKey{s.name, s.within}] = s.spread(func(u *Usage) time.Duration { return u.Begin }).Median
	}
	slices.SortStableFunc(c.all, func(a, b series) int {
		return cmp.Compare(begins[seriesKey{a.name, a.within}], begins[seriesKey{b.name, b.within}])
	})
	return c.all
}

func phaseSeries(starts []*Start) []series {
	c := newCollector()
	for _, s := range starts {
		for i := range s.Phases {
			c.add(s.Phases[i].Name, s.Phases[i].Within, &s.Phases[i].Usage)
		}
		c.run++
	}
	return c.sorted()
}

func packageSeries(starts []*Start) []series {
	c := newCollector()
	for _, s := range starts {
		for i := range s.Packages {
			c.add(s.Packages[i].Name, "", &s.Packages[i].Usage)
		}
		c.run++
	}
	return c.sorted()
}

// totalName names the way to main.main where phases are named.
const totalName = "total"

// totals is the way to main.main of starts that all reached it.
func totals(starts []*Start) series {
	t := series{name: totalName}
	for _, s := range starts {
		u, _ := s.ToMain()
		t.runs = append(t.runs, u)
	}
	return t
}

// readies is the way to the first listen, of those starts that have one.
func readies(starts []*Start) series {
	r := series{name: FirstListen}
	for _, s := range starts {
		if p := s.Phase(FirstListen); p != nil {
			u, _ := s.between(p.Begin)
			u.Duration = max(0, p.Begin)
			r.runs = append(r.runs, u)
		}
	}
	return r
}

func byClock(u *Usage) time.Duration { return u.Duration }

// each returns one measure of all runs.
func (s *series) each(measure func(*Usage) time.Duration) []time.Duration {
	all := make([]time.Duration, len(s.runs))
	for i := range s.runs {
		all[i] = measure(&s.runs[i])
	}
	return all
}

func (s *series) spread(measure func(*Usage) time.Duration) Spread { return spread(s.each(measure)) }

// usage returns the spreads of all measures.
func (s *series) usage() UsageSpread {
	known := s.without(func(u Usage) bool { return u.Unknown })
	u := UsageSpread{
		Begin:       s.spread(func(u *Usage) time.Duration { return u.Begin }),
		Duration:    s.spread(byClock),
		Own:         s.spread((*Usage).Own),
		CPU:         known.spread(func(u *Usage) time.Duration { return u.CPU }),
		RunDelay:    known.spread(func(u *Usage) time.Duration { return u.RunDelay }),
		OffCPU:      known.spread(func(u *Usage) time.Duration { return u.OffCPU }),
		Throttled:   known.spread(func(u *Usage) time.Duration { return u.Throttled }),
		MinorFaults: known.medianCount(func(u *Usage) uint64 { return u.MinorFaults }),
		MajorFaults: known.medianCount(func(u *Usage) uint64 { return u.MajorFaults }),
	}
	counted := s.without(func(u Usage) bool { return !u.HasSyscalls })
	u.HasSyscalls = len(counted.runs) > 0
	u.SyscallTime = counted.spread(func(u *Usage) time.Duration { return u.SyscallTime })
	u.Syscalls = counted.medianCount(func(u *Usage) uint64 { return u.Syscalls })
	return u
}

// without returns the runs that a function does not choose.
func (s *series) without(drop func(Usage) bool) *series {
	return &series{name: s.name, within: s.within, runs: slices.DeleteFunc(slices.Clone(s.runs), drop)}
}

func (s *series) medianCount(measure func(*Usage) uint64) uint64 {
	all := make([]int64, len(s.runs))
	for i := range s.runs {
		all[i] = int64(min(measure(&s.runs[i]), 1<<62))
	}
	return uint64(medianOf(all))
}
