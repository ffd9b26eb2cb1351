/* Checkpoints: weights in one file that others can read, moments and counters in a second one that names the first's hash.
 * The second is written last, so a pair is whole or not there. */
#include "train/state.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WEIGHTS_SUFFIX ".safetensors"

/* ------------------------------------------------------------------------------------------------------ metadata --- */

static bool add_text(cJSON *object, const char *key, const char *value) {
	return cJSON_AddStringToObject(object, key, value) != NULL;
}

/* Safetensors metadata are strings; 17 digits bring back every double. */
static bool add_number(cJSON *object, const char *key, double value) {
	char text[40];
	snprintf(text, sizeof text, "%.17g", value);
	return add_text(object, key, text);
}

static cJSON *owner_metadata(const struct checkpoint_owner *owner, const struct model *model, int64_t step) {
	cJSON *meta = cJSON_CreateObject();
	char hex[HASH_HEX_SIZE];
	const struct shape shape = train_shape(owner->config, owner->corpus);
	const double tokens = (double)(step * train_steps(owner->config).tokens_per_step);
	if (meta && add_text(meta, "format", "rung 1") && add_text(meta, "id", owner->id) &&
	    add_text(meta, "recipe", owner->recipe) && add_number(meta, "step", (double)step) &&
	    add_number(meta, "tokens", tokens) && add_number(meta, "vocab", shape.vocab) &&
	    add_number(meta, "context", shape.context) && add_number(meta, "width", shape.width) &&
	    add_number(meta, "depth", shape.depth) && add_text(meta, "corpus", owner->corpus_path) &&
	    add_text(meta, "corpus_hash", hash_hex(owner->corpus->hash, hex)) &&
	    add_text(meta, "tokenizer", owner->corpus->tokenizer) &&
	    kernels_to_metadata(meta, model_kernels(model), owner->machine->blas))
		return meta;
	cJSON_Delete(meta);
	return NULL;
}

/* -------------------------------------------------------------------------------------------------------- tensors --- */

/* Views of one parameter-shaped arena, names prefixed. */
static void fill_views(
    struct tensor_view *views, const struct tensor_table *table, const char *prefix, const float *data) {
	for (int i = 0; i < table->count; i++) {
		const struct tensor *tensor = &table->rows[i];
		views[i] = (struct tensor_view){.rows = tensor->rows, .cols = tensor->cols, .data = data + tensor->offset};
		snprintf(views[i].name, sizeof views[i].name, "%s%s", prefix, tensor->name);
	}
}

static struct error *copy_tensors(
    const struct safetensors *file, const char *path, const struct tensor_table *table, const char *prefix,
    float *data) {
	for (int i = 0; i < table->count; i++) {
		const struct tensor *tensor = &table->rows[i];
		char name[48];
		snprintf(name, sizeof name, "%s%s", prefix, tensor->name);
		TRY(safetensors_copy(file, path, name, tensor->rows, tensor->cols, data + tensor->offset));
	}
	return NULL;
}

/* Of the numbers alone, tensor by tensor: the same for two runs that came to the same weights by different ways. */
uint64_t train_weights_hash(struct model *model) {
	const struct tensor_table *table = model_tensors(model);
	uint64_t hash = 0;
	for (int i = 0; i < table->count; i++) {
		const struct tensor *tensor = &table->rows[i];
		const size_t count = (size_t)tensor->rows * (size_t)tensor->cols;
		hash = hash_bytes(model_parameters(model) + tensor->offset, count * sizeof(float), hash);
	}
	return hash;
}

struct error *weights_write(
    const char *path, struct model *model, const struct checkpoint_owner *owner, int64_t step, uint64_t *hash,
    uint64_t *file_hash) {
	const struct tensor_table *table = model_tensors(model);
	struct tensor_view *views = array_new((size_t)table->count, sizeof *views);
	cJSON *meta = owner_metadata(owner, model, step);
	struct error *error = NULL;
	if (!views || !meta) {
		error = error_memory((size_t)table->count * sizeof *views);
		goto done;
	}
	fill_views(views, table, "", model_parameters(model));
	*hash = train_weights_hash(model);
	error = safetensors_write(path, views, (size_t)table->count, meta, file_hash);
done:
	free(views);
	cJSON_Delete(meta);
	return error;
}

