/* import.h - text to a corpus file. */
#ifndef RUNG_DATA_IMPORT_H
#define RUNG_DATA_IMPORT_H

#include "data/data.h"
#include "data/gather.h"
#include "data/split.h"

struct import_options {
	const char *out, *tokenizer, *field;
	double held_out;
	int64_t seed;
	bool jsonl, quiet;
};
extern const struct option_row import_rows[];
extern const size_t import_row_count;

/* What was done, for people. */
struct import_report {
	struct corpus_info info;
	struct documents_report input;
	uint64_t text_bytes, documents, empty_documents;
	uint64_t cut_documents, piece_bytes;
	struct split_counts counts[SPLIT_COUNT];
	struct fold fold;          /* its counts; zero for other tokenizers than char */
	uint64_t bpe_sample_bytes; /* of train, from which the merges were learned */
};

MUST_CHECK struct error *import_text(
    const struct import_options *options, const char *const *paths, int count, const struct gather_progress *progress,
    struct import_report *report);

#endif
