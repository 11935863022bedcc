package ui

import (
	"sync"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// costs remembers what the probes have cost, to say what they cost now: the
// API knows only the sum since the start.
type costs struct {
	mu      sync.Mutex
	samples map[string][]costSample
}

type costSample struct {
	at time.Time
	ns int64
}

const (
	// costSpan is the time over which the share is taken, costStep the least.
	costSpan = time.Minute
	costStep = 2 * time.Second
)

// share notes a probe's cost at now, and returns the share of a core that it
// has taken since a minute before, or since it was first asked; negative when
// that is not known.
func (c *costs) share(p v1.Probe, now time.Time) float64 {
	if p.CostNS == nil {
		return -1
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.samples == nil {
		c.samples = make(map[string][]costSample)
	}
	list := c.samples[p.Name]
	if n := len(list); n > 0 && *p.CostNS < list[n-1].ns {
		list = nil // it has started anew
	}
	if n := len(list); n == 0 || now.Sub(list[n-1].at) >= costStep {
		list = append(list, costSample{now, *p.CostNS})
	}
	for len(list) > 2 && now.Sub(list[1].at) >= costSpan {
		list = list[1:]
	}
	c.samples[p.Name] = list
	first := list[0]
	if elapsed := now.Sub(first.at); elapsed >= costStep {
		return float64(*p.CostNS-first.ns) / float64(elapsed)
	}
	return -1
}
