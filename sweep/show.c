/* What people see of a plan and of a sweep. Everything is written to a text; printing is cmd.c's affair. */
#include "sweep/show.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BAR_COLUMNS 20

void show_job(const struct plan *plan, const struct job *job, struct text *out) {
	char tokens[HUMAN_SIZE];
	if (job->kind == JOB_COMPRESS) {
		text_add_string(out, "compressors");
		return;
	}
	text_add(out, "d %-3lld L %-2lld ", (long long)job->config.width, (long long)job->config.depth);
	if (job->kind == JOB_TRUNK)
		text_add_string(out, "trunk  ");
	else
		text_add(out, "D %-5s", human_count((double)job->config.tokens, tokens));
	if (plan->rungs[job->rung].seed_count > 1) text_add(out, " seed %lld", (long long)job->config.seed);
}

/* ------------------------------------------------------------------------------------------------------------ a plan --- */

/* Of a rung: all its trunks and runs. */
struct rung_cost {
	double flops, seconds;
	int64_t least_steps, most_steps;
	int threads; /* the most that one of its jobs will get */
};

static struct rung_cost add_up(
    const struct job_list *jobs, int rung, const int *threads, const struct corpus_info *corpus) {
	struct rung_cost cost = {.least_steps = INT64_MAX};
	for (int i = 0; i < jobs->count; i++) {
		const struct job *job = &jobs->items[i];
		if (job->kind == JOB_COMPRESS || job->rung != rung) continue;
		cost.flops += job_flops(job, corpus);
		cost.seconds += job->seconds;
		if (threads[i] > cost.threads) cost.threads = threads[i];
		if (job->kind == JOB_TRUNK) continue;
		if (job->ends < cost.least_steps) cost.least_steps = job->ends;
		if (job->ends > cost.most_steps) cost.most_steps = job->ends;
	}
	return cost;
}

/* "977-15625", or one number alone. */
static char *range_text(const char *first, const char *last, char out[2 * HUMAN_SIZE + 2]) {
	if (strcmp(first, last) == 0)
		snprintf(out, HUMAN_SIZE, "%s", first);
	else
		snprintf(out, 2 * HUMAN_SIZE + 2, "%s-%s", first, last);
	return out;
}

/* Two tables, as one would be wider than a terminal. */
#define SHAPE_HEAD "   d   L       N  embedding  attention     mlp    head  tokens/step    rate"
#define COST_HEAD "   d   L  runs  tokens      steps             FLOPs  time on one core  threads"

static void add_shape(const struct rung *rung, const struct corpus_info *corpus, struct text *out) {
	const struct shape shape = train_shape(&rung->config, corpus);
	const struct counts counts = shape_counts(&shape);
	static const int columns[GROUP_COUNT] = {10, 10, 7, 7};
	char number[HUMAN_SIZE];
	text_add(out, "%4d %3d %7s", shape.width, shape.depth, human_count(counts.hidden, number));
	for (int g = 0; g < GROUP_COUNT; g++) text_add(out, " %*s", columns[g], human_count(counts.parameters[g], number));
	text_add(out, " %12lld %7.3g\n", (long long)train_steps(&rung->config).tokens_per_step, rung->config.rate);
}

static void add_cost(
    const struct plan *plan, int index, const struct job_list *jobs, const int *threads,
    const struct corpus_info *corpus, struct text *out) {
	const struct rung *rung = &plan->rungs[index];
	const struct rung_cost cost = add_up(jobs, index, threads, corpus);
	char first[HUMAN_SIZE], last[HUMAN_SIZE], number[HUMAN_SIZE], range[2 * HUMAN_SIZE + 2];
	text_add(
	    out, "%4lld %3lld %5d", (long long)rung->config.width, (long long)rung->config.depth,
	    rung->horizon_count * rung->seed_count);
	human_count((double)rung->horizons[0], first);
	human_count((double)rung->horizons[rung->horizon_count - 1], last);
	text_add(out, "  %-10s", range_text(first, last, range));
	snprintf(first, sizeof first, "%lld", (long long)cost.least_steps);
	snprintf(last, sizeof last, "%lld", (long long)cost.most_steps);
	text_add(out, "  %-14s %8.2e", range_text(first, last, range), cost.flops);
	snprintf(last, sizeof last, "%d", cost.threads);
	text_add(
	    out, "  %-16s  %s\n", human_seconds(cost.seconds, number),
	    range_text("1", cost.threads > 1 ? last : "1", range));
}

static void add_notes(
    const struct plan *plan, const struct job_list *jobs, const struct plan_cost *cost, struct text *out) {
	if (cost->short_runs)
		text_add(
		    out, "note: %d of %d runs have fewer than %d steps: trained, but not fitted (short)\n", cost->short_runs,
		    cost->runs, SHORT_STEPS);
	for (int i = 0; i < jobs->count; i++) {
		const struct job *job = &jobs->items[i];
		if (job->kind != JOB_RUN || job->ends >= SHORT_STEPS) continue;
		text_add_string(out, "      ");
		show_job(plan, job, out);
		text_add(out, " %lld steps\n", (long long)job->ends);
	}
	struct machine machine;
	machine_describe(&machine);
	char needed[HUMAN_SIZE], there[HUMAN_SIZE];
	if (cost->memory > machine.memory)
		text_add(
		    out, "warning: the workers may need %s of memory and the machine has %s; take fewer: --workers\n",
		    human_bytes(cost->memory, needed), human_bytes(machine.memory, there));
}

