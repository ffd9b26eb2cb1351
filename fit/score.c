/* score.c - what became of a forecast. */
#include "fit/forecast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------------------------------------------------- matching --- */

static bool same_id(const char *a, const char *b) {
	return a && b && strcmp(a, b) == 0;
}

/* The target that a run is, or -1: by id where both have one, else the nearest of the same place. */
static long target_of(const struct forecast *forecast, double N, double D, const char *id) {
	long best = -1;
	double least = INFINITY;
	for (size_t k = 0; k < forecast->count; k++) {
		const struct target *target = &forecast->targets[k];
		if (same_id(target->id, id)) return (long)k;
		if ((target->id && id) || !same_place(target->N, target->D, N, D)) continue;
		double distance = hypot(log(N / target->N), log(D / target->D));
		if (distance >= least) continue;
		least = distance;
		best = (long)k;
	}
	return best;
}

/* Orders by what a row says, ids aside. */
static int by_values(const void *a, const void *b) {
	const struct fit_point *x = *(const struct fit_point *const *)a, *y = *(const struct fit_point *const *)b;
	int order = (x->N > y->N) - (x->N < y->N);
	if (!order) order = (x->D > y->D) - (x->D < y->D);
	return order ? order : (x->loss > y->loss) - (x->loss < y->loss);
}

static bool is_used(const struct forecast *forecast, const struct fit_point *point) {
	for (size_t i = 0; i < forecast->used_count; i++) {
		const struct used *used = &forecast->used[i];
		if (same_id(used->id, point->id)) return true;
		if (used->N == point->N && used->D == point->D && used->loss == point->loss && !(used->id && point->id))
			return true;
	}
	return false;
}

static struct error *check_run(
    const struct forecast *forecast, const struct target *target, const struct fit_point *point) {
	if (is_used(forecast, point))
		return error_new(
		    ERROR_DATA,
		    "line %zu (N = %.6g, D = %.6g%s%.60s) is a run that the forecast was made from: it cannot be scored with "
		    "it",
		    point->line, point->N, point->D, point->id ? ", id " : "", point->id ? point->id : "");
	if (same_place(target->N, target->D, point->N, point->D)) return NULL;
	return error_new(
	    ERROR_DATA, "line %zu: run '%.60s' has N = %.6g, D = %.6g, but was predicted for N = %.6g, D = %.6g",
	    point->line, point->id, point->N, point->D, target->N, target->D);
}

/* How many of the rows that the forecast was made from are in the table as they were. */
static struct error *count_used(const struct forecast *forecast, const struct fit_points *points, size_t *found) {
	const struct fit_point **sorted = array_new(points->count + 1, sizeof *sorted);
	if (!sorted) return error_memory(points->count * sizeof *sorted);
	for (size_t i = 0; i < points->count; i++) sorted[i] = &points->items[i];
	qsort(sorted, points->count, sizeof *sorted, by_values);
	*found = 0;
	for (size_t i = 0; i < forecast->used_count; i++) {
		const struct used *used = &forecast->used[i];
		const struct fit_point row = {.N = used->N, .D = used->D, .loss = used->loss}, *key = &row;
		*found += bsearch(&key, sorted, points->count, sizeof *sorted, by_values) != NULL;
	}
	free(sorted);
	return NULL;
}

/* --------------------------------------------------------------------------------------------------------- scoring --- */

static bool is_inside(struct fit_interval interval, double value) {
	return value >= interval.low && value <= interval.high;
}

static void score_run(const struct forecast *forecast, struct scored *run) {
	double loss = run->point->loss;
	const struct prospect *prospects = forecast->prospects[run->target];
	for (int way = 0; way < WAYS; way++) {
		run->error[way] = prospects[way].made ? prospects[way].point / loss - 1 : NAN;
		run->crps[way] = prospects[way].made ? mixture_crps(&prospects[way].mixture, loss) : NAN;
	}
	run->z = mixture_z(&prospects[BY_LAW].mixture, loss);
	run->below = mixture_below(&prospects[BY_LAW].mixture, loss);
	run->in_half = is_inside(prospects[BY_LAW].half, loss);
	run->in_most = is_inside(prospects[BY_LAW].most, loss);
}

