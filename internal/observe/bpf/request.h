/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/*
 * Which request a goroutine works for. The http probe opens and closes
 * requests; any other probe whose program runs on a goroutine asks
 * request_link for the trace that its event belongs to. The maps are shared by
 * name between the probes of one agent.
 *
 * A goroutine is known by its g and its id: a g is used again for another
 * goroutine, an id never, so a stale entry is never taken for another request.
 */
#pragma once

#include "goabi.h"

/* ABSENT is the offset of a field that a program does not have. */
#define ABSENT 0xffff

#define LAYOUTS 1024
#define REQUESTS 131072
#define ERRANDS 65536
#define FINISHED 16384

enum pattern_kind {
	PATTERN_NONE = 0,
	PATTERN_STRING = 1, /* Request.Pattern */
	PATTERN_POINTER = 2, /* Request.pat, and pattern.str behind it */
};

enum map_kind {
	MAP_UNKNOWN = 0,
	MAP_BUCKETS = 1,
	MAP_SWISS = 2,
};

/* layout says where the structs of one executable keep their fields. */
struct layout {
	/* runtime */
	u16 g_goid;
	u16 g_m;
	u16 g_gopc;
	u16 m_curg;
	u16 m_p;
	u16 p_runnext;
	u8 pattern_kind;
	u8 map_kind;
	/* net/http.Request and net/url.URL */
	u16 request_method;
	u16 request_url;
	u16 request_proto;
	u16 request_header;
	u16 request_uri;
	u16 request_host;
	u16 request_remote;
	u16 request_tls;
	u16 request_length;
	u16 request_pattern;
	u16 pattern_text;
	u16 url_scheme;
	u16 url_host;
	u16 url_path;
	/* net/http.response, and the response writers of HTTP/2 */
	u16 response_status;
	u16 response_written;
	u16 http2_state;
	u16 http2_status;
	u16 http2_written;
	u16 xhttp2_state;
	u16 xhttp2_status;
	u16 xhttp2_written;
	/* net/http.Response */
	u16 reply_status;
	/* maps */
	u16 map_count;
	u16 map_log;
	u16 map_data;
	u16 table_groups;
	u16 groups_data;
	u16 groups_mask;
	/* routers: what they keep the route in, and where it says for which
	 * request. */
	u16 chi_patterns;
	u16 chi_parent;
	u16 gin_path;
	u16 gin_request;
	u16 echo_path;
	u16 echo_request;
	u16 gorilla_template;
	/* OpenTelemetry's SDK: spans of the program's own. */
	u16 span_context;
	u16 span_parent;
	u16 context_trace;
	u16 context_span;
	u16 context_flags;
	u16 context_remote;
	/* The code that starts the reader that net/http has beside each request,
	 * from the begin of the program's. */
	u32 reader_start;
	u32 reader_bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LAYOUTS);
	__type(key, u32);
	__type(value, struct layout);
} layouts SEC(".maps");

struct goroutine {
	u64 g;
	u64 tgid;
};

/* trace_context places a span: its trace, itself, its parent. The ids are
 * bytes in the order of the W3C; a span id of 0 means that none was chosen yet. */
struct trace_context {
	u64 trace[2];
	u64 span;
	u64 parent;
};

enum router {
	ROUTER_NONE = 0,
	ROUTER_MUX = 1,
	ROUTER_CHI = 2,
	ROUTER_GIN = 3,
	ROUTER_ECHO = 4,
	ROUTER_GORILLA = 5,
};

/* request is one that a goroutine serves, or served last. */
struct request {
	u64 goid;
	u64 begin;
	u64 pointer; /* *http.Request */
	u64 writer;
	u64 holder; /* what the router keeps the route in */
	u64 mark; /* by which a router's use of the holder is known again */
	struct trace_context context;
	/* The span of the program's own SDK that the goroutine is in, and the first
	 * of those for this request; 0 for none. */
	u64 sdk_span;
	u64 sdk_first;
	u32 layout;
	u8 open;
	u8 router;
	u8 kept; /* something refers to its span: it must be told of */
	u8 panicked;
	u8 hijacked;
	u8 spawned; /* it started goroutines */
	u8 padding[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, REQUESTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct goroutine);
	__type(value, struct request);
} requests SEC(".maps");

