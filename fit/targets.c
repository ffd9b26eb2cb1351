/* targets.c - what is to be predicted: places (N, D) named by the user, by a plan, or by the table itself. */
#include "fit/forecast.h"
#include "fit/input.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAME_SIZE 1e-9 /* relative, as in design.c */

bool same_place(double N, double D, double other_N, double other_D) {
	double most = log1p(SAME_PLACE);
	return fabs(log(N / other_N)) <= most && fabs(log(D / other_D)) <= most;
}

void targets_free(struct targets *targets) {
	strings_free(targets->strings);
	free(targets->items);
	*targets = (struct targets){0};
}

static const struct target *find_place(const struct targets *targets, double N, double D) {
	for (size_t i = 0; i < targets->count; i++)
		if (same_place(targets->items[i].N, targets->items[i].D, N, D)) return &targets->items[i];
	return NULL;
}

static struct error *append(struct targets *targets, double N, double D, const char *id) {
	TRY(array_reserve((void **)&targets->items, &targets->capacity, targets->count + 1, sizeof *targets->items));
	const char *copy = id ? strings_keep(&targets->strings, id) : NULL;
	if (id && !copy) return error_memory(strlen(id) + 1);
	targets->items[targets->count++] = (struct target){.N = N, .D = D, .id = copy};
	return NULL;
}

static bool usable(double value) {
	return value >= DBL_MIN && value <= DBL_MAX;
}

struct error *targets_add(struct targets *targets, const char *pair) {
	const char *comma = strchr(pair, ',');
	char first[64];
	double N, D;
	size_t length = comma ? (size_t)(comma - pair) : 0;
	bool good = comma && length < sizeof first;
	if (good) {
		memcpy(first, pair, length);
		first[length] = 0;
		good = number_from_text(first, &N) && number_from_text(comma + 1, &D) && usable(N) && usable(D);
	}
	if (!good)
		return error_new(
		    ERROR_USAGE, "--at %.100s: expected the parameters and the tokens of a run, as in --at 300K,12.5M", pair);
	if (find_place(targets, N, D))
		return error_new(
		    ERROR_USAGE, "--at %.100s: this place was named before (N and D that differ by less than %g %% are one)",
		    pair, 100 * SAME_PLACE);
	return append(targets, N, D, NULL);
}

struct error *targets_of_largest(struct targets *targets, const struct fit_points *points) {
	double largest = 0;
	for (size_t i = 0; i < points->count; i++) largest = fmax(largest, points->items[i].N);
	for (size_t i = 0; i < points->count; i++) {
		const struct fit_point *point = &points->items[i];
		if (point->N * (1 + SAME_SIZE) < largest || find_place(targets, point->N, point->D)) continue;
		TRY(append(targets, point->N, point->D, NULL));
	}
	return NULL;
}

/* ---------------------------------------------------------------------------------------------------------- plans --- */

/* A place of a plan, unless the table has it, or the plan said it before: seeds of one place are one prediction. */
static struct error *take(
    struct targets *targets, const struct fit_points *points, double N, double D, const char *id) {
	bool present = false;
	for (size_t i = 0; i < points->count && !present; i++)
		present = same_place(points->items[i].N, points->items[i].D, N, D) ||
		          (id && points->items[i].id && strcmp(points->items[i].id, id) == 0);
	for (size_t i = 0; i < points->left_out_count && !present; i++)
		present = same_place(points->left_out[i].N, points->left_out[i].D, N, D);
	targets->present += present;
	if (present || (!id && find_place(targets, N, D))) return NULL;
	return append(targets, N, D, id);
}

/* A positive number that may be written "500K"; `place` names where. */
static struct error *number_at(const cJSON *item, const char *place, double *value) {
	bool good = cJSON_IsNumber(item);
	if (good) *value = item->valuedouble;
	if (cJSON_IsString(item)) good = number_from_text(item->valuestring, value);
	if (good && usable(*value)) return NULL;
	return error_new(ERROR_DATA, "%s: expected a number above zero, such as 1e6 or \"500K\"", place);
}

