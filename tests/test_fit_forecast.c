/* Forecasts: what they are made from, what is refused, that the file shows every change, and scores by hand. */
#include "fit/forecast.h"
#include "tests/fit_fixture.h"
#include "tests/folder_fixture.h"

#define REFITS 100
#define DECADE_SHAPE ((struct ladder_shape){6, 7, 6e3, 30, 1e6, 64})

static const struct forecast_options usual = {
    .replicates = REFITS, .seed = 1, .law = "chinchilla", .source = "table", .time = 1767225599};

static struct targets targets_at(const char *const *pairs, size_t count) {
	struct targets targets = {0};
	for (size_t i = 0; i < count; i++) expect_success(targets_add(&targets, pairs[i]));
	return targets;
}
#define TARGETS(...) targets_at((const char *const[]){__VA_ARGS__}, COUNT_OF(((const char *const[]){__VA_ARGS__})))

/* ------------------------------------------------------------------------------------------------------- targets --- */

static void pairs(void **state) {
	(void)state;
	struct targets targets = TARGETS("1.5M,2G", "3e5,1000000");
	assert_true(targets.items[0].N == 1.5e6 && targets.items[0].D == 2e9);
	assert_true(targets.items[1].N == 3e5 && targets.items[1].D == 1e6);
	static const char *const bad[] = {"1M",   "1M,",   ",1M",    "1M;2M", "1M,2M,3M",
	                                  "0,1M", "-1,1M", "1M,inf", "x,1",   "1M,nan"};
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		expect_failure(targets_add(&targets, bad[i]), ERROR_USAGE, "expected the parameters and the tokens");
	expect_failure(targets_add(&targets, "1.51M,1.99G"), ERROR_USAGE, "this place was named before");
	expect_success(targets_add(&targets, "1.54M,2G"));
	targets_free(&targets);
}

static struct error *plan_targets(const char *json, const struct fit_points *points, struct targets *targets) {
	char *path = path_join(folder, "plan.json");
	expect_success(file_write(path, json, strlen(json)));
	struct error *error = targets_from_plan(targets, path, points);
	free(path);
	return error;
}

static void plans(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &DECADE_SHAPE, 0, 0, 1);
	struct targets targets = {0};
	points.input.N = "N";
	points.items[0].N = 12 * 2 * 16 * 16; /* 6144 parameters, at 1M tokens: within 2 % of 1.01M */
	points.items[0].id = "seen";
	/* Settings of the plan hold for rungs without their own; seeds of one place are one; what is there is counted. */
	expect_success(plan_targets(
	    "{\"name\": \"x\", \"depth\": 2, \"horizons\": [\"1.01M\", 3e9], \"seeds\": [1, 2], \"rungs\": [{\"width\": "
	    "16}, "
	    "{\"width\": 32, \"depth\": 3, \"horizons\": [\"5G\", 5.01e9]}]}",
	    &points, &targets));
	assert_int_equal(targets.count, 2);
	assert_int_equal(targets.present, 1);
	assert_true(targets.items[0].N == 6144 && targets.items[0].D == 3e9 && !targets.items[0].id);
	assert_true(targets.items[1].N == 12 * 3 * 32 * 32 && targets.items[1].D == 5e9);
	targets_free(&targets);
	/* A list of runs: by their ids, even at one place; ids that the table has are there already. */
	expect_success(plan_targets(
	    "{\"runs\": [{\"N\": 1e9, \"D\": \"2G\", \"id\": \"a\"}, {\"N\": 1e9, \"D\": 2e9, \"id\": \"b\"}, "
	    "{\"N\": 7e8, \"D\": 1e9, \"id\": \"seen\"}, {\"N\": 3e9, \"D\": 1e9}]}",
	    &points, &targets));
	assert_int_equal(targets.count, 3);
	assert_int_equal(targets.present, 1);
	assert_string_equal(targets.items[1].id, "b");
	assert_null(targets.items[2].id);
	static const struct {
		const char *json, *message;
	} bad[] = {
	    {"{\"rung\": []}", "found neither \"rungs\" nor \"runs\""},
	    {"{\"runs\": [{\"N\": 1e9}]}", "runs[0].D: expected a number above zero"},
	    {"{\"runs\": [{\"N\": -1, \"D\": 1}]}", "runs[0].N: expected a number above zero"},
	    {"{\"runs\": [{\"N\": 1, \"D\": 1, \"id\": 3}]}", "runs[0].id: expected a text"},
	    {"{\"runs\": [{\"N\": 5, \"D\": 1, \"id\": \"a\"}]}", "runs[0].id: 'a' is the id of a run before"},
	    {"{\"rungs\": [{\"depth\": 1, \"horizons\": [1]}]}", "rungs[0].width: expected a number"},
	    {"{\"rungs\": [{\"width\": 16, \"depth\": 1}]}", "rungs[0]: expected a list of horizons"},
	    {"{\"rungs\": [{\"width\": 16, \"depth\": 1, \"horizons\": [\"1Q\"]}]}",
	     "rungs[0].horizons: expected a number"},
	};
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		expect_failure(plan_targets(bad[i].json, &points, &targets), ERROR_DATA, bad[i].message);
	points.input.N = "params";
	expect_failure(
	    plan_targets("{\"rungs\": [{\"width\": 16, \"depth\": 1, \"horizons\": [1]}]}", &points, &targets), ERROR_DATA,
	    "the table's N was read from 'params'");
	targets_free(&targets);
	fit_points_free(&points);
}

