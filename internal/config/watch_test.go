package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// watched is a watcher whose clock the test moves and whose looks it asks for.
type watched struct {
	*Watcher
	t     *testing.T
	now   time.Time
	calls []string
	errs  map[string]error // by the name of a resource, what its applier returns
	log   strings.Builder
}

// follow watches paths. The clock is behind the files' changes, as if they were
// all young.
func follow(t *testing.T, paths ...string) *watched {
	t.Helper()
	w := &watched{t: t, now: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), errs: make(map[string]error)}
	watcher, err := NewWatcher(WatchOptions{
		Paths: paths, Load: options(), Now: func() time.Time { return w.now }, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Watcher = watcher
	return w
}

// look is a tick, or a signal.
func (w *watched) look(signal bool) {
	w.now = w.now.Add(pollEvery)
	w.poll(w.t.Context(), signal, map[string]Applier{KindProbe: func(_ context.Context, name string, old, new *Config) error {
		w.calls = append(w.calls, fmt.Sprintf("%s %d->%d", name, old.Probe(name).Routes.Limit, new.Probe(name).Routes.Limit))
		return w.errs[name]
	}})
}

func (w *watched) looks(n int) {
	for range n {
		w.look(false)
	}
}

// want compares generation, state, limit of routes in force, states of
// resources, and the calls of the applier since the last time.
func (w *watched) want(generation uint64, state string, limit int, resources, calls string) {
	w.t.Helper()
	s := w.Status()
	var states []string
	for _, r := range s.Resources {
		states = append(states, r.Name+" "+r.State)
	}
	got := fmt.Sprintf("generation %d %s, limit %d, resources [%s], calls [%s]", s.Generation, s.State, w.Config().Probe("http").Routes.Limit, strings.Join(states, ", "), strings.Join(w.calls, ", "))
	want := fmt.Sprintf("generation %d %s, limit %d, resources [%s], calls [%s]", generation, state, limit, resources, calls)
	if got != want {
		w.t.Errorf("got  %s\nwant %s", got, want)
	}
	if (len(s.Errors) > 0) != (state == StateRejected) || s.RejectedAt.IsZero() == (state == StateRejected) {
		w.t.Errorf("errors %v, rejected at %v", s.Errors, s.RejectedAt)
	}
	w.calls = nil
}

func limited(n int) string { return probeFile("http", fmt.Sprintf("  routes: {limit: %d}\n", n)) }

func TestWatcher_followsAFile(t *testing.T) {
	file := filepath.Join(write(t, "a.yaml", limited(1)), "a.yaml")
	w := follow(t, file)
	w.want(1, StateOK, 1, "http applied", "")
	w.looks(3)
	w.want(1, StateOK, 1, "http applied", "")

	put(t, file, limited(2))
	w.look(false)
	w.want(1, StateOK, 1, "http applied", "") // it may still be written
	w.look(false)
	w.want(2, StateOK, 2, "http applied", "http 1->2")

	put(t, file, limited(3))
	w.look(true)
	w.want(3, StateOK, 3, "http applied", "http 2->3")

	put(t, file, "# a comment\n"+limited(3))
	w.looks(2)
	w.want(4, StateOK, 3, "http applied", "")
	if s := w.Status(); s.Hash != w.Config().Hash() || !s.LoadedAt.Equal(w.now) || !slices.Equal(s.Files, []string{file}) {
		t.Errorf("got %+v", s)
	}
}

func TestWatcher_waitsForAFileThatIsWritten(t *testing.T) {
	file := filepath.Join(write(t, "a.yaml", limited(1)), "a.yaml")
	w := follow(t, file)
	for n := range 5 {
		put(t, file, limited(100+n))
		w.look(false)
	}
	w.want(1, StateOK, 1, "http applied", "")
	put(t, file, "")
	w.look(false)
	put(t, file, limited(2))
	w.looks(2)
	w.want(2, StateOK, 2, "http applied", "http 1->2")
}

func TestWatcher_keepsWhatWasInForce(t *testing.T) {
	other := probeFile("exec", "  enabled: false\n") + "---\n" + limited(7)
	tests := []struct {
		name  string
		spoil func(file string) error
		want  string
	}{
		{"a bad value", func(file string) error {
			return os.WriteFile(file, []byte(other+"---\n"+probeFile("tcp", "  enabled: 1\n")), 0o600)
		}, "a.yaml:20:12: spec.enabled: 1: is a number, not true or false"},
		{"no YAML", func(file string) error { return os.WriteFile(file, []byte(other+"["), 0o600) }, "is no YAML"},
		{"nothing", func(file string) error { return os.Truncate(file, 0) }, "a.yaml: is empty"},
		{"removed", os.Remove, "a.yaml: no such file or directory"},
		{"a folder in its place", func(file string) error {
			return errors.Join(os.Remove(file), os.Mkdir(file, 0o700))
		}, "a.yaml: the folder has no *.yaml file"},
		{"a pipe in its place", func(file string) error {
			return errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o600))
		}, "a.yaml: is a pipe"},
		{"too large", func(file string) error { return os.Truncate(file, 100<<20) }, "a.yaml: is larger than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(write(t, "a.yaml", limited(1)), "a.yaml")
			w := follow(t, file)
			before := w.Config()
			if err := tt.spoil(file); err != nil {
				t.Fatal(err)
			}
			w.looks(5)
			w.want(1, StateRejected, 1, "http applied", "")
			s := w.Status()
			if !strings.Contains(s.Errors.Error(), tt.want) || s.OK() {
				t.Errorf("the errors are %v, want %s", s.Errors, tt.want)
			}
			if w.Config() != before {
				t.Error("the configuration in force is another")
			}
			if n := strings.Count(w.log.String(), "is rejected"); n != 1 {
				t.Errorf("it is in the log %d times:\n%s", n, w.log.String())
			}
			w.look(true)
			if n := strings.Count(w.log.String(), "is rejected"); n != 2 {
				t.Errorf("after the signal it is in the log %d times", n)
			}

			if err := errors.Join(os.RemoveAll(file), os.WriteFile(file, []byte(limited(1)), 0o600)); err != nil {
				t.Fatal(err)
			}
			w.look(false)
			w.want(1, StateOK, 1, "http applied", "") // the same is in force again
			if err := tt.spoil(file); err != nil {
				t.Fatal(err)
			}
			w.looks(2)
			w.want(1, StateRejected, 1, "http applied", "") // for the same reason again
			if err := os.RemoveAll(file); err != nil {
				t.Fatal(err)
			}
			put(t, file, limited(2))
			w.looks(2)
			w.want(2, StateOK, 2, "http applied", "http 1->2")
		})
	}
}

