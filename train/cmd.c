/* rung train, rung eval, rung sample: options in, messages out. */
#include "train/state.h"
#include "train/team.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------------------------------------------------- rung train --- */

struct train_options {
	struct train_config config; /* first: the config's table serves it */
	const char *corpus, *out, *kernels, *blas, *job;
	int64_t threads;
	double checkpoint_seconds;
	bool json, quiet;
};

#define FIELD(field) offsetof(struct train_options, field)
static const struct option_row train_rows[] = {
    {"corpus", OPTION_TEXT, FIELD(corpus), "", 0, 0, "the corpus file, from 'rung data'", "FILE"},
    {"out", OPTION_TEXT, FIELD(out), "", 0, 0, "folder for the record, the log and the checkpoints", "DIR"},
    {"job", OPTION_TEXT, FIELD(job), "", 0, 0,
     "take config, corpus, starting point and branches from this file, in whose folder the run lives (what 'rung "
     "sweep' "
     "does)",
     "FILE"},
    {"kernels", OPTION_TEXT, FIELD(kernels), "auto", 0, 0,
     "auto: the widest vectors of this processor; or avx512, avx2, portable, blas, plain", "NAME"},
    {"blas", OPTION_TEXT, FIELD(blas), "", 0, 0, BLAS_HELP, "LIST"},
    {"threads", OPTION_COUNT, FIELD(threads), "1", 1, 1024,
     "threads, of use up to one for each 256 tokens of a step; they change no bit of the result", "n"},
    {"checkpoint-seconds", OPTION_REAL, FIELD(checkpoint_seconds), "30", 0, 1e9,
     "time between checkpoints; 0: every step", "s"},
    {"json", OPTION_FLAG, FIELD(json), "", 0, 0, "progress, notes and result as JSON lines on standard output", NULL},
    {"quiet", OPTION_FLAG, FIELD(quiet), "", 0, 0, "no progress", NULL},
};
#undef FIELD

/* What on_progress needs. */
struct display {
	struct progress progress;
	bool json;
};

/* `whole`: none of its members was lost for want of memory. */
static struct error *print_event(cJSON *event, bool whole) {
	char *line = whole ? cJSON_PrintUnformatted(event) : NULL;
	cJSON_Delete(event);
	if (!line) return error_memory(4096);
	puts(line);
	fflush(stdout);
	free(line);
	return NULL;
}

static void show_progress(void *context, const struct train_progress *p) {
	struct display *display = context;
	if (display->json) {
		cJSON *event = cJSON_CreateObject();
		const bool whole = event && cJSON_AddStringToObject(event, "event", "progress") &&
		                   json_add_number(event, "step", (double)p->step) &&
		                   json_add_number(event, "steps", (double)p->steps) &&
		                   json_add_number(event, "loss", p->loss) && json_add_number(event, "held_out", p->held_out) &&
		                   json_add_number(event, "tokens_per_second", p->tokens_per_second);
		error_free(print_event(event, whole)); /* there will be another one */
		return;
	}
	char speed[HUMAN_SIZE], line[200], held_out[40] = "";
	if (!isnan(p->held_out)) snprintf(held_out, sizeof held_out, "  held-out %.4f", p->held_out);
	snprintf(
	    line, sizeof line, "step %lld of %lld  loss %.4f%s  %s tokens/s", (long long)p->step, (long long)p->steps,
	    p->loss, held_out, human_count(p->tokens_per_second, speed));
	progress_show(&display->progress, line);
}

static void show_message(void *context, const char *message) {
	struct display *display = context;
	if (display->json) {
		cJSON *event = cJSON_CreateObject();
		const bool whole =
		    event && cJSON_AddStringToObject(event, "event", "note") && cJSON_AddStringToObject(event, "text", message);
		error_free(print_event(event, whole));
		return;
	}
	progress_say(&display->progress, "note: %s", message);
}

/* Without an error where there is but one sequence to tell it from. */
static void print_loss(double loss, double loss_error, double bits_per_byte) {
	printf("held-out loss   %.4f ", loss);
	if (isnan(loss_error))
		printf("(error unknown: one sequence)");
	else
		printf("+- %.4f", loss_error);
	printf(" nats per token");
	if (!isnan(bits_per_byte)) printf(", %.4f bits per byte", bits_per_byte);
	printf("\n");
}

