package query

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// Position is the place of an event in an answer. It is the event's own, and
// does not move when others come.
type Position struct {
	// Key is what the order goes by.
	Key int64
	// File and Row tell events of the same key apart: where the store keeps
	// them.
	File uint64
	Row  int64
}

// First is the position before all others.
func First() Position {
	return Position{Key: math.MaxInt64, File: math.MaxUint64, Row: math.MaxInt64}
}

// Before says whether p comes before q in an answer: the higher one.
func (p Position) Before(q Position) bool {
	return cmp.Or(cmp.Compare(q.Key, p.Key), cmp.Compare(q.File, p.File), cmp.Compare(q.Row, p.Row)) < 0
}

var errCursor = errors.New("is not the next of an answer to this query")

// Cursor returns the After with which the page begins after p.
func (f *Filter) Cursor(p Position) string {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 32), f.print)
	b = binary.AppendVarint(b, p.Key)
	b = binary.AppendUvarint(b, p.File)
	b = binary.AppendVarint(b, p.Row)
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(s string, print uint32) (Position, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) < 4 || binary.BigEndian.Uint32(b) != print {
		return Position{}, errCursor
	}
	b = b[4:]
	key, n := binary.Varint(b)
	if n <= 0 {
		return Position{}, errCursor
	}
	file, m := binary.Uvarint(b[n:])
	if m <= 0 {
		return Position{}, errCursor
	}
	row, o := binary.Varint(b[n+m:])
	if o <= 0 || n+m+o != len(b) {
		return Position{}, errCursor
	}
	return Position{key, file, row}, nil
}

// fingerprint tells queries apart, but for where the page begins and ends.
func fingerprint(q model.Query) uint32 {
	h := fnv.New32a()
	fmt.Fprintf(h, "1 %q %q %d %d %d %q %q %t %t %q %d %d", q.Probe, q.Service, q.PID,
		Nanoseconds(q.From, math.MinInt64), Nanoseconds(q.To, math.MaxInt64),
		q.Where, q.Text, q.Failed, q.Findings, q.Rule, q.MinDuration, q.Order)
	return h.Sum32()
}

// Compare orders positions as answers do.
func Compare(p, q Position) int {
	switch {
	case p.Before(q):
		return -1
	case q.Before(p):
		return 1
	}
	return 0
}

// Of returns the position of an event that the store keeps in file at row.
func (f *Filter) Of(e *model.Event, file uint64, row int64) Position {
	return Position{Key: f.Key(e.End().UnixNano(), int64(e.Duration)), File: file, Row: row}
}

// Place says to people where p is: at a time, or a duration.
func (f *Filter) Place(p Position) string {
	if f.Order == model.SlowestFirst {
		return "a duration of " + time.Duration(p.Key).String()
	}
	return time.Unix(0, p.Key).UTC().Format(time.RFC3339)
}
