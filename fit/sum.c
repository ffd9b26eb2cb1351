/* sum.c - the sum over a table of what its rows miss a law by, with its derivatives.
 *
 * Rows are taken in blocks: a law fills arrays of losses and their derivatives, one row beside the other, and everything
 * that follows is arithmetic on arrays, as wide as the machine allows. Blocks are summed in order, so that the sum is a
 * function of the table alone. */
#include "fit/elementary.h"
#include "fit/law.h"

#include <stdlib.h>
#include <string.h>

/* Where the law has no block of its own: row by row, every second derivative taken to be something. */
static void fill_block(
    const struct law *law, const double *x, const double *u, size_t variables, size_t count, int order,
    struct block *block) {
	int p = law_parameters(law);
	double slope[MOST_PARAMETERS], bend[MOST_PARAMETERS * MOST_PARAMETERS];
	for (size_t i = 0; i < count; i++) {
		block->loss[i] = law->predict(x, u + i * variables, order > 0 ? slope : NULL, order > 1 ? bend : NULL);
		for (int j = 0; order > 0 && j < p; j++) block->slope[j][i] = slope[j];
		for (int j = 0; order > 1 && j < p; j++)
			for (int k = 0; k <= j; k++) block->bend[TRIANGLE(j, k)][i] = bend[j * p + k];
	}
}

static void predict_block(
    const struct law *law, const struct table *table, const double *x, size_t at, size_t count, int order,
    struct block *block) {
	const double *u = table->u + at * (size_t)table->variables;
	if (law->block)
		law->block(x, u, (size_t)table->variables, count, order, block);
	else
		fill_block(law, x, u, (size_t)table->variables, count, order, block);
}

static double dot(const double *restrict a, const double *restrict b, size_t count) {
	double sum = 0;
#pragma omp simd reduction(+ : sum)
	for (size_t i = 0; i < count; i++) sum += a[i] * b[i];
	return sum;
}

/* How the miss r of a row becomes its part of the sum. All criteria are Huber's with some delta, times a unit that may
 * differ above and below. */
struct shape {
	bool logs; /* r is of ln loss; else of the loss */
	double delta, over, under;
};

static struct shape shape_of(const struct criterion *criterion, double delta) {
	switch (criterion->kind) {
	case OBJECTIVE_SQUARES:
		return (struct shape){false, INFINITY, 1, 1};
	case OBJECTIVE_LOG_SQUARES:
		return (struct shape){true, INFINITY, 1, 1};
	case OBJECTIVE_ASYMMETRIC:
		return (struct shape){true, delta, criterion->over / delta, criterion->under / delta};
	case OBJECTIVE_HUBER:
		break;
	}
	return (struct shape){true, delta, 1, 1};
}

/* r of every row of the block. False when a prediction that counts is not a positive number; rows of no weight miss by
 * nothing. */
static bool misses_of(
    bool logs, const struct block *block, const double *restrict y, const double *restrict weight, size_t count,
    double *restrict r) {
	const double *restrict loss = block->loss;
	int bad = 0;
	if (logs) {
#pragma omp simd reduction(+ : bad)
		for (size_t i = 0; i < count; i++) {
			bad += weight[i] != 0 && !(loss[i] > 0 && loss[i] < INFINITY);
			double miss = log_of(loss[i]) - y[i];
			r[i] = weight[i] == 0 ? 0 : miss;
		}
	} else {
#pragma omp simd reduction(+ : bad)
		for (size_t i = 0; i < count; i++) {
			bad += weight[i] != 0 && !(loss[i] > 0 && loss[i] < INFINITY);
			double miss = loss[i] - exp_of(y[i]);
			r[i] = weight[i] == 0 ? 0 : miss;
		}
	}
	return bad == 0;
}

