/* curve.c - laws of one variable: loss against N, D or C alone, as a pure power and with a floor. */
#include "fit/law.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    .domain = LAW_OF_ONE,
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
    .domain = LAW_OF_ONE,
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
    .domain = LAW_OF_BOTH,
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

/* ----------------------------------------------------------------------------------------------------------- fits --- */

/* The parameters of `law` at x as E, k and exponent of the curve. */
static void parameters_of(const struct law *law, const struct table *table, const double *x, double out[3]) {
	bool floor = law->linear == 2;
	double scale = exp(table->mean_y);
	out[0] = floor ? scale * x[0] : 0;
	out[2] = x[law->linear];
	out[1] = scale * x[law->linear - 1] * exp(out[2] * table->mean_u[0]);
}

static struct error *fit_one(
    const struct selection *selection, const struct fit_method *method, size_t replicates, uint64_t seed,
    struct fit_curve *curve) {
	struct law form = curve->floor ? law_power_floor : law_power, *law = &form;
	form.criterion = criterion_of(method);
	struct table table;
	struct solution solution;
	struct resamples resamples = {0};
	double *values = NULL, parameters[3];
	struct error *error = NULL;
	TRY(selection_table(selection, law, NULL, &table));
	for (size_t i = 0; i < table.count; i++) table.group[i] = (int)i; /* on a slice every rung has one point */
	table.groups = (int)table.count;
	error = law_solve_adapting(law, &table, &solution, NULL);
	if (error) goto done;
	law_certify(law, &table, &solution, &curve->certificate);
	parameters_of(law, &table, solution.x, parameters);
	curve->E = parameters[0];
	curve->k = parameters[1];
	curve->exponent = parameters[2];
	curve->objective = law_objective(law, &table, solution.x);
	curve->rms = law_rms(law, &table, solution.x);
	curve->converged = !curve->certificate.doubt;
	curve->at_bound = curve->floor ? solution.at_bound : solution.at_bound << 1;
	struct fit_interval *intervals[3] = {&curve->E_interval, &curve->k_interval, &curve->exponent_interval};
	for (int j = 0; j < 3; j++) *intervals[j] = (struct fit_interval){NAN, NAN};
	if (replicates == 0) goto done;
	char stream[32];
	snprintf(stream, sizeof stream, "%s/%d", law->name, curve->variable);
	const struct resampling how = {.method = RESAMPLE_SIMULATED, .count = replicates, .seed = seed, .stream = stream};
	error = resample(law, &table, solution.x, &how, &resamples);
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

struct error *fit_curves(
    const struct fit_points *points, const struct fit_method *method, size_t replicates, uint64_t seed,
    struct fit_curve curves[FIT_CURVES], int *count) {
	struct error *error = NULL;
	*count = 0;
	for (enum fit_variable variable = FIT_N; variable <= FIT_C && !error; variable++) {
		struct selection selection;
		TRY(select_rows(points, variable, false, &selection));
		for (int floor = 0; floor < 2 && !error; floor++) {
			int p = law_parameters(floor ? &law_power_floor : &law_power);
			if (selection.count <= (size_t)p || selection_distinct(&selection) < p) continue;
			struct fit_curve *curve = &curves[(*count)++];
			*curve =
			    (struct fit_curve){.variable = variable, .floor = floor, .points = selection.count, .at = selection.at};
			error = fit_one(&selection, method, replicates, seed, curve);
		}
		selection_free(&selection);
	}
	return error;
}
