/* The sweep: a child for every job, as many at a time as there are workers, the longest remaining path first. A worker
 * without a job lends its core to one that has a use for a further thread; threads change no bit of a result, so that can
 * be done, and undone, at any step. */
#include "sweep/show.h"
#include "sweep/worker.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLL_MILLISECONDS 200
#define SHOW_SECONDS 0.5
#define SHARE_SECONDS 5 /* between two looks at who needs the spare cores most, when nothing begins or ends */
/* Predicted seconds that weigh as much as the prediction itself, so that the first moments do not shake the ETA. */
#define PREDICTION_WEIGHT 5

struct sweep {
	struct lab *lab;
	struct job_list *jobs;
	const struct sweep_options *options;
	struct sweep_outcome *outcome;
	struct worker *workers;  /* (options->workers) */
	struct job_news *news;   /* the same */
	struct text *answers;    /* the same: what the compressors have said */
	double *last_heard;      /* the same: clock at the start or at the latest progress */
	double *spent, *planned; /* (rungs): measured and predicted seconds of the work done so far */
	struct text *told;       /* the same: the last word on threads and cores */
	int *cores, core_count;
	struct progress progress;
	double started, shown, shared;
};

/* ---------------------------------------------------------------------------------------------------- starting a job --- */

/* What `rung train --job` reads. */
static struct error *write_job(const struct sweep *sweep, const struct job *job, const char *path) {
	cJSON *root = cJSON_CreateObject();
	cJSON *config = root ? cJSON_AddObjectToObject(root, "config") : NULL;
	struct error *error =
	    config ? options_to_json(train_config_rows, train_config_row_count, &job->config, config) : error_memory(4096);
	char hash[HASH_HEX_SIZE];
	bool good =
	    !error && cJSON_AddStringToObject(root, "corpus", sweep->lab->corpus_path) &&
	    cJSON_AddStringToObject(root, "corpus_hash", hash_hex(sweep->lab->info.hash, hash)) &&
	    (job->start ? cJSON_AddStringToObject(root, "start", job->start) : cJSON_AddNullToObject(root, "start"));
	cJSON *branches = good ? cJSON_AddArrayToObject(root, "branches") : NULL;
	for (int b = 0; b < job->branch_count && branches; b++) {
		cJSON *step = cJSON_CreateNumber((double)job->branches[b]);
		good = good && step && cJSON_AddItemToArray(branches, step);
	}
	if (good && sweep->lab->kernels) {
		cJSON *kernels = train_kernels_to_json(sweep->lab->kernels[job->rung]);
		good = kernels && cJSON_AddItemToObject(root, "kernels", kernels);
	}
	good = good && branches && cJSON_AddBoolToObject(root, "trunk", job->kind == JOB_TRUNK) &&
	       json_add_number(root, "peak_gflops", sweep->options->peak_gflops);
	if (!error) error = good ? json_write_sealed(path, root) : error_memory(4096);
	cJSON_Delete(root);
	return error;
}

/* Where the child's stderr goes. */
static char *log_path(const struct job *job) {
	return path_join(job->folder, job->kind == JOB_COMPRESS ? "compress-stderr.log" : "stderr.log");
}

static struct error *start_job(struct sweep *sweep, int index, int w) {
	struct job *job = &sweep->jobs->items[index];
	TRY(folder_make(job->folder));
	char *path = path_join(job->folder, "job.json"), *log = log_path(job), seconds[32];
	struct error *error = path && log ? NULL : error_memory(256);
	snprintf(seconds, sizeof seconds, "%.9g", sweep->options->checkpoint_seconds);
	if (!error && job->kind != JOB_COMPRESS) error = write_job(sweep, job, path);
	if (!error) {
		/* A run takes its core itself, when it is told: what starts on one core believes that there are no others. */
		const bool pinned = sweep->core_count && job->kind == JOB_COMPRESS;
		const char *const train[] = {"rung", "train", "--job", path, "--checkpoint-seconds", seconds, "--json", NULL};
		const char *const compress[] = {"rung", "data", "compress", sweep->lab->corpus_path, "--json", NULL};
		error = worker_start(
		    job->kind == JOB_COMPRESS ? compress : train, log, pinned ? sweep->cores[w] : -1, &sweep->workers[w]);
	}
	free(path);
	free(log);
	if (error) return error;
	job->state = JOB_RUNNING;
	sweep->news[w] = (struct job_news){index, job->begins, job->ends, NAN, NAN, NAN, 1};
	text_clear(&sweep->told[w]);
	sweep->shared = 0;
	sweep->last_heard[w] = clock_seconds();
	text_clear(&sweep->answers[w]);
	return NULL;
}

