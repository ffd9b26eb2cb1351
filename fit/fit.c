/* fit.c - everything about one table, in order. */
#include "fit/approach.h"
#include "fit/law.h"

#include <math.h>
#include <string.h>

#define ISOFLOP_DRAWS 200
#define ISOFLOP_WORK 2e7 /* points times draws */

/* E, A, B, alpha, beta by index: for intervals and for what the data identify. */
double fit_parameter(const struct fit_surface *surface, int index) {
	const double parameters[FIT_SURFACE_PARAMETERS] = {
	    surface->E, surface->A, surface->B, surface->alpha, surface->beta};
	return parameters[index];
}

static double parameter_of(const struct fit_surface *surface, const void *context) {
	return fit_parameter(surface, *(const int *)context);
}

/* A parameter is an estimate when the fit converged away from its bounds and its interval is no wider than itself. A and B
 * count in units of N^alpha and D^beta: they are as well known as their exponents, however wide their own intervals. */
static void identify(struct fit *fit) {
	for (int i = 0; i < FIT_SURFACE_PARAMETERS; i++) {
		int decides = i == 1 || i == 2 ? i + 2 : i;
		struct fit_interval interval = fit->intervals[decides];
		bool at_bound = fit->surface.certificate.at_bound >> i & 1;
		bool narrow = interval.high - interval.low <= fit_parameter(&fit->surface.surface, decides);
		fit->identified[i] = fit->surface.converged && !at_bound && (narrow || fit->replicates.count == 0);
	}
	const struct fit_profile *of_E = &fit->profiles[PROFILE_E];
	if (of_E->reaches_low || of_E->reaches_high) fit->identified[0] = false;
	struct fit_interval a = fit->allocation.a_interval;
	fit->identified_a = fit->surface.converged && !(a.high - a.low > fit->allocation.a);
}

static struct error *answer(struct fit *fit) {
	uint64_t seed = (uint64_t)fit->options.seed;
	for (; fit->outlook_count < fit->options.question_count; fit->outlook_count++) {
		const struct fit_question *question = &fit->options.questions[fit->outlook_count];
		struct fit_outlook *outlook = &fit->outlooks[fit->outlook_count];
		if (question->C > 0)
			TRY(fit_outlook_of_budget(fit->points, &fit->surface, &fit->replicates, question->C, seed, outlook));
		else
			TRY(fit_outlook_at(fit->points, &fit->surface, &fit->replicates, question->N, question->D, seed, outlook));
	}
	return NULL;
}

static struct error *fit_surface_part(
    const struct fit_points *points, const struct fit_options *options, struct fit *fit) {
	size_t count = (size_t)options->replicates;
	uint64_t seed = (uint64_t)options->seed;
	TRY(fit_surface_solve(points, &options->method, &fit->surface));
	if (options->published_starts) TRY(fit_surface_from_published_starts(points, &fit->surface, &fit->starts));
	TRY(fit_lack_of_fit_of(points, &fit->surface, &fit->lack_of_fit));
	TRY(fit_bootstrap(points, &fit->surface, options->resampling, count, seed, &fit->replicates));
	for (int i = 0; i < FIT_SURFACE_PARAMETERS; i++)
		TRY(fit_interval_of(&fit->replicates, parameter_of, &i, &fit->quantiles[i]));
	TRY(fit_profiles(points, &fit->surface, options->resampling, count, seed, fit->profiles));
	TRY(fit_allocate(points, &fit->surface.surface, &fit->replicates, &fit->allocation));
	memcpy(fit->intervals, fit->quantiles, sizeof fit->intervals);
	fit->quantile_a = fit->allocation.a_interval;
	fit->intervals[0] = fit->profiles[PROFILE_E].interval;
	fit->intervals[3] = fit->profiles[PROFILE_ALPHA].interval;
	fit->intervals[4] = fit->profiles[PROFILE_BETA].interval;
	fit->allocation.a_interval = fit->profiles[PROFILE_A].interval;
	TRY(fit_predict_largest(points, &options->method, options->resampling, count, seed, &fit->prediction));
	if (fit->surface.converged) TRY(answer(fit));
	size_t draws = (size_t)fmin(fmin((double)count, ISOFLOP_DRAWS), fmax(20, ISOFLOP_WORK / (double)points->count));
	TRY(fit_isoflop_interval(
	    points, &fit->surface.surface, &fit->replicates.noise, fit->isoflops.a, draws, seed, &fit->isoflop_interval));
	identify(fit);
	fit->fitted = true;
	return NULL;
}

int64_t fit_replicates_for(size_t points) {
	const double most = 1000, least = 100, work = 1e8;
	return (int64_t)fmax(least, fmin(most, work / (double)points));
}

struct error *fit_all(const struct fit_points *points, const struct fit_options *options, struct fit *fit) {
	*fit = (struct fit){.points = points, .options = *options, .isoflop_interval = {NAN, NAN}};
	struct error *error = fit_design_of(points, &fit->design);
	if (!error) {
		error = fit_curves(
		    points, &options->method, (size_t)options->replicates, (uint64_t)options->seed, fit->curves,
		    &fit->curve_count);
	}
	if (!error) error = fit_seed_noise_of(points, &fit->seed_noise);
	if (!error) error = fit_isoflop(points, &fit->isoflops);
	if (!error && fit->design.surface) error = fit_surface_part(points, options, fit);
	if (!error) {
		/* By one objective, the one that the surface was fitted with. */
		const struct fit_method *method = fit->fitted ? &fit->surface.method : &options->method;
		enum fit_variable along = options->along ? *options->along : FIT_C;
		error = fit_compare(points, method, along, options->all_points, NULL, &fit->comparison);
	}
	if (!error) error = fit_approach(fit);
	if (!error) error = fit_warn(fit);
	if (error) fit_free(fit);
	return error;
}

void fit_free(struct fit *fit) {
	fit_replicates_free(&fit->replicates);
	fit_profiles_free(fit->profiles);
	fit_allocation_free(&fit->allocation);
	fit_prediction_free(&fit->prediction);
	fit_isoflops_free(&fit->isoflops);
	fit_approaches_free(fit->approaches);
	*fit = (struct fit){0};
}
