/* One table, four uses: defaults, command line, help, JSON. */
#include "tests/support.h"

#include <math.h>

struct target {
	int64_t tokens, seed, workers, offset_count;
	double rate, clip, fraction, any;
	bool json, color;
	const char *out, *corpus, *law;
};

static const struct option_row rows[] = {
    {"tokens", OPTION_COUNT, offsetof(struct target, tokens), "20M", 1, 1e12, "tokens to train on", "D"},
    {"seed", OPTION_COUNT, offsetof(struct target, seed), "1", 0, INFINITY, "of initialisation and order", "N"},
    {"workers", OPTION_COUNT, offsetof(struct target, workers), "", 1, 1024, "processes (default: one a core)", "N"},
    {"offset-count", OPTION_COUNT, offsetof(struct target, offset_count), "-3", 0, 0, "any whole number", "N"},
    {"rate", OPTION_REAL, offsetof(struct target, rate), "0.02", 1e-6, 10, "peak learning rate", "R"},
    {"clip", OPTION_REAL, offsetof(struct target, clip), "inf", 0, INFINITY, "largest gradient norm", "G"},
    {"fraction", OPTION_REAL, offsetof(struct target, fraction), "0.2", 0, 1, "part of the run", "F"},
    {"any", OPTION_REAL, offsetof(struct target, any), "", 0, 0, "any number", "X"},
    {"json", OPTION_FLAG, offsetof(struct target, json), "no", 0, 0, "print one JSON object", NULL},
    {"color", OPTION_FLAG, offsetof(struct target, color), "yes", 0, 0, "use colours", NULL},
    {"out", OPTION_TEXT, offsetof(struct target, out), NULL, 0, 0, "folder for the results", "DIR"},
    {"corpus", OPTION_TEXT, offsetof(struct target, corpus), "", 0, 0, "file to train on", "FILE"},
    {"law", OPTION_TEXT, offsetof(struct target, law), "chinchilla", 0, 0, "form of the law", "NAME"},
};

#define LONGEST_LINE 16
static struct error *parse(struct target *target, struct operands *operands, bool *help, const char *const *words) {
	char *argv[LONGEST_LINE + 2] = {(char *)"rung"};
	int argc = 1;
	for (; words[argc - 1]; argc++) argv[argc] = (char *)words[argc - 1];
	memset(target, 0xa5, sizeof *target); /* defaults must fill everything */
	return options_parse(rows, COUNT_OF(rows), target, argc, argv, operands, help);
}

#define PARSE(target, operands, help, ...) parse((target), (operands), (help), (const char *const[]){__VA_ARGS__, NULL})

static void defaults(void **state) {
	(void)state;
	struct target target;
	memset(&target, 0xa5, sizeof target);
	expect_success(options_defaults(rows, COUNT_OF(rows), &target));
	assert_int_equal(target.tokens, 20000000);
	assert_int_equal(target.seed, 1);
	assert_int_equal(target.workers, 0);
	assert_int_equal(target.offset_count, -3);
	assert_true(target.rate == 0.02 && target.clip == INFINITY && target.fraction == 0.2 && target.any == 0);
	assert_false(target.json);
	assert_true(target.color);
	assert_null(target.out);
	assert_null(target.corpus);
	assert_string_equal(target.law, "chinchilla");
	static const struct option_row wrong[] = {{"n", OPTION_COUNT, 0, "11", 1, 10, "", "N"}};
	expect_failure(options_defaults(wrong, 1, &target), ERROR_USAGE, "default of an option is wrong: n is 11");
}

