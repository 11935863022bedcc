package symbol

import (
	"debug/dwarf"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/semver"
)

func TestParseRelease(t *testing.T) {
	for _, test := range []struct {
		version string
		want    goRelease
	}{
		{"go1.26.8", goRelease{minor: 26, patch: 8, exact: true}},
		{"go1.20", goRelease{minor: 20, exact: true}},
		{"go1.26.9-foo X:arenas,nogreenteagc", goRelease{minor: 26, patch: 9, exact: true, experiments: []string{"arenas", "nogreenteagc"}}},
		{"go1.24.3 X:noswissmap", goRelease{minor: 24, patch: 3, exact: true, experiments: []string{"noswissmap"}}},
		{"go1.24.1-1-microsoft", goRelease{minor: 24, patch: 1, exact: true}},
		{"go1.23.12+auto", goRelease{minor: 23, patch: 12, exact: true}},
		{"go1.26rc1", goRelease{minor: 26}},
		{"go1.26beta1", goRelease{minor: 26}},
		{"devel go1.27-3ae6ee1 Mon Jan 2 15:04:05 2026 +0000", goRelease{minor: 27}},
		{"devel go1.27-3ae6ee1 Mon Jan 2 X:arenas", goRelease{minor: 27, experiments: []string{"arenas"}}},
		{"go1.26.", goRelease{minor: 26}},
		{"go1.26.x", goRelease{minor: 26}},
		{"go1.", goRelease{}},
		{"go1.999999", goRelease{}},
		{"go1.26.999999", goRelease{minor: 26}},
		{"go2.0", goRelease{}},
		{"gotip X:", goRelease{}},
		{"devel +3ae6ee1", goRelease{}},
		{"", goRelease{}},
	} {
		got := parseRelease(test.version)
		if got.minor != test.want.minor || got.patch != test.want.patch || got.exact != test.want.exact ||
			!slices.Equal(got.experiments, test.want.experiments) {
			t.Errorf("parseRelease(%q) = %+v, want %+v", test.version, got, test.want)
		}
	}
}

func FuzzParseRelease(f *testing.F) {
	for _, s := range []string{"go1.26.8", "go1.26.9-foo X:a,b", "devel go1.27-x", "go1.26rc1", "", "go1.", "X: X:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, version string) {
		r := parseRelease(version)
		if r.minor < 0 || r.patch < 0 || !semver.IsValid(r.semver()) || r.exact && !strings.HasPrefix(version, "go1.") {
			t.Errorf("parseRelease(%q) = %+v", version, r)
		}
		// Whatever the version says, a field that all releases have is found or
		// the release is too old.
		got, _ := tableField(fieldKey{"runtime.g", "stack.lo"}, &buildInfo{version: version})
		if got.err != nil && !errors.Is(got.err, ErrUnknownModule) {
			t.Errorf("stack.lo of %q: %v", version, got.err)
		}
	})
}

// dep returns the line of a module, as programs record it.
func dep(path, version string) string { return "dep\t" + path + "\t" + version + "\th1:x=\n" }

