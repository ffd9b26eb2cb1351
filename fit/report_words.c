/* report_words.c - the report in plain words: the headline, and what is missing. The page and the terminal say the same. */
#include "fit/report.h"

#include <math.h>
#include <string.h>

#define WORD 64

struct span report_interval(const cJSON *root, const char *keys) {
	char low[WORD], high[WORD];
	snprintf(low, sizeof low, "%s.0", keys);
	snprintf(high, sizeof high, "%s.1", keys);
	return (struct span){report_number(root, low), report_number(root, high)};
}

struct span report_interval_E(const cJSON *fit) {
	struct span profile = report_interval(fit, "profile_E.interval");
	return isnan(profile.low) || isnan(profile.high) ? report_interval(fit, "intervals.E") : profile;
}

static const struct point *best_point(const struct report *report) {
	const struct point *best = NULL;
	for (int i = 0; i < report->lab.point_count; i++) {
		const struct point *p = &report->lab.points[i];
		if (p->finished && isfinite(p->loss) && (!best || p->loss < best->loss)) best = p;
	}
	return best;
}

/* How many bytes of held-out text a token stands for; NaN for symbols that stand for no text. */
static double bytes_per_token(const struct report *report) {
	double bytes = report_number(report->lab.corpus, "held_out.bytes");
	double tokens = report_number(report->lab.corpus, "held_out.tokens");
	return bytes > 0 && tokens > 0 ? bytes / tokens : NAN;
}

bool report_determined(const cJSON *fit, const char *parameter) {
	const cJSON *identified = cJSON_GetObjectItemCaseSensitive(fit, "identified");
	return !cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(identified, parameter));
}

static bool is_warning(const cJSON *fit, const char *line, size_t length) {
	const cJSON *warning;
	cJSON_ArrayForEach(warning, cJSON_GetObjectItemCaseSensitive(fit, "warnings")) {
		const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(warning, "text"));
		if (text && strlen(text) == length && memcmp(text, line, length) == 0) return true;
	}
	return false;
}

/* The fit's own words, which know what it can and cannot say. Its warnings stand there too, under a line that ends in a
 * colon; the page lists them by themselves. */
static void say_fit(struct report *report) {
	const cJSON *fit = report->lab.fit;
	const char *line = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(fit, "text"));
	for (size_t length; line && *line; line += length + (line[length] == '\n')) {
		length = strcspn(line, "\n");
		if (length && line[length - 1] != ':' && !is_warning(fit, line, length))
			text_add(&report->headline, "%.*s\n", (int)length, line);
	}
}

/* What E is in bits per byte, what it is not, and the floor that is known of a synthetic source. */
static void say_E(struct report *report) {
	const cJSON *fit = report->lab.fit;
	double E = report_number(fit, "parameters.E");
	if (!(E > 0) || !isfinite(E) || !report_determined(fit, "E")) return;
	struct text *out = &report->headline;
	double bytes = bytes_per_token(report), rate = report_number(report->lab.corpus, "entropy.rate");
	double context = report->rung_count ? report->rungs[report->rung_count - 1].context : NAN;
	text_add(out, "E = %.3f nats per token", E);
	if (!isnan(bytes)) text_add(out, " is %.3f bits per byte and", E / log(2) / bytes);
	text_add_string(out, " is where the formula ends for models of this kind");
	if (!isnan(context)) text_add(out, " that see %.0f tokens at a time", context);
	text_add_string(out, "; nothing was measured there");
	if (!isfinite(rate)) {
		text_add_string(out, ", and it is not the entropy of the text.\n");
		return;
	}
	struct span interval = report_interval_E(fit);
	text_add(out, ". The exact entropy rate of this source is %.3f, ", rate);
	if (isnan(interval.low) || isnan(interval.high))
		text_add(out, "%+.1f %% from E.\n", 100 * (rate / E - 1));
	else
		text_add(out, "%s the interval of E.\n", rate >= interval.low && rate <= interval.high ? "inside" : "outside");
}

static void say_best(struct report *report) {
	const struct point *best = best_point(report);
	if (!best) return;
	char size[HUMAN_SIZE], tokens[HUMAN_SIZE];
	text_add(
	    &report->headline,
	    "The lowest held-out loss is %.3f nats per token, by the model of %s parameters on %s tokens", best->loss,
	    human_count(best->size, size), human_count(best->D, tokens));
	if (isnan(best->bits_per_byte)) {
		text_add_string(&report->headline, ".\n");
		return;
	}
	text_add(&report->headline, ": %.3f bits per byte", best->bits_per_byte);
	const cJSON *compressor;
	const char *glue = ", where";
	cJSON_ArrayForEach(compressor, cJSON_GetObjectItemCaseSensitive(report->lab.corpus, "compressors")) {
		const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(compressor, "name"));
		double after = report_number(compressor, "after_train");
		if (!name || isnan(after)) continue;
		text_add(&report->headline, "%s %s needs %.3f", glue, name, after);
		glue = " and";
	}
	text_add_string(&report->headline, *glue == ' ' ? " after the training text.\n" : ".\n");
}

/* Runs that the frozen plan asks for: horizons times seeds of every rung; 0 when it does not say. */
static int planned_runs(const cJSON *plan) {
	const cJSON *rung;
	int runs = 0;
	cJSON_ArrayForEach(rung, cJSON_GetObjectItemCaseSensitive(plan, "rungs")) {
		const cJSON *seeds = cJSON_GetObjectItemCaseSensitive(rung, "seeds");
		runs += cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(rung, "horizons")) *
		        (cJSON_IsArray(seeds) ? cJSON_GetArraySize(seeds) : 1);
	}
	return runs;
}

static void say_missing(struct report *report) {
	const struct report_lab *lab = &report->lab;
	struct text *out = &report->missing;
	int finished = 0, unfinished = 0;
	for (int i = 0; i < lab->point_count; i++) {
		finished += lab->points[i].finished;
		unfinished += !lab->points[i].finished;
	}
	for (int i = 0; i < lab->curve_count; i++)
		unfinished += lab->curves[i].trunk && strcmp(lab->curves[i].status, "running") == 0;
	int planned = planned_runs(lab->plan);
	if (planned > finished)
		text_add(
		    out, "%d of %d planned runs are finished; 'rung sweep --lab %s' goes on with the ladder.\n", finished,
		    planned, lab->path);
	else if (unfinished)
		text_add(
		    out, "%d run%s not finished; 'rung sweep --lab %s' goes on with the ladder.\n", unfinished,
		    unfinished == 1 ? " is" : "s are", lab->path);
	if (!finished) text_add_string(out, "No run is finished yet: there are no losses to compare.\n");
	if (lab->fit && !report->surface_known && isfinite(report_number(lab->fit, "objective")))
		text_add_string(
		    out,
		    "The fitted law is not of the form E + A/N^alpha + B/D^beta that this page can draw: its curves are left "
		    "away.\n");
	if (lab->curve_count == 0)
		text_add_string(out, "There are no records in runs/: learning curves, times and machines are not shown.\n");
	if (lab->trouble.length) text_add(out, "%s", lab->trouble.data);
}

void report_speak(struct report *report) {
	if (report->lab.fit) {
		say_fit(report);
		say_E(report);
	}
	say_best(report);
	say_missing(report);
}
