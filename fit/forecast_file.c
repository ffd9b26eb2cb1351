/* forecast_file.c - a forecast as a file that shows when it was changed. */
#include "fit/forecast.h"
#include "fit/input.h"
#include "fit/writer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How the table was read, by the names of the options. */
struct holder {
	struct fit_input input;
};
#define FIELD(field) offsetof(struct holder, field)
static const struct option_row input_rows[] = {INPUT_OPTIONS(FIELD, input)};
#undef FIELD

char *utc_text(int64_t time, char out[UTC_SIZE]) {
	time_t seconds = (time_t)time;
	struct tm parts;
	if (!gmtime_r(&seconds, &parts) || !strftime(out, UTC_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts))
		snprintf(out, UTC_SIZE, "unknown");
	return out;
}

/* -------------------------------------------------------------------------------------------------------- writing --- */

static void add_fit(struct writer *writer, cJSON *root, const struct forecast *forecast) {
	cJSON *object = object_in(writer, root, "fit");
	cJSON *parameters = object_in(writer, object, "parameters");
	for (int i = 0; i < forecast->parameter_count; i++)
		number(writer, parameters, forecast->names[i], forecast->parameters[i]);
	number(writer, object, "objective", forecast->objective);
	number(writer, object, "rms", forecast->rms);
	boolean(writer, object, "converged", !forecast->certificate.doubt);
	number(writer, object, "starts", forecast->certificate.starts);
	number(writer, object, "agreeing", forecast->certificate.agreeing);
	number(writer, object, "gradient", forecast->certificate.gradient);
	number(writer, object, "condition", forecast->certificate.condition);
	number(writer, object, "point_noise", forecast->noise.point);
	number(writer, object, "rung_noise", forecast->noise.rung);
	number(writer, object, "setting_noise", forecast->noise.setting);
	string(writer, object, "bootstrap", resampling_name(forecast->method));
	number(writer, object, "replicates", (double)forecast->replicates);
	number(writer, object, "random_seed", (double)forecast->seed);
}

/* A line a row: [N, D, loss, id]. */
static void add_rows(struct writer *writer, cJSON *root, const struct forecast *forecast) {
	cJSON *rows = array_in(writer, root, "rows");
	for (size_t i = 0; i < forecast->used_count; i++) {
		const struct used *used = &forecast->used[i];
		cJSON *row = cJSON_CreateArray(), *id = used->id ? cJSON_CreateString(used->id) : cJSON_CreateNull();
		if (!row || !cJSON_AddItemToArray(rows, row)) writer->failed = true;
		element(writer, row, used->N);
		element(writer, row, used->D);
		element(writer, row, used->loss);
		if (!id || !cJSON_AddItemToArray(row, id)) writer->failed = true;
	}
}

static void add_prospect(struct writer *writer, cJSON *object, const struct prospect *prospect) {
	number(writer, object, "predicted", prospect->point);
	interval(writer, object, "interval_50", prospect->half);
	interval(writer, object, "interval_90", prospect->most);
}

static void add_predictions(struct writer *writer, cJSON *root, const struct forecast *forecast) {
	cJSON *predictions = array_in(writer, root, "predictions");
	for (size_t k = 0; k < forecast->count; k++) {
		const struct target *target = &forecast->targets[k];
		cJSON *at = object_at_end(writer, predictions);
		string(writer, at, "id", target->id);
		number(writer, at, "N", target->N);
		number(writer, at, "D", target->D);
		number(writer, at, "N_over_largest", target->N / forecast->largest_N);
		number(writer, at, "D_over_largest", target->D / forecast->largest_D);
		add_prospect(writer, at, &forecast->prospects[k][BY_LAW]);
		for (int way = BY_POWER; way < WAYS; way++) {
			const struct prospect *prospect = &forecast->prospects[k][way];
			if (prospect->made)
				add_prospect(writer, object_in(writer, at, way_names[way]), prospect);
			else
				string(writer, at, way_names[way], NULL);
		}
	}
	cJSON *distributions = array_in(writer, root, "distributions");
	for (size_t k = 0; k < forecast->count; k++) {
		cJSON *of = object_at_end(writer, distributions);
		for (int way = 0; way < WAYS; way++) {
			const struct mixture *mixture = &forecast->prospects[k][way].mixture;
			if (!forecast->prospects[k][way].made) continue;
			cJSON *object = object_in(writer, of, way_names[way]);
			cJSON *center = array_in(writer, object, "center"), *spread = array_in(writer, object, "spread");
			for (size_t i = 0; i < mixture->count; i++) {
				element(writer, center, mixture->center[i]);
				element(writer, spread, mixture->spread[i]);
			}
		}
	}
}

