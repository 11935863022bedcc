package series

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) {
	if args := os.Getenv(childEnv); args != "" {
		fmt.Fprintln(os.Stderr, runChild(args))
		os.Exit(1)
	}
	testutil.NoLeaks(m)
}

// begin is the time of most tests: a full hour.
func begin() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// watch is a wall clock and a monotonic one that are set by hand.
type watch struct {
	mu      sync.Mutex
	wall    time.Time
	elapsed time.Duration
}

func newWatch() *watch { return &watch{wall: begin()} }

func (w *watch) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wall
}

func (w *watch) since() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.elapsed
}

// pass lets time pass, step sets the wall clock only.
func (w *watch) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wall, w.elapsed = w.wall.Add(d), w.elapsed+d
}

func (w *watch) step(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wall = w.wall.Add(d)
}

// openTest opens an engine that is closed with the test. Its clock is w, or
// stands at begin; its rules are evaluated by hand.
func openTest(t testing.TB, w *watch, o Options) *Engine {
	t.Helper()
	if w == nil {
		w = newWatch()
	}
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.Now, o.Elapsed, o.Manual = w.now, w.since, true
	e, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeTest(t, e) })
	return e
}

func closeTest(t testing.TB, e *Engine) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func handle(t testing.TB, e *Engine, metric string, pairs ...Label) *Series {
	t.Helper()
	s, err := e.NewSeries(metric, pairs...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// store commits one sample and expects it to be stored.
func storeOne(t testing.TB, e *Engine, at time.Time, s *Series, value float64) {
	t.Helper()
	b := e.Batch()
	b.Add(s, value)
	if a, err := b.Commit(context.Background(), at); err != nil || a.Stored != 1 {
		t.Fatalf("commit at %v: %+v, %v", at, a, err)
	}
}

func query(t testing.TB, e *Engine, expr string, at time.Time) Vector {
	t.Helper()
	v, err := e.Query(context.Background(), expr, at)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// number returns the value of a vector with one sample.
func number(t testing.TB, e *Engine, expr string, at time.Time) float64 {
	t.Helper()
	v := query(t, e, expr, at)
	if len(v) != 1 {
		t.Fatalf("%s at %v: %v, want one sample", expr, at, v)
	}
	return v[0].Value
}

func wantNumber(t testing.TB, e *Engine, expr string, at time.Time, want float64) {
	t.Helper()
	if got := number(t, e, expr, at); math.Abs(got-want) > 1e-9*math.Max(1, math.Abs(want)) {
		t.Errorf("%s at %v: %v, want %v", expr, at, got, want)
	}
}

// waitFor waits until is is true.
func waitFor(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not so after a minute: %s", what)
		}
	}
}

func rejected(pairs ...any) Rejected {
	var r Rejected
	for pair := range slices.Chunk(pairs, 2) {
		r[pair[0].(Reason)] = uint64(pair[1].(int))
	}
	return r
}
