package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
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

	// attaching is held while one executable is attached.
	attaching sync.Mutex

	mu      sync.Mutex
	files   map[target.FileID]*executable
	byIndex map[uint32]*executable
	next    uint32
	// asked are the files that AttachFile was called for; causes say why one of
	// those to be held is not attached.
	asked  []string
	causes map[string]string
}

// executable is a file that was looked at. It is guarded by the lock.
type executable struct {
	index     uint32
	path      string
	goVersion string
	program   *symbol.Program
	// sites are where each of the probe's programs runs, links what holds those
	// that are attached, by program.
	sites   map[string][]site
	links   map[string]io.Closer
	points  int
	off     []model.ProbeFault
	assumed string
	// refused says why the probe is not attached at all; skipped that it has no
	// business here.
	refused error
	skipped bool
	// guard holds up who writes to the file; nil where that is impossible.
	guard   *uprobe.Guard
	held    bool // whether or not a process runs it
	running []*model.Process
	seen    time.Time
}

func newFunctions(spec *Spec, host *Host, collection *ebpf.Collection, options Options) *functions {
	return &functions{
		spec: spec, host: host, collection: collection, options: options, self: int32(os.Getpid()),
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
		return unused > detachAfter || unused > 0 && e.guard == nil && e.points > 0
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
			delete(f.byIndex, e.index)
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
	e = &executable{index: f.freeIndex(), path: path, seen: now, guard: guard, links: make(map[string]io.Closer)}
	e.refused = f.attach(e, p, file)
	for _, fault := range e.off {
		logFault(f.host.Log, f.spec.Name, &fault)
	}
	if e.refused != nil || e.points == 0 {
		e.close()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[file.ID] = e
	f.byIndex[e.index] = e
	return e, true, nil
}

// refusal says why e is not attached; skipped that the probe has no business
// there.
func (f *functions) refusal(e *executable) (refused error, skipped bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return e.refused, e.skipped
}

// freeIndex returns an index of the layouts that no executable has.
func (f *functions) freeIndex() uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	size := uint32(maxExecutables)
	if m, ok := f.collection.Maps[layoutMap]; ok {
		size = m.MaxEntries()
	}
	for range size {
		f.next = (f.next + 1) % size
		if _, taken := f.byIndex[f.next]; !taken {
			break
		}
	}
	return f.next
}

// attach attaches the probe to an executable that a process runs, nil for one
// that none need run. Points that fail are off alone; the error is for what makes
// all of them impossible.
func (f *functions) attach(e *executable, p *model.Process, running *target.Running) error {
	program, err := f.host.Symbols.LookupFile(running.File, e.path)
	if errors.Is(err, symbol.ErrNotGo) {
		e.skipped = true
		return nil
	}
	if err != nil {
		return err
	}
	b := program.Binary()
	e.program, e.goVersion = program, b.GoVersion()
	defer b.Forget()
	found := b.Lookup(f.spec.Functions.names()...)
	if !slices.ContainsFunc(f.spec.Functions.Any, func(name string) bool { _, ok := found[name]; return ok }) {
		e.skipped = true
		return nil
	}
	if err := f.describe(e, b); err != nil {
		return err
	}
	var at []symbol.Point
	e.sites, at = f.sites(e, b, found)
	var refused []uprobe.Refusal
	if p != nil {
		refused = uprobe.Check(int(p.ID.PID), b.LoadBias(running.StartCode), b, at)
	}
	for program, list := range e.sites {
		e.sites[program] = slices.DeleteFunc(list, func(s site) bool {
			i := slices.IndexFunc(refused, func(r uprobe.Refusal) bool { return r.Offset == s.Offset })
			if i >= 0 {
				e.off = append(e.off, pointFault(e, s.point, refused[i].Err))
			}
			return i >= 0
		})
		f.attachProgram(e, running.File, program)
	}
	if e.points == 0 && len(e.off) > 0 {
		return errors.New(e.off[0].Cause)
	}
	f.host.Log.Debug("attached to a program", "probe", f.spec.Name, "exe", e.path, "points", e.points)
	return nil
}

// describe tells the programs of the executable's layout.
func (f *functions) describe(e *executable, b *symbol.Binary) error {
	if f.spec.Functions.Layout == nil {
		return nil
	}
	layout, err := f.spec.Functions.Layout(b)
	if err != nil {
		return err
	}
	e.assumed, e.off = layout.Assumed, layout.Off
	if e.assumed != "" {
		f.host.Log.Warn("the layout of a program's structs is assumed, and given up if what is read makes no sense",
			"probe", f.spec.Name, "exe", e.path, "go", b.GoVersion(), "layout of", e.assumed)
	}
	for i := range e.off {
		e.off[i].Part = e.path + " " + e.off[i].Part
	}
	if err := f.collection.Maps[layoutMap].Put(e.index, layout.Value); err != nil {
		return fmt.Errorf("tell the programs of %s: %w", e.path, err)
	}
	return nil
}

func (f *functions) attachProgram(e *executable, exe *os.File, program string) {
	list := e.sites[program]
	if len(list) == 0 {
		return
	}
	plain := make([]uprobe.Site, len(list))
	for i := range list {
		plain[i] = list[i].Site
	}
	link, refused, err := uprobe.Attach(exe, f.collection.Programs[program], plain, uprobe.Options{Log: f.host.Log})
	if err != nil {
		e.off = append(e.off, pointFault(e, list[0].point, err))
		return
	}
	for _, r := range refused {
		i := slices.IndexFunc(list, func(s site) bool { return s.Offset == r.Offset })
		e.off = append(e.off, pointFault(e, list[i].point, r.Err))
	}
	e.links[program] = link
	e.points += len(list) - len(refused)
}

// adjust attaches the programs that are of use at an executable by now, and
// detaches those that are not.
func (f *functions) adjust(e *executable, p *model.Process) {
	if f.spec.Functions.Wanted == nil {
		return
	}
	for program, list := range e.sites {
		f.mu.Lock()
		link, attached := e.links[program]
		gone := e.refused != nil
		f.mu.Unlock()
		wanted := f.spec.Functions.Wanted(f.collection, e.index, program, attached)
		switch {
		case gone || len(list) == 0 || wanted == attached:
		case wanted:
			f.attachAgain(e, p, program)
		default:
			f.mu.Lock()
			delete(e.links, program)
			e.points -= len(list)
			f.mu.Unlock()
			link.Close()
		}
	}
}

// attachAgain attaches a program that was not wanted for a while.
func (f *functions) attachAgain(e *executable, p *model.Process, program string) {
	running, err := f.host.Processes.OpenRunning(p.ID)
	if err != nil {
		return
	}
	defer running.File.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	// The process may run another file by now.
	if f.files[running.ID] == e {
		f.attachProgram(e, running.File, program)
	}
}

func pointFault(e *executable, p *FunctionPoint, err error) model.ProbeFault {
	return model.ProbeFault{Part: e.path + " " + p.Function, Cause: err.Error(), Missing: p.Missing, Hint: functionHint(err)}
}

func functionHint(err error) string {
	if errors.Is(err, uprobe.ErrPatched) {
		return "something has rewritten the code of the process: find out what before a probe is put there"
	}
	return "report the cause with the Go version that goshawk ps shows"
}

// close detaches, and lets go on who waits to write to the file after that. Each
// link waits for the kernel, those that are closed together wait once.
func (e *executable) close() {
	var wait sync.WaitGroup
	for _, l := range e.links {
		wait.Go(func() { l.Close() })
	}
	wait.Wait()
	clear(e.links)
	e.points = 0
	if e.guard != nil {
		e.guard.Close()
		e.guard = nil
	}
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
		t := model.ProbeTarget{Exe: e.path, GoVersion: e.goVersion, PIDs: []int32{}, Points: e.points, Assumed: e.assumed, Off: len(e.off)}
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
