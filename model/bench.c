/* The operations of a training step one by one, on arrays as large as the model's own: for finding out where the time
 * goes. Nobody looks at the numbers that they compute; the tests of the kernels do. */
#include "model/layer.h"

#include <math.h>
#include <stdlib.h>

struct kernel_bench {
	struct shape shape;
	struct attention_shape attention;
	int R; /* positions of a micro-batch */
	enum kernels set;
	const struct kernel_set *kernels;
	struct weight weights[MATRIX_COUNT];
	struct arena arena;

	real *parameters[MATRIX_COUNT], *dweight; // (outputs,inputs) each; dweight the largest of them
	real *x, *y, *dx, *dy;                    // (R,d)
	real *r, *qk_r, *sums;                    // (R), (B,H,2,T), (B,H,T)
	real *rows;                               // (R,3d)
	real *heads, *dheads;                     // (B,H,3,T,16)
	real *hidden, *square, *dhidden;          // (R,4d)
	real *logits;                             // (LOGIT_ROWS,V), rows padded to `stride`
	int stride;
	real *rope, *scratch;
	uint16_t *targets; // (R)
	double *loss;      // (R)
};

/* --------------------------------------------------------------------------------------------------- operations --- */

static void qkv_forward(struct kernel_bench *b) {
	b->weights[QKV].by[FORWARD]->forward(b->rows, 3 * b->shape.width, b->x, &b->weights[QKV], b->R);
}

static void qk_norm_forward(struct kernel_bench *b) {
	qk_forward(b->heads, b->qk_r, b->rows, b->rope, b->attention);
}

static void attention_forward(struct kernel_bench *b) {
	b->kernels->attention_forward(b->y, b->sums, b->heads, b->attention, b->scratch);
}

static void out_forward(struct kernel_bench *b) {
	b->weights[OUT].by[FORWARD]->forward_residual(b->dy, b->x, &b->weights[OUT], b->R, (real)0.1);
}

static void mlp_in_forward(struct kernel_bench *b) {
	b->weights[MLP_IN].by[FORWARD]->forward_relu2(b->hidden, b->square, b->x, &b->weights[MLP_IN], b->R);
}

static void mlp_out_forward(struct kernel_bench *b) {
	b->weights[MLP_OUT].by[FORWARD]->forward_residual(b->dy, b->square, &b->weights[MLP_OUT], b->R, (real)0.1);
}

static void norm_forward(struct kernel_bench *b) {
	rms_forward(b->y, b->r, b->x, b->R, b->shape.width);
}

static void mlp_out_weight(struct kernel_bench *b) {
	const int d = b->shape.width;
	b->weights[MLP_OUT].by[TO_WEIGHT]->backward_weight(
	    b->dweight, b->dx, d, b->square, d, 4 * d, b->R, (real)0.1, false);
}

static void mlp_out_input(struct kernel_bench *b) {
	b->weights[MLP_OUT].by[TO_INPUT]->backward_relu2(
	    b->dhidden, b->square, b->dx, b->hidden, &b->weights[MLP_OUT], b->R, (real)0.1);
}

static void mlp_in_weight(struct kernel_bench *b) {
	const int d = b->shape.width;
	b->weights[MLP_IN].by[TO_WEIGHT]->backward_weight(b->dweight, b->dhidden, 4 * d, b->x, 4 * d, d, b->R, 1, false);
}

static void mlp_in_input(struct kernel_bench *b) {
	b->weights[MLP_IN].by[TO_INPUT]->backward_input(
	    b->dy, b->dhidden, 4 * b->shape.width, &b->weights[MLP_IN], b->R, 1);
}

static void out_weight(struct kernel_bench *b) {
	const int d = b->shape.width;
	b->weights[OUT].by[TO_WEIGHT]->backward_weight(b->dweight, b->dx, d, b->x, d, d, b->R, (real)0.1, false);
}

