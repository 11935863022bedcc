package symbol_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

// benchBinary returns the program to measure with: GOSHAWK_BENCH_BINARY, or
// the go command.
func benchBinary(b *testing.B) string {
	b.Helper()
	if path := os.Getenv("GOSHAWK_BENCH_BINARY"); path != "" {
		return path
	}
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		b.Fatalf("go env GOROOT: %v", err)
	}
	return filepath.Join(string(bytes.TrimSpace(out)), "bin", "go")
}

// benchStack returns a stack as os/exec leaves it, in functions of all over
// the program.
func benchStack(b *testing.B, path string) []uint64 {
	b.Helper()
	bin, err := symbol.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer bin.Close()
	var pcs []uint64
	for _, name := range []string{
		"syscall.rawVforkSyscall", "syscall.forkAndExecInChild1", "syscall.forkAndExecInChild", "syscall.forkExec",
		"syscall.StartProcess", "os.startProcess", "os.StartProcess", "os/exec.(*Cmd).Start", "os/exec.(*Cmd).Run",
		"net/http.HandlerFunc.ServeHTTP", "net/http.serverHandler.ServeHTTP", "net/http.(*conn).serve",
		"main.main", "runtime.main", "runtime.goexit",
	} {
		if entry, end, ok := bin.Func(name); ok {
			pcs = append(pcs, (entry+end)/2)
		}
	}
	if len(pcs) < 10 {
		b.Fatalf("%s has %d of the functions", path, len(pcs))
	}
	return pcs
}

// resident returns the memory of this process in RAM, in KiB.
func resident(b *testing.B) int {
	b.Helper()
	status, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		b.Fatalf("resident memory: %v", err)
	}
	for line := range bytes.Lines(status) {
		var kib int
		if n, _ := fmt.Sscanf(string(line), "Rss: %d kB", &kib); n == 1 {
			return kib
		}
	}
	b.Fatal("no Rss in smaps_rollup")
	return 0
}

// BenchmarkFirstStack opens a program and names one stack. KiB-RSS is what
// that adds to the memory of this process while the file's pages are kept.
func BenchmarkFirstStack(b *testing.B) {
	path := benchBinary(b)
	pcs := benchStack(b, path)
	dst := make([]model.Frame, 0, 64)
	before := resident(b)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		p, err := symbol.NewCache(symbol.Options{}).Lookup(path)
		if err != nil {
			b.Fatal(err)
		}
		dst = p.AppendStack(dst[:0], pcs, 0)
		if err := p.Binary().Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	bin, err := symbol.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	for i, pc := range pcs {
		dst = bin.AppendFrames(dst[:0], pc, i > 0)
	}
	b.ReportMetric(float64(resident(b)-before), "KiB-RSS")
	if err := bin.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCachedStack names a stack that was seen before.
func BenchmarkCachedStack(b *testing.B) {
	path := benchBinary(b)
	pcs := benchStack(b, path)
	p, err := symbol.NewCache(symbol.Options{}).Lookup(path)
	if err != nil {
		b.Fatal(err)
	}
	dst := p.AppendStack(make([]model.Frame, 0, 64), pcs, 0)
	b.ReportAllocs()
	for b.Loop() {
		dst = p.AppendStack(dst[:0], pcs, 0)
	}
}

// BenchmarkLookup finds a program that is in the cache.
func BenchmarkLookup(b *testing.B) {
	path := benchBinary(b)
	c := symbol.NewCache(symbol.Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Lookup(path); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFunc searches a program for a function.
func BenchmarkFunc(b *testing.B) {
	bin, err := symbol.Open(benchBinary(b))
	if err != nil {
		b.Fatal(err)
	}
	defer bin.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := bin.Func("os/exec.(*Cmd).Start"); !ok {
			b.Fatal("not found")
		}
	}
}
