// Package waterfall arranges commands, and what requests cause, as trees on one
// time axis.
//
// What comes in are records in any order; what goes out is a [v1.Waterfall].
// Of commands, [Build] finds which images belong to one process, which
// process ran which (pids are reused: the parent must have run at that time),
// and writes the bars in the order of display. A command whose parent is not
// among the records hangs below a bar that stands for the parent. [Below] does
// the same for what one command ran. [Trace] follows the spans of one trace down
// from a request, and [Above] up to it.
//
// The package is pure: the same records give the same bars. It refuses to guess
// a parent, and to return more bars than it is asked for.
package waterfall
