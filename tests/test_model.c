/* What the model promises, whatever its kernels: the loss it starts from, causality, exact counts, agreement of the
 * kernel sets, generation, NaN that stays NaN, and equal bits for equal inputs. The mathematics itself is checked in
 * test_reference.c and test_gradient.c. */
#include "tests/model_fixture.h"
#include "tests/nudged_blas.h"
#include "tests/sanitized.h"

/* Odd sizes, one block of attention and several, logits in one piece and in several. */
static const struct shape shapes[] = {
    {.vocab = 2, .context = 1, .width = 16, .depth = 1},
    {.vocab = 11, .context = 7, .width = 48, .depth = 3},
    {.vocab = 97, .context = 131, .width = MEMCHECK ? 32 : 112, .depth = 2},
};

static double largest_of(const real *values, size_t count) {
	double largest = 0;
	for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs((double)values[i]));
	return largest;
}

/* -ln softmax(logits)[target], in double. */
static double cross_entropy(const real *logits, int V, int target) {
	double largest = -INFINITY, sum = 0;
	for (int v = 0; v < V; v++) largest = fmax(largest, (double)logits[v]);
	for (int v = 0; v < V; v++) sum += exp((double)logits[v] - largest);
	return log(sum) + largest - (double)logits[target];
}

/* ------------------------------------------------------------------------------------------ shapes and counts --- */

static void a_wrong_shape_is_refused(void **state) {
	(void)state;
	const struct {
		struct shape shape;
		const char *says;
	} wrong[] = {
	    {{.vocab = 96, .context = 64, .width = 24, .depth = 2}, "multiple of that: try 16 or 32"},
	    {{.vocab = 1, .context = 64, .width = 32, .depth = 2}, "vocabulary is 1"},
	    {{.vocab = 65537, .context = 64, .width = 32, .depth = 2}, "vocabulary is 65537"},
	    {{.vocab = 96, .context = 0, .width = 32, .depth = 2}, "context is 0"},
	    {{.vocab = 96, .context = 64, .width = 0, .depth = 2}, "width is 0"},
	    {{.vocab = 96, .context = 64, .width = -16, .depth = 2}, "width is -16"},
	    {{.vocab = 96, .context = 64, .width = 32, .depth = 0}, "depth is 0"},
	};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct model *model;
		expect_failure(model_open(&wrong[i].shape, 1, true, KERNELS_PLAIN, &model), ERROR_USAGE, wrong[i].says);
		assert_null(model);
	}
}

static void tensors_lie_apart_and_aligned(void **state) {
	(void)state;
	for (size_t s = 0; s < COUNT_OF(shapes); s++) {
		struct tensor_table table;
		expect_success(tensor_table_make(&shapes[s], &table));
		size_t end = 0;
		for (int i = 0; i < table.count; i++) {
			const struct tensor *tensor = &table.rows[i];
			assert_true(tensor->offset >= end);
			assert_int_equal(tensor->offset * sizeof(real) % ALIGNMENT, 0);
			end = tensor->offset + (size_t)tensor->rows * (size_t)tensor->cols;
			for (int j = 0; j < i; j++) assert_string_not_equal(tensor->name, table.rows[j].name);
			/* The embedding is looked up, not multiplied: it neither decays nor follows the width. */
			assert_int_equal(tensor->decays, tensor->group != GROUP_EMBEDDING);
			assert_int_equal(tensor->width_scaled, tensor->group != GROUP_EMBEDDING);
		}
		assert_true(table.total >= end);
		tensor_table_free(&table);
	}
}

/* Multiply-adds counted where a naive program would do them. */
static double operations_of_a_sequence(const struct shape *shape, const struct tensor_table *table) {
	double operations = 0;
	for (int t = 0; t < shape->context; t++) {
		for (int i = 0; i < table->count; i++)
			if (table->rows[i].group != GROUP_EMBEDDING) operations += 2.0 * table->rows[i].rows * table->rows[i].cols;
		for (int l = 0; l < shape->depth; l++)
			for (int h = 0; h < shape->width / HEAD_WIDTH; h++)
				for (int s = 0; s <= t; s++) operations += 2 * HEAD_WIDTH /* q.k */ + 2 * HEAD_WIDTH /* p v */;
	}
	return operations;
}

