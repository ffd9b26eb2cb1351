/* Kernels in vector code, all of them products of the one register tile of tile.h. This file is compiled once for each
 * instruction set (see the Makefile), and model.c takes the widest that the processor has.
 *
 * Weights are packed into panels two vectors wide, once an update for the whole batch. Activations are never packed:
 * where they are the right-hand side, as in the gradient of a weight, rows are read where they lie. */
#include "model/softmax.h"
#include "model/tile.h"

#include <string.h>

#if defined(__AVX512F__)
#define KERNELS kernels_avx512
#define NAME "avx512"
#elif defined(__AVX2__)
#define KERNELS kernels_avx2
#define NAME "avx2"
#else
#define KERNELS kernels_portable
#define NAME "portable"
#endif

/* ------------------------------------------------------------------------------------------------------- weights --- */

static int padded(int count) {
	return (count + LANES - 1) / LANES * LANES;
}

/* Panels of w^T for the forward products, then panels of w for the backward ones. */
static size_t packed_reals(int outputs, int inputs) {
	return (size_t)padded(outputs) * (size_t)inputs + (size_t)outputs * (size_t)inputs;
}

static const real *backward_panels(const struct weight *weight) {
	return weight->packed + (size_t)padded(weight->outputs) * (size_t)weight->inputs;
}

static int panel_width(int col, int cols) {
	return cols - col < PANEL ? cols - col : PANEL;
}

static void pack(const struct weight *weight) {
	const size_t inputs = (size_t)weight->inputs;
	const int all = padded(weight->outputs);
	real *to = weight->packed;
	for (int col = 0; col < all; col += PANEL) {
		const int width = panel_width(col, all);
		for (size_t i = 0; i < inputs; i++, to += width)
			for (int j = 0; j < width; j++)
				to[j] = col + j < weight->outputs ? weight->w[(size_t)(col + j) * inputs + i] : 0;
	}
	for (int col = 0; col < weight->inputs; col += PANEL) {
		const int width = panel_width(col, weight->inputs);
		for (int o = 0; o < weight->outputs; o++, to += width)
			memcpy(to, weight->w + (size_t)o * inputs + (size_t)col, (size_t)width * sizeof(real));
	}
}

/* ------------------------------------------------------------------------------------------------ matrix products --- */

static struct product forward_product(real *y, const real *x, const struct weight *weight, int R) {
	return (struct product){
	    .c = y,
	    .c_row = (size_t)weight->outputs,
	    .a = x,
	    .a_row = (size_t)weight->inputs,
	    .a_col = 1,
	    .b = weight->packed,
	    .packed = true,
	    .rows = R,
	    .cols = padded(weight->outputs),
	    .inner = weight->inputs,
	    .scale = 1};
}

static void forward(real *y, int stride, const real *x, const struct weight *weight, int R) {
	struct product p = forward_product(y, x, weight, R);
	p.c_row = (size_t)stride;
	multiply(FINISH_STORE, &p);
}

static void forward_residual(real *stream, const real *x, const struct weight *weight, int R, real scale) {
	struct product p = forward_product(stream, x, weight, R);
	p.scale = scale;
	multiply(FINISH_ADD, &p);
}

static void forward_relu2(real *z, real *square, const real *x, const struct weight *weight, int R) {
	struct product p = forward_product(z, x, weight, R);
	p.other = square;
	multiply(FINISH_RELU2, &p);
}

static struct product backward_product(real *dx, const real *dy, int stride, const struct weight *weight, int R) {
	return (struct product){
	    .c = dx,
	    .c_row = (size_t)weight->inputs,
	    .a = dy,
	    .a_row = (size_t)stride,
	    .a_col = 1,
	    .b = backward_panels(weight),
	    .packed = true,
	    .rows = R,
	    .cols = weight->inputs,
	    .inner = weight->outputs};
}

static void backward_input(real *dx, const real *dy, int stride, const struct weight *weight, int R, real scale) {
	struct product p = backward_product(dx, dy, stride, weight, R);
	p.scale = scale;
	multiply(FINISH_STORE, &p);
}

static void backward_relu2(real *dh, const real *dy, const real *z, const struct weight *weight, int R, real scale) {
	struct product p = backward_product(dh, dy, weight->outputs, weight, R);
	/* `other` is only read here. */
	p.other = (real *)(uintptr_t)z;
	p.scale = scale;
	multiply(FINISH_GATE, &p);
}

