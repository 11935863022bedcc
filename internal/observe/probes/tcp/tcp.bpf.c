//go:build ignore
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/*
 * What happens to TCP connections: outgoing ones that come about or fail,
 * resets, retransmits. Programs run when a socket changes its state and on the
 * kernel's slow paths, never per packet or per system call.
 *
 * Each record is one event, so `lost` counts the records that did not fit, and
 * the connections that there was no memory to remember.
 */
#define RING_BYTES (1024 * 1024)

#include "../../bpf/kernel.h"
#include "../../bpf/ring.h"
#include "../../bpf/request.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define IPPROTO_TCP 6
#define IPPROTO_MPTCP 262
#define SHUTDOWN_MASK 3

/* RETRANSMIT_PERIOD is how often a connection's retransmits are reported. */
#define RETRANSMIT_PERIOD 1000000000ULL

enum tcp_state {
	STATE_ESTABLISHED = 1,
	STATE_SYN_SENT = 2,
	STATE_SYN_RECV = 3,
	STATE_TIME_WAIT = 6,
	STATE_CLOSE = 7,
	STATE_LISTEN = 10,
	STATE_NEW_SYN_RECV = 12,
};

enum record_kind {
	RECORD_CONNECT = 1,
	RECORD_CONNECT_FAILED = 2,
	RECORD_RESET_RECEIVED = 3,
	RECORD_RESET_SENT = 4,
	RECORD_RETRANSMIT = 5,
};

enum conn_role {
	ROLE_UNKNOWN = 0,
	ROLE_CLIENT = 1,
	ROLE_SERVER = 2,
};

enum record_flags {
	/* The program closed the socket itself. */
	FLAG_CLOSED = 1,
};

/* owner names a process for good, its parent, and the process by its short
 * name. */
struct owner {
	u64 start;
	u64 parent_start;
	u32 pid;
	u32 parent_pid;
	char comm[16];
};

/* tcp_record is one event. Ports are in host order, addresses in network
 * order, IPv4 ones in the first four bytes. Times are of the boot clock. */
struct tcp_record {
	u64 time;
	u64 started; /* when the connect began, 0 when it was not seen */
	struct owner owner;
	/* The request that connected: its trace and its span, all 0 for none. */
	u64 trace[2];
	u64 span;
	u64 bytes_acked;
	u64 bytes_received;
	u32 srtt_us;
	u32 retransmits; /* since the last record of this connection */
	u32 kind;
	u32 flags;
	u16 family;
	u16 local_port;
	u16 peer_port;
	u16 error;
	u8 role;
	u8 state;
	u8 padding[6];
	u8 local[16];
	u8 peer[16];
};

/* conn is what is remembered of a connection: of an outgoing one from its
 * begin, of others from their first retransmit or reset. */
struct conn {
	struct owner owner;
	u64 trace[2]; /* as in struct tcp_record */
	u64 span;
	u64 started;
	u64 last_retransmit; /* when a record told of retransmits */
	u32 reported;        /* retransmits that records told of */
	u32 role;
};

/* conns holds struct conn with the socket, which the kernel frees together. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct conn);
} conns SEC(".maps");

/* place is where a listener listens; address is zero for all addresses. */
struct place {
	u64 net;
	u8 address[16];
	u32 port;
	u32 padding;
};

struct listener {
	struct owner owner;
	u64 sock; /* 0 when it does not listen any more */
};

/* listeners holds who listens where, or did last. A connection is accepted in
 * the softirq of some other process, so this is how its owner is found, once it
 * matters. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct place);
	__type(value, struct listener);
} listeners SEC(".maps");

/* known_processes holds the processes that user space has been told of. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, u8);
} known_processes SEC(".maps");

/* wake_for wakes user space at once for the first connect of a process, to look
 * at the process while it is there. */
static __always_inline u64 wake_for(struct owner *o)
{
	u64 key = o->start ^ (u64)o->pid << 40;
	u8 seen = 1;

	if (bpf_map_lookup_elem(&known_processes, &key))
		return ring_flags();
	bpf_map_update_elem(&known_processes, &key, &seen, BPF_ANY);
	return BPF_RB_FORCE_WAKEUP;
}

