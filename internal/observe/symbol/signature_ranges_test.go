package symbol

import (
	"debug/dwarf"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// TestRangesAgree compares the ranges of units with those that package
// debug/dwarf reads.
func TestRangesAgree(t *testing.T) {
	for _, build := range []struct {
		name string
		opts testutil.BuildOptions
	}{
		{"this release", testutil.BuildOptions{}},
		{"without DWARF 5", testutil.BuildOptions{Env: []string{"GOEXPERIMENT=nodwarf5"}}},
		{"go1.20", testutil.BuildOptions{Toolchain: "go1.20.14"}},
		{"linked by a C toolchain", testutil.BuildOptions{Env: []string{"CGO_ENABLED=1"}, Flags: []string{"-ldflags=-linkmode=external"}}},
	} {
		t.Run(build.name, func(t *testing.T) {
			if len(build.opts.Flags) > 0 {
				testutil.RequireTool(t, "gcc", "gcc")
			}
			b, err := Open(testutil.BuildGo(t, testutil.Dir("testdata/signatures"), build.opts))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			u, err := openUnits(b.mapping, false)
			if err != nil {
				t.Fatal(err)
			}
			// Package debug/dwarf takes the lists of DWARF 4 when it is made only.
			data, err := dwarf.New(u.parts["abbrev"], nil, nil, u.parts["info"], nil, nil, u.parts["ranges"], u.parts["str"])
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"line_str", "str_offsets", "addr", "rnglists"} {
				if err := data.AddSection(".debug_"+name, u.parts[name]); err != nil {
					t.Fatal(err)
				}
			}
			var want []unitRange
			for _, unit := range u.units {
				r := data.Reader()
				r.Seek(unit.first)
				e, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				ranges, err := data.Ranges(e)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range ranges {
					if r[0] < r[1] {
						want = append(want, unitRange{r[0], r[1], unit.first})
					}
				}
			}
			sortRanges(want)
			if len(want) < 10 || !slices.Equal(u.ranges, want) {
				t.Errorf("%d ranges, want %d:\n%v\n%v", len(u.ranges), len(want), u.ranges, want)
			}
		})
	}
}

func TestRangeReader(t *testing.T) {
	word := func(words ...uint64) (b []byte) {
		for _, w := range words {
			b = le.AppendUint64(b, w)
		}
		return b
	}
	list := []byte{rangeBaseIndex, 1, rangeOffsets, 1, 3, rangeStartEndIndex, 0, 1, rangeStartIndexLength, 1, 0x80, 1}
	list = append(append(list, rangeBase), word(0x5000)...)
	list = append(append(append(list, rangeOffsets, 0, 1, rangeStartEnd), word(0x10, 0x20)...), rangeStartLength)
	list = append(append(list, word(0x30)...), 4, rangeEnd)
	field := func(attr dwarf.Attr, val any) dwarf.Field { return dwarf.Field{Attr: attr, Val: val} }
	for _, tt := range []struct {
		name    string
		version uint16
		fields  []dwarf.Field
		want    []unitRange
	}{
		{"addresses", 4, []dwarf.Field{field(dwarf.AttrLowpc, uint64(8)), field(dwarf.AttrHighpc, uint64(24))}, []unitRange{{8, 24, 7}}},
		{"an address and a length", 5, []dwarf.Field{field(dwarf.AttrLowpc, uint64(8)), field(dwarf.AttrHighpc, int64(24))}, []unitRange{{8, 32, 7}}},
		{"an end without a start", 5, []dwarf.Field{field(dwarf.AttrHighpc, uint64(24))}, nil},
		{"nothing", 5, nil, nil},
		{"an old list", 4, []dwarf.Field{field(dwarf.AttrLowpc, uint64(0x100)), field(dwarf.AttrRanges, int64(16))},
			[]unitRange{{0x101, 0x103, 7}, {0x2004, 0x2006, 7}}},
		{"an old list with another base in its midst", 4, []dwarf.Field{field(dwarf.AttrRanges, int64(0))}, []unitRange{{9, 10, 7}, {1, 3, 7}, {0x2004, 0x2006, 7}}},
		{"a list", 5, []dwarf.Field{field(dwarf.AttrRanges, int64(3)), field(dwarf.AttrAddrBase, int64(8))},
			[]unitRange{{0x3001, 0x3003, 7}, {0x2000, 0x3000, 7}, {0x3000, 0x3080, 7}, {0x5000, 0x5001, 7}, {0x10, 0x20, 7}, {0x30, 0x34, 7}}},
		{"a list of addresses that are not there", 5, []dwarf.Field{field(dwarf.AttrRanges, int64(3)), field(dwarf.AttrAddrBase, int64(-8))}, nil},
		{"a list that is not there", 5, []dwarf.Field{field(dwarf.AttrRanges, int64(-1))}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rangeReader{
				old: word(9, 10, 1, 3, 1<<64-1, 0x2000, 4, 6, 0, 0), lists: append([]byte{0, 0, 0}, list...),
				addrs: word(0, 0x2000, 0x3000), left: 100,
			}
			if err := r.add(7, tt.version, &dwarf.Entry{Field: tt.fields}); err != nil || !slices.Equal(r.ranges, tt.want) {
				t.Errorf("%#v, %v; want %#v", r.ranges, err, tt.want)
			}
		})
	}
}

