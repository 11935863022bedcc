package symbol_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// copyOf copies a program to a place where the test may change it.
func copyOf(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(to, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return to
}

func stacksProgram(t testing.TB) string {
	t.Helper()
	return testutil.BuildGo(t, testutil.Dir("testdata/stacks"), testutil.BuildOptions{Flags: []string{"-ldflags=-s -w"}})
}

func mustLookup(t *testing.T, c *symbol.Cache, path string) *symbol.Program {
	t.Helper()
	p, err := c.Lookup(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCache_Lookup_knowsAFileByItsContent(t *testing.T) {
	c := symbol.NewCache(symbol.Options{})
	path := copyOf(t, stacksProgram(t))
	first := mustLookup(t, c, path)
	if again := mustLookup(t, c, path); again != first {
		t.Error("the same file is another program")
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if linked := mustLookup(t, c, link); linked != first {
		t.Error("the same file under another name is another program")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(data, 0), 0o755); err != nil {
		t.Fatal(err)
	}
	if changed := mustLookup(t, c, path); changed == first {
		t.Error("a file that was written to is the same program")
	}
}

func TestCache_Lookup_remembersWhatIsNoGoProgram(t *testing.T) {
	c := symbol.NewCache(symbol.Options{})
	path := filepath.Join(t.TempDir(), "script")
	if _, err := c.Lookup(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.Lookup(path); !errors.Is(err, symbol.ErrNotGo) {
			t.Errorf("a script: %v", err)
		}
	}
	if err := os.WriteFile(path, make([]byte, 4096), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Lookup(path); !errors.Is(err, symbol.ErrNotGo) {
		t.Errorf("zeroes: %v", err)
	}
	if _, err := c.Lookup(t.TempDir()); !errors.Is(err, symbol.ErrNotGo) {
		t.Errorf("a folder: %v", err)
	}
}

func TestCache_keepsProgramsUsableThatItDropped(t *testing.T) {
	c := symbol.NewCache(symbol.Options{Binaries: 1, Frames: 3})
	source := stacksProgram(t)
	paths := []string{copyOf(t, source), copyOf(t, source), copyOf(t, source)}
	pcs, want := someStack(t, source)
	programs := make([]*symbol.Program, len(paths))
	for i, path := range paths {
		programs[i] = mustLookup(t, c, path)
	}
	for i, p := range programs {
		for range 2 {
			if got := p.AppendStack(nil, pcs, 0); !slices.Equal(got, want) {
				t.Errorf("program %d: %v, want %v", i, got, want)
			}
		}
	}
	if mustLookup(t, c, paths[0]) == programs[0] {
		t.Error("a cache for one program kept three")
	}
}

// someStack returns program counters in the functions of a program that is not
// position-independent, and their frames.
func someStack(t testing.TB, path string) ([]uint64, []model.Frame) {
	t.Helper()
	b, err := symbol.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var pcs []uint64
	var frames []model.Frame
	for i, name := range []string{"main.anchor", "main.many", "main.record", "main.main", "runtime.main", "runtime.mstart1"} {
		entry, end, ok := b.Func(name)
		if !ok {
			t.Fatalf("no %s", name)
		}
		pc := (entry + end) / 2
		pcs = append(pcs, pc)
		frames = b.AppendFrames(frames, pc, i > 0)
	}
	if len(frames) < len(pcs) {
		t.Fatalf("frames %v", frames)
	}
	return pcs, frames
}

func TestCache_isSafeForConcurrentUse(t *testing.T) {
	c := symbol.NewCache(symbol.Options{Binaries: 2, Frames: 8})
	source := stacksProgram(t)
	paths := []string{copyOf(t, source), copyOf(t, source), copyOf(t, source), filepath.Join(t.TempDir(), "none")}
	if err := os.WriteFile(paths[3], make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	pcs, want := someStack(t, source)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for k := range 30 {
				path := paths[(i+k)%len(paths)]
				p, err := c.Lookup(path)
				if err != nil {
					if path != paths[3] || !errors.Is(err, symbol.ErrNotGo) {
						t.Error(err)
					}
					continue
				}
				if got := p.AppendStack(nil, pcs, 0); !slices.Equal(got, want) {
					t.Errorf("%v, want %v", got, want)
				}
				if got := p.AppendFrames(nil, pcs[1], true); len(got) == 0 {
					t.Error("no frames")
				}
				p.Binary().Func("main.main")
			}
		})
	}
	wg.Wait()
}

func TestBinary_survivesAFileThatShrinks(t *testing.T) {
	source := stacksProgram(t)
	pcs, want := someStack(t, source)
	path := copyOf(t, source)
	p := mustLookup(t, symbol.NewCache(symbol.Options{}), path)
	p.AppendStack(nil, pcs[:1], 0)
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	if got := p.AppendStack(nil, pcs, 0); len(got) >= len(want) {
		t.Errorf("frames of a file that is gone: %v", got)
	}
	if _, _, ok := p.Binary().Func("main.main"); ok {
		t.Error("a function of a file that is gone")
	}
	if code := p.Binary().Text(pcs[0], pcs[0]+16); code != nil {
		t.Errorf("code of a file that is gone: % x", code)
	}
}

func TestBinary_Close_leavesNothingToAnswer(t *testing.T) {
	path := stacksProgram(t)
	pcs, _ := someStack(t, path)
	b, err := symbol.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := b.AppendFrames(nil, pcs[0], false); got != nil {
		t.Errorf("frames: %v", got)
	}
	if _, _, ok := b.Func("main.main"); ok {
		t.Error("a function")
	}
	if got := b.Text(pcs[0], pcs[0]+1); got != nil {
		t.Errorf("code: % x", got)
	}
	if b.GoVersion() == "" || b.BuildID() == "" {
		t.Error("what was read before is forgotten")
	}
}

func TestProgram_AppendStack_allocatesNothingForAKnownStack(t *testing.T) {
	path := stacksProgram(t)
	pcs, want := someStack(t, path)
	p := mustLookup(t, symbol.NewCache(symbol.Options{}), path)
	dst := p.AppendStack(make([]model.Frame, 0, len(want)), pcs, 0)
	if n := testing.AllocsPerRun(100, func() { dst = p.AppendStack(dst[:0], pcs, 0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestOpen_namesTheOperand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zero")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := symbol.Open(path)
	if want := fmt.Sprintf("symbols of %s: %v", path, symbol.ErrNotGo); err == nil || len(err.Error()) < len(want) || err.Error()[:len(want)] != want {
		t.Errorf("error %q does not start with %q", err, want)
	}
}
