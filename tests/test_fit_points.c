/* Tables of points: what can be read, and a word about everything that cannot. */
#include "tests/fit_fixture.h"

#include <float.h>
#include <string.h>

static struct error *parse(const char *text, struct fit_input columns, struct fit_points *points) {
	return fit_points_parse("t.csv", text, strlen(text), &columns, points);
}

static void expect_bad(const char *text, const char *part) {
	struct fit_points points;
	expect_failure(parse(text, (struct fit_input){0}, &points), ERROR_DATA, part);
}

static void a_plain_table(void **state) {
	(void)state;
	struct fit_points points;
	expect_success(parse("N,D,loss\n1000,2e6,3.5\n 2000 ,4e6, 3.25\n", (struct fit_input){0}, &points));
	assert_int_equal(points.count, 2);
	assert_int_equal(points.rungs, 2);
	assert_true(points.items[1].N == 2000 && points.items[1].D == 4e6 && points.items[1].loss == 3.25);
	assert_true(points.items[1].C == 6.0 * 2000 * 4e6 && points.input.C == NULL && points.input.D != NULL);
	assert_true(isnan(points.items[0].loss_error) && points.items[0].id == NULL && points.items[1].line == 3);
	fit_points_free(&points);
}

/* CRLF, quotes, commas, quotes and line ends inside them, a byte order mark, blank lines, no final newline. */
static void spreadsheets(void **state) {
	(void)state;
	struct fit_points points;
	expect_success(parse(
	    "\xef\xbb\xbf"
	    "\"id\",N,\"D\",\"loss, nats\"\r\n\r\n\"a \"\"b\"\", "
	    "c\",1e3,\"5e5\",\"3.5\"\r\n\"two\nlines\",2e3,1e6,3\r\nlast,3e3,2e6,2.5",
	    (struct fit_input){.loss = "loss, nats"}, &points));
	assert_int_equal(points.count, 3);
	assert_string_equal(points.items[0].id, "a \"b\", c");
	assert_string_equal(points.items[1].id, "two\nlines");
	assert_string_equal(points.items[2].id, "last");
	assert_string_equal(points.input.loss, "loss, nats");
	assert_true(points.items[0].D == 5e5 && points.items[0].loss == 3.5 && points.items[2].loss == 2.5);
	assert_int_equal(points.items[0].line, 3);
	assert_int_equal(points.items[2].line, 6); /* the row before took two lines */
	fit_points_free(&points);
	expect_success(parse("N,D,loss\r1,2,3\r4,5,6\r", (struct fit_input){0}, &points));
	assert_int_equal(points.count, 2);
	fit_points_free(&points);
}

static void columns_by_name(void **state) {
	(void)state;
	struct fit_points points;
	const char *text = "params,flops,nll,seed,N\n1e3,6e9,3.5,1,7\n1e3,6e9,3.6,2,7\n2e3,6e10,3.1,1,7\n";
	expect_success(parse(text, (struct fit_input){.N = "params", .C = "flops", .loss = "nll"}, &points));
	assert_true(points.input.D == NULL && points.items[0].D == 1e6 && close_to(points.items[2].D, 5e6, 1e-15));
	assert_true(points.items[0].N == 1e3 && points.rungs == 2 && points.input.N != NULL);
	fit_points_free(&points);
	/* A group makes the rungs, numbered by their smallest N. */
	expect_success(
	    parse(text, (struct fit_input){.N = "params", .C = "flops", .loss = "nll", .group = "seed"}, &points));
	assert_int_equal(points.rungs, 2);
	assert_true(points.items[0].rung == points.items[2].rung && points.items[0].rung != points.items[1].rung);
	fit_points_free(&points);
	struct fit_input missing = {.N = "parms", .loss = "nll", .C = "flops"};
	expect_failure(
	    parse(text, missing, &points), ERROR_DATA,
	    "no column 'parms'; found: params, flops, nll, seed, N. Name yours with --N params");
	expect_bad("N,D,nats\n1,2,3\n", "no column 'loss'");
	expect_bad("N,loss\n1,2\n", "no column 'D'");
	expect_success(parse("N;D;loss\n1;2;3\n", (struct fit_input){0}, &points));
	fit_points_free(&points);
	expect_success(parse("N\tD\tloss, nats\n1\t2\t3\n", (struct fit_input){.loss = "loss, nats"}, &points));
	fit_points_free(&points);
	expect_bad("N,D,loss,loss\n1,2,3,4\n", "fields 3 and 4 are both called 'loss'");
	/* A column that nobody asks for may stand twice. */
	expect_success(parse("x,N,D,x,loss\n9,1,2,9,3\n", (struct fit_input){0}, &points));
	fit_points_free(&points);
}

