// Command genoffsets writes the table of what differs between Go releases:
// the offset of the goroutine id in the runtime's g, and the numbers of the
// function classes that decide what a stack shows.
//
// What comes in: the names of toolchains (-toolchains), the last known patch of
// every minor release by default. The stages: for each of them a tiny program
// is built for linux/amd64 and linux/arm64 and its DWARF is read; it is never
// run. What goes out: a Go file (-o). It refuses a release whose architectures,
// or whose named patch releases, differ: the table has one line per minor
// release.
//
// It needs the Go module proxy for toolchains that are not there yet.
package main
