package testutil

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// oldestKernel is the first one that a failure to load BPF is a bug on.
const oldestKernel = "5.17"

// RequireBPF skips the test where BPF programs cannot be loaded: without root
// or CAP_BPF and CAP_PERFMON, on a kernel without BTF, or older than 5.17.
// Where none of these holds and the kernel still refuses a minimal program,
// the test fails. With GOSHAWK_REQUIRE_BPF=1 in the environment every one of
// these fails it.
func RequireBPF(t testing.TB) {
	t.Helper()
	h := bpfHost{
		release:  kernelRelease(),
		required: os.Getenv("GOSHAWK_REQUIRE_BPF") == "1",
		load:     loadMinimalProgram,
	}
	status, err := os.ReadFile("/proc/self/status")
	if err == nil {
		h.capable, err = bpfCapable(status)
	}
	if err != nil {
		t.Fatalf("read this process's capabilities: %v", err)
	}
	users, err := os.ReadFile("/proc/self/uid_map")
	h.capable = h.capable && err == nil && initialUserNamespace(users)
	_, err = os.Stat("/sys/kernel/btf/vmlinux")
	h.btf = err == nil
	switch verdict, reason := h.judge(); verdict {
	case skipTest:
		t.Skip(reason)
	case failTest:
		t.Fatal(reason)
	}
}

type verdict int

const (
	runTest verdict = iota
	skipTest
	failTest
)

// bpfHost is what decides whether a test that needs BPF runs.
type bpfHost struct {
	capable  bool // may load and attach
	btf      bool
	release  string
	required bool // a skip is a failure
	load     func() error
}

func (h bpfHost) judge() (verdict, string) {
	missing := skipTest
	if h.required {
		missing = failTest
	}
	switch {
	case !h.capable:
		return missing, "BPF: needs root, or CAP_BPF and CAP_PERFMON, outside of a user namespace"
	case !h.btf:
		return missing, "BPF: kernel " + h.release + " has no /sys/kernel/btf/vmlinux: needs CONFIG_DEBUG_INFO_BTF"
	case !releaseAtLeast(h.release, oldestKernel):
		return missing, "BPF: kernel " + h.release + " is older than " + oldestKernel
	}
	if err := h.load(); err != nil {
		return failTest, fmt.Sprintf("BPF: kernel %s has BTF and we may load programs, yet: %v", h.release, err)
	}
	return runTest, ""
}

// bpfCapable reads the text of /proc/self/status.
func bpfCapable(status []byte) (bool, error) {
	for line := range bytes.Lines(status) {
		text, ok := strings.CutPrefix(string(line), "CapEff:")
		if !ok {
			continue
		}
		text = strings.TrimSpace(text)
		effective, err := strconv.ParseUint(text, 16, 64)
		if err != nil {
			return false, fmt.Errorf("CapEff %q: %w", text, err)
		}
		has := func(capability int) bool { return effective>>capability&1 == 1 }
		return has(unix.CAP_SYS_ADMIN) || has(unix.CAP_BPF) && has(unix.CAP_PERFMON), nil
	}
	return false, errors.New("no CapEff line")
}

// initialUserNamespace reads the text of /proc/self/uid_map: capabilities in
// any other user namespace do not reach BPF.
func initialUserNamespace(uidMap []byte) bool {
	return slices.Equal(strings.Fields(string(uidMap)), []string{"0", "0", "4294967295"})
}

// loadMinimalProgram loads `return 0` as a tracepoint program and closes it.
func loadMinimalProgram() error {
	const progLoad = 5                      // BPF_PROG_LOAD
	instructions := [...]uint64{0xb7, 0x95} // r0 = 0; exit
	license := [...]byte{'G', 'P', 'L', 0}
	// union bpf_attr, as far as BPF_PROG_LOAD reads it.
	attr := struct {
		progType, count       uint32
		instructions, license uint64
		logLevel, logSize     uint32
		log                   uint64
		version, flags        uint32
	}{
		progType:     unix.BPF_PROG_TYPE_TRACEPOINT,
		count:        uint32(len(instructions)),
		instructions: uint64(uintptr(unsafe.Pointer(&instructions))),
		license:      uint64(uintptr(unsafe.Pointer(&license))),
	}
	var pin runtime.Pinner
	pin.Pin(&instructions)
	pin.Pin(&license)
	defer pin.Unpin()
	fd, _, errno := unix.Syscall(unix.SYS_BPF, progLoad, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return fmt.Errorf("bpf(BPF_PROG_LOAD): a minimal tracepoint program: %w", errno)
	}
	return unix.Close(int(fd))
}
