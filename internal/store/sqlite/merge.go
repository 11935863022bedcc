package sqlite

import (
	"container/heap"
	"database/sql"
	"math"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/store/query"
)

const (
	// defaultScan bounds the effort of one page, in rows of an index.
	defaultScan = 2_000_000
	// bodyEffort is how many of them it takes to read and judge a whole row.
	bodyEffort = 40
	// chunkRows is how many rows of an index are searched at once, and the
	// others how many whole rows are read at once, growing.
	firstChunk          = 1000
	chunkRows           = 50_000
	firstRows, mostRows = 32, 1024
	// lastChunkEffort is what a chunk is counted that is the last.
	lastChunkEffort = 5000
	// fewRows is how many events of a time are sorted rather than searched for
	// in the order of their durations.
	fewRows = 20_000
	// maxListed bounds the numbers that a statement lists.
	maxListed = 500
)

// merge yields the events of all files and sources in the order of a query. A
// source is not read, nor a file opened, before its turn comes.
type merge struct {
	q       *question
	filter  *query.Filter
	streams streams
	budget  int
	// cut is where the search was given up, nil when it was not.
	cut *query.Position
}

// stream is one source of one file. Its head is the next row, or the position
// before which it has none.
type stream struct {
	file   *file
	source source
	head   query.Position
	rows   []row
	plan   plan
	ready  bool
	size   int
}

func newMerge(q *question, f *query.Filter) *merge {
	m := &merge{q: q, filter: f, budget: q.store.options.scan}
	begin, began := f.Begin()
	files, sources := q.files()
	for _, file := range files {
		for _, src := range sources[file] {
			if !m.selects(&src) {
				continue
			}
			highest := src.maxEnd
			if f.Order == model.SlowestFirst {
				highest = src.maxDuration
			} else if latest := f.To + max(src.maxDuration, 0); f.To < math.MaxInt64 && latest >= f.To {
				highest = min(highest, latest-1)
			}
			head := query.Position{Key: highest, File: file.sequence, Row: math.MaxInt64}
			if began && !begin.Before(head) {
				// Of rows with the same key, those of this file may come after.
				head = begin
				if file.sequence > begin.File {
					head = query.Position{Key: begin.Key, File: file.sequence, Row: math.MinInt64}
				} else if file.sequence < begin.File {
					head = query.Position{Key: begin.Key, File: file.sequence, Row: math.MaxInt64}
				}
			}
			m.streams = append(m.streams, &stream{file: file, source: src, head: head, size: firstRows})
		}
	}
	heap.Init(&m.streams)
	return m
}

// selects says whether a source may have events of the query.
func (m *merge) selects(src *source) bool {
	f := m.filter
	return (f.Probe == "" || f.Probe == src.schema.schema.Load().Probe) &&
		(f.Service == "" || f.Service == src.service) &&
		src.maxEnd >= src.minEnd && src.maxEnd >= f.From &&
		(f.To == math.MaxInt64 || src.minEnd-max(src.maxDuration, 0) < f.To) &&
		(f.MinDuration <= 0 || src.maxDuration >= int64(f.MinDuration))
}

// next returns the next event and its position.
func (m *merge) next() (model.Record, query.Position, bool, error) {
	for len(m.streams) > 0 {
		if err := m.q.ctx.Err(); err != nil {
			return model.Record{}, query.Position{}, false, err
		}
		s := m.streams[0]
		if len(s.rows) == 0 {
			if begin, began := m.filter.Begin(); m.budget <= 0 && (!began || begin.Before(s.head)) {
				m.cut = &s.head
				break
			}
			if err := m.fill(s); err != nil {
				if err := m.q.failed(s.file, err); err != nil {
					return model.Record{}, query.Position{}, false, err
				}
				m.remove(s.file)
			}
			continue
		}
		r, at := s.rows[0], s.head
		record, ok, err := m.judge(s, &r)
		if err != nil {
			return model.Record{}, query.Position{}, false, err
		}
		s.rows = s.rows[1:]
		m.advance(s, at)
		if ok {
			return record, at, true, nil
		}
	}
	return model.Record{}, query.Position{}, false, nil
}

