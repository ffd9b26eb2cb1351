/* The model: its memory, the forward pass, and the backward pass in the opposite order. */
#include "model/layer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* In the order of enum kernels; NULL where this kind of processor has none. */
static const struct kernel_set *const kernel_sets[KERNELS_COUNT] = {
    &kernels_plain, &kernels_blas,   &kernels_portable,
#ifdef __x86_64__
    &kernels_avx2,  &kernels_avx512,
#endif
};
const char *const kernels_names[KERNELS_COUNT] = {"plain", "blas", "portable", "avx2", "avx512"};

bool kernels_available(enum kernels kernels) {
#ifdef __x86_64__
	if (kernels == KERNELS_AVX2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
	if (kernels == KERNELS_AVX512) return __builtin_cpu_supports("avx512f");
#endif
	return kernel_sets[kernels] != NULL;
}

enum kernels kernels_widest(void) {
	enum kernels widest = KERNELS_PORTABLE;
	for (int k = KERNELS_PORTABLE; k < KERNELS_COUNT; k++)
		if (kernels_available((enum kernels)k)) widest = (enum kernels)k;
	return widest;
}

enum { EMBEDDING = 0 }; /* its row in the tensor table */

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
	real *square;        // (R,4d) hidden^2
};

struct model {
	struct shape shape;
	struct tensor_table table;
	const struct kernel_set *kernels;
	struct weight *weights; // (table.count): what the kernels multiply by; unused for the embedding
	int sequences;          /* of a micro-batch */
	bool training;
	struct arena arena;

	real *parameters, *gradients; // (table.total)
	real *rope;                   // (T,16)
	real *embedded, *embedded_r;  // (R,d), (R): rms(embedding[token])
	struct block_activations *blocks;
	real *final, *final_r;      // (R,d), (R)
	real *x;                    // (R,d) the residual stream
	real *logits;               // (LOGIT_ROWS,V)
	real *dx, *dnarrow;         // (R,d)
	real *dhidden;              // (R,4d)
	real *dqkv;                 // (R,3d)
	real *scratch;              // of attention
	double *row_loss;           // (R)
	uint16_t *inputs, *targets; // (R)
};

/* Rows of logits are padded, so that kernels may write whole vectors. */
static int logit_stride(const struct shape *shape) {
	return (shape->vocab + HEAD_WIDTH - 1) / HEAD_WIDTH * HEAD_WIDTH;
}

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
	for (int i = 0; i < model->table.count; i++) {
		const struct tensor *tensor = &model->table.rows[i];
		struct weight *weight = &model->weights[i];
		weight->outputs = tensor->rows;
		weight->inputs = tensor->cols;
		if (arena) weight->w = model->parameters + tensor->offset;
		if (i > EMBEDDING && model->kernels->pack)
			TAKE(weight->packed, model->kernels->packed_reals(tensor->rows, tensor->cols));
	}
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
		TAKE(block->square, R * 4 * d);
	}
	TAKE(model->final, R * d);
	TAKE(model->final_r, R);
	TAKE(model->x, R * d);
	TAKE(model->logits, LOGIT_ROWS * (size_t)logit_stride(shape));
	if (model->training) {
		TAKE(model->dx, R * d);
		TAKE(model->dnarrow, R * d);
		TAKE(model->dhidden, R * 4 * d);
		TAKE(model->dqkv, R * 3 * d);
	}
	TAKE(model->scratch, model->kernels->attention_scratch(attention));
	TAKE(model->row_loss, R);
	TAKE(model->inputs, R);
	TAKE(model->targets, R);
#undef TAKE
	return bytes;
}

static void model_release(struct model *model) {
	arena_close(&model->arena);
	tensor_table_free(&model->table);
	free(model->blocks);
	free(model->weights);
}