static void command_lines(void **state) {
	(void)state;
	struct target target;
	struct operands operands;
	bool help;
	expect_success(PARSE(
	    &target, &operands, &help, "lab", "--out", "runs/1", "--tokens=1.5M", "-", "--json", "--no-color", "--rate",
	    "3e-4", "--law=a=b", "--offset-count", "-12", "--", "--tokens", "x"));
	assert_false(help);
	assert_string_equal(target.out, "runs/1");
	assert_int_equal(target.tokens, 1500000);
	assert_true(target.rate == 3e-4);
	assert_true(target.json);
	assert_false(target.color);
	assert_string_equal(target.law, "a=b");
	assert_int_equal(target.offset_count, -12);
	assert_int_equal(operands.count, 4);
	assert_string_equal(operands.items[0], "lab");
	assert_string_equal(operands.items[1], "-");
	assert_string_equal(operands.items[2], "--tokens");
	assert_string_equal(operands.items[3], "x");
	free(operands.items);
	/* The last one counts; flags also take yes and no. */
	expect_success(PARSE(&target, NULL, &help, "--out=a", "--out=b", "--json=true", "--color=off"));
	assert_string_equal(target.out, "b");
	assert_true(target.json);
	assert_false(target.color);
	expect_success(PARSE(&target, NULL, &help, "--out=a", "--json", "--no-json"));
	assert_false(target.json);
}

/* An option that may come again and again. */
static void lists(void **state) {
	(void)state;
	static const struct option_row list_rows[] = {
	    {"at", OPTION_LIST, sizeof(int64_t), "", 0, 0, "a place", "N,D"},
	    {"seed", OPTION_COUNT, 0, "1", 0, 0, "of the draws", "n"},
	};
	struct {
		int64_t seed;
		struct option_list at;
	} target = {0}, back = {0};
	bool help;
	char *argv[] = {"rung", "--at", "1e6,2e8", "--seed=3", "--at=2M,4G", "--at", "1e6,2e8"};
	expect_success(options_parse(list_rows, 2, &target, COUNT_OF(argv), argv, NULL, &help));
	assert_int_equal(target.seed, 3);
	assert_int_equal(target.at.count, 3);
	assert_string_equal(target.at.items[0], "1e6,2e8");
	assert_string_equal(target.at.items[1], "2M,4G");
	assert_string_equal(target.at.items[2], "1e6,2e8");
	cJSON *object = cJSON_CreateObject();
	expect_success(options_to_json(list_rows, 2, &target, object));
	struct text text = {0};
	json_print(object, false, &text);
	assert_string_equal(text.data, "{\"at\":[\"1e6,2e8\",\"2M,4G\",\"1e6,2e8\"],\"seed\":3}");
	text_free(&text);
	back.at.count = 7; /* reading replaces what was there */
	expect_success(options_from_json(list_rows, 2, &back, object, "file"));
	assert_int_equal(back.at.count, 3);
	assert_string_equal(back.at.items[1], "2M,4G");
	cJSON_Delete(object);
	expect_success(options_defaults(list_rows, 2, &back));
	assert_int_equal(back.at.count, 0);
	static const struct {
		const char *json, *message;
	} bad[] = {
	    {"{\"at\": \"1,2\"}", "file: \"at\" must be a list of strings"},
	    {"{\"at\": [\"1,2\", 3]}", "file: \"at\" must be a list of strings"},
	    {"{\"at\": [\"\"]}", "file: \"at\" must be a list of strings"},
	};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		expect_success(json_parse("file", bad[i].json, strlen(bad[i].json), &object));
		expect_failure(options_from_json(list_rows, 2, &back, object, "file"), ERROR_DATA, bad[i].message);
		cJSON_Delete(object);
	}
	char *empty[] = {"rung", "--at="};
	expect_failure(options_parse(list_rows, 2, &target, 2, empty, NULL, &help), ERROR_USAGE, "--at is empty: a place");
	char *many[2 * OPTION_MOST_ITEMS + 3] = {"rung"};
	for (size_t i = 1; i < COUNT_OF(many); i++) many[i] = i % 2 ? "--at" : "1,2";
	expect_success(options_parse(list_rows, 2, &target, COUNT_OF(many) - 2, many, NULL, &help));
	expect_failure(
	    options_parse(list_rows, 2, &target, COUNT_OF(many), many, NULL, &help), ERROR_USAGE,
	    "--at is given more than 64 times");
}

