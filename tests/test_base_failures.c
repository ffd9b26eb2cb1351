/* Files and folders when memory or the system fails, one call after the other: what stood there stays or what was to stand
 * there does, nothing else is left, and the message names the file. */
#include "tests/fail.h"
#include "tests/support.h"

#include <fcntl.h>

static char large[200000]; /* more than a writer keeps back */

static int entries(const char *folder) {
	DIR *open = opendir(folder);
	assert_non_null(open);
	int count = 0;
	for (const struct dirent *entry; (entry = readdir(open));) count += entry->d_name[0] != '.';
	closedir(open);
	return count;
}

static bool holds(const char *path, const char *bytes, size_t count) {
	struct text text = {0};
	expect_success(file_read(path, sizeof large + 1, &text));
	const bool same = text.length == count && memcmp(text.data, bytes, count) == 0;
	text_free(&text);
	return same;
}

/* Writes over an old file while one call after the other fails, or all from it on. Returns how many times an error came. */
static int write_failing(unsigned what, int number, bool lasting, const char *path, size_t count) {
	int errors = 0;
	char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
	for (long at = 1;; at++) {
		expect_success(file_write(path, "old", 3));
		fail_from(what, number, at, lasting);
		struct error *error = file_write(path, large, count);
		if (!fail_end()) {
			expect_success(error);
			assert_true(holds(path, large, count));
			break;
		}
		const bool new = holds(path, large, count);
		assert_true(new || holds(path, "old", 3));
		if (!error) assert_true(new); /* what failed could be done again, or did no harm */
		if (error) {
			assert_int_equal(error->kind, ERROR_FAILED);
			/* Only what comes after the renaming can fail with the new file there. */
			const bool said = strstr(error->message, path) &&
			                  (!new || strstr(error->message, "is written, but may not be after a power cut"));
			if (!said && !(lasting && strstr(error->message, "out of memory, even for the message")))
				fail_msg("at %ld: %s", at, error->message);
			errors++;
		}
		error_free(error);
		assert_int_equal(entries(folder), 1);
	}
	free(folder);
	return errors;
}

static void files_are_written_whole_or_not_at_all(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof large; i++) large[i] = (char)(i % 251 + 1);
	char *folder = folder_temporary(), *path = path_join(folder, "data");
	static const int numbers[] = {EIO, ENOSPC, EDQUOT, EFBIG, EACCES};
	static const size_t sizes[] = {3, sizeof large};
	for (size_t s = 0; s < COUNT_OF(sizes); s++) {
		for (size_t i = 0; i < COUNT_OF(numbers); i++)
			for (int lasting = 0; lasting < 2; lasting++)
				assert_in_range(write_failing(FAIL_FILES, numbers[i], lasting, path, sizes[s]), 6, 20);
		/* Interrupted once, every call is done again, but for the renaming, which may have happened; interrupted for ever,
		 * none is for ever. */
		assert_int_equal(write_failing(FAIL_FILES, EINTR, false, path, sizes[s]), 1);
		assert_in_range(write_failing(FAIL_FILES, EINTR, true, path, sizes[s]), 5, 20);
		if (FAIL_HAS_MEMORY) assert_true(write_failing(FAIL_MEMORY, ENOMEM, false, path, sizes[s]) >= 3);
		if (FAIL_HAS_MEMORY) assert_true(write_failing(FAIL_MEMORY, ENOMEM, true, path, sizes[s]) >= 3);
		write_failing(FAIL_FOLDERS, EIO, false, path, sizes[s]);
	}
	free(path);
	folder_remove(folder);
}

/* Bytes that were kept back, and more than there is room for. */
static void a_piece_that_does_not_fit(void **state) {
	(void)state;
	char *folder = folder_temporary(), *path = path_join(folder, "data");
	struct file_writer writer;
	for (int failing_one = 1; failing_one <= 2; failing_one++) {
		expect_success(file_begin(&writer, path));
		expect_success(file_put(&writer, large, 100));
		fail_only("write", EIO, failing_one, false);
		struct error *error = file_put(&writer, large, sizeof large);
		assert_true(fail_end());
		expect_failure(error, ERROR_FAILED, path);
		file_abandon(&writer);
		assert_int_equal(entries(folder), 0);
	}
	free(path);
	folder_remove(folder);
}

