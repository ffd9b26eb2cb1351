/* The whole fit: predictions of the largest rung, warnings for what deserves them, JSON and words that agree. */
#include "fit/law.h"
#include "tests/fit_fixture.h"

#include <omp.h>
#include <string.h>

static const struct fit_options quick = {.replicates = 40, .seed = 1};

static bool warns(const struct fit *fit, const char *code) {
	for (int i = 0; i < fit->warning_count; i++)
		if (strcmp(fit->warnings[i].code, code) == 0) return true;
	return false;
}

/* ------------------------------------------------------------------------------------------------------ prediction --- */

static void the_largest_rung_is_predicted(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &laptop, 0, 0, 1);
	struct fit_prediction prediction;
	expect_success(fit_predict_largest(&points, &plain_method, RESAMPLE_AUTO, 100, 1, &prediction));
	assert_true(prediction.made && prediction.count == 7 && close_to(prediction.N, 1.8e5, 1e-12));
	assert_true(prediction.error < 1e-8 && prediction.baseline_error > 0.01);
	for (size_t k = 0; k < prediction.count; k++) {
		const struct fit_predicted *at = &prediction.points[k];
		assert_true(close_to(points.items[at->point].N, 1.8e5, 1e-12));
		assert_true(k == 0 || points.items[at->point].D > points.items[prediction.points[k - 1].point].D);
		assert_true(close_to(at->predicted, points.items[at->point].loss, 1e-8));
	}
	fit_prediction_free(&prediction);
	/* What the largest rung itself is plays no part in it. */
	for (size_t i = 35; i < 42; i++) points.items[i].loss *= 1.5;
	expect_success(fit_predict_largest(&points, &plain_method, RESAMPLE_AUTO, 100, 1, &prediction));
	assert_true(near(prediction.error, 1 - 1 / 1.5, 1e-8) && near(prediction.worst, 1 - 1 / 1.5, 1e-8));
	assert_int_equal(prediction.covered, 0);
	fit_prediction_free(&prediction);
	fit_points_free(&points);
	/* The baseline is k N^-p D^-q: exact where that is the truth. */
	points = make_points(&truth, &laptop, 0, 0, 1);
	for (size_t i = 0; i < points.count; i++)
		points.items[i].loss = 30 * pow(points.items[i].N, -0.07) * pow(points.items[i].D, -0.11);
	expect_success(fit_predict_largest(&points, &plain_method, RESAMPLE_AUTO, 100, 1, &prediction));
	assert_true(prediction.baseline_error < 1e-9 && prediction.error > 1e-5);
	fit_prediction_free(&prediction);
	/* Two sizes are left of three. */
	points.count = 21;
	points.rungs = 3;
	expect_success(fit_predict_largest(&points, &plain_method, RESAMPLE_AUTO, 100, 1, &prediction));
	assert_true(!prediction.made && strstr(prediction.reason, "fewer than three sizes"));
	fit_prediction_free(&prediction);
	fit_points_free(&points);
}

/* Intervals of single measurements, a rung beyond the data: nine in ten must hold them, with errors that a rung shares or
 * without. 24 tables of 7 points that go together: 78 to 99 %. */
static void predictions_cover(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	size_t covered = 0, count = 0;
	for (uint64_t t = 0; t < 24; t++) {
		struct fit_points points = make_points(&truth, &laptop, 0.004, t % 2 ? 0.001 : 0, 300 + t);
		struct fit_prediction prediction;
		expect_success(fit_predict_largest(&points, &plain_method, RESAMPLE_AUTO, 60, t, &prediction));
		covered += prediction.covered;
		count += prediction.count;
		fit_prediction_free(&prediction);
		fit_points_free(&points);
	}
	assert_in_range(covered * 100 / count, 78, 99);
}

/* -------------------------------------------------------------------------------------------------------- warnings --- */

