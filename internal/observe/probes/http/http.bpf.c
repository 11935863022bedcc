//go:build ignore
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/*
 * The HTTP requests of Go programs, served and made. Every request is counted
 * here, by route and status; a record is sent only for some.
 *
 * A request that is served begins at serverHandler.ServeHTTP and ends where its
 * goroutine goes next, (*response).finishRequest or (*responseWriter).
 * handlerDone: entries of functions, which are cheap to probe, unlike returns.
 * What ends otherwise, by a panic or because the connection was taken over,
 * ends with its connection's goroutine.
 */
#define RING_BYTES (8 * 1024 * 1024)

#include "../../bpf/kernel.h"
#include "../../bpf/ring.h"
#include "../../bpf/request.h"

#include "records.h"
#include "state.h"
#include "template.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline struct layout *find_layout(void *ctx, u32 *index)
{
	*index = bpf_get_attach_cookie(ctx);
	return bpf_map_lookup_elem(&layouts, index);
}

static __always_inline u32 tgid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

/* count_unmatched counts the end of a request whose begin nobody saw. */
static __always_inline void count_unmatched(u32 process)
{
	if (process != observer)
		__sync_fetch_and_add(&unmatched, 1);
}

/* publish_context tells which span the thread is in from now on, none without
 * a link. */
static __always_inline void publish_context(struct trace_context *link)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct thread_context c = {};

	if (!link) {
		if (bpf_map_lookup_elem(&traces_ctx_v1, &thread))
			bpf_map_delete_elem(&traces_ctx_v1, &thread);
		return;
	}
	c.trace[0] = link->trace[0];
	c.trace[1] = link->trace[1];
	c.span = link->span;
	bpf_map_update_elem(&traces_ctx_v1, &thread, &c, BPF_ANY);
}

/* runtime.execute(gp *g, inheritTime bool): the thread takes up a goroutine.
 * This is the hottest point of all, attached only to publish contexts. */
SEC("uprobe")
int http_switch(struct pt_regs *ctx)
{
	struct trace_context link = {};

	if (request_link(GO_WORD0(ctx), tgid(), &link, false))
		publish_context(&link);
	else
		publish_context(0);
	return 0;
}

static __always_inline u8 method_of(u64 request, struct layout *l)
{
	char text[8] = {};
	struct go_string s = {};

	if (bpf_probe_read_user(&s, sizeof(s), (void *)(request + l->request_method)) != 0)
		return METHOD_OTHER;
	/* An empty method is a client's GET. */
	if (!s.len)
		return METHOD_GET;
	if (s.len > 7 || bpf_probe_read_user(text, s.len & 7, (void *)s.data) != 0)
		return METHOD_OTHER;
	switch (*(u64 *)text) {
	case 0x544547ULL:
		return METHOD_GET;
	case 0x44414548ULL:
		return METHOD_HEAD;
	case 0x54534f50ULL:
		return METHOD_POST;
	case 0x545550ULL:
		return METHOD_PUT;
	case 0x4843544150ULL:
		return METHOD_PATCH;
	case 0x4554454c4544ULL:
		return METHOD_DELETE;
	case 0x534e4f4954504fULL:
		return METHOD_OPTIONS;
	case 0x5443454e4e4f43ULL:
		return METHOD_CONNECT;
	case 0x4543415254ULL:
		return METHOD_TRACE;
	}
	return METHOD_OTHER;
}

/* pattern_of reads where the text is of the pattern that http.ServeMux, or a
 * router that follows its example, put into a request. */
static __always_inline bool pattern_of(u64 request, struct layout *l, struct go_string *s)
{
	u64 at = request + l->request_pattern;

	if (l->pattern_kind == PATTERN_NONE)
		return false;
	if (l->pattern_kind == PATTERN_POINTER) {
		at = go_word(at);
		if (!at)
			return false;
		at += l->pattern_text;
	}
	return bpf_probe_read_user(s, sizeof(*s), (void *)at) == 0 && s->data && s->len;
}

/* route_text is where the parts of a route's text are. */
struct route_text {
	u64 parts;
	struct go_string part[ROUTE_PARTS];
};

static __always_inline bool one_part(struct route_text *text, u64 at)
{
	struct go_string *s = &text->part[0];

	text->parts = 1;
	return bpf_probe_read_user(s, sizeof(*s), (void *)at) == 0 && s->data && s->len;
}

/* chi_mark is the context of the request that chi uses one of its own for, 0 for
 * one that somebody made who asks for a route. */
static __always_inline u64 chi_mark(u64 holder, struct layout *l)
{
	return l->chi_parent == ABSENT ? 0 : go_word(holder + l->chi_parent + 8);
}

/* chi_route reads the patterns of chi's routers, the outermost first, each of
 * which added its own. */
