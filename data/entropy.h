/* entropy.h - how predictable a token is from the one before it, counted. */
#ifndef RUNG_DATA_ENTROPY_H
#define RUNG_DATA_ENTROPY_H

#include "base/base.h"

/* -sum p ln p of counts, in nats; NaN when all are 0. */
double entropy_of_counts(const uint64_t *counts, size_t size);

/* Counts pairs of neighbours. With a vocabulary up to 2048 in a full table; beyond that in a hash table of at most 2^24
 * slots (128 MiB). */
struct pair_counter;
MUST_CHECK struct error *pair_counter_open(int vocab, struct pair_counter **counter);
void pair_counter_close(struct pair_counter *counter); /* NULL is fine */
/* The pairs inside tokens[count]. *full: there may be no room for them, and they were not counted. */
MUST_CHECK struct error *pair_counter_add(
    struct pair_counter *counter, const uint16_t *tokens, size_t count, bool *full);
/* The plug-in estimate of the entropy of a token given the one before it, in nats; NaN without pairs. */
double pair_counter_entropy(const struct pair_counter *counter, uint64_t *pairs);

#endif
