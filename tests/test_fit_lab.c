/* A lab's table and learning curves against its records: what was changed afterwards is refused, with its place. */
#include "fit/approach.h"
#include "fit/lab.h"
#include "tests/report_lab.h"

#include <string.h>

#define RUN "00000000000000aa"
#define OTHER "00000000000000bb"

/* A record with what points.csv repeats. */
static void put_full(const char *folder, const char *id, const char *status, const char *loss) {
	struct text record = {0}, name = {0};
	text_add(
	    &record,
	    "{\"format\": 1, \"kind\": \"run\", \"status\": \"%s\", \"config\": {\"width\": 16, \"seed\": 1}, \"shape\": "
	    "{\"N\": 3072}, \"result\": {\"tokens\": 102400, \"loss\": %s, \"loss_error\": \"nan\"}}",
	    status, loss);
	text_add(&name, "runs/%s/run.json", id);
	put_text(folder, name.data, record.data);
	text_free(&record);
	text_free(&name);
}

/* Of a lab whose table has one row under this header; *notes is the caller's. */
static struct error *check(const char *folder, const char *columns, const char *row, struct text *notes) {
	struct text table = {0};
	text_add(&table, "%s\n%s\n", columns, row);
	struct error *error = lab_points_check(folder, "LAB/points.csv", &table, notes);
	text_free(&table);
	return error;
}

#define COLUMNS "id,width,seed,N,D,loss,loss_error,fit,C,C_6ND"

static void a_table_that_contradicts_its_records(void **state) {
	(void)state;
	char *folder = folder_temporary();
	struct text notes = {0};
	put_full(folder, RUN, "done", "2.5");
	expect_success(check(folder, COLUMNS, RUN ",16,1,3072,102400,2.5,nan,1,1e9,1887436800", &notes));
	static const struct {
		const char *row, *words;
	} wrong[] = {
	    {RUN ",16,1,3072,102400,2.6,nan,1,1e9,1887436800",
	     "LAB/points.csv: line 2: loss is 2.6, but the record of that run, runs/" RUN "/run.json, says 2.5"},
	    {RUN ",16,1,3072,102400,nan,nan,1,1e9,1887436800", "loss is nan, but"},
	    {RUN ",16,1,3072,102401,2.5,nan,1,1e9,1887436800", "D is 102401, but"},
	    {RUN ",16,1,3073,102400,2.5,nan,1,1e9,1887436800", "N is 3073, but"},
	    {RUN ",32,1,3072,102400,2.5,nan,1,1e9,1887436800", "width is 32, but"},
	    {RUN ",16,2,3072,102400,2.5,nan,1,1e9,1887436800", "seed is 2, but"},
	    {RUN ",16,1,3072,102400,2.5,0.1,1,1e9,1887436800", "loss_error is 0.1, but"},
	};
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		expect_failure(check(folder, COLUMNS, wrong[i].row, &notes), ERROR_DATA, wrong[i].words);
	expect_failure(
	    check(folder, COLUMNS, RUN ",16,1,3072,102400,2.5,nan,1,1e9,1887436801", &notes), ERROR_DATA, "C_6ND is ");
	/* As the fit would read it, or could not. */
	expect_success(check(folder, COLUMNS, RUN ",16,1,3.072K,102.4k,2.5,,1,1e9,1887436800", &notes));
	expect_failure(
	    check(folder, COLUMNS, RUN ",16,1,99K,102400,2.5,nan,1,1e9,1887436800", &notes), ERROR_DATA, "N is 99K, but");
	expect_failure(
	    check(folder, COLUMNS, RUN ",wide,1,3072,102400,2.5,nan,1,1e9,1887436800", &notes), ERROR_DATA,
	    "width is wide");
	expect_failure(
	    check(
	        folder, COLUMNS,
	        RUN ",16,1,3072,102400,2.5,nan,1,1e9,1887436800\n" RUN ",16,1,3072,102400,2.5,nan,1,1e9,1887436800",
	        &notes),
	    ERROR_DATA, "line 3: the run " RUN " stands there a second time");
	static const char *const renamed[] = {
	    "ID,N,D,C,loss", "id,params,D,C,loss", "id,N,tokens,C,loss", "id,N,D,flops,loss", "id,N,D,C,val_loss"};
	for (size_t i = 0; i < COUNT_OF(renamed); i++)
		expect_failure(
		    check(folder, renamed[i], RUN ",3072,102400,1e9,1.5", &notes), ERROR_DATA, "there is no column '");
	/* What no record knows, and what is the user's to decide. */
	expect_success(check(folder, COLUMNS, RUN ",16,1,3072,102400,2.5,nan,0,1e9,1887436800", &notes));
	expect_success(check(folder, "loss,id,mine,C,D,N", "2.5000000000000001," RUN ",7,1,102400,3072", &notes));
	assert_int_equal(notes.length, 0);
	folder_remove(folder);
}

