package shop

import (
	"fmt"
	"syscall"
	"unsafe"
)

// Options of prctl, from linux/prctl.h.
const (
	prSetChildSubreaper = 36
	prGetChildSubreaper = 37
)

// becomeSubreaper makes this process the parent of descendants whose own
// parent ends, so that it can reap them; init may not. restore undoes it and
// is never nil.
func becomeSubreaper() (restore func(), err error) {
	var before int32
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prGetChildSubreaper, uintptr(unsafe.Pointer(&before)), 0); errno != 0 {
		return func() {}, fmt.Errorf("prctl PR_GET_CHILD_SUBREAPER: %w", errno)
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); errno != 0 {
		return func() {}, fmt.Errorf("prctl PR_SET_CHILD_SUBREAPER: %w", errno)
	}
	return func() { syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, uintptr(before), 0) }, nil
}
