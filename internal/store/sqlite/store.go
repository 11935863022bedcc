package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/platform"
	"github.com/goshawk-io/goshawk/internal/store/keep"
	"golang.org/x/sys/unix"
)

// The defaults of [Options].
const (
	DefaultMaxBytes   = 2 << 30
	DefaultMaxAge     = 72 * time.Hour
	DefaultMaxPending = 64 << 20
)

const (
	// maxFileBytes ends a file before its hour is over.
	maxFileBytes = 256 << 20
	// commitEvery and commitEvents say when what waits is committed.
	commitEvery  = 500 * time.Millisecond
	commitEvents = 2000
	// talliesEvery is how often the sums of tallies are committed when nobody
	// asks: what changes each second for each group would cost five times as
	// much.
	talliesEvery = 5 * time.Second
	// retainEvery is how often old files are looked for.
	retainEvery = 10 * time.Second
	// maxPendingSums bounds the rollups that wait when nothing can be written,
	// those of tallies and the others each.
	maxPendingSums = 50_000
	// maxBatchSums bounds the rollups of one transaction when many wait.
	maxBatchSums = 500
)

// Options sets up a store. The zero value works.
type Options struct {
	// MaxBytes bounds the bytes of all files, about: the oldest is removed
	// when they have more. 0 means [DefaultMaxBytes].
	MaxBytes int64
	// MaxAge is how long after its hour a file is removed; 0 means
	// [DefaultMaxAge].
	MaxAge time.Duration
	// EventsPerSecond and Burst are the budget for events that did not fail,
	// have no findings and are not slow, as in keep.Options.
	EventsPerSecond float64
	Burst           int
	// MaxPending bounds the memory of events that wait to be written, in
	// bytes; 0 means [DefaultMaxPending].
	MaxPending int
	// Now is the clock, nil the system's. It names files and ends them.
	Now func() time.Time
	// Rand chooses what is left out; nil takes a source with a random seed.
	Rand rand.Source
	// Logger gets what goes wrong; nil discards it.
	Logger *slog.Logger

	// For tests: 0 and nil take what the constants and migrations say.
	fileBytes int64
	scan      int
	chunk     int
	few       int
	steps     []migration
	tick      time.Duration
	pragmas   []string
}

func (o Options) withDefaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxAge <= 0 {
		o.MaxAge = DefaultMaxAge
	}
	if o.MaxPending <= 0 {
		o.MaxPending = DefaultMaxPending
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.fileBytes == 0 {
		o.fileBytes = min(maxFileBytes, o.MaxBytes/4)
	}
	if o.scan == 0 {
		o.scan = defaultScan
	}
	if o.chunk == 0 {
		o.chunk = chunkRows
	}
	if o.few == 0 {
		o.few = fewRows
	}
	if o.steps == nil {
		o.steps = migrations()
	}
	if o.tick == 0 {
		o.tick = commitEvery
	}
	return o
}

// Store keeps events in the files of a directory and implements store.Reader.
// It is safe for concurrent use.
type Store struct {
	options Options
	dir     string
	lock    *os.File
	logger  *slog.Logger

	mu      sync.Mutex
	changed *sync.Cond // a file was released or unblocked
	pending pending
	files   []*file // the oldest first
	reads   uint64
	stats   Stats
	schemas map[string]*schemaRef
	live    map[*model.Schema]*schemaRef
	suspect *file // the file that is written, when a reader found it corrupt

	wake    chan struct{}      // there is enough to commit
	flushes chan chan struct{} // answered when what was added is committed
	quit    chan struct{}
	done    chan struct{}
	closed  sync.Once
	err     error // of Close

	writer writer // used by the writer's goroutine only
}

// pending is what was added since the last commit.
type pending struct {
	groups keep.Groups
	sample *keep.Sample
	sums   keep.Sums
	// tallies are the sums of tallied schemas.
	tallies keep.Sums
	bytes   int // of the events in the sample and in batches
	// added counts calls of Add, and tried those that a commit was about, but
	// for tallies.
	added, tried uint64
}

// Stats is the state of a store, for people and for metrics.
type Stats struct {
	// Dir is the directory.
	Dir string
	// Files and Bytes are those of the data files, with what was set aside.
	Files int
	Bytes int64
	// Oldest is the end of the oldest event, or the begin of the oldest file's
	// hour where that is not known; zero without files.
	Oldest time.Time
	// Kept counts the events that were written, LeftOut those that sampling
	// left out; Dropped those that were lost, by the reason.
	Kept, LeftOut uint64
	Dropped       map[string]uint64
	// Waiting is how many events wait to be written.
	Waiting int
	// Error says why the last commit failed, empty when it did not.
	Error string
	// SetAside are files that were found corrupt and renamed, and Unreadable
	// those of a later version; both since the store was opened.
	SetAside, Unreadable []string
}

// The reasons for which events are dropped.
const (
	droppedFull   = "disk_full"
	droppedBehind = "writer_behind"
	droppedError  = "write_error"
	droppedClosed = "closed"
)