static void sound_tables_have_no_warnings(void **state) {
	(void)state;
	for (uint64_t seed = 0; seed < 5; seed++) {
		struct fit_points points = make_points(&besiroglu, &cluster, 0.003, 0, seed);
		struct fit fit;
		expect_success(fit_all(&points, &quick, &fit));
		for (int i = 0; i < fit.warning_count; i++) {
			const char *code = fit.warnings[i].code;
			/* A square grid of N and D has budgets whose optimum lies outside it; that is all. */
			bool allowed = strcmp(code, "extrapolation") == 0 || strcmp(code, "isoflop_edge") == 0;
			if (!allowed) print_error("%s: %s\n", code, fit.warnings[i].text);
			assert_true(allowed);
		}
		for (int i = 0; i < FIT_SURFACE_PARAMETERS; i++) assert_true(fit.identified[i]);
		assert_true(fit.identified_a);
		fit_free(&fit);
		fit_points_free(&points);
	}
}

static void designs_are_named(void **state) {
	(void)state;
	static const struct {
		const char *code;
		struct ladder_shape shape;
		bool fitted;
	} cases[] = {
	    {"few_sizes", {3, 7, 6e3, 30, 1e6, 64}, true},    {"few_sizes", {2, 7, 6e3, 30, 1e6, 64}, false},
	    {"few_horizons", {5, 3, 6e3, 30, 1e6, 64}, true}, {"few_horizons", {5, 2, 6e3, 30, 1e6, 64}, false},
	    {"narrow_N", {5, 7, 6e3, 8, 1e6, 64}, true},      {"narrow_D", {5, 7, 6e3, 30, 1e6, 8}, true},
	    {"few_rungs", {4, 7, 6e3, 30, 1e6, 64}, true},    {"no_prediction", {3, 7, 6e3, 30, 1e6, 64}, true},
	    {"few_points", {3, 3, 6e3, 30, 1e6, 64}, true},
	};
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct fit_points points = make_points(&truth, &cases[i].shape, 0.002, 0, 1);
		struct fit fit;
		expect_success(fit_all(&points, &quick, &fit));
		if (!warns(&fit, cases[i].code)) fail_msg("case %zu does not warn of %s", i, cases[i].code);
		assert_true(fit.fitted == cases[i].fitted);
		fit_free(&fit);
		fit_points_free(&points);
	}
}

/* Tables made from a sound one by `spoil`, the code that must then come, and one that must not have come before. */
static void spoil_line(struct fit_points *points) {
	for (size_t i = 0; i < points->count; i++) points->items[i].D = 20 * points->items[i].N;
}
static void spoil_nearly_line(struct fit_points *points) {
	for (size_t i = 0; i < points->count; i++)
		points->items[i].D = 20 * points->items[i].N * (1 + 0.3 * (double)(i % 2));
}
static void spoil_one_N(struct fit_points *points) {
	for (size_t i = 0; i < points->count; i++) points->items[i].N = 5e4;
}
static void spoil_one_D(struct fit_points *points) {
	for (size_t i = 0; i < points->count; i++) points->items[i].D = 5e6;
}
static void spoil_floor(struct fit_points *points) {
	for (size_t i = 0; i < points->count; i++) points->items[i].loss -= 0.8;
}
static void spoil_noise(struct fit_points *points) {
	struct rng rng = rng_make(1, "spoil");
	for (size_t i = 0; i < points->count; i++) points->items[i].loss *= exp(0.05 * rng_normal(&rng));
}
static void spoil_rising(struct fit_points *points) {
	for (size_t i = 0; i < points->count; i++) points->items[i].loss *= pow(points->items[i].N, 0.2);
}
static void spoil_divergence(struct fit_points *points) {
	points->items[13].loss *= 1.4;
}
static void spoil_errors(struct fit_points *points) {
	for (size_t i = 0; i < points->count; i++) points->items[i].loss_error = 1e-4;
}
static void spoil_counting(struct fit_points *points) {
	for (size_t i = 0; i < points->count; i++) points->items[i].C *= 1.5;
}
static void spoil_horizons(struct fit_points *points) {
	for (size_t i = 0; i < points->count; i++) points->items[i].D *= 1 + 0.03 * (double)(i / 7);
}

/* A whole rung that was badly tuned: the surface of least absolute errors passes it by, the parabolas cannot. */
static void spoil_rung(struct fit_points *points) {
	for (size_t i = 14; i < 21; i++) points->items[i].loss *= 1.06;
}