/* ---------------------------------------------------------------------------------------------------- write, read --- */

static char *with_suffix(const char *stem, const char *suffix) {
	struct text text = {0};
	text_add(&text, "%s%s", stem, suffix);
	if (text.failed) text_free(&text);
	return text.data;
}

/* The counters of the state that travel as metadata. */
static const struct {
	const char *key;
	size_t offset;
	bool whole;  /* int64_t, otherwise double */
	bool shared; /* a run goes on with its trunk's when it begins from a branch of it */
} counters[] = {
    {"loss_sum", offsetof(struct train_state, loss_sum), false, false},
    {"loss_count", offsetof(struct train_state, loss_count), true, false},
    {"tail_sum", offsetof(struct train_state, tail_sum), false, false},
    {"tail_count", offsetof(struct train_state, tail_count), true, false},
    {"clipped", offsetof(struct train_state, clipped), true, false},
    {"held_out", offsetof(struct train_state, held_out), false, false},
    {"seconds", offsetof(struct train_state, seconds), false, false},
    {"step_seconds", offsetof(struct train_state, step_seconds), false, false},
    {"core_seconds", offsetof(struct train_state, core_seconds), false, false},
    {"trained_tokens", offsetof(struct train_state, trained_tokens), false, false},
    {"smooth_sum", offsetof(struct train_state, smooth_sum), false, true},
    {"smooth_weight", offsetof(struct train_state, smooth_weight), false, true},
    {"lowest", offsetof(struct train_state, lowest), false, true},
    {"rise", offsetof(struct train_state, rise), false, true},
    {"highest_rise", offsetof(struct train_state, highest_rise), false, true},
    {"proven", offsetof(struct train_state, proven), true, false},
    {"settled", offsetof(struct train_state, settled), true, false},
    {"settling", offsetof(struct train_state, settling), true, false},
};

struct error *checkpoint_write(const char *stem, struct train_state *state, const struct checkpoint_owner *owner) {
	const struct tensor_table *table = model_tensors(state->model);
	const size_t count = (size_t)table->count;
	char *weights_path = with_suffix(stem, WEIGHTS_SUFFIX), *state_path = with_suffix(stem, STATE_SUFFIX);
	struct tensor_view *views = array_new(2 * count, sizeof *views);
	cJSON *meta = owner_metadata(owner, state->model, state->step);
	struct error *error = NULL;
	if (!weights_path || !state_path || !views || !meta) {
		error = error_memory(2 * count * sizeof *views);
		goto done;
	}
	uint64_t hash, file_hash;
	error = text_error(&state->log); /* with a line missing it would go on as if it were whole */
	if (!error) error = weights_write(weights_path, state->model, owner, state->step, &hash, &file_hash);
	if (error) goto done;

	char hex[HASH_HEX_SIZE];
	bool added = add_text(meta, "weights_xxh64", hash_hex(file_hash, hex)) &&
	             add_text(meta, "log", state->log.data ? state->log.data : "");
	for (size_t i = 0; i < COUNT_OF(counters) && added; i++) {
		const char *field = (const char *)state + counters[i].offset;
		added = add_number(
		    meta, counters[i].key,
		    counters[i].whole ? (double)*(const int64_t *)(const void *)field : *(const double *)(const void *)field);
	}
	if (!added) {
		error = error_memory(state->log.length);
		goto done;
	}
	fill_views(views, table, "first.", state->optimizer.first);
	fill_views(views + count, table, "second.", state->optimizer.second);
	error = safetensors_write(state_path, views, 2 * count, meta, &file_hash);
done:
	free(weights_path);
	free(state_path);
	free(views);
	cJSON_Delete(meta);
	return error;
}

static struct error *check_text(
    const struct safetensors *file, const char *path, const char *key, const char *expected, const char *meaning) {
	const char *found;
	TRY(safetensors_text(file, path, key, &found));
	if (strcmp(found, expected) == 0) return NULL;
	return error_new(
	    ERROR_DATA, "%s: belongs to %s %s, expected %s; it was made with other settings or another corpus", path,
	    meaning, found, expected);
}

