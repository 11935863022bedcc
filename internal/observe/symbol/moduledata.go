package symbol

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
)

// Offsets into runtime.moduledata. They are the same from Go 1.20 to 1.26:
// every field that came or went is behind them.
const (
	mdHeader  = 0
	mdFtab    = 128
	mdFtabLen = 136
	mdMinPC   = 160
	mdMaxPC   = 168
	mdText    = 176
	mdEtext   = 184
	mdGofunc  = 320
	mdSize    = 328
)

// Chance hits that are looked into before a search ends.
const (
	maxTables  = 8
	maxModules = 16
)

// locateTable finds the table of functions and what the module data says of
// it.
func locateTable(img *image) (*table, error) {
	err := fmt.Errorf("%w: no function table", ErrNotGo)
	tries := 0
	for c := range tableCandidates(img) {
		if tries++; tries > maxTables {
			break
		}
		t, tableErr := parseTable(c.data, c.addr)
		if tableErr == nil {
			if tableErr = t.locateModule(img); tableErr == nil {
				return t, nil
			}
		}
		// What speaks of a real table is worth more than a chance hit.
		if errors.Is(err, ErrNotGo) || errors.Is(err, errTable) {
			err = tableErr
		}
	}
	return nil, err
}

// tableCandidates yields the places where the table of functions may be. Of a
// section only name, address and data are meant.
func tableCandidates(img *image) iter.Seq[section] {
	return func(yield func(section) bool) {
		for _, name := range []string{".gopclntab", ".data.rel.ro.gopclntab"} {
			if s := img.section(name); s != nil && !yield(*s) {
				return
			}
		}
		// A C linker merges the table of a PIE into .data.rel.ro. Without any
		// sign of Go the file is not searched.
		if len(img.sections) > 0 && img.section(".go.buildinfo") == nil {
			return
		}
		if s := img.section(".data.rel.ro"); s != nil && !yieldMagic(*s, yield) {
			return
		}
		for s := range img.loads(0) {
			if s.flags&flagExec == 0 && !yieldMagic(section{addr: s.addr, data: s.data}, yield) {
				return
			}
		}
	}
}

// yieldMagic yields every aligned place of s that starts like a table of
// functions.
func yieldMagic(s section, yield func(section) bool) bool {
	for _, quantum := range []byte{1, 4} {
		pattern := []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, quantum, 8}
		for off := range aligned(s, pattern) {
			if !yield(section{addr: s.addr + off, data: s.data[off:]}) {
				return false
			}
		}
	}
	return true
}

// aligned yields the offsets of pattern in s whose address is a multiple of 8.
func aligned(s section, pattern []byte) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for off := 0; ; off++ {
			i := bytes.Index(s.data[off:], pattern)
			if i < 0 {
				return
			}
			off += i
			if (s.addr+uint64(off))%8 == 0 && !yield(uint64(off)) {
				return
			}
		}
	}
}

// locateModule finds the module data of t and takes from it where the code is.
func (t *table) locateModule(img *image) error {
	pattern := le.AppendUint64(nil, t.addr)
	for s := range moduleRegions(img) {
		for off := range aligned(s, pattern) {
			if data, ok := part(s.data, off, mdSize); ok && t.adopt(img, data) {
				return nil
			}
		}
	}
	for data := range t.relocatedModules(img) {
		if t.adopt(img, data) {
			return nil
		}
	}
	return fmt.Errorf("%w: function table at %#x without module data", ErrUnsupported, t.addr)
}

// moduleRegions yields the parts of the file that can hold the module data,
// likely and small ones first.
func moduleRegions(img *image) iter.Seq[section] {
	return func(yield func(section) bool) {
		for _, name := range []string{".go.module", ".noptrdata", ".data"} {
			if s := img.section(name); s != nil && !yield(*s) {
				return
			}
		}
		for s := range img.loads(flagWrite) {
			if !yield(section{addr: s.addr, data: s.data}) {
				return
			}
		}
	}
}

// relocatedModules yields copies of what may be the module data in a file
// whose pointers exist only as relocations.
func (t *table) relocatedModules(img *image) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		relocs := img.relocations()
		var addrs []uint64
		if s := img.section(".go.module"); s != nil {
			addrs = append(addrs, s.addr)
		} else {
			for r := relocs; len(r) >= relaSize; r = r[relaSize:] {
				if le.Uint64(r[16:]) == t.addr && img.isRelative(r) && len(addrs) < maxModules {
					addrs = append(addrs, le.Uint64(r))
				}
			}
		}
		for _, addr := range addrs {
			data := bytes.Clone(img.at(addr, mdSize))
			if data == nil {
				continue
			}
			for r := relocs; len(r) >= relaSize; r = r[relaSize:] {
				if off := le.Uint64(r) - addr; off <= mdSize-8 && img.isRelative(r) {
					le.PutUint64(data[off:], le.Uint64(r[16:]))
				}
			}
			if !yield(data) {
				return
			}
		}
	}
}

// isRelative reports whether a relocation adds the load bias to its addend.
func (img *image) isRelative(rela []byte) bool { return le.Uint32(rela[8:]) == img.relative }

// adopt takes the addresses from the module data when it is t's.
func (t *table) adopt(img *image, data []byte) bool {
	word := func(off int) uint64 { return le.Uint64(data[off:]) }
	text, etext := word(mdText), word(mdEtext)
	switch {
	case word(mdHeader) != t.addr,
		word(mdFtab) != t.ftab,
		word(mdFtabLen) != uint64(t.nfunc)+1,
		text >= etext,
		word(mdMinPC) != text+uint64(t.start(0)),
		word(mdMaxPC) != text+uint64(t.start(t.nfunc)),
		word(mdMaxPC) > etext:
		return false
	}
	for s := range img.loads(flagExec) {
		if s.contains(text) && s.contains(etext-1) {
			t.text, t.etext = text, etext
			t.inline = img.from(word(mdGofunc))
			return true
		}
	}
	return false
}