static void out_input(struct kernel_bench *b) {
	b->weights[OUT].by[TO_INPUT]->backward_input(b->dy, b->dx, b->shape.width, &b->weights[OUT], b->R, (real)0.1);
}

static void attention_backward(struct kernel_bench *b) {
	b->kernels->attention_backward(b->dheads, b->dx, b->y, b->sums, b->heads, b->attention, b->scratch);
}

static void qk_norm_backward(struct kernel_bench *b) {
	qk_backward(b->rows, b->dheads, b->heads, b->qk_r, b->rope, b->attention);
}

static void qkv_weight(struct kernel_bench *b) {
	const int d = b->shape.width;
	b->weights[QKV].by[TO_WEIGHT]->backward_weight(b->dweight, b->rows, 3 * d, b->x, 3 * d, d, b->R, 1, false);
}

static void qkv_input(struct kernel_bench *b) {
	b->weights[QKV].by[TO_INPUT]->backward_input(b->dy, b->rows, 3 * b->shape.width, &b->weights[QKV], b->R, 1);
}

static void norm_backward(struct kernel_bench *b) {
	rms_backward(b->dy, b->dx, b->x, b->r, b->R, b->shape.width, true);
}

/* The rows of the classifier's piece that begins at `first`. */
static int piece(const struct kernel_bench *b, int first) {
	return b->R - first < LOGIT_ROWS ? b->R - first : LOGIT_ROWS;
}

static real *row_of(const struct kernel_bench *b, real *from, int row) {
	return from + (size_t)row * (size_t)b->shape.width;
}

static void head_forward(struct kernel_bench *b) {
	for (int first = 0; first < b->R; first += LOGIT_ROWS)
		b->weights[HEAD].by[FORWARD]->forward(
		    b->logits, b->stride, row_of(b, b->x, first), &b->weights[HEAD], piece(b, first));
}

static void cross_entropy(struct kernel_bench *b) {
	for (int first = 0; first < b->R; first += LOGIT_ROWS)
		b->kernels->cross_entropy(
		    b->logits, b->stride, b->targets + first, piece(b, first), b->shape.vocab, (real)1e-3, b->loss + first);
}

static void head_input(struct kernel_bench *b) {
	for (int first = 0; first < b->R; first += LOGIT_ROWS)
		b->weights[HEAD].by[TO_INPUT]->backward_input(
		    row_of(b, b->dy, first), b->logits, b->stride, &b->weights[HEAD], piece(b, first), 1);
}

static void head_weight(struct kernel_bench *b) {
	for (int first = 0; first < b->R; first += LOGIT_ROWS)
		b->weights[HEAD].by[TO_WEIGHT]->backward_weight(
		    b->dweight, b->logits, b->stride, row_of(b, b->x, first), b->shape.vocab, b->shape.width, piece(b, first),
		    1, first > 0);
}

static void pack_block(struct kernel_bench *b) {
	for (int w = 0; w < HEAD; w++) weight_pack(&b->weights[w], 0, b->weights[w].outputs);
}

static void pack_head(struct kernel_bench *b) {
	weight_pack(&b->weights[HEAD], 0, b->weights[HEAD].outputs);
}

