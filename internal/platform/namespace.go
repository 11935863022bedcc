package platform

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// PIDNamespace names a PID namespace to the kernel's programs.
type PIDNamespace struct {
	// Device is in the kernel's own form, which is not that of stat(2).
	Device, Inode uint64
}

// PIDNamespaceOf returns the PID namespace that a process is in, 0 being this one:
// its id is not that of /proc where that is of another namespace. The error matches
// [os.ErrNotExist] when the process is gone, or the kernel has no namespaces.
func PIDNamespaceOf(pid int) (PIDNamespace, error) {
	path := "/proc/self/ns/pid"
	if pid != 0 {
		path = fmt.Sprintf("/proc/%d/ns/pid", pid)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return PIDNamespace{}, fmt.Errorf("PID namespace of process %d: %w", pid, err)
	}
	// MINORBITS of the kernel's kdev_t.h.
	const minorBits = 20
	return PIDNamespace{Device: uint64(unix.Major(st.Dev))<<minorBits | uint64(unix.Minor(st.Dev)), Inode: st.Ino}, nil
}