/* ------------------------------------------------------------------------------------------------------ forecasts --- */

static void without_noise_the_law_is_known(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &DECADE_SHAPE, 0, 0, 1);
	struct targets targets = TARGETS("1.8M,64M", "1.8M,640M", "20K,700M");
	struct forecast forecast;
	expect_success(forecast_make(&points, &targets, &usual, &forecast));
	for (size_t k = 0; k < targets.count; k++) {
		double loss = fit_surface_loss(&truth, targets.items[k].N, targets.items[k].D);
		const struct prospect *law = &forecast.prospects[k][BY_LAW];
		assert_true(close_to(law->point, loss, 1e-8));
		assert_true(close_to(law->most.low, loss, 1e-8) && close_to(law->most.high, loss, 1e-8));
		assert_true(forecast.prospects[k][BY_POWER].point < 0.97 * loss); /* it knows no floor */
	}
	assert_int_equal(forecast.used_count, 42);
	assert_true(forecast.largest_N == 1.8e5 || close_to(forecast.largest_N, 1.8e5, 1e-12));
	assert_string_equal(forecast.made, "2025-12-31T23:59:59Z");
	forecast_free(&forecast);
	/* The other way round: a table that is a pure power is known to that baseline, with a bootstrap of its own. */
	for (size_t i = 0; i < points.count; i++)
		points.items[i].loss = 40 * pow(points.items[i].N, -0.1) * pow(points.items[i].D, -0.15);
	expect_success(forecast_make(&points, &targets, &usual, &forecast));
	for (size_t k = 0; k < targets.count; k++) {
		double loss = 40 * pow(targets.items[k].N, -0.1) * pow(targets.items[k].D, -0.15);
		assert_true(close_to(forecast.prospects[k][BY_POWER].point, loss, 1e-8));
		assert_true(close_to(forecast.prospects[k][BY_DIFFERENCE].point, loss, 1e-8)); /* straight lines in logs */
	}
	forecast_free(&forecast);
	targets_free(&targets);
	fit_points_free(&points);
}

