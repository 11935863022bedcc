// Package gotrace says why goroutines wait: it reads a Go execution trace of any
// length as a stream, in bounded memory, and takes its quantities together.
//
// What comes in is a trace of Go 1.22 to 1.26, plain or gzip, from a file, a
// pprof endpoint, a flight recorder or a pipe. The stages:
//
//   - the framer cuts the stream into generations, by their framing alone. A
//     generation is self-contained: it has its own strings and stacks, and the
//     state of each goroutine and P at its beginning;
//   - parsers, several at once, read one generation each with
//     golang.org/x/exp/trace and write what the analysis needs of each event as a
//     compact record, in a goroutine beside the reader's;
//   - one analyser takes the records of all generations in the order of the trace
//     and carries goroutines, ranges, regions and tasks across the boundaries. It
//     is the only one that keeps state, hence the result does not depend on how
//     many parsers ran.
//
// [Join] adds what was sampled beside the trace.
//
// What goes out is a [Report]: latencies by class and function, stops of the
// world, garbage collection, blocking by reason and stack, the worst waits with
// their context, user regions and tasks, a timeline. [Find] judges a report and
// [Compare] holds two against each other; both are arithmetic over values.
//
// It refuses to guess: a generation that is cut off or damaged ends the analysis,
// the report then holds what came before and says where and why it ended. What a
// table has no room for is counted as left out. Time that no event covers is shown
// as silence, as the trace cannot tell whether the host or the program was still.
// Traces of Go 1.21 and older have no generations and are refused.
package gotrace
