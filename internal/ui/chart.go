package ui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// Spark is a small chart without axes: a line of counts, or marks of findings.
type Spark struct {
	// Label says in words what it shows.
	Label string
	// Line and Area are SVG paths in a box of Width by 20.
	Line, Area string
	// Marks are bars, for what is rare.
	Marks []Rect
	Width int
}

// Rect is a rectangle of an SVG.
type Rect struct {
	X, Y, W, H float64
	Class      string
	Title      string
}

const sparkHeight = 20.0

// newSpark draws values as a line, scaled to their greatest.
func newSpark(values []float64, label string) *Spark {
	s := &Spark{Label: label, Width: max(len(values)-1, 1)}
	most := greatest(values)
	if most == 0 {
		return s
	}
	var b strings.Builder
	for i, v := range values {
		op := "L"
		if i == 0 {
			op = "M"
		}
		fmt.Fprintf(&b, "%s%d %.1f", op, i, sparkHeight-1-v/most*(sparkHeight-2))
	}
	s.Line = b.String()
	s.Area = fmt.Sprintf("%sL%d %g L0 %g Z", s.Line, len(values)-1, sparkHeight, sparkHeight)
	return s
}

// newFailing draws values as a line, and as marks below it where some of them
// failed.
func newFailing(values, failed []float64, label string) *Spark {
	s := newSpark(values, label)
	most := greatest(values)
	for i, v := range failed {
		if v > 0 && most > 0 {
			h := max(v/most*(sparkHeight-2), 3)
			s.Marks = append(s.Marks, Rect{X: max(float64(i)-0.4, 0), Y: sparkHeight - h, W: 0.8, H: h, Class: "fail"})
		}
	}
	return s
}

// newMeter draws a share as a bar in a box of 100 by 3.
func newMeter(share float64, class string) *BarView {
	w := min(max(share*100, 0), 100)
	if share > 0 {
		w = max(w, 1.5)
	}
	return &BarView{Rects: []Rect{{W: w, H: 3, Class: class}}}
}

// newMarks draws values as bars: what is rare is still seen.
func newMarks(values []float64, label string) *Spark {
	s := &Spark{Label: label, Width: max(len(values), 1)}
	most := greatest(values)
	for i, v := range values {
		if v > 0 {
			h := max(v/most*(sparkHeight-2), 3)
			s.Marks = append(s.Marks, Rect{X: float64(i) + 0.1, Y: sparkHeight - h, W: 0.8, H: h, Class: "find"})
		}
	}
	return s
}

func greatest(values []float64) float64 {
	var most float64
	for _, v := range values {
		most = max(most, v)
	}
	return most
}

// window is a stretch of time cut into steps.
type window struct {
	from, to time.Time
	step     time.Duration
}

// maxSteps bounds the points of a chart.
const maxSteps = 120

// newWindow cuts from..to into steps of a round length; the edges move to
// whole steps.
func newWindow(from, to time.Time) window {
	w := window{from: from, to: to, step: stepFor(to.Sub(from))}
	w.from, w.to = from.Truncate(w.step), to.Truncate(w.step)
	if w.to.Before(to) {
		w.to = w.to.Add(w.step)
	}
	if !w.to.After(w.from) {
		w.to = w.from.Add(w.step)
	}
	return w
}

// stepFor returns the shortest round step that cuts span into at most maxSteps.
func stepFor(span time.Duration) time.Duration {
	for _, step := range []time.Duration{
		10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute,
		30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	} {
		if span <= maxSteps*step {
			return step
		}
	}
	days := span/(maxSteps*24*time.Hour) + 1
	return days * 24 * time.Hour
}

func (w window) len() int { return int(w.to.Sub(w.from) / w.step) }

// index returns the step that t falls into, and whether there is one.
func (w window) index(t time.Time) (int, bool) {
	if t.Before(w.from) || !t.Before(w.to) {
		return 0, false
	}
	return int(t.Sub(w.from) / w.step), true
}

// Chart is the one time chart: what the server draws of it, and what a script
// needs to draw more.
type Chart struct {
	// ID tells it from others of the page; Label names it.
	ID, Label string
	// Kind is "rate" or "duration".
	Kind string
	// Src is where a script gets the data; Data holds them instead in a page
	// that is kept.
	Src  string
	Data any
	// Note is a sentence about what is counted.
	Note string
	// Live is where a script hears that there are new data; empty when there
	// will be none.
	Live string
	// Asked says the axis of Data, as the parameters that they are the answer
	// to.
	Asked string
	// Top is the text at the highest value, Begin and End those of the axis.
	Top        string
	Begin, End when
	// Bars are drawn in a box of Width by 100; Shapes are the same, those of one
	// class as one path.
	Bars   []Rect
	Shapes []Line
	Width  int
	// Shades are times that are marked, in the same box; MarksFrom is the id of the
	// element in which a script finds them, empty when there are none.
	Shades    []Rect
	MarksFrom string
	Legend    []Key
	// Numbers are the same values as a table.
	Numbers Table
	// State stands in place of the chart, when it has a title.
	State State
}

// Line is a path with the class of its colour.
type Line struct{ Path, Class string }

// Key is an entry of a legend.
type Key struct{ Class, Text string }

// point is a step of a chart, over all that falls into it.
type point struct {
	count, failed, findings uint64
	p50, p99                int64
}

