/* counting.c - the same runs under every convention of counting parameters and compute. */
#include "fit/approach.h"

#include "fit/input.h"
#include "fit/lab.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_REPLICATES 200 /* the intervals of a comparison need not have four digits */

/* ------------------------------------------------------------------------------------------------------------- values --- */

static struct error *read_values(
    const char *source, const struct fit_points *points, const char *column, size_t extra, double scale,
    double *values) {
	for (size_t i = 0; i < points->count; i++) {
		const struct fit_point *point = &points->items[i];
		const struct field field = {.text = point->extra[extra]};
		if (field_number(&field, true, &values[i]) && values[i] * scale >= DBL_MIN && values[i] * scale <= DBL_MAX) {
			values[i] *= scale;
			continue;
		}
		return error_new(
		    ERROR_DATA, "%s: line %zu, column %s: found '%.40s', expected a finite number above zero", source,
		    point->line, column, point->extra[extra]);
	}
	return NULL;
}

static struct error *add_count(
    struct counting_input *input, bool of_C, const char *name, size_t points, double **values) {
	struct counting_column *column = of_C ? &input->C[input->C_count] : &input->N[input->N_count];
	if ((of_C ? input->C_count : input->N_count) == COUNTING_MOST)
		return error_new(ERROR_USAGE, "--count-%c: more than %d columns", of_C ? 'C' : 'N', COUNTING_MOST);
	snprintf(column->name, sizeof column->name, "%s", name);
	column->values = *values = array_new(points + 1, sizeof **values);
	if (!*values) return error_memory(points * sizeof **values);
	*(of_C ? &input->C_count : &input->N_count) += 1;
	return NULL;
}

struct error *counting_from_columns(
    const char *source, const struct fit_points *points, const struct counting_name *names, size_t count,
    size_t first_extra, struct counting_input *input) {
	for (size_t k = 0; k < count; k++) {
		double *values, scale = names[k].of_C ? points->input.C_scale : points->input.N_scale;
		if (points->count > 0 && !points->items[0].extra[first_extra + k])
			continue; /* a lab of old has no such column */
		TRY(add_count(input, names[k].of_C, names[k].name, points->count, &values));
		TRY(read_values(source, points, names[k].column, first_extra + k, scale > 0 ? scale : 1, values));
	}
	return NULL;
}

/* The attention's FLOPs per token from the record of a run; NaN where there is none, or a damaged one. */
static struct error *attention_of(const char *lab, const char *id, double *attention) {
	*attention = NAN;
	struct text path = {0};
	cJSON *record = NULL;
	text_add(&path, "%s/runs/%s/run.json", lab, id ? id : "");
	struct error *error = text_error(&path);
	if (!error && id && file_exists(path.data)) error = lab_record_read(path.data, id, &record);
	const cJSON *shape = cJSON_GetObjectItemCaseSensitive(record, "shape");
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(shape, "attention_flops");
	if (cJSON_IsNumber(value)) *attention = value->valuedouble;
	if (error && error->kind == ERROR_DATA) { /* one convention less can be compared */
		error_free(error);
		error = NULL;
	}
	cJSON_Delete(record);
	text_free(&path);
	return error;
}

struct error *counting_from_lab(const char *lab, const struct fit_points *points, struct counting_input *input) {
	double *values;
	if (!points->input.C || input->C_count == 0) return NULL;
	TRY(add_count(input, true, "exact, no attention", points->count, &values));
	for (size_t i = 0; i < points->count; i++) {
		const struct fit_point *point = &points->items[i];
		double attention;
		TRY(attention_of(lab, point->id, &attention));
		values[i] = input->C[0].values[i] - point->D * attention;
		if (values[i] > 0) continue; /* false for NaN too */
		free(values);
		input->C_count--;
		break;
	}
	return NULL;
}

void counting_input_free(struct counting_input *input) {
	for (size_t k = 0; k < input->N_count; k++) free(input->N[k].values);
	for (size_t k = 0; k < input->C_count; k++) free(input->C[k].values);
	*input = (struct counting_input){0};
}

/* --------------------------------------------------------------------------------------------------------------- fits --- */

