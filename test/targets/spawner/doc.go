// Command spawner runs commands as fast as the machine goes, and says exactly
// how many it ran and what they cost. It is what the exec probe is measured
// against.
//
// What comes in are flags: how many workers, for how long or how many commands,
// how many arguments of which size. Each worker is a process of its own,
// because within one Go program syscall.ForkLock lets one goroutine spawn at a
// time. A worker calls syscall.ForkExec, which vforks, then waits for the child,
// and begins anew. All begin together, once each is ready.
//
// What goes out is one JSON object on stdout, a [Report]. The first argument of
// each command is its serial number "worker-n", from 0 without a gap, so that
// an observer can be held to having seen each once.
//
// The command is an ELF file of about 130 bytes that spawner writes: it has no
// libc, no loader and one system call, so that the spawn is all there is to
// measure. On other architectures than amd64 it is /bin/true.
//
// With -paused the commands do not end: spawner prints {"paused":N} once all of
// them run, waits until its standard input is closed, then kills them.
package main
