package ui

import (
	"cmp"
	"fmt"
	"math/bits"
	"net/url"
	"slices"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// sums are what the events of the last hour add up to, by minute, and those of
// the last minute.
type sums struct {
	commands, commandsNow, requests, requestsNow []v1.Rollup
}

// probed reports whether there is a probe of this name.
func probed(probes []v1.Probe, name string) bool {
	return slices.ContainsFunc(probes, func(p v1.Probe) bool { return p.Name == name })
}

// activity is what a service did.
type activity struct {
	name          string
	processes     []v1.Process
	commands      []float64
	findings      []float64
	count, failed uint64
	found         uint64
	perSecond     float64
	since         time.Time
	versions      []string
	// requests and failures are those that it served, by minute; now sums up the
	// last minute.
	requests, failures []float64
	served             uint64
	now                v1.Rollup
}

// newOverview joins what runs with what was seen, by the service's name.
func newOverview(services []v1.Service, seen sums, hour window, now time.Time) Overview {
	list := activities(services, seen, hour)
	o := Overview{Services: Table{
		ID: "services-table", Caption: "Services of this host",
		Empty: State{
			Kind: "empty", Title: "No Go program runs here yet",
			Text: "Start one, and it shows up here by itself: nothing has to be imported or restarted. Or look at the demo:", Code: "goshawk up --demo",
		},
	}}
	var total activity
	running, processes := 0, 0
	for i := range list {
		a := &list[i]
		total.count += a.count
		total.failed += a.failed
		total.found += a.found
		total.perSecond += a.perSecond
		total.served += a.served
		total.now.Count += a.now.Count
		total.now.Failed += a.now.Failed
		processes += len(a.processes)
		if len(a.processes) > 0 {
			running++
		}
	}
	columns := serviceColumns(total.served > 0)
	for _, c := range columns {
		if c.extra {
			c.column.Class += " extra"
		}
		o.Services.Columns = append(o.Services.Columns, c.column)
	}
	for i := range list {
		row := Row{}
		if list[i].name != "" && len(list[i].processes) == 0 {
			row.Class = "gone"
		}
		for _, c := range columns {
			cell := c.cell(&list[i], now)
			if c.extra {
				cell.Class += " extra"
			}
			row.Cells = append(row.Cells, cell)
		}
		o.Services.Rows = append(o.Services.Rows, row)
	}
	o.Figures = []Figure{{Value: grouped(int64(running)), Unit: plural(uint64(processes), "process", "processes"), Label: "services run now"}}
	if total.served > 0 {
		o.Figures = append(o.Figures, Figure{Value: rate(float64(total.now.Count) / 60), Label: "requests, last minute"},
			Figure{Value: count(total.now.Failed), Unit: shareOf(total.now.Failed, total.now.Count), Label: "requests failed, last minute", Class: classIf(total.now.Failed, "bad")})
	}
	o.Figures = append(o.Figures,
		Figure{Value: rate(total.perSecond), Label: "commands, last minute"}, Figure{Value: count(total.count), Label: "commands, last hour"},
		Figure{Value: count(total.failed), Unit: shareOf(total.failed, total.count), Label: "commands failed, last hour", Class: classIf(total.failed, "bad")},
		Figure{Value: count(total.found), Label: "with findings, last hour", Class: classIf(total.found, "warn")})
	return o
}

func classIf(n uint64, class string) string {
	if n > 0 {
		return class
	}
	return ""
}

func shareOf(part, all uint64) string {
	if part == 0 || all == 0 {
		return ""
	}
	return percent(float64(part) / float64(all))
}

func activities(services []v1.Service, seen sums, hour window) []activity {
	var list []activity
	at := func(name string) *activity {
		i := slices.IndexFunc(list, func(a activity) bool { return a.name == name })
		if i < 0 {
			i = len(list)
			list = append(list, activity{name: name, commands: make([]float64, hour.len()), findings: make([]float64, hour.len()), requests: make([]float64, hour.len()), failures: make([]float64, hour.len())})
		}
		return &list[i]
	}
	for _, s := range services {
		a := at(s.Name)
		a.processes = s.Processes
		for _, p := range s.Processes {
			if start := time.Time(p.StartTime); a.since.IsZero() || start.Before(a.since) {
				a.since = start
			}
			if !slices.Contains(a.versions, p.GoVersion) {
				a.versions = append(a.versions, p.GoVersion)
			}
		}
	}
	for i := range seen.commands {
		r := &seen.commands[i]
		a := at(r.Service)
		a.count += r.Count
		a.failed += r.Failed
		a.found += r.Findings
		if step, ok := hour.index(time.Time(r.Time)); ok {
			a.commands[step] += float64(r.Count)
			a.findings[step] += float64(r.Findings)
		}
	}
	for i := range seen.commandsNow {
		at(seen.commandsNow[i].Service).perSecond += float64(seen.commandsNow[i].Count) / 60
	}
	for i := range seen.requests {
		r := &seen.requests[i]
		a := at(r.Service)
		a.served += r.Count
		if step, ok := hour.index(time.Time(r.Time)); ok {
			a.requests[step] += float64(r.Count)
			a.failures[step] += float64(r.Failed)
		}
	}
	for i := range seen.requestsNow {
		at(seen.requestsNow[i].Service).now = seen.requestsNow[i]
	}
	slices.SortFunc(list, func(a, b activity) int {
		// The busiest come first, but only orders of magnitude count: rows
		// keep their places while one looks.
		return cmp.Or(b.weight()-a.weight(), bits.Len64(b.count+b.served)/3-bits.Len64(a.count+a.served)/3, strings.Compare(a.name, b.name))
	})
	return list
}

func (a *activity) weight() int {
	switch {
	case a.name == "":
		return 0
	case a.count+a.served > 0 && len(a.processes) > 0:
		return 3
	case len(a.processes) > 0:
		return 2
	}
	return 1
}

// serviceColumn is a column of the table of services.
type serviceColumn struct {
	column Column
	// extra says that it is left out where there is little room.
	extra bool
	cell  func(a *activity, now time.Time) Cell
}

// serviceColumns are the columns: what services do, or with requests what they
// serve first.
func serviceColumns(requests bool) []serviceColumn {
	name := serviceColumn{Column{Label: "Service", Class: "w-name"}, false, nameCell}
	facts := []serviceColumn{
		{Column{Label: "Go", Class: "w-num"}, requests, func(a *activity, _ time.Time) Cell {
			c := textCell(strings.Join(trimGo(a.versions), ", "))
			if c.Text == "" {
				c.Class = "none"
			}
			return c
		}},
		{Column{Label: "Since", Class: "w-num", Title: "When its oldest process started"}, requests, sinceCell},
		{Column{Label: "Processes", Class: "w-num-s num"}, false, func(a *activity, _ time.Time) Cell { return numCell(grouped(int64(len(a.processes)))) }},
	}
	commandsNow := serviceColumn{Column{Label: "Commands now", Class: "w-num num", Title: "Commands that ended in the last minute"}, false, func(a *activity, _ time.Time) Cell { return numCell(rate(a.perSecond)) }}
	commandsHour := serviceColumn{Column{Label: "Commands, 1 h", Class: "w-spark", Title: "Commands per minute over the last hour"}, false, func(a *activity, _ time.Time) Cell {
		return Cell{Kind: "spark", Spark: newSpark(a.commands, sparkLabel("commands", a.commands)), Class: "spark-cell"}
	}}
	failed := serviceColumn{Column{Label: "Failed", Class: "w-num-s num", Title: "Commands that failed in the last hour"}, false, func(a *activity, _ time.Time) Cell {
		return failedCell(a.failed, link("/commands", "service", a.name, "failed", "true"))
	}}
	found := serviceColumn{Column{Label: "Findings", Class: "w-num-s num", Title: "In the last hour"}, false, func(a *activity, _ time.Time) Cell {
		return findingsCell(a.found, link("/commands", "service", a.name, "findings", "true"))
	}}
	if requests {
		commandsNow.column.Label = "Commands"
		return slices.Concat([]serviceColumn{name}, requestColumns(), []serviceColumn{commandsNow, commandsHour, failed, found}, facts)
	}
	findings := serviceColumn{Column{Label: "Findings, 1 h", Class: "w-spark", Title: "Commands with findings per minute over the last hour"}, false, func(a *activity, _ time.Time) Cell {
		return Cell{Kind: "spark", Spark: newMarks(a.findings, sparkLabel("findings", a.findings)), Class: "spark-cell"}
	}}
	all := serviceColumn{Column{Label: "Commands", Class: "w-num num", Title: "In the last hour"}, false, func(a *activity, _ time.Time) Cell { return numCell(count(a.count)) }}
	return slices.Concat([]serviceColumn{name}, facts, []serviceColumn{commandsNow, commandsHour, findings, all, failed, found})
}

// requestColumns say what services serve.
func requestColumns() []serviceColumn {
	took := func(ns func(r *v1.Rollup) int64) func(a *activity, _ time.Time) Cell {
		return func(a *activity, _ time.Time) Cell {
			if a.now.Count == 0 {
				return numCell("")
			}
			return numCell(duration(ns(&a.now)))
		}
	}
	return []serviceColumn{
		{Column{Label: "Requests now", Class: "w-num num", Title: "Requests that were served in the last minute"}, false, func(a *activity, _ time.Time) Cell {
			if a.served == 0 {
				return numCell("")
			}
			return numCell(rate(float64(a.now.Count) / 60))
		}},
		{Column{Label: "Requests, 1 h", Class: "w-spark", Title: "Requests per minute over the last hour, red where some failed"}, false, func(a *activity, _ time.Time) Cell {
			if a.served == 0 {
				return Cell{Kind: "text", Class: "none"}
			}
			return Cell{Kind: "spark", Spark: newFailing(a.requests, a.failures, sparkLabel("requests", a.requests)), Class: "spark-cell"}
		}},
		{Column{Label: "Errors", Class: "w-num-s num", Title: "The share of the last minute's requests that failed"}, false, errorsCell},
		{Column{Label: "p50", Class: "w-num num", Title: "Half of the last minute's requests took no longer"}, false, took(func(r *v1.Rollup) int64 { return r.P50NS })},
		{Column{Label: "p99", Class: "w-num num", Title: "99 of 100 of the last minute's requests took no longer"}, false, took(func(r *v1.Rollup) int64 { return r.P99NS })},
	}
}

func errorsCell(a *activity, _ time.Time) Cell {
	c := numCell("")
	if a.now.Count > 0 {
		c = Cell{Kind: "num", Text: percent(float64(a.now.Failed) / float64(a.now.Count)), Class: "num muted"}
	}
	if a.now.Failed > 0 {
		c.Class = "num bad"
		c.Href = link("/events", "probe", probeHTTP, "service", a.name, "failed", "true", "where", keyRole+"="+roleServer)
	}
	return c
}

func nameCell(a *activity, _ time.Time) Cell {
	if a.name == "" {
		return Cell{Kind: "text", Text: "no service", Title: "Commands that no Go service ran", Class: "main muted"}
	}
	return Cell{Kind: "link", Text: clip(visible(a.name), 300), Title: visible(a.name), Href: serviceHref(a.name), ID: "service-" + url.PathEscape(a.name), Class: "main strong"}
}

func sinceCell(a *activity, now time.Time) Cell {
	switch {
	case !a.since.IsZero():
		since := Cell{Kind: "time", When: newDay(v1.Time(a.since), now)}
		since.When.Short = age(a.since, now)
		return since
	case a.name != "":
		return Cell{Kind: "text", Text: "ended", Class: "muted", Title: "No process of it runs now"}
	}
	return Cell{Kind: "time", When: when{}}
}

func trimGo(versions []string) []string {
	var list []string
	for _, v := range versions {
		list = append(list, strings.TrimPrefix(v, "go"))
	}
	return list
}

func sparkLabel(what string, perMinute []float64) string {
	var sum float64
	for _, v := range perMinute {
		sum += v
	}
	return fmt.Sprintf("%s in the last hour: %s, at most %s in a minute", what, significant(sum), significant(greatest(perMinute)))
}
