/* How tables are read: JSON lines, columns found by what they mean, units, conditions, and what is left out. */
#include "tests/fit_fixture.h"

#include <fcntl.h>
#include <string.h>

static struct error *read_as(const char *name, const char *text, struct fit_input input, struct fit_points *points) {
	return fit_points_parse(name, text, strlen(text), &input, points);
}

static struct error *parse(const char *text, struct fit_input input, struct fit_points *points) {
	return read_as("t", text, input, points);
}

static void expect_bad(const char *text, struct fit_input input, const char *part) {
	struct fit_points points;
	expect_failure(parse(text, input, &points), ERROR_DATA, part);
}

/* ------------------------------------------------------------------------------------------------------ JSON lines --- */

static void json_lines(void **state) {
	(void)state;
	struct fit_points points;
	const char *text =
	    "\xef\xbb\xbf{\"name\": \"a\", \"config\": {\"N\": 1e6, \"seed\": 3}, \"D\": \"2B\", \"loss\": 3.25, "
	    "\"curve\": [1, 2]}\r\n"
	    "\n"
	    "{\"loss\": 3.0, \"D\": 3e9, \"id\": \"b\\u00e9\", \"config\": {\"N\": \"2.5M\", \"deep\": {\"x\": null}}}\n"
	    "{\"fit\": false, \"reason\": \"short\", \"config.N\": 7, \"loss\": NaN, \"D\": 1}";
	expect_success(parse(text, (struct fit_input){.N = "config.N", .seed = "config.seed"}, &points));
	assert_true(points.count == 2 && points.left_out_count == 1 && points.rungs == 2);
	assert_true(points.items[0].N == 1e6 && points.items[0].D == 2e9 && points.items[0].loss == 3.25);
	assert_true(points.items[1].N == 2.5e6 && points.items[1].line == 3 && points.items[0].id == NULL);
	assert_string_equal(points.items[1].id, "b\xc3\xa9");
	assert_true(points.seeds == 1 && points.items[0].seed == 0 && points.items[1].seed == -1);
	assert_true(points.left_out[0].line == 4 && points.left_out[0].N == 7 && isnan(points.left_out[0].loss));
	assert_string_equal(points.left_out[0].reason, "short");
	fit_points_free(&points);
	/* By its name, too; and the same numbers as a table gives. */
	expect_success(read_as("x.NDJSON", "{\"N\":1,\"D\":2,\"loss\":3}\n", (struct fit_input){0}, &points));
	assert_true(points.count == 1 && points.items[0].C == 12);
	fit_points_free(&points);
	struct fit_input wrong = {.N = "config.n"};
	expect_bad(text, wrong, "there is no column 'config.n'; found: name, config.N, config.seed, D, loss, curve, id");
	expect_bad(text, wrong, "--N config.N");
}

