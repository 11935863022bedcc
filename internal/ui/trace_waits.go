package ui

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// TraceBlock is a place where goroutines were blocked; it opens to its stack.
type TraceBlock struct {
	Reason, Place, Title string
	// Columns are its numbers.
	Columns []TraceNumber
	// Open says how many are blocked there at the end.
	Open  string
	Stack Stack
}

// TraceWait is one of the longest waits for a P.
type TraceWait struct {
	Took, At, Class string
	// Text says it in words.
	Text  string
	Stack Stack
}

// How many places and waits a page shows, and frames of each stack: together they
// bound its elements.
const (
	maxTraceBlocks = 40
	maxTraceIdle   = 12
	maxTraceWaits  = 12
	maxTraceFrames = 32
)

func newTraceBlocks(v *v1.Trace) (own, idle []TraceBlock, left string) {
	skipped := 0
	for i := range v.Blocking {
		b := &v.Blocking[i]
		switch {
		case b.Idle && len(idle) < maxTraceIdle:
			idle = append(idle, newTraceBlock(b))
		case !b.Idle && len(own) < maxTraceBlocks:
			own = append(own, newTraceBlock(b))
		default:
			skipped++
		}
	}
	if skipped > 0 {
		left = plural(uint64(skipped), "place where goroutines were blocked for less time is", "places where goroutines were blocked for less time are") + " in the JSON document only."
	}
	return own, idle, left
}

func newTraceBlock(b *v1.TraceBlock) TraceBlock {
	row := TraceBlock{
		Reason: clip(visible(b.Reason), 100), Place: clip(visible(b.Place), 200), Title: clip(visible(b.Place), 1000), Stack: traceStack(b.Stack),
		Columns: []TraceNumber{
			{"Times", count(b.Count), int64(min(b.Count, 1<<62))}, {"In all", duration(b.TotalNS), b.TotalNS}, {"p50", duration(b.P50NS), b.P50NS},
			{"p99", duration(b.P99NS), b.P99NS}, {"Longest", duration(b.MaxNS), b.MaxNS},
		},
	}
	if b.Open > 0 {
		row.Open = plural(b.Open, "goroutine is", "goroutines are") + " blocked here at the end, for " + duration(b.OpenNS) + " together."
	}
	return row
}

func traceStack(frames []v1.Frame) Stack {
	return newStack(frames[:min(len(frames), maxTraceFrames)])
}

func newTraceWaits(v *v1.Trace) []TraceWait {
	waits := slices.Clone(v.Waits)
	slices.SortStableFunc(waits, func(a, b v1.TraceWait) int { return cmp.Compare(b.DurationNS, a.DurationNS) })
	var list []TraceWait
	for i := range waits[:min(len(waits), maxTraceWaits)] {
		w := &waits[i]
		list = append(list, TraceWait{Took: duration(w.DurationNS), At: duration(w.AtNS), Class: visible(w.Class), Text: waitText(w), Stack: traceStack(w.Stack)})
	}
	return list
}

// waitText says what a goroutine waited for, who was before it, and what else went on.
func waitText(w *v1.TraceWait) string {
	var b strings.Builder
	b.WriteString("Goroutine " + strconv.FormatInt(w.Goroutine, 10) + ", " + clip(orWord(visible(w.Function), "of an unknown function"), 200) + ", waited " + duration(w.DurationNS))
	by := ""
	if w.ByFunction != "" {
		by = " by " + clip(visible(w.ByFunction), 200)
	}
	switch w.Class {
	case "create":
		b.WriteString(" after the go statement" + by)
	case "wake":
		b.WriteString(" after it was woken" + by)
		if by == "" {
			b.WriteString(" by the network poller or a timer")
		}
	case "preempt":
		b.WriteString(" after it was preempted")
	default:
		b.WriteString(" after a system call")
	}
	b.WriteString("; " + strings.Join(waitContext(w), ", ") + ".")
	return b.String()
}

func waitContext(w *v1.TraceWait) []string {
	ahead := "no other waited"
	if w.Ahead > 0 {
		ahead = plural(uint64(w.Ahead), "other", "others") + " waited already"
	}
	idle := "no P idle"
	if w.IdlePs > 0 {
		idle = plural(uint64(w.IdlePs), "P", "Ps") + " idle"
	}
	list := []string{ahead, idle}
	for _, part := range []struct {
		ns   int64
		what string
	}{{w.GCNS, "the collector marking "}, {w.STWNS, "the world stopped for "}, {w.SilenceNS, "silence for "}} {
		if part.ns > 0 {
			list = append(list, part.what+duration(part.ns)+" of it")
		}
	}
	if w.RunDelayNS != nil && *w.RunDelayNS > 0 {
		list = append(list, "its threads without a CPU for "+duration(*w.RunDelayNS)+" together")
	}
	if w.ThrottledNS != nil && *w.ThrottledNS > 0 {
		list = append(list, "throttled for "+duration(*w.ThrottledNS))
	}
	return list
}

// TraceHost is what was sampled beside the trace.
type TraceHost struct {
	Facts []Prop
	Worst Table
}

func newTraceHost(v *v1.Trace) *TraceHost {
	h := v.Host
	if h == nil {
		return nil
	}
	out := &TraceHost{Facts: []Prop{
		{Name: "Threads ran for", Value: duration(h.CPUNS)}, {Name: "Ready without a CPU", Value: duration(h.RunDelayNS), Sub: percent(h.WaitedRatio) + " of both"},
		{Name: "Throttled", Value: duration(h.ThrottledNS), Sub: count(uint64(max(h.ThrottledPeriods, 0))) + " of " + plural(uint64(max(h.Periods, 0)), "period", "periods")},
		{Name: "CPUs", Value: strconv.Itoa(h.CPUs)}, {Name: "Machine busy", Value: percent(h.BusyRatio), Sub: percent(h.StealRatio) + " stolen, load " + significant(h.Load1)},
	}}
	if h.QuotaCPUs > 0 {
		out.Facts = append(out.Facts, Prop{Name: "Quota in CPUs", Value: significant(h.QuotaCPUs)})
	}
	if h.SysmonFound {
		out.Facts = append(out.Facts, Prop{Name: "sysmon late", Value: duration(h.SysmonP99NS) + " (p99)", Sub: duration(h.SysmonMaxNS) + " at most"})
	}
	if h.MissedRatio > 0 {
		out.Facts = append(out.Facts, Prop{Name: "Not sampled", Value: percent(h.MissedRatio) + " of the time"})
	}
	for _, what := range h.NotSeen {
		out.Facts = append(out.Facts, Prop{Name: "Not seen", Value: visible(what)})
	}
	out.Worst = Table{ID: "held-table", Caption: "Parts of the trace in which the process was held up most", Columns: []Column{
		{Label: "At", Class: "num"}, {Label: "For", Class: "num"}, {Label: "No CPU", Class: "num"}, {Label: "Throttled", Class: "num"},
	}}
	for _, w := range h.Worst {
		at := numCell(duration(w.AtNS))
		at.Class = "num main"
		out.Worst.Rows = append(out.Worst.Rows, Row{Cells: []Cell{at, numCell(duration(w.DurationNS)), numCell(duration(w.RunDelayNS)), numCell(duration(w.ThrottledNS))}})
	}
	out.Worst = bounded(out.Worst)
	return out
}