static void sum_up(struct score *score) {
	score->half.of = score->most.of = score->count;
	for (size_t i = 0; i < score->count; i++) {
		const struct scored *run = &score->items[i];
		score->half.inside += run->in_half;
		score->most.inside += run->in_most;
		for (int way = 0; way < WAYS; way++) {
			struct against *against = &score->ways[way];
			if (isnan(run->error[way])) continue;
			against->count++;
			against->crps += run->crps[way];
			against->error += fabs(run->error[way]);
			against->law_crps += run->crps[BY_LAW];
			against->law_error += fabs(run->error[BY_LAW]);
		}
	}
	for (int way = 0; way < WAYS; way++) {
		struct against *against = &score->ways[way];
		double count = (double)against->count; /* none: NaN */
		against->crps /= count;
		against->error /= count;
		against->law_crps /= count;
		against->law_error /= count;
	}
	score->half.interval = binomial_interval(score->half.inside, score->half.of, FIT_LEVEL);
	score->most.interval = binomial_interval(score->most.inside, score->most.of, FIT_LEVEL);
}

static int by_target(const void *a, const void *b) {
	const struct scored *x = a, *y = b;
	int order = (x->target > y->target) - (x->target < y->target);
	return order ? order : (x->point > y->point) - (x->point < y->point);
}

static void list_missing(const struct forecast *forecast, const struct fit_points *points, struct score *score) {
	for (size_t k = 0, i = 0; k < forecast->count; k++) {
		bool measured = i < score->count && score->items[i].target == k;
		while (i < score->count && score->items[i].target == k) i++;
		if (measured) continue;
		struct unmeasured *missing = &score->missing[score->missing_count++];
		*missing = (struct unmeasured){.target = k};
		for (size_t row = 0; row < points->left_out_count && !missing->reason; row++) {
			const struct fit_left_out *left_out = &points->left_out[row];
			if (target_of(forecast, left_out->N, left_out->D, left_out->id) == (long)k)
				missing->reason = left_out->reason;
		}
	}
}

struct error *score_forecast(const struct forecast *forecast, const struct fit_points *points, struct score *score) {
	*score = (struct score){0};
	struct error *error = NULL;
	score->items = array_new(points->count + 1, sizeof *score->items);
	score->missing = array_new(forecast->count + 1, sizeof *score->missing);
	if (!score->items || !score->missing) error = error_memory(points->count * sizeof *score->items);
	for (size_t i = 0; i < points->count && !error; i++) {
		const struct fit_point *point = &points->items[i];
		long target = target_of(forecast, point->N, point->D, point->id);
		if (target < 0) continue;
		error = check_run(forecast, &forecast->targets[target], point);
		score->items[score->count++] = (struct scored){.target = (size_t)target, .point = point};
	}
	if (!error) error = count_used(forecast, points, &score->used_found);
	if (error) {
		score_free(score);
		return error;
	}
	qsort(score->items, score->count, sizeof *score->items, by_target);
	for (size_t i = 0; i < score->count; i++) score_run(forecast, &score->items[i]);
	sum_up(score);
	list_missing(forecast, points, score);
	return NULL;
}

void score_free(struct score *score) {
	free(score->items);
	free(score->missing);
	*score = (struct score){0};
}

/* -------------------------------------------------------------------------------------------------------- coverage --- */

/* P(X <= k) of n independent events of chance p. */
static double binomial_below(size_t k, size_t n, double p) {
	if (p <= 0) return 1;
	if (p >= 1) return k >= n;
	double sum = 0;
	for (size_t i = 0; i <= k; i++)
		sum +=
		    exp(lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1) + (double)i * log(p) +
		        (double)(n - i) * log1p(-p));
	return sum;
}

struct fit_interval binomial_interval(size_t inside, size_t of, double level) {
	struct fit_interval interval = {0, 1};
	double tail = (1 - level) / 2;
	for (int end = 0; end < 2; end++) {
		/* The p at which so many, or so few, would be as unlikely as `tail`. */
		if (end == 0 ? inside == 0 : inside == of) continue;
		double low = 0, high = 1;
		for (int round = 0; round < 60; round++) {
			double p = (low + high) / 2;
			bool too_low =
			    end == 0 ? 1 - binomial_below(inside - 1, of, p) < tail : binomial_below(inside, of, p) > tail;
			*(too_low ? &low : &high) = p;
		}
		*(end == 0 ? &interval.low : &interval.high) = (low + high) / 2;
	}
	return interval;
}