/* In the order of a step. A norm stands in a block twice, and once more before the head and after the embedding. */
static const struct row {
	const char *name;
	void (*run)(struct kernel_bench *bench);
	enum { NO_FLOPS, MATRIX, ATTENTION } kind;
	enum matrix weight;       /* of a MATRIX */
	enum direction direction; /* the same */
	int times;                /* attention's operations, times this */
	int per_block, per_model; /* how often it runs in a micro-batch */
	bool once;                /* ... or rather in an update, whatever the number of micro-batches */
} rows[] = {
    {"pack a block's weights", pack_block, NO_FLOPS, .per_block = 1, .once = true},
    {"pack the head", pack_head, NO_FLOPS, .per_model = 1, .once = true},
    {"norm forward", norm_forward, NO_FLOPS, .per_block = 2, .per_model = 2},
    {"qkv forward", qkv_forward, MATRIX, QKV, FORWARD, .per_block = 1},
    {"norm and turn q, k", qk_norm_forward, NO_FLOPS, .per_block = 1},
    {"attention forward", attention_forward, ATTENTION, .times = 1, .per_block = 1},
    {"out forward", out_forward, MATRIX, OUT, FORWARD, .per_block = 1},
    {"mlp.in forward", mlp_in_forward, MATRIX, MLP_IN, FORWARD, .per_block = 1},
    {"mlp.out forward", mlp_out_forward, MATRIX, MLP_OUT, FORWARD, .per_block = 1},
    {"head forward", head_forward, MATRIX, HEAD, FORWARD, .per_model = 1},
    {"cross-entropy", cross_entropy, NO_FLOPS, .per_model = 1},
    {"head to input", head_input, MATRIX, HEAD, TO_INPUT, .per_model = 1},
    {"head to weight", head_weight, MATRIX, HEAD, TO_WEIGHT, .per_model = 1},
    {"norm backward", norm_backward, NO_FLOPS, .per_block = 2, .per_model = 2},
    {"mlp.out to weight", mlp_out_weight, MATRIX, MLP_OUT, TO_WEIGHT, .per_block = 1},
    {"mlp.out to input", mlp_out_input, MATRIX, MLP_OUT, TO_INPUT, .per_block = 1},
    {"mlp.in to weight", mlp_in_weight, MATRIX, MLP_IN, TO_WEIGHT, .per_block = 1},
    {"mlp.in to input", mlp_in_input, MATRIX, MLP_IN, TO_INPUT, .per_block = 1},
    {"out to weight", out_weight, MATRIX, OUT, TO_WEIGHT, .per_block = 1},
    {"out to input", out_input, MATRIX, OUT, TO_INPUT, .per_block = 1},
    {"attention backward", attention_backward, ATTENTION, .times = 2, .per_block = 1},
    {"turn and norm dq, dk", qk_norm_backward, NO_FLOPS, .per_block = 1},
    {"qkv to weight", qkv_weight, MATRIX, QKV, TO_WEIGHT, .per_block = 1},
    {"qkv to input", qkv_input, MATRIX, QKV, TO_INPUT, .per_block = 1},
};

int operation_count(void) {
	return (int)COUNT_OF(rows);
}

struct operation operation_of(const struct shape *shape, int sequences, int which) {
	const double d = shape->width, T = shape->context, R = sequences * T;
	const struct row *row = &rows[which];
	double flops = 0;
	if (row->kind == MATRIX) {
		static const double blocks[] = {[QKV] = 3, [OUT] = 1, [MLP_IN] = 4, [MLP_OUT] = 4};
		flops = 2 * R * d * (row->weight == HEAD ? shape->vocab : blocks[row->weight] * d);
	} else if (row->kind == ATTENTION) {
		flops = row->times * R * 4 * d * (T + 1) / 2;
	}
	return (struct operation){
	    .name = row->name,
	    .flops = flops,
	    .calls = row->per_block * shape->depth + row->per_model,
	    .once = row->once,
	    .product = row->kind == MATRIX ? DIRECTION_COUNT * (int)row->weight + (int)row->direction : -1,
	};
}

/* ------------------------------------------------------------------------------------------------------- memory --- */

