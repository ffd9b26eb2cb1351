/* pass.h - one thread's way through the model and back, private to model/. */
#ifndef RUNG_MODEL_PASS_H
#define RUNG_MODEL_PASS_H

#include "model/layer.h"

/* Rows of the tensor table: the embedding, PER_BLOCK tensors of each block in the order of enum matrix, the head. */
enum { EMBEDDING = 0, PER_BLOCK = HEAD };

/* What all threads read. */
struct network {
	struct shape shape;
	struct tensor_table table;
	struct kernel_choice choice;
	const struct kernel_set *kernels; /* for all but the products that are in choice.blas */
	struct weight *weights;           // (table.count): what the kernels multiply by; unused for the embedding
	real *parameters;                 // (table.total)
	real *rope;                       // (T,16)
	int sequences;                    /* of a micro-batch */
	bool training;
};

/* What the backward pass needs of one block. Outputs of norms are kept instead of their inputs: see rms_backward. */
struct block_activations {
	real *attention_in;  // (R,d) rms(x)
	real *attention_r;   // (R)
	real *heads;         // (B,H,3,T,16) q and k normalised and rotated, and v
	real *qk_r;          // (B,H,2,T)
	real *attention_out; // (R,d) before Wo
	real *sums;          // (B,H,T) of the softmaxes
	real *mlp_in;        // (R,d) rms(x)
	real *mlp_r;         // (R)
	real *hidden;        // (R,4d) max(W1 ., 0), and on the way back its gradient
};

/* The activations of one micro-batch; R rows are its positions. */
struct pass {
	struct arena arena;
	struct block_activations *blocks;
	real *embedded, *embedded_r; // (R,d), (R): rms(embedding[token])
	real *final, *final_r;       // (R,d), (R)
	real *x;                     // (R,d) the residual stream
	real *square;                // (R,4d) hidden^2 of one block
	real *rows;                  // (R,3d) q, k and v of one block by rows, or their gradients
	real *logits;                // (LOGIT_ROWS,V)
	real *dx, *dnarrow;          // (R,d)
	real *dheads;                // (B,H,3,T,16)
	real *scratch;               // of attention
	real *gradients;             // (table.total) of one micro-batch
	double *row_loss;            // (R)
	uint16_t *inputs, *targets;  // (R)
};

/* Bytes that pass_open will take. */
size_t pass_bytes(const struct network *network);
MUST_CHECK struct error *pass_open(const struct network *network, struct pass *pass);
void pass_close(struct pass *pass);

/* From the tokens (B, T+1) to pass->row_loss; with `gradients` (table.total, overwritten) also those of
 * scale * sum of row losses. */
void pass_run(
    const struct network *network, struct pass *pass, const uint16_t *tokens, int B, real scale, real *gradients);

/* The logits (T,V) of one sequence of T tokens. */
void pass_logits(const struct network *network, struct pass *pass, const uint16_t *tokens, real *logits);

#endif
