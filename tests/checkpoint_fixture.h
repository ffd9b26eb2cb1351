/* checkpoint_fixture.h - for test programs that keep checkpoints and records without a run. */
#ifndef RUNG_TESTS_CHECKPOINT_FIXTURE_H
#define RUNG_TESTS_CHECKPOINT_FIXTURE_H

#include "tests/train_fixture.h"

/* Everything that a checkpoint is made of, without a run. */
struct kept {
	struct train_state state;
	struct checkpoint_owner owner;
	struct machine machine;
	char *folder;
};

static inline void open_state(const struct fixture *f, struct train_state *state) {
	const struct shape shape = train_shape(&f->config, corpus_info(f->corpus));
	*state = (struct train_state){.held_out = NAN, .lowest = INFINITY};
	must(model_open(&shape, 1, true, kernels_widest(), &state->model));
	must(optimizer_open(model_tensors(state->model), &state->optimizer));
}

static inline void close_state(struct train_state *state) {
	model_close(state->model);
	optimizer_close(&state->optimizer);
	text_free(&state->log);
}

static inline struct kept keep_in(const struct fixture *f, const char *name) {
	struct kept kept = {.folder = run_folder(f, name)};
	must(folder_make(kept.folder));
	open_state(f, &kept.state);
	model_initialise(kept.state.model, 3);
	kept.state.step = 7;
	kept.state.loss_sum = 0.1;
	text_add_string(&kept.state.log, "{\"step\": 7}\n");
	machine_describe(&kept.machine);
	return kept;
}

static inline void own(const struct fixture *f, struct kept *kept) {
	kept->owner = (struct checkpoint_owner){
	    .config = &f->config,
	    .corpus = corpus_info(f->corpus),
	    .corpus_path = f->path,
	    .id = "0123456789abcdef",
	    .recipe = "fedcba9876543210",
	    .machine = &kept->machine};
}

static inline void release(struct kept *kept) {
	close_state(&kept->state);
	free(kept->folder);
}

static inline float *parameters(const struct train_state *state) {
	return model_parameters(state->model);
}

/* The step of the checkpoint that a run would go on from; 0: none. Its weights must be those of that step. */
static inline int64_t latest(const struct fixture *f, const struct kept *kept) {
	struct train_state state;
	struct error *damage = NULL;
	bool found;
	open_state(f, &state);
	must(checkpoint_latest(kept->folder, &state, &kept->owner, &found, &damage));
	const int64_t step = found ? state.step : 0;
	if (found) assert_true(parameters(&state)[0] == (float)step);
	error_free(damage);
	close_state(&state);
	return step;
}

static inline struct error *save_at(struct kept *kept, int64_t step) {
	kept->state.step = step;
	parameters(&kept->state)[0] = (float)step;
	return checkpoint_save(kept->folder, &kept->state, &kept->owner);
}

static inline char *file_of(const struct kept *kept, int64_t step, const char *suffix) {
	char name[CHECKPOINT_NAME_SIZE], whole[CHECKPOINT_NAME_SIZE + 32];
	snprintf(whole, sizeof whole, "%s%s", checkpoint_name(step, name), suffix);
	char *path = path_join(kept->folder, whole);
	assert_non_null(path);
	return path;
}

static inline void expect_error(struct error *error, const char *part) {
	assert_non_null(error);
	if (error->kind != ERROR_DATA || !strstr(error->message, part)) fail_msg("expected '%s': %s", part, error->message);
	error_free(error);
}

/* One byte of a file, in place. */
static inline void put_byte(int file, size_t at, char byte) {
	assert_int_equal(pwrite(file, &byte, 1, (off_t)at), 1);
}

static inline struct train_result some_result(bool diverged) {
	struct train_result result = {
	    .steps = 50,
	    .tokens = 2400,
	    .loss = diverged ? NAN : 2.5,
	    .weights_hash = 77,
	    .diverged = diverged,
	    .peak_gflops = 1};
	if (diverged) {
		result.end = (struct train_end){.reason = DIVERGED_SPIKE, .step = 31, .loss = INFINITY};
		checkpoint_name(30, result.end.checkpoint);
	}
	return result;
}

static inline struct error *write_record(const struct kept *kept, bool trunk, bool diverged) {
	const struct train_result result = some_result(diverged);
	const struct kernel_choice kernels = {.kernels = KERNELS_PLAIN, .blas = 1};
	return record_write(kept->folder, &kept->owner, trunk, diverged ? RECORD_DIVERGED : RECORD_DONE, kernels, &result);
}

#endif
