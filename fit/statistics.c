/* statistics.c - quantiles of samples and of the distributions that intervals need. */
#include "fit/law.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double quantile_sorted(const double *values, size_t count, double probability) {
	if (count == 0) return NAN;
	double at = (double)(count - 1) * probability;
	size_t below = (size_t)at;
	if (below + 1 >= count) return values[count - 1];
	double part = at - (double)below;
	/* Infinities are values too: no inf - inf. */
	return part == 0 ? values[below] : values[below] * (1 - part) + values[below + 1] * part;
}

double quantile_fair(double *values, size_t count, double probability) {
	if (count < 2) return quantile_of(values, count, probability);
	double at = ((double)(count + 1) * probability - 1) / (double)(count - 1);
	return quantile_of(values, count, fmin(fmax(at, 0), 1));
}

double quantile_of(double *values, size_t count, double probability) {
	qsort(values, count, sizeof *values, ascending);
	return quantile_sorted(values, count, probability);
}

struct fit_interval interval_of(double *values, size_t count) {
	struct fit_interval interval;
	interval.low = quantile_of(values, count, (1 - FIT_LEVEL) / 2);
	interval.high = quantile_sorted(values, count, (1 + FIT_LEVEL) / 2);
	return interval;
}

double robust_scale(const double *residual, size_t count, int parameters, double *work) {
	if (count <= (size_t)parameters) return NAN;
	for (size_t i = 0; i < count; i++) work[i] = fabs(residual[i]);
	qsort(work, count, sizeof *work, ascending);
	return quantile_sorted(work + parameters, count - (size_t)parameters, 0.5) / 0.67448975;
}

#define FARTHEST 40.0 /* deviations: normal_below is 0 there */

double normal_density(double x) {
	return exp(-x * x / 2) / sqrt(2 * M_PI);
}

double normal_below(double x) {
	return 0.5 * erfc(-x / sqrt(2));
}

/* The regularised incomplete beta function by its continued fraction, modified Lentz (Abramowitz and Stegun 26.5.8). */
static double beta_fraction(double a, double b, double x) {
	const double tiny = 1e-300;
	double c = 1, d = 1 - (a + b) * x / (a + 1);
	d = 1 / (fabs(d) < tiny ? tiny : d);
	double h = d;
	for (int m = 1; m < 10000; m++) {
		for (int half = 0; half < 2; half++) {
			double t = half == 0 ? m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
			                     : -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
			d = 1 + t * d;
			c = 1 + t / c;
			d = 1 / (fabs(d) < tiny ? tiny : d);
			if (fabs(c) < tiny) c = tiny;
			h *= d * c;
		}
		if (fabs(d * c - 1) < 1e-16) break;
	}
	return h;
}

static double beta_below(double a, double b, double x) {
	if (x <= 0) return 0;
	if (x >= 1) return 1;
	double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
	return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double student_below(double t, double freedom) {
	double tail = beta_below(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2;
	return t > 0 ? 1 - tail : tail;
}

double normal_quantile(double probability) {
	double low = -FARTHEST, high = FARTHEST;
	for (int round = 0; round < 80; round++) {
		double middle = (low + high) / 2;
		*(normal_below(middle) < probability ? &low : &high) = middle;
	}
	return (low + high) / 2;
}

double student_quantile(double probability, double freedom) {
	if (probability == 0.5) return 0;
	double low = -1, high = 1;
	while (student_below(low, freedom) > probability && low > -1e300) low *= 4;
	while (student_below(high, freedom) < probability && high < 1e300) high *= 4;
	for (int round = 0; round < 200; round++) {
		double middle = (low + high) / 2;
		*(student_below(middle, freedom) < probability ? &low : &high) = middle;
	}
	return (low + high) / 2;
}

/* The regularised incomplete gamma function P(a, x): its series below a + 1, its continued fraction above (Abramowitz and
 * Stegun 6.5.29 and 6.5.31, the latter by modified Lentz). */
static double gamma_below(double a, double x) {
	if (!(x > 0)) return 0;
	double front = exp(a * log(x) - x - lgamma(a));
	if (x < a + 1) {
		double term = 1 / a, sum = term;
		for (int k = 1; k < 100000 && term > sum * 1e-17; k++) sum += term *= x / (a + k);
		return front * sum;
	}
	double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
	for (int k = 1; k < 100000; k++) {
		double numerator = -k * (k - a);
		b += 2;
		d = 1 / (numerator * d + b);
		c = b + numerator / c;
		h *= c * d;
		if (fabs(c * d - 1) < 1e-16) break;
	}
	return 1 - front * h;
}

double chi_square_below(double x, double freedom) {
	return gamma_below(freedom / 2, x / 2);
}

double chi_square_quantile(double probability, double freedom) {
	double low = 0, high = freedom;
	while (chi_square_below(high, freedom) < probability && high < 1e300) high *= 2;
	for (int round = 0; round < 200; round++) {
		double middle = (low + high) / 2;
		*(chi_square_below(middle, freedom) < probability ? &low : &high) = middle;
	}
	return (low + high) / 2;
}

double fisher_above(double ratio, double freedom_above, double freedom_below) {
	if (!(ratio > 0)) return isnan(ratio) ? NAN : 1;
	/* The upper tail directly: 1 - P would lose the digits of small ones. */
	return beta_below(freedom_below / 2, freedom_above / 2, freedom_below / (freedom_below + freedom_above * ratio));
}
