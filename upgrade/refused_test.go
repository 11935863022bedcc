package upgrade_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// refuseMemfd has the kernel refuse memory files to this process, and to its children,
// from now on, as a sandbox may.
func refuseMemfd() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the system call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_MEMFD_CREATE, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return nil
}

// TestUpgrade_withoutMemoryFiles has a sandbox that refuses memfd_create: nothing can be
// handed over, so that nothing is started, and the server goes on.
func TestUpgrade_withoutMemoryFiles(t *testing.T) {
	t.Parallel()
	p := quick()
	p.RefuseMemfd, p.State = true, 1<<10
	r := newRig(t, p)
	for n := range 2 {
		r.stays(n, "memfd_create: operation not permitted")
	}
	if left := r.versions(); len(left) != 1 {
		t.Errorf("versions: got %v, want the first one alone", left)
	}
}

// TestUpgrade_fullDisk has no room for the PID file: the upgrade goes on, and the file is
// right again after the next one.
func TestUpgrade_fullDisk(t *testing.T) {
	t.Parallel()
	folder := testutil.RequireSmallDisk(t, 16<<10)
	p := quick()
	p.PIDFile = filepath.Join(folder, "pid")
	r := newRig(t, p)
	first := r.serving()
	awaitPID(t, p.PIDFile, first) // it is written just after the server runs
	filler := filepath.Join(folder, "filler")
	if err := os.WriteFile(filler, bytes.Repeat([]byte("x"), 64<<10), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
	r.upgraded(0)
	r.logged("no space left on device")
	if text, err := os.ReadFile(p.PIDFile); err != nil || strings.TrimSpace(string(text)) != strconv.Itoa(first) {
		t.Errorf("the PID file has %q, %v; want what it had, %d", text, err, first)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	second := r.upgraded(1)
	awaitPID(t, p.PIDFile, second.PID)
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("files: got %v, %v; want the PID file alone", left, err)
	}
}

// awaitPID waits until a PID file names a process.
func awaitPID(t *testing.T, path string, pid int) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(path)
		if strings.TrimSpace(string(text)) == strconv.Itoa(pid) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the PID file has %q, %v; want %d", text, err, pid)
		}
	}
}
