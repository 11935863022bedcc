package startup

import "golang.org/x/sys/unix"

func addSyscalls(names map[uint16]string) {
	for number, name := range map[uint16]string{
		unix.SYS_OPEN: "open", unix.SYS_STAT: "stat", unix.SYS_LSTAT: "lstat", unix.SYS_ACCESS: "access",
		unix.SYS_PIPE: "pipe", unix.SYS_SELECT: "select", unix.SYS_POLL: "poll", unix.SYS_DUP2: "dup2",
		unix.SYS_FORK: "fork", unix.SYS_VFORK: "vfork", unix.SYS_GETDENTS: "getdents", unix.SYS_RENAME: "rename",
		unix.SYS_MKDIR: "mkdir", unix.SYS_RMDIR: "rmdir", unix.SYS_UNLINK: "unlink", unix.SYS_READLINK: "readlink",
		unix.SYS_EPOLL_WAIT: "epoll_wait", unix.SYS_EPOLL_CREATE: "epoll_create", unix.SYS_EVENTFD: "eventfd", unix.SYS_INOTIFY_INIT: "inotify_init",
		unix.SYS_ARCH_PRCTL: "arch_prctl",
	} {
		names[number] = name
	}
}
