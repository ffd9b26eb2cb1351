/* text.c - the result in words, and the summary for a terminal. */
#include "fit/law.h"
#include "fit/result.h"
#include "fit/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *parameter_names[FIT_SURFACE_PARAMETERS] = {"E", "A", "B", "alpha", "beta"};

static void extent(const struct fit_points *points, struct fit_interval *N, struct fit_interval *D) {
	*N = *D = (struct fit_interval){INFINITY, 0};
	for (size_t i = 0; i < points->count; i++) {
		const struct fit_point *point = &points->items[i];
		N->low = fmin(N->low, point->N);
		N->high = fmax(N->high, point->N);
		D->low = fmin(D->low, point->D);
		D->high = fmax(D->high, point->D);
	}
}

/* ---------------------------------------------------------------------------------------------------------- words --- */

static void words_of_floor(const struct fit *fit, struct text *out) {
	const struct fit_profile *profile = &fit->profiles[PROFILE_E];
	char value[SHORT], between[2 * SHORT];
	if (profile->reaches_low) {
		text_add(
		    out, "Whether the loss has a floor cannot be said from these data: any E from 0 to %s fits.\n",
		    digits(profile->interval.high, value));
	} else if (!fit->identified[0]) {
		text_add(
		    out,
		    "The irreducible loss E is not determined: anything from %s fits (90 %% interval), which is too wide to "
		    "quote a number.\n",
		    range(profile->interval, between));
	} else {
		text_add(
		    out,
		    "The curve levels off at E = %s (90 %% interval %s): where this family of models would end with endless "
		    "parameters and data, a place that nobody has visited. Another context or tokenizer has another E.\n",
		    digits(fit->surface.surface.E, value), range(profile->interval, between));
	}
}

static void words_of_exponents(const struct fit *fit, struct text *out) {
	char value[SHORT], between[2 * SHORT], factor[SHORT];
	for (int i = 3; i <= 4; i++) {
		bool of_N = i == 3;
		if (!fit->identified[i]) {
			text_add(
			    out, "How the loss falls with %s is not determined: %s may be anything from %s.\n",
			    of_N ? "the number of parameters" : "the number of tokens", parameter_names[i],
			    range(fit->intervals[i], between));
			continue;
		}
		text_add(
		    out,
		    "More %s: the part of the loss that they account for falls as %s with %s = %s (90 %% interval %s), "
		    "so halving it takes %s times as many.\n",
		    of_N ? "parameters" : "tokens", of_N ? "N^-alpha" : "D^-beta", parameter_names[i],
		    digits(fit_parameter(&fit->surface.surface, i), value), range(fit->intervals[i], between),
		    digits(fit->allocation.halving[of_N ? FIT_N : FIT_D], factor));
	}
}

static void words_of_allocation(const struct fit *fit, struct text *out) {
	const struct fit_allocation *allocation = &fit->allocation;
	char value[SHORT], between[2 * SHORT], factor[SHORT];
	struct fit_interval interval = allocation->a_interval;
	if (!fit->identified_a) {
		text_add(
		    out,
		    "How to divide a budget between size and data is not determined: the exponent a may be anything from %s.\n",
		    range(interval, between));
		return;
	}
	text_add(
	    out,
	    "With C = 6 N D floating-point operations to spend, the best size grows as C^%s (90 %% interval %s) and the "
	    "best token count as C^%s",
	    digits(allocation->a, value), range(interval, between), digits(allocation->b, (char[SHORT]){0}));
	/* The cost of halving is 2 to the power 1/alpha + 1/beta: it is only known when both are. */
	if (fit->identified[3] && fit->identified[4])
		text_add(
		    out, "; halving the reducible loss takes %s times the compute", digits(allocation->halving[FIT_C], factor));
	text_add_string(out, ".\n");
}

