package ui

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// TraceOptions is what a file about a trace is told.
type TraceOptions struct {
	// Version is Goshawk's own.
	Version string
	// Now is when the file is made.
	Now time.Time
}

// TraceView is the page of one execution trace.
type TraceView struct {
	File string
	// Back leads to the list of traces, and Remove is where the API removes this one; they
	// are empty in a file.
	Back, Remove string
	// Facts are what the head says of the trace, Began the wall clock at its first event.
	Facts []string
	Began when
	// Broken says why the trace is not whole; it is empty for one that is.
	Broken   string
	Figures  []Figure
	Findings []FindingView
	Timeline TraceTimeline
	Latency  TraceLatency
	// Functions are goroutines by entry function; FunctionsLeft says what is not shown.
	Functions     []TraceFunction
	FunctionsLeft string
	Stops         Table
	// Blocking is by place; Idle are the places of the runtime's own goroutines.
	Blocking, Idle []TraceBlock
	BlockingLeft   string
	Waits          []TraceWait
	Host           *TraceHost
	// Own are the tables of what the program wrote itself: regions, tasks, logs.
	Own     []Table
	Metrics Table
	// Left is what bounded tables had no room for.
	Left []Prop
}

// RenderTrace renders what a trace says as one file that needs nothing else. Its size
// is bounded, since a document is: by some 1.5 MB.
func RenderTrace(v *v1.Trace, o TraceOptions) ([]byte, error) {
	a, views, err := load()
	if err != nil {
		return nil, err
	}
	s := &server{version: o.Version, now: func() time.Time { return o.Now }, assets: a, views: views, policy: policy(a.early())}
	view := newTraceView(v, o.Now)
	return s.file(&Page{View: "trace", Title: "trace " + clip(view.File, 80), Version: o.Version, Now: o.Now.UTC(), Body: view})
}

func newTraceView(v *v1.Trace, now time.Time) TraceView {
	axis := newTraceAxis(v)
	view := TraceView{
		File: traceName(v.File), Facts: traceFacts(v), Figures: traceFigures(v), Timeline: newTraceTimeline(v),
		Latency: newTraceLatency(v, axis), Stops: stopTable(v), Waits: newTraceWaits(v), Host: newTraceHost(v),
		Own: ownTables(v), Metrics: metricTable(v), Left: traceLeft(v),
	}
	if v.Time != nil {
		view.Began = newDay(*v.Time, now)
	}
	if !v.Complete {
		view.Broken = orWord(visible(v.Error), "the trace is cut off or damaged")
	}
	for _, f := range v.Findings {
		view.Findings = append(view.Findings, newFinding(f))
	}
	view.Functions, view.FunctionsLeft = newTraceFunctions(v, axis)
	view.Blocking, view.Idle, view.BlockingLeft = newTraceBlocks(v)
	return view
}

// traceName is what a trace is called: the last element of its path.
func traceName(file string) string {
	if file == "-" || file == "" {
		return "standard input"
	}
	return visible(file)
}

func traceFacts(v *v1.Trace) []string {
	return []string{
		visible(v.GoVersion) + " format", duration(v.DurationNS), plural(v.Events, "event", "events"),
		size(v.Bytes), plural(uint64(max(v.Procs.Max, 0)), "P", "Ps"),
	}
}

// traceClass is a class of waits for a P, in words.
type traceClass struct {
	// Key is the class on the wire, Label its short name, After what it is after.
	Key, Label, After string
	Stats             v1.TraceStats
}

// traceClasses lists the classes in the order of a goroutine's life.
func traceClasses(l *v1.TraceLatency) []traceClass {
	return []traceClass{
		{"create", "create → run", "the first run of a new goroutine", l.Create},
		{"wake", "wake → run", "after it was blocked", l.Wake},
		{"preempt", "preempt → run", "after it was preempted or yielded", l.Preempt},
		{"syscall", "syscall → run", "after a system call in which it lost its P", l.Syscall},
	}
}

