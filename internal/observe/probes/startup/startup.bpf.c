//go:build ignore
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/*
 * How Go programs start: the points of the runtime that a start passes, and what
 * its threads did between them.
 *
 * A start begins when the kernel executes a program that one of the points is
 * attached to, and is over when user space has seen enough of it. Only processes
 * whose start goes on are looked at beyond their first instruction.
 */
#define RING_BYTES (4 * 1024 * 1024)

#include "../../bpf/kernel.h"
#include "../../bpf/ring.h"
#include "../../bpf/goabi.h"
#include "../../bpf/namespace.h"

#include "records.h"
#include "state.h"
#include "measure.h"
#include "syscalls.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define CLOSE_RANGE_CLOEXEC 4
#define AF_INET 2
#define AF_INET6 10
#define STATE_LISTEN 10
/* The longest address of a Unix socket, and of an IP socket. */
#define UNIX_BYTES 110
#define INET_BYTES 28

/* is_joined reports whether the current process is the one that is joined. It is
 * asked at each system call of the host. */
static __always_inline bool is_joined(u32 id)
{
	if (joined_id || !joined)
		return joined && id == joined_id;
	if (!has_id(joined, namespace_device, namespace_inode))
		return false;
	joined_id = id;
	return true;
}

static __always_inline struct startup_record *reserve(void)
{
	struct startup_record *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		__sync_fetch_and_add(&lost_records, 1);
		__sync_fetch_and_add(&lost, 1);
	}
	return e;
}

/* begin_thread begins to count what a thread does. */
static __always_inline void begin_thread(struct task_struct *task, u64 on_since, u64 off_since)
{
	u32 id = task->pid;
	struct thread t = {
		.on_since = on_since,
		.off_since = off_since,
		.run_delay = task->sched_info.run_delay,
		.minor_faults = task->min_flt,
		.major_faults = task->maj_flt,
	};

	bpf_map_update_elem(&threads, &id, &t, BPF_ANY);
}

/* begin begins the start of the current process, which executed x and had begun
 * to do so at since, if that is not 0. */
static __always_inline struct process *begin(u32 id, struct executed *x, struct moment *since, u8 kind)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 now = bpf_ktime_get_boot_ns(), off = off_clock(task);
	u64 ran = now - x->time - (off - x->off);
	struct process fresh = {.began = x->time}, *p;
	struct moment_record *e;
	struct thread *t;

	if (bpf_map_update_elem(&processes, &id, &fresh, BPF_NOEXIST) != 0) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	__sync_fetch_and_add(&starts, 1);
	p = bpf_map_lookup_elem(&processes, &id);
	begin_thread(task, now, 0);
	t = own_thread();
	if (!p || !t)
		return 0;
	t->sum.off = off;
	t->run_delay = x->run_delay;
	t->minor_faults = x->minor_faults;
	t->major_faults = x->major_faults;
	/* What two clocks tell may differ by more than they tell. */
	if (ran <= now - x->time)
		p->sum.cpu = t->sum.cpu = ran;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		__sync_fetch_and_add(&lost_records, 1);
		__sync_fetch_and_add(&lost, 1);
		return p;
	}
	fill(&e->record, kind, id, p, t);
	e->record.time = x->time;
	e->record.value = lost_records;
	e->record.start = BPF_CORE_READ(task, group_leader, start_boottime);
	e->record.code = BPF_CORE_READ(task, mm, start_code);
	/* The counters are those of when it was executed. */
	__builtin_memset(&e->record.process, 0, sizeof(e->record.process));
	e->record.thread.cpu = 0;
	e->record.thread.off = x->off;
	e->record.thread.run_delay = x->run_delay;
	e->record.thread.minor_faults = x->minor_faults;
	e->record.thread.major_faults = x->major_faults;
	if (since)
		e->since = *since;
	else
		__builtin_memset(&e->since, 0, sizeof(e->since));
	bpf_ringbuf_submit(e, ring_flags());
	return p;
}

/* forget ends the start of a process, as far as it is looked at. */
static __always_inline void forget(u32 id)
{
	if (bpf_map_delete_elem(&processes, &id) == 0)
		__sync_fetch_and_sub(&starts, 1);
}

