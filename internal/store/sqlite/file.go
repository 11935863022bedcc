package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"modernc.org/sqlite" // registers the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const hourLayout = "20060102T15"

// fileName is the name of a data file: its hour, and a number that tells the
// files of one hour apart.
type fileName struct {
	hour   time.Time
	number uint64
}

var fileNamePattern = regexp.MustCompile(`^events-(\d{8}T\d{2})-(\d{1,6})\.db$`)

func parseFileName(name string) (fileName, bool) {
	m := fileNamePattern.FindStringSubmatch(name)
	if m == nil {
		return fileName{}, false
	}
	hour, err := time.Parse(hourLayout, m[1])
	number, _ := strconv.ParseUint(m[2], 10, 64)
	return fileName{hour, number}, err == nil && number > 0
}

func (n fileName) String() string {
	return fmt.Sprintf("events-%s-%d.db", n.hour.UTC().Format(hourLayout), n.number)
}

// sequence orders files by their names, and names them in cursors.
func (n fileName) sequence() uint64 { return uint64(n.hour.Unix()/3600)<<20 | n.number }

// bounds are those of the events of a source. Without events, lowest is above
// highest.
type bounds struct {
	minEnd, maxEnd, maxDuration int64
}

func noBounds() bounds { return bounds{math.MaxInt64, math.MinInt64, -1} }

func (b *bounds) add(end, duration int64) {
	b.minEnd, b.maxEnd, b.maxDuration = min(b.minEnd, end), max(b.maxEnd, end), max(b.maxDuration, duration)
}

// schemaRef is a schema that files and live events share when it is equal.
type schemaRef struct {
	text   string
	schema atomic.Pointer[model.Schema]
}

// source is a schema and a service: what most queries select by.
type source struct {
	id      int64
	schema  *schemaRef
	service string
	bounds
}

// file is one data file. What is not said otherwise is guarded by Store.mu.
type file struct {
	path     string // never changes
	name     string
	sequence uint64
	hour     time.Time
	number   uint64

	sources []source // replaced, never changed
	bytes   int64
	sealed  bool    // nobody writes it; no WAL
	dead    bool    // removed or set aside
	blocked bool    // being sealed: readers wait
	refs    int     // readers
	used    uint64  // when it was last read
	handle  *handle // nil when it is not open for reading
	problem error   // what a reader found
}

// begin returns when the first event of f ended, or the begin of its hour
// where that is later or not known. Store.mu is held.
func (f *file) begin() time.Time {
	first := int64(math.MaxInt64)
	for i := range f.sources {
		first = min(first, f.sources[i].minEnd)
	}
	if first == math.MaxInt64 || first < f.hour.UnixNano() {
		return f.hour
	}
	return time.Unix(0, first).UTC()
}

// closeHandle closes f for reading. Store.mu is held, and nobody reads it.
func (f *file) closeHandle() error {
	if f.handle == nil {
		return nil
	}
	h := f.handle
	f.handle = nil
	return h.db.Close()
}

// dsn returns the name by which the driver opens a file.
func dsn(path, mode string, pragmas ...string) string {
	q := url.Values{"mode": {mode}, "_pragma": append([]string{"busy_timeout(2000)", "temp_store(MEMORY)", "trusted_schema(0)"}, pragmas...)}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// openToWrite opens one connection for writing.
func openToWrite(ctx context.Context, path string, pragmas ...string) (*sql.DB, *sql.Conn, error) {
	db, err := sql.Open("sqlite", dsn(path, "rwc", append([]string{"synchronous(NORMAL)", "cache_size(-16000)", "wal_autocheckpoint(4000)"}, pragmas...)...))
	if err != nil {
		return nil, nil, err
	}
	c, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		return nil, nil, err
	}
	return db, c, nil
}

// closeAll closes a connection and its pool.
func closeAll(db *sql.DB, c *sql.Conn) error { return errors.Join(c.Close(), db.Close()) }

