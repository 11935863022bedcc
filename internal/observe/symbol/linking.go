package symbol

import (
	"iter"
	"runtime"
	"runtime/debug"
	"strings"
)

// The parts of the ELF format that say how a program was linked; see elf(5).
const (
	shtSymtab   = 2
	shfWrite    = 1
	dtPLTGOT    = 3
	dtJmpRel    = 23
	dtBindNow   = 24
	dtFlags     = 30
	dtFlags1    = 0x6ffffffb
	dfBindNow   = 8
	dfFlags1Now = 1
)

// Relro says how much of the addresses that a dynamic loader fills in is
// read-only while the program runs.
type Relro string

const (
	RelroNone    Relro = "none"    // nothing
	RelroPartial Relro = "partial" // all but the addresses that are bound on first use
	RelroFull    Relro = "full"    // all: everything is bound at the start
)

// Section is a section that the file keeps. Those without content in the file
// (.bss) are not among them.
type Section struct {
	Name string
	Addr uint64 // in the file's address space, 0 when it is not loaded
	Size uint64 // bytes in the file
}

// Linking says how a program was linked and what the file keeps.
type Linking struct {
	// Arch is the architecture, as GOARCH names it.
	Arch string
	// Static says that no dynamic loader is asked for.
	Static bool
	// PIE says that the program runs at any address.
	PIE   bool
	Relro Relro
	// PLT says that there are stubs for calls of other libraries' functions.
	PLT bool
	// GOT says that there is a table of addresses that the loader fills in, and
	// GOTWritable that a part of it can be written while the program runs.
	GOT, GOTWritable bool
	// SymbolTable and DWARF say what is kept for debuggers. The table of
	// functions, which a Go program cannot do without, is always there.
	SymbolTable, DWARF bool
	// Sections are in the order of the file's list; none when it has none.
	Sections []Section
}

// Linking reads how the program was linked.
func (b *Binary) Linking() Linking {
	l := Linking{Relro: RelroNone}
	shielded(func() { b.img.linking(&l) })
	runtime.KeepAlive(b)
	return l
}

func (img *image) linking(l *Linking) {
	switch img.machine {
	case machineAMD64:
		l.Arch = "amd64"
	case machineARM:
		l.Arch = "arm64"
	}
	l.Static, l.PIE = img.segment(ptInterp) == nil, img.kind == typeDyn
	now := false
	relro := img.segment(ptRelro)
	for tag, value := range img.dynamic() {
		switch tag {
		case dtBindNow:
			now = true
		case dtFlags:
			now = now || value&dfBindNow != 0
		case dtFlags1:
			now = now || value&dfFlags1Now != 0
		case dtJmpRel:
			l.PLT = true
		case dtPLTGOT:
			l.addGOT(relro, value, 8)
		}
	}
	if relro != nil {
		l.Relro = RelroPartial
		if now {
			l.Relro = RelroFull
		}
	}
	for i := range img.sections {
		s := &img.sections[i]
		size := uint64(len(s.data))
		name := string(s.name[:min(len(s.name), maxName)])
		l.Sections = append(l.Sections, Section{Name: name, Addr: s.addr, Size: size})
		switch {
		case s.kind == shtSymtab:
			l.SymbolTable = true
		case strings.HasPrefix(name, ".debug_info") || strings.HasPrefix(name, ".zdebug_info"):
			l.DWARF = true
		case size == 0:
		case name == ".plt" || strings.HasPrefix(name, ".plt."):
			l.PLT = true
		case name == ".got" || name == ".got.plt":
			if s.flags&shfWrite != 0 {
				l.addGOT(relro, s.addr, size)
			} else {
				l.GOT = true
			}
		}
	}
}

// addGOT records a part of the GOT in a segment that is written at the start.
func (l *Linking) addGOT(relro *segment, addr, size uint64) {
	l.GOT = true
	protected := relro != nil && addr >= relro.addr && size <= relro.size && addr-relro.addr <= relro.size-size
	l.GOTWritable = l.GOTWritable || !protected
}

// segment returns the first segment of a kind, nil without any.
func (img *image) segment(kind uint32) *segment {
	for i := range img.segments {
		if img.segments[i].kind == kind {
			return &img.segments[i]
		}
	}
	return nil
}

// dynamic yields the entries of the table for the dynamic loader.
func (img *image) dynamic() iter.Seq2[uint64, uint64] {
	return func(yield func(tag, value uint64) bool) {
		for i := range img.segments {
			if img.segments[i].kind != ptDynamic {
				continue
			}
			for d := img.segments[i].data; len(d) >= dynSize; d = d[dynSize:] {
				tag := le.Uint64(d)
				if tag == dtNull || !yield(tag, le.Uint64(d[8:])) {
					return
				}
			}
		}
	}
}

// BuildInfo returns what the build tool recorded of modules and settings, nil
// when it recorded nothing that can be read. Of more than 1 MiB, the end is
// missing.
func (b *Binary) BuildInfo() *debug.BuildInfo {
	record := b.info.record
	if i := strings.LastIndexByte(record, '\n'); i >= 0 {
		record = record[:i+1]
	}
	info, err := debug.ParseBuildInfo(record)
	if err != nil || record == "" {
		return nil
	}
	info.GoVersion = b.info.version
	return info
}
