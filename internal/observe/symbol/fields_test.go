package symbol_test

import (
	"bytes"
	"debug/dwarf"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// asked returns the fields that the generator is told to measure, by struct.
func asked(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("genoffsets/fields.txt")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) > 1 && !strings.HasSuffix(words[0], ":") {
			found[words[0]] = words[1:]
		}
	}
	return found
}

// described returns the structs of a program that are among the asked ones, as
// debug/dwarf reads them.
func described(t *testing.T, path string, wanted map[string][]string) map[string]*dwarf.StructType {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := f.DWARF()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*dwarf.StructType{}
	for r := data.Reader(); ; {
		e, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e == nil {
			return found
		}
		name, _ := e.Val(dwarf.AttrName).(string)
		if e.Tag != dwarf.TagStructType || wanted[name] == nil {
			continue
		}
		typ, err := data.Type(e.Offset)
		if err != nil {
			t.Fatal(err)
		}
		found[name] = typ.(*dwarf.StructType)
	}
}

// place returns the offset of a field that may lead through structs.
func place(s *dwarf.StructType, field string) (uint64, bool) {
	first, rest, nested := strings.Cut(field, ".")
	for _, f := range s.Field {
		if f.Name != first {
			continue
		}
		if !nested {
			return uint64(f.ByteOffset), true
		}
		typ := f.Type
		for named, ok := typ.(*dwarf.TypedefType); ok; named, ok = typ.(*dwarf.TypedefType) {
			typ = named.Type
		}
		if inner, ok := typ.(*dwarf.StructType); ok {
			off, ok := place(inner, rest)
			return uint64(f.ByteOffset) + off, ok
		}
	}
	return 0, false
}

// checkFields compares Field of the program at path with what the DWARF of the
// program at plain says, and returns the structs that were compared.
func checkFields(t *testing.T, path, plain string, source symbol.FieldSource) map[string]bool {
	t.Helper()
	b, err := symbol.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	wanted, compared := asked(t), map[string]bool{}
	for name, s := range described(t, plain, wanted) {
		for _, field := range wanted[name] {
			want, exists := place(s, field)
			got, err := b.Field(name, field)
			switch {
			case !exists && !errors.Is(err, symbol.ErrNoField):
				t.Errorf("Field(%s, %s) = %v, %v; there is none", name, field, got, err)
			case exists && (err != nil || got.Offset != want || got.Source != source):
				t.Errorf("Field(%s, %s) = %v, %v; it is at %d (%v)", name, field, got, err, want, source)
			}
		}
		compared[name] = true
	}
	return compared
}

// mustHave fails when one of the structs was not compared.
func mustHave(t *testing.T, compared map[string]bool, names ...string) {
	t.Helper()
	for _, name := range names {
		if !compared[name] {
			t.Errorf("the DWARF has no %s", name)
		}
	}
}

// fieldToolchains are releases whose layouts are compared: the last release in
// which a field is elsewhere, too.
func fieldToolchains() []string {
	if testing.Short() {
		return []string{""}
	}
	return append(toolchains(), "go1.26.11")
}

// releaseName names a subtest: the empty toolchain is the one that runs it.
func releaseName(toolchain string) string {
	if toolchain == "" {
		return runtime.Version()
	}
	return toolchain
}

// fieldVariants returns the ways to build with a toolchain. Layouts do not
// depend on them, so the oldest and the newest stand for all.
func fieldVariants(toolchain string) []variant {
	list := []variant{{name: "static"}}
	if toolchain == "" || toolchain == toolchains()[0] {
		list = append(list, variant{name: "PIE", flags: []string{"-buildmode=pie"}},
			variant{name: "cgo", flags: []string{"-tags=withc"}, cgo: true})
	}
	return list
}

func (v variant) buildFields(t *testing.T, toolchain string, flags []string, env ...string) string {
	t.Helper()
	if v.cgo {
		testutil.RequireTool(t, "gcc", "gcc")
		env = append(env, "CGO_ENABLED=1")
	}
	return testutil.BuildGo(t, testutil.Dir("testdata/fields"),
		testutil.BuildOptions{Toolchain: toolchain, Flags: append(flags, v.flags...), Env: env})
}

