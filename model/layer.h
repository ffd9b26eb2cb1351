/* layer.h - the layers of the block, private to model/.
 *
 * Several sets of kernels stand behind one table: plain loops (plain.c, the specification), OpenBLAS (blas.c), and vector
 * code for each instruction set (vector.c). The small layers between them (layer.c) are shared. R counts rows, that is positions of all sequences together. */
#ifndef RUNG_MODEL_LAYER_H
#define RUNG_MODEL_LAYER_H

#include "model/model.h"

#define RMS_EPSILON 1e-6
#define ROPE_THETA 1e4
/* Scores are 1.44 q.k / sqrt(16): with q and k normalised, a constant sharpens what the norm has flattened. */
#define SCORE_SCALE ((real)(1.44 / 4))

/* A layout function runs twice: with `arena` NULL it counts `bytes`, then it hands them out. */
#define TAKE(pointer, count)                                                                                           \
	do {                                                                                                               \
		const size_t take_bytes_ = (count) * sizeof *(pointer);                                                        \
		bytes += arena_padded(take_bytes_);                                                                            \
		if (arena) (pointer) = arena_take(arena, take_bytes_);                                                         \
	} while (0)

/* Rows of logits that exist at a time: the classifier is taken in pieces, so there is no (B,T,V) tensor. */
enum { LOGIT_ROWS = 128 };
/* Reals from one row of logits to the next: padded, so that kernels may write whole vectors. */
int logit_stride(const struct shape *shape);

/* Sizes of the attention of one micro-batch. As a product gives them, q, k and v of a position stand in one row,
 * (B,T,3,H,16); attention has those of a head together, (B,H,3,T,16). */
struct attention_shape {
	int B, T, H;
};

/* The kinds of matrices, all but the last in every block, and what is multiplied by each of them. */
enum matrix { QKV, OUT, MLP_IN, MLP_OUT, HEAD, MATRIX_COUNT };
enum direction { FORWARD, TO_INPUT, TO_WEIGHT, DIRECTION_COUNT };

/* Rows of a matrix that an update changes at a time: whole panels of every set of kernels, few enough that what belongs to
 * them stays in the second-level cache. */
enum { PIECE_ROWS = 32 };

/* A matrix of the model, w (outputs,inputs), who multiplies by it, and the copies of it that a set of kernels may keep. */
struct weight {
	const real *w;
	int outputs, inputs;
	const struct kernel_set *by[DIRECTION_COUNT];
	real *packed; /* weight_packed_reals() of them; NULL when nobody wants them */
};

/* One set of kernels. `stride` is the distance between rows where it is not the number of columns. */
struct kernel_set {
	const char *name;

	/* How many reals the packed form of a matrix takes, and making it of rows first .. first + rows - 1, pieces of
	 * PIECE_ROWS but for the last one; both NULL when w is used as it is. */
	size_t (*packed_reals)(int outputs, int inputs);
	void (*pack)(const struct weight *weight, int first, int rows);

	/* y (R,outputs) = x (R,inputs) w^T */
	void (*forward)(real *y, int stride, const real *x, const struct weight *weight, int R);
	/* stream (R,outputs) += scale x w^T */
	void (*forward_residual)(real *stream, const real *x, const struct weight *weight, int R, real scale);
	/* z (R,outputs) = max(x w^T, 0) and its square */
	void (*forward_relu2)(real *z, real *square, const real *x, const struct weight *weight, int R);

	/* dx (R,inputs) = scale dy (R,outputs) w */
	void (*backward_input)(real *dx, const real *dy, int stride, const struct weight *weight, int R, real scale);
	/* dh (R,inputs) = 2 z scale dy w: back through the square of forward_relu2 as well, which is made anew rather than
	 * kept. dh may be z. */
	void (*backward_relu2)(
	    real *dh, real *square, const real *dy, const real *z, const struct weight *weight, int R, real scale);
	/* dw (outputs,inputs) = scale dy^T x, or += with `add` */
	void (*backward_weight)(
	    real *dw, const real *dy, int stride, const real *x, int outputs, int inputs, int R, real scale, bool add);

	/* out (B,T,H,16), and what the way back needs to know of each softmax, sums (B,H,T), which every set has in its own
	 * form; scratch: attention_scratch() reals */
	void (*attention_forward)(real *out, real *sums, const real *heads, struct attention_shape shape, real *scratch);
	/* dheads (B,H,3,T,16), all of it written */
	void (*attention_backward)(
	    real *dheads, const real *dout, const real *out, const real *sums, const real *heads,
	    struct attention_shape shape, real *scratch);
	size_t (*attention_scratch)(struct attention_shape shape);

	/* Turns logits (R,V) into scale * (softmax - one-hot target) in place; loss (R) gets each row's -ln p(target).
	 * With scale 0 the logits are left as rubbish and only the loss counts. */
	void (*cross_entropy)(real *logits, int stride, const uint16_t *targets, int R, int V, real scale, double *loss);
};

extern const struct kernel_set kernels_plain, kernels_blas, kernels_portable;
#ifdef __x86_64__
extern const struct kernel_set kernels_avx2, kernels_avx512;
#endif

/* In the order of enum kernels; NULL where this kind of processor has none. */
extern const struct kernel_set *const kernel_sets[KERNELS_COUNT];

/* Sets weight->by. */
void weight_use(struct weight *weight, enum matrix kind, struct kernel_choice choice);
/* The packed form that those who multiply by this matrix want of it; 0 when none does. */
size_t weight_packed_reals(const struct weight *weight);
void weight_pack(const struct weight *weight, int first, int rows);

/* -------------------------------------------------------------------------------------------- shared (layer.c) --- */

/* y = x r, r = 1 / sqrt(mean(x^2) + eps) for each of R rows of d; y may be x. */
void rms_forward(real *y, real *r, const real *x, int R, int d);
/* dx [+]= r (dy - y mean(dy y)), which needs the output alone. dx may be dy. */
void rms_backward(real *dx, const real *dy, const real *y, const real *r, int R, int d, bool add);

/* Cosines and sines of the rotary angles: (T,8) pairs, cos first. Element i of a head turns with element i + 8 by
 * t theta^(-i/8). */
void rope_table(real *table, int T);
/* From rows (B,T,3,H,16) to heads (B,H,3,T,16): normalises and rotates q and k, keeps their factors r (B,H,2,T), and
 * leaves v as it is. */
void qk_forward(real *heads, real *r, const real *rows, const real *table, struct attention_shape shape);
/* The gradients back into rows. A rotation keeps inner products, so the rotated q and k serve the norm's backward pass. */
void qk_backward(
    real *drows, const real *dheads, const real *heads, const real *r, const real *table, struct attention_shape shape);

#endif
