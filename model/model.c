/* The model: its memory, the forward pass, and the backward pass in the opposite order. */
#include "model/layer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const kernels_names[] = {"plain", "blas"};
static const struct kernel_set *const kernel_sets[KERNELS_COUNT] = {&kernels_plain, &kernels_blas};

/* Rows of logits that exist at a time: the classifier is taken in pieces, so there is no (B,T,V) tensor. */
enum { LOGIT_ROWS = 128 };

/* What the backward pass needs of one block. Outputs of norms are kept instead of their inputs: see rms_backward. */
struct block_activations {
	real *attention_in;  // (R,d) rms(x)
	real *attention_r;   // (R)
	real *qkv;           // (R,3d) q and k normalised and rotated
	real *qk_r;          // (R,2H)
	real *attention_out; // (R,d) before Wo
	real *lse;           // (B,H,T)
	real *mlp_in;        // (R,d) rms(x)
	real *mlp_r;         // (R)
	real *hidden;        // (R,4d) max(W1 ., 0)
};

struct model {
	struct shape shape;
	struct tensor_table table;
	const struct kernel_set *kernels;
	int sequences; /* of a micro-batch */
	bool training;
	struct arena arena;

	real *parameters, *gradients; // (table.total)
	real *rope;                   // (T,16)
	real *embedded, *embedded_r;  // (R,d), (R): rms(embedding[token])
	struct block_activations *blocks;
	real *final, *final_r;      // (R,d), (R)
	real *x;                    // (R,d) the residual stream
	real *logits;               // (LOGIT_ROWS,V)
	real *wide;                 // (R,4d) squares going forward, their gradients coming back
	real *narrow;               // (R,d) output of a branch
	real *dx, *dnarrow;         // (R,d)
	real *dqkv;                 // (R,3d)
	real *scratch;              // of attention
	double *row_loss;           // (R)
	uint16_t *inputs, *targets; // (R)
};

/* One pass of this function counts the bytes (arena NULL), a second one hands them out. */
static size_t layout(struct model *model, struct arena *arena) {
	const struct shape *shape = &model->shape;
	const size_t d = (size_t)shape->width, H = d / HEAD_WIDTH, R = (size_t)model->sequences * (size_t)shape->context;
	const struct attention_shape attention = {model->sequences, shape->context, (int)H};
	size_t bytes = 0;

#define TAKE(pointer, count)                                                                                           \
	do {                                                                                                               \
		const size_t take_bytes_ = (count) * sizeof *(pointer);                                                        \
		bytes += arena_padded(take_bytes_);                                                                            \
		if (arena) (pointer) = arena_take(arena, take_bytes_);                                                         \
	} while (0)

	TAKE(model->parameters, model->table.total);
	if (model->training) TAKE(model->gradients, model->table.total);
	TAKE(model->rope, (size_t)shape->context * HEAD_WIDTH);
	TAKE(model->embedded, R * d);
	TAKE(model->embedded_r, R);
	for (int l = 0; l < shape->depth; l++) {
		struct block_activations *block = &model->blocks[l];
		/* Without a backward pass all blocks share the first one's memory. */
		if (l > 0 && !model->training) {
			*block = model->blocks[0];
			continue;
		}
		TAKE(block->attention_in, R * d);
		TAKE(block->attention_r, R);
		TAKE(block->qkv, R * 3 * d);
		TAKE(block->qk_r, R * 2 * H);
		TAKE(block->attention_out, R * d);
		TAKE(block->lse, R * H);
		TAKE(block->mlp_in, R * d);
		TAKE(block->mlp_r, R);
		TAKE(block->hidden, R * 4 * d);
	}
	TAKE(model->final, R * d);
	TAKE(model->final_r, R);
	TAKE(model->x, R * d);
	TAKE(model->logits, LOGIT_ROWS * (size_t)shape->vocab);
	TAKE(model->wide, R * 4 * d);
	TAKE(model->narrow, R * d);
	if (model->training) {
		TAKE(model->dx, R * d);
		TAKE(model->dnarrow, R * d);
		TAKE(model->dqkv, R * 3 * d);
	}
	TAKE(model->scratch, model->kernels->attention_scratch(attention));
	TAKE(model->row_loss, R);
	TAKE(model->inputs, R);
	TAKE(model->targets, R);
#undef TAKE
	return bytes;
}

