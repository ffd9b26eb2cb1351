/* The report: what it reads from a lab and what it works out from that. */
#include "tests/report_lab.h"

/* Puts `value` in the place of a member of fit.json; "" takes the member away. */
static void edit_fit(const char *folder, const char *key, const char *value) {
	char *path = path_join(folder, "fit.json");
	cJSON *root = NULL;
	expect_success(json_read(path, &root));
	cJSON_DeleteItemFromObjectCaseSensitive(root, key);
	if (*value) assert_true(cJSON_AddItemToObject(root, key, cJSON_Parse(value)));
	expect_success(json_write(path, root));
	cJSON_Delete(root);
	free(path);
}

/* ------------------------------------------------------------------------------------------------------- reading --- */

static void rungs_ascend(void **state) {
	(void)state;
	char *folder = folder_temporary();
	make_lab(folder, "N");
	struct report report;
	expect_success(report_open(folder, &report));
	assert_int_equal(report.rung_count, 3);
	static const int widths[] = {16, 32, 64};
	for (int r = 0; r < 3; r++) {
		assert_int_equal(report.rungs[r].width, widths[r]);
		assert_int_equal(report.rungs[r].points, 3);
	}
	assert_near(report.rungs[1].flops_per_token, 240000, 1e-6);
	assert_int_equal(report.lab.point_count, 9);
	for (int i = 0; i < 9; i++) {
		const struct point *p = &report.lab.points[i];
		assert_int_equal(p->rung, i / 3);
		assert_near(p->D, horizons[i % 3], 0);
		assert_near(p->residual, log(1.01), 1e-12);
		assert_near(p->predicted, p->loss / 1.01, 1e-12);
		assert_true(p->finished && p->fit);
	}
	assert_true(report.surface_known);
	assert_string_equal(report.size_name, "N");
	report_close(&report);
	folder_remove(folder);
}

static void the_count_of_the_fit_is_found(void **state) {
	(void)state;
	char *folder = folder_temporary();
	make_lab(folder, "N_all");
	struct report report;
	expect_success(report_open(folder, &report));
	assert_string_equal(report.size_name, "N_all");
	assert_true(report.surface_known);
	assert_near(report.rungs[0].size, 3072 + 192 * 16, 0);
	assert_near(report.lab.points[0].size, 3072 + 192 * 16, 0);
	report_close(&report);
	folder_remove(folder);
}

/* A law whose parameters do not give its own predictions must not be drawn as if they did. */
static void a_law_of_another_form_is_not_drawn(void **state) {
	(void)state;
	char *folder = folder_temporary();
	make_lab(folder, "N");
	edit_fit(folder, "law", "\"other\"");
	edit_fit(folder, "parameters", "{\"E\":1,\"A\":2,\"B\":3,\"alpha\":0.3,\"beta\":0.3}");
	struct report report;
	expect_success(report_open(folder, &report));
	assert_false(report.surface_known);
	for (int kind = 0; kind < TRACE_KINDS; kind++) assert_int_equal(report.traces[kind].count, 0);
	assert_non_null(strstr(report.missing.data, "not of the form"));
	report_close(&report);
	folder_remove(folder);
}

static void broken_tables_are_named(void **state) {
	(void)state;
	char *folder = folder_temporary();
	struct report report;
	expect_failure(report_open("/tmp/rung-no-such-lab", &report), ERROR_DATA, "there is no such lab");
	expect_failure(report_open(folder, &report), ERROR_DATA, "there is no points.csv");
	static const struct broken {
		const char *table, *message;
	} tables[] = {
	    {"", "the file is empty"},
	    {"id,width,depth,N,D,C\n", "no column 'loss'"},
	    {"width,depth,N,D,C,loss\n", "no column 'id'"},
	    {"id,width,depth,N,D,C,loss\na,16,1,3072,1e6,1e9,2.5\nb,16,1,3072,1e6,1e9,x\n",
	     "line 3, column 'loss': found 'x'"},
	    {"id,width,depth,N,D,C,loss\na,16,1,3072,1e6,1e9\n", "line 2: found 6 fields, expected the 7"},
	    {"id,width,depth,N,D,C,loss\na,16,1,3072,1e6,1e9,2,3\n", "line 2: found 8 fields, expected the 7"},
	    {"id,width,depth,N,D,C,loss\na,16,1,-3072,1e6,1e9,2\n", "line 2: N and D must be above 0"},
	    {"id,width,depth,N,D,C,loss\na,16,1,,1e6,1e9,2\n", "line 2, column 'N': found ''"},
	};
	for (size_t i = 0; i < COUNT_OF(tables); i++) {
		put_text(folder, "points.csv", tables[i].table);
		expect_failure(report_open(folder, &report), ERROR_DATA, tables[i].message);
	}
	put_text(folder, "points.csv", "id,width,depth,N,D,C,loss,fit\r\na,16,1,3072,1e6,1e9,2.5,0\r\n");
	expect_success(report_open(folder, &report));
	assert_false(report.lab.points[0].fit);
	assert_true(isnan(report.lab.points[0].bits_per_byte));
	report_close(&report);
	folder_remove(folder);
}