func traceFigures(v *v1.Trace) []Figure {
	worst := slices.MaxFunc(traceClasses(&v.Latency), func(a, b traceClass) int { return cmp.Compare(a.Stats.P99NS, b.Stats.P99NS) })
	list := []Figure{{Value: unknown, Label: "no goroutine waited for a P"}}
	if worst.Stats.Count > 0 {
		list[0] = figure(duration(worst.Stats.P99NS), "p99 of "+worst.Label+", the worst class")
	}
	saturated := 0.0
	if v.DurationNS > 0 {
		saturated = float64(v.Procs.SaturatedNS) / float64(v.DurationNS)
	}
	var stopped, longest int64
	for _, s := range v.STW {
		stopped, longest = stopped+s.TotalNS, max(longest, s.MaxNS)
	}
	return append(list,
		figure(percent(saturated), "all Ps were busy and a goroutine waited"),
		figure(duration(stopped), "the world was stopped, "+duration(longest)+" at most"),
		figure(percent(v.GCAssist.ShareOfRunning), "of CPU time was GC assist"),
		Figure{
			Value: grouped(int64(v.Goroutines.First)) + " → " + grouped(int64(v.Goroutines.Last)),
			Label: "goroutines, " + grouped(int64(v.Goroutines.Max)) + " at most",
		})
}

// statColumns are the columns of durations that were taken together.
func statColumns() []Column {
	return []Column{
		{Label: "Count", Class: "w-num-s num"}, {Label: "In all", Class: "w-num-s num"}, {Label: "p50", Class: "w-num-s num"},
		{Label: "p90", Class: "w-num-s num"}, {Label: "p99", Class: "w-num-s num"}, {Label: "Longest", Class: "w-num-s num"},
	}
}

func statCells(s *v1.TraceStats) []Cell {
	if s.Count == 0 {
		return []Cell{numCell("0"), numCell(""), numCell(""), numCell(""), numCell(""), numCell("")}
	}
	return []Cell{numCell(count(s.Count)), numCell(duration(s.TotalNS)), numCell(duration(s.P50NS)), numCell(duration(s.P90NS)), numCell(duration(s.P99NS)), numCell(duration(s.MaxNS))}
}

// statRow is a row of such a table.
func statRow(name, sub string, s *v1.TraceStats) Row {
	first := Cell{Kind: "text", Text: clip(visible(name), 300), Title: clip(visible(name), 1000), Class: "main wide"}
	if sub != "" {
		first.Kind, first.Sub = "two", sub
	}
	return Row{Cells: append([]Cell{first}, statCells(s)...)}
}

// maxTraceRows bounds the rows of a table about a trace.
const maxTraceRows = 100

// stopTable has the stops of the world, and what the collector did.
func stopTable(v *v1.Trace) Table {
	t := Table{
		ID: "stops-table", Caption: "Stops of the world and the garbage collector", Columns: append([]Column{{Label: "What"}}, statColumns()...),
		Empty: State{Kind: "empty", Title: "The world was not stopped", Text: "Nothing stopped it, and the garbage collector did not run."},
	}
	for i := range v.STW {
		row := statRow("stop: "+v.STW[i].Reason, "", &v.STW[i].TraceStats)
		row.Class = "noted"
		t.Rows = append(t.Rows, row)
	}
	if v.GCAssist.Count > 0 {
		t.Rows = append(t.Rows, statRow("GC assist", percent(v.GCAssist.ShareOfRunning)+" of CPU time", &v.GCAssist.TraceStats))
	}
	for i := range v.Ranges {
		t.Rows = append(t.Rows, rangeRow(&v.Ranges[i]))
	}
	if v.Silence.Count > 0 {
		t.Rows = append(t.Rows, statRow("silence", "no event for 10 ms or longer", &v.Silence))
	}
	if v.Stall.Count > 0 {
		t.Rows = append(t.Rows, statRow("stall", "silence while goroutines ran or could run", &v.Stall))
	}
	return bounded(t)
}

