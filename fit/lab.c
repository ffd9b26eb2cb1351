/* lab.c - a lab's table and logs against the records of its runs, which are sealed: what was changed since is not believed. */
#include "fit/lab.h"
#include "fit/input.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAME 1e-12 /* relative: the same number, perhaps written by another program */

#define SEALED_RECORD 2 /* the "format" since which run.json holds its hash */

/* --------------------------------------------------------------------------------------------------- records and logs --- */

int lab_is_run(const struct dirent *entry) {
	uint64_t id;
	return hash_from_hex(entry->d_name, &id);
}

struct error *lab_record_read(const char *path, const char *id, cJSON **record) {
	TRY(json_read_sealed(path, SEALED_RECORD, record));
	const char *own = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(*record, "id"));
	if (!own || strcmp(own, id) == 0) return NULL;
	struct error *error = error_new(ERROR_DATA, "%s is the record of another run, %.40s", path, own);
	cJSON_Delete(*record);
	*record = NULL;
	return error;
}

const char *lab_log_hash(const cJSON *record) {
	const cJSON *result = cJSON_GetObjectItemCaseSensitive(record, "result");
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(result, "log_hash"));
}

struct error *lab_log_check(const char *path, const struct text *log, const char *wanted) {
	char found[HASH_HEX_SIZE];
	if (!wanted || !*wanted) return NULL;
	if (!log) return error_new(ERROR_DATA, "%s is missing; 'rung sweep' makes it again", path);
	if (strcmp(wanted, hash_hex(hash_bytes(log->data, log->length, 0), found)) == 0) return NULL;
	return error_new(
	    ERROR_DATA, "%s is damaged: its hash is %s, and the run's record says %.20s; 'rung sweep' makes it again", path,
	    found, wanted);
}

/* ------------------------------------------------------------------------------------------------------------ table --- */

/* Columns of points.csv and where the record has them: a member, or a multiple of the product of two. */
static const struct {
	const char *column, *object, *key, *object2, *key2;
	double times;
} columns[] = {
    {"width", "config", "width", NULL, NULL, 1},
    {"depth", "config", "depth", NULL, NULL, 1},
    {"context", "config", "context", NULL, NULL, 1},
    {"batch_tokens", "config", "batch", "config", "context", 1},
    {"seed", "config", "seed", NULL, NULL, 1},
    {"vocab", "shape", "vocab", NULL, NULL, 1},
    {"N", "shape", "N", NULL, NULL, 1},
    {"N_matmul", "shape", "N_matmul", NULL, NULL, 1},
    {"N_all", "shape", "N_all", NULL, NULL, 1},
    {"D", "result", "tokens", NULL, NULL, 1},
    {"steps", "result", "steps", NULL, NULL, 1},
    {"C", "result", "flops", NULL, NULL, 1},
    {"C_6ND", "result", "tokens", "shape", "N", 6},
    {"loss", "result", "loss", NULL, NULL, 1},
    {"loss_error", "result", "loss_error", NULL, NULL, 1},
    {"bits_per_byte", "result", "bits_per_byte", NULL, NULL, 1},
};

/* What a fit would otherwise take from a column that is called something like it. */
static const char *const needed[] = {"id", "N", "D", "C", "loss"};

/* A run that has come to its end. */
struct known_run {
	char id[HASH_HEX_SIZE];
	double values[COUNT_OF(columns)];
	bool known[COUNT_OF(columns)]; /* the record has it */
	bool seen;                     /* in the table */
};

struct known_runs {
	struct known_run *items; /* ascending in id */
	size_t count, capacity;
	size_t damaged; /* records that are, or are of another run than the folder's name says */
};

static int by_id(const void *a, const void *b) {
	return strcmp(((const struct known_run *)a)->id, ((const struct known_run *)b)->id);
}

static const cJSON *member_of(const cJSON *record, const char *object, const char *key) {
	return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(record, object), key);
}

/* NaN also for the string that json_add_number makes of it. */
static double number_of(const cJSON *member) {
	return cJSON_IsNumber(member) ? member->valuedouble : NAN;
}

/* Of a run that diverged the table has the plan's numbers, and NaN for its loss. */
static void take_values(const cJSON *record, bool diverged, struct known_run *run) {
	for (size_t c = 0; c < COUNT_OF(columns); c++) {
		const cJSON *member = member_of(record, columns[c].object, columns[c].key);
		const cJSON *factor = columns[c].key2 ? member_of(record, columns[c].object2, columns[c].key2) : NULL;
		const bool measured = strcmp(columns[c].object, "result") == 0;
		run->known[c] = member && (factor || !columns[c].key2) &&
		                (!diverged || !measured || strcmp(columns[c].column, "loss") == 0);
		run->values[c] = columns[c].times * number_of(member) * (factor ? number_of(factor) : 1);
	}
}

static struct error *add_run(const char *path, const char *id, struct known_runs *runs) {
	cJSON *record = NULL;
	struct error *error = lab_record_read(path, id, &record);
	if (error && error->kind != ERROR_DATA) return error;
	runs->damaged += error != NULL;
	error_free(error);
	error = NULL;
	const char *kind = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, "kind"));
	const char *status = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, "status"));
	const bool done = status && strcmp(status, "done") == 0, diverged = status && strcmp(status, "diverged") == 0;
	if (kind && strcmp(kind, "run") == 0 && (done || diverged)) {
		error = array_reserve((void **)&runs->items, &runs->capacity, runs->count + 1, sizeof *runs->items);
		if (!error) {
			struct known_run *run = &runs->items[runs->count++];
			*run = (struct known_run){0};
			memcpy(run->id, id, sizeof run->id);
			take_values(record, diverged, run);
		}
	}
	cJSON_Delete(record);
	return error;
}

