/* noise.c - how far the rows lie from the law, and what part of that the rows of a group share.
 *
 * The law is linearised at the solution, with orthonormal columns: what is left is a linear model with two variances,
 * whose restricted likelihood needs only the sums of its columns and residuals over the groups. */
#include "fit/law.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_GROUPS 4    /* for an error of their own to be told from the law */
#define GROUPS_TO_BOUND 6 /* with so many or more their error is taken as it comes out */
#define MOST_SHARE 0.9    /* of the variance with fewer: a group's error is at most 3 times a row's */
#define WINSORISE 3.5     /* residuals beyond this many scales count as this many */
#define SHARES 40         /* of the variance that a group may have, tried before the refinement */

int orthonormalise(size_t n, int p, double *a, double *log_volume) {
	int rank = 0;
	size_t width = (size_t)p;
	for (size_t k = 0; k < width; k++) {
		double before = 0, after = 0;
		for (size_t i = 0; i < n; i++) before += a[i * width + k] * a[i * width + k];
		for (int pass = 0; pass < 2; pass++)
			for (size_t j = 0; j < k; j++) {
				double along = 0;
				for (size_t i = 0; i < n; i++) along += a[i * width + k] * a[i * width + j];
				for (size_t i = 0; i < n; i++) a[i * width + k] -= along * a[i * width + j];
			}
		for (size_t i = 0; i < n; i++) after += a[i * width + k] * a[i * width + k];
		bool depends = after <= 1e-24 * before || after == 0;
		double scale = depends ? 0 : 1 / sqrt(after);
		for (size_t i = 0; i < n; i++) a[i * width + k] *= scale;
		if (!depends) {
			rank++;
			*log_volume += log(after);
		}
	}
	return rank;
}

void project_out(size_t n, int p, const double *a, double *x) {
	size_t width = (size_t)p;
	for (size_t j = 0; j < width; j++) {
		double along = 0;
		for (size_t i = 0; i < n; i++) along += a[i * width + j] * x[i];
		for (size_t i = 0; i < n; i++) x[i] -= along * a[i * width + j];
	}
}

/* The linearised law, whitened by the weights of the rows, and its sums over the groups. */
struct linear_model {
	size_t n; /* rows of non-zero weight */
	int p, groups, freedom;
	double *jacobian;  /* (n,p) orthonormal columns; those that depend on others are zero */
	double *residual;  /* (n) orthogonal to them */
	double *sums;      /* (groups, p + 1) of root weight times the columns and the residual */
	double *weight;    /* (groups) sum of the weights */
	double squares;    /* of the residual */
	double log_volume; /* of the columns before they were made orthonormal */
	int *group;        /* (n) */
	double *root;      /* (n) of the weight */
};

static void linear_model_free(struct linear_model *model) {
	free(model->jacobian);
	free(model->residual);
	free(model->sums);
	free(model->weight);
	free(model->group);
	free(model->root);
}

/* linear_model_free must follow, also after an error. */
static struct error *linear_model_new(
    const struct law *law, const struct table *table, const double *x, struct linear_model *model) {
	size_t n = table->count, p = (size_t)law_parameters(law);
	*model = (struct linear_model){.p = (int)p, .groups = table->groups};
	model->jacobian = array_new(n * p + 1, sizeof(double));
	model->residual = array_new(2 * n + 1, sizeof(double)); /* the second half for the order of the first */
	model->sums = array_new((size_t)table->groups * (p + 1) + 1, sizeof(double));
	model->weight = array_new((size_t)table->groups + 1, sizeof(double));
	model->group = array_new(n + 1, sizeof(int));
	model->root = array_new(n + 1, sizeof(double));
	if (!model->jacobian || !model->residual || !model->sums || !model->weight || !model->group || !model->root)
		return error_memory(n * (p + 4) * sizeof(double));
	for (size_t i = 0; i < n; i++) {
		if (table->weight[i] == 0) continue;
		size_t at = model->n++;
		double *slope = model->jacobian + at * p, root = sqrt(table->weight[i]);
		double loss = law_predict(law, x, table->u + i * (size_t)table->variables, slope, NULL);
		for (size_t j = 0; j < p; j++) slope[j] *= root / loss;
		model->residual[at] = root * (table->y[i] - log(loss));
		model->root[at] = root;
		model->group[at] = table->group[i];
	}
	return NULL;
}

