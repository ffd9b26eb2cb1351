/* How fast the rungs are here: real steps of every shape, on all cores at once, since that is how they will run; and then
 * with the threads that one run could use, since that is how a ladder ends. */
#include "sweep/sweep.h"
#include "sweep/worker.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* For the steps of one shape; one that takes longer is timed once, and a fast one need not be timed very often. */
#define STEP_SECONDS 0.15
#define FORWARD_SECONDS 0.05
#define CALLS_MOST 100
#define PEAK_SECONDS 0.1

/* --------------------------------------------------------------------------------------------------- in this process --- */

static bool same_work(const struct train_config *a, const struct train_config *b) {
	return a->width == b->width && a->depth == b->depth && a->context == b->context && a->batch == b->batch;
}

/* Seconds a call, after one that is not counted. */
static double time_calls(struct model *model, const uint16_t *tokens, int batch, bool training, double enough) {
	double begin = 0, now = 0;
	int calls = -1;
	do {
		if (training)
			model_gradient(model, tokens, batch);
		else
			model_loss(model, tokens, batch, NULL);
		now = clock_seconds();
		if (++calls == 0) begin = now;
	} while (calls < 1 || (now - begin < enough && calls < CALLS_MOST));
	return (now - begin) / calls;
}

/* Micro-batches of a step, which is how many threads a run has use for. */
static int pieces_of(const struct train_config *config) {
	return ((int)config->batch + train_micro_batch(config) - 1) / train_micro_batch(config);
}

static struct error *measure_rung(const struct train_config *config, int vocab, int threads, struct rung_speed *speed) {
	const struct shape shape = {vocab, (int)config->context, (int)config->width, (int)config->depth};
	const int batch = (int)config->batch, sequences = train_micro_batch(config);
	const size_t count = (size_t)batch * ((size_t)config->context + 1);
	struct model *model = NULL;
	uint16_t *tokens = array_new(count, sizeof *tokens);
	struct error *error =
	    tokens ? model_open(&shape, sequences, true, kernels_widest(), &model) : error_memory(count * sizeof *tokens);
	if (!error && threads > 1) error = model_use_threads(model, threads);
	speed->kernels = (struct kernel_choice){.kernels = kernels_widest()};
	if (!error) error = train_measure_blas(&shape, sequences, speed->kernels.kernels, &speed->kernels.blas);
	if (!error) error = model_use_kernels(model, speed->kernels);
	if (!error) {
		model_initialise(model, 1);
		struct rng rng = rng_make(1, "measure");
		for (size_t i = 0; i < count; i++) tokens[i] = (uint16_t)rng_below(&rng, (uint64_t)vocab);
		speed->step = time_calls(model, tokens, batch, true, STEP_SECONDS);
		speed->forward = threads > 1 ? 0 : time_calls(model, tokens, sequences, false, FORWARD_SECONDS) / sequences;
	}
	model_close(model);
	free(tokens);
	return error;
}

struct error *measure_rungs(const struct plan *plan, int vocab, int threads, struct rung_speed *speeds) {
	machine_flush_denormals();
	for (int r = 0; r < plan->rung_count; r++) {
		const struct train_config *config = &plan->rungs[r].config;
		int known = 0;
		while (known < r && !same_work(&plan->rungs[known].config, config)) known++;
		const int team = pieces_of(config) < threads ? pieces_of(config) : threads;
		if (known < r)
			speeds[r] = speeds[known];
		else if (team > 1 || threads <= 1)
			TRY(measure_rung(config, vocab, team, &speeds[r]));
	}
	return NULL;
}

/* {"step", "forward", "kernels"} */
static void add_speed(const struct rung_speed *speed, struct text *out) {
	cJSON *kernels = train_kernels_to_json(speed->kernels);
	text_add(out, "{\"step\": %.6g, \"forward\": %.6g, \"kernels\": ", speed->step, speed->forward);
	json_print(kernels, false, out);
	text_add_string(out, "}");
	cJSON_Delete(kernels);
}

struct error *measure_here(const struct plan *plan, int vocab, int threads, struct text *out) {
	struct rung_speed *speeds = array_new((size_t)plan->rung_count, sizeof *speeds);
	if (!speeds) return error_memory((size_t)plan->rung_count * sizeof *speeds);
	const double peak = threads > 1 ? 0 : machine_peak_gflops(PEAK_SECONDS);
	struct error *error = measure_rungs(plan, vocab, threads, speeds);
	if (!error) {
		text_add(out, "{\"peak_gflops\": %.6g, \"rungs\": [", peak);
		for (int r = 0; r < plan->rung_count; r++) {
			text_add_string(out, r ? ", " : "");
			add_speed(&speeds[r], out);
		}
		text_add_string(out, "]}\n");
		error = text_error(out);
	}
	free(speeds);
	return error;
}

/* ------------------------------------------------------------------------------------------------------- on all cores --- */

struct answer {
	struct plan_speed *sum; /* over the workers so far */
	int count;              /* of them */
	struct error *error;
};