static struct error *read_runs(const char *lab, struct known_runs *runs) {
	struct text path = {0};
	text_add(&path, "%s/runs", lab);
	TRY(text_error(&path));
	struct dirent **names = NULL;
	const int count = scandir(path.data, &names, lab_is_run, NULL);
	struct error *error = count < 0 && errno != ENOENT ? error_system("read", path.data) : NULL;
	for (int i = 0; i < count; i++) {
		text_clear(&path);
		text_add(&path, "%s/runs/%s/run.json", lab, names[i]->d_name);
		if (!error) error = text_error(&path);
		if (!error && file_exists(path.data)) error = add_run(path.data, names[i]->d_name, runs);
		free(names[i]);
	}
	free(names);
	text_free(&path);
	if (runs->count) qsort(runs->items, runs->count, sizeof *runs->items, by_id);
	return error;
}

static bool same(double a, double b) {
	return isnan(a) || isnan(b) ? isnan(a) && isnan(b) : fabs(a - b) <= SAME * fabs(b);
}

/* at[c]: the index of the row's field for column c, or -1. */
static struct error *check_row(
    const struct rows *rows, const int *at, const struct known_run *run, size_t line, const char *lab) {
	for (size_t c = 0; c < COUNT_OF(columns); c++) {
		double value;
		if (at[c] < 0 || !run->known[c]) continue;
		if (field_number(&rows->fields[at[c]], true, &value) && same(value, run->values[c])) continue;
		char buffer[HUMAN_SIZE], found[SHOWN_SIZE], known[HUMAN_SIZE];
		shown(field_text(&rows->fields[at[c]], buffer), found);
		return error_new(
		    ERROR_DATA,
		    "%s: line %zu: %s is %s, but the record of that run, runs/%s/run.json, says %s; 'rung sweep --lab %s' "
		    "writes the table anew, and a copy of it elsewhere is taken as it is",
		    rows->name, line, columns[c].column, found, run->id, number_text(run->values[c], known), lab);
	}
	return NULL;
}

/* *strangers: rows without a record that could vouch for them. */
static struct error *check_rows(const char *lab, struct rows *rows, struct known_runs *runs, size_t *strangers) {
	int at[COUNT_OF(columns)], id_at;
	for (size_t i = 0; i < COUNT_OF(needed); i++) {
		TRY(column_named(rows, needed[i], &id_at));
		if (id_at < 0)
			return error_new(
			    ERROR_DATA,
			    "%s: there is no column '%s', but the lab has records; 'rung sweep --lab %s' writes the table anew, "
			    "and a copy of it elsewhere is taken as it is",
			    rows->name, needed[i], lab);
	}
	TRY(column_named(rows, "id", &id_at));
	for (size_t c = 0; c < COUNT_OF(columns); c++) TRY(column_named(rows, columns[c].column, &at[c]));
	for (;;) {
		size_t line;
		struct error *bad;
		TRY(rows_next(rows, &line, &bad));
		if (line == 0) return NULL;
		const bool whole = !bad;
		error_free(bad);
		if (!whole) continue; /* whoever reads the table tells */
		char buffer[HUMAN_SIZE];
		struct known_run wanted = {0};
		snprintf(wanted.id, sizeof wanted.id, "%s", field_text(&rows->fields[id_at], buffer));
		struct known_run *run = runs->count ? bsearch(&wanted, runs->items, runs->count, sizeof wanted, by_id) : NULL;
		*strangers += !run;
		if (!run) continue;
		if (run->seen)
			return error_new(
			    ERROR_DATA,
			    "%s: line %zu: the run %s stands there a second time; 'rung sweep --lab %s' writes the table anew",
			    rows->name, line, run->id, lab);
		run->seen = true;
		TRY(check_row(rows, at, run, line, lab));
	}
}

struct error *lab_points_check(const char *lab, const char *path, const struct text *table, struct text *notes) {
	struct known_runs runs = {0};
	struct rows rows = {0};
	char *copy = array_new(table->length + 1, 1); /* rows are taken apart in place */
	struct error *error = copy ? read_runs(lab, &runs) : error_memory(table->length + 1);
	if (error || runs.count + runs.damaged == 0) goto done;
	if (table->length) memcpy(copy, table->data, table->length);
	error = rows_open(&rows, path, copy, table->length);
	size_t missing = 0, strangers = 0;
	if (!error) error = check_rows(lab, &rows, &runs, &strangers);
	for (size_t i = 0; i < runs.count; i++) missing += !runs.items[i].seen;
	if (!error && missing)
		text_add(
		    notes, "%zu run%s of %s %s finished but not in its points.csv; 'rung sweep --lab %s' writes it anew\n",
		    missing, missing == 1 ? "" : "s", lab, missing == 1 ? "is" : "are", lab);
	if (!error && strangers)
		text_add(
		    notes, "no record vouches for %zu row%s of %s; damaged records of runs: %zu\n", strangers,
		    strangers == 1 ? "" : "s", path, runs.damaged);
	rows_close(&rows);
done:
	free(copy);
	free(runs.items);
	return error ? error : text_error(notes);
}
