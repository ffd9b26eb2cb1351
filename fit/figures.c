/* figures.c - figures for papers: for each a NAME.dat with the numbers, a NAME.gp that draws them, and what gnuplot makes
 * of the two, NAME.svg and NAME.pdf. The scripts are meant to be changed and run again by hand. */
#include "fit/report.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define INK "#333333"
#define SOFT "#8a8f98"
#define ACCENT "#0b7285"
#define MARK "#c2255c"
#define KEY_MOST 14 /* rungs that are named in the key; of more, evenly chosen ones */

struct figure {
	const char *name, *x_title, *y_title, *note;
	struct text data, clauses;
	int blocks;
	double x_low, x_high, y_low, y_high; /* of what is drawn as points; lines may run past it */
	bool x_log, y_log, wide;
	struct text extra; /* further gnuplot lines before the plot */
};

/* ------------------------------------------------------------------------------------------------------- pieces --- */

static void figure_begin(struct figure *figure, const char *name, const char *x_title, const char *y_title) {
	*figure = (struct figure){.name = name, .x_title = x_title, .y_title = y_title, .x_log = true, .y_log = true};
	figure->x_low = figure->y_low = INFINITY;
	figure->x_high = figure->y_high = -INFINITY;
}

/* Starts the next block of NAME.dat; gnuplot calls it by its index. */
static void block(struct figure *figure, const char *format, ...) PRINTF_LIKE(2, 3);
static void block(struct figure *figure, const char *format, ...) {
	char title[160];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(title, sizeof title, format, arguments);
	va_end(arguments);
	text_add(&figure->data, "%s# %d: %s\n", figure->blocks ? "\n\n" : "", figure->blocks, title);
	figure->blocks++;
}

static void row(struct figure *figure, double x, double y) {
	text_add(&figure->data, "%.8g %.8g\n", x, y);
}

/* Makes room for a point in the range of the axes. */
static void show(struct figure *figure, double x, double y) {
	if (!isfinite(x) || !isfinite(y)) return;
	figure->x_low = fmin(figure->x_low, x);
	figure->x_high = fmax(figure->x_high, x);
	figure->y_low = fmin(figure->y_low, y);
	figure->y_high = fmax(figure->y_high, y);
}

/* A part of the plot command that draws the block that was started last. */
static void draw(struct figure *figure, const char *format, ...) PRINTF_LIKE(2, 3);
static void draw(struct figure *figure, const char *format, ...) {
	char how[256];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(how, sizeof how, format, arguments);
	va_end(arguments);
	text_add(
	    &figure->clauses, "%s'%s.dat' index %d %s", figure->clauses.length ? ", \\\n     " : "", figure->name,
	    figure->blocks - 1, how);
}

static int marker(int rung) {
	static const int filled[] = {7, 5, 9, 13, 11}; /* circle, square, triangle, diamond, triangle down */
	return filled[rung % (int)COUNT_OF(filled)];
}

/* Triangles and diamonds look smaller than circles and squares of one size. */
static const char *marker_size(int rung) {
	return marker(rung) > 7 ? "0.95" : "0.75";
}

/* title '...' of a rung, or notitle where the key would grow too long. */
static char *rung_title(const struct report *report, int rung, char out[96]) {
	int step = (report->rung_count + KEY_MOST - 1) / KEY_MOST;
	char size[HUMAN_SIZE];
	if ((report->rung_count - 1 - rung) % step == 0) {
		snprintf(out, 96, "title 'N = %s'", human_count(report->rungs[rung].size, size));
	} else {
		snprintf(out, 96, "notitle");
	}
	return out;
}