/* Any law of N and D predicts; what it is called and what it found stand in the file. */
static void other_laws(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &DECADE_SHAPE, 0, 0, 1);
	struct targets targets = TARGETS("1.8M,640M");
	/* Gadre's law is Chinchilla's with one exponent for both: -eta on either side, b 6^(eta / 2) for B (their eq. 4). */
	for (size_t i = 0; i < points.count; i++)
		points.items[i].loss = 1.2 + 9 * pow(points.items[i].N, -0.25) + 40 * pow(points.items[i].D, -0.25);
	struct forecast_options options = usual;
	struct forecast forecast;
	options.law = "gadre";
	expect_success(forecast_make(&points, &targets, &options, &forecast));
	double loss = 1.2 + 9 * pow(1.8e6, -0.25) + 40 * pow(640e6, -0.25);
	assert_true(close_to(forecast.prospects[0][BY_LAW].point, loss, 1e-8));
	assert_string_equal(forecast.law, "gadre");
	assert_non_null(strstr(forecast.formula, "a N^eta"));
	assert_int_equal(forecast.parameter_count, 4);
	for (int i = 0; i < 4; i++)
		if (strcmp(forecast.names[i], "eta") == 0) assert_true(close_to(forecast.parameters[i], -0.25, 1e-7));
	forecast_free(&forecast);
	/* Kaplan's joint law, from its own losses (their eq. 1.5). */
	for (size_t i = 0; i < points.count; i++)
		points.items[i].loss = pow(pow(8e9 / points.items[i].N, 0.076 / 0.103) + 2e9 / points.items[i].D, 0.103);
	options.law = "kaplan";
	expect_success(forecast_make(&points, &targets, &options, &forecast));
	loss = pow(pow(8e9 / 1.8e6, 0.076 / 0.103) + 2e9 / 640e6, 0.103);
	assert_true(close_to(forecast.prospects[0][BY_LAW].point, loss, 1e-8));
	forecast_free(&forecast);
	options.law = "kaplan-X";
	expect_failure(
	    forecast_make(&points, &targets, &options, &forecast), ERROR_USAGE, "--law kaplan-X: expected one of");
	options.law = "power+E";
	expect_failure(forecast_make(&points, &targets, &options, &forecast), ERROR_USAGE, "which takes a law of both");
	options.law = "muennighoff";
	expect_failure(forecast_make(&points, &targets, &options, &forecast), ERROR_USAGE, "which takes a law of both");
	targets_free(&targets);
	fit_points_free(&points);
}

/* The intervals hold a run, not only the law's mean: its noise is in them. */
static void intervals_hold_noise(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &DECADE_SHAPE, 0.01, 0, 3);
	struct targets targets = TARGETS("60K,7M"); /* amid the table: the law itself is well known here */
	struct forecast forecast;
	expect_success(forecast_make(&points, &targets, &usual, &forecast));
	const struct prospect *law = &forecast.prospects[0][BY_LAW];
	assert_true(law->most.low < law->half.low && law->half.low < law->point);
	assert_true(law->point < law->half.high && law->half.high < law->most.high);
	double deviation = log(law->most.high / law->most.low) / 2 / 1.645;
	assert_true(near(deviation, 0.01, 0.004));
	assert_true(close_to(deviation, mixture_deviation(&law->mixture), 0.1));
	forecast_free(&forecast);
	targets_free(&targets);
	fit_points_free(&points);
}

static void what_is_known_is_no_prediction(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &DECADE_SHAPE, 0.003, 0, 1);
	struct fit_left_out left_out = {.N = 9e5, .D = 2e8, .loss = NAN, .reason = "diverged", .line = 77};
	points.left_out = array_new(1, sizeof left_out);
	points.left_out[0] = left_out;
	points.left_out_count = 1;
	struct forecast forecast, second;
	struct targets targets = TARGETS("1.8M,64M", "181K,63.5M"), failed = TARGETS("0.905M,199M");
	expect_failure(
	    forecast_make(&points, &targets, &usual, &forecast), ERROR_DATA,
	    "table: line 43 has a run of N = 180000, D = 6.4e+07 already");
	expect_failure(forecast_make(&points, &failed, &usual, &forecast), ERROR_DATA, "table: line 77 has a run");
	/* Retrospective: the same row is kept from the fit, whatever it says. */
	struct forecast_options back = usual;
	back.retrospective = true;
	expect_success(forecast_make(&points, &targets, &back, &forecast));
	assert_true(forecast.retrospective);
	assert_int_equal(forecast.used_count, 41);
	points.items[41].loss *= 3; /* the second target's */
	expect_success(forecast_make(&points, &targets, &back, &second));
	assert_true(forecast.prospects[1][BY_LAW].point == second.prospects[1][BY_LAW].point);
	assert_true(forecast.rows_hash == second.rows_hash);
	for (size_t i = 0; i < 40; i += 2) points.items[i].loss *= 1.01; /* the others are in it */
	forecast_free(&second);
	expect_success(forecast_make(&points, &targets, &back, &second));
	assert_true(forecast.prospects[1][BY_LAW].point != second.prospects[1][BY_LAW].point);
	assert_true(forecast.rows_hash != second.rows_hash);
	forecast_free(&second);
	forecast_free(&forecast);
	/* The largest size: all of it is kept out, and no more than it. */
	struct targets largest = {0};
	expect_success(targets_of_largest(&largest, &points));
	assert_int_equal(largest.count, 7);
	expect_success(forecast_make(&points, &largest, &back, &forecast));
	assert_int_equal(forecast.used_count, 35);
	assert_true(forecast.largest_N < 1e5);
	forecast_free(&forecast);
	targets_free(&largest);
	targets_free(&failed);
	targets_free(&targets);
	fit_points_free(&points);
}

