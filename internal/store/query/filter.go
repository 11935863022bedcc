package query

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// DefaultLimit is the length of a page for which no limit is given.
const DefaultLimit = 100

// Filter is a query, prepared. It is immutable and safe for concurrent use.
type Filter struct {
	// Query is the query, with a limit.
	model.Query
	// From and To bound the times in nanoseconds since the Unix epoch: events
	// end at From or later and begin before To.
	From, To int64
	// Needle is Text, prepared.
	Needle Needle
	// begin is where the page begins, nil at the first.
	begin *Position
	print uint32
}

// New checks q and prepares it.
func New(q model.Query) (*Filter, error) {
	if q.Order > model.SlowestFirst {
		return nil, fmt.Errorf("query order %d: is not known", q.Order)
	}
	if q.Limit < 0 {
		return nil, fmt.Errorf("query limit %d: is negative", q.Limit)
	}
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	f := &Filter{Query: q, From: Nanoseconds(q.From, math.MinInt64), To: Nanoseconds(q.To, math.MaxInt64), Needle: NewNeedle(q.Text), print: fingerprint(q)}
	if q.After != "" {
		p, err := parseCursor(q.After, f.print)
		if err != nil {
			return nil, fmt.Errorf("cursor %q: %w", q.After, err)
		}
		f.begin = &p
	}
	return f, nil
}

// Nanoseconds returns t since the Unix epoch, none for the zero time, and the
// nearest number for a time that has none.
func Nanoseconds(t time.Time, none int64) int64 {
	switch {
	case t.IsZero():
		return none
	case t.Year() < 1678:
		return math.MinInt64
	case t.Year() > 2261:
		return math.MaxInt64
	}
	return t.UnixNano()
}

// Matches says whether the query selects e, wherever the page begins.
func (f *Filter) Matches(e *model.Event) bool {
	return (f.Probe == "" || f.Probe == e.Schema.Probe) &&
		(f.Service == "" || f.Service == e.Service) &&
		(f.PID == 0 || f.PID == e.PID) &&
		(f.MinDuration <= 0 || e.Duration >= f.MinDuration) &&
		(!f.Failed || e.Failure().IsSet()) &&
		(!f.Findings || len(e.Findings) > 0) &&
		f.inTime(e) && f.MatchesValues(e)
}

func (f *Filter) inTime(e *model.Event) bool {
	start := e.Time.UnixNano()
	return start < f.To && start+int64(max(e.Duration, 0)) >= f.From
}

func (f *Filter) hasRule(e *model.Event) bool {
	return f.Rule == "" || slices.ContainsFunc(e.Findings, func(x model.Finding) bool { return x.Rule == f.Rule })
}

// MatchesValues says whether e has what Where, Text and Rule ask for.
func (f *Filter) MatchesValues(e *model.Event) bool {
	for _, m := range f.Where {
		i := e.Schema.Index(m.Key)
		if i < 0 || !EqualText(e.Schema.Fields[i].Kind, e.Values[i], m.Value) {
			return false
		}
	}
	return f.hasRule(e) && (f.Needle.IsZero() || f.hasText(e))
}

// hasText looks into the texts of the fields, the service, the functions of
// the stack, and the rules and evidence of the findings.
func (f *Filter) hasText(e *model.Event) bool {
	if f.Needle.In(e.Service) {
		return true
	}
	for i := range e.Values {
		if e.Values[i].IsSet() && f.inValue(e.Schema.Fields[i].Kind, e.Values[i]) {
			return true
		}
	}
	return slices.ContainsFunc(e.Stack, func(x model.Frame) bool { return f.Needle.In(x.Func) }) ||
		slices.ContainsFunc(e.Findings, func(x model.Finding) bool { return f.Needle.In(x.Rule) || f.Needle.In(x.Evidence) })
}

func (f *Filter) inValue(kind model.Kind, v model.Value) bool {
	switch kind {
	case model.KindString:
		return f.Needle.In(v.Str())
	case model.KindStrings:
		// No text of a list has a NUL, so they can be searched as one.
		return !strings.Contains(f.Needle.lower, "\x00") && f.Needle.In(v.Str())
	}
	return false
}

// Key returns what the order goes by, the highest first: the event's end, or
// its duration.
func (f *Filter) Key(end, duration int64) int64 {
	if f.Order == model.SlowestFirst {
		return max(duration, -1)
	}
	return end
}

// Begin returns the position after which the page begins, and whether there is
// one.
func (f *Filter) Begin() (Position, bool) {
	if f.begin == nil {
		return Position{}, false
	}
	return *f.begin, true
}
