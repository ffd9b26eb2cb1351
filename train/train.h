/* train.h - one run: a model, a corpus and a recipe become a final checkpoint and a record.
 *
 * A run is a function of its config and its corpus: the same bits whatever was killed, resumed or branched. The
 * schedule is warm-up, constant rate, and in the last `cooldown` part of the tokens 1 - sqrt(progress) down to zero
 * (Hagele et al. 2024, arXiv 2405.18392). Because the constant part does not know where the run will end, one trunk
 * serves all horizons of a rung: a run that ends at D starts from the trunk's state at (1 - cooldown) D and equals, bit
 * for bit, the run that was trained alone. */
#ifndef RUNG_TRAIN_H
#define RUNG_TRAIN_H

#include "data/data.h"
#include "model/model.h"

/* Everything that the result depends on, besides the corpus. Its canonical JSON is hashed into the run's id. */
struct train_config {
	int64_t width, depth, context;
	int64_t tokens;       /* the horizon D; rounded to whole steps */
	int64_t batch;        /* sequences a step */
	double rate;          /* peak of hidden matrices and head at width 64 and 4096 tokens a step; scales with 64/d */
	double embed_rate;    /* peak of the embedding as a multiple of `rate` */
	double batch_power;   /* rates scale with (tokens a step / 4096)^batch_power */
	double beta1;         /* Adam */
	double beta2_tokens;  /* half-life of Adam's second moment in tokens */
	double epsilon;       /* Adam */
	double clip;          /* largest gradient norm */
	double decay_tokens;  /* decoupled weight decay as its averaging time at the peak rate; 0 none */
	double warmup_tokens; /* linear */
	double cooldown;      /* part of the run */
	int64_t eval_tokens;  /* held-out tokens of the final evaluation, spread evenly over the split */
	int64_t curve_tokens; /* the same along the learning curve, where less will do */
	int64_t epochs;       /* passes over the train split that are allowed; more tokens than that is an error */
	int64_t seed;         /* of initialisation and order */
};
extern const struct option_row train_config_rows[];
extern const size_t train_config_row_count;

MUST_CHECK struct error *train_config_check(const struct train_config *config, const struct corpus_info *corpus);
struct shape train_shape(const struct train_config *config, const struct corpus_info *corpus);

/* 16 hex digits: the hash of the canonical config, the corpus's hash, and whether it is a trunk. */
MUST_CHECK struct error *train_id(
    const struct train_config *config, const struct corpus_info *corpus, bool trunk, char id[HASH_HEX_SIZE]);

/* The run as steps. */
struct train_steps {
	int64_t total, warmup;
	int64_t cooldown_start; /* the first step at a falling rate; = total when there is no cooldown */
	int64_t tokens_per_step;
};
struct train_steps train_steps(const struct train_config *config);
/* Evaluations of the learning curve after step `begins` and before step `ends`: two a doubling, four a cooldown. */
int64_t train_curve_evaluations(const struct train_steps *steps, int64_t begins, int64_t ends);

/* Sequences that are computed at a time. It sets the order of sums, so it depends on the config alone. */
int train_micro_batch(const struct train_config *config);

#define TRAIN_RECORD_FORMAT 2 /* of run.json; since then it is sealed (json_read_sealed) */

/* Why a run counts as diverged; train/state.h has the rules. */
enum train_divergence { DIVERGED_NOT, DIVERGED_NOT_FINITE, DIVERGED_ABOVE, DIVERGED_SPIKE };

struct train_end {
	enum train_divergence reason;
	int64_t step;               /* that diverged, from 1 */
	double loss, gradient_norm; /* of that step */
	double smoothed, lowest;    /* train loss; NaN and infinite before there is enough of it */
	char checkpoint[32];        /* the last good one, which stays: "step-000000000123", or the trunk's "branch-..." */
};

/* What a run has come to. Losses in nats per token. */
struct train_result {
	int64_t steps, tokens;
	double loss, loss_error;           /* held-out, final, with its standard error over sequences */
	double bits_per_byte;              /* NaN for synthetic symbols */
	double train_loss;                 /* mean of the last 5 % of the steps */
	double clipped;                    /* part of the steps whose gradient was clipped */
	double flops;                      /* exact, of `tokens`, whichever process computed them */
	double trained_tokens;             /* by this run itself, without the part taken from a trunk */
	double seconds, step_seconds;      /* it took, all in all and in optimizer steps alone, in all its processes */
	double core_seconds;               /* of optimizer steps: each one's seconds times its threads with work */
	double tokens_per_second, gflops;  /* of the optimizer steps; flops are exact ones */
	double peak_gflops, peak_fraction; /* of one core; what its threads made of the peak of as many cores */
	double memory_bytes;
	uint64_t weights_hash;        /* XXH64 of the final parameters */
	uint64_t log_hash;            /* XXH64 of log.jsonl; 0 in records older than this member */
	double highest_rise;          /* of the smoothed train loss above its lowest, as a part of what counts as a spike */
	struct kernel_choice kernels; /* .kernels is KERNELS_COUNT in records older than this member */
	bool diverged;
	struct train_end end; /* of a run that diverged; not read back from a record */
};

