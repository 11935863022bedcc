// Package exitcode says with what a process exits that runs a server, when that has ended.
//
// What comes in is how the server ended, and the signal that was passed on to it. What goes
// out is a number from 0 to 255. It refuses nothing.
package exitcode

import (
	"os"

	"golang.org/x/sys/unix"
)

// signalled is added to the number of a signal, as shells do.
const signalled = 128

// Of returns the exit code of a process that has ended, and of one that a signal has ended
// 128 and the signal; but 0 if that is the SIGTERM which was passed on to it, as service
// managers see a service that has no handler for it. Passed is the last signal to end that
// was, nil for none.
func Of(status unix.WaitStatus, passed os.Signal) int {
	switch {
	case !status.Signaled():
		return status.ExitStatus()
	case status.Signal() == unix.SIGTERM && passed == unix.SIGTERM:
		return 0
	}
	return signalled + int(status.Signal())
}
