/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/* System calls that are told, and those that are about connections. */
#pragma once

#define CLOSE_RANGE_CLOEXEC 4
/* The longest address of a Unix socket, and of an IP socket. */
#define UNIX_BYTES 110
#define INET_BYTES 28

/* is_close reports whether a system call closes descriptors. */
static __always_inline bool is_close(long number)
{
	return number == SYS_close || number == SYS_close_range || number == SYS_dup2 || number == SYS_dup3;
}

/* note_close forgets connections before they are closed: their descriptors are
 * free again then. */
static __always_inline void note_close(u32 id, struct process *p, long number, struct pt_regs *regs)
{
	struct connection c = {.tgid = id, .fd = SYSCALL_ARG0(regs)};
	u32 last = SYSCALL_ARG1(regs);

	if (!p->accepted || p->responded)
		return;
	if (number == SYS_close_range) {
		if (SYSCALL_ARG2(regs) & CLOSE_RANGE_CLOEXEC)
			return;
		if (!p->closed_at || c.fd < p->closed_from)
			p->closed_from = c.fd;
		if (!p->closed_at || last > p->closed_to)
			p->closed_to = last;
		p->closed_at = bpf_ktime_get_boot_ns();
		return;
	}
	if (number != SYS_close) {
		if (c.fd == last)
			return;
		c.fd = last;
	}
	bpf_map_delete_elem(&accepted, &c);
}

/* is_wait reports whether a system call waits for something else to happen: how
 * long it takes says nothing about it. */
static __always_inline bool is_wait(u32 number)
{
	return number == SYS_futex || number == SYS_sched_yield || number == SYS_nanosleep || number == SYS_clock_nanosleep ||
	       number == SYS_epoll_wait || number == SYS_epoll_pwait;
}

static __always_inline bool is_write(u32 number)
{
	return number == SYS_write || number == SYS_writev || number == SYS_sendto ||
	       number == SYS_sendmsg || number == SYS_sendfile;
}

static __always_inline bool is_accept(u32 number)
{
	return number == SYS_accept || number == SYS_accept4;
}

/* operand_kind tells what a system call is about. */
static __always_inline u8 operand_kind(u32 number, u64 *at, struct thread *t)
{
	switch (number) {
	case SYS_open:
	case SYS_readlink:
		*at = t->arg0;
		return OPERAND_PATH;
	case SYS_openat:
	case SYS_openat2:
	case SYS_readlinkat:
	case SYS_newfstatat:
		*at = t->arg1;
		return OPERAND_PATH;
	case SYS_connect:
	case SYS_bind:
	case SYS_accept:
	case SYS_accept4:
		*at = t->arg1;
		return OPERAND_ADDRESS;
	}
	return OPERAND_NONE;
}

/* is_named reports whether a system call is told of however little it took. */
static __always_inline bool is_named(u32 number)
{
	return number == SYS_open || number == SYS_openat || number == SYS_openat2 || number == SYS_connect ||
	       number == SYS_bind || number == SYS_listen;
}

/* tell_syscall sends a record of the system call that ended at a time. Of the
 * operand it fills what its kind says is there. */
static __always_inline void tell_syscall(u8 kind, u32 id, struct process *p, struct thread *t, long result, u64 ended, u64 took)
{
	struct operand_record *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	u64 at = 0;

	if (!e) {
		__sync_fetch_and_add(&lost_records, 1);
		return;
	}
	fill(&e->record, kind, id, p, t, ended);
	e->record.value = result;
	e->record.syscall = t->syscall;
	e->record.syscall_took = took;
	e->record.fd = t->arg0;
	e->record.operand_kind = operand_kind(t->syscall, &at, t);
	if (e->record.operand_kind == OPERAND_PATH)
		bpf_probe_read_user_str(e->operand, sizeof(e->operand), (void *)at);
	else if (e->record.operand_kind == OPERAND_ADDRESS)
		if (bpf_probe_read_user(e->operand, UNIX_BYTES, (void *)at) != 0)
			bpf_probe_read_user(e->operand, INET_BYTES, (void *)at);
	bpf_ringbuf_submit(e, ring_flags());
}

/* tell_response sends a record of the first bytes that were sent to a connection. */
static __always_inline void tell_response(u32 id, struct process *p, struct thread *t, struct moment *since, u64 now)
{
	struct moment_record *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		__sync_fetch_and_add(&lost_records, 1);
		return;
	}
	fill(&e->record, RECORD_RESPONSE, id, p, t, now);
	e->since = *since;
	bpf_ringbuf_submit(e, ring_flags());
}

/* open_connection returns when a connection was accepted that is still open, 0
 * for what is none. */
static __always_inline struct moment *open_connection(struct process *p, struct connection *c)
{
	struct moment *since = bpf_map_lookup_elem(&accepted, c);

	/* What another process with the same id had is of before this one's time. */
	if (!since || since->time < p->began)
		return 0;
	if (since->time < p->closed_at && c->fd >= p->closed_from && c->fd <= p->closed_to)
		return 0;
	return since;
}

/* note_connection notices the first connection that is accepted, and the first
 * byte that is sent to one. */
static __always_inline void note_connection(u32 id, struct process *p, struct thread *t, long result, u64 ended, u64 took)
{
	struct connection c = {.tgid = id, .fd = t->arg0};
	struct task_struct *task = bpf_get_current_task_btf();
	struct moment now = {.time = ended}, *since;
	struct counters own;
	struct quota q = {};

	if (p->responded)
		return;
	if (is_accept(t->syscall) && result >= 0) {
		if (!p->accepted)
			tell_syscall(RECORD_ACCEPT, id, p, t, result, ended, took);
		connected = p->accepted = 1;
		c.fd = result;
		read_quota(&q);
		now.throttled = q.throttled;
		count_thread(&own, t, task, ended);
		count_process(&now.counters, p, t, &own);
		bpf_map_update_elem(&accepted, &c, &now, BPF_ANY);
	} else if (p->accepted && result > 0 && is_write(t->syscall)) {
		since = open_connection(p, &c);
		if (!since)
			return;
		p->responded = 1;
		tell_response(id, p, t, since, ended);
	}
}

/* look_up looks at a system call that has ended together with its process: it is
 * told, or may be about a connection. It is a function of its own for the verifier,
 * as read_quota is. */
__attribute__((noinline)) int look_up(struct thread *t, long result, u64 ended, u64 took, u32 told)
{
	u32 id = tgid();
	struct process *p = own_process(id);

	if (!p || !t)
		return 0;
	note_connection(id, p, t, result, ended, took);
	if (told)
		tell_syscall(RECORD_SYSCALL, id, p, t, result, ended, took);
	return 0;
}
