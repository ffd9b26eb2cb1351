/* search.h - where searches begin. Private to fit/. */
#ifndef RUNG_FIT_SEARCH_H
#define RUNG_FIT_SEARCH_H

#include "fit/law.h"

struct node {
	double x[MOST_PARAMETERS];
	double objective;
	bool poor; /* a start only where there are few better ones */
};

/* How the grid over the parameters that are not linear is gone through. It is cut into cells, and the best node of each
 * cell is a start. */
struct grid {
	bool fine;
	int cells;  /* at most */
	int rounds; /* of least squares at a node, reweighted towards the law's own criterion */
	int most;   /* starts, the best ones */
};
#define MOST_STARTS 25
#define FEW_STARTS 3 /* fewer say little: a law that is linear throughout has one node, and gets so many around it */

/* *thin becomes the table, or where it has many rows as many of them as it takes to find starts, picked at random; its
 * arrays stand in `work` or are the table's. Returns what is left of `work`, for search_grid. */
double *thin_table(const struct table *table, double *work, struct table *thin);

/* The starts that the grid offers to the thinned table, best first, into list (MOST_STARTS). Returns their number. */
int search_grid(
    const struct law *law, const struct table *thin, struct held held, const struct grid *grid, double *work,
    struct node *list);

#endif
