/* error.c - what went wrong, as a value. */
#include "base/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* What error_new falls back on when there is no memory for an error. It is never written to and never freed. */
static const struct error no_memory_for_error = {
    ERROR_FAILED,
    "out of memory, even for the message that should stand here; close other programs or ask for less",
};

struct error *error_new(enum error_kind kind, const char *format, ...) {
	struct error *error = malloc(sizeof *error);
	if (!error) return (struct error *)&no_memory_for_error;
	error->kind = kind;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->message, sizeof error->message, format, arguments);
	va_end(arguments);
	return error;
}

struct error *error_within(struct error *error, const char *format, ...) {
	if (!error || error == &no_memory_for_error) return error;
	char context[sizeof error->message];
	va_list arguments;
	va_start(arguments, format);
	int printed = vsnprintf(context, sizeof context, format, arguments);
	va_end(arguments);
	/* A context that leaves no room for the cause would hide it. */
	if (printed < 0 || (size_t)printed + 2 >= sizeof context) return error;
	size_t length = (size_t)printed;
	memcpy(context + length, ": ", 2);
	length += 2;
	char *message = error->message;
	memmove(message + length, message, sizeof error->message - length - 1);
	memcpy(message, context, length);
	message[sizeof error->message - 1] = '\0';
	return error;
}

static const char *hint(int reason) {
	switch (reason) {
	case ENOSPC:
	case EDQUOT:
		return "; free some space there or choose another folder";
	case EACCES:
	case EPERM:
		return "; see who may use it with ls -ld, or choose another place";
	case EROFS:
		return "; choose a folder on a disk that can be written";
	case ENOENT:
		return "; check the spelling, and that its folder exists";
	case EMFILE:
	case ENFILE:
		return "; see ulimit -n";
	default:
		return "";
	}
}

struct error *error_system(const char *verb, const char *path) {
	int reason = errno;
	return error_new(
	    ERROR_FAILED, "cannot %s %s: %s%s", verb, *path ? path : "'' (an empty name)", strerror(reason), hint(reason));
}

struct error *error_memory(size_t bytes) {
	if (bytes == 0) return error_new(ERROR_FAILED, "out of memory; close other programs or ask for less");
	char human[HUMAN_SIZE];
	return error_new(
	    ERROR_FAILED, "out of memory: %s could not be had; close other programs or ask for less",
	    human_bytes((double)bytes, human));
}

void error_free(struct error *error) {
	if (error != &no_memory_for_error) free(error);
}