static struct error *read_counters(
    const struct safetensors *file, const char *path, bool branch, struct train_state *state) {
	for (size_t i = 0; i < COUNT_OF(counters); i++) {
		double value;
		if (branch && !counters[i].shared) continue;
		TRY(safetensors_number(file, path, counters[i].key, &value));
		char *field = (char *)state + counters[i].offset;
		if (counters[i].whole)
			TRY(whole_number(value, counters[i].key, path, (int64_t *)(void *)field));
		else
			*(double *)(void *)field = value;
	}
	return NULL;
}

static struct error *read_log(const struct safetensors *file, const char *path, struct train_state *state) {
	const char *log;
	TRY(safetensors_text(file, path, "log", &log));
	text_clear(&state->log);
	text_add_string(&state->log, log);
	return text_error(&state->log);
}

/* Both files of a pair, whole and of each other. The caller frees *weights and *rest in any case. */
static struct error *read_pair(
    const char *weights_path, const char *state_path, struct safetensors *weights, struct safetensors *rest) {
	char hex[HASH_HEX_SIZE];
	*weights = (struct safetensors){0};
	TRY(safetensors_read(state_path, rest));
	if (!file_exists(weights_path) && errno == ENOENT)
		return error_new(
		    ERROR_DATA, "%s: is missing, and so the checkpoint is damaged, whose other half is %s", weights_path,
		    state_path);
	TRY(safetensors_read(weights_path, weights));
	return check_text(rest, state_path, "weights_xxh64", hash_hex(weights->hash, hex), "the weights file");
}

static struct error *read_step(const struct safetensors *rest, const char *state_path, int64_t *step) {
	double number;
	TRY(safetensors_number(rest, state_path, "step", &number));
	return whole_number(number, "step", state_path, step);
}

struct error *checkpoint_check(const char *stem, const char *recipe, int64_t step) {
	char *weights_path = with_suffix(stem, WEIGHTS_SUFFIX), *state_path = with_suffix(stem, STATE_SUFFIX);
	struct safetensors weights = {0}, rest = {0};
	int64_t found;
	struct error *error =
	    weights_path && state_path ? read_pair(weights_path, state_path, &weights, &rest) : error_memory(strlen(stem));
	if (!error) error = check_text(&rest, state_path, "recipe", recipe, "recipe");
	if (!error) error = read_step(&rest, state_path, &found);
	if (!error && found != step)
		error =
		    error_new(ERROR_DATA, "%s: is at step %lld, expected %lld", state_path, (long long)found, (long long)step);
	free(weights_path);
	free(state_path);
	safetensors_free(&weights);
	safetensors_free(&rest);
	return error;
}

struct error *checkpoint_read(
    const char *stem, struct train_state *state, const struct checkpoint_owner *owner, bool branch) {
	char *weights_path = with_suffix(stem, WEIGHTS_SUFFIX), *state_path = with_suffix(stem, STATE_SUFFIX);
	struct safetensors weights = {0}, rest = {0};
	struct error *error = NULL;
	if (!weights_path || !state_path) {
		error = error_memory(strlen(stem));
		goto done;
	}
	error = read_pair(weights_path, state_path, &weights, &rest);
	if (error) goto done;

	error = check_text(&rest, state_path, "recipe", owner->recipe, "recipe");
	if (!error && !branch) error = check_text(&rest, state_path, "id", owner->id, "run");
	int64_t step;
	if (!error) error = read_step(&rest, state_path, &step);
	struct kernel_choice kernels;
	if (!error) error = kernels_from_metadata(rest.metadata, state_path, owner->machine->blas, &kernels);
	const struct tensor_table *table = model_tensors(state->model);
	if (!error) error = copy_tensors(&weights, weights_path, table, "", model_parameters(state->model));
	if (!error) error = copy_tensors(&rest, state_path, table, "first.", state->optimizer.first);
	if (!error) error = copy_tensors(&rest, state_path, table, "second.", state->optimizer.second);
	if (!error) error = read_counters(&rest, state_path, branch, state);
	if (!error && !branch) error = read_log(&rest, state_path, state);
	if (!error) error = model_use_kernels(state->model, kernels);
	if (!error) state->step = step;
done:
	free(weights_path);
	free(state_path);
	safetensors_free(&weights);
	safetensors_free(&rest);
	return error;
}

/* ----------------------------------------------------------------------------------- the two latest of a running run --- */

enum { LATEST = 2, MOST_CHECKPOINTS = 16 };

