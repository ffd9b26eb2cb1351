/* Who computes a run: what options mean, what is written down, and that a run which was begun goes on as it was begun. */
#include "tests/nudged_blas.h"
#include "tests/support.h"
#include "tests/train_fixture.h"
#include "train/bench.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>

#define ALL (((uint32_t)1 << PRODUCT_COUNT) - 1)
enum { BLAS_SOME = 0x1041 }; /* forward of qkv, mlp.in and head */

/* ------------------------------------------------------------------------------------------------- options, records --- */

static void options_mean_what_they_say(void **state) {
	(void)state;
	const enum kernels widest = kernels_widest();
	const struct {
		const char *kernels, *blas;
		struct kernel_wish wish;
	} cases[] = {
	    {"auto", NULL, {{widest, 0}, true, false}},
	    {"auto", "auto", {{widest, 0}, true, false}},
	    {"auto", "none", {{widest, 0}, false, true}},
	    {"auto", "all", {{widest, ALL}, false, true}},
	    {"plain", NULL, {{KERNELS_PLAIN, 0}, false, true}},
	    {"portable", "auto", {{KERNELS_PORTABLE, 0}, true, true}},
	    {"portable", "mlp.in forward,qkv forward, head forward", {{KERNELS_PORTABLE, BLAS_SOME}, false, true}},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct kernel_wish wish;
		expect_success(kernels_of_options(cases[i].kernels, cases[i].blas, &wish));
		assert_int_equal(wish.choice.kernels, cases[i].wish.choice.kernels);
		assert_int_equal(wish.choice.blas, cases[i].wish.choice.blas);
		assert_int_equal(wish.measure_blas, cases[i].wish.measure_blas);
		assert_int_equal(wish.firm, cases[i].wish.firm);
	}
	struct kernel_wish wish;
	expect_failure(kernels_of_options("avx1024", NULL, &wish), ERROR_USAGE, "--kernels is 'avx1024'");
	expect_failure(kernels_of_options("auto", "qkv", &wish), ERROR_USAGE, "--blas: there is no product 'qkv'");
	expect_failure(kernels_of_options("auto", "head forward,", &wish), ERROR_USAGE, "no product ''");
	expect_failure(kernels_of_options("auto", "", &wish), ERROR_USAGE, "mlp.out to weight");
}

static void every_choice_comes_back_from_its_record(void **state) {
	(void)state;
	for (int k = 0; k < KERNELS_COUNT; k++) {
		for (int p = -1; p <= PRODUCT_COUNT; p++) {
			const struct kernel_choice choice = {(enum kernels)k, p < 0 ? 0 : p < PRODUCT_COUNT ? 1U << p : ALL};
			struct kernel_choice read;
			cJSON *object = train_kernels_to_json(choice);
			expect_success(train_kernels_from_json(object, "here", &read));
			assert_int_equal(read.kernels, choice.kernels);
			assert_int_equal(read.blas, choice.blas);
			cJSON_Delete(object);

			if (!kernels_available(choice.kernels)) continue;
			cJSON *meta = cJSON_CreateObject();
			assert_true(kernels_to_metadata(meta, choice, "OpenBLAS 1"));
			expect_success(kernels_from_metadata(meta, "here", "OpenBLAS 1", &read));
			assert_int_equal(read.kernels, choice.kernels);
			assert_int_equal(read.blas, choice.blas);
			/* Another library matters where it computes something. */
			if (choice.blas)
				expect_failure(
				    kernels_from_metadata(meta, "here", "OpenBLAS 2", &read), ERROR_FAILED, "OPENBLAS_CORETYPE");
			else
				expect_success(kernels_from_metadata(meta, "here", "OpenBLAS 2", &read));
			cJSON_Delete(meta);
		}
	}
}

static void damaged_records_are_refused(void **state) {
	(void)state;
	static const struct {
		const char *json, *says;
	} wrong[] = {
	    {"3", "must be an object"},
	    {"{}", "name"},
	    {"{\"name\": 7, \"blas\": []}", "name"},
	    {"{\"name\": \"avx1024\", \"blas\": []}", "no kernels 'avx1024'"},
	    {"{\"name\": \"plain\"}", "must be a list"},
	    {"{\"name\": \"plain\", \"blas\": \"head forward\"}", "must be a list"},
	    {"{\"name\": \"plain\", \"blas\": [4]}", "must be a list of names"},
	    {"{\"name\": \"plain\", \"blas\": [\"head forwards\"]}", "no product 'head forwards'"},
	};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		cJSON *object = cJSON_Parse(wrong[i].json);
		struct kernel_choice choice;
		assert_non_null(object);
		expect_failure(train_kernels_from_json(object, "here", &choice), ERROR_DATA, wrong[i].says);
		cJSON_Delete(object);
	}
	cJSON *meta = cJSON_CreateObject();
	struct kernel_choice choice;
	/* Checkpoints from before this was written down. */
	expect_success(kernels_from_metadata(meta, "here", "", &choice));
	assert_int_equal(choice.kernels, kernels_widest());
	assert_int_equal(choice.blas, 0);
	cJSON_AddStringToObject(meta, "kernels", "plain");
	cJSON_AddStringToObject(meta, "blas", "all of it");
	expect_failure(kernels_from_metadata(meta, "here", "", &choice), ERROR_DATA, "no product 'all of it'");
	cJSON_Delete(meta);
}

