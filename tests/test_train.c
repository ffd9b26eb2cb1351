/* Runs end to end inside one process: bit-exactness, branches, resumption at every step, damage, divergence. */
#include "tests/train_fixture.h"

#include <signal.h>
#include <sys/wait.h>

static struct text read_log(const struct fixture *f, const char *name) {
	char *folder = run_folder(f, name), *path = path_join(folder, "log.jsonl");
	struct text text = {0};
	must(file_read(path, 1 << 20, &text));
	free(folder);
	free(path);
	return text;
}

static void assert_same_logs(const struct fixture *f, const char *a, const char *b) {
	struct text first = read_log(f, a), second = read_log(f, b);
	assert_true(first.length > 100);
	assert_string_equal(first.data, second.data);
	text_free(&first);
	text_free(&second);
}

static void two_runs_are_equal(void **state) {
	const struct fixture *f = *state;
	const struct train_result a = train_in(f, "equal-a", &f->config), b = train_in(f, "equal-b", &f->config);
	assert_true(a.weights_hash == b.weights_hash);
	assert_true(a.loss == b.loss && a.loss_error == b.loss_error);
	assert_same_logs(f, "equal-a", "equal-b");

	struct train_config other = f->config;
	other.seed = 2;
	assert_true(train_in(f, "equal-c", &other).weights_hash != a.weights_hash);
}

static void a_finished_run_is_only_read(void **state) {
	const struct fixture *f = *state;
	const struct train_result a = train_in(f, "once", &f->config);
	/* A second call that trained would write other times. */
	const struct train_result b = train_in(f, "once", &f->config);
	assert_memory_equal(&a.seconds, &b.seconds, sizeof a.seconds);
	assert_true(a.weights_hash == b.weights_hash);
	assert_true(a.loss == b.loss);
}

static void learns_the_source(void **state) {
	const struct fixture *f = *state;
	struct train_config config = f->config;
	config.tokens = 50000;
	config.eval_tokens = 8000;
	const struct train_result r = train_in(f, "learns", &config);
	const struct corpus_info *info = corpus_info(f->corpus);
	assert_true(r.loss < info->unigram - 0.1);
	/* No model passes below the source's entropy rate but by the luck of a finite sample. */
	assert_true(r.loss > info->entropy_rate - 4 * r.loss_error);
	assert_true(r.flops > 0 && r.tokens == train_steps(&config).total * 48);
}

/* The central claim of the trunk: a branch that cools down equals the run that was trained alone. */
static void branches_equal_runs_trained_alone(void **state) {
	const struct fixture *f = *state;
	const int64_t horizons[] = {20 * 48, 30 * 48, 50 * 48};
	int64_t branches[3];
	struct train_config config = f->config;
	for (int i = 0; i < 3; i++) {
		config.tokens = horizons[i];
		branches[i] = train_steps(&config).cooldown_start;
	}
	char *trunk = run_folder(f, "trunk");
	struct train_job job = job_in(f, trunk);
	job.trunk = true;
	job.branches = branches;
	job.branch_count = 3;
	struct train_result result;
	must(train_run(&config, f->corpus, &job, &result));
	assert_int_equal(result.steps, 40);

	for (int i = 0; i < 3; i++) {
		char name[32];
		config.tokens = horizons[i];
		snprintf(name, sizeof name, "alone-%d", i);
		const struct train_result alone = train_in(f, name, &config);
		snprintf(name, sizeof name, "branch-%d", i);
		char *folder = run_folder(f, name), *start = train_branch_path(trunk, branches[i]);
		assert_true(file_exists(start));
		struct train_job branch = job_in(f, folder);
		branch.start = start;
		must(train_run(&config, f->corpus, &branch, &result));
		assert_true(result.weights_hash == alone.weights_hash);
		assert_true(result.loss == alone.loss);
		assert_true(result.trained_tokens == (double)(horizons[i] - branches[i] * 48));
		free(folder);
		free(start);
	}

	/* An earlier branch, from which the log would begin elsewhere, a later one, and one of another recipe are refused. */
	char *folder = run_folder(f, "stranger"), *start = train_branch_path(trunk, branches[1]);
	struct train_job stranger = job_in(f, folder);
	stranger.start = start;
	for (int i = 0; i < 3; i++) {
		static const char *const words[] = {
		    "but the cooldown of this run starts at step 16", "starts at step 40", "belongs to recipe"};
		config.tokens = horizons[i == 1 ? 2 : i];
		if (i == 2) config.rate *= 2;
		struct error *error = train_run(&config, f->corpus, &stranger, &result);
		assert_non_null(error);
		assert_int_equal(error->kind, ERROR_DATA);
		assert_non_null(strstr(error->message, words[i]));
		error_free(error);
	}
	free(folder);
	free(start);
	free(trunk);
}

