/* approach2.c - the optimum at each budget by parabola and by Akima's cubic, how it scatters, and how it grows with C. */
#include "fit/approach.h"

#include "fit/law.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_MINIMA 3 /* for a slope */

const double bias_reach[BIAS_REACHES] = {10, 1000};

/* ----------------------------------------------------------------------------------------------------- one minimum --- */

/* ln N of the minimum of `loss` (n) over ln N = x (n), ascending; *lowest is the loss there. NaN at an edge. `work`: 2 n. */
static double minimum_of(
    enum optimum_method method, const double *x, const double *loss, size_t n, double *work, double *lowest) {
	if (method == BY_AKIMA) {
		double *y = work, *slope = work + n;
		for (size_t i = 0; i < n; i++) y[i] = log(loss[i]);
		akima_slopes(x, y, n, slope);
		struct akima_lowest found = akima_lowest(x, y, slope, n);
		*lowest = exp(found.y);
		return found.edge ? NAN : found.x;
	}
	double c[3];
	size_t best = 0;
	for (size_t i = 1; i < n; i++)
		if (loss[i] < loss[best]) best = i;
	fit_parabola(x, loss, n, c);
	double vertex = -c[1] / (2 * c[2]);
	*lowest = c[0] - c[1] * c[1] / (4 * c[2]);
	bool inside = c[2] > 0 && vertex >= x[0] && vertex <= x[n - 1] && best > 0 && best < n - 1;
	return inside ? vertex : NAN;
}

/* ------------------------------------------------------------------------------------------------------- replicates --- */

/* Room for the work on one method. */
struct scratch {
	double *x, *loss, *work;     /* (sizes), (sizes), (2 sizes) */
	double *at, *lowest;         /* (budgets, replicates) ln N* and the loss there; NaN at an edge */
	double *values;              /* (replicates) */
	double *C, *N, *D, *weight;  /* (budgets) of a line */
	double *slopes_N, *slopes_D; /* (replicates) */
};

static double *handed(double **memory, size_t count) {
	double *piece = *memory;
	*memory += count;
	return piece;
}

static double spread_of(const double *values, size_t n) {
	double mean = 0, squares = 0;
	for (size_t i = 0; i < n; i++) mean += values[i] / (double)n;
	for (size_t i = 0; i < n; i++) squares += (values[i] - mean) * (values[i] - mean);
	return sqrt(squares / (double)(n - 1));
}

/* The minimum of one budget, from the data and from replicates of them. */
static void find_optimum(
    enum optimum_method method, const struct budget *budget, double noise, size_t replicates, struct rng rng,
    struct scratch *scratch, double *at, double *lowest, struct optimum_found *found) {
	size_t n = budget->count, kept = 0;
	double plain_loss;
	for (size_t i = 0; i < n; i++) {
		scratch->x[i] = log(budget->points[i].N);
		scratch->loss[i] = budget->points[i].loss;
	}
	double plain = minimum_of(method, scratch->x, scratch->loss, n, scratch->work, &plain_loss);
	for (size_t r = 0; r < replicates; r++) {
		for (size_t i = 0; i < n; i++) scratch->loss[i] = budget->points[i].loss * exp(noise * rng_normal(&rng));
		at[r] = minimum_of(method, scratch->x, scratch->loss, n, scratch->work, &lowest[r]);
		if (!isnan(at[r])) scratch->values[kept++] = at[r];
	}
	*found = (struct optimum_found){
	    .N = NAN, .D = NAN, .loss = NAN, .std = NAN, .edge = isnan(plain), .thrown = replicates - kept};
	if (replicates > 0) found->edge = found->edge || kept * 2 <= replicates;
	if (found->edge) return;
	double log_N = plain;
	found->loss = plain_loss;
	if (replicates > 0) {
		found->std = kept > 1 ? spread_of(scratch->values, kept) : NAN;
		log_N = quantile_of(scratch->values, kept, 0.5);
		kept = 0;
		for (size_t r = 0; r < replicates; r++)
			if (!isnan(at[r])) scratch->values[kept++] = lowest[r];
		found->loss = quantile_of(scratch->values, kept, 0.5);
	}
	found->N = exp(log_N);
	found->D = exp(budget->offset - budget->slope * log_N);
}

