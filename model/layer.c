/* The layers between the matrix products. Rows are whole heads long, so they go in vectors of one head, which every
 * compiler turns into as few registers as the processor has them wide. */
#include "model/layer.h"

#include <tgmath.h>

enum { HALF = HEAD_WIDTH / 2 };

typedef real head_vector __attribute__((vector_size(HEAD_WIDTH * sizeof(real))));
typedef real half_vector __attribute__((vector_size(HALF * sizeof(real))));
typedef real unaligned_head __attribute__((vector_size(HEAD_WIDTH * sizeof(real)), aligned(sizeof(real)), may_alias));

static inline head_vector load(const real *from) {
	return (head_vector) * (const unaligned_head *)from;
}

static inline void store(real *to, head_vector value) {
	*(unaligned_head *)to = (unaligned_head)value;
}

static inline real sum_of(head_vector x) {
	const half_vector sum = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
	                        __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
	const real a = sum[0] + sum[4], b = sum[1] + sum[5], c = sum[2] + sum[6], d = sum[3] + sum[7];
	return (a + c) + (b + d);
}

static inline real dot(const real *x, const real *y, int count) {
	head_vector sum = {0};
	for (int i = 0; i < count; i += HEAD_WIDTH) sum += load(x + i) * load(y + i);
	return sum_of(sum);
}

void rms_forward(real *y, real *r, const real *x, int R, int d) {
	const real share = (real)1 / (real)d, epsilon = (real)RMS_EPSILON;
	for (int i = 0; i < R; i++) r[i] = dot(x + (size_t)i * (size_t)d, x + (size_t)i * (size_t)d, d);
	for (int i = 0; i < R; i++) r[i] = 1 / sqrt(r[i] * share + epsilon);
	for (int i = 0; i < R; i++) {
		const real *from = x + (size_t)i * (size_t)d, factor = r[i];
		real *to = y + (size_t)i * (size_t)d;
		for (int j = 0; j < d; j += HEAD_WIDTH) store(to + j, load(from + j) * factor);
	}
}

void rms_backward(real *dx, const real *dy, const real *y, const real *r, int R, int d, bool add) {
	for (int i = 0; i < R; i++) {
		const real *out = y + (size_t)i * (size_t)d, *dout = dy + (size_t)i * (size_t)d;
		real *din = dx + (size_t)i * (size_t)d;
		const real mean = dot(dout, out, d) / (real)d, factor = r[i];
		for (int j = 0; j < d; j += HEAD_WIDTH) {
			const head_vector gradient = factor * (load(dout + j) - load(out + j) * mean);
			store(din + j, add ? load(din + j) + gradient : gradient);
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

void qk_forward(real *qkv, real *r, const real *table, struct attention_shape shape) {
	const int heads = 2 * shape.H; /* of q, then of k */
	for (int row = 0; row < shape.B * shape.T; row++) {
		const head_vector angles = load(table + (size_t)(row % shape.T) * HEAD_WIDTH);
		real *x = qkv + (size_t)row * 3 * (size_t)shape.H * HEAD_WIDTH, *factor = r + (size_t)row * (size_t)heads;
		for (int h = 0; h < heads; h++, x += HEAD_WIDTH) {
			const head_vector in = load(x);
			factor[h] = 1 / sqrt(sum_of(in * in) / HEAD_WIDTH + (real)RMS_EPSILON);
			store(x, turn(in * factor[h], angles, 1));
		}
	}
}

void qk_backward(real *dqkv, const real *qkv, const real *r, const real *table, struct attention_shape shape) {
	const int heads = 2 * shape.H;
	for (int row = 0; row < shape.B * shape.T; row++) {
		const head_vector angles = load(table + (size_t)(row % shape.T) * HEAD_WIDTH);
		const size_t at = (size_t)row * 3 * (size_t)shape.H * HEAD_WIDTH;
		const real *y = qkv + at, *factor = r + (size_t)row * (size_t)heads;
		real *dy = dqkv + at;
		for (int h = 0; h < heads; h++, y += HEAD_WIDTH, dy += HEAD_WIDTH) {
			const head_vector out = load(y), gradient = load(dy);
			const real mean = sum_of(gradient * out) / HEAD_WIDTH;
			store(dy, turn(factor[h] * (gradient - out * mean), angles, -1));
		}
	}
}

int logit_stride(const struct shape *shape) {
	return (shape->vocab + HEAD_WIDTH - 1) / HEAD_WIDTH * HEAD_WIDTH;
}
