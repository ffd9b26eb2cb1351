/* The model: parameters, gradients, and micro-batches shared out among threads. */
#include "model/pass.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

struct model {
	struct network network;
	struct arena arena, copies; /* copies: the weights as the kernels want them */
	real *gradients;            // (table.total)
	struct pass *passes;        // (threads)
	int threads;
	int team;          /* of them, those that computed the last batch */
	bool copies_valid; /* they are those of the parameters */
};

/* ----------------------------------------------------------------------------------------------------- open, close --- */

/* What all threads share. One call of this function counts the bytes (arena NULL), a second one hands them out. */
static size_t layout(struct model *model, struct arena *arena) {
	struct network *network = &model->network;
	size_t bytes = 0;

	TAKE(network->parameters, network->table.total);
	if (network->training) TAKE(model->gradients, network->table.total);
	TAKE(network->rope, (size_t)network->shape.context * HEAD_WIDTH);
	for (int i = 0; i < network->table.count; i++) {
		const struct tensor *tensor = &network->table.rows[i];
		struct weight *weight = &network->weights[i];
		weight->outputs = tensor->rows;
		weight->inputs = tensor->cols;
		if (arena) weight->w = network->parameters + tensor->offset;
	}
	return bytes;
}

/* The same for what depends on the kernels. */
static size_t layout_copies(struct model *model, struct arena *arena) {
	size_t bytes = 0;
	for (int i = EMBEDDING + 1; i < model->network.table.count; i++) {
		struct weight *weight = &model->network.weights[i];
		const size_t reals = weight_packed_reals(weight);
		weight->packed = NULL;
		if (reals) TAKE(weight->packed, reals);
	}
	return bytes;
}

static void choose_kernels(struct network *network, struct kernel_choice choice) {
	network->choice = choice;
	network->kernels = kernel_sets[choice.kernels];
	const int head = network->table.count - 1;
	for (int i = EMBEDDING + 1; i < head; i++)
		weight_use(&network->weights[i], (enum matrix)((i - 1) % PER_BLOCK), choice);
	weight_use(&network->weights[head], HEAD, choice);
}

static void model_release(struct model *model) {
	for (int i = 0; i < model->threads; i++) pass_close(&model->passes[i]);
	free(model->passes);
	arena_close(&model->arena);
	arena_close(&model->copies);
	tensor_table_free(&model->network.table);
	free(model->network.weights);
}

/* Everything but the memory of tensors and who computes them. */
static struct error *model_plan(const struct shape *shape, int sequences, bool training, struct model *model) {
	*model = (struct model){.network = {.shape = *shape, .sequences = sequences, .training = training}};
	struct network *network = &model->network;
	TRY(tensor_table_make(shape, &network->table));
	const size_t tensors = (size_t)network->table.count;
	network->weights = array_new(tensors, sizeof *network->weights);
	if (network->weights) return NULL;
	model_release(model);
	return error_memory(tensors * sizeof *network->weights);
}

double model_bytes(const struct shape *shape, int sequences, bool training) {
	struct model model;
	struct error *error = model_plan(shape, sequences, training, &model);
	if (error) {
		error_free(error);
		return NAN;
	}
	size_t bytes = layout(&model, NULL);
	choose_kernels(&model.network, (struct kernel_choice){.kernels = kernels_widest()});
	bytes += layout_copies(&model, NULL) + pass_bytes(&model.network);
	model_release(&model);
	return (double)bytes;
}

struct error *model_open(
    const struct shape *shape, int sequences, bool training, enum kernels kernels, struct model **out) {
	*out = NULL;
	struct model *model = array_new(1, sizeof *model);
	if (!model) return error_memory(sizeof *model);
	struct error *error = model_plan(shape, sequences, training, model);
	if (error) {
		free(model);
		return error;
	}
	error = arena_open(&model->arena, layout(model, NULL));
	if (!error) {
		layout(model, &model->arena);
		rope_table(model->network.rope, shape->context);
		error = model_use_kernels(model, (struct kernel_choice){.kernels = kernels});
	}
	if (error)
		model_close(model);
	else
		*out = model;
	return error;
}

