/* layer.h - the layers of the block, private to model/.
 *
 * Two sets of kernels stand behind one table: plain loops (plain.c, the specification) and OpenBLAS (blas.c). The small
 * layers between them (layer.c) are shared. R counts rows, that is positions of all sequences together. */
#ifndef RUNG_MODEL_LAYER_H
#define RUNG_MODEL_LAYER_H

#include "model/model.h"

#define RMS_EPSILON 1e-6
#define ROPE_THETA 1e4
/* Scores are 1.44 q.k / sqrt(16): with q and k normalised, a constant sharpens what the norm has flattened. */
#define SCORE_SCALE ((real)(1.44 / 4))

/* Sizes of the attention of one micro-batch. q, k and v of a position stand in one row: (B,T,3,H,16). */
struct attention_shape {
	int B, T, H;
};

/* One set of kernels. `add` chooses between = and +=. */
struct kernel_set {
	/* y (R,outputs) = x (R,inputs) w^T, w (outputs,inputs) */
	void (*matmul_forward)(real *y, const real *x, const real *w, int R, int outputs, int inputs);
	/* dx (R,inputs) = dy (R,outputs) w */
	void (*matmul_backward_input)(real *dx, const real *dy, const real *w, int R, int outputs, int inputs);
	/* dw (outputs,inputs) [+]= dy^T x */
	void (*matmul_backward_weight)(real *dw, const real *dy, const real *x, int R, int outputs, int inputs, bool add);

	/* out (B,T,H,16) and the logarithm of each softmax denominator, lse (B,H,T); scratch: attention_scratch() reals */
	void (*attention_forward)(real *out, real *lse, const real *qkv, struct attention_shape shape, real *scratch);
	/* dqkv (B,T,3,H,16), all of it written */
	void (*attention_backward)(
	    real *dqkv, const real *dout, const real *out, const real *lse, const real *qkv, struct attention_shape shape,
	    real *scratch);
	size_t (*attention_scratch)(struct attention_shape shape);

	/* Turns logits (R,V) into scale * (softmax - one-hot target) in place; loss (R) gets each row's -ln p(target).
	 * With scale 0 the logits are left as rubbish and only the loss counts. */
	void (*cross_entropy)(real *logits, const uint16_t *targets, int R, int V, real scale, double *loss);
};

extern const struct kernel_set kernels_plain, kernels_blas;

/* -------------------------------------------------------------------------------------------- shared (layer.c) --- */

/* y = x r, r = 1 / sqrt(mean(x^2) + eps) for each of R rows of d; y may be x. */
void rms_forward(real *y, real *r, const real *x, int R, int d);
/* dx [+]= r (dy - y mean(dy y)), which needs the output alone. dx may be dy. */
void rms_backward(real *dx, const real *dy, const real *y, const real *r, int R, int d, bool add);

/* Cosines and sines of the rotary angles: (T,8) pairs, cos first. Element i of a head turns with element i + 8 by
 * t theta^(-i/8). */
void rope_table(real *table, int T);
/* Normalises and rotates q and k of every head in place, and keeps their factors r (B,T,2,H). */
void qk_forward(real *qkv, real *r, const real *table, struct attention_shape shape);
/* In place on dqkv. A rotation keeps inner products, so the rotated q and k serve the norm's backward pass. */
void qk_backward(real *dqkv, const real *qkv, const real *r, const real *table, struct attention_shape shape);

/* z = max(h, 0) in place and its square. */
void relu2_forward(real *square, real *h, size_t count);
/* dsquare becomes dh = 2 z dsquare. */
void relu2_backward(real *dsquare, const real *z, size_t count);

/* x += scale y */
void residual_add(real *x, const real *y, real scale, size_t count);

#endif
