// Package storetest holds every store to the same answers.
//
// What comes in is a way to open an empty store; [Run] adds events to it and
// asks random questions, whose answers it compares with those of a slice that
// is searched from end to end. It says nothing about what a store leaves out
// when it is full or short of its budget: the stores that it gets must keep
// some thousand events whole.
package storetest

import (
	"context"
	"testing"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/store"
)

// Store is what is tested.
type Store interface {
	store.Reader
	// Add keeps e, an event or a tally, which is shared and never changed.
	Add(e *model.Event)
}

// Run tests the stores that open returns: empty ones, which are closed by
// t.Cleanup. Each must keep 5,000 events of about a KiB, and those with
// arguments of 64 KiB.
func Run(t *testing.T, open func(t *testing.T) Store) {
	tests := []struct {
		name string
		run  func(*testing.T, Store)
	}{
		{"answers as a search of all events does", differ},
		{"pages are whole while events come", pageWhileAdding},
		{"time selects what overlaps it", overlap},
		{"an event comes back as it was", survive},
		{"an event is found by its id", byID},
		{"events that are not complete are left out", incomplete},
		{"late events land where they belong", late},
		{"equal events are kept each", equalEvents},
		{"a wrong cursor is an error", wrongCursor},
		{"a wrong query is an error", wrongQuery},
		{"a cancelled question has no answer", cancelled},
		{"rollups count as a search of all events does", differRollups},
		{"rollups tell no more than some groups apart", manyGroups},
		{"tallies count, and their events are kept", tallied},
		{"tallies count in the step that they are of", tallySteps},
		{"tallies of too many groups count in the rest", manyTallies},
		{"a tally of a schema without is left out", strayTally},
		{"an event comes back with what it stands for", weighted},
		{"what was added is in the answer", readYourWrites},
		{"many ask while many add", together},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
	}
}

// ask returns the whole answer to q, page by page.
func ask(t *testing.T, s store.Reader, q model.Query) []model.Record {
	t.Helper()
	var all []model.Record
	for pages := 0; ; pages++ {
		page, err := s.Events(context.Background(), q)
		if err != nil {
			t.Fatalf("Events(%+v): %v", q, err)
		}
		if len(page.Incomplete) > 0 {
			t.Fatalf("Events(%+v) lacks something: %q", q, page.Incomplete)
		}
		if q.Limit > 0 && len(page.Records) > q.Limit {
			t.Fatalf("Events(%+v): %d records", q, len(page.Records))
		}
		all = append(all, page.Records...)
		if page.Next == "" {
			return all
		}
		if pages > 10_000 {
			t.Fatalf("Events(%+v): the pages have no end", q)
		}
		q.After = page.Next
	}
}
