package exec

import (
	"encoding/binary"
	"errors"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
)

// Bounds of what callSites remembers; when full, a map starts anew.
const (
	maxSites    = 4096
	maxPrograms = 1024
)

// firstGoidOffset is GOID_FIRST of exec.bpf.c: the fork record holds the words
// of the runtime's g from there.
const firstGoidOffset = 144

// callSite is the Go stack from which a process was forked. It is shared by
// all forks from the same stack.
type callSite struct {
	program *program
	// frames is the stack, innermost first.
	frames []model.Frame
	// own is the index in frames of the first function outside of the standard
	// library, -1 when there is none.
	own int
	// execs says that the stack leads through Go's code that forks in order to
	// exec. The runtime also vforks once to try out pidfds (os.checkPidfd).
	execs bool
	// shell is the shell that the site ran last, and wrapper the words for it.
	shell, wrapper string
}

// frame returns the first frame outside of the standard library.
func (s *callSite) frame() (model.Frame, bool) {
	if s == nil || s.own < 0 {
		return model.Frame{}, false
	}
	return s.frames[s.own], true
}

// program is an executable that forked, Go or not.
type program struct {
	// stack names the calls of a stack, in a process whose code starts at
	// startCode, innermost first; it is nil for a program that is not Go, or
	// could not be read.
	stack func(pcs []uint64, startCode uint64) []model.Frame
	// standard reports whether a function is of Go's standard library.
	standard func(name string) bool
	// goid is the offset of the goroutine id in the runtime's g.
	goid uint64
	// errno is where forkAndExecInChild1 keeps the errno, see [errnoOffset].
	errno   int
	errnoOK bool
}

// siteKey is what else than the addresses tells call sites apart.
type siteKey struct {
	exe       bpfFileId
	startCode uint64
}

// callSites symbolises the stacks of forks, each different one once.
type callSites struct {
	cache     *symbol.Cache
	processes *target.Table
	seed      maphash.Seed
	sites     map[uint64]*callSite
	programs  map[bpfFileId]*program
	pcs       []uint64
}

func newCallSites(cache *symbol.Cache, processes *target.Table) *callSites {
	return &callSites{
		cache:     cache,
		processes: processes,
		seed:      maphash.MakeSeed(),
		sites:     make(map[uint64]*callSite),
		programs:  make(map[bpfFileId]*program),
	}
}

// of returns the call site of a fork. The record's stack holds the addresses
// as 8-byte words.
func (c *callSites) of(r *bpfForkRecord, stack []byte) *callSite {
	p := c.program(r)
	if p.stack == nil {
		return nil
	}
	var h maphash.Hash
	h.SetSeed(c.seed)
	h.Write(stack)
	maphash.WriteComparable(&h, siteKey{r.ParentExe, r.ParentCode})
	sum := h.Sum64()
	if s, ok := c.sites[sum]; ok {
		return s
	}
	s := c.symbolise(p, r.ParentCode, stack)
	if len(c.sites) >= maxSites {
		clear(c.sites)
	}
	c.sites[sum] = s
	return s
}

func (c *callSites) symbolise(p *program, startCode uint64, stack []byte) *callSite {
	c.pcs = c.pcs[:0]
	for i := 0; i+8 <= len(stack); i += 8 {
		c.pcs = append(c.pcs, binary.LittleEndian.Uint64(stack[i:]))
	}
	s := &callSite{program: p, own: -1}
	s.frames = p.stack(c.pcs, startCode)
	s.execs = slices.ContainsFunc(s.frames, func(f model.Frame) bool { return strings.HasPrefix(f.Func, "syscall.forkAndExecInChild") })
	for i, f := range s.frames {
		if !p.standard(f.Func) {
			s.own = i
			break
		}
	}
	return s
}

// program returns what is known of the parent's executable. A program that
// cannot be opened, because it is gone already, is tried again; one that opens
// and cannot be read is not.
func (c *callSites) program(r *bpfForkRecord) *program {
	if p, ok := c.programs[r.ParentExe]; ok {
		return p
	}
	parent := key{r.ParentPid, r.ParentStart}
	var path string
	if known, ok := c.processes.GetID(parent.id()); ok {
		path = known.Exe
	}
	return c.load(parent, path, r.ParentExe)
}

// load opens the executable that a process runs and reads its symbols.
func (c *callSites) load(k key, path string, id bpfFileId) *program {
	p := &program{}
	f, err := c.processes.OpenExecutable(k.id(), path, kernelFile(id))
	if err != nil {
		return p
	}
	defer f.Close()
	symbols, err := c.cache.Lookup("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	if errno := unix.Errno(0); errors.As(err, &errno) {
		return p
	}
	if err == nil {
		b := symbols.Binary()
		p.stack = func(pcs []uint64, startCode uint64) []model.Frame {
			return symbols.AppendStack(nil, pcs, b.LoadBias(startCode))
		}
		p.standard = b.StdLib
		p.goid, _ = b.GoidOffset()
		p.errno, p.errnoOK = errnoSlot(b)
	}
	if len(c.programs) >= maxPrograms {
		clear(c.programs)
	}
	c.programs[id] = p
	return p
}

// preload reads the symbols of an executable while its file is sure to be
// there: a program may end, and be deleted, before its first fork is decoded.
func (c *callSites) preload(k key, path string, id bpfFileId) {
	if _, ok := c.programs[id]; !ok {
		c.load(k, path, id)
	}
}

func kernelFile(id bpfFileId) target.FileID {
	return target.KernelFileID(id.Dev, id.Inode, id.CtimeSec, id.CtimeNsec)
}

// errnoSlot finds [errnoOffset] in a binary.
func errnoSlot(b *symbol.Binary) (int, bool) {
	entry, end, ok := b.Func(forkFunction)
	if !ok {
		return 0, false
	}
	return errnoOffset(b.Text(entry, end))
}

// goroutine returns the id of the goroutine that forked, 0 when the register
// that should hold its g points to something else: a g whose stack the fork
// does not run on.
func (c *callSites) goroutine(s *callSite, r *bpfForkRecord) uint64 {
	if s == nil || r.Sp < r.StackLo || r.Sp >= r.StackHi {
		return 0
	}
	word := (s.program.goid - firstGoidOffset) / 8
	if s.program.goid < firstGoidOffset || word >= uint64(len(r.Goid)) {
		return 0
	}
	return r.Goid[word]
}

// setStack gives an event the call site.
func (s *callSite) setStack(e *model.Event) {
	if s == nil {
		return
	}
	e.Stack = append(e.Stack, s.frames...)
	if f, ok := s.frame(); ok {
		e.Values[fieldFunction] = model.StringValue(f.Func)
		e.Values[fieldFile] = model.StringValue(f.File)
		e.Values[fieldLine] = model.IntValue(int64(f.Line))
	}
}
