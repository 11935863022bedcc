// Package slotest asserts in a test that a share of events is good: that 99 % of
// the requests end without an error, or within 300 ms. It works in tests,
// benchmarks and fuzz tests, and has three answers.
//
// # Why three
//
// Whether 99 % are good cannot be seen from ten events, whatever they were: ten
// good ones come from a service that fails every twentieth time more often than
// not. A test that passes then is green by luck, one that fails after a single
// bad event is red by bad luck. So a share is judged by its confidence interval
// (sli.ClopperPearson, which holds for any number of events):
//
//   - [Kept]: all of the interval is at the target or above. The test passes.
//   - [Broken]: all of it is below. The test fails.
//   - [Undecided]: the target is inside, the events do not tell. The test is
//     skipped, which is neither green nor red, and the message says how many
//     more would do; [Objective.OnUndecided] chooses otherwise.
//
// # How
//
// What comes in are events, counted by a [Recorder] or by anything that makes
// sli.Counts; an [Objective] decides; what goes out is a [Decision], and what
// [Objective.Assert] tells the test.
//
//	func TestCheckout(t *testing.T) {
//		var seen slotest.Recorder
//		for range 1000 {
//			begin := time.Now()
//			err := checkout()
//			seen.Event(err == nil && time.Since(begin) <= 300*time.Millisecond)
//		}
//		slotest.Objective{Target: 0.99}.Assert(t, seen.Counts())
//	}
//
// For a target of 0.99 it takes 299 good events and no bad one to be sure, for
// 0.999 it takes 2995: ln(1-confidence) / ln(target).
//
// In a benchmark, loop by b.Loop, as its function then runs once; one that loops
// to b.N runs several times, first with a single event. In a fuzz test, assert
// after f.Fuzz: that judges the corpus, under plain go test. Under go test -fuzz
// the function runs in other processes, so that nothing is counted in the one
// that asserts, and the answer is Undecided; inside of the function
// [Objective.Watch] fails as soon as the objective is beyond doubt broken.
//
// An assertion about time depends on the machine: on a shared one, set the
// threshold with room to spare. The package reads no clock, keeps no state but
// in a Recorder, and refuses to claim what the events do not show.
package slotest
