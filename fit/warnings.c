/* warnings.c - what a table cannot say, in plain words. The codes are stable; docs/formats.md lists them. */
#include "fit/approach.h"
#include "fit/law.h"
#include "fit/words.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FEW_LEVELS 3   /* a floor, a prefactor and an exponent go through three points whatever they are */
#define FEW_POINTS 10  /* twice the parameters */
#define FEW_CLUSTERS 6 /* below, intervals rest on a guess about the rungs' own errors; see fit.h */
#define NARROW_DECADES 1.0
#define TOGETHER 0.35     /* spread of ln D about its line in ln N, a factor of 1.4 */
#define TIED 0.8          /* correlation of ln N and ln D beyond which that is why the spread is small */
#define MISFIT 3.0        /* residuals over the losses' own errors */
#define WEAK_ERROR 0.35   /* standard error of an exponent over itself, with losses exact to 1 % */
#define MOVES 0.1         /* of the exponent by approach 1 over its choices */
#define RISE_ERRORS 3.0   /* by how many errors a loss must rise with D to be called rising */
#define RISE_UNKNOWN 0.01 /* the same, as a part of the loss, where no error is known */
#define OTHER_COUNT 1.10  /* C over 6 N D beyond which the two ways of counting differ */

PRINTF_LIKE(3, 4)
static void warn(struct fit *fit, const char *code, const char *format, ...) {
	if (fit->warning_count == FIT_MOST_WARNINGS) return;
	struct fit_warning *warning = &fit->warnings[fit->warning_count++];
	warning->code = code;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(warning->text, sizeof warning->text, format, arguments);
	va_end(arguments);
}

static void warn_of_rows(const struct fit_points *points, struct fit *fit) {
	size_t of[LEFT_OUT_AS_BAD + 1] = {0};
	for (size_t i = 0; i < points->left_out_count; i++) of[points->left_out[i].why]++;
	size_t bad = of[LEFT_OUT_AS_BAD], other = points->left_out_count - bad;
	static const char *const who[] = {"by the table itself", "by --where", "for the height of the loss"};
	char parts[200] = "", part[80];
	for (enum fit_why why = LEFT_OUT_BY_TABLE; why <= LEFT_OUT_AS_EXTREME; why++) {
		snprintf(part, sizeof part, "%zu %s", of[why], who[why]);
		if (of[why]) list_add(parts, sizeof parts, part);
	}
	if (other > 0) warn(fit, "left_out", "%zu row%s not used: %s.", other, other == 1 ? " was" : "s were", parts);
	if (bad > 0)
		warn(
		    fit, "bad_rows",
		    "%zu row%s could not be used and %s skipped; left_out lists them. Rows that fail are rarely "
		    "a random choice.",
		    bad, bad == 1 ? "" : "s", bad == 1 ? "was" : "were");
}

