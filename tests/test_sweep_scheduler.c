/* The sweep with children that misbehave. The scheduler starts its own program, so the children are this test program
 * again: they train like `rung train` unless a file "act" in their run's folder tells them to do something else. */
#include "sweep/sweep.h"
#include "tests/support.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/stat.h>

/* ---------------------------------------------------------------------------------------------------------- the child --- */

/* A child that waits for what never comes must not hang the tests. */
#define PATIENCE 60 /* seconds */

static int act_train(int argc, char **argv) {
	char act[32] = "", folder[400], path[420];
	snprintf(folder, sizeof folder, "%s", argv[2]);
	*strrchr(folder, '/') = '\0';
	snprintf(path, sizeof path, "%s/act", folder);
	FILE *file = fopen(path, "r");
	if (file && fscanf(file, "%31s", act) != 1) act[0] = '\0';
	if (file) fclose(file);
	snprintf(path, sizeof path, "%s/../gate", folder); /* a named pipe: opening it waits for the other end */
	alarm(PATIENCE);
	if (strcmp(act, "fail") == 0) {
		fprintf(stderr, "error: first\nerror: the moon is full\n");
		return 1;
	}
	if (strcmp(act, "die") == 0) raise(SIGKILL);
	if (strcmp(act, "diverge") == 0) return ERROR_DIVERGED;
	if (strcmp(act, "babble") == 0) printf("not json\n\n{\"event\": 3}\n{\"event\": \"progress\"}\n[");
	if (strcmp(act, "note") == 0) printf("{\"event\": \"note\", \"text\": \"the moon is full\"}\n");
	if (strcmp(act, "interrupt") == 0) {
		/* Ctrl-C for the sweep alone, then what a run does when it is asked to stop. */
		sigset_t set;
		int number;
		sigemptyset(&set);
		sigaddset(&set, SIGTERM);
		sigprocmask(SIG_BLOCK, &set, NULL);
		kill(getppid(), SIGINT);
		sigwait(&set, &number);
		snprintf(path, sizeof path, "%s/asked-to-stop", folder);
		close(open(path, O_WRONLY | O_CREAT, 0666));
		return ERROR_INTERRUPTED;
	}
	if (strcmp(act, "open") == 0) close(open(path, O_WRONLY));
	const int code = train_command(argc, argv);
	if (strcmp(act, "wait") == 0) close(open(path, O_RDONLY)); /* the branches are there, the trunk still lives */
	return code;
}

/* ------------------------------------------------------------------------------------------------------------ the lab --- */

/* Two rungs of two horizons, and a run alone: 10 and 20 steps of 32 tokens. The jobs in order: trunk, run, run; trunk,
 * run, run; run. */
static const char ladder[] =
    "{\"name\": \"n\", \"corpus\": {\"source\": \"markov\", \"vocab\": 16, \"order\": 1, \"tokens\": 4000,"
    " \"held_out_tokens\": 1000, \"seed\": 1}, \"context\": 16, \"batch\": 2, \"warmup_tokens\": 64, \"eval_tokens\": "
    "64,"
    " \"curve_tokens\": 32, \"horizons\": [320, 640], \"sample\": {\"prompt\": 4, \"tokens\": 8},"
    " \"rungs\": [{\"width\": 16, \"depth\": 1}, {\"width\": 32, \"depth\": 1},"
    " {\"width\": 48, \"depth\": 1, \"horizons\": [320]}]}";

struct fixture {
	char *folder;
	struct lab lab;
	struct job_list jobs;
	struct sweep_outcome outcome;
};

static int make_lab(void **state) {
	struct fixture *f = calloc(1, sizeof *f);
	struct plan plan;
	cJSON *root;
	f->folder = folder_temporary();
	expect_success(json_parse("P.json", ladder, strlen(ladder), &root));
	expect_success(plan_parse(root, "P.json", &plan));
	cJSON_Delete(root);
	expect_success(lab_open(f->folder, &plan, "P.json", NULL, &f->lab));
	expect_success(jobs_make(&f->lab.plan, corpus_info(f->lab.corpus), f->folder, &f->jobs));
	assert_int_equal(f->jobs.count, 7);
	*state = f;
	return 0;
}

