/* The coverage study: make coverage-study [tables=1000] [replicates=100] [only=flat]. Prints the table of docs/fit.md.
 *
 * Every table that was fitted is a line of FOLDER/<case>.txt, so that a study can be stopped and gone on with, and its tables
 * added to. A line holds the seed, the replicates, whether the fit converged, and for each quantity: inside, below, error,
 * error of least squares, width. */
#include "tests/coverage.h"

#include <stdlib.h>
#include <sys/stat.h>

enum {
	CHUNK = 50,  /* tables that are fitted before their lines are written */
	DRAWS = 500, /* of tables, for the error of a ratio */
};

/* Surfaces whose terms have the given sizes at the smallest N and D. */
static struct fit_surface surface(double E, double alpha, double beta, double of_N, double of_D, double N, double D) {
	return (struct fit_surface){E, of_N * pow(N, alpha), of_D * pow(D, beta), alpha, beta};
}

static bool read_row(const char *line, size_t replicates, int *seed, struct coverage_row *row) {
	int at = 0, next, converged;
	size_t with;
	if (sscanf(line, "%d %zu %d%n", seed, &with, &converged, &at) != 3 || with != replicates) return false;
	row->converged = converged;
	for (int k = 0; k < COVERED; k++) {
		int inside, below;
		double *error = &row->error[k], *squares = &row->squares[k], *width = &row->width[k];
		if (sscanf(line + at, "%d %d %lf %lf %lf%n", &inside, &below, error, squares, width, &next) != 5) return false;
		row->inside[k] = inside;
		row->below[k] = below;
		at += next;
	}
	return true;
}

static void write_row(FILE *file, size_t replicates, int seed, const struct coverage_row *row) {
	fprintf(file, "%d %zu %d", seed, replicates, row->converged);
	for (int k = 0; k < COVERED; k++)
		fprintf(
		    file, " %d %d %.9g %.9g %.9g", row->inside[k], row->below[k], row->error[k], row->squares[k],
		    row->width[k]);
	fprintf(file, "\n");
}

/* Tables 0 to `tables` of the case: those of the file, and the others. */
static void study(
    const struct coverage_case *of, const char *folder, int tables, size_t replicates, struct coverage_row *rows) {
	char path[400], line[2000];
	struct coverage_row row;
	bool *known = array_new((size_t)tables, sizeof *known);
	assert_non_null(known);
	snprintf(path, sizeof path, "%s/%s.txt", folder, of->name);
	FILE *file = fopen(path, "a+");
	if (!file) fail_msg("%s: cannot be opened", path);
	rewind(file);
	for (int seed; fgets(line, sizeof line, file);) {
		if (!read_row(line, replicates, &seed, &row) || seed < 0 || seed >= tables) continue;
		rows[seed] = row;
		known[seed] = true;
	}
	for (int from = 0; from < tables; from += CHUNK) {
		int to = from + CHUNK < tables ? from + CHUNK : tables;
		bool fresh[CHUNK] = {false};
#pragma omp parallel for schedule(dynamic)
		for (int t = from; t < to; t++) {
			fresh[t - from] = !known[t];
			if (!known[t]) coverage_of_table(of, replicates, (uint64_t)t, &rows[t]);
		}
		for (int t = from; t < to; t++)
			if (fresh[t - from]) write_row(file, replicates, t, &rows[t]);
		fflush(file);
	}
	fclose(file);
	free(known);
}

/* The median error over that of least squares, and where 90 % of it lie when tables are drawn again. */
static void print_ratio(const struct coverage_row *rows, int tables, int quantity, struct rng *rng) {
	double *own = array_new((size_t)tables, sizeof *own), *squares = array_new((size_t)tables, sizeof *squares);
	double ratio[1 + DRAWS];
	assert_true(own && squares);
	for (int draw = 0; draw <= DRAWS; draw++) {
		for (int t = 0; t < tables; t++) {
			const struct coverage_row *row = &rows[draw == 0 ? (uint64_t)t : rng_below(rng, (uint64_t)tables)];
			own[t] = row->error[quantity];
			squares[t] = row->squares[quantity];
		}
		double of_own = quantile_of(own, (size_t)tables, 0.5), of_squares = quantile_of(squares, (size_t)tables, 0.5);
		ratio[draw] = of_own == of_squares ? 1 : of_own / of_squares; /* both are 0 where E ends at its bound */
	}
	double low = quantile_of(ratio + 1, DRAWS, 0.05), high = quantile_of(ratio + 1, DRAWS, 0.95);
	printf("  %.3f (%.3f %.3f)", ratio[0], low, high);
	free(own);
	free(squares);
}