static void runs_that_the_table_lacks(void **state) {
	(void)state;
	char *folder = folder_temporary();
	struct text notes = {0};
	put_full(folder, RUN, "done", "2.5");
	expect_success(check(folder, COLUMNS, OTHER ",16,1,1,1,1,1,1,1,1", &notes)); /* a row without a record stands */
	assert_non_null(strstr(notes.data, "1 run of "));
	assert_non_null(strstr(notes.data, "no record vouches for 1 row of LAB/points.csv; damaged records of runs: 0"));
	text_clear(&notes);
	/* Neither is finished: one is under way, one is damaged. */
	put_full(folder, RUN, "running", "2.5");
	put_text(folder, "runs/" OTHER "/run.json", "{");
	expect_success(check(folder, COLUMNS, RUN ",16,1,3072,102400,2.6,nan,1,1e9,1887436800", &notes));
	assert_non_null(strstr(notes.data, "no record vouches for 1 row of LAB/points.csv; damaged records of runs: 1"));
	assert_null(strstr(notes.data, "finished"));
	text_clear(&notes);
	/* A whole record of another run says nothing of this one. */
	text_clear(&notes);
	put_text(
	    folder, "runs/" RUN "/run.json",
	    "{\"format\": 1, \"id\": \"" OTHER "\", \"kind\": \"run\", \"status\": \"done\", \"result\": {\"loss\": 9}}");
	expect_success(check(folder, COLUMNS, RUN ",16,1,3072,102400,2.6,nan,1,1e9,1887436800", &notes));
	assert_non_null(strstr(notes.data, "damaged records of runs: 2"));
	text_free(&notes);
	folder_remove(folder);
}

/* Its row has the plan's numbers, and no loss. */
static void a_run_that_diverged(void **state) {
	(void)state;
	char *folder = folder_temporary();
	struct text notes = {0};
	put_full(folder, RUN, "diverged", "\"nan\"");
	expect_success(check(folder, COLUMNS, RUN ",16,1,3072,204800,nan,nan,0,1e9,1", &notes));
	expect_failure(
	    check(folder, COLUMNS, RUN ",16,1,3072,204800,2.5,nan,1,1e9,1", &notes), ERROR_DATA, "loss is 2.5, but");
	assert_int_equal(notes.length, 0);
	folder_remove(folder);
}

/* ------------------------------------------------------------------------------------------------------------- curves --- */

#define ROWS                                                                                                           \
	"{\"tokens\": 1024, \"loss\": 3, \"held_out\": 2.9}\n{\"tokens\": 2048, \"loss\": 2.8, \"held_out\": 2.75}\n"

/* Trunks with their logs; the hash of each in its record unless `old`. */
static void put_trunks(const char *folder, int count, bool old) {
	for (int i = 0; i < count; i++) {
		struct text record = {0}, name = {0};
		char hex[HASH_HEX_SIZE];
		text_add(
		    &record, "{\"format\": 1, \"kind\": \"trunk\", \"status\": \"done\", \"shape\": {\"N\": %d}, \"result\": {",
		    1000 << i);
		if (!old) text_add(&record, "\"log_hash\": \"%s\"", hash_hex(hash_bytes(ROWS, strlen(ROWS), 0), hex));
		text_add_string(&record, "}}");
		text_add(&name, "runs/%016x/run.json", i);
		put_text(folder, name.data, record.data);
		text_clear(&name);
		text_add(&name, "runs/%016x/log.jsonl", i);
		put_text(folder, name.data, ROWS);
		text_free(&record);
		text_free(&name);
	}
}

/* Runs and unreadable ones among the trunks. */
static void expect_curves(const char *folder, int runs, int unreadable, size_t rows) {
	struct lab_curves curves;
	expect_success(lab_curves_read(folder, &curves));
	assert_true(curves.trunks);
	assert_int_equal(curves.runs, runs);
	assert_int_equal(curves.unreadable, unreadable);
	assert_int_equal(curves.count, rows);
	for (size_t i = 0; i < curves.count; i++) assert_int_equal(curves.rows[i].run, i / 2);
	lab_curves_free(&curves);
}

