/* score_file.c - a score as JSON. */
#include "fit/forecast.h"
#include "fit/writer.h"

#include <math.h>

static void add_runs(struct writer *writer, cJSON *root, const struct forecast *forecast, const struct score *score) {
	cJSON *runs = array_in(writer, root, "runs");
	for (size_t i = 0; i < score->count; i++) {
		const struct scored *run = &score->items[i];
		const struct prospect *ways = forecast->prospects[run->target];
		cJSON *at = object_at_end(writer, runs);
		string(writer, at, "id", run->point->id);
		number(writer, at, "N", run->point->N);
		number(writer, at, "D", run->point->D);
		number(writer, at, "measured", run->point->loss);
		number(writer, at, "predicted", ways[BY_LAW].point);
		interval(writer, at, "interval_50", ways[BY_LAW].half);
		interval(writer, at, "interval_90", ways[BY_LAW].most);
		number(writer, at, "error", run->error[BY_LAW]);
		number(writer, at, "z", run->z);
		number(writer, at, "probability_below", run->below);
		number(writer, at, "crps", run->crps[BY_LAW]);
		boolean(writer, at, "inside_50", run->in_half);
		boolean(writer, at, "inside_90", run->in_most);
		for (int way = BY_POWER; way < WAYS; way++) {
			if (!ways[way].made) {
				string(writer, at, way_names[way], NULL);
				continue;
			}
			cJSON *by = object_in(writer, at, way_names[way]);
			number(writer, by, "predicted", ways[way].point);
			number(writer, by, "error", run->error[way]);
			number(writer, by, "crps", run->crps[way]);
		}
	}
	cJSON *missing = array_in(writer, root, "missing");
	for (size_t i = 0; i < score->missing_count; i++) {
		const struct target *target = &forecast->targets[score->missing[i].target];
		cJSON *at = object_at_end(writer, missing);
		string(writer, at, "id", target->id);
		number(writer, at, "N", target->N);
		number(writer, at, "D", target->D);
		string(writer, at, "reason", score->missing[i].reason);
	}
}

static void add_share(struct writer *writer, cJSON *object, const char *key, const struct share *share) {
	cJSON *at = object_in(writer, object, key);
	number(writer, at, "inside", (double)share->inside);
	number(writer, at, "of", (double)share->of);
	number(writer, at, "share", (double)share->inside / (double)share->of);
	interval(writer, at, "interval", share->interval);
}

static void add_summary(struct writer *writer, cJSON *root, const struct score *score) {
	cJSON *summary = object_in(writer, root, "summary");
	number(writer, summary, "scored", (double)score->count);
	number(writer, summary, "missing", (double)score->missing_count);
	if (score->count == 0) return;
	number(writer, summary, "mean_crps", score->ways[BY_LAW].crps);
	number(writer, summary, "mean_error", score->ways[BY_LAW].error);
	add_share(writer, summary, "coverage_50", &score->half);
	add_share(writer, summary, "coverage_90", &score->most);
	cJSON *baselines = object_in(writer, summary, "baselines");
	for (int way = BY_POWER; way < WAYS; way++) {
		const struct against *against = &score->ways[way];
		if (against->count == 0) {
			string(writer, baselines, way_names[way], NULL);
			continue;
		}
		cJSON *at = object_in(writer, baselines, way_names[way]);
		double ratio = against->law_crps / against->crps;
		number(writer, at, "scored", (double)against->count);
		number(writer, at, "mean_crps", against->crps);
		number(writer, at, "mean_error", against->error);
		number(writer, at, "law_mean_crps", against->law_crps);
		number(writer, at, "law_mean_error", against->law_error);
		number(writer, at, "ratio", ratio);
		number(writer, at, "skill", 1 - ratio);
		boolean(writer, at, "beaten", ratio < 1);
	}
}

struct error *score_to_json(
    const struct forecast *forecast, uint64_t hash, const struct score *score, const char *path, const char *table,
    int64_t time, cJSON **root) {
	struct writer writer = {.failed = false};
	char hex[HASH_HEX_SIZE], scored[UTC_SIZE];
	struct text verdict = {0};
	*root = cJSON_CreateObject();
	number(&writer, *root, "format", 1);
	string(&writer, *root, "kind", "score");
	string(&writer, *root, "prediction", path);
	string(&writer, *root, "hash", hash_hex(hash, hex));
	string(&writer, *root, "made", forecast->made);
	boolean(&writer, *root, "retrospective", forecast->retrospective);
	string(&writer, *root, "law", forecast->law);
	string(&writer, *root, "table", table);
	string(&writer, *root, "scored", utc_text(time, scored));
	number(&writer, *root, "rows", (double)forecast->used_count);
	number(&writer, *root, "rows_found", (double)score->used_found);
	add_runs(&writer, *root, forecast, score);
	add_summary(&writer, *root, score);
	score_verdict(score, &verdict);
	string_of(&writer, *root, "text", &verdict);
	struct error *error = writer.failed || !*root ? error_memory(score->count * 1024) : NULL;
	text_free(&verdict);
	if (error) {
		cJSON_Delete(*root);
		*root = NULL;
	}
	return error;
}
