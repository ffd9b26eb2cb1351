/* The gradient of every tensor against central differences, with the whole model computed in double precision (this
 * program is linked with objects built with -DRUNG_DOUBLE).
 *
 * Central differences with step h err by h^2/6 of the third derivative and by the rounding of the loss over h: with the
 * step below about 1e-9 of a tensor's largest gradient. Two kinds of step are taken in each tensor: random directions whose
 * signs follow the gradient, so that all elements add up instead of cancelling, and single elements. */
#include "tests/model_fixture.h"

_Static_assert(sizeof(real) == sizeof(double), "built with -DRUNG_DOUBLE");

struct test_case {
	const char *name;
	struct shape shape;
	int batch, sequences;
	enum kernels kernels;
};

/* Odd numbers; one token of context, where attention is trivial; more than one block of queries and of logit rows. */
static const struct test_case cases[] = {
    {"plain, one block", {.vocab = 7, .context = 5, .width = 16, .depth = 1}, 2, 2, KERNELS_PLAIN},
    {"plain, three blocks, micro-batches", {.vocab = 19, .context = 11, .width = 32, .depth = 3}, 3, 2, KERNELS_PLAIN},
    {"plain, context of one token", {.vocab = 5, .context = 1, .width = 16, .depth = 2}, 4, 3, KERNELS_PLAIN},
    {"plain, long context", {.vocab = 13, .context = 67, .width = 48, .depth = 2}, 2, 2, KERNELS_PLAIN},
    {"blas, three blocks, micro-batches", {.vocab = 19, .context = 11, .width = 32, .depth = 3}, 3, 2, KERNELS_BLAS},
    {"blas, long context", {.vocab = 13, .context = 67, .width = 48, .depth = 2}, 2, 2, KERNELS_BLAS},
    {"portable, long context", {.vocab = 13, .context = 67, .width = 48, .depth = 2}, 2, 2, KERNELS_PORTABLE},
    {"avx2, long context", {.vocab = 13, .context = 67, .width = 48, .depth = 2}, 2, 2, KERNELS_AVX2},
    {"avx512, long context", {.vocab = 13, .context = 67, .width = 48, .depth = 2}, 2, 2, KERNELS_AVX512},
};

enum { DIRECTIONS = 3, SINGLES = 12 };
static const double STEP = 1e-5;

struct probe {
	struct model *model;
	const uint16_t *tokens;
	int batch;
	real *start, *gradient, *direction; // (elements of the tensor)
	size_t count;
	real *parameters; // of the tensor, in the model
};

/* (loss(start + h direction) - loss(start - h direction)) / 2h */
static double central_difference(const struct probe *probe, double h) {
	double loss[2];
	for (int side = 0; side < 2; side++) {
		for (size_t i = 0; i < probe->count; i++)
			probe->parameters[i] = probe->start[i] + (side == 0 ? h : -h) * probe->direction[i];
		loss[side] = model_loss(probe->model, probe->tokens, probe->batch, NULL);
	}
	memcpy(probe->parameters, probe->start, probe->count * sizeof(real));
	return (loss[0] - loss[1]) / (2 * h);
}

static void check_tensor(const struct probe *probe, const char *name, struct rng *rng) {
	double largest = 0, worst = 0;
	size_t at = 0;
	for (size_t i = 0; i < probe->count; i++) {
		const double size = fabs(probe->gradient[i]);
		if (size > largest) {
			largest = size;
			at = i;
		}
	}
	assert_true(largest > 0);

	for (int trial = 0; trial < DIRECTIONS; trial++) {
		double length = 0, expected = 0;
		for (size_t i = 0; i < probe->count; i++) {
			probe->direction[i] = fabs(rng_normal(rng));
			if (probe->gradient[i] < 0) probe->direction[i] *= -1;
			length += probe->direction[i] * probe->direction[i];
		}
		for (size_t i = 0; i < probe->count; i++) {
			probe->direction[i] /= sqrt(length);
			expected += probe->direction[i] * probe->gradient[i];
		}
		const double found = central_difference(probe, STEP), difference = fabs(found - expected) / expected;
		worst = fmax(worst, difference);
		if (!(difference < 1e-6))
			fail_msg("%s in direction %d: gradient %.12g, difference %.12g", name, trial, expected, found);
	}

	for (int trial = 0; trial < SINGLES; trial++) {
		if (trial > 0) at = (size_t)rng_below(rng, probe->count);
		memset(probe->direction, 0, probe->count * sizeof(real));
		probe->direction[at] = 1;
		const double expected = probe->gradient[at], found = central_difference(probe, STEP);
		/* Relative to the element; below a hundredth of the largest, where the difference has no such digits, to that. */
		const double difference = fabs(found - expected) / fmax(fabs(expected), 0.01 * largest);
		worst = fmax(worst, difference);
		if (!(difference < 1e-6)) fail_msg("%s[%zu]: gradient %.12g, difference %.12g", name, at, expected, found);
	}
	print_message("# %-24s worst relative difference %.1e\n", name, worst);
}

static void equals_central_differences(void **state) {
	const struct test_case *test = *state;
	if (!kernels_available(test->kernels)) skip();
	struct model *model = open_model(test->shape, test->sequences, true, test->kernels);
	const size_t count = (size_t)test->batch * ((size_t)test->shape.context + 1);
	uint16_t *tokens = random_tokens(count, test->shape.vocab, 2);
	random_parameters(model, 3);
	(void)model_gradient(model, tokens, test->batch);

	const struct tensor_table *table = model_tensors(model);
	for (int i = 0; i < table->count; i++) {
		const struct tensor *tensor = &table->rows[i];
		struct rng rng = rng_make(4, tensor->name);
		const size_t elements = (size_t)tensor->rows * (size_t)tensor->cols;
		struct probe probe = {.model = model, .tokens = tokens, .batch = test->batch, .count = elements};
		probe.parameters = model_parameters(model) + tensor->offset;
		probe.gradient = model_gradients(model) + tensor->offset;
		probe.start = array_new(elements, sizeof(real));
		probe.direction = array_new(elements, sizeof(real));
		assert_non_null(probe.start);
		assert_non_null(probe.direction);
		memcpy(probe.start, probe.parameters, elements * sizeof(real));
		check_tensor(&probe, tensor->name, &rng);
		free(probe.start);
		free(probe.direction);
	}
	free(tokens);
	model_close(model);
}

int main(void) {
	struct CMUnitTest tests[COUNT_OF(cases)];
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		tests[i] = (struct CMUnitTest){
		    .name = cases[i].name,
		    .test_func = equals_central_differences,
		    .initial_state = (void *)(uintptr_t)&cases[i]};
	return cmocka_run_group_tests_name("gradient", tests, NULL, NULL);
}
