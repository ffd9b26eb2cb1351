/* chosen_profile.c - what a table says about one published parameter of a law: the objective minimised over the others. */
#include "fit/chosen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_STEP 0.02 /* relative */
#define MOST_ROUNDS 40
#define EDGE_DIGITS 1e-3 /* of a step: how exactly an end is found */

struct profile_search {
	const struct chosen *chosen;
	int parameter;
	double *work;
	double last[MOST_PARAMETERS]; /* where the last refit ended */
	struct error *error;          /* that ended the search */
};

/* The law with the parameter held at a published value; false when it cannot take it, or in the end search->error says why. */
static bool hold_at(struct profile_search *search, double value, struct law *law) {
	const struct chosen *chosen = search->chosen;
	struct fit_method method = chosen->method;
	if (method.held_count == FIT_MOST_HELD) return false;
	method.held[method.held_count++] = (struct fit_held){chosen->law.parameters[search->parameter].name, value};
	const struct law *form = NULL;
	struct error *error = law_named(chosen->law.name, &form);
	if (!error) error = law_bind(form, &method, &chosen->table, law);
	if (!error) return true;
	if (error->kind == ERROR_FAILED && !search->error)
		search->error = error;
	else
		error_free(error);
	return false;
}

/* Objective above the minimum with the parameter held; INFINITY where it cannot be. */
static double rise_at(struct profile_search *search, double value) {
	const struct chosen *chosen = search->chosen;
	struct law law;
	struct solution solution;
	double starts[2 * MOST_PARAMETERS];
	int p = law_parameters(&chosen->law);
	if (!hold_at(search, value, &law)) return INFINITY;
	memcpy(starts, search->last, sizeof(double) * (size_t)p);
	memcpy(starts + p, chosen->solution.x, sizeof(double) * (size_t)p);
	law_refit(&law, &chosen->table, HELD_NONE, starts, 2, GRID_NONE, search->work, &solution);
	if (!isfinite(solution.objective)) return INFINITY;
	memcpy(search->last, solution.x, sizeof search->last);
	return solution.objective - chosen->solution.objective;
}

/* The end on one side: steps that double in ln |value| (in the value itself where it is zero) until the rise is above the
 * threshold, and then halving. *open: never. */
static double end_of(struct profile_search *search, double estimate, int side, double threshold, bool *open) {
	double inside = 0, outside, step = FIRST_STEP;
	bool logs = estimate != 0;
	int sign = side * (estimate < 0 ? -1 : 1); /* away from zero or towards it */
	memcpy(search->last, search->chosen->solution.x, sizeof search->last);
	*open = false;
	for (outside = step;; inside = outside, outside = inside + (step *= 2)) {
		double value = logs ? estimate * exp(sign * outside) : side * outside;
		double rise = rise_at(search, value);
		if (rise > threshold) break;
		if (outside > log(FIT_OPEN)) {
			*open = true;
			return value;
		}
	}
	for (int k = 0; k < MOST_ROUNDS && outside - inside > EDGE_DIGITS * fmax(outside, FIRST_STEP); k++) {
		double middle = (inside + outside) / 2;
		bool above = rise_at(search, logs ? estimate * exp(sign * middle) : side * middle) > threshold;
		*(above ? &outside : &inside) = middle;
	}
	return logs ? estimate * exp(sign * inside) : side * inside;
}

/* A rise that independent normal errors explain at FIT_LEVEL. */
static double threshold_of(const struct chosen *chosen, double *work) {
	const struct law *law = &chosen->law;
	const struct table *table = &chosen->table;
	int freedom = (int)table->count - law_free(law);
	if (freedom < 1) return NAN;
	if (law->criterion.kind == OBJECTIVE_HUBER) return threshold_of_independent(law, table, chosen->solution.x, work);
	if (law->criterion.kind == OBJECTIVE_ASYMMETRIC) return NAN;
	double t = student_quantile((1 + FIT_LEVEL) / 2, freedom);
	return chosen->solution.objective / freedom * t * t; /* half of s^2 t^2, s^2 = 2 sum / freedom */
}

struct error *chosen_profiles(struct chosen *chosen) {
	const struct law *law = &chosen->law;
	size_t size = law_work_size(law, &chosen->table) / sizeof(double) + 2 * chosen->table.count + 1;
	struct profile_search search = {.chosen = chosen};
	search.work = array_new(size, sizeof(double));
	if (!search.work) return error_memory(size * sizeof(double));
	chosen->threshold = threshold_of(chosen, search.work);
	for (int j = 0; j < chosen->count && !search.error; j++) {
		struct chosen_parameter *parameter = &chosen->parameters[j];
		parameter->profile = (struct fit_interval){NAN, NAN};
		if (parameter->held || !chosen->converged || !(chosen->threshold > 0)) continue;
		search.parameter = j;
		bool low_open, high_open;
		double low = end_of(&search, parameter->value, -1, chosen->threshold, &low_open);
		double high = end_of(&search, parameter->value, 1, chosen->threshold, &high_open);
		bool positive = parameter->value > 0;
		if (low_open) low = positive ? 0 : -INFINITY;
		if (high_open) high = positive ? INFINITY : 0;
		parameter->profile = (struct fit_interval){low, high};
		double size_low = fmin(fabs(low), fabs(high)), size_high = fmax(fabs(low), fabs(high));
		parameter->flat = low_open || high_open || size_high > FLAT_PROFILE * size_low;
	}
	free(search.work);
	return search.error;
}
