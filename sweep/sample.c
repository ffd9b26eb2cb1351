/* samples.json: what the largest rung writes, beside what the held-out text really goes on with. */
#include "sweep/sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The run of the most hidden parameters at its largest horizon, first seed. */
static const struct job *largest_run(const struct job_list *jobs, const struct corpus_info *corpus) {
	const struct job *best = NULL;
	double most = -1;
	for (int i = 0; i < jobs->count; i++) {
		const struct job *job = &jobs->items[i];
		if (job->kind != JOB_RUN) continue;
		const struct shape shape = train_shape(&job->config, corpus);
		const double size = shape_counts(&shape).hidden;
		if (size > most || (size == most && job->config.tokens > best->config.tokens)) {
			most = size;
			best = job;
		}
	}
	return best;
}

/* A good place to begin in the window: after a line's end, otherwise after a space, otherwise at its start. */
static struct error *find_start(struct corpus *corpus, const uint16_t *window, size_t count, size_t *start) {
	size_t after_space = 0;
	struct text piece = {0};
	struct error *error = NULL;
	*start = 0;
	for (size_t i = 0; i < count && !error && *start == 0; i++) {
		text_clear(&piece);
		error = corpus_decode(corpus, &window[i], 1, &piece);
		if (error || piece.length == 0) continue;
		const char last = piece.data[piece.length - 1];
		if (last == '\n') *start = i + 1;
		if (last == ' ' && after_space == 0) after_space = i + 1;
	}
	if (*start == 0) *start = after_space;
	text_free(&piece);
	return error;
}

/* From the middle of the held-out split: the prompt and its true continuation, `count` tokens. */
static struct error *read_passage(struct corpus *corpus, size_t count, uint16_t *passage) {
	enum { SEARCHED = 1000 };
	const uint64_t there = corpus_info(corpus)->tokens[SPLIT_HELD_OUT];
	const size_t searched = there / 2 > count + SEARCHED ? SEARCHED : 0;
	uint64_t place = there / 2 > count + searched ? there / 2 : 0;
	uint16_t window[SEARCHED];
	TRY(corpus_read(corpus, SPLIT_HELD_OUT, place, searched, window));
	size_t start = 0;
	if (searched) TRY(find_start(corpus, window, searched, &start));
	place += start;
	return corpus_read(corpus, SPLIT_HELD_OUT, place, count, passage);
}

/* A passage is cut between tokens, which may be in the middle of a character, and a model of bytes may write any: what is
 * no UTF-8 becomes U+FFFD, and so does a zero byte, which would end the string. */
static struct error *add_text(cJSON *root, const char *key, const struct text *bytes) {
	struct text text = {0};
	for (size_t at = 0; at < bytes->length;) {
		const char *here = bytes->data + at;
		const size_t length = *here ? utf8_length(here, bytes->length - at) : 0;
		if (length)
			text_add_bytes(&text, here, length);
		else
			text_add_string(&text, "\xef\xbf\xbd");
		at += length ? length : 1;
	}
	struct error *error = text_error(&text);
	if (!error && !cJSON_AddStringToObject(root, key, text.data ? text.data : "")) error = error_memory(text.length);
	text_free(&text);
	return error;
}

static struct error *add_tokens(
    cJSON *root, const char *key, const struct corpus *corpus, const uint16_t *tokens, size_t count) {
	struct text text = {0};
	struct error *error = corpus_decode(corpus, tokens, count, &text);
	if (!error) error = text_error(&text);
	if (!error) error = add_text(root, key, &text);
	text_free(&text);
	return error;
}

static struct error *write_json(
    const struct lab *lab, const struct job *job, const struct plan_sample *options, const uint16_t *passage,
    const struct text *written) {
	cJSON *root = cJSON_CreateObject();
	char *path = path_join(lab->folder, "samples.json");
	struct error *error = NULL;
	if (!root || !path || !cJSON_AddStringToObject(root, "id", job->id) ||
	    !json_add_number(root, "width", (double)job->config.width) ||
	    !json_add_number(root, "depth", (double)job->config.depth) ||
	    !json_add_number(root, "tokens", (double)job->config.tokens) ||
	    !json_add_number(root, "temperature", options->temperature))
		error = error_memory(256);
	if (!error) error = add_tokens(root, "prompt", lab->corpus, passage, (size_t)options->prompt);
	if (!error) error = add_text(root, "generated", written);
	if (!error) error = add_tokens(root, "held_out", lab->corpus, passage + options->prompt, (size_t)options->tokens);
	if (!error) error = json_write_sealed(path, root);
	free(path);
	cJSON_Delete(root);
	return error;
}

/* Whether the sample of this run is there already. */
static bool is_written(const struct lab *lab, const struct job *job) {
	char *path = path_join(lab->folder, "samples.json");
	cJSON *root = NULL;
	if (path && file_exists(path)) error_free(json_read(path, &root));
	const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "id"));
	const bool written = id && strcmp(id, job->id) == 0;
	cJSON_Delete(root);
	free(path);
	return written;
}

/* The final model of a run that is done: the one that its record was written with. */
static struct error *open_final(const struct job *job, struct model **model) {
	struct train_result result;
	char *path = path_join(job->folder, "model.safetensors");
	struct error *error = path ? train_result_read(job->folder, &result) : error_memory(256);
	if (!error && !file_exists(path) && errno == ENOENT) error = error_new(ERROR_DATA, "%s: is missing", path);
	if (!error) error = train_model_open(path, kernels_widest(), model);
	if (!error && train_weights_hash(*model) != result.weights_hash)
		error = error_new(ERROR_DATA, "%s: is not the model that run.json beside it was written with", path);
	if (error && error->kind == ERROR_DATA)
		error = error_within(
		    error, "no sample is written; to have the run trained again, remove its folder and repeat the command");
	free(path);
	return error;
}

struct error *sample_write(const struct lab *lab, const struct job_list *jobs) {
	const struct corpus_info *info = &lab->info;
	const struct job *job = largest_run(jobs, info);
	if (!job || job->state != JOB_DONE || is_written(lab, job) || !lab->corpus) return NULL;
	struct plan_sample options = lab->plan.sample;
	/* A short held-out split still gives a short sample. */
	const int64_t there = (int64_t)info->tokens[SPLIT_HELD_OUT];
	if (options.prompt > there / 2) options.prompt = there / 2;
	if (options.tokens > there - options.prompt) options.tokens = there - options.prompt;
	if (options.prompt < 1 || options.tokens < 1) return NULL;

	const size_t count = (size_t)(options.prompt + options.tokens);
	uint16_t *passage = array_new(count, sizeof *passage);
	struct model *model = NULL;
	struct text written = {0};
	struct error *error = passage ? read_passage(lab->corpus, count, passage) : error_memory(2 * count);
	if (!error) error = open_final(job, &model);
	if (!error)
		error = train_generate(
		    model, lab->corpus, passage, (size_t)options.prompt, options.tokens, options.temperature,
		    (uint64_t)options.seed, &written);
	if (!error && interrupt_pending())
		error = error_new(ERROR_INTERRUPTED, "interrupted while writing the sample; the same command goes on");
	if (!error) error = write_json(lab, job, &options, passage, &written);
	text_free(&written);
	model_close(model);
	free(passage);
	return error;
}