static struct error *model_plan(
    const struct shape *shape, int sequences, bool training, enum kernels kernels, struct model *model) {
	*model =
	    (struct model){.shape = *shape, .kernels = kernel_sets[kernels], .sequences = sequences, .training = training};
	TRY(tensor_table_make(shape, &model->table));
	model->blocks = array_new((size_t)shape->depth, sizeof *model->blocks);
	model->weights = array_new((size_t)model->table.count, sizeof *model->weights);
	if (model->blocks && model->weights) return NULL;
	model_release(model);
	return error_memory((size_t)shape->depth * sizeof *model->blocks);
}

double model_bytes(const struct shape *shape, int sequences, bool training) {
	struct model model;
	struct error *error = model_plan(shape, sequences, training, kernels_widest(), &model);
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
	if (!kernels_available(kernels))
		return error_new(
		    ERROR_USAGE, "this processor cannot run the kernels '%s'; try '%s'", kernels_names[kernels],
		    kernels_names[kernels_widest()]);
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

/* -------------------------------------------------------------------------------------------- finding the tensors --- */

enum { PER_BLOCK = 4 };
enum block_tensor { QKV, OUT, MLP_IN, MLP_OUT };

static int block_tensor(int l, enum block_tensor which) {
	return 1 + PER_BLOCK * l + (int)which;
}

static int head_tensor(const struct model *model) {
	return model->table.count - 1;
}

static const struct weight *block_weight(const struct model *model, int l, enum block_tensor which) {
	return &model->weights[block_tensor(l, which)];
}

static real *gradient_of(const struct model *model, int tensor) {
	return model->gradients + model->table.rows[tensor].offset;
}

/* The copies of the weights follow the parameters. This costs about a hundredth of the products it serves, so it is done
 * at every call, and nobody can forget it. */
static void pack_weights(struct model *model) {
	for (int i = EMBEDDING + 1; i < model->table.count && model->kernels->pack; i++)
		model->kernels->pack(&model->weights[i]);
}

/* ------------------------------------------------------------------------------------------------------- forward --- */

/* From model->inputs to model->final for B sequences. */
static void forward(struct model *model, int B) {
	const struct kernel_set *k = model->kernels;
	const int d = model->shape.width, T = model->shape.context, L = model->shape.depth, R = B * T;
	const struct attention_shape attention = {B, T, d / HEAD_WIDTH};
	const real branch = (real)2 / (real)L, *embedding = model->parameters + model->table.rows[EMBEDDING].offset;
	const size_t row_bytes = sizeof(real) * (size_t)d;

	for (size_t r = 0; r < (size_t)R; r++)
		memcpy(model->x + r * (size_t)d, embedding + (size_t)model->inputs[r] * (size_t)d, row_bytes);
	rms_forward(model->embedded, model->embedded_r, model->x, R, d);
	memcpy(model->x, model->embedded, row_bytes * (size_t)R);

	for (int l = 0; l < L; l++) {
		struct block_activations *block = &model->blocks[l];
		rms_forward(block->attention_in, block->attention_r, model->x, R, d);
		k->forward(block->qkv, 3 * d, block->attention_in, block_weight(model, l, QKV), R);
		qk_forward(block->qkv, block->qk_r, model->rope, attention);
		k->attention_forward(block->attention_out, block->lse, block->qkv, attention, model->scratch);
		k->forward_residual(model->x, block->attention_out, block_weight(model, l, OUT), R, branch);

		rms_forward(block->mlp_in, block->mlp_r, model->x, R, d);
		k->forward_relu2(block->hidden, block->square, block->mlp_in, block_weight(model, l, MLP_IN), R);
		k->forward_residual(model->x, block->square, block_weight(model, l, MLP_OUT), R, branch);
	}
	rms_forward(model->final, model->final_r, model->x, R, d);
}

/* ------------------------------------------------------------------------------------------------------ backward --- */

/* Losses of all rows; with `scale` != 0 also the head's gradient and, in model->dx, that of the final norm's output.
 * `add`: the gradient is added to what earlier micro-batches left. */
static void classifier(struct model *model, int R, real scale, bool add) {
	const struct kernel_set *k = model->kernels;
	const int d = model->shape.width, V = model->shape.vocab, stride = logit_stride(&model->shape);
	const struct weight *head = &model->weights[head_tensor(model)];
	for (int first = 0; first < R; first += LOGIT_ROWS) {
		const int rows = R - first < LOGIT_ROWS ? R - first : LOGIT_ROWS;
		const real *h = model->final + (size_t)first * (size_t)d;
		k->forward(model->logits, stride, h, head, rows);
		k->cross_entropy(model->logits, stride, model->targets + first, rows, V, scale, model->row_loss + first);
		if (scale == 0) continue;
		k->backward_input(model->dx + (size_t)first * (size_t)d, model->logits, stride, head, rows, 1);
		k->backward_weight(
		    gradient_of(model, head_tensor(model)), model->logits, stride, h, V, d, rows, 1, add || first > 0);
	}
}

/* From model->dx, the gradient of model->final, back to the embedding. */
static void backward(struct model *model, int B, bool add) {
	const struct kernel_set *k = model->kernels;
	const int d = model->shape.width, T = model->shape.context, L = model->shape.depth, R = B * T;
	const struct attention_shape attention = {B, T, d / HEAD_WIDTH};
	const real branch = (real)2 / (real)L;
	real *dx = model->dx, *dnarrow = model->dnarrow, *dhidden = model->dhidden, *dqkv = model->dqkv;

	rms_backward(dx, dx, model->final, model->final_r, R, d, false);
	for (int l = L - 1; l >= 0; l--) {
		const struct block_activations *block = &model->blocks[l];
		real *gradient[PER_BLOCK];
		for (int t = 0; t < PER_BLOCK; t++) gradient[t] = gradient_of(model, block_tensor(l, (enum block_tensor)t));

		k->backward_weight(gradient[MLP_OUT], dx, d, block->square, d, 4 * d, R, branch, add);
		k->backward_relu2(dhidden, dx, block->hidden, block_weight(model, l, MLP_OUT), R, branch);
		k->backward_weight(gradient[MLP_IN], dhidden, 4 * d, block->mlp_in, 4 * d, d, R, 1, add);
		k->backward_input(dnarrow, dhidden, 4 * d, block_weight(model, l, MLP_IN), R, 1);
		rms_backward(dx, dnarrow, block->mlp_in, block->mlp_r, R, d, true);

		k->backward_weight(gradient[OUT], dx, d, block->attention_out, d, d, R, branch, add);
		k->backward_input(dnarrow, dx, d, block_weight(model, l, OUT), R, branch);
		k->attention_backward(dqkv, dnarrow, block->attention_out, block->lse, block->qkv, attention, model->scratch);
		qk_backward(dqkv, block->qkv, block->qk_r, model->rope, attention);
		k->backward_weight(gradient[QKV], dqkv, 3 * d, block->attention_in, 3 * d, d, R, 1, add);
		k->backward_input(dnarrow, dqkv, 3 * d, block_weight(model, l, QKV), R, 1);
		rms_backward(dx, dnarrow, block->attention_in, block->attention_r, R, d, true);
	}

	rms_backward(dx, dx, model->embedded, model->embedded_r, R, d, false);
	real *dembedding = gradient_of(model, EMBEDDING);
	if (!add) memset(dembedding, 0, sizeof(real) * (size_t)model->shape.vocab * (size_t)d);
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
	pack_weights(model);
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
	const int V = model->shape.vocab, d = model->shape.width, stride = logit_stride(&model->shape);
	memcpy(model->inputs, tokens, (size_t)model->shape.context * sizeof *tokens);
	pack_weights(model);
	forward(model, 1);
	for (int t = 0; t < model->shape.context; t++) {
		model->kernels->forward(
		    model->logits, stride, model->final + (size_t)t * (size_t)d, &model->weights[head_tensor(model)], 1);
		memcpy(logits + (size_t)t * (size_t)V, model->logits, sizeof(real) * (size_t)V);
	}
}