static void counts_equal_sums_over_the_table(void **state) {
	(void)state;
	for (size_t s = 0; s < COUNT_OF(shapes); s++) {
		const struct shape *shape = &shapes[s];
		const struct counts counts = shape_counts(shape);
		struct tensor_table table;
		expect_success(tensor_table_make(shape, &table));
		double sums[GROUP_COUNT] = {0}, all = 0;
		for (int i = 0; i < table.count; i++) {
			const double elements = (double)table.rows[i].rows * table.rows[i].cols;
			sums[table.rows[i].group] += elements;
			all += elements;
		}
		for (int g = 0; g < GROUP_COUNT; g++) assert_true(counts.parameters[g] == sums[g]);
		assert_true(counts.all == all);
		assert_true(counts.hidden == sums[GROUP_ATTENTION] + sums[GROUP_MLP]);
		assert_true(counts.hidden == 12.0 * shape->depth * shape->width * shape->width);
		assert_true(counts.matmul == all - sums[GROUP_EMBEDDING]);
		const double operations = operations_of_a_sequence(shape, &table);
		assert_true(counts.forward_flops * shape->context == operations);
		assert_true(counts.train_flops == 3 * counts.forward_flops);
		assert_true(counts.train_flops - counts.attention_flops == 6 * counts.matmul);
		tensor_table_free(&table);
	}
}

/* ------------------------------------------------------------------------------------------------- the start --- */

static void the_first_loss_is_ln_v(void **state) {
	(void)state;
	static const int widths[] = {16, 32, 48, 64, 128}, vocabularies[] = {2, 96, 1000};
	for (size_t w = 0; w < COUNT_OF(widths); w++) {
		for (size_t v = 0; v < COUNT_OF(vocabularies); v++) {
			for (int k = 0; k < KERNELS_COUNT; k++) {
				if (!kernels_available((enum kernels)k)) continue;
				const struct shape shape = {
				    .vocab = vocabularies[v], .context = 33, .width = widths[w], .depth = 1 + (int)w % 3};
				struct model *model = open_model(shape, 2, false, (enum kernels)k);
				model_initialise(model, 7);
				uint16_t *tokens = random_tokens(3 * 34, shape.vocab, 8);
				const double loss = model_loss(model, tokens, 3, NULL);
				assert_true(fabs(loss - log(shape.vocab)) < 1e-5);
				free(tokens);
				model_close(model);
			}
		}
	}
}

static void initial_weights_have_their_deviation(void **state) {
	(void)state;
	const struct shape shape = {.vocab = 96, .context = 8, .width = 64, .depth = 2};
	struct model *model = open_model(shape, 1, false, KERNELS_PLAIN);
	model_initialise(model, 1);
	for (int i = 0; i < model_tensors(model)->count; i++) {
		const struct tensor *tensor = &model_tensors(model)->rows[i];
		const bool zero = tensor->group == GROUP_HEAD || strstr(tensor->name, ".out");
		const double wanted = zero ? 0 : tensor->group == GROUP_EMBEDDING ? 1 : 1 / sqrt(shape.width);
		const int count = tensor->rows * tensor->cols;
		double sum = 0, squares = 0;
		for (int j = 0; j < count; j++) {
			const double value = (double)model_parameters(model)[tensor->offset + (size_t)j];
			sum += value;
			squares += value * value;
		}
		/* Four standard errors of a sample of `count` normal numbers. */
		assert_true(fabs(sum / count) <= 4 * wanted / sqrt(count));
		assert_true(fabs(sqrt(squares / count) - wanted) <= 4 * wanted / sqrt(2.0 * count));
	}
	model_close(model);
}

