/* regression.c - straight lines in logarithms, with an interval for the slope. */
#include "fit/approach.h"

#include "fit/numeric.h"

#include <math.h>

void regress_logs(const double *x, const double *y, const double *weight, size_t count, struct regression *line) {
	*line =
	    (struct regression){.slope = NAN, .intercept = NAN, .slope_interval = {NAN, NAN}, .rms = NAN, .count = count};
	/* Twice over the rows: centred sums keep the digits that sums of squares of ln 1e24 would lose. */
	double total = 0, mean_x = 0, mean_y = 0, xx = 0, xy = 0, squares = 0;
	for (size_t i = 0; i < count; i++) {
		double w = weight ? weight[i] : 1;
		total += w;
		mean_x += w * log(x[i]);
		mean_y += w * log(y[i]);
	}
	mean_x /= total;
	mean_y /= total;
	for (size_t i = 0; i < count; i++) {
		double w = weight ? weight[i] : 1, u = log(x[i]) - mean_x, v = log(y[i]) - mean_y;
		xx += w * u * u;
		xy += w * u * v;
	}
	if (count < 2 || !(xx > 1e-20 * total)) return; /* the same x to rounding */
	line->slope = xy / xx;
	line->intercept = mean_y - line->slope * mean_x;
	for (size_t i = 0; i < count; i++) {
		double residual = log(y[i]) - mean_y - line->slope * (log(x[i]) - mean_x);
		squares += (weight ? weight[i] : 1) * residual * residual;
	}
	line->rms = sqrt(squares / total);
	if (count < 3) return;
	double freedom = (double)count - 2, error = sqrt(squares / freedom / xx);
	double reach = error * student_quantile(0.5 + FIT_LEVEL / 2, freedom);
	line->slope_interval = (struct fit_interval){line->slope - reach, line->slope + reach};
}

double regression_at(const struct regression *line, double x) {
	return exp(line->intercept + line->slope * log(x));
}
