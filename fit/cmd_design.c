/* rung fit --design: what a planned ladder would tell, before it is paid for. */
#include "fit/approach.h"
#include "fit/law.h"
#include "fit/words.h"
#include "fit/writer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define Z 1.6448536269514722 /* half the width of a FIT_LEVEL interval in standard errors */
#define LEAST_STEP 1.5       /* to the next rung, in N */

/* Every number that is asked for, under one assumption about the noise. */
struct outlook {
	struct fit_noise noise;
	struct fit_expected errors;
	double log_N, next; /* standard errors of ln N* at `C`, of the next rung's measured ln L */
};

struct judged {
	struct fit_surface surface;
	const char *source; /* of the surface */
	struct fit_points points;
	double C, next_N, next_D; /* one decade beyond the largest budget; the next rung */
	struct outlook outlooks[2];
};

static const char *names[] = {"E", "A", "B", "alpha", "beta", "a"};

static double value_of(const struct judged *judged, int k) {
	const struct fit_surface *surface = &judged->surface;
	return k < FIT_SURFACE_PARAMETERS ? fit_parameter(surface, k) : surface->beta / (surface->alpha + surface->beta);
}

/* Standard error of parameter k. A and B: times themselves, to first order. */
static double error_of(const struct judged *judged, const struct outlook *outlook, int k) {
	const struct fit_expected *e = &outlook->errors;
	const double errors[] = {e->E, e->log_A * judged->surface.A, e->log_B * judged->surface.B, e->alpha, e->beta, e->a};
	return errors[k];
}

/* Wider than the estimate itself: not to be had from this design. A is in units of N^alpha: as well known as alpha. */
static bool determined(const struct judged *judged, const struct outlook *outlook, int k) {
	int decides = k == 1 ? 3 : k == 2 ? 4 : k;
	return 2 * Z * error_of(judged, outlook, decides) <= value_of(judged, decides);
}

/* ----------------------------------------------------------------------------------------------------------- surface --- */

static struct error *surface_from_file(const char *path, struct fit_surface *surface) {
	cJSON *root = NULL;
	TRY(json_read(path, &root));
	const cJSON *parameters = cJSON_GetObjectItemCaseSensitive(root, "parameters");
	double *const fields[] = {&surface->E, &surface->A, &surface->B, &surface->alpha, &surface->beta};
	struct error *error = NULL;
	for (int k = 0; k < FIT_SURFACE_PARAMETERS && !error; k++)
		error = json_get_number(parameters, names[k], path, fields[k]);
	cJSON_Delete(root);
	return error;
}

static struct error *surface_from_text(const char *text, struct fit_surface *surface) {
	double values[FIT_SURFACE_PARAMETERS];
	int count = 0;
	for (const char *at = text; count < FIT_SURFACE_PARAMETERS; at++) {
		char *end;
		values[count] = strtod(at, &end);
		if (end == at) break;
		count++;
		at = end;
		if (*at != ',') break;
	}
	size_t commas = 0;
	for (const char *at = text; *at; at++) commas += *at == ',';
	if (count != FIT_SURFACE_PARAMETERS || commas != FIT_SURFACE_PARAMETERS - 1) {
		return error_new(
		    ERROR_USAGE,
		    "--surface %s: expected E,A,B,alpha,beta such as 1.69,406.4,410.7,0.34,0.28, or the fit.json of an earlier "
		    "ladder",
		    text);
	}
	*surface = (struct fit_surface){values[0], values[1], values[2], values[3], values[4]};
	return NULL;
}

/* Unless told, exponents like Hoffmann et al.'s, and terms as large as E at the smallest size and the smallest horizon. */
static struct error *choose_surface(const struct design_options *options, struct judged *judged) {
	struct fit_surface *surface = &judged->surface;
	if (!options->surface) {
		double N = INFINITY, D = INFINITY;
		for (size_t i = 0; i < judged->points.count; i++) {
			N = fmin(N, judged->points.items[i].N);
			D = fmin(D, judged->points.items[i].D);
		}
		*surface = (struct fit_surface){.E = 1.5, .alpha = 0.34, .beta = 0.28};
		surface->A = surface->E * pow(N, surface->alpha);
		surface->B = surface->E * pow(D, surface->beta);
		judged->source =
		    "assumed: exponents as published for large models, terms as large as E where N and D are smallest";
		return NULL;
	}
	judged->source = options->surface;
	TRY(file_exists(options->surface) ? surface_from_file(options->surface, surface)
	                                  : surface_from_text(options->surface, surface));
	bool good = surface->E >= 0 && surface->A > 0 && surface->B > 0 && surface->alpha > 0 && surface->beta > 0;
	if (good && isfinite(surface->E + surface->A + surface->B + surface->alpha + surface->beta)) return NULL;
	return error_new(
	    ERROR_DATA, "--surface %s: expected E of zero or more and A, B, alpha, beta above zero", options->surface);
}

