// Package startup is the probe that sees Go programs start.
//
// What comes in are records of the points of the runtime that a start passes
// (uprobes, one program told apart by its cookie), of the system calls worth
// naming, and of the process's end. Each carries how far the counters of its
// thread and process are: CPU time, run-queue delay, time off CPU, system calls,
// page faults, and for how long the control groups were throttled. The decoder
// takes the differences between two points and emits an event for each phase,
// each package's init and each system call that it names, and one for the start
// when that is over. The keys are those of internal/observe/startup, which puts
// a start together again and judges it.
//
// A package's init lasts until the next one begins, since returns are dear and
// each is called from the same loop; a function of the runtime that is a part of
// schedinit until it returns. Up to main.main the program is one thread, whose
// counters are taken; from there on those of the process.
//
// What a thread waited for before it is looked at, in the kernel's exec and in the
// dynamic loader, follows from what the scheduler keeps of it. What decides how a
// runtime behaves, GODEBUG, GOMAXPROCS and the CPUs that it may run on, is read from
// the process itself, unless it was launched by whoever asks. That one is told at
// once that main.main is entered, by an event that is no part of the start.
//
// System calls cost every process of the host something while they are traced:
// they are points of detail, for one start that somebody asked for. Without
// detail a start is over when the program listens. What they cost the start is
// measured with them: the programs take their own time, now and then, and the
// kernel's way into them is timed from user space before the decoder begins.
//
// The probe attaches to files, before they are executed. It does not see the
// start of what was not attached then.
package startup
