package symbol_test

import (
	"debug/elf"
	"os/exec"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestBinary_Linking(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flags []string
		cgo   bool
		want  symbol.Linking
	}{
		{"static", []string{"-buildmode=exe"}, false,
			symbol.Linking{Static: true, Relro: symbol.RelroNone, SymbolTable: true, DWARF: true}},
		{"static stripped", []string{"-buildmode=exe", "-ldflags=-s -w"}, false,
			symbol.Linking{Static: true, Relro: symbol.RelroNone}},
		{"without DWARF", []string{"-buildmode=exe", "-ldflags=-w"}, false,
			symbol.Linking{Static: true, Relro: symbol.RelroNone, SymbolTable: true}},
		{"cgo without relro", []string{"-tags=withc", "-buildmode=exe", "-ldflags=-s -w -extldflags=-Wl,-z,norelro,-z,lazy"}, true,
			symbol.Linking{Relro: symbol.RelroNone, PLT: true, GOT: true, GOTWritable: true}},
		{"cgo bound on first use", []string{"-tags=withc", "-buildmode=exe", "-ldflags=-s -w -extldflags=-Wl,-z,relro,-z,lazy"}, true,
			symbol.Linking{Relro: symbol.RelroPartial, PLT: true, GOT: true, GOTWritable: true}},
		{"cgo bound at the start", []string{"-tags=withc", "-buildmode=exe", "-ldflags=-s -w -extldflags=-Wl,-z,relro,-z,now"}, true,
			symbol.Linking{Relro: symbol.RelroFull, PLT: true, GOT: true}},
		{"cgo PIE bound at the start", []string{"-tags=withc", "-buildmode=pie", "-ldflags=-s -w -extldflags=-Wl,-z,relro,-z,now"}, true,
			symbol.Linking{PIE: true, Relro: symbol.RelroFull, PLT: true, GOT: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testutil.RequireArch(t, "other linkers have other defaults", "amd64")
			path := variant{name: tt.name, flags: tt.flags, cgo: tt.cgo}.build(t, "")
			b, err := symbol.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			got := b.Linking()
			checkSections(t, got.Sections, path)
			got.Sections = nil
			tt.want.Arch = "amd64"
			if !sameLinking(got, tt.want) {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

func sameLinking(a, b symbol.Linking) bool {
	return a.Arch == b.Arch && a.Static == b.Static && a.PIE == b.PIE && a.Relro == b.Relro && a.PLT == b.PLT &&
		a.GOT == b.GOT && a.GOTWritable == b.GOTWritable && a.SymbolTable == b.SymbolTable && a.DWARF == b.DWARF
}

// checkSections compares with debug/elf.
func checkSections(t *testing.T, got []symbol.Section, path string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	i := 0
	for _, s := range f.Sections {
		if s.Name == "" || s.Type == elf.SHT_NOBITS {
			continue
		}
		if i >= len(got) || got[i].Name != s.Name || got[i].Addr != s.Addr || got[i].Size != s.FileSize {
			t.Errorf("section %d is not %s of %d bytes at %#x: %+v", i, s.Name, s.FileSize, s.Addr, got[min(i, len(got)-1)])
		}
		i++
	}
	if i < 10 || i != len(got) {
		t.Errorf("%d sections, want %d", len(got), i)
	}
}

func TestBinary_BuildInfo_saysWhatTheGoCommandSays(t *testing.T) {
	b, path := openStacks(t, testutil.BuildOptions{Flags: []string{"-trimpath"}})
	out, err := exec.Command("go", "version", "-m", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	info := b.BuildInfo()
	if info == nil || info.GoVersion != b.GoVersion() || info.Main.Path != "stacks" {
		t.Fatalf("BuildInfo() = %v", info)
	}
	for _, s := range info.Settings {
		if !strings.Contains(string(out), "\t"+s.Key+"="+s.Value) && !strings.Contains(string(out), s.Key+`="`) {
			t.Errorf("setting %s=%s is not in %s", s.Key, s.Value, out)
		}
	}
	if len(info.Settings) < 5 {
		t.Errorf("settings %v", info.Settings)
	}
}
