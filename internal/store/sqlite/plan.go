package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/store/query"
)

// plan is how a stream is read: by which index, and what the index can filter.
type plan struct {
	index     string
	key       string // the column of the order
	bound     string // where in the index
	boundArgs []any
	where     string // what of it
	args      []any
	selective bool // so much may be filtered out that the search goes by chunks
	chunk     int  // how many rows of the index that are, growing
	none      bool // nothing matches
	sorted    bool // the index has another order
	done      bool
	behind    *query.Position // what was searched, when that is more than the rows
}

// planFor chooses the index and the filters.
func (m *merge) planFor(h *handle, s *stream) (plan, error) {
	f := m.filter
	p := plan{index: "events_newest", key: `"end"`, chunk: min(firstChunk, m.q.store.options.chunk)}
	add := func(text string, args ...any) {
		p.where += " AND " + text
		p.args = append(p.args, args...)
		p.selective = true
	}
	if f.Failed || f.Findings || f.Rule != "" {
		p.index = "events_marked"
		p.bound = " AND flags & 3 <> 0"
	}
	if f.Failed {
		add(fmt.Sprintf("flags & %d <> 0", flagFailed))
	}
	if f.Findings || f.Rule != "" {
		add(fmt.Sprintf("flags & %d <> 0", flagFindings))
	}
	if f.PID != 0 {
		add("pid = ?", int64(f.PID))
	}
	if f.MinDuration > 0 && f.Order == model.SlowestFirst {
		p.bound += " AND duration >= ?"
		p.boundArgs = append(p.boundArgs, int64(f.MinDuration))
	} else if f.MinDuration > 0 {
		add("duration >= ?", int64(f.MinDuration))
	}
	if f.To < math.MaxInt64 && s.source.maxEnd >= f.To {
		add(`"end" - max(duration, 0) < ?`, f.To)
	}
	if possible, err := m.addValues(h, s, add); err != nil || !possible {
		p.none = true
		return p, err
	}
	if f.Order == model.SlowestFirst {
		return p, m.slowest(h, s, &p)
	}
	if f.From > s.source.minEnd {
		// A bound of the index: nothing is searched for it.
		p.bound += ` AND "end" >= ?`
		p.boundArgs = append(p.boundArgs, f.From)
	}
	return p, nil
}

// slowest turns p into a plan for the order of durations. Where the time, or
// what failed or has findings, are few events, they are sorted.
func (m *merge) slowest(h *handle, s *stream, p *plan) error {
	f := m.filter
	p.key = "duration"
	if f.From > s.source.minEnd {
		p.where += ` AND "end" >= ?`
		p.args = append(p.args, f.From)
	} else if p.index != "events_marked" {
		p.index = "events_slowest"
		return nil
	}
	marked := ""
	if p.index == "events_marked" {
		marked = " AND flags & 3 <> 0"
	}
	var n int
	err := h.db.QueryRowContext(m.q.ctx, fmt.Sprintf(`SELECT count(*) FROM (SELECT 1 FROM events INDEXED BY %s WHERE source = ? AND "end" >= ?%s LIMIT ?)`, p.index, marked),
		s.source.id, f.From, m.q.store.options.few).Scan(&n)
	p.selective, p.sorted = false, true
	if n == m.q.store.options.few {
		p.index, p.selective, p.sorted = "events_slowest", true, false
	}
	return err
}

