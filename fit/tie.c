/* tie.c - parameters that are not free: held at a published value, or one the function of another; and the way between
 * centred and published parameters. */
#include "fit/law.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------- evaluation --- */

/* Where the tie puts its target when its source is at `x`. */
static double tie_value(const struct tie *tie, double x) {
	if (tie->source < 0) return tie->constant;
	return tie->exponential ? tie->constant * exp(-tie->rate * x) : tie->constant + tie->rate * x;
}

void law_complete(const struct law *law, double *x) {
	for (int t = 0; t < law->tie_count; t++) {
		const struct tie *tie = &law->ties[t];
		x[tie->target] = tie_value(tie, tie->source < 0 ? 0 : x[tie->source]);
	}
}

void law_fold(const struct law *law, const double *x, double *gradient, double *hessian) {
	int p = law_parameters(law);
	/* One tie after the other: what couples two targets lands on the source of the first, and with the second at home. */
	for (int k = 0; k < law->tie_count; k++) {
		const struct tie *tie = &law->ties[k];
		int t = tie->target, s = tie->source;
		if (s >= 0) {
			double rate = tie->exponential ? -tie->rate * x[t] : tie->rate;
			double bend = tie->exponential ? tie->rate * tie->rate * x[t] : 0;
			for (int j = 0; hessian && j < p; j++) {
				if (j == s || j == t) continue;
				hessian[s * p + j] += rate * hessian[t * p + j];
				hessian[j * p + s] = hessian[s * p + j];
			}
			if (hessian)
				hessian[s * p + s] +=
				    rate * rate * hessian[t * p + t] + 2 * rate * hessian[s * p + t] + bend * gradient[t];
			gradient[s] += rate * gradient[t];
		}
		gradient[t] = 0;
		for (int j = 0; hessian && j < p; j++) hessian[t * p + j] = hessian[j * p + t] = 0;
	}
}

double law_predict(const struct law *law, const double *x, const double *u, double *gradient, double *hessian) {
	double value = law->predict(x, u, gradient, hessian);
	if (gradient && law->tie_count) law_fold(law, x, gradient, hessian);
	return value;
}

/* ------------------------------------------------------------------------------------ centred and published --- */

void law_publish(const struct law *law, const struct table *table, const double *x, double *published) {
	for (int j = 0; j < law_parameters(law); j++) {
		const struct law_parameter *parameter = &law->parameters[j];
		double m = table->mean_u[parameter->variable] + parameter->shift, s = x[parameter->scale], P = x[j];
		switch (parameter->role) {
		case ROLE_PLAIN:
			break;
		case ROLE_NEGATED:
			P = -P;
			break;
		case ROLE_LOSS:
			P *= exp(table->mean_y);
			break;
		case ROLE_PREFACTOR:
			P *= exp(table->mean_y + m * s);
			break;
		case ROLE_INTERCEPT:
			P = exp(table->mean_y) * (P + m * s);
			break;
		case ROLE_LOG_PREFACTOR:
			P = exp((table->mean_y + P) / s + m);
			break;
		case ROLE_POSITION:
			P = exp(P + m);
			break;
		case ROLE_LOG:
			P = exp(P);
			break;
		}
		published[j] = P;
	}
}

/* The tie that holds parameter j at the published value P, ties of other parameters not regarded. */
static struct tie tie_that_holds(const struct law *law, const struct table *table, int j, double P) {
	const struct law_parameter *parameter = &law->parameters[j];
	double m = table->mean_u[parameter->variable] + parameter->shift, unit = exp(-table->mean_y);
	struct tie tie = {.target = j, .source = -1, .constant = P};
	switch (parameter->role) {
	case ROLE_PLAIN:
		break;
	case ROLE_NEGATED:
		tie.constant = -P;
		break;
	case ROLE_LOSS:
		tie.constant = unit * P;
		break;
	case ROLE_PREFACTOR:
		tie = (struct tie){j, parameter->scale, .exponential = true, .constant = unit * P, .rate = m};
		break;
	case ROLE_INTERCEPT:
		tie = (struct tie){j, parameter->scale, .constant = unit * P, .rate = -m};
		break;
	case ROLE_LOG_PREFACTOR:
		tie = (struct tie){j, parameter->scale, .constant = -table->mean_y, .rate = log(P) - m};
		break;
	case ROLE_POSITION:
		tie.constant = log(P) - m;
		break;
	case ROLE_LOG:
		tie.constant = log(P);
		break;
	}
	return tie;
}

