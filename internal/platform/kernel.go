package platform

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// BootTime returns the time since boot, suspend included: CLOCK_BOOTTIME, in
// which the kernel stamps events.
func BootTime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

// Memory returns the bytes of memory that the host has, 0 when it does not say.
func Memory() uint64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return info.Totalram * uint64(info.Unit)
}

// CheckBTF returns nil when the kernel describes its own types, which every
// eBPF program of Goshawk needs.
func CheckBTF() error {
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		return fmt.Errorf("read the kernel's type information: %w", err)
	}
	return nil
}

// CheckPrivilege returns nil when the process may load eBPF programs.
func CheckPrivilege() error {
	if os.Geteuid() == 0 {
		return nil
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("read own capabilities: %w", err)
	}
	has := func(c uint) bool { return data[c/32].Effective&(1<<(c%32)) != 0 }
	if has(unix.CAP_SYS_ADMIN) || has(unix.CAP_BPF) && has(unix.CAP_PERFMON) {
		return nil
	}
	return errors.New("not root, and without CAP_BPF and CAP_PERFMON")
}

// KernelVersion returns the running kernel's major and minor version.
func KernelVersion() (major, minor int, err error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return 0, 0, fmt.Errorf("uname: %w", err)
	}
	return parseKernelRelease(unix.ByteSliceToString(name.Release[:]))
}

// parseKernelRelease reads "6.18.44-generic".
func parseKernelRelease(release string) (major, minor int, err error) {
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		return 0, 0, fmt.Errorf("kernel release %q: no minor version", release)
	}
	if major, err = strconv.Atoi(parts[0]); err != nil {
		return 0, 0, fmt.Errorf("kernel release %q: %w", release, err)
	}
	digits := strings.TrimRightFunc(parts[1], func(r rune) bool { return r < '0' || r > '9' })
	if minor, err = strconv.Atoi(digits); err != nil {
		return 0, 0, fmt.Errorf("kernel release %q: %w", release, err)
	}
	return major, minor, nil
}

// CheckKernel returns nil when the running kernel is at least major.minor.
func CheckKernel(major, minor int) error {
	gotMajor, gotMinor, err := KernelVersion()
	if err != nil {
		return err
	}
	if gotMajor > major || gotMajor == major && gotMinor >= minor {
		return nil
	}
	return fmt.Errorf("kernel %d.%d is older than %d.%d", gotMajor, gotMinor, major, minor)
}
