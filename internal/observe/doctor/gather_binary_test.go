package doctor

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/goshawk-io/goshawk/internal/observe/inspect"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

const emptyMain = "package main\n\nfunc main() {}\n"

// gatherFile gathers the executable at path, with the environment of this process.
func gatherFile(t *testing.T, path string, env map[string]string) *Evidence {
	t.Helper()
	program, err := inspect.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var e Evidence
	e.GatherBinary(Program{Path: path, Go: program.Process.Go, Build: program.Build, Linking: program.Linking, File: file}, env)
	return &e
}

func rulesOf(e *Evidence) []string {
	var names []string
	for _, f := range Diagnose(e) {
		names = append(names, f.Rule)
	}
	slices.Sort(names)
	return names
}

func TestGatherBinary_realPrograms(t *testing.T) {
	lookup := testutil.Files{"main.go": "package main\n\nimport \"os/user\"\n\nfunc main() { user.Lookup(\"root\") }\n"}
	plain := testutil.Files{"main.go": emptyMain}
	for _, c := range []struct {
		name    string
		source  testutil.Files
		options testutil.BuildOptions
		gcc     bool
		want    []string
	}{
		{"as go build makes it", plain, testutil.BuildOptions{}, false, nil},
		{"stripped", plain, testutil.BuildOptions{Flags: []string{"-ldflags=-s -w"}}, false, []string{"no-debug-info"}},
		{"for a debugger", plain, testutil.BuildOptions{Flags: []string{"-gcflags=all=-N -l"}}, false, []string{"optimisations-off"}},
		{"for coverage", plain, testutil.BuildOptions{Flags: []string{"-cover"}}, false, []string{"instrumented"}},
		{"with the race detector", plain, testutil.BuildOptions{Flags: []string{"-race"}, Env: []string{"CGO_ENABLED=1"}}, true, []string{"instrumented"}},
		{"looks up users in C", lookup, testutil.BuildOptions{Env: []string{"CGO_ENABLED=1"}}, true, []string{"cgo-nss"}},
		{"looks up users in Go", lookup, testutil.BuildOptions{Env: []string{"CGO_ENABLED=1"}, Flags: []string{"-tags=osusergo,netgo"}}, true, nil},
		{"by an old Go", plain, testutil.BuildOptions{Toolchain: "go1.22.12"}, false, []string{"old-go"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.gcc {
				testutil.RequireTool(t, "gcc", "gcc")
			}
			if got := rulesOf(gatherFile(t, testutil.BuildGo(t, c.source, c.options), nil)); !slices.Equal(got, c.want) {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

func TestGatherBinary_inItsModule(t *testing.T) {
	path := testutil.BuildGo(t, testutil.Files{"main.go": emptyMain}, testutil.BuildOptions{})
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, mod string
		want      []string
	}{
		{"go.mod asks for a newer Go", "module victim\n\ngo 1.99.0\n", []string{"built-with-another-go"}},
		{"go.mod asks for an older Go", "module victim\n\ngo 1.20\n", nil},
		{"it is of another module", "module other\n\ngo 1.99.0\n", nil},
	} {
		dir := tree(t, map[string]string{"go.mod": c.mod, "bin/victim": string(program)})
		e := gatherFile(t, filepath.Join(dir, "bin/victim"), map[string]string{"PATH": os.Getenv("PATH")})
		if got := rulesOf(e); !slices.Equal(got, c.want) {
			t.Errorf("%s: found %q, want %q", c.name, got, c.want)
		}
	}
}

func TestReadProgram_ofAnOldRelease(t *testing.T) {
	path := testutil.BuildGo(t, testutil.Files{"main.go": emptyMain}, testutil.BuildOptions{Toolchain: "go1.22.12", Flags: []string{"-ldflags=-w"}})
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := ReadProgram(path, f)
	if err != nil {
		t.Fatal(err)
	}
	var e Evidence
	e.GatherBinary(p, nil)
	if got := rulesOf(&e); !slices.Equal(got, []string{"no-debug-info", "old-go"}) || e.Binary.GoVersion != "go1.22.12" || len(e.Unseen) > 0 {
		t.Errorf("found %q in %+v, unseen %+v", got, e.Binary, e.Unseen)
	}
}

func TestGatherBinary_withoutBuildInformation(t *testing.T) {
	var e Evidence
	e.GatherBinary(Program{Path: "/x"}, nil)
	if len(e.Unseen) != 1 || e.Unseen[0].What != "how the program was built" {
		t.Errorf("unseen %+v", e.Unseen)
	}
}
