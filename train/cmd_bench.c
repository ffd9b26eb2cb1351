/* rung bench: steps, kernels, product. */
#include "train/bench.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The rungs that are measured when no width is given: small ones learn best from small batches. */
static const struct rung {
	int width, depth, tokens; /* a step */
} ladder[] = {{16, 2, 512}, {32, 3, 512}, {64, 4, 1024}, {128, 5, 2048}, {256, 6, 4096}};

struct bench_options {
	int64_t width, depth, context, batch, vocab, threads, size;
	const char *kernels, *blas;
	struct bench_effort effort;
	bool json;
};

#define FIELD(field) offsetof(struct bench_options, field)
/* What steps and kernels have in common. */
static const struct option_row shape_rows[] = {
    {"width", OPTION_COUNT, FIELD(width), "", 16, 8192, "one model of this width instead of the ladder's five", "d"},
    {"depth", OPTION_COUNT, FIELD(depth), "", 1, 256, "blocks; goes with --width", "L"},
    {"context", OPTION_COUNT, FIELD(context), "256", 1, 65536, "tokens of a sequence", "T"},
    {"batch", OPTION_COUNT, FIELD(batch), "", 1, 65536,
     "sequences a step; without it as many tokens as the ladder takes at that width", "B"},
    {"vocab", OPTION_COUNT, FIELD(vocab), "96", 2, 65536, "size of the vocabulary", "V"},
};
/* What all have in common. */
static const struct option_row common_rows[] = {
    {"cpu-time", OPTION_FLAG, FIELD(effort.cpu_time), "", 0, 0,
     "by the process's own clock, which stands still while other programs have the core; for busy machines", NULL},
    {"json", OPTION_FLAG, FIELD(json), "", 0, 0, "the answer as JSON", NULL},
};
static const struct option_row step_rows[] = {
    {"kernels", OPTION_TEXT, FIELD(kernels), "auto", 0, 0,
     "auto: the widest vectors of this processor; or avx512, avx2, portable, blas, plain", "NAME"},
    {"blas", OPTION_TEXT, FIELD(blas), "", 0, 0, BLAS_HELP, "LIST"},
    {"threads", OPTION_COUNT, FIELD(threads), "1", 1, 1024, "cores to share a step among", "n"},
    {"rounds", OPTION_COUNT, FIELD(effort.rounds), "7", 1, 1e6, "figures are medians of these", "n"},
    {"seconds", OPTION_REAL, FIELD(effort.seconds), "0.2", 0, 3600, "time of a round; at least one step", "s"},
};
static const struct option_row kernels_rows[] = {
    {"kernels", OPTION_TEXT, FIELD(kernels), "all", 0, 0,
     "all that this processor has but 'plain'; or one of avx512, avx2, portable, blas, plain", "NAME"},
    {"rounds", OPTION_COUNT, FIELD(effort.rounds), "5", 1, 1e6, "figures are medians of these", "n"},
    {"seconds", OPTION_REAL, FIELD(effort.seconds), "0.005", 0, 3600,
     "time of an operation in a round; at least one call", "s"},
};
static const struct option_row product_rows[] = {
    {"size", OPTION_COUNT, FIELD(size), "2048", 1, 16384, "rows and columns of all three matrices", "n"},
    {"rounds", OPTION_COUNT, FIELD(effort.rounds), "7", 1, 1e6, "figures are medians of these", "n"},
    {"seconds", OPTION_REAL, FIELD(effort.seconds), "0.2", 0, 3600, "time of a round; at least one product", "s"},
};
#undef FIELD

/* The models to measure, as many as the ladder has at most. */
struct job {
	struct shape shape;
	int batch;
};

/* Sequences that are computed at a time. */
static int micro_batch(const struct job *job) {
	const struct train_config config = {.context = job->shape.context, .batch = job->batch};
	return train_micro_batch(&config);
}

static int ladder_tokens(int64_t width) {
	size_t i = 0;
	while (i + 1 < COUNT_OF(ladder) && ladder[i].width < width) i++;
	return ladder[i].tokens;
}

static struct job job_of(const struct bench_options *options, int64_t width, int64_t depth) {
	const int64_t batch = ladder_tokens(width) / options->context;
	return (struct job){
	    {(int)options->vocab, (int)options->context, (int)width, (int)depth},
	    (int)(options->batch > 0 ? options->batch : batch < 1 ? 1 : batch)};
}