/* Every line that is no run has its place and its reason. */
static void damaged_json_lines(void **state) {
	(void)state;
	static const struct {
		const char *line, *part;
	} bad[] = {
	    {"{\"N\":1,\"D\":2,\"loss\":NaN}", "line 2, column loss: found 'NaN', expected a finite number above zero"},
	    {"{\"N\":1,\"D\":-Infinity,\"loss\":3}", "line 2, column D: found '-Infinity'"},
	    {"{\"N\":1,\"D\":2}", "line 2, column loss: found '', expected a finite"},
	    {"{\"N\":1,\"D\":2,\"loss\":null}", "line 2, column loss: found ''"},
	    {"{\"N\":1,\"D\":2,\"loss\":[3]}", "line 2, column loss: found '[...]', expected a number"},
	    {"{\"N\":1,\"D\":2,\"loss\":true}", "line 2, column loss: found 'true', expected a number"},
	    {"{\"N\":1,\"D\":2,\"loss\":1e400}", "line 2: not valid JSON: loss: the number is too large"},
	    {"{\"N\":1,\"N\":1,\"D\":2,\"loss\":3}", "line 2: not valid JSON: the key \"N\" stands twice"},
	    {"{\"a\":{\"b\":1},\"a.b\":2,\"N\":1,\"D\":2,\"loss\":3}", "line 2: two members are called 'a.b'"},
	    {"{\"N\":1,\"D\":2,\"loss\":3", "line 2: character 22: not valid JSON: expected a comma or }"},
	    {"[1,2,3]", "line 2: found no object, expected one run as"},
	    {"N,D,loss", "line 2: character 1: not valid JSON"},
	};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		char text[200];
		snprintf(text, sizeof text, "{\"N\":1,\"D\":2,\"loss\":3}\n%s\n", bad[i].line);
		expect_bad(text, (struct fit_input){0}, bad[i].part);
		struct fit_points points;
		expect_success(parse(text, (struct fit_input){.skip_bad = true}, &points));
		assert_true(points.count == 1 && points.left_out_count == 1 && points.left_out[0].why == LEFT_OUT_AS_BAD);
		assert_true(points.left_out[0].line == 2 && strncmp(points.left_out[0].reason, "bad row: ", 9) == 0);
		fit_points_free(&points);
	}
	expect_bad("{\n \"N\": 1\n}\n", (struct fit_input){0}, "a whole object on every line; 'jq -c .' writes them so");
	expect_bad("[{\"N\": 1}]\n", (struct fit_input){0}, "'jq -c .[]' writes them so");
	struct fit_points points;
	expect_failure(read_as("t.jsonl", "\n \n", (struct fit_input){0}, &points), ERROR_DATA, "the file is empty");
	expect_bad("{}\n{}\n", (struct fit_input){0}, "no line in it has a member");
}

static void json_without_end(void **state) {
	(void)state;
	struct text text = {0};
	for (int i = 0; i < 1000000; i++) text_add_bytes(&text, "{\"a\":", 5);
	expect_bad(text.data, (struct fit_input){0}, "fewer brackets in brackets (at most 500)");
	text_clear(&text);
	for (int i = 0; i < 1000000; i++) text_add_bytes(&text, "[", 1);
	expect_bad(text.data, (struct fit_input){0}, "fewer brackets in brackets");
	text_clear(&text);
	text_add_string(&text, "{\"a0\":0");
	for (int i = 1; i < 20000; i++) text_add(&text, ",\"a%d\":%d", i, i);
	text_add_string(&text, "}");
	expect_bad(text.data, (struct fit_input){0}, "line 1: more than 10000 different names of members");
	/* Ten megabytes on one line are fine when they are a run. */
	text_clear(&text);
	text_add_string(&text, "{\"N\":1,\"D\":2,\"loss\":3,\"log\":\"");
	for (int i = 0; i < 1000000; i++) text_add_bytes(&text, "0123456789", 10);
	text_add_string(&text, "\"}");
	struct fit_points points;
	expect_success(parse(text.data, (struct fit_input){0}, &points));
	assert_int_equal(points.count, 1);
	fit_points_free(&points);
	text_free(&text);
}

/* -------------------------------------------------------------------------------------------------------- columns --- */

