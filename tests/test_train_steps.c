/* What whole training steps must keep to: no memory is asked for, and fast kernels train as the plain loops do. */
#include "tests/sanitized.h"
#include "tests/train_fixture.h"

#include <cblas.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* ------------------------------------------------------------------------------------- counting what is asked for --- */

#if !SANITIZED && !MEMCHECK && defined(__GLIBC__)
#define COUNTING true
#else
#define COUNTING false
#endif

static atomic_long requests;

#if COUNTING
/* These stand before the C library's, for the libraries that this program uses too. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
	requests++;
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
	requests++;
	return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
	requests++;
	return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
	requests++;
	return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
	requests++;
	*out = __libc_memalign(alignment, size);
	return *out ? 0 : ENOMEM;
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
	requests++;
	return (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
}
#endif

/* ---------------------------------------------------------------------------------------------------------- steps --- */

/* A run without its files. */
struct steps {
	struct train_config config;
	struct train_steps plan;
	struct model *model;
	struct optimizer optimizer;
	uint16_t *tokens;
	int64_t done;
};

static struct steps steps_open(const struct fixture *f, enum kernels kernels, int threads) {
	struct steps s = {.config = f->config};
	s.config.depth = 2;
	s.config.context = 48;
	s.config.batch = 7; /* two micro-batches, of five sequences and two */
	s.config.epochs = 100;
	s.config.tokens = 200 * 7 * 48;
	s.config.warmup_tokens = 20 * 7 * 48;
	s.plan = train_steps(&s.config);
	const struct shape shape = train_shape(&s.config, corpus_info(f->corpus));
	must(model_open(&shape, train_micro_batch(&s.config), true, kernels, &s.model));
	must(model_use_threads(s.model, threads));
	must(optimizer_open(model_tensors(s.model), &s.optimizer));
	s.tokens = array_new((size_t)s.config.batch * (size_t)(s.config.context + 1), sizeof *s.tokens);
	assert_non_null(s.tokens);
	model_initialise(s.model, 3);
	return s;
}

static double step(struct steps *s, struct corpus *corpus) {
	double norm;
	must(train_batch(&s->config, corpus, s->done, s->tokens));
	const double loss = model_gradient(s->model, s->tokens, (int)s->config.batch);
	optimizer_step(&s->optimizer, s->model, &s->config, &s->plan, s->done++, &norm);
	return loss;
}

static void steps_close(struct steps *s) {
	model_close(s->model);
	optimizer_close(&s->optimizer);
	free(s->tokens);
}

static void a_step_asks_for_no_memory(void **state) {
	if (!COUNTING) skip();
	const struct fixture *f = *state;
	const long before = requests;
	free(array_new(10, 10));
	assert_true(requests > before); /* it does count */
	for (int k = 0; k < KERNELS_COUNT; k++) {
		if (!kernels_available((enum kernels)k)) continue;
		/* OpenBLAS takes a buffer whenever more threads are in it than ever before. */
		const int most = k == KERNELS_BLAS ? 1 : 3;
		for (int threads = 1; threads <= most; threads++) {
			struct steps s = steps_open(f, (enum kernels)k, threads);
			for (int i = 0; i < 3; i++) step(&s, f->corpus); /* threads begin, caches fill */
			requests = 0;
			for (int i = 0; i < 20; i++) step(&s, f->corpus);
			const long found = requests;
			if (found) fail_msg("%s, %d threads: %ld requests in 20 steps", kernels_names[k], threads, found);
			steps_close(&s);
		}
	}
}

/* Over two hundred steps rounding errors grow, but the losses stay together; a mistake in a gradient would part them. */
static void fast_kernels_train_as_plain_loops_do(void **state) {
	const struct fixture *f = *state;
	enum { STEPS = 200 };
	double wanted[STEPS];
	struct steps plain = steps_open(f, KERNELS_PLAIN, 1);
	for (int i = 0; i < STEPS; i++) wanted[i] = step(&plain, f->corpus);
	steps_close(&plain);
	assert_true(wanted[STEPS - 1] < 0.9 * wanted[0]); /* it learns */
	for (int k = KERNELS_PLAIN + 1; k < KERNELS_COUNT; k++) {
		if (!kernels_available((enum kernels)k)) continue;
		struct steps s = steps_open(f, (enum kernels)k, 1);
		for (int i = 0; i < STEPS; i++) {
			const double loss = step(&s, f->corpus);
			if (!(fabs(loss / wanted[i] - 1) < 1e-3))
				fail_msg("%s: the loss of step %d is %.7g, plain %.7g", kernels_names[k], i, loss, wanted[i]);
		}
		steps_close(&s);
	}
}

int main(void) {
	machine_flush_denormals();
	openblas_set_num_threads(1); /* as the program does */
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_step_asks_for_no_memory),
	    cmocka_unit_test(fast_kernels_train_as_plain_loops_do),
	};
	return cmocka_run_group_tests_name("train_steps", tests, make_fixture, remove_fixture);
}
