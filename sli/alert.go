package sli

import (
	"fmt"
	"math"
	"math/big"
	"time"
)

// Alert says when the budget burns too fast: when the burn rate is above Burn
// over both the long and the short of two windows that end now. The long one
// makes sure that it matters, the short one that it still goes on (Google's SRE
// Workbook, chapter 5, "Multiwindow, multi-burn-rate alerts").
type Alert struct {
	// Severity is whom it is for: "page" or "ticket" for [DefaultAlerts].
	Severity string
	// Burn is the rate, 1 being the one at which the budget lasts just as long
	// as the objective's window. It is taken as the decimal number that is
	// written.
	Burn float64
	// Long and Short are how far the two windows look back.
	Long, Short time.Duration
}

// Validate returns what is wrong with the alert, nil when nothing is. What
// depends on its objective [Objective.Validate] finds.
func (a Alert) Validate() error {
	if !(a.Burn > 0) || math.IsInf(a.Burn, 0) {
		return fmt.Errorf("sli: alert at burn rate %v: must be above 0", a.Burn)
	}
	if a.Short <= 0 || a.Long <= a.Short {
		return fmt.Errorf("sli: alert over %v and %v: the short window must be above 0, the long one longer", a.Long, a.Short)
	}
	return nil
}

// DefaultAlerts returns the alerts of the SRE Workbook for an objective. Each is
// a share of the budget that is gone within its long window, so that its rate
// depends on the objective's window: rate = share * window / long.
//
//	severity  share  long  short  rate of 30 days  of 7 days
//	page      2 %    1h    5m     14.4             3.36
//	page      5 %    6h    30m    6                1.4
//	ticket    10 %   1d    2h     3                1
//	ticket    10 %   3d    6h     1                none
//
// A ticket's rate is not below 1, as the objective is kept at that. Left out
// are pages below 1, alerts that look back more than a third of the window, and
// those that no share of bad events reaches: with a target of 0.9 all events
// being bad is a rate of 10.
func DefaultAlerts(target float64, w Window) []Alert {
	o := Objective{Target: target}
	length := w.Length()
	alerts := []Alert{}
	for _, d := range []struct {
		severity    string
		percent     int64
		long, short time.Duration
	}{
		{"page", 2, time.Hour, 5 * time.Minute},
		{"page", 5, 6 * time.Hour, 30 * time.Minute},
		{"ticket", 10, day, 2 * time.Hour},
		{"ticket", 10, 3 * day, 6 * time.Hour},
	} {
		rate := big.NewRat(d.percent, 100)
		rate.Mul(rate, big.NewRat(int64(length), int64(d.long)))
		a := Alert{Severity: d.severity, Burn: float(rate), Long: d.long, Short: d.short}
		if a.Burn < 1 && d.severity == "ticket" {
			a.Burn = 1
		}
		if a.Burn >= 1 && d.long <= length/3 && o.reachable(a) {
			alerts = append(alerts, a)
		}
	}
	return alerts
}

// AlertStatus is what an alert makes of the events of its two windows.
type AlertStatus struct {
	// Alert is which.
	Alert Alert
	// Long and Short are the events of the two windows.
	Long, Short Counts
	// LongBurn and ShortBurn are their burn rates, 0 without events.
	LongBurn, ShortBurn float64
	// Firing is whether both rates are above the alert's, beyond doubt.
	Firing bool
	// Blind is whether both rates are above it, but one of the windows has so
	// few events that the alert could not fire if all of them were bad.
	Blind bool
	// MinEvents is how many events both windows need for the alert to fire when
	// all are bad.
	MinEvents uint64
}

// Alert judges an alert by the events of its long and its short window. A
// window fires when
//
//   - its burn rate is above the alert's, compared exactly;
//   - at least MinBad of its events are bad;
//   - the lower end of the one-sided [Wilson] interval of its bad share, of the
//     objective's confidence, is above Burn * (1 - Target).
//
// The alert fires when both do. The last two keep a single failed request of a
// quiet night from waking someone. An alert that can never fire, because its
// threshold is not below 1, has a MinEvents of [math.MaxUint64] and is not
// blind.
func (o Objective) Alert(a Alert, long, short Counts) AlertStatus {
	s := AlertStatus{Alert: a, Long: long, Short: short}
	s.LongBurn, _ = o.BurnRate(long)
	s.ShortBurn, _ = o.BurnRate(short)
	if a.Validate() != nil {
		s.MinEvents = math.MaxUint64
		return s
	}
	threshold := o.threshold(a)
	s.MinEvents = o.least(threshold)
	if !above(long, threshold) || !above(short, threshold) {
		return s
	}
	s.Firing = o.beyondDoubt(long, threshold) && o.beyondDoubt(short, threshold)
	s.Blind = s.MinEvents < math.MaxUint64 && min(long.Total(), short.Total()) < s.MinEvents
	return s
}

// threshold returns the share of bad events above which a fires.
func (o Objective) threshold(a Alert) *big.Rat {
	return new(big.Rat).Mul(decimal(a.Burn), o.allowance())
}

// reachable reports whether any share of bad events is above a's threshold.
func (o Objective) reachable(a Alert) bool { return o.threshold(a).Cmp(big.NewRat(1, 1)) < 0 }

// above reports whether the bad share is above the threshold, exactly.
func above(c Counts, threshold *big.Rat) bool {
	if c == (Counts{}) {
		return false
	}
	return new(big.Rat).SetFrac(new(big.Int).SetUint64(c.Bad), c.total()).Cmp(threshold) > 0
}

// beyondDoubt reports whether the bad share is above the threshold by its lower
// bound too.
func (o Objective) beyondDoubt(c Counts, threshold *big.Rat) bool {
	if c.Bad < o.minBad() || !above(c, threshold) {
		return false
	}
	low, _ := Wilson(c.Bad, c.Total(), o.twoSided())
	return low > float(threshold)
}

// twoSided returns the confidence of the two-sided interval whose lower end is
// the one-sided bound.
func (o Objective) twoSided() float64 { return max(2*o.confidence()-1, 0) }

// least returns how many events are beyond doubt above the threshold when all
// are bad: with n of n Wilson's lower end is n / (n + z²), so that n is above
// z² threshold / (1 - threshold). It searches, to agree with beyondDoubt to the
// event.
func (o Objective) least(threshold *big.Rat) uint64 {
	t := float(threshold)
	certain := func(n uint64) bool {
		low, _ := Wilson(n, n, o.twoSided())
		return low > t
	}
	low, high := uint64(1), uint64(math.MaxUint64)
	if !certain(high) {
		return high
	}
	for low < high {
		if middle := low + (high-low)/2; certain(middle) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return max(low, o.minBad())
}
