package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// Events is the page of any probe's events, by its schema.
type Events struct {
	Filter  *Filter
	Heading string
	Summary string
	Chart   Chart
	Table   Table
	// Slowest are the first of its rows when they are requests, for the block
	// that shows a part of a heatmap.
	Slowest Slowest
	// Sides choose between the requests that were served and those that were
	// made; empty for other events.
	Sides []Range
	Next  string
	Lacks []string
}

func (s *server) events(r *http.Request) (*Page, error) {
	ctx, now := r.Context(), s.now()
	f, err := s.filter(r, "")
	if err != nil {
		return nil, err
	}
	if f.Query.Probe == probeExec {
		f.Path, f.Query.Probe = "/commands", ""
		return nil, &redirect{f.Here()}
	}
	probes, err := s.api.Probes(ctx)
	if err != nil {
		return nil, err
	}
	if f.Query.Probe == "" {
		f.Query.Probe = probeTCP
	}
	services, err := s.api.Services(ctx)
	if err != nil {
		return nil, err
	}
	f.Services, f.Groups = serviceNames(services.Items), groupsOf(probes.Items, f.Query.Probe)
	q, from, to := f.span()
	w := newWindow(from, to)
	sums, err := s.api.Rollups(ctx, f.rollups(w))
	if err != nil {
		return nil, err
	}
	list, err := s.api.Events(ctx, q)
	if err != nil {
		return nil, err
	}
	e := Events{Filter: f, Heading: eventsHeading(q.Probe), Lacks: slices.Concat(sums.Incomplete, list.Incomplete)}
	e.Chart = newRateChart("rate", e.Heading+" over time", encode("/api/v1/rollups", f.rollups(w).Values()), sums.Items, w, now)
	e.Chart.Data, e.Chart.Live, e.Chart.Note = sums, liveChart(f, to.Sub(from)), chartNote(f)
	var fields []v1.Field
	if i := slices.IndexFunc(probes.Items, func(p v1.Probe) bool { return p.Name == q.Probe }); i >= 0 {
		fields, e.Summary = probes.Items[i].Fields, probes.Items[i].Summary
	}
	if q.Probe == probeHTTP {
		e.Table, e.Sides = requestTable(list.Items, f, now), sides(f)
		e.Slowest = newSlowest(list.Items[:min(len(list.Items), slowestRows)], slowestSaid(f), f.with(func(q *v1.EventQuery) { q.Limit = pageSize }), now)
	} else {
		e.Table = eventTable(list.Items, fields, f, now)
	}
	if list.Next != "" {
		e.Next = f.Next(list.Next)
	}
	return &Page{View: "events", Nav: q.Probe, Title: e.Heading, Body: e}, nil
}

func eventsHeading(probe string) string {
	if probe == probeHTTP {
		return "Requests"
	}
	return strings.ToUpper(probe) + " events"
}

// sides lead to the same page with all requests, those served, or those made.
func sides(f *Filter) []Range {
	var list []Range
	for _, side := range []Range{{Text: "All"}, {Text: "Served", Href: roleServer}, {Text: "Made", Href: roleClient}} {
		is := func(m v1.Match) bool { return m.Key == keyRole }
		at := slices.IndexFunc(f.Query.Where, is)
		role := side.Href
		side.Current = at < 0 && role == "" || at >= 0 && f.Query.Where[at].Value == role
		side.Href = f.with(func(q *v1.EventQuery) {
			q.Where = slices.DeleteFunc(slices.Clone(q.Where), is)
			if role != "" {
				q.Where = append(q.Where, v1.Match{Key: keyRole, Value: role})
			}
		})
		list = append(list, side)
	}
	return list
}

// requestTable shows requests.
func requestTable(records []v1.Record, f *Filter, now time.Time) Table {
	t := Table{
		ID: "events-table", Caption: "Requests",
		Columns: []Column{
			{Label: "Ended", Class: timeClass(f, now), Sort: f.Order(v1.OrderNewest)}, {Label: "Service", Class: "w-service"},
			{Label: "Side", Class: "w-num", Title: "Whether the service served the request or made it"}, {Label: "Request"},
			{Label: "Stands for", Class: "w-num", Title: standsForTitle}, {Label: "Duration", Class: "w-num num", Sort: f.Order(v1.OrderSlowest)},
			{Label: "Outcome", Class: "w-outcome"},
		},
		Empty: State{Kind: "empty", Title: "No request matches", Text: "Choose a longer time or fewer conditions. Requests that Go programs serve and make show up here: of those that are alike, some."},
	}
	sorted := 0
	if f.Slowest() {
		sorted = 5
	}
	t.Columns[sorted].Sorted = "descending"
	for i := range records {
		r := &records[i]
		cells := requestCells(r, now)
		cells[1].ID = "row-" + url.PathEscape(r.ID)
		side := textCell("served")
		if text(r.Attributes, keyRole) == roleClient {
			side = Cell{Kind: "text", Text: "made", Class: "muted", Title: "the service asked another"}
		}
		cells = slices.Insert(cells, 1, serviceCell(r), side)
		t.Rows = append(t.Rows, Row{Class: rowClass(outcomeOf(&r.Event)), Cells: cells})
	}
	return t
}