static int drop_lab(void **state) {
	struct fixture *f = *state;
	text_free(&f->outcome.failures);
	jobs_free(&f->jobs);
	lab_close(&f->lab);
	folder_remove(f->folder);
	free(f);
	return 0;
}

static void order(const struct fixture *f, int job, const char *act) {
	char *path = path_join(f->jobs.items[job].folder, "act");
	expect_success(folder_make(f->jobs.items[job].folder));
	expect_success(file_write(path, act, strlen(act)));
	free(path);
}

static void obey(const struct fixture *f, int job) {
	char *path = path_join(f->jobs.items[job].folder, "act");
	assert_int_equal(unlink(path), 0);
	free(path);
}

/* What lies in the lab; damage is told in these words, none when they are empty. */
static void look(struct fixture *f, const char *words) {
	struct text damaged = {0};
	expect_success(jobs_survey(&f->jobs, &f->lab.info, f->folder, &damaged));
	if (*words)
		assert_non_null(strstr(damaged.length ? damaged.data : "", words));
	else
		assert_int_equal(damaged.length, 0);
	text_free(&damaged);
}

static void go_on(struct fixture *f, int workers) {
	const struct sweep_options options = {
	    .workers = workers, .peak_gflops = 1, .checkpoint_seconds = 30, .quiet = true};
	struct rung_speed speeds[3] = {{.step = 1}, {.step = 2}, {.step = 3, .team = 2, .gain = 1.5}};
	text_free(&f->outcome.failures);
	jobs_predict(&f->jobs, speeds, corpus_info(f->lab.corpus));
	expect_success(sweep_run(&f->lab, &f->jobs, &options, &f->outcome));
}

static void run(struct fixture *f, int workers) {
	look(f, "");
	go_on(f, workers);
}

static void expect_states(const struct fixture *f, const char *expected) {
	static const char letters[] = {
	    [JOB_WAITING] = 'w', [JOB_RUNNING] = 'r', [JOB_DONE] = 'd', [JOB_DIVERGED] = 'x', [JOB_FAILED] = 'f'};
	char found[16] = "";
	for (int i = 0; i < f->jobs.count; i++) found[i] = letters[f->jobs.items[i].state];
	assert_string_equal(found, expected);
}

/* The text of a file of the lab, NULL when there is none; the caller frees. */
static char *read_lab(const struct fixture *f, const char *name) {
	struct text text = {0};
	char *path = path_join(f->folder, name);
	if (file_exists(path)) expect_success(file_read(path, 1000000, &text));
	free(path);
	return text.data;
}

/* How often `part` stands in the file. */
static int count_in(const struct fixture *f, const char *name, const char *part) {
	char *text = read_lab(f, name);
	int count = 0;
	for (const char *at = text; at && (at = strstr(at, part)); at++) count++;
	free(text);
	return count;
}

/* ----------------------------------------------------------------------------------------------------------- the tests --- */

static void all_is_well(void **state) {
	struct fixture *f = *state;
	run(f, 2);
	expect_states(f, "ddddddd");
	assert_int_equal(f->outcome.runs, 5);
	assert_int_equal(f->outcome.done, 5);
	assert_int_equal(f->outcome.new_runs, 5);
	assert_int_equal(f->outcome.failed + f->outcome.diverged, 0);
	assert_int_equal(count_in(f, "points.csv", "\n"), 6);
	assert_int_equal(count_in(f, "points.csv", ",0,short\n"), 5);
	/* The largest rung has one horizon only; the sample is its. */
	assert_int_equal(count_in(f, "samples.json", f->jobs.items[6].id), 1);
	char *points = read_lab(f, "points.csv");

	run(f, 2);
	assert_int_equal(f->outcome.new_runs, 0);
	assert_int_equal(f->outcome.done, 5);
	char *again = read_lab(f, "points.csv");
	assert_string_equal(points, again);
	free(points);
	free(again);
}

