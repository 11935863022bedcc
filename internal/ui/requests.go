package ui

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// Requests is the part of a service's page about the requests that it serves,
// and those that it makes.
type Requests struct {
	// Served says whether it serves any.
	Served          bool
	Figures         []Figure
	Rate, Durations Chart
	Heat            Heatmap
	Slowest         Slowest
	Routes, Calls   Table
	// All leads to all that it served in the time.
	All string
}

// maxRoutes bounds the rows of a table of routes.
const maxRoutes = 100

// sparkSteps is about how many points a sparkline has.
const sparkSteps = 40

// requestKeys are the attributes by which requests are told apart.
func requestKeys() v1.By {
	return v1.ByKeys(keyRole, keyMethod, keyRoute, keyTemplate, keyServer)
}

// servedOnly selects the requests that a service serves, not those that it makes.
func servedOnly() []v1.Match { return []v1.Match{{Key: keyRole, Value: roleServer}} }

// requests returns the part of the page of a service; nil when it has neither
// served nor made a request.
func (s *server) requests(ctx context.Context, name string, f *Filter, now time.Time) (*Requests, []string, error) {
	asked, from, to := f.span()
	sum := v1.RollupQuery{Probe: probeHTTP, Service: name, From: asked.From, To: asked.To, By: requestKeys()}
	all, err := s.api.Rollups(ctx, sum)
	if err != nil || len(all.Items) == 0 {
		return nil, nil, err
	}
	w := newWindow(from, to)
	overTime := sum
	overTime.Step = coarse(w)
	history, err := s.api.Rollups(ctx, overTime)
	if err != nil {
		return nil, nil, err
	}
	lines := newWindowOf(from, to, overTime.Step)
	span := to.Sub(from)
	v := &Requests{All: requestsHref(name, f, keyRole, roleServer)}
	v.Routes = routeTable(name, routesOf(all.Items, history.Items, lines, roleServer), f, span)
	v.Calls = callTable(name, routesOf(all.Items, history.Items, lines, roleClient), f, span)
	lacks := slices.Clone(all.Incomplete)
	if len(v.Routes.Rows) == 0 {
		return v, lacks, nil
	}
	q := v1.RollupQuery{Probe: probeHTTP, Service: name, From: asked.From, To: asked.To, Where: servedOnly()}
	whole, err := s.api.Rollups(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	v.Served, v.Figures = true, requestFigures(whole.Items, span)
	q.Step = w.step
	live := *f
	live.Query.Probe, live.Query.Service, live.Query.Where = probeHTTP, name, servedOnly()
	if err := s.drawRequests(ctx, v, q, w, liveChart(&live, span), now); err != nil {
		return nil, nil, err
	}
	v.Heat.Select = slowestQuery(name, f)
	slowest, err := s.api.Events(ctx, slowestEvents(name, asked))
	if err != nil {
		return nil, nil, err
	}
	v.Slowest = newSlowest(slowest.Items, "", encode("/events", slowestValues(name, f)), now)
	return v, lacks, nil
}

// drawRequests makes the charts of what q sums up over time.
func (s *server) drawRequests(ctx context.Context, v *Requests, q v1.RollupQuery, w window, live string, now time.Time) error {
	src := encode("/api/v1/rollups", q.Values())
	q.Buckets = true
	sums, err := s.api.Rollups(ctx, q)
	if err != nil {
		return err
	}
	name := visible(q.Service)
	v.Heat = newHeatmap("heat", "How long the requests of "+name+" took", encode("/api/v1/rollups", q.Values()), sums.Items, w, now)
	v.Heat.Data, v.Heat.Live = sums, live
	// The charts need no distributions.
	plain := v1.List[v1.Rollup]{Items: slices.Clone(sums.Items), Incomplete: sums.Incomplete}
	for i := range plain.Items {
		plain.Items[i].Buckets = nil
	}
	v.Rate = newRateChart("requests-rate", "Requests of "+name+" over time", src, plain.Items, w, now)
	v.Durations = newDurationChart("requests-durations", "Durations of the requests of "+name, src, plain.Items, w, now)
	// The table of the one has the numbers of both.
	v.Durations.Numbers = Table{}
	v.Rate.Data, v.Durations.Data = plain, plain
	v.Rate.Live, v.Durations.Live = live, live
	return nil
}

// coarse returns a step that cuts a window into about as many as a sparkline
// has points.
func coarse(w window) time.Duration {
	step := w.step
	for w.to.Sub(w.from) > 2*sparkSteps*step {
		step *= 2
	}
	return step
}

// newWindowOf is newWindow with a step that is given.
func newWindowOf(from, to time.Time, step time.Duration) window {
	w := window{from: from.Truncate(step), to: to.Truncate(step), step: step}
	if w.to.Before(to) || !w.to.After(w.from) {
		w.to = w.to.Add(step)
	}
	return w
}

func requestFigures(items []v1.Rollup, span time.Duration) []Figure {
	var r v1.Rollup
	if len(items) > 0 {
		r = items[0]
	}
	unit := ""
	if r.Count > 0 {
		unit = "of " + count(r.Count)
	}
	errors := Figure{Value: percent(0), Unit: unit, Label: "failed"}
	if r.Count > 0 {
		errors.Value, errors.Class = percent(float64(r.Failed)/float64(r.Count)), classIf(r.Failed, "bad")
	}
	return []Figure{
		{Value: rate(float64(r.Count) / span.Seconds()), Label: "requests served"}, errors,
		figure(duration(r.P50NS), "p50: half are faster"), figure(duration(r.P90NS), "p90"),
		figure(duration(r.P99NS), "p99: 99 of 100 are faster"), figure(duration(r.MaxNS), "longest"),
	}
}

// route is what a service serves or calls, and what became of it.
type route struct {
	method, path, server string
	// template says that the path was made up, as no router told a route.
	template         bool
	sum              v1.Rollup
	counts, failures []float64
}

// title is what a person calls it.
func (r *route) title() string {
	return strings.TrimSpace(methodText(r.method) + " " + orWord(r.path, r.server))
}

func methodText(method string) string {
	if method == "_OTHER" {
		return "other"
	}
	return method
}

// routesOf joins the sums of one role with their history.
func routesOf(all, history []v1.Rollup, w window, role string) []route {
	var list []route
	places := make(map[routeKey]int)
	for i := range all {
		r := &all[i]
		if r.Group[keyRole] != role || r.Count == 0 {
			continue
		}
		places[newRouteKey(r.Group)] = len(list)
		list = append(list, route{
			method: r.Group[keyMethod], path: cmp.Or(r.Group[keyTemplate], r.Group[keyRoute]), template: r.Group[keyTemplate] != "",
			server: r.Group[keyServer], sum: *r, counts: make([]float64, w.len()), failures: make([]float64, w.len()),
		})
	}
	for i := range history {
		h := &history[i]
		at, known := places[newRouteKey(h.Group)]
		if step, ok := w.index(time.Time(h.Time)); ok && known {
			list[at].counts[step] += float64(h.Count)
			list[at].failures[step] += float64(h.Failed)
		}
	}
	return list
}

// routeKey tells routes apart, by what requestKeys names.
type routeKey struct{ role, method, route, template, server string }

func newRouteKey(group map[string]string) routeKey {
	return routeKey{group[keyRole], group[keyMethod], group[keyRoute], group[keyTemplate], group[keyServer]}
}

// routeColumn is a column of a table of routes that can be sorted by.
type routeColumn struct {
	name   string
	column Column
	// order compares two routes, so that what is to come first is less.
	order func(a, b *route) int
}

const usualSort = "rate"

func routeColumns(first Column) []routeColumn {
	share := func(r *route) float64 { return float64(r.sum.Failed) / float64(max(r.sum.Count, 1)) }
	return []routeColumn{
		{"name", first, func(a, b *route) int { return strings.Compare(orWord(a.path, a.server), orWord(b.path, b.server)) }},
		{"", Column{Label: "Over time", Class: "w-spark", Title: "Requests over the time, red where some failed"}, nil},
		{usualSort, Column{Label: "Rate", Class: "w-num num"}, func(a, b *route) int { return cmp.Compare(b.sum.Count, a.sum.Count) }},
		{"failed", Column{Label: "Failed", Class: "w-num-s num", Title: "How many failed"}, func(a, b *route) int { return cmp.Compare(b.sum.Failed, a.sum.Failed) }},
		{"errors", Column{Label: "Errors", Class: "w-num num", Title: "The share that failed"}, func(a, b *route) int { return cmp.Compare(share(b), share(a)) }},
		{"p50", Column{Label: "p50", Class: "w-num num", Title: "Half of them took no longer"}, func(a, b *route) int { return cmp.Compare(b.sum.P50NS, a.sum.P50NS) }},
		{"p90", Column{Label: "p90", Class: "w-num num", Title: "9 of 10 took no longer"}, func(a, b *route) int { return cmp.Compare(b.sum.P90NS, a.sum.P90NS) }},
		{"p99", Column{Label: "p99", Class: "w-num num", Title: "99 of 100 took no longer; the bar compares the rows"}, func(a, b *route) int { return cmp.Compare(b.sum.P99NS, a.sum.P99NS) }},
	}
}

// routeTable shows what a service serves, by route.
func routeTable(service string, list []route, f *Filter, span time.Duration) Table {
	t := Table{
		ID: "routes-table", Caption: "Requests of " + visible(service) + " by route",
		Empty: State{Kind: "empty", Title: "It served no request in this time", Text: "Choose a longer time above."},
	}
	t.addRoutes(Column{Label: "Route", Title: "As the router names it, or the path with {id} for what looks like one"}, list, f, func(r *route, most int64) Row {
		return routeRow("route", service, roleServer, r, most, f, span)
	})
	return t
}

// callTable shows the requests that a service makes, by whom it asks.
func callTable(service string, list []route, f *Filter, span time.Duration) Table {
	t := Table{ID: "calls-table", Caption: "Requests that " + visible(service) + " makes"}
	t.addRoutes(Column{Label: "To"}, list, f, func(r *route, most int64) Row {
		return routeRow("call", service, roleClient, r, most, f, span)
	})
	return t
}

// addRoutes sorts routes and fills a table with them.
func (t *Table) addRoutes(first Column, list []route, f *Filter, row func(r *route, most int64) Row) {
	columns := routeColumns(first)
	chosen := slices.IndexFunc(columns, func(c routeColumn) bool { return c.order != nil && c.name == cmp.Or(f.Sort, usualSort) })
	if chosen < 0 {
		chosen = slices.IndexFunc(columns, func(c routeColumn) bool { return c.name == usualSort })
	}
	for i, c := range columns {
		if c.order != nil {
			c.column.Sort = f.SortBy(c.name, usualSort)
		}
		if i == chosen {
			c.column.Sorted = "descending"
			if c.name == "name" {
				c.column.Sorted = "ascending"
			}
		}
		t.Columns = append(t.Columns, c.column)
	}
	slices.SortStableFunc(list, func(a, b route) int {
		return cmp.Or(columns[chosen].order(&a, &b), strings.Compare(a.title(), b.title()), strings.Compare(a.server, b.server))
	})
	var most int64
	for i := range list {
		most = max(most, list[i].sum.P99NS)
	}
	for i := range list[:min(len(list), maxRoutes)] {
		t.Rows = append(t.Rows, row(&list[i], most))
	}
	if left := len(list) - maxRoutes; left > 0 {
		t.Left = plural(uint64(left), "more row is", "more rows are") + " not shown."
	}
}

func routeRow(kind, service, role string, r *route, most int64, f *Filter, span time.Duration) Row {
	href := func(more ...string) string {
		return requestsHref(service, f, append(r.where(role), more...)...)
	}
	title := orWord(visible(r.title()), unknown)
	what := Cell{Kind: "route", ID: kind + "-" + url.PathEscape(r.method+r.path+"-"+r.server), Text: visible(orWord(r.path, orWord(r.server, unknown))), Tail: visible(methodText(r.method)), Title: title, Href: href(), Class: "main"}
	if r.template {
		what.Sub, what.Title = "path", title+"\nno router told a route: this is the path, with {id} for what looks like one"
	}
	var row Row
	if r.sum.Failed > 0 {
		row.Class = "failed"
	}
	errors := numCell("")
	if r.sum.Failed > 0 {
		share := float64(r.sum.Failed) / float64(r.sum.Count)
		errors = Cell{Kind: "meter", Class: "num bad", Text: percent(share), Bar: newMeter(share, "f-failed")}
	}
	tail := Cell{Kind: "meter", Class: "num", Text: duration(r.sum.P99NS), Href: href("order", string(v1.OrderSlowest)), Title: "the slowest of them", Bar: newMeter(float64(r.sum.P99NS)/float64(max(most, 1)), "f-p99")}
	label := fmt.Sprintf("requests over time: %s, at most %s in a step", count(r.sum.Count), significant(greatest(r.counts)))
	row.Cells = []Cell{
		what, {Kind: "spark", Spark: newFailing(r.counts, r.failures, label), Class: "spark-cell"},
		numCell(rate(float64(r.sum.Count) / span.Seconds())), failedCell(r.sum.Failed, href("failed", "true")), errors,
		numCell(duration(r.sum.P50NS)), numCell(duration(r.sum.P90NS)), tail,
	}
	return row
}

// where selects the events of a route.
func (r *route) where(role string) []string {
	pairs := []string{keyRole, role}
	add := func(key, value string) {
		if value != "" {
			pairs = append(pairs, key, value)
		}
	}
	if r.method != "_OTHER" {
		add(keyMethod, r.method)
	}
	key := keyRoute
	if r.template {
		key = keyTemplate
	}
	add(key, r.path)
	add(keyServer, r.server)
	return pairs
}

// requestsHref leads to requests. Pairs are attributes and what they are, or
// parameters of the page, which have no dot.
func requestsHref(service string, f *Filter, pairs ...string) string {
	list := []string{"probe", probeHTTP, "service", service, "from", f.Query.From.String(), "to", f.Query.To.String()}
	for i := 0; i+1 < len(pairs); i += 2 {
		if strings.Contains(pairs[i], ".") {
			list = append(list, "where", pairs[i]+"="+pairs[i+1])
			continue
		}
		list = append(list, pairs[i], pairs[i+1])
	}
	return link("/events", list...)
}
