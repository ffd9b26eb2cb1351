/* forecast.c - what a table says of runs that it does not hold yet. */
#include "fit/forecast.h"

#include "fit/chosen.h"
#include "fit/input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const way_names[WAYS] = {"law", "pure_power", "last_difference"};

#define Z_HALF 0.6744897501960817 /* normal quantiles of the ends of the 50 and the 90 % interval */
#define Z_MOST 1.6448536269514722

/* ---------------------------------------------------------------------------------------------------------- table --- */

/* That no row lies at a target; rows that fits leave out have been trained all the same. */
static struct error *check_untrained(
    const struct fit_points *points, const struct targets *targets, const char *source) {
	for (size_t k = 0; k < targets->count; k++) {
		const struct target *target = &targets->items[k];
		size_t line = 0;
		double N = 0, D = 0;
		for (size_t i = 0; i < points->count && !line; i++) {
			const struct fit_point *point = &points->items[i];
			if (!same_place(point->N, point->D, target->N, target->D)) continue;
			line = point->line;
			N = point->N;
			D = point->D;
		}
		for (size_t i = 0; i < points->left_out_count && !line; i++) {
			const struct fit_left_out *row = &points->left_out[i];
			if (!same_place(row->N, row->D, target->N, target->D)) continue;
			line = row->line;
			N = row->N;
			D = row->D;
		}
		if (!line) continue;
		return error_new(
		    ERROR_DATA,
		    "%s: line %zu has a run of N = %.6g, D = %.6g already: what is known cannot be predicted. Leave that place "
		    "out, "
		    "or say --retrospective: its runs are then kept from the fit, and the forecast is called a check "
		    "afterwards",
		    source, line, N, D);
	}
	return NULL;
}

/* The rows that are not at a target. */
static struct error *untouched(
    const struct fit_points *points, const struct targets *targets, struct fit_points *rest) {
	bool *kept = array_new(points->count + 1, sizeof *kept);
	if (!kept) return error_memory(points->count);
	for (size_t i = 0; i < points->count; i++) {
		const struct fit_point *point = &points->items[i];
		kept[i] = true;
		for (size_t k = 0; k < targets->count && kept[i]; k++)
			kept[i] = !same_place(point->N, point->D, targets->items[k].N, targets->items[k].D);
	}
	struct error *error = points_kept(points, kept, rest);
	free(kept);
	return error;
}

static int by_place(const void *a, const void *b) {
	const struct used *x = a, *y = b;
	int order = (x->N > y->N) - (x->N < y->N);
	if (!order) order = (x->D > y->D) - (x->D < y->D);
	if (!order) order = (x->loss > y->loss) - (x->loss < y->loss);
	return order || !x->id || !y->id ? order : strcmp(x->id, y->id);
}

struct error *used_hash(const struct used *used, size_t count, uint64_t *hash) {
	struct text text = {0};
	char number[HUMAN_SIZE];
	for (size_t i = 0; i < count; i++) {
		text_add(&text, "%s,", number_text(used[i].N, number));
		text_add(&text, "%s,", number_text(used[i].D, number));
		text_add(&text, "%s,%s\n", number_text(used[i].loss, number), used[i].id ? used[i].id : "");
	}
	struct error *error = text_error(&text);
	*hash = error ? 0 : hash_bytes(text.data ? text.data : "", text.length, 0);
	text_free(&text);
	return error;
}

/* Takes down what the forecast rests on. */
static struct error *remember_rows(const struct fit_points *points, struct forecast *forecast) {
	forecast->used = array_new(points->count + 1, sizeof *forecast->used);
	if (!forecast->used) return error_memory(points->count * sizeof *forecast->used);
	for (size_t i = 0; i < points->count; i++) {
		const struct fit_point *point = &points->items[i];
		struct used *used = &forecast->used[forecast->used_count++];
		*used = (struct used){.N = point->N, .D = point->D, .loss = point->loss};
		used->id = point->id ? strings_keep(&forecast->strings, point->id) : NULL;
		if (point->id && !used->id) return error_memory(strlen(point->id));
		forecast->largest_N = fmax(forecast->largest_N, point->N);
		forecast->largest_D = fmax(forecast->largest_D, point->D);
	}
	qsort(forecast->used, forecast->used_count, sizeof *forecast->used, by_place);
	return used_hash(forecast->used, forecast->used_count, &forecast->rows_hash);
}

