/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/* Processes by the ids that they have in a PID namespace. */
#pragma once

struct bpf_pidns_info {
	u32 pid;
	u32 tgid;
};

/* has_id reports whether the current process has an id in the PID namespace that a
 * device and an inode name; an inode of 0 is a kernel without namespaces. It has
 * none in a namespace that it is not right in. */
static __always_inline bool has_id(u64 id, u64 device, u64 inode)
{
	struct bpf_pidns_info info = {};

	if (!inode)
		return bpf_get_current_pid_tgid() >> 32 == id;
	return bpf_get_ns_current_pid_tgid(device, inode, &info, sizeof(info)) == 0 && info.tgid == id;
}
