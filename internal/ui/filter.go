package ui

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// defaultSpan is the time that a page shows when its URL names none, and there
// is as much.
const defaultSpan = time.Hour

// pageSize is how many rows a page of a table has.
const pageSize = 50

// Filter is what a page's URL selects: the parameters of API v1, and four of
// the page's own: view, live, sort and save.
type Filter struct {
	// Path is the page's.
	Path  string
	Query v1.EventQuery
	// View is "tree", or empty for the table; Live says whether new rows come
	// by themselves.
	View string
	Live bool
	// Sort names the column by which a table is sorted whose rows are sums;
	// empty for its usual order.
	Sort string
	// Groups are the attributes that rollups tell apart.
	Groups []string
	// Services are suggested, Rules offered.
	Services, Rules []string
	// Usual is the time that is shown when the URL names none; 0 means
	// defaultSpan.
	Usual time.Duration
	now   time.Time
}

// usualSpan returns the shortest of the usual times that holds all there is, so
// that a page of an agent that just began is not mostly empty.
func usualSpan(oldest *v1.Time, now time.Time) time.Duration {
	if oldest == nil {
		return defaultSpan
	}
	for _, span := range []time.Duration{5 * time.Minute, 15 * time.Minute} {
		if now.Sub(time.Time(*oldest)) < span {
			return span
		}
	}
	return defaultSpan
}

// ownParameters are the page's, not the API's.
func ownParameters() []string { return []string{"view", "live", "sort", "save"} }

// readFilter reads the filter of a page. A form sends fields that stand for
// others, and empty ones: the answer is then the address without them.
func readFilter(r *url.URL, now time.Time, probe string) (*Filter, error) {
	values := r.Query()
	if tidy, changed := canonical(values); changed {
		return nil, &redirect{encode(r.EscapedPath(), tidy)}
	}
	f := &Filter{Path: r.EscapedPath(), View: values.Get("view"), Live: values.Get("live") != "off", Sort: values.Get("sort"), now: now}
	for _, name := range ownParameters() {
		values.Del(name)
	}
	q, err := v1.ParseEventQuery(values)
	if err != nil {
		return nil, err
	}
	if probe != "" {
		q.Probe = probe
	}
	if q.Limit == 0 {
		q.Limit = pageSize
	}
	f.Query = q
	// What ends in the past, and what is not the first page, does not change.
	if !q.To.IsZero() || q.After != "" || q.Order != v1.OrderNewest {
		f.Live = false
	}
	return f, nil
}

// filter reads the filter of a page whose URL may leave the time open.
func (s *server) filter(r *http.Request, probe string) (*Filter, error) {
	f, err := readFilter(r.URL, s.now(), probe)
	if err != nil || !f.Query.From.IsZero() {
		return f, err
	}
	state, err := s.api.Store(r.Context())
	if err != nil {
		return nil, err
	}
	f.Usual = usualSpan(state.Oldest, f.now)
	return f, nil
}

// canonical replaces the fields of the form by the parameters that they stand
// for: range by from and to, finding by findings or rule. It drops what is
// empty or says what is so anyway.
func canonical(values url.Values) (url.Values, bool) {
	tidy := make(url.Values)
	changed := false
	for name, list := range values {
		for _, value := range list {
			if value == "" || name == "order" && value == "newest" || name == "live" && value != "off" || name == "failed" && value == "false" {
				changed = true
				continue
			}
			tidy.Add(name, strings.TrimSpace(value))
		}
	}
	if span := tidy.Get("range"); tidy.Has("range") {
		changed = true
		tidy.Del("range")
		if span != "exact" {
			tidy.Del("to")
			tidy.Set("from", span)
		}
	}
	if rule := tidy.Get("finding"); tidy.Has("finding") {
		changed = true
		tidy.Del("finding")
		tidy.Del("rule")
		tidy.Del("findings")
		if rule == "any" {
			tidy.Set("findings", "true")
		} else {
			tidy.Set("rule", rule)
		}
	}
	return tidy, changed
}

// span returns the query with a begin, and both ends as of now.
func (f *Filter) span() (q v1.EventQuery, from, to time.Time) {
	q = f.Query
	if q.From.IsZero() {
		q.From = v1.Moment{Ago: cmp.Or(f.Usual, defaultSpan)}
		if !q.To.IsZero() {
			q.From = v1.Moment{At: q.To.Resolve(f.now).Add(-defaultSpan)}
		}
	}
	from, to = q.From.Resolve(f.now), f.now
	if !q.To.IsZero() {
		to = q.To.Resolve(f.now)
	}
	return q, from, to
}

// withinToday reports whether all times are of the day of now.
func (f *Filter) withinToday(now time.Time) bool {
	_, from, _ := f.span()
	y, m, d := from.UTC().Date()
	return sameDay(now.UTC(), y, m, d)
}

// rollups returns the query for the sums of the same service and time, and of
// the same attributes as far as rollups tell them apart.
func (f *Filter) rollups(w window) v1.RollupQuery {
	q, _, _ := f.span()
	sums := v1.RollupQuery{Probe: q.Probe, Service: q.Service, From: q.From, To: q.To, Step: w.step}
	for _, m := range q.Where {
		if slices.Contains(f.Groups, m.Key) {
			sums.Where = append(sums.Where, m)
		}
	}
	return sums
}

// Exact reports whether the time is no range that the form offers.
func (f *Filter) Exact() bool {
	q, _, _ := f.span()
	return !q.To.IsZero() || !slices.ContainsFunc(f.Ranges(), func(o Option) bool { return o.Value == q.From.String() })
}

// Option is a choice of a form.
type Option struct {
	Value, Text string
	Selected    bool
}

