/* run.json: the config, the result, the machine. One table serves writing and reading the result. */
#include "train/state.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_LOG ((size_t)1 << 30) /* bytes */

static const struct {
	const char *key;
	size_t offset;
	bool whole; /* int64_t, otherwise double */
} fields[] = {
#define WHOLE(field)                                                                                                   \
	{ #field, offsetof(struct train_result, field), true }
#define NUMBER(field)                                                                                                  \
	{ #field, offsetof(struct train_result, field), false }
    WHOLE(steps),
    WHOLE(tokens),
    NUMBER(loss),
    NUMBER(loss_error),
    NUMBER(bits_per_byte),
    NUMBER(train_loss),
    NUMBER(clipped),
    NUMBER(flops),
    NUMBER(trained_tokens),
    NUMBER(seconds),
    NUMBER(step_seconds),
    NUMBER(core_seconds),
    NUMBER(tokens_per_second),
    NUMBER(gflops),
    NUMBER(peak_gflops),
    NUMBER(peak_fraction),
    NUMBER(memory_bytes),
#undef WHOLE
#undef NUMBER
};

static const char *const status_names[] = {
    [RECORD_RUNNING] = "running", [RECORD_DONE] = "done", [RECORD_DIVERGED] = "diverged"};

static bool add_shape(cJSON *root, const struct checkpoint_owner *owner) {
	const struct shape shape = train_shape(owner->config, owner->corpus);
	const struct counts counts = shape_counts(&shape);
	cJSON *object = cJSON_AddObjectToObject(root, "shape");
	if (!object || !json_add_number(object, "vocab", shape.vocab) || !json_add_number(object, "N", counts.hidden) ||
	    !json_add_number(object, "N_matmul", counts.matmul) || !json_add_number(object, "N_all", counts.all))
		return false;
	cJSON *groups = cJSON_AddObjectToObject(object, "parameters");
	for (int g = 0; g < GROUP_COUNT && groups; g++)
		if (!json_add_number(groups, group_names[g], counts.parameters[g])) return false;
	return groups && json_add_number(object, "forward_flops", counts.forward_flops) &&
	       json_add_number(object, "train_flops", counts.train_flops) &&
	       json_add_number(object, "attention_flops", counts.attention_flops);
}

/* How a diverged run came to its end. */
static bool add_end(cJSON *result, const struct train_end *end) {
	cJSON *object = cJSON_AddObjectToObject(result, "divergence");
	return object && cJSON_AddStringToObject(object, "reason", divergence_reason(end->reason)) &&
	       json_add_number(object, "step", (double)end->step) && json_add_number(object, "loss", end->loss) &&
	       json_add_number(object, "gradient_norm", end->gradient_norm) &&
	       json_add_number(object, "smoothed", end->smoothed) && json_add_number(object, "lowest", end->lowest) &&
	       cJSON_AddStringToObject(object, "checkpoint", end->checkpoint);
}

static bool add_result(cJSON *root, const struct train_result *result) {
	cJSON *object = cJSON_AddObjectToObject(root, "result");
	if (!object) return false;
	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		const char *field = (const char *)result + fields[i].offset;
		const double value =
		    fields[i].whole ? (double)*(const int64_t *)(const void *)field : *(const double *)(const void *)field;
		if (!json_add_number(object, fields[i].key, value)) return false;
	}
	char hex[HASH_HEX_SIZE];
	return json_add_number(object, "highest_rise", result->highest_rise) &&
	       cJSON_AddStringToObject(object, "weights_hash", hash_hex(result->weights_hash, hex)) &&
	       cJSON_AddStringToObject(object, "log_hash", hash_hex(result->log_hash, hex)) &&
	       (!result->diverged || add_end(object, &result->end));
}

static bool add_kernels(cJSON *root, struct kernel_choice kernels) {
	cJSON *object = train_kernels_to_json(kernels);
	return object && cJSON_AddItemToObject(root, "kernels", object);
}

struct error *record_write(
    const char *folder, const struct checkpoint_owner *owner, bool trunk, enum record_status status,
    struct kernel_choice kernels, const struct train_result *result) {
	cJSON *root = cJSON_CreateObject();
	char *path = path_join(folder, "run.json"), hex[HASH_HEX_SIZE];
	struct error *error = NULL;
	cJSON *config, *corpus, *system;
	if (!root || !path || !cJSON_AddNumberToObject(root, "format", TRAIN_RECORD_FORMAT) ||
	    !cJSON_AddStringToObject(root, "id", owner->id) ||
	    !cJSON_AddStringToObject(root, "kind", trunk ? "trunk" : "run") ||
	    !cJSON_AddStringToObject(root, "status", status_names[status]) ||
	    !(config = cJSON_AddObjectToObject(root, "config")) || !(corpus = cJSON_AddObjectToObject(root, "corpus")) ||
	    !cJSON_AddStringToObject(corpus, "path", owner->corpus_path) ||
	    !cJSON_AddStringToObject(corpus, "hash", hash_hex(owner->corpus->hash, hex)) ||
	    !cJSON_AddStringToObject(corpus, "description", owner->corpus->description) || !add_shape(root, owner) ||
	    !add_kernels(root, kernels) || (result && !add_result(root, result)) ||
	    !(system = cJSON_AddObjectToObject(root, "machine"))) {
		error = error_memory(4096);
		goto done;
	}
	error = options_to_json(train_config_rows, train_config_row_count, owner->config, config);
	if (!error) error = machine_to_json(owner->machine, system);
	if (!error) error = json_write_sealed(path, root);
done:
	cJSON_Delete(root);
	free(path);
	return error;
}

static struct error *read_hash(const cJSON *object, const char *key, const char *path, uint64_t *hash) {
	const char *hex;
	TRY(json_get_text(object, key, path, &hex));
	if (hash_from_hex(hex, hash)) return NULL;
	return error_new(ERROR_DATA, "%s: %s is '%s', expected 16 hexadecimal digits", path, key, hex);
}

static struct error *read_result(const cJSON *root, const char *path, struct train_result *result) {
	const cJSON *object = cJSON_GetObjectItemCaseSensitive(root, "result");
	if (!cJSON_IsObject(object)) return error_new(ERROR_DATA, "%s: has no \"result\"", path);
	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		double value;
		TRY(json_get_number(object, fields[i].key, path, &value));
		char *field = (char *)result + fields[i].offset;
		if (fields[i].whole)
			TRY(whole_number(value, fields[i].key, path, (int64_t *)(void *)field));
		else
			*(double *)(void *)field = value;
	}
	TRY(read_hash(object, "weights_hash", path, &result->weights_hash));
	if (!cJSON_HasObjectItem(object, "log_hash")) return NULL;
	return read_hash(object, "log_hash", path, &result->log_hash);
}

