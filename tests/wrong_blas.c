/* wrong_blas.c - a library to be loaded before others (LD_PRELOAD) whose product is wrong in one of the ways in which OpenBLAS
 * has been: WRONG=shape (one element of 129 x 31 x 257), WRONG=nothing (garbage where there is nothing to sum), WRONG=padding
 * (writes beside the result), WRONG=threads (in a thread other than the first). Otherwise it is OpenBLAS's own. */
#include <cblas.h>
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

void cblas_sgemm(
    OPENBLAS_CONST enum CBLAS_ORDER order, OPENBLAS_CONST enum CBLAS_TRANSPOSE turn_a,
    OPENBLAS_CONST enum CBLAS_TRANSPOSE turn_b, OPENBLAS_CONST blasint m, OPENBLAS_CONST blasint n,
    OPENBLAS_CONST blasint k, OPENBLAS_CONST float alpha, OPENBLAS_CONST float *a, OPENBLAS_CONST blasint lda,
    OPENBLAS_CONST float *b, OPENBLAS_CONST blasint ldb, OPENBLAS_CONST float beta, float *c,
    OPENBLAS_CONST blasint ldc) {
	static atomic_int threads;
	static _Thread_local int thread;
	if (!thread) thread = atomic_fetch_add(&threads, 1) + 1;
	void (*own)(
	    int, int, int, blasint, blasint, blasint, float, const float *, blasint, const float *, blasint, float, float *,
	    blasint);
	*(void **)&own = dlsym(RTLD_NEXT, "cblas_sgemm");
	const char *wrong = getenv("WRONG");
	if (!wrong) wrong = "";
	own((int)order, (int)turn_a, (int)turn_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
	if (strcmp(wrong, "threads") == 0 && thread > 1) c[0] += 1;
	if (strcmp(wrong, "shape") == 0 && m == 129 && n == 31 && k == 257 && turn_a == CblasTrans) c[30] += 0.01f;
	if (strcmp(wrong, "nothing") == 0 && k == 0 && m == 64) c[0] += 1;
	if (strcmp(wrong, "padding") == 0 && ldc > n && m == 32) c[n] = 0;
}
