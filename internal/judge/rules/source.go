package rules

import (
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

// source is where the numbers of an objective come from.
type source interface {
	// counted reports whether it knows how many events were good and bad; else it
	// knows their share alone.
	counted() bool
	// prepare returns the rules that those of the windows need.
	prepare() []Rule
	// window returns the rules that record what happened in the last w: the
	// counts, or the share when they are not known.
	window(w time.Duration) []Rule
	// period is window for that of an objective, under its labels.
	period(w sli.Window, labels map[string]string) []Rule
	// tiles returns rules for a group of their own that is evaluated every
	// tileLength, nil for none.
	tiles() []Rule
}

// newSource finds out how the objective is counted.
func (s *sheet) newSource() source {
	indicator := &s.slo.Indicator
	if indicator.Signal != objective.SignalQuery || s.options.Counted != nil && s.options.Counted(s.slo) {
		// The agent counts slices itself: its counters are of slices.
		x := selector(counterName, "slo", s.slo.Name)
		if s.options.ResetFree && !s.anyCalendar() {
			return &direct{s, x}
		}
		if s.excludesAll() {
			s.warn("an exclusion keeps events from being counted while it lasts, and does not correct what was recorded before it was known")
		}
		return &growth{sheet: s, rules: s.ownGrowth(x)}
	}
	if len(s.slo.Exclusions) > 0 {
		s.warn("exclusions do not apply to a query: except these times in the query itself")
	}
	q := s.newQuery(&indicator.Query)
	if s.slo.Slice.Width > 0 {
		return s.newSlices(q)
	}
	return q
}

func (s *sheet) anyCalendar() bool {
	for _, w := range s.slo.Windows {
		if w.IsCalendar() {
			return true
		}
	}
	return false
}

// excludesAll reports whether there are exclusions of all events; those of some
// the agent leaves out when it counts.
func (s *sheet) excludesAll() bool { return len(s.exclusions()) > 0 }

func (s *sheet) exclusions() []objective.Exclusion {
	var all []objective.Exclusion
	for _, e := range s.slo.Exclusions {
		if e.Select.IsZero() {
			all = append(all, e)
		}
	}
	return all
}
