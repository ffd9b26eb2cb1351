/* Files as streams: plain, gzip, zstd, in reads of any size; damaged and truncated ones; formats of others. */
#include "data/input.h"
#include "tests/folder_fixture.h"

#include <fcntl.h>
#include <zlib.h>
#include <zstd.h>

/* Text that compresses to something, of many buffers' size. */
static struct text sample(size_t bytes) {
	struct text text = {0};
	struct rng rng = rng_make(1, "input");
	while (text.length < bytes) text_add(&text, "%llx ", (unsigned long long)rng_next(&rng) >> 40);
	return text;
}

static void gzip(const void *bytes, size_t count, struct text *out) {
	z_stream stream = {0};
	unsigned char *packed = malloc(count + 1000);
	assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	stream.next_in = (unsigned char *)(uintptr_t)bytes;
	stream.avail_in = (uInt)count;
	stream.next_out = packed;
	stream.avail_out = (uInt)count + 1000;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	text_add_bytes(out, packed, stream.total_out);
	deflateEnd(&stream);
	free(packed);
}

static void zstd(const void *bytes, size_t count, struct text *out) {
	size_t room = ZSTD_compressBound(count);
	void *packed = malloc(room);
	size_t size = ZSTD_compress(packed, room, bytes, count, 3);
	assert_false(ZSTD_isError(size));
	text_add_bytes(out, packed, size);
	free(packed);
}

static char *write_file(const struct text *content) {
	char *path = path_join(folder, "file");
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(content->data ? content->data : "", 1, content->length, file), content->length);
	assert_int_equal(fclose(file), 0);
	return path;
}

/* Reads it all, `room` bytes at a time at most. */
static struct error *read_all(const char *path, size_t room, struct text *out) {
	struct input *input;
	TRY(input_open(path, &input));
	char *piece = malloc(room);
	struct error *error;
	size_t count;
	do {
		error = input_read(input, piece, room, &count);
		if (!error) text_add_bytes(out, piece, count);
	} while (!error && count > 0);
	free(piece);
	input_close(input);
	return error;
}

static void check_reads(const struct text *file, const struct text *expected) {
	static const size_t rooms[] = {1000000, 4097, 13};
	char *path = write_file(file);
	for (size_t i = 0; i < COUNT_OF(rooms); i++) {
		struct text out = {0};
		expect_success(read_all(path, rooms[i], &out));
		assert_int_equal(out.length, expected->length);
		assert_memory_equal(out.data, expected->data, out.length);
		text_free(&out);
	}
	free(path);
}

static void plain_and_compressed(void **state) {
	(void)state;
	struct text text = sample(700000), file = {0};
	check_reads(&text, &text);
	gzip(text.data, text.length, &file);
	check_reads(&file, &text);
	text_clear(&file);
	zstd(text.data, text.length, &file);
	check_reads(&file, &text);
	/* Several members or frames in a row, empty ones and padding among them. */
	text_clear(&file);
	gzip(text.data, 300000, &file);
	gzip("", 0, &file);
	gzip(text.data + 300000, text.length - 300000, &file);
	text_add_bytes(&file, "\0\0\0\0\0", 5);
	check_reads(&file, &text);
	text_clear(&file);
	text_add_bytes(&file, "\x5a\x2a\x4d\x18\3\0\0\0abc", 11); /* a skippable frame */
	zstd(text.data, 300000, &file);
	zstd("", 0, &file);
	zstd(text.data + 300000, text.length - 300000, &file);
	check_reads(&file, &text);
	text_free(&file);
	text_free(&text);
}

static void empty_and_tiny_files(void **state) {
	(void)state;
	for (size_t count = 0; count < 12; count++) {
		struct text text = {0};
		text_add_bytes(&text, "hello world!", count);
		check_reads(&text, &text);
		text_free(&text);
	}
}

/* In place, which no file system hurries to sync. */
static void change_byte(const char *path, size_t at, char flip) {
	char byte;
	int file = open(path, O_RDWR);
	assert_int_equal(pread(file, &byte, 1, (off_t)at), 1);
	byte ^= flip;
	assert_int_equal(pwrite(file, &byte, 1, (off_t)at), 1);
	close(file);
}

/* Every truncation and every damaged byte gives the right bytes or an error, never other bytes. */
static void truncated_and_damaged(void **state) {
	(void)state;
	struct text text = sample(600), file = {0}, out = {0};
	for (int kind = 0; kind < 2; kind++) {
		text_clear(&file);
		if (kind == 0)
			gzip(text.data, text.length, &file);
		else {
			ZSTD_CCtx *packer = ZSTD_createCCtx();
			char packed[2000];
			ZSTD_CCtx_setParameter(packer, ZSTD_c_checksumFlag, 1);
			text_add_bytes(&file, packed, ZSTD_compress2(packer, packed, sizeof packed, text.data, text.length));
			ZSTD_freeCCtx(packer);
		}
		char *path = write_file(&file);
		for (size_t i = 4; i < file.length; i++) {
			change_byte(path, i, 0x10);
			text_clear(&out);
			struct error *error = read_all(path, 100, &out);
			if (error)
				assert_int_equal(error->kind, ERROR_DATA);
			else /* bytes that mean nothing, such as the time in a gzip header */
				assert_true(out.length == text.length && memcmp(out.data, text.data, out.length) == 0);
			error_free(error);
			change_byte(path, i, 0x10);
		}
		for (size_t length = file.length; length-- > 4;) {
			assert_int_equal(truncate(path, (off_t)length), 0);
			text_clear(&out);
			expect_failure(read_all(path, 100, &out), ERROR_DATA, "it is truncated");
		}
		free(path);
	}
	text_free(&text);
	text_free(&file);
	text_free(&out);
}

