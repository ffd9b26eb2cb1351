/* Files and folders as documents: order, what counts as a file, JSON lines and their errors. */
#include "data/documents.h"
#include "tests/folder_fixture.h"

#include <sys/stat.h>

static char *put_bytes(const char *name, const void *bytes, size_t count) {
	char *path = path_join(folder, name);
	expect_success(file_write(path, bytes, count));
	return path;
}

static char *put(const char *name, const char *content) {
	return put_bytes(name, content, strlen(content));
}

/* What arrives, as "[name format]document|document|". */
struct seen {
	struct text text;
	size_t files;
};

static struct error *on_file(void *context, const char *name, const char *format) {
	struct seen *seen = context;
	const char *slash = strrchr(name, '/');
	text_add(&seen->text, "[%s %s]", slash ? slash + 1 : name, format);
	seen->files++;
	return NULL;
}

static struct error *on_text(void *context, const char *bytes, size_t count) {
	text_add_bytes(&((struct seen *)context)->text, bytes, count);
	return NULL;
}

static struct error *on_end(void *context) {
	text_add_string(&((struct seen *)context)->text, "|");
	return NULL;
}

static struct error *read_paths(
    const char *const *paths, int count, struct documents_options options, struct seen *seen,
    struct documents_report *report) {
	struct documents_sink sink = {.context = seen, .file = on_file, .text = on_text, .end = on_end};
	if (!options.field) options.field = "text";
	*seen = (struct seen){0};
	text_add_string(&seen->text, "");
	return documents_read(paths, count, &options, &sink, report);
}

/* Reads one path and compares. */
static void check(const char *path, struct documents_options options, const char *expected) {
	struct seen seen;
	struct documents_report report;
	expect_success(read_paths(&path, 1, options, &seen, &report));
	assert_string_equal(seen.text.data, expected);
	text_free(&seen.text);
}

static void check_failure(const char *path, struct documents_options options, const char *part) {
	struct seen seen;
	struct documents_report report;
	expect_failure(read_paths(&path, 1, options, &seen, &report), ERROR_DATA, part);
	text_free(&seen.text);
}

static void folders_in_order(void **state) {
	(void)state;
	char *root = path_join(folder, "tree"), *below = path_join(root, "b"), *hidden = path_join(root, ".git");
	expect_success(folder_make(below));
	expect_success(folder_make(hidden));
	free(put("tree/c.txt", "c"));
	free(put("tree/b/z.txt", "bz"));
	free(put("tree/b/a.md", "ba"));
	free(put("tree/a.txt", "a"));
	free(put("tree/B.txt", "B"));
	free(put("tree/.hidden", "hidden"));
	free(put("tree/.git/config", "config"));
	free(put_bytes("tree/d.png", "\x89PNG\0\0\0", 8));
	free(put("tree/e.corpus", "RUNGCORP"));
	char *loop = path_join(root, "loop"), *link = path_join(root, "link.txt");
	assert_int_equal(symlink(".", loop), 0);
	assert_int_equal(symlink("a.txt", link), 0);
	struct seen seen;
	struct documents_report report;
	expect_success(read_paths((const char *const *)&root, 1, (struct documents_options){0}, &seen, &report));
	assert_string_equal(
	    seen.text.data, "[B.txt text]B|[a.txt text]a|[a.md text]ba|[z.txt text]bz|[c.txt text]c|[link.txt text]a|");
	assert_int_equal(report.files, 6);
	assert_int_equal(report.skipped, 2);
	assert_non_null(strstr(report.first_skipped, "d.png"));
	assert_true(report.source_hash == hash_bytes("Bababzca", 8, 0));
	assert_int_equal(report.bytes, 8);
	text_free(&seen.text);
	/* Named ones are read in the order of the arguments. */
	char *a = path_join(root, "a.txt"), *c = path_join(root, "c.txt");
	expect_success(read_paths((const char *const[]){c, a, below}, 3, (struct documents_options){0}, &seen, &report));
	assert_string_equal(seen.text.data, "[c.txt text]c|[a.txt text]a|[a.md text]ba|[z.txt text]bz|");
	text_free(&seen.text);
	check_failure(hidden, (struct documents_options){.jsonl = true}, "not valid JSON"); /* named, so it is read */
	char *empty = path_join(folder, "empty");
	expect_success(folder_make(empty));
	check_failure(empty, (struct documents_options){0}, "no file in this folder");
	char *paths[] = {root, below, hidden, loop, link, a, c, empty};
	for (size_t i = 0; i < COUNT_OF(paths); i++) free(paths[i]);
}

static void not_text(void **state) {
	(void)state;
	char *path = put_bytes("zeros", "ab\0cd", 5);
	check_failure(path, (struct documents_options){0}, "zero bytes, so it is not text");
	struct seen seen;
	struct documents_report report;
	expect_success(
	    read_paths((const char *const *)&path, 1, (struct documents_options){.binary = true}, &seen, &report));
	assert_memory_equal(seen.text.data, "[zeros text]ab\0cd|", 18);
	text_free(&seen.text);
	free(path);
	path = put("a.pdf", "%PDF-1.4 ...");
	check_failure(path, (struct documents_options){.binary = true}, "is a PDF");
	free(path);
}