static void cooldowns_start_beside_their_trunk(void **state) {
	struct fixture *f = *state;
	char *gate = path_join(f->folder, "runs/gate");
	expect_success(folder_make(f->jobs.items[0].folder));
	assert_int_equal(mkfifo(gate, 0600), 0);
	order(f, 3, "wait"); /* this trunk does not end before that cooldown has begun */
	order(f, 4, "open");
	run(f, 2);
	expect_states(f, "ddddddd");
	free(gate);
}

static void one_failure_stops_nothing_else(void **state) {
	struct fixture *f = *state;
	order(f, 2, "fail");
	run(f, 2);
	expect_states(f, "ddfdddd");
	assert_int_equal(f->outcome.failed, 1);
	assert_int_equal(f->outcome.done, 4);
	char log[400];
	snprintf(
	    log, sizeof log, "exit code 1: error: the moon is full; its messages: %s/stderr.log\n",
	    f->jobs.items[2].folder);
	assert_non_null(strstr(f->outcome.failures.data, log));
	assert_int_equal(count_in(f, "points.csv", "\n"), 5);

	obey(f, 2);
	run(f, 1);
	expect_states(f, "ddddddd");
	assert_int_equal(f->outcome.new_runs, 1);
	assert_int_equal(count_in(f, "points.csv", "\n"), 6);
}

static void a_killed_trunk_takes_its_cooldowns_with_it(void **state) {
	struct fixture *f = *state;
	order(f, 0, "die");
	run(f, 2);
	expect_states(f, "fffdddd");
	assert_int_equal(f->outcome.failed, 3);
	assert_non_null(strstr(f->outcome.failures.data, "d 16  L 1  trunk  : ended by signal 9"));
	assert_int_equal(f->outcome.killed, 1);
	/* One cause, one line, and one for what it took along. */
	const char *second = strchr(f->outcome.failures.data, '\n') + 1;
	assert_string_equal(second, "  d 16  L 1  trunk  : not begun without it: D 320, 640\n");
	obey(f, 0);
	run(f, 2);
	expect_states(f, "ddddddd");
	assert_int_equal(f->outcome.new_runs, 2);
}

static void divergence_is_a_result(void **state) {
	struct fixture *f = *state;
	order(f, 0, "diverge");
	order(f, 5, "diverge");
	run(f, 2);
	expect_states(f, "xxxddxd");
	assert_int_equal(f->outcome.diverged, 3);
	assert_int_equal(f->outcome.failed, 0);
	/* N = 12 L d^2 = 3072 at D = 640: 20 steps, 6 N D = 11796480, and exactly with the head and attention:
	 * 640 (6 (3072 + 16 16) + 12 16 17 / 2) = 13824000. */
	char row[300];
	snprintf(
	    row, sizeof row, "%s,16,1,16,16,32,1,3072,3328,3584,640,20,13824000,11796480,nan,nan,nan,0,diverged\n",
	    f->jobs.items[2].id);
	assert_int_equal(count_in(f, "points.csv", row), 1);
	assert_int_equal(count_in(f, "points.csv", "diverged"), 3);
}

static void nonsense_is_passed_over(void **state) {
	struct fixture *f = *state;
	order(f, 6, "babble");
	run(f, 2);
	expect_states(f, "ddddddd");
}

/* What a run has to say reaches the person who waits. */
static void notes_are_passed_on(void **state) {
	struct fixture *f = *state;
	const struct sweep_options options = {.workers = 2, .peak_gflops = 1, .checkpoint_seconds = 30};
	char *path = path_join(f->folder, "said");
	order(f, 4, "note");
	look(f, "");
	text_free(&f->outcome.failures);
	fflush(stderr);
	const int kept = dup(STDERR_FILENO), file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	assert_true(kept >= 0 && file >= 0 && dup2(file, STDERR_FILENO) >= 0);
	struct error *error = sweep_run(&f->lab, &f->jobs, &options, &f->outcome);
	fflush(stderr);
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(file);
	expect_success(error);
	struct text said = {0};
	expect_success(file_read(path, 1 << 20, &said));
	assert_non_null(strstr(said.data, "note     d 32  L 1  D 320    the moon is full\n"));
	text_free(&said);
	free(path);
}

