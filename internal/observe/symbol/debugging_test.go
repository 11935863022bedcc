package symbol

import (
	"bytes"
	"debug/dwarf"
	"errors"
	"strings"
	"testing"
)

// tinyUnit is a unit of DWARF 4 with the given entries below its own, which has
// the attributes that abbrevs say. Kind 1 is the unit.
func tinyUnit(entries []byte) []byte {
	const header = 11
	info := make([]byte, header, header+len(entries))
	info = append(info, entries...)
	le.PutUint32(info, uint32(len(info)-4))
	info[4], info[10] = 4, 8 // version, size of addresses
	return info
}

// openTiny opens DWARF of the given sections.
func openTiny(t testing.TB, abbrev, info []byte) *debugging {
	t.Helper()
	d := &debugging{parts: map[string][]byte{"abbrev": abbrev, "info": info}}
	if err := d.open(); err != nil {
		t.Fatal(err)
	}
	return d
}

// nestedKinds are a unit, a struct "s" or a function, and a block that has
// nothing but what is below it.
var nestedKinds = []byte{
	1, byte(dwarf.TagCompileUnit), 1, 0, 0,
	2, byte(dwarf.TagStructType), 1, byte(dwarf.AttrName), 8, 0, 0,
	3, byte(dwarf.TagLexDwarfBlock), 1, 0, 0,
	0,
}