/* Makes the columns orthonormal, takes them out of the residuals and sums over the groups. */
static void reduce(struct linear_model *model) {
	size_t p = (size_t)model->p;
	int rank = orthonormalise(model->n, model->p, model->jacobian, &model->log_volume);
	model->freedom = (int)model->n - rank;
	project_out(model->n, model->p, model->jacobian, model->residual);
	for (size_t i = 0; i < model->n; i++) {
		double *sums = model->sums + (size_t)model->group[i] * (p + 1), root = model->root[i];
		for (size_t j = 0; j < p; j++) sums[j] += root * model->jacobian[i * p + j];
		sums[p] += root * model->residual[i];
		model->weight[model->group[i]] += root * root;
		model->squares += model->residual[i] * model->residual[i];
	}
}

/* -2 ln of the restricted likelihood, up to a constant, when the group's part of the variance is `share`; *variance is
 * that of a row alone. With V = I + ratio zz' in every group, z the roots of its weights, V^-1 = I - c zz',
 * c = ratio / (1 + ratio z'z), and the columns Q and residuals r enter by Q'z and r'z alone. */
static double restricted_likelihood(const struct linear_model *model, double share, double *variance) {
	size_t p = (size_t)model->p;
	double ratio = share / (1 - share), log_volume = model->log_volume, squares = model->squares;
	double gram[MOST_PARAMETERS * MOST_PARAMETERS] = {0}, along[MOST_PARAMETERS] = {0};
	double values[MOST_PARAMETERS], vectors[MOST_PARAMETERS * MOST_PARAMETERS];
	for (int g = 0; g < model->groups; g++) {
		const double *sums = model->sums + (size_t)g * (p + 1);
		double c = ratio / (1 + ratio * model->weight[g]);
		for (size_t j = 0; j < p; j++) {
			along[j] -= c * sums[j] * sums[p];
			for (size_t k = 0; k < p; k++) gram[j * p + k] -= c * sums[j] * sums[k];
		}
		squares -= c * sums[p] * sums[p];
		log_volume += log1p(ratio * model->weight[g]);
	}
	for (size_t j = 0; j < p; j++) gram[j * p + j] += 1;
	symmetric_eigen(model->p, gram, values, vectors);
	for (size_t k = 0; k < p; k++) {
		double part = 0;
		for (size_t j = 0; j < p; j++) part += vectors[j * p + k] * along[j];
		squares -= part * part / values[k];
		log_volume += log(values[k]);
	}
	squares = fmax(squares, 0);
	*variance = model->freedom > 0 ? squares / model->freedom : NAN;
	return model->freedom * log(squares) + log_volume;
}

/* The share of the variance at which the restricted likelihood is largest. With a handful of groups, whose means the law's
 * parameters nearly pass through, the likelihood hardly falls towards large shares, and one odd run can throw it there. */
static double likely_share(const struct linear_model *model) {
	const double golden = 0.6180339887498949, most = model->groups < GROUPS_TO_BOUND ? MOST_SHARE : 1 - 1e-6;
	double variance, best = INFINITY, at = 0;
	for (int k = 0; k < SHARES; k++) {
		double value = restricted_likelihood(model, most * k / SHARES, &variance);
		if (value >= best) continue;
		best = value;
		at = most * k / SHARES;
	}
	double low = fmax(0, at - most / SHARES), high = fmin(at + most / SHARES, most);
	for (int round = 0; round < 30; round++) {
		double left = high - golden * (high - low), right = low + golden * (high - low);
		bool rises = restricted_likelihood(model, left, &variance) <= restricted_likelihood(model, right, &variance);
		*(rises ? &high : &low) = rises ? right : left;
	}
	return low == 0 ? 0 : (low + high) / 2; /* the search never left zero: that is it */
}

struct error *noise_estimate(
    const struct law *law, const struct table *table, const double *x, struct fit_noise *noise, int *freedom) {
	struct linear_model model;
	struct error *error = linear_model_new(law, table, x, &model);
	if (error) goto done;
	double scale = robust_scale(model.residual, model.n, model.p, model.residual + model.n), variance;
	for (size_t i = 0; i < model.n; i++)
		model.residual[i] = fmin(fmax(model.residual[i], -WINSORISE * scale), WINSORISE * scale);
	reduce(&model);
	*freedom = model.freedom;
	restricted_likelihood(&model, 0, &variance);
	*noise = (struct fit_noise){.point = sqrt(variance), .rung = NAN};
	if (table->groups >= LEAST_GROUPS && (int)model.n - table->groups >= model.p) {
		double share = variance > 0 ? likely_share(&model) : 0;
		restricted_likelihood(&model, share, &variance);
		noise->point = sqrt(variance);
		noise->rung = noise->point * sqrt(share / (1 - share));
	}
	if (table->setting && table->seed_noise < noise->point) {
		noise->setting = sqrt(noise->point * noise->point - table->seed_noise * table->seed_noise);
		noise->point = table->seed_noise;
	}
done:
	linear_model_free(&model);
	return error;
}
