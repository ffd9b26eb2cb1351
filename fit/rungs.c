/* rungs.c - which rows belong together: clusters that may share errors, and repeats that differ in their seed. */
#include "fit/input.h"

#include <stdlib.h>
#include <string.h>

#define SAME_N 1e-9 /* relative: a count printed in other units is still the same count */

struct member {
	size_t point;
	double N;         /* of the point; when groups are named, the smallest of its group */
	const char *name; /* NULL: the group is the N */
};

static int by_name(const void *a, const void *b) {
	const struct member *x = a, *y = b;
	int order = x->name && y->name ? strcmp(x->name, y->name) : 0;
	return order ? order : (x->N > y->N) - (x->N < y->N);
}

static int by_size(const void *a, const void *b) {
	const struct member *x = a, *y = b;
	int order = (x->N > y->N) - (x->N < y->N);
	return order || !x->name ? order : strcmp(x->name, y->name);
}

struct error *number_rungs(struct fit_points *points, const char *const *names) {
	struct member *members = array_new(points->count + 1, sizeof *members);
	if (!members) return error_memory(points->count * sizeof *members);
	for (size_t i = 0; i < points->count; i++)
		members[i] = (struct member){.point = i, .N = points->items[i].N, .name = names ? names[i] : NULL};
	if (names) {
		qsort(members, points->count, sizeof *members, by_name);
		for (size_t i = 1; i < points->count; i++)
			if (strcmp(members[i].name, members[i - 1].name) == 0) members[i].N = members[i - 1].N;
	}
	qsort(members, points->count, sizeof *members, by_size);
	points->rungs = 0;
	for (size_t i = 0; i < points->count; i++) {
		bool same = i > 0 && (names ? strcmp(members[i].name, members[i - 1].name) == 0
		                            : members[i].N <= members[i - 1].N * (1 + SAME_N));
		if (!same) points->rungs++;
		points->items[members[i].point].rung = points->rungs - 1;
	}
	free(members);
	return NULL;
}

struct error *points_kept(const struct fit_points *points, const bool *kept, struct fit_points *rest) {
	*rest = (struct fit_points){.seeds = points->seeds};
	rest->items = array_new(points->count + 1, sizeof *rest->items);
	int *number = array_new((size_t)points->rungs + 1, sizeof *number); /* the new one and 1; 0: none yet */
	if (!rest->items || !number) {
		free(number);
		fit_points_free(rest);
		return error_memory(points->count * sizeof *rest->items);
	}
	for (size_t i = 0; i < points->count; i++) {
		if (!kept[i]) continue;
		struct fit_point *point = &rest->items[rest->count++];
		*point = points->items[i];
		if (number[point->rung] == 0) number[point->rung] = ++rest->rungs;
		point->rung = number[point->rung] - 1;
	}
	free(number);
	return NULL;
}

struct error *number_seeds(struct fit_points *points, const char *const *seeds) {
	struct member *members = array_new(points->count + 1, sizeof *members);
	size_t known = 0;
	if (!members) return error_memory(points->count * sizeof *members);
	for (size_t i = 0; i < points->count; i++) {
		points->items[i].seed = -1;
		if (seeds && *seeds[i]) members[known++] = (struct member){.point = i, .name = seeds[i]};
	}
	qsort(members, known, sizeof *members, by_name);
	points->seeds = 0;
	for (size_t k = 0; k < known; k++) {
		if (k == 0 || strcmp(members[k].name, members[k - 1].name) != 0) points->seeds++;
		points->items[members[k].point].seed = points->seeds - 1;
	}
	free(members);
	return NULL;
}