static void numbers(void **state) {
	(void)state;
	static const struct {
		const char *text;
		int64_t value;
	} good[] = {
	    {"1", 1},
	    {"512K", 512000},
	    {"512k", 512000},
	    {"1.5M", 1500000},
	    {"2G", 2000000000},
	    {"70B", 70000000000},
	    {"0.25T", 250000000000},
	    {"1e6", 1000000},
	    {"1E+6", 1000000},
	    {"1.013K", 1013},
	    {"4.35e2", 435},
	    {"0.001M", 1000},
	    {"+7", 7},
	    {"1e3K", 1000000},
	    {"2500e-2", 25},
	    {"1.1M", 1100000},
	    {"5.", 5},
	    {".5K", 500},
	    {"1000000000000", 1000000000000},
	    {"0.000000000001e24", 1000000000000},
	    {"00012", 12},
	};
	static const struct {
		const char *text, *message;
	} bad[] = {
	    {"0", "--tokens is 0, but must lie between 1 and 1000000000000"},
	    {"-5", "--tokens is -5, but must lie between"},
	    {"2e12", "--tokens is 2e12, but must lie between"},
	    {"1e999", "--tokens is 1e999, but must lie between"},
	    {"inf", "--tokens is inf, but must lie between"},
	    {"1.5", "--tokens is 1.5, but must be a whole number"},
	    {"1.0001K", "must be a whole number"},
	    {"", "--tokens is '', but must be a number such as 20, 512K, 1.5M, 2G or 1e6"},
	    {"x", "must be a number"},
	    {"1x", "must be a number"},
	    {"1KK", "must be a number"},
	    {"1m", "must be a number"},
	    {"1b", "must be a number"},
	    {"1TB", "must be a number"},
	    {"0x10", "must be a number"},
	    {"nan", "must be a number"},
	    {".", "must be a number"},
	    {"1e", "must be a number"},
	    {"1e+", "must be a number"},
	    {"--", "--tokens needs a value: --tokens D (tokens to train on)"},
	    {"1 000", "must be a number"},
	    {"1e99999999999999999999", "must be a number"},
	};
	struct target target;
	bool help;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		expect_success(PARSE(&target, NULL, &help, "--out=x", "--tokens", good[i].text));
		assert_int_equal(target.tokens, good[i].value);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		expect_failure(PARSE(&target, NULL, &help, "--out=x", "--tokens", bad[i].text), ERROR_USAGE, bad[i].message);
	char many[400] = "";
	memset(many, '1', 350);
	expect_failure(PARSE(&target, NULL, &help, "--out=x", "--tokens", many), ERROR_USAGE, "must be a number");
	/* Every whole thousandth, however it is written, is the number that it says. */
	for (int i = 1; i < 20000; i++) {
		char text[32];
		snprintf(text, sizeof text, "%d.%03dK", i / 1000, i % 1000);
		expect_success(PARSE(&target, NULL, &help, "--out=x", "--tokens", text));
		assert_int_equal(target.tokens, i);
	}
	expect_failure(
	    PARSE(&target, NULL, &help, "--out=x", "--seed=9007199254740993.5K"), ERROR_USAGE,
	    "must lie between 0 and 9007199254740992"); /* beyond, JSON would lose digits */
	expect_failure(
	    PARSE(&target, NULL, &help, "--out=x", "--clip=-1"), ERROR_USAGE, "--clip is -1, but must be at least 0");
	expect_failure(
	    PARSE(&target, NULL, &help, "--out=x", "--fraction", "1.01"), ERROR_USAGE, "must lie between 0 and 1");
	expect_success(PARSE(&target, NULL, &help, "--out=x", "--fraction", "1", "--clip", "inf", "--any=-1e300"));
	assert_true(target.fraction == 1 && target.clip == INFINITY && target.any == -1e300);
}

