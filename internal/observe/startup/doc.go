// Package startup says how a Go program started, and why slowly.
//
// What comes in are the events of the startup probe about one start: one for
// the start itself, one for each phase, each package's init and each system
// call that is worth naming. [Reader], as they come, and [Read], of stored ones,
// put them together into a [Start]. From there on all is arithmetic over values:
// [Find] judges a start, [Summarise] takes several runs of one program together,
// [Compare] compares two sets of runs and refuses a verdict that the
// measurements do not support.
//
// It refuses to guess: a start of which records were lost, or that was seen from
// the middle on, is shown and judged as far as it goes, and not compared.
//
// Nothing here reads the host: what is to be known beyond the events is in
// [Facts]. Time that a thread was ready to run and no CPU took it up, and time
// that its control group was throttled, is kept apart everywhere, and never
// blamed on the program.
package startup
