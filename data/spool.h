/* spool.h - temporary files beside the output. They lose their name at birth, so nothing stays behind however the
 * program ends. */
#ifndef RUNG_DATA_SPOOL_H
#define RUNG_DATA_SPOOL_H

#include "base/base.h"

/* An empty nameless file on the disk of `beside`, for reading and writing. fclose() gives its room back. */
MUST_CHECK struct error *temporary_open(const char *beside, FILE **file);
MUST_CHECK struct error *temporary_write(FILE *file, const char *beside, const void *bytes, size_t count);
/* Exactly `count` bytes. */
MUST_CHECK struct error *temporary_read(FILE *file, const char *beside, void *bytes, size_t count);

/* A long string of bytes that is written once and then read, from the start, any number of times. Lightly compressed. */
struct spool;
MUST_CHECK struct error *spool_open(const char *beside, struct spool **spool);
void spool_close(struct spool *spool); /* NULL is fine */
MUST_CHECK struct error *spool_put(struct spool *spool, const void *bytes, size_t count);
/* Back to the first byte, for reading; writing is over. */
MUST_CHECK struct error *spool_rewind(struct spool *spool);
/* The next `count` bytes. It is an error to ask for more than were put in. */
MUST_CHECK struct error *spool_get(struct spool *spool, void *bytes, size_t count);

#endif
