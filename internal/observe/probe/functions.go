package probe

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/observe/uprobe"
)

const (
	// scanEvery is how often new processes are looked for. Those that are known
	// cost a look-up each.
	scanEvery = 250 * time.Millisecond
	// youngest is how old a process must be: attaching to a command that is
	// about to end costs more than it tells.
	youngest = 500 * time.Millisecond
	// detachAfter is how long an executable stays attached that no process runs,
	// if writing to it is held up meanwhile.
	detachAfter = time.Minute
	// maxExecutables is how many executables a probe tells apart that has no
	// layouts.
	maxExecutables = 1 << 16
)

// ErrNoFunctions says that a program has none of the functions that a probe
// needs.
var ErrNoFunctions = errors.New("the program has none of the functions that the probe is about")

// functions attaches a probe to Go programs as they come and go.
type functions struct {
	spec       *Spec
	host       *Host
	collection *ebpf.Collection
	options    Options
	self       int32

	// known is which executable each process runs; only scan uses it. What the
	// table says of a process is replaced when it executes another image.
	known map[*model.Process]*executable

	// check compares the code of a process with its file.
	check func(pid int, bias uint64, b *symbol.Binary, points []symbol.Point) []uprobe.Refusal

	// attaching is held while one executable is attached.
	attaching sync.Mutex
	// ahead is what is known of the first one, nil if nothing is. It is guarded by
	// attaching.
	ahead *ahead

	mu      sync.Mutex
	files   map[target.FileID]*executable
	byIndex map[uint32]*executable
	next    uint32
	// asked are the files that AttachFile was called for; causes say why one of
	// those to be held is not attached.
	asked  []string
	causes map[string]string
}

func newFunctions(spec *Spec, host *Host, collection *ebpf.Collection, options Options) *functions {
	return &functions{
		spec: spec, host: host, collection: collection, options: options, self: int32(os.Getpid()), check: uprobe.Check,
		files: make(map[target.FileID]*executable), byIndex: make(map[uint32]*executable), causes: make(map[string]string),
	}
}

