/* prediction.c - the largest rung, predicted from the smaller ones as if it had not been trained yet. */
#include "fit/input.h"
#include "fit/law.h"

#include <math.h>
#include <stdlib.h>

#define SAME_SIZE 1e-9 /* relative, as in design.c */
#define ROUNDING 1e-12
#define MOST_BOUNDED 40 /* points that get an interval; each takes some 800 refits */

/* The points below `N`. */
static struct error *smaller_points(const struct fit_points *points, double N, struct fit_points *smaller) {
	bool *kept = array_new(points->count + 1, sizeof *kept);
	if (!kept) return error_memory(points->count);
	for (size_t i = 0; i < points->count; i++) kept[i] = points->items[i].N * (1 + SAME_SIZE) < N;
	struct error *error = points_kept(points, kept, smaller);
	free(kept);
	return error;
}

static int by_horizon(const void *a, const void *b, void *context) {
	const struct fit_point *items = context;
	size_t x = ((const struct fit_predicted *)a)->point, y = ((const struct fit_predicted *)b)->point;
	int order = (items[x].D > items[y].D) - (items[x].D < items[y].D);
	return order ? order : (x > y) - (x < y);
}

/* k N^-p D^-q of the same points, at every point of the prediction. */
static struct error *add_baseline(
    const struct fit_points *all, const struct fit_points *smaller, const struct fit_method *method,
    struct fit_prediction *prediction) {
	struct table table;
	struct solution solution;
	struct law law = law_power_of_two;
	law.criterion = criterion_of(method);
	TRY(surface_table(smaller, &table));
	struct error *error = law_solve_adapting(&law, &table, &solution, NULL);
	for (size_t k = 0; k < prediction->count && !error; k++) {
		const struct fit_point *point = &all->items[prediction->points[k].point];
		double u[2] = {log(point->N) - table.mean_u[0], log(point->D) - table.mean_u[1]};
		prediction->points[k].baseline = exp(table.mean_y) * law_power_of_two.predict(solution.x, u, NULL, NULL);
		prediction->baseline_error +=
		    fabs(prediction->points[k].baseline / point->loss - 1) / (double)prediction->count;
	}
	table_free(&table);
	return error;
}

/* The interval of each measurement, as 'rung fit --predict' and 'rung predict' would have given it. */
static struct error *add_intervals(
    const struct fit_points *all, const struct fit_points *smaller, const struct fit_surface_result *result,
    enum fit_resampling resampling, size_t replicates, uint64_t seed, struct fit_prediction *prediction) {
	const struct law law = surface_law(&result->method);
	struct table table;
	struct settings settings;
	double x[MOST_PARAMETERS], loss, D = NAN;
	struct fit_interval run[FIT_OUTLOOK_LEVELS];
	TRY(surface_table_with_chance(smaller, result, &table, &settings));
	surface_centred(&table, &result->surface, x);
	struct outlook_law of = {
	    .law = &law, .table = &table, .x = x, .minimum = result->minimum, .method = resampling, .count = replicates};
	struct error *error = noise_estimate(&law, &table, x, &of.noise, &of.freedom);
	for (size_t k = 0; k < prediction->count && !error; k++) {
		struct fit_predicted *predicted = &prediction->points[k];
		const struct fit_point *point = &all->items[predicted->point];
		predicted->interval = (struct fit_interval){NAN, NAN};
		predicted->inside = true;
		if (k >= MOST_BOUNDED || replicates == 0) continue;
		if (point->D != D) error = outlook_of_law(&of, point->N, point->D, seed, &loss, NULL, run);
		if (error) break;
		D = point->D;
		predicted->interval = run[FIT_OUTLOOK_LEVELS - 1];
		predicted->inside = point->loss >= predicted->interval.low * (1 - ROUNDING) &&
		                    point->loss <= predicted->interval.high * (1 + ROUNDING);
		prediction->covered += predicted->inside;
		prediction->bounded++;
	}
	settings_free(&settings);
	table_free(&table);
	return error;
}

struct error *fit_predict_largest(
    const struct fit_points *points, const struct fit_method *method, enum fit_resampling resampling, size_t replicates,
    uint64_t seed, struct fit_prediction *prediction) {
	*prediction = (struct fit_prediction){0};
	for (size_t i = 0; i < points->count; i++) prediction->N = fmax(prediction->N, points->items[i].N);
	struct fit_points smaller;
	struct fit_design design;
	struct fit_surface_result result;
	TRY(smaller_points(points, prediction->N, &smaller));
	struct error *error = NULL;
	if (smaller.count == 0) {
		prediction->reason = "there is only one size";
		goto done;
	}
	error = fit_design_of(&smaller, &design);
	if (error) goto done;
	if (!design.surface) {
		prediction->reason = design.sizes < 3 ? "fewer than three sizes are left without the largest"
		                                      : "what is left without the largest size does not determine a surface";
		goto done;
	}
	prediction->points = array_new(points->count, sizeof *prediction->points);
	if (!prediction->points) {
		error = error_memory(points->count * sizeof *prediction->points);
		goto done;
	}
	error = fit_surface_solve(&smaller, method, &result);
	if (error) goto done;
	prediction->surface = result.surface;
	for (size_t i = 0; i < points->count; i++) {
		const struct fit_point *point = &points->items[i];
		if (point->N * (1 + SAME_SIZE) < prediction->N) continue;
		double predicted = fit_surface_loss(&result.surface, point->N, point->D);
		prediction->points[prediction->count++] = (struct fit_predicted){.point = i, .predicted = predicted};
		prediction->worst = fmax(prediction->worst, fabs(predicted / point->loss - 1));
	}
	qsort_r(prediction->points, prediction->count, sizeof *prediction->points, by_horizon, points->items);
	for (size_t k = 0; k < prediction->count; k++) {
		double loss = points->items[prediction->points[k].point].loss;
		prediction->error += fabs(prediction->points[k].predicted / loss - 1) / (double)prediction->count;
	}
	error = add_baseline(points, &smaller, method, prediction);
	if (error) goto done;
	error = add_intervals(points, &smaller, &result, resampling, replicates, seed, prediction);
	prediction->made = !error;
done:
	fit_points_free(&smaller);
	if (error) fit_prediction_free(prediction);
	return error;
}

void fit_prediction_free(struct fit_prediction *prediction) {
	free(prediction->points);
	*prediction = (struct fit_prediction){0};
}
