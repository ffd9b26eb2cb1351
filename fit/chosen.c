/* chosen.c - any one law fitted to a table, with everything that the certificate, the intervals and the reader need. */
#include "fit/chosen.h"
#include "fit/words.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BOUNDED 40     /* predictions that get intervals; each takes some 1600 refits */
#define LEVELS_OF_A_FLOOR 3 /* sizes, or token counts, that a floor, a prefactor and an exponent take */

PRINTF_LIKE(3, 4)
static void warn(struct chosen *chosen, const char *code, const char *format, ...) {
	if (chosen->warning_count == FIT_MOST_WARNINGS) return;
	struct fit_warning *warning = &chosen->warnings[chosen->warning_count++];
	warning->code = code;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(warning->text, sizeof warning->text, format, arguments);
	va_end(arguments);
}

/* ---------------------------------------------------------------------------------------------------- what fits --- */

static const char *const variable_names[] = {"N", "D", "C"};

/* Can these points determine the law at all? The certificate sees the rest. */
static struct error *check_design(const struct chosen *chosen, bool all) {
	const struct law *law = &chosen->law;
	const struct fit_design *design = &chosen->design;
	size_t count = chosen->selection.count;
	int free_count = law_free(law), distinct = selection_distinct(&chosen->selection);
	if (free_count == 0) return NULL;
	if (law->variables == 1) {
		const char *x = variable_names[chosen->selection.variable];
		if (count > (size_t)free_count && distinct >= free_count) return NULL;
		return error_new(
		    ERROR_DATA,
		    "--law %s: L(%s) has %zu points (of %zu) at %d values of %s; its %d parameters take more points than that "
		    "and as many values. %s",
		    law->name, x, count, design->points, distinct, x, free_count,
		    all ? "Hold some with --fix, or name a law of fewer" : "'--all-points' takes every point of the table");
	}
	if (count <= (size_t)free_count) {
		return error_new(
		    ERROR_DATA,
		    "--law %s: %zu points cannot determine %d parameters; expected more points, or hold some with --fix",
		    law->name, count, free_count);
	}
	if (design_is_a_line(design) && free_count > 1) {
		return error_new(
		    ERROR_DATA,
		    "--law %s: %d sizes and %d token counts%s cannot tell the terms in N and D apart; name a law of one "
		    "variable "
		    "('--law power+E --of C'), or add runs of other token counts",
		    law->name, design->sizes, design->horizons, design->one_line ? ", D a function of N," : "");
	}
	bool alone = law->nonlinear > 1 && chosen->method.held_count == 0 && !chosen->method.tied; /* terms share nothing */
	if (law->floors && alone && (design->sizes < LEVELS_OF_A_FLOOR || design->horizons < LEVELS_OF_A_FLOOR)) {
		return error_new(
		    ERROR_DATA,
		    "--law %s: %d sizes and %d token counts do not determine a floor, a prefactor and an exponent each; "
		    "expected "
		    "three of both or more",
		    law->name, design->sizes, design->horizons);
	}
	return NULL;
}

static enum fit_variable variable_of(const struct law *law, enum fit_variable asked) {
	switch (law->domain) {
	case LAW_OF_N:
		return FIT_N;
	case LAW_OF_D:
		return FIT_D;
	case LAW_OF_C:
		return FIT_C;
	default:
		return asked;
	}
}

/* -------------------------------------------------------------------------------------------------- parameters --- */

static void fill_parameters(struct chosen *chosen) {
	const struct law *law = &chosen->law;
	double published[MOST_PARAMETERS];
	law_publish(law, &chosen->table, chosen->solution.x, published);
	chosen->count = law_parameters(law);
	for (int j = 0; j < chosen->count; j++)
		chosen->parameters[j] = (struct chosen_parameter){
		    .name = law->parameters[j].name,
		    .value = published[j],
		    .held = law_tied(law, j),
		    .at_bound = chosen->solution.at_bound >> j & 1,
		    .interval = {NAN, NAN},
		    .profile = {NAN, NAN}};
}

