/* result.c - the object of fit.json; docs/formats.md describes it. */
#include "fit/result.h"
#include "fit/law.h"
#include "fit/writer.h"

#include <math.h>
#include <string.h>

static const char *parameter_names[FIT_SURFACE_PARAMETERS] = {"E", "A", "B", "alpha", "beta"};
static const char *variable_names[] = {"N", "D", "C"};

/* ------------------------------------------------------------------------------------------------------- sections --- */

/* How the table was read, so that it can be read that way again, and what became of its rows. */
static void add_input(struct writer *writer, cJSON *root, cJSON *counts, const struct fit_points *points) {
	static const char *const quantities[] = {"N", "D", "C", "loss"};
	const struct fit_input *input = &points->input;
	size_t of[LEFT_OUT_AS_BAD + 1] = {0};
	for (size_t i = 0; i < points->left_out_count; i++) of[points->left_out[i].why]++;
	number(writer, counts, "filtered", (double)(of[LEFT_OUT_BY_FILTER] + of[LEFT_OUT_AS_EXTREME]));
	number(writer, counts, "bad", (double)of[LEFT_OUT_AS_BAD]);
	cJSON *columns = object_in(writer, root, "columns");
	string(writer, columns, "N", input->N);
	string(writer, columns, "D", input->D);
	string(writer, columns, "C", input->C);
	string(writer, columns, "loss", input->loss);
	string(writer, columns, "loss_error", input->loss_error);
	string(writer, columns, "group", input->group);
	string(writer, columns, "weight", input->weight);
	string(writer, columns, "seed", input->seed);
	cJSON *object = object_in(writer, root, "input");
	cJSON *recognised = array_in(writer, object, "recognised");
	for (size_t i = 0; i < COUNT_OF(quantities); i++)
		if (points->guessed[i]) text_element(writer, recognised, quantities[i]);
	number(writer, object, "N_scale", input->N_scale);
	number(writer, object, "D_scale", input->D_scale);
	number(writer, object, "C_scale", input->C_scale);
	number(writer, object, "loss_scale", input->loss_scale);
	cJSON *where = array_in(writer, object, "where");
	for (int i = 0; i < input->where.count; i++) text_element(writer, where, input->where.items[i]);
	number(writer, object, "drop_highest", (double)input->drop_highest);
	number(writer, object, "drop_lowest", (double)input->drop_lowest);
	boolean(writer, object, "skip_bad", input->skip_bad);
}

static void add_design(struct writer *writer, cJSON *root, const struct fit *fit) {
	const struct fit_design *design = &fit->design;
	cJSON *points = object_in(writer, root, "points");
	number(writer, points, "used", (double)design->points);
	number(writer, points, "left_out", (double)fit->points->left_out_count);
	number(writer, points, "rungs", design->rungs);
	number(writer, points, "seeds", fit->points->seeds);
	add_input(writer, root, points, fit->points);
	write_design(writer, root, fit);
}

void write_design(struct writer *writer, cJSON *root, const struct fit *fit) {
	const struct fit_design *design = &fit->design;
	cJSON *object = object_in(writer, root, "design");
	number(writer, object, "points", (double)design->points);
	number(writer, object, "sizes", design->sizes);
	number(writer, object, "horizons", design->horizons);
	number(writer, object, "decades_N", design->decades_N);
	number(writer, object, "decades_D", design->decades_D);
	number(writer, object, "decades_C", design->decades_C);
	number(writer, object, "correlation", design->correlation);
	number(writer, object, "spread", design->spread);
	boolean(writer, object, "surface", design->surface);
	boolean(writer, object, "sound", fit->design_warnings == 0);
	number(writer, object, "E_error", design->E_error);
	number(writer, object, "alpha_error", design->alpha_error);
	number(writer, object, "beta_error", design->beta_error);
	number(writer, object, "a_error", design->a_error);
}

