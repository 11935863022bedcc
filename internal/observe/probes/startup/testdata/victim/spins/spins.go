// Package spins has an init that keeps a CPU busy.
package spins

import (
	"os"
	"syscall"
	"time"
)

// Sum is what the work is for.
var Sum int

func init() {
	if os.Getenv("SPINS") == "" {
		return
	}
	for cpu() < 30*time.Millisecond {
		for i := 0; i < 1000; i++ {
			Sum += i
		}
	}
}

// cpu is the CPU time of the process.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
