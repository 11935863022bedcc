package ui

import (
	"context"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/api/v1/client"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// probeStartup is the probe whose events starts are made of.
const probeStartup = "startup"

// Starts is the page of the starts that were recorded.
type Starts struct {
	// Service is that whose starts they are, empty for all; ServiceHref leads to
	// it.
	Service, ServiceHref string
	Table                Table
	Next                 string
	Lacks                []string
}

// startupPages adds the pages about starts.
func (s *server) startupPages(mux *http.ServeMux) {
	mux.Handle("GET /starts", s.page(s.starts))
	mux.Handle("GET /starts/{trace}", s.page(s.start))
}

// starts makes the page of the starts of one service, or of all.
func (s *server) starts(r *http.Request) (*Page, error) {
	asked := r.URL.Query()
	service := asked.Get("service")
	list, err := s.api.Events(r.Context(), startQuery(service, asked.Get("after")))
	if err != nil {
		return nil, err
	}
	v := Starts{Service: visible(service), Table: startsTable(list.Items, s.now()), Lacks: list.Incomplete}
	if service != "" {
		v.ServiceHref = serviceHref(service)
	}
	if list.Next != "" {
		v.Next = link("/starts", "service", service, "after", list.Next)
	}
	return &Page{View: "startups", Nav: probeStartup, Title: "Starts", Body: v}, nil
}

// startQuery selects the events that are about a whole start.
func startQuery(service, after string) v1.EventQuery {
	return v1.EventQuery{Probe: probeStartup, Service: service, Where: []v1.Match{{Key: startup.KeyKind, Value: startup.KindStart}}, After: after, Limit: v1.DefaultLimit}
}

func startsTable(records []v1.Record, now time.Time) Table {
	t := Table{
		ID: "starts-table", Caption: "Starts",
		Columns: []Column{
			{Label: "Executed", Class: "w-time"}, {Label: "Service", Class: "w-service"}, {Label: "Program"}, {Label: "Took", Class: "w-num num"},
			{Label: "Ended by", Class: "w-outcome"}, {Label: "Findings", Class: "w-find"},
		},
		Empty: State{Kind: "empty", Title: "No start was recorded", Text: "The starts of the programs that a Probe document names show up here. This command records one now:", Code: "goshawk startup -- ./server"},
	}
	for i := range records {
		r := &records[i]
		took := numCell(durationOr(r.DurationNS))
		outcome := startOutcome(startOfRecord(r))
		row := Row{Class: rowClass(outcome), Cells: []Cell{
			{Kind: "time", When: newWhen(r.Time, now)}, serviceCell(r), startCell(r), took, {Kind: "outcome", Outcome: outcome}, {Kind: "badges", Badges: findingBadges(r.Findings)},
		}}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// startCell names a start and leads to it.
func startCell(r *v1.Record) Cell {
	args := strings.Join(argv(r.Attributes), " ")
	if args == "" {
		args = orWord(text(r.Attributes, startup.KeyExe), unknown)
	}
	c := Cell{Kind: "cmd", Class: "main wide", Text: clip(visible(args), 300), Title: clip(visible(args), 2000), ID: "row-" + url.PathEscape(r.ID)}
	if r.TraceID != "" {
		c.Href = link("/starts/"+url.PathEscape(r.TraceID), "event", r.ID)
	}
	return c
}

// startOfRecord is what the start's own event says of how it ended.
func startOfRecord(r *v1.Record) *v1.Startup {
	v := &v1.Startup{Ended: text(r.Attributes, startup.KeyEnded)}
	if code, ok := number(r.Attributes, startup.KeyExitCode); ok {
		n := int(code)
		v.ExitCode = &n
	}
	if signal, ok := number(r.Attributes, startup.KeySignal); ok {
		v.Signal = int(signal)
	}
	return v
}

// start makes the page of one start.
func (s *server) start(r *http.Request) (*Page, error) {
	ctx, trace := r.Context(), r.PathValue("trace")
	if id, err := hex.DecodeString(trace); err != nil || len(id) != 16 {
		return nil, &v1.ParameterError{Parameter: "trace", Value: clip(trace, 100), Cause: "is not a trace id", Hint: "follow a link of the page of starts"}
	}
	record, err := s.findStart(ctx, trace, r.URL.Query().Get("event"))
	if err != nil {
		return nil, err
	}
	records, lacks, err := s.startRecords(ctx, record)
	if err != nil {
		return nil, err
	}
	start, err := v1.StartOf(records)
	if err != nil {
		return nil, err
	}
	v := v1.NewStartup(start, nil)
	// What was found is the event's: of a start whose events are gone in part
	// something else would be.
	v.Findings = record.Findings
	view := newStartView(&v, s.now())
	view.Back, view.Service = "/starts", visible(record.Service)
	if record.Service != "" {
		view.ServiceHref = serviceHref(record.Service)
		view.Back = link("/starts", "service", record.Service)
	}
	view.Lacks = append(view.Lacks, lacks...)
	return &Page{View: "startup", Nav: probeStartup, Title: "Start of " + clip(view.Command, 80), Body: view}, nil
}

// The most pages of events that are read to find a start, and to put it
// together: a start has an event for each package.
const (
	maxFindPages  = 10
	maxStartPages = 20
)

// findStart returns the event about a whole start: the one with this id when it
// is that, else the one of the trace.
func (s *server) findStart(ctx context.Context, trace, id string) (v1.Record, error) {
	if id != "" {
		record, err := s.api.Event(ctx, id)
		if err == nil && record.TraceID == trace && text(record.Attributes, startup.KeyKind) == startup.KindStart {
			return record, nil
		}
		if ctx.Err() != nil {
			return v1.Record{}, err
		}
	}
	q := startQuery("", "")
	q.Limit = v1.MaxLimit
	for range maxFindPages {
		list, err := s.api.Events(ctx, q)
		if err != nil {
			return v1.Record{}, err
		}
		for i := range list.Items {
			if list.Items[i].TraceID == trace {
				return list.Items[i], nil
			}
		}
		if q.After = list.Next; q.After == "" {
			break
		}
	}
	return v1.Record{}, &client.Error{Status: http.StatusNotFound, Message: "there is no start with the trace " + trace, Hint: "it may be too old, or not be over yet"}
}

// startRecords returns all events of a start, and what is missing.
func (s *server) startRecords(ctx context.Context, start v1.Record) (records []v1.Record, lacks []string, err error) {
	at := time.Time(start.Time)
	var took time.Duration
	if start.DurationNS != nil {
		took = time.Duration(*start.DurationNS)
	}
	// What belongs to a start is within it, but for kernel_exec, which is before.
	q := v1.EventQuery{
		Probe: probeStartup, PID: start.PID, Limit: v1.MaxLimit,
		From: v1.Moment{At: at.Add(-time.Minute)}, To: v1.Moment{At: at.Add(took + time.Minute)},
	}
	for range maxStartPages {
		list, err := s.api.Events(ctx, q)
		if err != nil {
			return nil, nil, err
		}
		for i := range list.Items {
			if list.Items[i].TraceID == start.TraceID {
				records = append(records, list.Items[i])
			}
		}
		lacks = append(lacks, list.Incomplete...)
		if q.After = list.Next; q.After == "" {
			return records, lacks, nil
		}
	}
	return records, append(lacks, "The start has more events than are shown."), nil
}
