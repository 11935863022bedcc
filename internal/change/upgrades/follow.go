package upgrades

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/control"
)

// lookEvery is how often processes are looked for a socket. One that has had none so many
// times is looked at each so many times from then on: servers have theirs soon.
const (
	lookEvery = time.Second
	looksOnce = 10
)

const (
	// maxFollowed bounds the processes that are listened to at a time.
	maxFollowed = 1000
	// maxHeard bounds what one process may tell: an upgrade has some ten events.
	maxHeard = 100_000
)

// Process is a Go process of the host.
type Process struct {
	ID                           model.ProcessID
	PID                          int32
	Service, ContainerID, PodUID string
}

// Options configures [New].
type Options struct {
	// Processes returns the Go processes that are there. It must be set.
	Processes func() []Process
	// NewIDs returns ids of a trace and a span. It must be set.
	NewIDs func() (model.TraceID, model.SpanID)
	// Proc is where the processes of the host are files; empty means /proc.
	Proc string
	// Since leaves out what happened before; the zero time leaves out nothing.
	Since time.Time
	// Every is how often processes are looked at; 0 means once a second.
	Every time.Duration
	// Log hears what cannot be read; nil discards it.
	Log *slog.Logger
}

// Follower listens to processes that can be upgraded.
type Follower struct {
	options Options
	schema  *model.Schema

	began time.Time
	// looked is how often processes could have been looked at; it is Run's.
	looked map[model.ProcessID]int

	mu sync.Mutex
	// there are the processes of the last look.
	there    []Process
	followed map[model.ProcessID]bool // false for one that is not heard any more
	events   uint64
	failure  error
}