/* Between the look at the lab and the moment at which the run begins. */
static void a_branch_that_was_taken_away(void **state) {
	struct fixture *f = *state;
	const struct job *job = &f->jobs.items[4];
	run(f, 2);
	char *record = path_join(job->folder, "run.json");
	assert_int_equal(unlink(record), 0);
	free(record);
	look(f, "");
	assert_int_equal(unlink(job->start), 0);
	go_on(f, 2);
	expect_states(f, "ddddfdd");
	char said[600];
	snprintf(
	    said, sizeof said, "%s is gone; remove the folder %s to have it made again\n", job->start,
	    f->jobs.items[3].folder);
	assert_non_null(strstr(f->outcome.failures.data, said));
	/* The next sweep sees that it is not there. */
	look(f, "is missing\n  its trunk is trained again");
	expect_states(f, "dddwwdd");
	go_on(f, 2);
	expect_states(f, "ddddddd");
}

static void copy_file(const char *from, const char *to) {
	struct text bytes = {0};
	expect_success(file_read(from, (size_t)1 << 24, &bytes));
	expect_success(file_write(to, bytes.data, bytes.length));
	text_free(&bytes);
}

/* The other file of a checkpoint. */
static void weights_of(const char *state_path, char path[500]) {
	snprintf(path, 500, "%s", state_path);
	strcpy(strstr(path, ".state"), ".safetensors");
}

/* Both files of a branch in the place of those of another. */
static void put_in_place(const char *branch, const char *of) {
	char from[500], to[500];
	weights_of(branch, from);
	weights_of(of, to);
	copy_file(branch, of);
	copy_file(from, to);
}

/* Damaged, or whole but another one. Its trunk is trained again, and the run comes to what it would have come to. */
static void a_bad_branch_is_made_again(void **state) {
	struct fixture *f = *state;
	run(f, 2);
	char *whole = read_lab(f, "points.csv");
	for (int way = 0; way < 6; way++) {
		const struct job *job = &f->jobs.items[way == 3 ? 5 : 4];
		char *record = path_join(job->folder, "run.json"), path[500];
		const char *words = "";
		assert_int_equal(unlink(record), 0);
		if (way < 2) { /* the state, and the weights beside it */
			snprintf(path, sizeof path, "%s", job->start);
			if (way) weights_of(job->start, path);
			const int file = open(path, O_RDWR);
			assert_int_equal(pwrite(file, "x", 1, 900), 1);
			close(file);
			words = path;
		}
		if (way == 2) { /* a later step of its own trunk */
			put_in_place(f->jobs.items[5].start, job->start);
			words = "is at step 16, expected 8";
		}
		if (way == 3) { /* an earlier one, from which it would come to the same weights */
			put_in_place(f->jobs.items[4].start, job->start);
			words = "is at step 8, expected 16";
		}
		if (way == 4) { /* of another trunk */
			put_in_place(f->jobs.items[1].start, job->start);
			words = "belongs to recipe";
		}
		if (way == 5) { /* half of it */
			weights_of(job->start, path);
			assert_int_equal(unlink(path), 0);
			words = "is missing, and so the checkpoint is damaged";
		}
		look(f, words);
		expect_states(f, way == 3 ? "dddwdwd" : "dddwwdd");
		assert_false(file_exists(job->start));
		go_on(f, 2);
		expect_states(f, "ddddddd");
		char *again = read_lab(f, "points.csv");
		assert_string_equal(whole, again);
		free(again);
		free(record);
	}
	free(whole);
}

/* A learning curve that is not the one the record was written with: the run is trained again, trunks too. */
static void a_changed_log_is_made_again(void **state) {
	struct fixture *f = *state;
	run(f, 2);
	for (int i = 3; i <= 4; i++)
		for (int way = 0; way < 3; way++) {
			char *path = path_join(f->jobs.items[i].folder, "log.jsonl");
			struct text before = {0}, after = {0};
			expect_success(file_read(path, (size_t)1 << 20, &before));
			if (way == 0) { /* a digit */
				char *digit = strstr(before.data, "\"loss\": ") + strlen("\"loss\": ");
				const char was = *digit;
				*digit = was == '1' ? '2' : '1';
				expect_success(file_write(path, before.data, before.length));
				*digit = was;
			}
			if (way == 1) expect_success(file_write(path, "", 0));
			if (way == 2) assert_int_equal(unlink(path), 0);
			look(f, path);
			expect_states(f, i == 3 ? "dddwddd" : "ddddwdd");
			go_on(f, 2);
			expect_states(f, "ddddddd");
			look(f, "");
			expect_success(file_read(path, (size_t)1 << 20, &after));
			assert_string_equal(before.data, after.data);
			text_free(&before);
			text_free(&after);
			free(path);
		}
}