static struct error *jobs_of(const struct bench_options *options, struct job jobs[COUNT_OF(ladder)], int *count) {
	*count = 0;
	if (options->width == 0 && options->depth != 0)
		return error_new(
		    ERROR_USAGE, "--depth goes with --width; try --width 64 --depth %lld", (long long)options->depth);
	if (options->width == 0) {
		for (size_t i = 0; i < COUNT_OF(ladder); i++) jobs[i] = job_of(options, ladder[i].width, ladder[i].depth);
		*count = COUNT_OF(ladder);
		return NULL;
	}
	if (options->depth == 0)
		return error_new(ERROR_USAGE, "--depth is missing: how many blocks of width %lld", (long long)options->width);
	jobs[0] = job_of(options, options->width, options->depth);
	*count = 1;
	return shape_check(&jobs[0].shape);
}

static const char *clock_name(const struct bench_effort *effort) {
	return effort->cpu_time ? "the process's clock" : "the clock on the wall";
}

/* What stands before several answers: the machine and how it was measured. */
static struct error *json_head(const struct bench_effort *effort, cJSON *root) {
	struct machine machine;
	machine_describe(&machine);
	cJSON *about = cJSON_AddObjectToObject(root, "machine");
	if (!about) return error_memory(0);
	TRY(machine_to_json(&machine, about));
	const bool whole = json_add_number(root, "rounds", (double)effort->rounds) &&
	                   json_add_number(root, "seconds", effort->seconds) &&
	                   cJSON_AddBoolToObject(root, "cpu_time", effort->cpu_time);
	return whole ? NULL : error_memory(0);
}

static bool json_add_job(cJSON *object, const struct job *job) {
	return json_add_number(object, "width", job->shape.width) && json_add_number(object, "depth", job->shape.depth) &&
	       json_add_number(object, "context", job->shape.context) && json_add_number(object, "batch", job->batch) &&
	       json_add_number(object, "vocab", job->shape.vocab);
}

/* `item` at the end of `list`; what could not be made, or not added, is an error. */
static struct error *json_append(cJSON *list, cJSON *item) {
	if (item && cJSON_AddItemToArray(list, item)) return NULL;
	cJSON_Delete(item);
	return error_memory(0);
}

/* -------------------------------------------------------------------------------------------------------- bench step --- */

/* NULL when memory is short. */
static cJSON *step_to_json(const struct bench_step *step) {
	cJSON *object = cJSON_CreateObject();
	bool whole = json_add_job(object, &(struct job){step->shape, step->batch}) &&
	             cJSON_AddStringToObject(object, "kernels", kernels_names[step->kernels]);
	cJSON *blas = cJSON_AddArrayToObject(object, "blas");
	for (int p = 0; blas && p < PRODUCT_COUNT; p++)
		if (step->blas >> p & 1) whole &= !!cJSON_AddItemToArray(blas, cJSON_CreateString(product_names[p]));
	const struct {
		const char *key;
		double value;
	} numbers[] = {
	    {"threads", step->threads},
	    {"cores", step->cores},
	    {"tokens_per_second", step->tokens_per_second},
	    {"gflops", step->gflops},
	    {"peak_gflops", step->peak_gflops},
	    {"peak_fraction", step->gflops / step->peak_gflops},
	    {"forward_seconds", step->forward_seconds},
	    {"gradient_seconds", step->gradient_seconds},
	    {"optimizer_seconds", step->optimizer_seconds},
	    {"spread", step->spread},
	    {"core_share", step->core_share},
	    {"first_loss", step->first_loss},
	    {"bytes", step->bytes},
	};
	for (size_t i = 0; i < COUNT_OF(numbers); i++) whole &= json_add_number(object, numbers[i].key, numbers[i].value);
	if (whole && blas) return object;
	cJSON_Delete(object);
	return NULL;
}

static void print_step_head(const struct bench_options *options) {
	const struct bench_effort *effort = &options->effort;
	printf(
	    "whole training steps on %lld thread%s, V = %lld, T = %lld;\nmedians of %lld round%s by %s\n"
	    "width depth      N    B tokens/s   GF/s of peak  fwd  bwd AdamW spread   memory\n",
	    (long long)options->threads, options->threads == 1 ? "" : "s", (long long)options->vocab,
	    (long long)options->context, (long long)effort->rounds, effort->rounds == 1 ? "" : "s", clock_name(effort));
}