// New returns a follower.
func New(o Options) *Follower {
	if o.Proc == "" {
		o.Proc = "/proc"
	}
	if o.Every == 0 {
		o.Every = lookEvery
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Follower{options: o, schema: Schema(), began: time.Now(), looked: make(map[model.ProcessID]int), followed: make(map[model.ProcessID]bool)}
}

// Run looks for processes and emits what they tell, on one goroutine at a time, until ctx
// ends.
func (f *Follower) Run(ctx context.Context, emit func(*model.Event)) error {
	var emitting sync.Mutex
	var following sync.WaitGroup
	defer following.Wait()
	tick := time.NewTicker(f.options.Every)
	defer tick.Stop()
	for {
		processes := f.options.Processes()
		f.forget(processes)
		for _, p := range processes {
			if !f.due(p) || !f.wanted(p) {
				continue
			}
			path, ok := f.socket(p)
			if !ok {
				continue
			}
			f.begin(p)
			following.Go(func() {
				f.follow(ctx, p, path, func(e *model.Event) {
					emitting.Lock()
					defer emitting.Unlock()
					f.count()
					emit(e)
				})
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Health says how the follower does, as that of a probe.
func (f *Follower) Health() model.ProbeHealth {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := model.ProbeHealth{Probe: Probe, Up: true, Since: f.began, Events: f.events, CostSeconds: -1}
	if f.failure != nil {
		h.Off = append(h.Off, model.ProbeFault{Part: "a process", Cause: f.failure.Error(), Missing: "upgrades of that process"})
	}
	return h
}

func (f *Follower) count() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events++
}

// forget notes which processes there are, and gives up what is known of others.
func (f *Follower) forget(there []Process) {
	known := make(map[model.ProcessID]bool, len(there))
	for _, p := range there {
		known[p.ID] = true
	}
	maps.DeleteFunc(f.looked, func(id model.ProcessID, _ int) bool { return !known[id] })
	f.mu.Lock()
	defer f.mu.Unlock()
	f.there = there
	maps.DeleteFunc(f.followed, func(id model.ProcessID, on bool) bool { return !on && !known[id] })
}

// due reports whether it is time to look at a process.
func (f *Follower) due(p Process) bool {
	n := f.looked[p.ID]
	f.looked[p.ID] = n + 1
	return n < looksOnce || n%looksOnce == 0
}

// wanted reports whether a process would be followed if it had a socket: one that is
// followed is not looked at again.
func (f *Follower) wanted(p Process) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, known := f.followed[p.ID]
	return !known && len(f.followed) < maxFollowed
}

// begin has a process count as followed.
func (f *Follower) begin(p Process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.followed[p.ID] = true
}

// socket returns the control socket of a process, if it has one.
func (f *Follower) socket(p Process) (string, bool) {
	dir := filepath.Join(f.options.Proc, strconv.Itoa(int(p.PID)))
	// Most processes have no such folder: one look settles it.
	if path := filepath.Join(dir, "root", control.Folder(0, noEnvironment)); exists(path) {
		if path, ok := f.in(dir, path); ok {
			return path, true
		}
	}
	uid, ok := owner(dir)
	if !ok || uid == 0 {
		return "", false
	}
	env := environment(dir)
	return f.in(dir, filepath.Join(dir, "root", control.Folder(uid, env)))
}

// in returns the socket of a process in a folder.
func (f *Follower) in(dir, folder string) (string, bool) {
	pid, ok := innerPID(dir)
	if !ok {
		return "", false
	}
	path := control.Path(folder, pid)
	return path, exists(path)
}

func noEnvironment(string) string { return "" }

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// owner returns the user of a process.
func owner(dir string) (int, bool) {
	fields := statusLine(dir, "Uid:")
	if len(fields) < 2 {
		return 0, false
	}
	uid, err := strconv.Atoi(fields[1]) // the effective one
	return uid, err == nil
}

// innerPID returns the number of a process in its own PID namespace.
func innerPID(dir string) (int, bool) {
	fields := statusLine(dir, "NSpid:")
	if len(fields) == 0 {
		return 0, false
	}
	pid, err := strconv.Atoi(fields[len(fields)-1])
	return pid, err == nil
}

func statusLine(dir, name string) []string {
	text, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.Fields(rest)
		}
	}
	return nil
}

// environment returns what a process was started with.
func environment(dir string) func(string) string {
	text, _ := os.ReadFile(filepath.Join(dir, "environ"))
	return func(name string) string {
		for pair := range strings.SplitSeq(string(text), "\x00") {
			if value, ok := strings.CutPrefix(pair, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

// follow listens to one process until it ends.
func (f *Follower) follow(ctx context.Context, p Process, path string, emit func(*model.Event)) {
	err := f.listen(ctx, p, path, emit)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil || ctx.Err() != nil {
		delete(f.followed, p.ID)
		return
	}
	// It is not asked again.
	f.followed[p.ID] = false
	f.failure = fmt.Errorf("listen to process %d: %w", p.PID, err)
	f.options.Log.Debug("a process that can be upgraded is not heard", "pid", p.PID, "error", err)
}

func (f *Follower) listen(ctx context.Context, p Process, path string, emit func(*model.Event)) error {
	client, err := control.Dial(ctx, path)
	if err != nil {
		// One that has just ended leaves its socket for a moment.
		return nil
	}
	defer client.Close()
	s := &story{process: p, schema: f.schema, newIDs: f.options.NewIDs, emit: emit, version: f.versions(p)}
	heard := 0
	return client.Events(ctx, func(raw json.RawMessage) error {
		if heard++; heard > maxHeard {
			return fmt.Errorf("it has told more than %d events", maxHeard)
		}
		var e upgrade.Event
		if err := json.Unmarshal(raw, &e); err != nil {
			return errors.New("what it says is no event")
		}
		if e.Time.Before(f.options.Since) {
			return nil
		}
		s.hear(&e)
		return nil
	})
}

// versions returns who finds the server that a process runs for somebody else, as
// `goshawk upgrade run --listen` does: what it tells is about that one. What a process
// in a PID namespace of its own calls others by says nothing here.
func (f *Follower) versions(of Process) func(pid int) (Process, bool) {
	dir := filepath.Join(f.options.Proc, strconv.Itoa(int(of.PID)))
	if pid, ok := innerPID(dir); !ok || pid != int(of.PID) {
		return nil
	}
	return func(pid int) (Process, bool) {
		f.mu.Lock()
		defer f.mu.Unlock()
		i := slices.IndexFunc(f.there, func(p Process) bool { return int(p.PID) == pid })
		if i < 0 {
			return Process{}, false
		}
		return f.there[i], true
	}
}
