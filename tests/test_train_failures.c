/* Checkpoints and records when memory or the system fails, one call after the other. */
#include "tests/checkpoint_fixture.h"
#include "tests/fail.h"

/* A checkpoint that cannot be saved is not said to be, and the ones before it stay. */
static void saving_while_something_fails(void **state) {
	const struct fixture *f = *state;
	struct kept kept = keep_in(f, "saving");
	own(f, &kept);
	static const struct {
		unsigned what;
		int number;
		bool lasting;
	} ways[] = {{FAIL_FILES, EIO, false},     {FAIL_FILES, ENOSPC, true},   {FAIL_FOLDERS, EIO, false},
	            {FAIL_FOLDERS, EACCES, true}, {FAIL_MEMORY, ENOMEM, false}, {FAIL_MEMORY, ENOMEM, true}};
	for (size_t w = 0; w < COUNT_OF(ways); w++) {
		if (ways[w].what == FAIL_MEMORY && !FAIL_HAS_MEMORY) continue;
		int errors = 0;
		for (long at = 1;; at++) {
			checkpoint_remove_all(kept.folder);
			must(save_at(&kept, 1));
			must(save_at(&kept, 2));
			fail_from(ways[w].what, ways[w].number, at, ways[w].lasting);
			struct error *error = save_at(&kept, 3);
			const bool struck = fail_end();
			const int64_t found = latest(f, &kept);
			assert_true(found == 3 || (error && found == 2));
			if (error) assert_int_equal(error->kind, ERROR_FAILED);
			errors += error != NULL;
			error_free(error);
			if (!struck) break;
		}
		assert_true(errors >= 2);
	}
	/* One that is there and not listed was not saved where one thought. */
	fail_only("readdir", 0, 1, true);
	struct error *error = save_at(&kept, 4);
	assert_true(fail_end());
	assert_non_null(strstr(error->message, "the checkpoint that was just written is not there"));
	error_free(error);
	/* A log that has lost a line must not travel as if it were whole. */
	kept.state.log.failed = true;
	error = save_at(&kept, 5);
	assert_non_null(error);
	error_free(error);
	assert_int_equal(latest(f, &kept), 4);
	release(&kept);
}

/* Whatever fails while checkpoints are read, a run neither begins anew nor goes on from an older one for it. */
static void loading_while_something_fails(void **state) {
	const struct fixture *f = *state;
	struct kept kept = keep_in(f, "loading");
	own(f, &kept);
	must(save_at(&kept, 1));
	must(save_at(&kept, 2));
	static const struct {
		unsigned what;
		int number;
	} ways[] = {{FAIL_FILES, EIO}, {FAIL_FOLDERS, EIO}, {FAIL_MEMORY, ENOMEM}};
	for (size_t w = 0; w < COUNT_OF(ways); w++) {
		if (ways[w].what == FAIL_MEMORY && !FAIL_HAS_MEMORY) continue;
		for (long at = 1;; at++) {
			struct train_state other;
			struct error *damage = NULL;
			bool found;
			open_state(f, &other);
			fail_from(ways[w].what, ways[w].number, at, false);
			struct error *error = checkpoint_latest(kept.folder, &other, &kept.owner, &found, &damage);
			const bool struck = fail_end();
			assert_null(damage);
			if (!error) assert_true(found && other.step == 2 && parameters(&other)[0] == 2);
			if (error) assert_int_equal(error->kind, ERROR_FAILED);
			assert_true(struck || !error);
			error_free(error);
			close_state(&other);
			if (!struck) break;
		}
	}
	char *stem = file_of(&kept, 2, "");
	for (size_t w = 0; w < COUNT_OF(ways); w++)
		for (long at = 1; ways[w].what != FAIL_MEMORY || FAIL_HAS_MEMORY; at++) {
			fail_from(ways[w].what, ways[w].number, at, false);
			struct error *error = checkpoint_check(stem, kept.owner.recipe, 2);
			const bool struck = fail_end();
			assert_true(struck || !error);
			if (error) assert_int_equal(error->kind, ERROR_FAILED);
			error_free(error);
			if (!struck) break;
		}
	free(stem);
	/* A folder that is not there holds nothing, which is no error. */
	char *folder = kept.folder;
	kept.folder = run_folder(f, "nowhere");
	assert_int_equal(latest(f, &kept), 0);
	free(kept.folder);
	kept.folder = folder;
	/* Nothing is removed from a folder that cannot be listed. */
	fail_only("opendir", EACCES, 1, false);
	checkpoint_remove_all(kept.folder);
	assert_true(fail_end());
	assert_int_equal(latest(f, &kept), 2);
#if FAIL_HAS_MEMORY
	fail_from(FAIL_MEMORY, ENOMEM, 2, true); /* the first is opendir's */
	checkpoint_remove_all(kept.folder);
	assert_true(fail_end());
	assert_int_equal(latest(f, &kept), 2);
#endif
	release(&kept);
}

