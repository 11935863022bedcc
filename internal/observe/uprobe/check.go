package uprobe

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

var (
	// ErrPatched says that the code at a site is not that of the file: a
	// debugger, a tracer or a live patch has rewritten it.
	ErrPatched = errors.New("the code in memory differs from the file")
	// ErrUnreadable says that the code of a process could not be read.
	ErrUnreadable = errors.New("the code in memory cannot be read")
)

const (
	// alignment is that of functions, or twice that. A jump that was put over
	// the start of a function lies between there and the point at its entry.
	alignment = 32
	// maxVectors is how many pieces of memory one system call reads (IOV_MAX).
	maxVectors = 1024
	// breakpoint is the instruction by which the kernel's uprobes and debuggers
	// stop a program.
	breakpoint = 0xcc
)

// Check compares the code of process pid at each point, and between it and the
// start of its function where that is near, with the file, and returns the
// points where it differs: a probe there would run over what
// something else has written. bias is the process's load bias; b is the file
// that it runs. Points of functions that nobody else touched are not in the
// result, and neither are those where the kernel has a uprobe already. Where a
// debugger is attached, a breakpoint counts as a difference: it cannot be told
// from a uprobe.
//
// It reads memory with process_vm_readv, a thousand points at a time, and does
// not stop the process.
func Check(pid int, bias uint64, b *symbol.Binary, points []symbol.Point) []Refusal {
	c := checker{pid: pid, bias: bias, binary: b, traced: tracer(pid) != 0}
	for len(points) > 0 {
		n := min(len(points), maxVectors)
		c.check(points[:n])
		points = points[n:]
	}
	return c.refused
}

type checker struct {
	pid     int
	bias    uint64
	binary  *symbol.Binary
	traced  bool
	refused []Refusal
}

// window is what is compared for one point.
type window struct {
	point      symbol.Point
	addr       uint64 // of its first byte, in the file
	want, have []byte
}

func (c *checker) check(points []symbol.Point) {
	windows := make([]window, 0, len(points))
	for _, p := range points {
		w := window{point: p, addr: p.Addr &^ (alignment - 1)}
		if w.want = c.binary.Text(w.addr, p.Addr+length(p)); w.want == nil {
			// At the start of the code the point itself must do.
			w.addr = p.Addr
			w.want = c.binary.Text(p.Addr, p.Addr+length(p))
		}
		if w.want == nil {
			c.refuse(p, fmt.Errorf("%w: address %#x is not in the file", ErrUnreadable, p.Addr))
			continue
		}
		w.have = make([]byte, len(w.want))
		windows = append(windows, w)
	}
	for len(windows) > 0 {
		n, err := c.read(windows)
		for i := range windows[:n] {
			c.compare(&windows[i])
		}
		windows = windows[n:]
		if len(windows) > 0 {
			c.refuse(windows[0].point, fmt.Errorf("%w: process %d at %#x: %w", ErrUnreadable, c.pid, windows[0].addr+c.bias, err))
			windows = windows[1:]
		}
	}
}

// length returns how many bytes of the instruction at p count. Those behind it
// may be another function's.
func length(p symbol.Point) uint64 {
	switch p.Op {
	case "call":
		return 5
	case "jmp":
		return 2
	}
	return 1
}

func (c *checker) refuse(p symbol.Point, err error) {
	c.refused = append(c.refused, Refusal{Site{Offset: p.Offset}, err})
}

// read fills the windows from the process's memory and returns how many of
// them, from the first on, are full.
func (c *checker) read(windows []window) (int, error) {
	local, remote := make([]unix.Iovec, len(windows)), make([]unix.RemoteIovec, len(windows))
	for i := range windows {
		have := windows[i].have
		local[i].Base = &have[0]
		local[i].SetLen(len(have))
		remote[i] = unix.RemoteIovec{Base: uintptr(windows[i].addr + c.bias), Len: len(have)}
	}
	n, err := unix.ProcessVMReadv(c.pid, local, remote, 0)
	if err != nil {
		return 0, os.NewSyscallError("process_vm_readv", err)
	}
	full := 0
	for full < len(windows) && n >= len(windows[full].have) {
		n -= len(windows[full].have)
		full++
	}
	return full, unix.EFAULT
}

// compare refuses the point of w when its code is not that of the file.
func (c *checker) compare(w *window) {
	for i := range w.have {
		if w.have[i] != w.want[i] && (w.have[i] != breakpoint || c.traced) {
			at := w.addr + uint64(i)
			c.refuse(w.point, fmt.Errorf("%w at %#x: % x instead of % x", ErrPatched, at, w.have[i:min(i+8, len(w.have))], w.want[i:min(i+8, len(w.want))]))
			return
		}
	}
}

// tracer returns the process that traces pid, 0 when there is none.
func tracer(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		if text, ok := bytes.CutPrefix(line, []byte("TracerPid:")); ok {
			n, _ := strconv.Atoi(string(bytes.TrimSpace(text)))
			return n
		}
	}
	return 0
}