static __always_inline void fill_owner(struct owner *o, struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;
	struct task_struct *parent = leader->real_parent->group_leader;

	o->pid = leader->tgid;
	o->start = leader->start_boottime;
	o->parent_pid = parent->tgid;
	o->parent_start = parent->start_boottime;
	BPF_CORE_READ_STR_INTO(&o->comm, leader, comm);
}

/* A kernel may be built without IPv6, or without Multipath TCP. */
#define HAS_IPV6 bpf_core_field_exists(struct sock_common, skc_v6_daddr)
#define HAS_MPTCP bpf_core_field_exists(struct mptcp_sock, first)

static __always_inline void local_address(u8 *address, struct sock *sk)
{
	if (HAS_IPV6 && BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6)
		BPF_CORE_READ_INTO((u8(*)[16])address, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
	else
		*(u32 *)address = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
}

static __always_inline void fill_addresses(struct tcp_record *r, struct sock *sk)
{
	r->family = sk->__sk_common.skc_family;
	r->peer_port = __builtin_bswap16(sk->__sk_common.skc_dport);
	/* skc_num is zero already when an active reset is sent. */
	r->local_port = __builtin_bswap16(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	local_address(r->local, sk);
	if (HAS_IPV6 && r->family == AF_INET6)
		BPF_CORE_READ_INTO(&r->peer, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
	else
		*(u32 *)r->peer = sk->__sk_common.skc_daddr;
}

/* find_place fills in where a socket is bound; a mapped address is one of
 * IPv4. sk may be a pointer that the verifier does not know. */
static __always_inline void find_place(struct place *p, struct sock *sk)
{
	u32 *words = (u32 *)p->address;

	__builtin_memset(p, 0, sizeof(*p));
	p->net = (u64)BPF_CORE_READ(sk, __sk_common.skc_net.net);
	p->port = __builtin_bswap16(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	local_address(p->address, sk);
	if (!words[0] && !words[1] && words[2] == __builtin_bswap32(0xffff)) {
		words[0] = words[3];
		words[2] = 0;
		words[3] = 0;
	}
}

/* find_owner gives a connection the owner of the listener that accepts where
 * it is, if there is one. */
static __always_inline void find_owner(struct conn *c, struct sock *sk)
{
	struct listener *l, *all;
	struct place p;

	find_place(&p, sk);
	l = bpf_map_lookup_elem(&listeners, &p);
	__builtin_memset(p.address, 0, sizeof(p.address));
	all = bpf_map_lookup_elem(&listeners, &p);
	if (!l || (!l->sock && all && all->sock))
		l = all;
	if (!l)
		return;
	c->owner = l->owner;
	c->role = ROLE_SERVER;
}

/* send tells of one event of a connection, with the retransmits that no record
 * told of yet. There may be none to tell: the tracepoint is also passed by
 * segments that this host cannot send. c may be null. */
static __always_inline void send(struct sock *sk, struct conn *c, u32 kind, u32 flags)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tcp_record r;

	if (!tp)
		return;
	if (kind == RECORD_RETRANSMIT && !c) {
		__sync_fetch_and_add(&lost, 1);
		return;
	}
	__builtin_memset(&r, 0, sizeof(r));
	r.time = bpf_ktime_get_boot_ns();
	r.kind = kind;
	r.flags = flags;
	r.state = sk->__sk_common.skc_state;
	r.srtt_us = tp->srtt_us >> 3;
	r.bytes_acked = tp->bytes_acked;
	r.bytes_received = tp->bytes_received;
	if (c) {
		r.owner = c->owner;
		r.trace[0] = c->trace[0];
		r.trace[1] = c->trace[1];
		r.span = c->span;
		r.started = c->started;
		r.role = c->role;
		r.retransmits = tp->total_retrans - c->reported;
		if (kind == RECORD_RETRANSMIT && !r.retransmits)
			return;
		c->reported = tp->total_retrans;
		c->started = 0;
		if (r.retransmits)
			c->last_retransmit = r.time;
	}
	if (kind == RECORD_CONNECT_FAILED)
		r.error = sk->sk_err;
	fill_addresses(&r, sk);
	u64 wake = kind == RECORD_CONNECT ? wake_for(&r.owner) : ring_flags();
	if (!ring_send(&r, sizeof(r), wake))
		__sync_fetch_and_add(&lost, 1);
}

/* fill_trace remembers for which request the goroutine runs that connects. */
static __always_inline void fill_trace(struct conn *c)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	struct trace_context link = {};

	request_link(GO_G(regs), task->tgid, &link, true);
	c->trace[0] = link.trace[0];
	c->trace[1] = link.trace[1];
	c->span = link.span;
}

/* connecting remembers who connects, and when. It runs in the process. */
static __always_inline void connecting(struct sock *sk)
{
	struct conn *c = bpf_sk_storage_get(&conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!c) {
		__sync_fetch_and_add(&lost, 1);
		return;
	}
	fill_owner(&c->owner, bpf_get_current_task_btf());
	fill_trace(c);
	c->started = bpf_ktime_get_boot_ns();
	c->role = ROLE_CLIENT;
	c->reported = 0;
	c->last_retransmit = 0;
}

/* listening remembers who listens. */
static __always_inline void listening(struct sock *sk, struct task_struct *task)
{
	struct listener l = {.sock = (u64)sk};
	struct place p;

	find_place(&p, sk);
	fill_owner(&l.owner, task);
	bpf_map_update_elem(&listeners, &p, &l, BPF_ANY);
}

/* not_listening marks a listener, and no other one of the same place: what it
 * accepted goes on. */
static __always_inline void not_listening(struct sock *sk)
{
	struct listener *l;
	struct place p;

	find_place(&p, sk);
	l = bpf_map_lookup_elem(&listeners, &p);
	if (l && l->sock == (u64)sk)
		l->sock = 0;
}

/* remember returns struct conn of a connection with its owner, if one is
 * known, and makes one when there is none. observed is how many of its
 * retransmits happened under the probe's eyes then. */
static __always_inline struct conn *remember(struct sock *sk, u32 observed)
{
	struct conn *c = bpf_sk_storage_get(&conns, sk, 0, 0);
	struct tcp_sock *tp;

	if (!c) {
		c = bpf_sk_storage_get(&conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		tp = bpf_skc_to_tcp_sock(sk);
		if (!c || !tp)
			return 0;
		c->reported = tp->total_retrans > observed ? tp->total_retrans - observed : 0;
	}
	if (!c->owner.pid)
		find_owner(c, sk);
	return c;
}

static __always_inline void established(struct sock *sk, int before)
{
	struct conn *c = bpf_sk_storage_get(&conns, sk, 0, 0);
	struct tcp_sock *tp;

	if (c && c->role == ROLE_CLIENT) {
		send(sk, c, RECORD_CONNECT, 0);
		return;
	}
	/* The kernel has counted by now how often it sent its half of the
	 * handshake again. */
	tp = bpf_skc_to_tcp_sock(sk);
	if (before == STATE_SYN_RECV && tp && tp->total_retrans)
		send(sk, remember(sk, tp->total_retrans), RECORD_RETRANSMIT, 0);
}

static __always_inline void closed(struct sock *sk, int before)
{
	struct conn *c = bpf_sk_storage_get(&conns, sk, 0, 0);

	if (!c)
		return;
	if (before == STATE_SYN_SENT || c->started) {
		u32 flags = !sk->sk_err && sk->sk_shutdown == SHUTDOWN_MASK ? FLAG_CLOSED : 0;
		send(sk, c, RECORD_CONNECT_FAILED, flags);
		return;
	}
	send(sk, c, RECORD_RETRANSMIT, 0);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_state, struct sock *sk, int before, int after)
{
	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	switch (after) {
	case STATE_SYN_SENT:
		connecting(sk);
		break;
	case STATE_LISTEN:
		listening(sk, bpf_get_current_task_btf());
		break;
	case STATE_ESTABLISHED:
		established(sk, before);
		break;
	case STATE_CLOSE:
		if (before == STATE_LISTEN)
			not_listening(sk);
		else
			closed(sk, before);
		break;
	}
	return 0;
}

/* tcp_retransmit_skb runs for each segment that is sent again: the first one
 * is told at once, the others once a period and at the end. */
SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(tcp_retransmit, struct sock *sk, struct sk_buff *skb)
{
	struct conn *c;
	u32 segments;

	/* A connect tells of its own. */
	if (sk->__sk_common.skc_state == STATE_SYN_SENT)
		return 0;
	segments = BPF_CORE_READ((struct tcp_skb_cb *)skb->cb, tcp_gso_segs);
	c = remember(sk, segments ? segments : 1);
	if (c && c->last_retransmit && bpf_ktime_get_boot_ns() - c->last_retransmit < RETRANSMIT_PERIOD)
		return 0;
	send(sk, c, RECORD_RETRANSMIT, 0);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(tcp_reset_received, struct sock *sk)
{
	struct conn *c;

	/* A refused connect tells of it. */
	if (sk->__sk_common.skc_state == STATE_SYN_SENT)
		return 0;
	c = remember(sk, 0);
	if (c && c->started)
		return 0;
	send(sk, c, RECORD_RESET_RECEIVED, 0);
	return 0;
}

/* tcp_send_reset runs without a socket for a segment to a closed port, and
 * with a small one for a connection that is not there yet or not any more. */
SEC("tp_btf/tcp_send_reset")
int BPF_PROG(tcp_reset_sent, struct sock *sk)
{
	u8 state;

	if (!sk)
		return 0;
	state = sk->__sk_common.skc_state;
	if (state == STATE_TIME_WAIT || state == STATE_NEW_SYN_RECV || state == STATE_LISTEN || state == STATE_SYN_SENT)
		return 0;
	send(sk, remember(sk, 0), RECORD_RESET_SENT, 0);
	return 0;
}

/* own remembers whose a connection is that is older than the probe or was
 * accepted: the last one who has it open, since workers inherit. */
static __always_inline void own(struct sock *sk, struct task_struct *task)
{
	struct conn *c = bpf_sk_storage_get(&conns, sk, 0, 0);

	if (!c) {
		struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
		c = bpf_sk_storage_get(&conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (!c || !tp)
			return;
		c->reported = tp->total_retrans;
		if (sk->__sk_common.skc_state == STATE_SYN_SENT)
			c->role = ROLE_CLIENT;
	}
	if (c->role == ROLE_UNKNOWN)
		find_owner(c, sk);
	if (c->role != ROLE_CLIENT || !c->owner.pid)
		fill_owner(&c->owner, task);
}

/* tcp_sockets looks through every process's open files for the sockets that
 * are older than the probe or changed hands. */
SEC("iter/task_file")
int tcp_sockets(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	struct sock *sk;
	u8 state;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || sk->sk_type != SOCK_STREAM)
		return 0;
	if (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6)
		return 0;
	state = sk->__sk_common.skc_state;
	/* Go listens by Multipath TCP where the kernel can: the socket that listens
	 * for it is another one, without a file. */
	if (HAS_MPTCP && sk->sk_protocol == IPPROTO_MPTCP) {
		sk = BPF_CORE_READ((struct mptcp_sock *)sk, first);
		if (state == STATE_LISTEN && sk)
			listening(sk, task);
	} else if (sk->sk_protocol == IPPROTO_TCP) {
		if (state == STATE_LISTEN)
			listening(sk, task);
		else if (state != STATE_CLOSE)
			own(sk, task);
	}
	return 0;
}

/* The types that user space decodes, for bpf2go. */
struct tcp_record *unused_record __attribute__((unused));
enum record_kind unused_kind __attribute__((unused));
enum record_flags unused_flags __attribute__((unused));
enum conn_role unused_role __attribute__((unused));
