/* fold.h - Unicode text to the 96 characters of the `char` tokenizer: newline and the 95 printable ones of ASCII. */
#ifndef RUNG_DATA_FOLD_H
#define RUNG_DATA_FOLD_H

#include "base/base.h"

/* UTF-8 comes in pieces of any size, so a character may be cut in two. Start from {0}. */
struct fold {
	unsigned char pending[4]; /* the beginning of a character whose rest is still to come */
	size_t pending_count;
	bool after_return;    /* the last character was CR: an LF right after it is the same line end */
	uint64_t approximate; /* characters that were replaced by ASCII ones */
	uint64_t dropped;     /* characters without a counterpart in ASCII */
	uint64_t not_utf8;    /* bytes that are no UTF-8; they were taken for Windows-1252 */
};

/* No character becomes longer than this many times its bytes, and 3 bytes may wait from the piece before. */
#define FOLD_ROOM(count) (4 * ((count) + 4))

/* Folds `count` bytes to `out`, which has FOLD_ROOM(count) bytes; returns how many were written.
 * CR LF and CR become a newline, tabs and exotic spaces a space, quotes, dashes, ligatures, accented Latin letters and
 * common signs their plain forms, invisible marks nothing. What has no such form is dropped and counted. */
size_t fold_bytes(struct fold *fold, const void *bytes, size_t count, char *out);

/* The end of a document: what is still pending. `out` has FOLD_ROOM(0) bytes. */
size_t fold_end(struct fold *fold, char *out);

#define FOLD_LONGEST 8
/* The ASCII form of a character from U+0080 on: its length, 0 for invisible marks, -1 when there is none. */
int fold_character(uint32_t code, char out[FOLD_LONGEST]);

#endif