void fit_warn_of_design(struct fit *fit) {
	const struct fit_design *design = &fit->design;
	if (design->sizes == 1) {
		warn(
		    fit, "single_N",
		    "All points have one N. Nothing can be said about alpha, A or how to divide a budget; train "
		    "at least four sizes.");
	} else if (design->sizes <= FEW_LEVELS) {
		warn(
		    fit, "few_sizes",
		    "There are %d sizes. E, A and alpha can be made to pass through three sizes exactly, so %s.", design->sizes,
		    design->sizes == FEW_LEVELS ? "the form of the law in N is assumed, not tested"
		                                : "two cannot tell an exponent from a floor");
	} else if (design->decades_N < NARROW_DECADES) {
		warn(
		    fit, "narrow_N",
		    "N spans only a factor of %.3g. Over less than a decade a power law with a floor, one without "
		    "and a straight line in ln N look alike.",
		    pow(10, design->decades_N));
	}
	if (design->horizons == 1) {
		warn(
		    fit, "single_D",
		    "All points have one D. Nothing can be said about beta, B or how to divide a budget; train "
		    "every size for several token counts.");
	} else if (design->horizons <= FEW_LEVELS) {
		warn(
		    fit, "few_horizons",
		    "There are %d token counts. E, B and beta can be made to pass through three exactly, so "
		    "%s.",
		    design->horizons,
		    design->horizons == FEW_LEVELS ? "the form of the law in D is assumed, not tested"
		                                   : "two cannot tell an exponent from a floor");
	} else if (design->decades_D < NARROW_DECADES) {
		warn(
		    fit, "narrow_D",
		    "D spans only a factor of %.3g. Over less than a decade a power law with a floor, one without "
		    "and a straight line in ln D look alike.",
		    pow(10, design->decades_D));
	}
	if (design->one_line) {
		warn(
		    fit, "one_line",
		    "D is a function of N (every size has the same tokens per parameter, or nearly). Along one "
		    "line A/N^alpha and B/D^beta cannot be told apart, so no surface is fitted; train some size for "
		    "other token counts.");
	} else if (design->sizes > 1 && design->horizons > 1 && fmin(design->spread, design->spread_N) < TOGETHER) {
		char cause[96]; /* one is tied to the other, or hardly varies at all */
		bool of_D = design->spread < TOGETHER;
		if (fabs(design->correlation) >= TIED)
			snprintf(
			    cause, sizeof cause, "N and D nearly move together (correlation of their logarithms %.3f)",
			    design->correlation);
		else
			snprintf(
			    cause, sizeof cause, "%c spans only a factor of %.3g", of_D ? 'D' : 'N',
			    pow(10, of_D ? design->decades_D : design->decades_N));
		warn(
		    fit, "collinear",
		    "%s: about its line in ln %c, ln %c scatters by a factor of %.3g, less than the %.3g that it takes to tell "
		    "alpha and beta apart well.",
		    cause, of_D ? 'N' : 'D', of_D ? 'D' : 'N', exp(of_D ? design->spread : design->spread_N), exp(TOGETHER));
	}
	if (!design->surface && design->sizes >= FEW_LEVELS && design->horizons >= FEW_LEVELS && !design->one_line) {
		warn(
		    fit, "few_points", "%zu points cannot determine the five parameters of the surface; it takes six or more.",
		    design->points);
	} else if (design->points < FEW_POINTS) {
		warn(
		    fit, "few_points", "There %s only %zu point%s.", design->points == 1 ? "is" : "are", design->points,
		    design->points == 1 ? "" : "s");
	}
	if (design->sizes > 1 && fit->points->width > 0) {
		warn(
		    fit, "single_width",
		    "All models have width %.6g, so N grows with depth alone. What depth does to the loss is not what size "
		    "does: "
		    "exponents of N from such a ladder do not carry over to others; let the width grow too.",
		    fit->points->width);
	}
	size_t same = 1; /* losses like the first; a plan has none */
	for (size_t i = 1; i < fit->points->count; i++) same += fit->points->items[i].loss == fit->points->items[0].loss;
	if (design->points > 1 && same == design->points) {
		warn(
		    fit, "equal_losses", "All %zu losses are the same number, so they say nothing about N or D.",
		    design->points);
	}
	/* Where nothing above has told the cause. */
	if (fit->warning_count == 0 && fmax(design->alpha_error, design->beta_error) > WEAK_ERROR) {
		warn(
		    fit, "weak_design",
		    "Sizes and token counts lie so that even losses exact to 1 %% would leave alpha within %.0f %% and beta "
		    "within %.0f %% (standard errors): too few points off one curve, or in too few places.",
		    100 * design->alpha_error, 100 * design->beta_error);
	}
	fit->design_warnings = fit->warning_count;
}

static int by_size_and_horizon(const void *a, const void *b) {
	const struct fit_point *x = a, *y = b;
	int order = (x->N > y->N) - (x->N < y->N);
	return order ? order : (x->D > y->D) - (x->D < y->D);
}

