/* Errors carry their message through every floor, and survive running out of memory. */
#include "tests/sanitized.h"
#include "tests/support.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void message_and_kind(void **state) {
	(void)state;
	struct error *error = error_new(ERROR_DATA, "%s: line %d", "points.csv", 7);
	assert_int_equal(error->kind, ERROR_DATA);
	assert_string_equal(error->message, "points.csv: line 7");
	error = error_within(error, "run %s", "ab");
	error = error_within(error, "rung sweep");
	assert_string_equal(error->message, "rung sweep: run ab: points.csv: line 7");
	assert_int_equal(error->kind, ERROR_DATA);
	error_free(error);
	assert_null(error_within(NULL, "context"));
	error_free(NULL);
}

/* Whatever is added in front: what could not be kept is the end, and the string ends inside the buffer. */
static void long_messages_are_cut(void **state) {
	(void)state;
	char *longer = array_new(5000, 1);
	memset(longer, 'x', 4999);
	struct error *error = error_new(ERROR_FAILED, "%s", longer);
	assert_int_equal(strlen(error->message), sizeof error->message - 1);
	error = error_within(error, "where");
	assert_int_equal(strlen(error->message), sizeof error->message - 1);
	assert_memory_equal(error->message, "where: xxx", 10);
	error = error_within(error, "%s", longer); /* no room for the cause: the context is dropped */
	assert_memory_equal(error->message, "where: xxx", 10);
	error_free(error);

	for (int length = 1000; length < 1020; length++) {
		error = error_new(ERROR_FAILED, "cause");
		memset(error->message + 6, 'z', sizeof error->message - 6); /* what was never written may be anything */
		error = error_within(error, "%.*s", length, longer);
		size_t end = strlen(error->message);
		assert_true(end < sizeof error->message);
		/* Either the whole context and the beginning of the cause, or the cause alone. */
		if (length + 3 <= (int)sizeof error->message - 1)
			assert_memory_equal(error->message + length, ": c", 3);
		else
			assert_true(strcmp(error->message, "cause") == 0 || end == sizeof error->message - 1);
		error_free(error);
	}
	free(longer);
}

static void system_errors_name_the_path(void **state) {
	(void)state;
	errno = ENOSPC;
	expect_failure(error_system("write", "lab/run.json"), ERROR_FAILED, "cannot write lab/run.json: No space left");
	errno = ENOSPC;
	expect_failure(error_system("write", "x"), ERROR_FAILED, "free some space");
	errno = EACCES;
	expect_failure(error_system("open", "x"), ERROR_FAILED, "cannot open x: Permission denied; see who may use it");
	errno = EIO;
	expect_failure(error_system("read", "x"), ERROR_FAILED, "cannot read x: Input/output error");
	expect_failure(error_memory((size_t)3 << 30), ERROR_FAILED, "3 GiB");
	expect_failure(error_memory(0), ERROR_FAILED, "out of memory;");
}

static struct error *first_of(struct error *first, struct error *second) {
	TRY(first);
	return second;
}

static void try_returns_the_first(void **state) {
	(void)state;
	expect_failure(first_of(error_new(ERROR_USAGE, "one"), NULL), ERROR_USAGE, "one");
	expect_failure(first_of(NULL, error_new(ERROR_DATA, "two")), ERROR_DATA, "two");
	expect_success(first_of(NULL, NULL));
}

/* In a process of its own, which takes all the memory that it may have before it fails. */
static void without_memory_there_still_is_an_error(void **state) {
	(void)state;
	if (SANITIZED) skip();
	pid_t child = fork();
	if (child == 0) {
		struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20}; /* below what is in use: no more at all */
		if (setrlimit(RLIMIT_AS, &limit)) _exit(10);
		for (size_t size = (size_t)1 << 20; size >= 16; size /= 2)
			for (void *volatile taken = malloc(size); taken;)
				taken = malloc(size); /* volatile: or clang leaves it out */
		struct error *error = error_new(ERROR_DATA, "anything");
		if (!error || !strstr(error->message, "out of memory")) _exit(11);
		if (error_within(error, "context") != error) _exit(12);
		error_free(error);
		error = error_memory(1);
		_exit(error && error->kind == ERROR_FAILED ? 0 : 13);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(message_and_kind),
	    cmocka_unit_test(long_messages_are_cut),
	    cmocka_unit_test(system_errors_name_the_path),
	    cmocka_unit_test(try_returns_the_first),
	    cmocka_unit_test(without_memory_there_still_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
