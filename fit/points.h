/* points.h - a table of runs as every law sees it, and how it is read. The first part of fit.h, which includes it. */
#ifndef RUNG_FIT_POINTS_H
#define RUNG_FIT_POINTS_H

#include "base/base.h"

/* One measurement. */
struct fit_point {
	double N, D, C; /* C is 6 N D where the table has no such column */
	double loss;
	double loss_error;        /* its standard error; NaN when unknown */
	double weight;            /* of the row in every sum, above 0; 1 where the table has no such column */
	int rung;                 /* index of its cluster: points whose errors may be shared */
	int seed;                 /* index of its value in the column of seeds; -1 when unknown */
	int run;                  /* index of its training curve, where points.runs is not 0 */
	const char *id;           /* NULL when the table has none */
	size_t line;              /* of the file */
	const char *const *extra; /* (input.extra_count) the caller's columns; NULL where the table has no such one */
};

enum fit_why {
	LEFT_OUT_BY_TABLE, /* its column `fit` is 0, or its weight is */
	LEFT_OUT_BY_FILTER,
	LEFT_OUT_AS_EXTREME, /* among the highest or the lowest losses */
	LEFT_OUT_AS_BAD      /* it cannot be used, and --skip-bad said to go on */
};

/* A row that is not used. Values may be NaN. */
struct fit_left_out {
	double N, D, C, loss;
	const char *id, *reason; /* id: NULL when the table has none */
	enum fit_why why;
	size_t line;
};

/* A column of the caller's. `option`: the option that named it, for the message when it is missing; NULL: it may be. */
struct fit_extra {
	const char *name, *option;
};

/* How a table is read. All zero: columns by their usual names, values as they stand, every row.
 *
 * Columns: NULL is the usual name, which is the member's. Where N, D, C or loss is not called so, the one column is taken
 * whose name can mean nothing else ("Model Size", "tokens", "Training FLOP", "val_loss"; whatever the case), and that is
 * told. Of N, D and C one may be missing: C = 6 N D gives it. Without a group all rows of one N form a rung. Weights and
 * groups count only where their column is named; columns called loss_error, seed, fit, reason and id always.
 *
 * Conditions: COLUMN OPERATOR VALUE with < <= > >= == !=; all must hold. N, D, C and loss are what the fit sees, scaled or
 * derived; other names, and those in quotes or backticks, are columns, with values as in the file. */
struct fit_input {
	const char *N, *D, *C, *loss, *loss_error, *group, *weight, *seed;
	double N_scale, D_scale, C_scale; /* times the value in the file; 0 is 1 */
	double loss_scale;                /* the same for the loss and its error */
	struct option_list where;
	int64_t drop_highest, drop_lowest; /* of the rows that are left, so many with the highest or lowest loss */
	bool skip_bad;                     /* leave out what cannot be used, and list it, instead of stopping there */
	bool without_loss;             /* a table of optima, or a plan: the loss is read only where its column is named */
	bool optima;                   /* N may be missing or nan, where a budget had no minimum: such rows are left out */
	const struct fit_extra *extra; /* (extra_count) further columns whose fields are wanted as they stand */
	size_t extra_count;
};

struct fit_points {
	struct fit_point *items; /* in the order of the file */
	size_t count;
	struct fit_left_out *left_out; /* in the order of the file */
	size_t left_out_count;
	int rungs;                 /* number of clusters, ascending in their smallest N */
	int seeds;                 /* number of distinct seeds; 0 when none is known */
	struct fit_point *earlier; /* (earlier_count) rows of training curves before their ends: no final losses */
	size_t earlier_count;
	int runs;               /* training curves; 0 when the table has none */
	double width;           /* that all models share; 0 where they do not, or the table does not say */
	struct fit_input input; /* as read: columns as they are called, NULL where there is none or it is derived */
	bool guessed[4];        /* the columns of N, D, C and loss were found by what their names mean */
	struct text notes;      /* what the user should be told about the reading, a line each */
	const char **extra;     /* (count + left out as extremes, input.extra_count) what the points' `extra` point into */
	struct fit_strings *strings; /* what the strings above point into */
};

/* Reads a table, a header line and a row per run, separated by commas (or by tabs or semicolons throughout; quoted
 * fields, CRLF, CR and a byte order mark are understood), or JSON lines, an object per run, where "config.N" is the member
 * N of the object config. `path` may be a lab folder, then its points.csv is read, or "-", standard input. Numbers are
 * decimal; N, D and C may end in K, M, B or G, T ("70B"). ERROR_DATA names the file, line, column, value and reason of
 * rows that cannot be used; none is dropped silently. ERROR_USAGE when a condition is none. */
MUST_CHECK struct error *fit_points_read(const char *path, const struct fit_input *input, struct fit_points *points);
/* The same from memory; `name` stands for the file in messages. */
MUST_CHECK struct error *fit_points_parse(
    const char *name, const char *text, size_t length, const struct fit_input *input, struct fit_points *points);
void fit_points_free(struct fit_points *points);

#endif
