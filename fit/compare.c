/* compare.c - all laws on the same points: likelihood, errors on points not seen, and what would tell them apart. */
#include "fit/input.h"
#include "fit/law.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_FOLDS 12
#define LEAST_RUNGS 3    /* smaller ones that a surface is fitted to before it predicts the next */
#define LEAST_FRONTIER 5 /* the same, of points, for a law of one variable: one more than those with four parameters */
#define PRETENDED 60     /* places that stand for the table where it has more points */
#define ROUNDING 1e-13   /* misses below this are none */
#define MOST_FURTHER 400 /* places beyond the table */

/* ------------------------------------------------------------------------------------------------- likelihood --- */

/* ln of the integral of exp(-huber(r) / s) over all r. */
static double log_partition(double s, double delta) {
	double middle = sqrt(2 * M_PI * s) * erf(delta / sqrt(2 * s)), tails = 2 * s / delta * exp(-delta * delta / 2 / s);
	return log(middle + tails);
}

/* -2 ln of the largest likelihood when the sum of rho over n rows is `sum`. */
static double deviance(const struct criterion *criterion, double sum, double n) {
	if (criterion->kind == OBJECTIVE_ASYMMETRIC) {
		double s = fmax(sum / n, ROUNDING);
		return 2 * n * (1 + log(s * (1 / criterion->over + 1 / criterion->under)));
	}
	sum = fmax(sum, n * ROUNDING * ROUNDING / 2);
	if (criterion->kind != OBJECTIVE_HUBER) return n * (log(2 * M_PI * 2 * sum / n) + 1);
	/* Golden section over ln s, between the scales that it would have if all rows were in the middle or in the tails. */
	const double golden = 0.6180339887498949;
	double delta = criterion->delta, low = log(sum / n) - 3, high = log(fmax(2 * sum / n, sum / n + delta * delta)) + 3;
	for (int round = 0; round < 100; round++) {
		double left = high - golden * (high - low), right = low + golden * (high - low);
		bool rises = sum / exp(left) + n * log_partition(exp(left), delta) <=
		             sum / exp(right) + n * log_partition(exp(right), delta);
		*(rises ? &high : &low) = rises ? right : left;
	}
	double s = exp((low + high) / 2);
	return 2 * (sum / s + n * log_partition(s, delta));
}

static double aicc_of(const struct law *law, const struct table *table, const double *x) {
	double n = 0, K = law_free(law) + 1, sum = law_sum(law, table, law->criterion.delta, x, NULL, NULL);
	for (size_t i = 0; i < table->count; i++) n += table->weight[i];
	if (law->criterion.kind == OBJECTIVE_ASYMMETRIC) sum = law_objective(law, table, x);
	if (n - K - 1 < 1) return NAN;
	return deviance(&law->criterion, sum, n) + 2 * K + 2 * K * (K + 1) / (n - K - 1);
}

/* -------------------------------------------------------------------------------------------------------- folds --- */

/* The rows of a table in blocks, once for leaving them out in turn and once for a rolling origin. */
enum { LEFT_OUT, ROLLING, WAYS };
struct folds {
	int blocks[WAYS];
	int *block[WAYS]; /* (rows) ascending in size */
	int least;        /* blocks that a rolling origin begins with */
	int distinct;     /* values of each variable that must be left */
};

/* What one fold of one law came to. */
struct fold {
	int contender, way, block;
	double squares, rows; /* of the misses, weighted */
	bool made;
};

static bool in_training(const struct fold *fold, int block) {
	return fold->way == ROLLING ? block < fold->block : block != fold->block;
}

/* Distinct values of variable k among rows of weight above zero, no more than `enough`. */
static int distinct_values(const struct table *table, const double *weight, int k, int enough) {
	double seen[MOST_PARAMETERS];
	int count = 0;
	for (size_t i = 0; i < table->count && count < enough; i++) {
		double u = table->u[i * (size_t)table->variables + (size_t)k];
		bool known = weight[i] == 0;
		for (int j = 0; j < count && !known; j++) known = fabs(seen[j] - u) < 1e-9;
		if (!known) seen[count++] = u;
	}
	return count;
}

