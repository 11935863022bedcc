package ui

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// Commands is the page of commands: a filter, and what it selects as a table
// or as a tree.
type Commands struct {
	Filter *Filter
	Chart  Chart
	Table  Table
	Tree   *Waterfall
	// Next is the address of the next page, Total how many there are in all
	// when no condition but service and time is set.
	Next, Total string
	Lacks       []string
	// AsOf is when the tree was drawn.
	AsOf when
}

func (s *server) commands(r *http.Request) (*Page, error) {
	ctx, now := r.Context(), s.now()
	f, err := s.filter(r, probeExec)
	if err != nil {
		return nil, err
	}
	q, from, to := f.span()
	services, err := s.api.Services(ctx)
	if err != nil {
		return nil, err
	}
	probes, err := s.api.Probes(ctx)
	if err != nil {
		return nil, err
	}
	f.Services, f.Rules, f.Groups = serviceNames(services.Items), rulesOf(probes.Items, probeExec), groupsOf(probes.Items, probeExec)
	c := Commands{Filter: f, Lacks: services.Incomplete, AsOf: newDay(v1.Time(now), now)}
	if f.View == "tree" {
		tree, err := s.api.Waterfall(ctx, q, "")
		if err != nil {
			return nil, err
		}
		view := newWaterfall("tree", "Commands below the process that ran them", waterfallSrc(q, ""), tree, "")
		view.Data = unlinked(tree)
		c.Tree = &view
		return &Page{View: "commands", Nav: "commands", Title: "Commands", Body: c}, nil
	}
	w := newWindow(from, to)
	sums, err := s.api.Rollups(ctx, f.rollups(w))
	if err != nil {
		return nil, err
	}
	c.Chart = newRateChart("rate", "Commands over time", encode("/api/v1/rollups", f.rollups(w).Values()), sums.Items, w, now)
	c.Chart.Data, c.Chart.Live = sums, liveChart(f, to.Sub(from))
	c.Chart.Note = chartNote(f)
	c.Lacks = append(c.Lacks, sums.Incomplete...)
	list, err := s.api.Events(ctx, q)
	if err != nil {
		return nil, err
	}
	c.Table = commandTable(list.Items, f, now)
	c.Lacks = append(c.Lacks, list.Incomplete...)
	if list.Next != "" {
		c.Next = f.Next(list.Next)
	}
	return &Page{View: "commands", Nav: "commands", Title: "Commands", Body: c}, nil
}

// chartNote says that a chart knows of no condition but service, time, and the
// attributes that rollups tell apart.
func chartNote(f *Filter) string {
	q := f.Query
	counted := !slices.ContainsFunc(q.Where, func(m v1.Match) bool { return !slices.Contains(f.Groups, m.Key) })
	if !q.Failed && !q.Findings && q.Rule == "" && q.Text == "" && q.PID == 0 && q.MinDuration == 0 && counted {
		return ""
	}
	return "The chart counts everything of this service and time; the other conditions do not apply to it."
}

// liveChart is where a chart hears of news; a long time hardly changes.
func liveChart(f *Filter, span time.Duration) string {
	if !f.Live || span > time.Hour {
		return ""
	}
	return f.Stream()
}

// rulesOf returns the rules of a probe's findings, for the form. Another rule
// can be asked for all the same.
func rulesOf(probes []v1.Probe, name string) []string {
	var list []string
	for _, p := range probes {
		if p.Name != name {
			continue
		}
		for _, r := range p.Rules {
			list = append(list, r.Name)
		}
	}
	slices.Sort(list)
	return list
}

// groupsOf returns the attributes that rollups of a probe tell apart.
func groupsOf(probes []v1.Probe, name string) []string {
	for _, p := range probes {
		if p.Name == name {
			return p.Groups
		}
	}
	return nil
}

func serviceNames(services []v1.Service) []string {
	var list []string
	for _, s := range services {
		if s.Name != "" {
			list = append(list, s.Name)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// commandTable shows commands. f makes the links of the columns; it may be nil.
func commandTable(records []v1.Record, f *Filter, now time.Time) Table {
	t := Table{
		ID: "commands-table", Caption: "Commands",
		Columns: []Column{
			{Label: "Ended", Class: timeClass(f, now)}, {Label: "Service", Class: "w-service"}, {Label: "Command"}, {Label: "Call site", Class: "w-site"},
			{Label: "Duration", Class: "w-num-s num"}, {Label: "Outcome", Class: "w-outcome"}, {Label: "Findings", Class: "w-find"},
		},
		Empty: State{Kind: "empty", Title: "No command matches", Text: "Choose a longer time or fewer conditions. Commands show up here as soon as a program on this host runs one."},
	}
	if f != nil {
		t.Columns[0].Sort, t.Columns[4].Sort = f.Order(v1.OrderNewest), f.Order(v1.OrderSlowest)
		t.Columns[0].Sorted = "descending"
		if f.Slowest() {
			t.Columns[0].Sorted, t.Columns[4].Sorted = "", "descending"
		}
	}
	for i := range records {
		row := commandRow(&records[i], now)
		if f != nil {
			row.Cells[2].ID = "row-" + url.PathEscape(records[i].ID)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// timeClass is the width of the times: with the date when not all are of today.
func timeClass(f *Filter, now time.Time) string {
	if f == nil || f.withinToday(now) {
		return "w-time"
	}
	return "w-day"
}

func commandRow(r *v1.Record, now time.Time) Row {
	var row Row
	outcome := outcomeOf(&r.Event)
	switch {
	case outcome.Class == "bad":
		row.Class = "failed"
	case len(r.Findings) > 0:
		row.Class = "noted"
	}
	service := Cell{Kind: "link", Text: visible(r.Service), Title: visible(r.Service), Href: serviceHref(r.Service)}
	if r.Service == "" {
		service = Cell{Kind: "text", Text: unknown, Class: "muted none", Title: "no Go service ran it"}
	}
	row.Cells = []Cell{
		{Kind: "time", When: newWhen(v1.Time(ended(&r.Event)), now)}, service, commandCell(r), siteCell(siteOf(r.Attributes), text(r.Attributes, keyParent)),
		numCell(durationOr(r.DurationNS)), {Kind: "outcome", Outcome: outcome}, {Kind: "badges", Badges: findingBadges(r.Findings)},
	}
	return row
}

// ended is when an event ended.
func ended(e *v1.Event) time.Time {
	if e.DurationNS == nil {
		return time.Time(e.Time)
	}
	return time.Time(e.Time).Add(time.Duration(*e.DurationNS))
}

// maxTitle bounds a tooltip: nobody reads more of one.
const maxTitle = 6000

func commandCell(r *v1.Record) Cell {
	line := commandLine(argv(r.Attributes))
	head, tail := middle(line)
	return Cell{Kind: "cmd", Text: orWord(head, unknown), Tail: tail, Title: clip(line, maxTitle), Href: eventHref(r.Probe, r.ID), Class: "main"}
}

// unlinked returns a waterfall whose bars lead nowhere, for a page that is kept.
func unlinked(w v1.Waterfall) v1.Waterfall {
	w.Bars = slices.Clone(w.Bars)
	for i := range w.Bars {
		w.Bars[i].Href = ""
	}
	return w
}