/* Adds up to `sum`; into `pull` and `hold` what slopes and products of slopes are to be multiplied by. */
static double weigh(
    const struct shape *shape, const struct block *block, const double *restrict weight, const double *restrict r,
    size_t count, double *restrict pull, double *restrict hold) {
	const double *restrict loss = block->loss;
	double sum = 0, delta = shape->delta, over = shape->over, under = shape->under;
	bool logs = shape->logs;
#pragma omp simd reduction(+ : sum)
	for (size_t i = 0; i < count; i++) {
		double below = r[i] < -delta ? -delta : r[i], psi = below > delta ? delta : below;
		double w = weight[i] * (r[i] > 0 ? over : under);
		double unit = logs && weight[i] != 0 ? 1 / loss[i] : 1; /* from slopes of the prediction to slopes of r */
		sum += w * psi * (r[i] - psi / 2);
		double curvature = psi == r[i] ? 1 : 0;
		pull[i] = w * psi * unit;
		hold[i] = w * (logs ? curvature - psi : curvature) * unit * unit;
	}
	return sum;
}

double law_sum(
    const struct law *law, const struct table *table, double delta, const double *x, double *gradient,
    double *hessian) {
	int p = law_parameters(law), order = hessian ? 2 : gradient ? 1 : 0;
	struct shape shape = shape_of(&law->criterion, delta);
	struct block block;
	double sum = 0, r[BLOCK_ROWS], pull[BLOCK_ROWS], hold[BLOCK_ROWS], part[BLOCK_ROWS];
	if (gradient) memset(gradient, 0, sizeof(double) * (size_t)p);
	if (hessian) memset(hessian, 0, sizeof(double) * (size_t)(p * p));
	for (size_t at = 0; at < table->count; at += BLOCK_ROWS) {
		size_t count = table->count - at < BLOCK_ROWS ? table->count - at : BLOCK_ROWS;
		const double *weight = table->weight + at;
		predict_block(law, table, x, at, count, order, &block);
		if (!misses_of(shape.logs, &block, table->y + at, weight, count, r)) return INFINITY;
		sum += weigh(&shape, &block, weight, r, count, pull, hold);
		for (int j = 0; order > 0 && j < p; j++) gradient[j] += dot(pull, block.slope[j], count);
		for (int j = 0; order > 1 && j < p; j++) {
			for (size_t i = 0; i < count; i++) part[i] = hold[i] * block.slope[j][i];
			for (int k = 0; k <= j; k++) {
				double bend = dot(part, block.slope[k], count);
				if (!law->block || law->bends >> TRIANGLE(j, k) & 1)
					bend += dot(pull, block.bend[TRIANGLE(j, k)], count);
				hessian[j * p + k] += bend;
			}
		}
	}
	for (int j = 0; order > 1 && j < p; j++)
		for (int k = 0; k < j; k++) hessian[k * p + j] = hessian[j * p + k];
	if (gradient && law->tie_count) law_fold(law, x, gradient, hessian);
	return sum;
}

double law_mean_miss(const struct law *law, const struct table *table, const double *x, bool squared) {
	struct block block;
	double sum = 0, total = 0, r[BLOCK_ROWS];
	for (size_t at = 0; at < table->count; at += BLOCK_ROWS) {
		size_t count = table->count - at < BLOCK_ROWS ? table->count - at : BLOCK_ROWS;
		const double *weight = table->weight + at;
		predict_block(law, table, x, at, count, 0, &block);
		if (!misses_of(law->criterion.kind != OBJECTIVE_SQUARES, &block, table->y + at, weight, count, r))
			return INFINITY;
		for (size_t i = 0; i < count; i++) {
			sum += weight[i] * (squared ? r[i] * r[i] : fabs(r[i]));
			total += weight[i];
		}
	}
	return sum / total;
}

double law_objective(const struct law *law, const struct table *table, const double *x) {
	const struct criterion *criterion = &law->criterion;
	if (criterion->kind == OBJECTIVE_HUBER) return law_sum(law, table, criterion->delta, x, NULL, NULL);
	double sum = 0;
	for (size_t i = 0; i < table->count; i++) {
		double loss = law->predict(x, table->u + i * (size_t)table->variables, NULL, NULL);
		double r = log(loss) - table->y[i];
		if (criterion->kind == OBJECTIVE_SQUARES) r = exp(table->mean_y) * (loss - exp(table->y[i]));
		double rho =
		    criterion->kind == OBJECTIVE_ASYMMETRIC ? (r > 0 ? criterion->over : -criterion->under) * r : r * r;
		sum += table->weight[i] == 0 ? 0 : table->weight[i] * rho;
	}
	return sum;
}
