/* approach.h - exponents of the optimum read off the runs without a surface: approaches 1 and 2 of Hoffmann et al. 2022
 * (arXiv 2203.15556), as they and Porian et al. 2024 (arXiv 2406.19146) ran them. Private to fit/. */
#ifndef RUNG_FIT_APPROACH_H
#define RUNG_FIT_APPROACH_H

#include "fit/fit.h"

/* ---------------------------------------------------------------------------------------------- cubics (monotone.c, akima.c) --- */

/* The cubic through (x, y), x ascending, that is monotone between points (Fritsch and Carlson 1980, SIAM J. Numer. Anal. 17;
 * slopes of Fritsch and Butland 1984); `at` lies between the first and the last. */
double monotone_at(const double *x, const double *y, size_t count, double at);

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

/* ---------------------------------------------------------------------------------- losses at equal compute (budgets.c) --- */

/* By how much the FLOPs of a finished run may miss a budget at which it is read (Porian et al.). */
#define FIT_MISMATCH 0.10

/* A measurement of a run. Rows of one run (and one N) are read off between each other: the checkpoints of a training
 * curve, or the finished runs of one size. */
struct budget_row {
	double N, D, C, loss;
	double label; /* the budget that the table says it belongs to; NaN: it does not say */
	int run;
};

/* At which budgets. Listed by the user; the labels of the rows; groups of rows whose C agree within 5 %, where these
 * hold four sizes or more and most rows; or evenly spaced where enough sizes can be read off. */
enum budget_source { BUDGETS_AUTOMATIC, BUDGETS_GROUPED, BUDGETS_LABELLED, BUDGETS_LISTED };
struct budget_plan {
	enum budget_source source;
	double *C; /* (count) ascending */
	size_t count;
};
const char *budget_source_name(enum budget_source source); /* in words (text_approaches.c) */
MUST_CHECK struct error *budget_plan_make(
    const struct budget_row *rows, size_t n, const double *listed, size_t listed_count, struct budget_plan *plan);
void budget_plan_free(struct budget_plan *plan);

/* Where something can be read off, of a size. */
struct reach {
	double low, high;
	size_t size; /* index below the count of reaches */
};
/* From the first to the last place where four sizes can be read off, else three (*sizes): low < high only if there are. */
MUST_CHECK struct error *common_range(const struct reach *reaches, size_t count, int *sizes, double *low, double *high);

/* The loss of every size at a budget: of each run by a monotone cubic in (ln C, ln loss) between its measurements (its D by
 * a straight line in logs), or its nearest measurement when that misses the budget by FIT_MISMATCH or less; the best of
 * a size's runs. At labelled budgets and groups finished runs more than a factor of 4 apart are not interpolated. */
struct budget {
	double C;
	struct fit_optimum *points; /* (count) ascending in N */
	size_t count;
	double offset, slope; /* ln D = offset - slope ln N along it, by least squares: ln(C / 6) and 1 where C = 6 N D */
};
struct budgets {
	struct budget *items; /* of three sizes or more, ascending in C */
	size_t count;
	enum budget_source source;
	size_t rejected; /* runs that come near a budget (within a factor of 2) but miss it by more than FIT_MISMATCH */
	size_t too_few;  /* budgets left out for having fewer than three sizes */
};
MUST_CHECK struct error *budgets_read(
    const struct budget_row *rows, size_t n, const struct budget_plan *plan, struct budgets *budgets);
void budgets_free(struct budgets *budgets);

/* ----------------------------------------------------------------------------------------------- approach 2 (approach2.c) --- */

/* The optimum at one budget, by one method. */
struct optimum_found {
	double N, D, loss; /* medians over the replicates; without noise, of the data themselves. NaN when thrown out */
	double std;        /* of ln N* over the replicates; NaN without noise */
	bool edge;     /* thrown out: the lowest loss is that of the smallest or the largest size, or there is no minimum */
	size_t thrown; /* replicates whose minimum lay at an edge */
};

enum optimum_method { BY_PARABOLA, BY_AKIMA };
#define OPTIMUM_METHODS 2

/* N* = k_N C^a, D* = k_D C^b over the budgets that were not thrown out, by least squares in logs, weights 1 / std^2 where
 * there is noise. Slopes are NaN below three budgets. The intervals are the central FIT_LEVEL of the slopes of refits,
 * each to one replicate of all budgets; without noise Student's. */
struct optimum_line {
	struct regression N, D;
	size_t budgets;
};

/* Approach 2 of Hoffmann et al. 2022 as Porian et al. 2024 ran it. At each budget the loss against ln N has its minimum
 * where a parabola through (ln N, loss) has its vertex, or where Akima's cubic through (ln N, ln loss) is lowest. Each
 * of `replicates` replicates multiplies every loss by exp(noise z), z standard normal. D* is on the line of ln D in ln N
 * of the budget's own points: C / (6 N*) where C = 6 N D. */