static struct error *draw_intervals(struct chosen *chosen, const struct fit_options *how) {
	const struct law *law = &chosen->law;
	size_t count = (size_t)how->replicates, p = (size_t)chosen->count;
	char stream[48];
	snprintf(stream, sizeof stream, "law/%s/%d", law->name, chosen->selection.variable);
	const struct resampling again = {
	    .method = how->resampling, .count = count, .seed = (uint64_t)how->seed, .stream = stream};
	TRY(resample(law, &chosen->table, chosen->solution.x, &again, &chosen->resamples));
	chosen->noise = chosen->resamples.noise;
	double *values = array_new(p * count + 1, sizeof *values);
	if (!values) return error_memory(p * count * sizeof *values);
	for (size_t i = 0; i < count; i++) {
		double published[MOST_PARAMETERS];
		law_publish(law, &chosen->table, chosen->resamples.x + i * p, published);
		for (size_t j = 0; j < p; j++) values[j * count + i] = published[j];
	}
	for (size_t j = 0; j < p; j++)
		if (!chosen->parameters[j].held) chosen->parameters[j].interval = interval_of(values + j * count, count);
	free(values);
	return NULL;
}

/* A parameter is an estimate when the fit converged with it away from its bounds, and neither interval is wider than it. */
static void identify(struct chosen *chosen) {
	for (int j = 0; j < chosen->count; j++) {
		struct chosen_parameter *parameter = &chosen->parameters[j];
		double width = parameter->interval.high - parameter->interval.low;
		bool wide = width > fabs(parameter->value) && chosen->law.parameters[j].role != ROLE_PREFACTOR &&
		            chosen->law.parameters[j].role != ROLE_LOG_PREFACTOR;
		parameter->identified =
		    parameter->held || (chosen->converged && !parameter->at_bound && !parameter->flat && !wide);
	}
}

/* ------------------------------------------------------------------------------------------------- predictions --- */

double chosen_loss(const struct chosen *chosen, const double *x, double N, double D, double C, double U) {
	const struct table *table = &chosen->table;
	double variables[MOST_VARIABLES] = {N, D, U}, u[MOST_VARIABLES];
	if (chosen->law.variables == 1)
		variables[0] = chosen->selection.variable == FIT_N ? N : chosen->selection.variable == FIT_D ? D : C;
	for (int k = 0; k < chosen->law.variables; k++) u[k] = log(variables[k]) - table->mean_u[k];
	return exp(table->mean_y) * chosen->law.predict(x, u, NULL, NULL);
}

/* Of laws of N and D as fit_outlook_at has it; of others quantiles of the refits. */
static struct error *predict(
    struct chosen *chosen, const struct fit_options *how, bool bounds, struct chosen_prediction *at) {
	at->predicted = chosen_loss(chosen, chosen->solution.x, at->N, at->D, at->C, at->U);
	for (int k = 0; k < FIT_OUTLOOK_LEVELS; k++) at->mean[k] = at->measurement[k] = (struct fit_interval){NAN, NAN};
	size_t count = chosen->resamples.count, p = (size_t)chosen->count;
	if (count == 0 || !bounds) return NULL;
	if (chosen->law.domain == LAW_OF_BOTH) {
		const struct outlook_law of = {
		    .law = &chosen->law,
		    .table = &chosen->table,
		    .x = chosen->solution.x,
		    .minimum = chosen->solution.objective,
		    .method = how->resampling,
		    .noise = chosen->noise,
		    .freedom = chosen->resamples.freedom,
		    .count = count};
		double loss; /* once more */
		return outlook_of_law(&of, at->N, at->D, (uint64_t)how->seed, &loss, at->mean, at->measurement);
	}
	double *values = array_new(2 * count, sizeof *values);
	if (!values) return error_memory(2 * count * sizeof *values);
	char stream[64];
	snprintf(stream, sizeof stream, "law/prediction/%a/%a", at->N, at->D);
	struct rng rng = rng_make((uint64_t)how->seed, stream);
	double rung = isnan(chosen->noise.rung) ? 0 : chosen->noise.rung;
	for (size_t i = 0; i < count; i++) {
		values[i] = chosen_loss(chosen, chosen->resamples.x + i * p, at->N, at->D, at->C, at->U);
		double error = hypot(chosen->noise.point, rung) * rng_normal(&rng);
		values[count + i] = values[i] * exp(chosen->resamples.scale[i] * error);
	}
	for (int half = 0; half < 2; half++) {
		double *of = values + (size_t)half * count;
		for (int k = 0; k < FIT_OUTLOOK_LEVELS; k++) {
			double tail = (1 - fit_outlook_levels[k]) / 2;
			struct fit_interval between = {quantile_of(of, count, tail), quantile_of(of, count, 1 - tail)};
			*(half ? &at->measurement[k] : &at->mean[k]) = between;
		}
	}
	free(values);
	return NULL;
}

