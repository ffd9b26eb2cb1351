/* Divergence: the rule against a plain reckoning, runs that go astray in each of its ways, and what stays of them. */
#include "tests/train_fixture.h"

#include <sys/wait.h>

/* ------------------------------------------------------------------------------------------------------------ the rule --- */

/* The smoothed loss and the rise of the last of `count` losses, reckoned from the definition in sums over all of them. */
static double plain_rise(const double *losses, int count, double length, double ln_V) {
	double lowest = INFINITY, rise = 0;
	for (int last = (int)length; last <= count; last++) {
		double sum = 0, weights = 0;
		for (int i = 1; i <= last; i++) {
			const double weight = pow(1 - 1 / length, last - i);
			sum += weight * losses[i - 1];
			weights += weight;
		}
		const double smoothed = sum / weights;
		if (smoothed < lowest) lowest = smoothed;
		const double quarter = 0.25 * (ln_V - lowest);
		rise = (smoothed - lowest) / (quarter > 0.25 ? quarter : 0.25);
	}
	return rise;
}

/* A curve that falls, is noisy, has single wild steps, and from `spike` on stands `height` above where it was. Returns the step
 * at which the rule fires, 0: it does not. */
static int fires_at(int64_t tokens_per_step, int count, int spike, double height, bool compare) {
	const struct train_steps steps = {.total = count, .tokens_per_step = tokens_per_step};
	const double ln_V = log(96), length = tokens_per_step < 64 ? 4096.0 / (double)tokens_per_step : 64;
	struct train_state state = {0};
	struct rng rng = rng_make(3, "curve");
	double *losses = calloc((size_t)count, sizeof *losses);
	int fired = 0;
	divergence_begin(&state);
	for (int i = 0; i < count && !fired; i++) {
		losses[i] = 1.5 + 3 * exp(-i / 200.0) + 0.2 * rng_normal(&rng) + (i % 97 == 5 ? 2.5 : 0);
		if (i >= spike) losses[i] += height;
		state.step = i + 1;
		if (divergence_note(&state, &steps, losses[i], ln_V) == DIVERGED_SPIKE) fired = i + 1;
		if (compare && i % 101 == 0) assert_true(fabs(state.rise - plain_rise(losses, i + 1, length, ln_V)) < 1e-9);
	}
	assert_true(fired ? state.highest_rise > 1 : state.highest_rise <= 1);
	free(losses);
	return fired;
}

static void the_rule(void **state) {
	(void)state;
	assert_int_equal(fires_at(64, 1000, 1000, 0, true), 0);
	assert_int_equal(fires_at(16, 1000, 1000, 0, true), 0); /* 256 steps to 4096 tokens */
	assert_int_equal(fires_at(4096, 5000, 5000, 0, false), 0);
	/* 0.9 nats are more than a quarter of ln 96 - 1.5, and are smoothed over 64 steps; 0.5 are not. */
	const int fired = fires_at(4096, 5000, 3000, 1, true);
	assert_true(fired > 3064 && fired < 3200);
	assert_int_equal(fires_at(4096, 5000, 3000, 0.5, false), 0);
	assert_int_equal(fires_at(4096, 5000, 4990, 3, false), 0); /* ten bad steps are none */

	assert_int_equal(divergence_of_step(3.5, 1, log(12)), DIVERGED_ABOVE);
	assert_int_equal(divergence_of_step(3.4, 1e30, log(12)), DIVERGED_NOT);
	assert_int_equal(divergence_of_step(NAN, 1, log(12)), DIVERGED_NOT_FINITE);
	assert_int_equal(divergence_of_step(INFINITY, 1, log(12)), DIVERGED_NOT_FINITE);
	assert_int_equal(divergence_of_step(1, NAN, log(12)), DIVERGED_NOT_FINITE);
	assert_int_equal(divergence_of_step(1, INFINITY, log(12)), DIVERGED_NOT_FINITE);
}

/* -------------------------------------------------------------------------------------------------- runs that go astray --- */

struct stop {
	int64_t at;
};

