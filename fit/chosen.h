/* chosen.h - one law, any of them, fitted to a table as the user says: rung fit --law NAME. Private to fit/. */
#ifndef RUNG_FIT_CHOSEN_H
#define RUNG_FIT_CHOSEN_H

#include "fit/law.h"

struct chosen_parameter {
	const char *name;
	double value; /* as published */
	bool held;    /* by --fix, or tied to another by --tied */
	bool at_bound;
	/* Refits of the bootstrap, the central FIT_LEVEL; NaN when held or not asked for. */
	struct fit_interval interval;
	/* Where the objective, minimised over the other parameters, rises by no more than what independent normal errors
	 * would explain at FIT_LEVEL (fit_profile in fit.h). An end that was not found within a factor of FIT_OPEN, or within
	 * the box of the search, is open: 0 or INFINITY for positive parameters. NaN for the asymmetric objective. */
	struct fit_interval profile;
	bool flat; /* the profile's ends lie more than a factor of FLAT_PROFILE apart, or one of them is open */
	bool identified;
};
#define FIT_OPEN 1e4
#define FLAT_PROFILE 4.0

/* A place that the user asks about, or a row that the table leaves out. */
struct chosen_prediction {
	double N, D, C, U; /* U: unique tokens, D where unknown */
	double predicted;
	struct fit_interval mean[FIT_OUTLOOK_LEVELS], measurement[FIT_OUTLOOK_LEVELS]; /* of the law, and of one new run */
	double loss;                                                                   /* measured; NaN when it is not */
	const char *id;
	size_t line; /* 0: asked for */
};

struct chosen {
	struct law law; /* bound to the table */
	struct fit_method method;
	struct selection selection;
	struct table table;
	struct solution solution, published; /* the second with FIT_DELTA */
	bool adapted;                        /* delta was chosen by the misses */
	struct fit_certificate certificate;
	bool converged;
	struct chosen_parameter parameters[MOST_PARAMETERS];
	int count;
	double objective, rms;
	struct fit_noise noise; /* NaN without a degree of freedom */
	struct resamples resamples;
	double threshold; /* of the profiles */
	bool has_optimum, knows_alpha,
	    knows_beta; /* laws with a term in each of N and D: then the next three hold something */
	struct fit_allocation allocation;
	struct fit_isoflops isoflops;
	struct fit_interval isoflop_interval;
	struct chosen_prediction *predictions; /* what was asked for, then what was left out */
	size_t prediction_count;
	struct fit_design design;
	struct fit_comparison comparison;
	struct fit_warning warnings[FIT_MOST_WARNINGS];
	int warning_count;
};

struct chosen_options {
	struct fit_method method;
	enum fit_variable variable; /* of laws of one variable */
	bool all;                   /* they take every point */
	const double *unique;       /* of every point; NULL: not known */
	const double *left_unique;  /* of every row left out */
	const struct fit_options *how;
};

/* ERROR_USAGE for laws and parameters that there are not, ERROR_DATA when the points cannot determine the law, naming what
 * is missing. `points` must outlive the result; chosen_free must follow a success. */
MUST_CHECK struct error *chosen_fit(
    const struct fit_points *points, const struct chosen_options *options, struct chosen *chosen);
/* The same without intervals, predictions, comparison and warnings; options->how is not looked at. */
MUST_CHECK struct error *chosen_solve(
    const struct fit_points *points, const struct chosen_options *options, struct chosen *chosen);
void chosen_free(struct chosen *chosen);

/* The loss at a place, of published parameters in centred coordinates x. */
double chosen_loss(const struct chosen *chosen, const double *x, double N, double D, double C, double U);

/* The law of that name; ERROR_USAGE lists the names. */
MUST_CHECK struct error *law_named(const char *name, const struct law **law);
/* --law help: names, formulas, parameters, papers. */
void laws_help(struct text *out);

MUST_CHECK struct error *chosen_to_json(const struct chosen *chosen, cJSON **root);
void chosen_summary(const struct chosen *chosen, const char *source, struct text *out);

/* The door of rung fit --law NAME (cmd_law.c): prints the result, and writes it to `out` unless that is NULL. */
struct law_options {
	const char *path, *out;
	struct fit_input input;
	const char *law, *objective, *unique; /* unique: NULL where not given */
	double delta, over, under;            /* 0 where not given */
	bool tied, json;
	const struct option_list *fix;
	const struct fit_options *how;
};
/* Do the options ask for another law than Chinchilla's with all of its parameters free, or for bounds instead of a middle? */
bool law_is_chosen(const struct law_options *options);
/* What is to be made least. ERROR_USAGE for a name that there is not, and for options of another objective. */
MUST_CHECK struct error *law_options_objective(const struct law_options *options, struct fit_method *method);
MUST_CHECK struct error *law_command(const struct law_options *options);

/* Chinchilla's surface with the parameters of the law; false where it is not a part of it. The optimum by it, and what isoFLOP
 * curves say (chosen_allocation.c). */
bool chosen_surface(const struct chosen *chosen, const double *published, struct fit_surface *surface);
MUST_CHECK struct error *chosen_allocate(struct chosen *chosen, const struct fit_options *how);

/* Profile intervals of the free parameters (chosen_profile.c). */
MUST_CHECK struct error *chosen_profiles(struct chosen *chosen);

#endif
