/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/* The identity of a file's content. */
#pragma once

/* file_id names one state of one file: an inode is reused, and a file written
 * to, with another change time. */
struct file_id {
	u64 inode;
	s64 ctime_sec;
	u32 dev;
	u32 ctime_nsec;
};

static __always_inline void fill_file(struct file_id *id, struct file *file)
{
	struct inode *inode = file->f_inode;

	id->inode = inode->i_ino;
	id->dev = inode->i_sb->s_dev;
	if (bpf_core_field_exists(inode->i_ctime_sec)) {
		id->ctime_sec = inode->i_ctime_sec;
		id->ctime_nsec = inode->i_ctime_nsec;
	} else if (bpf_core_field_exists(((struct inode___611 *)inode)->__i_ctime)) {
		id->ctime_sec = BPF_CORE_READ((struct inode___611 *)inode, __i_ctime.tv_sec);
		id->ctime_nsec = BPF_CORE_READ((struct inode___611 *)inode, __i_ctime.tv_nsec);
	} else {
		id->ctime_sec = BPF_CORE_READ((struct inode___66 *)inode, i_ctime.tv_sec);
		id->ctime_nsec = BPF_CORE_READ((struct inode___66 *)inode, i_ctime.tv_nsec);
	}
}
