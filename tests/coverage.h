/* coverage.h - how often intervals hold the truth: tables made from known surfaces, fitted, counted. */
#ifndef RUNG_TESTS_COVERAGE_H
#define RUNG_TESTS_COVERAGE_H

#include "fit/law.h"
#include "tests/fit_fixture.h"

#include <omp.h>
#include <string.h>

/* Where the points lie: a grid, every N a rung; or anywhere in the same box, every point a rung. */
enum coverage_design { DESIGN_GRID, DESIGN_SCATTERED };

struct coverage_case {
	const char *name;
	struct fit_surface truth;
	double N, D, decades; /* the smallest, and how far both reach beyond */
	double noise;         /* standard deviation of ln loss */
	enum coverage_design design;
	int side; /* side * side points */
};

/* E, alpha, beta, a, the law one decade beyond the largest N and D, and a new run there. */
enum { COVER_E, COVER_ALPHA, COVER_BETA, COVER_A, COVER_MEAN, COVER_RUN, COVERED };

struct coverage {
	int tables, converged;
	int inside[COVERED];
	int below[COVERED];      /* of those outside: the interval lies below the truth */
	double error[COVERED];   /* median |estimate - truth|; of the prediction, of ln loss */
	double squares[COVERED]; /* the same for least squares on ln loss, begun at the truth */
	double width[COVERED];   /* median of the intervals */
};

static inline struct fit_points coverage_points(const struct coverage_case *of, struct rng *rng) {
	struct fit_points points = {0};
	points.count = (size_t)(of->side * of->side);
	points.items = array_new(points.count, sizeof *points.items);
	assert_non_null(points.items);
	points.rungs = of->design == DESIGN_GRID ? of->side : (int)points.count;
	for (size_t i = 0; i < points.count; i++) {
		struct fit_point *at = &points.items[i];
		double n = (double)(i / (size_t)of->side) / (of->side - 1), d = (double)(i % (size_t)of->side) / (of->side - 1);
		if (of->design == DESIGN_SCATTERED) n = rng_uniform(rng), d = rng_uniform(rng);
		at->N = of->N * pow(10, of->decades * n);
		at->D = of->D * pow(10, of->decades * d);
		at->C = 6 * at->N * at->D;
		at->loss = fit_surface_loss(&of->truth, at->N, at->D) * exp(of->noise * rng_normal(rng));
		at->loss_error = NAN;
		at->weight = 1;
		at->seed = -1;
		at->rung = of->design == DESIGN_GRID ? (int)(i / (size_t)of->side) : (int)i;
		at->line = i + 2;
	}
	return points;
}

static inline void coverage_quantities(const struct fit_surface *surface, double N, double D, double out[COVERED]) {
	out[COVER_E] = surface->E;
	out[COVER_ALPHA] = surface->alpha;
	out[COVER_BETA] = surface->beta;
	out[COVER_A] = surface->beta / (surface->alpha + surface->beta);
	out[COVER_MEAN] = out[COVER_RUN] = log(fit_surface_loss(surface, N, D));
}

/* Least squares on ln loss from the truth. */
static inline struct fit_surface least_squares(const struct fit_points *points, const struct fit_surface *truth) {
	struct law law = law_chinchilla;
	struct table table;
	struct solution solution;
	double x[MOST_PARAMETERS] = {0};
	law.criterion.kind = OBJECTIVE_LOG_SQUARES;
	expect_success(surface_table(points, &table));
	double *work = array_new(1, law_work_size(&law, &table) + 1);
	assert_non_null(work);
	surface_centred(&table, truth, x);
	law_refit(&law, &table, HELD_NONE, x, 1, GRID_NONE, work, &solution);
	struct fit_surface surface = surface_of(&table, solution.x);
	free(work);
	table_free(&table);
	return surface;
}

/* One table: errors and widths (COVERED each), and what was inside. */
struct coverage_row {
	bool converged, inside[COVERED], below[COVERED];
	double error[COVERED], squares[COVERED], width[COVERED];
};

