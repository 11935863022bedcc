package symbol

import (
	"cmp"
	"debug/dwarf"
	"fmt"
	"slices"
)

// maxUnitEntries bounds how many attributes are read of all units. A program of
// 100 MB has some 6 million.
const maxUnitEntries = 1 << 26

// maxDescribed bounds how many functions are described.
const maxDescribed = 1 << 22

// unitRange says that code belongs to a unit.
type unitRange struct {
	lo, hi uint64
	unit   dwarf.Offset
}

// unitReader finds the entries of functions by their addresses.
type unitReader struct {
	*debugging
	rest   entryReader
	ranges []unitRange // by address
	// entries are the functions of the units that were read, by address.
	entries map[uint64]dwarf.Offset
	bases   map[dwarf.Offset]uint64 // of the units that were read
	loc     []byte                  // .debug_loc, where it is needed
}

// openUnits reads the parts of a program's DWARF that describe functions.
func openUnits(file []byte, locations bool) (*unitReader, error) {
	names := []string{"ranges", "rnglists"}
	if locations {
		names = append(names, "loc")
	}
	d, err := openDebugging(file, names...)
	if err != nil {
		return nil, err
	}
	u := &unitReader{
		debugging: d, rest: entryReader{d.Reader(), maxUnitEntries},
		entries: map[uint64]dwarf.Offset{}, bases: map[dwarf.Offset]uint64{}, loc: d.parts["loc"],
	}
	if err := u.readRanges(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoDWARF, err)
	}
	return u, nil
}

// readRanges reads the first entry of every unit. Damaged units are left out.
func (u *unitReader) readRanges() error {
	r := rangeReader{old: u.parts["ranges"], lists: u.parts["rnglists"], addrs: u.parts["addr"], left: maxRanges}
	for _, unit := range u.units {
		e, err := u.rest.at(unit.first)
		if err != nil || e.Tag != dwarf.TagCompileUnit {
			continue
		}
		if err := r.add(unit.first, unit.version, e); err != nil {
			return err
		}
	}
	u.ranges = r.ranges
	sortRanges(u.ranges)
	return nil
}

func sortRanges(ranges []unitRange) {
	slices.SortFunc(ranges, func(a, b unitRange) int { return cmp.Compare(a.lo, b.lo) })
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
	e, err := u.rest.at(unit)
	if err != nil || !e.Children {
		return
	}
	base, _ := e.Val(dwarf.AttrLowpc).(uint64)
	u.bases[unit] = base
	for {
		e, err := u.rest.next()
		if err != nil || e.Tag == 0 {
			return
		}
		if e.Tag == dwarf.TagSubprogram {
			if lo, ok := e.Val(dwarf.AttrLowpc).(uint64); ok && len(u.entries) < maxDescribed {
				u.entries[lo] = e.Offset
			}
		}
		if u.rest.skip(e) != nil {
			return
		}
	}
}
