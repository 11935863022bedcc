package uprobe

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// poke writes into the memory of a process, code included.
func poke(t *testing.T, pid int, addr uint64, b []byte) {
	t.Helper()
	mem, err := os.OpenFile("/proc/"+strconv.Itoa(pid)+"/mem", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	if _, err := mem.WriteAt(b, int64(addr)); err != nil {
		t.Fatal(err)
	}
}

func TestCheck(t *testing.T) {
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "points are found in amd64 code only", "amd64")
	for _, tt := range []struct {
		name  string
		flags []string
		// at is where the code is changed, relative to the point; nothing is
		// where code is nil.
		at   int64
		code []byte
		want error
	}{
		{"takes what nobody touched", nil, 0, nil, nil},
		{"takes what nobody touched in a PIE", []string{"-buildmode=pie"}, 0, nil, nil},
		{"refuses a jump over the point", nil, 0, []byte{0xe9, 1, 2, 3, 4}, ErrPatched},
		{"refuses a jump over the point of a PIE", []string{"-buildmode=pie"}, 0, []byte{0xe9, 1, 2, 3, 4}, ErrPatched},
		{"refuses a jump at the start of the function", nil, -6, []byte{0xe9, 1, 2, 3, 4}, ErrPatched},
		{"takes a breakpoint at the point", nil, 0, []byte{breakpoint}, nil},
		{"takes a breakpoint at the start of the function", nil, -6, []byte{breakpoint}, nil},
		{"does not look at what follows", nil, 8, []byte{0x90}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := startVictim(t, testutil.BuildGo(t, testutil.Files{"main.go": victimSource}, testutil.BuildOptions{Flags: tt.flags}))
			p := v.point(t, "main.first")
			if tt.code != nil {
				poke(t, v.PID, p.Addr+v.bias+uint64(tt.at), tt.code)
			}
			refused := Check(v.PID, v.bias, v.binary, []symbol.Point{v.point(t, "main.second"), p})
			if tt.want == nil && len(refused) > 0 {
				t.Fatalf("refused %v", refused)
			}
			if tt.want != nil && (len(refused) != 1 || refused[0].Offset != p.Offset || !errors.Is(refused[0].Err, tt.want)) {
				t.Fatalf("refused %v, want the point at %#x for %v", refused, p.Offset, tt.want)
			}
		})
	}
}

func TestCheckTakesAnAttachedUprobe(t *testing.T) {
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "points are found in amd64 code only", "amd64")
	v := startVictim(t, testutil.BuildGo(t, testutil.Files{"main.go": victimSource}, testutil.BuildOptions{}))
	program, _ := counting(t, multi())
	p := v.point(t, "main.first")
	closer, _, err := Attach(v.exe, program, []Site{{p.Offset, 1}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	if refused := Check(v.PID, v.bias, v.binary, []symbol.Point{p}); len(refused) > 0 {
		t.Errorf("refused %v: the uprobe is the kernel's", refused)
	}
}

func TestCheckRefusesBreakpointsOfADebugger(t *testing.T) {
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "points are found in amd64 code only", "amd64")
	v := startVictim(t, testutil.BuildGo(t, testutil.Files{"main.go": victimSource}, testutil.BuildOptions{}))
	p := v.point(t, "main.first")
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const seize = 0x4206 // PTRACE_SEIZE, which does not stop the process
	if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, seize, uintptr(v.PID), 0, 0, 0, 0); errno != 0 {
		t.Fatal(errno)
	}
	if refused := Check(v.PID, v.bias, v.binary, []symbol.Point{p}); len(refused) > 0 {
		t.Errorf("refused %v, though the debugger has not touched it", refused)
	}
	poke(t, v.PID, p.Addr+v.bias, []byte{breakpoint})
	refused := Check(v.PID, v.bias, v.binary, []symbol.Point{p})
	if len(refused) != 1 || !errors.Is(refused[0].Err, ErrPatched) {
		t.Errorf("refused %v, want the point with the breakpoint", refused)
	}
}

func TestCheckRefusesWhatItCannotRead(t *testing.T) {
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "points are found in amd64 code only", "amd64")
	v := startVictim(t, testutil.BuildGo(t, testutil.Files{"main.go": victimSource}, testutil.BuildOptions{}))
	good, bad := v.point(t, "main.first"), symbol.Point{Addr: 1 << 40, Offset: 12345}
	// More points than one system call takes, with an unreadable one between.
	var points []symbol.Point
	for range 1500 {
		points = append(points, good)
	}
	points[1200] = bad
	refused := Check(v.PID, v.bias, v.binary, points)
	if len(refused) != 1 || refused[0].Offset != bad.Offset || !errors.Is(refused[0].Err, ErrUnreadable) {
		t.Errorf("refused %v, want the point outside of the file", refused)
	}
	if refused := Check(v.PID, v.bias+1<<40, v.binary, points[:3]); len(refused) != 3 || !errors.Is(refused[2].Err, ErrUnreadable) {
		t.Errorf("with a wrong bias refused %v, want all 3", refused)
	}
	v.Stdin.Close()
	v.Wait()
	if refused := Check(v.PID, v.bias, v.binary, points[:2]); len(refused) != 2 || !errors.Is(refused[0].Err, ErrUnreadable) {
		t.Errorf("of a process that has ended refused %v, want both", refused)
	}
}
