/* The coverage study: make coverage-study [tables=1000] [only=flat]. Prints the table of docs/fit.md. */
#include "tests/coverage.h"

#include <stdlib.h>

/* Surfaces whose terms have the given sizes at the smallest N and D. */
static struct fit_surface surface(double E, double alpha, double beta, double of_N, double of_D, double N, double D) {
	return (struct fit_surface){E, of_N * pow(N, alpha), of_D * pow(D, beta), alpha, beta};
}

int main(int argc, char **argv) {
	int tables = argc > 1 ? atoi(argv[1]) : 1000;
	size_t replicates = argc > 2 ? (size_t)atoi(argv[2]) : 200;
	const char *only = argc > 3 ? argv[3] : "";
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
	printf("%d tables a row, %zu replicates; per cent of 90 %% intervals that hold the truth\n", tables, replicates);
	printf(
	    "%-34s %5s %5s %5s %5s %5s %5s  conv  seconds  error over least squares: E alpha beta a law\n", "case", "E",
	    "alpha", "beta", "a", "law", "run");
	omp_set_max_active_levels(1);
	for (size_t s = 0; s < COUNT_OF(surfaces); s++)
		for (size_t d = 0; d < COUNT_OF(spans); d++)
			for (size_t n = 0; n < COUNT_OF(noises); n++)
				for (int design = DESIGN_GRID; design <= DESIGN_SCATTERED; design++) {
					char name[80];
					snprintf(
					    name, sizeof name, "%s, %.0f decades, %.1f %%, %s", surfaces[s].name, spans[d], 100 * noises[n],
					    design == DESIGN_GRID ? "grid" : "scattered");
					if (!strstr(name, only)) continue;
					const struct coverage_case of = {name, surfaces[s].truth, N, D, spans[d], noises[n], design, 7};
					double began = cpu_seconds();
					struct coverage found = coverage_of(&of, tables, replicates);
					printf("%-34s", name);
					for (int k = 0; k < COVERED; k++) printf(" %5.1f", 100.0 * found.inside[k] / tables);
					printf(" %5.1f %8.1f ", 100.0 * found.converged / tables, cpu_seconds() - began);
					for (int k = 0; k < COVER_RUN; k++) printf(" %.2f", found.error[k] / found.squares[k]);
					printf("  below");
					for (int k = 0; k < COVERED; k++) printf(" %.1f", 100.0 * found.below[k] / tables);
					printf("\n");
					fflush(stdout);
				}
	return 0;
}
