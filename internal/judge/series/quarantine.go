package series

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	quarantineDir = "quarantine"
	// maxQuarantined bounds what a disk that goes bad piles up.
	maxQuarantined = 16
)

// Quarantined is a file or folder that was set aside because it is corrupt.
type Quarantined struct {
	// Path is where it is, "" when it could not be kept.
	Path string
	// What is what it was: a file or folder of the directory of series.
	What string
	// Reason says what is wrong with it.
	Reason string
	// At is when it was set aside.
	At time.Time
}

// quarantine is a folder for what is corrupt, and the list of what was put
// there since the start.
type quarantine struct {
	dir string // of the series
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	list []Quarantined
}

// place makes the folder and returns a path in it for what is called what.
func (q *quarantine) place(what string) (string, error) {
	dir := filepath.Join(q.dir, quarantineDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	q.makeRoom(dir)
	name := q.now().UTC().Format("20060102T150405.000000000") + "-" + filepath.Base(what)
	return filepath.Join(dir, name), nil
}

// makeRoom removes the oldest; names begin with their time.
func (q *quarantine) makeRoom(dir string) {
	entries, _ := os.ReadDir(dir) // what cannot be read cannot be removed
	for ; len(entries) >= maxQuarantined; entries = entries[1:] {
		path := filepath.Join(dir, entries[0].Name())
		q.log.Warn("remove the oldest of what was set aside: there is too much", "path", path, "err", os.RemoveAll(path))
	}
}

func (q *quarantine) note(what, path, reason string) {
	q.log.Error("corrupt series were set aside", "dir", q.dir, "what", what, "path", path, "err", reason)
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) >= maxQuarantined {
		q.list = slices.Delete(q.list, 0, 1)
	}
	q.list = append(q.list, Quarantined{Path: path, What: what, Reason: reason, At: q.now()})
}

func (q *quarantine) all() []Quarantined {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.list)
}

// move sets aside the file or folder what, a path in the directory of series;
// there need be none.
func (q *quarantine) move(what, reason string) error {
	from := filepath.Join(q.dir, what)
	if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	to, err := q.place(what)
	if err == nil {
		err = os.Rename(from, to)
	}
	if err != nil {
		return fmt.Errorf("set aside corrupt series: %w", err)
	}
	q.note(what, to, reason)
	return nil
}

// link sets aside a folder that another removes.
func (q *quarantine) link(what, reason string) error {
	to, err := q.place(what)
	if err != nil {
		return err
	}
	from := filepath.Join(q.dir, what)
	err = filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		}
		return os.Link(path, filepath.Join(to, name))
	})
	if err != nil {
		return errors.Join(err, os.RemoveAll(to))
	}
	q.note(what, to, reason)
	return nil
}

// cut sets aside the end of a file from offset on. It is cut off in any case;
// on a full disk it may not be kept.
func (q *quarantine) cut(what string, offset int64, reason string) error {
	f, err := os.OpenFile(filepath.Join(q.dir, what), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("set aside corrupt series: %w", err)
	}
	defer f.Close()
	kept, keepErr := q.keep(io.NewSectionReader(f, offset, 1<<40), what)
	if keepErr != nil {
		q.log.Warn("keep what is set aside", "what", what, "err", keepErr)
	}
	if err := cmp.Or(f.Truncate(offset), f.Sync()); err != nil {
		return fmt.Errorf("cut off corrupt series: %w", err)
	}
	q.note(fmt.Sprintf("%s from byte %d", what, offset), kept, reason)
	return nil
}

func (q *quarantine) keep(r io.Reader, what string) (path string, err error) {
	path, err = q.place(what)
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, r)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(path))
	}
	return path, nil
}
