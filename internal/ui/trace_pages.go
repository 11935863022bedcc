package ui

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/api/v1/client"
)

// navTraces is the entry of the navigation.
const navTraces = "traces"

// Traces is the page of the execution traces that were analysed.
type Traces struct {
	Table Table
	// Off is set when the server keeps no traces.
	Off bool
}

// tracePages adds the pages about execution traces.
func (s *server) tracePages(mux *http.ServeMux) {
	mux.Handle("GET /traces", s.page(s.traces))
	mux.Handle("GET /traces/{id}", s.page(s.trace))
}

func (s *server) traces(r *http.Request) (*Page, error) {
	list, err := s.api.Traces(r.Context())
	var refused *client.Error
	off := errors.As(err, &refused) && refused.Status == http.StatusNotFound
	if err != nil && !off {
		return nil, err
	}
	v := Traces{Table: tracesTable(list.Items, s.now()), Off: off}
	if off {
		v.Table.Empty = State{Kind: "empty", Title: "No traces are kept here", Text: "Goshawk keeps its data in memory only. Give it a folder, or analyse a trace with the command:", Code: "goshawk trace report t.trace"}
	}
	return &Page{View: "traces", Nav: navTraces, Title: "Traces", Body: v}, nil
}

func (s *server) trace(r *http.Request) (*Page, error) {
	kept, err := s.api.Trace(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	v := newTraceView(&kept.Trace, s.now())
	v.Back, v.Remove = "/traces", "/api/v1/traces/"+url.PathEscape(r.PathValue("id"))
	return &Page{View: "trace", Nav: navTraces, Title: "Trace " + clip(v.File, 80), Body: v}, nil
}

func tracesTable(list []v1.TraceSummary, now time.Time) Table {
	t := Table{
		ID: "traces-table", Caption: "Traces that were analysed",
		Columns: []Column{
			{Label: "Analysed", Class: "w-time"}, {Label: "Trace"}, {Label: "Go", Class: "w-num-s"}, {Label: "Duration", Class: "w-num num"}, {Label: "Events", Class: "w-num num"},
			{Label: "State", Class: "w-outcome"}, {Label: "Findings", Class: "w-caller"},
		},
		Empty: State{Kind: "empty", Title: "No trace was analysed yet", Text: "Choose a file above, or send one. This gets a trace of a program with net/http/pprof:", Code: "goshawk trace record --url http://127.0.0.1:6060 -o t.trace"},
	}
	for i := range list {
		s := &list[i]
		name := traceName(s.File)
		outcome := Outcome{"ok", "ok", "whole", "The trace was read to its end."}
		row := Row{}
		if !s.Complete {
			outcome, row.Class = Outcome{"warn", "warn", "cut off", "The trace is cut off or damaged: what came before is here."}, "noted"
		}
		badges := Cell{Kind: "badges", Badges: worstBadges(s.Findings)}
		if len(s.Findings) == 0 {
			badges = Cell{Kind: "text", Text: "none", Class: "muted none"}
		}
		row.Cells = []Cell{
			{Kind: "time", When: newDay(s.Analysed, now)},
			{Kind: "cmd", Class: "main wide", Text: clip(name, 300), Title: clip(name, 1000), Href: "/traces/" + url.PathEscape(s.ID), ID: "row-" + url.PathEscape(s.ID)},
			textCell(visible(s.GoVersion)), numCell(duration(s.DurationNS)), numCell(count(s.Events)), {Kind: "outcome", Outcome: outcome}, badges,
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// worstBadges are the rules of the worst findings, and how many more there are.
func worstBadges(findings []v1.Finding) []Badge {
	const most = 2
	sorted := slices.Clone(findings)
	slices.SortStableFunc(sorted, func(a, b v1.Finding) int { return cmp.Compare(rank(a.Severity), rank(b.Severity)) })
	list := findingBadges(sorted[:min(len(sorted), most)])
	if more := len(sorted) - len(list); more > 0 {
		list = append(list, Badge{Text: "+" + strconv.Itoa(more), Title: plural(uint64(more), "more finding", "more findings")})
	}
	return list
}
