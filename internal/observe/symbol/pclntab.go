package symbol

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/goshawk-io/goshawk/internal/model"
)

const (
	magic120 = 0xfffffff1 // Go 1.20 and newer
	magic118 = 0xfffffff0
	magic116 = 0xfffffffa
	magic12  = 0xfffffffb

	pcHeaderSize = 72
	ftabEntry    = 8
	funcSize     = 44 // of runtime._func before its two tables
	inlineSize   = 16 // of runtime.inlinedCall

	pcdataInlineIndex  = 2
	funcdataInlineTree = 3
	noOffset           = ^uint32(0)
	flagAssembly       = 1 << 2

	maxText   = 1 << 16 // bytes of a name as stored
	maxName   = 4 << 10 // bytes of a name in a frame
	maxInline = 128     // inlined calls at one address
	maxSteps  = 16 << 20

	maxSameName = 1024
)

var errTable = errors.New("damaged function table")

// table is a pclntab with what its module data says of it. It aliases the file.
type table struct {
	addr    uint64 // of the header
	ftab    uint64 // address of the index of functions
	quantum uint64 // size of the smallest instruction
	nfunc   int

	names, units, files, values, funcs []byte

	text, etext uint64
	inline      []byte // from the address that inline trees are relative to
	ids         funcIDs
}

// parseTable reads the header of a pclntab at an address. data may run past
// the table's end.
func parseTable(data []byte, addr uint64) (*table, error) {
	if len(data) < pcHeaderSize {
		return nil, fmt.Errorf("%w: %d bytes", errTable, len(data))
	}
	switch magic := le.Uint32(data); magic {
	case magic120:
	case magic118, magic116, magic12:
		return nil, fmt.Errorf("%w: function table of a Go release before 1.20 (magic %#x)", ErrUnsupported, magic)
	default:
		return nil, fmt.Errorf("%w: magic %#x", errTable, magic)
	}
	t := &table{addr: addr, quantum: uint64(data[6])}
	if data[4] != 0 || data[5] != 0 || data[7] != 8 || (t.quantum != 1 && t.quantum != 4) {
		return nil, fmt.Errorf("%w: header % x", errTable, data[:8])
	}
	nfunc := le.Uint64(data[8:])
	var starts [6]uint64
	for i := range 5 {
		starts[i] = le.Uint64(data[32+8*i:])
	}
	starts[5] = uint64(len(data))
	for i := range 5 {
		if starts[i] < pcHeaderSize || starts[i] > starts[i+1] {
			return nil, fmt.Errorf("%w: part %d at %#x", errTable, i, starts[i])
		}
	}
	cut := func(i int) []byte { return data[starts[i]:starts[i+1]:starts[i+1]] }
	t.names, t.units, t.files, t.values, t.funcs = cut(0), cut(1), cut(2), cut(3), cut(4)
	t.ftab = addr + starts[4]
	if nfunc == 0 || nfunc >= uint64(len(t.funcs))/ftabEntry {
		return nil, fmt.Errorf("%w: %d functions", errTable, nfunc)
	}
	t.nfunc = int(nfunc)
	return t, nil
}

// start returns the start of function i as an offset into the text; i may be
// nfunc, for the end of the last function.
func (t *table) start(i int) uint32 { return le.Uint32(t.funcs[i*ftabEntry:]) }

// function is one entry of the table.
type function struct {
	entry, end uint64
	raw        []byte // runtime._func and what follows
}

func (f *function) field(i int) uint32 { return le.Uint32(f.raw[4*i:]) }
func (f *function) name() uint32       { return f.field(1) }
func (f *function) pcfile() uint32     { return f.field(5) }
func (f *function) pcline() uint32     { return f.field(6) }
func (f *function) npcdata() uint32    { return f.field(7) }
func (f *function) unit() uint32       { return f.field(8) }
func (f *function) id() uint8          { return f.raw[40] }
func (f *function) flags() uint8       { return f.raw[41] }
func (f *function) nfuncdata() uint8   { return f.raw[43] }

// tail returns word i of the two tables that follow runtime._func.
func (f *function) tail(i uint64) (uint32, bool) {
	if b, ok := part(f.raw, funcSize+4*i, 4); ok {
		return le.Uint32(b), true
	}
	return 0, false
}

// inlineIndex returns the table that maps program counters to inlined calls,
// 0 when nothing is inlined.
func (f *function) inlineIndex() uint32 {
	if f.npcdata() <= pcdataInlineIndex {
		return 0
	}
	off, _ := f.tail(pcdataInlineIndex)
	return off
}

// inlineTree returns where the inlined calls are described.
func (f *function) inlineTree() uint32 {
	if f.nfuncdata() <= funcdataInlineTree {
		return noOffset
	}
	off, ok := f.tail(uint64(f.npcdata()) + funcdataInlineTree)
	if !ok {
		return noOffset
	}
	return off
}

// function returns entry i of the table.
func (t *table) function(i int) (function, bool) {
	off := uint64(le.Uint32(t.funcs[i*ftabEntry+4:]))
	if off > uint64(len(t.funcs)) || uint64(len(t.funcs))-off < funcSize {
		return function{}, false
	}
	f := function{
		entry: t.text + uint64(t.start(i)),
		end:   t.text + uint64(t.start(i+1)),
		raw:   t.funcs[off:],
	}
	return f, f.field(0) == t.start(i)
}