static void what_cannot_be_fitted_predicts_nothing(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &DECADE_SHAPE, 0.003, 0, 1);
	struct targets targets = TARGETS("18M,640M");
	struct forecast forecast;
	for (size_t i = 0; i < points.count; i++) points.items[i].D = 20 * points.items[i].N;
	expect_failure(
	    forecast_make(&points, &targets, &usual, &forecast), ERROR_DATA,
	    "table: nothing can be predicted from these 42 rows: --law chinchilla: 6 sizes and 6 token counts, D a "
	    "function of N");
	fit_points_free(&points);
	points = make_points(&truth, &DECADE_SHAPE, 0, 0, 1);
	for (size_t i = 0; i < points.count; i++) points.items[i].loss = 2; /* flat: there is nothing to find */
	expect_failure(forecast_make(&points, &targets, &usual, &forecast), ERROR_DATA, "table: the fit did not converge");
	points.count = 5;
	expect_failure(
	    forecast_make(&points, &targets, &usual, &forecast), ERROR_DATA, "nothing can be predicted from these 5 rows");
	targets_free(&targets);
	fit_points_free(&points);
}

/* One decade of N and D beyond the table. The study of coverage is another test's; here it is that of the whole way from a
 * table to the interval in the file. */
static void intervals_cover_a_decade_out(void **state) {
	(void)state;
	struct targets targets = TARGETS("1.8M,64M", "180K,640M", "1.8M,640M");
	struct rng rng = rng_make(11, "runs");
	int inside[3] = {0};
	for (uint64_t seed = 1; seed <= COVERAGE_TABLES; seed++) {
		struct fit_surface truth = small_surface(seed % 2 ? 0.8 : 0, 0.3, 0.35); /* with a floor and without */
		struct fit_points points = make_points(&truth, &DECADE_SHAPE, 0.005, 0, seed);
		struct forecast_options options = usual;
		struct forecast forecast;
		options.replicates = 100;
		options.retrospective = true; /* one target begins where the table ends: none of it is used */
		expect_success(forecast_make(&points, &targets, &options, &forecast));
		for (int k = 0; k < 3; k++) {
			double loss =
			    fit_surface_loss(&truth, targets.items[k].N, targets.items[k].D) * exp(0.005 * rng_normal(&rng));
			struct fit_interval interval = forecast.prospects[k][BY_LAW].most;
			inside[k] += loss >= interval.low && loss <= interval.high;
		}
		forecast_free(&forecast);
		fit_points_free(&points);
	}
	for (int k = 0; k < 3; k++) {
		print_message("target %d: %d of %d inside\n", k, inside[k], COVERAGE_TABLES);
		assert_in_range(inside[k], COVERAGE_FEWEST, COVERAGE_MOST);
	}
	targets_free(&targets);
}

/* ----------------------------------------------------------------------------------------------------------- file --- */

static void write_forecast(const char *path, struct forecast *forecast, uint64_t *hash) {
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &DECADE_SHAPE, 0.003, 0, 1);
	struct targets targets = TARGETS("1.8M,64M", "1.8M,128M");
	struct text text = {0};
	points.input.N = "model \"size\"";
	points.input.loss = "loss";
	points.input.N_scale = 1e9;
	points.input.where = (struct option_list){{"C<1e21"}, 1};
	targets.items[1].id = "r\303\251sum\303\251";
	points.items[7].id = "seventh";
	expect_success(forecast_make(&points, &targets, &usual, forecast));
	expect_success(forecast_print(forecast, &text, hash));
	expect_success(file_write(path, text.data, text.length));
	text_free(&text);
	targets_free(&targets);
	fit_points_free(&points);
}

