/* cmd_predict.c - rung predict: a prediction is written down before the run, and scored after it. */
#include "fit/forecast.h"
#include "fit/input.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct predict_options {
	struct fit_input input;
	struct option_list at;
	const char *plan, *score, *out, *law, *bootstrap;
	int64_t replicates, random_seed;
	bool hold_largest, retrospective, json;
};

#define FIELD(field) offsetof(struct predict_options, field)
static const struct option_row rows[] = {
    {"at", OPTION_LIST, FIELD(at), "", 0, 0, "predict this run: parameters and tokens; may be given several times",
     "N,D"},
    {"plan", OPTION_TEXT, FIELD(plan), "", 0, 0,
     "predict the runs of this plan that are not in the table yet (LAB/plan.json when nothing is named)", "FILE"},
    {"hold-largest", OPTION_FLAG, FIELD(hold_largest), "", 0, 0,
     "predict the largest N of the table from the smaller ones; called retrospective", NULL},
    {"retrospective", OPTION_FLAG, FIELD(retrospective), "", 0, 0,
     "allow places that are in the table: their rows are kept from the fit", NULL},
    {"score", OPTION_TEXT, FIELD(score), "", 0, 0, "score this prediction by the runs of the table", "FILE"},
    {"out", OPTION_TEXT, FIELD(out), "", 0, 0,
     "new file for the prediction (LAB/prediction.json, or prediction.json), or for the score (nowhere)", "FILE"},
    {"json", OPTION_FLAG, FIELD(json), "", 0, 0, "print what goes into the file instead of the summary", NULL},
    {"law", OPTION_TEXT, FIELD(law), "chinchilla", 0, 0, "by which law of N and D ('rung fit --law help' lists them)",
     "NAME"},
    INPUT_OPTIONS(FIELD, input),
    {"replicates", OPTION_COUNT, FIELD(replicates), "1000", 100, 10000, "refits of the bootstrap", "n"},
    {"bootstrap", OPTION_TEXT, FIELD(bootstrap), "auto", 0, 0, "auto, simulated or rungs, as for 'rung fit'", "NAME"},
    {"random-seed", OPTION_COUNT, FIELD(random_seed), "1", 0, 0, "of the bootstrap's random numbers", "n"},
};
#undef FIELD

static bool is_folder(const char *path) {
	struct stat status;
	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* What was written down stays as it is. */
static struct error *check_new(const char *out) {
	if (!file_exists(out)) return NULL;
	return error_new(
	    ERROR_USAGE,
	    "%s is there already, and what was written down is never overwritten; name another file with --out", out);
}

/* ------------------------------------------------------------------------------------------------------ predicting --- */

/* The places that the options name; the lab's own plan where they name none. */
static struct error *find_targets(
    const char *path, const struct predict_options *options, const struct fit_points *points, struct targets *targets) {
	const char *plan = options->plan;
	char *own = NULL;
	struct error *error = NULL;
	for (int i = 0; i < options->at.count && !error; i++) error = targets_add(targets, options->at.items[i]);
	if (!error && options->hold_largest) error = targets_of_largest(targets, points);
	if (!plan && targets->count == 0 && is_folder(path)) {
		own = path_join(path, "plan.json");
		if (own && file_exists(own)) plan = own;
	}
	if (!error && plan) error = targets_from_plan(targets, plan, points);
	if (!error && plan && targets->count == 0)
		error = error_new(
		    ERROR_DATA,
		    "%s: all %zu of its runs are in the table already: there is nothing left to predict. --hold-largest checks "
		    "the law on the largest size",
		    plan, targets->present);
	if (!error && targets->count == 0)
		error = error_new(
		    ERROR_USAGE, "what is to be predicted? Name runs with --at N,D or --plan FILE, or take --hold-largest");
	if (!error && targets->present)
		fprintf(
		    stderr, "%s: %zu of its runs are in the table already, and are not predicted\n", plan, targets->present);
	free(own);
	return error;
}

static struct error *print_forecast(
    const struct forecast *forecast, const struct predict_options *options, const char *out) {
	struct text file = {0}, summary = {0};
	uint64_t hash;
	struct error *error = forecast_print(forecast, &file, &hash);
	if (!error) forecast_summary(forecast, hash, &summary);
	if (!error) error = text_error(&summary);
	if (!error) printf("%s", options->json ? file.data : summary.data);
	fflush(stdout);
	if (!error) error = file_write(out, file.data, file.length);
	if (!error && !options->json)
		fprintf(stderr, "wrote %s; keep a copy, or its hash, where nobody can change it\n", out);
	text_free(&file);
	text_free(&summary);
	return error;
}

static struct error *predict(const char *path, const struct predict_options *options) {
	struct fit_points points = {0};
	struct targets targets = {0};
	struct forecast forecast = {0};
	struct forecast_options how = {
	    .replicates = (size_t)options->replicates,
	    .seed = options->random_seed,
	    .retrospective = options->retrospective || options->hold_largest,
	    .law = options->law,
	    .source = path,
	    .time = (int64_t)time(NULL)};
	char *in_lab = is_folder(path) ? path_join(path, "prediction.json") : NULL;
	const char *out = options->out ? options->out : in_lab ? in_lab : "prediction.json";
	struct error *error = fit_resampling_named(options->bootstrap, &how.resampling);
	if (!error) error = check_new(out);
	if (!error) error = fit_points_read(path, &options->input, &points);
	if (!error) print_notes(&points);
	if (!error) error = find_targets(path, options, &points, &targets);
	if (!error) error = forecast_make(&points, &targets, &how, &forecast);
	if (!error) error = print_forecast(&forecast, options, out);
	forecast_free(&forecast);
	targets_free(&targets);
	fit_points_free(&points);
	free(in_lab);
	return error;
}

/* --------------------------------------------------------------------------------------------------------- scoring --- */

static struct error *print_score(
    const struct forecast *forecast, uint64_t hash, const struct score *score, const char *path,
    const struct predict_options *options) {
	cJSON *root = NULL;
	struct text text = {0};
	struct error *error = score_to_json(forecast, hash, score, options->score, path, (int64_t)time(NULL), &root);
	if (!error && options->json)
		json_print(root, true, &text);
	else if (!error)
		score_summary(forecast, hash, score, options->score, path, &text);
	if (!error) error = text_error(&text);
	if (!error) printf("%s%s", text.data, options->json ? "\n" : "");
	fflush(stdout);
	if (!error && score->count == 0)
		error = error_new(
		    ERROR_DATA, "%s: nothing to score yet: none of the %zu runs that %s predicts is there; train them first",
		    path, forecast->count, options->score);
	else if (!error && options->out)
		error = json_write(options->out, root);
	if (!error && options->out && !options->json) fprintf(stderr, "wrote %s\n", options->out);
	cJSON_Delete(root);
	text_free(&text);
	return error;
}

/* What the user names is read as said; the rest as the prediction's own table was. Its conditions chose what was fitted, and
 * say nothing of the runs that came after. */
static void read_as_before(const struct fit_input *before, struct fit_input *input) {
	const char **names[] = {&input->N, &input->D, &input->C, &input->loss};
	double *scales[] = {&input->N_scale, &input->D_scale, &input->C_scale, &input->loss_scale};
	const char *old_names[] = {before->N, before->D, before->C, before->loss};
	const double old_scales[] = {before->N_scale, before->D_scale, before->C_scale, before->loss_scale};
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (*names[i]) continue;
		*names[i] = old_names[i];
		if (*scales[i] == 1) *scales[i] = old_scales[i];
	}
}