static __always_inline bool chi_route(struct request *r, struct layout *l, struct route_text *text)
{
	struct go_slice patterns = {};

	if (l->chi_patterns == ABSENT ||
	    bpf_probe_read_user(&patterns, sizeof(patterns), (void *)(r->holder + l->chi_patterns)) != 0)
		return false;
	if (!patterns.len || patterns.len > 64)
		return false;
	text->parts = patterns.len < ROUTE_PARTS ? patterns.len : ROUTE_PARTS;
	return bpf_probe_read_user(text->part, text->parts * sizeof(struct go_string), (void *)patterns.data) == 0;
}

/* is_request reports whether a request is the one that is served, or a copy of
 * it that a middleware made: a clone has a header of its own. */
static __always_inline bool is_request(struct request *r, struct layout *l, u64 request)
{
	return request && (go_word(request + l->request_header) == go_word(r->pointer + l->request_header) ||
			   go_word(request + l->request_uri) == go_word(r->pointer + l->request_uri));
}

/* holder_route asks what a router kept the route in, as long as it is for a
 * request: routers use their contexts again. */
static __always_inline bool holder_route(struct request *r, struct layout *l, struct route_text *text)
{
	switch (r->router) {
	case ROUTER_MUX:
		text->parts = 1;
		return is_request(r, l, r->holder) && pattern_of(r->holder, l, &text->part[0]);
	case ROUTER_CHI:
		return chi_mark(r->holder, l) == r->mark && chi_route(r, l, text);
	case ROUTER_GIN:
		return l->gin_path != ABSENT && is_request(r, l, go_word(r->holder + l->gin_request)) &&
		       one_part(text, r->holder + l->gin_path);
	case ROUTER_ECHO:
		/* Where there is no route, old releases say the path. */
		return l->echo_path != ABSENT && is_request(r, l, go_word(r->holder + l->echo_request)) &&
		       one_part(text, r->holder + l->echo_path) && text->part[0].data != r->mark;
	case ROUTER_GORILLA:
		return l->gorilla_template != ABSENT && one_part(text, r->holder + l->gorilla_template);
	}
	return false;
}

/* own_route is the route that the request itself has. */
static __always_inline bool own_route(struct request *r, struct layout *l, struct route_text *text)
{
	text->parts = 1;
	return pattern_of(r->pointer, l, &text->part[0]);
}

/* within_limit reports whether route is one of the first that owner has, a
 * process or its hosts: what is unbounded must not fill the series. */
static __always_inline bool within_limit(u32 owner, u64 route)
{
	struct goroutine id = {.g = route, .tgid = owner};
	u64 one = 1, *known;
	u8 seen = 1;

	if (bpf_map_lookup_elem(&known_templates, &id))
		return true;
	known = bpf_map_lookup_elem(&templates, &owner);
	if (known && *known >= template_limit)
		return false;
	if (known)
		__sync_fetch_and_add(known, 1);
	else
		bpf_map_update_elem(&templates, &owner, &one, BPF_ANY);
	bpf_map_update_elem(&known_templates, &id, &seen, BPF_ANY);
	return true;
}

/* path_template hashes the template of a request's path. */
static __always_inline u64 path_template(u64 request, struct layout *l)
{
	return hash_string(go_word(request + l->request_url) + l->url_path, false);
}

/* below_route tells the paths apart that a pattern takes which ends in a slash:
 * whole APIs are below one. */
static __always_inline void below_route(struct series_key *k, struct request *r, struct layout *l, struct go_string *pattern)
{
	u64 route;
	char last = 0;

	bpf_probe_read_user(&last, 1, (void *)(pattern->data + pattern->len - 1));
	if (last != '/')
		return;
	route = (k->route ^ path_template(r->pointer, l)) * FNV_PRIME;
	if (!within_limit(k->tgid, route))
		return;
	k->route = route;
	k->route_kind = ROUTE_BELOW;
}

/* template_route finds the route of a path that no router told one of. */
static __always_inline void template_route(struct series_key *k, u64 request, struct layout *l)
{
	k->route = path_template(request, l);
	k->route_kind = ROUTE_TEMPLATE;
	if (within_limit(k->tgid, k->route))
		return;
	k->route = 0;
	k->route_kind = ROUTE_OTHER;
}

/* count_mux counts how the point at ServeMux fares: it is of use where it led
 * to a pattern, and may be where there is no route at all. */
static __always_inline void count_mux(struct request *r, u8 by, bool found)
{
	struct mux_use *use = bpf_map_lookup_elem(&mux_uses, &r->layout);

	if (!use)
		return;
	if (by == ROUTER_MUX)
		use->useful++;
	else if (!found && !r->holder)
		use->unknown++;
	else
		use->idle++;
}

