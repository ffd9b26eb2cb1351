/* The forward pass of a micro-batch, and the backward pass in the opposite order. */
#include "model/pass.h"

#include <stdlib.h>
#include <string.h>

/* One pass of this function counts the bytes (arena NULL), a second one hands them out. */
static size_t layout(const struct network *network, struct pass *pass, struct arena *arena) {
	const struct shape *shape = &network->shape;
	const size_t d = (size_t)shape->width, H = d / HEAD_WIDTH, R = (size_t)network->sequences * (size_t)shape->context;
	const struct attention_shape attention = {network->sequences, shape->context, (int)H};
	size_t bytes = 0;

	TAKE(pass->embedded, R * d);
	TAKE(pass->embedded_r, R);
	for (int l = 0; l < shape->depth; l++) {
		struct block_activations *block = &pass->blocks[l];
		/* Without a backward pass all blocks share the first one's memory. */
		if (l > 0 && !network->training) {
			*block = pass->blocks[0];
			continue;
		}
		TAKE(block->attention_in, R * d);
		TAKE(block->attention_r, R);
		TAKE(block->heads, R * 3 * d);
		TAKE(block->qk_r, R * 2 * H);
		TAKE(block->attention_out, R * d);
		TAKE(block->sums, R * H);
		TAKE(block->mlp_in, R * d);
		TAKE(block->mlp_r, R);
		TAKE(block->hidden, R * 4 * d);
	}
	TAKE(pass->final, R * d);
	TAKE(pass->final_r, R);
	TAKE(pass->x, R * d);
	TAKE(pass->rows, R * 3 * d);
	TAKE(pass->square, R * 4 * d);
	TAKE(pass->logits, LOGIT_ROWS * (size_t)logit_stride(shape));
	if (network->training) {
		TAKE(pass->dx, R * d);
		TAKE(pass->dnarrow, R * d);
		TAKE(pass->dheads, R * 3 * d);
		TAKE(pass->gradients, network->table.total);
	}
	TAKE(pass->scratch, network->kernels->attention_scratch(attention));
	TAKE(pass->row_loss, R);
	TAKE(pass->inputs, R);
	TAKE(pass->targets, R);
	return bytes;
}

size_t pass_bytes(const struct network *network) {
	struct pass pass = {.blocks = array_new((size_t)network->shape.depth, sizeof *pass.blocks)};
	if (!pass.blocks) return 0;
	const size_t bytes = layout(network, &pass, NULL);
	free(pass.blocks);
	return bytes;
}

struct error *pass_open(const struct network *network, struct pass *pass) {
	const size_t depth = (size_t)network->shape.depth;
	*pass = (struct pass){.blocks = array_new(depth, sizeof *pass->blocks)};
	if (!pass->blocks) return error_memory(depth * sizeof *pass->blocks);
	struct error *error = arena_open(&pass->arena, layout(network, pass, NULL));
	if (error)
		pass_close(pass);
	else
		layout(network, pass, &pass->arena);
	return error;
}

void pass_close(struct pass *pass) {
	arena_close(&pass->arena);
	free(pass->blocks);
	*pass = (struct pass){0};
}

/* The matrices of a block, in the order of enum matrix. */
static const struct weight *block_weights(const struct network *network, int l) {
	return &network->weights[1 + PER_BLOCK * l];
}

/* ------------------------------------------------------------------------------------------------------- forward --- */

/* From pass->inputs to pass->final for B sequences. */
static void forward(const struct network *network, struct pass *pass, int B) {
	const struct kernel_set *k = network->kernels;
	const int d = network->shape.width, T = network->shape.context, L = network->shape.depth, R = B * T;
	const struct attention_shape attention = {B, T, d / HEAD_WIDTH};
	const real branch = (real)2 / (real)L, *embedding = network->parameters + network->table.rows[EMBEDDING].offset;
	const size_t row_bytes = sizeof(real) * (size_t)d;

	for (size_t r = 0; r < (size_t)R; r++)
		memcpy(pass->x + r * (size_t)d, embedding + (size_t)pass->inputs[r] * (size_t)d, row_bytes);
	rms_forward(pass->embedded, pass->embedded_r, pass->x, R, d);
	memcpy(pass->x, pass->embedded, row_bytes * (size_t)R);

	for (int l = 0; l < L; l++) {
		struct block_activations *block = &pass->blocks[l];
		const struct weight *w = block_weights(network, l);
		rms_forward(block->attention_in, block->attention_r, pass->x, R, d);
		w[QKV].by[FORWARD]->forward(pass->rows, 3 * d, block->attention_in, &w[QKV], R);
		qk_forward(block->heads, block->qk_r, pass->rows, network->rope, attention);
		k->attention_forward(block->attention_out, block->sums, block->heads, attention, pass->scratch);
		w[OUT].by[FORWARD]->forward_residual(pass->x, block->attention_out, &w[OUT], R, branch);

		rms_forward(block->mlp_in, block->mlp_r, pass->x, R, d);
		w[MLP_IN].by[FORWARD]->forward_relu2(block->hidden, pass->square, block->mlp_in, &w[MLP_IN], R);
		w[MLP_OUT].by[FORWARD]->forward_residual(pass->x, pass->square, &w[MLP_OUT], R, branch);
	}
	rms_forward(pass->final, pass->final_r, pass->x, R, d);
}

/* ------------------------------------------------------------------------------------------------------ backward --- */

