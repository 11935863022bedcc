package inspect_test

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/inspect"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

const source = `package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

type shape interface{ area() int }

type square struct{ side int }

func (s square) area() int { fmt.Fprint(os.Stderr); return s.side * s.side }

type point struct{}

func (point) area() int { return 0 }

//go:noinline
func small() {}

//go:noinline
func leaf(n int) int { return n*7 + len(os.Args) }

func inlined(n int) int { return n ^ 0x55 }

//go:noinline
func framed(s string) string { return strings.Repeat(s, inlined(len(s))) }

func both(n int) int { return n*n + 1 }

//go:noinline
func loops(n int) int {
	for {
		n -= 5
		if n < 7 {
			return n
		}
	}
}

//go:noinline
func forever() {
	for {
		fmt.Fprint(os.Stderr)
	}
}

//go:noinline
func Map[T any](in []T, f func(T) T) []T {
	var out []T
	for _, v := range in {
		out = append(out, f(v))
	}
	return out
}

func init() { fmt.Fprint(os.Stderr, framed("a")[:0]) }

func main() {
	if len(os.Args) > 5 {
		small()
		forever()
	}
	f := both
	if len(os.Args) > 6 {
		f = leaf
	}
	var s shape = square{leaf(f(both(len(os.Args))))}
	if len(os.Args) > 7 {
		s = point{}
	}
	fmt.Println("area", s.area(), loops(len(os.Args)), Map([]int{1}, f), Map([]string{"a"}, framed))
	bufio.NewReader(os.Stdin).ReadString('\n')
}
`

func build(t testing.TB, opts testutil.BuildOptions) string {
	t.Helper()
	return testutil.BuildGo(t, testutil.Files{"main.go": source}, opts)
}

