package ui

import (
	"context"
	"slices"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// SLORequests is the part of the page of an objective about how long its events
// took.
type SLORequests struct {
	// Begin and End are the time that it is about.
	Begin, End when
	Durations  Chart
	Heat       Heatmap
	Slowest    Slowest
	// Slow and Failed lead to those that are bad for the one or the other reason;
	// empty when there is no such list.
	Slow, Failed, SlowText string
	// Notes say how what is shown differs from what the objective counts.
	Notes []string
}

// longestRequests is the longest time of which durations are shown: they are for
// what is going on.
const longestRequests = 6 * time.Hour

// requestFilter is the filter of the durations: the page's time, unless that is
// long.
func requestFilter(f *Filter, h *v1.SLOHistory, now time.Time) *Filter {
	short := *f
	short.Usual = defaultSpan
	if span := time.Time(h.To).Sub(time.Time(h.From)); span > longestRequests {
		short.Query.From = v1.Moment{}
	} else if short.Query.From.IsZero() {
		short.Usual = span
	}
	return &short
}

// maxParts bounds the questions that the events of one objective are put together
// from.
const maxParts = 6

// chosen are the sums that an objective's events are in.
type chosen struct {
	// queries ask for them, without time and step.
	queries []v1.RollupQuery
	// notes say how these differ.
	notes []string
	// none says that nothing of it was seen.
	none bool
}

// sloRequests returns how long the events of an objective took; nil, and why,
// when that is not known.
func (s *server) sloRequests(ctx context.Context, o *v1.SLO, f *Filter, now time.Time) (*SLORequests, string, error) {
	if o.Signal == "query" {
		return nil, "A Prometheus server counts its events: how long each took is not known here.", nil
	}
	probes, err := s.api.Probes(ctx)
	if err != nil {
		return nil, "", err
	}
	if !probed(probes.Items, o.Signal) {
		return nil, "The probe " + visible(o.Signal) + " is not there: how long each took is not known here.", nil
	}
	asked, from, to := f.span()
	c, err := s.choose(ctx, o, groupsOf(probes.Items, o.Signal), asked)
	if err != nil {
		return nil, "", err
	}
	w := newWindow(from, to)
	v := &SLORequests{Begin: newDay(v1.Time(w.from), now), End: newDay(v1.Time(w.to), now), Notes: c.notes}
	var sums v1.List[v1.Rollup]
	if c.none {
		c.queries = nil
	}
	for _, q := range c.queries {
		q.From, q.To, q.Step, q.Buckets = asked.From, asked.To, w.step, true
		part, err := s.api.Rollups(ctx, q)
		if err != nil {
			return nil, "", err
		}
		sums.Items = append(sums.Items, part.Items...)
		sums.Incomplete = append(sums.Incomplete, part.Incomplete...)
	}
	if len(sums.Items) == 0 {
		_, many := signalWords(o.Signal)
		return nil, "No " + many + " of it ended from " + v.Begin.Short + " to " + v.End.Short + " UTC.", nil
	}
	v.draw(o, f, c, sums, w, now)
	if o.Signal == probeHTTP {
		q := v1.EventQuery{Probe: probeHTTP, Service: c.queries[0].Service, Where: c.queries[0].Where, From: asked.From, To: asked.To, Order: v1.OrderSlowest, Limit: slowestRows}
		if len(c.queries) > 1 {
			q.Where = nil
		}
		q.Where = slices.DeleteFunc(slices.Clone(q.Where), func(m v1.Match) bool { return m.Value == "" })
		slowest, err := s.api.Events(ctx, q)
		if err != nil {
			return nil, "", err
		}
		v.Heat.Select = encode("/events", q.Values())
		q.Limit = 0
		v.Slowest = newSlowest(slowest.Items, "", encode("/events", q.Values()), now)
		v.lists(o, q)
	}
	return v, "", nil
}

// draw makes the charts of what was summed up.
func (v *SLORequests) draw(o *v1.SLO, f *Filter, c chosen, sums v1.List[v1.Rollup], w window, now time.Time) {
	one, many := signalWords(o.Signal)
	name := visible(o.Name)
	src, heatSrc, live := "", "", ""
	if len(c.queries) == 1 {
		q := c.queries[0]
		q.From, q.To, q.Step = v1.Moment{At: w.from}, v1.Moment{At: w.to}, w.step
		if asked, _, _ := f.span(); asked.To.IsZero() {
			q.From, q.To = asked.From, asked.To
			feed := *f
			feed.Query.Probe, feed.Query.Service, feed.Query.Where = q.Probe, q.Service, q.Where
			live = liveChart(&feed, w.to.Sub(w.from))
		}
		src = encode("/api/v1/rollups", q.Values())
		q.Buckets = true
		heatSrc = encode("/api/v1/rollups", q.Values())
	}
	v.Heat = newHeatmap("heat", "How long the "+many+" of "+name+" took", heatSrc, sums.Items, w, now)
	v.Heat.Data, v.Heat.Live, v.Heat.Noun = sums, live, one
	v.Heat.mark(o.ThresholdNS, sums.Items, w)
	v.Heat.name(many)
	plain := v1.List[v1.Rollup]{Items: slices.Clone(sums.Items), Incomplete: sums.Incomplete}
	for i := range plain.Items {
		plain.Items[i].Buckets = nil
	}
	v.Durations = newDurationChart("slo-durations", "Durations of the "+many+" of "+name, src, plain.Items, w, now)
	// The heatmap has the numbers of both.
	v.Durations.Numbers = Table{}
	v.Durations.Data, v.Durations.Live = plain, live
}

// lists leads to the events that are bad.
func (v *SLORequests) lists(o *v1.SLO, q v1.EventQuery) {
	failed := q
	failed.Failed, failed.Order = true, v1.OrderNewest
	v.Failed = encode("/events", failed.Values())
	if o.ThresholdNS > 0 {
		slow := q
		slow.MinDuration = time.Duration(o.ThresholdNS)
		v.Slow, v.SlowText = encode("/events", slow.Values()), "slower than "+duration(o.ThresholdNS)
	}
}

// choose finds the sums that the events of an objective are in. What sums are
// not told apart by cannot be chosen, and many choices would be many questions:
// then the sums of all are asked for, and that is said.
func (s *server) choose(ctx context.Context, o *v1.SLO, groups []string, asked v1.EventQuery) (chosen, error) {
	whole := v1.RollupQuery{Probe: o.Signal, Service: onlyService(o)}
	known, unknownKeys := selectionKeys(o, groups)
	c := chosen{queries: []v1.RollupQuery{whole}}
	if len(unknownKeys) > 0 {
		c.notes = append(c.notes, "What is counted depends on "+visible(strings.Join(unknownKeys, ", "))+", by which these numbers are not told apart: they are of more than the objective counts.")
	}
	if len(known) == 0 && (whole.Service != "" || len(o.Select.Service) == 0) {
		return c, nil
	}
	q := whole
	q.From, q.To = asked.From, asked.To
	if len(known) > 0 {
		q.By = v1.ByKeys(known...)
	}
	sums, err := s.api.Rollups(ctx, q)
	if err != nil {
		return chosen{}, err
	}
	narrow := literals(o, groups)
	near := slices.DeleteFunc(slices.Clone(sums.Items), func(r v1.Rollup) bool {
		return slices.ContainsFunc(narrow, func(m v1.Match) bool { return r.Group[m.Key] != m.Value })
	})
	parts := matching(o, near, groups)
	switch {
	case len(parts) == 0:
		c.none = true
	case len(parts) == len(sums.Items):
		// All that there is: nothing needs to be chosen.
	case len(parts) == len(near):
		c.queries[0].Where = narrow
	case len(parts) > maxParts:
		c.queries[0].Where = narrow
		c.notes = append(c.notes, "The objective counts "+plural(uint64(len(parts)), "group", "groups")+" of "+grouped(int64(len(near)))+": these numbers are of all of them.")
	default:
		c.queries = nil
		for _, r := range parts {
			part := v1.RollupQuery{Probe: o.Signal, Service: r.Service}
			for _, key := range known {
				part.Where = append(part.Where, v1.Match{Key: key, Value: r.Group[key]})
			}
			c.queries = append(c.queries, part)
		}
	}
	return c, nil
}

// onlyService returns the one service that an objective is about, empty when
// there are more.
func onlyService(o *v1.SLO) string {
	if len(o.Select.Service) == 1 && !strings.ContainsAny(o.Select.Service[0], "*?") {
		return o.Select.Service[0]
	}
	return ""
}

// selectionKeys are the attributes by which an objective chooses: those that sums
// are told apart by, and others.
func selectionKeys(o *v1.SLO, groups []string) (known, others []string) {
	for _, s := range append([]v1.SLOSelector{o.Select}, o.Exclude...) {
		for _, a := range s.Attributes {
			for _, key := range a.Keys {
				list := &others
				if slices.Contains(groups, key) {
					list = &known
				}
				if !slices.Contains(*list, key) {
					*list = append(*list, key)
				}
			}
		}
	}
	return known, others
}

// matching returns the sums of which events count. An attribute that sums are not
// told apart by is taken to match where it selects, and not to where it excludes.
func matching(o *v1.SLO, sums []v1.Rollup, groups []string) []v1.Rollup {
	apart := func(a v1.SLOAttribute) bool {
		return !slices.ContainsFunc(a.Keys, func(key string) bool { return !slices.Contains(groups, key) })
	}
	selects := v1.SLOSelector{Service: o.Select.Service}
	for _, a := range o.Select.Attributes {
		if apart(a) {
			selects.Attributes = append(selects.Attributes, a)
		}
	}
	var parts []v1.Rollup
	for i := range sums {
		r := &sums[i]
		value := func(key string) string { return r.Group[key] }
		excluded := slices.ContainsFunc(o.Exclude, func(x v1.SLOSelector) bool {
			return !slices.ContainsFunc(x.Attributes, func(a v1.SLOAttribute) bool { return !apart(a) }) && x.MatchesService(r.Service) && x.Matches(value)
		})
		if selects.MatchesService(r.Service) && selects.Matches(value) && !excluded {
			parts = append(parts, *r)
		}
	}
	return parts
}

// literals are the attributes of which an objective wants just one value.
func literals(o *v1.SLO, groups []string) []v1.Match {
	var list []v1.Match
	for _, a := range o.Select.Attributes {
		if len(a.Keys) == 1 && len(a.Patterns) == 1 && !strings.ContainsAny(a.Patterns[0], "*?") && slices.Contains(groups, a.Keys[0]) {
			list = append(list, v1.Match{Key: a.Keys[0], Value: a.Patterns[0]})
		}
	}
	return list
}
