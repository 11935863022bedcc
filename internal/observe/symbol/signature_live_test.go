package symbol_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

const (
	// Where struct pt_regs of amd64 keeps the registers of ABIInternal, in its
	// order, and the stack pointer.
	stackRegister = 152
	// stackBytes is how much of the stack is copied.
	stackBytes = 256
	wordCount  = 9
)

func wordRegisters() [wordCount]int16 { return [...]int16{80, 40, 88, 112, 104, 72, 64, 56, 48} }

// seen is what a probe saw: registers, and the stack above the stack pointer.
type seen struct {
	Words [wordCount]uint64
	Stack [stackBytes]byte
}

// loadWatcher loads a program that keeps what it sees under its cookie.
func loadWatcher(t *testing.T, entries int) (*ebpf.Program, *ebpf.Map) {
	t.Helper()
	kept, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: wordCount*8 + stackBytes, MaxEntries: uint32(entries)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close() })
	const value, key = -(wordCount*8 + stackBytes), -(wordCount*8 + stackBytes) - 8
	code := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.FnGetAttachCookie.Call(),
		asm.StoreMem(asm.RFP, key, asm.R0, asm.Word),
	}
	for i, register := range wordRegisters() {
		code = append(code, asm.LoadMem(asm.R1, asm.R6, register, asm.DWord), asm.StoreMem(asm.RFP, value+int16(8*i), asm.R1, asm.DWord))
	}
	code = append(code,
		asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, value+8*wordCount),
		asm.Mov.Imm(asm.R2, stackBytes),
		asm.LoadMem(asm.R3, asm.R6, stackRegister, asm.DWord),
		asm.FnProbeReadUser.Call(),
		asm.LoadMapPtr(asm.R1, kept.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, key),
		asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, value),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnMapUpdateElem.Call(),
		asm.Mov.Imm(asm.R0, 0), asm.Return(),
	)
	return loadProgram(t, code), kept
}

// watched is a function and where its cookies are: of its entry and, next, of
// its returns.
type watched struct {
	signature *symbol.Signature
	cookie    uint64
}

// watch attaches the program to all functions of main that have a signature.
func watch(t *testing.T, path string, b *symbol.Binary, program *ebpf.Program) map[string]watched {
	t.Helper()
	signatures, err := b.Signatures()
	if err != nil {
		t.Fatal(err)
	}
	functions, err := b.Match("main.*")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]watched{}
	var offsets, cookies []uint64
	for _, f := range functions {
		if f.Wrapper {
			continue
		}
		s, err := signatures.Of(f)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		entry, err := b.EntryPoint(f)
		if err != nil {
			t.Fatal(err)
		}
		returns, err := b.ReturnPoints(f)
		if err != nil {
			t.Fatal(err)
		}
		w := watched{s, uint64(2 * len(found))}
		offsets, cookies = append(offsets, entry.Offset), append(cookies, w.cookie)
		for _, r := range returns {
			offsets, cookies = append(offsets, r.Offset), append(cookies, w.cookie+1)
		}
		found[f.Name] = w
	}
	exe, err := link.OpenExecutable(path)
	if err != nil {
		t.Fatal(err)
	}
	l, err := exe.UprobeMulti(nil, program, &link.UprobeMultiOptions{Addresses: offsets, Cookies: cookies})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return found
}

// compare compares what a value is with what was seen in its place. It returns
// how many bytes it compared: registers for floating-point numbers are out of
// reach for eBPF.
func compare(p *symbol.Param, want []byte, s *seen) (int, error) {
	if p.Size != uint64(len(want)) {
		return 0, fmt.Errorf("has %d bytes, want %d", p.Size, len(want))
	}
	if p.Stack >= 0 {
		if got := s.Stack[p.Stack:][:len(want)]; !bytes.Equal(got, want) {
			return 0, fmt.Errorf("at %d of the stack is %x, want %x", p.Stack, got, want)
		}
		return len(want), nil
	}
	n := 0
	for _, r := range p.Registers {
		if r.Float {
			continue
		}
		var word [8]byte
		for i := range word {
			word[i] = byte(s.Words[r.Index] >> (8 * i))
		}
		if got := word[:r.Size]; !bytes.Equal(got, want[r.Offset:][:r.Size]) {
			return n, fmt.Errorf("register %d holds %x, want %x", r.Index, got, want[r.Offset:][:r.Size])
		}
		n += int(r.Size)
	}
	return n, nil
}

