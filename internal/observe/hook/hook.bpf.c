//go:build ignore
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/*
 * Calls of chosen functions of a Go process: how many, how long, how many
 * failed.
 *
 * A call is known by its goroutine and by how far the stack pointer is from
 * the top of the goroutine's stack. That distance is the same at the entry and
 * at each return, recursion changes it, and growing the stack does not, though
 * it moves all of it. A call that ends by a panic or by Goexit passes no
 * return: its frame stays behind until another call takes its place.
 */
#include "../bpf/kernel.h"
#include "../bpf/goabi.h"
#include "../bpf/namespace.h"
#include "sample.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The cookie of a site: the function, the word of its results that holds the
 * type of its error plus one, or 0, whether the site is a return, and whether
 * the function's entry is single-stepped. */
#define COOKIE_RETURN 1
#define COOKIE_STEPPED 2
#define COOKIE_WORD_SHIFT 2
#define COOKIE_WORD_MASK 15
#define COOKIE_FUNCTION_SHIFT 8

/* Where the runtime's g keeps the top of the stack, in every release: the
 * stack is its first field. */
#define G_STACK_HI 8

/* counts are of one function, in a cache line of their own. All but `on` only
 * ever grow. */
struct counts {
	u32 on; /* written by user space */
	u32 padding;
	u64 calls;
	u64 errors;
	u64 unseen;   /* calls whose frame could not be kept */
	u64 replaced; /* calls that never returned */
	u64 sum;      /* nanoseconds */
	u64 longest;
	u64 bad; /* calls that returned an error, or took longer than threshold */
};

/* The maps have one entry for each function; user space sets how many. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, 1 << 10 /* BPF_F_MMAPABLE */);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct counts);
} functions SEC(".maps");

/* A bucket for each eighth of a power of two, as in model.Distribution: the
 * last counts all from 64 s on. */
#define BUCKETS 272

struct histogram {
	u64 buckets[BUCKETS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, 1 << 10 /* BPF_F_MMAPABLE */);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct histogram);
} histograms SEC(".maps");

/* frame_key has no process: all frames are of one. */
struct frame_key {
	u64 g;
	u64 depth;
};

struct frame {
	u64 begin;
	u64 sample; /* 0 when the call is not sampled */
	u32 function;
	u32 padding;
};

/* The oldest frames go first when it is full. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct frame_key);
	__type(value, struct frame);
} frames SEC(".maps");

/* target is the process, 0 where the kernel looks at it: its id in its own PID
 * namespace, which target_ino and target_dev name. Without PID namespaces
 * target_ino is 0. */
u32 target = 0;
u64 target_dev = 0;
u64 target_ino = 0;
/* What the probe itself adds to a duration, in nanoseconds, by how the entry is
 * executed. */
u64 own_emulated = 0;
u64 own_stepped = 0;
/* hits are those of hook_count, which counts `limit` of them, none while that
 * is 0; reached is when the last was. */
u64 hits = 0;
u64 limit = 0;
u64 reached = 0;
/* threshold is the longest time that is good, in nanoseconds, 0 without any. */
u64 threshold = 0;

static __always_inline bool elsewhere(void)
{
	u32 pid = *(volatile u32 *)&target;

	return pid && !has_id(pid, *(volatile u64 *)&target_dev, *(volatile u64 *)&target_ino);
}

static __always_inline u32 bucket_of(u64 n)
{
	u32 shift = 0;

	if (n >> 36)
		return BUCKETS - 1;
	/* shift becomes the number of bits below the four highest. */
	if (n >> 20) {
		n >>= 16;
		shift += 16;
	}
	if (n >> 12) {
		n >>= 8;
		shift += 8;
	}
	if (n >> 8) {
		n >>= 4;
		shift += 4;
	}
	if (n >> 6) {
		n >>= 2;
		shift += 2;
	}
	if (n >> 5) {
		n >>= 1;
		shift += 1;
	}
	if (n >> 4) {
		n >>= 1;
		shift += 1;
	}
	if (n < 8)
		return n;
	return (shift + 1) << 3 | (n & 7);
}

/* go_result returns a word of the results. The verifier wants the registers of
 * ctx read at constant offsets. */
static __always_inline u64 go_result(struct pt_regs *ctx, u32 word)
{
	u64 words[16] = {
		GO_WORD0(ctx), GO_WORD1(ctx), GO_WORD2(ctx), GO_WORD3(ctx), GO_WORD4(ctx),
		GO_WORD5(ctx), GO_WORD6(ctx), GO_WORD7(ctx), GO_WORD8(ctx),
	};

	return *(volatile u64 *)&words[word & 15];
}

/* find_frame fills the key of the call that the thread is at the entry or at a
 * return of. */
