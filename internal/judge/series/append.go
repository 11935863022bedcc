package series

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// Errors of appends; they are wrapped.
var (
	// ErrAhead says that a whole commit is ahead of the clock.
	ErrAhead = errors.New("ahead of the clock")
	// ErrDisk says that the log cannot be written.
	ErrDisk = errors.New("the disk takes no samples")
	// ErrClosed says that the engine is closed.
	ErrClosed = errors.New("the series engine is closed")
)

// Reason is why a sample was rejected.
type Reason int

// The reasons.
const (
	OutOfOrder     Reason = iota // older than the series' last
	Duplicate                    // another value at the same time
	TooOld                       // older than an hour before the newest of all series, or than the retention
	Ahead                        // ahead of the clock
	NotFinite                    // NaN or infinite
	Invalid                      // a histogram that contradicts itself
	SeriesLimit                  // of a new series when there are too many
	HistogramLimit               // of a new histogram when there are too many
	Disk                         // the log could not be written
	reasons
)

// String returns the reason as a metric's label.
func (r Reason) String() string {
	names := [...]string{"out_of_order", "duplicate", "too_old", "ahead", "not_finite", "invalid", "series_limit", "histogram_limit", "disk"}
	if r < 0 || int(r) >= len(names) {
		return fmt.Sprintf("reason_%d", int(r))
	}
	return names[r]
}

// Rejected counts samples that were rejected, by [Reason].
type Rejected [reasons]uint64

// Total returns how many were rejected for any reason.
func (r *Rejected) Total() uint64 {
	sum := uint64(0)
	for _, n := range r {
		sum += n
	}
	return sum
}

// Appended is what became of the samples of a commit.
type Appended struct {
	// Stored is how many are in the log.
	Stored int
	// Rejected are the others.
	Rejected Rejected
}

// Series is a handle of a series: appends by handle need no look-up. There
// should be one for each series; it is for one [Engine]. It may be kept while
// the series is silent. A handle of its own is safe for concurrent use.
type Series struct {
	labels labels.Labels

	// Guarded by Engine.commitMu.
	ref    storage.SeriesRef
	opened *opening // of which ref is
	commit uint64   // in which it last was
}

// NewSeries makes a handle. It stores nothing: the series is there with its
// first sample. Labels may be in any order; an error names what is wrong with
// them.
func (e *Engine) NewSeries(metric string, pairs ...Label) (*Series, error) {
	l, err := stored(metric, pairs)
	if err != nil {
		return nil, err
	}
	return &Series{labels: l}, nil
}

// Name returns the metric's name and the labels.
func (s *Series) Name() Name { return nameOf(s.labels) }

// Batch gathers the samples of a commit. It is reused from commit to commit and
// allocates nothing then; it is not safe for concurrent use.
type Batch struct {
	engine  *Engine
	entries []entry
}

type entry struct {
	series    *Series
	value     float64
	histogram *Histogram
}

// Batch returns a new batch.
func (e *Engine) Batch() *Batch { return &Batch{engine: e} }

// Add adds a sample. A series may be there once in a batch.
func (b *Batch) Add(s *Series, value float64) {
	b.entries = append(b.entries, entry{series: s, value: value})
}

// AddHistogram adds a native histogram, which is borrowed until the batch is
// committed.
func (b *Batch) AddHistogram(s *Series, h *Histogram) {
	b.entries = append(b.entries, entry{series: s, histogram: h})
}

// Commit stores the samples with the time at, to the millisecond, and empties
// the batch. It waits for the log to be written, not for the disk. Samples that
// are rejected one by one are no error; [ErrAhead], [ErrDisk] and [ErrClosed]
// are of all of them.
func (b *Batch) Commit(ctx context.Context, at time.Time) (Appended, error) {
	defer func() {
		clear(b.entries)
		b.entries = b.entries[:0]
	}()
	return b.engine.commit(ctx, at, b.entries)
}

// Sample is a number, or a histogram, of a series.
type Sample struct {
	// Metric and Labels name the series.
	Metric string
	Labels Labels
	// Value is the number; it is 0 where there is a Histogram.
	Value     float64
	Histogram *Histogram
}

