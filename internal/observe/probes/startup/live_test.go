package startup

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/platform"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// patience is how long what must come may take.
const patience = 20 * time.Second

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// observer is the probe as goshawk startup runs it.
type observer struct {
	t     *testing.T
	probe *probe.Probe
	// object is there once a start has been seen.
	object *ebpf.Collection
	stop   func()

	reader *startup.Reader
	starts chan *startup.Start
	// marks are the instants that are passed on at once; calls is for who has
	// stopped the probe.
	marks chan string
	calls []toldCall
}

// toldCall is an event of a system call.
type toldCall struct {
	name, operand string
	stands        int64
}

func newIDs() (trace model.TraceID, span model.SpanID) {
	for i := range trace {
		trace[i] = byte(rand.Uint32())
	}
	for i := range span {
		span[i] = byte(rand.Uint32())
	}
	return trace, span
}

// observe starts the probe for the children of this process, in detail, or for
// all processes.
func observe(t *testing.T, detail bool, paths ...string) *observer {
	t.Helper()
	options := probe.Options{Detail: detail}
	if detail {
		options.Settings.Launcher = int32(os.Getpid())
	}
	return observeWith(t, options, paths...)
}

// join observes a process that runs.
func join(t *testing.T, pid int) *observer {
	t.Helper()
	return observeWith(t, probe.Options{Detail: true, Settings: probe.Settings{Joined: int32(pid)}})
}

func observeWith(t *testing.T, options probe.Options, paths ...string) *observer {
	t.Helper()
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "points are found on amd64 only", "amd64")
	clock := new(platform.BootClock)
	processes := target.NewTable(target.TableOptions{Reader: target.NewReader(target.ReaderOptions{Clock: clock})})
	host := probe.Host{
		Processes: processes, Clock: clock, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), NewIDs: newIDs,
		Symbols: symbol.NewCache(symbol.Options{}),
	}
	options.Targets = func(*model.Process) bool { return false }
	o := &observer{t: t, reader: startup.NewReader(), starts: make(chan *startup.Start, 100), marks: make(chan string, 100)}
	spec := Spec()
	spec.NewDecoder = func(host probe.Host) probe.Decoder {
		o.object = host.Object
		return newDecoder(host)
	}
	p, err := probe.Start(spec, host, options)
	if err != nil {
		t.Fatal(err)
	}
	o.probe = p
	for _, path := range paths {
		if err := p.AttachFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if faults := p.Health().Off; len(faults) > 0 {
		t.Errorf("parts of the probe are off: %+v", faults)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- p.Run(ctx, nil, func(e *model.Event) {
			switch e.Get(startup.KeyKind).Str() {
			case startup.KindMark:
				o.marks <- e.Get(startup.KeyName).Str()
			case startup.KindSyscall:
				stands := max(e.Get(startup.KeyCallCount).Int(), 1)
				o.calls = append(o.calls, toldCall{strings.Clone(e.Get(startup.KeyName).Str()), strings.Clone(e.Get(startup.KeyOperand).Str()), stands})
			}
			if s := o.reader.Add(e); s != nil {
				o.starts <- s
			}
		})
	}()
	o.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(o.stop)
	return o
}

// next returns the next start.
func (o *observer) next() *startup.Start {
	o.t.Helper()
	select {
	case s := <-o.starts:
		return s
	case <-time.After(patience):
		o.t.Fatal("no start was seen")
		return nil
	}
}

// run runs a command to its end and returns its start.
func (o *observer) run(cmd *exec.Cmd) *startup.Start {
	o.t.Helper()
	_ = cmd.Run()
	for {
		if s := o.next(); s.PID == int32(cmd.Process.Pid) {
			return s
		}
	}
}

func names(s *startup.Start) []string {
	var list []string
	for _, p := range s.Phases {
		list = append(list, p.Name)
	}
	return list
}

func pkg(t *testing.T, s *startup.Start, name string) *startup.Package {
	t.Helper()
	i := slices.IndexFunc(s.Packages, func(p startup.Package) bool { return p.Name == name })
	if i < 0 {
		t.Fatalf("no package %s among %d", name, len(s.Packages))
	}
	return &s.Packages[i]
}
