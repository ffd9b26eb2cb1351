/* Child processes: start, listen, wait. */
#include "sweep/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "/proc/self/exe"
#define CANNOT_START 127 /* exit code, as of a shell */

/* Ours, but one thread each where nobody says more, and nothing that would bind threads to the same core in all of them. The array is the
 * caller's; the strings are the environment's own. */
static char **single_threaded_environment(void) {
	static const char *const replaced[] = {
	    "OMP_NUM_THREADS=", "OPENBLAS_NUM_THREADS=", "OMP_PROC_BIND=", "OMP_PLACES=", "GOMP_CPU_AFFINITY="};
	static char one_thread[] = "OMP_NUM_THREADS=1", one_blas_thread[] = "OPENBLAS_NUM_THREADS=1";
	size_t count = 0, kept = 0;
	while (environ[count]) count++;
	char **environment = array_new(count + 3, sizeof *environment);
	if (!environment) return NULL;
	for (size_t i = 0; i < count; i++) {
		bool keep = true;
		for (size_t r = 0; r < COUNT_OF(replaced); r++)
			keep &= strncmp(environ[i], replaced[r], strlen(replaced[r])) != 0;
		if (keep) environment[kept++] = environ[i];
	}
	environment[kept++] = one_thread;
	environment[kept] = one_blas_thread;
	return environment;
}

/* Between fork and exec: only what is allowed there when other threads may have held locks. */
static _Noreturn void become_child(
    const char *const *arguments, char **environment, pid_t parent, int core, int input, int output, int errors) {
	/* A group of its own: Ctrl-C reaches the sweep alone, which passes it on once. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent) _exit(CANNOT_START); /* died before the line above */
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	/* Of a killed sweep the pipe closes before SIGTERM is sent: what is said in between must not end the child without a checkpoint. */
	signal(SIGPIPE, SIG_IGN);
	if (core >= 0) {
		cpu_set_t set;
		CPU_ZERO(&set);
		CPU_SET(core, &set);
		sched_setaffinity(0, sizeof set, &set); /* only speed is at stake */
	}
	if (dup2(input, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 && dup2(errors, STDERR_FILENO) >= 0)
		execve(PROGRAM, (char *const *)arguments, environment);
	static const char message[] = "error: cannot start " PROGRAM "\n";
	if (write(errors, message, sizeof message - 1) < 0) _exit(CANNOT_START);
	_exit(CANNOT_START);
}

struct error *worker_start(const char *const *arguments, const char *log, int core, struct worker *worker) {
	*worker = (struct worker){.input = -1, .output = -1};
	struct error *error = NULL;
	int ends[2] = {-1, -1}, inputs[2] = {-1, -1};
	char **environment = single_threaded_environment();
	const int errors = log ? file_open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC)
	                       : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	if (!environment)
		error = error_memory(4096);
	else if (errors < 0)
		error = error_system("write", log ? log : "to standard error");
	else if (pipe2(ends, O_CLOEXEC) || pipe2(inputs, O_CLOEXEC))
		error = error_system("open a pipe to", "a worker process");
	if (!error) {
		const pid_t self = getpid();
		const pid_t pid = fork();
		if (pid == 0) become_child(arguments, environment, self, core, inputs[0], ends[1], errors);
		if (pid < 0)
			error = error_system("start", "a worker process");
		else {
			worker->pid = pid;
			worker->output = ends[0];
			worker->input = inputs[1];
			fcntl(ends[0], F_SETFL, O_NONBLOCK);
			fcntl(inputs[1], F_SETFL, O_NONBLOCK);
			ends[0] = inputs[1] = -1;
		}
	}
	for (int i = 0; i < 2; i++) {
		if (ends[i] >= 0) close(ends[i]);
		if (inputs[i] >= 0) close(inputs[i]);
	}
	if (errors >= 0) close(errors);
	free(environment);
	return error;
}

void worker_tell(const struct worker *worker, const char *line) {
	/* A child that has ended closed its end: SIGPIPE would end this process as well. */
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
	sigaction(SIGPIPE, &ignore, &before);
	if (write(worker->input, line, strlen(line)) < 0) errno = 0;
	sigaction(SIGPIPE, &before, NULL);
}

void workers_await(const struct worker *workers, int count, int milliseconds) {
	struct pollfd polls[WORKERS_MOST];
	nfds_t used = 0;
	for (int w = 0; w < count; w++)
		if (workers[w].pid) polls[used++] = (struct pollfd){.fd = workers[w].output, .events = POLLIN};
	poll(polls, used, milliseconds); /* a signal ends it early, which is as good as a time-out */
}

static void take_lines(struct text *text, void (*take)(void *context, const char *line), void *context) {
	char *start = text->data, *newline;
	while (start && (newline = strchr(start, '\n'))) {
		*newline = '\0';
		take(context, start);
		start = newline + 1;
	}
	if (!start || start == text->data) return;
	text->length -= (size_t)(start - text->data);
	memmove(text->data, start, text->length + 1);
}

struct error *worker_read(
    struct worker *worker, void (*take)(void *context, const char *line), void *context, bool *ended) {
	char buffer[4096];
	*ended = false;
	for (;;) {
		const ssize_t count = read(worker->output, buffer, sizeof buffer);
		if (count > 0) {
			text_add_bytes(&worker->line, buffer, (size_t)count);
			TRY(text_error(&worker->line));
			take_lines(&worker->line, take, context);
		} else if (count == 0) {
			if (worker->line.length) take(context, worker->line.data);
			text_clear(&worker->line);
			*ended = true;
			return NULL;
		} else if (errno == EAGAIN)
			return NULL;
		else if (errno != EINTR)
			return error_system("read from", "a worker process");
	}
}

int worker_wait(struct worker *worker) {
	int status = 0;
	while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR) continue;
	close(worker->input);
	close(worker->output);
	text_free(&worker->line);
	*worker = (struct worker){.input = -1, .output = -1};
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

struct error *worker_cores(int workers, int **cores, int *count) {
	cpu_set_t set;
	*cores = array_new((size_t)workers, sizeof **cores);
	*count = 0;
	if (!*cores) return error_memory((size_t)workers * sizeof **cores);
	if (sched_getaffinity(0, sizeof set, &set) || CPU_COUNT(&set) != workers) return NULL;
	for (int core = 0; core < CPU_SETSIZE; core++)
		if (CPU_ISSET(core, &set)) (*cores)[(*count)++] = core;
	return NULL;
}
