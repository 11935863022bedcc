package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/platform"
	"golang.org/x/sys/unix"
)

// ErrKernelThread says that a process is a thread of the kernel.
var ErrKernelThread = errors.New("kernel thread")

// ErrGone says that a process does not exist, has ended, or ended while it was
// read.
var ErrGone = errors.New("no such process")

// ReaderOptions are the options of [NewReader]; the zero value works.
type ReaderOptions struct {
	// Root is where the host's file systems are; "/" by default.
	Root string
	// Executables remembers what executables are; a memory of its own by
	// default.
	Executables *Executables
	// Clock converts start times; a clock of its own by default.
	Clock *platform.BootClock
}

// Reader reads processes from /proc. It is safe for concurrent use.
type Reader struct {
	root, proc  string
	executables *Executables
	clock       *platform.BootClock
}

// NewReader returns a reader. It reads nothing yet.
func NewReader(o ReaderOptions) *Reader {
	if o.Root == "" {
		o.Root = "/"
	}
	if o.Executables == nil {
		o.Executables = NewExecutables(0)
	}
	if o.Clock == nil {
		o.Clock = new(platform.BootClock)
	}
	return &Reader{root: o.Root, proc: filepath.Join(o.Root, "proc"), executables: o.Executables, clock: o.Clock}
}

// Process is a process as /proc shows it.
type Process struct {
	// Process is complete but for its Service, which [Reader.Service] names.
	model.Process
	// File is the executable; the zero value when it cannot be told.
	File FileID
	// StartCode is the address at which the executable's code is mapped, 0
	// when the kernel does not tell.
	StartCode uint64
	// Read is when the reading began, in nanoseconds of the boot clock: what
	// happened before it shows in the facts.
	Read uint64
	// Forked says that the process still runs what its parent ran: it has not
	// executed a program of its own.
	Forked bool
}

// ReadProcess reads one process. The error wraps [ErrGone] when there is none,
// when it is a zombie, or when it ends meanwhile, and [ErrKernelThread] for a
// thread of the kernel.
func (r *Reader) ReadProcess(pid int32) (Process, error) {
	s := scratch{starts: make(map[int32]uint64)}
	return r.read(pid, &s, true)
}

// Scan yields the processes of the host in the order of their ids. Threads of
// the kernel and what ends meanwhile are left out; what cannot be read, for
// want of privilege, say, is yielded with what could. It ends early when ctx
// is done.
func (r *Reader) Scan(ctx context.Context) iter.Seq2[Process, error] {
	return r.scan(ctx, true)
}

