/* source.c - synthetic sources of tokens whose entropy rate is known exactly: Markov chains with Zipf-like rows. */
#include "data/source.h"

#include "data/corpus_write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of one exponent share their probabilities; with a spread there are this many exponents. */
#define SPREAD_CLASSES 16
#define TRANSITIONS_MOST ((size_t)1 << 24) /* V^(order + 1): 32 MiB of symbols, a tenth of a second a power step */
#define POWER_STEPS 100000
#define POWER_TOLERANCE 1e-13 /* sum of the changes of the distribution in a step */

#define FIELD(name) offsetof(struct source_options, name)
const struct option_row source_rows[] = {
    {"vocab", OPTION_COUNT, FIELD(vocab), "64", 2, 4096, "number of symbols", "V"},
    {"order", OPTION_COUNT, FIELD(order), "1", 1, 23, "how many symbols the next one depends on", "K"},
    {"tokens", OPTION_COUNT, FIELD(tokens), "3M", 1, 1e12, "length of the train split", "N"},
    {"held-out-tokens", OPTION_COUNT, FIELD(held_out_tokens), "200K", 1, 1e12, "length of the held-out split", "N"},
    {"zipf", OPTION_REAL, FIELD(zipf), "1.0", 0, 4,
     "after each context the symbol of rank r has a probability proportional to r^-X; which symbol has which rank is "
     "drawn anew for every context",
     "X"},
    {"spread", OPTION_REAL, FIELD(spread), "0", 0, 1,
     "contexts differ: their exponents lie evenly between X (1 - S) and X (1 + S)", "S"},
    {"seed", OPTION_COUNT, FIELD(seed), "1", 0, 0x1p53, "of the chain and of what is drawn from it", "N"},
};
const size_t source_row_count = COUNT_OF(source_rows);

/* ------------------------------------------------------------------------------------------------------ the chain --- */

static struct error *count_states(const struct source_options *options, size_t *states) {
	double transitions = pow((double)options->vocab, (double)options->order + 1);
	if (transitions > (double)TRANSITIONS_MOST)
		return error_new(
		    ERROR_USAGE,
		    "a chain of order %lld over %lld symbols has %.3g transitions (vocab^(order + 1)), more than the %zu "
		    "whose entropy can be computed exactly; take a smaller --vocab or --order",
		    (long long)options->order, (long long)options->vocab, transitions, TRANSITIONS_MOST);
	*states = 1;
	for (int64_t i = 0; i < options->order; i++) *states *= (size_t)options->vocab;
	return NULL;
}

static void fill_probabilities(const struct source_options *options, struct markov *markov) {
	for (size_t c = 0; c < markov->classes; c++) {
		double *row = markov->probability + c * markov->vocab, sum = 0;
		double place = markov->classes > 1 ? 2 * (double)c / (double)(markov->classes - 1) - 1 : 0; /* -1 to 1 */
		double exponent = options->zipf * (1 + options->spread * place);
		for (size_t r = markov->vocab; r-- > 0;) sum += row[r] = pow((double)(r + 1), -exponent); /* small ones first */
		for (size_t r = 0; r < markov->vocab; r++) row[r] /= sum;
	}
}

struct error *markov_open(const struct source_options *options, struct markov *markov) {
	*markov = (struct markov){.vocab = (size_t)options->vocab};
	TRY(count_states(options, &markov->states));
	markov->classes = options->spread > 0 ? SPREAD_CLASSES : 1;
	markov->probability = array_new(markov->classes * markov->vocab, sizeof *markov->probability);
	markov->class_of = array_new(markov->states, sizeof *markov->class_of);
	markov->symbols = array_new(markov->states * markov->vocab, sizeof *markov->symbols);
	if (!markov->probability || !markov->class_of || !markov->symbols) {
		size_t bytes = markov->states * markov->vocab * sizeof *markov->symbols;
		markov_close(markov);
		return error_memory(bytes);
	}
	fill_probabilities(options, markov);
	struct rng rng = rng_make((uint64_t)options->seed, "markov.chain");
	for (size_t s = 0; s < markov->states; s++) {
		uint16_t *symbols = markov->symbols + s * markov->vocab;
		markov->class_of[s] = (unsigned char)rng_below(&rng, markov->classes);
		for (size_t r = 0; r < markov->vocab; r++) { /* Fisher and Yates, inside out */
			size_t other = rng_below(&rng, r + 1);
			symbols[r] = symbols[other];
			symbols[other] = (uint16_t)r;
		}
	}
	return NULL;
}

