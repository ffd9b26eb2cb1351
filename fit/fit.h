/* fit.h - a table of runs becomes laws, intervals, predictions and an honest statement of what the table cannot say.
 *
 * Nothing here knows what a run is: N, D, C and loss are positive numbers, whoever measured them. N counts parameters,
 * D tokens, C floating-point operations; losses are in nats per token (or any unit: it carries over to E). Residuals are
 * ln(loss / predicted). Intervals are 90 % unless a name says otherwise; NaN stands for what is not known.
 *
 * Papers: Hoffmann et al. 2022, arXiv 2203.15556 (the surface, the Huber loss, isoFLOP parabolas). Besiroglu et al. 2024,
 * arXiv 2404.10102 (the sum, not the mean; where published fits stopped early). Kaplan et al. 2020, arXiv 2001.08361
 * (laws of one variable). Golub and Pereyra 1973 (variable projection). Ronchetti 1982 (likelihood ratios of robust
 * fits). */
#ifndef RUNG_FIT_H
#define RUNG_FIT_H

#include "base/base.h"
#include "fit/method.h"
#include "fit/points.h"

#define FIT_DELTA 1e-3 /* of the Huber loss on log residuals, as published (Hoffmann et al. 2022) */
/* Where no delta is named the misses choose it: FIT_GROSS of their standard deviations, as told by their median after a fit
 * with FIT_DELTA, so that it is least squares of ln loss where no run misses by more; where one does, FIT_TRIMMED of them,
 * and no run pulls harder than one that misses by so much (Huber 1964: with normal errors of all others their estimate's
 * variance is 1.0023 times that of least squares). Never below FIT_DELTA. With that itself, where the noise is far
 * larger, the fit is one of least absolute errors, whose variance is up to 1.57 times that of least squares, but a tenth of
 * bad runs moves it half as far. */
#define FIT_GROSS 5.0
#define FIT_TRIMMED 2.5
#define FIT_LEVEL 0.90 /* of every interval */

struct fit_interval {
	double low, high;
};

/* ------------------------------------------------------------------------------------------ the design (fit/design.c) --- */

/* What the choice of (N, D) allows, before any loss is looked at. */
struct fit_design {
	size_t points;
	int rungs, sizes, horizons; /* clusters; distinct N; distinct D, those within 2 % of each other being one */
	double decades_N, decades_D, decades_C;
	double correlation; /* of ln N and ln D; NaN when one of them does not vary */
	double spread;      /* standard deviation of ln D about its regression on ln N */
	double spread_N;    /* and of ln N about its regression on ln D */
	bool one_line;      /* D is a function of N, such as D = 20 N */
	bool surface;       /* L(N, D) can be fitted: 3 sizes, 3 horizons, 6 points, not on one line */
	/* Standard errors over the values that the design would leave on a surface whose terms are as large as E at the
	 * smallest N and D (alpha .34, beta .28), with independent errors of 1 % in the losses (Cramer-Rao); infinite where it
	 * says nothing. */
	double E_error, alpha_error, beta_error, a_error;
};

MUST_CHECK struct error *fit_design_of(const struct fit_points *points, struct fit_design *design);

/* ---------------------------------------------------------------------------------------- the surface (fit/surface.c) --- */

/* L(N, D) = E + A / N^alpha + B / D^beta (Hoffmann et al. 2022, approach 3). */
struct fit_surface {
	double E, A, B, alpha, beta;
};
#define FIT_SURFACE_PARAMETERS 5

double fit_surface_loss(const struct fit_surface *surface, double N, double D);

/* What speaks for a minimum being one. Scaled coordinates: losses over their geometric mean, N and D over theirs. */
struct fit_certificate {
	int starts, agreeing;    /* searches from different parts of the grid, and those that came to this objective */
	double spread;           /* largest difference of a scaled parameter between those */
	double moved;            /* largest change of a scaled parameter on the way from the start */
	bool equals_start;       /* alarm: no search that came to the solution has moved from where it began */
	int around, returned;    /* searches from around it where starts disagree, and those that came back to it */
	double gradient;         /* largest slope of a free parameter over the largest that the points could give */
	double condition;        /* of the Hessian of the objective; NaN when it is not positive definite */
	double design_condition; /* of J'J, J the derivatives of ln L by the parameters: what the design allows */
	int iterations;
	uint32_t at_bound; /* bit i: parameter i (E, A, B, alpha, beta) is at a bound of the search */
	const char *doubt; /* why it is not called converged; NULL when it is */
};

