/* tokenizer.h - bytes to tokens and back, and the table of it in a corpus header. */
#ifndef RUNG_DATA_TOKENIZER_H
#define RUNG_DATA_TOKENIZER_H

#include "base/base.h"

enum tokenizer_kind { TOKENIZER_CHAR, TOKENIZER_BYTE, TOKENIZER_BPE, TOKENIZER_SYMBOLS };

/* Newline is token 0, then the printable characters in the order of their codes. */
#define CHAR_ALPHABET                                                                                                  \
	"\n !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
#define CHAR_VOCAB 96
#define BYTE_VOCAB 256
#define VOCAB_MOST 65536

struct bpe;

struct tokenizer {
	enum tokenizer_kind kind;
	int vocab;
	struct bpe *bpe; /* of TOKENIZER_BPE */
};

const char *tokenizer_name(
    const struct tokenizer *tokenizer);            /* as the header has it: "char", "byte", "bpe", "symbols" */
void tokenizer_close(struct tokenizer *tokenizer); /* zeroes it */

/* Members "tokenizer", "vocab" and the table ("alphabet" or "merges"), to and from a corpus header. */
MUST_CHECK struct error *tokenizer_to_json(const struct tokenizer *tokenizer, cJSON *header);
MUST_CHECK struct error *tokenizer_from_json(const cJSON *header, const char *path, struct tokenizer *tokenizer);

/* XXH64 of the name, then V and the merges as 4-byte little-endian numbers. */
uint64_t tokenizer_hash(const struct tokenizer *tokenizer);

/* `count` bytes as at most `count` tokens; returns how many. For TOKENIZER_CHAR the text must be folded already (other
 * bytes are left out); for TOKENIZER_BPE cutting a text before a line's first character changes nothing; not for
 * TOKENIZER_SYMBOLS. Keeps a cache: not for concurrent calls. */
size_t tokenizer_encode(const struct tokenizer *tokenizer, const char *bytes, size_t count, uint16_t *tokens);

/* Appends what the tokens (all below V) stand for. */
void tokenizer_decode(const struct tokenizer *tokenizer, const uint16_t *tokens, size_t count, struct text *out);

#endif
