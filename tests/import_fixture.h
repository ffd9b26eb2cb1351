/* import_fixture.h - what the tests of imports share: texts to import, and the text of a corpus read back. */
#ifndef RUNG_TESTS_IMPORT_FIXTURE_H
#define RUNG_TESTS_IMPORT_FIXTURE_H

#include "data/corpus_file.h"
#include "data/import.h"
#include "tests/folder_fixture.h"

static inline void write_text(const char *path, const char *bytes, size_t count) {
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, count, file), count);
	assert_int_equal(fclose(file), 0);
}

static inline char *put(const char *name, const char *content) {
	char *path = path_join(folder, name);
	write_text(path, content, strlen(content));
	return path;
}

static inline struct import_options defaults(void) {
	struct import_options options = {0};
	for (size_t i = 0; i < import_row_count; i++) {
		struct option_row row = import_rows[i];
		if (!row.fallback) row.fallback = ""; /* required on the command line */
		expect_success(options_defaults(&row, 1, &options));
	}
	options.out = corpus_path;
	return options;
}

static inline struct error *import_with(
    const struct import_options *options, const char *const *paths, int count, struct import_report *report) {
	struct gather_progress progress = {0};
	return import_text(options, paths, count, &progress, report);
}

/* The whole text of both splits of the corpus. */
static inline void read_back(struct text texts[SPLIT_COUNT]) {
	struct corpus *corpus;
	expect_success(corpus_open(corpus_path, &corpus));
	expect_success(corpus_check(corpus));
	for (int split = 0; split < SPLIT_COUNT; split++) {
		size_t count = (size_t)corpus_info(corpus)->tokens[split];
		uint16_t *tokens = calloc(count + 1, sizeof *tokens);
		texts[split] = (struct text){0};
		expect_success(corpus_read(corpus, (enum split)split, 0, count, tokens));
		expect_success(corpus_decode(corpus, tokens, count, &texts[split]));
		assert_true(corpus_info(corpus)->bytes[split] == texts[split].length);
		free(tokens);
	}
	corpus_close(corpus);
}

static inline void free_texts(struct text texts[SPLIT_COUNT]) {
	for (int split = 0; split < SPLIT_COUNT; split++) text_free(&texts[split]);
}

/* "Paragraph 12 of ..." of 70 to 300 bytes, different for every number. */
static inline void add_paragraph(struct text *text, int number) {
	struct rng rng = rng_make((uint64_t)number, "paragraph");
	text_add(text, "Paragraph <%d> says", number);
	for (uint64_t i = 9 + rng_below(&rng, 30); i-- > 0;)
		text_add(text, " %06llx", (unsigned long long)rng_below(&rng, 1 << 24));
	text_add_string(text, ".\n\n");
}

static inline bool holds(const struct text *text, int number) {
	char mark[40];
	snprintf(mark, sizeof mark, "<%d>", number);
	return text->data && strstr(text->data, mark) != NULL;
}

/* How often paragraph `number` stands in the text. */
static inline int occurrences(const struct text *text, int number) {
	char mark[40];
	int count = 0;
	snprintf(mark, sizeof mark, "<%d>", number);
	for (const char *at = text->data; at && (at = strstr(at, mark)); at++) count++;
	return count;
}

/* JSON lines, document i with paragraphs 10 i to 10 i + 9. */
static inline char *many_documents(const char *name, int from, int to) {
	struct text text = {0}, body = {0};
	for (int i = from; i < to; i++) {
		text_clear(&body);
		for (int j = 0; j < 10; j++) add_paragraph(&body, 10 * i + j);
		text_add_string(&text, "{\"text\": ");
		json_quote(&text, body.data);
		text_add_string(&text, "}\n");
	}
	char *path = put(name, text.data);
	text_free(&text);
	text_free(&body);
	return path;
}

#endif
