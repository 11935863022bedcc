/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPDX-FileCopyrightText: The Goshawk Authors */

/* What user space reads: a record for each point that a start passes, and for
 * each system call worth naming. Each carries how far the counters are. */
#pragma once

#define OPERAND_BYTES 128

/* The points of the Go runtime that a start passes: the tags of the points in
 * startup.go. */
enum point {
	POINT_ENTRY = 1,
	POINT_OSINIT = 2,
	POINT_SCHEDINIT = 3,
	POINT_MALLOCINIT = 4,
	POINT_MODULESINIT = 5,
	POINT_GCINIT = 6,
	POINT_PROCRESIZE = 7,
	POINT_MAIN = 8,
	POINT_SYSMON = 9,
	POINT_GCENABLE = 10,
	POINT_INIT = 11,
	POINT_MAIN_MAIN = 12,
	/* Where the function returns: added to its point. */
	POINT_RETURN = 64,
};

enum record_kind {
	/* The kernel has executed the program; value is how many records were lost
	 * by then, of all processes. A moment follows: when it began to, at time 0
	 * when that is not known. */
	RECORD_EXEC = 1,
	/* A point was passed; value is the first function of a package's init. */
	RECORD_POINT = 2,
	/* A system call ended; value is what it returned. */
	RECORD_SYSCALL = 3,
	/* A socket listens. */
	RECORD_LISTEN = 4,
	/* A connection was accepted. */
	RECORD_ACCEPT = 5,
	/* The first bytes were written to a connection that was accepted; a moment
	 * follows: when that was. */
	RECORD_RESPONSE = 6,
	/* The process has ended; value is its exit code as wait gives it. */
	RECORD_EXIT = 7,
	/* It has executed another program. */
	RECORD_REPLACED = 8,
	/* The process was there before, and is observed from now on; value is as in
	 * RECORD_EXEC. */
	RECORD_JOINED = 9,
};

/* counters are how far a thread is, or a process with all its threads. They only
 * grow. */
struct counters {
	u64 cpu; /* ns on a CPU */
	u64 run_delay; /* ns ready to run */
	/* ns not on a CPU, run_delay included; of a thread alone. It does not begin
	 * at 0. */
	u64 off;
	u64 syscall_time;
	u64 observed; /* ns that the programs at its system calls took */
	u32 syscalls;
	u32 minor_faults;
	u32 major_faults;
	u32 padding;
};

/* quota is how much CPU the control group of a thread and those above it let it
 * use, and how often they held it up. */
struct quota {
	u64 throttled; /* ns */
	u32 throttles;
	u32 share; /* thousandths of a CPU, 0 for all */
};

/* moment is how far the counters were before: of the thread in a RECORD_EXEC, of
 * the process in a RECORD_RESPONSE. */
struct moment {
	u64 time;
	u64 throttled;
	struct counters counters;
};

struct startup_record {
	u64 time; /* boot clock, ns */
	/* When the kernel says that the process began, and where its program is
	 * loaded: of a RECORD_EXEC and RECORD_JOINED alone. */
	u64 start;
	u64 code;
	u64 value;
	struct quota quota;
	struct counters thread;
	struct counters process;
	u32 tgid;
	u32 tid;
	u32 layout; /* the executable */
	u32 children;
	u32 threads;
	u32 fd; /* the system call's */
	u64 syscall_took; /* ns */
	u16 syscall; /* its number */
	u8 kind;
	u8 point;
	u8 operand_kind; /* of what follows */
	u8 padding[3];
};

enum operand_kind {
	OPERAND_NONE = 0,
	OPERAND_PATH = 1, /* a text that ends with a NUL */
	OPERAND_ADDRESS = 2, /* a sockaddr */
};

/* moment_record says also where something began. */
struct moment_record {
	struct startup_record record;
	struct moment since;
};

/* operand_record says also what a system call was about. */
struct operand_record {
	struct startup_record record;
	char operand[OPERAND_BYTES];
};
