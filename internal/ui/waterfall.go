package ui

import (
	"net/url"
	"path"
	"slices"
	"strings"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/change/upgrades"
)

// Waterfall is the one waterfall: a table that is whole without a script, and
// what a script needs to draw it better.
type Waterfall struct {
	// ID tells it from others of the page; Label names it.
	ID, Label string
	// Src is where a script gets the data; Data holds them instead in a page
	// that is kept.
	Src  string
	Data any
	// Span is the length of the axis.
	Span  string
	Table Table
	// Left says how many bars the table does not show.
	Left string
	// Incomplete says what is not shown at all.
	Incomplete []string
	Legend     []Key
	State      State
}

// BarView is a bar of the waterfall's table, in a box of 1000 by 10.
type BarView struct {
	Label string
	Rects []Rect
	// Failed marks its end.
	Failed bool
	EndX   float64
}

// maxFallback bounds the rows of the table: a script draws the rest.
const maxFallback = 200

func partLegend(w v1.Waterfall) []Key {
	if slices.ContainsFunc(w.Bars, func(b v1.Bar) bool { return b.Kind == kindProcess }) {
		return upgradeLegend(slices.DeleteFunc(upgradeParts(), func(kind string) bool { return !hasPart(w.Bars, kind) })...)
	}
	list := []Key{
		{"f-cpu", "on CPU"}, {"f-run_delay", "ready, waiting for a CPU"}, {"f-pipe", "blocked on a full pipe"},
		{"f-wait", "waiting"}, {"f-zombie", "ended, not waited for"}, {"f-unknown", "not accounted for"},
	}
	if slices.ContainsFunc(w.Bars, func(b v1.Bar) bool { return b.Kind == kindRequest }) {
		list = append([]Key{{"f-own", "its own code"}, {"f-below", "in what is below"}}, list...)
	}
	return list
}

// upgradeParts are the parts of an upgrade, each before those that may follow it in a bar.
func upgradeParts() []string {
	return []string{partOld, upgrades.KindSpawn, upgrades.KindWarm, upgrades.KindHandOver, upgrades.KindProbation, upgrades.KindDrain, partNew}
}

func hasPart(bars []v1.Bar, kind string) bool {
	return slices.ContainsFunc(bars, func(b v1.Bar) bool {
		return slices.ContainsFunc(b.Parts, func(p v1.Part) bool { return p.Kind == kind && p.NS > 0 })
	})
}

// newWaterfall lays the bars out on an axis from the first start to the last
// end. The bar with the id current is marked.
func newWaterfall(id, label, src string, w v1.Waterfall, current string) Waterfall {
	view := Waterfall{ID: id, Label: label, Src: src, Incomplete: w.Incomplete, Legend: partLegend(w)}
	from, to := extent(w.Bars)
	view.Span = duration(to - from)
	what := "Command"
	if slices.ContainsFunc(w.Bars, func(b v1.Bar) bool { return b.Kind == kindRequest || b.Kind == kindCall || b.Kind == kindProcess }) {
		what = "What"
	}
	view.Table = Table{
		ID: id + "-table", Caption: label,
		Columns: []Column{
			{Label: what}, {Label: "Outcome", Class: "w-outcome"}, {Label: "Duration", Class: "w-num num"},
			{Label: "0 s to " + view.Span, Class: "w-bar"},
		},
		Empty: State{Kind: "empty", Title: "No commands here", Text: "Nothing matches the filter in this time."},
	}
	below := childrenOf(w.Bars)
	for i := range w.Bars {
		if i == maxFallback {
			view.Left = plural(uint64(len(w.Bars)-i), "more command is", "more commands are") + " in the drawing only, which needs a script."
			break
		}
		view.Table.Rows = append(view.Table.Rows, barRow(&w.Bars[i], below[i], from, to, current))
	}
	return view
}

// extent is where the axis of the table begins and ends, in nanoseconds after
// the waterfall's From.
func extent(bars []v1.Bar) (from, to int64) {
	for i := range bars {
		b := &bars[i]
		end := b.StartNS + b.DurationNS
		for _, p := range b.Parts {
			if p.Kind == "zombie" {
				end += p.NS
			}
		}
		if i == 0 {
			from, to = b.StartNS, end
		}
		from, to = min(from, b.StartNS), max(to, end)
	}
	return from, max(to, from+1)
}

// childrenOf returns the children of each bar, as they are displayed.
func childrenOf(bars []v1.Bar) [][]*v1.Bar {
	list := make([][]*v1.Bar, len(bars))
	for i := range bars {
		if p := bars[i].Parent; p >= 0 && p < i {
			list[p] = append(list[p], &bars[i])
		}
	}
	return list
}