static __always_inline void find_route(struct series_key *k, struct request *r, struct layout *l, struct route_text *text)
{
	bool unfound = k->status == 404 || k->status == 405;
	bool found = false;
	u8 by = ROUTER_NONE;

	/* A mux that was given a copy of the request is below one that was given
	 * the request itself, and tells more. */
	if (r->holder) {
		found = holder_route(r, l, text);
		by = found ? r->router : ROUTER_NONE;
	}
	if (!found)
		found = own_route(r, l, text);
	if (found) {
		count_mux(r, by, true);
		/* The texts of routes are made once and stay where they are. */
		k->route = FNV_OFFSET;
		for (int i = 0; i < ROUTE_PARTS; i++)
			if (i < text->parts)
				k->route = (k->route ^ text->part[i].data ^ text->part[i].len << 48) * FNV_PRIME;
		k->route_kind = ROUTE_TEXT;
		if (by <= ROUTER_MUX && !unfound)
			below_route(k, r, l, &text->part[0]);
		return;
	}
	text->parts = 0;
	if (unfound)
		return;
	count_mux(r, ROUTER_NONE, false);
	template_route(k, r->pointer, l);
}

static __always_inline u32 bucket_of(u64 ns)
{
	u32 bits = 0, index;
	u64 n = ns;

	if (ns < 1 << 13)
		return 0;
	for (int shift = 32; shift; shift >>= 1)
		if (n >> shift) {
			n >>= shift;
			bits += shift;
		}
	index = ((bits - 2) << 3 | ((ns >> (bits - 3)) & 7)) - BUCKET_FIRST;
	return index < BUCKETS ? index : BUCKETS - 1;
}

/* count counts a request and returns its series. */
static __always_inline struct tally *count(struct series_key *k, u64 took)
{
	struct tally *s = bpf_map_lookup_elem(&series, k);
	struct blank *blank;
	u32 bucket, zero = 0;

	if (!s) {
		blank = bpf_map_lookup_elem(&blanks, &zero);
		if (blank)
			bpf_map_update_elem(&series, k, &blank->tally, BPF_NOEXIST);
		s = bpf_map_lookup_elem(&series, k);
		if (!s)
			return 0;
	}
	__sync_fetch_and_add(&s->untold, 1);
	__sync_fetch_and_add(&s->sum, took);
	if (took > s->longest)
		s->longest = took;
	for (u32 i = 0; i < LIMITS; i++) {
		if (i >= limit_count)
			break;
		if (limits[i] && took > limits[i])
			__sync_fetch_and_add(&s->over[i], 1);
	}
	bucket = bucket_of(took);
	/* The index itself is compared, not what it was made of: older verifiers
	 * see no bound otherwise. */
	barrier_var(bucket);
	if (bucket < BUCKETS)
		__sync_fetch_and_add(&s->buckets[bucket], 1);
	return s;
}

static __always_inline bool is_slow(struct series_key *k, u64 took)
{
	u64 *threshold;

	if (took < slow_floor)
		return false;
	threshold = slow_own ? bpf_map_lookup_elem(&slow, k) : 0;
	return took >= (threshold ? *threshold : slow_default);
}

/* is_told decides whether a request becomes a record: one that another event
 * refers to always, the others as the policy allows. */
static __always_inline bool is_told(struct tally *s, struct series_key *k, u64 now, u64 took, bool kept, bool linked)
{
	u64 told_at = s->told_at, since = now > told_at ? now - told_at : 0;
	/* User space learns from the first one what the series is called. */
	bool due = !told_at || since >= sample_interval || (linked && since >= linked_interval);

	if (kept || !sample_interval)
		return true;
	if (!due && since >= failed_interval)
		due = k->outcome == OUTCOME_PANIC || k->outcome == OUTCOME_ERROR || k->status >= 500 || is_slow(k, took);
	/* Of those that end at once on several CPUs, one. */
	return due && __sync_bool_compare_and_swap(&s->told_at, told_at, now);
}

static __always_inline void fill_message(struct http_record *e, u64 request, struct layout *l)
{
	u64 url = go_word(request + l->request_url);

	e->method_bytes = GO_TEXT(e->method, METHOD_BYTES, request + l->request_method);
	e->path_bytes = GO_TEXT(e->path, PATH_BYTES, url + l->url_path);
	e->length = go_word(request + l->request_length);
	e->protocol = go_word(request + l->request_proto);
	if (e->key.role == ROLE_SERVER) {
		e->host_bytes = GO_TEXT(e->host, HOST_BYTES, request + l->request_host);
		e->remote_bytes = GO_TEXT(e->remote, REMOTE_BYTES, request + l->request_remote);
		e->tls = go_word(request + l->request_tls) != 0;
		e->scheme_bytes = 0;
		return;
	}
	e->remote_bytes = 0;
	e->scheme_bytes = GO_TEXT(e->scheme, SCHEME_BYTES, url + l->url_scheme);
	/* Not the request's own host: a proxy sets that to what its client asked. */
	e->host_bytes = GO_TEXT(e->host, HOST_BYTES, url + l->url_host);
	e->tls = e->scheme_bytes == 5;
}

static __always_inline void fill_context(struct http_record *e, struct trace_context *c, u64 goid, u32 layout)
{
	struct task_struct *task = bpf_get_current_task_btf();

	e->start = BPF_CORE_READ(task, group_leader, start_boottime);
	e->code = BPF_CORE_READ(task, mm, start_code);
	e->goid = goid;
	e->layout = layout;
	e->trace[0] = c->trace[0];
	e->trace[1] = c->trace[1];
	e->span = c->span;
	e->parent = c->parent;
}

