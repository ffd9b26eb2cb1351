/* The loop: batches, steps, the learning curve, checkpoints, and the record at the end. */
#include "train/state.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One run while it is under way. */
struct run {
	const struct train_config *config;
	const struct train_job *job;
	struct corpus *corpus;
	struct checkpoint_owner owner;
	struct machine machine; /* as it was before anybody took cores away */
	struct train_steps steps;
	int64_t last_step; /* where this run ends: the horizon, or a trunk's last branch */
	struct train_state state;
	uint16_t *tokens; // (batch, T+1)
	char id[HASH_HEX_SIZE], recipe[HASH_HEX_SIZE];
	double started, spent_before; /* clock at the start, seconds of earlier processes */
	double checkpointed;          /* clock at the last checkpoint */
	int64_t saved;                /* step of the latest checkpoint; 0: none */
	double ln_V;                  /* the loss of knowing nothing */
	int threads;
	bool recorded;                /* run.json is there */
	struct kernel_choice kernels; /* what it says; .kernels is KERNELS_COUNT when it says nothing */
};

/* ---------------------------------------------------------------------------------------- when to log and evaluate --- */

/* Whether step * density has passed a whole number, on a log axis while the rate is constant and evenly in the cooldown;
 * `step` steps are done. What little is added keeps powers of two from falling short of their logarithm. */
static bool is_due(const struct train_steps *steps, int64_t step, int per_doubling, int per_cooldown) {
	if (step > steps->cooldown_start) {
		const int64_t done = step - steps->cooldown_start, length = steps->total - steps->cooldown_start;
		return done * per_cooldown / length != (done - 1) * per_cooldown / length;
	}
	if (step <= 1) return step == 1;
	return floor(per_doubling * log2((double)step) + 1e-9) != floor(per_doubling * log2((double)step - 1) + 1e-9);
}

static bool log_due(const struct run *run) {
	return run->state.step == run->last_step || is_due(&run->steps, run->state.step, 16, 32);
}

static bool curve_due(const struct train_steps *steps, int64_t step) {
	return step >= 16 && is_due(steps, step, 2, 4);
}

int64_t train_curve_evaluations(const struct train_steps *steps, int64_t begins, int64_t ends) {
	int64_t count = 0;
	for (int64_t step = begins + 1; step < ends; step++) count += curve_due(steps, step);
	return count;
}

/* ------------------------------------------------------------------------------------------------------ start and end --- */

static void say(const struct train_job *job, const char *message) {
	if (job->on_message) job->on_message(job->context, message);
}

char *train_branch_path(const char *folder, int64_t step) {
	char name[64];
	snprintf(name, sizeof name, "branch-%012lld" STATE_SUFFIX, (long long)step);
	return path_join(folder, name);
}

/* The stem of a checkpoint from the path of its state; the caller frees. */
static char *stem_of(const char *state_path) {
	const size_t length = strlen(state_path), tail = strlen(STATE_SUFFIX);
	const bool has = length > tail && strcmp(state_path + length - tail, STATE_SUFFIX) == 0;
	return strndup(state_path, has ? length - tail : length);
}

struct error *train_branch_check(
    const char *path, const struct train_config *config, const struct corpus_info *corpus, int64_t step) {
	char recipe[HASH_HEX_SIZE];
	TRY(train_recipe(config, corpus, recipe));
	char *stem = stem_of(path);
	if (!stem) return error_memory(strlen(path));
	struct error *error = checkpoint_check(stem, recipe, step);
	free(stem);
	return error;
}

/* Before the first step. */
static void start_over(const struct run *run, struct train_state *state) {
	struct text log = state->log;
	text_clear(&log);
	*state = (struct train_state){.model = state->model, .optimizer = state->optimizer, .log = log, .held_out = NAN};
	divergence_begin(state);
	memset(state->optimizer.first, 0, model_tensors(state->model)->total * sizeof(float));
	memset(state->optimizer.second, 0, model_tensors(state->model)->total * sizeof(float));
	model_initialise(state->model, (uint64_t)run->config->seed);
}

/* Who computes a run that begins at step 0: as before, should all of its checkpoints be lost, because there may be branches
 * of it; otherwise as wished. */
