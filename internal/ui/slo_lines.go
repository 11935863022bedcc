package ui

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// Lines is a chart of numbers over time that the server has computed: what it
// draws itself, and the same for a script to draw more of.
type Lines struct {
	// ID tells it from others of the page; Label names it.
	ID, Label string
	// Data are what a script draws. With Apart they are elsewhere in the page, in
	// a block that is brought up to date.
	Data  LinesData
	Apart bool
	// Note is a sentence below.
	Note string
	// Shades are times that are marked, Shapes the lines, Marks the values that
	// are: in a box of 1000 by 100.
	Shades []Rect
	Shapes []Line
	Marks  []Line
	// Top and Bottom are the texts at the edges, Begin and End those of the times.
	Top, Bottom string
	Begin, End  when
	Legend      []Key
	// Numbers are the same as a table.
	Numbers Table
	// State stands in place of the chart, when it has a title.
	State State
}

// LinesData is what goshawk-lines draws. It goes from the page to its own script
// and is nobody else's: the API has the history.
type LinesData struct {
	// Unit is "percent", "times" or "rate".
	Unit string
	// From and To are the ends of the axis of time, in seconds since 1970.
	From float64
	To   float64
	// Low and High are those of the values. Bend, if not 0, is the value from which
	// on the axis is a logarithm.
	Low  float64
	High float64
	Bend float64
	// Steps says that a value holds until the next time.
	Steps  bool
	Times  []float64
	Lines  []LineData
	Marks  []MarkData
	Shades []ShadingData
}

// LineData is a line. Look names its colour and dashes; a value may be missing.
type LineData struct {
	Look   string
	Text   string
	Values []*float64
}

// MarkData is a value that is marked.
type MarkData struct {
	Look string
	Text string
	At   float64
}

// ShadingData is a time that is marked.
type ShadingData struct {
	Look string
	Text string
	From float64
	To   float64
}

// linesWidth and linesHeight are the box of the server's drawing.
const (
	linesWidth  = 1000.0
	linesHeight = 100.0
)

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// short rounds a number of a drawing, which is a third of it less to send.
func short(f float64) *float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	if math.Abs(f) < 1e-9 {
		f = 0
	} else {
		scale := math.Pow(10, 5-math.Ceil(math.Log10(math.Abs(f))))
		f = math.Round(f*scale) / scale
	}
	return &f
}

// text renders a value of the chart.
func (d *LinesData) text(v float64) string {
	switch d.Unit {
	case "percent":
		return budgetText(v)
	case "times":
		return timesText(v)
	}
	return rate(v)
}

// x and y place a time and a value in the server's drawing.
func (d *LinesData) x(at float64) float64 {
	return min(max((at-d.From)/max(d.To-d.From, 1e-9), 0), 1) * linesWidth
}

func (d *LinesData) y(v float64) float64 {
	bend := func(v float64) float64 {
		if d.Bend > 0 {
			return math.Asinh(v / d.Bend)
		}
		return v
	}
	low, high := bend(d.Low), bend(d.High)
	return linesHeight - min(max((bend(v)-low)/max(high-low, 1e-9), 0), 1)*linesHeight
}

// newLines draws data.
func newLines(id, label string, d LinesData, now time.Time) Lines {
	at := func(s float64) when { return newDay(v1.Time(time.UnixMilli(int64(s*1000))), now) }
	l := Lines{ID: id, Label: label, Data: d, Top: d.text(d.High), Bottom: d.text(d.Low), Begin: at(d.From), End: at(d.To)}
	for _, s := range d.Shades {
		x := d.x(s.From)
		l.Shades = append(l.Shades, Rect{X: rounded(x), W: max(rounded(d.x(s.To)-x), 1.5), H: linesHeight, Class: "s-" + s.Look, Title: s.Text})
	}
	for _, m := range d.Marks {
		if m.At >= d.Low && m.At <= d.High {
			l.Marks = append(l.Marks, Line{Path: "M0 " + coordinate(d.y(m.At)) + "h" + coordinate(linesWidth), Class: "m-" + m.Look})
		}
	}
	for i := range d.Lines {
		l.Shapes = append(l.Shapes, Line{Path: d.path(d.Lines[i].Values), Class: "l-" + d.Lines[i].Look})
	}
	// What is drawn last, above the others, is named first.
	for _, line := range slices.Backward(d.Lines) {
		l.Legend = append(l.Legend, Key{"l-" + line.Look, line.Text})
	}
	for _, m := range d.Marks {
		if m.Text != "" {
			l.Legend = append(l.Legend, Key{"m-" + m.Look, m.Text})
		}
	}
	return l
}

