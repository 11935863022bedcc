/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/* What the programs remember between events, and where they put records
 * together. */
#pragma once

#include "records.h"

/* proc is what the kernel side remembers of a process between its events. */
struct proc {
	u64 run_delay;
	u64 parent_frame;
	u32 execs_sent;
	u32 execs_lost;
	u32 exited;
	u32 vforked;
	u32 term_seen; /* it was asked to end, by a signal that it can handle */
	u32 kill_pid;
	u32 term_pid;
	u32 last_signal;
	u32 last_pid;
	u32 forked; /* the probe saw its fork */
	u32 refused; /* exec_dying told what it could not execute */
	u32 padding;
};

/* procs holds struct proc by the thread group's leader; the kernel frees an
 * entry with its task. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct proc);
} procs SEC(".maps");

/* dead_leaders holds, by tgid, struct proc of processes whose first thread
 * ended before the others. When another thread executes an image, it becomes
 * the leader and takes over from here; the old leader's task is gone then. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct proc);
} dead_leaders SEC(".maps");

/* last_wait holds when a process (tgid) last began to wait for a child. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, u64);
} last_wait SEC(".maps");

/* known_files holds the executables that user space has been told of. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct file_id);
	__type(value, u8);
} known_files SEC(".maps");

/* The per_cpu maps hold a record while it is put together. per_cpu_exec has
 * one entry per possible CPU (the loader sizes it), because a per-CPU array may
 * not hold 64 KiB. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct exec_scratch);
} per_cpu_exec SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct fork_scratch);
} per_cpu_fork SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct refused_scratch);
} per_cpu_refused SEC(".maps");