static struct error *choose_kernels(struct run *run) {
	struct model *model = run->state.model;
	struct kernel_choice choice = run->job->kernels.choice;
	if (run->kernels.kernels != KERNELS_COUNT) {
		choice = run->kernels;
		TRY(kernels_check(choice, run->job->folder));
	} else if (run->job->kernels.measure_blas) {
		TRY(train_measure_blas(model_shape(model), train_micro_batch(run->config), choice.kernels, &choice.blas));
		if (choice.blas) {
			struct text message = {0};
			text_add_string(&message, "kernels: ");
			kernels_describe(choice, &message);
			if (!message.failed) say(run->job, message.data);
			text_free(&message);
		}
	}
	return model_use_kernels(model, choice);
}

/* A folder without a record, and without a checkpoint of this run, must hold nothing that looks like another's: it may be the
 * only copy. */
static struct error *check_nobodys(const char *folder) {
	DIR *directory = opendir(folder);
	if (!directory) return error_system("read the folder", folder);
	struct error *error = NULL;
	const struct dirent *entry;
	while (!error && (errno = 0, entry = readdir(directory))) {
		static const char *const signs[] = {"step-", "branch-", "model.safetensors", "log.jsonl", "plan.json"};
		for (size_t i = 0; i < COUNT_OF(signs) && !error; i++)
			if (strncmp(entry->d_name, signs[i], strlen(signs[i])) == 0)
				error = error_new(
				    ERROR_DATA,
				    "%s: holds %s, but no run.json that says that it is of this run; take another folder, or remove "
				    "what lies in this one",
				    folder, entry->d_name);
	}
	if (!error && errno) error = error_system("read the folder", folder);
	closedir(directory);
	return error;
}

/* Says in the folder that it is this run's. A run that fails before there is anything to go on with leaves it to others. */
static struct error *claim(struct run *run) {
	if (run->recorded) return NULL;
	TRY(record_write(
	    run->job->folder, &run->owner, run->job->trunk, RECORD_RUNNING, model_kernels(run->state.model), NULL));
	run->recorded = true;
	return NULL;
}

/* From the run's own latest checkpoint, else from the trunk's branch, else from the beginning. */
static struct error *begin(struct run *run) {
	bool found;
	struct error *damage = NULL;
	TRY(checkpoint_latest(run->job->folder, &run->state, &run->owner, &found, &damage));
	if (!found && !run->recorded && !run->job->own_folder) {
		struct error *error = check_nobodys(run->job->folder);
		if (error) error_free(damage);
		TRY(error);
	}
	if (damage) {
		char message[1200];
		snprintf(
		    message, sizeof message, "%s; going on from %s", damage->message,
		    found ? "the checkpoint before it" : "the start of the run");
		say(run->job, message);
		error_free(damage);
	}
	run->saved = found ? run->state.step : 0;
	if (found) return NULL;
	start_over(run, &run->state); /* a damaged checkpoint may have been half read */
	if (!run->job->start) return choose_kernels(run);
	char *stem = stem_of(run->job->start);
	if (!stem) return error_memory(strlen(run->job->start));
	struct error *error = checkpoint_read(stem, &run->state, &run->owner, true);
	free(stem);
	/* An earlier one of the same trunk would come to the same weights, but not to the same log. */
	if (!error && (run->state.step != run->steps.cooldown_start || run->state.step >= run->last_step))
		error = error_new(
		    ERROR_DATA, "%s: is at step %lld, but the cooldown of this run starts at step %lld", run->job->start,
		    (long long)run->state.step, (long long)run->steps.cooldown_start);
	return error;
}

static double seconds_spent(const struct run *run) {
	return run->spent_before + clock_seconds() - run->started;
}

static struct error *finish(struct run *run, struct train_result *result) {
	const struct corpus_info *info = corpus_info(run->corpus);
	const struct shape shape = train_shape(run->config, info);
	const double flops_per_token = shape_counts(&shape).train_flops;
	const struct train_state *state = &run->state;
	struct error *error = NULL;

	result->steps = state->step;
	result->tokens = state->step * run->steps.tokens_per_step;
	result->flops = (double)result->tokens * flops_per_token;
	result->train_loss = state->tail_count ? state->tail_sum / (double)state->tail_count : NAN;
	result->trained_tokens = state->trained_tokens;
	result->clipped = state->trained_tokens > 0
	                      ? (double)state->clipped * (double)run->steps.tokens_per_step / state->trained_tokens
	                      : NAN;
	result->bits_per_byte = corpus_bits_per_byte(info, result->loss);

	uint64_t file_hash;
	char *path = path_join(run->job->folder, "model.safetensors");
	if (!path) return error_memory(64);
	if (!result->diverged)
		error = weights_write(path, state->model, &run->owner, state->step, &result->weights_hash, &file_hash);
	free(path);
	if (error) return error;