/* Rows are taken in chunks whose panel of x stays in the first-level cache while all outputs pass over it. */
static void backward_weight(
    real *dw, const real *dy, int stride, const real *x, int outputs, int inputs, int R, real scale, bool add) {
	enum { CHUNK = 256 };
	for (int first = 0; first < R; first += CHUNK) {
		const struct product p = {
		    .c = dw,
		    .c_row = (size_t)inputs,
		    .a = dy + (size_t)first * (size_t)stride,
		    .a_row = 1,
		    .a_col = (size_t)stride,
		    .b = x + (size_t)first * (size_t)inputs,
		    .b_row = (size_t)inputs,
		    .rows = outputs,
		    .cols = inputs,
		    .inner = R - first < CHUNK ? R - first : CHUNK,
		    .scale = scale};
		multiply_or_add(add || first > 0, &p);
	}
}

/* ----------------------------------------------------------------------------------------------------- attention --- */

/* Queries go in blocks; the keys beyond a block's last query are never looked at. Scores need no maximum taken off before
 * the exponential: q and k are normalised, so that |score| <= 1.44 sqrt(16) = 5.76. */
enum { BLOCK = 4 * ROWS < 32 ? 32 : 4 * ROWS };

/* Scratch: k^T and v^T (16,Tp), two blocks of scores (BLOCK,Tp), gradients of k and v (T,16). */
static size_t attention_scratch(struct attention_shape shape) {
	const size_t Tp = (size_t)padded(shape.T);
	return 2 * HEAD_WIDTH * Tp + 2 * BLOCK * Tp + 2 * HEAD_WIDTH * Tp;
}

static void transpose_head(real *to, const real *from, int stride, int T) {
	const size_t Tp = (size_t)padded(T);
	for (size_t i = 0; i < HEAD_WIDTH; i++) {
		for (int t = 0; t < T; t++) to[i * Tp + (size_t)t] = from[(size_t)t * (size_t)stride + i];
		for (size_t t = (size_t)T; t < Tp; t++) to[i * Tp + t] = 0;
	}
}

/* c (rows,keys) = scale x y^T for rows of a head against its transposed y (16,Tp). */
static void against_keys(
    real *c, const real *x, int stride, const real *transposed, int rows, int keys, int T, real scale) {
	const struct product p = {
	    .c = c,
	    .c_row = (size_t)padded(T),
	    .a = x,
	    .a_row = (size_t)stride,
	    .a_col = 1,
	    .b = transposed,
	    .b_row = (size_t)padded(T),
	    .rows = rows,
	    .cols = padded(keys),
	    .inner = HEAD_WIDTH,
	    .scale = scale};
	multiply(FINISH_STORE, &p);
}

/* c (rows,16) = w (rows,keys) y for the rows y (keys,16) of a head. */
static void weighted_rows(real *c, int c_stride, const real *w, const real *y, int stride, int rows, int keys, int T) {
	const struct product p = {
	    .c = c,
	    .c_row = (size_t)c_stride,
	    .a = w,
	    .a_row = (size_t)padded(T),
	    .a_col = 1,
	    .b = y,
	    .b_row = (size_t)stride,
	    .rows = rows,
	    .cols = HEAD_WIDTH,
	    .inner = keys,
	    .scale = 1};
	multiply(FINISH_STORE, &p);
}

/* c (keys,16) += w^T x for w (rows,keys) and the rows x (rows,16) of a head. */
static void add_transposed(real *c, const real *w, const real *x, int stride, int rows, int keys, int T) {
	const struct product p = {
	    .c = c,
	    .c_row = HEAD_WIDTH,
	    .a = w,
	    .a_row = 1,
	    .a_col = (size_t)padded(T),
	    .b = x,
	    .b_row = (size_t)stride,
	    .rows = keys,
	    .cols = HEAD_WIDTH,
	    .inner = rows,
	    .scale = 1};
	multiply(FINISH_ADD, &p);
}

static int block_rows(int T, int first) {
	return T - first < BLOCK ? T - first : BLOCK;
}

