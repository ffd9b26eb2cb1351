/* The corpus file: what is written comes back, and no damage, truncation or lie in it goes unnoticed. */
#include "data/corpus_file.h"
#include "data/corpus_write.h"
#include "tests/folder_fixture.h"

#include <fcntl.h>
#include <math.h>
#include <zstd.h>

/* Tokens that are the same whenever they are asked for. */
static uint16_t token_at(int vocab, enum split split, uint64_t position) {
	uint64_t key[2] = {split, position};
	return (uint16_t)(hash_bytes(key, sizeof key, 7) % (uint64_t)vocab % (position % 5 ? 40 : 65536));
}

static void write_corpus(const struct tokenizer *tokenizer, uint64_t train, uint64_t held_out) {
	struct corpus_writer *writer;
	expect_success(corpus_writer_open(corpus_path, tokenizer, &writer));
	const uint64_t totals[SPLIT_COUNT] = {train, held_out};
	uint64_t done[SPLIT_COUNT] = {0};
	struct rng rng = rng_make(1, "corpus");
	while (done[0] < train || done[1] < held_out) { /* the splits take turns, in uneven parts */
		enum split split = (enum split)rng_below(&rng, 2);
		uint16_t tokens[30000];
		size_t count = 1 + rng_below(&rng, COUNT_OF(tokens));
		if (count > totals[split] - done[split]) count = (size_t)(totals[split] - done[split]);
		for (size_t i = 0; i < count; i++) tokens[i] = token_at(tokenizer->vocab, split, done[split] + i);
		expect_success(corpus_writer_add(writer, split, tokens, count));
		done[split] += count;
		assert_true(corpus_writer_tokens(writer, split) == done[split]);
	}
	struct corpus_info info = {
	    .bytes = {3 * train, 3 * held_out},
	    .documents = {5, 2},
	    .source_hash = 0x0123456789abcdef,
	    .entropy_rate = (double)NAN,
	    .description = "made for a test",
	};
	cJSON *more = cJSON_CreateObject();
	cJSON_AddStringToObject(more, "note", "kept");
	expect_success(corpus_writer_finish(writer, &info, more));
	cJSON_Delete(more);
	corpus_writer_close(writer);
}

static void check_window(struct corpus *corpus, enum split split, uint64_t start, size_t count) {
	uint16_t *tokens = calloc(count + 1, sizeof *tokens);
	tokens[count] = 0xabcd;
	expect_success(corpus_read(corpus, split, start, count, tokens));
	for (size_t i = 0; i < count; i++)
		assert_int_equal(tokens[i], token_at(corpus_info(corpus)->vocab, split, start + i));
	assert_int_equal(tokens[count], 0xabcd);
	free(tokens);
}

static void check_reads(struct corpus *corpus) {
	struct rng rng = rng_make(2, "corpus");
	for (int i = 0; i < 300; i++) {
		enum split split = (enum split)rng_below(&rng, 2);
		uint64_t total = corpus_info(corpus)->tokens[split], start = rng_below(&rng, total + 1);
		uint64_t most = total - start < 70000 ? total - start : i % 10 ? 500 : 70000;
		check_window(corpus, split, start, (size_t)rng_below(&rng, most + 1));
	}
	uint16_t tokens[4];
	uint64_t total = corpus_info(corpus)->tokens[SPLIT_HELD_OUT];
	expect_failure(corpus_read(corpus, SPLIT_HELD_OUT, total - 1, 2, tokens), ERROR_DATA, "of held_out were asked for");
	expect_failure(corpus_read(corpus, SPLIT_HELD_OUT, UINT64_MAX, 2, tokens), ERROR_DATA, "were asked for");
	expect_success(corpus_read(corpus, SPLIT_HELD_OUT, total, 0, tokens));
}

