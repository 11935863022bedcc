package sqlite

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"

	"github.com/goshawk-io/goshawk/internal/model"
)

// readConnections bounds the connections of one file for readers.
const readConnections = 4

// dictionary is a part of a file's dictionaries: what was there when it was
// read. It never changes.
type dictionary struct {
	texts  []string
	stacks [][]model.Frame
	groups [][]string
}

// handle is a file that is open for reading. It is safe for concurrent use.
type handle struct {
	db   *sql.DB
	mu   sync.Mutex // held to read more of the dictionaries
	dict atomic.Pointer[dictionary]
}

func openToRead(path string) (*handle, error) {
	db, err := sql.Open("sqlite", dsn(path, "ro", "query_only(1)", "cache_size(-4000)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readConnections)
	db.SetMaxIdleConns(readConnections)
	h := &handle{db: db}
	h.dict.Store(new(dictionary))
	return h, nil
}

// refresh reads what the file's dictionaries have more than old.
func (h *handle) refresh(ctx context.Context, old *dictionary) (*dictionary, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := h.dict.Load(); now != old {
		return now, nil
	}
	fresh := &dictionary{}
	var err error
	fresh.texts, err = readMore(ctx, h.db, "SELECT id, text FROM texts WHERE id > ? ORDER BY id", old.texts, func(b []byte) (string, error) { return string(b), nil })
	if err != nil {
		return nil, err
	}
	fresh.stacks, err = readMore(ctx, h.db, "SELECT id, frames FROM stacks WHERE id > ? ORDER BY id", old.stacks, func(b []byte) ([]model.Frame, error) {
		d := decoder{rest: b}
		return d.frames(), d.err
	})
	if err != nil {
		return nil, err
	}
	fresh.groups, err = readMore(ctx, h.db, "SELECT id, texts FROM groups WHERE id > ? ORDER BY id", old.groups, decodeGroup)
	if err != nil {
		return nil, err
	}
	h.dict.Store(fresh)
	return fresh, nil
}

// readMore appends the rows after the last of list, whose ids go up by one, to
// a copy of it.
func readMore[T any](ctx context.Context, db *sql.DB, query string, list []T, decode func([]byte) (T, error)) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, len(list))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	// A full slice: an append copies, and never writes into what others read.
	list = list[:len(list):len(list)]
	for rows.Next() {
		var id int
		var b sql.RawBytes
		if err := rows.Scan(&id, &b); err != nil {
			return nil, err
		}
		if id != len(list)+1 {
			return nil, errUnknown
		}
		item, err := decode(b)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, rows.Err()
}

// appendGroup encodes the texts of a group.
func appendGroup(dst []byte, texts []string) []byte {
	for _, text := range texts {
		dst = append(appendLength(dst, len(text)), text...)
	}
	return dst
}

func decodeGroup(b []byte) ([]string, error) {
	d := decoder{rest: b}
	texts := []string{}
	for len(d.rest) > 0 {
		texts = append(texts, string(d.long(d.uvarint())))
	}
	return texts, d.err
}
