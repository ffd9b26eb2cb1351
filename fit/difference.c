/* difference.c - the naive forecast that carries on what the last step of the ladder brought, or where there are no steps the
 * plane through its nearest rows. forecast.h says how. */
#include "fit/forecast.h"

#include <math.h>
#include <stdlib.h>

#define SAME_SIZE 1e-9 /* relative, as in design.c */
#define NEAREST 6      /* rows that a plane goes through at first: twice what it takes */
#define FLATTEST 0.99  /* squared correlation of ln N and ln D beyond which rows lie on a line rather than in a plane */
#define MOST_TRIED 200 /* rows that the plane is tried on */

/* One size: its mean ln loss at every token count. */
struct step {
	double u;  /* ln N */
	double *v; /* (count) ln D, ascending */
	double *y; /* (count) ln loss */
	size_t count;
};

/* A measurement, in logs. */
struct row {
	double u, v, y;
};

struct neighbour {
	double distance; /* to the target in (ln N, ln D) */
	const struct row *row;
};

struct ladder {
	struct step *steps; /* ascending in N */
	size_t count;
	double *values; /* what the steps point into */
	struct row *rows;
	size_t row_count;
	struct neighbour *near; /* (row_count) work of on_plane */
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
		ladder->rows = array_new(n + 1, sizeof *ladder->rows);
		ladder->near = array_new(n + 1, sizeof *ladder->near);
	}
	if (!ladder || !sorted || !ladder->steps || !ladder->values || !ladder->rows || !ladder->near) {
		free(sorted);
		ladder_free(ladder);
		return error_memory(n * (sizeof *sorted + sizeof *ladder->steps));
	}
	for (size_t i = 0; i < n; i++) sorted[i] = points->items[i];
	qsort(sorted, n, sizeof *sorted, by_size);
	for (; ladder->row_count < n; ladder->row_count++) {
		const struct fit_point *point = &sorted[ladder->row_count];
		ladder->rows[ladder->row_count] = (struct row){log(point->N), log(point->D), log(point->loss)};
	}
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
	free(ladder->near);
	free(ladder->rows);
	free(ladder->steps);
	free(ladder->values);
	free(ladder);
}

/* ---------------------------------------------------------------------------------------------------------- steps --- */

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

static bool by_steps(const struct ladder *ladder, double u, double v, double noise, double *center, double *spread) {
	double way, squares = 0;
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

/* ---------------------------------------------------------------------------------------------------------- plane --- */

static int by_distance(const void *a, const void *b) {
	const struct neighbour *x = a, *y = b;
	int order = (x->distance > y->distance) - (x->distance < y->distance);
	return order ? order : (x->row > y->row) - (x->row < y->row);
}

/* ln loss at (u, v) of the least-squares plane through the nearest rows whose u + v is below `most`: NEAREST of them, or as
 * many as it takes until they are no line. *way: from their middle to the target. NaN where all of them are a line. */
static double on_plane(struct ladder *ladder, double u, double v, double most, double *way) {
	size_t count = 0;
	for (size_t i = 0; i < ladder->row_count; i++) {
		const struct row *row = &ladder->rows[i];
		if (row->u + row->v < most) ladder->near[count++] = (struct neighbour){hypot(row->u - u, row->v - v), row};
	}
	qsort(ladder->near, count, sizeof *ladder->near, by_distance);
	double n = 0, mu = 0, mv = 0, my = 0, uu = 0, vv = 0, uv = 0, uy = 0, vy = 0; /* means, sums about them */
	for (size_t i = 0; i < count; i++) {
		const struct row *row = ladder->near[i].row;
		double du = row->u - mu, dv = row->v - mv, dy = row->y - my;
		n++;
		mu += du / n;
		mv += dv / n;
		my += dy / n;
		uu += du * (row->u - mu);
		vv += dv * (row->v - mv);
		uv += du * (row->v - mv);
		uy += du * (row->y - my);
		vy += dv * (row->y - my);
		double determinant = uu * vv - uv * uv;
		if (i + 1 < NEAREST || !(determinant > (1 - FLATTEST) * uu * vv)) continue;
		*way = hypot(u - mu, v - mv);
		return my + ((vv * uy - uv * vy) * (u - mu) + (uu * vy - uv * uy) * (v - mv)) / determinant;
	}
	return NAN;
}

static bool by_plane(struct ladder *ladder, double u, double v, double noise, double *center, double *spread) {
	double way, tried_way, squares = 0;
	size_t tried = 0;
	*center = on_plane(ladder, u, v, INFINITY, &way);
	if (!isfinite(*center)) return false;
	for (size_t i = ladder->row_count; i-- > 0 && tried < MOST_TRIED;) {
		const struct row *row = &ladder->rows[i];
		double found = on_plane(ladder, row->u, row->v, row->u + row->v - log1p(SAME_PLACE), &tried_way);
		if (!isfinite(found)) continue;
		squares += (found - row->y) * (found - row->y) / (tried_way * tried_way);
		tried++;
	}
	*spread = noise;
	if (tried) *spread = fmax(noise, way * sqrt(squares / (double)tried));
	return true;
}

bool ladder_difference(struct ladder *ladder, double N, double D, double noise, double *center, double *spread) {
	double u = log(N), v = log(D);
	return by_steps(ladder, u, v, noise, center, spread) || by_plane(ladder, u, v, noise, center, spread);
}
