/* OpenBLAS for every matrix product, attention in blocks of queries, and an exponential that vectorises. */
#include "model/layer.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#ifdef RUNG_DOUBLE
#define GEMM cblas_dgemm
static inline real vector_exp(real x) {
	return exp(x);
}
#else
#define GEMM cblas_sgemm

/* e^x for x <= 0 as 2^n e^f, n whole and |f| <= ln 2 / 2, with the Taylor polynomial of degree 7 (its remainder there,
 * f^8/8!, is below 1e-8) in a form that a compiler turns into vector code. Within 2 units in the last place; results
 * below 2^-126 are flushed to zero; NaN gives NaN. */
static inline real vector_exp(real x) {
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
	int32_t bits;
	memcpy(&bits, &shifted, sizeof bits);
	bits = (int32_t)((uint32_t)(bits + 127) << 23); /* the magic's own bits fall out at the top */
	float power;
	memcpy(&power, &bits, sizeof power);
	return x < -87.0f ? 0 : p * power;
}
#endif

/* row := exp(row - shift); the sum of the results. */
static real exp_row(real *row, real shift, int count) {
	real sum = 0;
#pragma omp simd reduction(+ : sum)
	for (int i = 0; i < count; i++) sum += row[i] = vector_exp(row[i] - shift);
	return sum;
}

/* Sixteen running maxima become one vector maximum; a reduction clause on a single one does not, in every compiler. */
static real largest_of(const real *row, int count) {
	enum { LANES = 16 };
	real lanes[LANES], largest = -INFINITY;
	int i = 0;
	for (int j = 0; j < LANES; j++) lanes[j] = -INFINITY;
	for (; i + LANES <= count; i += LANES)
		for (int j = 0; j < LANES; j++) lanes[j] = row[i + j] > lanes[j] ? row[i + j] : lanes[j];
	for (int j = 0; j < LANES; j++) largest = lanes[j] > largest ? lanes[j] : largest;
	for (; i < count; i++) largest = row[i] > largest ? row[i] : largest;
	return largest;
}

/* --------------------------------------------------------------------------------------------- matrix products --- */

static void matmul_forward(real *y, const real *x, const real *w, int R, int outputs, int inputs) {
	GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, R, outputs, inputs, 1, x, inputs, w, inputs, 0, y, outputs);
}

static void matmul_backward_input(real *dx, const real *dy, const real *w, int R, int outputs, int inputs) {
	GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, R, inputs, outputs, 1, dy, outputs, w, inputs, 0, dx, inputs);
}

static void matmul_backward_weight(real *dw, const real *dy, const real *x, int R, int outputs, int inputs, bool add) {
	GEMM(
	    CblasRowMajor, CblasTrans, CblasNoTrans, outputs, inputs, R, 1, dy, outputs, x, inputs, add ? 1 : 0, dw,
	    inputs);
}

/* --------------------------------------------------------------------------------------------------- attention --- */

/* Queries are taken in blocks, so that a block's scores stay in the first-level caches and the keys beyond its last
 * query are never looked at. */
enum { BLOCK = 64 };

static size_t attention_scratch(struct attention_shape shape) {
	return 2 * BLOCK * (size_t)shape.T;
}

static int block_rows(int T, int first) {
	return T - first < BLOCK ? T - first : BLOCK;
}

/* p (rows,keys) = SCORE_SCALE q k^T for a block of queries and the keys up to its last one. */
static void block_scores(real *p, const real *q, const real *k, int rows, int keys, int stride) {
	GEMM(
	    CblasRowMajor, CblasNoTrans, CblasTrans, rows, keys, HEAD_WIDTH, SCORE_SCALE, q, stride, k, stride, 0, p, keys);
}

static void attention_forward(real *out, real *lse, const real *qkv, struct attention_shape shape, real *scratch) {
	const int width = shape.H * HEAD_WIDTH, stride = 3 * width, T = shape.T;
	real *p = scratch; // (BLOCK,keys)
	for (int b = 0; b < shape.B; b++) {
		for (int h = 0; h < shape.H; h++) {
			const real *q = qkv + (size_t)b * (size_t)T * (size_t)stride + (size_t)h * HEAD_WIDTH;
			const real *k = q + width, *v = k + width;
			real *o = out + (size_t)b * (size_t)T * (size_t)width + (size_t)h * HEAD_WIDTH;
			real *log_sum = lse + ((size_t)b * (size_t)shape.H + (size_t)h) * (size_t)T;
			for (int first = 0; first < T; first += BLOCK) {
				const int rows = block_rows(T, first), keys = first + rows;
				block_scores(p, q + (size_t)first * (size_t)stride, k, rows, keys, stride);
				for (int i = 0; i < rows; i++) {
					real *row = p + (size_t)i * (size_t)keys;
					const int seen = first + i + 1;
					const real largest = largest_of(row, seen), sum = exp_row(row, largest, seen), share = 1 / sum;
					for (int s = 0; s < seen; s++) row[s] *= share;
					memset(row + seen, 0, sizeof(real) * (size_t)(keys - seen));
					log_sum[first + i] = largest + (real)log((double)sum);
				}
				GEMM(
				    CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, HEAD_WIDTH, keys, 1, p, keys, v, stride, 0,
				    o + (size_t)first * (size_t)width, width);
			}
		}
	}
}

