/* grid.c - starts by variable projection: at every node of a grid over the parameters that a law is not linear in, the best
 * coefficients by least squares. */
#include "fit/elementary.h"
#include "fit/search.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#define GRID_ROWS 2048 /* more rows than this are thinned: the grid only has to find starts */
#define MOST_NODES 64  /* to a side */
#define THINNING_KEY 0x7468696eu
#define CORNER 1e-3 /* below this miss the reweighting treats absolute errors as squares */

/* ---------------------------------------------------------------------------------------------------- thinning --- */

static size_t thinned(const struct table *table) {
	return table->count < GRID_ROWS ? table->count : GRID_ROWS;
}

size_t law_work_size(const struct law *law, const struct table *table) {
	/* Rows of the thinned table: variables, loss and weight; then for a node losses, weights and terms with an offset. */
	return thinned(table) * (size_t)(table->variables + law->linear + law->offset + 6) * sizeof(double);
}

double *thin_table(const struct table *table, double *work, struct table *thin) {
	size_t rows = thinned(table), variables = (size_t)table->variables;
	*thin = *table;
	if (rows == table->count) return work;
	thin->count = rows;
	thin->u = work;
	thin->y = thin->u + rows * variables;
	thin->weight = thin->y + rows;
	/* Not every tenth row: tables are ordered, and every tenth may be of one size. */
	for (size_t i = 0; i < rows; i++) {
		size_t from = permuted_index(THINNING_KEY, table->count, i);
		memcpy(thin->u + i * variables, table->u + from * variables, variables * sizeof *thin->u);
		thin->y[i] = table->y[from];
		thin->weight[i] = table->weight[from];
	}
	return thin->weight + rows;
}

/* ------------------------------------------------------------------------------------------------------- a node --- */

/* Rows of a node side by side. */
struct projection {
	size_t rows;
	double *loss, *weight, *work; /* (rows) */
	double *terms;                /* (width, rows) */
};

/* The value of each linear term, and of the offset behind them, at every row. */
static void fill_terms(
    const struct law *law, const struct table *thin, const double *x, const struct projection *projection) {
	size_t rows = projection->rows, variables = (size_t)thin->variables;
	int width = law->linear + law->offset;
	if (law->block && !law->offset) {
		/* What a law is linear in, it has as its slope. */
		struct block block;
		for (size_t at = 0; at < rows; at += BLOCK_ROWS) {
			size_t count = rows - at < BLOCK_ROWS ? rows - at : BLOCK_ROWS;
			law->block(x, thin->u + at * variables, variables, count, 1, &block);
			for (int j = 0; j < law->linear; j++)
				memcpy(projection->terms + (size_t)j * rows + at, block.slope[j], count * sizeof(double));
		}
		return;
	}
	for (size_t i = 0; i < rows; i++) {
		double term[MOST_PARAMETERS + 1];
		law->terms(x, thin->u + i * variables, term);
		for (int j = 0; j < width; j++) projection->terms[(size_t)j * rows + i] = term[j];
	}
}

/* What reweighting multiplies the square of a miss by, so that squares add up as the criterion does. */
static void reweight(
    const struct law *law, const double *restrict base, const double *x, const struct projection *projection) {
	size_t rows = projection->rows;
	const struct criterion *criterion = &law->criterion;
	double *restrict r = projection->work, *restrict weight = projection->weight;
	const double *restrict loss = projection->loss;
	for (size_t i = 0; i < rows; i++) r[i] = law->offset ? projection->terms[(size_t)law->linear * rows + i] : 0;
	for (int j = 0; j < law->linear; j++) {
		const double *restrict term = projection->terms + (size_t)j * rows;
		for (size_t i = 0; i < rows; i++) r[i] += x[j] * term[i];
	}
	double delta = criterion->kind == OBJECTIVE_HUBER ? criterion->delta : CORNER;
	double over = 1, under = 1;
	if (criterion->kind == OBJECTIVE_ASYMMETRIC) over = criterion->over, under = criterion->under;
	bool squares = criterion->kind == OBJECTIVE_SQUARES || criterion->kind == OBJECTIVE_LOG_SQUARES;
	for (size_t i = 0; i < rows; i++) {
		double miss = r[i] / loss[i] - 1, size = fabs(miss);
		double factor = squares ? 1 : (miss > 0 ? over : under) * delta / (size > delta ? size : delta);
		weight[i] = base[i] * factor;
	}
}

