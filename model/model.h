/* model.h - a decoder-only transformer: shapes, parameters, loss, gradient, generation. Pure mathematics: no files, no
 * clocks.
 *
 * The block, with d = width, L = depth, heads of width 16 and rms(x) = x / sqrt(mean(x^2) + 1e-6) without a gain:
 *
 *     x  = rms(embedding[token])
 *     x += (2/L) Wo attention(rms(x))      q = rope(rms(Wq .)), k = rope(rms(Wk .)), v = Wv ., per head;
 *                                          softmax(1.44 q.k / sqrt(16)) over the past
 *     x += (2/L) W2 relu(W1 rms(x))^2
 *     logits = Whead rms(x)
 *
 * No biases. Wqkv, W1 ~ N(0, 1/d), embedding ~ N(0, 1), Wo = W2 = Whead = 0: at step 0 the loss is ln V at every width.
 * Branches scaled by 1/L: Dey et al. 2025 (CompleteP); normalised q and k: Henry et al. 2020; RoPE: Su et al. 2021;
 * squared relu: So et al. 2021. */
#ifndef RUNG_MODEL_H
#define RUNG_MODEL_H

#include "base/base.h"

/* The number that everything is computed in. The gradient check builds this folder once more with double. */
#ifdef RUNG_DOUBLE
typedef double real;
#else
typedef float real;
#endif

#define HEAD_WIDTH 16
#define WIDTH_MOST 8192

struct shape {
	int vocab;   /* V, at most 65536 */
	int context; /* T, tokens that a position can see, itself included */
	int width;   /* d, a multiple of HEAD_WIDTH */
	int depth;   /* L, blocks */
};

/* An error says which field is wrong and what would be right. */
MUST_CHECK struct error *shape_check(const struct shape *shape);

/* -------------------------------------------------------------------------------------------- the tensor table --- */

enum tensor_group { GROUP_EMBEDDING, GROUP_ATTENTION, GROUP_MLP, GROUP_HEAD, GROUP_COUNT };
extern const char *const group_names[GROUP_COUNT];

/* One row drives allocation, initialisation, learning rate, decay, checkpoint names, counts and the gradient check. */
struct tensor {
	char name[32]; /* "embedding", "blocks.0.attention.qkv", ... */
	enum tensor_group group;
	int rows, cols;    /* a matrix is (outputs, inputs): y = W x */
	size_t offset;     /* of its first element in the arena of parameters */
	double deviation;  /* of its initial normal distribution; 0: starts as zeros */
	bool decays;       /* weight decay applies */
	bool width_scaled; /* its learning rate shrinks as 1/d (hidden matrices and head), unlike the embedding's */
};

struct tensor_table {
	struct tensor *rows; /* in arena order */
	int count;
	size_t total; /* elements, all tensors; offsets are padded to whole cache lines, this counts the padding too */
};

MUST_CHECK struct error *tensor_table_make(const struct shape *shape, struct tensor_table *table);
void tensor_table_free(struct tensor_table *table);

/* ---------------------------------------------------------------------------------------------- exact counting --- */

struct counts {
	double parameters[GROUP_COUNT];
	double hidden;          /* N = 12 L d^2: attention and MLP */
	double matmul;          /* N + V d: everything that is multiplied, the head included */
	double all;             /* with the embedding table */
	double forward_flops;   /* per token: 2 N + 2 V d + 4 L d (T+1)/2; the causal half and the head, no look-ups */
	double train_flops;     /* per token: three times forward */
	double attention_flops; /* per token, in train_flops: 12 L d (T+1)/2 */
};

struct counts shape_counts(const struct shape *shape);

/* --------------------------------------------------------------------------------------------------- the model --- */

enum kernels {
	KERNELS_PLAIN,    /* loops: the specification */
	KERNELS_BLAS,     /* OpenBLAS for the matrix products */
	KERNELS_PORTABLE, /* our own, for vectors of 16 bytes */
	KERNELS_AVX2,     /* 32 bytes and fused multiply-adds */
	KERNELS_AVX512,   /* 64 bytes */
	KERNELS_COUNT
};
extern const char *const kernels_names[KERNELS_COUNT];
bool kernels_available(enum kernels kernels); /* on this processor */
enum kernels kernels_widest(void);            /* the default: our own for the widest vectors that there are */

/* The products of a step with a matrix: three for each kind of matrices, by the names that `rung bench kernels` has. */
enum { PRODUCT_COUNT = 15 };
extern const char *const product_names[PRODUCT_COUNT];

/* Who computes a model: one set of kernels, save for the products with a bit in `blas`, which OpenBLAS does. Results
 * depend on it, within rounding. */
struct kernel_choice {
	enum kernels kernels;
	uint32_t blas; /* bit i: product_names[i] */
};

struct model; /* parameters, gradients, activations of one micro-batch */