/* ---------------------------------------------------------------------------------------------------- sharing the cores --- */

/* "threads 2 cores 5 7": its own core, and those of the next `threads` - 1 workers without a job from *idle on. */
static void add_word(const struct sweep *sweep, int w, int threads, int *idle, struct text *word) {
	text_add(word, "threads %d", threads);
	if (sweep->core_count) text_add(word, " cores %d", sweep->cores[w]);
	for (int t = 1; t < threads; t++, ++*idle) {
		while (sweep->workers[*idle].pid) ++*idle;
		if (sweep->core_count) text_add(word, " %d", sweep->cores[*idle]);
	}
	text_add_string(word, "\n");
}

/* Tells every run how many threads it has now. Those that give up cores hear it first. */
static struct error *share(struct sweep *sweep) {
	const int workers = sweep->options->workers;
	struct core_share *shares = array_new((size_t)workers, sizeof *shares);
	struct text *words = array_new((size_t)workers, sizeof *words);
	struct error *error = shares && words ? NULL : error_memory((size_t)workers * sizeof *shares);
	int running = 0, idle = 0;
	for (int w = 0; w < workers && !error; w++) {
		const int job = sweep->news[w].job;
		if (job >= 0) shares[running++] = (struct core_share){&sweep->jobs->items[job], job_path(sweep->jobs, job), 1};
	}
	if (!error) share_cores(shares, running, workers);
	for (int w = 0, k = 0; w < workers && !error; w++) {
		if (sweep->news[w].job < 0) continue;
		add_word(sweep, w, shares[k++].threads, &idle, &words[w]);
		error = text_error(&words[w]);
	}
	for (int more = 0; more <= 1; more++)
		for (int w = 0, k = 0; w < workers && !error; w++) {
			if (sweep->news[w].job < 0) continue;
			const int threads = shares[k++].threads;
			const bool is_news = !sweep->told[w].data || strcmp(sweep->told[w].data, words[w].data) != 0;
			if (!is_news || (threads > sweep->news[w].threads) != more) continue;
			if (sweep->jobs->items[sweep->news[w].job].kind != JOB_COMPRESS)
				worker_tell(&sweep->workers[w], words[w].data);
			sweep->news[w].threads = threads;
			text_clear(&sweep->told[w]);
			text_add_string(&sweep->told[w], words[w].data);
			error = text_error(&sweep->told[w]);
		}
	for (int w = 0; words && w < workers; w++) text_free(&words[w]);
	free(words);
	free(shares);
	sweep->shared = clock_seconds();
	return error;
}

/* ------------------------------------------------------------------------------------------------- listening to a child --- */

struct listener {
	struct sweep *sweep;
	int worker;
};

static double number_or(const cJSON *event, const char *key, double otherwise) {
	const cJSON *number = cJSON_GetObjectItemCaseSensitive(event, key);
	return cJSON_IsNumber(number) ? number->valuedouble : otherwise;
}

/* The job has come to `step`: its progress, and what the seconds since the last word say about the rung's speed. */
static void note_step(struct sweep *sweep, int w, double step) {
	struct job *job = &sweep->jobs->items[sweep->news[w].job];
	const double length = (double)(job->ends - job->begins);
	const double progress = length > 0 ? fmin(1, fmax(0, (step - (double)job->begins) / length)) : 1;
	const double now = clock_seconds();
	/* The first word of a job that goes on tells where it was, not how fast it is. */
	const bool first = isnan(sweep->news[w].tokens_per_second);
	if (progress > job->progress && !(first && progress > 0.05)) {
		sweep->planned[job->rung] += (progress - job->progress) * job->seconds;
		sweep->spent[job->rung] += (now - sweep->last_heard[w]) * job_gain(job, sweep->news[w].threads);
	}
	job->progress = progress;
	sweep->last_heard[w] = now;
}

/* A rung's own pace; where little is known of it, that of the whole ladder. */
static void update_slowness(struct sweep *sweep) {
	double spent = PREDICTION_WEIGHT, planned = PREDICTION_WEIGHT;
	for (int r = 0; r < sweep->jobs->rung_count; r++) {
		spent += sweep->spent[r];
		planned += sweep->planned[r];
	}
	const double overall = spent / planned;
	for (int r = 0; r < sweep->jobs->rung_count; r++)
		sweep->jobs->slowness[r] =
		    (sweep->spent[r] + PREDICTION_WEIGHT * overall) / (sweep->planned[r] + PREDICTION_WEIGHT);
}

