package probe

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/observe/uprobe"
)

// errTooMany says that no more executables can be told apart.
var errTooMany = errors.New("the probe is attached to as many programs as it can tell apart")

// errGone says that the process has ended, or executed another program, that was
// asked whether its code is that of the file.
var errGone = errors.New("the process that was looked at is gone")

// executable is a file that was looked at. It is guarded by the lock.
type executable struct {
	// index is that of the layouts, if the executable has one.
	index     uint32
	indexed   bool
	path      string
	goVersion string
	program   *symbol.Program
	parts     map[string]*part // by the name of the probe's program
	off       []model.ProbeFault
	assumed   string
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

// part is one of the probe's programs at an executable.
type part struct {
	sites []site
	// link holds the program at so many points, nil when it is not attached.
	link   io.Closer
	points int
	// failed says that the kernel refused all points. It is not asked again.
	failed bool
}

// points is at how many instructions the probe is attached.
func (e *executable) points() int {
	n := 0
	for _, p := range e.parts {
		n += p.points
	}
	return n
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
	found := f.lookup(program)
	if !slices.ContainsFunc(f.spec.Functions.Any, func(name string) bool { _, ok := found[name]; return ok }) {
		e.skipped = true
		return nil
	}
	if err := f.describe(e, b); err != nil {
		return err
	}
	sites, at := f.sites(e, b, found)
	var refused []uprobe.Refusal
	if p != nil {
		refused = f.check(int(p.ID.PID), b.LoadBias(running.StartCode), b, at)
		if len(refused) > 0 && !f.runs(p, running.ID) {
			return errGone
		}
	}
	e.parts = make(map[string]*part, len(sites))
	for program, list := range sites {
		list = slices.DeleteFunc(list, func(s site) bool {
			i := slices.IndexFunc(refused, func(r uprobe.Refusal) bool { return r.Offset == s.Offset })
			if i >= 0 {
				e.off = append(e.off, pointFault(e, s.point, refused[i].Err))
			}
			return i >= 0
		})
		e.parts[program] = &part{sites: list}
		f.attachPart(e, running.File, program)
	}
	if e.points() == 0 && len(e.off) > 0 {
		return errors.New(e.off[0].Cause)
	}
	f.host.Log.Debug("attached to a program", "probe", f.spec.Name, "exe", e.path, "points", e.points())
	return nil
}

// runs reports whether a process runs a file still.
func (f *functions) runs(p *model.Process, file target.FileID) bool {
	running, err := f.host.Processes.OpenRunning(p.ID)
	if err != nil {
		return false
	}
	defer running.File.Close()
	return running.ID == file
}

// describe gives the executable an index, and tells the programs its layout.
func (f *functions) describe(e *executable, b *symbol.Binary) error {
	var layout Layout
	if f.spec.Functions.Layout != nil {
		var err error
		if layout, err = f.spec.Functions.Layout(b); err != nil {
			return err
		}
	}
	if e.index, e.indexed = f.freeIndex(); !e.indexed {
		return errTooMany
	}
	if f.spec.Functions.Forget != nil {
		f.spec.Functions.Forget(f.collection, e.index)
	}
	if f.spec.Functions.Layout == nil {
		return nil
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

func (f *functions) attachPart(e *executable, exe *os.File, program string) {
	p := e.parts[program]
	if len(p.sites) == 0 {
		return
	}
	plain := make([]uprobe.Site, len(p.sites))
	for i := range p.sites {
		plain[i] = p.sites[i].Site
	}
	link, refused, err := uprobe.Attach(exe, f.collection.Programs[program], plain, uprobe.Options{Log: f.host.Log})
	if err != nil {
		p.failed = true
		e.off = append(e.off, pointFault(e, p.sites[0].point, err))
		return
	}
	// What the kernel refuses once is not asked for again.
	p.sites = slices.DeleteFunc(p.sites, func(s site) bool {
		i := slices.IndexFunc(refused, func(r uprobe.Refusal) bool { return r.Offset == s.Offset })
		if i >= 0 {
			e.off = append(e.off, pointFault(e, s.point, refused[i].Err))
		}
		return i >= 0
	})
	p.link, p.points = link, len(p.sites)
}

// adjust attaches the programs that are of use at an executable by now, and
// detaches those that are not.
func (f *functions) adjust(e *executable, p *model.Process) {
	if f.spec.Functions.Wanted == nil {
		return
	}
	for program, part := range e.parts {
		f.mu.Lock()
		link, possible := part.link, e.refused == nil && !part.failed && len(part.sites) > 0
		f.mu.Unlock()
		wanted := f.spec.Functions.Wanted(f.collection, e.index, program, link != nil)
		switch {
		case !possible || wanted == (link != nil):
		case wanted:
			f.attachAgain(e, p, program)
		default:
			f.mu.Lock()
			part.link, part.points = nil, 0
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
	// The process may run another file by now, and the layout be refuted.
	if f.files[running.ID] == e && e.refused == nil {
		f.attachPart(e, running.File, program)
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
	for _, p := range e.parts {
		if link := p.link; link != nil {
			wait.Go(func() { link.Close() })
		}
		p.link, p.points = nil, 0
	}
	wait.Wait()
	if e.guard != nil {
		e.guard.Close()
		e.guard = nil
	}
}
