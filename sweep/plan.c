/* Plans: JSON to rungs and back, with every mistake named by its place. A run's settings are read through the table of
 * `rung train` (train_config_rows), so a plan knows every option that a run knows. */
#include "sweep/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PLACE_SIZE 512

#define SAMPLE(field) offsetof(struct plan_sample, field)
static const struct option_row sample_rows[] = {
    {"prompt", OPTION_COUNT, SAMPLE(prompt), "128", 1, 65536, "held-out tokens that the model is given", "n"},
    {"tokens", OPTION_COUNT, SAMPLE(tokens), "500", 1, 1e6, "tokens that it then writes", "n"},
    {"temperature", OPTION_REAL, SAMPLE(temperature), "0.8", 0, 100, "of the draw; 0 takes the likeliest token", "x"},
    {"seed", OPTION_COUNT, SAMPLE(seed), "1", 0, 1e15, "of the draws", "n"},
};

/* What a plan says beside the settings of its runs. */
static const char *const plan_keys[] = {"name", "corpus", "corpus_hash", "rungs", "horizons", "seeds", "sample"};
static const char *const rung_keys[] = {"horizons", "seeds"};

static bool is_among(const char *key, const char *const *keys, size_t count) {
	for (size_t i = 0; i < count; i++)
		if (strcmp(key, keys[i]) == 0) return true;
	return false;
}

static const struct option_row *config_row(const char *name) {
	for (size_t i = 0; i < train_config_row_count; i++)
		if (strcmp(train_config_rows[i].name, name) == 0) return &train_config_rows[i];
	return NULL;
}

/* A setting's name in JSON; `name` is in the table's spelling. */
static bool is_setting(const char *key) {
	char name[64];
	snprintf(name, sizeof name, "%s", key);
	for (char *c = name; *c; c++)
		if (*c == '_') *c = '-';
	return config_row(name) != NULL;
}

/* The members of `object` that are not among `keys`, as settings of a run. */
static struct error *parse_config(
    const cJSON *object, const char *const *keys, size_t key_count, const char *place, struct train_config *config) {
	static const struct { const char *key, *instead; } per_run[] = {{"tokens", "horizons"}, {"seed", "seeds"}};
	for (size_t i = 0; i < COUNT_OF(per_run); i++)
		if (cJSON_GetObjectItemCaseSensitive(object, per_run[i].key))
			return error_new(
			    ERROR_DATA, "%s: \"%s\" belongs to a single run; a plan lists them: \"%s\": [...]", place,
			    per_run[i].key, per_run[i].instead);

	const cJSON *member;
	cJSON_ArrayForEach(member, object) {
		const char *key = member->string, *meant = nearest_name(key, keys, key_count, sizeof *keys);
		if (*key != '_' && !is_among(key, keys, key_count) && !is_setting(key) && meant)
			return error_new(
			    ERROR_DATA, "%s: unknown key \"%.100s\"; did you mean \"%s\"? (keys that begin with _ are comments)",
			    place, key, meant);
	}
	cJSON *settings = cJSON_CreateObject();
	if (!settings) return error_memory(64);
	bool complete = true;
	cJSON_ArrayForEach(member, object) {
		if (!is_among(member->string, keys, key_count))
			complete &= cJSON_AddItemReferenceToObject(settings, member->string, (cJSON *)member);
	}
	struct error *error = complete
	                          ? options_from_json(train_config_rows, train_config_row_count, config, settings, place)
	                          : error_memory(64);
	cJSON_Delete(settings);
	return error;
}

/* A list of whole numbers, each read as `row` reads its value ("1M" is fine); `key` is the list's name. */
static struct error *parse_integers(
    const cJSON *array, const char *place, const char *key, const struct option_row *row, bool ascending,
    int64_t **items, int *count) {
	const int size = cJSON_IsArray(array) ? cJSON_GetArraySize(array) : 0;
	if (size == 0)
		return error_new(
		    ERROR_DATA, "%s: \"%s\" must be a list of one whole number or more, such as %s", place, key,
		    ascending ? "[1e6, 2e6, 4e6]" : "[1, 2]");
	int64_t *list = array_new((size_t)size, sizeof *list);
	if (!list) return error_memory((size_t)size * sizeof *list);
	free(*items);
	*items = list;
	*count = 0;
	const cJSON *item;
	cJSON_ArrayForEach(item, array) {
		char name[64];
		snprintf(name, sizeof name, "%s[%d]", key, *count);
		struct option_row one = *row;
		one.name = name;
		one.offset = 0;
		cJSON *object = cJSON_CreateObject();
		struct error *error = object && cJSON_AddItemReferenceToObject(object, name, (cJSON *)item)
		                          ? options_from_json(&one, 1, &list[*count], object, place)
		                          : error_memory(64);
		cJSON_Delete(object);
		if (error) return error;
		for (int i = 0; i < *count; i++)
			if (ascending ? list[i] >= list[*count] : list[i] == list[*count])
				return error_new(
				    ERROR_DATA, "%s: %s is %lld after %lld; %s", place, name, (long long)list[*count],
				    (long long)list[i], ascending ? "horizons must ascend" : "a seed can stand there once");
		++*count;
	}
	return NULL;
}