static void rungs_are_equal_sizes_in_order(void **state) {
	(void)state;
	struct fit_points points;
	expect_success(parse(
	    "N,D,loss\n5e3,1,3\n1e3,1,3\n5000,2,3\n2e9,1,3\n1000.0000001,3,3\n1001,1,3\n", (struct fit_input){0}, &points));
	const int expected[] = {2, 0, 2, 3, 0, 1};
	assert_int_equal(points.rungs, 4);
	for (size_t i = 0; i < 6; i++) assert_int_equal(points.items[i].rung, expected[i]);
	fit_points_free(&points);
}

static void rows_left_out_are_listed(void **state) {
	(void)state;
	struct fit_points points;
	expect_success(parse(
	    "id,N,D,loss,fit,reason\na,1,2,nan,0,diverged\nb,1,2,3,1,\nc,1,2,9,0,\n", (struct fit_input){0}, &points));
	assert_true(points.count == 1 && points.left_out_count == 2);
	assert_string_equal(points.items[0].id, "b");
	assert_string_equal(points.left_out[0].reason, "diverged");
	assert_true(isnan(points.left_out[0].loss) && points.left_out[0].line == 2);
	assert_string_equal(points.left_out[1].reason, "left out by the table");
	fit_points_free(&points);
	expect_bad("N,D,loss,fit,reason\n1,2,3,0,short\n", "all of them left out; the first because: short");
	expect_bad("N,D,loss,fit\n1,2,3,0.5\n", "line 2, column fit: found '0.5', expected 1");
}

/* Weight 0 leaves a row out and says so; seeds are numbered in the order of their text. */
static void weights_and_seeds(void **state) {
	(void)state;
	struct fit_points points;
	const char *text = "N,D,loss,times,seed\n1e3,1e6,3,2,b\n1e3,1e6,3.1,0,a\n2e3,1e6,2.9,0.5,a\n3e3,1e6,2.8,1,\n";
	expect_success(parse(text, (struct fit_input){.weight = "times"}, &points));
	assert_true(points.count == 3 && points.left_out_count == 1 && points.seeds == 2);
	assert_true(points.items[0].weight == 2 && points.items[1].weight == 0.5 && points.items[2].weight == 1);
	assert_true(points.items[0].seed == 1 && points.items[1].seed == 0 && points.items[2].seed == -1);
	assert_string_equal(points.left_out[0].reason, "weight 0");
	assert_int_equal(points.left_out[0].line, 3);
	fit_points_free(&points);
	/* Not named: no weights. */
	expect_success(parse("N,D,loss,weight\n1e3,1e6,3,7\n", (struct fit_input){0}, &points));
	assert_true(points.items[0].weight == 1 && points.items[0].seed == -1 && points.seeds == 0);
	fit_points_free(&points);
	expect_success(parse(text, (struct fit_input){.seed = "times"}, &points));
	assert_true(points.seeds == 4 && points.items[0].seed == 3 && points.items[0].weight == 1);
	fit_points_free(&points);
	static const char *bad[] = {"-1", "nan", "inf", "", "1e200"};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		char row[64];
		snprintf(row, sizeof row, "N,D,loss,w\n1,2,3,%s\n", bad[i]);
		expect_failure(parse(row, (struct fit_input){.weight = "w"}, &points), ERROR_DATA, "column w: found '");
	}
}

/* Every row that cannot be a point is an error with its place, its value and what was expected. */
/* Columns of the caller's, as they stand; those of rows that are left out do not shift them. */
static void extra_columns(void **state) {
	(void)state;
	struct fit_points points;
	const struct fit_extra extra[] = {{"kind", "by"}, {"unheard", NULL}, {"N", "x"}};
	struct fit_input columns = {.extra = extra, .extra_count = 3};
	expect_success(parse("kind,N,D,loss,fit\n a b ,1e3,1,3,1\nb,2e3,1,3,0\n\"c,d\",3e3,1,3,1\n", columns, &points));
	assert_int_equal(points.count, 2);
	assert_string_equal(points.items[0].extra[0], "a b");
	assert_string_equal(points.items[1].extra[0], "c,d");
	assert_null(points.items[0].extra[1]);
	assert_string_equal(points.items[1].extra[2], "3e3");
	fit_points_free(&points);
	expect_failure(
	    parse("knd,N,D,loss\na,1e3,1,3\n", columns, &points), ERROR_DATA,
	    "no column 'kind'; found: knd, N, D, loss. Name yours with --by knd");
}

