/* approaches.c - approaches 1 and 2 on the points of a fit: which rows, which compute, which noise. */
#include "fit/approach.h"

#include "fit/numeric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PER_DECADE 10 /* buckets of C, when approach 1 goes by them */
#define SAME_SIZE 1e-9

static const struct fit_approach_options as_suggested = {0};

static const struct fit_approach_options *options_of(const struct fit *fit) {
	return fit->options.approaches ? fit->options.approaches : &as_suggested;
}

/* --------------------------------------------------------------------------------------------------------------- rows --- */

struct by_size {
	double N;
	size_t row;
};

static int ascending(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Makes the finished runs of one size a run. */
static struct error *number_sizes(struct budget_row *rows, size_t n) {
	struct by_size *sizes = array_new(n + 1, sizeof *sizes);
	if (!sizes) return error_memory(n * sizeof *sizes);
	for (size_t i = 0; i < n; i++) sizes[i] = (struct by_size){rows[i].N, i};
	qsort(sizes, n, sizeof *sizes, ascending);
	for (size_t i = 0, run = 0; i < n; i++) {
		run += i > 0 && sizes[i].N > sizes[i - 1].N * (1 + SAME_SIZE);
		rows[sizes[i].row].run = (int)run;
	}
	free(sizes);
	return NULL;
}

static struct error *rows_of(const struct fit *fit, bool by_column, struct budget_row **rows, size_t *count) {
	const struct fit_points *points = fit->points;
	const double *labels = options_of(fit)->labels;
	*count = points->count + points->earlier_count;
	*rows = array_new(*count + 1, sizeof **rows);
	if (!*rows) return error_memory(*count * sizeof **rows);
	for (size_t i = 0; i < *count; i++) {
		const struct fit_point *at = i < points->count ? &points->items[i] : &points->earlier[i - points->count];
		(*rows)[i] = (struct budget_row){.N = at->N, .D = at->D, .loss = at->loss, .run = at->run};
		(*rows)[i].C = by_column ? at->C : 6 * at->N * at->D;
		(*rows)[i].label = labels && i < points->count ? labels[i] : NAN;
	}
	return points->runs > 0 ? NULL : number_sizes(*rows, *count);
}

/* How far the rows' C misses their labels: the median of |ln|. */
static double label_miss(const struct budget_row *rows, size_t n, double *work) {
	size_t known = 0;
	for (size_t i = 0; i < n; i++)
		if (!isnan(rows[i].label)) work[known++] = fabs(log(rows[i].C / rows[i].label));
	return quantile_of(work, known, 0.5);
}

/* C = 6 N D, unless the user says otherwise, or the labels or the groups are those of the table's own C. */
static struct error *choose_compute(
    const struct fit *fit, struct budget_row **rows, size_t *n, struct budget_plan *plan, bool *by_column) {
	const struct fit_approach_options *how = options_of(fit);
	*by_column = how->by_column;
	TRY(rows_of(fit, *by_column, rows, n));
	TRY(budget_plan_make(*rows, *n, how->budgets, how->budget_count, plan));
	bool settled = plan->source == BUDGETS_GROUPED || plan->source == BUDGETS_LISTED;
	if (*by_column || !fit->points->input.C || settled) return NULL;
	struct budget_row *others = NULL;
	struct budget_plan other = {0};
	double *work = array_new(*n + 1, sizeof *work);
	struct error *error = work ? rows_of(fit, true, &others, n) : error_memory(*n * sizeof *work);
	if (!error) error = budget_plan_make(others, *n, how->budgets, how->budget_count, &other);
	bool better = false;
	if (!error)
		better = plan->source == BUDGETS_LABELLED ? label_miss(others, *n, work) < label_miss(*rows, *n, work)
		                                          : other.source == BUDGETS_GROUPED;
	if (better) {
		struct budget_row *swap = *rows;
		struct budget_plan plan_swap = *plan;
		*rows = others, others = swap;
		*plan = other, other = plan_swap;
		*by_column = true;
	}
	free(others);
	free(work);
	budget_plan_free(&other);
	return error;
}

/* -------------------------------------------------------------------------------------------------------------- noise --- */

static struct error *choose_noise(const struct fit *fit, double *noise, const char **source) {
	*noise = options_of(fit)->noise;
	*source = "as given";
	if (*noise > 0) return NULL;
	*noise = fit->fitted && fit->surface.converged ? fit->replicates.noise.point : NAN;
	*source = "the residuals of the surface";
	if (*noise > 0) return NULL;
	const struct fit_points *points = fit->points;
	double *errors = array_new(points->count + 1, sizeof *errors);
	if (!errors) return error_memory(points->count * sizeof *errors);
	size_t known = 0;
	for (size_t i = 0; i < points->count; i++)
		if (points->items[i].loss_error > 0) errors[known++] = points->items[i].loss_error / points->items[i].loss;
	*noise = quantile_of(errors, known, 0.5);
	*source = known ? "the losses' own errors" : NULL;
	free(errors);
	return NULL;
}

/* --------------------------------------------------------------------------------------------------------------- both --- */

static struct error *run_first(
    const struct fit *fit, const struct budget_row *rows, size_t n, struct fit_approaches *approaches) {
	const struct fit_approach_options *how = options_of(fit);
	const struct envelope_options options = {how->buckets ? ENVELOPE_BUCKETS : ENVELOPE_HULL, PER_DECADE};
	struct lab_curves curves = {0};
	approaches->curves = fit->points->runs > 0 ? CURVES_OF_TABLE : FINISHED_RUNS;
	if (how->lab) TRY(lab_curves_read(how->lab, &curves));
	approaches->unreadable = curves.unreadable;
	if (curves.count > 0) {
		approaches->curves = curves.trunks ? CURVES_OF_LAB : CURVES_OF_RUNS;
		rows = curves.rows;
		n = curves.count;
	}
	/* Where the design ties N to C, an edge has the design's exponent, whatever the losses are. */
	const struct fit_design *design = &fit->design;
	bool finished = approaches->curves == FINISHED_RUNS;
	bool tied = design->sizes == 1 || (finished && (design->horizons == 1 || design->one_line));
	approaches->first = (struct approach1){.a_interval = {NAN, NAN}, .b_interval = {NAN, NAN}};
	struct error *error = tied ? NULL : approach1_run(rows, n, &options, &approaches->first);
	lab_curves_free(&curves);
	return error;
}

struct error *fit_approach(struct fit *fit) {
	struct fit_approaches *approaches = array_new(1, sizeof *approaches);
	if (!approaches) return error_memory(sizeof *approaches);
	fit->approaches = approaches;
	struct budget_row *rows = NULL;
	struct budget_plan plan = {0};
	size_t n = 0;
	double noise = NAN;
	struct error *error = choose_compute(fit, &rows, &n, &plan, &approaches->by_column);
	if (!error) error = choose_noise(fit, &noise, &approaches->noise_source);
	if (!error) {
		error = approach2_run(
		    rows, n, &plan, noise, (size_t)fit->options.replicates, (uint64_t)fit->options.seed, &approaches->second);
	}
	if (!error && fit->fitted && fit->surface.converged) {
		error = approach2_bias_of(rows, n, &plan, &fit->surface.surface, &approaches->bias);
		approaches->bias_known = !isnan(approaches->bias.a[BY_PARABOLA]) || !isnan(approaches->bias.a[BY_AKIMA]);
	}
	if (!error) error = run_first(fit, rows, n, approaches);
	const struct counting_input *counting = options_of(fit)->counting;
	if (!error && counting) error = fit_count_all(fit, counting, &approaches->counting);
	free(rows);
	budget_plan_free(&plan);
	return error;
}

void fit_approaches_free(struct fit_approaches *approaches) {
	if (!approaches) return;
	approach1_free(&approaches->first);
	approach2_free(&approaches->second);
	counting_free(&approaches->counting);
	free(approaches);
}
