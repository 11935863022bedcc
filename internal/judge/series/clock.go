package series

import (
	"sync"
	"time"
)

// clock says up to when samples are taken. It trusts the wall clock as long as
// that goes with the monotonic one; a step forward by more than ahead is
// trusted once it has stood for that long.
type clock struct {
	now     func() time.Time     // the wall clock
	elapsed func() time.Duration // a clock that never steps
	ahead   time.Duration

	mu       sync.Mutex
	wall     time.Time     // what the wall clock said when it was last trusted
	at       time.Duration // elapsed then
	stepped  bool          // the wall clock is too far ahead
	steppedA time.Duration // elapsed when that was first seen
}

func newClock(now func() time.Time, elapsed func() time.Duration, ahead time.Duration) *clock {
	return &clock{now: now, elapsed: elapsed, ahead: ahead, wall: now().Round(0), at: elapsed()}
}

// limit returns the time that no sample may be later than.
func (c *clock) limit() time.Time {
	wall, elapsed := c.now().Round(0), c.elapsed()
	c.mu.Lock()
	defer c.mu.Unlock()
	expected := c.wall.Add(elapsed - c.at)
	trusted := wall.Sub(expected) <= c.ahead
	switch {
	case trusted:
		c.stepped = false
	case !c.stepped:
		c.stepped, c.steppedA = true, elapsed
	case elapsed-c.steppedA >= c.ahead:
		c.stepped, trusted = false, true
	}
	if trusted {
		c.wall, c.at = wall, elapsed
		expected = wall
	}
	return expected.Add(c.ahead)
}
