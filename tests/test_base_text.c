/* Growable strings, numbers for people, shortest decimals, nearest names. */
#include "tests/support.h"

#include <math.h>

static void strings_grow(void **state) {
	(void)state;
	struct text text = {0};
	static char expected[200000];
	size_t length = 0;
	for (int i = 0; i < 5000; i++) {
		text_add(&text, "%d:%s,", i, i % 3 ? "ab" : "");
		length += (size_t)snprintf(expected + length, sizeof expected - length, "%d:%s,", i, i % 3 ? "ab" : "");
		text_add_string(&text, "é");
		length += (size_t)snprintf(expected + length, sizeof expected - length, "é");
		assert_true(text.data[text.length] == '\0');
	}
	expect_success(text_error(&text));
	assert_int_equal(text.length, length);
	assert_string_equal(text.data, expected);

	const char *data = text.data;
	text_clear(&text);
	assert_ptr_equal(text.data, data);
	assert_int_equal(text.length, 0);
	assert_string_equal(text.data, "");
	text_add_bytes(&text, "a\0b", 3);
	assert_int_equal(text.length, 3);
	assert_memory_equal(text.data, "a\0b", 4);
	text_free(&text);
	assert_null(text.data);
	text_clear(&text); /* of nothing */
	text_add_bytes(&text, NULL, 0);
	assert_string_equal(text.data, "");
	text_free(&text);
}

/* The bytes of a code point, by the arithmetic of RFC 3629. */
static size_t encode(uint32_t code, unsigned char out[4]) {
	if (code < 0x80) return out[0] = (unsigned char)code, 1;
	const size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = length - 1; i > 0; i--, code >>= 6) out[i] = (unsigned char)(0x80 | (code & 0x3f));
	out[0] = (unsigned char)((0xf00u >> length & 0xff) | code);
	return length;
}

/* Every character, every character cut short, and every pair of bytes that no character begins with. */
static void characters_are_told_from_bytes(void **state) {
	(void)state;
	static unsigned char length_of[256][256]; /* of the characters that begin with these two bytes; 0: none */
	for (uint32_t code = 0; code < 0x110000; code++) {
		unsigned char bytes[4] = {0};
		if (code >= 0xd800 && code < 0xe000) continue; /* surrogates */
		const size_t length = encode(code, bytes);
		for (size_t room = 0; room <= 4; room++)
			assert_int_equal(utf8_length((const char *)bytes, room), room < length ? 0 : length);
		if (length > 1) length_of[bytes[0]][bytes[1]] = (unsigned char)length;
		for (size_t i = 1; i < length; i++) {
			const unsigned char kept = bytes[i];
			bytes[i] = code & 1 ? 0x7f : 0xc0;
			assert_int_equal(utf8_length((const char *)bytes, length), 0);
			bytes[i] = kept;
		}
	}
	for (int first = 0x80; first < 256; first++)
		for (int second = 0; second < 256; second++) {
			const char bytes[4] = {(char)first, (char)second, (char)0x80, (char)0x80};
			assert_int_equal(utf8_length(bytes, 4), length_of[first][second]);
		}
}

static void a_failure_is_remembered(void **state) {
	(void)state;
	struct text text = {0};
	text_add_string(&text, "kept");
	text_add_bytes(&text, "x", SIZE_MAX - 2); /* more than any memory: length + count overflows */
	assert_true(text.failed);
	text_add_string(&text, "too late");
	assert_string_equal(text.data, "kept");
	expect_failure(text_error(&text), ERROR_FAILED, "out of memory");
	struct text whole = {0}, fine = {0};
	assert_string_equal(text_part(&fine, &whole), "");
	assert_false(whole.failed);
	assert_string_equal(text_part(&text, &whole), "kept");
	assert_true(whole.failed); /* though each of its own pieces found room */
	text_free(&text);
}

struct human_case {
	double value;
	const char *expected;
};