/* ----------------------------------------------------------------------------------------------------------- ways --- */

double noise_of_run(const struct fit_noise *noise) {
	double rung = isnan(noise->rung) ? 0 : noise->rung;
	return sqrt(noise->point * noise->point + rung * rung + noise->setting * noise->setting);
}

/* To 12 decimals of ln loss: what the file says in half the space is then exactly what was meant. */
static double rounded(double value) {
	return rint(value * 1e12) / 1e12;
}

/* The intervals of a mixture. */
static void read_intervals(struct prospect *prospect) {
	prospect->half = mixture_interval(&prospect->mixture, 0.5);
	prospect->most = mixture_interval(&prospect->mixture, FIT_LEVEL);
	prospect->made = true;
}

/* The baseline by refits of a law at the solution x of the table: a part of the mixture for each. */
static struct error *look_by_refits(
    const struct law *law, const struct table *table, const double *x, const struct forecast_options *options,
    struct forecast *forecast) {
	struct resamples refits;
	const struct resampling how = {
	    .method = options->resampling,
	    .count = options->replicates,
	    .seed = (uint64_t)options->seed,
	    .stream = "pure power"};
	TRY(resample(law, table, x, &how, &refits));
	double noise = noise_of_run(&refits.noise);
	struct error *error = NULL;
	for (size_t k = 0; k < forecast->count && !error; k++) {
		const struct target *target = &forecast->targets[k];
		struct prospect *prospect = &forecast->prospects[k][BY_POWER];
		double u[MOST_VARIABLES] = {log(target->N) - table->mean_u[0], log(target->D) - table->mean_u[1]};
		prospect->point = exp(table->mean_y) * law->predict(x, u, NULL, NULL);
		error = mixture_new(&prospect->mixture, refits.count);
		for (size_t i = 0; i < refits.count && !error; i++) {
			double loss = law->predict(refits.x + i * (size_t)refits.parameters, u, NULL, NULL);
			prospect->mixture.center[i] = rounded(table->mean_y + log(loss));
			prospect->mixture.spread[i] = rounded(refits.scale[i] * noise);
			if (!isfinite(prospect->mixture.center[i]) || !isfinite(prospect->mixture.spread[i]))
				error = error_new(
				    ERROR_DATA, "%s: a refit says nothing about N = %.6g, D = %.6g: that is too far beyond the table",
				    options->source, target->N, target->D);
		}
		if (!error) read_intervals(prospect);
	}
	resamples_free(&refits);
	return error;
}

/* Equally likely losses whose distribution has the intervals of the prospect: between their ends and the point its quantiles
 * are linear in those of the normal distribution, and go on like that beyond. */
static struct error *fill_mixture(struct prospect *prospect, size_t count) {
	const double z[] = {-Z_MOST, -Z_HALF, 0, Z_HALF, Z_MOST};
	const double y[] = {
	    log(prospect->most.low), log(prospect->half.low), log(prospect->point), log(prospect->half.high),
	    log(prospect->most.high)};
	TRY(mixture_new(&prospect->mixture, count));
	for (size_t i = 0; i < count; i++) {
		double at = normal_quantile(((double)i + 0.5) / (double)count);
		size_t k = 1;
		while (k + 1 < COUNT_OF(z) && at > z[k]) k++;
		double slope = (y[k] - y[k - 1]) / (z[k] - z[k - 1]);
		prospect->mixture.center[i] = rounded(y[k] + slope * (at - z[k]));
	}
	prospect->made = true;
	return NULL;
}

