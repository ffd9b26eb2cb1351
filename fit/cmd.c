/* rung fit: options in, laws out. */
#include "fit/approach.h"
#include "fit/chosen.h"
#include "fit/input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct command_options {
	struct fit_input input;
	int64_t replicates, random_seed;
	const char *bootstrap, *starts, *out, *law;
	struct option_list predict, at_C;
	bool json;
	const char *of, *objective, *unique;
	double delta, over, under;
	bool tied, all_points;
	struct option_list fix;
	const char *std_column;
	struct option_list by;
	const char *design, *surface;
	double noise, rung_noise;
	struct approach_choices approach;
};

#define FIELD(field) offsetof(struct command_options, field)
static const struct option_row rows[] = {
    INPUT_OPTIONS(FIELD, input),
    {"law", OPTION_TEXT, FIELD(law), "chinchilla", 0, 0,
     "the law to fit; 'help' lists them; or allocation: N (and D) are optima, and their exponents in C are wanted",
     "NAME"},
    {"of", OPTION_TEXT, FIELD(of), "C", 0, 0, "variable of laws of one variable: N, D or C", "X"},
    {"all-points", OPTION_FLAG, FIELD(all_points), "", 0, 0,
     "laws of one variable take every point, not one slice of them or the frontier", NULL},
    {"objective", OPTION_TEXT, FIELD(objective), "huber", 0, 0,
     "what is made least: huber (on log residuals), squares (of losses), log-squares, or asymmetric (absolute log "
     "residuals)",
     "NAME"},
    {"delta", OPTION_REAL, FIELD(delta), "", 0, 1,
     "of huber: where it turns linear; chosen by the misses when not given, and 0.001 in papers", "d"},
    {"over", OPTION_REAL, FIELD(over), "", 0, 1e6, "of asymmetric: penalty of predictions above the measurement (10)",
     "x"},
    {"under", OPTION_REAL, FIELD(under), "", 0, 1e6, "of asymmetric: the same below it (1)", "x"},
    {"tied", OPTION_FLAG, FIELD(tied), "", 0, 0, "alpha = beta", NULL},
    {"fix", OPTION_LIST, FIELD(fix), "", 0, 0,
     "hold a parameter: E=1.7, or its logarithm: lnA=6; several with commas between, or several times", "NAME=VALUE"},
    {"unique", OPTION_TEXT, FIELD(unique), "", 0, 0, "column of the unique tokens among D, for laws of repeated data",
     "COLUMN"},
    {"by", OPTION_LIST, FIELD(by), "", 0, 0,
     "allocation: a line for each set of equal values in these columns (commas between)", "COLUMNS"},
    {"weight-from-std", OPTION_TEXT, FIELD(std_column), "", 0, 0,
     "allocation: column of the standard error of ln N; weights are 1/std^2", "COLUMN"},
    {"curve", OPTION_TEXT, FIELD(approach.curve), "", 0, 0,
     "column that tells runs with several rows, their training curves, apart; the last row of each is its final loss",
     "COLUMN"},
    {"envelope", OPTION_TEXT, FIELD(approach.envelope), "hull", 0, 0,
     "approach 1: hull (of ln C, ln loss) or buckets (the lowest loss of each tenth of a decade)", "NAME"},
    {"budget", OPTION_TEXT, FIELD(approach.budget), "", 0, 0,
     "approach 2: column of the budget that a run belongs to (when not named: rows of equal C)", "COLUMN"},
    {"budgets", OPTION_LIST, FIELD(approach.budgets), "", 0, 0,
     "approach 2: read the runs off at these budgets (commas between)", "LIST"},
    {"flops", OPTION_TEXT, FIELD(approach.flops), "6ND", 0, 0, "approach 2: budgets count 6ND, or the table's C",
     "NAME"},
    {"count-N", OPTION_LIST, FIELD(approach.count_N), "", 0, 0,
     "count parameters in other ways too, NAME=COLUMN, and compare the exponents (commas between)", "LIST"},
    {"count-C", OPTION_LIST, FIELD(approach.count_C), "", 0, 0, "the same for operations, beside 6ND", "LIST"},
    {"loss-noise", OPTION_REAL, FIELD(approach.loss_noise), "0", 0, 1,
     "approach 2: standard deviation of ln loss in its replicates (0: that of the surface's residuals)", "x"},
    {"design", OPTION_TEXT, FIELD(design), "", 0, 0,
     "fit nothing: what would this plan, or this table of N and D, tell? ('-': standard input)", "FILE"},
    {"noise", OPTION_REAL, FIELD(noise), "", 0, 1, "--design: standard deviation of ln loss from run to run", "x"},
    {"rung-noise", OPTION_REAL, FIELD(rung_noise), "", 0, 1,
     "--design: that of an error which all runs of a rung share (as large as --noise)", "x"},
    {"surface", OPTION_TEXT, FIELD(surface), "", 0, 0,
     "--design: E,A,B,alpha,beta, or an earlier fit.json (else assumed from the plan)", "LIST"},
    {"replicates", OPTION_COUNT, FIELD(replicates), "", 100, 1000000,
     "refits of the bootstrap (1000; beyond 100,000 points fewer, 100 at least)", "n"},
    {"bootstrap", OPTION_TEXT, FIELD(bootstrap), "auto", 0, 0,
     "simulated (draw new errors for all points), rows (draw points again), rungs (draw whole rungs again), or auto "
     "(simulated)",
     "NAME"},
    {"starts", OPTION_TEXT, FIELD(starts), "grid", 0, 0,
     "of the search: grid, or besiroglu: from the 4500 published starts as well, each polished", "NAME"},
    {"random-seed", OPTION_COUNT, FIELD(random_seed), "1", 0, 0, "of the bootstrap's random numbers", "n"},
    {"predict", OPTION_LIST, FIELD(predict), "", 0, 0,
     "loss of a model of N parameters after D tokens, with intervals; may come several times", "N,D"},
    {"at-C", OPTION_LIST, FIELD(at_C), "", 0, 0,
     "best use of C = 6 N D operations, with intervals; may come several times", "C"},
    {"out", OPTION_TEXT, FIELD(out), "", 0, 0, "where the result goes (LAB/fit.json; nowhere for a table)", "FILE"},
    {"json", OPTION_FLAG, FIELD(json), "", 0, 0, "print the result as JSON instead of the summary", NULL},
};
#undef FIELD