/* Losses of all rows; with `gradients` also the head's and, in pass->dx, that of the final norm's output. */
static void classifier(const struct network *network, struct pass *pass, int R, real scale, real *gradients) {
	const int d = network->shape.width, V = network->shape.vocab, stride = logit_stride(&network->shape);
	const int head = network->table.count - 1;
	const struct weight *weight = &network->weights[head];
	for (int first = 0; first < R; first += LOGIT_ROWS) {
		const int rows = R - first < LOGIT_ROWS ? R - first : LOGIT_ROWS;
		const real *h = pass->final + (size_t)first * (size_t)d;
		weight->by[FORWARD]->forward(pass->logits, stride, h, weight, rows);
		network->kernels->cross_entropy(
		    pass->logits, stride, pass->targets + first, rows, V, scale, pass->row_loss + first);
		if (!gradients) continue;
		weight->by[TO_INPUT]->backward_input(
		    pass->dx + (size_t)first * (size_t)d, pass->logits, stride, weight, rows, 1);
		weight->by[TO_WEIGHT]->backward_weight(
		    gradients + network->table.rows[head].offset, pass->logits, stride, h, V, d, rows, 1, first > 0);
	}
}

/* From pass->dx, the gradient of pass->final, back to the embedding. */
static void backward(const struct network *network, struct pass *pass, int B, real *gradients) {
	const struct kernel_set *k = network->kernels;
	const int d = network->shape.width, T = network->shape.context, L = network->shape.depth, R = B * T;
	const struct attention_shape attention = {B, T, d / HEAD_WIDTH};
	const real branch = (real)2 / (real)L;
	real *dx = pass->dx, *dnarrow = pass->dnarrow, *drows = pass->rows, *square = pass->square;

	rms_backward(dx, dx, pass->final, pass->final_r, R, d, false);
	for (int l = L - 1; l >= 0; l--) {
		const struct block_activations *block = &pass->blocks[l];
		const struct weight *w = block_weights(network, l);
		real *gradient[PER_BLOCK];
		for (int t = 0; t < PER_BLOCK; t++) gradient[t] = gradients + network->table.rows[1 + PER_BLOCK * l + t].offset;

		real *dhidden = block->hidden;
		w[MLP_OUT].by[TO_INPUT]->backward_relu2(dhidden, square, dx, block->hidden, &w[MLP_OUT], R, branch);
		w[MLP_OUT].by[TO_WEIGHT]->backward_weight(gradient[MLP_OUT], dx, d, square, d, 4 * d, R, branch, false);
		w[MLP_IN].by[TO_WEIGHT]->backward_weight(
		    gradient[MLP_IN], dhidden, 4 * d, block->mlp_in, 4 * d, d, R, 1, false);
		w[MLP_IN].by[TO_INPUT]->backward_input(dnarrow, dhidden, 4 * d, &w[MLP_IN], R, 1);
		rms_backward(dx, dnarrow, block->mlp_in, block->mlp_r, R, d, true);

		w[OUT].by[TO_WEIGHT]->backward_weight(gradient[OUT], dx, d, block->attention_out, d, d, R, branch, false);
		w[OUT].by[TO_INPUT]->backward_input(dnarrow, dx, d, &w[OUT], R, branch);
		k->attention_backward(
		    pass->dheads, dnarrow, block->attention_out, block->sums, block->heads, attention, pass->scratch);
		qk_backward(drows, pass->dheads, block->heads, block->qk_r, network->rope, attention);
		w[QKV].by[TO_WEIGHT]->backward_weight(gradient[QKV], drows, 3 * d, block->attention_in, 3 * d, d, R, 1, false);
		w[QKV].by[TO_INPUT]->backward_input(dnarrow, drows, 3 * d, &w[QKV], R, 1);
		rms_backward(dx, dnarrow, block->attention_in, block->attention_r, R, d, true);
	}

	rms_backward(dx, dx, pass->embedded, pass->embedded_r, R, d, false);
	real *dembedding = gradients + network->table.rows[EMBEDDING].offset;
	memset(dembedding, 0, sizeof(real) * (size_t)network->shape.vocab * (size_t)d);
	for (int r = 0; r < R; r++) {
		real *to = dembedding + (size_t)pass->inputs[r] * (size_t)d;
		const real *from = dx + (size_t)r * (size_t)d;
		for (int j = 0; j < d; j++) to[j] += from[j];
	}
}

/* ------------------------------------------------------------------------------------------------------- the pass --- */

void pass_run(
    const struct network *network, struct pass *pass, const uint16_t *tokens, int B, real scale, real *gradients) {
	const size_t T = (size_t)network->shape.context;
	for (size_t b = 0; b < (size_t)B; b++) {
		memcpy(pass->inputs + b * T, tokens + b * (T + 1), T * sizeof *tokens);
		memcpy(pass->targets + b * T, tokens + b * (T + 1) + 1, T * sizeof *tokens);
	}
	forward(network, pass, B);
	classifier(network, pass, B * (int)T, scale, gradients);
	if (gradients) backward(network, pass, B, gradients);
}

void pass_logits(const struct network *network, struct pass *pass, const uint16_t *tokens, real *logits) {
	const int V = network->shape.vocab, d = network->shape.width, stride = logit_stride(&network->shape);
	memcpy(pass->inputs, tokens, (size_t)network->shape.context * sizeof *tokens);
	forward(network, pass, 1);
	const struct weight *head = &network->weights[network->table.count - 1];
	for (int t = 0; t < network->shape.context; t++) {
		head->by[FORWARD]->forward(pass->logits, stride, pass->final + (size_t)t * (size_t)d, head, 1);
		memcpy(logits + (size_t)t * (size_t)V, pass->logits, sizeof(real) * (size_t)V);
	}
}