static void wrong_usage(void **state) {
	(void)state;
	struct target target;
	struct operands operands;
	bool help;
	expect_failure(PARSE(&target, NULL, &help, "--json"), ERROR_USAGE, "--out DIR is missing: folder for the results");
	expect_failure(PARSE(&target, NULL, &help, "--out="), ERROR_USAGE, "--out DIR is empty");
	/* Whoever reads an option with a default counts on a text. */
	expect_failure(PARSE(&target, NULL, &help, "--out=a", "--law="), ERROR_USAGE, "--law NAME is empty");
	expect_failure(PARSE(&target, NULL, &help, "--out"), ERROR_USAGE, "--out needs a value: --out DIR");
	expect_failure(PARSE(&target, NULL, &help, "--out", "--json"), ERROR_USAGE, "--out needs a value");
	expect_failure(
	    PARSE(&target, NULL, &help, "--out=x", "--tokns=3"), ERROR_USAGE,
	    "there is no option --tokns; did you mean --tokens?");
	expect_failure(PARSE(&target, NULL, &help, "--out=x", "--no-colr"), ERROR_USAGE, "did you mean --no-color?");
	expect_failure(PARSE(&target, NULL, &help, "--out=x", "-json"), ERROR_USAGE, "did you mean --json?");
	expect_failure(
	    PARSE(&target, NULL, &help, "--out=x", "--zebra"), ERROR_USAGE, "there is no option --zebra; --help lists");
	expect_failure(PARSE(&target, NULL, &help, "--out=x", "--no-tokens"), ERROR_USAGE, "--no-tokens makes no sense");
	expect_failure(PARSE(&target, NULL, &help, "--out=x", "--no-json=yes"), ERROR_USAGE, "takes no value");
	expect_failure(
	    PARSE(&target, NULL, &help, "--out=x", "--json=maybe"), ERROR_USAGE,
	    "--json is 'maybe', but must be yes or no");
	expect_failure(PARSE(&target, NULL, &help, "--out=x", "lab"), ERROR_USAGE, "'lab' is one argument too many");
	operands = (struct operands){(const char **)&target, 3};
	expect_failure(PARSE(&target, &operands, &help, "lab", "--zebra"), ERROR_USAGE, "--zebra");
	assert_null(operands.items); /* nothing to free */
	char longest[3000];
	memset(longest, 'y', sizeof longest);
	memcpy(longest, "--", 2);
	longest[sizeof longest - 1] = '\0';
	expect_failure(PARSE(&target, NULL, &help, "--out=x", longest), ERROR_USAGE, "there is no option --yyy");
}

static void help_needs_nothing_else(void **state) {
	(void)state;
	struct target target;
	bool help = false;
	expect_success(PARSE(&target, NULL, &help, "--help"));
	assert_true(help);
	expect_success(PARSE(&target, NULL, &help, "--tokens", "wrong", "--help"));
	assert_true(help);
	expect_success(PARSE(&target, NULL, &help, "-h"));
	assert_true(help);
	struct operands operands;
	expect_success(
	    PARSE(&target, &operands, &help, "--out=x", "--law", "-h", "--", "--help")); /* a value, an operand */
	assert_false(help);
	assert_string_equal(target.law, "-h");
	assert_int_equal(operands.count, 1);
	free(operands.items);
}

