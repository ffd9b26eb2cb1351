/* isoflop.c - what each rung would have at the same budget, and the parabola through that. */
#include "fit/approach.h"
#include "fit/law.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BUDGETS 6
#define LEAST_MINIMA 3 /* for a slope */
#define SAME_SIZE 1e-9 /* relative, as in design.c */
#define SAME_HORIZON 1e-6

/* ---------------------------------------------------------------------------------------------------- interpolation --- */

/* The points of one size, ascending in D; points of one D (seeds) are averaged. */
struct ladder {
	double N;
	double *x, *y; /* ln D, ln loss */
	size_t count;
};

static bool reads_at(const struct ladder *ladder, double x) {
	return x >= ladder->x[0] - 1e-12 && x <= ladder->x[ladder->count - 1] + 1e-12;
}

/* ------------------------------------------------------------------------------------------------------- ladders --- */

static int by_size_and_horizon(const void *a, const void *b) {
	const struct fit_point *x = a, *y = b;
	int order = (x->N > y->N) - (x->N < y->N);
	return order ? order : (x->D > y->D) - (x->D < y->D);
}

/* One ladder per size, ascending in N; x and y of all of them are in memory[0..2n). Returns their number. */
static size_t make_ladders(const struct fit_point *sorted, size_t n, double *memory, struct ladder *ladders) {
	size_t count = 0, seeds = 0;
	double *x = memory, *y = memory + n;
	for (size_t i = 0; i < n; i++) {
		struct ladder *ladder = count ? &ladders[count - 1] : NULL;
		if (!ladder || sorted[i].N > ladder->N * (1 + SAME_SIZE)) {
			ladder = &ladders[count++];
			*ladder = (struct ladder){.N = sorted[i].N, .x = x + i, .y = y + i};
		}
		double at = log(sorted[i].D), loss = log(sorted[i].loss);
		if (ladder->count > 0 && at - ladder->x[ladder->count - 1] <= SAME_HORIZON) {
			seeds++;
			ladder->y[ladder->count - 1] += (loss - ladder->y[ladder->count - 1]) / (double)seeds;
			continue;
		}
		seeds = 1;
		ladder->x[ladder->count] = at;
		ladder->y[ladder->count++] = loss;
	}
	return count;
}

static size_t sizes_at(const struct ladder *ladders, size_t count, double log_C) {
	size_t sizes = 0;
	for (size_t k = 0; k < count; k++) sizes += reads_at(&ladders[k], log_C - log(6 * ladders[k].N));
	return sizes;
}

/* ------------------------------------------------------------------------------------------------------- parabola --- */

void fit_parabola(const double *x, const double *y, size_t count, double c[3]) {
	/* About the middle, in units of the half width: well conditioned for any N. */
	double low = INFINITY, high = -INFINITY;
	for (size_t i = 0; i < count; i++) {
		low = fmin(low, x[i]);
		high = fmax(high, x[i]);
	}
	double middle = (low + high) / 2, half = (high - low) / 2;
	double q[3][3] = {{0}}, right[3] = {0};
	for (size_t i = 0; i < count; i++) {
		double t = (x[i] - middle) / half, powers[3] = {1, t, t * t};
		for (int j = 0; j < 3; j++) {
			right[j] += powers[j] * y[i];
			for (int k = 0; k < 3; k++) q[j][k] += powers[j] * powers[k];
		}
	}
	for (int j = 0; j < 3; j++) /* elimination; the matrix is positive definite */
		for (int k = j + 1; k < 3; k++) {
			double factor = q[k][j] / q[j][j];
			for (int l = j; l < 3; l++) q[k][l] -= factor * q[j][l];
			right[k] -= factor * right[j];
		}
	double d[3];
	for (int j = 2; j >= 0; j--) {
		d[j] = right[j];
		for (int k = j + 1; k < 3; k++) d[j] -= q[j][k] * d[k];
		d[j] /= q[j][j];
	}
	c[2] = d[2] / (half * half);
	c[1] = d[1] / half - 2 * c[2] * middle;
	c[0] = d[0] - d[1] * middle / half + c[2] * middle * middle;
}

