/* The model against vectors that an independent PyTorch implementation made in double precision: logits, loss and the
 * gradient of every tensor. tests/reference/make_vectors.py says what is in the files and how they were made. */
#include "tests/model_fixture.h"

/* A safetensors file as it lies in memory. */
struct vectors {
	struct text file;
	cJSON *header;
	const char *body;
	struct shape shape;
	int batch;
	double loss;
	uint16_t *tokens; // (B,T+1)
};

/* The data of a tensor, after checks of its type and shape (three numbers; 0 ends early). */
static const void *find(const struct vectors *vectors, const char *name, const char *type, const int shape[3]) {
	const cJSON *entry = cJSON_GetObjectItemCaseSensitive(vectors->header, name);
	if (!entry) fail_msg("no tensor '%s' in the file", name);
	assert_string_equal(cJSON_GetObjectItem(entry, "dtype")->valuestring, type);
	const cJSON *sizes = cJSON_GetObjectItem(entry, "shape"), *offsets = cJSON_GetObjectItem(entry, "data_offsets");
	size_t bytes = 4;
	int rank = 0;
	for (; rank < 3 && shape[rank] > 0; rank++) {
		assert_int_equal((int)cJSON_GetArrayItem(sizes, rank)->valuedouble, shape[rank]);
		bytes *= (size_t)shape[rank];
	}
	assert_int_equal(cJSON_GetArraySize(sizes), rank);
	const size_t begin = (size_t)cJSON_GetArrayItem(offsets, 0)->valuedouble;
	assert_int_equal((size_t)cJSON_GetArrayItem(offsets, 1)->valuedouble - begin, bytes);
	assert_true(vectors->body + begin + bytes <= vectors->file.data + vectors->file.length);
	return vectors->body + begin;
}

static double metadata(const struct vectors *vectors, const char *key) {
	const cJSON *all = cJSON_GetObjectItem(vectors->header, "__metadata__");
	return strtod(cJSON_GetObjectItem(all, key)->valuestring, NULL);
}

static struct vectors read_vectors(const char *path) {
	struct vectors vectors = {0};
	expect_success(file_read(path, 1 << 20, &vectors.file));
	uint64_t length;
	assert_true(vectors.file.length > sizeof length);
	memcpy(&length, vectors.file.data, sizeof length);
	assert_true(length < vectors.file.length - sizeof length);
	expect_success(json_parse(path, vectors.file.data + sizeof length, length, &vectors.header));
	vectors.body = vectors.file.data + sizeof length + length;
	vectors.shape = (struct shape){
	    .vocab = (int)metadata(&vectors, "vocab"),
	    .context = (int)metadata(&vectors, "context"),
	    .width = (int)metadata(&vectors, "width"),
	    .depth = (int)metadata(&vectors, "depth")};
	vectors.batch = (int)metadata(&vectors, "batch");
	vectors.loss = metadata(&vectors, "loss");
	const int rows = vectors.batch, columns = vectors.shape.context + 1;
	const int32_t *tokens = find(&vectors, "tokens", "I32", (int[]){rows, columns, 0});
	vectors.tokens = array_new((size_t)rows * (size_t)columns, sizeof *vectors.tokens);
	assert_non_null(vectors.tokens);
	for (int i = 0; i < rows * columns; i++) vectors.tokens[i] = (uint16_t)tokens[i];
	return vectors;
}

static void free_vectors(struct vectors *vectors) {
	text_free(&vectors->file);
	free(vectors->tokens);
	cJSON_Delete(vectors->header);
}

/* `parameter` of make_vectors.py: multiples of 2^-15 from a hash, the same numbers on both sides. */
static void set_parameters(struct model *model, const struct vectors *vectors) {
	const struct tensor_table *table = model_tensors(model);
	for (int i = 0; i < table->count; i++) {
		const struct tensor *tensor = &table->rows[i];
		const char *kind = tensor->name; /* "blocks.0.mlp.in" is of kind "mlp.in" */
		if (strncmp(kind, "blocks.", 7) == 0) kind = strchr(kind + 7, '.') + 1;
		char key[64];
		snprintf(key, sizeof key, "scale.%s", kind);
		const double scale = metadata(vectors, key);
		for (int j = 0; j < tensor->rows * tensor->cols; j++) {
			uint32_t h = (uint32_t)j * 2654435761u + (uint32_t)i * 2246822519u + 374761393u;
			h = (h ^ h >> 15) * 2246822519u;
			h = (h ^ h >> 13) * 3266489917u;
			h ^= h >> 16;
			model_parameters(model)[tensor->offset + (size_t)j] = (real)(((double)(h >> 16) - 32768) / 32768 * scale);
		}
	}
}

