/* rung plan and rung sweep: options in, messages out. */
#include "sweep/show.h"
#include "sweep/worker.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* -------------------------------------------------------------------------------------------------- which plan is meant --- */

struct choice {
	const char *preset, *plan; /* as on the command line */
	struct text name;          /* in errors */
	cJSON *root;
	struct plan parsed;
};

static void choice_free(struct choice *choice) {
	text_free(&choice->name);
	cJSON_Delete(choice->root);
	plan_free(&choice->parsed);
}

static struct error *unknown_preset(const char *name) {
	struct text known = {0};
	for (size_t i = 0; preset_names[i]; i++) text_add(&known, "%s%s", i ? ", " : "", preset_names[i]);
	struct error *error = error_new(
	    ERROR_USAGE, "there is no preset '%.100s'; there are %s, and --plan reads any other from a file", name,
	    known.data ? known.data : "none");
	text_free(&known);
	return error;
}

/* Fills in the rest of `choice`. */
static struct error *read_choice(struct choice *choice) {
	if (choice->preset && choice->plan)
		return error_new(ERROR_USAGE, "--preset and --plan exclude each other; give one of them");
	if (choice->plan) {
		text_add_string(&choice->name, choice->plan);
		TRY(text_error(&choice->name));
		TRY(json_read(choice->plan, &choice->root));
		return plan_read(choice->plan, &choice->parsed);
	}
	const char *json = preset_json(choice->preset);
	if (!json) return unknown_preset(choice->preset);
	text_add(&choice->name, "preset %s", choice->preset);
	TRY(text_error(&choice->name));
	TRY(json_parse(choice->name.data, json, strlen(json), &choice->root));
	return plan_parse(choice->root, choice->name.data, &choice->parsed);
}

static int worker_count(int64_t asked) {
	struct machine machine;
	machine_describe(&machine);
	if (asked > machine.cores)
		fprintf(
		    stderr, "note: %lld workers share %d core%s: that needs more memory and ends no sooner\n", (long long)asked,
		    machine.cores, machine.cores == 1 ? "" : "s");
	return asked > 0 ? (int)asked : machine.cores;
}

/* ----------------------------------------------------------------------------------------------------------- rung plan --- */

struct plan_options {
	const char *preset, *plan, *corpus;
	int64_t workers, measure, threads;
	bool json;
};

#define WORKERS_HELP                                                                                                   \
	"cores to use, with a run on each; cores that no other run needs become further threads of the longest. All "      \
	"cores when not given"

#define PLAN(field) offsetof(struct plan_options, field)
static const struct option_row plan_rows[] = {
    {"preset", OPTION_TEXT, PLAN(preset), "", 0, 0, "a built-in plan: demo, hour or evening; demo when none is named",
     "NAME"},
    {"plan", OPTION_TEXT, PLAN(plan), "", 0, 0, "a plan of your own; docs/plan.md has every field", "FILE"},
    {"corpus", OPTION_TEXT, PLAN(corpus), "", 0, 0, "the corpus, instead of the one that the plan names", "FILE"},
    {"workers", OPTION_COUNT, PLAN(workers), "", 1, WORKERS_MOST, WORKERS_HELP, "n"},
    {"json", OPTION_FLAG, PLAN(json), "", 0, 0, "the plan itself, to save and change, with its cost under \"_cost\"",
     NULL},
    {"measure", OPTION_COUNT, PLAN(measure), "", 2, 65536,
     "only time the rungs in this process, for a vocabulary of V (plan and sweep start this on every core)", "V"},
    {"threads", OPTION_COUNT, PLAN(threads), "", 1, WORKERS_MOST,
     "with --measure: threads of a step, where it has use "
     "for them",
     "n"},
};

/* A corpus that exists only in thought: characters, and just enough of them. */
static struct corpus_info imagine_corpus(const struct plan *plan) {
	struct corpus_info info = {.tokenizer = "char", .vocab = 96};
	double most = 0;
	for (int r = 0; r < plan->rung_count; r++) {
		const struct rung *rung = &plan->rungs[r];
		const double tokens = (double)rung->horizons[rung->horizon_count - 1] / (double)rung->config.epochs;
		if (tokens > most) most = tokens;
	}
	info.tokens[SPLIT_TRAIN] = info.bytes[SPLIT_TRAIN] = (uint64_t)(1.1 * most) + 1000000;
	info.tokens[SPLIT_HELD_OUT] = info.bytes[SPLIT_HELD_OUT] = 1000000;
	return info;
}

