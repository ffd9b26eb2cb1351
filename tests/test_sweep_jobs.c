/* Jobs: what a plan comes to, what the files of a lab say of it, what comes next, and how long it will take. */
#include "sweep/show.h"
#include "tests/support.h"
#include "train/state.h"

#include <math.h>

static struct corpus_info symbols(void) {
	struct corpus_info info = {.tokenizer = "symbols", .vocab = 32, .hash = 5};
	info.tokens[SPLIT_TRAIN] = 10000000;
	info.tokens[SPLIT_HELD_OUT] = 100000;
	return info;
}

static struct error *list(const char *json, const struct corpus_info *corpus, const char *lab, struct job_list *jobs) {
	struct plan plan;
	cJSON *root;
	*jobs = (struct job_list){0};
	TRY(json_parse("P.json", json, strlen(json), &root));
	struct error *error = plan_parse(root, "P.json", &plan);
	if (!error) error = jobs_make(&plan, corpus, lab, jobs);
	cJSON_Delete(root);
	plan_free(&plan);
	return error;
}

/* 100, 200 and 400 steps of 512 tokens. */
#define LADDER                                                                                                         \
	"{\"name\": \"n\", \"horizons\": [51200, 102400, 204800], \"batch\": 2, \"context\": 256, \"rungs\": ["            \
	"{\"width\": 16, \"depth\": 1}, {\"width\": 32, \"depth\": 2, \"seeds\": [1, 2]},"                                 \
	"{\"width\": 48, \"depth\": 2, \"horizons\": [51200]}]}"

static void a_ladder(void **state) {
	(void)state;
	struct job_list jobs;
	const struct corpus_info corpus = symbols();
	expect_success(list(LADDER, &corpus, "LAB", &jobs));
	assert_int_equal(jobs.count, 4 + 2 * 4 + 1); /* a single horizon needs no trunk; symbols need no compressors */
	const struct job *trunk = &jobs.items[0];
	assert_int_equal(trunk->kind, JOB_TRUNK);
	assert_int_equal(trunk->branch_count, 3);
	assert_int_equal(trunk->branches[0], 80);
	assert_int_equal(trunk->branches[1], 160);
	assert_int_equal(trunk->branches[2], 320);
	assert_int_equal(trunk->ends, 320);
	assert_int_equal(trunk->config.tokens, 204800);
	for (int i = 1; i < 4; i++) {
		const struct job *run = &jobs.items[i];
		char *start = train_branch_path(trunk->folder, trunk->branches[i - 1]);
		assert_int_equal(run->kind, JOB_RUN);
		assert_int_equal(run->trunk, 0);
		assert_int_equal(run->begins, trunk->branches[i - 1]);
		assert_int_equal(run->ends, 100 << (i - 1));
		assert_int_equal(run->config.tokens, 51200 << (i - 1));
		assert_string_equal(run->start, start);
		free(start);
	}
	assert_int_equal(jobs.items[4].config.seed, 1);
	assert_int_equal(jobs.items[8].kind, JOB_TRUNK);
	assert_int_equal(jobs.items[8].config.seed, 2);
	const struct job *alone = &jobs.items[12];
	assert_int_equal(alone->trunk, -1);
	assert_int_equal(alone->begins, 0);
	assert_null(alone->start);
	for (int i = 0; i < jobs.count; i++) {
		char id[HASH_HEX_SIZE], folder[64];
		expect_success(train_id(&jobs.items[i].config, &corpus, jobs.items[i].kind == JOB_TRUNK, id));
		snprintf(folder, sizeof folder, "LAB/runs/%s", id);
		assert_string_equal(jobs.items[i].folder, folder);
		for (int j = 0; j < i; j++) assert_string_not_equal(jobs.items[i].id, jobs.items[j].id);
	}
	jobs_free(&jobs);
}

