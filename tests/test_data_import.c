/* Imports end to end in one process: text comes through each tokenizer, and the header says what happened. */
#include "tests/import_fixture.h"

#include <math.h>

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

/* Of more text than the merges are learned from, the sample is spread over all of it: words of the last tenth count. */
static void the_sample_is_spread(void **state) {
	(void)state;
	struct import_options options = defaults();
	struct import_report report;
	struct text text = {0};
	const size_t size = (size_t)22 << 20;
	for (int i = 0; text.length < size; i++)
		text_add(&text, "%d %s\n%s", i, text.length > size / 10 * 9 ? "zyzzyva" : "another", i % 100 ? "" : "\n");
	options.tokenizer = "bpe:300";
	char *path = put("large.txt", text.data);
	expect_success(import_with(&options, (const char *const *)&path, 1, &report));
	assert_true(report.bpe_sample_bytes > 14e6 && report.bpe_sample_bytes <= 16 << 20);
	struct corpus *corpus;
	uint16_t *tokens;
	size_t count;
	expect_success(corpus_open(corpus_path, &corpus));
	expect_success(corpus_encode(corpus, " zyzzyva", 8, &tokens, &count));
	assert_int_equal(count, 1);
	free(tokens);
	corpus_close(corpus);
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
	expect_success(json_get_number(object, key, corpus_path, &value));
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
	expect_success(corpus_open(corpus_path, &corpus));
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
	expect_success(corpus_open(corpus_path, &corpus));
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
	expect_success(corpus_open(corpus_path, &corpus));
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
	    cmocka_unit_test(documents_are_parted_by_blank_lines),
	    cmocka_unit_test(byte_and_bpe_keep_every_byte),
	    cmocka_unit_test(bpe_knows_nothing_of_what_is_held_out),
	    cmocka_unit_test(the_sample_is_spread),
	    cmocka_unit_test(tokenizers_that_are_wrong),
	    cmocka_unit_test(origins),
	    cmocka_unit_test(many_files_share_rows),
	    cmocka_unit_test(entropies),
	    cmocka_unit_test(failures_leave_no_trace),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