/* The intervals of 'rung fit --predict', by the same code. */
static struct error *look_at_target(
    const struct outlook_law *of, const struct forecast_options *options, const struct target *target,
    struct prospect *prospect) {
	struct fit_interval run[FIT_OUTLOOK_LEVELS];
	TRY(outlook_of_law(of, target->N, target->D, (uint64_t)options->seed, &prospect->point, NULL, run));
	bool known = isfinite(prospect->point) && prospect->point > 0;
	for (int k = 0; k < FIT_OUTLOOK_LEVELS; k++)
		known = known && run[k].low > 0 && run[k].low <= prospect->point && prospect->point <= run[k].high;
	if (!known)
		return error_new(
		    ERROR_DATA, "%s: the law says nothing about N = %.6g, D = %.6g: that is too far beyond the table",
		    options->source, target->N, target->D);
	prospect->half = run[0];
	prospect->most = (struct fit_interval){fmin(run[1].low, run[0].low), fmax(run[1].high, run[0].high)};
	return fill_mixture(prospect, options->replicates);
}

/* As far as replicates tell seeds from settings, for Chinchilla's law; see surface_table_with_chance. */
static struct error *table_of(
    const struct fit_points *points, const struct chosen *chosen, struct table *table, struct settings *settings) {
	struct fit_surface_result result = {
	    .surface = surface_of(&chosen->table, chosen->solution.x), .certificate = chosen->certificate};
	return surface_table_with_chance(points, &result, table, settings);
}

static struct error *look_by_law(
    const struct fit_points *points, const struct forecast_options *options, struct forecast *forecast) {
	const struct chosen_options how = {
	    .method.law = options->law, .variable = FIT_C}; /* the order of rows of rung fit */
	struct chosen chosen;
	struct table table = {0};
	struct settings settings = {0};
	TRY(error_within(
	    chosen_solve(points, &how, &chosen), "%s: nothing can be predicted from these %zu rows", options->source,
	    points->count));
	struct error *error = NULL;
	if (!chosen.converged) {
		error = error_new(
		    ERROR_DATA,
		    "%s: the fit did not converge (%s), and a law that was not found predicts nothing. 'rung fit' says more",
		    options->source, chosen.certificate.doubt);
		goto done;
	}
	forecast->parameter_count = chosen.count;
	for (int i = 0; i < chosen.count; i++) {
		forecast->names[i] = chosen.parameters[i].name;
		forecast->parameters[i] = chosen.parameters[i].value;
	}
	forecast->objective = chosen.objective;
	forecast->rms = chosen.rms;
	forecast->certificate = chosen.certificate;
	bool knows_chance = chosen.law.predict == law_chinchilla.predict;
	if (knows_chance) error = table_of(points, &chosen, &table, &settings);
	if (error) goto done;
	struct outlook_law of = {
	    .law = &chosen.law,
	    .table = knows_chance ? &table : &chosen.table,
	    .x = chosen.solution.x,
	    .minimum = chosen.solution.objective,
	    .method = options->resampling,
	    .count = options->replicates};
	error = noise_estimate(of.law, of.table, of.x, &of.noise, &of.freedom);
	for (size_t k = 0; k < forecast->count && !error; k++)
		error = look_at_target(&of, options, &forecast->targets[k], &forecast->prospects[k][BY_LAW]);
	forecast->noise = of.noise;
	forecast->method = resampling_chosen(of.method);
done:
	settings_free(&settings);
	table_free(&table);
	chosen_free(&chosen);
	return error;
}

static struct error *look_by_power(
    const struct fit_points *points, const struct forecast_options *options, struct forecast *forecast) {
	struct table table;
	struct solution solution;
	struct law law = law_power_of_two;
	TRY(surface_table(points, &table));
	struct error *error = law_solve_adapting(&law, &table, &solution, NULL);
	if (!error) error = look_by_refits(&law, &table, solution.x, options, forecast);
	table_free(&table);
	return error;
}

static struct error *look_by_difference(const struct fit_points *points, struct forecast *forecast) {
	struct ladder *ladder;
	double noise = noise_of_run(&forecast->noise);
	TRY(ladder_new(points, &ladder));
	struct error *error = NULL;
	for (size_t k = 0; k < forecast->count && !error; k++) {
		const struct target *target = &forecast->targets[k];
		struct prospect *prospect = &forecast->prospects[k][BY_DIFFERENCE];
		double center, spread;
		if (!ladder_difference(ladder, target->N, target->D, noise, &center, &spread)) continue;
		error = mixture_new(&prospect->mixture, 1);
		if (error) break;
		prospect->mixture.center[0] = rounded(center);
		prospect->mixture.spread[0] = rounded(spread);
		prospect->point = exp(center);
		read_intervals(prospect);
	}
	ladder_free(ladder);
	return error;
}

