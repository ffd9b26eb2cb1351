/* corpus_write.h - makes a corpus file from tokens. */
#ifndef RUNG_DATA_CORPUS_WRITE_H
#define RUNG_DATA_CORPUS_WRITE_H

#include "data/data.h"
#include "data/tokenizer.h"

struct corpus_writer;

/* Frames gather in a temporary file beside `path`, which itself appears only when all is well. `tokenizer` must outlive
 * the writer. */
MUST_CHECK struct error *corpus_writer_open(
    const char *path, const struct tokenizer *tokenizer, struct corpus_writer **writer);
void corpus_writer_close(struct corpus_writer *writer); /* NULL is fine */

/* The next tokens of a split, all below V; the splits may take turns. */
MUST_CHECK struct error *corpus_writer_add(
    struct corpus_writer *writer, enum split split, const uint16_t *tokens, size_t count);
uint64_t corpus_writer_tokens(const struct corpus_writer *writer, enum split split);

/* Writes the file. The caller has filled bytes, documents, source_hash, entropy_rate and description of `info`; the rest
 * is filled in here. Members of the object `more` go to the end of the header; it stays the caller's. */
MUST_CHECK struct error *corpus_writer_finish(struct corpus_writer *writer, struct corpus_info *info, cJSON *more);

#endif
