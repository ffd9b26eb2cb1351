/* method.h - how a law is fitted: what is made least, and which parameters are held. A part of fit.h. */
#ifndef RUNG_FIT_METHOD_H
#define RUNG_FIT_METHOD_H

#include <stdbool.h>

/* What a fit makes least: the SUM over the points, each times its weight, of a function of its miss. r = ln(predicted /
 * loss), e = predicted - loss in the table's units.
 *     OBJECTIVE_HUBER        r^2/2 for |r| <= delta, delta (|r| - delta/2) beyond (Hoffmann et al. 2022)
 *     OBJECTIVE_SQUARES      e^2
 *     OBJECTIVE_LOG_SQUARES  r^2
 *     OBJECTIVE_ASYMMETRIC   over |r| where the law overestimates, under |r| where it underestimates: with `over` large the
 *                            law hugs the best runs, and badly tuned ones pull it up little. While it is made least its
 *                            corner is rounded off within `delta` */
enum fit_objective { OBJECTIVE_HUBER, OBJECTIVE_SQUARES, OBJECTIVE_LOG_SQUARES, OBJECTIVE_ASYMMETRIC };
#define FIT_CORNER 1e-6 /* delta of OBJECTIVE_ASYMMETRIC */

/* A parameter that is held at a value. */
struct fit_held {
	const char *name; /* as published: "E", "alpha"; "lnA" holds the logarithm of A */
	double value;
};
#define FIT_MOST_HELD 8

/* How a law is fitted. All zero: Chinchilla's law, Huber's objective with a delta that suits the noise, every parameter free. */
struct fit_method {
	const char *law; /* NULL: "chinchilla" */
	enum fit_objective objective;
	double delta;       /* of huber, 0: chosen by the misses, see FIT_GROSS; of asymmetric, 0: FIT_CORNER */
	double over, under; /* 0: 1 */
	bool tied;          /* alpha = beta */
	struct fit_held held[FIT_MOST_HELD];
	int held_count;
};

#endif