/* ------------------------------------------------------------------------------------------------------------- judge --- */

/* The next rung continues the sizes at their last ratio, at the largest horizon. */
static void look_ahead(struct judged *judged) {
	double largest = 0, second = 0;
	for (size_t i = 0; i < judged->points.count; i++) {
		const struct fit_point *point = &judged->points.items[i];
		largest = fmax(largest, point->N);
		judged->next_D = fmax(judged->next_D, point->D);
		judged->C = fmax(judged->C, 60 * point->N * point->D);
	}
	for (size_t i = 0; i < judged->points.count; i++)
		if (judged->points.items[i].N < largest * (1 - 1e-9)) second = fmax(second, judged->points.items[i].N);
	judged->next_N = largest * (second > 0 ? fmax(LEAST_STEP, largest / second) : 2);
}

static struct error *judge(const struct design_options *options, struct judged *judged) {
	double shared = options->rung_noise > 0 ? options->rung_noise : options->noise;
	look_ahead(judged);
	for (int k = 0; k < 2; k++) {
		struct outlook *outlook = &judged->outlooks[k];
		struct fit_information known;
		outlook->noise = (struct fit_noise){.point = options->noise, .rung = k ? shared : 0};
		TRY(fit_information_of(&judged->points, &judged->surface, &outlook->noise, &known));
		outlook->errors = fit_expected_errors(&known);
		outlook->log_N = fit_expected_log_N(&known, judged->C);
		double of_law = fit_expected_log_loss(&known, judged->next_N, judged->next_D);
		outlook->next = hypot(hypot(of_law, outlook->noise.point), outlook->noise.rung);
	}
	return NULL;
}

/* -------------------------------------------------------------------------------------------------------------- JSON --- */

/* What is not determined is null: no number that somebody might quote. */
static void add_outlook(
    struct writer *writer, cJSON *array, const struct judged *judged, const struct outlook *outlook) {
	cJSON *object = object_at_end(writer, array);
	number(writer, object, "rung_noise", outlook->noise.rung);
	cJSON *errors = object_in(writer, object, "standard_errors"), *missing = array_in(writer, object, "not_determined");
	for (int k = 0; k < (int)COUNT_OF(names); k++) {
		double error = error_of(judged, outlook, k);
		if (isfinite(error))
			number(writer, errors, names[k], error);
		else
			string(writer, errors, names[k], NULL);
		if (determined(judged, outlook, k)) continue;
		cJSON *name = cJSON_CreateString(names[k]);
		if (!name || !cJSON_AddItemToArray(missing, name)) writer->failed = true;
	}
	struct fit_optimum optimum = fit_optimal(&judged->surface, judged->C);
	cJSON *best = object_in(writer, object, "optimum");
	number(writer, best, "C", judged->C);
	number(writer, best, "N", optimum.N);
	number(writer, best, "D", optimum.D);
	number(writer, best, "ln_N_error", outlook->log_N);
	cJSON *next = object_in(writer, object, "next_rung");
	number(writer, next, "N", judged->next_N);
	number(writer, next, "D", judged->next_D);
	number(writer, next, "loss", fit_surface_loss(&judged->surface, judged->next_N, judged->next_D));
	number(writer, next, "ln_loss_error", outlook->next);
}

static struct error *to_json(const struct judged *judged, const struct fit *fit, cJSON **root) {
	struct writer writer = {.failed = false};
	*root = cJSON_CreateObject();
	number(&writer, *root, "format", 1);
	write_design(&writer, *root, fit);
	cJSON *surface = object_in(&writer, *root, "surface");
	for (int k = 0; k < FIT_SURFACE_PARAMETERS; k++) number(&writer, surface, names[k], value_of(judged, k));
	string(&writer, surface, "source", judged->source);
	number(&writer, *root, "noise", judged->outlooks[0].noise.point);
	cJSON *expected = array_in(&writer, *root, "expected");
	for (int k = 0; k < 2; k++) add_outlook(&writer, expected, judged, &judged->outlooks[k]);
	write_warnings(&writer, *root, fit);
	if (!writer.failed) return NULL;
	cJSON_Delete(*root);
	*root = NULL;
	return error_memory(sizeof *judged);
}

/* -------------------------------------------------------------------------------------------------------------- text --- */

