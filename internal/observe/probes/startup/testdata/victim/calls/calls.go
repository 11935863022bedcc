// Package calls has an init that makes as many system calls as CALLS says, of the
// least kind, and opens a file for one in fifty.
package calls

import (
	"os"
	"strconv"
	"syscall"
	"time"
)

// Took is how long they took by the program's own clock.
var Took time.Duration

func init() {
	n, err := strconv.Atoi(os.Getenv("CALLS"))
	if err != nil {
		return
	}
	began := time.Now()
	for i := 0; i < n; i++ {
		if i%50 != 0 {
			syscall.Getppid()
			continue
		}
		if file, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0); err == nil {
			syscall.Close(file)
		}
	}
	Took = time.Since(began)
}
