/* budgets.c - what each size would have at the same compute: runs read off at given budgets. */
#include "fit/approach.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_AUTOMATIC 6
#define GOOD_SIZES 4       /* that a budget should have: a parabola through three points fits whatever they are */
#define LEAST_SIZES 3      /* that it must have */
#define SAME_SIZE 1e-9     /* relative, as in design.c */
#define SAME_C 1e-6        /* in ln C: two measurements at one place */
#define GROUP 0.05         /* by how much the C of a group may differ, as a part: budgets are met to a whole step */
#define MOST_IN_GROUPS 0.8 /* of all rows, for a table to be called one of isoFLOP groups */
#define APART 1.10         /* between the C of one group and the next row's */
#define MOST_BUDGETS 1000
#define LONGEST_GAP 4.0 /* in C, between finished runs that are interpolated at a labelled or grouped budget */

/* ---------------------------------------------------------------------------------------------------------- tracks --- */

/* A run, or the finished runs of one size: ascending in x; measurements at one place are averaged. */
struct track {
	double N;
	double *x, *y, *z; /* ln C, ln loss, ln D */
	size_t count;
};

struct tracks {
	struct track *items; /* ascending in N */
	size_t count;
	double *memory;
};

static int by_run_and_compute(const void *a, const void *b) {
	const struct budget_row *x = a, *y = b;
	int order = (x->N > y->N) - (x->N < y->N);
	if (order == 0) order = (x->run > y->run) - (x->run < y->run);
	return order ? order : (x->C > y->C) - (x->C < y->C);
}

static struct error *make_tracks(const struct budget_row *rows, size_t n, struct tracks *tracks) {
	struct budget_row *sorted = array_new(n + 1, sizeof *sorted);
	*tracks = (struct tracks){
	    .items = array_new(n + 1, sizeof *tracks->items), .memory = array_new(3 * n + 1, sizeof(double))};
	if (!sorted || !tracks->items || !tracks->memory) {
		free(sorted);
		return error_memory(n * (sizeof *sorted + sizeof *tracks->items));
	}
	memcpy(sorted, rows, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, by_run_and_compute);
	double *x = tracks->memory, *y = x + n, *z = y + n;
	size_t repeats = 0;
	int run = -1;
	for (size_t i = 0; i < n; i++) {
		struct track *track = tracks->count ? &tracks->items[tracks->count - 1] : NULL;
		if (!track || sorted[i].run != run || sorted[i].N > track->N * (1 + SAME_SIZE)) {
			track = &tracks->items[tracks->count++];
			*track = (struct track){.N = sorted[i].N, .x = x + i, .y = y + i, .z = z + i};
			run = sorted[i].run;
		}
		double at = log(sorted[i].C), loss = log(sorted[i].loss);
		if (track->count > 0 && at - track->x[track->count - 1] <= SAME_C) {
			repeats++;
			track->y[track->count - 1] += (loss - track->y[track->count - 1]) / (double)repeats;
			continue;
		}
		repeats = 1;
		track->x[track->count] = at;
		track->z[track->count] = log(sorted[i].D);
		track->y[track->count++] = loss;
	}
	free(sorted);
	return NULL;
}

static void tracks_free(struct tracks *tracks) {
	free(tracks->items);
	free(tracks->memory);
	*tracks = (struct tracks){0};
}

static bool reads_at(const struct track *track, double x) {
	return x >= track->x[0] - 1e-12 && x <= track->x[track->count - 1] + 1e-12;
}

/* The knot before x, of the piece that x lies in. */
static size_t piece_of(const struct track *track, double x) {
	size_t low = 0, high = track->count - 1;
	while (low + 1 < high) {
		size_t middle = (low + high) / 2;
		*(track->x[middle] < x ? &low : &high) = middle;
	}
	return low;
}

/* The loss and D of the track at ln C = x. Between two of its measurements the loss is a monotone cubic in logs
 * (monotone.c); beyond its ends, or across a gap, the nearest measurement stands if its C is within FIT_MISMATCH of
 * the budget. False: neither. *near: some measurement was within a factor of 2, so that this is a rejection worth telling. */
static bool read_track(
    const struct track *track, double x, enum budget_source source, struct fit_optimum *out, bool *near) {
	/* Budgets that rung chose itself lie within the runs. */
	double longest = source == BUDGETS_GROUPED || source == BUDGETS_LABELLED ? LONGEST_GAP : INFINITY;
	double tolerated = source == BUDGETS_AUTOMATIC ? 0 : log(1 + FIT_MISMATCH);
	size_t nearest = 0;
	for (size_t k = 1; k < track->count; k++)
		if (fabs(track->x[k] - x) < fabs(track->x[nearest] - x)) nearest = k;
	double miss = fabs(track->x[nearest] - x);
	bool close = miss <= tolerated, between = track->count > 1 && reads_at(track, x);
	*near = miss <= log(2);
	out->N = track->N;
	if (between && miss > 1e-12) {
		size_t k = piece_of(track, x);
		double gap = track->x[k + 1] - track->x[k];
		if (gap <= log(longest) || close) {
			double part = (x - track->x[k]) / gap;
			out->loss = exp(monotone_at(track->x, track->y, track->count, x));
			out->D = exp(track->z[k] + part * (track->z[k + 1] - track->z[k]));
			return true;
		}
	}
	if (!close) return false;
	out->loss = exp(track->y[nearest]);
	out->D = exp(track->z[nearest]);
	return true;
}