/* The model that a sample is to be of. */
static void a_foreign_model_writes_no_sample(void **state) {
	struct fixture *f = *state;
	const struct sweep_options options = {.workers = 2, .peak_gflops = 1, .checkpoint_seconds = 30, .quiet = true};
	run(f, 2);
	const struct job *largest = &f->jobs.items[6];
	char *samples = path_join(f->folder, "samples.json"), *whole = read_lab(f, "samples.json");
	char *model = path_join(largest->folder, "model.safetensors"), kept[600], other[600];
	snprintf(kept, sizeof kept, "%s.kept", model);
	snprintf(other, sizeof other, "%s/model.safetensors", f->jobs.items[5].folder);
	assert_int_equal(unlink(samples), 0);
	for (int way = 0; way < 3; way++) {
		static const char *const words[] = {"is not the model that run.json", "is missing", ""};
		assert_int_equal(rename(way == 2 ? kept : model, way == 2 ? model : kept), 0);
		if (way == 0) copy_file(other, model);
		look(f, "");
		text_free(&f->outcome.failures);
		struct error *error = sweep_run(&f->lab, &f->jobs, &options, &f->outcome);
		if (way == 2) {
			expect_success(error);
			continue;
		}
		assert_non_null(error);
		assert_int_equal(error->kind, ERROR_DATA);
		assert_non_null(strstr(error->message, words[way]));
		assert_non_null(strstr(error->message, model));
		assert_non_null(strstr(error->message, "remove its folder"));
		error_free(error);
		assert_false(file_exists(samples));
		if (way == 0) assert_int_equal(rename(kept, model), 0);
	}
	char *again = read_lab(f, "samples.json");
	assert_string_equal(whole, again);
	free(whole);
	free(again);
	free(samples);
	free(model);
}

/* Last: this process stays interrupted. */
static void an_interrupt_is_passed_on(void **state) {
	struct fixture *f = *state;
	interrupt_watch();
	order(f, 3, "interrupt"); /* the longest path: the first to start, and with one worker the only one */
	run(f, 1);
	assert_true(f->outcome.interrupted);
	expect_states(f, "wwwwwww");
	char *asked = path_join(f->jobs.items[3].folder, "asked-to-stop");
	assert_true(file_exists(asked));
	free(asked);
	assert_int_equal(f->outcome.failed, 0);
	assert_null(read_lab(f, "samples.json"));
}

/* ---------------------------------------------------------------------------------------------------- who computes it --- */

static const struct kernel_choice forced[] = {{KERNELS_PORTABLE, 0x7fff}, {KERNELS_PLAIN, 0}, {KERNELS_PORTABLE, 0x41}};

static void force_kernels(struct fixture *f) {
	struct rung_speed rungs[COUNT_OF(forced)] = {{0}};
	for (size_t r = 0; r < COUNT_OF(forced); r++) rungs[r].kernels = forced[r];
	const struct plan_speed speed = {.rungs = rungs, .rung_count = COUNT_OF(forced)};
	expect_success(lab_write_kernels(&f->lab, &speed));
}

static void expect_kernels(const struct fixture *f, int job, struct kernel_choice wanted) {
	struct train_result result;
	expect_success(train_result_read(f->jobs.items[job].folder, &result));
	assert_int_equal(result.kernels.kernels, wanted.kernels);
	assert_int_equal(result.kernels.blas, wanted.blas);
}