func TestTableField_ofVersions(t *testing.T) {
	const (
		chi   = "github.com/go-chi/chi/v5"
		echo  = "github.com/labstack/echo/v4"
		other = "path\tshop\nmod\tshop\t(devel)\t\n"
	)
	pattern := fieldKey{"net/http.Request", "Pattern"}
	status := fieldKey{"net/http.response", "status"}
	buckets := fieldKey{"runtime.hmap", "B"}
	route := fieldKey{chi + ".Context", "routePattern"}
	path := fieldKey{echo + ".context", "path"}
	const known = "go1.26.8"
	for _, test := range []struct {
		name    string
		key     fieldKey
		version string
		record  string
		want    Field
		err     error
		certain bool
	}{
		{"measured", status, "go1.26.10", "", Field{120, FromTable}, nil, true},
		{"between two that agree", status, "go1.26.8", "", Field{120, FromTable}, nil, true},
		{"the patch that moved it", status, "go1.26.11", "", Field{128, FromTable}, nil, true},
		{"a newer patch", status, "go1.26.99", "", Field{128, Assumed}, nil, false},
		{"a newer patch of an older release", status, "go1.25.99", "", Field{120, FromTable}, nil, true},
		{"a newer release", status, "go1.99.1", "", Field{128, Assumed}, nil, false},
		{"a distribution", status, "go1.26.8-foo X:arenas", "", Field{120, FromTable}, nil, true},
		{"a candidate", status, "go1.25rc1", "", Field{120, Assumed}, nil, false},
		{"a development version", status, "devel go1.27-3ae6ee1 Mon", "", Field{128, Assumed}, nil, false},
		{"an unknown version", status, "gotip", "", Field{128, Assumed}, nil, false},
		{"no version", status, "", "", Field{128, Assumed}, nil, false},
		{"an old release", status, "go1.19.13", "", Field{}, ErrUnknownModule, false},
		{"before it was there", pattern, "go1.22.12", "", Field{}, ErrNoField, true},
		{"a newer patch before it was there", pattern, "go1.22.99", "", Field{}, ErrNoField, false},
		{"since it is there", pattern, "go1.23.0", "", Field{232, FromTable}, nil, true},
		{"hash buckets", buckets, "go1.23.12", "", Field{9, FromTable}, nil, true},
		{"Swiss tables", buckets, "go1.24.13", "", Field{}, ErrNoField, true},
		{"hash buckets by experiment", buckets, "go1.24.13 X:arenas,noswissmap", "", Field{9, FromTable}, nil, true},
		{"hash buckets no more", buckets, "go1.26.0 X:noswissmap", "", Field{}, ErrNoField, true},
		{"a newer release without hash buckets", buckets, "go1.99.0", "", Field{}, ErrNoField, false},
		{"no such field", fieldKey{"runtime.g", "nothing"}, known, "", Field{}, ErrUnknownStruct, false},
		{"no such struct", fieldKey{"runtime.nothing", "goid"}, known, "", Field{}, ErrUnknownStruct, false},

		{"module measured", route, known, dep(chi, "v5.0.0"), Field{120, FromTable}, nil, true},
		{"module between two that agree", route, known, dep(chi, "v5.0.3"), Field{160, FromTable}, nil, true},
		{"module between two that differ", path, known, dep(echo, "v4.13.0"), Field{80, Assumed}, nil, false},
		{"module before a release", path, known, dep(echo, "v4.12.0-0.20240101000000-0123456789ab"), Field{16, Assumed}, nil, false},
		{"module after a release", route, known, dep(chi, "v5.2.1-0.20240101000000-0123456789ab"), Field{160, FromTable}, nil, true},
		{"module newer", route, known, dep(chi, "v5.999.0"), Field{160, Assumed}, nil, false},
		{"module older", path, known, dep(echo, "v4.0.0"), Field{}, ErrUnknownModule, false},
		{"module of a newer release of Go", route, "go1.99.1", dep(chi, "v5.2.0"), Field{160, Assumed}, nil, false},
		{"module of a newer patch of Go", route, "go1.26.99", dep(chi, "v5.2.0"), Field{160, FromTable}, nil, true},
		{"module not there", route, known, other, Field{}, ErrUnknownModule, true},
		{"module of a longer path", route, known, dep(chi+"/middleware", "v5.0.0"), Field{}, ErrUnknownModule, true},
		{"no modules recorded", route, known, "", Field{160, Assumed}, nil, false},
		{"main module", route, known, "path\tx\nmod\t" + chi + "\t(devel)\t\n", Field{160, Assumed}, nil, false},
		{"main module with a version", route, known, "path\tx\nmod\t" + chi + "\tv5.0.0+dirty\t\n", Field{120, FromTable}, nil, true},
		{"replaced by another version", route, known, dep(chi, "v5.2.0") + "=>\t" + chi + "\tv5.0.0\th1:x=\n", Field{120, FromTable}, nil, true},
		{"replaced by another module", route, known, dep(chi, "v5.2.0") + "=>\texample.com/chi\tv5.0.0\th1:x=\n", Field{120, Assumed}, nil, false},
		{"replaced by a folder", route, known, dep(chi, "v5.2.0") + "=>\t../chi\t\t\n" + dep("x.y/z", "v1.0.0"), Field{160, Assumed}, nil, false},
		{"replaced is the next one", route, known, dep(chi, "v5.0.0") + dep("x.y/z", "v1.0.0") + "=>\t../chi\t\t\n", Field{120, FromTable}, nil, true},
		{"not a version", route, known, "dep\t" + chi + "\n", Field{160, Assumed}, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, certain := tableField(test.key, &buildInfo{version: test.version, record: test.record})
			if got.field != test.want || !errors.Is(got.err, test.err) || certain != test.certain {
				t.Errorf("got %v, %v, %v; want %v, %v, %v", got.field, got.err, certain, test.want, test.err, test.certain)
			}
		})
	}
}

func TestBinary_ModuleVersion(t *testing.T) {
	b := &Binary{info: buildInfo{record: "path\tshop/cmd\nmod\tshop\tv1.2.3\th1:x=\n" + dep("a.b/c", "v1.0.0") +
		dep("a.b/d", "v1.1.0") + "=>\ta.b/e\tv1.5.0\th1:x=\n" + dep("a.b/f", "v0.1.0") + "=>\t../f\t\n" +
		"build\tGOARCH=amd64\n"}}
	for path, want := range map[string]string{
		"shop": "v1.2.3", "a.b/c": "v1.0.0", "a.b/d": "v1.5.0", "a.b/f": "v0.1.0", "a.b/e": "", "shop/cmd": "", "a.b": "", "": "", "GOARCH=amd64": "",
	} {
		if got, ok := b.ModuleVersion(path); got != want || ok != (want != "") {
			t.Errorf("ModuleVersion(%q) = %q, %v; want %q", path, got, ok, want)
		}
	}
}

