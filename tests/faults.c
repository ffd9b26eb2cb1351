/* faults - lets every system call on the files of a command fail, one after the other, and every allocation, and looks at what
 * came of it.
 *
 *     faults RUNG STARVE FOLDER STRIDE
 *
 * A scenario is a command, what lay in its folder before, and what must lie there in the end. It is run once in peace; that
 * gives the bytes to expect and the number of calls. Then for every kind of fault (EIO, ENOSPC, EINTR, half a read or write, a
 * kill), once and from then on, and every n-th call (STRIDE: every one, every seventh, ...) it is run again, and must
 *   - end with exit code 1 or 3 and a message that names the file, or with 0 and all that was to be there;
 *   - leave what lay there as it was, or as it was to become;
 *   - end with the expected bytes when it is run again without the fault.
 * STARVE is the library that does the same to allocations. A line of TAP for every scenario. Not a test program of its own:
 * see e2e_faults.sh and `make faults`. */
#include "tests/inject.h"
#include "train/state.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Noreturn static void give_up(struct error *error) {
	fprintf(stderr, "faults: %s\n", error->message);
	exit(1);
}
#define MUST(call)                                                                                                     \
	do {                                                                                                               \
		struct error *must_ = (call);                                                                                  \
		if (must_) give_up(must_);                                                                                     \
	} while (0)

struct faults {
	const char *rung, *starve, *folder;
	int64_t stride;
	char work[512], before[512], output[512]; /* the command's folder; what it starts from; where its answer goes */
	int64_t runs, bad;                        /* of the scenario */
};

/* A shell command, for what has to be made ready. */
__attribute__((format(printf, 1, 2))) static void shell(const char *format, ...) {
	char command[4096];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(command, sizeof command, format, arguments);
	va_end(arguments);
	if (system(command) != 0) give_up(error_new(ERROR_FAILED, "this failed: %s", command));
}

/* -------------------------------------------------------------------------------------------------------- what lies there --- */

/* The members of a record that are the same on every machine and at every speed. */
static void digest_record(const char *path, struct text *out) {
	cJSON *root = NULL;
	static const char *const own[] = {"id", "kind", "status"};
	struct error *error = json_read_sealed(path, 2, &root);
	if (error) text_add_string(out, "damaged ");
	error_free(error);
	for (size_t i = 0; i < COUNT_OF(own); i++) {
		const char *value = cJSON_GetStringValue(cJSON_GetObjectItem(root, own[i]));
		text_add(out, "%s ", value ? value : "-");
	}
	const cJSON *result = cJSON_GetObjectItem(root, "result");
	const char *weights = cJSON_GetStringValue(cJSON_GetObjectItem(result, "weights_hash"));
	text_add(out, "%s %.17g", weights ? weights : "-", cJSON_GetNumberValue(cJSON_GetObjectItem(result, "loss")));
	cJSON_Delete(root);
}

/* Of a checkpoint file, the numbers alone. */
static void digest_numbers(const char *path, struct text *out) {
	struct safetensors file;
	char hex[HASH_HEX_SIZE] = "damaged";
	struct error *error = safetensors_read(path, &file);
	if (!error) hash_hex(hash_bytes(file.data, file.data_count * sizeof(float), 0), hex);
	if (!error) safetensors_free(&file);
	error_free(error);
	text_add_string(out, hex);
}

static bool ends_with(const char *name, const char *tail) {
	const size_t length = strlen(name), end = strlen(tail);
	return length >= end && strcmp(name + length - end, tail) == 0;
}

/* What holds a process number, a time or a speed: none of a ladder's results. */
static bool is_passed_over(const char *name) {
	return name[0] == '.' || strcmp(name, "lock") == 0 || strcmp(name, "job.json") == 0 ||
	       strcmp(name, "speed.json") == 0 || ends_with(name, ".log") || strstr(name, ".tmp") ||
	       ends_with(name, ".damaged");
}

/* A line "path hash" for every file whose bytes are a function of the command; `whole`: for every file, and all of its
 * bytes. */
