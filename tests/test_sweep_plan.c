/* Plans: what is read, what is refused and in which words, what a frozen plan says, and the built-in plans. */
#include "sweep/sweep.h"
#include "tests/support.h"

#include <math.h>

static struct error *parse(const char *json, struct plan *plan) {
	cJSON *root;
	*plan = (struct plan){0};
	TRY(json_parse("P.json", json, strlen(json), &root));
	struct error *error = plan_parse(root, "P.json", plan);
	cJSON_Delete(root);
	return error;
}

/* A corpus of letters, big enough for what these plans ask. */
static struct corpus_info letters(void) {
	struct corpus_info info = {.tokenizer = "char", .vocab = 96};
	info.tokens[SPLIT_TRAIN] = info.bytes[SPLIT_TRAIN] = 20000000;
	info.tokens[SPLIT_HELD_OUT] = info.bytes[SPLIT_HELD_OUT] = 1000000;
	return info;
}

static void defaults_and_overrides(void **state) {
	(void)state;
	struct plan plan;
	expect_success(parse(
	    "{\"name\": \"n\", \"corpus\": \"a/b.corpus\", \"_note\": [1], \"rate\": 0.004, \"batch\": 4,"
	    " \"warmup_tokens\": \"20K\", \"horizons\": [\"1M\", 2e6], \"seeds\": [3, 1],"
	    " \"rungs\": [{\"width\": 16, \"depth\": 2},"
	    "  {\"width\": 64, \"depth\": 4, \"rate\": 0.002, \"_why\": 1, \"horizons\": [4e6], \"seeds\": [7]}]}",
	    &plan));
	assert_string_equal(plan.name, "n");
	assert_string_equal(plan.corpus, "a/b.corpus");
	assert_int_equal(plan.rung_count, 2);
	const struct rung *one = &plan.rungs[0], *two = &plan.rungs[1];
	assert_int_equal(one->config.width, 16);
	assert_int_equal(one->config.batch, 4);
	assert_true(one->config.rate == 0.004 && two->config.rate == 0.002);
	assert_true(one->config.warmup_tokens == 20000 && two->config.warmup_tokens == 20000);
	assert_int_equal(one->horizon_count, 2);
	assert_int_equal(one->horizons[0], 1000000);
	assert_int_equal(one->horizons[1], 2000000);
	assert_int_equal(one->seed_count, 2);
	assert_int_equal(one->seeds[0], 3);
	assert_int_equal(two->horizon_count, 1);
	assert_int_equal(two->horizons[0], 4000000);
	assert_int_equal(two->seeds[0], 7);
	/* What nobody mentions is as in `rung train`. */
	struct train_config config;
	expect_success(options_defaults(train_config_rows, train_config_row_count, &config));
	assert_true(two->config.cooldown == config.cooldown && two->config.beta2_tokens == config.beta2_tokens);
	plan_free(&plan);
}

static void a_source_for_a_corpus(void **state) {
	(void)state;
	struct plan plan;
	expect_success(parse(
	    "{\"name\": \"n\", \"corpus\": {\"source\": \"markov\", \"vocab\": 8}, \"horizons\": [1e6],"
	    " \"width\": 32, \"rungs\": [{\"depth\": 1}, {\"depth\": 2}]}",
	    &plan));
	assert_null(plan.corpus);
	assert_int_equal(cJSON_GetObjectItem(plan.source, "vocab")->valueint, 8);
	assert_int_equal(plan.rungs[1].config.width, 32); /* one width for the whole ladder */
	assert_int_equal(plan.rungs[1].seeds[0], 1);
	plan_free(&plan);
}

