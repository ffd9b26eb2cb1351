/* Cutting text into paragraphs: nothing lost, the same in pieces of any size; keys that ignore white space. */
#include "data/paragraph.h"
#include "tests/support.h"

struct taken {
	struct text all;
	size_t starts[4096], count;
};

static struct error *take(void *context, const char *bytes, size_t count) {
	struct taken *taken = context;
	assert_true(count > 0 && count <= PARAGRAPH_MOST);
	assert_true(taken->count < COUNT_OF(taken->starts));
	taken->starts[taken->count++] = taken->all.length;
	text_add_bytes(&taken->all, bytes, count);
	return text_error(&taken->all);
}

/* The paragraphs of `text` given in pieces of at most `most` bytes. */
static void cut(const struct text *text, size_t most, struct rng *rng, struct taken *taken) {
	struct paragraph_cutter *cutter = calloc(1, sizeof *cutter);
	assert_non_null(cutter);
	cutter->context = taken;
	cutter->take = take;
	for (size_t at = 0; at < text->length;) {
		size_t part = 1 + rng_below(rng, most);
		if (part > text->length - at) part = text->length - at;
		expect_success(paragraph_text(cutter, text->data + at, part));
		at += part;
	}
	expect_success(paragraph_end(cutter));
	free(cutter);
}

static void check_paragraphs(const char *string, const char *const *expected, size_t count) {
	struct text text = {0};
	struct rng rng = rng_make(1, "paragraph");
	struct taken *taken = calloc(1, sizeof *taken);
	text_add_string(&text, string);
	cut(&text, 1000000, &rng, taken);
	assert_int_equal(taken->count, count);
	for (size_t i = 0; i < count; i++) {
		size_t end = i + 1 < count ? taken->starts[i + 1] : taken->all.length;
		assert_int_equal(end - taken->starts[i], strlen(expected[i]));
		assert_memory_equal(taken->all.data + taken->starts[i], expected[i], strlen(expected[i]));
	}
	text_free(&text);
	text_free(&taken->all);
	free(taken);
}

static void known_texts(void **state) {
	(void)state;
#define LONG_LINE                                                                                                      \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"             \
	"01234567890123456789\n"
	check_paragraphs("", NULL, 0);
	check_paragraphs("\n  \n\n", NULL, 0);
	check_paragraphs("one", (const char *const[]){"one"}, 1);
	check_paragraphs("\n\none\ntwo\n\n \t\nthree", (const char *const[]){"one\ntwo\n\n \t\n", "three"}, 2);
	check_paragraphs("one\r\n\r\ntwo\r\n", (const char *const[]){"one\r\n\r\n", "two\r\n"}, 2);
	/* Lines that are not wrapped are paragraphs by themselves, with the blank lines after them. */
	check_paragraphs(
	    "short\n" LONG_LINE "short\nshort\n" LONG_LINE "\n" LONG_LINE,
	    (const char *const[]){"short\n", LONG_LINE, "short\nshort\n", LONG_LINE "\n", LONG_LINE}, 5);
}

/* A random text of lines of all lengths, blank ones too. */
static void random_text(struct rng *rng, struct text *text) {
	text_clear(text);
	for (int lines = 0; lines < 60; lines++) {
		static const int longest[] = {1, 20, 80, 119, 130, 9000, 20000};
		size_t length = rng_below(rng, (uint64_t)longest[rng_below(rng, COUNT_OF(longest))]);
		bool spaces = rng_below(rng, 3) > 0;
		for (size_t i = 0; i < length; i++) text_add_bytes(text, spaces && rng_below(rng, 6) == 0 ? " " : "a", 1);
		if (rng_below(rng, 60)) text_add_string(text, "\n");
	}
}

static void nothing_lost_and_independent_of_pieces(void **state) {
	(void)state;
	struct rng rng = rng_make(2, "paragraph");
	struct text text = {0};
	struct taken *whole = calloc(1, sizeof *whole), *pieces = calloc(1, sizeof *pieces);
	for (int round = 0; round < 60; round++) {
		random_text(&rng, &text);
		*whole = (struct taken){0};
		cut(&text, 100000000, &rng, whole);
		/* All of it but the blank lines in front. */
		assert_true(whole->all.length <= text.length);
		size_t front = text.length - whole->all.length;
		assert_memory_equal(text.data + front, whole->all.data, whole->all.length);
		for (size_t i = 0; i < front; i++) assert_true(text.data[i] == ' ' || text.data[i] == '\n');
		for (size_t most = 1; most < 100000; most = most * 7 + 1) {
			*pieces = (struct taken){0};
			cut(&text, most, &rng, pieces);
			assert_int_equal(pieces->count, whole->count);
			assert_memory_equal(pieces->starts, whole->starts, whole->count * sizeof *whole->starts);
			text_free(&pieces->all);
		}
		text_free(&whole->all);
	}
	text_free(&text);
	free(whole);
	free(pieces);
}

/* A line that is too long is cut before a space when there is one. */
static void long_lines_are_cut_at_spaces(void **state) {
	(void)state;
	struct text text = {0};
	struct rng rng = rng_make(3, "paragraph");
	struct taken *taken = calloc(1, sizeof *taken);
	for (int i = 0; i < 5000; i++) text_add_string(&text, "word ");
	cut(&text, 5000, &rng, taken);
	assert_true(taken->count >= 3);
	for (size_t i = 1; i < taken->count; i++) assert_int_equal(taken->all.data[taken->starts[i]], ' ');
	/* The rest of it is still a line that is not wrapped. */
	text_free(&taken->all);
	*taken = (struct taken){0};
	text_clear(&text);
	for (int i = 0; i < PARAGRAPH_MOST + 20; i++) text_add_string(&text, "x");
	text_add_string(&text, "\nshort\n");
	cut(&text, 5000, &rng, taken);
	assert_int_equal(taken->count, 3);
	assert_int_equal(taken->starts[1], PARAGRAPH_MOST);
	assert_int_equal(taken->starts[2], PARAGRAPH_MOST + 21);
	text_free(&text);
	text_free(&taken->all);
	free(taken);
}

static void keys(void **state) {
	(void)state;
	const char *one = "The quick brown fox jumps over the lazy dog, and then it jumps once more.\n\n";
	const char *wrapped = "  The quick brown fox\r\n\tjumps over   the lazy dog,\nand then it jumps once more.";
	const char *other = "The quick brown fox jumps over the lazy dog, and then it jumps once mode.";
	uint64_t key[3];
	assert_true(paragraph_key(one, strlen(one), &key[0]));
	assert_true(paragraph_key(wrapped, strlen(wrapped), &key[1]));
	assert_true(paragraph_key(other, strlen(other), &key[2]));
	assert_true(key[0] == key[1]);
	assert_true(key[0] != key[2]);
	/* 63 bytes with single spaces are too short, 64 are not. */
	char sixty_four[PARAGRAPH_LEAST];
	memset(sixty_four, 'x', sizeof sixty_four);
	assert_true(paragraph_key(sixty_four, PARAGRAPH_LEAST, &key[0]));
	assert_false(paragraph_key(sixty_four, PARAGRAPH_LEAST - 1, &key[0]));
	memset(sixty_four + 1, ' ', 2);
	assert_false(paragraph_key(sixty_four, PARAGRAPH_LEAST, &key[0]));
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_texts),
	    cmocka_unit_test(nothing_lost_and_independent_of_pieces),
	    cmocka_unit_test(long_lines_are_cut_at_spaces),
	    cmocka_unit_test(keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