static void json_lines(void **state) {
	(void)state;
	static const char *const names[] = {"a.jsonl", "a.ndjson", "a.JSONL", "a.jsonl.gz", "a.jsonl.zst"};
	const char *content = "{\"id\": 1, \"text\": \"one\\ntwo\"}\n\n  \r\n{\"text\":\"\\u00e9\\u0000\\\\u0000\"}\r\n"
	                      "{\"text\": \"\", \"more\": {\"text\": 3}}\n{\"text\": \"last\"}";
	char expected[200];
	for (size_t i = 0; i < COUNT_OF(names); i++) { /* compression is told from the bytes, here there is none */
		char *path = put(names[i], content);
		snprintf(expected, sizeof expected, "[%s jsonl]one\ntwo|\u00e9 \\u0000||last|", names[i]);
		check(path, (struct documents_options){0}, expected);
		free(path);
	}
	char *path = put("a.txt", "{\"body\": \"x\"}\n{\"body\": \"y\"}");
	check(path, (struct documents_options){0}, "[a.txt text]{\"body\": \"x\"}\n{\"body\": \"y\"}|");
	check(path, (struct documents_options){.jsonl = true, .field = "body"}, "[a.txt jsonl]x|y|");
	free(path);
	path = put("a.jsonl", "");
	check(path, (struct documents_options){0}, "[a.jsonl jsonl]");
	free(path);
}

static void json_lines_that_are_wrong(void **state) {
	(void)state;
	static const struct {
		const char *content, *part;
	} cases[] = {
	    {"{\"text\": \"a\"}\n\n{\"text\": \"b\"", "a.jsonl, line 3: not valid JSON: the line ends too soon"},
	    {"{\"text\": \"a\"}\n{\"text\": nope}\n", "a.jsonl, line 2, column 10: not valid JSON at 'nope}'"},
	    {"{\"text\": \"a\"} x", "a.jsonl, line 1, column 15: more follows"},
	    {"{\"text\": \"\\ud800\"}", "line 1"},
	    {"\"text\"\n", "line 1: expected a JSON object with a string \"text\""},
	    {"{\"test\": \"a\"}\n", "line 1: there is no member \"text\""},
	    {"{\"text\": 5}\n", "line 1: there is no string at \"text\""},
	    {"{\"text\": null}\n", "--field"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char *path = put("a.jsonl", cases[i].content);
		check_failure(path, (struct documents_options){0}, cases[i].part);
		free(path);
	}
}

static void a_line_too_long(void **state) {
	(void)state;
	char *path = path_join(folder, "long.jsonl");
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs("{\"text\": \"a\"}\n", file);
	char block[4096];
	memset(block, ' ', sizeof block);
	for (int i = 0; i < (64 << 20) / 4096 + 1; i++) fwrite(block, 1, sizeof block, file);
	assert_int_equal(fclose(file), 0);
	check_failure(path, (struct documents_options){0}, "line 2: longer than 64 MiB");
	free(path);
}

/* A short line with a large tree. Commas in strings are no values. */
static void too_many_values(void **state) {
	(void)state;
	struct text content = {0}, expected = {0};
	text_add_string(&content, "{\"text\": \"a\\\"");
	text_add_string(&expected, "[many.jsonl jsonl]a\"");
	for (int i = 0; i < 1100000; i++) {
		text_add_string(&content, ",");
		text_add_string(&expected, ",");
	}
	text_add_string(&content, "\"}\n");
	text_add_string(&expected, "|");
	char *path = put("many.jsonl", content.data);
	check(path, (struct documents_options){0}, expected.data);
	text_add_string(&content, "{\"text\": \"a\", \"more\": [0");
	for (int i = 0; i < 1100000; i++) text_add_string(&content, ",0");
	text_add_string(&content, "]}\n");
	free(path);
	path = put("many.jsonl", content.data);
	check_failure(path, (struct documents_options){0}, "line 2: more than a million values");
	free(path);
	text_free(&content);
	text_free(&expected);
}

/* Lines that are longer than the buffers they are read with. */
static void long_lines(void **state) {
	(void)state;
	struct text content = {0}, expected = {0};
	text_add_string(&expected, "[long.jsonl jsonl]");
	for (int line = 0; line < 5; line++) {
		text_add_string(&content, "{\"text\": \"");
		for (int i = 0; i < 150000 + line; i++) {
			text_add_bytes(&content, &"abcdefgh"[i % 8], 1);
			text_add_bytes(&expected, &"abcdefgh"[i % 8], 1);
		}
		text_add_string(&content, "\"}\n");
		text_add_string(&expected, "|");
	}
	char *path = put("long.jsonl", content.data);
	check(path, (struct documents_options){0}, expected.data);
	free(path);
	text_free(&content);
	text_free(&expected);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(folders_in_order), cmocka_unit_test(not_text),
	    cmocka_unit_test(json_lines),       cmocka_unit_test(json_lines_that_are_wrong),
	    cmocka_unit_test(a_line_too_long),  cmocka_unit_test(too_many_values),
	    cmocka_unit_test(long_lines),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