func bounded(t Table) Table {
	if n := len(t.Rows); n > maxTraceRows {
		t.Rows = t.Rows[:maxTraceRows]
		t.Left = plural(uint64(n-maxTraceRows), "more is", "more are") + " in the JSON document only."
	}
	return t
}

func rangeRow(r *v1.TraceRange) Row {
	var sub []string
	if r.Open > 0 {
		sub = append(sub, count(r.Open)+" open at the end")
	}
	if r.Cut > 0 {
		sub = append(sub, count(r.Cut)+" began before")
	}
	return statRow(r.Name, strings.Join(sub, ", "), &r.TraceStats)
}

// ownTables are what the program wrote itself; those without rows are left out.
func ownTables(v *v1.Trace) []Table {
	var list []Table
	for _, c := range []struct {
		id, caption string
		ranges      []v1.TraceRange
	}{{"regions-table", "Regions", v.Regions}, {"tasks-table", "Tasks", v.Tasks}} {
		t := Table{ID: c.id, Caption: c.caption, Columns: append([]Column{{Label: "Name"}}, statColumns()...)}
		for i := range c.ranges {
			t.Rows = append(t.Rows, rangeRow(&c.ranges[i]))
		}
		list = append(list, bounded(t))
	}
	logs := Table{ID: "logs-table", Caption: "Log categories", Columns: []Column{{Label: "Category"}, {Label: "Messages", Class: "w-num num"}}}
	for _, l := range v.Logs {
		name := textCell(clip(orWord(visible(l.Name), "(none)"), 300))
		name.Class = "main"
		logs.Rows = append(logs.Rows, Row{Cells: []Cell{name, numCell(count(l.Count))}})
	}
	messages := Table{ID: "messages-table", Caption: "First log messages", Columns: []Column{
		{Label: "At", Class: "w-num num"}, {Label: "Goroutine", Class: "w-num num"}, {Label: "Category", Class: "w-name"}, {Label: "Message"},
	}}
	for _, m := range v.Messages {
		text := textCell(clip(visible(m.Message), 400))
		text.Class = "main wide"
		messages.Rows = append(messages.Rows, Row{Cells: []Cell{numCell(duration(m.AtNS)), numCell(strconv.FormatInt(m.Goroutine, 10)), textCell(clip(visible(m.Category), 100)), text}})
	}
	list = append(list, bounded(logs), bounded(messages))
	return slices.DeleteFunc(list, func(t Table) bool { return len(t.Rows) == 0 })
}

func metricTable(v *v1.Trace) Table {
	t := Table{ID: "metrics-table", Caption: "Metrics of the runtime", Columns: []Column{
		{Label: "Metric"}, {Label: "First", Class: "w-num num"}, {Label: "Last", Class: "w-num num"}, {Label: "Least", Class: "w-num num"}, {Label: "Most", Class: "w-num num"},
	}}
	for _, m := range v.Metrics {
		render := count
		if strings.HasSuffix(m.Name, ":bytes") {
			render = func(n uint64) string { return size(int64(min(n, 1<<62))) }
		}
		name := textCell(clip(visible(m.Name), 300))
		name.Class = "main wide"
		t.Rows = append(t.Rows, Row{Cells: []Cell{name, numCell(render(m.First)), numCell(render(m.Last)), numCell(render(m.Min)), numCell(render(m.Max))}})
	}
	return bounded(t)
}

func traceLeft(v *v1.Trace) []Prop {
	var list []Prop
	if v.LatencyCut > 0 {
		list = append(list, Prop{Name: "Waits that began before the trace", Value: count(v.LatencyCut)})
	}
	for _, name := range slices.Sorted(maps.Keys(v.LeftOut)) {
		list = append(list, Prop{Name: clip(visible(name), 100), Value: count(v.LeftOut[name])})
	}
	if v.HostNotSeen != "" {
		list = append(list, Prop{Name: "Samples of the host", Value: visible(v.HostNotSeen)})
	}
	return list
}
