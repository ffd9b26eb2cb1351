/* result_approaches.c - "approach1" and "approach2" of fit.json. */
#include "fit/approach.h"
#include "fit/result.h"

#include <math.h>

static const char *const method_names[] = {[BY_PARABOLA] = "parabola", [BY_AKIMA] = "akima"};

static void or_null(struct writer *writer, cJSON *object, const char *key, double value) {
	if (isnan(value))
		string(writer, object, key, NULL);
	else
		number(writer, object, key, value);
}

/* ---------------------------------------------------------------------------------------------------------- approach 1 --- */

static void add_choice(struct writer *writer, cJSON *array, const struct envelope_choice *choice) {
	cJSON *object = object_at_end(writer, array);
	string(writer, object, "method", choice->method == ENVELOPE_HULL ? "hull" : "buckets");
	string(writer, object, "sizes", choice->inner ? "inner" : "all");
	or_null(writer, object, "without_N", choice->without_N);
	number(writer, object, "points", (double)choice->points);
	number(writer, object, "a", choice->N.slope);
	number(writer, object, "b", choice->D.slope);
}

static void add_approach1(struct writer *writer, cJSON *root, const struct fit_approaches *approaches) {
	static const char *const kinds[] = {
	    [CURVES_OF_TABLE] = "curves of the table",
	    [CURVES_OF_LAB] = "trunks",
	    [CURVES_OF_RUNS] = "runs",
	    [FINISHED_RUNS] = "finished runs"};
	const struct approach1 *first = &approaches->first;
	cJSON *object = object_in(writer, root, "approach1");
	string(writer, object, "curves", kinds[approaches->curves]);
	boolean(writer, object, "final_losses", approaches->curves == FINISHED_RUNS);
	number(writer, object, "runs", (double)first->runs);
	number(writer, object, "rows", (double)first->rows);
	number(writer, object, "unreadable", approaches->unreadable);
	const struct envelope_choice *chosen = first->choice_count ? &first->choices[0] : NULL;
	or_null(writer, object, "a", chosen ? chosen->N.slope : NAN);
	or_null(writer, object, "b", chosen ? chosen->D.slope : NAN);
	interval(writer, object, "a_interval", first->a_interval);
	interval(writer, object, "b_interval", first->b_interval);
	cJSON *range = array_in(writer, object, "a_range"); /* over the choices */
	if (chosen) {
		element(writer, range, first->low);
		element(writer, range, first->high);
	}
	cJSON *choices = array_in(writer, object, "choices"), *corners = array_in(writer, object, "points");
	for (size_t k = 0; k < first->choice_count; k++) add_choice(writer, choices, &first->choices[k]);
	for (size_t i = 0; chosen && i < chosen->points; i++) {
		cJSON *at = object_at_end(writer, corners);
		number(writer, at, "C", first->corners[i].C);
		number(writer, at, "N", first->corners[i].N);
		number(writer, at, "D", first->corners[i].D);
		number(writer, at, "loss", first->corners[i].loss);
	}
}

/* ---------------------------------------------------------------------------------------------------------- approach 2 --- */

static void add_optimum(struct writer *writer, cJSON *object, const char *key, const struct optimum_found *found) {
	cJSON *at = object_in(writer, object, key);
	or_null(writer, at, "N", found->N);
	or_null(writer, at, "D", found->D);
	or_null(writer, at, "loss", found->loss);
	or_null(writer, at, "std", found->std);
	boolean(writer, at, "edge", found->edge);
	number(writer, at, "thrown_out", (double)found->thrown);
}

static void add_bias(
    struct writer *writer, cJSON *object, const struct approach2_bias *bias, double a, const double D[BIAS_REACHES]) {
	or_null(writer, object, "a", a);
	cJSON *far = array_in(writer, object, "D");
	for (int k = 0; k < BIAS_REACHES; k++) {
		cJSON *at = object_at_end(writer, far);
		number(writer, at, "C", bias_reach[k] * bias->largest);
		or_null(writer, at, "relative", D[k]);
	}
}