/* A trace as two blocks: solid where there are points, dashed beyond. */
static void draw_trace(
    struct figure *figure, const struct trace *trace, const char *colour, double line, const char *title) {
	block(figure, "where there are points");
	for (int i = 0; i < trace->count; i++)
		if (trace->x[i] >= trace->low && trace->x[i] <= trace->high) row(figure, trace->x[i], trace->y[i]);
	draw(figure, "with lines lw %g lc rgb '%s' %s", line, colour, title);
	block(figure, "extrapolated");
	bool inside = true;
	for (int i = 0; i < trace->count; i++) {
		bool outside_here = !(trace->x[i] >= trace->low && trace->x[i] <= trace->high);
		bool outside_next = i + 1 < trace->count && !(trace->x[i + 1] >= trace->low && trace->x[i + 1] <= trace->high);
		bool outside_before = i > 0 && !(trace->x[i - 1] >= trace->low && trace->x[i - 1] <= trace->high);
		if (outside_here || outside_next || outside_before) {
			row(figure, trace->x[i], trace->y[i]);
			inside = false;
		} else if (!inside) {
			text_add_string(&figure->data, "\n"); /* the line breaks here */
			inside = true;
		}
	}
	draw(figure, "with lines lw %g dt 2 lc rgb '%s' notitle", line * 0.8, colour);
}

/* Steps within a decade at which a log axis is labelled: the coarsest that give four labels or more. */
static const struct {
	double at[7];
	int count;
} log_steps[] = {{{1}, 1}, {{1, 2, 5}, 3}, {{1, 1.5, 2, 3, 4, 5, 7}, 7}};

static int log_ticks(double low, double high, int steps, double out[64]) {
	int count = 0;
	for (double decade = pow(10, floor(log10(low))); decade <= high; decade *= 10)
		for (int i = 0; i < log_steps[steps].count && count < 64; i++) {
			double at = decade * log_steps[steps].at[i];
			if (at >= low * 0.999 && at <= high * 1.001) out[count++] = at;
		}
	return count;
}

static int even_ticks(double low, double high, double out[64]) {
	double rough = (high - low) / 6, magnitude = pow(10, floor(log10(rough))), step = magnitude;
	if (rough > magnitude * 1.5) step = 2 * magnitude;
	if (rough > magnitude * 3.5) step = 5 * magnitude;
	if (rough > magnitude * 7.5) step = 10 * magnitude;
	int count = 0;
	for (double i = ceil(low / step); i * step <= high * 1.0001 && count < 64; i++) out[count++] = i * step;
	return count;
}

static void ticks(struct text *out, char axis, double low, double high, bool powers) {
	double at[64];
	int count = 0;
	for (size_t i = 0; i < COUNT_OF(log_steps) && count < 4 && high / low > 6; i++)
		count = log_ticks(low, high, (int)i, at);
	if (count < 4) count = even_ticks(low, high, at);
	text_add(out, "set %ctics (", axis);
	for (int i = 0; i < count; i++) {
		char label[HUMAN_SIZE];
		double exponent = floor(log10(at[i]) + 1e-9), mantissa = at[i] / pow(10, exponent);
		if (at[i] < 1000)
			snprintf(label, sizeof label, "%.6g", at[i]);
		else if (!powers)
			human_count(at[i], label);
		else if (mantissa < 1.001)
			snprintf(label, sizeof label, "10^{%.0f}", exponent);
		else
			snprintf(label, sizeof label, "%.2g×10^{%.0f}", mantissa, exponent);
		text_add(out, "%s'%s' %.8g", i ? ", " : "", label, at[i]);
	}
	text_add_string(out, ")\n");
}

static void add_axis(struct text *out, const struct figure *figure, char axis) {
	bool is_x = axis == 'x', log_axis = is_x ? figure->x_log : figure->y_log;
	double low = is_x ? figure->x_low : figure->y_low, high = is_x ? figure->x_high : figure->y_high;
	if (!(low < high)) low -= fabs(low) * 0.1, high += fabs(high) * 0.1;
	if (log_axis && low > 0) {
		double pad = pow(high / low, is_x ? 0.05 : 0.06);
		low /= pad;
		high *= pad;
		text_add(out, "set logscale %c\n", axis);
		ticks(out, axis, low, high, strncmp(is_x ? figure->x_title : figure->y_title, "C", 1) == 0);
	} else {
		double pad = (high - low) * 0.06;
		low -= pad;
		high += pad;
	}
	text_add(out, "set %crange [%.8g:%.8g]\n", axis, low, high);
	text_add(out, "set %clabel '%s'\n", axis, is_x ? figure->x_title : figure->y_title);
}