// TestWatcher_followsAConfigMap swaps the link ..data, as Kubernetes does, with
// a clock on which all files are old: only what a link leads to has changed.
func TestWatcher_followsAConfigMap(t *testing.T) {
	dir := t.TempDir()
	swap := func(version string, text string) {
		t.Helper()
		folder := filepath.Join(dir, ".."+version)
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(folder, "goshawk.yaml"), text)
		if err := errors.Join(os.Symlink(".."+version, filepath.Join(dir, "..data_tmp")), os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))); err != nil {
			t.Fatal(err)
		}
	}
	swap("2026_01", limited(1))
	if err := os.Symlink("..data/goshawk.yaml", filepath.Join(dir, "goshawk.yaml")); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"folder": dir, "file": filepath.Join(dir, "goshawk.yaml")} {
		t.Run(name, func(t *testing.T) {
			w := follow(t, path)
			limit := w.Config().Probe("http").Routes.Limit
			w.now = time.Now().Add(time.Hour)
			w.looks(3)
			swap("2026_02_"+name, limited(limit+1))
			w.looks(2)
			w.want(2, StateOK, limit+1, "http applied", fmt.Sprintf("http %d->%d", limit, limit+1))
		})
	}
}

// TestWatcher_readsYoungFilesAlways looks at a file whose next change may have
// the same time stamp.
func TestWatcher_readsYoungFilesAlways(t *testing.T) {
	w := follow(t, filepath.Join(write(t, "a.yaml", limited(1)), "a.yaml"))
	for range 3 {
		w.look(false)
		if !w.readAt.Equal(w.now) {
			t.Errorf("it was read at %s, want %s", w.readAt, w.now)
		}
	}
}

