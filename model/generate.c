/* Generation, one token at a time, with the keys and values of the last T tokens kept in a ring. */
#include "model/layer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct generator {
	struct shape shape;
	const struct tensor *tensors;
	const real *parameters;
	struct arena arena;
	int64_t position;      /* of the next token; angles depend on differences alone, so it may pass T */
	real *keys, *values;   // (L,T,d) rings
	real *x, *norm, *out;  // (d)
	real *row, *heads;     // (3d) q, k and v as a product gives them, and by heads: (H,3,16)
	real *hidden, *square; // (4d)
	real *score;           // (T)
	real *logits;          // (V)
	real *angles;          // (16) of the current position
};

struct error *generator_open(const struct model *model, struct generator **out) {
	*out = NULL;
	struct generator *g = array_new(1, sizeof *g);
	if (!g) return error_memory(sizeof *g);
	g->shape = *model_shape(model);
	g->tensors = model_tensors(model)->rows;
	g->parameters = model_weights(model);
	const size_t d = (size_t)g->shape.width, T = (size_t)g->shape.context, L = (size_t)g->shape.depth;
	const struct {
		real **to;
		size_t count;
	} pieces[] = {
	    {&g->keys, L * T * d},
	    {&g->values, L * T * d},
	    {&g->x, d},
	    {&g->norm, d},
	    {&g->out, d},
	    {&g->row, 3 * d},
	    {&g->heads, 3 * d},
	    {&g->hidden, 4 * d},
	    {&g->square, 4 * d},
	    {&g->score, T},
	    {&g->angles, HEAD_WIDTH},
	    {&g->logits, (size_t)g->shape.vocab},
	};
	size_t bytes = 0;
	for (size_t i = 0; i < COUNT_OF(pieces); i++) bytes += arena_padded(pieces[i].count * sizeof(real));
	struct error *error = arena_open(&g->arena, bytes);
	if (error) {
		free(g);
		return error;
	}
	for (size_t i = 0; i < COUNT_OF(pieces); i++) *pieces[i].to = arena_take(&g->arena, pieces[i].count * sizeof(real));
	*out = g;
	return NULL;
}

void generator_close(struct generator *g) {
	if (!g) return;
	arena_close(&g->arena);
	free(g);
}

/* One row through a matrix: the specification serves. */
static struct weight weight_of(const struct generator *g, const struct tensor *tensor) {
	return (struct weight){.w = g->parameters + tensor->offset, .outputs = tensor->rows, .inputs = tensor->cols};
}

static void angles_at(real *angles, int64_t position) {
	for (int i = 0; i < HEAD_WIDTH / 2; i++) {
		const double angle = (double)position * pow(ROPE_THETA, -(double)i / (HEAD_WIDTH / 2));
		angles[i] = (real)cos(angle);
		angles[i + HEAD_WIDTH / 2] = (real)sin(angle);
	}
}

/* g->heads of the newest token against the ring of layer l, into g->out. */
static void attend(struct generator *g, int l) {
	const size_t d = (size_t)g->shape.width, T = (size_t)g->shape.context;
	const int64_t now = g->position, seen = now + 1 < (int64_t)T ? now + 1 : (int64_t)T;
	real *keys = g->keys + (size_t)l * T * d, *values = g->values + (size_t)l * T * d;
	for (size_t h = 0; h < d; h += HEAD_WIDTH) {
		const real *q = g->heads + 3 * h, *k = q + HEAD_WIDTH, *v = k + HEAD_WIDTH;
		memcpy(keys + ((size_t)now % T) * d + h, k, HEAD_WIDTH * sizeof(real));
		memcpy(values + ((size_t)now % T) * d + h, v, HEAD_WIDTH * sizeof(real));
		real largest = -INFINITY;
		double sum = 0;
		for (int64_t s = 0; s < seen; s++) {
			real product = 0;
			for (size_t i = 0; i < HEAD_WIDTH; i++) product += q[i] * keys[(size_t)s * d + h + i];
			g->score[s] = SCORE_SCALE * product;
			if (g->score[s] > largest) largest = g->score[s];
		}
		for (int64_t s = 0; s < seen; s++) sum += g->score[s] = (real)exp((double)(g->score[s] - largest));
		for (size_t i = 0; i < HEAD_WIDTH; i++) {
			double mean = 0;
			for (int64_t s = 0; s < seen; s++) mean += (double)g->score[s] * (double)values[(size_t)s * d + h + i];
			g->out[h + i] = (real)(mean / sum);
		}
	}
}

const real *generator_step(struct generator *g, int token) {
	const int d = g->shape.width, L = g->shape.depth;
	const size_t width = (size_t)d;
	const real branch = (real)2 / (real)L;
	const struct tensor *tensor = g->tensors;
	const struct kernel_set *k = &kernels_plain;
	real r;
	memcpy(g->x, g->parameters + tensor->offset + (size_t)token * width, width * sizeof(real));
	rms_forward(g->x, &r, g->x, 1, d);
	tensor++;
	angles_at(g->angles, g->position);
	for (int l = 0; l < L; l++, tensor += 4) {
		real heads_r[2 * WIDTH_MOST / HEAD_WIDTH];
		const struct weight qkv = weight_of(g, &tensor[0]), out = weight_of(g, &tensor[1]);
		const struct weight mlp_in = weight_of(g, &tensor[2]), mlp_out = weight_of(g, &tensor[3]);
		rms_forward(g->norm, &r, g->x, 1, d);
		k->forward(g->row, 3 * d, g->norm, &qkv, 1);
		qk_forward(g->heads, heads_r, g->row, g->angles, (struct attention_shape){1, 1, d / HEAD_WIDTH});
		attend(g, l);
		k->forward_residual(g->x, g->out, &out, 1, branch);
		rms_forward(g->norm, &r, g->x, 1, d);
		k->forward_relu2(g->hidden, g->square, g->norm, &mlp_in, 1);
		k->forward_residual(g->x, g->square, &mlp_out, 1, branch);
	}
	const struct weight head = weight_of(g, tensor);
	rms_forward(g->norm, &r, g->x, 1, d);
	k->forward(g->logits, g->shape.vocab, g->norm, &head, 1);
	g->position++;
	return g->logits;
}

int sample_token(const real *logits, int vocab, double temperature, struct rng *rng) {
	int best = 0;
	for (int v = 1; v < vocab; v++)
		if (logits[v] > logits[best]) best = v;
	if (temperature <= 0) return best;
	double sum = 0;
	for (int v = 0; v < vocab; v++) sum += exp((double)(logits[v] - logits[best]) / temperature);
	double left = rng_uniform(rng) * sum;
	for (int v = 0; v < vocab; v++) {
		left -= exp((double)(logits[v] - logits[best]) / temperature);
		if (left < 0) return v;
	}
	return best; /* rounding ate the last crumb, or the logits are not finite */
}
