package symbol_test

import (
	"debug/dwarf"
	"debug/elf"
	"debug/gosym"
	"slices"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// arches are the builds whose symbol table says what is right; none is run.
func arches() []variant {
	return []variant{
		{name: "amd64", flags: []string{"-buildmode=exe"}},
		{name: "arm64", flags: []string{"-buildmode=exe"}},
		{name: "arm64 PIE", flags: []string{"-buildmode=pie"}},
	}
}

func TestBinary_agreesWithTheSymbolTable(t *testing.T) {
	for _, toolchain := range toolchains() {
		for _, v := range arches() {
			t.Run(toolchain+" "+v.name, func(t *testing.T) {
				arch, _, _ := strings.Cut(v.name, " ")
				path := v.build(t, toolchain, "GOARCH="+arch)
				f, err := elf.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				b, err := symbol.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				defer b.Close()
				checkNames(t, b, f)
				checkFunc(t, b, f)
				checkLines(t, b, f)
				checkGoid(t, b, f)
			})
		}
	}
}

// code returns the program's functions by address.
func code(t *testing.T, f *elf.File) []elf.Symbol {
	t.Helper()
	all, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	text := f.Section(".text")
	all = slices.DeleteFunc(all, func(s elf.Symbol) bool {
		return elf.ST_TYPE(s.Info) != elf.STT_FUNC || s.Value < text.Addr || s.Value >= text.Addr+text.Size ||
			s.Name == "runtime.text" || s.Name == "runtime.etext"
	})
	if len(all) < 1000 {
		t.Fatalf("%d functions in the symbol table", len(all))
	}
	return all
}

// checkNames looks every function up by its first and last address.
func checkNames(t *testing.T, b *symbol.Binary, f *elf.File) {
	t.Helper()
	shown, symbols := 0, code(t, f)
	for _, s := range symbols {
		want := printed(s.Name)
		for _, pc := range []uint64{s.Value, s.Value + max(s.Size, 1) - 1} {
			frames := b.AppendFrames(nil, pc, false)
			if len(frames) == 0 {
				continue // a wrapper
			}
			shown++
			// The symbol table spells the middle dot of generated names as a dot.
			got := strings.ReplaceAll(frames[len(frames)-1].Func, "·", ".")
			if got != want && got != "" {
				t.Errorf("the code at %#x belongs to %q, want %q", pc, got, want)
			}
		}
	}
	if shown < 2*len(symbols)*3/4 {
		t.Errorf("only %d addresses of %d functions have frames", shown, len(symbols))
	}
}

// checkFunc looks functions up by name.
func checkFunc(t *testing.T, b *symbol.Binary, f *elf.File) {
	t.Helper()
	symbols := code(t, f)
	count := map[string]int{}
	for _, s := range symbols {
		count[s.Name]++
	}
	for i, s := range symbols {
		// Others are spelt differently in the table of functions.
		if i%37 != 0 || count[s.Name] > 1 || strings.ContainsAny(s.Name, "[") || strings.Contains(s.Name, ".abi") || !strings.Contains(s.Name, ".") ||
			strings.HasPrefix(s.Name, "type:") {
			continue
		}
		entry, end, ok := b.Func(s.Name)
		if !ok || entry != s.Value || end < s.Value+s.Size {
			t.Errorf("Func(%s) = %#x, %#x, %v; the symbol is at %#x, %#x", s.Name, entry, end, ok, s.Value, s.Value+s.Size)
		}
	}
	if _, _, ok := b.Func("main.nowhere"); ok {
		t.Error("Func(main.nowhere) found something")
	}
}

// checkLines compares with debug/gosym, which is told where the text starts.
func checkLines(t *testing.T, b *symbol.Binary, f *elf.File) {
	t.Helper()
	var text uint64
	symbols, _ := f.Symbols()
	for _, s := range symbols {
		if s.Name == "runtime.text" {
			text = s.Value
		}
	}
	section := f.Section(".gopclntab")
	if section == nil {
		section = f.Section(".data.rel.ro.gopclntab")
	}
	data, err := section.Data()
	if err != nil {
		t.Fatal(err)
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(data, text))
	if err != nil {
		t.Fatal(err)
	}
	if len(table.Funcs) < 1000 {
		t.Fatalf("debug/gosym knows %d functions", len(table.Funcs))
	}
	for i, fn := range table.Funcs {
		if i%11 != 0 {
			continue
		}
		for pc := fn.Entry; pc < fn.End; pc += max(4, (fn.End-fn.Entry)/7&^3) {
			frames := b.AppendFrames(nil, pc, false)
			if len(frames) == 0 {
				continue
			}
			file, line, _ := table.PCToLine(pc)
			if got := frames[0]; (got.File != file || got.Line != line) && got.File != "?" {
				t.Errorf("%#x in %s is at %s:%d, want %s:%d", pc, fn.Name, got.File, got.Line, file, line)
			}
		}
	}
}

// checkGoid compares with the type of g in the DWARF.
func checkGoid(t *testing.T, b *symbol.Binary, f *elf.File) {
	t.Helper()
	data, err := f.DWARF()
	if err != nil {
		t.Fatal(err)
	}
	got, ok := b.GoidOffset()
	for r := data.Reader(); ; {
		e, err := r.Next()
		if err != nil || e == nil {
			t.Fatalf("no runtime.g in the DWARF: %v", err)
		}
		if name, _ := e.Val(dwarf.AttrName).(string); e.Tag != dwarf.TagStructType || name != "runtime.g" {
			continue
		}
		typ, err := data.Type(e.Offset)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range typ.(*dwarf.StructType).Field {
			if field.Name == "goid" && (uint64(field.ByteOffset) != got || !ok) {
				t.Errorf("GoidOffset() = %d, %v; it is at %d", got, ok, field.ByteOffset)
			}
		}
		return
	}
}

// printed spells a symbol as stacks do.
func printed(name string) string {
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".abi0"), ".abiinternal")
	if i, j := strings.IndexByte(name, '['), strings.LastIndexByte(name, ']'); i >= 0 && j > i {
		name = name[:i] + "[...]" + name[j+1:]
	}
	return name
}

func TestBinary_Text_isTheCodeOfTheFile(t *testing.T) {
	path := testutil.BuildGo(t, testutil.Dir("testdata/stacks"), testutil.BuildOptions{})
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := symbol.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	text := f.Section(".text")
	want, err := text.Data()
	if err != nil {
		t.Fatal(err)
	}
	lo, hi := text.Addr, text.Addr+text.Size
	if got := b.Text(lo, hi); !slices.Equal(got, want) {
		t.Errorf("Text(%#x, %#x) differs from the section", lo, hi)
	}
	for _, r := range [][2]uint64{{hi, lo}, {lo, lo}, {0, 16}, {lo, 1 << 62}, {hi + 1<<30, hi + 1<<30 + 8}, {^uint64(0) - 4, ^uint64(0)}} {
		if got := b.Text(r[0], r[1]); got != nil {
			t.Errorf("Text(%#x, %#x) has %d bytes", r[0], r[1], len(got))
		}
	}
	for _, pc := range []uint64{0, 1, lo - 1, hi + 1<<30, ^uint64(0)} {
		if got := b.AppendFrames(nil, pc, true); got != nil {
			t.Errorf("AppendFrames(%#x) = %v", pc, got)
		}
	}
}
