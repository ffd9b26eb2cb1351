/* envelope.c - approach 1: the lower edge of all training curves, and how the size on it grows with compute. */
#include "fit/approach.h"

#include "fit/numeric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_POINTS 3
#define LEAST_SIZES 3
#define SAME_SIZE 1e-9

static int by_compute(const void *a, const void *b) {
	const struct budget_row *x = a, *y = b;
	int order = (x->C > y->C) - (x->C < y->C);
	if (order == 0) order = (x->loss > y->loss) - (x->loss < y->loss);
	return order ? order : (x->run > y->run) - (x->run < y->run);
}

/* ---------------------------------------------------------------------------------------------------- the lower edge --- */

/* `sorted` rows (n), those of run `skipped` not looked at. Corners of the lower convex hull of (ln C, ln loss), as far as it
 * falls, into `edge`; returns their number. */
static size_t hull(const struct budget_row *sorted, size_t n, int skipped, struct budget_row *edge) {
	size_t m = 0;
	for (size_t i = 0; i < n; i++) {
		const struct budget_row *row = &sorted[i];
		if (row->run == skipped || (m > 0 && row->loss >= edge[m - 1].loss)) continue;
		if (m > 0 && row->C <= edge[m - 1].C) continue; /* of one C the lowest came first */
		for (; m > 1; m--) {
			double to_last = log(edge[m - 1].loss / edge[m - 2].loss) / log(edge[m - 1].C / edge[m - 2].C);
			double to_new = log(row->loss / edge[m - 2].loss) / log(row->C / edge[m - 2].C);
			if (to_last < to_new) break;
		}
		edge[m++] = *row;
	}
	return m;
}

/* The lowest loss of every bucket of ln C, where it lies below all before. */
static size_t buckets(
    const struct budget_row *sorted, size_t n, int skipped, double per_decade, struct budget_row *edge) {
	size_t m = 0;
	double bucket = NAN;
	for (size_t i = 0; i < n; i++) {
		const struct budget_row *row = &sorted[i];
		if (row->run == skipped) continue;
		double at = floor(log10(row->C) * per_decade);
		bool opens = at != bucket;
		if (m > 0 && row->loss >= edge[m - 1].loss) continue;
		if (!opens) m--; /* lower than what this bucket had */
		bucket = at;
		edge[m++] = *row;
	}
	return m;
}

/* Leaves out the points of the smallest and of the largest size, whose optimum may lie beyond. */
static size_t leave_ends(struct budget_row *edge, size_t m, double smallest, double largest) {
	size_t kept = 0;
	for (size_t i = 0; i < m; i++)
		if (edge[i].N > smallest * (1 + SAME_SIZE) && edge[i].N * (1 + SAME_SIZE) < largest) edge[kept++] = edge[i];
	return kept;
}

/* ------------------------------------------------------------------------------------------------------------- choices --- */

struct work {
	const struct budget_row *sorted;
	size_t n;
	struct budget_row *edge;
	double *C, *N, *D;
};

static bool trace(
    const struct work *work, enum envelope_method method, double per_decade, bool inner, int skipped,
    struct envelope_choice *choice) {
	double smallest = INFINITY, largest = 0;
	for (size_t i = 0; i < work->n; i++) {
		if (work->sorted[i].run == skipped) continue;
		smallest = fmin(smallest, work->sorted[i].N);
		largest = fmax(largest, work->sorted[i].N);
	}
	size_t m = method == ENVELOPE_HULL ? hull(work->sorted, work->n, skipped, work->edge)
	                                   : buckets(work->sorted, work->n, skipped, per_decade, work->edge);
	size_t all = m;
	if (inner) m = leave_ends(work->edge, m, smallest, largest);
	*choice =
	    (struct envelope_choice){.method = method, .inner = inner, .points = m, .left_out = all - m, .without_N = NAN};
	for (size_t i = 0; i < m; i++) {
		work->C[i] = work->edge[i].C;
		work->N[i] = work->edge[i].N;
		work->D[i] = work->edge[i].D;
		choice->sizes += i == 0 || fabs(work->N[i] / work->N[i - 1] - 1) > SAME_SIZE;
	}
	bool enough = m >= LEAST_POINTS && choice->sizes >= LEAST_SIZES;
	regress_logs(work->C, work->N, NULL, enough ? m : 0, &choice->N);
	regress_logs(work->C, work->D, NULL, enough ? m : 0, &choice->D);
	return enough && !isnan(choice->N.slope);
}

/* Quenouille and Tukey: runs are what is independent, so each is left out once; Student's t with one freedom less than runs. */
static struct fit_interval jackknife(double slope, const double *without, size_t n) {
	double mean = 0, squares = 0;
	for (size_t i = 0; i < n; i++) mean += without[i] / (double)n;
	for (size_t i = 0; i < n; i++) squares += (without[i] - mean) * (without[i] - mean);
	if (n < 3) return (struct fit_interval){NAN, NAN};
	double error = sqrt(squares * (double)(n - 1) / (double)n);
	double reach = error * student_quantile(0.5 + FIT_LEVEL / 2, (double)n - 1);
	return (struct fit_interval){slope - reach, slope + reach};
}

