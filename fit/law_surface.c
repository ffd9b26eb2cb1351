/* law_surface.c - laws of N and D beside Chinchilla's: without a floor, with one exponent, Kaplan's, with repeated data. */
#include "fit/jet.h"
#include "fit/law.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------- Chinchilla's without E --- */

enum { BARE_A, BARE_B, BARE_ALPHA, BARE_BETA, BARE_COUNT };

static void bare_terms(const double *x, const double *u, double *out) {
	out[0] = exp(-x[BARE_ALPHA] * u[0]);
	out[1] = exp(-x[BARE_BETA] * u[1]);
}

static double bare_predict(const double *x, const double *u, double *gradient, double *hessian) {
	/* Chinchilla's with a floor of zero, and its derivatives without those by the floor. */
	double full[1 + BARE_COUNT] = {0, x[BARE_A], x[BARE_B], x[BARE_ALPHA], x[BARE_BETA]};
	double slope[1 + BARE_COUNT], bend[(1 + BARE_COUNT) * (1 + BARE_COUNT)];
	double loss = law_chinchilla.predict(full, u, gradient ? slope : NULL, hessian ? bend : NULL);
	for (int j = 0; gradient && j < BARE_COUNT; j++) gradient[j] = slope[1 + j];
	for (int j = 0; hessian && j < BARE_COUNT; j++)
		for (int k = 0; k < BARE_COUNT; k++) hessian[j * BARE_COUNT + k] = bend[(1 + j) * (1 + BARE_COUNT) + 1 + k];
	return loss;
}

const struct law law_chinchilla_bare = {
    .name = "chinchilla-no-E",
    .formula = "L(N, D) = A/N^alpha + B/D^beta",
    .paper = "Hoffmann et al. 2022, arXiv 2203.15556, without the floor",
    .domain = LAW_OF_BOTH,
    .variables = 2,
    .linear = 2,
    .nonlinear = 2,
    .parameters =
        {{.name = "A", .role = ROLE_PREFACTOR, .variable = 0, .scale = BARE_ALPHA, COEFFICIENT_BOX},
         {.name = "B", .role = ROLE_PREFACTOR, .variable = 1, .scale = BARE_BETA, COEFFICIENT_BOX},
         {.name = "alpha", EXPONENT_BOX, EXPONENT_GRID},
         {.name = "beta", EXPONENT_BOX, EXPONENT_GRID}},
    .terms = bare_terms,
    .predict = bare_predict,
    .criterion = CRITERION_HUBER};

/* --------------------------------------------------------------------------------------------------- over-training --- */

enum { GADRE_E, GADRE_A, GADRE_B, GADRE_ETA, GADRE_COUNT };

static void gadre_terms(const double *x, const double *u, double *out) {
	out[0] = 1;
	out[1] = exp(-x[GADRE_ETA] * u[0]);
	out[2] = exp(-x[GADRE_ETA] * u[1]);
}

static double gadre_predict(const double *x, const double *u, double *gradient, double *hessian) {
	double fall_n = exp(-x[GADRE_ETA] * u[0]), fall_d = exp(-x[GADRE_ETA] * u[1]);
	if (gradient) {
		gradient[GADRE_E] = 1;
		gradient[GADRE_A] = fall_n;
		gradient[GADRE_B] = fall_d;
		gradient[GADRE_ETA] = -x[GADRE_A] * u[0] * fall_n - x[GADRE_B] * u[1] * fall_d;
	}
	if (hessian) {
		memset(hessian, 0, sizeof(double) * GADRE_COUNT * GADRE_COUNT);
		double(*h)[GADRE_COUNT] = (double(*)[GADRE_COUNT])hessian;
		h[GADRE_A][GADRE_ETA] = h[GADRE_ETA][GADRE_A] = -u[0] * fall_n;
		h[GADRE_B][GADRE_ETA] = h[GADRE_ETA][GADRE_B] = -u[1] * fall_d;
		h[GADRE_ETA][GADRE_ETA] = x[GADRE_A] * u[0] * u[0] * fall_n + x[GADRE_B] * u[1] * u[1] * fall_d;
	}
	return x[GADRE_E] + x[GADRE_A] * fall_n + x[GADRE_B] * fall_d;
}

/* M N is D, and 6^(eta/2) D^eta = exp(eta (ln D + ln(6)/2)): a prefactor whose variable is shifted by ln(6)/2. */
#define HALF_LN_6 0.89587973461402750

