/* soak - kills a ladder again and again, and compares what it ends with to one that nobody touched.
 *
 *     soak RUNG FOLDER KILLS MINUTES SEED
 *
 * A ladder of three rungs, with trunks and cooldowns, is trained once in peace. Then, until there were KILLS kills and MINUTES
 * minutes are over: it is begun in an empty lab, and at a random moment one of its workers, the scheduler, or everything is
 * killed with SIGKILL; sometimes two schedulers were started on the lab at once. It is run again, and perhaps killed again,
 * until it has ended by itself. Then its points, its fit, and every final weight, hash and learning curve must equal, byte
 * for byte, those of the first one. A line of TAP for every kind of promise, and figures. Not a test program of its own: see
 * e2e_soak.sh and `make soak`. */
#include "base/base.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Small enough for a ladder in less than half a second, and learning enough for all nine points to count in a fit. */
static const char plan[] =
    "{\"name\": \"soak\", \"corpus\": {\"source\": \"markov\", \"vocab\": 4, \"order\": 2, \"tokens\": 120000,"
    " \"held_out_tokens\": 20000, \"seed\": 1}, \"context\": 16, \"batch\": 2, \"rate\": 8e-3, \"beta2_tokens\": 6000,"
    " \"warmup_tokens\": 1000, \"eval_tokens\": 2000, \"curve_tokens\": 500, \"horizons\": [9600, 16000, 26000],"
    " \"sample\": {\"prompt\": 4, \"tokens\": 8},"
    " \"rungs\": [{\"width\": 16, \"depth\": 1}, {\"width\": 32, \"depth\": 1}, {\"width\": 32, \"depth\": 2}]}\n";

enum victim { WORKER, SCHEDULER, EVERYTHING, VICTIMS };
static const char *const victim_names[VICTIMS] = {"a worker", "the scheduler", "everything"};

struct soak {
	const char *rung;
	char plan[512], lab[512], log[512];
	struct rng rng;
	struct text expected; /* digest of the ladder in peace */
	double seconds;       /* that it took */
	int64_t kills[VICTIMS], labs, pairs, refused;
	int64_t wrong_digests, wrong_codes; /* what must not be */
	double *peaks; /* (labs) kilobytes: largest memory of the schedulers that ended by themselves */
	size_t peak_capacity;
};

_Noreturn static void give_up(struct error *error) {
	fprintf(stderr, "soak: %s\n", error->message);
	exit(1);
}
#define MUST(call)                                                                                                     \
	do {                                                                                                               \
		struct error *must_ = (call);                                                                                  \
		if (must_) give_up(must_);                                                                                     \
	} while (0)

/* ------------------------------------------------------------------------------------------------------- the digest --- */

static void add_file(const char *path, struct text *digest) {
	struct text bytes = {0};
	char hex[HASH_HEX_SIZE];
	MUST(file_read(path, (size_t)1 << 30, &bytes));
	text_add(digest, "%s %s\n", hash_hex(hash_bytes(bytes.data, bytes.length, 0), hex), path);
	text_free(&bytes);
}

static void add_files(const char *pattern, struct text *digest) {
	glob_t found = {0};
	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++) add_file(found.gl_pathv[i], digest);
	globfree(&found);
}

/* The hash that each record gives for its weights; the record itself holds times. */
static void add_weights(const char *pattern, struct text *digest) {
	glob_t found = {0};
	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++) {
			cJSON *root;
			const char *hash;
			MUST(json_read(found.gl_pathv[i], &root));
			MUST(json_get_text(
			    cJSON_GetObjectItemCaseSensitive(root, "result"), "weights_hash", found.gl_pathv[i], &hash));
			text_add(digest, "%s %s\n", hash, found.gl_pathv[i]);
			cJSON_Delete(root);
		}
	globfree(&found);
}

static int run_quietly(const char *log, const char *const *arguments) {
	const pid_t child = fork();
	if (child == 0) {
		const int out = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0666);
		dup2(out, STDOUT_FILENO);
		dup2(out, STDERR_FILENO);
		execv(arguments[0], (char *const *)arguments);
		_exit(127);
	}
	int status;
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Everything in the lab that must not depend on what was killed; a fit is made for it, a quick one. */
static void digest_of(const struct soak *soak, struct text *digest) {
	char path[600];
	snprintf(path, sizeof path, "%s/fit.json", soak->lab);
	const char *const fit[] = {soak->rung, "fit", soak->lab, "--replicates", "100", "--fix", "alpha=0.5,beta=0.5",
	                           "--out",    path,  NULL};
	if (run_quietly(soak->log, fit) != 0) text_add_string(digest, "rung fit failed\n");
	static const char *const patterns[] = {
	    "points.csv",
	    "fit.json",
	    "samples.json",
	    "runs/*/log.jsonl",
	    "runs/*/model.safetensors",
	    "runs/*/branch-*[0-9].safetensors"};
	for (size_t i = 0; i < COUNT_OF(patterns); i++) {
		snprintf(path, sizeof path, "%s/%s", soak->lab, patterns[i]);
		add_files(path, digest);
	}
	snprintf(path, sizeof path, "%s/runs/*/run.json", soak->lab);
	add_weights(path, digest);
	MUST(text_error(digest));
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place) {
	(void)status, (void)type, (void)place;
	return remove(path);
}

