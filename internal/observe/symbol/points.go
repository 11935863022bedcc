package symbol

import (
	"bytes"
	"fmt"
)

const (
	// maxCode is the size of the code of a function that is looked into. The
	// largest seen in practice, made by generators, have some 100 KiB.
	maxCode = 4 << 20
	// maxExits bounds the returns of a function.
	maxExits = 1 << 16
	// maxPrologue bounds the instructions among which an entry is looked for.
	maxPrologue = 64
)

// Point is an instruction that a probe can be put on.
type Point struct {
	// Addr is the instruction's address in the file, without a load bias.
	Addr uint64
	// Offset is its position in the file, in bytes: what a uprobe takes.
	Offset uint64
	// Op is the instruction in words: "push", "call", "ret".
	Op string
	// Stepped says that the kernel runs the instruction in a single step out of
	// line, which costs about ten times what an emulated one costs.
	Stepped bool
}

// PointError says why a function has no probe point of the kind that was asked
// for.
type PointError struct {
	Func string // as the linker spells it
	Addr uint64 // where the reason is, in the file
	// Cause is the reason, without the name: "instruction at +12 is not
	// decoded".
	Cause string
}

func (e *PointError) Error() string {
	return fmt.Sprintf("no probe point in %s at %#x: %s", e.Func, e.Addr, e.Cause)
}

// EntryPoint is [Code.EntryPoint] of the code of f. Errors are of type
// [*PointError].
func (b *Binary) EntryPoint(f Function) (Point, error) {
	c, err := b.Code(f)
	if err != nil {
		return Point{}, err
	}
	return c.EntryPoint()
}

// StartPoint returns the instruction at which the kernel, or the dynamic loader
// once it is done, enters the program: before any of its code has run. Errors are
// of type [*PointError].
func (b *Binary) StartPoint() (Point, error) {
	const longest = 15 // bytes that an instruction takes at most
	c, err := b.Code(Function{Name: "the entry point", Entry: b.img.entry, End: b.img.entry + longest})
	if err != nil {
		return Point{}, err
	}
	return c.pointAt(0)
}

// ReturnPoints is [Code.ReturnPoints] of the code of f. Errors are of type
// [*PointError].
func (b *Binary) ReturnPoints(f Function) ([]Point, error) {
	c, err := b.Code(f)
	if err != nil {
		return nil, err
	}
	return c.ReturnPoints()
}

// CallPoints is [Code.CallPoints] of the code of f. Errors are of type
// [*PointError].
func (b *Binary) CallPoints(f, callee Function) ([]Point, error) {
	c, err := b.Code(f)
	if err != nil {
		return nil, err
	}
	return c.CallPoints(callee)
}

// Code is the machine code of a function: a copy. It is not safe for concurrent
// use.
type Code struct {
	b      *Binary
	fn     Function
	offset uint64 // of the entry in the file
	text   []byte
	whole  *scan // once it is known
}

// Code reads the code of f. Errors are of type [*PointError]: the architecture
// is not supported, or f is not a function of b that has code.
func (b *Binary) Code(f Function) (*Code, error) {
	c := &Code{b: b, fn: f}
	switch {
	case b.img.machine == machineARM:
		return nil, c.refuse(0, "arm64 is not supported yet")
	case b.img.machine != machineAMD64:
		return nil, c.refuse(0, "the file is closed")
	case f.End <= f.Entry:
		return nil, c.refuse(0, "it has no code of its own")
	case f.End-f.Entry > maxCode:
		return nil, c.refuse(0, "it has %d bytes of code", f.End-f.Entry)
	}
	for s := range b.img.loads(flagExec) {
		if s.contains(f.Entry) && s.contains(f.End-1) {
			c.offset = s.off + (f.Entry - s.addr)
			c.text = b.Text(f.Entry, f.End)
			break
		}
	}
	if c.text == nil {
		return nil, c.refuse(0, "its code is not in the file")
	}
	return c, nil
}

