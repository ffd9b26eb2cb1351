/* replicated.c - runs of one N and D that differ in their seed: what they say about noise, and about the law.
 *
 * Runs of one setting differ by chance alone, whatever the law is. Their scatter is the pure error, and a law whose
 * residuals are larger than that does not fit (Draper and Smith 1998, Applied Regression Analysis, 2.1). */
#include "fit/law.h"

#include <math.h>
#include <stdlib.h>

#define SAME 1e9 /* logarithms that agree to so many parts are one */

/* A row and its place among the settings. */
struct place {
	double N, D; /* ln, rounded */
	double loss;
	int rung, seed;
	size_t row;
};

static int by_setting(const void *a, const void *b) {
	const struct place *x = a, *y = b;
	if (x->N != y->N) return x->N < y->N ? -1 : 1;
	if (x->D != y->D) return x->D < y->D ? -1 : 1;
	if (x->rung != y->rung) return x->rung < y->rung ? -1 : 1;
	if (x->seed != y->seed) return x->seed < y->seed ? -1 : 1;
	if (x->loss != y->loss) return x->loss < y->loss ? -1 : 1;
	return x->row < y->row ? -1 : 1;
}

/* Is `b`, which follows `a`, the same run once more? Where seeds are not told, the same loss to the last bit gives it
 * away. */
static bool is_copy(const struct place *a, const struct place *b) {
	if (a->N != b->N || a->D != b->D || a->rung != b->rung || a->seed != b->seed) return false;
	return a->seed >= 0 || a->loss == b->loss;
}

struct error *settings_of(const struct fit_points *points, struct settings *settings) {
	size_t n = points->count;
	*settings = (struct settings){0};
	struct place *places = array_new(n + 1, sizeof *places);
	settings->of = array_new(n + 1, sizeof *settings->of);
	settings->copy = array_new(n + 1, sizeof *settings->copy);
	if (!places || !settings->of || !settings->copy) {
		free(places);
		settings_free(settings);
		return error_memory(n * (sizeof *places + sizeof *settings->of));
	}
	for (size_t i = 0; i < n; i++) {
		const struct fit_point *point = &points->items[i];
		places[i] = (struct place){
		    rint(log(point->N) * SAME), rint(log(point->D) * SAME), point->loss, point->rung, point->seed, i};
	}
	qsort(places, n, sizeof *places, by_setting);
	for (size_t i = 0; i < n; i++) {
		bool begins = i == 0 || places[i].N != places[i - 1].N || places[i].D != places[i - 1].D;
		settings->count += begins;
		settings->of[places[i].row] = settings->count - 1;
		settings->copy[places[i].row] = !begins && is_copy(&places[i - 1], &places[i]);
	}
	free(places);
	return NULL;
}

void settings_free(struct settings *settings) {
	free(settings->of);
	free(settings->copy);
	*settings = (struct settings){0};
}

/* The weighted mean of ln loss and the number of runs of each setting; copies do not count. */
struct cell {
	double weight, mean;
	size_t runs;
};

static struct error *find_cells(const struct fit_points *points, const struct settings *settings, struct cell **cells) {
	*cells = array_new((size_t)settings->count + 1, sizeof **cells);
	if (!*cells) return error_memory((size_t)settings->count * sizeof **cells);
	for (size_t i = 0; i < points->count; i++) {
		if (settings->copy[i]) continue;
		struct cell *cell = &(*cells)[settings->of[i]];
		double weight = points->items[i].weight;
		cell->weight += weight;
		cell->mean += (log(points->items[i].loss) - cell->mean) * weight / cell->weight;
		cell->runs++;
	}
	return NULL;
}

/* The sum of squares about the means of the settings. */
static double pure_squares(const struct fit_points *points, const struct settings *settings, const struct cell *cells) {
	double sum = 0;
	for (size_t i = 0; i < points->count; i++) {
		if (settings->copy[i]) continue;
		double miss = log(points->items[i].loss) - cells[settings->of[i]].mean;
		sum += points->items[i].weight * miss * miss;
	}
	return sum;
}

