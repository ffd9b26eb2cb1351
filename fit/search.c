/* search.c - the minimum of a law's sum: starts by variable projection on a grid, each polished by Newton's method. */
#include "fit/search.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct grid fine_grid = {.fine = true, .cells = 25, .rounds = 3, .most = 25};
static const struct grid coarse_grid = {
    .fine = false, .cells = 9, .rounds = 1, .most = GRID_ALL}; /* beside a near start */
#define WORTH_THREADS 300                                      /* rows: below, all polishes take a few milliseconds */
#define ON_THE_WAY 1e-2 /* slope, of order one, at which a search with a larger delta hands over to the next */
#define NOT_MOVED 1e-9
#define MISSES_OF_SQUARES 2.0 /* mean misses below delta of which Huber's criterion has few kinks */
#define MOST_ROUNDS 4         /* of searches around the best */
#define MOST_AROUND (MOST_ROUNDS * 6 * MOST_PARAMETERS)
#define LONGEST_AROUND 2.0      /* of a step, in centred coordinates */
#define SLOPE_OF_A_MINIMUM 1e-9 /* as in certificate.c */

/* Where the search may go. */
static void box_of(
    const struct law *law, const struct table *table, struct held held, int j, double *lower, double *upper) {
	const struct law_parameter *parameter = &law->parameters[j];
	*lower = parameter->least;
	*upper = parameter->most;
	if (parameter->role == ROLE_POSITION) {
		double low = table->least_u[parameter->variable], high = table->most_u[parameter->variable];
		double middle = (low + high) / 2, half = fmax((high - low) / 2, 1e-3);
		*lower = middle + half * parameter->least;
		*upper = middle + half * parameter->most;
	}
	if (j == held.index) *lower = *upper = held.value;
}

/* ------------------------------------------------------------------------------------------------------- polish --- */

struct problem {
	const struct law *law;
	const struct table *table;
	double delta;
	double scale; /* slopes of the sum over this come out of order one */
};

static double evaluate(const void *data, const double *point, double *gradient, double *hessian) {
	const struct problem *problem = data;
	const struct law *law = problem->law;
	int p = law_parameters(law);
	double x[MOST_PARAMETERS];
	memcpy(x, point, sizeof(double) * (size_t)p);
	law_complete(law, x);
	double value = law_sum(law, problem->table, problem->delta, x, gradient, hessian);
	for (int j = 0; gradient && j < p; j++) gradient[j] /= problem->scale;
	for (int j = 0; hessian && j < p * p; j++) hessian[j] /= problem->scale;
	return value / problem->scale;
}

static double total_weight(const struct table *table) {
	double total = 0;
	for (size_t i = 0; i < table->count; i++) total += table->weight[i];
	return total;
}

static bool is_squares(const struct law *law) {
	return law->criterion.kind == OBJECTIVE_SQUARES || law->criterion.kind == OBJECTIVE_LOG_SQUARES;
}

/* The slope that the rows could give together: all of them pulling one way. Squares have no such bound, and get what misses
 * of their own size would give. */
static double scale_of(const struct law *law, const struct table *table, double delta, const double *x) {
	double total = total_weight(table);
	if (is_squares(law)) {
		double rms = sqrt(law_mean_miss(law, table, x, true));
		return total * (isfinite(rms) ? fmax(rms, FIT_DELTA) : 1);
	}
	if (law->criterion.kind == OBJECTIVE_ASYMMETRIC) return total * fmax(law->criterion.over, law->criterion.under);
	return total * delta;
}

/* From `start` down to a minimum; `direct`: to the one it lies next to. A robust sum with a small delta is full of kinks
 * away from its minimum, so the search begins with a delta of the size of the residuals, where it is nearly least squares,
 * and shrinks it. Squares have no kinks; theirs is gone down twice because the first descent changes the scale of the
 * misses. */
