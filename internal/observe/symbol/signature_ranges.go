package symbol

import (
	"debug/dwarf"
	"fmt"
)

// maxRanges bounds how many entries the lists of ranges have that units name:
// one unit has one range, or a list for each section that its code is in.
const maxRanges = 1 << 20

// The kinds of entries in a list of ranges (DWARF 5).
const (
	rangeEnd = iota
	rangeBaseIndex
	rangeStartEndIndex
	rangeStartIndexLength
	rangeOffsets
	rangeBase
	rangeStartEnd
	rangeStartLength
)

// rangeReader reads which code belongs to a unit. Package debug/dwarf reads a
// list to its end for each unit that names it.
type rangeReader struct {
	old, lists, addrs []byte // .debug_ranges, .debug_rnglists and .debug_addr
	left              int    // entries
	ranges            []unitRange
}

// add adds the ranges of a unit. Lists that are not understood are left out; the
// error says that there are too many.
func (r *rangeReader) add(unit dwarf.Offset, version uint16, e *dwarf.Entry) error {
	low, bounded := e.Val(dwarf.AttrLowpc).(uint64)
	switch high := e.Val(dwarf.AttrHighpc).(type) {
	case uint64:
		r.put(unit, low, high, bounded)
	case int64:
		r.put(unit, low, low+uint64(high), bounded)
	}
	at := uint64(0)
	switch off := e.Val(dwarf.AttrRanges).(type) {
	case int64:
		at = uint64(off)
	case uint64:
		at = off
	default:
		return nil
	}
	if base, ok := e.Val(dwarf.AttrEntrypc).(uint64); ok {
		low = base
	}
	list := r.old
	if version >= 5 {
		list = r.lists
	}
	if at >= uint64(len(list)) {
		return nil
	}
	in := numbers{list[at:], true}
	if version >= 5 {
		addrs, _ := e.Val(dwarf.AttrAddrBase).(int64)
		r.read(unit, &in, low, uint64(addrs))
	} else {
		r.readOld(unit, &in, low)
	}
	if r.left <= 0 {
		return fmt.Errorf("%w: more than %d ranges of code", errDamagedTypes, maxRanges)
	}
	return nil
}

func (r *rangeReader) put(unit dwarf.Offset, low, high uint64, ok bool) {
	if r.left--; ok && low < high {
		r.ranges = append(r.ranges, unitRange{low, high, unit})
	}
}

// readOld reads a list of DWARF 4 and older.
func (r *rangeReader) readOld(unit dwarf.Offset, in *numbers, base uint64) {
	for r.left > 0 {
		low, high := in.word(), in.word()
		switch {
		case !in.ok || low == 0 && high == 0:
			return
		case low == 1<<64-1:
			r.left--
			base = high
		default:
			r.put(unit, base+low, base+high, true)
		}
	}
}

// read reads a list of DWARF 5. addrs is where the addresses of the unit are.
func (r *rangeReader) read(unit dwarf.Offset, in *numbers, base, addrs uint64) {
	addr := func() uint64 {
		index := in.next()
		word, ok := part(r.addrs, addrs+pointerSize*index, pointerSize)
		if !ok || index >= uint64(len(r.addrs)) || addrs > uint64(len(r.addrs)) {
			in.ok = false
			return 0
		}
		return le.Uint64(word)
	}
	for r.left > 0 {
		low, high := uint64(0), uint64(0)
		switch in.byte() {
		case rangeBaseIndex:
			base = addr()
		case rangeStartEndIndex:
			low, high = addr(), addr()
		case rangeStartIndexLength:
			low = addr()
			high = low + in.next()
		case rangeOffsets:
			low, high = base+in.next(), base+in.next()
		case rangeBase:
			base = in.word()
		case rangeStartEnd:
			low, high = in.word(), in.word()
		case rangeStartLength:
			low = in.word()
			high = low + in.next()
		default: // the end, or what is not understood
			return
		}
		if !in.ok {
			return
		}
		r.put(unit, low, high, true)
	}
}