static void unusual_ladders(void **state) {
	(void)state;
	struct job_list jobs;
	struct corpus_info corpus = symbols();
	/* Nothing to share: the cooldown is the whole run, or there is none. */
	expect_success(list(
	    "{\"name\": \"n\", \"horizons\": [51200, 102400], \"cooldown\": 1, \"rungs\": [{\"width\": 16, \"depth\": 1}]}",
	    &corpus, "LAB", &jobs));
	assert_int_equal(jobs.count, 2);
	assert_int_equal(jobs.items[1].trunk, -1);
	jobs_free(&jobs);
	expect_success(list(
	    "{\"name\": \"n\", \"horizons\": [51200, 102400], \"cooldown\": 0, \"rungs\": [{\"width\": 16, \"depth\": 1}]}",
	    &corpus, "LAB", &jobs));
	assert_int_equal(jobs.count, 2);
	assert_int_equal(jobs.items[0].trunk, -1);
	jobs_free(&jobs);
	/* Text has bytes to compress. */
	corpus.bytes[SPLIT_TRAIN] = corpus.bytes[SPLIT_HELD_OUT] = 1000;
	expect_success(list(
	    "{\"name\": \"n\", \"horizons\": [51200], \"rungs\": [{\"width\": 16, \"depth\": 1}]}", &corpus, "LAB", &jobs));
	assert_int_equal(jobs.count, 2);
	assert_int_equal(jobs.items[1].kind, JOB_COMPRESS);
	jobs_free(&jobs);
}

static void put(const char *folder, const char *name, const char *text) {
	expect_success(folder_make(folder));
	char *path = path_join(folder, name);
	expect_success(file_write(path, text, strlen(text)));
	free(path);
}

/* Something whole in the place of the two files of the branch that a run begins from. */
static void put_branch(const struct job *run, const struct corpus_info *corpus) {
	const char *path = run->start;
	const float number = 1;
	const struct tensor_view view = {.name = "a", .rows = 1, .cols = 1, .data = &number};
	char weights[500], hex[HASH_HEX_SIZE], recipe[HASH_HEX_SIZE], step[32];
	expect_success(train_recipe(&run->config, corpus, recipe));
	snprintf(step, sizeof step, "%lld", (long long)run->begins);
	snprintf(weights, sizeof weights, "%s", path);
	strcpy(strstr(weights, STATE_SUFFIX), ".safetensors");
	cJSON *meta = cJSON_CreateObject();
	uint64_t hash;
	expect_success(safetensors_write(weights, &view, 1, meta, &hash));
	cJSON_Delete(meta);
	meta = cJSON_CreateObject();
	assert_non_null(cJSON_AddStringToObject(meta, "weights_xxh64", hash_hex(hash, hex)));
	assert_non_null(cJSON_AddStringToObject(meta, "recipe", recipe));
	assert_non_null(cJSON_AddStringToObject(meta, "step", step));
	expect_success(safetensors_write(path, &view, 1, meta, &hash));
	cJSON_Delete(meta);
}

/* A record as docs/formats.md has it, as far as it is read. */
static void put_record(const struct job *job, const char *status) {
	struct text record = {0};
	text_add(
	    &record,
	    "{\"id\": \"%s\", \"status\": \"%s\", \"result\": {\"steps\": 1, \"tokens\": 1, \"loss\": 1, \"loss_error\": 1,"
	    " \"bits_per_byte\": \"nan\", \"train_loss\": 1, \"clipped\": 0, \"flops\": 1, \"trained_tokens\": 1, "
	    "\"seconds\": 1,"
	    " \"step_seconds\": 1, \"core_seconds\": 1, \"tokens_per_second\": 1, \"gflops\": 1, \"peak_gflops\": 1, "
	    "\"peak_fraction\": 1,"
	    " \"memory_bytes\": 1, \"weights_hash\": \"0123456789abcdef\"}}",
	    job->id, status);
	put(job->folder, "run.json", record.data);
	text_free(&record);
}

static bool set_aside(const struct job *job) {
	char *path = path_join(job->folder, "run.json"), *aside = path_join(job->folder, "run.json.damaged");
	const bool is = file_exists(aside) && !file_exists(path);
	free(path);
	free(aside);
	return is;
}