/* s = d ln(C/D) / d ln N over the points: how a token's compute grows with the size. */
static double elasticity_of(const struct fit_points *points, const double *C) {
	double mean_u = 0, mean_v = 0, uu = 0, uv = 0, n = (double)points->count;
	for (size_t i = 0; i < points->count; i++) {
		mean_u += log(points->items[i].N) / n;
		mean_v += log(C[i] / points->items[i].D) / n;
	}
	for (size_t i = 0; i < points->count; i++) {
		double u = log(points->items[i].N) - mean_u;
		uu += u * u;
		uv += u * (log(C[i] / points->items[i].D) - mean_v);
	}
	return uv / uu;
}

static double alpha_of(const struct fit_surface *surface, const void *context) {
	(void)context;
	return surface->alpha;
}
static double beta_of(const struct fit_surface *surface, const void *context) {
	(void)context;
	return surface->beta;
}
static double E_of(const struct fit_surface *surface, const void *context) {
	(void)context;
	return surface->E;
}
static double share_of(const struct fit_surface *surface, const void *context) {
	return surface->beta / (surface->alpha + *(const double *)context * surface->beta);
}

static struct error *fit_count(
    const struct fit *fit, const struct counting_input *input, size_t k, struct fit_points *copy,
    struct counting *counting) {
	struct fit_surface_result result;
	struct fit_replicates replicates = {0};
	size_t draws =
	    (size_t)fit->options.replicates < MOST_REPLICATES ? (size_t)fit->options.replicates : MOST_REPLICATES;
	for (size_t i = 0; i < copy->count; i++) {
		copy->items[i] = fit->points->items[i];
		copy->items[i].N = input->N[k].values[i];
	}
	struct fit_design design;
	TRY(fit_design_of(copy, &design));
	if (!design.surface) return NULL;
	TRY(fit_surface_solve(copy, &fit->options.method, &result));
	struct error *error = NULL;
	if (result.converged)
		error = fit_bootstrap(copy, &result, fit->options.resampling, draws, (uint64_t)fit->options.seed, &replicates);
	for (size_t c = 0; c <= input->C_count && !error; c++) {
		struct counting_row *row = &counting->rows[counting->count++];
		*row = (struct counting_row){
		    .N = input->N[k].name, .C = c == 0 ? "6ND" : input->C[c - 1].name, .surface = result.surface};
		row->converged = result.converged;
		row->elasticity = c == 0 ? 1 : elasticity_of(copy, input->C[c - 1].values);
		row->a = share_of(&result.surface, &row->elasticity);
		if (!result.converged) continue;
		error = fit_interval_of(&replicates, alpha_of, NULL, &row->alpha);
		if (!error) error = fit_interval_of(&replicates, beta_of, NULL, &row->beta);
		if (!error) error = fit_interval_of(&replicates, E_of, NULL, &row->E);
		if (!error) error = fit_interval_of(&replicates, share_of, &row->elasticity, &row->a_interval);
	}
	fit_replicates_free(&replicates);
	return error;
}

bool counting_known(double value, struct fit_interval interval) {
	return interval.high - interval.low <= value;
}

struct error *fit_count_all(const struct fit *fit, const struct counting_input *input, struct counting *counting) {
	*counting = (struct counting){0};
	size_t rows = input->N_count * (input->C_count + 1);
	if (rows < 2) return NULL; /* nothing to compare */
	struct fit_points copy = {.count = fit->points->count, .rungs = fit->points->rungs};
	copy.items = array_new(copy.count + 1, sizeof *copy.items);
	counting->rows = array_new(rows, sizeof *counting->rows);
	struct error *error = !copy.items || !counting->rows
	                          ? error_memory(copy.count * sizeof *copy.items + rows * sizeof *counting->rows)
	                          : NULL;
	for (size_t k = 0; k < input->N_count && !error; k++) error = fit_count(fit, input, k, &copy, counting);
	for (size_t i = 0; i < counting->count; i++) {
		const struct counting_row *row = &counting->rows[i];
		if (!row->converged || !counting_known(row->a, row->a_interval)) continue;
		if (!counting->lowest || row->a < counting->lowest->a) counting->lowest = row;
		if (!counting->highest || row->a > counting->highest->a) counting->highest = row;
	}
	free(copy.items);
	if (error) counting_free(counting);
	return error;
}

void counting_free(struct counting *counting) {
	free(counting->rows);
	*counting = (struct counting){0};
}
