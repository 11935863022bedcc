package ui

import (
	"fmt"
	"math"
	"math/bits"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// Heatmap is the one heatmap: how many events of each duration there were, over
// time.
type Heatmap struct {
	// ID tells it from others of the page; Label names it.
	ID, Label string
	// Src, Data, Live and Asked are as in a [Chart].
	Src   string
	Data  any
	Live  string
	Asked string
	// Select is the address of the list of events to which a script adds the
	// time and the duration that were selected; the answer replaces the element
	// with the id "slowest". Empty when nothing can be selected.
	Select string
	// Shades are drawn in a box of Width by Height, one path for all cells of a
	// shade; Top and Bottom are the texts of the durations at its edges, Begin
	// and End those of the times.
	Shades        []Line
	Width, Height int
	Top, Bottom   string
	Begin, End    when
	// Summary says in a sentence what it shows.
	Summary string
	// Numbers are the durations of the whole time as a table.
	Numbers Table
	// Noun is what one of its events is called; empty is a request. Limit is a
	// duration that is marked, in nanoseconds; 0 is none. LimitText says it, and
	// LimitPath marks it in the server's drawing.
	Noun                 string
	Limit                int64
	LimitText, LimitPath string
	// State stands in place of the heatmap, when it has a title.
	State State
}

// heatLevels is how many shades the server's drawing has.
const heatLevels = 6

// bandOf returns which band of durations a bucket falls into: two double the
// duration.
func bandOf(ns int64) int {
	n := uint64(max(ns, 1))
	high := bits.Len64(n)
	if high > 1 && n >= 3<<(high-2) {
		return 2*high + 1
	}
	return 2 * high
}

// bandBegin returns the shortest duration of a band.
func bandBegin(band int) int64 {
	high := band / 2
	if band%2 == 0 || high < 2 {
		return 1 << max(high-1, 0)
	}
	return 3 << (high - 2)
}

// bands are counts by step and band.
type bands struct {
	low, high int // the bands that have any, high included
	counts    map[[2]int]uint64
	most      uint64
	total     uint64
}

func newBands(rollups []v1.Rollup, w window) bands {
	b := bands{low: math.MaxInt, counts: make(map[[2]int]uint64)}
	for i := range rollups {
		step, ok := w.index(time.Time(rollups[i].Time))
		if !ok {
			continue
		}
		for _, bucket := range rollups[i].Buckets {
			band := bandOf(bucket.LowNS)
			at := [2]int{step, band}
			b.counts[at] += bucket.Count
			b.most = max(b.most, b.counts[at])
			b.total += bucket.Count
			b.low, b.high = min(b.low, band), max(b.high, band)
		}
	}
	return b
}

// newHeatmap draws rollups that have buckets.
func newHeatmap(id, label, src string, rollups []v1.Rollup, w window, now time.Time) Heatmap {
	b := newBands(rollups, w)
	h := Heatmap{ID: id, Label: label, Src: src, Width: max(w.len(), 1), Height: 1}
	h.Asked = "?" + v1.RollupQuery{From: v1.Moment{At: w.from}, To: v1.Moment{At: w.to}, Step: w.step}.Values().Encode()
	h.Begin, h.End = newDay(v1.Time(w.from), now), newDay(v1.Time(w.to), now)
	if b.total == 0 {
		h.State = State{Kind: "empty", Title: "Nothing in this time", Text: "No request ended in the time chosen."}
		return h
	}
	h.Height = b.high - b.low + 1
	h.Top, h.Bottom = duration(bandBegin(b.high+1)), duration(bandBegin(b.low))
	h.Shades = b.shades(h.Width)
	h.Summary = fmt.Sprintf("%s, %s to %s", plural(b.total, "request", "requests"), h.Bottom, h.Top)
	h.Numbers = b.numbers(id, label)
	return h
}

// mark marks a duration, which is then within what is drawn. The arguments are
// those of the heatmap.
func (h *Heatmap) mark(ns int64, rollups []v1.Rollup, w window) {
	b := newBands(rollups, w)
	if ns <= 0 || b.total == 0 {
		return
	}
	band := bandOf(ns)
	b.low, b.high = min(b.low, band), max(b.high, band)
	begin, end := bandBegin(band), bandBegin(band+1)
	at := float64(b.high-band) + 1 - float64(ns-begin)/float64(end-begin)
	h.Limit, h.LimitText = ns, duration(ns)
	h.LimitPath = fmt.Sprintf("M0 %.2fh%d", at, h.Width)
	h.Height = b.high - b.low + 1
	h.Top, h.Bottom = duration(bandBegin(b.high+1)), duration(bandBegin(b.low))
	h.Shades = b.shades(h.Width)
}

// name says what its events are called, where they are no requests.
func (h *Heatmap) name(many string) {
	h.Summary = strings.Replace(h.Summary, "requests", many, 1)
	h.State.Text = strings.Replace(h.State.Text, "request", strings.TrimSuffix(many, "s"), 1)
	for i := range h.Numbers.Columns {
		if c := &h.Numbers.Columns[i]; c.Label == "Requests" {
			c.Label = strings.ToUpper(many[:1]) + many[1:]
		}
	}
}

// heatLevel returns the shade of a count, from 1 on: its logarithm counts, so
// that what is rare is seen.
func heatLevel(n, most uint64) int {
	if most <= 1 {
		return heatLevels
	}
	return 1 + int(math.Round(math.Log(float64(n))/math.Log(float64(most))*(heatLevels-1)))
}

// shades draws the cells: those of one shade side by side are one rectangle.
func (b *bands) shades(steps int) []Line {
	var paths [heatLevels]strings.Builder
	for band := b.high; band >= b.low; band-- {
		for step := 0; step < steps; {
			level, run := b.level(step, band), 1
			for step+run < steps && b.level(step+run, band) == level {
				run++
			}
			if level > 0 {
				fmt.Fprintf(&paths[level-1], "M%d %dh%dv1h-%dz", step, b.high-band, run, run)
			}
			step += run
		}
	}
	var list []Line
	for i := range paths {
		if paths[i].Len() > 0 {
			list = append(list, Line{Path: paths[i].String(), Class: fmt.Sprintf("h%d", i+1)})
		}
	}
	return list
}

func (b *bands) level(step, band int) int {
	if n := b.counts[[2]int{step, band}]; n > 0 {
		return heatLevel(n, b.most)
	}
	return 0
}

// numbers is how the durations of the whole time are distributed.
func (b *bands) numbers(id, label string) Table {
	t := Table{
		ID: id + "-numbers", Caption: label + ", as numbers",
		Columns: []Column{
			{Label: "From"}, {Label: "Below"}, {Label: "Requests", Class: "num"}, {Label: "Share", Class: "num"},
			{Label: "Faster than this", Class: "num", Title: "The share of all that took less than the end of the row"},
		},
	}
	var sum uint64
	for band := b.low; band <= b.high; band++ {
		var n uint64
		for at, count := range b.counts {
			if at[1] == band {
				n += count
			}
		}
		if sum += n; n == 0 {
			continue
		}
		t.Rows = append(t.Rows, Row{Cells: []Cell{
			{Kind: "text", Text: duration(bandBegin(band)), Class: "main"}, textCell(duration(bandBegin(band + 1))), numCell(count(n)),
			numCell(percent(float64(n) / float64(b.total))), numCell(percent(float64(sum) / float64(b.total))),
		}})
	}
	return t
}
