/* Eigenvalues, non-negative least squares, minimisation in a box and quantiles, against definitions and brute force. */
#include "fit/numeric.h"
#include "tests/fit_fixture.h"

#include <string.h>

/* ---------------------------------------------------------------------------------------------------- eigenvalues --- */

static void eigenvectors_by_definition(void **state) {
	(void)state;
	struct rng rng = rng_make(1, "eigen");
	for (int round = 0; round < 300; round++) {
		int n = 1 + (int)rng_below(&rng, MOST_PARAMETERS);
		double a[MOST_PARAMETERS * MOST_PARAMETERS], values[MOST_PARAMETERS], v[MOST_PARAMETERS * MOST_PARAMETERS];
		for (int i = 0; i < n; i++)
			for (int j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = rng_normal(&rng);
		symmetric_eigen(n, a, values, v);
		for (int k = 0; k < n; k++) {
			assert_true(k == 0 || values[k] >= values[k - 1]);
			for (int i = 0; i < n; i++) {
				double left = 0, dot = 0;
				for (int j = 0; j < n; j++) {
					left += a[i * n + j] * v[j * n + k];
					dot += v[j * n + i] * v[j * n + k];
				}
				assert_true(near(left, values[k] * v[i * n + k], 1e-13));
				assert_true(near(dot, i == k, 1e-13));
			}
		}
	}
}

/* A graded matrix D M D has eigenvalues over 20 orders of magnitude; the smallest keep their digits. By its determinant:
 * the product of the eigenvalues is det M times the squares of D. */
static void small_eigenvalues_keep_their_digits(void **state) {
	(void)state;
	const double m[9] = {2, 1, 0.5, 1, 3, 1, 0.5, 1, 4}, d[3] = {1, 1e-5, 1e-10};
	double a[9], values[3], v[9];
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 3; j++) a[i * 3 + j] = m[i * 3 + j] * d[i] * d[j];
	symmetric_eigen(3, a, values, v);
	double determinant = 2 * (12 - 1) - 1 * (4 - 0.5) + 0.5 * (1 - 1.5);
	assert_true(close_to(values[0] * values[1] * values[2], determinant * 1e-30, 1e-12));
	assert_true(values[0] > 0 && values[0] < 1e-19);
}

/* ------------------------------------------------------------------------------------------------------ least squares --- */

/* Solves the equations of a subset by elimination with pivots. False when it is singular. */
static bool solve_set(int n, const double *gram, const double *right, unsigned set, double *x) {
	double a[MOST_PARAMETERS][MOST_PARAMETERS + 1];
	int list[MOST_PARAMETERS], m = 0;
	for (int i = 0; i < n; i++)
		if (set >> i & 1) list[m++] = i;
	for (int i = 0; i < m; i++) {
		for (int j = 0; j < m; j++) a[i][j] = gram[list[i] * n + list[j]];
		a[i][m] = right[list[i]];
	}
	for (int c = 0; c < m; c++) {
		int pivot = c;
		for (int i = c + 1; i < m; i++)
			if (fabs(a[i][c]) > fabs(a[pivot][c])) pivot = i;
		if (fabs(a[pivot][c]) < 1e-9) return false;
		for (int j = 0; j <= m; j++) {
			double swap = a[c][j];
			a[c][j] = a[pivot][j];
			a[pivot][j] = swap;
		}
		for (int i = 0; i < m; i++) {
			if (i == c) continue;
			double factor = a[i][c] / a[c][c];
			for (int j = c; j <= m; j++) a[i][j] -= factor * a[c][j];
		}
	}
	for (int i = 0; i < n; i++) x[i] = 0;
	for (int i = 0; i < m; i++) x[list[i]] = a[i][m] / a[i][i];
	return true;
}

static double quadratic(int n, const double *gram, const double *right, const double *x) {
	double value = 0;
	for (int i = 0; i < n; i++) {
		value -= right[i] * x[i];
		for (int j = 0; j < n; j++) value += x[i] * gram[i * n + j] * x[j] / 2;
	}
	return value;
}