static void add_line(
    struct writer *writer, cJSON *object, const struct approach2 *second, const struct approach2_bias *bias,
    enum optimum_method method) {
	const struct optimum_line *line = &second->line[method];
	cJSON *of = object_in(writer, object, method_names[method]);
	or_null(writer, of, "a", line->N.slope);
	interval(writer, of, "a_interval", line->N.slope_interval);
	or_null(writer, of, "b", line->D.slope);
	interval(writer, of, "b_interval", line->D.slope_interval);
	number(writer, of, "budgets", (double)line->budgets);
	number(writer, of, "edges", (double)(second->budgets.count - line->budgets));
	if (!bias) {
		string(writer, of, "bias", NULL);
		return;
	}
	cJSON *wrong = object_in(writer, of, "bias");
	add_bias(writer, wrong, bias, bias->a[method], bias->D[method]);
	if (method == BY_PARABOLA)
		add_bias(writer, object_in(writer, wrong, "edges_kept"), bias, bias->kept_a, bias->kept_D);
}

static void add_approach2(struct writer *writer, cJSON *root, const struct fit_approaches *approaches) {
	const struct approach2 *second = &approaches->second;
	cJSON *object = object_in(writer, root, "approach2");
	string(writer, object, "source", budget_source_name(second->budgets.source));
	string(writer, object, "flops", approaches->by_column ? "column" : "6ND");
	or_null(writer, object, "noise", second->noise);
	string(writer, object, "noise_source", second->replicates ? approaches->noise_source : NULL);
	number(writer, object, "replicates", (double)second->replicates);
	number(writer, object, "rejected", (double)second->budgets.rejected);
	number(writer, object, "too_few_sizes", (double)second->budgets.too_few);
	cJSON *budgets = array_in(writer, object, "budgets");
	for (size_t b = 0; b < second->budgets.count; b++) {
		const struct budget *budget = &second->budgets.items[b];
		cJSON *at = object_at_end(writer, budgets);
		number(writer, at, "C", budget->C);
		write_budget_points(writer, at, budget->points, budget->count);
		for (int m = 0; m < OPTIMUM_METHODS; m++) add_optimum(writer, at, method_names[m], &second->found[m][b]);
	}
	const struct approach2_bias *bias = approaches->bias_known ? &approaches->bias : NULL;
	for (int m = 0; m < OPTIMUM_METHODS; m++) add_line(writer, object, second, bias, (enum optimum_method)m);
	or_null(writer, object, "surface_a", bias ? bias->true_a : NAN);
}

/* ------------------------------------------------------------------------------------------------------------ counting --- */

static void add_counting(struct writer *writer, cJSON *root, const struct counting *counting) {
	cJSON *array = array_in(writer, root, "counting");
	for (size_t i = 0; i < counting->count; i++) {
		const struct counting_row *row = &counting->rows[i];
		cJSON *object = object_at_end(writer, array);
		string(writer, object, "N", row->N);
		string(writer, object, "C", row->C);
		boolean(writer, object, "converged", row->converged);
		number(writer, object, "C_per_D_exponent", row->elasticity);
		const struct {
			const char *name, *interval_name;
			double value;
			struct fit_interval interval;
		} members[] = {
		    {"alpha", "alpha_interval", row->surface.alpha, row->alpha},
		    {"beta", "beta_interval", row->surface.beta, row->beta},
		    {"E", "E_interval", row->surface.E, row->E},
		    {"a", "a_interval", row->a, row->a_interval}};
		for (size_t k = 0; k < COUNT_OF(members); k++) {
			bool known = row->converged && counting_known(members[k].value, members[k].interval);
			or_null(writer, object, members[k].name, known ? members[k].value : NAN);
			if (row->converged) interval(writer, object, members[k].interval_name, members[k].interval);
		}
	}
	struct text words = {0};
	counting_sentence(counting, &words);
	string_of(writer, root, "counting_text", &words);
	text_free(&words);
}

void result_approaches(struct writer *writer, cJSON *root, const struct fit *fit) {
	if (!fit->approaches) return;
	add_approach1(writer, root, fit->approaches);
	add_approach2(writer, root, fit->approaches);
	if (fit->approaches->counting.count > 0) add_counting(writer, root, &fit->approaches->counting);
}