static struct error *print_result(
    const struct train_options *options, const struct train_job *job, const struct train_result *r) {
	if (options->json) {
		cJSON *event = cJSON_CreateObject();
		const bool whole =
		    event && cJSON_AddStringToObject(event, "event", "done") &&
		    json_add_number(event, "steps", (double)r->steps) && json_add_number(event, "tokens", (double)r->tokens) &&
		    json_add_number(event, "loss", r->loss) && json_add_number(event, "loss_error", r->loss_error) &&
		    json_add_number(event, "bits_per_byte", r->bits_per_byte) &&
		    json_add_number(event, "tokens_per_second", r->tokens_per_second) &&
		    json_add_number(event, "gflops", r->gflops) && json_add_number(event, "peak_fraction", r->peak_fraction);
		return print_event(event, whole);
	}
	char tokens[HUMAN_SIZE], speed[HUMAN_SIZE], time[HUMAN_SIZE];
	if (!job->trunk) print_loss(r->loss, r->loss_error, r->bits_per_byte);
	printf(
	    "trained on      %s tokens in %lld step%s, %s\nspeed           %s tokens/s, %.1f GFLOP/s, %.0f %% of the "
	    "peak\nrecord          %s/run.json\n",
	    human_count((double)r->tokens, tokens), (long long)r->steps, r->steps == 1 ? "" : "s",
	    human_seconds(r->seconds, time), human_count(r->tokens_per_second, speed), r->gflops, 100 * r->peak_fraction,
	    job->folder);
	return NULL;
}

/* The job file of a sweep: {"config", "corpus", "corpus_hash", "start", "branches", "trunk", "kernels", "peak_gflops"}. */
struct job_file {
	cJSON *root;
	char *folder;
	int64_t *branches;
};

/* Another corpus may lie under the name since the ladder was begun: its losses are not of this ladder. */
static struct error *job_file_check_corpus(const struct job_file *file, const char *path, const struct corpus *corpus) {
	const char *wanted = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(file->root, "corpus_hash"));
	char found[HASH_HEX_SIZE];
	if (!wanted || strcmp(wanted, hash_hex(corpus_info(corpus)->hash, found)) == 0) return NULL;
	return error_new(
	    ERROR_DATA,
	    "%s: its hash is %s, but the ladder was begun with the corpus of the hash %s; put that one back, or begin "
	    "another lab",
	    path, found, wanted);
}

static void job_file_free(struct job_file *file) {
	cJSON_Delete(file->root);
	free(file->folder);
	free(file->branches);
}

static struct error *job_file_read(
    const char *path, struct train_options *options, struct train_job *job, struct job_file *file) {
	TRY(json_read(path, &file->root));
	const char *slash = strrchr(path, '/');
	file->folder = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
	if (!file->folder) return error_memory(strlen(path));
	job->folder = file->folder;
	job->own_folder = true;
	TRY(json_get_text(file->root, "corpus", path, &options->corpus));
	const cJSON *config = cJSON_GetObjectItemCaseSensitive(file->root, "config");
	if (!cJSON_IsObject(config)) return error_new(ERROR_DATA, "%s: has no object \"config\"", path);
	TRY(options_defaults(train_config_rows, train_config_row_count, &options->config));
	TRY(options_from_json(train_config_rows, train_config_row_count, &options->config, config, path));

	const cJSON *start = cJSON_GetObjectItemCaseSensitive(file->root, "start");
	if (cJSON_IsString(start)) job->start = start->valuestring;
	job->trunk = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(file->root, "trunk"));
	const cJSON *peak = cJSON_GetObjectItemCaseSensitive(file->root, "peak_gflops");
	if (cJSON_IsNumber(peak)) job->peak_gflops = peak->valuedouble;

	/* A command line that says who computes it has the last word. */
	const cJSON *kernels = cJSON_GetObjectItemCaseSensitive(file->root, "kernels");
	if (kernels && !job->kernels.firm) {
		job->kernels.measure_blas = false;
		TRY(train_kernels_from_json(kernels, path, &job->kernels.choice));
	}

	const cJSON *branches = cJSON_GetObjectItemCaseSensitive(file->root, "branches"), *branch;
	const int count = cJSON_GetArraySize(branches);
	file->branches = array_new((size_t)count + 1, sizeof *file->branches);
	if (!file->branches) return error_memory((size_t)count * sizeof *file->branches);
	cJSON_ArrayForEach(branch, branches) {
		if (!cJSON_IsNumber(branch)) return error_new(ERROR_DATA, "%s: \"branches\" must be a list of steps", path);
		file->branches[job->branch_count++] = (int64_t)branch->valuedouble;
	}
	job->branches = file->branches;
	return NULL;
}