/* Another run's files may be the only copy; in a folder that is called by the run's id they are damage. */
static void a_folder_with_files_of_another(void **state) {
	const struct fixture *f = *state;
	char *folder = run_folder(f, "whose"), *stray = path_join(folder, "step-000000000003.state.safetensors");
	const struct train_result alone = train_in(f, "nobodys", &f->config);
	struct train_job job = job_in(f, folder);
	struct train_result result;
	must(folder_make(folder));
	must(file_write(stray, "another's", 9));
	struct error *error = train_run(&f->config, f->corpus, &job, &result);
	assert_true(error && error->kind == ERROR_DATA && strstr(error->message, "no run.json that says"));
	error_free(error);
	assert_true(file_exists(stray));
	job.own_folder = true;
	must(train_run(&f->config, f->corpus, &job, &result));
	assert_true(result.weights_hash == alone.weights_hash);
	assert_false(file_exists(stray));
	free(stray);
	free(folder);
}

struct killer {
	int64_t at;
};

static void kill_at(void *context, const struct train_progress *progress) {
	const struct killer *killer = context;
	if (progress->step == killer->at) raise(SIGKILL);
}

/* The first step that a resumed run reports. */
static void note_first(void *context, const struct train_progress *progress) {
	int64_t *first = context;
	if (*first == 0) *first = progress->step;
}

static void killed_at_every_step_and_resumed(void **state) {
	const struct fixture *f = *state;
	const struct train_result whole = train_in(f, "whole", &f->config);
	for (int64_t step = 1; step <= 50; step++) {
		char name[32];
		snprintf(name, sizeof name, "killed-%lld", (long long)step);
		char *folder = run_folder(f, name);
		const pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			struct killer killer = {step};
			struct train_job job = job_in(f, folder);
			job.checkpoint_seconds = job.progress_seconds = 0;
			job.on_progress = kill_at;
			job.context = &killer;
			struct train_result ignored;
			struct error *error = train_run(&f->config, f->corpus, &job, &ignored);
			_exit(error ? 1 : 0);
		}
		int status;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		int64_t first = 0;
		struct train_job job = job_in(f, folder);
		job.progress_seconds = 0;
		job.on_progress = note_first;
		job.context = &first;
		struct train_result resumed;
		must(train_run(&f->config, f->corpus, &job, &resumed));
		assert_int_equal(first, step); /* one checkpoint interval is trained again: this very step */
		assert_true(resumed.weights_hash == whole.weights_hash);
		assert_true(resumed.loss == whole.loss && resumed.train_loss == whole.train_loss);
		assert_true(resumed.trained_tokens == whole.trained_tokens);
		assert_same_logs(f, "whole", name);
		free(folder);
	}
}

