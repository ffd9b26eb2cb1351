/* chosen_json.c - the result of rung fit --law NAME as the object of fit.json; docs/formats.md describes it. */
#include "fit/chosen.h"
#include "fit/result.h"

#include <math.h>
#include <string.h>

static const char *const variable_names[] = {"N", "D", "C"};

static void add_law(struct writer *writer, cJSON *root, const struct chosen *chosen) {
	const struct law *law = &chosen->law;
	struct text words = {0};
	string(writer, root, "law", law->name);
	string(writer, root, "formula", law->formula);
	string(writer, root, "of", law->variables > 1 ? "N,D" : variable_names[chosen->selection.variable]);
	criterion_in_words(&law->criterion, &words);
	string_of(writer, root, "minimised", &words);
	text_free(&words);
	cJSON *points = object_in(writer, root, "points");
	number(writer, points, "used", (double)chosen->selection.count);
	number(writer, points, "in_table", (double)chosen->selection.points->count);
	number(writer, points, "left_out", (double)chosen->selection.points->left_out_count);
	number(writer, points, "rungs", chosen->design.rungs);
	number(writer, root, "at", chosen->selection.at);
}

/* A fit that did not earn its certificate has no parameters but nulls: what it has stands under "unconverged". */
static void add_parameters(struct writer *writer, cJSON *root, const struct chosen *chosen) {
	cJSON *values = object_in(writer, root, "parameters");
	cJSON *withheld = chosen->converged ? NULL : object_in(writer, root, "unconverged");
	for (int j = 0; j < chosen->count; j++) {
		const struct chosen_parameter *parameter = &chosen->parameters[j];
		if (!chosen->converged) string(writer, values, parameter->name, NULL);
		number(writer, chosen->converged ? values : withheld, parameter->name, parameter->value);
	}
	cJSON *identified = object_in(writer, root, "identified"), *intervals = object_in(writer, root, "intervals");
	cJSON *profiles = object_in(writer, root, "profiles"), *held = array_in(writer, root, "held");
	for (int j = 0; j < chosen->count; j++) {
		const struct chosen_parameter *parameter = &chosen->parameters[j];
		boolean(writer, identified, parameter->name, parameter->identified);
		if (parameter->held) {
			cJSON *name = cJSON_CreateString(parameter->name);
			if (!name || !cJSON_AddItemToArray(held, name)) writer->failed = true;
			continue;
		}
		interval(writer, intervals, parameter->name, parameter->interval);
		cJSON *profile = object_in(writer, profiles, parameter->name);
		interval(writer, profile, "interval", parameter->profile);
		boolean(writer, profile, "flat", parameter->flat);
		number(writer, profile, "threshold", chosen->threshold);
	}
	if (chosen->has_optimum) interval(writer, intervals, "a", chosen->allocation.a_interval);
	number(writer, root, "objective", chosen->objective);
	bool huber = chosen->law.criterion.kind == OBJECTIVE_HUBER;
	number(writer, root, "delta", huber ? chosen->law.criterion.delta : NAN);
	boolean(writer, root, "adapted", chosen->adapted);
	if (chosen->adapted && chosen->law.criterion.delta > FIT_DELTA) {
		double published[MOST_PARAMETERS];
		cJSON *object = object_in(writer, root, "published"), *parameters = object_in(writer, object, "parameters");
		law_publish(&chosen->law, &chosen->table, chosen->published.x, published);
		number(writer, object, "delta", FIT_DELTA);
		for (int j = 0; j < chosen->count; j++) number(writer, parameters, chosen->parameters[j].name, published[j]);
		number(writer, object, "objective", chosen->published.objective);
		number(writer, object, "starts", chosen->published.starts);
		number(writer, object, "agreeing", chosen->published.agreeing);
	}
	number(writer, root, "rms", chosen->rms);
	boolean(writer, root, "converged", chosen->converged);
}

static void add_certificate(struct writer *writer, cJSON *root, const struct chosen *chosen) {
	const struct fit_certificate *certificate = &chosen->certificate;
	cJSON *object = object_in(writer, root, "certificate");
	number(writer, object, "free", law_free(&chosen->law));
	write_certificate(writer, object, certificate);
	cJSON *at_bound = array_in(writer, object, "at_bound");
	for (int j = 0; j < chosen->count; j++) {
		if (!chosen->parameters[j].at_bound) continue;
		cJSON *name = cJSON_CreateString(chosen->parameters[j].name);
		if (!name || !cJSON_AddItemToArray(at_bound, name)) writer->failed = true;
	}
}

static void add_minima(struct writer *writer, cJSON *root, const struct chosen *chosen) {
	cJSON *array = array_in(writer, root, "minima");
	for (int m = 0; m < chosen->solution.minimum_count; m++) {
		const struct law_minimum *minimum = &chosen->solution.minima[m];
		double published[MOST_PARAMETERS];
		law_publish(&chosen->law, &chosen->table, minimum->x, published);
		cJSON *at = object_at_end(writer, array);
		number(writer, at, "objective", law_objective(&chosen->law, &chosen->table, minimum->x));
		number(writer, at, "searches", minimum->searches);
		cJSON *values = object_in(writer, at, "parameters");
		for (int j = 0; j < chosen->count; j++) number(writer, values, chosen->parameters[j].name, published[j]);
	}
}

