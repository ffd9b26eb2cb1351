/* jet.h - numbers that carry their first and second derivatives by a few parameters along (forward differentiation, Wengert
 * 1964, Comm. ACM 7): exact to rounding, for laws whose derivatives by hand would be pages. Private to fit/.
 *
 * Every function takes `n`, the number of parameters; with n = 0 only values are computed. The result goes to `out`, which
 * may be one of the operands. */
#ifndef RUNG_FIT_JET_H
#define RUNG_FIT_JET_H

#include "fit/numeric.h"

#include <math.h>
#include <string.h>

#define JET_BENDS (MOST_PARAMETERS * (MOST_PARAMETERS + 1) / 2)

struct jet {
	double value;
	double slope[MOST_PARAMETERS];
	double bend[JET_BENDS]; /* the lower triangle, row by row */
};

static inline void jet_constant(int n, double value, struct jet *out) {
	out->value = value;
	memset(out->slope, 0, sizeof(double) * (size_t)n);
	memset(out->bend, 0, sizeof(double) * (size_t)(n * (n + 1) / 2));
}

/* The parameter of that index. */
static inline void jet_parameter(int n, int index, double value, struct jet *out) {
	jet_constant(n, value, out);
	if (index < n) out->slope[index] = 1;
}

/* p a + r. */
static inline void jet_scaled(int n, double p, const struct jet *a, double r, struct jet *out) {
	for (int i = 0; i < n * (n + 1) / 2; i++) out->bend[i] = p * a->bend[i];
	for (int j = 0; j < n; j++) out->slope[j] = p * a->slope[j];
	out->value = p * a->value + r;
}

/* p a + q b. */
static inline void jet_sum(int n, double p, const struct jet *a, double q, const struct jet *b, struct jet *out) {
	for (int i = 0; i < n * (n + 1) / 2; i++) out->bend[i] = p * a->bend[i] + q * b->bend[i];
	for (int j = 0; j < n; j++) out->slope[j] = p * a->slope[j] + q * b->slope[j];
	out->value = p * a->value + q * b->value;
}

/* Bends come before slopes, and slopes before the value, so that an operand may be overwritten. */
static inline void jet_product(int n, const struct jet *a, const struct jet *b, struct jet *out) {
	for (int j = 0, i = 0; j < n; j++)
		for (int k = 0; k <= j; k++, i++)
			out->bend[i] =
			    a->value * b->bend[i] + b->value * a->bend[i] + a->slope[j] * b->slope[k] + a->slope[k] * b->slope[j];
	for (int j = 0; j < n; j++) out->slope[j] = a->value * b->slope[j] + b->value * a->slope[j];
	out->value = a->value * b->value;
}

/* f(a), from f, f' and f'' at a. */
static inline void jet_chain(int n, const struct jet *a, double f, double f1, double f2, struct jet *out) {
	for (int j = 0, i = 0; j < n; j++)
		for (int k = 0; k <= j; k++, i++) out->bend[i] = f1 * a->bend[i] + f2 * a->slope[j] * a->slope[k];
	for (int j = 0; j < n; j++) out->slope[j] = f1 * a->slope[j];
	out->value = f;
}

static inline void jet_exp(int n, const struct jet *a, struct jet *out) {
	double f = exp(a->value);
	jet_chain(n, a, f, f, f, out);
}

static inline void jet_log(int n, const struct jet *a, struct jet *out) {
	double f1 = 1 / a->value;
	jet_chain(n, a, log(a->value), f1, -f1 * f1, out);
}

static inline void jet_quotient(int n, const struct jet *a, const struct jet *b, struct jet *out) {
	double f = 1 / b->value;
	struct jet inverse;
	jet_chain(n, b, f, -f * f, 2 * f * f * f, &inverse);
	jet_product(n, a, &inverse, out);
}

/* ln(1 + exp(a)), without overflow. */
static inline void jet_softplus(int n, const struct jet *a, struct jet *out) {
	double e = exp(-fabs(a->value)), sigma = a->value >= 0 ? 1 / (1 + e) : e / (1 + e);
	jet_chain(n, a, fmax(a->value, 0) + log1p(e), sigma, e / ((1 + e) * (1 + e)), out);
}

/* Hands the derivatives over to a law's gradient (n) and hessian (n,n), NULL allowed; returns the value. */
static inline double jet_unpack(int n, const struct jet *a, double *gradient, double *hessian) {
	if (gradient) memcpy(gradient, a->slope, sizeof(double) * (size_t)n);
	for (int j = 0, i = 0; hessian && j < n; j++)
		for (int k = 0; k <= j; k++, i++) hessian[j * n + k] = hessian[k * n + j] = a->bend[i];
	return a->value;
}

#endif
