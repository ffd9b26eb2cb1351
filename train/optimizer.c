/* AdamW in one pass over the parameters. */
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

/* What one tensor's update needs. */
struct update {
	float beta1, beta2, epsilon;
	float gradient_scale; /* of clipping */
	float rate;           /* over the first moment's bias correction */
	float second_scale;   /* one over the second moment's bias correction */
	float keep;           /* 1 - decay */
};

static void update_tensor(float *p, const float *g, float *m, float *v, size_t count, const struct update *u) {
#pragma omp simd
	for (size_t i = 0; i < count; i++) {
		const float gradient = g[i] * u->gradient_scale;
		m[i] = u->beta1 * m[i] + (1 - u->beta1) * gradient;
		v[i] = u->beta2 * v[i] + (1 - u->beta2) * gradient * gradient;
		p[i] = u->keep * p[i] - u->rate * m[i] / (sqrtf(v[i] * u->second_scale) + u->epsilon);
	}
}

void optimizer_step(
    struct optimizer *optimizer, struct model *model, const struct train_config *config,
    const struct train_steps *steps, int64_t step, double *norm) {
	const struct tensor_table *table = model_tensors(model);
	float *parameters = model_parameters(model), *gradients = model_gradients(model);
	*norm = gradient_norm(gradients, table->total);
	if (!isfinite(*norm)) return;

	const double tokens = (double)steps->tokens_per_step, schedule = train_schedule(steps, step);
	const double beta2 = pow(0.5, tokens / config->beta2_tokens), count = (double)step + 1;
	const double batch_scale = pow(tokens / 4096, config->batch_power);
	const double width_scale = 64.0 / (double)config->width;
	const double decay = config->decay_tokens > 0 ? tokens / config->decay_tokens * schedule : 0;
	for (int i = 0; i < table->count; i++) {
		const struct tensor *tensor = &table->rows[i];
		const double rate =
		    config->rate * batch_scale * schedule * (tensor->width_scaled ? width_scale : config->embed_rate);
		const struct update update = {
		    .beta1 = (float)config->beta1,
		    .beta2 = (float)beta2,
		    .epsilon = (float)config->epsilon,
		    .gradient_scale = config->clip > 0 && *norm > config->clip ? (float)(config->clip / *norm) : 1,
		    .rate = (float)(rate / (1 - pow(config->beta1, count))),
		    .second_scale = (float)(1 / (1 - pow(beta2, count))),
		    .keep = tensor->decays ? (float)(1 - decay) : 1,
		};
		const size_t at = tensor->offset;
		update_tensor(
		    parameters + at, gradients + at, optimizer->first + at, optimizer->second + at,
		    (size_t)tensor->rows * (size_t)tensor->cols, &update);
	}
}
