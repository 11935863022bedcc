package symbol_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// openSignatures opens the program of testdata/signatures, which has DWARF.
func openSignatures(t testing.TB, flags ...string) *symbol.Binary {
	t.Helper()
	path := testutil.BuildGo(t, testutil.Dir("testdata/signatures"), testutil.BuildOptions{Flags: flags})
	b, err := symbol.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// signatureProgram returns the program to measure with.
func signatureProgram(b *testing.B) string {
	b.Helper()
	if path := os.Getenv("GOSHAWK_BENCH_BINARY"); path != "" {
		return path
	}
	return testutil.BuildGo(b, testutil.Dir("testdata/signatures"), testutil.BuildOptions{})
}

// text writes a parameter as "name type kind place".
func text(p *symbol.Param) string {
	where := fmt.Sprintf("stack%+d", p.Stack)
	if p.Registers != nil {
		where = ""
		for _, r := range p.Registers {
			file := "r"
			if r.Float {
				file = "x"
			}
			where += fmt.Sprintf("%s%d[%d:%d]", file, r.Index, r.Offset, r.Offset+r.Size)
		}
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s %s", p.Name, p.Type, p.Kind, where))
}

func TestBinary_Signature(t *testing.T) {
	b := openSignatures(t)
	for _, tt := range []struct {
		function        string
		params, results []string
	}{
		{"main.words", []string{"a int8 int8 r0[0:1]", "b uint16 uint16 r1[0:2]", "c int32 int32 r2[0:4]", "d uint64 uint64 r3[0:8]", "e bool bool r4[0:1]", "f uintptr uintptr r5[0:8]"},
			[]string{"int32 int32 r0[0:4]", "uint8 uint8 r1[0:1]"}},
		{"main.unnamed", []string{"int int r0[0:8]", "b string string r1[0:8]r2[8:16]", "error interface r3[0:8]r4[8:16]", "d int int r5[0:8]"},
			[]string{"int int r0[0:8]", "error interface r1[0:8]r2[8:16]"}},
		{"main.kinds", []string{"m map[string]int map r0[0:8]", "c chan int chan r1[0:8]", "f func() func r2[0:8]", "p unsafe.Pointer unsafe.Pointer r3[0:8]", "i interface {} interface r4[0:8]r5[8:16]", "e error interface r6[0:8]r7[8:16]"},
			[]string{"interface {} interface r0[0:8]r1[8:16]", "error interface r2[0:8]r3[8:16]"}},
		{"main.floats", []string{"a float32 float32 x0[0:4]", "b int int r0[0:8]", "c float64 float64 x1[0:8]", "d complex128 complex128 x2[0:8]x3[8:16]", "e complex64 complex64 x4[0:4]x5[4:8]", "f int int r1[0:8]"},
			[]string{"float64 float64 x0[0:8]", "int int r0[0:8]"}},
		{"main.structs", []string{"p main.pair struct r0[0:8]r1[8:16]", "m main.mixed struct r2[0:1]x0[8:16]r3[16:24]r4[24:32]r5[32:40]", "n main.nested struct stack+8"},
			[]string{"main.blanks struct r0[0:2]r1[4:8]r2[8:16]r3[16:24]", "main.pair struct r4[0:8]r5[8:16]"}},
		{"main.empties", []string{"a struct {} struct stack+8", "b [0]int array stack+8", "c int int r0[0:8]", "d struct {} struct stack+8"},
			[]string{"struct {} struct stack+8", "int int r0[0:8]", "error interface r1[0:8]r2[8:16]"}},
		{"main.(*pair).pointer", []string{"p *main.pair ptr r0[0:8]", "m main.mixed struct r1[0:1]x0[8:16]r2[16:24]r3[24:32]r4[32:40]", "k int int r5[0:8]"},
			[]string{"*main.pair ptr r0[0:8]", "error interface r1[0:8]r2[8:16]"}},
		{"main.generic[go.shape.int,go.shape.string]", []string{"in []go.shape.int slice r1[0:8]r2[8:16]r3[16:24]", "f func(go.shape.int) go.shape.string func r4[0:8]", "last go.shape.int int r5[0:8]"},
			[]string{"out []go.shape.string slice r0[0:8]r1[8:16]r2[16:24]", "err error interface r3[0:8]r4[8:16]"}},
		{"main.(*list[go.shape.string]).push", []string{"l *main.list[go.shape.string] ptr r0[0:8]", "v go.shape.string string r2[0:8]r3[8:16]", "n int int r4[0:8]"},
			[]string{"int int r0[0:8]", "error interface r1[0:8]r2[8:16]"}},
		{"main.calls.func4", []string{"a string string r0[0:8]r1[8:16]", "b *main.pair ptr r2[0:8]"},
			[]string{"int int r0[0:8]", "error interface r1[0:8]r2[8:16]"}},
		{"main.inlinable", []string{"a int int r0[0:8]", "b string string r1[0:8]r2[8:16]", "bool bool r3[0:1]"},
			[]string{"int int r0[0:8]", "error interface r1[0:8]r2[8:16]"}},
		{"main.defers", []string{"n int int r0[0:8]"}, []string{"int int r0[0:8]", "error interface r1[0:8]r2[8:16]"}},
		{"main.defersNamed", []string{"n int int r0[0:8]"}, []string{"string string r0[0:8]r1[8:16]", "total int int r2[0:8]", "err error interface r3[0:8]r4[8:16]"}},
		{"main.main", nil, nil},
	} {
		t.Run(tt.function, func(t *testing.T) {
			s, err := b.Signature(tt.function)
			if err != nil {
				t.Fatal(err)
			}
			var params, results []string
			for i := range s.Params {
				params = append(params, text(&s.Params[i]))
			}
			for i := range s.Results {
				results = append(results, text(&s.Results[i]))
			}
			if !slices.Equal(params, tt.params) || !slices.Equal(results, tt.results) {
				t.Errorf("got %q and %q\nwant %q and %q", params, results, tt.params, tt.results)
			}
		})
	}
}

func TestParam_IsError(t *testing.T) {
	b := openSignatures(t)
	for name, want := range map[string]bool{
		"main.unnamed": true, "main.kinds": true, "main.blankFields": true, "main.words": false, "main.escapes": false,
		"main.generic[go.shape.int,go.shape.string]": true,
	} {
		s, err := b.Signature(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Results[len(s.Results)-1].IsError(); got != want {
			t.Errorf("the last result of %s is an error: %v, want %v", name, got, want)
		}
	}
}

func TestBinary_Signature_refuses(t *testing.T) {
	plain := openSignatures(t)
	stripped := openSignatures(t, "-ldflags=-s -w")
	withoutDWARF := openSignatures(t, "-ldflags=-w")
	broken := damaged(t, uncompressed(t), ".debug_info", func(data []byte) { fill(data[:len(data)/2]) })
	for _, tt := range []struct {
		name, function string
		binary         *symbol.Binary
		want           error
	}{
		{"a function that is not there", "main.nothing", plain, symbol.ErrNoSignature},
		{"assembly", "runtime.memmove", plain, symbol.ErrNoSignature},
		{"a stripped program", "main.words", stripped, symbol.ErrNoDWARF},
		{"a program without DWARF", "main.words", withoutDWARF, symbol.ErrNoDWARF},
		{"a program with damaged DWARF", "main.words", broken, symbol.ErrNoDWARF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if s, err := tt.binary.Signature(tt.function); !errors.Is(err, tt.want) {
				t.Errorf("%+v, %v; want %v", s, err, tt.want)
			}
		})
	}
}

func TestSignatures_Of_wrapper(t *testing.T) {
	b := openSignatures(t)
	s, err := b.Signatures()
	if err != nil {
		t.Fatal(err)
	}
	refused, told := 0, 0
	for f := range b.Functions() {
		if !f.Wrapper || f.Assembly {
			continue
		}
		switch _, err := s.Of(f); {
		case err == nil:
			told++
		case b.Lookup(f.Name)[f.Name].Wrapper:
			t.Errorf("%s, which is no other function's: %v", f.Name, err)
		default:
			refused++
		}
	}
	if refused == 0 || told == 0 {
		t.Errorf("%d wrappers were refused, %d were not", refused, told)
	}
}

func TestSignatures_Reach(t *testing.T) {
	b := openSignatures(t)
	s, err := b.Signatures()
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Of(b.Lookup("main.(*pair).pointer")["main.(*pair).pointer"])
	if err != nil {
		t.Fatal(err)
	}
	p, m, k := &sig.Params[0], &sig.Params[1], &sig.Params[2]
	for _, tt := range []struct {
		param *symbol.Param
		path  string
		want  symbol.Access
	}{
		{k, "", symbol.Access{Type: "int", Kind: reflect.Int, Size: 8}},
		{p, "", symbol.Access{Type: "*main.pair", Kind: reflect.Pointer, Size: 8}},
		{p, "y", symbol.Access{Type: "int", Kind: reflect.Int, Size: 8, Hops: []uint64{0}, Offset: 8}},
		{m, "c", symbol.Access{Type: "string", Kind: reflect.String, Size: 16, Offset: 16}},
		{m, "d.y", symbol.Access{Type: "int", Kind: reflect.Int, Size: 8, Hops: []uint64{32}, Offset: 8}},
	} {
		if got, err := s.Reach(tt.param, tt.path); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Reach(%s, %q) = %+v, %v; want %+v", tt.param.Name, tt.path, got, err, tt.want)
		}
	}
	for _, path := range []string{"z", "x.y", ".", "c.str", strings.Repeat("d.", 100)} {
		if got, err := s.Reach(m, path); !errors.Is(err, symbol.ErrNoField) {
			t.Errorf("Reach(m, %.20q) = %+v, %v", path, got, err)
		}
	}
	if _, err := s.Reach(&symbol.Param{Name: "own"}, "x"); !errors.Is(err, symbol.ErrNoSignature) {
		t.Errorf("Reach of a parameter of another making: %v", err)
	}
	want := []symbol.Member{{"x", "int", reflect.Int, 0, 8}, {"y", "int", reflect.Int, 8, 8}}
	if got, err := s.Members(p); err != nil || !slices.Equal(got, want) {
		t.Errorf("Members(p) = %v, %v; want %v", got, err, want)
	}
	if got, err := s.Members(k); err != nil || len(got) != 0 {
		t.Errorf("Members(k) = %v, %v", got, err)
	}
}

func TestSignatures_Reach_interfaces(t *testing.T) {
	b := openSignatures(t)
	s, err := b.Signatures()
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Of(b.Lookup("main.interfaces")["main.interfaces"])
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		path  string
		empty bool
	}{{"", true}, {"", true}, {"", true}, {"p", true}, {"", false}, {"", false}} {
		got, err := s.Reach(&sig.Params[i], want.path)
		if err != nil || got.Kind != reflect.Interface || got.Empty != want.empty {
			t.Errorf("Reach(%s, %q) = %+v, %v; want empty %v", sig.Params[i].Name, want.path, got, err, want.empty)
		}
	}
	for path, param := range map[string]int{"": 3, "e": 3} {
		if got, err := s.Reach(&sig.Params[param], path); err != nil || got.Empty {
			t.Errorf("Reach(h, %q) = %+v, %v", path, got, err)
		}
	}
}

