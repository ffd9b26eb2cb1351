/* rung fit --law allocation: a table of optima in, their exponents out; and the options of approaches 1 and 2. */
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

/* ------------------------------------------------------------------------------------------------- approaches 1 and 2 --- */

enum { EXTRA_CURVE, EXTRA_BUDGET, EXTRA_WIDTH, EXTRA_COUNTS };

/* NAME=COLUMN, or COLUMN alone, with commas between; both strings go into columns->text, and their places into `at`. */
static struct error *add_names(
    const struct option_list *list, bool of_C, struct approach_columns *columns, size_t *at) {
	for (int i = 0; i < list->count; i++)
		for (const char *from = list->items[i];; from++) {
			size_t length = strcspn(from, ","), name = strcspn(from, "=");
			bool named = name < length;
			if (length == 0 || (named && (name == 0 || name + 1 == length)))
				return error_new(
				    ERROR_USAGE, "--count-%c %.100s: expected NAME=COLUMN, such as %s", of_C ? 'C' : 'N',
				    list->items[i], of_C ? "exact=flops" : "all=params_total");
			if (columns->name_count == COUNT_OF(columns->names))
				return error_new(
				    ERROR_USAGE, "--count-N and --count-C: more than %zu columns", COUNT_OF(columns->names));
			struct counting_name *out = &columns->names[columns->name_count];
			out->of_C = of_C;
			snprintf(out->name, sizeof out->name, "%.*s", (int)(named ? name : length), from);
			at[columns->name_count++] = columns->text.length;
			if (named)
				text_add(&columns->text, "%.*s", (int)(length - name - 1), from + name + 1);
			else
				text_add(&columns->text, "%.*s", (int)length, from);
			text_add_bytes(&columns->text, "", 1);
			from += length;
			if (*from == 0) break;
		}
	return NULL;
}

struct error *approach_ask(
    const struct approach_choices *choices, bool lab, struct approach_columns *columns, struct fit_input *input) {
	*columns = (struct approach_columns){0};
	/* What every lab's table has, unless the user names others. */
	static const struct option_list lab_N = {.items = {"hidden=N", "with head=N_matmul", "all=N_all"}, .count = 3};
	static const struct option_list lab_C = {.items = {"exact=C"}, .count = 1};
	bool own = choices->count_N.count > 0 || choices->count_C.count > 0;
	size_t at[2 * COUNTING_MOST];
	TRY(add_names(lab && !own ? &lab_N : &choices->count_N, false, columns, at));
	TRY(add_names(lab && !own ? &lab_C : &choices->count_C, true, columns, at));
	TRY(text_error(&columns->text));
	struct fit_extra *extra = columns->extra;
	extra[EXTRA_CURVE] = (struct fit_extra){choices->curve ? choices->curve : "", choices->curve ? "curve" : NULL};
	extra[EXTRA_BUDGET] = (struct fit_extra){choices->budget ? choices->budget : "", choices->budget ? "budget" : NULL};
	extra[EXTRA_WIDTH] = (struct fit_extra){"width", NULL};
	for (size_t k = 0; k < columns->name_count; k++) {
		struct counting_name *name = &columns->names[k];
		name->column = columns->text.data + at[k];
		extra[EXTRA_COUNTS + k] = (struct fit_extra){name->column, !own ? NULL : name->of_C ? "count-C" : "count-N"};
	}
	input->extra = extra;
	input->extra_count = EXTRA_COUNTS + columns->name_count;
	return NULL;
}

void approach_columns_free(struct approach_columns *columns) {
	text_free(&columns->text);
	free(columns->numbers);
	counting_input_free(&columns->counting);
}

static struct error *one_of(
    const char *option, const char *value, const char *first, const char *second, bool *is_second) {
	*is_second = strcmp(value, second) == 0;
	if (*is_second || strcmp(value, first) == 0) return NULL;
	return error_new(ERROR_USAGE, "--%s %s: expected %s or %s", option, value, first, second);
}