static void what_is_written_comes_back(void **state) {
	(void)state;
	static const struct tokenizer tokenizers[] = {
	    {.kind = TOKENIZER_CHAR, .vocab = 96},
	    {.kind = TOKENIZER_BYTE, .vocab = 256},
	    {.kind = TOKENIZER_SYMBOLS, .vocab = 257},
	    {.kind = TOKENIZER_SYMBOLS, .vocab = 65536},
	};
	/* A last frame that is full, almost full, and of one token. */
	static const uint64_t sizes[][2] = {
	    {3 * FRAME_TOKENS, 1}, {200000, FRAME_TOKENS}, {65537, 70000}, {1, 2 * FRAME_TOKENS - 1}};
	for (size_t i = 0; i < COUNT_OF(tokenizers); i++) {
		write_corpus(&tokenizers[i], sizes[i][0], sizes[i][1]);
		struct corpus *corpus;
		expect_success(corpus_open(corpus_path, &corpus));
		const struct corpus_info *info = corpus_info(corpus);
		assert_string_equal(info->tokenizer, tokenizer_name(&tokenizers[i]));
		assert_int_equal(info->vocab, tokenizers[i].vocab);
		for (int split = 0; split < SPLIT_COUNT; split++) {
			assert_true(info->tokens[split] == sizes[i][split]);
			assert_true(info->bytes[split] == 3 * sizes[i][split]);
			assert_true(
			    corpus_frames(corpus, (enum split)split) == (sizes[i][split] + FRAME_TOKENS - 1) / FRAME_TOKENS);
		}
		assert_true(info->documents[0] == 5 && info->documents[1] == 2);
		assert_true(info->source_hash == 0x0123456789abcdef);
		assert_true(isnan(info->entropy_rate));
		assert_string_equal(info->description, "made for a test");
		const char *note;
		expect_success(json_get_text(corpus_header(corpus), "note", corpus_path, &note));
		assert_string_equal(note, "kept");
		expect_success(corpus_check(corpus));
		check_reads(corpus);
		corpus_close(corpus);
	}
}

/* With room for few frames, frames come and go and windows stay right. */
static void a_small_cache(void **state) {
	(void)state;
	const struct tokenizer tokenizer = {.kind = TOKENIZER_SYMBOLS, .vocab = 300};
	write_corpus(&tokenizer, 9 * FRAME_TOKENS + 17, 3 * FRAME_TOKENS);
	for (size_t frames = 0; frames < 4; frames++) {
		struct corpus *corpus;
		expect_success(corpus_open(corpus_path, &corpus));
		corpus_limit_cache(corpus, frames * 2 * FRAME_TOKENS);
		check_reads(corpus);
		corpus_close(corpus);
	}
}

/* The hash depends on every token, the split it stands in, and the tokenizer; not on where the file came from. */
static void the_hash(void **state) {
	(void)state;
	static const struct {
		int vocab;
		uint16_t train[2], held_out[2];
		size_t train_count;
	} cases[] = {
	    {300, {1, 2}, {3, 4}, 2}, {300, {1, 2}, {3, 5}, 2}, {300, {3, 4}, {1, 2}, 2},
	    {301, {1, 2}, {3, 4}, 2}, {300, {1, 2}, {3, 4}, 1}, {200, {1, 2}, {3, 4}, 2},
	};
	uint64_t hashes[COUNT_OF(cases)];
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		for (int round = 0; round < 2; round++) {
			struct tokenizer tokenizer = {.kind = TOKENIZER_SYMBOLS, .vocab = cases[i].vocab};
			struct corpus_info info = {.source_hash = (uint64_t)round, .entropy_rate = round};
			struct corpus_writer *writer;
			expect_success(corpus_writer_open(corpus_path, &tokenizer, &writer));
			expect_success(corpus_writer_add(writer, SPLIT_TRAIN, cases[i].train, cases[i].train_count));
			expect_success(corpus_writer_add(writer, SPLIT_HELD_OUT, cases[i].held_out, 2));
			expect_success(corpus_writer_finish(writer, &info, NULL));
			corpus_writer_close(writer);
			if (round) assert_true(info.hash == hashes[i]);
			hashes[i] = info.hash;
		}
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		for (size_t j = 0; j < i; j++) assert_true(hashes[i] != hashes[j]);
}