static void curves_that_were_changed_are_passed_over(void **state) {
	(void)state;
	char *folder = folder_temporary();
	put_trunks(folder, 4, false);
	put_run(folder, RUN, "run", "done", 16, 2048);
	put_text(folder, "runs/" RUN "/log.jsonl", ROWS);
	expect_curves(folder, 4, 0, 8);
	put_text(folder, "runs/0000000000000001/log.jsonl", "");
	expect_curves(folder, 3, 1, 6);
	/* Two are left, too few for an edge; curves of finished runs must not take their place. */
	put_text(folder, "runs/0000000000000002/log.jsonl", ROWS "{\"tokens\": 4096, \"loss\": 2.8, \"held_out\": 2.7}\n");
	expect_curves(folder, 2, 2, 4);
	struct text path = {0};
	text_add(&path, "%s/runs/0000000000000003/log.jsonl", folder);
	assert_int_equal(unlink(path.data), 0);
	text_free(&path);
	expect_curves(folder, 1, 3, 2);
	put_trunks(folder, 4, false);
	expect_curves(folder, 4, 0, 8);
	/* A whole trunk of another ladder. */
	put_text(
	    folder, "runs/0000000000000002/run.json",
	    "{\"format\": 1, \"id\": \"" RUN "\", \"kind\": \"trunk\", \"status\": \"done\", \"shape\": {\"N\": 5}}");
	expect_curves(folder, 3, 1, 6);
	/* Older records know no hash: a line that is none is told as well. */
	put_trunks(folder, 4, true);
	put_text(folder, "runs/0000000000000001/log.jsonl", ROWS "{broken\n");
	expect_curves(folder, 3, 1, 6);
	folder_remove(folder);
}

static void the_report_draws_no_changed_curve(void **state) {
	(void)state;
	static const char *const logs[] = {ROWS, "{\"tokens\": 1024, \"loss\": 1}\n", NULL};
	static const char *const words[] = {"", "log.jsonl is damaged: its hash is ", "log.jsonl is missing"};
	for (size_t i = 0; i < COUNT_OF(logs); i++) {
		char *folder = folder_temporary();
		put_text(folder, "points.csv", header);
		put_trunks(folder, 1, false);
		if (logs[i]) put_text(folder, "runs/0000000000000000/log.jsonl", logs[i]);
		struct text path = {0};
		text_add(&path, "%s/runs/0000000000000000/log.jsonl", folder);
		if (!logs[i]) assert_int_equal(unlink(path.data), 0);
		text_free(&path);
		struct report_lab lab;
		expect_success(report_lab_read(folder, &lab));
		assert_int_equal(lab.curve_count, 1);
		assert_int_equal(lab.curves[0].train_count > 0, i == 0);
		assert_non_null(strstr(lab.trouble.data ? lab.trouble.data : "", words[i]));
		report_lab_free(&lab);
		folder_remove(folder);
	}
}

/* Nobody reads a lab whose table contradicts it. */
static void every_reader_refuses(void **state) {
	(void)state;
	char *folder = folder_temporary();
	put_full(folder, RUN, "done", "2.5");
	struct text table = {0};
	text_add(&table, "%s" RUN ",16,1,128,96,1024,1,3072,4608,6144,102400,100,1e9,1887436800,2.6,nan,nan,1,\n", header);
	put_text(folder, "points.csv", table.data);
	struct fit_points points;
	struct report_lab lab;
	const struct fit_input input = {0};
	expect_failure(fit_points_read(folder, &input, &points), ERROR_DATA, "loss is 2.6, but");
	expect_failure(report_lab_read(folder, &lab), ERROR_DATA, "loss is 2.6, but");
	struct text path = {0};
	text_add(&path, "%s/points.csv", folder);
	expect_failure(fit_points_read(path.data, &input, &points), ERROR_DATA, "loss is 2.6, but");
	/* A copy is taken as it is. */
	text_clear(&path);
	text_add(&path, "%s/copy.csv", folder);
	put_text(folder, "copy.csv", table.data);
	text_free(&table);
	expect_success(fit_points_read(path.data, &input, &points));
	assert_true(points.items[0].loss == 2.6);
	fit_points_free(&points);
	text_free(&path);
	folder_remove(folder);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_table_that_contradicts_its_records),
	    cmocka_unit_test(runs_that_the_table_lacks),
	    cmocka_unit_test(a_run_that_diverged),
	    cmocka_unit_test(curves_that_were_changed_are_passed_over),
	    cmocka_unit_test(the_report_draws_no_changed_curve),
	    cmocka_unit_test(every_reader_refuses),
	};
	return cmocka_run_group_tests_name("fit lab", tests, NULL, NULL);
}