/* Steps that have a state file, newest first, at most MOST_CHECKPOINTS. A folder that cannot be read is an error: taken for
 * an empty one, the run would begin anew. */
static struct error *list_steps(const char *folder, long long steps[MOST_CHECKPOINTS], int *count) {
	DIR *directory = opendir(folder);
	*count = 0;
	if (!directory) return errno == ENOENT ? NULL : error_system("read the folder", folder);
	struct dirent *entry;
	while ((errno = 0, entry = readdir(directory))) {
		long long step;
		int used = 0;
		if (sscanf(entry->d_name, "step-%12lld%n", &step, &used) != 1 ||
		    strcmp(entry->d_name + used, STATE_SUFFIX) != 0)
			continue;
		int at = *count < MOST_CHECKPOINTS ? (*count)++ : MOST_CHECKPOINTS - 1;
		while (at > 0 && steps[at - 1] < step) {
			steps[at] = steps[at - 1];
			at--;
		}
		steps[at] = step;
	}
	struct error *error = errno ? error_system("read the folder", folder) : NULL;
	closedir(directory);
	return error;
}

char *checkpoint_name(int64_t step, char out[CHECKPOINT_NAME_SIZE]) {
	snprintf(out, CHECKPOINT_NAME_SIZE, "step-%012lld", (long long)step);
	return out;
}

static char *step_stem(const char *folder, int64_t step) {
	char name[CHECKPOINT_NAME_SIZE];
	return path_join(folder, checkpoint_name(step, name));
}

/* Removes every checkpoint but those of the `count` steps in `keep`, and what killed processes left half written. Best
 * effort: a file that stays costs space, nothing else. */
static void remove_others(const char *folder, const long long *keep, int count) {
	DIR *directory = opendir(folder);
	if (!directory) return;
	for (struct dirent *entry; (entry = readdir(directory));) {
		long long step;
		int used = 0;
		if (sscanf(entry->d_name, "step-%12lld%n", &step, &used) != 1) continue;
		const char *rest = entry->d_name + used;
		bool wanted = strcmp(rest, STATE_SUFFIX) == 0 || strcmp(rest, WEIGHTS_SUFFIX) == 0;
		int i = 0;
		while (i < count && keep[i] != step) i++;
		wanted = wanted && i < count;
		char *path = wanted ? NULL : path_join(folder, entry->d_name);
		if (path) unlink(path);
		free(path);
	}
	closedir(directory);
}

struct error *checkpoint_latest(
    const char *folder, struct train_state *state, const struct checkpoint_owner *owner, bool *found,
    struct error **damage) {
	long long steps[MOST_CHECKPOINTS];
	int count;
	*found = false;
	*damage = NULL;
	TRY(list_steps(folder, steps, &count));
	for (int i = 0; i < count && !*found; i++) {
		char *stem = step_stem(folder, steps[i]);
		if (!stem) return error_memory(64);
		struct error *error = checkpoint_read(stem, state, owner, false);
		free(stem);
		if (!error) {
			*found = true;
		} else if (error->kind != ERROR_DATA) {
			return error;
		} else {
			error_free(*damage);
			*damage = error;
		}
	}
	return NULL;
}

struct error *checkpoint_save(const char *folder, struct train_state *state, const struct checkpoint_owner *owner) {
	char *stem = step_stem(folder, state->step);
	if (!stem) return error_memory(64);
	struct error *error = checkpoint_write(stem, state, owner);
	free(stem);
	if (error) return error;
	long long steps[MOST_CHECKPOINTS];
	int count;
	TRY(list_steps(folder, steps, &count));
	const int latest = count < LATEST ? count : LATEST;
	if (count == 0) return error_new(ERROR_FAILED, "%s: the checkpoint that was just written is not there", folder);
	const long long kept[] = {steps[0], steps[latest - 1], state->proven, state->settled, state->settling};
	remove_others(folder, kept, COUNT_OF(kept));
	return NULL;
}

void checkpoint_keep(const char *folder, int64_t step) {
	remove_others(folder, &(long long){step}, 1);
}

void checkpoint_remove_all(const char *folder) {
	remove_others(folder, NULL, 0);
}

void train_clean(const char *folder) {
	checkpoint_remove_all(folder);
}