static void digest(const char *folder, const char *below, bool whole, struct text *out) {
	struct dirent **entries = NULL;
	const int count = scandir(folder, &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		struct stat status;
		struct text path = {0}, inside = {0}, bytes = {0};
		text_add(&path, "%s/%s", folder, name);
		text_add(&inside, "%s/%s", below, name);
		MUST(text_error(&path));
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		} else if ((!whole && is_passed_over(name)) || lstat(path.data, &status)) {
		} else if (S_ISDIR(status.st_mode)) {
			if (whole) text_add(out, "%s/\n", inside.data);
			digest(path.data, inside.data, whole, out);
		} else if (!whole && strcmp(name, "run.json") == 0) {
			text_add(out, "%s ", inside.data);
			digest_record(path.data, out);
			text_add_string(out, "\n");
		} else if (!whole && ends_with(name, STATE_SUFFIX)) { /* its header says how long the run has taken so far */
			text_add(out, "%s ", inside.data);
			digest_numbers(path.data, out);
			text_add_string(out, "\n");
		} else {
			char hex[HASH_HEX_SIZE];
			MUST(file_read(path.data, (size_t)1 << 30, &bytes));
			text_add(out, "%s %s\n", inside.data, hash_hex(hash_bytes(bytes.data, bytes.length, 0), hex));
		}
		text_free(&path);
		text_free(&inside);
		text_free(&bytes);
		free(entries[i]);
	}
	free(entries);
}

static struct text digest_of(const char *folder, bool whole) {
	struct text out = {0};
	digest(folder, "", whole, &out);
	if (!out.data) text_add_string(&out, "");
	MUST(text_error(&out));
	return out;
}

static bool has_line(const struct text *text, const char *line, size_t length) {
	for (const char *at = text->data; (at = memmem(at, text->length - (size_t)(at - text->data), line, length)); at++)
		if (at == text->data || at[-1] == '\n') return true;
	return false;
}

/* Whether a pair of checkpoint files in `run` can be read. */
static bool has_checkpoint(const char *run) {
	struct dirent **entries = NULL;
	const int count = scandir(run, &entries, NULL, NULL);
	bool found = false;
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		if (!found && strncmp(name, "step-", 5) == 0 && ends_with(name, STATE_SUFFIX)) {
			struct text path = {0};
			struct safetensors state = {0}, weights = {0};
			text_add(&path, "%s/%s", run, name);
			struct error *error = safetensors_read(path.data, &state);
			strcpy(path.data + path.length - strlen(STATE_SUFFIX), ".safetensors");
			if (!error) error = safetensors_read(path.data, &weights);
			const char *of = NULL;
			char hex[HASH_HEX_SIZE];
			if (!error) error = safetensors_text(&state, path.data, "weights_xxh64", &of);
			found = !error && strcmp(of, hash_hex(weights.hash, hex)) == 0;
			error_free(error);
			safetensors_free(&state);
			safetensors_free(&weights);
			text_free(&path);
		}
		free(entries[i]);
	}
	free(entries);
	return found;
}

/* ---------------------------------------------------------------------------------------------------------- the scenarios --- */

#define MOST_ARGUMENTS 40

struct scenario {
	const char *name;
	const char *const
	    *arguments;   /* of rung; "WORK" at the beginning of one is the command's folder, "IN" that of its inputs */
	bool workers;     /* child processes do the work: their messages reach us in part */
	bool output;      /* the answer on standard output must be the same, too */
	bool checkpoints; /* in WORK/run there are some; a newer one may take the place of an older one */
	/* Where not all is tried: so many times further from one to the next than asked for, as there are many or they take long. */
	int64_t call_stride, allocation_stride;
};

#define LIST(...)                                                                                                      \
	(const char *const[]) {                                                                                            \
		__VA_ARGS__, NULL                                                                                              \
	}