// signatureBuilds are the programs whose calls are watched.
func signatureBuilds() []struct {
	name string
	opts testutil.BuildOptions
} {
	list := []struct {
		name string
		opts testutil.BuildOptions
	}{
		{"this release", testutil.BuildOptions{}},
		{"go1.21", testutil.BuildOptions{Toolchain: "go1.21.13"}},
		{"go1.24", testutil.BuildOptions{Toolchain: "go1.24.13"}},
		{"pie", testutil.BuildOptions{Flags: []string{"-buildmode=pie"}}},
		{"without optimisation", testutil.BuildOptions{Flags: []string{"-gcflags=-N -l"}}},
		{"without DWARF 5", testutil.BuildOptions{Env: []string{"GOEXPERIMENT=nodwarf5"}}},
		{"DWARF not compressed", testutil.BuildOptions{Flags: []string{"-ldflags=-compressdwarf=false"}}},
		{"linked by a C toolchain", testutil.BuildOptions{Env: []string{"CGO_ENABLED=1"}, Flags: []string{"-ldflags=-linkmode=external"}}},
		{"go1.20", testutil.BuildOptions{Toolchain: "go1.20.14"}},
		{"go1.22", testutil.BuildOptions{Toolchain: "go1.22.12"}},
		{"go1.25", testutil.BuildOptions{Toolchain: "go1.25.7"}},
		{"a release to come", testutil.BuildOptions{Toolchain: "go1.27.4"}},
		{"go1.21 without optimisation", testutil.BuildOptions{Toolchain: "go1.21.13", Flags: []string{"-gcflags=-N -l"}}},
	}
	if testing.Short() {
		return list[:3]
	}
	return list
}

func TestSignatures_areWhereCallsPassValues(t *testing.T) {
	testutil.RequireArch(t, "points are found in amd64 code only", "amd64")
	testutil.RequireBPF(t)
	testutil.RequireKernel(t, "6.6", "uprobe.multi")
	for _, build := range signatureBuilds() {
		t.Run(build.name, func(t *testing.T) {
			if len(build.opts.Env) > 0 && build.opts.Env[0] == "CGO_ENABLED=1" {
				testutil.RequireTool(t, "gcc", "gcc")
			}
			path := testutil.BuildGo(t, testutil.Dir("testdata/signatures"), build.opts)
			b, err := symbol.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			program, kept := loadWatcher(t, 256)
			victim := testutil.StartTarget(t, path)
			victim.WaitLine("ready")
			functions := watch(t, path, b, program)
			if _, err := fmt.Fprintln(victim.Stdin, "go"); err != nil {
				t.Fatal(err)
			}
			checkCalls(t, victim, functions, kept, build.opts.Toolchain)
		})
	}
}

// checkCalls compares the lines of the victim with what was seen.
func checkCalls(t *testing.T, victim *testutil.Target, functions map[string]watched, kept *ebpf.Map, toolchain string) {
	t.Helper()
	var lines []string
	for line := range victim.Lines {
		if line == "done" {
			break
		}
		lines = append(lines, line)
	}
	// These leave out of the DWARF what has no name.
	old := strings.HasPrefix(toolchain, "go1.20.") || strings.HasPrefix(toolchain, "go1.21.")
	values, compared, unknown := 0, 0, 0
	for _, line := range lines {
		words := strings.Split(line, " ")
		if len(words) != 4 {
			t.Fatalf("line %q", line)
		}
		name, what, value := words[0], words[1], words[3]
		index, err := strconv.Atoi(words[2])
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if old && what == "param" {
			if index = amongNamed(name, index); index < 0 {
				continue
			}
		}
		if strings.HasPrefix(toolchain, "go1.20.") && strings.Contains(name, "[") {
			continue // instances have one name
		}
		f, ok := functions[name]
		if !ok {
			t.Errorf("%s has no signature", name)
			continue
		}
		p, cookie := f.value(what, index)
		if p == nil {
			t.Errorf("%s has no %s %d: %+v", name, what, index, f.signature)
			continue
		}
		want, err := hex.DecodeString(strings.Trim(value, "-"))
		if err != nil {
			t.Fatal(err)
		}
		var s seen
		if err := kept.Lookup(uint32(cookie), &s); err != nil {
			t.Fatal(err)
		}
		values++
		if !p.Known() && len(want) > 0 {
			unknown++
			continue
		}
		n, err := compare(p, want, &s)
		if err != nil {
			t.Errorf("%s: %s %d (%s %s): %v", name, what, index, p.Name, p.Type, err)
		}
		compared += n
	}
	if values < 90 || compared < 1000 {
		t.Errorf("%d values of %d bytes were compared", values, compared)
	}
	if unknown > 0 && !old || unknown > 4 {
		t.Errorf("the places of %d values are not known", unknown)
	}
	t.Logf("%d values, %d not known, %d bytes compared", values, unknown, compared)
}

// amongNamed returns which of the parameters that have a name one is, -1 when it
// has none.
func amongNamed(function string, index int) int {
	unnamed := map[string][]int{
		"main.unnamed": {0, 2}, "main.onlyTypes": {0, 1}, "main.(*pair).nameless": {0}, "main.inlinable": {2},
	}
	before := 0
	for _, i := range unnamed[function] {
		if i == index {
			return -1
		}
		if i < index {
			before++
		}
	}
	return index - before
}

// value returns a parameter or a result and the cookie of where it was seen.
func (w *watched) value(what string, i int) (*symbol.Param, uint64) {
	list, cookie := w.signature.Params, w.cookie
	if what == "result" {
		list, cookie = w.signature.Results, w.cookie+1
	}
	if i >= len(list) {
		return nil, 0
	}
	return &list[i], cookie
}
