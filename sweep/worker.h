/* worker.h - one child process of this program: with one thread until it is told otherwise, spoken with in lines. */
#ifndef RUNG_SWEEP_WORKER_H
#define RUNG_SWEEP_WORKER_H

#include "base/base.h"

#include <sys/types.h>

#define WORKERS_MOST 1024

struct worker {
	pid_t pid;        /* 0: free */
	int input;        /* write end of its stdin, never blocking */
	int output;       /* read end of its stdout, never blocking */
	struct text line; /* what has come of a line that is not complete yet */
};

/* Starts this program again with `arguments` (ends in NULL, argv[0] included). stderr goes to the file `log`, or with
 * NULL where ours goes. `core`: the only one it may use; -1: any. It gets SIGTERM should this process die. */
MUST_CHECK struct error *worker_start(const char *const *arguments, const char *log, int core, struct worker *worker);

/* Writes a line to its stdin. One that does not listen any more is not told; that is no error. */
void worker_tell(const struct worker *worker, const char *line);

/* Until one of them has said something or ended, or so many milliseconds have passed; -1: no limit. */
void workers_await(const struct worker *workers, int count, int milliseconds);

/* Hands every complete line that has come to `take`, without its newline. *ended: it has closed its stdout; the rest
 * of a line without a newline is handed over, too. */
MUST_CHECK struct error *worker_read(
    struct worker *worker, void (*take)(void *context, const char *line), void *context, bool *ended);

/* Waits for its end. Its exit code, or 128 and the number of the signal that ended it. */
int worker_wait(struct worker *worker);

/* The cores that this process may use, one for each worker. *count is 0 when workers should float, because there are
 * not exactly as many of them as cores. The array is the caller's. */
MUST_CHECK struct error *worker_cores(int workers, int **cores, int *count);

#endif
