package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/goshawk-io/goshawk/internal/model"
)

// migration changes a file from one version to the next. All that a file
// lacks run in one transaction.
type migration func(ctx context.Context, c *sql.Conn) error

// migrations returns all of them: the n-th leads from version n to n+1, the
// first from an empty file. They are never changed, only added to.
func migrations() []migration { return []migration{create, addEventWeight} }

// create makes the tables. Texts are blobs, as they may hold any bytes.
//
// An index holds what queries filter by, so that only the rows of an answer
// are read whole; id comes before it, since answers are in the order of the key
// and of id.
func create(ctx context.Context, c *sql.Conn) error {
	return execAll(ctx, c, `
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE texts (id INTEGER PRIMARY KEY, text BLOB NOT NULL) STRICT;
CREATE TABLE stacks (id INTEGER PRIMARY KEY, frames BLOB NOT NULL) STRICT;
CREATE TABLE schemas (id INTEGER PRIMARY KEY, schema TEXT NOT NULL) STRICT;
CREATE TABLE groups (id INTEGER PRIMARY KEY, texts BLOB NOT NULL) STRICT;
CREATE TABLE sources (
	id INTEGER PRIMARY KEY, schema INTEGER NOT NULL, service BLOB NOT NULL,
	min_end INTEGER, max_end INTEGER, max_duration INTEGER
) STRICT;
CREATE TABLE events (
	id INTEGER PRIMARY KEY, source INTEGER NOT NULL, "end" INTEGER NOT NULL, duration INTEGER NOT NULL,
	grp INTEGER NOT NULL, flags INTEGER NOT NULL, pid INTEGER NOT NULL, weight REAL, body BLOB NOT NULL
) STRICT;
CREATE INDEX events_newest ON events (source, "end", id, duration, grp, flags, pid);
CREATE INDEX events_slowest ON events (source, duration, id, "end", grp, flags, pid);
CREATE INDEX events_marked ON events (source, "end", id, duration, grp, flags, pid) WHERE flags & 3 <> 0;
CREATE TABLE rollups (
	span INTEGER NOT NULL, step INTEGER NOT NULL, source INTEGER NOT NULL, grp INTEGER NOT NULL,
	count INTEGER NOT NULL, failed INTEGER NOT NULL, findings INTEGER NOT NULL, durations BLOB NOT NULL,
	PRIMARY KEY (span, step, source, grp)
) STRICT, WITHOUT ROWID;`)
}

// addEventWeight adds the event's own weight, which is a part of weight: NULL for
// 1, as in all events before. Their rows stay as they are.
func addEventWeight(ctx context.Context, c *sql.Conn) error {
	return execAll(ctx, c, "ALTER TABLE events ADD COLUMN event_weight INTEGER")
}

func execAll(ctx context.Context, c *sql.Conn, statements string) error {
	_, err := c.ExecContext(ctx, statements)
	return err
}

// newerError says that a file was written by a later version of Goshawk.
type newerError struct{ version, known int }

func (e *newerError) Error() string {
	return fmt.Sprintf("it has version %d, written by a later Goshawk; this one knows %d", e.version, e.known)
}

// versionOf returns a file's version, 0 for an empty one.
func versionOf(ctx context.Context, c *sql.Conn) (version int, err error) {
	err = c.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	return version, err
}

// migrate brings a file to the last version, in one transaction.
func migrate(ctx context.Context, c *sql.Conn, steps []migration) (err error) {
	version, err := versionOf(ctx, c)
	if err != nil || version == len(steps) {
		return err
	}
	if version > len(steps) {
		return &newerError{version, len(steps)}
	}
	if err := execAll(ctx, c, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = execAll(context.WithoutCancel(ctx), c, "ROLLBACK")
		}
	}()
	for i, step := range steps[version:] {
		if err := step(ctx, c); err != nil {
			return fmt.Errorf("migrate to version %d: %w", version+i+1, err)
		}
	}
	if err := execAll(ctx, c, fmt.Sprintf("PRAGMA user_version = %d", len(steps))); err != nil {
		return err
	}
	return execAll(ctx, c, "COMMIT")
}

// storedSchema is a schema as a file has it, so that its events can be read
// when the probe has another one.
type storedSchema struct {
	Probe   string         `json:"probe"`
	Failure string         `json:"failure,omitempty"`
	Groups  []string       `json:"groups,omitempty"`
	Fields  []storedField  `json:"fields"`
	Metrics []model.Metric `json:"metrics,omitempty"`
	Span    *model.Span    `json:"span,omitempty"`
	Tallied bool           `json:"tallied,omitempty"`
}

type storedField struct {
	Key     string `json:"key"`
	Kind    string `json:"kind"`
	Unit    string `json:"unit,omitempty"`
	Summary string `json:"summary,omitempty"`
	Column  string `json:"column,omitempty"`
	Width   int    `json:"width,omitempty"`
	Outcome bool   `json:"outcome,omitempty"`
}

func marshalSchema(s *model.Schema) (string, error) {
	v := storedSchema{Probe: s.Probe, Failure: s.Failure, Groups: s.Groups, Metrics: s.Metrics, Span: s.Span, Tallied: s.Tallied}
	for _, f := range s.Fields {
		v.Fields = append(v.Fields, storedField{f.Key, f.Kind.String(), f.Unit, f.Summary, f.Column, f.Width, f.Outcome})
	}
	b, err := json.Marshal(v)
	return string(b), err
}

func unmarshalSchema(text string) (*model.Schema, error) {
	var v storedSchema
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return nil, fmt.Errorf("stored schema: %w", err)
	}
	kinds := []model.Kind{model.KindString, model.KindStrings, model.KindInt, model.KindBool, model.KindDuration, model.KindTime}
	s := &model.Schema{Probe: v.Probe, Failure: v.Failure, Groups: v.Groups, Metrics: v.Metrics, Span: v.Span, Tallied: v.Tallied}
	for _, f := range v.Fields {
		i := slices.IndexFunc(kinds, func(k model.Kind) bool { return k.String() == f.Kind })
		if i < 0 {
			return nil, fmt.Errorf("stored schema of %s: field %s: kind %q is not known", v.Probe, f.Key, f.Kind)
		}
		s.Fields = append(s.Fields, model.Field{Key: f.Key, Kind: kinds[i], Unit: f.Unit, Summary: f.Summary, Column: f.Column, Width: f.Width, Outcome: f.Outcome})
	}
	return s, nil
}
