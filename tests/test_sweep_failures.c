/* The lab, its lock and its table when memory or the system fails, one call after the other. */
#include "sweep/lock.h"
#include "sweep/sweep.h"
#include "tests/fail.h"
#include "tests/support.h"

#include <fcntl.h>
#include <sys/wait.h>

static const char ladder[] =
    "{\"name\": \"n\", \"corpus\": {\"source\": \"markov\", \"vocab\": 6, \"order\": 1, \"tokens\": 900,"
    " \"held_out_tokens\": 100, \"seed\": 1}, \"context\": 16, \"batch\": 2, \"warmup_tokens\": 64, \"eval_tokens\": "
    "64,"
    " \"curve_tokens\": 32, \"horizons\": [320, 640], \"rungs\": [{\"width\": 16, \"depth\": 1}]}";

static void parse_plan(struct plan *plan) {
	cJSON *root;
	expect_success(json_parse("P.json", ladder, strlen(ladder), &root));
	expect_success(plan_parse(root, "P.json", plan));
	cJSON_Delete(root);
}

/* One way for something to fail. */
static const struct way {
	unsigned what;
	int number;
	bool lasting;
} ways[] = {{FAIL_FILES, EIO, false},     {FAIL_FILES, ENOSPC, true},   {FAIL_FOLDERS, EIO, false},
            {FAIL_FOLDERS, EACCES, true}, {FAIL_MEMORY, ENOMEM, false}, {FAIL_MEMORY, ENOMEM, true}};

static bool impossible(const struct way *way) {
	return way->what == FAIL_MEMORY && !FAIL_HAS_MEMORY;
}

static struct text content(const char *path) {
	struct text text = {0};
	if (file_exists(path)) expect_success(file_read(path, 1 << 24, &text));
	return text;
}

/* Opens the lab, for the plan or as it is. */
static struct error *open_lab(const char *folder, bool asked, struct lab *lab) {
	struct plan plan = {0};
	if (asked) parse_plan(&plan);
	struct error *error = lab_open(folder, asked ? &plan : NULL, "P.json", NULL, lab);
	plan_free(&plan);
	return error;
}

/* The same while something fails from `at` on. */
static struct error *open_failing(
    const struct way *way, long at, const char *folder, bool asked, struct lab *lab, bool *struck) {
	struct plan plan = {0};
	if (asked) parse_plan(&plan);
	fail_from(way->what, way->number, at, way->lasting);
	struct error *error = lab_open(folder, asked ? &plan : NULL, "P.json", NULL, lab);
	*struck = fail_end();
	plan_free(&plan);
	return error;
}

/* A lab that could not be begun can be begun again, and then is what it would have been. */
static void beginning_a_lab(void **state) {
	(void)state;
	struct lab lab;
	char *folder = folder_temporary(), *inside = path_join(folder, "lab"), *plan = path_join(inside, "plan.json");
	expect_success(open_lab(inside, true, &lab));
	const uint64_t hash = lab.info.hash;
	lab_close(&lab);
	struct text frozen = content(plan);
	for (size_t w = 0; w < COUNT_OF(ways); w++) {
		if (impossible(&ways[w])) continue;
		int errors = 0;
		for (long at = 1;; at++) {
			bool struck;
			char command[200];
			snprintf(command, sizeof command, "rm -rf %s", inside);
			assert_int_equal(system(command), 0);
			struct error *error = open_failing(&ways[w], at, inside, true, &lab, &struck);
			if (!error) assert_true(lab.info.hash == hash && lab.lock >= 0);
			lab_close(&lab);
			errors += error != NULL;
			error_free(error);
			expect_success(open_lab(inside, true, &lab));
			assert_true(lab.info.hash == hash);
			lab_close(&lab);
			struct text now = content(plan);
			assert_string_equal(now.data, frozen.data);
			text_free(&now);
			if (!struck) break;
		}
		assert_true(errors > 3);
	}
	text_free(&frozen);
	free(plan);
	free(inside);
	folder_remove(folder);
}

