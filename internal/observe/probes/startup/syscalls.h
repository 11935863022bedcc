/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/* The numbers of the system calls that a start is told by. One that an
 * architecture lacks has a number that none has. */
#pragma once

#define NO_SYSCALL 0xffff

#if defined(__TARGET_ARCH_x86)
#define SYS_open 2
#define SYS_openat 257
#define SYS_openat2 437
#define SYS_readlink 89
#define SYS_readlinkat 267
#define SYS_newfstatat 262
#define SYS_connect 42
#define SYS_bind 49
#define SYS_listen 50
#define SYS_accept 43
#define SYS_accept4 288
#define SYS_execve 59
#define SYS_write 1
#define SYS_writev 20
#define SYS_close 3
#define SYS_close_range 436
#define SYS_dup2 33
#define SYS_dup3 292
#define SYS_sendto 44
#define SYS_sendmsg 46
#define SYS_sendfile 40
#define SYS_futex 202
#define SYS_sched_yield 24
#define SYS_nanosleep 35
#define SYS_clock_nanosleep 230
#define SYS_epoll_wait 232
#define SYS_epoll_pwait 281
#define SYSCALL_ARG0(regs) (regs)->di
#define SYSCALL_ARG1(regs) (regs)->si
#define SYSCALL_ARG2(regs) (regs)->dx
#elif defined(__TARGET_ARCH_arm64)
#define SYS_open NO_SYSCALL
#define SYS_openat 56
#define SYS_openat2 437
#define SYS_readlink (NO_SYSCALL - 1)
#define SYS_readlinkat 78
#define SYS_newfstatat 79
#define SYS_connect 203
#define SYS_bind 200
#define SYS_listen 201
#define SYS_accept 202
#define SYS_accept4 242
#define SYS_execve 221
#define SYS_write 64
#define SYS_writev 66
#define SYS_close 57
#define SYS_close_range 436
#define SYS_dup2 (NO_SYSCALL - 3)
#define SYS_dup3 24
#define SYS_sendto 206
#define SYS_sendmsg 211
#define SYS_sendfile 71
#define SYS_futex 98
#define SYS_sched_yield 124
#define SYS_nanosleep 101
#define SYS_clock_nanosleep 115
#define SYS_epoll_wait (NO_SYSCALL - 2)
#define SYS_epoll_pwait 22
#define SYSCALL_ARG0(regs) (regs)->regs[0]
#define SYSCALL_ARG1(regs) (regs)->regs[1]
#define SYSCALL_ARG2(regs) (regs)->regs[2]
#endif