/* ------------------------------------------------------------------------------------------------------------- choice --- */

static int ascending(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static struct error *add_budget(struct budget_plan *plan, size_t *capacity, double C) {
	TRY(array_reserve((void **)&plan->C, capacity, plan->count + 1, sizeof *plan->C));
	plan->C[plan->count++] = C;
	return NULL;
}

static int by_compute(const void *a, const void *b) {
	const struct budget_row *x = a, *y = b;
	return (x->C > y->C) - (x->C < y->C);
}

static int sizes_among(const struct budget_row *rows, size_t n, double *work) {
	int sizes = 0;
	for (size_t i = 0; i < n; i++) work[i] = rows[i].N;
	qsort(work, n, sizeof *work, ascending);
	for (size_t i = 0; i < n; i++) sizes += i == 0 || work[i] > work[i - 1] * (1 + SAME_SIZE);
	return sizes;
}

/* Rows of equal C, with nothing near them: the budgets of a table of isoFLOP groups. Leaves the plan empty when it is none. */
static struct error *plan_groups(const struct budget_row *rows, size_t n, struct budget_plan *plan) {
	struct budget_row *sorted = array_new(n + 1, sizeof *sorted);
	double *work = array_new(n + 1, sizeof *work);
	struct error *error = !sorted || !work ? error_memory(n * (sizeof *sorted + sizeof *work)) : NULL;
	size_t capacity = 0, inside = 0;
	if (!error) {
		memcpy(sorted, rows, n * sizeof *sorted);
		qsort(sorted, n, sizeof *sorted, by_compute);
	}
	for (size_t first = 0, end; first < n && !error; first = end) {
		double logs = 0;
		for (end = first; end < n && sorted[end].C <= sorted[first].C * (1 + GROUP); end++) logs += log(sorted[end].C);
		bool alone = (first == 0 || sorted[first].C > sorted[first - 1].C * APART) &&
		             (end == n || sorted[end].C > sorted[end - 1].C * APART);
		if (!alone || sizes_among(sorted + first, end - first, work) < GOOD_SIZES) continue;
		error = add_budget(plan, &capacity, exp(logs / (double)(end - first)));
		inside += end - first;
	}
	if (!error && (double)inside < MOST_IN_GROUPS * (double)n) plan->count = 0;
	if (plan->count) plan->source = BUDGETS_GROUPED;
	free(sorted);
	free(work);
	return error;
}

struct event {
	double x;
	bool ends;
	size_t size;
};

/* Along x, and where some reach ends what begins there first: both are read at that point. */
static int by_place(const void *a, const void *b) {
	const struct event *x = a, *y = b;
	int order = (x->x > y->x) - (x->x < y->x);
	return order ? order : x->ends - y->ends;
}

struct error *common_range(const struct reach *reaches, size_t count, int *sizes, double *low, double *high) {
	struct event *events = array_new(2 * count + 1, sizeof *events);
	int *open = array_new(count + 1, sizeof *open); /* reaches of each size that lie over the current place */
	struct error *error = !events || !open ? error_memory(count * (2 * sizeof *events + sizeof *open)) : NULL;
	for (size_t k = 0; k < count && !error; k++) {
		events[2 * k] = (struct event){reaches[k].low, false, reaches[k].size};
		events[2 * k + 1] = (struct event){reaches[k].high, true, reaches[k].size};
	}
	if (!error) qsort(events, 2 * count, sizeof *events, by_place);
	*low = INFINITY;
	*high = -INFINITY;
	for (*sizes = GOOD_SIZES; !error; --*sizes) {
		int now = 0;
		for (size_t e = 0; e < 2 * count; e++) {
			if (!events[e].ends) now += open[events[e].size]++ == 0;
			if (now >= *sizes) {
				*low = fmin(*low, events[e].x);
				*high = fmax(*high, events[e].x);
			}
			if (events[e].ends) now -= --open[events[e].size] == 0;
		}
		if (*low < *high || *sizes == LEAST_SIZES) break;
		*low = INFINITY; /* one place alone is no range */
		*high = -INFINITY;
	}
	free(events);
	free(open);
	return error;
}

/* Evenly spaced in ln C over the range in which four sizes or more, else three, can be read off. */
static struct error *plan_range(const struct budget_row *rows, size_t n, struct budget_plan *plan) {
	struct tracks tracks;
	size_t capacity = 0, size = 0;
	struct error *error = make_tracks(rows, n, &tracks);
	struct reach *reaches = array_new(tracks.count + 1, sizeof *reaches);
	if (!error && !reaches) error = error_memory(tracks.count * sizeof *reaches);
	for (size_t k = 0; k < tracks.count && !error; k++) {
		const struct track *track = &tracks.items[k];
		size += k > 0 && track->N > tracks.items[k - 1].N * (1 + SAME_SIZE);
		reaches[k] = (struct reach){track->x[0], track->x[track->count - 1], size};
	}
	double low = 0, high = 0;
	int sizes;
	if (!error) error = common_range(reaches, tracks.count, &sizes, &low, &high);
	for (int k = 0; k < MOST_AUTOMATIC && low < high && !error; k++)
		error = add_budget(plan, &capacity, exp(low + (high - low) * k / (MOST_AUTOMATIC - 1)));
	free(reaches);
	tracks_free(&tracks);
	return error;
}

struct error *budget_plan_make(
    const struct budget_row *rows, size_t n, const double *listed, size_t listed_count, struct budget_plan *plan) {
	*plan = (struct budget_plan){.source = BUDGETS_AUTOMATIC};
	struct error *error = NULL;
	size_t capacity = 0, labelled = 0;
	for (size_t i = 0; i < n; i++) labelled += !isnan(rows[i].label);
	if (listed_count > 0) {
		plan->source = BUDGETS_LISTED;
		for (size_t i = 0; i < listed_count && !error; i++) error = add_budget(plan, &capacity, listed[i]);
	} else if (labelled > 0) {
		plan->source = BUDGETS_LABELLED;
		for (size_t i = 0; i < n && !error; i++)
			if (!isnan(rows[i].label)) error = add_budget(plan, &capacity, rows[i].label);
	} else {
		error = plan_groups(rows, n, plan);
		if (!error && plan->count == 0) error = plan_range(rows, n, plan);
	}
	if (!error && plan->count > 0) {
		qsort(plan->C, plan->count, sizeof *plan->C, ascending);
		size_t kept = 1;
		for (size_t i = 1; i < plan->count; i++)
			if (plan->C[i] > plan->C[kept - 1] * (1 + SAME_C)) plan->C[kept++] = plan->C[i];
		plan->count = kept;
	}
	if (!error && plan->count > MOST_BUDGETS) {
		error = error_new(
		    ERROR_DATA, "found %zu budgets for approach 2, expected %d or fewer: runs of one budget have one label",
		    plan->count, MOST_BUDGETS);
	}
	if (error) budget_plan_free(plan);
	return error;
}

void budget_plan_free(struct budget_plan *plan) {
	free(plan->C);
	*plan = (struct budget_plan){0};
}

/* ------------------------------------------------------------------------------------------------------------ reading --- */

static struct error *read_budget(
    const struct tracks *tracks, double C, enum budget_source source, struct budget *budget, size_t *rejected) {
	*budget = (struct budget){.C = C, .points = array_new(tracks->count + 1, sizeof *budget->points)};
	if (!budget->points) return error_memory(tracks->count * sizeof *budget->points);
	for (size_t k = 0; k < tracks->count; k++) {
		struct fit_optimum found = {.C = C};
		bool near;
		if (!read_track(&tracks->items[k], log(C), source, &found, &near)) {
			*rejected += near && source != BUDGETS_AUTOMATIC;
			continue;
		}
		struct fit_optimum *last = budget->count ? &budget->points[budget->count - 1] : NULL;
		if (!last || found.N > last->N * (1 + SAME_SIZE))
			budget->points[budget->count++] = found;
		else if (found.loss < last->loss)
			*last = found; /* the best run of a size counts */
	}
	return NULL;
}

/* The line of ln D in ln N along the budget. */
static void constrain(struct budget *budget) {
	double mean_u = 0, mean_v = 0, uu = 0, uv = 0, n = (double)budget->count;
	for (size_t i = 0; i < budget->count; i++) {
		mean_u += log(budget->points[i].N) / n;
		mean_v += log(budget->points[i].D) / n;
	}
	for (size_t i = 0; i < budget->count; i++) {
		double u = log(budget->points[i].N) - mean_u;
		uu += u * u;
		uv += u * (log(budget->points[i].D) - mean_v);
	}
	budget->slope = -uv / uu;
	budget->offset = mean_v + budget->slope * mean_u;
}

struct error *budgets_read(
    const struct budget_row *rows, size_t n, const struct budget_plan *plan, struct budgets *budgets) {
	struct tracks tracks;
	*budgets = (struct budgets){.source = plan->source};
	struct error *error = make_tracks(rows, n, &tracks);
	budgets->items = array_new(plan->count + 1, sizeof *budgets->items);
	if (!error && !budgets->items) error = error_memory(plan->count * sizeof *budgets->items);
	for (size_t b = 0; b < plan->count && !error; b++) {
		struct budget *budget = &budgets->items[budgets->count];
		error = read_budget(&tracks, plan->C[b], plan->source, budget, &budgets->rejected);
		if (!error && budget->count >= LEAST_SIZES) {
			constrain(budget);
			budgets->count++;
		} else {
			free(budget->points);
			budgets->too_few++;
		}
	}
	tracks_free(&tracks);
	if (error) budgets_free(budgets);
	return error;
}

void budgets_free(struct budgets *budgets) {
	for (size_t b = 0; budgets->items && b < budgets->count; b++) free(budgets->items[b].points);
	free(budgets->items);
	*budgets = (struct budgets){0};
}
