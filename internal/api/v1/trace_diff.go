package v1

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/goshawk-io/goshawk/internal/observe/gotrace"
)

// MaxTraceBytes is how long the document of a trace's report may be.
const MaxTraceBytes = 64 << 20

// TraceDiff is what has changed from one trace to another.
type TraceDiff struct {
	// Verdict is "same", "worse", "better" or "no_verdict"; Reason says why.
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	// ThresholdRatio is by which part a median had to differ.
	ThresholdRatio float64      `json:"threshold_ratio"`
	Old            TraceSide    `json:"old"`
	New            TraceSide    `json:"new"`
	Deltas         []TraceDelta `json:"deltas"`
	Notes          []string     `json:"notes"`
}

// TraceSide is one of two traces. Ratios are parts of its time.
type TraceSide struct {
	File           string  `json:"file"`
	GoVersion      string  `json:"go_version"`
	DurationNS     int64   `json:"duration_ns"`
	Events         uint64  `json:"events"`
	Complete       bool    `json:"complete"`
	StallRatio     float64 `json:"stall_ratio"`
	SaturatedRatio float64 `json:"saturated_ratio"`
	// RunDelayRatio and ThrottledRatio are null where nothing was sampled beside the
	// trace.
	RunDelayRatio  *float64 `json:"run_delay_ratio"`
	ThrottledRatio *float64 `json:"throttled_ratio"`
}

// TraceDelta is how one quantity has changed.
type TraceDelta struct {
	// Kind is "class", "function", "stw" or "gc_assist".
	Kind  string     `json:"kind"`
	Name  string     `json:"name"`
	Class string     `json:"class,omitempty"`
	Old   TraceStats `json:"old"`
	New   TraceStats `json:"new"`
	// OldRatio and NewRatio are parts of the trace's time, of all waiting for
	// functions, of running time for gc_assist.
	OldRatio float64 `json:"old_ratio"`
	NewRatio float64 `json:"new_ratio"`
	// Verdict is "no_verdict" with fewer than 200 samples on a side.
	Verdict string `json:"verdict"`
	// Weighs says that the verdict of the whole depends on it.
	Weighs bool `json:"weighs"`
}

// NewTraceDiff returns the wire form of a comparison.
func NewTraceDiff(oldFile, newFile string, threshold float64, c *gotrace.Comparison) TraceDiff {
	return TraceDiff{
		Verdict: string(c.Verdict), Reason: text(c.Reason), ThresholdRatio: threshold,
		Old: traceSide(oldFile, c.Old), New: traceSide(newFile, c.New),
		Deltas: traceList(c.Deltas, 0, traceDelta), Notes: texts(c.Notes),
	}
}

func traceSide(file string, s gotrace.Side) TraceSide {
	v := TraceSide{File: text(file), GoVersion: goVersion(s.Format), DurationNS: s.Duration, Events: s.Events, Complete: s.Complete,
		StallRatio: s.Stall, SaturatedRatio: s.Saturated}
	if s.RunDelay >= 0 {
		v.RunDelayRatio, v.ThrottledRatio = new(s.RunDelay), new(s.Throttled)
	}
	return v
}

func traceDelta(d gotrace.Delta) TraceDelta {
	return TraceDelta{Kind: d.Kind, Name: text(d.Name), Class: d.Class, Old: traceStats(d.Old), New: traceStats(d.New),
		OldRatio: d.OldShare, NewRatio: d.NewShare, Verdict: string(d.Verdict), Weighs: d.Weighs}
}

func goVersion(format int) string { return fmt.Sprintf("go1.%d", format) }

// ReadTrace reads what `goshawk trace report --json` printed, as far as a comparison
// needs it.
func ReadTrace(r io.Reader) (*gotrace.Report, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxTraceBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxTraceBytes {
		return nil, fmt.Errorf("is longer than %d MiB", MaxTraceBytes>>20)
	}
	var v Trace
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, notJSON(err)
	}
	minor, ok := strings.CutPrefix(v.GoVersion, "go1.")
	format, err := strconv.Atoi(minor)
	if !ok || err != nil || v.DurationNS <= 0 || v.Events == 0 {
		return nil, errors.New("is not a report of a trace: go_version, duration_ns or events lack")
	}
	return v.report(format), nil
}

// report returns what a comparison needs.
func (v *Trace) report(format int) *gotrace.Report {
	r := &gotrace.Report{Format: format, Duration: v.DurationNS, Events: v.Events, Complete: v.Complete,
		Latency: v.Latency.latency(), Assist: v.GCAssist.stats(), Stall: v.Stall.stats(), Host: v.Host.host()}
	r.Procs.Saturated = v.Procs.SaturatedNS
	for i := range v.Functions {
		f := &v.Functions[i]
		r.Functions = append(r.Functions, gotrace.Function{Name: f.Name, Latency: f.Latency.latency(), Running: f.RunningNS, Assist: f.AssistNS})
	}
	for _, s := range v.STW {
		r.STW = append(r.STW, gotrace.Range{Name: s.Reason, Stats: s.stats()})
	}
	return r
}

func (l *TraceLatency) latency() gotrace.Latency {
	return gotrace.Latency{gotrace.Create: l.Create.stats(), gotrace.Wake: l.Wake.stats(),
		gotrace.Preempt: l.Preempt.stats(), gotrace.Syscall: l.Syscall.stats()}
}

func (s TraceStats) stats() gotrace.Stats {
	return gotrace.Stats{Count: s.Count, Total: s.TotalNS, P50: s.P50NS, P90: s.P90NS, P99: s.P99NS, Max: s.MaxNS}
}
