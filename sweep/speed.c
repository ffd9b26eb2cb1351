/* LAB/speed.json: what was measured of the rungs, so that a sweep that goes on begins at once. It is of use on the machine
 * that it was measured on, with the same program and number of cores; otherwise, or when it is damaged, it is measured
 * again. Only the order of the jobs and the times that people are told depend on it. */
#include "sweep/sweep.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *key;
	size_t offset;
} rung_fields[] = {
    {"step", offsetof(struct rung_speed, step)},
    {"forward", offsetof(struct rung_speed, forward)},
    {"gain", offsetof(struct rung_speed, gain)},
};

static double *field_of(struct rung_speed *speed, size_t i) {
	return (double *)(void *)((char *)speed + rung_fields[i].offset);
}

/* What a measurement belongs to. */
static bool add_conditions(cJSON *root, int workers) {
	struct machine machine;
	machine_describe(&machine);
	return cJSON_AddStringToObject(root, "cpu", machine.cpu) &&
	       cJSON_AddStringToObject(root, "version", machine.version) && json_add_number(root, "cores", machine.cores) &&
	       json_add_number(root, "workers", workers);
}

struct error *speed_write(const char *path, const struct plan_speed *speed, int workers) {
	cJSON *root = cJSON_CreateObject(), *conditions = root ? cJSON_AddObjectToObject(root, "conditions") : NULL;
	bool good =
	    conditions && add_conditions(conditions, workers) && json_add_number(root, "peak_gflops", speed->peak_gflops);
	cJSON *rungs = good ? cJSON_AddArrayToObject(root, "rungs") : NULL;
	for (int r = 0; r < speed->rung_count && rungs; r++) {
		struct rung_speed rung = speed->rungs[r];
		cJSON *object = cJSON_CreateObject();
		good = good && object && cJSON_AddItemToArray(rungs, object) && json_add_number(object, "team", rung.team);
		for (size_t i = 0; i < COUNT_OF(rung_fields) && good; i++)
			good = json_add_number(object, rung_fields[i].key, *field_of(&rung, i));
	}
	struct error *error = good && rungs ? json_write(path, root) : error_memory(4096);
	cJSON_Delete(root);
	return error;
}

static bool read_rungs(const cJSON *root, const char *path, struct plan_speed *speed) {
	const cJSON *rungs = cJSON_GetObjectItemCaseSensitive(root, "rungs"), *object;
	struct error *error = json_get_number(root, "peak_gflops", path, &speed->peak_gflops);
	int r = 0;
	if (!error && cJSON_GetArraySize(rungs) != speed->rung_count) return false;
	cJSON_ArrayForEach(object, rungs) {
		double team = 0;
		if (!error) error = json_get_number(object, "team", path, &team);
		for (size_t i = 0; i < COUNT_OF(rung_fields) && !error; i++)
			error = json_get_number(object, rung_fields[i].key, path, field_of(&speed->rungs[r], i));
		if (!error && !(speed->rungs[r].step > 0 && team >= 0 && team <= 65536))
			error = error_new(ERROR_DATA, "%s", path);
		speed->rungs[r++].team = (int)team;
		if (error) break;
	}
	const bool good = !error;
	error_free(error);
	return good;
}

bool speed_read(const char *path, int rung_count, int workers, struct plan_speed *speed) {
	cJSON *root = NULL, *here = cJSON_CreateObject();
	*speed = (struct plan_speed){.rung_count = rung_count};
	speed->rungs = array_new((size_t)rung_count, sizeof *speed->rungs);
	bool good = speed->rungs && here && file_exists(path) && add_conditions(here, workers);
	if (good) {
		struct error *error = json_read(path, &root);
		good = !error && cJSON_Compare(cJSON_GetObjectItemCaseSensitive(root, "conditions"), here, true) &&
		       read_rungs(root, path, speed);
		error_free(error);
	}
	if (!good) {
		free(speed->rungs);
		*speed = (struct plan_speed){0};
	}
	cJSON_Delete(root);
	cJSON_Delete(here);
	return good;
}