struct error *record_read(const char *folder, const char *id, enum record_status *status, struct train_result *result) {
	*status = RECORD_NONE;
	*result = (struct train_result){.kernels = {.kernels = KERNELS_COUNT}};
	char *path = path_join(folder, "run.json");
	if (!path) return error_memory(strlen(folder));
	struct error *error = NULL;
	cJSON *root = NULL;
	if (!file_exists(path)) goto done;
	error = json_read_sealed(path, TRAIN_RECORD_FORMAT, &root);
	const char *name = NULL, *found = NULL;
	if (!error) error = json_get_text(root, "id", path, &found);
	if (!error && id && strcmp(found, id) != 0)
		error = error_new(
		    ERROR_DATA,
		    "%s: belongs to the run %s, but these options and this corpus make the run %s; take another folder, or "
		    "remove "
		    "this one",
		    path, found, id);
	if (!error) error = json_get_text(root, "status", path, &name);
	if (error) goto done;
	for (int s = RECORD_RUNNING; s <= RECORD_DIVERGED; s++)
		if (strcmp(name, status_names[s]) == 0) *status = (enum record_status)s;
	if (*status == RECORD_NONE)
		error = error_new(ERROR_DATA, "%s: status is '%s', expected running, done or diverged", path, name);
	else if (*status != RECORD_RUNNING)
		error = read_result(root, path, result);
	const cJSON *kernels = cJSON_GetObjectItemCaseSensitive(root, "kernels");
	if (!error && kernels) error = train_kernels_from_json(kernels, path, &result->kernels);
	result->diverged = *status == RECORD_DIVERGED;
done:
	cJSON_Delete(root);
	free(path);
	return error;
}

struct error *train_result_read(const char *folder, struct train_result *result) {
	enum record_status status;
	TRY(record_read(folder, NULL, &status, result));
	if (status == RECORD_DONE || status == RECORD_DIVERGED) return NULL;
	return error_new(ERROR_DATA, "%s: the run is not finished", folder);
}

struct error *train_log_check(const char *folder, const struct train_result *result) {
	char *path = path_join(folder, "log.jsonl"), found[HASH_HEX_SIZE], wanted[HASH_HEX_SIZE];
	struct text log = {0};
	struct error *error = path ? NULL : error_memory(strlen(folder));
	if (error || result->log_hash == 0) goto done;
	if (!file_exists(path) && errno == ENOENT)
		error = error_new(ERROR_DATA, "%s: is missing, but the run's record has it", path);
	if (!error) error = file_read(path, LONGEST_LOG, &log);
	const uint64_t hash = error ? 0 : hash_bytes(log.data, log.length, 0);
	if (!error && hash != result->log_hash)
		error = error_new(
		    ERROR_DATA, "%s: the hash of its bytes is %s, but the run's record says %s", path, hash_hex(hash, found),
		    hash_hex(result->log_hash, wanted));
done:
	text_free(&log);
	free(path);
	return error;
}
