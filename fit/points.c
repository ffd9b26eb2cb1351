/* points.c - from the columns of a table to points, with a word about every row that cannot be one. */
#include "fit/fit.h"

#include "fit/csv.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MOST_BYTES ((size_t)1 << 33)
#define BAD_ROWS_SHOWN 3
#define LEAST_WEIGHT DBL_MIN
#define MOST_WEIGHT 1e100
#define SAME_N 1e-9 /* relative: a count printed in other units is still the same count */

enum column {
	COLUMN_N,
	COLUMN_D,
	COLUMN_C,
	COLUMN_LOSS,
	COLUMN_ERROR,
	COLUMN_GROUP,
	COLUMN_WEIGHT,
	COLUMN_SEED,
	COLUMN_FIT,
	COLUMN_REASON,
	COLUMN_ID,
	COLUMNS
};

struct reader {
	struct csv csv;
	size_t columns;
	int at[COLUMNS]; /* index of the field; -1: not there */
	const char *names[COLUMNS];
	struct fit_points *points;
	size_t capacity, left_out_capacity;
	char **groups; /* of each point, when there is such a column */
	size_t groups_capacity;
	char **seeds; /* of each point, when there is such a column */
	size_t seeds_capacity;
	bool optima;
	int *extra; /* index of the field of each extra column; -1: not there */
	size_t extra_capacity;
	struct text complaints;
	size_t bad_rows;
};

/* --------------------------------------------------------------------------------------------------------- header --- */

static char *trimmed(char *field) {
	field += strspn(field, " \t");
	size_t length = strlen(field);
	while (length > 0 && strchr(" \t", field[length - 1])) length--;
	field[length] = 0;
	return field;
}

static struct error *no_column(
    const struct reader *reader, const char *name, const char *option, char **fields, size_t count) {
	struct text known = {0};
	for (size_t i = 0; i < count && known.length < 300; i++) text_add(&known, "%s%s", i ? ", " : "", fields[i]);
	if (known.length >= 300) text_add(&known, ", ...");
	const char *nearest = nearest_name(name, fields, count, sizeof *fields);
	const char *hint = count == 1 && (strchr(fields[0], ';') || strchr(fields[0], '\t'))
	                       ? "; the fields must be separated by commas"
	                       : "";
	struct error *error = error_new(
	    ERROR_DATA, "%s: line 1: there is no column '%s'%s; found: %s. Name yours with --%s%s%s", reader->csv.name,
	    name, hint, known.data ? known.data : "nothing", option, nearest ? " " : " COLUMN", nearest ? nearest : "");
	text_free(&known);
	return error;
}

/* Where each column stands. `wanted` are the names the user gave. */
static struct error *read_header(struct reader *reader, const struct fit_columns *wanted) {
	static const char *defaults[COLUMNS] = {"N",  "D",    "C",   "loss",   "loss_error", NULL,
	                                        NULL, "seed", "fit", "reason", "id"};
	static const char *options[COLUMNS] = {"N", "D", "C", "loss", "loss-error", "group", "weight", "seed", "", "", ""};
	const char *given[COLUMNS] = {wanted->N,          wanted->D,     wanted->C,      wanted->loss,
	                              wanted->loss_error, wanted->group, wanted->weight, wanted->seed};
	size_t count, line;
	TRY(csv_next(&reader->csv, &count, &line));
	if (count == 0)
		return error_new(
		    ERROR_DATA, "%s: the file is empty; expected a header line and a row per run", reader->csv.name);
	reader->columns = count;
	char **fields = reader->csv.fields;
	for (size_t i = 0; i < count; i++) fields[i] = trimmed(fields[i]);
	for (int c = 0; c < COLUMNS; c++) {
		const char *name = given[c] ? given[c] : c == COLUMN_LOSS && wanted->without_loss ? NULL : defaults[c];
		reader->at[c] = -1;
		for (size_t i = 0; name && i < count; i++) {
			if (strcmp(fields[i], name) != 0) continue;
			if (reader->at[c] >= 0) {
				return error_new(
				    ERROR_DATA, "%s: line 1: fields %d and %zu are both called '%s'; which one is meant?",
				    reader->csv.name, reader->at[c] + 1, i + 1, name);
			}
			reader->at[c] = (int)i;
			reader->names[c] = fields[i];
		}
		bool required = given[c] || c == COLUMN_N || (c == COLUMN_LOSS && !wanted->without_loss);
		if (required && reader->at[c] < 0) return no_column(reader, name, options[c], fields, count);
	}
	if (reader->at[COLUMN_D] < 0 && reader->at[COLUMN_C] < 0) return no_column(reader, "D", "D", fields, count);
	reader->extra = array_new(wanted->extra_count + 1, sizeof *reader->extra);
	if (!reader->extra) return error_memory(wanted->extra_count * sizeof *reader->extra);
	for (size_t k = 0; k < wanted->extra_count; k++) {
		const struct fit_extra *extra = &wanted->extra[k];
		reader->extra[k] = -1;
		for (size_t i = 0; i < count && reader->extra[k] < 0; i++)
			if (strcmp(fields[i], extra->name) == 0) reader->extra[k] = (int)i;
		if (extra->option && reader->extra[k] < 0) return no_column(reader, extra->name, extra->option, fields, count);
	}
	reader->points->extra_count = wanted->extra_count;
	reader->points->N_column = reader->names[COLUMN_N];
	reader->points->D_column = reader->names[COLUMN_D];
	reader->points->C_column = reader->names[COLUMN_C];
	reader->points->loss_column = reader->names[COLUMN_LOSS];
	reader->points->D_derived = reader->at[COLUMN_D] < 0;
	reader->points->C_derived = reader->at[COLUMN_C] < 0;
	return NULL;
}