static void columns_by_meaning(void **state) {
	(void)state;
	struct fit_points points;
	const char *text = "Model Size,Training Tokens,Training FLOP,loss\n1e8,2e9,1.3e18,3\n";
	expect_success(parse(text, (struct fit_input){0}, &points));
	assert_true(points.items[0].N == 1e8 && points.items[0].D == 2e9 && points.items[0].C == 1.3e18);
	assert_string_equal(points.input.N, "Model Size");
	assert_string_equal(points.input.C, "Training FLOP");
	assert_true(points.guessed[0] && points.guessed[1] && points.guessed[2] && !points.guessed[3]);
	assert_non_null(
	    strstr(points.notes.data, "reading column 'Model Size' as N, 'Training Tokens' as D, 'Training FLOP' as C"));
	fit_points_free(&points);
	/* The usual names need no guess, whatever else there is. */
	expect_success(parse("params,N,D,tokens,loss,val_loss\n9,1,2,9,3,9\n", (struct fit_input){0}, &points));
	assert_true(points.items[0].N == 1 && points.items[0].D == 2 && points.items[0].loss == 3 && !points.guessed[0]);
	assert_int_equal(points.notes.length, 0);
	fit_points_free(&points);
	/* Two that could be meant are none; what can be derived is then derived, and that is said. */
	expect_bad(
	    "N,D,train_loss,val_loss\n1,2,3,4\n", (struct fit_input){0},
	    "line 1: each of the columns 'train_loss', 'val_loss' could be the loss; choose with --loss COLUMN");
	expect_success(parse("n_params,tokens,flops,Training FLOPs,nll\n1,2,5,6,3\n", (struct fit_input){0}, &points));
	assert_true(points.items[0].C == 12 && points.input.C == NULL);
	assert_non_null(
	    strstr(points.notes.data, "each of the columns 'flops', 'Training FLOPs' could be C, so none is used"));
	fit_points_free(&points);
	/* Names that say what is counted, or in which unit, are not for guessing. */
	expect_bad("active params,D,loss\n1,2,3\n", (struct fit_input){0}, "no column 'N'; found: active params, D, loss");
	expect_bad("N_billion,D,loss\n1,2,3\n", (struct fit_input){0}, "Name yours with --N COLUMN; of N, D and C two");
	expect_bad("Model Size,D,loss\n1,2,3\n", (struct fit_input){.N = "model size"}, "--N 'Model Size'");
	expect_bad("N,D,loss\n1,2,3\n", (struct fit_input){.seed = "17"}, "the bootstrap's own seed is --random-seed");
}

static void two_of_three(void **state) {
	(void)state;
	struct fit_points points;
	expect_success(parse("N,D,loss\n3,5,1\n", (struct fit_input){0}, &points));
	assert_true(points.items[0].C == 90);
	fit_points_free(&points);
	expect_success(parse("C,N,loss\n90,3,1\n", (struct fit_input){0}, &points));
	assert_true(points.items[0].D == 5 && points.input.D == NULL);
	fit_points_free(&points);
	expect_success(parse("C,D,loss\n90,5,1\n", (struct fit_input){0}, &points));
	assert_true(points.items[0].N == 3 && points.input.N == NULL && points.rungs == 1);
	fit_points_free(&points);
	expect_bad("C,loss\n90,1\n", (struct fit_input){0}, "no column 'N'");
	expect_bad("C,D,loss\n1e300,1e-300,1\n", (struct fit_input){0}, "column N = C/(6 D): found inf");
}

/* ---------------------------------------------------------------------------------------------------------- units --- */

static void units(void **state) {
	(void)state;
	struct fit_points points;
	struct fit_input scaled = {.N_scale = 1e9, .D_scale = 1e6, .C_scale = 1e18, .loss_scale = 0.5, .loss_error = "err"};
	expect_success(parse("N,D,C,loss,err\n0.25,5,7,6,0.1\n", scaled, &points));
	const struct fit_point *point = &points.items[0];
	assert_true(point->N == 0.25e9 && point->D == 5e6 && point->C == 7e18 && point->loss == 3);
	assert_true(point->loss_error == 0.05);
	fit_points_free(&points);
	/* What is derived is derived from the scaled ones. */
	expect_success(parse("N,D,loss\n0.5,2,6\n", scaled = (struct fit_input){.N_scale = 1e9}, &points));
	assert_true(points.items[0].C == 6e9);
	fit_points_free(&points);

	static const struct {
		const char *text;
		double value; /* NaN: refused */
	} numbers[] = {
	    {"70B", 7e10},  {"1.4T", 1.4e12}, {"400m", 4e8}, {"400 M", 4e8},  {"1.013K", 1013}, {"2g", 2e9},
	    {"+5e3", 5000}, {".5", 0.5},      {"1E3", 1000}, {"7e2B", NAN},   {"0x10", NAN},    {"1,000", NAN},
	    {"1_000", NAN}, {"B", NAN},       {"1e", NAN},   {"1.2.3", NAN},  {"--1", NAN},     {"70 BB", NAN},
	    {"NaN", NAN},   {"inf", NAN},     {"n/a", NAN},  {"3e+400", NAN}, {"1e5 6", NAN},   {"infinityx", NAN},
	};
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		char text[100];
		snprintf(text, sizeof text, "N,D,loss\n\"%s\",2,3\n", numbers[i].text);
		if (isnan(numbers[i].value)) {
			expect_bad(text, (struct fit_input){0}, "line 2, column N: found '");
			continue;
		}
		expect_success(parse(text, (struct fit_input){0}, &points));
		assert_true(points.items[0].N == numbers[i].value);
		fit_points_free(&points);
	}
	/* A loss has no suffix. */
	expect_bad("N,D,loss\n1,2,3k\n", (struct fit_input){0}, "column loss: found '3k', expected a number");
}