/* Fits the law without the fold's block and sums up how it misses it. `work` holds rows + law_work_size. */
static void run_fold(
    const struct law *law, const struct table *table, const struct folds *folds, const double *x, double *work,
    struct fold *fold) {
	struct table training = *table;
	const int *block = folds->block[fold->way];
	training.weight = work;
	size_t rows = 0;
	for (size_t i = 0; i < table->count; i++) {
		training.weight[i] = in_training(fold, block[i]) ? table->weight[i] : 0;
		rows += training.weight[i] > 0;
	}
	if (rows <= (size_t)law_free(law)) return;
	for (int k = 0; k < law->variables; k++)
		if (distinct_values(&training, training.weight, k, folds->distinct) < folds->distinct) return;
	struct solution solution;
	law_refit(law, &training, HELD_NONE, x, 1, GRID_FEW, work + table->count, &solution);
	if (!isfinite(solution.objective)) return;
	for (size_t i = 0; i < table->count; i++) {
		if (block[i] != fold->block) continue;
		double loss = law->predict(solution.x, table->u + i * (size_t)table->variables, NULL, NULL);
		double r = loss > 0 ? log(loss) - table->y[i] : INFINITY;
		fold->squares += table->weight[i] * r * r;
		fold->rows += table->weight[i];
	}
	fold->made = fold->rows > 0;
}

/* ---------------------------------------------------------------------------------------------------- contest --- */

/* Laws on one table. */
struct contender {
	struct law law;
	struct solution solution;
};

struct contest {
	struct contender *contenders; /* (count) */
	int count;
	struct table table;
	struct folds folds;
	struct fold *runs; /* (count, WAYS, MOST_FOLDS) */
};

static void contest_free(struct contest *contest) {
	free(contest->contenders);
	for (int way = 0; way < WAYS; way++) free(contest->folds.block[way]);
	free(contest->runs);
	table_free(&contest->table);
}

static struct fold *fold_at(const struct contest *contest, int contender, int way, int block) {
	return &contest->runs[(contender * WAYS + way) * MOST_FOLDS + block];
}

static struct error *run_folds(struct contest *contest) {
	int count = contest->count * WAYS * MOST_FOLDS;
	size_t most = 0;
	for (int c = 0; c < contest->count; c++) {
		size_t size = law_work_size(&contest->contenders[c].law, &contest->table) / sizeof(double);
		if (size > most) most = size;
	}
	contest->runs = array_new((size_t)count + 1, sizeof *contest->runs);
	size_t stride = contest->table.count + most;
	double *work = array_new(stride * (size_t)count + 1, sizeof *work);
	if (!contest->runs || !work) {
		free(work);
		return error_memory(stride * (size_t)count * sizeof *work);
	}
#pragma omp parallel
	{
		machine_flush_denormals(); /* as in the main thread, or the last bits would depend on who does the work */
#pragma omp for schedule(dynamic)
		for (int k = 0; k < count; k++) {
			struct fold *fold = &contest->runs[k];
			fold->contender = k / (WAYS * MOST_FOLDS);
			fold->way = k / MOST_FOLDS % WAYS;
			fold->block = k % MOST_FOLDS;
			const struct contender *contender = &contest->contenders[fold->contender];
			if (fold->block >= contest->folds.blocks[fold->way]) continue;
			if (fold->way == ROLLING && fold->block < contest->folds.least) continue;
			run_fold(
			    &contender->law, &contest->table, &contest->folds, contender->solution.x, work + stride * (size_t)k,
			    fold);
		}
	}
	free(work);
	return NULL;
}

/* The root mean square over the folds that this law and `other` (-1: none) have made. */
static double error_of(const struct contest *contest, int contender, int other, int way, int *folds) {
	double squares = 0, rows = 0;
	*folds = 0;
	for (int b = 0; b < contest->folds.blocks[way]; b++) {
		const struct fold *fold = fold_at(contest, contender, way, b);
		if (!fold->made || (other >= 0 && !fold_at(contest, other, way, b)->made)) continue;
		squares += fold->squares;
		rows += fold->rows;
		(*folds)++;
	}
	return rows > 0 ? sqrt(squares / rows) : NAN;
}

/* One delta for all, or their likelihoods could not be compared: where it is to be chosen, the one that the misses of the law
 * ask for which misses least. */
static struct error *adapt(struct contest *contest) {
	struct misses least = {.scale = INFINITY}, misses;
	if (contest->count == 0 || !contest->contenders[0].law.criterion.adapts) return NULL;
	for (int c = 0; c < contest->count; c++) {
		const struct contender *contender = &contest->contenders[c];
		TRY(law_misses(&contender->law, &contest->table, contender->solution.x, &misses));
		if (misses.scale < least.scale) least = misses; /* not NaN: no degree of freedom */
	}
	for (int c = 0; c < contest->count; c++) {
		struct contender *contender = &contest->contenders[c];
		contender->law.criterion.delta = delta_for(least);
		TRY(law_solve(&contender->law, &contest->table, HELD_NONE, &contender->solution));
	}
	return NULL;
}