struct error *forecast_print(const struct forecast *forecast, struct text *out, uint64_t *hash) {
	struct writer writer = {.failed = false};
	char hex[HASH_HEX_SIZE];
	cJSON *root = cJSON_CreateObject();
	number(&writer, root, "format", 1);
	string(&writer, root, "kind", forecast->retrospective ? "retrospective" : "prediction");
	string(&writer, root, "made", forecast->made);
	string(&writer, root, "version", forecast->version);
	string(&writer, root, "law", forecast->law);
	string(&writer, root, "formula", forecast->formula);
	string(&writer, root, "table", forecast->source);
	const struct holder holder = {forecast->input};
	struct error *error = options_to_json(input_rows, COUNT_OF(input_rows), &holder, object_in(&writer, root, "input"));
	add_fit(&writer, root, forecast);
	add_rows(&writer, root, forecast);
	string(&writer, root, "rows_hash", hash_hex(forecast->rows_hash, hex));
	add_predictions(&writer, root, forecast);
	if (!error && writer.failed) error = error_memory(forecast->count * forecast->replicates * 64);
	if (!error) error = json_print_sealed(root, out, hash);
	cJSON_Delete(root);
	return error;
}

/* -------------------------------------------------------------------------------------------------------- reading --- */

struct reading {
	const char *path;
	struct forecast *forecast;
};

static struct error *misfit(const struct reading *reading, const char *what) {
	return error_new(ERROR_DATA, "%s: expected %s; is it from another version of rung?", reading->path, what);
}

static struct error *copy_text(const struct reading *reading, const cJSON *object, const char *key, const char **text) {
	const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, key);
	if (cJSON_IsNull(member)) return NULL;
	if (!cJSON_IsString(member)) return error_new(ERROR_DATA, "%s: \"%s\" must be a text", reading->path, key);
	*text = strings_keep(&reading->forecast->strings, member->valuestring);
	return *text ? NULL : error_memory(strlen(member->valuestring));
}

static struct error *read_rows(const struct reading *reading, const cJSON *root) {
	struct forecast *forecast = reading->forecast;
	const cJSON *rows = cJSON_GetObjectItemCaseSensitive(root, "rows");
	if (!cJSON_IsArray(rows) || !rows->child) return misfit(reading, "\"rows\", a list of [N, D, loss, id]");
	size_t count = (size_t)cJSON_GetArraySize(rows);
	forecast->used = array_new(count, sizeof *forecast->used);
	if (!forecast->used) return error_memory(count * sizeof *forecast->used);
	for (const cJSON *row = rows->child; row; row = row->next) {
		const cJSON *item = cJSON_IsArray(row) && cJSON_GetArraySize(row) == 4 ? row->child : NULL;
		struct used *used = &forecast->used[forecast->used_count++];
		double *const values[] = {&used->N, &used->D, &used->loss};
		for (size_t i = 0; i < COUNT_OF(values) && item; i++, item = item->next) {
			*values[i] = item->valuedouble;
			if (!cJSON_IsNumber(item) || !(item->valuedouble > 0))
				return misfit(reading, "\"rows\" of numbers above zero");
		}
		if (!item || !(cJSON_IsString(item) || cJSON_IsNull(item)))
			return misfit(reading, "\"rows\" of [N, D, loss, id]");
		if (cJSON_IsNull(item)) continue;
		used->id = strings_keep(&forecast->strings, item->valuestring);
		if (!used->id) return error_memory(strlen(item->valuestring));
	}
	char expected[HASH_HEX_SIZE];
	const char *found;
	TRY(used_hash(forecast->used, forecast->used_count, &forecast->rows_hash));
	TRY(json_get_text(root, "rows_hash", reading->path, &found));
	if (strcmp(found, hash_hex(forecast->rows_hash, expected)) == 0) return NULL;
	return error_new(
	    ERROR_DATA, "%s: \"rows_hash\" is %.40s, expected %s for these rows", reading->path, found, expected);
}

static bool read_interval(const cJSON *object, const char *key, struct fit_interval *interval) {
	const cJSON *pair = cJSON_GetObjectItemCaseSensitive(object, key);
	if (!cJSON_IsArray(pair) || cJSON_GetArraySize(pair) != 2) return false;
	*interval = (struct fit_interval){pair->child->valuedouble, pair->child->next->valuedouble};
	return cJSON_IsNumber(pair->child) && cJSON_IsNumber(pair->child->next);
}

