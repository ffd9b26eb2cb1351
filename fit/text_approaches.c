/* text_approaches.c - approaches 1 and 2 in the summary. */
#include "fit/approach.h"
#include "fit/result.h"
#include "fit/words.h"

#include <math.h>

const char *budget_source_name(enum budget_source source) {
	static const char *const names[] = {
	    [BUDGETS_AUTOMATIC] = "read off between runs",
	    [BUDGETS_GROUPED] = "groups of equal C",
	    [BUDGETS_LABELLED] = "a column of budgets",
	    [BUDGETS_LISTED] = "as listed"};
	return names[source];
}

/* An exponent that is wider than itself is none. */
static void add_exponent(struct text *out, const char *name, double slope, struct fit_interval interval) {
	char value[SHORT], between[2 * SHORT];
	bool narrow = interval.high - interval.low <= fabs(slope);
	text_add(out, "  %s %-7s (%s)", name, narrow ? digits(slope, value) : "?", range(interval, between));
}

static char *choice_words(const struct envelope_choice *choice, char out[64]) {
	char N[SHORT];
	if (!isnan(choice->without_N))
		snprintf(out, 64, "without N = %s", count(choice->without_N, N));
	else
		snprintf(
		    out, 64, "%s of %s sizes", choice->method == ENVELOPE_HULL ? "hull" : "buckets",
		    choice->inner ? "the inner" : "all");
	return out;
}

static void text_first(const struct fit_approaches *approaches, struct text *out) {
	static const char *const kinds[] = {
	    [CURVES_OF_TABLE] = "training curves",
	    [CURVES_OF_LAB] = "trunks; at a constant rate, so not final losses",
	    [CURVES_OF_RUNS] = "runs; before their ends, so not final losses",
	    [FINISHED_RUNS] = "sizes, finished runs only"};
	const struct approach1 *first = &approaches->first;
	if (first->choice_count == 0) {
		if (approaches->unreadable)
			text_add(
			    out,
			    "\nApproach 1 has nothing to go by: the records or curves of %d run%s are damaged ('rung sweep' makes "
			    "them again)\n",
			    approaches->unreadable, approaches->unreadable == 1 ? "" : "s");
		return;
	}
	char words[64], value[SHORT], low[SHORT], high[SHORT];
	text_add(out, "\nApproach 1, the lower edge of %zu %s\n", first->runs, kinds[approaches->curves]);
	add_exponent(out, "a", first->choices[0].N.slope, first->a_interval);
	add_exponent(out, "b", first->choices[0].D.slope, first->b_interval);
	text_add(
	    out, "\n  %s, %zu points; the choice moves a from %s to %s:\n", choice_words(&first->choices[0], words),
	    first->choices[0].points, digits(first->low, low), digits(first->high, high));
	if (approaches->unreadable)
		text_add(
		    out, "    (the records or curves of %d run%s are damaged and were passed over)\n", approaches->unreadable,
		    approaches->unreadable == 1 ? "" : "s");
	for (size_t k = 1; k < first->choice_count; k++)
		text_add(
		    out, "    %-28s a %s\n", choice_words(&first->choices[k], words), digits(first->choices[k].N.slope, value));
}

static void text_bias(const char *name, double largest, double a, const double D[BIAS_REACHES], struct text *out) {
	text_add(out, "    %-9s a %+.4f", name, a);
	for (int k = 0; k < BIAS_REACHES; k++) text_add(out, ", D* %+.4g %% at %.1e", 100 * D[k], bias_reach[k] * largest);
	text_add_string(out, "\n");
}

