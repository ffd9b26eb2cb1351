/* inject.h - runs a program and makes one of its system calls, or all from one on, fail. For tests/faults.c.
 *
 * The kernel hands every call of interest to this process before it is made (seccomp's user notification, Linux 5.6 and
 * later; no privileges), so it is the real calls that fail, whoever makes them: rung, the C library or a child process. */
#ifndef RUNG_TESTS_INJECT_H
#define RUNG_TESTS_INJECT_H

#include "base/base.h"

enum fault_kind {
	FAULT_NONE,
	FAULT_EIO,
	FAULT_ENOSPC,
	FAULT_EINTR,
	FAULT_SHORT, /* half of what was to be read or written, for calls that read or write */
	FAULT_KILL,  /* the process is killed before the call */
	FAULT_KINDS
};
extern const char *const fault_names[FAULT_KINDS];

struct fault {
	const char *below; /* calls on files in this folder count, and the folder itself; absolute, without a final slash */
	enum fault_kind kind;
	int64_t at;   /* the call that fails, from 1 */
	bool lasting; /* all from there on */
};

struct outcome {
	int code;          /* of the program; 128 + signal when one ended it; -1 when it did not end within a minute */
	int64_t calls;     /* that counted */
	char call[16];     /* the first that failed: "write" */
	char path[512];    /* of it */
	struct text words; /* what it said on standard error */
};

/* Runs `arguments` with standard output into the file `output`. ERROR_FAILED when this system has no user notification. */
MUST_CHECK struct error *inject_run(
    const char *const *arguments, char *const *environment, const char *output, const struct fault *fault,
    struct outcome *outcome);

#endif
