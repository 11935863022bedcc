package symbol

import (
	"bytes"
	"debug/dwarf"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	// maxDWARF limits what is decompressed in all. The largest Go programs have
	// some 100 MB.
	maxDWARF = 1 << 29
	// maxRatio limits by how much decompression may make a section larger.
	maxRatio = 16
	// maxUnits bounds how many units DWARF may have: one for each package.
	maxUnits = 1 << 17
	// maxAbbrevs bounds how many attributes all kinds of entries have. Go's
	// compiler has some 250, and each file of C its own.
	maxAbbrevs = 1 << 20
	// maxAttributes bounds those of one kind of entry.
	maxAttributes = 64
)

var errDamagedTypes = errors.New("damaged DWARF")

// debugging is the DWARF of a program. Package debug/dwarf believes what it
// reads: what would make it take memory without end is refused before.
type debugging struct {
	*dwarf.Data
	parts map[string][]byte // sections by name, without ".debug_"
	units []unitStart
}

// unitStart is where a unit begins.
type unitStart struct {
	first   dwarf.Offset // of its entries
	abbrevs uint64       // where the kinds of its entries are
	version uint16
}

// openDebugging reads what describes types and functions, and the sections
// called more. It returns [ErrNoDWARF] when there is none of it.
func openDebugging(file []byte, more ...string) (*debugging, error) {
	f, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d := &debugging{parts: map[string][]byte{}}
	left := uint64(maxDWARF)
	for _, name := range append([]string{"abbrev", "info", "str", "line_str", "str_offsets", "addr"}, more...) {
		if d.parts[name], err = readDebug(f, name, left); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoDWARF, err)
		}
		left -= uint64(len(d.parts[name]))
	}
	if len(d.parts["info"]) == 0 {
		return nil, ErrNoDWARF
	}
	if err := d.open(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoDWARF, err)
	}
	return d, nil
}

// readDebug returns a section of debugging information, decompressed, nil when
// there is none.
func readDebug(f *elf.File, name string, most uint64) ([]byte, error) {
	s := f.Section(".debug_" + name)
	if s == nil {
		return nil, nil
	}
	// Compression saves two thirds or so: more than this is crafted.
	if s.Size > most || s.Size > maxRatio*s.FileSize+1<<16 {
		return nil, fmt.Errorf("%s has %d bytes in %d", s.Name, s.Size, s.FileSize)
	}
	data := make([]byte, s.Size)
	if _, err := io.ReadFull(s.Open(), data); err != nil {
		return nil, fmt.Errorf("read %s: %w", s.Name, err)
	}
	return data, nil
}

// open looks at the sections and gives them to package debug/dwarf.
func (d *debugging) open() error {
	var err error
	if d.units, err = findUnits(d.parts["info"]); err != nil {
		return err
	}
	if err := checkAbbrevs(d.parts["abbrev"], d.units); err != nil {
		return err
	}
	for _, name := range []string{"str", "line_str"} {
		if !shortTexts(d.parts[name]) {
			return fmt.Errorf("%w: .debug_%s has a text of more than %d bytes", errDamagedTypes, name, maxText)
		}
	}
	if d.Data, err = dwarf.New(d.parts["abbrev"], nil, nil, d.parts["info"], nil, nil, nil, d.parts["str"]); err != nil {
		return err
	}
	for _, name := range []string{"line_str", "str_offsets", "addr"} {
		if err := d.AddSection(".debug_"+name, d.parts[name]); err != nil {
			return fmt.Errorf(".debug_%s: %w", name, err)
		}
	}
	return nil
}

// findUnits returns where the units of .debug_info begin.
func findUnits(info []byte) ([]unitStart, error) {
	var units []unitStart
	for at := 0; at < len(info); {
		u, size := readUnitHeader(info[at:])
		if size <= 0 || size > len(info)-at {
			return nil, fmt.Errorf("%w: the unit at %#x of .debug_info", errDamagedTypes, at)
		}
		if u.version > 0 {
			if len(units) == maxUnits {
				return nil, fmt.Errorf("%w: more than %d units", errDamagedTypes, maxUnits)
			}
			u.first += dwarf.Offset(at)
			units = append(units, u)
		}
		at += size
	}
	return units, nil
}

// readUnitHeader reads the header of the unit that data begins with. It returns
// the size of the unit, 0 when there is none, and no version for padding.
func readUnitHeader(data []byte) (u unitStart, size int) {
	if len(data) < 4 {
		return u, 0
	}
	length, head, width := uint64(le.Uint32(data)), 4, 4
	if length == 0 {
		return u, head
	}
	if length == math.MaxUint32 && len(data) >= 12 { // 64-bit DWARF
		length, head, width = le.Uint64(data[4:]), 12, 8
	}
	header := 2 + width + 1 // the version, where the abbreviations are, the size of an address
	if length > math.MaxInt32 || length < uint64(header)+1 || head+header+1 > len(data) {
		return u, 0
	}
	u.version = le.Uint16(data[head:])
	abbrevs := data[head+2:]
	if u.version >= 5 {
		abbrevs = data[head+4:] // behind the kind of unit and the size of an address
		header++
	}
	if len(abbrevs) < width {
		return u, 0
	}
	u.abbrevs = uint64(le.Uint32(abbrevs))
	if width == 8 {
		u.abbrevs = le.Uint64(abbrevs)
	}
	u.first = dwarf.Offset(head + header)
	return u, head + int(length)
}

