/* forecast_text.c - forecasts and their scores on a terminal of 80 columns. */
#include "fit/forecast.h"
#include "fit/words.h"

#define MOST_MISSING 8 /* that are listed */

static const char *const way_labels[WAYS] = {"the law", "pure power", "last difference"};

static void say_retrospective(const struct forecast *forecast, struct text *out) {
	if (forecast->retrospective)
		wrapped(
		    out, "RETROSPECTIVE: ", "  ",
		    "these runs were in the table. Their rows were kept from the fit, but whoever chose the law and the ladder "
		    "may "
		    "have seen them: a check of the method, not a prediction.");
}

void forecast_summary(const struct forecast *forecast, uint64_t hash, struct text *out) {
	char N[SHORT], D[SHORT], point[SHORT], half[2 * SHORT], most[2 * SHORT], power[SHORT], difference[SHORT];
	char hex[HASH_HEX_SIZE];
	text_add(
	    out, "%s: %zu run%s, by %s from %zu row%s\n", forecast->source, forecast->count,
	    forecast->count == 1 ? "" : "s", forecast->law, forecast->used_count, forecast->used_count == 1 ? "" : "s");
	text_add(
	    out, "  %s; %d of %d starts agree\n", forecast->formula, forecast->certificate.agreeing,
	    forecast->certificate.starts);
	text_add(
	    out, "  N to %s, D to %s; noise of a run %.2g %%\n", count(forecast->largest_N, N),
	    count(forecast->largest_D, D), 100 * noise_of_run(&forecast->noise));
	say_retrospective(forecast, out);
	text_add(
	    out, "\n  %-7s %-7s %-9s %-16s %-16s %-7s %s\n", "N", "D", "predicted", "50 %", "90 %", "power", "difference");
	bool beyond = false, silent = false;
	for (size_t k = 0; k < forecast->count; k++) {
		const struct target *target = &forecast->targets[k];
		const struct prospect *ways = forecast->prospects[k];
		bool far = target->N > 10 * forecast->largest_N || target->D > 10 * forecast->largest_D;
		beyond = beyond || far;
		silent = silent || !ways[BY_DIFFERENCE].made;
		text_add(
		    out, "  %-7s %-7s %-9s %-16s %-16s %-7s %s%s\n", count(target->N, N), count(target->D, D),
		    digits(ways[BY_LAW].point, point), range(ways[BY_LAW].half, half), range(ways[BY_LAW].most, most),
		    digits(ways[BY_POWER].made ? ways[BY_POWER].point : NAN, power),
		    digits(ways[BY_DIFFERENCE].made ? ways[BY_DIFFERENCE].point : NAN, difference), far ? "  *" : "");
	}
	if (beyond) text_add_string(out, "  * more than ten times the largest N or D of the table\n");
	if (silent) text_add_string(out, "  - there is no last step to carry on from\n");
	text_add_string(out, "\n");
	wrapped(
	    out, "", "",
	    "The intervals are for the measured loss of a run, and take the form of the law for granted. The two baselines "
	    "know "
	    "no law: a pure power k N^-p D^-q, and the last step of the ladder carried on.");
	text_add(out, "made %s, hash %s\n", forecast->made, hash_hex(hash, hex));
}

/* ---------------------------------------------------------------------------------------------------------- score --- */

static void summarise_runs(const struct forecast *forecast, const struct score *score, struct text *out) {
	char N[SHORT], D[SHORT], measured[SHORT], predicted[SHORT], error[SHORT], z[SHORT], crps[SHORT];
	text_add(
	    out, "\n  %-7s %-7s %-9s %-9s %-9s %-7s %-9s %-5s %s\n", "N", "D", "measured", "predicted", "error", "z",
	    "CRPS", "50 %", "90 %");
	for (size_t i = 0; i < score->count; i++) {
		const struct scored *run = &score->items[i];
		snprintf(error, sizeof error, "%+.2f %%", 100 * run->error[BY_LAW]);
		snprintf(z, sizeof z, "%+.2f", run->z);
		snprintf(crps, sizeof crps, "%.2g", run->crps[BY_LAW]);
		text_add(
		    out, "  %-7s %-7s %-9s %-9s %-9s %-7s %-9s %-5s %s\n", count(run->point->N, N), count(run->point->D, D),
		    digits(run->point->loss, measured), digits(forecast->prospects[run->target][BY_LAW].point, predicted),
		    error, z, crps, run->in_half ? "in" : "out", run->in_most ? "in" : "out");
	}
}

