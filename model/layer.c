/* The layers between the matrix products. Rows are whole heads long, so they go in vectors of one head. */
#include "model/layer.h"
#include "model/head.h"

#include <tgmath.h>

enum { HALF = HEAD_WIDTH / 2 };

static inline real dot(const real *x, const real *y, int count) {
	head_vector sum = {0};
	for (int i = 0; i < count; i += HEAD_WIDTH) sum += head_load(x + i) * head_load(y + i);
	return head_sum(sum);
}

void rms_forward(real *y, real *r, const real *x, int R, int d) {
	const real share = (real)1 / (real)d, epsilon = (real)RMS_EPSILON;
	for (int i = 0; i < R; i++) r[i] = dot(x + (size_t)i * (size_t)d, x + (size_t)i * (size_t)d, d);
	for (int i = 0; i < R; i++) r[i] = 1 / sqrt(r[i] * share + epsilon);
	for (int i = 0; i < R; i++) {
		const real *from = x + (size_t)i * (size_t)d, factor = r[i];
		real *to = y + (size_t)i * (size_t)d;
		for (int j = 0; j < d; j += HEAD_WIDTH) head_store(to + j, head_load(from + j) * factor);
	}
}

void rms_backward(real *dx, const real *dy, const real *y, const real *r, int R, int d, bool add) {
	for (int i = 0; i < R; i++) {
		const real *out = y + (size_t)i * (size_t)d, *dout = dy + (size_t)i * (size_t)d;
		real *din = dx + (size_t)i * (size_t)d;
		const real mean = dot(dout, out, d) / (real)d, factor = r[i];
		for (int j = 0; j < d; j += HEAD_WIDTH) {
			const head_vector gradient = factor * (head_load(dout + j) - head_load(out + j) * mean);
			head_store(din + j, add ? head_load(din + j) + gradient : gradient);
		}
	}
}

void rope_table(real *table, int T) {
	for (int t = 0; t < T; t++) {
		for (int i = 0; i < HALF; i++) {
			const double angle = t * pow(ROPE_THETA, -(double)i / HALF);
			table[(size_t)t * HEAD_WIDTH + (size_t)i] = (real)cos(angle);
			table[(size_t)t * HEAD_WIDTH + HALF + (size_t)i] = (real)sin(angle);
		}
	}
}

/* With the table's row as (c, s): the pair of halves (a, b) becomes (a c - b s, a s + b c), or with `sign` -1 turns back. */
static inline head_vector turn(head_vector x, head_vector table, real sign) {
	const head_vector cosine = __builtin_shufflevector(table, table, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7);
	const head_vector sine =
	    __builtin_shufflevector(-table, table, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
	const head_vector swapped = __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
	return x * cosine + swapped * (sine * sign);
}

/* Where part 0, 1 or 2 (q, k, v) of a head begins, in both arrangements. */
static size_t at_rows(struct attention_shape shape, int b, int h, int part) {
	return (((size_t)b * (size_t)shape.T * 3 + (size_t)part) * (size_t)shape.H + (size_t)h) * HEAD_WIDTH;
}

static size_t at_heads(struct attention_shape shape, int b, int h, int part) {
	return (((size_t)b * (size_t)shape.H + (size_t)h) * 3 + (size_t)part) * (size_t)shape.T * HEAD_WIDTH;
}

void qk_forward(real *heads, real *r, const real *rows, const real *table, struct attention_shape shape) {
	const size_t stride = 3 * (size_t)shape.H * HEAD_WIDTH, T = (size_t)shape.T;
	for (int b = 0; b < shape.B; b++) {
		for (int h = 0; h < shape.H; h++) {
			for (int part = 0; part < 3; part++) {
				const real *from = rows + at_rows(shape, b, h, part);
				real *to = heads + at_heads(shape, b, h, part);
				for (size_t t = 0; t < T; t++) {
					head_vector x = head_load(from + t * stride);
					if (part < 2) {
						*r = 1 / sqrt(head_sum(x * x) / HEAD_WIDTH + (real)RMS_EPSILON);
						x = turn(x * *r++, head_load(table + t * HEAD_WIDTH), 1);
					}
					head_store(to + t * HEAD_WIDTH, x);
				}
			}
		}
	}
}

void qk_backward(
    real *drows, const real *dheads, const real *heads, const real *r, const real *table,
    struct attention_shape shape) {
	const size_t stride = 3 * (size_t)shape.H * HEAD_WIDTH, T = (size_t)shape.T;
	for (int b = 0; b < shape.B; b++) {
		for (int h = 0; h < shape.H; h++) {
			for (int part = 0; part < 3; part++) {
				const real *y = heads + at_heads(shape, b, h, part), *dy = dheads + at_heads(shape, b, h, part);
				real *to = drows + at_rows(shape, b, h, part);
				for (size_t t = 0; t < T; t++) {
					head_vector gradient = head_load(dy + t * HEAD_WIDTH);
					if (part < 2) {
						const head_vector out = head_load(y + t * HEAD_WIDTH);
						const real mean = head_sum(gradient * out) / HEAD_WIDTH;
						gradient = turn(*r++ * (gradient - out * mean), head_load(table + t * HEAD_WIDTH), -1);
					}
					head_store(to + t * stride, gradient);
				}
			}
		}
	}
}

int logit_stride(const struct shape *shape) {
	return (shape->vocab + HEAD_WIDTH - 1) / HEAD_WIDTH * HEAD_WIDTH;
}
