/* mixture.c - the distribution of a loss that has not been measured, and how well it did once it has. */
#include "fit/forecast.h"
#include "fit/numeric.h"

#include <math.h>
#include <stdlib.h>

#define FAR 40 /* standard deviations beyond which no double sees a normal distribution */

struct error *mixture_new(struct mixture *mixture, size_t count) {
	*mixture = (struct mixture){.count = count};
	mixture->center = array_new(2 * count + 1, sizeof(double));
	if (!mixture->center) return error_memory(2 * count * sizeof(double));
	mixture->spread = mixture->center + count;
	return NULL;
}

void mixture_free(struct mixture *mixture) {
	free(mixture->center);
	*mixture = (struct mixture){0};
}

/* P(ln L <= y). */
static double log_below(const struct mixture *mixture, double y) {
	double sum = 0;
	for (size_t i = 0; i < mixture->count; i++) {
		double from = y - mixture->center[i];
		sum += mixture->spread[i] > 0 ? normal_below(from / mixture->spread[i]) : from >= 0;
	}
	return sum / (double)mixture->count;
}

double mixture_below(const struct mixture *mixture, double loss) {
	return log_below(mixture, log(loss));
}

double mixture_quantile(const struct mixture *mixture, double probability) {
	double low = INFINITY, high = -INFINITY;
	for (size_t i = 0; i < mixture->count; i++) {
		low = fmin(low, mixture->center[i] - FAR * mixture->spread[i]);
		high = fmax(high, mixture->center[i] + FAR * mixture->spread[i]);
	}
	/* P(ln L <= high) >= probability throughout. A single certain loss is found at once. */
	for (int round = 0; round < 200; round++) {
		double middle = low + (high - low) / 2;
		if (middle <= low || middle >= high) break;
		*(log_below(mixture, middle) < probability ? &low : &high) = middle;
	}
	return exp(high);
}

struct fit_interval mixture_interval(const struct mixture *mixture, double level) {
	return (struct fit_interval){
	    mixture_quantile(mixture, (1 - level) / 2), mixture_quantile(mixture, (1 + level) / 2)};
}

double mixture_mean(const struct mixture *mixture) {
	double sum = 0;
	for (size_t i = 0; i < mixture->count; i++) sum += mixture->center[i];
	return sum / (double)mixture->count;
}

double mixture_deviation(const struct mixture *mixture) {
	double mean = mixture_mean(mixture), squares = 0;
	for (size_t i = 0; i < mixture->count; i++) {
		double from = mixture->center[i] - mean;
		squares += from * from + mixture->spread[i] * mixture->spread[i];
	}
	return sqrt(squares / (double)mixture->count);
}

double mixture_z(const struct mixture *mixture, double loss) {
	double from = log(loss) - mixture_mean(mixture);
	return from == 0 ? 0 : from / mixture_deviation(mixture);
}

/* 2 Phi(x) - 1 without the loss of digits near 0. */
static double between(double x) {
	return erf(x / sqrt(2));
}

/* E L of part i. */
static double mean_of(const struct mixture *mixture, size_t i) {
	return exp(mixture->center[i] + mixture->spread[i] * mixture->spread[i] / 2);
}

/* E|L - loss| of part i. */
static double distance_to(const struct mixture *mixture, size_t i, double loss) {
	double spread = mixture->spread[i], mean = mean_of(mixture, i);
	if (spread == 0) return fabs(mean - loss);
	double w = (log(loss) - mixture->center[i]) / spread;
	return loss * between(w) - mean * between(w - spread);
}

/* E|L - L'| of independent draws from parts i and j. */
static double distance(const struct mixture *mixture, size_t i, size_t j, double mean_i) {
	double vi = mixture->spread[i] * mixture->spread[i], vj = mixture->spread[j] * mixture->spread[j];
	double s = sqrt(vi + vj), apart = mixture->center[i] - mixture->center[j], mean_j = mean_of(mixture, j);
	if (s == 0) return fabs(mean_i - mean_j);
	return mean_i * between((apart + vi) / s) + mean_j * between((vj - apart) / s);
}

double mixture_crps(const struct mixture *mixture, double loss) {
	size_t n = mixture->count;
	double to_loss = 0, among = 0; /* among: half the sum over all pairs */
	for (size_t i = 0; i < n; i++) {
		double mean = mean_of(mixture, i), row = distance(mixture, i, i, mean) / 2;
		for (size_t j = 0; j < i; j++) row += distance(mixture, i, j, mean);
		among += row;
		to_loss += distance_to(mixture, i, loss);
	}
	double score = (to_loss - among / (double)n) / (double)n;
	return isfinite(score) ? fmax(0, score) : INFINITY;
}
