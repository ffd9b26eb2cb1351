/* result.h - sections of fit.json and of the summary that stand in files of their own. Private to fit/. */
#ifndef RUNG_FIT_RESULT_H
#define RUNG_FIT_RESULT_H

#include "fit/fit.h"
#include "fit/writer.h"

/* "seed_noise" and "lack_of_fit", null where there are no replicates; "predictions" (result_uncertainty.c). */
void result_chance(struct writer *writer, cJSON *root, const struct fit *fit);
void result_outlooks(struct writer *writer, cJSON *root, const struct fit *fit);

/* The same for the terminal (text_uncertainty.c). */
void text_chance(const struct fit *fit, struct text *out);
void text_outlooks(const struct fit *fit, struct text *out);

#endif
