/* One sweep a lab: who is refused, whose lock is taken over, and when. */
#include "sweep/lock.h"
#include "tests/support.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static struct lock_owner owner_of(long process) {
	struct lock_owner owner = {.process = process};
	FILE *boot = fopen("/proc/sys/kernel/random/boot_id", "r");
	assert_non_null(boot);
	assert_int_equal(fscanf(boot, "%63s", owner.boot), 1);
	fclose(boot);
	gethostname(owner.host, sizeof owner.host - 1);
	if (!process_start(process, owner.start)) strcpy(owner.start, "1");
	return owner;
}

static void leave_name(const char *path, const struct lock_owner *owner) {
	struct text line = {0};
	text_add(&line, "process %ld start %s boot %s host %s\n", owner->process, owner->start, owner->boot, owner->host);
	expect_success(file_write(path, line.data, line.length));
	text_free(&line);
}

/* The number of a process that has been. */
static long somebody_dead(void) {
	const pid_t child = fork();
	if (child == 0) _exit(0);
	waitpid(child, NULL, 0);
	return child;
}

/* A child of a sweep that holds its lock. */
static pid_t orphan(const char *lock, bool stubborn) {
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	const pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		const int held = open(lock, O_RDWR | O_CREAT, 0666);
		if (flock(held, LOCK_EX) || write(ready[1], "r", 1) != 1) _exit(1);
		if (stubborn) raise(SIGSTOP);
		/* Until the other one sleeps between two tries. */
		char path[64], line[512] = "";
		snprintf(path, sizeof path, "/proc/%d/stat", (int)getppid());
		for (const double begin = clock_seconds(); !strstr(line, ") S ") && clock_seconds() - begin < 5;) {
			FILE *file = fopen(path, "r");
			if (file && !fgets(line, sizeof line, file)) line[0] = '\0';
			if (file) fclose(file);
		}
		close(open("gone", O_WRONLY | O_CREAT, 0666));
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return child;
}

static int enter_folder(void **state) {
	*state = folder_temporary();
	return chdir(*state);
}

static int leave_folder(void **state) {
	assert_int_equal(chdir("/"), 0);
	folder_remove(*state);
	return 0;
}

static void a_process_is_known_by_more_than_its_number(void **state) {
	(void)state;
	const struct lock_owner self = owner_of((long)getpid());
	assert_true(lock_owner_alive(&self));
	struct lock_owner other = self;
	strcpy(other.start, "1"); /* its number has come round */
	assert_false(lock_owner_alive(&other));
	other = self;
	other.boot[0] = other.boot[0] == '0' ? '1' : '0'; /* before the machine was switched off */
	assert_false(lock_owner_alive(&other));
	other.host[0] ^= 1; /* a machine that we cannot ask */
	assert_true(lock_owner_alive(&other));
	other = owner_of(somebody_dead());
	assert_false(lock_owner_alive(&other));
}

static void a_free_lab_is_taken_and_signed(void **state) {
	(void)state;
	int lock;
	expect_success(lock_take(".", 1, &lock));
	struct text name = {0};
	char expected[64];
	expect_success(file_read("lock", 1000, &name));
	snprintf(expected, sizeof expected, "process %ld start ", (long)getpid());
	assert_memory_equal(name.data, expected, strlen(expected));
	text_free(&name);

	/* This process lives, so nobody else gets it. */
	int second = -1;
	snprintf(expected, sizeof expected, "in use by another sweep (process %ld on ", (long)getpid());
	expect_failure(lock_take(".", 1, &second), ERROR_FAILED, expected);
	close(second);
	close(lock);
	expect_success(lock_take(".", 1, &lock));
	close(lock);
}

static void a_dead_sweeps_children_are_waited_for(void **state) {
	(void)state;
	const struct lock_owner dead = owner_of(somebody_dead());
	leave_name("lock", &dead);
	const pid_t child = orphan("lock", false);
	int lock;
	expect_success(lock_take(".", 10, &lock));
	assert_true(file_exists("gone"));
	close(lock);
	waitpid(child, NULL, 0);
}

static void children_that_do_not_go_are_ended(void **state) {
	(void)state;
	const struct lock_owner dead = owner_of(somebody_dead());
	leave_name("lock", &dead);
	const pid_t child = orphan("lock", true);
	int lock, status;
	waitpid(child, &status, WUNTRACED);
	assert_true(WIFSTOPPED(status));
	expect_success(lock_take(".", 0.2, &lock));
	close(lock);
	waitpid(child, &status, 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Eight at once find the lock of a dead sweep: at any time one has it, the others are refused with its name. */
static void one_of_many_gets_it(void **state) {
	(void)state;
	for (int round = 0; round < 20; round++) {
		const struct lock_owner dead = owner_of(somebody_dead());
		leave_name("lock", &dead);
		pid_t children[8];
		int go[2], won = 0;
		assert_int_equal(pipe(go), 0);
		for (size_t i = 0; i < COUNT_OF(children); i++) {
			children[i] = fork();
			if (children[i]) continue;
			int lock = -1;
			char byte;
			close(go[1]);
			if (read(go[0], &byte, 1) != 0) _exit(9); /* all start when the pipe is closed */
			struct error *error = lock_take(".", 5, &lock);
			if (error) _exit(strstr(error->message, "in use by another sweep (process ") ? 1 : 2);
			const int alone = open("alone", O_CREAT | O_EXCL, 0666);
			if (alone < 0) _exit(3);
			for (int k = 0; k < 1000; k++) sched_yield();
			unlink("alone");
			_exit(0);
		}
		close(go[0]);
		close(go[1]);
		for (size_t i = 0; i < COUNT_OF(children); i++) {
			int status;
			waitpid(children[i], &status, 0);
			assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
			won += WEXITSTATUS(status) == 0;
		}
		assert_true(won >= 1);
	}
}

static void a_file_of_nobody(void **state) {
	(void)state;
	expect_success(file_write("lock", "7\n", 2));
	const int held = open("lock", O_RDWR);
	assert_int_equal(flock(held, LOCK_EX), 0);
	int lock = -1;
	expect_failure(lock_take(".", 1, &lock), ERROR_FAILED, "in use by a process that does not say which");
	close(lock);
	close(held);
}

int main(void) {
	const struct CMUnitTest tests[] = {
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)
	    IN_A_FOLDER(a_process_is_known_by_more_than_its_number),
	    IN_A_FOLDER(a_free_lab_is_taken_and_signed),
	    IN_A_FOLDER(a_dead_sweeps_children_are_waited_for),
	    IN_A_FOLDER(children_that_do_not_go_are_ended),
	    IN_A_FOLDER(one_of_many_gets_it),
	    IN_A_FOLDER(a_file_of_nobody),
	};
	return cmocka_run_group_tests_name("sweep lock", tests, NULL, NULL);
}
