/* selection.c - which points a law takes, and the table they make. */
#include "fit/law.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAME_SIZE 1e-9 /* relative, as in design.c */
#define SAME_HORIZON 0.02

static double value_of(const struct fit_point *point, enum fit_variable variable) {
	return variable == FIT_N ? point->N : variable == FIT_D ? point->D : point->C;
}

static const struct fit_point *point_at(const struct selection *selection, size_t k) {
	return &selection->points->items[selection->rows[k]];
}

/* By C and, where that is equal, by loss: of equal costs the hull takes the best. */
static int by_compute(const void *a, const void *b, void *context) {
	const struct fit_point *items = context;
	const struct fit_point *x = &items[*(const size_t *)a], *y = &items[*(const size_t *)b];
	int order = (x->C > y->C) - (x->C < y->C);
	return order ? order : (x->loss > y->loss) - (x->loss < y->loss);
}

static int by_size_and_horizon(const void *a, const void *b, void *context) {
	const struct fit_point *items = context;
	const struct fit_point *x = &items[*(const size_t *)a], *y = &items[*(const size_t *)b];
	int order = (x->N > y->N) - (x->N < y->N);
	return order ? order : (x->D > y->D) - (x->D < y->D);
}

static int by_horizon(const void *a, const void *b, void *context) {
	const struct fit_point *items = context;
	const struct fit_point *x = &items[*(const size_t *)a], *y = &items[*(const size_t *)b];
	return (x->D > y->D) - (x->D < y->D);
}

static bool same_horizon(double a, double b) {
	return fabs(log(a / b)) <= log(1 + SAME_HORIZON);
}

/* Has the size from `first` to `end` a point of D? */
static bool has_horizon(const struct selection *selection, size_t first, size_t end, double D) {
	size_t low = first, high = end;
	/* Sizes that differ in the last digits only are one, and then not in order of D. */
	bool in_order = point_at(selection, first)->N == point_at(selection, end - 1)->N;
	for (; !in_order && low < end; low++)
		if (same_horizon(point_at(selection, low)->D, D)) return true;
	if (!in_order) return false;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		*(point_at(selection, middle)->D <= D ? &low : &high) = middle;
	}
	return same_horizon(point_at(selection, low)->D, D) ||
	       (high < end && same_horizon(point_at(selection, high)->D, D));
}

/* Where each size begins, and at the end of the list where the last one ends; the rows are by size. */
static size_t find_sizes(const struct selection *selection, size_t *begins) {
	size_t sizes = 0;
	for (size_t k = 0; k < selection->count; k++)
		if (k == 0 || point_at(selection, k)->N > point_at(selection, begins[sizes - 1])->N * (1 + SAME_SIZE))
			begins[sizes++] = k;
	begins[sizes] = selection->count;
	return sizes;
}

/* The largest D that every size has, within SAME_HORIZON; 0 when there is none. Rows are by size and horizon. */
static struct error *shared_horizon(const struct selection *selection, double *largest) {
	size_t *begins = array_new(selection->count + 2, sizeof *begins);
	if (!begins) return error_memory(selection->count * sizeof *begins);
	size_t sizes = find_sizes(selection, begins);
	*largest = 0;
	for (size_t k = 0; k < selection->count; k++) {
		double D = point_at(selection, k)->D;
		if (D <= *largest) continue;
		bool shared = true;
		for (size_t s = 0; s < sizes && shared; s++) shared = has_horizon(selection, begins[s], begins[s + 1], D);
		if (shared) *largest = D;
	}
	free(begins);
	return NULL;
}

/* Keeps of the rows, which are by C, those that lie below all before them and below every line between a cheaper and a
 * dearer one in (ln C, ln loss): corners of the lower convex hull, as far as it falls. */
static void keep_hull(struct selection *selection) {
	size_t kept = 0;
	for (size_t k = 0; k < selection->count; k++) {
		const struct fit_point *next = point_at(selection, k);
		if (kept > 0 && next->loss >= point_at(selection, kept - 1)->loss) continue;
		for (; kept > 1; kept--) {
			const struct fit_point *a = point_at(selection, kept - 2), *b = point_at(selection, kept - 1);
			double to_b = log(b->loss / a->loss) / log(b->C / a->C);
			double to_next = log(next->loss / a->loss) / log(next->C / a->C);
			if (to_b < to_next) break;
		}
		selection->rows[kept++] = selection->rows[k];
	}
	selection->count = kept;
}

