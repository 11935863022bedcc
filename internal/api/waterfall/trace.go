package waterfall

import (
	"fmt"
	"slices"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

// Trace arranges what the event with the id root caused: the calls, the
// connections and the commands of the same trace that descend from its span.
// It returns nil when root is not among the records. end is when the last of
// them ended, before any were left out.
//
// A command whose parent was not seen (a span of the program's own, or a process
// between them) hangs below the only request that its process can have served
// then; where there are several, it is left out and said.
func Trace(records []model.Record, root model.EventID, limit int) (w *v1.Waterfall, end time.Time) {
	t := newTraced(records, root)
	if t.root == nil {
		return nil, end
	}
	lost := t.adopt()
	rows := display([]*row{t.root})
	for _, r := range rows {
		end = latest(end, r.end)
	}
	all := len(rows)
	drawn := draw(rows[:min(all, limit)], Span{})
	if all > limit {
		drawn.Incomplete = append(drawn.Incomplete, fmt.Sprintf("Of %d rows, the first %d are shown.", all, limit))
	}
	if lost > 0 {
		drawn.Incomplete = append(drawn.Incomplete, fmt.Sprintf("%d more events of this trace are of something that was not seen, or of several requests at once, and are not shown.", lost))
	}
	return &drawn, end
}

// Above returns what caused e, the nearest first, as far as it is among the
// records.
func Above(records []model.Record, e *model.Event) []v1.Bar {
	const longest = 100
	bySpan := make(map[model.SpanID]*model.Event)
	for _, r := range records {
		if r.Event.TraceID == e.TraceID && r.Event.SpanID != (model.SpanID{}) {
			bySpan[r.Event.SpanID] = r.Event
		}
	}
	var above []v1.Bar
	for range longest {
		parent := bySpan[e.ParentSpanID]
		if parent == nil || e.ParentSpanID == (model.SpanID{}) {
			break
		}
		// Spans that are each other's parents do not go round.
		delete(bySpan, e.ParentSpanID)
		e = parent
		b := v1.Bar{Parent: -1, DurationNS: max(int64(e.Duration), 0)}
		(&row{event: e}).describe(&b)
		b.Parts = nil
		above = append(above, b)
	}
	return above
}

// traced is the events of one trace as rows.
type traced struct {
	root *row
	rows []*row
	// bySpan are the rows that others can name as their parent.
	bySpan map[model.SpanID]*row
	// process are the rows of the process that ran a command.
	process map[*row]*row
}

func newTraced(records []model.Record, root model.EventID) *traced {
	t := &traced{bySpan: make(map[model.SpanID]*row), process: make(map[*row]*row)}
	at := slices.IndexFunc(records, func(r model.Record) bool { return r.Event.ID() == root })
	if at < 0 {
		return t
	}
	trace := records[at].Event.TraceID
	var commands []model.Record
	for _, r := range records {
		e := r.Event
		if e.TraceID != trace || trace == (model.TraceID{}) && e.ID() != root {
			continue
		}
		if e.Schema.Probe == probeExec {
			commands = append(commands, r)
			continue
		}
		t.add(e)
	}
	t.addCommands(commands)
	for _, r := range t.rows {
		if r.event.ID() == root {
			t.root = r
		}
	}
	return t
}

func (t *traced) add(e *model.Event) *row {
	r := &row{event: e, start: e.Time, end: e.End()}
	t.rows = append(t.rows, r)
	if e.SpanID != (model.SpanID{}) && t.bySpan[e.SpanID] == nil {
		t.bySpan[e.SpanID] = r
	}
	return r
}

// addCommands adds commands, which know their processes, too.
func (t *traced) addCommands(commands []model.Record) {
	images := make(map[*process][]*row)
	for _, p := range processes(commands) {
		for i, e := range p.images {
			r := t.add(e)
			images[p] = append(images[p], r)
			if i > 0 {
				before := images[p][i-1]
				before.next, t.process[r] = e, before
			} else if p.parent != nil {
				t.process[r] = images[p.parent][p.parent.imageAt(p.begin)]
			}
		}
	}
}

// adopt gives each row but the root its parent, and returns how many have none
// though they began while the root went on.
func (t *traced) adopt() (lost int) {
	for _, r := range t.rows {
		if r == t.root {
			continue
		}
		parent := t.bySpan[r.event.ParentSpanID]
		if r.event.ParentSpanID == (model.SpanID{}) || parent == r {
			parent = nil
		}
		if parent == nil {
			parent = t.process[r]
		}
		if parent == nil {
			parent = t.server(r)
		}
		switch {
		case parent != nil:
			parent.adopt(r)
		case isServed(r.event):
			// It may have begun the trace.
		case !r.start.Before(t.root.start) && !r.start.After(t.root.end):
			lost++
		}
	}
	return lost
}

// server returns the only request that the process of r, or the one that ran
// it, served when r began.
func (t *traced) server(r *row) *row {
	if isServed(r.event) {
		return nil
	}
	pid := int64(r.event.PID)
	if r.event.Schema.Probe == probeExec {
		pid = r.event.Get(keyParentPID).Int()
	}
	var found *row
	for _, s := range t.rows {
		if !isServed(s.event) || int64(s.event.PID) != pid || r.start.Before(s.start) || r.start.After(s.end) {
			continue
		}
		if found != nil {
			return nil
		}
		found = s
	}
	return found
}
