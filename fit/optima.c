/* optima.c - exponents of tables that list the optimum at each budget. */
#include "fit/approach.h"
#include "fit/words.h"
#include "fit/writer.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------------------------------------------------- groups --- */

struct row {
	const struct fit_point *point;
	size_t keys;
};

static int compare_keys(const struct row *x, const struct row *y) {
	int order = 0;
	for (size_t k = 0; k < x->keys && order == 0; k++) order = strcmp(x->point->extra[k], y->point->extra[k]);
	return order;
}

static int by_key(const void *a, const void *b) {
	const struct row *x = a, *y = b;
	int order = compare_keys(x, y);
	return order ? order : (x->point > y->point) - (x->point < y->point);
}

static int by_first_row(const void *a, const void *b) {
	const struct optima_group *x = a, *y = b;
	return (x->points[0] > y->points[0]) - (x->points[0] < y->points[0]);
}

static int by_compute(const void *a, const void *b) {
	const struct fit_point *x = *(const struct fit_point *const *)a, *y = *(const struct fit_point *const *)b;
	int order = (x->C > y->C) - (x->C < y->C);
	return order ? order : (x > y) - (x < y);
}

static struct error *make_groups(const struct fit_points *points, struct optima *optima) {
	size_t n = points->count;
	struct row *rows = array_new(n + 1, sizeof *rows);
	optima->groups = array_new(n + 1, sizeof *optima->groups);
	optima->points = array_new(n + 1, sizeof(struct fit_point *));
	optima->weight = array_new(n + 1, sizeof *optima->weight);
	if (!rows || !optima->groups || !optima->points || !optima->weight) {
		free(rows);
		return error_memory(n * (sizeof *rows + sizeof *optima->groups + 16));
	}
	for (size_t i = 0; i < n; i++) rows[i] = (struct row){&points->items[i], optima->by_count};
	qsort(rows, n, sizeof *rows, by_key);
	for (size_t i = 0; i < n; i++) {
		optima->points[i] = rows[i].point;
		if (i == 0 || compare_keys(&rows[i - 1], &rows[i]) != 0)
			optima->groups[optima->count++] = (struct optima_group){
			    .key = rows[i].point->extra, .points = optima->points + i, .weight = optima->weight + i};
		optima->groups[optima->count - 1].count++;
	}
	qsort(optima->groups, optima->count, sizeof *optima->groups, by_first_row);
	for (size_t g = 0; g < optima->count; g++)
		qsort(optima->groups[g].points, optima->groups[g].count, sizeof(struct fit_point *), by_compute);
	free(rows);
	return NULL;
}

/* ------------------------------------------------------------------------------------------------------------ lines --- */

static struct error *weigh(
    const char *source, const struct optima *optima, const struct fit_point *point, double *weight) {
	*weight = point->weight;
	if (!optima->std_column) return NULL;
	const char *field = point->extra[optima->by_count];
	char *end;
	double error = strtod(field, &end);
	*weight /= error * error;
	if (*field && !*end && error > 0 && *weight >= DBL_MIN && *weight <= DBL_MAX) return NULL;
	return error_new(
	    ERROR_DATA,
	    "%s: line %zu, column %s: found '%.40s', expected the standard error of ln N*, a number above zero. "
	    "--where or a column fit that is 0 leaves a row out",
	    source, point->line, optima->std_column, field);
}

static struct error *fit_group(const char *source, const struct optima *optima, struct optima_group *group) {
	size_t n = group->count;
	double *memory = array_new(3 * n, sizeof *memory), *C = memory, *N = memory + n, *D = memory + 2 * n;
	if (!memory) return error_memory(3 * n * sizeof *memory);
	struct error *error = NULL;
	for (size_t i = 0; i < n && !error; i++) {
		C[i] = group->points[i]->C;
		N[i] = group->points[i]->N;
		D[i] = group->points[i]->D;
		error = weigh(source, optima, group->points[i], &group->weight[i]);
	}
	if (!error) {
		double total = 0;
		regress_logs(C, N, group->weight, n, &group->N);
		regress_logs(C, D, group->weight, n, &group->D);
		for (size_t i = 0; i < n; i++) total += group->weight[i];
		group->squares_N = group->N.rms * group->N.rms * total;
	}
	free(memory);
	return error;
}

struct error *optima_fit(
    const char *source, const struct fit_points *points, const char *const *by, size_t by_count, const char *std_column,
    struct optima *optima) {
	*optima = (struct optima){.by = by, .by_count = by_count, .std_column = std_column, .D_derived = !points->input.D};
	struct error *error = make_groups(points, optima);
	for (size_t g = 0; g < optima->count && !error; g++) error = fit_group(source, optima, &optima->groups[g]);
	if (error) optima_free(optima);
	return error;
}

void optima_free(struct optima *optima) {
	free(optima->groups);
	free(optima->points);
	free(optima->weight);
	*optima = (struct optima){0};
}

/* ------------------------------------------------------------------------------------------------------------- JSON --- */

