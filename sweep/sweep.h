/* sweep.h - many runs: a plan becomes a lab full of run records and one table of points.
 *
 * A plan (docs/plan.md) names a corpus and the rungs of a ladder. Every (rung, seed) is one trunk, trained at a constant
 * rate, and a cooldown from it for every horizon; each of these is a job, executed by a child process on a core of its
 * own, and on the cores besides that no other job can use. The files in the lab are the truth: what is done is read from them, so a sweep that was stopped in
 * any way goes on where it was. */
#ifndef RUNG_SWEEP_H
#define RUNG_SWEEP_H

#include "base/base.h"
#include "data/data.h"
#include "train/train.h"

/* -------------------------------------------------------------------------------------- the plan (plan.c, preset.c) --- */

struct rung {
	struct train_config config; /* of all its runs; tokens and seed are set per run */
	int64_t *horizons;          /* tokens, ascending */
	int horizon_count;
	int64_t *seeds;
	int seed_count;
};

/* Text from the largest rung, beside what the held-out text really goes on with. */
struct plan_sample {
	int64_t prompt, tokens; /* counts of tokens */
	double temperature;
	int64_t seed;
};

struct plan {
	char *name;
	char *corpus;                    /* path; NULL when there is a source, or when neither is named */
	cJSON *source;                   /* description for source_build; NULL when there is a path */
	char corpus_hash[HASH_HEX_SIZE]; /* that the corpus must have; empty: any */
	struct rung *rungs;
	int rung_count;
	struct plan_sample sample;
};

/* Checks everything that needs no corpus. `path` names the plan in errors. plan_free is due in any case. */
MUST_CHECK struct error *plan_parse(const cJSON *root, const char *path, struct plan *plan);
/* The same from a file; a relative path of the corpus counts from the plan's folder. */
MUST_CHECK struct error *plan_read(const char *path, struct plan *plan);
void plan_free(struct plan *plan);
/* The same from the plan.json of a lab, which must be as it was frozen. */
MUST_CHECK struct error *plan_read_frozen(const char *path, struct plan *plan);
/* Replaces what the plan says about its corpus. */
MUST_CHECK struct error *plan_set_corpus(struct plan *plan, const char *path);

/* Every run against the corpus: shapes, enough tokens, horizons that differ in steps, no run asked for twice. */
MUST_CHECK struct error *plan_check(const struct plan *plan, const char *path, const struct corpus_info *corpus);

/* Opens the corpus that the plan names by path (`path`: the plan's own name in errors); where the file is gone, the error
 * says how to name another place. */
MUST_CHECK struct error *plan_open_corpus(const struct plan *plan, const char *path, struct corpus **corpus);
/* That the corpus is the one of "corpus_hash", where the plan has that. */
MUST_CHECK struct error *plan_check_hash(
    const struct plan *plan, const char *path, const char *corpus_path, const struct corpus_info *corpus);

/* The plan with every default written out; plan_parse reads it back. NULL when memory is short. */
cJSON *plan_to_json(const struct plan *plan);

/* Lines "rungs[2].rate: 0.008 in <name>, 0.004 in <other_name>"; nothing when the two are equal. */
void plan_differences(
    const cJSON *plan, const char *name, const cJSON *other, const char *other_name, struct text *out);

extern const char *const preset_names[]; /* ends in NULL */
/* The JSON of a built-in plan; NULL when there is none of this name. */
const char *preset_json(const char *name);

/* ------------------------------------------------------------------------------------------------- the jobs (jobs.c) --- */

enum job_kind { JOB_TRUNK, JOB_RUN, JOB_COMPRESS };

enum job_state {
	JOB_WAITING,  /* to be done */
	JOB_RUNNING,  /* by a child of this sweep */
	JOB_DONE,     /* its record says so; a trunk also when nothing needs it any more */
	JOB_DIVERGED, /* its record says so, or its trunk's did before the branch */
	JOB_FAILED,   /* its child did, or its trunk's: nothing that running again could not mend */
};

