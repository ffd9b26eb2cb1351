/* result_uncertainty.c - the sections of fit.json about chance: seeds, lack of fit, what was asked for. */
#include "fit/result.h"

#include <math.h>

static void add_curve(struct writer *writer, cJSON *object, const char *key, const struct fit_profile *profile) {
	cJSON *curve = array_in(writer, object, "curve");
	for (size_t i = 0; i < profile->count; i++) {
		cJSON *at = object_at_end(writer, curve);
		number(writer, at, key, profile->curve[i].value);
		number(writer, at, "objective", profile->curve[i].objective);
	}
}

void result_profiles(struct writer *writer, cJSON *root, const struct fit *fit) {
	const struct fit_profile *of_E = &fit->profiles[PROFILE_E];
	cJSON *object = object_in(writer, root, "profile_E");
	interval(writer, object, "interval", of_E->interval);
	boolean(writer, object, "reaches_zero", of_E->reaches_low);
	boolean(writer, object, "reaches_lowest", of_E->reaches_high);
	number(writer, object, "threshold", of_E->threshold);
	number(writer, object, "threshold_independent", of_E->threshold_independent);
	add_curve(writer, object, "E", of_E);
	cJSON *profiles = object_in(writer, root, "profiles");
	for (int k = 0; k < FIT_PROFILES; k++) {
		const struct fit_profile *profile = &fit->profiles[k];
		object = object_in(writer, profiles, fit_profile_names[k]);
		number(writer, object, "estimate", profile->estimate);
		interval(writer, object, "interval", profile->interval);
		boolean(writer, object, "reaches_low", profile->reaches_low);
		boolean(writer, object, "reaches_high", profile->reaches_high);
		number(writer, object, "threshold", profile->threshold);
		number(writer, object, "threshold_low", profile->threshold_low);
		number(writer, object, "threshold_high", profile->threshold_high);
		number(writer, object, "threshold_independent", profile->threshold_independent);
		add_curve(writer, object, "value", profile);
	}
}

void result_starts(struct writer *writer, cJSON *root, const struct fit *fit) {
	const struct fit_starts *starts = &fit->starts;
	if (!fit->fitted || starts->count == 0) return;
	static const char *const names[FIT_SURFACE_PARAMETERS] = {"E", "A", "B", "alpha", "beta"};
	cJSON *object = object_in(writer, root, "starts");
	string(writer, object, "of", "Besiroglu et al. 2024");
	number(writer, object, "count", starts->count);
	number(writer, object, "agreeing", starts->agreeing);
	number(writer, object, "objective", starts->objective);
	cJSON *parameters = object_in(writer, object, "parameters");
	for (int i = 0; i < FIT_SURFACE_PARAMETERS; i++)
		number(writer, parameters, names[i], fit_parameter(&starts->found, i));
	boolean(writer, object, "lower", starts->lower);
	boolean(writer, object, "missed", starts->missed);
}

void result_chance(struct writer *writer, cJSON *root, const struct fit *fit) {
	const struct fit_seed_noise *noise = &fit->seed_noise;
	if (noise->freedom > 0) {
		cJSON *object = object_in(writer, root, "seed_noise");
		number(writer, object, "sd", noise->sd);
		interval(writer, object, "interval", noise->interval);
		number(writer, object, "freedom", noise->freedom);
		number(writer, object, "settings", (double)noise->settings);
		number(writer, object, "runs", (double)noise->runs);
		number(writer, object, "copies", (double)noise->copies);
		boolean(writer, object, "used", fit->fitted && fit->replicates.noise.setting > 0);
	} else {
		string(writer, root, "seed_noise", NULL);
	}
	const struct fit_lack_of_fit *lack = &fit->lack_of_fit;
	if (fit->fitted && lack->tested) {
		cJSON *object = object_in(writer, root, "lack_of_fit");
		number(writer, object, "F", lack->ratio);
		cJSON *freedom = array_in(writer, object, "freedom");
		element(writer, freedom, lack->freedom_lack);
		element(writer, freedom, lack->freedom_pure);
		number(writer, object, "p", lack->p);
		number(writer, object, "sd", lack->sd);
	} else {
		string(writer, root, "lack_of_fit", NULL);
	}
}

/* "50": [low, high], "90": [low, high]. */
static void levels(struct writer *writer, cJSON *object, const char *key, const struct fit_interval *intervals) {
	cJSON *at = object_in(writer, object, key);
	for (int k = 0; k < FIT_OUTLOOK_LEVELS; k++) {
		char name[8];
		snprintf(name, sizeof name, "%.0f", 100 * fit_outlook_levels[k]);
		interval(writer, at, name, intervals[k]);
	}
}

void result_outlooks(struct writer *writer, cJSON *root, const struct fit *fit) {
	cJSON *array = array_in(writer, root, "predictions");
	for (int i = 0; i < fit->outlook_count; i++) {
		const struct fit_outlook *outlook = &fit->outlooks[i];
		cJSON *object = object_at_end(writer, array);
		string(writer, object, "of", outlook->optimum ? "C" : "N,D");
		number(writer, object, "N", outlook->N);
		number(writer, object, "D", outlook->D);
		number(writer, object, "C", outlook->C);
		number(writer, object, "D_per_N", outlook->D / outlook->N);
		number(writer, object, "loss", outlook->loss);
		levels(writer, object, "mean", outlook->mean);
		levels(writer, object, "measurement", outlook->measurement);
		if (outlook->optimum) {
			levels(writer, object, "N_intervals", outlook->N_range);
			levels(writer, object, "D_intervals", outlook->D_range);
			levels(writer, object, "D_per_N_intervals", outlook->D_per_N_range);
		}
		number(writer, object, "decades_beyond_N", outlook->decades_N);
		number(writer, object, "decades_beyond_D", outlook->decades_D);
	}
}
