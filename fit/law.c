/* law.c - the robust sum over a table, and the search for its minimum by variable projection and a Newton polish. */
#include "fit/law.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The grid over each exponent: geometric, wide enough for every exponent that has been published and then some. The best
 * node of every cell of `cell` nodes a side is a start. */
struct grid {
	int nodes;  /* per exponent */
	int cell;   /* with one exponent every node is a cell */
	int rounds; /* of least squares at a node, reweighted towards the robust sum */
	int most;   /* starts, the best ones */
};
static const struct grid fine_grid = {.nodes = 20, .cell = 4, .rounds = 3, .most = 25};
static const struct grid coarse_grid = {
    .nodes = 6, .cell = 2, .rounds = 1, .most = 2}; /* beside a start that is near */
#define MOST_STARTS 25
#define NODE_LOW 0.03
#define NODE_HIGH 2.5
#define WORTH_THREADS 300 /* rows: below, all polishes take a few milliseconds */
#define GRID_ROWS 2048    /* more rows than this are thinned on the grid, which only has to find starts */

/* The box of the search. Coefficients are in units of the geometric mean loss at the centre of the table. */
#define COEFFICIENT_MOST 1e3
#define EXPONENT_LEAST 1e-3
#define EXPONENT_MOST 5.0

struct error *table_new(
    struct table *table, size_t count, int variables, const double *const *x, const double *loss, const int *group) {
	*table = (struct table){.count = count, .variables = variables};
	table->u = array_new(count * (size_t)variables, sizeof(double));
	table->y = array_new(count, sizeof(double));
	table->weight = array_new(count, sizeof(double));
	table->group = array_new(count, sizeof(int));
	if (!table->u || !table->y || !table->weight || !table->group) {
		table_free(table);
		return error_memory(count * (size_t)(variables + 3) * sizeof(double));
	}
	for (int k = 0; k < variables; k++) {
		for (size_t i = 0; i < count; i++) table->mean_u[k] += log(x[k][i]) / (double)count;
		for (size_t i = 0; i < count; i++)
			table->u[i * (size_t)variables + (size_t)k] = log(x[k][i]) - table->mean_u[k];
	}
	for (size_t i = 0; i < count; i++) table->mean_y += log(loss[i]) / (double)count;
	for (size_t i = 0; i < count; i++) {
		table->y[i] = log(loss[i]) - table->mean_y;
		table->weight[i] = 1;
		table->group[i] = group ? group[i] : (int)i;
		if (table->group[i] >= table->groups) table->groups = table->group[i] + 1;
	}
	return NULL;
}

void table_free(struct table *table) {
	free(table->u);
	free(table->y);
	free(table->weight);
	free(table->group);
	*table = (struct table){0};
}

double huber_sum(
    const struct law *law, const struct table *table, double delta, const double *x, double *gradient,
    double *hessian) {
	int p = law_parameters(law);
	double sum = 0, slope[MOST_PARAMETERS], bend[MOST_PARAMETERS * MOST_PARAMETERS];
	if (gradient) memset(gradient, 0, sizeof(double) * (size_t)p);
	if (hessian) memset(hessian, 0, sizeof(double) * (size_t)(p * p));
	for (size_t i = 0; i < table->count; i++) {
		double weight = table->weight[i];
		if (weight == 0) continue;
		const double *u = table->u + i * (size_t)table->variables;
		double loss = law->predict(x, u, gradient ? slope : NULL, hessian ? bend : NULL);
		if (!(loss > 0)) return INFINITY;
		double r = log(loss) - table->y[i];
		bool inside = fabs(r) <= delta;
		sum += weight * (inside ? r * r / 2 : delta * (fabs(r) - delta / 2));
		if (!gradient) continue;
		double psi = inside ? r : copysign(delta, r); /* the slope of huber at r */
		for (int j = 0; j < p; j++) {
			slope[j] /= loss; /* now of ln(prediction) */
			gradient[j] += weight * psi * slope[j];
		}
		if (!hessian) continue;
		double outer = weight * ((inside ? 1 : 0) - psi);
		for (int j = 0; j < p; j++)
			for (int k = 0; k <= j; k++)
				hessian[j * p + k] += outer * slope[j] * slope[k] + weight * psi * bend[j * p + k] / loss;
	}
	if (hessian)
		for (int j = 0; j < p; j++)
			for (int k = 0; k < j; k++) hessian[k * p + j] = hessian[j * p + k];
	return sum;
}

/* ------------------------------------------------------------------------------------------------------- polish --- */

struct problem {
	const struct law *law;
	const struct table *table;
	double delta;
	double scale; /* sum of weights times delta: slopes come out of order one */
};

