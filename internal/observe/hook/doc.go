// Package hook measures any functions of a running Go process: how often they
// are called, how long they take, how many fail.
//
// What comes in: a process id, and names of functions or patterns.
//
// The stages:
//
//   - the process is held by a descriptor, and the very file that it runs is
//     opened, whatever has become of its path;
//   - names become functions with the instructions at which they begin and end
//     ([symbol.Binary.EntryPoint] and its like); what is not there, is inlined
//     or cannot be probed is said;
//   - the DWARF of the program tells which result is an error and where
//     arguments are ([symbol.Signatures]); without it both are not known, and
//     the results of some functions with loops over functions are not, either;
//   - whoever would write to the file is held up until nothing is attached;
//   - the cost of a call is measured on a process of our own, the rate of calls
//     is sampled for a moment in the target, and the product is the [Estimate]:
//     above the budget nothing is attached;
//   - [Session.Run] attaches, and gives up the dearest functions when they cost
//     more than the budget for a second.
//
// What goes out is a [Report]: for each function calls, errors, a distribution
// of durations, and what is missing of them; when asked for, a [Sample] of some
// calls with their arguments.
//
// An eBPF program counts in the kernel; nothing is sent per call but of those
// that are sampled: some a second, of every function in turn. What it reads of the process for these may be
// garbage: all reads are bounded, and what cannot be read is said. A call is
// known by its goroutine and by the distance of its frame from the top of the
// stack, so that recursion, growing stacks and panics mix up nothing. Calls
// that were open when the hook came are not counted, and those still open when
// it goes, or ended by a panic, are counted as calls without a duration.
//
// It refuses return probes (uretprobe), which kill Go programs, code that is
// not as in the file, and programs that package symbol cannot read. It writes
// nothing into the process: whatever becomes of Goshawk, the kernel takes the
// probes away with it.
package hook
