package symbol

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
)

// The parts of the ELF format that are read here; see elf(5).
const (
	elfHeaderSize  = 64
	progHeaderSize = 56
	sectHeaderSize = 64
	relaSize       = 24
	dynSize        = 16
	noteHeaderSize = 12

	typeExec, typeDyn         = 2, 3
	machineAMD64, machineARM  = 62, 183
	ptLoad, ptDynamic, ptNote = 1, 2, 4
	ptInterp, ptRelro         = 3, 0x6474e552
	flagExec, flagWrite       = 1, 2
	shtNobits                 = 8
	shnXindex                 = 0xffff
	dtNull, dtRela, dtRelaSz  = 0, 7, 8

	relativeAMD64 = 8    // R_X86_64_RELATIVE
	relativeARM   = 1027 // R_AARCH64_RELATIVE

	// Go programs have about 10 segments and 40 sections. Without a limit a
	// crafted file makes every search quadratic.
	maxSegments = 64
	maxSections = 4096
	maxNotes    = 1024
)

var le = binary.LittleEndian

// segment is a part of the file that is loaded at an address, or that the
// loader looks at.
type segment struct {
	kind, flags uint32
	addr        uint64
	off         uint64 // in the file
	size        uint64 // in memory
	data        []byte
}

func (s *segment) contains(addr uint64) bool {
	return addr >= s.addr && addr-s.addr < uint64(len(s.data))
}

// section is a named part of the file; its name and data alias the file.
type section struct {
	name  []byte
	kind  uint32
	flags uint64
	addr  uint64
	data  []byte
}

// image is an ELF file whose headers are known to lie inside of it.
type image struct {
	machine  uint16
	kind     uint16 // typeExec or typeDyn
	relative uint32 // the machine's relocation by the load bias
	entry    uint64 // where the program begins, or the loader's part of it ends
	segments []segment
	sections []section
}

// parseImage reads the headers of an ELF file. The image aliases data.
func parseImage(data []byte) (*image, error) {
	if len(data) < elfHeaderSize || !bytes.HasPrefix(data, []byte("\x7fELF")) {
		return nil, fmt.Errorf("%w: not an ELF file", ErrNotGo)
	}
	if data[4] != 2 || data[5] != 1 {
		return nil, fmt.Errorf("%w: not a 64-bit little-endian ELF file", ErrUnsupported)
	}
	img := &image{machine: le.Uint16(data[18:]), entry: le.Uint64(data[24:])}
	switch img.machine {
	case machineAMD64:
		img.relative = relativeAMD64
	case machineARM:
		img.relative = relativeARM
	default:
		return nil, fmt.Errorf("%w: ELF machine %d", ErrUnsupported, img.machine)
	}
	if img.kind = le.Uint16(data[16:]); img.kind != typeExec && img.kind != typeDyn {
		return nil, fmt.Errorf("%w: ELF type %d is not an executable", ErrNotGo, img.kind)
	}
	if err := img.readSegments(data); err != nil {
		return nil, err
	}
	if err := img.readSections(data); err != nil {
		return nil, err
	}
	return img, nil
}

// part returns data[off:off+size], or false when the file ends before.
func part(data []byte, off, size uint64) ([]byte, bool) {
	n := uint64(len(data))
	if off > n || size > n-off {
		return nil, false
	}
	return data[off : off+size : off+size], true
}

func (img *image) readSegments(data []byte) error {
	num := uint64(le.Uint16(data[56:]))
	if num == 0 {
		return nil
	}
	if size := le.Uint16(data[54:]); size != progHeaderSize {
		return fmt.Errorf("program headers of %d bytes", size)
	}
	headers, ok := part(data, le.Uint64(data[32:]), num*progHeaderSize)
	if !ok {
		return fmt.Errorf("truncated: program headers at %#x are outside of the file", le.Uint64(data[32:]))
	}
	var loaded uint64
	for ; len(headers) > 0; headers = headers[progHeaderSize:] {
		off, size := le.Uint64(headers[8:]), le.Uint64(headers[32:])
		s := segment{
			kind: le.Uint32(headers), flags: le.Uint32(headers[4:]),
			addr: le.Uint64(headers[16:]), off: off, size: le.Uint64(headers[40:]),
		}
		switch s.kind {
		case ptLoad, ptDynamic, ptNote:
			s.data, ok = part(data, off, size)
		case ptInterp, ptRelro: // it matters only where they are
			size, ok = 0, true
		default:
			continue
		}
		if !ok {
			return fmt.Errorf("truncated: segment [%#x, +%#x) is outside of the file", off, size)
		}
		if s.addr+size < s.addr {
			return fmt.Errorf("segment at %#x wraps around", s.addr)
		}
		if s.kind == ptLoad {
			loaded += size
		}
		if len(img.segments) == maxSegments || loaded > 2*uint64(len(data)) {
			return fmt.Errorf("too many segments, or they overlap")
		}
		img.segments = append(img.segments, s)
	}
	return nil
}

