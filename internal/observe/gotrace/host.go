package gotrace

import (
	"errors"
	"fmt"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace/hostsample"
)

// Host is what was sampled beside a trace: what the host did to the process.
type Host struct {
	hostsample.Summary
	// CPUs is how many the process may use, 0 when not known.
	CPUs int
}

// Interference is what the host did during one wait.
type Interference struct {
	// RunDelay is for how long threads of the process were ready and had no CPU,
	// Throttled for how long a quota stopped it, both in ns, summed over threads and
	// CPUs.
	RunDelay, Throttled int64
}

// errNoTime says that a trace covers no time.
var errNoTime = errors.New("cannot be told to be of a trace with a single event")

// errOtherTime says that samples are not of the time of the trace.
var errOtherTime = errors.New("is of another time than the trace, or of another boot")

// Join adds to a report what was sampled beside the trace. On Linux both have the
// same clock. A recording that does not cover any of the trace is refused, and the
// report is left as it was.
func Join(r *Report, rec hostsample.Recording) error {
	if r.Duration <= 0 {
		return errNoTime
	}
	s := hostsample.Summarise(rec, r.Start, r.Start+r.Duration)
	if s.Samples == 0 || s.ToNS <= s.FromNS {
		return errOtherTime
	}
	r.Host = &Host{Summary: s, CPUs: rec.AllowedCPUs}
	if r.Host.CPUs == 0 {
		r.Host.CPUs = rec.CPUs
	}
	for i := range r.Waits {
		w := &r.Waits[i]
		from := r.Start + w.At
		during := hostsample.Summarise(rec, from, from+w.Duration)
		if during.Samples > 0 {
			w.Host = &Interference{RunDelay: during.RunDelayNS, Throttled: during.ThrottledNS}
		}
	}
	return nil
}

// The thresholds of the rules about the host.
const (
	throttledShare = 0.05
	starvedShare   = 0.30
	starvedLeast   = 0.05
	sysmonLate     = 20 * time.Millisecond
)

// hostRules returns the rules that need samples beside the trace.
func hostRules() []func(*Report) *model.Finding {
	return []func(*Report) *model.Finding{throttled, starved, tooManyPs, lateSysmon}
}

func throttled(r *Report) *model.Finding {
	h := r.Host
	if r.share(h.ThrottledNS) <= throttledShare {
		return nil
	}
	return &model.Finding{Rule: ruleThrottled, Severity: model.SeverityWarn,
		Evidence: fmt.Sprintf("The CPU quota of %.3g CPUs was used up in %d of %d periods: the process was stopped for %s, %.0f %% of the trace.",
			h.QuotaCPUs, h.ThrottledPeriods, h.Periods, duration(h.ThrottledNS), 100*r.share(h.ThrottledNS)),
		Remedy: "Raise the quota, or lower GOMAXPROCS to it, so that the program does not use a period up at its beginning."}
}

func starved(r *Report) *model.Finding {
	h := r.Host
	if h.WaitedShare <= starvedShare || r.share(h.RunDelayNS) <= starvedLeast {
		return nil
	}
	return &model.Finding{Rule: ruleStarved, Severity: model.SeverityWarn,
		Evidence: fmt.Sprintf("Threads were ready and had no CPU for %s: %.0f %% of the time that they wanted one. The machine was %.0f %% busy.",
			duration(h.RunDelayNS), 100*h.WaitedShare, 100*h.BusyShare),
		Remedy: "The machine is busy with something else: move that, or this, away, or give this process a larger weight (cpu.weight)."}
}

func tooManyPs(r *Report) *model.Finding {
	h := r.Host
	most, what := h.CPUs, fmt.Sprintf("%d CPUs", h.CPUs)
	if quota := quotaPs(h.QuotaCPUs); quota > 0 && (most == 0 || quota < most) {
		most, what = quota, fmt.Sprintf("a quota of %.3g CPUs", h.QuotaCPUs)
	}
	if most == 0 || r.Procs.Max <= most {
		return nil
	}
	return &model.Finding{Rule: ruleTooManyPs, Severity: model.SeverityWarn,
		Evidence: fmt.Sprintf("GOMAXPROCS is %d, with %s: goroutines leave the run queue sooner, and their threads wait in the kernel's, which the trace does not show.", r.Procs.Max, what),
		Remedy:   "Leave GOMAXPROCS unset with Go 1.25 and newer, or set it to what the process may use."}
}

// quotaPs is how many Ps Go 1.25 takes for a quota: as many as it is rounded up, and
// two at least.
func quotaPs(quota float64) int {
	if quota <= 0 {
		return 0
	}
	ps := int(quota)
	if float64(ps) < quota {
		ps++
	}
	return max(ps, 2)
}

func lateSysmon(r *Report) *model.Finding {
	s := r.Host.Sysmon
	if s.TID == 0 || s.MaxNS <= int64(sysmonLate) {
		return nil
	}
	return &model.Finding{Rule: ruleSysmon, Severity: model.SeverityWarn,
		Evidence: fmt.Sprintf("The thread of sysmon was ready and had no CPU for up to %s (p99 %s): meanwhile nothing preempts goroutines or takes Ps back from system calls.",
			duration(s.MaxNS), duration(s.P99NS)),
		Remedy: "It has the priority of the other threads: the machine, or the quota, is too small for what runs."}
}