func open(t testing.TB, path string) *inspect.Program {
	t.Helper()
	p, err := inspect.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// list returns functions by name.
func list(t testing.TB, p *inspect.Program, match func(string) bool) map[string]inspect.Function {
	t.Helper()
	found := map[string]inspect.Function{}
	for f, err := range p.Functions(t.Context(), match) {
		if err != nil {
			t.Fatal(err)
		}
		if old, ok := found[f.Name]; !ok || old.Wrapper {
			found[f.Name] = f
		}
	}
	return found
}

func TestOpenFile_saysWhatTheProgramIs(t *testing.T) {
	path := build(t, testutil.BuildOptions{Flags: []string{"-trimpath", "-ldflags=-s -w"}})
	p := open(t, path)
	b := p.Process.Go
	if p.Process.Exe != path || p.Process.Service != "victim" || b.Module != "victim" || b.BuildID == "" || !b.Static || b.PIE || b.Cgo || !b.Stripped || !p.Hookable {
		t.Errorf("process %+v, build %+v", p.Process, b)
	}
	if p.Build == nil || p.Build.GoVersion != b.GoVersion || !p.Linking.Static || p.Linking.SymbolTable {
		t.Errorf("build information %v, linking %+v", p.Build, p.Linking)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != p.Size {
		t.Errorf("%d bytes: %v", p.Size, err)
	}
}

func TestProgram_Functions_sayWhatCanBeDone(t *testing.T) {
	testutil.RequireArch(t, "the code of others is not decoded", "amd64")
	for _, stripped := range []bool{false, true} {
		var flags []string
		if stripped {
			flags = []string{"-trimpath", "-ldflags=-s -w"}
		}
		p := open(t, build(t, testutil.BuildOptions{Flags: flags}))
		all := list(t, p, nil)
		for _, tt := range []struct {
			name        string
			hook, patch bool
			hookReason  string // a part of it
			patchReason string
		}{
			{"main.framed", true, true, "entry emulated, 1 return single-stepped", ""},
			{"main.square.area", true, true, "entry emulated, 1 return single-stepped; not seen where it is inlined, in 1 function", "with 1 function that it is inlined into"},
			{"main.(*square).area", true, false, "entry emulated", "patch that one"},
			{"main.small", true, false, "entry single-stepped, 1 return single-stepped", "its 1 byte are fewer than the 5 of a jump"},
			{"main.leaf", true, false, "entry single-stepped", "does not check the stack first"},
			{"main.inlined", false, false, "every call is inlined: hook what it is inlined into, main.framed", "what it is inlined into, main.framed"},
			{"main.both", true, false, "not seen where it is inlined, in 1 function", "does not check the stack"},
			{"main.loops", false, false, "a loop comes back to the instruction at +0", "does not check the stack"},
			{"main.forever", true, true, "entry emulated, never returns", ""},
			{"main.Map[go.shape.int]", true, true, "entry emulated", ""},
			{"main.Map[go.shape.string]", true, true, "entry emulated", ""},
			{"main.init.0", true, false, "entry emulated", "runs once"},
			{"main.main", true, false, "entry emulated", "called once"},
			{"runtime.gopanic", true, false, "entry emulated", "a part of the runtime"},
			{"runtime.memmove", true, false, "entry", "assembly"},
			{"fmt.Fprint", true, true, "entry emulated", ""},
			{"runtime.asmcgocall", true, false, "", "assembly"},
			{"runtime.systemstack", false, false, "it may end the function", "assembly"},
		} {
			f, ok := all[tt.name]
			if !ok {
				t.Errorf("no %s", tt.name)
				continue
			}
			if f.Hook.OK != tt.hook || !strings.Contains(f.Hook.Reason, tt.hookReason) {
				t.Errorf("%s: hook %v, %q; want %v, %q", tt.name, f.Hook.OK, f.Hook.Reason, tt.hook, tt.hookReason)
			}
			if f.Patch.OK != tt.patch || !strings.Contains(f.Patch.Reason, tt.patchReason) {
				t.Errorf("%s: patch %v, %q; want %v, %q", tt.name, f.Patch.OK, f.Patch.Reason, tt.patch, tt.patchReason)
			}
			if f.Hook.OK != (f.Hook.Entry != nil) || !f.Patch.OK && f.Patch.Reason == "" || !f.Hook.OK && f.Hook.Reason == "" {
				t.Errorf("%s: %+v", tt.name, f)
			}
		}
		if f := all["main.inlined"]; f.Entry != 0 || f.Size != 0 || f.InlinedTotal != 1 || !slices.Equal(f.InlinedInto, []string{"main.framed"}) {
			t.Errorf("main.inlined: %+v", f)
		}
		if f := all["main.small"]; f.Size != 1 {
			t.Errorf("main.small: %+v", f)
		}
		checkSummary(t, p, all)
	}
}

// checkSummary compares the counts with the functions, which are keyed by name:
// some share one.
func checkSummary(t *testing.T, p *inspect.Program, all map[string]inspect.Function) {
	t.Helper()
	s, err := p.Summary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := inspect.Summary{}
	for f, err := range p.Functions(t.Context(), nil) {
		switch {
		case err != nil:
			t.Fatal(err)
		case f.Entry == 0:
			want.Alone++
			continue
		}
		want.Functions++
		if f.Hook.OK {
			want.Hookable++
			if f.Hook.Entry.Stepped {
				want.Stepped++
			}
		}
		if f.Patch.OK {
			want.Patchable++
		}
	}
	if s != want || s.Functions+s.Alone < len(all) || s.Patchable < 100 {
		t.Errorf("Summary() = %+v, want %+v", s, want)
	}
}

func TestProgram_patch_ofOtherBuilds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		opts   testutil.BuildOptions
		reason string
	}{
		{"PIE", testutil.BuildOptions{Flags: []string{"-buildmode=pie"}}, "position-independent"},
		{"an old release", testutil.BuildOptions{Toolchain: "go1.24.13"}, "built by go1.24.13: go1.25 is the oldest"},
		{"coverage", testutil.BuildOptions{Flags: []string{"-cover"}}, "built with -cover"},
		{"arm64", testutil.BuildOptions{Env: []string{"GOARCH=arm64"}}, "for arm64: only amd64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := open(t, build(t, tt.opts))
			match, err := p.Select([]string{"main.framed"})
			if err != nil {
				t.Fatal(err)
			}
			f := list(t, p, match)["main.framed"]
			if f.Patch.OK || !strings.Contains(f.Patch.Reason, tt.reason) {
				t.Errorf("patch %+v", f.Patch)
			}
			s, err := p.Summary(t.Context())
			if err != nil || s.NoPatch != f.Patch.Reason || s.Patchable != 0 || (s.NoHook != "") != (tt.name == "arm64") {
				t.Errorf("%+v, error %v", s, err)
			}
			if arm := tt.name == "arm64"; f.Hook.OK == arm || arm && f.Hook.Reason != "arm64 is not supported yet" || f.Size == 0 {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestProgram_Select(t *testing.T) {
	p := open(t, build(t, testutil.BuildOptions{}))
	for _, tt := range []struct {
		patterns []string
		want     []string
	}{
		{[]string{"main.framed"}, []string{"main.framed"}},
		{[]string{"main.inlined", "main.leaf"}, []string{"main.inlined", "main.leaf"}},
		{[]string{"main.Map"}, []string{"main.Map[go.shape.int]", "main.Map[go.shape.string]"}},
		{[]string{"main.Map[...]"}, []string{"main.Map[go.shape.int]", "main.Map[go.shape.string]"}},
		{[]string{"main.(*square).*"}, []string{"main.(*square).area"}},
		{[]string{"main.*square*.area"}, []string{"main.(*square).area", "main.square.area"}},
	} {
		match, err := p.Select(tt.patterns)
		if err != nil {
			t.Errorf("%q: %v", tt.patterns, err)
			continue
		}
		var got []string
		for name := range list(t, p, match) {
			got = append(got, name)
		}
		if slices.Sort(got); !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.patterns, got, tt.want)
		}
	}
	for _, tt := range []struct{ pattern, nearest string }{
		{"main.frammed", "main.framed"},
		{"main.square.Area", "main.square.area"},
		{"main.inlinde", "main.inlined"},
		{"nothing.like.it.at.all", ""},
		{"zzz*", ""},
		{"ain.(*square).*", "*ain.(*square).*"},
		{"reader.rea*", ""},
		{"", ""},
		{strings.Repeat("x", 1<<20), ""},
	} {
		_, err := p.Select([]string{"main.framed", tt.pattern})
		var unknown *inspect.UnknownError
		if !errors.As(err, &unknown) || unknown.Name != tt.pattern {
			t.Errorf("%.20q: error %v", tt.pattern, err)
			continue
		}
		if tt.nearest != "" && !slices.Contains(unknown.Nearest, tt.nearest) || tt.nearest == "" && len(unknown.Nearest) > 0 {
			t.Errorf("%.20q: nearest %q", tt.pattern, unknown.Nearest)
		}
	}
}

func TestProgram_Functions_endWhenToldTo(t *testing.T) {
	path := build(t, testutil.BuildOptions{})
	p := open(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n, last := 0, error(nil)
	for _, err := range p.Functions(ctx, nil) {
		n, last = n+1, err
	}
	if !errors.Is(last, context.Canceled) || n > 1000 {
		t.Errorf("%d functions after the end of the context, error %v", n, last)
	}
	if _, err := p.Summary(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Summary: error %v", err)
	}
	for range p.Functions(t.Context(), nil) {
		break
	}
}

func TestProgram_Functions_ofAFileThatChanges(t *testing.T) {
	data, err := os.ReadFile(build(t, testutil.BuildOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	p := open(t, path)
	if err := os.Truncate(path, int64(len(data)/4)); err != nil {
		t.Fatal(err)
	}
	var last error
	for _, err := range p.Functions(t.Context(), nil) {
		last = err
	}
	if !errors.Is(last, inspect.ErrChanged) {
		t.Errorf("error %v", last)
	}
	if _, err := p.Summary(t.Context()); !errors.Is(err, inspect.ErrChanged) {
		t.Errorf("Summary: error %v", err)
	}
}

func TestOpenFile_refuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	data, err := os.ReadFile(build(t, testutil.BuildOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
		want       error
		text       string
	}{
		{"nothing", filepath.Join(dir, "nothing"), fs.ErrNotExist, ""},
		{"a folder", dir, symbol.ErrNotGo, "it is a directory"},
		{"a named pipe", fifo, symbol.ErrNotGo, "it is not a regular file"},
		{"a device", os.DevNull, symbol.ErrNotGo, "it is not a regular file"},
		{"an empty file", write("empty", nil), symbol.ErrNotGo, "it has 0 bytes"},
		{"text", write("text", []byte(strings.Repeat("text ", 100))), symbol.ErrNotGo, "not an ELF file"},
		{"a C program", shell, symbol.ErrNotGo, "no function table"},
		{"a part of a program", write("part", data[:len(data)/2]), nil, "truncated"},
		{"a path of 1 MB", strings.Repeat("x", 1<<20), syscall.ENAMETOOLONG, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := inspect.OpenFile(tt.path)
			switch {
			case err == nil:
				p.Close()
				t.Error("opened")
			case tt.want != nil && !errors.Is(err, tt.want), !strings.Contains(err.Error(), tt.text), strings.Contains(err.Error(), dir), len(err.Error()) > 200:
				t.Errorf("error %.300v, want %v about %q", err, tt.want, tt.text)
			}
		})
	}
}

func TestOpenProcess(t *testing.T) {
	data, err := os.ReadFile(build(t, testutil.BuildOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "renamed")
	if err := os.WriteFile(path, data, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), "OTEL_SERVICE_NAME=shop")
	running := testutil.StartTargetCmd(t, cmd)
	running.WaitLine("area ")
	reader := target.NewReader(target.ReaderOptions{})
	check := func(deleted bool) {
		t.Helper()
		p, err := inspect.OpenProcess(reader, int32(running.PID))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if p.Process.ID.PID != int32(running.PID) || p.Process.Exe != path || p.Process.Deleted != deleted || p.Process.Service != "shop" ||
			p.Process.Go.Module != "victim" || time.Since(p.Process.StartTime) > time.Hour {
			t.Errorf("%+v", p.Process)
		}
		if f := list(t, p, nil)["main.framed"]; !f.Hook.OK && p.Linking.Arch == "amd64" {
			t.Errorf("%+v", f)
		}
	}
	check(false)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	check(true)
	running.Signal(os.Kill)
	running.Wait()
	for _, pid := range []int32{int32(running.PID), math.MaxInt32} {
		if p, err := inspect.OpenProcess(reader, pid); !errors.Is(err, target.ErrGone) || strings.Contains(err.Error(), "process "+strconv.Itoa(int(pid))) {
			t.Errorf("process %d that has ended: %v, error %v", pid, p, err)
		}
	}
}

func TestOpenProcess_refusesOtherPrograms(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	running := testutil.StartTargetCmd(t, cmd)
	if p, err := inspect.OpenProcess(target.NewReader(target.ReaderOptions{}), int32(running.PID)); !errors.Is(err, symbol.ErrNotGo) {
		t.Errorf("%v, error %v", p, err)
	}
}
