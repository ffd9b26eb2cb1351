/* When a run counts as diverged: rules that depend on its losses alone, so that it does so at the same step however often it
 * was stopped and gone on with. */
#include "train/state.h"

#include <math.h>

/* The loss of a small batch jumps about, so the smoothed loss looks back over so many steps, and over so many tokens. */
enum { SMOOTH_STEPS = 64, SMOOTH_TOKENS = 4096 };
/* A spike takes back this part of what had been learned, ln V - lowest, and at least so many nats. */
#define SPIKE_PART 0.25
#define SPIKE_LEAST 0.25

void divergence_begin(struct train_state *state) {
	state->smooth_sum = state->smooth_weight = state->rise = state->highest_rise = 0;
	state->lowest = INFINITY;
	state->proven = state->settled = state->settling = 0;
}

/* In steps. */
static double smoothing_length(const struct train_steps *steps) {
	return fmax(SMOOTH_STEPS, (double)SMOOTH_TOKENS / (double)steps->tokens_per_step);
}

double divergence_smoothed(const struct train_state *state) {
	return state->smooth_sum / state->smooth_weight;
}

enum train_divergence divergence_of_step(double loss, double gradient_norm, double ln_V) {
	if (!isfinite(loss) || !isfinite(gradient_norm)) return DIVERGED_NOT_FINITE;
	return loss > ln_V + 1 ? DIVERGED_ABOVE : DIVERGED_NOT;
}

enum train_divergence divergence_note(
    struct train_state *state, const struct train_steps *steps, double loss, double ln_V) {
	const double length = smoothing_length(steps);
	const double keep = 1 - 1 / length;
	state->smooth_sum = keep * state->smooth_sum + loss;
	state->smooth_weight = keep * state->smooth_weight + 1;
	if ((double)state->step < length) return DIVERGED_NOT; /* a mean over few steps may be low by chance */
	const double smoothed = divergence_smoothed(state);
	state->lowest = fmin(state->lowest, smoothed);
	state->rise = (smoothed - state->lowest) / fmax(SPIKE_LEAST, SPIKE_PART * (ln_V - state->lowest));
	state->highest_rise = fmax(state->highest_rise, state->rise);
	return state->rise > 1 ? DIVERGED_SPIKE : DIVERGED_NOT;
}

void divergence_settle(struct train_state *state, const struct train_steps *steps, int64_t saved) {
	if (state->rise >= 0.5) { /* what has been saved lately may be from behind the bend */
		state->settling = 0;
		return;
	}
	state->proven = saved;
	if (state->settling && (double)(state->step - state->settling) < smoothing_length(steps)) return;
	if (state->settling) state->settled = state->settling;
	state->settling = saved;
}

const char *divergence_reason(enum train_divergence divergence) {
	static const char *const reasons[] = {
	    [DIVERGED_NOT] = "",
	    [DIVERGED_NOT_FINITE] = "not_finite",
	    [DIVERGED_ABOVE] = "above_ln_V",
	    [DIVERGED_SPIKE] = "spike"};
	return reasons[divergence];
}