/* ---------------------------------------------------------------------------------------------------------- damage */

static struct error *open_and_check(const char *name) {
	struct corpus *corpus;
	TRY(corpus_open(name, &corpus));
	struct error *error = corpus_check(corpus);
	corpus_close(corpus);
	return error;
}

static void write_bytes(const char *name, const char *bytes, size_t count) {
	FILE *file = fopen(name, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, count, file), count);
	assert_int_equal(fclose(file), 0);
}

static struct text small_corpus(void) {
	const struct tokenizer tokenizer = {.kind = TOKENIZER_CHAR, .vocab = 96};
	struct text bytes = {0};
	write_corpus(&tokenizer, 90, 50);
	expect_success(file_read(corpus_path, 1 << 20, &bytes));
	return bytes;
}

/* Each bit of the file, one at a time: an error of the right kind that names the file and the place. */
static void every_flipped_bit(void **state) {
	(void)state;
	struct text bytes = small_corpus();
	char *damaged = path_join(folder, "damaged.corpus");
	size_t header_bytes = (unsigned char)bytes.data[12] | (size_t)(unsigned char)bytes.data[13] << 8;
	write_bytes(damaged, bytes.data, bytes.length);
	int file = open(damaged, O_RDWR); /* written over in place, which no file system hurries to sync */
	assert_true(file >= 0);
	for (size_t bit = 0; bit < 8 * bytes.length; bit++) {
		char flipped = (char)(bytes.data[bit / 8] ^ 1 << bit % 8);
		assert_int_equal(pwrite(file, &flipped, 1, (off_t)(bit / 8)), 1);
		size_t at = bit / 8, table = 64 + header_bytes;
		const char *place = at < 8                             ? "not a corpus"
		                    : at < 12                          ? "bytes 8 to 11"
		                    : at < 64                          ? "preamble (bytes 0 to 63)"
		                    : at < table                       ? "header (bytes 64 to"
		                    : at < table + 2 * TABLE_ROW_BYTES ? "table of frames (bytes"
		                                                       : "frame 0 of";
		expect_failure(open_and_check(damaged), ERROR_DATA, place);
		assert_int_equal(pwrite(file, bytes.data + at, 1, (off_t)at), 1);
	}
	close(file);
	expect_success(open_and_check(damaged));
	free(damaged);
	text_free(&bytes);
}

static void every_truncation(void **state) {
	(void)state;
	struct text bytes = small_corpus();
	char *damaged = path_join(folder, "damaged.corpus");
	write_bytes(damaged, bytes.data, bytes.length);
	for (size_t length = bytes.length; length-- > 0;) {
		assert_int_equal(truncate(damaged, (off_t)length), 0);
		expect_failure(open_and_check(damaged), ERROR_DATA, length < 64 ? "not a corpus" : "truncated");
	}
	text_add_string(&bytes, "x");
	write_bytes(damaged, bytes.data, bytes.length);
	expect_failure(open_and_check(damaged), ERROR_DATA, "bytes were added at its end");
	free(damaged);
	text_free(&bytes);
}

