/* starts.c - the surface from the starts of Besiroglu et al. 2024 (arXiv 2404.10102), who took them from Hoffmann et al.:
 * all of them, each polished to the last digit. */
#include "fit/law.h"

#include <math.h>
#include <stdlib.h>

#define EXPONENTS 5    /* alpha, beta in {0, 0.5, .. 2} */
#define FLOORS 5       /* ln E in {-1, -0.5, .. 1} */
#define COEFFICIENTS 6 /* ln A, ln B in {0, 5, .. 25} */

struct error *fit_surface_from_published_starts(
    const struct fit_points *points, struct fit_surface_result *result, struct fit_starts *starts) {
	const struct law form = surface_law(&result->method), *law = &form;
	const int count = EXPONENTS * EXPONENTS * FLOORS * COEFFICIENTS * COEFFICIENTS;
	struct table table;
	struct solution best;
	size_t p = FIT_SURFACE_PARAMETERS;
	TRY(surface_table(points, &table));
	double *x = array_new((size_t)count * p, sizeof *x);
	if (!x) {
		table_free(&table);
		return error_memory((size_t)count * p * sizeof *x);
	}
	for (int k = 0; k < count; k++) {
		int rest = k;
		struct fit_surface start;
		start.alpha = 0.5 * (rest % EXPONENTS);
		rest /= EXPONENTS;
		start.beta = 0.5 * (rest % EXPONENTS);
		rest /= EXPONENTS;
		start.E = exp(0.5 * (rest % FLOORS) - 1);
		rest /= FLOORS;
		start.A = exp(5.0 * (rest % COEFFICIENTS));
		rest /= COEFFICIENTS;
		start.B = exp(5.0 * rest);
		surface_centred(&table, &start, x + (size_t)k * p);
	}
	struct error *error = law_solve_from(law, &table, x, count, &best, &starts->agreeing);
	if (!error) {
		starts->count = count;
		starts->objective = best.objective * objective_unit(&law->criterion, &table);
		starts->found = surface_of(&table, best.x);
		double zero = 1e-26 * (double)points->count; /* residuals of 1e-13 */
		starts->lower = best.objective < result->minimum * (1 - 1e-9) - zero;
		starts->missed = best.objective > result->minimum * (1 + 1e-9) + zero;
		if (starts->lower) {
			result->converged = false;
			result->certificate.doubt = "the published starts found a lower minimum than the grid";
		}
	}
	free(x);
	table_free(&table);
	return error;
}