/* A tensor is drawn from the stream of the seed that has its name, so deeper models start from the same first blocks. */
static void a_tensor_starts_the_same_in_every_model(void **state) {
	(void)state;
	const struct shape shallow = {.vocab = 20, .context = 8, .width = 32, .depth = 1};
	const struct shape deep = {.vocab = 20, .context = 40, .width = 32, .depth = 4};
	struct model *a = open_model(shallow, 1, false, KERNELS_PLAIN), *b = open_model(deep, 3, true, KERNELS_BLAS);
	model_initialise(a, 5);
	model_initialise(b, 5);
	for (int i = 0; i + 1 < model_tensors(a)->count; i++) { /* all but the head, which stands elsewhere in b */
		const struct tensor *in_a = &model_tensors(a)->rows[i], *in_b = &model_tensors(b)->rows[i];
		struct rng rng = rng_make(5, in_a->name);
		const real first = (real)(in_a->deviation * rng_normal(&rng));
		assert_string_equal(in_a->name, in_b->name);
		assert_true(model_parameters(a)[in_a->offset] == first);
		assert_memory_equal(
		    model_parameters(a) + in_a->offset, model_parameters(b) + in_b->offset,
		    (size_t)in_a->rows * (size_t)in_a->cols * sizeof(real));
	}
	const real first = model_parameters(a)[0];
	model_initialise(a, 6);
	assert_true(model_parameters(a)[0] != first);
	model_close(a);
	model_close(b);
}

/* -------------------------------------------------------------------------------------------- the forward pass --- */

static void later_tokens_change_no_earlier_logit(void **state) {
	(void)state;
	for (size_t s = 1; s < COUNT_OF(shapes); s++) {
		for (int k = 0; k < KERNELS_COUNT; k++) {
			if (!kernels_available((enum kernels)k)) continue;
			const size_t T = (size_t)shapes[s].context, V = (size_t)shapes[s].vocab;
			struct model *model = open_model(shapes[s], 1, false, (enum kernels)k);
			random_parameters(model, 1);
			uint16_t *tokens = random_tokens(T, shapes[s].vocab, 2);
			real *before = array_new(T * V, sizeof(real)), *after = array_new(T * V, sizeof(real));
			model_logits(model, tokens, before);
			for (size_t changed = 0; changed < T; changed += T / (MEMCHECK ? 2 : 7) + 1) {
				const uint16_t kept = tokens[changed];
				tokens[changed] = (uint16_t)((kept + 1) % V);
				model_logits(model, tokens, after);
				assert_memory_equal(before, after, changed * V * sizeof(real));
				/* That position and the last one do see it. */
				assert_memory_not_equal(before + changed * V, after + changed * V, V * sizeof(real));
				assert_memory_not_equal(before + (T - 1) * V, after + (T - 1) * V, V * sizeof(real));
				tokens[changed] = kept;
			}
			free(tokens);
			free(before);
			free(after);
			model_close(model);
		}
	}
}

static void losses_of_sequences_are_means_over_positions(void **state) {
	(void)state;
	enum { BATCH = 5 };
	for (size_t s = 0; s < COUNT_OF(shapes); s++) {
		const int T = shapes[s].context, V = shapes[s].vocab;
		const size_t row = (size_t)T + 1;
		uint16_t *tokens = random_tokens(BATCH * row, V, 4);
		real *logits = array_new((size_t)T * (size_t)V, sizeof(real));
		for (int k = 0; k < KERNELS_COUNT; k++) {
			if (!kernels_available((enum kernels)k)) continue;
			for (int sequences = 1; sequences <= BATCH + 1; sequences += 2) {
				struct model *model = open_model(shapes[s], sequences, false, (enum kernels)k);
				random_parameters(model, 3);
				double per_sequence[BATCH], total = 0;
				const double loss = model_loss(model, tokens, BATCH, per_sequence);
				for (size_t b = 0; b < BATCH; b++) {
					double sum = 0;
					model_logits(model, tokens + b * row, logits);
					for (int t = 0; t < T; t++)
						sum += cross_entropy(logits + (size_t)t * (size_t)V, V, tokens[b * row + (size_t)t + 1]);
					assert_true(fabs(per_sequence[b] - sum / T) < 1e-5 * sum / T);
					total += per_sequence[b];
				}
				assert_true(fabs(loss - total / BATCH) < 1e-12 * loss);
				model_close(model);
			}
		}
		free(logits);
		free(tokens);
	}
}

