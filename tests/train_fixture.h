/* train_fixture.h - for test programs that train: a folder for the whole program, a small corpus in it, and a small run. */
#ifndef RUNG_TESTS_TRAIN_FIXTURE_H
#define RUNG_TESTS_TRAIN_FIXTURE_H

#include "train/state.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static inline void must(struct error *error) {
	if (error) fail_msg("%s", error->message);
}

/* A folder for the whole program and a small corpus in it: an order-1 Markov chain over 16 symbols. */
struct fixture {
	char folder[64], path[128];
	struct corpus *corpus;
	struct train_config config;
};

static inline int make_fixture(void **state) {
	struct fixture *f = calloc(1, sizeof *f);
	/* Thousands of checkpoints are synced here: in memory where there is such a folder. */
	snprintf(f->folder, sizeof f->folder, "%s/rung-train-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof f->path, "%s/a.corpus", f->folder);
	cJSON *spec = cJSON_Parse("{\"source\":\"markov\",\"vocab\":16,\"order\":1,\"tokens\":60000,"
	                          "\"held_out_tokens\":8000,\"seed\":5}");
	must(source_build(spec, "spec", f->path));
	cJSON_Delete(spec);
	must(corpus_open(f->path, &f->corpus));
	must(options_defaults(train_config_rows, train_config_row_count, &f->config));
	f->config.width = 16;
	f->config.depth = 1;
	f->config.context = 16;
	f->config.batch = 3;
	f->config.tokens = 50 * 48;
	f->config.warmup_tokens = 480;
	f->config.eval_tokens = 512;
	f->config.curve_tokens = 128;
	*state = f;
	return 0;
}

static inline int remove_fixture(void **state) {
	struct fixture *f = *state;
	corpus_close(f->corpus);
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", f->folder);
	const int code = system(command);
	free(f);
	return code;
}

static inline char *run_folder(const struct fixture *f, const char *name) {
	char *path = path_join(f->folder, name);
	assert_non_null(path);
	return path;
}

static inline struct train_job job_in(const struct fixture *f, char *folder) {
	return (struct train_job){
	    .folder = folder,
	    .corpus_path = f->path,
	    .checkpoint_seconds = 1e9,
	    .progress_seconds = 1e9,
	    .kernels.choice.kernels = kernels_widest(),
	    .peak_gflops = 1};
}

static inline struct train_result train_in(
    const struct fixture *f, const char *name, const struct train_config *config) {
	char *folder = run_folder(f, name);
	const struct train_job job = job_in(f, folder);
	struct train_result result;
	must(train_run(config, f->corpus, &job, &result));
	free(folder);
	return result;
}

#endif
