// Package memory keeps the last events in memory, for a host on which nothing
// can be written.
//
//	event --> Add --> ring of events        bounded in number and bytes
//	tally -->     \-> rollups of 10 s       bounded in number
//
// What comes in are complete events and tallies, shared and never changed; what
// goes out are answers as of any store. All events are kept, with their own
// weight, until they are pushed out by later ones. It keeps nothing on disk; what was pushed out
// is gone, and an answer that may lack some of it says so.
package memory

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/store/keep"
	"github.com/goshawk-io/goshawk/internal/store/query"
)

// The defaults of [Options].
const (
	DefaultEvents  = 10_000
	DefaultBytes   = 32 << 20
	DefaultRollups = 50_000
)

// Options bounds a store. The zero value works.
type Options struct {
	// Events bounds how many events are kept, Bytes the memory that they take,
	// about, and Rollups how many rollups are; 0 means [DefaultEvents],
	// [DefaultBytes] and [DefaultRollups]. What came first goes first; one
	// event stays, however large.
	Events, Bytes, Rollups int
}

// Store keeps events in memory and implements store.Reader. It is safe for
// concurrent use.
type Store struct {
	options Options

	mu     sync.RWMutex
	events []*model.Event // a ring: the event of row n at n % len(events)
	oldest int64          // the row of the oldest
	next   int64          // the row of the next
	bytes  int
	// gone is when the last of the events that were pushed out ended, in
	// nanoseconds since the Unix epoch; it counts when oldest is not 0.
	gone int64

	groups keep.Groups
	sums   keep.Sums
}

// New returns an empty store.
func New(o Options) *Store {
	if o.Events <= 0 {
		o.Events = DefaultEvents
	}
	if o.Bytes <= 0 {
		o.Bytes = DefaultBytes
	}
	if o.Rollups <= 0 {
		o.Rollups = DefaultRollups
	}
	return &Store{options: o, events: make([]*model.Event, o.Events)}
}

// Add keeps e, which must not change any more. A tally adds to the rollups only;
// an event that is not complete is left out.
func (s *Store) Add(e *model.Event) {
	if e.Phase != model.PhaseEnd && !e.Counts() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Phase == model.PhaseEnd {
		s.keep(e)
	}
	s.sums.Add(e, s.groups.Of(e))
	if s.sums.Len() > s.options.Rollups {
		s.sums.Forget(s.options.Rollups / 2)
	}
}

// keep puts e into the ring. s.mu is held.
func (s *Store) keep(e *model.Event) {
	if s.next-s.oldest == int64(len(s.events)) {
		s.forget()
	}
	s.bytes += e.Bytes()
	*s.at(s.next) = e
	s.next++
	for s.bytes > s.options.Bytes && s.next-s.oldest > 1 {
		s.forget()
	}
}

func record(e *model.Event) model.Record {
	return model.Record{Event: e, Weight: float64(e.StandsFor())}
}

func (s *Store) at(row int64) **model.Event { return &s.events[row%int64(len(s.events))] }

func (s *Store) forget() {
	old := s.at(s.oldest)
	if end := (*old).End().UnixNano(); s.oldest == 0 || end > s.gone {
		s.gone = end
	}
	s.bytes -= (*old).Bytes()
	*old = nil
	s.oldest++
}

// found is an event that a query selects, and its place.
type found struct {
	at    query.Position
	event *model.Event
}

// Events returns a page of the events that q selects.
func (s *Store) Events(ctx context.Context, q model.Query) (model.Page, error) {
	f, err := query.New(q)
	if err != nil {
		return model.Page{}, err
	}
	all, err := s.selected(ctx, f)
	if err != nil {
		return model.Page{}, err
	}
	slices.SortFunc(all, func(a, b found) int { return query.Compare(a.at, b.at) })
	var page model.Page
	if len(all) > f.Limit {
		all = all[:f.Limit]
		page.Next = f.Cursor(all[f.Limit-1].at)
	}
	for _, x := range all {
		page.Records = append(page.Records, record(x.event))
	}
	if page.Next == "" {
		page.Incomplete = s.lacks(f)
	}
	return page, nil
}

// lacks says what the last page of a query may lack.
func (s *Store) lacks(f *query.Filter) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.oldest == 0 || f.From > s.gone {
		return nil
	}
	return []string{"Events until " + time.Unix(0, s.gone).UTC().Format(time.RFC3339) + " are gone: memory holds the last " + strconv.Itoa(len(s.events)) + " at most."}
}

// selected returns what f selects after where the page begins, in no order.
func (s *Store) selected(ctx context.Context, f *query.Filter) ([]found, error) {
	begin, began := f.Begin()
	var all []found
	events, first := s.snapshot()
	for i, e := range events {
		if i%256 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		at := f.Of(e, 0, first+int64(i))
		if (!began || begin.Before(at)) && f.Matches(e) {
			all = append(all, found{at, e})
		}
	}
	return all, ctx.Err()
}

// snapshot returns the events, the oldest first, and the row of the first, so
// that a long search does not hold up Add.
func (s *Store) snapshot() ([]*model.Event, int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	events := make([]*model.Event, 0, s.next-s.oldest)
	for row := s.oldest; row < s.next; row++ {
		events = append(events, *s.at(row))
	}
	return events, s.oldest
}

// Event returns the event with this id, the latest if there are several.
func (s *Store) Event(ctx context.Context, id model.EventID) (model.Record, bool, error) {
	if err := ctx.Err(); err != nil {
		return model.Record{}, false, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for row := s.next - 1; row >= s.oldest; row-- {
		if e := *s.at(row); e.PID == id.PID && e.ID() == id {
			return record(e), true, nil
		}
	}
	return model.Record{}, false, nil
}

// Rollups sums up events, those that were pushed out too.
func (s *Store) Rollups(ctx context.Context, q model.RollupQuery) (model.Rollups, error) {
	answer, err := keep.NewAnswer(q)
	if err != nil {
		return model.Rollups{}, err
	}
	if err := ctx.Err(); err != nil {
		return model.Rollups{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for sum := range s.sums.All() {
		answer.Add(sum.Step, &sum.Rollup)
	}
	return model.Rollups{Items: answer.Items()}, nil
}
