package waterfall

import (
	"slices"
	"time"
)

// self returns how much of its duration a row has for itself: the time that no
// child covers.
func (r *row) self() time.Duration {
	own := r.event.Duration
	if own <= 0 {
		return 0
	}
	end := r.start.Add(own)
	children := slices.Clone(r.children)
	slices.SortFunc(children, func(a, b *row) int { return a.start.Compare(b.start) })
	reached := r.start
	for _, c := range children {
		from, to := latest(c.start, reached), c.end
		if to.After(end) {
			to = end
		}
		if to.After(from) {
			own -= to.Sub(from)
			reached = to
		}
	}
	return own
}