static void mistakes(void **state) {
	(void)state;
	static const struct {
		const char *json, *said;
	} wrong[] = {
	    {"[]", "P.json: a plan is a JSON object"},
	    {"{\"rungs\": []}", "P.json"},
	    {"{\"name\": 3}", "P.json"},
	    {"{\"name\": \"n\"}", "P.json: \"rungs\" must be a list"},
	    {"{\"name\": \"n\", \"rungs\": [5]}", "P.json: rungs[0] must be an object"},
	    {"{\"name\": \"n\", \"rungs\": [{\"depth\": 2}], \"horizons\": [1e6]}",
	     "P.json: rungs[0]: \"width\" is missing"},
	    {"{\"name\": \"n\", \"rungs\": [{\"width\": 16}], \"horizons\": [1e6]}",
	     "P.json: rungs[0]: \"depth\" is missing"},
	    {"{\"name\": \"n\", \"rungs\": [{\"width\": 16, \"depth\": 2}]}", "P.json: rungs[0]: no \"horizons\""},
	    {"{\"name\": \"n\", \"horizons\": [1e6], \"rungs\": [{\"width\": 16, \"depth\": 2}, {\"width\": 40, \"depth\": "
	     "2}]}",
	     "P.json: rungs[1]: width is 40; heads are 16 wide"},
	    {"{\"name\": \"n\", \"horizons\": [1e6], \"rungs\": [{\"width\": 16, \"depth\": 2, \"rat\": 1}]}",
	     "P.json: rungs[0]: unknown key \"rat\"; did you mean \"rate\"?"},
	    {"{\"name\": \"n\", \"horizon\": [1e6], \"rungs\": [{\"width\": 16, \"depth\": 2}]}",
	     "P.json: unknown key \"horizon\"; did you mean \"horizons\"?"},
	    {"{\"name\": \"n\", \"horizons\": [1e6], \"rungs\": [{\"width\": \"wide\", \"depth\": 2}]}",
	     "rungs[0]: width is 'wide'"},
	    {"{\"name\": \"n\", \"horizons\": [1e6], \"rungs\": [{\"width\": 16, \"depth\": 2, \"cooldown\": 2}]}",
	     "rungs[0]: cooldown is 2, but must lie between 0 and 1"},
	    {"{\"name\": \"n\", \"horizons\": 1e6, \"rungs\": [{\"width\": 16, \"depth\": 2}]}",
	     "P.json: \"horizons\" must be a list"},
	    {"{\"name\": \"n\", \"horizons\": [], \"rungs\": [{\"width\": 16, \"depth\": 2}]}",
	     "P.json: \"horizons\" must be a list"},
	    {"{\"name\": \"n\", \"horizons\": [2e6, 1e6], \"rungs\": [{\"width\": 16, \"depth\": 2}]}",
	     "P.json: horizons[1] is 1000000 after 2000000; horizons must ascend"},
	    {"{\"name\": \"n\", \"horizons\": [1e6, 1e6], \"rungs\": [{\"width\": 16, \"depth\": 2}]}",
	     "horizons must ascend"},
	    {"{\"name\": \"n\", \"horizons\": [1e6, 2000000.5], \"rungs\": [{\"width\": 16, \"depth\": 2}]}",
	     "P.json: horizons[1] is 2000000.5, but must be a whole number"},
	    {"{\"name\": \"n\", \"horizons\": [0], \"rungs\": [{\"width\": 16, \"depth\": 2}]}",
	     "P.json: horizons[0] is 0"},
	    {"{\"name\": \"n\", \"horizons\": [1e6], \"seeds\": [1, 2, 1], \"rungs\": [{\"width\": 16, \"depth\": 2}]}",
	     "P.json: seeds[2] is 1 after 1; a seed can stand there once"},
	    {"{\"name\": \"n\", \"tokens\": 1e6, \"rungs\": [{\"width\": 16, \"depth\": 2}]}",
	     "a plan lists them: \"horizons\""},
	    {"{\"name\": \"n\", \"horizons\": [1e6], \"rungs\": [{\"width\": 16, \"depth\": 2, \"seed\": 1}]}",
	     "rungs[0]: \"seed\" belongs to a single run"},
	    {"{\"name\": \"n\", \"corpus\": 3, \"horizons\": [1e6], \"rungs\": [{\"width\": 16, \"depth\": 2}]}",
	     "P.json: \"corpus\" must be the path"},
	    {"{\"name\": \"n\", \"corpus_hash\": \"12\", \"horizons\": [1e6], \"rungs\": [{\"width\": 16, \"depth\": 2}]}",
	     "P.json: \"corpus_hash\" must be 16"},
	    {"{\"name\": \"n\", \"sample\": {\"prompts\": 2}, \"horizons\": [1e6], \"rungs\": [{\"width\": 16, \"depth\": "
	     "2}]}",
	     "P.json: sample: unknown key \"prompts\"; did you mean \"prompt\"?"},
	};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct plan plan;
		expect_failure(parse(wrong[i].json, &plan), ERROR_DATA, wrong[i].said);
		plan_free(&plan);
	}
}