static double evaluate(const void *data, const double *x, double *gradient, double *hessian) {
	const struct problem *problem = data;
	int p = law_parameters(problem->law);
	double value = huber_sum(problem->law, problem->table, problem->delta, x, gradient, hessian);
	for (int j = 0; gradient && j < p; j++) gradient[j] /= problem->scale;
	for (int j = 0; hessian && j < p * p; j++) hessian[j] /= problem->scale;
	return value / problem->scale;
}

static double total_weight(const struct table *table) {
	double total = 0;
	for (size_t i = 0; i < table->count; i++) total += table->weight[i];
	return total;
}

static double mean_residual(const struct law *law, const struct table *table, const double *x) {
	double sum = 0;
	for (size_t i = 0; i < table->count; i++) {
		if (table->weight[i] == 0) continue;
		double loss = law->predict(x, table->u + i * (size_t)table->variables, NULL, NULL);
		if (!(loss > 0)) return INFINITY;
		sum += table->weight[i] * fabs(log(loss) - table->y[i]);
	}
	return sum / total_weight(table);
}

/* From `start` down to a minimum. A robust sum with a small delta is full of kinks away from its minimum, so the search
 * begins with a delta of the size of the residuals, where it is nearly least squares, and shrinks it. */
static void polish(
    const struct law *law, const struct table *table, struct held held, const double *start,
    struct solution *solution) {
	int p = law_parameters(law);
	double total = total_weight(table);
	struct problem problem = {.law = law, .table = table};
	struct objective objective = {.count = p, .evaluate = evaluate, .data = &problem, .noise = 2 * DBL_EPSILON};
	for (int j = 0; j < p; j++) {
		objective.lower[j] = j < law->linear ? 0 : EXPONENT_LEAST;
		objective.upper[j] = j < law->linear ? COEFFICIENT_MOST : EXPONENT_MOST;
		if (j == held.index) objective.lower[j] = objective.upper[j] = held.value;
	}
	double x[MOST_PARAMETERS];
	memcpy(x, start, sizeof(double) * (size_t)p);
	if (held.index >= 0) x[held.index] = held.value;
	*solution = (struct solution){0};
	struct minimum minimum;
	double delta = 2 * mean_residual(law, table, x);
	if (!isfinite(delta)) delta = 1;
	for (; delta > 3 * FIT_DELTA; delta /= 10) {
		problem.delta = delta;
		problem.scale = total * delta;
		minimize(&objective, x, &minimum);
		solution->iterations += minimum.iterations;
		memcpy(x, minimum.x, sizeof(x));
	}
	problem.delta = FIT_DELTA;
	problem.scale = total * FIT_DELTA;
	minimize(&objective, x, &minimum);
	memcpy(solution->x, minimum.x, sizeof(solution->x));
	solution->iterations += minimum.iterations;
	solution->objective = minimum.value * problem.scale;
	solution->slope = minimum.slope;
	solution->stop = minimum.stop;
	solution->at_bound = minimum.at_bound;
	for (int j = 0; j < p; j++) solution->moved = fmax(solution->moved, fabs(solution->x[j] - start[j]));
}

/* --------------------------------------------------------------------------------------------------------- grid --- */

struct node {
	double x[MOST_PARAMETERS];
	double objective;
};

size_t law_work_size(const struct law *law, const struct table *table) {
	return table->count * (size_t)(law->linear + 1) * sizeof(double);
}

/* The best coefficients for the exponents in node->x: least squares on loss ratios, which are log residuals to first
 * order, reweighted towards the robust sum. */
static void solve_node(
    const struct law *law, const struct table *table, struct held held, int rounds, double *work, struct node *node) {
	size_t stride = (table->count + GRID_ROWS - 1) / GRID_ROWS;
	int linear = law->linear;
	double *terms = work, *loss = work + table->count * (size_t)linear;
	for (size_t i = 0; i < table->count; i += stride) {
		law->terms(node->x + linear, table->u + i * (size_t)table->variables, terms + i * (size_t)linear);
		loss[i] = exp(table->y[i]);
	}
	for (int round = 0; round < rounds; round++) {
		double gram[MOST_PARAMETERS * MOST_PARAMETERS] = {0}, right[MOST_PARAMETERS] = {0};
		for (size_t i = 0; i < table->count; i += stride) {
			const double *term = terms + i * (size_t)linear;
			double weight = table->weight[i] / (loss[i] * loss[i]);
			if (round > 0) {
				double predicted = 0;
				for (int j = 0; j < linear; j++) predicted += node->x[j] * term[j];
				double r = fabs(predicted / loss[i] - 1);
				if (r > FIT_DELTA) weight *= FIT_DELTA / r;
			}
			for (int j = 0; j < linear; j++) {
				right[j] += weight * term[j] * loss[i];
				for (int k = 0; k <= j; k++) gram[j * linear + k] += weight * term[j] * term[k];
			}
		}
		for (int j = 0; j < linear; j++)
			for (int k = 0; k < j; k++) gram[k * linear + j] = gram[j * linear + k];
		if (held.index >= 0 && held.index < linear) {
			/* Known: its share goes to the right side and it leaves the system. */
			int h = held.index;
			for (int j = 0; j < linear; j++) {
				right[j] -= gram[j * linear + h] * held.value;
				if (j != h) gram[j * linear + h] = gram[h * linear + j] = 0;
			}
			right[h] = gram[h * linear + h] * held.value;
		}
		nonnegative_least_squares(linear, gram, right, node->x);
	}
	node->objective = huber_sum(law, table, FIT_DELTA, node->x, NULL, NULL);
}