func rounded(f float64) float64 { return math.Round(f*10) / 10 }

// path draws a line, with a gap where a value is missing.
func (d *LinesData) path(values []*float64) string {
	var b strings.Builder
	pen := "M"
	for i, v := range values {
		if v == nil || i >= len(d.Times) {
			pen = "M"
			continue
		}
		x, y := coordinate(d.x(d.Times[i])), coordinate(d.y(*v))
		if d.Steps {
			next := d.To
			if i+1 < len(d.Times) {
				next = d.Times[i+1]
			}
			fmt.Fprintf(&b, "%s%s %sH%s", pen, x, y, coordinate(d.x(next)))
		} else {
			fmt.Fprintf(&b, "%s%s %s", pen, x, y)
			// A value without a neighbour is a dot.
			if pen == "M" && (i+1 >= len(values) || values[i+1] == nil) {
				b.WriteString("h0.1")
			}
		}
		pen = "L"
	}
	return b.String()
}

// burnDown returns what was left of the budget of the whole time after each
// point; nil before anybody counted.
func burnDown(h *v1.SLOHistory, objective float64) []*float64 {
	var all, bad, spent float64
	for i := range h.Points {
		if p := &h.Points[i]; p.Good != nil && p.Bad != nil {
			all += float64(*p.Good) + float64(*p.Bad)
			bad += float64(*p.Bad)
		}
	}
	allowed := (1 - objective) * all
	list := make([]*float64, len(h.Points))
	if allowed <= 0 {
		return list
	}
	counted := false
	for i := range h.Points {
		p := &h.Points[i]
		if p.Bad != nil {
			spent += float64(*p.Bad)
			counted = true
		}
		if counted {
			list[i] = short(1 - spent/allowed)
		}
	}
	return list
}

// leastBudget is the lowest that is drawn of a budget: one that is overspent by more
// would leave no room for the rest.
const leastBudget = -1.0

// newBudgetChart draws the budget. Of the whole window it is how it was spent,
// beside how it would be if it were spent evenly; of another time it is what was
// left of the window then.
func newBudgetChart(o *v1.SLO, h *v1.SLOHistory, whole bool, now time.Time) Lines {
	d := LinesData{Unit: "percent", From: seconds(time.Time(h.From)), To: seconds(time.Time(h.To)), High: 1}
	ends := d.To
	if whole && o.Ends != nil {
		ends = max(seconds(time.Time(*o.Ends)), d.To)
	}
	then := LineData{Look: "then", Text: "left at the time, of the " + visible(o.Window) + " before", Values: []*float64{nil}}
	if o.Ends != nil {
		then.Text = "left at the time"
	}
	even := LineData{Look: "even", Text: "spent evenly", Values: []*float64{nil}}
	left := LineData{Look: "left", Text: "left of this window's budget", Values: []*float64{nil}}
	d.Times = []float64{d.From}
	down := burnDown(h, o.Objective)
	begin := d.From
	if since := countedSince(h); !since.IsZero() {
		begin = seconds(since)
	}
	for i := range h.Points {
		p := &h.Points[i]
		at := seconds(time.Time(p.Time))
		d.Times = append(d.Times, at)
		left.Values = append(left.Values, down[i])
		even.Values = append(even.Values, evenly(at, begin, ends))
		var value *float64
		if p.BudgetRemainingRatio != nil {
			value = short(*p.BudgetRemainingRatio)
		}
		then.Values = append(then.Values, value)
	}
	if len(down) > 0 && down[0] != nil {
		left.Values[0], even.Values[0] = short(1), short(1)
	}
	if ends > d.To {
		d.To = ends
		d.Times = append(d.Times, ends)
		left.Values, then.Values, even.Values = append(left.Values, nil), append(then.Values, nil), append(even.Values, short(0))
	}
	d.Lines = []LineData{then}
	if whole {
		d.Lines = []LineData{even, then, left}
	} else {
		d.Lines[0].Look = "left"
	}
	lowest := lowestOf(left.Values, then.Values)
	if !whole {
		lowest = lowestOf(then.Values)
	}
	d.Low = max(min(lowest*1.05, 0), leastBudget)
	if !whole {
		d.Low, d.High = around(then.Values)
	}
	d.Marks = []MarkData{{Look: "zero", At: 0}}
	for _, x := range o.Exclusions {
		from, to := max(seconds(time.Time(x.From)), d.From), min(seconds(time.Time(x.To)), d.To)
		if from < to {
			d.Shades = append(d.Shades, ShadingData{Look: "not", Text: "does not count: " + orWord(visible(x.Reason), "excluded"), From: from, To: to})
		}
	}
	l := newLines("slo-budget", "Error budget of "+visible(o.Name), d, now)
	if whole && lowest < leastBudget {
		l.Note = "It goes down to " + budgetText(lowest) + ", which is not drawn."
	}
	if allMissing(left.Values) {
		// Without events all of the budget is left, which says nothing.
		for i := range d.Lines {
			clear(d.Lines[i].Values)
		}
		l.State = State{Kind: "empty", Title: "Nothing was counted in this time", Text: "There is no budget to draw yet."}
	}
	return l
}