/* ----------------------------------------------------------------------------------------------------------- rows --- */

/* False when the field is no number. Empty fields and "nan" are NaN. */
static bool number_of(char *field, double *value) {
	field = trimmed(field);
	*value = NAN;
	if (*field == 0) return true;
	char *end;
	*value = strtod(field, &end);
	return *end == 0;
}

static void complain(struct reader *reader, size_t line, const char *column, const char *found, const char *expected) {
	if (reader->bad_rows++ >= BAD_ROWS_SHOWN) return;
	text_add(
	    &reader->complaints, "%sline %zu, column %s: found '%.40s', expected %s", reader->complaints.length ? "; " : "",
	    line, column, found, expected);
}

/* The number in column `c` of a row, NaN when there is no such column. When `positive`, complains of anything that is not
 * a finite number above zero. Returns false after a complaint. */
static bool take(struct reader *reader, enum column c, size_t line, bool positive, double *value) {
	*value = NAN;
	if (reader->at[c] < 0) return true;
	char *field = reader->csv.fields[reader->at[c]];
	if (!number_of(field, value)) {
		complain(reader, line, reader->names[c], field, "a number");
		return false;
	}
	if (positive && !(*value >= DBL_MIN && *value <= DBL_MAX)) {
		complain(reader, line, reader->names[c], field, "a finite number above zero");
		return false;
	}
	return true;
}

static const char *string_in(struct reader *reader, enum column c) {
	const char *field = reader->at[c] < 0 ? "" : trimmed(reader->csv.fields[reader->at[c]]);
	return *field ? field : NULL;
}

static struct error *read_left_out(struct reader *reader, size_t line) {
	struct fit_points *points = reader->points;
	struct fit_left_out row = {.line = line, .id = string_in(reader, COLUMN_ID)};
	row.reason = string_in(reader, COLUMN_REASON);
	if (!row.reason) row.reason = "left out by the table";
	if (!take(reader, COLUMN_N, line, false, &row.N) || !take(reader, COLUMN_D, line, false, &row.D) ||
	    !take(reader, COLUMN_C, line, false, &row.C) || !take(reader, COLUMN_LOSS, line, false, &row.loss))
		return NULL;
	TRY(array_reserve(
	    (void **)&points->left_out, &reader->left_out_capacity, points->left_out_count + 1, sizeof *points->left_out));
	points->left_out[points->left_out_count++] = row;
	return NULL;
}

static struct error *leave_out(struct reader *reader, const struct fit_point *point, const char *reason) {
	struct fit_points *points = reader->points;
	TRY(array_reserve(
	    (void **)&points->left_out, &reader->left_out_capacity, points->left_out_count + 1, sizeof *points->left_out));
	points->left_out[points->left_out_count++] = (struct fit_left_out){
	    .N = point->N,
	    .D = point->D,
	    .C = point->C,
	    .loss = point->loss,
	    .id = point->id,
	    .reason = reason,
	    .line = point->line};
	return NULL;
}

