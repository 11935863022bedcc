package ui

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/api/v1/client"
)

// Service is the page of one service.
type Service struct {
	Name      string
	Filter    *Filter
	Ranges    []Range
	Facts     []string
	Figures   []Figure
	Processes Table
	// Objectives are what it promises, worst first.
	Objectives []ObjectiveView
	// Requests are those that it serves and makes, nil when there are none.
	Requests *Requests
	// Upgrades are those in the time, nil when there are none.
	Upgrades  *ServiceUpgrades
	Rate      Chart
	Durations Chart
	Sites     Table
	Peers     Table
	Findings  []FindingView
	// All leads to all of its commands in the time.
	All   string
	Lacks []string
}

// Range is a time to choose.
type Range struct {
	Text, Href string
	Current    bool
}

func (s *server) service(r *http.Request) (*Page, error) {
	ctx, now := r.Context(), s.now()
	name := r.PathValue("name")
	f, err := s.filter(r, "")
	if err != nil {
		return nil, err
	}
	f.Query, f.View = v1.EventQuery{From: f.Query.From, To: f.Query.To}, ""
	asked, from, to := f.span()
	service, err := s.api.Service(ctx, name)
	var refused *client.Error
	gone := errors.As(err, &refused) && refused.Status == http.StatusNotFound
	if err != nil && !gone {
		return nil, err
	}
	w := newWindow(from, to)
	q := v1.RollupQuery{Probe: probeExec, Service: name, From: asked.From, To: asked.To, Step: w.step}
	overTime, err := s.api.Rollups(ctx, q)
	if err != nil {
		return nil, err
	}
	bySite := q
	bySite.Step, bySite.By = 0, v1.ByGroup
	sites, err := s.api.Rollups(ctx, bySite)
	if err != nil {
		return nil, err
	}
	byPeer := bySite
	byPeer.Probe = probeTCP
	peers, err := s.api.Rollups(ctx, byPeer)
	if err != nil {
		return nil, err
	}
	requests, lacks, err := s.requests(ctx, name, f, now)
	if err != nil {
		return nil, err
	}
	if gone && len(sites.Items) == 0 && len(peers.Items) == 0 && requests == nil && f.Query.From.IsZero() {
		return nil, refused
	}
	noted, err := s.api.Events(ctx, v1.EventQuery{Service: name, From: q.From, To: q.To, Findings: true, Limit: 500})
	if err != nil {
		return nil, err
	}
	view := newService(name, service.Processes, now)
	view.Filter, view.Ranges, view.Requests = f, ranges(f), requests
	src := encode("/api/v1/rollups", q.Values())
	view.Rate = newRateChart("rate", "Commands of "+visible(name)+" over time", src, overTime.Items, w, now)
	view.Durations = newDurationChart("durations", "How long the commands of "+visible(name)+" took", src, overTime.Items, w, now)
	// The table of the one has the numbers of both.
	view.Durations.Numbers = Table{}
	view.Rate.Data, view.Durations.Data = overTime, overTime
	live := *f
	live.Query.Probe, live.Query.Service = probeExec, name
	view.Rate.Live = liveChart(&live, to.Sub(from))
	view.Durations.Live = view.Rate.Live
	view.Sites = siteTable(name, sites.Items, f, to.Sub(from))
	view.Peers = peerTable(name, peers.Items, f)
	view.Findings = groupFindings(noted, func(rule string) string {
		return link("/commands", "service", name, "rule", rule, "from", f.Query.From.String(), "to", f.Query.To.String())
	})
	view.All = link("/commands", "service", name, "from", f.Query.From.String(), "to", f.Query.To.String())
	objectives, _, _, err := s.objectives(r, name)
	if err != nil {
		return nil, err
	}
	view.Objectives = objectiveLine(objectives)
	upgraded, more, err := s.serviceUpgrades(ctx, name, asked, now)
	if err != nil {
		return nil, err
	}
	view.addUpgrades(upgraded, w)
	view.Lacks = slices.Concat(overTime.Incomplete, noted.Incomplete, lacks, more)
	return &Page{View: "service", Nav: "overview", Title: clip(visible(name), 200), Body: view}, nil
}