/* fwd is timed alone; bwd is the rest of the gradient, the making anew of what forward had not kept included. */
static void print_step(const struct bench_step *step) {
	char hidden[HUMAN_SIZE], speed[HUMAN_SIZE], bytes[HUMAN_SIZE];
	const struct shape *shape = &step->shape;
	const double seconds = step->gradient_seconds + step->optimizer_seconds;
	printf(
	    "%5d %5d %6s %4d %8s %6.1f %7.3f %3.0f%% %3.0f%% %4.0f%% %5.0f%% %8s\n", shape->width, shape->depth,
	    human_count(shape_counts(shape).hidden, hidden), step->batch, human_count(step->tokens_per_second, speed),
	    step->gflops, step->gflops / step->peak_gflops, 100 * step->forward_seconds / seconds,
	    100 * (step->gradient_seconds - step->forward_seconds) / seconds, 100 * step->optimizer_seconds / seconds,
	    100 * step->spread, human_bytes(step->bytes, bytes));
	if (step->blas) {
		struct text by = {0};
		kernels_describe((struct kernel_choice){step->kernels, step->blas}, &by);
		printf("      by %s\n", by.failed ? "kernels that memory is too short to name" : by.data);
		text_free(&by);
	}
	fflush(stdout);
}

/* Figures of a machine that is busy with something else look like those of a slow program. */
static void warn_of_company(double core_share, const struct bench_options *options) {
	if (core_share > 0.95) return;
	fprintf(
	    stderr,
	    "note: this program had %.0f %% of its cores' time, other programs or waiting for its own threads the rest; "
	    "%s\n",
	    100 * core_share,
	    options->effort.cpu_time ? "others also share its caches, so figures may be somewhat low"
	    : options->threads > 1   ? "figures may be too low: wait for others to end"
	                             : "figures are too low: wait for them to end, or give --cpu-time");
}

static void warn_of_idle_threads(const struct bench_step *step) {
	if (step->cores >= step->threads) return;
	fprintf(
	    stderr,
	    "note: width %d: %d of %d threads have a core and a micro-batch of their own; a step of %d sequence%s and this "
	    "machine give no more\n",
	    step->shape.width, step->cores, step->threads, step->batch, step->batch == 1 ? "" : "s");
}

static struct error *bench_steps(const struct bench_options *options) {
	struct job jobs[COUNT_OF(ladder)];
	struct bench_step steps[COUNT_OF(ladder)];
	struct kernel_wish wish;
	int count;
	double least_share = 1;
	TRY(kernels_of_options(options->kernels, options->blas, &wish));
	TRY(jobs_of(options, jobs, &count));
	if (options->effort.cpu_time && options->threads > 1)
		return error_new(ERROR_USAGE, "--cpu-time adds up what all threads use; it goes with --threads 1 only");
	if (!options->json) print_step_head(options);
	for (int i = 0; i < count; i++) {
		const struct job *job = &jobs[i];
		steps[i] = (struct bench_step){
		    .shape = job->shape,
		    .batch = job->batch,
		    .kernels = wish.choice.kernels,
		    .blas = wish.choice.blas,
		    .threads = (int)options->threads};
		if (wish.measure_blas)
			TRY(train_measure_blas(&job->shape, micro_batch(job), wish.choice.kernels, &steps[i].blas));
		TRY(bench_step(&options->effort, &steps[i]));
		least_share = fmin(least_share, steps[i].core_share);
		if (!options->json) print_step(&steps[i]);
		warn_of_idle_threads(&steps[i]);
	}
	warn_of_company(least_share, options);
	if (!options->json) return NULL;

	cJSON *root = count == 1 ? step_to_json(&steps[0]) : cJSON_CreateObject();
	struct error *error = root ? NULL : error_memory(0);
	if (!error && count > 1) error = json_head(&options->effort, root);
	cJSON *list = !error && count > 1 ? cJSON_AddArrayToObject(root, "steps") : NULL;
	for (int i = 0; count > 1 && i < count && !error; i++) error = json_append(list, step_to_json(&steps[i]));
	if (!error) error = print_json(root);
	cJSON_Delete(root);
	return error;
}

/* ----------------------------------------------------------------------------------------------------- bench kernels --- */

/* How often an operation runs for one micro-batch of the step, on average. */
static double calls_of(const struct operation *operation, const struct job *job, int sequences) {
	const double micro_batches = ceil((double)job->batch / sequences);
	return operation->once ? operation->calls / micro_batches : operation->calls;
}