/* fill_request fills in a request that was served. */
static __always_inline void fill_request(struct http_record *e, struct request *r, struct layout *l, struct route_text *text, u64 written_at)
{
	fill_context(e, &r->context, r->goid, r->layout);
	fill_message(e, r->pointer, l);
	e->begin = r->begin;
	e->written = written_at ? go_word(written_at) : 0;
	e->panicked = r->panicked;
	e->route_parts = text->parts;
	for (int i = 0; i < ROUTE_PARTS; i++) {
		u64 n = text->part[i].len;

		e->route_bytes[i] = 0;
		if (i >= text->parts)
			continue;
		if (n > ROUTE_PART_BYTES)
			n = ROUTE_PART_BYTES;
		if (bpf_probe_read_user(e->route[i], n, (void *)text->part[i].data) == 0)
			e->route_bytes[i] = n;
	}
}

/* new_record reserves a record in the ring; one with a stack is longer. */
static __always_inline struct http_record *new_record(struct series_key *k, bool stack)
{
	struct http_record *e;

	if (stack)
		e = bpf_ringbuf_reserve(&events, sizeof(struct stack_record), 0);
	else
		e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		__sync_fetch_and_add(&lost_records, 1);
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	e->key = *k;
	/* The ring still has what was there before. */
	e->route_parts = 0;
	__builtin_memset(e->route_bytes, 0, sizeof(e->route_bytes));
	e->stack_bytes = 0;
	e->error_type = e->written = 0;
	e->panicked = 0;
	e->caller = 0;
	return e;
}

/* submit sends a record, whose weight is what was counted since the last one. */
static __always_inline void submit(struct http_record *e, struct tally *s, u64 now)
{
	e->end = now;
	e->weight = __sync_lock_test_and_set(&s->untold, 0);
	s->told_at = now;
	bpf_ringbuf_submit(e, ring_flags());
}

/* close_request counts a request that ended and tells of it if need be.
 * written_at is where the program counts what it answered, 0 for nowhere. */
static __always_inline void close_request(struct goroutine *id, struct request *r, struct layout *l, u16 status, u8 outcome, u64 written_at)
{
	u64 now = bpf_ktime_get_boot_ns(), took = now - r->begin;
	struct route_text text = {};
	struct series_key k = {};
	struct panic *p = 0;
	struct http_record *e;
	struct tally *s;
	struct told told;

	r->open = 0;
	if (publish)
		publish_context(0);
	k.tgid = id->tgid;
	k.role = ROLE_SERVER;
	k.status = status;
	k.outcome = outcome;
	k.method = method_of(r->pointer, l);
	find_route(&k, r, l, &text);
	s = count(&k, took);
	if (!s) {
		__sync_fetch_and_add(&lost, 1);
		return;
	}
	if (!is_told(s, &k, now, took, r->kept, r->spawned))
		return;
	request_context(r);
	if (r->panicked)
		p = bpf_map_lookup_elem(&panics, id);
	if (p) {
		e = new_record(&k, true);
		if (!e)
			return;
		__builtin_memcpy(((struct stack_record *)e)->stack, p->stack, sizeof(p->stack));
		e->stack_bytes = p->bytes;
		e->caller = p->caller;
		fill_request(e, r, l, &text, written_at);
		submit(e, s, now);
	} else {
		e = new_record(&k, false);
		if (!e)
			return;
		fill_request(e, r, l, &text, written_at);
		submit(e, s, now);
	}
	told.trace[0] = r->context.trace[0];
	told.trace[1] = r->context.trace[1];
	if (r->spawned)
		bpf_map_update_elem(&finished, &r->context.span, &told, BPF_ANY);
}

static __always_inline int begin_request(void *ctx, u64 g, u64 writer, u64 pointer)
{
	struct goroutine id = {.g = g, .tgid = tgid()};
	struct request *r = bpf_map_lookup_elem(&requests, &id);
	struct layout *l;
	u32 index;

	l = find_layout(ctx, &index);
	if (!l || id.tgid == observer)
		return 0;
	if (!r) {
		struct request fresh = {};

		bpf_map_update_elem(&requests, &id, &fresh, BPF_ANY);
		r = bpf_map_lookup_elem(&requests, &id);
		if (!r) {
			__sync_fetch_and_add(&lost, 1);
			return 0;
		}
	}
	/* A handler of HTTP/2 may be called through the one of HTTP/1. */
	if (r->open && r->pointer == pointer)
		return 0;
	r->begin = bpf_ktime_get_boot_ns();
	r->goid = go_word(g + l->g_goid);
	r->pointer = pointer;
	r->writer = writer;
	r->holder = 0;
	r->context.span = 0;
	r->context.parent = 0;
	r->sdk_span = r->sdk_first = 0;
	r->layout = index;
	r->router = r->kept = r->panicked = r->hijacked = r->spawned = 0;
	r->open = 1;
	if (publish)
		publish_context(request_context(r));
	return 0;
}

