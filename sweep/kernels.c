/* LAB/kernels.json: who computes each rung, found out once, before the first run of the ladder, and then kept for all of its
 * runs, so that seeds and horizons of a rung differ in nothing else. */
#include "sweep/sweep.h"

#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1 };

static bool add_rung(cJSON *rungs, const struct train_config *config, struct kernel_choice kernels) {
	cJSON *object = cJSON_CreateObject(), *choice = train_kernels_to_json(kernels);
	const bool good = object && choice && json_add_number(object, "width", (double)config->width) &&
	                  json_add_number(object, "depth", (double)config->depth) &&
	                  json_add_number(object, "context", (double)config->context) &&
	                  json_add_number(object, "batch", (double)config->batch);
	if (good && cJSON_AddItemToObject(object, "kernels", choice)) return cJSON_AddItemToArray(rungs, object);
	cJSON_Delete(object);
	cJSON_Delete(choice);
	return false;
}

static struct error *write_kernels(const struct lab *lab, const char *path) {
	cJSON *root = cJSON_CreateObject();
	cJSON *rungs = root && json_add_number(root, "format", FORMAT) ? cJSON_AddArrayToObject(root, "rungs") : NULL;
	bool good = rungs != NULL;
	for (int r = 0; r < lab->plan.rung_count && good; r++)
		good = add_rung(rungs, &lab->plan.rungs[r].config, lab->kernels[r]);
	struct error *error = good ? json_write_sealed(path, root) : error_memory(4096);
	cJSON_Delete(root);
	return error;
}

static struct error *read_rung(
    const cJSON *object, const char *path, const struct train_config *config, struct kernel_choice *kernels) {
	const struct {
		const char *key;
		int64_t planned;
	} sizes[] = {
	    {"width", config->width}, {"depth", config->depth}, {"context", config->context}, {"batch", config->batch}};
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		double found;
		TRY(json_get_number(object, sizes[i].key, path, &found));
		if (found != (double)sizes[i].planned)
			return error_new(
			    ERROR_DATA, "%s: has a rung of %s %g where the plan has %lld", path, sizes[i].key, found,
			    (long long)sizes[i].planned);
	}
	return train_kernels_from_json(cJSON_GetObjectItemCaseSensitive(object, "kernels"), path, kernels);
}

static struct error *read_rungs(struct lab *lab, const cJSON *root, const char *path) {
	const cJSON *rungs = cJSON_GetObjectItemCaseSensitive(root, "rungs"), *object;
	const int count = cJSON_GetArraySize(rungs);
	double format;
	TRY(json_get_number(root, "format", path, &format));
	if (format != FORMAT)
		return error_new(ERROR_DATA, "%s: has the format %g; this program reads %d", path, format, FORMAT);
	if (count != lab->plan.rung_count)
		return error_new(ERROR_DATA, "%s: has %d rungs, but the plan %d", path, count, lab->plan.rung_count);
	int r = 0;
	cJSON_ArrayForEach(object, rungs) {
		TRY(read_rung(object, path, &lab->plan.rungs[r].config, &lab->kernels[r]));
		r++;
	}
	return NULL;
}

/* A run that begins needs them here; what is under way needs what its own checkpoint says. */
static struct error *check_available(const struct lab *lab, const char *path) {
	for (int r = 0; r < lab->plan.rung_count; r++) {
		const enum kernels kernels = lab->kernels[r].kernels;
		if (!kernels_available(kernels))
			return error_new(
			    ERROR_FAILED,
			    "%s: this ladder was begun with the kernels '%s', which this processor lacks; go on with it on one "
			    "that has them, or remove this file, and runs that have not begun will be computed with '%s'",
			    path, kernels_names[kernels], kernels_names[kernels_widest()]);
	}
	return NULL;
}

struct error *lab_read_kernels(struct lab *lab, bool *found) {
	char *path = path_join(lab->folder, "kernels.json");
	struct kernel_choice *kernels = array_new((size_t)lab->plan.rung_count, sizeof *kernels);
	cJSON *root = NULL;
	struct error *error = path && kernels ? NULL : error_memory(256);
	*found = !error && file_exists(path);
	if (!*found) goto done;
	free(lab->kernels);
	lab->kernels = kernels;
	kernels = NULL;
	error = json_read_sealed(path, 0, &root);
	if (!error) error = read_rungs(lab, root, path);
	if (error && error->kind == ERROR_DATA) {
		struct error *damage = error;
		error = error_new(
		    ERROR_DATA,
		    "%.800s; remove the file, and what is faster will be measured again for runs that have not begun",
		    damage->message);
		error_free(damage);
	}
	if (!error) error = check_available(lab, path);
done:
	cJSON_Delete(root);
	free(kernels);
	free(path);
	return error;
}

struct error *lab_write_kernels(struct lab *lab, const struct plan_speed *speed) {
	char *path = path_join(lab->folder, "kernels.json");
	struct kernel_choice *kernels = array_new((size_t)lab->plan.rung_count, sizeof *kernels);
	struct error *error = path && kernels ? NULL : error_memory(256);
	for (int r = 0; r < lab->plan.rung_count && !error; r++) kernels[r] = speed->rungs[r].kernels;
	if (!error) {
		free(lab->kernels);
		lab->kernels = kernels;
		kernels = NULL;
		error = write_kernels(lab, path);
	}
	free(kernels);
	free(path);
	return error;
}