// advance puts s where its next row belongs, at is that of the last one.
func (m *merge) advance(s *stream, at query.Position) {
	if len(s.rows) > 0 {
		s.head = m.positionOf(s, &s.rows[0])
	} else {
		s.head = at
		if s.ready && s.plan.done {
			heap.Remove(&m.streams, 0)
			return
		}
	}
	heap.Fix(&m.streams, 0)
}

func (m *merge) positionOf(s *stream, r *row) query.Position {
	return query.Position{Key: m.filter.Key(r.end, r.duration), File: s.file.sequence, Row: r.id}
}

// remove takes the streams of a file out.
func (m *merge) remove(f *file) {
	kept := m.streams[:0]
	for _, s := range m.streams {
		if s.file != f {
			kept = append(kept, s)
		}
	}
	m.streams = kept
	heap.Init(&m.streams)
}

// judge decodes a row and says whether the query selects it.
func (m *merge) judge(s *stream, r *row) (model.Record, bool, error) {
	h := m.q.held[s.file]
	record, err := m.q.record(h, &s.source, r)
	if err != nil {
		if m.q.ctx.Err() != nil {
			return record, false, m.q.ctx.Err()
		}
		m.q.lacks("event %d of the file %s could not be read: %v", r.id, s.file.name, err)
		return record, false, nil
	}
	if len(m.filter.Where) > 0 || m.filter.Rule != "" || !m.filter.Needle.IsZero() {
		m.budget -= bodyEffort
	}
	return record, m.filter.MatchesValues(record.Event), nil
}

// fill reads the next rows of s, or searches some for them and moves its head
// behind those.
func (m *merge) fill(s *stream) error {
	h, err := m.q.open(s.file)
	if err != nil {
		return err
	}
	if h == nil {
		m.remove(s.file)
		return nil
	}
	if !s.ready {
		if s.plan, err = m.planFor(h, s); err != nil {
			return err
		}
		s.ready = true
		if s.plan.none {
			heap.Remove(&m.streams, 0)
			return nil
		}
	}
	p := &s.plan
	until := int64(math.MinInt64)
	untilRow := int64(math.MinInt64)
	if p.selective {
		until, untilRow, err = p.boundary(m.q.ctx, h, s)
		if err != nil {
			return err
		}
		if until > math.MinInt64 {
			m.budget -= p.chunk
		} else {
			m.budget -= min(p.chunk, lastChunkEffort)
		}
		p.chunk = min(4*p.chunk, m.q.store.options.chunk)
	}
	rows, err := p.read(m.q.ctx, h, s, until, untilRow)
	if err != nil {
		return err
	}
	s.rows = rows
	full := len(rows) == s.size
	s.size = min(2*s.size, mostRows)
	switch {
	case full:
	case until == math.MinInt64:
		p.done = true
	default:
		p.behind = &query.Position{Key: until, File: s.file.sequence, Row: untilRow}
	}
	if len(rows) > 0 {
		s.head = m.positionOf(s, &rows[0])
		heap.Fix(&m.streams, 0)
		return nil
	}
	if p.done {
		heap.Remove(&m.streams, 0)
		return nil
	}
	s.head = *p.behind
	heap.Fix(&m.streams, 0)
	return nil
}

// row is a row of the table of events.
type row struct {
	id, end, duration, pid int64
	weight                 float64 // of the record
	own                    uint64  // of the event, 0 for 1
	body                   []byte
}

func scanRows(rows *sql.Rows) ([]row, error) {
	defer rows.Close()
	var list []row
	for rows.Next() {
		var r row
		var weight sql.NullFloat64
		var own sql.NullInt64
		if err := rows.Scan(&r.id, &r.end, &r.duration, &r.pid, &weight, &own, &r.body); err != nil {
			return nil, err
		}
		r.own = uint64(max(own.Int64, 0))
		r.weight = 1
		if weight.Valid {
			r.weight = weight.Float64
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// streams is a heap: the one whose head comes first is first.
type streams []*stream

func (s streams) Len() int           { return len(s) }
func (s streams) Less(i, j int) bool { return s[i].head.Before(s[j].head) }
func (s streams) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }

// Push appends a stream.
func (s *streams) Push(x any) { *s = append(*s, x.(*stream)) }

// Pop removes the last stream.
func (s *streams) Pop() any {
	last := len(*s) - 1
	x := (*s)[last]
	*s = (*s)[:last]
	return x
}