static void all_runs_of_a_rung_are_computed_alike(void **state) {
	struct fixture *f = *state;
	force_kernels(f);
	/* As a sweep that goes on finds them. */
	free(f->lab.kernels);
	f->lab.kernels = NULL;
	bool found = false;
	expect_success(lab_read_kernels(&f->lab, &found));
	assert_true(found);
	run(f, 2);
	expect_states(f, "ddddddd");
	for (int i = 0; i < f->jobs.count; i++) expect_kernels(f, i, forced[f->jobs.items[i].rung]);
}

/* What a trunk was begun with goes before what the lab has come to say. */
static void a_trunk_decides_for_its_branches(void **state) {
	struct fixture *f = *state;
	force_kernels(f);
	order(f, 1, "fail");
	run(f, 1);
	expect_states(f, "dfddddd");
	obey(f, 1);
	for (size_t r = 0; r < COUNT_OF(forced); r++) f->lab.kernels[r] = (struct kernel_choice){.kernels = KERNELS_PLAIN};
	f->jobs.items[1].state = JOB_WAITING;
	run(f, 1);
	expect_states(f, "ddddddd");
	expect_kernels(f, 1, forced[0]);
}

static void a_damaged_choice_is_refused(void **state) {
	struct fixture *f = *state;
	char *path = path_join(f->folder, "kernels.json");
	bool found = true;
	expect_success(lab_read_kernels(&f->lab, &found));
	assert_false(found);
	force_kernels(f);

	/* A byte of it. */
	struct text text = {0};
	expect_success(file_read(path, 100000, &text));
	char *plain = strstr(text.data, "plain");
	assert_non_null(plain);
	memcpy(plain, "plane", 5);
	expect_success(file_write(path, text.data, text.length));
	expect_failure(lab_read_kernels(&f->lab, &found), ERROR_DATA, "remove the file");
	text_free(&text);

	/* Whole, but not of this ladder. */
	force_kernels(f);
	f->lab.plan.rungs[1].config.width += 16;
	expect_failure(lab_read_kernels(&f->lab, &found), ERROR_DATA, "width 32 where the plan has 48");
	f->lab.plan.rungs[1].config.width -= 16;
	f->lab.plan.rungs[1].config.context++;
	expect_failure(lab_read_kernels(&f->lab, &found), ERROR_DATA, "a rung of context");
	f->lab.plan.rungs[1].config.context--;
	f->lab.plan.rung_count--;
	expect_failure(lab_read_kernels(&f->lab, &found), ERROR_DATA, "has 3 rungs, but the plan 2");
	f->lab.plan.rung_count++;
	expect_success(lab_read_kernels(&f->lab, &found));
	assert_true(found);

	/* Sealed by another program. */
	cJSON *root;
	expect_success(json_read_sealed(path, 0, &root));
	cJSON_ReplaceItemInObjectCaseSensitive(root, "format", cJSON_CreateNumber(9));
	expect_success(json_write_sealed(path, root));
	cJSON_Delete(root);
	expect_failure(lab_read_kernels(&f->lab, &found), ERROR_DATA, "has the format 9");
	free(path);
}

int main(int argc, char **argv) {
	if (argc > 3 && strcmp(argv[1], "train") == 0) return act_train(argc - 1, argv + 1);
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_lab, drop_lab)
	const struct CMUnitTest tests[] = {
	    TEST(all_is_well),
	    TEST(cooldowns_start_beside_their_trunk),
	    TEST(one_failure_stops_nothing_else),
	    TEST(a_killed_trunk_takes_its_cooldowns_with_it),
	    TEST(divergence_is_a_result),
	    TEST(nonsense_is_passed_over),
	    TEST(notes_are_passed_on),
	    TEST(a_branch_that_was_taken_away),
	    TEST(a_bad_branch_is_made_again),
	    TEST(a_changed_log_is_made_again),
	    TEST(a_foreign_model_writes_no_sample),
	    TEST(all_runs_of_a_rung_are_computed_alike),
	    TEST(a_trunk_decides_for_its_branches),
	    TEST(a_damaged_choice_is_refused),
	    TEST(an_interrupt_is_passed_on), /* the last one: what comes after finds itself interrupted */
	};
	return cmocka_run_group_tests_name("sweep scheduler", tests, NULL, NULL);
}