static void nan_anywhere_makes_the_loss_nan(void **state) {
	(void)state;
	const struct shape shape = {.vocab = 37, .context = 70, .width = 32, .depth = 2};
	const size_t count = 2 * ((size_t)shape.context + 1);
	uint16_t *tokens = random_tokens(count, shape.vocab, 5);
	for (int k = 0; k < KERNELS_COUNT; k++) {
		if (!kernels_available((enum kernels)k)) continue;
		struct model *model = open_model(shape, 2, true, (enum kernels)k);
		random_parameters(model, 6);
		assert_true(isfinite(model_gradient(model, tokens, 2)));
		for (int i = 0; i < model_tensors(model)->count; i++) {
			const struct tensor *tensor = &model_tensors(model)->rows[i];
			const int elements = tensor->rows * tensor->cols;
			for (int j = 0; j < elements; j += elements / (MEMCHECK ? 2 : 9) + 1) {
				/* Of the embedding, rows of tokens that occur. */
				const int row = tensor->group == GROUP_EMBEDDING ? tokens[j % shape.context] : j / tensor->cols;
				real *at = model_parameters(model) + tensor->offset + row * tensor->cols + j % tensor->cols;
				const real kept = *at;
				*at = (real)NAN;
				if (!isnan(model_loss(model, tokens, 2, NULL)))
					fail_msg("NaN in %s gives a finite loss with %s kernels", tensor->name, kernels_names[k]);
				assert_true(isnan(model_gradient(model, tokens, 2)));
				*at = kept;
			}
		}
		assert_true(isfinite(model_gradient(model, tokens, 2)));
		model_close(model);
	}
	free(tokens);
}

/* ------------------------------------------------------------------------------------- kernels and equal bits --- */

/* That the gradients of `other` are those of the plain loops, within rounding. */
static void expect_same_gradients(struct model *other, struct model *plain) {
	const struct shape *shape = model_shape(plain);
	const struct kernel_choice choice = model_kernels(other);
	for (int i = 0; i < model_tensors(plain)->count; i++) {
		const struct tensor *tensor = &model_tensors(plain)->rows[i];
		const size_t count = (size_t)tensor->rows * (size_t)tensor->cols;
		const real *wanted = model_gradients(plain) + tensor->offset;
		const real *found = model_gradients(other) + tensor->offset;
		const double largest = largest_of(wanted, count);
		for (size_t j = 0; j < count; j++)
			if (!(fabs((double)found[j] - (double)wanted[j]) <= 1e-5 * largest))
				fail_msg(
				    "%s kernels, OpenBLAS for %x, V=%d T=%d d=%d L=%d: gradient of %s[%zu] is %.9g, plain %.9g",
				    kernels_names[choice.kernels], choice.blas, shape->vocab, shape->context, shape->width,
				    shape->depth, tensor->name, j, (double)found[j], (double)wanted[j]);
	}
}

static void expect_kernel_sets_agree(struct shape shape, int batch) {
	uint16_t *tokens = random_tokens((size_t)batch * ((size_t)shape.context + 1), shape.vocab, 9);
	struct model *plain = open_model(shape, 2, true, KERNELS_PLAIN);
	random_parameters(plain, 10);
	const double loss = model_gradient(plain, tokens, batch);
	for (int k = 1; k < KERNELS_COUNT; k++) {
		if (!kernels_available((enum kernels)k)) continue;
		struct model *other = open_model(shape, 2, true, (enum kernels)k);
		random_parameters(other, 10);
		assert_true(fabs(model_gradient(other, tokens, batch) / loss - 1) < 1e-6);
		expect_same_gradients(other, plain);
		model_close(other);
	}
	model_close(plain);
	free(tokens);
}

static void kernel_sets_agree(void **state) {
	(void)state;
	for (size_t s = 0; s < COUNT_OF(shapes); s++) expect_kernel_sets_agree(shapes[s], 3);
}

/* The hidden layer's rows are so long that gradients of weights copy them, in one chunk and a bit. */
static void kernel_sets_agree_on_long_rows(void **state) {
	(void)state;
	expect_kernel_sets_agree((struct shape){.vocab = 5, .context = 261, .width = 272, .depth = 1}, 1);
}

