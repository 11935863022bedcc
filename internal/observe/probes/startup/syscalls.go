package startup

import "golang.org/x/sys/unix"

// syscallNames returns the names of the system calls that programs make when they
// start. Those that one architecture alone has are in its own file.
func syscallNames() map[uint16]string {
	names := map[uint16]string{
		unix.SYS_READ: "read", unix.SYS_WRITE: "write", unix.SYS_READV: "readv", unix.SYS_WRITEV: "writev",
		unix.SYS_PREAD64: "pread64", unix.SYS_PWRITE64: "pwrite64", unix.SYS_CLOSE: "close", unix.SYS_FSTAT: "fstat",
		unix.SYS_LSEEK: "lseek", unix.SYS_MMAP: "mmap", unix.SYS_MUNMAP: "munmap", unix.SYS_MPROTECT: "mprotect",
		unix.SYS_MADVISE: "madvise", unix.SYS_MREMAP: "mremap", unix.SYS_BRK: "brk", unix.SYS_MINCORE: "mincore",
		unix.SYS_OPENAT: "openat", unix.SYS_OPENAT2: "openat2", unix.SYS_READLINKAT: "readlinkat", unix.SYS_NEWFSTATAT: "newfstatat",
		unix.SYS_STATX: "statx", unix.SYS_FACCESSAT: "faccessat", unix.SYS_FACCESSAT2: "faccessat2", unix.SYS_UNLINKAT: "unlinkat",
		unix.SYS_MKDIRAT: "mkdirat", unix.SYS_RENAMEAT: "renameat", unix.SYS_RENAMEAT2: "renameat2", unix.SYS_GETDENTS64: "getdents64",
		unix.SYS_GETCWD: "getcwd", unix.SYS_CHDIR: "chdir", unix.SYS_FCNTL: "fcntl", unix.SYS_FLOCK: "flock",
		unix.SYS_IOCTL: "ioctl", unix.SYS_FSYNC: "fsync", unix.SYS_FDATASYNC: "fdatasync", unix.SYS_FTRUNCATE: "ftruncate",
		unix.SYS_FALLOCATE: "fallocate", unix.SYS_SENDFILE: "sendfile", unix.SYS_COPY_FILE_RANGE: "copy_file_range", unix.SYS_SPLICE: "splice",
		unix.SYS_PIPE2: "pipe2", unix.SYS_DUP: "dup", unix.SYS_DUP3: "dup3", unix.SYS_SOCKET: "socket",
		unix.SYS_SOCKETPAIR: "socketpair", unix.SYS_CONNECT: "connect", unix.SYS_BIND: "bind", unix.SYS_LISTEN: "listen",
		unix.SYS_ACCEPT: "accept", unix.SYS_ACCEPT4: "accept4", unix.SYS_SENDTO: "sendto", unix.SYS_RECVFROM: "recvfrom",
		unix.SYS_SENDMSG: "sendmsg", unix.SYS_RECVMSG: "recvmsg", unix.SYS_SETSOCKOPT: "setsockopt", unix.SYS_GETSOCKOPT: "getsockopt",
		unix.SYS_GETSOCKNAME: "getsockname", unix.SYS_GETPEERNAME: "getpeername", unix.SYS_SHUTDOWN: "shutdown", unix.SYS_EPOLL_CREATE1: "epoll_create1",
		unix.SYS_EPOLL_CTL: "epoll_ctl", unix.SYS_EPOLL_PWAIT: "epoll_pwait", unix.SYS_EVENTFD2: "eventfd2", unix.SYS_PPOLL: "ppoll",
		unix.SYS_PSELECT6: "pselect6", unix.SYS_INOTIFY_INIT1: "inotify_init1", unix.SYS_INOTIFY_ADD_WATCH: "inotify_add_watch", unix.SYS_MEMFD_CREATE: "memfd_create",
		unix.SYS_CLONE: "clone", unix.SYS_CLONE3: "clone3", unix.SYS_EXECVE: "execve", unix.SYS_EXECVEAT: "execveat",
		unix.SYS_WAIT4: "wait4", unix.SYS_WAITID: "waitid", unix.SYS_KILL: "kill", unix.SYS_TGKILL: "tgkill",
		unix.SYS_RT_SIGACTION: "rt_sigaction", unix.SYS_RT_SIGPROCMASK: "rt_sigprocmask", unix.SYS_SIGALTSTACK: "sigaltstack", unix.SYS_SCHED_GETAFFINITY: "sched_getaffinity",
		unix.SYS_SCHED_YIELD: "sched_yield", unix.SYS_SET_ROBUST_LIST: "set_robust_list", unix.SYS_SET_TID_ADDRESS: "set_tid_address", unix.SYS_RSEQ: "rseq",
		unix.SYS_PRCTL: "prctl", unix.SYS_PRLIMIT64: "prlimit64", unix.SYS_UNAME: "uname", unix.SYS_SYSINFO: "sysinfo",
		unix.SYS_GETRANDOM: "getrandom", unix.SYS_GETRUSAGE: "getrusage", unix.SYS_TIMER_CREATE: "timer_create", unix.SYS_TIMER_SETTIME: "timer_settime",
		unix.SYS_FUTEX: "futex", unix.SYS_NANOSLEEP: "nanosleep", unix.SYS_CLOCK_NANOSLEEP: "clock_nanosleep", unix.SYS_BPF: "bpf",
		unix.SYS_PERF_EVENT_OPEN: "perf_event_open", unix.SYS_SECCOMP: "seccomp", unix.SYS_PIDFD_OPEN: "pidfd_open", unix.SYS_PIDFD_SEND_SIGNAL: "pidfd_send_signal",
		unix.SYS_EXIT: "exit", unix.SYS_EXIT_GROUP: "exit_group", unix.SYS_UMASK: "umask", unix.SYS_FSTATFS: "fstatfs",
		unix.SYS_STATFS: "statfs", unix.SYS_IO_URING_SETUP: "io_uring_setup", unix.SYS_MEMBARRIER: "membarrier",
	}
	addSyscalls(names)
	return names
}
