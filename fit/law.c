/* law.c - tables of logs. */
#include "fit/law.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FARTHEST_MEAN 2.0 /* of ln loss from its median */

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
	for (size_t i = 0; i < count; i++) {
		table->y[i] = log(loss[i]);
		table->mean_y += table->y[i] / (double)count;
	}
	/* One absurd loss must not move the others out of the search's box. */
	double median = quantile_of(table->y, count, 0.5);
	if (fabs(table->mean_y - median) > FARTHEST_MEAN) table->mean_y = median;
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