static void rows_that_are_no_points(void **state) {
	(void)state;
	static const struct {
		const char *row, *part;
	} bad[] = {
	    {"1,2,nan", "line 2, column loss: found 'nan', expected a finite number above zero"},
	    {"1,2,", "line 2, column loss: found '', expected a finite"},
	    {"1,2,inf", "column loss: found 'inf'"},
	    {"1,2,-3", "column loss: found '-3'"},
	    {"1,2,0", "column loss: found '0'"},
	    {"0,2,3", "column N: found '0'"},
	    {"1,2e400,3", "column D: found '2e400'"},
	    {"1,1e-320,3", "column D: found '1e-320'"},
	    {"1e200,1e200,3", "column C = 6 N D"},
	    {"1,2,three", "column loss: found 'three', expected a number"},
	    {"1,2,3.5x", "column loss: found '3.5x', expected a number"},
	    {"1,2,3 5", "column loss: found '3 5', expected a number"},
	    {"1,2", "line 2: found 2 fields, expected 3"},
	    {"1,2,3,4", "line 2: found 4 fields, expected 3"},
	    {"1,2,\"3", "line 2: a field opens with a quote that is never closed"},
	    {"1,2,\"3\"4", "line 2: found '4' right after the closing quote of field 3"},
	};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		char text[100];
		snprintf(text, sizeof text, "N,D,loss\n%s\n", bad[i].row);
		expect_bad(text, bad[i].part);
	}
	expect_bad("N,D,loss,loss_error\n1,2,3,-0.1\n", "column loss_error: found '-0.1'");
	/* The first few are named, the others counted, and the good ones between do not hide them. */
	expect_bad(
	    "N,D,loss\n1,2,x\n1,2,3\n1,2,y\n1,2,z\n1,2,-1\n1,2,-2\n",
	    "line 5, column loss: found 'z', expected a number; and 2 more");
}

static void files_that_are_no_tables(void **state) {
	(void)state;
	struct fit_points points;
	expect_bad("", "the file is empty");
	expect_bad("\n\r\n\n", "the file is empty");
	expect_bad("N,D,loss\n", "no row to fit: 0 rows");
	const char binary[] = "N,D\0loss\n1,2,3\n";
	expect_failure(
	    fit_points_parse("t.csv", binary, sizeof binary - 1, &(struct fit_input){0}, &points), ERROR_DATA,
	    "byte 3 is zero");
	expect_failure(
	    fit_points_read("/nonexistent/points.csv", &(struct fit_input){0}, &points), ERROR_DATA,
	    "/nonexistent/points.csv: there is no such lab folder or table");
	char *folder = folder_temporary();
	expect_failure(
	    fit_points_read(folder, &(struct fit_input){0}, &points), ERROR_DATA, "there is no points.csv in this folder");
	char *path = path_join(folder, "points.csv");
	expect_success(file_write(path, "N,D,loss\n1,2,3\n", 15));
	expect_success(fit_points_read(folder, &(struct fit_input){0}, &points));
	assert_int_equal(points.count, 1);
	fit_points_free(&points);
	free(path);
	folder_remove(folder);
}

/* Cut off anywhere, and with any one byte changed, a table is read or refused, never worse. Address sanitizers watch. */
static void damaged_tables(void **state) {
	(void)state;
	const char *text = "id,N,D,loss,fit,reason\r\n\"a,\"\"b\",1e3,2e6,3.5,1,\r\nc,2e3,2e6,3.25,0,\"too\nshort\"\r\n";
	struct rng rng = rng_make(1, "damage");
	size_t length = strlen(text), read = 0;
	char copy[200];
	for (int round = 0; round < 4000; round++) {
		size_t cut = round < (int)length ? (size_t)round : length;
		memcpy(copy, text, length);
		if (cut == length) copy[rng_below(&rng, length)] = "\",\n\rx0\t-"[rng_below(&rng, 8)];
		struct fit_points points;
		struct error *error = fit_points_parse("t.csv", copy, cut, &(struct fit_input){0}, &points);
		if (error) {
			assert_true(error->kind == ERROR_DATA && strstr(error->message, "t.csv"));
			error_free(error);
			continue;
		}
		read++;
		for (size_t i = 0; i < points.count; i++) assert_true(points.items[i].loss > 0 && isfinite(points.items[i].D));
		fit_points_free(&points);
	}
	assert_true(read > 500 && read < 3500);
}

static void large_tables(void **state) {
	(void)state;
	struct text text = {0};
	text_add_string(&text, "loss,N,D\n");
	for (int i = 0; i < 200000; i++) text_add(&text, "%d.5,%d,1e6\n", 2 + i % 3, 1000 + i % 7);
	struct fit_points points;
	expect_success(fit_points_parse("t.csv", text.data, text.length, &(struct fit_input){0}, &points));
	assert_true(points.count == 200000 && points.rungs == 7 && points.items[199999].line == 200001);
	fit_points_free(&points);
	text_free(&text);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_plain_table),
	    cmocka_unit_test(spreadsheets),
	    cmocka_unit_test(columns_by_name),
	    cmocka_unit_test(rungs_are_equal_sizes_in_order),
	    cmocka_unit_test(rows_left_out_are_listed),
	    cmocka_unit_test(weights_and_seeds),
	    cmocka_unit_test(extra_columns),
	    cmocka_unit_test(rows_that_are_no_points),
	    cmocka_unit_test(files_that_are_no_tables),
	    cmocka_unit_test(damaged_tables),
	    cmocka_unit_test(large_tables),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