/* The choices that are tried: each product alone, each kind of matrix, each direction, and all. */
static uint32_t some_choice(int i) {
	const int kinds = PRODUCT_COUNT / 3;
	if (i < PRODUCT_COUNT) return (uint32_t)1 << i;
	if (i < PRODUCT_COUNT + kinds) return (uint32_t)7 << 3 * (i - PRODUCT_COUNT);
	if (i < PRODUCT_COUNT + kinds + 3) return (uint32_t)011111 << (i - PRODUCT_COUNT - kinds);
	return ((uint32_t)1 << PRODUCT_COUNT) - 1;
}
enum { CHOICES = PRODUCT_COUNT + PRODUCT_COUNT / 3 + 3 + 1 };

/* One model goes through all choices and back: what a choice leaves behind must not disturb the next. */
static void any_product_can_be_openblas(void **state) {
	(void)state;
	enum { BATCH = 3 };
	const struct shape shape = {.vocab = 37, .context = 70, .width = 48, .depth = 2};
	uint16_t *tokens = random_tokens(BATCH * ((size_t)shape.context + 1), shape.vocab, 31);
	struct model *plain = open_model(shape, 2, true, KERNELS_PLAIN);
	const size_t bytes = model_tensors(plain)->total * sizeof(real);
	random_parameters(plain, 32);
	const double loss = model_gradient(plain, tokens, BATCH);
	real *alone = array_new(1, bytes), *all = array_new(1, bytes);
	for (int k = 0; k < KERNELS_COUNT; k++) {
		if (!kernels_available((enum kernels)k) || k == KERNELS_BLAS) continue;
		struct model *model = open_model(shape, 2, true, (enum kernels)k);
		random_parameters(model, 32);
		const double own_loss = model_gradient(model, tokens, BATCH);
		memcpy(alone, model_gradients(model), bytes);
		for (int i = 0; i < CHOICES; i += MEMCHECK ? 5 : 1) {
			const struct kernel_choice choice = {(enum kernels)k, some_choice(i)};
			expect_success(model_use_kernels(model, choice));
			assert_int_equal(model_kernels(model).blas, choice.blas);
			assert_true(fabs(model_gradient(model, tokens, BATCH) / loss - 1) < 1e-6);
			expect_same_gradients(model, plain);
			/* The choice took effect, or nothing of this would be tested. */
			assert_memory_not_equal(model_gradients(model), alone, bytes);
		}
		memcpy(all, model_gradients(model), bytes);
		expect_success(model_use_kernels(model, (struct kernel_choice){.kernels = (enum kernels)k}));
		assert_true(model_gradient(model, tokens, BATCH) == own_loss);
		assert_memory_equal(model_gradients(model), alone, bytes);
		/* With all products from OpenBLAS what is left are attention, norms and cross-entropy. */
		assert_memory_not_equal(all, alone, bytes);
		model_close(model);
	}
	free(alone);
	free(all);
	model_close(plain);
	free(tokens);
}

/* Equal inputs give equal bits: in another model, after other work, and when only the loss is asked for. */
static void results_repeat_bit_for_bit(void **state) {
	(void)state;
	enum { BATCH = 5 };
	const struct shape shape = shapes[2];
	const size_t count = BATCH * ((size_t)shape.context + 1);
	uint16_t *tokens = random_tokens(count, shape.vocab, 11), *others = random_tokens(count, shape.vocab, 12);
	for (int k = 0; k < KERNELS_COUNT; k++) {
		if (!kernels_available((enum kernels)k)) continue;
		struct model *a = open_model(shape, 2, true, (enum kernels)k), *b = open_model(shape, 2, true, (enum kernels)k);
		struct model *reader = open_model(shape, 2, false, (enum kernels)k);
		random_parameters(a, 13);
		random_parameters(b, 13);
		random_parameters(reader, 13);
		const double loss = model_gradient(a, tokens, BATCH);
		assert_true(model_gradient(b, others, BATCH) != loss);
		assert_true(model_gradient(b, tokens, BATCH) == loss);
		for (int i = 0; i < model_tensors(a)->count; i++) {
			const struct tensor *tensor = &model_tensors(a)->rows[i];
			assert_memory_equal(
			    model_gradients(a) + tensor->offset, model_gradients(b) + tensor->offset,
			    (size_t)tensor->rows * (size_t)tensor->cols * sizeof(real));
		}
		assert_true(model_loss(a, tokens, BATCH, NULL) == loss);
		assert_null(model_gradients(reader));
		assert_true(model_loss(reader, tokens, BATCH, NULL) == loss);
		model_close(a);
		model_close(b);
		model_close(reader);
	}
	free(tokens);
	free(others);
}