// TestWatcher_readsOldFilesRarely looks at a file whose change is long ago: it
// is not read until it must be.
func TestWatcher_readsOldFilesRarely(t *testing.T) {
	file := filepath.Join(write(t, "a.yaml", limited(1)), "a.yaml")
	w := follow(t, file)
	w.now = time.Now().Add(time.Hour)
	w.look(false)
	at := w.readAt
	w.looks(int(readEvery/pollEvery) - 1)
	if !w.readAt.Equal(at) {
		t.Errorf("it was read after %s", w.readAt.Sub(at))
	}
	w.look(false)
	if got := w.readAt.Sub(at); got != readEvery {
		t.Errorf("it was read after %s, want %s", got, readEvery)
	}
}

func TestWatcher_appliers(t *testing.T) {
	broken := errors.New("the map is full")
	restart := fmt.Errorf("the limit: %w", ErrNeedsRestart)
	file := filepath.Join(write(t, "a.yaml", limited(1)), "a.yaml")
	w := follow(t, file)
	change := func(text string) { t.Helper(); put(t, file, text); w.look(true) }

	w.errs["http"] = broken
	change(limited(2))
	w.want(2, StateOK, 2, "http error", "http 1->2")
	s := w.Status()
	if s.OK() || s.Resources[0].Message != "the map is full" {
		t.Errorf("got %+v", s)
	}
	w.looks(int(retryEvery/pollEvery) - 1)
	w.want(2, StateOK, 2, "http error", "")
	w.look(false)
	w.want(2, StateOK, 2, "http error", "http 1->2") // tried again
	w.look(true)
	w.want(2, StateOK, 2, "http error", "http 1->2") // the signal tries again

	w.errs["http"] = restart
	change(limited(3))
	w.want(3, StateOK, 3, "http pending-restart", "http 1->3")
	s = w.Status()
	if !s.OK() || !strings.Contains(s.Resources[0].Message, "the limit: takes effect") {
		t.Errorf("got %+v", s)
	}
	w.now = w.now.Add(time.Hour)
	w.look(true)
	w.want(3, StateOK, 3, "http pending-restart", "") // nothing to try
	change("# gone\n")
	w.want(4, StateOK, 200, "http pending-restart", "http 1->200")
	change(limited(1))
	w.want(5, StateOK, 1, "http applied", "") // as it runs

	w.errs["http"] = nil
	change(limited(4))
	w.want(6, StateOK, 4, "http applied", "http 1->4")
	change("# gone\n")
	w.want(7, StateOK, 200, "", "http 4->200")
	change(probeFile("exec", "  enabled: true\n"))
	w.want(8, StateOK, 200, "exec applied", "") // the default says the same
	w.errs["http"] = restart
	change(limited(5))
	w.want(9, StateOK, 5, "http pending-restart", "http 200->5")
	change("# gone\n")
	w.want(10, StateOK, 200, "", "")
}

func TestWatcher_aKindWithoutApplierNeedsARestart(t *testing.T) {
	file := filepath.Join(write(t, "a.yaml", limited(1)), "a.yaml")
	w := follow(t, file)
	put(t, file, limited(2))
	w.poll(t.Context(), true, nil)
	w.want(2, StateOK, 2, "http pending-restart", "")
}

func TestWatcher_triesAgainWhileRejected(t *testing.T) {
	file := filepath.Join(write(t, "a.yaml", limited(1)), "a.yaml")
	w := follow(t, file)
	w.errs["http"] = errors.New("not now")
	put(t, file, limited(2))
	w.looks(2)
	w.want(2, StateOK, 2, "http error", "http 1->2")
	put(t, file, "[")
	w.looks(2)
	w.errs["http"] = nil
	w.now = w.now.Add(retryEvery)
	w.look(false)
	w.want(2, StateRejected, 2, "http applied", "http 1->2")
}

