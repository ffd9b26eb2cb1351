/* bootstrap.c - how far a refit moves when the data are drawn again.
 *
 * Which draw to trust is a question of measurement; the table in fit.h is the answer for ladders of a few rungs. */
#include "fit/law.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define MOST_DRAWS 1000 /* of rungs until one has enough sizes and horizons */
#define MANY_ROWS 2000  /* beyond, a refit starts from the solution and two nodes of the grid; else from nine */
#define SLOPE_FINISHED 1e-6

const char *resampling_name(enum fit_resampling method) {
	static const char *const names[] = {"auto", "simulated", "rows", "rungs"};
	return names[method];
}

enum fit_resampling resampling_chosen(enum fit_resampling method) {
	return method == RESAMPLE_AUTO ? RESAMPLE_SIMULATED : method;
}

/* ---------------------------------------------------------------------------------------------------------- draws --- */

struct draw {
	const struct law *law;
	const struct table *table;
	const double *x;
	const struct fit_noise *noise;
	int freedom;
	const double *fitted; /* (n) ln of the law at x */
	const int *level;     /* (n, variables) index of the row's value among the distinct ones */
	int levels;           /* the largest such index of any variable, and one */
};

/* The fitted losses with new errors, into `y`; `shared` holds groups + settings numbers. Returns the scale of the errors. */
static double draw_errors(const struct draw *draw, struct rng *rng, double *y, double *shared) {
	const struct table *table = draw->table;
	double squares = 0;
	for (int k = 0; k < draw->freedom; k++) {
		double z = rng_normal(rng);
		squares += z * z;
	}
	double scale = squares > 0 ? sqrt(draw->freedom / squares) : 1;
	double point = scale * draw->noise->point, rung = isnan(draw->noise->rung) ? 0 : scale * draw->noise->rung;
	double setting = table->setting ? scale * draw->noise->setting : 0, *of_setting = shared + table->groups;
	for (int g = 0; g < table->groups; g++) shared[g] = rung * rng_normal(rng);
	for (int k = 0; k < table->settings; k++) of_setting[k] = setting * rng_normal(rng);
	for (size_t i = 0; i < table->count; i++) {
		double weight = table->weight[i];
		y[i] = draw->fitted[i] + shared[table->group[i]] + point / sqrt(weight > 0 ? weight : 1) * rng_normal(rng);
		if (table->setting) y[i] += of_setting[table->setting[i]];
	}
	return scale;
}

/* How many distinct values of variable k the rows of non-zero weight have. `seen` holds draw->levels bytes. */
static int levels_drawn(const struct draw *draw, const double *weight, int k, char *seen) {
	const struct table *table = draw->table;
	int count = 0;
	memset(seen, 0, (size_t)draw->levels);
	for (size_t i = 0; i < table->count; i++) {
		if (weight[i] == 0) continue;
		char *mark = &seen[draw->level[i * (size_t)table->variables + (size_t)k]];
		count += !*mark;
		*mark = 1;
	}
	return count;
}

/* Weights of the rows when as many rows, or whole rungs, as there are have been drawn with replacement. Returns how often it
 * took more than one draw. `times` holds a number for each, `seen` as above. */
static size_t draw_again(
    const struct draw *draw, bool whole_rungs, struct rng *rng, double *weight, int *times, char *seen) {
	const struct table *table = draw->table;
	size_t units = whole_rungs ? (size_t)table->groups : table->count, again = 0;
	int needed = draw->law->floors ? 3 : 2;
	for (; again < MOST_DRAWS; again++) {
		memset(times, 0, sizeof *times * units);
		for (size_t k = 0; k < units; k++) times[rng_below(rng, units)]++;
		for (size_t i = 0; i < table->count; i++)
			weight[i] = table->weight[i] * times[whole_rungs ? (size_t)table->group[i] : i];
		bool enough = true;
		for (int k = 0; k < table->variables; k++) enough = enough && levels_drawn(draw, weight, k, seen) >= needed;
		if (enough) break;
	}
	return again;
}

