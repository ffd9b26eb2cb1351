/* curve.c - laws of one variable: loss against N, D or C alone, as a pure power and with a floor. */
#include "fit/law.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAME_SIZE 1e-9 /* relative, as in design.c */
#define SAME_HORIZON 0.02

/* ------------------------------------------------------------------------------------------------------- the laws --- */

static void power_terms(const double *x, const double *u, double *out) {
	out[0] = exp(-x[1] * u[0]);
}

static double power_predict(const double *x, const double *u, double *gradient, double *hessian) {
	double fall = exp(-x[1] * u[0]);
	if (gradient) {
		gradient[0] = fall;
		gradient[1] = -x[0] * u[0] * fall;
	}
	if (hessian) {
		hessian[0] = 0;
		hessian[1] = hessian[2] = -u[0] * fall;
		hessian[3] = x[0] * u[0] * u[0] * fall;
	}
	return x[0] * fall;
}

const struct law law_power = {
    .name = "power",
    .formula = "L(x) = k / x^exponent",
    .paper = "Kaplan et al. 2020, arXiv 2001.08361",
    .variables = 1,
    .linear = 1,
    .nonlinear = 1,
    .parameters =
        {{.name = "k", .role = ROLE_PREFACTOR, .scale = 1, COEFFICIENT_BOX},
         {.name = "exponent", EXPONENT_BOX, EXPONENT_GRID}},
    .terms = power_terms,
    .predict = power_predict,
    .criterion = CRITERION_HUBER};

static void floor_terms(const double *x, const double *u, double *out) {
	out[0] = 1;
	out[1] = exp(-x[2] * u[0]);
}

static double floor_predict(const double *x, const double *u, double *gradient, double *hessian) {
	double fall = exp(-x[2] * u[0]);
	if (gradient) {
		gradient[0] = 1;
		gradient[1] = fall;
		gradient[2] = -x[1] * u[0] * fall;
	}
	if (hessian) {
		memset(hessian, 0, 9 * sizeof *hessian);
		hessian[5] = hessian[7] = -u[0] * fall;
		hessian[8] = x[1] * u[0] * u[0] * fall;
	}
	return x[0] + x[1] * fall;
}

const struct law law_power_floor = {
    .name = "power+E",
    .formula = "L(x) = E + k / x^exponent",
    .paper = "Henighan et al. 2020, arXiv 2010.14701",
    .variables = 1,
    .linear = 2,
    .nonlinear = 1,
    .parameters =
        {{.name = "E", .role = ROLE_LOSS, COEFFICIENT_BOX},
         {.name = "k", .role = ROLE_PREFACTOR, .scale = 2, COEFFICIENT_BOX},
         {.name = "exponent", EXPONENT_BOX, EXPONENT_GRID}},
    .terms = floor_terms,
    .predict = floor_predict,
    .floors = 1,
    .criterion = CRITERION_HUBER};

static void plane_terms(const double *x, const double *u, double *out) {
	out[0] = exp(-x[1] * u[0] - x[2] * u[1]);
}

static double plane_predict(const double *x, const double *u, double *gradient, double *hessian) {
	double fall = exp(-x[1] * u[0] - x[2] * u[1]);
	if (gradient) {
		gradient[0] = fall;
		gradient[1] = -x[0] * u[0] * fall;
		gradient[2] = -x[0] * u[1] * fall;
	}
	if (hessian) {
		hessian[0] = 0;
		hessian[1] = hessian[3] = -u[0] * fall;
		hessian[2] = hessian[6] = -u[1] * fall;
		hessian[4] = x[0] * u[0] * u[0] * fall;
		hessian[5] = hessian[7] = x[0] * u[0] * u[1] * fall;
		hessian[8] = x[0] * u[1] * u[1] * fall;
	}
	return x[0] * fall;
}

const struct law law_power_of_two = {
    .name = "power of both",
    .formula = "L(N, D) = k / (N^p D^q)",
    .paper = "the naive baseline",
    .variables = 2,
    .linear = 1,
    .nonlinear = 2,
    .parameters =
        {{.name = "k", .role = ROLE_PREFACTOR, .scale = 1, COEFFICIENT_BOX},
         {.name = "p", EXPONENT_BOX, EXPONENT_GRID},
         {.name = "q", EXPONENT_BOX, EXPONENT_GRID}},
    .terms = plane_terms,
    .predict = plane_predict,
    .criterion = CRITERION_HUBER};

