/* What a run hears from its sweep about threads and cores. */
#include "tests/support.h"
#include "train/team.h"

#include <sched.h>
#include <unistd.h>

/* A pipe as standard input, as a sweep makes it. */
static int pipe_in(int *kept) {
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	*kept = dup(STDIN_FILENO);
	dup2(ends[0], STDIN_FILENO);
	close(ends[0]);
	return ends[1];
}

static void say(int pipe, const char *text) {
	assert_int_equal(write(pipe, text, strlen(text)), (ssize_t)strlen(text));
}

static void words_come_in_pieces(void **state) {
	(void)state;
	int kept;
	const int sweep = pipe_in(&kept);
	struct team team;
	team_open(&team, 1);
	assert_int_equal(team_threads(&team), 1);
	say(sweep, "threads 3\nthre");
	assert_int_equal(team_threads(&team), 3);
	say(sweep, "ads 5");
	assert_int_equal(team_threads(&team), 3); /* not a line yet */
	say(sweep, "\nthreads 2\n");
	assert_int_equal(team_threads(&team), 2);
	close(sweep);
	assert_int_equal(team_threads(&team), 2);
	assert_false(team.listening);
	dup2(kept, STDIN_FILENO);
	close(kept);
}

static void nonsense_changes_nothing(void **state) {
	(void)state;
	static const char *const lines[] = {"", "threads", "threads 0", "threads -2", "threads 99999", "thread 2", "3"};
	struct team team = {.threads = 4};
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		team_take(&team, lines[i]);
		assert_int_equal(team.threads, 4);
	}
	/* Cores that there are not, or too few of them: the threads count all the same. */
	team_take(&team, "threads 2 cores 70000 -1");
	assert_int_equal(team.threads, 2);
	team_take(&team, "threads 3 cores 0");
	assert_int_equal(team.threads, 3);
}

static void a_flood_without_lines_is_not_heard(void **state) {
	(void)state;
	int kept;
	const int sweep = pipe_in(&kept);
	struct team team;
	char flood[sizeof team.heard + 1];
	memset(flood, 'x', sizeof flood);
	team_open(&team, 1);
	assert_int_equal(write(sweep, flood, sizeof flood), sizeof flood);
	assert_int_equal(team_threads(&team), 1);
	assert_false(team.listening);
	close(sweep);
	dup2(kept, STDIN_FILENO);
	close(kept);
}

static void a_file_is_not_a_sweep(void **state) {
	(void)state;
	FILE *file = tmpfile();
	const int kept = dup(STDIN_FILENO);
	fputs("threads 7\n", file);
	rewind(file);
	dup2(fileno(file), STDIN_FILENO);
	struct team team;
	team_open(&team, 2);
	assert_int_equal(team_threads(&team), 2);
	dup2(kept, STDIN_FILENO);
	close(kept);
	fclose(file);
}

static void a_thread_stays_on_its_core(void **state) {
	(void)state;
	cpu_set_t all, now;
	int core = 0;
	char line[64];
	sched_getaffinity(0, sizeof all, &all);
	while (!CPU_ISSET(core, &all)) core++;
	struct team team = {.threads = 1};
	snprintf(line, sizeof line, "threads 1 cores %d", core);
	team_take(&team, line);
	sched_getaffinity(0, sizeof now, &now);
	assert_true(CPU_COUNT(&now) == 1 && CPU_ISSET(core, &now));
	sched_setaffinity(0, sizeof all, &all);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words_come_in_pieces),
	    cmocka_unit_test(nonsense_changes_nothing),
	    cmocka_unit_test(a_flood_without_lines_is_not_heard),
	    cmocka_unit_test(a_file_is_not_a_sweep),
	    cmocka_unit_test(a_thread_stays_on_its_core),
	};
	return cmocka_run_group_tests_name("train team", tests, NULL, NULL);
}
