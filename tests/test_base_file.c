/* Files are there completely or not at all, and every failure names the file and leaves the old one alone. */
#include "tests/support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int entries(const char *folder) {
	DIR *open = opendir(folder);
	assert_non_null(open);
	int count = 0;
	for (const struct dirent *entry = readdir(open); entry; entry = readdir(open)) count += entry->d_name[0] != '.';
	closedir(open);
	return count;
}

static void expect_content(const char *path, const char *expected) {
	struct text text = {0};
	expect_success(file_read(path, 1 << 20, &text));
	assert_string_equal(text.data, expected);
	text_free(&text);
}

static void written_and_read(void **state) {
	(void)state;
	char *folder = folder_temporary(), *path = path_join(folder, "data");
	static char large[300000];
	for (size_t i = 0; i < sizeof large; i++) large[i] = (char)(i * 7);
	expect_success(file_write(path, large, sizeof large));
	struct text text = {0};
	text_add_string(&text, "before:");
	expect_success(file_read(path, sizeof large, &text)); /* exactly at the limit */
	assert_int_equal(text.length, sizeof large + 7);
	assert_memory_equal(text.data, "before:", 7);
	assert_memory_equal(text.data + 7, large, sizeof large);
	text_clear(&text);
	expect_failure(file_read(path, sizeof large - 1, &text), ERROR_DATA, "data: more than 293 KiB");
	text_free(&text);

	expect_success(file_write(path, "", 0));
	expect_success(file_read(path, 0, &text));
	assert_non_null(text.data); /* an empty string, which callers may print or parse */
	assert_int_equal(text.length, 0);
	text_free(&text);
	assert_true(file_exists(path));
	assert_int_equal(entries(folder), 1);
	struct stat status;
	mode_t mask = umask(0);
	umask(mask);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0666 & ~mask); /* as other programs make files */
	free(path);
	folder_remove(folder);
}

static void reading_what_cannot_be_read(void **state) {
	(void)state;
	char *folder = folder_temporary(), *path = path_join(folder, "missing");
	struct text text = {0};
	expect_failure(file_read(path, 100, &text), ERROR_FAILED, "missing: No such file or directory; check the spelling");
	expect_failure(file_read(folder, 100, &text), ERROR_DATA, "is a folder; name a file in it");
	expect_failure(file_read("/dev/zero", 1000, &text), ERROR_DATA, "more than 1000 B"); /* without an end */
	assert_false(file_exists(path));
	text_free(&text);
	free(path);
	folder_remove(folder);
}

/* Reads 200000 bytes from a pipe, which has no size to look at before. */
static struct error *read_pipe(size_t limit, struct text *text) {
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		signal(SIGPIPE, SIG_IGN);
		close(ends[0]);
		for (int i = 0; i < 20000; i++)
			if (write(ends[1], "0123456789", 10) != 10) _exit(1);
		_exit(0);
	}
	close(ends[1]);
	char path[64];
	snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
	struct error *error = file_read(path, limit, text);
	close(ends[0]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	return error;
}

static void pipes_are_read_to_the_end(void **state) {
	(void)state;
	struct text text = {0};
	expect_success(read_pipe(200000, &text));
	assert_int_equal(text.length, 200000);
	for (size_t i = 0; i < text.length; i++) assert_int_equal(text.data[i], '0' + (int)(i % 10));
	text_clear(&text);
	expect_failure(read_pipe(199999, &text), ERROR_DATA, "more than 195 KiB, the most that is read here");
	text_free(&text);
}

/* Until the commit the old content stands; an abandoned file leaves nothing. */
static void all_or_nothing(void **state) {
	(void)state;
	char *folder = folder_temporary(), *path = path_join(folder, "data");
	expect_success(file_write(path, "old", 3));
	struct file_writer one, two;
	expect_success(file_begin(&one, path));
	expect_success(file_begin(&two, path)); /* two writers of one name do not meet */
	expect_success(file_put(&one, "new ", 4));
	expect_success(file_put(&two, "other", 5));
	expect_content(path, "old");
	assert_int_equal(entries(folder), 3);
	file_abandon(&two);
	expect_content(path, "old");
	expect_success(file_put(&one, "and more", 8));
	expect_success(file_commit(&one));
	expect_content(path, "new and more");
	assert_int_equal(entries(folder), 1);
	assert_int_equal(one.file, -1);
	free(path);
	folder_remove(folder);
}

/* A temporary file that a killed process of our number left behind is neither used nor in the way. */
static void leftovers_do_no_harm(void **state) {
	(void)state;
	char *folder = folder_temporary(), *path = path_join(folder, "data");
	struct file_writer writer;
	expect_success(file_begin(&writer, path));
	char *left = strdup(writer.temporary);
	assert_int_equal(write(writer.file, "half", 4), 4);
	close(writer.file); /* as if killed */
	free(writer.buffer);
	free(writer.path);
	free(writer.temporary);
	expect_success(file_write(path, "whole", 5));
	expect_content(path, "whole");
	expect_content(left, "half");
	free(left);
	free(path);
	folder_remove(folder);
}

static void places_that_cannot_be_written(void **state) {
	(void)state;
	char *folder = folder_temporary(), *missing = path_join(folder, "no/such/file"), *file = path_join(folder, "file");
	expect_failure(
	    file_write(missing, "x", 1), ERROR_FAILED, "no/such/file: No such file or directory; check the spelling");
	expect_failure(file_write(folder, "x", 1), ERROR_USAGE, "it is a folder; name a file in it");
	expect_failure(file_write("", "x", 1), ERROR_USAGE, "empty file name");
	/* A rename would replace it: a pipe here, for the test must do no harm when it fails; /dev/null as root. */
	char *pipe_path = path_join(folder, "pipe");
	assert_int_equal(mkfifo(pipe_path, 0600), 0);
	expect_failure(file_write(pipe_path, "x", 1), ERROR_USAGE, "pipe: it is not a regular file");
	struct stat status;
	assert_int_equal(stat(pipe_path, &status), 0);
	assert_true(S_ISFIFO(status.st_mode));
	free(pipe_path);
	expect_success(file_write(file, "x", 1));
	char *below = path_join(file, "y");
	expect_failure(file_write(below, "x", 1), ERROR_FAILED, "Not a directory");
	free(below);
	free(file);
	free(missing);
	folder_remove(folder);
}