static void least_squares_against_all_active_sets(void **state) {
	(void)state;
	struct rng rng = rng_make(2, "nnls");
	int at_zero = 0;
	for (int round = 0; round < 3000; round++) {
		int n = 1 + (int)rng_below(&rng, MOST_PARAMETERS), rows = n + (int)rng_below(&rng, 10);
		double gram[MOST_PARAMETERS * MOST_PARAMETERS] = {0}, right[MOST_PARAMETERS] = {0};
		for (int r = 0; r < rows; r++) {
			double row[MOST_PARAMETERS], target = rng_normal(&rng);
			for (int i = 0; i < n; i++)
				row[i] = rng_normal(&rng) + (round % 2 ? 1 : 0); /* half of them nearly parallel */
			for (int i = 0; i < n; i++) {
				right[i] += row[i] * target;
				for (int j = 0; j < n; j++) gram[i * n + j] += row[i] * row[j];
			}
		}
		double best = 0, x[MOST_PARAMETERS];
		for (unsigned set = 1; set < 1u << n; set++) {
			if (!solve_set(n, gram, right, set, x)) continue;
			bool feasible = true;
			for (int i = 0; i < n; i++) feasible = feasible && x[i] >= 0;
			if (feasible) best = fmin(best, quadratic(n, gram, right, x));
		}
		nonnegative_least_squares(n, gram, right, x);
		for (int i = 0; i < n; i++) {
			assert_true(x[i] >= 0);
			at_zero += x[i] == 0;
		}
		assert_true(near(quadratic(n, gram, right, x), best, 1e-9 * (1 + fabs(best))));
	}
	assert_true(at_zero > 1000);
}

static void equal_columns_do_not_break_it(void **state) {
	(void)state;
	/* Columns 0 and 1 are the same; the best fit is 3 in all, however it is shared. */
	const double gram[9] = {5, 5, 0, 5, 5, 0, 0, 0, 2}, right[3] = {15, 15, -4};
	double x[3];
	nonnegative_least_squares(3, gram, right, x);
	assert_true(near(x[0] + x[1], 3, 1e-12) && x[0] >= 0 && x[1] >= 0 && x[2] == 0);
	/* A column of zeros has nothing to give. */
	const double with_zero[4] = {0, 0, 0, 2}, and_right[2] = {0, 6};
	nonnegative_least_squares(2, with_zero, and_right, x);
	assert_true(x[0] == 0 && near(x[1], 3, 1e-12));
}

/* ---------------------------------------------------------------------------------------------------- minimisation --- */

/* Rosenbrock's valley. */
static double valley(const void *data, const double *x, double *g, double *h) {
	(void)data;
	double a = x[1] - x[0] * x[0], b = 1 - x[0];
	if (g) {
		g[0] = -400 * x[0] * a - 2 * b;
		g[1] = 200 * a;
	}
	if (h) {
		h[0] = 1200 * x[0] * x[0] - 400 * x[1] + 2;
		h[1] = h[2] = -400 * x[0];
		h[3] = 200;
	}
	return 100 * a * a + b * b;
}

/* x^2 - y^2 + y^4: the start in the saddle has no slope to follow. */
static double saddle(const void *data, const double *x, double *g, double *h) {
	(void)data;
	if (g) {
		g[0] = 2 * x[0];
		g[1] = -2 * x[1] + 4 * x[1] * x[1] * x[1];
	}
	if (h) {
		h[0] = 2;
		h[1] = h[2] = 0;
		h[3] = -2 + 12 * x[1] * x[1];
	}
	return x[0] * x[0] - x[1] * x[1] + x[1] * x[1] * x[1] * x[1];
}

static void valleys_boxes_and_saddles(void **state) {
	(void)state;
	struct objective objective = {.count = 2, .evaluate = valley, .lower = {-5, -5}, .upper = {5, 5}};
	struct minimum found;
	struct rng rng = rng_make(3, "starts");
	for (int k = 0; k < 50; k++) {
		minimize(&objective, (double[]){10 * rng_uniform(&rng) - 5, 10 * rng_uniform(&rng) - 5}, &found);
		assert_true(near(found.x[0], 1, 1e-12) && near(found.x[1], 1, 1e-12) && found.at_bound == 0);
	}
	/* In the box x <= 0.5 the valley's floor is at x = 0.5, y = 0.25. */
	objective.upper[0] = 0.5;
	minimize(&objective, (double[]){-3, 4}, &found);
	assert_true(found.x[0] == 0.5 && near(found.x[1], 0.25, 1e-12) && found.at_bound == 1);
	/* Held at x = -1 it is at y = 1, and a parameter that is held is not at a bound. */
	objective.lower[0] = objective.upper[0] = -1;
	minimize(&objective, (double[]){3, 3}, &found);
	assert_true(found.x[0] == -1 && near(found.x[1], 1, 1e-12) && found.at_bound == 0);
	objective = (struct objective){.count = 2, .evaluate = saddle, .lower = {-5, -5}, .upper = {5, 5}};
	for (double y = 0; y < 2e-9; y += 1e-9) { /* on the ridge and beside it */
		minimize(&objective, (double[]){1, y}, &found);
		assert_true(near(found.x[0], 0, 1e-12) && near(fabs(found.x[1]), sqrt(0.5), 1e-12));
	}
}

/* ------------------------------------------------------------------------------------------------------- quantiles --- */