/* errand is a goroutine that was started, at any depth, for a request. */
struct errand {
	u64 goid;
	struct goroutine root;
	u64 request; /* the span of the request */
	u64 span; /* what the goroutine does is a child of it */
	u32 layout;
	u32 padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ERRANDS);
	__type(key, struct goroutine);
	__type(value, struct errand);
} errands SEC(".maps");

/* told is the trace of a request. */
struct told {
	u64 trace[2];
};

/* finished holds, by their spans, the requests that ended, were told of, and had
 * started goroutines that may go on. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FINISHED);
	__type(key, u64);
	__type(value, struct told);
} finished SEC(".maps");

static __always_inline u64 random_word(void)
{
	return (u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
}

#define HEADER_NAME_BYTES 11
#define TRACEPARENT_BYTES 55
/* A header of more names than these is not looked through. */
#define HEADER_GROUPS 32

/* header_slot is one of a header's entries in memory, the same in both kinds
 * of map but for where keys and elements lie. */
static __always_inline bool is_traceparent(struct go_string *key)
{
	char name[16] = {};

	if (key->len != HEADER_NAME_BYTES)
		return false;
	if (bpf_probe_read_user(name, HEADER_NAME_BYTES, (void *)key->data) != 0)
		return false;
	return *(u64 *)name == 0x7261706563617254ULL /* "Tracepar" */ &&
	       (*(u32 *)(name + 8) & 0xffffff) == 0x746e65 /* "ent" */;
}

/* is_hex is 1 for a lower case hexadecimal digit, else 0. It has no branches,
 * of which the verifier would follow all combinations. */
static __always_inline u32 is_hex(u8 c)
{
	u32 digit = (u8)(c - '0'), letter = (u8)(c - 'a');

	return (digit - 10) >> 31 | (letter - 6) >> 31;
}

/* parse_hex reads 2 * n lower case hexadecimal digits; n is constant. It returns
 * 1 when all are, else 0. */
static __always_inline u32 parse_hex(const char *text, u8 *bytes, int n)
{
	u32 good = 1;

	for (int i = 0; i < n; i++) {
		u8 high = text[2 * i], low = text[2 * i + 1];

		good &= is_hex(high) & is_hex(low);
		bytes[i] = ((high & 15) + (high >> 6) * 9) << 4 | ((low & 15) + (low >> 6) * 9);
	}
	return good;
}

/* parse_traceparent reads the value of a W3C traceparent header. What does not
 * follow the format to the letter is as good as none. */
static __always_inline bool parse_traceparent(struct go_string *value, struct trace_context *c)
{
	char text[TRACEPARENT_BYTES + 1] = {};
	u64 trace[2], parent;
	u8 version, flags;

	if (value->len < TRACEPARENT_BYTES)
		return false;
	if (bpf_probe_read_user(text, TRACEPARENT_BYTES + (value->len > TRACEPARENT_BYTES), (void *)value->data) != 0)
		return false;
	if (text[2] != '-' || text[35] != '-' || text[52] != '-')
		return false;
	if (!(parse_hex(text, &version, 1) & parse_hex(text + 3, (u8 *)trace, 16) &
	      parse_hex(text + 36, (u8 *)&parent, 8) & parse_hex(text + 53, &flags, 1)))
		return false;
	/* Version 00 ends here; a later one may go on after a hyphen. */
	if (version == 0xff || (value->len > TRACEPARENT_BYTES && (version == 0 || text[TRACEPARENT_BYTES] != '-')))
		return false;
	if ((!trace[0] && !trace[1]) || !parent)
		return false;
	c->trace[0] = trace[0];
	c->trace[1] = trace[1];
	c->parent = parent;
	return true;
}