static struct error *model_plan(
    const struct shape *shape, int sequences, bool training, enum kernels kernels, struct model *model) {
	*model =
	    (struct model){.shape = *shape, .kernels = kernel_sets[kernels], .sequences = sequences, .training = training};
	TRY(tensor_table_make(shape, &model->table));
	model->blocks = array_new((size_t)shape->depth, sizeof *model->blocks);
	if (!model->blocks) {
		tensor_table_free(&model->table);
		return error_memory((size_t)shape->depth * sizeof *model->blocks);
	}
	return NULL;
}

static void model_release(struct model *model) {
	arena_close(&model->arena);
	tensor_table_free(&model->table);
	free(model->blocks);
}

double model_bytes(const struct shape *shape, int sequences, bool training) {
	struct model model;
	struct error *error = model_plan(shape, sequences, training, KERNELS_BLAS, &model);
	if (error) {
		error_free(error);
		return NAN;
	}
	const double bytes = (double)layout(&model, NULL);
	model_release(&model);
	return bytes;
}

struct error *model_open(
    const struct shape *shape, int sequences, bool training, enum kernels kernels, struct model **out) {
	*out = NULL;
	struct model *model = array_new(1, sizeof *model);
	if (!model) return error_memory(sizeof *model);
	struct error *error = model_plan(shape, sequences, training, kernels, model);
	if (error) {
		free(model);
		return error;
	}
	error = arena_open(&model->arena, layout(model, NULL));
	if (error) {
		model_close(model);
		return error;
	}
	layout(model, &model->arena);
	rope_table(model->rope, shape->context);
	*out = model;
	return NULL;
}

void model_close(struct model *model) {
	if (!model) return;
	model_release(model);
	free(model);
}

const struct shape *model_shape(const struct model *model) {
	return &model->shape;
}

const struct tensor_table *model_tensors(const struct model *model) {
	return &model->table;
}

real *model_parameters(struct model *model) {
	return model->parameters;
}

real *model_gradients(struct model *model) {
	return model->gradients;
}

void model_initialise(struct model *model, uint64_t seed) {
	memset(model->parameters, 0, sizeof(real) * model->table.total);
	for (int i = 0; i < model->table.count; i++) {
		const struct tensor *tensor = &model->table.rows[i];
		if (tensor->deviation == 0) continue;
		struct rng rng = rng_make(seed, tensor->name);
		const size_t count = (size_t)tensor->rows * (size_t)tensor->cols;
		for (size_t j = 0; j < count; j++)
			model->parameters[tensor->offset + j] = (real)(tensor->deviation * rng_normal(&rng));
	}
}

/* ----------------------------------------------------------------------------------------- finding the tensors --- */

enum { EMBEDDING = 0, PER_BLOCK = 4 };
enum block_tensor { QKV, OUT, MLP_IN, MLP_OUT };

static size_t block_offset(const struct model *model, int l, enum block_tensor which) {
	return model->table.rows[1 + PER_BLOCK * l + (int)which].offset;
}

static size_t head_offset(const struct model *model) {
	return model->table.rows[model->table.count - 1].offset;
}

/* ----------------------------------------------------------------------------------------------------- forward --- */

