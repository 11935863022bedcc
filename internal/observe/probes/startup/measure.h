/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/* How far the counters are of threads, processes and control groups. */
#pragma once

#define SCHED_NORMAL 0
#define SCHED_BATCH 3
#define SCHED_IDLE 5

/* THROTTLE_LEVELS is how many control groups, one above the other, are asked
 * whether they are throttled. */
#define THROTTLE_LEVELS 8

/* Fields beyond those of kernel.h. */
struct sched_entity___picked {
	u64 prev_sum_exec_runtime;
} __attribute__((preserve_access_index));

struct sched_info___arrived {
	unsigned long long last_arrival;
} __attribute__((preserve_access_index));

struct task_struct___policy {
	unsigned int policy;
} __attribute__((preserve_access_index));

/* read_group adds what a control group says, and returns where the one above it
 * is, 0 for none. It and read_quota are functions of their own for the verifier,
 * which would else go through them for each level and each record: that takes
 * longer than all the rest. */
__attribute__((noinline)) u64 read_group(struct quota *q, u64 at)
{
	struct task_group *group = (void *)at;
	u64 period, quota, share;

	if (!q)
		return 0;
	if (!bpf_core_field_exists(group->cfs_bandwidth))
		return 0;
	q->throttled += BPF_CORE_READ(group, cfs_bandwidth.throttled_time);
	q->throttles += BPF_CORE_READ(group, cfs_bandwidth.nr_throttled);
	quota = BPF_CORE_READ(group, cfs_bandwidth.quota);
	period = BPF_CORE_READ(group, cfs_bandwidth.period);
	/* No quota is the largest number that there is. */
	if (quota && quota < 1ULL << 60 && period) {
		share = quota * 1000 / period;
		if (!q->share || share < q->share)
			q->share = share;
	}
	return (u64)BPF_CORE_READ(group, parent);
}

/* read_quota tells how often and how long the control groups of the current task
 * were throttled, and how much CPU they may use. */
__attribute__((noinline)) int read_quota(struct quota *q)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 at = 0;

	if (!q)
		return 0;
	q->throttled = 0;
	q->throttles = q->share = 0;
	if (bpf_core_field_exists(task->sched_task_group))
		at = (u64)BPF_CORE_READ(task, sched_task_group);
	for (int i = 0; i < THROTTLE_LEVELS && at; i++)
		at = read_group(q, at);
	return 0;
}

/* read_quota_once is read_quota for a thread: as long as it stays on its CPU,
 * nobody holds it up. */
static __always_inline void read_quota_once(struct quota *q, struct thread *t)
{
	if (t && t->on_since && t->quota_read == t->on_since) {
		*q = t->quota;
		return;
	}
	read_quota(q);
	if (t) {
		t->quota = *q;
		t->quota_read = t->on_since;
	}
}

/* off_clock tells for how long the current task was not on a CPU, from some
 * point in time on. The scheduler notes when it took the task up last, and how
 * long that had run until then. It does the latter for its fair class alone: of
 * others nothing is known but how long they were ready. */
static __always_inline u64 off_clock(struct task_struct *task)
{
	struct sched_entity___picked *entity = (void *)&task->se;
	struct sched_info___arrived *info = (void *)&task->sched_info;
	u32 policy = BPF_CORE_READ((struct task_struct___policy *)task, policy);

	if (policy != SCHED_NORMAL && policy != SCHED_BATCH && policy != SCHED_IDLE)
		return task->sched_info.run_delay;
	return BPF_CORE_READ(info, last_arrival) - BPF_CORE_READ(entity, prev_sum_exec_runtime);
}

/* count_thread tells how far the counters of a thread are: of one that is on a
 * CPU, now. */
static __always_inline void count_thread(struct counters *c, struct thread *t, struct task_struct *task, u64 now)
{
	*c = t->sum;
	/* It may have left the CPU since now was read. */
	if (t->on_since && now > t->on_since)
		c->cpu += now - t->on_since;
	c->run_delay = task->sched_info.run_delay;
	c->minor_faults = task->min_flt;
	c->major_faults = task->maj_flt;
}