static struct error *variable_named(const char *name, enum fit_variable *variable) {
	static const char *const names[] = {[FIT_N] = "N", [FIT_D] = "D", [FIT_C] = "C"};
	for (int k = 0; k < (int)COUNT_OF(names); k++) {
		if (strcmp(name, names[k]) != 0) continue;
		*variable = (enum fit_variable)k;
		return NULL;
	}
	return error_new(ERROR_USAGE, "--of %.60s: expected N, D or C", name);
}

static struct error *starts_named(const char *name, bool *published) {
	*published = strcmp(name, "besiroglu") == 0;
	if (*published || strcmp(name, "grid") == 0) return NULL;
	return error_new(ERROR_USAGE, "--starts %.60s: expected grid or besiroglu", name);
}

static bool usable(double value) {
	return value > 0 && value < INFINITY;
}

/* --predict N,D and --at-C C, in their order. */
static struct error *questions_of(const struct command_options *options, struct fit_options *how) {
	for (int i = 0; i < options->predict.count; i++) {
		struct fit_question question = {0};
		const char *text = options->predict.items[i], *comma = strchr(text, ',');
		char first[64];
		snprintf(first, sizeof first, "%.*s", comma ? (int)(comma - text) : 0, text);
		if (!comma || !number_from_text(first, &question.N) || !number_from_text(comma + 1, &question.D) ||
		    !usable(question.N) || !usable(question.D))
			return error_new(
			    ERROR_USAGE, "--predict %.100s: expected a size and a token count above zero, such as 7G,140G", text);
		how->questions[how->question_count++] = question;
	}
	for (int i = 0; i < options->at_C.count; i++) {
		struct fit_question question = {0};
		if (!number_from_text(options->at_C.items[i], &question.C) || !usable(question.C))
			return error_new(
			    ERROR_USAGE, "--at-C %.100s: expected a budget in floating-point operations, such as 1e21",
			    options->at_C.items[i]);
		how->questions[how->question_count++] = question;
	}
	return NULL;
}

/* `path` is what the user named; `out` is where fit.json goes, or NULL. */
static struct error *print_and_write(
    const struct fit *fit, const struct command_options *options, const char *path, const char *out) {
	cJSON *root = NULL; /* with a million points a gigabyte: made where it is wanted */
	struct text text = {0};
	if (options->json || out) TRY(fit_to_json(fit, &root));
	if (options->json)
		json_print(root, true, &text);
	else
		fit_summary(fit, path, &text);
	struct error *error = text_error(&text);
	if (!error) printf("%s%s", text.data, options->json ? "\n" : "");
	fflush(stdout);
	/* Printed first: a result that can be written nowhere is not lost. */
	if (!error && out) error = json_write(out, root);
	if (error && out && !options->out)
		error = error_within(error, "the result was not kept ('--out FILE' writes it elsewhere)");
	if (!error && out && !options->json) fprintf(stderr, "wrote %s\n", out);
	text_free(&text);
	cJSON_Delete(root);
	return error;
}

