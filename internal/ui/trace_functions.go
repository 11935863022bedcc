package ui

import (
	"fmt"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

// TraceFunction is a row about the goroutines of one entry function, which opens.
type TraceFunction struct {
	// Path is the folder of its package, Name the rest, Title the whole.
	Path, Name, Title string
	// Columns are its numbers, in the order of traceFunctionColumns.
	Columns []TraceNumber
	// Uses are how its goroutines spent their time.
	Uses []Prop
	// Waits are its latencies by class; without waits it has no rows.
	Waits Table
	Plot  TracePlot
}

// TraceNumber is a number that rows are sorted by.
type TraceNumber struct {
	Label, Text string
	// Value is what it is sorted by.
	Value int64
}

// maxTraceFunctions bounds the rows, hence the elements of the page.
const maxTraceFunctions = 120

func newTraceFunctions(v *v1.Trace, axis traceAxis) (list []TraceFunction, left string) {
	for i := range v.Functions {
		if i == maxTraceFunctions {
			left = plural(uint64(len(v.Functions)-i), "function that waited less is", "functions that waited less are") + " in the JSON document only."
			break
		}
		list = append(list, newTraceFunction(&v.Functions[i], axis, i))
	}
	return list, left
}

func newTraceFunction(f *v1.TraceFunction, axis traceAxis, i int) TraceFunction {
	all := &f.Waits
	short := model.ShortFunction(f.Name)
	path := f.Name[:max(len(f.Name)-len(short), 0)]
	row := TraceFunction{
		Path: clip(visible(path), 100), Name: clip(visible(short), 200), Title: clip(visible(f.Name), 1000),
		Columns: []TraceNumber{
			{"Goroutines", count(f.Goroutines), int64(min(f.Goroutines, 1<<62))}, {"On CPU", duration(f.RunningNS), f.RunningNS},
			{"Waited for a P", duration(all.TotalNS), all.TotalNS}, {"p99", duration(all.P99NS), all.P99NS}, {"Longest", duration(all.MaxNS), all.MaxNS},
		},
		Uses: []Prop{
			{Name: "Running", Value: duration(f.RunningNS)}, {Name: "Waiting, blocked", Value: duration(f.WaitingNS)}, {Name: "In system calls", Value: duration(f.SyscallNS)},
			{Name: "GC assist", Value: duration(f.AssistNS)},
			{Name: "Goroutines", Value: count(f.Goroutines), Sub: fmt.Sprintf("%s created, %s ended in the trace", count(f.Created), count(f.Ended))},
		},
		Waits: Table{ID: fmt.Sprintf("function-%d", i), Caption: "Waits for a P of " + clip(visible(f.Name), 200), Columns: append([]Column{{Label: "Class"}}, statColumns()...)},
	}
	for _, c := range traceClasses(&f.Latency) {
		if c.Stats.Count > 0 {
			row.Waits.Rows = append(row.Waits.Rows, statRow(c.Label, "", &c.Stats))
		}
	}
	if len(f.Distribution) > 0 {
		row.Plot = axis.plot(f.Distribution, all.P50NS, all.P99NS, "Distribution of the waits of "+row.Name)
	}
	return row
}
