package ui

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// Request is the page of one request that was served, or made.
type Request struct {
	// Name is its method and route, Path the path where that is another text.
	Name, Path  string
	Service     string
	ServiceHref string
	// Back leads to the list of requests.
	Back    string
	Began   when
	Ended   when
	Outcome Outcome
	// Above is what caused it, nil when nobody knows.
	Above   *Relative
	Figures []Figure
	// Weight explains that it stands for others, too.
	Weight string
	// Tree is what it caused over time, Spent the same with the time that it has
	// for itself, the longest first.
	Tree  Waterfall
	Spent Table
	// Caused says whether anything is below it; else Seen says what that means.
	Caused bool
	Seen   string
	// Stack is where it panicked.
	Stack    Stack
	Findings []FindingView
	Facts    []Prop
	Trace    []Prop
	Lacks    []string
}

// request makes the page of a request.
func (s *server) request(r *http.Request, record v1.Record) (*Page, error) {
	ctx, now := r.Context(), s.now()
	probes, err := s.api.Probes(ctx)
	if err != nil {
		return nil, err
	}
	v := newRequest(record, now)
	v.Facts = attributeProps(record.Attributes, probes.Items, record.Probe)
	w, err := s.api.Waterfall(ctx, v1.EventQuery{}, record.ID)
	if err != nil {
		// The request itself is known; the page says what it lacks.
		v.Lacks = append(v.Lacks, "what it caused: "+err.Error())
		w = v1.Waterfall{}
	}
	v.Lacks = append(v.Lacks, w.Incomplete...)
	w.Incomplete = nil
	v.arrange(w, record.ID)
	return &Page{View: "request", Nav: probeHTTP, Title: clip(v.Name, 100), Body: v}, nil
}

func newRequest(r v1.Record, now time.Time) Request {
	a := r.Attributes
	v := Request{
		Name: requestTitle(a), Service: visible(r.Service), ServiceHref: serviceHref(r.Service),
		Back: link("/events", "probe", probeHTTP, "service", r.Service), Began: newWhen(r.Time, now), Ended: newWhen(v1.Time(ended(&r.Event)), now),
		Outcome: outcomeOf(&r.Event), Stack: newStack(r.Stack), Trace: traceProps(&r),
	}
	if path := visible(text(a, keyURLPath)); !strings.HasSuffix(v.Name, path) {
		v.Path = path
	}
	if said := standsFor(&r); said != "" {
		v.Weight = "It is " + said + ": of requests like this one only some are kept. Counts, rates and durations take all of them into account."
	}
	for _, f := range r.Findings {
		v.Findings = append(v.Findings, newFinding(f))
	}
	if r.DurationNS != nil {
		v.Figures = append(v.Figures, figure(duration(*r.DurationNS), "took"))
	}
	return v
}

func traceProps(r *v1.Record) []Prop {
	var list []Prop
	for _, p := range []Prop{
		{Name: "Process", Value: pidText(r.PID)}, {Name: "Goroutine", Value: goroutineText(r.GoroutineID)}, {Name: "Trace", Value: r.TraceID, Sub: "W3C trace id"},
		{Name: "Span", Value: r.SpanID}, {Name: "Parent span", Value: r.ParentSpanID}, {Name: "Container", Value: r.ContainerID}, {Name: "Pod", Value: r.PodUID},
	} {
		if p.Value != "" {
			p.Value = visible(p.Value)
			list = append(list, p)
		}
	}
	return list
}