static const struct scenario scenarios[] = {
    {"import", LIST("data", "import", "IN/text.txt", "--out", "WORK/a.corpus", "--quiet"), false, false, false, 1, 1},
    {"compress", LIST("data", "compress", "WORK/text.corpus"), false, true, false, 1, 2},
    {"train", LIST("train", "--job", "WORK/run/job.json", "--checkpoint-seconds", "0", "--quiet"), false, false, true,
     1, 1},
    {"ledger", LIST("sweep", "--lab", "WORK/lab", "--quiet"), true, false, false, 1, 8},
    {"sweep",
     LIST(
         "sweep", "--lab", "WORK/lab", "--plan", "IN/plan.json", "--workers", "1", "--checkpoint-seconds", "0",
         "--quiet"),
     true, false, false, 6, 16},
    {"fit", LIST("fit", "WORK/lab", "--replicates", "100", "--out", "WORK/fit.json"), false, true, false, 3, 60},
    {"report", LIST("report", "WORK/lab", "--out", "WORK/report.html"), false, false, false, 1, 4},
};

/* A scenario's command line. */
struct command {
	const char *arguments[MOST_ARGUMENTS];
	char *paths[MOST_ARGUMENTS]; /* owned */
};

/* "WORK/x" and "IN/x" become paths; what is not such a thing stays as it is. command_free is due. */
static void command_make(const struct faults *f, const struct scenario *scenario, struct command *command) {
	*command = (struct command){{f->rung}, {NULL}};
	for (int i = 0; scenario->arguments[i]; i++) {
		const char *argument = scenario->arguments[i];
		char **path = &command->paths[i];
		if (strncmp(argument, "WORK/", 5) == 0 && asprintf(path, "%s/%s", f->work, argument + 5) < 0) exit(1);
		if (strncmp(argument, "IN/", 3) == 0 && asprintf(path, "%s/in/%s", f->folder, argument + 3) < 0) exit(1);
		command->arguments[i + 1] = *path ? *path : argument;
	}
}

static void command_free(struct command *command) {
	for (int i = 0; i < MOST_ARGUMENTS; i++) free(command->paths[i]);
}

/* The inputs of all scenarios. */
static void make_inputs(const struct faults *f) {
	shell("mkdir -p %s/in", f->folder);
	shell(
	    "seq 1 3000 | awk '{print $1 \" green bottles hanging on the wall\" substr(\", and one of them\", 1, $1 %% "
	    "17)}' "
	    ">%s/in/text.txt",
	    f->folder);
	shell("seq 1 2000 | awk '{print $1 * 7 \" sheep\"}' >%s/in/old.txt", f->folder);
	shell(
	    "%s data source markov --vocab 12 --tokens 30K --held-out-tokens 4K --out %s/in/m.corpus >/dev/null 2>&1",
	    f->rung, f->folder);
	static const char plan[] =
	    "{\"name\": \"faults\", \"corpus\": {\"source\": \"markov\", \"vocab\": 12, \"tokens\": 30000, "
	    "\"held_out_tokens\": 4000},"
	    " \"context\": 16, \"batch\": 2, \"warmup_tokens\": 64, \"eval_tokens\": 64, \"curve_tokens\": 32, "
	    "\"horizons\": [128, 192],"
	    " \"sample\": {\"prompt\": 4, \"tokens\": 8}, \"rungs\": [{\"width\": 16, \"depth\": 1}]}\n";
	struct text path = {0};
	text_add(&path, "%s/in/plan.json", f->folder);
	MUST(file_write(path.data, plan, sizeof plan - 1));
	text_free(&path);
}

