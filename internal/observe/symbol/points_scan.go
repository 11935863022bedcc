package symbol

import "golang.org/x/arch/x86/x86asm"

// decode reads the instruction at off.
func (c *Code) decode(off int) (instr, error) {
	in := instr{off: off}
	if off < 0 || off >= len(c.text) {
		return in, c.refuse(off, "the code ends at %+d", len(c.text))
	}
	rest := c.text[off:]
	var err error
	if isVector(rest) {
		in.vector = true
		in.Len, err = vectorLen(rest)
	} else if in.Inst, err = x86asm.Decode(rest, 64); err == nil && in.Op == 0 {
		err = errPrefix // of which x86asm makes an instruction
	}
	if err != nil || in.Len <= 0 || in.Len > len(rest) {
		return in, c.refuse(off, "instruction at %+d is not decoded", off)
	}
	in.raw = rest[:in.Len]
	if rel, ok := in.Args[0].(x86asm.Rel); ok {
		in.target = int64(off+in.Len) + int64(rel)
	}
	return in, nil
}

// scan is what is known of the whole code of a function.
type scan struct {
	err     error  // why it is not known
	size    int    // bytes, without padding
	jumps   []jump // that stay in the function, conditional or not
	unknown int    // the offset of a jump that is not direct, -1 without one
	calls   []jump
	exits   []int // the offsets of returns, and of jumps to other functions
	unclear error // a way out that is not among exits
}

// jump is a direct jump or call; both ends are relative to the function.
type jump struct{ from, to int }

// scan decodes the function, once. Code in which a jump goes into the middle of
// an instruction is not understood.
func (c *Code) scan() *scan {
	if c.whole != nil {
		return c.whole
	}
	s := &scan{unknown: -1}
	c.whole = s
	starts := make([]bool, len(c.text))
	last := instr{}
	for off := 0; off < len(c.text); {
		in, err := c.decode(off)
		if err != nil {
			s.err = err
			return s
		}
		starts[off] = true
		s.add(c, &in)
		off += in.Len
		if !in.padding() {
			last, s.size = in, off
		}
	}
	if len(s.exits) > maxExits {
		s.unclear = c.refuse(s.exits[maxExits], "it has %d returns", len(s.exits))
	}
	if !last.ends() && s.unclear == nil {
		s.unclear = c.refuse(last.off, "the code runs on into the next function after the instruction at %+d", last.off)
	}
	for _, j := range s.jumps {
		if !starts[j.to] {
			s.err = c.refuse(j.from, "the jump at %+d goes into the middle of an instruction: there are data in the code", j.from)
			break
		}
	}
	return s
}

// add takes note of what an instruction does.
func (s *scan) add(c *Code, in *instr) {
	direct := in.direct()
	inside := direct && c.inside(in.target)
	switch {
	case in.Op == x86asm.RET:
		s.exits = append(s.exits, in.off)
	case in.Op == x86asm.CALL:
		if direct {
			s.calls = append(s.calls, jump{in.off, int(in.target)})
		}
	case inside:
		s.jumps = append(s.jumps, jump{in.off, int(in.target)})
	case in.Op == x86asm.JMP && direct:
		s.exits = append(s.exits, in.off)
	case in.Op == x86asm.JMP:
		s.unknown = in.off
		if !in.jumpTable() {
			s.unclear = c.refuse(in.off, "the jump at %+d goes to an address in a register or in memory: it may end the function", in.off)
		}
	case direct:
		s.unclear = c.refuse(in.off, "the conditional jump at %+d leaves the function", in.off)
	}
}
