/* law.h - what every law has in common: a table of logs, a sum over its misses, and the search for its minimum.
 * Private to fit/.
 *
 * A law predicts the loss from one to three variables u. Some of its parameters, the coefficients, it is linear in; there
 * may be none. That is what variable projection lives on (Golub and Pereyra 1973, SIAM J. Numer. Anal. 10): a grid over the
 * other parameters, the best coefficients at each node by non-negative least squares, and then a polish of all parameters
 * together from the best nodes of all parts of the grid.
 *
 * Everything is centred: variables are ln N - mean, ln D - mean (or ln x - mean), losses are divided by their geometric
 * mean. Prefactors are then of order one and nearly uncorrelated with the exponents. What is published (A, Nc, eta) follows
 * from the centred parameters and the centres; each parameter says how (enum role). */
#ifndef RUNG_FIT_LAW_H
#define RUNG_FIT_LAW_H

#include "fit/fit.h"
#include "fit/numeric.h"

#define MOST_VARIABLES 3
#define UNIQUE 2 /* the variable of unique tokens: it has the centre of ln D, which it is compared with */

/* Rows as a law sees them. The arrays belong to the table unless it was made by a caller that says otherwise. */
struct table {
	size_t count;
	int variables;
	double *u;      /* (count, variables) centred logs */
	double *y;      /* (count) ln loss - mean_y */
	double *weight; /* (count) of the row in the sum; 0 leaves it out */
	int *group;     /* (count) the cluster the row belongs to, 0..groups-1 */
	int groups;
	/* Rows of one setting that share a miss of the law, as replicates showed (replicated.c); NULL: none. Not owned. */
	const int *setting;
	int settings;
	double seed_noise; /* then: standard deviation of what they do not share */
	double mean_u[MOST_VARIABLES], mean_y;
	double least_u[MOST_VARIABLES], most_u[MOST_VARIABLES]; /* the range of each */
};

/* Takes the logs of `count` rows: variable k of row i is x[k][i] > 0; loss > 0. group may be NULL: every row its own.
 * Weights are 1. */
MUST_CHECK struct error *table_new(
    struct table *table, size_t count, int variables, const double *const *x, const double *loss, const int *group);
void table_free(struct table *table);

/* How a centred parameter x becomes the published one, P. S is the geometric mean loss, m the centre of the parameter's
 * variable plus its `shift`, x_s the centred value of the parameter `scale`. */
enum role {
	ROLE_PLAIN,         /* P = x: an exponent */
	ROLE_NEGATED,       /* P = -x: an exponent that is published with its sign */
	ROLE_LOSS,          /* P = S x: a floor, a slope per unit of ln x */
	ROLE_PREFACTOR,     /* P = S x exp(m x_s): of x^-s */
	ROLE_INTERCEPT,     /* P = S (x + m x_s): the value at ln x = 0 of a line that falls with slope x_s */
	ROLE_LOG_PREFACTOR, /* P = exp((ln S + x) / x_s + m): where a power law of exponent x_s would reach 1 */
	ROLE_POSITION,      /* P = exp(x + m): a place along the variable */
	ROLE_LOG,           /* P = exp(x) */
};

struct law_parameter {
	const char *name; /* as published */
	enum role role;
	int variable, scale; /* of the role: index of a variable and of a parameter */
	double shift;
	double least,
	    most;         /* the box of the search, in centred coordinates; of a position: in half ranges of its variable */
	double low, high; /* the grid of one that is not linear, in the same units: geometric when low > 0 */
	int nodes;        /* of the fine grid, at most 64; the coarse one has fewer */
};

/* x[target] = constant + rate x[source], or constant exp(-rate x[source]); source < 0: the constant. */
struct tie {
	int target, source;
	bool exponential;
	double constant, rate;
};

/* What is summed over the rows: rho of the miss r. */
struct criterion {
	enum fit_objective kind;
	double delta;       /* where huber turns from a parabola to a line; the rounding of the asymmetric one's corner */
	double over, under; /* factors for predictions above and below the measurement */
	bool adapts;        /* huber: law_solve_adapting is to choose delta */
};

