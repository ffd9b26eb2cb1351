/* The specification: matrix products, attention and cross-entropy in plain loops. Slow, and meant to be read; every
 * faster kernel is tested against these. */
#include "model/layer.h"

#include <math.h>
#include <string.h>

/* One element of x w^T. */
static real product(const real *x, const struct weight *weight, int r, int o) {
	const size_t inputs = (size_t)weight->inputs;
	const real *in = x + (size_t)r * inputs, *w = weight->w + (size_t)o * inputs;
	real sum = 0;
	for (size_t i = 0; i < inputs; i++) sum += in[i] * w[i];
	return sum;
}

static void forward(real *y, int stride, const real *x, const struct weight *weight, int R) {
	for (int r = 0; r < R; r++)
		for (int o = 0; o < weight->outputs; o++) y[(size_t)r * (size_t)stride + (size_t)o] = product(x, weight, r, o);
}

static void forward_residual(real *stream, const real *x, const struct weight *weight, int R, real scale) {
	for (int r = 0; r < R; r++)
		for (int o = 0; o < weight->outputs; o++)
			stream[(size_t)r * (size_t)weight->outputs + (size_t)o] += scale * product(x, weight, r, o);
}

static void forward_relu2(real *z, real *square, const real *x, const struct weight *weight, int R) {
	for (int r = 0; r < R; r++) {
		for (int o = 0; o < weight->outputs; o++) {
			const size_t at = (size_t)r * (size_t)weight->outputs + (size_t)o;
			const real h = product(x, weight, r, o);
			z[at] = h < 0 ? 0 : h; /* in this order a NaN stays one */
			square[at] = z[at] * z[at];
		}
	}
}

static void backward_input(real *dx, const real *dy, int stride, const struct weight *weight, int R, real scale) {
	const size_t inputs = (size_t)weight->inputs;
	memset(dx, 0, sizeof(real) * (size_t)R * inputs);
	for (int r = 0; r < R; r++) {
		for (int o = 0; o < weight->outputs; o++) {
			const real *w = weight->w + (size_t)o * inputs, dout = scale * dy[(size_t)r * (size_t)stride + (size_t)o];
			real *din = dx + (size_t)r * inputs;
			for (size_t i = 0; i < inputs; i++) din[i] += dout * w[i];
		}
	}
}

static void backward_relu2(real *dh, const real *dy, const real *z, const struct weight *weight, int R, real scale) {
	backward_input(dh, dy, weight->outputs, weight, R, scale);
	for (size_t i = 0; i < (size_t)R * (size_t)weight->inputs; i++) dh[i] *= 2 * z[i];
}

static void backward_weight(
    real *dw, const real *dy, int stride, const real *x, int outputs, int inputs, int R, real scale, bool add) {
	if (!add) memset(dw, 0, sizeof(real) * (size_t)outputs * (size_t)inputs);
	for (int r = 0; r < R; r++) {
		for (int o = 0; o < outputs; o++) {
			const real *in = x + (size_t)r * (size_t)inputs, dout = scale * dy[(size_t)r * (size_t)stride + (size_t)o];
			real *dweight = dw + (size_t)o * (size_t)inputs;
			for (int i = 0; i < inputs; i++) dweight[i] += dout * in[i];
		}
	}
}

static real dot(const real *a, const real *b) {
	real sum = 0;
	for (int i = 0; i < HEAD_WIDTH; i++) sum += a[i] * b[i];
	return sum;
}

/* One head's view of a sequence's rows. */
struct head_view {
	const real *q, *k, *v;
	size_t stride; /* from one position to the next */
};

static struct head_view head_view(const real *qkv, struct attention_shape shape, int b, int h) {
	const size_t stride = 3 * (size_t)shape.H * HEAD_WIDTH;
	const real *q = qkv + (size_t)b * (size_t)shape.T * stride + (size_t)h * HEAD_WIDTH;
	return (struct head_view){q, q + (size_t)shape.H * HEAD_WIDTH, q + 2 * (size_t)shape.H * HEAD_WIDTH, stride};
}

static size_t attention_scratch(struct attention_shape shape) {
	return (size_t)shape.T;
}

