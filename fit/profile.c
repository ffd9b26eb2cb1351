/* profile.c - what the table says about one quantity alone: the objective minimised over everything else, and how far it
 * may rise. */
#include "fit/law.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CURVE_POINTS 48
#define CURVE_HEIGHT 4 /* thresholds above the minimum that the curve goes up to */
#define MOST_STEPS 60
#define EDGE_DIGITS 1e-9         /* of the range searched: how exactly an end of the interval is found */
#define MOST_AT_ESTIMATE 400     /* tables simulated for the threshold there: its quantile is then good to a tenth */
#define MOST_AT_END 200          /* and at an end of the interval */
#define MOST_CALIBRATED 20000    /* rows: beyond, estimates are normal and the threshold at the estimate serves */
#define SHARE_EDGE 1e-6          /* a lies between this and one less it */
#define THRESHOLD_TREND_MOST 1.5 /* how far beyond the places where it was measured a threshold is extrapolated */

const char *const fit_profile_names[FIT_PROFILES] = {"E", "alpha", "beta", "a"};

/* The parameters of law_chinchilla. */
enum { E, A, B, ALPHA, BETA };

/* What is profiled, in the units of the curve: the loss over its geometric mean for E. */
struct quantity {
	enum fit_profiled kind;
	double least, most;
};