	result->seconds = seconds_spent(run);
	result->step_seconds = state->step_seconds;
	result->core_seconds = state->core_seconds;
	result->tokens_per_second = state->step_seconds > 0 ? state->trained_tokens / state->step_seconds : NAN;
	result->gflops = result->tokens_per_second * flops_per_token / 1e9;
	result->peak_gflops = run->job->peak_gflops > 0 ? run->job->peak_gflops : machine_peak_gflops(0.1);
	result->peak_fraction =
	    result->gflops / result->peak_gflops * (state->step_seconds / state->core_seconds); /* NaN without steps */
	result->memory_bytes = peak_memory_bytes();
	result->highest_rise = state->highest_rise;
	result->log_hash = hash_bytes(state->log.data, state->log.length, 0);
	result->kernels = model_kernels(state->model);
	TRY(record_write(
	    run->job->folder, &run->owner, run->job->trunk, result->diverged ? RECORD_DIVERGED : RECORD_DONE,
	    result->kernels, result));
	if (!result->diverged) checkpoint_remove_all(run->job->folder);
	return NULL;
}

/* ------------------------------------------------------------------------------------------------------------- the loop --- */

static struct error *write_log(const struct run *run) {
	TRY(text_error(&run->state.log));
	char *path = path_join(run->job->folder, "log.jsonl");
	if (!path) return error_memory(64);
	struct error *error = file_write(path, run->state.log.data, run->state.log.length);
	free(path);
	return error;
}

/* A line of the learning curve; `held_out` is NAN when there was no evaluation. */
static void add_log_line(struct run *run, double gradient_norm, double held_out, double held_out_error) {
	struct train_state *state = &run->state;
	text_add(
	    &state->log, "{\"step\": %lld, \"tokens\": %lld, \"rate\": %.9g, \"loss\": %.9g, \"gradient_norm\": ",
	    (long long)state->step, (long long)(state->step * run->steps.tokens_per_step),
	    train_schedule(&run->steps, state->step - 1) * run->config->rate, state->loss_sum / (double)state->loss_count);
	if (isfinite(gradient_norm))
		text_add(&state->log, "%.9g", gradient_norm);
	else
		text_add_string(&state->log, "null");
	if (isnan(held_out))
		text_add_string(&state->log, ", \"held_out\": null, \"held_out_error\": null}\n");
	else
		text_add(&state->log, ", \"held_out\": %.9g, \"held_out_error\": %.6g}\n", held_out, held_out_error);
	state->loss_sum = 0;
	state->loss_count = 0;
}

static void report_progress(struct run *run) {
	if (!run->job->on_progress) return;
	const struct train_progress progress = {
	    .step = run->state.step,
	    .steps = run->last_step,
	    .loss = divergence_smoothed(&run->state),
	    .held_out = run->state.held_out,
	    .tokens_per_second = run->state.step_seconds > 0 ? run->state.trained_tokens / run->state.step_seconds : 0,
	};
	run->job->on_progress(run->job->context, &progress);
}

static struct error *leave_branch(struct run *run) {
	for (int i = 0; i < run->job->branch_count; i++) {
		if (run->job->branches[i] != run->state.step) continue;
		TRY(claim(run));
		char *path = train_branch_path(run->job->folder, run->state.step), *stem = path ? stem_of(path) : NULL;
		struct error *error =
		    stem ? checkpoint_write(stem, &run->state, &run->owner) : error_memory(strlen(run->job->folder));
		free(path);
		free(stem);
		return error;
	}
	return NULL;
}

/* Of a run that diverged, the one checkpoint to keep: `step`, else the branch that it began with, else what it was before the
 * first step, which is made again. */
static struct error *keep_last_good(struct run *run, int64_t step, char name[CHECKPOINT_NAME_SIZE]) {
	checkpoint_name(step, name);
	if (step == 0 && run->job->start) {
		const char *slash = strrchr(run->job->start, '/');
		char *stem = stem_of(slash ? slash + 1 : run->job->start);
		if (!stem) return error_memory(strlen(run->job->start));
		snprintf(name, CHECKPOINT_NAME_SIZE, "%.31s", stem);
		free(stem);
	} else if (step == 0) {
		struct train_state first = {.model = run->state.model, .optimizer = run->state.optimizer};
		start_over(run, &first);
		TRY(checkpoint_save(run->job->folder, &first, &run->owner));
	}
	checkpoint_keep(run->job->folder, step);
	return NULL;
}