const struct law law_gadre = {
    .name = "gadre",
    .formula = "L(N, M) = E + a N^eta + b 6^(eta/2) (M N)^eta, M = D/N",
    .paper = "Gadre et al. 2024, arXiv 2403.08540",
    .domain = LAW_OF_BOTH,
    .variables = 2,
    .linear = 3,
    .nonlinear = 1,
    .parameters =
        {{.name = "E", .role = ROLE_LOSS, COEFFICIENT_BOX},
         {.name = "a", .role = ROLE_PREFACTOR, .variable = 0, .scale = GADRE_ETA, COEFFICIENT_BOX},
         {.name = "b", .role = ROLE_PREFACTOR, .variable = 1, .scale = GADRE_ETA, .shift = HALF_LN_6, COEFFICIENT_BOX},
         {.name = "eta", .role = ROLE_NEGATED, EXPONENT_BOX, EXPONENT_GRID}},
    .terms = gadre_terms,
    .predict = gadre_predict,
    .floors = 1u << GADRE_E,
    .criterion = CRITERION_HUBER};

/* --------------------------------------------------------------------------------------------------------- Kaplan --- */

/* [(Nc/N)^(aN/aD) + Dc/D]^aD is a smooth maximum of the two power laws (Nc/N)^aN and (Dc/D)^aD: with n and d the logarithms
 * of their values at the centre it is exp(g),
 *     g = d - aD u1 + aD ln(1 + exp(z)),   z = ((n - aN u0) - (d - aD u1)) / aD.
 * With sigma = 1 / (1 + exp(-z)) the gradient of g is linear in sigma, and its second derivatives are those of sigma alone:
 * sigma (1 - sigma) / aD times w w', w = (1, -1, -u0, u1 - z). Parameters k: n, d, aN, aD; gradient (4) and hessian (4,4)
 * unless NULL. */
static double kaplan_joint(const double *k, const double *u, double *gradient, double *hessian) {
	double aD = k[3], of_d = k[1] - aD * u[1], z = (k[0] - k[2] * u[0] - of_d) / aD;
	double e = exp(-fabs(z)), sigma = z >= 0 ? 1 / (1 + e) : e / (1 + e), softplus = fmax(z, 0) + log1p(e);
	double loss = exp(of_d + aD * softplus);
	if (!gradient) return loss;
	const double slope[4] = {sigma, 1 - sigma, -u[0] * sigma, softplus - sigma * z - u[1] * (1 - sigma)};
	const double w[4] = {1, -1, -u[0], u[1] - z};
	double bell = e / ((1 + e) * (1 + e)) / aD;
	for (int i = 0; i < 4; i++) gradient[i] = loss * slope[i];
	for (int i = 0; hessian && i < 4; i++)
		for (int j = 0; j < 4; j++) hessian[4 * i + j] = loss * (slope[i] * slope[j] + bell * w[i] * w[j]);
	return loss;
}

static double kaplan_floor_predict(const double *x, const double *u, double *gradient, double *hessian) {
	double bend[16];
	double loss = kaplan_joint(x + 1, u, gradient ? gradient + 1 : NULL, hessian ? bend : NULL);
	if (gradient) gradient[0] = 1;
	if (hessian) memset(hessian, 0, 25 * sizeof *hessian);
	for (int i = 0; hessian && i < 4; i++)
		for (int j = 0; j < 4; j++) hessian[5 * (1 + i) + 1 + j] = bend[4 * i + j];
	return x[0] + loss;
}

static void kaplan_floor_terms(const double *x, const double *u, double *out) {
	out[0] = 1;
	out[1] = kaplan_joint(x + 1, u, NULL, NULL);
}

#define LOG_LEVEL_BOX .least = -40, .most = 10
#define LOG_LEVEL_GRID .low = -2.8, .high = 0.2, .nodes = 5
#define KAPLAN_GRID .low = 0.03, .high = 1.5, .nodes = 8

