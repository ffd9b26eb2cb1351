/* linear.c - eigenvalues and non-negative least squares of matrices that fit in a few cache lines. */
#include "fit/numeric.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define SWEEPS 50 /* Jacobi converges quadratically; 6 to 8 sweeps are usual */

/* Makes a[p][q] zero by a rotation in the plane of p and q (Golub and Van Loan, Matrix Computations, 8.5). */
static void rotate(int n, double *a, double *v, int p, int q) {
	double off = a[p * n + q];
	if (off == 0) return;
	double theta = (a[q * n + q] - a[p * n + p]) / (2 * off);
	double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1));
	if (!isfinite(t)) t = 0;
	double c = 1 / sqrt(t * t + 1), s = t * c;
	for (int k = 0; k < n; k++) {
		double kp = a[k * n + p], kq = a[k * n + q];
		a[k * n + p] = c * kp - s * kq;
		a[k * n + q] = s * kp + c * kq;
	}
	for (int k = 0; k < n; k++) {
		double pk = a[p * n + k], qk = a[q * n + k];
		a[p * n + k] = c * pk - s * qk;
		a[q * n + k] = s * pk + c * qk;
	}
	a[p * n + q] = a[q * n + p] = 0;
	for (int k = 0; k < n; k++) {
		double kp = v[k * n + p], kq = v[k * n + q];
		v[k * n + p] = c * kp - s * kq;
		v[k * n + q] = s * kp + c * kq;
	}
}

void symmetric_eigen(int n, const double *matrix, double *values, double *vectors) {
	double a[MOST_PARAMETERS * MOST_PARAMETERS], v[MOST_PARAMETERS * MOST_PARAMETERS] = {0};
	memcpy(a, matrix, sizeof(double) * (size_t)(n * n));
	for (int i = 0; i < n; i++) v[i * n + i] = 1;
	for (int sweep = 0; sweep < SWEEPS; sweep++) {
		double off = 0;
		for (int p = 0; p < n; p++)
			for (int q = p + 1; q < n; q++) {
				/* Small against its own diagonal, not against the largest entry: tiny eigenvalues keep their digits. */
				double scale = sqrt(fabs(a[p * n + p])) * sqrt(fabs(a[q * n + q]));
				if (fabs(a[p * n + q]) <= DBL_EPSILON * scale) continue;
				off += fabs(a[p * n + q]);
				rotate(n, a, v, p, q);
			}
		if (off == 0) break;
	}
	int order[MOST_PARAMETERS];
	for (int i = 0; i < n; i++) {
		int at = i;
		for (; at > 0 && a[order[at - 1] * n + order[at - 1]] > a[i * n + i]; at--) order[at] = order[at - 1];
		order[at] = i;
	}
	for (int k = 0; k < n; k++) {
		values[k] = a[order[k] * n + order[k]];
		for (int i = 0; i < n; i++) vectors[i * n + k] = v[i * n + order[k]];
	}
}

bool factor_positive(int n, const double *matrix, double lost, double *factor) {
	for (int i = 0; i < n; i++)
		for (int j = 0; j <= i; j++) {
			double sum = matrix[i * n + j];
			for (int k = 0; k < j; k++) sum -= factor[i * n + k] * factor[j * n + k];
			if (j < i)
				factor[i * n + j] = sum / factor[j * n + j];
			else if (sum > lost * matrix[i * n + i] && sum > 0)
				factor[i * n + i] = sqrt(sum);
			else
				return false;
		}
	return true;
}

/* Solves gram x = right for the parameters of `set` by Cholesky's method and leaves the others at zero. A pivot that has
 * lost all its digits drops its parameter out of the set. */
static void solve_subset(int n, const double *gram, const double *right, bool *set, double *x) {
	double factor[MOST_PARAMETERS][MOST_PARAMETERS] = {0}, y[MOST_PARAMETERS] = {0};
	for (int i = 0; i < n; i++) {
		x[i] = 0;
		if (!set[i]) continue;
		for (int j = 0; j <= i; j++) {
			if (!set[j]) continue;
			double sum = gram[i * n + j];
			for (int k = 0; k < j; k++) sum -= factor[i][k] * factor[j][k];
			if (j < i)
				factor[i][j] = sum / factor[j][j];
			else if (sum > 16 * DBL_EPSILON * gram[i * n + i])
				factor[i][i] = sqrt(sum);
			else
				set[i] = false;
		}
		if (!set[i]) memset(factor[i], 0, sizeof(factor[i]));
	}
	for (int i = 0; i < n; i++) {
		if (!set[i]) continue;
		double sum = right[i];
		for (int k = 0; k < i; k++) sum -= factor[i][k] * y[k];
		y[i] = sum / factor[i][i];
	}
	for (int i = n - 1; i >= 0; i--) {
		if (!set[i]) continue;
		double sum = y[i];
		for (int k = i + 1; k < n; k++)
			if (set[k]) sum -= factor[k][i] * x[k];
		x[i] = sum / factor[i][i];
	}
}

void nonnegative_least_squares(int n, const double *gram, const double *right, double *x) {
	bool used[MOST_PARAMETERS] = {false}, refused[MOST_PARAMETERS] = {false};
	for (int i = 0; i < n; i++) x[i] = 0;
	for (int round = 0; round < 3 * n + 3; round++) {
		/* The unused parameter along which the sum of squares falls fastest. */
		int best = -1;
		double steepest = 0;
		for (int i = 0; i < n; i++) {
			if (used[i] || refused[i]) continue;
			double fall = right[i];
			for (int k = 0; k < n; k++) fall -= gram[i * n + k] * x[k];
			fall /= sqrt(gram[i * n + i]); /* of a column of length one */
			if (isfinite(fall) && fall > steepest) {
				steepest = fall;
				best = i;
			}
		}
		if (best < 0) return;
		used[best] = true;
		for (;;) {
			double trial[MOST_PARAMETERS];
			solve_subset(n, gram, right, used, trial);
			/* Walk from x towards trial until the first parameter reaches zero; that one leaves the set. */
			double part = 1;
			int leaves = -1;
			for (int i = 0; i < n; i++) {
				if (!used[i] || trial[i] > 0) continue;
				double reach = x[i] > 0 ? x[i] / (x[i] - trial[i]) : 0;
				if (leaves < 0 || reach < part) {
					part = reach;
					leaves = i;
				}
			}
			if (leaves >= 0) used[leaves] = false;
			for (int i = 0; i < n; i++) x[i] = used[i] ? x[i] + part * (trial[i] - x[i]) : 0;
			if (leaves < 0) break;
		}
		/* Rounding may throw the newcomer straight out again; asking for it once more would never end. */
		if (!used[best]) refused[best] = true;
	}
}