/* Bytes that model_open will take for this shape and micro-batch. */
double model_bytes(const struct shape *shape, int sequences, bool training);

/* `sequences` are computed at a time; larger batches are split into such pieces. With `training` there is room for a
 * backward pass. Parameters start as zeros. */
MUST_CHECK struct error *model_open(
    const struct shape *shape, int sequences, bool training, enum kernels kernels, struct model **model);
void model_close(struct model *model); /* NULL is fine */

/* Changes who computes it. After an error the model can only be closed. OpenBLAS must be set to one thread: micro-batches
 * are what is shared out among threads. */
MUST_CHECK struct error *model_use_kernels(struct model *model, struct kernel_choice choice);
struct kernel_choice model_kernels(const struct model *model);

/* From now on up to `threads` micro-batches are computed at once, with OpenMP. Results do not change by a bit. */
MUST_CHECK struct error *model_use_threads(struct model *model, int threads);
/* Those that had work at the last batch: no more than it had micro-batches. */
int model_busy_threads(const struct model *model);

const struct shape *model_shape(const struct model *model);
const struct tensor_table *model_tensors(const struct model *model);
const real *model_weights(const struct model *model); /* (table.total), for those who only read them */
real *model_gradients(struct model *model);           /* (table.total), NULL without training */

/* The same as model_weights for whoever changes them, through this pointer and until the next model_update. The copies
 * that kernels multiply by are made anew before each batch, until the next model_update. */
real *model_parameters(struct model *model);

/* An optimizer's pass: calls update(context, tensor, first, count) to change elements first .. first + count - 1 of that
 * row of the table, for pieces that cover all tensors, on the threads that computed the last batch. The copies of a piece
 * are made while it is in the cache, and serve until somebody asks for model_parameters again. */
void model_update(
    struct model *model, void (*update)(void *context, int tensor, size_t first, size_t count), void *context);

/* Draws every tensor from its own stream of `seed`, so that a tensor's values depend on its name and shape alone. */
void model_initialise(struct model *model, uint64_t seed);

/* Mean loss in nats per token over `batch` sequences; tokens: (batch, T+1), inputs are the first T of each row and
 * targets the last T. `per_sequence` (batch), may be NULL, gets the mean of each sequence. */
double model_loss(struct model *model, const uint16_t *tokens, int batch, double *per_sequence);

/* The same, and the gradient of that mean in model_gradients (overwritten, not added to). */
double model_gradient(struct model *model, const uint16_t *tokens, int batch);

/* Logits of one sequence of T tokens: (T,V). For tests and inspection. */
void model_logits(struct model *model, const uint16_t *tokens, real *logits);

/* -------------------------------------------------------------------------------------------------- generation --- */

struct generator; /* keys and values of the last T tokens */
MUST_CHECK struct error *generator_open(const struct model *model, struct generator **generator);
void generator_close(struct generator *generator);
/* Takes in one token and gives the logits (V) of the next; the array belongs to the generator. */
const real *generator_step(struct generator *generator, int token);
/* A draw from softmax(logits / temperature); temperature 0 takes the largest. */
int sample_token(const real *logits, int vocab, double temperature, struct rng *rng);

/* ------------------------------------------------------------------------------ single operations (bench.c) --- */

/* One of the operations that a step is made of, for finding out where its time goes. */
struct operation {
	const char *name;
	double flops; /* of one call on a micro-batch, counted as in shape_counts; 0 for those that are not counted */
	int calls;    /* in a micro-batch */
	bool once;    /* ... or rather in a whole step, however many micro-batches it has */
	int product;  /* index of product_names; -1: it multiplies by no matrix */
};
int operation_count(void);
struct operation operation_of(const struct shape *shape, int sequences, int which);

struct kernel_bench; /* arrays of the sizes that the model has for a micro-batch of `sequences` */
MUST_CHECK struct error *kernel_bench_open(
    const struct shape *shape, int sequences, enum kernels kernels, struct kernel_bench **bench);
void kernel_bench_close(struct kernel_bench *bench); /* NULL is fine */
/* From now on OpenBLAS computes the products with a bit in `blas`, on the same arrays. */
void kernel_bench_use_blas(struct kernel_bench *bench, uint32_t blas);
void kernel_bench_run(struct kernel_bench *bench, int which, int times);

/* ---------------------------------------------------------------------------------------- OpenBLAS (blas_check.c) --- */

struct blas_check {
	int products;          /* that were compared with plain loops in double, alone and from two threads at once */
	double worst, seconds; /* largest deviation, in units of what rounding may do; time that it took */
	char worst_name[160];  /* the product that it was */
};
MUST_CHECK struct error *blas_check(struct blas_check *check);
/* ERROR_FAILED with the name of the product when OpenBLAS is wrong. */
MUST_CHECK struct error *blas_check_verdict(const struct blas_check *check);

#endif
