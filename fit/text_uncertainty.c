/* text_uncertainty.c - the sections of the summary about chance: seeds, lack of fit, what was asked for. */
#include "fit/result.h"
#include "fit/words.h"

#include <math.h>

void text_chance(const struct fit *fit, struct text *out) {
	const struct fit_starts *starts = &fit->starts;
	if (starts->count) {
		text_add(
		    out, "  %-10s %d of %d published ones came to %.8e", "starts", starts->agreeing, starts->count,
		    starts->objective);
		text_add_string(
		    out, starts->lower    ? ",\n             LOWER than the grid's minimum\n"
		         : starts->missed ? ",\n             above the grid's minimum\n"
		                          : "\n");
	}
	const struct fit_seed_noise *noise = &fit->seed_noise;
	const struct fit_lack_of_fit *lack = &fit->lack_of_fit;
	if (noise->freedom < 1) return;
	text_add(
	    out, "  %-10s %.2g %% (%.2g to %.2g), from %zu runs of %zu settings\n", "seeds", 100 * noise->sd,
	    100 * noise->interval.low, 100 * noise->interval.high, noise->runs, noise->settings);
	if (!fit->fitted || !lack->tested) return;
	text_add(
	    out, "  %-10s F(%d, %d) = %.3g, p = %.2g: the law %s\n", "misfit", lack->freedom_lack, lack->freedom_pure,
	    lack->ratio, lack->p, lack->p < FIT_SIGNIFICANT ? "misses by more than chance" : "is as near as chance allows");
}

static void loss_lines(const struct fit_outlook *outlook, struct text *out) {
	char between[2 * SHORT];
	text_add(out, "    mean      50 %%: %s", range(outlook->mean[0], between));
	text_add(out, "   90 %%: %s\n", range(outlook->mean[1], between));
	text_add(out, "    a new run 50 %%: %s", range(outlook->measurement[0], between));
	text_add(out, "   90 %%: %s\n", range(outlook->measurement[1], between));
}

void text_outlooks(const struct fit *fit, struct text *out) {
	for (int i = 0; i < fit->outlook_count; i++) {
		const struct fit_outlook *outlook = &fit->outlooks[i];
		char N[SHORT], D[SHORT], C[SHORT], loss[SHORT], between[2 * SHORT];
		text_add_string(out, i ? "" : "\nAsked for\n");
		if (!outlook->optimum) {
			text_add(
			    out, "  N = %s, D = %s: loss %s\n", count(outlook->N, N), count(outlook->D, D),
			    digits(outlook->loss, loss));
		} else {
			snprintf(C, sizeof C, "%.4g", outlook->C);
			text_add(
			    out, "  C = %s: N* = %s, D* = %s, loss %s\n", C, count(outlook->N, N), count(outlook->D, D),
			    digits(outlook->loss, loss));
			text_add(out, "    90 %%: N* %s", count_range(outlook->N_range[1], between));
			text_add(out, ", D* %s", count_range(outlook->D_range[1], between));
			text_add(out, ", D/N %s\n", range(outlook->D_per_N_range[1], between));
		}
		loss_lines(outlook, out);
		double far = fmax(outlook->decades_N, outlook->decades_D);
		if (far > 0) text_add(out, "    an extrapolation by %.2g decades\n", far);
	}
}
