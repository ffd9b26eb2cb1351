/* outlook.c - what the surface says of places that the user asks for: a size and a token count, or a budget. */
#include "fit/law.h"

#include <math.h>
#include <stdlib.h>

const double fit_outlook_levels[FIT_OUTLOOK_LEVELS] = {0.50, 0.90};

/* One value for each replicate, as intervals of every level; orders the values. */
static void intervals_of(double *values, size_t count, struct fit_interval intervals[FIT_OUTLOOK_LEVELS]) {
	for (int k = 0; k < FIT_OUTLOOK_LEVELS; k++) {
		intervals[k].low = quantile_of(values, count, (1 - fit_outlook_levels[k]) / 2);
		intervals[k].high = quantile_sorted(values, count, (1 + fit_outlook_levels[k]) / 2);
	}
}

/* Decades that x lies outside of low..high. */
static double beyond(double x, double low, double high) {
	return fmax(0, fmax(log10(x / high), log10(low / x)));
}

static void place(const struct fit_points *points, double N, double D, struct fit_outlook *outlook) {
	struct fit_interval n = {INFINITY, 0}, d = {INFINITY, 0};
	for (size_t i = 0; i < points->count; i++) {
		n.low = fmin(n.low, points->items[i].N);
		n.high = fmax(n.high, points->items[i].N);
		d.low = fmin(d.low, points->items[i].D);
		d.high = fmax(d.high, points->items[i].D);
	}
	outlook->N = N;
	outlook->D = D;
	outlook->decades_N = beyond(N, n.low, n.high);
	outlook->decades_D = beyond(D, d.low, d.high);
}

/* The law at N and D over the replicates, and a new run there. */
static void add_losses(
    const struct fit_surface *surface, const struct fit_replicates *replicates, uint64_t seed, double *values,
    struct fit_outlook *outlook) {
	const struct fit_noise *noise = &replicates->noise;
	double N = outlook->N, D = outlook->D;
	outlook->loss = fit_surface_loss(surface, N, D);
	for (size_t i = 0; i < replicates->count; i++) values[i] = fit_surface_loss(&replicates->surfaces[i], N, D);
	intervals_of(values, replicates->count, outlook->mean);
	/* In quadrature: a new run shares neither its rung's error nor its setting's with those that were measured. */
	double of_run = sqrt(
	    noise->point * noise->point + noise->setting * noise->setting +
	    (noise->rung > 0 ? noise->rung * noise->rung : 0));
	for (size_t i = 0; i < replicates->count; i++) {
		char stream[48];
		snprintf(stream, sizeof stream, "outlook/%zu", i);
		struct rng rng = rng_make(seed, stream);
		values[i] =
		    fit_surface_loss(&replicates->surfaces[i], N, D) * exp(replicates->scale[i] * of_run * rng_normal(&rng));
	}
	intervals_of(values, replicates->count, outlook->measurement);
}

struct error *fit_outlook_at(
    const struct fit_points *points, const struct fit_surface *surface, const struct fit_replicates *replicates,
    double N, double D, uint64_t seed, struct fit_outlook *outlook) {
	*outlook = (struct fit_outlook){.C = 6 * N * D};
	double *values = array_new(replicates->count + 1, sizeof *values);
	if (!values) return error_memory(replicates->count * sizeof *values);
	place(points, N, D, outlook);
	add_losses(surface, replicates, seed, values, outlook);
	free(values);
	return NULL;
}

struct error *fit_outlook_of_budget(
    const struct fit_points *points, const struct fit_surface *surface, const struct fit_replicates *replicates,
    double C, uint64_t seed, struct fit_outlook *outlook) {
	struct fit_optimum optimum = fit_optimal(surface, C);
	TRY(fit_outlook_at(points, surface, replicates, optimum.N, optimum.D, seed, outlook));
	outlook->optimum = true;
	outlook->C = C;
	double *values = array_new(3 * replicates->count + 1, sizeof *values);
	if (!values) return error_memory(3 * replicates->count * sizeof *values);
	size_t known = 0, count = replicates->count;
	for (size_t i = 0; i < count; i++) {
		struct fit_optimum drawn = fit_optimal(&replicates->surfaces[i], C);
		if (isnan(drawn.N) || isnan(drawn.D)) continue; /* a term of the refit has vanished */
		values[known] = drawn.N;
		values[count + known] = drawn.D;
		values[2 * count + known++] = drawn.D / drawn.N;
	}
	intervals_of(values, known, outlook->N_range);
	intervals_of(values + count, known, outlook->D_range);
	intervals_of(values + 2 * count, known, outlook->D_per_N_range);
	free(values);
	return NULL;
}