func TestBinary_Field_tableSaysWhatTheCompilerDid(t *testing.T) {
	for _, toolchain := range fieldToolchains() {
		for _, v := range fieldVariants(toolchain) {
			t.Run(releaseName(toolchain)+" "+v.name, func(t *testing.T) {
				plain := v.buildFields(t, toolchain, nil)
				stripped := v.buildFields(t, toolchain, []string{"-ldflags=-s -w"})
				for _, path := range []string{plain, stripped} {
					compared := checkFields(t, path, plain, symbol.FromTable)
					mustHave(t, compared, "runtime.g", "runtime.m", "net/http.Request", "net/http.Response", "net/http.response",
						"net/http.conn", "net/http.http2responseWriter", "net/http.http2responseWriterState", "net/url.URL")
					if !compared["runtime.hmap"] {
						mustHave(t, compared, "internal/runtime/maps.Map", "internal/runtime/maps.table",
							"internal/runtime/maps.groupsReference", "net/http.pattern")
					}
				}
			})
		}
	}
}

func TestBinary_Field_ofAnotherArchitecture(t *testing.T) {
	for _, toolchain := range slices.Compact([]string{toolchains()[0], ""}) {
		t.Run(releaseName(toolchain), func(t *testing.T) {
			path := variant{}.buildFields(t, toolchain, nil, "GOARCH=arm64")
			mustHave(t, checkFields(t, path, path, symbol.FromTable), "runtime.g", "runtime.m", "net/http.response")
		})
	}
}

func TestBinary_Field_ofMapsWithoutSwissTables(t *testing.T) {
	path := variant{}.buildFields(t, "go1.24.13", nil, "GOEXPERIMENT=noswissmap")
	mustHave(t, checkFields(t, path, path, symbol.FromTable), "runtime.hmap", "runtime.g")
}

