/* Shapes: what is allowed, the table of tensors, and exact counts of parameters and operations. */
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const group_names[GROUP_COUNT] = {"embedding", "attention", "mlp", "head"};

static struct error *check_range(const char *what, int value, int least, int most) {
	if (value >= least && value <= most) return NULL;
	return error_new(ERROR_USAGE, "%s is %d; it must be from %d to %d", what, value, least, most);
}

struct error *shape_check(const struct shape *shape) {
	TRY(check_range("the vocabulary", shape->vocab, 2, 65536));
	TRY(check_range("the context", shape->context, 1, 65536));
	TRY(check_range("the width", shape->width, HEAD_WIDTH, WIDTH_MOST));
	TRY(check_range("the depth", shape->depth, 1, 256));
	int below = shape->width / HEAD_WIDTH * HEAD_WIDTH;
	if (shape->width != below)
		return error_new(
		    ERROR_USAGE, "the width is %d; heads are %d wide, so it must be a multiple of that: try %d or %d",
		    shape->width, HEAD_WIDTH, below, below + HEAD_WIDTH);
	return NULL;
}

static void add_tensor(struct tensor_table *table, struct tensor row) {
	const size_t line = ALIGNMENT / sizeof(real);
	row.offset = table->total;
	table->total += ((size_t)row.rows * (size_t)row.cols + line - 1) / line * line;
	table->rows[table->count++] = row;
}

struct error *tensor_table_make(const struct shape *shape, struct tensor_table *table) {
	TRY(shape_check(shape));
	const int V = shape->vocab, d = shape->width, L = shape->depth;
	const double deviation = 1 / sqrt(d);
	const size_t count = 2 + 4 * (size_t)L;

	*table = (struct tensor_table){.rows = array_new(count, sizeof *table->rows)};
	if (!table->rows) return error_memory(count * sizeof *table->rows);
	add_tensor(
	    table, (struct tensor){.name = "embedding", .group = GROUP_EMBEDDING, .rows = V, .cols = d, .deviation = 1});
	for (int l = 0; l < L; l++) {
		const struct {
			const char *name;
			enum tensor_group group;
			int rows, cols;
			double deviation;
		} block[] = {
		    {"attention.qkv", GROUP_ATTENTION, 3 * d, d, deviation},
		    {"attention.out", GROUP_ATTENTION, d, d, 0},
		    {"mlp.in", GROUP_MLP, 4 * d, d, deviation},
		    {"mlp.out", GROUP_MLP, d, 4 * d, 0},
		};
		for (size_t i = 0; i < COUNT_OF(block); i++) {
			struct tensor row = {
			    .group = block[i].group,
			    .rows = block[i].rows,
			    .cols = block[i].cols,
			    .deviation = block[i].deviation,
			    .decays = true,
			    .width_scaled = true};
			snprintf(row.name, sizeof row.name, "blocks.%d.%s", l, block[i].name);
			add_tensor(table, row);
		}
	}
	add_tensor(
	    table, (struct tensor){
	               .name = "head", .group = GROUP_HEAD, .rows = V, .cols = d, .decays = true, .width_scaled = true});
	return NULL;
}

void tensor_table_free(struct tensor_table *table) {
	free(table->rows);
	*table = (struct tensor_table){0};
}

struct counts shape_counts(const struct shape *shape) {
	const double V = shape->vocab, T = shape->context, d = shape->width, L = shape->depth;
	struct counts counts = {
	    .parameters =
	        {
	            [GROUP_EMBEDDING] = V * d,
	            [GROUP_ATTENTION] = 4 * L * d * d,
	            [GROUP_MLP] = 8 * L * d * d,
	            [GROUP_HEAD] = V * d,
	        },
	    .hidden = 12 * L * d * d,
	    .matmul = 12 * L * d * d + V * d,
	    .all = 12 * L * d * d + 2 * V * d,
	};
	/* A position sees (T + 1) / 2 others on average; each costs d multiply-adds for its score and d for its value. */
	const double attention = 4 * L * d * (T + 1) / 2;
	counts.forward_flops = 2 * counts.matmul + attention;
	counts.train_flops = 3 * counts.forward_flops;
	counts.attention_flops = 3 * attention;
	return counts;
}
