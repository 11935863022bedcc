/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/* What the programs count and remember, and what user space tells them. */
#pragma once

#include "records.h"

/* The policy, which user space may change at any time: how long to wait before
 * another request of the same series is told of. */
u64 sample_interval = 100000000ULL;
u64 failed_interval = 10000000ULL;
u64 linked_interval = 10000000ULL;
/* slow_floor is what no request is slow below, slow_default from when on one
 * is slow whose series has no threshold of its own. */
u64 slow_floor = 1000000ULL;
u64 slow_default = 500000000ULL;
/* limits are those of objectives, in ns: it is counted how many requests take
 * longer than each. Those from limit_count on are not looked at, 0 is none. */
u64 limits[LIMITS] = {};
u64 limit_count = 0;
/* slow_own is whether a series may have a threshold of its own. */
u64 slow_own = 1;
/* template_limit bounds the path templates that one process has. */
u64 template_limit = 200;

/* observer is the agent itself, which is not observed. */
const volatile u32 observer = 0;

/* unmatched counts the ends of requests whose begin was not seen: those that
 * were under way when the probe attached. */
u64 unmatched = 0;

/* The series are there from the start, 13 MB of them, and all CPUs count in the
 * same: memory for each CPU cannot be had fast enough when many series are new
 * at once, and what is not counted then is lost. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct series_key);
	__type(value, struct tally);
} series SEC(".maps");

/* slow holds from how many ns on a request of a series is slow. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct series_key);
	__type(value, u64);
} slow SEC(".maps");

/* templates holds how many path templates each process has, and with OF_HOSTS
 * how many hosts it asks. */
#define OF_HOSTS (1U << 31)

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, u64);
} templates SEC(".maps");

/* known_templates holds the path templates by process. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct goroutine);
	__type(value, u8);
} known_templates SEC(".maps");

/* traces_ctx_v1 tells other agents, by its name and path below bpffs, which span
 * each thread is in. It is written only when publish is set. */
struct thread_context {
	u64 trace[2];
	u64 span;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, struct thread_context);
} traces_ctx_v1 SEC(".maps");

const volatile u32 publish = 0;

/* mux_use says for one executable for how many requests it was of use to look
 * at what http.ServeMux is given, for how many it was not, and how many had no
 * route while nobody looked. They are estimates: programs may interrupt each
 * other. trials is user space's. */
struct mux_use {
	u64 useful;
	u64 idle;
	u64 unknown;
	u64 trials;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LAYOUTS);
	__type(key, u32);
	__type(value, struct mux_use);
} mux_uses SEC(".maps");

/* call is a request that a goroutine makes as a client. */
struct call {
	u64 begin;
	u64 pointer;
	u64 goid;
	struct trace_context context;
	u32 layout;
	u8 linked; /* it belongs to a request that is served */
	u8 padding[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct goroutine);
	__type(value, struct call);
} calls SEC(".maps");

/* panic is where a goroutine that serves a request panicked last. The kernel
 * walks the stack by frame pointers. At the entry of a function it takes the one
 * of the caller for that of the function, and so leaves out the caller, before
 * Linux 6.12 and where the point is not at the push of the frame pointer. */
struct panic {
	u64 bytes;
	u64 caller;
	u64 stack[STACK_FRAMES];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 512);
	__type(key, struct goroutine);
	__type(value, struct panic);
} panics SEC(".maps");

/* Programs at uprobes may be preempted by each other on one CPU: what they put
 * together is on the stack, in the ring or in a map, never per CPU, and what
 * they count, they count atomically. blank has an entry of zeros. */
struct blank {
	struct tally tally;
	struct panic panic;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct blank);
} blanks SEC(".maps");
