/* tile.h - vectors, and the register tile that every product of the model is made of. Private to the files that are compiled
 * once for each instruction set (see the Makefile).
 *
 * The tile keeps ROWS x 2 vectors of results in registers (or SINGLE_ROWS x 1) and walks down the inner dimension: two
 * loads of b, one broadcast of a for each row, 2 ROWS fused multiply-adds. Everything here is inlined into the kernel that
 * uses it, so that what the kernel knows, such as the distance between rows, is known to the compiler. */
#ifndef RUNG_MODEL_TILE_H
#define RUNG_MODEL_TILE_H

#include "model/layer.h"

#include <tgmath.h>

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
enum { ROWS = 14 }; /* 28 of 32 registers hold results */
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
enum { ROWS = 6 }; /* 12 of 16 */
#else
#define VECTOR_BYTES 16
enum { ROWS = 6 };
#endif

enum { LANES = VECTOR_BYTES / sizeof(real), PANEL = 2 * LANES, SINGLE_ROWS = ROWS + 2 };
enum { AHEAD_A = 16, AHEAD_B = 8 }; /* rows that are asked for before they are used; docs/speed.md */
typedef real vector __attribute__((vector_size(VECTOR_BYTES)));
typedef real unaligned_vector __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));

/* Whole numbers of the same size: what a comparison of vectors gives. */
#ifdef RUNG_DOUBLE
typedef int64_t bits __attribute__((vector_size(VECTOR_BYTES)));
#else
typedef int32_t bits __attribute__((vector_size(VECTOR_BYTES)));
#endif

#define INLINE static inline __attribute__((always_inline))

INLINE vector load(const real *from) {
	return (vector) * (const unaligned_vector *)from;
}

INLINE void store(real *to, vector value) {
	*(unaligned_vector *)to = (unaligned_vector)value;
}

/* a where a lane of `chosen` is all ones, b where it is zero. */
INLINE vector choose(bits chosen, vector a, vector b) {
	return (vector)(((bits)a & chosen) | ((bits)b & ~chosen));
}

#define LOG2_E ((real)1.4426950408889634)

/* 2^x in every lane for |x| < 126: 2^n 2^f, n whole and |f| <= 1/2, with the polynomial of degree 5 whose largest relative
 * error there is smallest (7.5e-8, Remez). */
INLINE vector powers_of_two(vector x) {
#ifdef RUNG_DOUBLE
	for (int i = 0; i < LANES; i++) x[i] = exp2(x[i]);
	return x;
#else
	const float magic = 12582912.0f; /* 1.5 2^23: adding it leaves a whole number in the low bits */
	const vector shifted = x + magic, f = x - (shifted - magic);
	vector p = f * 0.0013276467798f + 0.0096755409613f;
	p = p * f + 0.0555071346362f;
	p = p * f + 0.2402212023735f;
	p = p * f + 0.6931469440460f;
	p = p * f + 1.0000001192093f;
	/* n is added to p's exponent; the magic's own bits fall out at the top. */
	return (vector)((bits)p + ((bits)shifted << 23));
#endif
}

/* ------------------------------------------------------------------------------------------------------ the tile --- */

/* What becomes of a finished sum = a b. */
enum finish {
	FINISH_STORE, /* c = scale sum */
	FINISH_ADD,   /* c += scale sum */
	FINISH_RELU2, /* c = max(scale sum, 0), other = c^2 */
	FINISH_GATE,  /* c = 2 gate scale sum, other = gate^2; c may be the gate */
	FINISH_POWER, /* c = 2^sum */
	FINISH_TIMES, /* c = other (sum + offset) */
};

/* A product c (rows,cols) of a (rows,inner) and b (inner,cols), each with its steps between rows and, for a, between
 * columns: that is what tells a product with a transpose from one without. */
struct product {
	real *c, *other;
	const real *gate;
	size_t c_row;
	const real *a;
	size_t a_row, a_col;
	const real *b;
	size_t b_row;
	bool packed; /* b is made of panels: b_row is not used */
	int rows, cols, inner;
	real scale;
	const real *offset; // (cols)
};