static void words_of_prediction(const struct fit *fit, struct text *out) {
	const struct fit_prediction *prediction = &fit->prediction;
	if (!prediction->made) return;
	char N[SHORT];
	text_add(
	    out,
	    "The check: fitted without its largest size (N = %s), the law predicts that size's losses to %.2g %% on "
	    "average, %zu of %zu inside their 90 %% intervals; a pure power law misses by %.2g %%.\n",
	    count(prediction->N, N), 100 * prediction->error, prediction->covered, prediction->bounded,
	    100 * prediction->baseline_error);
}

void fit_in_words(const struct fit *fit, struct text *out) {
	if (!fit->fitted) {
		text_add_string(
		    out, "These data do not determine how the loss depends on size and data together; the warnings say why.\n");
	} else if (!fit->surface.converged) {
		text_add(
		    out, "The fit did not converge (%s), so no parameter is an estimate.\n", fit->surface.certificate.doubt);
	} else {
		words_of_floor(fit, out);
		words_of_exponents(fit, out);
		words_of_allocation(fit, out);
		words_of_prediction(fit, out);
	}
	if (fit->comparison.count > 0) compare_in_words(&fit->comparison, out);
	if (fit->warning_count) text_add_string(out, "What to keep in mind:\n");
	for (int i = 0; i < fit->warning_count; i++) text_add(out, "%s\n", fit->warnings[i].text);
}

/* -------------------------------------------------------------------------------------------------------- summary --- */

struct tally {
	const char *reason;
	size_t first, count;
};

static int by_reason(const void *a, const void *b) {
	const struct tally *x = a, *y = b;
	int order = strcmp(x->reason, y->reason);
	return order ? order : (x->first > y->first) - (x->first < y->first);
}

static int by_first(const void *a, const void *b) {
	const struct tally *x = a, *y = b;
	return (x->first > y->first) - (x->first < y->first);
}

/* Reasons in the order in which they first come, with their counts. Every bad row has its own: they are counted as one. */
static void summarise_left_out(const struct fit_points *points, struct text *out) {
	size_t n = points->left_out_count, kinds = 0;
	struct tally *tallies = array_new(n + 1, sizeof *tallies);
	if (!tallies) out->failed = true;
	if (n == 0 || !tallies) {
		free(tallies);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const struct fit_left_out *row = &points->left_out[i];
		tallies[i] = (struct tally){row->why == LEFT_OUT_AS_BAD ? "bad" : row->reason, i, 1};
	}
	qsort(tallies, n, sizeof *tallies, by_reason);
	for (size_t i = 0; i < n; i++) {
		if (kinds > 0 && strcmp(tallies[kinds - 1].reason, tallies[i].reason) == 0)
			tallies[kinds - 1].count++;
		else
			tallies[kinds++] = tallies[i];
	}
	qsort(tallies, kinds, sizeof *tallies, by_first);
	struct text line = {0};
	text_add_string(&line, "left out: ");
	for (size_t i = 0; i < kinds && i < 4; i++)
		text_add(&line, "%s%zu %.60s", i ? ", " : "", tallies[i].count, tallies[i].reason);
	if (kinds > 4) text_add_string(&line, ", ...");
	wrapped(out, "  ", "    ", text_part(&line, out));
	text_free(&line);
	free(tallies);
}

static void summarise_table(const struct fit *fit, const char *source, struct text *out) {
	const struct fit_points *points = fit->points;
	struct fit_interval N, D;
	char between[2 * SHORT];
	extent(points, &N, &D);
	const struct fit_design *design = &fit->design;
	text_add(
	    out, "%s: %zu point%s, %d size%s, %d token count%s\n", source, points->count, points->count == 1 ? "" : "s",
	    design->sizes, design->sizes == 1 ? "" : "s", design->horizons, design->horizons == 1 ? "" : "s");
	text_add(out, "  N %s", count_range(N, between));
	text_add(out, ", D %s", count_range(D, between));
	text_add(out, ", %.2g decades of C\n", fit->design.decades_C);
	summarise_left_out(points, out);
}

