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

static const struct command {
	const char *name; /* first, for nearest_name */
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
    {"data", data_command, "make a corpus of tokens, or look into one"},
    {"plan", plan_command, "what a ladder would run, and what it costs"},
    {"sweep", sweep_command, "train a ladder, or go on with one"},
    {"train", train_command, "train one model"},
    {"eval", eval_command, "the held-out loss of a trained model"},
    {"sample", sample_command, "text from a trained model"},
    {"fit", fit_command, "from a table of runs to laws, intervals and predictions"},
    {"report", report_command, "a page, and figures for papers, from a lab"},
    {"bench", bench_command, "how fast it trains, against the limit of the machine"},
    {"doctor", doctor_command, "is this machine fit to measure on"},
};

static void print_usage(FILE *out) {
	fprintf(out, "usage: rung COMMAND [OPTIONS]\n\nMeasures scaling laws with tiny transformers.\n\n");
	for (size_t i = 0; i < COUNT_OF(commands); i++) fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].help);
	fprintf(out, "\nrung COMMAND --help lists the options of a command.\n");
}

static int run_command(int argc, char **argv) {
	const char *name = argc > 1 ? argv[1] : "";
	if (argc < 2) {
		print_usage(stderr);
		return ERROR_USAGE;
	}
	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		print_usage(stdout);
		return 0;
	}
	if (strcmp(name, "--version") == 0) {
		struct machine machine;
		machine_describe(&machine);
		printf("rung %s\n", machine.version);
		return 0;
	}
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (strcmp(name, commands[i].name) == 0) return commands[i].run(argc - 1, argv + 1);
	const char *nearest = nearest_name(name, commands, COUNT_OF(commands), sizeof commands[0]);
	if (nearest)
		return error_report(error_new(ERROR_USAGE, "there is no command '%s'; did you mean 'rung %s'?", name, nearest));
	return error_report(
	    error_new(ERROR_USAGE, "there is no command '%s'; 'rung --help' lists those that there are", name));
}

int main(int argc, char **argv) {
	/* The number of a standard stream that was closed would be given to the next file opened, and messages written into
	 * that file. Open for reading only, so that writing still fails. */
	for (int stream = 0; stream <= 2; stream++)
		if (fcntl(stream, F_GETFD) < 0) (void)!open("/dev/null", O_RDONLY);
	machine_flush_denormals();
	signal(SIGXFSZ, SIG_IGN);    /* a file-size limit is an error to report, not a signal to die of */
	openblas_set_num_threads(1); /* parallel work is divided by rung itself, in an order that it knows */
	int code = run_command(argc, argv);
	/* The answer counts as given when it has arrived: a full disk must not look like success. */
	bool lost = ferror(stdout);
	errno = 0;
	if (fclose(stdout) || lost) {
		if (errno == 0) errno = EIO;
		int failed = error_report(error_system("write to", "standard output"));
		if (code == 0) code = failed;
	}
	return code;
}