/* Solves every law, runs the folds and appends a line for each. */
static struct error *run_contest(struct contest *contest, struct fit_comparison *comparison) {
	int first = comparison->count;
	for (int c = 0; c < contest->count; c++)
		TRY(law_solve(&contest->contenders[c].law, &contest->table, HELD_NONE, &contest->contenders[c].solution));
	TRY(adapt(contest));
	TRY(run_folds(contest));
	double lowest = INFINITY;
	for (int c = 0; c < contest->count && comparison->count < FIT_MOST_COMPARED; c++) {
		const struct contender *contender = &contest->contenders[c];
		const struct law *law = &contender->law;
		struct fit_certificate certificate;
		law_certify(law, &contest->table, &contender->solution, &certificate);
		struct fit_compared *line = &comparison->laws[comparison->count++];
		*line = (struct fit_compared){
		    .law = law->name,
		    .of_both = law->variables > 1,
		    .parameters = law_free(law),
		    .points = contest->table.count,
		    .objective = law_objective(law, &contest->table, contender->solution.x),
		    .rms = law_rms(law, &contest->table, contender->solution.x),
		    .aicc = aicc_of(law, &contest->table, contender->solution.x),
		    .converged = !certificate.doubt,
		    .doubt = certificate.doubt};
		line->left_out = error_of(contest, c, -1, LEFT_OUT, &line->left_out_folds);
		line->rolling = error_of(contest, c, -1, ROLLING, &line->rolling_folds);
		if (line->converged && line->aicc < lowest) lowest = line->aicc;
	}
	for (int k = first; k < comparison->count; k++)
		comparison->laws[k].above = isfinite(lowest) ? comparison->laws[k].aicc - lowest : NAN;
	return NULL;
}

/* The laws of that kind which the table has enough rows for. `rows` is the number of distinct places. */
static struct error *enter(
    struct contest *contest, const struct fit_method *method, bool both, bool repeats, size_t rows) {
	contest->contenders = array_new(FIT_MOST_COMPARED, sizeof *contest->contenders);
	if (!contest->contenders) return error_memory(FIT_MOST_COMPARED * sizeof *contest->contenders);
	struct fit_method plain = *method;
	plain.held_count = 0;
	plain.tied = false;
	for (int l = 0; law_at(l); l++) {
		const struct law *law = law_at(l);
		bool fits =
		    both ? law->domain == LAW_OF_BOTH || (repeats && law->domain == LAW_OF_REPEATS) : law->domain == LAW_OF_ONE;
		if (!fits || rows <= (size_t)law_parameters(law)) continue;
		TRY(law_bind(law, &plain, &contest->table, &contest->contenders[contest->count++].law));
	}
	return NULL;
}

/* Blocks of neighbouring rungs, or of neighbouring rows, twelve at most. Rungs are numbered by size. */
static struct error *make_blocks(const struct selection *selection, bool by_rung, int way, struct folds *folds) {
	size_t n = selection->count, levels = 0;
	int rungs = selection->points->rungs;
	int *block = array_new(n + 1, sizeof *block), *level = array_new((size_t)rungs + 1, sizeof *level);
	folds->block[way] = block;
	if (!block || !level) {
		free(level);
		return error_memory((n + (size_t)rungs) * sizeof *block);
	}
	for (size_t i = 0; i < n; i++) level[selection->points->items[selection->rows[i]].rung] = 1;
	for (int r = 0; r < rungs; r++)
		if (level[r]) level[r] = (int)++levels; /* rungs that have a row, numbered from 1 */
	if (!by_rung) levels = n;
	folds->blocks[way] = levels < MOST_FOLDS ? (int)levels : MOST_FOLDS;
	for (size_t i = 0; i < n; i++) {
		size_t at = by_rung ? (size_t)level[selection->points->items[selection->rows[i]].rung] - 1 : i;
		block[i] = (int)(at * (size_t)folds->blocks[way] / levels);
	}
	free(level);
	return NULL;
}

static struct error *compare_surfaces(
    const struct fit_points *points, const struct fit_method *method, const double *unique,
    struct fit_comparison *comparison) {
	struct contest contest = {0};
	struct selection selection;
	TRY(select_rows(points, FIT_N, true, &selection));
	/* With unique tokens the widest table serves the laws of two variables too: they look at the first two. */
	struct error *error =
	    selection_table(&selection, unique ? &law_muennighoff : &law_chinchilla, unique, &contest.table);
	if (!error) error = enter(&contest, method, true, unique != NULL, selection.count);
	for (int way = 0; way < WAYS && !error; way++) error = make_blocks(&selection, true, way, &contest.folds);
	contest.folds.least = LEAST_RUNGS;
	contest.folds.distinct = 3;
	if (!error) error = run_contest(&contest, comparison);
	contest_free(&contest);
	selection_free(&selection);
	return error;
}

