/* The recipe of a run: its table, its checks, its id, and the run as steps. */
#include "train/state.h"

#include <math.h>
#include <stdlib.h>

#define FIELD(field) offsetof(struct train_config, field)

const struct option_row train_config_rows[] = {
    {"width", OPTION_COUNT, FIELD(width), "64", 16, 8192, "width d of the model, a multiple of 16", "d"},
    {"depth", OPTION_COUNT, FIELD(depth), "4", 1, 256, "depth L: blocks", "L"},
    {"context", OPTION_COUNT, FIELD(context), "256", 1, 65536, "context T: tokens of a sequence", "T"},
    {"tokens", OPTION_COUNT, FIELD(tokens), "1M", 1, 1e15, "horizon D: tokens to train on", "D"},
    {"batch", OPTION_COUNT, FIELD(batch), "2", 1, 65536, "sequences a step", "B"},
    {"rate", OPTION_REAL, FIELD(rate), "4e-3", 1e-9, 10,
     "peak learning rate of hidden matrices and head at width 64 and 4096 tokens a step; it scales with 64/d and with "
     "the batch",
     "x"},
    {"embed-rate", OPTION_REAL, FIELD(embed_rate), "10", 0, 1e4,
     "peak rate of the embedding, as a multiple of the rate; it does not scale with the width", "x"},
    {"batch-power", OPTION_REAL, FIELD(batch_power), "0.5", 0, 1,
     "rates scale with (tokens a step / 4096) to this power", "p"},
    {"beta1", OPTION_REAL, FIELD(beta1), "0.9", 0, 0.9999, "Adam's first moment", "x"},
    {"beta2-tokens", OPTION_REAL, FIELD(beta2_tokens), "500K", 1, 1e15,
     "half-life of Adam's second moment, in tokens, so that batches of all sizes remember equally long", "n"},
    {"epsilon", OPTION_REAL, FIELD(epsilon), "1e-12", 0, 1, "Adam's epsilon", "x"},
    {"clip", OPTION_REAL, FIELD(clip), "1", 0, 1e9, "largest norm of the gradient; 0 does not clip", "x"},
    {"decay-tokens", OPTION_REAL, FIELD(decay_tokens), "0", 0, 1e15,
     "decoupled weight decay: tokens in which a matrix at the peak rate would shrink by 1/e; 0 does not decay", "n"},
    {"warmup-tokens", OPTION_REAL, FIELD(warmup_tokens), "50K", 0, 1e15, "length of the linear warm-up", "n"},
    {"cooldown", OPTION_REAL, FIELD(cooldown), "0.2", 0, 1,
     "last part of the run, in which the rate falls as 1 - sqrt(progress) to zero", "x"},
    {"eval-tokens", OPTION_COUNT, FIELD(eval_tokens), "128K", 1, 1e12,
     "held-out tokens of the final evaluation, spread evenly over the split", "n"},
    {"curve-tokens", OPTION_COUNT, FIELD(curve_tokens), "16K", 1, 1e12,
     "held-out tokens of each evaluation along the learning curve", "n"},
    {"epochs", OPTION_COUNT, FIELD(epochs), "1", 1, 1e6, "passes over the train split that are allowed", "n"},
    {"seed", OPTION_COUNT, FIELD(seed), "1", 0, 1e15, "of initialisation and order of the data", "n"},
};
const size_t train_config_row_count = COUNT_OF(train_config_rows);

struct shape train_shape(const struct train_config *config, const struct corpus_info *corpus) {
	return (struct shape){corpus->vocab, (int)config->context, (int)config->width, (int)config->depth};
}

uint64_t train_windows(const struct corpus_info *corpus, enum split split, int64_t context) {
	const uint64_t tokens = corpus->tokens[split];
	return tokens <= (uint64_t)context ? 0 : (tokens - 1) / (uint64_t)context;
}

