/* rung fit --law NAME: options in, one law out. */
#include "fit/chosen.h"
#include "fit/input.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ASYMMETRIC_OVER 10.0 /* what runs that were tuned badly are worth, when nothing is said */

bool law_is_chosen(const struct law_options *options) {
	return strcmp(options->law, "chinchilla") != 0 || options->tied || options->fix->count > 0 || options->unique ||
	       strcmp(options->objective, "asymmetric") == 0;
}

struct error *law_options_objective(const struct law_options *options, struct fit_method *method) {
	static const char *const names[] = {
	    [OBJECTIVE_HUBER] = "huber",
	    [OBJECTIVE_SQUARES] = "squares",
	    [OBJECTIVE_LOG_SQUARES] = "log-squares",
	    [OBJECTIVE_ASYMMETRIC] = "asymmetric"};
	int kind = -1;
	for (int k = 0; k < (int)COUNT_OF(names); k++)
		if (strcmp(options->objective, names[k]) == 0) kind = k;
	if (kind < 0)
		return error_new(
		    ERROR_USAGE, "--objective %.60s: expected huber, squares, log-squares or asymmetric", options->objective);
	method->objective = (enum fit_objective)kind;
	if (options->delta > 0 && kind != OBJECTIVE_HUBER)
		return error_new(ERROR_USAGE, "--delta: the objective '%s' has none; it is huber's", names[kind]);
	if ((options->over > 0 || options->under > 0) && kind != OBJECTIVE_ASYMMETRIC)
		return error_new(
		    ERROR_USAGE, "--over and --under: the objective '%s' has none; '--objective asymmetric' has", names[kind]);
	method->delta = options->delta;
	method->over = options->over > 0 ? options->over : kind == OBJECTIVE_ASYMMETRIC ? ASYMMETRIC_OVER : 0;
	method->under = options->under;
	return NULL;
}

/* Every NAME=VALUE of --fix. `names` is where the names are kept, cut out of the options' text. */
static struct error *held_of(const struct law_options *options, struct text *names, struct fit_method *method) {
	size_t starts[FIT_MOST_HELD];
	for (int i = 0; i < options->fix->count; i++) {
		for (const char *at = options->fix->items[i]; *at;) {
			size_t length = strcspn(at, ",");
			const char *equals = memchr(at, '=', length);
			char value[64] = "", *end = value;
			if (equals) snprintf(value, sizeof value, "%.*s", (int)(length - (size_t)(equals - at) - 1), equals + 1);
			double number = strtod(value, &end);
			if (!equals || equals == at || end == value || *end) {
				return error_new(
				    ERROR_USAGE, "--fix %.*s: expected NAME=VALUE, such as E=1.69 or lnA=6.0", (int)length, at);
			}
			if (method->held_count == FIT_MOST_HELD)
				return error_new(ERROR_USAGE, "--fix: more than %d parameters; no law has so many", FIT_MOST_HELD);
			starts[method->held_count] = names->length;
			method->held[method->held_count++].value = number;
			text_add(names, "%.*s", (int)(equals - at), at);
			text_add_bytes(names, "", 1);
			at += length + (at[length] == ',');
		}
	}
	TRY(text_error(names));
	for (int k = 0; k < method->held_count; k++) method->held[k].name = names->data + starts[k];
	return NULL;
}

/* The unique tokens of every point, from the first extra column, in the unit of D. */
static struct error *read_unique(const struct law_options *options, const struct fit_points *points, double **unique) {
	*unique = array_new(points->count + 1, sizeof **unique);
	if (!*unique) return error_memory(points->count * sizeof **unique);
	double scale = options->input.D_scale > 0 ? options->input.D_scale : 1;
	for (size_t i = 0; i < points->count; i++) {
		const char *field = points->items[i].extra[0];
		if (field && number_from_text(field, &(*unique)[i]) && (*unique)[i] > 0 && isfinite((*unique)[i])) {
			(*unique)[i] *= scale;
			continue;
		}
		return error_new(
		    ERROR_DATA, "%s: line %zu, column %s: found '%.40s', expected a number of unique tokens above zero",
		    options->path, points->items[i].line, options->unique, field ? field : "");
	}
	return NULL;
}

static struct error *print_and_write(const struct law_options *options, const struct chosen *chosen) {
	cJSON *root = NULL;
	struct text text = {0};
	struct error *error = chosen_to_json(chosen, &root);
	if (error) return error;
	if (options->json)
		json_print(root, true, &text);
	else
		chosen_summary(chosen, options->path, &text);
	error = text_error(&text);
	if (!error) printf("%s%s", text.data, options->json ? "\n" : "");
	fflush(stdout);
	if (!error && options->out) error = json_write(options->out, root);
	if (!error && options->out && !options->json) fprintf(stderr, "wrote %s\n", options->out);
	text_free(&text);
	cJSON_Delete(root);
	return error;
}

struct error *law_command(const struct law_options *options) {
	struct fit_options draws = *options->how;
	struct chosen_options how = {.how = &draws, .method.law = options->law};
	how.variable = options->how->along ? *options->how->along : FIT_C;
	how.all = options->how->all_points;
	struct fit_input input = options->input;
	struct fit_extra extra = {options->unique, "unique"};
	struct fit_points points = {0};
	struct chosen chosen;
	struct text names = {0};
	double *unique = NULL;
	const struct law *form;
	how.method.tied = options->tied;
	TRY(law_named(options->law, &form)); /* before a long table is read */
	TRY(law_options_objective(options, &how.method));
	if (options->unique) {
		input.extra = &extra;
		input.extra_count = 1;
	}
	struct error *error = held_of(options, &names, &how.method);
	if (!error) error = fit_points_read(options->path, &input, &points);
	if (!error) print_notes(&points);
	if (!error && options->unique) error = read_unique(options, &points, &unique);
	if (draws.replicates == 0) draws.replicates = fit_replicates_for(points.count);
	how.unique = unique;
	if (!error) error = chosen_fit(&points, &how, &chosen);
	if (!error) {
		error = print_and_write(options, &chosen);
		chosen_free(&chosen);
	}
	free(unique);
	fit_points_free(&points);
	text_free(&names);
	return error;
}
