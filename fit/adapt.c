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
double delta_for(double scale) {
	if (!(FIT_ADAPTED * scale > FIT_DELTA) || !isfinite(scale)) return FIT_DELTA;
	double unit = pow(10, floor(log10(FIT_ADAPTED * scale)) - 1), digits = ceil(FIT_ADAPTED * scale / unit);
	char text[32];
	snprintf(text, sizeof text, "%.1e", digits * unit); /* the double that the printed number is read as */
	return strtod(text, NULL);
}

struct error *law_scale(const struct law *law, const struct table *table, const double *x, double *scale) {
	double *residual = array_new(2 * table->count + 1, sizeof *residual);
	size_t count = 0;
	if (!residual) return error_memory(2 * table->count * sizeof *residual);
	for (size_t i = 0; i < table->count; i++) {
		if (table->weight[i] == 0) continue;
		double loss = law->predict(x, table->u + i * (size_t)table->variables, NULL, NULL);
		residual[count++] = log(loss) - table->y[i];
	}
	*scale = robust_scale(residual, count, law_free(law), residual + table->count);
	free(residual);
	return NULL;
}

struct error *law_solve_adapting(
    struct law *law, const struct table *table, struct solution *solution, struct solution *published) {
	double scale;
	TRY(law_solve(law, table, HELD_NONE, solution));
	if (published) *published = *solution;
	/* A law with nothing to fit is evaluated, as published. */
	if (!law->criterion.adapts || !isfinite(solution->objective) || law_free(law) == 0) return NULL;
	TRY(law_scale(law, table, solution->x, &scale));
	law->criterion.delta = delta_for(scale);
	return law->criterion.delta > FIT_DELTA ? law_solve(law, table, HELD_NONE, solution) : NULL;
}