// ranges are the times that a page without a form offers.
func ranges(f *Filter) []Range {
	var list []Range
	usual := v1.Moment{Ago: cmp.Or(f.Usual, defaultSpan)}.String()
	for _, o := range f.Ranges() {
		from := o.Value
		if from == usual && f.Query.From.IsZero() {
			from = ""
		}
		list = append(list, Range{Text: strings.TrimPrefix(o.Value, "-"), Href: link(f.Path, "from", from), Current: o.Selected})
	}
	if f.Exact() {
		list = append(list, Range{Text: f.From() + " to " + orWord(f.To(), "now"), Href: f.Here(), Current: true})
	}
	return list
}

func newService(name string, processes []v1.Process, now time.Time) Service {
	view := Service{Name: visible(name), Processes: Table{
		ID: "processes-table", Caption: "Processes of " + visible(name),
		Columns: []Column{
			{Label: "Executable"}, {Label: "PID", Class: "w-num-s num"}, {Label: "Running for", Class: "w-num"}, {Label: "Version", Class: "w-name"},
			{Label: "Go", Class: "w-num"}, {Label: "Built as", Class: "w-find"},
		},
		Empty: State{Kind: "empty", Title: "No process of it runs now", Text: "What is shown below is what it did."},
	}}
	for i := range processes {
		view.Processes.Rows = append(view.Processes.Rows, processRow(&processes[i], now))
	}
	return view
}

func processRow(p *v1.Process, now time.Time) Row {
	exe := visible(p.Exe)
	head, tail := middle(exe)
	var built []Badge
	for _, b := range []struct {
		is         bool
		text, says string
	}{
		{p.Static, "static", "linked statically"}, {p.PIE, "PIE", "position independent"}, {p.Cgo, "cgo", "uses C code"},
		{p.Stripped, "stripped", "without symbols; Goshawk reads its functions from the line table"},
		{p.ContainerID != "", "container", "in the container " + p.ContainerID}, {p.PodUID != "", "pod", "in the pod " + p.PodUID},
	} {
		if b.is {
			built = append(built, Badge{Text: b.text, Title: b.says})
		}
	}
	if p.Deleted {
		built = append(built, Badge{Class: "warn", Text: "replaced", Title: "the file of the executable was removed or replaced since it started"})
	}
	started := newDay(p.StartTime, now)
	started.Short = age(time.Time(p.StartTime), now)
	version := orWord(p.Version, unknown)
	return Row{Cells: []Cell{
		{Kind: "cmd", Text: head, Tail: tail, Title: exe + "\n" + visible(p.Path), Class: "main"},
		{Kind: "num", Text: pidText(p.PID), Class: "num"}, {Kind: "time", When: started},
		{Kind: "text", Text: visible(version), Title: visible(version + " " + p.Revision)}, textCell(strings.TrimPrefix(p.GoVersion, "go")),
		{Kind: "badges", Badges: built},
	}}
}

// siteTable shows the commands by the line of code that runs them. span is the
// time over which they are counted.
func siteTable(service string, rollups []v1.Rollup, f *Filter, span time.Duration) Table {
	t := Table{
		ID: "sites-table", Caption: "Commands by call site",
		Columns: []Column{
			{Label: "Call site"}, {Label: "Runs", Class: "w-name"}, {Label: "Count", Class: "w-num-s num"}, {Label: "Rate", Class: "w-num num"},
			{Label: "p50", Class: "w-num num", Title: "Half of them took no longer"}, {Label: "p99", Class: "w-num num", Title: "99 of 100 took no longer"},
			{Label: "Longest", Class: "w-num num"}, {Label: "Failed", Class: "w-num-s num"}, {Label: "Findings", Class: "w-num-s num"},
		},
		Empty: State{Kind: "empty", Title: "It ran no command in this time", Text: "Choose a longer time above."},
	}
	list := slices.Clone(rollups)
	slices.SortStableFunc(list, func(a, b v1.Rollup) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Group[keyFunction], b.Group[keyFunction]), cmp.Compare(a.Group[keyName], b.Group[keyName]))
	})
	for i := range list {
		t.Rows = append(t.Rows, siteRow(service, &list[i], f, span))
	}
	return t
}