// run looks for processes until ctx is done.
func (f *functions) run(ctx context.Context) {
	tick := time.NewTicker(scanEvery)
	defer tick.Stop()
	for {
		f.scan(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// scan attaches to what runs now, or is to be held, and lets go of what is not.
func (f *functions) scan(now time.Time) {
	f.letGoOfAwaited()
	held := f.hold(now)
	running := make(map[*executable][]*model.Process)
	known := make(map[*model.Process]*executable, len(f.known))
	for _, p := range f.host.Processes.GoProcesses() {
		if !f.wants(p, now) {
			continue
		}
		e := f.known[p]
		if e == nil {
			e = f.find(p, now)
		}
		if e == nil {
			continue
		}
		known[p] = e
		if len(running[e]) == 0 {
			f.adjust(e, p)
		}
		running[e] = append(running[e], p)
	}
	f.known = known
	f.letGo(func(e *executable) bool {
		e.running, e.held = running[e], held[e]
		if e.held || len(e.running) > 0 {
			e.seen = now
		}
		unused := now.Sub(e.seen)
		return unused > detachAfter || unused > 0 && e.guard == nil && e.points() > 0
	})
}

// letGo detaches from the executables that unused, which is called with the lock
// held, is true for.
func (f *functions) letGo(unused func(*executable) bool) {
	f.mu.Lock()
	var old []*executable
	for id, e := range f.files {
		if unused(e) {
			delete(f.files, id)
			if e.indexed {
				delete(f.byIndex, e.index)
			}
			old = append(old, e)
		}
	}
	f.mu.Unlock()
	for _, e := range old {
		e.close()
	}
}

// wants reports whether the probe is to be attached to a process.
func (f *functions) wants(p *model.Process, now time.Time) bool {
	if p.ID.PID == f.self || f.options.Targets != nil && !f.options.Targets(p) {
		return false
	}
	return f.options.Eager || now.Sub(p.StartTime) >= youngest
}

// find returns the executable that a process runs, attached if it is new; nil
// when the process is gone.
func (f *functions) find(p *model.Process, now time.Time) *executable {
	running, err := f.host.Processes.OpenRunning(p.ID)
	if err != nil {
		return nil
	}
	e, isNew, err := f.open(running, p.Exe, p, now)
	if errors.Is(err, errGone) {
		f.host.Log.Debug("a program is not attached yet", "probe", f.spec.Name, "exe", p.Exe, "pid", p.ID.PID, "cause", err)
		return nil
	}
	if err == nil {
		err, _ = f.refusal(e)
	}
	if isNew && err != nil {
		f.host.Log.Warn("a probe is not attached to a program", "probe", f.spec.Name, "exe", p.Exe, "pid", p.ID.PID, "cause", err)
	}
	return e
}

// open returns the executable that file is, which it closes or keeps. It is
// attached if it is new. A process that runs it is asked whether its code is that
// of the file. Where p is nil none need run it, and the error says that the file
// cannot be guarded now; the result is nil then.
func (f *functions) open(file *target.Running, path string, p *model.Process, now time.Time) (e *executable, isNew bool, err error) {
	f.attaching.Lock()
	defer f.attaching.Unlock()
	f.mu.Lock()
	e = f.files[file.ID]
	f.mu.Unlock()
	if e != nil {
		file.File.Close()
		return e, false, nil
	}
	guard, err := uprobe.NewGuard(file.File)
	if err != nil {
		defer file.File.Close()
	}
	switch {
	case err == nil:
		// What was written before the guard was there is another file.
		if err = file.Identify(); err != nil {
			guard.Close()
		}
	case p != nil || errors.Is(err, uprobe.ErrUnguarded) && f.options.Unguarded:
		f.host.Log.Debug("a program is attached only while it runs", "probe", f.spec.Name, "exe", path, "cause", err)
		err = nil
	}
	if err != nil {
		return nil, true, err
	}
	e = &executable{path: path, seen: now, guard: guard}
	if e.refused = f.attach(e, p, file); errors.Is(e.refused, errGone) {
		// The file is looked at again with another process that runs it.
		e.close()
		return nil, true, e.refused
	}
	for _, fault := range e.off {
		logFault(f.host.Log, f.spec.Name, &fault)
	}
	if e.refused != nil || e.points() == 0 {
		e.close()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[file.ID] = e
	if e.indexed {
		f.byIndex[e.index] = e
	}
	return e, true, nil
}

// refusal says why e is not attached; skipped that the probe has no business
// there.
func (f *functions) refusal(e *executable) (refused error, skipped bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return e.refused, e.skipped
}

// freeIndex returns an index of the layouts that no executable has, if there is
// one.
func (f *functions) freeIndex() (index uint32, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	size := uint32(maxExecutables)
	if m, ok := f.collection.Maps[layoutMap]; ok {
		size = m.MaxEntries()
	}
	for range size {
		f.next = (f.next + 1) % size
		if _, taken := f.byIndex[f.next]; !taken {
			return f.next, true
		}
	}
	return 0, false
}

// attached returns the executable at an index.
func (f *functions) attached(index uint32) (Attached, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, ok := f.byIndex[index]
	if !ok || e.program == nil {
		return Attached{}, false
	}
	return Attached{Program: e.program, Assumed: e.assumed}, true
}

// refute detaches from an executable whose layout has turned out to be wrong.
func (f *functions) refute(index uint32, cause error) {
	f.mu.Lock()
	e, ok := f.byIndex[index]
	if ok && e.refused != nil {
		ok = false
	}
	if ok {
		e.refused = cause
		e.close()
	}
	f.mu.Unlock()
	if ok {
		f.host.Log.Warn("a probe lets go of a program", "probe", f.spec.Name, "exe", e.path, "cause", cause)
	}
}

// health returns the state of each executable that the probe has to do with.
func (f *functions) health() (targets []model.ProbeTarget, off []model.ProbeFault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.files {
		if e.skipped || len(e.running) == 0 && !e.held {
			continue
		}
		t := model.ProbeTarget{Exe: e.path, GoVersion: e.goVersion, PIDs: []int32{}, Points: e.points(), Assumed: e.assumed, Off: len(e.off)}
		for _, p := range e.running {
			t.PIDs = append(t.PIDs, p.ID.PID)
			t.Service, t.GoVersion = p.Service, p.Go.GoVersion
		}
		slices.Sort(t.PIDs)
		targets = append(targets, t)
		if e.refused != nil {
			off = append(off, model.ProbeFault{
				Part: e.path, Cause: e.refused.Error(), Missing: "all that the probe " + f.spec.Name + " sees of this program",
				Hint: functionHint(e.refused),
			})
			continue
		}
		off = append(off, e.off...)
	}
	slices.SortFunc(targets, func(a, b model.ProbeTarget) int {
		return cmp.Or(slices.Compare(a.PIDs, b.PIDs), cmp.Compare(a.Exe, b.Exe))
	})
	slices.SortFunc(off, func(a, b model.ProbeFault) int { return cmp.Compare(a.Part, b.Part) })
	return targets, off
}

func (f *functions) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.files {
		e.close()
	}
}
