/* machine.c - where we run: what stands in every record, how fast it could be, and the clocks. */
#include "base/base.h"

#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#ifdef __SSE3__
#include <pmmintrin.h>
#include <xmmintrin.h>
#endif

#ifdef __AVX512F__
#define VECTOR_UNIT "avx512f"
#define VECTOR_BYTES 64
#elif defined __AVX2__ && defined __FMA__
#define VECTOR_UNIT "avx2"
#define VECTOR_BYTES 32
#else
#define VECTOR_UNIT "portable"
#define VECTOR_BYTES 16
#endif

/* --------------------------------------------------------------------------------------------------- description --- */

/* What stands behind "`key`...: " or "`key`=" in the first such line of the file; false when there is none. Quotes
 * around it are dropped. */
static bool find_line(const char *path, const char *key, char separator, char *out, size_t size) {
	FILE *file = fopen(path, "re");
	if (!file) return false;
	char line[1024];
	bool found = false;
	while (!found && fgets(line, sizeof line, file)) {
		const char *value = strncmp(line, key, strlen(key)) == 0 ? strchr(line, separator) : NULL;
		if (!value) continue;
		value += 1 + strspn(value + 1, " \t\"");
		snprintf(out, size, "%.*s", (int)strcspn(value, "\"\n"), value);
		found = true;
	}
	fclose(file);
	return found;
}

/* The first number in a small file; NaN when there is none ("max", or no such file). `second` may be NULL. */
static double read_limit(const char *path, double *second) {
	FILE *file = fopen(path, "re");
	if (!file) return NAN;
	double values[2] = {NAN, NAN};
	if (fscanf(file, "%lf %lf", &values[0], &values[1]) < 1) values[0] = NAN;
	fclose(file);
	if (second) *second = values[1];
	return values[0];
}

/* Containers and batch systems limit a process by control groups, which sched_getaffinity and sysconf do not show.
 * Every group from ours up to the root has a say (version 2 of the interface; the root files of version 1 otherwise).
 */
static void group_limits(double *cores, double *memory) {
	char group[512] = "/", path[640];
	*cores = *memory = INFINITY;
	if (find_line("/proc/self/cgroup", "0::", ':', path, sizeof path)) {
		const char *own = strchr(path, '/');
		if (own) snprintf(group, sizeof group, "%.500s", own);
	}
	for (;;) {
		double period = NAN;
		snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
		double quota = read_limit(path, &period);
		if (quota / period < *cores) *cores = quota / period;
		snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", group);
		double bytes = read_limit(path, NULL);
		if (bytes < *memory) *memory = bytes;
		char *slash = strrchr(group, '/');
		if (!slash) break;
		*slash = '\0';
	}
	double quota = read_limit("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", NULL);
	double period = read_limit("/sys/fs/cgroup/cpu/cpu.cfs_period_us", NULL);
	if (quota > 0 && quota / period < *cores) *cores = quota / period;
	double bytes = read_limit("/sys/fs/cgroup/memory/memory.limit_in_bytes", NULL);
	if (bytes < *memory) *memory = bytes;
}

static int affinity_cores(void) {
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
	long online = sysconf(_SC_NPROCESSORS_ONLN); /* more than 1024 processors */
	return online > 0 ? (int)online : 1;
}

static void describe_blas(struct machine *machine) {
	static const char *const flavours[] = {"sequential", "pthreads", "OpenMP"};
	const int flavour = openblas_get_parallel();
	/* The first two words of the configuration are the name and the version. */
	const char *config = openblas_get_config();
	const size_t name = strcspn(config, " ");
	const char *version = config + name + strspn(config + name, " ");
	const size_t length = strcspn(version, " ");
	snprintf(machine->blas_version, sizeof machine->blas_version, "%.*s", (int)(length < 30 ? length : 30), version);
	snprintf(
	    machine->blas_flavour, sizeof machine->blas_flavour, "%s",
	    flavour >= 0 && flavour < 3 ? flavours[flavour] : "unknown threading");
	snprintf(machine->blas_core, sizeof machine->blas_core, "%.39s", openblas_get_corename());
	machine->blas_threads = openblas_get_num_threads();
	snprintf(
	    machine->blas, sizeof machine->blas, "%.*s %s, %s, %s kernels", (int)(name < 30 ? name : 30), config,
	    machine->blas_version, machine->blas_flavour, machine->blas_core);
}

