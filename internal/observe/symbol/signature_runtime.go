package symbol

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"runtime"
	"strings"
)

// What the runtime keeps of a type (internal/abi.Type), the same in every
// release.
const (
	rtFlags, rtKind, rtName = 20, 23, 40
	rtSize                  = 48
	// rtExtraStar says that the name has a star in front that is not meant.
	rtExtraStar = 2
	// mdTypes is where the module data has the address of the types.
	mdTypes = 296
	// maxTypeName bounds the names of types: those of anonymous structs are
	// long.
	maxTypeName = 512
)

// RuntimeTypes names types by the addresses at which the runtime describes
// them, as interfaces hold them. It is safe for concurrent use, and needs the
// binary open.
type RuntimeTypes struct {
	b    *Binary
	base uint64
}

// RuntimeTypes finds the types of the program. No DWARF is needed. The error
// matches [ErrUnsupported].
func (b *Binary) RuntimeTypes() (*RuntimeTypes, error) {
	r := &RuntimeTypes{b: b}
	shielded(func() { r.base = b.typesAddress() })
	b.forget()
	if r.base == 0 {
		return nil, fmt.Errorf("types of the program: %w: no module data", ErrUnsupported)
	}
	return r, nil
}

// typesAddress returns what the module data says of where the types are, 0 when
// there is none.
func (b *Binary) typesAddress() uint64 {
	t := *b.table // adopting writes to it
	pattern := le.AppendUint64(nil, t.addr)
	for s := range moduleRegions(b.img) {
		for off := range aligned(s, pattern) {
			if data, ok := part(s.data, off, mdSize); ok && t.adopt(b.img, data) {
				return le.Uint64(data[mdTypes:])
			}
		}
	}
	for data := range t.relocatedModules(b.img) {
		if t.adopt(b.img, data) {
			return le.Uint64(data[mdTypes:])
		}
	}
	return 0
}

// At returns the name of a type as programs print it ("*errors.errorString"),
// and its kind. addr is an address in the file, any number. ok is false when
// there is no type: one that the program makes while it runs is not in the
// file.
func (r *RuntimeTypes) At(addr uint64) (name string, kind reflect.Kind, ok bool) {
	shielded(func() { name, kind, ok = r.at(addr) })
	runtime.KeepAlive(r.b)
	return name, kind, ok
}

func (r *RuntimeTypes) at(addr uint64) (string, reflect.Kind, bool) {
	if addr < r.base || addr%pointerSize != 0 {
		return "", 0, false
	}
	data := r.b.img.at(addr, rtSize)
	if data == nil {
		return "", 0, false
	}
	kind := reflect.Kind(data[rtKind] & kindMask)
	at := r.base + uint64(le.Uint32(data[rtName:]))
	head := r.b.img.at(at, 1+binary.MaxVarintLen16)
	if kind == reflect.Invalid || kind > reflect.UnsafePointer || head == nil {
		return "", 0, false
	}
	size, n := binary.Uvarint(head[1:])
	if n <= 0 || size == 0 || size > maxTypeName {
		return "", 0, false
	}
	text := r.b.img.at(at+1+uint64(n), size)
	if text == nil {
		return "", 0, false
	}
	name := string(text)
	if data[rtFlags]&rtExtraStar != 0 {
		name = strings.TrimPrefix(name, "*")
	}
	return name, kind, true
}

// Steady reports whether the size bytes at an address in the file stay what they
// are once the program runs: the loader writes to them at most.
func (r *RuntimeTypes) Steady(addr, size uint64) bool {
	if addr+size < addr {
		return false
	}
	for i := range r.b.img.segments {
		s := &r.b.img.segments[i]
		constant := s.kind == ptLoad && s.flags&flagWrite == 0 || s.kind == ptRelro
		if constant && addr >= s.addr && addr+size <= s.addr+s.size {
			return true
		}
	}
	return false
}
