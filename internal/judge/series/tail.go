package series

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// Lateness is how much older than the newest sample of all series a sample can be
// that is yet to be stored; older ones are rejected as [TooOld]. Within a series
// each sample is newer than the one before. So whoever knows the last sample that
// it has seen of each series, and looks this far back behind the newest of all,
// sees each sample once, however late it came: the result of a rule has the time at
// which its evaluation began, and the end of a series whose rule was removed is
// stored two intervals after.
const Lateness = time.Duration(tsdb.DefaultBlockDuration/2) * time.Millisecond

// Number is a sample of a series as it was stored.
type Number struct {
	// At is its time in Unix milliseconds.
	At int64
	// Value may be the NaN that marks the end of a series; its bits say which.
	Value float64
}

// Stored is a series with samples as they were stored.
type Stored struct {
	Name
	// ID stands for the name in any process.
	ID uint64
	// Numbers are in the order of time, and not none.
	Numbers []Number
}

// Span says what [Engine.Tail] reads. The zero value is all numbers of all series.
type Span struct {
	// After and Until bound the times in Unix milliseconds: later than After, not
	// later than Until, 0 for any.
	After, Until int64
	// Seen returns the time of the last sample of a series that is not of interest
	// anymore, if there is one.
	Seen func(id uint64) (at int64, ok bool)
	// Wanted chooses by the name of the metric; nil takes all.
	Wanted func(metric string) bool
	// Limit bounds how many numbers are returned; more are [ErrTooMuch]. 0 means
	// [Options.MaxSamples].
	Limit int
}

// Tail returns the numbers of a span of time as they were stored, and the time of
// the newest sample of all series when it began to read, 0 without any. Native
// histograms are left out: they are for display.
func (e *Engine) Tail(ctx context.Context, span Span) (stored []Stored, newest int64, err error) {
	if span.Until == 0 {
		span.Until = math.MaxInt64
	}
	if span.Limit == 0 {
		span.Limit = e.opts.MaxSamples
	}
	// Before the samples: what is stored from now on can be late behind this only.
	if at := e.store.newest(); !at.IsZero() {
		newest = at.UnixMilli()
	}
	err = e.admitted(ctx, "samples as stored", func(ctx context.Context) error {
		q, err := e.store.Querier(span.After+1, span.Until)
		if err != nil {
			return err
		}
		defer q.Close()
		stored, err = e.tail(ctx, q, &span)
		return err
	})
	return stored, newest, err
}

func (e *Engine) tail(ctx context.Context, q storage.Querier, span *Span) ([]Stored, error) {
	var all []Stored
	var it chunkenc.Iterator
	var numbers []Number
	left := span.Limit
	set := q.Select(ctx, false, nil, labels.MustNewMatcher(labels.MatchNotEqual, model.MetricNameLabel, ""))
	for set.Next() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		series := set.At()
		l := series.Labels()
		if span.Wanted != nil && !span.Wanted(l.Get(model.MetricNameLabel)) {
			continue
		}
		id, after := labels.StableHash(l), span.After
		if span.Seen != nil {
			if at, ok := span.Seen(id); ok {
				after = max(after, at)
			}
		}
		it = series.Iterator(it)
		var err error
		if numbers, err = numbersOf(it, after, span.Until, numbers[:0]); err != nil {
			return nil, err
		}
		if left -= len(numbers); left < 0 {
			return nil, fmt.Errorf("%w: more than %d samples", ErrTooMuch, span.Limit)
		}
		if len(numbers) > 0 {
			all = append(all, Stored{Name: nameOf(l), ID: id, Numbers: append([]Number(nil), numbers...)})
		}
	}
	return all, set.Err()
}

// numbersOf appends the numbers later than after and not later than until.
func numbersOf(it chunkenc.Iterator, after, until int64, to []Number) ([]Number, error) {
	if after == math.MaxInt64 {
		return to, nil
	}
	for kind := it.Seek(after + 1); kind != chunkenc.ValNone; kind = it.Next() {
		if it.AtT() > until {
			break
		}
		if kind == chunkenc.ValFloat {
			at, value := it.At()
			to = append(to, Number{at, value})
		}
	}
	return to, it.Err()
}

// First returns the first number that is kept of each series that a selector such
// as `http_requests_total{service="shop"}` selects.
func (e *Engine) First(ctx context.Context, selector string) ([]Stored, error) {
	matchers, err := e.parser.ParseMetricSelector(selector)
	if err != nil {
		return nil, fmt.Errorf("query %q: %w: %w", selector, ErrExpression, err)
	}
	var first []Stored
	err = e.admitted(ctx, selector, func(ctx context.Context) error {
		first, err = e.first(ctx, matchers)
		return err
	})
	return first, err
}

func (e *Engine) first(ctx context.Context, matchers []*labels.Matcher) ([]Stored, error) {
	q, err := e.store.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	var all []Stored
	set := q.Select(ctx, false, nil, matchers...)
	for set.Next() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		it := set.At().Iterator(nil)
		switch it.Next() {
		case chunkenc.ValFloat:
			at, value := it.At()
			l := set.At().Labels()
			all = append(all, Stored{Name: nameOf(l), ID: labels.StableHash(l), Numbers: []Number{{at, value}}})
		case chunkenc.ValNone:
			if err := it.Err(); err != nil {
				return nil, err
			}
		}
		if len(all) > maxNames {
			return nil, errors.Join(ErrTooMuch, fmt.Errorf("it has more than %d series", maxNames))
		}
	}
	return all, set.Err()
}
