/* planned.c - the points that a plan of a ladder would make, read from its JSON. */
#include "fit/approach.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_BYTES ((size_t)1 << 30)

/* A positive number, or one as people type it: 20e6, "20M". */
static bool positive(const cJSON *item, double *value) {
	if (cJSON_IsNumber(item))
		*value = item->valuedouble;
	else if (!cJSON_IsString(item) || !number_from_text(item->valuestring, value))
		return false;
	return *value > 0 && isfinite(*value);
}

/* The member of the rung, or else of the whole plan. */
static const cJSON *setting(const cJSON *root, const cJSON *rung, const char *key) {
	const cJSON *own = cJSON_GetObjectItemCaseSensitive(rung, key);
	return own ? own : cJSON_GetObjectItemCaseSensitive(root, key);
}

static struct error *add_rung(
    const char *path, const cJSON *root, const cJSON *rung, int index, size_t *capacity, struct fit_points *points) {
	double width, depth;
	if (!positive(setting(root, rung, "width"), &width) || !positive(setting(root, rung, "depth"), &depth)) {
		return error_new(
		    ERROR_DATA, "%s: rungs[%d]: expected \"width\" and \"depth\", there or for the whole plan, above zero",
		    path, index);
	}
	points->width = index == 0 || points->width == width ? width : 0;
	const cJSON *horizons = setting(root, rung, "horizons"), *seeds = setting(root, rung, "seeds"), *horizon;
	if (!cJSON_IsArray(horizons) || cJSON_GetArraySize(horizons) == 0) {
		return error_new(
		    ERROR_DATA,
		    "%s: rungs[%d]: expected \"horizons\", there or for the whole plan: token counts such as [1e6, 2e6]", path,
		    index);
	}
	int repeats = cJSON_IsArray(seeds) ? cJSON_GetArraySize(seeds) : 1;
	cJSON_ArrayForEach(horizon, horizons) {
		double D;
		if (!positive(horizon, &D))
			return error_new(ERROR_DATA, "%s: rungs[%d]: a horizon is no number above zero", path, index);
		for (int k = 0; k < repeats; k++) {
			TRY(array_reserve((void **)&points->items, capacity, points->count + 1, sizeof *points->items));
			double N = 12 * depth * width * width;
			points->items[points->count++] = (struct fit_point){
			    .N = N, .D = D, .C = 6 * N * D, .loss = NAN, .loss_error = NAN, .weight = 1, .rung = index, .seed = -1};
		}
	}
	return NULL;
}

struct error *fit_points_planned(const char *path, const char *text, size_t length, struct fit_points *points) {
	cJSON *root = NULL;
	*points = (struct fit_points){0};
	TRY(json_parse(path, text, length, &root));
	const cJSON *rungs = cJSON_GetObjectItemCaseSensitive(root, "rungs"), *rung;
	struct error *error = NULL;
	size_t capacity = 0;
	if (!cJSON_IsArray(rungs) || cJSON_GetArraySize(rungs) == 0) {
		error = error_new(
		    ERROR_DATA, "%s: expected a plan with \"rungs\"; 'rung plan --preset demo --json' prints one", path);
	}
	cJSON_ArrayForEach(rung, rungs) {
		if (!error) error = add_rung(path, root, rung, points->rungs, &capacity, points);
		points->rungs++;
	}
	cJSON_Delete(root);
	if (error) fit_points_free(points);
	return error;
}

struct error *fit_points_designed(const char *path, const struct fit_input *input, struct fit_points *points) {
	struct text text = {0};
	bool standard = strcmp(path, "-") == 0;
	const char *name = standard ? "standard input" : path;
	struct error *error = NULL;
	if (!standard && !file_exists(path))
		error =
		    error_new(ERROR_DATA, "%s: there is no such plan or table; expected plan.json or a table of N and D", path);
	if (!error && standard) error = file_read_open(STDIN_FILENO, name, MOST_BYTES, &text);
	if (!error && !standard) error = file_read(path, MOST_BYTES, &text);
	const char *first = text.data ? text.data + strspn(text.data, " \t\r\n") : "";
	struct fit_input wanted = *input;
	wanted.without_loss = true;
	/* JSON lines begin with a brace too, but none of their rows has rungs. */
	if (!error && *first == '{' && strstr(first, "\"rungs\""))
		error = fit_points_planned(name, text.data, text.length, points);
	else if (!error)
		error = fit_points_parse(name, first, strlen(first), &wanted, points);
	text_free(&text);
	return error;
}