static void polish(
    const struct law *law, const struct table *table, struct held held, const double *start, bool direct,
    struct solution *solution) {
	int p = law_parameters(law);
	struct problem problem = {.law = law, .table = table};
	struct objective objective = {.count = p, .evaluate = evaluate, .data = &problem, .noise = 2 * DBL_EPSILON};
	double x[MOST_PARAMETERS];
	memcpy(x, start, sizeof(double) * (size_t)p);
	for (int j = 0; j < p; j++) {
		box_of(law, table, held, j, &objective.lower[j], &objective.upper[j]);
		if (law_tied(law, j)) objective.lower[j] = objective.upper[j] = x[j];
	}
	if (held.index >= 0) x[held.index] = held.value;
	law_complete(law, x);
	*solution = (struct solution){0};
	struct minimum minimum;
	double last = law->criterion.delta, delta = 2 * law_mean_miss(law, table, x, false);
	if (!isfinite(delta)) delta = 1;
	if (is_squares(law)) delta = 4 * last; /* one descent before the last */
	if (direct) delta = last;
	for (;; delta /= 10) {
		bool final = !(delta > 3 * last);
		problem.delta = final ? last : delta;
		objective.enough = final ? 0 : ON_THE_WAY;
		problem.scale = scale_of(law, table, problem.delta, x);
		minimize(&objective, x, &minimum);
		solution->iterations += minimum.iterations;
		memcpy(x, minimum.x, sizeof(x));
		law_complete(law, x);
		if (final) break;
	}
	memcpy(solution->x, x, sizeof(solution->x));
	solution->objective = minimum.value * problem.scale;
	solution->slope = minimum.slope;
	solution->stop = minimum.stop;
	solution->at_bound = minimum.at_bound;
	for (int j = 0; j < p; j++) solution->moved = fmax(solution->moved, fabs(solution->x[j] - start[j]));
}

/* ------------------------------------------------------------------------------------------------------- starts --- */

/* Of a large table on the way there only the rows that the grid was searched with. */
static void polish_from_grid(
    const struct law *law, const struct table *table, const struct table *thin, struct held held, const double *start,
    struct solution *solution) {
	struct solution rough;
	if (thin->count == table->count) {
		polish(law, table, held, start, false, solution);
		return;
	}
	polish(law, thin, held, start, false, &rough);
	polish(law, table, held, rough.x, false, solution);
	solution->iterations += rough.iterations;
	solution->moved = fmax(solution->moved, rough.moved);
}

/* A law without exponents has one node, which is its solution or nearly so: starts from elsewhere for the certificate. */
static void add_starts(const struct law *law, const struct table *table, struct node *list, int *count) {
	for (int k = 1; *count == k && k < FEW_STARTS && law_free(law) > 0; k++) {
		struct node node = list[0];
		for (int j = 0; j < law->linear; j++) node.x[j] *= k == 1 ? 1.5 : j ? 0.5 : 1;
		law_complete(law, node.x);
		node.objective = law_sum(law, table, law->criterion.delta, node.x, NULL, NULL);
		if (isfinite(node.objective)) list[(*count)++] = node;
	}
}

/* ------------------------------------------------------------------------------------------------------- search --- */

/* Two searches came to the same objective: equal to 9 digits, or as far as rounding lets digits be had, which is 1e-15 in every
 * residual; or both zero to rounding (residuals of 1e-13). */
static bool same_objective(const struct law *law, const struct table *table, double a, double b) {
	double zero = total_weight(table) * 1e-26;
	if (law->criterion.kind == OBJECTIVE_ASYMMETRIC)
		zero *= fmax(law->criterion.over, law->criterion.under) / law->criterion.delta;
	double least = fmin(a, b), rounding = 4 * DBL_EPSILON * sqrt(2 * total_weight(table) * least);
	return fabs(a - b) <= 1e-9 * least + rounding + zero;
}

/* All searches of a solve. */
struct searches {
	struct solution found[MOST_STARTS + MOST_AROUND];
	int starts, count, best; /* of the grid; with those around its best; the lowest */
};

static bool agrees(const struct law *law, const struct table *table, const struct searches *searches, int k) {
	return same_objective(law, table, searches->found[k].objective, searches->found[searches->best].objective);
}

static void search_starts(
    const struct law *law, const struct table *table, const struct table *thin, struct held held,
    const struct node *starts, struct searches *searches) {
#pragma omp parallel if (table->count > WORTH_THREADS)
	{
		machine_flush_denormals(); /* as in the main thread, or the last bits would depend on who does the work */
#pragma omp for schedule(dynamic)
		for (int k = 0; k < searches->starts; k++)
			polish_from_grid(law, table, thin, held, starts[k].x, &searches->found[k]);
	}
	searches->count = searches->starts;
	for (int k = 1; k < searches->count; k++)
		if (searches->found[k].objective < searches->found[searches->best].objective) searches->best = k;
}