void machine_describe(struct machine *machine) {
	*machine = (struct machine){.vector_unit = VECTOR_UNIT};
	struct utsname system;
	if (uname(&system)) system = (struct utsname){.sysname = "unknown"};
	if (!find_line("/proc/cpuinfo", "model name", ':', machine->cpu, sizeof machine->cpu))
		snprintf(machine->cpu, sizeof machine->cpu, "%.90s", system.machine);

	double cores, memory;
	group_limits(&cores, &memory);
	machine->cores = affinity_cores();
	if (ceil(cores) < machine->cores) machine->cores = cores > 1 ? (int)ceil(cores) : 1;
	machine->memory = fmin(memory, (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE));

	char name[64];
	if (!find_line("/etc/os-release", "PRETTY_NAME", '=', name, sizeof name)) snprintf(name, sizeof name, "unknown");
	snprintf(machine->system, sizeof machine->system, "%.48s, %.10s %.30s", name, system.sysname, system.release);
#ifdef __clang__
	snprintf(
	    machine->compiler, sizeof machine->compiler, "clang %d.%d.%d", __clang_major__, __clang_minor__,
	    __clang_patchlevel__);
#else
	snprintf(machine->compiler, sizeof machine->compiler, "gcc %.50s", __VERSION__);
#endif
	describe_blas(machine);
	snprintf(machine->version, sizeof machine->version, "%s", RUNG_VERSION);
}

struct error *machine_to_json(const struct machine *machine, cJSON *object) {
	bool added = cJSON_AddStringToObject(object, "cpu", machine->cpu) &&
	             cJSON_AddStringToObject(object, "vector_unit", machine->vector_unit) &&
	             json_add_number(object, "cores", machine->cores) &&
	             json_add_number(object, "memory", machine->memory) &&
	             cJSON_AddStringToObject(object, "system", machine->system) &&
	             cJSON_AddStringToObject(object, "compiler", machine->compiler) &&
	             cJSON_AddStringToObject(object, "blas", machine->blas) &&
	             cJSON_AddStringToObject(object, "blas_version", machine->blas_version) &&
	             cJSON_AddStringToObject(object, "blas_flavour", machine->blas_flavour) &&
	             cJSON_AddStringToObject(object, "blas_core", machine->blas_core) &&
	             json_add_number(object, "blas_threads", machine->blas_threads) &&
	             cJSON_AddStringToObject(object, "version", machine->version);
	return added ? NULL : error_memory(0);
}

/* ---------------------------------------------------------------------------------------------------------- peak --- */

typedef float lanes __attribute__((vector_size(VECTOR_BYTES)));

/* Two units that take 4 or 5 cycles want 10 sums under way at least; 12 and two factors fit in 16 registers. */
#define SUMS 12
#define ROUNDS 16384 /* of one burst: a millisecond or so */

/* Every sum goes to (offset / (1 - factor)), a number of ordinary size. Nothing but registers is touched in the loop.
 */
__attribute__((noinline)) static lanes multiply_add(lanes start, lanes factor, lanes offset) {
	lanes a = start, b = start + 1, c = start + 2, d = start + 3, e = start + 4, f = start + 5;
	lanes g = start + 6, h = start + 7, i = start + 8, j = start + 9, k = start + 10, l = start + 11;
	for (int round = 0; round < ROUNDS; round++) {
		a = a * factor + offset, b = b * factor + offset, c = c * factor + offset, d = d * factor + offset;
		e = e * factor + offset, f = f * factor + offset, g = g * factor + offset, h = h * factor + offset;
		i = i * factor + offset, j = j * factor + offset, k = k * factor + offset, l = l * factor + offset;
	}
	return ((a + b) + (c + d)) + ((e + f) + (g + h)) + ((i + j) + (k + l));
}

