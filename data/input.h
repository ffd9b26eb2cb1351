/* input.h - the bytes of one file or of standard input, decompressed on the way when they begin like zstd or gzip. */
#ifndef RUNG_DATA_INPUT_H
#define RUNG_DATA_INPUT_H

#include "base/base.h"

struct input;

/* `path` "-" is standard input. */
MUST_CHECK struct error *input_open(const char *path, struct input **input);
void input_close(struct input *input); /* NULL is fine */

/* Up to `room` (at least 1) decompressed bytes; *count 0 is the end. Truncated or damaged compression is ERROR_DATA with the
 * place in the file. */
MUST_CHECK struct error *input_read(struct input *input, void *bytes, size_t room, size_t *count);

bool input_is(const struct input *input, const char *path); /* the same file, by whatever name */
const char *input_name(const struct input *input);          /* for messages */
const char *input_packing(const struct input *input);       /* "plain", "zstd" or "gzip" */
uint64_t input_raw_bytes(const struct input *input);        /* read from the file so far, before decompression */

/* What to do with a file that begins like another format that cannot be read here, for the end of a message such as
 * "F: is an xz file: decompress it first: ..."; NULL when it does not. */
const char *input_foreign(const struct input *input);

#endif