// evenly returns what would be left of a budget that is spent evenly; nil before
// it began.
func evenly(at, begin, end float64) *float64 {
	if at < begin || end <= begin {
		return nil
	}
	return short(1 - (at-begin)/(end-begin))
}

// around returns an axis for values of which each change is to be seen.
func around(values []*float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if v != nil {
			low, high = min(low, *v), max(high, *v)
		}
	}
	if low > high {
		return 0, 1
	}
	room := max((high-low)*0.2, 0.02)
	low, high = low-room, high+room
	if low < 0 && high > 0 || low > 0 && low < room {
		low = min(low, 0)
	}
	return low, high
}

func lowestOf(lists ...[]*float64) float64 {
	var low float64
	for _, list := range lists {
		for _, v := range list {
			if v != nil {
				low = min(low, *v)
			}
		}
	}
	return low
}

func allMissing(list []*float64) bool {
	for _, v := range list {
		if v != nil {
			return false
		}
	}
	return true
}

// BurnView is the chart of an alert.
type BurnView struct {
	Title, Sub string
	Chart      Lines
}

// bendAt is how many times the threshold a rate must reach for the axis to bend:
// the threshold would be on the floor otherwise.
const bendAt = 6

// newBurnCharts draws for each alert the burn rates of its two windows, its
// threshold, and when it fired.
func newBurnCharts(o *v1.SLO, h *v1.SLOHistory, now time.Time) []BurnView {
	var list []BurnView
	for i := range o.Alerts {
		a := &o.Alerts[i]
		d := LinesData{Unit: "times", From: seconds(time.Time(h.From)), To: seconds(time.Time(h.To))}
		long := LineData{Look: "long", Text: "over " + lengthText(a.LongNS)}
		brief := LineData{Look: "short", Text: "over " + lengthText(a.ShortNS)}
		for k := range h.Points {
			p := &h.Points[k]
			d.Times = append(d.Times, seconds(time.Time(p.Time)))
			long.Values = append(long.Values, shortOr(p.Burn[lengthText(a.LongNS)]))
			brief.Values = append(brief.Values, shortOr(p.Burn[lengthText(a.ShortNS)]))
		}
		d.Lines = []LineData{brief, long}
		d.High = a.Burn * 1.25
		for _, line := range d.Lines {
			for _, v := range line.Values {
				if v != nil {
					d.High = max(d.High, *v*1.06)
				}
			}
		}
		if d.High > bendAt*a.Burn {
			d.Bend = a.Burn
		}
		d.Marks = []MarkData{{Look: "limit", Text: "fires above " + timesText(a.Burn), At: a.Burn}}
		for k := range h.Alerts {
			if f := &h.Alerts[k]; f.Severity == a.Severity && f.Burn == a.Burn && f.LongNS == a.LongNS {
				d.Shades = append(d.Shades, firingShade(f, &d))
			}
		}
		name := visible(a.Severity)
		view := BurnView{Title: name, Sub: "above " + timesText(a.Burn) + " over " + lengthText(a.LongNS) + " and " + lengthText(a.ShortNS)}
		view.Chart = newLines("slo-burn-"+strconv.Itoa(i), "Burn rate of "+visible(o.Name)+" for "+name+" over "+lengthText(a.LongNS), d, now)
		if allMissing(long.Values) && allMissing(brief.Values) {
			_, many := eventWords(o)
			view.Chart.State = State{Kind: "empty", Title: "No " + many + " in this time"}
		}
		list = append(list, view)
	}
	return list
}