/* The minimum with FIT_DELTA, which is what publications print. */
struct fit_published {
	bool made; /* false: it is the result itself, or another objective was asked for */
	struct fit_surface surface;
	double objective;
	bool converged;
	const char *doubt;
	int starts, agreeing;
};

struct fit_surface_result {
	struct fit_surface surface;
	struct fit_method method; /* as it was done: `delta` is the one that was taken */
	bool adapted;             /* which was chosen by the misses */
	double objective;         /* what the method makes least (enum fit_objective), at the minimum */
	double minimum;           /* the same as law_sum has it */
	double rms;               /* of the residuals */
	bool converged;           /* earned: no slope, positive curvature, starts that agree, no bound but E = 0 */
	struct fit_certificate certificate;
	struct fit_published published;
};

/* Makes the objective of `method` (NULL: the default) least over E, A, B >= 0 and alpha, beta in [0.001, 5], by variable
 * projection on a grid and Newton steps in all five parameters from the best node of every part of it. Held and tied
 * parameters of the method are not regarded (chosen.h). ERROR_DATA when the design does not allow a surface
 * (fit_design.surface). */
MUST_CHECK struct error *fit_surface_solve(
    const struct fit_points *points, const struct fit_method *method, struct fit_surface_result *result);

/* The fit from the 4500 starts of Besiroglu et al. 2024 (alpha, beta in {0, .5, .. 2}, ln E in {-1, -.5, .. 1}, ln A and
 * ln B in {0, 5, .. 25}, of the table's own units), each polished to the last digit; a start beyond the box of the search
 * begins at its edge. From many of them a term has no size to speak of, and its exponent no slope: they end without it. */
struct fit_starts {
	int count, agreeing; /* starts, and those that came to the lowest objective; count 0: not asked for */
	double objective;
	struct fit_surface found;
	bool lower, missed; /* than the grid's minimum: lower; it was not reached */
};
/* Compares with *result, of fit_surface_solve, which is no longer called converged where a lower minimum was found. */
MUST_CHECK struct error *fit_surface_from_published_starts(
    const struct fit_points *points, struct fit_surface_result *result, struct fit_starts *starts);

/* ---------------------------------------------------------------------------------- resampling (fit/bootstrap.c) --- */

/* How a refit gets its data.
 *
 * RESAMPLE_ROWS draws rows with replacement (the pairs bootstrap, as Besiroglu et al. did): no assumption but that their
 * errors are independent.
 *
 * RESAMPLE_RUNGS draws whole rungs with replacement (the pairs cluster bootstrap). It assumes nothing about the errors
 * within a rung, but a draw with fewer than three distinct N or D says nothing about an exponent and is drawn again, and
 * with few rungs what remains is a handful of very different designs.
 *
 * RESAMPLE_SIMULATED keeps all rungs and gives each point the fitted loss times exp(u + e): u, common to its rung, and e,
 * its own, are normal with variances estimated by restricted maximum likelihood from the residuals (winsorised, because
 * the fit is robust and its intervals should be); the scale is drawn anew for every refit, so that few degrees of freedom
 * widen the interval as Student's t does. With fewer than 4 rungs, or one point a rung, u cannot be told from the law
 * and is left out; with 4 or 5 it is taken to be at most three times e, because the likelihood hardly bounds it.
 *
 * RESAMPLE_AUTO is RESAMPLE_SIMULATED. A fit with a small delta is nearly one of least absolute errors, and the pairs
 * bootstrap of such a fit converges slowly, as that of a median does: with 64 points standard errors came out half as large
 * again as those of fresh tables, and at the bound E = 0 its intervals for predictions held the truth in 80 of 100 tables.
 * With few rungs it is worse. Draw rows or rungs where errors are far from normal or
 * differ much from point to point. What no method repairs: with 4 rungs whose own errors are as large as the points' the
 * intervals are too narrow, because three parameters and four rungs leave one degree of freedom. */
enum fit_resampling { RESAMPLE_AUTO, RESAMPLE_SIMULATED, RESAMPLE_ROWS, RESAMPLE_RUNGS };
/* By its name on the command line: auto, simulated, rows, rungs. ERROR_USAGE for another. */
MUST_CHECK struct error *fit_resampling_named(const char *name, enum fit_resampling *resampling);

