/* source.h - synthetic sources of tokens whose entropy rate is known exactly. */
#ifndef RUNG_DATA_SOURCE_H
#define RUNG_DATA_SOURCE_H

#include "base/base.h"

struct source_options {
	int64_t vocab, order, tokens, held_out_tokens, seed;
	double zipf, spread;
};
extern const struct option_row source_rows[];
extern const size_t source_row_count;

/* Writes the corpus. */
MUST_CHECK struct error *source_write(const struct source_options *options, const char *out_path);

/* A Markov chain of some order over V symbols. The context of `order` symbols, read as a number to the base V with the
 * latest symbol last, is the state. In state s the symbol of rank r, symbols[s V + r], follows with probability
 * probability[class_of[s] V + r]. */
struct markov {
	size_t vocab, states; /* states = V^order */
	size_t classes;
	double *probability;     /* (classes, V), by rank */
	unsigned char *class_of; /* (states) */
	uint16_t *symbols;       /* (states, V) */
};

MUST_CHECK struct error *markov_open(const struct source_options *options, struct markov *markov);
void markov_close(struct markov *markov);

/* The stationary distribution, (states), to `stationary`; an error when it is not reached. All probabilities must be
 * positive: then there is exactly one. */
MUST_CHECK struct error *markov_stationary(const struct markov *markov, double *stationary);

/* H = -sum_s stationary(s) sum_r p(r|s) ln p(r|s), in nats per symbol. */
double markov_entropy_rate(const struct markov *markov, const double *stationary);

/* Draws symbols. */
struct markov_walk {
	const struct markov *markov;
	struct rng rng;
	size_t state;
	double *cumulative; /* (classes, V) */
};
MUST_CHECK struct error *markov_walk_open(
    const struct markov *markov, const double *stationary, struct rng rng, struct markov_walk *walk);
void markov_walk_close(struct markov_walk *walk);
void markov_walk_next(struct markov_walk *walk, uint16_t *tokens, size_t count);

#endif