/* One function fails. */
static struct error *write_while(const char *function, int number, bool lasting, const char *path) {
	fail_only(function, number, 1, lasting);
	struct error *error = file_write(path, large, sizeof large);
	assert_true(fail_end());
	return error;
}

static void what_a_failed_write_says(void **state) {
	(void)state;
	char *folder = folder_temporary(), *path = path_join(folder, "data");
	expect_failure(write_while("write", 0, false, path), ERROR_FAILED, "cannot write"); /* nothing was taken */
	expect_failure(write_while("write", ENOSPC, false, path), ERROR_FAILED, "at least 195 KiB are needed, ");
	expect_failure(write_while("open", ENOSPC, false, path), ERROR_FAILED, "room for a new file is needed");
	expect_failure(write_while("fsync", EDQUOT, false, path), ERROR_FAILED, "are needed");
	expect_failure(write_while("close", EFBIG, false, path), ERROR_FAILED, "see ulimit -f");
	expect_failure(write_while("rename", EROFS, false, path), ERROR_FAILED, "cannot put in place");
	expect_failure(write_while("open", EEXIST, true, path), ERROR_FAILED, "File exists"); /* not tried for ever */
	expect_success(write_while("close", EINTR, false, path)); /* on Linux it is closed, and it was synced */
	assert_true(holds(path, large, sizeof large));
	expect_failure(write_while("realpath", ENOMEM, false, path), ERROR_FAILED, "cannot resolve");

	/* A file system that cannot sync a folder is one that need not. */
	fail_only("fsync", EINVAL, 2, false);
	expect_success(file_write(path, "new", 3));
	assert_true(fail_end());
	fail_only("fsync", EIO, 2, false);
	expect_failure(file_write(path, "new", 3), ERROR_FAILED, "may not be after a power cut");
	assert_true(fail_end());

	/* How much is free is not known when nobody can be asked. */
	struct file_writer writer;
	expect_success(file_begin(&writer, path));
	fail_from(FAIL_FILES | FAIL_FOLDERS, ENOSPC, 1, true);
	struct error *error = file_put(&writer, large, sizeof large);
	assert_true(fail_end());
	assert_null(strstr(error->message, " free in "));
	expect_failure(error, ERROR_FAILED, "are needed; free some space");
	file_abandon(&writer);
#if FAIL_HAS_MEMORY
	expect_success(file_begin(&writer, path));
	fail_from(FAIL_FILES | FAIL_MEMORY, ENOSPC, 1, true);
	error = file_put(&writer, large, sizeof large);
	assert_true(fail_end());
	expect_failure(error, ERROR_FAILED, "out of memory, even for the message");
	file_abandon(&writer);
#endif
	assert_int_equal(entries(folder), 1);
	free(path);
	folder_remove(folder);
}

static void names_without_a_folder(void **state) {
	(void)state;
	char *folder = folder_temporary();
	assert_int_equal(chdir(folder), 0);
	expect_success(file_write("data", "here", 4));
	assert_true(holds("data", "here", 4));
	fail_only("write", ENOSPC, 1, false);
	struct error *error = file_write("/data", "there", 5); /* or this process may not write there */
	fail_end();
	expect_failure(error, ERROR_FAILED, "cannot write /data: ");
	assert_false(file_exists("/data"));
	assert_int_equal(chdir("/"), 0);
	folder_remove(folder);
}