func siteRow(service string, r *v1.Rollup, f *Filter, span time.Duration) Row {
	where := func(more ...string) string {
		pairs := append([]string{"service", service, "from", f.Query.From.String(), "to", f.Query.To.String()}, more...)
		keys := []string{keyFunction, keyLine, keyName}
		if r.Group[keyFunction] == "" {
			keys = []string{keyParent, keyName}
		}
		for _, key := range keys {
			if value := r.Group[key]; value != "" {
				pairs = append(pairs, "where", key+"="+value)
			}
		}
		return link("/commands", pairs...)
	}
	at := newSite(r.Group[keyFunction], r.Group[keyFile], r.Group[keyLine])
	first := Cell{Kind: "two", ID: "site-" + url.PathEscape(at.Func+"-"+at.File+"-"+at.Line+"-"+r.Group[keyParent]+"-"+r.Group[keyName]), Text: at.Short, Sub: at.At(), Title: at.Whole(), Href: where(), Class: "main"}
	if at.Func == "" {
		first.Text, first.Sub, first.Title = orWord(visible(r.Group[keyParent]), "unknown"), "ran it, not a line of Go", ""
	}
	runs := visible(r.Group[keyName])
	return Row{Cells: []Cell{
		first, {Kind: "text", Text: orWord(runs, unknown), Title: runs, Class: "cmd"}, numCell(count(r.Count)), numCell(rate(float64(r.Count) / span.Seconds())),
		numCell(duration(r.P50NS)), numCell(duration(r.P99NS)), numCell(duration(r.MaxNS)),
		failedCell(r.Failed, where("failed", "true")), findingsCell(r.Findings, where("findings", "true")),
	}}
}

// peer is the other end of TCP connections.
type peer struct {
	role, address, port              string
	connects, failed, resets, resent uint64
	p50, p99                         int64
}

// peerTable shows TCP events by the other end.
func peerTable(service string, rollups []v1.Rollup, f *Filter) Table {
	t := Table{
		ID: "peers-table", Caption: "TCP peers",
		Columns: []Column{
			{Label: "Peer"}, {Label: "Role", Class: "w-name"}, {Label: "Connects", Class: "w-num num"}, {Label: "p50", Class: "w-num num", Title: "Half of the connects took no longer"},
			{Label: "p99", Class: "w-num num", Title: "99 of 100 connects took no longer"}, {Label: "Failed", Class: "w-num-s num"},
			{Label: "Resets", Class: "w-num-s num"}, {Label: "Resent", Class: "w-num-s num", Title: "Events of segments sent again"},
		},
		Empty: State{Kind: "empty", Title: "No connects, resets or retransmits", Text: "Connections that are there and well make no events."},
	}
	for _, p := range peers(rollups) {
		href := link("/events", "probe", probeTCP, "service", service, "from", f.Query.From.String(), "to", f.Query.To.String(),
			"where", keyRole+"="+p.role, "where", keyPeer+"="+p.address, "where", keyPort+"="+p.port)
		name := p.address
		if p.port != "" {
			name = joinPort(p.address, p.port)
		}
		role := map[string]string{"client": "it connects there", "server": "it is called from there"}[p.role]
		row := Row{Cells: []Cell{
			{Kind: "cmd", Text: visible(name), Title: visible(name), Href: href, Class: "main"}, textCell(orWord(role, p.role)), numCell(count(p.connects)),
			numCell(""), numCell(""), failedCell(p.failed, href+"&failed=true"), numCell(count(p.resets)), numCell(count(p.resent)),
		}}
		if p.p99 > 0 {
			row.Cells[3], row.Cells[4] = numCell(duration(p.p50)), numCell(duration(p.p99))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func joinPort(address, port string) string {
	if strings.Contains(address, ":") {
		return "[" + address + "]:" + port
	}
	return address + ":" + port
}

// peers joins the rollups of one peer's events.
func peers(rollups []v1.Rollup) []peer {
	var list []peer
	for i := range rollups {
		r := &rollups[i]
		role, address, port := r.Group[keyRole], r.Group[keyPeer], r.Group[keyPort]
		at := slices.IndexFunc(list, func(p peer) bool { return p.role == role && p.address == address && p.port == port })
		if at < 0 {
			at = len(list)
			list = append(list, peer{role: role, address: address, port: port})
		}
		p := &list[at]
		p.failed += r.Failed
		switch event := r.Group[keyEvent]; event {
		case "connect":
			p.connects += r.Count
			p.p50, p.p99 = r.P50NS, r.P99NS
		case "connect_failed":
			p.connects += r.Count
		case "retransmit":
			p.resent += r.Count
		default:
			p.resets += r.Count
		}
	}
	slices.SortStableFunc(list, func(a, b peer) int {
		return cmp.Or(cmp.Compare(b.failed, a.failed), cmp.Compare(b.connects, a.connects), cmp.Compare(a.address, b.address), cmp.Compare(a.port, b.port))
	})
	return list
}
