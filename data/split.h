/* split.h - decides which text is held out, and hands out the text of a split without repeats.
 *
 * The unit of the split is a document. Only when a document is so long that it alone would fill more than a quarter of the
 * held-out split is it cut, at paragraph ends, into about equal pieces that are then units by themselves. Units are put in
 * the order of a seeded hash of their content, and the first ones, up to the wanted part of all bytes, are held out: this
 * depends neither on names nor on the order of the files, and both splits get something whenever there are two units. */
#ifndef RUNG_DATA_SPLIT_H
#define RUNG_DATA_SPLIT_H

#include "data/data.h"
#include "data/gather.h"
#include "data/hash_set.h"

struct unit {
	uint64_t hash; /* of its content and the seed */
	uint64_t bytes;
	uint32_t origin;
	bool first; /* of its document */
};

struct splitter {
	struct gathered *gathered;
	const char *beside;
	FILE *units;
	uint64_t unit_count;
	uint64_t threshold;   /* units with a smaller hash are held out */
	uint64_t piece_bytes; /* longer documents are cut */
	uint64_t cut_documents;
	struct hash_set held_out, train; /* keys of paragraphs and units seen */
};

/* What a pass over a split has left out. "Repeats" repeat something earlier in the same split. */
struct split_counts {
	uint64_t bytes, documents;                    /* that remain */
	uint64_t repeated_units, repeated_paragraphs; /* paragraphs besides those of the units */
	uint64_t leaked_paragraphs;                   /* of train that stand in held-out too */
	uint64_t dropped_bytes;                       /* of all of these */
	bool set_full;                                /* repeats of later paragraphs went unnoticed */
};

MUST_CHECK struct error *splitter_open(
    struct gathered *gathered, double held_out, uint64_t seed, const char *beside, struct splitter *splitter);
void splitter_close(struct splitter *splitter);

/* Takes in the paragraphs that remain, one at a time, so that every unit ends with a blank line. */
typedef struct error *split_sink(void *context, const struct unit *unit, const char *bytes, size_t count);

/* Hands out the text of one split, in the order it was read. Held-out must have been passed once before train, which
 * loses what stands in held-out. Passes can be repeated. */
MUST_CHECK struct error *split_pass(
    struct splitter *splitter, enum split split, split_sink *sink, void *context,
    const struct gather_progress *progress, const char *stage, struct split_counts *counts);

#endif