static void files_are_read_whole_or_not_at_all(void **state) {
	(void)state;
	char *folder = folder_temporary(), *path = path_join(folder, "data");
	expect_success(file_write(path, large, sizeof large));
	static const struct {
		unsigned what;
		int number;
		bool lasting;
	} ways[] = {{FAIL_FILES, EIO, false},  {FAIL_FILES, EIO, true},      {FAIL_FILES, EINTR, false},
	            {FAIL_FILES, EINTR, true}, {FAIL_MEMORY, ENOMEM, false}, {FAIL_MEMORY, ENOMEM, true}};
	for (size_t w = 0; w < COUNT_OF(ways); w++)
		for (long at = 1;; at++) {
			struct text text = {0};
			fail_from(ways[w].what, ways[w].number, at, ways[w].lasting);
			struct error *error = file_read(path, sizeof large, &text);
			const bool struck = fail_end();
			if (!error) {
				assert_int_equal(text.length, sizeof large);
				assert_memory_equal(text.data, large, sizeof large);
			} else if (!strstr(error->message, "even for the message"))
				assert_non_null(strstr(error->message, path));
			text_free(&text);
			assert_true(struck || !error);
			error_free(error);
			if (!struck) break;
		}
	free(path);
	folder_remove(folder);
}

static void folders_are_made_or_it_is_said(void **state) {
	(void)state;
	char *folder = folder_temporary(), *path = path_join(folder, "a/b/c");
	for (int what = FAIL_MEMORY; what <= FAIL_FOLDERS; what *= 2)
		for (long at = 1;; at++) {
			fail_from((unsigned)what, EIO, at, false);
			struct error *error = folder_make(path);
			const bool struck = fail_end();
			assert_true(error || file_exists(path));
			error_free(error);
			if (!struck) break;
		}
	/* There already, and nobody says so. */
	fail_from(FAIL_FOLDERS, EIO, 1, true);
	struct error *error = folder_make(path);
	assert_true(fail_end());
	expect_failure(error, ERROR_FAILED, "Input/output error");
	free(path);
#if FAIL_HAS_MEMORY
	fail_from(FAIL_MEMORY, ENOMEM, 1, true);
	path = path_join(folder, "a");
	assert_true(fail_end());
	assert_null(path);
#endif
	folder_remove(folder);
}

/* Cleaning is a service: what cannot be read is left. */
static void leftovers_stay_where_they_cannot_be_listed(void **state) {
	(void)state;
	char *folder = folder_temporary(), *path = path_join(folder, "data.12-3.tmp"),
	     *other = path_join(folder, "1-2.tmp");
	expect_success(file_write(path, "half", 4));
	expect_success(file_write(other, "whole", 5)); /* ".1-2.tmp" of no file */
	fail_only("opendir", EACCES, 1, false);
	file_clean_folder(folder);
	assert_true(fail_end());
	assert_true(file_exists(path));
	file_clean_folder(folder);
	assert_false(file_exists(path));
	assert_true(file_exists(other));
	/* Only what file_begin would call so is taken for a leftover. */
	static const struct {
		const char *name;
		bool leftover;
	} names[] = {{"a.1-2.tmp", true}, {"a.b.123-45.tmp", true}, {"1-2.1-2.tmp", true}, {"12.tmp", false},
	             {".1-2.tmp", false}, {"a.x-2.tmp", false},     {"a.1-x.tmp", false},  {"a.-2.tmp", false},
	             {"a.1-.tmp", false}, {"a.1-2", false},         {"a-1-2.tmp", false},  {"a.1.2.tmp", false},
	             {"-2.tmp", false},   {".tmp", false},          {"a.1:-2.tmp", false}, {"a.1-2:.tmp", false}};
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		char *one = path_join(folder, names[i].name);
		close(open(one, O_WRONLY | O_CREAT, 0666));
		free(one);
	}
	file_clean_folder(folder);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		char *one = path_join(folder, names[i].name);
		if (file_exists(one) == names[i].leftover) fail_msg("%s", names[i].name);
		free(one);
	}
	file_abandon(&(struct file_writer){.file = -1}); /* one that was never begun */
	free(path);
	free(other);
	folder_remove(folder);
}

/* ------------------------------------------------------------------------------------------------------------- seals --- */

