/* law_curve.c - laws of one variable x beside the power laws: what a curve that looks like one may be instead. */
#include "fit/jet.h"
#include "fit/law.h"

#include <math.h>
#include <string.h>

/* --------------------------------------------------------------------------------------------- Kaplan's power laws --- */

/* (xc / x)^a as exp(n - a u). */
static double pure_predict(const double *x, const double *u, double *gradient, double *hessian) {
	double loss = exp(x[0] - x[1] * u[0]);
	if (gradient) {
		gradient[0] = loss;
		gradient[1] = -u[0] * loss;
	}
	if (hessian) {
		hessian[0] = loss;
		hessian[1] = hessian[2] = -u[0] * loss;
		hessian[3] = u[0] * u[0] * loss;
	}
	return loss;
}

#define KAPLAN_LAW(variable_name, of, constant, exponent)                                                              \
	{                                                                                                                  \
		.name = "kaplan-" variable_name,                                                                               \
		.formula = "L(" variable_name ") = (" constant "/" variable_name ")^" exponent,                                \
		.paper = "Kaplan et al. 2020, arXiv 2001.08361, eqs. 1.1 to 1.3", .domain = of, .variables = 1, .linear = 0,   \
		.nonlinear = 2,                                                                                                \
		.parameters =                                                                                                  \
		    {{.name = constant,                                                                                        \
		      .role = ROLE_LOG_PREFACTOR,                                                                              \
		      .scale = 1,                                                                                              \
		      .least = -40,                                                                                            \
		      .most = 10,                                                                                              \
		      .low = -0.5,                                                                                             \
		      .high = 0.5,                                                                                             \
		      .nodes = 3},                                                                                             \
		     {.name = exponent, EXPONENT_BOX, .low = 0.03, .high = 2.5, .nodes = 8}},                                  \
		.predict = pure_predict, .criterion = CRITERION_HUBER                                                          \
	}

const struct law law_kaplan_N = KAPLAN_LAW("N", LAW_OF_N, "Nc", "alphaN");
const struct law law_kaplan_D = KAPLAN_LAW("D", LAW_OF_D, "Dc", "alphaD");
const struct law law_kaplan_C = KAPLAN_LAW("C", LAW_OF_C, "Cc", "alphaC");

/* ------------------------------------------------------------------------------------------------------ log-linear --- */

static void line_terms(const double *x, const double *u, double *out) {
	(void)x;
	out[0] = 1;
	out[1] = -u[0];
}

static double line_predict(const double *x, const double *u, double *gradient, double *hessian) {
	if (gradient) line_terms(x, u, gradient);
	if (hessian) memset(hessian, 0, 4 * sizeof *hessian);
	return x[0] - x[1] * u[0];
}

const struct law law_log_linear = {
    .name = "log-linear",
    .formula = "L(x) = a - b ln x",
    .paper = "a straight line in ln x",
    .domain = LAW_OF_ONE,
    .variables = 1,
    .linear = 2,
    .nonlinear = 0,
    .parameters =
        {{.name = "a", .role = ROLE_INTERCEPT, .scale = 1, COEFFICIENT_BOX},
         {.name = "b", .role = ROLE_LOSS, .least = -1e3, .most = 1e3}},
    .terms = line_terms,
    .predict = line_predict,
    .criterion = CRITERION_HUBER};

/* ------------------------------------------------------------------- exponential, stretched exponential, logistic --- */

/* All three are E + A f(t), t = c (u - place). */
enum { SHAPE_E, SHAPE_A, SHAPE_PLACE, SHAPE_C };

/* Without a parameter c it is 1. */
static void shape_argument(int n, bool has_c, const double *x, const double *u, struct jet *t) {
	jet_parameter(n, SHAPE_PLACE, x[SHAPE_PLACE], t);
	jet_scaled(n, -1, t, u[0], t);
	if (!has_c) return;
	struct jet c;
	jet_parameter(n, SHAPE_C, x[SHAPE_C], &c);
	jet_product(n, &c, t, t);
}

