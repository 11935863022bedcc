package hook

import (
	"cmp"
	"slices"
	"time"
)

const (
	// guardWindow is how long the cost may stay above the budget.
	guardWindow = time.Second
	// guardEvery is how often the cost is looked at.
	guardEvery = 100 * time.Millisecond
)

// guard watches what hooks cost and names those to give up. It does no I/O.
type guard struct {
	budget float64 // share of a core, 0 without bound
	costs  []time.Duration
	past   []snapshot
}

// snapshot is how often each function had been called at a time.
type snapshot struct {
	at    time.Duration
	calls []uint64
}

// overrun is a function that costs too much.
type overrun struct {
	group int
	// share is what the group took of a core within the window.
	share float64
}

// observe takes the counters at a time. When what the hooks cost within the
// last second is more than the budget allows for a second, it returns the
// dearest groups, without which the rest is within it. It does not wait for the
// second to pass: what was spent is spent.
func (g *guard) observe(at time.Duration, calls []uint64, groups [][]int) []overrun {
	for len(g.past) > 1 && at-g.past[1].at >= guardWindow {
		g.past = g.past[1:]
	}
	g.past = append(g.past, snapshot{at, slices.Clone(calls)})
	if g.budget <= 0 {
		return nil
	}
	from := &g.past[0]
	spent := make([]overrun, 0, len(groups))
	total := 0.0
	for i, group := range groups {
		var cost time.Duration
		for _, f := range group {
			cost += time.Duration(calls[f]-from.calls[f]) * g.costs[f]
		}
		// Before the first second is over the rest of it counts as free.
		share := cost.Seconds() / max(at-from.at, guardWindow).Seconds()
		total += share
		spent = append(spent, overrun{i, share})
	}
	slices.SortStableFunc(spent, func(a, b overrun) int { return cmp.Compare(b.share, a.share) })
	n := 0
	for ; n < len(spent) && total > g.budget; n++ {
		total -= spent[n].share
	}
	return spent[:n]
}

// forget leaves out of account what a function did so far: it is detached.
func (g *guard) forget(f int) { g.costs[f] = 0 }

// maxGroups is how many links are made: a link costs the kernel some tens of
// milliseconds to take away, and some links take as long as one.
const maxGroups = 64

// groupFunctions divides functions into groups that are detached together. The
// dearest ones, which come first, are alone.
func groupFunctions(byCost []int) [][]int {
	var groups [][]int
	for i, f := range byCost {
		if i >= maxGroups-1 && len(byCost) > maxGroups {
			return append(groups, byCost[i:])
		}
		groups = append(groups, []int{f})
	}
	return groups
}