void markov_close(struct markov *markov) {
	free(markov->probability);
	free(markov->class_of);
	free(markov->symbols);
	*markov = (struct markov){0};
}

static size_t next_state(const struct markov *markov, size_t state, uint16_t symbol) {
	return (state * markov->vocab + symbol) % markov->states;
}

/* Power iteration from the uniform distribution. */
struct error *markov_stationary(const struct markov *markov, double *stationary) {
	size_t states = markov->states, vocab = markov->vocab;
	double *next = array_new(states, sizeof *next);
	if (!next) return error_memory(states * sizeof *next);
	struct error *error = NULL;
	double change = INFINITY;
	for (size_t s = 0; s < states; s++) stationary[s] = 1 / (double)states;
	for (int step = 0; step < POWER_STEPS && change > POWER_TOLERANCE && !error; step++) {
		memset(next, 0, states * sizeof *next);
		for (size_t s = 0; s < states; s++) {
			const double *row = markov->probability + markov->class_of[s] * vocab;
			const uint16_t *symbols = markov->symbols + s * vocab;
			for (size_t r = 0; r < vocab; r++) next[next_state(markov, s, symbols[r])] += stationary[s] * row[r];
		}
		double sum = 0;
		change = 0;
		for (size_t s = 0; s < states; s++) sum += next[s];
		for (size_t s = 0; s < states; s++) {
			next[s] /= sum; /* keeps rounding from adding up */
			change += fabs(next[s] - stationary[s]);
			stationary[s] = next[s];
		}
		if (interrupt_pending()) error = error_new(ERROR_INTERRUPTED, "interrupted; nothing has been written");
	}
	free(next);
	if (!error && change > POWER_TOLERANCE)
		error = error_new(
		    ERROR_USAGE,
		    "the chain does not settle: its distribution still changes by %.1e after %d steps; take a smaller "
		    "--zipf, so that every symbol has its chance",
		    change, POWER_STEPS);
	return error;
}

double markov_entropy_rate(const struct markov *markov, const double *stationary) {
	double rate = 0;
	for (size_t c = 0; c < markov->classes; c++) {
		const double *row = markov->probability + c * markov->vocab;
		double mass = 0, entropy = 0;
		for (size_t s = 0; s < markov->states; s++)
			if (markov->class_of[s] == c) mass += stationary[s];
		for (size_t r = 0; r < markov->vocab; r++)
			if (row[r] > 0) entropy -= row[r] * log(row[r]);
		rate += mass * entropy;
	}
	return rate;
}

/* ------------------------------------------------------------------------------------------------------- sampling --- */