static void spoilt_tables_are_named(void **state) {
	(void)state;
	static const struct {
		const char *code;
		void (*spoil)(struct fit_points *points);
	} cases[] = {
	    {"one_line", spoil_line},          {"collinear", spoil_nearly_line},     {"single_N", spoil_one_N},
	    {"single_D", spoil_one_D},         {"E_not_identified", spoil_floor},    {"wide_interval", spoil_noise},
	    {"not_converged", spoil_rising},   {"at_bound", spoil_rising},           {"loss_rises", spoil_divergence},
	    {"misfit", spoil_errors},          {"compute_counting", spoil_counting}, {"no_common_D", spoil_horizons},
	    {"isoflop_disagrees", spoil_rung},
	};
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points sound = make_points(&truth, &laptop, 0.002, 0, 2);
	struct fit befores[2], after;
	struct fit_options options = quick;
	for (int published = 0; published < 2; published++) {
		options.method = published ? published_method : plain_method;
		expect_success(fit_all(&sound, &options, &befores[published]));
	}
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		bool published = cases[i].spoil == spoil_rung;
		options.method = published ? published_method : plain_method;
		struct fit_points points = make_points(&truth, &laptop, 0.002, 0, 2);
		if (warns(&befores[published], cases[i].code)) fail_msg("%s came without a reason", cases[i].code);
		cases[i].spoil(&points);
		expect_success(fit_all(&points, &options, &after));
		if (!warns(&after, cases[i].code)) fail_msg("%s did not come", cases[i].code);
		fit_free(&after);
		fit_points_free(&points);
	}
	for (int published = 0; published < 2; published++) fit_free(&befores[published]);
	fit_points_free(&sound);
}

/* What made D say little beside N: N itself, or that D hardly varies. */
static void collinear_names_its_cause(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	static const struct ladder_shape narrow = {5, 4, 6e3, 30, 1e6, 2};
	static const char *const causes[] = {"N and D nearly move together", "D spans only a factor of 2:"};
	for (int i = 0; i < 2; i++) {
		struct fit_points points = make_points(&truth, i ? &narrow : &laptop, 0.002, 0, 2);
		if (i == 0) spoil_nearly_line(&points);
		struct fit fit;
		expect_success(fit_all(&points, &quick, &fit));
		const char *text = "";
		for (int w = 0; w < fit.warning_count; w++)
			if (strcmp(fit.warnings[w].code, "collinear") == 0) text = fit.warnings[w].text;
		if (strncmp(text, causes[i], strlen(causes[i])) != 0) fail_msg("expected '%s', found: %s", causes[i], text);
		fit_free(&fit);
		fit_points_free(&points);
	}
}

/* ----------------------------------------------------------------------------------------------------- JSON, words --- */

static double number_at(const cJSON *object, const char *first, const char *second) {
	double value;
	const cJSON *inner = second ? cJSON_GetObjectItemCaseSensitive(object, first) : object;
	assert_non_null(inner);
	expect_success(json_get_number(inner, second ? second : first, "fit", &value));
	return value;
}

static void json_holds_what_was_found(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &laptop, 0.003, 0, 3);
	struct fit fit;
	cJSON *root;
	expect_success(fit_all(&points, &quick, &fit));
	expect_success(fit_to_json(&fit, &root));
	struct text text = {0};
	json_print(root, true, &text);
	cJSON_Delete(root);
	expect_success(json_parse("fit.json", text.data, text.length, &root));
	assert_true(number_at(root, "parameters", "E") == fit.surface.surface.E);
	assert_true(number_at(root, "parameters", "beta") == fit.surface.surface.beta);
	assert_true(number_at(root, "objective", NULL) == fit.surface.objective);
	assert_true(number_at(root, "allocation", "a") == fit.allocation.a);
	assert_true(number_at(root, "prediction", "error") == fit.prediction.error);
	assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "converged")));
	static const struct {
		const char *key;
		size_t count;
	} arrays[] = {{"residuals", 42}, {"laws", 6}, {"isoflop", 6}, {"left_out", 0}};
	for (size_t i = 0; i < COUNT_OF(arrays); i++) {
		const cJSON *array = cJSON_GetObjectItemCaseSensitive(root, arrays[i].key);
		assert_int_equal(cJSON_GetArraySize(array), arrays[i].count);
	}
	/* Residuals are ln(loss / predicted), and predicted is the formula. */
	const cJSON *row = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(root, "residuals"), 17);
	double predicted = number_at(row, "predicted", NULL), loss = number_at(row, "loss", NULL);
	assert_true(close_to(
	    predicted, fit_surface_loss(&fit.surface.surface, number_at(row, "N", NULL), number_at(row, "D", NULL)),
	    1e-12));
	assert_true(near(number_at(row, "residual", NULL), log(loss / predicted), 1e-12));
	/* The text says the same, and holds every warning. */
	const char *words;
	expect_success(json_get_text(root, "text", "fit", &words));
	char E[32];
	snprintf(E, sizeof E, "levels off at E = %.4f", fit.surface.surface.E);
	assert_non_null(strstr(words, E));
	for (int i = 0; i < fit.warning_count; i++) assert_non_null(strstr(words, fit.warnings[i].text));
	cJSON_Delete(root);
	text_free(&text);
	fit_free(&fit);
	fit_points_free(&points);
}