static void the_lab_is_the_truth(void **state) {
	(void)state;
	char *lab = folder_temporary();
	struct text damaged = {0};
	struct job_list jobs;
	const struct corpus_info corpus = symbols();
	expect_success(list(LADDER, &corpus, lab, &jobs));
	expect_success(jobs_survey(&jobs, &corpus, lab, &damaged));
	for (int i = 0; i < jobs.count; i++) assert_int_equal(jobs.items[i].state, JOB_WAITING);

	put_record(&jobs.items[1], "done");
	put_record(&jobs.items[2], "running");
	put_record(&jobs.items[12], "diverged");
	struct job another = jobs.items[1];
	another.folder = jobs.items[7].folder;
	put_record(&another, "done");
	put_record(&jobs.items[6], "finished");
	put(jobs.items[5].folder, "run.json", "{\"status\": \"do");
	expect_success(folder_make(jobs.items[0].folder));
	put_branch(&jobs.items[1], &corpus);
	put_branch(&jobs.items[2], &corpus);
	expect_success(jobs_survey(&jobs, &corpus, lab, &damaged));
	assert_int_equal(jobs.items[0].state, JOB_WAITING); /* the third branch is still wanted */
	assert_true(fabs(jobs.items[0].progress - 0.5) < 1e-12);
	assert_int_equal(jobs.items[1].state, JOB_DONE);
	assert_int_equal(jobs.items[2].state, JOB_WAITING);
	assert_true(jobs.items[2].ready && !jobs.items[3].ready);
	assert_int_equal(jobs.items[12].state, JOB_DIVERGED);
	for (int i = 0; i < jobs.count; i++) assert_int_equal(set_aside(&jobs.items[i]), i >= 5 && i <= 7);
	for (int i = 5; i <= 7; i++) assert_int_equal(jobs.items[i].state, JOB_WAITING);
	assert_non_null(strstr(damaged.data, "run.json: status is 'finished'"));
	text_clear(&damaged);

	/* A trunk that was interrupted after its last branch comes to its end, for the sake of its record. */
	put_branch(&jobs.items[3], &corpus);
	expect_success(jobs_survey(&jobs, &corpus, lab, &damaged));
	assert_int_equal(jobs.items[0].state, JOB_WAITING);
	assert_true(jobs.items[3].ready);
	/* One that nobody waits for and whose folder was removed is not trained again. */
	for (int i = 1; i < 4; i++) assert_int_equal(unlink(jobs.items[i].start), 0);
	put_record(&jobs.items[2], "done");
	put_record(&jobs.items[3], "done");
	expect_success(jobs_survey(&jobs, &corpus, lab, &damaged));
	assert_int_equal(damaged.length, 0);
	text_free(&damaged);
	assert_int_equal(jobs.items[0].state, JOB_DONE);
	jobs_free(&jobs);
	folder_remove(lab);
}

static void branches_wait_for_their_trunk(void **state) {
	(void)state;
	char *lab = folder_temporary();
	struct job_list jobs;
	const struct corpus_info corpus = symbols();
	expect_success(list(LADDER, &corpus, lab, &jobs));
	struct text damaged = {0};
	expect_success(jobs_survey(&jobs, &corpus, lab, &damaged));
	text_free(&damaged);
	for (int i = 0; i < jobs.count; i++) jobs.items[i].seconds = 1;
	jobs.items[0].seconds = 10;
	jobs.items[4].seconds = 20;
	jobs.items[8].seconds = 5;
	jobs.items[12].seconds = 12;
	/* Longest path first: a trunk and its last cooldown. */
	static const int order[] = {4, 12, 0, 8};
	for (size_t i = 0; i < COUNT_OF(order); i++) {
		assert_int_equal(jobs_next(&jobs), order[i]);
		jobs.items[order[i]].state = JOB_RUNNING;
	}
	assert_int_equal(jobs_next(&jobs), -1);
	expect_success(folder_make(jobs.items[4].folder));
	put_branch(
	    &jobs.items[5], &corpus); /* the first branch point is passed: its cooldown can start, the others cannot */
	assert_int_equal(jobs_next(&jobs), 5);
	jobs.items[5].state = JOB_DONE;
	assert_int_equal(jobs_next(&jobs), -1);

	/* What is lost with its trunk: diverged as it has, failed as it has. What has its branch goes on. */
	expect_success(folder_make(jobs.items[0].folder));
	put_branch(&jobs.items[1], &corpus);
	jobs.items[0].state = JOB_DIVERGED;
	jobs.items[8].state = JOB_FAILED;
	assert_int_equal(jobs_next(&jobs), 1);
	assert_int_equal(jobs.items[1].state, JOB_WAITING);
	assert_int_equal(jobs.items[2].state, JOB_DIVERGED);
	assert_int_equal(jobs.items[3].state, JOB_DIVERGED);
	assert_int_equal(jobs.items[9].state, JOB_FAILED);
	assert_int_equal(jobs.items[6].state, JOB_WAITING);
	jobs_free(&jobs);
	folder_remove(lab);
}

