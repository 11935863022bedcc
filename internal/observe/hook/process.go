package hook

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/observe/uprobe"
	"github.com/goshawk-io/goshawk/internal/platform"
)

// process is the target: the very process and the very file that it runs.
type process struct {
	pid    int
	handle *os.File // a pidfd, readable once the process has ended
	exe    *os.File
	id     fileID
	binary *symbol.Binary
	bias   uint64
}

// fileID tells whether a process runs the same file still.
type fileID struct {
	dev, ino uint64
}

// openProcess opens a living Go process. Errors that are the caller's fault are
// of type [*InputError].
func openProcess(pid int) (*process, error) {
	if pid <= 0 {
		return nil, inputError("goshawk ps lists the Go processes", "PID %d: is not a process id", pid)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, inputError("goshawk ps lists the Go processes", "PID %d: no such process", pid)
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil, inputError("goshawk ps lists the Go processes", "PID %d: is a thread, not a process", pid)
	}
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, os.NewSyscallError("pidfd_open", err))
	}
	p := &process{pid: pid, handle: os.NewFile(uintptr(fd), fmt.Sprintf("process %d", pid))}
	if err := p.open(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// open opens what the process runs. The file is the one that it was started
// from, whatever its path leads to by now and in whichever mount namespace.
func (p *process) open() error {
	read, err := target.NewReader(target.ReaderOptions{}).ReadProcess(int32(p.pid))
	switch {
	case errors.Is(err, target.ErrKernelThread):
		return inputError("goshawk ps lists the Go processes", "PID %d: is a thread of the kernel", p.pid)
	case errors.Is(err, target.ErrGone):
		return inputError("goshawk ps lists the Go processes", "PID %d: the process has ended", p.pid)
	case err != nil:
		return fmt.Errorf("process %d: %w", p.pid, err)
	}
	if p.exe, err = os.Open(fmt.Sprintf("/proc/%d/exe", p.pid)); err != nil {
		return fmt.Errorf("process %d: %w", p.pid, err)
	}
	p.binary, err = symbol.OpenFile(p.exe)
	switch {
	case errors.Is(err, symbol.ErrNotGo):
		return inputError("goshawk ps lists the Go processes", "PID %d: %s is not a Go program", p.pid, read.Exe)
	case errors.Is(err, symbol.ErrUnsupported):
		return inputError("Goshawk hooks programs of Go 1.20 and newer on amd64; goshawk ps shows the version", "PID %d: %s: %w", p.pid, read.Exe, err)
	case err != nil:
		return inputError("the file may be damaged; goshawk inspect tells more", "PID %d: %w", p.pid, err)
	}
	if p.id, err = identify(p.exe); err != nil {
		return err
	}
	p.bias = p.binary.LoadBias(read.StartCode)
	// What was read of the process is only of this file when no other one was
	// executed in between.
	again, err := target.NewReader(target.ReaderOptions{}).ReadProcess(int32(p.pid))
	if err != nil || p.gone() || again.StartCode != read.StartCode || again.File != read.File {
		return inputError("try again", "PID %d: the process ended or executed another program while it was looked at", p.pid)
	}
	return nil
}

func identify(f *os.File) (fileID, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fileID{}, fmt.Errorf("stat %s: %w", f.Name(), err)
	}
	return fileID{st.Dev, st.Ino}, nil
}

// guard holds up who writes to the file that the process runs, nil when that is
// not possible. Kernels that do not limit probes to one process put them into
// every one that is started from the file, whatever is in it by then.
func (p *process) guard(log *slog.Logger) *uprobe.Guard {
	// A lease is of an open file of its own: of this one, by its descriptor.
	file, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", p.exe.Fd()))
	var guard *uprobe.Guard
	if err == nil {
		if guard, err = uprobe.NewGuard(file); err != nil {
			file.Close()
		}
	}
	if err != nil && log != nil {
		log.Debug("the file of the process is not guarded against being written", "pid", p.pid, "error", err)
	}
	return guard
}

