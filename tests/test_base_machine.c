/* What the machine is said to be, against other ways of asking; clocks, memory, denormals, interrupts. */
#include "tests/support.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* The exit code of `body` in a process of its own; -signal when a signal ended it. */
static int in_child(int (*body)(void)) {
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) _exit(body());
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void description(void **state) {
	(void)state;
	struct machine machine;
	machine_describe(&machine);
	const char *const texts[] = {machine.cpu,      machine.vector_unit, machine.system,
	                             machine.compiler, machine.blas,        machine.version};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		size_t length = strlen(texts[i]);
		assert_true(length > 0);
		assert_false(texts[i][0] == ' ' || texts[i][length - 1] == ' ' || strchr(texts[i], '\n'));
	}
	assert_non_null(strstr(machine.blas, "OpenBLAS 0."));
	assert_non_null(strstr(machine.blas, " kernels"));
	assert_true(machine.cores >= 1 && machine.cores <= sysconf(_SC_NPROCESSORS_ONLN));
	assert_true(machine.memory > 1e8);
	assert_true(machine.memory <= (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE));

	cJSON *object = cJSON_CreateObject();
	expect_success(machine_to_json(&machine, object));
	const char *text;
	double number;
	expect_success(json_get_text(object, "blas", "machine", &text));
	assert_string_equal(text, machine.blas);
	expect_success(json_get_text(object, "version", "machine", &text));
	assert_string_equal(text, machine.version);
	expect_success(json_get_number(object, "cores", "machine", &number));
	assert_true(number == machine.cores);
	cJSON_Delete(object);
}

static int cores_when_bound(void) {
	cpu_set_t all, one;
	if (sched_getaffinity(0, sizeof all, &all)) return 100;
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &all)) {
			CPU_SET(cpu, &one);
			break;
		}
	if (sched_setaffinity(0, sizeof one, &one)) return 101;
	struct machine machine;
	machine_describe(&machine);
	return machine.cores;
}

static void cores_are_those_we_may_use(void **state) {
	(void)state;
	assert_int_equal(in_child(cores_when_bound), 1);
}

/* Whatever the processor: one that adds and multiplies a float in a cycle of 1 GHz makes 2, and none makes 10^5. */
static void peak_is_plausible(void **state) {
	(void)state;
	double peak = machine_peak_gflops(0.02);
	assert_true(peak > 0.05 && peak < 1e5);  /* sanitizers and emulators are slow */
	assert_true(machine_peak_gflops(0) > 0); /* one round is always made */
}

static volatile float smallest = FLT_MIN;

static uint32_t bits_of(float value) {
	uint32_t bits;
	memcpy(&bits, &value, sizeof bits);
	return bits;
}

static int denormals_in_this_process(void) {
	volatile float result = smallest / 4, tiny = result;
	if (bits_of(result) == 0 || tiny * 0x1p60f == 0) return 1; /* what this test would see is not there */
	machine_flush_denormals();
	result = smallest / 4;
	if (bits_of(result) != 0) return 2; /* == would not tell, for it takes a denormal operand for zero */
	return tiny * 0x1p60f == 0 ? 0 : 3;
}

static void denormals_are_flushed(void **state) {
	(void)state;
#ifndef __SSE3__
	skip();
#endif
	assert_int_equal(in_child(denormals_in_this_process), 0);
}

static void clocks_go_forward(void **state) {
	(void)state;
	double wall = clock_seconds(), cpu = cpu_seconds();
	while (cpu_seconds() - cpu < 0.02) continue; /* asking is work enough */
	assert_true(clock_seconds() > wall);
	for (int i = 0; i < 100000; i++) {
		double now = clock_seconds();
		assert_true(now >= wall);
		wall = now;
	}
}

static int touch_memory(void) {
	const size_t bytes = (size_t)96 << 20;
	double before = peak_memory_bytes();
	struct arena arena;
	if (arena_open(&arena, bytes)) return 1;
	memset(arena.base, 1, bytes);
	double during = peak_memory_bytes();
	arena_close(&arena);
	double after = peak_memory_bytes();
	if (during < before + 0.9 * (double)bytes || during > before + 1.5 * (double)bytes) return 2;
	struct rusage usage; /* the same number, as long as the parent was smaller */
	if (getrusage(RUSAGE_SELF, &usage) || fabs(during - (double)usage.ru_maxrss * 1024) > 0.01 * during) return 4;
	return after > 0.95 * during ? 0 : 3; /* the kernel adds up its per-core counts only now and then */
}

static void peak_memory_follows(void **state) {
	(void)state;
	assert_int_equal(in_child(touch_memory), 0);
}

static int first_signal(int number) {
	interrupt_watch();
	if (interrupt_pending()) return 1;
	raise(number);
	return interrupt_pending() ? 0 : 2;
}

static int first_interrupt(void) {
	return first_signal(SIGINT);
}
static int first_terminate(void) {
	return first_signal(SIGTERM);
}
static int second_interrupt(void) {
	first_signal(SIGINT);
	raise(SIGINT);
	return 3;
}

static void the_first_signal_asks_the_second_ends(void **state) {
	(void)state;
	assert_false(interrupt_pending());
	assert_int_equal(in_child(first_interrupt), 0);
	assert_int_equal(in_child(first_terminate), 0);
	assert_int_equal(in_child(second_interrupt), -SIGINT);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(description),
	    cmocka_unit_test(cores_are_those_we_may_use),
	    cmocka_unit_test(peak_is_plausible),
	    cmocka_unit_test(denormals_are_flushed),
	    cmocka_unit_test(clocks_go_forward),
	    cmocka_unit_test(peak_memory_follows),
	    cmocka_unit_test(the_first_signal_asks_the_second_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
