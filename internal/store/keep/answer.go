package keep

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/store/query"
)

// Answer gathers the answer to a query for rollups from sums, in any order.
type Answer struct {
	query model.RollupQuery
	// From and To bound the steps that count, in nanoseconds since the Unix
	// epoch, To excluded.
	From, To int64
	items    map[answerKey]*model.Rollup
	first    int64 // the first step that has events
	begun    bool  // somebody knows it better than the sums
	key      strings.Builder
}

type answerKey struct {
	time           int64
	probe, service string
	group          string
}

// NewAnswer returns the empty answer to q. Its steps begin at multiples of
// q.Step since the Unix epoch; one step of the whole time begins at q.From, or
// where the first events are.
func NewAnswer(q model.RollupQuery) (*Answer, error) {
	if q.Step < 0 || q.Step%model.RollupStep != 0 {
		return nil, fmt.Errorf("rollup step %v: is not a multiple of %v", q.Step, model.RollupStep)
	}
	if q.By > model.ByGroup {
		return nil, fmt.Errorf("rollups by %d: is not known", q.By)
	}
	a := &Answer{query: q, From: query.Nanoseconds(q.From, math.MinInt64), To: query.Nanoseconds(q.To, math.MaxInt64), items: make(map[answerKey]*model.Rollup), first: math.MaxInt64}
	if a.From > math.MinInt64+int64(model.RollupStep) {
		a.From = Floor(a.From, int64(model.RollupStep))
	}
	if a.To < math.MaxInt64-int64(model.RollupStep) {
		a.To = -Floor(-a.To, int64(model.RollupStep))
	}
	return a, nil
}

// Wants says whether sums of this probe and service are asked for.
func (a *Answer) Wants(probe, service string) bool {
	return (a.query.Probe == "" || a.query.Probe == probe) && (a.query.Service == "" || a.query.Service == service)
}

// Groups says whether groups are told apart.
func (a *Answer) Groups() bool { return a.query.By == model.ByGroup }

// Add counts a sum, if it is asked for.
func (a *Answer) Add(step int64, r *model.Rollup) {
	if step < a.From || step >= a.To || !a.Wants(r.Probe, r.Service) {
		return
	}
	at := step
	if a.query.Step > 0 {
		at = Floor(step, int64(a.query.Step))
	}
	key := answerKey{time: at, probe: r.Probe, service: r.Service}
	if a.query.Step == 0 {
		key.time = 0
	}
	if a.Groups() {
		a.key.Reset()
		for _, text := range r.Group {
			a.key.Write(appendText(nil, text))
		}
		key.group = a.key.String()
	}
	item := a.items[key]
	if item == nil {
		item = &model.Rollup{Time: time.Unix(0, key.time).UTC(), Probe: r.Probe, Service: r.Service}
		if a.Groups() {
			item.Group = append([]string{}, r.Group...)
		}
		a.items[key] = item
	}
	item.Add(r)
	if !a.begun {
		a.first = min(a.first, step)
	}
}

// Floor returns the highest multiple of step that is not above n.
func Floor(n, step int64) int64 {
	at := n - n%step
	if at > n {
		at -= step
	}
	return at
}

// BeginsBy says that the first events are in this step or in an earlier one.
// With it sums may be added that are longer than [model.RollupStep].
func (a *Answer) BeginsBy(step int64) {
	if !a.begun {
		a.first, a.begun = step, true
	}
	a.first = min(a.first, step)
}

// Items returns the answer in the order of time, then of probe, service and
// group.
func (a *Answer) Items() []model.Rollup {
	items := make([]model.Rollup, 0, len(a.items))
	begin := a.first
	if !a.query.From.IsZero() {
		begin = a.From
	}
	for _, item := range a.items {
		if a.query.Step == 0 {
			item.Time = time.Unix(0, begin).UTC()
		}
		items = append(items, *item)
	}
	slices.SortFunc(items, func(x, y model.Rollup) int { return compareRollups(&x, &y) })
	return items
}
