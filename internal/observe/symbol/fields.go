package symbol

import (
	"errors"
	"fmt"
	"strings"
	"sync"
)

var (
	// ErrNoField says that a struct has no such field, or does not exist, in
	// the release or the version of the module that a program was built from.
	ErrNoField = errors.New("no such field")
	// ErrUnknownModule says that a program does not contain the module of a
	// struct, or that its version, or the program's release of Go, is older
	// than all whose layouts are known.
	ErrUnknownModule = errors.New("unknown module or version")
	// ErrUnknownStruct says that a field is not in the table, and that the
	// program's DWARF does not tell of it either.
	ErrUnknownStruct = errors.New("unknown struct or field")
)

// FieldSource says how an offset is known.
type FieldSource uint8

const (
	// FromDWARF is what the program itself says.
	FromDWARF FieldSource = iota + 1
	// FromTable is what was measured of the version in the program.
	FromTable
	// Assumed is the offset of the nearest known version: the one in the
	// program is newer than the table, or cannot be told. The caller must check
	// live values for plausibility before it relies on them, and say so.
	Assumed
)

// String returns a word for logs.
func (s FieldSource) String() string {
	switch s {
	case FromDWARF:
		return "dwarf"
	case FromTable:
		return "table"
	case Assumed:
		return "assumed"
	}
	return "unknown"
}

// Field is where a field of a struct is.
type Field struct {
	Offset uint64 // bytes from the start of the struct
	Source FieldSource
}

// fieldKey names a field.
type fieldKey struct{ of, field string }

// fieldAnswer is what is known of a field.
type fieldAnswer struct {
	field Field
	err   error
}

// fieldCache remembers the answers of a binary.
type fieldCache struct {
	mu      sync.Mutex
	answers map[fieldKey]fieldAnswer
	// described is what the DWARF says of the fields of the table, nil until
	// it was read.
	described map[fieldKey]fieldAnswer
}

// Field returns the offset of a field of a struct: structType is its name as
// programs spell it ("net/http.Request"), field the name of the field, with
// dots where it leads into structs held by value ("stack.lo").
//
// The table answers for every version that was measured, and for those between
// two that agree. For all others, and for structs that are not in the table,
// the DWARF of the program answers, if it has one; reading it takes some tenths
// of a second for a large program, once. Without it the offset in the nearest
// known version is [Assumed]: for a newer release, a development version, or a
// copy of a module under another name. A patch release that is newer than the
// table is no exception: patch releases did move fields (Go 1.26).
//
// Maps have two layouts. A program has hash buckets if and only if it has the
// fields of runtime.hmap: releases until Go 1.23, and until 1.25 when built
// without Swiss tables. Others have internal/runtime/maps.Map.
//
// Errors name the field and match [ErrNoField], [ErrUnknownModule] or
// [ErrUnknownStruct]; a damaged DWARF counts as none.
func (b *Binary) Field(structType, field string) (Field, error) {
	key := fieldKey{structType, field}
	c := &b.fields
	c.mu.Lock()
	defer c.mu.Unlock()
	answer, ok := c.answers[key]
	if !ok {
		answer = b.findField(key)
		if answer.err != nil {
			answer.err = fmt.Errorf("field %s of %s in %s: %w", field, structType, b.info.version, answer.err)
		}
		if c.answers == nil {
			c.answers = map[fieldKey]fieldAnswer{}
		}
		c.answers[key] = answer
	}
	return answer.field, answer.err
}

// ModuleVersion returns the version of a module that the program was built
// from, false when it does not contain the module. A replaced module has the
// version of its replacement, or its own when a folder without a version
// replaces it. A version that the build did not know is "(devel)".
func (b *Binary) ModuleVersion(path string) (string, bool) {
	dep, ok := b.info.module(path)
	return dep.version, ok
}

// findField asks the table, then the DWARF.
func (b *Binary) findField(key fieldKey) fieldAnswer {
	known, certain := tableField(key, &b.info)
	if certain {
		return known
	}
	if described, ok := b.describedField(key); ok {
		return described
	}
	return known
}

// describedField returns what the DWARF says of a field, false when it says
// nothing of the struct.
func (b *Binary) describedField(key fieldKey) (fieldAnswer, bool) {
	c := &b.fields
	if c.described == nil {
		c.described = b.readDescribed(tableKeys())
	}
	if answer, ok := c.described[key]; ok || inTable(key) {
		return answer, ok
	}
	if key.of == "" || strings.Contains(key.of, "\x00") {
		return fieldAnswer{}, false
	}
	answer, ok := b.readDescribed([]fieldKey{key})[key]
	return answer, ok
}
