/* result.h - sections of fit.json and of the summary that stand in files of their own. Private to fit/. */
#ifndef RUNG_FIT_RESULT_H
#define RUNG_FIT_RESULT_H

#include "fit/fit.h"
#include "fit/writer.h"

/* "profiles", and "profile_E" under its old name (result_uncertainty.c). */
void result_profiles(struct writer *writer, cJSON *root, const struct fit *fit);

/* "starts", where they were asked for. */
void result_starts(struct writer *writer, cJSON *root, const struct fit *fit);
/* "seed_noise" and "lack_of_fit", null where there are no replicates; "predictions" (result_uncertainty.c). */
void result_chance(struct writer *writer, cJSON *root, const struct fit *fit);
void result_outlooks(struct writer *writer, cJSON *root, const struct fit *fit);

/* "approach1" and "approach2" (result_approaches.c); the same for the terminal (text_approaches.c). */
void result_approaches(struct writer *writer, cJSON *root, const struct fit *fit);
void text_approaches(const struct fit *fit, struct text *out);

/* Chance and outlooks for the terminal (text_uncertainty.c). */
void text_chance(const struct fit *fit, struct text *out);
void text_outlooks(const struct fit *fit, struct text *out);

/* The best use of compute: what is shown of it, for whichever law. */
struct allocation_view {
	const struct fit_allocation *allocation;
	bool knows_a, knows_alpha, knows_beta; /* they are estimates */
	bool refused;                          /* a, b and G are not told */
	const struct fit_isoflops *isoflops;
	struct fit_interval isoflop_interval;
};
/* "allocation" and "halving"; "isoflop", "isoflop_a" and its interval (result_allocation.c); the table for the terminal
 * (text_allocation.c). */
void write_allocation(struct writer *writer, cJSON *root, const struct allocation_view *view);
/* "points" of a budget. */
void write_budget_points(struct writer *writer, cJSON *budget, const struct fit_optimum *points, size_t count);
void write_isoflops(struct writer *writer, cJSON *root, const struct allocation_view *view);
void text_allocation(const struct allocation_view *view, struct text *out);

/* The numbers of "certificate"; warnings (result.c). */
void write_certificate(struct writer *writer, cJSON *object, const struct fit_certificate *certificate);
void write_warning_list(struct writer *writer, cJSON *root, const struct fit_warning *warnings, int count);

/* "comparison" and "shape"; the table for the terminal; the same in words, a paragraph a line (compare_words.c). */
void write_comparison(struct writer *writer, cJSON *root, const struct fit_comparison *comparison);
void compare_summary(const struct fit_comparison *comparison, struct text *out);
void compare_in_words(const struct fit_comparison *comparison, struct text *out);

#endif