/* What lies in WORK before the command: an older result, or a part of the work. */
static void make_before(const struct faults *f, const struct scenario *scenario) {
	shell("rm -rf %s %s && mkdir -p %s", f->work, f->before, f->work);
	const char *in = f->folder, *name = scenario->name;
	if (strcmp(name, "import") == 0)
		shell("%s data import %s/in/old.txt --out %s/a.corpus --quiet >/dev/null 2>&1", f->rung, in, f->work);
	if (strcmp(name, "compress") == 0)
		shell("%s data import %s/in/old.txt --out %s/text.corpus --quiet >/dev/null 2>&1", f->rung, in, f->work);
	const bool lab = strcmp(name, "ledger") == 0 || strcmp(name, "fit") == 0 || strcmp(name, "report") == 0;
	if (lab) /* the wrong workers' count makes no difference to a result */
		shell("%s sweep --plan %s/in/plan.json --lab %s/lab --quiet >/dev/null 2>&1", f->rung, in, f->work);
	if (strcmp(name, "ledger") == 0)
		shell("rm %s/lab/points.csv %s/lab/samples.json %s/lab/corpus.json", f->work, f->work, f->work);
	if (strcmp(name, "fit") == 0 || strcmp(name, "report") == 0) {
		/* A table that there is something to fit to, and an older result. */
		shell(
		    "awk 'BEGIN {print \"id,width,depth,N,D,C,loss,fit,reason\"; for (i = 1; i <= 3; i++) for (j = 1; j <= 3; "
		    "j++) "
		    "{N = 1000 * 4^i; D = 1e5 * 3^j; printf \"%%016x,%%d,1,%%d,%%d,%%g,%%.6f,1,\\n\", i * 16 + j, i, N, D, 6 * "
		    "N * D, 1.5 + 5 / "
		    "N^0.3 + 20 / D^0.35}}' >%s/lab/points.csv",
		    f->work);
		shell(
		    "%s fit %s/lab --replicates 100 --random-seed 9 --out %s/fit.json >/dev/null 2>&1", f->rung, f->work,
		    f->work);
		if (strcmp(name, "report") == 0)
			shell(
			    "%s fit %s/lab --replicates 100 >/dev/null 2>&1; echo old >%s/report.html", f->rung, f->work, f->work);
	}
	if (scenario->checkpoints) { /* killed in the middle */
		shell("mkdir %s/run", f->work);
		char path[600], job[1200];
		snprintf(path, sizeof path, "%s/run/job.json", f->work);
		snprintf(
		    job, sizeof job,
		    "{\"config\": {\"width\": 16, \"depth\": 1, \"context\": 16, \"batch\": 2, \"tokens\": 256, "
		    "\"eval_tokens\": 64, "
		    "\"curve_tokens\": 32}, \"corpus\": \"%s/in/m.corpus\", \"start\": null, \"branches\": [], \"trunk\": "
		    "false, "
		    "\"peak_gflops\": 1}\n",
		    f->folder);
		MUST(file_write(path, job, strlen(job)));
		struct command command;
		command_make(f, scenario, &command);
		const struct fault in_the_middle = {.below = f->work, .kind = FAULT_KILL, .at = 120};
		struct outcome outcome;
		MUST(inject_run(command.arguments, environ, f->output, &in_the_middle, &outcome));
		command_free(&command);
		if (outcome.code != 128 + 9) give_up(error_new(ERROR_FAILED, "%s ended before it was killed", name));
		text_free(&outcome.words);
	}
	shell("cp -a %s %s", f->work, f->before);
}

/* ------------------------------------------------------------------------------------------------------------- one run --- */

struct expected {
	struct text before, after, output; /* digests, and what standard output said */
	struct text untouched;             /* of all that lay there before */
};

static struct text read_output(const struct faults *f) {
	struct text text = {0};
	MUST(file_read(f->output, (size_t)1 << 24, &text));
	return text;
}

/* Everything is there, and nothing else but checkpoints that could not be removed, unless `strict`. */
static bool is_complete(const struct text *now, const struct text *after, bool strict) {
	if (strict) return strcmp(now->data, after->data) == 0;
	for (const char *line = after->data; *line; line = strchr(line, '\n') + 1)
		if (!has_line(now, line, strcspn(line, "\n") + 1)) return false;
	for (const char *line = now->data; *line; line = strchr(line, '\n') + 1) {
		const char *step = strstr(line, "/step-");
		if ((!step || step > strchr(line, ' ')) && !has_line(after, line, strcspn(line, "\n") + 1)) return false;
	}
	return true;
}

/* Lines of `now` that are not in `after`, and the other way round. */
static void show_difference(const struct text *now, const struct text *after) {
	const struct text *const texts[] = {now, after};
	for (int i = 0; i < 2; i++)
		for (const char *line = texts[i]->data; *line; line = strchr(line, '\n') + 1) {
			const int length = (int)strcspn(line, "\n");
			if (!has_line(texts[1 - i], line, (size_t)length + 1))
				printf("#   %s: %.*s\n", i ? "expected" : "found", length, line);
		}
}