func FuzzModule(f *testing.F) {
	f.Add(dep("a.b/c", "v1.0.0")+"=>\t../f\t\n", "a.b/c")
	f.Add("mod\t\n=>\n", "")
	f.Fuzz(func(t *testing.T, record, path string) {
		info := buildInfo{version: "go1.26.8", record: record}
		if d, ok := info.module(path); ok && !strings.Contains(record, path) {
			t.Errorf("module(%q) = %+v", path, d)
		}
		tableField(fieldKey{"github.com/go-chi/chi/v5.Context", "routePattern"}, &info)
	})
}

// TestKnownStructs_areInOrder checks what lookups rely on.
func TestKnownStructs_areInOrder(t *testing.T) {
	modules := knownModules()
	for _, s := range knownStructs() {
		i := slices.IndexFunc(modules, func(m knownModule) bool { return m.path == s.module })
		if i < 0 {
			t.Fatalf("%s: module %q is not known", s.name, s.module)
		}
		for _, f := range s.fields {
			last := ""
			for j, span := range f.spans {
				from, to := span.from, span.to
				if from == "" && j == 0 {
					from = modules[i].oldest
				}
				if to == "" && j == len(f.spans)-1 {
					to = modules[i].newest
				}
				if !semver.IsValid(from) || !semver.IsValid(to) || semver.Compare(from, to) > 0 || last != "" && semver.Compare(last, from) >= 0 ||
					span.offset < none || span.offset > 1<<16 {
					t.Errorf("%s.%s: span %+v after %q", s.name, f.name, span, last)
				}
				last = to
			}
			if last != modules[i].newest {
				t.Errorf("%s.%s: nothing is said of %s", s.name, f.name, modules[i].newest)
			}
		}
	}
	if got := len(tableKeys()); got < 50 {
		t.Errorf("%d fields", got)
	}
}

// tinyDWARF describes "p.s", a struct of a, at 8, and in, at 16, which is a
// "p.in" through an alias; b of "p.in" is at 4.
func tinyDWARF() (abbrev, info []byte) {
	abbrev = []byte{
		1, byte(dwarf.TagCompileUnit), 1, 0, 0,
		2, byte(dwarf.TagStructType), 1, byte(dwarf.AttrName), 8, 0, 0,
		3, byte(dwarf.TagMember), 0, byte(dwarf.AttrName), 8, byte(dwarf.AttrDataMemberLoc), 0xf, byte(dwarf.AttrType), 0x13, 0, 0,
		4, byte(dwarf.TagTypedef), 0, byte(dwarf.AttrType), 0x13, 0, 0,
		5, byte(dwarf.TagBaseType), 0, 0, 0,
		0,
	}
	const header = 11
	info = append(make([]byte, header), 1)
	base := uint32(len(info))
	info = append(info, 5)
	member := func(name string, off byte, typ uint32) {
		info = append(append(append(info, 3), name...), 0, off)
		info = le.AppendUint32(info, typ)
	}
	inner := uint32(len(info))
	info = append(info, "\x02p.in\x00"...)
	member("b", 4, base)
	info = append(info, 0)
	alias := uint32(len(info))
	info = le.AppendUint32(append(info, 4), inner)
	info = append(info, "\x02p.s\x00"...)
	member("a", 8, base)
	member("in", 16, alias)
	info = append(info, 0, 0)
	le.PutUint32(info, uint32(len(info)-4))
	info[4], info[10] = 4, 8 // version, size of addresses
	return abbrev, info
}

func tinyTypes(abbrev, info []byte) (*typeReader, error) {
	d := &debugging{parts: map[string][]byte{"abbrev": abbrev, "info": info}}
	if err := d.open(); err != nil {
		return nil, err
	}
	return newTypeReader(d), nil
}

func TestTypeReader(t *testing.T) {
	types, err := tinyTypes(tinyDWARF())
	if err != nil {
		t.Fatal(err)
	}
	at := types.find("p.s")
	if at == nil || types.find("p.nothing") != nil || types.find("s") != nil {
		t.Fatalf("p.s is at %v, p.nothing at %v, s at %v", at, types.find("p.nothing"), types.find("s"))
	}
	for path, want := range map[string]string{"a": "8", "in": "16", "in.b": "20", "in.c": "no such field", "a.b": "no such field", "": "no such field", "in.": "no such field"} {
		got := types.answer(*at, path)
		text := fmt.Sprint(got.field.Offset)
		if got.err != nil {
			text = got.err.Error()
		}
		if text != want {
			t.Errorf("%q: %s, want %s", path, text, want)
		}
	}
}

func FuzzTypeReader(f *testing.F) {
	abbrev, info := tinyDWARF()
	f.Add(abbrev, info, "p.s", "in.b")
	f.Add(abbrev, info[:len(info)-5], "p.s", "a")
	f.Fuzz(func(t *testing.T, abbrev, info []byte, name, path string) {
		types, err := tinyTypes(abbrev, info)
		if err != nil {
			return
		}
		if at := types.find(name); at != nil {
			types.answer(*at, path)
		}
	})
}