/* OpenBLAS gets what is faster that way in all of the processes. */
static struct error *take_kernels(const cJSON *rung, bool first, struct kernel_choice *kernels) {
	struct kernel_choice found;
	const cJSON *object = cJSON_GetObjectItemCaseSensitive(rung, "kernels");
	TRY(train_kernels_from_json(object, "the measuring process", &found));
	if (first) *kernels = found;
	kernels->blas &= found.blas;
	return NULL;
}

static void take_answer(void *context, const char *line) {
	struct answer *answer = context;
	cJSON *root = NULL;
	if (answer->error) return;
	struct error *error = json_parse("the measuring process", line, strlen(line), &root);
	double peak;
	if (!error) error = json_get_number(root, "peak_gflops", "the measuring process", &peak);
	if (!error) answer->sum->peak_gflops += peak;
	const cJSON *rung;
	int r = 0;
	cJSON_ArrayForEach(rung, cJSON_GetObjectItemCaseSensitive(root, "rungs")) {
		double step, forward;
		if (!error) error = json_get_number(rung, "step", "the measuring process", &step);
		if (!error) error = json_get_number(rung, "forward", "the measuring process", &forward);
		if (!error && r < answer->sum->rung_count)
			error = take_kernels(rung, answer->count == 0, &answer->sum->rungs[r].kernels);
		if (error || r >= answer->sum->rung_count) break;
		answer->sum->rungs[r].step += step;
		answer->sum->rungs[r++].forward += forward;
	}
	cJSON_Delete(root);
	answer->count++;
	answer->error = error;
}

/* Waits for one measuring child and adds what it says. */
static struct error *collect(struct worker *worker, struct answer *answer) {
	struct error *error = NULL;
	bool ended = false;
	while (!error && !ended) {
		workers_await(worker, 1, -1);
		error = worker_read(worker, take_answer, answer, &ended);
	}
	const int code = worker_wait(worker);
	if (!error && code != 0)
		error = error_new(ERROR_FAILED, "measuring the speed of the rungs failed (exit code %d); see above", code);
	return error;
}

/* Adds up what `workers` children say that measure at the same time, each with `threads` threads. A child with one
 * thread has a core of its own. */
static struct error *measure_together(const char *const *arguments, int workers, int threads, struct plan_speed *sum) {
	struct worker *children = array_new((size_t)workers, sizeof *children);
	struct answer answer = {.sum = sum};
	int *cores = NULL, core_count = 0, started = 0;
	struct error *error = children ? worker_cores(workers, &cores, &core_count) : error_memory(4096);
	while (!error && started < workers) {
		const int core = core_count && threads == 1 ? cores[started] : -1;
		error = worker_start(arguments, NULL, core, &children[started]);
		started += !error;
	}
	for (int w = 0; w < started; w++) {
		struct error *one = collect(&children[w], &answer);
		if (error)
			error_free(one);
		else
			error = one;
	}
	free(children);
	free(cores);
	if (error)
		error_free(answer.error);
	else
		error = answer.error;
	return error;
}

/* What a team of threads gains, from its step beside that of a single thread. */
static void set_teams(
    const struct plan *plan, int threads, const struct plan_speed *together, struct plan_speed *speed) {
	for (int r = 0; r < plan->rung_count; r++) {
		const int pieces = pieces_of(&plan->rungs[r].config), team = pieces < threads ? pieces : threads;
		if (team < 2 || !(together->rungs[r].step > 0)) continue;
		speed->rungs[r].team = team;
		speed->rungs[r].gain = fmin(team, fmax(1, speed->rungs[r].step / together->rungs[r].step));
	}
}

struct error *measure_everywhere(
    const struct plan *plan, const char *source, const char *name, int vocab, int workers, struct plan_speed *speed) {
	*speed = (struct plan_speed){.rung_count = plan->rung_count};
	struct plan_speed together = *speed;
	speed->rungs = array_new((size_t)plan->rung_count, sizeof *speed->rungs);
	together.rungs = array_new((size_t)plan->rung_count, sizeof *together.rungs);
	if (!speed->rungs || !together.rungs) {
		free(together.rungs);
		return error_memory((size_t)plan->rung_count * sizeof *speed->rungs);
	}
	char vocab_text[24], threads_text[24];
	snprintf(vocab_text, sizeof vocab_text, "%d", vocab);
	snprintf(threads_text, sizeof threads_text, "%d", workers);
	const char *const alone[] = {"rung", "plan", source, name, "--measure", vocab_text, NULL};
	const char *const team[] = {"rung", "plan", source, name, "--measure", vocab_text, "--threads", threads_text, NULL};
	struct error *error = measure_together(alone, workers, 1, speed);
	for (int r = 0; r < plan->rung_count; r++) {
		speed->rungs[r].step /= workers;
		speed->rungs[r].forward /= workers;
	}
	speed->peak_gflops /= workers;
	int most = 1;
	for (int r = 0; r < plan->rung_count; r++)
		if (pieces_of(&plan->rungs[r].config) > most) most = pieces_of(&plan->rungs[r].config);
	if (!error && workers > 1 && most > 1) error = measure_together(team, 1, workers, &together);
	if (!error) set_teams(plan, workers, &together, speed);
	free(together.rungs);
	return error;
}
