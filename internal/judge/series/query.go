package series

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// Errors of queries; they are wrapped.
var (
	// ErrExpression says that an expression or selector cannot be understood, or
	// has a result of the wrong kind.
	ErrExpression = errors.New("bad expression")
	// ErrTooMuch says that a query needs more samples, points or series than it
	// may have.
	ErrTooMuch = errors.New("the query needs too much")
	// ErrTimeout says that a query ran or waited too long.
	ErrTimeout = errors.New("the query took too long")
	// ErrBusy says that no query could be begun in time: too many run.
	ErrBusy = errors.New("too many queries")
)

const (
	// maxPoints bounds the points of a series in a [Matrix].
	maxPoints = 11_000
	// maxNames bounds what [Engine.Series] returns.
	maxNames = 50_000
)

// Vector is the result of a query: all of one time, in no order but what the
// query says.
type Vector []Sample

// Point is what a series was at a time: a number, or a histogram.
type Point struct {
	At        time.Time
	Value     float64
	Histogram *Histogram
}

// Row is a series with its points, in the order of time.
type Row struct {
	Name
	Points []Point
}

// Matrix is the result of a query over a range of time.
type Matrix []Row

// Query evaluates a PromQL expression at a time. A number is a vector with one
// sample that has no name.
func (e *Engine) Query(ctx context.Context, expr string, at time.Time) (Vector, error) {
	var vector Vector
	err := e.admitted(ctx, expr, func(ctx context.Context) error {
		result, err := e.instant(ctx, expr, at)
		if err != nil {
			return err
		}
		vector = vectorOf(result)
		return nil
	})
	return vector, err
}

// Range evaluates a PromQL expression at from and then each step until to, both
// included.
func (e *Engine) Range(ctx context.Context, expr string, from, to time.Time, step time.Duration) (Matrix, error) {
	switch {
	case step < time.Millisecond:
		return nil, fmt.Errorf("query %q: %w: a step of %v is shorter than 1ms", expr, ErrExpression, step)
	case to.Before(from):
		return nil, fmt.Errorf("query %q: %w: its range ends before it begins", expr, ErrExpression)
	case to.Sub(from)/step >= maxPoints:
		return nil, fmt.Errorf("query %q: %w: %d points of each series, %d at most; take a longer step", expr, ErrTooMuch, to.Sub(from)/step+1, maxPoints)
	}
	var matrix Matrix
	err := e.admitted(ctx, expr, func(ctx context.Context) error {
		q, err := e.promql.NewRangeQuery(ctx, e.store, nil, expr, from, to, step)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrExpression, err)
		}
		defer q.Close()
		result := q.Exec(ctx)
		if result.Err != nil {
			return result.Err
		}
		rows, err := result.Matrix()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrExpression, err)
		}
		matrix = matrixOf(rows)
		return nil
	})
	return matrix, err
}

// Series returns the names of series that have samples in a range of time and
// that a selector such as `http_requests_total{service="shop"}` selects.
func (e *Engine) Series(ctx context.Context, selector string, from, to time.Time) ([]Name, error) {
	matchers, err := e.parser.ParseMetricSelector(selector)
	if err != nil {
		return nil, fmt.Errorf("query %q: %w: %w", selector, ErrExpression, err)
	}
	var names []Name
	err = e.admitted(ctx, selector, func(ctx context.Context) error {
		names, err = e.names(ctx, matchers, from, to)
		return err
	})
	return names, err
}

func (e *Engine) names(ctx context.Context, matchers []*labels.Matcher, from, to time.Time) ([]Name, error) {
	q, err := e.store.Querier(from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return nil, err
	}
	defer q.Close()
	var names []Name
	for set := q.Select(ctx, true, nil, matchers...); ; {
		if !set.Next() {
			return names, set.Err()
		}
		if len(names) == maxNames {
			return nil, fmt.Errorf("%w: it has more than %d series", ErrTooMuch, maxNames)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		names = append(names, nameOf(set.At().Labels()))
	}
}

// admitted runs a query when it is its turn, again if blocks turned out to be
// damaged, and names its errors.
func (e *Engine) admitted(ctx context.Context, expr string, run func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, e.opts.QueryTimeout)
	defer cancel()
	select {
	case e.turns <- struct{}{}:
	case <-limited.Done():
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("query %q: %w", expr, err)
		}
		return fmt.Errorf("query %q: %w: %d run, and none ended in %v", expr, ErrBusy, e.opts.MaxQueries, e.opts.QueryTimeout)
	}
	defer func() { <-e.turns }()
	err := run(limited)
	if e.store.scrub(err) {
		err = run(limited)
	}
	if err != nil {
		return fmt.Errorf("query %q: %w", expr, e.named(ctx, err))
	}
	return nil
}

// named turns the library's errors into ours.
func (e *Engine) named(ctx context.Context, err error) error {
	var tooMany promql.ErrTooManySamples
	var timeout promql.ErrQueryTimeout
	var cancelled promql.ErrQueryCanceled
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &tooMany):
		return fmt.Errorf("%w: more than %d samples at a time", ErrTooMuch, e.opts.MaxSamples)
	case errors.As(err, &timeout), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: more than %v", ErrTimeout, e.opts.QueryTimeout)
	case errors.As(err, &cancelled):
		return context.Canceled
	}
	return err
}

// instant evaluates an expression. What it returns is the caller's.
func (e *Engine) instant(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	q, err := e.promql.NewInstantQuery(ctx, e.store, nil, expr, at)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrExpression, err)
	}
	defer q.Close()
	result := q.Exec(ctx)
	if result.Err != nil {
		return nil, result.Err
	}
	switch value := result.Value.(type) {
	case promql.Vector:
		return value, nil
	case promql.Scalar:
		return promql.Vector{{T: value.T, F: value.V}}, nil
	}
	return nil, fmt.Errorf("%w: its result is a %s, not a vector or a number", ErrExpression, result.Value.Type())
}

func vectorOf(in promql.Vector) Vector {
	out := make(Vector, len(in))
	for i, s := range in {
		name := nameOf(s.Metric)
		out[i] = Sample{Metric: name.Metric, Labels: name.Labels, Value: s.F}
		if s.H != nil {
			out[i].Histogram = histogramOf(s.H)
		}
	}
	return out
}

func matrixOf(in promql.Matrix) Matrix {
	out := make(Matrix, len(in))
	for i, series := range in {
		points := make([]Point, 0, len(series.Floats)+len(series.Histograms))
		floats, histograms := series.Floats, series.Histograms
		for len(floats)+len(histograms) > 0 {
			if len(histograms) == 0 || len(floats) > 0 && floats[0].T < histograms[0].T {
				points = append(points, Point{At: time.UnixMilli(floats[0].T).UTC(), Value: floats[0].F})
				floats = floats[1:]
				continue
			}
			points = append(points, Point{At: time.UnixMilli(histograms[0].T).UTC(), Histogram: histogramOf(histograms[0].H)})
			histograms = histograms[1:]
		}
		out[i] = Row{nameOf(series.Metric), points}
	}
	return out
}