/* What was made least, and what the fit is that publications print. */
static void summarise_objective(const struct fit *fit, struct text *out) {
	const struct fit_surface_result *result = &fit->surface;
	const struct fit_published *published = &result->published;
	struct criterion criterion = criterion_of(&result->method);
	struct text words = {0};
	char value[SHORT];
	text_add_string(&words, "the ");
	criterion_in_words(&criterion, &words);
	if (result->adapted && criterion.delta > FIT_DELTA) text_add_string(&words, " (by the misses)");
	if (criterion.kind == OBJECTIVE_HUBER) {
		size_t beyond = 0;
		for (size_t i = 0; i < fit->points->count; i++) {
			const struct fit_point *point = &fit->points->items[i];
			double loss = fit_surface_loss(&result->surface, point->N, point->D);
			beyond += fabs(log(loss / point->loss)) > criterion.delta;
		}
		text_add(&words, "; %zu of %zu points miss by more", beyond, fit->points->count);
	}
	wrapped(out, "             ", "             ", text_part(&words, out));
	text_clear(&words);
	if (published->made && published->converged) {
		text_add(&words, "with delta %g:", FIT_DELTA);
		for (int i = 0; i < FIT_SURFACE_PARAMETERS; i++)
			text_add(
			    &words, fit->identified[i] ? " %s %s" : " %s (%s)", parameter_names[i],
			    exactly(fit_parameter(&published->surface, i), value));
		text_add(&words, " objective %.8e", published->objective);
	} else if (published->made) {
		text_add(&words, "with delta %g it does not converge: %s", FIT_DELTA, published->doubt);
	}
	if (published->made) wrapped(out, "  published  ", "             ", text_part(&words, out));
	text_free(&words);
}

static void summarise_surface(const struct fit *fit, struct text *out) {
	char value[SHORT], between[2 * SHORT];
	if (!fit->fitted) {
		text_add_string(out, "\nL(N, D): not fitted, the data do not determine it; see below\n");
		return;
	}
	const struct fit_surface_result *result = &fit->surface;
	text_add_string(out, "\nL(N, D) = E + A/N^alpha + B/D^beta");
	if (result->converged)
		text_add(
		    out, "   converged: %d of %d starts agree\n", result->certificate.agreeing, result->certificate.starts);
	else
		text_add(out, "   NOT CONVERGED\n");
	text_add(out, "  %-10s %-14s %s\n", "", "estimate", "90 % interval");
	for (int i = 0; i < FIT_SURFACE_PARAMETERS; i++) {
		struct fit_interval interval = fit->intervals[i];
		exactly(fit_parameter(&result->surface, i), value);
		if (!fit->identified[i]) snprintf(value, sizeof value, "not determined");
		text_add(
		    out, "  %-10s %-14s %s%s\n", parameter_names[i], value, range(interval, between),
		    i == 1 || i == 2 ? "" : " (profile)");
	}
	text_add(out, "  %-10s %.3g %% rms", "residuals", 100 * result->rms);
	const struct fit_noise *noise = &fit->replicates.noise;
	if (fit->replicates.count && !isnan(noise->rung))
		text_add(out, "; noise %.2g %% a point, %.2g %% a rung", 100 * noise->point, 100 * noise->rung);
	text_add(out, "\n  %-10s %.8e\n", "objective", result->objective);
	summarise_objective(fit, out);
	struct text words = {0};
	certificate_in_words(&result->certificate, parameter_names, result->certificate.at_bound, &words);
	wrapped(out, "  certificate ", "             ", text_part(&words, out));
	text_free(&words);
	if (fit->points->count > LARGE_TABLE)
		text_add(
		    out, "  large table: %zu refits, from the solution alone; profiles at fewer places\n",
		    fit->replicates.count);
	text_chance(fit, out);
}

/* "?" where the interval is wider than the estimate, or the search did not converge. */
static char *quotable(const struct fit_curve *curve, double value, struct fit_interval interval, char out[SHORT]) {
	bool known = curve->converged && !(interval.high - interval.low > value);
	if (!known) return strcpy(out, "?");
	snprintf(out, SHORT, "%.6g", value);
	return out;
}

