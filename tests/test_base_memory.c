/* Arenas hand out aligned, zeroed, separate pieces and never more than they have; arrays grow and keep what they hold. */
#include "tests/support.h"

static void padding(void **state) {
	(void)state;
	for (size_t bytes = 0; bytes < 1000; bytes++) {
		size_t padded = arena_padded(bytes);
		assert_true(padded >= bytes && padded < bytes + ALIGNMENT);
		assert_int_equal(padded % ALIGNMENT, 0);
	}
}

static void pieces_are_apart(void **state) {
	(void)state;
	struct rng rng = rng_make(1, "memory");
	enum { PIECES = 200 };
	size_t sizes[PIECES], total = 0;
	unsigned char *pieces[PIECES];
	for (int i = 0; i < PIECES; i++) {
		sizes[i] = i == 7 ? 0 : (size_t)rng_below(&rng, 5000);
		total += arena_padded(sizes[i]);
	}
	struct arena arena;
	expect_success(arena_open(&arena, total));
	for (int i = 0; i < PIECES; i++) {
		pieces[i] = arena_take(&arena, sizes[i]);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % ALIGNMENT, 0);
		for (size_t j = 0; j < sizes[i]; j++) assert_int_equal(pieces[i][j], 0);
		memset(pieces[i], i + 1, sizes[i]);
	}
	for (int i = 0; i < PIECES; i++)
		for (size_t j = 0; j < sizes[i]; j++) assert_int_equal(pieces[i][j], (unsigned char)(i + 1));
	assert_int_equal(arena.used, total);
	assert_null(arena_take(&arena, 1));
	assert_null(arena_take(&arena, SIZE_MAX));
	arena_close(&arena);
	assert_null(arena.base);
	arena_close(&arena); /* closing what is closed does nothing */
}

static void impossible_sizes(void **state) {
	(void)state;
	struct arena arena;
	expect_failure(arena_open(&arena, SIZE_MAX), ERROR_FAILED, "out of memory");
	expect_failure(arena_open(&arena, (size_t)1 << 60), ERROR_FAILED, "out of memory: 1024 PiB");
	expect_success(arena_open(&arena, 0));
	arena_close(&arena);
	assert_null(array_new(SIZE_MAX / 8 + 2, 8)); /* 8 bytes, were it not for the carry */
	void *items = NULL;
	size_t capacity = 0;
	expect_failure(array_reserve(&items, &capacity, SIZE_MAX / 8 + 2, 8), ERROR_FAILED, "out of memory");
	assert_null(items);
	assert_int_equal(capacity, 0);
}

static void arrays_grow(void **state) {
	(void)state;
	int *items = NULL;
	size_t capacity = 0, moves = 0;
	for (size_t count = 0; count < 100000; count++) {
		size_t before = capacity;
		expect_success(array_reserve((void **)&items, &capacity, count + 1, sizeof *items));
		assert_true(capacity > count);
		moves += capacity != before;
		items[count] = (int)(count * 7);
	}
	for (size_t i = 0; i < 100000; i++) assert_int_equal(items[i], (int)(i * 7));
	assert_true(moves < 20); /* by doubling, not one by one */
	free(items);
	unsigned char *zeroed = array_new(3000, 3);
	for (int i = 0; i < 9000; i++) assert_int_equal(zeroed[i], 0);
	free(zeroed);
	void *nothing = array_new(0, 8); /* NULL would mean failure */
	assert_non_null(nothing);
	free(nothing);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(padding),
	    cmocka_unit_test(pieces_are_apart),
	    cmocka_unit_test(impossible_sizes),
	    cmocka_unit_test(arrays_grow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
