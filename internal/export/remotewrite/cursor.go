package remotewrite

import (
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/series"
)

const (
	// lookBack is how far behind the newest sample one may be that is yet to be
	// stored; more than that, as a commit takes its time.
	lookBack = series.Lateness + 5*time.Minute
	// headStart is with which samples a receiver begins that is new: those that were
	// stored while the agent started.
	headStart = 5 * time.Minute
)

// cursor is what a receiver has acknowledged. All times are Unix milliseconds.
type cursor struct {
	// floor is the time until which samples are not for the receiver.
	floor int64
	// until is the time of a sample that was the newest of all when all until then
	// had been acknowledged, but for what came late.
	until int64
	// last are the times of the last samples of series, by their IDs. Those that
	// nobody looks back to are forgotten.
	last map[uint64]int64
}

// newCursor returns the cursor of a receiver that is new.
func newCursor(now time.Time) *cursor {
	begin := now.Add(-headStart).UnixMilli()
	return &cursor{floor: begin, until: begin, last: make(map[uint64]int64)}
}

// after returns the time after which there may be samples that are not acknowledged.
func (c *cursor) after() int64 { return max(c.floor, c.until-lookBack.Milliseconds()) }

func (c *cursor) seen(id uint64) (at int64, ok bool) {
	at, ok = c.last[id]
	return at, ok
}

// take notes that a sample needs not be sent again.
func (c *cursor) take(id uint64, at int64) { c.last[id] = max(c.last[id], at) }

// advance notes that all until a time has been acknowledged.
func (c *cursor) advance(until int64) {
	c.until = max(c.until, until)
	after := c.after()
	for id, at := range c.last {
		if at <= after {
			delete(c.last, id)
		}
	}
}

// leaveOut gives up samples until a time.
func (c *cursor) leaveOut(until int64) {
	c.floor, c.until = max(c.floor, until), max(c.until, until)
}
