/* outlook.c - what the surface says of places that the user asks for: a size and a token count, or a budget.
 *
 * A loss y at a place belongs to the interval when a table that had measured it there would not be an odd one: when the
 * objective, with a row for y added, rises by no more than it does over simulated tables and their own truths. */
#include "fit/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_AT_ESTIMATE 400 /* tables simulated for the thresholds there, as in profiles.c */
#define MOST_AT_END 200
#define MOST_CALIBRATED 5000 /* rows */
#define FARTHEST 4.0         /* in ln loss: a factor of 55 either way */

const double fit_outlook_levels[FIT_OUTLOOK_LEVELS] = {0.50, 0.90};

/* One value for each replicate, as intervals of every level; orders the values. */
static void intervals_of(double *values, size_t count, struct fit_interval intervals[FIT_OUTLOOK_LEVELS]) {
	for (int k = 0; k < FIT_OUTLOOK_LEVELS; k++) {
		intervals[k].low = quantile_of(values, count, (1 - fit_outlook_levels[k]) / 2);
		intervals[k].high = quantile_sorted(values, count, (1 + fit_outlook_levels[k]) / 2);
	}
}

/* Decades that x lies outside of low..high. */
static double beyond(double x, double low, double high) {
	return fmax(0, fmax(log10(x / high), log10(low / x)));
}

static void place(const struct fit_points *points, double N, double D, struct fit_outlook *outlook) {
	struct fit_interval n = {INFINITY, 0}, d = {INFINITY, 0};
	for (size_t i = 0; i < points->count; i++) {
		n.low = fmin(n.low, points->items[i].N);
		n.high = fmax(n.high, points->items[i].N);
		d.low = fmin(d.low, points->items[i].D);
		d.high = fmax(d.high, points->items[i].D);
	}
	outlook->N = N;
	outlook->D = D;
	outlook->decades_N = beyond(N, n.low, n.high);
	outlook->decades_D = beyond(D, d.low, d.high);
}

/* The table of the points with a row of no weight behind them, at N and D, that is a rung and a setting of its own. */
static struct error *add_probe(const struct table *table, double N, double D, int **setting, struct table *with) {
	size_t n = table->count;
	*with = *table;
	with->count = n + 1;
	with->u = array_new((n + 1) * 2, sizeof *with->u);
	with->y = array_new(n + 1, sizeof *with->y);
	with->weight = array_new(n + 1, sizeof *with->weight);
	with->group = array_new(n + 1, sizeof *with->group);
	*setting = array_new(n + 1, sizeof **setting);
	if (!with->u || !with->y || !with->weight || !with->group || !*setting) {
		free(*setting);
		*setting = NULL;
		table_free(with);
		return error_memory(n * 6 * sizeof *with->u);
	}
	memcpy(with->u, table->u, 2 * n * sizeof *with->u);
	memcpy(with->y, table->y, n * sizeof *with->y);
	memcpy(with->weight, table->weight, n * sizeof *with->weight);
	memcpy(with->group, table->group, n * sizeof *with->group);
	with->u[2 * n] = log(N) - table->mean_u[0];
	with->u[2 * n + 1] = log(D) - table->mean_u[1];
	with->group[n] = with->groups++;
	if (table->setting) {
		memcpy(*setting, table->setting, n * sizeof **setting);
		(*setting)[n] = with->settings++;
		with->setting = *setting;
	}
	return NULL;
}

/* The intervals of the law's loss at the probe (weight: that of all rows together), or of a run there (weight 1). */
static struct error *probe(
    struct search *search, struct calibration *calibration, size_t replicates, bool calibrates, bool noisy, double unit,
    struct fit_interval *intervals) {
	double total = 0, thresholds[FIT_OUTLOOK_LEVELS];
	for (size_t i = 0; i + 1 < search->table->count; i++) total += search->table->weight[i];
	search->quantity = (struct quantity){
	    .kind = HOLD_LOSS,
	    .least = search->estimate - FARTHEST,
	    .most = search->estimate + FARTHEST,
	    .weight = noisy ? 1 : total,
	    .noisy = noisy};
	calibration->how.stream = noisy ? "outlook/run" : "outlook/law";
	calibration->how.count = replicates < MOST_AT_ESTIMATE ? replicates : MOST_AT_ESTIMATE;
	TRY(search_measure(
	    search, calibration, search->law, 1, search->centre, fit_outlook_levels, FIT_OUTLOOK_LEVELS, thresholds));
	calibration->how.count = replicates < MOST_AT_END ? replicates : MOST_AT_END;
	for (int k = 0; k < FIT_OUTLOOK_LEVELS; k++) {
		struct search_end low, high;
		double level = fit_outlook_levels[k];
		search->threshold = thresholds[k];
		/* Only the wide interval reaches where thresholds differ. */
		const struct calibration *at_ends = calibrates && k == FIT_OUTLOOK_LEVELS - 1 ? calibration : NULL;
		TRY(search_end(search, at_ends, level, search->quantity.least, &low));
		TRY(search_end(search, at_ends, level, search->quantity.most, &high));
		intervals[k] = (struct fit_interval){unit * exp(low.value), unit * exp(high.value)};
	}
	return NULL;
}

