package evaluate

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/rules"
	"github.com/goshawk-io/goshawk/internal/judge/series"
	"github.com/goshawk-io/goshawk/sli"
)

// The series that the readings of objectives are kept as.
const (
	eventsMetric = rules.CounterName
	resultGood   = "good"
	resultBad    = "bad"
)

// Engine is what the readings are kept in: [series.Engine].
type Engine interface {
	Query(ctx context.Context, expr string, at time.Time) (series.Vector, error)
}

// Kept are the readings that an engine keeps. It may be used by several
// goroutines.
type Kept struct {
	engine Engine

	mu    sync.Mutex
	first map[string]sli.Counts
}

// NewKept returns the readings in an engine.
func NewKept(engine Engine) *Kept {
	return &Kept{engine: engine, first: make(map[string]sli.Counts)}
}

// lookbacks are how far back the last reading before a time is looked for, one
// after the other: most are seconds old, and only where the agent was away they are
// older.
func lookbacks() []string { return []string{"5m", "1h", "1d", "62d"} }

// Last returns the last reading of an objective until at, zero when there is none.
func (k *Kept) Last(ctx context.Context, name string, at time.Time) (sli.Counts, error) {
	counts, _, err := k.last(ctx, name, at)
	return counts, err
}

// lastOrFirst returns the last reading until at, or the first of all by now, which
// what came after has grown from.
func (k *Kept) lastOrFirst(ctx context.Context, name string, at, now time.Time) (sli.Counts, error) {
	counts, ok, err := k.last(ctx, name, at)
	if err == nil && !ok {
		return k.firstOf(ctx, name, now)
	}
	return counts, err
}

func (k *Kept) last(ctx context.Context, name string, at time.Time) (counts sli.Counts, ok bool, err error) {
	for _, back := range lookbacks() {
		counts, ok, err = k.read(ctx, latest(fmt.Sprintf("last_over_time(%s{slo=%q}[%s])", eventsMetric, name, back)), name, at)
		if ok || err != nil {
			break
		}
	}
	return counts, ok, err
}

// latest is the highest of the counters of an objective, which has several for some
// time after its service got another name: it counts on under that one.
func latest(expr string) string { return "max by (slo, result) (" + expr + ")" }

func (k *Kept) read(ctx context.Context, expr, name string, at time.Time) (counts sli.Counts, ok bool, err error) {
	all, err := k.readAll(ctx, expr, at)
	counts, ok = all[name]
	return counts, ok, err
}

// readAll returns the readings that an expression is about, by objective.
func (k *Kept) readAll(ctx context.Context, expr string, at time.Time) (map[string]sli.Counts, error) {
	vector, err := k.engine.Query(ctx, expr, at)
	if err != nil {
		return nil, fmt.Errorf("read the counters of objectives: %w", err)
	}
	all := make(map[string]sli.Counts, len(vector)/2)
	for _, s := range vector {
		name := s.Labels.Get("slo")
		c := all[name]
		switch s.Labels.Get("result") {
		case resultGood:
			c.Good = uint64(s.Value)
		case resultBad:
			c.Bad = uint64(s.Value)
		}
		all[name] = c
	}
	return all, nil
}

// firstOf returns the first reading that is kept of an objective, which what came
// after has grown from.
func (k *Kept) firstOf(ctx context.Context, name string, now time.Time) (sli.Counts, error) {
	k.mu.Lock()
	counts, ok := k.first[name]
	k.mu.Unlock()
	if ok {
		return counts, nil
	}
	back := lookbacks()[len(lookbacks())-1]
	counts, ok, err := k.read(ctx, fmt.Sprintf("min by (slo, result) (min_over_time(%s{slo=%q}[%s]))", eventsMetric, name, back), name, now)
	if err != nil || !ok {
		return sli.Counts{}, err
	}
	k.mu.Lock()
	k.first[name] = counts
	k.mu.Unlock()
	return counts, nil
}

// forget gives up the first readings of objectives that are gone.
func (k *Kept) forget(gone func(name string) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.first, func(name string, _ sli.Counts) bool { return gone(name) })
}

// View returns the readings as they are for one evaluation at now: what it reads of
// a time it reads for all objectives at once. Those of now are known, which a disk
// that is full may not have kept.
func (k *Kept) View(now time.Time, known map[string]Reading) *View {
	v := &View{kept: k, now: now, at: make(map[int64]map[string]sli.Counts)}
	if len(known) > 0 {
		v.at[now.UnixNano()] = make(map[string]sli.Counts, len(known))
	}
	for name, r := range known {
		v.at[now.UnixNano()][name] = r.Counts
	}
	return v
}

// View is for one goroutine.
type View struct {
	kept *Kept
	now  time.Time
	at   map[int64]map[string]sli.Counts // by Unix nanoseconds
}

// Growth implements [Growths].
func (v *View) Growth(ctx context.Context, name string, from, to time.Time) (sli.Counts, error) {
	after, err := v.reading(ctx, name, to)
	if err != nil {
		return sli.Counts{}, err
	}
	before, err := v.reading(ctx, name, from)
	if err != nil {
		return sli.Counts{}, err
	}
	// Counters never go back; a store that was repaired may have.
	return sli.Counts{Good: after.Good - min(before.Good, after.Good), Bad: after.Bad - min(before.Bad, after.Bad)}, nil
}

// reading returns the counters as they were at a time: the last reading until then,
// or the very first.
func (v *View) reading(ctx context.Context, name string, at time.Time) (sli.Counts, error) {
	all, ok := v.at[at.UnixNano()]
	if !ok {
		var err error
		if all, err = v.kept.readAll(ctx, latest(eventsMetric), at); err != nil {
			return sli.Counts{}, err
		}
		v.at[at.UnixNano()] = all
	}
	if counts, ok := all[name]; ok {
		return counts, nil
	}
	counts, err := v.kept.lastOrFirst(ctx, name, at, v.now)
	if err == nil {
		all[name] = counts
	}
	return counts, err
}