static void stop_at(void *context, const struct train_progress *progress) {
	const struct stop *stop = context;
	if (progress->step == stop->at) raise(SIGKILL);
}

/* A run that is killed after `step`, having left a checkpoint at every step before. */
static void train_until(const struct fixture *f, char *folder, const struct train_config *config, int64_t step) {
	const pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct stop stop = {step};
		struct train_job job = job_in(f, folder);
		job.checkpoint_seconds = job.progress_seconds = 0;
		job.on_progress = stop_at;
		job.context = &stop;
		struct train_result ignored;
		_exit(train_run(config, f->corpus, &job, &ignored) ? 1 : 0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

/* Reads the checkpoint of `step`, lets `poison` at its parameters and writes it again: well-formed, and bad. */
static void poison_checkpoint(
    const struct fixture *f, const char *folder, const struct train_config *config, int64_t step,
    void (*poison)(float *parameters, size_t count)) {
	const struct corpus_info *info = corpus_info(f->corpus);
	const struct shape shape = train_shape(config, info);
	struct train_state state = {0};
	char id[HASH_HEX_SIZE], recipe[HASH_HEX_SIZE], name[CHECKPOINT_NAME_SIZE];
	must(model_open(&shape, train_micro_batch(config), true, kernels_widest(), &state.model));
	must(optimizer_open(model_tensors(state.model), &state.optimizer));
	must(train_id(config, info, false, id));
	must(train_recipe(config, info, recipe));
	struct machine machine;
	machine_describe(&machine);
	const struct checkpoint_owner owner = {
	    .config = config, .corpus = info, .corpus_path = f->path, .id = id, .recipe = recipe, .machine = &machine};
	char *stem = path_join(folder, checkpoint_name(step, name));
	must(checkpoint_read(stem, &state, &owner, false));
	poison(model_parameters(state.model), model_tensors(state.model)->total);
	must(checkpoint_write(stem, &state, &owner));
	free(stem);
	text_free(&state.log);
	optimizer_close(&state.optimizer);
	model_close(state.model);
}

static void huge(float *parameters, size_t count) {
	for (size_t i = 0; i < count; i++) parameters[i] *= 1e30f;
}

static void not_a_number(float *parameters, size_t count) {
	parameters[count / 2] = NAN;
}

/* As it was before training, but for noise that costs about half a nat. */
static void noisy(float *parameters, size_t count) {
	struct rng rng = rng_make(5, "noise");
	for (size_t i = count - 256; i < count; i++) parameters[i] = (float)(0.27 * rng_normal(&rng));
}

/* Goes on with the run: it must diverge for `reason`, say so in its record, and keep the checkpoint `kept` alone, from which a
 * model can still be made. Returns the step that diverged. */
static double expect_divergence(
    const struct fixture *f, char *folder, const struct train_config *config, const char *reason, const char *kept) {
	struct train_job job = job_in(f, folder);
	job.checkpoint_seconds = 0;
	struct train_result result;
	struct error *error = train_run(config, f->corpus, &job, &result);
	assert_non_null(error);
	if (error->kind != ERROR_DIVERGED || !strstr(error->message, kept)) fail_msg("%s", error->message);
	error_free(error);

	char *path = path_join(folder, "run.json");
	cJSON *root;
	must(json_read_sealed(path, 0, &root));
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(root, "status")), "diverged");
	const cJSON *end = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "result"), "divergence");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(end, "reason")), reason);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(end, "checkpoint")), kept);
	const double step = cJSON_GetNumberValue(cJSON_GetObjectItem(end, "step"));
	cJSON_Delete(root);
	free(path);

	int files = 0;
	for (int64_t s = 0; s <= train_steps(config).total; s++) {
		char name[CHECKPOINT_NAME_SIZE], file[64];
		snprintf(file, sizeof file, "%s.safetensors", checkpoint_name(s, name));
		path = path_join(folder, file);
		if (file_exists(path)) {
			files++;
			struct model *model;
			double loss, loss_error;
			must(train_model_open(path, kernels_widest(), &model));
			must(evaluate(model, f->corpus, 4096, &loss, &loss_error));
			assert_true(loss < log(16) + 0.01);
			model_close(model);
		}
		free(path);
	}
	assert_int_equal(files, 1);
	/* Asked again it does not train again. */
	error = train_run(config, f->corpus, &job, &result);
	assert_int_equal(error->kind, ERROR_DIVERGED);
	error_free(error);
	assert_true(result.diverged && isnan(result.loss));
	return step;
}

