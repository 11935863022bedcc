package startup

import "time"

// Start is one start of a program, as far as it was seen.
type Start struct {
	// Command are the arguments that the program was started with.
	Command []string
	// Exe is the path of its executable.
	Exe string
	// GoVersion is the toolchain that built it ("go1.26.8"), empty if unknown.
	GoVersion string
	// PID is its process in the root PID namespace.
	PID int32
	// Time is when the kernel had executed the program, the zero of all offsets.
	Time time.Time
	// Duration is how long it was observed from Time on.
	Duration time.Duration
	// Ended says what ended the observation.
	Ended Ended
	// Exit is how the process ended, nil while it runs.
	Exit *Exit
	// Phases are in order of time; those that were not seen are absent.
	Phases []Phase
	// Packages are the inits of packages, in the order in which they ran.
	Packages []Package
	// Children counts the processes that it started meanwhile.
	Children int
	// Threads counts the threads that it started.
	Threads int
	// ProbeCost is what observing cost each package's init besides its system
	// calls, the least that any of them took: it was taken off their Duration and
	// CPU. 0 where there are too few packages to tell.
	ProbeCost time.Duration
	// Lost counts records that did not arrive: what is here may be incomplete.
	Lost uint64
	// Unseen names what could not be seen, each with the reason.
	Unseen []Unseen
	// Facts is what the events do not tell.
	Facts Facts
}

// Ended says what ended the observation of a start.
type Ended string

// What ends an observation.
const (
	EndedMain        Ended = "main"           // main.main runs
	EndedAccept      Ended = "first_accept"   // a client has connected
	EndedListen      Ended = "first_listen"   // the program listens
	EndedResponse    Ended = "first_response" // the program has answered
	EndedExit        Ended = "exit"           // the process ended
	EndedExec        Ended = "exec"           // it executed another program
	EndedTimeout     Ended = "timeout"        // nothing more came for long
	EndedInterrupted Ended = "interrupted"    // whoever asked has stopped it
)

// Exit is how a process ended.
type Exit struct {
	// Code is the exit status, -1 when a signal ended the process.
	Code int
	// Signal is that signal's number, 0 for none.
	Signal int
}

// Usage is what happened between two points in time, on the threads that the
// interval is about: the main one up to main.main, all of them from there on.
type Usage struct {
	// Begin is from Start.Time on; that of kernel_exec is negative.
	Begin    time.Duration
	Duration time.Duration
	// Unknown says that what is below was not measured, system calls aside: it is 0
	// then.
	Unknown bool
	// CPU, RunDelay and OffCPU add up to Duration on one thread: it ran, it was
	// ready and no CPU took it up, it waited. Over several threads they may be
	// more than that.
	CPU, RunDelay, OffCPU time.Duration
	// Throttled is for how long the control group was throttled meanwhile,
	// summed over CPUs, and over the groups above it: it may be more than Duration
	// while the program ran all the time. It is part of RunDelay or OffCPU too.
	Throttled time.Duration
	// Syscalls is how many system calls ended, SyscallTime how long they took.
	// They are only valid when HasSyscalls is set.
	Syscalls    uint64
	SyscallTime time.Duration
	HasSyscalls bool
	// Observed is what it cost to observe these, besides: it was taken off the
	// Duration and CPU of a package, and is in those of a phase.
	Observed time.Duration
	// MinorFaults and MajorFaults are page faults without and with I/O.
	MinorFaults, MajorFaults uint64
	// Calls are the system calls worth naming, the longest first: connects and
	// listens all, of the rest the longest.
	Calls []Call
}

// Own is how long the interval was the program's own doing: Duration without the
// time that the machine was busy with others or had throttled it, and never less
// than what it ran.
//
// Over several threads, which may be ready for longer than the interval lasts,
// the thread that the others wait for is taken to be as the sum of all: of the
// time that it wanted a CPU it had one for the same share.
func (u *Usage) Own() time.Duration {
	cpu, delay := u.onOneThread()
	return max(cpu, u.Duration-max(delay, min(u.Throttled, u.Duration)))
}

// onOneThread returns for how long one thread ran and was ready, of several that
// did both for longer than the interval lasts.
func (u *Usage) onOneThread() (cpu, delay time.Duration) {
	wanted := float64(u.CPU) + float64(u.RunDelay)
	if wanted <= float64(u.Duration) {
		return u.CPU, u.RunDelay
	}
	share := float64(u.CPU) / wanted
	cpu = min(time.Duration(share*float64(u.Duration)), u.Duration)
	return cpu, u.Duration - cpu
}

// The names of phases, in the order in which they come.
const (
	KernelExec    = "kernel_exec"
	Loader        = "loader"
	RuntimeEntry  = "runtime_entry"
	OSInit        = "osinit"
	SchedInit     = "schedinit"
	MallocInit    = "mallocinit"  // within schedinit
	ModulesInit   = "modulesinit" // within schedinit
	GCInit        = "gcinit"      // within schedinit
	ProcResize    = "procresize"  // within schedinit
	RuntimeMain   = "runtime_main"
	Sysmon        = "sysmon" // an instant: its thread runs
	GCEnable      = "gcenable"
	PackageInits  = "package_inits"
	Main          = "main"
	FirstListen   = "first_listen"   // an instant
	FirstAccept   = "first_accept"   // an instant
	FirstResponse = "first_response" // from the first accept to the first byte
)

// Phase is one phase of a start.
type Phase struct {
	Name string
	// Within is the phase that this one is a part of, empty for none.
	Within string
	// Address is what a listen or accept is about ("127.0.0.1:8080"), else empty.
	Address string
	Usage
}

// Package is the init of one package: its variables and its init functions.
type Package struct {
	Name string
	Usage
}

// Call is one system call.
type Call struct {
	// Name is the system call's ("openat").
	Name string
	// Operand is what it was about: a path, an address; empty if unknown.
	Operand  string
	Begin    time.Duration // from Start.Time on
	Duration time.Duration
	// Result is what it returned: a negative errno when it failed.
	Result int64
	// Count is how many calls it stands for, itself included, that had the same
	// name, operand and error and are not told by themselves; 0 means 1.
	Count uint64
}

// Times returns how many calls it stands for, itself included.
func (c *Call) Times() int { return int(max(1, c.Count)) }

// Unseen is something about a start that could not be seen.
type Unseen struct {
	What, Why string
}

// Facts is what is known of a start beyond its events. The zero value means that
// nothing is.
type Facts struct {
	// GoDebug is GODEBUG of the environment, DefaultGoDebug what the program was
	// built with.
	GoDebug, DefaultGoDebug string
	// GoMaxProcs is GOMAXPROCS of the environment, 0 when it is not set.
	GoMaxProcs int
	// GoProxy are the hosts and ports of GOPROXY, for a go command.
	GoProxy []string
	// CPUs is how many CPUs the process may run on, Quota how many its control
	// group may use at most; 0 when unknown or unlimited.
	CPUs  int
	Quota float64
	// Throttles is how often the control group was throttled meanwhile.
	Throttles int
}