static struct error *write_text(const char *folder, const char *name, const char *ending, const struct text *text) {
	TRY(text_error(text));
	struct text path = {0};
	text_add(&path, "%s/%s%s", folder, name, ending);
	struct error *error = text_error(&path);
	if (!error) error = file_write(path.data, text->data ? text->data : "", text->length);
	text_free(&path);
	return error;
}

/* Writes the figure's two files and adds its name to `made`; with nothing to draw it leaves no trace. */
static struct error *figure_end(struct figure *figure, const char *folder, struct text *made) {
	struct error *error = NULL;
	struct text out = {0};
	if (figure->x_low <= figure->x_high && figure->clauses.length) {
		const char *name = figure->name;
		text_add(
		    &out, "# %s\n# gnuplot %s.gp makes %s.svg and %s.pdf from %s.dat\nreset session\n", figure->note, name,
		    name, name, name);
		text_add_string(
		    &out,
		    "set encoding utf8\nset border 3 lw 0.8 lc rgb '" SOFT
		    "'\nset tics nomirror out scale 0.6 textcolor rgb '" INK
		    "'\nset grid lw 0.6 lc rgb '#e6e8eb'\nset key outside right top Left reverse samplen 1.4 spacing 1.15 "
		    "textcolor rgb '" INK "'\n");
		add_axis(&out, figure, 'x');
		add_axis(&out, figure, 'y');
		text_add_bytes(&out, figure->extra.data ? figure->extra.data : "", figure->extra.length);
		text_add(
		    &out,
		    "set terminal svg size %s font 'Helvetica,Arial,sans-serif,13' enhanced background rgb 'white'\n"
		    "set output '%s.svg'\nplot %s\n",
		    figure->wide ? "960,540" : "720,460", name, figure->clauses.data);
		text_add(
		    &out,
		    "set terminal pdfcairo size %s font 'Helvetica,10' enhanced\nset output '%s.pdf'\nreplot\nset output\n",
		    figure->wide ? "6.6in,3.7in" : "5.4in,3.45in", name);
		error = write_text(folder, name, ".dat", &figure->data);
		if (!error) error = write_text(folder, name, ".gp", &out);
		if (!error) text_add(made, "%s\n", name);
	}
	text_free(&out);
	text_free(&figure->data);
	text_free(&figure->clauses);
	text_free(&figure->extra);
	return error;
}

/* ------------------------------------------------------------------------------------------------------ figures --- */

enum variable { ALONG_N, ALONG_D, ALONG_C };

static double value_along(const struct point *point, enum variable variable) {
	return variable == ALONG_N ? point->size : variable == ALONG_D ? point->D : point->C;
}

/* The measured losses in each rung's colour; those that the fit left out are hollow. */
static void draw_points(struct figure *figure, const struct report *report, enum variable variable, bool with_titles) {
	for (int r = 0; r < report->rung_count; r++) {
		for (int used = 1; used >= 0; used--) {
			int count = 0;
			for (int i = 0; i < report->lab.point_count; i++) {
				const struct point *p = &report->lab.points[i];
				double x = value_along(p, variable);
				if (p->rung != r || !p->finished || p->fit != (used == 1) || !isfinite(p->loss) || !(x > 0)) continue;
				if (!count++)
					block(
					    figure, "width %g, depth %g: measured, %s", report->rungs[r].width, report->rungs[r].depth,
					    used ? "fitted" : "left out of the fit");
				row(figure, x, p->loss);
				show(figure, x, p->loss);
			}
			char title[96] = "notitle";
			if (used && with_titles) rung_title(report, r, title);
			if (count)
				draw(
				    figure, "with points pt %d ps %s lc rgb '%s' %s", used ? marker(r) : marker(r) - 1, marker_size(r),
				    report->rungs[r].light, title);
		}
	}
}

