/* fuzz - what a hostile file or command line does to each reader; built by `make fuzz` with libFuzzer, AddressSanitizer and
 * UndefinedBehaviorSanitizer, once for each target (-DFUZZ_TARGET=name). Hashes always agree in that build (hash_agrees), or
 * nothing behind them would ever be reached. A target returns when the reader has refused or believed its input; whatever
 * it believed is then used. */
#include "data/data.h"
#include "data/import.h"
#include "fit/fit.h"
#include "sweep/sweep.h"
#include "train/state.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A file in memory with these bytes, by a path that can be opened; the caller closes *descriptor. */
#define PATH_SIZE 64
static bool file_of(const uint8_t *bytes, size_t count, char path[PATH_SIZE], int *descriptor) {
	*descriptor = memfd_create("fuzz", 0);
	if (*descriptor < 0) return false;
	snprintf(path, PATH_SIZE, "/proc/self/fd/%d", *descriptor);
	if (write(*descriptor, bytes, count) == (ssize_t)count) return true;
	close(*descriptor);
	return false;
}

/* ------------------------------------------------------------------------------------------------------------ corpus --- */

static void read_split(struct corpus *corpus, enum split split) {
	uint16_t tokens[64];
	struct text text = {0};
	const uint64_t total = corpus_info(corpus)->tokens[split];
	const size_t count = total < COUNT_OF(tokens) ? (size_t)total : COUNT_OF(tokens);
	struct error *error =
	    corpus_read(corpus, split, total / 2 < total - count ? total / 2 : total - count, count, tokens);
	if (!error) error = corpus_decode(corpus, tokens, count, &text);
	error_free(error);
	text_free(&text);
}

static void target_corpus(const uint8_t *bytes, size_t count) {
	char path[PATH_SIZE];
	int file;
	struct corpus *corpus = NULL;
	uint16_t *tokens = NULL;
	size_t token_count;
	if (!file_of(bytes, count, path, &file)) return;
	struct error *error = corpus_open(path, &corpus);
	if (!error) {
		read_split(corpus, SPLIT_TRAIN);
		read_split(corpus, SPLIT_HELD_OUT);
		error = corpus_encode(corpus, "The end.", 8, &tokens, &token_count);
		free(tokens);
	}
	error_free(error);
	corpus_close(corpus);
	close(file);
}

/* -------------------------------------------------------------------------------------------------------- checkpoint --- */

static void target_checkpoint(const uint8_t *bytes, size_t count) {
	char path[PATH_SIZE];
	int file;
	struct safetensors tensors;
	struct model *model = NULL;
	if (!file_of(bytes, count, path, &file)) return;
	struct error *error = safetensors_read(path, &tensors);
	if (!error) {
		float head[32];
		double number;
		const char *word;
		error_free(safetensors_copy(&tensors, path, "embedding", 1, 32, head));
		error_free(safetensors_number(&tensors, path, "step", &number));
		error_free(safetensors_text(&tensors, path, "corpus", &word));
		safetensors_free(&tensors);
		error = train_model_open(path, KERNELS_PLAIN, &model);
	}
	error_free(error);
	model_close(model);
	close(file);
}

/* ---------------------------------------------------------------------------------------------------- JSON: a plan --- */

static void target_plan(const uint8_t *bytes, size_t count) {
	cJSON *root = NULL;
	struct plan plan = {0};
	struct job_list jobs = {0};
	struct corpus_info corpus = {.tokenizer = "char", .vocab = 96, .hash = 1};
	corpus.tokens[SPLIT_TRAIN] = corpus.bytes[SPLIT_TRAIN] = 100000000;
	corpus.tokens[SPLIT_HELD_OUT] = corpus.bytes[SPLIT_HELD_OUT] = 1000000;
	struct error *error = json_parse("plan.json", (const char *)bytes, count, &root);
	if (!error) error = plan_parse(root, "plan.json", &plan);
	if (!error) error = plan_check(&plan, "plan.json", &corpus);
	if (!error && plan.rung_count < 100) error = jobs_make(&plan, &corpus, "lab", &jobs);
	cJSON *again = !error ? plan_to_json(&plan) : NULL;
	cJSON_Delete(again);
	error_free(error);
	jobs_free(&jobs);
	plan_free(&plan);
	cJSON_Delete(root);
}

/* ------------------------------------------------------------------------------------------------------- tables --- */

static void target_points(const uint8_t *bytes, size_t count) {
	/* By names of its own, and by all that can be asked for. */
	static const struct fit_extra extra[] = {{"x.y", NULL}};
	static const struct fit_input inputs[] = {
	    {.N = NULL},
	    {.N = "N",
	     .C = "C",
	     .loss = "loss",
	     .weight = "w",
	     .seed = "s",
	     .group = "g",
	     .D_scale = 1e3,
	     .where = {.items = {"D>1K", "`g`!=a"}, .count = 2},
	     .drop_highest = 1,
	     .skip_bad = true,
	     .extra = extra,
	     .extra_count = COUNT_OF(extra)}};
	struct fit_points points;
	struct fit_design design;
	for (size_t i = 0; i < COUNT_OF(inputs); i++) {
		struct error *error = fit_points_parse("points", (const char *)bytes, count, &inputs[i], &points);
		if (!error && points.count < 1000) error = fit_design_of(&points, &design);
		error_free(error);
		fit_points_free(&points);
	}
}