/* The page goes on without a file that is not what it should be, and says which one, and why. */
static void damaged_files_are_told(void **state) {
	(void)state;
	static const struct damaged {
		const char *name, *content, *message;
	} files[] = {
	    {"corpus.json", "{}", "corpus.json is damaged: 'held_out.tokens' is missing, expected a number"},
	    {"corpus.json", "{\"held_out\":{\"tokens\":1,\"bytes\":\"x\"}}", "'held_out.bytes' is something else"},
	    {"corpus.json", "{\"held_out\":{\"tokens\":1,\"bytes\":1}}", "'entropy' is missing, expected an object"},
	    {"samples.json", "{\"format\":1}", "samples.json is damaged: 'prompt' is missing, expected a text"},
	    {"samples.json", "{\"prompt\": }", "samples.json:1:"},
	    {"plan.json", "{\"rungs\":3}", "plan.json is damaged: 'rungs' is something else, expected an array"},
	    {"fit.json", "{}", "fit.json is damaged: 'format' is missing, expected a number: the law was fitted for"},
	    {"fit.json", "[1]", "fit.json is damaged: expected a JSON object"},
	    {"fit.json", "{\"law\": }", "fit.json:1:"},
	    {"fit.json", "{\"format\":1,\"law\":\"x\",\"parameters\":{\"E\":\"abc\"}}",
	     "'parameters.E' is something else, expected a number"},
	    {"fit.json", "{\"format\":99}", "fit.json cannot be read: found format 99, expected 1"},
	    {"fit.json", NULL, "fit.json cannot be read: found format 99, expected 1: the law was fitted for this page"},
	};
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		char *folder = folder_temporary();
		make_lab(folder, "N");
		if (files[i].content)
			put_text(folder, files[i].name, files[i].content);
		else
			edit_fit(folder, "format", "99");
		struct report report;
		expect_success(report_open(folder, &report));
		assert_non_null(strstr(report.missing.data, files[i].message));
		char absent[64];
		snprintf(absent, sizeof absent, "There is no %s", files[i].name);
		assert_null(strstr(report.missing.data, absent));
		assert_true(!report.lab.corpus && !report.lab.samples && !report.lab.plan);
		assert_true(report.surface_known);
		/* What is drawn is the file's law where it can be read, and otherwise one that was fitted here: it lies 1 % above. */
		bool here = strcmp(files[i].name, "fit.json") == 0;
		assert_near(fit_surface_loss(&report.surface, 24576, 1e6) / law(24576, 1e6), here ? 1.01 : 1, 1e-6);
		report_close(&report);
		folder_remove(folder);
	}
}