static __always_inline bool find_frame(struct pt_regs *ctx, struct frame_key *key)
{
	u64 top;

	key->g = GO_G(ctx);
	if (bpf_probe_read_user(&top, sizeof(top), (void *)(key->g + G_STACK_HI)) != 0)
		return false;
	key->depth = top - GO_SP(ctx);
	return true;
}

/* replace drops the frame that has the place of a new call: its own call is
 * over, or the place would not be free. */
static __always_inline long replace(struct frame_key *key, struct frame *frame)
{
	struct frame *old = bpf_map_lookup_elem(&frames, key);
	struct counts *c;

	if (old) {
		u32 function = old->function;

		c = bpf_map_lookup_elem(&functions, &function);
		if (c)
			__sync_fetch_and_add(&c->replaced, 1);
	}
	return bpf_map_update_elem(&frames, key, frame, BPF_ANY);
}

static __always_inline void enter(struct pt_regs *ctx, u32 function, u64 now, struct counts *c)
{
	struct frame_key key;
	struct frame frame = {.function = function};

	__sync_fetch_and_add(&c->calls, 1);
	if (!find_frame(ctx, &key)) {
		__sync_fetch_and_add(&c->unseen, 1);
		return;
	}
	if (sampling)
		frame.sample = sample_call(ctx, function, now);
	/* The clock is read last: what comes before is not the call's. */
	frame.begin = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&frames, &key, &frame, BPF_NOEXIST) == 0)
		return;
	frame.begin = bpf_ktime_get_ns();
	if (replace(&key, &frame) != 0)
		__sync_fetch_and_add(&c->unseen, 1);
}

static __always_inline void leave(struct pt_regs *ctx, u64 now, u64 cookie, struct counts *c)
{
	u32 function = cookie >> COOKIE_FUNCTION_SHIFT;
	u32 word = (cookie >> COOKIE_WORD_SHIFT) & COOKIE_WORD_MASK;
	struct frame_key key;
	struct frame *frame;
	struct histogram *h;
	u64 took, longest, id, type = 0;
	u64 good = *(volatile u64 *)&threshold;
	u64 own = cookie & COOKIE_STEPPED ? *(volatile u64 *)&own_stepped : *(volatile u64 *)&own_emulated;
	u64 bucket;

	if (!find_frame(ctx, &key))
		return;
	frame = bpf_map_lookup_elem(&frames, &key);
	/* A call that began before its function was hooked has none. */
	if (!frame || frame->function != function)
		return;
	took = now - frame->begin;
	took = took > own ? took - own : 0;
	id = frame->sample;
	bpf_map_delete_elem(&frames, &key);
	h = bpf_map_lookup_elem(&histograms, &function);
	if (!h)
		return;
	bucket = bucket_of(took);
	/* The index itself is compared, not what it was made of: older verifiers
	 * see no bound otherwise. */
	barrier_var(bucket);
	if (bucket < BUCKETS)
		__sync_fetch_and_add(&h->buckets[bucket], 1);
	__sync_fetch_and_add(&c->sum, took);
	longest = c->longest;
	for (int i = 0; i < 8 && took > longest; i++) {
		u64 was = __sync_val_compare_and_swap(&c->longest, longest, took);

		if (was == longest)
			break;
		longest = was;
	}
	if (word)
		type = go_result(ctx, word - 1);
	if (type)
		__sync_fetch_and_add(&c->errors, 1);
	if (type || (good && took > good))
		__sync_fetch_and_add(&c->bad, 1);
	if (sampling && id)
		sample_end(id, took, type, type ? go_result(ctx, word) : 0);
}

/* hook_call runs at the entry and at every return of a function. */
SEC("uprobe")
int hook_call(struct pt_regs *ctx)
{
	u64 now = bpf_ktime_get_ns();
	u64 cookie = bpf_get_attach_cookie(ctx);
	u32 function = cookie >> COOKIE_FUNCTION_SHIFT;
	struct counts *c;

	if (elsewhere())
		return 0;
	c = bpf_map_lookup_elem(&functions, &function);
	if (!c || !*(volatile u32 *)&c->on)
		return 0;
	if (cookie & COOKIE_RETURN)
		leave(ctx, now, cookie, c);
	else
		enter(ctx, function, now, c);
	return 0;
}

/* hook_count runs at entries only, for a moment, to tell how often a function
 * is called before it is hooked. */
SEC("uprobe")
int hook_count(struct pt_regs *ctx)
{
	u32 function = bpf_get_attach_cookie(ctx) >> COOKIE_FUNCTION_SHIFT;
	struct counts *c;
	u64 n;

	if (!*(volatile u64 *)&limit || elsewhere())
		return 0;
	n = __sync_fetch_and_add(&hits, 1) + 1;
	if (n > limit)
		return 0;
	if (n == limit)
		reached = bpf_ktime_get_ns();
	c = bpf_map_lookup_elem(&functions, &function);
	if (c)
		__sync_fetch_and_add(&c->calls, 1);
	return 0;
}