struct train_progress {
	int64_t step, steps;
	double loss;     /* smoothed train loss */
	double held_out; /* latest, NaN before the first */
	double tokens_per_second;
};

/* Who is to compute a run that begins. One that goes on, and one that branches from a trunk, is computed as it was begun. */
struct kernel_wish {
	struct kernel_choice choice;
	bool measure_blas; /* choice.blas is to be found out: see train_measure_blas */
	bool firm;         /* that the run was begun otherwise is an error */
};

/* How to do it: nothing here changes the result, save within rounding `kernels`. */
struct train_job {
	const char *folder;      /* of this run: run.json, log.jsonl, checkpoints */
	const char *corpus_path; /* for the record */
	const char *start;       /* a branch checkpoint of the trunk to begin from when the folder has none; NULL: step 0 */
	const int64_t *branches; /* steps at which a trunk leaves a branch checkpoint, ascending */
	int branch_count;
	bool trunk;      /* stop at the last branch: no cooldown, no final loss */
	bool own_folder; /* nobody else's files can lie in it, as its name is the run's: what does is damage */
	double checkpoint_seconds;
	struct kernel_wish kernels;
	int threads;                       /* at most one for each micro-batch of 256 tokens is of use; 0 and 1 are one */
	int (*threads_now)(void *context); /* asked before every step, how many threads it may use; NULL: `threads` */
	void *threads_context;
	double progress_seconds; /* time between calls of on_progress; 0: every step */
	double peak_gflops;      /* of this machine, measured by the caller; 0: measure */
	void (*on_progress)(void *context, const struct train_progress *progress); /* may be NULL */
	void (*on_message)(void *context, const char *message);                    /* may be NULL */
	void *context;
};

/* Trains, or goes on with, or (when run.json says done) just reads the run. Fails with ERROR_INTERRUPTED after a
 * checkpoint when a signal asks for it, and with ERROR_DIVERGED when the run diverges: the record then says so, and the last
 * good checkpoint stays. */
MUST_CHECK struct error *train_run(
    const struct train_config *config, struct corpus *corpus, const struct train_job *job, struct train_result *result);

/* The record of a finished run. ERROR_DATA when there is none or it is damaged. */
MUST_CHECK struct error *train_result_read(const char *folder, struct train_result *result);

/* The products that OpenBLAS computes at least 5 % faster here than `kernels`, measured now, of those with matrices of 2^18
 * elements or more; that takes about the time of ten steps of one micro-batch through one block. */
MUST_CHECK struct error *train_measure_blas(
    const struct shape *shape, int sequences, enum kernels kernels, uint32_t *blas);

/* {"name": "avx512", "blas": ["mlp.in to weight", ...]}; NULL when memory is short. */
cJSON *train_kernels_to_json(struct kernel_choice choice);
MUST_CHECK struct error *train_kernels_from_json(const cJSON *object, const char *path, struct kernel_choice *choice);

/* ERROR_DATA when the folder's log.jsonl is not the one that `result`, of its record, was written with. */
MUST_CHECK struct error *train_log_check(const char *folder, const struct train_result *result);

/* Removes what a finished run no longer needs, should it have ended before it could. */
void train_clean(const char *folder);

/* Path of the trunk's branch checkpoint at `step`, for train_job.start; once the file is there it is whole. The caller
 * frees; NULL when memory is short. */
char *train_branch_path(const char *trunk_folder, int64_t step);
/* ERROR_DATA, naming the file and the place, when a branch checkpoint or its weights are damaged, or not of this config's
 * trunk at this step. */
MUST_CHECK struct error *train_branch_check(
    const char *path, const struct train_config *config, const struct corpus_info *corpus, int64_t step);

/* Held-out loss of `model` on `eval_tokens` evenly spread tokens, with its standard error. */
MUST_CHECK struct error *evaluate(
    struct model *model, struct corpus *corpus, int64_t eval_tokens, double *loss, double *loss_error);

/* What train_result.weights_hash says of a model. */
uint64_t train_weights_hash(struct model *model);

/* The model of a weights file (safetensors). */
MUST_CHECK struct error *train_model_open(const char *path, enum kernels kernels, struct model **model);

/* Appends `tokens` tokens of text that the model writes after the prompt (at least one token) at `temperature`. Stops early
 * when a signal asks for it. */
MUST_CHECK struct error *train_generate(
    const struct model *model, const struct corpus *corpus, const uint16_t *prompt, size_t prompt_count, int64_t tokens,
    double temperature, uint64_t seed, struct text *out);

int train_command(int argc, char **argv);  /* rung train */
int eval_command(int argc, char **argv);   /* rung eval */
int sample_command(int argc, char **argv); /* rung sample */
int bench_command(int argc, char **argv);  /* rung bench */
int doctor_command(int argc, char **argv); /* rung doctor */

#endif
