/* profile.c - what the table says about E alone: the objective minimised over everything else. */
#include "fit/law.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CURVE_POINTS 48
#define CURVE_HEIGHT 4 /* thresholds above the minimum that the curve goes up to */
#define MOST_STEPS 60
#define EDGE_DIGITS 1e-9 /* of the range searched: how exactly an end of the interval is found */

/* The profile and where its last point was, from which the next is near. */
struct search {
	const struct table *table;
	double *work;
	double minimum;
	double centre[MOST_PARAMETERS], last[MOST_PARAMETERS];
};

/* Objective above the minimum when e, in centred coordinates, is held. */
static double rise_at(struct search *search, double e) {
	double starts[2 * MOST_PARAMETERS];
	struct solution solution;
	memcpy(starts, search->last, sizeof(double) * FIT_SURFACE_PARAMETERS);
	memcpy(starts + FIT_SURFACE_PARAMETERS, search->centre, sizeof(double) * FIT_SURFACE_PARAMETERS);
	law_refit(&law_chinchilla, search->table, (struct held){0, e}, starts, 2, true, search->work, &solution);
	memcpy(search->last, solution.x, sizeof search->last);
	return solution.objective - search->minimum;
}

/* Between `inside`, where the rise is at most `height`, and `outside`: the value where it crosses. When it is below
 * `height` even at `outside`, that, and *reached becomes true. */
static double crossing(struct search *search, double inside, double outside, double height, bool *reached) {
	memcpy(search->last, search->centre, sizeof search->last);
	/* By steps that double, so that each search starts near the last. */
	double direction = outside - inside, part = 1.0 / 256, before = inside;
	for (;; part *= 2) {
		double at = part >= 1 ? outside : inside + direction * part;
		if (rise_at(search, at) > height) {
			outside = at;
			break;
		}
		before = at;
		if (part >= 1) {
			*reached = true;
			return outside;
		}
	}
	*reached = false;
	/* False position, the Illinois way, on the square root of the rise: near a minimum that is a straight line. */
	double low = sqrt(fmax(0, rise_at(search, before))) - sqrt(height),
	       high = sqrt(rise_at(search, outside)) - sqrt(height);
	for (int k = 0; k < MOST_STEPS && low < 0 && fabs(outside - before) > EDGE_DIGITS * fabs(direction); k++) {
		double at = before - low * (outside - before) / (high - low);
		double value = sqrt(fmax(0, rise_at(search, at))) - sqrt(height);
		if (value > 0) {
			outside = at;
			high = value;
			low /= k % 2 ? 2 : 1;
		} else {
			before = at;
			low = value;
			high /= k % 2 ? 2 : 1;
		}
	}
	return before;
}

double threshold_of_independent(const struct law *law, const struct table *table, const double *x, double *work) {
	int p = law_parameters(law), freedom = (int)table->count - p;
	if (freedom < 1) return NAN;
	for (size_t i = 0; i < table->count; i++)
		work[i] = log(law->predict(x, table->u + i * (size_t)table->variables, NULL, NULL)) - table->y[i];
	double scale = robust_scale(work, table->count, p, work + table->count);
	if (!(scale > 0)) return 0;
	double c = FIT_DELTA / scale, t = student_quantile((1 + FIT_LEVEL) / 2, freedom);
	double inside = 2 * normal_below(c) - 1;
	double psi_squared = scale * scale * (inside - 2 * c * normal_density(c) + 2 * c * c * normal_below(-c));
	return psi_squared / inside * t * t / 2;
}

static int by_E(const void *a, const void *b) {
	double x = ((const struct fit_profile_point *)a)->E, y = ((const struct fit_profile_point *)b)->E;
	return (x > y) - (x < y);
}

/* The curve from `low` to `high`, each half outwards from the estimate. */
static void trace(struct search *search, double low, double high, double unit, struct fit_profile *profile) {
	struct fit_profile_point *curve = profile->curve;
	double centre = search->centre[0];
	curve[profile->count++] = (struct fit_profile_point){centre * unit, search->minimum};
	double step = (high - low) / CURVE_POINTS;
	for (int side = -1; side <= 1; side += 2) {
		memcpy(search->last, search->centre, sizeof search->last);
		double end = side < 0 ? low : high;
		int steps = (int)ceil(fabs(end - centre) / step);
		for (int k = 1; k <= steps && profile->count < CURVE_POINTS + 3; k++) {
			double at = k == steps ? end : centre + (end - centre) * k / steps;
			curve[profile->count++] = (struct fit_profile_point){at * unit, search->minimum + rise_at(search, at)};
		}
	}
	qsort(curve, profile->count, sizeof *curve, by_E);
}

struct error *fit_profile_E(
    const struct fit_points *points, const struct fit_surface_result *result, const struct fit_replicates *replicates,
    struct fit_profile *profile) {
	struct table table;
	*profile = (struct fit_profile){0};
	TRY(surface_table(points, &table));
	struct error *error = NULL;
	size_t values_count = replicates && replicates->count > 2 * table.count ? replicates->count : 2 * table.count;
	double *work = array_new(law_work_size(&law_chinchilla, &table), 1);
	double *values = array_new(values_count, sizeof *values);
	profile->curve = array_new(CURVE_POINTS + 4, sizeof *profile->curve);
	if (!work || !values || !profile->curve) {
		error = error_memory(law_work_size(&law_chinchilla, &table) + values_count * sizeof *values);
		goto done;
	}
	struct search search = {.table = &table, .work = work, .minimum = result->objective};
	surface_centred(&table, &result->surface, search.centre);
	profile->threshold_independent = threshold_of_independent(&law_chinchilla, &table, search.centre, values);
	profile->threshold = profile->threshold_independent;
	if (replicates && replicates->count > 0) {
		memcpy(values, replicates->rise, sizeof *values * replicates->count);
		profile->threshold = quantile_of(values, replicates->count, FIT_LEVEL);
	}
	double unit = exp(table.mean_y), lowest = INFINITY;
	for (size_t i = 0; i < table.count; i++) lowest = fmin(lowest, exp(table.y[i]));
	double centre = search.centre[0], top = fmax(lowest, centre);
	profile->interval.low = unit * crossing(&search, centre, 0, profile->threshold, &profile->reaches_zero);
	profile->interval.high = unit * crossing(&search, centre, top, profile->threshold, &profile->reaches_lowest);
	bool ignored;
	double low = crossing(&search, centre, 0, CURVE_HEIGHT * profile->threshold, &ignored);
	double high = crossing(&search, centre, top, CURVE_HEIGHT * profile->threshold, &ignored);
	if (high - low < 0.02) { /* a table without noise: show that the profile is steep */
		low = fmax(0, centre - 0.01);
		high = centre + 0.01;
	}
	trace(&search, low, high, unit, profile);
done:
	free(work);
	free(values);
	table_free(&table);
	if (error) fit_profile_free(profile);
	return error;
}

void fit_profile_free(struct fit_profile *profile) {
	free(profile->curve);
	*profile = (struct fit_profile){0};
}
