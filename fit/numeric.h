/* numeric.h - the small dense numerics under the laws: eigenvalues, non-negative least squares, minimisation inside a box,
 * and the few distributions that intervals need. Private to fit/.
 *
 * Everything here works on problems of at most MOST_PARAMETERS unknowns, so nothing allocates. Matrices are row-major. */
#ifndef RUNG_FIT_NUMERIC_H
#define RUNG_FIT_NUMERIC_H

#include "base/base.h"

#define MOST_PARAMETERS 8

/* ---------------------------------------------------------------------------------------------- linear (linear.c) --- */

/* Eigenvalues, ascending, and eigenvectors of the symmetric `matrix` (n,n), by Jacobi rotations: slower than
 * tridiagonalisation, but accurate to the last bit that the matrix holds, which the certificate relies on.
 * vectors (n,n): column k belongs to values[k]. */
void symmetric_eigen(int n, const double *matrix, double *values, double *vectors);

/* The lower Cholesky factor of the symmetric `matrix` (n,n); what stands above its diagonal means nothing. False when a
 * pivot is not above `lost` times its diagonal entry: not positive definite, or not clearly so. */
bool factor_positive(int n, const double *matrix, double lost, double *factor);

/* Minimises x'Gx/2 - c'x over x >= 0, G (n,n) symmetric positive semi-definite: least squares from its normal equations
 * (Lawson and Hanson 1974, Solving Least Squares Problems, ch. 23). Columns that are linear combinations of those
 * already in use stay at zero. */
void nonnegative_least_squares(int n, const double *gram, const double *right, double *x);

/* -------------------------------------------------------------------------------------------- minimum (minimum.c) --- */

/* A function of `count` parameters inside a box. Both should be scaled so that the parameters, and the slopes of the
 * function, are of order one where it matters. */
struct objective {
	int count;
	/* The value at x; gradient (count) and hessian (count,count) unless they are NULL. Not finite where it is undefined. */
	double (*evaluate)(const void *data, const double *x, double *gradient, double *hessian);
	const void *data;
	double enough; /* a slope with which the search may end; 0: only where it is zero to rounding */
	double noise;  /* rounding error of a value, absolute: falls below it prove nothing */
	double lower[MOST_PARAMETERS], upper[MOST_PARAMETERS]; /* equal: the parameter is held there */
};

/* Why the search ended. */
enum stop {
	STOP_GRADIENT,   /* the slope is zero to rounding: a stationary point of the box */
	STOP_NO_DESCENT, /* no step goes down any further; the slope says how good the point is */
	STOP_ITERATIONS, /* ran out of iterations: not a solution */
	STOP_UNDEFINED,  /* the function is not finite at the start */
};

struct minimum {
	double x[MOST_PARAMETERS];
	double value;
	double slope; /* largest |gradient| among the parameters that are free to move */
	enum stop stop;
	int iterations;
	uint32_t at_bound; /* bit i: parameter i sits on a bound that the gradient pushes it against */
};

/* Newton's method with exact Hessians in a trust region (More and Sorensen 1983), projected onto the box. Finds a local
 * minimum near `start` (clipped into the box) to the last digits, also where the Hessian is indefinite or singular. */
void minimize(const struct objective *objective, const double *start, struct minimum *minimum);

/* -------------------------------------------------------------------------------------- statistics (statistics.c) --- */

/* Orders `values` in place and returns the quantile by linear interpolation (Hyndman and Fan 1996, type 7). NaN values
 * must be gone. NaN when count is 0. */
double quantile_of(double *values, size_t count, double probability);
/* The same by type 6: what is drawn next falls below it with that probability. So thresholds are measured. */
double quantile_fair(double *values, size_t count, double probability);
/* Type 7 of values that are in order. */
double quantile_sorted(const double *values, size_t count, double probability);

/* The scale of normal residuals of a robust fit, of which about as many as there are parameters are zero: the median of
 * the |residual| without the smallest `parameters` of them, over that of a standard normal (McKean and Schrader 1987).
 * `work` holds count numbers. NaN when nothing is left. */
double robust_scale(const double *residual, size_t count, int parameters, double *work);

double normal_density(double x);
double normal_below(double x);              /* P(Z < x) */
double normal_quantile(double probability); /* in (0, 1) */

/* Student's t with `freedom` > 0 degrees of freedom: P(T < t), and the t for which that is `probability`. */
double student_below(double t, double freedom);
double student_quantile(double probability, double freedom);

/* Chi square with `freedom` > 0 degrees of freedom. */
double chi_square_below(double x, double freedom);
double chi_square_quantile(double probability, double freedom);

/* Fisher's F: P(F > ratio), with the degrees of freedom of the numerator and of the denominator. */
double fisher_above(double ratio, double freedom_above, double freedom_below);

#endif