/* --------------------------------------------------------------------------------------------------------- filters --- */

/* The ids of the rows that meet the conditions. */
static void expect_where(const char *first, const char *second, const char *expected) {
	static const char *const text = "id,N,D,flops (6ND),loss,data set,a<b,note\n"
	                                "a,1e6,1e9,6e15,4,c4,1,x\n"
	                                "b,2M,1e9,1.2e16,3.5,c4,2,\n"
	                                "c,1e6,1B,6e15,3,pile,3,10\n"
	                                "d,4e6,2e9,,2.5,pile,4,nan\n";
	struct fit_input input = {.where = {.items = {first, second}, .count = second ? 2 : 1}};
	struct fit_points points;
	expect_success(parse(text, input, &points));
	char ids[8] = "";
	for (size_t i = 0; i < points.count; i++) strcat(ids, points.items[i].id);
	if (strcmp(ids, expected) != 0) print_error("--where %s: rows %s, expected %s\n", first, ids, expected);
	assert_string_equal(ids, expected);
	assert_true(points.count + points.left_out_count == 4);
	for (size_t i = 0; i < points.left_out_count; i++) {
		assert_true(points.left_out[i].why == LEFT_OUT_BY_FILTER);
		assert_true(strncmp(points.left_out[i].reason, "not ", 4) == 0);
	}
	fit_points_free(&points);
}

static void conditions(void **state) {
	(void)state;
	expect_where("loss<3.5", NULL, "cd");
	expect_where("loss <= 3.5", NULL, "bcd");
	expect_where("loss>3.5", NULL, "a");
	expect_where("loss>=3.5", NULL, "ab");
	expect_where("N==1M", NULL, "ac");
	expect_where("N!=1e6", NULL, "bd");
	expect_where("N=1e6", NULL, "ac");
	expect_where("C<1e16", NULL, "ac"); /* derived: the table has no such column */
	expect_where("flops (6ND)<1e16", NULL, "ac");
	expect_where("`flops (6ND)`!=6e15", NULL, "bd"); /* nothing is not equal to anything */
	expect_where("data set==c4", NULL, "ab");
	expect_where("\"data set\" != 'c4'", NULL, "cd");
	expect_where("data set<d", NULL, "ab");
	expect_where("'a<b'>=3", NULL, "cd");
	expect_where("note==x", NULL, "a");
	expect_where("note==''", NULL, "b");
	expect_where("note!=nan", NULL, "ac"); /* nothing is as little a number */
	expect_where("loss>2.6", "loss<3.6", "bc");
	expect_where("data set==c4", "loss<4", "b");

	struct fit_points points;
	static const char *const wrong[] = {"C", "C<", "<3", "", "C<<3", "`C<3", "C!3", "C<>3"};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct fit_input input = {.where = {.items = {wrong[i]}, .count = 1}};
		expect_failure(
		    parse("N,D,loss\n1,2,3\n", input, &points), ERROR_USAGE,
		    "expected COLUMN OPERATOR VALUE with <, <=, >, >=");
	}
	struct fit_input input = {.where = {.items = {"data_set==c4"}, .count = 1}};
	expect_bad("N,D,loss,data set\n1,2,3,4\n", input, "no column 'data_set'; found: N, D, loss, data set.");
	/* Words in a column that is to be ordered by number are bad rows, not rows that fail the condition. */
	input.where.items[0] = "data set<3";
	expect_bad(
	    "N,D,loss,data set\n1,2,3,c4\n", input,
	    "column data set: found 'c4', expected a number for --where 'data set<3'");
	input.where.items[0] = "loss<3";
	expect_bad("N,D,loss\n1,2,oops\n", input, "column loss: found 'oops', expected a number");
	/* A condition may also be what keeps bad rows out; none that fit: an error that says why. */
	input.where.items[0] = "loss>0";
	expect_success(parse("N,D,loss\n1,2,nan\n1,2,-1\n1,2,3\n", input, &points));
	assert_true(points.count == 1 && points.left_out_count == 2);
	fit_points_free(&points);
	expect_bad(
	    "N,D,loss\n1,2,nan\n", input, "no row to fit: 1 rows, all of them left out; the first because: not loss>0");
	/* Quantities are scaled, quoted columns are not. */
	input.N_scale = 1e9;
	input.where.items[0] = "N<2";
	expect_bad("N,D,loss\n1,2,3\n", input, "no row to fit");
	input.where.items[0] = "`N`<2";
	expect_success(parse("N,D,loss\n1,2,3\n", input, &points));
	assert_true(points.items[0].N == 1e9);
	fit_points_free(&points);
}

