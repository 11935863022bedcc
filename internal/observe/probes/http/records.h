/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/* What user space reads: one record for each request that is told of, and the
 * series in which all are counted. */
#pragma once

#define PATH_BYTES 256
#define HOST_BYTES 128
#define ROUTE_PARTS 4
#define ROUTE_PART_BYTES 128
#define METHOD_BYTES 16
#define REMOTE_BYTES 64
#define SCHEME_BYTES 8
#define STACK_FRAMES 64

enum role {
	ROLE_SERVER = 1,
	ROLE_CLIENT = 2,
};

enum outcome {
	OUTCOME_DONE = 0,
	OUTCOME_PANIC = 1,
	/* The connection was taken over: what was answered is not known. */
	OUTCOME_HIJACKED = 2,
	/* The handler ended its goroutine or gave up, or the client had no answer. */
	OUTCOME_ERROR = 3,
};

enum method {
	METHOD_OTHER = 0,
	METHOD_GET = 1,
	METHOD_HEAD = 2,
	METHOD_POST = 3,
	METHOD_PUT = 4,
	METHOD_PATCH = 5,
	METHOD_DELETE = 6,
	METHOD_OPTIONS = 7,
	METHOD_CONNECT = 8,
	METHOD_TRACE = 9,
};

/* How the route of a series was found. */
enum route_kind {
	/* There is none: nothing was found at the path. */
	ROUTE_NONE = 0,
	/* The router's own, by the address of its text. */
	ROUTE_TEXT = 1,
	/* The path's template, by its hash. */
	ROUTE_TEMPLATE = 2,
	/* All templates past the limit. */
	ROUTE_OTHER = 3,
	/* The host that a client asks, by its hash. */
	ROUTE_HOST = 4,
	/* The router's own, which takes all paths below it, and the path's template,
	 * by the hash of both. */
	ROUTE_BELOW = 5,
};

/* series_key tells apart what is counted together. */
struct series_key {
	u64 route;
	u32 tgid;
	u16 status;
	u8 method;
	u8 role;
	u8 outcome;
	u8 route_kind;
	u8 padding[6];
};

/* BUCKETS and BUCKET_FIRST are those of Distribution.AddBuckets. */
#define BUCKETS 184
#define BUCKET_FIRST 88

/* LIMITS is how many limits there are at most: probe.MaxLimits. */
#define LIMITS 16

/* tally counts one kind of request. */
struct tally {
	u64 sum;
	u64 longest;
	u64 told_at; /* when a record was last sent */
	u64 untold; /* how many were counted since */
	u32 over[LIMITS]; /* how many took longer than each limit */
	u32 buckets[BUCKETS];
};

/* http_record tells of one request. Times are of the boot clock. */
struct http_record {
	struct series_key key;
	u64 begin;
	u64 end;
	u64 start; /* of the process */
	u64 code; /* where its code is */
	u64 goid;
	u64 trace[2];
	u64 span;
	u64 parent;
	u64 weight;
	u64 written;
	s64 length; /* of the request's body, -1 when it does not say */
	u64 error_type; /* the address of the Go type of a client's error */
	u64 caller; /* of gopanic; the stack may lack it */
	u32 layout;
	u32 stack_bytes;
	u16 method_bytes;
	u16 path_bytes;
	u16 host_bytes;
	u16 route_bytes[ROUTE_PARTS];
	u16 remote_bytes;
	u16 scheme_bytes;
	u8 protocol;
	u8 tls;
	u8 panicked;
	u8 route_parts;
	u8 padding[2];
	char method[METHOD_BYTES];
	char scheme[SCHEME_BYTES];
	char remote[REMOTE_BYTES];
	char host[HOST_BYTES];
	/* A router within a router has a route of several parts. */
	char route[ROUTE_PARTS][ROUTE_PART_BYTES];
	char path[PATH_BYTES];
};

/* stack_record is a record with a stack. */
struct stack_record {
	struct http_record record;
	u64 stack[STACK_FRAMES];
};
