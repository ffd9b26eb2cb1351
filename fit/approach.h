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

#endif
