/* text_allocation.c - the best use of compute for a terminal. */
#include "fit/result.h"
#include "fit/words.h"

#include <math.h>

void text_allocation(const struct allocation_view *view, struct text *out) {
	const struct fit_allocation *allocation = view->allocation;
	char value[SHORT], between[2 * SHORT], D_range[2 * SHORT], ratio[2 * SHORT], N[SHORT], D[SHORT], C[SHORT];
	text_add(
	    out, "\nBest use of C = 6 N D: N ~ C^a, a %s (%s)",
	    view->knows_a ? exactly(allocation->a, value) : "not determined", range(allocation->a_interval, between));
	if (!isnan(view->isoflop_interval.low)) {
		text_add(out, "\n  by isoFLOP parabolas at %zu budgets a ", view->isoflops->a_budgets);
		bool narrow = view->isoflop_interval.high - view->isoflop_interval.low <= view->isoflops->a;
		text_add(
		    out, "%s (%s)", narrow ? digits(view->isoflops->a, value) : "not determined",
		    range(view->isoflop_interval, between));
	}
	text_add(out, "\n  %-6s %-6s %-15s %-6s %-15s %-6s %s\n", "C", "N", "90 %", "D", "90 %", "D/N", "90 %");
	bool marked = false;
	for (size_t i = 0; i < allocation->count; i++) {
		const struct fit_allocation_row *row = &allocation->rows[i];
		snprintf(C, sizeof C, "1e%.0f%s", log10(row->optimum.C), row->extrapolated ? "*" : "");
		text_add(
		    out, "  %-6s %-6s %-15s %-6s %-15s %-6s %s\n", C, row->determined ? count(row->optimum.N, N) : "?",
		    count_range(row->N, between), row->determined ? count(row->optimum.D, D) : "?",
		    count_range(row->D, D_range), row->determined ? count(row->optimum.D / row->optimum.N, value) : "?",
		    count_range(row->D_per_N, ratio));
		marked = marked || row->extrapolated;
	}
	if (marked) text_add_string(out, "  * beyond what was trained: an extrapolation\n");
	text_add_string(out, "To halve");
	static const char *terms[] = {" A/N^alpha: N", "; B/D^beta: D", "; both, at best: C"};
	const bool known[] = {view->knows_alpha, view->knows_beta, view->knows_alpha && view->knows_beta};
	for (int k = FIT_N; k <= FIT_C; k++)
		text_add(out, "%s x %s", terms[k], known[k] ? digits(allocation->halving[k], value) : "?");
	text_add_string(out, "\n");
}
