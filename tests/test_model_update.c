/* Parameters, whoever changes them, and the copies of them that kernels multiply by. */
#include "tests/model_fixture.h"

#include <cblas.h>
#include <stdlib.h>

/* Rows that fill pieces and panels, and rows that do not. */
static const struct shape shapes[] = {
    {.vocab = 37, .context = 11, .width = 16, .depth = 2},
    {.vocab = 96, .context = 33, .width = 48, .depth = 1},
};

/* Halves what it is told to, and counts how often it is told so. */
struct halving {
	const struct tensor_table *table;
	real *parameters;
	int *times; // (table.total)
};

static void halve(void *context, int tensor, size_t first, size_t count) {
	const struct halving *halving = context;
	const size_t at = halving->table->rows[tensor].offset + first;
	for (size_t i = at; i < at + count; i++) {
		halving->parameters[i] /= 2;
		halving->times[i]++;
	}
}

/* Whoever changes parameters, and how, what is computed next is computed with them. */
static void copies_follow_the_parameters(void **state) {
	(void)state;
	enum { BATCH = 5 };
	for (size_t s = 0; s < COUNT_OF(shapes); s++) {
		uint16_t *tokens = random_tokens(BATCH * ((size_t)shapes[s].context + 1), shapes[s].vocab, 23);
		for (int k = 0; k < KERNELS_COUNT; k++) {
			if (!kernels_available((enum kernels)k)) continue;
			for (int threads = 1; threads <= 3; threads += 2) {
				struct model *a = open_model(shapes[s], 1, true, (enum kernels)k);
				struct model *b = open_model(shapes[s], 1, true, (enum kernels)k);
				const struct tensor_table *table = model_tensors(a);
				expect_success(model_use_threads(a, threads));
				random_parameters(a, 24);
				random_parameters(b, 24);
				assert_true(model_gradient(a, tokens, BATCH) == model_gradient(b, tokens, BATCH));

				struct halving halving = {table, model_parameters(a), array_new(table->total, sizeof(int))};
				model_update(a, halve, &halving);
				for (size_t i = 0; i < table->total; i++) model_parameters(b)[i] /= 2;
				assert_memory_equal(model_weights(a), model_weights(b), table->total * sizeof(real));
				for (int t = 0; t < table->count; t++) {
					const struct tensor *tensor = &table->rows[t];
					for (size_t i = 0; i < (size_t)tensor->rows * (size_t)tensor->cols; i++)
						assert_int_equal(halving.times[tensor->offset + i], 1);
				}
				assert_true(model_gradient(a, tokens, BATCH) == model_gradient(b, tokens, BATCH));
				assert_memory_equal(model_gradients(a), model_gradients(b), table->total * sizeof(real));

				/* After an update as before it, other hands count too. */
				random_parameters(a, 25);
				random_parameters(b, 25);
				assert_true(model_loss(a, tokens, BATCH, NULL) == model_loss(b, tokens, BATCH, NULL));
				model_update(a, halve, &halving);
				model_initialise(a, 26);
				model_initialise(b, 26);
				assert_true(model_gradient(a, tokens, BATCH) == model_gradient(b, tokens, BATCH));
				free(halving.times);
				model_close(a);
				model_close(b);
			}
		}
		free(tokens);
	}
}

int main(void) {
	openblas_set_num_threads(1); /* as in main() of rung.c */
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(copies_follow_the_parameters),
	};
	return cmocka_run_group_tests_name("model_update", tests, NULL, NULL);
}
