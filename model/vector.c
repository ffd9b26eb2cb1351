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

/* Queries lie along the lanes, a panel of them at a time, and keys go in blocks: the scores of a block, (KEYS,PANEL), are
 * the product of rows of k with q^T, their softmax needs no sum across lanes, and nothing leaves the first-level cache.
 * Scores need no maximum taken off before the exponential: q and k are normalised, so that
 * |score| <= 1.44 sqrt(16) = 5.76. */
enum { KEYS = 4 * ROWS < 32 ? 32 : 4 * ROWS };

/* One head of one sequence, and a panel of its queries. Rows of heads lie far apart in q, k and v, often in the same few
 * sets of the cache: what is read more than once is copied. */
struct head {
	int T, stride;    /* of the rows below, in qkv */
	const real *rows; /* of q; those of k and v come behind them */
	real *k, *v;      // (T,16)
	real *dk, *dv;    // (T,16)

	int first, queries; /* of the panel */
	real *q, *dout;     // (PANEL,16)
	real *sum;          // (PANEL,16): of rows of v, or of k for the gradient of q
	real *qt, *dout_t;  // (16,PANEL)
	real *shift, *D;    // (PANEL): what the exponents and the gradients of probabilities are lessened by
	real *p, *dscore;   // (KEYS,PANEL)
};

/* Some of the keys that a panel sees. Queries before `skip` do not see them. */
struct block {
	int key, keys, skip;
};

static size_t attention_scratch(struct attention_shape shape) {
	return 4 * (size_t)shape.T * HEAD_WIDTH + (5 * HEAD_WIDTH + 2 + 2 * KEYS) * PANEL;
}

static struct head head_make(const real *qkv, struct attention_shape shape, int b, int h, real *scratch) {
	const int width = shape.H * HEAD_WIDTH;
	const size_t T = (size_t)shape.T, row = HEAD_WIDTH * sizeof(real);
	struct head head = {.T = shape.T, .stride = 3 * width};
	head.rows = qkv + (size_t)b * T * (size_t)head.stride + (size_t)h * HEAD_WIDTH;
	real **const parts[] = {&head.k, &head.v, &head.dk, &head.dv};
	for (size_t i = 0; i < COUNT_OF(parts); i++, scratch += T * HEAD_WIDTH) *parts[i] = scratch;
	real **const panels[] = {&head.q, &head.dout, &head.sum, &head.qt, &head.dout_t};
	for (size_t i = 0; i < COUNT_OF(panels); i++, scratch += HEAD_WIDTH * PANEL) *panels[i] = scratch;
	head.p = scratch;
	head.dscore = head.p + KEYS * PANEL;
	head.shift = head.dscore + KEYS * PANEL;
	head.D = head.shift + PANEL;
	for (size_t t = 0; t < T; t++) {
		memcpy(head.k + t * HEAD_WIDTH, head.rows + t * (size_t)head.stride + width, row);
		memcpy(head.v + t * HEAD_WIDTH, head.rows + t * (size_t)head.stride + 2 * width, row);
	}
	return head;
}

/* Copies `rows` rows, and zeros for the rest of a panel, to `to` (PANEL,16) and their transpose to `turned` (16,PANEL),
 * in squares of four by four. */
static void take_panel(real *to, real *turned, const real *from, int stride, int rows) {
	typedef real quad __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));
	for (int r = 0; r < PANEL; r++) {
		if (r < rows)
			memcpy(to + r * HEAD_WIDTH, from + (size_t)r * (size_t)stride, HEAD_WIDTH * sizeof(real));
		else
			memset(to + r * HEAD_WIDTH, 0, HEAD_WIDTH * sizeof(real));
	}
	for (int r = 0; r < PANEL; r += 4) {
		for (int i = 0; i < HEAD_WIDTH; i += 4) {
			quad row[4];
			for (int j = 0; j < 4; j++) row[j] = *(const quad *)(to + (r + j) * HEAD_WIDTH + i);
			const quad low01 = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5);
			const quad high01 = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
			const quad low23 = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5);
			const quad high23 = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
			const quad column[4] = {
			    __builtin_shufflevector(low01, low23, 0, 1, 4, 5), __builtin_shufflevector(low01, low23, 2, 3, 6, 7),
			    __builtin_shufflevector(high01, high23, 0, 1, 4, 5),
			    __builtin_shufflevector(high01, high23, 2, 3, 6, 7)};
			for (int j = 0; j < 4; j++) *(quad *)(turned + (i + j) * PANEL + r) = column[j];
		}
	}
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

