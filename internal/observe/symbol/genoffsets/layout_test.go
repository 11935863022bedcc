package main

import (
	"go/build"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// The types of testdata/src/shapes, for the compiler of the test.
type (
	leaf       struct{ _ byte }
	words      [2*wordCount + 1]uint16
	box[T any] struct {
		_     [0]*T
		value T
	}
	handler interface{ Serve() }
	shape   struct {
		flag bool
		*leaf
		handler
		names  []string
		table  map[string]leaf
		fn     func(int) error
		word   words
		boxed  box[int64]
		small  box[*leaf]
		inner  struct{ x, y byte }
		ch     chan<- leaf
		number uint32
	}
)

const (
	_ = iota
	wordCount
)

func shapesWorld(arch string) *world {
	root, _ := filepath.Abs("testdata")
	return newWorld(newSources(), build.Context{GOROOT: root, GOOS: "linux", GOARCH: arch, Compiler: "gc", ReleaseTags: []string{"go1.1"}})
}

func TestWorld_offsets_areTheCompilers(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Fatal("the tests run on 64-bit machines")
	}
	var s shape
	want := map[string]uintptr{
		"flag": unsafe.Offsetof(s.flag), "leaf": unsafe.Offsetof(s.leaf), "handler": unsafe.Offsetof(s.handler),
		"names": unsafe.Offsetof(s.names), "table": unsafe.Offsetof(s.table), "fn": unsafe.Offsetof(s.fn),
		"word": unsafe.Offsetof(s.word), "boxed": unsafe.Offsetof(s.boxed), "small.value": unsafe.Offsetof(s.small) + unsafe.Offsetof(s.small.value),
		"inner.y": unsafe.Offsetof(s.inner) + unsafe.Offsetof(s.inner.y), "ch": unsafe.Offsetof(s.ch), "number": unsafe.Offsetof(s.number),
	}
	w := wanted{pkg: "shapes", name: "shape"}
	for name := range want {
		w.fields = append(w.fields, name)
	}
	w.fields = append(w.fields, "nothing", "leaf._", "flag.x")
	for _, arch := range arches() {
		got, err := shapesWorld(arch).offsets([]wanted{w})
		if err != nil {
			t.Fatal(err)
		}
		for i, field := range w.fields {
			if off, ok := want[field]; ok && got[0][i] != int64(off) || !ok && got[0][i] != absent {
				t.Errorf("%s: %s is at %d, want %d, %v", arch, field, got[0][i], off, ok)
			}
		}
	}
}

func TestWorld_offsets_ofWhatIsNotThere(t *testing.T) {
	got, err := shapesWorld("amd64").offsets([]wanted{
		{pkg: "shapes", name: "nothing", fields: []string{"x"}},
		{pkg: "nowhere", name: "shape", fields: []string{"x"}},
		{pkg: "shapes", name: "wordCount", fields: []string{"x"}},
	})
	if err != nil || !slices.EqualFunc(got, [][]int64{{absent}, {absent}, {absent}}, slices.Equal) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := shapesWorld("amd64").offsets([]wanted{{pkg: "shapes", name: "broken", fields: []string{"x"}}}); err == nil {
		t.Error("a struct of an unknown type has a layout")
	}
}

func TestWorld_constant(t *testing.T) {
	w := shapesWorld("amd64")
	if v, ok, err := w.constant("shapes", "wordCount"); v != wordCount || !ok || err != nil {
		t.Errorf("constant(wordCount) = %d, %v, %v", v, ok, err)
	}
	if v, ok, err := w.constant("shapes", "nothing"); ok || err != nil {
		t.Errorf("constant(nothing) = %d, %v, %v", v, ok, err)
	}
}

