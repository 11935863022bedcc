// Package verdict lets three judges hear the same histories, and fails when they do
// not say the same: package sli, the engine and the judge inside the agent, and a
// Prometheus server of its own that evaluates the rules which `goshawk slo rules`
// writes.
//
// What comes in: histories of services, made up from a seed: traffic with bursts and
// silence, and what happens to the agent that counts it. Agents are read at the
// evaluations or between them, end with and without a last reading, are not heard for
// a while, send late and in the wrong order, are absent for about an hour, and have
// clocks that step forwards and back. GOSHAWK_VERDICT_SERIES is how many services
// there are, 300 unless it is set, GOSHAWK_VERDICT_SEED chooses others.
//
// The stages: history_test.go makes histories up, second by second. embedded_test.go
// lives through them with the agent's own store and judge, whose clock it moves.
// external_test.go starts the server, finds out at which millisecond it evaluates,
// sends the readings by remote write, those of the future ahead and those that are late
// when they are due, waits while the server evaluates each second, and reads what the
// rules and alerts recorded. The objectives have windows of 2 to 36 seconds for that;
// nothing else about the rules differs from those for days, but that the budget is
// counted each second too. account_test.go says what must be counted, compare_test.go
// compares. rivals_test.go and data_test.go compare with the rules of other tools.
//
// What goes out: for each service at each evaluation the same counts, shares within
// 1e-9, alerts and verdict as package sli says of the readings; and within a bound
// what package sli says of what happened, the verdict the same where the bound is 0.
//
// The bound is that of each window of each service. Let T be the events that happened
// in a window, s the share of bad ones in it, C those that are counted for it, M how
// many these are, and d the number of events that are in one of T and C alone. With
// x = 1 for a bad event and 0 for a good one, the sum of x - s over T is 0, so that the
// share of C less s is the sum of x - s over C without T, less that over T without C,
// over M. Each term is max(s, 1 - s) at most:
//
//	|share of C - s| <= d * max(s, 1-s) / M
//
// An event is in one of the two alone when its window by the time of its counting is
// another than by its own time, which is known from the history:
//
//   - It is counted at the first evaluation not before the reading that has it, or at
//     the reading in the agent's own judge. Readings at the evaluations make d 0.
//   - It is lost when its process ends before a reading has it, when the reading is
//     the first of a counter, or when the next process is read by the same evaluation.
//   - What a process counted before is lost as well when its restart cannot be seen,
//     as the counter has overtaken its last reading.
//   - A reading that a store refuses, older than its last, counts with the next one.
//     By a clock that was set back the agent's judge counts what is to come again.
//   - A reading that arrives after the evaluation at which it was to be counted is
//     lost; so are steps whose evaluation the server leaves out. It is not known which
//     these are, so that d has all that may be.
//   - The budget is counted by a group of rules of its own, which may not see the last
//     two steps yet.
//   - The rules of the agent begin a window with the first reading in it when there is
//     none in the hour before, the agent's judge with the last one, however old.
//
// What it refuses: to wait for anything with a deadline, or to be right by luck. When
// the machine is busy the server leaves evaluations out, says how many, and the bound
// has them.
package verdict
