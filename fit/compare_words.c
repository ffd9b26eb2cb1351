/* compare_words.c - the comparison of laws: members of fit.json, a table for the terminal, and what it comes to. */
#include "fit/result.h"
#include "fit/words.h"

#include <math.h>
#include <string.h>

#define CLOSE 2.0 /* AICc within this of the best: as good (Burnham and Anderson 2002) */

static const char *const variable_names[] = {"N", "D", "C"};

static const char *domain_of(const struct fit_comparison *comparison, const struct fit_compared *law) {
	return law->of_both ? "N,D" : variable_names[comparison->variable];
}

/* ------------------------------------------------------------------------------------------------------- words --- */

/* "a, b and c": the laws of one kind whose AICc is within CLOSE of the best. */
static int name_close(const struct fit_comparison *comparison, bool of_both, struct text *out) {
	const char *names[FIT_MOST_COMPARED];
	int count = 0;
	for (int k = 0; k < comparison->count; k++) {
		const struct fit_compared *law = &comparison->laws[k];
		if (law->of_both == of_both && law->converged && law->above <= CLOSE) names[count++] = law->law;
	}
	for (int k = 0; k < count; k++) text_add(out, "%s%s", k == 0 ? "" : k + 1 == count ? " and " : ", ", names[k]);
	return count;
}

/* The converged law of one kind with the smallest rolling-origin error; NULL: none. */
static const struct fit_compared *best_rolling(const struct fit_comparison *comparison, bool of_both) {
	const struct fit_compared *best = NULL;
	for (int k = 0; k < comparison->count; k++) {
		const struct fit_compared *law = &comparison->laws[k];
		if (law->of_both != of_both || !law->converged || isnan(law->rolling)) continue;
		if (!best || law->rolling < best->rolling) best = law;
	}
	return best;
}

static void words_of_kind(const struct fit_comparison *comparison, bool of_both, struct text *out) {
	struct text close = {0};
	int count = name_close(comparison, of_both, &close);
	const struct fit_compared *best = best_rolling(comparison, of_both);
	const char *x = of_both ? "N and D" : variable_names[comparison->variable];
	if (count > 0)
		text_add(
		    out, "Of the laws of %s %s %s the lowest AICc%s.", x, text_part(&close, out), count == 1 ? "has" : "have",
		    count == 1 ? ", by 2 or more" : " within 2");
	if (best)
		text_add(
		    out, " Fitted to the %s, %s predicts the next best (off by %.2g %%).",
		    of_both ? "smaller rungs" : "points before", best->law, 100 * best->rolling);
	if (count > 0 || best) text_add_string(out, "\n");
	text_free(&close);
}

static void words_of_decades(
    const char *truth, const char *other, const char *x, double noise, double decades, struct text *out) {
	if (isnan(decades)) return;
	text_add(out, " If %s is true, at the noise of %.2g %% ", truth, 100 * noise);
	if (decades == 0)
		text_add(out, "these points are enough to reject %s.", other);
	else if (isinf(decades))
		text_add(out, "%d further decades of %s would not do to reject %s.", FIT_MOST_DECADES, x, other);
	else
		text_add(out, "it takes %.2g further decades of %s to reject %s.", decades, x, other);
}

static void words_of_shape(const struct fit_comparison *comparison, struct text *out) {
	const struct fit_shape *shape = &comparison->shape;
	const char *x = variable_names[comparison->variable];
	if (!shape->asked) return;
	if (!shape->power && !shape->rival) {
		text_add(
		    out,
		    "Power law or the early part of an S in %s? These points do not say (too few for AICc, or nothing "
		    "converged).\n",
		    x);
		return;
	}
	if (!shape->rival) {
		text_add(
		    out,
		    "Power law or the early part of an S in %s? No curve with a scale of its own (exponential, stretched, "
		    "logistic) converged: those that can turn into a power law run off towards it.\n",
		    x);
		return;
	}
	if (!shape->power) {
		text_add(
		    out, "Power law or the early part of an S in %s? No power law converged on these points; %s did.\n", x,
		    shape->rival);
		return;
	}
	const char *verdict = "cannot be told apart";
	if (shape->rival_above > CLOSE) verdict = "the power law fits better";
	if (shape->rival_above < -CLOSE) verdict = "the curve with a scale of its own fits better";
	text_add(
	    out, "Power law or the early part of an S in %s? %s against %s: AICc %+.1f for %s, so %s", x, shape->power,
	    shape->rival, shape->rival_above, shape->rival, verdict);
	if (!isnan(shape->power_rolling))
		text_add(
		    out, "; the next point is missed by %.2g %% and %.2g %%", 100 * shape->power_rolling,
		    100 * shape->rival_rolling);
	text_add_string(out, ".");
	words_of_decades(shape->power, shape->rival, x, shape->power_noise, shape->decades_if_power, out);
	words_of_decades(shape->rival, shape->power, x, shape->rival_noise, shape->decades_if_rival, out);
	text_add_string(out, "\n");
}

