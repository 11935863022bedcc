package symbol

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"

	"github.com/goshawk-io/goshawk/internal/model"
)

const (
	defaultBinaries = 64
	defaultFrames   = 4096
	defaultRefused  = 4096

	// Naming an address touches about 300 KiB of a big file.
	missesKept = 16
)

// Options bound what a [Cache] keeps. The zero value of each means its default.
type Options struct {
	// Binaries is how many Go executables stay mapped, 64 by default.
	Binaries int
	// Frames is how many symbolised frames each of them remembers, 4096 by
	// default; a frame takes about 300 bytes.
	Frames int
	// Refused is how many files that are no readable Go program are
	// remembered as such, 4096 by default.
	Refused int
}

// Cache keeps executables mapped and remembers what their addresses mean. It
// is safe for concurrent use.
type Cache struct {
	frames int

	mu       sync.Mutex
	programs *lru[fileID, *Program]
	refused  *lru[fileID, error]
}

// fileID tells one content of one file from every other: a file that is
// written to gets a new change time, which its owner cannot set.
type fileID struct {
	dev, ino     uint64
	size         int64
	mtime, ctime syscall.Timespec
}

// NewCache returns an empty cache.
func NewCache(o Options) *Cache {
	if o.Binaries <= 0 {
		o.Binaries = defaultBinaries
	}
	if o.Frames <= 0 {
		o.Frames = defaultFrames
	}
	if o.Refused <= 0 {
		o.Refused = defaultRefused
	}
	return &Cache{
		frames:   o.Frames,
		programs: newLRU[fileID, *Program](o.Binaries),
		refused:  newLRU[fileID, error](o.Refused),
	}
}

// Lookup returns the program at path, which may be /proc/PID/exe, from the
// cache when the same file was looked up before. Errors are those of [Open];
// they are remembered too, except for failed system calls.
//
// The program stays valid for as long as the caller keeps it, also after the
// cache dropped it; nothing needs to be released. Keep it with the process
// rather than to look it up for every stack: a look-up takes three system
// calls.
func (c *Cache) Lookup(path string) (*Program, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return c.lookup(f, path)
}

// LookupFile is Lookup for a file that is open, which name tells in errors. The
// file stays the caller's.
func (c *Cache) LookupFile(file *os.File, name string) (*Program, error) {
	f, err := openFile("/proc/self/fd/" + strconv.Itoa(int(file.Fd())))
	if err != nil {
		return nil, fmt.Errorf("symbols of %s: %w", name, err)
	}
	defer f.Close()
	return c.lookup(f, name)
}

func (c *Cache) lookup(f *os.File, path string) (*Program, error) {
	id, err := identify(f)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	p, found := c.programs.get(id)
	if !found {
		if err, refused := c.refused.get(id); refused {
			c.mu.Unlock()
			return nil, fmt.Errorf("symbols of %s: %w", path, err)
		}
		// Whoever comes for the same file waits for this opening; others don't.
		p = &Program{}
		c.programs.put(id, p, 1)
	}
	c.mu.Unlock()
	p.once.Do(func() {
		if p.bin, p.err = mapFile(f); p.err == nil {
			p.seen = newLRU[uint64, []call](c.frames)
		}
	})
	if p.err != nil {
		c.refuse(id, p.err)
		return nil, fmt.Errorf("symbols of %s: %w", path, p.err)
	}
	return p, nil
}

// refuse remembers that a file cannot be read, unless that was for want of
// something that can come back.
func (c *Cache) refuse(id fileID, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.programs.remove(id)
	var failed *os.SyscallError
	if !errors.As(err, &failed) {
		c.refused.put(id, err, 1)
	}
}

func identify(f *os.File) (fileID, error) {
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
		return fileID{}, fmt.Errorf("symbols of %s: %w", f.Name(), os.NewSyscallError("fstat", err))
	}
	return fileID{dev: st.Dev, ino: st.Ino, size: st.Size, mtime: st.Mtim, ctime: st.Ctim}, nil
}

// Program is a [Binary] that remembers the addresses it has named. It is safe
// for concurrent use.
type Program struct {
	once sync.Once
	err  error
	bin  *Binary

	mu     sync.Mutex
	seen   *lru[uint64, []call]
	misses int // addresses named since the file's pages were given back
}

// Binary returns the executable. It is shared: do not close it.
func (p *Program) Binary() *Binary { return p.bin }

// AppendStack appends the frames of a whole stack, innermost first, the way
// the Go runtime prints it: inlined calls are expanded, wrappers made by the
// compiler are left out unless they panicked. pcs are what the kernel's stack
// walk returns, in a process with the given load bias: pcs[0] is where the
// thread is, the others are return addresses. Addresses outside of the
// program's Go code are skipped.
//
// For addresses that were seen before nothing is allocated but what dst grows.
func (p *Program) AppendStack(dst []model.Frame, pcs []uint64, bias uint64) []model.Frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.forget(1)
	ids := &p.bin.table.ids
	callee, returns := uint8(0), false
	for _, pc := range pcs {
		calls := p.calls(instruction(pc-bias, returns))
		dst, callee = p.bin.appendShown(dst, calls, callee)
		// A fault makes the faulting instruction look like a call of sigpanic,
		// without a return address behind it.
		returns = callee != ids.sigpanic || len(calls) == 0
	}
	return dst
}

// AppendFrames is [Binary.AppendFrames], remembered.
func (p *Program) AppendFrames(dst []model.Frame, pc uint64, call bool) []model.Frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.forget(1)
	dst, _ = p.bin.appendShown(dst, p.calls(instruction(pc, call)), 0)
	return dst
}

// calls returns the calls at an address, which the caller must not change.
func (p *Program) calls(pc uint64) []call {
	calls, ok := p.seen.get(pc)
	if !ok {
		calls = p.bin.calls(pc)
		p.seen.put(pc, calls, max(1, len(calls)))
		p.misses++
		p.forget(missesKept)
	}
	return calls
}

// forget gives the file's pages back after so many misses.
func (p *Program) forget(misses int) {
	if p.misses >= misses {
		p.bin.forget()
		p.misses = 0
	}
}
