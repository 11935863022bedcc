package image

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
)

// The bounds of what is read of a file; those of programs are the kernel's.
const (
	maxProgramHeaders = 64 << 10 // bytes
	maxInterpreter    = 4096     // bytes, with the terminating zero
	sectionsAtOnce    = 512
)

// machine is what a program has to be made for.
type machine struct {
	class elf.Class
	order elf.Data
	// number is EM_NONE where this package does not know it; all are fine then.
	number elf.Machine
}

// machineOf returns that of a GOARCH.
func machineOf(goarch string) machine {
	m := machine{class: elf.ELFCLASS64, order: elf.ELFDATA2LSB}
	switch goarch {
	case "386", "arm", "mips", "mipsle":
		m.class = elf.ELFCLASS32
	}
	switch goarch {
	case "mips", "mips64", "ppc64", "s390x":
		m.order = elf.ELFDATA2MSB
	}
	m.number = map[string]elf.Machine{
		"386": elf.EM_386, "amd64": elf.EM_X86_64, "arm": elf.EM_ARM, "arm64": elf.EM_AARCH64,
		"loong64": elf.EM_LOONGARCH, "mips": elf.EM_MIPS, "mipsle": elf.EM_MIPS, "mips64": elf.EM_MIPS,
		"mips64le": elf.EM_MIPS, "ppc64": elf.EM_PPC64, "ppc64le": elf.EM_PPC64, "riscv64": elf.EM_RISCV,
		"s390x": elf.EM_S390,
	}[goarch]
	return m
}

