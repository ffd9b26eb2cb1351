/* Child processes. The children are this test program again, acting as their first argument says. */
#include "sweep/sweep.h"
#include "sweep/worker.h"
#include "tests/support.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>

/* ---------------------------------------------------------------------------------------------------------- the child --- */

static int tell_surroundings(void) {
	cpu_set_t set;
	const char *threads = getenv("OMP_NUM_THREADS"), *blas = getenv("OPENBLAS_NUM_THREADS");
	sched_getaffinity(0, sizeof set, &set);
	printf(
	    "threads %s blas %s places %s kept %s cores %d group %d\n", threads, blas,
	    getenv("OMP_PLACES") ? "set" : "unset", getenv("RUNG_TEST_KEPT"), CPU_COUNT(&set), getpgid(0) == getpid());
	fprintf(stderr, "something for the log\n");
	return 7;
}

static int act(const char *part) {
	if (strcmp(part, "tell") == 0) return tell_surroundings();
	if (strcmp(part, "die") == 0) raise(SIGKILL);
	if (strcmp(part, "listen") == 0) {
		char line[64] = "";
		printf("ready\n");
		fflush(stdout);
		if (fgets(line, sizeof line, stdin)) printf("heard %s", line);
	}
	return fflush(stdout) ? errno : 0;
}

/* rung plan SOURCE NAME --measure V [--threads n]; the name says what to answer. */
#define KERNELS "\"kernels\": {\"name\": \"portable\", \"blas\": []}"
static int act_plan(int argc, char **argv) {
	const bool together = argc > 6 && strcmp(argv[6], "--threads") == 0;
	if (strcmp(argv[3], "nonsense") == 0) printf("{\"peak_gflops\": \"fast\"}\n");
	if (strcmp(argv[3], "nothing") == 0) return 3;
	if (strcmp(argv[3], "good") != 0) return 0;
	if (together && strcmp(argv[7], "3") == 0)
		printf("{\"peak_gflops\": 0, \"rungs\": [{\"step\": 0, \"forward\": 0, " KERNELS "}, "
		       "{\"step\": 2.5, \"forward\": 0, " KERNELS "}]}\n");
	if (!together)
		printf("{\"peak_gflops\": 10, \"rungs\": [{\"step\": 0.25, \"forward\": 2, " KERNELS "}, "
		       "{\"step\": 4, \"forward\": 8, " KERNELS "}]}\n");
	return 0;
}

/* --------------------------------------------------------------------------------------------------------- the tests --- */

static void add_line(void *context, const char *line) {
	text_add(context, "<%s>", line);
}

/* All that the child says, a pair of brackets around each line. */
static int hear(const char *part, const char *log, int core, struct text *said) {
	const char *const arguments[] = {"rung", part, NULL};
	struct worker worker;
	bool ended = false;
	expect_success(worker_start(arguments, log, core, &worker));
	while (!ended) {
		workers_await(&worker, 1, -1);
		expect_success(worker_read(&worker, add_line, said, &ended));
	}
	const int code = worker_wait(&worker);
	assert_int_equal(worker.pid, 0);
	return code;
}

static void a_child_has_one_thread_on_one_core(void **state) {
	(void)state;
	char *folder = folder_temporary(), *log = path_join(folder, "log");
	cpu_set_t set;
	int core = 0;
	struct text said = {0}, logged = {0};
	setenv("OMP_NUM_THREADS", "64", 1);
	setenv("OMP_PLACES", "cores", 1);
	setenv("RUNG_TEST_KEPT", "yes", 1);
	sched_getaffinity(0, sizeof set, &set);
	while (!CPU_ISSET(core, &set)) core++;
	assert_int_equal(hear("tell", log, core, &said), 7);
	assert_string_equal(said.data, "<threads 1 blas 1 places unset kept yes cores 1 group 1>");
	expect_success(file_read(log, 1000, &logged));
	assert_string_equal(logged.data, "something for the log\n");
	text_free(&said);
	text_free(&logged);
	assert_int_equal(hear("die", log, -1, &said), 128 + SIGKILL);
	text_free(&said);
	free(log);
	folder_remove(folder);
}

static void a_child_can_be_told_something(void **state) {
	(void)state;
	const char *const arguments[] = {"rung", "listen", NULL};
	struct worker worker;
	struct text said = {0};
	bool ended = false;
	expect_success(worker_start(arguments, NULL, -1, &worker));
	worker_tell(&worker, "threads 2\n");
	while (!ended) {
		workers_await(&worker, 1, -1);
		expect_success(worker_read(&worker, add_line, &said, &ended));
	}
	assert_string_equal(said.data, "<ready><heard threads 2>");
	worker_tell(&worker, "threads 1\n"); /* to one that has ended: nobody dies of it */
	assert_int_equal(worker_wait(&worker), 0);
	text_free(&said);
}

