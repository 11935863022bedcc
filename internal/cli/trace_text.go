package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/export/table"
)

// How many rows a report shows of a list without --all.
const (
	mostFunctions = 12
	mostBlocks    = 8
	mostWaits     = 6
	mostRegions   = 10
)

// traceText renders reports about traces.
type traceText struct{ startText }

// report renders what a trace says.
func (t *traceText) report(v *v1.Trace) {
	t.traceHead(v)
	t.timeline(v)
	t.latencies(v)
	t.findings(v.Findings)
	t.functions(v)
	t.collection(v)
	t.host(v.Host)
	t.blocking(v)
	t.worst(v)
	t.annotations(v)
	t.unread(v)
}

func (t *traceText) traceHead(v *v1.Trace) {
	name := v.File
	if name == "-" {
		name = "standard input"
	}
	t.line("%s", t.paint("1", cutEnd(table.Printable(name), t.room())))
	t.wrapped("", fmt.Sprintf("format of %s, %s, %s in %s, %.1f MB", v.GoVersion, shortDuration(time.Duration(v.DurationNS)),
		counted(v.Events, "event", "events"), counted(uint64(v.Generations), "generation", "generations"), float64(v.Bytes)/1e6))
	p := &v.Procs
	if all := p.RunningNS + p.IdleNS; all > 0 {
		t.wrapped("", fmt.Sprintf("%s, busy for %s of their time; %s at the beginning, %d at the end, %d at most",
			counted(uint64(p.Max), "P", "Ps"), percent(p.RunningNS, all), counted(uint64(v.Goroutines.First), "goroutine", "goroutines"), v.Goroutines.Last, v.Goroutines.Max))
	}
	if !v.Complete {
		t.wrapped("", t.paint("31", "not complete: "+table.Printable(v.Error)))
	}
}

// percent renders a part of a whole.
func percent(part, whole int64) string {
	if whole <= 0 {
		return "0 %"
	}
	share := 100 * float64(part) / float64(whole)
	switch {
	case part == 0:
		return "0 %"
	case share < 0.1:
		return "under 0.1 %"
	case share < 10:
		return fmt.Sprintf("%.1f %%", share)
	}
	return fmt.Sprintf("%.0f %%", share)
}

// timeline renders goroutines and Ps over time, a cell for each part of the trace.
func (t *traceText) timeline(v *v1.Trace) {
	l := &v.Timeline
	if len(l.Running) < 2 {
		return
	}
	t.section("Over time (each row from 0 to its maximum)")
	const label = 22
	cells := min(max(t.room()-label-12, 10), 96)
	for _, row := range []struct {
		name   string
		values []float64
	}{
		{"running", l.Running}, {"waiting for a P", l.Runnable}, {"idle Ps", l.IdlePs}, {"goroutines", floats(l.MaxGoroutines)},
	} {
		bars, most := sparkline(row.values, cells)
		t.line("  %-*s%s  %s", label-2, row.name, bars, strings.TrimSuffix(fmt.Sprintf("%.1f", most), ".0"))
	}
}

func floats(values []int) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

// sparkline renders values in a row of at most so many cells, each as high as the
// mean of what it covers, and returns the highest.
func sparkline(values []float64, cells int) (bars string, most float64) {
	cells = min(cells, len(values))
	means := make([]float64, cells)
	for i := range means {
		part := values[i*len(values)/cells : (i+1)*len(values)/cells]
		for _, v := range part {
			means[i] += v / float64(len(part))
		}
		most = max(most, means[i])
	}
	const steps = "▁▂▃▄▅▆▇█"
	var b strings.Builder
	for _, m := range means {
		switch {
		case m == 0 || most == 0:
			b.WriteByte(' ')
		default:
			b.WriteRune([]rune(steps)[min(int(m/most*8), 7)])
		}
	}
	return b.String(), most
}

// statRow is a row of a table of durations.
type statRow struct {
	name string
	v1.TraceStats
}

// stats renders a table of durations.
func (t *traceText) stats(title string, rows []statRow) {
	wide := max(min(t.room()-62, 60), 16)
	t.line("  %s", t.paint("2", fmt.Sprintf("%-*s %10s %9s %9s %9s %9s %9s", wide, title, "count", "in all", "p50", "p90", "p99", "longest")))
	for _, r := range rows {
		t.line("  %-*s %10d %9s %9s %9s %9s %9s", wide, cutMiddle(table.Printable(r.name), wide), r.Count, ns(r.TotalNS), ns(r.P50NS), ns(r.P90NS), ns(r.P99NS), ns(r.MaxNS))
	}
}

func ns(n int64) string { return shortDuration(time.Duration(n)) }