static void extremes(void **state) {
	(void)state;
	struct fit_points points;
	const char *text = "id,N,D,loss,g\na,1,2,9,x\nb,2,2,3,y\nc,3,2,9,z\nd,4,2,5,y\ne,5,2,1,w\n";
	struct fit_input input = {.drop_highest = 2, .drop_lowest = 1, .group = "g", .seed = "g"};
	expect_success(parse(text, input, &points));
	assert_true(points.count == 2 && points.left_out_count == 3 && points.rungs == 1 && points.seeds == 1);
	assert_string_equal(points.items[0].id, "b");
	assert_string_equal(points.items[1].id, "d");
	assert_string_equal(points.left_out[0].id, "a");
	assert_string_equal(points.left_out[0].reason, "among the highest losses");
	assert_string_equal(points.left_out[2].reason, "among the lowest losses");
	assert_true(points.left_out[1].why == LEFT_OUT_AS_EXTREME && points.left_out[1].line == 4);
	fit_points_free(&points);
	/* Of equal ones the last goes first; filters come before. */
	input = (struct fit_input){.drop_highest = 1, .where = {.items = {"N<3.5"}, .count = 1}};
	expect_success(parse(text, input, &points));
	assert_true(points.count == 2 && points.left_out_count == 3);
	assert_string_equal(points.items[0].id, "a");
	assert_string_equal(points.left_out[0].id, "c");
	fit_points_free(&points);
	expect_bad(text, (struct fit_input){.drop_highest = 5}, "5 rows are left, and 5 are to be dropped");
	expect_bad(text, (struct fit_input){.drop_highest = 3, .drop_lowest = 3}, "5 rows are left, and 6 are to be");
}

/* -------------------------------------------------------------------------------------------------------- bad rows --- */

static void bad_rows_are_skipped_when_asked(void **state) {
	(void)state;
	struct fit_points points;
	const char *text = "id,N,D,loss\na,1,2,3\nb,1,2,nan\nc,1,2\nd,x,2,3\ne,1,2,3,4\nf,2,2,2\n";
	expect_bad(
	    text, (struct fit_input){0},
	    "t: 4 bad rows: line 3, column loss: found 'nan', expected a finite number above zero; "
	    "line 4: found 3 fields, expected 4 as in the header; line 5, column N: found 'x', expected a number; and 1 "
	    "more. "
	    "Mend them, or leave them out with --where, or with --skip-bad");
	expect_success(parse(text, (struct fit_input){.skip_bad = true}, &points));
	assert_true(points.count == 2 && points.left_out_count == 4 && points.items[1].N == 2);
	assert_string_equal(
	    points.left_out[0].reason, "bad row: column loss: found 'nan', expected a finite number above zero");
	assert_string_equal(points.left_out[0].id, "b");
	assert_true(points.left_out[3].line == 6 && points.left_out[3].why == LEFT_OUT_AS_BAD);
	fit_points_free(&points);
	expect_bad(
	    "N,D,loss\n1,2,\n", (struct fit_input){.skip_bad = true}, "all of them left out; the first because: bad row");
	/* What cannot be taken up again is never skipped. */
	expect_bad("N,D,loss\n1,2,\"3\n1,2,3\n", (struct fit_input){.skip_bad = true}, "never closed");
}

