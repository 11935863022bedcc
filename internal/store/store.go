// Package store says how events are kept and asked for; the packages below it
// keep them, and storetest holds each to the same answers.
package store

import (
	"context"

	"github.com/goshawk-io/goshawk/internal/model"
)

// Reader answers from the events that were kept. It is safe for concurrent
// use. An answer holds all that was added before the question was asked.
//
// An error says that there is no answer; one that lacks something is an answer
// that says so (Incomplete).
type Reader interface {
	// Events returns a page of the events that q selects. A page's After comes
	// from an answer of the same reader to the same query but for Limit; any
	// other is an error.
	Events(ctx context.Context, q model.Query) (model.Page, error)
	// Event returns the event with this id, and whether it is kept.
	Event(ctx context.Context, id model.EventID) (model.Record, bool, error)
	// Rollups sums up events, those that were not kept too.
	Rollups(ctx context.Context, q model.RollupQuery) (model.Rollups, error)
}
