/* adapt.c - what is made least, and the delta of Huber's loss that suits the noise. */
#include "fit/law.h"

#include <math.h>
#include <stdlib.h>

struct criterion criterion_of(const struct fit_method *method) {
	bool asymmetric = method->objective == OBJECTIVE_ASYMMETRIC, named = method->delta > 0;
	return (struct criterion){
	    .kind = method->objective,
	    .delta = named        ? method->delta
	             : asymmetric ? FIT_CORNER
	                          : FIT_DELTA,
	    .over = method->over > 0 ? method->over : 1,
	    .under = method->under > 0 ? method->under : 1,
	    .adapts = method->objective == OBJECTIVE_HUBER && !named};
}

double objective_unit(const struct criterion *criterion, const struct table *table) {
	switch (criterion->kind) {
	case OBJECTIVE_SQUARES:
		return 2 * exp(2 * table->mean_y);
	case OBJECTIVE_LOG_SQUARES:
		return 2;
	default:
		return 1;
	}
}

/* Two digits, so that whoever names the delta that was printed gets the same fit. */
double delta_for(struct misses misses) {
	double delta = misses.scale * (misses.worst > FIT_GROSS * misses.scale ? FIT_TRIMMED : FIT_GROSS);
	if (!(delta > FIT_DELTA) || !isfinite(delta)) return FIT_DELTA;
	double unit = pow(10, floor(log10(delta)) - 1), digits = ceil(delta / unit);
	char text[32];
	snprintf(text, sizeof text, "%.1e", digits * unit); /* the double that the printed number is read as */
	return strtod(text, NULL);
}

struct error *law_misses(const struct law *law, const struct table *table, const double *x, struct misses *misses) {
	double *residual = array_new(2 * table->count + 1, sizeof *residual);
	size_t count = 0;
	if (!residual) return error_memory(2 * table->count * sizeof *residual);
	misses->worst = 0;
	for (size_t i = 0; i < table->count; i++) {
		if (table->weight[i] == 0) continue;
		double loss = law->predict(x, table->u + i * (size_t)table->variables, NULL, NULL);
		residual[count] = log(loss) - table->y[i];
		misses->worst = fmax(misses->worst, fabs(residual[count++]));
	}
	misses->scale = robust_scale(residual, count, law_free(law), residual + table->count);
	free(residual);
	return NULL;
}

struct error *law_solve_adapting(
    struct law *law, const struct table *table, struct solution *solution, struct solution *published) {
	struct misses misses;
	TRY(law_solve(law, table, HELD_NONE, solution));
	if (published) *published = *solution;
	/* A law with nothing to fit is evaluated, as published. */
	if (!law->criterion.adapts || !isfinite(solution->objective) || law_free(law) == 0) return NULL;
	TRY(law_misses(law, table, solution->x, &misses));
	law->criterion.delta = delta_for(misses);
	return law->criterion.delta > FIT_DELTA ? law_solve(law, table, HELD_NONE, solution) : NULL;
}