/* ----------------------------------------------------------------------------------------------- power law or S --- */

static bool is_power(const struct law *law) {
	return law->predict == law_power.predict || law->predict == law_power_floor.predict;
}

static bool has_scale(const struct law *law) {
	return law->predict == law_exponential.predict || law->predict == law_stretched.predict ||
	       law->predict == law_logistic.predict;
}

/* Places in ln x like those of the table, and then `further` more at the same spacing. */
static struct error *pretend(const struct table *table, int further, double *spacing, struct table *pretended) {
	int now = table->count < PRETENDED ? (int)table->count : PRETENDED, count = now + further;
	double low = table->least_u[0], high = table->most_u[0], weight = (double)table->count / now;
	*spacing = (high - low) / (now - 1);
	*pretended = *table;
	pretended->count = (size_t)count;
	pretended->most_u[0] = high + further * *spacing;
	pretended->u = array_new((size_t)count, sizeof(double));
	pretended->y = array_new((size_t)count, sizeof(double));
	pretended->weight = array_new((size_t)count, sizeof(double));
	pretended->group = array_new((size_t)count, sizeof(int));
	if (!pretended->u || !pretended->y || !pretended->weight || !pretended->group) {
		table_free(pretended);
		return error_memory((size_t)count * 3 * sizeof(double));
	}
	for (int i = 0; i < count; i++) {
		pretended->u[i] = low + i * *spacing;
		pretended->weight[i] = weight;
	}
	return NULL;
}

/* How far `other` misses what `truth` gives at the table's places and `further` more, in units of the noise. */
static struct error *detection(
    const struct table *table, const struct contender *truth, const struct contender *other, double noise, int further,
    double *misses) {
	struct table pretended;
	double spacing;
	TRY(pretend(table, further, &spacing, &pretended));
	struct law law = other->law;
	law.criterion.kind = OBJECTIVE_LOG_SQUARES;
	for (size_t i = 0; i < pretended.count; i++)
		pretended.y[i] = log(truth->law.predict(truth->solution.x, pretended.u + i, NULL, NULL));
	struct error *error = NULL;
	struct solution solution;
	double *work = array_new(1, law_work_size(&law, &pretended));
	if (!work) error = error_memory(law_work_size(&law, &pretended));
	if (!error) {
		law_refit(&law, &pretended, HELD_NONE, other->solution.x, 1, GRID_FEW, work, &solution);
		*misses = 2 * solution.objective / (noise * noise);
	}
	free(work);
	table_free(&pretended);
	return error;
}

static struct error *decades_needed(
    const struct table *table, const struct contender *truth, const struct contender *other, double noise,
    double *decades) {
	struct table ignored;
	double spacing, misses;
	if (!(noise > ROUNDING)) return NULL; /* not known: there is none */
	TRY(pretend(table, 0, &spacing, &ignored));
	table_free(&ignored);
	int most = (int)fmin(MOST_FURTHER, FIT_MOST_DECADES * log(10) / spacing), low = -1, high = 0;
	*decades = INFINITY;
	for (;;) { /* doubling, and then halving the gap */
		TRY(detection(table, truth, other, noise, high, &misses));
		if (misses >= FIT_DETECTION) break;
		if (high >= most) return NULL;
		low = high;
		high = high == 0 ? 1 : 2 * high < most ? 2 * high : most;
	}
	while (high - low > 1) {
		int middle = low + (high - low) / 2;
		TRY(detection(table, truth, other, noise, middle, &misses));
		*(misses >= FIT_DETECTION ? &high : &low) = middle;
	}
	*decades = high * spacing / log(10);
	return NULL;
}

/* The contender of lowest AICc among those that converged and are of that kind; -1: none. */
static int best_of(
    const struct contest *contest, const struct fit_compared *lines, bool (*kind)(const struct law *law)) {
	int best = -1;
	for (int c = 0; c < contest->count; c++) {
		if (!lines[c].converged || isnan(lines[c].aicc) || !kind(&contest->contenders[c].law)) continue;
		if (best < 0 || lines[c].aicc < lines[best].aicc) best = c;
	}
	return best;
}