// TestNestedEntriesAreSkipped nests entries so deep that what calls itself for
// each does not come back: the stack is full, and the process ends.
func TestNestedEntriesAreSkipped(t *testing.T) {
	const depth, at = 40 << 20, dwarf.Offset(12)
	d := openTiny(t, nestedKinds, tinyUnit(slicesOf("\x01\x02s\x00", bytes.Repeat([]byte{3}, depth))))
	for name, read := range map[string]func() error{
		"of a function": func() error {
			_, err := (&Signatures{types: newTypeGraph(d.Data)}).formals(at)
			return err
		},
		"of a type": func() error {
			g := newTypeGraph(d.Data)
			_, err := g.at(at, 0)
			return err
		},
		"of a struct with a field": func() error {
			_, err := newTypeReader(d).member(at, "f")
			return err
		},
		"of a unit": func() error {
			u := unitReader{debugging: d, rest: entryReader{d.Reader(), maxUnitEntries}, entries: map[uint64]dwarf.Offset{}, bases: map[dwarf.Offset]uint64{}}
			u.readUnit(11)
			if len(u.entries) > 0 {
				return nil
			}
			return errDamagedTypes
		},
	} {
		if err := read(); !errors.Is(err, errDamagedTypes) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func slicesOf(text string, more []byte) []byte { return append([]byte(text), more...) }

func TestEntryReader_skip(t *testing.T) {
	abbrev := append(bytes.Clone(nestedKinds[:len(nestedKinds)-1]), 4, byte(dwarf.TagVariable), 0, 0, 0, 0)
	for name, below := range map[string]string{
		"nothing":         "\x00",
		"entries":         "\x04\x04\x00",
		"nested entries":  "\x03\x03\x04\x00\x04\x03\x00\x00\x04\x00",
		"an empty struct": "\x02s\x00\x00\x00",
	} {
		d := openTiny(t, abbrev, tinyUnit([]byte("\x01\x03"+below+"\x04\x00")))
		r := entryReader{d.Reader(), 100}
		e, err := r.at(12)
		if err == nil {
			err = r.skip(e)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if next, err := r.next(); err != nil || next.Tag != dwarf.TagVariable || int(next.Offset) != 13+len(below) {
			t.Errorf("%s: at %+v after it, %v", name, next, err)
		}
	}
}

func TestFindUnits(t *testing.T) {
	unit := tinyUnit([]byte{1, 0})
	newer := append([]byte{12, 0, 0, 0, 5, 0, 1, 8, 7, 0, 0, 0}, 1, 2, 3, 0)
	wide := append([]byte{0xff, 0xff, 0xff, 0xff, 12, 0, 0, 0, 0, 0, 0, 0, 4, 0, 9, 0, 0, 0, 0, 0, 0, 0, 8}, 1)
	padding := make([]byte, 4)
	for _, tt := range []struct {
		name string
		info []byte
		want []unitStart // nil for an error
	}{
		{"one", unit, []unitStart{{11, 0, 4}}},
		{"of DWARF 5", newer, []unitStart{{12, 7, 5}}},
		{"of 64 bits", wide, []unitStart{{23, 9, 4}}},
		{"several with padding", bytes.Join([][]byte{padding, unit, padding, newer, padding}, nil), []unitStart{{15, 0, 4}, {33, 7, 5}}},
		{"the end is missing", unit[:len(unit)-1], nil},
		{"the length is missing", unit[:3], nil},
		{"the header is missing", []byte{7, 0, 0, 0, 4, 0, 0, 0, 0, 0, 8}, nil},
		{"endless", []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 4, 0}, nil},
		{"too many", bytes.Repeat(unit, maxUnits+1), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := findUnits(tt.info)
			if (err == nil) != (tt.want != nil) {
				t.Fatalf("%d units, error %v", len(got), err)
			}
			for i := range tt.want {
				if i >= len(got) || got[i] != tt.want[i] {
					t.Errorf("%+v, want %+v", got, tt.want)
					break
				}
			}
		})
	}
}

func TestOpenRefusesDWARFThatTakesMemoryWithoutEnd(t *testing.T) {
	unit := tinyUnit([]byte{1, 0})
	// Each unit takes another table of kinds, all of which end where the last
	// one does.
	kinds := append(bytes.Repeat([]byte{2, byte(dwarf.TagBaseType), 0, byte(dwarf.AttrName), 8, 0, 0}, 4096), 0)
	var overlapping []byte
	for i := range 4096 {
		overlapping = append(overlapping, unit...)
		le.PutUint32(overlapping[len(overlapping)-len(unit)+6:], uint32(7*i))
	}
	attributes := append([]byte{1, byte(dwarf.TagCompileUnit), 0}, bytes.Repeat([]byte{byte(dwarf.AttrName), 14}, maxAttributes+1)...)
	for _, tt := range []struct {
		name  string
		parts map[string][]byte
	}{
		{"more units than packages", map[string][]byte{"abbrev": nestedKinds, "info": bytes.Repeat(unit, maxUnits+1)}},
		{"kinds of entries that are read again and again", map[string][]byte{"abbrev": kinds, "info": overlapping}},
		{"kinds of entries without end", map[string][]byte{"abbrev": kinds[:len(kinds)-1], "info": unit}},
		{"an entry of many texts", map[string][]byte{"abbrev": append(attributes, 0, 0, 0), "info": unit}},
		{"a text without end", map[string][]byte{"abbrev": nestedKinds, "info": unit, "str": bytes.Repeat([]byte("x"), maxText)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &debugging{parts: tt.parts}
			if err := d.open(); !errors.Is(err, errDamagedTypes) || !strings.Contains(err.Error(), "damaged DWARF: ") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestEntryReaderStops(t *testing.T) {
	kinds := []byte{1, byte(dwarf.TagCompileUnit), 1, 0, 0, 2, byte(dwarf.TagBaseType), 0, byte(dwarf.AttrName), 8, byte(dwarf.AttrByteSize), 0xb, 0, 0, 0}
	d := openTiny(t, kinds, tinyUnit([]byte("\x01"+strings.Repeat("\x02a\x00\x08", 1000)+"\x00")))
	texts := openTiny(t, kinds, tinyUnit([]byte("\x01"+strings.Repeat("\x02"+strings.Repeat("a", 9*textCost)+"\x00\x08", 1000)+"\x00")))
	for _, tt := range []struct {
		name string
		d    *debugging
		want int
	}{{"by attributes", d, 34}, {"by the length of texts", texts, 10}} {
		r := entryReader{tt.d.Reader(), 100}
		n := 0
		for {
			if _, err := r.next(); err != nil {
				break
			}
			n++
		}
		if n != tt.want {
			t.Errorf("%s: after %d entries, want %d", tt.name, n, tt.want)
		}
	}
}