static void add_bootstrap(struct writer *writer, cJSON *root, const struct chosen *chosen) {
	const struct resamples *resamples = &chosen->resamples;
	cJSON *object = object_in(writer, root, "bootstrap");
	string(writer, object, "method", resampling_name(resamples->method));
	number(writer, object, "replicates", (double)resamples->count);
	number(writer, object, "level", FIT_LEVEL);
	number(writer, object, "point_noise", chosen->noise.point);
	number(writer, object, "rung_noise", chosen->noise.rung);
	number(writer, object, "redrawn", (double)resamples->redrawn);
	number(writer, object, "unfinished", (double)resamples->unfinished);
}

static void levels(struct writer *writer, cJSON *object, const char *key, const struct fit_interval *intervals) {
	cJSON *at = object_in(writer, object, key);
	for (int k = 0; k < FIT_OUTLOOK_LEVELS; k++) {
		char name[8];
		snprintf(name, sizeof name, "%.0f", 100 * fit_outlook_levels[k]);
		interval(writer, at, name, intervals[k]);
	}
}

static void add_predictions(struct writer *writer, cJSON *root, const struct chosen *chosen) {
	cJSON *asked = array_in(writer, root, "predictions");
	write_left_out(writer, root, chosen->selection.points);
	cJSON *left_out = cJSON_GetObjectItemCaseSensitive(root, "left_out");
	for (size_t k = 0; k < chosen->prediction_count; k++) {
		const struct chosen_prediction *at = &chosen->predictions[k];
		if (at->line == 0) {
			cJSON *object = object_at_end(writer, asked);
			number(writer, object, "N", at->N);
			number(writer, object, "D", at->D);
			number(writer, object, "C", at->C);
			number(writer, object, "D_per_N", at->D / at->N);
			number(writer, object, "loss", at->predicted);
			levels(writer, object, "mean", at->mean);
			levels(writer, object, "measurement", at->measurement);
			continue;
		}
		int index = 0; /* of the row of that line */
		const struct fit_points *points = chosen->selection.points;
		while ((size_t)index < points->left_out_count && points->left_out[index].line != at->line) index++;
		cJSON *object = cJSON_GetArrayItem(left_out, index);
		number(writer, object, "predicted", at->predicted);
		number(writer, object, "error", at->predicted / at->loss - 1);
		levels(writer, object, "measurement", at->measurement);
	}
}

static void add_residuals(struct writer *writer, cJSON *root, const struct chosen *chosen) {
	const struct table *table = &chosen->table;
	cJSON *array = array_in(writer, root, "residuals");
	for (size_t i = 0; i < table->count; i++) {
		const struct fit_point *point = &chosen->selection.points->items[chosen->selection.rows[i]];
		double loss = chosen->law.predict(chosen->solution.x, table->u + i * (size_t)table->variables, NULL, NULL);
		double predicted = exp(table->mean_y) * loss;
		char name[32];
		snprintf(name, sizeof name, "line %zu", point->line);
		cJSON *object = object_at_end(writer, array);
		string(writer, object, "id", point->id ? point->id : name);
		number(writer, object, "N", point->N);
		number(writer, object, "D", point->D);
		number(writer, object, "C", point->C);
		number(writer, object, "loss", point->loss);
		number(writer, object, "predicted", predicted);
		number(writer, object, "residual", log(point->loss / predicted));
	}
}

struct error *chosen_to_json(const struct chosen *chosen, cJSON **root) {
	struct writer writer = {.failed = false};
	*root = cJSON_CreateObject();
	number(&writer, *root, "format", 1);
	add_law(&writer, *root, chosen);
	add_parameters(&writer, *root, chosen);
	add_certificate(&writer, *root, chosen);
	add_minima(&writer, *root, chosen);
	add_bootstrap(&writer, *root, chosen);
	if (chosen->has_optimum) {
		const struct allocation_view view = {
		    .allocation = &chosen->allocation,
		    .isoflops = &chosen->isoflops,
		    .isoflop_interval = chosen->isoflop_interval};
		write_allocation(&writer, *root, &view);
		write_isoflops(&writer, *root, &view);
	} else {
		string(&writer, *root, "allocation", NULL);
	}
	write_comparison(&writer, *root, &chosen->comparison);
	add_residuals(&writer, *root, chosen);
	add_predictions(&writer, *root, chosen);
	write_warning_list(&writer, *root, chosen->warnings, chosen->warning_count);
	if (!writer.failed && *root) return NULL;
	cJSON_Delete(*root);
	*root = NULL;
	return error_memory(chosen->table.count * 1024);
}