static struct error *score(const char *path, const struct predict_options *options) {
	struct forecast forecast = {0};
	struct fit_points points = {0};
	struct score result = {0};
	uint64_t hash = 0;
	if (options->out) TRY(check_new(options->out));
	struct error *error = forecast_read(options->score, &forecast, &hash);
	struct fit_input input = options->input;
	read_as_before(&forecast.input, &input);
	if (!error) error = fit_points_read(path, &input, &points);
	if (!error) error = error_within(score_forecast(&forecast, &points, &result), "%s", path);
	if (!error) error = print_score(&forecast, hash, &result, path, options);
	score_free(&result);
	fit_points_free(&points);
	forecast_free(&forecast);
	return error;
}

/* ----------------------------------------------------------------------------------------------------------- door --- */

static struct error *run(const struct operands *operands, const struct predict_options *options) {
	bool named = options->at.count > 0 || options->plan;
	if (operands->count != 1)
		return error_new(
		    ERROR_USAGE, "rung predict takes one lab folder or one table; found %d. 'rung predict --help' says more",
		    operands->count);
	if (options->score && (named || options->hold_largest || options->retrospective))
		return error_new(
		    ERROR_USAGE, "--score takes a prediction that was made before; leave out --at, --plan, --hold-largest and "
		                 "--retrospective");
	if (options->hold_largest && named)
		return error_new(ERROR_USAGE, "--hold-largest names the runs by itself; leave out --at and --plan");
	return options->score ? score(operands->items[0], options) : predict(operands->items[0], options);
}

int predict_command(int argc, char **argv) {
	struct predict_options options = {0};
	struct operands operands = {0};
	bool help = false;
	struct error *error = options_parse(rows, COUNT_OF(rows), &options, argc, argv, &operands, &help);
	if (!error && help) {
		free(operands.items);
		return command_help(
		    "rung predict LAB|TABLE --at N,D | --plan FILE | --hold-largest [options]\n"
		    "       rung predict LAB|TABLE --score prediction.json [options]\n\n"
		    "Writes down what a run will give before it is trained: the loss by the law,\n"
		    "with 50 % and 90 % intervals, and what two naive baselines say. Afterwards\n"
		    "scores it: z, CRPS, coverage, and whether the law beat the baselines.\n",
		    rows, COUNT_OF(rows));
	}
	if (!error) error = run(&operands, &options);
	free(operands.items);
	return error_report(error);
}
