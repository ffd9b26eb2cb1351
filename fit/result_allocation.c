/* result_allocation.c - the best use of compute in fit.json; docs/formats.md describes it. */
#include "fit/result.h"

static const char *const variable_names[] = {"N", "D", "C"};

void write_allocation(struct writer *writer, cJSON *root, const struct allocation_view *view) {
	const struct fit_allocation *allocation = view->allocation;
	cJSON *object = object_in(writer, root, "allocation");
	const double exponents[] = {allocation->a, allocation->b, allocation->G};
	static const char *const names[] = {"a", "b", "G"};
	for (size_t k = 0; k < COUNT_OF(names); k++) {
		if (view->refused)
			string(writer, object, names[k], NULL);
		else
			number(writer, object, names[k], exponents[k]);
	}
	interval(writer, object, "a_interval", allocation->a_interval);
	string(writer, object, "flops", "6ND");
	cJSON *table = array_in(writer, object, "table");
	for (size_t i = 0; i < allocation->count; i++) {
		const struct fit_allocation_row *row = &allocation->rows[i];
		cJSON *at = object_at_end(writer, table);
		number(writer, at, "C", row->optimum.C);
		number(writer, at, "N", row->optimum.N);
		number(writer, at, "D", row->optimum.D);
		number(writer, at, "D_per_N", row->optimum.D / row->optimum.N);
		number(writer, at, "loss", row->optimum.loss);
		interval(writer, at, "N_interval", row->N);
		interval(writer, at, "D_interval", row->D);
		interval(writer, at, "D_per_N_interval", row->D_per_N);
		boolean(writer, at, "extrapolated", row->extrapolated);
		boolean(writer, at, "determined", row->determined);
	}
	cJSON *halving = object_in(writer, root, "halving");
	const bool known[] = {view->knows_alpha, view->knows_beta, view->knows_alpha && view->knows_beta};
	for (int variable = FIT_N; variable <= FIT_C; variable++) {
		cJSON *of = object_in(writer, halving, variable_names[variable]);
		number(writer, of, "factor", allocation->halving[variable]);
		interval(writer, of, "interval", allocation->halving_interval[variable]);
		boolean(writer, of, "determined", known[variable]);
	}
}

static void add_optimum(struct writer *writer, cJSON *object, const struct fit_optimum *optimum) {
	number(writer, object, "N", optimum->N);
	number(writer, object, "D", optimum->D);
	number(writer, object, "loss", optimum->loss);
}

void write_budget_points(struct writer *writer, cJSON *budget, const struct fit_optimum *points, size_t count) {
	cJSON *array = array_in(writer, budget, "points");
	for (size_t i = 0; i < count; i++) add_optimum(writer, object_at_end(writer, array), &points[i]);
}

void write_isoflops(struct writer *writer, cJSON *root, const struct allocation_view *view) {
	const struct fit_isoflops *isoflops = view->isoflops;
	cJSON *array = array_in(writer, root, "isoflop");
	for (size_t i = 0; i < isoflops->count; i++) {
		const struct fit_isoflop *budget = &isoflops->items[i];
		cJSON *object = object_at_end(writer, array);
		number(writer, object, "C", budget->C);
		write_budget_points(writer, object, budget->points, budget->count);
		cJSON *parabola = array_in(writer, object, "parabola");
		for (int k = 0; k < 3; k++) element(writer, parabola, budget->parabola[k]);
		if (budget->has_minimum) {
			add_optimum(writer, object_in(writer, object, "minimum"), &budget->minimum);
		} else {
			string(writer, object, "minimum", NULL);
		}
		boolean(writer, object, "edge", budget->edge);
	}
	number(writer, root, "isoflop_a", isoflops->a);
	interval(writer, root, "isoflop_a_interval", view->isoflop_interval);
}