func shortOr(v *float64) *float64 {
	if v == nil {
		return nil
	}
	return short(*v)
}

func firingShade(f *v1.SLOFiring, d *LinesData) ShadingData {
	s := ShadingData{Look: "firing", Text: "fired", From: max(seconds(time.Time(f.From)), d.From), To: d.To}
	if f.To != nil {
		s.To = min(seconds(time.Time(*f.To)), d.To)
	}
	return s
}

// newEventsChart draws how many events per second there were in each step, and
// how many of them were bad.
func newEventsChart(o *v1.SLO, h *v1.SLOHistory, now time.Time) Lines {
	_, many := eventWords(o)
	d := LinesData{Unit: "rate", From: seconds(time.Time(h.From)), To: seconds(time.Time(h.To)), Steps: true}
	all, bad := LineData{Look: "all", Text: "all"}, LineData{Look: "bad", Text: "bad"}
	begin := time.Time(h.From)
	for i := range h.Points {
		p := &h.Points[i]
		width := time.Time(p.Time).Sub(begin).Seconds()
		if u := o.UnitNS; u > 0 {
			width /= time.Duration(u).Seconds()
		}
		d.Times = append(d.Times, seconds(begin))
		begin = time.Time(p.Time)
		var a, b *float64
		if p.Good != nil && p.Bad != nil && width > 0 {
			a, b = short(float64(*p.Good+*p.Bad)/width), short(float64(*p.Bad)/width)
			d.High = max(d.High, *a*1.06)
		}
		all.Values, bad.Values = append(all.Values, a), append(bad.Values, b)
	}
	d.Lines = []LineData{all, bad}
	l := newLines("slo-events", strings.ToUpper(many[:1])+many[1:]+" of "+visible(o.Name), d, now)
	if d.High == 0 {
		clear(all.Values)
		clear(bad.Values)
		l.State = State{Kind: "empty", Title: "No " + many + " in this time", Text: "Choose a longer time above."}
	}
	return l
}

// maxNumbers bounds the rows of a history as a table.
const maxNumbers = 48

// historyNumbers is the history as a table, the latest first, without the steps
// in which nothing happened.
func historyNumbers(o *v1.SLO, h *v1.SLOHistory, now time.Time) Table {
	t := Table{
		ID: "slo-numbers", Caption: "History of " + visible(o.Name) + ", as numbers",
		Columns: []Column{{Label: "Until", Class: "w-day"}, {Label: "Good", Class: "num"}, {Label: "Bad", Class: "num"}, {Label: "Budget left", Class: "num", Title: "Of the window as it was then"}},
	}
	var windows []string
	for i := range o.Alerts {
		for _, ns := range []int64{o.Alerts[i].LongNS, o.Alerts[i].ShortNS} {
			if text := lengthText(ns); !slices.Contains(windows, text) {
				windows = append(windows, text)
				t.Columns = append(t.Columns, Column{Label: "Burn " + text, Class: "num"})
			}
		}
	}
	left := 0
	for i := len(h.Points) - 1; i >= 0; i-- {
		p := &h.Points[i]
		if p.Good == nil || p.Bad == nil || *p.Good+*p.Bad == 0 {
			continue
		}
		if len(t.Rows) == maxNumbers {
			left++
			continue
		}
		budget := unknown
		if p.BudgetRemainingRatio != nil {
			budget = budgetText(*p.BudgetRemainingRatio)
		}
		row := Row{Cells: []Cell{{Kind: "time", When: newDay(p.Time, now), Class: "main"}, numCell(amount(o, *p.Good)), numCell(amount(o, *p.Bad)), numCell(budget)}}
		for _, w := range windows {
			row.Cells = append(row.Cells, numCell(timesOr(p.Burn[w])))
		}
		t.Rows = append(t.Rows, row)
	}
	if left > 0 {
		t.Left = plural(uint64(left), "earlier step is", "earlier steps are") + " not shown: choose a shorter time."
	}
	return t
}