/* Standard deviations of ln loss about the law. */
struct fit_noise {
	double point, rung; /* of a row, and of what its rung shares: NaN when it cannot be told from the law */
	double setting;     /* of what all runs of one (N, D) share, when replicates show that the law misses; else 0 */
};

struct fit_replicates {
	size_t count;
	struct fit_surface *surfaces; /* (count) */
	double *scale;                /* (count) of the noise of this replicate over the estimate */
	enum fit_resampling method;
	struct fit_noise noise;
	int freedom;       /* of the noise: points less parameters */
	size_t redrawn;    /* draws of too few sizes or horizons, drawn again */
	size_t unfinished; /* refits whose slope did not vanish */
};

/* Refits the surface `count` times, each from the original solution and from every cell of a coarse grid (9 starts;
 * beyond 2000 points the best 2), each polished. A function of the points, the seed and the count alone, whatever the number
 * of threads. */
MUST_CHECK struct error *fit_bootstrap(
    const struct fit_points *points, const struct fit_surface_result *result, enum fit_resampling method, size_t count,
    uint64_t seed, struct fit_replicates *replicates);
void fit_replicates_free(struct fit_replicates *replicates);

/* The central FIT_LEVEL of a function of the surface over the replicates. */
MUST_CHECK struct error *fit_interval_of(
    const struct fit_replicates *replicates, double (*function)(const struct fit_surface *surface, const void *context),
    const void *context, struct fit_interval *interval);

/* ------------------------------------------------------------------- runs that differ in their seed (fit/replicated.c) --- */

/* Chance, from runs of one (N, D) whose seed or rung differs: the pooled standard deviation of ln loss,
 *     sd^2 = sum over settings and their runs of w (ln loss - mean of the setting)^2 / freedom,
 * freedom = runs - settings, w the row's weight, and its interval, FIT_LEVEL, from chi square. It knows no law. A row with
 * the seed of another (or, where no seed is told, with its loss to the last bit) is the same run once more: a copy. */
struct fit_seed_noise {
	size_t settings, runs, copies; /* (N, D) with two runs or more, and their runs; copies are not counted */
	int freedom;
	double sd; /* of ln loss; NaN without freedom */
	struct fit_interval interval;
};
MUST_CHECK struct error *fit_seed_noise_of(const struct fit_points *points, struct fit_seed_noise *noise);

/* Does the law miss by more than chance? With S the residual sum of squares of ln loss about the law, linearised at the fit
 * and refitted by least squares, and P the part of it within settings,
 *     F = ((S - P) / (settings - parameters)) / (P / (runs - settings)),
 * which has Fisher's distribution when the law is right and the errors are normal (Draper and Smith 1998, Applied
 * Regression Analysis, 2.1). Where p < 0.05 the misses are taken to be shared by all runs of a setting, and the seeds'
 * scatter to be all that they do not share: seeds then no longer count as evidence about the law. */
struct fit_lack_of_fit {
	bool tested; /* there are replicates, and settings to spare */
	double ratio, p;
	int freedom_lack, freedom_pure;
	double sd; /* of the law's miss of a setting, about what chance explains; NaN when not tested */
};
MUST_CHECK struct error *fit_lack_of_fit_of(
    const struct fit_points *points, const struct fit_surface_result *result, struct fit_lack_of_fit *lack);
#define FIT_SIGNIFICANT 0.05

/* --------------------------------------------------------------------------------------- profiles (fit/profile.c) --- */

/* F(v): the objective minimised over everything else when one quantity is held at v: E, alpha, beta, or a = beta / (alpha +
 * beta), for which beta is tied to alpha: beta = alpha a / (1 - a). The likelihood ratio of a robust fit is F(v) - F(min)
 * (Ronchetti 1982), and v belongs to the interval when that is at most c(v). For independent normal errors c would be
 *     threshold_independent = tau t^2 / 2,   tau = E[psi(r)^2] / E[psi'(r)],
 * psi the slope of the Huber loss, r normal with the scale of the residuals (their median, less the parameters), t
 * Student's quantile with count - 5 degrees of freedom. With few points, at the bound E = 0, or where rungs share errors, it
 * is not; so c(v) is measured: the FIT_LEVEL quantile of the same difference over tables simulated around the law that
 * fits best with v held, whose true v is known (Feldman and Cousins 1998; Chuang and Lai 2000, hybrid resampling). It
 * is measured at the estimate and at both ends of the interval, and is linear between. With rows or rungs drawn again
 * (enum fit_resampling) no v can be imposed on the draws, and c is measured at the estimate alone. */