/* Whether equal weights after a resume mean anything: each part of the state that is dropped must show. */
static void what_a_checkpoint_forgets_shows(void **state) {
	const struct fixture *f = *state;
	const struct train_result whole = train_in(f, "remembered", &f->config);
	for (int part = 0; part < 4; part++) {
		char name[32];
		snprintf(name, sizeof name, "forgotten-%d", part);
		char *folder = run_folder(f, name);
		const pid_t child = fork();
		if (child == 0) {
			struct killer killer = {30};
			struct train_job job = job_in(f, folder);
			job.checkpoint_seconds = job.progress_seconds = 0;
			job.on_progress = kill_at;
			job.context = &killer;
			struct train_result ignored;
			struct error *error = train_run(&f->config, f->corpus, &job, &ignored);
			_exit(error ? 1 : 0);
		}
		int status;
		waitpid(child, &status, 0);

		const struct corpus_info *info = corpus_info(f->corpus);
		const struct shape shape = train_shape(&f->config, info);
		char id[HASH_HEX_SIZE], recipe[HASH_HEX_SIZE];
		must(train_id(&f->config, info, false, id));
		must(train_recipe(&f->config, info, recipe));
		struct machine machine;
		machine_describe(&machine);
		const struct checkpoint_owner owner = {
		    .config = &f->config,
		    .corpus = info,
		    .corpus_path = f->path,
		    .id = id,
		    .recipe = recipe,
		    .machine = &machine};
		struct train_state saved = {.step = 0};
		struct error *damage = NULL;
		bool found;
		must(model_open(&shape, train_micro_batch(&f->config), true, kernels_widest(), &saved.model));
		must(optimizer_open(model_tensors(saved.model), &saved.optimizer));
		must(checkpoint_latest(folder, &saved, &owner, &found, &damage));
		assert_true(found && !damage && saved.step == 29);
		const size_t bytes = model_tensors(saved.model)->total * sizeof(float);
		if (part == 1) memset(saved.optimizer.first, 0, bytes);
		for (size_t i = 0; part == 2 && i < bytes / sizeof(float); i++) saved.optimizer.second[i] *= 1.01f;
		if (part == 3) saved.step = 31; /* what decides the order of the data, and the rate */
		must(checkpoint_save(folder, &saved, &owner));
		model_close(saved.model);
		optimizer_close(&saved.optimizer);
		text_free(&saved.log);
		const uint64_t hash = train_in(f, name, &f->config).weights_hash;
		if (part == 0)
			assert_true(hash == whole.weights_hash); /* written again as it was: nothing shows */
		else
			assert_true(hash != whole.weights_hash);
		free(folder);
	}
}

static void remember(void *context, const char *message) {
	snprintf(context, 256, "%s", message);
}

/* Trains to step 30 with a checkpoint at every step, dies, and damages the newest file: the one before it must serve. */
static void a_damaged_checkpoint_is_passed_over(void **state) {
	const struct fixture *f = *state;
	char *folder = run_folder(f, "damaged");
	const pid_t child = fork();
	if (child == 0) {
		struct killer killer = {30};
		struct train_job job = job_in(f, folder);
		job.checkpoint_seconds = job.progress_seconds = 0;
		job.on_progress = kill_at;
		job.context = &killer;
		struct train_result ignored;
		struct error *error = train_run(&f->config, f->corpus, &job, &ignored);
		_exit(error ? 1 : 0);
	}
	int status;
	waitpid(child, &status, 0);
	char *path = path_join(folder, "step-000000000029.safetensors");
	FILE *file = fopen(path, "r+b");
	assert_non_null(file);
	fseek(file, -7, SEEK_END);
	const int byte = fgetc(file);
	fseek(file, -7, SEEK_END);
	fputc(byte ^ 4, file);
	fclose(file);

	char message[256] = "";
	struct train_job job = job_in(f, folder);
	job.on_message = remember;
	job.context = message;
	struct train_result result;
	must(train_run(&f->config, f->corpus, &job, &result));
	assert_non_null(strstr(message, "step-000000000029"));
	const struct train_result whole = train_in(f, "damaged-whole", &f->config);
	assert_true(result.weights_hash == whole.weights_hash);
	free(path);
	free(folder);
}