/* p (keys,PANEL) = exp(SCORE_SCALE k q^T - shift), zero where a key comes after the query. */
static void block_probabilities(const struct head *head, const struct block *block) {
	const int skip = block->skip;
	const struct product p = {
	    .c = head->p + skip,
	    .c_row = PANEL,
	    .a = head->k + (size_t)block->key * HEAD_WIDTH,
	    .a_row = HEAD_WIDTH,
	    .a_col = 1,
	    .b = head->qt + skip,
	    .b_row = PANEL,
	    .rows = block->keys,
	    .cols = PANEL - skip,
	    .inner = HEAD_WIDTH,
	    .scale = SCORE_SCALE * LOG2_E,
	    .column = head->shift + skip};
	multiply(FINISH_POWER, &p);
	if (block->key < head->first) return;
	for (int s = 1; s < block->keys; s++) memset(p.c + s * PANEL, 0, sizeof(real) * (size_t)s);
}

/* dscore (keys,PANEL) = SCORE_SCALE p (v dout^T - D) */
static void block_score_gradient(const struct head *head, const struct block *block) {
	const int skip = block->skip;
	const struct product p = {
	    .c = head->dscore + skip,
	    .other = head->p + skip,
	    .c_row = PANEL,
	    .a = head->v + (size_t)block->key * HEAD_WIDTH,
	    .a_row = HEAD_WIDTH,
	    .a_col = 1,
	    .b = head->dout_t + skip,
	    .b_row = PANEL,
	    .rows = block->keys,
	    .cols = PANEL - skip,
	    .inner = HEAD_WIDTH,
	    .scale = SCORE_SCALE,
	    .column = head->D + skip};
	multiply(FINISH_SOFTMAX, &p);
}

/* sum (queries,16) [+]= w^T y for the weights w (keys,PANEL) of a block and all rows y (T,16) of its head. */
static void add_to_queries(const real *w, const real *y, const struct head *head, const struct block *block) {
	const int skip = block->skip;
	const struct product p = {
	    .c = head->sum + skip * HEAD_WIDTH,
	    .c_row = HEAD_WIDTH,
	    .a = w + skip,
	    .a_row = 1,
	    .a_col = PANEL,
	    .b = y + (size_t)block->key * HEAD_WIDTH,
	    .b_row = HEAD_WIDTH,
	    .rows = head->queries - skip,
	    .cols = HEAD_WIDTH,
	    .inner = block->keys,
	    .scale = 1};
	multiply_or_add(block->key > 0, &p);
}

/* c (T,16), those of the block's keys, [+]= w x for the weights w (keys,PANEL) and the rows x (PANEL,16). A key's first
 * query is itself. */
static void add_to_keys(real *c, const real *w, const real *x, const struct head *head, const struct block *block) {
	const int skip = block->skip;
	const struct product p = {
	    .c = c + (size_t)block->key * HEAD_WIDTH,
	    .c_row = HEAD_WIDTH,
	    .a = w + skip,
	    .a_row = PANEL,
	    .a_col = 1,
	    .b = x + skip * HEAD_WIDTH,
	    .b_row = HEAD_WIDTH,
	    .rows = block->keys,
	    .cols = HEAD_WIDTH,
	    .inner = head->queries - skip,
	    .scale = 1};
	multiply_or_add(block->key < head->first, &p);
}

static void panel_forward(real *out, real *log_sum, const struct head *head, int width) {
	vector low = {0}, high = {0}; /* sums of probabilities */
	for (struct block block = {0}; next_block(head, &block);) {
		block_probabilities(head, &block);
		for (int s = 0; s < block.keys; s++) {
			if (block.skip == 0) low += load(head->p + s * PANEL);
			high += load(head->p + s * PANEL + LANES);
		}
		add_to_queries(head->p, head->v, head, &block);
	}
	real sums[PANEL];
	store(sums, low);
	store(sums + LANES, high);
	for (int r = 0; r < head->queries; r++) {
		const real share = 1 / sums[r];
#pragma omp simd
		for (int i = 0; i < HEAD_WIDTH; i++)
			out[(size_t)r * (size_t)width + (size_t)i] = share * head->sum[r * HEAD_WIDTH + i];
		log_sum[r] = log(sums[r]);
	}
}

