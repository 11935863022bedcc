package series

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
)

// ruleQuery is how rules ask: out of turn, but with the same limits.
func (e *Engine) ruleQuery(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	vector, err := e.instant(ctx, expr, at)
	if e.store.scrub(err) {
		vector, err = e.instant(ctx, expr, at)
	}
	return vector, err
}

// ruleDoor is where the results of rules come in: like commits they are
// refused when they are ahead of the clock, too many, or the disk is full.
type ruleDoor struct{ e *Engine }

// Appender returns what takes the results of one rule.
func (d ruleDoor) Appender(ctx context.Context) storage.Appender {
	a := &ruleAppender{e: d.e, limit: d.e.clock.limit().UnixMilli()}
	db, release, err := d.e.store.writable()
	if err != nil {
		a.err = err
		return a
	}
	a.Appender, a.release = db.Appender(ctx), release
	return a
}

// ruleAppender appends the results of one rule. Not all methods of the
// library's interface are used by rules; the others are the database's.
type ruleAppender struct {
	storage.Appender
	e       *Engine
	release func() // nil when there is no database
	err     error  // why there is none
	limit   int64  // the time, in Unix milliseconds, that no result may be after
	counts  Appended
}

// SetOptions is told that results are not to be out of order: they never may be.
func (a *ruleAppender) SetOptions(o *storage.AppendOptions) {
	if a.Appender != nil {
		a.Appender.SetOptions(o)
	}
}

// Append takes a result. Results may be NaN: stale markers are.
func (a *ruleAppender) Append(ref storage.SeriesRef, l labels.Labels, at int64, value float64) (storage.SeriesRef, error) {
	switch {
	case a.err != nil:
		a.counts.Rejected[Disk]++
		return 0, a.err
	case at > a.limit:
		a.counts.Rejected[Ahead]++
		return 0, ErrAhead
	}
	ref, err := a.Appender.Append(ref, l, at, value)
	if err != nil {
		a.counts.Rejected[reasonOf(err)]++
		return 0, err
	}
	a.counts.Stored++
	return ref, nil
}

// AppendHistogram refuses: a recorded histogram is one more to be read again
// after a restart, and verdicts are made of counters.
func (a *ruleAppender) AppendHistogram(storage.SeriesRef, labels.Labels, int64, *histogram.Histogram, *histogram.FloatHistogram) (storage.SeriesRef, error) {
	a.counts.Rejected[HistogramLimit]++
	return 0, errors.New("a rule cannot record native histograms")
}

// Commit writes what was taken to the log.
func (a *ruleAppender) Commit() error {
	if a.release == nil {
		return a.finish(a.err)
	}
	defer a.release()
	err := a.Appender.Commit()
	if err != nil {
		a.e.store.wound(err)
		err = fmt.Errorf("%w: %w", ErrDisk, err)
	}
	return a.finish(err)
}

// Rollback forgets what was taken.
func (a *ruleAppender) Rollback() error {
	if a.release == nil {
		return nil
	}
	defer a.release()
	return a.Appender.Rollback()
}

func (a *ruleAppender) finish(err error) error {
	if err != nil {
		a.counts.Rejected[Disk] += uint64(a.counts.Stored)
		a.counts.Stored = 0
	}
	a.e.counts.add(a.counts)
	return err
}