static void attention_forward(real *out, real *lse, const real *qkv, struct attention_shape shape, real *scratch) {
	const int width = shape.H * HEAD_WIDTH, stride = 3 * width, T = shape.T;
	const size_t Tp = (size_t)padded(T);
	real *kt = scratch, *scores = kt + 2 * HEAD_WIDTH * Tp; // (16,Tp), (BLOCK,Tp)
	for (int b = 0; b < shape.B; b++) {
		for (int h = 0; h < shape.H; h++) {
			const real *q = qkv + (size_t)b * (size_t)T * (size_t)stride + (size_t)h * HEAD_WIDTH;
			const real *k = q + width, *v = k + width;
			real *o = out + (size_t)b * (size_t)T * (size_t)width + (size_t)h * HEAD_WIDTH;
			real *log_sum = lse + ((size_t)b * (size_t)shape.H + (size_t)h) * (size_t)T;
			transpose_head(kt, k, stride, T);
			for (int first = 0; first < T; first += BLOCK) {
				const int rows = block_rows(T, first), keys = first + rows;
				real *block_out = o + (size_t)first * (size_t)width, sums[BLOCK];
				against_keys(scores, q + (size_t)first * (size_t)stride, stride, kt, rows, keys, T, SCORE_SCALE);
				for (int i = 0; i < rows; i++) {
					real *row = scores + (size_t)i * Tp;
					const int seen = first + i + 1;
					sums[i] = exponential_row(row, 0, seen);
					memset(row + seen, 0, sizeof(real) * (size_t)(keys - seen));
				}
				weighted_rows(block_out, width, scores, v, stride, rows, keys, T);
				for (int i = 0; i < rows; i++) {
					const real share = 1 / sums[i];
					for (int j = 0; j < HEAD_WIDTH; j++) block_out[(size_t)i * (size_t)width + (size_t)j] *= share;
					log_sum[first + i] = (real)log((double)sums[i]);
				}
			}
		}
	}
}

static void attention_backward(
    real *dqkv, const real *dout, const real *out, const real *lse, const real *qkv, struct attention_shape shape,
    real *scratch) {
	const int width = shape.H * HEAD_WIDTH, stride = 3 * width, T = shape.T;
	const size_t Tp = (size_t)padded(T);
	real *kt = scratch, *vt = kt + HEAD_WIDTH * Tp;                               // (16,Tp)
	real *probability = vt + HEAD_WIDTH * Tp, *dscore = probability + BLOCK * Tp; // (BLOCK,Tp)
	real *dk = dscore + BLOCK * Tp, *dv = dk + HEAD_WIDTH * Tp;                   // (T,16)
	for (int b = 0; b < shape.B; b++) {
		for (int h = 0; h < shape.H; h++) {
			const size_t at = (size_t)b * (size_t)T * (size_t)stride + (size_t)h * HEAD_WIDTH;
			const real *q = qkv + at, *k = q + width, *v = k + width;
			const size_t out_at = (size_t)b * (size_t)T * (size_t)width + (size_t)h * HEAD_WIDTH;
			const real *log_sum = lse + ((size_t)b * (size_t)shape.H + (size_t)h) * (size_t)T;
			transpose_head(kt, k, stride, T);
			transpose_head(vt, v, stride, T);
			memset(dk, 0, 2 * HEAD_WIDTH * Tp * sizeof(real));
			for (int first = 0; first < T; first += BLOCK) {
				const int rows = block_rows(T, first), keys = first + rows;
				const real *block_q = q + (size_t)first * (size_t)stride;
				const real *o = out + out_at + (size_t)first * (size_t)width;
				const real *block_do = dout + out_at + (size_t)first * (size_t)width;
				against_keys(probability, block_q, stride, kt, rows, keys, T, SCORE_SCALE);
				against_keys(dscore, block_do, width, vt, rows, keys, T, 1);
				for (int i = 0; i < rows; i++) {
					real *row = probability + (size_t)i * Tp, *drow = dscore + (size_t)i * Tp;
					const real *o_row = o + (size_t)i * (size_t)width, *do_row = block_do + (size_t)i * (size_t)width;
					const int seen = first + i + 1;
					real D = 0;
#pragma omp simd reduction(+ : D)
					for (int j = 0; j < HEAD_WIDTH; j++) D += o_row[j] * do_row[j];
					const real shift = log_sum[first + i];
#pragma omp simd
					for (int s = 0; s < seen; s++) {
						const real p = exponential(row[s] - shift);
						row[s] = p;
						drow[s] = SCORE_SCALE * p * (drow[s] - D);
					}
					memset(row + seen, 0, sizeof(real) * (size_t)(keys - seen));
					memset(drow + seen, 0, sizeof(real) * (size_t)(keys - seen));
				}
				add_transposed(dv, probability, block_do, width, rows, keys, T);
				add_transposed(dk, dscore, block_q, stride, rows, keys, T);
				weighted_rows(dqkv + at + (size_t)first * (size_t)stride, stride, dscore, k, stride, rows, keys, T);
			}
			for (int t = 0; t < T; t++) {
				real *to = dqkv + at + (size_t)t * (size_t)stride + width;
				memcpy(to, dk + (size_t)t * HEAD_WIDTH, HEAD_WIDTH * sizeof(real));
				memcpy(to + width, dv + (size_t)t * HEAD_WIDTH, HEAD_WIDTH * sizeof(real));
			}
		}
	}
}

const struct kernel_set KERNELS = {
    .name = NAME,
    .packed_reals = packed_reals,
    .pack = pack,
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
