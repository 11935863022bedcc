package symbol

import "golang.org/x/arch/x86/x86asm"

// prologue follows the code from the entry on for as long as everything is as
// the caller left it.
type prologue struct {
	guard   bool // the last instruction compared with the stack's guard
	large   bool // the last instruction computed the end of a large frame
	checked int  // offset after the check of the stack, 0 without one
	loadsG  bool // CX holds g, as in assembly

	err        error
	push       *instr  // of the frame pointer
	candidates []instr // without it, in order of preference
}

// EntryPoint returns where a probe sees each call of the function once, with
// the registers that carry the arguments, the closure and g, and with the stack
// pointer, all as the caller left them. Of the instructions that qualify it
// takes
//
//   - the push of the frame pointer, after the check of the stack where there
//     is one: a function that is restarted on a larger stack gets there once;
//   - else the first instruction that the kernel emulates;
//   - else, Stepped, the one after the check of the stack, which is what code
//     of Go 1.20 has, or the first of a function without a check.
//
// No instruction qualifies that a loop comes back to. In assembly a check of
// the stack may load g into CX: arguments are not in registers there.
//
// Only the code up to the point has to be known, or all of it where there may
// be a loop that starts at the entry. Errors are of type [*PointError].
func (c *Code) EntryPoint() (Point, error) {
	p := c.prologue()
	if p.err != nil {
		return Point{}, p.err
	}
	if p.push != nil {
		return c.point(p.push)
	}
	return c.firstOnce(p.candidates, p.checked)
}

// StackCheck reports whether the function begins by checking that its stack is
// large enough.
func (c *Code) StackCheck() bool { return c.prologue().checked > 0 }

// prologue follows the code from the entry on.
func (c *Code) prologue() *prologue {
	p := &prologue{}
	var emulated []instr
	last := instr{off: -1} // what is left when nothing is emulated
	off := 0
	for range maxPrologue {
		in, err := c.decode(off)
		if err != nil {
			p.err = err
			return p
		}
		if off == 0 || off == p.checked {
			last, emulated = in, nil
		}
		if in.framePush() && (p.checked > 0 || c.framePointer(in.off+in.Len)) {
			p.push = &in
			return p
		}
		if in.emulated() {
			emulated = append(emulated, in)
		}
		if !p.step(&in) {
			break
		}
		off += in.Len
	}
	p.candidates = append(emulated, last)
	return p
}

// framePointer reports whether the instruction at off makes RBP point to the
// frame, as after a push at the entry of a function.
func (c *Code) framePointer(off int) bool {
	in, err := c.decode(off)
	return err == nil && in.Op == x86asm.MOV && in.Args[0] == x86asm.RBP && in.Args[1] == x86asm.RSP
}

// step goes past in and reports whether everything is still as the caller left
// it and every call comes past what follows.
func (p *prologue) step(in *instr) bool {
	guard, large := p.guard, p.large
	p.guard, p.large = false, false
	switch {
	case in.conditional():
		if guard && in.Op == x86asm.JBE {
			p.checked = in.off + in.Len
			return true
		}
		// A large frame is first checked for running below address 0.
		return large && in.Op == x86asm.JB
	case in.Op == x86asm.CMP && (in.Args[0] == x86asm.RSP || in.Args[0] == x86asm.R12) && p.isGuard(in.Args[1]):
		p.guard = true
		return true
	case in.Op == x86asm.SUB && in.Args[0] == x86asm.R12:
		p.large = true
		return true
	case in.Op == x86asm.MOV && in.Args[0] == x86asm.RCX && p.isG(in.Args[1]):
		p.loadsG = true
		return true
	}
	return in.harmless()
}

// isGuard reports whether an operand is the bound of the stack, in g.
func (p *prologue) isGuard(arg x86asm.Arg) bool {
	m, ok := arg.(x86asm.Mem)
	return ok && m.Index == 0 && (m.Disp == 16 || m.Disp == 24) &&
		(m.Base == x86asm.R14 || m.Base == x86asm.RCX && p.loadsG)
}

// isG reports whether an operand is g in the thread's storage, or on the way to
// it.
func (p *prologue) isG(arg x86asm.Arg) bool {
	m, ok := arg.(x86asm.Mem)
	return ok && (m.Segment == x86asm.FS || p.loadsG && m.Base == x86asm.RCX)
}

// firstOnce returns the first of some instructions that each call passes once.
// Jumps to before from, to where the stack is checked, do not count: they
// restart the function and have not come past.
func (c *Code) firstOnce(candidates []instr, from int) (Point, error) {
	s := c.scan()
	if s.err != nil {
		return Point{}, s.err
	}
	loop := len(c.text) // the first instruction that a jump goes to
	for _, j := range s.jumps {
		if j.to >= from {
			loop = min(loop, j.to)
		}
	}
	var last error
	for i := range candidates {
		in := &candidates[i]
		switch {
		case loop <= in.off:
			last = c.refuse(in.off, "a loop comes back to the instruction at %+d", in.off)
		case s.unknown >= 0 && from == 0 && s.unknown != in.off:
			last = c.refuse(in.off, "the jump at %+d may come back to the instruction at %+d", s.unknown, in.off)
		default:
			p, err := c.point(in)
			if err == nil {
				return p, nil
			}
			last = err
		}
	}
	return Point{}, last
}