/* Ends the run: the log so far, the record, and of the checkpoints the last good one. */
static struct error *diverge(
    struct run *run, struct train_result *result, enum train_divergence reason, int64_t step, double loss,
    double norm) {
	const struct train_state *state = &run->state;
	const double smoothed = divergence_smoothed(state);
	static const char *const words[] = {
	    [DIVERGED_NOT_FINITE] = "a loss or gradient that is not finite",
	    [DIVERGED_ABOVE] = "a loss above ln V + 1, one more than knowing nothing",
	    [DIVERGED_SPIKE] = "a loss spike",
	};
	result->loss = result->loss_error = NAN;
	result->diverged = true;
	result->end = (struct train_end){
	    .reason = reason,
	    .step = step,
	    .loss = loss,
	    .gradient_norm = norm,
	    .smoothed = smoothed,
	    .lowest = state->lowest};
	if (state->loss_count) add_log_line(run, norm, NAN, NAN);
	TRY(claim(run));
	TRY(write_log(run));
	TRY(keep_last_good(run, reason == DIVERGED_SPIKE ? state->settled : state->proven, result->end.checkpoint));
	TRY(finish(run, result));
	char risen[80] = "";
	if (isfinite(state->lowest))
		snprintf(risen, sizeof risen, "; smoothed train loss %.4g, at best %.4g", smoothed, state->lowest);
	return error_new(
	    ERROR_DIVERGED,
	    "%s: the run diverged at step %lld: %s (loss %g, gradient norm %g%s). Its record says so; the last good "
	    "checkpoint, %s, stays. Try a lower --rate or a longer --warmup-tokens",
	    run->job->folder, (long long)step, words[reason], loss, norm, risen, result->end.checkpoint);
}

/* The threads of the next step. */
static struct error *use_threads(struct run *run) {
	const struct train_job *job = run->job;
	const int wanted = job->threads_now ? job->threads_now(job->threads_context) : job->threads;
	if (wanted == run->threads || wanted < 1) return NULL;
	run->threads = wanted;
	return model_use_threads(run->state.model, wanted);
}

static struct error *one_step(struct run *run, struct train_result *result, double *norm) {
	struct train_state *state = &run->state;
	TRY(use_threads(run));
	const double start = clock_seconds();
	TRY(train_batch(run->config, run->corpus, state->step, run->tokens));
	const double loss = model_gradient(state->model, run->tokens, (int)run->config->batch);
	optimizer_step(&state->optimizer, state->model, run->config, &run->steps, state->step, norm);
	enum train_divergence divergence = divergence_of_step(loss, *norm, run->ln_V);
	if (divergence) return diverge(run, result, divergence, state->step + 1, loss, *norm);

	state->step++;
	state->loss_sum += loss;
	state->loss_count++;
	if (run->config->clip > 0 && *norm > run->config->clip) state->clipped++;
	if (state->step > run->steps.total - (run->steps.total + 19) / 20) {
		state->tail_sum += loss;
		state->tail_count++;
	}
	const double seconds = clock_seconds() - start;
	state->step_seconds += seconds;
	state->core_seconds += seconds * model_busy_threads(state->model);
	state->trained_tokens += (double)run->steps.tokens_per_step;
	divergence = divergence_note(state, &run->steps, loss, run->ln_V);
	if (divergence) return diverge(run, result, divergence, state->step, loss, *norm);
	divergence_settle(state, &run->steps, run->saved);
	return NULL;
}

static struct error *save(struct run *run) {
	run->state.seconds = seconds_spent(run);
	TRY(claim(run));
	TRY(checkpoint_save(run->job->folder, &run->state, &run->owner));
	run->saved = run->state.step;
	TRY(write_log(run));
	run->checkpointed = clock_seconds();
	return NULL;
}

static struct error *loop(struct run *run, struct train_result *result) {
	struct train_state *state = &run->state;
	double reported = 0;
	run->checkpointed = clock_seconds();
	while (state->step < run->last_step) {
		double norm;
		TRY(one_step(run, result, &norm));

		if (log_due(run)) {
			double held_out = NAN, held_out_error = NAN;
			const bool final = state->step == run->last_step && !run->job->trunk;
			if (final || curve_due(&run->steps, state->step)) {
				TRY(evaluate(
				    state->model, run->corpus, final ? run->config->eval_tokens : run->config->curve_tokens, &held_out,
				    &held_out_error));
				state->held_out = held_out;
				const enum train_divergence divergence = divergence_of_step(held_out, norm, run->ln_V);
				if (divergence) return diverge(run, result, divergence, state->step, held_out, norm);
			}
			add_log_line(run, norm, held_out, held_out_error);
			if (final) {
				result->loss = held_out;
				result->loss_error = held_out_error;
			}
		}
		TRY(leave_branch(run));
		const double now = clock_seconds();
		if (now - reported >= run->job->progress_seconds) {
			report_progress(run);
			reported = now;
		}
		if (state->step == run->last_step) break;
		if (interrupt_pending()) {
			TRY(save(run));
			return error_new(
			    ERROR_INTERRUPTED, "interrupted at step %lld of %lld; the same command goes on from there",
			    (long long)state->step, (long long)run->last_step);
		}
		if (now - run->checkpointed >= run->job->checkpoint_seconds) TRY(save(run));
	}
	report_progress(run);
	TRY(claim(run));
	return write_log(run);
}