/* One that was begun stays what it is, whatever fails while somebody goes on with it. */
static void going_on_with_a_lab(void **state) {
	(void)state;
	struct lab lab;
	char *folder = folder_temporary(), *plan = path_join(folder, "plan.json"),
	     *half = path_join(folder, "runs/r/x.1-2.tmp");
	expect_success(open_lab(folder, true, &lab));
	expect_success(lab_write_corpus(&lab, NULL));
	lab_close(&lab);
	char *run = path_join(folder, "runs/r"),
	     *long_run = path_join(folder, "runs/a-name-that-is-longer-than-a-text-is-at-first-and-grows");
	expect_success(folder_make(long_run));
	free(long_run);
	expect_success(folder_make(run));
	struct text frozen = content(plan);
	for (int asked = 0; asked < 2; asked++)
		for (size_t w = 0; w < COUNT_OF(ways); w++) {
			if (impossible(&ways[w])) continue;
			for (long at = 1;; at++) {
				bool struck;
				expect_success(file_write(half, "half", 4)); /* of a killed process */
				struct error *error = open_failing(&ways[w], at, folder, asked, &lab, &struck);
				lab_close(&lab);
				error_free(error);
				struct text now = content(plan);
				assert_string_equal(now.data, frozen.data);
				text_free(&now);
				expect_success(open_lab(folder, asked, &lab));
				lab_close(&lab);
				assert_false(file_exists(half));
				if (!struck) break;
			}
		}
	text_free(&frozen);
	free(run);
	free(half);
	free(plan);
	folder_remove(folder);
}

static void labs_that_are_refused(void **state) {
	(void)state;
	struct lab lab;
	char *folder = folder_temporary(), *nothing = path_join(folder, "nothing");
	expect_failure(open_lab(nothing, false, &lab), ERROR_USAGE, "holds no plan yet");
	lab_close(&lab);
	assert_false(file_exists(nothing)); /* the name may have been mistyped */
	expect_success(open_lab(folder, true, &lab));
	lab_close(&lab);
	/* Another plan. */
	struct plan plan;
	parse_plan(&plan);
	plan.rungs[0].config.rate *= 2;
	expect_failure(lab_open(folder, &plan, "Q.json", NULL, &lab), ERROR_USAGE, "holds another plan than Q.json");
	plan_free(&plan);
	lab_close(&lab);
	/* Another plan when memory is short: refused all the same, or it is said. */
	for (long at = 1; FAIL_HAS_MEMORY; at++) {
		parse_plan(&plan);
		plan.rungs[0].config.rate *= 2;
		fail_from(FAIL_MEMORY, ENOMEM, at, false);
		struct error *error = lab_open(folder, &plan, "Q.json", NULL, &lab);
		const bool struck = fail_end();
		assert_non_null(error);
		error_free(error);
		plan_free(&plan);
		lab_close(&lab);
		if (!struck) break;
	}
	/* Somebody has put another corpus in the place of the source's. */
	char *source = path_join(folder, "source.corpus");
	cJSON *spec =
	    cJSON_Parse("{\"source\": \"markov\", \"vocab\": 6, \"tokens\": 900, \"held_out_tokens\": 100, \"seed\": 2}");
	expect_success(source_build(spec, "spec", source));
	cJSON_Delete(spec);
	expect_failure(open_lab(folder, false, &lab), ERROR_DATA, "its hash is ");
	lab_close(&lab);
	free(source);
	/* No corpus at all. */
	cJSON *root;
	static const char bare[] = "{\"name\": \"n\", \"horizons\": [320], \"context\": 16, \"batch\": 2, \"rungs\": "
	                           "[{\"width\": 16, \"depth\": 1}]}";
	expect_success(json_parse("B.json", bare, strlen(bare), &root));
	expect_success(plan_parse(root, "B.json", &plan));
	cJSON_Delete(root);
	expect_failure(lab_open(nothing, &plan, "B.json", NULL, &lab), ERROR_USAGE, "B.json names no corpus");
	plan_free(&plan);
	lab_close(&lab);
	free(nothing);
	folder_remove(folder);
}