func TestNewWatcher_refusesABadBegin(t *testing.T) {
	dir := write(t, "a.yaml", "[")
	w, err := NewWatcher(WatchOptions{Paths: []string{dir}})
	if got := problems(t, err, dir); w != nil || len(got) != 1 {
		t.Errorf("watcher %v, errors %q", w, got)
	}
}

func TestWatcher_withoutPaths(t *testing.T) {
	w := follow(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.Run(ctx, nil)
	w.want(0, StateOK, 200, "", "")
	if s := w.Status(); !s.LoadedAt.IsZero() || s.Hash != "" {
		t.Errorf("got %+v", s)
	}
}

// TestWatcher_Run drives the loop by its channels. A channel without buffer is
// received from only when the loop is done with what came before.
func TestWatcher_Run(t *testing.T) {
	file := filepath.Join(write(t, "a.yaml", limited(1)), "a.yaml")
	ticks, reload := make(chan time.Time), make(chan os.Signal)
	w, err := NewWatcher(WatchOptions{Paths: []string{file}, Load: options(), Ticks: ticks, Reload: reload})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	applied := make(chan int, 10)
	go func() {
		defer close(done)
		w.Run(ctx, map[string]Applier{KindProbe: func(_ context.Context, name string, _, new *Config) error {
			applied <- new.Probe(name).Routes.Limit
			return nil
		}})
	}()
	put(t, file, limited(2))
	for range 3 {
		ticks <- time.Time{}
	}
	if got := <-applied; got != 2 {
		t.Errorf("the ticks applied %d, want 2", got)
	}
	put(t, file, limited(3))
	reload <- syscall.SIGHUP
	if got := <-applied; got != 3 || w.Config().Probe("http").Routes.Limit != 3 {
		t.Errorf("the signal applied %d, want 3", got)
	}
	// Readers meet the writer, for the race detector.
	for range 100 {
		put(t, file, limited(4))
		ticks <- time.Time{}
		w.Status()
		w.Config().Probe("http")
	}
	cancel()
	<-done
}

// TestWatcher_neverShowsHalfAConfiguration changes two resources together,
// right and wrong by turns: what is in force has both of one version.
func TestWatcher_neverShowsHalfAConfiguration(t *testing.T) {
	file := filepath.Join(write(t, "a.yaml", limited(1)), "a.yaml")
	w := follow(t, file)
	for n := 1; n <= 1000; n++ {
		text := fmt.Sprintf("%s---\n%s", limited(n), probeFile("exec", fmt.Sprintf("  enabled: %t\n", n%4 == 2)))
		if n%2 == 1 {
			text += "---\nkind: [\n"
		}
		put(t, file, text)
		w.look(true)
		c := w.Config()
		if limit := c.Probe("http").Routes.Limit; limit > 1 && (limit%2 == 1 || c.Probe("exec").Enabled != (limit%4 == 2)) {
			t.Fatalf("after %d changes the limit is %d and exec is %t", n, limit, c.Probe("exec").Enabled)
		}
	}
	if got := w.Status().Generation; got != 501 {
		t.Errorf("generation %d, want 501", got)
	}
}

func BenchmarkWatcher_look(b *testing.B) {
	dir := b.TempDir()
	file := filepath.Join(dir, "a.yaml")
	if err := os.WriteFile(file, []byte(Example(options().Probes)), 0o600); err != nil {
		b.Fatal(err)
	}
	for name, ahead := range map[string]time.Duration{"old": time.Hour, "young": -time.Hour} {
		b.Run(name, func(b *testing.B) {
			now := time.Now().Add(ahead)
			w, err := NewWatcher(WatchOptions{Paths: []string{file}, Now: func() time.Time { return now }})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				w.poll(b.Context(), false, nil)
			}
		})
	}
}

func BenchmarkWatcher_Config(b *testing.B) {
	w, err := NewWatcher(WatchOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		w.Config()
	}
}
