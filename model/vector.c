/* Kernels in vector code, all of them products of the one register tile of tile.h. This file is compiled once for each
 * instruction set (see the Makefile), and model.c takes the widest that the processor has.
 *
 * Weights are packed into panels two vectors wide, once an update for the whole batch. Activations are never packed:
 * where they are the right-hand side, as in the gradient of a weight, rows are read where they lie. */
#include "model/head.h"
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

static real *backward_panels(const struct weight *weight) {
	return weight->packed + (size_t)padded(weight->outputs) * (size_t)weight->inputs;
}

static int panel_width(int col, int cols) {
	return cols - col < PANEL ? cols - col : PANEL;
}

/* to (cols,to_rows) = scale times the transpose of from (rows,cols), with zeros for what is missing of to_rows; in squares
 * of four by four. */
INLINE void turn(real *to, int to_rows, const real *from, int rows, int cols, real scale) {
	typedef real quad __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));
	for (int r = 0; r < to_rows; r += 4) {
		for (int i = 0; i < cols; i += 4) {
			quad row[4] = {{0}};
			for (int j = 0; j < 4 && r + j < rows; j++)
				row[j] = scale * *(const quad *)(from + (size_t)(r + j) * (size_t)cols + i);
			const quad low01 = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5);
			const quad high01 = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
			const quad low23 = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5);
			const quad high23 = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
			const quad column[4] = {
			    __builtin_shufflevector(low01, low23, 0, 1, 4, 5), __builtin_shufflevector(low01, low23, 2, 3, 6, 7),
			    __builtin_shufflevector(high01, high23, 0, 1, 4, 5),
			    __builtin_shufflevector(high01, high23, 2, 3, 6, 7)};
			for (int j = 0; j < 4; j++) *(quad *)(to + (size_t)(i + j) * (size_t)to_rows + r) = column[j];
		}
	}
}

