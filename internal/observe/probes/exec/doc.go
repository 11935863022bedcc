// Package exec is the probe that sees every command: which process ran it,
// from which line of Go, what it cost and how it ended.
//
// What comes in are six kinds of record from exec.bpf.c:
//
//	fork     a process was forked: its parent, the parent's Go stack, goroutine
//	exec     an image started: executable, arguments, directory, cgroup
//	refused  a vforked child of a Go program ended without an exec
//	exit     a process ended: status, who sent the signal, accounts
//	reap     its parent collected it: final accounts, when it was waited for
//	pipe     a task sleeps in a write to a full pipe
//
// The stages: the decoder reads a record in place; the tracker joins records
// of one process (by pid and start time, so that a reused pid is another
// process); a command is complete when its process was reaped, or has been a
// zombie for five seconds; then findings are judged and the event is emitted.
// A process that executes several images in turn is several commands, which
// all end with it.
//
// Nothing runs on the path of a system call. What a refused execve was about
// to run, and its errno, are read out of the frame of Go's own fork code on the
// parent's stack, when the child gives up.
//
// The package refuses to guess: a field that was not observed is not set.
package exec
