/* report.h - what the page and the figures are made from; private to fit/.
 *
 * report_lab_read takes in the files of a lab folder as they are; report_draw_up works out what they do not say themselves: the
 * rungs and their colours, the curves of the fitted law, the headline, what is missing. report_json writes all of it as
 * one JSON document, which report_write_page sets into the page; report_write_figures hands the same numbers to gnuplot. */
#ifndef RUNG_FIT_REPORT_H
#define RUNG_FIT_REPORT_H

#include "fit/fit.h"

#define COLOUR_SIZE 8 /* "#rrggbb" */

/* The size of a model: all runs of one width and depth. Ascending in N. */
struct rung {
	double width, depth, context, vocab;
	double N, N_matmul, N_all;                  /* three ways to count parameters */
	double size;                                /* the one of them that the fit went by */
	double flops_per_token;                     /* exact training cost, C / D; NaN when no record says */
	int points;                                 /* rows of points.csv */
	char light[COLOUR_SIZE], dark[COLOUR_SIZE]; /* its colour on a light and on a dark page */
};

/* A row of points.csv, or a run that has none yet (then `finished` is false and its loss is NaN). */
struct point {
	char id[HASH_HEX_SIZE];
	int rung; /* index; set by report_draw_up */
	double width, depth, context, vocab, batch_tokens, seed;
	double N, N_matmul, N_all, D, steps, C, C_6ND;
	double size; /* the count of parameters that the fit went by; set by report_draw_up */
	double loss, loss_error, bits_per_byte;
	bool finished; /* stands in points.csv */
	bool fit;      /* used by the fit */
	char reason[32];
	double predicted, residual;                       /* from fit.json; NaN when it does not know this run */
	double seconds, tokens_per_second, peak_fraction; /* from run.json; NaN without */
	char status[16];                                  /* from run.json; "" without */
};

/* A run's learning curve, thinned to what a screen can show. `train` holds the mean loss over each gap. */
struct curve {
	char id[HASH_HEX_SIZE];
	int rung;
	double width, depth, context, vocab, seed;
	double N, N_matmul, N_all, flops_per_token;
	double batch_tokens;
	double tokens;   /* the horizon of its config */
	double cooldown; /* part of the run at a falling rate */
	bool trunk;
	char status[16];
	char log_hash[HASH_HEX_SIZE]; /* empty: not known */
	int train_count, held_out_count;
	double *train_x, *train_y, *held_out_x, *held_out_y; /* x in tokens; the arrays are owned */
};

struct report_lab {
	char *path, *name;
	struct point *points;
	int point_count;
	struct curve *curves;
	int curve_count;
	cJSON *plan, *corpus, *samples, *fit; /* NULL when absent */
	cJSON *machines;                      /* [{"runs": count, "machine": {...}}], distinct ones */
	int runs_read;
	struct text trouble; /* lines: files that are not there or could not be used, and why */
	struct text no_fit;  /* why fit.json cannot be gone by: absent, damaged, of other points; else empty */
};

/* points.csv must be there and whole; the rest may be absent or damaged, which is told in `trouble` and `no_fit`. A
 * fit.json of other points stays in `fit`, for its columns. */
MUST_CHECK struct error *report_lab_read(const char *path, struct report_lab *lab);
void report_lab_free(struct report_lab *lab);

/* What the report needs of a file of the lab; ERROR_DATA names the member that is missing or wrong (report_check.c). */
MUST_CHECK struct error *report_check_members(const char *path, const char *name, const cJSON *root);
/* Compares the points that fit.json lists with the table; lab->no_fit says how they differ. */
MUST_CHECK struct error *report_check_fit(struct report_lab *lab);
/* How a fit read its table: columns, scales, conditions; the texts point into it. */
struct fit_input report_fit_input(const cJSON *fit);

/* One drawn line: the law along one variable while the other is held, or the frontier. */
struct trace {
	int rung;         /* whose colour it takes; -1: a neutral line */
	double held;      /* D where the line runs along N; INFINITY: the other variable without end; else NaN */
	double low, high; /* where along x there are points: outside, the line is an extrapolation */
	int count;
	double *x, *y; /* owned */
};

enum trace_kind {
	TRACE_N,     /* loss along N, a line for each of some D that several rungs share, and one for D without end */
	TRACE_D,     /* loss along D, a line per rung, and one for N without end */
	TRACE_C,     /* loss along exact C, a line per rung, then the least loss that the law allows at a given C */
	TRACE_C_6ND, /* the same when C counts as 6 N D */
	TRACE_KINDS,
};

struct traces {
	struct trace *items;
	size_t count, capacity;
};

struct report {
	struct report_lab lab;
	struct rung *rungs;
	int rung_count;
	struct fit_surface surface;
	bool surface_known;    /* fit.json holds such a law, and it gives the predictions that fit.json lists */
	const char *size_name; /* "N", "N_matmul" or "N_all": what the fit went by */
	struct traces traces[TRACE_KINDS];
	struct text headline; /* sentences, one a line */
	struct text missing;  /* what is not there and how to get it, one a line */
};

MUST_CHECK struct error *report_open(const char *lab_path, struct report *report);
void report_close(struct report *report);

/* The steps of report_open after the reading; see report.c and report_words.c. */
MUST_CHECK struct error *report_draw_up(struct report *report);
void report_speak(struct report *report);
/* A perceptually even ramp from the smallest rung (0) to the largest (1), readable with any colour vision. */
void report_colour(double position, bool dark, char out[COLOUR_SIZE]);

/* The item at a path of keys such as "parameters.E"; NULL when it is not there. */
const cJSON *report_item(const cJSON *root, const char *keys);
/* fit.json's number at a path of keys such as "parameters.E", or an element of an interval: "intervals.E.0". NaN when it
 * is not there or not a number. */
double report_number(const cJSON *root, const char *keys);

/* An interval [low, high] of fit.json; both NaN when it is not there. */
struct span {
	double low, high;
};
struct span report_interval(const cJSON *root, const char *keys);
/* False when the fit says that the runs leave this parameter open. */
bool report_determined(const cJSON *fit, const char *parameter);
/* The interval of E: of its profile, or of the bootstrap where there is no profile. */
struct span report_interval_E(const cJSON *fit);

/* The document of the page. */
MUST_CHECK struct error *report_json(const struct report *report, struct text *out);
/* The page, whole: no other file, no network. */
MUST_CHECK struct error *report_write_page(const struct report *report, const char *path);

/* Writes NAME.dat and NAME.gp and has gnuplot make NAME.svg and NAME.pdf, for every figure that there are data for.
 * `made` gets their names, one a line. */
MUST_CHECK struct error *report_write_figures(const struct report *report, const char *folder, struct text *made);

/* Files that stand in the program itself (asset.c). */
struct asset {
	const char *data;
	size_t size;
};
enum asset_name {
	ASSET_PAGE_HTML,
	ASSET_PAGE_CSS,
	ASSET_PAGE_JS,
	ASSET_PAGE_CHARTS,
	ASSET_PAGE_FIGURES,
	ASSET_CHART_JS
};
struct asset asset_get(enum asset_name name);

#endif