/* A fit.json of other points is not drawn over these: what is drawn goes through the points that are there. */
static void a_fit_of_other_points_is_made_anew(void **state) {
	(void)state;
	static const struct other {
		const char *edit, *with, *message;
	} others[] = {
	    {"loss", "", "not of these points (points.csv, line 2: loss is"},
	    {"id", "", "(points.csv, line 2: the run is 0000000000000001, and x was fitted)"},
	    {"points", "{\"used\":9,\"left_out\":2}", "it knows of 2 rows left out, and now there are 0"},
	    {"residuals", "[1,2,3,4,5,6,7,8,9]", "N is 196608, and nan was fitted"},
	    {"columns", "{\"N\":\"M\"}", "does not go with the table"},
	};
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		char *folder = folder_temporary(), *path = path_join(folder, "fit.json");
		make_lab(folder, "N");
		if (*others[i].with) {
			edit_fit(folder, others[i].edit, others[i].with);
		} else {
			cJSON *root = NULL;
			expect_success(json_read(path, &root));
			cJSON *first = cJSON_GetObjectItemCaseSensitive(root, "residuals")->child;
			cJSON *value = *others[i].edit == 'i' ? cJSON_CreateString("x") : cJSON_CreateNumber(3.25);
			assert_true(cJSON_ReplaceItemInObjectCaseSensitive(first, others[i].edit, value));
			expect_success(json_write(path, root));
			cJSON_Delete(root);
		}
		struct report report;
		expect_success(report_open(folder, &report));
		assert_non_null(strstr(report.missing.data, others[i].message));
		assert_non_null(strstr(report.missing.data, "fitted for this page alone; 'rung fit "));
		assert_true(report.surface_known);
		for (int p = 0; p < 9; p++) assert_near(report.lab.points[p].residual, 0, 1e-5);
		report_close(&report);
		free(path);
		folder_remove(folder);
	}
	/* The columns that the fit went by are kept. */
	char *folder = folder_temporary();
	make_lab(folder, "N_all");
	edit_fit(folder, "residuals", "[]");
	struct report report;
	expect_success(report_open(folder, &report));
	assert_non_null(strstr(report.missing.data, "it was fitted to 0 points, and now there are 9"));
	assert_string_equal(report.size_name, "N_all");
	for (int p = 0; p < 9; p++) assert_near(report.lab.points[p].residual, 0, 1e-5);
	report_close(&report);
	folder_remove(folder);
}

static void numbers_by_path(void **state) {
	(void)state;
	cJSON *root = cJSON_Parse("{\"a\":{\"b\":[1.5,\"inf\",\"nan\",\"-inf\",\"x\"]},\"c\":null}");
	assert_non_null(root);
	assert_near(report_number(root, "a.b.0"), 1.5, 0);
	assert_true(report_number(root, "a.b.1") == INFINITY);
	assert_true(report_number(root, "a.b.3") == -INFINITY);
	static const char *const none[] = {"a.b.2", "a.b.4", "a.b.5", "a.c", "c", "a", "c.d", "z.y.x"};
	for (size_t i = 0; i < COUNT_OF(none); i++) assert_true(isnan(report_number(root, none[i])));
	assert_true(isnan(report_number(NULL, "a")));
	cJSON_Delete(root);
}

/* ------------------------------------------------------------------------------------------------ learning curves --- */

enum { ROWS = 10000, STEP = 1024 };

static double row_loss(int row) {
	return 4 / pow(row + 1, 0.1) + 0.3 * ((row * 37) % 11 - 5) / 5.0;
}

/* 10,000 rows become at most 241 points; each of them is the mean over exactly its own tokens, and the evaluations that
 * are kept are evaluations that were made, the last one among them. */
