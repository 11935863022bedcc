package sqlite

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

// answers returns all that a store has as text.
func answers(t *testing.T, s *Store) []string {
	t.Helper()
	records, lacks := all(t, s)
	if len(lacks) > 0 {
		t.Errorf("the answer lacks %q", lacks)
	}
	var list []string
	for _, r := range records {
		list = append(list, string(v1.AppendRecord(nil, r)))
	}
	rollups, err := s.Rollups(context.Background(), model.RollupQuery{Step: model.RollupStep, By: model.ByGroup})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rollups.Items {
		durations, _ := r.Durations.AppendBinary(nil)
		list = append(list, fmt.Sprintf("%s %s %s %q %d %d %d %x", r.Time.Format(time.RFC3339), r.Probe, r.Service, r.Group, r.Count, r.Failed, r.Findings, durations))
	}
	return list
}

func unzip(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestOpen_losesNothingOfVersion1 opens two files as the first version of this
// package wrote them, one of which is of the current hour, with what it
// answered then.
func TestOpen_losesNothingOfVersion1(t *testing.T) {
	const files = "testdata/version1"
	dir, c := t.TempDir(), newClock()
	for _, name := range names(t, files, "*.db.gz") {
		if err := os.WriteFile(filepath.Join(dir, strings.TrimSuffix(name, ".gz")), unzip(t, filepath.Join(files, name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := strings.Split(strings.TrimSuffix(string(unzip(t, filepath.Join(files, "answers.txt.gz"))), "\n"), "\n")
	c.advance(time.Hour + time.Minute)
	s := openStore(t, dir, Options{Now: c.now, EventsPerSecond: -1})
	if got := answers(t, s); !slices.Equal(got, want) {
		t.Fatalf("%d answers, want %d:\n%.2000s\nwant\n%.2000s", len(got), len(want), strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if stats := s.Stats(); stats.Files != 2 || len(stats.Unreadable)+len(stats.SetAside) > 0 {
		t.Fatalf("%+v, want two files that can be read", stats)
	}

	// The current one is written again, with what is new.
	l := newLoad()
	old := l.event(c.now())
	sampled := l.event(c.now())
	sampled.Weight = 20
	s.Add(old)
	s.Add(sampled)
	for range 2 {
		records, _ := all(t, s)
		weights := map[int32]float64{}
		for _, r := range records {
			weights[r.Event.PID] = r.Weight
			if r.Event.PID == sampled.PID && r.Event.Weight != 20 {
				t.Errorf("the event stands for %d, want 20", r.Event.Weight)
			}
		}
		if len(records) != 32 || weights[old.PID] != 1 || weights[sampled.PID] != 20 {
			t.Errorf("%d records, weights %v and %v; want 32, 1 and 20", len(records), weights[old.PID], weights[sampled.PID])
		}
		if stats := s.Stats(); stats.Files != 2 {
			t.Errorf("%d files, want the two that there were", stats.Files)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, dir, Options{Now: c.now, EventsPerSecond: -1})
	}
}

// TestMigrate_endsWhereNewFilesBegin holds a file that was brought up to the
// same tables as a new one.
func TestMigrate_endsWhereNewFilesBegin(t *testing.T) {
	columns := func(path string, steps ...[]migration) string {
		ctx := context.Background()
		db, conn, err := openToWrite(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		defer closeAll(db, conn)
		for _, list := range steps {
			if err := migrate(ctx, conn, list); err != nil {
				t.Fatal(err)
			}
		}
		return tableText(t, conn)
	}
	dir := t.TempDir()
	fresh := columns(filepath.Join(dir, "fresh.db"), migrations())
	for n := range migrations() {
		older := columns(filepath.Join(dir, fmt.Sprintf("older%d.db", n)), migrations()[:n], migrations())
		if older != fresh {
			t.Errorf("from version %d:\n%s\na new file has\n%s", n, older, fresh)
		}
	}
}

// tableText returns the columns of all tables.
func tableText(t *testing.T, c *sql.Conn) string {
	t.Helper()
	rows, err := c.QueryContext(context.Background(), `SELECT m.name, p.name, p.type, p."notnull", p.pk FROM sqlite_schema m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' ORDER BY m.name, p.cid`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var b bytes.Buffer
	for rows.Next() {
		var table, column, kind string
		var notNull, key int
		if err := rows.Scan(&table, &column, &kind, &notNull, &key); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, table, column, kind, notNull, key)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestSchema_isStoredAsBefore keeps the text of a schema that uses nothing new:
// the events of before and of now are of one source then.
func TestSchema_isStoredAsBefore(t *testing.T) {
	const want = `{"probe":"exec","failure":"error.type","fields":[{"key":"name","kind":"string"}],` +
		`"metrics":[{"Name":"m","Kind":1,"Unit":"","Summary":"","Sum":"","Value":"","Buckets":null,"Labels":null,"When":""}],"span":{"Kind":2,"Name":"name"}}`
	got, err := marshalSchema(&model.Schema{
		Probe: "exec", Failure: "error.type", Fields: []model.Field{{Key: "name"}},
		Metrics: []model.Metric{{Name: "m", Kind: model.Histogram}}, Span: &model.Span{Kind: model.SpanClient, Name: "name"},
	})
	if err != nil || got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}