// drawGaps draws when a request had its time for itself, or a call waited, and
// a thin bar where something below it went on.
func (v *BarView) drawGaps(b *v1.Bar, children []*v1.Bar, from int64, scale func(ns int64) float64) {
	class := "f-own"
	if b.Kind != kindRequest {
		class = "f-wait"
	}
	end := b.StartNS + b.DurationNS
	v.Rects = append(v.Rects, Rect{X: scale(b.StartNS - from), Y: 3.5, W: scale(b.DurationNS), H: 3, Class: "f-below"})
	gap := func(begin, end int64) {
		if end > begin {
			v.Rects = append(v.Rects, Rect{X: scale(begin - from), W: scale(end - begin), H: 10, Class: class})
		}
	}
	reached := b.StartNS
	for _, c := range children {
		gap(reached, min(c.StartNS, end))
		reached = max(reached, c.StartNS+c.DurationNS)
	}
	gap(reached, end)
}

func barRow(b *v1.Bar, children []*v1.Bar, from, to int64, current string) Row {
	scale := func(ns int64) float64 { return float64(ns) / float64(to-from) * 1000 }
	view := &BarView{Label: duration(b.DurationNS) + " from " + duration(b.StartNS-from), Failed: b.Failed}
	x := scale(b.StartNS - from)
	rest := b.DurationNS
	for _, kind := range append([]string{"cpu", "run_delay", "pipe", "wait"}, upgradeParts()...) {
		for _, p := range b.Parts {
			if p.Kind == kind && p.NS > 0 && rest > 0 {
				ns := min(p.NS, rest)
				rest -= ns
				view.Rects = append(view.Rects, Rect{X: x, W: scale(ns), H: 10, Class: "f-" + kind})
				x += scale(ns)
			}
		}
	}
	switch {
	case len(b.Parts) == 0 && (b.Kind == kindRequest || b.Kind == kindCall || b.Kind == kindConnection):
		view.drawGaps(b, children, from, scale)
		x += scale(rest)
		if b.Kind == kindRequest && b.SelfNS < b.DurationNS {
			view.Label += ", " + duration(b.SelfNS) + " of it its own"
		}
	case rest > 0:
		view.Rects = append(view.Rects, Rect{X: x, W: scale(rest), H: 10, Class: "f-unknown"})
		x += scale(rest)
	}
	for _, p := range b.Parts {
		if p.Kind == "zombie" && p.NS > 0 {
			view.Rects = append(view.Rects, Rect{X: x, Y: 3, W: scale(p.NS), H: 4, Class: "f-zombie"})
			x += scale(p.NS)
		}
	}
	widen(view)
	view.EndX = min(x, 996)
	o := barOutcome(b)
	took := numCell(duration(b.DurationNS))
	took.Title = "by itself " + duration(b.SelfNS)
	name := Cell{Kind: "tree", Text: visible(b.Label), Title: clip(visible(b.Detail), 2000), Sub: clip(visible(beyond(b)), 200), Href: b.Href, Class: "main", Spark: &Spark{Width: min(b.Depth, 12) * 14}}
	row := Row{Cells: []Cell{
		name, {Kind: "outcome", Outcome: o}, took, {Kind: "bars", Bar: view, Class: "wide spark-cell"},
	}}
	if b.ID != "" && b.ID == current {
		row.Class = "current"
	}
	return row
}

func barOutcome(b *v1.Bar) Outcome {
	switch {
	case b.Failed:
		return Outcome{"bad", "fail", orWord(b.Outcome, "failed"), b.Outcome}
	case b.Outcome != "":
		return Outcome{"ok", "ok", b.Outcome, b.Outcome}
	}
	return Outcome{"neutral", "", b.Outcome, b.Outcome}
}

// beyond is what the detail says more than the label: the arguments, when it
// begins with the command itself.
func beyond(b *v1.Bar) string {
	first, rest, _ := strings.Cut(b.Detail, " ")
	if b.Detail == b.Label || first == b.Label || path.Base(first) == b.Label {
		return " " + strings.TrimPrefix(rest, b.Label+" ")
	}
	return " " + b.Detail
}

// widen gives a bar that would not be seen a width.
func widen(view *BarView) {
	const least = 2.5
	if len(view.Rects) == 0 {
		return
	}
	first, last := view.Rects[0], &view.Rects[len(view.Rects)-1]
	if have := last.X + last.W - first.X; have < least {
		last.W += least - have
	}
}

// waterfallSrc is where a script gets the waterfall of a filter.
func waterfallSrc(q v1.EventQuery, root string) string {
	q.Order, q.After, q.Limit = v1.OrderNewest, "", 0
	values := q.Values()
	if root != "" {
		values.Set("root", root)
	}
	return encode("/api/v1/waterfall", values)
}

func encode(path string, values url.Values) string {
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}
