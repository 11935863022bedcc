package symbol

import (
	"bytes"
	"cmp"
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"slices"
)

// maxUnits bounds how many units DWARF may have: one for each package.
const maxUnits = 1 << 17

// unitRange says that code belongs to a unit.
type unitRange struct {
	lo, hi uint64
	unit   dwarf.Offset
}

// unitReader finds the entries of functions by their addresses.
type unitReader struct {
	data   *dwarf.Data
	reader *dwarf.Reader
	ranges []unitRange // by address
	// entries are the functions of the units that were read, by address.
	entries map[uint64]dwarf.Offset
	bases   map[dwarf.Offset]uint64 // of the units that were read
	loc     []byte                  // .debug_loc, where it is needed
}

// openUnits reads the parts of a program's DWARF that describe functions.
func openUnits(file []byte, locations bool) (*unitReader, error) {
	f, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	parts := map[string][]byte{}
	names := []string{"abbrev", "info", "str", "line_str", "str_offsets", "addr", "ranges", "rnglists"}
	if locations {
		names = append(names, "loc")
	}
	for _, name := range names {
		if parts[name], err = readDebug(f, name); err != nil {
			return nil, fmt.Errorf("%w: .debug_%s: %w", ErrNoDWARF, name, err)
		}
	}
	if len(parts["info"]) == 0 {
		return nil, ErrNoDWARF
	}
	u := &unitReader{entries: map[uint64]dwarf.Offset{}, bases: map[dwarf.Offset]uint64{}, loc: parts["loc"]}
	u.data, err = dwarf.New(parts["abbrev"], nil, nil, parts["info"], nil, nil, parts["ranges"], parts["str"])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoDWARF, err)
	}
	for _, name := range []string{"line_str", "str_offsets", "addr", "rnglists"} {
		if err := u.data.AddSection(".debug_"+name, parts[name]); err != nil {
			return nil, fmt.Errorf("%w: .debug_%s: %w", ErrNoDWARF, name, err)
		}
	}
	u.reader = u.data.Reader()
	u.readRanges(parts["info"])
	return u, nil
}

// readRanges reads the first entry of every unit. Damaged units are left out.
func (u *unitReader) readRanges(info []byte) {
	for at, n := uint64(0), 0; n < maxUnits; n++ {
		header, ok := part(info, at, 12)
		if !ok {
			break
		}
		size, version := uint64(le.Uint32(header)), le.Uint16(header[4:])
		if size >= 0xfffffff0 { // 64-bit DWARF, which Go does not write
			break
		}
		first := at + 11
		if version >= 5 {
			first++ // the kind of unit
		}
		unit := dwarf.Offset(first)
		u.reader.Seek(unit)
		if e, err := u.reader.Next(); err == nil && e != nil && e.Tag == dwarf.TagCompileUnit {
			if ranges, err := u.data.Ranges(e); err == nil {
				for _, r := range ranges {
					u.ranges = append(u.ranges, unitRange{r[0], r[1], unit})
				}
			}
		}
		at += 4 + size
	}
	slices.SortFunc(u.ranges, func(a, b unitRange) int { return cmp.Compare(a.lo, b.lo) })
}

// function returns where the function that starts at an address is described,
// false when it is not.
func (u *unitReader) function(entry uint64) (at dwarf.Offset, unit dwarf.Offset, ok bool) {
	i, found := slices.BinarySearchFunc(u.ranges, entry, func(r unitRange, addr uint64) int { return cmp.Compare(r.lo, addr) })
	if !found {
		i--
	}
	if i < 0 || entry >= u.ranges[i].hi {
		return 0, 0, false
	}
	unit = u.ranges[i].unit
	if _, read := u.bases[unit]; !read {
		u.readUnit(unit)
	}
	at, ok = u.entries[entry]
	return at, unit, ok
}

// readUnit remembers where the functions of a unit are described.
func (u *unitReader) readUnit(unit dwarf.Offset) {
	u.bases[unit] = 0
	u.reader.Seek(unit)
	e, err := u.reader.Next()
	if err != nil || e == nil || !e.Children {
		return
	}
	base, _ := e.Val(dwarf.AttrLowpc).(uint64)
	u.bases[unit] = base
	for {
		e, err := u.reader.Next()
		if err != nil || e == nil || e.Tag == 0 {
			return
		}
		if e.Tag == dwarf.TagSubprogram {
			if lo, ok := e.Val(dwarf.AttrLowpc).(uint64); ok {
				u.entries[lo] = e.Offset
			}
		}
		if e.Children {
			u.reader.SkipChildren()
		}
	}
}
