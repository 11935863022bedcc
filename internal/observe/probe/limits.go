package probe

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// MaxLimits is by how many limits a probe counts at most.
const MaxLimits = 16

// The variables of an object that counts by limits.
const (
	limitsVariable     = "limits"
	limitCountVariable = "limit_count"
)

// ErrTooManyLimits says that a probe has no room for another limit.
var ErrTooManyLimits = fmt.Errorf("a probe counts by %d limits at most", MaxLimits)

// ErrNoLimits says that a probe does not count its events by limits: each of them
// is an event, or they take no time.
var ErrNoLimits = errors.New("the probe does not count by limits")

// limits are what an object counts by. A limit keeps its index for as long as it
// is wanted, so that what was counted by it stays true.
type limits struct {
	setting sync.Mutex // held while they change
	mu      sync.Mutex
	slots   [MaxLimits]time.Duration
}

// now returns the limits that all events have been counted by since they were
// returned for the first time.
func (l *limits) now() [MaxLimits]time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.slots
}

// plan returns slots for wanted: those that are there stay, the others take what
// is free. The rest is what there is no room for.
func plan(slots [MaxLimits]time.Duration, wanted []time.Duration) (next [MaxLimits]time.Duration, rest []time.Duration) {
	wanted = slices.Clone(wanted)
	slices.Sort(wanted)
	wanted = slices.DeleteFunc(slices.Compact(wanted), func(d time.Duration) bool { return d <= 0 })
	for i, d := range slots {
		if k, ok := slices.BinarySearch(wanted, d); ok {
			next[i] = d
			wanted = slices.Delete(wanted, k, k+1)
		}
	}
	for i := range next {
		if next[i] == 0 && len(wanted) > 0 {
			next[i], wanted = wanted[0], wanted[1:]
		}
	}
	return next, wanted
}

// CountPast makes the probe count how many of its events take longer than each of
// limits, instead of those before: see [model.Tally]. It may be called at any time
// and from any goroutine. When there are too many the shortest have room, the
// others are returned with an error that matches [ErrTooManyLimits].
func (p *Probe) CountPast(wanted []time.Duration) (rest []time.Duration, err error) {
	if p.spec.Schema == nil || !p.spec.Schema.Tallied {
		return nil, ErrNoLimits
	}
	p.limits.setting.Lock()
	defer p.limits.setting.Unlock()
	if p.closed.Load() {
		return nil, nil
	}
	old := p.limits.now()
	next, rest := plan(old, wanted)
	// Whoever reads what was counted while a limit changes must see that it did:
	// it is none before the programs have it, and the new one after.
	between := old
	for i := range between {
		if old[i] != next[i] {
			between[i] = 0
		}
	}
	p.limits.set(between)
	if err := p.setLimits(next); err != nil {
		return nil, err
	}
	p.limits.set(next)
	if len(rest) > 0 {
		return rest, fmt.Errorf("count by %d limits: %w", len(rest)+MaxLimits, ErrTooManyLimits)
	}
	return nil, nil
}

func (l *limits) set(slots [MaxLimits]time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slots = slots
}

// setLimits tells the programs.
func (p *Probe) setLimits(slots [MaxLimits]time.Duration) error {
	count := uint64(0)
	for i, d := range slots {
		if d > 0 {
			count = uint64(i) + 1
		}
	}
	if err := p.setVariable(limitsVariable, slots); err != nil {
		return err
	}
	return p.setVariable(limitCountVariable, count)
}