double fit_curve_loss(const struct fit_curve *curve, double x) {
	return curve->E + curve->k * pow(x, -curve->exponent);
}

/* ------------------------------------------------------------------------------------------------------ selection --- */

/* The points a law is fitted to. */
struct selection {
	double *x, *loss;
	size_t count;
	double at; /* where the other variable stands */
};

static const struct fit_point *point_at(const struct fit_points *points, const size_t *order, size_t k) {
	return &points->items[order[k]];
}

static int by_compute(const void *a, const void *b, void *context) {
	const struct fit_point *items = context;
	const struct fit_point *x = &items[*(const size_t *)a], *y = &items[*(const size_t *)b];
	int order = (x->C > y->C) - (x->C < y->C);
	return order ? order : (x->loss > y->loss) - (x->loss < y->loss);
}

static int by_size_and_horizon(const void *a, const void *b, void *context) {
	const struct fit_point *items = context;
	const struct fit_point *x = &items[*(const size_t *)a], *y = &items[*(const size_t *)b];
	int order = (x->N > y->N) - (x->N < y->N);
	return order ? order : (x->D > y->D) - (x->D < y->D);
}

/* Does every size have a point within SAME_HORIZON of D? `order` is by size. */
static bool shared_by_all(const struct fit_points *points, const size_t *order, double D) {
	bool found = true;
	for (size_t i = 0; i < points->count; i++) {
		const struct fit_point *point = point_at(points, order, i);
		bool begins = i == 0 || point->N > point_at(points, order, i - 1)->N * (1 + SAME_SIZE);
		if (begins && !found) return false;
		if (begins) found = false;
		if (fabs(log(point->D / D)) <= log(1 + SAME_HORIZON)) found = true;
	}
	return found;
}

static void add(struct selection *selection, double x, double loss) {
	selection->x[selection->count] = x;
	selection->loss[selection->count++] = loss;
}

/* The next point in order of C: kept if it lies below all before it; those that then lie above the line between their
 * neighbours in (ln C, ln loss) go. */
static void add_to_hull(struct selection *selection, const struct fit_point *point) {
	double *x = selection->x, *loss = selection->loss;
	size_t n = selection->count;
	if (n > 0 && point->loss >= loss[n - 1]) return;
	for (; n > 1; n--) {
		double to_last = log(loss[n - 1] / loss[n - 2]) / log(x[n - 1] / x[n - 2]);
		double to_new = log(point->loss / loss[n - 2]) / log(point->C / x[n - 2]);
		if (to_last < to_new) break;
	}
	selection->count = n;
	add(selection, point->C, point->loss);
}

/* `order` holds the points by size, and is left in another order. */
static void select_points(
    const struct fit_points *points, enum fit_variable variable, size_t *order, struct selection *selection) {
	size_t n = points->count;
	selection->count = 0;
	selection->at = NAN;
	if (variable == FIT_N) {
		double best = 0;
		for (size_t i = 0; i < n; i++) {
			double D = points->items[i].D;
			if (D > best && shared_by_all(points, order, D)) best = D;
		}
		for (size_t i = 0; i < n && best > 0; i++) {
			const struct fit_point *point = point_at(points, order, i);
			if (fabs(log(point->D / best)) <= log(1 + SAME_HORIZON)) add(selection, point->N, point->loss);
		}
		if (best > 0) selection->at = best;
	} else if (variable == FIT_D) {
		selection->at = point_at(points, order, n - 1)->N;
		for (size_t i = 0; i < n; i++) {
			const struct fit_point *point = point_at(points, order, i);
			if (point->N * (1 + SAME_SIZE) >= selection->at) add(selection, point->D, point->loss);
		}
	} else {
		qsort_r(order, n, sizeof *order, by_compute, points->items);
		for (size_t i = 0; i < n; i++) add_to_hull(selection, point_at(points, order, i));
	}
}

/* ----------------------------------------------------------------------------------------------------------- fits --- */