static struct error *add_listed(
    struct targets *targets, const cJSON *runs, const char *path, const struct fit_points *points) {
	int index = 0;
	for (const cJSON *run = runs->child; run; run = run->next, index++) {
		char place[600];
		double N, D;
		snprintf(place, sizeof place, "%.500s: runs[%d].N", path, index);
		TRY(number_at(cJSON_GetObjectItemCaseSensitive(run, "N"), place, &N));
		place[strlen(place) - 1] = 'D';
		TRY(number_at(cJSON_GetObjectItemCaseSensitive(run, "D"), place, &D));
		const cJSON *id = cJSON_GetObjectItemCaseSensitive(run, "id");
		if (id && !cJSON_IsNull(id) && !(cJSON_IsString(id) && *id->valuestring))
			return error_new(ERROR_DATA, "%s: runs[%d].id: expected a text", path, index);
		for (size_t i = 0; i < targets->count && cJSON_IsString(id); i++)
			if (targets->items[i].id && strcmp(targets->items[i].id, id->valuestring) == 0)
				return error_new(
				    ERROR_DATA, "%s: runs[%d].id: '%.100s' is the id of a run before", path, index, id->valuestring);
		TRY(take(targets, points, N, D, cJSON_IsString(id) ? id->valuestring : NULL));
	}
	return NULL;
}

/* The member of a rung, or else of the plan. */
static const cJSON *member_of(const cJSON *rung, const cJSON *plan, const char *key) {
	const cJSON *own = cJSON_GetObjectItemCaseSensitive(rung, key);
	return own ? own : cJSON_GetObjectItemCaseSensitive(plan, key);
}

static struct error *add_rungs(
    struct targets *targets, const cJSON *plan, const char *path, const struct fit_points *points) {
	const cJSON *rungs = cJSON_GetObjectItemCaseSensitive(plan, "rungs");
	int index = 0;
	for (const cJSON *rung = rungs->child; rung; rung = rung->next, index++) {
		char place[600];
		double width, depth, D;
		snprintf(place, sizeof place, "%.500s: rungs[%d].width", path, index);
		TRY(number_at(member_of(rung, plan, "width"), place, &width));
		snprintf(place, sizeof place, "%.500s: rungs[%d].depth", path, index);
		TRY(number_at(member_of(rung, plan, "depth"), place, &depth));
		const cJSON *horizons = member_of(rung, plan, "horizons");
		if (!cJSON_IsArray(horizons) || !horizons->child)
			return error_new(ERROR_DATA, "%s: rungs[%d]: expected a list of horizons, such as [1e6, 2e6]", path, index);
		for (const cJSON *horizon = horizons->child; horizon; horizon = horizon->next) {
			snprintf(place, sizeof place, "%.500s: rungs[%d].horizons", path, index);
			TRY(number_at(horizon, place, &D));
			TRY(take(targets, points, 12 * depth * width * width, D, NULL));
		}
	}
	return NULL;
}

struct error *targets_from_plan(struct targets *targets, const char *path, const struct fit_points *points) {
	cJSON *plan;
	TRY(json_read(path, &plan));
	const cJSON *runs = cJSON_GetObjectItemCaseSensitive(plan, "runs");
	const cJSON *rungs = cJSON_GetObjectItemCaseSensitive(plan, "rungs");
	struct error *error = NULL;
	if (cJSON_IsArray(runs))
		error = add_listed(targets, runs, path, points);
	else if (!cJSON_IsArray(rungs))
		error = error_new(
		    ERROR_DATA,
		    "%s: found neither \"rungs\" nor \"runs\"; expected a plan of 'rung plan --json', or "
		    "{\"runs\": [{\"N\": 1e6, \"D\": 2e7, \"id\": \"any\"}]}",
		    path);
	else if (!points->input.N || strcmp(points->input.N, "N") != 0)
		error = error_new(
		    ERROR_DATA,
		    "%s: its sizes count hidden parameters, 12 depth width^2, the column N of a lab; the table's N was read "
		    "from "
		    "'%s'. Name the places yourself with --at N,D",
		    path, points->input.N ? points->input.N : "nothing");
	else
		error = add_rungs(targets, plan, path, points);
	cJSON_Delete(plan);
	return error;
}