static void divergence_is_an_error_and_a_record(void **state) {
	const struct fixture *f = *state;
	struct train_config config = f->config;
	config.rate = 10;
	config.clip = 0;
	config.warmup_tokens = 0;
	config.tokens = 40000;
	char *folder = run_folder(f, "diverged");
	const struct train_job job = job_in(f, folder);
	struct train_result result;
	struct error *error = train_run(&config, f->corpus, &job, &result);
	assert_non_null(error);
	assert_int_equal(error->kind, ERROR_DIVERGED);
	error_free(error);
	must(train_result_read(folder, &result));
	assert_true(result.diverged && isnan(result.loss));
	/* Asked again it does not train again. */
	error = train_run(&config, f->corpus, &job, &result);
	assert_int_equal(error->kind, ERROR_DIVERGED);
	error_free(error);
	free(folder);
}

static void too_many_tokens_are_refused(void **state) {
	const struct fixture *f = *state;
	struct train_config config = f->config;
	config.tokens = 100000;
	struct error *error = train_config_check(&config, corpus_info(f->corpus));
	assert_non_null(error);
	assert_non_null(strstr(error->message, "--epochs 2"));
	error_free(error);
	config.epochs = 2;
	must(train_config_check(&config, corpus_info(f->corpus)));
	config.width = 40;
	error = train_config_check(&config, corpus_info(f->corpus));
	assert_non_null(strstr(error->message, "try 32 or 48"));
	error_free(error);
}

static void evaluation_equals_brute_force(void **state) {
	const struct fixture *f = *state;
	const struct shape shape = {16, 16, 16, 1};
	struct model *model;
	must(model_open(&shape, 3, false, kernels_widest(), &model));
	model_initialise(model, 9);
	struct rng rng = rng_make(3, "noise");
	for (size_t i = 0; i < model_tensors(model)->total; i++) model_parameters(model)[i] += (float)rng_normal(&rng) / 4;
	double loss, loss_error;
	must(evaluate(model, f->corpus, 1 << 20, &loss, &loss_error));

	const uint64_t windows = train_windows(corpus_info(f->corpus), SPLIT_HELD_OUT, 16);
	assert_int_equal(windows, (corpus_info(f->corpus)->tokens[SPLIT_HELD_OUT] - 1) / 16);
	double sum = 0, squares = 0;
	for (uint64_t w = 0; w < windows; w++) {
		uint16_t tokens[17];
		must(corpus_read(f->corpus, SPLIT_HELD_OUT, w * 16, 17, tokens));
		const double one = model_loss(model, tokens, 1, NULL);
		sum += one;
		squares += one * one;
	}
	const double n = (double)windows, mean = sum / n, variance = (squares / n - mean * mean) * n / (n - 1);
	assert_true(fabs(loss - mean) < 1e-6);
	assert_true(fabs(loss_error - sqrt(variance / n)) < 1e-6);
	model_close(model);
}

static void an_epoch_sees_every_window_once(void **state) {
	const struct fixture *f = *state;
	struct train_config config = f->config;
	config.batch = 1;
	const uint64_t windows = train_windows(corpus_info(f->corpus), SPLIT_TRAIN, config.context);
	unsigned char *seen = calloc(windows, 1);
	uint16_t *all = calloc(windows * 16 + 1, sizeof *all), tokens[17], first_of_next[17];
	must(corpus_read(f->corpus, SPLIT_TRAIN, 0, windows * 16 + 1, all));
	uint64_t in_order = 0;
	for (uint64_t s = 0; s < windows; s++) {
		must(train_batch(&config, f->corpus, (int64_t)s, tokens));
		/* 17 symbols of a 16-letter chain name their window all but surely; the rare twins are both tried. */
		uint64_t found = windows;
		for (uint64_t w = 0; w < windows && found == windows; w++)
			if (!seen[w] && memcmp(all + w * 16, tokens, sizeof tokens) == 0) found = w;
		assert_true(found < windows);
		seen[found] = 1;
		in_order += found == s;
	}
	assert_true(in_order < 20);
	must(train_batch(&config, f->corpus, 0, tokens));
	must(train_batch(&config, f->corpus, (int64_t)windows, first_of_next));
	assert_memory_not_equal(tokens, first_of_next, sizeof tokens);
	/* Another batch size sees the same order. */
	config.batch = 4;
	uint16_t four[4 * 17];
	must(train_batch(&config, f->corpus, 0, four));
	assert_memory_equal(four, tokens, sizeof tokens);
	free(seen);
	free(all);
}