/* The parameters of `law` at x as E, k and exponent of the curve. */
static void parameters_of(const struct law *law, const struct table *table, const double *x, double out[3]) {
	bool floor = law == &law_power_floor;
	double scale = exp(table->mean_y);
	out[0] = floor ? scale * x[0] : 0;
	out[2] = x[law->linear];
	out[1] = scale * x[law->linear - 1] * exp(out[2] * table->mean_u[0]);
}

static struct error *fit_one(
    const struct selection *selection, const struct law *law, size_t replicates, uint64_t seed,
    struct fit_curve *curve) {
	struct table table;
	struct solution solution;
	struct fit_certificate certificate;
	struct resamples resamples = {0};
	double *values = NULL, parameters[3];
	struct error *error = NULL;
	TRY(table_new(&table, selection->count, 1, (const double *const[]){selection->x}, selection->loss, NULL));
	error = law_solve(law, &table, HELD_NONE, &solution);
	if (error) goto done;
	law_certify(law, &table, &solution, &certificate);
	parameters_of(law, &table, solution.x, parameters);
	curve->E = parameters[0];
	curve->k = parameters[1];
	curve->exponent = parameters[2];
	curve->objective = solution.objective;
	curve->rms = law_rms(law, &table, solution.x);
	curve->converged = !certificate.doubt;
	curve->at_bound = law == &law_power_floor ? solution.at_bound : solution.at_bound << 1;
	struct fit_interval *intervals[3] = {&curve->E_interval, &curve->k_interval, &curve->exponent_interval};
	for (int j = 0; j < 3; j++) *intervals[j] = (struct fit_interval){NAN, NAN};
	if (replicates == 0) goto done;
	char stream[32];
	snprintf(stream, sizeof stream, "%s/%d", law->name, curve->variable);
	error = resample(law, &table, solution.x, RESAMPLE_SIMULATED, replicates, seed, stream, false, &resamples);
	if (error) goto done;
	values = array_new(replicates, sizeof *values);
	if (!values) {
		error = error_memory(replicates * sizeof *values);
		goto done;
	}
	for (int j = curve->floor ? 0 : 1; j < 3; j++) {
		for (size_t i = 0; i < replicates; i++) {
			parameters_of(law, &table, resamples.x + i * (size_t)resamples.parameters, parameters);
			values[i] = parameters[j];
		}
		*intervals[j] = interval_of(values, replicates);
	}
done:
	free(values);
	resamples_free(&resamples);
	table_free(&table);
	return error;
}

static int distinct_x(const struct selection *selection) {
	int count = 0;
	for (size_t i = 0; i < selection->count; i++) {
		bool seen = false;
		for (size_t k = 0; k < i && !seen; k++) seen = fabs(selection->x[k] / selection->x[i] - 1) <= SAME_SIZE;
		count += !seen;
		if (count > MOST_PARAMETERS) break; /* more than any law asks for */
	}
	return count;
}

struct error *fit_curves(
    const struct fit_points *points, size_t replicates, uint64_t seed, struct fit_curve curves[FIT_CURVES],
    int *count) {
	size_t n = points->count;
	size_t *order = array_new(n + 1, sizeof *order);
	double *memory = array_new(2 * n + 1, sizeof *memory);
	struct error *error = NULL;
	*count = 0;
	if (n == 0) goto done;
	if (!order || !memory) {
		error = error_memory(n * (sizeof *order + 2 * sizeof *memory));
		goto done;
	}
	for (size_t i = 0; i < n; i++) order[i] = i;
	qsort_r(order, n, sizeof *order, by_size_and_horizon, points->items);
	for (enum fit_variable variable = FIT_N; variable <= FIT_C; variable++) {
		struct selection selection = {.x = memory, .loss = memory + n};
		select_points(points, variable, order, &selection);
		for (int floor = 0; floor < 2; floor++) {
			const struct law *law = floor ? &law_power_floor : &law_power;
			int p = law_parameters(law);
			if (selection.count <= (size_t)p || distinct_x(&selection) < p) continue;
			struct fit_curve *curve = &curves[*count];
			*curve =
			    (struct fit_curve){.variable = variable, .floor = floor, .points = selection.count, .at = selection.at};
			error = fit_one(&selection, law, replicates, seed, curve);
			if (error) goto done;
			(*count)++;
		}
	}
done:
	free(order);
	free(memory);
	return error;
}
