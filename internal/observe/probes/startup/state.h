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
	struct counters sum; /* of its threads, as of when each last left a CPU */
	u64 began;
	/* When a range of descriptors was closed last, and all that ever were. */
	u64 closed_at;
	u32 closed_from, closed_to;
	u32 children;
	u32 threads;
	u8 accepted;
	u8 responded;
	u8 padding[6];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct process);
} processes SEC(".maps");

/* thread is one of such a process. */
struct thread {
	struct counters sum;
	u64 on_since, off_since;
	u64 run_delay; /* that the process has counted */
	u64 syscall_began;
	u64 syscall_delay; /* run delay when it began */
	struct quota quota;
	u64 quota_read; /* the on_since for which quota was read */
	u64 arg0, arg1;
	u32 minor_faults, major_faults; /* that the process has counted */
	u32 syscall;
	u32 padding;
};

/* Threads outlive the start of their process, and nobody takes them out then. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u32);
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
	u32 id = bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&threads, &id);
}
