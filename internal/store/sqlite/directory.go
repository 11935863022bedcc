package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const corruptSuffix = ".corrupt"

// scan reads which files the directory has. Those whose writer was killed are
// completed.
func (s *Store) scan(ctx context.Context) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("read data directory: %w", err)
	}
	for _, entry := range entries {
		path := filepath.Join(s.dir, entry.Name())
		if strings.HasPrefix(entry.Name(), ".new-events-") {
			_ = os.Remove(path)
			continue
		}
		name, ok := parseFileName(entry.Name())
		if !ok || !entry.Type().IsRegular() {
			continue
		}
		f := newFile(s.dir, name)
		if err := s.load(ctx, f); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			s.unusable(f, err)
			continue
		}
		s.files = append(s.files, f)
	}
	slices.SortFunc(s.files, func(a, b *file) int { return cmp.Compare(a.sequence, b.sequence) })
	s.retain()
	return nil
}

func newFile(dir string, name fileName) *file {
	return &file{
		path: filepath.Join(dir, name.String()), name: name.String(), sequence: name.sequence(),
		hour: name.hour, number: name.number,
	}
}

// load reads what is needed of a file to choose it, and seals it unless it can
// be the one that is written.
func (s *Store) load(ctx context.Context, f *file) error {
	db, c, err := openToWrite(ctx, f.path)
	if err != nil {
		return err
	}
	err = func() error {
		version, err := versionOf(ctx, c)
		if err != nil {
			return err
		}
		if version == 0 {
			return errForeign
		}
		if err := migrate(ctx, c, s.options.steps); err != nil {
			return err
		}
		if f.sources, err = readSources(ctx, c, s.schemaOf); err != nil {
			return err
		}
		if s.isCurrent(f, s.options.Now()) {
			return nil
		}
		var mode string
		if err := c.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
			return err
		}
		f.sealed = true
		if mode != "wal" {
			return nil
		}
		if err := seal(ctx, c, f.sources); isCorrupt(err) {
			return err
		} else if err != nil {
			s.logger.Warn("a data file could not be completed", "file", f.path, "cause", err)
		}
		return nil
	}()
	err = errors.Join(err, closeAll(db, c))
	f.bytes = sizeOf(f.path)
	return err
}

// isCurrent says whether events may be written to f at now.
func (s *Store) isCurrent(f *file, now time.Time) bool {
	return f.isOf(now) && sizeOf(f.path) < s.options.fileBytes
}

// isOf says whether now is in the hour of f.
func (f *file) isOf(now time.Time) bool { return f.hour.Equal(now.UTC().Truncate(time.Hour)) }

// unusable says what is wrong with a file: it is set aside when it is corrupt,
// else left where it is.
func (s *Store) unusable(f *file, err error) {
	var newer *newerError
	if isCorrupt(err) {
		s.rename(f, err)
		return
	}
	s.mu.Lock()
	s.stats.Unreadable = append(s.stats.Unreadable, f.name)
	s.mu.Unlock()
	if errors.As(err, &newer) {
		s.logger.Warn("a data file is left alone", "file", f.path, "cause", err)
		return
	}
	s.logger.Error("a data file cannot be read", "file", f.path, "cause", err)
}

// rename sets a file aside.
func (s *Store) rename(f *file, cause error) {
	to := f.path + corruptSuffix
	err := os.Rename(f.path, to)
	for _, suffix := range sidecars() {
		_ = os.Rename(f.path+suffix, to+suffix)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.logger.Error("a corrupt data file cannot be set aside", "file", f.path, "cause", err)
	}
	s.logger.Error("a data file is corrupt and was set aside", "file", to, "cause", cause)
	s.mu.Lock()
	s.stats.SetAside = append(s.stats.SetAside, filepath.Base(to))
	s.mu.Unlock()
}

// setAside takes a corrupt file out of the store. The one that is being
// written is left to the writer, which is told.
func (s *Store) setAside(f *file, cause error) {
	s.mu.Lock()
	if f.dead {
		s.mu.Unlock()
		return
	}
	if !f.sealed {
		f.problem, s.suspect = cause, f
		s.mu.Unlock()
		return
	}
	s.drop(f)
	s.mu.Unlock()
	s.rename(f, cause)
}

// drop takes f out of the list. s.mu is held.
func (s *Store) drop(f *file) {
	f.dead = true
	s.files = slices.DeleteFunc(slices.Clone(s.files), func(other *file) bool { return other == f })
	if f.refs == 0 {
		_ = f.closeHandle()
	}
}

// retain removes the oldest files until the rest is within the budget, and
// those that are too old: what was set aside first.
func (s *Store) retain() {
	now := s.options.Now()
	aside := s.corruptFiles()
	s.mu.Lock()
	defer s.mu.Unlock()
	var total int64
	for _, f := range s.files {
		total += f.bytes
	}
	for _, c := range aside {
		total += c.bytes
	}
	for _, c := range aside {
		if total > s.options.MaxBytes || now.Sub(c.time) > s.options.MaxAge {
			_ = removeFile(c.path)
			total -= c.bytes
		}
	}
	for _, f := range slices.Clone(s.files) {
		if !f.sealed {
			continue
		}
		expired := now.Sub(f.hour.Add(time.Hour)) > s.options.MaxAge
		if total <= s.options.MaxBytes && !expired {
			continue
		}
		if err := removeFile(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.logger.Error("a data file cannot be removed", "file", f.path, "cause", err)
			continue
		}
		total -= f.bytes
		s.drop(f)
		s.logger.Debug("removed a data file", "file", f.path, "bytes", f.bytes, "expired", expired)
	}
}

// corrupt is a file that was set aside, now or by an earlier run.
type corrupt struct {
	path  string
	bytes int64
	time  time.Time
}

func (s *Store) corruptFiles() []corrupt {
	paths, err := filepath.Glob(filepath.Join(escapeGlob(s.dir), "events-*.db"+corruptSuffix))
	if err != nil {
		return nil
	}
	var list []corrupt
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			list = append(list, corrupt{path, sizeOf(path), info.ModTime()})
		}
	}
	return list
}

func escapeGlob(dir string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}

// nextName returns a name that no file of this hour has or had.
func (s *Store) nextName(now time.Time) fileName {
	name := fileName{hour: now.UTC().Truncate(time.Hour)}
	prefix, _, _ := strings.Cut(name.String(), "-0.db")
	entries, _ := os.ReadDir(s.dir)
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), prefix) {
			continue
		}
		base := entry.Name()
		if at := strings.Index(base, ".db"); at >= 0 {
			base = base[:at+len(".db")]
		}
		if other, ok := parseFileName(base); ok {
			name.number = max(name.number, other.number)
		}
	}
	name.number++
	return name
}
