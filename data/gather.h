/* gather.h - the first step of an import: everything is read once, folded, cut into paragraphs and put in a spool, and a
 * list of what the documents consist of is kept. The split is decided after that, when the whole is known. */
#ifndef RUNG_DATA_GATHER_H
#define RUNG_DATA_GATHER_H

#include "data/documents.h"
#include "data/fold.h"
#include "data/spool.h"

/* Atoms are whole paragraphs with this many bytes or more together (the last of a document may have less): the smallest
 * pieces into which a long document can be cut. */
#define ATOM_BYTES 1024

/* A record in the list of atoms. */
struct atom {
	uint64_t hash; /* XXH64 of its bytes */
	uint32_t bytes;
	uint32_t origin_last; /* origin * 2, and 1 for the last atom of a document */
};

/* A file that text came from. */
struct origin {
	char *path;
	char format[32];
	uint64_t documents;
	uint64_t tokens[2]; /* of the splits, filled in by the import */
};

struct gathered {
	struct spool *text; /* every paragraph: 2 bytes of length (native order), then its bytes */
	FILE *atoms;
	uint64_t bytes; /* of text, folded */
	uint64_t documents, empty_documents;
	struct origin *origins;
	size_t origin_count, origin_capacity;
	struct fold fold; /* its counts */
	struct documents_report report;
};

struct gather_progress {
	void *context;
	void (*show)(void *context, const char *stage, double done, double total); /* may be NULL; total 0: not known */
};

/* `fold`: to the characters of the `char` tokenizer. */
MUST_CHECK struct error *gather(
    const char *const *paths, int count, const struct documents_options *options, bool fold, const char *beside,
    const struct gather_progress *progress, struct gathered *gathered);
void gathered_free(struct gathered *gathered);

#endif