/* A rung whose loss rises with D was not trained as the others were: diverged, memorising, or mislabelled. */
static struct error *warn_of_rises(struct fit *fit) {
	size_t n = fit->points->count, rises = 0;
	struct fit_point *sorted = array_new(n + 1, sizeof *sorted);
	if (!sorted) return error_memory(n * sizeof *sorted);
	memcpy(sorted, fit->points->items, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, by_size_and_horizon);
	const struct fit_point *worst = NULL;
	double most = 0;
	for (size_t i = 1; i < n; i++) {
		const struct fit_point *from = &sorted[i - 1], *to = &sorted[i];
		if (to->N != from->N || to->D <= from->D || to->loss <= from->loss) continue;
		double error = hypot(from->loss_error, to->loss_error);
		if (to->loss - from->loss < (isnan(error) ? RISE_UNKNOWN * from->loss : RISE_ERRORS * error)) continue;
		rises++;
		if (to->loss - from->loss > most) {
			most = to->loss - from->loss;
			worst = to;
		}
	}
	if (rises) {
		char N[HUMAN_SIZE], D[HUMAN_SIZE];
		warn(
		    fit, "loss_rises",
		    "The loss rises with D in %zu place%s, most at N = %s, D = %s (by %.3g): more tokens should "
		    "never hurt, so look at those runs.",
		    rises, rises == 1 ? "" : "s", human_count(worst->N, N), human_count(worst->D, D), most);
	}
	free(sorted);
	return NULL;
}

static void warn_of_counting(struct fit *fit) {
	double low = INFINITY, high = 0;
	for (size_t i = 0; i < fit->points->count; i++) {
		const struct fit_point *point = &fit->points->items[i];
		double ratio = point->C / (6 * point->N * point->D);
		low = fmin(low, ratio);
		high = fmax(high, ratio);
	}
	if (high / low > OTHER_COUNT || high > OTHER_COUNT || low < 1 / OTHER_COUNT) {
		warn(
		    fit, "compute_counting",
		    "C in the table is %.3g to %.3g times 6 N D. L(C) uses the table's C; the optimum and "
		    "the isoFLOP curves count C = 6 N D, for which the formulas hold.",
		    low, high);
	}
}

static const char *parameter_names[FIT_SURFACE_PARAMETERS] = {"E", "A", "B", "alpha", "beta"};

static void warn_of_surface(struct fit *fit) {
	const struct fit_surface_result *result = &fit->surface;
	const struct fit_surface *surface = &result->surface;
	if (!result->converged) {
		warn(
		    fit, "not_converged",
		    "The fit did not converge: %s. Its numbers are where the search stopped, not estimates.",
		    result->certificate.doubt);
	}
	for (int i = 0; i < FIT_SURFACE_PARAMETERS; i++) {
		if (!(result->certificate.at_bound >> i & 1)) continue;
		warn(
		    fit, "at_bound", "%s lies at a bound of the search (%.4g)%s", parameter_names[i], fit_parameter(surface, i),
		    i == 0   ? ": the best fit has no floor at all."
		    : i <= 2 ? ": its term has vanished, so its exponent has no meaning."
		             : ": the data do not determine it.");
	}
	if (fit->profiles[PROFILE_E].reaches_low) {
		warn(
		    fit, "E_not_identified",
		    "The data do not show that the loss has a floor: E = 0 fits nearly as well. All that "
		    "can be said is that E is below %.4g. More decades of N and D, or less noise, would tell.",
		    fit->intervals[0].high);
	} else if (fit->profiles[PROFILE_E].reaches_high) {
		warn(
		    fit, "E_not_identified",
		    "The data do not bound E from above: any floor between %.4g and the lowest loss "
		    "measured fits nearly as well.",
		    fit->intervals[0].low);
	}
	char wide[80] = "";
	for (int i = 0; i < FIT_SURFACE_PARAMETERS; i++) {
		if (i == 1 || i == 2) continue; /* prefactors go by their exponents; see identify in fit.c */
		struct fit_interval interval = fit->intervals[i];
		bool told = i == 0 ? fit->profiles[PROFILE_E].reaches_low || fit->profiles[PROFILE_E].reaches_high
		                   : result->certificate.at_bound >> i & 1;
		if (!told && interval.high - interval.low > fit_parameter(surface, i))
			list_add(wide, sizeof wide, parameter_names[i]);
	}
	if (*wide) {
		warn(
		    fit, "wide_interval",
		    "The 90 %% interval is wider than the estimate itself for: %s. Quote the interval, not "
		    "the number.",
		    wide);
	}
	if (fit->design.rungs < FEW_CLUSTERS && !isnan(fit->replicates.noise.point)) {
		warn(
		    fit, "few_rungs",
		    "With %d rungs the bootstrap has little to go by: errors that all points of a rung share can "
		    "hardly be told from the law, and if they are large the intervals are too narrow.",
		    fit->design.rungs);
	}
	if (fit->replicates.unfinished * 20 > fit->replicates.count) {
		warn(
		    fit, "bootstrap_unfinished", "%zu of %zu refits did not reach a point of zero slope.",
		    fit->replicates.unfinished, fit->replicates.count);
	}
}

