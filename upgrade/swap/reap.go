package swap

import (
	"context"
	"os"
	"os/signal"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// again is how soon it is looked again for a version whose end nobody has noticed yet.
const again = 10 * time.Millisecond

// reap clears away processes that others have left to this one, until ctx ends.
func (e *Engine) reap(ctx context.Context) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	defer signal.Stop(ended)
	for {
		var later <-chan time.Time
		if e.clear() {
			later = time.After(again)
		}
		select {
		case <-ctx.Done():
			return
		case <-ended:
		case <-later:
		}
	}
}

// clear clears away what has ended and is no version. It reports whether it could not
// look behind a version that has ended.
func (e *Engine) clear() bool {
	e.starting.Lock()
	defer e.starting.Unlock()
	for {
		pid := endedChild()
		if pid == 0 {
			return false
		}
		e.mu.Lock()
		_, isVersion := e.versions[pid]
		e.mu.Unlock()
		if isVersion {
			return true
		}
		var status unix.WaitStatus
		if _, err := unix.Wait4(pid, &status, unix.WNOHANG, nil); err != nil {
			return false
		}
	}
}

// endedChild returns a child that has ended, and leaves it as it is; 0 for none.
func endedChild() int {
	// siginfo_t has three numbers, from the next address on that a pointer may have its
	// number of the process, and 128 bytes in all.
	var info [32]int32
	at := 3
	if unsafe.Sizeof(uintptr(0)) == 8 {
		at = 4
	}
	for {
		err := unix.Waitid(unix.P_ALL, 0, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		switch err {
		case nil:
			return int(info[at])
		case unix.EINTR:
		default:
			return 0
		}
	}
}
