// Command tracebench measures what it costs to analyse execution traces with
// goshawk, beside the bare reader and other tools, on the machine it runs on, and
// prints Markdown.
//
// What comes in are sizes of traces to make, or traces, and the path of a built
// goshawk. The stages:
//
//   - a process of its own makes a trace of each size: an HTTP server under load,
//     goroutines that pass numbers over channels, mutexes, regions and tasks;
//   - rounds, in each of which every reader runs once, as a process of its own, in
//     an order that turns round by round. CPU time and peak memory are what the
//     kernel accounts to the process and those it waited for;
//   - what goshawk printed is held against the bare reader's count of events, and
//     what it printed with one parser against what it printed with two, byte by
//     byte.
//
// The bare reader, golang.org/x/exp/trace's loop that only counts, is this program
// too: the least that any analysis can cost that is built on that reader.
//
// Peak memory cannot be told below that of this program itself, whose address space
// a new process has until its execve: what it reads it streams, and its own peak is
// printed.
//
// It refuses to judge: targets and verdicts are written in docs/benchmarks.md. Wall
// time is of runs in which the machine had little else to do, and left out when
// there was none. Tools whose memory grows with the trace are not run on traces
// larger than -peer-mb.
package main