/* header_walk looks through the groups of eight slots that a map consists of.
 * Before Go 1.24 a group is a bucket: eight bytes of hashes, eight keys, eight
 * elements, the next bucket. Since then it is a control word and eight slots of
 * a key and an element each. */
struct header_walk {
	u64 group;
	u64 directory; /* of tables, 0 when there is one group or one table */
	u64 left; /* groups, after this one, that lie behind it */
	u64 controls; /* of the group's slots, a byte each */
	u64 values; /* out: where the slice of values is */
	u64 tables; /* left in the directory */
	u16 table_groups, groups_data, groups_mask;
	u8 kind;
};

#define STRING_BYTES 16
#define SLICE_BYTES 24
#define SWISS_GROUP_BYTES (8 + 8 * (STRING_BYTES + SLICE_BYTES))
#define BUCKET_BYTES (8 + 8 * (STRING_BYTES + SLICE_BYTES) + 8)

static __always_inline bool slot_matches(struct header_walk *w, u32 i, u8 control)
{
	struct go_string key;
	u64 at, value;

	if (w->kind == MAP_SWISS) {
		/* The high bit of a control byte says that the slot is free. */
		if (control & 0x80)
			return false;
		at = w->group + 8 + i * (STRING_BYTES + SLICE_BYTES);
		value = at + STRING_BYTES;
	} else {
		/* Hashes below 5 mark free and moved slots. */
		if (control < 5)
			return false;
		at = w->group + 8 + i * STRING_BYTES;
		value = w->group + 8 + 8 * STRING_BYTES + i * SLICE_BYTES;
	}
	if (bpf_probe_read_user(&key, sizeof(key), (void *)at) != 0 || !is_traceparent(&key))
		return false;
	w->values = value;
	return true;
}

/* next_table moves to the first group of the next table of the directory. */
static __always_inline bool next_table(struct header_walk *w)
{
	u64 table;

	if (!w->tables)
		return false;
	w->tables--;
	table = go_word(w->directory);
	w->directory += 8;
	w->group = go_word(table + w->table_groups + w->groups_data);
	w->left = go_word(table + w->table_groups + w->groups_mask);
	return w->group != 0;
}

/* next_group moves to the group after the current one. */
static __always_inline bool next_group(struct header_walk *w)
{
	if (w->kind == MAP_SWISS) {
		if (!w->left)
			return next_table(w);
		w->left--;
		w->group += SWISS_GROUP_BYTES;
		return true;
	}
	/* A bucket that is full goes on in another one, elsewhere. */
	u64 overflow = go_word(w->group + BUCKET_BYTES - 8);

	if (overflow) {
		if (!w->directory)
			w->directory = w->group;
		w->group = overflow;
		return true;
	}
	if (w->directory) {
		w->group = w->directory;
		w->directory = 0;
	}
	if (!w->left)
		return false;
	w->left--;
	w->group += BUCKET_BYTES;
	return true;
}

/* header_step looks at one slot. */
static long header_step(u32 n, void *arg)
{
	struct header_walk *w = arg;
	u32 slot = n & 7;

	if (slot == 0) {
		if (n && !next_group(w))
			return 1;
		w->controls = go_word(w->group);
	}
	return slot_matches(w, slot, w->controls >> (8 * slot));
}