/* More numbers than a writer keeps back. */
static void large_files_while_something_fails(void **state) {
	const struct fixture *f = *state;
	char *path = run_folder(f, "large.safetensors");
	static float numbers[40000];
	const struct tensor_view views[] = {{"a", 200, 200, numbers}, {"b", 1, 2, numbers}};
	for (long at = 1;; at++) {
		cJSON *meta = cJSON_CreateObject();
		uint64_t hash;
		struct safetensors file;
		must(file_write(path, "old", 3));
		fail_from(FAIL_FILES, ENOSPC, at, false);
		struct error *error = safetensors_write(path, views, 2, meta, &hash);
		const bool struck = fail_end();
		struct error *damage = safetensors_read(path, &file);
		assert_true(error || !damage);
		if (!damage) safetensors_free(&file);
		if (error) assert_non_null(strstr(error->message, path));
		error_free(damage);
		error_free(error);
		cJSON_Delete(meta);
		if (!struck) break;
	}
	free(path);
}

static void records_while_memory_is_short(void **state) {
	if (!FAIL_HAS_MEMORY) skip();
	const struct fixture *f = *state;
	struct kept kept = keep_in(f, "records");
	own(f, &kept);
	struct train_result back;
	enum record_status status;
	for (int diverged = 0; diverged < 2; diverged++) {
		int errors = 0;
		for (long at = 1;; at++) {
			must(record_write(kept.folder, &kept.owner, true, RECORD_RUNNING, model_kernels(kept.state.model), NULL));
			fail_from(FAIL_MEMORY, ENOMEM, at, false);
			struct error *error = write_record(&kept, diverged == 0, diverged);
			const bool struck = fail_end();
			must(record_read(kept.folder, kept.owner.id, &status, &back));
			assert_true(status == (diverged ? RECORD_DIVERGED : RECORD_DONE) || (error && status == RECORD_RUNNING));
			errors += error != NULL;
			error_free(error);
			if (!struck) break;
		}
		assert_true(errors > 50);
		assert_int_equal(back.steps, 50);
		assert_true(back.diverged == diverged && back.weights_hash == 77 && back.kernels.blas == 1);
		for (long at = 1;; at++) {
			fail_from(FAIL_MEMORY, ENOMEM, at, false);
			struct error *error = record_read(kept.folder, kept.owner.id, &status, &back);
			if (!fail_end()) {
				must(error);
				break;
			}
			if (error) assert_int_equal(error->kind, ERROR_FAILED);
			if (!error) assert_true(back.steps == 50);
			error_free(error);
		}
	}
	release(&kept);
}

/* A learning curve against its record: what cannot be read is no damage. */
static void a_log_that_cannot_be_read_may_be_whole(void **state) {
	const struct fixture *f = *state;
	static const char log[] = "{\"step\": 1}\n";
	char *folder = run_folder(f, "log"), *path = path_join(folder, "log.jsonl");
	struct train_result result = {.log_hash = hash_bytes(log, strlen(log), 0)};
	must(folder_make(folder));
	struct error *error = train_log_check(folder, &result);
	assert_true(error && error->kind == ERROR_DATA && strstr(error->message, "is missing"));
	error_free(error);
	must(file_write(path, log, strlen(log)));
	must(train_log_check(folder, &result));
	static const struct {
		unsigned what;
		int number;
	} ways[] = {{FAIL_FILES, EIO}, {FAIL_FOLDERS, EIO}, {FAIL_MEMORY, ENOMEM}};
	for (size_t w = 0; w < COUNT_OF(ways); w++)
		for (long at = 1; ways[w].what != FAIL_MEMORY || FAIL_HAS_MEMORY; at++) {
			fail_from(ways[w].what, ways[w].number, at, false);
			error = train_log_check(folder, &result);
			const bool struck = fail_end();
			if (error) assert_int_equal(error->kind, ERROR_FAILED);
			assert_true(struck || !error);
			error_free(error);
			if (!struck) break;
		}
	result.log_hash++;
	error = train_log_check(folder, &result);
	assert_true(error && error->kind == ERROR_DATA && strstr(error->message, path));
	error_free(error);
	result.log_hash = 0; /* an older record says nothing */
	must(train_log_check(folder, &result));
	free(path);
	free(folder);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_log_that_cannot_be_read_may_be_whole), cmocka_unit_test(saving_while_something_fails),
	    cmocka_unit_test(loading_while_something_fails),          cmocka_unit_test(large_files_while_something_fails),
	    cmocka_unit_test(records_while_memory_is_short),
	};
	return cmocka_run_group_tests(tests, make_fixture, remove_fixture);
}