void write_certificate(struct writer *writer, cJSON *object, const struct fit_certificate *certificate) {
	number(writer, object, "starts", certificate->starts);
	number(writer, object, "agreeing", certificate->agreeing);
	number(writer, object, "spread", certificate->spread);
	number(writer, object, "moved", certificate->moved);
	number(writer, object, "gradient", certificate->gradient);
	number(writer, object, "condition", certificate->condition);
	number(writer, object, "design_condition", certificate->design_condition);
	number(writer, object, "iterations", certificate->iterations);
	boolean(writer, object, "equals_start", certificate->equals_start);
	number(writer, object, "around", certificate->around);
	number(writer, object, "returned", certificate->returned);
	string(writer, object, "doubt", certificate->doubt);
}

static void add_certificate(struct writer *writer, cJSON *root, const struct fit_certificate *certificate) {
	cJSON *object = object_in(writer, root, "certificate");
	write_certificate(writer, object, certificate);
	cJSON *at_bound = array_in(writer, object, "at_bound");
	for (int i = 0; i < FIT_SURFACE_PARAMETERS; i++) {
		if (!(certificate->at_bound >> i & 1)) continue;
		text_element(writer, at_bound, parameter_names[i]);
	}
}

/* What was made least, the value that it has, and the minimum that publications would print. */
static void add_objective(struct writer *writer, cJSON *root, const struct fit *fit) {
	const struct fit_surface_result *result = &fit->surface;
	const struct fit_published *published = &result->published;
	struct criterion criterion = criterion_of(fit->fitted ? &result->method : &fit->options.method);
	struct text words = {0};
	criterion_in_words(&criterion, &words);
	string_of(writer, root, "minimised", &words);
	text_free(&words);
	bool huber = criterion.kind == OBJECTIVE_HUBER && fit->fitted;
	number(writer, root, "delta", huber ? criterion.delta : NAN);
	boolean(writer, root, "adapted", fit->fitted && result->adapted);
	number(writer, root, "objective", fit->fitted ? result->objective : NAN);
	if (!fit->fitted || !published->made) return;
	cJSON *object = object_in(writer, root, "published");
	number(writer, object, "delta", FIT_DELTA);
	cJSON *parameters = object_in(writer, object, published->converged ? "parameters" : "unconverged");
	for (int i = 0; i < FIT_SURFACE_PARAMETERS; i++)
		number(writer, parameters, parameter_names[i], fit_parameter(&published->surface, i));
	number(writer, object, "objective", published->objective);
	boolean(writer, object, "converged", published->converged);
	string(writer, object, "doubt", published->doubt);
	number(writer, object, "starts", published->starts);
	number(writer, object, "agreeing", published->agreeing);
}

static void add_surface(struct writer *writer, cJSON *root, const struct fit *fit) {
	cJSON *parameters = object_in(writer, root, "parameters"), *identified = object_in(writer, root, "identified");
	cJSON *refused = object_in(writer, root, "refused"), *solution = object_in(writer, root, "solution");
	bool unconverged = fit->fitted && !fit->surface.converged;
	cJSON *withheld = unconverged ? object_in(writer, root, "unconverged") : NULL;
	for (int i = 0; unconverged && i < FIT_SURFACE_PARAMETERS; i++)
		number(writer, withheld, parameter_names[i], fit_parameter(&fit->surface.surface, i));
	for (int i = 0; i < FIT_SURFACE_PARAMETERS; i++) {
		double value = fit->fitted ? fit_parameter(&fit->surface.surface, i) : NAN;
		if (fit->refused[i] || unconverged)
			string(writer, parameters, parameter_names[i], NULL);
		else
			number(writer, parameters, parameter_names[i], value);
		number(writer, solution, parameter_names[i], value);
		boolean(writer, identified, parameter_names[i], fit->fitted && fit->identified[i]);
	}
	for (int i = 0; i <= FIT_SURFACE_PARAMETERS; i++)
		if (fit->refused[i])
			string(writer, refused, i < FIT_SURFACE_PARAMETERS ? parameter_names[i] : "a", fit->refused[i]);
	boolean(writer, identified, "a", fit->fitted && fit->identified_a);
	add_objective(writer, root, fit);
	number(writer, root, "rms", fit->fitted ? fit->surface.rms : NAN);
	boolean(writer, root, "converged", fit->fitted && fit->surface.converged);
	if (!fit->fitted) return;
	add_certificate(writer, root, &fit->surface.certificate);
	cJSON *intervals = object_in(writer, root, "intervals");
	for (int i = 0; i < FIT_SURFACE_PARAMETERS; i++) interval(writer, intervals, parameter_names[i], fit->intervals[i]);
	interval(writer, intervals, "a", fit->allocation.a_interval);
	cJSON *bootstrap = object_in(writer, root, "bootstrap");
	const struct fit_replicates *replicates = &fit->replicates;
	string(writer, bootstrap, "method", resampling_name(replicates->method));
	number(writer, bootstrap, "replicates", (double)replicates->count);
	number(writer, bootstrap, "seed", (double)fit->options.seed);
	number(writer, bootstrap, "level", FIT_LEVEL);
	number(writer, bootstrap, "point_noise", replicates->noise.point);
	number(writer, bootstrap, "rung_noise", replicates->noise.rung);
	number(writer, bootstrap, "setting_noise", replicates->noise.setting);
	cJSON *quantiles = object_in(writer, bootstrap, "intervals");
	for (int i = 0; i < FIT_SURFACE_PARAMETERS; i++) interval(writer, quantiles, parameter_names[i], fit->quantiles[i]);
	interval(writer, quantiles, "a", fit->quantile_a);
	number(writer, bootstrap, "redrawn", (double)replicates->redrawn);
	number(writer, bootstrap, "unfinished", (double)replicates->unfinished);
}

