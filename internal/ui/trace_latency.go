package ui

import (
	"fmt"
	"math"
	"strings"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// TraceLatency is how long goroutines waited for a P.
type TraceLatency struct {
	Classes []TraceClass
	Table   Table
	// Said puts the waits into the context of the Ps; Cut says what is not counted.
	Said, Cut string
}

// TraceClass is the distribution of one class.
type TraceClass struct {
	Label, After, Summary string
	Plot                  TracePlot
}

// TracePlot is a distribution over a logarithmic axis.
type TracePlot struct {
	// Path is in a box of 100 by 100.
	Path string
	// Label says it in words.
	Label string
	// P50 and P99 are where the marks are, as percentages; empty for none.
	P50, P99 string
	Ticks    []TraceTick
}

// traceAxis is the logarithmic axis that all distributions of a page share, so that
// they can be compared: whole decades of ns.
type traceAxis struct{ low, high float64 }

// binsPerDecade cuts an axis: a bin is 26 % wide, wider than a bucket of the analysis.
const binsPerDecade = 10

// newTraceAxis spans all distributions. What is shorter than 100 ns is at its
// beginning: clocks of traces are hardly finer.
func newTraceAxis(v *v1.Trace) traceAxis {
	low, high := math.Inf(1), 0.0
	for _, list := range v.Distributions {
		for _, b := range list {
			if b.Count > 0 {
				low, high = min(low, float64(b.FromNS)), max(high, float64(b.ToNS))
			}
		}
	}
	if high <= 0 {
		return traceAxis{2, 9}
	}
	a := traceAxis{math.Floor(math.Log10(max(low, 100))), math.Ceil(math.Log10(max(high, 1000)))}
	a.high = max(a.high, a.low+1)
	return a
}

func (a traceAxis) bins() int { return int(math.Round((a.high - a.low) * binsPerDecade)) }

// at returns where a duration is, from 0 to 1.
func (a traceAxis) at(ns float64) float64 {
	if ns <= 0 {
		return 0
	}
	return min(max((math.Log10(ns)-a.low)/(a.high-a.low), 0), 1)
}

// ticks marks the decades, and names every other one of many.
func (a traceAxis) ticks() []TraceTick {
	const named = 4
	var list []TraceTick
	for d := a.low; d <= a.high; d++ {
		t := TraceTick{At: percentage((d - a.low) / (a.high - a.low)), Text: duration(int64(math.Pow(10, d))), Anchor: "middle"}
		switch d {
		case a.low:
			t.Anchor = "start"
		case a.high:
			t.Anchor = "end"
		}
		if a.high-a.low > named && len(list)%2 == 1 {
			t.Text = ""
		}
		list = append(list, t)
	}
	return list
}

// plot draws buckets. The count of a bucket that several bins share is spread evenly
// over them.
func (a traceAxis) plot(buckets []v1.TraceBucket, p50, p99 int64, label string) TracePlot {
	n := a.bins()
	sums := make([]float64, n)
	for _, b := range buckets {
		if b.Count == 0 {
			continue
		}
		from := a.at(float64(b.FromNS)) * float64(n)
		to := max(a.at(float64(b.ToNS))*float64(n), from)
		if to-from < 1e-9 {
			sums[min(int(from), n-1)] += float64(b.Count)
			continue
		}
		for i := int(from); i < n && float64(i) < to; i++ {
			part := min(to, float64(i+1)) - max(from, float64(i))
			sums[i] += float64(b.Count) * part / (to - from)
		}
	}
	plot := TracePlot{Label: label, Ticks: a.ticks()}
	most := greatest(sums)
	var b strings.Builder
	width := 100 / float64(n)
	for i, v := range sums {
		if v > 0 {
			h := max(v/most*100, 1.5)
			fmt.Fprintf(&b, "M%.2f 100v-%sh%.2fV100z", float64(i)*width, coordinate(h), width*0.92)
		}
	}
	plot.Path = b.String()
	if most > 0 {
		plot.P50, plot.P99 = percentage(a.at(float64(p50))), percentage(a.at(float64(p99)))
	}
	return plot
}

func newTraceLatency(v *v1.Trace, axis traceAxis) TraceLatency {
	l := TraceLatency{Table: Table{
		ID: "latency-table", Caption: "Waits for a P, by class", Columns: append([]Column{{Label: "Class"}}, statColumns()...),
	}}
	for _, c := range traceClasses(&v.Latency) {
		row := statRow(c.Label, c.After, &c.Stats)
		l.Table.Rows = append(l.Table.Rows, row)
		if c.Stats.Count == 0 {
			continue
		}
		summary := fmt.Sprintf("%s, p50 %s, p99 %s", plural(c.Stats.Count, "wait", "waits"), duration(c.Stats.P50NS), duration(c.Stats.P99NS))
		l.Classes = append(l.Classes, TraceClass{
			Label: c.Label, After: c.After, Summary: summary,
			Plot: axis.plot(v.Distributions[c.Key], c.Stats.P50NS, c.Stats.P99NS, "Distribution of "+c.Label+": "+summary),
		})
	}
	p := &v.Procs
	if v.DurationNS > 0 && p.RunnableNS > 0 {
		part := func(ns int64) string { return percent(float64(ns) / float64(p.RunnableNS)) }
		l.Said = fmt.Sprintf("A goroutine waited for %s of the time. For %s of that no P was idle, for %s one was, for 1 ms or longer at a time (%s).",
			percent(float64(p.RunnableNS)/float64(v.DurationNS)), part(p.SaturatedNS), part(p.LongIdlingNS), plural(p.LongIdlings, "time", "times"))
	}
	if v.LatencyCut > 0 {
		l.Cut = plural(v.LatencyCut, "wait", "waits") + " had begun before the trace, and are not counted."
	}
	return l
}
