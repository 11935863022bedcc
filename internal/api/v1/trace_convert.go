package v1

import (
	"math"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace"
)

// What a document keeps of the longest lists; findings and sums are of all.
const (
	maxTraceFunctions = 200
	maxTraceBlocks    = 200
)

// NewTrace returns the wire form of a report. err is what ended the analysis early,
// or nil.
func NewTrace(file string, r *gotrace.Report, findings []model.Finding, err error) Trace {
	t := Trace{
		File: text(file), GoVersion: goVersion(r.Format), DurationNS: r.Duration, Events: r.Events,
		Generations: r.Generations, Bytes: r.Bytes, Complete: r.Complete,
		Latency: traceLatency(r.Latency), LatencyCut: r.Cut, Distributions: map[string][]TraceBucket{},
		Functions:  traceList(r.Functions, maxTraceFunctions, traceFunction),
		STW:        traceList(r.STW, 0, traceSTW),
		Ranges:     traceList(r.Ranges, 0, traceRange),
		Procs:      traceProcs(r.Procs),
		Goroutines: TraceGoroutines(r.Goroutines),
		Blocking:   traceList(r.Blocking, maxTraceBlocks, traceBlock),
		Waits:      traceList(r.Waits, 0, traceWait),
		Regions:    traceList(r.Regions, 0, traceRange),
		Tasks:      traceList(r.Tasks, 0, traceRange),
		Logs:       traceList(r.Logs.Categories, 0, func(c gotrace.Count) TraceCount { return TraceCount{text(c.Name), c.Count} }),
		Messages:   traceList(r.Logs.First, 0, traceLog),
		Metrics:    traceList(r.Metrics, 0, traceMetric),
		Silence:    traceStats(r.Silence),
		Stall:      traceStats(r.Stall),
		Timeline:   traceTimeline(r.Timeline),
		Findings:   traceList(findings, 0, traceFinding),
		Host:       newTraceHost(r.Host, r.Start),
		LeftOut:    r.LeftOut,
	}
	if err != nil {
		t.Error = text(err.Error())
	}
	if r.Wall != 0 {
		t.Time = new(Time(time.Unix(0, r.Wall)))
	}
	for _, class := range gotrace.Classes() {
		t.Distributions[class.String()] = traceList(r.Distributions[class], 0, traceBucket)
	}
	t.GCAssist = TraceGCAssist{TraceStats: traceStats(r.Assist), RunningNS: r.Assisting()}
	if running := r.Running(); running > 0 {
		t.GCAssist.ShareOfRunning = float64(r.Assisting()) / float64(running)
	}
	return t
}

// traceList converts the first values of a list, all when most is 0. It is never nil.
func traceList[A, B any](values []A, most int, convert func(A) B) []B {
	if most > 0 && len(values) > most {
		values = values[:most]
	}
	out := make([]B, len(values))
	for i, v := range values {
		out[i] = convert(v)
	}
	return out
}

func traceStats(s gotrace.Stats) TraceStats {
	return TraceStats{Count: s.Count, TotalNS: s.Total, P50NS: s.P50, P90NS: s.P90, P99NS: s.P99, MaxNS: s.Max}
}

func traceLatency(l gotrace.Latency) TraceLatency {
	return TraceLatency{Create: traceStats(l[gotrace.Create]), Wake: traceStats(l[gotrace.Wake]),
		Preempt: traceStats(l[gotrace.Preempt]), Syscall: traceStats(l[gotrace.Syscall])}
}

func traceBucket(b gotrace.Bucket) TraceBucket {
	return TraceBucket{FromNS: b.From, ToNS: b.To, Count: b.Count}
}

func traceFunction(f gotrace.Function) TraceFunction {
	return TraceFunction{Name: text(f.Name), Goroutines: f.Goroutines, Created: f.Created, Ended: f.Ended,
		RunningNS: f.Running, WaitingNS: f.Waiting, SyscallNS: f.InSyscall, AssistNS: f.Assist,
		Latency: traceLatency(f.Latency), Waits: traceStats(f.Waits), Distribution: traceList(f.Distribution, 0, traceBucket)}
}