static void add_choice(struct approach1 *found, const struct envelope_choice *choice) {
	found->low = fmin(found->low, choice->N.slope);
	found->high = fmax(found->high, choice->N.slope);
	found->choices[found->choice_count++] = *choice;
}

/* Marks the runs whose absence can move anything: those with a point on the edge, and those of the end sizes. */
static void mark_runs(
    const struct work *work, const struct envelope_options *how, const struct envelope_choice *chosen, bool *matters) {
	size_t smallest = 0, largest = 0;
	for (size_t i = 1; i < work->n; i++) {
		if (work->sorted[i].N < work->sorted[smallest].N) smallest = i;
		if (work->sorted[i].N > work->sorted[largest].N) largest = i;
	}
	size_t m = chosen->method == ENVELOPE_HULL ? hull(work->sorted, work->n, -1, work->edge)
	                                           : buckets(work->sorted, work->n, -1, how->per_decade, work->edge);
	for (size_t i = 0; i < m; i++) matters[work->edge[i].run] = true;
	matters[work->sorted[smallest].run] = matters[work->sorted[largest].run] = true;
}

/* The same with every run left out once: an interval, and the two that move the exponent most. */
static struct error *leave_each_out(
    const struct work *work, const struct envelope_options *how, int runs, struct approach1 *found) {
	double *N = array_new(2 * (size_t)runs + 1, sizeof *N), *D = N + runs;
	bool *matters = array_new((size_t)runs + 1, sizeof *matters);
	if (!N || !matters) {
		free(N);
		free(matters);
		return error_memory(2 * (size_t)runs * sizeof *N);
	}
	struct envelope_choice lowest = {.N.slope = INFINITY}, highest = {.N.slope = -INFINITY}, choice;
	size_t n = 0;
	const struct envelope_choice *chosen = &found->choices[0];
	mark_runs(work, how, chosen, matters);
	for (int run = 0; run < runs; run++) {
		if (!matters[run]) {
			N[n] = chosen->N.slope;
			D[n++] = chosen->D.slope;
			continue;
		}
		if (!trace(work, chosen->method, how->per_decade, chosen->inner, run, &choice)) continue;
		for (size_t i = 0; i < work->n; i++)
			if (work->sorted[i].run == run) choice.without_N = work->sorted[i].N;
		N[n] = choice.N.slope;
		D[n++] = choice.D.slope;
		if (choice.N.slope < lowest.N.slope) lowest = choice;
		if (choice.N.slope > highest.N.slope) highest = choice;
	}
	found->a_interval = jackknife(chosen->N.slope, N, n);
	found->b_interval = jackknife(chosen->D.slope, D, n);
	if (lowest.points > 0) add_choice(found, &lowest);
	if (highest.N.slope > lowest.N.slope) add_choice(found, &highest);
	free(N);
	free(matters);
	return NULL;
}

struct error *approach1_run(
    const struct budget_row *rows, size_t n, const struct envelope_options *how, struct approach1 *found) {
	*found = (struct approach1){.low = INFINITY, .high = -INFINITY, .a_interval = {NAN, NAN}, .b_interval = {NAN, NAN}};
	struct budget_row *sorted = array_new(2 * n + 1, sizeof *sorted);
	double *memory = array_new(3 * n + 1, sizeof *memory);
	struct error *error = !sorted || !memory ? error_memory(n * (2 * sizeof *sorted + 3 * sizeof *memory)) : NULL;
	if (error) goto done;
	memcpy(sorted, rows, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, by_compute);
	struct work work = {sorted, n, sorted + n, memory, memory + n, memory + 2 * n};
	int runs = 0;
	for (size_t i = 0; i < n; i++)
		if (rows[i].run >= runs) runs = rows[i].run + 1;
	found->runs = (size_t)runs;
	found->rows = n;
	/* The asked-for choice first; without its end sizes where enough is left. */
	enum envelope_method other = how->method == ENVELOPE_HULL ? ENVELOPE_BUCKETS : ENVELOPE_HULL;
	const struct {
		enum envelope_method method;
		bool inner;
	} tried[] = {{how->method, true}, {how->method, false}, {other, true}, {other, false}};
	for (size_t k = 0; k < COUNT_OF(tried); k++) {
		struct envelope_choice choice;
		if (!trace(&work, tried[k].method, how->per_decade, tried[k].inner, -1, &choice)) continue;
		add_choice(found, &choice);
		if (found->choice_count > 1) continue;
		found->corners = array_new(choice.points, sizeof *found->corners);
		if (!found->corners) {
			error = error_memory(choice.points * sizeof *found->corners);
			goto done;
		}
		for (size_t i = 0; i < choice.points; i++)
			found->corners[i] = (struct fit_optimum){work.edge[i].C, work.edge[i].N, work.edge[i].D, work.edge[i].loss};
	}
	if (found->choice_count > 0) error = leave_each_out(&work, how, runs, found);
done:
	free(sorted);
	free(memory);
	if (error) approach1_free(found);
	return error;
}

void approach1_free(struct approach1 *found) {
	free(found->corners);
	*found = (struct approach1){0};
}
