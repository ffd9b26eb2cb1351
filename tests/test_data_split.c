/* What an import holds out and what it drops. */
#include "tests/import_fixture.h"

static void whole_documents_are_held_out(void **state) {
	(void)state;
	struct import_options options = defaults();
	struct import_report report;
	char *path = many_documents("many.jsonl", 0, 400);
	for (int seed = 1; seed <= 3; seed++) {
		options.seed = seed;
		options.held_out = 0.05 * seed;
		expect_success(import_with(&options, (const char *const *)&path, 1, &report));
		assert_int_equal(report.documents, 400);
		assert_int_equal(report.cut_documents, 0);
		struct text texts[SPLIT_COUNT];
		read_back(texts);
		uint64_t held_out = 0;
		for (int i = 0; i < 400; i++) {
			bool out_there = holds(&texts[SPLIT_HELD_OUT], 10 * i);
			held_out += out_there;
			for (int j = 0; j < 10; j++) {
				assert_int_equal(occurrences(&texts[SPLIT_HELD_OUT], 10 * i + j), out_there);
				assert_int_equal(occurrences(&texts[SPLIT_TRAIN], 10 * i + j), !out_there);
			}
		}
		assert_true(report.info.documents[SPLIT_HELD_OUT] == held_out);
		assert_true(report.info.documents[SPLIT_TRAIN] == 400 - held_out);
		/* The wanted part of the bytes, and less than one more document. */
		double part = (double)texts[SPLIT_HELD_OUT].length / (double)report.text_bytes;
		assert_true(part >= options.held_out && part < options.held_out + 0.006);
		free_texts(texts);
	}
	free(path);
}

/* Which paragraphs of 0..count-1 are held out. */
static void held_out_paragraphs(bool *held_out, int count) {
	struct text texts[SPLIT_COUNT];
	read_back(texts);
	for (int i = 0; i < count; i++) {
		held_out[i] = holds(&texts[SPLIT_HELD_OUT], i);
		assert_true(held_out[i] != holds(&texts[SPLIT_TRAIN], i));
	}
	free_texts(texts);
}

static void the_split_does_not_depend_on_files(void **state) {
	(void)state;
	enum { DOCUMENTS = 200, PARAGRAPHS = 10 * DOCUMENTS };
	struct import_options options = defaults();
	struct import_report report;
	static bool one[PARAGRAPHS], other[PARAGRAPHS];
	char *a = many_documents("a.jsonl", 0, 70), *b = many_documents("b.jsonl", 70, DOCUMENTS);
	char *whole = many_documents("whole.jsonl", 0, DOCUMENTS);
	expect_success(import_with(&options, (const char *const[]){a, b}, 2, &report));
	held_out_paragraphs(one, PARAGRAPHS);
	expect_success(import_with(&options, (const char *const[]){b, a}, 2, &report));
	held_out_paragraphs(other, PARAGRAPHS);
	assert_memory_equal(one, other, sizeof one);
	expect_success(import_with(&options, (const char *const *)&whole, 1, &report));
	held_out_paragraphs(other, PARAGRAPHS);
	assert_memory_equal(one, other, sizeof one);
	uint64_t hash = report.info.hash;
	expect_success(import_with(&options, (const char *const *)&whole, 1, &report));
	assert_true(report.info.hash == hash); /* the same import, the same corpus */
	options.seed = 2;
	expect_success(import_with(&options, (const char *const *)&whole, 1, &report));
	held_out_paragraphs(other, PARAGRAPHS);
	assert_memory_not_equal(one, other, sizeof one);
	free(a);
	free(b);
	free(whole);
}

