package poll

import (
	"math"
	"time"

	"github.com/prometheus/common/model"
)

// remember is for how long the value of a series that is gone is known.
const remember = time.Hour

// growth takes the growth of counters from their values.
type growth struct {
	series map[model.Fingerprint]reading
}

type reading struct {
	value float64
	seen  time.Time
}

// add returns by how much the counters grew since the last call. What is there and
// was not, began at 0 if fresh is set; else it may have counted before anybody asked,
// and grew by nothing.
func (g *growth) add(at time.Time, vector model.Vector, fresh bool) float64 {
	if g.series == nil {
		g.series = make(map[model.Fingerprint]reading)
	}
	sum := 0.0
	for _, sample := range vector {
		value, key := float64(sample.Value), sample.Metric.Fingerprint()
		if math.IsNaN(value) || math.IsInf(value, 0) || value < 0 {
			continue
		}
		before, known := g.series[key]
		if value < before.value {
			before.value = 0
		}
		if known || fresh {
			sum += value - before.value
		}
		g.series[key] = reading{value, at}
	}
	for key, r := range g.series {
		if at.Sub(r.seen) > remember {
			delete(g.series, key)
		}
	}
	return sum
}