/* What a child wants a person to know, such as that a checkpoint was damaged and passed over. */
static void say_note(struct sweep *sweep, const struct job *job, const char *note) {
	struct text line = {0};
	show_job(&sweep->lab->plan, job, &line);
	progress_say(&sweep->progress, "note     %s  %s", line.failed ? job->id : line.data, note);
	text_free(&line);
}

static void take_line(void *context, const char *line) {
	struct listener *listener = context;
	struct sweep *sweep = listener->sweep;
	struct job_news *news = &sweep->news[listener->worker];
	if (sweep->jobs->items[news->job].kind == JOB_COMPRESS) {
		text_add(&sweep->answers[listener->worker], "%s\n", line);
		return;
	}
	cJSON *event = cJSON_Parse(line);
	const char *kind = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, "event"));
	if (kind && strcmp(kind, "progress") == 0) {
		const double step = number_or(event, "step", (double)news->step);
		note_step(sweep, listener->worker, step);
		update_slowness(sweep);
		news->step = (int64_t)step;
		news->loss = number_or(event, "loss", NAN);
		news->held_out = number_or(event, "held_out", NAN);
		news->tokens_per_second = number_or(event, "tokens_per_second", 0);
	}
	const char *note = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, "text"));
	if (kind && strcmp(kind, "note") == 0 && note) say_note(sweep, &sweep->jobs->items[news->job], note);
	cJSON_Delete(event);
}

/* ----------------------------------------------------------------------------------------------------- the end of a job --- */

static struct error *keep_compressors(struct sweep *sweep, int w) {
	const struct text *answer = &sweep->answers[w];
	cJSON *root;
	TRY(json_parse("the answer of `rung data compress`", answer->data ? answer->data : "", answer->length, &root));
	const cJSON *compressors = cJSON_GetObjectItemCaseSensitive(root, "compressors");
	struct error *error = cJSON_IsArray(compressors)
	                          ? lab_write_corpus(sweep->lab, compressors)
	                          : error_new(ERROR_DATA, "the answer of `rung data compress` has no \"compressors\"");
	cJSON_Delete(root);
	return error;
}

/* The last line of a child's stderr, what it failed of; or why that cannot be had. */
static void add_last_words(const char *log, struct text *out) {
	struct text said = {0};
	struct error *error = log ? file_read(log, (size_t)1 << 20, &said) : error_memory(256);
	if (error) text_add(out, " (%s)", error->message);
	error_free(error);
	while (said.length && strchr("\n ", said.data[said.length - 1])) said.data[--said.length] = '\0';
	const char *newline = said.length ? strrchr(said.data, '\n') : NULL;
	if (said.length) text_add(out, ": %.500s", newline ? newline + 1 : said.data);
	text_free(&said);
}

/* ": exit code 1: ..." or ": ended by signal 9 (Killed)". */
static void add_reason(const struct job *job, int code, struct text *out) {
	if (code > 128) {
		text_add(out, ": ended by signal %d (%s)", code - 128, strsignal(code - 128));
		return;
	}
	char *log = log_path(job);
	text_add(out, ": exit code %d", code);
	add_last_words(log, out);
	free(log);
}

static void note_failure(struct sweep *sweep, const struct job *job, int code) {
	struct text *failures = &sweep->outcome->failures;
	char *log = log_path(job);
	text_add_string(failures, "  ");
	show_job(&sweep->lab->plan, job, failures);
	add_reason(job, code, failures);
	text_add(failures, "; its messages: %s\n", log ? log : job->folder);
	sweep->outcome->killed += code == 128 + SIGKILL;
	free(log);
}

static void say_done(struct sweep *sweep, const struct job *job, int code) {
	struct text line = {0};
	struct train_result result;
	show_job(&sweep->lab->plan, job, &line);
	if (job->state == JOB_FAILED) add_reason(job, code, &line);
	if (job->kind == JOB_RUN && job->state == JOB_DONE) {
		struct error *error = train_result_read(job->folder, &result);
		if (!error) text_add(&line, "  loss %.4f", result.loss);
		if (!error && !isnan(result.loss_error)) text_add(&line, " +- %.4f", result.loss_error);
		error_free(error);
	}
	const char *state = job->state == JOB_DONE ? "done" : job->state == JOB_DIVERGED ? "diverged" : "failed";
	progress_say(&sweep->progress, "%-8s %s", state, line.failed ? job->id : line.data);
	text_free(&line);
}

