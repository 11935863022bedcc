package storetest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// naive answers from a slice of events that ended and of tallies. It shares no
// code with the stores.
type naive []*model.Event

func (n naive) events(q model.Query) []*model.Event {
	var found []*model.Event
	for _, e := range n {
		if e.Tally == nil && selects(q, e) {
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(a, b *model.Event) int {
		if q.Order == model.SlowestFirst {
			return cmp.Compare(max(b.Duration, -1), max(a.Duration, -1))
		}
		return b.End().Compare(a.End())
	})
	return found
}

func selects(q model.Query, e *model.Event) bool {
	switch {
	case q.Probe != "" && q.Probe != e.Schema.Probe,
		q.Service != "" && q.Service != e.Service,
		q.PID != 0 && q.PID != e.PID,
		q.Failed && !e.Failure().IsSet(),
		q.Findings && len(e.Findings) == 0,
		q.MinDuration > 0 && e.Duration < q.MinDuration,
		!q.From.IsZero() && e.End().Before(q.From),
		!q.To.IsZero() && !e.Time.Before(q.To):
		return false
	}
	rule := q.Rule == ""
	texts := []string{e.Service}
	for _, f := range e.Findings {
		rule = rule || f.Rule == q.Rule
		texts = append(texts, f.Rule, f.Evidence)
	}
	for _, f := range e.Stack {
		texts = append(texts, f.Func)
	}
	for i, field := range e.Schema.Fields {
		if field.Kind == model.KindString || field.Kind == model.KindStrings {
			texts = append(texts, textsOf(field.Kind, e.Values[i])...)
		}
	}
	for _, m := range q.Where {
		i := e.Schema.Index(m.Key)
		if i < 0 || !slices.Contains(textsOf(e.Schema.Fields[i].Kind, e.Values[i]), m.Value) {
			return false
		}
	}
	return rule && slices.ContainsFunc(texts, func(s string) bool {
		return strings.Contains(strings.ToLower(s), strings.ToLower(q.Text))
	})
}

// textsOf returns the texts of a value as JSON has them.
func textsOf(kind model.Kind, v model.Value) []string {
	if !v.IsSet() {
		return nil
	}
	switch kind {
	case model.KindString:
		return []string{strings.ToValidUTF8(v.Str(), "\uFFFD")}
	case model.KindStrings:
		var list []string
		for s := range v.Strings() {
			list = append(list, strings.ToValidUTF8(s, "\uFFFD"))
		}
		return list
	case model.KindBool:
		return []string{strconv.FormatBool(v.Bool())}
	case model.KindTime:
		return []string{v.Time().Format("2006-01-02T15:04:05.000000000Z")}
	}
	return []string{strconv.FormatInt(v.Int(), 10)}
}

// rollups sums up the events with a map per step.
func (n naive) rollups(q model.RollupQuery) map[string]*model.Rollup {
	const step = model.RollupStep
	from, to := q.From.Truncate(step), q.To.Truncate(step)
	if to.Before(q.To) {
		to = to.Add(step)
	}
	found := map[string]*model.Rollup{}
	first := time.Time{}
	for _, e := range n {
		at := e.End().Truncate(step)
		if e.Tally != nil {
			at = e.Time.Add(e.Duration / 2).Truncate(step)
		} else if e.Schema.Tallied && len(e.Findings) == 0 {
			continue
		}
		if q.Probe != "" && q.Probe != e.Schema.Probe || q.Service != "" && q.Service != e.Service ||
			!q.From.IsZero() && at.Before(from) || !q.To.IsZero() && !at.Before(to) {
			continue
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if q.Step > 0 {
			at = time.Unix(0, at.UnixNano()/int64(q.Step)*int64(q.Step)).UTC()
		} else if at = from; q.From.IsZero() {
			at = time.Time{}
		}
		r := &model.Rollup{Time: at, Probe: e.Schema.Probe, Service: e.Service}
		if q.By == model.ByGroup {
			r.Group = []string{}
			for _, key := range e.Schema.Groups {
				text := ""
				if i := e.Schema.Index(key); i >= 0 && e.Values[i].IsSet() {
					text = strings.Join(rawTexts(e.Schema.Fields[i].Kind, e.Values[i]), " ")
				}
				r.Group = append(r.Group, text)
			}
		}
		key := rollupName(r)
		if found[key] == nil {
			found[key] = r
		}
		count(found[key], e)
	}
	if q.Step > 0 || !q.From.IsZero() {
		return found
	}
	named := map[string]*model.Rollup{}
	for _, r := range found {
		r.Time = first
		named[rollupName(r)] = r
	}
	return named
}

// count adds an event to a rollup, or a tally, one duration after the other.
func count(r *model.Rollup, e *model.Event) {
	if len(e.Findings) > 0 {
		r.Findings++
	}
	times := uint64(1)
	switch {
	case e.Tally != nil:
		times = e.Tally.Count
		e.Tally.Durations.Each(func(d time.Duration, n uint64) {
			for range n {
				r.Durations.Add(d)
			}
		})
	case e.Schema.Tallied:
		return
	case e.Duration >= 0:
		r.Durations.Add(e.Duration)
	}
	r.Count += times
	if e.Failure().IsSet() {
		r.Failed += times
	}
}

// rawTexts returns the texts of a value, bytes that are not UTF-8 unchanged.
func rawTexts(kind model.Kind, v model.Value) []string {
	switch kind {
	case model.KindString:
		return []string{v.Str()}
	case model.KindStrings:
		return slices.Collect(v.Strings())
	}
	return textsOf(kind, v)
}

func rollupName(r *model.Rollup) string {
	return strings.Join(append([]string{r.Time.UTC().String(), r.Probe, r.Service}, r.Group...), "\x00")
}