/* A ladder of `trunks` trunks, four cooldowns each, and some runs alone; every other job can use two threads and is twice
 * as fast then. All times are multiples of 1/4, so that the clock below, which ticks in 64ths, meets every event exactly. */
#define MOST 64
#define TICK (1.0 / 64)
static struct job_list random_ladder(struct rng *rng, struct job *items, double *slowness) {
	struct job_list jobs = {.items = items, .slowness = slowness, .rung_count = 1};
	slowness[0] = 1 + (double)rng_below(rng, 2);
	const int trunks = 1 + (int)rng_below(rng, 5), alone = (int)rng_below(rng, 6);
	for (int t = 0; t < trunks; t++) {
		const int trunk = jobs.count;
		items[jobs.count++] =
		    (struct job){.kind = JOB_TRUNK, .trunk = -1, .ends = 16, .seconds = 4 * (double)(1 + rng_below(rng, 20))};
		for (int b = 0; b < 4; b++)
			items[jobs.count++] = (struct job){
			    .kind = JOB_RUN,
			    .trunk = trunk,
			    .begins = 2 << b,
			    .ends = 100,
			    .seconds = (double)(1 + rng_below(rng, 100)) / 4};
	}
	for (int a = 0; a < alone; a++)
		items[jobs.count++] =
		    (struct job){.kind = JOB_RUN, .trunk = -1, .ends = 100, .seconds = (double)(1 + rng_below(rng, 200)) / 4};
	for (int i = 0; i < jobs.count; i++) {
		items[i].team = 1 + (int)rng_below(rng, 2);
		items[i].gain = items[i].team;
	}
	return jobs;
}

/* The rules once more, played with a clock: at every tick free workers take the ready job with the longest path. What
 * cores are left then become second threads, where the most is left to do; who has one keeps it until something begins
 * or ends or a branch is passed. Returns the seconds; *used gets those of all cores that were busy. */
static double play_with_a_clock(const struct job_list *jobs, int workers, bool teams, double *used) {
	double done[MOST] = {0}, need[MOST], path[MOST];
	bool started[MOST] = {0};
	int threads[MOST] = {0}, state_before = -1;
	*used = 0;
	for (int i = 0; i < jobs->count; i++) need[i] = jobs->items[i].seconds * jobs->slowness[0];
	for (int i = 0; i < jobs->count; i++) {
		path[i] = need[i];
		for (int j = 0; j < jobs->count; j++)
			if (jobs->items[j].trunk == i)
				path[i] = fmax(path[i], need[i] * (double)jobs->items[j].begins / 16 + need[j]);
	}
	for (long tick = 0;; tick++) {
		int busy = 0, open = 0, state = 0;
		for (int i = 0; i < jobs->count; i++) {
			const int trunk = jobs->items[i].trunk;
			busy += started[i] && done[i] < need[i];
			open += done[i] < need[i];
			state +=
			    (done[i] >= need[i]) + (trunk >= 0 && done[trunk] >= need[trunk] * (double)jobs->items[i].begins / 16);
		}
		if (open == 0) return (double)tick * TICK;
		for (; busy < workers; busy++) {
			int best = -1;
			for (int i = 0; i < jobs->count; i++) {
				const int trunk = jobs->items[i].trunk;
				if (started[i]) continue;
				if (trunk >= 0 && done[trunk] < need[trunk] * (double)jobs->items[i].begins / 16) continue;
				if (best < 0 || path[i] > path[best]) best = i;
			}
			if (best < 0) break;
			started[best] = true;
		}
		if (state != state_before) { /* whatever starts does so because of one of these */
			for (int i = 0; i < jobs->count; i++) threads[i] = started[i] && done[i] < need[i];
			for (int spare = workers - busy; teams && spare > 0; spare--) {
				int best = -1;
				double most = 0;
				for (int i = 0; i < jobs->count; i++) {
					const double left = path[i] - done[i] < need[i] - done[i] ? need[i] - done[i] : path[i] - done[i];
					if (threads[i] != 1 || jobs->items[i].team < 2 || left <= most) continue;
					most = left;
					best = i;
				}
				if (best >= 0) threads[best] = 2;
			}
		}
		state_before = state;
		for (int i = 0; i < jobs->count; i++) {
			if (!started[i] || done[i] >= need[i]) continue;
			done[i] += threads[i] * TICK;
			*used += threads[i] * TICK;
		}
	}
}

