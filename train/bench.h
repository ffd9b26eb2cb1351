/* bench.h - how fast this machine trains, against what one of its cores could do at most. Private to train/. */
#ifndef RUNG_TRAIN_BENCH_H
#define RUNG_TRAIN_BENCH_H

#include "train/state.h"

/* Every figure is the median of several short rounds, and the peak is measured anew in each of them: what disturbs the
 * machine for a while then disturbs both, and less than half of the rounds. */
struct bench_effort {
	int64_t rounds;
	double seconds; /* of one round, or of one operation in it; at least one call */
	bool cpu_time;  /* by a clock that stands still while other programs have the core, not by the one on the wall */
};

struct bench_step {
	struct shape shape;
	int batch; /* sequences a step */
	enum kernels kernels;
	uint32_t blas; /* products for OpenBLAS: see struct kernel_choice */
	int threads;

	int cores; /* that had work: no more than there are, and than the step has micro-batches */
	double tokens_per_second;
	double gflops;                              /* of exact training FLOPs */
	double peak_gflops;                         /* of those cores, registers only */
	double gradient_seconds, optimizer_seconds; /* of one step: forward and backward; the clipping norm and AdamW */
	double forward_seconds;                     /* of the loss of the same batch alone */
	double spread;                              /* (slowest - fastest round) / median, in time */
	double core_share; /* of its cores that this process had: well below 1, others had the rest */
	double first_loss; /* must be ln V: see model.h */
	double bytes;      /* largest resident size of the process */
};

/* Whole steps as train_run does them, on random tokens. Shape, batch, kernels and threads come from `step`, the rest goes
 * there. An error when the losses are not finite. */
MUST_CHECK struct error *bench_step(const struct bench_effort *effort, struct bench_step *step);

/* Seconds of one call of each operation, times[kernels][operation] (KERNELS_COUNT x operation_count()), for those sets of
 * kernels that are `wanted`. The sets take turns. */
MUST_CHECK struct error *bench_operations(
    const struct shape *shape, int sequences, const bool wanted[KERNELS_COUNT], const struct bench_effort *effort,
    double *times, double *peak_gflops);

/* How many times faster OpenBLAS computes each product whose matrix has `least_elements` or more than `kernels` do; 0 for the
 * smaller ones. The two take turns. */
MUST_CHECK struct error *bench_blas(
    const struct shape *shape, int sequences, enum kernels kernels, double least_elements,
    const struct bench_effort *effort, double gains[PRODUCT_COUNT]);

/* OpenBLAS's own product of two n x n matrices on one core. */
MUST_CHECK struct error *bench_product(int n, const struct bench_effort *effort, double *gflops, double *peak_gflops);

#endif