/* What was asked for, then the rows that the table leaves out: those are predicted as runs that the fit has not seen. */
static struct error *make_predictions(
    const struct fit_points *points, const struct chosen_options *options, struct chosen *chosen) {
	const struct fit_options *how = options->how;
	size_t most = (size_t)how->question_count + points->left_out_count;
	chosen->predictions = array_new(most + 1, sizeof *chosen->predictions);
	if (!chosen->predictions) return error_memory(most * sizeof *chosen->predictions);
	for (int k = 0; k < how->question_count; k++) {
		const struct fit_question *question = &how->questions[k];
		struct chosen_prediction at = {.N = question->N, .D = question->D, .loss = NAN};
		if (question->C > 0) {
			if (!chosen->has_optimum) continue;
			at.N = chosen->allocation.G * pow(question->C / 6, chosen->allocation.a);
			at.D = question->C / 6 / at.N;
		}
		at.C = 6 * at.N * at.D;
		at.U = at.D;
		chosen->predictions[chosen->prediction_count++] = at;
	}
	for (size_t i = 0; i < points->left_out_count; i++) {
		const struct fit_left_out *row = &points->left_out[i];
		struct chosen_prediction at = {.N = row->N, .D = row->D, .C = row->C, .loss = row->loss, .id = row->id};
		if (!(at.D > 0) && at.N > 0) at.D = at.C / 6 / at.N;
		if (!(at.C > 0)) at.C = 6 * at.N * at.D;
		bool repeats = chosen->law.domain == LAW_OF_REPEATS;
		at.U = options->left_unique ? options->left_unique[i] : repeats ? NAN : at.D;
		at.line = row->line;
		if (at.N > 0 && at.D > 0 && at.C > 0 && at.U > 0 && at.loss > 0)
			chosen->predictions[chosen->prediction_count++] = at;
	}
	for (size_t k = 0; k < chosen->prediction_count; k++)
		TRY(predict(chosen, how, k < MOST_BOUNDED, &chosen->predictions[k]));
	return NULL;
}

/* ----------------------------------------------------------------------------------------------------- warnings --- */

static bool is_wide(const struct chosen_parameter *parameter) {
	return !parameter->identified && !parameter->flat && !parameter->at_bound;
}

static void warn_of_flat(struct chosen *chosen, const struct chosen_parameter *parameter) {
	double low = parameter->profile.low, high = parameter->profile.high;
	bool below = low == 0 || isinf(low), above = isinf(high);
	char values[80] = "at all";
	if (!below && !above) snprintf(values, sizeof values, "from %.4g to %.4g", low, high);
	if (!below && above) snprintf(values, sizeof values, "from %.4g upwards", low);
	if (below && !above) snprintf(values, sizeof values, "up to %.4g", high);
	warn(
	    chosen, "flat_profile",
	    "The profile of %s is flat: with any value %s the objective, minimised over the other parameters, is no more "
	    "than %.3g above its minimum, which noise explains. Quote the range, not the number.",
	    parameter->name, values, chosen->threshold);
}

static void add_warnings(struct chosen *chosen) {
	if (!chosen->converged)
		warn(
		    chosen, "not_converged",
		    "The fit did not converge: %s. Its numbers are where the search stopped, not estimates.",
		    chosen->certificate.doubt);
	for (int j = 0; j < chosen->count; j++) {
		const struct chosen_parameter *parameter = &chosen->parameters[j];
		if (parameter->at_bound)
			warn(
			    chosen, "at_bound", "%s lies at a bound of the search (%.6g)%s", parameter->name, parameter->value,
			    chosen->law.floors >> j & 1 ? ": the best fit has no floor at all."
			                                : ": the data do not determine it.");
		if (parameter->flat) warn_of_flat(chosen, parameter);
	}
	char wide[200] = "";
	for (int j = 0; chosen->converged && j < chosen->count; j++)
		if (is_wide(&chosen->parameters[j])) list_add(wide, sizeof wide, chosen->parameters[j].name);
	if (*wide)
		warn(
		    chosen, "wide_interval",
		    "The 90 %% interval is wider than the estimate itself for: %s. Quote the interval, not the number.", wide);
	if (law_free(&chosen->law) > 0 && chosen->resamples.count &&
	    chosen->resamples.unfinished * 20 > chosen->resamples.count)
		warn(
		    chosen, "bootstrap_unfinished", "%zu of %zu refits did not reach a point of zero slope.",
		    chosen->resamples.unfinished, chosen->resamples.count);
	if (chosen->design.points < 2 * (size_t)law_free(&chosen->law))
		warn(
		    chosen, "few_points", "There are only %zu points for %d parameters.", chosen->selection.count,
		    law_free(&chosen->law));
	const struct fit_points *points = chosen->selection.points;
	if (points->left_out_count)
		warn(
		    chosen, "left_out", "%zu row%s not used; see the list of rows left out.", points->left_out_count,
		    points->left_out_count == 1 ? " was" : "s were");
}