static struct error *read_point(struct reader *reader, size_t line) {
	struct fit_points *points = reader->points;
	struct fit_point row = {.line = line, .id = string_in(reader, COLUMN_ID)};
	if (reader->optima && number_of(reader->csv.fields[reader->at[COLUMN_N]], &row.N) && isnan(row.N)) {
		row.D = row.C = row.loss = NAN;
		return leave_out(reader, &row, "no optimum at this budget");
	}
	if (!take(reader, COLUMN_N, line, true, &row.N) || !take(reader, COLUMN_D, line, true, &row.D) ||
	    !take(reader, COLUMN_C, line, true, &row.C) || !take(reader, COLUMN_LOSS, line, true, &row.loss) ||
	    !take(reader, COLUMN_ERROR, line, false, &row.loss_error))
		return NULL;
	if (row.loss_error < 0) {
		complain(
		    reader, line, reader->names[COLUMN_ERROR], reader->csv.fields[reader->at[COLUMN_ERROR]],
		    "a standard error of zero or more, or nothing");
		return NULL;
	}
	row.weight = 1;
	if (!take(reader, COLUMN_WEIGHT, line, false, &row.weight)) return NULL;
	if (reader->at[COLUMN_WEIGHT] < 0) row.weight = 1;
	if (!(row.weight >= 0 && row.weight <= MOST_WEIGHT)) {
		complain(
		    reader, line, reader->names[COLUMN_WEIGHT], reader->csv.fields[reader->at[COLUMN_WEIGHT]],
		    "a weight from 0 to 1e100");
		return NULL;
	}
	if (row.weight < LEAST_WEIGHT) return leave_out(reader, &row, "its weight is 0");
	if (points->D_derived) row.D = row.C / row.N / 6;
	if (points->C_derived) row.C = 6 * row.N * row.D;
	if (!(row.D >= DBL_MIN && row.D <= DBL_MAX && row.C >= DBL_MIN && row.C <= DBL_MAX)) {
		complain(
		    reader, line, points->D_derived ? "D = C/(6 N)" : "C = 6 N D", "0 or inf",
		    "a number that a double can hold");
		return NULL;
	}
	TRY(array_reserve((void **)&points->items, &reader->capacity, points->count + 1, sizeof *points->items));
	if (reader->at[COLUMN_GROUP] >= 0) {
		TRY(array_reserve(
		    (void **)&reader->groups, &reader->groups_capacity, points->count + 1, sizeof *reader->groups));
		reader->groups[points->count] = trimmed(reader->csv.fields[reader->at[COLUMN_GROUP]]);
	}
	if (reader->at[COLUMN_SEED] >= 0) {
		TRY(array_reserve((void **)&reader->seeds, &reader->seeds_capacity, points->count + 1, sizeof *reader->seeds));
		reader->seeds[points->count] = trimmed(reader->csv.fields[reader->at[COLUMN_SEED]]);
	}
	size_t extras = points->extra_count;
	if (extras > 0) {
		TRY(array_reserve(
		    (void **)&points->extra, &reader->extra_capacity, (points->count + 1) * extras, sizeof *points->extra));
	}
	for (size_t k = 0; k < extras; k++)
		points->extra[points->count * extras + k] =
		    reader->extra[k] < 0 ? NULL : trimmed(reader->csv.fields[reader->extra[k]]);
	points->items[points->count++] = row;
	return NULL;
}

static struct error *read_rows(struct reader *reader) {
	for (;;) {
		size_t count, line;
		TRY(csv_next(&reader->csv, &count, &line));
		if (count == 0) return NULL;
		if (count != reader->columns) {
			return error_new(
			    ERROR_DATA, "%s: line %zu: found %zu fields, expected %zu as in the header", reader->csv.name, line,
			    count, reader->columns);
		}
		const char *fit = string_in(reader, COLUMN_FIT);
		if (fit && strcmp(fit, "0") != 0 && strcmp(fit, "1") != 0) {
			complain(reader, line, "fit", fit, "1 (use this row) or 0 (leave it out)");
			continue;
		}
		TRY(fit && *fit == '0' ? read_left_out(reader, line) : read_point(reader, line));
	}
}

/* ---------------------------------------------------------------------------------------------------------- rungs --- */

struct member {
	size_t point;
	double N;         /* of the point; when groups are named, the smallest of its group */
	const char *name; /* NULL: the group is the N */
};

static int by_name(const void *a, const void *b) {
	const struct member *x = a, *y = b;
	int order = x->name && y->name ? strcmp(x->name, y->name) : 0;
	return order ? order : (x->N > y->N) - (x->N < y->N);
}

static int by_size(const void *a, const void *b) {
	const struct member *x = a, *y = b;
	int order = (x->N > y->N) - (x->N < y->N);
	return order || !x->name ? order : strcmp(x->name, y->name);
}

/* Numbers the clusters, ascending in their smallest N: by name when there are names, by N otherwise. */
static struct error *number_rungs(struct fit_points *points, char **names) {
	struct member *members = array_new(points->count + 1, sizeof *members);
	if (!members) return error_memory(points->count * sizeof *members);
	for (size_t i = 0; i < points->count; i++)
		members[i] = (struct member){.point = i, .N = points->items[i].N, .name = names ? names[i] : NULL};
	if (names) {
		qsort(members, points->count, sizeof *members, by_name);
		for (size_t i = 1; i < points->count; i++)
			if (strcmp(members[i].name, members[i - 1].name) == 0) members[i].N = members[i - 1].N;
	}
	qsort(members, points->count, sizeof *members, by_size);
	points->rungs = 0;
	for (size_t i = 0; i < points->count; i++) {
		bool same = i > 0 && (names ? strcmp(members[i].name, members[i - 1].name) == 0
		                            : members[i].N <= members[i - 1].N * (1 + SAME_N));
		if (!same) points->rungs++;
		points->items[members[i].point].rung = points->rungs - 1;
	}
	free(members);
	return NULL;
}

