/* support.h - what several test programs need: errors that must or must not come, folders that vanish afterwards. */
#ifndef RUNG_TESTS_SUPPORT_H
#define RUNG_TESTS_SUPPORT_H

#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ftw.h>
#include <unistd.h>

/* `call` must succeed; otherwise the test fails with its message. */
#define expect_success(call) expect_success_at((call), __FILE__, __LINE__)
static inline void expect_success_at(struct error *error, const char *file, int line) {
	if (!error) return;
	char message[sizeof error->message];
	memcpy(message, error->message, sizeof message);
	error_free(error);
	print_error("unexpected error: %s\n", message);
	_fail(file, line);
}

/* `call` must fail with this kind and a message that contains `part`. */
#define expect_failure(call, kind, part) expect_failure_at((call), (kind), (part), __FILE__, __LINE__)
static inline void expect_failure_at(
    struct error *error, enum error_kind kind, const char *part, const char *file, int line) {
	if (!error) {
		print_error("no error, but one with '%s' was expected\n", part);
		_fail(file, line);
		return;
	}
	enum error_kind found = error->kind;
	char message[sizeof error->message];
	memcpy(message, error->message, sizeof message);
	error_free(error);
	if (found == kind && strstr(message, part)) return;
	print_error("expected kind %d with '%s', found kind %d: %s\n", (int)kind, part, (int)found, message);
	_fail(file, line);
}

/* An empty folder, in memory where there is such a place, as files are synced all the time; the path belongs to the caller,
 * who hands it to folder_remove. */
static inline char *folder_temporary(void) {
	char *path = strdup(access("/dev/shm", W_OK) == 0 ? "/dev/shm/rung-test-XXXXXX" : "/tmp/rung-test-XXXXXX");
	assert_non_null(path);
	assert_non_null(mkdtemp(path));
	return path;
}

static inline int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place) {
	(void)status, (void)type, (void)place;
	return remove(path);
}

static inline void folder_remove(char *path) {
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(path);
}

#endif
