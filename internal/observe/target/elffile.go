package target

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The bounds of what is read from an executable. The standard library's ELF
// reader is not used because it reads the section name table whole, however
// large a (sparse) file claims it to be.
const (
	maxProgramHeaders = 1024
	maxSections       = 4096
	maxSectionNames   = 1 << 20
	maxDynamic        = 64 << 10
	maxNote           = 4 << 10
)

// elfFile is the part of an ELF file's structure that [ReadBuild] looks at.
type elfFile struct {
	r        io.ReaderAt
	order    binary.ByteOrder
	class    elf.Class
	kind     elf.Type
	machine  elf.Machine
	segments []elfSegment
	sections []elfSection
}

type elfSegment struct {
	kind  elf.ProgType
	flags elf.ProgFlag
	off   uint64
	size  uint64
}

type elfSection struct {
	name string
	kind elf.SectionType
	off  uint64
	size uint64
}

// readELF reads the headers of an ELF file. A file without usable section
// headers has no sections; that is not an error.
func readELF(r io.ReaderAt) (*elfFile, error) {
	var h [64]byte
	n, err := r.ReadAt(h[:], 0)
	if n < 52 || string(h[:4]) != elf.ELFMAG {
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read ELF header: %w", err)
		}
		return nil, fmt.Errorf("not an ELF file: %w", ErrNotGo)
	}
	f := &elfFile{r: r, class: elf.Class(h[elf.EI_CLASS])}
	switch elf.Data(h[elf.EI_DATA]) {
	case elf.ELFDATA2LSB:
		f.order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		f.order = binary.BigEndian
	default:
		return nil, fmt.Errorf("ELF byte order %d is unknown: %w", h[elf.EI_DATA], ErrNotGo)
	}
	f.kind = elf.Type(f.order.Uint16(h[16:]))
	f.machine = elf.Machine(f.order.Uint16(h[18:]))

	var phoff, shoff uint64
	var counts []byte // e_phentsize and the four halves after it
	switch {
	case f.class == elf.ELFCLASS64 && n >= 64:
		phoff, shoff, counts = f.order.Uint64(h[32:]), f.order.Uint64(h[40:]), h[54:64]
	case f.class == elf.ELFCLASS32:
		phoff, shoff, counts = uint64(f.order.Uint32(h[28:])), uint64(f.order.Uint32(h[32:])), h[42:52]
	default:
		return nil, fmt.Errorf("ELF class %d is unknown or its header is cut short: %w", h[elf.EI_CLASS], ErrNotGo)
	}
	half := func(i int) int { return int(f.order.Uint16(counts[2*i:])) }
	if err := f.readSegments(phoff, half(0), half(1)); err != nil {
		return nil, err
	}
	f.readSections(shoff, half(2), half(3), half(4))
	return f, nil
}

func (f *elfFile) readSegments(off uint64, entry, count int) error {
	want := 56
	if f.class == elf.ELFCLASS32 {
		want = 32
	}
	if count == 0 {
		return nil
	}
	if entry != want || count > maxProgramHeaders {
		return fmt.Errorf("ELF program headers: %d of %d bytes are not plausible: %w", count, entry, ErrNotGo)
	}
	table, err := f.read(off, uint64(entry*count))
	if err != nil {
		return fmt.Errorf("read ELF program headers: %w", err)
	}
	f.segments = make([]elfSegment, count)
	for i := range f.segments {
		p := table[i*entry:]
		s := elfSegment{kind: elf.ProgType(f.order.Uint32(p))}
		if f.class == elf.ELFCLASS64 {
			s.flags = elf.ProgFlag(f.order.Uint32(p[4:]))
			s.off, s.size = f.order.Uint64(p[8:]), f.order.Uint64(p[32:])
		} else {
			s.flags = elf.ProgFlag(f.order.Uint32(p[24:]))
			s.off, s.size = uint64(f.order.Uint32(p[4:])), uint64(f.order.Uint32(p[16:]))
		}
		f.segments[i] = s
	}
	return nil
}

