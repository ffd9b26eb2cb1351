/* rung.c - the table of subcommands. Each one is the door of the folder that it comes from. */
#include "base/base.h"
#include "data/data.h"
#include "fit/fit.h"
#include "sweep/sweep.h"
#include "train/train.h"

#include <cblas.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct command {
	struct command_name name;
	int (*run)(int argc, char **argv);
} commands[] = {
    {{"data", "make a corpus of tokens, or look into one"}, data_command},
    {{"plan", "what a ladder would run, and what it costs"}, plan_command},
    {{"sweep", "train a ladder, or go on with one"}, sweep_command},
    {{"train", "train one model"}, train_command},
    {{"eval", "the held-out loss of a trained model"}, eval_command},
    {{"sample", "text from a trained model"}, sample_command},
    {{"fit", "from a table of runs to laws, intervals and predictions"}, fit_command},
    {{"predict", "write down what a run will give before it is trained, and score it"}, predict_command},
    {{"report", "a page, and figures for papers, from a lab"}, report_command},
    {{"bench", "how fast it trains, against the limit of the machine"}, bench_command},
    {{"doctor", "is this machine fit to measure on"}, doctor_command},
};

static int run_command(int argc, char **argv) {
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		struct machine machine;
		machine_describe(&machine);
		printf("rung %s\n", machine.version);
		return 0;
	}
	int found;
	const int code = command_find(
	    "rung", "Measures scaling laws with tiny transformers.", commands, COUNT_OF(commands), sizeof *commands, argc,
	    argv, &found);
	return found < 0 ? code : commands[found].run(argc - 1, argv + 1);
}

/* What finds no room on the stack dies without a word: a fit does with 128 KiB, and does not with 256. OpenBLAS asks again
 * for ever where it gets no buffer of its own, 128 MiB and as much for the arena of every thread: on two cores doctor
 * stood still with 500 MB of address space, and did not with 600. */
static struct error *check_limits(void) {
	const struct {
		int resource;
		const char *name, *flag;
		rlim_t least;
	} needs[] = {
	    {RLIMIT_STACK, "the stack", "-s", (rlim_t)1 << 20},
	    {RLIMIT_AS, "the address space", "-v",
	     ((rlim_t)512 << 20) + ((rlim_t)256 << 20) * (rlim_t)openblas_get_num_threads()},
	};
	for (size_t i = 0; i < COUNT_OF(needs); i++) {
		struct rlimit limit;
		if (getrlimit(needs[i].resource, &limit) || limit.rlim_cur >= needs[i].least) continue;
		return error_new(
		    ERROR_FAILED, "%s may grow to %llu KiB only, and %llu are needed; raise the limit: ulimit %s %llu",
		    needs[i].name, (unsigned long long)limit.rlim_cur >> 10, (unsigned long long)needs[i].least >> 10,
		    needs[i].flag, (unsigned long long)needs[i].least >> 10);
	}
	return NULL;
}

int main(int argc, char **argv) {
	/* The number of a standard stream that was closed would be given to the next file opened, and messages written into
	 * that file. Open for reading only, so that writing still fails. */
	for (int stream = 0; stream <= 2; stream++)
		if (fcntl(stream, F_GETFD) < 0) (void)!open("/dev/null", O_RDONLY);
	machine_flush_denormals();
	interrupt_end();          /* until the command itself watches for them */
	signal(SIGXFSZ, SIG_IGN); /* a file-size limit is an error to report, not a signal to die of */
	struct error *limits = check_limits();
	if (limits) _exit(error_report(limits)); /* without the threads of OpenBLAS, which would not end */
	openblas_set_num_threads(1);             /* parallel work is divided by rung itself, in an order that it knows */
	int code = run_command(argc, argv);
	/* The answer counts as given when it has arrived: a full disk must not look like success. */
	bool lost = ferror(stdout);
	int reason = 0;
	errno = 0;
	/* When a part of it is lost already, nobody knows any more why: the next byte will meet with the same. */
	if (lost) {
		clearerr(stdout);
		if (putchar('\n') == EOF || fflush(stdout)) reason = errno;
	}
	if (fclose(stdout) || lost) {
		errno = reason ? reason : errno ? errno : EIO;
		int failed = error_report(error_system("write to", "standard output"));
		if (code == 0) code = failed;
	}
	return code;
}
