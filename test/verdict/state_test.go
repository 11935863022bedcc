package verdict

import (
	"math"

	"github.com/goshawk-io/goshawk/sli"
)

// verdictOf is what someone concludes who has the series and alerts of the rules
// alone, by the words of package sli for its verdicts: the budget that is left, the
// alerts, and how many events there were.
func verdictOf(o sli.Objective, c claim, left float64, known bool) sli.Verdict {
	all := c.windows[len(c.windows)-1]
	if !all.known || !known {
		return sli.InsufficientData
	}
	enough := float64(all.Total()) >= math.Ceil(1/o.Allowance()-1e-9)
	minBad := max(o.MinBad, 1)
	if o.MinBad == 0 {
		minBad = 5
	}
	confidence := o.Confidence
	if confidence == 0 {
		confidence = 0.95
	}
	low, _ := sli.Wilson(all.Bad, all.Total(), 2*confidence-1)
	if left <= 0 && (enough || all.Bad >= minBad && left < 0 && low > o.Allowance()) {
		return sli.Exhausted
	}
	blind := false
	for i, a := range o.Alerts {
		if c.firing[i] {
			return sli.Burning
		}
		short, long := c.windows[i], c.windows[i+2]
		limit := a.Burn * o.Allowance() * (1 + 1e-12)
		few := min(short.Total(), long.Total()) < o.Alert(a, sli.Counts{}, sli.Counts{}).MinEvents
		blind = blind || few && short.known && long.known && short.share > limit && long.share > limit
	}
	if blind || !enough {
		return sli.InsufficientData
	}
	return sli.OK
}
