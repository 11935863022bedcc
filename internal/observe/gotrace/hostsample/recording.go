package hostsample

import "time"

// FormatVersion is the version of the files that this package writes.
const FormatVersion = 1

// Header is the first line of a file.
type Header struct {
	Version int   `json:"goshawk_host"`
	PID     int32 `json:"pid"`
	// ProcessStart is when the process was forked, in ticks of 1/100 s of the boot
	// clock, as /proc/PID/stat has it: with PID it names the process for good.
	ProcessStart uint64 `json:"process_start_ticks"`
	Command      string `json:"command,omitempty"`
	Hostname     string `json:"hostname,omitempty"`
	// BootID is that of the kernel: CLOCK_MONOTONIC begins again with another one.
	BootID string `json:"boot_id,omitempty"`
	// Goshawk is the version of the program that wrote the file.
	Goshawk string `json:"goshawk_version,omitempty"`
	// StartTime and StartNS are one moment, of the wall clock and of the clock that
	// all samples are of. Deltas of the first sample begin there.
	StartTime  time.Time `json:"start_time"`
	StartNS    int64     `json:"start_ns"`
	IntervalNS int64     `json:"interval_ns"`
	// CPUs is how many the machine has online, AllowedCPUs how many of them the
	// process may use, 0 when not known.
	CPUs        int `json:"cpus"`
	AllowedCPUs int `json:"allowed_cpus,omitempty"`
	// GOMAXPROCS is the variable of the process's environment, 0 when it has none or
	// that cannot be read.
	GOMAXPROCS int `json:"gomaxprocs,omitempty"`
	// Groups are the control groups with a quota that the process is in, innermost
	// first.
	Groups []Group `json:"groups,omitempty"`
	// NotSeen says what is not recorded, and why.
	NotSeen []string `json:"not_seen,omitempty"`
}

// Group is a control group with a CPU quota.
type Group struct {
	Path     string `json:"path"`
	QuotaNS  int64  `json:"quota_ns"`
	PeriodNS int64  `json:"period_ns"`
}

// QuotaCPUs returns the smallest quota in CPUs, 0 when there is none.
func (h *Header) QuotaCPUs() float64 {
	least := 0.0
	for _, g := range h.Groups {
		if cpus := float64(g.QuotaNS) / float64(max(g.PeriodNS, 1)); least == 0 || cpus < least {
			least = cpus
		}
	}
	return least
}

// Sample is a line of a file: what happened since the line before. Times but TimeNS
// are durations, sums over threads and CPUs.
type Sample struct {
	// TimeNS is when it was taken, CLOCK_MONOTONIC.
	TimeNS int64 `json:"t_ns"`
	// CPUNS is for how long the threads ran; RunDelayNS how long those were ready
	// and had no CPU that got one since; Slices how often a thread got one.
	CPUNS      int64 `json:"cpu_ns,omitempty"`
	RunDelayNS int64 `json:"run_delay_ns,omitempty"`
	Slices     int64 `json:"slices,omitempty"`
	// Periods of quotas that ended, those of them in which the process's groups were
	// stopped, and for how long, summed over CPUs and groups.
	Periods          int64 `json:"periods,omitempty"`
	ThrottledPeriods int64 `json:"throttled_periods,omitempty"`
	ThrottledNS      int64 `json:"throttled_ns,omitempty"`
	// Machine is there every tenth sample.
	Machine *Machine `json:"machine,omitempty"`
	// Threads are those that ran or waited, by id; the first 256 of them.
	Threads []Thread `json:"threads,omitempty"`
}

// Thread is what one thread did in a sample.
type Thread struct {
	TID        int32 `json:"tid"`
	CPUNS      int64 `json:"cpu_ns,omitempty"`
	RunDelayNS int64 `json:"run_delay_ns,omitempty"`
	Slices     int64 `json:"slices,omitempty"`
}

// Machine is what the machine did since the sample before that had one. Its times
// are counted in ticks of 10 ms and summed over CPUs.
type Machine struct {
	BusyNS  int64 `json:"busy_ns"`
	IdleNS  int64 `json:"idle_ns"`
	StealNS int64 `json:"steal_ns,omitempty"`
	// Running is how many threads ran or were ready at the moment of the sample,
	// that of goshawk included. Load1 is the load of the last minute.
	Running int     `json:"running"`
	Load1   float64 `json:"load1"`
}

// Footer is the last line of a file that is whole.
type Footer struct {
	EndNS int64 `json:"end_ns"`
	// Samples is how many there are; Missed how many more were due and came too late.
	Samples int64 `json:"samples"`
	Missed  int64 `json:"missed"`
	// OwnCPUNS is the CPU time that the sampling took, and the writing.
	OwnCPUNS int64 `json:"own_cpu_ns"`
	// SysmonTID is the thread of runtime.sysmon, 0 when it was not found.
	SysmonTID int32 `json:"sysmon_tid,omitempty"`
	// ThreadsLeftOut is how many threads more the process had than are sampled.
	ThreadsLeftOut int `json:"threads_left_out,omitempty"`
	// Ended says that the process ended before the recording.
	Ended   bool     `json:"process_ended,omitempty"`
	NotSeen []string `json:"not_seen,omitempty"`
}

// Recording is what a file says.
type Recording struct {
	Header
	// Samples are in the order of time. Beyond 32768 of them neighbours are merged.
	Samples []Sample
	// Footer is nil when the file is cut.
	Footer *Footer
}