static void numbers_for_people(void **state) {
	(void)state;
	static const struct human_case counts[] = {
	    {0, "0"},         {7, "7"},         {999, "999"},   {1000, "1k"},     {1234, "1.2k"},   {49152, "49.2k"},
	    {99950, "100k"},  {983040, "983k"}, {999600, "1M"}, {1.2e6, "1.2M"},  {20e6, "20M"},    {1.5e9, "1.5G"},
	    {2.5e12, "2.5T"}, {1e18, "1E"},     {0.25, "0.25"}, {-1500, "-1.5k"}, {1e30, "1e+12E"}, {NAN, "nan"},
	};
	static const struct human_case bytes[] = {
	    {0, "0 B"},        {512, "512 B"},     {1023, "1023 B"},          {1024, "1 KiB"},
	    {1536, "1.5 KiB"}, {1048575, "1 MiB"}, {3.4 * 0x1p30, "3.4 GiB"}, {0x1p40, "1 TiB"},
	};
	static const struct human_case seconds[] = {
	    {0, "0 s"},
	    {0.0123, "12.3 ms"},
	    {0.9999, "1.0 s"},
	    {3.44, "3.4 s"},
	    {48, "48 s"},
	    {59.4, "59 s"},
	    {59.7, "1 min 00 s"},
	    {125, "2 min 05 s"},
	    {3599.4, "59 min 59 s"},
	    {3599.7, "1 h 00 min"},
	    {4800, "1 h 20 min"},
	    {86400, "1 d 00 h"},
	    {90 * 3600.0, "3 d 18 h"},
	    {-125, "-2 min 05 s"},
	    {INFINITY, "inf s"},
	};
	char out[HUMAN_SIZE];
	for (size_t i = 0; i < COUNT_OF(counts); i++)
		assert_string_equal(human_count(counts[i].value, out), counts[i].expected);
	for (size_t i = 0; i < COUNT_OF(bytes); i++)
		assert_string_equal(human_bytes(bytes[i].value, out), bytes[i].expected);
	for (size_t i = 0; i < COUNT_OF(seconds); i++)
		assert_string_equal(human_seconds(seconds[i].value, out), seconds[i].expected);
	/* Whatever the value, the buffer is enough and the string ends. */
	struct rng rng = rng_make(1, "human");
	for (int i = 0; i < 20000; i++) {
		uint64_t bits = rng_next(&rng);
		double value;
		memcpy(&value, &bits, sizeof value);
		assert_true(strlen(human_count(value, out)) < HUMAN_SIZE);
		assert_true(strlen(human_bytes(value, out)) < HUMAN_SIZE);
		assert_true(strlen(human_seconds(value, out)) < HUMAN_SIZE);
	}
}

static void decimals_read_back(void **state) {
	(void)state;
	static const struct human_case cases[] = {
	    {0.1, "0.1"},
	    {1e-5, "1e-05"},
	    {100, "100"},
	    {1e6, "1000000"},
	    {-2.5, "-2.5"},
	    {NAN, "nan"},
	    {-NAN, "nan"},
	    {INFINITY, "inf"},
	    {-INFINITY, "-inf"},
	    {0x1p53, "9007199254740992"},
	    {0.1 + 0.2, "0.30000000000000004"},
	    {-0.0, "-0"},
	    {5e-324, "4.94065645841247e-324"},
	};
	char out[HUMAN_SIZE], shorter[400];
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_string_equal(number_text(cases[i].value, out), cases[i].expected);
	struct rng rng = rng_make(1, "decimals");
	for (int i = 0; i < 100000; i++) {
		uint64_t bits = rng_next(&rng), back_bits;
		double value, back;
		memcpy(&value, &bits, sizeof value);
		if (isnan(value)) continue;
		back = strtod(number_text(value, out), NULL);
		memcpy(&back_bits, &back, sizeof back);
		assert_true(bits == back_bits);
		/* No shorter one would do, from the 15 digits on that every double keeps. */
		int digits = 0;
		for (const char *c = out + strspn(out, "-0."); *c && *c != 'e'; c++) digits += *c >= '0' && *c <= '9';
		if (digits <= 15) continue;
		snprintf(shorter, sizeof shorter, "%.*g", digits - 1, value);
		assert_true(strtod(shorter, NULL) != value);
	}
}

struct named {
	const char *name;
	int other;
};

static void nearest_names(void **state) {
	(void)state;
	static const struct named rows[] = {
	    {"width", 0},  {"depth", 0},
	    {"tokens", 0}, {"eval-tokens", 0},
	    {"rate", 0},   {"a-name-that-is-longer-than-any-that-a-person-would-ever-want-to-type-in-full", 0}};
	static const char *const cases[][2] = {
	    {"witdh", "width"},
	    {"widht", "width"},
	    {"width", "width"},
	    {"wdth", "width"},
	    {"dept", "depth"},
	    {"tok", "tokens"},
	    {"evaltokens", "eval-tokens"},
	    {"eval-token", "eval-tokens"},
	    {"rtae", "rate"},
	    {"rat", "rate"},
	    {"x", NULL},
	    {"", NULL},
	    {"banana", NULL},
	    {"wide-open-spaces", NULL},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *found = nearest_name(cases[i][0], rows, COUNT_OF(rows), sizeof rows[0]);
		if (cases[i][1])
			assert_non_null(found);
		else
			assert_null(found);
		if (found) assert_string_equal(found, cases[i][1]);
	}
	char longest[500];
	memset(longest, 'a', sizeof longest);
	longest[sizeof longest - 1] = '\0';
	assert_null(nearest_name(longest, rows, COUNT_OF(rows), sizeof rows[0]));
	assert_null(nearest_name("width", rows, 0, sizeof rows[0]));
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(strings_grow),
	    cmocka_unit_test(characters_are_told_from_bytes),
	    cmocka_unit_test(a_failure_is_remembered),
	    cmocka_unit_test(numbers_for_people),
	    cmocka_unit_test(decimals_read_back),
	    cmocka_unit_test(nearest_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