static void help_is_aligned_and_wrapped(void **state) {
	(void)state;
	static const char long_meaning[] =
	    "a meaning that goes on for much longer than fits beside its option, so that it has to be broken at a space "
	    "more than once, and whose default stands at the end";
	static const struct option_row help_rows[] = {
	    {"tokens", OPTION_COUNT, 0, "20M", 1, 1e12, "tokens to train on", "D"},
	    {"json", OPTION_FLAG, 0, "no", 0, 0, "print one JSON object", NULL},
	    {"color", OPTION_FLAG, 0, "yes", 0, 0, "use colours", NULL},
	    {"out", OPTION_TEXT, 0, NULL, 0, 0, "folder for the results", "DIR"},
	    {"corpus", OPTION_TEXT, 0, "", 0, 0, long_meaning, "FILE"},
	    {"rate", OPTION_REAL, 0, "0.02", 0, 1, long_meaning, "R"},
	    {"an-option-with-a-very-long-name", OPTION_TEXT, 0, "x", 0, 0, "short", "SOMETHING"},
	};
	struct text text = {0};
	options_help(help_rows, COUNT_OF(help_rows), &text);
	expect_success(text_error(&text));
	assert_non_null(strstr(text.data, "  --tokens D     tokens to train on [20M]\n"));
	assert_non_null(strstr(text.data, "  --json         print one JSON object\n"));
	assert_non_null(strstr(text.data, "  --[no-]color   use colours [yes]\n"));
	assert_non_null(strstr(text.data, "  --out DIR      folder for the results (required)\n"));
	assert_non_null(strstr(text.data, "  --an-option-with-a-very-long-name SOMETHING\n                 short [x]\n"));
	/* The words are all there, in order, in lines of at most 80 columns that begin at the same one. */
	struct text words = {0};
	const char *corpus = strstr(text.data, "  --corpus FILE"), *rate = strstr(text.data, "  --rate R");
	for (const char *line = corpus; line < rate; line += strcspn(line, "\n") + 1) {
		size_t length = strcspn(line, "\n"), blank = line == corpus ? 17 : strspn(line, " ");
		assert_true(length <= 80 && length > 30);
		assert_int_equal(blank, 17);
		text_add(&words, "%s%.*s", words.length ? " " : "", (int)(length - blank), line + blank);
	}
	assert_string_equal(words.data, long_meaning);
	assert_non_null(strstr(rate, "[0.02]\n"));
	text_free(&words);
	text_free(&text);
}

/* Whatever the lengths of the words: no line is too long, and none so short that its next word would have fitted. */
static void help_lines_are_filled(void **state) {
	(void)state;
	struct rng rng = rng_make(1, "help");
	for (int round = 0; round < 500; round++) {
		struct text meaning = {0}, text = {0};
		for (int i = 0; i < 40; i++)
			text_add(&meaning, "%s%.*s", i ? " " : "", 1 + (int)rng_below(&rng, 12), "abcdefghijkl");
		const struct option_row row = {"name", OPTION_TEXT, 0, "", 0, 0, meaning.data, "X"};
		options_help(&row, 1, &text);
		for (const char *line = text.data; *line;) {
			size_t length = strcspn(line, "\n");
			assert_true(length <= 80);
			assert_true(line[length - 1] != ' ');
			line += length + 1;
			size_t next = strspn(line, " "); /* the same on every line but the first */
			if (*line) assert_true(length + 1 + strcspn(line + next, " \n") > 80);
		}
		text_free(&meaning);
		text_free(&text);
	}
}

/* Every target that the command line can make is the same after JSON text and back. */
static void round_trip_through_json(void **state) {
	(void)state;
	struct rng rng = rng_make(1, "options");
	for (int round = 0; round < 2000; round++) {
		struct target before, after;
		memset(&before, 0, sizeof before);
		memset(&after, 0, sizeof after);
		expect_success(options_defaults(rows, COUNT_OF(rows), &before));
		expect_success(options_defaults(rows, COUNT_OF(rows), &after));
		before.tokens = 1 + (int64_t)rng_below(&rng, 1000000000000);
		before.seed = (int64_t)rng_below(&rng, (UINT64_C(1) << 53) + 1);
		before.workers = (int64_t)rng_below(&rng, 3); /* 0: unset, and out of range */
		before.offset_count = (int64_t)rng_below(&rng, 1000) - 500;
		before.rate = 1e-6 + rng_uniform(&rng);
		before.clip = round % 3 ? exp(rng_normal(&rng) * 20) : INFINITY;
		before.fraction = rng_uniform(&rng);
		before.any = round % 4 ? rng_normal(&rng) * 1e-300 : 0;
		before.json = round % 2;
		before.color = round % 5 == 0;
		before.out = "dir with \"quotes\"\n";
		before.corpus = round % 7 ? "c" : NULL;
		cJSON *object = cJSON_CreateObject(), *back;
		expect_success(options_to_json(rows, COUNT_OF(rows), &before, object));
		assert_non_null(cJSON_GetObjectItemCaseSensitive(object, "offset_count")); /* not offset-count */
		struct text text = {0};
		json_print(object, round % 2, &text);
		expect_success(json_parse("plan.json", text.data, text.length, &back));
		expect_success(options_from_json(rows, COUNT_OF(rows), &after, back, "plan.json"));
		assert_string_equal(after.out, before.out);
		assert_string_equal(after.law, before.law);
		assert_int_equal(after.corpus == NULL, before.corpus == NULL);
		after.out = before.out; /* pointers into the tree: compared above */
		after.law = before.law;
		after.corpus = before.corpus;
		assert_memory_equal(&after, &before, sizeof before);
		text_free(&text);
		cJSON_Delete(object);
		cJSON_Delete(back);
	}
}