/* serverHandler.ServeHTTP(sh serverHandler, rw ResponseWriter, req *Request) */
SEC("uprobe")
int http_serve(struct pt_regs *ctx)
{
	return begin_request(ctx, GO_G(ctx), GO_WORD2(ctx), GO_WORD3(ctx));
}

/* (*conn).serve, where it calls (r *Request) expectsContinue(): soon before the
 * handler, which is inlined. The response is not known yet. */
SEC("uprobe")
int http_serve_inlined(struct pt_regs *ctx)
{
	return begin_request(ctx, GO_G(ctx), 0, GO_WORD0(ctx));
}

/* (sc *serverConn) runHandler(rw *responseWriter, req *http.Request, …) */
SEC("uprobe")
int http_serve_stream(struct pt_regs *ctx)
{
	return begin_request(ctx, GO_G(ctx), GO_WORD1(ctx), GO_WORD2(ctx));
}

/* own_request returns the request that the goroutine serves. */
static __always_inline struct request *own_request(struct goroutine *id)
{
	struct request *r = bpf_map_lookup_elem(&requests, id);

	return r && r->open ? r : 0;
}

/* is_answer reports whether w is what a request is answered by. */
static __always_inline bool is_answer(struct request *r, u64 w)
{
	if (!r->writer)
		r->writer = w;
	return r->writer == w;
}

/* (w *response) finishRequest(), and where that is inlined shouldReuseConnection(),
 * which comes next. */
SEC("uprobe")
int http_finish(struct pt_regs *ctx)
{
	struct goroutine id = {.g = GO_G(ctx), .tgid = tgid()};
	struct request *r = own_request(&id);
	u64 w = GO_WORD0(ctx);
	struct layout *l;
	u32 index;
	u16 status;

	l = find_layout(ctx, &index);
	if (!l)
		return 0;
	if (!r || !is_answer(r, w)) {
		count_unmatched(id.tgid);
		return 0;
	}
	status = go_word(w + l->response_status);
	close_request(&id, r, l, status ? status : 200, OUTCOME_DONE, w + l->response_written);
	return 0;
}

/* finish_stream ends a request of HTTP/2; its goroutine ends with it. */
static __always_inline int finish_stream(struct pt_regs *ctx, bool own)
{
	struct goroutine id = {.g = GO_G(ctx), .tgid = tgid()};
	struct request *r = own_request(&id);
	struct layout *l;
	u64 w = GO_WORD0(ctx), state;
	u32 index;
	u16 status;

	l = find_layout(ctx, &index);
	if (!l)
		return 0;
	if (!r || r->writer != w) {
		count_unmatched(id.tgid);
		return 0;
	}
	state = go_word(w + (own ? l->http2_state : l->xhttp2_state));
	status = go_word(state + (own ? l->http2_status : l->xhttp2_status));
	close_request(&id, r, l, status ? status : 200, OUTCOME_DONE, state + (own ? l->http2_written : l->xhttp2_written));
	bpf_map_delete_elem(&requests, &id);
	return 0;
}

/* (w *http2responseWriter) handlerDone() */
SEC("uprobe")
int http_finish_stream(struct pt_regs *ctx)
{
	return finish_stream(ctx, true);
}

/* golang.org/x/net/http2.(*responseWriter).handlerDone() */
SEC("uprobe")
int http_finish_xstream(struct pt_regs *ctx)
{
	return finish_stream(ctx, false);
}

/* is_preface reports whether a request is "PRI * HTTP/2.0", by which a connection
 * of HTTP/2 begins: net/http hands it to a handler like a request. */
static __always_inline bool is_preface(u64 request, struct layout *l)
{
	struct go_string s = {};
	u32 text = 0;

	return bpf_probe_read_user(&s, sizeof(s), (void *)(request + l->request_method)) == 0 && s.len == 3 &&
	       bpf_probe_read_user(&text, 3, (void *)s.data) == 0 && text == 0x495250;
}

/* end_goroutine ends what the goroutine of a connection, or of a stream, still
 * has open when it ends: nothing, in most cases. */
static __always_inline int end_goroutine(struct pt_regs *ctx)
{
	struct goroutine id = {.g = GO_G(ctx), .tgid = tgid()};
	struct request *r = own_request(&id);
	struct layout *l;
	u32 index;

	l = find_layout(ctx, &index);
	if (l && r && r->goid == go_word(id.g + l->g_goid)) {
		u8 outcome = OUTCOME_ERROR;

		if (r->panicked)
			outcome = OUTCOME_PANIC;
		else if (r->hijacked)
			outcome = OUTCOME_HIJACKED;
		if (!r->hijacked || !is_preface(r->pointer, l))
			close_request(&id, r, l, 0, outcome, 0);
	}
	bpf_map_delete_elem(&requests, &id);
	return 0;
}

/* The function that (*conn).serve defers. */
SEC("uprobe")
int http_conn_end(struct pt_regs *ctx)
{
	return end_goroutine(ctx);
}

/* Where the function that (*serverConn).runHandler defers recovers: it has
 * panicked. */