func (m machine) byteOrder() binary.ByteOrder {
	if m.order == elf.ELFDATA2MSB {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// program is a file that is checked, of size bytes.
type program struct {
	machine
	file io.ReaderAt
	size uint64
	// page is the size of this machine's pages, in bytes.
	page uint64
}

// check reads the headers and returns the path of the interpreter, "" for none. It
// holds less than 300 KiB at a time, whatever the file says.
func (p *program) check() (interpreter string, err error) {
	h, err := p.header()
	if err != nil {
		return "", err
	}
	headers, err := p.programHeaders(h)
	if err != nil {
		return "", err
	}
	interpreter, err = p.loadable(h, headers)
	if err != nil {
		return "", err
	}
	return interpreter, p.sections(h)
}

// header reads and checks the ELF header. That of 32 bits is returned as one of 64.
func (p *program) header() (*elf.Header64, error) {
	// The first bytes alone tell what a short file is.
	start := make([]byte, elf.EI_NIDENT)
	n, err := p.file.ReadAt(start, 0)
	start = start[:n]
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case n == 0:
		return nil, fmt.Errorf("%w: it is empty", ErrTruncated)
	case n >= 2 && string(start[:2]) == "#!":
		return nil, ErrScript
	case n < len(elf.ELFMAG) || string(start[:len(elf.ELFMAG)]) != elf.ELFMAG:
		return nil, ErrFormat
	case n < elf.EI_NIDENT:
		return nil, fmt.Errorf("%w: it has %d bytes", ErrTruncated, n)
	}
	if class := elf.Class(start[elf.EI_CLASS]); class != p.class {
		return nil, fmt.Errorf("%w: %v, this one runs %v", ErrMachine, class, p.class)
	}
	if order := elf.Data(start[elf.EI_DATA]); order != p.order {
		return nil, fmt.Errorf("%w: %v, this one runs %v", ErrMachine, order, p.order)
	}
	h, err := p.decodeHeader()
	if err != nil {
		return nil, err
	}
	if m := elf.Machine(h.Machine); p.number != elf.EM_NONE && m != p.number {
		return nil, fmt.Errorf("%w: %v, this one runs %v", ErrMachine, m, p.number)
	}
	if t := elf.Type(h.Type); t != elf.ET_EXEC && t != elf.ET_DYN {
		return nil, fmt.Errorf("%w: its type is %v", ErrFormat, t)
	}
	return h, nil
}

func (p *program) decodeHeader() (*elf.Header64, error) {
	if p.class == elf.ELFCLASS64 {
		var h elf.Header64
		return &h, p.decode("its header", 0, &h)
	}
	var h elf.Header32
	err := p.decode("its header", 0, &h)
	return &elf.Header64{Type: h.Type, Machine: h.Machine, Entry: uint64(h.Entry),
		Phoff: uint64(h.Phoff), Phentsize: h.Phentsize, Phnum: h.Phnum,
		Shoff: uint64(h.Shoff), Shentsize: h.Shentsize, Shnum: h.Shnum}, err
}

// programHeaders reads all of them.
func (p *program) programHeaders(h *elf.Header64) ([]elf.Prog64, error) {
	entry := uint64(binary.Size(elf.Prog64{}))
	if p.class == elf.ELFCLASS32 {
		entry = uint64(binary.Size(elf.Prog32{}))
	}
	n := uint64(h.Phnum)
	switch {
	case n == 0:
		return nil, fmt.Errorf("%w: it has no program headers", ErrFormat)
	case uint64(h.Phentsize) != entry:
		return nil, fmt.Errorf("%w: its program headers have %d bytes each, not %d", ErrFormat, h.Phentsize, entry)
	case n*entry > maxProgramHeaders:
		return nil, fmt.Errorf("%w: it has %d program headers", ErrFormat, n)
	}
	if p.class == elf.ELFCLASS64 {
		headers := make([]elf.Prog64, n)
		return headers, p.decode("its program headers", h.Phoff, headers)
	}
	short := make([]elf.Prog32, n)
	err := p.decode("its program headers", h.Phoff, short)
	headers := make([]elf.Prog64, n)
	for i, s := range short {
		headers[i] = elf.Prog64{Type: s.Type, Flags: s.Flags, Off: uint64(s.Off), Vaddr: uint64(s.Vaddr),
			Filesz: uint64(s.Filesz), Memsz: uint64(s.Memsz), Align: uint64(s.Align)}
	}
	return headers, err
}

// loadable checks what the kernel and the loader need of the segments.
func (p *program) loadable(h *elf.Header64, headers []elf.Prog64) (interpreter string, err error) {
	segments, entered := 0, false
	for i, s := range headers {
		what := fmt.Sprintf("its program header %d", i)
		switch elf.ProgType(s.Type) {
		case elf.PT_LOAD:
			if err := p.segment(what, s); err != nil {
				return "", err
			}
			segments++
			// The subtraction cannot wrap where the comparison before it holds.
			inside := h.Entry >= s.Vaddr && h.Entry-s.Vaddr < s.Memsz
			entered = entered || inside && elf.ProgFlag(s.Flags)&elf.PF_X != 0
		case elf.PT_INTERP:
			if interpreter != "" {
				continue // the kernel, too, reads the first one alone
			}
			if interpreter, err = p.interpreter(what, s); err != nil {
				return "", err
			}
		case elf.PT_DYNAMIC:
			if err := p.inFile(what, s.Off, s.Filesz); err != nil {
				return "", err
			}
		}
	}
	switch {
	case segments == 0:
		return "", fmt.Errorf("%w: nothing of it is to be loaded", ErrFormat)
	case !entered:
		return "", fmt.Errorf("%w: its first instruction, at %#x, is in no segment of code", ErrFormat, h.Entry)
	}
	return interpreter, nil
}

func (p *program) segment(what string, s elf.Prog64) error {
	if err := p.inFile(what, s.Off, s.Filesz); err != nil {
		return err
	}
	if s.Filesz > s.Memsz {
		return fmt.Errorf("%w: %s has %d bytes, but %d in memory", ErrFormat, what, s.Filesz, s.Memsz)
	}
	if _, carry := bits.Add64(s.Vaddr, s.Memsz, 0); carry != 0 {
		return fmt.Errorf("%w: %s ends behind all memory", ErrFormat, what)
	}
	if s.Filesz > 0 && s.Off%p.page != s.Vaddr%p.page {
		return fmt.Errorf("%w: %s cannot be mapped: offset %#x, address %#x", ErrFormat, what, s.Off, s.Vaddr)
	}
	return nil
}

func (p *program) interpreter(what string, s elf.Prog64) (string, error) {
	if s.Filesz < 2 || s.Filesz > maxInterpreter {
		return "", fmt.Errorf("%w: %s is the name of an interpreter, of %d bytes", ErrFormat, what, s.Filesz)
	}
	name := make([]byte, s.Filesz)
	if err := p.decode(what, s.Off, name); err != nil {
		return "", err
	}
	end := 0
	for end < len(name) && name[end] != 0 {
		end++
	}
	if name[len(name)-1] != 0 || end == 0 {
		return "", fmt.Errorf("%w: %s is no name of an interpreter", ErrFormat, what)
	}
	return string(name[:end]), nil
}

// sections checks that they lie in the file. The kernel does not need them: that they
// do not is what an early end of a copy looks like.
func (p *program) sections(h *elf.Header64) error {
	entry := uint64(binary.Size(elf.Section64{}))
	if p.class == elf.ELFCLASS32 {
		entry = uint64(binary.Size(elf.Section32{}))
	}
	if h.Shoff == 0 || h.Shnum == 0 || uint64(h.Shentsize) != entry {
		return nil
	}
	if err := p.inFile("the table of its sections", h.Shoff, uint64(h.Shnum)*entry); err != nil {
		return err
	}
	for first := uint64(0); first < uint64(h.Shnum); first += sectionsAtOnce {
		n := min(sectionsAtOnce, uint64(h.Shnum)-first)
		sections, err := p.decodeSections(h.Shoff+first*entry, n)
		if err != nil {
			return err
		}
		for _, s := range sections {
			if t := elf.SectionType(s.Type); t == elf.SHT_NOBITS || t == elf.SHT_NULL {
				continue
			}
			if err := p.inFile("one of its sections", s.Off, s.Size); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *program) decodeSections(offset, n uint64) ([]elf.Section64, error) {
	if p.class == elf.ELFCLASS64 {
		sections := make([]elf.Section64, n)
		return sections, p.decode("its sections", offset, sections)
	}
	short := make([]elf.Section32, n)
	err := p.decode("its sections", offset, short)
	sections := make([]elf.Section64, n)
	for i, s := range short {
		sections[i] = elf.Section64{Type: s.Type, Off: uint64(s.Off), Size: uint64(s.Size)}
	}
	return sections, err
}

// inFile is an error unless the bytes are part of the file.
func (p *program) inFile(what string, offset, size uint64) error {
	end, carry := bits.Add64(offset, size, 0)
	if carry != 0 || end > math.MaxInt64 {
		return fmt.Errorf("%w: %s is at offset %#x, of %#x bytes", ErrFormat, what, offset, size)
	}
	if end > p.size {
		return fmt.Errorf("%w: %s ends at byte %d, the file at %d", ErrTruncated, what, end, p.size)
	}
	return nil
}

// decode reads a value of a fixed size, or a slice of such.
func (p *program) decode(what string, offset uint64, value any) error {
	data := make([]byte, binary.Size(value))
	if err := p.inFile(what, offset, uint64(len(data))); err != nil {
		return err
	}
	if _, err := p.file.ReadAt(data, int64(offset)); err != nil {
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: %s cannot be read whole", ErrTruncated, what)
		}
		return fmt.Errorf("read %s: %w", what, err)
	}
	_, err := binary.Decode(data, p.byteOrder(), value)
	return err
}
