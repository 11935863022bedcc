package symbol

import "reflect"

// convention is how many registers an architecture passes values in
// (ABIInternal).
type convention struct {
	ints, floats int
	// dwarfInts are DWARF's numbers of the registers for integers, in order;
	// dwarfFloat is that of the first one for floating-point numbers.
	dwarfInts  string
	dwarfFloat int64
	// frame is how far what DWARF calls the frame's address is from the stack
	// pointer at the entry.
	frame int64
}

func conventionOf(machine uint16) (c convention, ok bool) {
	switch machine {
	case machineAMD64:
		return convention{9, 15, "\x00\x03\x02\x05\x04\x08\x09\x0a\x0b", 17, 8}, true
	case machineARM:
		return convention{16, 16, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", 64, 0}, true
	}
	return convention{}, false
}

const (
	pointerSize = 8
	// callerArea is what lies between the stack pointer at a function's entry
	// and its arguments: the return address, or the place of the link register.
	callerArea = 8
	// maxNesting bounds how deep structs and arrays are nested by value.
	maxNesting = 64
	// maxComponents is more than any convention has registers.
	maxComponents = 64
)

// component is a part of a value that takes one register.
type component struct {
	off, size uint64
	float     bool
}

// components takes a value apart into what registers hold, in order. It is
// false for a value that has to be on the stack.
func (t *typeInfo) components(dst []component, off uint64, depth int) ([]component, bool) {
	if t.size == 0 {
		return dst, true
	}
	if depth > maxNesting || len(dst) > maxComponents {
		return dst, false
	}
	words := func(n int) ([]component, bool) {
		for i := range n {
			dst = append(dst, component{off: off + uint64(i)*pointerSize, size: pointerSize})
		}
		return dst, true
	}
	switch t.kind {
	case reflect.Float32, reflect.Float64:
		return append(dst, component{off, t.size, true}), true
	case reflect.Complex64, reflect.Complex128:
		half := t.size / 2
		return append(dst, component{off, half, true}, component{off + half, half, true}), true
	case reflect.String, reflect.Interface:
		return words(2)
	case reflect.Slice:
		return words(3)
	case reflect.Array:
		if t.length != 1 || t.elem == nil {
			return dst, false
		}
		return t.elem.components(dst, off, depth+1)
	case reflect.Struct:
		ok := true
		for i := range t.fields {
			f := &t.fields[i]
			if dst, ok = f.typ.components(dst, off+f.off, depth+1); !ok {
				return dst, false
			}
		}
		return dst, true
	}
	return append(dst, component{off, t.size, false}), true
}

// place is where a value is passed.
type place struct {
	registers []Register
	stack     int64 // from the stack pointer at the entry, -1 when not there
}

// passing assigns places to the values of a call, one after the other.
type passing struct {
	convention
	ints0, floats0 int    // registers that are taken
	stack          uint64 // bytes of the stack that are taken
}

// next returns the place of a value: registers when all of it fits, else the
// stack.
func (p *passing) next(t *typeInfo) place {
	if t.size > 0 {
		if parts, ok := t.components(nil, 0, 0); ok {
			if registers, ok := p.take(parts); ok {
				return place{registers, -1}
			}
		}
	}
	p.align(t.align)
	at := p.stack
	p.stack += t.size
	return place{stack: int64(at) + callerArea}
}

// take assigns registers to all of the components or to none.
func (p *passing) take(parts []component) ([]Register, bool) {
	ints, floats := p.ints0, p.floats0
	registers := make([]Register, 0, len(parts))
	for _, c := range parts {
		r := Register{Float: c.float, Offset: c.off, Size: c.size}
		if c.float {
			r.Index = floats
			floats++
		} else {
			r.Index = ints
			ints++
		}
		registers = append(registers, r)
	}
	if ints > p.ints || floats > p.floats {
		return nil, false
	}
	p.ints0, p.floats0 = ints, floats
	return registers, true
}

func (p *passing) align(n uint64) {
	if n > 1 {
		p.stack = (p.stack + n - 1) / n * n
	}
}

// results starts over with the registers, for the results: they lie behind the
// arguments where they are on the stack.
func (p *passing) results() {
	p.align(pointerSize)
	p.ints0, p.floats0 = 0, 0
}

// skip leaves a register to a word that is not described.
func (p *passing) skip() { p.ints0++ }

// follow returns the place of a value that begins where the compiler says, when
// parameters that are missing before it explain that; else none.
func (p *passing) follow(t told, typ *typeInfo) place {
	none := place{stack: -1}
	if !t.ok {
		return none
	}
	after := *p
	if t.stack >= 0 {
		// These releases tell the place of a part as that of the whole, and
		// what is missing may be on the stack, too.
		where := after.next(typ)
		if where.stack != t.stack {
			return none
		}
		*p = after
		return where
	}
	next := &after.ints0
	if t.float {
		next = &after.floats0
	}
	if t.index < *next {
		return none
	}
	*next = t.index
	where := after.next(typ)
	if where.registers == nil || where.registers[0].Float != t.float {
		return none
	}
	*p = after
	return where
}
