package target

import (
	"errors"
	"fmt"
	"os"

	"github.com/goshawk-io/goshawk/internal/model"
	"golang.org/x/sys/unix"
)

// Get returns the process that has the id now, or had it last and is still
// remembered. What the table does not know is read from /proc. The result is
// shared and must not be changed; it stays as it is when the process runs
// another program. Service is the service that a Go program is, and the one
// that other programs run for.
func (t *Table) Get(pid int32) (*model.Process, bool) {
	return t.complete(t.holder(pid))
}

// GetID is [Table.Get] for one process for good, whoever has its id now.
func (t *Table) GetID(id model.ProcessID) (*model.Process, bool) {
	return t.complete(t.lookup(id))
}

// Read returns a process as it is now, whatever the table says of it: that may be
// behind when the process has just executed something. It reports false for one
// that has ended.
func (t *Table) Read(id model.ProcessID) (*model.Process, bool) {
	p, err := t.reader.ReadProcess(id.PID)
	if err != nil || p.ID != id {
		return nil, false
	}
	p.Service = t.reader.Service(&p.Process)
	if known, ok := t.GetID(id); ok {
		p.ContainerID, p.PodUID = known.ContainerID, known.PodUID
	}
	return &p.Process, true
}

// Parents returns the ancestors of a process as far as they are known, the
// parent first. They are those that forked one another, not those that adopted
// an orphan.
func (t *Table) Parents(pid int32) []*model.Process {
	var chain []*model.Process
	e := t.holder(pid)
	for range maxDepth {
		if e = t.above(e); e == nil {
			break
		}
		p, _ := t.complete(e)
		if p == nil {
			break
		}
		chain = append(chain, p)
	}
	return chain
}