/* ---------------------------------------------------------------------------------------------------------- seeds --- */

struct seed {
	const char *value;
	size_t point;
};

static int by_value(const void *a, const void *b) {
	const struct seed *x = a, *y = b;
	int order = strcmp(x->value, y->value);
	return order ? order : (x->point > y->point) - (x->point < y->point);
}

/* Numbers the distinct seeds, in the order of their text; -1 where the field is empty. */
static struct error *number_seeds(struct fit_points *points, char **values) {
	struct seed *seeds = array_new(points->count + 1, sizeof *seeds);
	size_t known = 0;
	if (!seeds) return error_memory(points->count * sizeof *seeds);
	for (size_t i = 0; i < points->count; i++) {
		points->items[i].seed = -1;
		if (values && *values[i]) seeds[known++] = (struct seed){values[i], i};
	}
	qsort(seeds, known, sizeof *seeds, by_value);
	points->seeds = 0;
	for (size_t k = 0; k < known; k++) {
		if (k == 0 || strcmp(seeds[k].value, seeds[k - 1].value) != 0) points->seeds++;
		points->items[seeds[k].point].seed = points->seeds - 1;
	}
	free(seeds);
	return NULL;
}

/* ----------------------------------------------------------------------------------------------------------- whole --- */

struct error *fit_points_parse(
    const char *name, const char *text, size_t length, const struct fit_columns *columns, struct fit_points *points) {
	*points = (struct fit_points){0};
	struct reader reader = {.points = points, .optima = columns->optima};
	struct error *error = NULL;
	points->text = array_new(length + 1, 1);
	if (!points->text) return error_memory(length + 1);
	memcpy(points->text, text, length);
	error = csv_begin(&reader.csv, name, points->text, length);
	if (error) goto done;
	error = read_header(&reader, columns);
	if (error) goto done;
	error = read_rows(&reader);
	if (error) goto done;
	if (reader.bad_rows > 0) {
		char more[64] = "";
		if (reader.bad_rows > BAD_ROWS_SHOWN)
			snprintf(more, sizeof more, "; and %zu more", reader.bad_rows - BAD_ROWS_SHOWN);
		error = error_new(
		    ERROR_DATA, "%s: %s%s. Mend or delete such rows, or leave them out with a column fit that is 0", name,
		    reader.complaints.data ? reader.complaints.data : "", more);
		goto done;
	}
	if (points->count == 0) {
		error = error_new(
		    ERROR_DATA, "%s: no row to fit: %zu rows, all of them left out%s%s", name, points->left_out_count,
		    points->left_out_count ? "; the first because: " : "; expected a row per run below the header",
		    points->left_out_count ? points->left_out[0].reason : "");
		goto done;
	}
	for (size_t i = 0; i < points->count && points->extra; i++)
		points->items[i].extra = points->extra + i * points->extra_count;
	error = number_rungs(points, reader.groups);
	if (!error) error = number_seeds(points, reader.seeds);
done:
	csv_end(&reader.csv);
	free(reader.groups);
	free(reader.extra);
	free(reader.seeds);
	text_free(&reader.complaints);
	if (error) fit_points_free(points);
	return error;
}

struct error *fit_points_read(const char *path, const struct fit_columns *columns, struct fit_points *points) {
	struct stat status;
	if (!file_exists(path))
		return error_new(ERROR_DATA, "%s: there is no such lab folder or table; 'rung sweep' makes a lab folder", path);
	bool folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
	char *file = folder ? path_join(path, "points.csv") : strdup(path);
	if (!file) return error_memory(strlen(path) + 12);
	struct text text = {0};
	struct error *error = NULL;
	if (folder && !file_exists(file))
		error = error_new(
		    ERROR_DATA, "%s: there is no points.csv in this folder; is it a lab? 'rung sweep --lab %s' writes it", path,
		    path);
	if (!error) error = file_read(file, MOST_BYTES, &text);
	if (!error) error = fit_points_parse(file, text.data ? text.data : "", text.length, columns, points);
	text_free(&text);
	free(file);
	return error;
}

void fit_points_free(struct fit_points *points) {
	free(points->items);
	free(points->left_out);
	free(points->extra);
	free(points->text);
	*points = (struct fit_points){0};
}
