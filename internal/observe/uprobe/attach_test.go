package uprobe

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

const victimSource = `package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
)

var sink int

//go:noinline
func first(n int) int { if n > 1000 { println(n) }; return n + 1 }

//go:noinline
func second(n int) int { if n > 1000 { println(n) }; return n + 2 }

func main() {
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		n, _ := strconv.Atoi(lines.Text())
		done := make(chan bool)
		for i := 0; i < n; i++ {
			go func() { sink += first(1) + second(2); done <- true }()
			<-done
		}
		fmt.Println("done")
	}
}
`

// victim is a running program with what is known of it.
type victim struct {
	*testutil.Target
	exe    *os.File
	binary *symbol.Binary
	bias   uint64
}

func startVictim(t *testing.T, path string) *victim {
	t.Helper()
	v := &victim{Target: testutil.StartTarget(t, path)}
	v.WaitLine("ready")
	var err error
	if v.exe, err = os.Open("/proc/" + strconv.Itoa(v.PID) + "/exe"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.exe.Close() })
	if v.binary, err = symbol.OpenFile(v.exe); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.binary.Close() })
	v.bias = v.binary.LoadBias(startCode(t, v.PID))
	return v
}

// startCode reads field 26 of /proc/PID/stat.
func startCode(t *testing.T, pid int) uint64 {
	t.Helper()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')'):]))
	n, err := strconv.ParseUint(fields[26-2], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// call has the victim call its functions and waits until it has.
func (v *victim) call(t *testing.T, n int) {
	t.Helper()
	if _, err := v.Stdin.Write([]byte(strconv.Itoa(n) + "\n")); err != nil {
		t.Fatal(err)
	}
	v.WaitLine("done")
}

func (v *victim) point(t *testing.T, name string) symbol.Point {
	t.Helper()
	p, err := v.binary.EntryPoint(v.binary.Lookup(name)[name])
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// counting returns a program that counts hits by cookie, and the counters.
func counting(t *testing.T, many bool) (*ebpf.Program, func(cookie uint64) uint64) {
	t.Helper()
	counts, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 16})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { counts.Close() })
	spec := &ebpf.ProgramSpec{Name: "count", License: "GPL", Instructions: asm.Instructions{
		asm.FnGetAttachCookie.Call(),
		asm.StoreMem(asm.RFP, -4, asm.R0, asm.Word),
		asm.LoadMapPtr(asm.R1, counts.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return(),
	}}
	prepare(spec, many)
	program, err := ebpf.NewProgram(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return program, func(cookie uint64) uint64 {
		var value [8]byte
		if err := counts.Lookup(uint32(cookie), &value); err != nil {
			t.Fatal(err)
		}
		return binary.NativeEndian.Uint64(value[:])
	}
}

func TestAttach(t *testing.T) {
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "points are found in amd64 code only", "amd64")
	path := testutil.BuildGo(t, testutil.Files{"main.go": victimSource}, testutil.BuildOptions{})
	for name, many := range map[string]bool{"by one link": true, "by a link for each site, as before 6.6": false} {
		t.Run(name, func(t *testing.T) {
			if many && !multi() {
				testutil.RequireKernel(t, "6.6", "uprobe.multi")
			}
			v, other := startVictim(t, path), startVictim(t, path)
			program, hits := counting(t, many)
			sites := []Site{{v.point(t, "main.first").Offset, 3}, {v.point(t, "main.second").Offset, 5}}
			o := Options{}
			if filtersProcess(program, many) {
				o.PID = v.PID
			}
			closer, refused, err := attach(v.exe, program, sites, o, many)
			if err != nil || len(refused) > 0 {
				t.Fatal(err, refused)
			}
			v.call(t, 1000)
			if o.PID != 0 {
				other.call(t, 10)
			}
			if first, second := hits(3), hits(5); first != 1000 || second != 1000 {
				t.Errorf("%d and %d hits, want 1000 of each", first, second)
			}
			if err := closer.Close(); err != nil {
				t.Error(err)
			}
			v.call(t, 10)
			if first := hits(3); first != 1000 {
				t.Errorf("%d hits after it was detached from, want 1000", first)
			}
			if err := closer.Close(); err != nil {
				t.Errorf("closed twice: %v", err)
			}
		})
	}
}

func TestAttachFindsTheSitesToBlame(t *testing.T) {
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "points are found in amd64 code only", "amd64")
	v := startVictim(t, testutil.BuildGo(t, testutil.Files{"main.go": victimSource}, testutil.BuildOptions{}))
	program, hits := counting(t, multi())
	first, second := v.point(t, "main.first").Offset, v.point(t, "main.second").Offset
	info, err := v.exe.Stat()
	if err != nil {
		t.Fatal(err)
	}
	beyond := uint64(info.Size()) + 4096
	closer, refused, err := Attach(v.exe, program, []Site{{first, 1}, {beyond, 7}, {second, 2}, {beyond + 64, 8}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	if len(refused) != 2 || refused[0].Cookie != 7 || refused[1].Cookie != 8 || refused[0].Err == nil {
		t.Errorf("refused %v, want the sites 7 and 8 that are beyond the file", refused)
	}
	v.call(t, 20)
	if hits(1) != 20 || hits(2) != 20 {
		t.Errorf("%d and %d hits of the good sites, want 20 of each", hits(1), hits(2))
	}
}

func TestAttachFails(t *testing.T) {
	testutil.RequireBPF(t)
	v := startVictim(t, testutil.BuildGo(t, testutil.Files{"main.go": victimSource}, testutil.BuildOptions{}))
	program, _ := counting(t, multi())
	if _, _, err := Attach(v.exe, program, nil, Options{}); !errors.Is(err, errNoSites) {
		t.Errorf("without sites: %v", err)
	}
	var many []Site
	for i := range uint64(2000) {
		many = append(many, Site{1<<40 + 16*i, i})
	}
	_, refused, err := Attach(v.exe, program, many, Options{})
	if err == nil || len(refused) > maxBlamed {
		t.Errorf("2000 sites beyond the file: error %v after %d refusals, want one after at most %d", err, len(refused), maxBlamed)
	}
	v.Stdin.Close()
	v.Wait()
	if FiltersProcess(program) {
		if _, _, err := Attach(v.exe, program, []Site{{4096, 1}}, Options{PID: v.PID}); err == nil {
			t.Error("attached to a process that has ended")
		}
	}
}

func TestAttachTakesAFileThatWasReplaced(t *testing.T) {
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "points are found in amd64 code only", "amd64")
	built := testutil.BuildGo(t, testutil.Files{"main.go": victimSource}, testutil.BuildOptions{})
	image, err := os.ReadFile(built)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(path, image, 0o755); err != nil {
		t.Fatal(err)
	}
	v := startVictim(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("something else"), 0o755); err != nil {
		t.Fatal(err)
	}
	program, hits := counting(t, multi())
	closer, refused, err := Attach(v.exe, program, []Site{{v.point(t, "main.first").Offset, 1}}, Options{})
	if err != nil || len(refused) > 0 {
		t.Fatal(err, refused)
	}
	defer closer.Close()
	v.call(t, 7)
	if hits(1) != 7 {
		t.Errorf("%d hits, want 7", hits(1))
	}
}

func TestBlamesSite(t *testing.T) {
	for err, want := range map[error]bool{
		enotsupp: true, unix.EOPNOTSUPP: true, unix.EINVAL: true, unix.EPERM: false, unix.ENOENT: false, unix.ENOMEM: false,
	} {
		if got := blamesSite(err); got != want {
			t.Errorf("blamesSite(%v) = %v", err, got)
		}
	}
}
