/* Imports end to end in one process: what is held out, what is dropped, and that text comes through. */
#include "data/corpus_file.h"
#include "data/import.h"
#include "data/paragraph.h"
#include "tests/support.h"

#include <math.h>

static char *folder, *out;

static int make_folder(void **state) {
	(void)state;
	folder = folder_temporary();
	out = path_join(folder, "out.corpus");
	return 0;
}

static int remove_folder(void **state) {
	(void)state;
	free(out);
	folder_remove(folder);
	return 0;
}

static void write_text(const char *path, const char *bytes, size_t count) {
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, count, file), count);
	assert_int_equal(fclose(file), 0);
}

static char *put(const char *name, const char *content) {
	char *path = path_join(folder, name);
	write_text(path, content, strlen(content));
	return path;
}

static struct import_options defaults(void) {
	struct import_options options = {0};
	for (size_t i = 0; i < import_row_count; i++) {
		struct option_row row = import_rows[i];
		if (!row.fallback) row.fallback = ""; /* required on the command line */
		expect_success(options_defaults(&row, 1, &options));
	}
	options.out = out;
	return options;
}

static struct error *import_with(
    const struct import_options *options, const char *const *paths, int count, struct import_report *report) {
	struct gather_progress progress = {0};
	return import_text(options, paths, count, &progress, report);
}