/* -------------------------------------------------------------------------------------------------------- whole --- */

/* Which points, which law, and where it is least. */
static struct error *solve_it(
    const struct fit_points *points, const struct chosen_options *options, const struct law *form,
    struct chosen *chosen) {
	bool all = form->variables > 1 || options->all || design_is_a_line(&chosen->design);
	enum fit_variable variable = variable_of(form, options->variable);
	TRY(select_rows(points, variable, all, &chosen->selection));
	TRY(selection_table(&chosen->selection, form, options->unique, &chosen->table));
	TRY(law_bind(form, &options->method, &chosen->table, &chosen->law));
	TRY(check_design(chosen, all));
	TRY(law_solve_adapting(&chosen->law, &chosen->table, &chosen->solution, &chosen->published));
	chosen->adapted = chosen->law.criterion.adapts;
	if (chosen->adapted) chosen->method.delta = chosen->law.criterion.delta; /* and so for profiles and rivals */
	if (!isfinite(chosen->solution.objective))
		return error_new(
		    ERROR_DATA,
		    "--law %s: nowhere on the grid does the law give losses above zero at every point; expected held "
		    "parameters "
		    "(--fix) in the units of the table",
		    form->name);
	law_certify(&chosen->law, &chosen->table, &chosen->solution, &chosen->certificate);
	chosen->converged = !chosen->certificate.doubt;
	chosen->objective = law_objective(&chosen->law, &chosen->table, chosen->solution.x);
	chosen->rms = law_rms(&chosen->law, &chosen->table, chosen->solution.x);
	fill_parameters(chosen);
	bool finite = isfinite(chosen->objective);
	for (int j = 0; j < chosen->count; j++) finite = finite && isfinite(chosen->parameters[j].value);
	if (!finite && chosen->converged) {
		chosen->converged = false;
		chosen->certificate.doubt = "a parameter or the objective is beyond the range of numbers";
	}
	return NULL;
}

struct error *chosen_solve(
    const struct fit_points *points, const struct chosen_options *options, struct chosen *chosen) {
	const struct law *form;
	*chosen = (struct chosen){
	    .method = options->method, .noise = {NAN, NAN, 0}, .isoflop_interval = {NAN, NAN}, .threshold = NAN};
	TRY(law_named(options->method.law ? options->method.law : "chinchilla", &form));
	if (form->domain == LAW_OF_REPEATS && !options->unique)
		return error_new(
		    ERROR_USAGE, "--law %s: takes a column of unique tokens; name it with --unique COLUMN", form->name);
	TRY(fit_design_of(points, &chosen->design));
	struct error *error = solve_it(points, options, form, chosen);
	if (error) chosen_free(chosen);
	return error;
}

/* Everything about a law that is solved. */
static struct error *go_on(
    const struct fit_points *points, const struct chosen_options *options, struct chosen *chosen) {
	bool spare = chosen->table.count > (size_t)law_free(&chosen->law) && law_free(&chosen->law) > 0;
	if (spare && chosen->converged) {
		TRY(draw_intervals(chosen, options->how));
		TRY(chosen_profiles(chosen));
	}
	identify(chosen);
	TRY(chosen_allocate(chosen, options->how));
	TRY(make_predictions(points, options, chosen));
	/* Laws of N and D meet laws of C on the frontier, as they do without --law. */
	enum fit_variable along = chosen->law.variables == 1 ? chosen->selection.variable : options->variable;
	TRY(fit_compare(points, &chosen->method, along, options->all, options->unique, &chosen->comparison));
	add_warnings(chosen);
	return NULL;
}

struct error *chosen_fit(const struct fit_points *points, const struct chosen_options *options, struct chosen *chosen) {
	TRY(chosen_solve(points, options, chosen));
	struct error *error = go_on(points, options, chosen);
	if (error) chosen_free(chosen);
	return error;
}

void chosen_free(struct chosen *chosen) {
	selection_free(&chosen->selection);
	table_free(&chosen->table);
	resamples_free(&chosen->resamples);
	fit_allocation_free(&chosen->allocation);
	fit_isoflops_free(&chosen->isoflops);
	free(chosen->predictions);
	*chosen = (struct chosen){0};
}
