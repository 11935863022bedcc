// Package sli counts how often a service keeps a promise, and says what is left
// of the error budget, how fast it burns, and whether to wake someone: service
// level indicators and objectives, as values and pure functions.
//
// # The way of an event
//
// What comes in is an [Event]: a value of the caller's own type, and when it
// happened. A [Collector] checks it, and hands what is sound to aggregators: a
// [Ratio] sorts events into good and bad against the exact threshold, and
// counts them by time in [Windows]; [Quantiles] keeps distributions to look at.
// An [Objective] asks Windows for its window and for those of its alerts, and
// what goes out is a [Status] with its [Budget], burn rates and [Verdict].
//
//	type request struct {
//		Took   time.Duration
//		Status int
//	}
//	ratio := &sli.Ratio[request]{Good: func(r request) bool {
//		return r.Status < 500 && r.Took <= 300*time.Millisecond
//	}}
//	collector := &sli.Collector[request]{To: []sli.Aggregator[request]{ratio}}
//
//	// For each request:
//	collector.Observe(time.Now(), request{took, code})
//
//	// Now and then:
//	checkout := sli.Objective{Name: "checkout", Target: 0.999}
//	status, err := checkout.Evaluate(time.Now(), ratio)
//
// The zero values work: an objective without a window has the last 30 days,
// without alerts the four of Google's SRE Workbook, a Windows without tiers
// keeps 6 hours by 10 seconds and 32 days by 5 minutes.
//
// The pieces work alone, too. Counts that come from elsewhere, from a query to a
// Prometheus say, go to [Objective.Budget], [Objective.Alert] and
// [Objective.Judge] directly; the readings of a counter go through a
// [Cumulative] to [Windows.Add]; a type with an Over method is a [Source].
//
// # What is counted how
//
//   - Ratio: good / (good + bad), of events and never of averages, so that a
//     quiet hour weighs what its events weigh. With time slices ([View]) it is
//     the slices that are counted.
//   - Error budget: (1 - target) * events, less what was bad.
//   - Burn rate: bad share / (1 - target), 1 being what the budget bears.
//   - Alerts: over a long and a short window, both above a rate, both beyond
//     doubt: see [Objective.Alert].
//   - Intervals: [Wilson], and [ClopperPearson] where the confidence must hold.
//   - Quantiles: the nearest rank, always between known bounds.
//
// Each function names its formula and where it is from. Whatever decides
// something (an alert, a spent budget, a bad slice) is computed with whole
// numbers and with the decimals that were written: 10 bad of 10,000 events do
// spend a budget of 0.999. What is reported is the float64 nearest to it.
//
// # Time
//
// No function reads a clock: now is an argument, everywhere. Intervals have no
// start and do have their end, (from, to], as in PromQL. A clock that jumps
// costs what was kept in the slots that were written to with the wrong time, and
// no more: see [Windows.Add].
//
// # What is refused
//
// Values that are not numbers, infinities, negative durations, times that are
// too old, from the future or no times at all are rejected with a [Reason] and
// counted by it. Counts that would overflow stay at their largest value, which
// is counted too. None of them reaches a sum, and no result is ever NaN or
// infinite.
//
// Nothing here does I/O, starts a goroutine, logs, or draws a conclusion that
// the data do not bear: with too few events the verdict is [InsufficientData].
package sli