/* The floor of a synthetic source, below everything else. */
static void draw_rate(struct figure *figure, const struct report *report) {
	double rate = report_number(report->lab.corpus, "entropy.rate");
	if (!(rate > 0) || !isfinite(rate) || !(figure->x_low <= figure->x_high)) return;
	show(figure, figure->x_low, rate);
	text_add(
	    &figure->extra,
	    "set arrow from graph 0, first %.8g to graph 1, first %.8g nohead lw 1.4 dt 3 lc rgb '" MARK "'\n"
	    "set label 'exact entropy rate %.3f' at graph 0.988, first %.8g right offset 0,%s textcolor rgb '" MARK "'\n",
	    rate, rate, rate, rate, figure->wide && rate < report->surface.E ? "-0.7" : "0.7");
}

/* What is held along a line, written on the line right of the points; left out where it would cover another. */
static void name_line(struct figure *figure, double x, double y, double *before, const char *words) {
	if (isfinite(*before) && fabs(log(y / *before)) < 0.045 * log(figure->y_high / figure->y_low)) return;
	*before = y;
	text_add(
	    &figure->extra, "set label '%s' at %.8g, %.8g center front boxed textcolor rgb '" INK "' font ',11'\n", words,
	    x, y);
}

static void draw_loss_N(struct figure *figure, const struct report *report) {
	figure_begin(figure, "loss-N", "N, parameters", "held-out loss, nats per token");
	figure->note = "Loss against the number of parameters, a line for each number of tokens";
	const struct traces *traces = &report->traces[TRACE_N];
	for (size_t i = 0; i < traces->count; i++) {
		bool endless = isinf(traces->items[i].held);
		draw_trace(figure, &traces->items[i], endless ? INK : SOFT, endless ? 1.8 : 1.1, "notitle");
	}
	draw_points(figure, report, ALONG_N, true);
	double at = figure->x_high * 2, before = NAN;
	text_add_string(&figure->extra, "set style textbox opaque noborder margins 0.4,0.1\n");
	for (size_t i = 0; i < traces->count; i++) {
		char words[48], tokens[HUMAN_SIZE];
		double D = traces->items[i].held, loss = fit_surface_loss(&report->surface, at, D);
		snprintf(words, sizeof words, "D = %s", isinf(D) ? "∞" : human_count(D, tokens));
		if (isinf(D)) show(figure, at * 1.6, loss);
		name_line(figure, at, loss, &before, words);
	}
	draw_rate(figure, report);
}

static void draw_loss_along(struct figure *figure, const struct report *report, enum variable variable) {
	const struct traces *traces = &report->traces[variable == ALONG_D ? TRACE_D : TRACE_C];
	for (size_t i = 0; i < traces->count; i++) {
		const struct trace *trace = &traces->items[i];
		const char *title = variable == ALONG_D ? "title 'N without end'" : "title 'best N at each C'";
		draw_trace(
		    figure, trace, trace->rung < 0 ? INK : report->rungs[trace->rung].light, trace->rung < 0 ? 2.2 : 1.3,
		    trace->rung < 0 ? title : "notitle");
	}
	draw_points(figure, report, variable, true);
	draw_rate(figure, report);
}

static void draw_loss_D(struct figure *figure, const struct report *report) {
	figure_begin(figure, "loss-D", "D, training tokens", "held-out loss, nats per token");
	figure->note = "Loss against the number of training tokens, a line for each rung";
	draw_loss_along(figure, report, ALONG_D);
}

static void draw_against_C(struct figure *figure, const struct report *report, const char *name, bool wide) {
	figure_begin(figure, name, "C, training FLOPs", "held-out loss, nats per token");
	figure->wide = wide;
	figure->note = "Loss against training compute, with the fit and the frontier of the best model at each budget";
	draw_loss_along(figure, report, ALONG_C);
}

static void draw_loss_C(struct figure *figure, const struct report *report) {
	draw_against_C(figure, report, "loss-C", false);
}

