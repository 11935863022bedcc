package evaluate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

// Growths tells by how much the counters of objectives grew. It is what was kept
// of the [Reading]s.
type Growths interface {
	// Growth returns by how much the counters of an objective grew after from and
	// until to. What was before they were first read is no growth.
	Growth(ctx context.Context, name string, from, to time.Time) (sli.Counts, error)
}

// Evaluate returns how an objective stands at now. Times that are excluded for
// all events do not count, whenever that was said.
func Evaluate(ctx context.Context, now time.Time, slo *objective.SLO, kept Growths) State {
	state := State{SLO: slo}
	source := &source{ctx: ctx, name: slo.Name, kept: kept, excluded: excludedSpans(slo.Exclusions)}
	for _, o := range slo.Objectives() {
		status, err := o.Evaluate(now, source)
		if err != nil {
			state.Err = errors.Join(state.Err, fmt.Errorf("evaluate %s over %s: %w", slo.Name, o.Window, err))
			continue
		}
		state.Statuses = append(state.Statuses, status)
	}
	if state.Err != nil {
		state.Statuses = nil
	}
	return state
}

// source is what package sli asks for the events of a window.
type source struct {
	ctx      context.Context
	name     string
	kept     Growths
	excluded []sli.Span
}

// Over returns the events of a window less those of the spans that are excluded.
func (s *source) Over(now time.Time, w sli.Window) (sli.Counts, error) {
	span := w.Span(now)
	counts, err := s.kept.Growth(s.ctx, s.name, span.From, span.To)
	if err != nil {
		return sli.Counts{}, err
	}
	for _, x := range s.excluded {
		from, to := slices.MaxFunc([]time.Time{x.From, span.From}, time.Time.Compare), slices.MinFunc([]time.Time{x.To, span.To}, time.Time.Compare)
		if !from.Before(to) {
			continue
		}
		not, err := s.kept.Growth(s.ctx, s.name, from, to)
		if err != nil {
			return sli.Counts{}, err
		}
		counts = sli.Counts{Good: counts.Good - min(not.Good, counts.Good), Bad: counts.Bad - min(not.Bad, counts.Bad)}
	}
	return counts, nil
}

// excludedSpans returns the spans that are excluded for all events, in order and
// without overlap.
func excludedSpans(list []objective.Exclusion) []sli.Span {
	var spans []sli.Span
	for _, x := range list {
		if x.Select.IsZero() && x.From.Before(x.To) {
			spans = append(spans, sli.Span{From: x.From, To: x.To})
		}
	}
	slices.SortFunc(spans, func(a, b sli.Span) int { return a.From.Compare(b.From) })
	merged := spans[:0]
	for _, s := range spans {
		if n := len(merged); n > 0 && !s.From.After(merged[n-1].To) {
			merged[n-1].To = slices.MaxFunc([]time.Time{merged[n-1].To, s.To}, time.Time.Compare)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}