static void kernels_that_are_not_here_are_named(void **state) {
	(void)state;
	int missing = 0;
	while (missing < KERNELS_COUNT && kernels_available((enum kernels)missing)) missing++;
	if (missing == KERNELS_COUNT) skip();
	cJSON *meta = cJSON_CreateObject();
	struct kernel_choice choice;
	assert_true(kernels_to_metadata(meta, (struct kernel_choice){.kernels = (enum kernels)missing}, ""));
	expect_failure(kernels_from_metadata(meta, "here", "", &choice), ERROR_FAILED, kernels_names[missing]);
	cJSON_Delete(meta);
}

/* -------------------------------------------------------------------------------------------------------- measuring --- */

static void only_large_products_are_measured(void **state) {
	(void)state;
	const struct bench_effort effort = {.rounds = 1};
	const struct shape shape = {.vocab = 300, .context = 8, .width = 48, .depth = 1};
	/* The matrices of a block have 6912, 2304, 9216 and 9216 elements, the head 14400. */
	const struct {
		double least;
		int from, to; /* the products of that size or more */
	} cases[] = {{1, 0, 15}, {6913, 6, 15}, {9217, 12, 15}, {14401, 15, 15}};
	double gains[PRODUCT_COUNT];
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		expect_success(bench_blas(&shape, 2, KERNELS_PORTABLE, cases[i].least, &effort, gains));
		for (int p = 0; p < PRODUCT_COUNT; p++) {
			const bool wanted = (p >= cases[i].from && p < cases[i].to) || (i == 0);
			if (wanted)
				assert_true(gains[p] > 0 && isfinite(gains[p]));
			else
				assert_true(gains[p] == 0);
		}
	}
	/* So a small model is computed by our own kernels, whatever the clock says. */
	uint32_t blas = ALL;
	const struct shape small = {.vocab = 96, .context = 256, .width = 240, .depth = 4};
	expect_success(train_measure_blas(&small, 1, KERNELS_PLAIN, &blas));
	assert_int_equal(blas, 0);
	/* Here the head alone is large; which of its products are chosen is for the clock to say. */
	const struct shape wide = {.vocab = 8192, .context = 32, .width = 32, .depth = 1};
	blas = ALL;
	expect_success(train_measure_blas(&wide, 1, KERNELS_PLAIN, &blas));
	assert_int_equal(blas & ~(7U << 12), 0);
}

/* ------------------------------------------------------------------------------------------------- runs that go on --- */

/* As Ctrl-C does. */
static void stop_at_step_9(void *context, const struct train_progress *progress) {
	(void)context;
	if (progress->step == 9) raise(SIGINT);
}

static struct error *run_by(
    const struct fixture *f, const char *name, struct kernel_choice choice, bool firm, struct train_result *result) {
	char *folder = run_folder(f, name);
	struct train_job job = job_in(f, folder);
	job.kernels = (struct kernel_wish){.choice = choice, .firm = firm};
	struct error *error = train_run(&f->config, f->corpus, &job, result);
	free(folder);
	return error;
}

/* In a process of its own, since whether a signal has come is remembered to its end. */
static void begin_and_stop(const struct fixture *f, const char *name, struct kernel_choice choice) {
	const pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct train_job job = job_in(f, run_folder(f, name));
		job.kernels.choice = choice;
		job.progress_seconds = 0;
		job.on_progress = stop_at_step_9;
		interrupt_watch();
		struct train_result result;
		struct error *error = train_run(&f->config, f->corpus, &job, &result);
		_exit(error ? (int)error->kind : 0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ERROR_INTERRUPTED);
}

static const struct kernel_choice own = {KERNELS_PORTABLE, 0}, mixed = {KERNELS_PORTABLE, BLAS_SOME},
                                  plain = {KERNELS_PLAIN, 0};

static void assert_choice(struct kernel_choice found, struct kernel_choice wanted) {
	assert_int_equal(found.kernels, wanted.kernels);
	assert_int_equal(found.blas, wanted.blas);
}

static void a_run_goes_on_as_it_was_begun(void **state) {
	const struct fixture *f = *state;
	struct train_result whole_own, whole_mixed, result;
	expect_success(run_by(f, "whole-own", own, true, &whole_own));
	expect_success(run_by(f, "whole-mixed", mixed, true, &whole_mixed));
	/* Otherwise nothing of what follows would show. */
	assert_true(whole_own.weights_hash != whole_mixed.weights_hash);
	assert_choice(whole_own.kernels, own);
	assert_choice(whole_mixed.kernels, mixed);

	begin_and_stop(f, "stopped-mixed", mixed);
	expect_failure(run_by(f, "stopped-mixed", own, true, &result), ERROR_USAGE, "OpenBLAS for qkv forward");
	expect_success(run_by(f, "stopped-mixed", own, false, &result));
	assert_true(result.weights_hash == whole_mixed.weights_hash);
	assert_choice(result.kernels, mixed);

	begin_and_stop(f, "stopped-own", own);
	expect_success(run_by(f, "stopped-own", plain, false, &result));
	assert_true(result.weights_hash == whole_own.weights_hash);
	assert_choice(result.kernels, own);

	/* It stands in run.json for good. */
	char *path = run_folder(f, "stopped-mixed");
	expect_success(train_result_read(path, &result));
	assert_choice(result.kernels, mixed);
	free(path);
}