static void a_wild_rate(void **state) {
	const struct fixture *f = *state;
	struct train_config config = f->config;
	config.rate = 10;
	config.clip = config.warmup_tokens = 0;
	config.tokens = 40000;
	char *folder = run_folder(f, "wild");
	expect_divergence(f, folder, &config, "above_ln_V", "step-000000000000"); /* the first step did it */
	free(folder);
}

/* The run was good up to step 20; the checkpoint of step 19 was gone on from, the poisoned one of step 20 cannot be. */
static void poisoned_parameters(void **state) {
	const struct fixture *f = *state;
	static const struct {
		const char *name;
		void (*poison)(float *parameters, size_t count);
	} poisons[] = {{"huge", huge}, {"nan", not_a_number}};
	for (size_t i = 0; i < COUNT_OF(poisons); i++) {
		char *folder = run_folder(f, poisons[i].name);
		train_until(f, folder, &f->config, 21);
		poison_checkpoint(f, folder, &f->config, 20, poisons[i].poison);
		assert_true(expect_divergence(f, folder, &f->config, "not_finite", "step-000000000019") == 21);
		free(folder);
	}
}

/* At a rate at which nothing is learned or mended, noise in the head lifts the loss by less than one bad step is allowed, but
 * for good. The rule of the smoothed loss must see it, and the same run without the noise must end well. Of the checkpoints,
 * taken at every step, that of step 1 is the last that 86 steps (4096 tokens) have gone on from without a rise. */
static void a_spike(void **state) {
	const struct fixture *f = *state;
	struct train_config config = f->config;
	config.rate = 1e-9;
	config.tokens = 300 * 48;
	char *folder = run_folder(f, "spike");
	train_until(f, folder, &config, 151);
	poison_checkpoint(f, folder, &config, 150, noisy);
	const double step = expect_divergence(f, folder, &config, "spike", "step-000000000001");
	assert_true(step > 180 && step < 300);
	const struct train_result healthy = train_in(f, "no-spike", &config);
	assert_true(!healthy.diverged && healthy.highest_rise < 0.2);
	free(folder);
}

/* A branch goes on with what the rule knew of its trunk: alone and from the branch, a run comes to the same rise. */
static void the_rule_crosses_branches(void **state) {
	const struct fixture *f = *state;
	struct train_config config = f->config;
	config.tokens = 200 * 48;
	const struct train_result alone = train_in(f, "alone", &config);
	struct train_config longer = config;
	longer.tokens = 400 * 48;
	char *trunk = run_folder(f, "trunk"), *branched = run_folder(f, "branched");
	struct train_job job = job_in(f, trunk);
	job.trunk = true;
	job.branches = (int64_t[]){160};
	job.branch_count = 1;
	struct train_result result;
	must(train_run(&longer, f->corpus, &job, &result));
	job = job_in(f, branched);
	char *start = train_branch_path(trunk, 160);
	job.start = start;
	must(train_run(&config, f->corpus, &job, &result));
	assert_true(result.weights_hash == alone.weights_hash);
	assert_true(alone.highest_rise > 0 && result.highest_rise == alone.highest_rise);
	free(start);
	free(trunk);
	free(branched);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_rule),
	    cmocka_unit_test(a_wild_rate),
	    cmocka_unit_test(poisoned_parameters),
	    cmocka_unit_test(a_spike),
	    cmocka_unit_test(the_rule_crosses_branches),
	};
	return cmocka_run_group_tests_name("divergence", tests, make_fixture, remove_fixture);
}
