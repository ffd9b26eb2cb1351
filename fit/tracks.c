/* tracks.c - training curves: which rows of a table belong to one run, and the logs of a lab. */
#include "fit/approach.h"
#include "fit/lab.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_LOG ((size_t)1 << 30)
#define LEAST_CURVES 3 /* trunks, for their envelope to be worth looking at */
#define SAME_SIZE 1e-9

/* ------------------------------------------------------------------------------------------------------------ a table --- */

struct member {
	const char *name;
	size_t point;
	double D;
};

static int by_name_and_D(const void *a, const void *b) {
	const struct member *x = a, *y = b;
	int order = strcmp(x->name, y->name);
	if (order == 0) order = (x->D > y->D) - (x->D < y->D);
	return order ? order : (x->point > y->point) - (x->point < y->point);
}

struct error *fit_points_ends(const char *source, const char *column, size_t extra, struct fit_points *points) {
	size_t n = points->count, ends = 0;
	struct member *members = array_new(n + 1, sizeof *members);
	struct fit_point *kept = array_new(n + 1, sizeof *kept);
	bool *last = array_new(n + 1, sizeof *last);
	points->earlier = array_new(n + 1, sizeof *points->earlier);
	struct error *error = NULL;
	if (!members || !kept || !last || !points->earlier) {
		error = error_memory(n * (sizeof *members + 2 * sizeof *kept));
		goto done;
	}
	for (size_t i = 0; i < n; i++) members[i] = (struct member){points->items[i].extra[extra], i, points->items[i].D};
	qsort(members, n, sizeof *members, by_name_and_D);
	for (size_t i = 0; i < n; i++) {
		const struct fit_point *point = &points->items[members[i].point];
		bool begins = i == 0 || strcmp(members[i].name, members[i - 1].name) != 0;
		const struct fit_point *before = begins ? NULL : &points->items[members[i - 1].point];
		if (*members[i].name == 0 || (before && fabs(point->N / before->N - 1) > SAME_SIZE)) {
			error = error_new(
			    ERROR_DATA, "%s: line %zu, column %s: %s", source, point->line, column,
			    before ? "another row of this run has another N; expected the rows of one training curve"
			           : "found nothing, expected the name of the run that the row belongs to");
			goto done;
		}
		points->runs += begins;
		points->items[members[i].point].run = points->runs - 1;
		last[members[i].point] = i + 1 == n || strcmp(members[i + 1].name, members[i].name) != 0;
	}
	for (size_t i = 0; i < n; i++)
		*(last[i] ? &kept[ends++] : &points->earlier[points->earlier_count++]) = points->items[i];
	memcpy(points->items, kept, ends * sizeof *kept);
	points->count = ends;
done:
	free(members);
	free(kept);
	free(last);
	return error;
}

/* -------------------------------------------------------------------------------------------------------------- a lab --- */

static const cJSON *member_of(const cJSON *object, const char *key) {
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* The evaluations of a log as rows of run `run`. A last line without its newline was being written when the run was stopped. */
static struct error *read_log(
    const char *path, const char *hash, const struct budget_row *run, struct lab_curves *curves) {
	if (!file_exists(path)) return lab_log_check(path, NULL, hash);
	struct text content = {0};
	struct error *error = file_read(path, MOST_LOG, &content);
	if (!error) error = lab_log_check(path, &content, hash);
	char *line = content.data, *end = line ? line + content.length : line, *newline;
	size_t number = 1;
	for (; !error && line < end && (newline = memchr(line, '\n', (size_t)(end - line))); line = newline + 1, number++) {
		cJSON *row = NULL;
		if (newline > line) error = json_parse_row(path, number, line, (size_t)(newline - line), &row);
		const cJSON *tokens = member_of(row, "tokens"), *loss = member_of(row, "held_out");
		if (!error && cJSON_IsNumber(tokens) && cJSON_IsNumber(loss) && tokens->valuedouble > 0 &&
		    loss->valuedouble > 0) {
			error = array_reserve((void **)&curves->rows, &curves->capacity, curves->count + 1, sizeof *curves->rows);
			if (!error) {
				struct budget_row *out = &curves->rows[curves->count++];
				*out = *run;
				out->D = tokens->valuedouble;
				out->loss = loss->valuedouble;
				out->C *= out->D;
			}
		}
		cJSON_Delete(row);
	}
	text_free(&content);
	return error;
}

/* One run of the lab, when it is of the wanted kind and has not diverged. C counts 6 N a token. */
static struct error *read_run(const char *folder, bool trunk, struct lab_curves *curves) {
	char *record_path = path_join(folder, "run.json"), *log_path = path_join(folder, "log.jsonl");
	cJSON *record = NULL;
	const size_t before = curves->count;
	struct error *error = !record_path || !log_path ? error_memory(strlen(folder) + 16) : NULL;
	const char *slash = strrchr(folder, '/');
	if (!error && file_exists(record_path)) error = lab_record_read(record_path, slash ? slash + 1 : folder, &record);
	if (!error && record) {
		const char *kind = cJSON_GetStringValue(member_of(record, "kind"));
		const char *status = cJSON_GetStringValue(member_of(record, "status"));
		const cJSON *N = member_of(member_of(record, "shape"), "N");
		bool wanted = kind && strcmp(kind, trunk ? "trunk" : "run") == 0 && status && strcmp(status, "diverged") != 0;
		if (wanted && cJSON_IsNumber(N) && N->valuedouble > 0) {
			struct budget_row run = {.N = N->valuedouble, .C = 6 * N->valuedouble, .label = NAN, .run = curves->runs};
			error = read_log(log_path, lab_log_hash(record), &run, curves);
			curves->runs += !error && curves->count > before;
		}
	}
	if (error && error->kind == ERROR_DATA) { /* points.csv is what the law goes by */
		error_free(error);
		error = NULL;
		curves->count = before;
		curves->unreadable++;
	}
	cJSON_Delete(record);
	free(record_path);
	free(log_path);
	return error;
}

static struct error *read_runs(const char *folder, bool trunk, struct lab_curves *curves) {
	struct dirent **names = NULL;
	int count = scandir(folder, &names, lab_is_run, alphasort);
	if (count < 0) return errno == ENOENT ? NULL : error_system("read", folder);
	struct error *error = NULL;
	for (int i = 0; i < count; i++) {
		char *run = error ? NULL : path_join(folder, names[i]->d_name);
		if (!error && !run) error = error_memory(strlen(folder) + 32);
		if (!error) error = read_run(run, trunk, curves);
		free(run);
		free(names[i]);
	}
	free(names);
	return error;
}

struct error *lab_curves_read(const char *lab, struct lab_curves *curves) {
	*curves = (struct lab_curves){.trunks = true};
	char *folder = path_join(lab, "runs");
	if (!folder) return error_memory(strlen(lab) + 8);
	struct error *error = read_runs(folder, true, curves);
	/* A curve that is damaged must not make these another kind of curves, with another exponent. */
	if (!error && curves->runs + curves->unreadable < LEAST_CURVES) {
		lab_curves_free(curves);
		error = read_runs(folder, false, curves);
	}
	free(folder);
	if (error) lab_curves_free(curves);
	return error;
}

void lab_curves_free(struct lab_curves *curves) {
	free(curves->rows);
	*curves = (struct lab_curves){0};
}
