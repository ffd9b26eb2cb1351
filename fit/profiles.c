/* profiles.c - the profiles of the surface: E, alpha, beta and a. */
#include "fit/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CURVE_POINTS 48
#define CURVE_OF_LARGE 12    /* of a table beyond LARGE_TABLE */
#define CURVE_HEIGHT 4       /* thresholds above the minimum that the curve goes up to */
#define MOST_AT_ESTIMATE 400 /* tables simulated for the threshold there: its quantile is then good to a tenth */
#define MOST_AT_END 200      /* and at an end of the interval */
#define MOST_CALIBRATED 5000 /* rows: beyond, estimates are normal and the threshold at the estimate serves */
#define SHARE_EDGE 1e-6      /* a lies between this and one less it */

const char *const fit_profile_names[FIT_PROFILES] = {"E", "alpha", "beta", "a"};

/* The parameters of law_chinchilla. */
enum { E, A, B, ALPHA, BETA };

static double quantity_at(enum fit_profiled kind, const double *x) {
	switch (kind) {
	case PROFILE_E:
		return x[E];
	case PROFILE_ALPHA:
		return x[ALPHA];
	case PROFILE_BETA:
		return x[BETA];
	default:
		return x[BETA] / (x[ALPHA] + x[BETA]);
	}
}

static int by_value(const void *a, const void *b) {
	double x = ((const struct fit_profile_point *)a)->value, y = ((const struct fit_profile_point *)b)->value;
	return (x > y) - (x < y);
}

/* The curve from `low` to `high`, each half outwards from the estimate. */
static void trace(struct search *search, double low, double high, double unit, struct fit_profile *profile) {
	struct fit_profile_point *curve = profile->curve;
	double centre = search->estimate;
	curve[profile->count++] = (struct fit_profile_point){centre * unit, search->minimum};
	double step = (high - low) / (search->table->count > LARGE_TABLE ? CURVE_OF_LARGE : CURVE_POINTS);
	for (int side = -1; side <= 1; side += 2) {
		memcpy(search->last, search->centre, sizeof search->last);
		double end = side < 0 ? low : high;
		int steps = (int)ceil(fabs(end - centre) / step);
		for (int k = 1; k <= steps && profile->count < CURVE_POINTS + 3; k++) {
			double at = k == steps ? end : centre + (end - centre) * k / steps;
			curve[profile->count++] = (struct fit_profile_point){at * unit, search->minimum + search_rise(search, at)};
		}
	}
	qsort(curve, profile->count, sizeof *curve, by_value);
}

static struct error *profile_one(
    struct search *search, const struct calibration *calibration, double unit, struct fit_profile *profile) {
	struct search_end low, high;
	const struct quantity *quantity = &search->quantity;
	profile->curve = array_new(CURVE_POINTS + 4, sizeof *profile->curve);
	if (!profile->curve) return error_memory((CURVE_POINTS + 4) * sizeof *profile->curve);
	profile->threshold = search->threshold;
	profile->estimate = search->estimate * unit;
	TRY(search_end(search, calibration, FIT_LEVEL, quantity->least, &low));
	TRY(search_end(search, calibration, FIT_LEVEL, quantity->most, &high));
	profile->interval = (struct fit_interval){low.value * unit, high.value * unit};
	profile->threshold_low = low.threshold;
	profile->threshold_high = high.threshold;
	profile->reaches_low = low.reaches;
	profile->reaches_high = high.reaches;
	bool ignored;
	search->end = search->estimate;
	double from = search_crossing(search, quantity->least, CURVE_HEIGHT, &ignored);
	double to = search_crossing(search, quantity->most, CURVE_HEIGHT, &ignored);
	if (to - from < 0.02) { /* a table without noise: show that the profile is steep */
		from = fmax(quantity->least, search->estimate - 0.01);
		to = fmin(quantity->most, search->estimate + 0.01);
	}
	trace(search, from, to, unit, profile);
	double told = objective_unit(&search->law->criterion, search->table);
	for (size_t i = 0; i < profile->count; i++) profile->curve[i].objective *= told;
	profile->threshold *= told;
	profile->threshold_low *= told;
	profile->threshold_high *= told;
	return NULL;
}