static struct error *copy_integers(const int64_t *from, int count, int64_t **items, int *item_count) {
	*items = array_new((size_t)count, sizeof **items);
	if (!*items) return error_memory((size_t)count * sizeof **items);
	memcpy(*items, from, (size_t)count * sizeof **items);
	*item_count = count;
	return NULL;
}

static bool has_setting(const cJSON *object, const char *key) {
	return cJSON_GetObjectItemCaseSensitive(object, key) != NULL;
}

/* `ladder` holds the defaults for the whole plan. */
static struct error *parse_rung(
    const cJSON *root, const cJSON *object, const char *place, const struct rung *ladder, struct rung *rung) {
	if (!cJSON_IsObject(object))
		return error_new(ERROR_DATA, "%s must be an object such as {\"width\": 64, \"depth\": 4}", place);
	rung->config = ladder->config;
	TRY(parse_config(object, rung_keys, COUNT_OF(rung_keys), place, &rung->config));
	static const char *const shape_keys[] = {"width", "depth"};
	for (size_t i = 0; i < COUNT_OF(shape_keys); i++)
		if (!has_setting(object, shape_keys[i]) && !has_setting(root, shape_keys[i]))
			return error_new(
			    ERROR_DATA, "%s: \"%s\" is missing; a rung needs one, such as {\"width\": 64, \"depth\": 4}", place,
			    shape_keys[i]);
	if (rung->config.width % HEAD_WIDTH)
		return error_new(
		    ERROR_DATA, "%s: width is %lld; heads are %d wide, so it must be a multiple of that", place,
		    (long long)rung->config.width, HEAD_WIDTH);

	const cJSON *horizons = cJSON_GetObjectItemCaseSensitive(object, "horizons");
	if (horizons)
		TRY(parse_integers(
		    horizons, place, "horizons", config_row("tokens"), true, &rung->horizons, &rung->horizon_count));
	else if (ladder->horizons)
		TRY(copy_integers(ladder->horizons, ladder->horizon_count, &rung->horizons, &rung->horizon_count));
	else
		return error_new(
		    ERROR_DATA,
		    "%s: no \"horizons\", neither here nor for the whole plan; token counts such as [1e6, 2e6, 4e6]", place);
	const cJSON *seeds = cJSON_GetObjectItemCaseSensitive(object, "seeds");
	if (seeds) return parse_integers(seeds, place, "seeds", config_row("seed"), false, &rung->seeds, &rung->seed_count);
	return copy_integers(ladder->seeds, ladder->seed_count, &rung->seeds, &rung->seed_count);
}

static struct error *parse_corpus(const cJSON *root, const char *path, struct plan *plan) {
	const cJSON *corpus = cJSON_GetObjectItemCaseSensitive(root, "corpus");
	if (cJSON_IsString(corpus) && corpus->valuestring[0]) {
		plan->corpus = strdup(corpus->valuestring);
		if (!plan->corpus) return error_memory(strlen(corpus->valuestring));
	} else if (cJSON_IsObject(corpus)) {
		plan->source = cJSON_Duplicate(corpus, true);
		if (!plan->source) return error_memory(64);
	} else if (corpus)
		return error_new(
		    ERROR_DATA, "%s: \"corpus\" must be the path of a corpus or a source such as {\"source\": \"markov\"}",
		    path);

	const cJSON *hash = cJSON_GetObjectItemCaseSensitive(root, "corpus_hash");
	uint64_t value;
	if (!hash) return NULL;
	if (!cJSON_IsString(hash) || !hash_from_hex(hash->valuestring, &value))
		return error_new(ERROR_DATA, "%s: \"corpus_hash\" must be 16 lower-case hex digits in quotes", path);
	hash_hex(value, plan->corpus_hash);
	return NULL;
}