/* E + A f, of which f is overwritten. */
static double shape_predict(int n, const double *x, struct jet *f, double *gradient, double *hessian) {
	struct jet parameter;
	jet_parameter(n, SHAPE_A, x[SHAPE_A], &parameter);
	jet_product(n, &parameter, f, f);
	jet_parameter(n, SHAPE_E, x[SHAPE_E], &parameter);
	jet_sum(n, 1, &parameter, 1, f, f);
	return jet_unpack(n, f, gradient, hessian);
}

/* t := exp(-exp(t)). */
static void fade(int n, struct jet *t) {
	double e = exp(t->value), f = exp(-e);
	/* Beyond rounding all derivatives are zero, and inf * 0 must not arise. */
	if (f == 0)
		jet_constant(n, 0, t);
	else
		jet_chain(n, t, f, -e * f, e * (e - 1) * f, t);
}

static void exponential_terms(const double *x, const double *u, double *out) {
	out[0] = 1;
	out[1] = exp(-exp(u[0] - x[SHAPE_PLACE]));
}

static double exponential_predict(const double *x, const double *u, double *gradient, double *hessian) {
	int n = gradient ? 3 : 0;
	struct jet t;
	shape_argument(n, false, x, u, &t);
	fade(n, &t);
	return shape_predict(n, x, &t, gradient, hessian);
}

static void stretched_terms(const double *x, const double *u, double *out) {
	out[0] = 1;
	out[1] = exp(-exp(x[SHAPE_C] * (u[0] - x[SHAPE_PLACE])));
}

static double stretched_predict(const double *x, const double *u, double *gradient, double *hessian) {
	int n = gradient ? 4 : 0;
	struct jet t;
	shape_argument(n, true, x, u, &t);
	fade(n, &t);
	return shape_predict(n, x, &t, gradient, hessian);
}

static void logistic_terms(const double *x, const double *u, double *out) {
	double t = x[SHAPE_C] * (u[0] - x[SHAPE_PLACE]), e = exp(-fabs(t));
	out[0] = 1;
	out[1] = t >= 0 ? e / (1 + e) : 1 / (1 + e);
}

static double logistic_predict(const double *x, const double *u, double *gradient, double *hessian) {
	int n = gradient ? 4 : 0;
	struct jet t;
	shape_argument(n, true, x, u, &t);
	double e = exp(-fabs(t.value)), f = t.value >= 0 ? e / (1 + e) : 1 / (1 + e), bell = e / ((1 + e) * (1 + e));
	jet_chain(n, &t, f, -bell, bell * (1 - 2 * f), &t);
	return shape_predict(n, x, &t, gradient, hessian);
}

#define SHAPE_BOX .least = 1e-2, .most = 6
#define SHAPE_PARAMETERS                                                                                               \
	{.name = "E", .role = ROLE_LOSS, COEFFICIENT_BOX}, {                                                               \
		.name = "A", .role = ROLE_LOSS, COEFFICIENT_BOX                                                                \
	}

const struct law law_exponential = {
    .name = "exponential",
    .formula = "L(x) = E + A exp(-x/x0)",
    .paper = "a rate of its own, whatever the scale",
    .domain = LAW_OF_ONE,
    .variables = 1,
    .linear = 2,
    .nonlinear = 1,
    .parameters =
        {SHAPE_PARAMETERS,
         {.name = "x0", .role = ROLE_POSITION, .least = -4, .most = 6, .low = -1.2, .high = 1.6, .nodes = 20}},
    .terms = exponential_terms,
    .predict = exponential_predict,
    .floors = 1u << SHAPE_E,
    .criterion = CRITERION_HUBER};

const struct law law_stretched = {
    .name = "stretched",
    .formula = "L(x) = E + A exp(-(x/x0)^c)",
    .paper = "Kohlrausch 1854, Ann. Phys. 167",
    .domain = LAW_OF_ONE,
    .variables = 1,
    .linear = 2,
    .nonlinear = 2,
    .parameters =
        {SHAPE_PARAMETERS,
         {.name = "x0", .role = ROLE_POSITION, .least = -8, .most = 6, .low = -2, .high = 1.5, .nodes = 12},
         {.name = "c", SHAPE_BOX, .low = 0.08, .high = 3, .nodes = 12}},
    .terms = stretched_terms,
    .predict = stretched_predict,
    .floors = 1u << SHAPE_E,
    .criterion = CRITERION_HUBER};