void law_centre(const struct law *law, const struct table *table, const double *published, double *x) {
	memset(x, 0, (size_t)law_parameters(law) * sizeof *x);
	/* Twice: what a parameter hangs on may stand behind it. */
	for (int round = 0; round < 2; round++)
		for (int j = 0; j < law_parameters(law); j++) {
			struct tie tie = tie_that_holds(law, table, j, published[j]);
			x[j] = tie_value(&tie, tie.source < 0 ? 0 : x[tie.source]);
		}
}

/* ---------------------------------------------------------------------------------------------------- binding --- */

/* Adds `tie`; one whose source is itself tied hangs on that one's source instead, so that no order matters. Sources are
 * exponents and positions, whose own ties are constants or lines. */
void law_tie(struct law *law, struct tie tie) {
	law->ties[law->tie_count++] = tie;
	for (int a = 0; a < law->tie_count; a++)
		for (int b = 0; b < law->tie_count; b++) {
			struct tie *to = &law->ties[a];
			const struct tie *from = &law->ties[b];
			if (to->source < 0 || to->source != from->target) continue;
			if (from->source < 0) {
				*to = (struct tie){.target = to->target, .source = -1, .constant = tie_value(to, from->constant)};
				continue;
			}
			if (to->exponential)
				to->constant *= exp(-to->rate * from->constant);
			else
				to->constant += to->rate * from->constant;
			to->rate *= from->rate;
			to->source = from->source;
		}
}

static int find_parameter(const struct law *law, const char *name) {
	for (int j = 0; j < law_parameters(law); j++)
		if (strcmp(law->parameters[j].name, name) == 0) return j;
	return -1;
}

static struct error *unknown_parameter(const struct law *law, const char *name) {
	struct text list = {0};
	for (int j = 0; j < law_parameters(law); j++) text_add(&list, "%s%s", j ? ", " : "", law->parameters[j].name);
	struct error *error = error_new(
	    ERROR_USAGE,
	    "--fix %s: the law '%s' has no such parameter; it has %s. A logarithm is held by 'ln' before the name: lnA=6.0",
	    name, law->name, list.data ? list.data : "");
	text_free(&list);
	return error;
}

static struct error *hold(const struct table *table, const struct fit_held *held, struct law *law) {
	double value = held->value;
	int j = find_parameter(law, held->name);
	if (j < 0 && strncmp(held->name, "ln", 2) == 0) {
		const char *name = held->name + 2;
		while (isspace((unsigned char)*name)) name++;
		j = find_parameter(law, name);
		value = exp(held->value);
	}
	if (j < 0) return unknown_parameter(law, held->name);
	for (int t = 0; t < law->tie_count; t++) {
		if (law->ties[t].target != j) continue;
		if (law->ties[t].source < 0)
			return error_new(
			    ERROR_USAGE,
			    "--fix %s: the parameter %s is held already by an earlier --fix (alpha and beta hold each "
			    "other with --tied)",
			    held->name, law->parameters[j].name);
		j = law->ties[t].source; /* beta of --tied: hold alpha, and beta follows */
	}
	const struct law_parameter *parameter = &law->parameters[j];
	enum role role = parameter->role;
	bool plain = role == ROLE_PLAIN || role == ROLE_NEGATED;
	double centred = role == ROLE_NEGATED ? -value : value;
	bool above = role == ROLE_LOG_PREFACTOR || role == ROLE_POSITION || role == ROLE_LOG;
	bool possible = isfinite(value) && (!above || value > 0) &&
	                (!plain || (centred >= parameter->least && centred <= parameter->most)) &&
	                (plain || above || value >= 0 || parameter->least < 0);
	if (!possible) {
		char range[96] = "a number above zero";
		if (plain)
			snprintf(
			    range, sizeof range, "a number from %g to %g",
			    role == ROLE_NEGATED ? -parameter->most : parameter->least,
			    role == ROLE_NEGATED ? -parameter->least : parameter->most);
		else if (!above)
			snprintf(range, sizeof range, "zero or a number above it");
		return error_new(ERROR_USAGE, "--fix %s: found %g, expected %s", held->name, held->value, range);
	}
	law_tie(law, tie_that_holds(law, table, j, value));
	return NULL;
}

struct error *law_bind(
    const struct law *form, const struct fit_method *method, const struct table *table, struct law *law) {
	*law = *form;
	law->criterion = criterion_of(method);
	if (method->tied) {
		int alpha = find_parameter(law, "alpha"), beta = find_parameter(law, "beta");
		if (alpha < 0 || beta < 0)
			return error_new(
			    ERROR_USAGE, "--tied: the law '%s' has no pair of exponents alpha and beta that could be one number",
			    law->name);
		law_tie(law, (struct tie){.target = beta, .source = alpha, .rate = 1});
	}
	for (int k = 0; k < method->held_count; k++) TRY(hold(table, &method->held[k], law));
	return NULL;
}
