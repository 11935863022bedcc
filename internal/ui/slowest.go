package ui

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// Slowest is the list of the slowest requests of a time.
type Slowest struct {
	// Said is which they are, empty for those of the whole page's time.
	Said  string
	Table Table
	// All leads to more of them.
	All string
}

// slowestRows is how many it has.
const slowestRows = 8

func slowestEvents(service string, asked v1.EventQuery) v1.EventQuery {
	return v1.EventQuery{Probe: probeHTTP, Service: service, From: asked.From, To: asked.To, Where: servedOnly(), Order: v1.OrderSlowest, Limit: slowestRows}
}

// slowestValues are the parameters of the page of events with the same.
func slowestValues(service string, f *Filter) url.Values {
	q := slowestEvents(service, v1.EventQuery{From: f.Query.From, To: f.Query.To})
	q.Limit = 0
	return q.Values()
}

// slowestQuery is the address of the list, to which a script adds a time and a
// duration.
func slowestQuery(service string, f *Filter) string {
	asked, _, _ := f.span()
	return encode("/events", slowestEvents(service, asked).Values())
}

func newSlowest(records []v1.Record, said, all string, now time.Time) Slowest {
	v := Slowest{Said: said, All: all, Table: Table{
		ID: "slowest-table", Caption: "Slowest requests",
		Columns: []Column{
			{Label: "Ended", Class: "w-time"}, {Label: "Request"}, {Label: "Stands for", Class: "w-num", Title: standsForTitle},
			{Label: "Duration", Class: "w-num num"}, {Label: "Outcome", Class: "w-outcome"},
		},
		Empty: State{Kind: "empty", Title: "No request is kept of this choice", Text: "All are counted, but of many that are alike only some are kept. Choose a longer time or a shorter duration."},
	}}
	for i := range records {
		r := &records[i]
		cells := requestCells(r, now)
		cells[1].ID = "slow-" + url.PathEscape(r.ID)
		v.Table.Rows = append(v.Table.Rows, Row{Class: rowClass(outcomeOf(&r.Event)), Cells: cells})
	}
	return v
}

// slowestSaid says what a filter chooses of a service's requests.
func slowestSaid(f *Filter) string {
	q, from, to := f.span()
	said := "from " + from.UTC().Format("15:04:05") + " to " + to.UTC().Format("15:04:05")
	if q.MinDuration > 0 {
		said += ", " + duration(int64(q.MinDuration)) + " or longer"
	}
	return said
}

const standsForTitle = "Of requests that are alike only some are kept, and each stands for others"

// requestCells are what a table of requests says of one: when it ended, what it
// was, for how many it stands, how long it took and how it ended.
func requestCells(r *v1.Record, now time.Time) []Cell {
	return []Cell{
		{Kind: "time", When: newWhen(v1.Time(ended(&r.Event)), now)}, requestCell(r), standsForCell(r),
		numCell(durationOr(r.DurationNS)), {Kind: "outcome", Outcome: outcomeOf(&r.Event)},
	}
}

// requestCell names a request by its route, with the path where that says more.
func requestCell(r *v1.Record) Cell {
	a := r.Attributes
	where := requestRoute(a)
	path := visible(text(a, keyURLPath))
	c := Cell{Kind: "route", Text: visible(where), Tail: visible(orWord(text(a, keyMethod), "GET")), Title: requestTitle(a), Href: eventHref(r.Probe, r.ID), Class: "main"}
	if path != where {
		c.Sub = path
	}
	if text(a, keyRole) == roleClient {
		c.Sub = ""
	}
	return c
}

// requestRoute is the route of a request, or for a call whom it asks for what.
func requestRoute(a v1.Attributes) string {
	path := text(a, keyURLPath)
	if text(a, keyRole) == roleClient {
		server := text(a, keyServer)
		if port, ok := number(a, keyPort); ok && server != "" {
			server = joinPort(server, strconv.FormatInt(port, 10))
		}
		return orWord(server+orWord(text(a, keyTemplate), path), unknown)
	}
	return orWord(orWord(text(a, keyTemplate), text(a, keyRoute)), orWord(path, unknown))
}

func requestTitle(a v1.Attributes) string {
	return visible(strings.TrimSpace(orWord(text(a, keyMethod), "GET") + " " + requestRoute(a)))
}

// standsForCell says of how many requests this one was chosen.
func standsForCell(r *v1.Record) Cell {
	if standsFor(r) == "" {
		return Cell{Kind: "text", Class: "muted none"}
	}
	return Cell{Kind: "text", Text: standsFor(r), Class: "muted", Title: standsForTitle}
}

func standsFor(r *v1.Record) string {
	if n := uint64(r.Weight + 0.5); n > 1 {
		return "1 of " + count(n)
	}
	return ""
}

func rowClass(o Outcome) string {
	if o.Class == "bad" {
		return "failed"
	}
	return ""
}
