// Package inspect says what a Go executable is and what can be done to each of
// its functions, from the file alone: nothing is run, stopped or changed.
//
// What comes in: the path of an executable, or the id of a process that runs
// one ([OpenFile], [OpenProcess]).
//
// The stages:
//
//   - packages target and symbol read what the toolchain recorded, how the
//     program was linked, and its table of functions;
//   - the code of each function that is asked for is decoded, for the
//     instructions at which it can be hooked ([Hook]);
//   - the pclntab's trees of inlined calls, read in one pass, say which
//     functions hold copies of it;
//   - what live patching needs of a program and of a function is checked one
//     after the other, and the first thing that is missing is the reason
//     ([Verdict]).
//
// What goes out: a [Program] with its facts, and its functions as a sequence, so
// that programs with hundreds of thousands of them need no more memory than
// others.
//
// What it refuses: files that are no Go program or were built by a release
// before Go 1.20, and processes that end while they are looked at. It promises
// nothing that was not proven to work: a function that it says can be patched
// is one that no rule speaks against; whether a given change can be made is
// known when the patch is built.
package inspect