/* The corpus need be named once; the plan is the same without it, and memory may be short. */
static void the_corpus_of_a_lab_is_remembered(void **state) {
	(void)state;
	struct lab lab;
	struct plan plan;
	char *folder = folder_temporary(), *corpus = path_join(folder, "c.corpus"), *inside = path_join(folder, "lab");
	cJSON *spec = cJSON_Parse("{\"source\": \"markov\", \"vocab\": 6, \"tokens\": 900, \"held_out_tokens\": 100}");
	expect_success(source_build(spec, "spec", corpus));
	cJSON_Delete(spec);
	for (int round = 0; round < 2; round++)
		for (long at = 1;; at++) {
			parse_plan(&plan);
			cJSON_Delete(plan.source);
			plan.source = NULL;
			if (round) fail_from(FAIL_MEMORY, ENOMEM, at, false);
			struct error *error = lab_open(inside, &plan, "P.json", round ? NULL : corpus, &lab);
			const bool struck = fail_end();
			if (!error) assert_int_equal(lab.info.tokens[SPLIT_TRAIN], 900);
			assert_true(struck || !error);
			error_free(error);
			plan_free(&plan);
			lab_close(&lab);
			if (!struck) break;
		}
	free(inside);
	free(corpus);
	folder_remove(folder);
}

/* ----------------------------------------------------------------------------------------------------------- the lock --- */

static void put_owner(const char *path, const char *line) {
	expect_success(file_write(path, line, strlen(line)));
}

/* Takes the lock and gives it back. */
static struct error *take(const char *folder, double patience) {
	int lock = -1;
	struct error *error = lock_take(folder, patience, &lock);
	if (lock >= 0) close(lock);
	return error;
}

static struct error *take_while(const char *function, int number, bool lasting, const char *folder) {
	fail_only(function, number, 1, lasting);
	struct error *error = take(folder, 0);
	assert_true(fail_end());
	return error;
}

static void a_lock_while_something_fails(void **state) {
	(void)state;
	char *folder = folder_temporary(), *path = path_join(folder, "lock");
	for (size_t w = 0; w < COUNT_OF(ways); w++)
		for (long at = 1; !impossible(&ways[w]); at++) {
			fail_from(ways[w].what, ways[w].number, at, ways[w].lasting);
			struct error *error = take(folder, 1);
			const bool struck = fail_end();
			assert_true(struck || !error);
			error_free(error);
			if (!struck) break;
		}
	expect_failure(take_while("flock", EIO, false, folder), ERROR_FAILED, "cannot lock");
	expect_success(take_while("flock", EINTR, false, folder));
	expect_failure(take_while("flock", EINTR, true, folder), ERROR_FAILED, "cannot lock");
	expect_failure(take_while("ftruncate", EIO, false, folder), ERROR_FAILED, "cannot write");
	expect_failure(take_while("pwrite", ENOSPC, false, folder), ERROR_FAILED, "cannot write");
	expect_success(take_while("gethostname", EPERM, false, folder));
	fail_from(FAIL_FILES, EACCES, 2, true); /* without /proc there is no boot and no start */
	expect_success(take(folder, 0));
	assert_true(fail_end());
	struct text line = content(path);
	assert_non_null(strstr(line.data, " start  boot  host "));
	text_free(&line);
	free(path);
	folder_remove(folder);
}