enum fit_profiled { PROFILE_E, PROFILE_ALPHA, PROFILE_BETA, PROFILE_A, FIT_PROFILES };
extern const char *const fit_profile_names[FIT_PROFILES]; /* "E", "alpha", "beta", "a" */

struct fit_profile_point {
	double value, objective;
};
struct fit_profile {
	double estimate;
	struct fit_interval interval;
	/* The interval reaches as far as the search goes: E to 0 and to the lowest loss measured, alpha and beta to 0.001 and 5,
	 * a to where one of them does. */
	bool reaches_low, reaches_high;
	double threshold;                     /* c at the estimate */
	double threshold_low, threshold_high; /* at the ends of the interval */
	double threshold_independent;
	struct fit_profile_point *curve; /* ascending, the estimate among them */
	size_t count;
};

/* All four. `replicates` tables are simulated for each threshold, at most 400; 0: thresholds are the independent one. */
MUST_CHECK struct error *fit_profiles(
    const struct fit_points *points, const struct fit_surface_result *result, enum fit_resampling method,
    size_t replicates, uint64_t seed, struct fit_profile profiles[FIT_PROFILES]);
void fit_profiles_free(struct fit_profile profiles[FIT_PROFILES]);

/* ---------------------------------------------------------------------------------- laws of one variable (fit/curve.c) --- */

enum fit_variable { FIT_N, FIT_D, FIT_C };

/* L(x) = E + k / x^exponent, or with E = 0 the pure power (Kaplan et al. 2020). */
struct fit_curve {
	enum fit_variable variable;
	bool floor; /* with E */
	size_t points;
	double at;             /* FIT_N: the largest D that all rungs share; FIT_D: the largest N; FIT_C: NaN */
	double E, k, exponent; /* E is 0 without floor */
	struct fit_interval E_interval, k_interval, exponent_interval; /* NaN when no degree of freedom is left */
	double objective, rms;
	bool converged;
	struct fit_certificate certificate;
	uint32_t at_bound; /* bits as listed: E, k, exponent */
};
#define FIT_CURVES 6

/* L(N) at the largest D that all sizes share (within 2 %), L(D) at the largest N, L(C) on the frontier: the corners of the
 * lower convex hull of (ln C, ln loss), as far as it falls (Hoffmann et al. 2022, approach 1). Each as pure power and
 * with floor, where there are more points than parameters. Intervals from `replicates` refits with independent errors of
 * the points (0: none). */
MUST_CHECK struct error *fit_curves(
    const struct fit_points *points, const struct fit_method *method, size_t replicates, uint64_t seed,
    struct fit_curve curves[FIT_CURVES], int *count);

double fit_curve_loss(const struct fit_curve *curve, double x);

/* ---------------------------------------------------------------------------------- allocation (fit/allocation.c) --- */

/* With C = 6 N D the loss at given C is least at N* = G (C/6)^a, D* = (C/6)^b / G, where a = beta / (alpha + beta),
 * b = 1 - a, G = (alpha A / (beta B))^(1 / (alpha + beta)) (Hoffmann et al. 2022, eq. 4). */
struct fit_optimum {
	double C, N, D, loss;
};
struct fit_optimum fit_optimal(const struct fit_surface *surface, double C);

/* By what the reducible loss L - E is halved: N alone by 2^(1/alpha) for its own term, D alone by 2^(1/beta), C, spent
 * as above, by 2^((alpha + beta) / (alpha beta)). */
double fit_halving(const struct fit_surface *surface, enum fit_variable variable);

struct fit_allocation_row {
	struct fit_optimum optimum;
	struct fit_interval N, D, D_per_N;
	bool extrapolated; /* N, D or C beyond what was measured */
	bool determined;   /* N and D cannot lie just anywhere */
};
struct fit_allocation {
	double a, b, G;
	struct fit_interval a_interval;
	double halving[3]; /* by enum fit_variable */
	struct fit_interval halving_interval[3];
	struct fit_allocation_row *rows; /* at the powers of ten of C inside the data and the next one beyond them */
	size_t count;
};

MUST_CHECK struct error *fit_allocate(
    const struct fit_points *points, const struct fit_surface *surface, const struct fit_replicates *replicates,
    struct fit_allocation *allocation);
void fit_allocation_free(struct fit_allocation *allocation);

