/* corpus_file.h - the bytes of a corpus file, for its writer and its reader. docs/formats.md says the same in words. */
#ifndef RUNG_DATA_CORPUS_FILE_H
#define RUNG_DATA_CORPUS_FILE_H

#include "data/data.h"
#include "data/tokenizer.h"

#define CORPUS_MAGIC "RUNGCORP"
#define CORPUS_FORMAT 1
#define PREAMBLE_BYTES 64
#define TABLE_ROW_BYTES 24
#define FRAME_TOKENS 65536
#define HEADER_MOST ((size_t)8 << 20) /* bytes of JSON; its tree may take 32 times as much */

extern const char *const split_names[SPLIT_COUNT]; /* "train", "held_out": also the keys in the header */

/* The first 64 bytes: where everything is, and the hashes of it. */
struct preamble {
	uint32_t header_bytes;
	uint32_t frames[SPLIT_COUNT];
	uint64_t file_bytes, header_hash, table_hash;
};

void preamble_pack(const struct preamble *preamble, unsigned char bytes[PREAMBLE_BYTES]);
MUST_CHECK struct error *preamble_unpack(
    const unsigned char bytes[PREAMBLE_BYTES], const char *path, struct preamble *preamble);

/* A row of the table. Every frame of a split but its last has FRAME_TOKENS tokens. */
struct frame {
	uint64_t offset; /* from the start of the file */
	uint32_t bytes;  /* compressed */
	uint32_t tokens;
	uint64_t hash; /* XXH64 of the compressed bytes */
};

void frame_pack(const struct frame *frame, unsigned char bytes[TABLE_ROW_BYTES]);
struct frame frame_unpack(const unsigned char bytes[TABLE_ROW_BYTES]);

/* A token in a decompressed frame: 1 byte up to V = 256, else 2, little-endian. */
size_t token_bytes(int vocab);
void tokens_pack(const uint16_t *tokens, size_t count, size_t token_size, unsigned char *bytes);
void tokens_unpack(const unsigned char *bytes, size_t count, size_t token_size, uint16_t *tokens);
int tokens_largest(const unsigned char *bytes, size_t count, size_t token_size);

/* The hash that a run depends on, from the tokenizer and the XXH64 of each split's tokens (2 bytes each). */
uint64_t corpus_hash(
    const struct tokenizer *tokenizer, const uint64_t tokens[SPLIT_COUNT], const uint64_t hashes[SPLIT_COUNT]);

/* The members of the header that struct corpus_info has; the tokenizer's are elsewhere. */
MUST_CHECK struct error *info_to_json(
    const struct corpus_info *info, const uint64_t split_hashes[SPLIT_COUNT], uint64_t bigram_pairs, cJSON *header);
MUST_CHECK struct error *info_from_json(
    const cJSON *header, const char *path, struct corpus_info *info, uint64_t split_hashes[SPLIT_COUNT]);

/* For the commands that show or check a whole file. */
const cJSON *corpus_header(const struct corpus *corpus);
uint64_t corpus_frames(const struct corpus *corpus, enum split split);
/* Decoded frames to keep, at least one; smaller than at opening, and before the first read. */
void corpus_limit_cache(struct corpus *corpus, size_t bytes);
/* Reads every frame and checks the hashes of the splits. */
MUST_CHECK struct error *corpus_check(struct corpus *corpus);

#endif