static void threads_change_no_bit(void **state) {
	(void)state;
	enum { BATCH = 7 };
	/* Every set of kernels, and the widest with all products from OpenBLAS, which several threads then call at once. */
	for (int k = 0; k <= KERNELS_COUNT; k++) {
		const bool mixed = k == KERNELS_COUNT;
		const struct kernel_choice choice = {
		    mixed ? kernels_widest() : (enum kernels)k, mixed ? some_choice(CHOICES - 1) : 0};
		if (!kernels_available(choice.kernels)) continue;
		const struct shape shape = shapes[k == KERNELS_PLAIN ? 1 : 2]; /* plain loops take long */
		uint16_t *tokens = random_tokens(BATCH * ((size_t)shape.context + 1), shape.vocab, 21);
		struct model *one = open_model(shape, 2, true, choice.kernels);
		expect_success(model_use_kernels(one, choice));
		random_parameters(one, 22);
		double alone[BATCH], together[BATCH];
		const double loss = model_gradient(one, tokens, BATCH);
		model_loss(one, tokens, BATCH, alone);
		for (int threads = 2; threads <= (MEMCHECK ? 3 : 6); threads++) {
			struct model *many = open_model(shape, 2, true, choice.kernels);
			random_parameters(many, 22);
			expect_success(model_use_threads(many, threads));
			expect_success(model_use_kernels(many, choice));
			for (int again = 0; again < (MEMCHECK ? 1 : 3); again++) {
				if (model_gradient(many, tokens, BATCH) != loss)
					fail_msg("%s, OpenBLAS for %x, %d threads", kernels_names[choice.kernels], choice.blas, threads);
				assert_memory_equal(
				    model_gradients(many), model_gradients(one), model_tensors(one)->total * sizeof(real));
			}
			assert_true(model_loss(many, tokens, BATCH, together) == loss);
			assert_memory_equal(alone, together, sizeof alone);
			model_close(many);
		}
		model_close(one);
		free(tokens);
	}
}

static void room_for_training_is_counted(void **state) {
	(void)state;
	const struct shape shape = shapes[2];
	const double one = model_bytes(&shape, 1, true), four = model_bytes(&shape, 4, true);
	assert_true(four > one);
	assert_true(one > model_bytes(&shape, 1, false));
	assert_true(one > 2 * shape_counts(&shape).all * sizeof(real)); /* parameters and gradients at least */
	/* Activations grow with the number of sequences, parameters do not. */
	assert_true(fabs((model_bytes(&shape, 7, true) - four) / (four - one) - 1) < 0.01);
}

/* -------------------------------------------------------------------------------------------------- generation --- */

static void generation_equals_the_forward_pass(void **state) {
	(void)state;
	for (size_t s = 0; s < COUNT_OF(shapes); s++) {
		const int T = shapes[s].context, V = shapes[s].vocab;
		struct model *model = open_model(shapes[s], 1, false, KERNELS_PLAIN);
		random_parameters(model, 14);
		uint16_t *tokens = random_tokens((size_t)T, V, 15);
		real *logits = array_new((size_t)T * (size_t)V, sizeof(real));
		model_logits(model, tokens, logits);
		const double largest = largest_of(logits, (size_t)T * (size_t)V);
		struct generator *generator;
		expect_success(generator_open(model, &generator));
		for (int t = 0; t < T; t++) {
			const real *next = generator_step(generator, tokens[t]);
			for (int v = 0; v < V; v++)
				assert_true(fabs((double)next[v] - (double)logits[t * V + v]) <= 1e-5 * largest);
		}
		generator_close(generator);
		free(logits);
		free(tokens);
		model_close(model);
	}
}