// Open opens the store in dir, makes the directory when it is not there, and
// starts its writer. Another process that has it open is a [LockedError]. A
// file that cannot be read is no error: see [Store.Stats]. The caller closes
// the store.
func Open(ctx context.Context, dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return nil, fmt.Errorf("write to data directory %s: %w", dir, err)
	}
	held, err := platform.LockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		options: o, dir: dir, lock: held, logger: o.Logger,
		schemas: make(map[string]*schemaRef), live: make(map[*model.Schema]*schemaRef),
		wake: make(chan struct{}, 1), flushes: make(chan chan struct{}), quit: make(chan struct{}), done: make(chan struct{}),
	}
	s.changed = sync.NewCond(&s.mu)
	s.stats.Dropped = make(map[string]uint64)
	s.pending.sample = keep.NewSample(keep.Options{EventsPerSecond: o.EventsPerSecond, Burst: o.Burst, Rand: o.Rand}, o.Now())
	s.writer.store = s
	if err := s.scan(ctx); err != nil {
		held.Close()
		return nil, err
	}
	go s.writer.run()
	return s, nil
}

// Add keeps e, which must not change any more; it is part of the answers to
// what is asked afterwards. It does not wait for the disk. A tally adds to the
// rollups only; an event that is not complete is left out.
func (s *Store) Add(e *model.Event) {
	if e.Phase != model.PhaseEnd && !e.Counts() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.pending
	if p.sample == nil {
		s.stats.Dropped[droppedClosed]++
		return
	}
	g := p.groups.Of(e)
	sums := &p.sums
	if e.Schema.Tallied {
		sums = &p.tallies
	}
	sums.Add(e, g)
	if sums.Len() > maxPendingSums {
		sums.Forget(maxPendingSums / 2)
	}
	p.added++
	if e.Phase == model.PhaseTally {
		return
	}
	size := e.Bytes()
	if p.bytes+size > s.options.MaxPending && p.bytes > 0 {
		s.stats.Dropped[s.dropReason()]++
		return
	}
	p.bytes += size
	if out := p.sample.Add(e, g); out != nil {
		p.bytes -= out.Bytes()
	}
	if p.sample.Keeps() >= commitEvents {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// dropReason says why there is no room for an event. s.mu is held.
func (s *Store) dropReason() string {
	switch {
	case s.stats.Error == "":
		return droppedBehind
	case s.writer.full.Load():
		return droppedFull
	}
	return droppedError
}

// flush waits until what was added is committed, or could not be.
func (s *Store) flush(ctx context.Context) error {
	s.mu.Lock()
	tried := s.pending.tried == s.pending.added && s.pending.tallies.Len() == 0 && s.suspect == nil
	s.mu.Unlock()
	if tried {
		return ctx.Err()
	}
	answer := make(chan struct{})
	select {
	case s.flushes <- answer:
	case <-s.done:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-answer:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// Stats returns the state of the store.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Dir = s.dir
	stats.Dropped = make(map[string]uint64, len(s.stats.Dropped))
	for reason, n := range s.stats.Dropped {
		stats.Dropped[reason] = n
	}
	stats.Files = len(s.files)
	for _, f := range s.files {
		stats.Bytes += f.bytes
	}
	if len(s.files) > 0 {
		stats.Oldest = s.files[0].begin()
	}
	if s.pending.sample != nil {
		stats.Waiting += s.pending.sample.Len()
	}
	return stats
}

// Close commits what was added, closes all files and gives the directory free.
// Questions that are being answered are waited for; later ones have no answer.
func (s *Store) Close() error {
	s.closed.Do(func() {
		close(s.quit)
		<-s.done
		s.mu.Lock()
		s.pending.sample = nil
		for _, f := range slices.Clone(s.files) {
			for f.refs > 0 {
				s.changed.Wait()
			}
			f.dead = true
			s.err = errors.Join(s.err, f.closeHandle())
		}
		s.files = nil
		s.mu.Unlock()
		s.err = errors.Join(s.err, s.lock.Close())
	})
	return s.err
}

// schemaOf returns the schema with this text, the live one when it is equal.
func (s *Store) schemaOf(text string) (*schemaRef, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ref := s.schemas[text]; ref != nil {
		return ref, nil
	}
	schema, err := unmarshalSchema(text)
	if err != nil {
		return nil, err
	}
	ref := &schemaRef{text: text}
	ref.schema.Store(schema)
	s.schemas[text] = ref
	return ref, nil
}

// refOf returns what files know a live schema by.
func (s *Store) refOf(schema *model.Schema) (*schemaRef, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ref := s.live[schema]; ref != nil {
		return ref, nil
	}
	text, err := marshalSchema(schema)
	if err != nil {
		return nil, err
	}
	ref := s.schemas[text]
	if ref == nil {
		ref = &schemaRef{text: text}
		s.schemas[text] = ref
	}
	ref.schema.Store(schema)
	if len(s.live) > 1000 {
		clear(s.live)
	}
	s.live[schema] = ref
	return ref, nil
}
