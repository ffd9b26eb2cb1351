/* state.h - what the files of train/ share: the state of a run between two steps, and how it gets to disk and back. */
#ifndef RUNG_TRAIN_STATE_H
#define RUNG_TRAIN_STATE_H

#include "train/train.h"

/* ------------------------------------------------------------------------------------------------ config.c, order.c --- */

/* Sequences of T + 1 tokens that a split holds, one after the other with one token shared. */
uint64_t train_windows(const struct corpus_info *corpus, enum split split, int64_t context);

/* The rate of `step` as a part of its peak. */
double train_schedule(const struct train_steps *steps, int64_t step);

/* A hash of what the state before the cooldown depends on: equal for all horizons of a rung and their trunk. */
MUST_CHECK struct error *train_recipe(
    const struct train_config *config, const struct corpus_info *corpus, char recipe[HASH_HEX_SIZE]);

/* The sequences (batch, T+1) of `step`. The order is a function of the seed and the number of the sequence, the same on
 * every rung; each epoch is shuffled anew. */
MUST_CHECK struct error *train_batch(
    const struct train_config *config, struct corpus *corpus, int64_t step, uint16_t *tokens);

/* -------------------------------------------------------------------------------------------------- optimizer.c --- */

/* AdamW (Kingma and Ba 2015; Loshchilov and Hutter 2019), with the decay independent of the rate. */
struct optimizer {
	struct arena arena;
	float *first, *second; // (table.total): moments
};
MUST_CHECK struct error *optimizer_open(const struct tensor_table *table, struct optimizer *optimizer);
void optimizer_close(struct optimizer *optimizer);

/* One update of the model from its gradients at `step`, counted from 0. *norm gets the gradient's norm before clipping.
 * Nothing is changed when the norm is not finite. */
void optimizer_step(
    struct optimizer *optimizer, struct model *model, const struct train_config *config,
    const struct train_steps *steps, int64_t step, double *norm);

/* ------------------------------------------------------------------------------------------------------- state --- */

/* Everything that the next step depends on, besides config and corpus, and what the record will say. */
struct train_state {
	struct model *model;
	struct optimizer optimizer;
	int64_t step;    /* done so far */
	double loss_sum; /* of the steps since the last line of the log */
	int64_t loss_count;
	double tail_sum; /* of the last 5 % of the steps */
	int64_t tail_count, clipped;
	double held_out;              /* latest of the learning curve */
	double seconds, step_seconds; /* spent by all processes of this run */
	double core_seconds;          /* step_seconds, each step's times its threads with work */
	double trained_tokens;
	double smooth_sum, smooth_weight; /* of the smoothed train loss; see divergence.c */
	double lowest;                    /* that it has been; infinite at first */
	double rise, highest_rise;        /* above it, as a part of what makes a spike: now, and at most so far */
	/* Steps of checkpoints, 0: none. The latest that was gone on from for a step without harm; the latest that was for as
	 * long as the smoothed loss looks back; the one that may become the latter. */
	int64_t proven, settled, settling;
	struct text log; /* the whole of log.jsonl; it travels in the checkpoint, so both always agree */
};

/* ------------------------------------------------------------------------------------------------- divergence.c --- */

/* A step diverges when its loss or gradient is not finite, or its loss is above ln V + 1, one nat more than knowing
 * nothing; so does an evaluation. A run also does when its smoothed loss (weights that fall to 1/e over 64 steps, or over
 * 4096 tokens where that is more) stands above its lowest by a quarter of what had been learned, ln V - lowest, and by
 * 0.25 nats at least. */
enum train_divergence divergence_of_step(double loss, double gradient_norm, double ln_V);
/* Takes the loss of a step into the smoothed one. */
enum train_divergence divergence_note(
    struct train_state *state, const struct train_steps *steps, double loss, double ln_V);
/* A good step has been done, and `saved` is the latest checkpoint. */
void divergence_settle(struct train_state *state, const struct train_steps *steps, int64_t saved);
double divergence_smoothed(const struct train_state *state);
void divergence_begin(struct train_state *state);
const char *divergence_reason(enum train_divergence divergence); /* as in run.json */

/* ------------------------------------------------------------------------------------------------ safetensors.c --- */

/* One tensor of a file: fp32, row-major. */
struct tensor_view {
	char name[48];
	int rows, cols;
	const float *data;
};

/* Writes `views` with `metadata` (an object of strings; gains "xxh64", the hash of the whole file with that field as
 * zeros). *hash gets that hash. Atomic. */
MUST_CHECK struct error *safetensors_write(
    const char *path, const struct tensor_view *views, size_t count, cJSON *metadata, uint64_t *hash);

struct safetensors {
	struct text file;
	cJSON *header;
	const cJSON *metadata; /* inside header */
	const float *data;     /* inside file, 8-byte aligned */
	size_t data_count;     /* floats */
	uint64_t hash;
};
/* Reads and checks a file written by safetensors_write: any damage is ERROR_DATA. */
MUST_CHECK struct error *safetensors_read(const char *path, struct safetensors *out);
void safetensors_free(struct safetensors *file);
/* Copies tensor `name` of exactly rows x cols to `to`. */
MUST_CHECK struct error *safetensors_copy(
    const struct safetensors *file, const char *path, const char *name, int rows, int cols, float *to);