static void pack(const struct weight *weight, int first, int rows) {
	const size_t inputs = (size_t)weight->inputs;
	const int outputs = weight->outputs, end = padded(first + rows);
	for (int col = first, width; col < end; col += width) {
		width = panel_width(col, padded(outputs));
		turn(
		    weight->packed + (size_t)col * inputs, width, weight->w + (size_t)col * inputs,
		    width < outputs - col ? width : outputs - col, weight->inputs, 1);
	}
	for (int col = 0, width; col < weight->inputs; col += width) {
		width = panel_width(col, weight->inputs);
		real *to = backward_panels(weight) + (size_t)col * (size_t)outputs + (size_t)first * (size_t)width;
		for (int o = first; o < first + rows; o++, to += width)
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

static void backward_relu2(
    real *dh, real *square, const real *dy, const real *z, const struct weight *weight, int R, real scale) {
	struct product p = backward_product(dh, dy, weight->outputs, weight, R);
	p.other = square;
	p.gate = z;
	p.scale = scale;
	multiply(FINISH_GATE, &p);
}

/* Rows are taken in chunks whose panel of x stays in the first-level cache while all outputs pass over it. Long rows would
 * come to lie in the same few sets of that cache: their panels are copied together. */
enum { CHUNK = 256, LONG_ROW = 4096 / sizeof(real) };

INLINE void backward_weight_chunk(const enum finish finish, const struct product *p) {
	if (p->b_row < LONG_ROW) {
		multiply(finish, p);
		return;
	}
	real copy[CHUNK * PANEL] __attribute__((aligned(VECTOR_BYTES)));
	for (int col = 0, width; col < p->cols; col += width) {
		width = panel_width(col, p->cols);
		for (size_t r = 0; r < (size_t)p->inner; r++)
			memcpy(copy + r * (size_t)width, p->b + r * p->b_row + col, (size_t)width * sizeof(real));
		struct product part = *p;
		part.c += col;
		part.b = copy;
		part.packed = true;
		part.cols = width;
		multiply(finish, &part);
	}
}

static void backward_weight(
    real *dw, const real *dy, int stride, const real *x, int outputs, int inputs, int R, real scale, bool add) {
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
		if (add || first > 0)
			backward_weight_chunk(FINISH_ADD, &p);
		else
			backward_weight_chunk(FINISH_STORE, &p);
	}
}

/* ----------------------------------------------------------------------------------------------------- attention --- */

/* Queries lie along the lanes, a panel of them at a time, and keys go in blocks: the scores of a block, (KEYS,QUERIES), are
 * the product of rows of k with q^T, their softmax needs no sum across lanes, and nothing leaves the first-level cache.
 * Scores need no maximum taken off before the exponential: q and k are normalised, so that
 * |score| <= 1.44 sqrt(16) = 5.76. Nor are probabilities ever divided by their sum: forward divides what they add up
 * to, and backward the gradient that comes in, as 1/sum is all that is kept of a softmax. */
enum { QUERIES = 4 * LANES, KEYS = 64 };

/* One head of one sequence, and a panel of its queries. */
struct head {
	int T;
	const real *q, *k, *v; // (T,16)
	real *dq, *dk, *dv;    // (T,16)

	int first, queries;       /* of the panel */
	real *qt, *dout, *dout_t; // (16,QUERIES) times SCORE_SCALE / ln 2; (QUERIES,16) over the sum; (16,QUERIES)
	real *minus_D;            // (QUERIES)
	real *sum;                // (QUERIES,16) of rows of v
	real *p, *dscore;         // (KEYS,QUERIES)
};

/* Some of the keys that a panel sees. Queries before `skip` do not see them. */
struct block {
	int key, keys, skip;
};

static size_t attention_scratch(struct attention_shape shape) {
	(void)shape;
	return (4 * HEAD_WIDTH + 1 + 2 * KEYS) * QUERIES;
}

static struct head head_make(const real *heads, struct attention_shape shape, int which, real *scratch) {
	const size_t part = (size_t)shape.T * HEAD_WIDTH;
	struct head head = {.T = shape.T, .q = heads + (size_t)which * 3 * part};
	head.k = head.q + part;
	head.v = head.k + part;
	real **const panels[] = {&head.qt, &head.dout, &head.dout_t, &head.sum};
	for (size_t i = 0; i < COUNT_OF(panels); i++, scratch += HEAD_WIDTH * QUERIES) *panels[i] = scratch;
	head.p = scratch;
	head.dscore = head.p + KEYS * QUERIES;
	head.minus_D = head.dscore + KEYS * QUERIES;
	return head;
}

/* The keys before a panel go in blocks of KEYS; its own in blocks of LANES, so that half of the masked scores are not even
 * computed. False when there are no more. */
static bool next_block(const struct head *head, struct block *block) {
	block->key += block->keys;
	const int before = head->first - block->key, left = before + head->queries, most = before > 0 ? KEYS : LANES;
	block->keys = before > 0 && before < most ? before : left < most ? left : most;
	block->skip = before > 0 ? 0 : -before;
	return left > 0;
}

static bool next_panel(struct head *head) {
	head->first += head->queries;
	head->queries = head->T - head->first < QUERIES ? head->T - head->first : QUERIES;
	if (head->queries > 0)
		turn(
		    head->qt, QUERIES, head->q + (size_t)head->first * HEAD_WIDTH, head->queries, HEAD_WIDTH,
		    SCORE_SCALE * LOG2_E);
	return head->queries > 0;
}

/* p (keys,QUERIES) = exp(SCORE_SCALE k q^T), zero where a key comes after the query. */
static void block_powers(const struct head *head, const struct block *block) {
	const int skip = block->skip;
	const struct product p = {
	    .c = head->p + skip,
	    .c_row = QUERIES,
	    .a = head->k + (size_t)block->key * HEAD_WIDTH,
	    .a_row = HEAD_WIDTH,
	    .a_col = 1,
	    .b = head->qt + skip,
	    .b_row = QUERIES,
	    .rows = block->keys,
	    .cols = QUERIES - skip,
	    .inner = HEAD_WIDTH};
	multiply(FINISH_POWER, &p);
	if (block->key < head->first) return;
	for (int s = 1; s < block->keys; s++) memset(p.c + s * QUERIES, 0, sizeof(real) * (size_t)s);
}

/* dscore (keys,QUERIES) = p (v dout^T - D) */
static void block_score_gradient(const struct head *head, const struct block *block) {
	const int skip = block->skip;
	const struct product p = {
	    .c = head->dscore + skip,
	    .other = head->p + skip,
	    .c_row = QUERIES,
	    .a = head->v + (size_t)block->key * HEAD_WIDTH,
	    .a_row = HEAD_WIDTH,
	    .a_col = 1,
	    .b = head->dout_t + skip,
	    .b_row = QUERIES,
	    .rows = block->keys,
	    .cols = QUERIES - skip,
	    .inner = HEAD_WIDTH,
	    .offset = head->minus_D + skip};
	multiply(FINISH_TIMES, &p);
}

/* c (queries,16) [+]= scale w^T y for the weights w (keys,QUERIES) of a block and all rows y (T,16) of its head. */
static void add_to_queries(
    real *c, const real *w, const real *y, real scale, const struct head *head, const struct block *block) {
	const int skip = block->skip;
	const struct product p = {
	    .c = c + skip * HEAD_WIDTH,
	    .c_row = HEAD_WIDTH,
	    .a = w + skip,
	    .a_row = 1,
	    .a_col = QUERIES,
	    .b = y + (size_t)block->key * HEAD_WIDTH,
	    .b_row = HEAD_WIDTH,
	    .rows = head->queries - skip,
	    .cols = HEAD_WIDTH,
	    .inner = block->keys,
	    .scale = scale};
	multiply_or_add(block->key > 0, &p);
}

/* c (T,16), those of the block's keys, [+]= scale w x for the weights w (keys,QUERIES) and the panel's rows x (queries,16). A
 * key's first query is itself. */
static void add_to_keys(
    real *c, const real *w, const real *x, real scale, const struct head *head, const struct block *block) {
	const int skip = block->skip;
	const struct product p = {
	    .c = c + (size_t)block->key * HEAD_WIDTH,
	    .c_row = HEAD_WIDTH,
	    .a = w + skip,
	    .a_row = QUERIES,
	    .a_col = 1,
	    .b = x + skip * HEAD_WIDTH,
	    .b_row = HEAD_WIDTH,
	    .rows = block->keys,
	    .cols = HEAD_WIDTH,
	    .inner = head->queries - skip,
	    .scale = scale};
	multiply_or_add(block->key < head->first, &p);
}

/* Where the panel's rows are in (B,T,H,16). */
static size_t panel_at(const struct head *head, struct attention_shape shape, int b, int h) {
	const size_t row = (size_t)b * (size_t)shape.T + (size_t)head->first;
	return (row * (size_t)shape.H + (size_t)h) * HEAD_WIDTH;
}

static void panel_forward(real *out, size_t stride, real *shares, const struct head *head) {
	vector sums[QUERIES / LANES] = {{0}}; /* of powers */
	for (struct block block = {0}; next_block(head, &block);) {
		block_powers(head, &block);
		for (int s = 0; s < block.keys; s++)
#pragma GCC unroll 4
			for (int v = 0; v < QUERIES / LANES; v++)
				if (v * LANES >= block.skip) sums[v] += load(head->p + s * QUERIES + v * LANES);
		add_to_queries(head->sum, head->p, head->v, 1, head, &block);
	}
	real share[QUERIES];
	for (int v = 0; v < QUERIES / LANES; v++) store(share + v * LANES, 1 / sums[v]);
	for (int r = 0; r < head->queries; r++) {
		shares[r] = share[r];
		head_store(out + (size_t)r * stride, share[r] * head_load(head->sum + r * HEAD_WIDTH));
	}
}

static void attention_forward(real *out, real *sums, const real *heads, struct attention_shape shape, real *scratch) {
	for (int b = 0; b < shape.B; b++) {
		for (int h = 0; h < shape.H; h++) {
			const int which = b * shape.H + h;
			struct head head = head_make(heads, shape, which, scratch);
			real *shares = sums + (size_t)which * (size_t)shape.T;
			while (next_panel(&head))
				panel_forward(
				    out + panel_at(&head, shape, b, h), (size_t)shape.H * HEAD_WIDTH, shares + head.first, &head);
		}
	}
}

static void panel_backward(const real *dout, const real *out, size_t stride, const real *shares, struct head *head) {
	for (int r = 0; r < head->queries; r++) {
		const head_vector gradient = shares[r] * head_load(dout + (size_t)r * stride);
		head_store(head->dout + r * HEAD_WIDTH, gradient);
		head->minus_D[r] = -head_sum(gradient * head_load(out + (size_t)r * stride));
	}
	turn(head->dout_t, QUERIES, head->dout, head->queries, HEAD_WIDTH, 1);
	const real *q = head->q + (size_t)head->first * HEAD_WIDTH;
	real *dq = head->dq + (size_t)head->first * HEAD_WIDTH;
	for (struct block block = {0}; next_block(head, &block);) {
		block_powers(head, &block);
		block_score_gradient(head, &block);
		add_to_keys(head->dv, head->p, head->dout, 1, head, &block);
		add_to_keys(head->dk, head->dscore, q, SCORE_SCALE, head, &block);
		add_to_queries(dq, head->dscore, head->k, SCORE_SCALE, head, &block);
	}
}

static void attention_backward(
    real *dheads, const real *dout, const real *out, const real *sums, const real *heads, struct attention_shape shape,
    real *scratch) {
	for (int b = 0; b < shape.B; b++) {
		for (int h = 0; h < shape.H; h++) {
			const int which = b * shape.H + h;
			struct head head = head_make(heads, shape, which, scratch);
			head.dq = dheads + (head.q - heads);
			head.dk = dheads + (head.k - heads);
			head.dv = dheads + (head.v - heads);
			const real *shares = sums + (size_t)which * (size_t)shape.T;
			memset(head.minus_D, 0, QUERIES * sizeof(real)); /* a panel that is not full leaves some */
			while (next_panel(&head)) {
				const size_t at = panel_at(&head, shape, b, h);
				panel_backward(dout + at, out + at, (size_t)shape.H * HEAD_WIDTH, shares + head.first, &head);
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
