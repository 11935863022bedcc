package exec

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/platform"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// patience bounds the wait for what must come.
const patience = time.Minute

// live is the probe at work on this host.
type live struct {
	t      *testing.T
	probe  *probe.Probe
	cancel context.CancelFunc
	ended  chan error

	mu     sync.Mutex
	events []*model.Event // of commands that ended
	began  []*model.Event
}

// startLive starts the probe. between, if not nil, is called when it is
// attached and /proc has not been read.
func startLive(t *testing.T, spec *probe.Spec, options probe.Options, between func()) *live {
	t.Helper()
	testutil.RequireBPF(t)
	clock := new(platform.BootClock)
	cgroups, err := target.NewCgroups(target.CgroupsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	table := target.NewTable(target.TableOptions{Reader: target.NewReader(target.ReaderOptions{Clock: clock}), Cgroups: cgroups})
	var ids uint64
	host := probe.Host{
		Processes: table, Cgroups: cgroups, Clock: clock, Symbols: symbol.NewCache(symbol.Options{}),
		NewIDs: func() (trace model.TraceID, span model.SpanID) {
			ids++
			copy(trace[:], fmt.Sprintf("%016x", ids))
			copy(span[:], fmt.Sprintf("%08x", ids))
			return trace, span
		},
		Log: slog.New(slog.DiscardHandler),
	}
	l := &live{t: t, ended: make(chan error, 1)}
	if l.probe, err = probe.Start(spec, host, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.probe.Close() })
	if between != nil {
		between()
	}
	var older []target.Process
	if err := table.Sync(t.Context(), func(p target.Process) { older = append(older, p) }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	go func() { l.ended <- l.probe.Run(ctx, older, l.add) }()
	t.Cleanup(l.stop)
	return l
}

func (l *live) add(e *model.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Phase {
	case model.PhaseEnd:
		l.events = append(l.events, e.Clone())
	case model.PhaseStart:
		l.began = append(l.began, e.Clone())
	}
}

// stop ends the run and drains it. It may be called twice.
func (l *live) stop() {
	l.cancel()
	if err, running := <-l.ended; running {
		close(l.ended)
		if err != nil {
			l.t.Errorf("Run: %v", err)
		}
	}
}

// where returns the events, so far, that keep says.
func (l *live) where(keep func(*model.Event) bool) []*model.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []*model.Event
	for _, e := range l.events {
		if keep(e) {
			list = append(list, e)
		}
	}
	return list
}

// wait blocks until there are n events that keep says.
func (l *live) wait(t *testing.T, what string, n int, keep func(*model.Event) bool) []*model.Event {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		list := l.where(keep)
		if len(list) >= n {
			return list
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d events of %s, want %d; health = %+v", len(list), what, n, l.probe.Health())
		}
	}
}

// ofParent is for the commands that one process ran.
func ofParent(pid int) func(*model.Event) bool {
	return func(e *model.Event) bool { return e.Values[fieldParentPID].Int() == int64(pid) }
}

// victimSource is the victim's source, for any Go release.
func victimSource(t *testing.T, cgo bool) testutil.Files {
	t.Helper()
	files := testutil.Files{}
	for _, name := range []string{"main.go", "modes.go"} {
		text, err := os.ReadFile(filepath.Join("testdata/victim", name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	if cgo {
		files["cgo.go"] = "package main\n\n// #include <stdlib.h>\nimport \"C\"\n\nfunc init() { C.free(C.malloc(1)) }\n"
	}
	return files
}

// victimReport is the Report of testdata/victim.
type victimReport struct {
	Name         string
	PID          int
	Func         string
	Line         int
	Goroutine    uint64
	Code, Signal int
	Errno        string
	MaxRSS, CPU  int64
	Extra        string
}

// victimBuild is a way to build the victim.
type victimBuild struct {
	name, toolchain string
	flags           []string
	cgo             bool
}

func victimBuilds() []victimBuild {
	stripped := []string{"-trimpath", "-ldflags=-s -w"}
	builds := []victimBuild{
		{name: "plain"}, {name: "static stripped", flags: stripped}, {name: "not optimised", flags: []string{"-gcflags=all=-N -l"}},
		{name: "PIE stripped", flags: append([]string{"-buildmode=pie"}, stripped...)},
		{name: "cgo", cgo: true},
		{name: "cgo PIE stripped", flags: append([]string{"-buildmode=pie"}, stripped...), cgo: true},
	}
	for _, toolchain := range toolchains() {
		if toolchain != "" {
			builds = append(builds, victimBuild{name: toolchain, toolchain: toolchain, flags: stripped})
		}
	}
	return builds
}

func (b victimBuild) path(t *testing.T) string {
	t.Helper()
	var env []string
	if b.cgo {
		testutil.RequireTool(t, "gcc", "gcc")
		env = []string{"CGO_ENABLED=1"}
	}
	return testutil.BuildGo(t, victimSource(t, b.cgo), testutil.BuildOptions{Toolchain: b.toolchain, Flags: b.flags, Env: env})
}
