/* approach.h - exponents of the optimum read off the runs without a surface: approaches 1 and 2 of Hoffmann et al. 2022
 * (arXiv 2203.15556), as they and Porian et al. 2024 (arXiv 2406.19146) ran them. Private to fit/. */
#ifndef RUNG_FIT_APPROACH_H
#define RUNG_FIT_APPROACH_H

#include "fit/fit.h"

/* ----------------------------------------------------------------------------------------------------- Akima (akima.c) --- */

/* The slopes at the knots of Akima's piecewise cubic (Akima 1970, J. ACM 17, 589). With m_i the slope between knots i and
 * i + 1, the slope at knot i is
 *     (|m_{i+1} - m_i| m_{i-1} + |m_{i-1} - m_{i-2}| m_i) / (|m_{i+1} - m_i| + |m_{i-1} - m_{i-2}|),
 * or (m_{i-1} + m_i) / 2 where both weights are zero; beyond the ends m goes on along a parabola. x ascending, two knots
 * or more. */
void akima_slopes(const double *x, const double *y, size_t count, double *slope);

/* The cubic at `at`, which lies between the first knot and the last. */
double akima_at(const double *x, const double *y, const double *slope, size_t count, double at);

/* Its lowest point between the first knot and the last, exactly: knots and stationary points of every piece. */
struct akima_lowest {
	double x, y;
	bool edge; /* it is the first knot or the last, so the true minimum may lie beyond */
};
struct akima_lowest akima_lowest(const double *x, const double *y, const double *slope, size_t count);

/* -------------------------------------------------------------------------------------- lines in logs (regression.c) --- */

/* ln y = intercept + slope ln x by least squares with `weight` (NULL: equal). The interval of the slope, at FIT_LEVEL,
 * is Student's with count - 2 degrees of freedom, the scale being that of the residuals: weights say how the errors
 * compare, not how large they are. Slope NaN when x does not vary or fewer than two rows; interval NaN below three. */
struct regression {
	double slope, intercept;
	struct fit_interval slope_interval;
	double rms; /* of the residuals, weighted */
	size_t count;
};
void regress_logs(const double *x, const double *y, const double *weight, size_t count, struct regression *line);

/* y at x on the line. */
double regression_at(const struct regression *line, double x);

/* ----------------------------------------------------------------------------------------- tables of optima (optima.c) --- */

/* Rows that belong together: equal fields in every column of --by. */
struct optima_group {
	const char *const *key;          /* (by_count) the fields */
	struct regression N, D;          /* ln N* and ln D* against ln C */
	double squares_N;                /* sum of weight * residual^2 of the first */
	const struct fit_point **points; /* (count) ascending in C */
	double *weight;                  /* (count) */
	size_t count;
};

/* Where a table lists optima already, N* (and D*) at each budget C, their exponents by (weighted) least squares:
 * N* = k_N C^a, D* = k_D C^b. Weights are 1 / std^2, std the standard error of ln N* in a column of the table (Porian et
 * al. 2024), times the rows' own. */
struct optima {
	struct optima_group *groups; /* in the order of their first rows */
	size_t count;
	const struct fit_point **points; /* what the groups point into, like weight */
	double *weight;
	const char *const *by; /* (by_count) names of the columns; not owned */
	size_t by_count;
	const char *std_column; /* NULL: none */
	bool D_derived;         /* D* is C / (6 N*), so b is 1 - a */
};

/* The first `by_count` extra columns of the points make the groups; the one after them is the standard error, unless
 * std_column is NULL. ERROR_DATA names the line of a standard error that is no number above zero. `points` must
 * outlive the result. */
MUST_CHECK struct error *optima_fit(
    const char *source, const struct fit_points *points, const char *const *by, size_t by_count, const char *std_column,
    struct optima *optima);
void optima_free(struct optima *optima);

MUST_CHECK struct error *optima_to_json(const struct optima *optima, const struct fit_points *points, cJSON **root);
void optima_summary(const struct optima *optima, const struct fit_points *points, const char *source, struct text *out);

/* The door of `rung fit --law allocation` (cmd_approach.c). */
struct optima_options {
	const char *path;
	struct fit_input input;
	const struct option_list *by; /* each a column, or several with commas between */
	const char *std_column, *out; /* NULL: none, nowhere */
	bool json;
};
MUST_CHECK struct error *optima_command(const struct optima_options *options);

/* --------------------------------------------------------------------------------------- expected errors (expected.c) --- */

/* What a design (the N, D and rungs of its points; losses are not looked at) can tell of a surface: the information
 * matrix J' S^-1 J, J the derivatives of ln L by the parameters, S the covariance of errors of ln L: `noise.point` for
 * each point and `noise.rung` shared by a rung (NaN or 0: none), both normal. Its inverse bounds the variances of any
 * unbiased estimate (Cramer 1946, Rao 1945), and is what least squares reach where the noise is small. */
struct fit_information {
	struct fit_surface surface, centred; /* centred: A and B at the geometric means of N and D */
	struct fit_noise noise;
	double mean_u, mean_v; /* of ln N, ln D */
	double scale[FIT_SURFACE_PARAMETERS], values[FIT_SURFACE_PARAMETERS];
	double vectors[FIT_SURFACE_PARAMETERS][FIT_SURFACE_PARAMETERS]; /* of the scaled matrix; column k to values[k] */
};
MUST_CHECK struct error *fit_information_of(
    const struct fit_points *points, const struct fit_surface *surface, const struct fit_noise *noise,
    struct fit_information *known);

/* Standard errors; those of A and B are of their logarithms. INFINITY: the design says nothing about it. */
struct fit_expected {
	double E, log_A, log_B, alpha, beta, a;
};
struct fit_expected fit_expected_errors(const struct fit_information *known);
double fit_expected_log_N(const struct fit_information *known, double C); /* of ln N*(C); of ln D* the same */
double fit_expected_log_loss(const struct fit_information *known, double N, double D); /* of the law there, in ln L */

/* Standard errors of the Huber fit (delta FIT_DELTA) over those of least squares, for normal errors of ln L with standard
 * deviation `noise` (Huber 1964): 1 for noise far below delta, sqrt(pi/2) far above. */
double fit_huber_inflation(double noise);

/* ------------------------------------------------------------------------------------------ planned points (planned.c) --- */

/* The points of a plan (plan.json of a ladder, docs/formats.md): N = 12 depth width^2 and D = each horizon, once for each
 * seed; every rung a cluster. Losses are NaN. ERROR_DATA names the rung and what it lacks. */
MUST_CHECK struct error *fit_points_planned(
    const char *path, const char *text, size_t length, struct fit_points *points);

/* A plan, or a table of N and D (with or without losses); "-" reads standard input. */
MUST_CHECK struct error *fit_points_designed(
    const char *path, const struct fit_input *input, struct fit_points *points);

/* The door of `rung fit --design` (cmd_design.c). */
struct design_options {
	const char *path; /* "-": standard input */
	struct fit_input input;
	double noise, rung_noise; /* of ln L; rung_noise 0: as large as noise */
	const char *surface;      /* "E,A,B,alpha,beta" or a fit.json; NULL: assumed */
	const char *out;
	bool json;
};
MUST_CHECK struct error *design_command(const struct design_options *options);

#endif