/* The same on a wide canvas, with the asymptote: the picture that stands for the whole ladder. */
static void draw_overview(struct figure *figure, const struct report *report) {
	draw_against_C(figure, report, "overview", true);
	if (!report->surface_known || !(figure->x_low < figure->x_high)) return;
	double E = report->surface.E;
	if (!(E > 0) || !report_determined(report->lab.fit, "E")) return; /* no floor that one could point at */
	struct span interval = report_interval_E(report->lab.fit);
	show(figure, figure->x_high * 8, interval.low > E / 2 ? interval.low : E);
	if (isfinite(interval.low) && isfinite(interval.high))
		text_add(
		    &figure->extra,
		    "set object rectangle from graph 0, first %.8g to graph 1, first %.8g behind fc rgb '" ACCENT
		    "' fs solid 0.13 noborder\n",
		    fmax(interval.low, E / 4), interval.high);
	text_add(
	    &figure->extra,
	    "set arrow from graph 0, first %.8g to graph 1, first %.8g nohead lw 1.2 lc rgb '" ACCENT "'\n"
	    "set label 'E = %.3f: where the fitted curve would end' at graph 0.012, first %.8g offset 0,0.7 textcolor rgb "
	    "'" ACCENT "'\n",
	    E, E, E, E);
}

static int rung_of_size(const struct report *report, double size) {
	int best = 0;
	for (int r = 1; r < report->rung_count; r++)
		if (fabs(log(report->rungs[r].size / size)) < fabs(log(report->rungs[best].size / size))) best = r;
	return best;
}

/* The parabola of one budget, its name at its right end and a ring at its minimum. */
static void draw_budget(struct figure *figure, const cJSON *budget) {
	double C = report_number(budget, "C"), exponent = floor(log10(C)), low = INFINITY, high = 0;
	double c0 = report_number(budget, "parabola.0"), c1 = report_number(budget, "parabola.1");
	double c2 = report_number(budget, "parabola.2");
	const cJSON *point;
	cJSON_ArrayForEach(point, cJSON_GetObjectItemCaseSensitive(budget, "points")) {
		double N = report_number(point, "N");
		if (!(N > 0) || !isfinite(N)) continue;
		low = fmin(low, N / 1.2);
		high = fmax(high, N * 1.2);
	}
	if (isfinite(c0 + c1 + c2) && low < high) {
		block(figure, "C = %.4g: parabola in ln N", C);
		for (int i = 0; i <= 40; i++) {
			double x = log(low) + log(high / low) * i / 40;
			row(figure, exp(x), c0 + x * (c1 + x * c2));
		}
		draw(figure, "with lines lw 1.3 lc rgb '" SOFT "' notitle");
		double end = log(high);
		text_add(
		    &figure->extra, "set label 'C = %.1f×10^{%.0f}' at %.8g, %.8g offset 0.6,0 textcolor rgb '" INK "'\n",
		    C / pow(10, exponent), exponent, high, c0 + end * (c1 + end * c2));
		show(figure, high * 2.6, c0 + end * (c1 + end * c2));
	}
	double N = report_number(budget, "minimum.N"), loss = report_number(budget, "minimum.loss");
	if (isfinite(N) && isfinite(loss) && !cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(budget, "edge"))) {
		block(figure, "C = %.4g: minimum", C);
		row(figure, N, loss);
		draw(figure, "with points pt 6 ps 1.5 lw 1.8 lc rgb '" INK "' notitle");
	}
}

static void draw_isoflop(struct figure *figure, const struct report *report) {
	figure_begin(figure, "isoflop", "N, parameters", "held-out loss, nats per token");
	figure->note = "Loss at equal compute against the number of parameters; rings mark the minima";
	const cJSON *budget, *point, *budgets = cJSON_GetObjectItemCaseSensitive(report->lab.fit, "isoflop");
	cJSON_ArrayForEach(budget, budgets) draw_budget(figure, budget);
	for (int r = 0; r < report->rung_count; r++) {
		int count = 0;
		cJSON_ArrayForEach(budget, budgets) {
			cJSON_ArrayForEach(point, cJSON_GetObjectItemCaseSensitive(budget, "points")) {
				double N = report_number(point, "N"), loss = report_number(point, "loss");
				if (!(N > 0) || !isfinite(loss) || rung_of_size(report, N) != r) continue;
				if (!count++) block(figure, "width %g, depth %g", report->rungs[r].width, report->rungs[r].depth);
				row(figure, N, loss);
				show(figure, N, loss);
			}
		}
		char title[96];
		if (count)
			draw(
			    figure, "with points pt %d ps %s lc rgb '%s' %s", marker(r), marker_size(r), report->rungs[r].light,
			    rung_title(report, r, title));
	}
}