struct error *outlook_of_law(
    const struct outlook_law *of, double N, double D, uint64_t seed, double *loss, struct fit_interval *mean,
    struct fit_interval *run) {
	const struct law *law = of->law;
	const struct table *table = of->table;
	struct table with = {0};
	int *setting = NULL;
	double *work = NULL, u[MOST_VARIABLES] = {log(N) - table->mean_u[0], log(D) - table->mean_u[1]};
	double centred = law->predict(of->x, u, NULL, NULL), unit = exp(table->mean_y);
	*loss = unit * centred;
	for (int k = 0; k < FIT_OUTLOOK_LEVELS; k++) {
		if (mean) mean[k] = (struct fit_interval){NAN, NAN};
		run[k] = (struct fit_interval){NAN, NAN};
	}
	if (of->count == 0) return NULL;
	struct error *error = add_probe(table, N, D, &setting, &with);
	if (error) goto done;
	work = array_new(1, law_work_size(law, &with) + 1);
	if (!work) {
		error = error_memory(law_work_size(law, &with));
		goto done;
	}
	struct search search = {.law = law, .table = &with, .work = work, .minimum = of->minimum};
	struct calibration calibration = {
	    .how = {.method = of->method, .seed = seed}, .noise = of->noise, .freedom = of->freedom};
	memcpy(search.centre, of->x, sizeof(double) * (size_t)law_parameters(law));
	search.estimate = log(centred);
	bool calibrates = resampling_chosen(of->method) == RESAMPLE_SIMULATED && table->count <= MOST_CALIBRATED;
	if (mean) error = probe(&search, &calibration, of->count, calibrates, false, unit, mean);
	if (!error) error = probe(&search, &calibration, of->count, calibrates, true, unit, run);
done:
	free(work);
	free(setting);
	table_free(&with);
	return error;
}

struct error *fit_outlook_at(
    const struct fit_points *points, const struct fit_surface_result *result, const struct fit_replicates *replicates,
    double N, double D, uint64_t seed, struct fit_outlook *outlook) {
	const struct law law = surface_law(&result->method);
	struct table table;
	struct settings settings;
	double x[MOST_PARAMETERS];
	*outlook = (struct fit_outlook){.C = 6 * N * D};
	place(points, N, D, outlook);
	TRY(surface_table_with_chance(points, result, &table, &settings));
	surface_centred(&table, &result->surface, x);
	const struct outlook_law of = {
	    .law = &law,
	    .table = &table,
	    .x = x,
	    .minimum = result->minimum,
	    .method = replicates->method,
	    .noise = replicates->noise,
	    .freedom = replicates->freedom,
	    .count = replicates->count};
	struct error *error = outlook_of_law(&of, N, D, seed, &outlook->loss, outlook->mean, outlook->measurement);
	settings_free(&settings);
	table_free(&table);
	return error;
}

struct error *fit_outlook_of_budget(
    const struct fit_points *points, const struct fit_surface_result *result, const struct fit_replicates *replicates,
    double C, uint64_t seed, struct fit_outlook *outlook) {
	struct fit_optimum optimum = fit_optimal(&result->surface, C);
	TRY(fit_outlook_at(points, result, replicates, optimum.N, optimum.D, seed, outlook));
	outlook->optimum = true;
	outlook->C = C;
	double *values = array_new(3 * replicates->count + 1, sizeof *values);
	if (!values) return error_memory(3 * replicates->count * sizeof *values);
	size_t known = 0, count = replicates->count;
	for (size_t i = 0; i < count; i++) {
		struct fit_optimum drawn = fit_optimal(&replicates->surfaces[i], C);
		if (isnan(drawn.N) || isnan(drawn.D)) continue; /* a term of the refit has vanished */
		values[known] = drawn.N;
		values[count + known] = drawn.D;
		values[2 * count + known++] = drawn.D / drawn.N;
	}
	intervals_of(values, known, outlook->N_range);
	intervals_of(values + count, known, outlook->D_range);
	intervals_of(values + 2 * count, known, outlook->D_per_N_range);
	free(values);
	return NULL;
}
