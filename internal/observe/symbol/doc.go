// Package symbol names the code addresses of Go programs from their files
// alone: nothing is run, no symbol table or DWARF is needed, so a stripped
// static binary answers like any other.
//
// What comes in: an executable file (ELF, 64-bit, linux/amd64 or
// linux/arm64, built by Go 1.20 or newer; static, PIE, linked internally or by
// a C toolchain), and the program counters of a call stack.
//
// The stages:
//
//   - the file is mapped read-only and its ELF headers are read ([Open]);
//   - the table of functions (pclntab) is found by its section, or by its magic
//     number where a C linker has merged the section into another;
//   - the runtime's module data, which says where the code starts, is found by
//     its pointer to that table: in place, or through the relocations of a PIE;
//     it counts only when it agrees with the table;
//   - a program counter is looked up by binary search and its inlined calls
//     are expanded ([Binary.AppendFrames]), and what the Go runtime hides from
//     stacks, wrappers made by the compiler, is hidden here too;
//   - the offset of a field in a struct ([Binary.Field]) is looked up in a table
//     of every release of Go and of some modules, which genoffsets measures, or
//     in the program's DWARF where its version is not in the table;
//   - names and patterns are looked up in one pass over the table
//     ([Binary.Lookup], [Binary.Match]), and the trees of inlined calls of all
//     functions say where a function that has no code went ([Inlinings]);
//   - the machine code of a function is decoded for the instructions at which a
//     probe sees each call once ([Code]): on amd64, and never one that the
//     kernel refuses or rewrites;
//   - the DWARF of the program tells how a function is called ([Signatures]), if
//     it has one, as far as the compiler describes that;
//   - a [Cache] keeps files open and remembers what each address meant.
//
// What goes out: frames as [runtime.Frames] prints them, the addresses of
// functions, their machine code, the points of a function that probes go on
// ([Point]), how the program was linked, the offsets of fields in structs and how they
// are known, the versions of modules, and whether a function belongs to the
// standard library.
//
// What it refuses: files that are no Go program ([ErrNotGo]), Go programs of a
// release, architecture or layout that it cannot read ([ErrUnsupported]), and
// damaged files. Every byte of a file is taken for hostile: an inconsistent
// file gives an error or no frames, never a panic, an endless loop or a huge
// allocation, and a file that shrinks while it is mapped does not take the
// process down. It names Go code only: addresses in C libraries, in plugins
// and in the kernel give nothing.
package symbol

//go:generate go run ./genoffsets