struct indexed {
	double value;
	size_t row;
};

static int by_value(const void *a, const void *b) {
	const struct indexed *x = a, *y = b;
	return (x->value > y->value) - (x->value < y->value);
}

static struct error *find_levels(const struct table *table, int *level, int *levels) {
	struct indexed *sorted = array_new(table->count, sizeof *sorted);
	if (!sorted) return error_memory(table->count * sizeof *sorted);
	*levels = 0;
	size_t variables = (size_t)table->variables;
	for (size_t k = 0; k < variables; k++) {
		for (size_t i = 0; i < table->count; i++) sorted[i] = (struct indexed){table->u[i * variables + k], i};
		qsort(sorted, table->count, sizeof *sorted, by_value);
		int at = 0;
		for (size_t i = 0; i < table->count; i++) {
			if (i > 0 && sorted[i].value > sorted[i - 1].value + 1e-9) at++;
			level[sorted[i].row * variables + k] = at;
		}
		if (at + 1 > *levels) *levels = at + 1;
	}
	free(sorted);
	return NULL;
}

/* ---------------------------------------------------------------------------------------------------------- refits --- */

/* What a thread writes while it works on a replicate. */
struct desk {
	double *y, *weight; /* (n) */
	double *work;       /* law_work_size */
	double *shared;     /* (groups + settings) */
	int *times;         /* (groups or n, whichever is more) */
	char *seen;         /* (levels) */
};

/* The last row of *table becomes the probe, with arrays of its own to change. */
static void place_probe(
    const struct draw *draw, const struct resampling *how, struct rng *rng, const struct desk *desk, double scale,
    struct table *table) {
	size_t n = table->count;
	const struct fit_noise *noise = draw->noise;
	double rung = isnan(noise->rung) ? 0 : noise->rung;
	double of_run = sqrt(noise->point * noise->point + rung * rung + noise->setting * noise->setting);
	if (table->y != desk->y) memcpy(desk->y, table->y, n * sizeof *desk->y);
	if (table->weight != desk->weight) memcpy(desk->weight, table->weight, n * sizeof *desk->weight);
	table->y = desk->y;
	table->weight = desk->weight;
	table->weight[n - 1] = 0;
	table->y[n - 1] = draw->fitted[n - 1] + (how->probe_noisy ? scale * of_run * rng_normal(rng) : 0);
}

static void refit(
    const struct draw *draw, const struct desk *desk, const struct resampling *how, size_t index, struct resamples *out,
    size_t *redrawn, bool *finished) {
	const struct law *law = draw->law;
	size_t p = (size_t)law_parameters(law);
	char name[96];
	snprintf(name, sizeof name, "bootstrap/%s/%zu", how->stream, index);
	struct rng rng = rng_make(how->seed, name);
	struct table table = *draw->table;
	out->scale[index] = 1;
	*redrawn = 0;
	if (out->method == RESAMPLE_SIMULATED) {
		table.y = desk->y;
		out->scale[index] = draw_errors(draw, &rng, desk->y, desk->shared);
	} else {
		table.weight = desk->weight;
		*redrawn = draw_again(draw, out->method == RESAMPLE_RUNGS, &rng, desk->weight, desk->times, desk->seen);
	}
	if (how->probe > 0) place_probe(draw, how, &rng, desk, out->scale[index], &table);
	struct solution solution, held;
	int grid = how->constrained_count > 0 ? GRID_DOUBT : table.count > MANY_ROWS ? GRID_FEW : GRID_ALL;
	law_refit(law, &table, HELD_NONE, draw->x, 1, grid, desk->work, &solution);
	memcpy(out->x + index * p, solution.x, sizeof(double) * p);
	*finished = solution.slope <= SLOPE_FINISHED;
	if (how->probe > 0) table.weight[table.count - 1] = how->probe;
	for (int k = 0; k < how->constrained_count; k++) {
		/* Two starts are at hand, the law drawn around and what was just found with the constraint put upon it. */
		const struct law *constrained = &how->constrained[k];
		double start[MOST_PARAMETERS], delta = constrained->criterion.delta;
		memcpy(start, solution.x, sizeof(double) * p);
		law_complete(constrained, start);
		if (law_sum(constrained, &table, delta, draw->x, NULL, NULL) <
		    law_sum(constrained, &table, delta, start, NULL, NULL))
			memcpy(start, draw->x, sizeof(double) * p);
		law_refit(constrained, &table, HELD_NONE, start, 1, GRID_NONE, desk->work, &held);
		out->rise[index * (size_t)how->constrained_count + (size_t)k] = fmax(0, held.objective - solution.objective);
	}
}

