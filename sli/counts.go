package sli

import (
	"math"
	"math/big"
	"math/bits"
)

// Counts is how many events were good and how many bad. The zero value is none
// of either. It is a value: nothing here changes its receiver.
type Counts struct {
	// Good kept the promise.
	Good uint64
	// Bad broke it.
	Bad uint64
}

// Plus returns the sum. A count that does not fit stays at its largest value:
// it never wraps around. Sums may be formed in any order.
func (c Counts) Plus(o Counts) Counts {
	sum, _ := c.plus(o)
	return sum
}

func (c Counts) plus(o Counts) (sum Counts, saturated bool) {
	good, carryGood := bits.Add64(c.Good, o.Good, 0)
	bad, carryBad := bits.Add64(c.Bad, o.Bad, 0)
	if carryGood|carryBad == 0 {
		return Counts{good, bad}, false
	}
	if carryGood != 0 {
		good = math.MaxUint64
	}
	if carryBad != 0 {
		bad = math.MaxUint64
	}
	return Counts{good, bad}, true
}

// Total returns good and bad together, saturating like [Counts.Plus].
func (c Counts) Total() uint64 {
	total, carry := bits.Add64(c.Good, c.Bad, 0)
	if carry != 0 {
		return math.MaxUint64
	}
	return total
}

// Ratio returns the share of good events, Good / (Good + Bad): the service level
// indicator itself. Without events there is none, and ok is false.
func (c Counts) Ratio() (ratio float64, ok bool) { return c.share(c.Good) }

// BadRatio returns the share of bad events, Bad / (Good + Bad); ok is false
// without events. It is more exact than 1 - Ratio when few are bad.
func (c Counts) BadRatio() (ratio float64, ok bool) { return c.share(c.Bad) }

// share returns n / (Good + Bad), the nearest float64 to it.
func (c Counts) share(n uint64) (float64, bool) {
	if c == (Counts{}) {
		return 0, false
	}
	// Below 2^53 both operands are exact, and so is a quotient's rounding.
	if total, carry := bits.Add64(c.Good, c.Bad, 0); carry == 0 && total <= 1<<53 {
		return float64(n) / float64(total), true
	}
	share, _ := new(big.Rat).SetFrac(new(big.Int).SetUint64(n), c.total()).Float64()
	return share, true
}

// total returns Good + Bad, which may not fit 64 bits.
func (c Counts) total() *big.Int {
	good := new(big.Int).SetUint64(c.Good)
	return good.Add(good, new(big.Int).SetUint64(c.Bad))
}

// Cumulative turns readings of two counters that only grow, and start again at
// 0 with their process, into how much they grew. The zero value has read
// nothing. It is for one goroutine.
type Cumulative struct {
	last   Counts
	read   bool
	resets uint64
}

// Read takes the next reading, in the order of time, and returns the growth
// since the last one.
//
// The first reading is where growth is counted from: it returns none, as what
// came before has no known time. When either counter is below its last reading
// both have started again, as they belong to one process, and the growth is
// the reading itself: what was counted between the last reading and the reset
// is lost. Prometheus' increase has the same two rules, but looks at each
// counter alone, so that it sees no reset of the one that has meanwhile
// overtaken its last reading.
func (c *Cumulative) Read(reading Counts) (growth Counts, reset bool) {
	last, first := c.last, !c.read
	c.last, c.read = reading, true
	switch {
	case first:
		return Counts{}, false
	case reading.Good < last.Good || reading.Bad < last.Bad:
		c.resets++
		return reading, true
	}
	return Counts{reading.Good - last.Good, reading.Bad - last.Bad}, false
}

// Resets returns how many readings followed a reset.
func (c *Cumulative) Resets() uint64 { return c.resets }