const struct law law_logistic = {
    .name = "logistic",
    .formula = "L(x) = E + A / (1 + (x/x0)^c)",
    .paper = "an S in ln x: Verhulst 1838",
    .domain = LAW_OF_ONE,
    .variables = 1,
    .linear = 2,
    .nonlinear = 2,
    .parameters =
        {SHAPE_PARAMETERS,
         {.name = "x0", .role = ROLE_POSITION, .least = -8, .most = 6, .low = -2, .high = 1.5, .nodes = 12},
         {.name = "c", SHAPE_BOX, .low = 0.08, .high = 3, .nodes = 12}},
    .terms = logistic_terms,
    .predict = logistic_predict,
    .floors = 1u << SHAPE_E,
    .criterion = CRITERION_HUBER};

/* ------------------------------------------------------------------------------------------- broken power, one break --- */

enum { BREAK_A, BREAK_B, BREAK_C0, BREAK_C1, BREAK_D, BREAK_F, BREAK_COUNT };

/* (x)^-c0 (1 + (x/d)^(1/f))^(-c1 f). */
static void broken(int n, const double *x, const double *u, struct jet *out) {
	struct jet f, parameter;
	jet_parameter(n, BREAK_F, x[BREAK_F], &f);
	jet_exp(n, &f, &f);
	jet_parameter(n, BREAK_D, x[BREAK_D], out);
	jet_scaled(n, -1, out, u[0], out);
	jet_quotient(n, out, &f, out);
	jet_softplus(n, out, out);
	jet_product(n, &f, out, out);
	jet_parameter(n, BREAK_C1, x[BREAK_C1], &parameter);
	jet_product(n, &parameter, out, out);
	jet_parameter(n, BREAK_C0, x[BREAK_C0], &parameter);
	jet_sum(n, -1, out, -u[0], &parameter, out);
	jet_exp(n, out, out);
}

static void broken_terms(const double *x, const double *u, double *out) {
	struct jet power;
	broken(0, x, u, &power);
	out[0] = 1;
	out[1] = power.value;
}

static double broken_predict(const double *x, const double *u, double *gradient, double *hessian) {
	int n = gradient ? BREAK_COUNT : 0;
	struct jet sum, parameter;
	broken(n, x, u, &sum);
	jet_parameter(n, BREAK_B, x[BREAK_B], &parameter);
	jet_product(n, &parameter, &sum, &sum);
	jet_parameter(n, BREAK_A, x[BREAK_A], &parameter);
	jet_sum(n, 1, &parameter, 1, &sum, &sum);
	return jet_unpack(n, &sum, gradient, hessian);
}

/* The break must lie among the points, with some on either side: outside, nothing tells where it is. */
const struct law law_bnsl = {
    .name = "bnsl",
    .formula = "L(x) = a + b x^-c0 (1 + (x/d1)^(1/f1))^(-c1 f1)",
    .paper = "Caballero et al. 2023, arXiv 2210.14891, one break",
    .domain = LAW_OF_ONE,
    .variables = 1,
    .linear = 2,
    .nonlinear = 4,
    .parameters =
        {{.name = "a", .role = ROLE_LOSS, COEFFICIENT_BOX},
         {.name = "b", .role = ROLE_PREFACTOR, .scale = BREAK_C0, COEFFICIENT_BOX},
         {.name = "c0", .least = -5, .most = 5, .low = 0.03, .high = 1.5, .nodes = 6},
         {.name = "c1", .least = -5, .most = 5, .low = -0.6, .high = 1.2, .nodes = 6},
         {.name = "d1", .role = ROLE_POSITION, .least = -1, .most = 1, .low = -0.7, .high = 0.7, .nodes = 5},
         {.name = "f1", .role = ROLE_LOG, .least = -5, .most = 2, .low = -2.5, .high = 0, .nodes = 2}},
    .terms = broken_terms,
    .predict = broken_predict,
    .floors = 1u << BREAK_A,
    .criterion = CRITERION_HUBER};
