package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/store/keep"
)

// spans returns the lengths of the steps for which rollups are kept, in
// nanoseconds, each a multiple of the one before: so that a question about days
// does not read what one about seconds needs. A file knows them by their
// positions.
func spans() [3]int64 {
	return [3]int64{int64(model.RollupStep), 6 * int64(model.RollupStep), 60 * int64(model.RollupStep)}
}

type sumStatements struct{ read, write *sql.Stmt }

func prepareSums(ctx context.Context, c *sql.Conn) (s sumStatements, err error) {
	s.read, err = c.PrepareContext(ctx, "SELECT count, failed, findings, durations FROM rollups WHERE span = ? AND step = ? AND source = ? AND grp = ?")
	if err != nil {
		return s, err
	}
	s.write, err = c.PrepareContext(ctx, "REPLACE INTO rollups (span, step, source, grp, count, failed, findings, durations) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
	return s, err
}

// addSums adds sums to what the current file has of their steps.
func (w *writer) addSums(ctx context.Context, sums []*keep.Sum) error {
	for _, sum := range sums {
		at, err := w.sourceOf(ctx, sum.Schema, sum.Service)
		if err != nil {
			return err
		}
		group := w.current.words.sumGroup(sum.Group)
		if w.current.words.err != nil {
			return w.current.words.err
		}
		source := w.current.sources[at].id
		for span, length := range spans() {
			if err := w.addSum(ctx, span, keep.Floor(sum.Step, length), source, group, &sum.Rollup); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writer) addSum(ctx context.Context, span int, step, source int64, group uint64, r *model.Rollup) error {
	var total model.Rollup
	var b []byte
	stmts := &w.current.sumStmts
	err := stmts.read.QueryRowContext(ctx, span, step, source, int64(group)).Scan(&total.Count, &total.Failed, &total.Findings, &b)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return err
	default:
		if err := total.Durations.UnmarshalBinary(b); err != nil {
			return err
		}
	}
	total.Add(r)
	if b, err = total.Durations.AppendBinary(b[:0]); err != nil {
		return err
	}
	_, err = stmts.write.ExecContext(ctx, span, step, source, int64(group), int64(total.Count), int64(total.Failed), int64(total.Findings), b)
	return err
}
