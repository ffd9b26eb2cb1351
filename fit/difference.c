/* difference.c - the naive forecast that carries on what the last step of the ladder brought. forecast.h says how. */
#include "fit/forecast.h"

#include <math.h>
#include <stdlib.h>

#define SAME_SIZE 1e-9 /* relative, as in design.c */

/* One size: its mean ln loss at every token count. */
struct step {
	double u;  /* ln N */
	double *v; /* (count) ln D, ascending */
	double *y; /* (count) ln loss */
	size_t count;
};

struct ladder {
	struct step *steps; /* ascending in N */
	size_t count;
	double *values; /* what the steps point into */
};

static int by_size(const void *a, const void *b) {
	const struct fit_point *x = a, *y = b;
	return (x->N > y->N) - (x->N < y->N);
}

static int by_tokens(const void *a, const void *b) {
	const struct fit_point *x = a, *y = b;
	return (x->D > y->D) - (x->D < y->D);
}

/* `sorted`: points of one size, ascending in D. */
static void fill_step(struct step *step, const struct fit_point *sorted, size_t count) {
	step->u = log(sorted[0].N);
	for (size_t i = 0; i < count;) {
		double D = sorted[i].D, v = 0, y = 0;
		size_t same = 0;
		for (; i < count && sorted[i].D <= D * (1 + SAME_PLACE); i++, same++) {
			v += log(sorted[i].D);
			y += log(sorted[i].loss);
		}
		step->v[step->count] = v / (double)same;
		step->y[step->count++] = y / (double)same;
	}
}

struct error *ladder_new(const struct fit_points *points, struct ladder **out) {
	size_t n = points->count;
	struct ladder *ladder = array_new(1, sizeof *ladder);
	struct fit_point *sorted = array_new(n + 1, sizeof *sorted);
	if (ladder) {
		ladder->steps = array_new(n + 1, sizeof *ladder->steps);
		ladder->values = array_new(2 * n + 1, sizeof *ladder->values);
	}
	if (!ladder || !sorted || !ladder->steps || !ladder->values) {
		free(sorted);
		ladder_free(ladder);
		return error_memory(n * (sizeof *sorted + sizeof *ladder->steps));
	}
	for (size_t i = 0; i < n; i++) sorted[i] = points->items[i];
	qsort(sorted, n, sizeof *sorted, by_size);
	for (size_t from = 0, to; from < n; from = to) {
		for (to = from; to < n && sorted[to].N <= sorted[from].N * (1 + SAME_SIZE);) to++;
		struct step *step = &ladder->steps[ladder->count++];
		*step = (struct step){.v = ladder->values + 2 * from, .y = ladder->values + 2 * from + (to - from)};
		qsort(sorted + from, to - from, sizeof *sorted, by_tokens);
		fill_step(step, sorted + from, to - from);
	}
	free(sorted);
	*out = ladder;
	return NULL;
}

void ladder_free(struct ladder *ladder) {
	if (!ladder) return;
	free(ladder->steps);
	free(ladder->values);
	free(ladder);
}

/* ln loss at v, by the first `count` points joined by lines; NaN where it takes a slope that a single point does not tell. */
static double read_off(const struct step *step, size_t count, double v) {
	if (count == 1) return fabs(v - step->v[0]) <= log1p(SAME_PLACE) ? step->y[0] : NAN;
	size_t k = 1;
	while (k + 1 < count && v > step->v[k]) k++;
	double along = (v - step->v[k - 1]) / (step->v[k] - step->v[k - 1]);
	return step->y[k - 1] + along * (step->y[k] - step->y[k - 1]);
}

/* How many token counts are below v, all of them when `all`. */
static size_t visible(const struct step *step, double v, bool all) {
	size_t count = 0;
	while (count < step->count && (all || step->v[count] < v - log1p(SAME_PLACE))) count++;
	return count;
}

/* The rule, from steps[k] and steps[k - 1]; unless `all`, from the tokens below the target's. *way: how far that is. NaN where
 * it cannot be applied. */
static double carried_on(const struct ladder *ladder, size_t k, double u, double v, bool all, double *way) {
	const struct step *above = &ladder->steps[k], *below = &ladder->steps[k - 1];
	size_t n1 = visible(above, v, all), n2 = visible(below, v, all);
	if (n1 == 0 || n2 == 0) return NAN;
	double least = fmax(above->v[0], below->v[0]), most = fmin(above->v[n1 - 1], below->v[n2 - 1]);
	double common = least <= most ? fmin(fmax(v, least), most) : (least + most) / 2;
	double slope = (read_off(above, n1, common) - read_off(below, n2, common)) / (above->u - below->u);
	double beyond = fmax(0, fmax(v - above->v[n1 - 1], above->v[0] - v));
	*way = hypot(u - above->u, beyond);
	return read_off(above, n1, v) + slope * (u - above->u);
}

bool ladder_difference(const struct ladder *ladder, double N, double D, double noise, double *center, double *spread) {
	double u = log(N), v = log(D), way, squares = 0;
	if (ladder->count < 2) return false;
	size_t k = 1, tried = 0;
	while (k + 1 < ladder->count && ladder->steps[k + 1].u <= u + SAME_SIZE) k++;
	*center = carried_on(ladder, k, u, v, true, &way);
	if (!isfinite(*center)) return false;
	/* The same rule where the answer is known. */
	const struct step *last = &ladder->steps[k];
	bool ahead = v > last->v[last->count - 1] + log1p(SAME_PLACE);
	for (size_t j = 2; j < ladder->count; j++) {
		const struct step *step = &ladder->steps[j];
		for (size_t i = 0; i < step->count; i++) {
			double tried_way, found = carried_on(ladder, j - 1, step->u, step->v[i], !ahead, &tried_way);
			if (!isfinite(found)) continue;
			double rate = (found - step->y[i]) / tried_way;
			squares += rate * rate;
			tried++;
		}
	}
	*spread = noise;
	if (tried) *spread = fmax(noise, way * sqrt(squares / (double)tried));
	return true;
}