/* Nobody reads any more: an error like others, and no reason to die before the work is saved. */
static void a_child_survives_who_listened(void **state) {
	(void)state;
	const char *const arguments[] = {"rung", "listen", NULL};
	struct worker worker;
	expect_success(worker_start(arguments, NULL, -1, &worker));
	close(worker.output);
	worker.output = -1;
	worker_tell(&worker, "anything\n");
	assert_int_equal(worker_wait(&worker), EPIPE);
}

static void lines_come_in_pieces(void **state) {
	(void)state;
	static const char *const pieces[] = {"ab", "c\nde", "\n\nf", "g\nhi\nj", "k"};
	static const char *const heard[] = {"", "<abc>", "<abc><de><>", "<abc><de><><fg><hi>", "<abc><de><><fg><hi>"};
	int ends[2];
	bool ended;
	struct text said = {0};
	assert_int_equal(pipe(ends), 0);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	struct worker worker = {.output = ends[0]};
	for (size_t i = 0; i < COUNT_OF(pieces); i++) {
		assert_int_equal(write(ends[1], pieces[i], strlen(pieces[i])), strlen(pieces[i]));
		expect_success(worker_read(&worker, add_line, &said, &ended));
		assert_false(ended);
		assert_string_equal(said.data ? said.data : "", heard[i]);
	}
	close(ends[1]);
	expect_success(worker_read(&worker, add_line, &said, &ended));
	assert_true(ended);
	assert_string_equal(said.data, "<abc><de><><fg><hi><jk>");
	close(ends[0]);
	text_free(&worker.line);
	text_free(&said);
}

static void cores_are_shared_out_when_all_are_used(void **state) {
	(void)state;
	cpu_set_t set;
	int *cores, count;
	sched_getaffinity(0, sizeof set, &set);
	const int all = CPU_COUNT(&set);
	expect_success(worker_cores(all, &cores, &count));
	assert_int_equal(count, all);
	for (int i = 0; i < count; i++) assert_true(CPU_ISSET(cores[i], &set) && (i == 0 || cores[i] > cores[i - 1]));
	free(cores);
	expect_success(worker_cores(all + 1, &cores, &count));
	assert_int_equal(count, 0);
	free(cores);
}

static void measurements_are_means(void **state) {
	(void)state;
	struct rung rungs[2] = {{.config = {.context = 256, .batch = 1}}, {.config = {.context = 256, .batch = 2}}};
	const struct plan plan = {.rungs = rungs, .rung_count = 2};
	struct plan_speed speed;
	expect_success(measure_everywhere(&plan, "--plan", "good", 96, 3, &speed));
	assert_true(speed.peak_gflops == 10 && speed.rungs[0].step == 0.25 && speed.rungs[0].forward == 2);
	assert_true(speed.rungs[1].step == 4 && speed.rungs[1].forward == 8);
	assert_true(speed.rungs[1].kernels.kernels == KERNELS_PORTABLE && speed.rungs[1].kernels.blas == 0);
	/* One sequence of 256 is work for one thread; two are work for two, and 4 s became 2.5 s. */
	assert_int_equal(speed.rungs[0].team, 0);
	assert_int_equal(speed.rungs[1].team, 2);
	assert_true(fabs(speed.rungs[1].gain - 1.6) < 1e-12);
	free(speed.rungs);
	expect_failure(measure_everywhere(&plan, "--plan", "nonsense", 96, 2, &speed), ERROR_DATA, "peak_gflops");
	free(speed.rungs);
	expect_failure(measure_everywhere(&plan, "--plan", "nothing", 96, 2, &speed), ERROR_FAILED, "failed (exit code 3)");
	free(speed.rungs);
}

int main(int argc, char **argv) {
	if (argc > 5 && strcmp(argv[1], "plan") == 0) return act_plan(argc, argv);
	if (argc > 1) return act(argv[1]);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_child_has_one_thread_on_one_core),     cmocka_unit_test(a_child_can_be_told_something),
	    cmocka_unit_test(a_child_survives_who_listened),          cmocka_unit_test(lines_come_in_pieces),
	    cmocka_unit_test(cores_are_shared_out_when_all_are_used), cmocka_unit_test(measurements_are_means),
	};
	return cmocka_run_group_tests_name("sweep worker", tests, NULL, NULL);
}
