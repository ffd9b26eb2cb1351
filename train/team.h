/* team.h - the threads of a run that a sweep may change while it trains. Private to train/. */
#ifndef RUNG_TRAIN_TEAM_H
#define RUNG_TRAIN_TEAM_H

#include "base/base.h"

#define TEAM_MOST 1024 /* threads */

struct team {
	int threads;
	bool listening;
	char heard[8192]; /* what has come of a line that is not complete yet */
	size_t length;
};

/* Starts with `threads`, and listens when standard input is a pipe. */
void team_open(struct team *team, int threads);
/* One line of what is heard. */
void team_take(struct team *team, const char *line);
/* For train_job.threads_now: takes in what has been said meanwhile; never waits. */
int team_threads(void *context);

#endif