static void garbage_after_gzip(void **state) {
	(void)state;
	struct text file = {0}, out = {0};
	gzip("abc", 3, &file);
	text_add_string(&file, "garbage");
	char *path = write_file(&file);
	expect_failure(read_all(path, 100, &out), ERROR_DATA, "damaged gzip data at or before byte");
	free(path);
	text_free(&file);
	text_free(&out);
}

/* 1 GB of zeros in some kilobytes: read without holding it. */
static void a_bomb_takes_no_memory(void **state) {
	(void)state;
	struct text file = {0};
	size_t part = (size_t)16 << 20;
	char *zeros = calloc(part, 1), *piece = malloc(1 << 20);
	struct text packed = {0};
	zstd(zeros, part, &packed);
	for (int i = 0; i < 64; i++) text_add_bytes(&file, packed.data, packed.length);
	char *path = write_file(&file);
	double before = peak_memory_bytes();
	struct input *input;
	expect_success(input_open(path, &input));
	uint64_t total = 0;
	size_t count;
	do {
		expect_success(input_read(input, piece, 1 << 20, &count));
		total += count;
	} while (count > 0);
	assert_true(total == (uint64_t)64 << 24);
	assert_true(peak_memory_bytes() - before < 64e6);
	input_close(input);
	free(zeros);
	free(piece);
	free(path);
	text_free(&packed);
	text_free(&file);
}

/* A frame that asks for a window of 256 MiB is refused before anything is allocated for it. */
static void a_window_too_large(void **state) {
	(void)state;
	ZSTD_CCtx *packer = ZSTD_createCCtx();
	struct text file = {0}, out = {0};
	char packed[1000];
	ZSTD_outBuffer to = {packed, sizeof packed, 0};
	ZSTD_inBuffer from = {"abc", 3, 0};
	ZSTD_CCtx_setParameter(packer, ZSTD_c_windowLog, 28);
	ZSTD_CCtx_setParameter(packer, ZSTD_c_hashLog, 10);
	ZSTD_CCtx_setParameter(packer, ZSTD_c_chainLog, 10);
	/* Without the size of the content the window stays as it was asked for. */
	ZSTD_compressStream2(packer, &to, &from, ZSTD_e_flush);
	from = (ZSTD_inBuffer){"", 0, 0};
	assert_int_equal(ZSTD_compressStream2(packer, &to, &from, ZSTD_e_end), 0);
	text_add_bytes(&file, packed, to.pos);
	char *path = write_file(&file);
	expect_failure(read_all(path, 100, &out), ERROR_DATA, "window beyond 128 MiB");
	free(path);
	ZSTD_freeCCtx(packer);
	text_free(&file);
	text_free(&out);
}

static void formats_of_others(void **state) {
	(void)state;
	static const struct {
		const char *bytes;
		size_t count;
		const char *name;
	} cases[] = {
	    {"\xfd"
	     "7zXZ\0\0",
	     7, "xz"},
	    {"BZh91AY&SY", 10, "bzip2"},
	    {"PK\3\4....", 8, "zip"},
	    {"%PDF-1.7\n", 9, "PDF"},
	    {"PAR1....", 8, "Parquet"},
	    {"RUNGCORP....", 12, "corpus"},
	    {"\xff\xfeh\0i\0", 6, "UTF-16"},
	    {"PK", 2, NULL},
	    {"plain text", 10, NULL},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct text file = {0};
		text_add_bytes(&file, cases[i].bytes, cases[i].count);
		char *path = write_file(&file);
		struct input *input;
		expect_success(input_open(path, &input));
		if (cases[i].name)
			assert_non_null(strstr(input_foreign(input), cases[i].name));
		else
			assert_null(input_foreign(input));
		input_close(input);
		free(path);
		text_free(&file);
	}
}

static void what_cannot_be_opened(void **state) {
	(void)state;
	struct input *input;
	char *missing = path_join(folder, "missing");
	expect_failure(input_open(missing, &input), ERROR_FAILED, "missing");
	assert_null(input);
	expect_failure(input_open(folder, &input), ERROR_DATA, "is a folder");
	free(missing);
}

/* "-" is standard input, and a pipe gives its bytes in dribs and drabs. */
static void standard_input(void **state) {
	(void)state;
	struct text text = sample(5000), file = {0}, out = {0};
	gzip(text.data, text.length, &file);
	int ends[2], before = dup(STDIN_FILENO);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	pid_t child = fork();
	if (child == 0) {
		for (size_t i = 0; i < file.length; i++)
			if (write(ends[1], file.data + i, 1) != 1) _exit(1);
		_exit(0);
	}
	close(ends[0]);
	close(ends[1]);
	expect_success(read_all("-", 1000, &out));
	assert_int_equal(out.length, text.length);
	assert_memory_equal(out.data, text.data, text.length);
	dup2(before, STDIN_FILENO);
	close(before);
	text_free(&text);
	text_free(&file);
	text_free(&out);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plain_and_compressed),   cmocka_unit_test(empty_and_tiny_files),
	    cmocka_unit_test(truncated_and_damaged),  cmocka_unit_test(garbage_after_gzip),
	    cmocka_unit_test(a_bomb_takes_no_memory), cmocka_unit_test(a_window_too_large),
	    cmocka_unit_test(formats_of_others),      cmocka_unit_test(what_cannot_be_opened),
	    cmocka_unit_test(standard_input),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