static void summarise_shares(const struct score *score, struct text *out) {
	const struct share *shares[] = {&score->half, &score->most};
	static const char *names[] = {"50 %", "90 %"};
	for (int i = 0; i < 2; i++)
		text_add(
		    out, "  inside the %s intervals: %zu of %zu, a coverage of %.2f to %.2f\n", names[i], shares[i]->inside,
		    shares[i]->of, shares[i]->interval.low, shares[i]->interval.high);
}

static void summarise_ways(const struct score *score, struct text *out) {
	text_add(out, "\n  %-17s %-11s %-13s %s\n", "", "mean CRPS", "mean |error|", "the law's CRPS over it");
	for (int way = 0; way < WAYS; way++) {
		const struct against *against = &score->ways[way];
		if (against->count == 0) {
			text_add(out, "  %-17s -\n", way_labels[way]);
			continue;
		}
		text_add(out, "  %-17s %-11.3g %.2f %%", way_labels[way], against->crps, 100 * against->error);
		if (way != BY_LAW) text_add(out, "%*s%.2f", 8, "", against->law_crps / against->crps);
		if (against->count < score->count) text_add(out, "  (%zu of the runs)", against->count);
		text_add_string(out, "\n");
	}
}

void score_verdict(const struct score *score, struct text *out) {
	for (int way = BY_POWER; way < WAYS; way++) {
		const struct against *against = &score->ways[way];
		if (against->count == 0) continue;
		double ratio = against->law_crps / against->crps;
		if (ratio < 1)
			text_add(out, "The law beat %s: its mean CRPS is %.2f times as large.\n", way_labels[way], ratio);
		else
			text_add(
			    out, "The law did NOT beat %s: its mean CRPS is %.2f times as large. On these runs it was of no use.\n",
			    way_labels[way], ratio);
	}
}

void score_summary(
    const struct forecast *forecast, uint64_t hash, const struct score *score, const char *path, const char *table,
    struct text *out) {
	char hex[HASH_HEX_SIZE], N[SHORT], D[SHORT];
	text_add(
	    out, "%s: made %s\n  by %s from %zu rows; its hash is that of its bytes, %s\n", path, forecast->made,
	    forecast->law, forecast->used_count, hash_hex(hash, hex));
	say_retrospective(forecast, out);
	text_add(
	    out, "%s: %zu of %zu predicted runs measured, %zu of those rows as they were\n", table,
	    forecast->count - score->missing_count, forecast->count, score->used_found);
	if (score->count) {
		summarise_runs(forecast, score, out);
		summarise_shares(score, out);
		summarise_ways(score, out);
		struct text verdict = {0};
		score_verdict(score, &verdict);
		text_add_string(out, "\n");
		wrapped_lines(out, "", "  ", &verdict);
		text_free(&verdict);
	}
	for (size_t i = 0; i < score->missing_count; i++) {
		if (i == MOST_MISSING) {
			text_add(out, "and %zu more\n", score->missing_count - i);
			break;
		}
		const struct target *target = &forecast->targets[score->missing[i].target];
		const char *reason = score->missing[i].reason;
		text_add(out, "%snot measured: N = %s, D = %s", i ? "" : "\n", count(target->N, N), count(target->D, D));
		if (target->id) text_add(out, ", id %.40s", target->id);
		if (reason) text_add(out, " (left out by the table: %.30s)", reason);
		text_add_string(out, "\n");
	}
}