func (r *Reader) scan(ctx context.Context, args bool) iter.Seq2[Process, error] {
	return func(yield func(Process, error) bool) {
		pids, err := r.pids()
		if err != nil {
			yield(Process{}, err)
			return
		}
		s := scratch{starts: make(map[int32]uint64, len(pids))}
		for _, pid := range pids {
			if err := ctx.Err(); err != nil {
				yield(Process{}, fmt.Errorf("scan %s: %w", r.proc, err))
				return
			}
			p, err := r.read(pid, &s, args)
			if err != nil {
				continue
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// pids lists the ids of the processes in ascending order.
func (r *Reader) pids() ([]int32, error) {
	dir, err := os.Open(r.proc)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	pids := make([]int32, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.ParseInt(name, 10, 32); err == nil && pid > 0 {
			pids = append(pids, int32(pid))
		}
	}
	slices.Sort(pids)
	return pids, nil
}

// scratch is the memory that reads of several processes share.
type scratch struct {
	buf []byte
	// starts holds the start ticks by process id, to name parents.
	starts map[int32]uint64
}

// read reads one process through a descriptor of its directory, so that all
// facts are of the same process even when the id is taken over meanwhile.
func (r *Reader) read(pid int32, s *scratch, args bool) (Process, error) {
	dir, err := r.openDir(pid)
	if err != nil {
		return Process{}, err
	}
	defer unix.Close(dir)
	now := platform.BootTime()
	stat, err := readStat(dir, s)
	if err != nil {
		return Process{}, fmt.Errorf("process %d: %w", pid, err)
	}
	s.starts[pid] = stat.start
	switch {
	case stat.kernel:
		return Process{}, fmt.Errorf("process %d: %w", pid, ErrKernelThread)
	case stat.dead():
		return Process{}, fmt.Errorf("process %d is a zombie: %w", pid, ErrGone)
	}
	p := Process{StartCode: stat.startCode, Read: uint64(now), Forked: stat.forked}
	p.ID = model.ProcessID{PID: pid, Start: stat.start}
	p.Parent = model.ProcessID{PID: stat.ppid, Start: r.startOf(stat.ppid, stat.start, s)}
	p.StartTime = r.clock.Wall(stat.start * nanosecondsPerTick)
	r.readExe(dir, &p)
	if args {
		if s.buf, err = appendFile(s.buf, dir, "cmdline", maxCmdline); err == nil {
			p.Args = splitArgs(s.buf)
		}
		var buf [4096]byte
		if n, err := unix.Readlinkat(dir, "cwd", buf[:]); err == nil {
			p.Directory = strings.TrimSuffix(string(buf[:n]), " (deleted)")
		}
	}
	if s.buf, err = appendFile(s.buf, dir, "cgroup", maxCgroupListing); err == nil {
		placement := ParseCgroup(s.buf)
		p.Cgroup, p.ContainerID, p.PodUID = placement.Path, placement.ContainerID, placement.PodUID
	}
	// A zombie has neither executable nor arguments: what was read before and
	// after its end does not belong together.
	if after, err := readStat(dir, s); err != nil || after.dead() {
		return Process{}, fmt.Errorf("process %d: %w", pid, ErrGone)
	}
	return p, nil
}

func (r *Reader) openDir(pid int32) (int, error) {
	dir, err := openat(unix.AT_FDCWD, r.path(pid, ""), unix.O_PATH|unix.O_DIRECTORY)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, fmt.Errorf("process %d: %w", pid, ErrGone)
	}
	if err != nil {
		return -1, fmt.Errorf("process %d: %w", pid, err)
	}
	return dir, nil
}

// openLiving opens the directory of a process that still has its id.
func (r *Reader) openLiving(id model.ProcessID) (int, error) {
	dir, err := r.openDir(id.PID)
	if err != nil {
		return -1, err
	}
	stat, err := readStat(dir, &scratch{})
	if err == nil && (stat.start != id.Start || stat.dead()) {
		err = ErrGone
	}
	if err != nil {
		unix.Close(dir)
		return -1, fmt.Errorf("process %d: %w", id.PID, err)
	}
	return dir, nil
}

func (r *Reader) path(pid int32, file string) string {
	return r.proc + "/" + strconv.Itoa(int(pid)) + "/" + file
}

// startOf returns the start ticks of a parent, 0 when it has gone. A process
// that is younger than its child merely took over the parent's id.
func (r *Reader) startOf(pid int32, child uint64, s *scratch) uint64 {
	start, ok := s.starts[pid]
	if !ok && pid > 0 {
		if dir, err := r.openDir(pid); err == nil {
			if stat, err := readStat(dir, s); err == nil {
				start = stat.start
				s.starts[pid] = start
			}
			unix.Close(dir)
		}
	}
	if start > child {
		return 0
	}
	return start
}

// readExe fills in what the executable says.
func (r *Reader) readExe(dir int, p *Process) {
	var buf [4096]byte
	n, err := unix.Readlinkat(dir, "exe", buf[:])
	if err != nil {
		return
	}
	p.Exe, p.Deleted = strings.CutSuffix(string(buf[:n]), " (deleted)")
	var st unix.Stat_t
	if unix.Fstatat(dir, "exe", &st, 0) != nil {
		return
	}
	id := statFileID(&st)
	exe, err := r.executables.Load(id, p.Exe, func() (*os.File, error) { return openSame(dir, "exe", id) })
	if err != nil {
		return
	}
	p.File, p.Go, p.Exe = id, exe.Build, exe.pathOf(p.Exe)
}

// splitArgs splits the content of /proc/PID/cmdline.
func splitArgs(cmdline []byte) []string {
	text := strings.TrimSuffix(string(cmdline), "\x00")
	if text == "" && len(cmdline) == 0 {
		return nil
	}
	return strings.Split(text, "\x00")
}

// Service names the service that a Go process is, as [ServiceName] does. Of
// its environment, as it was when the program was started, nothing but the two
// variables that name a service is looked at or kept. When the process has
// gone, the executable names the service.
func (r *Reader) Service(p *model.Process) string {
	vars := r.readServiceEnv(p.ID)
	return ServiceName(p.Go, p.Exe, func(key string) string { return vars[key] })
}

func (r *Reader) readServiceEnv(id model.ProcessID) map[string]string {
	dir, err := r.openLiving(id)
	if err != nil {
		return nil
	}
	defer unix.Close(dir)
	environ, err := readFile(dir, "environ", maxEnviron)
	if err != nil {
		return nil
	}
	defer clear(environ)
	var vars map[string]string
	for rest := environ; len(rest) > 0; {
		var entry []byte
		entry, rest, _ = bytes.Cut(rest, []byte{0})
		key, value, _ := bytes.Cut(entry, []byte{'='})
		if string(key) != envServiceName && string(key) != envResource {
			continue
		}
		if vars == nil {
			vars = make(map[string]string, 2)
		}
		if _, twice := vars[string(key)]; !twice {
			vars[string(key)] = string(value)
		}
	}
	return vars
}

// List returns the Go processes of the host in the order of their ids, with
// the services that they are. [Hookable] tells which of them can be hooked.
func (r *Reader) List(ctx context.Context) ([]model.Process, error) {
	var list []model.Process
	for p, err := range r.Scan(ctx) {
		if err != nil {
			return list, err
		}
		if p.Go == nil {
			continue
		}
		p.Service = r.Service(&p.Process)
		list = append(list, p.Process)
	}
	return list, nil
}