/* One long document: cut in pieces at paragraph ends, nothing lost, both splits filled. */
static void one_long_document_is_cut(void **state) {
	(void)state;
	struct import_options options = defaults();
	struct import_report report;
	struct text text = {0}, texts[SPLIT_COUNT];
	for (int i = 0; i < 3000; i++) add_paragraph(&text, i);
	char *path = put("long.txt", text.data);
	expect_success(import_with(&options, (const char *const *)&path, 1, &report));
	assert_int_equal(report.cut_documents, 1);
	assert_true(report.info.documents[0] == 1 && report.info.documents[1] == 1);
	read_back(texts);
	assert_int_equal(texts[0].length + texts[1].length, text.length);
	double part = (double)texts[SPLIT_HELD_OUT].length / (double)text.length;
	assert_true(part >= 0.05 && part < 0.05 * 1.3);
	int changes = 0;
	for (int i = 0; i < 3000; i++) {
		assert_true(holds(&texts[0], i) != holds(&texts[1], i));
		if (i) changes += holds(&texts[1], i) != holds(&texts[1], i - 1);
	}
	assert_true(changes >= 2 && changes < 20); /* consecutive paragraphs, not scattered ones */
	free_texts(texts);
	text_free(&text);
	free(path);
}

/* Text without any line end. */
static void text_without_structure(void **state) {
	(void)state;
	struct import_options options = defaults();
	struct import_report report;
	struct text text = {0}, texts[SPLIT_COUNT];
	for (int i = 0; text.length < 300000; i++) text_add(&text, "%dword ", i);
	char *path = put("line.txt", text.data);
	expect_success(import_with(&options, (const char *const *)&path, 1, &report));
	read_back(texts);
	assert_true(texts[SPLIT_HELD_OUT].length > 10000);
	/* Blank lines were added between the pieces. */
	assert_true(texts[0].length + texts[1].length < text.length + 500);
	assert_true(texts[0].length + texts[1].length >= text.length);
	free_texts(texts);
	text_free(&text);
	free(path);
}

static void too_little_text(void **state) {
	(void)state;
	struct import_options options = defaults();
	struct import_report report;
	char *path = put("small.txt", "Only one sentence.\n\nAnd one more.\n");
	expect_failure(
	    import_with(&options, (const char *const *)&path, 1, &report), ERROR_DATA,
	    "too little text for two splits: 34 bytes");
	free(path);
	path = put("empty.txt", "\n \n");
	expect_failure(
	    import_with(&options, (const char *const *)&path, 1, &report), ERROR_DATA, "no text was found in 1 file");
	assert_false(file_exists(corpus_path) && remove(corpus_path));
	free(path);
	/* Two documents are enough, if they differ. */
	path = put("two.jsonl", "{\"text\": \"The first document.\"}\n{\"text\": \"The second document.\"}\n");
	expect_success(import_with(&options, (const char *const *)&path, 1, &report));
	assert_true(report.info.documents[0] == 1 && report.info.documents[1] == 1);
	free(path);
	path = put("two.jsonl", "{\"text\": \"The same document.\"}\n{\"text\": \"The same document.\"}\n");
	expect_failure(import_with(&options, (const char *const *)&path, 1, &report), ERROR_DATA, "too little text");
	free(path);
}

/* -------------------------------------------------------------------------------------------------------- repeats */

/* 300 documents of 5 own paragraphs each. Documents 50 to 99 also have paragraph 5000 + i / 2, which stands in two
 * documents then, wherever those go; documents 100 to 199 all have paragraph 6000, wrapped in another way in each. */
