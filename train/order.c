/* Which sequences a step sees, and the held-out ones of an evaluation. */
#include "train/state.h"

#include <math.h>
#include <stdlib.h>

struct error *train_batch(const struct train_config *config, struct corpus *corpus, int64_t step, uint16_t *tokens) {
	const uint64_t T = (uint64_t)config->context, B = (uint64_t)config->batch;
	const uint64_t windows = train_windows(corpus_info(corpus), SPLIT_TRAIN, config->context);
	for (uint64_t b = 0; b < B; b++) {
		const uint64_t sequence = (uint64_t)step * B + b;
		struct rng rng = rng_make((uint64_t)config->seed, "order");
		const uint64_t key = hash_bytes(&(uint64_t){sequence / windows}, sizeof(uint64_t), rng_next(&rng));
		const uint64_t window = permuted_index(key, windows, sequence % windows);
		TRY(corpus_read(corpus, SPLIT_TRAIN, window * T, (size_t)T + 1, tokens + b * (T + 1)));
	}
	return NULL;
}

struct error *evaluate(
    struct model *model, struct corpus *corpus, int64_t eval_tokens, double *loss, double *loss_error) {
	enum { AT_ONCE = 8 };
	const int64_t T = model_shape(model)->context;
	const uint64_t windows = train_windows(corpus_info(corpus), SPLIT_HELD_OUT, T);
	uint64_t wanted = ((uint64_t)eval_tokens + (uint64_t)T - 1) / (uint64_t)T;
	if (wanted > windows) wanted = windows;
	if (wanted == 0)
		return error_new(ERROR_DATA, "the corpus's held-out split is shorter than one sequence of %lld", (long long)T);

	uint16_t *tokens = array_new(AT_ONCE * (size_t)(T + 1), sizeof *tokens);
	if (!tokens) return error_memory(AT_ONCE * (size_t)(T + 1) * sizeof *tokens);
	struct error *error = NULL;
	double sum = 0, squares = 0;
	for (uint64_t first = 0; first < wanted && !error; first += AT_ONCE) {
		const int count = (int)(wanted - first < AT_ONCE ? wanted - first : AT_ONCE);
		double sequence_loss[AT_ONCE];
		for (int i = 0; i < count && !error; i++) {
			/* Spread evenly: window floor(j windows / wanted). */
			const uint64_t window = (uint64_t)((unsigned __int128)(first + (uint64_t)i) * windows / wanted);
			error = corpus_read(
			    corpus, SPLIT_HELD_OUT, window * (uint64_t)T, (size_t)T + 1, tokens + (size_t)i * (size_t)(T + 1));
		}
		if (error) break;
		model_loss(model, tokens, count, sequence_loss);
		for (int i = 0; i < count; i++) {
			sum += sequence_loss[i];
			squares += sequence_loss[i] * sequence_loss[i];
		}
	}
	free(tokens);
	if (error) return error;
	const double n = (double)wanted, mean = sum / n;
	*loss = mean;
	*loss_error = wanted > 1 ? sqrt(fmax(0, (squares - n * mean * mean) / (n - 1)) / n) : NAN;
	return NULL;
}