static void long_logs_are_thinned(void **state) {
	(void)state;
	char *folder = folder_temporary();
	put_text(folder, "points.csv", header);
	put_run(folder, "00000000000000aa", "trunk", "done", 16, (double)ROWS * STEP);
	struct text log = {0};
	for (int i = 0; i < ROWS; i++) {
		text_add(&log, "{\"step\":%d,\"tokens\":%d,\"rate\":1,\"loss\":", i + 1, (i + 1) * STEP);
		if (i == 5000)
			text_add_string(&log, "\"nan\"");
		else
			text_add(&log, "%.17g", row_loss(i));
		if (i % 3 == 0)
			text_add(&log, ",\"held_out\":%.17g,\"held_out_error\":0.01}\n", row_loss(i) + 1);
		else
			text_add_string(&log, ",\"held_out\":null,\"held_out_error\":null}\n\n");
	}
	text_add_string(&log, "{\"step\":10001,\"tok"); /* was being written when the run was killed */
	put_text(folder, "runs/00000000000000aa/log.jsonl", log.data);
	text_free(&log);
	struct report report;
	expect_success(report_open(folder, &report));
	assert_int_equal(report.lab.curve_count, 1);
	const struct curve *curve = &report.lab.curves[0];
	assert_in_range(curve->train_count, 100, 241);
	assert_in_range(curve->held_out_count, 100, 241);
	int row = 0;
	for (int k = 0; k < curve->train_count; k++) {
		double sum = 0;
		int rows = 0;
		for (; row < ROWS && (row + 1) * STEP <= curve->train_x[k]; row++) {
			if (row == 5000) continue;
			sum += row_loss(row);
			rows++;
		}
		assert_true(rows > 0);
		assert_near(curve->train_y[k], sum / rows, 1e-12);
	}
	assert_int_equal(row, ROWS);
	for (int k = 0; k < curve->held_out_count; k++) {
		int at = (int)lround(curve->held_out_x[k] / STEP) - 1;
		assert_int_equal(at % 3, 0);
		assert_near(curve->held_out_y[k], row_loss(at) + 1, 1e-15);
	}
	assert_near(curve->held_out_x[curve->held_out_count - 1], ROWS * STEP, 0);
	report_close(&report);
	folder_remove(folder);
}

/* A branch is drawn from where it leaves its trunk, and whole when there is no trunk. */
static void branches_do_not_repeat_their_trunk(void **state) {
	(void)state;
	for (int with_trunk = 0; with_trunk < 2; with_trunk++) {
		char *folder = folder_temporary();
		put_text(folder, "points.csv", header);
		put_run(folder, "00000000000000bb", "run", "done", 16, 100 * STEP);
		struct text log = {0};
		for (int i = 1; i <= 100; i++)
			text_add(&log, "{\"step\":%d,\"tokens\":%d,\"loss\":2,\"held_out\":2.5}\n", i, i * STEP);
		put_text(folder, "runs/00000000000000bb/log.jsonl", log.data);
		text_free(&log);
		if (with_trunk) put_run(folder, "00000000000000aa", "trunk", "running", 16, 100 * STEP);
		struct report report;
		expect_success(report_open(folder, &report));
		const struct curve *curve = &report.lab.curves[report.lab.curve_count - 1];
		assert_string_equal(curve->id, "00000000000000bb");
		assert_near(curve->held_out_x[0], (with_trunk ? 80 : 1) * STEP, 0);
		/* The run is not in points.csv: it counts as unfinished, with what its record says. */
		assert_int_equal(report.lab.point_count, 1);
		assert_false(report.lab.points[0].finished);
		assert_near(report.lab.points[0].N, 3072, 0);
		assert_near(report.lab.points[0].C, 40000.0 * 100 * STEP, 1);
		assert_near(report.lab.points[0].batch_tokens, 1024, 0);
		assert_non_null(strstr(report.missing.data, with_trunk ? "2 runs are not finished" : "1 run is not finished"));
		report_close(&report);
		folder_remove(folder);
	}
}

static void damaged_records_are_told_and_passed_over(void **state) {
	(void)state;
	char *folder = folder_temporary();
	make_lab(folder, "N");
	put_run(folder, "0000000000000004", "run", "done", 16, 262144);
	put_text(folder, "runs/0000000000000004/log.jsonl", "{\"step\":1,\"tokens\":1024,\"loss\":2}\n{broken\n");
	put_text(folder, "runs/0000000000000002/run.json", "{\"format\":1,");
	struct report report;
	expect_success(report_open(folder, &report));
	assert_int_equal(report.lab.point_count, 9);
	assert_int_equal(report.lab.curve_count, 1);
	assert_non_null(strstr(report.missing.data, "0000000000000004/log.jsonl: line 2"));
	assert_non_null(strstr(report.missing.data, "0000000000000002/run.json:1:"));
	const struct point *p = NULL;
	for (int i = 0; i < 9; i++)
		if (strcmp(report.lab.points[i].id, "0000000000000004") == 0) p = &report.lab.points[i];
	assert_non_null(p);
	assert_near(p->tokens_per_second, 5e5, 0); /* the record of a point that the table holds is joined to it */
	assert_int_equal(cJSON_GetArraySize(report.lab.machines), 1);
	report_close(&report);
	folder_remove(folder);
}

