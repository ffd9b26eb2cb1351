/* AdamW in one pass over the parameters, which also makes the copies that the kernels multiply by. */
#include "train/state.h"

#include <math.h>
#include <string.h>

struct error *optimizer_open(const struct tensor_table *table, struct optimizer *optimizer) {
	const size_t bytes = table->total * sizeof(float);
	TRY(arena_open(&optimizer->arena, 2 * arena_padded(bytes)));
	optimizer->first = arena_take(&optimizer->arena, bytes);
	optimizer->second = arena_take(&optimizer->arena, bytes);
	return NULL;
}

void optimizer_close(struct optimizer *optimizer) {
	arena_close(&optimizer->arena);
	*optimizer = (struct optimizer){0};
}

static double gradient_norm(const float *gradients, size_t count) {
	double sum = 0;
#pragma omp simd reduction(+ : sum)
	for (size_t i = 0; i < count; i++) sum += (double)gradients[i] * (double)gradients[i];
	return sqrt(sum);
}

/* What an update needs to know besides the tensor. */
struct pass {
	const struct tensor_table *table;
	float *parameters, *first, *second;
	const float *gradients;
	float beta1, beta2, epsilon;
	float gradient_scale;    /* of clipping */
	float rate, narrow_rate; /* over the first moment's bias correction; the latter for what is width_scaled */
	float second_scale;      /* one over the second moment's bias correction */
	float keep;              /* 1 - decay, of tensors that decay */
};

/* A piece of one tensor, for model_update. */
static void update_piece(void *context, int which, size_t begin, size_t count) {
	const struct pass *pass = context;
	const struct tensor *tensor = &pass->table->rows[which];
	const size_t at = tensor->offset + begin;
	float *p = pass->parameters + at, *m = pass->first + at, *v = pass->second + at;
	const float *g = pass->gradients + at;
	const float rate = tensor->width_scaled ? pass->narrow_rate : pass->rate, keep = tensor->decays ? pass->keep : 1;
	const float beta1 = pass->beta1, beta2 = pass->beta2, epsilon = pass->epsilon;
	const float gradient_scale = pass->gradient_scale, second_scale = pass->second_scale;
#pragma omp simd
	for (size_t i = 0; i < count; i++) {
		const float gradient = g[i] * gradient_scale;
		m[i] = beta1 * m[i] + (1 - beta1) * gradient;
		v[i] = beta2 * v[i] + (1 - beta2) * gradient * gradient;
		p[i] = keep * p[i] - rate * m[i] / (sqrtf(v[i] * second_scale) + epsilon);
	}
}

void optimizer_step(
    struct optimizer *optimizer, struct model *model, const struct train_config *config,
    const struct train_steps *steps, int64_t step, double *norm) {
	const struct tensor_table *table = model_tensors(model);
	*norm = gradient_norm(model_gradients(model), table->total);
	if (!isfinite(*norm)) return;

	const double tokens = (double)steps->tokens_per_step, schedule = train_schedule(steps, step);
	const double beta2 = pow(0.5, tokens / config->beta2_tokens), count = (double)step + 1;
	const double batch_scale = pow(tokens / 4096, config->batch_power);
	const double width_scale = 64.0 / (double)config->width;
	const double rate = config->rate * batch_scale * schedule / (1 - pow(config->beta1, count));
	const double decay = config->decay_tokens > 0 ? tokens / config->decay_tokens * schedule : 0;
	struct pass pass = {
	    .table = table,
	    .parameters = model_parameters(model),
	    .first = optimizer->first,
	    .second = optimizer->second,
	    .gradients = model_gradients(model),
	    .beta1 = (float)config->beta1,
	    .beta2 = (float)beta2,
	    .epsilon = (float)config->epsilon,
	    .gradient_scale = config->clip > 0 && *norm > config->clip ? (float)(config->clip / *norm) : 1,
	    .rate = (float)(rate * config->embed_rate),
	    .narrow_rate = (float)(rate * width_scale),
	    .second_scale = (float)(1 / (1 - pow(beta2, count))),
	    .keep = (float)(1 - decay),
	};
	model_update(model, update_piece, &pass);
}
