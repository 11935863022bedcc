// Package hostsample records what an execution trace cannot see of its process: how
// long threads were ready and had no CPU, when the quota of a control group stopped
// them, how late the runtime's sysmon ran, and how busy the machine was.
//
// What comes in is a process of this host, by /proc and the files of its control
// groups. The stages: a [Sampler] reads them every 10 ms and writes what changed as a
// line of JSON each, between a header and a footer; [Read] takes such a file back;
// [Summarise] is arithmetic over what was read.
//
// What goes out is a [Recording], in the clock of the process's trace: on Linux that
// is runtime.nanotime, CLOCK_MONOTONIC in nanoseconds, as the process's time namespace
// shows it.
//
// It refuses to guess: what cannot be read is named in NotSeen, and what a file of a
// stranger says is taken only as far as it agrees with itself. It changes nothing on
// the host, stops no thread, and tells what it costs.
//
// The kernel adds the time that a thread was ready to its counter when the thread gets
// a CPU. A wait is therefore in the interval in which it ends, and can be longer.
package hostsample