// readSections reads the section headers. The kernel runs a file whatever
// they hold, so damage here leaves the file without sections.
func (f *elfFile) readSections(off uint64, entry, count, names int) {
	want := 64
	if f.class == elf.ELFCLASS32 {
		want = 40
	}
	if off == 0 || count == 0 || entry != want || count > maxSections || names >= count {
		return
	}
	table, err := f.read(off, uint64(entry*count))
	if err != nil {
		return
	}
	sections := make([]elfSection, count)
	offsets := make([]uint32, count)
	for i := range sections {
		p := table[i*entry:]
		offsets[i] = f.order.Uint32(p)
		s := elfSection{kind: elf.SectionType(f.order.Uint32(p[4:]))}
		if f.class == elf.ELFCLASS64 {
			s.off, s.size = f.order.Uint64(p[24:]), f.order.Uint64(p[32:])
		} else {
			s.off, s.size = uint64(f.order.Uint32(p[16:])), uint64(f.order.Uint32(p[20:]))
		}
		sections[i] = s
	}
	if sections[names].size > maxSectionNames {
		return
	}
	texts, err := f.read(sections[names].off, sections[names].size)
	if err != nil {
		return
	}
	for i, at := range offsets {
		if uint64(at) >= uint64(len(texts)) {
			continue
		}
		name := texts[at:]
		if end := bytes.IndexByte(name, 0); end >= 0 && end <= 64 {
			sections[i].name = string(name[:end])
		}
	}
	f.sections = sections
}

// read returns size bytes at off. The caller bounds size.
func (f *elfFile) read(off, size uint64) ([]byte, error) {
	if off > 1<<62 {
		return nil, fmt.Errorf("offset %#x is outside of any file", off)
	}
	b := make([]byte, size)
	n, err := f.r.ReadAt(b, int64(off))
	if n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("%d bytes at %#x: %w", size, off, err)
	}
	return b, nil
}

// section returns the first section of one of the names, nil without any.
func (f *elfFile) section(names ...string) *elfSection {
	for i := range f.sections {
		for _, name := range names {
			if f.sections[i].name == name && f.sections[i].kind != elf.SHT_NOBITS {
				return &f.sections[i]
			}
		}
	}
	return nil
}

// segment returns the first segment of a kind, nil without any.
func (f *elfFile) segment(kind elf.ProgType) *elfSegment {
	for i := range f.segments {
		if f.segments[i].kind == kind {
			return &f.segments[i]
		}
	}
	return nil
}

// needsLibrary reports whether the file asks for a shared library.
func (f *elfFile) needsLibrary() bool {
	dynamic := f.segment(elf.PT_DYNAMIC)
	if dynamic == nil {
		return false
	}
	b, err := f.read(dynamic.off, min(dynamic.size, maxDynamic))
	if err != nil {
		return false
	}
	word := 8
	if f.class == elf.ELFCLASS32 {
		word = 4
	}
	for ; len(b) >= 2*word; b = b[2*word:] {
		var tag uint64
		if word == 8 {
			tag = f.order.Uint64(b)
		} else {
			tag = uint64(f.order.Uint32(b))
		}
		switch elf.DynTag(tag) {
		case elf.DT_NULL:
			return false
		case elf.DT_NEEDED:
			return true
		}
	}
	return false
}

// goNote returns the content of the Go build id note, empty without one.
func (f *elfFile) goNote() string {
	if s := f.section(".note.go.buildid"); s != nil {
		if id := f.findGoNote(s.off, s.size); id != "" {
			return id
		}
	}
	for _, s := range f.segments {
		if s.kind != elf.PT_NOTE {
			continue
		}
		if id := f.findGoNote(s.off, s.size); id != "" {
			return id
		}
	}
	return ""
}

// findGoNote looks for a note named "Go" of type 4 among the notes at off.
func (f *elfFile) findGoNote(off, size uint64) string {
	b, err := f.read(off, min(size, maxNote))
	if err != nil {
		return ""
	}
	const goBuildID = 4
	for len(b) >= 12 {
		nameLen, descLen := uint64(f.order.Uint32(b)), uint64(f.order.Uint32(b[4:]))
		kind := f.order.Uint32(b[8:])
		b = b[12:]
		nameEnd := (nameLen + 3) &^ 3
		descEnd := nameEnd + (descLen+3)&^3
		if nameEnd+descLen > uint64(len(b)) {
			return ""
		}
		if kind == goBuildID && nameLen == 4 && string(b[:4]) == "Go\x00\x00" {
			return string(b[nameEnd : nameEnd+descLen])
		}
		b = b[min(descEnd, uint64(len(b))):]
	}
	return ""
}