/* Rows of a table side by side: what a law predicts for each, and its derivatives. bend holds the lower triangle. */
#define BLOCK_ROWS 64
#define TRIANGLE(j, k) ((j) * ((j) + 1) / 2 + (k)) /* k <= j */
struct block {
	double loss[BLOCK_ROWS];
	double slope[MOST_PARAMETERS][BLOCK_ROWS];
	double bend[TRIANGLE(MOST_PARAMETERS, 0)][BLOCK_ROWS];
};

/* What a law is a law of, and so which columns it needs and which points it takes. */
enum law_domain {
	LAW_OF_BOTH,    /* N and D */
	LAW_OF_REPEATS, /* N, D and the unique tokens among D */
	LAW_OF_ONE,     /* N, D or C, as the caller says */
	LAW_OF_N,
	LAW_OF_D,
	LAW_OF_C,
};

struct law {
	const char *name, *formula, *paper;
	enum law_domain domain;
	int variables, linear, nonlinear; /* parameters: the linear ones first */
	bool offset;                      /* to the sum of the linear terms comes another, which terms() puts behind them */
	struct law_parameter parameters[MOST_PARAMETERS];
	/* The value of each linear term at u, x being all parameters; those that are linear and free are zero, not being known
	 * yet. NULL where there is none. */
	void (*terms)(const double *x, const double *u, double *terms);
	/* The loss over its geometric mean at u; gradient (p) and hessian (p,p) in the parameters unless NULL. Of all
	 * parameters, ties not regarded. */
	double (*predict)(const double *x, const double *u, double *gradient, double *hessian);
	/* predict for `count` rows at once, the first `variables` numbers of u being those of the first; slopes from order 1 on,
	 * bends at order 2, those whose bit TRIANGLE(j, k) is in `bends`: the others are zero for every row. NULL: there is
	 * only predict. Both must agree to rounding. */
	void (*block)(const double *x, const double *u, size_t variables, size_t count, int order, struct block *block);
	uint64_t bends;
	uint32_t floors; /* bit i: parameter i may be zero at the solution (the irreducible loss) */
	/* How it is to be fitted. Set by law_bind on a copy; as it stands in the tables below: Huber, nothing tied. */
	struct criterion criterion;
	struct tie ties[MOST_PARAMETERS];
	int tie_count;
};

extern const struct law law_chinchilla;                                               /* surface.c */
extern const struct law law_power, law_power_floor;                                   /* curve.c */
extern const struct law law_power_of_two;                                             /* curve.c; the naive baseline */
extern const struct law law_chinchilla_bare, law_gadre, law_kaplan, law_kaplan_floor; /* law_surface.c */
extern const struct law law_muennighoff;                                              /* law_surface.c */
extern const struct law law_kaplan_N, law_kaplan_D, law_kaplan_C, law_log_linear;     /* law_curve.c */
extern const struct law law_exponential, law_stretched, law_logistic, law_bnsl;       /* law_curve.c */

/* All that users can name, in the order of --law help; NULL at the end (laws.c). */
const struct law *law_at(int index);

#define CRITERION_HUBER ((struct criterion){OBJECTIVE_HUBER, FIT_DELTA, 1, 1, true})

/* Boxes and grids that most laws share. Coefficients are in units of the geometric mean loss at the centre; the grid over
 * an exponent is wide enough for every one that has been published and then some. */
#define COEFFICIENT_BOX .least = 0, .most = 1e3
#define EXPONENT_BOX .least = 1e-3, .most = 5
#define EXPONENT_GRID .low = 0.03, .high = 2.5, .nodes = 20

static inline int law_parameters(const struct law *law) {
	return law->linear + law->nonlinear;
}
/* Those that are fitted. */
static inline int law_free(const struct law *law) {
	return law_parameters(law) - law->tie_count;
}
static inline bool law_tied(const struct law *law, int parameter) {
	for (int t = 0; t < law->tie_count; t++)
		if (law->ties[t].target == parameter) return true;
	return false;
}

/* `form`, fitted as `method` says, for tables with the centres of `table`: a held published parameter is a tie in centred
 * ones. ERROR_USAGE for a parameter that the law does not have or a value that it cannot take. */
MUST_CHECK struct error *law_bind(
    const struct law *form, const struct fit_method *method, const struct table *table, struct law *law);
