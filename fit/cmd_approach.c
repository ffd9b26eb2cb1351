/* rung fit --law allocation: a table of optima in, their exponents out. */
#include "fit/approach.h"
#include "fit/input.h"

#include <stdlib.h>
#include <string.h>

#define MOST_KEYS 64

/* The names in --by, taken apart at commas in a copy that is returned in *memory. */
static struct error *names_of(const struct option_list *list, char **memory, const char **names, size_t *count) {
	struct text text = {0};
	for (int i = 0; i < list->count; i++) text_add(&text, "%s%s", i ? "," : "", list->items[i]);
	*count = 0;
	*memory = text.data;
	TRY(text_error(&text));
	for (char *rest = text.data, *name; (name = strsep(&rest, ",")) != NULL;) {
		name += strspn(name, " ");
		if (*name == 0)
			return error_new(ERROR_USAGE, "--by: expected names of columns with commas between, found none");
		if (*count == MOST_KEYS) return error_new(ERROR_USAGE, "--by: found more than %d columns", MOST_KEYS);
		names[(*count)++] = name;
	}
	return NULL;
}

static struct error *print(
    const struct optima_options *options, const struct optima *optima, const struct fit_points *points) {
	cJSON *root = NULL;
	struct text text = {0};
	struct error *error = optima_to_json(optima, points, &root);
	if (error) return error;
	if (options->json) {
		json_print(root, true, &text);
		text_add_string(&text, "\n");
	} else {
		optima_summary(optima, points, options->path, &text);
	}
	error = text_error(&text);
	if (!error) fputs(text.data, stdout);
	if (!error && options->out) error = json_write(options->out, root);
	text_free(&text);
	cJSON_Delete(root);
	return error;
}

struct error *optima_command(const struct optima_options *options) {
	const char *names[MOST_KEYS];
	struct fit_extra extra[MOST_KEYS + 1];
	struct fit_points points = {0};
	struct optima optima = {0};
	size_t count = 0;
	char *memory = NULL;
	struct error *error = NULL;
	if (options->by->count > 0) error = names_of(options->by, &memory, names, &count);
	struct fit_input input = options->input;
	for (size_t k = 0; k < count; k++) extra[k] = (struct fit_extra){names[k], "by"};
	if (options->std_column) extra[count] = (struct fit_extra){options->std_column, "weight-from-std"};
	input.extra = extra;
	input.extra_count = count + (options->std_column != NULL);
	input.without_loss = input.optima = true;
	if (!error) error = fit_points_read(options->path, &input, &points);
	if (!error) print_notes(&points);
	if (!error) error = optima_fit(options->path, &points, names, count, options->std_column, &optima);
	if (!error) error = print(options, &optima, &points);
	optima_free(&optima);
	fit_points_free(&points);
	free(memory);
	return error;
}