/* From model->inputs to model->final for B sequences. */
static void forward(struct model *model, int B) {
	const struct kernel_set *k = model->kernels;
	const int d = model->shape.width, T = model->shape.context, L = model->shape.depth, R = B * T;
	const struct attention_shape attention = {B, T, d / HEAD_WIDTH};
	const real branch = (real)2 / (real)L, *parameters = model->parameters;
	const size_t narrow = (size_t)R * (size_t)d;

	for (int r = 0; r < R; r++)
		memcpy(
		    model->x + (size_t)r * (size_t)d,
		    parameters + model->table.rows[EMBEDDING].offset + (size_t)model->inputs[r] * (size_t)d,
		    sizeof(real) * (size_t)d);
	rms_forward(model->embedded, model->embedded_r, model->x, R, d);
	memcpy(model->x, model->embedded, sizeof(real) * narrow);

	for (int l = 0; l < L; l++) {
		struct block_activations *block = &model->blocks[l];
		rms_forward(block->attention_in, block->attention_r, model->x, R, d);
		k->matmul_forward(block->qkv, block->attention_in, parameters + block_offset(model, l, QKV), R, 3 * d, d);
		qk_forward(block->qkv, block->qk_r, model->rope, attention);
		k->attention_forward(block->attention_out, block->lse, block->qkv, attention, model->scratch);
		k->matmul_forward(model->narrow, block->attention_out, parameters + block_offset(model, l, OUT), R, d, d);
		residual_add(model->x, model->narrow, branch, narrow);

		rms_forward(block->mlp_in, block->mlp_r, model->x, R, d);
		k->matmul_forward(block->hidden, block->mlp_in, parameters + block_offset(model, l, MLP_IN), R, 4 * d, d);
		relu2_forward(model->wide, block->hidden, 4 * narrow);
		k->matmul_forward(model->narrow, model->wide, parameters + block_offset(model, l, MLP_OUT), R, d, 4 * d);
		residual_add(model->x, model->narrow, branch, narrow);
	}
	rms_forward(model->final, model->final_r, model->x, R, d);
}

/* ---------------------------------------------------------------------------------------------------- backward --- */

static void scaled_copy(real *to, const real *from, real scale, size_t count) {
	for (size_t i = 0; i < count; i++) to[i] = scale * from[i];
}

/* Losses of all rows; with `scale` != 0 also the head's gradient and, in model->dx, that of the final norm's output.
 * `add`: the gradient is added to what earlier micro-batches left. */
static void classifier(struct model *model, int R, real scale, bool add) {
	const struct kernel_set *k = model->kernels;
	const int d = model->shape.width, V = model->shape.vocab;
	const real *head = model->parameters + head_offset(model);
	for (int first = 0; first < R; first += LOGIT_ROWS) {
		const int rows = R - first < LOGIT_ROWS ? R - first : LOGIT_ROWS;
		const real *h = model->final + (size_t)first * (size_t)d;
		k->matmul_forward(model->logits, h, head, rows, V, d);
		k->cross_entropy(model->logits, model->targets + first, rows, V, scale, model->row_loss + first);
		if (scale == 0) continue;
		k->matmul_backward_input(model->dx + (size_t)first * (size_t)d, model->logits, head, rows, V, d);
		k->matmul_backward_weight(
		    model->gradients + head_offset(model), model->logits, h, rows, V, d, add || first > 0);
	}
}