/* An empty log of messages is only in the way. */
static void drop_empty_log(const struct job *job) {
	char *log = log_path(job);
	FILE *file = log ? fopen(log, "r") : NULL;
	if (file && fgetc(file) == EOF) unlink(log);
	if (file) fclose(file);
	free(log);
}

static struct error *end_job(struct sweep *sweep, int w, bool stopping) {
	struct job *job = &sweep->jobs->items[sweep->news[w].job];
	const int code = worker_wait(&sweep->workers[w]);
	struct error *error = NULL;
	sweep->news[w].job = -1;
	sweep->shared = 0;
	if (code == 0 && job->kind == JOB_COMPRESS) error = keep_compressors(sweep, w);
	if (code == 0 && !error) {
		job->state = JOB_DONE;
		job->progress = 1;
		sweep->outcome->new_runs += job->kind == JOB_RUN;
		drop_empty_log(job);
	} else if (code == ERROR_DIVERGED) {
		job->state = JOB_DIVERGED;
	} else if (stopping && (code == ERROR_INTERRUPTED || code == 128 + SIGTERM)) {
		job->state = JOB_WAITING; /* on purpose: it goes on next time */
		return error;
	} else {
		job->state = JOB_FAILED;
		note_failure(sweep, job, code);
	}
	say_done(sweep, job, code);
	/* The table grows with the ladder, so that a look at it, or a fit, need not wait for the end. */
	if (!error && job->kind == JOB_RUN && job->state != JOB_FAILED) error = points_write(sweep->lab, sweep->jobs);
	return error;
}

/* ----------------------------------------------------------------------------------------------------------- the loop --- */

static int running_count(const struct sweep *sweep) {
	int count = 0;
	for (int w = 0; w < sweep->options->workers; w++) count += sweep->workers[w].pid != 0;
	return count;
}

static void signal_all(const struct sweep *sweep, int number) {
	for (int w = 0; w < sweep->options->workers; w++)
		if (sweep->workers[w].pid) kill(sweep->workers[w].pid, number);
}

static struct error *fill_workers(struct sweep *sweep) {
	for (int w = 0; w < sweep->options->workers; w++) {
		if (sweep->workers[w].pid) continue;
		const int next = jobs_next(sweep->jobs);
		if (next < 0) return NULL;
		TRY(start_job(sweep, next, w));
	}
	return NULL;
}

static struct error *listen_to_workers(struct sweep *sweep, bool stopping) {
	workers_await(sweep->workers, sweep->options->workers, POLL_MILLISECONDS);
	for (int w = 0; w < sweep->options->workers; w++) {
		if (!sweep->workers[w].pid) continue;
		struct listener listener = {sweep, w};
		bool ended;
		TRY(worker_read(&sweep->workers[w], take_line, &listener, &ended));
		if (ended) TRY(end_job(sweep, w, stopping));
	}
	return NULL;
}

/* The compressors say nothing until they are through. */
static void guess_progress(const struct sweep *sweep, double now) {
	for (int w = 0; w < sweep->options->workers; w++) {
		struct job *job = sweep->news[w].job < 0 ? NULL : &sweep->jobs->items[sweep->news[w].job];
		if (job && job->kind == JOB_COMPRESS) job->progress = fmin(0.95, (now - sweep->last_heard[w]) / job->seconds);
	}
}

static void show(struct sweep *sweep) {
	const double now = clock_seconds();
	if (now - sweep->shown < SHOW_SECONDS) return;
	sweep->shown = now;
	guess_progress(sweep, now);
	struct text text = {0};
	show_progress(
	    &sweep->lab->plan, sweep->jobs, sweep->news, sweep->options->workers, now - sweep->started,
	    jobs_time_left(sweep->jobs, sweep->options->workers), &text);
	if (text.data && !text.failed) progress_show(&sweep->progress, text.data);
	text_free(&text);
}

static struct error *run_jobs(struct sweep *sweep) {
	bool stopping = false;
	for (;;) {
		if (!stopping) TRY(fill_workers(sweep));
		if (running_count(sweep) == 0) break;
		if (!stopping && clock_seconds() - sweep->shared > SHARE_SECONDS) TRY(share(sweep));
		show(sweep);
		TRY(listen_to_workers(sweep, stopping));
		if (!stopping && interrupt_pending()) {
			stopping = true;
			signal_all(sweep, SIGTERM);
			progress_say(&sweep->progress, "stopping: the runs write their checkpoints (again Ctrl-C: stop at once)");
		}
	}
	return NULL;
}