/* In a folder that may not be written, as an ordinary user: root may write anywhere. */
static void folders_without_permission(void **state) {
	(void)state;
	char *folder = folder_temporary(), *path = path_join(folder, "data");
	expect_success(file_write(path, "old", 3));
	assert_int_equal(chmod(folder, 0555), 0);
	pid_t child = fork();
	if (child == 0) {
		if (geteuid() == 0 && (setgid(65534) || setuid(65534))) _exit(2);
		struct error *error = file_write(path, "new", 3);
		bool right = error && error->kind == ERROR_FAILED && strstr(error->message, path) &&
		             strstr(error->message, "Permission denied; see who may use it");
		_exit(right ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	expect_content(path, "old");
	assert_int_equal(entries(folder), 1);
	chmod(folder, 0755);
	free(path);
	folder_remove(folder);
}

/* The disk is full: /dev/full stands in for the temporary file. */
static void full_disks(void **state) {
	(void)state;
	char *folder = folder_temporary(), *path = path_join(folder, "data");
	static char bytes[100000];
	expect_success(file_write(path, "old", 3));
	for (int large = 0; large < 2; large++) { /* a write that fails at once, and one that fails when flushed */
		struct file_writer writer;
		expect_success(file_begin(&writer, path));
		const int full = open("/dev/full", O_WRONLY);
		assert_true(dup2(full, writer.file) == writer.file);
		close(full);
		if (large) {
			expect_failure(file_put(&writer, bytes, sizeof bytes), ERROR_FAILED, "97.7 KiB are needed");
			file_abandon(&writer);
		} else {
			expect_success(file_put(&writer, bytes, 100));
			struct error *error = file_commit(&writer);
			assert_non_null(error);
			assert_non_null(strstr(error->message, path));
			assert_non_null(strstr(error->message, "at least 100 B are needed"));
			assert_non_null(strstr(error->message, "/rung-test-"));
			expect_failure(error, ERROR_FAILED, "No space left on device");
		}
		expect_content(path, "old");
		assert_int_equal(entries(folder), 1);
	}
	free(path);
	folder_remove(folder);
}

/* A limit that a real file runs into in the middle. */
static void too_large_for_the_system(void **state) {
	(void)state;
	char *folder = folder_temporary(), *path = path_join(folder, "data");
	pid_t child = fork();
	if (child == 0) {
		signal(SIGXFSZ, SIG_IGN);
		struct rlimit limit = {.rlim_cur = 50000, .rlim_max = 50000};
		if (setrlimit(RLIMIT_FSIZE, &limit)) _exit(2);
		static char bytes[100000];
		struct error *error = file_write(path, bytes, sizeof bytes);
		_exit(
		    error && strstr(error->message, "File too large: at least 97.7 KiB are needed") &&
		            strstr(error->message, path)
		        ? 0
		        : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(entries(folder), 0);
	free(path);
	folder_remove(folder);
}

static void symbolic_links_are_followed(void **state) {
	(void)state;
	char *folder = folder_temporary(), *target = path_join(folder, "target"), *link = path_join(folder, "link");
	expect_success(file_write(target, "old", 3));
	assert_int_equal(symlink("target", link), 0);
	expect_success(file_write(link, "new", 3));
	struct stat status;
	assert_int_equal(lstat(link, &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	expect_content(target, "new");
	free(link);
	free(target);
	folder_remove(folder);
}

static void folders_with_their_parents(void **state) {
	(void)state;
	char *folder = folder_temporary(), *deep = path_join(folder, "a//b/c/"), *file = path_join(folder, "file");
	expect_success(folder_make(deep));
	expect_success(folder_make(deep));
	struct stat status;
	assert_int_equal(stat(deep, &status), 0);
	assert_true(S_ISDIR(status.st_mode));
	expect_success(folder_make("/"));
	expect_success(folder_make("/tmp"));
	expect_failure(folder_make(""), ERROR_USAGE, "without a name");
	expect_success(file_write(file, "", 0));
	expect_failure(folder_make(file), ERROR_USAGE, "a file of that name is in the way");
	char *below = path_join(file, "x");
	expect_failure(folder_make(below), ERROR_USAGE, "file of that name is in the way");
	free(below);
	free(file);
	free(deep);
	folder_remove(folder);
}

static void joined_paths(void **state) {
	(void)state;
	static const char *const cases[][3] = {
	    {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"/", "b", "/b"}, {"a/b", "c.d", "a/b/c.d"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char *path = path_join(cases[i][0], cases[i][1]);
		assert_string_equal(path, cases[i][2]);
		free(path);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(written_and_read),           cmocka_unit_test(reading_what_cannot_be_read),
	    cmocka_unit_test(pipes_are_read_to_the_end),  cmocka_unit_test(all_or_nothing),
	    cmocka_unit_test(leftovers_do_no_harm),       cmocka_unit_test(places_that_cannot_be_written),
	    cmocka_unit_test(folders_without_permission), cmocka_unit_test(full_disks),
	    cmocka_unit_test(too_large_for_the_system),   cmocka_unit_test(symbolic_links_are_followed),
	    cmocka_unit_test(folders_with_their_parents), cmocka_unit_test(joined_paths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
