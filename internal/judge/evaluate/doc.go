// Package evaluate counts the events that objectives are about, and judges them.
//
// What comes in: events and tallies, borrowed, on the goroutines of the probes
// ([Counting.Consume]); the time ([Counting.Tick]); objectives ([Counting.Set]).
//
// The stages: an event goes to the objectives of its signal and service; their
// selectors choose it; it is good or bad by its own attributes and against the exact threshold. Of a tally the
// programs in the kernel have counted how many took longer. Objectives of slices
// of time judge each slice when it is over.
//
// What goes out: [Reading]s, a pair of counters for each objective that never goes
// back, also over a restart: whoever keeps them tells from where to go on.
//
// What it refuses: to guess. An event whose time against the threshold is not
// known is neither good nor bad, but counted as unjudged.
package evaluate
