/* report.c - from the files of a lab to everything that the page and the figures draw. */
#include "fit/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TRACE_POINTS 72
#define TRACE_N_MOST 7 /* lines along N: more of them say nothing more */
#define BEYOND 8.0     /* how far past the points a line goes on, as a factor; it is dashed there */

/* ----------------------------------------------------------------------------------------------------- rungs --- */

/* From the smallest rung to the largest. Lightness ascends evenly on the dark page and on the light one, so the order can
 * be seen with any colour vision and in print; markers differ in shape besides. */
static const unsigned char light_stops[][3] = {
    {0x2b, 0x1a, 0x8f}, {0x7a, 0x22, 0xa8}, {0xc0, 0x30, 0x80}, {0xe0, 0x5c, 0x3e}, {0xd8, 0x92, 0x00}};
static const unsigned char dark_stops[][3] = {
    {0x72, 0x63, 0xea}, {0xb4, 0x6c, 0xe0}, {0xee, 0x7e, 0xa6}, {0xff, 0xa9, 0x68}, {0xff, 0xe5, 0x8a}};

void report_colour(double position, bool dark, char out[COLOUR_SIZE]) {
	const unsigned char(*stops)[3] = dark ? dark_stops : light_stops;
	double at = fmin(fmax(position, 0), 1) * (COUNT_OF(light_stops) - 1);
	size_t below = at >= COUNT_OF(light_stops) - 1 ? COUNT_OF(light_stops) - 2 : (size_t)at;
	int mixed[3];
	for (int c = 0; c < 3; c++)
		mixed[c] = (int)lround(stops[below][c] + (at - (double)below) * (stops[below + 1][c] - stops[below][c]));
	snprintf(
	    out, COLOUR_SIZE, "#%02x%02x%02x", (unsigned)mixed[0] & 255, (unsigned)mixed[1] & 255,
	    (unsigned)mixed[2] & 255);
}

static int compare_numbers(double a, double b) {
	return (a > b) - (a < b);
}

static int compare_rungs(const void *a, const void *b) {
	const struct rung *x = a, *y = b;
	int order = compare_numbers(x->N, y->N);
	if (!order) order = compare_numbers(x->width, y->width);
	return order ? order : compare_numbers(x->depth, y->depth);
}

static int compare_points(const void *a, const void *b) {
	const struct point *x = a, *y = b;
	int order = x->rung - y->rung;
	if (!order) order = compare_numbers(x->D, y->D);
	if (!order) order = compare_numbers(x->seed, y->seed);
	return order ? order : strcmp(x->id, y->id);
}

static int find_rung(const struct report *report, double width, double depth) {
	for (int i = 0; i < report->rung_count; i++)
		if (report->rungs[i].width == width && report->rungs[i].depth == depth) return i;
	return -1;
}

static struct error *add_rung(struct report *report, size_t *capacity, const struct rung *rung) {
	if (find_rung(report, rung->width, rung->depth) >= 0) return NULL;
	TRY(array_reserve((void **)&report->rungs, capacity, (size_t)report->rung_count + 1, sizeof *report->rungs));
	report->rungs[report->rung_count++] = *rung;
	return NULL;
}

static struct error *gather_rungs(struct report *report) {
	struct report_lab *lab = &report->lab;
	size_t capacity = 0;
	for (int i = 0; i < lab->point_count; i++) {
		const struct point *p = &lab->points[i];
		struct rung rung = {
		    .width = p->width,
		    .depth = p->depth,
		    .context = p->context,
		    .vocab = p->vocab,
		    .N = p->N,
		    .N_matmul = p->N_matmul,
		    .N_all = p->N_all,
		    .flops_per_token = p->C / p->D};
		TRY(add_rung(report, &capacity, &rung));
	}
	for (int i = 0; i < lab->curve_count; i++) {
		const struct curve *c = &lab->curves[i];
		struct rung rung = {
		    .width = c->width,
		    .depth = c->depth,
		    .context = c->context,
		    .vocab = c->vocab,
		    .N = c->N,
		    .N_matmul = c->N_matmul,
		    .N_all = c->N_all,
		    .flops_per_token = c->flops_per_token};
		TRY(add_rung(report, &capacity, &rung));
	}
	if (report->rung_count) qsort(report->rungs, (size_t)report->rung_count, sizeof *report->rungs, compare_rungs);
	for (int i = 0; i < report->rung_count; i++) {
		double position = report->rung_count > 1 ? i / (report->rung_count - 1.0) : 0.25;
		report_colour(position, false, report->rungs[i].light);
		report_colour(position, true, report->rungs[i].dark);
	}
	for (int i = 0; i < lab->point_count; i++) {
		lab->points[i].rung = find_rung(report, lab->points[i].width, lab->points[i].depth);
		report->rungs[lab->points[i].rung].points += lab->points[i].finished;
	}
	for (int i = 0; i < lab->curve_count; i++)
		lab->curves[i].rung = find_rung(report, lab->curves[i].width, lab->curves[i].depth);
	if (lab->point_count) qsort(lab->points, (size_t)lab->point_count, sizeof *lab->points, compare_points);
	return NULL;
}

