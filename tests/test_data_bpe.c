/* Byte-pair encoding: pieces by their rule, merges and codes against the plain definition, any bytes there and back. */
#include "data/bpe.h"
#include "data/tokenizer.h"
#include "tests/support.h"

static struct bpe_merge *train(const struct text *text, size_t count, size_t *found) {
	struct bpe_trainer *trainer;
	struct bpe_merge *merges = calloc(count + 1, sizeof *merges);
	expect_success(bpe_trainer_open(&trainer));
	expect_success(bpe_trainer_text(trainer, text->data, text->length));
	expect_success(bpe_trainer_merges(trainer, count, merges, found));
	bpe_trainer_close(trainer);
	return merges;
}

/* English-like text of `bytes` bytes, from few letters so that merges nest. */
static void random_text(struct rng *rng, size_t bytes, struct text *text) {
	static const char *const parts[] = {"the", "he", "an", "and",    "ing", "s",    "e",
	                                    "aaa", "ab", "Ba", "\u00e9", "n't", "2024", "--"};
	while (text->length < bytes) {
		for (size_t i = rng_below(rng, 4); i-- > 0;) text_add_string(text, parts[rng_below(rng, COUNT_OF(parts))]);
		text_add_string(text, rng_below(rng, 8) ? " " : rng_below(rng, 3) ? ".\n" : "\n\n  ");
	}
}