// find returns the function that an address is in.
func (t *table) find(pc uint64) (function, bool) {
	if pc < t.text || pc >= t.etext {
		return function{}, false
	}
	off := pc - t.text
	i := sort.Search(t.nfunc+1, func(i int) bool { return uint64(t.start(i)) > off })
	if i == 0 || i > t.nfunc {
		return function{}, false
	}
	return t.function(i - 1)
}

// uvarint reads a number of at most 32 bits and its length, 0 when the table
// ends within.
func uvarint(p []byte) (uint32, int) {
	var v uint32
	for i := 0; i < len(p) && i < 5; i++ {
		v |= uint32(p[i]&0x7f) << (7 * i)
		if p[i] < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

// value looks target up in the table of values at off, -1 when it has none.
// steps bounds the work and is used up by it.
func (t *table) value(off uint32, f *function, target uint64, steps *int) int32 {
	if off == 0 || uint64(off) >= uint64(len(t.values)) {
		return -1
	}
	p, pc, val := t.values[off:], f.entry, int32(-1)
	for first := true; *steps > 0; first = false {
		*steps--
		delta, n := uvarint(p)
		if n == 0 || (delta == 0 && !first) {
			return -1
		}
		val += int32(-(delta & 1) ^ (delta >> 1))
		advance, m := uvarint(p[n:])
		if m == 0 {
			return -1
		}
		p = p[n+m:]
		if pc += uint64(advance) * t.quantum; target < pc {
			return val
		}
	}
	return -1
}

// call is one call of a stack, inlined or not.
type call struct {
	frame model.Frame
	id    uint8 // the runtime's class of function
}

// appendCalls appends the calls that the instruction at pc belongs to,
// innermost first: the inlined ones, then the function itself.
func (t *table) appendCalls(dst []call, pc uint64) []call {
	f, ok := t.find(pc)
	if !ok {
		return dst
	}
	steps := maxSteps
	index, tree := f.inlineIndex(), t.tree(&f)
	for range maxInline {
		i := int32(-1)
		if tree != nil {
			i = t.value(index, &f, pc, &steps)
		}
		if i < 0 {
			break
		}
		node, ok := part(tree, uint64(i)*inlineSize, inlineSize)
		if !ok {
			break
		}
		dst = append(dst, t.call(&f, le.Uint32(node[4:]), node[0], pc, &steps))
		pc = f.entry + uint64(le.Uint32(node[8:]))
		if pc >= f.end {
			break
		}
	}
	return append(dst, t.call(&f, f.name(), f.id(), pc, &steps))
}

// tree returns the inlined calls of f, nil when there are none.
func (t *table) tree(f *function) []byte {
	off := f.inlineTree()
	if off == noOffset || uint64(off) >= uint64(len(t.inline)) {
		return nil
	}
	return t.inline[off:]
}

// call describes one call. The texts are copies.
func (t *table) call(f *function, name uint32, id uint8, pc uint64, steps *int) call {
	c := call{frame: model.Frame{Func: t.printedName(name), File: "?"}, id: id}
	file := t.value(f.pcfile(), f, pc, steps)
	line := t.value(f.pcline(), f, pc, steps)
	if file < 0 || line < 0 {
		return c
	}
	entry, ok := part(t.units, 4*(uint64(f.unit())+uint64(file)), 4)
	if !ok {
		return c
	}
	if text, ok := cstring(t.files, uint64(le.Uint32(entry))); ok {
		c.frame.File, c.frame.Line = string(text[:min(len(text), maxName)]), int(line)
	}
	return c
}

// printedName returns the name at off of the table of names the way the
// runtime prints it: type arguments are "[...]".
func (t *table) printedName(off uint32) string {
	name, ok := cstring(t.names, uint64(off))
	if !ok || off == 0 {
		return ""
	}
	open, shut := bytes.IndexByte(name, '['), bytes.LastIndexByte(name, ']')
	if open < 0 || shut <= open {
		return string(name[:min(len(name), maxName)])
	}
	head, tail := name[:min(open, maxName)], name[shut+1:]
	return string(head) + "[...]" + string(tail[:min(len(tail), maxName)])
}

// findName returns the function called exactly name. Where several are, the
// first that is no wrapper is preferred: a function and the adapter between
// its calling conventions share their name.
func (t *table) findName(name string) (function, bool) {
	offs := t.nameOffsets(name)
	if len(offs) == 0 {
		return function{}, false
	}
	var wrapper function
	for i := range t.nfunc {
		f, ok := t.function(i)
		if !ok {
			continue
		}
		if _, ok := slices.BinarySearch(offs, f.name()); !ok {
			continue
		}
		if f.id() != t.ids.wrapper {
			return f, true
		}
		if wrapper.raw == nil {
			wrapper = f
		}
	}
	return wrapper, wrapper.raw != nil
}

// nameOffsets returns, in order, where the table of names has name.
func (t *table) nameOffsets(name string) []uint32 {
	if name == "" || len(name) > maxText || strings.IndexByte(name, 0) >= 0 {
		return nil
	}
	var offs []uint32
	pattern := append([]byte(name), 0)
	for at := 0; len(offs) < maxSameName; {
		i := bytes.Index(t.names[at:], pattern)
		if i < 0 {
			break
		}
		at += i
		if at == 0 || t.names[at-1] == 0 {
			offs = append(offs, uint32(at))
		}
		at += len(pattern)
	}
	return offs
}
