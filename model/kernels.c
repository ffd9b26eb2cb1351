/* The sets of kernels, and which of them this processor can run. */
#include "model/layer.h"

/* In the order of enum kernels; NULL where this kind of processor has none. */
const struct kernel_set *const kernel_sets[KERNELS_COUNT] = {
    &kernels_plain, &kernels_blas,   &kernels_portable,
#ifdef __x86_64__
    &kernels_avx2,  &kernels_avx512,
#endif
};
const char *const kernels_names[KERNELS_COUNT] = {"plain", "blas", "portable", "avx2", "avx512"};

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