/* Seconds that all operations of a micro-batch take with one set of kernels. */
static double total_seconds(const double *times, const struct job *job, int sequences, double *flops) {
	double seconds = 0;
	*flops = 0;
	for (int o = 0; o < operation_count(); o++) {
		const struct operation operation = operation_of(&job->shape, sequences, o);
		const double calls = calls_of(&operation, job, sequences);
		seconds += calls * times[o];
		*flops += calls * operation.flops;
	}
	return seconds;
}

static void print_operations(
    const struct job *job, int sequences, const bool wanted[KERNELS_COUNT], const double *times, double peak) {
	const int operations = operation_count();
	printf(
	    "\nwidth %d, depth %d, V %d: %d sequences of %d at a time, peak %.1f GF/s\n%-23s", job->shape.width,
	    job->shape.depth, job->shape.vocab, sequences, job->shape.context, peak, "");
	for (int k = 0; k < KERNELS_COUNT; k++)
		if (wanted[k]) printf("  %22s", kernels_names[k]);
	printf("\n%-23s", "operation");
	for (int k = 0; k < KERNELS_COUNT; k++)
		if (wanted[k]) printf("    GF/s  of peak   time");
	printf("\n");
	for (int o = 0; o <= operations; o++) {
		const struct operation operation =
		    o < operations ? operation_of(&job->shape, sequences, o) : (struct operation){.name = "all"};
		printf("%-23s", operation.name);
		for (int k = 0; k < KERNELS_COUNT; k++) {
			if (!wanted[k]) continue;
			double flops, total = total_seconds(times + k * operations, job, sequences, &flops), seconds = total;
			if (o < operations) {
				seconds = times[k * operations + o] * calls_of(&operation, job, sequences);
				flops = operation.flops * calls_of(&operation, job, sequences);
			}
			if (flops > 0)
				printf(
				    "  %6.1f   %6.3f  %4.1f%%", flops / seconds * 1e-9, flops / seconds * 1e-9 / peak,
				    100 * seconds / total);
			else
				printf("  %6s   %6s  %4.1f%%", "", "", 100 * seconds / total);
		}
		printf("\n");
	}
	fflush(stdout);
}

static cJSON *operations_to_json(
    const struct job *job, int sequences, const bool wanted[KERNELS_COUNT], const double *times, double peak) {
	cJSON *object = cJSON_CreateObject();
	bool whole = json_add_job(object, job) && json_add_number(object, "sequences", sequences) &&
	             json_add_number(object, "peak_gflops", peak);
	cJSON *list = cJSON_AddArrayToObject(object, "operations");
	for (int k = 0; list && k < KERNELS_COUNT; k++) {
		for (int o = 0; wanted[k] && o < operation_count(); o++) {
			const struct operation operation = operation_of(&job->shape, sequences, o);
			const double seconds = times[k * operation_count() + o], gflops = operation.flops / seconds * 1e-9;
			cJSON *row = cJSON_CreateObject();
			whole = whole && row && cJSON_AddItemToArray(list, row) &&
			        cJSON_AddStringToObject(row, "kernels", kernels_names[k]) &&
			        cJSON_AddStringToObject(row, "name", operation.name) &&
			        json_add_number(row, "calls", calls_of(&operation, job, sequences)) &&
			        json_add_number(row, "flops", operation.flops) && json_add_number(row, "seconds", seconds) &&
			        json_add_number(row, "gflops", gflops) && json_add_number(row, "peak_fraction", gflops / peak);
		}
	}
	if (whole && list) return object;
	cJSON_Delete(object);
	return NULL;
}

static struct error *wanted_kernels(const char *name, bool wanted[KERNELS_COUNT]) {
	if (strcmp(name, "all") == 0) {
		for (int k = 0; k < KERNELS_COUNT; k++) wanted[k] = k != KERNELS_PLAIN && kernels_available((enum kernels)k);
		return NULL;
	}
	enum kernels only;
	TRY(kernels_of_option(name, &only));
	wanted[only] = true;
	return NULL;
}

