/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/*
 * Path names out of dentries. bpf_d_path is refused in tracepoint programs, so
 * the components are collected from the leaf to the root of the mount
 * namespace, each ended by a NUL; user space reverses them.
 */
#pragma once

#define PATH_COMPONENTS 48
#define PATH_NAME_MAX 256
/* PATH_MAX_BYTES is the longest path that path_collect writes. */
#define PATH_MAX_BYTES 4096

struct path_walk {
	struct dentry *dentry;
	struct dentry *mnt_root;
	struct mount *mnt;
	char *buf;
	u32 *off;
	u32 limit;
	u32 done;
};

/* path_step takes one component, or crosses one mount point. */
static long path_step(u32 i, void *arg)
{
	struct path_walk *w = arg;
	struct dentry *dentry = w->dentry;
	struct mount *mnt = w->mnt;
	struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
	u32 off = *w->off;

	if (dentry == w->mnt_root) {
		struct mount *above = BPF_CORE_READ(mnt, mnt_parent);
		if (above == mnt) {
			w->done = 1;
			return 1;
		}
		w->dentry = BPF_CORE_READ(mnt, mnt_mountpoint);
		w->mnt = above;
		w->mnt_root = BPF_CORE_READ(above, mnt.mnt_root);
		return 0;
	}
	if (off >= w->limit || off >= 2 * PATH_MAX_BYTES)
		return 1;
	long n = bpf_probe_read_kernel_str(w->buf + off, PATH_NAME_MAX, BPF_CORE_READ(dentry, d_name.name));
	if (n > 0)
		*w->off = off + n;
	/* A file without a directory (memfd) is its own parent. */
	if (dentry == parent) {
		w->done = 1;
		return 1;
	}
	w->dentry = parent;
	return 0;
}

/* path_collect writes the components of p at buf + *off and moves *off behind
 * the last one. It returns whether the path was cut, being longer than the
 * space or deeper than PATH_COMPONENTS. buf has room for 2 * PATH_MAX_BYTES +
 * PATH_NAME_MAX, and limit is at most 2 * PATH_MAX_BYTES. off must lie in a
 * map: the verifier follows each value of a variable on the stack, which does
 * not end in a loop. */
static __always_inline bool path_collect(struct path *p, char *buf, u32 *off, u32 limit)
{
	struct vfsmount *vfsmnt = BPF_CORE_READ(p, mnt);
	struct path_walk w = {
		.dentry = BPF_CORE_READ(p, dentry),
		.mnt_root = BPF_CORE_READ(vfsmnt, mnt_root),
		.mnt = (void *)vfsmnt - bpf_core_field_offset(struct mount, mnt),
		.buf = buf,
		.off = off,
		.limit = limit,
	};

	bpf_loop(PATH_COMPONENTS, path_step, &w, 0);
	return !w.done;
}
