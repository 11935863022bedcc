package symbol

import (
	"debug/dwarf"
	"fmt"
	"reflect"
	"strings"
)

const (
	// attrGoKind is the reflect.Kind of a type.
	attrGoKind dwarf.Attr = 0x2900
	// kindMask keeps what is a kind: releases had flags above it.
	kindMask = 31
	// maxTypeEntries bounds how many attributes are read for the parameters and
	// types of the functions of one program. One of 100 MB has some 5 million.
	maxTypeEntries = 1 << 23
	// maxTypes bounds how many types they are.
	maxTypes = 1 << 19
)

// typeInfo is what a type of the program is, as far as passing it needs.
type typeInfo struct {
	name        string
	kind        reflect.Kind
	size, align uint64
	fields      []typeField // of a struct
	length      uint64      // of an array
	elem        *typeInfo   // of an array
	points      dwarf.Offset
	empty       bool // an interface without methods
}

// typeField is a field of a struct.
type typeField struct {
	name string
	off  uint64
	typ  *typeInfo
}

// typeGraph reads types, each once.
type typeGraph struct {
	entries entryReader
	known   map[dwarf.Offset]*typeInfo
}

func newTypeGraph(d *dwarf.Data) typeGraph {
	return typeGraph{entries: entryReader{d.Reader(), maxTypeEntries}, known: map[dwarf.Offset]*typeInfo{}}
}

// at returns the type that is described at an offset.
func (g *typeGraph) at(off dwarf.Offset, depth int) (*typeInfo, error) {
	if t, ok := g.known[off]; ok {
		if t == nil { // it is being read: it holds itself by value
			return nil, fmt.Errorf("%w: type at %#x holds itself", errDamagedTypes, off)
		}
		return t, nil
	}
	if len(g.known) == maxTypes {
		return nil, fmt.Errorf("%w: too many types", errDamagedTypes)
	}
	if depth > maxNesting {
		return nil, fmt.Errorf("%w: types are nested too deep", errDamagedTypes)
	}
	e, err := g.entries.at(off)
	if err != nil {
		return nil, err
	}
	g.known[off] = nil
	t, err := g.describe(e, depth)
	if err != nil {
		delete(g.known, off)
		return nil, err
	}
	g.known[off] = t
	return t, nil
}

// describe returns the type of an entry that the reader is behind.
func (g *typeGraph) describe(e *dwarf.Entry, depth int) (*typeInfo, error) {
	t := &typeInfo{}
	t.name, _ = e.Val(dwarf.AttrName).(string)
	if kind, ok := e.Val(attrGoKind).(int64); ok {
		t.kind = reflect.Kind(kind & kindMask)
	}
	if size, ok := e.Val(dwarf.AttrByteSize).(int64); ok && size >= 0 {
		t.size = uint64(size)
	}
	switch e.Tag {
	case dwarf.TagTypedef:
		return g.alias(t, e, depth)
	case dwarf.TagPointerType:
		t.size = pointerSize
		t.points, _ = e.Val(dwarf.AttrType).(dwarf.Offset)
		if t.kind == reflect.Invalid {
			t.kind = reflect.Pointer
		}
		if t.points == 0 {
			t.kind = reflect.UnsafePointer
		}
	case dwarf.TagSubroutineType:
		t.kind, t.size = reflect.Func, pointerSize
	case dwarf.TagArrayType:
		return g.array(t, e, depth)
	case dwarf.TagStructType:
		return g.structure(t, e, depth)
	case dwarf.TagBaseType:
	default:
		return nil, fmt.Errorf("%w: %v is not a type of Go", errDamagedTypes, e.Tag)
	}
	if t.kind == reflect.Invalid {
		return nil, fmt.Errorf("%w: %s without a kind", errDamagedTypes, t.name)
	}
	t.align = max(min(t.size, pointerSize), 1)
	if t.kind == reflect.Complex64 || t.kind == reflect.Complex128 {
		t.align = t.size / 2
	}
	return t, nil
}

// alias returns the type that a typedef stands for, under the typedef's name
// and kind. The type parameters of a generic function have made-up names.
func (g *typeGraph) alias(t *typeInfo, e *dwarf.Entry, depth int) (*typeInfo, error) {
	to, ok := e.Val(dwarf.AttrType).(dwarf.Offset)
	if !ok {
		return nil, fmt.Errorf("%w: %s stands for nothing", errDamagedTypes, t.name)
	}
	of, err := g.at(to, depth+1)
	if err != nil {
		return nil, err
	}
	named := *of
	if t.name != "" && !strings.HasPrefix(t.name, ".") {
		named.name = t.name
	}
	switch t.kind {
	case reflect.Invalid:
	case reflect.Interface, reflect.Map, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		// What the runtime makes these of is nobody's business.
		named.kind, named.fields = t.kind, nil
	default:
		named.kind = t.kind
	}
	return &named, nil
}

func (g *typeGraph) array(t *typeInfo, e *dwarf.Entry, depth int) (*typeInfo, error) {
	t.kind = reflect.Array
	of, ok := e.Val(dwarf.AttrType).(dwarf.Offset)
	for e.Children {
		c, err := g.entries.next()
		if err != nil {
			return nil, err
		}
		if c.Tag == 0 {
			break
		}
		if c.Tag == dwarf.TagSubrangeType {
			n, counted := c.Val(dwarf.AttrCount).(int64)
			ok = ok && counted && n >= 0
			t.length = uint64(n)
		}
	}
	if !ok {
		return nil, fmt.Errorf("%w: %s of nothing", errDamagedTypes, t.name)
	}
	var err error
	if t.elem, err = g.at(of, depth+1); err != nil {
		return nil, err
	}
	t.align = t.elem.align
	return t, nil
}

// structure reads a struct, and what the runtime makes of structs: strings,
// slices and interfaces.
func (g *typeGraph) structure(t *typeInfo, e *dwarf.Entry, depth int) (*typeInfo, error) {
	if t.kind == reflect.Invalid {
		t.kind = reflect.Struct // runtime.iface and the like have no kind
	}
	// What an interface without methods stands for, whatever its name.
	t.empty = t.name == "runtime.eface"
	t.align = pointerSize
	if t.kind != reflect.Struct {
		return t, nil
	}
	t.align = 1
	type member struct {
		field typeField
		typ   dwarf.Offset
	}
	var members []member
	for e.Children {
		c, err := g.entries.next()
		if err != nil {
			return nil, err
		}
		if c.Tag == 0 {
			break
		}
		if c.Tag == dwarf.TagMember {
			var m member
			m.field.name, _ = c.Val(dwarf.AttrName).(string)
			off, placed := c.Val(dwarf.AttrDataMemberLoc).(int64)
			typ, typed := c.Val(dwarf.AttrType).(dwarf.Offset)
			if !placed || !typed || off < 0 || len(members) == maxMembers {
				return nil, fmt.Errorf("%w: fields of %s", errDamagedTypes, t.name)
			}
			m.field.off, m.typ = uint64(off), typ
			members = append(members, m)
		}
		if err := g.entries.skip(c); err != nil {
			return nil, err
		}
	}
	// The reader is needed for the types of the members.
	for _, m := range members {
		var err error
		if m.field.typ, err = g.at(m.typ, depth+1); err != nil {
			return nil, err
		}
		t.align = max(t.align, m.field.typ.align)
		t.fields = append(t.fields, m.field)
	}
	return t, nil
}