/* ---------------------------------------------------------------------------------------- isoFLOP (fit/isoflop.c) --- */

/* One budget C = 6 N D (Hoffmann et al. 2022, approach 2): every rung's loss at D = C / (6 N), interpolated along its own
 * points in (ln D, ln loss) by a monotone cubic (Fritsch and Carlson 1980), and a parabola in ln N through them by least
 * squares: loss = c0 + c1 ln N + c2 (ln N)^2. */
struct fit_isoflop {
	double C;
	struct fit_optimum *points; /* ascending in N; C is the budget */
	size_t count;
	double parabola[3];
	bool has_minimum; /* it opens upwards and its vertex lies among the points */
	struct fit_optimum minimum;
	bool
	    edge; /* the lowest point is the smallest or the largest N, or there is no minimum: says little about the optimum */
};
struct fit_isoflops {
	struct fit_isoflop *items; /* ascending in C */
	size_t count;
	double a; /* slope of ln N* in ln C over the budgets whose minimum is not at an edge; NaN below 3 */
	size_t a_budgets;
};

/* Least squares of y = intercept + slope x, weighted (NULL: equally). The slope is NaN when x does not vary. */
void fit_line(const double *x, const double *y, const double *weight, size_t count, double *slope, double *intercept);

/* Least squares of y = c0 + c1 x + c2 x^2; three or more points, at three x or more. */
void fit_parabola(const double *x, const double *y, size_t count, double c[3]);

/* Up to 6 budgets, evenly spaced in ln C over the range in which four sizes or more (else three) can be read off. */
MUST_CHECK struct error *fit_isoflop(const struct fit_points *points, struct fit_isoflops *isoflops);
void fit_isoflops_free(struct fit_isoflops *isoflops);

/* How far the slope `a` of those curves can be trusted: the same is done to `count` tables with the losses of `surface`
 * and new errors, and what their slopes scatter about that of a table without errors is taken off `a` on both sides (the
 * basic bootstrap). NaN when `a` is, or when most tables give none. */
MUST_CHECK struct error *fit_isoflop_interval(
    const struct fit_points *points, const struct fit_surface *surface, const struct fit_noise *noise, double a,
    size_t count, uint64_t seed, struct fit_interval *interval);

/* -------------------------------------------------------------------------------- held-out rung (fit/prediction.c) --- */

struct fit_predicted {
	size_t point; /* index in the table */
	double predicted, baseline;
	struct fit_interval interval; /* of the measurement, not of its mean; NaN beyond the first forty points */
	bool inside;                  /* the measurement is, to rounding; or there is no interval */
};

/* The points of the largest N, predicted by a surface fitted without them, and by the naive baseline: a pure power of both,
 * k N^-p D^-q, fitted to the same points. */
struct fit_prediction {
	bool made;
	const char *reason; /* why not, when it was not */
	double N;
	struct fit_surface surface;   /* of the smaller rungs */
	struct fit_predicted *points; /* ascending in D */
	size_t count;
	size_t bounded, covered;      /* those with an interval, and those inside it */
	double error, baseline_error; /* mean |predicted / loss - 1| */
	double worst;
};

MUST_CHECK struct error *fit_predict_largest(
    const struct fit_points *points, const struct fit_method *method, enum fit_resampling resampling, size_t replicates,
    uint64_t seed, struct fit_prediction *prediction);
void fit_prediction_free(struct fit_prediction *prediction);

/* ----------------------------------------------------------------------------- what is asked for (fit/outlook.c) --- */

/* What the surface says of a place that need not have been measured. Of `loss`: `mean`, where the law itself may lie, and
 * `measurement`, where one new run may come out, which has its own noise. */
#define FIT_OUTLOOK_LEVELS 2 /* of the intervals: 50 and 90 % */
extern const double fit_outlook_levels[FIT_OUTLOOK_LEVELS];
struct fit_outlook {
	bool optimum;   /* the best use of C; else the N and D that were given */
	double N, D, C; /* C = 6 N D */
	double loss;
	struct fit_interval mean[FIT_OUTLOOK_LEVELS], measurement[FIT_OUTLOOK_LEVELS];
	/* Of an optimum: where it may lie. */
	struct fit_interval N_range[FIT_OUTLOOK_LEVELS], D_range[FIT_OUTLOOK_LEVELS], D_per_N_range[FIT_OUTLOOK_LEVELS];
	double decades_N, decades_D; /* beyond the table, on either side; 0 inside */
};

