package ui

import (
	"math"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// sampleTraceDocument is about a trace of a program that does not exist, the same each
// time, with a timeline of n parts.
func sampleTraceDocument(n int) v1.Trace {
	const ms = int64(time.Millisecond)
	v := v1.Trace{
		File: "shop.trace", GoVersion: "go1.26", DurationNS: int64(n) * 10 * ms, Events: 1_203_311, Generations: 4, Bytes: 9 << 20, Complete: true,
		Goroutines: v1.TraceGoroutines{First: 12, Last: 40, Max: 212}, Distributions: map[string][]v1.TraceBucket{},
		Timeline: sampleTimeline(n),
		STW:      []v1.TraceSTW{{Reason: "GC sweep termination", TraceStats: v1.TraceStats{Count: 31, TotalNS: 9 * ms, P50NS: 80_000, P90NS: 700_000, P99NS: 2 * ms, MaxNS: 2 * ms}}},
		GCAssist: v1.TraceGCAssist{TraceStats: v1.TraceStats{Count: 90, TotalNS: 40 * ms}, RunningNS: 30 * ms, ShareOfRunning: 0.031},
		Procs:    v1.TraceProcs{Max: 4, RunnableNS: int64(n) * 6 * ms, SaturatedNS: int64(n) * 5 * ms, LongIdlingNS: 40 * ms, LongIdlings: 7},
	}
	v.Latency.Wake = v1.TraceStats{Count: 8000, TotalNS: 900 * ms, P50NS: 9_000, P90NS: 200_000, P99NS: 3 * ms, MaxNS: 12 * ms}
	v.Latency.Create = v1.TraceStats{Count: 900, TotalNS: 90 * ms, P50NS: 40_000, P90NS: 400_000, P99NS: 2 * ms, MaxNS: 5 * ms}
	for class, middle := range map[string]float64{"wake": 9_000, "create": 40_000} {
		v.Distributions[class] = sampleDistribution(middle)
	}
	return v
}

// sampleDistribution has a hump around some ns.
func sampleDistribution(middle float64) []v1.TraceBucket {
	var list []v1.TraceBucket
	for at := 200.0; at < 12e6; at *= 1.25 {
		far := math.Log(at / middle)
		list = append(list, v1.TraceBucket{FromNS: int64(at), ToNS: int64(at * 1.25), Count: uint64(1000*math.Exp(-far*far/3)) + 1})
	}
	return list
}

func sampleTimeline(n int) v1.TraceTimeline {
	l := v1.TraceTimeline{WidthNS: int64(10 * time.Millisecond)}
	for i := range n {
		wave := 1 + math.Sin(float64(i)/9)
		running := math.Min(1+1.6*wave, 4)
		l.Running = append(l.Running, running)
		l.InSyscall = append(l.InSyscall, float64(i%4)*0.1)
		l.Runnable = append(l.Runnable, 6*wave*wave+float64(i*7%5))
		l.Waiting = append(l.Waiting, 80)
		l.IdlePs = append(l.IdlePs, 4-running)
		l.STW = append(l.STW, float64(i*i%37/36)*0.2)
		l.GC = append(l.GC, float64(i/12%4/3))
		l.Silence = append(l.Silence, float64(i/5%17/16))
		l.MaxRunnable = append(l.MaxRunnable, int(14*wave*wave)+4)
		l.MaxGoroutines = append(l.MaxGoroutines, 90+int(60*wave))
	}
	return l
}

// galleryTraces shows the drawings of traces.
func galleryTraces() (timelines []Exhibit[TraceTimeline], plots []Exhibit[TracePlot]) {
	for _, c := range []struct {
		name string
		n    int
	}{{"usual", 240}, {"tiny: one part", 1}, {"empty", 0}} {
		v := sampleTraceDocument(c.n)
		timelines = append(timelines, Exhibit[TraceTimeline]{c.name, newTraceTimeline(&v)})
	}
	v := sampleTraceDocument(1)
	axis := newTraceAxis(&v)
	plots = append(plots,
		Exhibit[TracePlot]{"usual", axis.plot(v.Distributions["wake"], v.Latency.Wake.P50NS, v.Latency.Wake.P99NS, "Distribution: usual")},
		Exhibit[TracePlot]{"tiny: one wait", axis.plot([]v1.TraceBucket{{FromNS: 1 << 20, ToNS: 9 << 17, Count: 1}}, 1<<20, 1<<20, "Distribution: one wait")},
		Exhibit[TracePlot]{"empty", axis.plot(nil, 0, 0, "Distribution: empty")})
	return timelines, plots
}
