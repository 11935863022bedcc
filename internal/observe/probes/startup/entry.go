package startup

import (
	"syscall"
	"time"
)

// How often a system call is timed: the least of so many times so many, which takes
// less than a tenth of a millisecond.
const (
	timedBatches = 16
	timedCalls   = 16
)

// mostEntry bounds what is believed of the way into the programs: more than that is
// the machine's doing.
const mostEntry = 2 * time.Microsecond

// callTime returns how long the least system call takes on this thread, as it is
// traced now.
func callTime() time.Duration {
	least := time.Hour
	for range timedBatches {
		began := time.Now()
		for range timedCalls {
			_ = syscall.Getppid()
		}
		least = min(least, time.Since(began))
	}
	return least / timedCalls
}

// entryCost returns what the kernel takes at each system call to run the programs,
// from what a call takes without them and with them while they have nothing to do.
func entryCost(untraced, traced time.Duration) time.Duration {
	if untraced <= 0 {
		return 0
	}
	return min(max(0, traced-untraced), mostEntry)
}
