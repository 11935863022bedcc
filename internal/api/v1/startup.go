package v1

import (
	"slices"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// Startup is one start of a program.
type Startup struct {
	Command   []string `json:"command"`
	Exe       string   `json:"exe"`
	GoVersion string   `json:"go_version"`
	PID       int32    `json:"pid"`
	// Time is when the kernel had executed the program: all start_ns count from
	// there.
	Time       Time  `json:"time"`
	DurationNS int64 `json:"duration_ns"`
	// Ended says what ended the observation: "main", "first_listen",
	// "first_accept", "first_response", "exit", "exec", "timeout" or
	// "interrupted".
	Ended string `json:"ended"`
	// ExitCode is null as long as the process ran, and -1 when Signal ended it.
	ExitCode *int `json:"exit_code"`
	Signal   int  `json:"signal,omitempty"`
	// Phases are in order of time; those that were not seen are absent.
	Phases []StartupPhase `json:"phases"`
	// Packages are the inits of packages, in the order in which they ran.
	Packages []StartupPackage `json:"packages"`
	Findings []Finding        `json:"findings"`
	// Children and Threads count what the process started.
	Children int `json:"children"`
	Threads  int `json:"threads"`
	// ProbeCostNS is what observing cost each package besides its system calls; it
	// was taken off.
	ProbeCostNS int64 `json:"probe_cost_ns"`
	// Lost counts records that did not arrive.
	Lost   uint64          `json:"lost"`
	Unseen []StartupUnseen `json:"unseen"`
	Facts  StartupFacts    `json:"facts"`
}

// StartupUsage is what happened between two points in time. What was not measured
// is null.
type StartupUsage struct {
	StartNS    int64  `json:"start_ns"`
	DurationNS int64  `json:"duration_ns"`
	CPUNS      *int64 `json:"cpu_ns"`
	// RunDelayNS is for how long a thread was ready and no CPU took it up.
	RunDelayNS *int64 `json:"run_delay_ns"`
	OffCPUNS   *int64 `json:"off_cpu_ns"`
	// ThrottledNS is for how long the control group was throttled, summed over
	// CPUs; it is part of the two before it, too.
	ThrottledNS *int64 `json:"throttled_ns"`
	// Syscalls, SyscallNS and ObservedNS are absent when system calls were not seen.
	Syscalls  *uint64 `json:"syscalls,omitempty"`
	SyscallNS *int64  `json:"syscall_ns,omitempty"`
	// ObservedNS is what it cost to observe these, besides: taken off a package,
	// and a part of a phase.
	ObservedNS  *int64  `json:"observed_ns,omitempty"`
	MinorFaults *uint64 `json:"minor_faults"`
	MajorFaults *uint64 `json:"major_faults"`
	// SlowestSyscalls are the system calls worth naming, the longest first.
	SlowestSyscalls []StartupCall `json:"slowest_syscalls,omitempty"`
}

// StartupPhase is one phase of a start.
type StartupPhase struct {
	Name string `json:"name"`
	// Within is the phase that this one is a part of.
	Within string `json:"within,omitempty"`
	// Address is what a listen or accept is about.
	Address string `json:"address,omitempty"`
	StartupUsage
}

// StartupPackage is the init of one package.
type StartupPackage struct {
	Name string `json:"name"`
	StartupUsage
}

// StartupCall is one system call.
type StartupCall struct {
	Name       string `json:"name"`
	Operand    string `json:"operand,omitempty"`
	StartNS    int64  `json:"start_ns"`
	DurationNS int64  `json:"duration_ns"`
	// Result is what it returned: a negative errno when it failed.
	Result int64 `json:"result"`
	// Count is how many calls it stands for, itself included, that had the same
	// name, operand and error; absent for one.
	Count uint64 `json:"count,omitempty"`
}

// StartupUnseen is something that could not be seen, and why.
type StartupUnseen struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// StartupFacts are the circumstances of a start; what is not known is absent.
type StartupFacts struct {
	GoDebug        string   `json:"godebug,omitempty"`
	DefaultGoDebug string   `json:"default_godebug,omitempty"`
	GoMaxProcs     int      `json:"gomaxprocs,omitempty"`
	GoProxy        []string `json:"goproxy,omitempty"`
	CPUs           int      `json:"cpus,omitempty"`
	// QuotaCPUs is how many CPUs the control group may use at most.
	QuotaCPUs float64 `json:"quota_cpus,omitempty"`
	// Throttles is how often the control group was throttled.
	Throttles int `json:"throttles,omitempty"`
}

// NewStartup returns the wire form of a start and of what was found in it.
func NewStartup(s *startup.Start, findings []model.Finding) Startup {
	v := Startup{
		Command: texts(s.Command), Exe: text(s.Exe), GoVersion: text(s.GoVersion), PID: s.PID, Time: Time(s.Time),
		DurationNS: int64(s.Duration), Ended: string(s.Ended), Children: s.Children, Threads: s.Threads, Lost: s.Lost, ProbeCostNS: int64(s.ProbeCost),
		Phases: []StartupPhase{}, Packages: []StartupPackage{}, Findings: []Finding{}, Unseen: []StartupUnseen{},
		Facts: StartupFacts{
			GoDebug: text(s.Facts.GoDebug), DefaultGoDebug: text(s.Facts.DefaultGoDebug), GoMaxProcs: s.Facts.GoMaxProcs,
			CPUs: s.Facts.CPUs, QuotaCPUs: s.Facts.Quota, Throttles: s.Facts.Throttles, GoProxy: texts(s.Facts.GoProxy),
		},
	}
	if s.Exit != nil {
		code := s.Exit.Code
		v.ExitCode, v.Signal = &code, s.Exit.Signal
	}
	for i := range s.Phases {
		p := &s.Phases[i]
		v.Phases = append(v.Phases, StartupPhase{Name: text(p.Name), Within: text(p.Within), Address: text(p.Address), StartupUsage: newStartupUsage(&p.Usage)})
	}
	for i := range s.Packages {
		p := &s.Packages[i]
		v.Packages = append(v.Packages, StartupPackage{Name: text(p.Name), StartupUsage: newStartupUsage(&p.Usage)})
	}
	for _, u := range s.Unseen {
		v.Unseen = append(v.Unseen, StartupUnseen{What: text(u.What), Why: text(u.Why)})
	}
	for _, f := range findings {
		v.Findings = append(v.Findings, Finding{Rule: f.Rule, Severity: f.Severity.String(), Evidence: text(f.Evidence), Remedy: text(f.Remedy)})
	}
	return v
}

func newStartupUsage(u *startup.Usage) StartupUsage {
	v := StartupUsage{StartNS: int64(u.Begin), DurationNS: int64(u.Duration)}
	if !u.Unknown {
		v.CPUNS, v.RunDelayNS, v.OffCPUNS, v.ThrottledNS = new(int64(u.CPU)), new(int64(u.RunDelay)), new(int64(u.OffCPU)), new(int64(u.Throttled))
		v.MinorFaults, v.MajorFaults = new(u.MinorFaults), new(u.MajorFaults)
	}
	if u.HasSyscalls {
		v.Syscalls, v.SyscallNS, v.ObservedNS = new(u.Syscalls), new(int64(u.SyscallTime)), new(int64(u.Observed))
	}
	for i := range u.Calls {
		c := &u.Calls[i]
		v.SlowestSyscalls = append(v.SlowestSyscalls, StartupCall{
			Name: text(c.Name), Operand: text(c.Operand), StartNS: int64(c.Begin), DurationNS: int64(c.Duration), Result: c.Result, Count: c.Count,
		})
	}
	return v
}

// texts copies a list as valid UTF-8; nil becomes an empty list.
func texts(list []string) []string {
	copied := make([]string, 0, len(list))
	for _, s := range list {
		copied = append(copied, text(s))
	}
	return copied
}

// Start returns what the wire form holds; its findings are left out, which
// follow from the rest. It shares nothing with v.
func (v *Startup) Start() *startup.Start {
	s := &startup.Start{
		Command: slices.Clone(v.Command), Exe: v.Exe, GoVersion: v.GoVersion, PID: v.PID, Time: time.Time(v.Time), Duration: time.Duration(v.DurationNS),
		Ended: startup.Ended(v.Ended), Children: v.Children, Threads: v.Threads, Lost: v.Lost, ProbeCost: time.Duration(v.ProbeCostNS),
		Facts: startup.Facts{
			GoDebug: v.Facts.GoDebug, DefaultGoDebug: v.Facts.DefaultGoDebug, GoMaxProcs: v.Facts.GoMaxProcs, GoProxy: slices.Clone(v.Facts.GoProxy),
			CPUs: v.Facts.CPUs, Quota: v.Facts.QuotaCPUs, Throttles: v.Facts.Throttles,
		},
	}
	if v.ExitCode != nil {
		s.Exit = &startup.Exit{Code: *v.ExitCode, Signal: v.Signal}
	}
	for i := range v.Phases {
		p := &v.Phases[i]
		s.Phases = append(s.Phases, startup.Phase{Name: p.Name, Within: p.Within, Address: p.Address, Usage: p.usage()})
	}
	for i := range v.Packages {
		p := &v.Packages[i]
		s.Packages = append(s.Packages, startup.Package{Name: p.Name, Usage: p.usage()})
	}
	for _, u := range v.Unseen {
		s.Unseen = append(s.Unseen, startup.Unseen{What: u.What, Why: u.Why})
	}
	return s
}

func (v *StartupUsage) usage() startup.Usage {
	u := startup.Usage{Begin: time.Duration(v.StartNS), Duration: time.Duration(v.DurationNS), Unknown: v.CPUNS == nil || v.RunDelayNS == nil}
	if !u.Unknown {
		u.CPU, u.RunDelay, u.OffCPU, u.Throttled = time.Duration(*v.CPUNS), time.Duration(*v.RunDelayNS), time.Duration(orZero(v.OffCPUNS)), time.Duration(orZero(v.ThrottledNS))
		u.MinorFaults, u.MajorFaults = orZero(v.MinorFaults), orZero(v.MajorFaults)
	}
	if v.Syscalls != nil && v.SyscallNS != nil {
		u.HasSyscalls, u.Syscalls, u.SyscallTime, u.Observed = true, *v.Syscalls, time.Duration(*v.SyscallNS), time.Duration(orZero(v.ObservedNS))
	}
	for _, c := range v.SlowestSyscalls {
		u.Calls = append(u.Calls, startup.Call{Name: c.Name, Operand: c.Operand, Begin: time.Duration(c.StartNS), Duration: time.Duration(c.DurationNS), Result: c.Result})
	}
	return u
}

// orZero returns what was measured, and 0 for what was not.
func orZero[T int64 | uint64](n *T) T {
	if n == nil {
		return 0
	}
	return *n
}