/* The reason why `code` and what lies there now are not what is promised; NULL when they are. */
static const char *judge_state(
    const struct faults *f, const struct scenario *scenario, const struct expected *expected, int code, bool strict) {
	struct text now = digest_of(f->work, false), output = read_output(f);
	const char *reason = NULL;
	char run[600];
	snprintf(run, sizeof run, "%s/run", f->work);
	if (code == 0 && !is_complete(&now, &expected->after, strict)) reason = "it said that it was done, and it was not";
	if (code == 0 && scenario->output && strcmp(output.data, expected->output.data) != 0)
		reason = "it gave another answer, and said nothing";
	for (const char *line = expected->before.data; *line && !reason; line = strchr(line, '\n') + 1) {
		const size_t path = strcspn(line, " ") + 1, length = strcspn(line, "\n") + 1;
		const char *step = strstr(line, "/step-"),
		           *log = strstr(line, "/log.jsonl "); /* both grow with the checkpoints */
		const bool checkpoint = scenario->checkpoints && ((step && step < line + path) || (log && log < line + path));
		if (has_line(&now, line, length)) continue;
		/* Not as it was: then as it is to become, or taken over by newer checkpoints. */
		const char *there = now.data;
		while (*there && strncmp(there, line, path) != 0) there = strchr(there, '\n') + 1;
		const bool done = *there && has_line(&expected->after, there, strcspn(there, "\n") + 1);
		if (!done && !checkpoint) reason = "what lay there before is damaged or gone";
	}
	if (!reason && scenario->checkpoints && !has_checkpoint(run) && strcmp(now.data, expected->after.data) != 0 &&
	    !memmem(now.data, now.length, " done ", 6))
		reason = "no checkpoint is left";
	if (reason) show_difference(&now, &expected->after);
	text_free(&now);
	text_free(&output);
	return reason;
}

/* The file that a path is about: without the tails of temporary files and of removed ones. */
static void strip_path(char *path) {
	char *end = strstr(path, " (deleted)");
	if (end) *end = '\0';
	char *name = strrchr(path, '/');
	end = name ? strstr(name, ".tmp-") : NULL; /* a.corpus.tmp-XXXXXX */
	if (end) *end = '\0';
	if (!name || !ends_with(path, ".tmp")) return;
	*strrchr(name, '.') = '\0'; /* model.safetensors.123-0.tmp */
	char *number = strrchr(name, '.');
	if (number) *number = '\0';
}

static const char *judge_words(
    const struct faults *f, const struct scenario *scenario, const struct fault *fault, struct outcome *outcome) {
	static const char *const reasons[FAULT_KINDS] = {
	    [FAULT_EIO] = "Input/output error", [FAULT_ENOSPC] = "No space left on device", [FAULT_EINTR] = "Interrupted"};
	const char *words = outcome->words.data;
	if (!strstr(words, "error: ")) return "there is no message";
	if (scenario->workers) return strstr(words, f->work) ? NULL : "its message does not name the lab";
	strip_path(outcome->path);
	char *number = strstr(outcome->path, "/#"); /* a file without a name: the folder must do */
	if (number) *number = '\0';
	/* Of lasting faults the first may be passed over: a file that could not be removed or closed after it was read. */
	if (!strstr(words, fault->lasting ? f->work : outcome->path)) return "its message does not name the file";
	if (reasons[fault->kind] && !strstr(words, reasons[fault->kind])) return "its message does not say what went wrong";
	return NULL;
}

static bool has_temporary(const char *folder) {
	char command[700];
	snprintf(command, sizeof command, "find %s -name '*.tmp*' | grep -q .", folder);
	return system(command) == 0;
}

static void complain(
    struct faults *f, const struct scenario *scenario, const char *fault, const struct outcome *outcome,
    const char *reason) {
	f->bad++;
	if (f->bad > 10) return;
	printf(
	    "# %s, %s (%s %s): %s; exit code %d\n# %.600s\n", scenario->name, fault, outcome->call, outcome->path, reason,
	    outcome->code, outcome->words.data ? outcome->words.data : "");
}

/* ------------------------------------------------------------------------------------------------------------ the sweeps --- */

static void start_afresh(const struct faults *f) {
	shell("rm -rf %s && cp -a %s %s", f->work, f->before, f->work);
}

