/* surface.c - L(N, D) = E + A / N^alpha + B / D^beta, and what speaks for its fit. */
#include "fit/elementary.h"
#include "fit/law.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------------------------------------------------- the law --- */

/* In centred coordinates: e + a exp(-alpha u0) + b exp(-beta u1). */
enum { E, A, B, ALPHA, BETA };

static void terms(const double *x, const double *u, double *out) {
	out[0] = 1;
	out[1] = exp(-x[ALPHA] * u[0]);
	out[2] = exp(-x[BETA] * u[1]);
}

static double predict(const double *x, const double *u, double *gradient, double *hessian) {
	double fall_n = exp(-x[ALPHA] * u[0]), fall_d = exp(-x[BETA] * u[1]);
	if (gradient) {
		gradient[E] = 1;
		gradient[A] = fall_n;
		gradient[B] = fall_d;
		gradient[ALPHA] = -x[A] * u[0] * fall_n;
		gradient[BETA] = -x[B] * u[1] * fall_d;
	}
	if (hessian) {
		memset(hessian, 0, sizeof(double) * FIT_SURFACE_PARAMETERS * FIT_SURFACE_PARAMETERS);
		double(*h)[FIT_SURFACE_PARAMETERS] = (double(*)[FIT_SURFACE_PARAMETERS])hessian;
		h[A][ALPHA] = h[ALPHA][A] = -u[0] * fall_n;
		h[B][BETA] = h[BETA][B] = -u[1] * fall_d;
		h[ALPHA][ALPHA] = x[A] * u[0] * u[0] * fall_n;
		h[BETA][BETA] = x[B] * u[1] * u[1] * fall_d;
	}
	return x[E] + x[A] * fall_n + x[B] * fall_d;
}

static void predict_block(
    const double *x, const double *u, size_t variables, size_t count, int order, struct block *block) {
	double e = x[E], a = x[A], b = x[B], alpha = x[ALPHA], beta = x[BETA];
	double *restrict loss = block->loss, *restrict fall_n = block->slope[A], *restrict fall_d = block->slope[B];
	for (size_t i = 0; i < count; i++) {
		fall_n[i] = exp_of(-alpha * u[i * variables]);
		fall_d[i] = exp_of(-beta * u[i * variables + 1]);
		loss[i] = e + a * fall_n[i] + b * fall_d[i];
	}
	if (order < 1) return;
	double *restrict by_e = block->slope[E], *restrict by_alpha = block->slope[ALPHA];
	double *restrict by_beta = block->slope[BETA];
	double *restrict a_alpha = block->bend[TRIANGLE(ALPHA, A)], *restrict b_beta = block->bend[TRIANGLE(BETA, B)];
	double *restrict alpha_alpha = block->bend[TRIANGLE(ALPHA, ALPHA)];
	double *restrict beta_beta = block->bend[TRIANGLE(BETA, BETA)];
	for (size_t i = 0; i < count; i++) {
		double n = u[i * variables], d = u[i * variables + 1];
		by_e[i] = 1;
		a_alpha[i] = -n * fall_n[i];
		b_beta[i] = -d * fall_d[i];
		by_alpha[i] = a * a_alpha[i];
		by_beta[i] = b * b_beta[i];
		alpha_alpha[i] = -n * by_alpha[i];
		beta_beta[i] = -d * by_beta[i];
	}
}

const struct law law_chinchilla = {
    .name = "chinchilla",
    .formula = "L(N, D) = E + A/N^alpha + B/D^beta",
    .paper = "Hoffmann et al. 2022, arXiv 2203.15556",
    .domain = LAW_OF_BOTH,
    .variables = 2,
    .linear = 3,
    .nonlinear = 2,
    .parameters =
        {{.name = "E", .role = ROLE_LOSS, COEFFICIENT_BOX},
         {.name = "A", .role = ROLE_PREFACTOR, .variable = 0, .scale = ALPHA, COEFFICIENT_BOX},
         {.name = "B", .role = ROLE_PREFACTOR, .variable = 1, .scale = BETA, COEFFICIENT_BOX},
         {.name = "alpha", EXPONENT_BOX, EXPONENT_GRID},
         {.name = "beta", EXPONENT_BOX, EXPONENT_GRID}},
    .terms = terms,
    .predict = predict,
    .block = predict_block,
    .bends = 1ull << TRIANGLE(ALPHA, A) | 1ull << TRIANGLE(ALPHA, ALPHA) | 1ull << TRIANGLE(BETA, B) |
             1ull << TRIANGLE(BETA, BETA),
    .floors = 1u << E,
    .criterion = CRITERION_HUBER};

