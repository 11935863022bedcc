package symbol_test

import (
	"debug/elf"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// openStacks opens the program of testdata/stacks in one of its variants.
func openStacks(t testing.TB, opts testutil.BuildOptions) (*symbol.Binary, string) {
	t.Helper()
	path := testutil.BuildGo(t, testutil.Dir("testdata/stacks"), opts)
	b, err := symbol.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b, path
}

func TestBinary_Lookup_findsWhatTheSymbolTableHas(t *testing.T) {
	for _, toolchain := range toolchains() {
		t.Run("toolchain "+toolchain, func(t *testing.T) {
			b, path := openStacks(t, testutil.BuildOptions{Toolchain: toolchain})
			f, err := elf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			want := map[string]elf.Symbol{}
			count := map[string]int{}
			for _, s := range code(t, f) {
				// What is there for two calling conventions has one name here.
				want[s.Name] = s
				count[strings.TrimSuffix(s.Name, ".abi0")]++
			}
			var names []string
			for name := range want {
				// Others are spelt differently in the table of functions.
				if count[name] == 1 && !strings.ContainsAny(name, "[ ") && !strings.Contains(name, ".abi") && !strings.HasPrefix(name, "type:") && strings.Contains(name, ".") {
					names = append(names, name)
				}
			}
			slices.Sort(names)
			absent := []string{"main.nowhere", "", "main", "main.mai", "ain.main", strings.Repeat("x", 1<<20)}
			found := b.Lookup(slices.Concat(names, absent, names[:10])...)
			if len(names) < 1000 {
				t.Fatalf("%d names", len(names))
			}
			for _, name := range names {
				s, got := want[name], found[name]
				if got.Entry != s.Value || got.End < s.Value+s.Size || got.Name != name {
					t.Errorf("%s = %+v; the symbol is at %#x, %d bytes", name, got, s.Value, s.Size)
				}
			}
			for _, name := range absent {
				if f, ok := found[name]; ok {
					t.Errorf("%.20q = %+v", name, f)
				}
			}
		})
	}
}

func TestBinary_Lookup_prefersTheFunctionToItsWrapper(t *testing.T) {
	b, _ := openStacks(t, testutil.BuildOptions{})
	shared := map[string][]symbol.Function{}
	for f := range b.Functions() {
		shared[f.Name] = append(shared[f.Name], f)
	}
	checked := 0
	for name, functions := range shared {
		wrappers := 0
		for _, f := range functions {
			if f.Wrapper {
				wrappers++
			}
		}
		if wrappers == 0 || wrappers == len(functions) {
			continue
		}
		checked++
		if f := b.Lookup(name)[name]; f.Wrapper || f.Entry == 0 {
			t.Errorf("%s = %+v of %+v", name, f, functions)
		}
	}
	if checked == 0 {
		t.Error("no function has a wrapper of the same name")
	}
}

func TestBinary_Functions_areInOrderAndComplete(t *testing.T) {
	b, path := openStacks(t, testutil.BuildOptions{})
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	entries := map[uint64]bool{}
	last := uint64(0)
	assembly := map[string]bool{}
	for f := range b.Functions() {
		if f.Entry < last || f.End <= f.Entry {
			t.Errorf("%+v after %#x", f, last)
		}
		last = f.End
		entries[f.Entry] = true
		assembly[f.Name] = f.Assembly
	}
	for _, s := range code(t, f) {
		if !entries[s.Value] && s.Size > 0 {
			t.Errorf("no function at %#x, %s", s.Value, s.Name)
		}
	}
	if !assembly["runtime.memmove"] || !assembly["runtime.gogo"] && !assembly["gogo"] || assembly["runtime.gopanic"] || assembly["main.main"] {
		t.Errorf("assembly: memmove %v, gopanic %v, main %v", assembly["runtime.memmove"], assembly["runtime.gopanic"], assembly["main.main"])
	}
	n := 0
	for range b.Functions() {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("a loop that is left after 3 functions saw %d", n)
	}
}

func TestBinary_functions_ofAFileThatShrinksEnd(t *testing.T) {
	_, path := openStacks(t, testutil.BuildOptions{})
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(copied, data, 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := symbol.Open(copied)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	main := b.Lookup("main.main")["main.main"]
	if err := os.Truncate(copied, 4096); err != nil {
		t.Fatal(err)
	}
	n := 0
	for range b.Functions() {
		n++
	}
	if found := b.Lookup("main.main"); n != 0 || len(found) != 0 {
		t.Errorf("%d functions, main.main: %v", n, found)
	}
	if p, err := b.EntryPoint(main); err == nil {
		t.Errorf("entry of main.main: %+v", p)
	}
	if found, err := b.Match("main.*"); len(found) != 0 || err != nil {
		t.Errorf("Match: %v, %v", found, err)
	}
	if names := b.Nearest("main.mian", 3); len(names) != 0 {
		t.Errorf("Nearest: %v", names)
	}
	if callers := b.InlinedInto("main.main"); len(callers) != 0 || len(b.Inlinings(3).Alone()) != 0 {
		t.Errorf("InlinedInto: %v", callers)
	}
	b.Linking()
}

func TestBinary_closed_answersNothing(t *testing.T) {
	b, _ := openStacks(t, testutil.BuildOptions{})
	main := b.Lookup("main.main")["main.main"]
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for f := range b.Functions() {
		t.Errorf("function %+v", f)
	}
	if _, err := b.EntryPoint(main); err == nil || len(b.Lookup("main.main")) != 0 {
		t.Errorf("error %v", err)
	}
}

func TestMatchName(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"main.main", "main.main", true},
		{"main.main", "main.mainly", false},
		{"main.*", "main.main", true},
		{"main.*", "main.", true},
		{"main.*", "maintenance.run", false},
		{"*", "anything/at.all", true},
		{"*.ServeHTTP", "net/http.serverHandler.ServeHTTP", true},
		{"*.ServeHTTP", "net/http.serverHandler.ServeHTTPS", false},
		{"net/http.(*conn).serve", "net/http.(*conn).serve", true},
		{"net/http.(*conn).serve", "net/http.(*xconn).serve", false},
		{"net/http.(*conn).*", "net/http.(*conn).close", true},
		{"sync.(*Mutex).Lock", "sync.(*RWMutex).Lock", false},
		{"sync.(**Mutex).Lock", "sync.(*RWMutex).Lock", true},
		{"sync.(*).Lock", "sync.(*Mutex).Lock", true},
		{"sync.(*).Lock", "sync.Mutex.Lock", false},
		{"*.(*T).*", "a/b.(*T).M", true},
		{"*.(*T).*", "a/b.(*TT).M", false},
		{"main.Map[...]", "main.Map[go.shape.int]", true},
		{"main.Map[...]", "main.Map[go.shape.[]uint8,main.T[int]]", true},
		{"main.Map[...].func1", "main.Map[go.shape.int].func1", true},
		{"main.Map[...]", "main.Map", false},
		{"main.?", "main.f", true},
		{"main.?", "main.", false},
		{"*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
		{"a**b", "ab", true},
		{"", "", true},
		{"", "x", false},
	} {
		if got := symbol.MatchName(tt.pattern, tt.name); got != tt.want {
			t.Errorf("MatchName(%q, %q) = %v", tt.pattern, tt.name, got)
		}
	}
}

func TestBinary_Match(t *testing.T) {
	b, _ := openStacks(t, testutil.BuildOptions{})
	all := slices.Collect(b.Functions())
	for _, pattern := range []string{"*", "main.*", "sync.(*Mutex).*", "os.*", "main.main", "nothing.*"} {
		var want []symbol.Function
		for _, f := range all {
			if symbol.MatchName(pattern, f.Name) {
				want = append(want, f)
			}
		}
		got, err := b.Match(pattern)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Match(%q) has %d functions, want %d (%v)", pattern, len(got), len(want), err)
		}
	}
	if n, _ := b.Match("main.*"); len(n) < 5 {
		t.Errorf("%d functions of main", len(n))
	}
	for _, pattern := range []string{"", strings.Repeat("*", 4<<10+1), strings.Repeat("x", 1<<20)} {
		if found, err := b.Match(pattern); err == nil {
			t.Errorf("a pattern of %d bytes has %d functions", len(pattern), len(found))
		}
	}
}

func TestBinary_Nearest(t *testing.T) {
	b, _ := openStacks(t, testutil.BuildOptions{})
	for _, tt := range []struct{ name, want string }{
		{"main.mian", "main.main"},
		{"Main.Main", "main.main"},
		{"os.File.Write", "os.(*File).Write"},
		{"os.(*file).write", "os.(*File).Write"},
		{"(*File).Write", "os.(*File).Write"},
		{"runtime.gopanik", "runtime.gopanic"},
		{"runtime.mallocgcc", "runtime.mallocgc"},
		{"example.com/x/runtime.gopanic", "runtime.gopanic"},
		{"newproc1", "runtime.newproc1"},
	} {
		got := b.Nearest(tt.name, 3)
		if len(got) == 0 || len(got) > 3 || !slices.Contains(got, tt.want) {
			t.Errorf("Nearest(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
	for _, name := range []string{"", "qwertyuiop.asdfghjkl", strings.Repeat("x", 1<<20)} {
		if got := b.Nearest(name, 3); len(got) != 0 {
			t.Errorf("Nearest(%.20q) = %q", name, got)
		}
	}
	if got := b.Nearest("main.main", 0); len(got) != 0 {
		t.Errorf("none asked for: %q", got)
	}
}