static double node_exponent(int index, int nodes) {
	return NODE_LOW * pow(NODE_HIGH / NODE_LOW, (double)index / (nodes - 1));
}

/* Puts `node` into the `most` best of `list`, best first. */
static void keep_best(struct node *list, int *count, int most, const struct node *node) {
	if (*count == most && list[most - 1].objective <= node->objective) return;
	int at = *count < most ? (*count)++ : most - 1;
	for (; at > 0 && list[at - 1].objective > node->objective; at--) list[at] = list[at - 1];
	list[at] = *node;
}

/* The starts that the grid offers, best first. Returns their number. */
static int search_grid(
    const struct law *law, const struct table *table, struct held held, const struct grid *grid, double *work,
    struct node *list) {
	bool two = law->exponents > 1;
	int cell = two ? grid->cell : 1, cells = grid->nodes / cell, count = 0;
	for (int c = 0; c < (two ? cells * cells : cells); c++) {
		struct node best = {.objective = INFINITY};
		for (int n = 0; n < (two ? cell * cell : cell); n++) {
			struct node node;
			node.x[law->linear] = node_exponent(c % cells * cell + n % cell, grid->nodes);
			if (two) node.x[law->linear + 1] = node_exponent(c / cells * cell + n / cell, grid->nodes);
			if (held.index >= law->linear) node.x[held.index] = held.value;
			solve_node(law, table, held, grid->rounds, work, &node);
			if (node.objective < best.objective) best = node;
		}
		if (isfinite(best.objective)) keep_best(list, &count, grid->most, &best);
	}
	return count;
}

/* ------------------------------------------------------------------------------------------------------- search --- */

/* Two searches came to the same objective: equal to 9 digits, or both zero to rounding (residuals of 1e-13). */
static bool same_objective(double a, double b, double total) {
	return fabs(a - b) <= 1e-9 * fmin(a, b) + total * 1e-26;
}

struct error *law_solve(const struct law *law, const struct table *table, struct held held, struct solution *solution) {
	int p = law_parameters(law), count;
	struct node starts[MOST_STARTS];
	struct solution found[MOST_STARTS];
	double *work = array_new(1, law_work_size(law, table) + 1);
	if (!work) return error_memory(law_work_size(law, table));
	count = search_grid(law, table, held, &fine_grid, work, starts);
	free(work);
	if (count == 0) {
		*solution = (struct solution){.objective = INFINITY, .slope = INFINITY, .stop = STOP_UNDEFINED};
		return NULL;
	}
#pragma omp parallel if (table->count > WORTH_THREADS)
	{
		machine_flush_denormals(); /* as in the main thread, or the last bits would depend on who does the work */
#pragma omp for schedule(dynamic)
		for (int k = 0; k < count; k++) polish(law, table, held, starts[k].x, &found[k]);
	}
	int best = 0;
	for (int k = 1; k < count; k++)
		if (found[k].objective < found[best].objective) best = k;
	*solution = found[best];
	solution->starts = count;
	double total = total_weight(table);
	for (int k = 0; k < count; k++) {
		if (!same_objective(found[k].objective, found[best].objective, total)) continue;
		solution->agreeing++;
		for (int j = 0; j < p; j++) solution->spread = fmax(solution->spread, fabs(found[k].x[j] - found[best].x[j]));
	}
	return NULL;
}

void law_refit(
    const struct law *law, const struct table *table, struct held held, const double *starts, int start_count,
    bool grid, double *work, struct solution *solution) {
	int p = law_parameters(law);
	struct node nodes[MOST_STARTS];
	int node_count = 0;
	if (grid) node_count = search_grid(law, table, held, &coarse_grid, work, nodes);
	*solution = (struct solution){.objective = INFINITY, .slope = INFINITY, .stop = STOP_UNDEFINED};
	for (int k = 0; k < start_count + node_count; k++) {
		struct solution trial;
		polish(law, table, held, k < start_count ? starts + k * p : nodes[k - start_count].x, &trial);
		if (trial.objective < solution->objective) *solution = trial;
	}
}
