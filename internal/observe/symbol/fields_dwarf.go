package symbol

import (
	"bytes"
	"debug/dwarf"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
)

const (
	// maxMatches limits how many places are looked at that hold the name of a
	// struct, maxMembers how many fields a struct may have.
	maxMatches = 1024
	maxMembers = 4096
	maxAliases = 8
	// maxFieldEntries bounds how many attributes are read for all fields.
	maxFieldEntries = 1 << 22
)

// readDescribed returns what the DWARF of a program says of the given fields.
// Fields of structs that it does not describe, and damage, are left out.
func (b *Binary) readDescribed(keys []fieldKey) map[fieldKey]fieldAnswer {
	found := map[fieldKey]fieldAnswer{}
	read := func() {
		d, err := openDebugging(b.mapping)
		if err != nil {
			return
		}
		t := newTypeReader(d)
		for _, key := range keys {
			if _, ok := t.structs[key.of]; !ok {
				t.structs[key.of] = t.find(key.of)
			}
			if at := t.structs[key.of]; at != nil {
				if answer := t.answer(*at, key.field); answer.err == nil || errors.Is(answer.err, ErrNoField) {
					found[key] = answer
				}
			}
		}
	}
	if !shielded(read) {
		clear(found)
	}
	b.forget()
	runtime.KeepAlive(b)
	return found
}

// typeReader finds types in DWARF without reading all of it.
type typeReader struct {
	info    []byte
	entries entryReader
	structs map[string]*dwarf.Offset
}

func newTypeReader(d *debugging) *typeReader {
	return &typeReader{
		info: d.parts["info"], entries: entryReader{d.Reader(), maxFieldEntries}, structs: map[string]*dwarf.Offset{},
	}
}

// find returns where a struct is described, nil when it is not.
//
// The linker writes the name of a type right behind the number of its kind of
// entry, so a search for the name finds it in a fraction of the time that it
// takes to read all entries. A tool that moves the names elsewhere defeats this.
func (t *typeReader) find(name string) *dwarf.Offset {
	pattern := append([]byte(name), 0)
	for at, matches := 0, 0; matches < maxMatches; matches++ {
		i := bytes.Index(t.info[at:], pattern)
		if i < 0 {
			return nil
		}
		at += i + 1
		for width := 1; width <= 2 && at-1-width >= 0; width++ {
			off := dwarf.Offset(at - 1 - width)
			if e := t.entry(off); e != nil && e.Tag == dwarf.TagStructType && e.Val(dwarf.AttrName) == name && e.Children {
				return &off
			}
		}
	}
	return nil
}

// entry returns the entry at an offset, nil when there is none.
func (t *typeReader) entry(off dwarf.Offset) *dwarf.Entry {
	e, err := t.entries.at(off)
	if err != nil {
		return nil
	}
	return e
}

// answer returns the offset of a field of the struct that is described at an
// offset, which may lead through structs held by value.
func (t *typeReader) answer(at dwarf.Offset, path string) fieldAnswer {
	var sum uint64
	names := slices.Collect(strings.SplitSeq(path, "."))
	for i, name := range names {
		member, err := t.member(at, name)
		if err != nil {
			return fieldAnswer{err: err}
		}
		off, ok := member.Val(dwarf.AttrDataMemberLoc).(int64)
		if !ok || off < 0 {
			return fieldAnswer{err: fmt.Errorf("%w: %s has no place", errDamagedTypes, name)}
		}
		sum += uint64(off)
		if i == len(names)-1 {
			break
		}
		to, ok := t.structOf(member)
		if !ok {
			return fieldAnswer{err: ErrNoField}
		}
		at = to
	}
	return fieldAnswer{field: Field{Offset: sum, Source: FromDWARF}}
}

// member returns the entry of a direct field.
func (t *typeReader) member(at dwarf.Offset, name string) (*dwarf.Entry, error) {
	if t.entry(at) == nil {
		return nil, errDamagedTypes
	}
	for range maxMembers {
		e, err := t.entries.next()
		if err != nil {
			return nil, err
		}
		if e.Tag == 0 {
			return nil, ErrNoField
		}
		if e.Tag == dwarf.TagMember && e.Val(dwarf.AttrName) == name {
			return e, nil
		}
		if err := t.entries.skip(e); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: too many fields", errDamagedTypes)
}

// structOf returns where the struct is described that a field holds by value.
func (t *typeReader) structOf(e *dwarf.Entry) (dwarf.Offset, bool) {
	for range maxAliases {
		at, ok := e.Val(dwarf.AttrType).(dwarf.Offset)
		if !ok {
			return 0, false
		}
		if e = t.entry(at); e == nil {
			return 0, false
		}
		if e.Tag == dwarf.TagStructType {
			return at, true
		}
		if e.Tag != dwarf.TagTypedef {
			return 0, false
		}
	}
	return 0, false
}