static void time_left(void **state) {
	(void)state;
	struct rng rng = rng_make(3, "ladders");
	for (int trial = 0; trial < 100; trial++) {
		struct job items[MOST];
		double slowness[1], sum = 0, longest = 0, used;
		struct job_list jobs = random_ladder(&rng, items, slowness);
		for (int i = 0; i < jobs.count; i++) {
			sum += items[i].seconds * slowness[0];
			longest = fmax(longest, job_path(&jobs, i));
		}
		for (int workers = 1; workers <= 5; workers++) {
			struct outlook outlook = {.threads = NULL};
			jobs_outlook(&jobs, workers, &outlook);
			assert_true(fabs(outlook.seconds - play_with_a_clock(&jobs, workers, true, &used)) < 1e-6);
			assert_true(fabs(outlook.idle - (1 - used / (outlook.seconds * workers))) < 1e-9);
			assert_true(outlook.seconds >= longest / 2 - 1e-9 && outlook.seconds >= sum / workers - 1e-9);
		}
		assert_true(fabs(jobs_time_left(&jobs, 1) - sum) < 1e-6);
		for (int i = 0; i < jobs.count; i++) items[i].team = 1;
		for (int workers = 1; workers <= 5; workers++)
			assert_true(fabs(jobs_time_left(&jobs, workers) - play_with_a_clock(&jobs, workers, false, &used)) < 1e-6);
	}
}

static void spare_cores_go_where_the_ladder_waits_longest(void **state) {
	(void)state;
	const struct job small = {.team = 2, .gain = 1.5}, large = {.team = 4, .gain = 3}, alone = {.team = 0};
	struct core_share shares[] = {{&small, 10, 0}, {&large, 30, 0}, {&alone, 100, 0}};
	assert_true(job_gain(&large, 1) == 1 && job_gain(&large, 4) == 3 && fabs(job_gain(&large, 2) - 5.0 / 3) < 1e-12);
	assert_true(job_gain(&alone, 3) == 1);
	static const int expected[][3] = {
	    {1, 1, 1}, /* of 3 cores: one each */
	    {1, 2, 1}, /* 30 s against 10 s */
	    {1, 3, 1}, /* 18 s */
	    {1, 4, 1}, /* 12.9 s */
	    {2, 4, 1}, /* 10 s against 10 s with all its team */
	    {2, 4, 1}, /* nobody has a use for the ninth */
	};
	for (int cores = 3; cores <= 8; cores++) {
		share_cores(shares, 3, cores);
		for (int i = 0; i < 3; i++) assert_int_equal(shares[i].threads, expected[cores - 3][i]);
	}
	/* Two runs of 10 and 4 s on two cores: 4 s side by side, then what is left of the longer one with both. */
	struct job items[] = {
	    {.kind = JOB_RUN, .trunk = -1, .seconds = 10, .team = 2, .gain = 1.8},
	    {.kind = JOB_RUN, .trunk = -1, .seconds = 4, .team = 2, .gain = 1.8}};
	double slowness[1] = {1};
	int threads[2] = {0};
	const struct job_list jobs = {.items = items, .count = 2, .slowness = slowness, .rung_count = 1};
	struct outlook outlook = {.threads = threads};
	jobs_outlook(&jobs, 2, &outlook);
	assert_true(fabs(outlook.seconds - (4 + 6 / 1.8)) < 1e-9);
	assert_true(fabs(outlook.idle) < 1e-12);
	assert_true(threads[0] == 2 && threads[1] == 1);
	items[0].team = 1;
	jobs_outlook(&jobs, 2, &outlook);
	assert_true(fabs(outlook.seconds - 10) < 1e-9 && fabs(outlook.idle - 0.3) < 1e-12);
}