/* What the corpus of the plan says of itself. A source is built in a temporary folder and dropped again. */
static struct error *look_at_corpus(const struct plan *plan, const char *name, struct corpus_info *info) {
	struct corpus *corpus = NULL;
	struct error *error = NULL;
	if (!plan->source && !plan->corpus) {
		*info = imagine_corpus(plan);
		return NULL;
	}
	if (plan->source) {
		const char *base = getenv("TMPDIR");
		struct text folder = {0};
		text_add(&folder, "%s/rung-plan-XXXXXX", base && *base ? base : "/tmp");
		error = text_error(&folder);
		if (!error && !mkdtemp(folder.data)) error = error_system("make a folder like", folder.data);
		char *path = error ? NULL : path_join(folder.data, "source.corpus");
		if (!error && !path) error = error_memory(folder.length);
		if (!error) error = source_build(plan->source, name, path);
		if (!error) error = corpus_open(path, &corpus);
		if (path) {
			unlink(path);
			rmdir(folder.data);
		}
		free(path);
		text_free(&folder);
	} else
		error = plan_open_corpus(plan, name, &corpus);
	if (!error)
		error = plan_check_hash(plan, name, plan->corpus ? plan->corpus : "built-in source", corpus_info(corpus));
	if (!error) *info = *corpus_info(corpus);
	corpus_close(corpus);
	return error;
}

static struct error *print_plan(
    cJSON *root, const struct plan *plan, const struct job_list *jobs, const struct corpus_info *info, int workers) {
	struct plan_cost cost;
	struct outlook outlook = {.threads = NULL};
	plan_cost(plan, jobs, info, workers, &cost);
	jobs_outlook(jobs, workers, &outlook);
	cJSON_DeleteItemFromObjectCaseSensitive(root, "_cost");
	cJSON *object = cJSON_AddObjectToObject(root, "_cost");
	if (!object || !json_add_number(object, "runs", cost.runs) || !json_add_number(object, "trunks", cost.trunks) ||
	    !json_add_number(object, "short_runs", cost.short_runs) || !json_add_number(object, "flops", cost.flops) ||
	    !json_add_number(object, "workers", workers) || !json_add_number(object, "seconds", outlook.seconds) ||
	    !json_add_number(object, "idle", outlook.idle) || !json_add_number(object, "memory_bytes", cost.memory) ||
	    !json_add_number(object, "disk_bytes", cost.disk))
		return error_memory(256);
	return print_json(root);
}

static struct error *make_plan(const struct plan_options *options, struct choice *choice) {
	struct plan *plan = &choice->parsed;
	const int workers = worker_count(options->workers);
	struct corpus_info info;
	struct job_list jobs = {0};
	struct plan_speed speed = {0};
	struct text out = {0};
	if (options->corpus) TRY(plan_set_corpus(plan, options->corpus));
	const bool imagined = !plan->corpus && !plan->source;
	TRY(look_at_corpus(plan, choice->name.data, &info));
	TRY(plan_check(plan, choice->name.data, &info));
	struct error *error = jobs_make(plan, &info, "", &jobs);
	if (!error && !options->json)
		fprintf(stderr, "timing some steps of every rung on %d core%s ...\n", workers, workers == 1 ? "" : "s");
	if (!error)
		error = measure_everywhere(
		    plan, choice->plan ? "--plan" : "--preset", choice->plan ? choice->plan : choice->preset, info.vocab,
		    workers, &speed);
	if (error) goto done;
	jobs_predict(&jobs, speed.rungs, &info);
	if (options->json) {
		error = print_plan(choice->root, plan, &jobs, &info, workers);
		goto done;
	}
	show_plan(
	    plan, &jobs,
	    imagined       ? NULL
	    : plan->corpus ? plan->corpus
	                   : "built-in source",
	    &info, workers, speed.peak_gflops, &out);
	error = text_error(&out);
	if (!error) fputs(out.data, stdout);
done:
	text_free(&out);
	free(speed.rungs);
	jobs_free(&jobs);
	return error;
}

static struct error *print_measurement(const struct plan *plan, int vocab, int threads) {
	struct text out = {0};
	struct error *error = measure_here(plan, vocab, threads, &out);
	if (!error) fputs(out.data, stdout);
	text_free(&out);
	return error;
}

int plan_command(int argc, char **argv) {
	struct plan_options options;
	bool help = false;
	struct error *error = options_parse(plan_rows, COUNT_OF(plan_rows), &options, argc, argv, NULL, &help);
	if (error) return error_report(error);
	if (help)
		return command_help(
		    "rung plan [--preset NAME | --plan FILE] [--corpus FILE] [options]\n\n"
		    "What a ladder would run: shapes, tokens, FLOPs, time on this machine, memory\nand disk. Nothing is "
		    "trained.\n",
		    plan_rows, COUNT_OF(plan_rows));
	struct choice choice = {options.preset, options.plan, {0}, NULL, {0}};
	if (!choice.preset && !choice.plan) choice.preset = "demo";
	error = read_choice(&choice);
	if (!error && options.threads && !options.measure)
		error =
		    error_new(ERROR_USAGE, "--threads goes with --measure; a ladder shares out its own cores, see --workers");
	if (!error)
		error = options.measure ? print_measurement(
		                              &choice.parsed, (int)options.measure, options.threads ? (int)options.threads : 1)
		                        : make_plan(&options, &choice);
	choice_free(&choice);
	return error_report(error);
}

