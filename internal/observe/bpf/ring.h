/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/*
 * The one ring of a probe and the accounting of what did not fit.
 *
 * User space sizes the ring, wakes itself by a timer and by WAKE_BYTES, and
 * reads the counters: `lost` counts whole events by the probe's own
 * definition of an event, `lost_records` counts the records below them.
 */
#pragma once

/* wake_bytes is how many unread bytes wake the reader before its timer does. */
const volatile u64 wake_bytes = 256 * 1024;

/* lost counts the events that users will never see. */
u64 lost = 0;
/* lost_records counts records refused by a full ring. */
u64 lost_records = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 * 1024 * 1024);
} events SEC(".maps");

/* ring_flags defers the wake-up until enough bytes wait: one per record would
 * cost the reader tens of microseconds each. */
static __always_inline u64 ring_flags(void)
{
	if (bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) >= wake_bytes)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

/* ring_send copies a record into the ring; false when it did not fit. flags
 * are ring_flags(), or BPF_RB_FORCE_WAKEUP for what cannot wait. */
static __always_inline bool ring_send(void *record, u64 size, u64 flags)
{
	if (bpf_ringbuf_output(&events, record, size, flags) == 0)
		return true;
	__sync_fetch_and_add(&lost_records, 1);
	return false;
}
