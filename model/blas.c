/* OpenBLAS for every matrix product, with attention in blocks of queries. */
#include "model/layer.h"
#include "model/softmax.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#ifdef RUNG_DOUBLE
#define GEMM cblas_dgemm
#else
#define GEMM cblas_sgemm
#endif

/* --------------------------------------------------------------------------------------------- matrix products --- */

/* y (R,outputs) = beta y + scale x w^T */
static void multiply(real *y, int stride, const real *x, const struct weight *weight, int R, real scale, real beta) {
	const int outputs = weight->outputs, inputs = weight->inputs;
	GEMM(
	    CblasRowMajor, CblasNoTrans, CblasTrans, R, outputs, inputs, scale, x, inputs, weight->w, inputs, beta, y,
	    stride);
}

static void forward(real *y, int stride, const real *x, const struct weight *weight, int R) {
	multiply(y, stride, x, weight, R, 1, 0);
}

static void forward_residual(real *stream, const real *x, const struct weight *weight, int R, real scale) {
	multiply(stream, weight->outputs, x, weight, R, scale, 1);
}

static void forward_relu2(real *z, real *square, const real *x, const struct weight *weight, int R) {
	multiply(z, weight->outputs, x, weight, R, 1, 0);
	for (size_t i = 0; i < (size_t)R * (size_t)weight->outputs; i++) {
		const real positive = z[i] < 0 ? 0 : z[i];
		z[i] = positive;
		square[i] = positive * positive;
	}
}

static void backward_input(real *dx, const real *dy, int stride, const struct weight *weight, int R, real scale) {
	const int outputs = weight->outputs, inputs = weight->inputs;
	GEMM(
	    CblasRowMajor, CblasNoTrans, CblasNoTrans, R, inputs, outputs, scale, dy, stride, weight->w, inputs, 0, dx,
	    inputs);
}

static void backward_relu2(real *dh, const real *dy, const real *z, const struct weight *weight, int R, real scale) {
	backward_input(dh, dy, weight->outputs, weight, R, scale);
	for (size_t i = 0; i < (size_t)R * (size_t)weight->inputs; i++) dh[i] *= 2 * z[i];
}

static void backward_weight(
    real *dw, const real *dy, int stride, const real *x, int outputs, int inputs, int R, real scale, bool add) {
	GEMM(
	    CblasRowMajor, CblasTrans, CblasNoTrans, outputs, inputs, R, scale, dy, stride, x, inputs, add ? 1 : 0, dw,
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
					const real largest = largest_of(row, seen), sum = exponential_row(row, largest, seen),
					           share = 1 / sum;
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
					exponential_row(row, log_sum[first + i], seen);
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

const struct kernel_set kernels_blas = {
    .name = "blas",
    .forward = forward,
    .forward_residual = forward_residual,
    .forward_relu2 = forward_relu2,
    .backward_input = backward_input,
    .backward_relu2 = backward_relu2,
    .backward_weight = backward_weight,
    .attention_forward = attention_forward,
    .attention_backward = attention_backward,
    .attention_scratch = attention_scratch,
    .cross_entropy = softmax_cross_entropy,
};