/* ---------------------------------------------------------------------------------------------------------- whole --- */

static const char *keep(struct forecast *forecast, const char *text, bool *failed) {
	const char *kept = text ? strings_keep(&forecast->strings, text) : NULL;
	*failed = *failed || (text && !kept);
	return kept;
}

bool forecast_keep_input(struct forecast *forecast, const struct fit_input *input) {
	bool failed = false;
	struct fit_input *own = &forecast->input;
	*own = *input;
	own->extra = NULL;
	own->extra_count = 0;
	const char **names[] = {&own->N,          &own->D,     &own->C,      &own->loss,
	                        &own->loss_error, &own->group, &own->weight, &own->seed};
	for (size_t i = 0; i < COUNT_OF(names); i++) *names[i] = keep(forecast, *names[i], &failed);
	double *scales[] = {&own->N_scale, &own->D_scale, &own->C_scale, &own->loss_scale};
	for (size_t i = 0; i < COUNT_OF(scales); i++)
		if (*scales[i] == 0) *scales[i] = 1; /* what 0 means */
	for (int i = 0; i < own->where.count; i++) own->where.items[i] = keep(forecast, own->where.items[i], &failed);
	return !failed;
}

static struct error *describe(
    const struct fit_points *points, const struct targets *targets, const struct forecast_options *options,
    struct forecast *forecast) {
	const struct law *form;
	struct machine machine;
	char made[UTC_SIZE];
	bool failed = false;
	TRY(law_named(options->law, &form));
	if (form->domain != LAW_OF_BOTH)
		return error_new(
		    ERROR_USAGE,
		    "--law %s: %s; a run to be predicted is a place (N, D), which takes a law of both. 'rung fit --law help' "
		    "has them",
		    form->name, form->formula);
	machine_describe(&machine);
	*forecast = (struct forecast){
	    .retrospective = options->retrospective, .seed = options->seed, .replicates = options->replicates};
	forecast->source = keep(forecast, options->source, &failed);
	forecast->law = keep(forecast, options->law, &failed);
	forecast->formula = keep(forecast, form->formula, &failed);
	forecast->version = keep(forecast, machine.version, &failed);
	forecast->made = keep(forecast, utc_text(options->time, made), &failed);
	failed = !forecast_keep_input(forecast, &points->input) || failed;
	forecast->targets = array_new(targets->count + 1, sizeof *forecast->targets);
	forecast->prospects = array_new(targets->count + 1, sizeof *forecast->prospects);
	if (!forecast->targets || !forecast->prospects) return error_memory(targets->count * sizeof *forecast->prospects);
	for (size_t k = 0; k < targets->count; k++) {
		forecast->targets[k] = targets->items[k];
		forecast->targets[k].id = keep(forecast, targets->items[k].id, &failed);
		forecast->count++;
	}
	return failed ? error_memory(1024) : NULL;
}

struct error *forecast_make(
    const struct fit_points *points, const struct targets *targets, const struct forecast_options *options,
    struct forecast *forecast) {
	*forecast = (struct forecast){0};
	struct fit_points rest = {0};
	if (!options->retrospective) TRY(check_untrained(points, targets, options->source));
	TRY(untouched(points, targets, &rest));
	struct error *error = describe(points, targets, options, forecast);
	if (!error && rest.count == 0)
		error = error_new(
		    ERROR_DATA, "%s: nothing is left to fit without the runs that are to be predicted", options->source);
	if (!error) error = remember_rows(&rest, forecast);
	if (!error) error = look_by_law(&rest, options, forecast);
	if (!error) error = look_by_power(&rest, options, forecast);
	if (!error) error = look_by_difference(&rest, forecast);
	fit_points_free(&rest);
	if (error) forecast_free(forecast);
	return error;
}

void forecast_free(struct forecast *forecast) {
	for (size_t k = 0; k < forecast->count; k++)
		for (int way = 0; way < WAYS; way++) mixture_free(&forecast->prospects[k][way].mixture);
	free(forecast->targets);
	free(forecast->prospects);
	free(forecast->used);
	strings_free(forecast->strings);
	*forecast = (struct forecast){0};
}