func traceSTW(s gotrace.Range) TraceSTW {
	return TraceSTW{Reason: text(s.Name), TraceStats: traceStats(s.Stats)}
}

func traceRange(r gotrace.Range) TraceRange {
	return TraceRange{Name: text(r.Name), TraceStats: traceStats(r.Stats), Open: r.Open, Cut: r.Cut}
}

func traceProcs(p gotrace.Procs) TraceProcs {
	return TraceProcs{Max: p.Max, RunningNS: p.Running, IdleNS: p.Idle, RunnableNS: p.Runnable,
		SaturatedNS: p.Saturated, IdlingNS: p.Idling, LongIdlingNS: p.LongIdling, LongIdlings: p.LongIdlings}
}

func traceFrame(f gotrace.Frame) Frame {
	return Frame{Func: text(f.Func), File: text(f.File), Line: f.Line}
}

func traceBlock(b gotrace.Block) TraceBlock {
	return TraceBlock{Reason: text(b.Reason), Place: text(gotrace.Place(b.Stack)), Idle: b.Idles(), Stack: traceList(b.Stack, 0, traceFrame),
		TraceStats: traceStats(b.Stats), Open: b.Open, OpenNS: b.OpenTotal}
}

func traceWait(w gotrace.Wait) TraceWait {
	v := TraceWait{Class: w.Class.String(), AtNS: w.At, DurationNS: w.Duration, Goroutine: w.Goroutine,
		Function: text(w.Function), By: max(w.By, 0), ByFunction: text(w.ByFunction), Ahead: w.Ahead, IdlePs: w.IdlePs,
		STWNS: w.STW, GCNS: w.GC, SilenceNS: w.Silence, Stack: traceList(w.Stack, 0, traceFrame)}
	if len(w.Stack) > 0 {
		v.Place = text(gotrace.Place(w.Stack))
	}
	if w.Host != nil {
		v.RunDelayNS, v.ThrottledNS = new(w.Host.RunDelay), new(w.Host.Throttled)
	}
	return v
}

func traceLog(l gotrace.LogLine) TraceLog {
	return TraceLog{AtNS: l.At, Goroutine: l.Goroutine, Category: text(l.Category), Message: text(l.Message)}
}

func traceMetric(m gotrace.Metric) TraceMetric {
	return TraceMetric{Name: text(m.Name), First: m.First, Last: m.Last, Min: m.Min, Max: m.Max}
}

func traceFinding(f model.Finding) Finding {
	return Finding{Rule: f.Rule, Severity: f.Severity.String(), Evidence: text(f.Evidence), Remedy: text(f.Remedy)}
}

// traceTimeline makes means and shares of integrals, with four digits.
func traceTimeline(t gotrace.Timeline) TraceTimeline {
	mean := func(of func(gotrace.Bin) int64) []float64 {
		return traceList(t.Bins, 0, func(b gotrace.Bin) float64 {
			return math.Round(float64(of(b))/float64(t.Width)*1e4) / 1e4
		})
	}
	return TraceTimeline{
		WidthNS:       t.Width,
		Running:       mean(func(b gotrace.Bin) int64 { return b.Running }),
		Runnable:      mean(func(b gotrace.Bin) int64 { return b.Runnable }),
		InSyscall:     mean(func(b gotrace.Bin) int64 { return b.InSyscall }),
		Waiting:       mean(func(b gotrace.Bin) int64 { return b.Waiting }),
		IdlePs:        mean(func(b gotrace.Bin) int64 { return b.IdlePs }),
		STW:           mean(func(b gotrace.Bin) int64 { return b.STW }),
		GC:            mean(func(b gotrace.Bin) int64 { return b.GC }),
		Silence:       mean(func(b gotrace.Bin) int64 { return b.Silence }),
		MaxRunnable:   traceList(t.Bins, 0, func(b gotrace.Bin) int { return b.MaxRunnable }),
		MaxGoroutines: traceList(t.Bins, 0, func(b gotrace.Bin) int { return b.MaxGoroutines }),
	}
}
