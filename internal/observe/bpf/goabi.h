/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/*
 * Go's register-based calling convention (ABIInternal), at the entry of a
 * function and at its call sites: the n-th word of the arguments, the g of the
 * goroutine, the stack pointer, and at an entry where the function returns to.
 * Results are in the same registers at a return.
 */
#pragma once

#if defined(__TARGET_ARCH_x86)
#define GO_WORD0(ctx) (ctx)->ax
#define GO_WORD1(ctx) (ctx)->bx
#define GO_WORD2(ctx) (ctx)->cx
#define GO_WORD3(ctx) (ctx)->di
#define GO_WORD4(ctx) (ctx)->si
#define GO_WORD5(ctx) (ctx)->r8
#define GO_WORD6(ctx) (ctx)->r9
#define GO_WORD7(ctx) (ctx)->r10
#define GO_WORD8(ctx) (ctx)->r11
#define GO_G(ctx) (ctx)->r14
#define GO_SP(ctx) (ctx)->sp
#define GO_CALLER(ctx) go_word((ctx)->sp)
#elif defined(__TARGET_ARCH_arm64)
#define GO_WORD0(ctx) (ctx)->regs[0]
#define GO_WORD1(ctx) (ctx)->regs[1]
#define GO_WORD2(ctx) (ctx)->regs[2]
#define GO_WORD3(ctx) (ctx)->regs[3]
#define GO_WORD4(ctx) (ctx)->regs[4]
#define GO_WORD5(ctx) (ctx)->regs[5]
#define GO_WORD6(ctx) (ctx)->regs[6]
#define GO_WORD7(ctx) (ctx)->regs[7]
#define GO_WORD8(ctx) (ctx)->regs[8]
#define GO_G(ctx) (ctx)->regs[28]
#define GO_SP(ctx) (ctx)->sp
#define GO_CALLER(ctx) (ctx)->regs[30]
#endif

/* go_string is a string's header, go_slice a slice's. */
struct go_string {
	u64 data;
	u64 len;
};

struct go_slice {
	u64 data;
	u64 len;
	u64 cap;
};

/* go_word reads one word of the program's memory, 0 when it cannot. */
static __always_inline u64 go_word(u64 addr)
{
	u64 word = 0;

	bpf_probe_read_user(&word, sizeof(word), (void *)addr);
	return word;
}

/* go_text copies the string whose header is at addr into buf, which has size
 * bytes, a power of two, and returns how many it copied. A longer string is
 * cut to size - 1. */
#define GO_TEXT(buf, size, addr)                                            \
	({                                                                  \
		struct go_string go_s = {};                                 \
		u64 go_n = 0;                                               \
		if (bpf_probe_read_user(&go_s, sizeof(go_s), (void *)(addr)) == 0) { \
			go_n = go_s.len < (size) ? go_s.len : (size) - 1;   \
			go_n &= (size) - 1;                                 \
			if (bpf_probe_read_user((buf), go_n, (void *)go_s.data) != 0) \
				go_n = 0;                                   \
		}                                                           \
		go_n;                                                       \
	})

/* GO_PREFIX is GO_TEXT that fills buf, of size bytes, to the last. */
#define GO_PREFIX(buf, size, addr)                                          \
	({                                                                  \
		struct go_string go_s = {};                                 \
		u64 go_n = 0;                                               \
		if (bpf_probe_read_user(&go_s, sizeof(go_s), (void *)(addr)) == 0) { \
			go_n = go_s.len;                                    \
			if (go_n > (size))                                  \
				go_n = (size);                              \
			if (bpf_probe_read_user((buf), go_n, (void *)go_s.data) != 0) \
				go_n = 0;                                   \
		}                                                           \
		go_n;                                                       \
	})
