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
#include "calls.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define AF_INET 2
#define AF_INET6 10
#define STATE_LISTEN 10
#define TASK_DEAD 0x80

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

/* begin_thread begins to count what a thread does, anew if it did before. */
static __always_inline struct thread *begin_thread(struct task_struct *task, u64 on_since, u64 off_since)
{
	struct thread *t = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!t)
		return 0;
	__builtin_memset(t, 0, sizeof(*t));
	t->on_since = on_since;
	t->off_since = off_since;
	t->settled.run_delay = task->sched_info.run_delay;
	t->settled.minor_faults = task->min_flt;
	t->settled.major_faults = task->maj_flt;
	return t;
}

/* begin begins the start of the current process, which executed x and had begun
 * to do so at since, if that is not 0. */
static __always_inline struct process *begin(u32 id, struct executed *x, struct moment *since, u8 kind)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 now = bpf_ktime_get_boot_ns(), off = off_clock(task);
	u64 ran = now - x->time - (off - x->off);
	/* Read by a helper: for each pointer that is followed by its type the verifier goes
	 * through all types of the kernel several times. */
	struct process fresh = {.began = x->time, .signal = (u64)BPF_CORE_READ(task, signal)}, *p;
	struct moment_record *e;
	struct thread *t;

	if (bpf_map_update_elem(&processes, &id, &fresh, BPF_NOEXIST) != 0) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	__sync_fetch_and_add(&starts, 1);
	p = bpf_map_lookup_elem(&processes, &id);
	t = begin_thread(task, now, 0);
	if (!p || !t)
		return 0;
	t->sum.off = off;
	t->settled.run_delay = x->run_delay;
	t->settled.minor_faults = x->minor_faults;
	t->settled.major_faults = x->major_faults;
	/* What two clocks tell may differ by more than they tell. */
	if (ran <= now - x->time)
		p->sum.cpu = t->sum.cpu = t->settled.cpu = ran;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		__sync_fetch_and_add(&lost_records, 1);
		__sync_fetch_and_add(&lost, 1);
		return p;
	}
	fill(&e->record, kind, id, p, t, now);
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
	fill(e, kind, id, p, own_thread(), bpf_ktime_get_boot_ns());
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
	fill(e, RECORD_POINT, id, p, own_thread(), bpf_ktime_get_boot_ns());
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

/* leave settles what a thread did that leaves its CPU. */
static __always_inline void leave(struct process *p, struct thread *t, struct task_struct *task, u64 now)
{
	struct counters own;

	count_thread(&own, t, task, now);
	settle(p, t, &own);
	t->sum.cpu = own.cpu;
	t->on_since = 0;
	t->off_since = now;
}

/* end ends the start of the process of the current task if that is the last of its
 * threads to end. The task itself may have forgotten its signals by then. */
static __always_inline void end(struct process *p, struct task_struct *task)
{
	struct signal_struct *signal = (void *)p->signal;
	u32 id = task->tgid;

	if (BPF_CORE_READ(signal, live.counter))
		return;
	/* The last two may end at the same time. */
	if (__sync_fetch_and_add(&p->ended, 1))
		return;
	tell(RECORD_EXIT, id, p, task->exit_code);
	forget(id);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(startup_exit, struct task_struct *task)
{
	struct process *p = own_process(task->tgid);
	struct thread *t;

	if (!p)
		return 0;
	t = bpf_task_storage_get(&threads, task, 0, 0);
	if (t)
		leave(p, t, task, bpf_ktime_get_boot_ns());
	end(p, task);
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(startup_switch, bool preempted, struct task_struct *prev, struct task_struct *next)
{
	u32 id = prev->tgid;
	struct process *p;
	struct thread *t;
	u64 now;

	if (!starts)
		return 0;
	t = bpf_task_storage_get(&threads, prev, 0, 0);
	if (t) {
		now = bpf_ktime_get_boot_ns();
		p = bpf_map_lookup_elem(&processes, &id);
		if (p)
			leave(p, t, prev, now);
		/* A kernel that interrupts a program leaves it out where it would run on
		 * that CPU again: startup_exit, of threads that end together. It does not
		 * interrupt this one. */
		if (p && prev->__state & TASK_DEAD)
			end(p, prev);
		else if (p && until_listen && now - p->began > give_up)
			forget(id);
	}
	t = bpf_task_storage_get(&threads, next, 0, 0);
	if (!t)
		return 0;
	now = bpf_ktime_get_boot_ns();
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
	fill(&e->record, RECORD_LISTEN, id, p, own_thread(), bpf_ktime_get_boot_ns());
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

SEC("tp_btf/sys_enter")
int BPF_PROG(startup_sys_enter, struct pt_regs *regs, long number)
{
	u64 now, since = 0;
	struct process *p;
	struct thread *t;
	u32 id;

	if (launcher && number == SYS_execve)
		note_execve(tgid());
	if (!starts)
		return 0;
	if (sample_enter)
		since = bpf_ktime_get_boot_ns();
	t = own_thread();
	if (!t)
		return 0;
	if (connected && is_close(number)) {
		id = tgid();
		p = own_process(id);
		if (p)
			note_close(id, p, number, regs);
	}
	t->syscall_delay = bpf_get_current_task_btf()->sched_info.run_delay;
	t->syscall = number;
	t->arg0 = SYSCALL_ARG0(regs);
	t->arg1 = SYSCALL_ARG1(regs);
	now = bpf_ktime_get_boot_ns();
	t->syscall_began = now;
	if (since) {
		sample_enter = 0;
		sample(&t->enter_cost, now - since);
	}
	return 0;
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
	u64 now, took, delay;
	struct thread *t;
	bool told;
	u32 id;

	if (joined) {
		id = tgid();
		if (is_joined(id))
			join(id, own_process(id));
	}
	t = starts ? own_thread() : 0;
	if (!t || !t->syscall_began)
		return 0;
	now = bpf_ktime_get_boot_ns();
	took = now - t->syscall_began;
	/* That it was ready and no CPU took it up is not the system call's. */
	delay = bpf_get_current_task_btf()->sched_info.run_delay - t->syscall_delay;
	took = took > delay ? took - delay : 0;
	t->syscall_began = 0;
	t->sum.syscall_time += took;
	t->sum.syscalls++;
	told = is_named(t->syscall) || (took >= slow_syscall && !is_wait(t->syscall));
	if (told || is_accept(t->syscall) || (connected && is_write(t->syscall))) {
		look_up(t, result, now, took, told);
		sample_exit(t, &t->look_up_cost, t->looked_up++, now);
		return 0;
	}
	sample_exit(t, &t->exit_cost, t->sum.syscalls, now);
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
