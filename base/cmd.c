/* cmd.c - what every command has in common: how it is found, helped with, and ended. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

int error_report(struct error *error) {
	if (!error) return 0;
	fflush(stdout); /* what was said before the error comes before it */
	fprintf(stderr, "error: %s\n", error->message);
	int code = (int)error->kind;
	error_free(error);
	return code;
}

struct error *print_json(const cJSON *root) {
	struct text text = {0};
	json_print(root, true, &text);
	struct error *error = text_error(&text);
	if (!error) puts(text.data);
	text_free(&text);
	return error;
}

struct error *print_help(const char *usage, const struct option_row *rows, size_t count) {
	struct text text = {0};
	options_help(rows, count, &text);
	struct error *error = text_error(&text);
	if (!error) printf("usage: %s\n%s", usage, text.data);
	text_free(&text);
	return error;
}

int command_help(const char *usage, const struct option_row *rows, size_t count) {
	return error_report(print_help(usage, rows, count));
}

static void print_commands(
    FILE *out, const char *program, const char *about, const void *rows, size_t count, size_t size) {
	fprintf(out, "usage: %s COMMAND [OPTIONS]\n\n", program);
	if (about) fprintf(out, "%s\n\n", about);
	for (size_t i = 0; i < count; i++) {
		const struct command_name *row = (const void *)((const char *)rows + i * size);
		fprintf(out, "  %-9s %s\n", row->name, row->help);
	}
	fprintf(out, "\n%s COMMAND --help lists the options of a command.\n", program);
}

int command_find(
    const char *program, const char *about, const void *rows, size_t count, size_t size, int argc, char **argv,
    int *found) {
	*found = -1;
	if (argc < 2 || !*argv[1]) {
		print_commands(stderr, program, about, rows, count, size);
		return ERROR_USAGE;
	}
	const char *name = argv[1];
	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		print_commands(stdout, program, about, rows, count, size);
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		const struct command_name *row = (const void *)((const char *)rows + i * size);
		if (strcmp(name, row->name) != 0) continue;
		*found = (int)i;
		return 0;
	}
	const char *nearest = nearest_name(name, rows, count, size);
	if (nearest)
		return error_report(error_new(
		    ERROR_USAGE, "there is no command '%s %s'; did you mean '%s %s'?", program, name, program, nearest));
	return error_report(error_new(
	    ERROR_USAGE, "there is no command '%s %s'; '%s --help' lists those that there are", program, name, program));
}