/* Bodies of several frames: 10,000 flipped bits, and 1000 pieces that were copied to another place. The frame is named. */
static void random_damage_to_bodies(void **state) {
	(void)state;
	const struct tokenizer tokenizer = {.kind = TOKENIZER_CHAR, .vocab = 96};
	struct text bytes = {0};
	write_corpus(&tokenizer, FRAME_TOKENS + 3000, 500);
	expect_success(file_read(corpus_path, 1 << 30, &bytes));
	const int file = open(corpus_path, O_RDWR);
	const size_t header_bytes = (unsigned char)bytes.data[12] | (size_t)(unsigned char)bytes.data[13] << 8;
	const size_t body = PREAMBLE_BYTES + header_bytes + 3 * TABLE_ROW_BYTES, length = bytes.length - body;
	struct rng rng = rng_make(4, "damage");
	for (int i = 0; i < 11000; i++) {
		size_t at = body + (size_t)rng_below(&rng, length), count = 1;
		if (i < 10000) {
			const char flipped = (char)(bytes.data[at] ^ 1 << rng_below(&rng, 8));
			assert_int_equal(pwrite(file, &flipped, 1, (off_t)at), 1);
		} else {
			count = 1 + (size_t)rng_below(&rng, length / 4);
			at = body + (size_t)rng_below(&rng, length - count);
			const size_t from = body + (size_t)rng_below(&rng, length - count);
			if (memcmp(bytes.data + at, bytes.data + from, count) == 0) continue;
			assert_int_equal(pwrite(file, bytes.data + from, count, (off_t)at), (ssize_t)count);
		}
		expect_failure(open_and_check(corpus_path), ERROR_DATA, "damaged frame ");
		assert_int_equal(pwrite(file, bytes.data + at, count, (off_t)at), (ssize_t)count);
	}
	expect_success(open_and_check(corpus_path));
	close(file);
	text_free(&bytes);
}

/* A frame that went bad is found when it is read, and only then; the other frames are still good, and it stays bad. */
static void a_bad_frame_among_good_ones(void **state) {
	(void)state;
	const struct tokenizer tokenizer = {.kind = TOKENIZER_CHAR, .vocab = 96};
	struct text bytes = {0};
	write_corpus(&tokenizer, 4 * FRAME_TOKENS, 100);
	expect_success(file_read(corpus_path, 1 << 30, &bytes));
	size_t header_bytes = (unsigned char)bytes.data[12] | (size_t)(unsigned char)bytes.data[13] << 8;
	struct frame second =
	    frame_unpack((const unsigned char *)bytes.data + PREAMBLE_BYTES + header_bytes + TABLE_ROW_BYTES);
	bytes.data[second.offset + second.bytes / 2] ^= 1;
	write_bytes(corpus_path, bytes.data, bytes.length);
	struct corpus *corpus;
	uint16_t tokens[100];
	expect_success(corpus_open(corpus_path, &corpus));
	corpus_limit_cache(corpus, 2 * FRAME_TOKENS);
	for (int round = 0; round < 3; round++) {
		check_window(corpus, SPLIT_TRAIN, 10, 100);
		expect_failure(
		    corpus_read(corpus, SPLIT_TRAIN, FRAME_TOKENS + 5, 100, tokens), ERROR_DATA,
		    "damaged frame 1 of train (bytes");
		check_window(corpus, SPLIT_TRAIN, 2 * FRAME_TOKENS + 10, 100);
		check_window(corpus, SPLIT_TRAIN, 3 * FRAME_TOKENS + 10, 100);
		check_window(corpus, SPLIT_HELD_OUT, 10, 90);
	}
	corpus_close(corpus);
	text_free(&bytes);
}

/* ---------------------------------------------------------------------------------------------------------- lies --- */

/* A file whose hashes are all right but whose contents were made up. */
struct forgery {
	const char *header;
	struct preamble preamble;
	struct frame rows[2];
	size_t row_count;
	unsigned char frames[200];
	size_t frame_bytes;
};

static const char *const honest_header =
    "{\"format\":1,\"tokenizer\":\"symbols\",\"vocab\":10,\"hash\":\"HASH\",\"source_hash\":\"0000000000000000\","
    "\"description\":\"\",\"train\":{\"tokens\":4,\"bytes\":0,\"documents\":1,\"hash\":\"0000000000000001\"},"
    "\"held_out\":{\"tokens\":3,\"bytes\":0,\"documents\":1,\"hash\":\"0000000000000002\"},"
    "\"entropy\":{\"unigram\":1,\"bigram\":1,\"rate\":\"nan\",\"bigram_pairs\":0}}";