/* A string of the metadata; ERROR_DATA when absent. */
MUST_CHECK struct error *safetensors_text(
    const struct safetensors *file, const char *path, const char *key, const char **value);
MUST_CHECK struct error *safetensors_number(
    const struct safetensors *file, const char *path, const char *key, double *value);

/* ------------------------------------------------------------------------------------------------- checkpoint.c --- */

#define STATE_SUFFIX ".state.safetensors"

/* What identifies a checkpoint's run. */
struct checkpoint_owner {
	const struct train_config *config;
	const struct corpus_info *corpus;
	const char *corpus_path;
	const char *id;     /* of the run */
	const char *recipe; /* of its trunk */
	const struct machine *machine;
};

/* Weights alone, for people and for `rung eval`. *hash gets the hash of the numbers. */
MUST_CHECK struct error *weights_write(
    const char *path, struct model *model, const struct checkpoint_owner *owner, int64_t step, uint64_t *hash,
    uint64_t *file_hash);

/* <stem>.safetensors with the weights and <stem>.state.safetensors with the rest, written in that order. */
MUST_CHECK struct error *checkpoint_write(
    const char *stem, struct train_state *state, const struct checkpoint_owner *owner);

/* Fills `state` from the pair, and has its model computed as it says. `branch`: from a trunk's branch point: the recipe must be the same, the log and the
 * counters start anew; otherwise the id must be the same. */
MUST_CHECK struct error *checkpoint_read(
    const char *stem, struct train_state *state, const struct checkpoint_owner *owner, bool branch);

/* That both files of the pair are whole, of each other, and of this recipe and step. */
MUST_CHECK struct error *checkpoint_check(const char *stem, const char *recipe, int64_t step);

/* A running run keeps its two latest checkpoints, and those that divergence_settle names. Tries the newest first; *found is false when there is none at all. When
 * a damaged one was passed over, *damage is its error (the caller's), otherwise NULL. */
MUST_CHECK struct error *checkpoint_latest(
    const char *folder, struct train_state *state, const struct checkpoint_owner *owner, bool *found,
    struct error **damage);
MUST_CHECK struct error *checkpoint_save(
    const char *folder, struct train_state *state, const struct checkpoint_owner *owner);
void checkpoint_remove_all(const char *folder);
void checkpoint_keep(const char *folder, int64_t step); /* removes all others */
/* The name of its files without their suffixes. */
#define CHECKPOINT_NAME_SIZE sizeof(((struct train_end *)NULL)->checkpoint)
char *checkpoint_name(int64_t step, char out[CHECKPOINT_NAME_SIZE]);

/* ------------------------------------------------------------------------------------------------------ record.c --- */

enum record_status { RECORD_NONE, RECORD_RUNNING, RECORD_DONE, RECORD_DIVERGED };

MUST_CHECK struct error *record_write(
    const char *folder, const struct checkpoint_owner *owner, bool trunk, enum record_status status,
    struct kernel_choice kernels, const struct train_result *result);
/* RECORD_NONE when there is no run.json; of a running one only result->kernels is known. ERROR_DATA when it is damaged, or is that of a run other than `id` (NULL: any). */
MUST_CHECK struct error *record_read(
    const char *folder, const char *id, enum record_status *status, struct train_result *result);

/* ----------------------------------------------------------------------------------------------------- kernels.c --- */

/* The value of --kernels; "auto" is the widest. */
MUST_CHECK struct error *kernels_of_option(const char *name, enum kernels *kernels);
/* The values of --kernels and --blas, which is NULL when it is not given. */
MUST_CHECK struct error *kernels_of_options(const char *kernels, const char *blas, struct kernel_wish *wish);
#define BLAS_HELP                                                                                                      \
	"products with weights that OpenBLAS computes: none; all; auto: large ones that it computes at least 5 % faster "  \
	"here; or their names in 'rung bench kernels', with commas between. Without it auto, or none with --kernels NAME"

/* "avx512, and OpenBLAS for mlp.in to weight" */
void kernels_describe(struct kernel_choice choice, struct text *out);

/* In a checkpoint: "kernels", "blas" and, where it computes something, "openblas", which names the library and its
 * kernels. False when memory is short. */
bool kernels_to_metadata(cJSON *meta, struct kernel_choice choice, const char *openblas);
/* Reads it back. An error too when the result would change because this processor or this OpenBLAS is another. */
MUST_CHECK struct error *kernels_from_metadata(
    const cJSON *meta, const char *path, const char *openblas, struct kernel_choice *choice);

/* That this processor has the kernels that `path` was begun with. */
MUST_CHECK struct error *kernels_check(struct kernel_choice choice, const char *path);
/* That a run which is computed by `choice` is what a firm wish is for. */
MUST_CHECK struct error *kernels_check_wish(
    struct kernel_choice choice, const struct kernel_wish *wish, const char *folder);

#endif