/* ------------------------------------------------------------------------------------------------------- the law --- */

/* FLOPs a token of a model of N parameters: the rungs', and straight lines in ln-ln through them. */
static double token_cost(double N) {
	const struct shape_row *a = &shapes[1], *b = &shapes[2], *c = &shapes[0]; /* ascending in N */
	const struct shape_row *left = N < b->N ? a : b, *right = N < b->N ? b : c;
	return left->cost * pow(N / left->N, log(right->cost / left->cost) / log(right->N / left->N));
}

/* The frontier in 6 N D has a closed form: N* = G (C/6)^a (Hoffmann et al. 2022, eq. 4). */
static void the_frontier_is_least(void **state) {
	(void)state;
	char *folder = folder_temporary();
	make_lab(folder, "N");
	struct report report;
	expect_success(report_open(folder, &report));
	const struct traces *six = &report.traces[TRACE_C_6ND], *exact = &report.traces[TRACE_C];
	assert_int_equal(six->count, 4); /* three rungs and the frontier */
	assert_int_equal(exact->count, 4);
	const struct trace *frontier = &six->items[3];
	double a = BETA / (ALPHA + BETA), G = pow(ALPHA * A / (BETA * B), 1 / (ALPHA + BETA));
	for (int i = 0; i < frontier->count; i++) {
		double C = frontier->x[i], N = G * pow(C / 6, a), D = C / 6 / N;
		assert_near(frontier->y[i] / law(N, D), 1, 1e-5);
	}
	/* With exact FLOPs it is searched for, with the cost of a token on straight lines between the rungs. */
	frontier = &exact->items[3];
	for (int i = 0; i < frontier->count; i++) {
		double least = INFINITY;
		for (double N = 100; N < 1e8; N *= 1.0005) least = fmin(least, law(N, frontier->x[i] / token_cost(N)));
		assert_near(frontier->y[i] / least, 1, 1e-5);
	}
	report_close(&report);
	folder_remove(folder);
}

static void traces_follow_the_law(void **state) {
	(void)state;
	char *folder = folder_temporary();
	make_lab(folder, "N");
	/* A token count that only one rung has gets no line along N. */
	add_row(folder, "00000000000000ff,64,4,128,96,1024,1,196608,1,1,2e6,1953,3.4e12,2.4e12,1.5,0.004,2,0,short\n");
	edit_fit(folder, "points", "{\"used\":9,\"left_out\":1}");
	struct report report;
	expect_success(report_open(folder, &report));
	const struct traces *along_N = &report.traces[TRACE_N], *along_D = &report.traces[TRACE_D];
	assert_int_equal(along_N->count, 4); /* three horizons and D without end */
	for (size_t t = 0; t < 4; t++) {
		const struct trace *trace = &along_N->items[t];
		double D = t < 3 ? horizons[t] : INFINITY;
		assert_true(trace->held == D);
		assert_near(trace->low, 3072, 0);
		assert_near(trace->high, 196608, 0);
		for (int i = 0; i < trace->count; i++)
			assert_near(trace->y[i], t < 3 ? law(trace->x[i], D) : E + A / pow(trace->x[i], ALPHA), 1e-12);
	}
	assert_int_equal(along_D->count, 4);
	static const double sizes[] = {3072, 24576, 196608};
	for (size_t t = 0; t < 4; t++) {
		const struct trace *trace = &along_D->items[t];
		assert_int_equal(trace->rung, t < 3 ? (int)t : -1);
		for (int i = 0; i < trace->count; i++)
			assert_near(trace->y[i], t < 3 ? law(sizes[t], trace->x[i]) : E + B / pow(trace->x[i], BETA), 1e-12);
	}
	report_close(&report);
	folder_remove(folder);
}

/* --------------------------------------------------------------------------------------------------------- looks --- */