static double product(const double *restrict weight, const double *restrict a, const double *restrict b, size_t rows) {
	double sum = 0;
#pragma omp simd reduction(+ : sum)
	for (size_t i = 0; i < rows; i++) sum += weight[i] * a[i] * b[i];
	return sum;
}

/* The best coefficients for the rest of node->x: least squares on loss ratios, which are log residuals to first order (or
 * on losses, where that is the criterion), reweighted. Coefficients whose bit is in `known` keep their values. `base`
 * holds the weights of the squares, `ratios` regarded. */
static void solve_node(
    const struct law *law, const struct table *thin, uint32_t known, int rounds, const double *base,
    const struct projection *projection, struct node *node) {
	size_t rows = projection->rows;
	int linear = law->linear;
	if (linear > 0) fill_terms(law, thin, node->x, projection);
	for (int round = 0; round < rounds && linear > 0; round++) {
		double gram[MOST_PARAMETERS * MOST_PARAMETERS], right[MOST_PARAMETERS], solved[MOST_PARAMETERS];
		if (round > 0) reweight(law, base, node->x, projection);
		const double *weight = round > 0 ? projection->weight : base;
		for (int j = 0; j < linear; j++) {
			const double *term = projection->terms + (size_t)j * rows;
			right[j] = product(weight, term, projection->loss, rows);
			if (law->offset) right[j] -= product(weight, term, projection->terms + (size_t)linear * rows, rows);
			for (int k = 0; k <= j; k++)
				gram[j * linear + k] = gram[k * linear + j] =
				    product(weight, term, projection->terms + (size_t)k * rows, rows);
		}
		for (int h = 0; h < linear; h++) {
			if (!(known >> h & 1)) continue;
			/* Its share goes to the right side and it leaves the system. */
			for (int j = 0; j < linear; j++) {
				right[j] -= gram[j * linear + h] * node->x[h];
				if (j != h) gram[j * linear + h] = gram[h * linear + j] = 0;
			}
			right[h] = gram[h * linear + h] * node->x[h];
		}
		nonnegative_least_squares(linear, gram, right, solved);
		for (int j = 0; j < linear; j++)
			if (!(known >> j & 1)) node->x[j] = solved[j];
	}
	node->objective = law_sum(law, thin, law->criterion.delta, node->x, NULL, NULL);
	/* From a coefficient beyond the box the way leads through a long valley; without its coefficient a term has no slopes,
	 * and what is in it cannot move. */
	for (int j = 0; j < linear; j++) {
		bool vanished = node->x[j] == 0 && !(law->floors >> j & 1);
		if (!(known >> j & 1) && (vanished || node->x[j] > law->parameters[j].most)) node->poor = true;
	}
}

/* ----------------------------------------------------------------------------------------------------- the grid --- */

/* One side of the grid. */
struct side {
	int parameter, nodes, cells;
	double value[MOST_NODES];
};

static double node_value(const struct law *law, const struct table *table, const struct side *side, int index) {
	const struct law_parameter *parameter = &law->parameters[side->parameter];
	double part = side->nodes > 1 ? (double)index / (side->nodes - 1) : 0.5;
	double value = parameter->low > 0 ? parameter->low * pow(parameter->high / parameter->low, part)
	                                  : parameter->low + part * (parameter->high - parameter->low);
	if (parameter->role == ROLE_POSITION) {
		double low = table->least_u[parameter->variable], high = table->most_u[parameter->variable];
		value = (low + high) / 2 + value * (high - low) / 2;
	}
	return value;
}

