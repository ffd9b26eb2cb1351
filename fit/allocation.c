/* allocation.c - how to divide a budget between parameters and tokens, and what halving the reducible loss costs. */
#include "fit/law.h"

#include <math.h>
#include <stdlib.h>

#define MOST_ROWS 12

static double share(const struct fit_surface *surface) {
	return surface->beta / (surface->alpha + surface->beta);
}

static double balance(const struct fit_surface *surface) {
	double sum = surface->alpha + surface->beta;
	return pow(surface->alpha * surface->A / (surface->beta * surface->B), 1 / sum);
}

struct fit_optimum fit_optimal(const struct fit_surface *surface, double C) {
	/* In logs: G and (C/6)^a may each be beyond a double where their product is not. */
	double a = share(surface), sum = surface->alpha + surface->beta;
	double log_G = log(surface->alpha * surface->A / (surface->beta * surface->B)) / sum;
	double log_N = log_G + a * log(C / 6), log_D = (1 - a) * log(C / 6) - log_G;
	struct fit_optimum optimum = {.C = C, .N = exp(log_N), .D = exp(log_D)};
	optimum.loss =
	    surface->E + exp(log(surface->A) - surface->alpha * log_N) + exp(log(surface->B) - surface->beta * log_D);
	return optimum;
}

double fit_halving(const struct fit_surface *surface, enum fit_variable variable) {
	switch (variable) {
	case FIT_N:
		return exp2(1 / surface->alpha);
	case FIT_D:
		return exp2(1 / surface->beta);
	case FIT_C:
		break;
	}
	return exp2((surface->alpha + surface->beta) / (surface->alpha * surface->beta));
}

/* The functions whose spread over the replicates is asked for; context is a pointer to C or to the variable. */
static double share_of(const struct fit_surface *surface, const void *context) {
	(void)context;
	return share(surface);
}
static double N_of(const struct fit_surface *surface, const void *context) {
	return fit_optimal(surface, *(const double *)context).N;
}
static double D_of(const struct fit_surface *surface, const void *context) {
	return fit_optimal(surface, *(const double *)context).D;
}
static double D_per_N_of(const struct fit_surface *surface, const void *context) {
	struct fit_optimum optimum = fit_optimal(surface, *(const double *)context);
	return optimum.D / optimum.N;
}
static double halving_of(const struct fit_surface *surface, const void *context) {
	return fit_halving(surface, *(const enum fit_variable *)context);
}

struct error *fit_allocate(
    const struct fit_points *points, const struct fit_surface *surface, const struct fit_replicates *replicates,
    struct fit_allocation *allocation) {
	struct error *error = NULL;
	*allocation = (struct fit_allocation){.a = share(surface), .b = 1 - share(surface), .G = balance(surface)};
	allocation->rows = array_new(MOST_ROWS, sizeof *allocation->rows);
	if (!allocation->rows) return error_memory(MOST_ROWS * sizeof *allocation->rows);
	error = fit_interval_of(replicates, share_of, NULL, &allocation->a_interval);
	if (error) goto failed;
	for (enum fit_variable variable = FIT_N; variable <= FIT_C; variable++) {
		allocation->halving[variable] = fit_halving(surface, variable);
		error = fit_interval_of(replicates, halving_of, &variable, &allocation->halving_interval[variable]);
		if (error) goto failed;
	}
	struct {
		double low, high;
	} N = {INFINITY, 0}, D = {INFINITY, 0}, C = {INFINITY, 0};
	for (size_t i = 0; i < points->count; i++) {
		const struct fit_point *point = &points->items[i];
		double flops = 6 * point->N * point->D;
		N.low = fmin(N.low, point->N), N.high = fmax(N.high, point->N);
		D.low = fmin(D.low, point->D), D.high = fmax(D.high, point->D);
		C.low = fmin(C.low, flops), C.high = fmax(C.high, flops);
	}
	double first = ceil(log10(C.low)), last = floor(log10(C.high)) + 1;
	if (last - first + 1 > MOST_ROWS) first = last - MOST_ROWS + 1;
	for (double decade = first; decade <= last; decade++) {
		struct fit_allocation_row *row = &allocation->rows[allocation->count++];
		double flops = pow(10, decade);
		row->optimum = fit_optimal(surface, flops);
		row->extrapolated = flops > C.high || row->optimum.N < N.low || row->optimum.N > N.high ||
		                    row->optimum.D < D.low || row->optimum.D > D.high;
		error = fit_interval_of(replicates, N_of, &flops, &row->N);
		if (!error) error = fit_interval_of(replicates, D_of, &flops, &row->D);
		if (!error) error = fit_interval_of(replicates, D_per_N_of, &flops, &row->D_per_N);
		if (error) goto failed;
		row->determined = row->N.low != 0 && !isinf(row->N.high) && row->D.low != 0 && !isinf(row->D.high);
	}
	return NULL;
failed:
	fit_allocation_free(allocation);
	return error;
}

void fit_allocation_free(struct fit_allocation *allocation) {
	free(allocation->rows);
	*allocation = (struct fit_allocation){0};
}
