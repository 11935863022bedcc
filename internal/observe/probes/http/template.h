/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/*
 * The template of a path, as a hash: two paths have the same one when they
 * differ only in segments that look like identifiers. template.go makes the
 * text of it, by the same rules; a test holds the two together.
 */
#pragma once

#define TEMPLATE_BYTES 128
#define TEMPLATE_SEGMENTS 8

#define FNV_OFFSET 14695981039346656037ULL
#define FNV_PRIME 1099511628211ULL

/* unknown is 0, but the verifier does not know that: it would follow each value
 * of a counter that begins with a constant. */
u64 unknown = 0;

struct template_walk {
	u64 hash; /* of the segments that are over */
	u64 word; /* of the one that goes on */
	const char *path;
	u32 len;
	u32 segments;
	u16 bytes, digits, hex, marks;
	bool whole; /* nothing in the text is an identifier */
};

static __always_inline bool is_identifier(struct template_walk *w)
{
	if (w->whole)
		return false;
	if (w->marks || w->bytes > 32)
		return true;
	if (!w->digits)
		return false;
	return w->digits == w->bytes || w->digits >= 3 || w->bytes >= 16 ||
	       (w->hex == w->bytes && w->bytes >= 8);
}

static __always_inline void template_end_segment(struct template_walk *w)
{
	u64 word = is_identifier(w) ? '*' : w->word;

	w->hash = (w->hash ^ word) * FNV_PRIME;
	w->hash ^= w->hash >> 29;
	w->word = FNV_OFFSET + unknown;
	w->bytes = w->digits = w->hex = w->marks = unknown;
	w->segments++;
}

static long template_step(u32 i, void *arg)
{
	struct template_walk *w = arg;
	u8 c;

	if (i >= w->len || i >= TEMPLATE_BYTES || w->segments > TEMPLATE_SEGMENTS)
		return 1;
	c = w->path[i & (TEMPLATE_BYTES - 1)];
	if (c == '/') {
		template_end_segment(w);
		return 0;
	}
	w->word = (w->word ^ c) * FNV_PRIME;
	w->bytes++;
	if (c >= '0' && c <= '9') {
		w->digits++;
		w->hex++;
	} else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '-') {
		w->hex++;
	} else if (c == '@' || c == '%' || c == '=' || c == '{' || c >= 0x80) {
		w->marks++;
	}
	return 0;
}

/* hash_string hashes the string whose header is at addr, of which the first
 * TEMPLATE_BYTES count: all of them, or the template. It is a function of its own
 * because its text would not fit on the stack beside that of others. */
static __attribute__((noinline)) u64 hash_string(u64 addr, bool whole)
{
	/* Before Linux 5.19 only what is set may be written to. */
	char text[TEMPLATE_BYTES] = {};
	struct template_walk w = {.path = text, .whole = whole};

	w.len = GO_PREFIX(text, TEMPLATE_BYTES, addr);
	w.hash = w.word = FNV_OFFSET + unknown;
	w.segments = w.bytes = w.digits = w.hex = w.marks = unknown;
	bpf_loop(TEMPLATE_BYTES, template_step, &w, 0);
	if (w.segments <= TEMPLATE_SEGMENTS)
		template_end_segment(&w);
	else
		w.hash = w.hash * FNV_PRIME + 1; /* there is more */
	return w.hash;
}