static void find_minimum(struct fit_isoflop *budget, double *x, double *y) {
	size_t n = budget->count, lowest = 0;
	for (size_t i = 0; i < n; i++) {
		x[i] = log(budget->points[i].N);
		y[i] = budget->points[i].loss;
		if (y[i] < y[lowest]) lowest = i;
	}
	fit_parabola(x, y, n, budget->parabola);
	const double *c = budget->parabola;
	double at = -c[1] / (2 * c[2]);
	budget->has_minimum = c[2] > 0 && at >= x[0] && at <= x[n - 1];
	budget->edge = !budget->has_minimum || lowest == 0 || lowest == n - 1;
	if (budget->has_minimum) {
		double N = exp(at);
		budget->minimum = (struct fit_optimum){
		    .C = budget->C, .N = N, .D = budget->C / 6 / N, .loss = c[0] - c[1] * c[1] / (4 * c[2])};
	}
}

/* --------------------------------------------------------------------------------------------------------- budgets --- */

void fit_line(const double *x, const double *y, const double *weight, size_t count, double *slope, double *intercept) {
	double total = 0, mean_x = 0, mean_y = 0, xx = 0, xy = 0;
	for (size_t i = 0; i < count; i++) {
		double w = weight ? weight[i] : 1;
		total += w;
		mean_x += w * x[i];
		mean_y += w * y[i];
	}
	mean_x /= total;
	mean_y /= total;
	for (size_t i = 0; i < count; i++) {
		double w = weight ? weight[i] : 1;
		xx += w * (x[i] - mean_x) * (x[i] - mean_x);
		xy += w * (x[i] - mean_x) * (y[i] - mean_y);
	}
	*slope = xx > 0 ? xy / xx : NAN;
	*intercept = mean_y - *slope * mean_x;
}

/* The slope of ln N* in ln C over the minima that mean something. */
static void find_slope(struct fit_isoflops *isoflops) {
	double x[MOST_BUDGETS], y[MOST_BUDGETS], intercept;
	for (size_t i = 0; i < isoflops->count; i++) {
		const struct fit_isoflop *budget = &isoflops->items[i];
		if (budget->edge) continue;
		x[isoflops->a_budgets] = log(budget->C);
		y[isoflops->a_budgets++] = log(budget->minimum.N);
	}
	if (isoflops->a_budgets >= LEAST_MINIMA) fit_line(x, y, NULL, isoflops->a_budgets, &isoflops->a, &intercept);
}

static struct error *add_budget(
    const struct ladder *ladders, size_t count, double log_C, double *work, struct fit_isoflops *isoflops) {
	struct fit_isoflop *budget = &isoflops->items[isoflops->count];
	*budget = (struct fit_isoflop){.C = exp(log_C)};
	budget->points = array_new(count, sizeof *budget->points);
	if (!budget->points) return error_memory(count * sizeof *budget->points);
	isoflops->count++;
	for (size_t k = 0; k < count; k++) {
		double at = log_C - log(6 * ladders[k].N);
		if (!reads_at(&ladders[k], at)) continue;
		budget->points[budget->count++] = (struct fit_optimum){
		    .C = budget->C,
		    .N = ladders[k].N,
		    .D = exp(at),
		    .loss = exp(monotone_at(ladders[k].x, ladders[k].y, ladders[k].count, at))};
	}
	find_minimum(budget, work, work + count);
	return NULL;
}

