package keep

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

const (
	// groupsPerStep bounds the groups of a probe and service that one step
	// tells apart.
	groupsPerStep = 256
	// stepsOpen is for how many steps it is remembered which groups they tell
	// apart; an event that ended longer ago is counted in the group of the rest
	// unless it is among the first of its step again.
	stepsOpen = 64
)

// Sum is a rollup of one step and group, or a part of one: sums of the same
// step and group add up.
type Sum struct {
	model.Rollup
	// Step is Time in nanoseconds since the Unix epoch.
	Step int64
	// Schema is that of one of the events.
	Schema *model.Schema
}

// Sums sums up events as they come. The zero value is empty.
type Sums struct {
	parts map[sumKey]*Sum
	open  map[stepKey]map[*Group]bool
	rest  map[restKey]*Group
}

type sumKey struct {
	step  int64
	group *Group
}

type stepKey struct {
	step           int64
	probe, service string
}

type restKey struct{ probe, service string }

// StepOf returns the begin of the step that an event belongs to which ended at
// end, both in nanoseconds since the Unix epoch.
func StepOf(end int64) int64 { return Floor(end, int64(model.RollupStep)) }

// momentOf returns the time of an event that says in which step it counts, in
// nanoseconds since the Unix epoch: its end. What a tally counts ended within a
// time, of which that is the middle.
func momentOf(e *model.Event) int64 {
	if e.Phase == model.PhaseTally {
		return e.Time.Add(max(e.Duration, 0) / 2).UnixNano()
	}
	return e.End().UnixNano()
}

// Add counts e, of group g, in its step: an event, or as many as a tally has.
// Of an event of a tallied schema only findings count.
func (s *Sums) Add(e *model.Event, g *Group) {
	count := uint64(0)
	switch {
	case !e.Counts():
	case e.Phase == model.PhaseTally:
		count = e.Tally.Count
	default:
		count = 1
	}
	if count == 0 && len(e.Findings) == 0 {
		return
	}
	part := s.partOf(sumKey{StepOf(momentOf(e)), g})
	part.Count += count
	if len(e.Findings) > 0 {
		part.Rollup.Findings++
	}
	if count == 0 {
		return
	}
	if e.Failure().IsSet() {
		part.Failed += count
	}
	switch {
	case e.Phase != model.PhaseTally && e.Duration >= 0:
		part.Durations.Add(e.Duration)
	case e.Phase == model.PhaseTally && e.Tally.Durations != nil:
		part.Durations.Merge(e.Tally.Durations)
	}
}

// partOf returns the sum for key, of the rest when its step has enough groups.
func (s *Sums) partOf(key sumKey) *Sum {
	part := s.parts[key]
	if part == nil {
		key.group = s.admit(key.step, key.group)
		if part = s.parts[key]; part == nil {
			part = s.add(key)
		}
	}
	return part
}

func (s *Sums) add(key sumKey) *Sum {
	part := &Sum{Step: key.step, Schema: key.group.Schema, Rollup: model.Rollup{
		Time: time.Unix(0, key.step).UTC(), Probe: key.group.Probe, Service: key.group.Service, Group: key.group.Texts,
	}}
	if s.parts == nil {
		s.parts = make(map[sumKey]*Sum)
	}
	s.parts[key] = part
	return part
}

// admit returns g, or the group of the rest when its step tells enough groups
// apart already.
func (s *Sums) admit(step int64, g *Group) *Group {
	key := stepKey{step, g.Probe, g.Service}
	if s.open == nil {
		s.open = make(map[stepKey]map[*Group]bool)
		s.rest = make(map[restKey]*Group)
	}
	groups := s.open[key]
	if groups == nil {
		s.forget()
		groups = make(map[*Group]bool)
		s.open[key] = groups
	}
	if groups[g] {
		return g
	}
	if len(groups) < groupsPerStep {
		groups[g] = true
		return g
	}
	rest := s.rest[restKey{g.Probe, g.Service}]
	if rest == nil {
		if len(s.rest) > maxGroups {
			clear(s.rest)
		}
		rest = &Group{Probe: g.Probe, Service: g.Service, Texts: []string{}, Schema: g.Schema}
		s.rest[restKey{g.Probe, g.Service}] = rest
	}
	return rest
}

// forget drops the oldest steps when too many are open.
func (s *Sums) forget() {
	steps := make(map[int64]bool)
	for key := range s.open {
		steps[key.step] = true
	}
	if len(steps) <= stepsOpen {
		return
	}
	all := make([]int64, 0, len(steps))
	for step := range steps {
		all = append(all, step)
	}
	slices.Sort(all)
	limit := all[len(all)-stepsOpen/2]
	for key := range s.open {
		if key.step < limit {
			delete(s.open, key)
		}
	}
}

// Len returns how many sums Take would return.
func (s *Sums) Len() int { return len(s.parts) }

// Take returns what was added since the last Take, in the order of time.
func (s *Sums) Take() []*Sum {
	all := make([]*Sum, 0, len(s.parts))
	for _, part := range s.parts {
		all = append(all, part)
	}
	clear(s.parts)
	slices.SortFunc(all, func(a, b *Sum) int {
		return cmp.Or(cmp.Compare(a.Step, b.Step), compareRollups(&a.Rollup, &b.Rollup))
	})
	return all
}

// All yields what was added since the last Take, in no order.
func (s *Sums) All() iter.Seq[*Sum] { return maps.Values(s.parts) }

// Forget drops the oldest steps, whole ones, so that at most n sums are left.
func (s *Sums) Forget(n int) {
	steps := make([]int64, 0, len(s.parts))
	for key := range s.parts {
		steps = append(steps, key.step)
	}
	if n = max(n, 0); len(steps) <= n {
		return
	}
	slices.Sort(steps)
	last := steps[len(steps)-n-1]
	for key := range s.parts {
		if key.step <= last {
			delete(s.parts, key)
		}
	}
}

func compareRollups(a, b *model.Rollup) int {
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Probe, b.Probe), cmp.Compare(a.Service, b.Service), slices.Compare(a.Group, b.Group))
}