static void attention_forward(real *out, real *lse, const real *qkv, struct attention_shape shape, real *scratch) {
	const int width = shape.H * HEAD_WIDTH, T = shape.T;
	for (int b = 0; b < shape.B; b++) {
		for (int h = 0; h < shape.H; h++) {
			struct head head = head_make(qkv, shape, b, h, scratch);
			real *to = out + (size_t)b * (size_t)T * (size_t)width + (size_t)h * HEAD_WIDTH;
			real *log_sum = lse + ((size_t)b * (size_t)shape.H + (size_t)h) * (size_t)T;
			memset(head.shift, 0, PANEL * sizeof(real));
			for (head.first = 0; head.first < T; head.first += PANEL) {
				const size_t first = (size_t)head.first;
				head.queries = T - head.first < PANEL ? T - head.first : PANEL;
				take_panel(head.q, head.qt, head.rows + first * (size_t)head.stride, head.stride, head.queries);
				panel_forward(to + first * (size_t)width, log_sum + first, &head, width);
			}
		}
	}
}

static void panel_backward(real *dq, const real *out, const real *log_sum, const struct head *head, int width) {
	for (int r = 0; r < head->queries; r++) {
		const real *o = out + (size_t)r * (size_t)width, *dout = head->dout + r * HEAD_WIDTH;
		real sum = 0;
#pragma omp simd reduction(+ : sum)
		for (int i = 0; i < HEAD_WIDTH; i++) sum += o[i] * dout[i];
		head->D[r] = SCORE_SCALE * sum;
		head->shift[r] = LOG2_E * log_sum[r];
	}
	for (struct block block = {0}; next_block(head, &block);) {
		block_probabilities(head, &block);
		block_score_gradient(head, &block);
		add_to_keys(head->dv, head->p, head->dout, head, &block);
		add_to_keys(head->dk, head->dscore, head->q, head, &block);
		add_to_queries(head->dscore, head->k, head, &block);
	}
	for (size_t r = 0; r < (size_t)head->queries; r++)
		memcpy(dq + r * (size_t)head->stride, head->sum + r * HEAD_WIDTH, HEAD_WIDTH * sizeof(real));
}

static void attention_backward(
    real *dqkv, const real *dout, const real *out, const real *lse, const real *qkv, struct attention_shape shape,
    real *scratch) {
	const int width = shape.H * HEAD_WIDTH, T = shape.T;
	for (int b = 0; b < shape.B; b++) {
		for (int h = 0; h < shape.H; h++) {
			struct head head = head_make(qkv, shape, b, h, scratch);
			const size_t out_at = (size_t)b * (size_t)T * (size_t)width + (size_t)h * HEAD_WIDTH;
			const real *log_sum = lse + ((size_t)b * (size_t)shape.H + (size_t)h) * (size_t)T;
			real *dq = dqkv + (head.rows - qkv);
			memset(head.shift, 0, 2 * PANEL * sizeof(real)); /* and D */
			for (head.first = 0; head.first < T; head.first += PANEL) {
				const size_t first = (size_t)head.first, at = out_at + first * (size_t)width;
				const size_t q_at = first * (size_t)head.stride;
				head.queries = T - head.first < PANEL ? T - head.first : PANEL;
				take_panel(head.q, head.qt, head.rows + q_at, head.stride, head.queries);
				take_panel(head.dout, head.dout_t, dout + at, width, head.queries);
				panel_backward(dq + q_at, out + at, log_sum + first, &head, width);
			}
			for (int t = 0; t < T; t++) {
				real *to = dq + (size_t)t * (size_t)head.stride + width;
				memcpy(to, head.dk + (size_t)t * HEAD_WIDTH, HEAD_WIDTH * sizeof(real));
				memcpy(to + width, head.dv + (size_t)t * HEAD_WIDTH, HEAD_WIDTH * sizeof(real));
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