// renamed copies a program and writes another version of Go into it.
func renamed(t *testing.T, path, version string) string {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	section := f.Section(".go.buildinfo")
	data, err := section.Data()
	if err != nil {
		t.Fatal(err)
	}
	at := 33 + int(section.Offset)
	old := data[33 : 33+int(data[32])]
	if len(version) > len(old) {
		t.Fatalf("%q does not fit over %q", version, old)
	}
	path = copyOf(t, path)
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(program[at:], version+strings.Repeat(" ", len(old)-len(version)))
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBinary_Field_ofAReleaseNewerThanTheTable(t *testing.T) {
	const toolchain = "go1.26.11" // as long as the names of others
	plain := variant{}.buildFields(t, toolchain, nil)
	stripped := variant{}.buildFields(t, toolchain, []string{"-ldflags=-s -w"})
	for _, version := range []string{"go1.99.1", "go1.26.99", "go1.26rc2", "go1.99", "gotip"} {
		t.Run(version, func(t *testing.T) {
			mustHave(t, checkFields(t, renamed(t, plain, version), plain, symbol.FromDWARF), "runtime.g", "net/http.response")
			b, err := symbol.Open(renamed(t, stripped, version))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			for name, fields := range asked(t) {
				for _, field := range fields {
					f, err := b.Field(name, field)
					if err == nil && f.Source != symbol.Assumed {
						t.Errorf("Field(%s, %s) = %v", name, field, f)
					}
				}
			}
			if f, err := b.Field("runtime.g", "stack.lo"); err != nil || f != (symbol.Field{Source: symbol.Assumed}) {
				t.Errorf("Field(runtime.g, stack.lo) = %v, %v", f, err)
			}
		})
	}
}

func TestBinary_Field_ofARealReleaseThatIsNotInTheTable(t *testing.T) {
	const toolchain = "go1.27.4"
	plain := variant{}.buildFields(t, toolchain, nil)
	mustHave(t, checkFields(t, plain, plain, symbol.FromDWARF), "runtime.g", "net/http.Request")
}

func TestBinary_Field_ofModules(t *testing.T) {
	for _, versions := range []string{"old", "new"} {
		t.Run(versions, func(t *testing.T) {
			dir := filepath.Join("testdata", "routers", versions)
			testutil.RequireModules(t, dir)
			plain := testutil.BuildGo(t, testutil.Dir(dir), testutil.BuildOptions{})
			stripped := testutil.BuildGo(t, testutil.Dir(dir), testutil.BuildOptions{Flags: []string{"-ldflags=-s -w", "-trimpath"}})
			for _, path := range []string{plain, stripped} {
				compared := checkFields(t, path, plain, symbol.FromTable)
				mustHave(t, compared, "github.com/go-chi/chi/v5.Context", "github.com/gin-gonic/gin.Context",
					"github.com/labstack/echo/v4.context", "github.com/gorilla/mux.routeRegexp", "github.com/gorilla/mux.routeRegexpGroup",
					"go.opentelemetry.io/otel/sdk/trace.recordingSpan", "go.opentelemetry.io/otel/trace.SpanContext",
					"golang.org/x/net/http2.responseWriter", "golang.org/x/net/http2.responseWriterState")
				if versions == "new" {
					mustHave(t, compared, "github.com/labstack/echo/v5.Context")
				}
			}
			b, err := symbol.Open(stripped)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			want := map[string]string{"old": "v5.0.0", "new": "v5.5.0"}[versions]
			if v, ok := b.ModuleVersion("github.com/go-chi/chi/v5"); v != want || !ok {
				t.Errorf("ModuleVersion(chi) = %q, %v; want %q", v, ok, want)
			}
			if v, ok := b.ModuleVersion("github.com/go-chi/chi"); ok {
				t.Errorf("ModuleVersion of a module that is not there = %q", v)
			}
		})
	}
}

func TestBinary_Field_thatIsNotInTheTable(t *testing.T) {
	plain := variant{}.buildFields(t, "", nil)
	b, err := symbol.Open(plain)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	wanted := map[string][]string{"net/http.Server": {"Addr", "Handler", "IdleTimeout", "mu.mu.state", "nothing", "Addr.x"}}
	s := described(t, plain, wanted)["net/http.Server"]
	if s == nil {
		t.Fatal("the DWARF has no net/http.Server")
	}
	for _, field := range wanted["net/http.Server"] {
		want, exists := place(s, field)
		got, err := b.Field("net/http.Server", field)
		if exists && (err != nil || got != symbol.Field{Offset: want, Source: symbol.FromDWARF}) || !exists && !errors.Is(err, symbol.ErrNoField) {
			t.Errorf("Field(net/http.Server, %s) = %v, %v; want %d, %v", field, got, err, want, exists)
		}
	}
	for _, name := range []string{"net/http.Nothing", "", ".", "net/http.Request\x00", "\x00"} {
		if got, err := b.Field(name, "Method"); !errors.Is(err, symbol.ErrUnknownStruct) {
			t.Errorf("Field(%q, Method) = %v, %v", name, got, err)
		}
	}
	if got, err := b.Field("github.com/gin-gonic/gin.Context", "fullPath"); !errors.Is(err, symbol.ErrUnknownModule) {
		t.Errorf("Field of a module that is not in the program = %v, %v", got, err)
	}
}

func TestBinary_Field_ofDamagedDWARF(t *testing.T) {
	path := renamed(t, variant{}.buildFields(t, "", []string{"-ldflags=-compressdwarf=false"}), "go1.99.1")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	info, abbrev := f.Section(".debug_info"), f.Section(".debug_abbrev")
	name := bytes.Index(whole[info.Offset:], []byte("runtime.g\x00")) + int(info.Offset)
	for _, test := range []struct {
		name   string
		damage func(program []byte) []byte
		source symbol.FieldSource
	}{
		{"none", func(p []byte) []byte { return p }, symbol.FromDWARF},
		{"file truncated", func(p []byte) []byte { return p[:info.Offset+info.Size/2] }, 0},
		{"no abbreviations", func(p []byte) []byte { clear(p[abbrev.Offset : abbrev.Offset+abbrev.Size]); return p }, symbol.Assumed},
		{"abbreviations of ones", func(p []byte) []byte { fill(p[abbrev.Offset : abbrev.Offset+abbrev.Size]); return p }, symbol.Assumed},
		{"first unit endless", func(p []byte) []byte { fill(p[info.Offset : info.Offset+4]); return p }, symbol.Assumed},
		{"fields of ones", func(p []byte) []byte { fill(p[name+10 : name+200]); return p }, symbol.Assumed},
		{"zeros from the struct on", func(p []byte) []byte { clear(p[name-1 : info.Offset+info.Size]); return p }, symbol.Assumed},
		{"only an entry without fields", func(p []byte) []byte { clear(p[name+12 : info.Offset+info.Size]); return p }, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "program")
			if err := os.WriteFile(path, test.damage(bytes.Clone(whole)), 0o755); err != nil {
				t.Fatal(err)
			}
			b, err := symbol.Open(path)
			if err != nil {
				if test.source != 0 {
					t.Fatal(err)
				}
				return
			}
			defer b.Close()
			got, err := b.Field("runtime.g", "goid")
			if test.source == 0 && err == nil && got.Source == symbol.FromDWARF || test.source != 0 && (err != nil || got.Source != test.source) {
				t.Errorf("Field(runtime.g, goid) = %v, %v; want it %v", got, err, test.source)
			}
		})
	}
}

func fill(b []byte) {
	for i := range b {
		b[i] = 0xff
	}
}
