package symbol_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// toolchains are the releases that are read; the empty one runs the test.
func toolchains() []string {
	if testing.Short() {
		return []string{""}
	}
	return []string{"go1.20.14", "go1.21.13", "go1.22.12", "go1.23.12", "go1.24.13", "go1.25.7", ""}
}

// variant is a way to build a program.
type variant struct {
	name  string
	flags []string
	cgo   bool
}

func variants() []variant {
	return []variant{
		{name: "static", flags: []string{"-buildmode=exe"}},
		{name: "static stripped trimmed", flags: []string{"-buildmode=exe", "-trimpath", "-ldflags=-s -w"}},
		{name: "not optimised", flags: []string{"-gcflags=all=-N -l"}},
		{name: "PIE", flags: []string{"-buildmode=pie"}},
		{name: "PIE stripped", flags: []string{"-buildmode=pie", "-ldflags=-s -w"}},
		{name: "cgo linked internally", flags: []string{"-ldflags=-linkmode=internal"}, cgo: true},
		{name: "cgo", flags: []string{"-tags=withc", "-buildmode=exe"}, cgo: true},
		{name: "cgo stripped static", flags: []string{"-tags=withc netgo osusergo", "-ldflags=-s -w -extldflags=-static"}, cgo: true},
		{name: "cgo PIE", flags: []string{"-tags=withc", "-buildmode=pie"}, cgo: true},
		{name: "cgo PIE stripped", flags: []string{"-tags=withc", "-buildmode=pie", "-ldflags=-s -w"}, cgo: true},
		{name: "cgo PIE packed relocations", flags: []string{"-tags=withc", "-buildmode=pie",
			"-ldflags=-s -w -extldflags=-Wl,-z,pack-relative-relocs"}, cgo: true},
	}
}

func (v variant) build(t *testing.T, toolchain string, env ...string) string {
	t.Helper()
	if v.cgo {
		testutil.RequireTool(t, "gcc", "gcc")
		env = append(env, "CGO_ENABLED=1")
	}
	return testutil.BuildGo(t, testutil.Dir("testdata/stacks"),
		testutil.BuildOptions{Toolchain: toolchain, Flags: v.flags, Env: env})
}

// forEachBuild runs f as a subtest for every toolchain and variant.
func forEachBuild(t *testing.T, f func(t *testing.T, toolchain string, v variant)) {
	for _, toolchain := range toolchains() {
		name := toolchain
		if name == "" {
			name = runtime.Version()
		}
		t.Run(name, func(t *testing.T) {
			for _, v := range variants() {
				t.Run(v.name, func(t *testing.T) { f(t, toolchain, v) })
			}
		})
	}
}

// report is what the program of testdata/stacks prints.
type report struct {
	StartCode, Anchor uint64
	Stacks            []struct {
		Name   string
		PCs    []uint64
		Frames []model.Frame
	}
}

func TestProgram_AppendStack_saysWhatTheRuntimeSays(t *testing.T) {
	testutil.RequireArch(t, "programs for others are not read", "amd64", "arm64")
	cache := symbol.NewCache(symbol.Options{})
	forEachBuild(t, func(t *testing.T, toolchain string, v variant) {
		path := v.build(t, toolchain)
		r := runStacks(t, path)
		p, err := cache.Lookup(path)
		if err != nil {
			t.Fatal(err)
		}
		b := p.Binary()
		if toolchain != "" && b.GoVersion() != toolchain {
			t.Errorf("GoVersion() = %q, want %q", b.GoVersion(), toolchain)
		}
		if out, err := exec.Command("go", "tool", "buildid", path).Output(); err != nil || strings.TrimSpace(string(out)) != b.BuildID() {
			t.Errorf("BuildID() = %q, want %q (%v)", b.BuildID(), out, err)
		}
		bias := b.LoadBias(r.StartCode)
		entry, end, ok := b.Func("main.anchor")
		if !ok || entry+bias != r.Anchor || end <= entry {
			t.Fatalf("Func(main.anchor) = %#x, %#x, %v with bias %#x; it is at %#x", entry, end, ok, bias, r.Anchor)
		}
		if code := b.Text(entry, end); uint64(len(code)) != end-entry {
			t.Errorf("Text(%#x, %#x) has %d bytes", entry, end, len(code))
		}
		if _, ok := b.GoidOffset(); !ok {
			t.Errorf("GoidOffset() does not know %s", b.GoVersion())
		}
		for _, s := range r.Stacks {
			got := p.AppendStack(nil, s.PCs, bias)
			if len(got) == 0 || got[0].Func != "stacks/fp.Record" {
				t.Errorf("%s: innermost frame of %v", s.Name, got)
				continue
			}
			if diff := firstDifference(got[1:], s.Frames); diff != "" {
				t.Errorf("%s: %s\ngot  %v\nwant %v", s.Name, diff, got[1:], s.Frames)
			}
		}
		if len(r.Stacks) < 40 {
			t.Errorf("only %d stacks", len(r.Stacks))
		}
	})
}

func runStacks(t *testing.T, path string) report {
	t.Helper()
	out, err := exec.Command(path).Output()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("output of %s: %v", path, err)
	}
	return r
}

func firstDifference(got, want []model.Frame) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("frame %d is %v, want %v", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d frames, want %d", len(got), len(want))
	}
	return ""
}
