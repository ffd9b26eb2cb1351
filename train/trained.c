/* A trained model back from its file, and text from it. */
#include "train/state.h"

#include <stdlib.h>

struct error *train_model_open(const char *path, enum kernels kernels, struct model **out) {
	*out = NULL;
	struct safetensors file;
	TRY(safetensors_read(path, &file));
	struct shape shape;
	const struct {
		const char *key;
		int *to;
	} sizes[] = {
	    {"vocab", &shape.vocab}, {"context", &shape.context}, {"width", &shape.width}, {"depth", &shape.depth}};
	struct error *error = NULL;
	struct model *model = NULL;
	for (size_t i = 0; i < COUNT_OF(sizes) && !error; i++) {
		double value = 0;
		error = safetensors_number(&file, path, sizes[i].key, &value);
		*sizes[i].to = value >= 0 && value <= 1e6 ? (int)value : -1;
	}
	if (!error) error = error_within(shape_check(&shape), "%s", path);
	if (!error) error = model_open(&shape, 1, false, kernels, &model);
	const struct tensor_table *table = error ? NULL : model_tensors(model);
	for (int i = 0; table && i < table->count && !error; i++) {
		const struct tensor *tensor = &table->rows[i];
		error = safetensors_copy(
		    &file, path, tensor->name, tensor->rows, tensor->cols, model_parameters(model) + tensor->offset);
	}
	safetensors_free(&file);
	if (error)
		model_close(model);
	else
		*out = model;
	return error;
}

struct error *train_generate(
    const struct model *model, const struct corpus *corpus, const uint16_t *prompt, size_t prompt_count, int64_t tokens,
    double temperature, uint64_t seed, struct text *out) {
	struct generator *generator;
	TRY(generator_open(model, &generator));
	const int vocab = model_shape(model)->vocab;
	struct rng rng = rng_make(seed, "sample");
	const real *logits = NULL;
	uint16_t *written = array_new((size_t)tokens + 1, sizeof *written);
	struct error *error = written ? NULL : error_memory((size_t)tokens * sizeof *written);
	size_t count = 0;
	for (size_t i = 0; i < prompt_count; i++) logits = generator_step(generator, prompt[i]);
	for (; count < (size_t)tokens && logits && written && !interrupt_pending(); count++) {
		written[count] = (uint16_t)sample_token(logits, vocab, temperature, &rng);
		logits = generator_step(generator, written[count]);
	}
	if (!error) error = corpus_decode(corpus, written, count, out);
	free(written);
	generator_close(generator);
	return error ? error : text_error(out);
}