static void add_laws(struct writer *writer, cJSON *root, const struct fit *fit) {
	cJSON *laws = array_in(writer, root, "laws");
	for (int i = 0; i < fit->curve_count; i++) {
		const struct fit_curve *curve = &fit->curves[i];
		cJSON *law = object_at_end(writer, laws);
		string(writer, law, "x", variable_names[curve->variable]);
		string(writer, law, "form", curve->floor ? "power+E" : "power");
		string(
		    writer, law, "chosen",
		    curve->variable == FIT_N   ? "the points at the largest D that all sizes share"
		    : curve->variable == FIT_D ? "the points of the largest N"
		                               : "the corners of the lower convex hull of (ln C, ln loss)");
		number(writer, law, "at", curve->at);
		const char *names[] = {"E", "k", "exponent"};
		const double values[] = {curve->E, curve->k, curve->exponent};
		cJSON *parameters = object_in(writer, law, "parameters");
		cJSON *withheld = curve->converged ? NULL : object_in(writer, law, "unconverged");
		for (size_t k = 0; k < COUNT_OF(names); k++) {
			if (!curve->converged) string(writer, parameters, names[k], NULL);
			number(writer, curve->converged ? parameters : withheld, names[k], values[k]);
		}
		cJSON *intervals = object_in(writer, law, "intervals");
		interval(writer, intervals, "E", curve->E_interval);
		interval(writer, intervals, "k", curve->k_interval);
		interval(writer, intervals, "exponent", curve->exponent_interval);
		number(writer, law, "objective", curve->objective);
		number(writer, law, "rms", curve->rms);
		number(writer, law, "points", (double)curve->points);
		boolean(writer, law, "converged", curve->converged);
		cJSON *certificate = object_in(writer, law, "certificate");
		write_certificate(writer, certificate, &curve->certificate);
		cJSON *at_bound = array_in(writer, certificate, "at_bound");
		for (size_t k = 0; k < COUNT_OF(names); k++)
			if (curve->at_bound >> k & 1) text_element(writer, at_bound, names[k]);
	}
}

static void add_name(struct writer *writer, cJSON *object, const struct fit_point *point) {
	char name[32];
	snprintf(name, sizeof name, "line %zu", point->line);
	string(writer, object, "id", point->id ? point->id : name);
	number(writer, object, "N", point->N);
	number(writer, object, "D", point->D);
}

static void add_residuals(struct writer *writer, cJSON *root, const struct fit *fit) {
	cJSON *array = array_in(writer, root, "residuals");
	for (size_t i = 0; i < fit->points->count; i++) {
		const struct fit_point *point = &fit->points->items[i];
		double predicted = fit->fitted ? fit_surface_loss(&fit->surface.surface, point->N, point->D) : NAN;
		cJSON *object = object_at_end(writer, array);
		add_name(writer, object, point);
		number(writer, object, "C", point->C);
		number(writer, object, "loss", point->loss);
		number(writer, object, "loss_error", point->loss_error);
		number(writer, object, "predicted", predicted);
		number(writer, object, "residual", log(point->loss / predicted));
	}
}

