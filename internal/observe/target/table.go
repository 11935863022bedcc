package target

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// maxDepth bounds every walk from a process to its ancestors.
const maxDepth = 4096

// TableOptions are the options of [NewTable]; the zero value works.
type TableOptions struct {
	// Reader reads processes older than the events; a reader of its own by
	// default.
	Reader *Reader
	// Cgroups resolves control groups. Without it a process is where its
	// parent was.
	Cgroups *Cgroups
	// Grace is how long a dead process is kept; 30 s by default.
	Grace time.Duration
	// MaxDead bounds the dead processes that are kept; 65536 by default.
	MaxDead int
	// Now is the clock that Grace is measured with; time.Now by default.
	Now func() time.Time
}

// Table knows the processes of the host: those that the kernel's events
// announce, and through /proc those that are older. It keeps a dead process
// for a grace period and for as long as a descendant is kept. It is safe for
// concurrent use. It does not keep arguments: Args of its processes is nil.
type Table struct {
	reader  *Reader
	cgroups *Cgroups
	grace   time.Duration
	maxDead int
	now     func() time.Time

	mu    sync.RWMutex
	byID  map[model.ProcessID]*entry
	byPID map[int32]*entry
	// dying holds the dead within their grace period, held the dead that are
	// kept for their descendants; the oldest first.
	dying, held deadList
	// scans counts the scans begun.
	scans uint64
}

// entry is one process of the table. It is guarded by the table's lock.
type entry struct {
	id model.ProcessID
	// parent is the process that forked it, whoever adopted it later. It is
	// the zero value when it is not known.
	parent model.ProcessID
	// proc is never changed, only replaced, since readers keep it.
	proc *model.Process
	// first is the memory of the first proc.
	first model.Process
	// children counts the entries whose parent it is.
	children int32
	facts    factSource
	state    lifeState
	// named says that proc.Service was looked up.
	named bool
	// added and seen are the scans before which it was added and in which it
	// was found last.
	added, seen uint64
	exited      time.Time
	prev, next  *entry
}

type factSource uint8

const (
	// factsMissing: nothing but the id is known.
	factsMissing factSource = iota
	factsKnown
)

type lifeState uint8

const (
	living lifeState = iota
	dying
	held
)