static inline void coverage_of_table(
    const struct coverage_case *of, size_t replicates, uint64_t seed, struct coverage_row *row) {
	struct rng rng = rng_make(seed, of->name);
	struct fit_points points = coverage_points(of, &rng);
	double N = of->N * pow(10, of->decades + 1), D = of->D * pow(10, of->decades + 1);
	double truth[COVERED], found[COVERED], plain[COVERED];
	struct fit_interval intervals[COVERED];
	struct fit_surface_result result;
	struct fit_replicates refits;
	struct fit_profile profiles[FIT_PROFILES];
	struct fit_outlook outlook;
	coverage_quantities(&of->truth, N, D, truth);
	truth[COVER_RUN] += of->noise * rng_normal(&rng);
	expect_success(fit_surface_solve(&points, NULL, &result));
	coverage_quantities(&result.surface, N, D, found);
	struct fit_surface squares = least_squares(&points, &of->truth);
	coverage_quantities(&squares, N, D, plain);
	expect_success(fit_bootstrap(&points, &result, RESAMPLE_AUTO, 1, seed, &refits)); /* for its noise */
	refits.count = replicates;
	expect_success(fit_profiles(&points, &result, RESAMPLE_AUTO, replicates, seed, profiles));
	expect_success(fit_outlook_at(&points, &result, &refits, N, D, seed, &outlook));
	for (int k = 0; k < FIT_PROFILES; k++) intervals[k] = profiles[k].interval;
	intervals[COVER_MEAN] = (struct fit_interval){log(outlook.mean[1].low), log(outlook.mean[1].high)};
	intervals[COVER_RUN] = (struct fit_interval){log(outlook.measurement[1].low), log(outlook.measurement[1].high)};
	row->converged = result.converged;
	for (int k = 0; k < COVERED; k++) {
		row->inside[k] = intervals[k].low <= truth[k] && truth[k] <= intervals[k].high;
		row->below[k] = intervals[k].high < truth[k];
		row->error[k] = fabs(found[k] - truth[k]);
		row->squares[k] = fabs(plain[k] - truth[k]);
		row->width[k] = intervals[k].high - intervals[k].low;
	}
	fit_profiles_free(profiles);
	fit_replicates_free(&refits);
	fit_points_free(&points);
}

static inline struct coverage coverage_sum(const struct coverage_row *rows, int tables) {
	struct coverage coverage = {.tables = tables};
	double *values = array_new((size_t)tables, sizeof *values);
	assert_non_null(values);
	for (int t = 0; t < tables; t++) coverage.converged += rows[t].converged;
	for (int k = 0; k < COVERED; k++) {
		for (int t = 0; t < tables; t++) {
			coverage.inside[k] += rows[t].inside[k];
			coverage.below[k] += rows[t].below[k];
		}
		for (int t = 0; t < tables; t++) values[t] = rows[t].error[k];
		coverage.error[k] = quantile_of(values, (size_t)tables, 0.5);
		for (int t = 0; t < tables; t++) values[t] = rows[t].squares[k];
		coverage.squares[k] = quantile_of(values, (size_t)tables, 0.5);
		for (int t = 0; t < tables; t++) values[t] = rows[t].width[k];
		coverage.width[k] = quantile_of(values, (size_t)tables, 0.5);
	}
	free(values);
	return coverage;
}

/* `tables` of the case, on all threads. */
static inline struct coverage coverage_of(const struct coverage_case *of, int tables, size_t replicates) {
	struct coverage_row *rows = array_new((size_t)tables, sizeof *rows);
	assert_non_null(rows);
#pragma omp parallel for schedule(dynamic)
	for (int t = 0; t < tables; t++) coverage_of_table(of, replicates, (uint64_t)t, &rows[t]);
	struct coverage coverage = coverage_sum(rows, tables);
	free(rows);
	return coverage;
}

#endif