struct error *fit_isoflop(const struct fit_points *points, struct fit_isoflops *isoflops) {
	size_t n = points->count;
	*isoflops = (struct fit_isoflops){.a = NAN};
	struct fit_point *sorted = array_new(n + 1, sizeof *sorted);
	struct ladder *ladders = array_new(n + 1, sizeof *ladders);
	struct reach *reaches = array_new(n + 1, sizeof *reaches);
	double *memory = array_new(4 * n + 2, sizeof *memory);
	isoflops->items = array_new(MOST_BUDGETS, sizeof *isoflops->items);
	struct error *error = NULL;
	if (!sorted || !ladders || !reaches || !memory || !isoflops->items) {
		error = error_memory(n * (sizeof *sorted + sizeof *ladders + 4 * sizeof *memory));
		goto done;
	}
	memcpy(sorted, points->items, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, by_size_and_horizon);
	size_t count = make_ladders(sorted, n, memory, ladders);
	/* The range of budgets at which enough sizes can be read off begins and ends where some ladder does. */
	for (size_t k = 0; k < count; k++) {
		double shift = log(6 * ladders[k].N);
		reaches[k] = (struct reach){ladders[k].x[0] + shift, ladders[k].x[ladders[k].count - 1] + shift, k};
	}
	double low, high;
	int needed = 0;
	error = common_range(reaches, count, &needed, &low, &high);
	if (error) goto done;
	for (int k = 0; k < MOST_BUDGETS && low < high && !error; k++) {
		double log_C = low + (high - low) * k / (MOST_BUDGETS - 1);
		if (sizes_at(ladders, count, log_C) >= (size_t)needed)
			error = add_budget(ladders, count, log_C, memory + 2 * n, isoflops);
	}
	if (!error) find_slope(isoflops);
done:
	free(sorted);
	free(ladders);
	free(reaches);
	free(memory);
	if (error) fit_isoflops_free(isoflops);
	return error;
}

void fit_isoflops_free(struct fit_isoflops *isoflops) {
	for (size_t i = 0; isoflops->items && i < isoflops->count; i++) free(isoflops->items[i].points);
	free(isoflops->items);
	*isoflops = (struct fit_isoflops){0};
}

/* ---------------------------------------------------------------------------------------------------------- interval --- */

/* The slope of a table with the losses of the surface, and errors when `rng` is not NULL. `copy` and `shared` are room for
 * the points and for a number per rung. */
static struct error *simulated_slope(
    const struct fit_points *points, const struct fit_surface *surface, const struct fit_noise *noise, struct rng *rng,
    struct fit_points *copy, double *shared, double *a) {
	double rung = isnan(noise->rung) ? 0 : noise->rung;
	for (int r = 0; r < points->rungs; r++) shared[r] = rng ? rung * rng_normal(rng) : 0;
	for (size_t i = 0; i < points->count; i++) {
		struct fit_point *point = &copy->items[i];
		*point = points->items[i];
		double error = rng ? shared[point->rung] + noise->point * rng_normal(rng) : 0;
		point->loss = fit_surface_loss(surface, point->N, point->D) * exp(error);
	}
	struct fit_isoflops isoflops;
	TRY(fit_isoflop(copy, &isoflops));
	*a = isoflops.a;
	fit_isoflops_free(&isoflops);
	return NULL;
}

struct error *fit_isoflop_interval(
    const struct fit_points *points, const struct fit_surface *surface, const struct fit_noise *noise, double a,
    size_t count, uint64_t seed, struct fit_interval *interval) {
	struct fit_points copy = {.count = points->count, .rungs = points->rungs};
	struct error *error = NULL;
	double *values = array_new(count + 1, sizeof *values),
	       *shared = array_new((size_t)points->rungs + 1, sizeof *shared);
	copy.items = array_new(points->count + 1, sizeof *copy.items);
	*interval = (struct fit_interval){NAN, NAN};
	if (isnan(a)) goto done;
	if (!values || !shared || !copy.items) {
		error = error_memory(points->count * sizeof *copy.items + count * sizeof *values);
		goto done;
	}
	double centre;
	error = simulated_slope(points, surface, noise, NULL, &copy, shared, &centre);
	struct rng rng = rng_make(seed, "isoflop");
	size_t known = 0;
	for (size_t i = 0; i < count && !error; i++) {
		error = simulated_slope(points, surface, noise, &rng, &copy, shared, &values[known]);
		known += !isnan(values[known]);
	}
	if (error || known * 2 < count) goto done;
	struct fit_interval spread = interval_of(values, known);
	if (isnan(centre)) centre = quantile_sorted(values, known, 0.5);
	*interval = (struct fit_interval){a - (spread.high - centre), a - (spread.low - centre)};
done:
	free(values);
	free(shared);
	free(copy.items);
	return error;
}
