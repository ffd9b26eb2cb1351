/* compress.c - what general compressors make of the held-out text: a yardstick that needs no training.
 *
 * "After the training text" is what the held-out text adds to an archive that begins with the training text: the
 * compressor is fed the training text and flushed, then the held-out text and ended; the bytes that come out after the
 * flush count. Both see everything before through their windows: zstd -19 with a window as large as both texts (its long
 * distance matching on), xz -9e with a dictionary as large, which is within the 64 MiB of that level. */
#include "data/data.h"

#include <lzma.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define TRAIN_BYTES ((size_t)32 << 20)   /* the last ones of a longer training text */
#define HELD_OUT_BYTES ((size_t)8 << 20) /* the first ones of a longer held-out text */
#define READ_TOKENS ((size_t)65536)
#define OUT_BYTES ((size_t)128 << 10)

/* -------------------------------------------------------------------------------------------------------- texts --- */

static struct error *decode_tokens(
    struct corpus *corpus, enum split split, uint64_t from, uint64_t to, size_t most, struct text *text) {
	uint16_t *tokens = array_new(READ_TOKENS, sizeof *tokens);
	if (!tokens) return error_memory(READ_TOKENS * sizeof *tokens);
	struct error *error = NULL;
	while (from < to && text->length < most && !error) {
		size_t count = to - from < READ_TOKENS ? (size_t)(to - from) : READ_TOKENS;
		error = corpus_read(corpus, split, from, count, tokens);
		if (!error) error = corpus_decode(corpus, tokens, count, text);
		from += count;
	}
	free(tokens);
	return error;
}

/* A token stands for at least one byte, so the last TRAIN_BYTES tokens are enough. */
static struct error *read_texts(struct corpus *corpus, struct text *train, struct text *held_out) {
	const struct corpus_info *info = corpus_info(corpus);
	uint64_t tokens = info->tokens[SPLIT_TRAIN];
	/* As many tokens as TRAIN_BYTES take on average and some more; the surplus is cut off in front. */
	double per_token = (double)info->bytes[SPLIT_TRAIN] / (double)(tokens ? tokens : 1);
	double wanted = 1.25 * (double)TRAIN_BYTES / fmax(per_token, 1);
	uint64_t from = wanted < (double)tokens ? tokens - (uint64_t)wanted : 0;
	TRY(decode_tokens(corpus, SPLIT_TRAIN, from, tokens, SIZE_MAX, train));
	if (train->length > TRAIN_BYTES) {
		memmove(train->data, train->data + train->length - TRAIN_BYTES, TRAIN_BYTES);
		train->length = TRAIN_BYTES;
	}
	TRY(decode_tokens(corpus, SPLIT_HELD_OUT, 0, info->tokens[SPLIT_HELD_OUT], HELD_OUT_BYTES, held_out));
	if (held_out->length > HELD_OUT_BYTES) held_out->length = HELD_OUT_BYTES;
	return NULL;
}

/* -------------------------------------------------------------------------------------------------- compressors --- */

/* Bytes that come out for `text`; `last` ends the archive, otherwise it is flushed. */
static struct error *zstd_bytes(ZSTD_CCtx *packer, const struct text *text, bool last, uint64_t *bytes) {
	char *out = malloc(OUT_BYTES);
	if (!out) return error_memory(OUT_BYTES);
	struct error *error = NULL;
	ZSTD_inBuffer in = {text->data, text->length, 0};
	size_t left = 1;
	*bytes = 0;
	while (left > 0 && !error) {
		ZSTD_outBuffer to = {out, OUT_BYTES, 0};
		left = ZSTD_compressStream2(packer, &to, &in, last ? ZSTD_e_end : ZSTD_e_flush);
		if (ZSTD_isError(left)) error = error_new(ERROR_FAILED, "zstd cannot compress: %s", ZSTD_getErrorName(left));
		if (interrupt_pending()) error = error_new(ERROR_INTERRUPTED, "interrupted while compressing");
		*bytes += to.pos;
	}
	free(out);
	return error;
}

static int window_log(size_t bytes) {
	int log = 10;
	while (((size_t)1 << log) < bytes && log < 27) log++;
	return log;
}

