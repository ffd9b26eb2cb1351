/* softmax.h - e^x, and what is built on it, in a form that compilers turn into vector code. Inline, so that each set of
 * kernels gets it for its own instruction set. */
#ifndef RUNG_MODEL_SOFTMAX_H
#define RUNG_MODEL_SOFTMAX_H

#include "model/model.h"

#include <math.h>
#include <string.h>

#ifdef RUNG_DOUBLE
static inline real exponential(real x) {
	return exp(x);
}
#else
/* For x up to 88: 2^n e^f, n whole and |f| <= ln 2 / 2, with the Taylor polynomial of degree 7 (its remainder there,
 * f^8/8!, is below 6e-9). Within 2 units in the last place; below e^-87 the result is zero; NaN gives NaN. */
static inline real exponential(real x) {
	const float magic = 12582912.0f; /* 1.5 2^23: adding it leaves a whole number in the low bits */
	const float clamped = x < -87.0f ? -87.0f : x;
	const float shifted = clamped * 1.44269504f + magic, n = shifted - magic;
	/* ln 2 in two pieces, so that n ln 2 loses no digits */
	const float f = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
	float p = 1.0f / 5040;
	p = p * f + 1.0f / 720;
	p = p * f + 1.0f / 120;
	p = p * f + 1.0f / 24;
	p = p * f + 1.0f / 6;
	p = p * f + 0.5f;
	p = p * f + 1;
	p = p * f + 1;
	uint32_t bits;
	memcpy(&bits, &shifted, sizeof bits);
	bits = (bits + 127) << 23; /* the magic's own bits fall out at the top */
	float power;
	memcpy(&power, &bits, sizeof power);
	return x < -87.0f ? 0 : p * power;
}
#endif

/* row := exp(row - shift); the sum of the results. */
static inline real exponential_row(real *row, real shift, int count) {
	real sum = 0;
#pragma omp simd reduction(+ : sum)
	for (int i = 0; i < count; i++) sum += row[i] = exponential(row[i] - shift);
	return sum;
}

/* Sixteen running maxima become vector maxima; a reduction clause on a single one does not, in every compiler. */
static inline real largest_of(const real *row, int count) {
	enum { RUNNING = 16 };
	real most[RUNNING], largest = -INFINITY;
	int i = 0;
	for (int j = 0; j < RUNNING; j++) most[j] = -INFINITY;
	for (; i + RUNNING <= count; i += RUNNING)
		for (int j = 0; j < RUNNING; j++) most[j] = row[i + j] > most[j] ? row[i + j] : most[j];
	for (int j = 0; j < RUNNING; j++) largest = most[j] > largest ? most[j] : largest;
	for (; i < count; i++) largest = row[i] > largest ? row[i] : largest;
	return largest;
}

/* cross_entropy of layer.h. */
static inline void softmax_cross_entropy(
    real *logits, int stride, const uint16_t *targets, int R, int V, real scale, double *loss) {
	for (int r = 0; r < R; r++) {
		real *row = logits + (size_t)r * (size_t)stride;
		const real target = row[targets[r]], largest = largest_of(row, V), sum = exponential_row(row, largest, V);
		loss[r] = log((double)sum) - (double)(target - largest);
		const real share = scale / sum;
		for (int v = 0; v < V; v++) row[v] *= share;
		row[targets[r]] -= scale;
	}
}

#endif