/* Where starts disagree there are several minima, and perhaps a lower one that none has found: searches from around the
 * best, out along every axis of its curvature as far as the objective would rise by a part of itself if it were a
 * parabola. A lower one becomes the centre of the next round. Returns how many of the last round came back. */
static int search_around(
    const struct law *law, const struct table *table, struct held held, struct searches *searches, int *around) {
	static const double rises[] = {1e-3, 1e-2, 1e-1};
	int p = law_parameters(law), returned = 0;
	*around = 0;
	for (int round = 0; round < MOST_ROUNDS; round++) {
		const struct solution centre = searches->found[searches->best];
		double gradient[MOST_PARAMETERS], hessian[MOST_PARAMETERS * MOST_PARAMETERS];
		double block[MOST_PARAMETERS * MOST_PARAMETERS], values[MOST_PARAMETERS];
		double axes[MOST_PARAMETERS * MOST_PARAMETERS];
		int list[MOST_PARAMETERS], n = 0, first = searches->count;
		law_sum(law, table, law->criterion.delta, centre.x, gradient, hessian);
		for (int j = 0; j < p; j++)
			if (!law_tied(law, j) && j != held.index && !(centre.at_bound >> j & 1)) list[n++] = j;
		for (int j = 0; j < n; j++)
			for (int k = 0; k < n; k++) block[j * n + k] = hessian[list[j] * p + list[k]];
		symmetric_eigen(n, block, values, axes);
		for (int k = 0; k < n; k++)
			for (int s = 0; s < 2 * (int)COUNT_OF(rises); s++) {
				double rise = rises[s / 2] * centre.objective, curvature = fmax(values[k], DBL_MIN);
				double length = fmin(sqrt(2 * rise / curvature), LONGEST_AROUND) * (s % 2 ? 1 : -1);
				double start[MOST_PARAMETERS];
				memcpy(start, centre.x, sizeof start);
				for (int j = 0; j < n; j++) start[list[j]] += length * axes[j * n + k];
				polish(law, table, held, start, true, &searches->found[searches->count++]);
			}
		returned = 0;
		*around = searches->count - first;
		for (int k = first; k < searches->count; k++) {
			returned += same_objective(law, table, searches->found[k].objective, centre.objective);
			if (searches->found[k].objective < searches->found[searches->best].objective) searches->best = k;
		}
		if (same_objective(law, table, searches->found[searches->best].objective, centre.objective)) break;
	}
	return returned;
}

/* The distinct minima, lowest first, and how many searches ended in each. */
static void list_minima(
    const struct law *law, const struct table *table, const struct searches *searches, struct solution *solution) {
	bool listed[MOST_STARTS + MOST_AROUND] = {false};
	while (solution->minimum_count < LAW_MINIMA) {
		int lowest = -1;
		for (int k = 0; k < searches->count; k++) {
			const struct solution *at = &searches->found[k];
			if (listed[k] || at->slope > SLOPE_OF_A_MINIMUM || !isfinite(at->objective)) continue;
			if (lowest < 0 || at->objective < searches->found[lowest].objective) lowest = k;
		}
		if (lowest < 0) return;
		struct law_minimum *minimum = &solution->minima[solution->minimum_count++];
		*minimum = (struct law_minimum){.objective = searches->found[lowest].objective};
		memcpy(minimum->x, searches->found[lowest].x, sizeof minimum->x);
		for (int k = 0; k < searches->count; k++) {
			if (listed[k] || !same_objective(law, table, searches->found[k].objective, minimum->objective)) continue;
			listed[k] = true;
			minimum->searches++;
		}
	}
}