void resamples_free(struct resamples *resamples) {
	free(resamples->x);
	free(resamples->rise);
	free(resamples->scale);
	*resamples = (struct resamples){0};
}

struct error *resample(
    const struct law *law, const struct table *table, const double *x, const struct resampling *how,
    struct resamples *resamples) {
	size_t n = table->count, p = (size_t)law_parameters(law), count = how->count;
	int threads = omp_get_max_threads();
	enum fit_resampling method = resampling_chosen(how->method);
	struct draw draw = {.law = law, .table = table, .x = x, .noise = &resamples->noise};
	*resamples = (struct resamples){
	    .count = count, .parameters = (int)p, .constrained = how->constrained_count, .method = method};
	resamples->x = array_new(count * p + 1, sizeof(double));
	resamples->scale = array_new(count + 1, sizeof(double));
	resamples->rise = array_new(count * (size_t)how->constrained_count + 1, sizeof(double));
	double *fitted = array_new(n, sizeof(double));
	int *level = array_new(n * (size_t)table->variables, sizeof(int));
	size_t work_count = law_work_size(law, table) / sizeof(double);
	size_t shared_count = (size_t)(table->groups + table->settings);
	size_t times_count = n > (size_t)table->groups ? n : (size_t)table->groups;
	size_t per_thread = 2 * n + work_count + shared_count + times_count + n;
	double *desks = array_new((size_t)threads * per_thread, sizeof(double));
	struct error *error = NULL;
	if (!resamples->x || !resamples->scale || !resamples->rise || !fitted || !level || !desks) {
		error = error_memory((count * (p + 2) + (size_t)threads * per_thread) * sizeof(double));
		goto done;
	}
	error = find_levels(table, level, &draw.levels);
	if (error) goto done;
	if (how->noise) {
		resamples->noise = *how->noise;
		resamples->freedom = how->freedom;
	} else {
		error = noise_estimate(law, table, x, &resamples->noise, &resamples->freedom);
		if (error) goto done;
	}
	draw.freedom = resamples->freedom;
	for (size_t i = 0; i < n; i++)
		fitted[i] = log(law->predict(x, table->u + i * (size_t)table->variables, NULL, NULL));
	draw.fitted = fitted;
	draw.level = level;
	size_t redrawn = 0, unfinished = 0;
#pragma omp parallel reduction(+ : redrawn, unfinished)
	{
		machine_flush_denormals(); /* as in the main thread, or the last bits would depend on who does the work */
		double *mine = desks + (size_t)omp_get_thread_num() * per_thread;
		struct desk desk = {.y = mine, .weight = mine + n, .work = mine + 2 * n, .shared = mine + 2 * n + work_count};
		desk.times = (int *)(desk.shared + shared_count);
		desk.seen = (char *)(desk.shared + shared_count + times_count);
#pragma omp for schedule(dynamic, 8)
		for (size_t i = 0; i < count; i++) {
			size_t again;
			bool finished;
			refit(&draw, &desk, how, i, resamples, &again, &finished);
			redrawn += again;
			unfinished += !finished;
		}
	}
	resamples->redrawn = redrawn;
	resamples->unfinished = unfinished;
done:
	free(fitted);
	free(level);
	free(desks);
	if (error) resamples_free(resamples);
	return error;
}

