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

static void backward_relu2(
    real *dh, real *square, const real *dy, const real *z, const struct weight *weight, int R, real scale) {
	backward_input(square, dy, weight->outputs, weight, R, scale);
	for (size_t i = 0; i < (size_t)R * (size_t)weight->inputs; i++) {
		const real positive = z[i];
		dh[i] = 2 * positive * square[i];
		square[i] = positive * positive;
	}
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
static void block_scores(real *p, const real *q, const real *k, int rows, int keys) {
	GEMM(
	    CblasRowMajor, CblasNoTrans, CblasTrans, rows, keys, HEAD_WIDTH, SCORE_SCALE, q, HEAD_WIDTH, k, HEAD_WIDTH, 0,
	    p, keys);
}

/* Of each softmax the logarithm of its denominator is kept. */
static void attention_forward(real *out, real *sums, const real *heads, struct attention_shape shape, real *scratch) {
	const int width = shape.H * HEAD_WIDTH, T = shape.T;
	const size_t part = (size_t)T * HEAD_WIDTH;
	real *p = scratch; // (BLOCK,keys)
	for (int b = 0; b < shape.B; b++) {
		for (int h = 0; h < shape.H; h++) {
			const size_t head = (size_t)b * (size_t)shape.H + (size_t)h;
			const real *q = heads + head * 3 * part, *k = q + part, *v = k + part;
			real *o = out + (size_t)b * (size_t)T * (size_t)width + (size_t)h * HEAD_WIDTH;
			real *log_sum = sums + head * (size_t)T;
			for (int first = 0; first < T; first += BLOCK) {
				const int rows = block_rows(T, first), keys = first + rows;
				block_scores(p, q + first * HEAD_WIDTH, k, rows, keys);
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
				    CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, HEAD_WIDTH, keys, 1, p, keys, v, HEAD_WIDTH, 0,
				    o + (size_t)first * (size_t)width, width);
			}
		}
	}
}

static void attention_backward(
    real *dheads, const real *dout, const real *out, const real *sums, const real *heads, struct attention_shape shape,
    real *scratch) {
	const int width = shape.H * HEAD_WIDTH, T = shape.T;
	const size_t part = (size_t)T * HEAD_WIDTH;
	real *p = scratch, *dscore = scratch + BLOCK * (size_t)T; // (BLOCK,keys) each
	memset(dheads, 0, sizeof(real) * (size_t)shape.B * (size_t)shape.H * 3 * part);
	for (int b = 0; b < shape.B; b++) {
		for (int h = 0; h < shape.H; h++) {
			const size_t head = (size_t)b * (size_t)shape.H + (size_t)h;
			const real *q = heads + head * 3 * part, *k = q + part, *v = k + part;
			real *dq = dheads + head * 3 * part, *dk = dq + part, *dv = dk + part;
			const size_t out_at = (size_t)b * (size_t)T * (size_t)width + (size_t)h * HEAD_WIDTH;
			const real *log_sum = sums + head * (size_t)T;
			for (int first = 0; first < T; first += BLOCK) {
				const int rows = block_rows(T, first), keys = first + rows;
				const real *block_q = q + first * HEAD_WIDTH;
				const real *o = out + out_at + (size_t)first * (size_t)width;
				const real *block_do = dout + out_at + (size_t)first * (size_t)width;
				block_scores(p, block_q, k, rows, keys);
				GEMM(
				    CblasRowMajor, CblasNoTrans, CblasTrans, rows, keys, HEAD_WIDTH, 1, block_do, width, v, HEAD_WIDTH,
				    0, dscore, keys);
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
				    HEAD_WIDTH);
				GEMM(
				    CblasRowMajor, CblasTrans, CblasNoTrans, keys, HEAD_WIDTH, rows, 1, dscore, keys, block_q,
				    HEAD_WIDTH, 1, dk, HEAD_WIDTH);
				GEMM(
				    CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, HEAD_WIDTH, keys, 1, dscore, keys, k, HEAD_WIDTH,
				    0, dq + first * HEAD_WIDTH, HEAD_WIDTH);
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