static size_t put_frame(struct forgery *forgery, const void *tokens, size_t count) {
	size_t packed = ZSTD_compress(
	    forgery->frames + forgery->frame_bytes, sizeof forgery->frames - forgery->frame_bytes, tokens, count, 1);
	assert_false(ZSTD_isError(packed));
	forgery->rows[forgery->row_count++] = (struct frame){
	    .offset = forgery->frame_bytes,
	    .bytes = (uint32_t)packed,
	    .tokens = (uint32_t)count,
	    .hash = hash_bytes(forgery->frames + forgery->frame_bytes, packed, 0)};
	forgery->frame_bytes += packed;
	return packed;
}

static struct forgery honest(void) {
	struct forgery forgery = {.header = honest_header};
	put_frame(&forgery, "\1\2\3\4", 4);
	put_frame(&forgery, "\5\6\7", 3);
	forgery.preamble.frames[0] = forgery.preamble.frames[1] = 1;
	return forgery;
}

/* Writes it with right hashes; what is 0 in the preamble is filled in. Offsets of rows count from the first frame. */
static void write_forgery(struct forgery *forgery, const char *name) {
	struct text header = {0}, file = {0};
	char hex[HASH_HEX_SIZE];
	struct tokenizer tokenizer = {.kind = TOKENIZER_SYMBOLS, .vocab = 10};
	const char *mark = strstr(forgery->header, "HASH");
	if (mark) {
		text_add(&header, "%.*s", (int)(mark - forgery->header), forgery->header);
		text_add_string(&header, hash_hex(corpus_hash(&tokenizer, (uint64_t[]){4, 3}, (uint64_t[]){1, 2}), hex));
		text_add_string(&header, mark + 4);
	} else
		text_add_string(&header, forgery->header);
	unsigned char table[2 * TABLE_ROW_BYTES], preamble[PREAMBLE_BYTES];
	size_t table_bytes = forgery->row_count * TABLE_ROW_BYTES;
	for (size_t i = 0; i < forgery->row_count; i++) {
		struct frame row = forgery->rows[i];
		row.offset += PREAMBLE_BYTES + header.length + table_bytes;
		frame_pack(&row, table + i * TABLE_ROW_BYTES);
	}
	struct preamble own = forgery->preamble;
	if (!own.header_bytes) own.header_bytes = (uint32_t)header.length;
	if (!own.file_bytes) own.file_bytes = PREAMBLE_BYTES + header.length + table_bytes + forgery->frame_bytes;
	own.header_hash = hash_bytes(header.data, header.length, 0);
	own.table_hash = hash_bytes(table, table_bytes, 0);
	preamble_pack(&own, preamble);
	text_add_bytes(&file, preamble, sizeof preamble);
	text_add_bytes(&file, header.data, header.length);
	text_add_bytes(&file, table, table_bytes);
	text_add_bytes(&file, forgery->frames, forgery->frame_bytes);
	write_bytes(name, file.data, file.length);
	text_free(&file);
	text_free(&header);
}

static void check_forgery(struct forgery forgery, const char *part) {
	write_forgery(&forgery, corpus_path);
	expect_failure(open_and_check(corpus_path), ERROR_DATA, part);
}

