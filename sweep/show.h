/* show.h - a plan and a sweep under way, as text for people. */
#ifndef RUNG_SWEEP_SHOW_H
#define RUNG_SWEEP_SHOW_H

#include "sweep/sweep.h"

/* The ladder as a table, with what it costs and what to mind. `corpus_name` is NULL when none was named. */
void show_plan(
    const struct plan *plan, const struct job_list *jobs, const char *corpus_name, const struct corpus_info *corpus,
    int workers, double peak_gflops, struct text *out);

/* What a running job has last said. */
struct job_news {
	int job; /* index; -1: the worker is free */
	int64_t step, steps;
	double loss, held_out, tokens_per_second; /* NaN: not heard yet */
	int threads;
};

/* A bar for the whole ladder, then a line for each running job. */
void show_progress(
    const struct plan *plan, const struct job_list *jobs, const struct job_news *news, int workers, double elapsed,
    double left, struct text *out);

/* "d 64 L 4 D 1M", with the seed where the rung has several. */
void show_job(const struct plan *plan, const struct job *job, struct text *out);

#endif