struct error *train_config_check(const struct train_config *config, const struct corpus_info *corpus) {
	const struct shape shape = train_shape(config, corpus);
	TRY(shape_check(&shape));
	static const char *const split_names[SPLIT_COUNT] = {"train", "held-out"};
	for (int split = 0; split < SPLIT_COUNT; split++)
		if (train_windows(corpus, (enum split)split, config->context) == 0)
			return error_new(
			    ERROR_DATA, "the corpus's %s split has %llu tokens, too few for one sequence of %lld and its target",
			    split_names[split], (unsigned long long)corpus->tokens[split], (long long)config->context);

	const struct train_steps steps = train_steps(config);
	const int64_t wanted = steps.total * steps.tokens_per_step;
	const double there = (double)train_windows(corpus, SPLIT_TRAIN, config->context) * (double)config->context;
	if ((double)wanted > there * (double)config->epochs)
		return error_new(
		    ERROR_USAGE,
		    "%lld tokens are asked for, but the train split has %.0f in whole sequences and %lld epoch%s allowed; take "
		    "fewer tokens, more text, or --epochs %.0f",
		    (long long)wanted, there, (long long)config->epochs, config->epochs == 1 ? " is" : "s are",
		    ceil((double)wanted / there));
	return NULL;
}

struct train_steps train_steps(const struct train_config *config) {
	struct train_steps steps = {.tokens_per_step = config->batch * config->context};
	const double per_step = (double)steps.tokens_per_step;
	steps.total = (int64_t)llround((double)config->tokens / per_step);
	if (steps.total < 1) steps.total = 1;
	steps.warmup = (int64_t)llround(config->warmup_tokens / per_step);
	steps.cooldown_start = steps.total - (int64_t)llround(config->cooldown * (double)steps.total);
	return steps;
}

int train_micro_batch(const struct train_config *config) {
	/* Positions: enough for the matrix products, few enough that activations stay in the second-level cache. */
	enum { POSITIONS = 256 };
	const int64_t sequences = POSITIONS / config->context < 1 ? 1 : POSITIONS / config->context;
	return (int)(sequences < config->batch ? sequences : config->batch);
}

double train_schedule(const struct train_steps *steps, int64_t step) {
	/* A run shorter than its warm-up goes on warming up while it cools down. */
	const double ramp = step < steps->warmup ? (double)(step + 1) / (double)steps->warmup : 1;
	if (step < steps->cooldown_start) return ramp;
	const double length = (double)(steps->total - steps->cooldown_start);
	return ramp * (1 - sqrt((double)(step - steps->cooldown_start) / length));
}

/* XXH64 of the config's JSON, without spaces and in the table's order, and of the corpus's hash. */
static struct error *config_hash(
    const struct train_config *config, const struct corpus_info *corpus, const char *kind, uint64_t *hash) {
	cJSON *object = cJSON_CreateObject();
	if (!object) return error_memory(64);
	struct error *error = options_to_json(train_config_rows, train_config_row_count, config, object);
	char *canonical = error ? NULL : cJSON_PrintUnformatted(object);
	cJSON_Delete(object);
	if (error) return error;
	if (!canonical) return error_memory(1024);
	struct text text = {0};
	char corpus_hex[HASH_HEX_SIZE];
	text_add(&text, "%s %s %s", kind, hash_hex(corpus->hash, corpus_hex), canonical);
	free(canonical);
	error = text_error(&text);
	if (!error) *hash = hash_bytes(text.data, text.length, 0);
	text_free(&text);
	return error;
}

struct error *train_id(
    const struct train_config *config, const struct corpus_info *corpus, bool trunk, char id[HASH_HEX_SIZE]) {
	uint64_t hash = 0;
	TRY(config_hash(config, corpus, trunk ? "trunk" : "run", &hash));
	hash_hex(hash, id);
	return NULL;
}

struct error *train_recipe(
    const struct train_config *config, const struct corpus_info *corpus, char recipe[HASH_HEX_SIZE]) {
	/* What happens before the cooldown depends on neither the horizon nor the evaluations. */
	struct train_config trunk = *config;
	trunk.tokens = trunk.eval_tokens = trunk.curve_tokens = trunk.epochs = 1;
	trunk.cooldown = 0;
	uint64_t hash = 0;
	TRY(config_hash(&trunk, corpus, "recipe", &hash));
	hash_hex(hash, recipe);
	return NULL;
}