// cutMiddle shortens a name that is too long, and keeps its end, which tells most.
func cutMiddle(s string, wide int) string {
	r := []rune(s)
	if len(r) <= wide || wide < 8 {
		return s
	}
	head := (wide - 1) / 3
	return string(r[:head]) + "…" + string(r[len(r)-(wide-1-head):])
}

func (t *traceText) latencies(v *v1.Trace) {
	t.section("Waits for a P")
	var rows []statRow
	for _, r := range []statRow{
		{"after go (create)", v.Latency.Create}, {"after it was blocked (wake)", v.Latency.Wake},
		{"after it was preempted (preempt)", v.Latency.Preempt}, {"after a system call (syscall)", v.Latency.Syscall},
	} {
		if r.Count > 0 {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		t.line("  none")
		return
	}
	t.stats("", rows)
	p := &v.Procs
	t.wrapped("  ", fmt.Sprintf("A goroutine waited for %s of the time: for %s of it no P was idle, for %s one was for 1 ms or longer at a time.",
		percent(p.RunnableNS, v.DurationNS), percent(p.SaturatedNS, p.RunnableNS), percent(p.LongIdlingNS, p.RunnableNS)))
	if v.LatencyCut > 0 {
		t.wrapped("  ", counted(v.LatencyCut, "wait", "waits")+" had begun before the trace, and are not counted.")
	}
}

// functions renders what goroutines did, by entry function.
func (t *traceText) functions(v *v1.Trace) {
	if len(v.Functions) == 0 {
		return
	}
	t.section("Goroutines by the function that they began with")
	wide := max(min(t.room()-66, 60), 16)
	t.line("  %s", t.paint("2", fmt.Sprintf("%-*s %10s %9s %9s %9s %9s %9s", wide, "", "goroutines", "running", "waits", "in all", "p99", "longest")))
	shown := v.Functions[:t.most(len(v.Functions), mostFunctions)]
	for i := range shown {
		f := &shown[i]
		t.line("  %-*s %10d %9s %9d %9s %9s %9s", wide, cutMiddle(table.Printable(f.Name), wide), f.Goroutines, ns(f.RunningNS), f.Waits.Count, ns(f.Waits.TotalNS), ns(f.Waits.P99NS), ns(f.Waits.MaxNS))
	}
	t.more(len(v.Functions)-len(shown), "function", "functions")
}

// most is how many rows of a list are shown.
func (t *traceText) most(n, without int) int {
	if t.all {
		return n
	}
	return min(n, without)
}

// more says how many rows are not shown.
func (t *traceText) more(n int, one, many string) {
	if n > 0 {
		t.line("  %s", t.paint("2", "and "+counted(uint64(n), one, many)+" more: --all"))
	}
}

// collection renders stops of the world and what the collector did.
func (t *traceText) collection(v *v1.Trace) {
	var rows []statRow
	for _, s := range v.STW {
		rows = append(rows, statRow{"stopped: " + s.Reason, s.TraceStats})
	}
	if v.GCAssist.Count > 0 {
		rows = append(rows, statRow{"GC mark assist", v.GCAssist.TraceStats})
	}
	for _, r := range v.Ranges {
		if r.Count > 0 {
			rows = append(rows, statRow{r.Name, r.TraceStats})
		}
	}
	if len(rows) == 0 {
		return
	}
	t.section("Stops of the world, and the garbage collector")
	t.stats("", rows)
	if v.GCAssist.Count > 0 {
		t.line("  Assists took %.1f %% of the time that goroutines ran.", v.GCAssist.ShareOfRunning*100)
	}
}

// host renders what was sampled beside the trace.
func (t *traceText) host(h *v1.TraceHost) {
	if h == nil {
		return
	}
	t.section("What the host did meanwhile")
	t.wrapped("  ", fmt.Sprintf("Threads ran for %s, and were ready without a CPU for %s (%.0f %% of the time that they wanted one). The machine was %.0f %% busy.",
		ns(h.CPUNS), ns(h.RunDelayNS), h.WaitedRatio*100, h.BusyRatio*100))
	switch {
	case h.QuotaCPUs > 0:
		t.wrapped("  ", fmt.Sprintf("Its quota is %.3g CPUs: used up in %d of %d periods, stopped for %s.", h.QuotaCPUs, h.ThrottledPeriods, h.Periods, ns(h.ThrottledNS)))
	default:
		t.line("  It has no CPU quota.")
	}
	if h.SysmonFound {
		t.line("  sysmon was ready without a CPU for up to %s (p99 %s).", ns(h.SysmonMaxNS), ns(h.SysmonP99NS))
	}
	for _, w := range h.Worst[:t.most(len(h.Worst), 3)] {
		t.line("  held up at %s for %s: ready without a CPU %s, stopped by the quota %s", ns(w.AtNS), ns(w.DurationNS), ns(w.RunDelayNS), ns(w.ThrottledNS))
	}
	for _, why := range h.NotSeen {
		t.wrapped("  not seen: ", table.Printable(why))
	}
}

// blocking renders where goroutines were blocked.
func (t *traceText) blocking(v *v1.Trace) {
	blocks := v.Blocking
	if !t.all {
		blocks = slices.DeleteFunc(slices.Clone(blocks), func(b v1.TraceBlock) bool { return b.Idle })
	}
	if len(blocks) == 0 {
		return
	}
	t.section("Blocked, by reason and place")
	shown := blocks[:t.most(len(blocks), mostBlocks)]
	var rows []statRow
	for i := range shown {
		b := &shown[i]
		rows = append(rows, statRow{b.Reason + " in " + b.Place, b.TraceStats})
	}
	t.stats("", rows)
	t.more(len(v.Blocking)-len(shown), "place", "places")
}

// worst renders the longest waits in words.
func (t *traceText) worst(v *v1.Trace) {
	waits := slices.Clone(v.Waits)
	if len(waits) == 0 {
		return
	}
	slices.SortStableFunc(waits, func(a, b v1.TraceWait) int { return int(b.DurationNS - a.DurationNS) })
	t.section("The longest waits for a P")
	for i := range waits[:t.most(len(waits), mostWaits)] {
		t.wrapped("  ", waitText(&waits[i]))
	}
}

func waitText(w *v1.TraceWait) string {
	text := fmt.Sprintf("%s at %s: goroutine %d (%s) ", ns(w.DurationNS), ns(w.AtNS), w.Goroutine, table.Printable(w.Function))
	by := ""
	if w.ByFunction != "" {
		by = " by " + table.Printable(w.ByFunction)
	}
	switch w.Class {
	case "create":
		text += "was created" + by
	case "wake":
		text += "was woken" + by
		if w.Place != "" {
			text += " in " + table.Printable(w.Place)
		}
	case "preempt":
		text += "was preempted"
	default:
		text += "came back from a system call"
	}
	text += fmt.Sprintf("; %s before it, %s idle", counted(uint64(w.Ahead), "other waited", "others waited"), counted(uint64(w.IdlePs), "P", "Ps"))
	for _, part := range []struct {
		ns   int64
		what string
	}{{w.STWNS, "the world was stopped"}, {w.GCNS, "the collector marked"}, {w.SilenceNS, "nothing at all happened"}} {
		if part.ns > 0 {
			text += fmt.Sprintf("; for %s of it %s", ns(part.ns), part.what)
		}
	}
	if w.ThrottledNS != nil && *w.ThrottledNS > 0 {
		text += fmt.Sprintf("; the quota stopped the process for %s", ns(*w.ThrottledNS))
	}
	if w.RunDelayNS != nil && *w.RunDelayNS > 0 {
		text += fmt.Sprintf("; its threads were ready without a CPU for %s", ns(*w.RunDelayNS))
	}
	return text
}

// annotations renders what the program wrote itself.
func (t *traceText) annotations(v *v1.Trace) {
	for _, list := range []struct {
		title  string
		ranges []v1.TraceRange
	}{{"Tasks", v.Tasks}, {"Regions", v.Regions}} {
		if len(list.ranges) == 0 {
			continue
		}
		t.section(list.title)
		var rows []statRow
		for _, r := range list.ranges[:t.most(len(list.ranges), mostRegions)] {
			rows = append(rows, statRow{r.Name, r.TraceStats})
		}
		t.stats("", rows)
		t.more(len(list.ranges)-len(rows), "name", "names")
	}
	if len(v.Logs) == 0 {
		return
	}
	t.section("Logs")
	for _, c := range v.Logs[:t.most(len(v.Logs), mostRegions)] {
		t.line("  %s: %d", table.Printable(c.Name), c.Count)
	}
}

// unread says what the report does not hold.
func (t *traceText) unread(v *v1.Trace) {
	if v.Silence.Count == 0 && len(v.LeftOut) == 0 && v.HostNotSeen == "" {
		return
	}
	t.section("Not seen")
	if v.HostNotSeen != "" {
		t.wrapped("  ", "what was sampled beside the trace: "+table.Printable(v.HostNotSeen))
	}
	if v.Silence.Count > 0 {
		t.wrapped("  ", fmt.Sprintf("For %s, in %s of 10 ms or longer, no thread wrote an event: the program had nothing to do, or was not run.",
			ns(v.Silence.TotalNS), counted(v.Silence.Count, "part", "parts")))
	}
	for _, what := range slices.Sorted(maps.Keys(v.LeftOut)) {
		t.line("  no room for %d more %s", v.LeftOut[what], what)
	}
}
