// Package image holds the program that a new process will be, as an open descriptor.
//
// What comes in is the path of a program ([Open]), a descriptor that another process
// handed over ([New]), or nothing: [Running] is the program of this very process, also
// after its file was replaced or deleted. What is held is the file, not its name: after
// the checks no rename, no deletion and no other file under that name changes what is
// started.
//
// The stages of [Open] are: open without waiting (a pipe does not block it) and without
// being inherited, be a regular file, be executable for this process's effective user
// (which includes a file system that allows it), be an ELF program for this machine that
// is whole, with an interpreter that exists, and at last the caller's own check, which is
// where a signature belongs. All but the last read a few kilobytes. They find what
// would otherwise be found by a failed start, or by a new process that is killed by its
// first missing page.
//
// What goes out is a child process ([Image.Start]), or a path for another way to start
// one ([Image.Path]), the digest of the content, and whether it was written to since
// ([Image.Changed]), which is to be asked once the child has been started: from then on
// the kernel refuses writers.
//
// A process that is started this way is not told apart from one that was started by its
// path: [os.Executable] and /proc/PID/exe name the real file. Only the name of its
// threads is the number of the descriptor, which [NameThreads] mends.
//
// What it refuses has an error of its own ([ErrNotRegular], [ErrNotExecutable],
// [ErrScript], [ErrFormat], [ErrMachine], [ErrTruncated], [ErrInterpreter],
// [ErrChanged], [ErrBusy]), and [Hint] says what to do about it. It needs /proc.
package image
