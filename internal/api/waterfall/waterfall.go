package waterfall

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

// Span bounds an axis; a zero end is no bound.
type Span struct {
	From, To time.Time
}

// Build arranges records. The axis goes from the first bar to the end of the
// last, within span. What exceeds limit is left out, the commands that ended
// first before others, and said.
func Build(records []model.Record, span Span, limit int) v1.Waterfall {
	all := len(records)
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b model.Record) int { return b.Event.End().Compare(a.Event.End()) })
	var rows []*row
	for {
		rows = display(tree(records))
		if len(rows) <= limit || len(records) == 0 {
			break
		}
		// Without its parent a command needs a bar for it, so a step that is too
		// small would be one of many.
		records = records[:max(len(records)-max(len(rows)-limit, len(records)/8, 1), 0)]
	}
	w := draw(rows, span)
	if len(records) < all {
		w.Incomplete = append(w.Incomplete, fmt.Sprintf("Of %d commands, the %d that ended last are shown.", all, len(records)))
	}
	return w
}

// Below arranges the command with the id root and what it ran, directly or
// through others. It returns nil when root is not among the records. end is
// when the last of them ended, before any were left out.
func Below(records []model.Record, root model.EventID, limit int) (w *v1.Waterfall, end time.Time) {
	for _, r := range display(tree(records)) {
		if r.event == nil || r.event.ID() != root {
			continue
		}
		// Images that the process ran before are not below root.
		r.parent = nil
		rows := display([]*row{r})
		for _, r := range rows {
			end = latest(end, r.end)
		}
		all := len(rows)
		drawn := draw(rows[:min(all, limit)], Span{})
		if all > limit {
			drawn.Incomplete = append(drawn.Incomplete, fmt.Sprintf("Of %d commands, the first %d are shown.", all, limit))
		}
		return &drawn, end
	}
	return nil, end
}

// row is a bar before it has a place.
type row struct {
	event    *model.Event // nil for a bar that stands for a process
	next     *model.Event // the image that replaced this one, nil for the last
	label    string       // of a bar without an event
	detail   string
	start    time.Time
	end      time.Time
	parent   *row
	children []*row
	place    int
	depth    int
}

// tree returns the rows at the top.
func tree(records []model.Record) []*row {
	var top []*row
	images := make(map[*process][]*row)
	strangers := make(map[stranger]*row)
	for _, p := range processes(records) {
		rows := make([]*row, len(p.images))
		for i, e := range p.images {
			rows[i] = &row{event: e, start: e.Time, end: e.End()}
			if i > 0 {
				rows[i-1].next = e
				rows[i-1].adopt(rows[i])
			}
		}
		images[p] = rows
		if p.parent != nil {
			images[p.parent][p.parent.imageAt(p.begin)].adopt(rows[0])
			continue
		}
		who, known := strangerOf(rows[0].event)
		if !known {
			top = append(top, rows[0])
			continue
		}
		group := strangers[who]
		if group == nil {
			group = who.row()
			strangers[who] = group
			top = append(top, group)
		}
		group.adopt(rows[0])
		group.cover(rows)
	}
	return top
}

func (r *row) adopt(child *row) {
	child.parent = r
	r.children = append(r.children, child)
}

// cover makes a bar for a process as long as what it is known to have run.
func (r *row) cover(rows []*row) {
	for _, child := range rows {
		if r.start.IsZero() || child.start.Before(r.start) {
			r.start = child.start
		}
		r.end = latest(r.end, child.end)
	}
}

// stranger is a process that ran commands but is not one of them.
type stranger struct {
	pid           int64
	name, service string
}

func strangerOf(e *model.Event) (stranger, bool) {
	pid := e.Get(keyParentPID)
	return stranger{pid.Int(), e.Get(keyParentName).Str(), e.Service}, pid.IsSet()
}

func (s stranger) row() *row {
	name := cmp.Or(s.name, s.service, "process")
	r := &row{label: name + " " + strconv.FormatInt(s.pid, 10), detail: "ran what is below"}
	if s.service != "" {
		// It need not be of the service: a shell that runs a build is not.
		r.detail += ", for the service " + s.service
	}
	return r
}

// display returns the rows below top in the order of display.
func display(top []*row) []*row {
	var rows []*row
	stack := inOrder(top)
	for len(stack) > 0 {
		r := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		r.place, r.depth = len(rows), 0
		if r.parent != nil {
			r.depth = r.parent.depth + 1
		}
		rows = append(rows, r)
		stack = append(stack, inOrder(r.children)...)
	}
	return rows
}

// inOrder returns siblings, the last to be displayed first: a stack.
func inOrder(siblings []*row) []*row {
	list := slices.Clone(siblings)
	slices.SortStableFunc(list, func(a, b *row) int {
		if n := b.start.Compare(a.start); n != 0 {
			return n
		}
		return cmp.Or(strings.Compare(b.label, a.label), strings.Compare(b.id(), a.id()))
	})
	return list
}

func (r *row) id() string {
	if r.event == nil {
		return ""
	}
	return r.event.ID().String()
}

// draw puts rows on an axis.
func draw(rows []*row, span Span) v1.Waterfall {
	from, to := span.From, span.To
	if len(rows) > 0 {
		first, last := rows[0].start, rows[0].end
		for _, r := range rows {
			if r.start.Before(first) {
				first = r.start
			}
			last = latest(last, r.end.Add(r.zombie()))
		}
		from = latest(from, first)
		if to.IsZero() || last.Before(to) {
			to = last
		}
	}
	to = latest(from, to)
	w := v1.Waterfall{From: v1.Time(from), To: v1.Time(to), Bars: make([]v1.Bar, 0, len(rows))}
	for _, r := range rows {
		w.Bars = append(w.Bars, r.bar(from, to))
	}
	return w
}

func (r *row) bar(from, to time.Time) v1.Bar {
	parent := -1
	if r.parent != nil {
		parent = r.parent.place
	}
	b := v1.Bar{Parent: parent, Depth: r.depth}
	if r.event != nil {
		b.StartNS, b.DurationNS, b.SelfNS = int64(r.start.Sub(from)), max(int64(r.event.Duration), 0), int64(r.self())
		r.describe(&b)
		return b
	}
	start, end := latest(r.start, from), r.end
	if end.After(to) {
		end = to
	}
	b.StartNS, b.DurationNS = int64(start.Sub(from)), max(int64(end.Sub(start)), 0)
	b.Label, b.Detail = shorten(r.label, longestLabel), shorten(r.detail, longestDetail)
	return b
}
