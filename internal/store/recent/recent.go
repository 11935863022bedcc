// Package recent keeps the last events in memory, for the API.
//
// What comes in are finished events, shared and never changed; what goes out
// are the newest that match a query. It keeps nothing on disk and forgets the
// oldest when it is full.
package recent

import (
	"sync"

	"github.com/goshawk-io/goshawk/internal/model"
)

// DefaultSize is how many events are kept when no size is given, and maxBytes
// the memory that they may take, about.
const (
	DefaultSize = 1000
	maxBytes    = 8 << 20
)

// Query selects events. The zero value selects all.
type Query struct {
	// Probe and Service must equal the event's, when not empty.
	Probe, Service string
	// PID must equal the event's, when not 0.
	PID int32
	// Findings selects only events that have some.
	Findings bool
	// Limit bounds the result; 0 means no bound.
	Limit int
}

func (q *Query) matches(e *model.Event) bool {
	return (q.Probe == "" || q.Probe == e.Schema.Probe) &&
		(q.Service == "" || q.Service == e.Service) &&
		(q.PID == 0 || q.PID == e.PID) &&
		(!q.Findings || len(e.Findings) > 0)
}

// Store is a ring of events. It is safe for concurrent use.
type Store struct {
	mu     sync.RWMutex
	events []*model.Event
	next   int
	full   bool
	bytes  int
}

// New returns a store of size events, 0 meaning [DefaultSize].
func New(size int) *Store {
	if size <= 0 {
		size = DefaultSize
	}
	return &Store{events: make([]*model.Event, size)}
}

// Add keeps e, which must not change any more.
func (s *Store) Add(e *model.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.events[s.next]; old != nil {
		s.bytes -= old.Bytes()
	}
	s.bytes += e.Bytes()
	s.events[s.next] = e
	s.next++
	if s.next == len(s.events) {
		s.next, s.full = 0, true
	}
	s.forget()
}

// forget drops the oldest events until the rest fits into maxBytes.
func (s *Store) forget() {
	for i := 0; i < len(s.events)-1 && s.bytes > maxBytes; i++ {
		at := (s.next + i) % len(s.events)
		if old := s.events[at]; old != nil {
			s.bytes -= old.Bytes()
			s.events[at] = nil
		}
	}
}

// Select returns the events that q selects, the newest first.
func (s *Store) Select(q Query) []*model.Event {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := s.next
	if s.full {
		n = len(s.events)
	}
	var found []*model.Event
	for i := range n {
		e := s.events[(s.next-1-i+len(s.events))%len(s.events)]
		if e == nil || !q.matches(e) {
			continue
		}
		found = append(found, e)
		if q.Limit > 0 && len(found) == q.Limit {
			break
		}
	}
	return found
}