static struct error *from_json(const char *text, struct target *target, cJSON **object) {
	expect_success(options_defaults(rows, COUNT_OF(rows), target));
	expect_success(json_parse("plan.json", text, strlen(text), object));
	return options_from_json(rows, COUNT_OF(rows), target, *object, "plan.json");
}

static void reading_json(void **state) {
	(void)state;
	static const struct {
		const char *text, *message; /* NULL: fine */
	} cases[] = {
	    {"{\"_comment\": [1], \"tokens\": \"1.5M\", \"clip\": \"inf\", \"any\": null}", NULL},
	    {"{\"tokens\": 1500000}", NULL},
	    {"{\"tokns\": 1}", "plan.json: unknown key \"tokns\"; did you mean \"tokens\"?"},
	    {"{\"offset-count\": 1}", "unknown key \"offset-count\"; did you mean \"offset_count\"?"},
	    {"{\"ofset_count\": 1}", "did you mean \"offset_count\"?"},
	    {"{\"zebra\": 1}", "the known ones are tokens, seed, workers, offset_count"},
	    {"{\"tokens\": 0}", "plan.json: tokens is 0, but must lie between 1 and 1000000000000"},
	    {"{\"tokens\": 1.5}", "plan.json: tokens is 1.5, but must be a whole number"},
	    {"{\"tokens\": true}", "plan.json: \"tokens\" must be a number"},
	    {"{\"tokens\": \"many\"}", "plan.json: tokens is 'many', but must be a number"},
	    {"{\"tokens\": null}", "\"tokens\" must be given"},
	    {"{\"out\": null}", "\"out\" must be given"},
	    {"{\"seed\": 1e17}", "plan.json: seed is 1e+17, but must lie between 0 and 9007199254740992"},
	    {"{\"json\": 1}", "\"json\" must be true or false"},
	    {"{\"law\": 1}", "\"law\" must be a string"},
	    {"{\"rate\": \"nan\"}", "must be a number"},
	    {"[1]", "plan.json: expected an object"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct target target;
		cJSON *object;
		struct error *error = from_json(cases[i].text, &target, &object);
		if (cases[i].message)
			expect_failure(error, ERROR_DATA, cases[i].message);
		else {
			expect_success(error);
			assert_int_equal(target.tokens, 1500000);
			assert_int_equal(target.seed, 1); /* what is not mentioned stays */
		}
		cJSON_Delete(object);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults),
	    cmocka_unit_test(command_lines),
	    cmocka_unit_test(lists),
	    cmocka_unit_test(numbers),
	    cmocka_unit_test(wrong_usage),
	    cmocka_unit_test(help_needs_nothing_else),
	    cmocka_unit_test(help_is_aligned_and_wrapped),
	    cmocka_unit_test(help_lines_are_filled),
	    cmocka_unit_test(round_trip_through_json),
	    cmocka_unit_test(reading_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