static void mistakes_about_the_corpus(void **state) {
	(void)state;
	static const struct {
		const char *rungs, *said;
	} wrong[] = {
	    {"[{\"width\": 16, \"depth\": 1, \"horizons\": [1e6, 30e6]}]",
	     "P.json: rungs[0], horizon 30000000: 30000128 tokens"},
	    {"[{\"width\": 16, \"depth\": 1}, {\"width\": 16, \"depth\": 2, \"context\": 1500000, \"batch\": 1}]",
	     "P.json"},
	    {"[{\"width\": 16, \"depth\": 1, \"horizons\": [1000000, 1000100]}]",
	     "P.json: rungs[0]: the horizons 1000000 and 1000100 are both 1953 steps of 512 tokens"},
	    {"[{\"width\": 16, \"depth\": 1, \"seeds\": [2, 3]}, {\"width\": 32, \"depth\": 1, \"seeds\": [3]},"
	     " {\"width\": 16, \"depth\": 1, \"seeds\": [3], \"horizons\": [\"500K\", \"1M\"]}]",
	     "P.json: rungs[0] and rungs[2] ask for the same run (1000000 tokens, seed 3)"},
	};
	const struct corpus_info corpus = letters();
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct plan plan;
		char json[500];
		snprintf(json, sizeof json, "{\"name\": \"n\", \"horizons\": [1e6], \"rungs\": %s}", wrong[i].rungs);
		struct error *error = parse(json, &plan);
		if (!error) error = plan_check(&plan, "P.json", &corpus);
		expect_failure(error, ERROR_DATA, wrong[i].said);
		plan_free(&plan);
	}
	/* The same tokens with a second epoch allowed. */
	struct plan plan;
	expect_success(parse(
	    "{\"name\": \"n\", \"epochs\": 2, \"rungs\": [{\"width\": 16, \"depth\": 1, \"horizons\": [1e6, 30e6]}]}",
	    &plan));
	expect_success(plan_check(&plan, "P.json", &corpus));
	plan_free(&plan);
}

static void frozen_plans_come_back(void **state) {
	(void)state;
	struct plan plan, again;
	expect_success(parse(
	    "{\"name\": \"n\", \"corpus\": {\"source\": \"markov\"}, \"corpus_hash\": \"00000000000000ff\", \"rate\": 0.1,"
	    " \"horizons\": [1e6, 4e6], \"sample\": {\"temperature\": 0.3},"
	    " \"rungs\": [{\"width\": 16, \"depth\": 2}, {\"width\": 64, \"depth\": 4, \"clip\": 0.7, \"seeds\": [4, 2]}]}",
	    &plan));
	cJSON *root = plan_to_json(&plan);
	assert_non_null(root);
	struct text text = {0};
	json_print(root, true, &text);
	expect_success(parse(text.data, &again));
	cJSON *root_again = plan_to_json(&again);
	struct text differences = {0};
	plan_differences(root, "one", root_again, "other", &differences);
	assert_int_equal(differences.length, 0);
	/* Every setting of a run stands in it, apart from those that differ between the runs of a rung. */
	const cJSON *rung = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "rungs"), 1);
	assert_int_equal(cJSON_GetArraySize(rung), (int)train_config_row_count - 2 + 2);
	assert_true(again.rungs[1].config.clip == 0.7 && again.rungs[0].config.rate == 0.1);
	assert_int_equal(again.rungs[1].seeds[0], 4);
	assert_true(again.sample.temperature == 0.3);
	assert_string_equal(again.corpus_hash, "00000000000000ff");
	text_free(&text);
	cJSON_Delete(root);
	cJSON_Delete(root_again);
	plan_free(&plan);
	plan_free(&again);
}

static void differences_are_named(void **state) {
	(void)state;
	cJSON *one = cJSON_Parse("{\"a\": 1, \"b\": [{\"x\": 1, \"y\": [1, 2]}, {\"x\": 2}], \"c\": \"s\", \"d\": 0}");
	cJSON *two = cJSON_Parse("{\"a\": 1, \"b\": [{\"x\": 1, \"y\": [1, 3]}], \"c\": \"t\", \"e\": 5}");
	struct text out = {0};
	plan_differences(one, "LAB", two, "P", &out);
	assert_string_equal(
	    out.data, "  b[0].y: [1,2] in LAB, [1,3] in P\n"
	              "  b[1]: {\"x\":2} in LAB, not in P\n"
	              "  c: \"s\" in LAB, \"t\" in P\n"
	              "  d: 0 in LAB, not in P\n"
	              "  e: not in LAB, 5 in P\n");
	text_free(&out);
	cJSON_Delete(one);
	cJSON_Delete(two);
}

