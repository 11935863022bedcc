// Package testutil is the one door to what tests need of the machine: BPF, a
// kernel version, a tool, another Go toolchain. What is missing skips the test
// with a reason that names the remedy; what must work there and does not fails
// it. No test skips by itself (test/policy keeps that).
//
// It also builds and starts programs to observe, compares output with golden
// files, and reports goroutines and file descriptors that tests leave behind.
// It is for tests only and imports no other package of Goshawk.
package testutil