/* N and D above zero. With y a loss at N and D, and w a weight, let
 *     T(y) = min over the law of (F + w huber(ln predicted - ln y)) - min F,
 * F the objective of the table. y is in the interval when T(y) <= c(y), c the quantile of T over tables simulated around
 * the law, y being then the law's own loss (`mean`; w is the weight of all rows together) or a new run's, with noise
 * (`measurement`; w = 1): measured at the estimate and, for 90 %, around the laws that the ends of the interval entail
 * (hybrid resampling, as for profiles; for the run also a parametric form of full conformal prediction, Vovk et al. 2005).
 * With rows or rungs drawn again c is measured at the estimate alone. `replicates` says how, and what the noise is; at
 * most 400 of them are drawn anew, from `seed`. No replicates: NaN. */
MUST_CHECK struct error *fit_outlook_at(
    const struct fit_points *points, const struct fit_surface_result *result, const struct fit_replicates *replicates,
    double N, double D, uint64_t seed, struct fit_outlook *outlook);
/* The same at N*(C), D*(C), see fit_optimal; their own intervals are quantiles of the replicates. */
MUST_CHECK struct error *fit_outlook_of_budget(
    const struct fit_points *points, const struct fit_surface_result *result, const struct fit_replicates *replicates,
    double C, uint64_t seed, struct fit_outlook *outlook);

/* ----------------------------------------------------------------------------- one law beside another (fit/compare.c) --- */

/* How one law does on the points that it and its rivals are laws of. */
struct fit_compared {
	const char *law; /* its name */
	bool of_both;    /* of N and D; else of the comparison's variable */
	int parameters;  /* k, all of them free */
	size_t points;   /* n, the sum of weights when there are any */
	double objective, rms;
	/* -2 ln Lmax + 2 K + 2 K (K + 1) / (n - K - 1), K = k + 1 (Hurvich and Tsai 1989): Lmax is the likelihood whose
	 * maximum the fit is, errors being independent with the density exp(-rho(r) / s) / Z(s), rho what the objective sums
	 * and s the scale that makes it largest. NaN when n < K + 2. Differences count, and only between laws of the same
	 * points; `above` is the one to the lowest. */
	double aicc, above;
	/* Root mean square of ln(predicted / loss) of points that the fit has not seen. Leaving out: each rung in turn (or
	 * twelfths of the rungs, when there are more). Rolling origin: the next rung (or twelfth), fitted to all smaller
	 * ones; for laws of one variable the next point. NaN without a fold. Every law has the same folds, but one that has
	 * too many parameters for the smallest ones. */
	double left_out, rolling;
	int left_out_folds, rolling_folds;
	bool converged;
	const char *doubt; /* why not */
};
#define FIT_MOST_COMPARED 24

/* Power law, or the early part of an S? */
struct fit_shape {
	bool asked;         /* there are enough points for it */
	const char *power;  /* the power law of lowest AICc; NULL: none converged */
	const char *rival;  /* the same of the curves with a scale of their own: exponential, stretched, logistic */
	double rival_above; /* AICc of the rival less that of the power law */
	double power_rolling, rival_rolling; /* on the folds of both */
	/* How many further decades of x, with as many points a decade as now, it would take to reject the rival if the power
	 * law were true, and the power law if the rival were: the one in doubt, refitted to what the true one gives at the old
	 * and the new places, misses by
	 *     sum((ln doubted - ln true)^2) / noise^2 = FIT_DETECTION,
	 * noise being the standard deviation of ln loss about the true one. 0: told apart already; INFINITY: more than
	 * FIT_MOST_DECADES, as when the doubted one can turn into the true one. */
	double power_noise, rival_noise, decades_if_power, decades_if_rival;
};
#define FIT_DETECTION 10.82 /* (1.645 + 1.645)^2: a test at 5 % finds it in 95 of 100 such tables */
#define FIT_MOST_DECADES 12

struct fit_comparison {
	struct fit_compared laws[FIT_MOST_COMPARED]; /* those of N and D, then those of `variable` */
	int count;
	enum fit_variable variable;
	struct fit_shape shape;
	const char *skipped; /* why there is none; NULL when there is */
	size_t sampled, of;  /* so many of so many points were taken, at random; 0: all */
};
#define FIT_MOST_COMPARED_POINTS 2000 /* of a larger table so many are taken at random */

