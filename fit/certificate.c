/* certificate.c - what speaks for a minimum being one. */
#include "fit/law.h"

#include <math.h>

#define SLOPE_MOST 1e-9 /* rounding leaves about 1e-13 */
#define FLAT 1e-12      /* eigenvalues below this part of the largest are zero */
#define LEAST_AGREEING 2

/* The largest eigenvalue over the smallest; NaN when that is not above zero. */
static double condition_of(int n, const double *matrix) {
	double values[MOST_PARAMETERS], vectors[MOST_PARAMETERS * MOST_PARAMETERS];
	if (n == 0) return NAN;
	symmetric_eigen(n, matrix, values, vectors);
	return values[0] > FLAT * values[n - 1] ? values[n - 1] / values[0] : NAN;
}

/* The rows and columns of `matrix` (p,p) whose parameter is neither tied nor in the set `without`. */
static int free_block(const struct law *law, uint32_t without, const double *matrix, double *block) {
	int list[MOST_PARAMETERS], n = 0, p = law_parameters(law);
	for (int j = 0; j < p; j++)
		if (!(without >> j & 1) && !law_tied(law, j)) list[n++] = j;
	for (int j = 0; j < n; j++)
		for (int k = 0; k < n; k++) block[j * n + k] = matrix[list[j] * p + list[k]];
	return n;
}

/* A minimum that one start found, or none, counts when a third of the searches from around it come back. */
static bool confirmed(const struct solution *solution) {
	return solution->around > 0 && 3 * solution->returned >= solution->around;
}

void law_certify(
    const struct law *law, const struct table *table, const struct solution *solution,
    struct fit_certificate *certificate) {
	int p = law_parameters(law);
	double gradient[MOST_PARAMETERS], hessian[MOST_PARAMETERS * MOST_PARAMETERS];
	double block[MOST_PARAMETERS * MOST_PARAMETERS], gram[MOST_PARAMETERS * MOST_PARAMETERS] = {0};
	*certificate = (struct fit_certificate){
	    .starts = solution->starts,
	    .agreeing = solution->agreeing,
	    .spread = solution->spread,
	    .moved = solution->moved,
	    .equals_start = solution->equals_start,
	    .around = solution->around,
	    .returned = solution->returned,
	    .gradient = solution->slope,
	    .iterations = solution->iterations,
	    .at_bound = solution->at_bound};
	law_sum(law, table, law->criterion.delta, solution->x, gradient, hessian);
	certificate->condition = condition_of(free_block(law, solution->at_bound, hessian, block), block);
	for (size_t i = 0; i < table->count; i++) {
		double slope[MOST_PARAMETERS];
		double loss = law_predict(law, solution->x, table->u + i * (size_t)table->variables, slope, NULL);
		for (int j = 0; j < p; j++)
			for (int k = 0; k < p; k++) gram[j * p + k] += table->weight[i] * slope[j] * slope[k] / (loss * loss);
	}
	certificate->design_condition = condition_of(free_block(law, 0, gram, block), block);
	if (law_free(law) == 0) return; /* nothing was searched for */

	/* Zero is a bound that nature sets for a floor; a vanished term or an exponent at the edge of the search is no fit. */
	if (solution->at_bound & ~law->floors)
		certificate->doubt = "a parameter other than E lies at a bound of the search";
	else if (!(solution->slope <= SLOPE_MOST))
		certificate->doubt = "the slope of the objective does not vanish";
	else if (solution->agreeing < LEAST_AGREEING && !confirmed(solution))
		certificate->doubt = "no second start came to the same objective";
	else if (solution->equals_start)
		certificate->doubt = "the solution equals a start of the search, from which nothing moved";
	else if (isnan(certificate->condition))
		certificate->doubt = "the objective is flat in some direction";
}

double law_rms(const struct law *law, const struct table *table, const double *x) {
	double sum = 0, total = 0;
	for (size_t i = 0; i < table->count; i++) {
		double r = log(law->predict(x, table->u + i * (size_t)table->variables, NULL, NULL)) - table->y[i];
		sum += table->weight[i] * r * r;
		total += table->weight[i];
	}
	return sqrt(sum / total);
}

void certificate_in_words(
    const struct fit_certificate *certificate, const char *const *names, uint32_t at_bound, struct text *out) {
	char around[64] = "";
	if (certificate->around > 0)
		snprintf(around, sizeof around, " and %d of %d around them", certificate->returned, certificate->around);
	text_add(
	    out,
	    "%d of %d starts agree%s, within %.2g; slope %.1e; condition %.3g of the Hessian, %.3g of the design; moved "
	    "%.2g; at a bound:",
	    certificate->agreeing, certificate->starts, around, certificate->spread, certificate->gradient,
	    certificate->condition, certificate->design_condition, certificate->moved);
	for (int j = 0; j < MOST_PARAMETERS; j++)
		if (at_bound >> j & 1) text_add(out, " %s", names[j]);
	if (at_bound == 0) text_add_string(out, " none");
	if (certificate->equals_start) text_add_string(out, "; ALARM: the solution equals a start");
}