/* What `method` makes least. */
struct criterion criterion_of(const struct fit_method *method);
/* The same in words (laws.c). */
void criterion_in_words(const struct criterion *criterion, struct text *out);
/* Adds `tie`, of a parameter that is not tied yet. */
void law_tie(struct law *law, struct tie tie);
/* Puts the tied parameters of x where their ties want them. */
void law_complete(const struct law *law, double *x);
/* From derivatives in all parameters to those in the free ones; rows and columns of tied parameters become zero. */
void law_fold(const struct law *law, const double *x, double *gradient, double *hessian);
/* predict, with ties regarded: x must be complete. */
double law_predict(const struct law *law, const double *x, const double *u, double *gradient, double *hessian);

/* Between centred and published parameters (p). */
void law_publish(const struct law *law, const struct table *table, const double *x, double *published);
void law_centre(const struct law *law, const struct table *table, const double *published, double *x);

/* Points that a law is fitted to (selection.c). */
struct selection {
	const struct fit_points *points; /* not owned */
	enum fit_variable variable;
	size_t *rows; /* (count) indices of points, ascending in the variable */
	size_t count;
	double at; /* where the other variable stands; NaN on the frontier, or when all points are taken */
};

/* For a law of one variable. Of N: the points at the largest D that all sizes share (within 2 %). Of D: those of the
 * largest N. Of C: the corners of the lower convex hull of (ln C, ln loss), as far as it falls (Hoffmann et al. 2022,
 * approach 1). `all`: every point, for tables that vary along one line anyhow and for laws of N and D. */
MUST_CHECK struct error *select_rows(
    const struct fit_points *points, enum fit_variable variable, bool all, struct selection *selection);
void selection_free(struct selection *selection);
/* How many distinct values the variable has; no need to tell more than MOST_PARAMETERS + 1. */
int selection_distinct(const struct selection *selection);
/* N, D and C are functions of each other: a law of one of them takes every point. */
bool design_is_a_line(const struct fit_design *design);
/* The selection as `law` sees it; groups are rungs. `unique` (of every point) may be NULL. */
MUST_CHECK struct error *selection_table(
    const struct selection *selection, const struct law *law, const double *unique, struct table *table);

struct law_minimum {
	double x[MOST_PARAMETERS], objective;
	int searches; /* that ended there */
};
#define LAW_MINIMA 6

/* Where a search stopped and what speaks for it. */
struct solution {
	double x[MOST_PARAMETERS];
	double objective; /* the sum, see law_sum */
	double slope;     /* largest slope of a free parameter over the largest that the rows could give: sum of w delta */
	enum stop stop;
	int iterations;
	uint32_t at_bound;
	/* Of law_solve only: */
	int starts, agreeing; /* polished starts, and those of them that came to this objective */
	double spread;        /* largest difference of a parameter between those that agree */
	double moved;         /* largest change of a parameter on the way here from its start */
	bool equals_start;    /* of those that agree none has moved: alarm */
	/* Where starts disagree: searches from around the lowest minimum, and those that came back to it. */
	int around, returned;
	struct law_minimum minima[LAW_MINIMA]; /* (minimum_count) the distinct ones, lowest first */
	int minimum_count;
};

/* The sum of weight * rho(r) over the rows, by the law's criterion with `delta` for its own:
 *     OBJECTIVE_HUBER        r^2/2 for |r| <= delta, delta (|r| - delta/2) beyond (Huber 1964); r = ln(prediction / loss)
 *     OBJECTIVE_SQUARES      r^2/2, r = prediction - loss, in units of the geometric mean loss
 *     OBJECTIVE_LOG_SQUARES  r^2/2, r = ln(prediction / loss)
 *     OBJECTIVE_ASYMMETRIC   huber(r) / delta times `over` for r > 0 and `under` for r < 0; r = ln(prediction / loss)
 * Gradient (p) and hessian (p,p) in the free parameters unless NULL; x must be complete. Infinite where a prediction is not
 * positive. */
double law_sum(
    const struct law *law, const struct table *table, double delta, const double *x, double *gradient, double *hessian);