/* ---------------------------------------------------------------------------------------------------------- rung sweep --- */

struct sweep_arguments {
	const char *preset, *plan, *corpus, *lab;
	int64_t workers;
	double checkpoint_seconds;
	bool json, quiet;
};

#define SWEEP(field) offsetof(struct sweep_arguments, field)
static const struct option_row sweep_rows[] = {
    {"lab", OPTION_TEXT, SWEEP(lab), NULL, 0, 0,
     "folder for everything that comes out; an existing one is gone on with", "DIR"},
    {"preset", OPTION_TEXT, SWEEP(preset), "", 0, 0, "a built-in plan: demo, hour or evening", "NAME"},
    {"plan", OPTION_TEXT, SWEEP(plan), "", 0, 0, "a plan of your own; docs/plan.md has every field", "FILE"},
    {"corpus", OPTION_TEXT, SWEEP(corpus), "", 0, 0, "the corpus, instead of the one that the plan names", "FILE"},
    {"workers", OPTION_COUNT, SWEEP(workers), "", 1, WORKERS_MOST, WORKERS_HELP, "n"},
    {"checkpoint-seconds", OPTION_REAL, SWEEP(checkpoint_seconds), "30", 0, 1e9,
     "time between checkpoints of a run: what a crash can cost; 0: every step", "s"},
    {"json", OPTION_FLAG, SWEEP(json), "", 0, 0, "a summary as JSON on standard output", NULL},
    {"quiet", OPTION_FLAG, SWEEP(quiet), "", 0, 0, "no progress", NULL},
};

static bool all_over(const struct job_list *jobs) {
	for (int i = 0; i < jobs->count; i++)
		if (jobs->items[i].state == JOB_WAITING) return false;
	return true;
}

static void warn_of_small_disk(const struct lab *lab, const struct job_list *jobs, int workers) {
	struct plan_cost cost;
	struct statvfs disk;
	char needed[HUMAN_SIZE], there[HUMAN_SIZE];
	plan_cost(&lab->plan, jobs, &lab->info, workers, &cost);
	if (statvfs(lab->folder, &disk)) return;
	const double bytes = (double)disk.f_bavail * (double)disk.f_frsize;
	if (bytes < cost.disk)
		fprintf(
		    stderr, "warning: the lab may come to %s, and %s has %s left\n", human_bytes(cost.disk, needed),
		    lab->folder, human_bytes(bytes, there));
}

/* How fast the rungs are here: as measured before, or now; and who computes them, which is found out only once. */
static struct error *find_speed(struct lab *lab, int workers, struct plan_speed *speed) {
	bool chosen;
	TRY(lab_read_kernels(lab, &chosen));
	char *plan = path_join(lab->folder, "plan.json"), *path = path_join(lab->folder, "speed.json");
	struct error *error = plan && path ? NULL : error_memory(256);
	if (!error && !(chosen && speed_read(path, lab->plan.rung_count, workers, speed))) {
		const int vocab = lab->info.vocab;
		error = measure_everywhere(&lab->plan, "--plan", plan, vocab, workers, speed);
		if (!error && !chosen) error = lab_write_kernels(lab, speed);
		if (!error) error = speed_write(path, speed, workers);
	}
	free(plan);
	free(path);
	return error;
}

/* Times the rungs, so that the longest path and the ETA are known. */
static struct error *predict(struct lab *lab, struct job_list *jobs, struct sweep_options *options) {
	struct plan_speed speed = {0};
	char time[HUMAN_SIZE];
	struct error *error = find_speed(lab, options->workers, &speed);
	if (!error) {
		jobs_predict(jobs, speed.rungs, &lab->info);
		options->peak_gflops = speed.peak_gflops;
		warn_of_small_disk(lab, jobs, options->workers);
		if (!options->quiet)
			fprintf(
			    stderr, "%s: %d job%s on %d worker%s, about %s\nCtrl-C stops, the same command goes on\n",
			    lab->plan.name, jobs->count, jobs->count == 1 ? "" : "s", options->workers,
			    options->workers == 1 ? "" : "s", human_seconds(jobs_time_left(jobs, options->workers), time));
	}
	free(speed.rungs);
	return error;
}