// uncompressed returns the program of testdata/signatures with DWARF that is not
// compressed.
func uncompressed(t testing.TB) []byte {
	t.Helper()
	program, err := os.ReadFile(testutil.BuildGo(t, testutil.Dir("testdata/signatures"),
		testutil.BuildOptions{Flags: []string{"-ldflags=-compressdwarf=false"}}))
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// damaged opens a copy of a program with a section changed.
func damaged(t testing.TB, program []byte, section string, damage func([]byte)) *symbol.Binary {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	s := f.Section(section)
	if s == nil {
		t.Fatalf("no section %s", section)
	}
	program = bytes.Clone(program)
	damage(program[s.Offset:][:s.Size])
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := symbol.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// FuzzSignatures damages the DWARF of a program: there are answers or errors.
func FuzzSignatures(f *testing.F) {
	f.Add(".debug_info", uint32(0), []byte{})
	f.Add(".debug_info", uint32(0), []byte{0xff, 0xff, 0xff, 0xff})
	f.Add(".debug_info", uint32(60), []byte{1, 2, 3})
	f.Add(".debug_abbrev", uint32(3), bytes.Repeat([]byte{0xff}, 100))
	f.Add(".debug_addr", uint32(0), bytes.Repeat([]byte{0x80}, 100))
	f.Add(".debug_rnglists", uint32(0), bytes.Repeat([]byte{0x80}, 100))
	program := uncompressed(f)
	f.Fuzz(func(t *testing.T, section string, at uint32, with []byte) {
		if !slices.Contains([]string{".debug_info", ".debug_abbrev", ".debug_addr", ".debug_rnglists"}, section) {
			return
		}
		b := damaged(t, program, section, func(data []byte) {
			if int(at) < len(data) {
				copy(data[at:], with)
			}
		})
		s, err := b.Signatures()
		if err != nil {
			return
		}
		functions, err := b.Match("main.*")
		if err != nil {
			t.Fatal(err)
		}
		for _, fn := range functions {
			sig, err := s.Of(fn)
			if err != nil {
				continue
			}
			for i := range sig.Params {
				for _, r := range sig.Params[i].Registers {
					if r.Index < 0 || r.Index > 15 {
						t.Fatalf("%s: register %d", fn.Name, r.Index)
					}
				}
				if _, err := s.Members(&sig.Params[i]); err == nil {
					s.Reach(&sig.Params[i], "x.y")
				}
			}
		}
	})
}
