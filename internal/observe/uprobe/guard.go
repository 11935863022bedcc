package uprobe

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

var (
	// ErrBeingWritten says that somebody has the file open for writing.
	ErrBeingWritten = errors.New("the file is being written")
	// ErrUnguarded says that whoever writes to the file cannot be held up: its
	// file system has no leases, or the capability CAP_LEASE is missing.
	ErrUnguarded = errors.New("writing to the file cannot be held up")
)

// Guard holds up whoever opens an executable for writing until it is closed.
//
// The kernel puts the probes of a file into each process that executes it, with
// the instructions that it read from the file when they were attached. A file
// that is overwritten in place has others there: the next process that executes
// it runs what it never contained, and crashes. As long as a process executes
// the file the kernel refuses to open it for writing; a guard does the rest.
//
// It is a read lease (fcntl(2), F_SETLEASE): the kernel makes open wait until the
// lease is given back, for /proc/sys/fs/lease-break-time at most, 45 seconds by
// default. Several guards may be on one file. To put another file in its place by
// rename(2) is not held up and needs not be: that is another file.
type Guard struct{ file *os.File }

// NewGuard guards file, which must be open for reading only and which the guard
// closes from then on. When the error matches [ErrBeingWritten] or [ErrUnguarded]
// the file is as it was.
func NewGuard(file *os.File) (*Guard, error) {
	_, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	runtime.KeepAlive(file)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return nil, fmt.Errorf("%s: %w", file.Name(), ErrBeingWritten)
	case err != nil:
		return nil, fmt.Errorf("%s: %w: %w", file.Name(), ErrUnguarded, err)
	}
	return &Guard{file: file}, nil
}

// Awaited reports whether somebody waits to write to the file. Its probes must be
// detached then, and the guard closed after that.
func (g *Guard) Awaited() bool {
	lease, err := unix.FcntlInt(g.file.Fd(), unix.F_GETLEASE, 0)
	return err != nil || lease != unix.F_RDLCK
}

// Close lets go on who waits, and closes the file.
func (g *Guard) Close() error { return g.file.Close() }