static void print_summary(const struct lab *lab, const struct sweep_outcome *outcome, bool json) {
	if (json)
		printf(
		    "{\"runs\": %d, \"done\": %d, \"new\": %d, \"diverged\": %d, \"failed\": %d, \"interrupted\": %s}\n",
		    outcome->runs, outcome->done, outcome->new_runs, outcome->diverged, outcome->failed,
		    outcome->interrupted ? "true" : "false");
	else
		printf(
		    "%d of %d runs done, %d of them now; the points: %s/points.csv\n", outcome->done, outcome->runs,
		    outcome->new_runs, lab->folder);
	if (outcome->diverged)
		fprintf(
		    stderr,
		    "warning: %d run%s diverged and will be left out of the fit; a lower rate for that rung would help\n",
		    outcome->diverged, outcome->diverged == 1 ? "" : "s");
}

static struct error *outcome_error(const struct lab *lab, const struct sweep_outcome *outcome) {
	fputs(outcome->failures.data ? outcome->failures.data : "", stderr);
	if (outcome->failures.failed) fputs("  ... and more, for which memory is short\n", stderr);
	if (outcome->interrupted)
		return error_new(
		    ERROR_INTERRUPTED, "interrupted; nothing is lost. Go on with: rung sweep --lab %s", lab->folder);
	if (outcome->failed == 0) return NULL;
	return error_new(
	    ERROR_FAILED,
	    "%d job%s failed, see above; what can be done without is done.%s Try again with: rung sweep --lab %s%s",
	    outcome->failed, outcome->failed == 1 ? "" : "s",
	    outcome->killed
	        ? " Killed by signal 9: by hand, or because memory ran out (`dmesg` would say so; fewer workers "
	          "at a time need less: --workers)."
	        : "",
	    lab->folder, outcome->killed ? "; it goes on from the checkpoints" : "");
}

static struct error *sweep(const struct sweep_arguments *arguments, struct choice *choice) {
	struct lab lab;
	struct job_list jobs = {0};
	struct sweep_outcome outcome = {0};
	struct text damaged = {0};
	struct sweep_options options = {
	    .workers = worker_count(arguments->workers),
	    .checkpoint_seconds = arguments->checkpoint_seconds,
	    .quiet = arguments->quiet};
	const bool asked = arguments->preset || arguments->plan;
	struct blas_check blas;
	/* Nothing is trained on a library that cannot multiply. */
	TRY(blas_check(&blas));
	TRY(blas_check_verdict(&blas));
	struct error *error = asked ? read_choice(choice) : NULL;
	if (error) return error;
	error = lab_open(arguments->lab, asked ? &choice->parsed : NULL, choice->name.data, arguments->corpus, &lab);
	if (!error) error = jobs_make(&lab.plan, &lab.info, lab.folder, &jobs);
	if (!error) error = lab_write_corpus(&lab, NULL);
	if (error) goto done;
	error = jobs_survey(&jobs, &lab.info, lab.folder, &damaged);
	if (damaged.length) fprintf(stderr, "warning: %s", damaged.data);
	if (error) goto done;
	if (lab.lost && !all_over(&jobs)) {
		error = lab.lost;
		lab.lost = NULL;
	}
	if (error) goto done;
	if (lab.lost) fprintf(stderr, "note: the corpus %s is gone; what was trained on it is not\n", lab.corpus_path);
	if (!all_over(&jobs)) error = predict(&lab, &jobs, &options);
	if (error) goto done;
	interrupt_watch();
	error = sweep_run(&lab, &jobs, &options, &outcome);
	if (error) goto done;
	if (!outcome.interrupted) print_summary(&lab, &outcome, arguments->json);
	error = outcome_error(&lab, &outcome);
done:
	text_free(&outcome.failures);
	text_free(&damaged);
	jobs_free(&jobs);
	lab_close(&lab);
	return error;
}

int sweep_command(int argc, char **argv) {
	struct sweep_arguments arguments;
	bool help = false;
	struct error *error = options_parse(sweep_rows, COUNT_OF(sweep_rows), &arguments, argc, argv, NULL, &help);
	if (error) return error_report(error);
	if (help)
		return command_help(
		    "rung sweep [--preset NAME | --plan FILE] [--corpus FILE] --lab DIR ...\n\n"
		    "Trains a ladder, or goes on with one. Finished runs are never trained again.\n",
		    sweep_rows, COUNT_OF(sweep_rows));
	struct choice choice = {arguments.preset, arguments.plan, {0}, NULL, {0}};
	error = sweep(&arguments, &choice);
	choice_free(&choice);
	return error_report(error);
}
