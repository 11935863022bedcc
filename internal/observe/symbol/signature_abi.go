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
	// maxParts bounds how many fields and elements are looked at to take one
	// value apart: those of no size, which no register holds, may be many.
	maxParts = 1 << 14
	// maxAllParts bounds it for all values of one program. One of 100 MB has
	// some 250,000.
	maxAllParts = 1 << 26
)

// component is a part of a value that takes one register.
type component struct {
	off, size uint64
	float     bool
}

// division takes values apart into what registers hold.
type division struct {
	parts []component
	left  int // fields and elements to look at
}

// divide returns the parts of a value, in order, false for one that has to be on
// the stack. It takes what it looks at from left.
func divide(t *typeInfo, left *int) ([]component, bool) {
	d := division{left: min(maxParts, *left)}
	most := d.left
	ok := d.add(t, 0, 0)
	*left -= most - max(d.left, 0)
	return d.parts, ok
}

func (d *division) add(t *typeInfo, off uint64, depth int) bool {
	if d.left--; d.left < 0 || depth > maxNesting || len(d.parts) > maxComponents {
		return false
	}
	if t.size == 0 {
		return true
	}
	words := 0
	switch t.kind {
	case reflect.Complex64, reflect.Complex128:
		half := t.size / 2
		d.parts = append(d.parts, component{off, half, true}, component{off + half, half, true})
		return true
	case reflect.Array:
		return t.length == 1 && t.elem != nil && d.add(t.elem, off, depth+1)
	case reflect.Struct:
		for i := range t.fields {
			if f := &t.fields[i]; !d.add(f.typ, off+f.off, depth+1) {
				return false
			}
		}
		return true
	case reflect.String, reflect.Interface:
		words = 2
	case reflect.Slice:
		words = 3
	default:
		d.parts = append(d.parts, component{off, t.size, t.kind == reflect.Float32 || t.kind == reflect.Float64})
	}
	for i := range words {
		d.parts = append(d.parts, component{off: off + uint64(i)*pointerSize, size: pointerSize})
	}
	return true
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
	left           *int   // fields and elements to look at
}

// next returns the place of a value: registers when all of it fits, else the
// stack.
func (p *passing) next(t *typeInfo) place {
	if t.size > 0 {
		if parts, ok := divide(t, p.left); ok {
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
