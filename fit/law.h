/* law.h - what every law has in common: a table of logs, a sum of robust residuals, and the search for its minimum.
 * Private to fit/.
 *
 * A law predicts the loss from one or two variables u. All laws here are separable: linear in some parameters, the
 * coefficients, once the others, the exponents, are given. That is what variable projection lives on (Golub and Pereyra
 * 1973, SIAM J. Numer. Anal. 10): a grid over the exponents, the best coefficients at each node by non-negative least
 * squares, and then a polish of all parameters together from the best nodes of all parts of the grid.
 *
 * Everything is centred: variables are ln N - mean, ln D - mean (or ln x - mean), losses are divided by their geometric
 * mean. Prefactors are then of order one and nearly uncorrelated with the exponents. */
#ifndef RUNG_FIT_LAW_H
#define RUNG_FIT_LAW_H

#include "fit/fit.h"
#include "fit/numeric.h"

#define MOST_VARIABLES 2

/* Rows as a law sees them. The arrays belong to the table unless it was made by a caller that says otherwise. */
struct table {
	size_t count;
	int variables;
	double *u;      /* (count, variables) centred logs */
	double *y;      /* (count) ln loss - mean_y */
	double *weight; /* (count) of the row in the sum; 0 leaves it out */
	int *group;     /* (count) the cluster the row belongs to, 0..groups-1 */
	int groups;
	double mean_u[MOST_VARIABLES], mean_y;
};

/* Takes the logs of `count` rows: variable k of row i is x[k][i] > 0; loss > 0. group may be NULL: every row its own.
 * Weights are 1. */
MUST_CHECK struct error *table_new(
    struct table *table, size_t count, int variables, const double *const *x, const double *loss, const int *group);
void table_free(struct table *table);

struct law {
	const char *name;
	int variables, linear, exponents; /* parameters: the coefficients first, then the exponents */
	/* The value of each linear term at u. */
	void (*terms)(const double *exponents, const double *u, double *terms);
	/* The loss over its geometric mean at u; gradient (p) and hessian (p,p) in the parameters unless NULL. */
	double (*predict)(const double *x, const double *u, double *gradient, double *hessian);
	uint32_t floors; /* bit i: coefficient i may be zero at the solution (the irreducible loss) */
};

extern const struct law law_chinchilla;   /* e + a exp(-alpha u0) + b exp(-beta u1): surface.c */
extern const struct law law_power;        /* k exp(-p u0): curve.c */
extern const struct law law_power_floor;  /* e + k exp(-p u0): curve.c */
extern const struct law law_power_of_two; /* k exp(-p u0 - q u1): curve.c */

static inline int law_parameters(const struct law *law) {
	return law->linear + law->exponents;
}

/* Where a search stopped and what speaks for it. */
struct solution {
	double x[MOST_PARAMETERS];
	double objective; /* the sum, see huber_sum */
	double slope;     /* largest slope of a free parameter over the largest that the rows could give: sum of w delta */
	enum stop stop;
	int iterations;
	uint32_t at_bound;
	/* Of law_solve only: */
	int starts, agreeing; /* polished starts, and those of them that came to this objective */
	double spread;        /* largest difference of a parameter between those that agree */
	double moved;         /* largest change of a parameter on the way here from its start */
};

/* The sum of weight * huber(r), r = ln(prediction) - ln(loss): r^2/2 for |r| <= delta, delta (|r| - delta/2) beyond
 * (Huber 1964). Gradient (p) and hessian (p,p) unless NULL. Infinite where a prediction is not positive. */
double huber_sum(
    const struct law *law, const struct table *table, double delta, const double *x, double *gradient, double *hessian);

/* A parameter that the search must leave at a value; index -1: none. */
struct held {
	int index;
	double value;
};
#define HELD_NONE ((struct held){.index = -1})

/* The lowest minimum found from all parts of the grid, with its evidence. */
MUST_CHECK struct error *law_solve(
    const struct law *law, const struct table *table, struct held held, struct solution *solution);

/* The same for the many refits of a bootstrap or a profile: from `starts` (start_count, p) and, when `grid` is set, from
 * the best nodes of a coarse grid. Allocates nothing: `work` holds law_work_size bytes. */
void law_refit(
    const struct law *law, const struct table *table, struct held held, const double *starts, int start_count,
    bool grid, double *work, struct solution *solution);
size_t law_work_size(const struct law *law, const struct table *table);

/* Root mean square of the log residuals, weighted as the rows are. */
double law_rms(const struct law *law, const struct table *table, const double *x);

/* What speaks for `solution`, of law_solve (certificate.c). */
void law_certify(
    const struct law *law, const struct table *table, const struct solution *solution,
    struct fit_certificate *certificate);

/* The points as the surface's table, clusters included; and between its parameters and E, A, B, alpha, beta (surface.c). */
MUST_CHECK struct error *surface_table(const struct fit_points *points, struct table *table);
struct fit_surface surface_of(const struct table *table, const double *x);
void surface_centred(const struct table *table, const struct fit_surface *surface, double *x);

/* ------------------------------------------------------------------------------------------- resampling (bootstrap.c) --- */

/* How far the rows lie from the law: standard deviations of ln loss, of a row and of what its group shares, by restricted
 * maximum likelihood (Patterson and Thompson 1971) on the law linearised at x. *freedom: rows less parameters. */
MUST_CHECK struct error *noise_estimate(
    const struct law *law, const struct table *table, const double *x, struct fit_noise *noise, int *freedom);

struct resamples {
	size_t count;
	int parameters;
	double *x; /* (count, parameters) of the refits, in the table's centred coordinates */
	double
	    *rise; /* (count) objective with coefficient 0 held at the original less the minimum; NULL unless asked for */
	double *scale;              /* (count) of the noise over its estimate */
	enum fit_resampling method; /* never RESAMPLE_AUTO */
	struct fit_noise noise;
	size_t redrawn, unfinished;
};

/* `count` refits around the solution x; `stream` names the random numbers. */
MUST_CHECK struct error *resample(
    const struct law *law, const struct table *table, const double *x, enum fit_resampling method, size_t count,
    uint64_t seed, const char *stream, bool rise, struct resamples *resamples);
void resamples_free(struct resamples *resamples);

/* The warnings that a finished fit deserves (warnings.c). */
MUST_CHECK struct error *fit_warn(struct fit *fit);

/* What the threshold of the profile would be for independent normal errors; see fit_profile (profile.c). `work` holds
 * 2 table->count numbers. */
double threshold_of_independent(const struct law *law, const struct table *table, const double *x, double *work);

/* The central FIT_LEVEL of the values, which it orders; NaN for none (statistics.c). */
struct fit_interval interval_of(double *values, size_t count);

#endif
