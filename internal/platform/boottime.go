package platform

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// bootClockReads is how many times the clocks are compared; the comparison
// that was interrupted least is kept.
const bootClockReads = 8

// BootClock converts times of CLOCK_BOOTTIME, in which the kernel stamps
// events and the starts of processes, to the wall clock. The zero value is
// ready to use and measures on the first conversion. It is safe for concurrent
// use and must not be copied after first use.
type BootClock struct {
	// state is nil until the clocks were compared.
	state atomic.Pointer[bootOffset]
	// read replaces the clocks in tests.
	read func() (before, wall, after int64, err error)
}

type bootOffset struct {
	wallMinusBoot int64
}

// Wall returns the wall time, in UTC, at which the boot clock showed bootNS
// nanoseconds. It uses the offset of the last [BootClock.Refresh], so a step
// of the wall clock is seen only after the next one. It never blocks. If the
// clocks cannot be read at all it returns the zero time.
func (c *BootClock) Wall(bootNS uint64) time.Time {
	state := c.state.Load()
	if state == nil {
		if _, err := c.Refresh(); err != nil {
			return time.Time{}
		}
		state = c.state.Load()
	}
	return time.Unix(0, int64(bootNS)+state.wallMinusBoot).UTC()
}

// Refresh compares the clocks anew and returns how far the wall clock moved
// against the boot clock since the last comparison; 0 for the first one. It
// costs a few microseconds. An error leaves the last offset in place.
func (c *BootClock) Refresh() (step time.Duration, err error) {
	read := c.read
	if read == nil {
		read = readClocks
	}
	var best int64 = -1
	var offset int64
	for range bootClockReads {
		before, wall, after, err := read()
		if err != nil {
			return 0, fmt.Errorf("compare boot clock and wall clock: %w", err)
		}
		if gap := after - before; best < 0 || gap < best {
			best = gap
			offset = wall - (before + gap/2)
		}
	}
	old := c.state.Swap(&bootOffset{wallMinusBoot: offset})
	if old == nil {
		return 0, nil
	}
	return time.Duration(offset - old.wallMinusBoot), nil
}

// readClocks reads the wall clock between two reads of the boot clock.
func readClocks() (before, wall, after int64, err error) {
	var b, w, a unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &b); err != nil {
		return 0, 0, 0, fmt.Errorf("clock_gettime CLOCK_BOOTTIME: %w", err)
	}
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &w); err != nil {
		return 0, 0, 0, fmt.Errorf("clock_gettime CLOCK_REALTIME: %w", err)
	}
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &a); err != nil {
		return 0, 0, 0, fmt.Errorf("clock_gettime CLOCK_BOOTTIME: %w", err)
	}
	return b.Nano(), w.Nano(), a.Nano(), nil
}