static struct quantity quantity_of(
    enum fit_profiled kind, const struct law *law, const struct table *table, double estimate) {
	const struct law_parameter *alpha = &law->parameters[ALPHA], *beta = &law->parameters[BETA];
	struct quantity quantity = {.kind = HOLD_PARAMETER};
	switch (kind) {
	case PROFILE_E:
		quantity.parameter = E;
		/* With noise, a floor may lie above some of the points, but not above all of them. */
		for (size_t i = 0; i < table->count; i++)
			if (table->weight[i] > 0) quantity.most = fmax(quantity.most, exp(table->y[i]));
		break;
	case PROFILE_ALPHA:
		quantity.parameter = ALPHA;
		quantity.least = alpha->least;
		quantity.most = alpha->most;
		break;
	case PROFILE_BETA:
		quantity.parameter = BETA;
		quantity.least = beta->least;
		quantity.most = beta->most;
		break;
	default:
		quantity.kind = HOLD_SHARE;
		quantity.parameter = ALPHA;
		quantity.other = BETA;
		quantity.least = beta->least / (beta->least + alpha->most) + SHARE_EDGE;
		quantity.most = beta->most / (beta->most + alpha->least) - SHARE_EDGE;
		break;
	}
	/* By rounding the estimate may be beyond. */
	quantity.least = fmin(quantity.least, estimate);
	quantity.most = fmax(quantity.most, estimate);
	return quantity;
}

struct error *fit_profiles(
    const struct fit_points *points, const struct fit_surface_result *result, enum fit_resampling method,
    size_t replicates, uint64_t seed, struct fit_profile profiles[FIT_PROFILES]) {
	const struct law form = surface_law(&result->method), *law = &form;
	struct table table;
	struct settings settings;
	struct law held[FIT_PROFILES];
	struct quantity quantities[FIT_PROFILES];
	double thresholds[FIT_PROFILES], estimates[FIT_PROFILES], independent;
	memset(profiles, 0, sizeof *profiles * FIT_PROFILES);
	TRY(surface_table_with_chance(points, result, &table, &settings));
	struct error *error = NULL;
	double *work = array_new(law_work_size(law, &table) + 2 * table.count * sizeof *work, 1);
	if (!work) {
		error = error_memory(law_work_size(law, &table) + 2 * table.count * sizeof *work);
		goto done;
	}
	struct search search = {.law = law, .table = &table, .work = work, .minimum = result->minimum};
	struct calibration calibration = {
	    .how = {
	        .method = method,
	        .count = replicates < MOST_AT_ESTIMATE ? replicates : MOST_AT_ESTIMATE,
	        .seed = seed,
	        .stream = "profile"}};
	surface_centred(&table, &result->surface, search.centre);
	independent = threshold_of_independent(law, &table, search.centre, work);
	error = noise_estimate(law, &table, search.centre, &calibration.noise, &calibration.freedom);
	if (error) goto done;
	for (enum fit_profiled k = 0; k < FIT_PROFILES; k++) {
		estimates[k] = quantity_at(k, search.centre);
		search.quantity = quantities[k] = quantity_of(k, law, &table, estimates[k]);
		search_hold(&search, estimates[k], &held[k]);
		thresholds[k] = independent;
	}
	const double level = FIT_LEVEL;
	if (replicates > 0)
		error = search_measure(&search, &calibration, held, FIT_PROFILES, search.centre, &level, 1, thresholds);
	calibration.how.count = replicates < MOST_AT_END ? replicates : MOST_AT_END;
	bool imposes = replicates > 0 && resampling_chosen(method) == RESAMPLE_SIMULATED && table.count <= MOST_CALIBRATED;
	for (enum fit_profiled k = 0; k < FIT_PROFILES && !error; k++) {
		search.quantity = quantities[k];
		search.estimate = estimates[k];
		search.threshold = thresholds[k];
		profiles[k].threshold_independent = independent * objective_unit(&law->criterion, &table);
		error =
		    profile_one(&search, imposes ? &calibration : NULL, k == PROFILE_E ? exp(table.mean_y) : 1, &profiles[k]);
	}
done:
	free(work);
	settings_free(&settings);
	table_free(&table);
	if (error) fit_profiles_free(profiles);
	return error;
}

void fit_profiles_free(struct fit_profile profiles[FIT_PROFILES]) {
	for (int k = 0; k < FIT_PROFILES; k++) {
		free(profiles[k].curve);
		profiles[k] = (struct fit_profile){0};
	}
}
