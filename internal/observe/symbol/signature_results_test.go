package symbol

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// loopResults are the types of the results of functions that have loops over
// functions; "?" stands for results that are not known.
func loopResults() map[string]string {
	return map[string]string{
		"main.loopReturns":               "?",
		"main.loopReturnsNamed":          "?",
		"main.loopInlined":               "?",
		"main.loopNothing":               "?",
		"main.numbers.loop":              "?",
		"main.loopGeneric[go.shape.int]": "?",
		"main.loopClosure.func1":         "?",
		"main.loopReturns-range1":        "?",
		"main.loopEnds":                  "[int error]",
		"main.loopDefers":                "[int error]",
		"main.loopClosure":               "[func(int) (int, error)]",
		"main.loopWithin":                "[func(int) (int, error) error]",
		"main.defers":                    "[int error]",
		"main.defersNamed":               "[string int error]",
	}
}

func TestSignatures_ofFunctionsWithLoopsOverFunctions(t *testing.T) {
	for _, build := range []struct {
		name string
		opts testutil.BuildOptions
	}{
		{"this release", testutil.BuildOptions{}},
		{"without optimisation", testutil.BuildOptions{Flags: []string{"-gcflags=-N -l"}}},
		{"go1.23", testutil.BuildOptions{Toolchain: "go1.23.12"}},
		{"go1.24", testutil.BuildOptions{Toolchain: "go1.24.13"}},
		{"a release to come", testutil.BuildOptions{Toolchain: "go1.27.4"}},
	} {
		t.Run(build.name, func(t *testing.T) {
			b, err := Open(testutil.BuildGo(t, testutil.Dir("testdata/signatures"), build.opts))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			s, err := b.Signatures()
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range loopResults() {
				f, ok := b.Lookup(name)[name]
				if !ok {
					t.Errorf("no function %s", name)
					continue
				}
				sig, err := s.Of(f)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				got := []string{}
				for _, r := range sig.Results {
					got = append(got, r.Type)
				}
				text := fmt.Sprint(got)
				if sig.ResultsUnknown {
					text = "?"
				}
				if text != want || sig.ResultsUnknown && len(sig.Results) > 0 {
					t.Errorf("%s returns %s, want %s", name, text, want)
				}
			}
		})
	}
}

// TestSignatures_agreeWithTheSource compares the results of the functions of a
// large program with its source.
func TestSignatures_agreeWithTheSource(t *testing.T) {
	for _, build := range []struct {
		name string
		opts testutil.BuildOptions
	}{
		{"this release", testutil.BuildOptions{}},
		{"without optimisation", testutil.BuildOptions{Flags: []string{"-gcflags=all=-N -l"}}},
		{"go1.20", testutil.BuildOptions{Toolchain: "go1.20.14"}},
		{"go1.21", testutil.BuildOptions{Toolchain: "go1.21.13"}},
		{"go1.22", testutil.BuildOptions{Toolchain: "go1.22.12"}},
		{"go1.24", testutil.BuildOptions{Toolchain: "go1.24.13"}},
		{"a release to come", testutil.BuildOptions{Toolchain: "go1.27.4"}},
	} {
		t.Run(build.name, func(t *testing.T) {
			b, err := Open(testutil.BuildGo(t, testutil.Dir("testdata/fields"), build.opts))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			s, err := b.Signatures()
			if err != nil {
				t.Fatal(err)
			}
			source := sourceOf(t, "testdata/fields", build.opts.Toolchain)
			compared, unknown := 0, 0
			for f := range b.Functions() {
				want, ok := source[f.Name]
				if !ok || f.Wrapper || f.Assembly {
					continue
				}
				sig, err := s.Of(f)
				if err != nil {
					t.Errorf("%s: %v", f.Name, err)
					continue
				}
				compared++
				got := sourced{params: len(sig.Params), results: len(sig.Results)}
				got.fails = got.results > 0 && sig.Results[got.results-1].IsError()
				if sig.ResultsUnknown {
					unknown++
					got.results, got.fails = want.results, want.fails
				}
				if !s.complete {
					got.params = want.params
				}
				if got != want {
					t.Errorf("%s: %+v, the source says %+v", f.Name, got, want)
				}
			}
			if compared < 3000 || unknown > compared/100 {
				t.Errorf("%d functions were compared, the results of %d are not known", compared, unknown)
			}
			t.Logf("%d functions were compared, the results of %d are not known", compared, unknown)
		})
	}
}

// sourced is what the source says of a function.
type sourced struct {
	params, results int
	fails           bool // the last result is an error
}

// sourceOf reads the source of all packages of a program, without what is
// generic.
func sourceOf(t *testing.T, dir, toolchain string) map[string]sourced {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=Dir,ImportPath,Name,GoFiles", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if toolchain != "" {
		cmd.Env = append(cmd.Env, "GOTOOLCHAIN="+toolchain)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	found := map[string]sourced{}
	for d := json.NewDecoder(out); d.More(); {
		var p struct {
			Dir, ImportPath, Name string
			GoFiles               []string
		}
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if p.Name == "main" {
			p.ImportPath = "main"
		}
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				continue // a later release's language
			}
			for _, decl := range file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Body != nil {
					addSourced(found, p.ImportPath, f)
				}
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return found
}

// addSourced adds a function that is not generic.
func addSourced(found map[string]sourced, path string, f *ast.FuncDecl) {
	name := path + "." + f.Name.Name
	w := sourced{params: countFields(f.Type.Params), results: countFields(f.Type.Results)}
	if f.Recv != nil {
		w.params++
		switch of := f.Recv.List[0].Type.(type) {
		case *ast.Ident:
			name = path + "." + of.Name + "." + f.Name.Name
		case *ast.StarExpr:
			inner, ok := of.X.(*ast.Ident)
			if !ok {
				return
			}
			name = path + ".(*" + inner.Name + ")." + f.Name.Name
		default:
			return
		}
	}
	if w.results > 0 {
		last, ok := f.Type.Results.List[len(f.Type.Results.List)-1].Type.(*ast.Ident)
		w.fails = ok && last.Name == "error"
	}
	found[name] = w
}

func countFields(list *ast.FieldList) int {
	n := 0
	if list != nil {
		for _, f := range list.List {
			n += max(1, len(f.Names))
		}
	}
	return n
}