/* The weighted mean of |r|, or of r^2, of the same r; infinite where a prediction is not positive. */
double law_mean_miss(const struct law *law, const struct table *table, const double *x, bool squared);
/* The sum as it is told to users: in units of the table, without halves, corners not rounded (fit_objective in fit.h). */
double law_objective(const struct law *law, const struct table *table, const double *x);
/* What law_objective is over law_sum, for all but the asymmetric criterion. */
double objective_unit(const struct criterion *criterion, const struct table *table);

/* A free parameter that the search must leave at a value, in centred coordinates; index -1: none. */
struct held {
	int index;
	double value;
};
#define HELD_NONE ((struct held){.index = -1})

/* The lowest minimum found from all parts of the grid, with its evidence. */
MUST_CHECK struct error *law_solve(
    const struct law *law, const struct table *table, struct held held, struct solution *solution);

/* The same where the criterion adapts: solved with FIT_DELTA, and then with the delta that the misses of that solution ask
 * for (delta_for), which stays in *law. *published, unless it is NULL, becomes the first solution. */
MUST_CHECK struct error *law_solve_adapting(
    struct law *law, const struct table *table, struct solution *solution, struct solution *published);
/* How far a law lies from its points, in ln(predicted / loss). */
struct misses {
	double scale; /* robust standard deviation: their median size, less the free parameters. NaN without freedom */
	double worst; /* the largest */
};
MUST_CHECK struct error *law_misses(
    const struct law *law, const struct table *table, const double *x, struct misses *misses);
/* The delta for them (see FIT_GROSS), rounded up to two digits, but at least FIT_DELTA (adapt.c). */
double delta_for(struct misses misses);

/* The lowest minimum that is reached from `starts` (count, p), each polished, on all threads; *agreeing: how many came
 * there. Starts outside the box of the search begin at its edge. */
MUST_CHECK struct error *law_solve_from(
    const struct law *law, const struct table *table, const double *starts, int count, struct solution *solution,
    int *agreeing);

/* The same for the many refits of a bootstrap or a profile: from `starts` (start_count, p) and, from so many of the best
 * nodes of a coarse grid as `grid` says. Allocates nothing: `work` holds law_work_size bytes. */
void law_refit(
    const struct law *law, const struct table *table, struct held held, const double *starts, int start_count, int grid,
    double *work, struct solution *solution);
/* How many of its best nodes. */
#define GRID_NONE 0
#define GRID_FEW 2
/* GRID_FEW where a given start leads to a bound, or to no minimum, or the criterion has kinks; else none: of 30,000 refits to
 * tables simulated around their start 7 had a lower minimum elsewhere, all of a term that was next to nothing. */
#define GRID_DOUBT (-1)
#define GRID_ALL 9         /* one of every cell */
#define LARGE_TABLE 100000 /* rows, beyond which refits start from what is given alone: the minimum has no rivals */
size_t law_work_size(const struct law *law, const struct table *table);

/* Root mean square of the log residuals, weighted as the rows are. */
double law_rms(const struct law *law, const struct table *table, const double *x);

/* What speaks for `solution`, of law_solve (certificate.c). */
void law_certify(
    const struct law *law, const struct table *table, const struct solution *solution,
    struct fit_certificate *certificate);
/* In one sentence; bit i of at_bound is names[i]. */
void certificate_in_words(
    const struct fit_certificate *certificate, const char *const *names, uint32_t at_bound, struct text *out);

/* Chinchilla's law with what `method` makes least; ties and held parameters are not regarded. */
struct law surface_law(const struct fit_method *method);
/* The points as the surface's table, clusters included; and between its parameters and E, A, B, alpha, beta (surface.c). */
MUST_CHECK struct error *surface_table(const struct fit_points *points, struct table *table);
struct fit_surface surface_of(const struct table *table, const double *x);
void surface_centred(const struct table *table, const struct fit_surface *surface, double *x);

/* ---------------------------------------------------------------------------------------------------- noise (noise.c) --- */

/* How far the rows lie from the law: standard deviations of ln loss, of a row and of what its group shares, by restricted
 * maximum likelihood (Patterson and Thompson 1971) on the law linearised at x. *freedom: rows less parameters. */
MUST_CHECK struct error *noise_estimate(
    const struct law *law, const struct table *table, const double *x, struct fit_noise *noise, int *freedom);