void print_notes(const struct fit_points *points) {
	for (const char *line = points->notes.data ? points->notes.data : ""; *line;) {
		size_t length = strcspn(line, "\n");
		fprintf(stderr, "note: %.*s\n", (int)length, line);
		line += length + (line[length] == '\n');
	}
}

static struct error *run(const char *path, const struct command_options *options) {
	struct fit_points points = {0};
	struct fit fit = {0};
	struct fit_options how = {.replicates = options->replicates, .seed = options->random_seed};
	TRY(fit_resampling_named(options->bootstrap, &how.resampling));
	if (strcmp(options->law, "allocation") == 0) {
		return optima_command(&(struct optima_options){
		    .path = path,
		    .input = options->input,
		    .by = &options->by,
		    .std_column = options->std_column,
		    .out = options->out,
		    .json = options->json});
	}
	TRY(questions_of(options, &how));
	enum fit_variable along;
	TRY(variable_named(options->of, &along));
	how.along = &along;
	how.all_points = options->all_points;
	struct law_options law = {
	    .path = path,
	    .out = options->out,
	    .input = options->input,
	    .law = options->law,
	    .objective = options->objective,
	    .unique = options->unique,
	    .delta = options->delta,
	    .over = options->over,
	    .under = options->under,
	    .tied = options->tied,
	    .json = options->json,
	    .fix = &options->fix,
	    .how = &how};
	TRY(starts_named(options->starts, &how.published_starts));
	if (law_is_chosen(&law)) {
		if (!how.published_starts) return law_command(&law);
		return error_new(
		    ERROR_USAGE,
		    "--starts %s: those are of the law chinchilla, all of its parameters free; leave out what says otherwise",
		    options->starts);
	}
	TRY(law_options_objective(&law, &how.method));
	struct stat status;
	bool lab = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
	struct fit_input input = options->input;
	struct approach_columns columns;
	struct fit_approach_options approaches;
	struct error *error = approach_ask(&options->approach, lab, &columns, &input);
	if (!error) error = fit_points_read(path, &input, &points);
	if (!error) {
		print_notes(&points);
		if (how.replicates == 0) how.replicates = fit_replicates_for(points.count);
		error = approach_take(&options->approach, path, lab, &points, &columns, &approaches);
	}
	how.approaches = &approaches;
	char *in_lab = lab && !options->out ? path_join(path, "fit.json") : NULL;
	if (!error && lab && !options->out && !in_lab) error = error_memory(strlen(path) + 10);
	if (!error) error = fit_all(&points, &how, &fit);
	if (!error) error = print_and_write(&fit, options, path, options->out ? options->out : in_lab);
	free(in_lab);
	approach_columns_free(&columns);
	fit_free(&fit);
	fit_points_free(&points);
	return error;
}

int fit_command(int argc, char **argv) {
	struct command_options options = {0}; /* columns that no option names are not wanted */
	struct operands operands = {0};
	bool help = false;
	struct error *error = options_parse(rows, COUNT_OF(rows), &options, argc, argv, &operands, &help);
	if (!error && help) {
		free(operands.items);
		return command_help(
		    "rung fit LAB|TABLE.csv|RUNS.jsonl|- [options]\n"
		    "       rung fit --design PLAN.json|TABLE.csv --noise x [--surface LIST]\n\n"
		    "Fits L(N, D) = E + A/N^alpha + B/D^beta to the runs of a lab folder or of a\n"
		    "table, with intervals, and says what the runs cannot tell. A table is a header\n"
		    "and a row per run, or JSON lines, where config.N is the member N of config.\n",
		    rows, COUNT_OF(rows));
	}
	if (!error && options.design && operands.count == 0) {
		error = design_command(&(struct design_options){
		    .path = options.design,
		    .input = options.input,
		    .noise = options.noise,
		    .rung_noise = options.rung_noise,
		    .surface = options.surface,
		    .out = options.out,
		    .json = options.json});
		free(operands.items);
		return error_report(error);
	}
	if (!error && options.design) {
		error = error_new(
		    ERROR_USAGE, "--design %s judges that file alone; found %s as well", options.design, operands.items[0]);
	}
	if (!error && strcmp(options.law, "help") == 0) {
		struct text text = {0};
		laws_help(&text);
		error = text_error(&text);
		if (!error) printf("%s", text.data);
		text_free(&text);
		free(operands.items);
		return error_report(error);
	}
	if (!error && operands.count != 1) {
		error = error_new(
		    ERROR_USAGE, "rung fit takes one lab folder or one table; found %d. 'rung fit --help' lists the options",
		    operands.count);
	}
	if (!error) error = run(operands.items[0], &options);
	free(operands.items);
	return error_report(error);
}
