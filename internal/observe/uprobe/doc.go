// Package uprobe attaches eBPF programs to instructions of executables, and
// knows what that costs on this host.
//
// What comes in: an executable that the caller has open, a program that
// [Prepare] made ready before it was loaded, and the sites: offsets in the file
// with a cookie each.
//
// The stages:
//
//   - [Check] compares the code in a process's memory with the file, so that no
//     site is put into code that something else has rewritten;
//   - [Attach] makes one link of all sites (uprobe.multi, kernel 6.6), or one
//     uprobe for each on older kernels; where the kernel refuses, it finds the
//     sites to blame and attaches the others;
//   - [Calibrate] and [Measure] time a hit, on a tiny program of the package's
//     own: what an instruction costs under a uprobe differs by a factor of ten
//     between instructions and between hosts.
//
// What goes out: a closer that detaches all, the refused sites with the cause,
// and costs.
//
// What it refuses: return probes (uretprobe), which kill a Go program as soon
// as its stack grows, and sites whose code in memory is not that of the file.
// The executable is named to the kernel by the caller's own descriptor: neither
// a file that was replaced nor another mount namespace leads to a wrong one.
package uprobe
