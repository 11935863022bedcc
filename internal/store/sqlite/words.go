package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"hash/maphash"
	"math"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/store/keep"
)

// What bounds the dictionaries of a file. What has no place in them is written
// in full with each event.
const (
	maxText       = 512 // longer texts are not the same twice
	maxTexts      = 1 << 15
	maxTextBytes  = 4 << 20
	maxStacks     = 1 << 14
	maxStackBytes = 16 << 20
	maxFileGroups = 1 << 16
	// maxSeen bounds the texts that are remembered to have occurred once.
	maxSeen = 1 << 15
)

// list is a dictionary as the writer has it: ids from 1 by content.
type list struct {
	ids   map[string]uint64
	bytes int
	added []string // since the last commit
	stmt  *sql.Stmt
}

// add gives content the next id and writes it.
func (l *list) add(ctx context.Context, content string) (uint64, error) {
	id := uint64(len(l.ids)) + 1
	if _, err := l.stmt.ExecContext(ctx, int64(id), []byte(content)); err != nil {
		return 0, err
	}
	l.ids[content] = id
	l.bytes += len(content)
	l.added = append(l.added, content)
	return id, nil
}

// rollback forgets what was added since the last commit.
func (l *list) rollback() {
	for _, content := range l.added {
		delete(l.ids, content)
		l.bytes -= len(content)
	}
	l.added = l.added[:0]
}

// words are the dictionaries of the file that is written. The first error of a
// transaction stays in err.
type words struct {
	ctx                   context.Context
	texts, stacks, groups list
	seed                  maphash.Seed
	seen                  map[uint64]struct{}
	groupIDs              map[*keep.Group]uint64
	err                   error
}

func newWords(ctx context.Context) *words {
	return &words{ctx: ctx, seed: maphash.MakeSeed(), seen: make(map[uint64]struct{}), groupIDs: make(map[*keep.Group]uint64)}
}

// load reads what a file has, and prepares to write more.
func (w *words) load(c *sql.Conn) error {
	for _, t := range []struct {
		list         *list
		table, field string
	}{{&w.texts, "texts", "text"}, {&w.stacks, "stacks", "frames"}, {&w.groups, "groups", "texts"}} {
		if err := t.list.load(w.ctx, c, "SELECT id, "+t.field+" FROM "+t.table+" ORDER BY id"); err != nil {
			return err
		}
		var err error
		if t.list.stmt, err = c.PrepareContext(w.ctx, "INSERT INTO "+t.table+" (id, "+t.field+") VALUES (?, ?)"); err != nil {
			return err
		}
	}
	return nil
}

func (l *list) load(ctx context.Context, c *sql.Conn, query string) error {
	l.ids = make(map[string]uint64)
	rows, err := c.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id uint64
		var b sql.RawBytes
		if err := rows.Scan(&id, &b); err != nil {
			return err
		}
		l.ids[string(b)] = id
		l.bytes += len(b)
		if id != uint64(len(l.ids)) {
			return errUnknown
		}
	}
	return rows.Err()
}

func (w *words) statements() []*sql.Stmt {
	return []*sql.Stmt{w.texts.stmt, w.stacks.stmt, w.groups.stmt}
}

func (w *words) commit() {
	for _, l := range []*list{&w.texts, &w.stacks, &w.groups} {
		l.added = l.added[:0]
	}
}

func (w *words) rollback() {
	for _, l := range []*list{&w.texts, &w.stacks, &w.groups} {
		l.rollback()
	}
	clear(w.groupIDs)
	w.err = nil
}

func (w *words) put(l *list, content string) uint64 {
	if w.err != nil {
		return 0
	}
	id, err := l.add(w.ctx, content)
	w.err = err
	return id
}

// text returns the id of a text that occurs not for the first time.
func (w *words) text(s string) uint64 {
	if s == "" || len(s) > maxText {
		return 0
	}
	if id := w.texts.ids[s]; id != 0 {
		return id
	}
	hash := maphash.String(w.seed, s)
	if _, twice := w.seen[hash]; twice {
		return w.always(s)
	}
	if len(w.seen) >= maxSeen {
		clear(w.seen)
	}
	w.seen[hash] = struct{}{}
	return 0
}

// always returns the id of a text, 0 only when there is no room.
func (w *words) always(s string) uint64 {
	if id := w.texts.ids[s]; id != 0 || s == "" {
		return id
	}
	if len(s) > maxText || len(w.texts.ids) >= maxTexts || w.texts.bytes >= maxTextBytes {
		return 0
	}
	return w.put(&w.texts, s)
}

// stack returns the id of encoded frames.
func (w *words) stack(frames []byte) uint64 {
	if id := w.stacks.ids[string(frames)]; id != 0 {
		return id
	}
	if len(w.stacks.ids) >= maxStacks || w.stacks.bytes >= maxStackBytes {
		return 0
	}
	return w.put(&w.stacks, string(frames))
}

// group returns the id of a group's texts, 0 when there is no room.
func (w *words) group(g *keep.Group) uint64 {
	if id := w.groupIDs[g]; id != 0 {
		return id
	}
	encoded := string(appendGroup(nil, g.Texts))
	id := w.groups.ids[encoded]
	if id == 0 {
		if len(w.groups.ids) >= maxFileGroups && encoded != "" {
			return 0
		}
		id = w.put(&w.groups, encoded)
	}
	if len(w.groupIDs) >= maxFileGroups {
		clear(w.groupIDs)
	}
	if id != 0 {
		w.groupIDs[g] = id
	}
	return id
}

// sumGroup returns the id of a group's texts for a rollup, that of the rest
// when there is no room.
func (w *words) sumGroup(g []string) uint64 {
	encoded := string(appendGroup(nil, g))
	if id := w.groups.ids[encoded]; id != 0 {
		return id
	}
	if len(w.groups.ids) >= maxFileGroups {
		encoded = ""
	}
	if id := w.groups.ids[encoded]; id != 0 {
		return id
	}
	return w.put(&w.groups, encoded)
}

func appendLength(dst []byte, n int) []byte { return binary.AppendUvarint(dst, uint64(n)) }

// The bits of the column flags; above them is the id of the text that says how
// it ended, 0 when that is not known here.
const (
	flagFailed = 1 << iota
	flagFindings
	flagSlow
	outcomeShift = 8
)

func (w *words) flags(k *keep.Kept) int64 {
	e := k.Event
	var flags int64
	if e.Failure().IsSet() {
		flags |= flagFailed
	}
	if len(e.Findings) > 0 {
		flags |= flagFindings
	}
	if k.Slow {
		flags |= flagSlow
	}
	for i := range e.Schema.Fields {
		if f := &e.Schema.Fields[i]; f.Outcome && f.Kind == model.KindString {
			if id := w.always(e.Values[i].Str()); id <= math.MaxInt32 {
				flags |= int64(id) << outcomeShift
			}
			break
		}
	}
	return flags
}
