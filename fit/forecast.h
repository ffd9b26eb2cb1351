/* forecast.h - a prediction that is written down before the run, and its score afterwards. Private to fit/.
 *
 * What is predicted is a distribution of the loss, not a number: the one whose 50 and 90 % intervals are those of fit_outlook_at
 * for a new run. It takes the form of the law for granted; whether that holds is what the score is for. */
#ifndef RUNG_FIT_FORECAST_H
#define RUNG_FIT_FORECAST_H

#include "fit/law.h"

/* ------------------------------------------------------------------------- predictive distributions (fit/mixture.c) --- */

/* What is known of a loss that has not been measured: ln loss is normal(center[i], spread[i]), each i with probability
 * 1 / count. Where a part stands for a refit, how the centers differ is what the fit does not know of the law, and the spread
 * is the noise of a run about it. A spread of 0 is a single loss; many of them are the quantiles of a distribution. */
struct mixture {
	size_t count;
	double *center, *spread; /* (count) */
};

MUST_CHECK struct error *mixture_new(struct mixture *mixture, size_t count); /* all zero */
void mixture_free(struct mixture *mixture);

double mixture_below(const struct mixture *mixture, double loss); /* P(L <= loss) */
/* The smallest loss with P(L <= loss) >= probability, to the last digits; probability in (0, 1). */
double mixture_quantile(const struct mixture *mixture, double probability);
struct fit_interval mixture_interval(const struct mixture *mixture, double level); /* the central one */

/* Of ln L. */
double mixture_mean(const struct mixture *mixture);
double mixture_deviation(const struct mixture *mixture);
/* (ln loss - mean) / deviation. Infinite when a loss was thought certain and came out another. */
double mixture_z(const struct mixture *mixture, double loss);

/* The continuous ranked probability score, in the unit of the loss. 0 is best; a forecast without spread has |error|:
 *     CRPS = integral (P(L <= x) - [x >= loss])^2 dx = E|L - loss| - E|L - L'| / 2
 * (Gneiting and Raftery 2007, J. Am. Stat. Assoc. 102, eq. 20 and 21), L' another draw. Both terms are closed for
 * lognormal parts: with m = exp(center + spread^2 / 2) and Phi the normal distribution,
 *     E|L - y| = m (1 - 2 Phi(w - spread)) - y (1 - 2 Phi(w)),  w = (ln y - center) / spread,
 *     E|L_i - L_j| = m_i (2 Phi((c_i - c_j + s_i^2) / s) - 1) + m_j (2 Phi((c_j - c_i + s_j^2) / s) - 1), s^2 = s_i^2 + s_j^2.
 * Takes count^2 / 2 steps. INFINITY where a mean is beyond a double. */
double mixture_crps(const struct mixture *mixture, double loss);

/* ----------------------------------------------------------------------------------- what is wanted (fit/targets.c) --- */

#define SAME_PLACE 0.02 /* of ln N and ln D: what differs by less is one place */

struct target {
	double N, D;
	const char *id; /* of the run, when a plan gave one; else NULL */
};
struct targets {
	struct target *items;
	size_t count, capacity;
	size_t present; /* runs of a plan that the table has already */
	struct fit_strings *strings;
};

bool same_place(double N, double D, double other_N, double other_D);

/* Appends "N,D", numbers as on the command line. ERROR_USAGE when it is no such pair, or the place of one before. */
MUST_CHECK struct error *targets_add(struct targets *targets, const char *pair);
/* Appends the runs of a plan that are not in the table yet: of a ladder (docs/plan.md; N = 12 depth width^2, every horizon,
 * seeds of one place once), or of a list {"runs": [{"N", "D", "id"}]}. ERROR_DATA names the file and the place in it. */
MUST_CHECK struct error *targets_from_plan(struct targets *targets, const char *path, const struct fit_points *points);
/* Appends every place of the table's largest N. */
MUST_CHECK struct error *targets_of_largest(struct targets *targets, const struct fit_points *points);
void targets_free(struct targets *targets);