/* Where the data cannot say, no number stands as if they could. */
static void words_do_not_claim_what_is_not_known(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &laptop, 0.003, 0, 4);
	struct text words = {0}, summary = {0};
	struct fit fit;
	cJSON *root;
	spoil_line(&points);
	expect_success(fit_all(&points, &quick, &fit));
	assert_false(fit.fitted);
	fit_in_words(&fit, &words);
	fit_summary(&fit, "t.csv", &summary);
	assert_non_null(strstr(words.data, "do not determine"));
	assert_non_null(strstr(summary.data, "not fitted"));
	expect_success(fit_to_json(&fit, &root));
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetObjectItem(root, "parameters"), "alpha")));
	const char *reason = cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetObjectItem(root, "refused"), "alpha"));
	assert_string_equal(reason, "D is a function of N");
	assert_true(isnan(number_at(root, "objective", NULL)));
	assert_null(cJSON_GetObjectItemCaseSensitive(root, "allocation"));
	cJSON_Delete(root);
	fit_free(&fit);
	fit_points_free(&points);

	points = make_points(&truth, &laptop, 0.003, 0, 2);
	spoil_floor(&points);
	text_clear(&words);
	text_clear(&summary);
	expect_success(fit_all(&points, &quick, &fit));
	assert_true(fit.fitted && !fit.identified[0] && fit.identified[3]);
	fit_in_words(&fit, &words);
	fit_summary(&fit, "t.csv", &summary);
	assert_non_null(strstr(words.data, "Whether the loss has a floor cannot be said"));
	assert_null(strstr(words.data, "levels off"));
	assert_non_null(strstr(summary.data, "  E          not determined"));
	const char *published = strstr(summary.data, "  published");
	assert_true(published && strstr(published, " E ("));
	fit_free(&fit);
	fit_points_free(&points);

	points = make_points(&truth, &laptop, 0.003, 0, 4);
	spoil_rising(&points);
	text_clear(&words);
	text_clear(&summary);
	expect_success(fit_all(&points, &quick, &fit));
	fit_in_words(&fit, &words);
	fit_summary(&fit, "t.csv", &summary);
	assert_non_null(strstr(words.data, "did not converge"));
	assert_non_null(strstr(summary.data, "NOT CONVERGED"));
	assert_null(strstr(summary.data, "Best use"));
	for (int i = 0; i < FIT_SURFACE_PARAMETERS; i++) assert_false(fit.identified[i]);
	fit_free(&fit);
	fit_points_free(&points);
	text_free(&words);
	text_free(&summary);
}

int main(void) {
	omp_set_num_threads(1);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_largest_rung_is_predicted), cmocka_unit_test(predictions_cover),
	    cmocka_unit_test(sound_tables_have_no_warnings), cmocka_unit_test(designs_are_named),
	    cmocka_unit_test(spoilt_tables_are_named),       cmocka_unit_test(collinear_names_its_cause),
	    cmocka_unit_test(json_holds_what_was_found),     cmocka_unit_test(words_do_not_claim_what_is_not_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