struct approach2 {
	struct budgets budgets;
	struct optimum_found *found[OPTIMUM_METHODS]; /* (budgets.count) each */
	struct optimum_line line[OPTIMUM_METHODS];
	double noise; /* standard deviation of ln loss; NaN: not known, no replicates */
	size_t replicates;
};
MUST_CHECK struct error *approach2_run(
    const struct budget_row *rows, size_t n, const struct budget_plan *plan, double noise, size_t replicates,
    uint64_t seed, struct approach2 *found);
void approach2_free(struct approach2 *found);

/* What the method gets wrong on this grid without any noise: the same done to losses of `surface` at the same (N, D), against
 * the surface's own optimum on the line of ln D in ln N of each budget. a: exponent found less the true one. D: D* found over
 * the true one, less one, extrapolated to `beyond` times the largest budget. NaN below three budgets. */
#define BIAS_REACHES 2
extern const double bias_reach[BIAS_REACHES]; /* 10, 1000 */
struct approach2_bias {
	double true_a;
	double a[OPTIMUM_METHODS], D[OPTIMUM_METHODS][BIAS_REACHES];
	double largest; /* budget */
	size_t budgets[OPTIMUM_METHODS];
	/* Of the parabola when minima at edges, and vertices beyond the sizes, are kept, as in publications that do not speak of
	 * edges; `kept` budgets have a vertex. */
	double kept_a, kept_D[BIAS_REACHES];
	size_t kept;
};
MUST_CHECK struct error *approach2_bias_of(
    const struct budget_row *rows, size_t n, const struct budget_plan *plan, const struct fit_surface *surface,
    struct approach2_bias *bias);

/* ------------------------------------------------------------------------------------------------ approach 1 (envelope.c) --- */

/* The lower edge of all training curves in (ln C, ln loss): corners of its convex hull, as far as it falls, or the lowest
 * loss of every bucket of C (Hoffmann et al. 2022, approach 1, take the lowest at each of many budgets). */
enum envelope_method { ENVELOPE_HULL, ENVELOPE_BUCKETS };
struct envelope_options {
	enum envelope_method method;
	double per_decade; /* buckets */
};

/* One way to take the edge, and the lines N* = k_N C^a, D* = k_D C^b through its points by least squares in logs. The
 * intervals inside the lines take its points for independent, which those of one run are not. */
struct envelope_choice {
	enum envelope_method method;
	bool inner;       /* without the points of the smallest and the largest size, whose optimum may lie beyond */
	double without_N; /* the size of the run that was left out; NaN: none */
	size_t points, left_out, sizes;
	struct regression N, D;
};

#define ENVELOPE_CHOICES 6
struct approach1 {
	/* The one asked for, without the end sizes where three sizes remain; then with them, the other method, and the chosen
	 * one without the run that lowers or raises a most. choice_count 0: no exponent follows. */
	struct envelope_choice choices[ENVELOPE_CHOICES];
	size_t choice_count;
	struct fit_interval a_interval, b_interval; /* of choices[0], by the jackknife over runs */
	double low, high;                           /* of a over all choices */
	struct fit_optimum *corners;                /* (choices[0].points) ascending in C */
	size_t runs, rows;
};
MUST_CHECK struct error *approach1_run(
    const struct budget_row *rows, size_t n, const struct envelope_options *how, struct approach1 *found);
void approach1_free(struct approach1 *found);

/* --------------------------------------------------------------------------------------------- training curves (tracks.c) --- */

/* Where a table has several rows a run, told by equal text in the extra column `extra`: the last row of each run, by D, stays
 * a point; the others move to points->earlier, for they are no final losses. ERROR_DATA when a run has no name or two N. */
MUST_CHECK struct error *fit_points_ends(
    const char *source, const char *column, size_t extra, struct fit_points *points);

/* The held-out losses in the logs of a lab's runs, C = 6 N D. Of trunks where there are three or more: a constant rate, so
 * these are not final losses, which lie lower; else of whole runs, whose rate falls at the end only. */
struct lab_curves {
	struct budget_row *rows;
	size_t count, capacity;
	int runs, unreadable; /* unreadable: runs with a damaged record or curve, passed over */
	bool trunks;
};
MUST_CHECK struct error *lab_curves_read(const char *lab, struct lab_curves *curves);
void lab_curves_free(struct lab_curves *curves);

/* ------------------------------------------------------------------------------------------------- counting (counting.c) --- */

/* What the records count in more than one way: parameters, without embeddings or with; operations. */
#define COUNTING_MOST 8
struct counting_column {
	char name[40];
	double *values; /* (points) */
};
struct counting_input {
	struct counting_column N[COUNTING_MOST], C[COUNTING_MOST];
	size_t N_count, C_count;
};
struct counting_name {
	char name[40];      /* of the convention */
	const char *column; /* of the table */
	bool of_C;
};

/* Adds the extra columns first_extra .. of the points; a column that the table lacks is passed over. ERROR_DATA names the line of
 * a value that is no finite number above zero. counting_input_free must follow, also after an error. */