/* tell sends a record of the current thread. */
static __always_inline void tell(u8 kind, u32 id, struct process *p, u64 value)
{
	struct startup_record *e = reserve();

	if (!e)
		return;
	fill(e, kind, id, p, own_thread());
	e->value = value;
	bpf_ringbuf_submit(e, ring_flags());
}

/* A point of the runtime, by the cookie's upper half. */
SEC("uprobe")
int startup_point(struct pt_regs *ctx)
{
	u64 cookie = bpf_get_attach_cookie(ctx);
	u32 id = tgid(), state = 0;
	u8 point = cookie >> 32;
	struct process *p = own_process(id);
	struct startup_record *e;
	struct executed *x;
	u64 value = 0;

	if (!p && point == POINT_ENTRY && !launcher) {
		x = bpf_map_lookup_elem(&executions, &id);
		if (x)
			p = begin(id, x, 0, RECORD_EXEC);
	}
	if (!p)
		return 0;
	if (point == POINT_INIT) {
		/* runtime.doInit1(t *initTask): its state, how many functions it
		 * has, and those. One that was done is of the runtime's own list. */
		bpf_probe_read_user(&state, sizeof(state), (void *)GO_WORD0(ctx));
		if (state == 2)
			return 0;
		value = go_word(GO_WORD0(ctx) + 8);
	}
	e = reserve();
	if (!e)
		return 0;
	fill(e, RECORD_POINT, id, p, own_thread());
	e->value = value;
	e->point = point;
	e->layout = (u32)cookie;
	bpf_ringbuf_submit(e, ring_flags());
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(startup_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	u32 id = task->tgid;
	struct process *p = own_process(id);
	struct process *parent = own_process(BPF_CORE_READ(task, real_parent, tgid));
	struct moment *began;
	struct executed x = {
		.time = bpf_ktime_get_boot_ns(),
		.off = off_clock(task),
		.run_delay = task->sched_info.run_delay,
		.minor_faults = task->min_flt,
		.major_faults = task->maj_flt,
	};

	if (parent && !p)
		__sync_fetch_and_add(&parent->children, 1);
	if (p) {
		tell(RECORD_REPLACED, id, p, 0);
		forget(id);
	}
	if (launcher) {
		began = bpf_map_lookup_elem(&launched, &id);
		if (began)
			begin(id, &x, began, RECORD_EXEC);
		return 0;
	}
	bpf_map_update_elem(&executions, &id, &x, BPF_ANY);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(startup_fork, struct task_struct *parent, struct task_struct *child)
{
	u32 id = parent->tgid, new = child->tgid;
	struct process *p = own_process(id);
	struct moment none = {};

	if (launcher && new != id && has_id(launcher, namespace_device, namespace_inode))
		bpf_map_update_elem(&launched, &new, &none, BPF_ANY);
	if (!p)
		return 0;
	if (new != id)
		return 0; /* it counts once it executes something */
	__sync_fetch_and_add(&p->threads, 1);
	begin_thread(child, 0, bpf_ktime_get_boot_ns());
	return 0;
}

/* leave counts for the process what its thread did since it last left a CPU. */
static __always_inline void leave(struct process *p, struct thread *t, struct task_struct *task, u64 now)
{
	u64 run_delay = task->sched_info.run_delay, ran;
	u32 minor = task->min_flt, major = task->maj_flt;

	if (t->on_since) {
		ran = now - t->on_since;
		t->sum.cpu += ran;
		__sync_fetch_and_add(&p->sum.cpu, ran);
	}
	__sync_fetch_and_add(&p->sum.run_delay, run_delay - t->run_delay);
	__sync_fetch_and_add(&p->sum.minor_faults, minor - t->minor_faults);
	__sync_fetch_and_add(&p->sum.major_faults, major - t->major_faults);
	t->run_delay = run_delay;
	t->minor_faults = minor;
	t->major_faults = major;
	t->on_since = 0;
	t->off_since = now;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(startup_exit, struct task_struct *task)
{
	u32 id = task->tgid, thread = task->pid;
	struct process *p = own_process(id);
	struct thread *t;

	if (!p)
		return 0;
	if (task->signal->live.counter == 0) {
		tell(RECORD_EXIT, id, p, task->exit_code);
		forget(id);
	}
	t = bpf_map_lookup_elem(&threads, &thread);
	if (t)
		leave(p, t, task, bpf_ktime_get_boot_ns());
	bpf_map_delete_elem(&threads, &thread);
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(startup_switch, bool preempted, struct task_struct *prev, struct task_struct *next)
{
	u32 id = prev->tgid, thread = prev->pid;
	struct process *p;
	struct thread *t;
	u64 now;

	if (!starts)
		return 0;
	now = bpf_ktime_get_boot_ns();
	p = bpf_map_lookup_elem(&processes, &id);
	t = p ? bpf_map_lookup_elem(&threads, &thread) : 0;
	if (t)
		leave(p, t, prev, now);
	if (p && until_listen && now - p->began > give_up)
		forget(id);
	id = next->tgid;
	thread = next->pid;
	p = bpf_map_lookup_elem(&processes, &id);
	t = p ? bpf_map_lookup_elem(&threads, &thread) : 0;
	if (!t)
		return 0;
	if (t->off_since)
		t->sum.off += now - t->off_since;
	t->off_since = 0;
	t->on_since = now;
	return 0;
}

/* write_address writes where a socket is bound, as a sockaddr. */
static __always_inline void write_address(char *operand, struct sock *sk)
{
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	u16 port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_num));
	u32 address = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);

	__builtin_memcpy(operand, &family, 2);
	__builtin_memcpy(operand + 2, &port, 2);
	if (family == AF_INET)
		__builtin_memcpy(operand + 4, &address, 4);
	else
		bpf_probe_read_kernel(operand + 8, 16, __builtin_preserve_access_index(&sk->__sk_common.skc_v6_rcv_saddr));
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(startup_listen, struct sock *sk, int before, int after)
{
	struct operand_record *e;
	struct process *p;
	u32 id;

	if (after != STATE_LISTEN)
		return 0;
	id = tgid();
	p = own_process(id);
	if (!p)
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		__sync_fetch_and_add(&lost_records, 1);
		return 0;
	}
	fill(&e->record, RECORD_LISTEN, id, p, own_thread());
	__builtin_memset(e->operand, 0, sizeof(e->operand));
	write_address(e->operand, sk);
	e->record.operand_kind = OPERAND_ADDRESS;
	bpf_ringbuf_submit(e, ring_flags());
	if (until_listen)
		forget(id);
	return 0;
}

/* note_execve notes when a child of the launcher begins to execute a program. */
static __always_inline void note_execve(u32 id)
{
	struct moment *began = bpf_map_lookup_elem(&launched, &id);
	struct task_struct *task = bpf_get_current_task_btf();
	struct quota q = {};

	if (!began)
		return;
	read_quota(&q);
	began->throttled = q.throttled;
	began->counters.off = off_clock(task);
	began->counters.run_delay = task->sched_info.run_delay;
	began->counters.minor_faults = task->min_flt;
	began->counters.major_faults = task->maj_flt;
	began->time = bpf_ktime_get_boot_ns();
}

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

SEC("tp_btf/sys_enter")
int BPF_PROG(startup_sys_enter, struct pt_regs *regs, long number)
{
	u32 id = tgid();
	struct process *p;
	struct thread *t;

	if (launcher && number == SYS_execve)
		note_execve(id);
	t = starts ? own_thread() : 0;
	if (!t)
		return 0;
	if (is_close(number)) {
		p = own_process(id);
		if (p)
			note_close(id, p, number, regs);
	}
	t->syscall_began = bpf_ktime_get_boot_ns();
	t->syscall_delay = bpf_get_current_task_btf()->sched_info.run_delay;
	t->syscall = number;
	t->arg0 = SYSCALL_ARG0(regs);
	t->arg1 = SYSCALL_ARG1(regs);
	return 0;
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

/* tell_syscall sends a record of the system call that has just ended, and returns
 * its time, 0 if it is lost. */
static __always_inline u64 tell_syscall(u8 kind, u32 id, struct process *p, struct thread *t, long result, u64 took)
{
	struct operand_record *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	u64 at = 0, time;

	if (!e) {
		__sync_fetch_and_add(&lost_records, 1);
		return 0;
	}
	fill(&e->record, kind, id, p, t);
	__builtin_memset(e->operand, 0, sizeof(e->operand));
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
	time = e->record.time;
	bpf_ringbuf_submit(e, ring_flags());
	return time;
}

/* tell_response sends a record of the first bytes that were sent to a connection. */
static __always_inline void tell_response(u32 id, struct process *p, struct thread *t, struct moment *since)
{
	struct moment_record *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		__sync_fetch_and_add(&lost_records, 1);
		return;
	}
	fill(&e->record, RECORD_RESPONSE, id, p, t);
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
static __always_inline void note_connection(u32 id, struct process *p, struct thread *t, long result, u64 took)
{
	struct connection c = {.tgid = id, .fd = t->arg0};
	struct moment now = {}, *since;
	struct quota q = {};

	if (p->responded)
		return;
	if ((t->syscall == SYS_accept || t->syscall == SYS_accept4) && result >= 0) {
		if (!p->accepted)
			now.time = tell_syscall(RECORD_ACCEPT, id, p, t, result, took);
		p->accepted = 1;
		c.fd = result;
		read_quota(&q);
		now.throttled = q.throttled;
		if (!now.time)
			now.time = bpf_ktime_get_boot_ns();
		count_process(&now.counters, p, t, bpf_get_current_task_btf(), now.time);
		bpf_map_update_elem(&accepted, &c, &now, BPF_ANY);
	} else if (p->accepted && result > 0 && is_write(t->syscall)) {
		since = open_connection(p, &c);
		if (!since)
			return;
		p->responded = 1;
		tell_response(id, p, t, since);
	}
}

/* join begins to look at a process, and at each of its threads, when it makes a
 * system call. */
static __always_inline struct process *join(u32 id, struct process *p)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct executed x = {
		.time = bpf_ktime_get_boot_ns(),
		.off = off_clock(task),
		.run_delay = task->sched_info.run_delay,
		.minor_faults = task->min_flt,
		.major_faults = task->maj_flt,
	};

	if (!p)
		return begin(id, &x, 0, RECORD_JOINED);
	if (!own_thread())
		begin_thread(task, x.time, 0);
	return p;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(startup_sys_exit, struct pt_regs *regs, long result)
{
	u32 id = tgid();
	struct process *p = own_process(id);
	struct thread *t;
	u64 took, delay;

	if (is_joined(id))
		p = join(id, p);
	if (!p)
		return 0;
	t = own_thread();
	if (!t || !t->syscall_began)
		return 0;
	took = bpf_ktime_get_boot_ns() - t->syscall_began;
	/* That it was ready and no CPU took it up is not the system call's. */
	delay = bpf_get_current_task_btf()->sched_info.run_delay - t->syscall_delay;
	took = took > delay ? took - delay : 0;
	t->syscall_began = 0;
	t->sum.syscall_time += took;
	t->sum.syscalls++;
	__sync_fetch_and_add(&p->sum.syscall_time, took);
	__sync_fetch_and_add(&p->sum.syscalls, 1);
	note_connection(id, p, t, result, took);
	if (is_named(t->syscall) || (took >= slow_syscall && !is_wait(t->syscall)))
		tell_syscall(RECORD_SYSCALL, id, p, t, result, took);
	return 0;
}

/* The types that user space reads, for bpf2go. */
struct startup_record *unused_record __attribute__((unused));
struct moment_record *unused_moment __attribute__((unused));
struct operand_record *unused_operand __attribute__((unused));
struct counters *unused_counters __attribute__((unused));
enum point unused_point __attribute__((unused));
enum record_kind unused_kind __attribute__((unused));
enum operand_kind unused_operand_kind __attribute__((unused));
