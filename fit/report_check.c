/* report_check.c - whether the files of a lab are what they should be, and whether fit.json belongs to points.csv. */
#include "fit/report.h"

#include <math.h>
#include <string.h>

#define SAME 1e-9 /* relative: the same number, perhaps printed by another program */

/* ------------------------------------------------------------------------------------------------------ members --- */

enum kind { A_NUMBER, A_NUMBER_OR_NULL, A_TEXT, AN_OBJECT, AN_ARRAY };

static const char *const kind_names[] = {"a number", "a number or null", "a text", "an object", "an array"};

/* What the report cannot do without. Everything else may be absent: then a part of the page is. */
static const struct {
	const char *file, *keys;
	enum kind kind;
} needed[] = {
    {"plan.json", "rungs", AN_ARRAY},
    {"corpus.json", "held_out.tokens", A_NUMBER},
    {"corpus.json", "held_out.bytes", A_NUMBER},
    {"corpus.json", "entropy", AN_OBJECT},
    {"samples.json", "prompt", A_TEXT},
    {"samples.json", "generated", A_TEXT},
    {"samples.json", "held_out", A_TEXT},
    {"fit.json", "format", A_NUMBER},
    {"fit.json", "law", A_TEXT},
    {"fit.json", "parameters.E", A_NUMBER_OR_NULL},
    {"fit.json", "parameters.A", A_NUMBER_OR_NULL},
    {"fit.json", "parameters.B", A_NUMBER_OR_NULL},
    {"fit.json", "parameters.alpha", A_NUMBER_OR_NULL},
    {"fit.json", "parameters.beta", A_NUMBER_OR_NULL},
    {"fit.json", "residuals", AN_ARRAY},
    {"fit.json", "text", A_TEXT},
};

static bool is_kind(const cJSON *item, enum kind kind) {
	if (kind == AN_OBJECT) return cJSON_IsObject(item);
	if (kind == AN_ARRAY) return cJSON_IsArray(item);
	if (kind == A_TEXT) return cJSON_IsString(item);
	if (cJSON_IsNumber(item) || (kind == A_NUMBER_OR_NULL && cJSON_IsNull(item))) return true;
	static const char *const words[] = {"nan", "inf", "-inf"}; /* numbers that JSON does not have */
	const char *text = cJSON_GetStringValue(item);
	for (size_t i = 0; text && i < COUNT_OF(words); i++)
		if (strcmp(text, words[i]) == 0) return true;
	return false;
}

struct error *report_check_members(const char *path, const char *name, const cJSON *root) {
	if (!cJSON_IsObject(root)) return error_new(ERROR_DATA, "%s is damaged: expected a JSON object", path);
	double format = report_number(root, "format"); /* first: another format has other members */
	if (strcmp(name, "fit.json") == 0 && !isnan(format) && format != 1)
		return error_new(ERROR_DATA, "%s cannot be read: found format %g, expected 1", path, format);
	const char *formula = strcmp(name, "fit.json") == 0 ? cJSON_GetStringValue(report_item(root, "formula")) : NULL;
	if (formula) /* as chosen_json.c writes it */
		return error_new(
		    ERROR_DATA, "%s holds another fit, %.100s by --law, --fix or --objective, which this page has no place for",
		    path, formula);
	for (size_t i = 0; i < COUNT_OF(needed); i++) {
		if (strcmp(needed[i].file, name) != 0) continue;
		const cJSON *item = report_item(root, needed[i].keys);
		if (is_kind(item, needed[i].kind)) continue;
		return error_new(
		    ERROR_DATA, "%s is damaged: '%s' is %s, expected %s", path, needed[i].keys,
		    item ? "something else" : "missing", kind_names[needed[i].kind]);
	}
	return NULL;
}

/* -------------------------------------------------------------------------------------------------------- points --- */

static const char *text_of(const cJSON *fit, const char *keys) {
	return cJSON_GetStringValue(report_item(fit, keys));
}

/* 0 when it is not there. */
static double number_of(const cJSON *fit, const char *keys) {
	double value = report_number(fit, keys);
	return isfinite(value) ? value : 0;
}

