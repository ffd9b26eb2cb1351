/* XXH64 against tests/reference/random.py, which is written from its specification; hashes as text. */
#include "tests/support.h"

static void published_and_reference_values(void **state) {
	(void)state;
	static const struct {
		size_t count;
		uint64_t plain, seeded;
	} cases[] = {
	    {0, 0xef46db3751d8e999, 0xac75fda2929b17ef},   {1, 0xa96c7f0ce858bbb7, 0x84e535b36672440d},
	    {3, 0xbed43740ee6332bb, 0x00b77b485431ce5d},   {4, 0xfa212ae44b3bb23d, 0x60492c4bfcb70cac},
	    {8, 0x994b676b71ce94dd, 0xf424edebfea8d23f},   {31, 0x6711d55e306b5d8f, 0xfa1259cc8b20eb58},
	    {32, 0x07f7b8e3bc5d6e25, 0x920f3e10a5db09c6},  {33, 0x09f85eeb4e1cbe9f, 0x3d805e8712cb4890},
	    {100, 0x9ddada11d3dc2d8f, 0x5766be6782b96389}, {1000, 0x0bf0bdbcc82eb373, 0xb43e358553049780},
	};
	unsigned char bytes[1000];
	for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 131 + 7);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(hash_bytes(bytes, cases[i].count, 0) == cases[i].plain);
		assert_true(hash_bytes(bytes, cases[i].count, 0x9e3779b1) == cases[i].seeded);
	}
	assert_true(hash_bytes("abc", 3, 0) == 0x44bc2cf5ad770999); /* XXH64("abc"), as published */
}

static void hexadecimal(void **state) {
	(void)state;
	char hex[HASH_HEX_SIZE];
	uint64_t back;
	assert_string_equal(hash_hex(0x00b77b485431ce5d, hex), "00b77b485431ce5d");
	struct rng rng = rng_make(1, "hex");
	for (int i = 0; i < 1000; i++) {
		uint64_t hash = rng_next(&rng) >> (i % 64);
		assert_true(hash_from_hex(hash_hex(hash, hex), &back));
		assert_true(back == hash);
	}
	static const char *const wrong[] = {
	    "",
	    "00b77b485431ce5",
	    "00b77b485431ce5dd",
	    "00B77b485431ce5d",
	    " 0b77b485431ce5d",
	    "00b77b485431ce5g",
	    "0x00000000000000",
	};
	back = 5;
	for (size_t i = 0; i < COUNT_OF(wrong); i++) assert_false(hash_from_hex(wrong[i], &back));
	assert_int_equal(back, 5);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(published_and_reference_values),
	    cmocka_unit_test(hexadecimal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