func (img *image) readSections(data []byte) error {
	off, num, names := le.Uint64(data[40:]), uint64(le.Uint16(data[60:])), uint64(le.Uint16(data[62:]))
	if off == 0 {
		return nil
	}
	if size := le.Uint16(data[58:]); size != sectHeaderSize {
		return fmt.Errorf("section headers of %d bytes", size)
	}
	if first, ok := part(data, off, sectHeaderSize); ok {
		if num == 0 {
			num = le.Uint64(first[32:])
		}
		if names == shnXindex {
			names = uint64(le.Uint32(first[40:]))
		}
	}
	if num > maxSections {
		return fmt.Errorf("%d sections", num)
	}
	headers, ok := part(data, off, num*sectHeaderSize)
	if !ok {
		return fmt.Errorf("truncated: section headers at %#x are outside of the file", off)
	}
	if names >= num {
		return nil
	}
	table := headers[names*sectHeaderSize:]
	texts, ok := part(data, le.Uint64(table[24:]), le.Uint64(table[32:]))
	if !ok {
		return fmt.Errorf("truncated: the names of the sections are outside of the file")
	}
	for ; len(headers) > 0; headers = headers[sectHeaderSize:] {
		name, _ := cstring(texts, uint64(le.Uint32(headers)))
		if len(name) == 0 || le.Uint32(headers[4:]) == shtNobits {
			continue
		}
		// A section past the end matters only when it is needed.
		if body, ok := part(data, le.Uint64(headers[24:]), le.Uint64(headers[32:])); ok {
			img.sections = append(img.sections, section{
				name: name, kind: le.Uint32(headers[4:]), flags: le.Uint64(headers[8:]), addr: le.Uint64(headers[16:]), data: body,
			})
		}
	}
	return nil
}

// cstring returns the NUL-terminated text at off of table, false when off is
// outside. It looks at no more than maxText bytes: a longer text is cut.
func cstring(table []byte, off uint64) ([]byte, bool) {
	if off >= uint64(len(table)) {
		return nil, false
	}
	text := table[off:min(uint64(len(table)), off+maxText)]
	if end := bytes.IndexByte(text, 0); end >= 0 {
		text = text[:end]
	}
	return text, true
}

// section returns the section called name, nil when there is none.
func (img *image) section(name string) *section {
	for i := range img.sections {
		if string(img.sections[i].name) == name {
			return &img.sections[i]
		}
	}
	return nil
}

// loads yields the segments that are loaded and have at least the given flags.
func (img *image) loads(flags uint32) iter.Seq[*segment] {
	return func(yield func(*segment) bool) {
		for i := range img.segments {
			s := &img.segments[i]
			if s.kind == ptLoad && s.flags&flags == flags && !yield(s) {
				return
			}
		}
	}
}

// from returns what the file holds from an address on to the end of its
// segment, nil when no segment has it.
func (img *image) from(addr uint64) []byte {
	for s := range img.loads(0) {
		if s.contains(addr) {
			return s.data[addr-s.addr:]
		}
	}
	return nil
}

// at returns the size bytes at an address, nil when the file has fewer.
func (img *image) at(addr, size uint64) []byte {
	if b := img.from(addr); uint64(len(b)) >= size {
		return b[:size:size]
	}
	return nil
}

// relocations returns the table of relocations with addends that the loader
// applies, nil when there is none.
func (img *image) relocations() []byte {
	var addr, size uint64
	for tag, value := range img.dynamic() {
		switch tag {
		case dtRela:
			addr = value
		case dtRelaSz:
			size = value
		}
	}
	return img.at(addr, size-size%relaSize)
}

// note returns the description of the note with the given owner and type,
// wherever the file keeps its notes, nil when there is none.
func (img *image) note(sectionName, owner string, kind uint32) []byte {
	if s := img.section(sectionName); s != nil {
		if d := findNote(s.data, owner, kind); d != nil {
			return d
		}
	}
	for i := range img.segments {
		if img.segments[i].kind == ptNote {
			if d := findNote(img.segments[i].data, owner, kind); d != nil {
				return d
			}
		}
	}
	return nil
}

func findNote(notes []byte, owner string, kind uint32) []byte {
	for range maxNotes {
		if len(notes) < noteHeaderSize {
			break
		}
		nameSize, descSize := uint64(le.Uint32(notes)), uint64(le.Uint32(notes[4:]))
		noteKind := le.Uint32(notes[8:])
		body := notes[noteHeaderSize:]
		nameEnd := (nameSize + 3) &^ 3
		name, ok := part(body, 0, nameSize)
		desc, ok2 := part(body, nameEnd, descSize)
		if !ok || !ok2 {
			return nil
		}
		if noteKind == kind && string(bytes.TrimRight(name, "\x00")) == owner {
			return desc
		}
		next := min(nameEnd+(descSize+3)&^3, uint64(len(body)))
		notes = body[next:]
	}
	return nil
}