static struct error *warn_of_misfit(struct fit *fit) {
	size_t n = fit->points->count, known = 0;
	double *errors = array_new(n + 1, sizeof *errors);
	if (!errors) return error_memory(n * sizeof *errors);
	for (size_t i = 0; i < n; i++) {
		const struct fit_point *point = &fit->points->items[i];
		if (point->loss_error > 0) errors[known++] = point->loss_error / point->loss;
	}
	double typical = quantile_of(errors, known, 0.5);
	free(errors);
	if (known * 2 > n && fit->surface.rms > MISFIT * typical) {
		warn(
		    fit, "misfit",
		    "The points lie %.2g %% from the surface, %.2g times what the losses' own errors explain: what "
		    "limits this fit is the form of the law or the tuning of the runs, not the evaluation.",
		    100 * fit->surface.rms, fit->surface.rms / typical);
	}
	return NULL;
}

static void warn_of_lack_of_fit(struct fit *fit) {
	const struct fit_lack_of_fit *lack = &fit->lack_of_fit;
	if (!lack->tested || !(lack->p < FIT_SIGNIFICANT)) return;
	warn(
	    fit, "lack_of_fit",
	    "The law misses by more than chance: runs that differ in their seed alone scatter by %.2g %%, the law misses "
	    "their means by %.2g %% more than that explains (F = %.3g, p = %.2g). The form is wrong here, or the settings "
	    "were not trained alike; more seeds will not help.",
	    100 * fit->seed_noise.sd, 100 * lack->sd, lack->ratio, lack->p);
}

static void warn_of_extrapolation(struct fit *fit) {
	const struct fit_allocation *allocation = &fit->allocation;
	double largest = 0;
	for (size_t i = 0; i < fit->points->count; i++)
		largest = fmax(largest, 6 * fit->points->items[i].N * fit->points->items[i].D);
	size_t inside = 0, outside = 0;
	for (size_t i = 0; i < allocation->count && fit->surface.converged; i++) {
		if (allocation->rows[i].optimum.C > largest) continue;
		inside++;
		outside += allocation->rows[i].extrapolated;
	}
	if (outside) {
		warn(
		    fit, "extrapolation",
		    "At %zu of the %zu budgets within the data the optimum asks for an N or D that was never "
		    "trained: there it is an extrapolation.",
		    outside, inside);
	}
	struct fit_interval by_surface = allocation->a_interval, by_isoflop = fit->isoflop_interval;
	if (by_isoflop.low > by_surface.high || by_isoflop.high < by_surface.low) {
		warn(
		    fit, "isoflop_disagrees",
		    "The isoFLOP parabolas put the exponent a at %.3f (%.3f to %.3f), the surface at %.3f (%.3f to %.3f). "
		    "Look for the reason before quoting either; parabolas lean where sizes are few, far apart or off the "
		    "minimum.",
		    fit->isoflops.a, by_isoflop.low, by_isoflop.high, allocation->a, by_surface.low, by_surface.high);
	}
	size_t edges = 0;
	for (size_t i = 0; i < fit->isoflops.count; i++) edges += fit->isoflops.items[i].edge;
	if (edges) {
		warn(
		    fit, "isoflop_edge",
		    "On %zu of %zu isoFLOP curves the lowest loss is that of the smallest or the largest size: "
		    "the minimum lies outside, and they are not used for the exponent.",
		    edges, fit->isoflops.count);
	}
}