static double quantity_at(const struct quantity *quantity, const double *x) {
	switch (quantity->kind) {
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

/* `law` with the quantity held at v. */
static struct law hold(const struct law *law, const struct quantity *quantity, double v) {
	struct law held = *law;
	if (quantity->kind != PROFILE_A) {
		static const int parameter[] = {[PROFILE_E] = E, [PROFILE_ALPHA] = ALPHA, [PROFILE_BETA] = BETA};
		law_tie(&held, (struct tie){.target = parameter[quantity->kind], .source = -1, .constant = v});
		return held;
	}
	double rate = v / (1 - v);
	law_tie(&held, (struct tie){.target = BETA, .source = ALPHA, .rate = rate});
	/* alpha stays where beta is inside its box, too. */
	struct law_parameter *alpha = &held.parameters[ALPHA];
	const struct law_parameter *beta = &law->parameters[BETA];
	alpha->least = fmax(alpha->least, beta->least / rate);
	alpha->most = fmin(alpha->most, beta->most / rate);
	return held;
}

/* The profile, where its last point was, from which the next is near, and how far it may rise. */
struct search {
	const struct law *law;
	const struct table *table;
	struct quantity quantity;
	double *work;
	double minimum, estimate;
	double centre[MOST_PARAMETERS], last[MOST_PARAMETERS];
	double threshold, at_end, end; /* at the estimate, and where it was measured on the side in question */
};

/* Objective above the minimum when the quantity is held at v. */
static double rise_at(struct search *search, double v) {
	struct law held = hold(search->law, &search->quantity, v);
	double starts[2 * MOST_PARAMETERS];
	size_t p = (size_t)law_parameters(search->law);
	struct solution solution;
	memcpy(starts, search->last, sizeof(double) * p);
	memcpy(starts + p, search->centre, sizeof(double) * p);
	law_complete(&held, starts);
	law_complete(&held, starts + p);
	law_refit(&held, search->table, HELD_NONE, starts, 2, true, search->work, &solution);
	memcpy(search->last, solution.x, sizeof search->last);
	return solution.objective - search->minimum;
}

/* c(v), linear between the estimate and the place where it was measured, and a little beyond. */
static double threshold_at(const struct search *search, double v) {
	if (search->end == search->estimate) return search->threshold;
	double part = (v - search->estimate) / (search->end - search->estimate);
	part = fmin(fmax(part, 0), THRESHOLD_TREND_MOST);
	return fmax(search->threshold + part * (search->at_end - search->threshold), 0);
}

/* How far the curve lies above `height` thresholds, on the scale on which it is nearly straight. */
static double excess(struct search *search, double v, double height) {
	return sqrt(fmax(0, rise_at(search, v))) - sqrt(height * threshold_at(search, v));
}

/* Where, from the estimate towards `outside`, the rise crosses `height` times the threshold. When it is below even at
 * `outside`, that, and *reached becomes true. */
static double crossing(struct search *search, double outside, double height, bool *reached) {
	memcpy(search->last, search->centre, sizeof search->last);
	*reached = true;
	double before = search->estimate, direction = outside - before, high = 0, low;
	if (direction == 0) return outside;
	/* By steps that double, so that each search starts near the last. */
	for (double part = 1.0 / 256; *reached; part *= 2) {
		double at = part >= 1 ? outside : search->estimate + direction * part;
		high = excess(search, at, height);
		*reached = !(high > 0);
		if (*reached) before = at;
		if (*reached && part >= 1) return outside;
		if (!*reached) outside = at;
	}
	/* False position, the Illinois way. */
	low = fmin(excess(search, before, height), 0);
	for (int k = 0; k < MOST_STEPS && low < 0 && fabs(outside - before) > EDGE_DIGITS * fabs(direction); k++) {
		double at = before - low * (outside - before) / (high - low);
		double value = excess(search, at, height);
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
	double c = law->criterion.delta / scale, t = student_quantile((1 + FIT_LEVEL) / 2, freedom);
	double inside = 2 * normal_below(c) - 1;
	double psi_squared = scale * scale * (inside - 2 * c * normal_density(c) + 2 * c * c * normal_below(-c));
	return psi_squared / inside * t * t / 2;
}

/* ---------------------------------------------------------------------------------------------------- thresholds --- */

/* How thresholds are measured. */
struct calibration {
	struct resampling how; /* but for the laws that are held */
	struct fit_noise noise;
	int freedom;
};

/* The FIT_LEVEL quantiles of what the minimum rises by when each of the `held` laws, which x obeys, takes its place. */
static struct error *measure(
    const struct search *search, const struct calibration *calibration, const struct law *held, int count,
    const double *x, double *thresholds) {
	struct resampling how = calibration->how;
	struct resamples resamples;
	how.constrained = held;
	how.constrained_count = count;
	how.noise = &calibration->noise;
	how.freedom = calibration->freedom;
	TRY(resample(search->law, search->table, x, &how, &resamples));
	double *values = array_new(resamples.count + 1, sizeof *values);
	if (!values) {
		resamples_free(&resamples);
		return error_memory(resamples.count * sizeof *values);
	}
	for (int k = 0; k < count; k++) {
		for (size_t i = 0; i < resamples.count; i++) values[i] = resamples.rise[i * (size_t)count + (size_t)k];
		thresholds[k] = quantile_of(values, resamples.count, FIT_LEVEL);
	}
	free(values);
	resamples_free(&resamples);
	return NULL;
}

/* One end of the interval. Unless `calibration` is NULL its threshold is measured there, which moves it. */
static struct error *find_end(
    struct search *search, const struct calibration *calibration, double limit, double *end, double *threshold,
    bool *reaches) {
	search->end = search->estimate;
	search->at_end = search->threshold;
	*end = crossing(search, limit, 1, reaches);
	if (calibration && *end != search->estimate) {
		rise_at(search, *end); /* leaves the law that fits best there in search->last */
		struct law held = hold(search->law, &search->quantity, *end);
		double x[MOST_PARAMETERS], measured = search->threshold;
		memcpy(x, search->last, sizeof x);
		TRY(measure(search, calibration, &held, 1, x, &measured));
		search->end = *end;
		search->at_end = measured;
		*end = crossing(search, limit, 1, reaches);
	}
	*threshold = threshold_at(search, *end);
	return NULL;
}

/* --------------------------------------------------------------------------------------------------------- curve --- */

static int by_value(const void *a, const void *b) {
	double x = ((const struct fit_profile_point *)a)->value, y = ((const struct fit_profile_point *)b)->value;
	return (x > y) - (x < y);
}

/* The curve from `low` to `high`, each half outwards from the estimate. */
static void trace(struct search *search, double low, double high, double unit, struct fit_profile *profile) {
	struct fit_profile_point *curve = profile->curve;
	double centre = search->estimate;
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
	qsort(curve, profile->count, sizeof *curve, by_value);
}

static struct error *profile_one(
    struct search *search, const struct calibration *calibration, double unit, struct fit_profile *profile) {
	double low, high;
	const struct quantity *quantity = &search->quantity;
	profile->curve = array_new(CURVE_POINTS + 4, sizeof *profile->curve);
	if (!profile->curve) return error_memory((CURVE_POINTS + 4) * sizeof *profile->curve);
	profile->threshold = search->threshold;
	profile->estimate = search->estimate * unit;
	TRY(find_end(search, calibration, quantity->least, &low, &profile->threshold_low, &profile->reaches_low));
	TRY(find_end(search, calibration, quantity->most, &high, &profile->threshold_high, &profile->reaches_high));
	profile->interval = (struct fit_interval){low * unit, high * unit};
	bool ignored;
	search->end = search->estimate;
	low = crossing(search, quantity->least, CURVE_HEIGHT, &ignored);
	high = crossing(search, quantity->most, CURVE_HEIGHT, &ignored);
	if (high - low < 0.02) { /* a table without noise: show that the profile is steep */
		low = fmax(quantity->least, search->estimate - 0.01);
		high = fmin(quantity->most, search->estimate + 0.01);
	}
	trace(search, low, high, unit, profile);
	return NULL;
}

static struct quantity quantity_of(
    enum fit_profiled kind, const struct law *law, const struct table *table, double estimate) {
	const struct law_parameter *alpha = &law->parameters[ALPHA], *beta = &law->parameters[BETA];
	struct quantity quantity = {.kind = kind, .least = 0};
	switch (kind) {
	case PROFILE_E:
		quantity.most = INFINITY;
		for (size_t i = 0; i < table->count; i++)
			if (table->weight[i] > 0) quantity.most = fmin(quantity.most, exp(table->y[i]));
		break;
	case PROFILE_ALPHA:
		quantity.least = alpha->least;
		quantity.most = alpha->most;
		break;
	case PROFILE_BETA:
		quantity.least = beta->least;
		quantity.most = beta->most;
		break;
	default:
		quantity.least = beta->least / (beta->least + alpha->most) + SHARE_EDGE;
		quantity.most = beta->most / (beta->most + alpha->least) - SHARE_EDGE;
		break;
	}
	/* By rounding, or where the law lies above the lowest point, the estimate may be beyond. */
	quantity.least = fmin(quantity.least, estimate);
	quantity.most = fmax(quantity.most, estimate);
	return quantity;
}

struct error *fit_profiles(
    const struct fit_points *points, const struct fit_surface_result *result, enum fit_resampling method,
    size_t replicates, uint64_t seed, struct fit_profile profiles[FIT_PROFILES]) {
	const struct law *law = &law_chinchilla;
	struct table table;
	struct settings settings;
	struct law held[FIT_PROFILES];
	struct quantity quantities[FIT_PROFILES];
	double thresholds[FIT_PROFILES], independent;
	memset(profiles, 0, sizeof *profiles * FIT_PROFILES);
	TRY(surface_table_with_chance(points, result, &table, &settings));
	struct error *error = NULL;
	double *work = array_new(law_work_size(law, &table) + 2 * table.count * sizeof *work, 1);
	if (!work) {
		error = error_memory(law_work_size(law, &table) + 2 * table.count * sizeof *work);
		goto done;
	}
	struct search search = {.law = law, .table = &table, .work = work, .minimum = result->objective};
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
	for (int k = 0; k < FIT_PROFILES; k++) {
		double estimate = quantity_at(&(struct quantity){.kind = (enum fit_profiled)k}, search.centre);
		quantities[k] = quantity_of((enum fit_profiled)k, law, &table, estimate);
		held[k] = hold(law, &quantities[k], estimate);
		thresholds[k] = independent;
	}
	if (replicates > 0) error = measure(&search, &calibration, held, FIT_PROFILES, search.centre, thresholds);
	calibration.how.count = replicates < MOST_AT_END ? replicates : MOST_AT_END;
	bool imposes = replicates > 0 && resampling_imposes(method, &table) && table.count <= MOST_CALIBRATED;
	for (int k = 0; k < FIT_PROFILES && !error; k++) {
		search.quantity = quantities[k];
		search.estimate = quantity_at(&quantities[k], search.centre);
		search.threshold = thresholds[k];
		profiles[k].threshold_independent = independent;
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
