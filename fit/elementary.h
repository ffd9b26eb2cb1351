/* elementary.h - exp and log that a compiler can turn into vector code. Private to fit/.
 *
 * A robust sum over a table is two exponentials and a logarithm a row, and thousands of refits are sums over tables. The
 * functions of libm are calls, one number at a time; these are straight lines of arithmetic without a branch, so that a
 * loop over an array is done as wide as the machine allows. Both are within one unit in the last place of the true
 * value, which tests/test_fit_sum.c measures. */
#ifndef RUNG_FIT_ELEMENTARY_H
#define RUNG_FIT_ELEMENTARY_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t bits_of(double x) {
	uint64_t bits;
	memcpy(&bits, &x, sizeof bits);
	return bits;
}

static inline double of_bits(uint64_t bits) {
	double x;
	memcpy(&x, &bits, sizeof x);
	return x;
}

#define LN2_HIGH 0x1.62e42fefa0000p-1 /* the first 37 bits of ln 2: whole multiples up to 2^16 are exact */
#define LN2_LOW 0x1.cf79abc9e3b3ap-40 /* the rest */
#define ROUNDER 0x1.8p52              /* added to a double it leaves the nearest integer in the low bits */
#define EXP_MOST 708.0                /* beyond, exp_of stops growing (3e307), and below its negative, falling */

/* e^x for |x| <= 708; clamped beyond. NaN for NaN. x = n ln 2 + r, |r| <= ln 2 / 2, and Taylor's series of e^r. */
static inline double exp_of(double x) {
	double inside = x > EXP_MOST ? EXP_MOST : x;
	inside = inside < -EXP_MOST ? -EXP_MOST : inside;
	double rounded = inside * M_LOG2E + ROUNDER;
	double n = rounded - ROUNDER;
	double r = (inside - n * LN2_HIGH) - n * LN2_LOW;
	double r2 = r * r, r4 = r2 * r2;
	/* 1 + r + r^2 q, the terms of q in pairs: a long chain of dependent steps would leave the processor idle. */
	double q01 = 1.0 / 2 + r * (1.0 / 6), q23 = 1.0 / 24 + r * (1.0 / 120);
	double q45 = 1.0 / 720 + r * (1.0 / 5040), q67 = 1.0 / 40320 + r * (1.0 / 362880);
	double q89 = 1.0 / 3628800 + r * (1.0 / 39916800), qab = 1.0 / 479001600 + r * (1.0 / 6227020800);
	double q = (q01 + r2 * q23) + r4 * ((q45 + r2 * q67) + r4 * (q89 + r2 * qab));
	double y = 1 + (r + r2 * q);
	return of_bits(bits_of(y) + (bits_of(rounded) << 52));
}

/* ln x for normal x > 0; what it gives for others means nothing, and the caller looks. x = 2^n m, sqrt(1/2) <= m < sqrt 2,
 * and ln m = 2 artanh s, s = (m - 1) / (m + 1), by its series. */
static inline double log_of(double x) {
	uint64_t bits = bits_of(x);
	/* Moves the bounds of the binade from 1 and 2 to sqrt(1/2) and sqrt 2. */
	uint64_t shifted = bits - 0x3fe6a09e667f3bcdu;
	/* (shifted >> 52) as a signed number: vector units without a signed shift of 64 bits take the detour by 2^52. */
	double n = of_bits(((shifted + 0x4000000000000000u) >> 52) | 0x4330000000000000u) - (0x1p52 + 1024);
	double m = of_bits((shifted & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu);
	double f = m - 1, s = f / (2 + f), z = s * s, z2 = z * z;
	double p01 = 2.0 / 3 + z * (2.0 / 5), p23 = 2.0 / 7 + z * (2.0 / 9), p45 = 2.0 / 11 + z * (2.0 / 13);
	double p67 = 2.0 / 15 + z * (2.0 / 17), p89 = 2.0 / 19 + z * (2.0 / 21);
	double p = (p01 + z2 * p23) + z2 * z2 * ((p45 + z2 * p67) + z2 * z2 * p89);
	/* 2 s = f - s f exactly, so that ln m = f - (f f / 2 - s (f f / 2 + z p)): the first term is exact. */
	double half = f * f / 2;
	return n * LN2_HIGH + (f - (half - (s * (half + z * p) + n * LN2_LOW)));
}

#endif