static void the_file_says_all(void **state) {
	(void)state;
	char *path = path_join(folder, "prediction.json");
	struct forecast made, read;
	uint64_t hash, found;
	write_forecast(path, &made, &hash);
	expect_success(forecast_read(path, &read, &found));
	assert_true(hash == found);
	assert_int_equal(read.count, 2);
	assert_int_equal(read.used_count, 42);
	assert_true(read.rows_hash == made.rows_hash && !read.retrospective);
	assert_string_equal(read.made, "2025-12-31T23:59:59Z");
	assert_string_equal(read.input.N, "model \"size\"");
	assert_true(read.input.N_scale == 1e9 && read.input.D_scale == 1);
	assert_int_equal(read.input.where.count, 1);
	assert_string_equal(read.input.where.items[0], "C<1e21");
	assert_null(read.input.D);
	assert_null(read.targets[0].id);
	assert_string_equal(read.targets[1].id, "r\303\251sum\303\251");
	for (size_t i = 0; i < 42; i++) {
		assert_true(read.used[i].N == made.used[i].N && read.used[i].D == made.used[i].D);
		assert_true(read.used[i].loss == made.used[i].loss && !read.used[i].id == !made.used[i].id);
	}
	for (size_t k = 0; k < 2; k++)
		for (int way = 0; way < WAYS; way++) {
			const struct prospect *a = &made.prospects[k][way], *b = &read.prospects[k][way];
			assert_true(a->made && b->made && a->point == b->point);
			assert_true(a->half.low == b->half.low && a->most.high == b->most.high);
			assert_int_equal(a->mixture.count, b->mixture.count);
			assert_memory_equal(a->mixture.center, b->mixture.center, a->mixture.count * sizeof(double));
			assert_memory_equal(a->mixture.spread, b->mixture.spread, a->mixture.count * sizeof(double));
		}
	/* The hash is what anyone gets who puts zeros in its place. */
	struct text text = {0};
	expect_success(file_read(path, 1 << 24, &text));
	char *digits = strstr(text.data, "\t\"xxh64\": \"");
	assert_non_null(digits);
	memset(digits + strlen("\t\"xxh64\": \""), '0', 16);
	assert_true(hash_bytes(text.data, text.length, 0) == hash);
	text_free(&text);
	forecast_free(&read);
	forecast_free(&made);
	free(path);
}

/* Whatever byte is changed, added or lost. */
static void every_change_is_noticed(void **state) {
	(void)state;
	char *path = path_join(folder, "prediction.json"), *other = path_join(folder, "changed.json");
	struct forecast forecast;
	struct text text = {0};
	uint64_t hash;
	write_forecast(path, &forecast, &hash);
	forecast_free(&forecast);
	expect_success(file_read(path, 1 << 24, &text));
	/* Two dozen places all over, and every byte of the end. */
	for (size_t k = 0; k < 24 + 60; k++) {
		size_t at = k < 24 ? k * text.length / 24 : text.length - 1 - (k - 24);
		text.data[at] ^= 1;
		expect_success(file_write(other, text.data, text.length));
		struct error *error = forecast_read(other, &forecast, &hash);
		assert_non_null(error);
		assert_int_equal(error->kind, ERROR_DATA);
		assert_non_null(strstr(error->message, "changed.json"));
		error_free(error);
		text.data[at] ^= 1;
	}
	for (size_t cut = 1; cut < text.length; cut *= 7) {
		expect_success(file_write(other, text.data, text.length - cut));
		expect_failure(forecast_read(other, &forecast, &hash), ERROR_DATA, "changed.json");
	}
	text_add_string(&text, "\n");
	expect_success(file_write(other, text.data, text.length));
	expect_failure(forecast_read(other, &forecast, &hash), ERROR_DATA, "its bytes have the hash");
	text_free(&text);
	free(path);
	free(other);
}

