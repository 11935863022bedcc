package startup

// The keys of the startup probe's fields, from which [Read] makes a [Start]. All
// events of one start have one trace id; that of the start itself is the parent
// of its phases and packages, and these are the parents of their system calls.
const (
	// KeyKind is what the event is about: one of the kinds below.
	KeyKind = "goshawk.startup.kind"
	// KeyName names it: the phase, the package, the system call; for a start the
	// executable's base name.
	KeyName = "goshawk.startup.name"
	// KeyWithin is the phase that a phase is a part of.
	KeyWithin = "goshawk.startup.within"
	// KeyBegin is when it began, after exec (a duration; may be negative).
	KeyBegin = "goshawk.startup.begin_ns"

	KeyCPU         = "goshawk.cpu_ns"
	KeyRunDelay    = "goshawk.run_delay_ns"
	KeyOffCPU      = "goshawk.off_cpu_ns"
	KeyThrottled   = "goshawk.throttled_ns"
	KeySyscalls    = "goshawk.syscalls"
	KeySyscallTime = "goshawk.syscall_ns"
	// KeyObserved is what it cost to observe the system calls.
	KeyObserved    = "goshawk.startup.observed_ns"
	KeyMinorFaults = "goshawk.minor_faults"
	KeyMajorFaults = "goshawk.major_faults"

	// KeyOperand and KeyResult are of a system call; KeyAddress is what a
	// first_listen or first_accept is about.
	KeyOperand = "goshawk.startup.operand"
	KeyResult  = "goshawk.startup.result"
	// KeyCallCount is of a system call: how many like it, with the same name,
	// operand and error, the event stands for; unset for one.
	KeyCallCount = "goshawk.startup.call.count"
	KeyAddress   = "goshawk.startup.address"

	// The rest is of the start itself.
	KeyExe       = "process.executable.path"
	KeyArgs      = "process.command_args"
	KeyGoVersion = "process.runtime.version"
	KeyPID       = "process.pid"
	KeyEnded     = "goshawk.startup.ended"
	KeyExitCode  = "process.exit.code"
	KeySignal    = "goshawk.startup.signal"
	KeyChildren  = "goshawk.startup.children"
	KeyThreads   = "goshawk.startup.threads"
	KeyLost      = "goshawk.startup.lost"
	// KeyUnseen lists what could not be seen, as "what: why".
	KeyUnseen         = "goshawk.startup.unseen"
	KeyGoDebug        = "goshawk.startup.godebug"
	KeyDefaultGoDebug = "goshawk.startup.default_godebug"
	KeyGoMaxProcs     = "goshawk.startup.gomaxprocs"
	KeyGoProxy        = "goshawk.startup.goproxy"
	KeyCPUs           = "goshawk.startup.cpus"
	// KeyQuota is in thousandths of a CPU.
	KeyQuota     = "goshawk.startup.quota_millicpus"
	KeyThrottles = "goshawk.startup.throttles"
)

// The kinds of event.
const (
	KindStart   = "start"
	KindPhase   = "phase"
	KindPackage = "package"
	KindSyscall = "syscall"
	// KindMark is an instant that the probe passes on at once to whoever asked for
	// one start, and that is no part of it: a [Reader] ignores it. There is one,
	// with the name [Main], when main.main is entered.
	KindMark = "mark"
)