const struct law law_kaplan = {
    .name = "kaplan",
    .formula = "L(N, D) = [(Nc/N)^(alphaN/alphaD) + Dc/D]^alphaD",
    .paper = "Kaplan et al. 2020, arXiv 2001.08361, eq. 1.5",
    .domain = LAW_OF_BOTH,
    .variables = 2,
    .linear = 0,
    .nonlinear = 4,
    .parameters =
        {{.name = "Nc", .role = ROLE_LOG_PREFACTOR, .variable = 0, .scale = 2, LOG_LEVEL_BOX, LOG_LEVEL_GRID},
         {.name = "Dc", .role = ROLE_LOG_PREFACTOR, .variable = 1, .scale = 3, LOG_LEVEL_BOX, LOG_LEVEL_GRID},
         {.name = "alphaN", EXPONENT_BOX, KAPLAN_GRID},
         {.name = "alphaD", EXPONENT_BOX, KAPLAN_GRID}},
    .predict = kaplan_joint,
    .criterion = CRITERION_HUBER};

const struct law law_kaplan_floor = {
    .name = "kaplan+E",
    .formula = "L(N, D) = E + [(Nc/N)^(alphaN/alphaD) + Dc/D]^alphaD",
    .paper = "Kaplan et al. 2020, arXiv 2001.08361, eq. 1.5, with a floor",
    .domain = LAW_OF_BOTH,
    .variables = 2,
    .linear = 1,
    .nonlinear = 4,
    .offset = true,
    .parameters =
        {{.name = "E", .role = ROLE_LOSS, COEFFICIENT_BOX},
         {.name = "Nc", .role = ROLE_LOG_PREFACTOR, .variable = 0, .scale = 3, LOG_LEVEL_BOX, LOG_LEVEL_GRID},
         {.name = "Dc", .role = ROLE_LOG_PREFACTOR, .variable = 1, .scale = 4, LOG_LEVEL_BOX, LOG_LEVEL_GRID},
         {.name = "alphaN", EXPONENT_BOX, KAPLAN_GRID},
         {.name = "alphaD", EXPONENT_BOX, KAPLAN_GRID}},
    .terms = kaplan_floor_terms,
    .predict = kaplan_floor_predict,
    .floors = 1,
    .criterion = CRITERION_HUBER};

/* -------------------------------------------------------------------------------------------------- repeated data --- */

enum { REPEAT_E, REPEAT_A, REPEAT_B, REPEAT_ALPHA, REPEAT_BETA, REPEAT_N, REPEAT_D, REPEAT_COUNT };

/* ln(1 + r (1 - exp(-R/r))): what R repetitions add when their worth fades over r of them. */
static void worth(int n, const struct jet *repetitions, const struct jet *log_r, struct jet *out) {
	struct jet r;
	jet_exp(n, log_r, &r);
	jet_quotient(n, repetitions, &r, out);
	double kept = exp(-out->value);
	jet_chain(n, out, -expm1(-out->value), kept, -kept, out);
	jet_product(n, &r, out, out);
	double whole = 1 + out->value;
	jet_chain(n, out, log1p(out->value), 1 / whole, -1 / (whole * whole), out);
}

/* The centred logarithm of the tokens that count. */
static void effective_tokens(int n, const double *x, const double *u, struct jet *tokens) {
	jet_constant(n, fmin(u[1], u[UNIQUE]), tokens);
	if (u[1] <= u[UNIQUE]) return;
	struct jet repetitions, log_r, more;
	jet_constant(n, expm1(u[1] - u[UNIQUE]), &repetitions);
	jet_parameter(n, REPEAT_D, x[REPEAT_D], &log_r);
	worth(n, &repetitions, &log_r, &more);
	jet_sum(n, 1, tokens, 1, &more, tokens);
}

/* The same of the size. U_N, the parameters that the unique tokens can make use of, is where the losses from both terms
 * stop trading: alpha a exp(-alpha n) = beta b exp(-beta u), the optimum of eq. 4 of Hoffmann et al. for D = U; beyond it
 * parameters are "repeated" as tokens are. Coefficients that are not known yet are zero: then the size counts in full. */
