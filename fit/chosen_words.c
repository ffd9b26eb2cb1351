/* chosen_words.c - the result of rung fit --law NAME for a terminal of 80 columns. */
#include "fit/chosen.h"
#include "fit/result.h"
#include "fit/words.h"

#include <math.h>
#include <string.h>

static void put_header(const struct chosen *chosen, const char *source, struct text *out) {
	static const char *const slices[] = {
	    [FIT_N] = "at the largest D that all sizes share",
	    [FIT_D] = "of the largest N",
	    [FIT_C] = "on the lower convex hull of (ln C, ln loss)"};
	const struct law *law = &chosen->law;
	const struct fit_points *points = chosen->selection.points;
	text_add(
	    out, "%s: %zu point%s, %d size%s, %d token count%s\n", source, points->count, points->count == 1 ? "" : "s",
	    chosen->design.sizes, chosen->design.sizes == 1 ? "" : "s", chosen->design.horizons,
	    chosen->design.horizons == 1 ? "" : "s");
	if (points->left_out_count) text_add(out, "  left out: %zu\n", points->left_out_count);
	struct text words = {0};
	text_add(&words, "%s (%s", law->formula, law->name);
	if (law->variables == 1) text_add(&words, ", x = %s", (const char *[]){"N", "D", "C"}[chosen->selection.variable]);
	text_add(&words, "; %s)", law->paper);
	text_add_string(out, "\n");
	wrapped(out, "", "  ", text_part(&words, out));
	if (law->variables == 1 && chosen->selection.count < points->count)
		text_add(
		    out, "  fitted to %zu points, those %s\n", chosen->selection.count, slices[chosen->selection.variable]);
	text_free(&words);
}

static void put_parameters(const struct chosen *chosen, struct text *out) {
	char value[SHORT], between[2 * SHORT];
	if (chosen->converged && law_free(&chosen->law) > 0)
		text_add(
		    out, "  converged: %d of %d starts agree%s\n", chosen->certificate.agreeing, chosen->certificate.starts,
		    chosen->solution.minimum_count > 1 ? "; there are other minima, see below" : "");
	else if (chosen->converged)
		text_add_string(out, "  every parameter is held: evaluated, not fitted\n");
	else
		text_add_string(out, "  NOT CONVERGED: where the search stopped, no estimates\n");
	text_add(out, "  %-10s %-16s %s\n", "", chosen->converged ? "estimate" : "not converged", "90 % interval");
	for (int j = 0; j < chosen->count; j++) {
		const struct chosen_parameter *parameter = &chosen->parameters[j];
		const char *note = parameter->held ? "  held" : parameter->at_bound ? "  at a bound" : "";
		if (parameter->flat) note = "  not determined: flat profile";
		exactly(parameter->value, value);
		/* Where the search ended, but not an estimate. */
		bool doubtful = chosen->converged && !parameter->identified;
		if (doubtful) snprintf(value, sizeof value, "(%.7g)", parameter->value);
		if (doubtful && !*note) note = "  not determined";
		text_add(
		    out, "  %-10s %-16s %s%s\n", parameter->name, value,
		    isnan(parameter->interval.low) ? "" : range(parameter->interval, between), note);
		if (!isnan(parameter->profile.low))
			text_add(out, "  %-10s %-16s %s (profile)\n", "", "", range(parameter->profile, between));
	}
}

/* Minima that a search ended in and that are not the lowest. */
static void put_minima(const struct chosen *chosen, struct text *out) {
	for (int m = 1; m < chosen->solution.minimum_count; m++) {
		const struct law_minimum *minimum = &chosen->solution.minima[m];
		double published[MOST_PARAMETERS];
		struct text words = {0};
		char value[SHORT];
		law_publish(&chosen->law, &chosen->table, minimum->x, published);
		text_add(
		    &words, "%.10g (%d search%s):", law_objective(&chosen->law, &chosen->table, minimum->x), minimum->searches,
		    minimum->searches == 1 ? "" : "es");
		for (int j = 0; j < chosen->count; j++)
			if (!chosen->parameters[j].held)
				text_add(&words, " %s %s", chosen->parameters[j].name, exactly(published[j], value));
		wrapped(out, m == 1 ? "  other minima " : "               ", "               ", text_part(&words, out));
		text_free(&words);
	}
}

