//go:build ignore
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/*
 * The life of every process: fork, exec, exit, reaping, and the signals
 * between. Nothing here runs on the path of a system call.
 *
 * The event that `lost` counts is a command: one execve that succeeded, or one
 * vforked child that never got to. Each is counted once, when its process
 * ends: struct proc remembers how many of its execs never reached user space.
 */
#include "../../bpf/kernel.h"
#include "../../bpf/file.h"
#include "../../bpf/path.h"
#include "../../bpf/ring.h"
#include "../../bpf/request.h"

#include "records.h"
#include "state.h"
#include "task.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* sched_process_fork runs in the parent, on the goroutine that spawns: its user
 * stack is the Go stack that led here. The child does not run yet. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(exec_fork, struct task_struct *parent, struct task_struct *child)
{
	u32 zero = 0;
	struct fork_scratch *s;
	struct fork_record *r;
	struct mm_struct *mm = parent->mm;
	struct task_struct *leader = parent->group_leader;
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

	if (child->pid != child->tgid || !mm)
		return 0;
	s = bpf_map_lookup_elem(&per_cpu_fork, &zero);
	if (!s)
		return 0;
	r = &s->r;
	fill_head(&r->head, RECORD_FORK, child);
	r->flags = 0;
	struct proc *p = bpf_task_storage_get(&procs, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (p)
		p->forked = 1;
	if (child->mm == mm) {
		if (p) {
			p->vforked = 1;
			p->parent_frame = REGS_FRAME(regs);
		}
		r->flags = FLAG_VFORK;
	}
	r->parent_pid = leader->tgid;
	r->parent_start = leader->start_boottime;
	r->parent_code = mm->start_code;
	fill_file(&r->parent_exe, mm->exe_file);

	u64 g = GO_G(regs);
	r->sp = GO_SP(regs);
	r->stack_lo = 0;
	r->stack_hi = 0;
	bpf_probe_read_user(&r->stack_lo, 2 * sizeof(u64), (void *)g);
	if (bpf_probe_read_user(r->goid, sizeof(r->goid), (void *)(g + GOID_FIRST)) != 0)
		__builtin_memset(r->goid, 0, sizeof(r->goid));
	struct trace_context link = {};
	if (r->sp >= r->stack_lo && r->sp < r->stack_hi)
		request_link(g, leader->tgid, &link, true);
	r->trace[0] = link.trace[0];
	r->trace[1] = link.trace[1];
	r->span = link.span;

	long n = bpf_get_stack(ctx, s->stack, sizeof(s->stack), BPF_F_USER_STACK);
	if (n < 0)
		n = 0;
	if (n > (long)sizeof(s->stack))
		n = sizeof(s->stack);
	r->stack_bytes = n;
	ring_send(s, __builtin_offsetof(struct fork_scratch, stack) + (u64)n, ring_flags());
	return 0;
}

/* The types that user space decodes, for bpf2go. */
struct usage *unused_usage __attribute__((unused));
struct file_id *unused_file __attribute__((unused));
struct record_head *unused_head __attribute__((unused));
struct fork_record *unused_fork __attribute__((unused));
struct exec_record *unused_exec __attribute__((unused));
struct exit_record *unused_exit __attribute__((unused));
struct reap_record *unused_reap __attribute__((unused));
struct refused_record *unused_refused __attribute__((unused));
struct pipe_record *unused_pipe __attribute__((unused));
enum record_kind unused_kind __attribute__((unused));
enum record_flags unused_flags __attribute__((unused));

struct env_search {
	u64 next;
	u64 end;
	char *found;
	u32 inside;
	u32 padding;
};

/* env_step looks at one chunk of the environment: the head of a variable, or
 * the rest of one longer than the chunk. */
static long env_step(u32 i, void *arg)
{
	struct env_search *s = arg;
	char chunk[64];
	long n;

	if (s->next >= s->end)
		return 1;
	n = bpf_probe_read_user_str(chunk, sizeof(chunk), (void *)s->next);
	if (n <= 0)
		return 1;
	u64 at = s->next;
	u32 head = !s->inside;
	s->inside = n == sizeof(chunk);
	s->next += s->inside ? n - 1 : n;
	if (head && *(u64 *)chunk == 0x5241504543415254ULL /* "TRACEPAR" */ &&
	    *(u32 *)(chunk + 8) == 0x3d544e45U /* "ENT=" */) {
		s->next = at + 12;
		s->found = (char *)at;
		return 1;
	}
	return 0;
}

static __always_inline void read_traceparent(struct exec_record *r, struct mm_struct *mm)
{
	struct env_search s = {
		.next = mm->env_start,
		.end = mm->env_end,
	};

	r->traceparent_bytes = 0;
	bpf_loop(4096, env_step, &s, 0);
	if (!s.found)
		return;
	long n = bpf_probe_read_user_str(r->traceparent, sizeof(r->traceparent), (void *)s.next);
	if (n == TRACEPARENT_LEN + 1)
		r->traceparent_bytes = TRACEPARENT_LEN;
}

/* read_args copies the arguments in one go: they are contiguous in the new mm,
 * each ended by a NUL. */
static __always_inline u32 read_args(struct exec_scratch *s, struct mm_struct *mm, u32 off)
{
	struct exec_record *r = &s->r;
	u64 from = mm->arg_start;
	u64 total = mm->arg_end - from;
	u64 n = total;

	r->args_total = total;
	if (n > ARGS_MAX) {
		n = ARGS_MAX;
		r->flags |= FLAG_ARGS_CUT;
	}
	r->args_bytes = n;
	if (off > 2 * PATH_MAX_BYTES + PATH_NAME_MAX)
		return off;
	if (bpf_probe_read_user(s->data + off, n, (void *)from) != 0) {
		r->flags |= FLAG_ARGS_UNREADABLE;
		r->args_bytes = 0;
		n = 0;
	}
	return off + n;
}

/* first_sight reports whether an executable is new: then user space is woken at
 * once, to open it while it is there. */
static __always_inline bool first_sight(struct file_id *id)
{
	u8 seen = 1;

	if (bpf_map_lookup_elem(&known_files, id))
		return false;
	bpf_map_update_elem(&known_files, id, &seen, BPF_ANY);
	return true;
}

/* take_over gives the thread that is the leader now what the probe remembers
 * of the process. */
static __always_inline void take_over(struct proc *p, u32 tgid)
{
	struct proc *old = bpf_map_lookup_elem(&dead_leaders, &tgid);

	if (!old)
		return;
	*p = *old;
	bpf_map_delete_elem(&dead_leaders, &tgid);
}

/* sched_process_exec runs in the new image: its arguments, environment and
 * executable are in place, its threads are gone, its code has not run. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(exec_exec, struct task_struct *task, s32 old_pid, struct linux_binprm *bprm)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct exec_scratch *s = bpf_map_lookup_elem(&per_cpu_exec, &cpu);
	struct proc *p = bpf_task_storage_get(&procs, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	struct mm_struct *mm = task->mm;
	struct task_struct *parent = task->real_parent->group_leader;
	struct file *exe = mm->exe_file;
	struct fs_struct *fs = task->fs;
	struct exec_record *r;
	u32 off;

	if (p && old_pid != task->pid)
		take_over(p, task->tgid);
	if (p)
		p->vforked = 0;
	if (!s) {
		__sync_fetch_and_add(&lost, p ? 0 : 1);
		if (p)
			p->execs_lost++;
		return 0;
	}
	r = &s->r;
	fill_head(&r->head, RECORD_EXEC, task);
	dead_usage(&r->usage, task->signal);
	add_thread_usage(&r->usage, task);
	if (p)
		r->usage.run_delay += p->run_delay;
	r->parent_pid = parent->tgid;
	r->parent_start = parent->start_boottime;
	r->cgroup_v2 = cgroup_v2_id(task);
	r->cgroup_v1 = cgroup_v1_id(task);
	r->start_code = mm->start_code;
	fill_file(&r->exe, exe);
	r->flags = 0;
	bpf_get_current_comm(r->comm, sizeof(r->comm));

	r->paths_bytes = 0;
	if (path_collect(&exe->f_path, s->data, &r->paths_bytes, PATH_MAX_BYTES))
		r->flags |= FLAG_EXE_CUT;
	r->exe_bytes = r->paths_bytes;
	if (path_collect(&fs->pwd, s->data, &r->paths_bytes, 2 * PATH_MAX_BYTES))
		r->flags |= FLAG_CWD_CUT;
	read_traceparent(r, mm);
	off = read_args(s, mm, r->paths_bytes);

	if (off > sizeof(s->data))
		off = sizeof(s->data);
	u64 flags = first_sight(&r->exe) ? BPF_RB_FORCE_WAKEUP : ring_flags();
	bool sent = ring_send(s, __builtin_offsetof(struct exec_scratch, data) + (u64)off, flags);
	if (p && sent)
		p->execs_sent++;
	else if (p)
		p->execs_lost++;
	else if (!sent)
		__sync_fetch_and_add(&lost, 1);
	return 0;
}

struct refused_walk {
	struct refused_scratch *s;
	u64 argv;
};

static long refused_step(u32 i, void *arg)
{
	struct refused_walk *w = arg;
	struct refused_record *r = &w->s->r;
	u32 off = r->args_bytes;
	u64 ptr = 0;

	if (off >= REFUSED_BYTES)
		return 1;
	if (bpf_probe_read_user(&ptr, sizeof(ptr), (void *)(w->argv + i * 8)) != 0 || !ptr)
		return 1;
	long n = bpf_probe_read_user_str(w->s->args + off, PATH_NAME_MAX, (void *)ptr);
	if (n <= 0)
		return 1;
	if (n == PATH_NAME_MAX)
		r->flags |= FLAG_ARGS_CUT;
	r->args_bytes = off + n;
	r->args_count++;
	return 0;
}

/* read_refused copies what the vforked child of a Go program was about to run
 * out of the frame of syscall.forkAndExecInChild1, which is still on the
 * parent's stack: the path, the directory, the arguments, and the locals, in
 * which user space finds the errno. Kernels before 6.16 have let go of the
 * address space by now and the parent runs again: there is nothing to read, and
 * what some of them would return is not the frame. */
static __always_inline void read_refused(struct refused_scratch *s, struct mm_struct *mm, u64 frame)
{
	struct refused_record *r = &s->r;
	u64 ptr = 0, argv = 0, argc = 0;

	r->frame_bytes = r->path_bytes = r->dir_bytes = r->args_bytes = r->args_count = 0;
	if (!GO_FRAME_KNOWN || !mm)
		return;
	if (bpf_probe_read_user(r->frame, sizeof(r->frame), (void *)(frame - GO_FRAME_BYTES)) == 0)
		r->frame_bytes = sizeof(r->frame);
	if (bpf_probe_read_user(&ptr, sizeof(ptr), (void *)(frame + GO_FRAME_ARGV0)) != 0)
		return;
	long n = bpf_probe_read_user_str(r->path, sizeof(r->path), (void *)ptr);
	if (n <= 1)
		return;
	r->path_bytes = n - 1;
	bpf_probe_read_user(&ptr, sizeof(ptr), (void *)(frame + GO_FRAME_DIR));
	n = ptr ? bpf_probe_read_user_str(r->dir, sizeof(r->dir), (void *)ptr) : 0;
	r->dir_bytes = n > 0 ? n - 1 : 0;
	bpf_probe_read_user(&argv, sizeof(argv), (void *)(frame + GO_FRAME_ARGV));
	bpf_probe_read_user(&argc, sizeof(argc), (void *)(frame + GO_FRAME_ARGC));
	struct refused_walk w = {.s = s, .argv = argv};
	bpf_loop(REFUSED_ARGS, refused_step, &w, 0);
	/* Go counts the terminating nil pointer in argv's length. */
	if (r->args_count + 1 < argc)
		r->flags |= FLAG_ARGS_CUT;
}

static __always_inline void send_refused(struct task_struct *task, struct proc *p, u32 exit_code)
{
	u32 zero = 0;
	struct refused_scratch *s = bpf_map_lookup_elem(&per_cpu_refused, &zero);
	struct task_struct *parent = task->real_parent->group_leader;
	struct refused_record *r;

	if (!s)
		return;
	r = &s->r;
	fill_head(&r->head, RECORD_REFUSED, task);
	r->parent_pid = parent->tgid;
	r->parent_start = parent->start_boottime;
	r->cgroup_v2 = cgroup_v2_id(task);
	r->cgroup_v1 = cgroup_v1_id(task);
	r->exit_code = exit_code;
	r->flags = FLAG_NEVER_EXECED;
	bpf_get_current_comm(r->comm, sizeof(r->comm));
	read_refused(s, task->mm, p->parent_frame);
	u64 size = __builtin_offsetof(struct refused_scratch, args) + (u64)r->args_bytes;
	if (size > sizeof(*s))
		size = sizeof(*s);
	if (!ring_send(s, size, ring_flags()))
		__sync_fetch_and_add(&lost, 1);
}

/* signal_sender returns who sent the signal that ended the process, 0 when the
 * kernel did or nobody is known. */
static __always_inline u32 signal_sender(struct proc *p, u32 sig)
{
	if (sig == SIGKILL)
		return p->kill_pid;
	if (sig == SIGTERM)
		return p->term_pid;
	if (sig == p->last_signal)
		return p->last_pid;
	return 0;
}

/* awaited says whether a thread of the parent sleeps in a wait for a child. */
static __always_inline bool awaited(struct task_struct *leader)
{
	struct signal_struct *sig = leader->real_parent->signal;
	struct list_head *head = (void *)sig + bpf_core_field_offset(struct signal_struct, wait_chldexit.head);

	return head->next != head;
}

/* account_lost counts the commands of a process whose exit no one will hear of
 * (all), or of which one will hear (those whose exec was lost). */
static __always_inline void account_lost(struct exit_record *r, bool sent)
{
	u64 n = r->execs_lost;

	if (!sent)
		n += r->execs_sent;
	/* What a process older than the probe ran first is counted by nobody yet. */
	if (!sent && (r->flags & FLAG_OLDER) && !(r->flags & FLAG_NEVER_EXECED))
		n++;
	if (n)
		__sync_fetch_and_add(&lost, n);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(exec_exit, struct task_struct *task)
{
	struct task_struct *self = bpf_get_current_task_btf();
	struct task_struct *leader = self->group_leader;
	struct signal_struct *sig = task->signal;
	struct proc *p;
	struct exit_record r;

	if (task->flags & PF_KTHREAD)
		return 0;
	if (sig->live.counter != 0) {
		p = bpf_task_storage_get(&procs, leader, 0, 0);
		if (!p)
			return 0;
		__sync_fetch_and_add(&p->run_delay, task->sched_info.run_delay);
		if (self == leader) {
			u32 tgid = self->tgid;
			bpf_map_update_elem(&dead_leaders, &tgid, p, BPF_ANY);
		}
		return 0;
	}
	p = bpf_task_storage_get(&procs, leader, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	/* Two threads that end at once may both see no other alive. */
	if (p && __sync_lock_test_and_set(&p->exited, 1))
		return 0;

	__builtin_memset(&r, 0, sizeof(r));
	fill_head(&r.head, RECORD_EXIT, leader);
	/* A thread has the flag of its own creation; only the leader's tells. */
	if (leader->flags & PF_FORKNOEXEC)
		r.flags |= FLAG_NEVER_EXECED;
	if (!p || !p->forked)
		r.flags |= FLAG_OLDER;
	if (awaited(leader))
		r.flags |= FLAG_AWAITED;
	dead_usage(&r.usage, sig);
	add_thread_usage(&r.usage, task);
	r.rss_pages = resident_pages(task->mm);
	r.parent_pid = leader->real_parent->tgid;
	r.exit_code = task->exit_code;
	r.cgroup_v2 = cgroup_v2_id(task);
	r.cgroup_v1 = cgroup_v1_id(task);
	BPF_CORE_READ_STR_INTO(&r.comm, leader, comm);
	if (p) {
		/* A child that is satisfied with itself had nothing to execute: Go
		 * tries out pidfds with one. */
		if (p->vforked && !p->refused && (r.flags & FLAG_NEVER_EXECED) && r.exit_code)
			send_refused(task, p, r.exit_code);
		p->run_delay += task->sched_info.run_delay;
		r.usage.run_delay = p->run_delay;
		r.signal_pid = signal_sender(p, r.exit_code & 0x7f);
		if (p->term_seen)
			r.flags |= FLAG_TERM_SEEN;
		r.execs_sent = p->execs_sent;
		r.execs_lost = p->execs_lost;
	}
	account_lost(&r, ring_send(&r, sizeof(r), ring_flags()));
	return 0;
}

/* Before 6.16, sched_process_exit comes when the address space of a vforked
 * child is gone and its parent runs again: what could not be executed is read
 * where the exit begins. Later kernels do not attach this. */
SEC("fentry/do_exit")
int BPF_PROG(exec_dying, long code)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct proc *p;

	if (!code || task->pid != task->tgid || !(task->flags & PF_FORKNOEXEC))
		return 0;
	p = bpf_task_storage_get(&procs, task, 0, 0);
	if (!p || !p->vforked || p->refused)
		return 0;
	p->refused = 1;
	send_refused(task, p, code);
	return 0;
}

/* sched_process_free runs after the process was reaped and a grace period of
 * RCU has passed, so it proves the reaping and has the final accounts; when
 * the reaping happened follows from the parent's last wait. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(exec_reap, struct task_struct *task)
{
	struct reap_record r;
	u64 *wait;
	struct proc *p;

	if (task->pid != task->tgid || task->flags & PF_KTHREAD)
		return 0;
	__builtin_memset(&r, 0, sizeof(r));
	fill_head(&r.head, RECORD_REAP, task);
	dead_usage(&r.usage, task->signal);
	p = bpf_task_storage_get(&procs, task, 0, 0);
	if (p)
		r.usage.run_delay = p->run_delay;
	u32 parent = task->real_parent->tgid;
	wait = bpf_map_lookup_elem(&last_wait, &parent);
	if (wait)
		r.last_wait = *wait;
	ring_send(&r, sizeof(r), ring_flags());
	return 0;
}

SEC("tp_btf/sched_process_wait")
int BPF_PROG(exec_wait, struct pid *pid)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	u64 now = bpf_ktime_get_boot_ns();

	u64 *last = bpf_map_lookup_elem(&last_wait, &tgid);

	/* In place: an update of an LRU map costs five times a look-up. */
	if (last)
		*last = now;
	else
		bpf_map_update_elem(&last_wait, &tgid, &now, BPF_ANY);
	return 0;
}

/* signal_generate runs in the sender. info is a kernel-made signal when it is
 * 1 or has a positive code, a user's when it is 0 or has another code. */
SEC("tp_btf/signal_generate")
int BPF_PROG(exec_signal, int sig, struct kernel_siginfo *info, struct task_struct *task)
{
	struct proc *p;
	u32 from = bpf_get_current_pid_tgid() >> 32;

	if (sig >= 32 || sig == SIGCHLD || sig == SIGURG || sig == SIGPROF || sig == SIGWINCH || sig == SIGCONT)
		return 0;
	/* Some kernels type info as a number, some as a pointer that may not be
	 * compared with 1: copied, it is a number for all. */
	u64 kind = 0;
	bpf_probe_read_kernel(&kind, sizeof(kind), &ctx[1]);
	if (kind == 1 || (kind > 1 && BPF_CORE_READ((struct kernel_siginfo *)kind, si_code) > 0))
		from = 0;
	p = bpf_task_storage_get(&procs, task->group_leader, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!p)
		return 0;
	p->last_signal = sig;
	p->last_pid = from;
	if (sig == SIGKILL)
		p->kill_pid = from;
	if (sig == SIGTERM || sig == SIGINT || sig == SIGHUP || sig == SIGQUIT)
		p->term_seen = 1;
	if (sig == SIGTERM)
		p->term_pid = from;
	return 0;
}

#define S_IFMT 00170000
#define S_IFIFO 0010000

/* exec_pipes reports every task that sleeps in a write to a full pipe. User
 * space runs it once a second: a task that shows up twice with the same count
 * of context switches has not moved between. */
SEC("iter/task")
int exec_pipes(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct pipe_record r;

	if (!task || !task->mm || task->__state == 0)
		return 0;
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	if (!REGS_WRITES(regs))
		return 0;
	u64 fd = REGS_ARG0(regs);
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	if (fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	struct file *file = 0;
	bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFIFO)
		return 0;
	struct pipe_inode_info *pipe = BPF_CORE_READ(inode, i_pipe);
	if (BPF_CORE_READ(pipe, head) - BPF_CORE_READ(pipe, tail) < BPF_CORE_READ(pipe, ring_size))
		return 0;
	__builtin_memset(&r, 0, sizeof(r));
	fill_head(&r.head, RECORD_PIPE, task->group_leader);
	r.fd = fd;
	r.inode = BPF_CORE_READ(inode, i_ino);
	r.readers = BPF_CORE_READ(pipe, readers);
	r.switches = task->nvcsw + task->nivcsw;
	ring_send(&r, sizeof(r), ring_flags());
	return 0;
}