static void schedule_is_the_published_one(void **state) {
	(void)state;
	struct train_config config;
	must(options_defaults(train_config_rows, train_config_row_count, &config));
	config.context = 10;
	config.batch = 1;
	config.tokens = 1000;
	config.warmup_tokens = 100;
	const struct train_steps steps = train_steps(&config);
	assert_int_equal(steps.total, 100);
	assert_int_equal(steps.cooldown_start, 80);
	assert_true(train_schedule(&steps, 0) == 0.1);
	assert_true(train_schedule(&steps, 9) == 1 && train_schedule(&steps, 79) == 1);
	assert_true(train_schedule(&steps, 80) == 1);
	assert_true(fabs(train_schedule(&steps, 85) - 0.5) < 1e-12); /* 1 - sqrt(1/4) */
	assert_true(train_schedule(&steps, 99) > 0);
	assert_true(train_schedule(&steps, 99) < 0.03);
	/* All cooldown, and most of it within the warm-up: both act, and neither stops the run from learning. */
	config.cooldown = 1;
	config.warmup_tokens = 800;
	const struct train_steps falling = train_steps(&config);
	assert_int_equal(falling.cooldown_start, 0);
	assert_true(fabs(train_schedule(&falling, 19) - 20.0 / 80 * (1 - sqrt(0.19))) < 1e-12);
	assert_true(fabs(train_schedule(&falling, 90) - (1 - sqrt(0.90))) < 1e-12);
}

/* AdamW written out in double for one parameter at a time, against four steps of the optimizer. */
static void optimizer_equals_the_formula(void **state) {
	const struct fixture *f = *state;
	struct train_config config = f->config;
	config.decay_tokens = 5000;
	config.clip = 0.5;
	const struct shape shape = {16, 16, 16, 1};
	const struct train_steps steps = train_steps(&config);
	struct model *model;
	struct optimizer optimizer;
	must(model_open(&shape, 1, true, KERNELS_PLAIN, &model));
	must(optimizer_open(model_tensors(model), &optimizer));
	model_initialise(model, 4);
	const struct tensor_table *table = model_tensors(model);
	double *p = calloc(table->total, sizeof *p), *m = calloc(table->total, sizeof *m),
	       *v = calloc(table->total, sizeof *v);
	for (size_t i = 0; i < table->total; i++) p[i] = (double)model_parameters(model)[i];

	struct rng rng = rng_make(8, "gradient");
	for (int64_t step = 0; step < 4; step++) {
		double squares = 0, norm;
		for (int t = 0; t < table->count; t++) {
			const struct tensor *tensor = &table->rows[t];
			for (int i = 0; i < tensor->rows * tensor->cols; i++) {
				/* Small at first, so that both sides of the clipping are seen. */
				const float g = (float)(rng_normal(&rng) * (step < 2 ? 1e-3 : 1));
				model_gradients(model)[tensor->offset + (size_t)i] = g;
				squares += (double)g * (double)g;
			}
		}
		const double scale = sqrt(squares) > 0.5 ? 0.5 / sqrt(squares) : 1;
		const double beta2 = pow(0.5, 48 / 5e5), lr = 4e-3 * sqrt(48.0 / 4096) * (double)(step + 1) / 10;
		for (int t = 0; t < table->count; t++) {
			const struct tensor *tensor = &table->rows[t];
			const bool embedding = strcmp(tensor->name, "embedding") == 0;
			for (size_t i = tensor->offset; i < tensor->offset + (size_t)(tensor->rows * tensor->cols); i++) {
				const double g = (double)model_gradients(model)[i] * scale;
				m[i] = 0.9 * m[i] + 0.1 * g;
				v[i] = beta2 * v[i] + (1 - beta2) * g * g;
				const double mhat = m[i] / (1 - pow(0.9, (double)step + 1)),
				             vhat = v[i] / (1 - pow(beta2, (double)step + 1));
				if (!embedding) p[i] *= 1 - 48.0 / 5000 * (double)(step + 1) / 10;
				p[i] -= lr * (embedding ? 10 : 64.0 / 16) * mhat / (sqrt(vhat) + 1e-12);
			}
		}
		optimizer_step(&optimizer, model, &config, &steps, step, &norm);
		assert_true(fabs(norm / sqrt(squares) - 1) < 1e-6);
		for (size_t i = 0; i < table->total; i++)
			assert_true(fabs((double)model_parameters(model)[i] - p[i]) < 2e-6 * (1 + fabs(p[i])));
	}
	free(p);
	free(m);
	free(v);
	optimizer_close(&optimizer);
	model_close(model);
}