/* The minimum that publications would print, where delta was chosen. */
static void put_published(const struct chosen *chosen, struct text *out) {
	double published[MOST_PARAMETERS];
	char value[SHORT];
	struct text words = {0};
	if (!chosen->adapted || !(chosen->law.criterion.delta > FIT_DELTA) || !isfinite(chosen->published.objective))
		return;
	law_publish(&chosen->law, &chosen->table, chosen->published.x, published);
	text_add(&words, "with delta %g:", FIT_DELTA);
	for (int j = 0; j < chosen->count; j++)
		if (!chosen->parameters[j].held)
			text_add(&words, " %s %s", chosen->parameters[j].name, exactly(published[j], value));
	text_add(
	    &words, " objective %.10g, %d of %d starts", chosen->published.objective, chosen->published.agreeing,
	    chosen->published.starts);
	wrapped(out, "  published  ", "             ", text_part(&words, out));
	text_free(&words);
}

static void put_certificate(const struct chosen *chosen, struct text *out) {
	const struct fit_certificate *certificate = &chosen->certificate;
	struct text words = {0};
	criterion_in_words(&chosen->law.criterion, &words);
	text_add(out, "  %-10s %.10g\n", "objective", chosen->objective);
	text_add(
	    out, "             the %s%s\n", text_part(&words, out),
	    chosen->adapted && chosen->law.criterion.delta > FIT_DELTA ? " (by the misses)" : "");
	put_published(chosen, out);
	text_add(out, "  %-10s %.4g %% rms of ln(predicted / loss)", "residuals", 100 * chosen->rms);
	if (!isnan(chosen->noise.rung))
		text_add(out, "; %.2g %% a point, %.2g %% a rung", 100 * chosen->noise.point, 100 * chosen->noise.rung);
	text_add_string(out, "\n");
	if (law_free(&chosen->law) > 0) {
		const char *names[MOST_PARAMETERS];
		for (int j = 0; j < chosen->count; j++) names[j] = chosen->parameters[j].name;
		text_clear(&words);
		certificate_in_words(certificate, names, certificate->at_bound, &words);
		wrapped(out, "  certificate ", "             ", text_part(&words, out));
		put_minima(chosen, out);
	}
	text_free(&words);
}

static void put_predictions(const struct chosen *chosen, struct text *out) {
	if (chosen->prediction_count == 0) return;
	char N[SHORT], D[SHORT], loss[SHORT], predicted[SHORT], between[2 * SHORT], error[SHORT];
	text_add(
	    out, "\nPredicted%s\n  %-9s %-9s %-9s %-10s %-20s %s\n", chosen->converged ? "" : " (NOT CONVERGED)", "N", "D",
	    "measured", "predicted", "90 % of a new run", "error");
	for (size_t k = 0; k < chosen->prediction_count; k++) {
		const struct chosen_prediction *at = &chosen->predictions[k];
		bool measured = !isnan(at->loss);
		snprintf(error, sizeof error, "%+.4f %%", measured ? 100 * (at->predicted / at->loss - 1) : 0);
		text_add(
		    out, "  %-9s %-9s %-9s %-10s %-20s %s\n", count(at->N, N), count(at->D, D),
		    measured ? digits(at->loss, loss) : "-", digits(at->predicted, predicted),
		    isnan(at->measurement[1].low) ? "-" : range(at->measurement[1], between), measured ? error : "");
	}
}

void chosen_summary(const struct chosen *chosen, const char *source, struct text *out) {
	put_header(chosen, source, out);
	put_parameters(chosen, out);
	put_certificate(chosen, out);
	if (chosen->has_optimum) {
		struct fit_interval a = chosen->allocation.a_interval;
		const struct allocation_view view = {
		    .allocation = &chosen->allocation,
		    .knows_a = !(a.high - a.low > chosen->allocation.a),
		    .knows_alpha = chosen->knows_alpha,
		    .knows_beta = chosen->knows_beta,
		    .isoflops = &chosen->isoflops,
		    .isoflop_interval = chosen->isoflop_interval};
		text_allocation(&view, out);
	}
	put_predictions(chosen, out);
	compare_summary(&chosen->comparison, out);
	for (int i = 0; i < chosen->warning_count; i++) {
		char first[SHORT];
		snprintf(first, sizeof first, "%s%s: ", i ? "" : "\n", chosen->warnings[i].code);
		wrapped(out, first, "  ", chosen->warnings[i].text);
	}
}