// namespacedID is the id of a process in its own PID namespace, and the namespace,
// which is the zero value when the kernel has none.
type namespacedID struct {
	pid uint32
	in  platform.PIDNamespace
}

// namespaced returns the id of the process in its own PID namespace. That is not
// [process.pid] when the process is in a container and this one is not.
func (p *process) namespaced() (namespacedID, error) {
	in, err := platform.PIDNamespaceOf(p.pid)
	if errors.Is(err, os.ErrNotExist) && !p.gone() {
		return namespacedID{pid: uint32(p.pid)}, nil
	}
	if err != nil {
		return namespacedID{}, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return namespacedID{}, fmt.Errorf("process %d: %w", p.pid, err)
	}
	pid, ok := innermostID(string(status))
	if !ok || p.gone() {
		return namespacedID{}, fmt.Errorf("process %d: its id in its own PID namespace is not known", p.pid)
	}
	return namespacedID{pid, in}, nil
}

// innermostID returns the last number of the line NSpid of /proc/PID/status.
func innermostID(status string) (uint32, bool) {
	for line := range strings.Lines(status) {
		if list, ok := strings.CutPrefix(line, "NSpid:"); ok {
			ids := strings.Fields(list)
			if len(ids) == 0 {
				return 0, false
			}
			n, err := strconv.ParseUint(ids[len(ids)-1], 10, 32)
			return uint32(n), err == nil && n > 0
		}
	}
	return 0, false
}

// constants is the part of the process that does not change while it runs.
type constants struct {
	types  *symbol.RuntimeTypes // nil when they are not found
	memory *os.File             // of the process; nil when it must not be read
	bias   uint64
}

// constants opens the memory of the process. The caller must close it.
func (p *process) constants() *constants {
	c := &constants{bias: p.bias}
	types, err := p.binary.RuntimeTypes()
	if err != nil {
		return c
	}
	c.types = types
	// It stays that of this very program, whatever the process executes next.
	if memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", p.pid)); err == nil && !p.runsOther() && !p.gone() {
		c.memory = memory
	} else if err == nil {
		memory.Close()
	}
	return c
}

// typeAt returns the type that is described at an address of the process.
func (c *constants) typeAt(addr uint64) (name string, kind reflect.Kind, ok bool) {
	if c.types == nil {
		return "", 0, false
	}
	return c.types.At(addr - c.bias)
}

// readAt fills dst with what is at an address of the process, if it does not
// change.
func (c *constants) readAt(addr uint64, dst []byte) bool {
	if c.memory == nil || !c.types.Steady(addr-c.bias, uint64(len(dst))) {
		return false
	}
	n, err := c.memory.ReadAt(dst, int64(addr))
	return err == nil && n == len(dst)
}

func (c *constants) close() error {
	if c.memory == nil {
		return nil
	}
	return c.memory.Close()
}

// gone reports whether the process has ended.
func (p *process) gone() bool {
	poll := []unix.PollFd{{Fd: int32(p.handle.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, 0)
	return err == nil && n > 0
}

// runsOther reports whether the process has executed another file.
func (p *process) runsOther() bool {
	var st unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/exe", p.pid), &st); err != nil {
		return false
	}
	return fileID{st.Dev, st.Ino} != p.id
}

// Close frees what the process is held by. It does not touch the process.
func (p *process) Close() error {
	var errs []error
	if p.binary != nil {
		errs = append(errs, p.binary.Close())
	}
	if p.exe != nil {
		errs = append(errs, p.exe.Close())
	}
	return errors.Join(append(errs, p.handle.Close())...)
}

// InputError is a fault of what the caller asked for: a process that cannot be
// hooked, a function that is not there, a budget that is too small.
type InputError struct {
	err error
	// Hint says what to do.
	Hint string
}

func inputError(hint, format string, args ...any) error {
	return &InputError{fmt.Errorf(format, args...), hint}
}

// Error says what is wrong and names the operand.
func (e *InputError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *InputError) Unwrap() error { return e.err }