/* --------------------------------------------------------------------------------------------------- the law --- */

static double size_of(const struct point *point, const char *name) {
	return strcmp(name, "N_matmul") == 0 ? point->N_matmul : strcmp(name, "N_all") == 0 ? point->N_all : point->N;
}

/* Which count of parameters the fit went by; a table's own column counts as N. */
static const char *find_size_name(const cJSON *fit) {
	const cJSON *columns = cJSON_GetObjectItemCaseSensitive(fit, "columns");
	const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(columns, "N"));
	static const char *const known[] = {"N_matmul", "N_all"};
	for (size_t i = 0; name && i < COUNT_OF(known); i++)
		if (strcmp(name, known[i]) == 0) return known[i];
	return "N";
}

struct residual_row {
	const char *id;
	const cJSON *row;
};

static int compare_residuals(const void *a, const void *b) {
	return strcmp(((const struct residual_row *)a)->id, ((const struct residual_row *)b)->id);
}

static struct error *take_residuals(struct report_lab *lab, const cJSON *residuals) {
	int room = cJSON_GetArraySize(residuals), count = 0;
	if (room == 0) return NULL;
	struct residual_row *rows = array_new((size_t)room, sizeof *rows);
	if (!rows) return error_memory((size_t)room * sizeof *rows);
	const cJSON *residual;
	cJSON_ArrayForEach(residual, residuals) {
		const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(residual, "id"));
		if (id) rows[count++] = (struct residual_row){id, residual};
	}
	qsort(rows, (size_t)count, sizeof *rows, compare_residuals);
	for (int i = 0; i < lab->point_count; i++) {
		struct residual_row wanted = {.id = lab->points[i].id};
		const struct residual_row *found = bsearch(&wanted, rows, (size_t)count, sizeof *rows, compare_residuals);
		if (!found) continue;
		lab->points[i].predicted = report_number(found->row, "predicted");
		lab->points[i].residual = report_number(found->row, "residual");
	}
	free(rows);
	return NULL;
}

static struct fit_surface surface_in(const cJSON *parameters) {
	return (struct fit_surface){
	    .E = report_number(parameters, "E"),
	    .A = report_number(parameters, "A"),
	    .B = report_number(parameters, "B"),
	    .alpha = report_number(parameters, "alpha"),
	    .beta = report_number(parameters, "beta")};
}

/* The law is drawn only if it gives the predictions that fit.json lists: a law of another form has other curves. Parameters
 * that are null because the runs do not determine them still have a curve, that of the solution. */
static void take_surface(struct report *report) {
	struct fit_surface *surface = &report->surface;
	const cJSON *fit = report->lab.fit, *parameters = report_item(fit, "parameters"), *parameter;
	bool refused = false;
	cJSON_ArrayForEach(parameter, parameters) refused = refused || cJSON_IsNull(parameter);
	*surface = surface_in(refused ? report_item(fit, "solution") : parameters);
	report->surface_known = isfinite(surface->E + surface->A + surface->B + surface->alpha + surface->beta);
	const cJSON *residual;
	cJSON_ArrayForEach(residual, cJSON_GetObjectItemCaseSensitive(fit, "residuals")) {
		double ours = fit_surface_loss(surface, report_number(residual, "N"), report_number(residual, "D"));
		if (!(fabs(log(ours / report_number(residual, "predicted"))) < 1e-3)) report->surface_known = false;
	}
}

static struct error *take_fit(struct report *report) {
	struct report_lab *lab = &report->lab;
	const cJSON *residuals = cJSON_GetObjectItemCaseSensitive(lab->fit, "residuals");
	report->size_name = find_size_name(lab->fit);
	for (int i = 0; i < lab->point_count; i++) lab->points[i].size = size_of(&lab->points[i], report->size_name);
	for (int i = 0; i < report->rung_count; i++) {
		struct rung *rung = &report->rungs[i];
		rung->size = strcmp(report->size_name, "N_matmul") == 0 ? rung->N_matmul
		             : strcmp(report->size_name, "N_all") == 0  ? rung->N_all
		                                                        : rung->N;
	}
	TRY(take_residuals(lab, residuals));
	take_surface(report);
	return NULL;
}