struct error *plan_parse(const cJSON *root, const char *path, struct plan *plan) {
	*plan = (struct plan){0};
	if (!cJSON_IsObject(root))
		return error_new(ERROR_DATA, "%s: a plan is a JSON object; `rung plan --preset demo --json` prints one", path);
	const char *name;
	TRY(json_get_text(root, "name", path, &name));
	bool plain = *name;
	for (const char *c = name; *c; c++) plain &= (unsigned char)*c >= ' ' && *c != 0x7f;
	if (!plain)
		return error_new(
		    ERROR_DATA,
		    "%s: \"name\" must be some characters on one line, without control characters; such as \"mine\"", path);
	plan->name = strdup(name);
	if (!plan->name) return error_memory(strlen(name));
	TRY(parse_corpus(root, path, plan));

	char place[PLACE_SIZE];
	snprintf(place, sizeof place, "%s: sample", path);
	TRY(options_defaults(sample_rows, COUNT_OF(sample_rows), &plan->sample));
	const cJSON *sample = cJSON_GetObjectItemCaseSensitive(root, "sample");
	if (sample && !cJSON_IsObject(sample)) return error_new(ERROR_DATA, "%s must be an object", place);
	if (sample) TRY(options_from_json(sample_rows, COUNT_OF(sample_rows), &plan->sample, sample, place));

	const cJSON *rungs = cJSON_GetObjectItemCaseSensitive(root, "rungs");
	const int count = cJSON_IsArray(rungs) ? cJSON_GetArraySize(rungs) : 0;
	if (count == 0)
		return error_new(
		    ERROR_DATA, "%s: \"rungs\" must be a list of one rung or more, such as [{\"width\": 64, \"depth\": 4}]",
		    path);
	plan->rungs = array_new((size_t)count, sizeof *plan->rungs);
	if (!plan->rungs) return error_memory((size_t)count * sizeof *plan->rungs);

	int64_t one = 1;
	struct rung ladder = {0};
	struct error *error = copy_integers(&one, 1, &ladder.seeds, &ladder.seed_count);
	if (!error) error = options_defaults(train_config_rows, train_config_row_count, &ladder.config);
	if (!error) error = parse_config(root, plan_keys, COUNT_OF(plan_keys), path, &ladder.config);
	const cJSON *horizons = cJSON_GetObjectItemCaseSensitive(root, "horizons");
	if (!error && horizons)
		error = parse_integers(
		    horizons, path, "horizons", config_row("tokens"), true, &ladder.horizons, &ladder.horizon_count);
	const cJSON *seeds = cJSON_GetObjectItemCaseSensitive(root, "seeds");
	if (!error && seeds)
		error = parse_integers(seeds, path, "seeds", config_row("seed"), false, &ladder.seeds, &ladder.seed_count);
	const cJSON *item;
	cJSON_ArrayForEach(item, rungs) {
		if (error) break;
		snprintf(place, sizeof place, "%s: rungs[%d]", path, plan->rung_count);
		error = parse_rung(root, item, place, &ladder, &plan->rungs[plan->rung_count++]);
	}
	free(ladder.horizons);
	free(ladder.seeds);
	return error;
}

static struct error *read_plan(const char *path, bool frozen, struct plan *plan) {
	*plan = (struct plan){0};
	cJSON *root;
	TRY(frozen ? json_read_sealed(path, 0, &root) : json_read(path, &root));
	struct error *error = plan_parse(root, path, plan);
	cJSON_Delete(root);
	if (error || !plan->corpus || plan->corpus[0] == '/') return error;

	const char *slash = strrchr(path, '/');
	if (!slash) return NULL;
	struct text joined = {0};
	text_add(&joined, "%.*s/%s", (int)(slash - path), path, plan->corpus);
	error = text_error(&joined);
	if (error) {
		text_free(&joined);
		return error;
	}
	free(plan->corpus);
	plan->corpus = joined.data;
	return NULL;
}

struct error *plan_read(const char *path, struct plan *plan) {
	return read_plan(path, false, plan);
}

struct error *plan_read_frozen(const char *path, struct plan *plan) {
	struct error *error = read_plan(path, true, plan);
	if (!error || error->kind != ERROR_DATA) return error;
	struct error *advised = error_new(
	    ERROR_DATA,
	    "%.700s. This lab's plan cannot be believed: bring the file back, or remove it and name the plan that the lab "
	    "was "
	    "begun with (--plan or --preset), which goes on with the same runs",
	    error->message);
	error_free(error);
	return advised;
}