SEC("uprobe")
int http_stream_panic(struct pt_regs *ctx)
{
	return end_goroutine(ctx);
}

/* (w *response) Hijack() */
SEC("uprobe")
int http_hijack(struct pt_regs *ctx)
{
	struct goroutine id = {.g = GO_G(ctx), .tgid = tgid()};
	struct request *r = own_request(&id);

	if (r && is_answer(r, GO_WORD0(ctx)))
		r->hijacked = 1;
	return 0;
}

/* is_abort reports whether a panic's value is http.ErrAbortHandler, an
 * *errors.errorString: by that a handler gives an answer up, a reverse proxy
 * whose server has gone for instance. */
static __always_inline bool is_abort(u64 value)
{
	static const char abort_text[] = "net/http: abort Handler";
	char text[sizeof(abort_text) - 1] = {};
	struct go_string s = {};

	if (bpf_probe_read_user(&s, sizeof(s), (void *)value) != 0 || s.len != sizeof(text))
		return false;
	if (bpf_probe_read_user(text, sizeof(text), (void *)s.data) != 0)
		return false;
	return __builtin_memcmp(text, abort_text, sizeof(text)) == 0;
}

/* runtime.gopanic(e any): many panics are recovered soon, so that only the end
 * of the request tells what this one was. */
SEC("uprobe")
int http_panic(struct pt_regs *ctx)
{
	struct goroutine id = {.g = GO_G(ctx), .tgid = tgid()};
	struct request *r = own_request(&id);
	struct blank *blank;
	struct panic *p;
	u32 zero = 0;
	long n;

	if (!r)
		return 0;
	r->panicked = !is_abort(GO_WORD1(ctx));
	blank = bpf_map_lookup_elem(&blanks, &zero);
	if (!blank || !r->panicked)
		return 0;
	bpf_map_update_elem(&panics, &id, &blank->panic, BPF_ANY);
	p = bpf_map_lookup_elem(&panics, &id);
	if (!p)
		return 0;
	n = bpf_get_stack(ctx, p->stack, sizeof(p->stack), BPF_F_USER_STACK);
	p->bytes = n < 0 ? 0 : n;
	p->caller = GO_CALLER(ctx);
	return 0;
}

/* is_reader reports whether a goroutine is the one by which net/http notices
 * that a client goes away. It starts one for each request, before the handler
 * runs: it is asked first, and costs as little as can be. */
static __always_inline bool is_reader(u64 g, struct layout *l)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 at = go_word(g + l->g_gopc) - task->mm->start_code;

	return at - l->reader_start < l->reader_bytes;
}

/* spawn makes a goroutine that was started part of what the one works for that
 * said go, on whose thread g0 runs. */
static __always_inline int spawn(void *ctx, u64 g0, u64 started)
{
	struct goroutine id = {.tgid = tgid()}, child = {.g = started, .tgid = id.tgid};
	struct trace_context *context;
	struct errand e = {}, *from;
	struct request *r;
	struct layout *l;
	u32 index;

	l = find_layout(ctx, &index);
	if (!l || !child.g || is_reader(child.g, l))
		return 0;
	id.g = go_word(go_word(g0 + l->g_m) + l->m_curg);
	r = own_request(&id);
	if (r) {
		if (go_word(id.g + l->g_goid) != r->goid)
			return 0;
		r->spawned = 1;
		context = request_context(r);
		e.root = id;
		e.request = context->span;
		e.span = r->sdk_span ? r->sdk_span : context->span;
	} else {
		from = bpf_map_lookup_elem(&errands, &id);
		if (!from || go_word(id.g + l->g_goid) != from->goid)
			return 0;
		e = *from;
	}
	e.layout = index;
	e.goid = go_word(child.g + l->g_goid);
	bpf_map_update_elem(&errands, &child, &e, BPF_ANY);
	return 0;
}

/* runtime.newproc.func1, where it calls runqput(pp, newg, next): on the
 * system stack of the goroutine that says go. */
SEC("uprobe")
int http_spawn(struct pt_regs *ctx)
{
	return spawn(ctx, GO_G(ctx), GO_WORD1(ctx));
}

/* runtime.newproc.func1, where it calls wakep(), next after runqput: that has put
 * the new goroutine where the processor finds the next one to run. Another
 * processor may have taken it from there since, and then it is not known. */
SEC("uprobe")
int http_spawned(struct pt_regs *ctx)
{
	struct layout *l;
	u64 thread;
	u32 index;

	l = find_layout(ctx, &index);
	if (!l)
		return 0;
	thread = go_word(GO_G(ctx) + l->g_m);
	return spawn(ctx, GO_G(ctx), go_word(go_word(thread + l->m_p) + l->p_runnext));
}

/* sdk_context reads where a span of OpenTelemetry's SDK is in a trace. It is
 * false for one that the program does not export. */