static struct error *bench_kernels(const struct bench_options *options) {
	struct job jobs[COUNT_OF(ladder)];
	bool wanted[KERNELS_COUNT] = {false};
	int count;
	TRY(wanted_kernels(options->kernels, wanted));
	TRY(jobs_of(options, jobs, &count));
	double *times = array_new((size_t)(KERNELS_COUNT * operation_count()), sizeof *times), peak;
	cJSON *root = cJSON_CreateObject(), *list = NULL;
	struct error *error = times && root ? json_head(&options->effort, root) : error_memory(0);
	if (!error) list = cJSON_AddArrayToObject(root, "shapes");
	if (!error && !options->json)
		printf(
		    "the operations of a step, one by one, on one core; medians of %lld round%s by %s\n"
		    "time: part of a step's operations; the embedding's look-ups and AdamW are not among them\n",
		    (long long)options->effort.rounds, options->effort.rounds == 1 ? "" : "s", clock_name(&options->effort));
	for (int i = 0; i < count && !error; i++) {
		const int sequences = micro_batch(&jobs[i]);
		error = bench_operations(&jobs[i].shape, sequences, wanted, &options->effort, times, &peak);
		if (error) break;
		if (options->json)
			error = json_append(list, operations_to_json(&jobs[i], sequences, wanted, times, peak));
		else
			print_operations(&jobs[i], sequences, wanted, times, peak);
	}
	if (!error && options->json) error = print_json(root);
	cJSON_Delete(root);
	free(times);
	return error;
}

/* ----------------------------------------------------------------------------------------------------- bench product --- */

static struct error *bench_products(const struct bench_options *options) {
	double gflops, peak;
	TRY(bench_product((int)options->size, &options->effort, &gflops, &peak));
	if (!options->json) {
		printf(
		    "OpenBLAS (%s kernels), %lld x %lld x %lld: %.1f GF/s, %.3f of the peak of %.1f\n", openblas_get_corename(),
		    (long long)options->size, (long long)options->size, (long long)options->size, gflops, gflops / peak, peak);
		return NULL;
	}
	cJSON *object = cJSON_CreateObject();
	const bool whole = object && cJSON_AddStringToObject(object, "core_type", openblas_get_corename()) &&
	                   json_add_number(object, "size", (double)options->size) &&
	                   json_add_number(object, "gflops", gflops) && json_add_number(object, "peak_gflops", peak) &&
	                   json_add_number(object, "peak_fraction", gflops / peak);
	struct error *error = whole ? print_json(object) : error_memory(0);
	cJSON_Delete(object);
	return error;
}

/* -------------------------------------------------------------------------------------------------------- rung bench --- */

static const struct bench {
	struct command_name name;
	struct error *(*run)(const struct bench_options *options);
	const struct option_row *rows; /* besides those that are common */
	size_t count;
	bool shaped; /* takes a model's shape */
	const char *about;
} benches[] = {
    {{"step", "whole training steps, against the peak of a core"},
     bench_steps,
     step_rows,
     COUNT_OF(step_rows),
     true,
     "Whole training steps: random tokens, forward, backward, AdamW, for the rungs of the\n"
     "ladder or one model of any size. GF/s count the exact operations of training (the\n"
     "causal half of attention and the head included, nothing that is computed twice);\n"
     "the peak is that of fused multiply-adds on registers alone, measured in between.\n"},
    {{"kernels", "the operations of a step one by one"},
     bench_kernels,
     kernels_rows,
     COUNT_OF(kernels_rows),
     true,
     "The operations that a step is made of, one by one, with every set of kernels.\n"},
    {{"product", "OpenBLAS's product of two matrices"},
     bench_products,
     product_rows,
     COUNT_OF(product_rows),
     false,
     "What OpenBLAS makes of one large product of two square matrices, for comparison.\n"},
};

static struct error *run_bench(const struct bench *bench, int argc, char **argv) {
	struct option_row rows[16];
	size_t count = 0;
	for (size_t i = 0; bench->shaped && i < COUNT_OF(shape_rows); i++) rows[count++] = shape_rows[i];
	for (size_t i = 0; i < bench->count; i++) rows[count++] = bench->rows[i];
	for (size_t i = 0; i < COUNT_OF(common_rows); i++) rows[count++] = common_rows[i];
	struct bench_options options = {0};
	bool help = false;
	TRY(options_parse(rows, count, &options, argc, argv, NULL, &help));
	if (!help) return bench->run(&options);
	char usage[512];
	snprintf(usage, sizeof usage, "rung bench %s [options]\n\n%s", bench->name.name, bench->about);
	return print_help(usage, rows, count);
}

int bench_command(int argc, char **argv) {
	int found;
	const int code = command_find(
	    "rung bench", "How fast this machine trains, and what it could do at most.", benches, COUNT_OF(benches),
	    sizeof *benches, argc, argv, &found);
	return found < 0 ? code : error_report(run_bench(&benches[found], argc - 1, argv + 1));
}