/* ----------------------------------------------------------------------------------------------------------- killing --- */

static pid_t start(const struct soak *soak, double checkpoint_seconds) {
	char seconds[32];
	snprintf(seconds, sizeof seconds, "%g", checkpoint_seconds);
	const pid_t child = fork();
	if (child) return child;
	const int out = open(soak->log, O_WRONLY | O_CREAT | O_APPEND, 0666);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execl(
	    soak->rung, "rung", "sweep", "--plan", soak->plan, "--lab", soak->lab, "--workers", "2", "--quiet",
	    "--checkpoint-seconds", seconds, NULL);
	_exit(127);
}

/* The children of a process, at most `most`. */
static int children_of(pid_t process, pid_t *children, int most) {
	char path[64];
	int count = 0, child;
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)process, (int)process);
	FILE *file = fopen(path, "r");
	while (file && count < most && fscanf(file, "%d", &child) == 1) children[count++] = child;
	if (file) fclose(file);
	return count;
}

static bool kill_one(struct soak *soak, pid_t scheduler, enum victim victim) {
	pid_t children[64];
	const int count = children_of(scheduler, children, (int)COUNT_OF(children));
	if (victim == WORKER) {
		if (count == 0) return false;
		kill(children[rng_below(&soak->rng, (uint64_t)count)], SIGKILL);
	} else
		kill(scheduler, SIGKILL);
	for (int i = 0; i < count && victim == EVERYTHING; i++) kill(children[i], SIGKILL);
	soak->kills[victim]++;
	return true;
}

/* Whether the exit of a sweep is one that a kill can cause. */
static bool code_expected(int status, bool worker_killed, bool scheduler_killed, bool paired) {
	if (WIFSIGNALED(status)) return scheduler_killed && WTERMSIG(status) == SIGKILL;
	return WEXITSTATUS(status) == 0 || (WEXITSTATUS(status) == 1 && (worker_killed || paired));
}

static void wait_for(
    struct soak *soak, pid_t process, bool worker_killed, bool scheduler_killed, bool paired, int *code) {
	int status;
	struct rusage usage;
	wait4(process, &status, 0, &usage);
	if (!code_expected(status, worker_killed, scheduler_killed, paired)) {
		soak->wrong_codes++;
		fprintf(stderr, "soak: unexpected end %#x; see %s\n", (unsigned)status, soak->log);
	}
	*code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (*code == 0) {
		MUST(array_reserve((void **)&soak->peaks, &soak->peak_capacity, (size_t)soak->labs + 1, sizeof *soak->peaks));
		soak->peaks[soak->labs] = (double)usage.ru_maxrss;
	}
}

/* Starts the ladder, once or twice at the same time, and kills something at a random moment. Returns whether a sweep came
 * to the ladder's end. */
static bool one_round(struct soak *soak) {
	static const double intervals[] = {0, 0, 0.02, 30};
	struct rng *rng = &soak->rng;
	const bool paired = rng_below(rng, 6) == 0;
	const enum victim victim = (enum victim)rng_below(rng, VICTIMS);
	const double interval = intervals[rng_below(rng, COUNT_OF(intervals))];
	/* Every third kill comes early, while locks are taken and checkpoints read. */
	const double moment = rng_uniform(rng) * (rng_below(rng, 3) == 0 ? 0.1 : 1.0) * soak->seconds;
	const pid_t first = start(soak, interval), second = paired ? start(soak, interval) : 0;
	soak->pairs += paired;
	nanosleep(&(struct timespec){.tv_sec = (time_t)moment, .tv_nsec = (long)(1e9 * fmod(moment, 1))}, NULL);
	const bool killed = kill_one(soak, first, victim);
	int code = 0, other = 1;
	wait_for(soak, first, killed && victim == WORKER, killed && victim != WORKER, paired, &code);
	if (paired) {
		wait_for(soak, second, false, false, true, &other);
		soak->refused += code == 1 || other == 1;
	}
	return code == 0 || other == 0;
}

/* The first lines of `found` that are not in `expected`. */
static void say_differences(const char *found, const char *expected) {
	int said = 0;
	for (const char *line = found; *line && said < 5; line += strcspn(line, "\n") + 1) {
		char copy[600];
		snprintf(copy, sizeof copy, "%.*s", (int)strcspn(line, "\n") + 1, line);
		if (!strstr(expected, copy)) fprintf(stderr, "soak:     %s", copy);
		said += !strstr(expected, copy);
	}
	if (!said) fprintf(stderr, "soak:     something is missing\n");
}

