// Package target answers which processes there are, what they are and where
// they run.
//
// What comes in: /proc, the cgroup hierarchies and executables of the host,
// and the kernel's fork, exec and exit events, handed over by whoever reads
// them. The stages:
//
//   - [ReadBuild] reads what an executable says of itself, [Executables]
//     remembers it per file,
//   - [ParseCgroup] and [Cgroups] tell the container and the pod,
//   - [Reader] puts one process, or all of them, together from /proc,
//   - [Table] keeps the processes of the host, their parents and the services
//     they run for, and remembers the dead ones for as long as something may
//     still be attributed to them.
//
// What goes out: [model.Process] values, and answers about descent.
//
// What it reads belongs to other users and may be hostile: sizes are bounded,
// and whatever cannot be read is an error, never a panic. It refuses to load
// BPF programs, to resolve symbols, to stop or change a process, and to keep
// anything of a process's environment but the two variables that name its
// service.
package target