/* Without a fault: the command must do what it did in peace. Where nothing has changed, it was in peace that it did so. */
static const char *judge_again(
    const struct faults *f, const struct scenario *scenario, const char *const *arguments,
    const struct expected *expected) {
	struct text now = digest_of(f->work, true);
	const bool untouched = strcmp(now.data, expected->untouched.data) == 0;
	text_free(&now);
	if (untouched) return NULL;
	const struct fault none = {.below = "/nowhere"};
	struct outcome outcome;
	MUST(inject_run(arguments, environ, f->output, &none, &outcome));
	const char *reason = outcome.code ? "run again it fails" : judge_state(f, scenario, expected, 0, true);
	if (reason && !outcome.code) reason = "run again it ends with other bytes";
	if (reason && outcome.code) printf("# again: exit code %d: %.600s\n", outcome.code, outcome.words.data);
	text_free(&outcome.words);
	return reason;
}

static void try_fault(
    struct faults *f, const struct scenario *scenario, const char *const *arguments, const struct expected *expected,
    const struct fault *fault) {
	struct outcome outcome;
	char name[80];
	start_afresh(f);
	MUST(inject_run(arguments, environ, f->output, fault, &outcome));
	f->runs++;
	snprintf(
	    name, sizeof name, "%s at call %lld%s", fault_names[fault->kind], (long long)fault->at,
	    fault->lasting ? " and all after it" : "");
	const char *reason = judge_state(f, scenario, expected, outcome.code, false);
	const bool killed = fault->kind == FAULT_KILL && (outcome.code == 128 + 9 || scenario->workers);
	if (!reason && outcome.code != 0 && outcome.code != ERROR_FAILED && outcome.code != ERROR_DATA && !killed)
		reason = "the exit code should be 0, 1 or 3";
	if (!reason && outcome.code != 0 && !killed) reason = judge_words(f, scenario, fault, &outcome);
	const bool cleans = !scenario->checkpoints && !killed && !fault->lasting && strcmp(outcome.call, "unlink") != 0 &&
	                    !scenario->workers;
	if (!reason && cleans && has_temporary(f->work)) reason = "a temporary file was left behind";
	if (!reason) reason = judge_again(f, scenario, arguments, expected);
	if (reason) complain(f, scenario, name, &outcome, reason);
	text_free(&outcome.words);
}

/* Allocations: by the library that is loaded before others. */
static void try_starving(
    struct faults *f, const struct scenario *scenario, const char *const *arguments, const struct expected *expected,
    long at, bool lasting) {
	char preload[600], number[40], name[80];
	snprintf(preload, sizeof preload, "LD_PRELOAD=%s", f->starve);
	snprintf(number, sizeof number, "STARVE_AT=%ld", at);
	snprintf(name, sizeof name, "allocation %ld%s", at, lasting ? " and all after it" : "");
	char *const environment[] = {
	    preload, number, lasting ? "STARVE_LASTING=1" : "STARVE_LASTING=0", "OMP_NUM_THREADS=1", NULL};
	const struct fault none = {.below = "/nowhere"};
	struct outcome outcome;
	start_afresh(f);
	MUST(inject_run(arguments, environment, f->output, &none, &outcome));
	f->runs++;
	const char *reason = judge_state(f, scenario, expected, outcome.code, false);
	if (!reason && outcome.code != 0 && outcome.code != ERROR_FAILED) reason = "the exit code should be 0 or 1";
	if (!reason && outcome.code != 0 && !strstr(outcome.words.data, "memory"))
		reason = "its message does not say that memory was short";
	if (!reason) reason = judge_again(f, scenario, arguments, expected);
	if (reason) complain(f, scenario, name, &outcome, reason);
	text_free(&outcome.words);
}

static long count_allocations(const struct faults *f, const char *const *arguments) {
	char preload[600], count_path[600], variable[640];
	snprintf(preload, sizeof preload, "LD_PRELOAD=%s", f->starve);
	snprintf(count_path, sizeof count_path, "%s/count", f->folder);
	snprintf(variable, sizeof variable, "STARVE_COUNT=%s", count_path);
	char *const environment[] = {preload, variable, "OMP_NUM_THREADS=1", NULL};
	const struct fault none = {.below = "/nowhere"};
	struct outcome outcome;
	struct text text = {0};
	start_afresh(f);
	MUST(inject_run(arguments, environment, f->output, &none, &outcome));
	text_free(&outcome.words);
	MUST(file_read(count_path, 100, &text));
	const long count = atol(text.data);
	text_free(&text);
	return count;
}