struct error *law_solve(const struct law *law, const struct table *table, struct held held, struct solution *solution) {
	int p = law_parameters(law);
	struct node starts[MOST_STARTS];
	*solution = (struct solution){.objective = INFINITY, .slope = INFINITY, .stop = STOP_UNDEFINED};
	double *work = array_new(1, law_work_size(law, table) + 1);
	struct searches *searches = array_new(1, sizeof *searches);
	if (!work || !searches) {
		free(work);
		free(searches);
		return error_memory(law_work_size(law, table) + sizeof *searches);
	}
	struct table thin;
	searches->starts = search_grid(law, &thin, held, &fine_grid, thin_table(table, work, &thin), starts);
	if (searches->starts == 0) goto done;
	add_starts(law, &thin, starts, &searches->starts);
	search_starts(law, table, &thin, held, starts, searches);
	int agreeing = 0, around = 0, returned = 0;
	for (int k = 0; k < searches->starts; k++) agreeing += agrees(law, table, searches, k);
	if (agreeing < searches->starts && !same_objective(law, table, searches->found[searches->best].objective, 0))
		returned = search_around(law, table, held, searches, &around);
	const struct solution *best = &searches->found[searches->best];
	*solution = *best;
	solution->starts = searches->starts;
	solution->around = around;
	solution->returned = returned;
	double moved = 0;
	for (int k = 0; k < searches->count; k++) {
		const struct solution *other = &searches->found[k];
		if (!agrees(law, table, searches, k)) continue;
		solution->agreeing += k < searches->starts;
		moved = fmax(moved, other->moved);
		for (int j = 0; j < p; j++) solution->spread = fmax(solution->spread, fabs(other->x[j] - best->x[j]));
	}
	solution->equals_start = moved <= NOT_MOVED && law_free(law) > 0;
	list_minima(law, table, searches, solution);
done:
	free(work);
	free(searches);
	return NULL;
}

struct error *law_solve_from(
    const struct law *law, const struct table *table, const double *starts, int count, struct solution *solution,
    int *agreeing) {
	size_t p = (size_t)law_parameters(law);
	double *objectives = array_new((size_t)count + 1, sizeof *objectives);
	double *ends = array_new((size_t)count * p + 1, sizeof *ends);
	*solution = (struct solution){.objective = INFINITY, .slope = INFINITY, .stop = STOP_UNDEFINED};
	*agreeing = 0;
	if (!objectives || !ends) {
		free(objectives);
		free(ends);
		return error_memory((size_t)count * (p + 1) * sizeof *ends);
	}
#pragma omp parallel
	{
		machine_flush_denormals();
#pragma omp for schedule(dynamic, 16)
		for (int k = 0; k < count; k++) {
			struct solution found;
			polish(law, table, HELD_NONE, starts + (size_t)k * p, false, &found);
			/* Where no slope is left it is a minimum, or a saddle that a term without size makes of its exponent. */
			objectives[k] = found.slope <= SLOPE_OF_A_MINIMUM ? found.objective : INFINITY;
			memcpy(ends + (size_t)k * p, found.x, sizeof *ends * p);
		}
	}
	int best = 0;
	for (int k = 1; k < count; k++)
		if (objectives[k] < objectives[best]) best = k;
	for (int k = 0; k < count; k++) *agreeing += same_objective(law, table, objectives[k], objectives[best]);
	polish(law, table, HELD_NONE, ends + (size_t)best * p, true, solution);
	free(objectives);
	free(ends);
	return NULL;
}

/* A minimum inside the box, where the criterion is nearly one of squares. */
static bool is_plain(const struct law *law, const struct table *table, const struct solution *solution) {
	if (solution->at_bound || !(solution->slope <= SLOPE_OF_A_MINIMUM)) return false;
	return is_squares(law) || law->criterion.delta >= MISSES_OF_SQUARES * law_mean_miss(law, table, solution->x, false);
}

void law_refit(
    const struct law *law, const struct table *table, struct held held, const double *starts, int start_count, int grid,
    double *work, struct solution *solution) {
	int p = law_parameters(law), node_count = 0;
	struct node nodes[MOST_STARTS];
	struct table thin;
	*solution = (struct solution){.objective = INFINITY, .slope = INFINITY, .stop = STOP_UNDEFINED};
	for (int k = 0; k < start_count; k++) {
		struct solution trial;
		polish(law, table, held, starts + k * p, false, &trial);
		if (trial.objective < solution->objective) *solution = trial;
	}
	if (table->count > LARGE_TABLE) grid = GRID_NONE;
	if (grid == GRID_DOUBT) grid = is_plain(law, table, solution) ? GRID_NONE : GRID_FEW;
	if (grid > 0) node_count = search_grid(law, &thin, held, &coarse_grid, thin_table(table, work, &thin), nodes);
	if (node_count > grid) node_count = grid;
	for (int k = 0; k < node_count; k++) {
		struct solution trial;
		polish_from_grid(law, table, &thin, held, nodes[k].x, &trial);
		if (trial.objective < solution->objective) *solution = trial;
	}
}