static void add_error(struct text *out, double error) {
	char value[SHORT];
	if (isfinite(error))
		snprintf(value, sizeof value, "%.2g", Z * error);
	else
		snprintf(value, sizeof value, "no bound");
	text_add(out, "  %-16s", value);
}

static void add_factor(struct text *out, double error) {
	char value[SHORT];
	if (isfinite(error) && Z * error < 10)
		snprintf(value, sizeof value, "x or / %.3g", exp(Z * error));
	else
		snprintf(value, sizeof value, "no bound");
	text_add(out, "  %-16s", value);
}

static void summary(const struct judged *judged, const struct fit *fit, const char *source, struct text *out) {
	char value[SHORT], N[SHORT], D[SHORT];
	const struct fit_design *design = &fit->design;
	const struct outlook *outlooks = judged->outlooks;
	text_add(
	    out, "%s: %zu point%s planned, %d size%s, %d token count%s\n", source, design->points,
	    design->points == 1 ? "" : "s", design->sizes, design->sizes == 1 ? "" : "s", design->horizons,
	    design->horizons == 1 ? "" : "s");
	text_add(out, "  %.2g decades of N, %.2g of D; surface ", design->decades_N, design->decades_D);
	text_add(
	    out, "%s\n", strncmp(judged->source, "assumed", 7) == 0 ? "assumed (--surface gives another)" : judged->source);
	text_add(
	    out,
	    "\nHalf widths of 90 %% intervals to expect, by least squares (Cramer-Rao):\n  %-12s %-10s  noise %-10.3g  + "
	    "%.3g a rung\n",
	    "", "value", outlooks[0].noise.point, outlooks[1].noise.rung);
	for (int k = 0; k < (int)COUNT_OF(names); k++) {
		text_add(out, "  %-12s %-10s", names[k], digits(value_of(judged, k), value));
		for (int o = 0; o < 2; o++) {
			if (determined(judged, &outlooks[o], k)) {
				if (k == 1 || k == 2)
					add_factor(out, k == 1 ? outlooks[o].errors.log_A : outlooks[o].errors.log_B);
				else
					add_error(out, error_of(judged, &outlooks[o], k));
			} else {
				text_add(out, "  %-16s", "not determined");
			}
		}
		end_line(out);
	}
	struct fit_optimum optimum = fit_optimal(&judged->surface, judged->C);
	char label[SHORT];
	snprintf(label, sizeof label, "N*(%.1e)", judged->C);
	text_add(out, "  %-12s %-10s", label, count(optimum.N, N));
	for (int o = 0; o < 2; o++) add_factor(out, outlooks[o].log_N);
	end_line(out);
	digits(fit_surface_loss(&judged->surface, judged->next_N, judged->next_D), value);
	text_add(out, "  %-12s %-10s", "next rung", value);
	for (int o = 0; o < 2; o++) {
		char percent[SHORT];
		if (isfinite(outlooks[o].next))
			snprintf(percent, sizeof percent, "%.2g %%", 100 * Z * outlooks[o].next);
		else
			snprintf(percent, sizeof percent, "no bound");
		text_add(out, "  %-16s", percent);
	}
	end_line(out);
	text_add(out, "  (N = %s, D = %s)\n", count(judged->next_N, N), count(judged->next_D, D));
	write_warning_lines(fit, out);
}

/* ------------------------------------------------------------------------------------------------------------- door --- */

static struct error *print(const struct design_options *options, const struct judged *judged, const struct fit *fit) {
	cJSON *root = NULL;
	struct text text = {0};
	TRY(to_json(judged, fit, &root));
	if (options->json) {
		json_print(root, true, &text);
		text_add_string(&text, "\n");
	} else {
		summary(judged, fit, strcmp(options->path, "-") == 0 ? "standard input" : options->path, &text);
	}
	struct error *error = text_error(&text);
	if (!error) fputs(text.data, stdout);
	if (!error && options->out) error = json_write(options->out, root);
	text_free(&text);
	cJSON_Delete(root);
	return error;
}

struct error *design_command(const struct design_options *options) {
	if (!(options->noise > 0))
		return error_new(
		    ERROR_USAGE, "--design needs --noise: the standard deviation of ln loss from run to run, such as 0.005 for "
		                 "half a percent");
	struct judged judged = {0};
	struct fit fit = {.points = &judged.points};
	struct error *error = fit_points_designed(options->path, &options->input, &judged.points);
	if (!error) error = choose_surface(options, &judged);
	if (!error) error = fit_design_of(&judged.points, &fit.design);
	if (!error) error = judge(options, &judged);
	if (!error) {
		fit_warn_of_design(&fit);
		error = print(options, &judged, &fit);
	}
	fit_points_free(&judged.points);
	return error;
}
