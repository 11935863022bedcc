package gotrace

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/exp/trace"
)

// finish takes together what was seen. The analyser is not to be used after.
func (a *analyser) finish() *Report {
	a.endIdling()
	a.user.finish()
	a.runtime.finish()
	last := a.living()
	a.closeGoroutines()
	r := &Report{
		Start: a.start, Duration: a.now - a.start, Wall: a.wall, Events: a.events, Cut: a.cut,
		Functions: a.functionReport(), STW: ranges(&a.runtime.stw), Assist: a.runtime.assist.stats(),
		Ranges: ranges(&a.runtime.other), Procs: a.procs, Blocking: a.blockReport(),
		Regions: ranges(&a.user.regions), Tasks: ranges(&a.user.tasks),
		Logs:    Logs{Categories: counts(&a.user.categories), First: a.user.first},
		Metrics: a.runtime.metricsReport(), Silence: a.silence.stats(), Stall: a.stall.stats(), Timeline: a.timeline.report(),
		LeftOut: a.leftOut(),
	}
	for c := range a.latency {
		r.Latency[c] = a.latency[c].stats()
		r.Distributions[c] = a.latency[c].distribution()
		r.Waits = append(r.Waits, a.waits[c]...)
	}
	r.Goroutines.First, r.Goroutines.Last = a.first, last
	for _, b := range r.Timeline.Bins {
		r.Goroutines.Max = max(r.Goroutines.Max, b.MaxGoroutines)
	}
	return r
}

// closeGoroutines counts the states in which goroutines still are.
func (a *analyser) closeGoroutines() {
	for _, g := range a.goroutines {
		lasted := a.now - g.since
		fn := a.functionOf(g)
		if g.fn == nil {
			fn.goroutines++
		}
		switch g.state {
		case trace.GoRunning:
			fn.running += lasted
			a.assisted(g, fn)
		case trace.GoWaiting:
			fn.waiting += lasted
		case trace.GoSyscall:
			fn.syscall += lasted
		}
		if g.block != nil && (g.state == trace.GoWaiting || g.state == trace.GoSyscall) {
			g.block.open++
			g.block.openTotal += lasted
		}
	}
}

func (a *analyser) functionReport() []Function {
	var out []Function
	for _, f := range a.functions.entries {
		out = append(out, f.report())
	}
	slices.SortFunc(out, func(a, b Function) int {
		return cmp.Or(cmp.Compare(b.Latency.Total(), a.Latency.Total()),
			cmp.Compare(b.Running, a.Running), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func (a *analyser) blockReport() []Block {
	var out []Block
	for _, b := range a.allBlocks {
		if b.count > 0 || b.open > 0 {
			out = append(out, Block{Reason: b.reason, Stack: a.table.at(b.stack), Stats: b.stats(),
				Open: b.open, OpenTotal: b.openTotal})
		}
	}
	slices.SortFunc(out, func(a, b Block) int {
		return cmp.Or(cmp.Compare(b.Total+b.OpenTotal, a.Total+a.OpenTotal),
			cmp.Compare(a.Reason, b.Reason), compareStacks(a.Stack, b.Stack))
	})
	return out
}

func compareStacks(a, b []Frame) int {
	return slices.CompareFunc(a, b, func(a, b Frame) int {
		return cmp.Or(strings.Compare(a.Func, b.Func), cmp.Compare(a.Line, b.Line))
	})
}

// leftOut counts what the tables had no room for.
func (a *analyser) leftOut() map[string]uint64 {
	out := map[string]uint64{}
	for what, n := range map[string]uint64{
		"functions":        a.functions.leftOut,
		"blocking places":  a.blocksOut,
		"stacks":           a.table.leftOut,
		"regions or tasks": a.user.leftOut + a.user.regions.leftOut + a.user.tasks.leftOut,
		"log categories":   a.user.categories.leftOut,
		"ranges":           a.runtime.leftOut + a.runtime.stw.leftOut + a.runtime.other.leftOut,
		"metrics":          a.runtime.metrics.leftOut,
	} {
		if n > 0 {
			out[what] = n
		}
	}
	return out
}