/* The whole text of both splits of `out`. */
static void read_back(struct text texts[SPLIT_COUNT]) {
	struct corpus *corpus;
	expect_success(corpus_open(out, &corpus));
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

static void free_texts(struct text texts[SPLIT_COUNT]) {
	for (int split = 0; split < SPLIT_COUNT; split++) text_free(&texts[split]);
}

/* "Paragraph 12 of ..." of 70 to 300 bytes, different for every number. */
static void add_paragraph(struct text *text, int number) {
	struct rng rng = rng_make((uint64_t)number, "paragraph");
	text_add(text, "Paragraph <%d> says", number);
	for (uint64_t i = 9 + rng_below(&rng, 30); i-- > 0;)
		text_add(text, " %06llx", (unsigned long long)rng_below(&rng, 1 << 24));
	text_add_string(text, ".\n\n");
}

static bool holds(const struct text *text, int number) {
	char mark[40];
	snprintf(mark, sizeof mark, "<%d>", number);
	return text->data && strstr(text->data, mark) != NULL;
}

/* How often paragraph `number` stands in the text. */
static int occurrences(const struct text *text, int number) {
	char mark[40];
	int count = 0;
	snprintf(mark, sizeof mark, "<%d>", number);
	for (const char *at = text->data; at && (at = strstr(at, mark)); at++) count++;
	return count;
}

/* JSON lines, document i with paragraphs 10 i to 10 i + 9. */
static char *many_documents(const char *name, int from, int to) {
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

/* ---------------------------------------------------------------------------------------------------------- split */

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
	assert_false(file_exists(out) && remove(out));
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

/* ------------------------------------------------------------------------------------------------------ tokenizers */

/* Every document ends with a blank line, whatever it ended with. */
static void documents_are_parted_by_blank_lines(void **state) {
	(void)state;
	struct import_options options = defaults();
	struct import_report report;
	struct text texts[SPLIT_COUNT];
	options.held_out = 0.5;
	char *path =
	    put("ends.jsonl", "{\"text\": \"first\"}\n{\"text\": \"second\\n\"}\n{\"text\": \"\\n\\nthird\\n\\n\"}\n"
	                      "{\"text\": \"fourth\\n\\n\\n\"}\n{\"text\": \"  \"}\n");
	expect_success(import_with(&options, (const char *const *)&path, 1, &report));
	assert_int_equal(report.documents, 4);
	assert_int_equal(report.empty_documents, 1);
	read_back(texts);
	static const char *const expected[] = {"first\n\n", "second\n\n", "third\n\n", "fourth\n\n\n"};
	size_t total = 0;
	for (size_t i = 0; i < COUNT_OF(expected); i++) {
		assert_true((strstr(texts[0].data, expected[i]) != NULL) != (strstr(texts[1].data, expected[i]) != NULL));
		total += strlen(expected[i]);
	}
	assert_int_equal(texts[0].length + texts[1].length, total);
	free_texts(texts);
	free(path);
}

static void byte_and_bpe_keep_every_byte(void **state) {
	(void)state;
	static const char *const tokenizers[] = {"byte", "bpe:257", "bpe:700"};
	struct import_options options = defaults();
	struct import_report report;
	struct text text = {0}, texts[SPLIT_COUNT];
	struct rng rng = rng_make(1, "import");
	for (int i = 0; i < 500; i++) {
		text_add(&text, "<%d> caf\u00e9 \u201cquoted\u201d\ttab\r\n", i);
		for (int j = 0; j < 90; j++) {
			char byte = (char)rng_below(&rng, 256);
			if (byte != '\n') text_add_bytes(&text, &byte, 1);
		}
		text_add_string(&text, "the same words again and again\n\n");
	}
	char *path = path_join(folder, "bytes.txt");
	write_text(path, text.data, text.length);
	for (size_t t = 0; t < COUNT_OF(tokenizers); t++) {
		options.tokenizer = tokenizers[t];
		expect_success(import_with(&options, (const char *const *)&path, 1, &report));
		read_back(texts);
		assert_int_equal(texts[0].length + texts[1].length, text.length);
		/* The splits are the pieces of the text in order: take from the one that goes on with it. */
		size_t at[SPLIT_COUNT] = {0};
		for (size_t i = 0; i < text.length;) {
			const char *end = memmem(text.data + i, text.length - i, "again\n\n", 7);
			assert_non_null(end);
			size_t count = (size_t)(end - text.data) + 7 - i;
			int split = at[1] + count <= texts[1].length && memcmp(texts[1].data + at[1], text.data + i, count) == 0;
			assert_true(at[split] + count <= texts[split].length);
			assert_memory_equal(texts[split].data + at[split], text.data + i, count);
			at[split] += count;
			i += count;
		}
		if (t == 2) assert_true((double)report.info.tokens[0] < 0.8 * (double)texts[0].length);
		free_texts(texts);
	}
	text_free(&text);
	free(path);
}

static void bpe_knows_nothing_of_what_is_held_out(void **state) {
	(void)state;
	/* Words that stand in one document alone: the merges may know those of train. */
	struct import_options options = defaults();
	struct import_report report;
	struct text text = {0}, texts[SPLIT_COUNT];
	for (int i = 0; i < 60; i++) {
		struct rng rng = rng_make((uint64_t)i, "word");
		char word[13] = {0};
		for (int j = 0; j < 12; j++) word[j] = (char)('a' + rng_below(&rng, 26));
		text_add(&text, "{\"text\": \"<%d>", i);
		for (int j = 0; j < 100; j++) text_add(&text, " %s", word);
		text_add_string(&text, "\"}\n");
	}
	options.tokenizer = "bpe:760";
	options.held_out = 0.1;
	char *path = put("words.jsonl", text.data);
	expect_success(import_with(&options, (const char *const *)&path, 1, &report));
	read_back(texts);
	double per_token[SPLIT_COUNT];
	for (int split = 0; split < SPLIT_COUNT; split++)
		per_token[split] = (double)texts[split].length / (double)report.info.tokens[split];
	assert_true(per_token[SPLIT_TRAIN] > 8); /* about a token a word */
	assert_true(per_token[SPLIT_HELD_OUT] < 4);
	free_texts(texts);
	options.tokenizer = "bpe:60000";
	expect_failure(import_with(&options, (const char *const *)&path, 1, &report), ERROR_DATA, "take bpe:");
	text_free(&text);
	free(path);
}

static void tokenizers_that_are_wrong(void **state) {
	(void)state;
	static const char *const wrong[] = {"word", "bpe", "bpe:", "bpe:256", "bpe:65537", "bpe:1k", "bpe:-5", "Char"};
	struct import_options options = defaults();
	struct import_report report;
	char *path = put("a.txt", "text");
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		options.tokenizer = wrong[i];
		expect_failure(import_with(&options, (const char *const *)&path, 1, &report), ERROR_USAGE, "--tokenizer");
	}
	free(path);
}

/* --------------------------------------------------------------------------------------------------------- header */

static double number_at(const cJSON *object, const char *key) {
	double value;
	expect_success(json_get_number(object, key, out, &value));
	return value;
}

/* The rows of origins say where each token came from. */
static void origins(void **state) {
	(void)state;
	struct import_options options = defaults();
	struct import_report report;
	char *a = many_documents("a.jsonl", 0, 30), *b = many_documents("b.jsonl", 30, 100);
	expect_success(import_with(&options, (const char *const[]){b, a}, 2, &report));
	struct corpus *corpus;
	expect_success(corpus_open(out, &corpus));
	const cJSON *list = cJSON_GetObjectItem(corpus_header(corpus), "origins");
	assert_int_equal(cJSON_GetArraySize(list), 2);
	struct text texts[SPLIT_COUNT];
	read_back(texts);
	size_t at[SPLIT_COUNT] = {0};
	for (int i = 0; i < 2; i++) {
		const cJSON *row = cJSON_GetArrayItem(list, i);
		assert_string_equal(cJSON_GetObjectItem(row, "path")->valuestring, i ? a : b);
		assert_true(number_at(row, "documents") == (i ? 30 : 70));
		for (int split = 0; split < SPLIT_COUNT; split++) {
			size_t count = (size_t)number_at(row, split ? "held_out_tokens" : "train_tokens");
			struct text part = {0};
			text_add_bytes(&part, texts[split].data + at[split], count); /* a token is a byte here */
			for (int j = 0; j < 1000; j++)
				if (holds(&part, j)) assert_true((j < 300) == (i == 1));
			at[split] += count;
			text_free(&part);
		}
	}
	for (int split = 0; split < SPLIT_COUNT; split++) assert_int_equal(at[split], texts[split].length);
	free_texts(texts);
	corpus_close(corpus);
	free(a);
	free(b);
}

/* More files than rows. */
static void many_files_share_rows(void **state) {
	(void)state;
	char *tree = path_join(folder, "tree");
	expect_success(folder_make(tree));
	for (int i = 0; i < 5000; i++) {
		char name[40], text[80];
		snprintf(name, sizeof name, "tree/%05d.txt", i);
		snprintf(text, sizeof text, "The text of file number %d.\n", i);
		free(put(name, text));
	}
	struct import_options options = defaults();
	struct import_report report;
	expect_success(import_with(&options, (const char *const *)&tree, 1, &report));
	assert_int_equal(report.input.files, 5000);
	struct corpus *corpus;
	expect_success(corpus_open(out, &corpus));
	const cJSON *list = cJSON_GetObjectItem(corpus_header(corpus), "origins");
	assert_int_equal(cJSON_GetArraySize(list), 2500);
	const cJSON *row = cJSON_GetArrayItem(list, 2499);
	assert_non_null(strstr(cJSON_GetObjectItem(row, "path")->valuestring, "04998.txt"));
	assert_non_null(strstr(cJSON_GetObjectItem(row, "through")->valuestring, "04999.txt"));
	assert_true(number_at(row, "files") == 2);
	double tokens = 0;
	for (row = list->child; row; row = row->next) tokens += number_at(row, "train_tokens");
	assert_true(tokens == (double)corpus_info(corpus)->tokens[SPLIT_TRAIN]);
	assert_true(strlen(corpus_info(corpus)->description) > 100);
	corpus_close(corpus);
	free(tree);
}

/* The entropies of the header are those of its tokens. */
static void entropies(void **state) {
	(void)state;
	struct import_options options = defaults();
	struct import_report report;
	struct text texts[SPLIT_COUNT];
	char *path = many_documents("many.jsonl", 0, 60);
	expect_success(import_with(&options, (const char *const *)&path, 1, &report));
	read_back(texts);
	double ones[128] = {0}, unigram = 0, bigram = 0, n = 0, left[128] = {0};
	static double pairs[128][128];
	for (size_t i = 0; i < texts[0].length; i++) {
		ones[(int)texts[0].data[i]]++;
		if (i + 1 == texts[0].length || (i + 1) % FRAME_TOKENS == 0) continue; /* pairs inside frames */
		pairs[(int)texts[0].data[i]][(int)texts[0].data[i + 1]]++;
		left[(int)texts[0].data[i]]++;
		n++;
	}
	for (int x = 0; x < 128; x++) {
		double p = ones[x] / (double)texts[0].length;
		if (p > 0) unigram -= p * log(p);
		for (int y = 0; y < 128; y++)
			if (pairs[x][y] > 0) bigram -= pairs[x][y] / n * log(pairs[x][y] / left[x]);
	}
	assert_true(texts[0].length > FRAME_TOKENS);
	assert_true(fabs(unigram - report.info.unigram) < 1e-10);
	assert_true(fabs(bigram - report.info.bigram) < 1e-10);
	free_texts(texts);
	free(path);
}

/* Nothing is left behind by an import that fails, and an older corpus stays. */
static void failures_leave_no_trace(void **state) {
	(void)state;
	struct import_options options = defaults();
	struct import_report report;
	char *good = many_documents("good.jsonl", 0, 50), *bad = put("bad.jsonl", "{\"text\": \"a\"}\n{");
	expect_success(import_with(&options, (const char *const *)&good, 1, &report));
	uint64_t hash = report.info.hash;
	expect_failure(
	    import_with(&options, (const char *const[]){good, bad}, 2, &report), ERROR_DATA,
	    "bad.jsonl, line 2: not valid JSON");
	struct corpus *corpus;
	expect_success(corpus_open(out, &corpus));
	assert_true(corpus_info(corpus)->hash == hash);
	corpus_close(corpus);
	options.out = "/nonexistent/folder/x.corpus";
	expect_failure(import_with(&options, (const char *const *)&good, 1, &report), ERROR_FAILED, "/nonexistent/folder");
	char command[200];
	snprintf(command, sizeof command, "ls %s | grep -q tmp", folder);
	assert_int_not_equal(system(command), 0);
	free(good);
	free(bad);
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
	    cmocka_unit_test(documents_are_parted_by_blank_lines),
	    cmocka_unit_test(byte_and_bpe_keep_every_byte),
	    cmocka_unit_test(bpe_knows_nothing_of_what_is_held_out),
	    cmocka_unit_test(tokenizers_that_are_wrong),
	    cmocka_unit_test(origins),
	    cmocka_unit_test(many_files_share_rows),
	    cmocka_unit_test(entropies),
	    cmocka_unit_test(failures_leave_no_trace),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