/* A run whose trunk is done, but the branch that it begins from has been taken away. */
static void note_lost_branch(struct sweep *sweep, const struct job *job) {
	const struct job *trunk = &sweep->jobs->items[job->trunk];
	struct text *failures = &sweep->outcome->failures;
	text_add_string(failures, "  ");
	show_job(&sweep->lab->plan, job, failures);
	text_add(failures, ": %s is gone; remove the folder %s to have it made again\n", job->start, trunk->folder);
}

/* Jobs that could not begin because `trunk` failed before their branch: one line for all of them. */
static void note_dependants(struct sweep *sweep, int trunk) {
	struct text *failures = &sweep->outcome->failures;
	bool any = false;
	for (int i = 0; i < sweep->jobs->count; i++) {
		const struct job *job = &sweep->jobs->items[i];
		char tokens[HUMAN_SIZE];
		if (job->trunk != trunk || job->state != JOB_FAILED || job->ready) continue;
		if (!any) {
			text_add_string(failures, "  ");
			show_job(&sweep->lab->plan, &sweep->jobs->items[trunk], failures);
		}
		text_add(
		    failures, "%s %s", any ? "," : ": not begun without it: D",
		    human_count((double)job->config.tokens, tokens));
		any = true;
	}
	if (any) text_add_string(failures, "\n");
}

static void sum_up(struct sweep *sweep) {
	struct sweep_outcome *outcome = sweep->outcome;
	for (int i = 0; i < sweep->jobs->count; i++) {
		const struct job *job = &sweep->jobs->items[i];
		outcome->runs += job->kind == JOB_RUN;
		outcome->done += job->kind == JOB_RUN && job->state == JOB_DONE;
		outcome->diverged += job->kind == JOB_RUN && job->state == JOB_DIVERGED;
		outcome->failed += job->state == JOB_FAILED;
		outcome->interrupted |= job->state == JOB_WAITING;
		if (job->state == JOB_FAILED && job->trunk >= 0 && !job->ready &&
		    sweep->jobs->items[job->trunk].state == JOB_DONE)
			note_lost_branch(sweep, job);
		if (job->kind == JOB_TRUNK && job->state == JOB_FAILED) note_dependants(sweep, i);
	}
}

struct error *sweep_run(
    struct lab *lab, struct job_list *jobs, const struct sweep_options *options, struct sweep_outcome *outcome) {
	const size_t workers = (size_t)options->workers, rungs = (size_t)jobs->rung_count;
	*outcome = (struct sweep_outcome){0};
	struct sweep sweep = {
	    .lab = lab,
	    .jobs = jobs,
	    .options = options,
	    .outcome = outcome,
	    .workers = array_new(workers, sizeof *sweep.workers),
	    .news = array_new(workers, sizeof *sweep.news),
	    .answers = array_new(workers, sizeof *sweep.answers),
	    .told = array_new(workers, sizeof *sweep.told),
	    .last_heard = array_new(workers, sizeof *sweep.last_heard),
	    .spent = array_new(rungs, sizeof *sweep.spent),
	    .planned = array_new(rungs, sizeof *sweep.planned),
	    .started = clock_seconds(),
	    .shown = clock_seconds(),
	};
	struct error *error = NULL;
	if (!sweep.workers || !sweep.news || !sweep.answers || !sweep.told || !sweep.last_heard || !sweep.spent ||
	    !sweep.planned)
		error = error_memory(workers * sizeof *sweep.workers);
	if (!error) {
		for (size_t w = 0; w < workers; w++) sweep.news[w].job = -1;
		error = worker_cores(options->workers, &sweep.cores, &sweep.core_count);
	}
	if (!error) {
		progress_open(&sweep.progress, options->quiet);
		error = run_jobs(&sweep);
		if (error) { /* nobody is left behind */
			signal_all(&sweep, SIGTERM);
			for (size_t w = 0; w < workers; w++)
				if (sweep.workers[w].pid) worker_wait(&sweep.workers[w]);
		}
		progress_close(&sweep.progress);
		sum_up(&sweep);
	}
	if (!error) error = points_write(lab, jobs);
	if (!error && !outcome->interrupted) error = sample_write(lab, jobs);
	for (size_t w = 0; sweep.answers && w < workers; w++) text_free(&sweep.answers[w]);
	for (size_t w = 0; sweep.told && w < workers; w++) text_free(&sweep.told[w]);
	free(sweep.workers);
	free(sweep.news);
	free(sweep.answers);
	free(sweep.told);
	free(sweep.last_heard);
	free(sweep.spent);
	free(sweep.planned);
	free(sweep.cores);
	return error;
}