static void run_scenario(struct faults *f, const struct scenario *scenario, int number) {
	struct command command;
	command_make(f, scenario, &command);
	const char *const *arguments = command.arguments;
	make_before(f, scenario);
	struct expected expected = {.before = digest_of(f->before, false), .untouched = digest_of(f->before, true)};
	const struct fault none = {.below = f->work};
	struct outcome peace;
	MUST(inject_run(arguments, environ, f->output, &none, &peace));
	if (peace.code != 0) give_up(error_new(ERROR_FAILED, "%s in peace: %.800s", scenario->name, peace.words.data));
	expected.after = digest_of(f->work, false);
	expected.output = read_output(f);
	f->runs = f->bad = 0;
	const double begin = clock_seconds();

	const bool all = f->stride == 1;
	const int64_t stride = all ? 1 : f->stride * scenario->call_stride;
	const int64_t wide = all ? 1 : f->stride * scenario->allocation_stride;
	/* Every way to fail begins at another call, so that they fall on different ones. */
	const int ways = 2 * (FAULT_KINDS - 1) - 1; /* a kill lasts in any case */
	for (int way = 0; way < ways; way++)
		for (int64_t at = 1 + way * stride / ways; at <= peace.calls; at += stride) {
			const enum fault_kind kind = (enum fault_kind)(FAULT_EIO + way / 2);
			try_fault(
			    f, scenario, arguments, &expected,
			    &(struct fault){.below = f->work, .kind = kind, .at = at, .lasting = way % 2});
		}
	const int64_t by_calls = f->runs;
	const long allocations = *f->starve ? count_allocations(f, arguments) : 0;
	for (int lasting = 0; lasting < 2; lasting++)
		for (int64_t at = 1 + lasting * wide / 2; at <= allocations; at += wide)
			try_starving(f, scenario, arguments, &expected, at, lasting);

	printf(
	    "%sok %d - %s: %lld faults in %lld calls, %lld in %ld allocations\n# %.0f s\n", f->bad ? "not " : "", number,
	    scenario->name, (long long)by_calls, (long long)peace.calls, (long long)(f->runs - by_calls), allocations,
	    clock_seconds() - begin);
	fflush(stdout);
	text_free(&peace.words);
	text_free(&expected.before);
	text_free(&expected.after);
	text_free(&expected.untouched);
	text_free(&expected.output);
	command_free(&command);
}

int main(int argc, char **argv) {
	if (argc < 5) {
		fprintf(stderr, "usage: faults RUNG STARVE FOLDER STRIDE [SCENARIO]\n");
		return 2;
	}
	struct faults f = {.rung = argv[1], .starve = argv[2], .folder = argv[3], .stride = atol(argv[4])};
	snprintf(f.work, sizeof f.work, "%s/work", f.folder);
	snprintf(f.before, sizeof f.before, "%s/before", f.folder);
	snprintf(f.output, sizeof f.output, "%s/output", f.folder);
	setenv("OMP_NUM_THREADS", "1", 1); /* a busy machine would wait for its own threads */
	const struct fault none = {.below = "/nowhere"};
	struct outcome outcome;
	struct error *error = inject_run(LIST("/bin/true"), environ, f.output, &none, &outcome);
	text_free(&outcome.words);
	if (error) {
		printf("1..1\nok 1 - system calls that fail # SKIP %s\n", error->message);
		error_free(error);
		return 0;
	}
	make_inputs(&f);
	int number = 0;
	int64_t bad = 0;
	for (size_t s = 0; s < COUNT_OF(scenarios); s++) {
		if (argc > 5 && strcmp(argv[5], scenarios[s].name) != 0) continue;
		run_scenario(&f, &scenarios[s], ++number);
		bad += f.bad;
	}
	printf("1..%d\n", number);
	return bad != 0;
}
