package v1

import (
	"cmp"
	"slices"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// StartupRuns is several starts of one program.
type StartupRuns struct {
	Runs    []Startup      `json:"runs"`
	Summary StartupSummary `json:"summary"`
}

// StartupSpread is how a duration was distributed over several runs.
type StartupSpread struct {
	MinNS    int64 `json:"min_ns"`
	MedianNS int64 `json:"median_ns"`
	MaxNS    int64 `json:"max_ns"`
	// MADNS is the median absolute deviation from the median.
	MADNS int64 `json:"mad_ns"`
	Runs  int   `json:"runs"`
}

// StartupSummary takes several starts together.
type StartupSummary struct {
	Command   []string `json:"command"`
	Exe       string   `json:"exe"`
	GoVersion string   `json:"go_version"`
	Runs      int      `json:"runs"`
	// Unfinished runs did not reach main.main, Incomplete ones lost records:
	// neither are in the spreads.
	Unfinished int `json:"unfinished"`
	Incomplete int `json:"incomplete"`
	// Total is the time from exec to main.main, Own the same without run delay
	// and throttling, Ready the time to the first listen.
	Total          StartupSpread        `json:"total"`
	Own            StartupSpread        `json:"own"`
	Ready          *StartupSpread       `json:"ready,omitempty"`
	Phases         []StartupUsageSpread `json:"phases"`
	Packages       []StartupUsageSpread `json:"packages"`
	RunDelayShare  []float64            `json:"run_delay_share"`
	ThrottledShare []float64            `json:"throttled_share"`
	Notes          []string             `json:"notes"`
}

// StartupUsageSpread is a phase or a package over several runs.
type StartupUsageSpread struct {
	Name      string        `json:"name"`
	Within    string        `json:"within,omitempty"`
	Start     StartupSpread `json:"start"`
	Duration  StartupSpread `json:"duration"`
	Own       StartupSpread `json:"own"`
	CPU       StartupSpread `json:"cpu"`
	RunDelay  StartupSpread `json:"run_delay"`
	OffCPU    StartupSpread `json:"off_cpu"`
	Throttled StartupSpread `json:"throttled"`
	// SyscallTime and Syscalls are absent when system calls were not seen.
	SyscallTime *StartupSpread `json:"syscall_time,omitempty"`
	Syscalls    *uint64        `json:"syscalls,omitempty"`
	MinorFaults uint64         `json:"minor_faults"`
	MajorFaults uint64         `json:"major_faults"`
}

// NewStartupSummary returns the wire form of a summary.
func NewStartupSummary(s *startup.Summary) StartupSummary {
	v := StartupSummary{
		Command: texts(s.Command), Exe: text(s.Exe), GoVersion: text(s.GoVersion), Runs: s.Runs, Unfinished: s.Unfinished, Incomplete: s.Incomplete,
		Total: newSpread(s.Total), Own: newSpread(s.Own), Phases: []StartupUsageSpread{}, Packages: []StartupUsageSpread{},
		RunDelayShare: append([]float64{}, s.RunDelayShare...), ThrottledShare: append([]float64{}, s.ThrottledShare...), Notes: texts(s.Notes),
	}
	if s.Ready.N > 0 {
		ready := newSpread(s.Ready)
		v.Ready = &ready
	}
	for i := range s.Phases {
		p := &s.Phases[i]
		v.Phases = append(v.Phases, newUsageSpread(p.Name, p.Within, &p.UsageSpread))
	}
	v.Packages = newPackageSpreads(s.Packages)
	return v
}

func newPackageSpreads(packages []startup.PackageSpread) []StartupUsageSpread {
	list := []StartupUsageSpread{}
	for i := range packages {
		list = append(list, newUsageSpread(packages[i].Name, "", &packages[i].UsageSpread))
	}
	return list
}

func newSpread(s startup.Spread) StartupSpread {
	return StartupSpread{MinNS: int64(s.Min), MedianNS: int64(s.Median), MaxNS: int64(s.Max), MADNS: int64(s.MAD), Runs: s.N}
}

func newUsageSpread(name, within string, s *startup.UsageSpread) StartupUsageSpread {
	v := StartupUsageSpread{
		Name: text(name), Within: text(within), Start: newSpread(s.Begin), Duration: newSpread(s.Duration), Own: newSpread(s.Own),
		CPU: newSpread(s.CPU), RunDelay: newSpread(s.RunDelay), OffCPU: newSpread(s.OffCPU), Throttled: newSpread(s.Throttled),
		MinorFaults: s.MinorFaults, MajorFaults: s.MajorFaults,
	}
	if s.HasSyscalls {
		took, n := newSpread(s.SyscallTime), s.Syscalls
		v.SyscallTime, v.Syscalls = &took, &n
	}
	return v
}

// StartupDiff is what has changed between two sets of starts.
type StartupDiff struct {
	// Verdict is "same", "worse", "better" or "no_verdict", and Reason says why.
	Verdict string      `json:"verdict"`
	Reason  string      `json:"reason"`
	Old     StartupSide `json:"old"`
	New     StartupSide `json:"new"`
	// Total is the time from exec to main.main.
	Total    StartupDelta         `json:"total"`
	Phases   []StartupDelta       `json:"phases"`
	Packages []StartupDelta       `json:"packages"`
	Added    []StartupUsageSpread `json:"added"`
	Vanished []StartupUsageSpread `json:"vanished"`
	// Shift is the median of how many times as long packages take, 0 when too
	// few are long enough to tell.
	Shift float64 `json:"shift"`
	// Machine is the part of Shift that is the machine's: phases that are no doing of
	// the program have it too.
	Machine float64  `json:"machine"`
	Notes   []string `json:"notes"`
}

// StartupSide is one of two sets of starts.
type StartupSide struct {
	// File is where they were read from.
	File      string   `json:"file"`
	Command   []string `json:"command"`
	GoVersion string   `json:"go_version"`
	Runs      int      `json:"runs"`
	// Left is how many runs were not compared.
	Left          int     `json:"left"`
	RunDelayShare float64 `json:"run_delay_share"`
	// Throttled is how many runs were.
	Throttled int `json:"throttled"`
}

// StartupDelta is how a phase, a package or the whole has changed, in the time
// that was its own: without run delay and throttling.
type StartupDelta struct {
	Name   string        `json:"name"`
	Within string        `json:"within,omitempty"`
	Old    StartupSpread `json:"old"`
	New    StartupSpread `json:"new"`
	// ChangeNS is between the medians, MinChangeNS between the minima.
	ChangeNS    int64   `json:"change_ns"`
	MinChangeNS int64   `json:"min_change_ns"`
	P           float64 `json:"p"`
	Significant bool    `json:"significant"`
	// Weighs says that the verdict depends on it.
	Weighs bool `json:"weighs"`
}

// NewStartupDiff returns the wire form of a comparison of what was read from two
// files.
func NewStartupDiff(oldFile, newFile string, c *startup.Comparison) StartupDiff {
	v := StartupDiff{
		Verdict: string(c.Verdict), Reason: text(c.Reason), Old: newSide(oldFile, &c.Old), New: newSide(newFile, &c.New), Total: newDelta(&c.Total),
		Phases: []StartupDelta{}, Packages: []StartupDelta{}, Added: newPackageSpreads(c.Added), Vanished: newPackageSpreads(c.Vanished),
		Shift: c.Shift, Machine: c.Machine, Notes: texts(c.Notes),
	}
	for i := range c.Phases {
		v.Phases = append(v.Phases, newDelta(&c.Phases[i]))
	}
	for i := range c.Packages {
		v.Packages = append(v.Packages, newDelta(&c.Packages[i]))
	}
	return v
}

func newSide(file string, s *startup.Side) StartupSide {
	return StartupSide{File: text(file), Command: texts(s.Command), GoVersion: text(s.GoVersion), Runs: s.Runs, Left: s.Left, RunDelayShare: s.RunDelayShare, Throttled: s.Throttled}
}

func newDelta(d *startup.Delta) StartupDelta {
	return StartupDelta{
		Name: text(d.Name), Within: text(d.Within), Old: newSpread(d.Old), New: newSpread(d.New), ChangeNS: int64(d.Change), MinChangeNS: int64(d.MinChange),
		P: d.P, Significant: d.Significant, Weighs: d.Weighs,
	}
}

// Change returns ChangeNS as a duration.
func (d *StartupDelta) Change() time.Duration { return time.Duration(d.ChangeNS) }

// Middle returns the run whose time to main.main is the median, of those that
// got there when any did; of an even number the quicker one. There must be a run.
func (v *StartupRuns) Middle() *Startup {
	type timed struct {
		run *Startup
		ns  int64
	}
	var there, all []timed
	for i := range v.Runs {
		run := &v.Runs[i]
		all = append(all, timed{run, run.DurationNS})
		if p := run.Phase(startup.Main); p != nil {
			there = append(there, timed{run, p.StartNS})
		}
	}
	if len(there) == 0 {
		there = all
	}
	slices.SortStableFunc(there, func(a, b timed) int { return cmp.Compare(a.ns, b.ns) })
	return there[(len(there)-1)/2].run
}