/* What is sealed and no prediction all the same. */
static void wrong_content(void **state) {
	(void)state;
	static const struct {
		const char *json, *message;
	} bad[] = {
	    {"{\"x\": 1}", "\"format\""},
	    {"{\"format\": 2}", "\"format\" 1"},
	    {"{\"format\": 1, \"kind\": \"guess\"}", "\"kind\" prediction or retrospective"},
	    {"{\"format\": 1, \"kind\": \"prediction\", \"made\": \"x\", \"version\": null, \"law\": \"x\", \"formula\": "
	     "null, \"table\": "
	     "\"x\", "
	     "\"input\": {\"size\": \"N\"}}",
	     "\"input\": unknown key \"size\""},
	    {"{\"format\": 1, \"kind\": \"prediction\", \"made\": 3}", "\"made\" must be a text"},
	    {"{\"format\": 1, \"kind\": \"prediction\", \"made\": \"x\", \"version\": null, \"law\": \"x\", \"formula\": "
	     "null, \"table\": "
	     "\"x\", "
	     "\"input\": {\"N\": null}, \"rows\": [[1, 2, \"x\", null]]}",
	     "\"rows\" of numbers above zero"},
	    {"{\"format\": 1, \"kind\": \"prediction\", \"made\": \"x\", \"version\": null, \"law\": \"x\", \"formula\": "
	     "null, \"table\": "
	     "\"x\", "
	     "\"input\": {\"N\": null}, \"rows\": [[1, 2, 3, null]], "
	     "\"rows_hash\": \"0123456789abcdef\"}",
	     "\"rows_hash\" is 0123456789abcdef, expected "},
	};
	char *path = path_join(folder, "wrong.json");
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct forecast forecast;
		uint64_t hash;
		cJSON *root;
		expect_success(json_parse("json", bad[i].json, strlen(bad[i].json), &root));
		expect_success(json_write_sealed(path, root));
		expect_failure(forecast_read(path, &forecast, &hash), ERROR_DATA, bad[i].message);
		cJSON_Delete(root);
	}
	free(path);
}

/* --------------------------------------------------------------------------------------------------------- scores --- */

/* A forecast of two places, normal with mean ln 2 and ln 3 and deviation .1; pure power: 2.2 for certain at the first. */
static struct forecast small_forecast(void) {
	struct forecast forecast = {.count = 2, .used_count = 2};
	forecast.targets = array_new(2, sizeof *forecast.targets);
	forecast.prospects = array_new(2, sizeof *forecast.prospects);
	forecast.used = array_new(2, sizeof *forecast.used);
	forecast.targets[0] = (struct target){.N = 1e6, .D = 1e8};
	forecast.targets[1] = (struct target){.N = 1e6, .D = 2e8, .id = "x"};
	forecast.used[0] = (struct used){.N = 1e5, .D = 1e8, .loss = 4, .id = "old"};
	forecast.used[1] = (struct used){.N = 2e5, .D = 1e8, .loss = 3.5};
	for (int k = 0; k < 2; k++) {
		struct prospect *law = &forecast.prospects[k][BY_LAW];
		*law = (struct prospect){.made = true, .point = 2 + k};
		expect_success(mixture_new(&law->mixture, 1));
		law->mixture.center[0] = log(2 + k);
		law->mixture.spread[0] = 0.1;
		law->half = mixture_interval(&law->mixture, 0.5);
		law->most = mixture_interval(&law->mixture, 0.9);
	}
	struct prospect *power = &forecast.prospects[0][BY_POWER];
	*power = (struct prospect){.made = true, .point = 2.2};
	expect_success(mixture_new(&power->mixture, 1));
	power->mixture.center[0] = log(2.2);
	return forecast;
}

static struct fit_points parsed(const char *text) {
	struct fit_points points;
	expect_success(fit_points_parse("runs.csv", text, strlen(text), &(struct fit_input){0}, &points));
	return points;
}