static struct error *judge_shape(
    const struct contest *contest, const struct fit_compared *lines, struct fit_shape *shape) {
	int power = best_of(contest, lines, is_power), rival = best_of(contest, lines, has_scale), folds;
	*shape = (struct fit_shape){
	    .asked = true,
	    .rival_above = NAN,
	    .power_rolling = NAN,
	    .rival_rolling = NAN,
	    .power_noise = NAN,
	    .rival_noise = NAN,
	    .decades_if_power = NAN,
	    .decades_if_rival = NAN};
	if (power >= 0) shape->power = lines[power].law;
	if (rival >= 0) shape->rival = lines[rival].law;
	if (power < 0 || rival < 0) return NULL;
	shape->rival_above = lines[rival].aicc - lines[power].aicc;
	shape->power_rolling = error_of(contest, power, rival, ROLLING, &folds);
	shape->rival_rolling = error_of(contest, rival, power, ROLLING, &folds);
	const struct contender *first = &contest->contenders[power], *second = &contest->contenders[rival];
	double n = (double)contest->table.count;
	shape->power_noise = lines[power].rms * sqrt(n / (n - law_free(&first->law)));
	shape->rival_noise = lines[rival].rms * sqrt(n / (n - law_free(&second->law)));
	TRY(decades_needed(&contest->table, first, second, shape->power_noise, &shape->decades_if_power));
	return decades_needed(&contest->table, second, first, shape->rival_noise, &shape->decades_if_rival);
}

static struct error *compare_curves(
    const struct fit_points *points, const struct fit_method *method, bool all, struct fit_comparison *comparison) {
	struct contest contest = {0};
	struct selection selection;
	int first = comparison->count;
	TRY(select_rows(points, comparison->variable, all, &selection));
	struct error *error = selection_table(&selection, &law_power, NULL, &contest.table);
	size_t distinct = (size_t)selection_distinct(&selection);
	if (!error) error = enter(&contest, method, false, false, distinct < selection.count ? distinct : selection.count);
	if (contest.count == 0) goto done;
	/* Along one rung there is nothing but its points to leave out; the next one in order is always a point. */
	contest.folds.least = LEAST_FRONTIER;
	contest.folds.distinct = 1;
	if (!error) error = make_blocks(&selection, contest.table.groups >= LEAST_RUNGS, LEFT_OUT, &contest.folds);
	if (!error) error = make_blocks(&selection, false, ROLLING, &contest.folds);
	if (!error) error = run_contest(&contest, comparison);
	if (!error) error = judge_shape(&contest, comparison->laws + first, &comparison->shape);
done:
	contest_free(&contest);
	selection_free(&selection);
	return error;
}

/* The same with so many of the points as can be compared in a few seconds. */
static struct error *compare_sample(
    const struct fit_points *points, const struct fit_method *method, enum fit_variable variable, bool all,
    const double *unique, struct fit_comparison *comparison) {
	struct fit_points sample = {0};
	bool *kept = array_new(points->count + 1, sizeof *kept);
	double *own = array_new(FIT_MOST_COMPARED_POINTS + 1, sizeof *own);
	struct rng rng = rng_make(1, "comparison");
	struct error *error = kept && own ? NULL : error_memory(points->count + FIT_MOST_COMPARED_POINTS * sizeof *own);
	size_t taken = 0;
	for (size_t i = 0; i < points->count && !error; i++) { /* each subset with the same chance (Knuth 1969, 3.4.2 S) */
		double missing = (double)(FIT_MOST_COMPARED_POINTS - taken), left = (double)(points->count - i);
		kept[i] = rng_uniform(&rng) * left < missing;
		if (kept[i] && unique) own[taken] = unique[i];
		taken += kept[i];
	}
	if (!error) error = points_kept(points, kept, &sample);
	if (!error) error = fit_compare(&sample, method, variable, all, unique ? own : NULL, comparison);
	comparison->sampled = taken;
	comparison->of = points->count;
	fit_points_free(&sample);
	free(own);
	free(kept);
	return error;
}

struct error *fit_compare(
    const struct fit_points *points, const struct fit_method *method, enum fit_variable variable, bool all,
    const double *unique, struct fit_comparison *comparison) {
	struct fit_design design;
	*comparison = (struct fit_comparison){.variable = variable};
	if (points->count > FIT_MOST_COMPARED_POINTS)
		return compare_sample(points, method, variable, all, unique, comparison);
	TRY(fit_design_of(points, &design));
	if (design.surface) TRY(compare_surfaces(points, method, unique, comparison));
	TRY(compare_curves(points, method, all || design_is_a_line(&design), comparison));
	if (comparison->count == 0) comparison->skipped = "there are too few points for any law";
	return NULL;
}
