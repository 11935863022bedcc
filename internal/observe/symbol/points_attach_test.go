package symbol_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// probedProgram returns a copy of the go command, or of GOSHAWK_BENCH_BINARY,
// that no other process runs.
func probedProgram(t *testing.T) string {
	t.Helper()
	path := os.Getenv("GOSHAWK_BENCH_BINARY")
	if path == "" {
		path = goCommand(t)
	}
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(filepath.Join(t.TempDir(), "program"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}

// mapCode maps a program the way the kernel does to run it: a probe on a file
// that nobody maps is not looked at.
func mapCode(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	code, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(code); err != nil {
			t.Error(err)
		}
	})
}

// loadProgram loads instructions as a program for uprobe.multi.
func loadProgram(t *testing.T, code asm.Instructions) *ebpf.Program {
	t.Helper()
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.Kprobe, AttachType: ebpf.AttachTraceUprobeMulti, License: "GPL", Instructions: code,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return program
}

// prober puts a program on points of a file.
type prober struct {
	t       *testing.T
	program *ebpf.Program
	exe     *link.Executable
}

func (p *prober) attach(points []symbol.Point, cookies []uint64) (link.Link, error) {
	offsets := make([]uint64, len(points))
	for i, pt := range points {
		offsets[i] = pt.Offset
	}
	return p.exe.UprobeMulti(nil, p.program, &link.UprobeMultiOptions{Addresses: offsets, Cookies: cookies})
}

// refused returns the points that the kernel refuses, by halves.
func (p *prober) refused(points []symbol.Point) []symbol.Point {
	p.t.Helper()
	if len(points) == 0 {
		return nil
	}
	l, err := p.attach(points, nil)
	if err == nil {
		if err := l.Close(); err != nil {
			p.t.Fatal(err)
		}
		return nil
	}
	if len(points) == 1 {
		p.t.Logf("%+v: %v", points[0], err)
		return points
	}
	half := len(points) / 2
	return append(p.refused(points[:half]), p.refused(points[half:])...)
}

func TestPoints_theKernelTakesAllOfAProgram(t *testing.T) {
	testutil.RequireArch(t, "the code of others is not decoded", "amd64")
	testutil.RequireBPF(t)
	testutil.RequireKernel(t, "6.6", "uprobe.multi")
	path := probedProgram(t)
	b, err := symbol.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var points []symbol.Point
	functions, entries := 0, 0
	for f := range b.Functions() {
		functions++
		if p, err := b.EntryPoint(f); err == nil {
			points = append(points, p)
			entries++
		}
		if returns, err := b.ReturnPoints(f); err == nil {
			points = append(points, returns...)
		}
	}
	if functions < 5000 || entries < functions*99/100 || len(points) < 2*functions {
		t.Fatalf("%d functions have %d entries and %d points", functions, entries, len(points))
	}
	exe, err := link.OpenExecutable(path)
	if err != nil {
		t.Fatal(err)
	}
	mapCode(t, path)
	p := &prober{t: t, exe: exe, program: loadProgram(t, asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()})}
	if refused := p.refused(points); len(refused) > 0 {
		t.Errorf("%d of %d points are refused: %+v", len(refused), len(points), refused[:min(10, len(refused))])
	}
	// The test would see a refusal: a breakpoint takes no probe.
	if trap, ok := findTrap(b); !ok || len(p.refused([]symbol.Point{trap})) != 1 {
		t.Errorf("a probe on the trap at %#x is not refused", trap.Addr)
	}
}

// findTrap returns the place of an int3 between two functions.
func findTrap(b *symbol.Binary) (symbol.Point, bool) {
	for f := range b.Functions() {
		p, err := b.EntryPoint(f)
		if err != nil || p.Addr != f.Entry {
			continue
		}
		if code := b.Text(f.Entry, f.End); bytes.HasSuffix(code, []byte{0xcc, 0xcc}) {
			return symbol.Point{Addr: f.End - 1, Offset: p.Offset + (f.End - 1 - f.Entry), Op: "int3"}, true
		}
	}
	return symbol.Point{}, false
}

// goCommand returns the path of the go command.
func goCommand(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatalf("go env GOROOT: %v", err)
	}
	return filepath.Join(string(bytes.TrimSpace(out)), "bin", "go")
}
