package ui

import (
	"cmp"
	"fmt"
	"math/bits"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// Overview is the first page: the services, what to look at, and how the
// observer itself is.
type Overview struct {
	Figures  []Figure
	Services Table
	Findings []FindingView
	Probes   []ProbeView
	Store    StoreView
	Lacks    []string
}

// Figure is a number that is read first.
type Figure struct{ Value, Unit, Label, Class string }

// ProbeView is the state of a probe.
type ProbeView struct {
	Name, Summary string
	// Class is ok, warn or bad, State the word for it.
	Class, State       string
	Events, Lost, Cost string
	// LostClass is "bad" when something was lost.
	LostClass string
	Off       []v1.ProbePart
	Href      string
}

// StoreView is the state of the store.
type StoreView struct {
	Class, State string
	Since        when
	Age          string
	// NoSince says why there is no Since.
	NoSince      string
	Size, Limits string
	Kept         string
	Errors       []string
}

func (s *server) overview(r *http.Request) (*Page, error) {
	ctx := r.Context()
	services, err := s.api.Services(ctx)
	if err != nil {
		return nil, err
	}
	probes, err := s.api.Probes(ctx)
	if err != nil {
		return nil, err
	}
	now := s.now()
	hour := window{from: now.Truncate(time.Minute).Add(-59 * time.Minute), to: now.Truncate(time.Minute).Add(time.Minute), step: time.Minute}
	history, err := s.api.Rollups(ctx, v1.RollupQuery{Probe: probeExec, From: v1.Moment{At: hour.from}, Step: hour.step})
	if err != nil {
		return nil, err
	}
	minute := now.Truncate(10 * time.Second)
	recent, err := s.api.Rollups(ctx, v1.RollupQuery{Probe: probeExec, From: v1.Moment{At: minute.Add(-time.Minute)}, To: v1.Moment{At: minute}})
	if err != nil {
		return nil, err
	}
	noted, err := s.api.Events(ctx, v1.EventQuery{Findings: true, From: v1.Moment{Ago: time.Hour}, Limit: 500})
	if err != nil {
		return nil, err
	}
	store, err := s.api.Store(ctx)
	if err != nil {
		return nil, err
	}
	o := newOverview(services.Items, history.Items, recent.Items, hour, now)
	o.Findings = groupFindings(noted, func(rule string) string { return link("/commands", "rule", rule) })
	for _, p := range probes.Items {
		o.Probes = append(o.Probes, newProbe(p, now))
	}
	o.Store = newStore(store, now)
	o.Lacks = slices.Concat(services.Incomplete, history.Incomplete, noted.Incomplete)
	return &Page{View: "overview", Nav: "overview", Title: "Overview", Body: o}, nil
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
}

// newOverview joins what runs with what was seen, by the service's name.
func newOverview(services []v1.Service, history, recent []v1.Rollup, hour window, now time.Time) Overview {
	list := activities(services, history, recent, hour)
	o := Overview{Services: Table{
		ID: "services-table", Caption: "Services of this host",
		Columns: []Column{
			{Label: "Service", Class: "w-name"}, {Label: "Go", Class: "w-num"}, {Label: "Since", Class: "w-num", Title: "When its oldest process started"},
			{Label: "Processes", Class: "w-num-s num"}, {Label: "Commands now", Class: "w-num num", Title: "Commands that ended in the last minute"},
			{Label: "Commands, last hour", Class: "w-spark", Title: "Commands per minute over the last hour"},
			{Label: "Findings, last hour", Class: "w-spark", Title: "Commands with findings per minute over the last hour"},
			{Label: "Commands", Class: "w-num num", Title: "In the last hour"},
			{Label: "Failed", Class: "w-num-s num", Title: "In the last hour"}, {Label: "Findings", Class: "w-num-s num", Title: "In the last hour"},
		},
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
		processes += len(a.processes)
		if len(a.processes) > 0 {
			running++
		}
		o.Services.Rows = append(o.Services.Rows, serviceRow(a, now))
	}
	o.Figures = []Figure{
		{Value: grouped(int64(running)), Unit: plural(uint64(processes), "process", "processes"), Label: "services run now"},
		{Value: rate(total.perSecond), Label: "commands, last minute"},
		{Value: count(total.count), Label: "commands, last hour"},
		{Value: count(total.failed), Unit: shareOf(total.failed, total.count), Label: "failed, last hour", Class: classIf(total.failed, "bad")},
		{Value: count(total.found), Label: "with findings, last hour", Class: classIf(total.found, "warn")},
	}
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

func activities(services []v1.Service, history, recent []v1.Rollup, hour window) []activity {
	var list []activity
	at := func(name string) *activity {
		i := slices.IndexFunc(list, func(a activity) bool { return a.name == name })
		if i < 0 {
			i = len(list)
			list = append(list, activity{name: name, commands: make([]float64, hour.len()), findings: make([]float64, hour.len())})
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
	for i := range history {
		r := &history[i]
		a := at(r.Service)
		a.count += r.Count
		a.failed += r.Failed
		a.found += r.Findings
		if step, ok := hour.index(time.Time(r.Time)); ok {
			a.commands[step] += float64(r.Count)
			a.findings[step] += float64(r.Findings)
		}
	}
	for i := range recent {
		at(recent[i].Service).perSecond += float64(recent[i].Count) / 60
	}
	slices.SortFunc(list, func(a, b activity) int {
		// The busiest come first, but only orders of magnitude count: rows
		// keep their places while one looks.
		return cmp.Or(b.weight()-a.weight(), bits.Len64(b.count)/3-bits.Len64(a.count)/3, strings.Compare(a.name, b.name))
	})
	return list
}

func (a *activity) weight() int {
	switch {
	case a.name == "":
		return 0
	case a.count > 0 && len(a.processes) > 0:
		return 3
	case len(a.processes) > 0:
		return 2
	}
	return 1
}

func serviceRow(a *activity, now time.Time) Row {
	filter := func(pairs ...string) string {
		return link("/commands", append([]string{"service", a.name}, pairs...)...)
	}
	var row Row
	name := Cell{Kind: "link", Text: clip(visible(a.name), 300), Title: visible(a.name), Href: serviceHref(a.name), ID: "service-" + url.PathEscape(a.name), Class: "main strong"}
	goVersion := textCell(strings.Join(trimGo(a.versions), ", "))
	since := Cell{Kind: "time", When: when{}}
	switch {
	case a.name == "":
		name = Cell{Kind: "text", Text: "no service", Title: "Commands that no Go service ran", Class: "main muted"}
	case len(a.processes) == 0:
		row.Class = "gone"
		since = Cell{Kind: "text", Text: "ended", Class: "muted", Title: "No process of it runs now"}
	}
	if !a.since.IsZero() {
		since = Cell{Kind: "time", When: newDay(v1.Time(a.since), now)}
		since.When.Short = age(a.since, now)
	}
	row.Cells = []Cell{
		name, goVersion, since, numCell(grouped(int64(len(a.processes)))), numCell(rate(a.perSecond)),
		{Kind: "spark", Spark: newSpark(a.commands, sparkLabel("commands", a.commands)), Class: "spark-cell"},
		{Kind: "spark", Spark: newMarks(a.findings, sparkLabel("findings", a.findings)), Class: "spark-cell"},
		numCell(count(a.count)), failedCell(a.failed, filter("failed", "true")), findingsCell(a.found, filter("findings", "true")),
	}
	return row
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

// newProbe says how a probe is.
func newProbe(p v1.Probe, now time.Time) ProbeView {
	v := ProbeView{
		Name: p.Name, Summary: p.Summary, Class: "ok", State: "up",
		Events: count(p.Events), Lost: count(p.Lost), Cost: "not measured", Off: p.Off,
		Href: link("/events", "probe", p.Name),
	}
	if p.Name == probeExec {
		v.Href = "/commands"
	}
	switch {
	case !p.Up:
		v.Class, v.State = "bad", "off"
	case len(p.Off) > 0:
		v.Class, v.State = "warn", "partly up"
	}
	if p.Lost > 0 {
		v.LostClass = "bad"
	}
	if p.CostNS != nil {
		v.Cost = duration(*p.CostNS) + " of CPU"
		if p.Since != nil && now.After(time.Time(*p.Since)) {
			v.Cost = percent(float64(*p.CostNS)/float64(now.Sub(time.Time(*p.Since)))) + " of a core"
		}
		if p.Events > 0 {
			v.Cost += ", " + duration(*p.CostNS/int64(p.Events)) + " per event"
		}
	}
	return v
}

func newStore(st v1.Store, now time.Time) StoreView {
	v := StoreView{Class: "ok", State: "kept on disk", NoSince: "nothing is kept yet", Size: size(st.SizeBytes), Kept: count(st.Kept), Errors: st.Errors}
	if st.Kind == "memory" {
		v.Class, v.State, v.NoSince, v.Size = "warn", "in memory: a restart forgets it", "the start of goshawk up", ""
	}
	if len(st.Errors) > 0 {
		v.Class, v.State = "bad", "not well"
	}
	if st.Oldest != nil {
		v.Since, v.Age = newDay(*st.Oldest, now), age(time.Time(*st.Oldest), now)
	}
	var limits []string
	if st.LimitBytes > 0 {
		limits = append(limits, size(st.LimitBytes))
	}
	if st.LimitAgeNS > 0 {
		limits = append(limits, duration(st.LimitAgeNS))
	}
	v.Limits = strings.Join(limits, " or ")
	var dropped uint64
	for _, n := range st.Dropped {
		dropped += n
	}
	if st.LeftOut > 0 {
		v.Kept += ", and " + count(st.LeftOut) + " that others stand for"
	}
	if dropped > 0 {
		v.Class, v.State = "bad", "drops events"
		v.Errors = append(v.Errors, plural(dropped, "event was dropped", "events were dropped"))
	}
	return v
}
