/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/*
 * What some of the calls pass: a sample of each function's calls, not more than
 * one within `interval`, and not more of all than the ring has room for. Where values are is user space's to say, in slots.
 * Every address is the process's and may be garbage: what cannot be read is
 * marked as such.
 */
#pragma once

/* sampling is whether calls are sampled at all; without it the code below is
 * left out. */
const volatile bool sampling = false;
/* interval is how many nanoseconds are between two samples of a function, at
 * least: up to a quarter more, so that functions do not keep in step. */
const volatile u64 interval = 100000000;
/* turn is how often user space empties the ring, in nanoseconds, and most is how
 * many samples are taken in that time, with which it is half full. A function
 * that is out of luck keeps its turn. */
const volatile u64 turn = 100000000;
const volatile u64 most = 64;
/* goid_offset is where the runtime's g keeps the goroutine's id. */
const volatile u64 goid_offset = 152;

/* unsampled counts the samples that the ring had no room for. */
u64 unsampled = 0;
/* sampled numbers the samples. */
u64 sampled = 0;
/* turn_begin is when the turn began, and turn_taken how many samples were taken
 * since. */
u64 turn_begin = 0;
u64 turn_taken = 0;

#define SLOTS 16
#define SLOT_OFFSETS 6
#define TEXT_BYTES 64

enum { SOURCE_NONE, SOURCE_WORDS, SOURCE_REGISTER, SOURCE_STACK };
enum { VALUE_RAW, VALUE_TEXT, VALUE_INTERFACE };
enum { STATE_UNREAD, STATE_READ, STATE_NO_TEXT };
enum { RECORD_ENTRY = 1, RECORD_EXIT };

/* slot says where a value is: in words of the arguments, or in memory, at an
 * address that the first word or the stack pointer gives. Each hop follows a
 * pointer: the offsets are those of the pointers and, last, of the value. */
struct slot {
	u8 source;
	u8 kind;
	u8 hops;
	u8 size; /* bytes to read from memory */
	u8 words[4];
	u32 offsets[SLOT_OFFSETS];
};

struct plan {
	u64 next; /* when the next call may be sampled */
	u32 count;
	u32 padding;
	struct slot slots[SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct plan);
} plans SEC(".maps");

/* value is what was read. raw are the words of a number, of the header of a
 * string or a slice, or of an interface and then, in the third, the type that
 * its table names. */
struct value {
	u64 raw[3];
	u64 data;   /* where the text is, 0 when that cannot be read */
	u64 length; /* of the text, which may be cut */
	u64 state;
	u8 text[TEXT_BYTES];
};

struct sample_entry {
	u32 record;
	u32 function;
	u64 id;
	u64 time;
	u64 goid;
	struct value values[SLOTS];
};

struct sample_exit {
	u32 record;
	u32 failed;
	u64 id;
	u64 took;
	struct value error;
};

/* The compiler keeps the types of what it sees used. */
const struct sample_entry *unused_entry __attribute__((unused));
const struct sample_exit *unused_exit __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} samples SEC(".maps");

/* read_text copies the text at data. A longer one is cut. */
static __always_inline bool read_text(struct value *v, u64 data, u64 length)
{
	u64 n = length;

	v->data = data;
	v->length = length;
	if (n > TEXT_BYTES)
		n = TEXT_BYTES;
	return n == 0 || bpf_probe_read_user(v->text, n, (void *)data) == 0;
}

/* read_rest reads what the words of a value point to. */
static __always_inline void read_rest(struct value *v, u8 kind)
{
	u64 header[2];

	v->state = STATE_READ;
	v->data = 0;
	v->length = 0;
	if (kind == VALUE_TEXT) {
		if (!read_text(v, v->raw[0], v->raw[1]))
			v->state = STATE_NO_TEXT;
	} else if (kind == VALUE_INTERFACE) {
		v->raw[2] = v->raw[0] ? go_word(v->raw[0] + 8) : 0;
		if (bpf_probe_read_user(header, sizeof(header), (void *)v->raw[1]) != 0 || !read_text(v, header[0], header[1]))
			v->state = STATE_NO_TEXT;
	}
}