/* The first index whose cumulative probability exceeds `u`. */
static size_t find_cumulative(const double *cumulative, size_t count, double u) {
	size_t low = 0, high = count - 1;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (cumulative[middle] > u)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

struct error *markov_walk_open(
    const struct markov *markov, const double *stationary, struct rng rng, struct markov_walk *walk) {
	*walk = (struct markov_walk){.markov = markov, .rng = rng};
	walk->cumulative = array_new(markov->classes * markov->vocab, sizeof *walk->cumulative);
	if (!walk->cumulative) return error_memory(markov->classes * markov->vocab * sizeof *walk->cumulative);
	for (size_t c = 0; c < markov->classes; c++) {
		double sum = 0;
		for (size_t r = c * markov->vocab; r < (c + 1) * markov->vocab; r++)
			walk->cumulative[r] = sum += markov->probability[r];
	}
	/* The walk begins where an endless one would be found. */
	double u = rng_uniform(&walk->rng), sum = 0;
	for (size_t s = 0; s < markov->states && sum <= u; s++) {
		sum += stationary[s];
		walk->state = s;
	}
	return NULL;
}

void markov_walk_close(struct markov_walk *walk) {
	free(walk->cumulative);
	*walk = (struct markov_walk){0};
}

void markov_walk_next(struct markov_walk *walk, uint16_t *tokens, size_t count) {
	const struct markov *markov = walk->markov;
	for (size_t i = 0; i < count; i++) {
		const double *cumulative = walk->cumulative + markov->class_of[walk->state] * markov->vocab;
		size_t rank = find_cumulative(cumulative, markov->vocab, rng_uniform(&walk->rng));
		tokens[i] = markov->symbols[walk->state * markov->vocab + rank];
		walk->state = next_state(markov, walk->state, tokens[i]);
	}
}

/* -------------------------------------------------------------------------------------------------------- corpora --- */

static struct error *write_split(
    struct corpus_writer *writer, enum split split, struct markov_walk *walk, uint64_t count) {
	uint16_t tokens[4096];
	while (count > 0) {
		size_t part = count < COUNT_OF(tokens) ? (size_t)count : COUNT_OF(tokens);
		markov_walk_next(walk, tokens, part);
		TRY(corpus_writer_add(writer, split, tokens, part));
		count -= part;
		if (interrupt_pending()) return error_new(ERROR_INTERRUPTED, "interrupted; nothing has been written");
	}
	return NULL;
}

static struct error *write_chain(
    const struct source_options *options, const struct markov *markov, const double *stationary, const char *out_path) {
	static const char *const streams[SPLIT_COUNT] = {"markov.train", "markov.held_out"};
	const uint64_t counts[SPLIT_COUNT] = {(uint64_t)options->tokens, (uint64_t)options->held_out_tokens};
	const struct tokenizer tokenizer = {.kind = TOKENIZER_SYMBOLS, .vocab = (int)options->vocab};
	struct corpus_writer *writer;
	TRY(corpus_writer_open(out_path, &tokenizer, &writer));
	struct error *error = NULL;
	for (int split = 0; split < SPLIT_COUNT && !error; split++) {
		struct markov_walk walk;
		error = markov_walk_open(markov, stationary, rng_make((uint64_t)options->seed, streams[split]), &walk);
		if (!error) error = write_split(writer, (enum split)split, &walk, counts[split]);
		markov_walk_close(&walk);
	}
	struct corpus_info info = {.documents = {1, 1}, .entropy_rate = markov_entropy_rate(markov, stationary)};
	snprintf(
	    info.description, sizeof info.description,
	    "Markov chain of order %lld over %lld symbols, Zipf exponent %g%s, seed %lld: %.6f nats per token",
	    (long long)options->order, (long long)options->vocab, options->zipf, options->spread > 0 ? " spread" : "",
	    (long long)options->seed, info.entropy_rate);
	cJSON *more = cJSON_CreateObject(), *source = more ? cJSON_AddObjectToObject(more, "source") : NULL;
	if (!error && (!source || !cJSON_AddStringToObject(source, "source", "markov"))) error = error_memory(0);
	if (!error) error = options_to_json(source_rows, source_row_count, options, source);
	if (!error) error = corpus_writer_finish(writer, &info, more);
	cJSON_Delete(more);
	corpus_writer_close(writer);
	return error;
}

struct error *source_write(const struct source_options *options, const char *out_path) {
	struct markov markov;
	TRY(markov_open(options, &markov));
	double *stationary = array_new(markov.states, sizeof *stationary);
	struct error *error = stationary ? NULL : error_memory(markov.states * sizeof *stationary);
	if (!error) error = markov_stationary(&markov, stationary);
	if (!error) error = write_chain(options, &markov, stationary, out_path);
	free(stationary);
	markov_close(&markov);
	return error;
}

struct error *source_build(const cJSON *spec, const char *path, const char *out_path) {
	const char *name;
	struct source_options options;
	if (!cJSON_IsObject(spec))
		return error_new(ERROR_DATA, "%s: a source must be an object such as {\"source\": \"markov\"}", path);
	TRY(json_get_text(spec, "source", path, &name));
	if (strcmp(name, "markov") != 0)
		return error_new(ERROR_DATA, "%s: unknown \"source\" '%.100s'; known is markov", path, name);
	TRY(options_defaults(source_rows, source_row_count, &options));
	cJSON *rest = cJSON_Duplicate(spec, true);
	if (!rest) return error_memory(0);
	cJSON_DeleteItemFromObjectCaseSensitive(rest, "source");
	struct error *error = options_from_json(source_rows, source_row_count, &options, rest, path);
	cJSON_Delete(rest);
	TRY(error);
	error = error_within(source_write(&options, out_path), "%s", path);
	if (error && error->kind == ERROR_USAGE) error->kind = ERROR_DATA; /* the spec stands in a file */
	return error;
}