// checkAbbrevs reads the tables of the kinds of entries that units name, each
// once. They may overlap.
func checkAbbrevs(section []byte, units []unitStart) error {
	tables := map[uint64]bool{}
	left := maxAbbrevs
	for _, u := range units {
		if tables[u.abbrevs] {
			continue
		}
		tables[u.abbrevs] = true
		if u.abbrevs > uint64(len(section)) {
			return fmt.Errorf("%w: a unit names kinds of entries at %#x", errDamagedTypes, u.abbrevs)
		}
		r := numbers{section[u.abbrevs:], true}
		for left > 0 && r.next() != 0 { // the number of a kind, 0 at the end
			r.next() // the tag
			r.byte() // whether it has children
			n := 0
			for ; r.ok && n <= maxAttributes; n++ {
				attribute, form := r.next(), r.next()
				if attribute == 0 && form == 0 {
					break
				}
				if form == formImplicitConst {
					r.next()
				}
			}
			if left -= n + 1; n > maxAttributes {
				return fmt.Errorf("%w: a kind of entry has more than %d attributes", errDamagedTypes, maxAttributes)
			}
		}
		if left <= 0 || !r.ok {
			return fmt.Errorf("%w: the kinds of entries at %#x", errDamagedTypes, u.abbrevs)
		}
	}
	return nil
}

// formImplicitConst says that the value of an attribute is in the table.
const formImplicitConst = 0x21

// numbers reads the numbers of DWARF. At the end of the data ok becomes false,
// and all numbers are 0.
type numbers struct {
	data []byte
	ok   bool
}

// next reads a number of variable length, of which it returns the low 64 bits.
func (r *numbers) next() uint64 {
	n, shift := uint64(0), 0
	for {
		b := r.byte()
		if shift < 64 {
			n |= uint64(b&0x7f) << shift
		}
		if shift += 7; b < 0x80 {
			return n
		}
	}
}

func (r *numbers) byte() byte {
	if len(r.data) == 0 {
		r.ok = false
		return 0
	}
	b := r.data[0]
	r.data = r.data[1:]
	return b
}

// word reads a number of 8 bytes.
func (r *numbers) word() uint64 {
	if len(r.data) < 8 {
		r.data, r.ok = nil, false
		return 0
	}
	n := le.Uint64(r.data)
	r.data = r.data[8:]
	return n
}

// shortTexts reports whether all texts of a section, which end in a 0 each, have
// a sensible length: an entry copies each that it names.
func shortTexts(section []byte) bool {
	for len(section) > 0 {
		end := bytes.IndexByte(section[:min(len(section), maxText)], 0)
		if end < 0 {
			return len(section) < maxText
		}
		section = section[end+1:]
	}
	return true
}

// entryReader reads entries. It stops after so many that no program has them.
type entryReader struct {
	reader *dwarf.Reader
	left   int // attributes
}

// at returns the entry at an offset. The reader is behind it then.
func (r *entryReader) at(off dwarf.Offset) (*dwarf.Entry, error) {
	r.reader.Seek(off)
	e, err := r.next()
	if err == nil && e.Offset != off {
		return nil, fmt.Errorf("%w: no entry at %#x", errDamagedTypes, off)
	}
	return e, err
}

// next returns the next entry, which must be there.
func (r *entryReader) next() (*dwarf.Entry, error) {
	if r.left <= 0 {
		return nil, fmt.Errorf("%w: too many entries", errDamagedTypes)
	}
	e, err := r.reader.Next()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamagedTypes, err)
	}
	if e == nil {
		return nil, fmt.Errorf("%w: the entries end early", errDamagedTypes)
	}
	r.left -= 1 + len(e.Field)
	for i := range e.Field {
		if text, ok := e.Field[i].Val.(string); ok {
			r.left -= len(text) / textCost
		}
	}
	return e, nil
}

// textCost is how many bytes of a text count as an attribute.
const textCost = 16

// skip reads past what is below e, the entry that was read last.
// [dwarf.Reader.SkipChildren] calls itself for each level, of which a file may
// have millions.
func (r *entryReader) skip(e *dwarf.Entry) error {
	if !e.Children {
		return nil
	}
	for depth := 1; depth > 0; {
		below, err := r.next()
		switch {
		case err != nil:
			return err
		case below.Tag == 0:
			depth--
		case below.Children:
			depth++
		}
	}
	return nil
}