static void add_prediction(struct writer *writer, cJSON *root, const struct fit *fit) {
	const struct fit_prediction *prediction = &fit->prediction;
	cJSON *object = object_in(writer, root, "prediction");
	number(writer, object, "N", prediction->N);
	number(writer, object, "error", prediction->error);
	number(writer, object, "worst", prediction->worst);
	number(writer, object, "baseline_error", prediction->baseline_error);
	number(writer, object, "bounded", (double)prediction->bounded);
	number(writer, object, "covered", (double)prediction->covered);
	cJSON *points = array_in(writer, object, "points");
	for (size_t k = 0; k < prediction->count; k++) {
		const struct fit_predicted *predicted = &prediction->points[k];
		const struct fit_point *point = &fit->points->items[predicted->point];
		cJSON *at = object_at_end(writer, points);
		add_name(writer, at, point);
		number(writer, at, "loss", point->loss);
		number(writer, at, "predicted", predicted->predicted);
		interval(writer, at, "interval", predicted->interval);
		number(writer, at, "error", predicted->predicted / point->loss - 1);
		number(writer, at, "baseline", predicted->baseline);
	}
}

void write_left_out(struct writer *writer, cJSON *root, const struct fit_points *points) {
	cJSON *array = array_in(writer, root, "left_out");
	for (size_t i = 0; i < points->left_out_count; i++) {
		const struct fit_left_out *row = &points->left_out[i];
		char name[32];
		snprintf(name, sizeof name, "line %zu", row->line);
		cJSON *object = object_at_end(writer, array);
		string(writer, object, "id", row->id ? row->id : name);
		number(writer, object, "N", row->N);
		number(writer, object, "D", row->D);
		number(writer, object, "loss", row->loss);
		number(writer, object, "line", (double)row->line);
		string(writer, object, "reason", row->reason);
	}
}

void write_warning_list(struct writer *writer, cJSON *root, const struct fit_warning *warnings, int count) {
	cJSON *array = array_in(writer, root, "warnings");
	for (int i = 0; i < count; i++) {
		cJSON *warning = object_at_end(writer, array);
		string(writer, warning, "code", warnings[i].code);
		string(writer, warning, "text", warnings[i].text);
	}
}

void write_warnings(struct writer *writer, cJSON *root, const struct fit *fit) {
	write_warning_list(writer, root, fit->warnings, fit->warning_count);
}

struct error *fit_to_json(const struct fit *fit, cJSON **root) {
	struct writer writer = {.failed = false};
	struct text words = {0};
	*root = cJSON_CreateObject();
	number(&writer, *root, "format", 1);
	string(&writer, *root, "law", "chinchilla");
	add_design(&writer, *root, fit);
	add_surface(&writer, *root, fit);
	const struct allocation_view view = {
	    .allocation = &fit->allocation,
	    .refused = fit->refused[FIT_SURFACE_PARAMETERS] != NULL,
	    .isoflops = &fit->isoflops,
	    .isoflop_interval = fit->isoflop_interval};
	if (fit->fitted && fit->surface.converged) write_allocation(&writer, *root, &view);
	result_starts(&writer, *root, fit);
	if (fit->fitted) result_profiles(&writer, *root, fit);
	add_laws(&writer, *root, fit);
	write_isoflops(&writer, *root, &view);
	result_approaches(&writer, *root, fit);
	add_residuals(&writer, *root, fit);
	if (fit->fitted && fit->prediction.made) add_prediction(&writer, *root, fit);
	result_chance(&writer, *root, fit);
	result_outlooks(&writer, *root, fit);
	write_comparison(&writer, *root, &fit->comparison);
	write_left_out(&writer, *root, fit->points);
	write_warnings(&writer, *root, fit);
	fit_in_words(fit, &words);
	string_of(&writer, *root, "text", &words);
	struct error *error = writer.failed || !*root ? error_memory(fit->points->count * 1024) : NULL;
	text_free(&words);
	if (error) {
		cJSON_Delete(*root);
		*root = NULL;
	}
	return error;
}