static void text_second(const struct fit_approaches *approaches, struct text *out) {
	const struct approach2 *second = &approaches->second;
	size_t budgets = second->budgets.count;
	if (budgets == 0) {
		text_add_string(out, "\nApproach 2: no budget at which three sizes can be read off\n");
		return;
	}
	text_add(
	    out, "\nApproach 2, %zu budget%s (%s, C %s)", budgets, budgets == 1 ? "" : "s",
	    budget_source_name(second->budgets.source), approaches->by_column ? "of the table" : "= 6 N D");
	if (second->replicates)
		text_add(
		    out, "\n  %zu replicates with %.2g %% noise: %s", second->replicates, 100 * second->noise,
		    approaches->noise_source);
	text_add_string(out, "\n");
	static const char *const names[] = {[BY_PARABOLA] = "parabola", [BY_AKIMA] = "Akima"};
	for (int m = 0; m < OPTIMUM_METHODS; m++) {
		const struct optimum_line *line = &second->line[m];
		text_add(out, "  %-9s", names[m]);
		if (isnan(line->N.slope)) {
			text_add(out, "  no exponent: %zu of %zu budgets have a minimum inside\n", line->budgets, budgets);
			continue;
		}
		add_exponent(out, "a", line->N.slope, line->N.slope_interval);
		add_exponent(out, "b", line->D.slope, line->D.slope_interval);
		text_add_string(out, "\n");
		if (line->budgets < budgets)
			text_add(
			    out, "  %-9s  %zu budget%s thrown out: no minimum inside\n", "", budgets - line->budgets,
			    budgets - line->budgets == 1 ? "" : "s");
	}
	if (second->budgets.rejected)
		text_add(
		    out, "  %zu run%s near a budget but more than 10 %% off: not used\n", second->budgets.rejected,
		    second->budgets.rejected == 1 ? "" : "s");
	if (!approaches->bias_known) return;
	const struct approach2_bias *bias = &approaches->bias;
	text_add_string(out, "  On this grid the method itself has a bias, noise apart:\n");
	for (int m = 0; m < OPTIMUM_METHODS; m++) {
		if (!isnan(bias->a[m])) text_bias(names[m], bias->largest, bias->a[m], bias->D[m], out);
	}
	if (bias->kept > bias->budgets[BY_PARABOLA] && !isnan(bias->kept_a)) {
		text_add(
		    out, "    and with the %zu edge%s kept that parabolas have beyond the sizes:\n",
		    bias->kept - bias->budgets[BY_PARABOLA], bias->kept - bias->budgets[BY_PARABOLA] == 1 ? "" : "s");
		text_bias(names[BY_PARABOLA], bias->largest, bias->kept_a, bias->kept_D, out);
	}
}

void counting_sentence(const struct counting *counting, struct text *out) {
	const struct counting_row *low = counting->lowest, *high = counting->highest;
	if (!low || low == high) {
		text_add_string(out, "No two ways of counting leave an exponent a whose interval is narrower than itself.");
		return;
	}
	char a[SHORT], b[SHORT];
	bool apart = low->a_interval.high < high->a_interval.low;
	text_add(
	    out, "What is counted moves the exponent a from %s (N %s, C %s) to %s (N %s, C %s), by %.3f: %s.",
	    digits(low->a, a), low->N, low->C, digits(high->a, b), high->N, high->C, high->a - low->a,
	    apart ? "more than the intervals allow for" : "within the intervals");
}

static char *fixed(double value, char out[SHORT]) {
	snprintf(out, SHORT, "%.3f", value);
	return out;
}

static void text_counting(const struct counting *counting, struct text *out) {
	if (counting->count == 0) return;
	char value[SHORT], between[2 * SHORT];
	text_add(out, "\n%-12s %-19s %-7s %-17s %s\n", "Counting N", "and C", "a", "90 %", "alpha, beta, E");
	for (size_t i = 0; i < counting->count; i++) {
		const struct counting_row *row = &counting->rows[i];
		text_add(out, "  %-10.10s %-19.19s ", row->N, row->C);
		if (!row->converged) {
			text_add_string(out, "not converged\n");
			continue;
		}
		bool known = counting_known(row->a, row->a_interval);
		text_add(out, "%-7s %-17s", known ? digits(row->a, value) : "?", range(row->a_interval, between));
		const struct fit_surface *surface = &row->surface;
		text_add(out, " %s,", counting_known(surface->alpha, row->alpha) ? fixed(surface->alpha, value) : "?");
		text_add(out, " %s,", counting_known(surface->beta, row->beta) ? fixed(surface->beta, value) : "?");
		text_add(out, " %s\n", counting_known(surface->E, row->E) ? fixed(surface->E, value) : "?");
	}
	struct text words = {0};
	counting_sentence(counting, &words);
	wrapped(out, "  ", "  ", text_part(&words, out));
	text_free(&words);
}

void text_approaches(const struct fit *fit, struct text *out) {
	if (!fit->approaches) return;
	text_first(fit->approaches, out);
	text_second(fit->approaches, out);
	text_counting(&fit->approaches->counting, out);
}