/* Bytes that are no UTF-8 and control characters neither reach the terminal nor fit.json. */
static void strange_characters(void **state) {
	(void)state;
	struct fit_points points;
	expect_success(parse("id,N,D,loss\n\xe9t\xc3\xa9\xed\xa0\x80,1,2,3\n", (struct fit_input){0}, &points));
	assert_string_equal(points.items[0].id, "?t\xc3\xa9???");
	fit_points_free(&points);
	expect_bad("N,D,loss\n1,2,\x1b[2J\xff\n", (struct fit_input){0}, "found '?[2J?'");
	expect_bad(
	    "N,D,loss\n1,2,0123456789012345678901234567890123456789012345\n",
	    (struct fit_input){.where = {.items = {"x<1"}, .count = 1}}, "no column 'x'");
	expect_bad("\xff\xfeN\0,\0", (struct fit_input){0}, "UTF-16 text, expected UTF-8; 'iconv");
	expect_bad("\x1f\x8b\x08", (struct fit_input){0}, "compressed by gzip; 'zcat FILE | rung fit -'");
	expect_bad("PK\x03\x04", (struct fit_input){0}, "save the sheet as comma-separated values");
}

/* Names of members are kept as they can be printed, and found again. */
static void members_that_are_no_utf8(void **state) {
	(void)state;
	struct fit_points points;
	const char *text = "{\"N\":1,\"D\":2,\"loss\":3,\"l\xb5\xb5\":{\"\xff\":4}}\n"
	                   "{\"N\":1,\"D\":3,\"loss\":2,\"l\xb5\xb5\":{\"\xff\":5}}\n";
	const struct fit_extra extra = {.name = "l??.?"};
	expect_success(parse(text, (struct fit_input){.extra = &extra, .extra_count = 1}, &points));
	assert_int_equal(points.count, 2);
	assert_string_equal(points.items[1].extra[0], "5");
	fit_points_free(&points);
	expect_bad(
	    "{\"N\":1,\"D\":2,\"loss\":3,\"\xb5\":1,\"\xb6\":2}\n", (struct fit_input){0}, "two members are called '?'");
}

static void standard_input(void **state) {
	(void)state;
	struct fit_points points;
	int ends[2], before = dup(STDIN_FILENO);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "N,D,loss\n1,2,3\n", 15), 15);
	close(ends[1]);
	dup2(ends[0], STDIN_FILENO);
	struct error *error = fit_points_read("-", &(struct fit_input){0}, &points);
	dup2(before, STDIN_FILENO);
	close(before);
	close(ends[0]);
	expect_success(error);
	assert_true(points.count == 1 && points.items[0].loss == 3);
	fit_points_free(&points);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(json_lines),
	    cmocka_unit_test(damaged_json_lines),
	    cmocka_unit_test(json_without_end),
	    cmocka_unit_test(columns_by_meaning),
	    cmocka_unit_test(two_of_three),
	    cmocka_unit_test(units),
	    cmocka_unit_test(conditions),
	    cmocka_unit_test(extremes),
	    cmocka_unit_test(bad_rows_are_skipped_when_asked),
	    cmocka_unit_test(strange_characters),
	    cmocka_unit_test(members_that_are_no_utf8),
	    cmocka_unit_test(standard_input),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