static struct error *train(struct train_options *options) {
	struct train_job job = {
	    .folder = options->out, .checkpoint_seconds = options->checkpoint_seconds, .threads = (int)options->threads};
	struct train_result result = {0};
	struct display display = {.json = options->json};
	struct job_file file = {0};
	struct team team;
	struct corpus *corpus = NULL;
	char *absolute = NULL;
	struct error *error = kernels_of_options(options->kernels, options->blas, &job.kernels);
	if (!error && options->job) error = job_file_read(options->job, options, &job, &file);
	if (!error && !options->corpus) error = error_new(ERROR_USAGE, "--corpus is missing; 'rung data import' makes one");
	if (!error && !job.folder) error = error_new(ERROR_USAGE, "--out is missing: a folder for the run");
	if (error) goto done;
	/* Absolute, so that `rung eval` finds it from anywhere. */
	absolute = realpath(options->corpus, NULL);
	job.corpus_path = absolute ? absolute : options->corpus;
	job.progress_seconds = 0.5;
	job.on_progress = show_progress;
	job.on_message = show_message;
	job.context = &display;
	if (options->job) {
		team_open(&team, job.threads);
		job.threads_now = team_threads;
		job.threads_context = &team;
	}

	error = corpus_open(options->corpus, &corpus);
	if (!error) error = job_file_check_corpus(&file, options->corpus, corpus);
	if (error) goto done;
	progress_open(&display.progress, options->quiet || options->json);
	interrupt_watch();
	error = train_run(&options->config, corpus, &job, &result);
	progress_close(&display.progress);
	if (!error) error = print_result(options, &job, &result);
done:
	corpus_close(corpus);
	free(absolute);
	job_file_free(&file);
	return error;
}

int train_command(int argc, char **argv) {
	struct option_row rows[32];
	const size_t own = COUNT_OF(train_rows), count = own + train_config_row_count;
	memcpy(rows, train_rows, sizeof train_rows);
	memcpy(rows + own, train_config_rows, train_config_row_count * sizeof *rows);
	struct train_options options;
	bool help = false;
	struct error *error = options_parse(rows, count, &options, argc, argv, NULL, &help);
	if (error) return error_report(error);
	if (help)
		return command_help(
		    "rung train --corpus FILE --out DIR [options]\n\n"
		    "Trains one model. Run again with the same options it goes on where it was.\n",
		    rows, count);
	return error_report(train(&options));
}

/* --------------------------------------------------------------------------------------------------------- checkpoints --- */

/* The corpus that a checkpoint was trained on, from where it was then. */
static struct error *open_recorded(const struct safetensors *file, const char *path, struct corpus **corpus) {
	const char *recorded, *hash;
	char found[HASH_HEX_SIZE];
	TRY(safetensors_text(file, path, "corpus", &recorded));
	TRY(safetensors_text(file, path, "corpus_hash", &hash));
	TRY(error_within(corpus_open(recorded, corpus), "the corpus of the training (another one: --corpus FILE)"));
	if (strcmp(hash, hash_hex(corpus_info(*corpus)->hash, found)) == 0) return NULL;
	return error_new(
	    ERROR_DATA,
	    "%s: was trained on a corpus with the hash %s, but %s has %s now; name the one you mean with --corpus", path,
	    hash, recorded, found);
}

/* The model of a checkpoint and the corpus it is to be used with: the one it was trained on unless `corpus_path` says
 * otherwise. */
static struct error *open_both(
    const char *path, const char *corpus_path, struct model **model, struct corpus **corpus) {
	struct safetensors file;
	TRY(safetensors_read(path, &file));
	struct error *error = corpus_path ? corpus_open(corpus_path, corpus) : open_recorded(&file, path, corpus);
	safetensors_free(&file);
	if (!error) error = train_model_open(path, kernels_widest(), model);
	if (error) return error;
	const int vocab = corpus_info(*corpus)->vocab;
	if (vocab == model_shape(*model)->vocab) return NULL;
	return error_new(
	    ERROR_DATA,
	    "%s: has a vocabulary of %d, but the corpus has %d; use a corpus with the tokenizer it was trained on", path,
	    model_shape(*model)->vocab, vocab);
}

static struct error *one_checkpoint(const struct operands *operands) {
	if (operands->count == 1) return NULL;
	return error_new(ERROR_USAGE, "expected one checkpoint (a .safetensors file of a run), found %d", operands->count);
}

/* --------------------------------------------------------------------------------------------------------- rung eval --- */

struct eval_options {
	const char *corpus;
	int64_t tokens;
	bool json;
};

static const struct option_row eval_rows[] = {
    {"corpus", OPTION_TEXT, offsetof(struct eval_options, corpus), "", 0, 0,
     "corpus to evaluate on; without it the one of the training", "FILE"},
    {"tokens", OPTION_COUNT, offsetof(struct eval_options, tokens), "1M", 1, 1e12,
     "held-out tokens, spread evenly; at most all there are", "n"},
    {"json", OPTION_FLAG, offsetof(struct eval_options, json), "", 0, 0, "the answer as JSON", NULL},
};