/* From model->dx, the gradient of model->final, back to the embedding. */
static void backward(struct model *model, int B, bool add) {
	const struct kernel_set *k = model->kernels;
	const int d = model->shape.width, T = model->shape.context, L = model->shape.depth, R = B * T;
	const struct attention_shape attention = {B, T, d / HEAD_WIDTH};
	const real branch = (real)2 / (real)L, *parameters = model->parameters;
	real *gradients = model->gradients, *dx = model->dx, *dnarrow = model->dnarrow;
	const size_t narrow = (size_t)R * (size_t)d;

	rms_backward(dx, dx, model->final, model->final_r, R, d, false);
	for (int l = L - 1; l >= 0; l--) {
		const struct block_activations *block = &model->blocks[l];
		const size_t qkv = block_offset(model, l, QKV), out = block_offset(model, l, OUT);
		const size_t mlp_in = block_offset(model, l, MLP_IN), mlp_out = block_offset(model, l, MLP_OUT);

		scaled_copy(dnarrow, dx, branch, narrow);
		for (size_t i = 0; i < 4 * narrow; i++) model->wide[i] = block->hidden[i] * block->hidden[i];
		k->matmul_backward_weight(gradients + mlp_out, dnarrow, model->wide, R, d, 4 * d, add);
		k->matmul_backward_input(model->wide, dnarrow, parameters + mlp_out, R, d, 4 * d);
		relu2_backward(model->wide, block->hidden, 4 * narrow);
		k->matmul_backward_weight(gradients + mlp_in, model->wide, block->mlp_in, R, 4 * d, d, add);
		k->matmul_backward_input(dnarrow, model->wide, parameters + mlp_in, R, 4 * d, d);
		rms_backward(dx, dnarrow, block->mlp_in, block->mlp_r, R, d, true);

		scaled_copy(dnarrow, dx, branch, narrow);
		k->matmul_backward_weight(gradients + out, dnarrow, block->attention_out, R, d, d, add);
		k->matmul_backward_input(model->narrow, dnarrow, parameters + out, R, d, d);
		k->attention_backward(
		    model->dqkv, model->narrow, block->attention_out, block->lse, block->qkv, attention, model->scratch);
		qk_backward(model->dqkv, block->qkv, block->qk_r, model->rope, attention);
		k->matmul_backward_weight(gradients + qkv, model->dqkv, block->attention_in, R, 3 * d, d, add);
		k->matmul_backward_input(dnarrow, model->dqkv, parameters + qkv, R, 3 * d, d);
		rms_backward(dx, dnarrow, block->attention_in, block->attention_r, R, d, true);
	}

	rms_backward(dx, dx, model->embedded, model->embedded_r, R, d, false);
	const struct tensor *embedding = &model->table.rows[EMBEDDING];
	real *dembedding = gradients + embedding->offset;
	if (!add) memset(dembedding, 0, sizeof(real) * (size_t)embedding->rows * (size_t)d);
	for (int r = 0; r < R; r++) {
		real *to = dembedding + (size_t)model->inputs[r] * (size_t)d;
		const real *from = dx + (size_t)r * (size_t)d;
		for (int j = 0; j < d; j++) to[j] += from[j];
	}
}

/* ------------------------------------------------------------------------------------------- loss and gradient --- */

static void take_tokens(struct model *model, const uint16_t *tokens, int B) {
	const size_t T = (size_t)model->shape.context;
	for (size_t b = 0; b < (size_t)B; b++) {
		memcpy(model->inputs + b * T, tokens + b * (T + 1), T * sizeof *tokens);
		memcpy(model->targets + b * T, tokens + b * (T + 1) + 1, T * sizeof *tokens);
	}
}

/* The mean loss over `batch` sequences in micro-batches, with or without its gradient. */
static double run(struct model *model, const uint16_t *tokens, int batch, double *per_sequence, bool with_gradient) {
	const int T = model->shape.context;
	const real scale = with_gradient ? (real)(1.0 / ((double)batch * T)) : 0;
	double total = 0;
	for (int first = 0; first < batch; first += model->sequences) {
		const int B = batch - first < model->sequences ? batch - first : model->sequences;
		take_tokens(model, tokens + (size_t)first * ((size_t)T + 1), B);
		forward(model, B);
		classifier(model, B * T, scale, first > 0);
		if (with_gradient) backward(model, B, first > 0);
		for (int b = 0; b < B; b++) {
			double sum = 0;
			for (int t = 0; t < T; t++) sum += model->row_loss[b * T + t];
			if (per_sequence) per_sequence[first + b] = sum / T;
			total += sum;
		}
	}
	return total / ((double)batch * T);
}

double model_loss(struct model *model, const uint16_t *tokens, int batch, double *per_sequence) {
	return run(model, tokens, batch, per_sequence, false);
}

double model_gradient(struct model *model, const uint16_t *tokens, int batch) {
	return run(model, tokens, batch, NULL, true);
}

void model_logits(struct model *model, const uint16_t *tokens, real *logits) {
	memcpy(model->inputs, tokens, (size_t)model->shape.context * sizeof *tokens);
	forward(model, 1);
	model->kernels->matmul_forward(
	    logits, model->final, model->parameters + head_offset(model), model->shape.context, model->shape.vocab,
	    model->shape.width);
}
