/* bootstrap.c - how far a refit moves when the data are drawn again.
 *
 * Which draw to trust is a question of measurement; the table in fit.h is the answer for ladders of a few rungs. */
#include "fit/law.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define FEW_RUNGS 20    /* below: RESAMPLE_SIMULATED */
#define MOST_DRAWS 1000 /* of rungs until one has enough sizes and horizons */
#define SLOPE_FINISHED 1e-6

const char *resampling_name(enum fit_resampling method) {
	static const char *const names[] = {"auto", "simulated", "rows", "rungs"};
	return names[method];
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

static void refit(
    const struct draw *draw, const struct desk *desk, uint64_t seed, const char *stream, size_t index,
    struct resamples *out, size_t *redrawn, bool *finished) {
	const struct law *law = draw->law;
	int p = law_parameters(law);
	char name[96];
	snprintf(name, sizeof name, "bootstrap/%s/%zu", stream, index);
	struct rng rng = rng_make(seed, name);
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
	struct solution solution, held;
	law_refit(law, &table, HELD_NONE, draw->x, 1, true, desk->work, &solution);
	memcpy(out->x + index * (size_t)p, solution.x, sizeof(double) * (size_t)p);
	*finished = solution.slope <= SLOPE_FINISHED;
	if (out->rise) {
		double starts[2 * MOST_PARAMETERS];
		memcpy(starts, draw->x, sizeof(double) * (size_t)p);
		memcpy(starts + p, solution.x, sizeof(double) * (size_t)p);
		law_refit(law, &table, (struct held){0, draw->x[0]}, starts, 2, false, desk->work, &held);
		out->rise[index] = fmax(0, held.objective - solution.objective);
	}
}

void resamples_free(struct resamples *resamples) {
	free(resamples->x);
	free(resamples->rise);
	free(resamples->scale);
	*resamples = (struct resamples){0};
}

struct error *resample(
    const struct law *law, const struct table *table, const double *x, enum fit_resampling method, size_t count,
    uint64_t seed, const char *stream, bool rise, struct resamples *resamples) {
	size_t n = table->count, p = (size_t)law_parameters(law);
	int threads = omp_get_max_threads();
	struct draw draw = {.law = law, .table = table, .x = x, .noise = &resamples->noise};
	if (method == RESAMPLE_AUTO) method = table->groups < FEW_RUNGS ? RESAMPLE_SIMULATED : RESAMPLE_RUNGS;
	*resamples = (struct resamples){.count = count, .parameters = (int)p, .method = method};
	resamples->x = array_new(count * p + 1, sizeof(double));
	resamples->scale = array_new(count + 1, sizeof(double));
	if (rise) resamples->rise = array_new(count + 1, sizeof(double));
	double *fitted = array_new(n, sizeof(double));
	int *level = array_new(n * (size_t)table->variables, sizeof(int));
	size_t work_count = law_work_size(law, table) / sizeof(double);
	size_t shared_count = (size_t)(table->groups + table->settings);
	size_t times_count = n > (size_t)table->groups ? n : (size_t)table->groups;
	size_t per_thread = 2 * n + work_count + shared_count + times_count + n;
	double *desks = array_new((size_t)threads * per_thread, sizeof(double));
	struct error *error = NULL;
	if (!resamples->x || !resamples->scale || (rise && !resamples->rise) || !fitted || !level || !desks) {
		error = error_memory((count * (p + 2) + (size_t)threads * per_thread) * sizeof(double));
		goto done;
	}
	error = find_levels(table, level, &draw.levels);
	if (error) goto done;
	error = noise_estimate(law, table, x, &resamples->noise, &draw.freedom);
	if (error) goto done;
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
			refit(&draw, &desk, seed, stream, i, resamples, &again, &finished);
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

struct error *fit_bootstrap(
    const struct fit_points *points, const struct fit_surface_result *result, enum fit_resampling method, size_t count,
    uint64_t seed, struct fit_replicates *replicates) {
	struct table table;
	struct resamples resamples;
	struct fit_lack_of_fit lack;
	struct settings settings = {0};
	double x[MOST_PARAMETERS];
	*replicates = (struct fit_replicates){.count = count};
	TRY(fit_lack_of_fit_of(points, result, &lack));
	TRY(surface_table(points, &table));
	struct error *error = NULL;
	if (lack.tested && lack.p < FIT_SIGNIFICANT) {
		struct fit_seed_noise chance;
		error = fit_seed_noise_of(points, &chance);
		if (!error) error = settings_of(points, &settings);
		if (error) goto done;
		table.setting = settings.of;
		table.settings = settings.count;
		table.seed_noise = chance.sd;
	}
	surface_centred(&table, &result->surface, x);
	error = resample(&law_chinchilla, &table, x, method, count, seed, "surface", true, &resamples);
	if (error) goto done;
	replicates->surfaces = array_new(count + 1, sizeof *replicates->surfaces);
	if (!replicates->surfaces) {
		resamples_free(&resamples);
		error = error_memory(count * sizeof *replicates->surfaces);
		goto done;
	}
	for (size_t i = 0; i < count; i++)
		replicates->surfaces[i] = surface_of(&table, resamples.x + i * FIT_SURFACE_PARAMETERS);
	replicates->rise = resamples.rise;
	replicates->scale = resamples.scale;
	replicates->method = resamples.method;
	replicates->noise = resamples.noise;
	replicates->redrawn = resamples.redrawn;
	replicates->unfinished = resamples.unfinished;
	free(resamples.x);
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
	free(replicates->rise);
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