static __always_inline bool sdk_context(u64 span, struct layout *l, struct trace_context *c)
{
	u64 at = span + l->span_context;

	if (l->span_context == ABSENT || l->span_parent == ABSENT || l->context_span == ABSENT)
		return false;
	if (!(go_word(at + l->context_flags) & 1))
		return false;
	bpf_probe_read_user(c->trace, sizeof(c->trace), (void *)(at + l->context_trace));
	c->span = go_word(at + l->context_span);
	at = span + l->span_parent;
	/* A parent that the program does not export is none. */
	if ((go_word(at + l->context_flags) & 1) && (l->context_remote == ABSENT || !(go_word(at + l->context_remote) & 1)))
		c->parent = go_word(at + l->context_span);
	return c->span != 0;
}

/* enter_span makes a request part of the trace that the program tells of by
 * itself: the request is a child of the first span that the program begins for
 * it. Once something refers to the request's own trace, that stays. */
static __always_inline void enter_span(struct request *r, struct trace_context *c)
{
	struct trace_context *own = request_context(r);

	if (!r->sdk_first) {
		if (r->kept && (own->trace[0] != c->trace[0] || own->trace[1] != c->trace[1]))
			return;
		own->trace[0] = c->trace[0];
		own->trace[1] = c->trace[1];
		own->parent = c->span;
		r->sdk_first = c->span;
	} else if (own->trace[0] != c->trace[0] || own->trace[1] != c->trace[1]) {
		return;
	}
	r->sdk_span = c->span;
}

/* (s *recordingSpan) runtimeTrace(ctx): once for each span, when it begins. */
SEC("uprobe")
int http_span_begin(struct pt_regs *ctx)
{
	struct goroutine id = {.g = GO_G(ctx), .tgid = tgid()};
	struct request *r = open_request(&id);
	struct trace_context c = {};
	struct errand *e;
	struct layout *l;
	u64 trace[2];
	u32 index;

	l = find_layout(ctx, &index);
	if (!l || !sdk_context(GO_WORD0(ctx), l, &c))
		return 0;
	if (r) {
		enter_span(r, &c);
		return 0;
	}
	e = bpf_map_lookup_elem(&errands, &id);
	if (e && e->goid == go_word(id.g + l->g_goid) && errand_trace(e, trace, false) && trace[0] == c.trace[0] && trace[1] == c.trace[1])
		e->span = c.span;
	return 0;
}

/* span_around returns the span that is left when one ends, 0 for none: the
 * request's first where the one around it is not known. */
static __always_inline u64 span_around(struct request *r, struct trace_context *c)
{
	if (c->span == r->sdk_first)
		return 0;
	return c->parent ? c->parent : r->sdk_first;
}

/* (s *recordingSpan) End(options): on any goroutine of the request. */
SEC("uprobe")
int http_span_end(struct pt_regs *ctx)
{
	struct goroutine id = {.g = GO_G(ctx), .tgid = tgid()};
	struct request *r = open_request(&id);
	struct trace_context c = {};
	struct errand *e = 0;
	struct layout *l;
	u32 index;

	l = find_layout(ctx, &index);
	if (!l || !sdk_context(GO_WORD0(ctx), l, &c))
		return 0;
	if (!r) {
		e = bpf_map_lookup_elem(&errands, &id);
		if (!e || e->goid != go_word(id.g + l->g_goid))
			return 0;
		r = root_request(e);
	}
	if (e && e->span == c.span) {
		e->span = r ? span_around(r, &c) : c.parent;
		if (!e->span)
			e->span = e->request;
	}
	if (r && r->sdk_span == c.span)
		r->sdk_span = span_around(r, &c);
	return 0;
}

/* hold remembers what a router keeps the route of the current request in, and by
 * what mark that is known again. */
static __always_inline int hold(struct pt_regs *ctx, u8 router, u64 holder, u64 mark)
{
	struct goroutine id = {.g = GO_G(ctx), .tgid = tgid()};
	struct request *r = own_request(&id);

	if (!r || !holder)
		return 0;
	/* The first that matches is the innermost, whose template is whole. */
	if (router == ROUTER_GORILLA && r->router == router && r->mark == mark)
		return 0;
	/* Who asks chi for a route makes a context for that. */
	if (router == ROUTER_CHI && r->router == router && r->mark && !mark)
		return 0;
	/* What a router says is more than what the mux before it says. */
	if (router == ROUTER_MUX && (r->router > ROUTER_MUX || holder == r->pointer))
		return 0;
	r->router = router;
	r->holder = holder;
	r->mark = mark;
	return 0;
}

/* (mux *ServeMux) ServeHTTP(w ResponseWriter, r *Request) */
SEC("uprobe")
int http_route_mux(struct pt_regs *ctx)
{
	return hold(ctx, ROUTER_MUX, GO_WORD3(ctx), 0);
}

/* chi: (n *node) FindRoute(rctx *Context, …) */
SEC("uprobe")
int http_route_chi(struct pt_regs *ctx)
{
	u64 holder = GO_WORD1(ctx);
	struct layout *l;
	u32 index;

	l = find_layout(ctx, &index);
	return l ? hold(ctx, ROUTER_CHI, holder, chi_mark(holder, l)) : 0;
}

