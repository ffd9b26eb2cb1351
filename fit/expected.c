/* expected.c - how well a design determines the surface, before anything is measured. */
#include "fit/approach.h"
#include "fit/law.h"

#include "fit/numeric.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define P FIT_SURFACE_PARAMETERS
#define LOST 1e-13 /* eigenvalues below this part of the largest are rounding: nothing is known along their vectors */
#define ALONG 1e-5 /* part of a gradient along such a vector that rounding can make */

enum { E, A, B, ALPHA, BETA };

/* The derivatives of ln L in centred coordinates at centred logs u, v, where the surface is e + a exp(-alpha u) +
 * b exp(-beta v). */
static void slopes(const struct fit_information *known, double u, double v, double out[P]) {
	const struct fit_surface *centred = &known->centred;
	double fall_n = exp(-centred->alpha * u), fall_d = exp(-centred->beta * v);
	double loss = centred->E + centred->A * fall_n + centred->B * fall_d;
	out[E] = 1 / loss;
	out[A] = fall_n / loss;
	out[B] = fall_d / loss;
	out[ALPHA] = -centred->A * u * fall_n / loss;
	out[BETA] = -centred->B * v * fall_d / loss;
}

/* Rows of J less what the rung's shared error takes from their mean: (I + r 11')^(-1/2) J, r the ratio of the variances. */
static void whiten(
    const struct fit_points *points, double ratio, double (*jacobian)[P], double (*mean)[P], double *size) {
	memset(mean, 0, sizeof *mean * (size_t)points->rungs);
	memset(size, 0, sizeof *size * (size_t)points->rungs);
	for (size_t i = 0; i < points->count; i++) size[points->items[i].rung]++;
	for (size_t i = 0; i < points->count; i++)
		for (int j = 0; j < P; j++) mean[points->items[i].rung][j] += jacobian[i][j] / size[points->items[i].rung];
	for (size_t i = 0; i < points->count; i++) {
		int rung = points->items[i].rung;
		double shrink = 1 - 1 / sqrt(1 + ratio * size[rung]);
		for (int j = 0; j < P; j++) jacobian[i][j] -= shrink * mean[rung][j];
	}
}

static void take_eigen(struct fit_information *known, const double gram[P][P]) {
	/* Of unit diagonal, so that eigenvalues compare directions and not units. */
	double scaled[P * P], vectors[P * P];
	for (int j = 0; j < P; j++) known->scale[j] = gram[j][j] > 0 ? sqrt(gram[j][j]) : 1;
	for (int j = 0; j < P; j++)
		for (int k = 0; k < P; k++) scaled[j * P + k] = gram[j][k] / known->scale[j] / known->scale[k];
	symmetric_eigen(P, scaled, known->values, vectors);
	for (int j = 0; j < P; j++)
		for (int k = 0; k < P; k++) known->vectors[j][k] = vectors[j * P + k];
}

struct error *fit_information_of(
    const struct fit_points *points, const struct fit_surface *surface, const struct fit_noise *noise,
    struct fit_information *known) {
	size_t n = points->count;
	*known = (struct fit_information){.surface = *surface, .noise = *noise};
	for (size_t i = 0; i < n; i++) {
		known->mean_u += log(points->items[i].N) / (double)n;
		known->mean_v += log(points->items[i].D) / (double)n;
	}
	known->centred = *surface;
	known->centred.A *= exp(-surface->alpha * known->mean_u);
	known->centred.B *= exp(-surface->beta * known->mean_v);
	double(*jacobian)[P] = array_new(n + 1, sizeof *jacobian),
	(*mean)[P] = array_new((size_t)points->rungs + 1, sizeof *mean);
	double *size = array_new((size_t)points->rungs + 1, sizeof *size);
	struct error *error = NULL;
	if (!jacobian || !mean || !size) {
		error = error_memory((n + (size_t)points->rungs) * sizeof *jacobian);
		goto done;
	}
	for (size_t i = 0; i < n; i++)
		slopes(known, log(points->items[i].N) - known->mean_u, log(points->items[i].D) - known->mean_v, jacobian[i]);
	if (noise->rung > 0) whiten(points, pow(noise->rung / noise->point, 2), jacobian, mean, size);
	double gram[P][P] = {{0}};
	for (size_t i = 0; i < n; i++)
		for (int j = 0; j < P; j++)
			for (int k = 0; k < P; k++) gram[j][k] += jacobian[i][j] * jacobian[i][k];
	take_eigen(known, (const double(*)[P])gram);
done:
	free(jacobian);
	free(mean);
	free(size);
	return error;
}

/* sqrt(g' F^-1 g): the error of a function whose gradient in centred coordinates is g. Infinite when the design leaves a
 * direction open that g has a part in. */
static double error_along(const struct fit_information *known, const double g[P]) {
	double length = 0, squares = 0;
	for (int j = 0; j < P; j++) length += pow(g[j] / known->scale[j], 2);
	for (int k = 0; k < P; k++) {
		double along = 0;
		for (int j = 0; j < P; j++) along += g[j] / known->scale[j] * known->vectors[j][k];
		if (known->values[k] > LOST * known->values[P - 1])
			squares += along * along / known->values[k];
		else if (fabs(along) > ALONG * sqrt(length))
			return INFINITY;
	}
	return known->noise.point * sqrt(squares);
}

struct fit_expected fit_expected_errors(const struct fit_information *known) {
	const struct fit_surface *s = &known->surface;
	double sum = s->alpha + s->beta;
	struct fit_expected expected;
	expected.E = error_along(known, (double[P]){[E] = 1});
	expected.alpha = error_along(known, (double[P]){[ALPHA] = 1});
	expected.beta = error_along(known, (double[P]){[BETA] = 1});
	/* A is a exp(alpha mean_u), so ln A moves with ln a and alpha; B likewise. */
	expected.log_A = error_along(known, (double[P]){[A] = 1 / known->centred.A, [ALPHA] = known->mean_u});
	expected.log_B = error_along(known, (double[P]){[B] = 1 / known->centred.B, [BETA] = known->mean_v});
	expected.a = error_along(known, (double[P]){[ALPHA] = -s->beta / (sum * sum), [BETA] = s->alpha / (sum * sum)});
	return expected;
}

double fit_expected_log_N(const struct fit_information *known, double C) {
	/* ln N* = (ln(alpha A / (beta B)) + beta ln(C / 6)) / (alpha + beta). */
	const struct fit_surface *s = &known->surface;
	double sum = s->alpha + s->beta, at = log(fit_optimal(s, C).N);
	return error_along(
	    known, (double[P]){
	               [A] = 1 / known->centred.A / sum,
	               [B] = -1 / known->centred.B / sum,
	               [ALPHA] = (1 / s->alpha + known->mean_u - at) / sum,
	               [BETA] = (log(C / 6) - 1 / s->beta - known->mean_v - at) / sum});
}

double fit_expected_log_loss(const struct fit_information *known, double N, double D) {
	double g[P];
	slopes(known, log(N) - known->mean_u, log(D) - known->mean_v, g);
	return error_along(known, g);
}