static void scores_by_hand(void **state) {
	(void)state;
	struct forecast forecast = small_forecast();
	/* Two runs of the first place, one a little off it; x; a run of x's place that is not x; two rows of before. */
	struct fit_points points =
	    parsed("id,N,D,loss\nold,1e5,1e8,4\n,2e5,1e8,3.5\nr1,1e6,1e8,2.1\nr2,1.015e6,0.99e8,1.6\n"
	           "x,1e6,2e8,3\nother,1e6,2e8,9\nfar,2e6,1e8,9\n");
	struct score score;
	expect_success(score_forecast(&forecast, &points, &score));
	assert_int_equal(score.count, 3);
	assert_int_equal(score.missing_count, 0);
	assert_int_equal(score.used_found, 2);
	const struct scored *run = score.items;
	assert_string_equal(run[0].point->id, "r1");
	assert_string_equal(run[1].point->id, "r2");
	assert_string_equal(run[2].point->id, "x");
	assert_int_equal(run[2].target, 1);
	assert_true(near(run[0].z, log(1.05) / 0.1, 1e-12) && near(run[1].z, log(0.8) / 0.1, 1e-12) && run[2].z == 0);
	assert_true(near(run[0].error[BY_LAW], 2 / 2.1 - 1, 1e-15) && near(run[1].error[BY_LAW], 0.25, 1e-15));
	assert_true(near(run[2].below, 0.5, 1e-12));
	/* |z| of .49, 2.2 and 0; the intervals reach .674 and 1.645. */
	assert_true(run[0].in_half && run[0].in_most && !run[1].in_half && !run[1].in_most && run[2].in_half);
	assert_int_equal(score.half.inside, 2);
	assert_int_equal(score.most.of, 3);
	double law[3];
	for (int i = 0; i < 3; i++) {
		law[i] = mixture_crps(&forecast.prospects[run[i].target][BY_LAW].mixture, run[i].point->loss);
		assert_true(run[i].crps[BY_LAW] == law[i]);
	}
	assert_true(near(score.ways[BY_LAW].crps, (law[0] + law[1] + law[2]) / 3, 1e-15));
	assert_true(near(score.ways[BY_LAW].error, (0.1 / 2.1 + 0.25 + 0) / 3, 1e-12));
	/* Certain of 2.2: its score is the absolute error, .1 and .6; of x it said nothing. */
	assert_int_equal(score.ways[BY_POWER].count, 2);
	assert_true(near(score.ways[BY_POWER].crps, (0.1 + 0.6) / 2, 1e-12));
	assert_true(near(score.ways[BY_POWER].law_crps, (law[0] + law[1]) / 2, 1e-15));
	assert_true(isnan(run[2].crps[BY_POWER]));
	assert_int_equal(score.ways[BY_DIFFERENCE].count, 0);
	struct text verdict = {0};
	score_verdict(&score, &verdict);
	assert_non_null(strstr(verdict.data, "The law beat pure power"));
	assert_null(strstr(verdict.data, "last difference"));
	text_free(&verdict);
	score_free(&score);
	fit_points_free(&points);
	/* Where the baseline comes nearer, it is said. */
	points = parsed("id,N,D,loss\nr1,1e6,1e8,2.2\n");
	expect_success(score_forecast(&forecast, &points, &score));
	score_verdict(&score, &verdict);
	assert_non_null(strstr(verdict.data, "The law did NOT beat pure power"));
	assert_int_equal(score.used_found, 0);
	assert_int_equal(score.missing_count, 1);
	assert_int_equal(score.missing[0].target, 1);
	assert_null(score.missing[0].reason);
	text_free(&verdict);
	score_free(&score);
	fit_points_free(&points);
	forecast_free(&forecast);
}

static void what_cannot_be_scored(void **state) {
	(void)state;
	struct forecast forecast = small_forecast();
	struct score score;
	static const struct {
		const char *rows, *message;
	} bad[] = {
	    {"old,1e6,1e8,2\n", "line 2 (N = 1e+06, D = 1e+08, id old) is a run that the forecast was made from"},
	    {"x,1e6,3e8,2\n", "line 2: run 'x' has N = 1e+06, D = 3e+08, but was predicted for N = 1e+06, D = 2e+08"},
	};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct text text = {0};
		text_add(&text, "id,N,D,loss\n%s", bad[i].rows);
		struct fit_points points = parsed(text.data);
		expect_failure(score_forecast(&forecast, &points, &score), ERROR_DATA, bad[i].message);
		fit_points_free(&points);
		text_free(&text);
	}
	/* A row that its table leaves out is not measured, and the reason is known. */
	struct fit_points points = parsed("id,N,D,loss,fit,reason\nr,1e6,1e8,nan,0,diverged\nz,1e3,1e3,2,1,\n");
	expect_success(score_forecast(&forecast, &points, &score));
	assert_int_equal(score.count, 0);
	assert_int_equal(score.missing_count, 2);
	assert_string_equal(score.missing[0].reason, "diverged");
	assert_null(score.missing[1].reason);
	score_free(&score);
	fit_points_free(&points);
	forecast_free(&forecast);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pairs),
	    cmocka_unit_test(plans),
	    cmocka_unit_test(without_noise_the_law_is_known),
	    cmocka_unit_test(other_laws),
	    cmocka_unit_test(intervals_hold_noise),
	    cmocka_unit_test(what_is_known_is_no_prediction),
	    cmocka_unit_test(what_cannot_be_fitted_predicts_nothing),
	    cmocka_unit_test(intervals_cover_a_decade_out),
	    cmocka_unit_test(the_file_says_all),
	    cmocka_unit_test(every_change_is_noticed),
	    cmocka_unit_test(wrong_content),
	    cmocka_unit_test(scores_by_hand),
	    cmocka_unit_test(what_cannot_be_scored),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