func serviceCell(r *v1.Record) Cell {
	if r.Service == "" {
		return Cell{Kind: "text", Text: orWord(visible(text(r.Attributes, keyName)), unknown), Class: "muted", Title: "no Go service"}
	}
	return Cell{Kind: "link", Text: visible(r.Service), Title: visible(r.Service), Href: serviceHref(r.Service)}
}

// tableKeys are the attributes of which a table has columns, when the probe's
// events have them; the API does not say which columns a probe prefers.
func tableKeys() []Column {
	return []Column{
		{Label: keyEvent, Title: "Event", Class: "w-name"}, {Label: keyRole, Title: "Role", Class: "w-num"},
		{Label: "network.peer.address", Title: "Peer"}, {Label: "network.peer.port", Title: "Port", Class: "w-num-s num"},
		{Label: "network.local.port", Title: "Local port", Class: "w-num-s num"},
		{Label: "goshawk.tcp.srtt_ns", Title: "Round trip", Class: "w-num num"}, {Label: "goshawk.tcp.retransmits", Title: "Resent", Class: "w-num-s num"},
	}
}

// eventTable shows events by their probe's schema.
func eventTable(records []v1.Record, fields []v1.Field, f *Filter, now time.Time) Table {
	t := Table{
		ID: "events-table", Caption: "Events",
		Columns: []Column{{Label: "Time", Class: timeClass(f, now)}, {Label: "Service", Class: "w-name"}},
		Empty:   State{Kind: "empty", Title: "No event matches", Text: "Choose a longer time or fewer conditions."},
	}
	var shown []v1.Field
	for _, column := range tableKeys() {
		if i := slices.IndexFunc(fields, func(f v1.Field) bool { return f.Key == column.Label }); i >= 0 {
			shown = append(shown, fields[i])
			t.Columns = append(t.Columns, Column{Label: column.Title, Title: fields[i].Summary, Class: column.Class})
		}
	}
	t.Columns = append(t.Columns, Column{Label: "Duration", Class: "w-num num", Sort: f.Order(v1.OrderSlowest)}, Column{Label: "Outcome", Class: "w-outcome"})
	t.Columns[0].Sort = f.Order(v1.OrderNewest)
	if last := len(t.Columns) - 2; f.Slowest() {
		t.Columns[last].Sorted = "descending"
	} else {
		t.Columns[0].Sorted = "descending"
	}
	for i := range records {
		t.Rows = append(t.Rows, eventRow(&records[i], shown, now))
	}
	return t
}

func eventRow(r *v1.Record, fields []v1.Field, now time.Time) Row {
	var row Row
	outcome := outcomeOf(&r.Event)
	if outcome.Class == "bad" {
		row.Class = "failed"
	}
	at := Cell{Kind: "time", When: newWhen(v1.Time(ended(&r.Event)), now)}
	row.Cells = []Cell{at, serviceCell(r)}
	for i, f := range fields {
		value := attributeText(r.Attributes, f)
		cell := Cell{Kind: "text", Text: strings.ReplaceAll(value, "_", " "), Title: value}
		if f.Type != "string" {
			cell = Cell{Kind: "num", Text: value, Class: "num"}
		}
		if value == "" {
			cell.Class += " none"
		}
		if i == 0 {
			cell = Cell{Kind: "link", Text: orWord(cell.Text, "event"), Title: value, Href: eventHref(r.Probe, r.ID), Class: "main"}
		}
		row.Cells = append(row.Cells, cell)
	}
	if len(fields) == 0 {
		row.Cells[0] = Cell{Kind: "link", Text: at.When.Short, Title: at.When.Full, Href: eventHref(r.Probe, r.ID), Class: "main"}
	}
	row.Cells = append(row.Cells, numCell(durationOr(r.DurationNS)), Cell{Kind: "outcome", Outcome: outcome})
	return row
}
