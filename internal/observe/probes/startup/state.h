/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/* What the programs know: what user space sets, and the processes whose start goes
 * on, with their threads and connections. */
#pragma once

/* launcher is the process whose children alone are observed, 0 for all. */
u64 launcher = 0;
/* joined is a process that is observed although it has started before, 0 for
 * none; joined_id is its id in the root PID namespace, once that is known. */
u64 joined = 0;
u64 joined_id = 0;
/* The PID namespace that these two are of. An inode of 0 is the root's. */
u64 namespace_device = 0;
u64 namespace_inode = 0;
/* until_listen ends a start when the program listens. */
u64 until_listen = 1;
/* slow_syscall is how many ns a system call must take to be named. */
u64 slow_syscall = 20000;
/* give_up is after how many ns a start is looked at no more that does not end,
 * where nobody asked for that one: giveUpAfter of decode.go. */
u64 give_up = 60000000000ULL;

/* starts counts the starts that go on: most of the time there is none, and
 * nothing is looked up. */
u64 starts = 0;

/* connected says that a process whose start goes on has accepted a connection.
 * Until then nobody asks for what is written or closed. */
u64 connected = 0;
/* sample_enter asks for the time that the program takes that sees a system call
 * begin: see sample. */
u64 sample_enter = 1;
/* untraced is what a system call took before the programs were there, in ns: what
 * it takes with them, if no start goes on, is what it costs to call them. It is for
 * user space, which sets it. */
u64 untraced = 0;

/* executed is a process that was executed, for which no point was passed yet. */
struct executed {
	u64 time;
	u64 off;
	u64 run_delay;
	u32 minor_faults, major_faults;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct executed);
} executions SEC(".maps");

/* launched holds the children of the launcher, and when each began to execute. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct moment);
} launched SEC(".maps");

/* process is one whose start goes on. */
struct process {
	struct counters sum; /* what its threads have settled: when each left a CPU */
	u64 began;
	u64 signal; /* where the kernel counts its threads */
	/* When a range of descriptors was closed last, and all that ever were. */
	u64 closed_at;
	u32 closed_from, closed_to;
	u32 children;
	u32 threads;
	u32 ended;
	u8 accepted;
	u8 responded;
	u8 padding[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct process);
} processes SEC(".maps");

/* thread is one of such a process. */
struct thread {
	/* What the kernel does not count by itself, cpu up to on_since. */
	struct counters sum;
	struct counters settled; /* what the process has counted */
	u64 on_since, off_since;
	u64 syscall_began;
	u64 syscall_delay; /* run delay when it began */
	struct quota quota;
	u64 quota_read; /* the on_since for which quota was read */
	u64 arg0, arg1;
	/* What the programs take at a system call, in ns: where it begins, and where
	 * one ends of which nothing more is to be done, and one that is looked up. */
	u32 enter_cost, exit_cost, look_up_cost;
	u32 looked_up; /* how many */
	u32 syscall;
	u32 padding;
};

/* Threads outlive the start of their process. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

/* connection is a descriptor that a process accepted, and has not closed since. */
struct connection {
	u32 tgid;
	u32 fd;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct connection);
	__type(value, struct moment);
} accepted SEC(".maps");

static __always_inline u32 tgid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

/* own_process returns the process of the current thread if its start goes on. */
static __always_inline struct process *own_process(u32 id)
{
	return starts ? bpf_map_lookup_elem(&processes, &id) : 0;
}

static __always_inline struct thread *own_thread(void)
{
	return bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0, 0);
}
