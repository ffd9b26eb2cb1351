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

static void backward_relu2(
    real *dh, real *square, const real *dy, const real *z, const struct weight *weight, int R, real scale) {
	backward_input(square, dy, weight->outputs, weight, R, scale);
	for (size_t i = 0; i < (size_t)R * (size_t)weight->inputs; i++) {
		const real positive = z[i];
		dh[i] = 2 * positive * square[i];
		square[i] = positive * positive;
	}
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

/* q of one head of one sequence; k and v (T,16) come behind it. */
static size_t head_at(struct attention_shape shape, int b, int h) {
	return ((size_t)b * (size_t)shape.H + (size_t)h) * 3 * (size_t)shape.T * HEAD_WIDTH;
}

/* The head's part of a row of (B,T,H,16). */
static size_t out_at(struct attention_shape shape, int b, int h, int t) {
	return (((size_t)b * (size_t)shape.T + (size_t)t) * (size_t)shape.H + (size_t)h) * HEAD_WIDTH;
}

static size_t sum_at(struct attention_shape shape, int b, int h, int t) {
	return ((size_t)b * (size_t)shape.H + (size_t)h) * (size_t)shape.T + (size_t)t;
}

static size_t attention_scratch(struct attention_shape shape) {
	return (size_t)shape.T;
}

/* For each head and position t: p = softmax over s <= t of SCORE_SCALE q_t.k_s; out_t = sum_s p_s v_s. Of each softmax
 * the logarithm of its denominator is kept. */
static void attention_forward(real *out, real *sums, const real *heads, struct attention_shape shape, real *scratch) {
	const size_t T = (size_t)shape.T;
	real *score = scratch; // (T)
	for (int b = 0; b < shape.B; b++) {
		for (int h = 0; h < shape.H; h++) {
			const real *q = heads + head_at(shape, b, h), *k = q + T * HEAD_WIDTH, *v = k + T * HEAD_WIDTH;
			for (int t = 0; t < shape.T; t++) {
				real largest = -INFINITY, sum = 0;
				for (int s = 0; s <= t; s++) {
					score[s] = SCORE_SCALE * dot(q + t * HEAD_WIDTH, k + s * HEAD_WIDTH);
					if (score[s] > largest) largest = score[s];
				}
				for (int s = 0; s <= t; s++) sum += score[s] = (real)exp((double)(score[s] - largest));
				real *to = out + out_at(shape, b, h, t);
				memset(to, 0, sizeof(real) * HEAD_WIDTH);
				for (int s = 0; s <= t; s++)
					for (int i = 0; i < HEAD_WIDTH; i++) to[i] += score[s] / sum * v[s * HEAD_WIDTH + i];
				sums[sum_at(shape, b, h, t)] = largest + (real)log((double)sum);
			}
		}
	}
}

/* With p the probabilities and D_t = dout_t.out_t (Dao et al. 2022, eq. 4 of appendix B.2):
 * dv_s += p dout_t;  dscore = p (dout_t.v_s - D_t);  dq_t += SCORE_SCALE dscore k_s;  dk_s += SCORE_SCALE dscore q_t.
 */
static void attention_backward(
    real *dheads, const real *dout, const real *out, const real *sums, const real *heads, struct attention_shape shape,
    real *scratch) {
	(void)scratch;
	const size_t T = (size_t)shape.T;
	memset(dheads, 0, sizeof(real) * (size_t)shape.B * T * 3 * (size_t)shape.H * HEAD_WIDTH);
	for (int b = 0; b < shape.B; b++) {
		for (int h = 0; h < shape.H; h++) {
			const real *q = heads + head_at(shape, b, h), *k = q + T * HEAD_WIDTH, *v = k + T * HEAD_WIDTH;
			real *dq = dheads + head_at(shape, b, h), *dk = dq + T * HEAD_WIDTH, *dv = dk + T * HEAD_WIDTH;
			for (int t = 0; t < shape.T; t++) {
				const real *o = out + out_at(shape, b, h, t), *d_o = dout + out_at(shape, b, h, t);
				const real log_sum = sums[sum_at(shape, b, h, t)], D = dot(d_o, o);
				const real *q_t = q + t * HEAD_WIDTH;
				real *dq_t = dq + t * HEAD_WIDTH;
				for (int s = 0; s <= t; s++) {
					const int at = s * HEAD_WIDTH;
					const real p = (real)exp((double)(SCORE_SCALE * dot(q_t, k + at) - log_sum));
					const real dscore = SCORE_SCALE * p * (dot(d_o, v + at) - D);
					for (int i = 0; i < HEAD_WIDTH; i++) {
						dv[at + i] += p * d_o[i];
						dq_t[i] += dscore * k[at + i];
						dk[at + i] += dscore * q_t[i];
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
