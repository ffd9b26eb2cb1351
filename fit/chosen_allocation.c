/* chosen_allocation.c - the best use of compute by any law that has a term in N and one in D: Chinchilla's with ties, held
 * parameters or without its floor, and Gadre's. Others, and laws of repeated data, whose optimum hangs on the unique tokens,
 * have none. */
#include "fit/chosen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ISOFLOP_DRAWS 200 /* as in fit.c */

static double value_named(const struct chosen *chosen, const double *published, const char *name) {
	for (int j = 0; j < chosen->count; j++)
		if (strcmp(chosen->law.parameters[j].name, name) == 0) return published[j];
	return NAN;
}

bool chosen_surface(const struct chosen *chosen, const double *published, struct fit_surface *surface) {
	*surface = (struct fit_surface){
	    .E = value_named(chosen, published, "E"),
	    .A = value_named(chosen, published, "A"),
	    .B = value_named(chosen, published, "B"),
	    .alpha = value_named(chosen, published, "alpha"),
	    .beta = value_named(chosen, published, "beta")};
	if (chosen->law.predict == law_gadre.predict) {
		surface->alpha = surface->beta = -value_named(chosen, published, "eta");
		surface->A = value_named(chosen, published, "a");
		surface->B = value_named(chosen, published, "b") * pow(6, -surface->beta / 2);
	}
	if (isnan(surface->E)) surface->E = 0;
	if (chosen->law.domain != LAW_OF_BOTH) return false;
	return !isnan(surface->A + surface->B + surface->alpha + surface->beta);
}

/* Whether the exponent of N's term, or of D's, is an estimate. */
static bool is_known(const struct chosen *chosen, const char *name) {
	bool one = chosen->law.predict == law_gadre.predict;
	for (int j = 0; j < chosen->count; j++)
		if (strcmp(chosen->parameters[j].name, one ? "eta" : name) == 0) return chosen->parameters[j].identified;
	return false;
}

struct error *chosen_allocate(struct chosen *chosen, const struct fit_options *how) {
	const struct fit_points *points = chosen->selection.points;
	struct fit_surface surface;
	double published[MOST_PARAMETERS];
	law_publish(&chosen->law, &chosen->table, chosen->solution.x, published);
	if (!chosen->converged || !chosen_surface(chosen, published, &surface)) return NULL;
	struct fit_replicates replicates = {.count = chosen->resamples.count};
	replicates.surfaces = array_new(replicates.count + 1, sizeof *replicates.surfaces);
	if (!replicates.surfaces) return error_memory(replicates.count * sizeof *replicates.surfaces);
	for (size_t i = 0; i < replicates.count; i++) {
		law_publish(&chosen->law, &chosen->table, chosen->resamples.x + i * (size_t)chosen->count, published);
		chosen_surface(chosen, published, &replicates.surfaces[i]);
	}
	struct error *error = fit_allocate(points, &surface, &replicates, &chosen->allocation);
	if (!error) error = fit_isoflop(points, &chosen->isoflops);
	size_t draws = replicates.count < ISOFLOP_DRAWS ? replicates.count : ISOFLOP_DRAWS;
	if (!error)
		error = fit_isoflop_interval(
		    points, &surface, &chosen->noise, chosen->isoflops.a, draws, (uint64_t)how->seed,
		    &chosen->isoflop_interval);
	free(replicates.surfaces);
	chosen->has_optimum = !error;
	chosen->knows_alpha = is_known(chosen, "alpha");
	chosen->knows_beta = is_known(chosen, "beta");
	return error;
}
