package v1

// TraceRecord is what trace record --json prints.
type TraceRecord struct {
	File string `json:"file"`
	URL  string `json:"url"`
	// PID is the process, 0 when it is not of this host or not known.
	PID   int32 `json:"pid,omitempty"`
	Bytes int64 `json:"size_bytes"`
	// Seconds is for how long the endpoint was asked to trace; DurationNS is from the
	// request to the last byte.
	Seconds    float64 `json:"seconds"`
	DurationNS int64   `json:"duration_ns"`
	// GoVersion is as the head of the trace has it, without the last number.
	GoVersion string `json:"go_version,omitempty"`
	// Complete says that all of the trace was received, Cut why not.
	Complete bool   `json:"complete"`
	Cut      string `json:"cut,omitempty"`
	Note     string `json:"note,omitempty"`
	// Host is what was sampled of the host, nil for nothing.
	Host    *TraceRecordHost `json:"host,omitempty"`
	NotSeen []string         `json:"not_seen,omitempty"`
}

// TraceRecordHost sums up the samples of the host.
type TraceRecordHost struct {
	File     string `json:"file"`
	Samples  int    `json:"samples"`
	Missed   int64  `json:"missed"`
	OwnCPUNS int64  `json:"own_cpu_ns"`
	// Ended says that the process ended meanwhile.
	Ended bool `json:"process_ended,omitempty"`

	// CPUNS is for how long the threads ran in DurationNS, RunDelayNS for how long they
	// were ready and had no CPU; WaitedShare is RunDelayNS / (CPUNS + RunDelayNS).
	DurationNS          int64   `json:"duration_ns"`
	CPUNS               int64   `json:"cpu_ns"`
	RunDelayNS          int64   `json:"run_delay_ns"`
	RunDelayPerSecondNS int64   `json:"run_delay_per_second_ns"`
	WaitedShare         float64 `json:"waited_share"`
	// QuotaCPUs is the smallest quota, absent for none; Periods are those of all, in
	// ThrottledPeriods the process was stopped, for ThrottledNS summed over CPUs.
	QuotaCPUs        float64 `json:"quota_cpus,omitempty"`
	Periods          int64   `json:"periods"`
	ThrottledPeriods int64   `json:"throttled_periods"`
	ThrottledNS      int64   `json:"throttled_ns"`
	// CPUs are the machine's; the shares are of their time.
	CPUs       int     `json:"cpus"`
	BusyShare  float64 `json:"busy_share"`
	StealShare float64 `json:"steal_share"`
	Load1      float64 `json:"load1"`
	MaxRunning int     `json:"max_running"`
	// SysmonTID is the thread of runtime.sysmon, absent when it was not found: the
	// others say how long it was ready and had no CPU.
	SysmonTID       int32 `json:"sysmon_tid,omitempty"`
	SysmonLateP99NS int64 `json:"sysmon_late_p99_ns,omitempty"`
	SysmonLateMaxNS int64 `json:"sysmon_late_max_ns,omitempty"`
}
