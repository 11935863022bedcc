package ui

import (
	"fmt"
	"math"
	"strings"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// TraceTimeline is what goroutines and Ps did over the time of a trace.
type TraceTimeline struct {
	// Width is the number of bins; each drawing is in a box of Width by 100.
	Width int
	// Waiting is what waits for a P, with all goroutines as a line; Ps is what runs, and
	// idle Ps. They have scales of their own: hundreds may wait for a few Ps.
	Waiting, Ps TraceStage
	// Goroutines is at the height of the box for the line of all goroutines.
	Goroutines string
	// Bands shade the bins that were mostly GC, a stop of the world or silence.
	Bands []Line
	// Lanes show each of them as its share of the bins, in a box of Width by 10.
	Lanes  []TraceLane
	Ticks  []TraceTick
	Legend []Key
	Label  string
	// Data are for a script that shows the values under the pointer.
	Data v1.TraceTimeline
}

// TraceStage is a drawing with stacked areas and lines above them.
type TraceStage struct {
	Layers, Lines []Line
	// Top is at the height of its box.
	Top string
}

// TraceLane is a strip of the timeline.
type TraceLane struct{ Label, Class, Path string }

// TraceTick is a mark of an axis, at a share of its length.
type TraceTick struct {
	// At is a percentage with its sign.
	At, Text string
	// Anchor is how the text lies to the mark: start, middle or end.
	Anchor string
}

func newTraceTimeline(v *v1.Trace) TraceTimeline {
	l := &v.Timeline
	n := len(l.Running)
	if n == 0 || l.WidthNS <= 0 {
		return TraceTimeline{}
	}
	t := TraceTimeline{
		Width: n, Data: *l, Ticks: timeTicks(float64(n) * float64(l.WidthNS)),
		Waiting: newTraceStage(n, []traceRow{{"t-runnable", l.Runnable}}, nil),
		Ps:      newTraceStage(n, []traceRow{{"t-running", l.Running}, {"t-syscall", l.InSyscall}}, []traceRow{{"t-idle", l.IdlePs}}),
		Legend: []Key{
			{"t-runnable", "waiting for a P"}, {"t-all", "all goroutines (right)"}, {"t-running", "running"}, {"t-syscall", "in a system call"}, {"t-idle", "idle Ps"},
			{"t-gc", "GC"}, {"t-stw", "world stopped"}, {"t-silence", "silence"},
		},
	}
	goroutines := make([]float64, n)
	for i := range goroutines {
		if i < len(l.MaxGoroutines) {
			goroutines[i] = float64(max(l.MaxGoroutines[i], 0))
		}
	}
	all := greatest(goroutines)
	t.Goroutines = axisTop(all)
	t.Waiting.Lines = []Line{{stepPath(goroutines, n, all), "t-all"}}
	t.Label = fmt.Sprintf("Goroutines and Ps over %s: at most %s wait for a P, %s run, of %s", duration(v.DurationNS), t.Waiting.Top, t.Ps.Top, t.Goroutines)
	for _, lane := range []struct {
		label, class string
		values       []float64
	}{{"GC", "t-gc", l.GC}, {"STW", "t-stw", l.STW}, {"silence", "t-silence", l.Silence}} {
		t.Lanes = append(t.Lanes, TraceLane{lane.label, lane.class, lanePath(lane.values, n)})
		if path := bandPath(lane.values, n); path != "" {
			t.Bands = append(t.Bands, Line{path, lane.class})
		}
	}
	return t
}

// traceRow is a value for each bin, and the class of its colour.
type traceRow struct {
	class  string
	values []float64
}

// newTraceStage stacks areas, and draws lines to the same scale.
func newTraceStage(n int, areas, lines []traceRow) TraceStage {
	sums := [][]float64{make([]float64, n)}
	most := 0.0
	for _, area := range areas {
		sum := make([]float64, n)
		for i := range sum {
			sum[i] = sums[len(sums)-1][i] + valueAt(area.values, i)
		}
		sums, most = append(sums, sum), max(most, greatest(sum))
	}
	for _, line := range lines {
		for i := range n {
			most = max(most, valueAt(line.values, i))
		}
	}
	stage := TraceStage{Top: axisTop(most)}
	for k, area := range areas {
		stage.Layers = append(stage.Layers, Line{areaPath(sums[k], sums[k+1], most), area.class})
	}
	for _, line := range lines {
		stage.Lines = append(stage.Lines, Line{stepPath(line.values, n, most), line.class})
	}
	return stage
}

func valueAt(values []float64, i int) float64 {
	if i >= len(values) || math.IsNaN(values[i]) || math.IsInf(values[i], 0) {
		return 0
	}
	return max(values[i], 0)
}

func axisTop(most float64) string {
	if most >= 10 {
		return grouped(int64(math.Ceil(most)))
	}
	return significant(most)
}

// height is where a value is in a box of 100.
func height(v, most float64) string {
	if most <= 0 {
		return "100"
	}
	return coordinate(100 - v/most*98)
}

// areaPath draws the area between two rows of steps.
func areaPath(below, above []float64, most float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "M0 %s", height(above[0], most))
	for i, v := range above {
		fmt.Fprintf(&b, "V%sH%d", height(v, most), i+1)
	}
	for i := len(below) - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "V%sH%d", height(below[i], most), i)
	}
	b.WriteByte('Z')
	return b.String()
}

// stepPath draws a line of steps.
func stepPath(values []float64, n int, most float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "M0 %s", height(valueAt(values, 0), most))
	for i := range n {
		fmt.Fprintf(&b, "V%sH%d", height(valueAt(values, i), most), i+1)
	}
	return b.String()
}

// lanePath draws shares as bars; what is above 0 is seen.
func lanePath(values []float64, n int) string {
	var b strings.Builder
	for i := range n {
		if share := min(valueAt(values, i), 1); share > 0 {
			h := max(share*10, 2)
			fmt.Fprintf(&b, "M%d 10v-%sh1V10z", i, coordinate(h))
		}
	}
	return b.String()
}

// bandPath shades the bins of which a half or more is covered.
func bandPath(values []float64, n int) string {
	var b strings.Builder
	for i := 0; i < n; i++ {
		from := i
		for i < n && valueAt(values, i) >= 0.5 {
			i++
		}
		if i > from {
			fmt.Fprintf(&b, "M%d 0H%dV100H%dz", from, i, from)
		}
	}
	return b.String()
}

// timeTicks returns up to seven marks at round times of an axis of some ns.
func timeTicks(length float64) []TraceTick {
	if length <= 0 {
		return nil
	}
	step := math.Pow(10, math.Floor(math.Log10(length)))
	for _, f := range []float64{0.1, 0.2, 0.5, 1, 2} {
		if length/(step*f) <= 7 {
			step *= f
			break
		}
	}
	var list []TraceTick
	for at := 0.0; at <= length*0.97; at += step {
		tick := TraceTick{At: percentage(at / length), Text: duration(int64(at)), Anchor: "middle"}
		if at == 0 {
			tick.Anchor, tick.Text = "start", "0"
		}
		list = append(list, tick)
	}
	return list
}

// percentage renders a share as a length of SVG.
func percentage(share float64) string { return coordinate(share*100) + "%" }