/* count_process tells how far the counters of the current process are: what its
 * threads have settled, and what the current one did since, which is at own. */
static __always_inline void count_process(struct counters *c, struct process *p, struct thread *t, struct counters *own)
{
	*c = p->sum;
	if (!t)
		return;
	c->cpu += own->cpu - t->settled.cpu;
	c->run_delay += own->run_delay - t->settled.run_delay;
	c->syscall_time += own->syscall_time - t->settled.syscall_time;
	c->observed += own->observed - t->settled.observed;
	c->syscalls += own->syscalls - t->settled.syscalls;
	c->minor_faults += own->minor_faults - t->settled.minor_faults;
	c->major_faults += own->major_faults - t->settled.major_faults;
}

/* settle counts for the process what its thread, which is at own, did since it last
 * settled. */
static __always_inline void settle(struct process *p, struct thread *t, struct counters *own)
{
	__sync_fetch_and_add(&p->sum.cpu, own->cpu - t->settled.cpu);
	__sync_fetch_and_add(&p->sum.run_delay, own->run_delay - t->settled.run_delay);
	if (own->syscalls != t->settled.syscalls) {
		__sync_fetch_and_add(&p->sum.syscall_time, own->syscall_time - t->settled.syscall_time);
		__sync_fetch_and_add(&p->sum.observed, own->observed - t->settled.observed);
		__sync_fetch_and_add(&p->sum.syscalls, own->syscalls - t->settled.syscalls);
	}
	__sync_fetch_and_add(&p->sum.minor_faults, own->minor_faults - t->settled.minor_faults);
	__sync_fetch_and_add(&p->sum.major_faults, own->major_faults - t->settled.major_faults);
	t->settled = *own;
}

/* fill says who and when, and how far the counters are of the current thread and
 * its process. */
static __always_inline void fill(struct startup_record *e, u8 kind, u32 id, struct process *p, struct thread *t, u64 now)
{
	struct task_struct *task = bpf_get_current_task_btf();

	__builtin_memset(e, 0, sizeof(*e));
	e->time = now;
	e->kind = kind;
	e->tgid = id;
	e->tid = task->pid;
	read_quota_once(&e->quota, t);
	if (t) {
		count_thread(&e->thread, t, task, now);
	} else {
		e->thread.run_delay = task->sched_info.run_delay;
		e->thread.minor_faults = task->min_flt;
		e->thread.major_faults = task->maj_flt;
	}
	if (!p)
		return;
	count_process(&e->process, p, t, &e->thread);
	e->children = p->children;
	e->threads = p->threads;
}

/* The programs take their own time at the first SAMPLED_FIRST system calls of a
 * thread, whose caches are cold, and at one in SAMPLE_EACH from then on: to ask for
 * the time is a third of all that they do. */
#define SAMPLED_FIRST 16
#define SAMPLE_EACH 8
/* MOST_SAMPLED is what a sample counts for at most, in ns: the rest is of who
 * interrupted the program. */
#define MOST_SAMPLED 2000

/* sample makes what a program is taken to cost, in ns, the average of the last few
 * samples, of which this is one more. It returns as much of that as counts. */
static __always_inline u32 sample(u32 *cost, u64 took)
{
	if (took > MOST_SAMPLED)
		took = MOST_SAMPLED;
	*cost = *cost ? (3 * *cost + (u32)took) / 4 : took;
	return took;
}

/* sample_exit counts what the programs took at a system call, of which the latter
 * has run since a time. It costs as much as at other calls like it, and this is the
 * nth of these. */
static __always_inline void sample_exit(struct thread *t, u32 *cost, u32 n, u64 since)
{
	u32 took = *cost;

	if (n < SAMPLED_FIRST || n % SAMPLE_EACH == 0) {
		took = sample(cost, bpf_ktime_get_boot_ns() - since);
		sample_enter = 1;
	}
	t->sum.observed += t->enter_cost + took;
}
