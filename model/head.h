/* head.h - the numbers of one head as one vector, private to model/. Compilers make as few registers of it as the processor
 * has them wide. */
#ifndef RUNG_MODEL_HEAD_H
#define RUNG_MODEL_HEAD_H

#include "model/model.h"

typedef real head_vector __attribute__((vector_size(HEAD_WIDTH * sizeof(real))));

static inline head_vector head_load(const real *from) {
	typedef real unaligned __attribute__((vector_size(HEAD_WIDTH * sizeof(real)), aligned(sizeof(real)), may_alias));
	return (head_vector) * (const unaligned *)from;
}

static inline void head_store(real *to, head_vector value) {
	typedef real unaligned __attribute__((vector_size(HEAD_WIDTH * sizeof(real)), aligned(sizeof(real)), may_alias));
	*(unaligned *)to = (unaligned)value;
}

/* The sum of its lanes, in halves. */
static inline real head_sum(head_vector x) {
	typedef real half_vector __attribute__((vector_size(HEAD_WIDTH / 2 * sizeof(real))));
	const half_vector sum = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
	                        __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
	const real a = sum[0] + sum[4], b = sum[1] + sum[5], c = sum[2] + sum[6], d = sum[3] + sum[7];
	return (a + c) + (b + d);
}

#endif
