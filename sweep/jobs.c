/* Jobs: the runs of a plan with their ids and folders, what waits for what, what is already done, what comes next. */
#include "sweep/sweep.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------------------- making the list --- */

static struct error *place_job(struct job *job, const struct corpus_info *corpus, const char *lab) {
	TRY(train_id(&job->config, corpus, job->kind == JOB_TRUNK, job->id));
	struct text folder = {0};
	text_add(&folder, "%s/runs/%s", lab, job->id);
	job->folder = folder.data;
	return text_error(&folder);
}

/* The step at which a run leaves its trunk; 0 when it has nothing to share, or nothing to do after it. */
static int64_t branch_step(const struct train_config *config) {
	const struct train_steps steps = train_steps(config);
	return steps.cooldown_start < steps.total ? steps.cooldown_start : 0;
}

/* The trunk of one (rung, seed), or no job where no horizon could share it. */
static struct error *add_trunk(
    const struct rung *rung, struct job job, const struct corpus_info *corpus, const char *lab, struct job_list *jobs) {
	job.kind = JOB_TRUNK;
	job.horizon = rung->horizon_count - 1;
	job.config.tokens = rung->horizons[job.horizon];
	job.branches = array_new((size_t)rung->horizon_count, sizeof *job.branches);
	if (!job.branches) return error_memory((size_t)rung->horizon_count * sizeof *job.branches);
	for (int h = 0; h < rung->horizon_count; h++) {
		struct train_config config = job.config;
		config.tokens = rung->horizons[h];
		const int64_t step = branch_step(&config);
		/* Horizons of very few steps may branch at the same one. */
		if (step > 0 && (job.branch_count == 0 || step > job.branches[job.branch_count - 1]))
			job.branches[job.branch_count++] = step;
	}
	if (rung->horizon_count < 2 || job.branch_count == 0) {
		free(job.branches);
		return NULL;
	}
	job.ends = job.branches[job.branch_count - 1];
	struct job *trunk = &jobs->items[jobs->count++];
	*trunk = job;
	return place_job(trunk, corpus, lab);
}

static struct error *add_run(
    int64_t tokens, struct job job, int trunk, const struct corpus_info *corpus, const char *lab,
    struct job_list *jobs) {
	job.kind = JOB_RUN;
	job.config.tokens = tokens;
	job.ends = train_steps(&job.config).total;
	if (trunk >= 0 && branch_step(&job.config) > 0) {
		job.trunk = trunk;
		job.begins = branch_step(&job.config);
		job.start = train_branch_path(jobs->items[trunk].folder, job.begins);
		if (!job.start) return error_memory(256);
	}
	struct job *run = &jobs->items[jobs->count++];
	*run = job;
	return place_job(run, corpus, lab);
}

struct error *jobs_make(
    const struct plan *plan, const struct corpus_info *corpus, const char *lab, struct job_list *jobs) {
	size_t most = 1;
	for (int r = 0; r < plan->rung_count; r++)
		most += (size_t)plan->rungs[r].seed_count * ((size_t)plan->rungs[r].horizon_count + 1);
	*jobs = (struct job_list){
	    .items = array_new(most, sizeof *jobs->items),
	    .slowness = array_new((size_t)plan->rung_count, sizeof *jobs->slowness),
	    .rung_count = plan->rung_count,
	};
	if (!jobs->items || !jobs->slowness) return error_memory(most * sizeof *jobs->items);

	for (int r = 0; r < plan->rung_count; r++) {
		const struct rung *rung = &plan->rungs[r];
		jobs->slowness[r] = 1;
		for (int s = 0; s < rung->seed_count; s++) {
			struct job job = {.rung = r, .config = rung->config, .trunk = -1};
			job.config.seed = rung->seeds[s];
			const int before = jobs->count;
			TRY(add_trunk(rung, job, corpus, lab, jobs));
			const int trunk = jobs->count > before ? before : -1;
			for (int h = 0; h < rung->horizon_count; h++) {
				job.horizon = h;
				TRY(add_run(rung->horizons[h], job, trunk, corpus, lab, jobs));
			}
		}
	}
	/* Compressors count bytes; a source of symbols has none. */
	if (corpus->bytes[SPLIT_HELD_OUT]) {
		char *folder = strdup(lab);
		if (!folder) return error_memory(strlen(lab));
		jobs->items[jobs->count++] = (struct job){.kind = JOB_COMPRESS, .trunk = -1, .folder = folder};
	}
	return NULL;
}

