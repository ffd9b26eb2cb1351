/* bootstrap.c - how far a refit moves when the data are drawn again.
 *
 * Which draw to trust is a question of measurement; the table in fit.h is the answer for ladders of a few rungs. */
#include "fit/law.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define FEW_RUNGS 20     /* below: RESAMPLE_SIMULATED */
#define LEAST_RUNGS 4    /* for an error of their own to be told from the law */
#define RUNGS_TO_BOUND 6 /* with so many or more their error is taken as it comes out */
#define MOST_SHARE 0.9   /* of the variance with fewer: a rung's error is at most 3 times a point's */
#define WINSORISE 3.5    /* residuals beyond this many scales count as this many */
#define SHARES 40        /* of the variance that a rung may have, tried before the refinement */
#define MOST_DRAWS 1000  /* of rungs until one has enough sizes and horizons */
#define SLOPE_FINISHED 1e-6

/* ---------------------------------------------------------------------------------------------------------- noise --- */

/* The linearised law, its residuals, and room to whiten them. */
struct linear_model {
	size_t n;
	int p, groups;
	const int *group;
	double *jacobian, *residual;             /* (n,p), (n) */
	double *white_jacobian, *white_residual; /* the same for one share */
	double *mean;                            /* (groups, p + 1) */
	double *size;                            /* (groups) */
};

static void linear_model_free(struct linear_model *model) {
	free(model->jacobian);
	free(model->residual);
	free(model->white_jacobian);
	free(model->white_residual);
	free(model->mean);
	free(model->size);
}

/* linear_model_free must follow, also after an error. */
static struct error *linear_model_new(
    const struct law *law, const struct table *table, const double *x, struct linear_model *model) {
	size_t n = table->count;
	int p = law_parameters(law);
	*model = (struct linear_model){.n = n, .p = p, .groups = table->groups, .group = table->group};
	model->jacobian = array_new(n * (size_t)p, sizeof(double));
	model->residual = array_new(n, sizeof(double));
	model->white_jacobian = array_new(n * (size_t)p, sizeof(double));
	model->white_residual = array_new(n, sizeof(double));
	model->mean = array_new((size_t)table->groups * (size_t)(p + 1), sizeof(double));
	model->size = array_new((size_t)table->groups, sizeof(double));
	if (!model->jacobian || !model->residual || !model->white_jacobian || !model->white_residual || !model->mean ||
	    !model->size)
		return error_memory(n * (size_t)(2 * p + 2) * sizeof(double));
	for (size_t i = 0; i < n; i++) {
		double *slope = model->jacobian + i * (size_t)p;
		double loss = law_predict(law, x, table->u + i * (size_t)table->variables, slope, NULL);
		for (int j = 0; j < p; j++) slope[j] /= loss;
		model->residual[i] = table->y[i] - log(loss);
		model->size[table->group[i]]++;
	}
	return NULL;
}

/* Orthonormalises the columns of a (n,p) in place; columns that depend on those before become zero. Returns the rank and
 * adds the logarithm of the squared lengths to *log_volume. Twice is enough (Giraud, Langou and Rozloznik 2005). */
static int orthonormalise(size_t n, int p, double *a, double *log_volume) {
	int rank = 0;
	for (int k = 0; k < p; k++) {
		double before = 0, after = 0;
		for (size_t i = 0; i < n; i++) before += a[i * (size_t)p + (size_t)k] * a[i * (size_t)p + (size_t)k];
		for (int pass = 0; pass < 2; pass++)
			for (int j = 0; j < k; j++) {
				double along = 0;
				for (size_t i = 0; i < n; i++) along += a[i * (size_t)p + (size_t)k] * a[i * (size_t)p + (size_t)j];
				for (size_t i = 0; i < n; i++) a[i * (size_t)p + (size_t)k] -= along * a[i * (size_t)p + (size_t)j];
			}
		for (size_t i = 0; i < n; i++) after += a[i * (size_t)p + (size_t)k] * a[i * (size_t)p + (size_t)k];
		bool depends = after <= 1e-24 * before || after == 0;
		double scale = depends ? 0 : 1 / sqrt(after);
		for (size_t i = 0; i < n; i++) a[i * (size_t)p + (size_t)k] *= scale;
		if (!depends) {
			rank++;
			*log_volume += log(after);
		}
	}
	return rank;
}

/* -2 ln of the restricted likelihood, up to a constant, when the rung's part of the variance is `share`; *variance is
 * that of a point alone. */
static double restricted_likelihood(struct linear_model *model, double share, double *variance, int *freedom) {
	size_t n = model->n, p = (size_t)model->p;
	double ratio = share / (1 - share), log_volume = 0;
	memset(model->mean, 0, sizeof(double) * (size_t)model->groups * (p + 1));
	for (size_t i = 0; i < n; i++) {
		double *mean = model->mean + (size_t)model->group[i] * (p + 1), size = model->size[model->group[i]];
		for (size_t j = 0; j < p; j++) mean[j] += model->jacobian[i * p + j] / size;
		mean[p] += model->residual[i] / size;
	}
	/* (I + ratio 11')^(-1/2) leaves what varies within a rung and shrinks its mean. */
	for (size_t i = 0; i < n; i++) {
		const double *mean = model->mean + (size_t)model->group[i] * (p + 1);
		double shrink = 1 - 1 / sqrt(1 + ratio * model->size[model->group[i]]);
		for (size_t j = 0; j < p; j++) model->white_jacobian[i * p + j] = model->jacobian[i * p + j] - shrink * mean[j];
		model->white_residual[i] = model->residual[i] - shrink * mean[p];
	}
	for (int g = 0; g < model->groups; g++) log_volume += log(1 + ratio * model->size[g]);
	*freedom = (int)n - orthonormalise(n, model->p, model->white_jacobian, &log_volume);
	for (size_t j = 0; j < p; j++) {
		double along = 0;
		for (size_t i = 0; i < n; i++) along += model->white_jacobian[i * p + j] * model->white_residual[i];
		for (size_t i = 0; i < n; i++) model->white_residual[i] -= along * model->white_jacobian[i * p + j];
	}
	double squares = 0;
	for (size_t i = 0; i < n; i++) squares += model->white_residual[i] * model->white_residual[i];
	*variance = *freedom > 0 ? squares / *freedom : NAN;
	return *freedom * log(squares) + log_volume;
}