/* The line through the budgets that stand, and its interval from a refit to each replicate. */
static void fit_lines(
    enum optimum_method method, const struct approach2 *approach, struct scratch *scratch, struct optimum_line *line) {
	const struct budgets *budgets = &approach->budgets;
	const struct optimum_found *found = approach->found[method];
	size_t replicates = approach->replicates, m = 0, refits = 0;
	bool weigh = replicates > 0;
	for (size_t b = 0; b < budgets->count; b++) {
		if (found[b].edge) continue;
		scratch->C[m] = budgets->items[b].C;
		scratch->N[m] = found[b].N;
		scratch->D[m] = found[b].D;
		scratch->weight[m++] = 1 / (found[b].std * found[b].std);
		weigh = weigh && isfinite(scratch->weight[m - 1]);
	}
	line->budgets = m;
	regress_logs(scratch->C, scratch->N, weigh ? scratch->weight : NULL, m < LEAST_MINIMA ? 0 : m, &line->N);
	regress_logs(scratch->C, scratch->D, weigh ? scratch->weight : NULL, m < LEAST_MINIMA ? 0 : m, &line->D);
	for (size_t r = 0; r < replicates && m >= LEAST_MINIMA; r++) {
		struct regression N, D;
		size_t k = 0;
		for (size_t b = 0; b < budgets->count; b++) {
			double log_N = scratch->at[b * replicates + r];
			if (found[b].edge || isnan(log_N)) continue;
			scratch->C[k] = budgets->items[b].C;
			scratch->N[k] = exp(log_N);
			scratch->D[k] = exp(budgets->items[b].offset - budgets->items[b].slope * log_N);
			scratch->weight[k++] = 1 / (found[b].std * found[b].std);
		}
		if (k < LEAST_MINIMA) continue;
		regress_logs(scratch->C, scratch->N, weigh ? scratch->weight : NULL, k, &N);
		regress_logs(scratch->C, scratch->D, weigh ? scratch->weight : NULL, k, &D);
		scratch->slopes_N[refits] = N.slope;
		scratch->slopes_D[refits++] = D.slope;
	}
	if (replicates == 0 || m < LEAST_MINIMA) return;
	line->N.slope_interval = interval_of(scratch->slopes_N, refits);
	line->D.slope_interval = interval_of(scratch->slopes_D, refits);
}

struct error *approach2_run(
    const struct budget_row *rows, size_t n, const struct budget_plan *plan, double noise, size_t replicates,
    uint64_t seed, struct approach2 *found) {
	*found = (struct approach2){.noise = noise, .replicates = noise > 0 ? replicates : 0};
	TRY(budgets_read(rows, n, plan, &found->budgets));
	size_t most = 0, budgets = found->budgets.count, count = found->replicates;
	for (size_t b = 0; b < budgets; b++)
		if (found->budgets.items[b].count > most) most = found->budgets.items[b].count;
	double *memory = array_new(4 * most + 2 * budgets * count + 3 * count + 4 * budgets + 1, sizeof(double)),
	       *free_from = memory;
	struct error *error = memory ? NULL : error_memory((4 * most + 2 * budgets * count) * sizeof(double));
	for (int method = 0; method < OPTIMUM_METHODS; method++) {
		found->found[method] = array_new(budgets + 1, sizeof *found->found[method]);
		if (!found->found[method] && !error) error = error_memory(budgets * sizeof *found->found[method]);
	}
	if (error) goto done;
	struct scratch scratch = {
	    .x = handed(&free_from, most), .loss = handed(&free_from, most), .work = handed(&free_from, 2 * most)};
	scratch.at = handed(&free_from, budgets * count);
	scratch.lowest = handed(&free_from, budgets * count);
	scratch.values = handed(&free_from, count);
	scratch.slopes_N = handed(&free_from, count);
	scratch.slopes_D = handed(&free_from, count);
	scratch.C = handed(&free_from, budgets);
	scratch.N = handed(&free_from, budgets);
	scratch.D = handed(&free_from, budgets);
	scratch.weight = handed(&free_from, budgets);
	for (int method = 0; method < OPTIMUM_METHODS; method++) {
		for (size_t b = 0; b < budgets; b++) {
			char stream[48]; /* of the budget alone: both methods see the same errors */
			snprintf(stream, sizeof stream, "approach2/%zu", b);
			find_optimum(
			    (enum optimum_method)method, &found->budgets.items[b], noise, count, rng_make(seed, stream), &scratch,
			    scratch.at + b * count, scratch.lowest + b * count, &found->found[method][b]);
		}
		fit_lines((enum optimum_method)method, found, &scratch, &found->line[method]);
	}
done:
	free(memory);
	if (error) approach2_free(found);
	return error;
}

void approach2_free(struct approach2 *found) {
	for (int method = 0; method < OPTIMUM_METHODS; method++) free(found->found[method]);
	budgets_free(&found->budgets);
	*found = (struct approach2){0};
}