static void pieces(void **state) {
	(void)state;
	static const struct {
		const char *text, *pieces;
	} cases[] = {
	    {"Hello world", "Hello| world"},
	    {"don't 'quote' it's", "don't| '|quote|'| it's"},
	    {"a1b22, c--d!", "a|1|b|22|,| c|--|d|!"},
	    {"x   y\tz \n\n  w\n", "x|  | y|\t|z| |\n\n| | w|\n"},
	    {"end  ", "end|  "},
	    {"caf\u00e9 \u65e5\u672c", "caf\u00e9| \u65e5\u672c"},
	    {"a\r\nb", "a|\r|\n|b"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct text out = {0};
		size_t count = strlen(cases[i].text);
		for (size_t at = 0; at < count;) {
			size_t length = bpe_piece(cases[i].text + at, count - at);
			assert_true(length > 0 && length <= count - at);
			if (at) text_add_string(&out, "|");
			text_add_bytes(&out, cases[i].text + at, length);
			at += length;
		}
		assert_string_equal(out.data, cases[i].pieces);
		text_free(&out);
	}
	char letters[200];
	memset(letters, 'a', sizeof letters);
	assert_int_equal(bpe_piece(letters, sizeof letters), BPE_PIECE_MOST);
	memset(letters, ' ', sizeof letters);
	assert_int_equal(bpe_piece(letters, sizeof letters), BPE_PIECE_MOST);
}

/* The definition, word by word: count all pairs of all pieces, merge the first in order, again and again. */
struct plain_piece {
	uint16_t tokens[BPE_PIECE_MOST];
	size_t count;
};

static void merge_plainly(struct plain_piece *piece, struct bpe_merge merge, uint16_t token) {
	size_t count = 0;
	for (size_t i = 0; i < piece->count; i++) {
		bool here = i + 1 < piece->count && piece->tokens[i] == merge.left && piece->tokens[i + 1] == merge.right;
		piece->tokens[count++] = here ? token : piece->tokens[i];
		i += here;
	}
	piece->count = count;
}

static size_t plain_pieces(const struct text *text, struct plain_piece **out) {
	struct plain_piece *list = calloc(text->length + 1, sizeof *list);
	size_t count = 0;
	for (size_t at = 0; at < text->length; count++) {
		list[count].count = bpe_piece(text->data + at, text->length - at);
		for (size_t i = 0; i < list[count].count; i++) list[count].tokens[i] = (unsigned char)text->data[at + i];
		at += list[count].count;
	}
	*out = list;
	return count;
}

static size_t train_plainly(const struct text *text, size_t count, struct bpe_merge *merges) {
	struct plain_piece *list;
	size_t pieces_count = plain_pieces(text, &list), size = BPE_BASE + count, made = 0;
	uint32_t *counts = calloc(size * size, sizeof *counts);
	for (; made < count; made++) {
		memset(counts, 0, size * size * sizeof *counts);
		for (size_t i = 0; i < pieces_count; i++)
			for (size_t j = 0; j + 1 < list[i].count; j++) counts[list[i].tokens[j] * size + list[i].tokens[j + 1]]++;
		size_t best = 0;
		for (size_t i = 1; i < size * size; i++)
			if (counts[i] > counts[best]) best = i;
		if (counts[best] < 2) break;
		merges[made] = (struct bpe_merge){(uint16_t)(best / size), (uint16_t)(best % size)};
		for (size_t i = 0; i < pieces_count; i++) merge_plainly(&list[i], merges[made], (uint16_t)(BPE_BASE + made));
	}
	free(counts);
	free(list);
	return made;
}

static void merges_follow_the_definition(void **state) {
	(void)state;
	struct rng rng = rng_make(1, "bpe");
	for (int round = 0; round < 12; round++) {
		struct text text = {0};
		random_text(&rng, 200 + 300 * (size_t)round, &text);
		size_t count = 120, found;
		struct bpe_merge *merges = train(&text, count, &found), *plain = calloc(count, sizeof *plain);
		assert_int_equal(found, train_plainly(&text, count, plain));
		assert_true(found > 20);
		assert_memory_equal(merges, plain, found * sizeof *plain);
		free(merges);
		free(plain);
		text_free(&text);
	}
}

static void codes_follow_the_definition(void **state) {
	(void)state;
	struct rng rng = rng_make(2, "bpe");
	struct text text = {0}, other = {0};
	random_text(&rng, 20000, &text);
	random_text(&rng, 20000, &other);
	size_t found;
	struct bpe_merge *merges = train(&text, 300, &found);
	struct bpe *bpe;
	expect_success(bpe_open(merges, found, "test", &bpe));
	uint16_t *tokens = calloc(other.length, sizeof *tokens);
	size_t count = bpe_encode(bpe, other.data, other.length, tokens), at = 0;
	struct plain_piece *list;
	size_t pieces_count = plain_pieces(&other, &list);
	for (size_t i = 0; i < pieces_count; i++) {
		for (size_t m = 0; m < found; m++) merge_plainly(&list[i], merges[m], (uint16_t)(BPE_BASE + m));
		assert_true(at + list[i].count <= count);
		assert_memory_equal(tokens + at, list[i].tokens, list[i].count * sizeof *tokens);
		at += list[i].count;
	}
	assert_int_equal(at, count);
	assert_true(count < other.length / 2);
	free(list);
	/* Cut at the beginnings of lines, the codes are the same: text may be encoded paragraph by paragraph. */
	uint16_t *parts = calloc(other.length, sizeof *parts);
	size_t parts_count = 0, start = 0;
	for (size_t i = 1; i <= other.length; i++)
		if (i == other.length || (other.data[i - 1] == '\n' && other.data[i] != '\n')) {
			parts_count += bpe_encode(bpe, other.data + start, i - start, parts + parts_count);
			start = i;
		}
	assert_int_equal(parts_count, count);
	assert_memory_equal(parts, tokens, count * sizeof *tokens);
	free(parts);
	free(tokens);
	free(merges);
	bpe_close(bpe);
	text_free(&text);
	text_free(&other);
}

/* Any bytes come back. */
static void lossless(void **state) {
	(void)state;
	struct rng rng = rng_make(3, "bpe");
	struct text text = {0};
	random_text(&rng, 20000, &text);
	size_t found;
	struct bpe_merge *merges = train(&text, 500, &found);
	struct bpe *bpe;
	expect_success(bpe_open(merges, found, "test", &bpe));
	for (int round = 0; round < 500; round++) {
		char bytes[3000];
		uint16_t tokens[3000];
		size_t count = rng_below(&rng, sizeof bytes);
		unsigned range = (unsigned)(1 + rng_below(&rng, 256));
		for (size_t i = 0; i < count; i++) bytes[i] = (char)((range < 100 ? 'a' - 90u : 0) + rng_below(&rng, range));
		struct text back = {0};
		size_t made = bpe_encode(bpe, bytes, count, tokens);
		assert_true(made <= count);
		for (size_t i = 0; i < made; i++) assert_true(tokens[i] < BPE_BASE + found);
		bpe_decode(bpe, tokens, made, &back);
		assert_int_equal(back.length, count);
		if (count) assert_memory_equal(back.data, bytes, count);
		text_free(&back);
	}
	free(merges);
	bpe_close(bpe);
	text_free(&text);
}

static void too_little_text(void **state) {
	(void)state;
	struct text text = {0};
	text_add_string(&text, "aaaa aaaa bb");
	size_t found;
	struct bpe_merge *merges = train(&text, 100, &found);
	/* aa 6 times; then (aa)(aa) twice; then the space before it stands once: the end. */
	assert_int_equal(found, 2);
	assert_true(merges[0].left == 'a' && merges[0].right == 'a');
	assert_true(merges[1].left == 256 && merges[1].right == 256);
	free(merges);
	text_free(&text);
}

/* Lists of merges from a hostile file. */
static void impossible_merges(void **state) {
	(void)state;
	struct bpe *bpe;
	struct bpe_merge ahead[] = {{'a', 'b'}, {256, 257}};
	expect_failure(bpe_open(ahead, 2, "F", &bpe), ERROR_DATA, "F: merge 1 of the header's \"merges\": it uses a token");
	assert_null(bpe);
	struct bpe_merge twice[] = {{'a', 'b'}, {'a', 'b'}};
	expect_failure(bpe_open(twice, 2, "F", &bpe), ERROR_DATA, "merged before");
	struct bpe_merge doubling[] = {{'a', 'a'}, {256, 256}, {257, 257}, {258, 258}, {259, 259}, {260, 260}, {261, 261}};
	expect_success(bpe_open(doubling, 6, "F", &bpe));
	bpe_close(bpe);
	expect_failure(bpe_open(doubling, 7, "F", &bpe), ERROR_DATA, "longer than 64 bytes");
}

/* Through the JSON of a header and back. */
static void headers(void **state) {
	(void)state;
	struct bpe_merge merges[] = {{'t', 'h'}, {256, 'e'}, {0, 0}, {255, 255}};
	struct tokenizer tokenizers[] = {
	    {.kind = TOKENIZER_CHAR, .vocab = 96},
	    {.kind = TOKENIZER_BYTE, .vocab = 256},
	    {.kind = TOKENIZER_BPE, .vocab = 260},
	    {.kind = TOKENIZER_SYMBOLS, .vocab = 7},
	};
	expect_success(bpe_open(merges, COUNT_OF(merges), "test", &tokenizers[2].bpe));
	uint64_t hashes[COUNT_OF(tokenizers)];
	for (size_t i = 0; i < COUNT_OF(tokenizers); i++) {
		cJSON *header = cJSON_CreateObject();
		struct tokenizer back;
		expect_success(tokenizer_to_json(&tokenizers[i], header));
		expect_success(tokenizer_from_json(header, "test", &back));
		assert_int_equal(back.kind, tokenizers[i].kind);
		assert_int_equal(back.vocab, tokenizers[i].vocab);
		hashes[i] = tokenizer_hash(&back);
		assert_true(hashes[i] == tokenizer_hash(&tokenizers[i]));
		for (size_t j = 0; j < i; j++) assert_true(hashes[i] != hashes[j]);
		uint16_t tokens[32];
		struct text text = {0};
		if (i < 3) {
			size_t count = tokenizer_encode(&back, "the\nend~", 8, tokens);
			assert_int_equal(count, i == 2 ? 6 : 8);
			tokenizer_decode(&back, tokens, count, &text);
			assert_string_equal(text.data, "the\nend~");
		} else {
			tokenizer_decode(&back, (const uint16_t[]){0, 6, 3}, 3, &text);
			assert_string_equal(text.data, "0 6 3");
		}
		text_free(&text);
		tokenizer_close(&back);
		cJSON_Delete(header);
	}
	tokenizer_close(&tokenizers[2]);
	static const struct {
		const char *json, *part;
	} wrong[] = {
	    {"{\"vocab\": 96}", "tokenizer"},
	    {"{\"tokenizer\": \"word\", \"vocab\": 96}", "unknown \"tokenizer\" 'word'"},
	    {"{\"tokenizer\": \"byte\", \"vocab\": 255}", "\"vocab\" is 255"},
	    {"{\"tokenizer\": \"symbols\", \"vocab\": 65537}", "\"vocab\" is 65537"},
	    {"{\"tokenizer\": \"symbols\", \"vocab\": 2.5}", "\"vocab\" is 2.5"},
	    {"{\"tokenizer\": \"char\", \"vocab\": 96, \"alphabet\": \"abc\"}", "alphabet"},
	    {"{\"tokenizer\": \"bpe\", \"vocab\": 258, \"merges\": [[1,2]]}", "1 \"merges\", expected 2"},
	    {"{\"tokenizer\": \"bpe\", \"vocab\": 257, \"merges\": [[1,2,3]]}", "not a pair"},
	    {"{\"tokenizer\": \"bpe\", \"vocab\": 257, \"merges\": [[1,-2]]}", "not a pair"},
	    {"{\"tokenizer\": \"bpe\", \"vocab\": 257, \"merges\": [[1,70000]]}", "not a pair"},
	    {"{\"tokenizer\": \"bpe\", \"vocab\": 257}", "0 \"merges\""},
	};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		cJSON *header = cJSON_Parse(wrong[i].json);
		struct tokenizer tokenizer;
		assert_non_null(header);
		expect_failure(tokenizer_from_json(header, "F", &tokenizer), ERROR_DATA, wrong[i].part);
		cJSON_Delete(header);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pieces),
	    cmocka_unit_test(merges_follow_the_definition),
	    cmocka_unit_test(codes_follow_the_definition),
	    cmocka_unit_test(lossless),
	    cmocka_unit_test(too_little_text),
	    cmocka_unit_test(impossible_merges),
	    cmocka_unit_test(headers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