static void quantiles(void **state) {
	(void)state;
	double values[] = {5, 1, 4, 2, 3};
	assert_true(near(quantile_of(values, 5, 0.5), 3, 0) && near(quantile_sorted(values, 5, 0.1), 1.4, 1e-15));
	assert_true(isnan(quantile_of(values, 0, 0.5)));
	double one_is_infinite[] = {INFINITY, 1, 2};
	assert_true(quantile_of(one_is_infinite, 3, 0.5) == 2 && isinf(quantile_sorted(one_is_infinite, 3, 0.9)));
	/* Closed forms: one degree of freedom is Cauchy's, two has 2 sqrt(2)(p - 1/2) / sqrt(4 p (1 - p)). */
	for (double p = 0.02; p < 1; p += 0.07) {
		assert_true(near(student_quantile(p, 1), tan(M_PI * (p - 0.5)), 1e-9 * (1 + fabs(tan(M_PI * (p - 0.5))))));
		assert_true(near(student_quantile(p, 2), 2 * sqrt(2) * (p - 0.5) / sqrt(4 * p * (1 - p)), 1e-9));
	}
	/* Against Simpson's sum over the density with 7 degrees of freedom. */
	double sum = 0, step = 1e-3, top = 1.9;
	for (int k = 0; k <= 1900; k++) {
		double t = k * step, density = tgamma(4) / (sqrt(7 * M_PI) * tgamma(3.5)) * pow(1 + t * t / 7, -4);
		sum += density * step / 3 * (k == 0 || k == 1900 ? 1 : k % 2 ? 4 : 2);
	}
	assert_true(near(student_below(top, 7), 0.5 + sum, 1e-12));
	assert_true(near(student_quantile(0.95, 1e7), 1.6448536269514722, 1e-6)); /* nearly normal */
}

/* Closed forms, Simpson's sum over a density, and relations between the distributions. */
static void chi_square_and_fisher(void **state) {
	(void)state;
	for (double x = 0.1; x < 40; x *= 1.7) {
		assert_true(near(chi_square_below(x, 2), 1 - exp(-x / 2), 1e-14));
		assert_true(near(chi_square_below(x, 1), erf(sqrt(x / 2)), 1e-13));
		assert_true(near(chi_square_below(x, 4), 1 - exp(-x / 2) * (1 + x / 2), 1e-14));
		/* F(1, k) is the square of Student's t. */
		assert_true(near(fisher_above(x, 1, 9), 2 * (1 - student_below(sqrt(x), 9)), 1e-13));
		/* F(2, k): a closed tail; small ones keep their digits. */
		assert_true(close_to(fisher_above(x, 2, 30), pow(1 + 2 * x / 30, -15), 1e-12));
		assert_true(near(fisher_above(x, 7, 12), 1 - fisher_above(1 / x, 12, 7), 1e-13));
	}
	for (double p = 0.02; p < 1; p += 0.07)
		for (int k = 1; k < 400; k = 3 * k) assert_true(near(chi_square_below(chi_square_quantile(p, k), k), p, 1e-12));
	assert_true(close_to(chi_square_quantile(0.95, 10), 18.307038053275146, 1e-12));
	assert_true(fisher_above(0, 3, 3) == 1 && isnan(fisher_above(NAN, 3, 3)));
}

static void robust_scales(void **state) {
	(void)state;
	struct rng rng = rng_make(4, "scale");
	double residual[20000], work[20000];
	for (size_t i = 0; i < COUNT_OF(residual); i++) residual[i] = 0.3 * rng_normal(&rng);
	assert_true(close_to(robust_scale(residual, COUNT_OF(residual), 5, work), 0.3, 0.02));
	for (size_t i = 0; i < 1000; i++) residual[i] = 1e6; /* a twentieth of nonsense moves it little */
	assert_true(close_to(robust_scale(residual, COUNT_OF(residual), 5, work), 0.3, 0.1));
	/* The five zeros of a fit that passes through five points do not count. */
	assert_true(close_to(robust_scale((double[]){0, 0, 0, 0, 0, 1, -1}, 7, 5, work), 1 / 0.67448975, 1e-12));
	assert_true(isnan(robust_scale(residual, 5, 5, work)));
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(eigenvectors_by_definition),
	    cmocka_unit_test(small_eigenvalues_keep_their_digits),
	    cmocka_unit_test(least_squares_against_all_active_sets),
	    cmocka_unit_test(equal_columns_do_not_break_it),
	    cmocka_unit_test(valleys_boxes_and_saddles),
	    cmocka_unit_test(quantiles),
	    cmocka_unit_test(chi_square_and_fisher),
	    cmocka_unit_test(robust_scales),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