/* The share of the variance at which the restricted likelihood is largest. With a handful of rungs, whose means the law's
 * parameters nearly pass through, the likelihood hardly falls towards large shares, and one odd run can throw it there. */
static double likely_share(struct linear_model *model) {
	const double golden = 0.6180339887498949, most = model->groups < RUNGS_TO_BOUND ? MOST_SHARE : 1 - 1e-6;
	double variance, best = INFINITY, at = 0;
	int freedom;
	for (int k = 0; k < SHARES; k++) {
		double value = restricted_likelihood(model, most * k / SHARES, &variance, &freedom);
		if (value >= best) continue;
		best = value;
		at = most * k / SHARES;
	}
	double low = fmax(0, at - most / SHARES), high = fmin(at + most / SHARES, most);
	for (int round = 0; round < 30; round++) {
		double left = high - golden * (high - low), right = low + golden * (high - low);
		bool rises = restricted_likelihood(model, left, &variance, &freedom) <=
		             restricted_likelihood(model, right, &variance, &freedom);
		*(rises ? &high : &low) = rises ? right : left;
	}
	return low == 0 ? 0 : (low + high) / 2; /* the search never left zero: that is it */
}

struct error *noise_estimate(
    const struct law *law, const struct table *table, const double *x, struct fit_noise *noise, int *freedom) {
	struct linear_model model;
	struct error *error = linear_model_new(law, table, x, &model);
	if (error) goto done;
	double scale = robust_scale(model.residual, model.n, model.p, model.white_residual), variance;
	for (size_t i = 0; i < model.n; i++)
		model.residual[i] = fmin(fmax(model.residual[i], -WINSORISE * scale), WINSORISE * scale);
	restricted_likelihood(&model, 0, &variance, freedom);
	*noise = (struct fit_noise){.point = sqrt(variance), .rung = NAN};
	if (table->groups >= LEAST_RUNGS && (int)model.n - table->groups >= model.p) {
		double share = variance > 0 ? likely_share(&model) : 0;
		restricted_likelihood(&model, share, &variance, freedom);
		noise->point = sqrt(variance);
		noise->rung = sqrt(variance * share / (1 - share));
	}
done:
	linear_model_free(&model);
	return error;
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

/* The fitted losses with new errors, into `y`; `shared` holds groups numbers. Returns the scale of the errors. */
static double draw_errors(const struct draw *draw, struct rng *rng, double *y, double *shared) {
	const struct table *table = draw->table;
	double squares = 0;
	for (int k = 0; k < draw->freedom; k++) {
		double z = rng_normal(rng);
		squares += z * z;
	}
	double scale = squares > 0 ? sqrt(draw->freedom / squares) : 1;
	double point = scale * draw->noise->point, rung = isnan(draw->noise->rung) ? 0 : scale * draw->noise->rung;
	for (int g = 0; g < table->groups; g++) shared[g] = rung * rng_normal(rng);
	for (size_t i = 0; i < table->count; i++)
		y[i] = draw->fitted[i] + shared[table->group[i]] + point * rng_normal(rng);
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

/* Weights of the rows when as many rungs as there are have been drawn with replacement. Returns how often it took more
 * than one draw. `times` holds groups numbers, `seen` as above. */
static size_t draw_rungs(const struct draw *draw, struct rng *rng, double *weight, int *times, char *seen) {
	const struct table *table = draw->table;
	int needed = draw->law->floors ? 3 : 2;
	size_t again = 0;
	for (; again < MOST_DRAWS; again++) {
		memset(times, 0, sizeof *times * (size_t)table->groups);
		for (int g = 0; g < table->groups; g++) times[rng_below(rng, (uint64_t)table->groups)]++;
		for (size_t i = 0; i < table->count; i++) weight[i] = table->weight[i] * times[table->group[i]];
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
	double *shared;     /* (groups) */
	int *times;         /* (groups) */
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
		*redrawn = draw_rungs(draw, &rng, desk->weight, desk->times, desk->seen);
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
	size_t work_count = law_work_size(law, table) / sizeof(double), groups = (size_t)table->groups;
	size_t per_thread = 2 * n + work_count + 2 * groups + n;
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
		desk.times = (int *)(desk.shared + groups);
		desk.seen = (char *)(desk.shared + 2 * groups);
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
	double x[MOST_PARAMETERS];
	*replicates = (struct fit_replicates){.count = count};
	TRY(surface_table(points, &table));
	surface_centred(&table, &result->surface, x);
	struct error *error = resample(&law_chinchilla, &table, x, method, count, seed, "surface", true, &resamples);
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
	table_free(&table);
	return error;
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
