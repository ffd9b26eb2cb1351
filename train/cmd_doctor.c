/* rung doctor: is this machine fit to measure on? */
#include "train/state.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct doctor_options {
	double seconds;
	bool json;
};

static const struct option_row doctor_rows[] = {
    {"seconds", OPTION_REAL, offsetof(struct doctor_options, seconds), "0.5", 0.01, 60,
     "time for the measurement of the peak rate", "S"},
    {"json", OPTION_FLAG, offsetof(struct doctor_options, json), "no", 0, 0, "print one JSON object", NULL},
};

struct findings {
	struct machine machine;
	double peak, product; /* GFLOP/s of one core: registers only, and a large matrix product */
	struct blas_check blas;
	bool denormals_flushed;
	bool narrow_kernels;          /* OpenBLAS took a new AVX-512 processor for an old one */
	struct kernel_choice kernels; /* that a run of width CHOICE_WIDTH would take */
};

/* Below, hardly anything is large enough for OpenBLAS to be asked. */
enum { CHOICE_WIDTH = 512 };

/* GFLOP/s of a product that fits in the second-level cache, best of a few. */
static struct error *time_product(double seconds, double *gflops) {
	const int n = 384;
	size_t size = (size_t)n * (size_t)n;
	float *block = array_new(3 * size, sizeof *block);
	if (!block) return error_memory(3 * size * sizeof *block);
	for (size_t i = 0; i < 2 * size; i++) block[i] = (float)(i % 7) - 3;
	double begin = clock_seconds(), now;
	*gflops = 0;
	do {
		double before = clock_seconds();
		cblas_sgemm(
		    CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, block, n, block + size, n, 0, block + 2 * size, n);
		now = clock_seconds();
		if (now > before) *gflops = fmax(*gflops, 2e-9 * n * n * n / (now - before));
	} while (now - begin < seconds);
	free(block);
	return NULL;
}

static struct error *choose_kernels(struct kernel_choice *choice) {
	const struct shape shape = {.vocab = 96, .context = 256, .width = CHOICE_WIDTH, .depth = 1};
	*choice = (struct kernel_choice){.kernels = kernels_widest()};
	return train_measure_blas(&shape, 1, choice->kernels, &choice->blas);
}

static bool denormals_flushed(void) {
	volatile float smallest = FLT_MIN;
	float half = smallest / 2;
	volatile uint32_t denormal_bits = 1;
	uint32_t bits = denormal_bits;
	float denormal;
	memcpy(&denormal, &bits, sizeof denormal);
	memcpy(&bits, &half, sizeof bits); /* == would take a denormal result for zero once operands are flushed */
	return bits == 0 && denormal * 0x1p60f == 0;
}

static bool add_kernels(cJSON *object, struct kernel_choice kernels) {
	cJSON *choice = train_kernels_to_json(kernels);
	return choice && cJSON_AddItemToObject(object, "kernels", choice);
}

static struct error *print_findings_json(const struct findings *findings) {
	cJSON *object = cJSON_CreateObject();
	if (!object) return error_memory(0);
	struct error *error = machine_to_json(&findings->machine, object);
	if (!error && (!json_add_number(object, "peak_gflops", findings->peak) ||
	               !json_add_number(object, "product_gflops", findings->product) ||
	               !json_add_number(object, "blas_products", findings->blas.products) ||
	               !json_add_number(object, "blas_error", findings->blas.worst) ||
	               !json_add_number(object, "blas_seconds", findings->blas.seconds) ||
	               !cJSON_AddBoolToObject(object, "blas_agrees", findings->blas.worst <= 1) ||
	               !cJSON_AddBoolToObject(object, "narrow_kernels", findings->narrow_kernels) ||
	               !cJSON_AddBoolToObject(object, "denormals_flushed", findings->denormals_flushed) ||
	               !add_kernels(object, findings->kernels) || !json_add_number(object, "kernels_width", CHOICE_WIDTH)))
		error = error_memory(0);
	if (!error) error = print_json(object);
	cJSON_Delete(object);
	return error;
}

static struct error *print_kernels(struct kernel_choice kernels) {
	struct text by = {0};
	kernels_describe(kernels, &by);
	struct error *error = text_error(&by);
	if (!error)
		printf(
		    "kernels    at width %d %s%s\n", CHOICE_WIDTH, by.data,
		    kernels.blas ? "" : "; OpenBLAS does nothing faster");
	text_free(&by);
	return error;
}

static struct error *print_findings(const struct findings *findings) {
	const struct machine *machine = &findings->machine;
	char memory[HUMAN_SIZE];
	printf("rung       %s, compiled by %s for %s\n", machine->version, machine->compiler, machine->vector_unit);
	printf("processor  %s, %d core%s for us\n", machine->cpu, machine->cores, machine->cores == 1 ? "" : "s");
	printf("memory     %s\n", human_bytes(machine->memory, memory));
	printf("system     %s\n", machine->system);
	printf("BLAS       %s\n", machine->blas);
	printf("peak       %.1f GFLOP/s on one core: fused multiply-adds on registers, float\n", findings->peak);
	printf(
	    "product    %.1f GFLOP/s for 384 x 384 x 384 through BLAS: %.0f %% of the peak\n", findings->product,
	    100 * findings->product / findings->peak);
	printf(
	    "check      %s on %d products, alone and from two threads at once:\n           at most %.2g of what rounding "
	    "may "
	    "do, in %.0f ms\n",
	    findings->blas.worst <= 1 ? "BLAS agrees with plain loops" : "BLAS IS WRONG", findings->blas.products,
	    findings->blas.worst, 1e3 * findings->blas.seconds);
	if (findings->narrow_kernels)
		printf("           OpenBLAS does not know this processor and uses kernels of an older one: set the\n"
		       "           environment variable OPENBLAS_CORETYPE=SkylakeX, and see whether the product gets faster\n");
	TRY(print_kernels(findings->kernels));
	printf(
	    "denormals  %s\n",
	    findings->denormals_flushed ? "flushed to zero" : "kept: training may slow down late in a run");
	return NULL;
}

static struct error *doctor(const struct doctor_options *options) {
	struct findings findings = {0};
	machine_describe(&findings.machine);
	findings.denormals_flushed = denormals_flushed();
	const char *kernels = openblas_get_corename();
	const bool wide = strcmp(kernels, "SkylakeX") == 0 || strcmp(kernels, "Cooperlake") == 0 ||
	                  strcmp(kernels, "SapphireRapids") == 0;
	findings.narrow_kernels = strcmp(findings.machine.vector_unit, "avx512f") == 0 && !wide;
	TRY(blas_check(&findings.blas));
	findings.peak = machine_peak_gflops(options->seconds);
	TRY(time_product(options->seconds, &findings.product));
	TRY(choose_kernels(&findings.kernels));
	TRY(options->json ? print_findings_json(&findings) : print_findings(&findings));
	return blas_check_verdict(&findings.blas);
}

int doctor_command(int argc, char **argv) {
	struct doctor_options options;
	bool help;
	struct error *error = options_parse(doctor_rows, COUNT_OF(doctor_rows), &options, argc, argv, NULL, &help);
	if (error) return error_report(error);
	if (help)
		return command_help(
		    "rung doctor [--seconds S] [--json]\n\n"
		    "Is this machine fit to measure on? What it is, what one core can do at most,\n"
		    "and whether its matrix products are right.\n",
		    doctor_rows, COUNT_OF(doctor_rows));
	return error_report(doctor(&options));
}