static void every_flipped_bit_of_a_weights_file_is_found(void **state) {
	const struct fixture *f = *state;
	char *path = run_folder(f, "flip.safetensors"), *bad = run_folder(f, "flipped.safetensors");
	const float numbers[6] = {1, -2, 3.5f, 0, 1e-20f, 7};
	const struct tensor_view views[] = {{"a", 2, 2, numbers}, {"b", 1, 2, numbers + 4}};
	cJSON *meta = cJSON_CreateObject();
	cJSON_AddStringToObject(meta, "note", "a \"xxh64\":\"0123456789abcdef\" inside a string");
	uint64_t hash;
	must(safetensors_write(path, views, 2, meta, &hash));
	struct safetensors file;
	must(safetensors_read(path, &file));
	float b[2];
	must(safetensors_copy(&file, path, "b", 1, 2, b));
	assert_memory_equal(b, numbers + 4, sizeof b);
	struct error *error = safetensors_copy(&file, path, "b", 2, 1, b);
	assert_non_null(error);
	error_free(error);
	safetensors_free(&file);

	struct text bytes = {0};
	must(file_read(path, 1 << 20, &bytes));
	for (size_t bit = 0; bit < 8 * bytes.length; bit++) {
		bytes.data[bit / 8] ^= (char)(1 << bit % 8);
		must(file_write(bad, bytes.data, bytes.length));
		error = safetensors_read(bad, &file);
		if (!error) fail_msg("bit %zu was flipped unseen", bit);
		assert_int_equal(error->kind, ERROR_DATA);
		error_free(error);
		bytes.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t length = 0; length < bytes.length; length++) {
		must(file_write(bad, bytes.data, length));
		error = safetensors_read(bad, &file);
		assert_non_null(error);
		error_free(error);
	}
	text_free(&bytes);
	cJSON_Delete(meta);
	free(path);
	free(bad);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(two_runs_are_equal),
	    cmocka_unit_test(a_finished_run_is_only_read),
	    cmocka_unit_test(learns_the_source),
	    cmocka_unit_test(branches_equal_runs_trained_alone),
	    cmocka_unit_test(a_folder_with_files_of_another),
	    cmocka_unit_test(killed_at_every_step_and_resumed),
	    cmocka_unit_test(what_a_checkpoint_forgets_shows),
	    cmocka_unit_test(a_damaged_checkpoint_is_passed_over),
	    cmocka_unit_test(divergence_is_an_error_and_a_record),
	    cmocka_unit_test(too_many_tokens_are_refused),
	    cmocka_unit_test(evaluation_equals_brute_force),
	    cmocka_unit_test(an_epoch_sees_every_window_once),
	    cmocka_unit_test(schedule_is_the_published_one),
	    cmocka_unit_test(optimizer_equals_the_formula),
	    cmocka_unit_test(every_flipped_bit_of_a_weights_file_is_found),
	};
	return cmocka_run_group_tests_name("train", tests, make_fixture, remove_fixture);
}