void plan_free(struct plan *plan) {
	for (int i = 0; i < plan->rung_count; i++) {
		free(plan->rungs[i].horizons);
		free(plan->rungs[i].seeds);
	}
	free(plan->rungs);
	free(plan->name);
	free(plan->corpus);
	cJSON_Delete(plan->source);
	*plan = (struct plan){0};
}

struct error *plan_set_corpus(struct plan *plan, const char *path) {
	char *copy = strdup(path);
	if (!copy) return error_memory(strlen(path));
	free(plan->corpus);
	cJSON_Delete(plan->source);
	plan->corpus = copy;
	plan->source = NULL;
	return NULL;
}

/* Whether the train split has enough for the largest horizon, so that the advice need be followed only once. */
static struct error *check_tokens(
    const struct plan *plan, int index, const char *path, const struct corpus_info *corpus) {
	const struct rung *rung = &plan->rungs[index];
	struct train_config config = rung->config;
	config.tokens = rung->horizons[rung->horizon_count - 1];
	const struct train_steps steps = train_steps(&config);
	const double wanted = (double)(steps.total * steps.tokens_per_step);
	/* In whole sequences, each with a target after its last token. */
	const uint64_t tokens = corpus->tokens[SPLIT_TRAIN], context = (uint64_t)config.context;
	const double there = tokens > context ? (double)((tokens - 1) / context * context) : 0;
	if (there == 0 || wanted <= there * (double)config.epochs) return NULL; /* 0: train_config_check says why */
	return error_new(
	    ERROR_DATA,
	    "%s: rungs[%d], horizon %lld: %.0f tokens are asked for, but the train split has %.0f in whole sequences and "
	    "\"epochs\" is %lld; take shorter horizons, more text, or \"epochs\": %.0f in the plan (`rung plan --preset X "
	    "--json >my.json` saves a built-in one for changing)",
	    path, index, (long long)config.tokens, wanted, there, (long long)config.epochs, ceil(wanted / there));
}

static struct error *check_rung(
    const struct plan *plan, int index, const char *path, const struct corpus_info *corpus) {
	const struct rung *rung = &plan->rungs[index];
	int64_t before = 0;
	TRY(check_tokens(plan, index, path, corpus));
	for (int h = 0; h < rung->horizon_count; h++) {
		struct train_config config = rung->config;
		config.tokens = rung->horizons[h];
		config.seed = rung->seeds[0];
		struct error *error = train_config_check(&config, corpus);
		if (error) {
			/* What would be wrong usage on a command line is bad data in a file. */
			if (error->kind == ERROR_USAGE) error->kind = ERROR_DATA;
			return error_within(error, "%s: rungs[%d], horizon %lld", path, index, (long long)config.tokens);
		}
		const int64_t steps = train_steps(&config).total;
		if (steps == before)
			return error_new(
			    ERROR_DATA,
			    "%s: rungs[%d]: the horizons %lld and %lld are both %lld steps of %lld tokens; leave one out", path,
			    index, (long long)rung->horizons[h - 1], (long long)rung->horizons[h], (long long)steps,
			    (long long)train_steps(&config).tokens_per_step);
		before = steps;
	}
	return NULL;
}

/* A run and where the plan asks for it. */
struct asked_run {
	char id[HASH_HEX_SIZE];
	int rung;
	int64_t tokens, seed;
};

static int compare_runs(const void *a, const void *b) {
	return strcmp(((const struct asked_run *)a)->id, ((const struct asked_run *)b)->id);
}

static struct error *list_runs(
    const struct plan *plan, const struct corpus_info *corpus, struct asked_run **runs, size_t *count) {
	size_t capacity = 0;
	for (int r = 0; r < plan->rung_count; r++)
		for (int h = 0; h < plan->rungs[r].horizon_count; h++)
			for (int s = 0; s < plan->rungs[r].seed_count; s++) {
				struct train_config config = plan->rungs[r].config;
				config.tokens = plan->rungs[r].horizons[h];
				config.seed = plan->rungs[r].seeds[s];
				TRY(array_reserve((void **)runs, &capacity, *count + 1, sizeof **runs));
				struct asked_run *run = &(*runs)[(*count)++];
				*run = (struct asked_run){.rung = r, .tokens = config.tokens, .seed = config.seed};
				TRY(train_id(&config, corpus, false, run->id));
			}
	return NULL;
}

