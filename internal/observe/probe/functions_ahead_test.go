package probe

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestFunctionsThatAreReadAhead(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program"), 0o644); err != nil {
		t.Fatal(err)
	}
	const known = "known by whoever has read ahead"
	for _, test := range []struct {
		name, path string
		reused     bool
	}{
		{"of the program that is attached to", self, true},
		{"of another program", testutil.BuildGo(t, testutil.Files{"main.go": "package main\n\nfunc main() {}\n"}, testutil.BuildOptions{}), false},
		{"of what is no Go program", text, false},
		{"of a file that is not there", text + "s", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newTestFunctions(FunctionPoint{Program: "p", Function: "main.main"})
			f.host.Symbols = symbol.NewCache(symbol.Options{})
			f.ahead = readAhead(f.host.Symbols, test.path, f.spec.Functions.names())
			f.ahead.wait()
			if test.reused {
				f.ahead.found[known] = symbol.Function{}
			}
			program, err := f.host.Symbols.Lookup(self)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range []bool{test.reused, false} {
				found := f.lookup(program)
				if _, ok := found["main.main"]; !ok {
					t.Errorf("look-up %d: main.main is not found", i)
				}
				if _, reused := found[known]; reused != want {
					t.Errorf("look-up %d: reused %t, want %t", i, reused, want)
				}
			}
		})
	}
}
