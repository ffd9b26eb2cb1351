/* lock.h - one sweep a lab. Private to sweep/. */
#ifndef RUNG_SWEEP_LOCK_H
#define RUNG_SWEEP_LOCK_H

#include "base/base.h"

#define PROCESS_WORD 64

/* Who holds a lab, as LAB/lock has it: "process 12 start 3456 boot UUID host NAME". */
struct lock_owner {
	long process;
	char start[PROCESS_WORD]; /* clock ticks after the boot */
	char boot[PROCESS_WORD];
	char host[PROCESS_WORD];
};

/* The moment that a process of this machine started at; false when there is no such process. */
bool process_start(long process, char start[PROCESS_WORD]);
/* Whether that very process lives: not another one with its number, and not one of an earlier boot. One of another machine
 * counts as alive. */
bool lock_owner_alive(const struct lock_owner *owner);

/* Seconds for a step and a checkpoint of the largest model that somebody will train here. */
#define LOCK_PATIENCE 20

/* Takes the lock of the lab for this process and its children; the caller closes *lock. Refuses while another sweep lives. A
 * dead one's is taken as soon as its children have gone: they have been asked to stop, and those that are still there
 * after `patience` seconds, because they were stopped or hang in a dead file system, are ended. */
MUST_CHECK struct error *lock_take(const char *folder, double patience, int *lock);

#endif
