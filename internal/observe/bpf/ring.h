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

/* RING_BYTES is the largest size of the ring where user space gives none; on a
 * host with little memory the loader takes less. A probe of small or rare
 * records defines it before it includes this. */
#ifndef RING_BYTES
#define RING_BYTES (64 * 1024 * 1024)
#endif

/* wake_bytes is after how many bytes the reader is woken before its timer. */
const volatile u64 wake_bytes = 256 * 1024;

/* lost counts the events that users will never see. */
u64 lost = 0;
/* lost_records counts records refused by a full ring. */
u64 lost_records = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_BYTES);
} events SEC(".maps");

/* woken_at is the position in the ring of the last wake-up. */
u64 woken_at = 0;

/* ring_flags wakes the reader once every wake_bytes: one wake-up per record
 * would cost it tens of microseconds each. What is unread does not count, or a
 * reader that is behind would be woken by every record. Two processors that
 * pass the mark at once may both wake it, which does no harm. */
static __always_inline u64 ring_flags(void)
{
	u64 position = bpf_ringbuf_query(&events, BPF_RB_PROD_POS);

	if (position - woken_at < wake_bytes)
		return BPF_RB_NO_WAKEUP;
	woken_at = position;
	return BPF_RB_FORCE_WAKEUP;
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