/* Past the context the oldest token drops out. With one block keys and values depend on their own token alone, so the
 * generator must then equal the forward pass over the last T tokens, although its angles have moved on. */
static void generation_past_the_context_sees_the_last_tokens(void **state) {
	(void)state;
	const struct shape shape = {.vocab = 23, .context = 9, .width = 32, .depth = 1};
	enum { LENGTH = 40 };
	struct model *model = open_model(shape, 1, false, KERNELS_PLAIN);
	random_parameters(model, 16);
	uint16_t *tokens = random_tokens(LENGTH, shape.vocab, 17);
	real *logits = array_new((size_t)shape.context * (size_t)shape.vocab, sizeof(real));
	struct generator *generator;
	expect_success(generator_open(model, &generator));
	for (int t = 0; t < LENGTH; t++) {
		const real *next = generator_step(generator, tokens[t]);
		if (t + 1 < shape.context) continue;
		model_logits(model, tokens + t + 1 - shape.context, logits);
		const real *last = logits + (shape.context - 1) * shape.vocab;
		const double largest = largest_of(last, (size_t)shape.vocab);
		for (int v = 0; v < shape.vocab; v++) assert_true(fabs((double)next[v] - (double)last[v]) <= 1e-5 * largest);
	}
	generator_close(generator);
	free(logits);
	free(tokens);
	model_close(model);
}

static void tokens_are_drawn_from_the_softmax(void **state) {
	(void)state;
	const real logits[] = {1, -2, 0.5f, 3, 0, -30};
	enum { V = COUNT_OF(logits), DRAWS = 200000 };
	static const double temperatures[] = {0.5, 1, 2};
	struct rng rng = rng_make(18, "draws");
	for (int i = 0; i < 100; i++) assert_int_equal(sample_token(logits, V, 0, &rng), 3);
	for (size_t k = 0; k < COUNT_OF(temperatures); k++) {
		int seen[V] = {0};
		double sum = 0;
		for (int i = 0; i < DRAWS; i++) seen[sample_token(logits, V, temperatures[k], &rng)]++;
		for (int v = 0; v < V; v++) sum += exp((double)logits[v] / temperatures[k]);
		for (int v = 0; v < V; v++) {
			const double p = exp((double)logits[v] / temperatures[k]) / sum;
			/* Five standard errors, and one draw for what is next to impossible. */
			assert_true(fabs(seen[v] - p * DRAWS) <= 5 * sqrt(DRAWS * p * (1 - p)) + 1);
		}
	}
}

int main(void) {
	openblas_set_num_threads(1); /* as in main() of rung.c */
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_wrong_shape_is_refused),
	    cmocka_unit_test(tensors_lie_apart_and_aligned),
	    cmocka_unit_test(counts_equal_sums_over_the_table),
	    cmocka_unit_test(the_first_loss_is_ln_v),
	    cmocka_unit_test(initial_weights_have_their_deviation),
	    cmocka_unit_test(a_tensor_starts_the_same_in_every_model),
	    cmocka_unit_test(later_tokens_change_no_earlier_logit),
	    cmocka_unit_test(losses_of_sequences_are_means_over_positions),
	    cmocka_unit_test(nan_anywhere_makes_the_loss_nan),
	    cmocka_unit_test(kernel_sets_agree),
	    cmocka_unit_test(kernel_sets_agree_on_long_rows),
	    cmocka_unit_test(any_product_can_be_openblas),
	    cmocka_unit_test(results_repeat_bit_for_bit),
	    cmocka_unit_test(threads_change_no_bit),
	    cmocka_unit_test(room_for_training_is_counted),
	    cmocka_unit_test(generation_equals_the_forward_pass),
	    cmocka_unit_test(generation_past_the_context_sees_the_last_tokens),
	    cmocka_unit_test(tokens_are_drawn_from_the_softmax),
	};
	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