static void lies_about_places(void **state) {
	(void)state;
	struct forgery forgery = honest();
	struct corpus *corpus;
	uint16_t tokens[4];
	write_forgery(&forgery, corpus_path); /* the forger can write a file that is read */
	expect_success(corpus_open(corpus_path, &corpus));
	expect_success(corpus_read(corpus, SPLIT_TRAIN, 0, 4, tokens));
	assert_memory_equal(tokens, ((uint16_t[]){1, 2, 3, 4}), sizeof tokens);
	expect_failure(corpus_check(corpus), ERROR_DATA, "do not have the hash that the header says");
	corpus_close(corpus);

	forgery.preamble.header_bytes = UINT32_MAX;
	check_forgery(forgery, "impossible preamble");
	forgery = honest();
	forgery.preamble.frames[0] = UINT32_MAX;
	check_forgery(forgery, "impossible preamble");
	forgery = honest();
	forgery.preamble.frames[1] = 1000000; /* a table beyond the file */
	check_forgery(forgery, "impossible preamble");
	forgery = honest();
	forgery.rows[1].offset = 0; /* frames on top of each other */
	check_forgery(forgery, "impossible row 1 of the table");
	forgery = honest();
	forgery.rows[1].bytes += 50; /* beyond the end */
	check_forgery(forgery, "impossible row 1");
	forgery = honest();
	forgery.rows[0].tokens = 0;
	check_forgery(forgery, "impossible row 0");
	forgery = honest();
	forgery.rows[0].tokens = FRAME_TOKENS + 1;
	check_forgery(forgery, "impossible row 0");
	forgery = honest();
	forgery.rows[0].tokens = 5; /* not what the header says */
	check_forgery(forgery, "the table has 5 train tokens, the header says 4");
	forgery = honest();
	forgery.frame_bytes += 1; /* a byte behind the last frame */
	check_forgery(forgery, "the frames end at byte");
	forgery = honest();
	forgery.preamble.frames[0] = 2; /* a frame that is not full and not the last of its split */
	forgery.preamble.frames[1] = 0;
	check_forgery(forgery, "impossible row 0");
}

static void lies_about_contents(void **state) {
	(void)state;
	struct forgery forgery = {.header = honest_header, .preamble.frames = {1, 1}};
	put_frame(&forgery, "\1\2\3\12", 4); /* V = 10 */
	put_frame(&forgery, "\5\6\7", 3);
	check_forgery(forgery, "frame 0 of train (byte");
	check_forgery(forgery, "has a token 10, but V = 10");
	forgery = (struct forgery){.header = honest_header, .preamble.frames = {1, 1}};
	put_frame(&forgery, "\1\2\3", 3); /* shorter than the table says */
	put_frame(&forgery, "\5\6\7", 3);
	forgery.rows[0].tokens = 4;
	check_forgery(forgery, "does not decompress to its 4 tokens");
	forgery = (struct forgery){.header = honest_header, .preamble.frames = {1, 1}};
	put_frame(&forgery, "\1\2\3\4\5", 5); /* longer */
	put_frame(&forgery, "\5\6\7", 3);
	forgery.rows[0].tokens = 4;
	check_forgery(forgery, "does not decompress to its 4 tokens");
	forgery = honest();
	memset(forgery.frames, 'x', forgery.rows[0].bytes); /* not zstd at all, with a right hash */
	forgery.rows[0].hash = hash_bytes(forgery.frames, forgery.rows[0].bytes, 0);
	check_forgery(forgery, "does not decompress");
}