/* ------------------------------------------------------------------------------------------------------- import --- */

static struct error *take_file(void *context, const char *name, const char *format) {
	(void)context, (void)name, (void)format;
	return NULL;
}

static struct error *take_text(void *context, const char *bytes, size_t count) {
	size_t *total = context;
	/* Every byte is looked at, so that a piece that is not there would be noticed. */
	for (size_t i = 0; i < count; i++) *total += bytes[i] == '\n';
	return NULL;
}

static struct error *take_end(void *context) {
	(void)context;
	return NULL;
}

static void take_progress(void *context, double done, double total) {
	(void)context, (void)done, (void)total;
}

/* The first byte says how the rest is read: as text, as JSON lines, as whatever its own first bytes say (zstd, gzip). */
static void target_import(const uint8_t *bytes, size_t count) {
	char path[PATH_SIZE];
	int file;
	size_t lines = 0;
	struct documents_report report;
	if (count < 1 || !file_of(bytes + 1, count - 1, path, &file)) return;
	const struct documents_options options = {.jsonl = bytes[0] & 1, .binary = bytes[0] & 2, .field = "text"};
	const struct documents_sink sink = {&lines, take_file, take_text, take_end, take_progress};
	const char *const paths[] = {path};
	error_free(documents_read(paths, 1, &options, &sink, &report));
	close(file);
}

/* -------------------------------------------------------------------------------------------------- command line --- */

/* One of every kind. */
struct every_kind {
	struct train_config config;
	bool flag;
	int64_t number;
	double real;
	const char *text;
	struct option_list list;
};
#define KIND(field) offsetof(struct every_kind, field)
static const struct option_row every_kind_rows[] = {
    {"flag", OPTION_FLAG, KIND(flag), "", 0, 0, "a flag", NULL},
    {"number", OPTION_COUNT, KIND(number), "5", 1, 1e6, "a number", "n"},
    {"real", OPTION_REAL, KIND(real), "0.5", 0, 0, "a number", "x"},
    {"text", OPTION_TEXT, KIND(text), "", 0, 0, "a text", "T"},
    {"list", OPTION_LIST, KIND(list), "", 0, 0, "texts", "T"},
};

/* Arguments are what stands between zero bytes. */
static void target_options(const uint8_t *bytes, size_t count) {
	struct option_row rows[64];
	char *argv[34], *copy = malloc(count + 1);
	struct every_kind target = {.flag = false};
	struct operands operands = {0};
	int argc = 1;
	bool help = false;
	if (!copy) return;
	memcpy(copy, bytes, count);
	copy[count] = '\0';
	argv[0] = (char *)"rung";
	for (size_t at = 0; at < count && argc < 33; at += strlen(copy + at) + 1) argv[argc++] = copy + at;
	argv[argc] = NULL;
	memcpy(rows, every_kind_rows, sizeof every_kind_rows);
	memcpy(rows + COUNT_OF(every_kind_rows), train_config_rows, train_config_row_count * sizeof *rows);
	const size_t row_count = COUNT_OF(every_kind_rows) + train_config_row_count;
	struct error *error = options_parse(rows, row_count, &target, argc, argv, &operands, &help);
	cJSON *object = cJSON_CreateObject();
	if (!error && object) error = options_to_json(rows, row_count, &target, object);
	cJSON_Delete(object);
	error_free(error);
	free(operands.items);
	free(copy);
}

/* --------------------------------------------------------------------------------------------------- records --- */

/* run.json of the folder that scripts/fuzz.sh has made in memory, else of this one. */
static void target_record(const uint8_t *bytes, size_t count) {
	const char *given = getenv("RUNG_FUZZ_FOLDER"), *folder = given ? given : ".";
	char path[4096];
	struct train_result result;
	snprintf(path, sizeof path, "%s/run.json", folder);
	const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (file < 0 || write(file, bytes, count) != (ssize_t)count) return;
	close(file);
	error_free(train_result_read(folder, &result));
	unlink(path);
}

/* ------------------------------------------------------------------------------------------------------------- main --- */

static const struct {
	const char *name;
	void (*run)(const uint8_t *bytes, size_t count);
} targets[] = {
    {"corpus", target_corpus}, {"checkpoint", target_checkpoint}, {"plan", target_plan},     {"points", target_points},
    {"import", target_import}, {"options", target_options},       {"record", target_record},
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
	for (size_t i = 0; i < COUNT_OF(targets); i++)
		if (strcmp(targets[i].name, FUZZ_TARGET) == 0) targets[i].run(bytes, count);
	return 0;
}