struct fit_surface surface_of(const struct table *table, const double *x) {
	double scale = exp(table->mean_y);
	return (struct fit_surface){
	    .E = scale * x[E],
	    .A = scale * x[A] * exp(x[ALPHA] * table->mean_u[0]),
	    .B = scale * x[B] * exp(x[BETA] * table->mean_u[1]),
	    .alpha = x[ALPHA],
	    .beta = x[BETA]};
}

void surface_centred(const struct table *table, const struct fit_surface *surface, double *x) {
	double scale = exp(-table->mean_y);
	x[E] = scale * surface->E;
	x[A] = scale * surface->A * exp(-surface->alpha * table->mean_u[0]);
	x[B] = scale * surface->B * exp(-surface->beta * table->mean_u[1]);
	x[ALPHA] = surface->alpha;
	x[BETA] = surface->beta;
}

double fit_surface_loss(const struct fit_surface *surface, double N, double D) {
	return surface->E + surface->A * pow(N, -surface->alpha) + surface->B * pow(D, -surface->beta);
}

struct error *surface_table(const struct fit_points *points, struct table *table) {
	double *columns = array_new(3 * points->count + 1, sizeof *columns);
	int *group = array_new(points->count + 1, sizeof *group);
	struct error *error = NULL;
	if (!columns || !group) {
		error = error_memory(points->count * (3 * sizeof *columns + sizeof *group));
		goto done;
	}
	double *N = columns, *D = N + points->count, *loss = D + points->count;
	for (size_t i = 0; i < points->count; i++) {
		N[i] = points->items[i].N;
		D[i] = points->items[i].D;
		loss[i] = points->items[i].loss;
		group[i] = points->items[i].rung;
	}
	error = table_new(table, points->count, 2, (const double *const[]){N, D}, loss, group);
	for (size_t i = 0; i < points->count && !error; i++) table->weight[i] = points->items[i].weight;
done:
	free(columns);
	free(group);
	return error;
}

struct law surface_law(const struct fit_method *method) {
	struct law law = law_chinchilla;
	law.criterion = criterion_of(method);
	return law;
}

struct error *fit_surface_solve(
    const struct fit_points *points, const struct fit_method *method, struct fit_surface_result *result) {
	const struct fit_method plain = {0};
	struct fit_design design;
	*result = (struct fit_surface_result){0};
	TRY(fit_design_of(points, &design));
	if (!design.surface) {
		return error_new(
		    ERROR_DATA,
		    "%zu points of %d sizes and %d horizons%s do not determine L(N, D); expected three sizes and three "
		    "horizons or "
		    "more, six points or more, and token counts that are not one function of the size",
		    design.points, design.sizes, design.horizons, design.one_line ? ", D a function of N," : "");
	}
	struct table table;
	struct solution solution, published;
	TRY(surface_table(points, &table));
	result->method = method ? *method : plain;
	struct law law = surface_law(&result->method);
	result->adapted = law.criterion.adapts;
	struct error *error = law_solve_adapting(&law, &table, &solution, &published);
	if (!error) {
		result->method.delta = law.criterion.delta;
		result->surface = surface_of(&table, solution.x);
		result->minimum = solution.objective;
		result->objective = law_objective(&law, &table, solution.x);
		result->rms = law_rms(&law, &table, solution.x);
		law_certify(&law, &table, &solution, &result->certificate);
		result->converged = !result->certificate.doubt;
	}
	if (!error && result->adapted && law.criterion.delta > FIT_DELTA) {
		struct fit_certificate certificate;
		law.criterion.delta = FIT_DELTA;
		law_certify(&law, &table, &published, &certificate);
		result->published = (struct fit_published){
		    .made = true,
		    .surface = surface_of(&table, published.x),
		    .objective = published.objective,
		    .converged = !certificate.doubt,
		    .doubt = certificate.doubt,
		    .starts = certificate.starts,
		    .agreeing = certificate.agreeing};
	}
	table_free(&table);
	return error;
}
