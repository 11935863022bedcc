// Package calls counts the calls of functions for the objectives that are about
// them.
//
// What comes in are objectives of the signal func ([Counter.Set]) and the Go
// processes of the host. For each process of an objective's service a session of
// package hook is opened, with the objective's threshold, so that the kernel sorts
// every call that returned exactly. What goes out are counts ([Options.Count]), and
// for each objective why calls are not counted ([Counter.Err]).
//
// Calls that had begun before the session, or end by a panic, are not counted. A
// function that would cost more than hooks may, by package hook's own measure, is
// not hooked, and that is said.
//
// What it refuses: objectives that tell errors apart, which costs more than
// counting, and functions of which it cannot be told whether they fail.
package calls