double machine_peak_gflops(double seconds) {
	volatile float sink = 0.999f, one = 1; /* what the compiler may neither know before nor leave out after */
	const double flops = 2.0 * SUMS * ROUNDS * (double)(sizeof(lanes) / sizeof(float));
	const double begin = clock_seconds();
	double best = 0, now;
	do {
		lanes factor = (lanes){0} + sink, offset = (lanes){0} + one;
		double before = clock_seconds();
		lanes sum = multiply_add((lanes){0}, factor, offset);
		now = clock_seconds();
		sink = sum[0] > 0 ? 0.999f : 0.998f;
		if (now > before && flops / (now - before) > best) best = flops / (now - before);
	} while (now - begin < seconds);
	return best * 1e-9;
}

void machine_flush_denormals(void) {
#ifdef __SSE3__
	_MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);
	_MM_SET_DENORMALS_ZERO_MODE(_MM_DENORMALS_ZERO_ON);
#endif
}

void machine_pin_threads(const int *cores, int count) {
#pragma omp parallel num_threads(count)
	{
		cpu_set_t set;
		CPU_ZERO(&set);
		const int core = omp_get_thread_num() < count ? cores[omp_get_thread_num()] : -1;
		if (core >= 0 && core < CPU_SETSIZE) CPU_SET(core, &set);
		if (CPU_COUNT(&set)) sched_setaffinity(0, sizeof set, &set);
	}
}

/* -------------------------------------------------------------------------------------------------------- clocks --- */

static double read_clock(clockid_t clock) {
	struct timespec time;
	return clock_gettime(clock, &time) ? 0 : (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

double clock_seconds(void) {
	return read_clock(CLOCK_MONOTONIC);
}

double cpu_seconds(void) {
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

double peak_memory_bytes(void) {
	/* getrusage would do, but what it says begins with the peak of the program that started this one. */
	char kilobytes[64];
	if (find_line("/proc/self/status", "VmHWM", ':', kilobytes, sizeof kilobytes))
		return strtod(kilobytes, NULL) * 1024;
	struct rusage usage;
	return getrusage(RUSAGE_SELF, &usage) ? 0 : (double)usage.ru_maxrss * 1024;
}

/* ---------------------------------------------------------------------------------------------------- interrupts --- */

/* The one variable at file scope in the library: a signal handler is given nothing but the signal's number. */
static volatile sig_atomic_t interrupted;

static void note_interrupt(int signal_number) {
	(void)signal_number;
	interrupted = 1;
}

/* Files are written whole or not at all, so a command may end anywhere; what it had not finished is not there. */
static void end_interrupted(int signal_number) {
	static const char message[] =
	    "\nerror: interrupted; the same command begins anew, or goes on where there is something\n";
	(void)signal_number;
	(void)!write(STDERR_FILENO, message, sizeof message - 1);
	_exit(ERROR_INTERRUPTED);
}

static void handle_interrupts(void (*handler)(int signal_number)) {
	/* SA_RESETHAND: the second Ctrl-C ends the program at once, in case nobody polls. SA_RESTART: reads and writes
	 * under way are finished, not failed. */
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESETHAND | SA_RESTART}, hang_up;
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	/* Under nohup it is ignored, and stays so. */
	if (sigaction(SIGHUP, NULL, &hang_up) == 0 && hang_up.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, NULL);
}

void interrupt_end(void) {
	handle_interrupts(end_interrupted);
}

void interrupt_watch(void) {
	handle_interrupts(note_interrupt);
}

bool interrupt_pending(void) {
	return interrupted != 0;
}