static void attention_backward(
    real *dqkv, const real *dout, const real *out, const real *lse, const real *qkv, struct attention_shape shape,
    real *scratch) {
	const int width = shape.H * HEAD_WIDTH, stride = 3 * width, T = shape.T;
	real *p = scratch, *dscore = scratch + BLOCK * (size_t)T; // (BLOCK,keys) each
	memset(dqkv, 0, sizeof(real) * (size_t)shape.B * (size_t)T * (size_t)stride);
	for (int b = 0; b < shape.B; b++) {
		for (int h = 0; h < shape.H; h++) {
			const size_t at = (size_t)b * (size_t)T * (size_t)stride + (size_t)h * HEAD_WIDTH;
			const real *q = qkv + at, *k = q + width, *v = k + width;
			real *dq = dqkv + at, *dk = dq + width, *dv = dk + width;
			const size_t out_at = (size_t)b * (size_t)T * (size_t)width + (size_t)h * HEAD_WIDTH;
			const real *log_sum = lse + ((size_t)b * (size_t)shape.H + (size_t)h) * (size_t)T;
			for (int first = 0; first < T; first += BLOCK) {
				const int rows = block_rows(T, first), keys = first + rows;
				const real *block_q = q + (size_t)first * (size_t)stride;
				const real *o = out + out_at + (size_t)first * (size_t)width;
				const real *block_do = dout + out_at + (size_t)first * (size_t)width;
				block_scores(p, block_q, k, rows, keys, stride);
				GEMM(
				    CblasRowMajor, CblasNoTrans, CblasTrans, rows, keys, HEAD_WIDTH, 1, block_do, width, v, stride, 0,
				    dscore, keys);
				for (int i = 0; i < rows; i++) {
					real *row = p + (size_t)i * (size_t)keys, *drow = dscore + (size_t)i * (size_t)keys;
					const real *o_row = o + (size_t)i * (size_t)width, *do_row = block_do + (size_t)i * (size_t)width;
					const int seen = first + i + 1;
					real D = 0;
					for (int j = 0; j < HEAD_WIDTH; j++) D += o_row[j] * do_row[j];
					exp_row(row, log_sum[first + i], seen);
					for (int s = 0; s < seen; s++) drow[s] = SCORE_SCALE * row[s] * (drow[s] - D);
					memset(row + seen, 0, sizeof(real) * (size_t)(keys - seen));
					memset(drow + seen, 0, sizeof(real) * (size_t)(keys - seen));
				}
				GEMM(
				    CblasRowMajor, CblasTrans, CblasNoTrans, keys, HEAD_WIDTH, rows, 1, p, keys, block_do, width, 1, dv,
				    stride);
				GEMM(
				    CblasRowMajor, CblasTrans, CblasNoTrans, keys, HEAD_WIDTH, rows, 1, dscore, keys, block_q, stride,
				    1, dk, stride);
				GEMM(
				    CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, HEAD_WIDTH, keys, 1, dscore, keys, k, stride, 0,
				    dq + (size_t)first * (size_t)stride, stride);
			}
		}
	}
}

/* ----------------------------------------------------------------------------------------------- cross-entropy --- */

static void cross_entropy(real *logits, const uint16_t *targets, int R, int V, real scale, double *loss) {
	for (int r = 0; r < R; r++) {
		real *row = logits + (size_t)r * (size_t)V;
		const real target = row[targets[r]], largest = largest_of(row, V), sum = exp_row(row, largest, V);
		loss[r] = log((double)sum) - (double)(target - largest);
		const real share = scale / sum;
		for (int v = 0; v < V; v++) row[v] *= share;
		row[targets[r]] -= scale;
	}
}

const struct kernel_set kernels_blas = {
    .matmul_forward = matmul_forward,
    .matmul_backward_input = matmul_backward_input,
    .matmul_backward_weight = matmul_backward_weight,
    .attention_forward = attention_forward,
    .attention_backward = attention_backward,
    .attention_scratch = attention_scratch,
    .cross_entropy = cross_entropy,
};
