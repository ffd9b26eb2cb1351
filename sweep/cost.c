/* What a plan costs: time, floating-point operations, memory, disk. */
#include "sweep/sweep.h"

#include <math.h>
#include <stdlib.h>

#define START_SECONDS 0.05              /* of a child: the program, the corpus, the record */
#define COMPRESS_BYTES_MOST 40e6        /* that corpus_compressors looks at */
#define COMPRESS_BYTES_PER_SECOND 0.6e6 /* xz -9e and zstd -19 over the held-out text, alone and after the train text */
#define CORPUS_CACHE 256e6              /* bytes of decoded frames that corpus_read keeps */
#define PROCESS_BYTES 30e6              /* of a child before it has opened a model */
#define RUN_FILES 60e3                  /* bytes of a run's record and learning curve */

static double eval_sequences(int64_t tokens, const struct train_config *config, const struct corpus_info *corpus) {
	const double most = floor((double)corpus->tokens[SPLIT_HELD_OUT] / (double)config->context);
	return fmin(ceil((double)tokens / (double)config->context), most);
}

static double predict(const struct job *job, const struct rung_speed *speed, const struct corpus_info *corpus) {
	const struct train_config *config = &job->config;
	const struct train_steps steps = train_steps(config);
	double sequences = (double)train_curve_evaluations(&steps, job->begins, job->ends) *
	                   eval_sequences(config->curve_tokens, config, corpus);
	if (job->kind == JOB_RUN) sequences += eval_sequences(config->eval_tokens, config, corpus);
	return START_SECONDS + (double)(job->ends - job->begins) * speed->step + sequences * speed->forward;
}

void jobs_predict(struct job_list *jobs, const struct rung_speed *speeds, const struct corpus_info *corpus) {
	for (int i = 0; i < jobs->count; i++) {
		struct job *job = &jobs->items[i];
		if (job->kind == JOB_COMPRESS)
			job->seconds =
			    fmin(COMPRESS_BYTES_MOST, (double)(corpus->bytes[SPLIT_TRAIN] + corpus->bytes[SPLIT_HELD_OUT])) /
			    COMPRESS_BYTES_PER_SECOND;
		else {
			job->seconds = predict(job, &speeds[job->rung], corpus);
			job->team = speeds[job->rung].team;
			job->gain = speeds[job->rung].gain;
		}
	}
}

double job_flops(const struct job *job, const struct corpus_info *corpus) {
	if (job->kind == JOB_COMPRESS) return 0;
	const struct shape shape = train_shape(&job->config, corpus);
	const double tokens = (double)((job->ends - job->begins) * train_steps(&job->config).tokens_per_step);
	return tokens * shape_counts(&shape).train_flops;
}

void plan_cost(
    const struct plan *plan, const struct job_list *jobs, const struct corpus_info *corpus, int workers,
    struct plan_cost *cost) {
	*cost = (struct plan_cost){0};
	const double cache = fmin(CORPUS_CACHE, 2 * (double)(corpus->tokens[SPLIT_TRAIN] + corpus->tokens[SPLIT_HELD_OUT]));
	for (int i = 0; i < jobs->count; i++) {
		const struct job *job = &jobs->items[i];
		if (job->kind == JOB_COMPRESS) continue;
		const struct shape shape = train_shape(&job->config, corpus);
		const double parameters = 4 * shape_counts(&shape).all, state = 3 * parameters;
		cost->flops += job_flops(job, corpus);
		/* While it runs, the two latest checkpoints; afterwards its weights, or a trunk's branch points. */
		cost->disk += RUN_FILES + (job->kind == JOB_TRUNK ? job->branch_count * state : parameters);
		const double memory =
		    PROCESS_BYTES + cache + 2 * parameters + model_bytes(&shape, train_micro_batch(&job->config), true);
		cost->memory = fmax(cost->memory, workers * memory);
		if (job->kind == JOB_TRUNK) {
			cost->trunks++;
			continue;
		}
		cost->runs++;
		cost->short_runs += job->ends < SHORT_STEPS;
	}
	cost->disk += plan->source ? (double)corpus->tokens[SPLIT_TRAIN] : 0;
}