/* --------------------------------------------------------------------------------------------------------------- bias --- */

/* ln N of the surface's own optimum where ln D = offset - slope ln N: there the derivative of A N^-alpha + B D^-beta by ln N
 * vanishes, alpha A N^-alpha = slope beta B exp(-beta offset) N^(slope beta). */
static double true_log_N(const struct fit_surface *surface, double offset, double slope) {
	double balance = log(surface->alpha * surface->A) - log(slope * surface->beta * surface->B);
	return (balance + surface->beta * offset) / (surface->alpha + slope * surface->beta);
}

/* With the edges kept: the vertex of every parabola that opens upwards. */
static struct error *bias_with_edges(
    const struct budgets *budgets, const struct regression *true_N, const struct regression *true_D,
    struct approach2_bias *bias) {
	size_t most = 1;
	for (size_t b = 0; b < budgets->count; b++)
		if (budgets->items[b].count > most) most = budgets->items[b].count;
	double *memory = array_new(2 * most + 3 * budgets->count + 1, sizeof *memory), *x = memory, *loss = x + most,
	       *C = loss + most, *N = C + budgets->count, *D = N + budgets->count;
	if (!memory) return error_memory(most * sizeof *memory);
	for (size_t b = 0; b < budgets->count; b++) {
		const struct budget *budget = &budgets->items[b];
		double c[3];
		for (size_t i = 0; i < budget->count; i++) {
			x[i] = log(budget->points[i].N);
			loss[i] = budget->points[i].loss;
		}
		fit_parabola(x, loss, budget->count, c);
		if (!(c[2] > 0)) continue;
		C[bias->kept] = budget->C;
		N[bias->kept] = exp(-c[1] / (2 * c[2]));
		D[bias->kept++] = exp(budget->offset + budget->slope * c[1] / (2 * c[2]));
	}
	struct regression line_N, line_D;
	size_t count = bias->kept < LEAST_MINIMA ? 0 : bias->kept;
	regress_logs(C, N, NULL, count, &line_N);
	regress_logs(C, D, NULL, count, &line_D);
	bias->kept_a = line_N.slope - true_N->slope;
	for (int k = 0; k < BIAS_REACHES; k++) {
		double at = bias_reach[k] * bias->largest;
		bias->kept_D[k] = regression_at(&line_D, at) / regression_at(true_D, at) - 1;
	}
	free(memory);
	return NULL;
}

struct error *approach2_bias_of(
    const struct budget_row *rows, size_t n, const struct budget_plan *plan, const struct fit_surface *surface,
    struct approach2_bias *bias) {
	struct approach2 found = {0};
	struct budget_row *exact = array_new(n + 1, sizeof *exact);
	double *memory = array_new(3 * plan->count + 1, sizeof *memory), *C = memory, *N = C + plan->count,
	       *D = N + plan->count;
	struct error *error = !exact || !memory ? error_memory(n * sizeof *exact) : NULL;
	*bias = (struct approach2_bias){.true_a = NAN, .largest = NAN};
	if (error) goto done;
	for (size_t i = 0; i < n; i++) {
		exact[i] = rows[i];
		exact[i].loss = fit_surface_loss(surface, rows[i].N, rows[i].D);
	}
	error = approach2_run(exact, n, plan, NAN, 0, 0, &found);
	if (error) goto done;
	struct regression true_N, true_D;
	size_t budgets = found.budgets.count;
	for (size_t b = 0; b < budgets; b++) {
		const struct budget *budget = &found.budgets.items[b];
		double log_N = true_log_N(surface, budget->offset, budget->slope);
		C[b] = bias->largest = budget->C;
		N[b] = exp(log_N);
		D[b] = exp(budget->offset - budget->slope * log_N);
	}
	regress_logs(C, N, NULL, budgets, &true_N);
	regress_logs(C, D, NULL, budgets, &true_D);
	bias->true_a = true_N.slope;
	for (int method = 0; method < OPTIMUM_METHODS; method++) {
		const struct optimum_line *line = &found.line[method];
		bias->budgets[method] = line->budgets;
		bias->a[method] = line->N.slope - true_N.slope;
		for (int k = 0; k < BIAS_REACHES; k++) {
			double at = bias_reach[k] * bias->largest;
			bias->D[method][k] = regression_at(&line->D, at) / regression_at(&true_D, at) - 1;
		}
	}
	error = bias_with_edges(&found.budgets, &true_N, &true_D, bias);
done:
	free(exact);
	free(memory);
	approach2_free(&found);
	return error;
}