static void no_held_out_paragraph_stands_in_train(void **state) {
	(void)state;
	struct import_options options = defaults();
	struct import_report report;
	options.held_out = 0.3;
	for (int order = 0; order < 2; order++) {
		struct text text = {0}, body = {0}, texts[SPLIT_COUNT];
		for (int n = 0; n < 300; n++) {
			int i = order ? 299 - n : n;
			text_clear(&body);
			for (int j = 0; j < 3; j++) add_paragraph(&body, 5 * i + j);
			if (i >= 50 && i < 100) add_paragraph(&body, 5000 + i / 2);
			if (i >= 100 && i < 200) {
				size_t start = body.length;
				add_paragraph(&body, 6000);
				for (size_t at = start, spaces = 0; at < body.length - 2; at++)
					if (body.data[at] == ' ' && ++spaces % (size_t)(i % 7 + 3) == 0) body.data[at] = '\n';
			}
			text_add_string(&body, "A short paragraph in all of them.\n\n");
			for (int j = 3; j < 5; j++) add_paragraph(&body, 5 * i + j);
			text_add_string(&text, "{\"text\": ");
			json_quote(&text, body.data);
			text_add_string(&text, "}\n");
		}
		char *path = put("repeats.jsonl", text.data);
		expect_success(import_with(&options, (const char *const *)&path, 1, &report));
		read_back(texts);
		int crossed = 0;
		for (int i = 5025; i < 5050; i++) {
			/* It stands once in all, in held-out if any of its two documents went there. */
			assert_int_equal(occurrences(&texts[0], i) + occurrences(&texts[1], i), 1);
			int first = 2 * (i - 5000);
			bool held_out = holds(&texts[1], 5 * first) || holds(&texts[1], 5 * (first + 1));
			assert_int_equal(occurrences(&texts[1], i), held_out);
			crossed += holds(&texts[1], 5 * first) != holds(&texts[1], 5 * (first + 1));
		}
		assert_true(crossed > 2);
		assert_int_equal(occurrences(&texts[0], 6000), 0);
		assert_int_equal(occurrences(&texts[1], 6000), 1);
		/* Of each pair one was dropped, and 99 of the 100; those of train count as leaked if held-out has them. */
		const struct split_counts *counts = report.counts;
		assert_int_equal(
		    counts[0].leaked_paragraphs + counts[0].repeated_paragraphs + counts[1].repeated_paragraphs, 25 + 99);
		assert_int_equal(counts[0].repeated_units + counts[1].repeated_units, 0);
		assert_int_equal(counts[1].leaked_paragraphs, 0);
		int in_train = 0;
		for (int i = 100; i < 200; i++) in_train += holds(&texts[0], 5 * i);
		assert_int_equal(counts[0].leaked_paragraphs, crossed + in_train);
		/* Own paragraphs and short ones are all there. */
		for (int i = 0; i < 1500; i++) assert_int_equal(occurrences(&texts[0], i) + occurrences(&texts[1], i), 1);
		int shorts = 0;
		for (int split = 0; split < SPLIT_COUNT; split++)
			for (const char *at = texts[split].data; (at = strstr(at, "A short paragraph")); at++) shorts++;
		assert_int_equal(shorts, 300);
		assert_int_equal(
		    texts[0].length + texts[1].length + counts[0].dropped_bytes + counts[1].dropped_bytes, report.text_bytes);
		free_texts(texts);
		text_free(&text);
		text_free(&body);
		free(path);
	}
}

/* A document that stands twice is dropped whole, its short paragraphs too. */
static void repeated_documents(void **state) {
	(void)state;
	struct import_options options = defaults();
	struct import_report report;
	struct text texts[SPLIT_COUNT];
	char *a = many_documents("a.jsonl", 0, 100), *b = many_documents("b.jsonl", 40, 60);
	char *c =
	    put("c.txt", "Title\n\nChapter one.\n\nA paragraph that is long enough to be noticed when it comes again.\n");
	char *d =
	    put("d.txt", "Title\n\nChapter one.\n\nA paragraph that is long enough to be noticed when it comes again.\n");
	expect_success(import_with(&options, (const char *const[]){a, b, c, d}, 4, &report));
	assert_int_equal(report.counts[0].repeated_units + report.counts[1].repeated_units, 21);
	assert_int_equal(report.counts[0].leaked_paragraphs, 0);
	read_back(texts);
	for (int i = 0; i < 1000; i++) assert_int_equal(occurrences(&texts[0], i) + occurrences(&texts[1], i), 1);
	const char *title = texts[0].data ? strstr(texts[0].data, "Title") : NULL;
	if (!title) title = strstr(texts[1].data, "Title");
	assert_non_null(title);
	assert_null(strstr(title + 1, "Title"));
	free_texts(texts);
	free(a);
	free(b);
	free(c);
	free(d);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whole_documents_are_held_out),
	    cmocka_unit_test(the_split_does_not_depend_on_files),
	    cmocka_unit_test(one_long_document_is_cut),
	    cmocka_unit_test(text_without_structure),
	    cmocka_unit_test(too_little_text),
	    cmocka_unit_test(no_held_out_paragraph_stands_in_train),
	    cmocka_unit_test(repeated_documents),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
