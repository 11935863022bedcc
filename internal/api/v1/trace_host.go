package v1

import (
	"github.com/goshawk-io/goshawk/internal/observe/gotrace"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace/hostsample"
)

// TraceHost is what was sampled beside a trace: what the host did to the process.
type TraceHost struct {
	// CPUNS is for how long threads ran, RunDelayNS for how long they were ready and
	// had no CPU; WaitedRatio is the latter's part of both.
	CPUNS       int64   `json:"cpu_ns"`
	RunDelayNS  int64   `json:"run_delay_ns"`
	WaitedRatio float64 `json:"waited_ratio"`
	// ThrottledNS is for how long quotas stopped the process, summed over CPUs.
	ThrottledNS      int64   `json:"throttled_ns"`
	Periods          int64   `json:"periods"`
	ThrottledPeriods int64   `json:"throttled_periods"`
	QuotaCPUs        float64 `json:"quota_cpus,omitempty"`
	CPUs             int     `json:"cpus"`
	// BusyRatio and StealRatio are of the machine's CPU time.
	BusyRatio  float64 `json:"busy_ratio"`
	StealRatio float64 `json:"steal_ratio"`
	Load1      float64 `json:"load1"`
	// SysmonFound says that the thread of sysmon was found; the other two are how late
	// it was, as bounds from above.
	SysmonFound bool  `json:"sysmon_found"`
	SysmonP99NS int64 `json:"sysmon_p99_ns"`
	SysmonMaxNS int64 `json:"sysmon_max_ns"`
	// Worst are the parts of the trace in which the process was held up most, in
	// order of time.
	Worst       []TraceHeldUp `json:"worst"`
	MissedRatio float64       `json:"missed_ratio"`
	NotSeen     []string      `json:"not_seen"`
}

// TraceHeldUp is a part of a trace in which the process was held up.
type TraceHeldUp struct {
	AtNS        int64 `json:"at_ns"`
	DurationNS  int64 `json:"duration_ns"`
	RunDelayNS  int64 `json:"run_delay_ns"`
	ThrottledNS int64 `json:"throttled_ns"`
}

// newTraceHost returns the wire form, nil for nothing. start is the trace's on the
// clock of the samples.
func newTraceHost(h *gotrace.Host, start int64) *TraceHost {
	if h == nil {
		return nil
	}
	return &TraceHost{
		CPUNS: h.CPUNS, RunDelayNS: h.RunDelayNS, WaitedRatio: h.WaitedShare, ThrottledNS: h.ThrottledNS,
		Periods: h.Periods, ThrottledPeriods: h.ThrottledPeriods, QuotaCPUs: h.QuotaCPUs, CPUs: h.CPUs,
		BusyRatio: h.BusyShare, StealRatio: h.StealShare, Load1: h.Load1,
		SysmonFound: h.Sysmon.TID != 0, SysmonP99NS: h.Sysmon.P99NS, SysmonMaxNS: h.Sysmon.MaxNS,
		Worst: traceList(h.Worst, 0, func(i hostsample.Interval) TraceHeldUp {
			return TraceHeldUp{AtNS: i.FromNS - start, DurationNS: i.ToNS - i.FromNS, RunDelayNS: i.RunDelayNS, ThrottledNS: i.ThrottledNS}
		}),
		MissedRatio: h.MissedShare, NotSeen: texts(h.NotSeen),
	}
}

// host returns what a comparison needs.
func (h *TraceHost) host() *gotrace.Host {
	if h == nil {
		return nil
	}
	return &gotrace.Host{CPUs: h.CPUs, Summary: hostsample.Summary{
		CPUNS: h.CPUNS, RunDelayNS: h.RunDelayNS, WaitedShare: h.WaitedRatio, ThrottledNS: h.ThrottledNS}}
}