static void paths_count_from_the_plan(void **state) {
	(void)state;
	char *folder = folder_temporary();
	char *path = path_join(folder, "p.json");
	static const char relative[] = "{\"name\": \"n\", \"corpus\": \"x/c.corpus\", \"horizons\": [1e6], \"rungs\": "
	                               "[{\"width\": 16, \"depth\": 2}]}";
	expect_success(file_write(path, relative, sizeof relative - 1));
	struct plan plan;
	expect_success(plan_read(path, &plan));
	char *expected = path_join(folder, "x/c.corpus");
	assert_string_equal(plan.corpus, expected);
	plan_free(&plan);
	expect_failure(plan_read("/nowhere/p.json", &plan), ERROR_FAILED, "/nowhere/p.json");
	plan_free(&plan);
	free(expected);
	free(path);
	folder_remove(folder);
}

/* What the demo promises: enough sizes, points and decades, counted here by hand from the plan alone. */
static void presets(void **state) {
	(void)state;
	assert_null(preset_json("no such preset"));
	for (size_t p = 0; preset_names[p]; p++) {
		const char *json = preset_json(preset_names[p]);
		assert_non_null(json);
		struct plan plan;
		expect_success(parse(json, &plan));
		assert_string_equal(plan.name, preset_names[p]);
		const struct corpus_info corpus = letters();
		expect_success(plan_check(&plan, preset_names[p], &corpus));
		double least_n = INFINITY, most_n = 0, least_c = INFINITY, most_c = 0;
		int points = 0;
		for (int r = 0; r < plan.rung_count; r++) {
			const struct rung *rung = &plan.rungs[r];
			const double d = (double)rung->config.width, L = (double)rung->config.depth;
			const double N = 12 * L * d * d;
			least_n = fmin(least_n, N);
			most_n = fmax(most_n, N);
			for (int h = 0; h < rung->horizon_count; h++) {
				const double D = (double)rung->horizons[h];
				if (D / (double)(rung->config.batch * rung->config.context) < 200) continue;
				points++;
				least_c = fmin(least_c, 6 * N * D);
				most_c = fmax(most_c, 6 * N * D);
			}
		}
		assert_true(plan.rung_count >= 5);
		assert_true(most_n / least_n >= 10);
		assert_true(points >= 20);
		assert_true(most_c / least_c >= 100);
		plan_free(&plan);
	}
}

/* docs/plan.md lists every setting with the default that the program has. */
static void the_documentation_knows_every_setting(void **state) {
	(void)state;
	struct text text = {0};
	expect_success(file_read("docs/plan.md", 1000000, &text));
	for (size_t i = 0; i < train_config_row_count; i++) {
		const struct option_row *row = &train_config_rows[i];
		char key[64], line[128];
		snprintf(key, sizeof key, "%s", row->name);
		for (char *c = key; *c; c++)
			if (*c == '-') *c = '_';
		const bool per_run = strcmp(key, "tokens") == 0 || strcmp(key, "seed") == 0;
		const bool shape = strcmp(key, "width") == 0 || strcmp(key, "depth") == 0;
		snprintf(line, sizeof line, shape ? "\n| `%s` |" : "\n| `%s` | %s |", key, row->fallback);
		if (!strstr(text.data, line) != per_run) fail_msg("docs/plan.md and the settings disagree about %s", key);
	}
	text_free(&text);
}

static void reasons_to_leave_a_point_out(void **state) {
	(void)state;
	assert_string_equal(point_reason(false, 200, 2.4999, 2.5), "");
	assert_string_equal(point_reason(false, 199, 1, 2.5), "short");
	assert_string_equal(point_reason(false, 200, 2.5, 2.5), "above_bigram");
	assert_string_equal(point_reason(false, 199, 3, 2.5), "short");
	assert_string_equal(point_reason(true, 10, NAN, 2.5), "diverged");
	assert_string_equal(point_reason(false, 5000, NAN, 2.5), "above_bigram"); /* never a point without a loss */
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults_and_overrides),
	    cmocka_unit_test(a_source_for_a_corpus),
	    cmocka_unit_test(mistakes),
	    cmocka_unit_test(mistakes_about_the_corpus),
	    cmocka_unit_test(frozen_plans_come_back),
	    cmocka_unit_test(differences_are_named),
	    cmocka_unit_test(paths_count_from_the_plan),
	    cmocka_unit_test(presets),
	    cmocka_unit_test(the_documentation_knows_every_setting),
	    cmocka_unit_test(reasons_to_leave_a_point_out),
	};
	return cmocka_run_group_tests_name("sweep plan", tests, NULL, NULL);
}