/* ---------------------------------------------------------------- ways to predict (fit/forecast.c, fit/difference.c) --- */

/* By the law, and by two ways that need none:
 * the pure power k N^-p D^-q of the same points, without a floor, with a bootstrap of its own;
 * the last difference, see below. */
enum way { BY_LAW, BY_POWER, BY_DIFFERENCE };
#define WAYS 3
extern const char *const way_names[WAYS]; /* "law", "pure_power", "last_difference" */

struct prospect {
	bool made; /* or else this way has nothing to say of this target */
	double point;
	struct fit_interval half, most; /* 50 % and FIT_LEVEL: of the measurement, not of its mean */
	struct mixture mixture;
};

/* With N1 the largest measured size that is not above the target's N, N2 the one below it, and v the token count nearest to D
 * that both have been trained for:
 *     ln L(N, D) = ln L(N1, D) + [ln L(N1, v) - ln L(N2, v)] / ln(N1 / N2) * ln(N / N1).
 * A size's own points are joined by lines in (ln D, ln L), and the last line is carried on beyond them; repeats count by
 * their mean. Below the two smallest sizes these are N1 and N2. Where the sizes have too few token counts for that, as on
 * isoFLOP grids, the differences are those of the nearest rows: the least-squares plane of ln L in ln N and ln D through six
 * of them, or more until they are not on one line.
 *
 * *spread: the root mean square of what the rule misses the measured rows by, from smaller sizes alone (and lower D, when the
 * target's D is beyond those of N1), or for the plane from rows of less compute, per unit of the way in (ln N, ln D), times
 * the way to the target; at least `noise`. False where there is nothing to carry on from. */
struct ladder;
MUST_CHECK struct error *ladder_new(const struct fit_points *points, struct ladder **ladder);
void ladder_free(struct ladder *ladder);
bool ladder_difference(struct ladder *ladder, double N, double D, double noise, double *center, double *spread);

/* --------------------------------------------------------------------------------------- forecasts (fit/forecast.c) --- */

/* A row of the table that the forecast was made from. */
struct used {
	double N, D, loss;
	const char *id; /* NULL when the table has none */
};

struct forecast {
	bool retrospective; /* of runs that the table had: a check of the method, not a prediction */
	const char *source; /* the table */
	const char *law, *formula, *version, *made; /* the law's name and form; rung's version; UTC, ISO 8601 */
	struct fit_input input; /* how the table was read; columns that are derived from the others are NULL */
	int64_t seed;
	enum fit_resampling method;
	size_t replicates;
	const char *names[MOST_PARAMETERS]; /* (parameter_count), as published; 0 of a forecast that was read */
	double parameters[MOST_PARAMETERS];
	int parameter_count;
	double objective, rms;
	struct fit_certificate certificate;
	struct fit_noise noise;
	struct used *used; /* ascending in N, D, loss, id */
	size_t used_count;
	uint64_t rows_hash;                 /* XXH64 of lines "N,D,loss,id", shortest decimals, in that order */
	struct target *targets;             /* (count) */
	struct prospect (*prospects)[WAYS]; /* (count) */
	size_t count;
	double largest_N, largest_D; /* of the rows used */
	struct fit_strings *strings; /* what the strings above point into */
};

struct forecast_options {
	size_t replicates;
	int64_t seed;
	enum fit_resampling resampling;
	bool retrospective; /* rows at the targets are left out of the fit; otherwise they are an error */
	const char *law;    /* of N and D: chinchilla, gadre, kaplan, ... */
	const char *source; /* the table's name */
	int64_t time;       /* seconds since 1970: when the forecast is made */
};

/* What the table says of the targets. ERROR_DATA: one of them is in the table already (rows that are left out of fits
 * included), the design does not determine the law, or the fit did not converge. ERROR_USAGE for a law of other variables. */
MUST_CHECK struct error *forecast_make(
    const struct fit_points *points, const struct targets *targets, const struct forecast_options *options,
    struct forecast *forecast);
