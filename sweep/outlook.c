/* Cores and time: which running job gets the cores that no other job can use, and when all will be through. */
#include "sweep/sweep.h"

#include <math.h>
#include <stdlib.h>

double job_gain(const struct job *job, int threads) {
	if (threads <= 1 || job->team <= 1) return 1;
	return 1 + (job->gain - 1) * (double)(threads - 1) / (double)(job->team - 1);
}

void share_cores(struct core_share *shares, int count, int cores) {
	for (int i = 0; i < count; i++) shares[i].threads = 1;
	for (int spare = cores - count; spare > 0; spare--) {
		int slowest = -1;
		double longest = 0;
		for (int i = 0; i < count; i++) {
			const double path = shares[i].path / job_gain(shares[i].job, shares[i].threads);
			if (shares[i].threads >= shares[i].job->team || path <= longest) continue;
			longest = path;
			slowest = i;
		}
		if (slowest < 0) return;
		shares[slowest].threads++;
	}
}

/* ---------------------------------------------------------------------------------------------------------- playing ahead --- */

/* The scheduler's own rules on predicted times. */
struct play {
	const struct job_list *jobs;
	double *left, *path; /* (jobs) seconds on one core: of its own work; at the outset, with all that waits for it */
	double *behind;      /* (jobs) of the path, what is not its own work */
	int *threads;        /* (jobs) 0: does not run */
	bool *waiting;       /* (jobs) */
	struct core_share *shares; /* (jobs) of those that run */
};

static bool play_ready(const struct play *play, int i) {
	const struct job *job = &play->jobs->items[i];
	if (job->ready || job->trunk < 0) return true;
	const int trunk = job->trunk;
	if (!play->threads[trunk] && !play->waiting[trunk]) return true;
	return play->left[trunk] <= trunk_seconds_after(play->jobs, &play->jobs->items[trunk], job->begins) * (1 + 1e-9);
}

static int play_start(struct play *play, int workers) {
	int busy = 0;
	for (int i = 0; i < play->jobs->count; i++) busy += play->threads[i] > 0;
	while (busy < workers) {
		int best = -1;
		for (int i = 0; i < play->jobs->count; i++)
			if (play->waiting[i] && play_ready(play, i) && (best < 0 || play->path[i] > play->path[best])) best = i;
		if (best < 0) break;
		play->waiting[best] = false;
		play->threads[best] = 1;
		busy++;
	}
	return busy;
}

/* Shares the cores out among those that run. Returns how many are in use. */
static int play_share(struct play *play, int workers) {
	int running = 0, used = 0;
	for (int i = 0; i < play->jobs->count; i++)
		if (play->threads[i])
			play->shares[running++] = (struct core_share){&play->jobs->items[i], play->left[i] + play->behind[i], 1};
	share_cores(play->shares, running, workers);
	for (int k = 0; k < running; k++) {
		play->threads[play->shares[k].job - play->jobs->items] = play->shares[k].threads;
		used += play->shares[k].threads;
	}
	return used;
}

static double play_gain(const struct play *play, int i) {
	return job_gain(&play->jobs->items[i], play->threads[i]);
}

/* Seconds until the next job ends or the next trunk passes a branch that somebody waits for. */
static double play_next_event(const struct play *play) {
	const struct job_list *jobs = play->jobs;
	double next = INFINITY;
	for (int i = 0; i < jobs->count; i++) {
		if (play->threads[i]) next = fmin(next, play->left[i] / play_gain(play, i));
		const int trunk = jobs->items[i].trunk;
		if (!play->waiting[i] || trunk < 0 || !play->threads[trunk] || play_ready(play, i)) continue;
		const double after = trunk_seconds_after(jobs, &jobs->items[trunk], jobs->items[i].begins);
		next = fmin(next, (play->left[trunk] - after) / play_gain(play, trunk));
	}
	return next;
}

static void play_through(struct play *play, int workers, struct outlook *outlook) {
	const struct job_list *jobs = play->jobs;
	double used = 0;
	for (int i = 0; i < jobs->count; i++) {
		play->left[i] = job_seconds_left(jobs, &jobs->items[i]);
		play->path[i] = job_path(jobs, i);
		play->behind[i] = fmax(0, play->path[i] - play->left[i]);
		play->threads[i] = jobs->items[i].state == JOB_RUNNING;
		play->waiting[i] = jobs->items[i].state == JOB_WAITING;
	}
	while (play_start(play, workers) > 0) {
		const int cores = play_share(play, workers);
		const double step = play_next_event(play);
		outlook->seconds += step;
		used += step * cores;
		for (int i = 0; i < jobs->count; i++) {
			if (!play->threads[i]) continue;
			if (outlook->threads && play->threads[i] > outlook->threads[i]) outlook->threads[i] = play->threads[i];
			play->left[i] -= step * play_gain(play, i);
			/* Rounding must not leave a sliver behind that takes another round. */
			if (play->left[i] <= 1e-9 * step) play->threads[i] = 0;
		}
	}
	outlook->idle = outlook->seconds > 0 ? 1 - used / (outlook->seconds * workers) : 0;
}

void jobs_outlook(const struct job_list *jobs, int workers, struct outlook *outlook) {
	const size_t count = (size_t)jobs->count;
	struct play play = {
	    .jobs = jobs,
	    .left = array_new(count, sizeof(double)),
	    .path = array_new(count, sizeof(double)),
	    .behind = array_new(count, sizeof(double)),
	    .threads = array_new(count, sizeof(int)),
	    .waiting = array_new(count, sizeof(bool)),
	    .shares = array_new(count, sizeof *play.shares),
	};
	outlook->seconds = outlook->idle = 0;
	if (play.left && play.path && play.behind && play.threads && play.waiting && play.shares)
		play_through(&play, workers, outlook);
	free(play.left);
	free(play.path);
	free(play.behind);
	free(play.threads);
	free(play.waiting);
	free(play.shares);
}

double jobs_time_left(const struct job_list *jobs, int workers) {
	struct outlook outlook = {.threads = NULL};
	jobs_outlook(jobs, workers, &outlook);
	return outlook.seconds;
}
