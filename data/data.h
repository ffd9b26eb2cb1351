/* data.h - text or a synthetic source becomes a corpus file; a corpus file gives back tokens.
 *
 * A corpus is one file (docs/formats.md): a JSON header, then independent zstd frames of tokens, each with its XXH64, and
 * a table of their offsets. Two splits, by document: train and held-out. Every read is checked. */
#ifndef RUNG_DATA_H
#define RUNG_DATA_H

#include "base/base.h"

enum split { SPLIT_TRAIN, SPLIT_HELD_OUT, SPLIT_COUNT };

/* What the header says. Entropies are in nats per token and NaN where they are not known. */
struct corpus_info {
	char tokenizer[16]; /* "char", "byte", "bpe" or "symbols" (synthetic: token i is just i) */
	int vocab;
	uint64_t tokens[SPLIT_COUNT];
	uint64_t bytes[SPLIT_COUNT]; /* of the text the tokens stand for, after folding; 0 for "symbols" */
	uint64_t documents[SPLIT_COUNT];
	uint64_t hash;         /* XXH64 over the tokens of both splits and the tokenizer: what a run depends on */
	uint64_t source_hash;  /* XXH64 of the input bytes */
	double unigram;        /* entropy of single tokens, train split */
	double bigram;         /* entropy of a token given the one before it, train split (plug-in estimate) */
	double entropy_rate;   /* exact, of a synthetic source: the floor that no model can pass */
	char description[256]; /* one line for people: where it came from */
};

struct corpus;

/* Opens and checks header and table; frames are checked when they are read. */
MUST_CHECK struct error *corpus_open(const char *path, struct corpus **corpus);
void corpus_close(struct corpus *corpus); /* NULL is fine */
const struct corpus_info *corpus_info(const struct corpus *corpus);

/* A held-out loss in nats per token as bits per byte of the text; NaN for "symbols". */
double corpus_bits_per_byte(const struct corpus_info *info, double loss);

/* `count` tokens of `split` from position `start` on. Decoded frames are kept, up to 256 MB of them, so random windows
 * of a small corpus cost a copy. Not for concurrent calls on one corpus. */
MUST_CHECK struct error *corpus_read(
    struct corpus *corpus, enum split split, uint64_t start, size_t count, uint16_t *tokens);

/* Appends the bytes that `tokens` stand for. "symbols" are written as decimal numbers with spaces. */
MUST_CHECK struct error *corpus_decode(
    const struct corpus *corpus, const uint16_t *tokens, size_t count, struct text *out);

/* Text to tokens with the corpus's tokenizer (after its folding). *tokens belongs to the caller: free(). */
MUST_CHECK struct error *corpus_encode(
    const struct corpus *corpus, const char *bytes, size_t count, uint16_t **tokens, size_t *token_count);

/* Builds the synthetic corpus that `spec` describes, such as {"source":"markov","vocab":64,"order":1,"tokens":3e6,
 * "held_out_tokens":2e5,"seed":1}: the options of `rung data source`, which also has the defaults of missing members.
 * `path` names the spec in errors. */
MUST_CHECK struct error *source_build(const cJSON *spec, const char *path, const char *out_path);

/* What general compressors make of the held-out bytes: bits per held-out byte, alone and after the training text (its last
 * 32 MiB, and the first 8 MiB held out, when there is more). NaN for "symbols". */
struct compressor_bits {
	const char *name; /* "zstd -19", "xz -9e" */
	double alone, after_train;
};
#define COMPRESSOR_COUNT 2
MUST_CHECK struct error *corpus_compressors(struct corpus *corpus, struct compressor_bits out[COMPRESSOR_COUNT]);

int data_command(int argc, char **argv); /* rung data import|source|info|compress */

#endif