// refuse returns an error about the instruction at off.
func (c *Code) refuse(off int, format string, args ...any) error {
	return &PointError{Func: c.fn.Name, Addr: c.fn.Entry + uint64(off), Cause: fmt.Sprintf(format, args...)}
}

// point returns the point on an instruction that the kernel takes.
func (c *Code) point(in *instr) (Point, error) {
	p := Point{Addr: c.fn.Entry + uint64(in.off), Offset: c.offset + uint64(in.off), Op: in.name(), Stepped: !in.emulated()}
	if p.Stepped && !in.steppable() {
		return Point{}, c.refuse(in.off, "the kernel refuses the %s at %+d", in.name(), in.off)
	}
	return p, nil
}

// pointAt returns the point on the instruction at off.
func (c *Code) pointAt(off int) (Point, error) {
	in, err := c.decode(off)
	if err != nil {
		return Point{}, err
	}
	return c.point(&in)
}

// inside reports whether a target, relative to the entry, is in the function.
func (c *Code) inside(target int64) bool { return target >= 0 && target < int64(len(c.text)) }

// ReturnPoints returns the instructions at which the function ends, in order of
// address: a probe on all of them sees each call that returns once. Results are
// in their registers, or on the stack of a function in assembly.
//
// They are every RET (Stepped) and, where the code ends in a call of another
// function in its place, that jump (emulated): what the other function returns
// is not there yet. A call that ends by a panic that the function does not
// recover, by [runtime.Goexit] or with the program passes none of them, and a
// function that only ends so has none: the result is empty then.
//
// All of the code has to be known. Where it may end in a way that has no point
// of its own (a jump to an address in a register, a conditional jump to another
// function, code that runs on into the next function) the answer is an error,
// as it is for code that is not understood. Errors are of type [*PointError].
func (c *Code) ReturnPoints() ([]Point, error) {
	s := c.scan()
	if s.err != nil {
		return nil, s.err
	}
	if s.unclear != nil {
		return nil, s.unclear
	}
	points := make([]Point, 0, len(s.exits))
	for _, off := range s.exits {
		p, err := c.pointAt(off)
		if err != nil {
			return nil, err
		}
		points = append(points, p)
	}
	return points, nil
}

// CallPoints returns the instructions that call callee directly, in order of
// address: a probe there finds the arguments as callee's entry does, but for
// the return address, which is not yet on the stack. Calls of a wrapper of the
// same name, which adapts a calling convention, count as calls of callee; their
// arguments are on the stack. Calls through an interface or a function value,
// and calls that were inlined, are not found.
//
// All points are emulated. An empty result is not an error. All of the code has
// to be known. Errors are of type [*PointError].
func (c *Code) CallPoints(callee Function) ([]Point, error) {
	s := c.scan()
	if s.err != nil {
		return nil, s.err
	}
	var points []Point
	for _, call := range s.calls {
		addr := c.fn.Entry + uint64(call.to)
		if addr != callee.Entry && !c.b.isWrapperOf(addr, callee.Name) {
			continue
		}
		p, err := c.pointAt(call.from)
		if err != nil {
			return nil, err
		}
		if !p.Stepped { // a call with prefixes is none that Go makes
			points = append(points, p)
		}
	}
	return points, nil
}

// isWrapperOf reports whether a wrapper of the given name starts at addr.
func (b *Binary) isWrapperOf(addr uint64, name string) (ok bool) {
	shielded(func() {
		f, found := b.table.find(addr)
		if !found || f.entry != addr || !b.table.isWrapper(&f) {
			return
		}
		text, _ := cstring(b.table.names, uint64(f.name()))
		ok = string(text) == name
	})
	return ok
}

// Size returns the size of the code in bytes, without what fills the space
// before the next function.
func (c *Code) Size() int {
	if s := c.scan(); s.err == nil {
		return s.size
	}
	return len(bytes.TrimRight(c.text, "\xcc"))
}