static void one_lab(struct soak *soak) {
	if (nftw(soak->lab, remove_entry, 16, FTW_DEPTH | FTW_PHYS) && file_exists(soak->lab)) {
		perror(soak->lab);
		exit(1);
	}
	unlink(soak->log);
	/* After each kill the ladder is run again: every second time it is left alone then. */
	bool done = one_round(soak);
	while (!done && rng_below(&soak->rng, 2)) done = one_round(soak);
	for (int tries = 0; tries < 2 && !done; tries++) {
		int code;
		wait_for(soak, start(soak, 30), false, false, false, &code);
		done = code == 0;
	}
	struct text digest = {0};
	digest_of(soak, &digest);
	soak->labs++;
	if (done && strcmp(digest.data, soak->expected.data) == 0) {
		text_free(&digest);
		return;
	}
	soak->wrong_digests++;
	fprintf(
	    stderr, "soak: lab %lld ended otherwise (kept as %s.%lld):\n", (long long)soak->labs, soak->lab,
	    (long long)soak->labs);
	say_differences(digest.data, soak->expected.data);
	char kept[600];
	snprintf(kept, sizeof kept, "%s.%lld", soak->lab, (long long)soak->labs);
	if (rename(soak->lab, kept)) perror(kept);
	text_free(&digest);
}

/* --------------------------------------------------------------------------------------------------------------- main --- */

static double mean(const double *values, int64_t count) {
	double sum = 0;
	for (int64_t i = 0; i < count; i++) sum += values[i] / (double)count;
	return sum;
}

static int64_t kills(const struct soak *soak) {
	return soak->kills[WORKER] + soak->kills[SCHEDULER] + soak->kills[EVERYTHING];
}

static void ladder_in_peace(struct soak *soak) {
	int code;
	MUST(file_write(soak->plan, plan, sizeof plan - 1));
	const double begin = clock_seconds();
	wait_for(soak, start(soak, 30), false, false, false, &code);
	soak->seconds = clock_seconds() - begin;
	if (code) exit(1);
	digest_of(soak, &soak->expected);
	if (!strstr(soak->expected.data, "/fit.json")) {
		fprintf(stderr, "soak: the untouched ladder has no fit; see %s\n", soak->log);
		exit(1);
	}
}

static int report(const struct soak *soak, double minutes) {
	printf(
	    "%s 1 - %lld ladders, %lld kills: all ended with the bytes of the untouched one\n",
	    soak->wrong_digests ? "not ok" : "ok", (long long)soak->labs, (long long)kills(soak));
	printf(
	    "%s 2 - every sweep ended as it may: done, killed, refused, or for want of a killed worker\n",
	    soak->wrong_codes ? "not ok" : "ok");
	printf(
	    "%s 3 - of two sweeps started at once one was refused: %lld of %lld pairs, the others came one after the "
	    "other\n",
	    soak->pairs > 5 && soak->refused == 0 ? "not ok" : "ok", (long long)soak->refused, (long long)soak->pairs);
	for (int v = 0; v < VICTIMS; v++) printf("# %lld kills of %s\n", (long long)soak->kills[v], victim_names[v]);
	const int64_t tenth = soak->labs / 10;
	if (tenth >= 5) {
		const double first = mean(soak->peaks, tenth), last = mean(soak->peaks + soak->labs - tenth, tenth);
		printf(
		    "# memory of the schedulers: %.0f kB in the first tenth, %.0f kB in the last, %+.2f %%\n", first, last,
		    100 * (last / first - 1));
	}
	printf("# %.1f minutes, %.2f s a ladder in peace\n1..3\n", minutes, soak->seconds);
	return soak->wrong_digests || soak->wrong_codes;
}

int main(int argc, char **argv) {
	if (argc != 6) {
		fprintf(stderr, "usage: soak RUNG FOLDER KILLS MINUTES SEED\n");
		return 2;
	}
	struct soak soak = {.rung = argv[1], .rng = rng_make((uint64_t)atoll(argv[5]), "soak")};
	snprintf(soak.plan, sizeof soak.plan, "%s/plan.json", argv[2]);
	snprintf(soak.lab, sizeof soak.lab, "%s/lab", argv[2]);
	snprintf(soak.log, sizeof soak.log, "%s/log", argv[2]);
	const int64_t wanted = atoll(argv[3]);
	const double begin = clock_seconds(), minutes = atof(argv[4]);
	ladder_in_peace(&soak);
	while (kills(&soak) < wanted || clock_seconds() - begin < 60 * minutes) one_lab(&soak);
	const int code = report(&soak, (clock_seconds() - begin) / 60);
	text_free(&soak.expected);
	free(soak.peaks);
	return code;
}