struct error *fit_seed_noise_of(const struct fit_points *points, struct fit_seed_noise *noise) {
	struct settings settings;
	struct cell *cells = NULL;
	*noise = (struct fit_seed_noise){.sd = NAN, .interval = {NAN, NAN}};
	TRY(settings_of(points, &settings));
	struct error *error = find_cells(points, &settings, &cells);
	if (error) goto done;
	for (size_t i = 0; i < points->count; i++) noise->copies += settings.copy[i];
	for (int c = 0; c < settings.count; c++) {
		if (cells[c].runs < 2) continue;
		noise->settings++;
		noise->runs += cells[c].runs;
	}
	noise->freedom = (int)(noise->runs - noise->settings);
	if (noise->freedom > 0) {
		double squares = pure_squares(points, &settings, cells);
		noise->sd = sqrt(squares / noise->freedom);
		noise->interval.low = sqrt(squares / chi_square_quantile((1 + FIT_LEVEL) / 2, noise->freedom));
		noise->interval.high = sqrt(squares / chi_square_quantile((1 - FIT_LEVEL) / 2, noise->freedom));
	}
done:
	free(cells);
	settings_free(&settings);
	return error;
}

struct error *fit_lack_of_fit_of(
    const struct fit_points *points, const struct fit_surface_result *result, struct fit_lack_of_fit *lack) {
	struct settings settings;
	struct table table;
	struct cell *cells = NULL;
	double *jacobian = NULL, *residual = NULL, log_volume = 0, x[MOST_PARAMETERS];
	int p = 0, list[MOST_PARAMETERS];
	*lack = (struct fit_lack_of_fit){.ratio = NAN, .p = NAN, .sd = NAN};
	TRY(surface_table(points, &table));
	struct error *error = settings_of(points, &settings);
	if (error) goto done;
	error = find_cells(points, &settings, &cells);
	if (error) goto done;
	surface_centred(&table, &result->surface, x);
	for (int j = 0; j < FIT_SURFACE_PARAMETERS; j++)
		if (!(result->certificate.at_bound >> j & 1)) list[p++] = j;
	jacobian = array_new(points->count * (size_t)p + 1, sizeof *jacobian);
	residual = array_new(points->count + 1, sizeof *residual);
	if (!jacobian || !residual) {
		error = error_memory(points->count * (size_t)(p + 1) * sizeof *jacobian);
		goto done;
	}
	size_t runs = 0;
	for (size_t i = 0; i < points->count; i++) {
		if (settings.copy[i]) continue;
		double slope[MOST_PARAMETERS], root = sqrt(points->items[i].weight);
		double loss = law_chinchilla.predict(x, table.u + i * (size_t)table.variables, slope, NULL);
		for (int j = 0; j < p; j++) jacobian[runs * (size_t)p + (size_t)j] = root * slope[list[j]] / loss;
		residual[runs++] = root * (table.y[i] - log(loss));
	}
	int rank = orthonormalise(runs, p, jacobian, &log_volume);
	project_out(runs, p, jacobian, residual);
	double squares = 0, pure = pure_squares(points, &settings, cells);
	for (size_t i = 0; i < runs; i++) squares += residual[i] * residual[i];
	lack->freedom_lack = settings.count - rank;
	lack->freedom_pure = (int)runs - settings.count;
	lack->tested = lack->freedom_lack > 0 && lack->freedom_pure > 0 && pure > 0;
	if (lack->tested) {
		double misfit = fmax(0, squares - pure) / lack->freedom_lack, chance = pure / lack->freedom_pure;
		lack->ratio = misfit / chance;
		lack->p = fisher_above(lack->ratio, lack->freedom_lack, lack->freedom_pure);
		/* Runs a setting, as the expected mean square counts them: it is chance + runs sd^2. */
		double each = (double)runs / settings.count;
		lack->sd = sqrt(fmax(0, misfit - chance) / each);
	}
done:
	free(cells);
	free(jacobian);
	free(residual);
	settings_free(&settings);
	table_free(&table);
	return error;
}