INLINE void finish_vector(
    const enum finish finish, const struct product *p, size_t at, int col, real scale, vector sum) {
	real *c = p->c + at;
	const vector result = scale * sum;
	if (finish == FINISH_STORE) {
		store(c, result);
	} else if (finish == FINISH_ADD) {
		store(c, load(c) + result);
	} else if (finish == FINISH_RELU2) {
		const vector zero = {0}, positive = choose((bits)(result < zero), zero, result); /* a NaN stays one */
		store(c, positive);
		store(p->other + at, positive * positive);
	} else if (finish == FINISH_GATE) {
		const vector gate = load(p->gate + at);
		store(c, 2 * gate * result);
		store(p->other + at, gate * gate);
	} else if (finish == FINISH_POWER) {
		store(c, powers_of_two(sum));
	} else {
		store(c, load(p->other + at) * (sum + load(p->offset + col)));
	}
}

/* `rows`, `vectors` and `finish` are constants at every call, so that the sums live in registers. */
INLINE void tile(
    const int rows, const int vectors, const enum finish finish, const struct product *p, int row, int col) {
	const real *a = p->a + (size_t)row * p->a_row, *b;
	size_t b_row;
	if (p->packed) {
		b = p->b + (size_t)col * (size_t)p->inner;
		b_row = (size_t)vectors * LANES;
	} else {
		b = p->b + col;
		b_row = p->b_row;
	}
	const size_t a_row = p->a_row, a_col = p->a_col;
	/* A pointer for every four rows: a register for each row's distance would be more than there are. */
	const real *four[SINGLE_ROWS / 4];
#pragma GCC unroll 4
	for (int g = 0; g < (rows + 3) / 4; g++) four[g] = a + (size_t)(4 * g) * a_row;

	vector sum[SINGLE_ROWS][2];
#pragma GCC unroll 16
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
		for (int v = 0; v < vectors; v++) sum[r][v] = (vector){0};

	for (int k = 0; k < p->inner; k++) {
		vector in[2];
		/* Rows beyond the first-level cache, which come in strides that no processor foresees or, in a panel, too late. */
		if (__builtin_constant_p(a_row) && a_row == 1) __builtin_prefetch(four[0] + AHEAD_A * a_col);
		if (p->packed && VECTOR_BYTES == 64)
#pragma GCC unroll 2
			for (int v = 0; v < vectors; v++) __builtin_prefetch(b + AHEAD_B * b_row + (size_t)v * LANES);
#pragma GCC unroll 2
		for (int v = 0; v < vectors; v++) in[v] = load(b + v * LANES);
#pragma GCC unroll 16
		for (int r = 0; r < rows; r++) {
			const real factor = four[r / 4][(size_t)(r % 4) * a_row];
#pragma GCC unroll 2
			for (int v = 0; v < vectors; v++) sum[r][v] += factor * in[v];
		}
#pragma GCC unroll 4
		for (int g = 0; g < (rows + 3) / 4; g++) four[g] += a_col;
		b += b_row;
	}

	/* Volatile: read here and not before, since in the loop it would take a register that the sums need. */
	const real scale = *(const volatile real *)&p->scale;
#pragma GCC unroll 16
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
		for (int v = 0; v < vectors; v++) {
			const size_t at = (size_t)(row + r) * p->c_row + (size_t)(col + v * LANES);
			finish_vector(finish, p, at, col + v * LANES, scale, sum[r][v]);
		}
}

/* All rows of one panel; the last few go in tiles of fewer. Heads and blocks come in rows of 16 (with AVX2 of 8), which are
 * one tile of single vectors, but of two vectors rather two halves than a tile and two rows that wait for each other. */
INLINE void panel(const int vectors, const enum finish finish, const struct product *p, int col) {
	const int most = vectors == 1 ? SINGLE_ROWS : ROWS, half = SINGLE_ROWS / 2;
	int row = 0;
	for (; row + most <= p->rows && !(vectors == 2 && p->rows - row == SINGLE_ROWS); row += most)
		tile(most, vectors, finish, p, row, col);
	for (; row + half <= p->rows; row += half) tile(half, vectors, finish, p, row, col);
	for (; row + 4 <= p->rows && half > 4; row += 4) tile(4, vectors, finish, p, row, col);
	for (; row < p->rows; row++) tile(1, vectors, finish, p, row, col);
}

/* `finish` is a constant at every call; `cols` is a multiple of LANES. */
INLINE void multiply(const enum finish finish, const struct product *p) {
	int col = 0;
	for (; col + PANEL <= p->cols; col += PANEL) panel(2, finish, p, col);
	if (col < p->cols) panel(1, finish, p, col);
}

INLINE void multiply_or_add(bool add, const struct product *p) {
	if (add)
		multiply(FINISH_ADD, p);
	else
		multiply(FINISH_STORE, p);
}

#endif
