/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/* What is read of a task, and of its registers in user space. */
#pragma once

#include "records.h"

static __always_inline void fill_head(struct record_head *head, u32 kind, struct task_struct *leader)
{
	head->kind = kind;
	head->pid = leader->tgid;
	head->time = bpf_ktime_get_boot_ns();
	head->start = leader->start_boottime;
}

/* cgroup_v1_id identifies the cgroup by a version 1 controller that container
 * runtimes use; with version 2 only, it equals the version 2 id or the root's. */
static __always_inline u64 cgroup_v1_id(struct task_struct *task)
{
	struct css_set *set = task->cgroups;
	struct cgroup_subsys_state *css = 0;
	u32 i = 0;

	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		i = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	else if (bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id))
		i = bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id);
	else
		return 0;
	bpf_core_read(&css, sizeof(css), (void *)set + bpf_core_field_offset(struct css_set, subsys) + i * sizeof(void *));
	return BPF_CORE_READ(css, cgroup, kn, id);
}

static __always_inline u64 cgroup_v2_id(struct task_struct *task)
{
	return task->cgroups->dfl_cgrp->kn->id;
}

/* dead_usage is what the threads that are gone have consumed. */
static __always_inline void dead_usage(struct usage *u, struct signal_struct *sig)
{
	u->utime = sig->utime;
	u->stime = sig->stime;
	u->runtime = sig->sum_sched_runtime;
	u->rchar = sig->ioac.rchar;
	u->wchar = sig->ioac.wchar;
	u->maxrss = sig->maxrss;
	u->run_delay = 0;
}

/* resident_pages is the peak of the address space in pages. The counters are
 * per CPU; their sum here is short of up to a batch for each. Kernels before
 * 6.16 have let go of the address space by now, those before 6.2 count in
 * another form: both leave only the peak known to the signal struct. */
static __always_inline u64 resident_pages(struct mm_struct *mm)
{
	u64 peak = mm->hiwater_rss;
	s64 now = 0;

	/* Before 6.2 rss_stat is a struct, not an array of counters. */
	if (!bpf_core_field_exists(mm->rss_stat[MM_FILEPAGES].count) || !mm)
		return peak;
	now += mm->rss_stat[MM_FILEPAGES].count;
	now += mm->rss_stat[MM_ANONPAGES].count;
	now += mm->rss_stat[MM_SHMEMPAGES].count;
	return now > (s64)peak ? now : peak;
}

static __always_inline void add_thread_usage(struct usage *u, struct task_struct *task)
{
	u->utime += task->utime;
	u->stime += task->stime;
	u->runtime += task->se.sum_exec_runtime;
	u->rchar += task->ioac.rchar;
	u->wchar += task->ioac.wchar;
	u->run_delay += task->sched_info.run_delay;
}

#if defined(__TARGET_ARCH_x86)
#define REGS_FRAME(regs) (regs)->bp
#define REGS_WRITES(regs) ((regs)->orig_ax == 1 || (regs)->orig_ax == 20)
#define REGS_ARG0(regs) (regs)->di
#define GO_FRAME_KNOWN 1
#elif defined(__TARGET_ARCH_arm64)
#define REGS_FRAME(regs) (regs)->regs[29]
#define REGS_WRITES(regs) ((regs)->syscallno == 64 || (regs)->syscallno == 66)
#define REGS_ARG0(regs) (regs)->regs[0]
/* The layout of the frame is verified for amd64 only. */
#define GO_FRAME_KNOWN 0
#endif