static void remove_checkpoints(const struct fixture *f, const char *name) {
	char *path = run_folder(f, name);
	checkpoint_remove_all(path);
	free(path);
}

/* There may be branches of the run that had those checkpoints. */
static void a_run_without_its_checkpoints_begins_anew_as_recorded(void **state) {
	const struct fixture *f = *state;
	struct train_result whole, result;
	expect_success(run_by(f, "whole-mixed", mixed, false, &whole));
	begin_and_stop(f, "emptied", mixed);
	remove_checkpoints(f, "emptied");
	expect_success(run_by(f, "emptied", own, false, &result));
	assert_choice(result.kernels, mixed);
	assert_true(result.weights_hash == whole.weights_hash);
}

/* Writes the record with other kernels in it, sealed. */
static void edit_record(const struct fixture *f, const char *name, cJSON *kernels) {
	char *run = run_folder(f, name), *path = path_join(run, "run.json");
	cJSON *root;
	expect_success(json_read_sealed(path, TRAIN_RECORD_FORMAT, &root));
	cJSON_DeleteItemFromObjectCaseSensitive(root, "kernels");
	if (kernels) cJSON_AddItemToObject(root, "kernels", kernels);
	expect_success(json_write_sealed(path, root));
	cJSON_Delete(root);
	free(path);
	free(run);
}

static void the_record_is_believed_or_refused(void **state) {
	const struct fixture *f = *state;
	struct train_result result;
	begin_and_stop(f, "edited", mixed);
	edit_record(f, "edited", cJSON_Parse("{\"name\": \"avx1024\", \"blas\": []}"));
	expect_failure(run_by(f, "edited", own, false, &result), ERROR_DATA, "run.json: there are no kernels 'avx1024'");
	/* What a checkpoint says goes before what run.json says, ... */
	edit_record(f, "edited", train_kernels_to_json(plain));
	begin_and_stop(f, "checked", mixed);
	expect_success(run_by(f, "edited", own, false, &result));
	assert_choice(result.kernels, mixed);
	/* ... which goes before what is wished, ... */
	edit_record(f, "checked", train_kernels_to_json(plain));
	remove_checkpoints(f, "checked");
	expect_success(run_by(f, "checked", own, false, &result));
	assert_choice(result.kernels, plain);
	/* ... and a record from before kernels were written down says nothing. */
	begin_and_stop(f, "old", mixed);
	edit_record(f, "old", NULL);
	remove_checkpoints(f, "old");
	expect_success(run_by(f, "old", own, false, &result));
	assert_choice(result.kernels, own);
}

static void a_branch_is_computed_as_its_trunk(void **state) {
	const struct fixture *f = *state;
	const int64_t branch = train_steps(&f->config).cooldown_start;
	char *trunk_folder = run_folder(f, "trunk"), *folder = run_folder(f, "branch");
	struct train_result result, whole;
	struct train_job trunk = job_in(f, trunk_folder), job = job_in(f, folder);
	trunk.kernels.choice = mixed;
	trunk.trunk = true;
	trunk.branches = &branch;
	trunk.branch_count = 1;
	expect_success(train_run(&f->config, f->corpus, &trunk, &result));
	assert_choice(result.kernels, mixed);

	char *start = train_branch_path(trunk_folder, branch);
	job.kernels.choice = own;
	job.start = start;
	expect_success(train_run(&f->config, f->corpus, &job, &result));
	assert_choice(result.kernels, mixed);
	expect_success(run_by(f, "whole-mixed", mixed, false, &whole));
	assert_true(result.weights_hash == whole.weights_hash);
	free(start);
	free(trunk_folder);
	free(folder);
}

int main(void) {
	openblas_set_num_threads(1); /* as in main() of rung.c */
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(options_mean_what_they_say),
	    cmocka_unit_test(every_choice_comes_back_from_its_record),
	    cmocka_unit_test(damaged_records_are_refused),
	    cmocka_unit_test(kernels_that_are_not_here_are_named),
	    cmocka_unit_test(only_large_products_are_measured),
	    cmocka_unit_test(a_run_goes_on_as_it_was_begun),
	    cmocka_unit_test(a_run_without_its_checkpoints_begins_anew_as_recorded),
	    cmocka_unit_test(the_record_is_believed_or_refused),
	    cmocka_unit_test(a_branch_is_computed_as_its_trunk),
	};
	return cmocka_run_group_tests_name("train_kernels", tests, make_fixture, remove_fixture);
}