/* Fits every law that the design allows, by the method's objective (its law, held and tied parameters are not regarded):
 * those of N and D to all points; those of one variable to the points that select_rows chooses, or to all of them.
 * `unique`: tokens of each point that are not repetitions, NULL when not known. */
MUST_CHECK struct error *fit_compare(
    const struct fit_points *points, const struct fit_method *method, enum fit_variable variable, bool all,
    const double *unique, struct fit_comparison *comparison);

/* ------------------------------------------------------------------------------------------- everything (fit/fit.c) --- */

/* A place that the user asks about: N and D, or where C > 0 the best use of C = 6 N D. */
struct fit_question {
	double N, D, C;
};
#define FIT_MOST_QUESTIONS 128

struct fit_options {
	int64_t replicates, seed;
	const struct fit_approach_options *approaches; /* 1 and 2 (approach.h); NULL: as the table suggests */
	enum fit_resampling resampling;
	bool published_starts; /* search from those as well */
	struct fit_question questions[FIT_MOST_QUESTIONS];
	int question_count;
	const enum fit_variable *along; /* what laws of one variable are compared along; NULL: C */
	bool all_points;                /* and on every point, not on a slice or the frontier */
	struct fit_method method;       /* its objective alone is regarded */
};

struct fit_warning {
	const char *code; /* stable; listed in docs/formats.md */
	char text[400];
};
#define FIT_MOST_WARNINGS 32

struct fit {
	const struct fit_points *points; /* not owned */
	struct fit_options options;
	struct fit_design design;
	bool fitted; /* the members from here to `prediction` hold something */
	struct fit_surface_result surface;
	struct fit_starts starts;
	struct fit_replicates replicates;
	/* E, A, B, alpha, beta: those of E, alpha and beta are of their profiles, the others the replicates' quantiles. */
	struct fit_interval intervals[FIT_SURFACE_PARAMETERS];
	struct fit_interval quantiles[FIT_SURFACE_PARAMETERS], quantile_a; /* of the replicates, for all and for a */
	/* False: the data do not determine it, do not quote it as an estimate. */
	bool identified[FIT_SURFACE_PARAMETERS], identified_a;
	struct fit_profile profiles[FIT_PROFILES];
	struct fit_allocation allocation;
	struct fit_prediction prediction;
	struct fit_curve curves[FIT_CURVES];
	int curve_count;
	struct fit_isoflops isoflops;
	struct fit_interval isoflop_interval; /* of isoflops.a; NaN without a surface to tell the noise from */
	struct fit_approaches *approaches;    /* 1 and 2: approach.h */
	struct fit_seed_noise seed_noise;
	struct fit_lack_of_fit lack_of_fit;              /* where fitted */
	struct fit_outlook outlooks[FIT_MOST_QUESTIONS]; /* where converged: the answers, in the order of the questions */
	int outlook_count;
	struct fit_comparison comparison;
	struct fit_warning warnings[FIT_MOST_WARNINGS];
	int warning_count, design_warnings; /* the first design_warnings are about the design; 0: it is sound */
	/* Why the design does not determine E, A, B, alpha, beta, a; NULL where it does. Those are not given as estimates. */
	const char *refused[FIT_SURFACE_PARAMETERS + 1];
};

/* How many refits a table of so many points gets where nobody says: 1000, and beyond 100,000 points fewer, so that
 * points times refits stay below 1e8, but 100 at least. */
int64_t fit_replicates_for(size_t points);

/* Everything above on one table. `points` must outlive the result. */
MUST_CHECK struct error *fit_all(const struct fit_points *points, const struct fit_options *options, struct fit *fit);
void fit_free(struct fit *fit);

/* The object of fit.json (docs/formats.md); the caller's: cJSON_Delete. */
MUST_CHECK struct error *fit_to_json(const struct fit *fit, cJSON **root);

/* What it means, in plain words: a few sentences, a paragraph a line. */
void fit_in_words(const struct fit *fit, struct text *out);

/* The summary for a terminal of 80 columns. `source` names the table. */
void fit_summary(const struct fit *fit, const char *source, struct text *out);

/* One of E, A, B, alpha, beta by its index. */
double fit_parameter(const struct fit_surface *surface, int index);

int fit_command(int argc, char **argv);     /* rung fit */
int predict_command(int argc, char **argv); /* rung predict */
int report_command(int argc, char **argv);  /* rung report */

#endif