// TestRangesThatUnitsShareCount has many units name the same list, which
// contains all there is a thousand times.
func TestRangesThatUnitsShareCount(t *testing.T) {
	var old, lists []byte
	for range 1000 {
		old = le.AppendUint64(le.AppendUint64(old, 1), 2)
		lists = append(lists, rangeOffsets, 1, 2)
	}
	bases := slices.Repeat([]byte{rangeBase, 0, 0, 0, 0, 0, 0, 0, 0}, 1000)
	for name, r := range map[string]*rangeReader{
		"of DWARF 4":                  {old: old, left: maxRanges},
		"of DWARF 5":                  {lists: lists, left: maxRanges},
		"of DWARF 5 without any code": {lists: bases, left: maxRanges},
	} {
		version := uint16(4)
		if r.lists != nil {
			version = 5
		}
		var err error
		n := 0
		for ; n < maxUnits && err == nil; n++ {
			err = r.add(7, version, &dwarf.Entry{Field: []dwarf.Field{{Attr: dwarf.AttrRanges, Val: int64(0)}}})
		}
		if !errors.Is(err, errDamagedTypes) || n > maxRanges/1000+1 || len(r.ranges) > maxRanges {
			t.Errorf("%s: %d ranges of %d units, error %v", name, len(r.ranges), n, err)
		}
	}
}

func FuzzRanges(f *testing.F) {
	f.Add([]byte{rangeStartIndexLength, 1, 2, rangeEnd}, []byte{8: 1, 16: 2}, int64(0), int64(0), uint16(5))
	f.Add([]byte{15: 1, 16: 255}, []byte{}, int64(0), int64(8), uint16(4))
	f.Fuzz(func(t *testing.T, list, addrs []byte, at, base int64, version uint16) {
		r := rangeReader{old: list, lists: list, addrs: addrs, left: 1000}
		_ = r.add(7, version, &dwarf.Entry{Field: []dwarf.Field{
			{Attr: dwarf.AttrRanges, Val: at}, {Attr: dwarf.AttrAddrBase, Val: base}, {Attr: dwarf.AttrLowpc, Val: uint64(3)},
		}})
		for _, got := range r.ranges {
			if got.lo >= got.hi {
				t.Errorf("%+v", got)
			}
		}
	})
}

// TestValuesOfManyParts takes values apart that have more fields by value than
// could ever be looked at.
func TestValuesOfManyParts(t *testing.T) {
	number := &typeInfo{kind: reflect.Int, size: 8, align: 8}
	nest := func(t *typeInfo) *typeInfo {
		for range maxNesting {
			t = &typeInfo{kind: reflect.Struct, size: 8, align: 8, fields: []typeField{{"a", 0, t}, {"b", 0, t}}}
		}
		return t
	}
	left := maxAllParts
	if parts, ok := divide(nest(&typeInfo{kind: reflect.Struct, size: 8, align: 8}), &left); ok || left != maxAllParts-maxParts {
		t.Errorf("%d parts, %d steps are left", len(parts), left)
	}
	if parts, ok := divide(nest(number), &left); ok || len(parts) > maxComponents+1 {
		t.Errorf("%d parts of too many", len(parts))
	}
	none := 0
	if parts, ok := divide(number, &none); ok || none != 0 {
		t.Errorf("%d parts without a step left, %d after it", len(parts), none)
	}
	for name, want := range map[string]struct {
		typ   typeInfo
		parts []component
	}{
		"a number": {*number, []component{{4, 8, false}}},
		"an array of one slice": {typeInfo{kind: reflect.Array, size: 24, length: 1, elem: &typeInfo{kind: reflect.Slice, size: 24}},
			[]component{{4, 8, false}, {12, 8, false}, {20, 8, false}}},
	} {
		typ := typeInfo{kind: reflect.Struct, size: 64, fields: []typeField{{"none", 0, &typeInfo{kind: reflect.Struct}}, {"a", 4, &want.typ}}}
		if parts, ok := divide(&typ, &left); !ok || !slices.Equal(parts, want.parts) {
			t.Errorf("%s: %v, %v; want %v", name, parts, ok, want.parts)
		}
	}
}
