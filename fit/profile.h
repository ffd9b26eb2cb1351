/* profile.h - how far the objective rises when a quantity is held, and how far it may. Private to fit/.
 *
 * The quantity is a parameter, the share of one exponent in the sum of two, or the loss that the law gives at a place: for
 * that the last row of the table is a probe, a measurement that was not made, of no weight but while it is held. */
#ifndef RUNG_FIT_PROFILE_H
#define RUNG_FIT_PROFILE_H

#include "fit/law.h"

enum quantity_kind { HOLD_PARAMETER, HOLD_SHARE, HOLD_LOSS };

struct quantity {
	enum quantity_kind kind;
	int parameter, other; /* HOLD_SHARE: of x[other] / (x[parameter] + x[other]) */
	double least, most;   /* where it may lie, in centred coordinates */
	double weight;        /* HOLD_LOSS: of the probe */
	bool noisy;           /* HOLD_LOSS: the probe stands for a run with noise of its own, not for the law */
};

/* A profile in the making. */
struct search {
	const struct law *law;
	struct table *table;
	struct quantity quantity;
	double *work;                                          /* law_work_size */
	double minimum, estimate;                              /* the objective with nothing held, and the quantity there */
	double centre[MOST_PARAMETERS], last[MOST_PARAMETERS]; /* the solution; where the last search ended */
	double threshold, at_end, end; /* at the estimate; and as measured at the place `end` on the side in question */
};

/* *law becomes search->law with the quantity held at v by a tie. A loss is held by the probe instead, which gets its
 * weight. */
void search_hold(const struct search *search, double v, struct law *law);

/* Objective above the minimum when the quantity is held at v. */
double search_rise(struct search *search, double v);

/* Where, from the estimate towards `outside`, the rise crosses `height` times the threshold. When it is below even at
 * `outside`, that, and *reached becomes true. */
double search_crossing(struct search *search, double outside, double height, bool *reached);

/* How thresholds are measured. */
struct calibration {
	struct resampling how; /* but for the laws that are held and the probe */
	struct fit_noise noise;
	int freedom;
};

/* By what the minimum rises when each of the `count` laws `held`, which x obeys, takes its place: quantiles over tables
 * simulated around x. thresholds: (count, level_count). */
MUST_CHECK struct error *search_measure(
    const struct search *search, const struct calibration *calibration, const struct law *held, int count,
    const double *x, const double *levels, int level_count, double *thresholds);

struct search_end {
	double value, threshold; /* where the interval ends, and the threshold there */
	bool reaches;            /* it goes as far as the search */
};
/* From the estimate towards `limit`. Unless `calibration` is NULL the threshold is measured at the end, which moves it. */
MUST_CHECK struct error *search_end(
    struct search *search, const struct calibration *calibration, double level, double limit, struct search_end *end);

#endif