static void time_left_of_a_ladder_under_way(void **state) {
	(void)state;
	double slowness[1] = {2};
	struct job items[] = {
	    {.kind = JOB_TRUNK, .state = JOB_RUNNING, .trunk = -1, .ends = 100, .seconds = 50, .progress = 0.5},
	    {.kind = JOB_RUN, .state = JOB_DONE, .trunk = 0, .begins = 20, .ends = 25, .seconds = 30},
	    {.kind = JOB_RUN, .state = JOB_WAITING, .trunk = 0, .begins = 40, .ends = 50, .seconds = 10, .ready = true},
	    {.kind = JOB_RUN, .state = JOB_WAITING, .trunk = 0, .begins = 100, .ends = 125, .seconds = 15},
	    {.kind = JOB_RUN, .state = JOB_FAILED, .trunk = -1, .ends = 125, .seconds = 1000},
	};
	const struct job_list jobs = {.items = items, .count = 5, .slowness = slowness, .rung_count = 1};
	/* 50 s more of the trunk, then 30 s of its last cooldown; the other one fits in beside the trunk. */
	assert_true(fabs(jobs_time_left(&jobs, 2) - 80) < 1e-9);
	assert_true(fabs(jobs_time_left(&jobs, 1) - 100) < 1e-9);
	assert_true(fabs(job_path(&jobs, 0) - 80) < 1e-9);
}

static void predictions(void **state) {
	(void)state;
	struct job_list jobs;
	struct corpus_info corpus = symbols();
	expect_success(list(LADDER, &corpus, "LAB", &jobs));
	struct rung_speed speeds[3] = {{.step = 1}, {.step = 10}, {.step = 100}};
	jobs_predict(&jobs, speeds, &corpus);
	assert_true(fabs(jobs.items[0].seconds - 320) < 1);        /* a trunk ends at its last branch */
	assert_true(fabs(jobs.items[3].seconds - 80) < 1);         /* a cooldown is a fifth of the run */
	assert_true(fabs(jobs.items[7].seconds - 80 * 10) < 1);    /* of the second rung */
	assert_true(fabs(jobs.items[12].seconds - 100 * 100) < 1); /* alone: all of it */
	/* Held-out sequences: three times 16K tokens along a cooldown, 63 sequences of 256 each; at the end 128K tokens would
	 * be 500, but 390 is all there are. */
	const double before = jobs.items[3].seconds;
	speeds[0].forward = 1;
	jobs_predict(&jobs, speeds, &corpus);
	assert_true(fabs(jobs.items[3].seconds - before - (3 * 63 + 390)) < 1e-6);

	/* d = 16, L = 1, T = 256, V = 32: 6 (12 d^2 + V d) + 12 d (T + 1) / 2 FLOPs a token. */
	const double flops = 6 * (12 * 256.0 + 32 * 16) + 12 * 16 * 257 / 2.0;
	assert_true(fabs(job_flops(&jobs.items[0], &corpus) / (flops * 320 * 512) - 1) < 1e-12);
	assert_true(fabs(job_flops(&jobs.items[3], &corpus) / (flops * 80 * 512) - 1) < 1e-12);
	jobs_free(&jobs);
}

static void progress_counts_what_is_finished_and_fits_a_line(void **state) {
	(void)state;
	const struct corpus_info corpus = symbols();
	struct plan plan = {.name = (char *)"a name that would not fit on the line"};
	struct job_list jobs;
	struct text text = {0};
	expect_success(list(LADDER, &corpus, "LAB", &jobs));
	int runs = 0;
	for (int i = 0; i < jobs.count; i++) runs += jobs.items[i].kind == JOB_RUN;
	for (int i = 0; i < jobs.count; i++) jobs.items[i].state = JOB_FAILED;
	jobs.items[1].state = JOB_DONE;
	jobs.items[2].state = JOB_DIVERGED;
	show_progress(&plan, &jobs, NULL, 0, 11 * 3600 + 59 * 60, 22 * 3600 + 58 * 60, &text);
	char counted[32];
	snprintf(counted, sizeof counted, " 2/%d runs ", runs);
	assert_non_null(strstr(text.data, counted));
	const char *end = strstr(text.data, " to go");
	assert_non_null(end);
	assert_in_range(end + strlen(" to go") - text.data, 1, 79);
	text_free(&text);
	jobs_free(&jobs);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_ladder),
	    cmocka_unit_test(unusual_ladders),
	    cmocka_unit_test(the_lab_is_the_truth),
	    cmocka_unit_test(branches_wait_for_their_trunk),
	    cmocka_unit_test(time_left),
	    cmocka_unit_test(spare_cores_go_where_the_ladder_waits_longest),
	    cmocka_unit_test(time_left_of_a_ladder_under_way),
	    cmocka_unit_test(predictions),
	    cmocka_unit_test(progress_counts_what_is_finished_and_fits_a_line),
	};
	return cmocka_run_group_tests_name("sweep jobs", tests, NULL, NULL);
}
