/* points.csv: what the ladder has measured, one line a run, made again from the records whenever it is asked for. Nothing
 * in it depends on the machine's speed. */
#include "sweep/sweep.h"

#include <math.h>
#include <stdlib.h>

const char *point_reason(bool diverged, int64_t steps, double loss, double bigram) {
	if (diverged) return "diverged";
	if (steps < SHORT_STEPS) return "short";
	if (!(loss < bigram)) return "above_bigram";
	return "";
}

/* Of a run that has diverged, or whose trunk has before the branch: the loss is not a number, the rest is the plan's. */
static struct error *read_point(const struct job *job, const struct shape *shape, struct train_result *result) {
	if (job->state == JOB_DONE) return train_result_read(job->folder, result);
	const struct train_steps steps = train_steps(&job->config);
	*result = (struct train_result){
	    .steps = steps.total,
	    .tokens = steps.total * steps.tokens_per_step,
	    .flops = (double)(steps.total * steps.tokens_per_step) * shape_counts(shape).train_flops,
	    .loss = NAN,
	    .loss_error = NAN,
	    .bits_per_byte = NAN,
	    .diverged = true,
	};
	return NULL;
}

static void add_numbers(struct text *out, const double *values, size_t count) {
	char number[HUMAN_SIZE];
	for (size_t i = 0; i < count; i++) text_add(out, "%s,", number_text(values[i], number));
}

static struct error *add_point(const struct job *job, const struct corpus_info *corpus, struct text *out) {
	const struct shape shape = train_shape(&job->config, corpus);
	const struct counts counts = shape_counts(&shape);
	struct train_result result;
	TRY(read_point(job, &shape, &result));
	text_add(
	    out, "%s,%d,%d,%d,%d,%lld,%lld,", job->id, shape.width, shape.depth, shape.context, shape.vocab,
	    (long long)train_steps(&job->config).tokens_per_step, (long long)job->config.seed);
	add_numbers(out, (double[]){counts.hidden, counts.matmul, counts.all}, 3);
	text_add(out, "%lld,%lld,", (long long)result.tokens, (long long)result.steps);
	const double C_6ND = 6 * counts.hidden * (double)result.tokens;
	add_numbers(out, (double[]){result.flops, C_6ND, result.loss, result.loss_error, result.bits_per_byte}, 5);
	const char *reason = point_reason(result.diverged, result.steps, result.loss, corpus->bigram);
	text_add(out, "%d,%s\n", !*reason, reason);
	return NULL;
}

struct error *points_write(const struct lab *lab, const struct job_list *jobs) {
	struct text out = {0};
	text_add_string(
	    &out, "id,width,depth,context,vocab,batch_tokens,seed,N,N_matmul,N_all,D,steps,C,C_6ND,loss,loss_error,"
	          "bits_per_byte,fit,reason\n");
	struct error *error = NULL;
	for (int i = 0; i < jobs->count && !error; i++) {
		const struct job *job = &jobs->items[i];
		if (job->kind == JOB_RUN && (job->state == JOB_DONE || job->state == JOB_DIVERGED))
			error = add_point(job, &lab->info, &out);
	}
	if (!error) error = text_error(&out);
	char *path = error ? NULL : path_join(lab->folder, "points.csv");
	if (!error) error = path ? file_write(path, out.data, out.length) : error_memory(256);
	free(path);
	text_free(&out);
	return error;
}