/* Every element within 1e-4 of itself, down to a floor of 1e-5 of the largest (where cancellation in single precision
 * leaves no relative digits). Gives the worst difference relative to the largest: about 1e-6. */
static double check_close(const char *what, const real *values, const float *expected, size_t count) {
	double largest = 0, worst = 0;
	for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs((double)expected[i]));
	assert_true(largest > 0);
	for (size_t i = 0; i < count; i++) {
		const double difference = fabs((double)values[i] - (double)expected[i]);
		worst = fmax(worst, difference / largest);
		if (!(difference <= 1e-4 * fabs((double)expected[i]) + 1e-5 * largest))
			fail_msg(
			    "%s[%zu] is %.9g, PyTorch says %.9g; the largest there is %.3g", what, i, (double)values[i],
			    (double)expected[i], largest);
	}
	return worst;
}

struct test_case {
	char name[48], file[64];
	enum kernels kernels;
	int sequences; /* of a micro-batch */
};

static void agrees_with_pytorch(void **state) {
	const struct test_case *test = *state;
	struct vectors vectors = read_vectors(test->file);
	const int B = vectors.batch, T = vectors.shape.context, V = vectors.shape.vocab;
	struct model *model = open_model(vectors.shape, test->sequences, true, test->kernels);
	set_parameters(model, &vectors);

	double worst = 0;
	real *logits = array_new((size_t)T * (size_t)V, sizeof *logits);
	const float *expected = find(&vectors, "logits", "F32", (int[]){B, T, V});
	for (int b = 0; b < B; b++) {
		model_logits(model, vectors.tokens + (size_t)b * ((size_t)T + 1), logits);
		const double difference =
		    check_close("logits", logits, expected + (size_t)b * (size_t)T * (size_t)V, (size_t)T * (size_t)V);
		worst = fmax(worst, difference);
	}

	const double loss = model_loss(model, vectors.tokens, B, NULL);
	const double loss_with_gradient = model_gradient(model, vectors.tokens, B);
	assert_true(fabs(loss / vectors.loss - 1) < 1e-6);
	assert_true(fabs(loss_with_gradient / vectors.loss - 1) < 1e-6);

	const struct tensor_table *table = model_tensors(model);
	for (int i = 0; i < table->count; i++) {
		const struct tensor *tensor = &table->rows[i];
		char name[64];
		snprintf(name, sizeof name, "gradient.%s", tensor->name);
		const double difference = check_close(
		    name, model_gradients(model) + tensor->offset,
		    find(&vectors, name, "F32", (int[]){tensor->rows, tensor->cols, 0}),
		    (size_t)tensor->rows * (size_t)tensor->cols);
		worst = fmax(worst, difference);
	}
	print_message("# worst difference relative to the largest of its tensor: %.1e\n", worst);
	/* Nothing in the file was left out: tokens, logits and metadata beside the gradients. */
	assert_int_equal(cJSON_GetArraySize(vectors.header), table->count + 3);

	free(logits);
	model_close(model);
	free_vectors(&vectors);
}

int main(void) {
	static const char *const files[] = {"small", "wide", "faint"};
	static const int micro_batches[] = {1, 2, 3, 5};
	enum { CASES = COUNT_OF(files) * KERNELS_COUNT * COUNT_OF(micro_batches) };
	struct test_case cases[CASES];
	struct CMUnitTest tests[CASES] = {0}; /* those that stay empty, for other processors' kernels, are passed over */
	size_t count = 0;
	for (size_t f = 0; f < COUNT_OF(files); f++)
		for (int k = 0; k < KERNELS_COUNT; k++)
			for (size_t m = 0; m < COUNT_OF(micro_batches) && kernels_available((enum kernels)k); m++) {
				struct test_case *test = &cases[count];
				*test = (struct test_case){.kernels = (enum kernels)k, .sequences = micro_batches[m]};
				snprintf(test->file, sizeof test->file, "tests/data/reference-%s.safetensors", files[f]);
				snprintf(
				    test->name, sizeof test->name, "%s, %s kernels, %d at a time", files[f], kernels_names[k],
				    micro_batches[m]);
				tests[count++] =
				    (struct CMUnitTest){.name = test->name, .test_func = agrees_with_pytorch, .initial_state = test};
			}
	return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
