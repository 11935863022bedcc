// Package platform answers questions about the host that Goshawk runs on and
// that no Go program in particular is the answer to, such as how the kernel's
// clocks relate to each other.
//
// What comes in: system calls and kernel files of this host. Stages: read,
// convert to the units that the rest of Goshawk uses, cache where a value can
// only change by an event that the caller knows of. What goes out: plain
// values. It refuses to change anything on the host, but for the lock of a
// directory that it is asked for ([LockDir]), and it knows nothing of probes,
// events or services.
package platform