// arrange shows what the request caused, and what it had for itself.
func (v *Request) arrange(w v1.Waterfall, id string) {
	v.Tree = newWaterfall("tree", "What the request caused", waterfallSrc(v1.EventQuery{}, id), w, id)
	v.Tree.Data = unlinked(w)
	if len(w.Above) > 0 {
		above := newRelative(&w.Above[0])
		v.Above = &above
	}
	if len(w.Bars) == 0 {
		return
	}
	root := &w.Bars[0]
	v.Caused = len(w.Bars) > 1
	if !v.Caused {
		v.Seen = "No call, connection or command was seen that this request caused: the time is its own."
		if root.Kind == kindCall {
			v.Seen = "The service that was asked is not observed here, or does not know of this call: what it did meanwhile is not seen."
		}
		return
	}
	if root.Kind != kindCall {
		v.Figures = append(v.Figures, figure(duration(root.SelfNS), "in its own code"))
	}
	commands, calls, connections := 0, 0, 0
	for i := range w.Bars[1:] {
		switch w.Bars[i+1].Kind {
		case kindCommand:
			commands++
		case kindCall:
			calls++
		case kindConnection:
			connections++
		}
	}
	for _, c := range []struct {
		n         int
		one, many string
	}{{commands, "command", "commands"}, {calls, "call", "calls"}, {connections, "connection", "connections"}} {
		if c.n > 0 {
			_, label, _ := strings.Cut(plural(uint64(c.n), c.one, c.many), " ")
			v.Figures = append(v.Figures, Figure{Value: count(uint64(c.n)), Label: label})
		}
	}
	v.Spent = spentTable(w)
}

// The kinds of bars that the pages tell apart.
const (
	kindCommand    = "command"
	kindRequest    = "request"
	kindCall       = "call"
	kindConnection = "connection"
)

// maxSpent bounds the rows of what a request spent its time on.
const maxSpent = 25

// spentTable shows what a request did directly, and its own time, the longest
// first.
func spentTable(w v1.Waterfall) Table {
	root := &w.Bars[0]
	t := Table{
		ID: "spent-table", Caption: "What the time went to",
		Columns: []Column{
			{Label: "What"}, {Label: "Call site", Class: "w-caller"}, {Label: "Began", Class: "w-num-s num", Title: "How long after the begin of the request"},
			{Label: "Took", Class: "w-num num"}, {Label: "Share", Class: "w-num num", Title: "Of the request; what runs at once is counted each time"}, {Label: "Outcome", Class: "w-outcome"},
		},
	}
	share := func(ns int64) Cell {
		part := float64(ns) / float64(max(root.DurationNS, 1))
		return Cell{Kind: "meter", Class: "num", Text: percent(part), Bar: newMeter(part, "f-count")}
	}
	type spent struct {
		ns  int64
		row Row
	}
	own := "its own code"
	if root.Kind == kindCall {
		own = "waiting"
	}
	list := []spent{{root.SelfNS, Row{Class: "own", Cells: []Cell{
		{Kind: "text", Text: own, Title: "The time that nothing below covers", Class: "main strong"}, {Kind: "text", Class: "none"}, numCell(""),
		numCell(duration(root.SelfNS)), share(root.SelfNS), {Kind: "text", Class: "none"},
	}}}}
	for i := range w.Bars {
		b := &w.Bars[i]
		if b.Parent != 0 {
			continue
		}
		o := barOutcome(b)
		list = append(list, spent{b.DurationNS, Row{Class: rowClass(o), Cells: []Cell{
			barCell(b), callerCell(b), numCell(duration(b.StartNS - root.StartNS)), numCell(duration(b.DurationNS)), share(b.DurationNS), {Kind: "outcome", Outcome: o},
		}}})
	}
	slices.SortStableFunc(list, func(a, b spent) int { return cmp.Compare(b.ns, a.ns) })
	for _, s := range list[:min(len(list), maxSpent)] {
		t.Rows = append(t.Rows, s.row)
	}
	if left := len(list) - maxSpent; left > 0 {
		t.Left = plural(uint64(left), "shorter one is", "shorter ones are") + " in the waterfall only."
	}
	return t
}

// barCell names a bar, with what its detail says more.
func barCell(b *v1.Bar) Cell {
	c := Cell{Kind: "two", Text: visible(b.Label), Sub: clip(strings.TrimSpace(visible(beyond(b))), 200), Title: clip(visible(b.Detail), 2000), Href: b.Href, Class: "main wide"}
	if b.Kind != kindCommand {
		c.Sub = ""
	}
	return c
}

// callerCell shows the line of code that ran a command.
func callerCell(b *v1.Bar) Cell {
	if b.Caller == nil {
		return Cell{Kind: "text", Class: "muted none wide"}
	}
	at := siteOfFrame(*b.Caller)
	return Cell{Kind: "two", Text: at.Short, Sub: at.At(), Title: at.Whole(), Class: "wide"}
}