/* Each replaces a part of the honest header. */
static void lies_in_the_header(void **state) {
	(void)state;
	static const struct {
		const char *old, *new, *part;
	} cases[] = {
	    {"HASH", "0123456789abcdef", "the header's \"hash\" is not that of its tokenizer and splits"},
	    {"\"symbols\"", "\"byte\"", "\"vocab\" is 10"},
	    {"\"tokens\":4", "\"tokens\":-4", "\"tokens\" is -4, expected a count"},
	    {"\"tokens\":4", "\"tokens\":1e300", "expected a count"},
	    {"\"tokens\":4", "\"tokens\":\"4\"", "tokens"},
	    {"\"tokens\":4", "\"tokens\":4.5", "expected a count"},
	    {"\"documents\":1", "\"documents\":\"nan\"", "expected a count"},
	    {"\"held_out\"", "\"held\"", "no object \"held_out\""},
	    {"\"entropy\"", "\"entropie\"", "no object \"entropy\""},
	    {"0000000000000001", "00000000000000g1", "16 hexadecimal digits"},
	    {"\"description\":\"\",", "", "description"},
	    {"{\"format\"", "[\"format\"", ".corpus"},
	    {"}}", "}", ".corpus"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct forgery forgery = honest();
		struct text header = {0};
		const char *at = strstr(honest_header, cases[i].old);
		assert_non_null(at);
		text_add(
		    &header, "%.*s%s%s", (int)(at - honest_header), honest_header, cases[i].new, at + strlen(cases[i].old));
		forgery.header = header.data;
		check_forgery(forgery, cases[i].part);
		text_free(&header);
	}
}

static void what_is_no_corpus(void **state) {
	(void)state;
	expect_failure(open_and_check(folder), ERROR_DATA, "not a regular file");
	char *missing = path_join(folder, "missing");
	expect_failure(open_and_check(missing), ERROR_FAILED, "missing");
	free(missing);
	char text[1000];
	memset(text, 'x', sizeof text);
	write_bytes(corpus_path, text, sizeof text);
	expect_failure(open_and_check(corpus_path), ERROR_DATA, "'rung data import' makes a corpus");
}

/* --------------------------------------------------------------------------------------------------------- texts --- */

static void text_to_tokens_and_back(void **state) {
	(void)state;
	static const struct {
		struct tokenizer tokenizer;
		const char *in, *out;
		size_t count;
	} cases[] = {
	    {{.kind = TOKENIZER_CHAR, .vocab = 96}, "caf\u00e9\r\n\u201cyes\u201d", "cafe\n\"yes\"", 10},
	    {{.kind = TOKENIZER_BYTE, .vocab = 256}, "caf\u00e9\r\n", "caf\u00e9\r\n", 7},
	    {{.kind = TOKENIZER_SYMBOLS, .vocab = 300}, " 12 0\n299 ", "12 0 299", 3},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct corpus *corpus;
		struct text out = {0};
		uint16_t *tokens;
		size_t count;
		write_corpus(&cases[i].tokenizer, 100, 100);
		expect_success(corpus_open(corpus_path, &corpus));
		expect_success(corpus_encode(corpus, cases[i].in, strlen(cases[i].in), &tokens, &count));
		assert_int_equal(count, cases[i].count);
		expect_success(corpus_decode(corpus, tokens, count, &out));
		assert_string_equal(out.data, cases[i].out);
		free(tokens);
		text_free(&out);
		uint16_t beyond = (uint16_t)cases[i].tokenizer.vocab;
		expect_failure(corpus_decode(corpus, &beyond, 1, &out), ERROR_DATA, "stands for nothing");
		if (cases[i].tokenizer.kind == TOKENIZER_SYMBOLS) {
			static const char *const wrong[] = {"1 300", "-1", "1,2", "12a", "99999999999999999999"};
			for (size_t j = 0; j < COUNT_OF(wrong); j++) {
				expect_failure(
				    corpus_encode(corpus, wrong[j], strlen(wrong[j]), &tokens, &count), ERROR_DATA,
				    "numbers from 0 to 299");
				assert_null(tokens);
			}
		}
		text_free(&out);
		corpus_close(corpus);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_written_comes_back),
	    cmocka_unit_test(a_small_cache),
	    cmocka_unit_test(the_hash),
	    cmocka_unit_test(every_flipped_bit),
	    cmocka_unit_test(random_damage_to_bodies),
	    cmocka_unit_test(every_truncation),
	    cmocka_unit_test(a_bad_frame_among_good_ones),
	    cmocka_unit_test(lies_about_places),
	    cmocka_unit_test(lies_about_contents),
	    cmocka_unit_test(lies_in_the_header),
	    cmocka_unit_test(what_is_no_corpus),
	    cmocka_unit_test(text_to_tokens_and_back),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