/* `object` has the numbers for people, `distribution` what they were read from. */
static struct error *read_prospect(
    const struct reading *reading, const cJSON *object, const cJSON *distribution, struct prospect *prospect) {
	const cJSON *center = cJSON_GetObjectItemCaseSensitive(distribution, "center");
	const cJSON *spread = cJSON_GetObjectItemCaseSensitive(distribution, "spread");
	int count = cJSON_IsArray(center) ? cJSON_GetArraySize(center) : 0;
	if (count == 0 || !cJSON_IsArray(spread) || cJSON_GetArraySize(spread) != count)
		return misfit(reading, "\"distributions\" with as many centers as spreads");
	TRY(json_get_number(object, "predicted", reading->path, &prospect->point));
	if (!read_interval(object, "interval_50", &prospect->half) ||
	    !read_interval(object, "interval_90", &prospect->most))
		return misfit(reading, "\"interval_50\" and \"interval_90\", each [low, high]");
	TRY(mixture_new(&prospect->mixture, (size_t)count));
	const cJSON *c = center->child, *s = spread->child;
	for (size_t i = 0; i < (size_t)count; i++, c = c->next, s = s->next) {
		if (!cJSON_IsNumber(c) || !cJSON_IsNumber(s) || s->valuedouble < 0)
			return misfit(reading, "\"distributions\" of numbers, spreads of zero or more");
		prospect->mixture.center[i] = c->valuedouble;
		prospect->mixture.spread[i] = s->valuedouble;
	}
	prospect->made = true;
	return NULL;
}

static struct error *read_predictions(const struct reading *reading, const cJSON *root) {
	struct forecast *forecast = reading->forecast;
	const cJSON *predictions = cJSON_GetObjectItemCaseSensitive(root, "predictions");
	const cJSON *distributions = cJSON_GetObjectItemCaseSensitive(root, "distributions");
	int count = cJSON_IsArray(predictions) ? cJSON_GetArraySize(predictions) : 0;
	if (count == 0 || !cJSON_IsArray(distributions) || cJSON_GetArraySize(distributions) != count)
		return misfit(reading, "\"predictions\" and \"distributions\", lists of one length");
	forecast->targets = array_new((size_t)count, sizeof *forecast->targets);
	forecast->prospects = array_new((size_t)count, sizeof *forecast->prospects);
	if (!forecast->targets || !forecast->prospects) return error_memory((size_t)count * sizeof *forecast->prospects);
	forecast->count = (size_t)count;
	const cJSON *at = predictions->child, *of = distributions->child;
	for (size_t k = 0; k < forecast->count; k++, at = at->next, of = of->next) {
		struct target *target = &forecast->targets[k];
		TRY(json_get_number(at, "N", reading->path, &target->N));
		TRY(json_get_number(at, "D", reading->path, &target->D));
		if (!(target->N > 0 && target->D > 0)) return misfit(reading, "N and D above zero");
		TRY(copy_text(reading, at, "id", &target->id));
		for (int way = 0; way < WAYS; way++) {
			const cJSON *words = way == BY_LAW ? at : cJSON_GetObjectItemCaseSensitive(at, way_names[way]);
			const cJSON *distribution = cJSON_GetObjectItemCaseSensitive(of, way_names[way]);
			if (way != BY_LAW && cJSON_IsNull(words) && !distribution) continue;
			TRY(read_prospect(reading, words, distribution, &forecast->prospects[k][way]));
		}
	}
	return NULL;
}

static struct error *read_input(const struct reading *reading, const cJSON *root) {
	struct holder holder;
	char place[300];
	snprintf(place, sizeof place, "%.280s: \"input\"", reading->path);
	TRY(options_defaults(input_rows, COUNT_OF(input_rows), &holder));
	TRY(options_from_json(
	    input_rows, COUNT_OF(input_rows), &holder, cJSON_GetObjectItemCaseSensitive(root, "input"), place));
	return forecast_keep_input(reading->forecast, &holder.input) ? NULL : error_memory(1024);
}

static struct error *read_whole(const struct reading *reading, const cJSON *root) {
	struct forecast *forecast = reading->forecast;
	double format;
	const char *kind;
	TRY(json_get_number(root, "format", reading->path, &format));
	if (format != 1) return misfit(reading, "\"format\" 1");
	TRY(json_get_text(root, "kind", reading->path, &kind));
	forecast->retrospective = strcmp(kind, "retrospective") == 0;
	if (!forecast->retrospective && strcmp(kind, "prediction") != 0)
		return misfit(reading, "\"kind\" prediction or retrospective");
	TRY(copy_text(reading, root, "made", &forecast->made));
	TRY(copy_text(reading, root, "version", &forecast->version));
	TRY(copy_text(reading, root, "law", &forecast->law));
	TRY(copy_text(reading, root, "formula", &forecast->formula));
	TRY(copy_text(reading, root, "table", &forecast->source));
	TRY(read_input(reading, root));
	if (!forecast->made || !forecast->law || !forecast->source)
		return misfit(reading, "\"made\", \"law\" and \"table\"");
	TRY(read_rows(reading, root));
	return read_predictions(reading, root);
}

struct error *forecast_read(const char *path, struct forecast *forecast, uint64_t *hash) {
	*forecast = (struct forecast){0};
	cJSON *root;
	if (!file_exists(path))
		return error_new(ERROR_DATA, "%s: there is no such prediction; 'rung predict --out %s' writes one", path, path);
	TRY(json_read_seal(path, 0, &root, hash));
	struct error *error = read_whole(&(struct reading){path, forecast}, root);
	cJSON_Delete(root);
	if (error) forecast_free(forecast);
	return error;
}