/* One run is one point; a second line with the same numbers would only pretend to be another. */
static struct error *check_unique(const struct plan *plan, const char *path, const struct corpus_info *corpus) {
	struct asked_run *runs = NULL;
	size_t count = 0;
	struct error *error = list_runs(plan, corpus, &runs, &count);
	if (!error) qsort(runs, count, sizeof *runs, compare_runs);
	for (size_t i = 1; i < count && !error; i++) {
		const struct asked_run *a = &runs[i - 1], *b = &runs[i];
		if (compare_runs(a, b) == 0)
			error = error_new(
			    ERROR_DATA, "%s: rungs[%d] and rungs[%d] ask for the same run (%lld tokens, seed %lld); leave one out",
			    path, a->rung < b->rung ? a->rung : b->rung, a->rung < b->rung ? b->rung : a->rung,
			    (long long)a->tokens, (long long)a->seed);
	}
	free(runs);
	return error;
}

struct error *plan_check_hash(
    const struct plan *plan, const char *path, const char *corpus_path, const struct corpus_info *corpus) {
	char hash[HASH_HEX_SIZE];
	hash_hex(corpus->hash, hash);
	if (!plan->corpus_hash[0] || strcmp(hash, plan->corpus_hash) == 0) return NULL;
	return error_new(
	    ERROR_DATA,
	    "%s: its hash is %s, but %s was made for the corpus %s (its \"corpus_hash\"); bring that corpus back (--corpus "
	    "FILE), or begin another lab",
	    corpus_path, hash, path, plan->corpus_hash);
}

struct error *plan_open_corpus(const struct plan *plan, const char *path, struct corpus **corpus) {
	struct error *error = corpus_open(plan->corpus, corpus);
	if (!error || file_exists(plan->corpus)) return error;
	const enum error_kind kind = error->kind;
	error_free(error);
	return error_new(
	    kind, "cannot open %s, the \"corpus\" of %s: there is no such file; say where it is now: --corpus FILE",
	    plan->corpus, path);
}

struct error *plan_check(const struct plan *plan, const char *path, const struct corpus_info *corpus) {
	for (int r = 0; r < plan->rung_count; r++) TRY(check_rung(plan, r, path, corpus));
	return check_unique(plan, path, corpus);
}

static bool add_integers(cJSON *object, const char *key, const int64_t *items, int count) {
	cJSON *array = cJSON_AddArrayToObject(object, key);
	if (!array) return false;
	for (int i = 0; i < count; i++) {
		cJSON *number = cJSON_CreateNumber((double)items[i]);
		if (!number || !cJSON_AddItemToArray(array, number)) return false;
	}
	return true;
}

static bool add_settings(cJSON *object, const struct option_row *rows, size_t count, const void *target) {
	struct error *error = options_to_json(rows, count, target, object);
	error_free(error);
	return !error;
}

static bool add_rung(cJSON *rungs, const struct rung *rung) {
	cJSON *object = cJSON_CreateObject();
	if (!object || !cJSON_AddItemToArray(rungs, object)) return false;
	if (!add_settings(object, train_config_rows, train_config_row_count, &rung->config)) return false;
	cJSON_DeleteItemFromObjectCaseSensitive(object, "tokens");
	cJSON_DeleteItemFromObjectCaseSensitive(object, "seed");
	return add_integers(object, "horizons", rung->horizons, rung->horizon_count) &&
	       add_integers(object, "seeds", rung->seeds, rung->seed_count);
}

static bool add_plan(cJSON *root, const struct plan *plan) {
	bool good = cJSON_AddStringToObject(root, "name", plan->name);
	if (plan->corpus) good = good && cJSON_AddStringToObject(root, "corpus", plan->corpus);
	if (plan->source) good = good && cJSON_AddItemToObject(root, "corpus", cJSON_Duplicate(plan->source, true));
	if (plan->corpus_hash[0]) good = good && cJSON_AddStringToObject(root, "corpus_hash", plan->corpus_hash);
	cJSON *sample = good ? cJSON_AddObjectToObject(root, "sample") : NULL;
	good = sample && add_settings(sample, sample_rows, COUNT_OF(sample_rows), &plan->sample);
	cJSON *rungs = good ? cJSON_AddArrayToObject(root, "rungs") : NULL;
	if (!rungs) return false;
	for (int i = 0; i < plan->rung_count; i++)
		if (!add_rung(rungs, &plan->rungs[i])) return false;
	return true;
}

cJSON *plan_to_json(const struct plan *plan) {
	cJSON *root = cJSON_CreateObject();
	if (root && add_plan(root, plan)) return root;
	cJSON_Delete(root);
	return NULL;
}
