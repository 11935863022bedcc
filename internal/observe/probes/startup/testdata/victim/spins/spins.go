// Package spins has an init that keeps a CPU busy for as much of its time as
// SPINS says.
package spins

import (
	"os"
	"syscall"
	"time"
)

// Sum is what the work is for.
var Sum int

func init() {
	least, err := time.ParseDuration(os.Getenv("SPINS"))
	if err != nil {
		return
	}
	for before := cpu(); cpu()-before < least; {
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