// Append stores samples by name, for callers that do not mind the look-up. It
// is as [Batch.Commit] otherwise; a sample whose series has a bad name keeps
// all from being stored.
func (e *Engine) Append(ctx context.Context, at time.Time, samples []Sample) (Appended, error) {
	entries := make([]entry, 0, len(samples))
	seen := make(map[uint64]*Series, len(samples))
	for _, sample := range samples {
		s, err := e.NewSeries(sample.Metric, sample.Labels...)
		if err != nil {
			return Appended{}, err
		}
		hash := s.labels.Hash()
		if first := seen[hash]; first != nil && labels.Equal(first.labels, s.labels) {
			s = first
		}
		seen[hash] = s
		entries = append(entries, entry{s, sample.Value, sample.Histogram})
	}
	return e.commit(ctx, at, entries)
}

func (e *Engine) commit(ctx context.Context, at time.Time, entries []entry) (Appended, error) {
	if len(entries) == 0 || ctx.Err() != nil {
		return Appended{}, ctx.Err()
	}
	e.commitMu.Lock()
	defer e.commitMu.Unlock()
	appended, err := e.commitLocked(ctx, at, entries)
	e.counts.add(appended)
	if err != nil {
		return appended, fmt.Errorf("append %d samples of %s: %w", len(entries), at.UTC().Format(time.RFC3339Nano), err)
	}
	return appended, nil
}

func (e *Engine) commitLocked(ctx context.Context, at time.Time, entries []entry) (a Appended, err error) {
	all := func(r Reason, err error) (Appended, error) {
		a = Appended{}
		a.Rejected[r] = uint64(len(entries))
		return a, err
	}
	limit := e.clock.limit()
	switch {
	case at.After(limit):
		return all(Ahead, fmt.Errorf("%w by %v", ErrAhead, at.Sub(limit)+e.opts.MaxAhead))
	case at.Before(limit.Add(-e.opts.MaxAhead - e.opts.Retention)):
		return all(TooOld, nil)
	}
	db, release, err := e.store.writable()
	if err != nil {
		return all(Disk, err)
	}
	defer release()
	e.commits++
	app := db.AppenderV2(ctx)
	for _, entry := range entries {
		if reason, ok := e.appendOne(app, at.UnixMilli(), entry); !ok {
			a.Rejected[reason]++
			continue
		}
		a.Stored++
	}
	if err := app.Commit(); err != nil {
		e.store.wound(err)
		return all(Disk, fmt.Errorf("%w: %w", ErrDisk, err))
	}
	return a, nil
}

// appendOne adds a sample to app, or says why not.
func (e *Engine) appendOne(app storage.AppenderV2, at int64, entry entry) (Reason, bool) {
	s := entry.series
	if s.opened != e.store.opened {
		s.ref, s.opened = 0, e.store.opened
	}
	if s.commit == e.commits {
		return Duplicate, false
	}
	var h *histogram.Histogram
	switch {
	case entry.histogram != nil:
		var err error
		if h, err = entry.histogram.stored(); err != nil {
			return Invalid, false
		}
		if !e.store.census.histogram(s.ref) {
			return HistogramLimit, false
		}
	case !isFinite(entry.value):
		return NotFinite, false
	}
	ref, err := app.Append(s.ref, s.labels, 0, at, entry.value, h, nil, storage.AOptions{})
	if err != nil {
		return reasonOf(err), false
	}
	if h != nil {
		e.store.census.addHistogram(ref)
	}
	s.ref, s.commit = ref, e.commits
	return 0, true
}

// reasonOf names the store's reason.
func reasonOf(err error) Reason {
	for _, known := range []struct {
		err    error
		reason Reason
	}{
		{storage.ErrOutOfOrderSample, OutOfOrder},
		{storage.ErrDuplicateSampleForTimestamp, Duplicate},
		{storage.ErrOutOfBounds, TooOld},
		{storage.ErrTooOldSample, TooOld},
		{errSeriesLimit, SeriesLimit},
	} {
		if errors.Is(err, known.err) {
			return known.reason
		}
	}
	return Invalid
}