// Ranges are the times that the form offers.
func (f *Filter) Ranges() []Option {
	list := []Option{
		{Value: "-5m", Text: "last 5 minutes"}, {Value: "-15m", Text: "last 15 minutes"}, {Value: "-1h", Text: "last hour"},
		{Value: "-6h", Text: "last 6 hours"}, {Value: "-24h", Text: "last 24 hours"}, {Value: "-72h", Text: "last 3 days"},
	}
	q, _, _ := f.span()
	for i := range list {
		list[i].Selected = list[i].Value == q.From.String() && q.To.IsZero()
	}
	return list
}

// Findings are the findings that the form offers.
func (f *Filter) Findings() []Option {
	list := []Option{{"", "all commands", !f.Query.Findings && f.Query.Rule == ""}, {"any", "with any finding", f.Query.Findings && f.Query.Rule == ""}}
	rules := f.Rules
	if f.Query.Rule != "" && !slices.Contains(rules, f.Query.Rule) {
		rules = append(slices.Clone(rules), f.Query.Rule)
	}
	for _, rule := range rules {
		list = append(list, Option{rule, rule, f.Query.Rule == rule})
	}
	return list
}

// MinDuration is the text of the field.
func (f *Filter) MinDuration() string { return f.Query.Values().Get("min_duration") }

// Slowest reports the order.
func (f *Filter) Slowest() bool { return f.Query.Order == v1.OrderSlowest }

// From and To are the texts of the fields for exact times.
func (f *Filter) From() string {
	q, _, _ := f.span()
	return q.From.String()
}

// To is the end, empty for now.
func (f *Filter) To() string { return f.Query.To.String() }

// Kept are the parameters that no field of the form shows but which it must
// send.
func (f *Filter) Kept() []Option {
	var list []Option
	for _, w := range f.Query.Where {
		list = append(list, Option{Value: w.Key + "=" + w.Value, Text: "where"})
	}
	if f.Query.PID != 0 {
		list = append(list, Option{Value: pidText(f.Query.PID), Text: "pid"})
	}
	if f.View != "" {
		list = append(list, Option{Value: f.View, Text: "view"})
	}
	if f.Path == "/events" && f.Query.Probe != "" {
		list = append(list, Option{Value: f.Query.Probe, Text: "probe"})
	}
	return list
}

// Chip is a condition that can be taken away.
type Chip struct{ Text, Href string }

// Chips are the conditions that no field of the form shows.
func (f *Filter) Chips() []Chip {
	var list []Chip
	for i, w := range f.Query.Where {
		list = append(list, Chip{w.Key + " = " + orWord(w.Value, "(empty)"), f.with(func(q *v1.EventQuery) {
			q.Where = slices.Delete(slices.Clone(q.Where), i, i+1)
		})})
	}
	if f.Query.PID != 0 {
		list = append(list, Chip{"pid = " + pidText(f.Query.PID), f.with(func(q *v1.EventQuery) { q.PID = 0 })})
	}
	return list
}

// with returns the address of the page with another query, at its first row.
func (f *Filter) with(change func(*v1.EventQuery)) string {
	q := f.Query
	q.After = ""
	change(&q)
	return f.address(q, f.View, f.Live)
}

// address renders a query as an address of the page; what is so anyway is left
// out.
func (f *Filter) address(q v1.EventQuery, view string, live bool) string {
	if f.Path == "/commands" {
		q.Probe = ""
	}
	if q.Limit == pageSize {
		q.Limit = 0
	}
	values := q.Values()
	if view != "" {
		values.Set("view", view)
	}
	if f.Sort != "" {
		values.Set("sort", f.Sort)
	}
	if !live && q.To.IsZero() && q.After == "" && q.Order == v1.OrderNewest {
		values.Set("live", "off")
	}
	return encode(f.Path, values)
}

// Here is the address of the page, which a block of it is asked from.
func (f *Filter) Here() string { return f.address(f.Query, f.View, f.Live) }

// Clear is the page without conditions.
func (f *Filter) Clear() string {
	return f.with(func(q *v1.EventQuery) { *q = v1.EventQuery{Probe: q.Probe, From: q.From, To: q.To, Limit: q.Limit} })
}

// Filtered reports whether there is a condition other than time and order.
func (f *Filter) Filtered() bool { return f.Clear() != f.with(func(q *v1.EventQuery) { q.Order = "" }) }

// Table and Tree are the addresses of the two views.
func (f *Filter) Table() string {
	q := f.Query
	return f.address(q, "", f.Live)
}

// Tree is the address of the waterfall.
func (f *Filter) Tree() string {
	q := f.Query
	q.Order, q.After = "", ""
	return f.address(q, "tree", f.Live)
}

// Toggle is the address with live updates the other way round; empty when they
// cannot be.
func (f *Filter) Toggle() string {
	if !f.Query.To.IsZero() || f.Query.After != "" || f.Query.Order != v1.OrderNewest {
		return ""
	}
	return f.address(f.Query, f.View, !f.Live)
}

// Stream is where a script hears of new events that the filter selects.
func (f *Filter) Stream() string {
	q := f.Query
	q.From, q.To, q.Order, q.After, q.Limit = v1.Moment{}, v1.Moment{}, "", "", 0
	return encode("/api/v1/events/stream", q.Values())
}

// Next is the address of the next page.
func (f *Filter) Next(after string) string {
	return f.with(func(q *v1.EventQuery) { q.After = after })
}

// SortBy is the address with a table of sums sorted by another column; usual is
// the one that needs not be named.
func (f *Filter) SortBy(column, usual string) string {
	other := *f
	if other.Sort = column; column == usual {
		other.Sort = ""
	}
	return other.Here()
}

// Order is the address in another order.
func (f *Filter) Order(o v1.Order) string {
	return f.with(func(q *v1.EventQuery) { q.Order = o })
}
