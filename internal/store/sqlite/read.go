package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/store/query"
)

// maxHandles bounds the files that stay open for reading.
const maxHandles = 12

var errClosed = errors.New("the store is closed")

// question is one that is being answered: it holds the files that it reads.
type question struct {
	store      *Store
	ctx        context.Context
	held       map[*file]*handle
	incomplete []string
}

// ask begins a question, after what was added is committed.
func (s *Store) ask(ctx context.Context) (*question, error) {
	if err := s.flush(ctx); err != nil {
		return nil, err
	}
	q := &question{store: s, ctx: ctx, held: make(map[*file]*handle)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending.sample == nil {
		return nil, errClosed
	}
	if s.stats.Error != "" && s.stats.Waiting > 0 {
		q.lacks("%d events wait to be written: %s", s.stats.Waiting, s.stats.Error)
	}
	for _, name := range s.stats.Unreadable {
		q.lacks("the file %s cannot be read", name)
	}
	return q, nil
}

func (q *question) lacks(format string, args ...any) {
	q.incomplete = append(q.incomplete, fmt.Sprintf(format, args...))
}

// files returns the files there are, the newest first, with their sources.
func (q *question) files() ([]*file, map[*file][]source) {
	q.store.mu.Lock()
	defer q.store.mu.Unlock()
	files := slices.Clone(q.store.files)
	slices.Reverse(files)
	sources := make(map[*file][]source, len(files))
	for _, f := range files {
		sources[f] = f.sources
	}
	return files, sources
}

// open returns f for reading, until the question ends; nil when it is gone.
func (q *question) open(f *file) (*handle, error) {
	if h := q.held[f]; h != nil {
		return h, nil
	}
	s := q.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for f.blocked {
		s.changed.Wait()
	}
	if f.dead {
		return nil, nil
	}
	if f.handle == nil {
		h, err := openToRead(f.path)
		if err != nil {
			return nil, err
		}
		f.handle = h
	}
	f.refs++
	s.reads++
	f.used = s.reads
	q.held[f] = f.handle
	return f.handle, nil
}

// end gives the files free.
func (q *question) end() {
	s := q.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range q.held {
		if f.refs--; f.refs == 0 && f.dead {
			_ = f.closeHandle()
		}
	}
	var idle []*file
	opened := 0
	for _, f := range s.files {
		if f.handle != nil {
			if opened++; f.refs == 0 {
				idle = append(idle, f)
			}
		}
	}
	slices.SortFunc(idle, func(a, b *file) int { return cmp.Compare(a.used, b.used) })
	for _, f := range idle {
		if opened > maxHandles {
			_ = f.closeHandle()
			opened--
		}
	}
	s.changed.Broadcast()
}

// failed deals with a file that could not be read: one that is gone was
// removed for its age and lacks nothing. Only a question that has no time left
// is an error.
func (q *question) failed(f *file, err error) error {
	if q.ctx.Err() != nil {
		return q.ctx.Err()
	}
	q.store.mu.Lock()
	dead := f.dead
	q.store.mu.Unlock()
	if _, missing := os.Stat(f.path); dead && errors.Is(missing, os.ErrNotExist) {
		return nil
	}
	if isCorrupt(err) {
		q.lacks("the file %s is corrupt and was set aside: %v", f.name, err)
		q.store.setAside(f, err)
		return nil
	}
	q.lacks("the file %s could not be read: %v", f.name, err)
	q.store.logger.Warn("a data file could not be read", "file", f.path, "cause", err)
	return nil
}

// Events returns a page of the events that q selects.
func (s *Store) Events(ctx context.Context, mq model.Query) (model.Page, error) {
	f, err := query.New(mq)
	if err != nil {
		return model.Page{}, err
	}
	q, err := s.ask(ctx)
	if err != nil {
		return model.Page{}, err
	}
	defer q.end()
	m := newMerge(q, f)
	page := model.Page{}
	var last query.Position
	for len(page.Records) <= f.Limit {
		r, at, ok, err := m.next()
		if err != nil {
			return model.Page{}, err
		}
		if !ok {
			break
		}
		if len(page.Records) == f.Limit {
			page.Next = f.Cursor(last)
			break
		}
		page.Records, last = append(page.Records, r), at
	}
	if m.cut != nil && page.Next == "" {
		page.Next = f.Cursor(*m.cut)
		q.lacks("the search was cut off at %s; the next page goes on from there", f.Place(*m.cut))
	}
	page.Incomplete = q.incomplete
	return page, nil
}

// Event returns the event with this id.
func (s *Store) Event(ctx context.Context, id model.EventID) (model.Record, bool, error) {
	q, err := s.ask(ctx)
	if err != nil {
		return model.Record{}, false, err
	}
	defer q.end()
	files, sources := q.files()
	for _, f := range files {
		for _, src := range sources[f] {
			if src.schema.schema.Load().Probe != id.Probe || id.End < src.minEnd || id.End > src.maxEnd {
				continue
			}
			r, ok, err := q.eventOf(f, src, id)
			if err == nil && ok {
				return r, true, nil
			}
			if err != nil {
				if err := q.failed(f, err); err != nil {
					return model.Record{}, false, err
				}
			}
		}
	}
	return model.Record{}, false, ctx.Err()
}

func (q *question) eventOf(f *file, src source, id model.EventID) (model.Record, bool, error) {
	h, err := q.open(f)
	if h == nil || err != nil {
		return model.Record{}, false, err
	}
	rows, err := h.db.QueryContext(q.ctx, `SELECT id, "end", duration, pid, weight, event_weight, body FROM events INDEXED BY events_newest
		WHERE source = ? AND "end" = ? AND max(duration, 0) = ? AND pid = ? ORDER BY id DESC LIMIT 1`,
		src.id, id.End, id.End-id.Start, int64(id.PID))
	if err != nil {
		return model.Record{}, false, err
	}
	found, err := scanRows(rows)
	if err != nil || len(found) == 0 {
		return model.Record{}, false, err
	}
	r, err := q.record(h, &src, &found[0])
	return r, err == nil, err
}

// record decodes a row.
func (q *question) record(h *handle, src *source, r *row) (model.Record, error) {
	dict := h.dict.Load()
	for {
		e := new(model.Event)
		e.Reset(src.schema.schema.Load())
		e.Duration = time.Duration(r.duration)
		e.Time = time.Unix(0, r.end-max(r.duration, 0)).UTC()
		e.PID, e.Service, e.Weight = int32(r.pid), src.service, r.own
		d := decoder{rest: r.body, dict: dict}
		err := d.body(e)
		if err == nil {
			return model.Record{Event: e, Weight: r.weight}, nil
		}
		if !errors.Is(err, errUnknown) {
			return model.Record{}, err
		}
		fresh, err := h.refresh(q.ctx, dict)
		if err != nil {
			return model.Record{}, err
		}
		if len(fresh.texts) == len(dict.texts) && len(fresh.stacks) == len(dict.stacks) {
			return model.Record{}, errUnknown
		}
		dict = fresh
	}
}
