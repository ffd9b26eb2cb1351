/* report_lab.h - small labs on a known law, written by hand: what the tests of the report read. */
#ifndef RUNG_TESTS_REPORT_LAB_H
#define RUNG_TESTS_REPORT_LAB_H

#include "fit/report.h"
#include "tests/support.h"

#include <math.h>

/* |a - b| <= tolerance; not so when one of them is NaN. */
#define assert_near(a, b, tolerance) assert_near_at((a), (b), (tolerance), __FILE__, __LINE__)
static inline void assert_near_at(double a, double b, double tolerance, const char *file, int line) {
	if (fabs(a - b) <= tolerance) return;
	print_error("%.17g and %.17g differ by more than %g\n", a, b, tolerance);
	_fail(file, line);
}

/* --------------------------------------------------------------------------------------------------- small labs --- */

static const char header[] = "id,width,depth,context,vocab,batch_tokens,seed,N,N_matmul,N_all,D,steps,C,C_6ND,loss,"
                             "loss_error,bits_per_byte,fit,reason\n";

static inline void put(const char *folder, const char *name, const char *content, size_t length) {
	struct text path = {0};
	text_add(&path, "%s/%s", folder, name);
	char *slash = strrchr(path.data, '/');
	*slash = '\0';
	expect_success(folder_make(path.data));
	*slash = '/';
	expect_success(file_write(path.data, content, length));
	text_free(&path);
}

static inline void put_text(const char *folder, const char *name, const char *content) {
	put(folder, name, content, strlen(content));
}

static const double E = 0.9, A = 7, B = 40, ALPHA = 0.3, BETA = 0.37;

static inline double law(double N, double D) {
	return E + A / pow(N, ALPHA) + B / pow(D, BETA);
}

/* Shapes out of order, so that sorting has something to do. N, FLOPs a token. */
static const struct shape_row {
	int width, depth;
	double N, cost;
} shapes[] = {{64, 4, 196608, 1700000}, {16, 1, 3072, 40000}, {32, 2, 24576, 240000}};
static const double horizons[] = {262144, 1048576, 4194304};

/* points.csv and fit.json on the law; `size` chooses the count of parameters that the fit went by. */
static inline void make_lab(const char *folder, const char *size) {
	struct text points = {0}, fit = {0};
	text_add_string(&points, header);
	text_add(
	    &fit,
	    "{\"format\":1,\"law\":\"chinchilla\",\"points\":{\"used\":9,\"left_out\":0,\"rungs\":3},"
	    "\"parameters\":{\"E\":%.17g,\"A\":%.17g,\"B\":%.17g,\"alpha\":%.17g,\"beta\":%.17g},"
	    "\"objective\":1e-4,\"columns\":{\"N\":\"%s\"},\"text\":\"It falls.\\nHow far is "
	    "open.\",\"intervals\":{\"alpha\":[0.25,0.36],\"E\":[0.8,\"inf\"]},\"residuals\":[",
	    E, A, B, ALPHA, BETA, size);
	int count = 0;
	for (size_t s = 0; s < COUNT_OF(shapes); s++)
		for (size_t h = 0; h < COUNT_OF(horizons); h++, count++) {
			double N = shapes[s].N, all = N + 192 * shapes[s].width, D = horizons[h];
			double used = strcmp(size, "N_all") == 0 ? all : N, loss = law(used, D);
			text_add(
			    &points, "%016x,%d,%d,128,96,1024,1,%.17g,%.17g,%.17g,%.17g,%.17g,%.17g,%.17g,%.17g,0.004,2.5,1,\n",
			    (unsigned)count + 1, shapes[s].width, shapes[s].depth, N, N + 96 * shapes[s].width, all, D, D / 1024,
			    shapes[s].cost * D, 6 * N * D, loss * 1.01);
			text_add(
			    &fit,
			    "%s{\"id\":\"%016x\",\"N\":%.17g,\"D\":%.17g,\"C\":1,\"loss\":%.17g,\"predicted\":%.17g,\"residual\":%."
			    "17g}",
			    count ? "," : "", (unsigned)count + 1, used, D, loss * 1.01, loss, log(1.01));
		}
	text_add_string(&fit, "]}");
	put_text(folder, "points.csv", points.data);
	put_text(folder, "fit.json", fit.data);
	text_free(&points);
	text_free(&fit);
}

/* A further line of points.csv. */
static inline void add_row(const char *folder, const char *row) {
	struct text points = {0}, path = {0};
	text_add(&path, "%s/points.csv", folder);
	expect_success(file_read(path.data, 1 << 20, &points));
	text_add_string(&points, row);
	put_text(folder, "points.csv", points.data);
	text_free(&points);
	text_free(&path);
}

static inline void put_run(
    const char *folder, const char *id, const char *kind, const char *status, int width, double tokens) {
	struct text record = {0}, name = {0};
	text_add(
	    &record,
	    "{\"format\":1,\"id\":\"%s\",\"kind\":\"%s\",\"status\":\"%s\",\"config\":{\"width\":%d,\"depth\":1,"
	    "\"context\":128,\"batch\":8,\"tokens\":%.0f,\"cooldown\":0.2,\"seed\":1},"
	    "\"shape\":{\"vocab\":96,\"N\":3072,\"N_matmul\":4608,\"N_all\":6144,\"train_flops\":40000},"
	    "\"result\":{\"seconds\":12,\"tokens_per_second\":5e5,\"peak_fraction\":0.25},"
	    "\"machine\":{\"cpu\":\"Example\",\"cores\":2}}",
	    id, kind, status, width, tokens);
	text_add(&name, "runs/%s/run.json", id);
	put_text(folder, name.data, record.data);
	text_free(&record);
	text_free(&name);
}

#endif
