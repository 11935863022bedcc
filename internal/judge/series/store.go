package series

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"
	"golang.org/x/sys/unix"
)

const (
	// segmentBytes bounds what a damaged log loses: an hour of 1,600 series
	// at 30 s is 1 MiB.
	segmentBytes = 4 << 20
	// reloadInterval is how often blocks are looked at: for their age, and for
	// what was found to be damaged.
	reloadInterval = time.Minute
	// stripes is for 20,000 series; the library's own is for millions.
	stripes = 1 << 10
	// reopenPause is between attempts to open a store again.
	reopenPause = 5 * time.Second
	// probeBytes must be writable before a store is opened again.
	probeBytes = 1 << 20
)

// opening is one life of the store: references to series are good for it only.
type opening struct{ _ byte }

// store is the library's database in a directory, opened again after the log
// could not be written.
type store struct {
	opts    *Options
	log     *slog.Logger
	census  *census
	damaged *damaged
	aside   *quarantine

	wounded atomic.Bool // the log may end in half a record

	mu       sync.RWMutex // held to read while db is used
	db       *tsdb.DB     // nil while it cannot be opened, and after close
	opened   *opening
	closed   bool
	openings int
	retry    time.Duration // Options.Elapsed before which it is not opened again
}

// open opens the database, setting aside what is corrupt. The caller holds mu,
// or has the store alone.
func (s *store) open() error {
	s.census.head.Store(nil)
	if err := s.salvage(); err != nil {
		return err
	}
	db, err := tsdb.Open(s.opts.Dir, s.log, nil, s.options(), nil)
	// Each step gives up more, and is for damage that salvage does not know.
	for _, give := range []func(string) error{s.giveUpLog, s.giveUpBlocks} {
		if err == nil || isEnvironment(err) {
			break
		}
		if giveErr := give(err.Error()); giveErr != nil {
			return errors.Join(err, giveErr)
		}
		db, err = tsdb.Open(s.opts.Dir, s.log, nil, s.options(), nil)
	}
	if err != nil {
		return err
	}
	s.damaged.opened(db)
	s.census.opened(db.Head())
	s.db, s.opened = db, new(opening)
	s.openings++
	return nil
}

func (s *store) options() *tsdb.Options {
	o := tsdb.DefaultOptions()
	o.NoLockfile = true // ours names the holder
	o.RetentionDuration = s.opts.Retention.Milliseconds()
	o.MaxBytes = s.opts.MaxBytes
	o.MinBlockDuration = tsdb.DefaultBlockDuration
	o.MaxBlockDuration = 27 * tsdb.DefaultBlockDuration // 54 h, after 6 h and 18 h
	o.WALSegmentSize = s.opts.segmentBytes
	o.WALCompression = compression.Snappy
	o.StripeSize = stripes
	o.SeriesLifecycleCallback = s.census
	o.BlocksToDelete = s.damaged.blocksToDelete
	o.BlockQuerierFunc = s.damaged.querier
	o.BlockReloadInterval = s.opts.reload
	return o
}

// isEnvironment is true of errors that setting files aside does not mend.
func isEnvironment(err error) bool {
	for _, e := range []error{fs.ErrPermission, unix.EROFS, unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EIO} {
		if errors.Is(err, e) {
			return true
		}
	}
	return isFull(err)
}

func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}

// wound notes that the log could not be written. It is in no state to go on
// with: what follows half a record cannot be read again.
func (s *store) wound(err error) {
	if !s.wounded.Swap(true) {
		s.log.Error("write the log of series; samples are refused until it can be written", "dir", s.opts.Dir, "err", err)
	}
}

// writable returns the database, to be used until release is called, or says
// why it takes no samples.
func (s *store) writable() (db *tsdb.DB, release func(), err error) {
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return nil, nil, ErrClosed
	}
	if s.db == nil || s.wounded.Load() {
		s.mu.RUnlock()
		if err := s.reopen(); err != nil {
			return nil, nil, err
		}
		s.mu.RLock()
	}
	if s.db == nil {
		err = ErrClosed
	} else {
		err = s.room()
	}
	if err != nil {
		s.mu.RUnlock()
		return nil, nil, err
	}
	return s.db, s.mu.RUnlock, nil
}

