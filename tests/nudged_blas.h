/* nudged_blas.h - for a test program that has to see which products are OpenBLAS's: here they come out larger by one part in
 * 2^23. Without that some kernels of OpenBLAS give the very bits of our own, for both add up in the same order. */
#ifndef RUNG_TESTS_NUDGED_BLAS_H
#define RUNG_TESTS_NUDGED_BLAS_H

#include <cblas.h>
#include <dlfcn.h>

/* Found before the library's function of this name, to which it passes on. */
void cblas_sgemm(
    OPENBLAS_CONST enum CBLAS_ORDER order, OPENBLAS_CONST enum CBLAS_TRANSPOSE turn_a,
    OPENBLAS_CONST enum CBLAS_TRANSPOSE turn_b, OPENBLAS_CONST blasint m, OPENBLAS_CONST blasint n,
    OPENBLAS_CONST blasint k, OPENBLAS_CONST float alpha, OPENBLAS_CONST float *a, OPENBLAS_CONST blasint lda,
    OPENBLAS_CONST float *b, OPENBLAS_CONST blasint ldb, OPENBLAS_CONST float beta, float *c,
    OPENBLAS_CONST blasint ldc) {
	void (*own)(
	    int, int, int, blasint, blasint, blasint, float, const float *, blasint, const float *, blasint, float, float *,
	    blasint);
	*(void **)&own = dlsym(RTLD_NEXT, "cblas_sgemm");
	own((int)order, (int)turn_a, (int)turn_b, m, n, k, alpha * (1 + 0x1p-23f), a, lda, b, ldb, beta, c, ldc);
}

#endif