/* CIE L* of an sRGB colour (IEC 61966-2-1, CIE 15). */
static double lightness(const char *colour) {
	unsigned long rgb = strtoul(colour + 1, NULL, 16);
	double weights[3] = {0.2126, 0.7152, 0.0722}, Y = 0;
	for (int c = 0; c < 3; c++) {
		double v = (double)(rgb >> (16 - 8 * c) & 255) / 255;
		Y += weights[c] * (v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4));
	}
	return Y > 0.008856 ? 116 * cbrt(Y) - 16 : 903.3 * Y;
}

/* The order of the rungs must show without any sense of hue, and every colour must stand off its background. */
static void colours_ascend_in_lightness(void **state) {
	(void)state;
	for (int dark = 0; dark < 2; dark++) {
		double before = 0;
		for (int i = 0; i <= 8; i++) {
			char colour[COLOUR_SIZE];
			report_colour(i / 8.0, dark, colour);
			double L = lightness(colour);
			assert_true(i == 0 || L > before + 3);
			assert_true(dark ? L > 49 : L < 70);
			before = L;
		}
	}
	char inside[COLOUR_SIZE], outside[COLOUR_SIZE];
	report_colour(1, false, inside);
	report_colour(7, false, outside);
	assert_string_equal(inside, outside);
}

static void the_headline_says_the_numbers(void **state) {
	(void)state;
	char *folder = folder_temporary();
	make_lab(folder, "N");
	put_text(
	    folder, "corpus.json",
	    "{\"held_out\":{\"tokens\":1000,\"bytes\":2000},\"entropy\":{\"rate\":0.85},\"compressors\":[{\"name\":\"zstd "
	    "-19\","
	    "\"alone\":2.2,\"after_train\":1.9}]}");
	struct report report;
	expect_success(report_open(folder, &report));
	const char *said = report.headline.data;
	assert_memory_equal(said, "It falls.\nHow far is open.\n", 26);
	char bits[96]; /* two bytes a token */
	snprintf(bits, sizeof bits, "E = 0.900 nats per token is %.3f bits per byte", 0.9 / log(2) / 2);
	assert_non_null(strstr(said, bits));
	assert_non_null(strstr(said, "that see 128 tokens at a time"));
	assert_non_null(strstr(said, "entropy rate of this source is 0.850, inside the interval"));
	assert_non_null(strstr(said, "2.500 bits per byte, where zstd -19 needs 1.900 after the training text"));
	assert_non_null(strstr(report.missing.data, "There is no samples.json"));
	assert_null(strstr(report.missing.data, "corpus.json"));
	assert_null(strstr(report.missing.data, "fit.json"));
	report_close(&report);

	/* An E that the runs do not determine is not quoted. */
	edit_fit(folder, "identified", "{\"E\":false}");
	edit_fit(folder, "text", "\"E is open.\"");
	expect_success(report_open(folder, &report));
	assert_non_null(strstr(report.headline.data, "E is open.\n"));
	assert_null(strstr(report.headline.data, "E = "));
	assert_null(strstr(report.missing.data, "not of the form"));
	report_close(&report);
	make_lab(folder, "N");

	/* A row more than the fit knows. */
	add_row(folder, "00000000000000ff,64,4,128,96,1024,1,196608,1,1,8388608,8192,1,1,1.5,0.004,2,1,\n");
	expect_success(report_open(folder, &report));
	assert_non_null(strstr(
	    report.missing.data, "fit.json is older than points.csv (it was fitted to 9 points, and now there are 10)"));
	report_close(&report);
	folder_remove(folder);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rungs_ascend),
	    cmocka_unit_test(the_count_of_the_fit_is_found),
	    cmocka_unit_test(a_law_of_another_form_is_not_drawn),
	    cmocka_unit_test(broken_tables_are_named),
	    cmocka_unit_test(damaged_files_are_told),
	    cmocka_unit_test(a_fit_of_other_points_is_made_anew),
	    cmocka_unit_test(numbers_by_path),
	    cmocka_unit_test(long_logs_are_thinned),
	    cmocka_unit_test(branches_do_not_repeat_their_trunk),
	    cmocka_unit_test(damaged_records_are_told_and_passed_over),
	    cmocka_unit_test(the_frontier_is_least),
	    cmocka_unit_test(traces_follow_the_law),
	    cmocka_unit_test(colours_ascend_in_lightness),
	    cmocka_unit_test(the_headline_says_the_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