/* gin: (engine *Engine) handleHTTPRequest(c *Context) */
SEC("uprobe")
int http_route_gin(struct pt_regs *ctx)
{
	return hold(ctx, ROUTER_GIN, GO_WORD1(ctx), 0);
}

/* echo: (r *Router) Find(method, path string, c Context) */
SEC("uprobe")
int http_route_echo(struct pt_regs *ctx)
{
	return hold(ctx, ROUTER_ECHO, GO_WORD6(ctx), GO_WORD3(ctx));
}

/* gorilla: (v routeRegexpGroup) setMatch(req, m, r): each router that is asked
 * has an m of its own. */
SEC("uprobe")
int http_route_gorilla(struct pt_regs *ctx)
{
	return hold(ctx, ROUTER_GORILLA, GO_WORD1(ctx), GO_WORD6(ctx));
}

/* (t *Transport) roundTrip(req *Request) */
SEC("uprobe")
int http_call(struct pt_regs *ctx)
{
	struct goroutine id = {.g = GO_G(ctx), .tgid = tgid()};
	struct trace_context link = {};
	struct call c = {};
	struct layout *l;
	u32 index;

	l = find_layout(ctx, &index);
	if (!l || id.tgid == observer)
		return 0;
	c.begin = bpf_ktime_get_boot_ns();
	c.pointer = GO_WORD1(ctx);
	c.goid = go_word(id.g + l->g_goid);
	c.layout = index;
	if (request_link(id.g, id.tgid, &link, false)) {
		c.linked = 1;
		c.context.trace[0] = link.trace[0];
		c.context.trace[1] = link.trace[1];
		c.context.parent = link.span;
	} else {
		c.context.trace[0] = random_word();
		c.context.trace[1] = random_word() | 1;
	}
	c.context.span = random_word() | 1;
	bpf_map_update_elem(&calls, &id, &c, BPF_ANY);
	return 0;
}

/* host_route makes the host that a client asks the route of its series. */
static __always_inline void host_route(struct series_key *k, u64 url, struct layout *l)
{
	k->route = hash_string(url + l->url_host, true);
	k->route_kind = ROUTE_HOST;
	/* A crawler asks any number of hosts. */
	if (!within_limit(k->tgid | OF_HOSTS, k->route))
		k->route = 0;
}

static __always_inline void close_call(struct goroutine *id, struct call *c, struct layout *l, u64 reply, u64 error)
{
	u64 now = bpf_ktime_get_boot_ns(), took = now - c->begin;
	struct trace_context link;
	struct series_key k = {};
	struct http_record *e;
	struct tally *s;

	k.tgid = id->tgid;
	k.role = ROLE_CLIENT;
	k.method = method_of(c->pointer, l);
	if (error)
		k.outcome = OUTCOME_ERROR;
	else
		k.status = go_word(reply + l->reply_status);
	host_route(&k, go_word(c->pointer + l->request_url), l);
	s = count(&k, took);
	if (!s) {
		__sync_fetch_and_add(&lost, 1);
		return;
	}
	if (!is_told(s, &k, now, took, false, c->linked))
		return;
	if (c->linked && !request_link(id->g, id->tgid, &link, true)) {
		c->context.parent = 0;
	} else if (c->linked) {
		c->context.trace[0] = link.trace[0];
		c->context.trace[1] = link.trace[1];
	}
	e = new_record(&k, false);
	if (!e)
		return;
	fill_context(e, &c->context, c->goid, c->layout);
	fill_message(e, c->pointer, l);
	e->begin = c->begin;
	e->error_type = error;
	submit(e, s, now);
}

/* Where roundTrip returns (*Response, error). */
SEC("uprobe")
int http_reply(struct pt_regs *ctx)
{
	struct goroutine id = {.g = GO_G(ctx), .tgid = tgid()};
	struct call *c = bpf_map_lookup_elem(&calls, &id);
	struct layout *l;
	u32 index;

	l = find_layout(ctx, &index);
	if (!l)
		return 0;
	if (!c || c->goid != go_word(id.g + l->g_goid)) {
		count_unmatched(id.tgid);
		return 0;
	}
	close_call(&id, c, l, GO_WORD0(ctx), GO_WORD1(ctx));
	bpf_map_delete_elem(&calls, &id);
	return 0;
}

/* The types that user space reads and writes, for bpf2go. */
struct layout *unused_layout __attribute__((unused));
struct goroutine *unused_goroutine __attribute__((unused));
struct request *unused_request __attribute__((unused));
struct errand *unused_errand __attribute__((unused));
struct mux_use *unused_mux __attribute__((unused));
struct tally *unused_series __attribute__((unused));
struct http_record *unused_record __attribute__((unused));
enum outcome unused_outcome __attribute__((unused));
enum method unused_method __attribute__((unused));
enum role unused_role __attribute__((unused));
enum route_kind unused_route __attribute__((unused));
enum map_kind unused_map __attribute__((unused));
enum pattern_kind unused_pattern __attribute__((unused));