/* Budgets with commas between, into `out` unless NULL; returns their number. */
static struct error *budgets_in(const struct option_list *list, double *out, size_t *count) {
	*count = 0;
	for (int i = 0; i < list->count; i++)
		for (const char *at = list->items[i];; at++) {
			char word[64];
			size_t length = strcspn(at, ",");
			snprintf(word, sizeof word, "%.*s", (int)(length < 63 ? length : 63), at);
			double C;
			if (!number_from_text(word, &C) || !(C > 0) || C > 1e300)
				return error_new(
				    ERROR_USAGE, "--budgets %.100s: expected floating-point operations above zero, such as 1e18,1e19",
				    list->items[i]);
			if (out) out[*count] = C;
			(*count)++;
			at += length;
			if (*at == 0) break;
		}
	return NULL;
}

static struct error *labels_of(const char *path, const char *column, const struct fit_points *points, double *labels) {
	for (size_t i = 0; i < points->count; i++) {
		const char *text = points->items[i].extra[EXTRA_BUDGET];
		if (*text && number_from_text(text, &labels[i]) && labels[i] > 0 && labels[i] < 1e300) continue;
		return error_new(
		    ERROR_DATA,
		    "%s: line %zu, column %s: found '%.40s', expected a budget of floating-point operations above zero", path,
		    points->items[i].line, column, text);
	}
	return NULL;
}

/* The N of the fit itself, for a table that names other computes only. */
static struct error *count_own_N(const struct fit_points *points, struct counting_input *input) {
	struct counting_column *column = &input->N[0];
	snprintf(column->name, sizeof column->name, "%s", points->input.N);
	column->values = array_new(points->count + 1, sizeof *column->values);
	if (!column->values) return error_memory(points->count * sizeof *column->values);
	input->N_count = 1;
	for (size_t i = 0; i < points->count; i++) column->values[i] = points->items[i].N;
	return NULL;
}

/* The width that all models share; 0 where they do not, or the table does not say. */
static double common_width(const struct fit_points *points) {
	double width = 0, first = 0;
	for (size_t i = 0; i < points->count; i++) {
		const char *text = points->items[i].extra[EXTRA_WIDTH];
		if (!text || !number_from_text(text, &width) || !(width > 0)) return 0;
		if (i == 0) first = width;
		if (width != first) return 0;
	}
	return first;
}

/* A row that was skipped may have been the last one of its run, whose loss before would pass for the final one. */
static struct error *check_ends(const char *path, const struct fit_points *points) {
	for (size_t i = 0; i < points->left_out_count; i++) {
		if (points->left_out[i].why != LEFT_OUT_AS_BAD) continue;
		return error_new(
		    ERROR_DATA,
		    "%s: line %zu: a bad row among training curves may be the end of its run, and the row before it no final "
		    "loss; leave that run out of the table or, by a column that tells it, with --where",
		    path, points->left_out[i].line);
	}
	return NULL;
}

struct error *approach_take(
    const struct approach_choices *choices, const char *path, bool lab, struct fit_points *points,
    struct approach_columns *columns, struct fit_approach_options *how) {
	size_t budgets;
	*how = (struct fit_approach_options){.noise = choices->loss_noise, .lab = lab ? path : NULL};
	TRY(one_of("flops", choices->flops, "6ND", "C", &how->by_column));
	TRY(one_of("envelope", choices->envelope, "hull", "buckets", &how->buckets));
	TRY(budgets_in(&choices->budgets, NULL, &budgets));
	if (choices->curve) TRY(check_ends(path, points));
	if (choices->curve) TRY(fit_points_ends(path, choices->curve, EXTRA_CURVE, points));
	points->width = common_width(points);
	columns->numbers = array_new(budgets + points->count + 1, sizeof *columns->numbers);
	if (!columns->numbers) return error_memory((budgets + points->count) * sizeof *columns->numbers);
	how->budgets = columns->numbers;
	TRY(budgets_in(&choices->budgets, columns->numbers, &how->budget_count));
	if (choices->budget) {
		how->labels = columns->numbers + budgets;
		TRY(labels_of(path, choices->budget, points, columns->numbers + budgets));
	}
	TRY(counting_from_columns(path, points, columns->names, columns->name_count, EXTRA_COUNTS, &columns->counting));
	if (lab && choices->count_C.count == 0) TRY(counting_from_lab(path, points, &columns->counting));
	if (columns->counting.C_count > 0 && columns->counting.N_count == 0) TRY(count_own_N(points, &columns->counting));
	how->counting = &columns->counting;
	return NULL;
}