void forecast_free(struct forecast *forecast);

/* The standard deviation of ln loss of a new run about the law: it shares neither its rung's error nor its setting's with
 * those that were measured. */
double noise_of_run(const struct fit_noise *noise);

/* Copies how a table was read, with its strings. False when memory is short. */
bool forecast_keep_input(struct forecast *forecast, const struct fit_input *input);
/* The hash of rows that are in order. */
MUST_CHECK struct error *used_hash(const struct used *used, size_t count, uint64_t *hash);

/* ------------------------------------------------------------------------------------- its file (fit/forecast_file.c) --- */

/* JSON (docs/formats.md), sealed with the hash of its own bytes (json_print_sealed). `out` must be empty. */
MUST_CHECK struct error *forecast_print(const struct forecast *forecast, struct text *out, uint64_t *hash);
/* What scoring needs of such a file: nothing from `seed` to `noise`. ERROR_DATA when the hash is not that of the bytes, with what was
 * found and what was expected. */
MUST_CHECK struct error *forecast_read(const char *path, struct forecast *forecast, uint64_t *hash);

/* -------------------------------------------------------------------------------------------- scores (fit/score.c) --- */

/* A run that was predicted, and what became of it. */
struct scored {
	size_t target;
	const struct fit_point *point;
	double z, below;       /* by the law; P(L <= loss), uniform when forecasts are right */
	bool in_half, in_most; /* inside the 50 %, the FIT_LEVEL interval */
	double error[WAYS];    /* predicted / measured - 1; NaN: this way has nothing to say */
	double crps[WAYS];
};

struct share {
	size_t inside, of;
	struct fit_interval interval; /* FIT_LEVEL, of the probability */
};

/* Means over the runs that `way` has something to say of. */
struct against {
	size_t count;
	double crps, error;         /* of the way: mean, mean of the absolute value */
	double law_crps, law_error; /* of the law on the same runs */
};

/* A target that no run of the table matches; `reason`: why the table leaves the run out, NULL: there is none. */
struct unmeasured {
	size_t target;
	const char *reason;
};

struct score {
	struct scored *items; /* in the order of the targets, then of the table */
	size_t count;
	struct unmeasured *missing;
	size_t missing_count;
	size_t used_found; /* rows that the forecast was made from and that stand in the table unchanged */
	struct share half, most;
	struct against ways[WAYS]; /* that of BY_LAW is the law's own mean */
};

/* Matches every target that has an id with the row of that id, and the others with the rows at their place, each row with the
 * nearest target. ERROR_DATA when a matching row is one that the forecast was made from, or lies elsewhere than its id was
 * predicted for. `points` must outlive the score. */
MUST_CHECK struct error *score_forecast(
    const struct forecast *forecast, const struct fit_points *points, struct score *score);
void score_free(struct score *score);

/* The chance of an event that came true `inside` of `of` independent times: central interval (Clopper and Pearson 1934,
 * Biometrika 26). 0 to 1 when `of` is 0. */
struct fit_interval binomial_interval(size_t inside, size_t of, double level);

/* ------------------------------------------------------------------------- for readers (forecast_text.c, score_file.c) --- */

void forecast_summary(const struct forecast *forecast, uint64_t hash, struct text *out);
/* `path`: the prediction's, `hash`: its own. */
void score_summary(
    const struct forecast *forecast, uint64_t hash, const struct score *score, const char *path, const char *table,
    struct text *out);
/* Whether the law beat the baselines, a sentence a line. */
void score_verdict(const struct score *score, struct text *out);
/* The object of docs/formats.md; the caller's: cJSON_Delete. */
MUST_CHECK struct error *score_to_json(
    const struct forecast *forecast, uint64_t hash, const struct score *score, const char *path, const char *table,
    int64_t time, cJSON **root);

/* "2026-01-31T23:59:59Z" of seconds since 1970 (forecast_file.c). */
#define UTC_SIZE 32
char *utc_text(int64_t time, char out[UTC_SIZE]);

#endif
