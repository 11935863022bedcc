package series

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/goshawk-io/goshawk/internal/platform"
)

// Engine keeps series, answers queries and evaluates rules. It is safe for
// concurrent use.
type Engine struct {
	opts   Options
	log    *slog.Logger
	last   *lastError
	clock  *clock
	held   *os.File // the lock of the directory
	store  *store
	counts counts

	commitMu sync.Mutex
	commits  uint64 // guarded by commitMu, as are the series of a commit

	parser parser.Parser
	promql *promql.Engine
	turns  chan struct{} // has a place for each query that may run
	rules  *rules

	closeOnce sync.Once
	closeErr  error
}

// Open opens the directory o.Dir, reading its log again, and begins to evaluate
// rules once there are some. It returns a [platform.LockedError] when a process has the
// directory open. Damaged files are set aside and are no error. When the disk
// is full, the engine waits for room and refuses samples and queries until then.
func Open(ctx context.Context, o Options) (*Engine, error) {
	if o.Dir == "" {
		return nil, errors.New("open series: no directory is named")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open series: %w", err)
	}
	held, err := platform.LockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	e := newEngine(o.withDefaults(), held)
	if err := e.store.open(); isFull(err) {
		e.store.wound(err)
	} else if err != nil {
		held.Close()
		return nil, fmt.Errorf("open series: %s: %w", o.Dir, err)
	}
	if newest := e.store.newest(); newest.After(e.clock.limit()) {
		e.log.Error("series end ahead of the clock, and those that do take no samples until then", "dir", o.Dir, "newest", newest)
	}
	e.rules = newRules(e)
	return e, nil
}

func newEngine(o Options, held *os.File) *Engine {
	last := &lastError{}
	e := &Engine{
		opts:   o,
		log:    slog.New(journal{o.Log.Handler(), last}),
		last:   last,
		clock:  newClock(o.Now, o.Elapsed, o.MaxAhead),
		held:   held,
		parser: parser.NewParser(parser.Options{}),
		turns:  make(chan struct{}, o.MaxQueries),
	}
	aside := &quarantine{dir: o.Dir, log: e.log, now: o.Now}
	e.store = &store{
		opts:    &e.opts,
		log:     e.log,
		aside:   aside,
		census:  &census{maxSeries: o.MaxSeries, maxHistograms: o.MaxHistograms},
		damaged: &damaged{aside: aside, log: e.log, blocks: map[ulid.ULID]string{}, linked: map[ulid.ULID]bool{}},
	}
	e.promql = promql.NewEngine(promql.EngineOpts{
		Logger:        e.log,
		MaxSamples:    o.MaxSamples,
		Timeout:       o.QueryTimeout,
		LookbackDelta: o.Lookback,
		Parser:        e.parser,
		NoStepSubqueryIntervalFn: func(int64) int64 {
			return o.RuleInterval.Milliseconds()
		},
		EnableAtModifier:     true,
		EnableNegativeOffset: true,
	})
	return e
}

// Close ends the evaluation of rules, waits for what runs, and closes the
// directory. What is committed is kept. Closing again does nothing.
func (e *Engine) Close() error {
	e.closeOnce.Do(func() {
		e.rules.close()
		if err := errors.Join(e.store.close(), e.held.Close()); err != nil {
			e.closeErr = fmt.Errorf("close series: %s: %w", e.opts.Dir, err)
		}
	})
	return e.closeErr
}

// counts are of samples, since the engine was opened.
type counts struct {
	mu       sync.Mutex
	stored   uint64
	rejected Rejected
}

func (c *counts) add(a Appended) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stored += uint64(a.Stored)
	for i, n := range a.Rejected {
		c.rejected[i] += n
	}
}

func (c *counts) get() (stored uint64, rejected Rejected) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stored, c.rejected
}

// Stats is what an engine holds and what went wrong since it was opened.
type Stats struct {
	// Series and Histograms are in memory: those with a sample in the last one
	// to three hours. Histograms are those appended to since the start.
	Series, Histograms int
	// Stored are samples that were stored, the results of rules included, and
	// Rejected those that were not.
	Stored   uint64
	Rejected Rejected
	// Bytes is what the directory takes on disk, without what is in
	// quarantine; Blocks is in how many blocks, besides the log.
	Bytes  int64
	Blocks int
	// Oldest and Newest are the times of samples, zero when there is none.
	Oldest, Newest time.Time
	// Quarantined is what was set aside, the last 16.
	Quarantined []Quarantined
	// Reopened counts how often the store was opened again after the log could
	// not be written. Writable is false from then until it was.
	Reopened int
	Writable bool
	// Rules is about their evaluation.
	Rules RuleStats
	// LastError is the last error of the store or of its rules, "" for none,
	// and LastErrorAt its time.
	LastError   string
	LastErrorAt time.Time
}

// Stats returns what is so now. It looks at the sizes of files.
func (e *Engine) Stats() Stats {
	s := Stats{Quarantined: e.store.aside.all(), Rules: e.rules.stats()}
	s.Series, s.Histograms = e.store.census.count()
	s.Stored, s.Rejected = e.counts.get()
	s.Bytes, s.Blocks, s.Oldest, s.Newest = e.store.size()
	s.Reopened, s.Writable = e.store.health()
	s.LastError, s.LastErrorAt = e.last.get()
	return s
}