/* Bytes of the held-out text in an archive behind `before`, which may be NULL. */
static struct error *zstd_held_out(const struct text *before, const struct text *held_out, uint64_t *bytes) {
	ZSTD_CCtx *packer = ZSTD_createCCtx();
	if (!packer) return error_memory(0);
	ZSTD_CCtx_setParameter(packer, ZSTD_c_compressionLevel, 19);
	ZSTD_CCtx_setParameter(packer, ZSTD_c_windowLog, window_log((before ? before->length : 0) + held_out->length));
	ZSTD_CCtx_setParameter(packer, ZSTD_c_enableLongDistanceMatching, 1);
	uint64_t ignored;
	struct error *error = before ? zstd_bytes(packer, before, false, &ignored) : NULL;
	if (!error) error = zstd_bytes(packer, held_out, true, bytes);
	ZSTD_freeCCtx(packer);
	return error;
}

static struct error *xz_bytes(lzma_stream *stream, const struct text *text, bool last, uint64_t *bytes) {
	uint8_t *out = malloc(OUT_BYTES);
	if (!out) return error_memory(OUT_BYTES);
	struct error *error = NULL;
	stream->next_in = (const uint8_t *)text->data;
	stream->avail_in = text->length;
	*bytes = 0;
	for (lzma_ret state = LZMA_OK; state != LZMA_STREAM_END && !error;) {
		stream->next_out = out;
		stream->avail_out = OUT_BYTES;
		state = lzma_code(stream, last ? LZMA_FINISH : LZMA_SYNC_FLUSH);
		if (state == LZMA_MEM_ERROR)
			error = error_memory(0);
		else if (state != LZMA_OK && state != LZMA_STREAM_END)
			error = error_new(ERROR_FAILED, "xz cannot compress: liblzma says %d", (int)state);
		if (interrupt_pending()) error = error_new(ERROR_INTERRUPTED, "interrupted while compressing");
		*bytes += OUT_BYTES - stream->avail_out;
	}
	free(out);
	return error;
}

static struct error *xz_held_out(const struct text *before, const struct text *held_out, uint64_t *bytes) {
	lzma_options_lzma options;
	if (lzma_lzma_preset(&options, 9 | LZMA_PRESET_EXTREME))
		return error_new(ERROR_FAILED, "this liblzma has no preset -9e; update it");
	/* A larger dictionary than the text finds nothing more and only takes memory, 10 bytes for each of its own. */
	size_t total = (before ? before->length : 0) + held_out->length;
	if (total < options.dict_size)
		options.dict_size = total < LZMA_DICT_SIZE_MIN ? LZMA_DICT_SIZE_MIN : (uint32_t)total;
	lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, NULL}};
	lzma_stream stream = LZMA_STREAM_INIT;
	if (lzma_stream_encoder(&stream, filters, LZMA_CHECK_CRC64) != LZMA_OK) return error_memory(11 * total);
	uint64_t ignored;
	struct error *error = before ? xz_bytes(&stream, before, false, &ignored) : NULL;
	if (!error) error = xz_bytes(&stream, held_out, true, bytes);
	lzma_end(&stream);
	return error;
}

struct error *corpus_compressors(struct corpus *corpus, struct compressor_bits out[COMPRESSOR_COUNT]) {
	static struct error *(*const measure[COMPRESSOR_COUNT])(const struct text *, const struct text *, uint64_t *) = {
	    zstd_held_out, xz_held_out};
	out[0] = (struct compressor_bits){"zstd -19", (double)NAN, (double)NAN};
	out[1] = (struct compressor_bits){"xz -9e", (double)NAN, (double)NAN};
	if (strcmp(corpus_info(corpus)->tokenizer, "symbols") == 0) return NULL;
	struct text train = {0}, held_out = {0};
	struct error *error = read_texts(corpus, &train, &held_out);
	for (int i = 0; i < COMPRESSOR_COUNT && !error && held_out.length > 0; i++) {
		uint64_t alone, after;
		error = measure[i](NULL, &held_out, &alone);
		if (!error) error = measure[i](&train, &held_out, &after);
		if (error) break;
		out[i].alone = 8 * (double)alone / (double)held_out.length;
		out[i].after_train = 8 * (double)after / (double)held_out.length;
	}
	text_free(&train);
	text_free(&held_out);
	return error;
}
