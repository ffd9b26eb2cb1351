/* What compressors make of the held-out text: against whole archives made by the plain calls of the libraries. */
#include "data/corpus_write.h"
#include "tests/folder_fixture.h"

#include <lzma.h>
#include <math.h>
#include <zstd.h>

static void write_texts(const struct text texts[SPLIT_COUNT]) {
	const struct tokenizer tokenizer = {.kind = TOKENIZER_BYTE, .vocab = 256};
	struct corpus_info info = {.entropy_rate = (double)NAN};
	struct corpus_writer *writer;
	expect_success(corpus_writer_open(corpus_path, &tokenizer, &writer));
	for (int split = 0; split < SPLIT_COUNT; split++) {
		uint16_t *tokens = calloc(texts[split].length + 1, sizeof *tokens);
		size_t count = tokenizer_encode(&tokenizer, texts[split].data, texts[split].length, tokens);
		expect_success(corpus_writer_add(writer, (enum split)split, tokens, count));
		info.bytes[split] = texts[split].length;
		info.documents[split] = 1;
		free(tokens);
	}
	expect_success(corpus_writer_finish(writer, &info, NULL));
	corpus_writer_close(writer);
}

/* Sentences of words from a dictionary of `words`, drawn by `rng`. */
static void add_sentences(struct rng *rng, int words, size_t bytes, struct text *text) {
	while (text->length < bytes) {
		for (uint64_t i = 3 + rng_below(rng, 12); i-- > 0;) {
			double u = rng_uniform(rng);
			struct rng word = rng_make((uint64_t)(u * u * words), "word");
			for (uint64_t j = 2 + rng_below(&word, 8); j-- > 0;)
				text_add(text, "%c", (int)('a' + rng_below(&word, 26)));
			text_add_string(text, " ");
		}
		text_add_string(text, "\n");
	}
}

static double zstd_bits(const struct text *text, size_t held_out) {
	size_t room = ZSTD_compressBound(text->length);
	void *packed = malloc(room);
	size_t size = ZSTD_compress(packed, room, text->data, text->length, 19);
	assert_false(ZSTD_isError(size));
	free(packed);
	return 8 * (double)size / (double)held_out;
}

static double xz_bits(const struct text *text, size_t held_out) {
	size_t room = lzma_stream_buffer_bound(text->length), size = 0;
	uint8_t *packed = malloc(room);
	assert_int_equal(
	    lzma_easy_buffer_encode(
	        9 | LZMA_PRESET_EXTREME, LZMA_CHECK_CRC64, NULL, (const uint8_t *)text->data, text->length, packed, &size,
	        room),
	    LZMA_OK);
	free(packed);
	return 8 * (double)size / (double)held_out;
}

static void against_whole_archives(void **state) {
	(void)state;
	struct rng rng = rng_make(1, "compress");
	struct text texts[SPLIT_COUNT] = {0}, both = {0};
	add_sentences(&rng, 3000, 400000, &texts[SPLIT_TRAIN]);
	add_sentences(&rng, 3000, 60000, &texts[SPLIT_HELD_OUT]);
	text_add_bytes(&both, texts[0].data, texts[0].length);
	text_add_bytes(&both, texts[1].data, texts[1].length);
	write_texts(texts);
	struct corpus *corpus;
	struct compressor_bits found[COMPRESSOR_COUNT], again[COMPRESSOR_COUNT];
	expect_success(corpus_open(corpus_path, &corpus));
	expect_success(corpus_compressors(corpus, found));
	expect_success(corpus_compressors(corpus, again));
	static double (*const bits[COMPRESSOR_COUNT])(const struct text *, size_t) = {zstd_bits, xz_bits};
	static const char *const names[COMPRESSOR_COUNT] = {"zstd -19", "xz -9e"};
	for (int i = 0; i < COMPRESSOR_COUNT; i++) {
		size_t held_out = texts[1].length;
		double alone = bits[i](&texts[1], held_out), after = bits[i](&both, held_out) - bits[i](&texts[0], held_out);
		assert_string_equal(found[i].name, names[i]);
		assert_true(fabs(found[i].alone / alone - 1) < 0.005);
		assert_true(fabs(found[i].after_train / after - 1) < 0.02);
		assert_true(found[i].after_train < 0.9 * found[i].alone);
		assert_true(found[i].alone == again[i].alone && found[i].after_train == again[i].after_train);
	}
	corpus_close(corpus);
	free(both.data);
	text_free(&texts[0]);
	text_free(&texts[1]);
}

/* Held-out text that stands at the far end of the training text costs next to nothing: the window reaches that far. */
static void the_window_reaches_back(void **state) {
	(void)state;
	struct rng rng = rng_make(2, "compress");
	struct text texts[SPLIT_COUNT] = {0};
	for (int i = 0; i < 5000; i++) text_add(&texts[1], "%016llx", (unsigned long long)rng_next(&rng));
	text_add_bytes(&texts[0], texts[1].data, texts[1].length);
	/* More than the 8 MiB window that level 19 of zstd has by itself, of something that compresses quickly. */
	for (int i = 0; i < 200000; i++) text_add_string(&texts[0], "The quick brown fox jumps over the lazy dog.\n");
	write_texts(texts);
	struct corpus *corpus;
	struct compressor_bits found[COMPRESSOR_COUNT];
	expect_success(corpus_open(corpus_path, &corpus));
	expect_success(corpus_compressors(corpus, found));
	for (int i = 0; i < COMPRESSOR_COUNT; i++) {
		assert_true(found[i].alone > 4 && found[i].alone < 4.7); /* random hexadecimal digits: 4 bits a byte */
		assert_true(found[i].after_train < 0.05);
	}
	corpus_close(corpus);
	text_free(&texts[0]);
	text_free(&texts[1]);
}

static void symbols_are_no_text(void **state) {
	(void)state;
	const struct tokenizer tokenizer = {.kind = TOKENIZER_SYMBOLS, .vocab = 5};
	struct corpus_info info = {.entropy_rate = 1};
	struct corpus_writer *writer;
	const uint16_t tokens[] = {1, 2, 3, 4};
	expect_success(corpus_writer_open(corpus_path, &tokenizer, &writer));
	expect_success(corpus_writer_add(writer, SPLIT_TRAIN, tokens, 4));
	expect_success(corpus_writer_add(writer, SPLIT_HELD_OUT, tokens, 4));
	expect_success(corpus_writer_finish(writer, &info, NULL));
	corpus_writer_close(writer);
	struct corpus *corpus;
	struct compressor_bits found[COMPRESSOR_COUNT];
	expect_success(corpus_open(corpus_path, &corpus));
	expect_success(corpus_compressors(corpus, found));
	for (int i = 0; i < COMPRESSOR_COUNT; i++) assert_true(isnan(found[i].alone) && isnan(found[i].after_train));
	corpus_close(corpus);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(against_whole_archives),
	    cmocka_unit_test(the_window_reaches_back),
	    cmocka_unit_test(symbols_are_no_text),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
