/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/* The records that user space decodes, and what bounds them. */
#pragma once

#define ARGS_MAX 65536
#define STACK_FRAMES 96
/* GOID_FIRST..GOID_FIRST+8*GOID_WORDS spans every offset that goid has had in
 * runtime.g; user space picks by Go version. */
#define GOID_FIRST 144
#define GOID_WORDS 4
#define TRACEPARENT_LEN 55
/* The frame of syscall.forkAndExecInChild1 relative to its saved frame pointer
 * (Go's register ABI: the spill slots of the arguments follow the three
 * stack-assigned arguments and the two words of the mapPipe result). */
#define GO_FRAME_ARGV0 56
#define GO_FRAME_ARGV 64
#define GO_FRAME_ARGC 72
#define GO_FRAME_DIR 120
/* GO_FRAME_BYTES below the frame pointer hold the function's locals: 700 bytes
 * in optimised code, 2000 in code that is not. */
#define GO_FRAME_BYTES 2048
#define REFUSED_ARGS 64
#define REFUSED_BYTES 4096

#define PF_FORKNOEXEC 0x00000040
#define PF_KTHREAD 0x00200000

#define SIGHUP 1
#define SIGINT 2
#define SIGQUIT 3
#define SIGKILL 9
#define SIGTERM 15
#define SIGCHLD 17
#define SIGCONT 18
#define SIGURG 23
#define SIGPROF 27
#define SIGWINCH 28

enum record_kind {
	RECORD_FORK = 1,
	RECORD_EXEC = 2,
	RECORD_EXIT = 3,
	RECORD_REAP = 4,
	RECORD_REFUSED = 5,
	RECORD_PIPE = 6,
};

enum record_flags {
	FLAG_ARGS_CUT = 1,
	FLAG_EXE_CUT = 2,
	FLAG_CWD_CUT = 4,
	FLAG_TERM_SEEN = 8,
	FLAG_NEVER_EXECED = 16,
	FLAG_ARGS_UNREADABLE = 32,
	FLAG_VFORK = 64,
	FLAG_AWAITED = 128,
	/* The process was forked before the probe saw forks: it may run a command
	 * that no record told of. */
	FLAG_OLDER = 256,
};

/* usage is what a process has consumed, in the kernel's own units: times in
 * ns, maxrss in pages. */
struct usage {
	u64 utime;
	u64 stime;
	u64 runtime;
	u64 run_delay;
	u64 rchar;
	u64 wchar;
	u64 maxrss;
};

/* record_head opens every record; start is the process's start_boottime and,
 * with pid, names it for good. Times are of the boot clock. */
struct record_head {
	u32 kind;
	u32 pid;
	u64 time;
	u64 start;
};

struct fork_record {
	struct record_head head;
	u64 parent_start;
	u64 parent_code;
	struct file_id parent_exe;
	u64 stack_lo;
	u64 stack_hi;
	u64 sp;
	u64 goid[GOID_WORDS];
	/* The request that the goroutine runs for: its trace, and the span that is
	 * the parent of what it causes; all 0 when there is none. */
	u64 trace[2];
	u64 span;
	u32 parent_pid;
	u32 flags;
	u32 stack_bytes;
	u32 padding;
};

struct fork_scratch {
	struct fork_record r;
	u64 stack[STACK_FRAMES];
};

struct exec_record {
	struct record_head head;
	struct usage usage;
	u64 parent_start;
	u64 cgroup_v2;
	u64 cgroup_v1;
	u64 start_code;
	struct file_id exe;
	u32 parent_pid;
	u32 flags;
	u32 args_total;
	u32 args_bytes;
	u32 exe_bytes;
	u32 paths_bytes;
	u32 traceparent_bytes;
	u32 padding;
	char traceparent[56];
	char comm[16];
};

/* exec_scratch is a record and what follows it: the components of the
 * executable's path, those of the working directory, the arguments. */
struct exec_scratch {
	struct exec_record r;
	char data[2 * PATH_MAX_BYTES + PATH_NAME_MAX + ARGS_MAX];
};

struct exit_record {
	struct record_head head;
	struct usage usage;
	u64 rss_pages;
	u64 cgroup_v2;
	u64 cgroup_v1;
	u32 parent_pid;
	u32 exit_code;
	u32 signal_pid;
	u32 flags;
	u32 execs_sent;
	u32 execs_lost;
	char comm[16];
};

struct reap_record {
	struct record_head head;
	struct usage usage;
	u64 last_wait;
};

struct refused_record {
	struct record_head head;
	u64 parent_start;
	u64 cgroup_v2;
	u64 cgroup_v1;
	u32 parent_pid;
	u32 exit_code;
	u32 flags;
	u32 frame_bytes;
	u32 path_bytes;
	u32 dir_bytes;
	u32 args_bytes;
	u32 args_count;
	char comm[16];
	char frame[GO_FRAME_BYTES];
	char path[PATH_NAME_MAX];
	char dir[PATH_NAME_MAX];
};

struct refused_scratch {
	struct refused_record r;
	char args[REFUSED_BYTES + PATH_NAME_MAX];
};

struct pipe_record {
	struct record_head head;
	u64 inode;
	u64 switches;
	u32 fd;
	u32 readers;
};