/* Puts `node` into the `most` best of `list`, best first. */
static void keep_best(struct node *list, int *count, int most, const struct node *node) {
	if (*count == most && list[most - 1].objective <= node->objective) return;
	int at = *count < most ? (*count)++ : most - 1;
	for (; at > 0 && list[at - 1].objective > node->objective; at--) list[at] = list[at - 1];
	list[at] = *node;
}

/* The sides of the grid and the number of nodes to a side of a cell: as few as make no more cells than wanted. Bits of
 * *known: coefficients that are not to be found. */
static int lay_out(
    const struct law *law, const struct table *table, struct held held, const struct grid *grid, struct side *sides,
    int *dimensions, int *cells, uint32_t *known) {
	*dimensions = 0;
	*known = 0;
	for (int j = 0; j < law_parameters(law); j++) {
		bool fixed = j == held.index || law_tied(law, j);
		if (j < law->linear && fixed) *known |= 1u << j;
		if (j < law->linear || fixed) continue;
		int nodes = law->parameters[j].nodes;
		struct side *side = &sides[(*dimensions)++];
		*side = (struct side){.parameter = j, .nodes = grid->fine ? nodes : (3 * nodes + 9) / 10};
		for (int k = 0; k < side->nodes; k++) side->value[k] = node_value(law, table, side, k);
	}
	for (int cell = 1;; cell++) {
		*cells = 1;
		for (int d = 0; d < *dimensions; d++) {
			sides[d].cells = (sides[d].nodes + cell - 1) / cell;
			*cells *= sides[d].cells;
		}
		if (*cells <= grid->cells) return cell;
	}
}

int search_grid(
    const struct law *law, const struct table *thin, struct held held, const struct grid *grid, double *work,
    struct node *list) {
	struct side sides[MOST_PARAMETERS];
	int dimensions, cells, within = 1, count = 0;
	uint32_t known;
	int cell = lay_out(law, thin, held, grid, sides, &dimensions, &cells, &known);
	for (int d = 0; d < dimensions; d++) within *= cell;
	size_t rows = thin->count;
	double *base = work;
	struct projection projection = {
	    .rows = rows,
	    .loss = base + rows,
	    .weight = base + 2 * rows,
	    .work = base + 3 * rows,
	    .terms = base + 4 * rows};
	bool ratios = law->criterion.kind != OBJECTIVE_SQUARES;
	for (size_t i = 0; i < rows; i++) {
		double loss = exp_of(thin->y[i]);
		projection.loss[i] = loss;
		base[i] = thin->weight[i] / (ratios ? loss * loss : 1);
	}
	for (int c = 0; c < cells; c++) {
		struct node best = {.objective = INFINITY, .poor = true};
		for (int n = 0; n < within; n++) {
			struct node node = {.objective = INFINITY};
			int which = c, at = n;
			bool inside = true;
			for (int d = 0; d < dimensions && inside; d++) {
				int index = which % sides[d].cells * cell + at % cell;
				which /= sides[d].cells;
				at /= cell;
				inside = index < sides[d].nodes;
				if (inside) node.x[sides[d].parameter] = sides[d].value[index];
			}
			if (!inside) continue;
			if (held.index >= 0) node.x[held.index] = held.value;
			law_complete(law, node.x);
			solve_node(law, thin, known, grid->rounds, base, &projection, &node);
			bool better = node.poor == best.poor ? node.objective < best.objective : best.poor;
			if (better) best = node;
		}
		if (isfinite(best.objective)) keep_best(list, &count, grid->most, &best);
	}
	int good = 0;
	for (int k = 0; k < count; k++) good += !list[k].poor;
	if (good < FEW_STARTS) return count;
	for (int k = 0, to = 0; k < count; k++)
		if (!list[k].poor) list[to++] = list[k];
	return good;
}
