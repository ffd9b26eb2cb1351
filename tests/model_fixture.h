/* model_fixture.h - what the tests of the model share: weights that hide nothing, and tokens. */
#ifndef RUNG_TESTS_MODEL_FIXTURE_H
#define RUNG_TESTS_MODEL_FIXTURE_H

#include "model/model.h"
#include "tests/support.h"

#include <math.h>

static inline struct model *open_model(struct shape shape, int sequences, bool training, enum kernels kernels) {
	struct model *model;
	expect_success(model_open(&shape, sequences, training, kernels, &model));
	return model;
}

/* Non-zero weights everywhere: the zero start of the output projections and the head would hide most mistakes. */
static inline void random_parameters(struct model *model, uint64_t seed) {
	const struct tensor_table *table = model_tensors(model);
	for (int i = 0; i < table->count; i++) {
		const struct tensor *tensor = &table->rows[i];
		const double deviation = tensor->deviation != 0 ? tensor->deviation : 1 / sqrt(tensor->cols);
		struct rng rng = rng_make(seed, tensor->name);
		for (int j = 0; j < tensor->rows * tensor->cols; j++)
			model_parameters(model)[tensor->offset + (size_t)j] = (real)(deviation * rng_normal(&rng));
	}
}

static inline uint16_t *random_tokens(size_t count, int vocab, uint64_t seed) {
	struct rng rng = rng_make(seed, "tokens");
	uint16_t *tokens = array_new(count, sizeof *tokens);
	assert_non_null(tokens);
	for (size_t i = 0; i < count; i++) tokens[i] = (uint16_t)rng_below(&rng, (uint64_t)vocab);
	return tokens;
}

#endif
