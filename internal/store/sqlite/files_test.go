package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/platform"
)

// clock is a clock that a test sets.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.ns.Store(time.Date(2026, 11, 21, 22, 30, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// all returns all events that s has, the newest first, and what it lacks.
func all(t testing.TB, s *Store) (records []model.Record, incomplete []string) {
	t.Helper()
	q := model.Query{Limit: 1000}
	for {
		page, err := s.Events(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, page.Records...)
		incomplete = append(incomplete, page.Incomplete...)
		if page.Next == "" {
			return records, incomplete
		}
		q.After = page.Next
	}
}

// names returns the names in dir that match pattern, without their folder.
func names(t testing.TB, dir, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	for i := range paths {
		paths[i] = filepath.Base(paths[i])
	}
	return paths
}

func addSome(s *Store, l *load, c *clock, n int) {
	for range n {
		c.advance(time.Millisecond)
		s.Add(l.event(c.now()))
	}
}

func TestStore_hasAFileForEachHour(t *testing.T) {
	dir, c, l := filepath.Join(t.TempDir(), "new", "data"), newClock(), newLoad()
	s := openStore(t, dir, Options{Now: c.now})
	for range 3 {
		addSome(s, l, c, 10)
		settle(t, s)
		c.advance(time.Hour)
		s.Add(l.event(c.now().Add(-time.Hour))) // it came late, and is in the next hour's file
	}
	got, lacks := all(t, s)
	if len(got) != 33 || len(lacks) > 0 {
		t.Errorf("%d events, %q", len(got), lacks)
	}
	want := []string{"events-20261121T22-1.db", "events-20261121T23-1.db", "events-20261122T00-1.db", "events-20261122T01-1.db"}
	if files := names(t, dir, "events-*.db"); !slices.Equal(files, want) {
		t.Errorf("files %v, want %v", files, want)
	}
	if wal := names(t, dir, "*-wal"); len(wal) != 1 || wal[0] != want[3]+"-wal" {
		t.Errorf("%v, want a WAL of the current file only", wal)
	}
	if stats := s.Stats(); stats.Files != 4 || stats.Kept != 33 || stats.LeftOut != 0 || stats.Waiting != 0 || !stats.Oldest.Equal(time.Date(2026, 11, 21, 22, 30, 0, 1e6, time.UTC)) || stats.Bytes < 4*4096 {
		t.Errorf("%+v", stats)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, want[0]): 0o600, filepath.Join(dir, want[3]+"-wal"): 0o600, filepath.Join(dir, "LOCK"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if rest := slices.DeleteFunc(names(t, dir, "*"), func(n string) bool { return strings.HasSuffix(n, ".db") || n == "LOCK" }); len(rest) > 0 {
		t.Errorf("closed, it leaves %v", rest)
	}
}

func TestOpen_resumesTheHour(t *testing.T) {
	dir, c, l := t.TempDir(), newClock(), newLoad()
	var want []string
	for i := range 4 {
		s := openStore(t, dir, Options{Now: c.now})
		if i%2 == 1 {
			l.schema = execSchema() // another process, an equal schema
		}
		for range 50 {
			c.advance(time.Millisecond)
			e := l.event(c.now())
			s.Add(e)
			want = append(want, string(v1.AppendEvent(nil, e)))
		}
		records, lacks := all(t, s)
		var got []string
		for _, r := range records {
			got = append(got, string(v1.AppendEvent(nil, r.Event)))
			if r.Event.Schema != l.schema {
				t.Fatal("an event has not the live schema, which is equal")
			}
		}
		slices.Reverse(got)
		if !slices.Equal(got, want) || len(lacks) > 0 {
			t.Fatalf("run %d: %d events, want %d; %q", i, len(got), len(want), lacks)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if files := names(t, dir, "*.db"); len(files) != 1 {
		t.Errorf("files %v, want one", files)
	}
}

func TestOpen_readsWhatAnotherSchemaWrote(t *testing.T) {
	dir, c, l := t.TempDir(), newClock(), newLoad()
	s := openStore(t, dir, Options{Now: c.now})
	e := l.event(c.now())
	s.Add(e)
	s.Close()

	s = openStore(t, dir, Options{Now: c.now})
	l.schema = execSchema()
	l.schema.Fields = append([]model.Field{{Key: "new", Kind: model.KindInt}}, l.schema.Fields...)
	l.schema.Groups = []string{"new"}
	c.advance(time.Second)
	later := l.event(c.now())
	s.Add(later)
	got, _ := all(t, s)
	if len(got) != 2 {
		t.Fatalf("%d events", len(got))
	}
	for i, want := range []*model.Event{later, e} {
		if a, b := string(v1.AppendEvent(nil, got[i].Event)), string(v1.AppendEvent(nil, want)); a != b {
			t.Errorf("got %s, want %s", a, b)
		}
	}
	rollups, err := s.Rollups(context.Background(), model.RollupQuery{By: model.ByGroup})
	if err != nil || len(rollups.Items) != 2 {
		t.Errorf("rollups %+v, %v", rollups.Items, err)
	}
}

func TestRetention_removesTheOldestFiles(t *testing.T) {
	t.Run("when there are too many bytes", func(t *testing.T) {
		dir, c, l := t.TempDir(), newClock(), newLoad()
		s := openStore(t, dir, Options{Now: c.now, MaxBytes: 1 << 20})
		for range 30 {
			addSome(s, l, c, 200)
			settle(t, s)
		}
		if n := bytesIn(t, dir); n > 1<<20+1<<19 {
			t.Errorf("%d bytes, want about 1 MiB", n)
		}
		files := names(t, dir, "*.db")
		if len(files) < 2 || files[0] == "events-20261121T22-1.db" {
			t.Errorf("files %v, want some, without the first", files)
		}
		got, lacks := all(t, s)
		if len(got) < 500 || len(got) >= 6000 || len(lacks) > 0 || got[0].Event.End() != c.now() {
			t.Errorf("%d events of 6,000, %q", len(got), lacks)
		}
	})
	t.Run("when they are too old", func(t *testing.T) {
		dir, c, l := t.TempDir(), newClock(), newLoad()
		s := openStore(t, dir, Options{Now: c.now, MaxAge: 3 * time.Hour})
		for range 10 {
			addSome(s, l, c, 10)
			settle(t, s)
			c.advance(time.Hour)
		}
		s.Close()
		s = openStore(t, dir, Options{Now: c.now, MaxAge: 3 * time.Hour})
		if files := names(t, dir, "*.db"); len(files) != 3 && len(files) != 4 {
			t.Errorf("files %v, want those of three hours", files)
		}
		c.advance(100 * time.Hour)
		s.Close()
		s = openStore(t, dir, Options{Now: c.now, MaxAge: 3 * time.Hour})
		if files := names(t, dir, "*.db"); len(files) != 0 || s.Stats().Files != 0 {
			t.Errorf("files %v, want none", files)
		}
	})
}

func TestRetention_doesNotBreakWhoReads(t *testing.T) {
	dir, c, l := t.TempDir(), newClock(), newLoad()
	s := openStore(t, dir, Options{Now: c.now})
	for range 4 {
		addSome(s, l, c, 100)
		settle(t, s)
		c.advance(time.Hour)
	}
	want, _ := all(t, s)
	q, err := s.ask(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	files, _ := q.files()
	for _, f := range files[1:] { // the newest stays
		h, err := q.open(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(f.path); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		s.drop(f)
		s.mu.Unlock()
		var n int
		if err := h.db.QueryRow("SELECT count(*) FROM events").Scan(&n); err != nil || n != 100 {
			t.Errorf("%s, removed: %d events, %v", f.name, n, err)
		}
	}
	q.end()
	got, lacks := all(t, s)
	if len(got) != len(want)-300 || len(lacks) > 0 {
		t.Errorf("%d events of %d, %q", len(got), len(want), lacks)
	}
}

func TestStore_goesOnWhenItsFileIsRemoved(t *testing.T) {
	dir, c, l := t.TempDir(), newClock(), newLoad()
	s := openStore(t, dir, Options{Now: c.now})
	addSome(s, l, c, 10)
	settle(t, s)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	addSome(s, l, c, 5)
	got, lacks := all(t, s)
	if len(got) != 5 || len(lacks) > 0 {
		t.Errorf("%d events, %q; want the 5 since", len(got), lacks)
	}
}

func TestOpen_refusesASecond(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	_, err := Open(context.Background(), dir, Options{})
	var locked *platform.LockedError
	if !errors.As(err, &locked) || locked.Dir != dir || locked.PID != os.Getpid() || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("error %v, want the directory and the process", err)
	}
	s.Close()
	again := openStore(t, dir, Options{})
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpen_namesWhatItCannotMake(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), filepath.Join(file, "data"), Options{}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v, want one that names %s", err, file)
	}
}

func TestStore_afterClose(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	l := newLoad()
	s.Add(l.event(time.Now()))
	s.Close()
	s.Add(l.event(time.Now()))
	if _, err := s.Events(context.Background(), model.Query{}); err == nil {
		t.Error("Events: no error")
	}
	if stats := s.Stats(); stats.Kept != 1 || stats.Dropped[droppedClosed] != 1 {
		t.Errorf("%+v", stats)
	}
}

// corruptFile makes a store of three hours, closes it and damages the file of
// the second.
func corruptFile(t *testing.T, damage func(t *testing.T, path string)) (dir string, c *clock, l *load) {
	dir, c, l = t.TempDir(), newClock(), newLoad()
	s := openStore(t, dir, Options{Now: c.now})
	for i := range 3 {
		if i > 0 {
			c.advance(time.Hour)
		}
		addSome(s, l, c, 300)
		settle(t, s)
	}
	s.Close()
	damage(t, filepath.Join(dir, "events-20261121T23-1.db"))
	return dir, c, l
}

func overwrite(t *testing.T, path string, from, n int64, with byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte{with}, int(n)), from); err != nil {
		t.Fatal(err)
	}
}

func sizeOfFile(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestStore_setsCorruptFilesAside(t *testing.T) {
	tests := []struct {
		name   string
		damage func(t *testing.T, path string)
	}{
		{"empty", func(t *testing.T, path string) { os.Truncate(path, 0) }},
		{"cut in the middle", func(t *testing.T, path string) { os.Truncate(path, sizeOfFile(t, path)/2) }},
		{"cut in the first page", func(t *testing.T, path string) { os.Truncate(path, 1000) }},
		{"its header is garbage", func(t *testing.T, path string) { overwrite(t, path, 0, 100, 'x') }},
		{"all is garbage", func(t *testing.T, path string) { overwrite(t, path, 0, sizeOfFile(t, path), 0xAA) }},
		{"its tables are zero", func(t *testing.T, path string) { overwrite(t, path, 4096, sizeOfFile(t, path)-4096, 0) }},
		{"it is no database", func(t *testing.T, path string) { os.WriteFile(path, []byte("hello\n"), 0o600) }},
		{"it is another database", func(t *testing.T, path string) {
			os.Remove(path)
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec("CREATE TABLE t (x)"); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, c, l := corruptFile(t, tt.damage)
			var log bytes.Buffer
			s := openStore(t, dir, Options{Now: c.now, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			addSome(s, l, c, 10)
			got, lacks := all(t, s)
			if n := len(got); n < 610 || n >= 910 {
				t.Errorf("%d events, want those of the other files", n)
			}
			got, lacksLater := all(t, s)
			if len(got) != 610 || len(lacksLater) > 0 {
				t.Errorf("%d events, %q; want 610 in the end", len(got), lacksLater)
			}
			stats := s.Stats()
			if want := []string{"events-20261121T23-1.db.corrupt"}; !slices.Equal(names(t, dir, "*.corrupt"), want) || !slices.Equal(stats.SetAside, want) || stats.Files != 2 {
				t.Errorf("%v is set aside, %+v", names(t, dir, "*.corrupt"), stats)
			}
			if !strings.Contains(log.String(), "set aside") {
				t.Errorf("the log says %q, the answer lacks %q", log.String(), lacks)
			}
		})
	}
}

func TestStore_saysWhichPageIsZero(t *testing.T) {
	// Any page may be lost; what is read must be right or said to be lacking.
	pages, aside := int64(0), 0
	whole, c, _ := corruptFile(t, func(t *testing.T, path string) { pages = sizeOfFile(t, path) / 4096 })
	for page := int64(1); page < pages; page += 8 {
		dir := filepath.Join(t.TempDir(), "data")
		if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		overwrite(t, filepath.Join(dir, "events-20261121T23-1.db"), page*4096, 4096, 0)
		s := openStore(t, dir, Options{Now: c.now})
		got, lacks := all(t, s)
		if len(got) < 600 || len(got) < 900 && len(lacks) == 0 && len(s.Stats().SetAside) == 0 {
			t.Errorf("page %d: %d events, and nothing is said", page, len(got))
		}
		if _, err := s.Rollups(context.Background(), model.RollupQuery{}); err != nil {
			t.Errorf("page %d: %v", page, err)
		}
		if _, err := s.Events(context.Background(), model.Query{Order: model.SlowestFirst}); err != nil {
			t.Errorf("page %d: %v", page, err)
		}
		aside += len(s.Stats().SetAside)
		s.Close()
	}
	if aside == 0 {
		t.Errorf("of %d pages, none was missed", pages)
	}
}

func TestStore_goesOnWhenTheCurrentFileIsCorrupt(t *testing.T) {
	dir, c, l := t.TempDir(), newClock(), newLoad()
	s := openStore(t, dir, Options{Now: c.now, pragmas: []string{"cache_size(10)"}})
	for range 10 {
		addSome(s, l, c, 500)
		settle(t, s)
	}
	path := filepath.Join(dir, "events-20261121T22-1.db")
	overwrite(t, path, 4096, sizeOfFile(t, path)-4096, 0xAA)
	os.Truncate(path+"-wal", 0)
	added := 0
	for len(s.Stats().SetAside) == 0 && added < 100 {
		addSome(s, l, c, 10)
		added++
		all(t, s)
	}
	addSome(s, l, c, 10)
	got, lacks := all(t, s)
	if len(got) < 10 || len(lacks) > 0 {
		t.Errorf("%d events, %q", len(got), lacks)
	}
	if stats := s.Stats(); len(stats.SetAside) != 1 || dropped(stats) > 0 || stats.Error != "" {
		t.Errorf("%+v", stats)
	}
	if files := names(t, dir, "*.db"); len(files) != 1 || files[0] != "events-20261121T22-2.db" {
		t.Errorf("files %v", files)
	}
}

func TestMigrate(t *testing.T) {
	dir, c, l := t.TempDir(), newClock(), newLoad()
	s := openStore(t, dir, Options{Now: c.now})
	addSome(s, l, c, 10)
	settle(t, s)
	c.advance(time.Hour)
	addSome(s, l, c, 10)
	s.Close()

	ran := 0
	next := func(ctx context.Context, c *sql.Conn) error {
		ran++
		return execAll(ctx, c, "CREATE TABLE later (x); INSERT INTO later VALUES (7)")
	}
	broken := func(ctx context.Context, c *sql.Conn) error {
		if err := execAll(ctx, c, "DROP TABLE events"); err != nil {
			return err
		}
		return errors.New("no luck")
	}
	newer := Options{Now: c.now, steps: append(migrations(), next)}

	t.Run("that fails changes nothing", func(t *testing.T) {
		s := openStore(t, dir, Options{Now: c.now, steps: append(migrations(), broken)})
		got, lacks := all(t, s)
		if stats := s.Stats(); len(got) != 0 || len(lacks) != 2 || len(stats.Unreadable) != 2 || len(stats.SetAside) > 0 {
			t.Errorf("%d events, %q, %+v; want no file to be read", len(got), lacks, stats)
		}
		s.Close()
	})
	t.Run("brings older files up", func(t *testing.T) {
		s := openStore(t, dir, newer)
		addSome(s, l, c, 5)
		if got, lacks := all(t, s); len(got) != 25 || ran != 2 || len(lacks) > 0 {
			t.Errorf("%d events, %d migrations, %q", len(got), ran, lacks)
		}
		s.Close()
		s = openStore(t, dir, newer)
		if got, _ := all(t, s); len(got) != 25 || ran != 2 {
			t.Errorf("opened again: %d events, %d migrations", len(got), ran)
		}
		s.Close()
	})
	t.Run("leaves files of a later version alone", func(t *testing.T) {
		before := names(t, dir, "*.db")
		s := openStore(t, dir, Options{Now: c.now})
		addSome(s, l, c, 3)
		got, lacks := all(t, s)
		if stats := s.Stats(); len(got) != 3 || len(lacks) != 2 || !slices.Equal(stats.Unreadable, before) || len(stats.SetAside) > 0 {
			t.Errorf("%d events, %q, %+v", len(got), lacks, stats)
		}
		s.Close()
		s = openStore(t, dir, newer)
		if got, lacks := all(t, s); len(got) != 28 || len(lacks) > 0 {
			t.Errorf("the later version: %d events, %q", len(got), lacks)
		}
		s.Close()
	})
}

func TestFileName(t *testing.T) {
	for _, tt := range []struct {
		name string
		want bool
	}{
		{"events-20261121T23-1.db", true}, {"events-20261121T23-12.db", true}, {"events-20261121T23-0.db", false},
		{"events-20261121T24-1.db", false}, {"events-20261121T23-1.db.corrupt", false}, {"events-20261121T23-1.db-wal", false}, {"xevents-20261121T23-1.db", false},
	} {
		name, ok := parseFileName(tt.name)
		if ok != tt.want || ok && name.String() != tt.name {
			t.Errorf("%s: %v, %t", tt.name, name, ok)
		}
	}
}