// addValues adds what the index can tell of Where: the values of groups, and
// how it ended. What it lets through is judged by the whole row.
// It returns whether the source can have such events at all.
func (m *merge) addValues(h *handle, s *stream, add func(string, ...any)) (possible bool, err error) {
	if len(m.filter.Where) == 0 {
		return true, nil
	}
	schema := s.source.schema.schema.Load()
	dict, err := h.refresh(m.q.ctx, h.dict.Load())
	if err != nil {
		return false, err
	}
	for _, match := range m.filter.Where {
		i := schema.Index(match.Key)
		if i < 0 {
			return false, nil
		}
		field := &schema.Fields[i]
		if at := indexOf(schema.Groups, match.Key); at >= 0 && field.Kind != model.KindStrings {
			var ids []string
			if len(dict.groups) >= maxFileGroups {
				ids = append(ids, "0")
			}
			for id, texts := range dict.groups {
				if at < len(texts) && query.EqualText(model.KindString, model.StringValue(texts[at]), match.Value) {
					ids = append(ids, fmt.Sprint(id+1))
				}
			}
			if len(ids) == 0 {
				return false, nil
			}
			if len(ids) <= maxListed {
				add("grp IN (" + strings.Join(ids, ",") + ")")
			}
		}
		if isOutcome(schema, i) {
			ids := []string{"0"}
			for id, text := range dict.texts {
				if query.EqualText(model.KindString, model.StringValue(text), match.Value) {
					ids = append(ids, fmt.Sprint(id+1))
				}
			}
			if len(ids) <= maxListed {
				add(fmt.Sprintf("flags >> %d IN (%s)", outcomeShift, strings.Join(ids, ",")))
			}
		}
	}
	return true, nil
}

func indexOf(list []string, want string) int {
	for i, s := range list {
		if s == want {
			return i
		}
	}
	return -1
}

// isOutcome says whether flags tell the text of the field at i.
func isOutcome(schema *model.Schema, i int) bool {
	for j := range schema.Fields {
		if f := &schema.Fields[j]; f.Outcome && f.Kind == model.KindString {
			return j == i
		}
	}
	return false
}

// after returns the position behind which the next rows are.
func (p *plan) after(s *stream) query.Position {
	if p.behind != nil {
		return *p.behind
	}
	return s.head
}

// boundary returns the row up to which the next chunk reaches; the lowest
// numbers when it has all the rest.
func (p *plan) boundary(ctx context.Context, h *handle, s *stream) (key, id int64, err error) {
	at := p.after(s)
	args := append([]any{s.source.id, at.Key, at.Row}, p.boundArgs...)
	err = h.db.QueryRowContext(ctx, fmt.Sprintf(`SELECT %[1]s, id FROM events INDEXED BY %[2]s
		WHERE source = ? AND (%[1]s, id) < (?, ?)%[3]s
		ORDER BY %[1]s DESC, id DESC LIMIT 1 OFFSET %[4]d`, p.key, p.index, p.bound, p.chunk-1), args...).Scan(&key, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return math.MinInt64, math.MinInt64, nil
	}
	return key, id, err
}

// read returns the next rows, no further than the boundary.
func (p *plan) read(ctx context.Context, h *handle, s *stream, until, untilRow int64) ([]row, error) {
	at := p.after(s)
	p.behind = nil
	args := append([]any{s.source.id, at.Key, at.Row}, p.boundArgs...)
	args = append(args, p.args...)
	last := ""
	if until > math.MinInt64 {
		last = fmt.Sprintf(" AND (%s, id) >= (?, ?)", p.key)
		args = append(args, until, untilRow)
	}
	where := fmt.Sprintf(`FROM events INDEXED BY %[2]s WHERE source = ? AND (%[1]s, id) < (?, ?)%[3]s%[4]s%[5]s ORDER BY %[1]s DESC, id DESC LIMIT %[6]d`,
		p.key, p.index, p.bound, p.where, last, s.size)
	text := `SELECT id, "end", duration, pid, weight, event_weight, body ` + where
	if p.sorted {
		// Only the ids, or the bodies would be sorted with them.
		text = fmt.Sprintf(`SELECT e.id, e."end", e.duration, e.pid, e.weight, e.event_weight, e.body FROM (SELECT id AS found %s) CROSS JOIN events e ON e.id = found ORDER BY e.%s DESC, e.id DESC`, where, p.key)
	}
	rows, err := h.db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	return scanRows(rows)
}