struct error *select_rows(
    const struct fit_points *points, enum fit_variable variable, bool all, struct selection *selection) {
	size_t n = points->count, kept = 0;
	*selection = (struct selection){.points = points, .variable = variable, .count = n, .at = NAN};
	selection->rows = array_new(n + 1, sizeof *selection->rows);
	if (!selection->rows) return error_memory(n * sizeof *selection->rows);
	if (n == 0) return NULL;
	for (size_t i = 0; i < n; i++) selection->rows[i] = i;
	if (variable == FIT_C) {
		qsort_r(selection->rows, n, sizeof *selection->rows, by_compute, points->items);
		if (!all) keep_hull(selection);
		return NULL;
	}
	if (all && variable == FIT_D) {
		qsort_r(selection->rows, n, sizeof *selection->rows, by_horizon, points->items);
		return NULL;
	}
	qsort_r(selection->rows, n, sizeof *selection->rows, by_size_and_horizon, points->items);
	if (all) return NULL;
	double D = 0, N = point_at(selection, n - 1)->N;
	if (variable == FIT_N) TRY(shared_horizon(selection, &D));
	for (size_t k = 0; k < n; k++) {
		const struct fit_point *point = point_at(selection, k);
		bool takes = variable == FIT_N ? D > 0 && same_horizon(point->D, D) : point->N * (1 + SAME_SIZE) >= N;
		if (takes) selection->rows[kept++] = selection->rows[k];
	}
	selection->count = kept;
	if (variable == FIT_D || D > 0) selection->at = variable == FIT_N ? D : N;
	return NULL;
}

void selection_free(struct selection *selection) {
	free(selection->rows);
	*selection = (struct selection){0};
}

int selection_distinct(const struct selection *selection) {
	int distinct = 0;
	double found[MOST_PARAMETERS + 1];
	for (size_t i = 0; i < selection->count && distinct <= MOST_PARAMETERS; i++) {
		double x = value_of(point_at(selection, i), selection->variable);
		bool seen = false;
		for (int k = 0; k < distinct && !seen; k++) seen = fabs(found[k] / x - 1) <= SAME_SIZE;
		if (!seen) found[distinct++] = x;
	}
	return distinct;
}

bool design_is_a_line(const struct fit_design *design) {
	return design->one_line || design->sizes <= 1 || design->horizons <= 1;
}

struct error *selection_table(
    const struct selection *selection, const struct law *law, const double *unique, struct table *table) {
	size_t n = selection->count;
	double *columns = array_new((MOST_VARIABLES + 1) * n + 1, sizeof *columns);
	int *group = array_new(n + 1, sizeof *group), groups = 0;
	int *number = array_new((size_t)selection->points->rungs + 1, sizeof *number); /* of a rung, and one; 0: none yet */
	struct error *error = NULL;
	*table = (struct table){0};
	if (!columns || !group || !number) {
		error = error_memory(n * ((MOST_VARIABLES + 1) * sizeof *columns + sizeof *group));
		goto done;
	}
	double *x[MOST_VARIABLES], *loss = columns + MOST_VARIABLES * n;
	for (int k = 0; k < MOST_VARIABLES; k++) x[k] = columns + (size_t)k * n;
	for (size_t i = 0; i < n; i++) {
		const struct fit_point *point = point_at(selection, i);
		x[0][i] = law->variables == 1 ? value_of(point, selection->variable) : point->N;
		x[1][i] = point->D;
		x[UNIQUE][i] = unique ? unique[selection->rows[i]] : point->D;
		loss[i] = point->loss;
		if (number[point->rung] == 0) number[point->rung] = ++groups;
		group[i] = number[point->rung] - 1;
	}
	error = table_new(table, n, law->variables, (const double *const[]){x[0], x[1], x[2]}, loss, group);
	for (size_t i = 0; i < n && !error; i++) table->weight[i] = point_at(selection, i)->weight;
done:
	free(columns);
	free(group);
	free(number);
	return error;
}