func TestTrack_spans(t *testing.T) {
	track := &track{of: wanted{pkg: "p", name: "s", fields: []string{"a", "b", "c"}}}
	for _, row := range []struct {
		version string
		offsets []int64
	}{
		{"v1.0.0", []int64{8, absent, absent}},
		{"v1.0.0", []int64{8, 4, absent}}, // by another build
		{"v1.1.0", []int64{8, absent, absent}},
		{"v1.2.0", []int64{16, absent, absent}},
	} {
		if err := track.add(row.version, row.offsets); err != nil {
			t.Fatal(err)
		}
	}
	if err := track.add("v1.2.0", []int64{24, absent, absent}); err == nil {
		t.Error("two builds of a version differ, and nothing is said")
	}
	want := [][]span{
		{{"v1.0.0", "v1.1.0", 8}, {"v1.2.0", "v1.2.0", 16}},
		{{"v1.0.0", "v1.0.0", 4}, {"v1.1.0", "v1.2.0", absent}},
	}
	for i := range want {
		if got, err := track.spans(i); err != nil || !slices.Equal(got, want[i]) {
			t.Errorf("spans(%d) = %v, %v; want %v", i, got, err, want[i])
		}
	}
	if got, err := track.spans(2); err == nil {
		t.Errorf("a field that no version has: %v", got)
	}
}

func TestParsePins_readsWhatFormatWrites(t *testing.T) {
	text, err := os.ReadFile("versions.txt")
	if err != nil {
		t.Fatal(err)
	}
	p, err := parsePins(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(p.format()); got != string(text) {
		t.Errorf("versions.txt is not as -update writes it:\n%s", got)
	}
	if len(p.toolchains) < 14 || len(p.modules) < 8 || p.all()[0].versions[0] != "v1.20.0" {
		t.Errorf("%d toolchains, %d modules", len(p.toolchains), len(p.modules))
	}
	for _, bad := range []string{"", "golang.org/toolchain\n", " v1.0.0\n", "golang.org/toolchain\n  go1.20\n\nx.y/z\n", "golang.org/toolchain go1.20\n"} {
		if p, err := parsePins(bad); err == nil {
			t.Errorf("parsePins(%q) = %+v", bad, p)
		}
	}
}

func TestParseWanted(t *testing.T) {
	modules := []string{"x.y/z", "x.y/z/v2"}
	got, err := parseWanted("# text\n\nruntime.g goid stack.lo # more\nnoswissmap: runtime.hmap B\nx.y/z/v2/p.T a\nx.y/z/p.T b\n", modules)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, w := range got {
		lines = append(lines, strings.Join(append([]string{w.module, w.experiment, w.of()}, w.fields...), " "))
	}
	want := []string{"  runtime.g goid stack.lo", " noswissmap runtime.hmap B", "x.y/z/v2  x.y/z/v2/p.T a", "x.y/z  x.y/z/p.T b"}
	if !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
	for _, bad := range []string{"runtime.g\n", "g goid\n", "x.y/other.T a\n", "runtime.g a\nruntime.g b\n", "swissmap: runtime.hmap B\n", "nox:\n"} {
		if got, err := parseWanted(bad, modules); err == nil {
			t.Errorf("parseWanted(%q) = %+v", bad, got)
		}
	}
}

func TestToolchain_names(t *testing.T) {
	for name, want := range map[string]string{"go1.20": "v1.20.0", "go1.20.14": "v1.20.14"} {
		if got := semverOf(name); got != want {
			t.Errorf("semverOf(%s) = %s", name, got)
		}
	}
	got := releaseVersions([]string{"v1.10.0", "v1.9.0", "v1.9.0-rc.1", "x", "v1.9.0"})
	if want := []string{"v1.9.0", "v1.10.0"}; !slices.Equal(got, want) {
		t.Errorf("releaseVersions() = %v", got)
	}
	b := bisection{prints: map[string]string{"go1.26.0": "a", "go1.26.5": "a", "go1.26.10": "a", "go1.26.11": "b", "go1.26.12": "b"}}
	if got, want := b.ends(), []string{"go1.26.0", "go1.26.10", "go1.26.11", "go1.26.12"}; !slices.Equal(got, want) {
		t.Errorf("ends() = %v", got)
	}
}
