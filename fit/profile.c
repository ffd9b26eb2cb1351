/* profile.c - what the table says about one quantity alone: the objective minimised over everything else, and how far it
 * may rise. */
#include "fit/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_STEPS 60
#define FAR 40                   /* standard deviations that no normal error reaches */
#define EDGE_DIGITS 1e-9         /* of the range searched: how exactly an end of the interval is found */
#define THRESHOLD_TREND_MOST 1.5 /* how far beyond the places where it was measured a threshold is extrapolated */

void search_hold(const struct search *search, double v, struct law *law) {
	const struct quantity *quantity = &search->quantity;
	*law = *search->law;
	if (quantity->kind == HOLD_LOSS) {
		size_t last = search->table->count - 1;
		search->table->y[last] = v;
		search->table->weight[last] = quantity->weight;
	} else if (quantity->kind == HOLD_PARAMETER) {
		law_tie(law, (struct tie){.target = quantity->parameter, .source = -1, .constant = v});
	} else {
		double rate = v / (1 - v);
		law_tie(law, (struct tie){.target = quantity->other, .source = quantity->parameter, .rate = rate});
		/* The one stays where the other is inside its box, too. */
		struct law_parameter *free = &law->parameters[quantity->parameter];
		const struct law_parameter *tied = &law->parameters[quantity->other];
		free->least = fmax(free->least, tied->least / rate);
		free->most = fmin(free->most, tied->most / rate);
	}
}

static void let_go(const struct search *search) {
	if (search->quantity.kind == HOLD_LOSS) search->table->weight[search->table->count - 1] = 0;
}

double search_rise(struct search *search, double v) {
	struct law held;
	double starts[2 * MOST_PARAMETERS];
	size_t p = (size_t)law_parameters(search->law);
	struct solution solution;
	search_hold(search, v, &held);
	memcpy(starts, search->last, sizeof(double) * p);
	memcpy(starts + p, search->centre, sizeof(double) * p);
	law_complete(&held, starts);
	law_complete(&held, starts + p);
	int start_count = search->table->count > LARGE_TABLE ? 1 : 2;
	law_refit(&held, search->table, HELD_NONE, starts, start_count, GRID_DOUBT, search->work, &solution);
	let_go(search);
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
	return sqrt(fmax(0, search_rise(search, v))) - sqrt(height * threshold_at(search, v));
}

double search_crossing(struct search *search, double outside, double height, bool *reached) {
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
	double c = law->criterion.kind == OBJECTIVE_HUBER ? law->criterion.delta / scale : FAR,
	       t = student_quantile((1 + FIT_LEVEL) / 2, freedom);
	double inside = 2 * normal_below(c) - 1;
	double psi_squared = scale * scale * (inside - 2 * c * normal_density(c) + 2 * c * c * normal_below(-c));
	return psi_squared / inside * t * t / 2;
}

/* ---------------------------------------------------------------------------------------------------- thresholds --- */

struct error *search_measure(
    const struct search *search, const struct calibration *calibration, const struct law *held, int count,
    const double *x, const double *levels, int level_count, double *thresholds) {
	struct resampling how = calibration->how;
	struct resamples resamples;
	how.constrained = held;
	how.constrained_count = count;
	how.noise = &calibration->noise;
	how.freedom = calibration->freedom;
	if (search->quantity.kind == HOLD_LOSS) {
		how.probe = search->quantity.weight;
		how.probe_noisy = search->quantity.noisy;
	}
	TRY(resample(search->law, search->table, x, &how, &resamples));
	double *values = array_new(resamples.count + 1, sizeof *values);
	if (!values) {
		resamples_free(&resamples);
		return error_memory(resamples.count * sizeof *values);
	}
	for (int k = 0; k < count; k++) {
		for (size_t i = 0; i < resamples.count; i++) values[i] = resamples.rise[i * (size_t)count + (size_t)k];
		for (int l = 0; l < level_count; l++)
			thresholds[k * level_count + l] = quantile_fair(values, resamples.count, levels[l]);
	}
	free(values);
	resamples_free(&resamples);
	return NULL;
}

struct error *search_end(
    struct search *search, const struct calibration *calibration, double level, double limit, struct search_end *end) {
	search->end = search->estimate;
	search->at_end = search->threshold;
	end->value = search_crossing(search, limit, 1, &end->reaches);
	if (calibration && end->value != search->estimate) {
		search_rise(search, end->value); /* leaves the law that fits best there in search->last */
		struct law held;
		double x[MOST_PARAMETERS], measured = search->threshold;
		memcpy(x, search->last, sizeof x);
		search_hold(search, end->value, &held);
		let_go(search);
		TRY(search_measure(search, calibration, &held, 1, x, &level, 1, &measured));
		search->end = end->value;
		search->at_end = measured;
		end->value = search_crossing(search, limit, 1, &end->reaches);
	}
	end->threshold = threshold_at(search, end->value);
	return NULL;
}
