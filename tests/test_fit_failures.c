/* What a fit found, told while memory is short: each allocation fails in turn, alone or with all after it, and what comes is
 * the whole answer or an error, never a part of it. */
#include "fit/approach.h"
#include "fit/chosen.h"
#include "tests/fail.h"
#include "tests/fit_fixture.h"

static struct fit_points points;
static struct fit all;
static struct chosen chosen;
static struct counting_input counting = {.N = {{"hidden", NULL}, {"all", NULL}}, .N_count = 2};

static struct error *print_tree(struct error *error, cJSON *root, struct text *out) {
	if (!error) json_print(root, true, out);
	cJSON_Delete(root);
	return error ? error : text_error(out);
}

static struct error *tell_all(struct text *out) {
	fit_summary(&all, "table.csv", out);
	return text_error(out);
}

static struct error *tell_all_in_json(struct text *out) {
	cJSON *root = NULL;
	struct error *error = fit_to_json(&all, &root);
	return print_tree(error, root, out);
}

static struct error *tell_chosen(struct text *out) {
	chosen_summary(&chosen, "table.csv", out);
	return text_error(out);
}

static struct error *tell_chosen_in_json(struct text *out) {
	cJSON *root = NULL;
	struct error *error = chosen_to_json(&chosen, &root);
	return print_tree(error, root, out);
}

static struct error *tell_laws(struct text *out) {
	laws_help(out);
	return text_error(out);
}

static void expect_all_or_an_error(struct error *(*tell)(struct text *out), bool lasting) {
	struct text whole = {0};
	expect_success(tell(&whole));
	long failed = 0;
	for (bool fails = true; fails;) {
		struct text told = {0};
		fail_from(FAIL_MEMORY, ENOMEM, ++failed, lasting);
		struct error *error = tell(&told);
		fails = fail_end();
		if (!error && strcmp(told.data, whole.data) != 0)
			fail_msg(
			    "allocation %ld failed, and nobody was told; of %zu bytes came %zu", failed, whole.length, told.length);
		if (error) assert_int_equal(error->kind, ERROR_FAILED);
		error_free(error);
		text_free(&told);
	}
	assert_true(failed > 3); /* some did fail */
	text_free(&whole);
}

static void it_is_told_whole_or_not_at_all(void **state) {
	(void)state;
	if (!FAIL_HAS_MEMORY) skip();
	for (int lasting = 0; lasting < 2; lasting++) {
		expect_all_or_an_error(tell_all, lasting);
		expect_all_or_an_error(tell_all_in_json, lasting);
		expect_all_or_an_error(tell_chosen, lasting);
		expect_all_or_an_error(tell_chosen_in_json, lasting);
		expect_all_or_an_error(tell_laws, lasting);
	}
}

/* A table with everything that there are words for: rows left out, another minimum, approaches, ways of counting, a
 * comparison. */
static int prepare(void **state) {
	(void)state;
	static const struct ladder_shape shape = {5, 5, 6e3, 20, 1e6, 30};
	static const struct fit_approach_options approaches = {.counting = &counting};
	static const struct fit_options how = {.replicates = 20, .seed = 1, .approaches = &approaches};
	const struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	const struct chosen_options options = {.method.law = "stretched", .variable = FIT_C, .all = true, .how = &how};
	points = make_points(&truth, &shape, 0.003, 0.002, 3);
	points.left_out = array_new(2, sizeof *points.left_out);
	if (!points.left_out) return -1;
	points.left_out[0] = (struct fit_left_out){.N = 1, .D = 1, .why = LEFT_OUT_BY_TABLE, .reason = "diverged"};
	points.left_out[1] = (struct fit_left_out){.N = 1, .D = 1, .why = LEFT_OUT_AS_BAD, .reason = "no loss"};
	points.left_out_count = 2;
	for (size_t k = 0; k < counting.N_count; k++) {
		counting.N[k].values = array_new(points.count, sizeof(double));
		if (!counting.N[k].values) return -1;
		for (size_t i = 0; i < points.count; i++)
			counting.N[k].values[i] = points.items[i].N + (k ? 40 * sqrt(points.items[i].N) : 0);
	}
	expect_success(fit_all(&points, &how, &all));
	expect_success(chosen_fit(&points, &options, &chosen));
	return 0;
}

static int clear(void **state) {
	(void)state;
	chosen_free(&chosen);
	fit_free(&all);
	fit_points_free(&points);
	counting_input_free(&counting);
	return 0;
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(it_is_told_whole_or_not_at_all)};
	return cmocka_run_group_tests_name("fit failures", tests, prepare, clear);
}
