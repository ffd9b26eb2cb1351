/* The layers between the matrix products. Sums carry `omp simd reduction`, which lets the compiler use vectors for them
 * without -ffast-math. */
#include "model/layer.h"

#include <math.h>

void rms_forward(real *y, real *r, const real *x, int R, int d) {
	for (int i = 0; i < R; i++) {
		const real *from = x + (size_t)i * (size_t)d;
		real *to = y + (size_t)i * (size_t)d;
		real sum = 0;
#pragma omp simd reduction(+ : sum)
		for (int j = 0; j < d; j++) sum += from[j] * from[j];
		const real factor = (real)(1 / sqrt((double)sum / d + RMS_EPSILON));
		for (int j = 0; j < d; j++) to[j] = from[j] * factor;
		r[i] = factor;
	}
}

void rms_backward(real *dx, const real *dy, const real *y, const real *r, int R, int d, bool add) {
	for (int i = 0; i < R; i++) {
		const real *out = y + (size_t)i * (size_t)d;
		const real *dout = dy + (size_t)i * (size_t)d;
		real *din = dx + (size_t)i * (size_t)d;
		real sum = 0;
#pragma omp simd reduction(+ : sum)
		for (int j = 0; j < d; j++) sum += dout[j] * out[j];
		const real mean = sum / (real)d, factor = r[i];
		if (add)
			for (int j = 0; j < d; j++) din[j] += factor * (dout[j] - out[j] * mean);
		else
			for (int j = 0; j < d; j++) din[j] = factor * (dout[j] - out[j] * mean);
	}
}

enum { HALF = HEAD_WIDTH / 2 };

void rope_table(real *table, int T) {
	for (int t = 0; t < T; t++) {
		for (int i = 0; i < HALF; i++) {
			const double angle = t * pow(ROPE_THETA, -(double)i / HALF);
			table[(size_t)t * HEAD_WIDTH + (size_t)i] = (real)cos(angle);
			table[(size_t)t * HEAD_WIDTH + HALF + (size_t)i] = (real)sin(angle);
		}
	}
}

void qk_forward(real *qkv, real *r, const real *table, struct attention_shape shape) {
	const int heads = 2 * shape.H; /* of q, then of k */
	for (int row = 0; row < shape.B * shape.T; row++) {
		const real *cosine = table + (size_t)(row % shape.T) * HEAD_WIDTH, *sine = cosine + HALF;
		for (int h = 0; h < heads; h++) {
			real *x = qkv + ((size_t)row * 3 * (size_t)shape.H + (size_t)h) * HEAD_WIDTH;
			real sum = 0;
#pragma omp simd reduction(+ : sum)
			for (int i = 0; i < HEAD_WIDTH; i++) sum += x[i] * x[i];
			const real factor = (real)1 / (real)sqrt((double)sum / HEAD_WIDTH + RMS_EPSILON);
			for (int i = 0; i < HALF; i++) {
				const real a = x[i] * factor, b = x[i + HALF] * factor;
				x[i] = a * cosine[i] - b * sine[i];
				x[i + HALF] = a * sine[i] + b * cosine[i];
			}
			r[(size_t)row * (size_t)heads + (size_t)h] = factor;
		}
	}
}

void qk_backward(real *dqkv, const real *qkv, const real *r, const real *table, struct attention_shape shape) {
	const int heads = 2 * shape.H;
	for (int row = 0; row < shape.B * shape.T; row++) {
		const real *cosine = table + (size_t)(row % shape.T) * HEAD_WIDTH, *sine = cosine + HALF;
		for (int h = 0; h < heads; h++) {
			const size_t at = ((size_t)row * 3 * (size_t)shape.H + (size_t)h) * HEAD_WIDTH;
			const real *y = qkv + at, factor = r[(size_t)row * (size_t)heads + (size_t)h];
			real *dy = dqkv + at;
			real sum = 0;
#pragma omp simd reduction(+ : sum)
			for (int i = 0; i < HEAD_WIDTH; i++) sum += dy[i] * y[i];
			const real mean = sum / HEAD_WIDTH;
			for (int i = 0; i < HALF; i++) {
				const real a = factor * (dy[i] - y[i] * mean), b = factor * (dy[i + HALF] - y[i + HALF] * mean);
				dy[i] = a * cosine[i] + b * sine[i];
				dy[i + HALF] = b * cosine[i] - a * sine[i];
			}
		}
	}
}