/* --------------------------------------------------------------------------------------------------------- surface --- */

struct error *surface_table_with_chance(
    const struct fit_points *points, const struct fit_surface_result *result, struct table *table,
    struct settings *settings) {
	struct fit_lack_of_fit lack;
	struct fit_seed_noise chance;
	*settings = (struct settings){0};
	TRY(fit_lack_of_fit_of(points, result, &lack));
	TRY(fit_seed_noise_of(points, &chance));
	TRY(surface_table(points, table));
	if (!lack.tested || !(lack.p < FIT_SIGNIFICANT)) return NULL;
	struct error *error = settings_of(points, settings);
	if (error) {
		table_free(table);
		return error;
	}
	table->setting = settings->of;
	table->settings = settings->count;
	table->seed_noise = chance.sd;
	return NULL;
}

struct error *fit_bootstrap(
    const struct fit_points *points, const struct fit_surface_result *result, enum fit_resampling method, size_t count,
    uint64_t seed, struct fit_replicates *replicates) {
	struct table table;
	struct resamples resamples;
	struct settings settings;
	double x[MOST_PARAMETERS];
	*replicates = (struct fit_replicates){.count = count};
	TRY(surface_table_with_chance(points, result, &table, &settings));
	surface_centred(&table, &result->surface, x);
	const struct resampling how = {.method = method, .count = count, .seed = seed, .stream = "surface"};
	struct law law = surface_law(&result->method);
	struct error *error = resample(&law, &table, x, &how, &resamples);
	if (error) goto done;
	replicates->surfaces = array_new(count + 1, sizeof *replicates->surfaces);
	if (!replicates->surfaces) {
		resamples_free(&resamples);
		error = error_memory(count * sizeof *replicates->surfaces);
		goto done;
	}
	for (size_t i = 0; i < count; i++)
		replicates->surfaces[i] = surface_of(&table, resamples.x + i * FIT_SURFACE_PARAMETERS);
	replicates->scale = resamples.scale;
	replicates->method = resamples.method;
	replicates->noise = resamples.noise;
	replicates->freedom = resamples.freedom;
	replicates->redrawn = resamples.redrawn;
	replicates->unfinished = resamples.unfinished;
	free(resamples.x);
	free(resamples.rise);
done:
	settings_free(&settings);
	table_free(&table);
	return error;
}

struct error *fit_resampling_named(const char *name, enum fit_resampling *resampling) {
	static const struct {
		const char *name;
		enum fit_resampling resampling;
	} known[] = {
	    {"auto", RESAMPLE_AUTO}, {"simulated", RESAMPLE_SIMULATED}, {"rows", RESAMPLE_ROWS}, {"rungs", RESAMPLE_RUNGS}};
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		if (strcmp(name, known[i].name) != 0) continue;
		*resampling = known[i].resampling;
		return NULL;
	}
	return error_new(ERROR_USAGE, "--bootstrap %s: expected auto, simulated, rows or rungs", name);
}

void fit_replicates_free(struct fit_replicates *replicates) {
	free(replicates->surfaces);
	free(replicates->scale);
	*replicates = (struct fit_replicates){0};
}

struct error *fit_interval_of(
    const struct fit_replicates *replicates, double (*function)(const struct fit_surface *surface, const void *context),
    const void *context, struct fit_interval *interval) {
	double *values = array_new(replicates->count + 1, sizeof *values);
	if (!values) return error_memory(replicates->count * sizeof *values);
	size_t known = 0;
	for (size_t i = 0; i < replicates->count; i++) {
		double value = function(&replicates->surfaces[i], context);
		if (!isnan(value)) values[known++] = value;
	}
	*interval = interval_of(values, known);
	free(values);
	return NULL;
}