struct job {
	enum job_kind kind;
	enum job_state state;
	int rung, horizon;          /* indices into the plan; a trunk's horizon is the rung's last */
	struct train_config config; /* complete */
	char id[HASH_HEX_SIZE];     /* of the run; empty for the compressors */
	char *folder;               /* LAB/runs/<id>; the lab itself for the compressors */
	int trunk;                  /* index of the job that it branches from; -1: it starts at step 0 */
	int64_t begins, ends;       /* steps that are its own work */
	int64_t *branches;          /* of a trunk: steps at which it leaves branch checkpoints, ascending */
	int branch_count;
	char *start;     /* the trunk's branch checkpoint; NULL without a trunk */
	bool ready;      /* `start` is there, or not needed */
	double seconds;  /* its own work on one core, predicted */
	double progress; /* part of its own work that is done, 0 to 1 */
	int team;        /* threads that it has use for here; 0 and 1: one */
	double gain;     /* its speed with all of them, of that with one */
};

struct job_list {
	struct job *items;
	int count;
	double *slowness; /* (rungs) measured time over predicted time; starts as 1 */
	int rung_count;
};

/* Lists the jobs of `plan` with their ids and folders: trunks stand before their cooldowns. */
MUST_CHECK struct error *jobs_make(
    const struct plan *plan, const struct corpus_info *corpus, const char *lab, struct job_list *jobs);
void jobs_free(struct job_list *jobs);
/* Sets the states from the records in the lab. A damaged record, learning curve or branch is renamed to NAME.damaged, with
 * lines in `damaged` that say so, and what it belongs to is to be done again. */
MUST_CHECK struct error *jobs_survey(
    struct job_list *jobs, const struct corpus_info *corpus, const char *lab, struct text *damaged);

/* A waiting job can start when its branch checkpoint is there. A trunk that has diverged or failed before a branch takes
 * the job with it; both are settled here. Returns the ready job with the longest path behind it, -1 for none. */
int jobs_next(struct job_list *jobs);
/* Seconds of one core from now to the end of `job` and of everything that waits for it. */
double job_path(const struct job_list *jobs, int job);
/* Seconds of one core that are left of its own work; 0 for what is over. */
double job_seconds_left(const struct job_list *jobs, const struct job *job);
/* The part of a trunk's seconds that come after `step`. */
double trunk_seconds_after(const struct job_list *jobs, const struct job *trunk, int64_t step);

/* ------------------------------------------------------------------------------------------ cores and time (outlook.c) --- */

/* The speed of a job on `threads` cores, of that on one. In between 1 and its team it rises evenly. */
double job_gain(const struct job *job, int threads);

/* A running job's part of the cores. */
struct core_share {
	const struct job *job;
	double path; /* seconds of one core to its end and that of everything that waits for it */
	int threads;
};
/* Sets `threads`: a core for each of the `count` jobs, and those left over, one by one, to the job that would now keep the
 * ladder waiting longest and has a use for another. */
void share_cores(struct core_share *shares, int count, int cores);

struct outlook {
	double seconds; /* until all jobs are through, from their present progress on */
	double idle;    /* part of the cores' time in which they have nothing to do */
	int *threads;   /* (jobs) in: zeros, or NULL; out: the most that each job gets */
};
void jobs_outlook(const struct job_list *jobs, int workers, struct outlook *outlook);
double jobs_time_left(const struct job_list *jobs, int workers); /* outlook.seconds */

/* --------------------------------------------------------------------------------- what it costs (measure.c, cost.c) --- */

/* Seconds of one core for a rung. */
struct rung_speed {
	double step;    /* an optimizer step */
	double forward; /* the loss of one held-out sequence */
	int team;       /* threads that a run has use for: as many as cores, at most one a micro-batch; 0 and 1: one */
	double gain;    /* its speed with all of them, of that with one while the other cores are busy */
	struct kernel_choice kernels; /* what would compute it fastest; not known of what is read from a file */
};

struct plan_speed {
	struct rung_speed *rungs; /* (rung_count) */
	int rung_count;
	double peak_gflops; /* of one core while all are busy */
};

/* Times real steps of every rung's shape in this process, on random tokens, a part of a second each. With `threads`
 * above 1 only steps of what can use so many, `forward` is 0 then. */
MUST_CHECK struct error *measure_rungs(const struct plan *plan, int vocab, int threads, struct rung_speed *speeds);
/* The same, and the core's peak, as a line of JSON: {"peak_gflops", "rungs": [{"step", "forward", "kernels"}]}. */
MUST_CHECK struct error *measure_here(const struct plan *plan, int vocab, int threads, struct text *out);
/* The mean over `workers` processes that measure at the same time, and then one process on all their cores. `source`,
 * "--plan" or "--preset", and `name` are what `rung plan` is told to measure. The caller frees speed->rungs. */