static void effective_size(int n, const double *x, const double *u, struct jet *size) {
	jet_constant(n, u[0], size);
	if (!(x[REPEAT_A] > 0 && x[REPEAT_B] > 0)) return;
	struct jet alpha, beta, a, b, useful;
	jet_parameter(n, REPEAT_ALPHA, x[REPEAT_ALPHA], &alpha);
	jet_parameter(n, REPEAT_BETA, x[REPEAT_BETA], &beta);
	jet_parameter(n, REPEAT_A, x[REPEAT_A], &a);
	jet_parameter(n, REPEAT_B, x[REPEAT_B], &b);
	jet_product(n, &alpha, &a, &a);
	jet_product(n, &beta, &b, &b);
	jet_log(n, &a, &a);
	jet_log(n, &b, &b);
	jet_sum(n, 1, &a, -1, &b, &useful);
	jet_sum(n, 1, &useful, u[UNIQUE], &beta, &useful);
	jet_quotient(n, &useful, &alpha, &useful);
	if (!(useful.value < u[0])) return;
	struct jet repetitions, log_r;
	jet_scaled(n, -1, &useful, u[0], &repetitions);
	double ratio = exp(repetitions.value);
	jet_chain(n, &repetitions, expm1(repetitions.value), ratio, ratio, &repetitions);
	jet_parameter(n, REPEAT_N, x[REPEAT_N], &log_r);
	worth(n, &repetitions, &log_r, size);
	jet_sum(n, 1, &useful, 1, size, size);
}

static void repeat_terms(const double *x, const double *u, double *out) {
	struct jet size, tokens;
	effective_size(0, x, u, &size);
	effective_tokens(0, x, u, &tokens);
	out[0] = 1;
	out[1] = exp(-x[REPEAT_ALPHA] * size.value);
	out[2] = exp(-x[REPEAT_BETA] * tokens.value);
}

/* term := coefficient exp(-exponent term). */
static void fall(int n, const double *x, int coefficient, int exponent, struct jet *term) {
	struct jet parameter;
	jet_parameter(n, exponent, x[exponent], &parameter);
	jet_product(n, &parameter, term, term);
	jet_scaled(n, -1, term, 0, term);
	jet_exp(n, term, term);
	jet_parameter(n, coefficient, x[coefficient], &parameter);
	jet_product(n, &parameter, term, term);
}

static double repeat_predict(const double *x, const double *u, double *gradient, double *hessian) {
	int n = gradient ? REPEAT_COUNT : 0;
	struct jet size, tokens, sum;
	effective_size(n, x, u, &size);
	effective_tokens(n, x, u, &tokens);
	fall(n, x, REPEAT_A, REPEAT_ALPHA, &size);
	fall(n, x, REPEAT_B, REPEAT_BETA, &tokens);
	jet_parameter(n, REPEAT_E, x[REPEAT_E], &sum);
	jet_sum(n, 1, &sum, 1, &size, &sum);
	jet_sum(n, 1, &sum, 1, &tokens, &sum);
	return jet_unpack(n, &sum, gradient, hessian);
}

#define REPEAT_BOX .least = -4.6, .most = 11.5 /* from 0.01 to 100,000 repetitions */
#define REPEAT_GRID .low = -0.7, .high = 5.5, .nodes = 5
#define REPEAT_EXPONENTS .low = 0.05, .high = 1.2, .nodes = 8

const struct law law_muennighoff = {
    .name = "muennighoff",
    .formula = "L(N, D, U) = E + A/N'^alpha + B/D'^beta, N' = U_N + U_N R_N (1 - e^(-(N/U_N - 1)/R_N)), "
               "D' = U + U R_D (1 - e^(-(D/U - 1)/R_D)), U_N = min(N, N*(D = U))",
    .paper = "Muennighoff et al. 2023, arXiv 2305.16264",
    .domain = LAW_OF_REPEATS,
    .variables = 3,
    .linear = 3,
    .nonlinear = 4,
    .parameters =
        {{.name = "E", .role = ROLE_LOSS, COEFFICIENT_BOX},
         {.name = "A", .role = ROLE_PREFACTOR, .variable = 0, .scale = REPEAT_ALPHA, COEFFICIENT_BOX},
         {.name = "B", .role = ROLE_PREFACTOR, .variable = 1, .scale = REPEAT_BETA, COEFFICIENT_BOX},
         {.name = "alpha", EXPONENT_BOX, REPEAT_EXPONENTS},
         {.name = "beta", EXPONENT_BOX, REPEAT_EXPONENTS},
         {.name = "R_N", .role = ROLE_LOG, REPEAT_BOX, REPEAT_GRID},
         {.name = "R_D", .role = ROLE_LOG, REPEAT_BOX, REPEAT_GRID}},
    .terms = repeat_terms,
    .predict = repeat_predict,
    .floors = 1u << REPEAT_E,
    .criterion = CRITERION_HUBER};
