package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

// maxSteps bounds the steps in time of one answer: a chart has fewer pixels.
const maxSteps = 10_000

func (s *server) rollups(r *http.Request) answer {
	parsed, err := v1.ParseRollupQuery(r.URL.Query())
	if err != nil {
		return badParameter(err)
	}
	now := s.Now()
	q := parsed.Model(now)
	until := q.To
	if until.IsZero() {
		until = now
	}
	if q.Step > 0 && !q.From.IsZero() && until.Sub(q.From)/q.Step > maxSteps {
		return refuse(http.StatusBadRequest, "ask for longer steps or less time", "parameter step=%q: makes more than %d steps", parsed.Step, maxSteps)
	}
	groups := make(map[string][]string)
	for _, p := range s.Host.Probes() {
		groups[p.Name] = p.Groups
	}
	narrow, err := newNarrowing(parsed, groups)
	if err != nil {
		return badParameter(err)
	}
	sums, err := s.Events.Rollups(r.Context(), q)
	if err != nil {
		return failure(r.Context(), "sum up events", err)
	}
	if narrow != nil {
		sums = narrow.apply(sums)
	}
	span := q.Step
	if span == 0 && !q.From.IsZero() {
		// The sums begin with a full step.
		span = until.Sub(q.From.Truncate(model.RollupStep))
	}
	list := v1.List[v1.Rollup]{Items: make([]v1.Rollup, 0, len(sums.Items)), Incomplete: sums.Incomplete}
	for i := range sums.Items {
		sum := &sums.Items[i]
		keys := groups[sum.Probe]
		if narrow != nil {
			keys = narrow.keys(sum.Probe)
		}
		item := v1.NewRollup(sum, keys, span)
		if parsed.Buckets {
			item.Buckets = v1.NewBuckets(&sum.Durations)
		}
		list.Items = append(list.Items, item)
	}
	return ok(list)
}

// narrowing makes of the sums of all groups those that a query asks for: of
// some groups only, and told apart by less than the groups are.
type narrowing struct {
	where []v1.Match
	// by are the keys that stay; all is set when all do.
	by  []string
	all bool
	// groups are the keys of each probe's groups.
	groups map[string][]string
}

// newNarrowing returns what q asks of the groups; nil when it asks for nothing.
// The error is a *[v1.ParameterError].
func newNarrowing(q v1.RollupQuery, groups map[string][]string) (*narrowing, error) {
	n := &narrowing{where: q.Where, by: q.By.Keys(), all: q.By == v1.ByGroup, groups: groups}
	if len(n.by) == 0 && len(n.where) == 0 {
		return nil, nil
	}
	for _, key := range n.by {
		if err := n.check("by", key, q.Probe); err != nil {
			return nil, err
		}
	}
	wanted := make(map[string]string)
	for _, m := range n.where {
		if err := n.check("where", m.Key, q.Probe); err != nil {
			return nil, err
		}
		if other, twice := wanted[m.Key]; twice && other != m.Value {
			return nil, &v1.ParameterError{Parameter: "where", Value: m.Key + "=" + m.Value, Cause: "cannot hold together with " + m.Key + "=" + other, Hint: "leave one of them out"}
		}
		wanted[m.Key] = m.Value
	}
	return n, nil
}

// check refuses a key by which no rollups of the probe, or of any when probe is
// empty, are told apart.
func (n *narrowing) check(parameter, key, probe string) error {
	var known []string
	for name, keys := range n.groups {
		if probe == "" || name == probe {
			known = append(known, keys...)
		}
	}
	if slices.Contains(known, key) {
		return nil
	}
	slices.Sort(known)
	hint := "/api/v1/probes has the groups of each probe"
	if len(known) > 0 {
		hint = "they know " + strings.Join(slices.Compact(known), ", ")
	}
	return &v1.ParameterError{Parameter: parameter, Value: key, Cause: "is not what rollups are told apart by", Hint: hint}
}

// apply adds up the sums that are now the same. Those of events that were of too
// many groups have no texts.
func (n *narrowing) apply(sums model.Rollups) model.Rollups {
	narrow := model.Rollups{Incomplete: sums.Incomplete}
	places := make(map[string]int)
	var left uint64
	var key strings.Builder
	for i := range sums.Items {
		sum := &sums.Items[i]
		if len(n.where) > 0 && sum.Group == nil {
			left += sum.Count
			continue
		}
		if !n.selects(sum) {
			continue
		}
		group := n.reduce(sum)
		key.Reset()
		fmt.Fprintf(&key, "%d %q %q %q", sum.Time.UnixNano(), sum.Probe, sum.Service, group)
		at, known := places[key.String()]
		if !known {
			// Adding up must not change what the reader may keep.
			first := *sum
			first.Group, first.Durations = group, *sum.Durations.Clone()
			places[key.String()] = len(narrow.Items)
			narrow.Items = append(narrow.Items, first)
			continue
		}
		narrow.Items[at].Add(sum)
	}
	if left > 0 {
		narrow.Incomplete = append(slices.Clone(narrow.Incomplete), fmt.Sprintf("%d events are left out: they were of too many groups to tell them apart.", left))
	}
	return narrow
}

func (n *narrowing) selects(sum *model.Rollup) bool {
	for _, m := range n.where {
		at := slices.Index(n.groups[sum.Probe], m.Key)
		if at < 0 || at >= len(sum.Group) || sum.Group[at] != m.Value {
			return false
		}
	}
	return true
}

// reduce returns the texts that stay; nil when groups are not told apart.
func (n *narrowing) reduce(sum *model.Rollup) []string {
	switch {
	case n.all:
		return sum.Group
	case len(n.by) == 0 || sum.Group == nil:
		return nil
	}
	texts := make([]string, len(n.by))
	for i, key := range n.by {
		if at := slices.Index(n.groups[sum.Probe], key); at >= 0 && at < len(sum.Group) {
			texts[i] = sum.Group[at]
		}
	}
	return texts
}

// keys are the names of what reduce returns, for sums of a probe.
func (n *narrowing) keys(probe string) []string {
	if n.all {
		return n.groups[probe]
	}
	return n.by
}