// makeFile creates an empty file of the last version. It appears under its
// name when it is whole.
func makeFile(ctx context.Context, path string, steps []migration) (err error) {
	temporary := filepath.Join(filepath.Dir(path), ".new-"+filepath.Base(path))
	removeFile(temporary)
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	f.Close()
	defer func() {
		if err != nil {
			removeFile(temporary)
		}
	}()
	db, c, err := openToWrite(ctx, temporary, "page_size(4096)")
	if err != nil {
		return err
	}
	err = migrate(ctx, c, steps)
	if err = errors.Join(err, closeAll(db, c)); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// removeFile removes a data file with what SQLite keeps beside it.
func removeFile(path string) error {
	err := os.Remove(path)
	for _, suffix := range sidecars() {
		_ = os.Remove(path + suffix)
	}
	return err
}

// sidecars are the ends of the names of what SQLite keeps beside a file.
func sidecars() []string { return []string{"-wal", "-shm", "-journal"} }

// sizeOf returns the bytes of a file and what SQLite keeps beside it.
func sizeOf(path string) int64 {
	var n int64
	for _, suffix := range append(sidecars(), "") {
		if info, err := os.Stat(path + suffix); err == nil {
			n += info.Size()
		}
	}
	return n
}

// seal makes one file of a data file and its WAL, and writes what readers
// would have to search for. Nobody else may have the file open.
func seal(ctx context.Context, c *sql.Conn, sources []source) error {
	if err := execAll(ctx, c, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, s := range sources {
		_, err := c.ExecContext(ctx, "UPDATE sources SET min_end = ?, max_end = ?, max_duration = ? WHERE id = ?", s.minEnd, s.maxEnd, s.maxDuration, s.id)
		if err != nil {
			_ = execAll(ctx, c, "ROLLBACK")
			return err
		}
	}
	if err := execAll(ctx, c, "COMMIT"); err != nil {
		return err
	}
	var busy, log, done int
	if err := c.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &done); err != nil {
		return err
	}
	var mode string
	if err := c.QueryRowContext(ctx, "PRAGMA journal_mode = DELETE").Scan(&mode); err != nil {
		return err
	}
	if mode != "delete" {
		return fmt.Errorf("journal mode is %s, want delete", mode)
	}
	return nil
}

// readSources reads the sources of a file, with their bounds.
func readSources(ctx context.Context, c *sql.Conn, schemaOf func(text string) (*schemaRef, error)) ([]source, error) {
	rows, err := c.QueryContext(ctx, `SELECT s.id, x.schema, s.service, s.min_end, s.max_end, s.max_duration FROM sources s JOIN schemas x ON x.id = s.schema ORDER BY s.id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []source
	known := make(map[int64]bool)
	for rows.Next() {
		var s source
		var text string
		var service []byte
		var minEnd, maxEnd, maxDuration sql.NullInt64
		if err := rows.Scan(&s.id, &text, &service, &minEnd, &maxEnd, &maxDuration); err != nil {
			return nil, err
		}
		if s.schema, err = schemaOf(text); err != nil {
			return nil, err
		}
		s.service = string(service)
		if s.id != int64(len(list))+1 {
			return nil, fmt.Errorf("source %d is missing", len(list)+1)
		}
		known[s.id] = minEnd.Valid && maxEnd.Valid && maxDuration.Valid
		s.bounds = bounds{minEnd.Int64, maxEnd.Int64, maxDuration.Int64}
		list = append(list, s)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for i := range list {
		if !known[list[i].id] {
			if err := searchBounds(ctx, c, &list[i]); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// searchBounds looks at the ends of the indices.
func searchBounds(ctx context.Context, c *sql.Conn, s *source) error {
	s.bounds = noBounds()
	var minEnd, maxEnd, maxDuration sql.NullInt64
	err := c.QueryRowContext(ctx, `SELECT (SELECT min("end") FROM events INDEXED BY events_newest WHERE source = ?1),
		(SELECT max("end") FROM events INDEXED BY events_newest WHERE source = ?1),
		(SELECT max(duration) FROM events INDEXED BY events_slowest WHERE source = ?1)`, s.id).Scan(&minEnd, &maxEnd, &maxDuration)
	if err == nil && minEnd.Valid {
		s.bounds = bounds{minEnd.Int64, maxEnd.Int64, maxDuration.Int64}
	}
	return err
}

// codeOf returns SQLite's code of an error, 0 when it is none of SQLite's.
func codeOf(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// isCorrupt says that the contents of a file are not what was written.
func isCorrupt(err error) bool {
	switch code := codeOf(err); {
	case code == sqlite3.SQLITE_IOERR_SHORT_READ:
		return true
	default:
		return code&0xff == sqlite3.SQLITE_CORRUPT || code&0xff == sqlite3.SQLITE_NOTADB || errors.Is(err, errForeign)
	}
}

// isFull says that there is no room on the disk.
func isFull(err error) bool { return codeOf(err)&0xff == sqlite3.SQLITE_FULL || isNoSpace(err) }

var errForeign = errors.New("it is not a file of Goshawk's, or empty")