/* ---------------------------------------------------------------------------------------------------- traces --- */

struct range {
	double low, high;
};

static void widen(struct range *range, double value) {
	if (!(value > 0) || !isfinite(value)) return;
	range->low = fmin(range->low, value);
	range->high = fmax(range->high, value);
}

static const struct range empty_range = {INFINITY, -INFINITY};

/* A new trace from range.low / 1.15 to range.high * beyond, with x filled in evenly on a log axis. */
static struct error *add_trace(
    struct traces *traces, int rung, double held, struct range range, double beyond, struct trace **out) {
	TRY(array_reserve((void **)&traces->items, &traces->capacity, traces->count + 1, sizeof *traces->items));
	struct trace *trace = &traces->items[traces->count];
	*trace = (struct trace){.rung = rung, .held = held, .low = range.low, .high = range.high, .count = TRACE_POINTS};
	trace->x = array_new(2 * TRACE_POINTS, sizeof *trace->x);
	if (!trace->x) return error_memory(2 * TRACE_POINTS * sizeof *trace->x);
	trace->y = trace->x + TRACE_POINTS;
	traces->count++;
	double first = range.low / 1.15, last = range.high * beyond;
	for (int i = 0; i < TRACE_POINTS; i++) trace->x[i] = first * pow(last / first, i / (TRACE_POINTS - 1.0));
	*out = trace;
	return NULL;
}

static struct error *trace_along_D(struct report *report) {
	const struct report_lab *lab = &report->lab;
	struct range all = empty_range;
	struct trace *trace;
	for (int r = 0; r < report->rung_count; r++) {
		const struct rung *rung = &report->rungs[r];
		struct range range = empty_range;
		for (int i = 0; i < lab->point_count; i++)
			if (lab->points[i].rung == r && lab->points[i].finished) widen(&range, lab->points[i].D);
		if (!(range.low <= range.high)) continue;
		widen(&all, range.low);
		widen(&all, range.high);
		TRY(add_trace(&report->traces[TRACE_D], r, NAN, range, BEYOND, &trace));
		for (int i = 0; i < trace->count; i++)
			trace->y[i] = fit_surface_loss(&report->surface, rung->size, trace->x[i]);
		double flops[2] = {rung->flops_per_token, 6 * rung->size};
		for (int k = 0; k < 2; k++) {
			if (!(flops[k] > 0)) continue;
			struct range scaled = {range.low * flops[k], range.high * flops[k]};
			TRY(add_trace(&report->traces[TRACE_C + k], r, NAN, scaled, BEYOND, &trace));
			for (int i = 0; i < trace->count; i++)
				trace->y[i] = fit_surface_loss(&report->surface, rung->size, trace->x[i] / flops[k]);
		}
	}
	if (!(all.low <= all.high)) return NULL;
	TRY(add_trace(&report->traces[TRACE_D], -1, INFINITY, all, BEYOND, &trace));
	for (int i = 0; i < trace->count; i++) trace->y[i] = fit_surface_loss(&report->surface, INFINITY, trace->x[i]);
	return NULL;
}

static int compare_doubles(const void *a, const void *b) {
	return compare_numbers(*(const double *)a, *(const double *)b);
}

static struct error *trace_along_N(struct report *report) {
	const struct report_lab *lab = &report->lab;
	struct range all = empty_range;
	double *horizons = array_new((size_t)lab->point_count + 1, sizeof *horizons);
	if (!horizons) return error_memory((size_t)lab->point_count * sizeof *horizons);
	int count = 0, kept = 0;
	for (int i = 0; i < lab->point_count; i++) {
		if (!lab->points[i].finished) continue;
		widen(&all, lab->points[i].size);
		horizons[count++] = lab->points[i].D;
	}
	qsort(horizons, (size_t)count, sizeof *horizons, compare_doubles);
	for (int i = 0; i < count; i++) /* those that at least two runs share */
		if (i + 1 < count && horizons[i + 1] == horizons[i] && (kept == 0 || horizons[kept - 1] < horizons[i]))
			horizons[kept++] = horizons[i];
	int lines = kept < TRACE_N_MOST ? kept : TRACE_N_MOST;
	struct error *error = NULL;
	struct trace *trace;
	for (int k = 0; k <= lines && !error && all.low <= all.high; k++) {
		double D = k == lines ? INFINITY : horizons[lines > 1 ? k * (kept - 1) / (lines - 1) : 0];
		error = add_trace(&report->traces[TRACE_N], -1, D, all, BEYOND, &trace);
		for (int i = 0; !error && i < trace->count; i++)
			trace->y[i] = fit_surface_loss(&report->surface, trace->x[i], D);
	}
	free(horizons);
	return error;
}