static struct error *open_run(struct run *run) {
	const struct corpus_info *info = corpus_info(run->corpus);
	const struct shape shape = train_shape(run->config, info);
	TRY(model_open(&shape, train_micro_batch(run->config), true, kernels_widest(), &run->state.model));
	run->threads = 1;
	TRY(optimizer_open(model_tensors(run->state.model), &run->state.optimizer));
	const size_t tokens = (size_t)run->config->batch * (size_t)(run->config->context + 1);
	run->tokens = array_new(tokens, sizeof *run->tokens);
	return run->tokens ? NULL : error_memory(tokens * sizeof *run->tokens);
}

static void close_run(struct run *run) {
	model_close(run->state.model);
	optimizer_close(&run->state.optimizer);
	text_free(&run->state.log);
	free(run->tokens);
}

static struct error *check_job(const struct train_job *job, const struct train_steps *steps) {
	int64_t before = 0;
	for (int i = 0; i < job->branch_count; i++) {
		if (job->branches[i] <= before || job->branches[i] > steps->cooldown_start)
			return error_new(
			    ERROR_USAGE, "branch steps must rise and end by step %lld, where the cooldown starts; found %lld",
			    (long long)steps->cooldown_start, (long long)job->branches[i]);
		before = job->branches[i];
	}
	if (job->trunk && job->branch_count == 0) return error_new(ERROR_USAGE, "a trunk needs at least one branch step");
	return NULL;
}

/* The folder is this process's. */
static struct error *run_in_folder(struct run *run, struct train_result *result) {
	const struct train_job *job = run->job;
	enum record_status status;
	TRY(record_read(job->folder, run->id, &status, result));
	if (status == RECORD_DONE) {
		TRY(error_within(
		    train_log_check(job->folder, result), "the run is done; to have it trained again, remove its folder"));
		checkpoint_remove_all(job->folder); /* should it have been killed between its record and this */
		return NULL;
	}
	if (status == RECORD_DIVERGED)
		return error_new(
		    ERROR_DIVERGED, "%s: this run diverged before, after %lld steps; remove the folder to try it again",
		    job->folder, (long long)result->steps);

	machine_describe(&run->machine);
	run->owner = (struct checkpoint_owner){
	    .config = run->config,
	    .corpus = corpus_info(run->corpus),
	    .corpus_path = job->corpus_path,
	    .id = run->id,
	    .recipe = run->recipe,
	    .machine = &run->machine};
	run->last_step = job->trunk ? job->branches[job->branch_count - 1] : run->steps.total;
	run->recorded = status == RECORD_RUNNING;
	run->kernels = result->kernels;
	result->loss = result->loss_error = NAN;
	struct error *error = open_run(run);
	if (!error) error = begin(run);
	if (!error) error = kernels_check_wish(model_kernels(run->state.model), &job->kernels, job->folder);
	run->spent_before = run->state.seconds;
	if (!error) error = loop(run, result);
	if (!error) error = finish(run, result);
	close_run(run);
	return error;
}

struct error *train_run(
    const struct train_config *config, struct corpus *corpus, const struct train_job *job,
    struct train_result *result) {
	const struct corpus_info *info = corpus_info(corpus);
	struct run run = {
	    .config = config, .job = job, .corpus = corpus, .steps = train_steps(config), .started = clock_seconds()};
	run.ln_V = log((double)info->vocab);
	TRY(train_config_check(config, info));
	TRY(check_job(job, &run.steps));
	TRY(train_id(config, info, job->trunk, run.id));
	TRY(train_recipe(config, info, run.recipe));
	TRY(folder_make(job->folder));
	int lock;
	TRY(folder_lock(job->folder, &lock));
	struct error *error = run_in_folder(&run, result);
	close(lock);
	return error;
}