/* A lock that somebody holds, in another process which lives until it is killed. */
static pid_t holder(const char *path) {
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	const pid_t child = fork();
	if (child == 0) {
		char other[200];
		snprintf(other, sizeof other, "%s-other", path);
		open(other, O_RDWR | O_CREAT, 0666); /* on the same disk, and not what is looked for */
		const int file = open(path, O_RDWR | O_CREAT, 0666);
		if (flock(file, LOCK_EX) || write(ready[1], "r", 1) != 1) _exit(1);
		for (;;) pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return child;
}

static void a_lock_that_is_not_let_go(void **state) {
	(void)state;
	char *folder = folder_temporary(), *path = path_join(folder, "lock");
	char line[200], host[64] = "";
	gethostname(host, sizeof host - 1);
	snprintf(line, sizeof line, "process 1 start 2 boot 3 host %s\n", host);
	put_owner(path, line);
	const pid_t child = holder(path);
	/* Nobody can be ended: after waiting once more it is given up. */
	fail_only("kill", EPERM, 1, true);
	expect_failure(take(folder, 0.03), ERROR_FAILED, "in use by a process that does not say which");
	assert_true(fail_end());
	/* Nor found. */
	fail_only("opendir", EACCES, 1, true);
	expect_failure(take(folder, 0.03), ERROR_FAILED, "in use by a process that does not say which");
	assert_true(fail_end());
	fail_only("opendir", EACCES, 2, true);
	expect_failure(take(folder, 0.03), ERROR_FAILED, "in use by a process that does not say which");
	assert_true(fail_end());
	fail_only("stat", EACCES, 1, true);
	expect_failure(take(folder, 0.03), ERROR_FAILED, "in use by a process that does not say which");
	assert_true(fail_end());
	fail_only("fstat", EACCES, 1, true);
	expect_failure(take(folder, 0.03), ERROR_FAILED, "in use by a process that does not say which");
	assert_true(fail_end());
	/* Whose name cannot be read may be anybody. */
	fail_only("pread", EIO, 1, true);
	expect_failure(take(folder, 60), ERROR_FAILED, "in use by a process that does not say which");
	assert_true(fail_end());
	/* Ctrl-C while one waits. */
	const pid_t waiting = fork();
	if (waiting == 0) {
		interrupt_watch();
		raise(SIGINT);
		struct error *error = take(folder, 60);
		const bool interrupted = error && error->kind == ERROR_INTERRUPTED;
		error_free(error);
		free(path);
		free(folder);
		exit(interrupted ? 0 : 1); /* not _exit(): what it has reached is to be counted */
	}
	int status;
	waitpid(waiting, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	expect_success(take(folder, 0.03)); /* and this ends it */
	waitpid(child, &status, 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	free(path);
	folder_remove(folder);
}

/* What was known of a corpus that is gone is enough, as long as it is of that corpus, and whole. */
static void a_corpus_that_is_gone(void **state) {
	(void)state;
	struct lab lab;
	struct plan plan;
	char *folder = folder_temporary(), *corpus = path_join(folder, "c.corpus"), *inside = path_join(folder, "lab");
	char *known = path_join(inside, "corpus.json");
	cJSON *spec = cJSON_Parse("{\"source\": \"markov\", \"vocab\": 6, \"tokens\": 900, \"held_out_tokens\": 100}");
	expect_success(source_build(spec, "spec", corpus));
	cJSON_Delete(spec);
	parse_plan(&plan);
	expect_success(lab_open(inside, &plan, "P.json", corpus, &lab));
	plan_free(&plan);
	cJSON *answers = cJSON_Parse("[{\"name\": \"xz\", \"bits\": 1.5}]");
	expect_success(lab_write_corpus(&lab, answers));
	struct text whole = content(known);
	expect_success(lab_write_corpus(&lab, NULL)); /* does not lose the answer */
	struct text still = content(known);
	assert_string_equal(whole.data, still.data);
	text_free(&still);
	const struct corpus_info info = lab.info;
	lab_close(&lab);
	assert_int_equal(unlink(corpus), 0);

	for (size_t w = 0; w < COUNT_OF(ways); w++)
		for (long at = 1; !impossible(&ways[w]); at++) {
			bool struck;
			struct error *error = open_failing(&ways[w], at, inside, false, &lab, &struck);
			if (!error) {
				assert_non_null(lab.lost);
				assert_true(lab.info.hash == info.hash && lab.info.bigram == info.bigram);
				assert_int_equal(lab.info.tokens[SPLIT_TRAIN], info.tokens[SPLIT_TRAIN]);
				expect_success(lab_write_corpus(&lab, NULL));
			}
			error_free(error);
			lab_close(&lab);
			if (!struck) break;
		}
	static const char *const parts[][2] = {
	    {"\"hash\"", "\"hush\""},         {"\"hash\": \"", "\"hash\":\"x"}, /* not a hash */
	    {"\"hash\": \"", NULL},                                             /* another one */
	    {"\"vocab\": 6", "\"vocab\": 0"}, {"\"vocab\"", "\"VOCAB\""},       {"\"bigram\"", "\"Bigram\""}, {"{", "["}};
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		struct text bad = {0};
		text_add_bytes(&bad, whole.data, whole.length);
		char *place = strstr(bad.data, parts[i][0]), *digit = place + strlen(parts[i][0]);
		if (parts[i][1])
			memcpy(place, parts[i][1], strlen(parts[i][1]));
		else
			*digit = *digit == '1' ? '2' : '1';
		char *seal = strstr(bad.data, ",\n\t\"xxh64\""); /* a copy that was changed on purpose */
		strcpy(seal, "\n}\n");
		expect_success(file_write(known, bad.data, strlen(bad.data)));
		text_free(&bad);
		expect_failure(open_lab(inside, false, &lab), ERROR_FAILED, "c.corpus");
		lab_close(&lab);
	}
	/* Numbers that are none count as none. */
	struct text odd = {0};
	text_add_bytes(&odd, whole.data, (size_t)(strstr(whole.data, ",\n\t\"xxh64\"") - whole.data));
	text_add_string(&odd, "\n}\n");
	static const char *const none[] = {"\"tokens\":-9", "\"Tokens\": 9"};
	for (size_t i = 0; i < COUNT_OF(none); i++) {
		memcpy(strstr(odd.data, i ? "\"tokens\":-9" : "\"tokens\": 9"), none[i], strlen(none[i]));
		expect_success(file_write(known, odd.data, odd.length));
		expect_failure(open_lab(inside, false, &lab), ERROR_DATA, "train split has 0 tokens");
		lab_close(&lab);
	}
	text_free(&odd);
	cJSON_Delete(answers);
	text_free(&whole);
	free(known);
	free(inside);
	free(corpus);
	folder_remove(folder);
}

static void the_corpus_is_described_or_it_is_said(void **state) {
	(void)state;
	struct lab lab;
	char *folder = folder_temporary(), *path = path_join(folder, "corpus.json");
	expect_success(open_lab(folder, true, &lab));
	cJSON *answers = cJSON_Parse("[{\"name\": \"xz\", \"bits\": 1.5}]"), *root;
	for (size_t w = 0; w < COUNT_OF(ways); w++)
		for (long at = 1; !impossible(&ways[w]); at++) {
			expect_success(file_write(path, "old", 3));
			fail_from(ways[w].what, ways[w].number, at, ways[w].lasting);
			struct error *error = lab_write_corpus(&lab, at % 2 ? answers : NULL);
			const bool struck = fail_end();
			struct text now = content(path);
			assert_true(strcmp(now.data, "old") == 0 || strstr(now.data, "\"xxh64\""));
			assert_true(error || strcmp(now.data, "old") != 0);
			text_free(&now);
			error_free(error);
			if (!struck && at % 2 == 0) break;
		}
	expect_success(json_read_sealed(path, 0, &root));
	cJSON_Delete(root);
	cJSON_Delete(answers);
	lab_close(&lab);
	free(path);
	folder_remove(folder);
}

/* --------------------------------------------------------------------------------------------------------- points.csv --- */

static void the_table_is_written_or_it_is_said(void **state) {
	(void)state;
	struct lab lab;
	struct job_list jobs;
	char *folder = folder_temporary(), *path = path_join(folder, "points.csv");
	expect_success(open_lab(folder, true, &lab));
	expect_success(jobs_make(&lab.plan, &lab.info, folder, &jobs));
	jobs.items[jobs.count - 1].state = JOB_DIVERGED;
	expect_success(points_write(&lab, &jobs));
	struct text whole = content(path);
	assert_non_null(strstr(whole.data, ",nan,nan,nan,0,diverged\n"));
	for (size_t w = 0; w < COUNT_OF(ways); w++)
		for (long at = 1; !impossible(&ways[w]); at++) {
			expect_success(file_write(path, "old\n", 4));
			fail_from(ways[w].what, ways[w].number, at, ways[w].lasting);
			struct error *error = points_write(&lab, &jobs);
			const bool struck = fail_end();
			struct text now = content(path);
			assert_true(strcmp(now.data, whole.data) == 0 || (error && strcmp(now.data, "old\n") == 0));
			text_free(&now);
			error_free(error);
			if (!struck) break;
		}
	/* A run that is said to be done and has no record is an error, not a row. */
	for (int i = 0; i < jobs.count; i++) jobs.items[i].state = JOB_DONE;
	expect_failure(points_write(&lab, &jobs), ERROR_DATA, "the run is not finished");
	text_free(&whole);
	jobs_free(&jobs);
	lab_close(&lab);
	free(path);
	folder_remove(folder);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(beginning_a_lab),
	    cmocka_unit_test(going_on_with_a_lab),
	    cmocka_unit_test(labs_that_are_refused),
	    cmocka_unit_test(the_corpus_of_a_lab_is_remembered),
	    cmocka_unit_test(a_lock_while_something_fails),
	    cmocka_unit_test(a_lock_that_is_not_let_go),
	    cmocka_unit_test(a_corpus_that_is_gone),
	    cmocka_unit_test(the_corpus_is_described_or_it_is_said),
	    cmocka_unit_test(the_table_is_written_or_it_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