static void summarise_laws(const struct fit *fit, struct text *out) {
	static const char *names[] = {"L(N)", "L(D)", "L(C)"};
	if (fit->curve_count == 0) return;
	text_add(out, "\n%-28s %-9s %-9s %-18s %s\n", "Laws of one variable", "E", "exponent", "90 % interval", "rms");
	bool unknown = false;
	for (int i = 0; i < fit->curve_count; i++) {
		const struct fit_curve *curve = &fit->curves[i];
		char where[SHORT] = "frontier", at[SHORT], label[2 * SHORT], E[SHORT] = "none", exponent[SHORT];
		char between[2 * SHORT];
		if (curve->variable != FIT_C)
			snprintf(where, sizeof where, "%s = %s", curve->variable == FIT_N ? "D" : "N", count(curve->at, at));
		snprintf(label, sizeof label, "%s, %s, %zu points", names[curve->variable], where, curve->points);
		if (curve->floor) quotable(curve, curve->E, curve->E_interval, E);
		quotable(curve, curve->exponent, curve->exponent_interval, exponent);
		unknown = unknown || *E == '?' || *exponent == '?';
		text_add(
		    out, "  %-26s %-9s %-9s %-18s %.2g %%\n", label, E, exponent, range(curve->exponent_interval, between),
		    100 * curve->rms);
	}
	if (unknown) text_add_string(out, "  ? the interval is wider than the estimate, or the search did not converge\n");
}

static void summarise_allocation(const struct fit *fit, struct text *out) {
	if (!fit->fitted || !fit->surface.converged) return;
	const struct allocation_view view = {
	    .allocation = &fit->allocation,
	    .knows_a = fit->identified_a,
	    .knows_alpha = fit->identified[3],
	    .knows_beta = fit->identified[4],
	    .isoflops = &fit->isoflops,
	    .isoflop_interval = fit->isoflop_interval};
	text_allocation(&view, out);
}

static void summarise_prediction(const struct fit *fit, struct text *out) {
	const struct fit_prediction *prediction = &fit->prediction;
	if (!fit->fitted || !prediction->made) return;
	char N[SHORT], D[SHORT], between[2 * SHORT], loss[SHORT], predicted[SHORT];
	text_add(
	    out, "\nN = %s predicted from the smaller sizes: mean error %.2g %%, worst %.2g %%\n", count(prediction->N, N),
	    100 * prediction->error, 100 * prediction->worst);
	text_add(out, "  %-9s %-9s %-10s %-20s %s\n", "D", "measured", "predicted", "90 % interval", "error");
	for (size_t k = 0; k < prediction->count; k++) {
		const struct fit_predicted *at = &prediction->points[k];
		const struct fit_point *point = &fit->points->items[at->point];
		char error[SHORT];
		snprintf(
		    error, sizeof error, "%+.2f %%%s", 100 * (at->predicted / point->loss - 1), at->inside ? "" : "  outside");
		text_add(
		    out, "  %-9s %-9s %-10s %-20s %s\n", count(point->D, D), digits(point->loss, loss),
		    digits(at->predicted, predicted), range(at->interval, between), error);
	}
	text_add(out, "  a pure power law, the naive baseline: mean error %.2g %%\n", 100 * prediction->baseline_error);
}

void write_warning_lines(const struct fit *fit, struct text *out) {
	for (int i = 0; i < fit->warning_count; i++) {
		char first[SHORT];
		snprintf(first, sizeof first, "%s%s: ", i ? "" : "\n", fit->warnings[i].code);
		wrapped(out, first, "  ", fit->warnings[i].text);
	}
}

void fit_summary(const struct fit *fit, const char *source, struct text *out) {
	summarise_table(fit, source, out);
	summarise_surface(fit, out);
	summarise_laws(fit, out);
	summarise_allocation(fit, out);
	text_approaches(fit, out);
	summarise_prediction(fit, out);
	text_outlooks(fit, out);
	compare_summary(&fit->comparison, out);
	write_warning_lines(fit, out);
}
