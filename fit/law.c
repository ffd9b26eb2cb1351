/* law.c - tables of logs, and the sum over their misses. */
#include "fit/law.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
		if (k == UNIQUE) table->mean_u[k] = table->mean_u[UNIQUE - 1];
		table->least_u[k] = INFINITY;
		table->most_u[k] = -INFINITY;
		for (size_t i = 0; i < count; i++) {
			double u = log(x[k][i]) - table->mean_u[k];
			table->u[i * (size_t)variables + (size_t)k] = u;
			table->least_u[k] = fmin(table->least_u[k], u);
			table->most_u[k] = fmax(table->most_u[k], u);
		}
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

/* rho of a miss, its slope and its curvature. */
static inline double miss(const struct criterion *criterion, double delta, double r, double *slope, double *curvature) {
	if (criterion->kind == OBJECTIVE_SQUARES || criterion->kind == OBJECTIVE_LOG_SQUARES) {
		*slope = r;
		*curvature = 1;
		return r * r / 2;
	}
	bool inside = fabs(r) <= delta;
	double unit = 1;
	if (criterion->kind == OBJECTIVE_ASYMMETRIC) unit = (r > 0 ? criterion->over : criterion->under) / delta;
	*slope = unit * (inside ? r : copysign(delta, r));
	*curvature = inside ? unit : 0;
	return unit * (inside ? r * r / 2 : delta * (fabs(r) - delta / 2));
}

double law_sum(
    const struct law *law, const struct table *table, double delta, const double *x, double *gradient,
    double *hessian) {
	int p = law_parameters(law);
	bool logs = law->criterion.kind != OBJECTIVE_SQUARES;
	double sum = 0, slope[MOST_PARAMETERS], bend[MOST_PARAMETERS * MOST_PARAMETERS];
	if (gradient) memset(gradient, 0, sizeof(double) * (size_t)p);
	if (hessian) memset(hessian, 0, sizeof(double) * (size_t)(p * p));
	for (size_t i = 0; i < table->count; i++) {
		double weight = table->weight[i], psi, curvature;
		if (weight == 0) continue;
		const double *u = table->u + i * (size_t)table->variables;
		double loss = law->predict(x, u, gradient ? slope : NULL, hessian ? bend : NULL);
		if (!(loss > 0)) return INFINITY;
		double r = logs ? log(loss) - table->y[i] : loss - exp(table->y[i]);
		sum += weight * miss(&law->criterion, delta, r, &psi, &curvature);
		if (!gradient) continue;
		double unit = logs ? 1 / loss : 1; /* from slopes of the prediction to slopes of r */
		for (int j = 0; j < p; j++) {
			slope[j] *= unit;
			gradient[j] += weight * psi * slope[j];
		}
		if (!hessian) continue;
		double outer = weight * (logs ? curvature - psi : curvature);
		for (int j = 0; j < p; j++)
			for (int k = 0; k <= j; k++)
				hessian[j * p + k] += outer * slope[j] * slope[k] + weight * psi * unit * bend[j * p + k];
	}
	if (hessian)
		for (int j = 0; j < p; j++)
			for (int k = 0; k < j; k++) hessian[k * p + j] = hessian[j * p + k];
	if (gradient && law->tie_count) law_fold(law, x, gradient, hessian);
	return sum;
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