MUST_CHECK struct error *counting_from_columns(
    const char *source, const struct fit_points *points, const struct counting_name *names, size_t count,
    size_t first_extra, struct counting_input *input);
/* Adds the exact compute without attention, where the records of the lab's runs have it: C[0] less its FLOPs. */
MUST_CHECK struct error *counting_from_lab(
    const char *lab, const struct fit_points *points, struct counting_input *input);
void counting_input_free(struct counting_input *input);

/* The surface with N counted in one way. Its exponents do not depend on how compute is counted; the share of N does: where
 * a token costs C/D = k N^s operations, the optimum of A N^-alpha + B D^-beta at given C grows as N* ~ C^a with
 *     a = beta / (alpha + s beta),
 * s being 1 for C = 6 N D (Hoffmann et al. 2022, eq. 4) and else the slope of ln(C/D) in ln N over the points. */
struct counting_row {
	const char *N, *C; /* names of the conventions */
	bool converged;
	struct fit_surface surface;
	double elasticity, a;                           /* s */
	struct fit_interval alpha, beta, E, a_interval; /* from the bootstrap */
};
struct counting {
	struct counting_row *rows; /* (count) every N by every C */
	size_t count;
	const struct counting_row *lowest, *highest; /* in a, of those that converged and know it; NULL: none */
};
/* A number that is no wider than itself; others are not given as estimates. */
bool counting_known(double value, struct fit_interval interval);

/* count is 0 where there is one convention only. Names point into `input`. */
MUST_CHECK struct error *fit_count_all(
    const struct fit *fit, const struct counting_input *input, struct counting *counting);
void counting_free(struct counting *counting);

/* In one sentence: how far a moves. */
void counting_sentence(const struct counting *counting, struct text *out);

/* ------------------------------------------------------------------------------------------------ both (approaches.c) --- */

/* Of approaches 1 and 2. All zero: as the table suggests. */
struct fit_approach_options {
	const char *lab;       /* the folder whose logs have the training curves; NULL: none */
	bool buckets;          /* approach 1 by the lowest loss of a tenth of a decade of C, not by the hull */
	const double *budgets; /* (budget_count) of approach 2 */
	size_t budget_count;
	const double *labels; /* (points) the budget that each point belongs to; NULL: the table does not say */
	bool by_column;       /* budgets count the table's own C, not 6 N D */
	double noise;         /* standard deviation of ln loss; 0: the fit's */
	const struct counting_input *counting; /* other ways to count; NULL: none */
};

/* Where the losses of an envelope come from. */
enum curve_kind {
	CURVES_OF_TABLE, /* rows of a run, told by a column */
	CURVES_OF_LAB,   /* trunks */
	CURVES_OF_RUNS,  /* of a lab without trunks */
	FINISHED_RUNS    /* no curves: the points themselves, those of one N as one run */
};

struct fit_approaches {
	struct approach1 first;
	enum curve_kind curves;
	int unreadable; /* runs of the lab with a damaged record or curve, passed over */
	struct approach2 second;
	struct approach2_bias bias;
	bool bias_known;          /* there is a surface to take it from, and three budgets */
	bool by_column;           /* budgets count the table's own C; else 6 N D */
	const char *noise_source; /* in words; NULL: not known */
	struct counting counting;
};
/* Into fit->approaches, from what else the fit holds by then. */
MUST_CHECK struct error *fit_approach(struct fit *fit);
void fit_approaches_free(struct fit_approaches *approaches); /* NULL is fine */

/* ---------------------------------------------------------------------------------- options of rung fit (cmd_approach.c) --- */

struct approach_choices {
	const char *curve, *budget;   /* columns; NULL: none */
	const char *flops, *envelope; /* "6ND" or "C"; "hull" or "buckets" */
	struct option_list budgets;   /* each one budget, or several with commas between */
	double loss_noise;
	struct option_list count_N, count_C; /* each NAME=COLUMN, or several with commas between */
};

/* The choices, as far as they are columns of a table and what was read from it. */
struct approach_columns {
	struct fit_extra extra[3 + 2 * COUNTING_MOST]; /* curve, budget, width, then those of `names` */
	struct counting_name names[2 * COUNTING_MOST];
	size_t name_count;
	struct text text; /* that names point into */
	double *numbers;  /* labels, budgets */
	struct counting_input counting;
};

/* Asks for the columns that the choices name; of a lab also for those that count in other ways. They are input->extra, so
 * `columns` must outlive the input. approach_columns_free must follow, also after an error. */
MUST_CHECK struct error *approach_ask(
    const struct approach_choices *choices, bool lab, struct approach_columns *columns, struct fit_input *input);

/* What the choices mean for these points, which were read so: ends of curves, labels, budgets, counts. `how` points into
 * `columns`. */
MUST_CHECK struct error *approach_take(
    const struct approach_choices *choices, const char *path, bool lab, struct fit_points *points,
    struct approach_columns *columns, struct fit_approach_options *how);
void approach_columns_free(struct approach_columns *columns);

#endif