// room says whether the disk has room for more than what it must keep free.
func (s *store) room() error {
	if s.opts.MinFree < 0 {
		return nil
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(s.opts.Dir, &stat); err != nil {
		return fmt.Errorf("%w: statfs %s: %w", ErrDisk, s.opts.Dir, err)
	}
	if free := int64(stat.Bavail) * stat.Bsize; free < s.opts.MinFree {
		return fmt.Errorf("%w: %s: %d bytes are free, %d must be", ErrDisk, s.opts.Dir, free, s.opts.MinFree)
	}
	return nil
}

// reopen closes and opens the database, once the disk takes writes.
func (s *store) reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch now := s.opts.Elapsed(); {
	case s.closed:
		return ErrClosed
	case s.db != nil && !s.wounded.Load():
		return nil // another did it
	case now < s.retry:
		return fmt.Errorf("%w: %s: it is opened again in %v", ErrDisk, s.opts.Dir, s.retry-now)
	}
	if err := s.room(); err != nil {
		return err
	}
	if err := s.probe(); err != nil {
		return fmt.Errorf("%w: %w", ErrDisk, err)
	}
	if s.db != nil {
		if err := s.db.Close(); err != nil {
			s.log.Warn("close series to open them again", "dir", s.opts.Dir, "err", err)
		}
		s.db = nil
	}
	s.wounded.Store(false)
	if err := s.open(); err != nil {
		s.retry = s.opts.Elapsed() + reopenPause
		s.log.Error("open series again", "dir", s.opts.Dir, "err", err)
		return fmt.Errorf("%w: open %s again: %w", ErrDisk, s.opts.Dir, err)
	}
	s.log.Warn("series were opened again", "dir", s.opts.Dir)
	return nil
}

// probe writes a file and removes it.
func (s *store) probe() error {
	f, err := os.CreateTemp(s.opts.Dir, "probe-*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(make([]byte, probeBytes))
	return errors.Join(err, f.Close())
}

// close closes the database for good.
func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.db == nil {
		return nil
	}
	err := s.db.Close()
	s.db = nil
	return err
}

// Querier implements the library's interface of what can be queried. The
// database stays open until the querier is closed.
func (s *store) Querier(mint, maxt int64) (storage.Querier, error) {
	s.mu.RLock()
	if s.db == nil {
		closed := s.closed
		s.mu.RUnlock()
		if closed {
			return nil, ErrClosed
		}
		return nil, fmt.Errorf("%w: series in %s are not open", ErrDisk, s.opts.Dir)
	}
	q, err := s.db.Querier(mint, maxt)
	if err != nil {
		s.mu.RUnlock()
		return nil, err
	}
	return &heldQuerier{Querier: q, release: sync.OnceFunc(s.mu.RUnlock)}, nil
}

type heldQuerier struct {
	storage.Querier
	release func()
}

func (q *heldQuerier) Close() error {
	defer q.release()
	return q.Querier.Close()
}

// size returns what the database takes on disk, and its blocks' times.
func (s *store) size() (bytes int64, blocks int, oldest, newest time.Time) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return 0, 0, oldest, newest
	}
	head := s.db.Head()
	bytes = head.Size()
	low, high := head.MinTime(), head.MaxTime()
	empty := low > high
	for _, b := range s.db.Blocks() {
		meta := b.Meta()
		bytes += b.Size()
		blocks++
		if empty {
			low, high, empty = meta.MinTime, meta.MaxTime-1, false
		}
		low, high = min(low, meta.MinTime), max(high, meta.MaxTime-1)
	}
	if empty {
		return bytes, blocks, oldest, newest
	}
	return bytes, blocks, time.UnixMilli(low).UTC(), time.UnixMilli(high).UTC()
}

// newest returns the time of the newest sample, zero for none.
func (s *store) newest() time.Time {
	_, _, _, newest := s.size()
	return newest
}

// health returns how often the database was opened again, and whether it takes
// samples as far as is known.
func (s *store) health() (reopened int, writable bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return max(s.openings-1, 0), s.db != nil && !s.wounded.Load() && s.room() == nil
}
