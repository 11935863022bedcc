package symbol

import (
	"math"
	"strings"
)

// The operations of DWARF expressions that Go's compiler writes for
// parameters.
const (
	opRegister0 = 0x50
	opRegister  = 0x90 // the number follows
	opFrame     = 0x91 // the offset follows
	opCFA       = 0x9c

	maxLocations = 4096
)

// told is where the compiler says that a value begins: in a register, or on the
// stack.
type told struct {
	ok    bool
	float bool
	index int   // of the register, in ABIInternal
	stack int64 // as in place, -1 when it is in a register
}

// location returns where the compiler says that a parameter is at the entry of
// its function. base is the lowest address of the unit.
//
// Only the start counts: old releases write some pieces twice.
func (s *Signatures) location(attribute any, base, entry uint64) told {
	switch l := attribute.(type) {
	case []byte:
		return s.abi.read(l)
	case int64:
		if loc := s.units.loc; l >= 0 && l <= int64(len(loc)) {
			return s.abi.read(locationAt(loc[l:], base, entry))
		}
	}
	return told{}
}

// locationAt returns the expression of a list of locations (DWARF 4) that holds
// at an address, nil when none does.
func locationAt(list []byte, base, addr uint64) []byte {
	for range maxLocations {
		if len(list) < 16 {
			return nil
		}
		lo, hi := le.Uint64(list), le.Uint64(list[8:])
		list = list[16:]
		switch {
		case lo == 0 && hi == 0:
			return nil
		case lo == math.MaxUint64:
			base = hi
			continue
		}
		if len(list) < 2 {
			return nil
		}
		n := int(le.Uint16(list))
		if list = list[2:]; len(list) < n {
			return nil
		}
		if base+lo <= addr && addr < base+hi {
			return list[:n]
		}
		list = list[n:]
	}
	return nil
}

// read returns where the value begins that an expression is about.
func (c convention) read(expr []byte) told {
	if len(expr) == 0 {
		return told{}
	}
	switch expr[0] {
	case opCFA:
		return told{ok: true, stack: c.frame}
	case opFrame:
		off, rest := sleb128(expr[1:])
		if rest == nil || off < 0 || off > math.MaxInt32 {
			return told{} // not an argument
		}
		return told{ok: true, stack: off + c.frame}
	}
	number, rest := registerNumber(expr)
	if rest == nil {
		return told{}
	}
	for _, float := range []bool{false, true} {
		if index, ok := c.index(number, float); ok {
			return told{ok: true, float: float, index: index, stack: -1}
		}
	}
	return told{}
}

// registerNumber returns DWARF's number of the register that an expression
// starts with, and what follows; nil when it starts otherwise.
func registerNumber(expr []byte) (number int64, rest []byte) {
	switch {
	case len(expr) == 0:
		return 0, nil
	case expr[0] >= opRegister0 && expr[0] < opRegister0+32:
		return int64(expr[0] - opRegister0), expr[1:]
	case expr[0] == opRegister:
		return sleb128(expr[1:])
	}
	return 0, nil
}

// index returns the index in ABIInternal of the register with a number in
// DWARF, false when it is none of those that values are passed in.
func (c convention) index(number int64, float bool) (int, bool) {
	numbers, first := c.dwarfInts, c.dwarfFloat
	if float {
		i := number - first
		return int(i), i >= 0 && i < int64(c.floats)
	}
	i := strings.IndexByte(numbers, byte(number))
	return i, i >= 0 && number < 128
}

// sleb128 reads a number of variable length; rest is nil when there is none.
func sleb128(b []byte) (n int64, rest []byte) {
	for i := range min(len(b), 9) {
		n |= int64(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			if b[i]&0x40 != 0 {
				n |= -1 << (7 * (i + 1))
			}
			return n, b[i+1:]
		}
	}
	return 0, nil
}
