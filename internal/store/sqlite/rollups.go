package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/store/keep"
)

// Rollups sums up events, those that were not kept too.
func (s *Store) Rollups(ctx context.Context, rq model.RollupQuery) (model.Rollups, error) {
	answer, err := keep.NewAnswer(rq)
	if err != nil {
		return model.Rollups{}, err
	}
	q, err := s.ask(ctx)
	if err != nil {
		return model.Rollups{}, err
	}
	defer q.end()
	files, sources := q.files()
	for _, f := range files {
		if err := q.rollupsOf(f, sources[f], rq, answer); err != nil {
			if err := q.failed(f, err); err != nil {
				return model.Rollups{}, err
			}
		}
	}
	return model.Rollups{Items: answer.Items(), Incomplete: q.incomplete}, ctx.Err()
}

// part is a range of steps of one span.
type part struct {
	span     int
	from, to int64
}

// partsOf divides a time into the longest spans that fit: into their steps in
// the middle and shorter ones at the ends. step is what the spans used must
// divide, 0 when all may be used.
func partsOf(from, to, step int64) []part {
	all := spans()
	longest := len(all) - 1
	for step%all[longest] != 0 {
		longest--
	}
	return divide(nil, from, to, longest)
}

func divide(parts []part, from, to int64, span int) []part {
	if from >= to {
		return parts
	}
	length := spans()[span]
	begin, end := from, to
	if from != math.MinInt64 {
		begin = -keep.Floor(-from, length)
	}
	if to != math.MaxInt64 {
		end = keep.Floor(to, length)
	}
	if begin >= end {
		return divide(parts, from, to, span-1)
	}
	parts = append(parts, part{span, begin, end})
	if span > 0 {
		parts = divide(parts, from, begin, span-1)
		parts = divide(parts, end, to, span-1)
	}
	return parts
}

func (q *question) rollupsOf(f *file, sources []source, rq model.RollupQuery, a *keep.Answer) error {
	h, err := q.open(f)
	if h == nil || err != nil {
		return err
	}
	var wanted []string
	for _, src := range sources {
		if a.Wants(src.schema.schema.Load().Probe, src.service) {
			wanted = append(wanted, fmt.Sprint(src.id))
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	only := ""
	if len(wanted) < len(sources) && len(wanted) <= maxListed {
		only = " AND source IN (" + strings.Join(wanted, ",") + ")"
	}
	if rq.Step == 0 && rq.From.IsZero() {
		// The answer begins with the first step, which a long one hides.
		var first sql.NullInt64
		err := h.db.QueryRowContext(q.ctx, "SELECT min(step) FROM rollups WHERE span = 0 AND step < ?"+only, a.To).Scan(&first)
		if err != nil {
			return err
		}
		if first.Valid {
			a.BeginsBy(first.Int64)
		}
	}
	for _, p := range partsOf(a.From, a.To, int64(rq.Step)) {
		if err := q.readSums(h, sources, p, only, a); err != nil {
			return err
		}
	}
	return nil
}

func (q *question) readSums(h *handle, sources []source, p part, only string, a *keep.Answer) error {
	dict := h.dict.Load()
	rows, err := h.db.QueryContext(q.ctx, "SELECT step, source, grp, count, failed, findings, durations FROM rollups WHERE span = ? AND step >= ? AND step < ?"+only, p.span, p.from, p.to)
	if err != nil {
		return err
	}
	defer rows.Close()
	var raw []byte
	for rows.Next() {
		var r model.Rollup
		var step, source, group int64
		if err := rows.Scan(&step, &source, &group, &r.Count, &r.Failed, &r.Findings, &raw); err != nil {
			return err
		}
		if err := r.Durations.UnmarshalBinary(raw); err != nil {
			return err
		}
		if source < 1 || source > int64(len(sources)) {
			continue // it came after the question
		}
		r.Probe, r.Service = sources[source-1].schema.schema.Load().Probe, sources[source-1].service
		if a.Groups() {
			if group > int64(len(dict.groups)) {
				if dict, err = h.refresh(q.ctx, dict); err != nil {
					return err
				}
			}
			if group < 1 || group > int64(len(dict.groups)) {
				return errUnknown
			}
			r.Group = dict.groups[group-1]
		}
		a.Add(step, &r)
	}
	return rows.Err()
}