static void sealed_files_when_memory_is_short(void **state) {
	(void)state;
	if (!FAIL_HAS_MEMORY) skip();
	char *folder = folder_temporary(), *path = path_join(folder, "a.json");
	cJSON *root = cJSON_Parse("{\"format\": 2, \"text\": \"a\\nb\", \"list\": [1, 2, {\"x\": null}]}"), *back = NULL;
	for (long at = 1;; at++) {
		expect_success(file_write(path, "old", 3));
		fail_from(FAIL_MEMORY, ENOMEM, at, false);
		struct error *error = json_write_sealed(path, root);
		if (!fail_end()) {
			expect_success(error);
			break;
		}
		assert_true(error || !holds(path, "old", 3));
		error_free(error);
	}
	for (long at = 1;; at++) {
		fail_from(FAIL_MEMORY, ENOMEM, at, false);
		struct error *error = json_read_sealed(path, 2, &back);
		const bool struck = fail_end();
		assert_true((back != NULL) == (error == NULL));
		if (!error) assert_true(cJSON_Compare(back, root, true));
		if (error) assert_int_equal(error->kind, ERROR_FAILED); /* and not damage */
		error_free(error);
		cJSON_Delete(back);
		if (!struck) break;
	}
	cJSON_Delete(root);
	/* Of any length, so that growing a text by any of its pieces fails once. */
	for (int length = 0; length < 200; length++) {
		char letters[201] = "";
		memset(letters, 'x', (size_t)length);
		root = cJSON_CreateObject();
		cJSON_AddStringToObject(root, "letters", letters);
		for (long at = 1;; at++) {
			struct text out = {0};
			uint64_t seal;
			fail_only("realloc", ENOMEM, at, false);
			struct error *error = json_print_sealed(root, &out, &seal);
			const bool struck = fail_end();
			assert_true(struck == (error != NULL));
			error_free(error);
			text_free(&out);
			if (!struck) break;
		}
		cJSON_Delete(root);
	}
	free(path);
	folder_remove(folder);
}

static void what_cannot_be_sealed(void **state) {
	(void)state;
	static const char *const others[] = {"1", "[1, 2]", "{}", "\"\\n}\""};
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		cJSON *root = cJSON_Parse(others[i]);
		struct text out = {0};
		uint64_t seal;
		expect_failure(json_print_sealed(root, &out, &seal), ERROR_FAILED, "only an object with members can be sealed");
		text_free(&out);
		cJSON_Delete(root);
	}
}

/* An advisory lock of the folder itself. */
static void a_folder_is_taken_by_one(void **state) {
	(void)state;
	char *folder = folder_temporary(), nowhere[100];
	int lock, other;
	expect_success(folder_lock(folder, &lock));
	expect_failure(folder_lock(folder, &other), ERROR_FAILED, "is in use by another process");
	close(lock);
	expect_success(folder_lock(folder, &lock));
	close(lock);
	snprintf(nowhere, sizeof nowhere, "%s/nowhere", folder);
	expect_failure(folder_lock(nowhere, &lock), ERROR_FAILED, nowhere);
	/* Interrupted once it is tried again; a file system without locks lets everybody in. */
	static const struct {
		int number;
		bool lasting;
	} ways[] = {{EINTR, false}, {ENOLCK, true}};
	for (size_t w = 0; w < COUNT_OF(ways); w++) {
		fail_only("flock", ways[w].number, 1, ways[w].lasting);
		struct error *error = folder_lock(folder, &lock);
		assert_true(fail_end());
		expect_success(error);
		struct error *second = folder_lock(folder, &other);
		assert_int_equal(second != NULL, w == 0);
		if (!second) close(other);
		error_free(second);
		close(lock);
	}
	folder_remove(folder);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_folder_is_taken_by_one),
	    cmocka_unit_test(files_are_written_whole_or_not_at_all),
	    cmocka_unit_test(a_piece_that_does_not_fit),
	    cmocka_unit_test(what_a_failed_write_says),
	    cmocka_unit_test(names_without_a_folder),
	    cmocka_unit_test(files_are_read_whole_or_not_at_all),
	    cmocka_unit_test(folders_are_made_or_it_is_said),
	    cmocka_unit_test(leftovers_stay_where_they_cannot_be_listed),
	    cmocka_unit_test(sealed_files_when_memory_is_short),
	    cmocka_unit_test(what_cannot_be_sealed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
