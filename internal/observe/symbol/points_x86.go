package symbol

import (
	"errors"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// instr is an instruction of a function.
type instr struct {
	x86asm.Inst
	off    int    // from the entry of the function
	raw    []byte // its bytes
	target int64  // of a direct jump or call, from the entry
	vector bool   // VEX or EVEX encoded: only the length is known
}

var (
	errVector = errors.New("no vector instruction")
	errPrefix = errors.New("a prefix without an instruction")
)

// direct reports whether the instruction is a jump, conditional jump or call to
// an address that is part of it.
func (in *instr) direct() bool { _, ok := in.Args[0].(x86asm.Rel); return ok }

// conditional reports whether the instruction is a conditional jump.
func (in *instr) conditional() bool {
	return in.direct() && in.Op != x86asm.JMP && in.Op != x86asm.CALL && in.Op != x86asm.XBEGIN
}

// jumpTable reports whether the instruction jumps to an entry of a table of
// addresses, as a switch does. Such a jump stays in the function.
func (in *instr) jumpTable() bool {
	m, ok := in.Args[0].(x86asm.Mem)
	return ok && in.Op == x86asm.JMP && m.Scale == 8 && m.Index != 0
}

// ends reports whether the instruction can be the last of a function: a call
// may not come back.
func (in *instr) ends() bool {
	switch in.Op {
	case x86asm.RET, x86asm.JMP, x86asm.UD2, x86asm.HLT, x86asm.CALL:
		return true
	}
	return false
}

// padding reports whether the instruction fills the space between functions.
func (in *instr) padding() bool { return in.idle() || in.Op == x86asm.INT }

// idle reports whether the instruction does nothing.
func (in *instr) idle() bool {
	return in.Op == x86asm.NOP || in.Op == x86asm.XCHG && in.Args[0] == in.Args[1]
}

// name returns the instruction in words.
func (in *instr) name() string {
	if in.vector {
		return "vector instruction"
	}
	return strings.ToLower(strings.TrimSuffix(in.Op.String(), "_XMM"))
}

// opcode returns the bytes of the instruction from its opcode on, after its
// prefixes, and its REX prefix, 0 without one.
func (in *instr) opcode() (code []byte, rex byte) {
	for i, c := range in.raw {
		switch {
		case c == 0x66 || c == 0xf2 || c == 0xf3 || c == 0x64 || c == 0x65:
		case c&0xf0 == 0x40:
			return in.raw[i+1:], c
		default:
			return in.raw[i:], 0
		}
	}
	return nil, 0
}

// framePush reports whether the instruction is `push rbp`.
func (in *instr) framePush() bool { return in.Len == 1 && in.raw[0] == 0x55 }

// emulated reports whether the kernel runs the instruction under a probe
// without a single step, on every release since 5.17: a push of a register, a
// nop of one byte or with operand size prefixes, and direct jumps and calls.
// Longer nops are not counted: older kernels step them, and one of 5 bytes is
// rewritten by newer ones.
func (in *instr) emulated() bool {
	code, rex := in.opcode()
	if in.vector || len(code) == 0 {
		return false
	}
	prefixes := len(in.raw) - len(code)
	switch op := code[0]; {
	case op >= 0x50 && op <= 0x57:
		return prefixes == 0 || prefixes == 1 && rex == 0x41
	case op == 0x90:
		return prefixes == strings.Count(string(in.raw[:prefixes]), "\x66")
	case op == 0xe8, op == 0xe9, op == 0xeb, op >= 0x70 && op <= 0x7f:
		return prefixes == 0
	case op == 0x0f && len(code) > 1:
		return prefixes == 0 && code[1] >= 0x80 && code[1] <= 0x8f
	}
	return false
}

// steppable reports whether the kernel is known to take the instruction under a
// probe. It is stricter than any release of the kernel: vector instructions,
// three-byte opcodes, bad and rare prefixes, privileged instructions and
// traps do not count, and neither does a nop of five bytes.
func (in *instr) steppable() bool {
	code, _ := in.opcode()
	if in.vector || len(code) == 0 || in.Op == x86asm.NOP && in.Len == 5 {
		return false
	}
	switch op := code[0]; {
	case op == 0x0f:
		return len(code) > 1 && steppable0F(code[1])
	case op < 0x40:
		// The low six of each eight are arithmetic; the others are prefixes
		// and do not exist in 64-bit code.
		return op&7 < 6
	case op < 0x60:
		return true
	case op < 0x70:
		return op == 0x63 || op >= 0x68 && op <= 0x6b
	case op < 0xc0:
		return op != 0x82 && op != 0x9a
	case op < 0xd0:
		return op <= 0xc3 || op == 0xc6 || op == 0xc7 || op == 0xc9
	case op < 0xe0:
		return op <= 0xd3
	}
	// Direct jumps with prefixes are not among these.
	return code[0] == 0xf6 || code[0] == 0xf7 || code[0] == 0xfe || code[0] == 0xff
}

// steppable0F is steppable for the second byte of a two-byte opcode.
func steppable0F(op byte) bool {
	switch {
	case op < 0x10:
		return false
	case op < 0x18, op >= 0x28 && op < 0x30: // moves and comparisons of floats
		return true
	case op == 0x1f: // long nops
		return true
	case op >= 0x40 && op < 0x77: // conditional moves, SSE
		return true
	case op == 0x7e, op == 0x7f, op >= 0x90 && op < 0xa0: // moves, set on condition
		return true
	case op == 0xa2, op == 0xa3, op == 0xab, op == 0xaf, op == 0xb3:
		return true
	case op >= 0xba && op < 0xd0, op == 0xb6, op == 0xb7:
		return true
	}
	return op > 0xd0 && op != 0xf0 && op != 0xff
}

// harmless reports whether the instruction leaves the registers of arguments,
// the stack pointer, g, memory and the flow of control as they are: it compares,
// does nothing, or writes to a register that no caller uses.
func (in *instr) harmless() bool {
	switch in.Op {
	case x86asm.CMP, x86asm.TEST, x86asm.BT, x86asm.UCOMISD, x86asm.UCOMISS, x86asm.COMISD, x86asm.COMISS:
		return true
	case x86asm.MOV, x86asm.LEA, x86asm.SUB, x86asm.ADD, x86asm.XOR, x86asm.MOVZX, x86asm.MOVSX, x86asm.MOVSXD:
		switch in.Args[0] {
		case x86asm.R12, x86asm.R12L, x86asm.R13, x86asm.R13L:
			return true
		}
	}
	return in.idle()
}

// isVector reports whether code starts with a VEX or EVEX encoded instruction.
// In 64-bit mode the first bytes of these mean nothing else.
func isVector(code []byte) bool {
	return len(code) > 0 && (code[0] == 0xc4 || code[0] == 0xc5 || code[0] == 0x62)
}

// vectorLen returns the length of a VEX or EVEX encoded instruction. None of
// them jumps.
func vectorLen(code []byte) (int, error) {
	var raw [16]byte // what is cut off is 0
	copy(raw[:], code)
	var at, opcodes int // of the opcode, and the map that it is in
	switch raw[0] {
	case 0xc5:
		at, opcodes = 2, 1
	case 0xc4:
		at, opcodes = 3, int(raw[1]&0x1f)
	default:
		at, opcodes = 4, int(raw[1]&7)
	}
	if opcodes == 0 || opcodes == 4 || opcodes > 6 {
		return 0, errVector
	}
	op, modrm := raw[at], raw[at+1]
	n := at + 2
	switch mod, base := modrm>>6, modrm&7; {
	case opcodes == 1 && op == 0x77 && at < 4: // vzeroupper, vzeroall
		n = at + 1
	case mod == 3:
	default:
		if base == 4 {
			base = raw[n] & 7
			n++
		}
		switch {
		case mod == 1:
			n++
		case mod == 2, base == 5:
			n += 4
		}
	}
	if opcodes == 3 || opcodes == 1 && (op >= 0x70 && op <= 0x73 || op == 0xc2 || op >= 0xc4 && op <= 0xc6) {
		n++ // a byte of immediate
	}
	if n > len(code) {
		return 0, errVector
	}
	return n, nil
}