static struct error *eval(const struct eval_options *options, const struct operands *operands) {
	struct model *model = NULL;
	struct corpus *corpus = NULL;
	double loss = NAN, loss_error = NAN;
	struct error *error = one_checkpoint(operands);
	if (!error) error = open_both(operands->items[0], options->corpus, &model, &corpus);
	if (!error) error = evaluate(model, corpus, options->tokens, &loss, &loss_error);
	if (error) goto done;
	const struct corpus_info *info = corpus_info(corpus);
	const double bits = corpus_bits_per_byte(info, loss);
	if (options->json) {
		cJSON *answer = cJSON_CreateObject();
		error = print_event(
		    answer, answer && json_add_number(answer, "loss", loss) &&
		                json_add_number(answer, "loss_error", loss_error) &&
		                json_add_number(answer, "bits_per_byte", bits));
	} else {
		print_loss(loss, loss_error, bits);
	}
done:
	model_close(model);
	corpus_close(corpus);
	return error;
}

int eval_command(int argc, char **argv) {
	struct eval_options options;
	struct operands operands = {0};
	bool help = false;
	struct error *error = options_parse(eval_rows, COUNT_OF(eval_rows), &options, argc, argv, &operands, &help);
	if (!error && help)
		return command_help(
		    "rung eval CHECKPOINT [options]\n\nThe held-out loss of a model, on its own corpus or another one.\n",
		    eval_rows, COUNT_OF(eval_rows));
	if (!error) error = eval(&options, &operands);
	free(operands.items);
	return error_report(error);
}

/* ------------------------------------------------------------------------------------------------------- rung sample --- */

struct sample_options {
	const char *corpus, *prompt;
	int64_t tokens, seed;
	double temperature;
};

static const struct option_row sample_rows[] = {
    {"corpus", OPTION_TEXT, offsetof(struct sample_options, corpus), "", 0, 0,
     "corpus with the tokenizer; without it the one of the training", "FILE"},
    {"prompt", OPTION_TEXT, offsetof(struct sample_options, prompt), "", 0, 0,
     "text to go on from; without it 'The ', or 0 for synthetic symbols", "TEXT"},
    {"tokens", OPTION_COUNT, offsetof(struct sample_options, tokens), "500", 1, 1e9, "tokens to generate", "n"},
    {"temperature", OPTION_REAL, offsetof(struct sample_options, temperature), "0.8", 0, 100,
     "0 always takes the likeliest token", "x"},
    {"seed", OPTION_COUNT, offsetof(struct sample_options, seed), "1", 0, 1e15, "of the draws", "n"},
};

static struct error *sample(const struct sample_options *options, const struct operands *operands) {
	struct model *model = NULL;
	struct corpus *corpus = NULL;
	uint16_t *prompt = NULL;
	size_t count = 0;
	struct text text = {0};
	interrupt_watch();
	struct error *error = one_checkpoint(operands);
	if (!error) error = open_both(operands->items[0], options->corpus, &model, &corpus);
	if (error) goto done;
	const bool symbols = strcmp(corpus_info(corpus)->tokenizer, "symbols") == 0;
	const char *begin = options->prompt ? options->prompt : symbols ? "0" : "The ";
	error = corpus_encode(corpus, begin, strlen(begin), &prompt, &count);
	if (!error && count == 0)
		error = error_new(ERROR_USAGE, "--prompt has nothing that the tokenizer knows; give it some text");
	if (error) goto done;
	error = train_generate(
	    model, corpus, prompt, count, options->tokens, options->temperature, (uint64_t)options->seed, &text);
	if (!error) printf("%s%s%s\n", begin, symbols ? " " : "", text.data ? text.data : "");
	if (!error && interrupt_pending()) error = error_new(ERROR_INTERRUPTED, "interrupted");
done:
	text_free(&text);
	free(prompt);
	model_close(model);
	corpus_close(corpus);
	return error;
}

int sample_command(int argc, char **argv) {
	struct sample_options options;
	struct operands operands = {0};
	bool help = false;
	struct error *error = options_parse(sample_rows, COUNT_OF(sample_rows), &options, argc, argv, &operands, &help);
	if (!error && help)
		return command_help(
		    "rung sample CHECKPOINT [options]\n\nText from a trained model.\n", sample_rows, COUNT_OF(sample_rows));
	if (!error) error = sample(&options, &operands);
	free(operands.items);
	return error_report(error);
}