// NewTable returns an empty table. [Table.Sync] fills it.
func NewTable(o TableOptions) *Table {
	if o.Reader == nil {
		o.Reader = NewReader(ReaderOptions{})
	}
	if o.Grace <= 0 {
		o.Grace = 30 * time.Second
	}
	if o.MaxDead <= 0 {
		o.MaxDead = 65536
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Table{
		reader: o.Reader, cgroups: o.Cgroups, grace: o.Grace, maxDead: o.MaxDead, now: o.Now,
		byID: make(map[model.ProcessID]*entry), byPID: make(map[int32]*entry),
	}
}

// Fork records that parent forked child, which from now on is what parent is.
func (t *Table) Fork(parent, child model.ProcessID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.collect(t.now())
	e := t.byID[child]
	if e == nil {
		e = t.add(child)
	}
	t.adopt(e, parent)
	if p := t.byID[parent]; e.facts == factsMissing && p != nil && p.facts == factsKnown {
		e.inherit(p, t.reader.clock.Wall(child.Start*nanosecondsPerTick))
	}
}

// ExecInfo is what an exec event tells.
type ExecInfo struct {
	// Exe is the path of the executable. The table does not keep its memory.
	Exe string
	// File names the executable's inode. With the zero value the executable
	// is looked for through /proc each time.
	File FileID
	// Cgroup is where the process runs; with the zero value it runs where it
	// was.
	Cgroup CgroupKey
	// Parent is the process's parent, in case that the fork was not seen.
	Parent model.ProcessID
}

// Exec records that a process runs another program and returns what is known
// of it now. For an executable that was not seen before it reads the file,
// else it does no I/O.
func (t *Table) Exec(id model.ProcessID, info ExecInfo) *model.Process {
	exe, ok := t.reader.executables.Lookup(info.File)
	if !ok || info.File == (FileID{}) {
		exe = t.loadExecutable(id, info)
	}
	var placement Placement
	if t.cgroups != nil && info.Cgroup != (CgroupKey{}) {
		placement = t.cgroups.Resolve(info.Cgroup, id.PID)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.byID[id]
	if e == nil {
		e = t.add(id)
	}
	if e.parent == (model.ProcessID{}) {
		t.adopt(e, info.Parent)
	}
	p := new(model.Process)
	if e.proc != nil {
		*p = *e.proc
	} else {
		p.ID, p.Parent = id, e.parent
		p.StartTime = t.reader.clock.Wall(id.Start * nanosecondsPerTick)
	}
	p.Exe, p.Deleted, p.Go, p.Service = exe.pathOf(info.Exe), false, exe.Build, ""
	if placement.Path != "" {
		p.Cgroup, p.ContainerID, p.PodUID = placement.Path, placement.ContainerID, placement.PodUID
	}
	e.proc, e.facts, e.named = p, factsKnown, false
	return p
}

// Exit records that a process, all of its threads, ended. A process that was
// not known is remembered as dead, so that a scan under way does not revive
// it.
func (t *Table) Exit(id model.ProcessID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	e := t.byID[id]
	if e == nil {
		e = t.add(id)
	}
	if e.state == living {
		e.state, e.exited = dying, now
		t.dying.push(e)
	}
	t.collect(now)
}

// Sync reads all processes from /proc, once at start and later to heal what
// lost events left behind: it adds what is missing and buries what has gone.
// It never replaces what an event said. It blocks while it reads; events may
// be recorded meanwhile. visit, if not nil, is called for each process, with
// the arguments and the directory, which the table does not keep.
func (t *Table) Sync(ctx context.Context, visit func(Process)) error {
	t.mu.Lock()
	t.scans++
	scan := t.scans
	t.mu.Unlock()
	for p, err := range t.reader.scan(ctx, visit != nil) {
		if err != nil {
			return fmt.Errorf("fill process table: %w", err)
		}
		t.merge(&p.Process, scan)
		if visit != nil {
			visit(p)
		}
	}
	var missed []model.ProcessID
	t.mu.RLock()
	for id, e := range t.byID {
		if e.state == living && e.added < scan && e.seen < scan {
			missed = append(missed, id)
		}
	}
	t.mu.RUnlock()
	for _, id := range missed {
		if !t.reader.alive(id) {
			t.Exit(id)
		}
	}
	return nil
}

// merge adds what /proc says of a process to what is known.
func (t *Table) merge(p *model.Process, scan uint64) *entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.byID[p.ID]
	if e == nil {
		e = t.add(p.ID)
	}
	e.seen = max(e.seen, scan)
	if e.parent == (model.ProcessID{}) {
		t.adopt(e, p.Parent)
	}
	if e.facts == factsMissing {
		e.first = *p
		e.first.Parent = e.parent
		e.proc, e.facts = &e.first, factsKnown
	}
	return e
}

// add puts a living process of which only the id is known in the table.
func (t *Table) add(id model.ProcessID) *entry {
	e := &entry{id: id, added: t.scans}
	t.byID[id] = e
	if holder := t.byPID[id.PID]; holder == nil || holder.id.Start <= id.Start {
		t.byPID[id.PID] = e
	}
	return e
}

// adopt makes parent the parent of e. A parent that is not known is added, so
// that it is kept for its children.
func (t *Table) adopt(e *entry, parent model.ProcessID) {
	if parent == e.parent || parent.PID == 0 || parent.Start == 0 || parent == e.id {
		return
	}
	if old := t.byID[e.parent]; old != nil && old.children > 0 {
		old.children--
	}
	p := t.byID[parent]
	if p == nil {
		p = t.add(parent)
	}
	p.children++
	e.parent = parent
	if e.proc != nil && e.proc.Parent != parent {
		replaced := *e.proc
		replaced.Parent = parent
		e.proc = &replaced
	}
}

// inherit makes e what its parent is.
func (e *entry) inherit(p *entry, started time.Time) {
	e.first = *p.proc
	e.first.ID, e.first.Parent, e.first.StartTime = e.id, e.parent, started
	e.first.Service = ""
	e.proc, e.facts = &e.first, factsKnown
}
