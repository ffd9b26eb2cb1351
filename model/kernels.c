/* The sets of kernels, which of them this processor can run, and which of them computes what. */
#include "model/layer.h"

/* In the order of enum kernels; NULL where this kind of processor has none. */
const struct kernel_set *const kernel_sets[KERNELS_COUNT] = {
    &kernels_plain, &kernels_blas,   &kernels_portable,
#ifdef __x86_64__
    &kernels_avx2,  &kernels_avx512,
#endif
};
const char *const kernels_names[KERNELS_COUNT] = {"plain", "blas", "portable", "avx2", "avx512"};

/* In the order of enum matrix and enum direction. */
const char *const product_names[PRODUCT_COUNT] = {
    "qkv forward",      "qkv to input",      "qkv to weight",   "out forward",      "out to input",
    "out to weight",    "mlp.in forward",    "mlp.in to input", "mlp.in to weight", "mlp.out forward",
    "mlp.out to input", "mlp.out to weight", "head forward",    "head to input",    "head to weight",
};
_Static_assert(PRODUCT_COUNT == MATRIX_COUNT * DIRECTION_COUNT, "a name for every product");

bool kernels_available(enum kernels kernels) {
#ifdef __x86_64__
	/* All that the compiler may use for the instruction sets that the Makefile names. */
	const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
	                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
	if (kernels == KERNELS_AVX2) return avx2;
	if (kernels == KERNELS_AVX512)
		return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
		       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
		       __builtin_cpu_supports("avx512vl");
#endif
	return kernel_sets[kernels] != NULL;
}

enum kernels kernels_widest(void) {
	enum kernels widest = KERNELS_PORTABLE;
	for (int k = KERNELS_PORTABLE; k < KERNELS_COUNT; k++)
		if (kernels_available((enum kernels)k)) widest = (enum kernels)k;
	return widest;
}

/* ------------------------------------------------------------------------------------------------ who does what --- */

void weight_use(struct weight *weight, enum matrix kind, struct kernel_choice choice) {
	for (int d = 0; d < DIRECTION_COUNT; d++) {
		const bool blas = choice.blas >> (DIRECTION_COUNT * (int)kind + d) & 1;
		weight->by[d] = blas ? &kernels_blas : kernel_sets[choice.kernels];
	}
}

/* Those of the two that read the matrix, not its gradient, who want it packed; NULL for none. */
static const struct kernel_set *packer(const struct weight *weight) {
	if (weight->by[FORWARD]->pack) return weight->by[FORWARD];
	return weight->by[TO_INPUT]->pack ? weight->by[TO_INPUT] : NULL;
}

size_t weight_packed_reals(const struct weight *weight) {
	const struct kernel_set *set = packer(weight);
	return set ? set->packed_reals(weight->outputs, weight->inputs) : 0;
}

void weight_pack(const struct weight *weight, int first, int rows) {
	const struct kernel_set *set = packer(weight);
	if (set) set->pack(weight, first, rows);
}