/* For each head and position t: p = softmax over s <= t of SCORE_SCALE q_t.k_s; out_t = sum_s p_s v_s. */
static void attention_forward(real *out, real *lse, const real *qkv, struct attention_shape shape, real *scratch) {
	real *score = scratch; // (T)
	for (int b = 0; b < shape.B; b++) {
		for (int h = 0; h < shape.H; h++) {
			const struct head_view head = head_view(qkv, shape, b, h);
			for (int t = 0; t < shape.T; t++) {
				real largest = -INFINITY, sum = 0;
				for (int s = 0; s <= t; s++) {
					score[s] = SCORE_SCALE * dot(head.q + (size_t)t * head.stride, head.k + (size_t)s * head.stride);
					if (score[s] > largest) largest = score[s];
				}
				for (int s = 0; s <= t; s++) sum += score[s] = (real)exp((double)(score[s] - largest));
				real *to = out + (((size_t)b * (size_t)shape.T + (size_t)t) * (size_t)shape.H + (size_t)h) * HEAD_WIDTH;
				memset(to, 0, sizeof(real) * HEAD_WIDTH);
				for (int s = 0; s <= t; s++)
					for (int i = 0; i < HEAD_WIDTH; i++)
						to[i] += score[s] / sum * head.v[(size_t)s * head.stride + (size_t)i];
				lse[((size_t)b * (size_t)shape.H + (size_t)h) * (size_t)shape.T + (size_t)t] =
				    largest + (real)log((double)sum);
			}
		}
	}
}

/* With p the probabilities and D_t = dout_t.out_t (Dao et al. 2022, eq. 4 of appendix B.2):
 * dv_s += p dout_t;  dscore = p (dout_t.v_s - D_t);  dq_t += SCORE_SCALE dscore k_s;  dk_s += SCORE_SCALE dscore q_t.
 */
static void attention_backward(
    real *dqkv, const real *dout, const real *out, const real *lse, const real *qkv, struct attention_shape shape,
    real *scratch) {
	(void)scratch;
	const size_t k_offset = (size_t)shape.H * HEAD_WIDTH, v_offset = 2 * k_offset;
	memset(dqkv, 0, sizeof(real) * (size_t)shape.B * (size_t)shape.T * 3 * (size_t)shape.H * HEAD_WIDTH);
	for (int b = 0; b < shape.B; b++) {
		for (int h = 0; h < shape.H; h++) {
			const struct head_view head = head_view(qkv, shape, b, h);
			real *dhead = dqkv + (head.q - qkv);
			for (int t = 0; t < shape.T; t++) {
				const size_t row =
				    (((size_t)b * (size_t)shape.T + (size_t)t) * (size_t)shape.H + (size_t)h) * HEAD_WIDTH;
				const real *q = head.q + (size_t)t * head.stride;
				const real log_sum = lse[((size_t)b * (size_t)shape.H + (size_t)h) * (size_t)shape.T + (size_t)t];
				const real D = dot(dout + row, out + row);
				real *dq = dhead + (size_t)t * head.stride;
				for (int s = 0; s <= t; s++) {
					const real *k = head.k + (size_t)s * head.stride, *v = head.v + (size_t)s * head.stride;
					real *dk = dhead + (size_t)s * head.stride + k_offset;
					real *dv = dhead + (size_t)s * head.stride + v_offset;
					const real p = (real)exp((double)(SCORE_SCALE * dot(q, k) - log_sum));
					const real dscore = SCORE_SCALE * p * (dot(dout + row, v) - D);
					for (int i = 0; i < HEAD_WIDTH; i++) {
						dv[i] += p * dout[row + (size_t)i];
						dq[i] += dscore * k[i];
						dk[i] += dscore * q[i];
					}
				}
			}
		}
	}
}

static void cross_entropy(real *logits, int stride, const uint16_t *targets, int R, int V, real scale, double *loss) {
	for (int r = 0; r < R; r++) {
		real *row = logits + (size_t)r * (size_t)stride;
		const real target = row[targets[r]];
		real largest = -INFINITY;
		double sum = 0;
		for (int v = 0; v < V; v++)
			if (row[v] > largest) largest = row[v];
		for (int v = 0; v < V; v++) sum += exp((double)(row[v] - largest));
		loss[r] = log(sum) - (double)(target - largest);
		for (int v = 0; v < V; v++) row[v] = scale * (real)(exp((double)(row[v] - largest)) / sum - (v == targets[r]));
	}
}

const struct kernel_set kernels_plain = {
    .name = "plain",
    .forward = forward,
    .forward_residual = forward_residual,
    .forward_relu2 = forward_relu2,
    .backward_input = backward_input,
    .backward_relu2 = backward_relu2,
    .backward_weight = backward_weight,
    .attention_forward = attention_forward,
    .attention_backward = attention_backward,
    .attention_scratch = attention_scratch,
    .cross_entropy = cross_entropy,
};