static void print_line(const char *name, const struct coverage_row *rows, int tables) {
	const struct coverage found = coverage_sum(rows, tables);
	struct rng rng = rng_make(1, "study");
	printf("%-36s", name);
	for (int k = 0; k < COVERED; k++) printf(" %5.1f", 100.0 * found.inside[k] / tables);
	printf(" %5.1f", 100.0 * found.converged / tables);
	for (int k = 0; k < COVER_RUN; k++) print_ratio(rows, tables, k, &rng);
	printf(" ");
	for (int k = 0; k < COVERED; k++) printf(" %.1f", 100.0 * found.below[k] / tables);
	printf("\n");
	fflush(stdout);
}

/* So that cells may be put together: errors in units of what least squares misses by there. */
static void scale_errors(struct coverage_row *rows, int tables) {
	const struct coverage found = coverage_sum(rows, tables);
	for (int t = 0; t < tables; t++)
		for (int k = 0; k < COVERED; k++) {
			double unit = found.squares[k] > 0 ? found.squares[k] : 1;
			rows[t].error[k] /= unit;
			rows[t].squares[k] /= unit;
		}
}

int main(int argc, char **argv) {
	int tables = argc > 1 ? atoi(argv[1]) : 1000;
	size_t replicates = argc > 2 ? (size_t)atoi(argv[2]) : 100;
	const char *only = argc > 3 ? argv[3] : "", *folder = argc > 4 ? argv[4] : "build/study";
	const double N = 1e6, D = 2e7;
	const struct {
		const char *name;
		struct fit_surface truth;
	} surfaces[] = {
	    {"chinchilla", {1.69, 406.4, 410.7, 0.34, 0.28}},
	    {"uneven", surface(0.5, 0.465, 0.155, 3, 3, N, D)},
	    {"flat", surface(0, 0.34, 0.28, 3.7, 3.7, N, D)},
	    {"degenerate", surface(1.69, 0.34, 0.28, 3.7, 0.2, N, D)}};
	const double spans[] = {2, 3, 4, 6}, noises[] = {0.001, 0.005, 0.02};
	enum { CELLS = COUNT_OF(spans) * COUNT_OF(noises) * 2 };
	(void)mkdir(folder, 0777);
	printf("%d tables a row, %zu replicates; per cent of 90 %% intervals that hold the truth\n", tables, replicates);
	printf(
	    "%-36s %5s %5s %5s %5s %5s %5s  conv  error over least squares (90 %% of it): E alpha beta a law  below: E "
	    "alpha beta a law "
	    "run\n",
	    "case", "E", "alpha", "beta", "a", "law", "run");
	omp_set_max_active_levels(1);
	struct coverage_row *rows = array_new(CELLS * (size_t)tables, sizeof *rows);
	assert_non_null(rows);
	for (size_t s = 0; s < COUNT_OF(surfaces); s++) {
		int cells = 0;
		for (size_t c = 0; c < CELLS; c++) {
			const double span = spans[c / COUNT_OF(noises) / 2], noise = noises[c / 2 % COUNT_OF(noises)];
			const enum coverage_design design = c % 2 ? DESIGN_SCATTERED : DESIGN_GRID;
			char name[80];
			snprintf(
			    name, sizeof name, "%s, %.0f decades, %.1f %%, %s", surfaces[s].name, span, 100 * noise,
			    design == DESIGN_GRID ? "grid" : "scattered");
			if (!strstr(name, only)) continue;
			const struct coverage_case of = {name, surfaces[s].truth, N, D, span, noise, design, 7};
			struct coverage_row *here = rows + (size_t)(cells++ * tables);
			study(&of, folder, tables, replicates, here);
			print_line(name, here, tables);
			scale_errors(here, tables);
		}
		char name[80];
		snprintf(name, sizeof name, "%s, all %d", surfaces[s].name, cells);
		if (cells > 1) print_line(name, rows, cells * tables);
	}
	free(rows);
	return 0;
}