// points sums rollups up by step. The percentiles of several rollups in one
// step are those of the largest: percentiles do not add up.
func points(rollups []v1.Rollup, w window) []point {
	list := make([]point, w.len())
	largest := make([]uint64, len(list))
	for i := range rollups {
		r := &rollups[i]
		at, ok := w.index(time.Time(r.Time))
		if !ok {
			continue
		}
		p := &list[at]
		p.count += r.Count
		p.failed += r.Failed
		p.findings += r.Findings
		if r.Count > largest[at] {
			largest[at] = r.Count
			p.p50, p.p99 = r.P50NS, r.P99NS
		}
	}
	return list
}

// newRateChart draws how many events per second there were, and how many of
// them failed.
func newRateChart(id, label, src string, rollups []v1.Rollup, w window, now time.Time) Chart {
	list := points(rollups, w)
	c := Chart{
		ID: id, Label: label, Kind: "rate", Src: src, Width: max(len(list), 1),
		Legend: []Key{{"f-count", "ended well"}, {"f-failed", "failed"}},
	}
	var most uint64
	for _, p := range list {
		most = max(most, p.count)
	}
	for i, p := range list {
		if p.count == 0 {
			continue
		}
		all := float64(p.count) / float64(most) * 100
		failed := float64(p.failed) / float64(most) * 100
		x := float64(i) + 0.1
		c.Bars = append(c.Bars, Rect{X: x, Y: 100 - all, W: 0.8, H: all - failed, Class: "f-count"})
		if p.failed > 0 {
			failed = max(failed, 1.5)
			c.Bars = append(c.Bars, Rect{X: x, Y: 100 - failed, W: 0.8, H: failed, Class: "f-failed"})
		}
	}
	c.Top = rate(float64(most) / w.step.Seconds())
	c.axis(w, now)
	c.Numbers = numbers(id, label, list, w, now)
	if most == 0 {
		c.State = State{Kind: "empty", Title: "Nothing in this time", Text: "No event ended in the time chosen. Choose a longer one."}
	}
	return c
}

// newDurationChart draws the middle and the slow end of durations.
func newDurationChart(id, label, src string, rollups []v1.Rollup, w window, now time.Time) Chart {
	list := points(rollups, w)
	c := Chart{
		ID: id, Label: label, Kind: "duration", Src: src, Width: max(len(list), 1),
		Legend: []Key{{"f-p50", "p50: half are faster"}, {"f-p99", "p99: 99 of 100 are faster"}},
	}
	var most int64
	for _, p := range list {
		most = max(most, p.p99, p.p50)
	}
	for i, p := range list {
		if p.count == 0 || most == 0 {
			continue
		}
		x := float64(i) + 0.1
		slow, half := float64(p.p99)/float64(most)*100, float64(p.p50)/float64(most)*100
		c.Bars = append(c.Bars,
			Rect{X: x, Y: 100 - slow, W: 0.8, H: max(slow, 1), Class: "f-p99"},
			Rect{X: x, Y: 100 - half, W: 0.8, H: max(half, 1), Class: "f-p50"})
	}
	c.Top = duration(most)
	c.axis(w, now)
	c.Numbers = numbers(id, label, list, w, now)
	if most == 0 {
		c.State = State{Kind: "empty", Title: "Nothing in this time", Text: "No event with a duration ended in the time chosen."}
	}
	return c
}

// shapes joins bars of one class to one path: a page has hundreds.
func shapes(bars []Rect) []Line {
	var order []string
	paths := make(map[string]*strings.Builder)
	for _, r := range bars {
		b := paths[r.Class]
		if b == nil {
			b = new(strings.Builder)
			paths[r.Class], order = b, append(order, r.Class)
		}
		fmt.Fprintf(b, "M%s %sh%sv%sh-%sz", coordinate(r.X), coordinate(r.Y), coordinate(r.W), coordinate(r.H), coordinate(r.W))
	}
	var list []Line
	for _, class := range order {
		list = append(list, Line{Path: paths[class].String(), Class: class})
	}
	return list
}

// coordinate renders a number of a path: a tenth of a unit is less than a pixel.
func coordinate(f float64) string {
	return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64)
}

func (c *Chart) axis(w window, now time.Time) {
	c.Shapes = shapes(c.Bars)
	c.Asked = "?" + v1.RollupQuery{From: v1.Moment{At: w.from}, To: v1.Moment{At: w.to}, Step: w.step}.Values().Encode()
	c.Begin, c.End = newDay(v1.Time(w.from), now), newDay(v1.Time(w.to), now)
}

// numbers is a chart as a table, without the steps in which nothing happened.
func numbers(id, label string, list []point, w window, now time.Time) Table {
	t := Table{
		ID: id + "-numbers", Caption: label + ", as numbers",
		Columns: []Column{
			{Label: "From", Class: "w-time"}, {Label: "Count", Class: "num"}, {Label: "Failed", Class: "num"},
			{Label: "Findings", Class: "num"}, {Label: "p50", Class: "num"}, {Label: "p99", Class: "num"},
		},
	}
	for i, p := range list {
		if p.count == 0 {
			continue
		}
		at := v1.Time(w.from.Add(time.Duration(i) * w.step))
		t.Rows = append(t.Rows, Row{Cells: []Cell{
			{Kind: "time", When: newDay(at, now), Class: "main"}, numCell(count(p.count)), numCell(count(p.failed)),
			numCell(count(p.findings)), numCell(duration(p.p50)), numCell(duration(p.p99)),
		}})
	}
	return t
}
