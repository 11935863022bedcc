package symbol_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// Offsets into pt_regs.
const (
	regAX = 80
	regSP = 152
)

// hits is what the program counts by cookie: at an entry, how often, with which
// sum of the first arguments, and how often on top of the stack is an address
// in the program's code.
type hits struct{ Count, Sum, Callers uint64 }

// counter returns a program that counts into m. Code is at [lo, hi).
func counter(m *ebpf.Map, lo, hi uint64) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.FnGetAttachCookie.Call(),
		asm.StoreMem(asm.RFP, -4, asm.R0, asm.Word),
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Reg(asm.R7, asm.R0),
		asm.Mov.Imm(asm.R1, 1),
		asm.AddAtomic.Mem(asm.R7, asm.R1, asm.DWord, 0),
		asm.LoadMem(asm.R1, asm.R6, regAX, asm.DWord),
		asm.AddAtomic.Mem(asm.R7, asm.R1, asm.DWord, 8),
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, -16),
		asm.Mov.Imm(asm.R2, 8),
		asm.LoadMem(asm.R3, asm.R6, regSP, asm.DWord),
		asm.FnProbeReadUser.Call(),
		asm.JNE.Imm(asm.R0, 0, "out"),
		asm.LoadMem(asm.R1, asm.RFP, -16, asm.DWord),
		asm.LoadImm(asm.R2, int64(lo), asm.DWord),
		asm.JLT.Reg(asm.R1, asm.R2, "out"),
		asm.LoadImm(asm.R2, int64(hi), asm.DWord),
		asm.JGE.Reg(asm.R1, asm.R2, "out"),
		asm.Mov.Imm(asm.R1, 1),
		asm.AddAtomic.Mem(asm.R7, asm.R1, asm.DWord, 16),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"),
		asm.Return(),
	}
}

// probed is a function of testdata/points with its probes.
type probed struct {
	name        string
	entry, exit uint32 // keys of the map
}

func TestPoints_seeEachCallOnceWithItsArguments(t *testing.T) {
	testutil.RequireArch(t, "the code of others is not decoded", "amd64")
	testutil.RequireBPF(t)
	testutil.RequireKernel(t, "6.6", "uprobe.multi")
	for _, toolchain := range toolchains() {
		for _, v := range variants() {
			t.Run(toolchain+" "+v.name, func(t *testing.T) { countCalls(t, toolchain, v) })
		}
	}
}

func countCalls(t *testing.T, toolchain string, v variant) {
	flags := v.flags
	if v.cgo {
		testutil.RequireTool(t, "gcc", "gcc")
	}
	env := []string{}
	if v.cgo {
		env = append(env, "CGO_ENABLED=1")
	}
	path := testutil.BuildGo(t, testutil.Dir("testdata/points"), testutil.BuildOptions{Toolchain: toolchain, Flags: flags, Env: env})
	b, err := symbol.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	target := testutil.StartTarget(t, path)
	drive := b.Lookup("main.drive")["main.drive"]
	address, err := strconv.ParseUint(target.WaitLine("drive "), 10, 64)
	if err != nil || drive.Entry == 0 {
		t.Fatalf("address of drive: %v; in the file it is at %#x", err, drive.Entry)
	}
	lo, hi := uint64(math.MaxUint64), uint64(0)
	for f := range b.Functions() {
		lo, hi = min(lo, f.Entry), max(hi, f.End)
	}
	bias := address - drive.Entry
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 24, MaxEntries: 64})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	functions := attachAll(t, b, path, loadProgram(t, counter(m, lo+bias, hi+bias)))
	fmt.Fprintln(target.Stdin)
	want := map[string][3]uint64{}
	for line := range target.Lines {
		var name string
		var n [3]uint64
		if line == "end" {
			break
		}
		if _, err := fmt.Sscanf(line, "count %s %d %d %d", &name, &n[0], &n[1], &n[2]); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		want[name] = n
	}
	for _, f := range functions {
		checkHits(t, m, f, want[f.name])
	}
}

// attachAll puts probes on all functions that testdata/points counts.
func attachAll(t *testing.T, b *symbol.Binary, path string, program *ebpf.Program) []probed {
	t.Helper()
	exe, err := link.OpenExecutable(path)
	if err != nil {
		t.Fatal(err)
	}
	var functions []probed
	var points []symbol.Point
	var cookies []uint64
	names := []string{"leaf", "loopAtEntry", "branchAtEntry", "table", "recovers", "panics", "manyReturns", "deep", "large", "huge"}
	for _, name := range names {
		name = "main." + name
		f, ok := b.Lookup(name)[name]
		if !ok {
			t.Fatalf("no %s", name)
		}
		key := uint32(2 * len(functions))
		functions = append(functions, probed{name, key, key + 1})
		entry, err := b.EntryPoint(f)
		switch {
		case err == nil:
			checkCost(t, b, name, entry)
			points, cookies = append(points, entry), append(cookies, uint64(key))
		case strings.Contains(err.Error(), "a loop comes back") && name == "main.loopAtEntry",
			strings.Contains(err.Error(), "may come back") && name == "main.table":
			functions[len(functions)-1].entry = math.MaxUint32
		default:
			t.Errorf("%s: %v", name, err)
		}
		returns, err := b.ReturnPoints(f)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, p := range returns {
			points, cookies = append(points, p), append(cookies, uint64(key+1))
		}
	}
	p := &prober{t: t, exe: exe, program: program}
	l, err := p.attach(points, cookies)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return functions
}

// checkCost says whether the entry of a function with a frame is a cheap one.
func checkCost(t *testing.T, b *symbol.Binary, name string, entry symbol.Point) {
	t.Helper()
	switch name {
	case "main.recovers", "main.panics", "main.manyReturns", "main.deep", "main.large", "main.huge":
		old := strings.HasPrefix(b.GoVersion(), "go1.20") // the frame pointer is not pushed
		if entry.Stepped != old || (entry.Op == "push") == old {
			t.Errorf("%s: entry %+v", name, entry)
		}
	}
}

func checkHits(t *testing.T, m *ebpf.Map, f probed, want [3]uint64) {
	t.Helper()
	var entry, ret hits
	if err := m.Lookup(f.exit, &ret); err != nil {
		t.Fatal(err)
	}
	if ret.Count != want[2] || want[0] == 0 {
		t.Errorf("%s: %d returns were seen, want %d", f.name, ret.Count, want[2])
	}
	if f.entry == math.MaxUint32 {
		return
	}
	if err := m.Lookup(f.entry, &entry); err != nil {
		t.Fatal(err)
	}
	if got := (hits{want[0], want[1], want[0]}); entry != got {
		t.Errorf("%s: entries %+v, want %+v", f.name, entry, got)
	}
}
