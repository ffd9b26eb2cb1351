/* Folding to ASCII: known texts, every character of Unicode, damaged UTF-8, and pieces of any size. */
#include "data/fold.h"
#include "tests/support.h"

/* The folded text of a string, in one piece; the caller frees it. */
static char *folded(const char *bytes, size_t count, struct fold *fold) {
	char *out = calloc(FOLD_ROOM(count) + 1, 1);
	assert_non_null(out);
	*fold = (struct fold){0};
	size_t length = fold_bytes(fold, bytes, count, out);
	length += fold_end(fold, out + length);
	assert_true(length <= FOLD_ROOM(count));
	out[length] = '\0';
	return out;
}

static void known_texts(void **state) {
	(void)state;
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"plain text, 95 of them: ~!@#\n", "plain text, 95 of them: ~!@#\n"},
	    {"\xef\xbb\xbf"
	     "byte order mark",
	     "byte order mark"},
	    {"\u201cHello\u201d \u2018she\u2019s\u2019 here\u2026", "\"Hello\" 'she's' here..."},
	    {"na\u00efve caf\u00e9 \u00c6sop \u0153uvre stra\u00dfe \u00deor", "naive cafe AEsop oeuvre strasse Thor"},
	    {"1914\u20131918 \u2014 e\u2011mail \u22125", "1914-1918 -- e-mail -5"},
	    {"\ufb01ne \ufb02ow e\ufb03cient", "fine flow efficient"},
	    {"a\u00a0b\u2003c\u3000d", "a b c d"},
	    {"e\u0301 co\u00adop\u200berate", "e cooperate"},
	    {"\u0141\u00f3d\u017a \u0110uro \u1ec7 \u01ce", "Lodz Duro e a"},
	    {"\u00bd \u00d7 3\u00b0 \u2264 \u20ac5 \u2122", "1/2 x 3deg <= EUR5 TM"},
	    {"\uff21\uff5e", "A~"},
	    {"a\tb\r\nc\rd\n\re\r\r\nf", "a b\nc\nd\n\ne\n\nf"},
	    {"line\u2028next\u2029last\fpage", "line\nnext\nlast\npage"},
	    {"\x93quoted\x94 caf\xe9 \x85 \x80", "\"quoted\" cafe ... EUR"}, /* Windows-1252 */
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct fold fold;
		char *out = folded(cases[i].in, strlen(cases[i].in), &fold);
		assert_string_equal(out, cases[i].out);
		assert_int_equal(fold.dropped, 0);
		free(out);
	}
}

static void counts(void **state) {
	(void)state;
	/* Two Greek letters, two Chinese ones, a control character, two bytes of Windows-1252 of which it has one. */
	const char *in = "\u0391\u0392 x\u00e9 \u65e5\u672c \x01\xff\x81";
	struct fold fold;
	char *out = folded(in, strlen(in), &fold);
	assert_string_equal(out, " xe  y");
	assert_int_equal(fold.dropped, 6);
	assert_int_equal(fold.approximate, 2);
	assert_int_equal(fold.not_utf8, 2);
	free(out);
}

static size_t encode_utf8(uint32_t code, char out[4]) {
	if (code < 0x80) return out[0] = (char)code, 1;
	if (code < 0x800) return out[0] = (char)(0xc0 | code >> 6), out[1] = (char)(0x80 | (code & 63)), 2;
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 63));
		out[2] = (char)(0x80 | (code & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 63));
	out[2] = (char)(0x80 | (code >> 6 & 63));
	out[3] = (char)(0x80 | (code & 63));
	return 4;
}

static void every_character(void **state) {
	(void)state;
	for (uint32_t code = 0; code <= 0x10ffff; code++) {
		char bytes[4], out[FOLD_ROOM(4)], direct[FOLD_LONGEST];
		if (code >= 0xd800 && code < 0xe000) continue;
		size_t count = encode_utf8(code, bytes);
		struct fold fold = {0};
		size_t length = fold_bytes(&fold, bytes, count, out);
		if (fold.not_utf8 || fold.pending_count) fail_msg("U+%04X is taken for invalid UTF-8", code);
		assert_true(length <= 4 * count);
		for (size_t i = 0; i < length; i++)
			if (out[i] != '\n' && (out[i] < ' ' || out[i] > '~')) fail_msg("U+%04X becomes byte %d", code, out[i]);
		if (code < 0x80) continue;
		int expected = fold_character(code, direct);
		assert_int_equal(fold.dropped, expected < 0);
		assert_int_equal(length, expected < 0 ? 0 : expected);
		assert_memory_equal(out, direct, length);
	}
}

/* Long forms, surrogates, characters beyond the last, lone and missing continuation bytes: none is a character. */
static void invalid_utf8(void **state) {
	(void)state;
	static const struct {
		const char *bytes;
		size_t count, invalid;
	} cases[] = {
	    {"\xc0\x80", 2, 2},
	    {"\xc1\xbf", 2, 2},
	    {"\xe0\x9f\xbf", 3, 3},
	    {"\xed\xa0\x80", 3, 3},
	    {"\xf0\x8f\xbf\xbf", 4, 4},
	    {"\x80", 1, 1},
	    {"\xe2\x80", 2, 2},
	    {"\xf4\x90\x80\x80", 4, 4},
	    {"\xf5", 1, 1},
	    {"\xe2(\xa1", 3, 2},
	    {"\xc3", 1, 1},
	    {"\xf0\x9f\x98", 3, 3},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct fold fold;
		free(folded(cases[i].bytes, cases[i].count, &fold));
		assert_int_equal(fold.not_utf8, cases[i].invalid);
	}
}

/* However the bytes are cut, the result is the same. */
static void pieces_of_any_size(void **state) {
	(void)state;
	static const char *const parts[] = {"plain ", "\u00e9", "\u2026",   "\U0001f600", "\r",    "\n",
	                                    "\r\n",   "\xff",   "\xe2\x80", "\xf0",       "\u201c"};
	struct rng rng = rng_make(1, "fold");
	for (int round = 0; round < 2000; round++) {
		struct text text = {0};
		for (int i = 0; i < 20; i++) text_add_string(&text, parts[rng_below(&rng, COUNT_OF(parts))]);
		struct fold whole_fold, fold = {0};
		char *whole = folded(text.data, text.length, &whole_fold), out[FOLD_ROOM(16)];
		size_t done = 0;
		for (size_t at = 0; at < text.length;) {
			size_t part = 1 + rng_below(&rng, 16);
			if (part > text.length - at) part = text.length - at;
			size_t length = fold_bytes(&fold, text.data + at, part, out);
			assert_memory_equal(out, whole + done, length);
			done += length;
			at += part;
		}
		size_t length = fold_end(&fold, out);
		assert_memory_equal(out, whole + done, length);
		assert_int_equal(done + length, strlen(whole));
		assert_int_equal(fold.not_utf8, whole_fold.not_utf8);
		assert_int_equal(fold.dropped, whole_fold.dropped);
		free(whole);
		text_free(&text);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_texts),        cmocka_unit_test(counts),
	    cmocka_unit_test(every_character),    cmocka_unit_test(invalid_utf8),
	    cmocka_unit_test(pieces_of_any_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