/* Orthonormalises the columns of a (n,p) in place; columns that depend on those before become zero. Returns the rank and
 * adds the logarithm of the squared lengths to *log_volume. Twice is enough (Giraud, Langou and Rozloznik 2005). */
int orthonormalise(size_t n, int p, double *a, double *log_volume);
/* Takes the orthonormal columns of a (n,p) out of x (n). */
void project_out(size_t n, int p, const double *a, double *x);

/* The settings of a table: its distinct (N, D), and the rows that repeat a run (replicated.c). */
struct settings {
	int count;
	int *of;    /* (rows) index of the row's setting */
	bool *copy; /* (rows) the same run once more */
};
MUST_CHECK struct error *settings_of(const struct fit_points *points, struct settings *settings);
void settings_free(struct settings *settings);

/* ------------------------------------------------------------------------------------------- resampling (bootstrap.c) --- */

/* "auto", "simulated", "rows", "rungs". */
const char *resampling_name(enum fit_resampling method);
/* What RESAMPLE_AUTO stands for. */
enum fit_resampling resampling_chosen(enum fit_resampling method);

/* How tables are drawn again, around a law. */
struct resampling {
	enum fit_resampling method;
	size_t count;
	uint64_t seed;
	const char *stream; /* names the random numbers */
	/* Refitted as well: laws that are this one with more ties, which the law drawn around obeys. May be NULL. */
	const struct law *constrained;
	int constrained_count;
	const struct fit_noise *noise; /* with `freedom`; NULL: estimated from the residuals */
	int freedom;
	/* Above 0: the last row of the table, which has no weight there, is a probe. It gets this weight in the constrained
	 * refits, and is drawn around the law with noise, or is the law. */
	double probe;
	bool probe_noisy;
};

struct resamples {
	size_t count;
	int parameters, constrained;
	double *x;     /* (count, parameters) of the refits, in the table's centred coordinates */
	double *rise;  /* (count, constrained) the constrained minimum less the free one; NULL when there are none */
	double *scale; /* (count) of the noise over its estimate */
	enum fit_resampling method; /* never RESAMPLE_AUTO */
	struct fit_noise noise;
	int freedom; /* of the noise */
	size_t redrawn, unfinished;
};

/* Refits of tables drawn again around `law` at x. */
MUST_CHECK struct error *resample(
    const struct law *law, const struct table *table, const double *x, const struct resampling *how,
    struct resamples *resamples);
void resamples_free(struct resamples *resamples);

/* The table of the points with what its replicates say about chance. table_free and settings_free must follow. */
MUST_CHECK struct error *surface_table_with_chance(
    const struct fit_points *points, const struct fit_surface_result *result, struct table *table,
    struct settings *settings);

/* ---------------------------------------------------------------------------------------------- outlook (outlook.c) --- */

/* A law of N and D, solved, and what is known of its noise. */
struct outlook_law {
	const struct law *law;
	const struct table *table; /* of N and D */
	const double *x;
	double minimum; /* law_sum there */
	enum fit_resampling method;
	struct fit_noise noise;
	int freedom;
	size_t count; /* replicates, see fit_outlook_at; 0: intervals are NaN */
};
/* The loss at N and D, where the law itself may lie there (NULL: not wanted) and where a run may come out, each
 * (FIT_OUTLOOK_LEVELS); see fit_outlook_at. */
MUST_CHECK struct error *outlook_of_law(
    const struct outlook_law *of, double N, double D, uint64_t seed, double *loss, struct fit_interval *mean,
    struct fit_interval *run);

/* The warnings that a finished fit deserves (warnings.c). */
MUST_CHECK struct error *fit_warn(struct fit *fit);
/* Those that its design alone deserves; the first that fit_warn gives. */
void fit_warn_of_design(struct fit *fit);

/* What the threshold of a profile would be for independent normal errors; see fit_profiles (profile.c). `work` holds
 * 2 table->count numbers. */
double threshold_of_independent(const struct law *law, const struct table *table, const double *x, double *work);

/* The central FIT_LEVEL of the values, which it orders; NaN for none (statistics.c). */
struct fit_interval interval_of(double *values, size_t count);

#endif