struct error *model_use_kernels(struct model *model, struct kernel_choice choice) {
	struct network *network = &model->network;
	if (!kernels_available(choice.kernels))
		return error_new(
		    ERROR_USAGE, "this processor cannot run the kernels '%s'; try '%s'", kernels_names[choice.kernels],
		    kernels_names[kernels_widest()]);
	choose_kernels(network, choice);
	arena_close(&model->copies);
	model->copies_valid = false;
	TRY(arena_open(&model->copies, layout_copies(model, NULL)));
	layout_copies(model, &model->copies);
	/* Each thread has scratch memory of the kernels' size. */
	return model_use_threads(model, model->threads > 0 ? model->threads : 1);
}

struct kernel_choice model_kernels(const struct model *model) {
	return model->network.choice;
}

struct error *model_use_threads(struct model *model, int threads) {
	if (threads < 1) return error_new(ERROR_USAGE, "a model computes on one thread or more, not on %d", threads);
	struct pass *passes = array_new((size_t)threads, sizeof *passes);
	if (!passes) return error_memory((size_t)threads * sizeof *passes);
	struct error *error = NULL;
	int opened = 0;
	while (opened < threads && !error) error = pass_open(&model->network, &passes[opened++]);
	struct pass *unwanted = error ? passes : model->passes;
	for (int i = 0; i < (error ? opened : model->threads); i++) pass_close(&unwanted[i]);
	free(unwanted);
	if (error) return error;
	model->passes = passes;
	model->threads = threads;
	model->team = 1;
	return NULL;
}

int model_busy_threads(const struct model *model) {
	return model->team;
}

void model_close(struct model *model) {
	if (!model) return;
	model_release(model);
	free(model);
}

const struct shape *model_shape(const struct model *model) {
	return &model->network.shape;
}

const struct tensor_table *model_tensors(const struct model *model) {
	return &model->network.table;
}

const real *model_weights(const struct model *model) {
	return model->network.parameters;
}

real *model_parameters(struct model *model) {
	model->copies_valid = false;
	return model->network.parameters;
}

real *model_gradients(struct model *model) {
	return model->gradients;
}

void model_initialise(struct model *model, uint64_t seed) {
	model->copies_valid = false;
	memset(model->network.parameters, 0, sizeof(real) * model->network.table.total);
	for (int i = 0; i < model->network.table.count; i++) {
		const struct tensor *tensor = &model->network.table.rows[i];
		if (tensor->deviation == 0) continue;
		struct rng rng = rng_make(seed, tensor->name);
		const size_t count = (size_t)tensor->rows * (size_t)tensor->cols;
		for (size_t j = 0; j < count; j++)
			model->network.parameters[tensor->offset + j] = (real)(tensor->deviation * rng_normal(&rng));
	}
}

/* What each thread of a team does of an update. */
static void update_team(
    const struct network *network, void (*update)(void *context, int tensor, size_t first, size_t count), void *context,
    int thread, int team) {
	machine_flush_denormals();
	for (int i = 0; i < network->table.count; i++) {
		const struct tensor *tensor = &network->table.rows[i];
		for (int first = thread * PIECE_ROWS; first < tensor->rows; first += team * PIECE_ROWS) {
			const int rows = tensor->rows - first < PIECE_ROWS ? tensor->rows - first : PIECE_ROWS;
			update(context, i, (size_t)first * (size_t)tensor->cols, (size_t)rows * (size_t)tensor->cols);
			if (i != EMBEDDING) weight_pack(&network->weights[i], first, rows);
		}
	}
}

void model_update(
    struct model *model, void (*update)(void *context, int tensor, size_t first, size_t count), void *context) {
	if (model->team == 1) {
		update_team(&model->network, update, context, 0, 1);
	} else {
#pragma omp parallel num_threads(model->team)
		update_team(&model->network, update, context, omp_get_thread_num(), omp_get_num_threads());
	}
	model->copies_valid = true;
}

/* ------------------------------------------------------------------------------------------- loss and gradient --- */

/* A team of one opens no parallel region: some OpenMPs take memory for each. */
static void wait_for(int team) {
	if (team == 1) return;
#pragma omp barrier
}

/* One call's work. */
struct batch {
	const uint16_t *tokens; // (count, T+1)
	int count;
	bool with_gradient;
	double *per_sequence; // (count), may be NULL
};

static int batch_piece(const struct model *model, const struct batch *batch, int piece) {
	const int left = batch->count - piece * model->network.sequences;
	return left < model->network.sequences ? left : model->network.sequences;
}