/* What the design leaves open is no estimate, however small the search has made the objective. */
static void refuse(struct fit *fit) {
	const struct fit_design *design = &fit->design;
	const char *impossible = design->sizes == 1              ? "all points have one N"
	                         : design->horizons == 1         ? "all points have one D"
	                         : design->one_line              ? "D is a function of N"
	                         : design->sizes < FEW_LEVELS    ? "there are fewer than three sizes"
	                         : design->horizons < FEW_LEVELS ? "there are fewer than three token counts"
	                                                         : "there are fewer than six points";
	for (int i = 0; i <= FIT_SURFACE_PARAMETERS; i++) {
		bool identified = i < FIT_SURFACE_PARAMETERS ? fit->identified[i] : fit->identified_a;
		if (!fit->fitted)
			fit->refused[i] = impossible;
		else if (fit->design_warnings > 0 && !identified)
			fit->refused[i] = fit->warnings[0].code;
	}
}

static void warn_of_approaches(struct fit *fit) {
	if (!fit->approaches) return;
	const struct approach1 *first = &fit->approaches->first;
	if (first->choice_count > 0 && first->high - first->low > MOVES) {
		warn(
		    fit, "envelope_moves",
		    "Approach 1 puts the exponent a at %.3f, but at %.3f to %.3f with other sizes, runs or ways to take the "
		    "edge: "
		    "it says more about the choice than about the models.",
		    first->choices[0].N.slope, first->low, first->high);
	}
	const struct approach2 *second = &fit->approaches->second;
	size_t edges = 0;
	for (size_t b = 0; b < second->budgets.count; b++) edges += second->found[BY_AKIMA][b].edge;
	if (edges > 0 && fit->isoflops.count == 0) {
		warn(
		    fit, "isoflop_edge",
		    "At %zu of %zu budgets the lowest loss is that of the smallest or the largest size: the minimum lies "
		    "outside, "
		    "and they are not used for the exponent.",
		    edges, second->budgets.count);
	}
}

struct error *fit_warn(struct fit *fit) {
	fit_warn_of_design(fit);
	refuse(fit);
	warn_of_rows(fit->points, fit);
	TRY(warn_of_rises(fit));
	bool common = false;
	for (int i = 0; i < fit->curve_count; i++) common = common || fit->curves[i].variable == FIT_N;
	if (!common && fit->design.sizes >= FEW_LEVELS) {
		warn(fit, "no_common_D", "There is no D that all sizes were trained for, so there is no law of N alone.");
	}
	if (fit->fitted) {
		warn_of_surface(fit);
		TRY(warn_of_misfit(fit));
		warn_of_lack_of_fit(fit);
		warn_of_extrapolation(fit);
		if (!fit->prediction.made) {
			warn(
			    fit, "no_prediction", "The largest rung cannot be predicted from the smaller ones: %s.",
			    fit->prediction.reason);
		}
	}
	warn_of_counting(fit);
	warn_of_approaches(fit);
	return NULL;
}
