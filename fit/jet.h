/* jet.h - numbers that carry their first and second derivatives by a few parameters along (forward differentiation, Wengert
 * 1964, Comm. ACM 7): exact to rounding, for laws whose derivatives by hand would be pages. Private to fit/.
 *
 * Every function takes `n`, the number of parameters; with n = 0 only values are computed. */
#ifndef RUNG_FIT_JET_H
#define RUNG_FIT_JET_H

#include "fit/numeric.h"

#include <math.h>
#include <string.h>

struct jet {
	double value;
	double slope[MOST_PARAMETERS];
	double bend[MOST_PARAMETERS][MOST_PARAMETERS]; /* the triangle k <= j */
};

static inline struct jet jet_constant(int n, double value) {
	struct jet jet;
	jet.value = value;
	for (int j = 0; j < n; j++) {
		jet.slope[j] = 0;
		for (int k = 0; k <= j; k++) jet.bend[j][k] = 0;
	}
	return jet;
}

/* The parameter of that index. */
static inline struct jet jet_parameter(int n, int index, double value) {
	struct jet jet = jet_constant(n, value);
	if (index < n) jet.slope[index] = 1;
	return jet;
}

/* p a + q b + r. */
static inline struct jet jet_line(int n, double p, const struct jet *a, double q, const struct jet *b, double r) {
	struct jet jet;
	jet.value = p * a->value + q * b->value + r;
	for (int j = 0; j < n; j++) {
		jet.slope[j] = p * a->slope[j] + q * b->slope[j];
		for (int k = 0; k <= j; k++) jet.bend[j][k] = p * a->bend[j][k] + q * b->bend[j][k];
	}
	return jet;
}

static inline struct jet jet_product(int n, const struct jet *a, const struct jet *b) {
	struct jet jet;
	jet.value = a->value * b->value;
	for (int j = 0; j < n; j++) {
		jet.slope[j] = a->value * b->slope[j] + b->value * a->slope[j];
		for (int k = 0; k <= j; k++)
			jet.bend[j][k] = a->value * b->bend[j][k] + b->value * a->bend[j][k] + a->slope[j] * b->slope[k] +
			                 a->slope[k] * b->slope[j];
	}
	return jet;
}

/* f(a), from f, f' and f'' at a. */
static inline struct jet jet_chain(int n, const struct jet *a, double f, double f1, double f2) {
	struct jet jet;
	jet.value = f;
	for (int j = 0; j < n; j++) {
		jet.slope[j] = f1 * a->slope[j];
		for (int k = 0; k <= j; k++) jet.bend[j][k] = f1 * a->bend[j][k] + f2 * a->slope[j] * a->slope[k];
	}
	return jet;
}

static inline struct jet jet_exp(int n, const struct jet *a) {
	double f = exp(a->value);
	return jet_chain(n, a, f, f, f);
}

static inline struct jet jet_log(int n, const struct jet *a) {
	double f1 = 1 / a->value;
	return jet_chain(n, a, log(a->value), f1, -f1 * f1);
}

static inline struct jet jet_quotient(int n, const struct jet *a, const struct jet *b) {
	double f = 1 / b->value;
	struct jet inverse = jet_chain(n, b, f, -f * f, 2 * f * f * f);
	return jet_product(n, a, &inverse);
}

/* ln(1 + exp(a)), without overflow. */
static inline struct jet jet_softplus(int n, const struct jet *a) {
	double e = exp(-fabs(a->value)), sigma = a->value >= 0 ? 1 / (1 + e) : e / (1 + e);
	return jet_chain(n, a, fmax(a->value, 0) + log1p(e), sigma, e / ((1 + e) * (1 + e)));
}

/* Hands the derivatives over to a law's gradient (n) and hessian (n,n), NULL allowed; returns the value. */
static inline double jet_unpack(int n, const struct jet *a, double *gradient, double *hessian) {
	if (gradient) memcpy(gradient, a->slope, sizeof(double) * (size_t)n);
	for (int j = 0; hessian && j < n; j++)
		for (int k = 0; k <= j; k++) hessian[j * n + k] = hessian[k * n + j] = a->bend[j][k];
	return a->value;
}

#endif