/* The first micro-batch puts its gradient where the sum will be; the others have their own, to be added in order. */
static real *piece_gradient(const struct model *model, int thread, int piece) {
	return piece == 0 ? model->gradients : model->passes[thread].gradients;
}

static void run_piece(struct model *model, const struct batch *batch, int thread, int piece) {
	const int T = model->network.shape.context;
	const size_t first = (size_t)piece * (size_t)model->network.sequences;
	pass_run(
	    &model->network, &model->passes[thread], batch->tokens + first * ((size_t)T + 1),
	    batch_piece(model, batch, piece), (real)(1.0 / ((double)batch->count * T)),
	    batch->with_gradient ? piece_gradient(model, thread, piece) : NULL);
}

/* Adds elements from..to of the gradients of pieces first..first + count - 1, which threads 0..count - 1 hold. */
static void add_pieces(struct model *model, int first, int count, size_t from, size_t to) {
	for (int i = 0; i < count; i++) {
		const real *piece = piece_gradient(model, i, first + i);
		for (size_t j = from; j < to && piece != model->gradients; j++) model->gradients[j] += piece[j];
	}
}

/* Adds the losses of all positions of pieces first..first + count - 1 to *total, sequence after sequence. */
static void add_losses(const struct model *model, const struct batch *batch, int first, int count, double *total) {
	const int T = model->network.shape.context;
	for (int i = 0; i < count; i++) {
		for (int b = 0; b < batch_piece(model, batch, first + i); b++) {
			double sum = 0;
			for (int t = 0; t < T; t++) sum += model->passes[i].row_loss[b * T + t];
			if (batch->per_sequence) batch->per_sequence[(first + i) * model->network.sequences + b] = sum / T;
			*total += sum;
		}
	}
}

/* What each thread of a team does for a batch: it takes a micro-batch; then their gradients are added in the order of the
 * batch, each thread adding one part of the parameters. So neither the number of threads nor their speed changes a bit of
 * the result. */
static void run_team(struct model *model, const struct batch *batch, int pieces, int thread, int team, double *total) {
	const struct network *network = &model->network;
	const size_t reals = network->table.total;
	machine_flush_denormals();
	/* Where nobody keeps the copies up to date they are made at every call, so that nobody can forget it. */
	for (int i = EMBEDDING + 1 + thread; i < network->table.count && !model->copies_valid; i += team)
		weight_pack(&network->weights[i], 0, network->weights[i].outputs);
	wait_for(team);

	for (int first = 0; first < pieces; first += team) {
		const int count = pieces - first < team ? pieces - first : team;
		if (thread < count) run_piece(model, batch, thread, first + thread);
		wait_for(team);
		if (batch->with_gradient)
			add_pieces(
			    model, first, count, reals * (size_t)thread / (size_t)team,
			    reals * (size_t)(thread + 1) / (size_t)team);
		if (thread == 0) add_losses(model, batch, first, count, total);
		wait_for(team); /* nobody starts on the next pieces before all sums are done */
	}
}

/* The mean loss, with or without its gradient. */
static double run(struct model *model, const struct batch *batch) {
	const int sequences = model->network.sequences, pieces = (batch->count + sequences - 1) / sequences;
	double total = 0;
	model->team = model->threads < pieces ? model->threads : pieces;
	if (model->team == 1) {
		run_team(model, batch, pieces, 0, 1, &total);
	} else {
#pragma omp parallel num_threads(model->team)
		run_team(model, batch, pieces, omp_get_thread_num(), omp_get_num_threads(), &total);
	}
	return total / ((double)batch->count * model->network.shape.context);
}

double model_loss(struct model *model, const uint16_t *tokens, int batch, double *per_sequence) {
	return run(model, &(struct batch){.tokens = tokens, .count = batch, .per_sequence = per_sequence});
}

double model_gradient(struct model *model, const uint16_t *tokens, int batch) {
	return run(model, &(struct batch){.tokens = tokens, .count = batch, .with_gradient = true});
}

void model_logits(struct model *model, const uint16_t *tokens, real *logits) {
	struct network *network = &model->network;
	for (int i = EMBEDDING + 1; i < network->table.count; i++)
		if (!model->copies_valid) weight_pack(&network->weights[i], 0, network->weights[i].outputs);
	pass_logits(network, &model->passes[0], tokens, logits);
}