/* The members that every law has. Least squares of a line have one solution, or none where C does not vary. */
static void add_fit(
    struct writer *writer, cJSON *object, const struct optima *optima, const struct optima_group *group) {
	bool solved = !isnan(group->N.slope);
	cJSON *parameters = object_in(writer, object, "parameters"), *intervals = object_in(writer, object, "intervals");
	const struct regression *lines[] = {&group->N, &group->D};
	static const char *exponents[] = {"a", "b"}, *prefactors[] = {"ln_k_N", "ln_k_D"};
	for (int k = 0; k < 2; k++) {
		if (solved) {
			number(writer, parameters, exponents[k], lines[k]->slope);
			number(writer, parameters, prefactors[k], lines[k]->intercept);
		} else {
			string(writer, parameters, exponents[k], NULL);
			string(writer, parameters, prefactors[k], NULL);
		}
		interval(writer, intervals, exponents[k], lines[k]->slope_interval);
	}
	number(writer, object, "objective", solved ? group->squares_N : NAN);
	number(writer, object, "rms", group->N.rms);
	boolean(writer, object, "converged", solved);
	cJSON *certificate = object_in(writer, object, "certificate");
	string(writer, certificate, "method", "least squares of a line: one solution, in closed form");
	string(writer, certificate, "doubt", solved ? NULL : "C does not vary, so no exponent follows");
	cJSON *allocation = object_in(writer, object, "allocation");
	number(writer, allocation, "a", group->N.slope);
	number(writer, allocation, "b", group->D.slope);
	string(writer, allocation, "D", optima->D_derived ? "C/6N" : "column");
}

static void add_warning(struct writer *writer, cJSON *warnings, const char *code, const char *words) {
	cJSON *warning = object_at_end(writer, warnings);
	string(writer, warning, "code", code);
	string(writer, warning, "text", words);
}

static const char no_exponent[] = "A group has one budget only, so no exponent follows from it.";
static const char few_budgets[] =
    "A group has two budgets: a line goes through both whatever they are, so there is no interval.";

static const char *doubt_of(const struct optima *optima, const char **code) {
	const char *words = NULL;
	for (size_t g = 0; g < optima->count; g++) {
		bool none = isnan(optima->groups[g].N.slope);
		if (!none && (words || !isnan(optima->groups[g].N.slope_interval.low))) continue;
		*code = none ? "single_C" : "few_budgets";
		words = none ? no_exponent : few_budgets;
		if (none) break;
	}
	return words;
}

struct error *optima_to_json(const struct optima *optima, const struct fit_points *points, cJSON **root) {
	struct writer writer = {.failed = false};
	*root = cJSON_CreateObject();
	number(&writer, *root, "format", 1);
	string(&writer, *root, "law", "allocation");
	cJSON *counts = object_in(&writer, *root, "points");
	number(&writer, counts, "used", (double)points->count);
	number(&writer, counts, "left_out", (double)points->left_out_count);
	cJSON *columns = object_in(&writer, *root, "columns");
	string(&writer, columns, "N", points->input.N);
	string(&writer, columns, "D", points->input.D);
	string(&writer, columns, "C", points->input.C);
	string(&writer, columns, "std", optima->std_column);
	if (optima->count == 1)
		add_fit(&writer, *root, optima, &optima->groups[0]);
	else
		string(&writer, *root, "parameters", NULL); /* each group has its own */
	cJSON *groups = array_in(&writer, *root, "groups");
	for (size_t g = 0; g < optima->count; g++) {
		const struct optima_group *group = &optima->groups[g];
		cJSON *object = object_at_end(&writer, groups), *key = object_in(&writer, object, "group");
		for (size_t k = 0; k < optima->by_count; k++) string(&writer, key, optima->by[k], group->key[k]);
		number(&writer, object, "points", (double)group->count);
		add_fit(&writer, object, optima, group);
	}
	write_left_out(&writer, *root, points);
	cJSON *warnings = array_in(&writer, *root, "warnings");
	const char *code, *words = doubt_of(optima, &code);
	if (words) add_warning(&writer, warnings, code, words);
	if (!writer.failed) return NULL;
	cJSON_Delete(*root);
	*root = NULL;
	return error_memory(points->count * 256);
}

/* ------------------------------------------------------------------------------------------------------------- text --- */

static void add_exponent(struct text *out, const struct regression *line) {
	char between[2 * SHORT];
	text_add(out, "  %-9.6f %-18s", line->slope, range(line->slope_interval, between));
}

void optima_summary(
    const struct optima *optima, const struct fit_points *points, const char *source, struct text *out) {
	text_add(
	    out, "%s: %zu optima in %zu group%s\nN* = k C^a%s by %s least squares of logarithms\n", source, points->count,
	    optima->count, optima->count == 1 ? "" : "s", optima->D_derived ? "" : ", D* = k C^b",
	    optima->std_column ? "weighted (1/std^2)" : "equally weighted");
	if (points->left_out_count)
		text_add(
		    out, "  %zu row%s left out: %s%s\n", points->left_out_count, points->left_out_count == 1 ? "" : "s",
		    points->left_out[0].reason, points->left_out_count == 1 ? "" : ", or the like");
	text_add(out, "  %3s  %-9s %-18s", "", "a", "90 % interval");
	if (!optima->D_derived) text_add(out, "  %-9s %-18s", "b", "90 % interval");
	end_line(out);
	for (size_t g = 0; g < optima->count; g++) {
		const struct optima_group *group = &optima->groups[g];
		text_add(out, "  %3zu", group->count);
		if (isnan(group->N.slope))
			text_add_string(out, "  not determined: one budget");
		else
			add_exponent(out, &group->N);
		if (!isnan(group->N.slope) && !optima->D_derived) add_exponent(out, &group->D);
		end_line(out);
		for (size_t k = 0; k < optima->by_count; k++) text_add(out, "%s%s", k ? ", " : "         ", group->key[k]);
		if (optima->by_count) text_add_string(out, "\n");
	}
	const char *code, *words = doubt_of(optima, &code);
	if (!words) return;
	char first[SHORT];
	snprintf(first, sizeof first, "\n%s: ", code);
	wrapped(out, first, "  ", words);
}