void jobs_free(struct job_list *jobs) {
	for (int i = 0; i < jobs->count; i++) {
		free(jobs->items[i].folder);
		free(jobs->items[i].branches);
		free(jobs->items[i].start);
	}
	free(jobs->items);
	free(jobs->slowness);
	*jobs = (struct job_list){0};
}

/* ------------------------------------------------------------------------------------------------ what is done already --- */

/* Damage that was found: `path` becomes path.damaged, with a line in `damaged` that says so and `what` comes of it. The record
 * that vouches for it is removed first: without the one, but with the other, nobody would know that there is something to be
 * done. Takes over `damage`; one that is not ERROR_DATA is returned: the file may be whole, but the system would not let us
 * read it. */
static struct error *set_aside(
    struct error *damage, const char *path, const char *record, const char *what, struct text *damaged) {
	if (damage->kind != ERROR_DATA) return damage;
	struct text aside = {0};
	text_add(&aside, "%s.damaged", path);
	struct error *error = text_error(&aside);
	if (!error && record && unlink(record) && errno != ENOENT) error = error_system("remove", record);
	const bool there = !error && rename(path, aside.data) == 0;
	if (!error && !there && errno != ENOENT) error = error_system("rename", path);
	if (!error) {
		text_add(damaged, "%s\n  ", damage->message);
		if (there) text_add(damaged, "set aside as %s; ", aside.data);
		text_add(damaged, "%s\n", what);
	}
	error_free(damage);
	text_free(&aside);
	return error;
}

/* What a run's record says. One that cannot be read, is of another run, or lacks the result that it claims is set aside
 * and counts as none: the run goes on from its checkpoint, or from the start. So does one whose learning curve is not the
 * one that the record was written with. */
static struct error *recorded_state(const struct job *job, enum job_state *state, struct text *damaged) {
	cJSON *root = NULL;
	struct train_result result;
	char *path = path_join(job->folder, "run.json"), *log = path_join(job->folder, "log.jsonl");
	struct error *error = path && log ? NULL : error_memory(256);
	*state = JOB_WAITING;
	if (error || !file_exists(path)) goto done;

	struct error *damage = json_read_sealed(path, TRAIN_RECORD_FORMAT, &root);
	const char *id = "", *status = "";
	if (!damage) damage = json_get_text(root, "id", path, &id);
	if (!damage) damage = json_get_text(root, "status", path, &status);
	if (!damage && strcmp(id, job->id) != 0)
		damage = error_new(ERROR_DATA, "%s: \"id\" is '%.40s', expected '%s'", path, id, job->id);
	const bool over = strcmp(status, "running") != 0;
	if (!damage && over) damage = train_result_read(job->folder, &result);
	if (damage) {
		error = set_aside(damage, path, NULL, "the run goes on without it", damaged);
		goto done;
	}
	if (over) damage = train_log_check(job->folder, &result);
	if (damage) {
		error = set_aside(damage, log, path, "the run is trained again", damaged);
		goto done;
	}
	if (strcmp(status, "done") == 0) {
		*state = JOB_DONE;
		train_clean(job->folder);
	}
	if (strcmp(status, "diverged") == 0) *state = JOB_DIVERGED;
done:
	cJSON_Delete(root);
	free(path);
	free(log);
	return error;
}

static bool compressors_recorded(const char *lab) {
	char *path = path_join(lab, "corpus.json");
	cJSON *root = NULL;
	if (path && file_exists(path)) error_free(json_read(path, &root));
	const bool there = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, "compressors")) > 0;
	cJSON_Delete(root);
	free(path);
	return there;
}

/* A trunk that was stopped has come to its latest branch at least. */
static double trunk_progress(const struct job *trunk) {
	double progress = 0;
	for (int b = 0; b < trunk->branch_count; b++) {
		char *path = train_branch_path(trunk->folder, trunk->branches[b]);
		if (path && file_exists(path)) progress = (double)trunk->branches[b] / (double)trunk->ends;
		free(path);
	}
	return progress;
}

/* Whether a trunk without a final record has left something to be completed: a record of its beginning, or its last
 * branch, after which only the end was missing. */
static bool trunk_is_under_way(const struct job *trunk) {
	char *record = path_join(trunk->folder, "run.json");
	char *branch = train_branch_path(trunk->folder, trunk->branches[trunk->branch_count - 1]);
	const bool is = (record && file_exists(record)) || (branch && file_exists(branch));
	free(record);
	free(branch);
	return is;
}

/* A run begins from its trunk's branch, or does so again when its own checkpoints are lost. Without a good one the trunk is
 * trained again, to the same branch. */