struct fit_input report_fit_input(const cJSON *fit) {
	struct fit_input input = {
	    .N = text_of(fit, "columns.N"),
	    .D = text_of(fit, "columns.D"),
	    .C = text_of(fit, "columns.C"),
	    .loss = text_of(fit, "columns.loss"),
	    .loss_error = text_of(fit, "columns.loss_error"),
	    .group = text_of(fit, "columns.group"),
	    .weight = text_of(fit, "columns.weight"),
	    .seed = text_of(fit, "columns.seed"),
	    .N_scale = number_of(fit, "input.N_scale"),
	    .D_scale = number_of(fit, "input.D_scale"),
	    .C_scale = number_of(fit, "input.C_scale"),
	    .loss_scale = number_of(fit, "input.loss_scale"),
	    .drop_highest = (int64_t)number_of(fit, "input.drop_highest"),
	    .drop_lowest = (int64_t)number_of(fit, "input.drop_lowest"),
	    .skip_bad = cJSON_IsTrue(report_item(fit, "input.skip_bad"))};
	const cJSON *where = report_item(fit, "input.where"), *condition;
	cJSON_ArrayForEach(condition, where) {
		if (cJSON_IsString(condition) && input.where.count < OPTION_MOST_ITEMS)
			input.where.items[input.where.count++] = condition->valuestring;
	}
	return input;
}

static bool same(double a, double b) {
	return fabs(a - b) <= SAME * fabs(b);
}

/* Says in `why` how the table differs from the one that was fitted; nothing when it does not. */
static void compare(const cJSON *fit, const struct fit_points *points, struct text *why) {
	const cJSON *residuals = report_item(fit, "residuals");
	size_t fitted = (size_t)cJSON_GetArraySize(residuals);
	if (fitted != points->count) {
		text_add(
		    why, "fit.json is older than points.csv (it was fitted to %zu points, and now there are %zu)", fitted,
		    points->count);
		return;
	}
	double left_out = report_number(fit, "points.left_out");
	if (!isnan(left_out) && left_out != (double)points->left_out_count) {
		text_add(
		    why, "fit.json is older than points.csv (it knows of %.0f rows left out, and now there are %zu)", left_out,
		    points->left_out_count);
		return;
	}
	const cJSON *residual = residuals->child; /* in the order of the table */
	for (size_t i = 0; i < fitted; i++, residual = residual->next) {
		const struct fit_point *point = &points->items[i];
		const char *id = cJSON_GetStringValue(report_item(residual, "id"));
		if (id && point->id && strcmp(id, point->id) != 0) {
			text_add(
			    why, "fit.json is not of these points (points.csv, line %zu: the run is %.40s, and %.40s was fitted)",
			    point->line, point->id, id);
			return;
		}
		const struct {
			const char *name;
			double now;
		} values[] = {{"N", point->N}, {"D", point->D}, {"loss", point->loss}};
		for (size_t k = 0; k < COUNT_OF(values); k++) {
			double then = report_number(residual, values[k].name);
			if (same(then, values[k].now)) continue;
			text_add(
			    why, "fit.json is not of these points (points.csv, line %zu: %s is %.6g, and %.6g was fitted)",
			    point->line, values[k].name, values[k].now, then);
			return;
		}
	}
}

struct error *report_check_fit(struct report_lab *lab) {
	const struct fit_input input = report_fit_input(lab->fit);
	struct fit_points points = {0};
	struct error *error = fit_points_read(lab->path, &input, &points);
	if (!error) {
		compare(lab->fit, &points, &lab->no_fit);
		fit_points_free(&points);
		return text_error(&lab->no_fit);
	}
	if (error->kind != ERROR_DATA) return error;
	/* It cannot be read that way any more, so what takes its place goes by the usual columns. */
	text_add(&lab->no_fit, "fit.json does not go with the table (%s)", error->message);
	error_free(error);
	cJSON_Delete(lab->fit);
	lab->fit = NULL;
	return text_error(&lab->no_fit);
}