static void draw_residuals(struct figure *figure, const struct report *report) {
	figure_begin(figure, "residuals", "C, training FLOPs", "measured against fitted loss, %");
	figure->note = "How far each loss lies from the fitted law; bars are the standard error of the evaluation";
	figure->y_log = false;
	text_add_string(&figure->extra, "set xzeroaxis lt 1 lw 1 lc rgb '" INK "'\n");
	for (int r = 0; r < report->rung_count; r++) {
		int count = 0;
		for (int i = 0; i < report->lab.point_count; i++) {
			const struct point *p = &report->lab.points[i];
			if (p->rung != r || !isfinite(p->residual) || !(p->C > 0)) continue;
			if (!count++) block(figure, "width %g, depth %g", report->rungs[r].width, report->rungs[r].depth);
			double percent = 100 * expm1(p->residual),
			       error = isfinite(p->loss_error) ? 100 * p->loss_error / p->loss : 0;
			text_add(&figure->data, "%.8g %.6g %.6g\n", p->C, percent, error);
			show(figure, p->C, percent + error);
			show(figure, p->C, percent - error);
		}
		char title[96];
		if (count)
			draw(
			    figure, "with yerrorbars pt %d ps 0.8 lc rgb '%s' %s", marker(r), report->rungs[r].light,
			    rung_title(report, r, title));
	}
}

static void draw_profile(struct figure *figure, const struct report *report) {
	figure_begin(figure, "profile-E", "E, nats per token", "objective");
	figure->note = "The best objective that the law reaches when E is held; the band is E's interval";
	figure->x_log = figure->y_log = false;
	const cJSON *profile = cJSON_GetObjectItemCaseSensitive(report->lab.fit, "profile_E"), *at;
	block(figure, "E, objective");
	cJSON_ArrayForEach(at, cJSON_GetObjectItemCaseSensitive(profile, "curve")) {
		double E = report_number(at, "E"), objective = report_number(at, "objective");
		if (!isfinite(E) || !isfinite(objective)) continue;
		row(figure, E, objective);
		show(figure, E, objective);
	}
	draw(figure, "with lines lw 2 lc rgb '" ACCENT "' notitle");
	struct span interval = report_interval_E(report->lab.fit);
	if (isfinite(interval.low) && isfinite(interval.high))
		text_add(
		    &figure->extra,
		    "set object rectangle from %.8g, graph 0 to %.8g, graph 1 behind fc rgb '" ACCENT
		    "' fs solid 0.14 noborder\n",
		    interval.low, interval.high);
	double E = report_number(report->lab.fit, "parameters.E"), rate = report_number(report->lab.corpus, "entropy.rate");
	if (isfinite(E))
		text_add(
		    &figure->extra,
		    "set arrow from %.8g, graph 0 to %.8g, graph 1 nohead lw 1 lc rgb '" INK "'\n"
		    "set label 'E = %.3f' at %.8g, graph 0.96 %s textcolor rgb '" INK "'\n",
		    E, E, E, E, E < rate ? "right offset -0.6,0" : "left offset 0.6,0");
	if (isfinite(rate)) {
		show(figure, rate, figure->y_low);
		text_add(
		    &figure->extra,
		    "set arrow from %.8g, graph 0 to %.8g, graph 1 nohead lw 1.4 dt 3 lc rgb '" MARK "'\n"
		    "set label 'exact entropy rate' at %.8g, graph 0.96 %s textcolor rgb '" MARK "'\n",
		    rate, rate, rate, E < rate ? "left offset 0.6,0" : "right offset -0.6,0");
	}
	text_add_string(&figure->extra, "set format y '%.4g'\n");
}

