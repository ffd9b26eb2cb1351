/* bpe.h - byte-pair encoding over bytes: 256 base tokens and a list of merges. Lossless on any bytes.
 *
 * Text is first cut into pieces that no token crosses (bpe_piece), then in each piece the pair of neighbours that was
 * merged first in training is replaced by its token, until no known pair is left (Sennrich et al. 2016; over bytes as in
 * Radford et al. 2019). */
#ifndef RUNG_DATA_BPE_H
#define RUNG_DATA_BPE_H

#include "base/base.h"

#define BPE_BASE 256
#define BPE_PIECE_MOST 64 /* bytes of a piece, and so of a token */

/* The length of the piece at the beginning of `bytes` (count >= 1):
 *     newlines: as many as there are;
 *     white space: as much as there is before a newline or the end, but the last space goes to the word after it;
 *     otherwise a space, if there is one, and a run of one kind: letters (A-Z, a-z, all bytes from 0x80, and apostrophes
 *     between letters), digits, or anything else;
 * at most BPE_PIECE_MOST bytes. */
size_t bpe_piece(const char *bytes, size_t count);

struct bpe; /* merges, and the tables made from them */

struct bpe_merge {
	uint16_t left, right;
};

/* Token 256 + i stands for left and right of merges[i], which are below 256 + i. An error says which merge is wrong. */
MUST_CHECK struct error *bpe_open(const struct bpe_merge *merges, size_t count, const char *path, struct bpe **bpe);
void bpe_close(struct bpe *bpe); /* NULL is fine */
const struct bpe_merge *bpe_merges(const struct bpe *bpe, size_t *count);

size_t bpe_encode(struct bpe *bpe, const char *bytes, size_t count, uint16_t *tokens);
void bpe_decode(const struct bpe *bpe, const uint16_t *tokens, size_t count, struct text *out);

/* ---------------------------------------------------------------------------------------- training (bpe_train.c) --- */

/* Counts pieces of text, then finds the merges. The pair that stands most often is merged first; among equals the one
 * with the smaller left token, then the smaller right one. */
struct bpe_trainer;
MUST_CHECK struct error *bpe_trainer_open(struct bpe_trainer **trainer);
void bpe_trainer_close(struct bpe_trainer *trainer); /* NULL is fine */
MUST_CHECK struct error *bpe_trainer_text(struct bpe_trainer *trainer, const char *bytes, size_t count);
/* `count` merges, for merges[count]; fewer when no pair stands twice any more (*found). Uses the trainer up. */
MUST_CHECK struct error *bpe_trainer_merges(
    struct bpe_trainer *trainer, size_t count, struct bpe_merge *merges, size_t *found);

#endif