/* find_traceparent honours the traceparent header of a request. */
static __always_inline void find_traceparent(struct request *r, struct layout *l)
{
	struct header_walk w = {};
	struct go_string value;
	u64 header = go_word(r->pointer + l->request_header);
	u64 first;

	if (!header || !l->map_kind || !go_word(header + l->map_count))
		return;
	w.kind = l->map_kind;
	w.group = go_word(header + l->map_data);
	if (l->map_kind == MAP_SWISS) {
		u64 tables = go_word(header + l->map_log);

		w.table_groups = l->table_groups;
		w.groups_data = l->groups_data;
		w.groups_mask = l->groups_mask;
		if (tables) {
			w.directory = w.group;
			w.tables = tables;
			if (!next_table(&w))
				return;
		}
	} else {
		u8 log = go_word(header + l->map_log);

		w.left = (1ULL << (log & 15)) - 1;
	}
	if (!w.group)
		return;
	bpf_loop(8 * HEADER_GROUPS, header_step, &w, 0);
	if (!w.values)
		return;
	first = go_word(w.values);
	if (first && bpf_probe_read_user(&value, sizeof(value), (void *)first) == 0)
		parse_traceparent(&value, &r->context);
}

/* choose_ids chooses the ids of a request. It is a function of its own for the
 * verifier, which would else go through the reading of headers once for each
 * program. */
__attribute__((noinline)) int choose_ids(struct request *r)
{
	struct layout *l;
	u32 index;

	if (!r)
		return 0;
	index = r->layout;
	l = bpf_map_lookup_elem(&layouts, &index);
	if (l)
		find_traceparent(r, l);
	if (!r->context.parent) {
		r->context.trace[0] = random_word();
		r->context.trace[1] = random_word() | 1;
	}
	r->context.span = random_word() | 1;
	return 0;
}

/* request_context returns where a request is in a trace. The ids are chosen
 * the first time that they are asked for: most requests end without. */
static __always_inline struct trace_context *request_context(struct request *r)
{
	if (!r->context.span)
		choose_ids(r);
	return &r->context;
}

static __always_inline bool is_goroutine(u64 g, u64 goid, u32 layout)
{
	struct layout *l = bpf_map_lookup_elem(&layouts, &layout);

	return l && go_word(g + l->g_goid) == goid;
}

static __always_inline struct request *open_request(struct goroutine *k)
{
	struct request *r = bpf_map_lookup_elem(&requests, k);

	if (!r || !r->open || !is_goroutine(k->g, r->goid, r->layout))
		return 0;
	return r;
}

/* root_request returns the request that an errand is for while it is open. */
static __always_inline struct request *root_request(struct errand *e)
{
	struct request *r = bpf_map_lookup_elem(&requests, &e->root);

	return r && r->open && r->context.span == e->request ? r : 0;
}

/* errand_trace finds the trace of the request that an errand is for. It may have
 * changed since the errand began: a request that nothing refers to yet moves to
 * the trace of the program's own spans. It is false for one that ended untold. */
static __always_inline bool errand_trace(struct errand *e, u64 *trace, bool keep)
{
	struct request *r = root_request(e);
	struct told *t;

	if (r) {
		r->kept |= keep;
		trace[0] = r->context.trace[0];
		trace[1] = r->context.trace[1];
		return true;
	}
	t = bpf_map_lookup_elem(&finished, &e->request);
	if (!t)
		return false;
	trace[0] = t->trace[0];
	trace[1] = t->trace[1];
	return true;
}

/* request_link tells for which request the goroutine of g runs: it returns
 * false when for none, or for one that ended untold. An event that names the
 * request as its parent asks with keep, so that the request is told of too. */
static __always_inline bool request_link(u64 g, u32 tgid, struct trace_context *link, bool keep)
{
	struct goroutine k = {.g = g, .tgid = tgid};
	struct request *r = open_request(&k);
	struct errand *e;

	if (r) {
		r->kept |= keep;
		*link = *request_context(r);
		if (r->sdk_span)
			link->span = r->sdk_span;
		return true;
	}
	e = bpf_map_lookup_elem(&errands, &k);
	if (!e || !is_goroutine(g, e->goid, e->layout) || !errand_trace(e, link->trace, keep))
		return false;
	link->span = e->span;
	return true;
}
