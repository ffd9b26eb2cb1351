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

/* " (90 % interval 0.27 to 0.38)", or nothing when there is no interval. */
static char *interval_words(struct span interval, char out[WORD]) {
	out[0] = 0;
	if (isnan(interval.low) || isnan(interval.high)) return out;
	if (isinf(interval.high))
		snprintf(out, WORD, " (90 %% interval from %.3f on, with no upper end)", interval.low);
	else
		snprintf(out, WORD, " (90 %% interval %.3f to %.3f)", interval.low, interval.high);
	return out;
}

static struct span span_of(const struct report *report, bool tokens) {
	struct span span = {INFINITY, -INFINITY};
	for (int i = 0; i < report->lab.point_count; i++) {
		const struct point *p = &report->lab.points[i];
		double value = tokens ? p->D : p->size;
		if (!p->finished || !p->fit || !isfinite(value)) continue;
		span.low = fmin(span.low, value);
		span.high = fmax(span.high, value);
	}
	return span;
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

static void say_exponents(struct report *report) {
	const cJSON *fit = report->lab.fit;
	double alpha = report_number(fit, "parameters.alpha"), beta = report_number(fit, "parameters.beta");
	if (isnan(alpha) || isnan(beta)) return;
	char n_low[HUMAN_SIZE], n_high[HUMAN_SIZE], d_low[HUMAN_SIZE], d_high[HUMAN_SIZE], words[2][WORD];
	struct span sizes = span_of(report, false), tokens = span_of(report, true);
	if (sizes.low <= sizes.high)
		text_add(
		    &report->headline,
		    "Measured from %s to %s parameters and from %s to %s tokens: ", human_count(sizes.low, n_low),
		    human_count(sizes.high, n_high), human_count(tokens.low, d_low), human_count(tokens.high, d_high));
	text_add(
	    &report->headline,
	    "the part of the loss that more parameters can remove falls as N^-%.3f%s, the part that more data can remove "
	    "as "
	    "D^-%.3f%s.\n",
	    alpha, interval_words(report_interval(fit, "intervals.alpha"), words[0]), beta,
	    interval_words(report_interval(fit, "intervals.beta"), words[1]));
}

static void say_E(struct report *report) {
	const cJSON *fit = report->lab.fit;
	double E = report_number(fit, "parameters.E");
	if (isnan(E)) return;
	struct span interval = report_interval_E(fit);
	char words[WORD];
	struct text *out = &report->headline;
	text_add(out, "The fitted curve levels off at E = %.3f nats per token%s", E, interval_words(interval, words));
	double bytes = bytes_per_token(report);
	if (!isnan(bytes)) text_add(out, ", which is %.3f bits per byte", E / log(2) / bytes);
	double context = report->rung_count ? report->rungs[report->rung_count - 1].context : NAN;
	text_add_string(out, ". That is where this family of models");
	if (!isnan(context)) text_add(out, ", seeing %.0f tokens at a time,", context);
	text_add_string(out, " would end with endless parameters and data. Nobody has been there");
	double rate = report_number(report->lab.corpus, "entropy.rate");
	if (isnan(rate)) {
		text_add_string(out, ": it is an extrapolation, and not the entropy of the text.\n");
	} else {
		text_add(out, ", but this source's exact entropy rate is known: %.3f, ", rate);
		if (isnan(interval.low) || isnan(interval.high)) {
			text_add(out, "%+.1f %% from E.\n", 100 * (rate / E - 1));
		} else {
			text_add(out, "%s the interval.\n", rate >= interval.low && rate <= interval.high ? "inside" : "outside");
		}
	}
	if (interval.high - interval.low > E)
		text_add_string(out, "The interval of E is wider than E itself: these runs do not say where the curve ends.\n");
}

static void say_prediction(struct report *report) {
	const cJSON *prediction = cJSON_GetObjectItemCaseSensitive(report->lab.fit, "prediction");
	double N = report_number(prediction, "N"), worst = 0;
	int count = 0, bounded = 0, inside = 0;
	const cJSON *point;
	cJSON_ArrayForEach(point, cJSON_GetObjectItemCaseSensitive(prediction, "points")) {
		double loss = report_number(point, "loss"), predicted = report_number(point, "predicted");
		double low = report_number(point, "interval.0"), high = report_number(point, "interval.1");
		if (isnan(loss) || isnan(predicted)) continue;
		count++;
		worst = fmax(worst, fabs(predicted / loss - 1));
		if (isnan(low) || isnan(high)) continue;
		bounded++;
		inside += loss >= low && loss <= high;
	}
	if (!count || isnan(N)) return;
	char size[HUMAN_SIZE];
	text_add(
	    &report->headline,
	    "Predicted from the smaller rungs alone, the largest one (%s parameters) came out within %.2f %%",
	    human_count(N, size), 100 * worst);
	if (count > 1) text_add(&report->headline, " at each of its %d token counts", count);
	if (bounded) text_add(&report->headline, "; %d of %d losses lie inside their predicted interval", inside, bounded);
	text_add_string(&report->headline, ".\n");
}

static void say_allocation(struct report *report) {
	const cJSON *fit = report->lab.fit;
	double a = report_number(fit, "allocation.a"), b = report_number(fit, "allocation.b");
	char words[WORD];
	if (!isnan(a) && !isnan(b))
		text_add(
		    &report->headline,
		    "Spent best, more compute goes into parameters as C^%.3f%s and into tokens as C^%.3f; the answer depends "
		    "on "
		    "what is counted as a parameter.\n",
		    a, interval_words(report_interval(fit, "intervals.a"), words), b);
	double n = report_number(fit, "halving.N.factor"), d = report_number(fit, "halving.D.factor");
	double c = report_number(fit, "halving.C.factor");
	if (isnan(n) || isnan(d)) return;
	text_add(
	    &report->headline,
	    "Halving what parameters can remove takes %.3g times the parameters; what data can remove, %.3g "
	    "times the data",
	    n, d);
	if (!isnan(c)) text_add(&report->headline, "; both, %.3g times the compute", c);
	text_add_string(&report->headline, ".\n");
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

static void say_missing(struct report *report) {
	const struct report_lab *lab = &report->lab;
	struct text *out = &report->missing;
	int finished = 0, unfinished = 0, left_out = 0;
	for (int i = 0; i < lab->point_count; i++) {
		finished += lab->points[i].finished;
		unfinished += !lab->points[i].finished;
		left_out += lab->points[i].finished && !lab->points[i].fit;
	}
	for (int i = 0; i < lab->curve_count; i++)
		unfinished += lab->curves[i].trunk && strcmp(lab->curves[i].status, "running") == 0;
	if (unfinished)
		text_add(
		    out, "%d run%s not finished; 'rung sweep --lab %s' goes on with the ladder.\n", unfinished,
		    unfinished == 1 ? " is" : "s are", lab->path);
	if (!finished) text_add_string(out, "No run is finished yet: there are no losses to compare.\n");
	if (!lab->fit) {
		text_add(
		    out, "No law has been fitted: run 'rung fit %s', then 'rung report %s' again.\n", lab->path, lab->path);
	} else {
		double used = report_number(lab->fit, "points.used"), out_of_fit = report_number(lab->fit, "points.left_out");
		if (used + out_of_fit != finished && !isnan(used + out_of_fit))
			text_add(
			    out, "The fit is older than the runs: it knows %.0f of %d. 'rung fit %s' makes it anew.\n",
			    used + out_of_fit, finished, lab->path);
		else if (used != finished - left_out && !isnan(used))
			text_add(
			    out, "The fit used %.0f points and points.csv marks %d for it. 'rung fit %s' makes it anew.\n", used,
			    finished - left_out, lab->path);
		if (!report->surface.known)
			text_add_string(
			    out,
			    "The fitted law is not of the form E + A/N^alpha + B/D^beta that this page can draw: its curves are "
			    "left away.\n");
	}
	if (lab->curve_count == 0)
		text_add_string(out, "There are no records in runs/: learning curves, times and machines are not shown.\n");
	if (!lab->corpus)
		text_add_string(
		    out, "There is no corpus.json: entropies and compressors are not shown; 'rung sweep' writes it.\n");
	if (!lab->samples)
		text_add_string(out, "There is no samples.json: 'rung sweep' writes it when the largest rung is done.\n");
	if (lab->trouble.length) text_add(out, "%s", lab->trouble.data);
}

void report_speak(struct report *report) {
	if (report->lab.fit) {
		say_exponents(report);
		say_E(report);
		say_prediction(report);
		say_allocation(report);
	}
	say_best(report);
	say_missing(report);
}