static __always_inline void read_slot(struct value *v, const struct slot *s, const u64 *words, u64 sp)
{
	u64 addr, size = s->size;

	v->state = STATE_UNREAD;
	switch (s->source) {
	case SOURCE_WORDS:
		v->raw[0] = words[s->words[0] & 15];
		v->raw[1] = words[s->words[1] & 15];
		v->raw[2] = words[s->words[2] & 15];
		break;
	case SOURCE_REGISTER:
	case SOURCE_STACK:
		addr = s->source == SOURCE_STACK ? sp : words[s->words[0] & 15];
		for (u32 i = 0; i < SLOT_OFFSETS - 1; i++) {
			if (i >= s->hops)
				break;
			if (bpf_probe_read_user(&addr, sizeof(addr), (void *)(addr + s->offsets[i])) != 0)
				return;
		}
		if (size > sizeof(v->raw))
			size = sizeof(v->raw);
		v->raw[0] = 0;
		if (bpf_probe_read_user(v->raw, size, (void *)(addr + s->offsets[s->hops < SLOT_OFFSETS ? s->hops : 0])) != 0)
			return;
		break;
	default:
		return;
	}
	read_rest(v, s->kind);
}

/* sample_read reads the arguments of a call, and returns the number of the
 * sample, 0 when there is no room for it. */
static __noinline u64 sample_read(struct pt_regs *ctx, u32 function, u64 now)
{
	u64 words[16] = {
		GO_WORD0(ctx), GO_WORD1(ctx), GO_WORD2(ctx), GO_WORD3(ctx), GO_WORD4(ctx),
		GO_WORD5(ctx), GO_WORD6(ctx), GO_WORD7(ctx), GO_WORD8(ctx),
	};
	struct plan *plan = bpf_map_lookup_elem(&plans, &function);
	struct sample_entry *r;
	u64 id;

	if (!plan)
		return 0;
	r = bpf_ringbuf_reserve(&samples, sizeof(*r), 0);
	if (!r) {
		__sync_fetch_and_add(&unsampled, 1);
		return 0;
	}
	id = __sync_fetch_and_add(&sampled, 1) + 1;
	r->record = RECORD_ENTRY;
	r->function = function;
	r->id = id;
	r->time = now;
	r->goid = go_word(GO_G(ctx) + goid_offset);
	for (u32 i = 0; i < SLOTS; i++) {
		if (i >= plan->count)
			break;
		read_slot(&r->values[i], &plan->slots[i], words, GO_SP(ctx));
	}
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return id;
}

/* in_turn reports whether a sample may be taken now, and counts it. */
static __always_inline bool in_turn(u64 now)
{
	u64 begin = *(volatile u64 *)&turn_begin;

	if ((s64)(now - begin) >= (s64)turn && __sync_val_compare_and_swap(&turn_begin, begin, now) == begin)
		*(volatile u64 *)&turn_taken = 0;
	return *(volatile u64 *)&turn_taken < most && __sync_fetch_and_add(&turn_taken, 1) < most;
}

/* sample_call reads the arguments of a call when it is time to, else it returns
 * 0. */
static __always_inline u64 sample_call(struct pt_regs *ctx, u32 function, u64 now)
{
	struct plan *plan = bpf_map_lookup_elem(&plans, &function);
	u64 next, after;

	if (!plan)
		return 0;
	next = plan->next;
	if (now < next || !in_turn(now))
		return 0;
	after = now + interval + ((interval >> 2) * (bpf_get_prandom_u32() & 0xffff) >> 16);
	if (__sync_val_compare_and_swap(&plan->next, next, after) != next)
		return 0;
	return sample_read(ctx, function, now);
}

/* sample_end tells how a sampled call ended. type and data are the words of
 * its error. */
static __always_inline void sample_end(u64 id, u64 took, u64 type, u64 data)
{
	struct sample_exit *r = bpf_ringbuf_reserve(&samples, sizeof(*r), 0);

	if (!r) {
		__sync_fetch_and_add(&unsampled, 1);
		return;
	}
	r->record = RECORD_EXIT;
	r->failed = type != 0;
	r->id = id;
	r->took = took;
	r->error.raw[0] = type;
	r->error.raw[1] = data;
	read_rest(&r->error, VALUE_INTERFACE);
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}