MUST_CHECK struct error *measure_everywhere(
    const struct plan *plan, const char *source, const char *name, int vocab, int workers, struct plan_speed *speed);

/* Keeps a measurement in a file (speed.c), and reads it back: false when there is none that belongs to this machine, this
 * program and `workers`, or when it is damaged. The caller frees speed->rungs. */
MUST_CHECK struct error *speed_write(const char *path, const struct plan_speed *speed, int workers);
bool speed_read(const char *path, int rung_count, int workers, struct plan_speed *speed);

/* Fills in job.seconds. */
void jobs_predict(struct job_list *jobs, const struct rung_speed *speeds, const struct corpus_info *corpus);
/* Exact, of the job's own steps; evaluations not counted. */
double job_flops(const struct job *job, const struct corpus_info *corpus);

struct plan_cost {
	double flops;        /* of all trunks and cooldowns */
	double disk, memory; /* bytes: the lab at the end; all workers at their largest */
	int runs, trunks;    /* jobs of each kind */
	int short_runs;      /* of fewer than SHORT_STEPS steps */
};
void plan_cost(
    const struct plan *plan, const struct job_list *jobs, const struct corpus_info *corpus, int workers,
    struct plan_cost *cost);

/* -------------------------------------------------------------------------------------------------- the lab (lab.c) --- */

struct lab {
	char *folder;
	int lock; /* descriptor; held while the sweep or one of its children lives */
	struct plan plan;
	char *corpus_path;
	struct corpus *corpus; /* NULL: `lost` says why, and there is nothing but what corpus.json says */
	struct corpus_info info;
	struct error *lost;
	struct kernel_choice *kernels; /* (plan.rung_count): who computes its runs; NULL: each run finds out by itself */
};

/* Makes the folder or goes on with it: takes the lock, builds or opens the corpus, freezes the plan or checks that
 * it is the one that was frozen. `asked` (taken over; NULL: the frozen one), `asked_path`: its name in errors.
 * lab_close is due in any case. */
MUST_CHECK struct error *lab_open(
    const char *folder, struct plan *asked, const char *asked_path, const char *corpus, struct lab *lab);
void lab_close(struct lab *lab);

/* LAB/kernels.json (kernels.c) into lab->kernels; *found: it is there. Damage, and kernels that this processor lacks, are
 * errors. */
MUST_CHECK struct error *lab_read_kernels(struct lab *lab, bool *found);
/* The other way, from what has been measured. */
MUST_CHECK struct error *lab_write_kernels(struct lab *lab, const struct plan_speed *speed);

/* LAB/corpus.json, with the compressors' answer where `compressors` (an array) is not NULL. */
MUST_CHECK struct error *lab_write_corpus(const struct lab *lab, const cJSON *compressors);

/* --------------------------------------------------------------------------------- points (points.c), text (sample.c) --- */

#define SHORT_STEPS 200 /* a run of fewer optimizer steps says nothing about its horizon */

/* LAB/points.csv from the records of all finished runs, in the plan's order. */
MUST_CHECK struct error *points_write(const struct lab *lab, const struct job_list *jobs);
/* Why a point is left out of the fit, "" when it is in: the rule that docs/formats.md declares. */
const char *point_reason(bool diverged, int64_t steps, double loss, double bigram);

/* LAB/samples.json, once the largest rung has been trained to its largest horizon. */
MUST_CHECK struct error *sample_write(const struct lab *lab, const struct job_list *jobs);

/* -------------------------------------------------------------------------------------------- the sweep (scheduler.c) --- */

struct sweep_options {
	int workers;
	double peak_gflops;
	double checkpoint_seconds; /* of the runs */
	bool quiet;
};

struct sweep_outcome {
	int runs, done, new_runs; /* of the plan; finished; finished by this sweep */
	int diverged;             /* runs */
	int failed;               /* jobs, those that wait for a failed one included */
	int killed;               /* jobs whose child ended by SIGKILL */
	bool interrupted;
	struct text failures; /* a line for each cause, one for all that waits for it; text_free */
};

/* Runs what is not done yet. A failed job stops nothing but what waits for it. */
MUST_CHECK struct error *sweep_run(
    struct lab *lab, struct job_list *jobs, const struct sweep_options *options, struct sweep_outcome *outcome);

int plan_command(int argc, char **argv);  /* rung plan */
int sweep_command(int argc, char **argv); /* rung sweep */

#endif