// Descends reports whether ancestor forked the process, or an ancestor of it.
// That an orphan is adopted by another process changes nothing. A process does
// not descend from itself.
func (t *Table) Descends(pid int32, ancestor model.ProcessID) bool {
	e := t.holder(pid)
	if e == nil {
		return false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	for range maxDepth {
		if e.parent == (model.ProcessID{}) {
			return false
		}
		if e.parent == ancestor {
			return true
		}
		if e = t.byID[e.parent]; e == nil {
			return false
		}
	}
	return false
}

// ServiceOf returns the service that ran a process: the nearest Go program
// among its ancestors in the same container, else the process itself when it
// is a Go program, else nothing. The runtime that started a container, a Go
// program too, is not what runs in it. A service is named at the first question; for that its environment
// is read.
func (t *Table) ServiceOf(pid int32) string {
	return t.serviceOf(t.holder(pid))
}

// ServiceOfID is [Table.ServiceOf] for one process for good, whoever has its
// id now.
func (t *Table) ServiceOfID(id model.ProcessID) string {
	return t.serviceOf(t.lookup(id))
}

func (t *Table) serviceOf(e *entry) string {
	if e == nil {
		return ""
	}
	self, _ := t.state(e)
	ancestor := e
	for range maxDepth {
		if ancestor = t.above(ancestor); ancestor == nil {
			break
		}
		p, _ := t.state(ancestor)
		if p != nil && self != nil && self.ContainerID != "" && p.ContainerID != self.ContainerID {
			break
		}
		if p != nil && p.Go != nil {
			return t.name(ancestor)
		}
	}
	if self != nil && self.Go != nil {
		return t.name(e)
	}
	return ""
}

// state returns what is known of e and whether its service was looked up.
func (t *Table) state(e *entry) (p *model.Process, named bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return e.proc, e.named
}

// complete returns what e is with its service.
func (t *Table) complete(e *entry) (*model.Process, bool) {
	if e == nil {
		return nil, false
	}
	p, named := t.state(e)
	if p == nil {
		return nil, false
	}
	if !named {
		t.name(e)
		p, _ = t.state(e)
	}
	return p, true
}

// name looks up the service of e: its own when it is a Go program, else the
// one that it runs for.
func (t *Table) name(e *entry) string {
	p, named := t.state(e)
	if named {
		return p.Service
	}
	var service string
	if p.Go != nil {
		service = t.reader.Service(p)
	} else {
		service = t.serviceOf(e)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	// It may run another program by now: then the name is not its own.
	if e.proc == p {
		replaced := *p
		replaced.Service = service
		e.proc, e.named = &replaced, true
	}
	return service
}

// holder returns the entry of the process that has the id, from /proc if need
// be, or nil.
func (t *Table) holder(pid int32) *entry {
	t.mu.RLock()
	e := t.byPID[pid]
	known := e != nil && (e.facts == factsKnown || e.state != living)
	t.mu.RUnlock()
	if known {
		return e
	}
	return t.readEntry(pid, e)
}

// lookup returns the entry of a process, from /proc if need be, or nil.
func (t *Table) lookup(id model.ProcessID) *entry {
	t.mu.RLock()
	e := t.byID[id]
	known := e != nil && (e.facts == factsKnown || e.state != living)
	t.mu.RUnlock()
	if known {
		return e
	}
	read := t.readEntry(id.PID, e)
	if read == nil || read.id != id {
		return e
	}
	return read
}

// above returns the entry of the parent of e, or nil.
func (t *Table) above(e *entry) *entry {
	if e == nil {
		return nil
	}
	t.mu.RLock()
	id := e.parent
	parent := t.byID[id]
	known := parent != nil && (parent.facts == factsKnown || parent.state != living)
	t.mu.RUnlock()
	if known || id == (model.ProcessID{}) {
		return parent
	}
	return t.lookup(id)
}

// readEntry reads a process from /proc into the table. It returns known when
// there is nothing to read.
func (t *Table) readEntry(pid int32, known *entry) *entry {
	s := scratch{starts: make(map[int32]uint64)}
	p, err := t.reader.read(pid, &s, false)
	if err != nil {
		return known
	}
	return t.merge(&p.Process, 0)
}

// alive reports whether a process exists and has not ended.
func (r *Reader) alive(id model.ProcessID) bool {
	dir, err := r.openLiving(id)
	if err != nil {
		return !errors.Is(err, ErrGone)
	}
	unix.Close(dir)
	return true
}

// maxRootsTried is through how many ancestors an executable is looked for.
const maxRootsTried = 4

// loadExecutable reads an executable that is not known: through the process
// while it lives, else by its path as its living ancestors and this host see
// it. It returns the zero value when nobody has it.
func (t *Table) loadExecutable(id model.ProcessID, info ExecInfo) Executable {
	dir, err := t.reader.openLiving(id)
	if err == nil {
		defer unix.Close(dir)
	}
	living := err == nil
	file := info.File
	if file == (FileID{}) && living {
		var st unix.Stat_t
		if unix.Fstatat(dir, "exe", &st, 0) == nil {
			file = statFileID(&st)
		}
	}
	if file == (FileID{}) {
		return Executable{}
	}
	exe, err := t.reader.executables.Load(file, info.Exe, func() (*os.File, error) {
		return t.OpenExecutable(id, info.Exe, file)
	})
	if err != nil {
		return Executable{}
	}
	return exe
}

// OpenExecutable opens the executable that a process runs, or ran: through
// /proc while the process lives, else by its path, as its living ancestors and
// this host see it. It returns no other file than the one that file names.
func (t *Table) OpenExecutable(id model.ProcessID, path string, file FileID) (*os.File, error) {
	if dir, err := t.reader.openLiving(id); err == nil {
		defer unix.Close(dir)
		if f, err := openExe(dir, path, file); err == nil {
			return f, nil
		}
	}
	return t.openByPath(id, path, file)
}

// openExe opens the executable of the process whose directory is dir. Some
// file systems (overlays over several others) show another inode to stat than
// the kernel has: there the path has to agree instead.
func openExe(dir int, path string, file FileID) (*os.File, error) {
	f, err := openSame(dir, "exe", file)
	if err == nil {
		return f, nil
	}
	var buf [4096]byte
	n, linkErr := unix.Readlinkat(dir, "exe", buf[:])
	if linkErr != nil || path == "" || string(buf[:n]) != path {
		return nil, err
	}
	return openSame(dir, "exe", FileID{})
}

// openByPath opens an executable whose process has gone.
func (t *Table) openByPath(id model.ProcessID, path string, file FileID) (*os.File, error) {
	if len(path) == 0 || path[0] != '/' {
		return nil, fmt.Errorf("open executable %q: %w", path, ErrGone)
	}
	var roots []string
	t.mu.RLock()
	e := t.byID[id]
	for range maxDepth {
		if e == nil || len(roots) == maxRootsTried {
			break
		}
		if e = t.byID[e.parent]; e != nil && e.state == living {
			roots = append(roots, t.reader.path(e.id.PID, "root"))
		}
	}
	t.mu.RUnlock()
	for _, root := range append(roots, t.reader.root) {
		if f, err := openInRoot(root, path, file); err == nil {
			return f, nil
		}
	}
	return nil, fmt.Errorf("open executable %q: %w", path, ErrGone)
}