/* One pass counts the bytes (arena NULL), a second one hands them out, as in model.c. */
static size_t layout(struct kernel_bench *b, struct arena *arena) {
	const struct shape *shape = &b->shape;
	const size_t d = (size_t)shape->width, V = (size_t)shape->vocab, R = (size_t)b->R, H = d / HEAD_WIDTH;
	const size_t outputs[MATRIX_COUNT] = {3 * d, d, 4 * d, d, V}, inputs[MATRIX_COUNT] = {d, d, d, 4 * d, d};
	size_t bytes = 0;

	for (int w = 0; w < MATRIX_COUNT; w++) {
		struct weight *weight = &b->weights[w];
		weight->outputs = (int)outputs[w];
		weight->inputs = (int)inputs[w];
		TAKE(b->parameters[w], outputs[w] * inputs[w]);
		weight->w = b->parameters[w];
		TAKE(weight->packed, weight_packed_reals(weight));
	}
	TAKE(b->dweight, d * (V > 4 * d ? V : 4 * d));
	TAKE(b->x, R * d);
	TAKE(b->y, R * d);
	TAKE(b->dx, R * d);
	TAKE(b->dy, R * d);
	TAKE(b->r, R);
	TAKE(b->qk_r, R * 2 * H);
	TAKE(b->sums, R * H);
	TAKE(b->rows, R * 3 * d);
	TAKE(b->heads, R * 3 * d);
	TAKE(b->dheads, R * 3 * d);
	TAKE(b->hidden, R * 4 * d);
	TAKE(b->square, R * 4 * d);
	TAKE(b->dhidden, R * 4 * d);
	b->stride = logit_stride(shape);
	TAKE(b->logits, LOGIT_ROWS * (size_t)b->stride);
	TAKE(b->rope, (size_t)shape->context * HEAD_WIDTH);
	TAKE(b->scratch, b->kernels->attention_scratch(b->attention));
	TAKE(b->targets, R);
	TAKE(b->loss, R);
	return bytes;
}

static void fill(struct rng *rng, real *array, size_t count, double deviation) {
	for (size_t i = 0; i < count; i++) array[i] = (real)(deviation * rng_normal(rng));
}

struct error *kernel_bench_open(
    const struct shape *shape, int sequences, enum kernels kernels, struct kernel_bench **out) {
	*out = NULL;
	TRY(shape_check(shape));
	if (!kernels_available(kernels))
		return error_new(
		    ERROR_USAGE, "this processor cannot run the kernels '%s'; try '%s'", kernels_names[kernels],
		    kernels_names[kernels_widest()]);
	struct kernel_bench *b = array_new(1, sizeof *b);
	if (!b) return error_memory(sizeof *b);
	b->shape = *shape;
	b->attention = (struct attention_shape){sequences, shape->context, shape->width / HEAD_WIDTH};
	b->R = sequences * shape->context;
	b->set = kernels;
	b->kernels = kernel_sets[kernels];
	kernel_bench_use_blas(b, 0);
	struct error *error = arena_open(&b->arena, layout(b, NULL));
	if (error) {
		free(b);
		return error;
	}
	layout(b, &b->arena);

	const size_t d = (size_t)shape->width, R = (size_t)b->R;
	struct rng rng = rng_make(1, "bench");
	for (int w = 0; w < MATRIX_COUNT; w++) {
		const struct weight *weight = &b->weights[w];
		fill(&rng, b->parameters[w], (size_t)weight->outputs * (size_t)weight->inputs, 1 / sqrt(weight->inputs));
	}
	fill(&rng, b->x, R * d, 1);
	fill(&rng, b->dx, R * d, 1);
	for (size_t i = 0; i < R; i++) b->targets[i] = (uint16_t)rng_below(&rng, (uint64_t)shape->vocab);
	rope_table(b->rope, shape->context);
	/* In this order each one finds what the one before it leaves. */
	for (int i = 0; i < operation_count(); i++) rows[i].run(b);
	*out = b;
	return NULL;
}

void kernel_bench_use_blas(struct kernel_bench *bench, uint32_t blas) {
	for (int w = 0; w < MATRIX_COUNT; w++)
		weight_use(&bench->weights[w], (enum matrix)w, (struct kernel_choice){bench->set, blas});
}

void kernel_bench_close(struct kernel_bench *bench) {
	if (!bench) return;
	arena_close(&bench->arena);
	free(bench);
}

void kernel_bench_run(struct kernel_bench *bench, int which, int times) {
	for (int i = 0; i < times; i++) rows[which].run(bench);
}