/* ln(FLOPs per token) of a model of ln(N) = log_size, between and beyond the rungs along straight lines. */
static double log_cost(const struct report *report, double log_size, bool exact) {
	if (!exact) return log(6) + log_size;
	const struct rung *below = NULL, *above = NULL;
	for (int r = 0; r < report->rung_count; r++) {
		const struct rung *rung = &report->rungs[r];
		if (!(rung->flops_per_token > 0) || !(rung->size > 0)) continue;
		if (!below) {
			below = rung;
		} else if (rung->size > (above ? above : below)->size) {
			if (above) below = above;
			above = rung;
			if (log(above->size) >= log_size) break;
		}
	}
	if (!below) return log(6) + log_size;
	double base = log(below->flops_per_token), slope = 1;
	if (above) slope = (log(above->flops_per_token) - base) / log(above->size / below->size);
	return base + slope * (log_size - log(below->size));
}

/* The least loss at a given C: every N costs C / (FLOPs per token) in tokens; take the best N. */
static struct error *trace_frontier(struct report *report, enum trace_kind kind) {
	bool exact = kind == TRACE_C;
	struct range costs = empty_range, sizes = empty_range;
	for (int i = 0; i < report->lab.point_count; i++) {
		const struct point *p = &report->lab.points[i];
		if (!p->finished) continue;
		widen(&costs, exact ? p->C : 6 * p->size * p->D);
		widen(&sizes, p->size);
	}
	if (!(costs.low < costs.high)) return NULL;
	struct trace *trace;
	TRY(add_trace(&report->traces[kind], -1, NAN, costs, 4 * BEYOND, &trace));
	double first = log(sizes.low) - log(1000), last = log(sizes.high) + log(1000);
	enum { STEPS = 1500 };
	for (int k = 0; k <= STEPS; k++) {
		double log_size = first + (last - first) * k / STEPS, cost = log_cost(report, log_size, exact);
		for (int i = 0; i < trace->count; i++) {
			double loss = fit_surface_loss(&report->surface, exp(log_size), trace->x[i] / exp(cost));
			if (k == 0 || loss < trace->y[i]) trace->y[i] = loss;
		}
	}
	return NULL;
}

struct error *report_draw_up(struct report *report) {
	TRY(gather_rungs(report));
	TRY(take_fit(report));
	if (!report->surface_known) return NULL;
	TRY(trace_along_N(report));
	TRY(trace_along_D(report));
	TRY(trace_frontier(report, TRACE_C));
	TRY(trace_frontier(report, TRACE_C_6ND));
	return NULL;
}

/* Without a fit.json to go by, the lab gets the fit that 'rung fit' would write, for this report alone. What the table
 * does not allow is said, and is no reason to draw nothing. */
static struct error *fit_here(struct report *report) {
	struct report_lab *lab = &report->lab;
	struct fit_points points = {0};
	struct fit fit = {0};
	cJSON *old = lab->fit;
	const struct fit_input input = report_fit_input(old);
	struct fit_options options = {.seed = 1};
	lab->fit = NULL;
	struct error *error = fit_points_read(lab->path, &input, &points);
	options.replicates = fit_replicates_for(points.count);
	if (!error) error = fit_all(&points, &options, &fit);
	if (!error) error = fit_to_json(&fit, &lab->fit);
	if (!error)
		text_add(
		    &report->missing, "%s: the law was fitted for this page alone; 'rung fit %s' keeps the result.\n",
		    lab->no_fit.data, lab->path);
	cJSON_Delete(old);
	fit_free(&fit);
	fit_points_free(&points);
	if (!error || error->kind != ERROR_DATA) return error;
	text_add(&report->missing, "%s, and no law could be fitted: %s\n", lab->no_fit.data, error->message);
	error_free(error);
	return NULL;
}

struct error *report_open(const char *lab_path, struct report *report) {
	*report = (struct report){.size_name = "N"};
	struct error *error = report_lab_read(lab_path, &report->lab);
	if (!error && report->lab.no_fit.length) error = fit_here(report);
	if (!error) error = report_draw_up(report);
	if (!error) {
		report_speak(report);
		error = text_error(&report->headline);
		if (!error) error = text_error(&report->missing);
	}
	if (error) report_close(report);
	return error;
}

void report_close(struct report *report) {
	for (int kind = 0; kind < TRACE_KINDS; kind++) {
		for (size_t i = 0; i < report->traces[kind].count; i++) free(report->traces[kind].items[i].x);
		free(report->traces[kind].items);
	}
	free(report->rungs);
	text_free(&report->headline);
	text_free(&report->missing);
	report_lab_free(&report->lab);
	*report = (struct report){0};
}
