package probe

import (
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/observe/uprobe"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// TestProcessThatEndsWhileItIsLookedAt has one of two processes of a program end
// while its code is compared with the file: the other is observed all the same.
func TestProcessThatEndsWhileItIsLookedAt(t *testing.T) {
	testutil.RequireBPF(t)
	path := testutil.BuildGo(t, testutil.Files{"main.go": "package main\n\nimport \"os\"\n\nfunc main() { println(os.Stdin.Read(make([]byte, 1))) }\n"}, testutil.BuildOptions{})
	spec := &ebpf.ProgramSpec{License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}}
	uprobe.PrepareProgram(spec)
	program, err := ebpf.NewProgram(spec)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	f := newTestFunctions(FunctionPoint{Program: "p", Function: "main.main"})
	f.collection.Programs = map[string]*ebpf.Program{"p": program}
	f.host.Symbols = symbol.NewCache(symbol.Options{})
	f.host.Processes = target.NewTable(target.TableOptions{})
	f.options.Eager = true
	defer f.close()
	first, second := testutil.StartTarget(t, path), testutil.StartTarget(t, path)
	if err := f.host.Processes.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	checked := map[int]int{}
	f.check = func(pid int, bias uint64, b *symbol.Binary, points []symbol.Point) []uprobe.Refusal {
		checked[pid]++
		if pid == first.PID {
			first.Signal(os.Kill)
			first.Wait()
		}
		return uprobe.Check(pid, bias, b, points)
	}
	for _, pid := range []int{first.PID, second.PID} {
		p, ok := f.host.Processes.Get(int32(pid))
		if !ok {
			t.Fatalf("process %d is not known", pid)
		}
		if e := f.find(p, time.Now()); (e == nil) != (pid == first.PID) {
			t.Errorf("process %d: %+v", pid, e)
		} else if e != nil && (e.refused != nil || e.points() != 1 || len(e.off) > 0) {
			t.Errorf("process %d: refused %v, %d points, off %+v", pid, e.refused, e.points(), e.off)
		}
	}
	if checked[first.PID] != 1 || checked[second.PID] != 1 || len(f.files) != 1 {
		t.Errorf("looked at %v, %d files", checked, len(f.files))
	}
}