void compare_in_words(const struct fit_comparison *comparison, struct text *out) {
	if (comparison->skipped) {
		text_add(out, "Laws are not compared: %s.\n", comparison->skipped);
		return;
	}
	words_of_kind(comparison, true, out);
	words_of_kind(comparison, false, out);
	words_of_shape(comparison, out);
}

/* ------------------------------------------------------------------------------------------------------- table --- */

static char *percent(double value, char out[SHORT]) {
	if (isnan(value))
		snprintf(out, SHORT, "-");
	else if (value > 9.99)
		snprintf(out, SHORT, ">999");
	else
		snprintf(out, SHORT, "%.*f", value < 0.1 ? 3 : value < 0.999 ? 2 : 1, 100 * value);
	return out;
}

void compare_summary(const struct fit_comparison *comparison, struct text *out) {
	if (comparison->skipped) {
		text_add(out, "\nLaws are not compared: %s.\n", comparison->skipped);
		return;
	}
	text_add_string(
	    out, "\nLaws on the same points: k parameters, n points, errors in %. AICc, above the\n"
	         "lowest, is of the likelihood whose maximum the fit is, errors independent\n");
	if (comparison->sampled)
		text_add(out, "On %zu of the %zu points, picked at random.\n", comparison->sampled, comparison->of);
	text_add(out, "  %-4s %-16s %2s %4s %8s %9s %9s %9s\n", "of", "law", "k", "n", "rms", "AICc", "left out", "next");
	bool doubtful = false;
	for (int k = 0; k < comparison->count; k++) {
		const struct fit_compared *law = &comparison->laws[k];
		char rms[SHORT], left_out[SHORT], rolling[SHORT], above[SHORT] = "-";
		if (!isnan(law->above)) snprintf(above, sizeof above, "%+.1f", law->above);
		text_add(
		    out, "  %-4s %-16s %2d %4zu %8s %9s %9s %9s%s\n", domain_of(comparison, law), law->law, law->parameters,
		    law->points, percent(law->rms, rms), above, percent(law->left_out, left_out),
		    percent(law->rolling, rolling), law->converged ? "" : " *");
		doubtful = doubtful || !law->converged;
	}
	if (doubtful) text_add_string(out, "  * not converged: no estimate, and out of the contest\n");
	struct text words = {0};
	compare_in_words(comparison, &words);
	wrapped_lines(out, "  ", "  ", &words);
	text_free(&words);
}

/* -------------------------------------------------------------------------------------------------------- JSON --- */

void write_comparison(struct writer *writer, cJSON *root, const struct fit_comparison *comparison) {
	cJSON *array = array_in(writer, root, "comparison");
	number(writer, root, "comparison_points", comparison->sampled ? (double)comparison->sampled : NAN);
	for (int k = 0; k < comparison->count; k++) {
		const struct fit_compared *law = &comparison->laws[k];
		cJSON *at = object_at_end(writer, array);
		string(writer, at, "law", law->law);
		string(writer, at, "of", domain_of(comparison, law));
		number(writer, at, "parameters", law->parameters);
		number(writer, at, "points", (double)law->points);
		number(writer, at, "objective", law->objective);
		number(writer, at, "rms", law->rms);
		number(writer, at, "aicc", law->aicc);
		number(writer, at, "aicc_above", law->above);
		number(writer, at, "leave_out_error", law->left_out);
		number(writer, at, "leave_out_folds", law->left_out_folds);
		number(writer, at, "rolling_error", law->rolling);
		number(writer, at, "rolling_folds", law->rolling_folds);
		boolean(writer, at, "converged", law->converged);
		string(writer, at, "doubt", law->doubt);
	}
	struct text words = {0};
	compare_in_words(comparison, &words);
	cJSON *object = object_in(writer, root, "shape");
	const struct fit_shape *shape = &comparison->shape;
	string(writer, object, "of", variable_names[comparison->variable]);
	string(writer, object, "power", shape->power);
	string(writer, object, "rival", shape->rival);
	number(writer, object, "rival_aicc_above", shape->asked ? shape->rival_above : NAN);
	number(writer, object, "power_rolling_error", shape->asked ? shape->power_rolling : NAN);
	number(writer, object, "rival_rolling_error", shape->asked ? shape->rival_rolling : NAN);
	double better = shape->rival_above < 0 ? shape->decades_if_rival : shape->decades_if_power;
	number(writer, object, "power_noise", shape->asked ? shape->power_noise : NAN);
	number(writer, object, "rival_noise", shape->asked ? shape->rival_noise : NAN);
	number(writer, object, "decades_if_power", shape->asked ? shape->decades_if_power : NAN);
	number(writer, object, "decades_if_rival", shape->asked ? shape->decades_if_rival : NAN);
	number(writer, object, "further_decades", shape->asked ? better : NAN);
	string_of(writer, object, "text", &words);
	text_free(&words);
}