static struct error *check_branch(
    const struct job *job, const struct corpus_info *corpus, struct job *trunk, struct text *damaged) {
	struct error *damage = NULL;
	if (file_exists(job->start))
		damage = train_branch_check(job->start, &job->config, corpus, job->begins);
	else if (trunk->state == JOB_DONE)
		damage = error_new(ERROR_DATA, "%s: is missing", job->start);
	if (!damage) return NULL;
	char *record = path_join(trunk->folder, "run.json");
	if (!record) {
		error_free(damage);
		return error_memory(strlen(trunk->folder));
	}
	struct error *error = set_aside(damage, job->start, record, "its trunk is trained again", damaged);
	free(record);
	trunk->state = JOB_WAITING;
	return error;
}

struct error *jobs_survey(
    struct job_list *jobs, const struct corpus_info *corpus, const char *lab, struct text *damaged) {
	for (int i = 0; i < jobs->count; i++) {
		struct job *job = &jobs->items[i];
		if (job->kind == JOB_COMPRESS)
			job->state = compressors_recorded(lab) ? JOB_DONE : JOB_WAITING;
		else
			TRY(recorded_state(job, &job->state, damaged));
		job->ready = false;
		job->progress = job->kind == JOB_TRUNK && job->state == JOB_WAITING ? trunk_progress(job) : 0;
	}
	for (int i = 0; i < jobs->count; i++) {
		struct job *job = &jobs->items[i];
		if (job->state == JOB_WAITING && job->trunk >= 0)
			TRY(check_branch(job, corpus, &jobs->items[job->trunk], damaged));
	}
	/* A trunk is there for its cooldowns; once they are through its folder may be removed. One that was interrupted is
	 * brought to its end all the same, so that the lab is that of an untouched ladder. */
	for (int t = 0; t < jobs->count; t++) {
		if (jobs->items[t].kind != JOB_TRUNK || jobs->items[t].state != JOB_WAITING) continue;
		bool needed = trunk_is_under_way(&jobs->items[t]);
		for (int i = 0; i < jobs->count; i++) {
			struct job *job = &jobs->items[i];
			if (job->trunk != t || job->state != JOB_WAITING) continue;
			job->ready = file_exists(job->start);
			needed |= !job->ready;
		}
		if (!needed) jobs->items[t].state = JOB_DONE;
	}
	return text_error(damaged);
}

/* ------------------------------------------------------------------------------------------------------ what is next --- */

/* What its trunk has meanwhile made of a waiting job. */
static void settle(struct job_list *jobs, struct job *job) {
	if (job->state != JOB_WAITING || job->ready) return;
	job->ready = job->trunk < 0 || file_exists(job->start);
	if (job->ready) return;
	const enum job_state trunk = jobs->items[job->trunk].state;
	if (trunk == JOB_DIVERGED) job->state = JOB_DIVERGED;
	/* Done, but without the branch: somebody took the file away. */
	if (trunk == JOB_FAILED || trunk == JOB_DONE) job->state = JOB_FAILED;
}

int jobs_next(struct job_list *jobs) {
	int best = -1;
	double longest = -1;
	for (int i = 0; i < jobs->count; i++) {
		settle(jobs, &jobs->items[i]);
		if (jobs->items[i].state != JOB_WAITING || !jobs->items[i].ready) continue;
		const double path = job_path(jobs, i);
		if (path > longest) {
			longest = path;
			best = i;
		}
	}
	return best;
}

/* Of all its own work, at the speed measured so far. */
static double job_seconds(const struct job_list *jobs, const struct job *job) {
	return job->seconds * (job->kind == JOB_COMPRESS ? 1 : jobs->slowness[job->rung]);
}

double job_seconds_left(const struct job_list *jobs, const struct job *job) {
	if (job->state != JOB_WAITING && job->state != JOB_RUNNING) return 0;
	return job_seconds(jobs, job) * (1 - job->progress);
}

double trunk_seconds_after(const struct job_list *jobs, const struct job *trunk, int64_t step) {
	return job_seconds(jobs, trunk) * (double)(trunk->ends - step) / (double)(trunk->ends - trunk->begins);
}

double job_path(const struct job_list *jobs, int job) {
	const struct job *self = &jobs->items[job];
	const double own = job_seconds_left(jobs, self);
	double longest = own;
	if (self->kind != JOB_TRUNK) return longest;
	for (int i = 0; i < jobs->count; i++) {
		const struct job *branch = &jobs->items[i];
		if (branch->trunk != job || branch->state != JOB_WAITING || branch->ready) continue;
		const double until = fmax(0, own - trunk_seconds_after(jobs, self, branch->begins));
		longest = fmax(longest, until + job_seconds_left(jobs, branch));
	}
	return longest;
}