void show_plan(
    const struct plan *plan, const struct job_list *jobs, const char *corpus_name, const struct corpus_info *corpus,
    int workers, double peak_gflops, struct text *out) {
	struct plan_cost cost;
	struct outlook outlook = {.threads = array_new((size_t)jobs->count, sizeof(int))};
	if (!outlook.threads) {
		out->failed = true;
		return;
	}
	jobs_outlook(jobs, workers, &outlook);
	char train[HUMAN_SIZE], held_out[HUMAN_SIZE], total[HUMAN_SIZE], wall[HUMAN_SIZE];
	plan_cost(plan, jobs, corpus, workers, &cost);
	text_add(
	    out, "%s: %d rung%s, %d run%s and %d trunk%s\n", plan->name, plan->rung_count, plan->rung_count == 1 ? "" : "s",
	    cost.runs, cost.runs == 1 ? "" : "s", cost.trunks, cost.trunks == 1 ? "" : "s");
	if (!corpus_name)
		text_add_string(out, "no corpus named: reckoned for the 96 characters of the `char` tokenizer\n");
	else
		text_add(
		    out, "corpus %s\n       %s tokens to train on, %s held out, vocabulary %d (%s)\n", corpus_name,
		    human_count((double)corpus->tokens[SPLIT_TRAIN], train),
		    human_count((double)corpus->tokens[SPLIT_HELD_OUT], held_out), corpus->vocab, corpus->tokenizer);
	text_add_string(out, "\n" SHAPE_HEAD "\n");
	for (int r = 0; r < plan->rung_count; r++) add_shape(&plan->rungs[r], corpus, out);
	text_add_string(out, "\n" COST_HEAD "\n");
	double seconds = 0, training = 0;
	for (int r = 0; r < plan->rung_count; r++) add_cost(plan, r, jobs, outlook.threads, corpus, out);
	for (int i = 0; i < jobs->count; i++) {
		seconds += jobs->items[i].seconds;
		training += jobs->items[i].kind == JOB_COMPRESS ? 0 : jobs->items[i].seconds;
	}
	text_add(
	    out, "\ntime     %s on %d core%s, which are idle for %.0f %% of it; %s on one",
	    human_seconds(outlook.seconds, wall), workers, workers == 1 ? "" : "s", 100 * outlook.idle,
	    human_seconds(seconds, total));
	if (peak_gflops > 0)
		text_add(
		    out, "\nspeed    %.0f %% of the core's peak of %.0f GFLOP/s", cost.flops / training / peak_gflops * 1e-7,
		    peak_gflops);
	text_add(out, "\nwork     %.2e FLOPs\n", cost.flops);
	text_add(out, "memory   %s, all workers\n", human_bytes(cost.memory, total));
	text_add(out, "disk     %s\n", human_bytes(cost.disk, total));
	add_notes(plan, jobs, &cost, out);
	free(outlook.threads);
}

/* --------------------------------------------------------------------------------------------------- a sweep under way --- */

static void add_news(const struct plan *plan, const struct job *job, const struct job_news *news, struct text *out) {
	char speed[HUMAN_SIZE];
	text_add_string(out, "\n  ");
	show_job(plan, job, out);
	if (job->kind == JOB_COMPRESS) return;
	text_add(out, "  %lld/%lld", (long long)news->step, (long long)news->steps);
	if (!isnan(news->loss)) text_add(out, "  loss %.3f", news->loss);
	if (!isnan(news->held_out)) text_add(out, "  held-out %.3f", news->held_out);
	if (news->threads > 1) text_add(out, "  %d threads", news->threads);
	if (news->tokens_per_second > 0) text_add(out, "  %s tok/s", human_count(news->tokens_per_second, speed));
}

void show_progress(
    const struct plan *plan, const struct job_list *jobs, const struct job_news *news, int workers, double elapsed,
    double left, struct text *out) {
	double all = 0, done = 0;
	int runs = 0, runs_done = 0;
	for (int i = 0; i < jobs->count; i++) {
		const struct job *job = &jobs->items[i];
		const bool over = job->state != JOB_WAITING && job->state != JOB_RUNNING;
		all += job->seconds;
		done += job->seconds * (over ? 1 : job->progress);
		runs += job->kind == JOB_RUN;
		runs_done += job->kind == JOB_RUN && (job->state == JOB_DONE || job->state == JOB_DIVERGED);
	}
	const double part = all > 0 ? done / all : 1;
	char gone[HUMAN_SIZE], to_go[HUMAN_SIZE];
	/* The name comes last: where a line is too long, it is what can be done without. */
	text_add_string(out, "[");
	for (int c = 0; c < BAR_COLUMNS; c++) text_add_string(out, c < (int)(part * BAR_COLUMNS) ? "#" : ".");
	text_add(
	    out, "] %d %%  %d/%d runs  %s, about %s to go  %s", (int)(100 * part), runs_done, runs,
	    human_seconds(floor(elapsed), gone), human_seconds(ceil(left), to_go), plan->name);
	for (int w = 0; w < workers; w++)
		if (news[w].job >= 0) add_news(plan, &jobs->items[news[w].job], &news[w], out);
}