static void draw_learning(struct figure *figure, const struct report *report) {
	figure_begin(figure, "learning-curves", "tokens seen", "held-out loss, nats per token");
	figure->note = "Held-out loss while training: trunks at a constant rate, and the cooldowns that leave them";
	for (int r = 0; r < report->rung_count; r++) {
		bool named = false;
		for (int i = 0; i < 2 * report->lab.curve_count;
		     i++) { /* the trunks first: they stand for the rung in the key */
			const struct curve *curve = &report->lab.curves[i % report->lab.curve_count];
			if (curve->rung != r || curve->held_out_count < 2 || curve->trunk != (i < report->lab.curve_count))
				continue;
			block(figure, "%s %s", curve->trunk ? "trunk" : "run", curve->id);
			for (int k = 0; k < curve->held_out_count; k++) {
				row(figure, curve->held_out_x[k], curve->held_out_y[k]);
				show(figure, curve->held_out_x[k], curve->held_out_y[k]);
			}
			char title[96] = "notitle";
			if (!named) rung_title(report, r, title);
			named = true;
			draw(figure, "with lines lw %s lc rgb '%s' %s", curve->trunk ? "1.8" : "1", report->rungs[r].light, title);
		}
	}
	draw_rate(figure, report);
}

/* ------------------------------------------------------------------------------------------------------ gnuplot --- */

/* Reads what the child says until it closes its end; keeps the beginning. */
static void listen(int pipe_end, char *words, size_t size) {
	size_t kept = 0;
	char rest[512];
	for (;;) {
		bool full = kept + 1 >= size;
		ssize_t got = read(pipe_end, full ? rest : words + kept, full ? sizeof rest : size - 1 - kept);
		if (got < 0 && errno == EINTR) continue;
		if (got <= 0) break;
		if (!full) kept += (size_t)got;
	}
	words[kept] = 0;
	while (kept && words[kept - 1] == '\n') words[--kept] = 0;
}

/* Runs gnuplot in `folder` on the scripts `made`. */
static struct error *run_gnuplot(const char *folder, const struct text *made) {
	char *scripts[16], **argument = scripts;
	*argument++ = "gnuplot";
	struct error *error = NULL;
	for (const char *name = made->data; *name && argument < scripts + COUNT_OF(scripts) - 1;) {
		size_t length = strcspn(name, "\n");
		struct text script = {0};
		text_add(&script, "%.*s.gp", (int)length, name);
		*argument++ = script.data; /* freed below */
		if (!error) error = text_error(&script);
		name += length + 1;
	}
	*argument = NULL;
	int ends[2] = {-1, -1}, status = 0;
	char words[700] = "";
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	if (!error && pipe2(ends, O_CLOEXEC) != 0) error = error_system("make a pipe for", "gnuplot");
	if (!error) {
		pid_t child;
		posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
		posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
		posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
		posix_spawn_file_actions_addchdir_np(&actions, folder);
		int failure = posix_spawnp(&child, "gnuplot", &actions, NULL, scripts, environ);
		close(ends[1]);
		if (!failure) {
			listen(ends[0], words, sizeof words);
			while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
			}
		}
		/* POSIX lets the child say that there is no such program: by exit code 127. */
		if (failure == ENOENT || (WIFEXITED(status) && WEXITSTATUS(status) == 127)) {
			error = error_new(
			    ERROR_FAILED,
			    "cannot run gnuplot, which draws the figures: it is not installed; try 'apt-get install "
			    "gnuplot-nox' (the scripts and data are in %s)",
			    folder);
		} else if (failure) {
			errno = failure;
			error = error_system("run", "gnuplot");
		} else if (status != 0) {
			error = error_new(ERROR_FAILED, "gnuplot failed in %s: %s", folder, *words ? words : "it gave no reason");
		}
		close(ends[0]);
	}
	posix_spawn_file_actions_destroy(&actions);
	while (argument-- > scripts + 1) free(*argument);
	return error;
}

struct error *report_write_figures(const struct report *report, const char *folder, struct text *made) {
	static void (*const drawers[])(struct figure *, const struct report *) = {
	    draw_learning, draw_loss_N,    draw_loss_D,  draw_loss_C,
	    draw_isoflop,  draw_residuals, draw_profile, draw_overview};
	TRY(folder_make(folder));
	for (size_t i = 0; i < COUNT_OF(drawers); i++) {
		struct figure figure;
		drawers[i](&figure, report);
		TRY(figure_end(&figure, folder, made));
	}
	TRY(text_error(made));
	return made->length ? run_gnuplot(folder, made) : NULL;
}
