/* points.c - from the rows of a file to points, with a word about every row that cannot be one. */
#include "fit/input.h"
#include "fit/lab.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_BYTES ((size_t)1 << 33)
#define BAD_ROWS_SHOWN 3
#define MOST_WEIGHT 1e100 /* sums of squares of it are far from the largest double */
#define QUANTITIES 4      /* N, D, C and loss: the first of enum column_kind */

/* What a point leaves behind for rungs.c. */
struct labels {
	const char *group, *seed;
};

struct reader {
	const char *name; /* of the file */
	struct rows rows;
	struct columns columns;
	double scale[COLUMN_KINDS];
	struct filter filters[OPTION_MOST_ITEMS];
	const char *refusals[OPTION_MOST_ITEMS]; /* the reason when a filter is not met */
	int filter_count;
	bool skip_bad, optima;
	int *extra; /* (points->input.extra_count) index of each column of the caller's; -1: not there */
	size_t extra_capacity;
	struct fit_points *points;
	size_t capacity, left_out_capacity;
	struct labels *labels; /* (points->count) */
	size_t labels_capacity;
	struct text complaints;
	size_t bad_rows;
};

/* A row on its way to becoming a point. */
struct candidate {
	struct fit_point point;
	const char *reason;  /* the file's own, for leaving it out */
	unsigned wrong;      /* bit kind: the field holds no number */
	bool excluded;       /* by the file itself */
	bool excluded_known; /* its column `fit` holds 0 or 1 */
};

/* --------------------------------------------------------------------------------------------------------- strings --- */

static struct error *keep(struct reader *reader, const char *string, const char **kept) {
	*kept = strings_keep(&reader->points->strings, string);
	return *kept ? NULL : error_memory(strlen(string));
}

/* The text of column `kind`, kept; NULL when it is empty or there is no such column. */
static struct error *keep_field(struct reader *reader, enum column_kind kind, const char **kept) {
	char buffer[HUMAN_SIZE];
	*kept = NULL;
	if (reader->columns.at[kind] < 0) return NULL;
	const char *text = field_text(&reader->rows.fields[reader->columns.at[kind]], buffer);
	return *text ? keep(reader, text, kept) : NULL;
}

/* ------------------------------------------------------------------------------------------------------ rows unused --- */

static struct error *leave_out(
    struct reader *reader, const struct fit_point *point, enum fit_why why, const char *reason) {
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
	    .why = why,
	    .line = point->line};
	return NULL;
}

/* A row that cannot be used: remembered for the error at the end, or left out where the user said so. */
static struct error *complain(struct reader *reader, const struct fit_point *point, const char *complaint) {
	if (reader->skip_bad) {
		char words[600];
		const char *reason;
		snprintf(words, sizeof words, "bad row: %.500s", complaint);
		TRY(keep(reader, words, &reason));
		return leave_out(reader, point, LEFT_OUT_AS_BAD, reason);
	}
	if (reader->bad_rows++ < BAD_ROWS_SHOWN)
		text_add(
		    &reader->complaints, "%sline %zu%s %.250s", reader->complaints.length ? "; " : "", point->line,
		    strncmp(complaint, "column", 6) == 0 ? "," : ":", complaint);
	return text_error(&reader->complaints);
}

static struct error *complain_of(
    struct reader *reader, const struct fit_point *point, enum column_kind kind, const char *expected) {
	char complaint[256], buffer[HUMAN_SIZE], column[SHOWN_SIZE], found[SHOWN_SIZE];
	snprintf(
	    complaint, sizeof complaint, "column %s: found '%s', expected %s", shown(reader->columns.names[kind], column),
	    shown(field_text(&reader->rows.fields[reader->columns.at[kind]], buffer), found), expected);
	return complain(reader, point, complaint);
}

/* ---------------------------------------------------------------------------------------------------------- values --- */

/* The number in column `kind`, in the units of the fit; `fallback` when there is no such column. */
static double take(struct reader *reader, enum column_kind kind, double fallback, unsigned *wrong) {
	if (reader->columns.at[kind] < 0) return fallback;
	double value;
	if (!field_number(&reader->rows.fields[reader->columns.at[kind]], kind <= COLUMN_C, &value)) {
		*wrong |= 1u << kind;
		return NAN;
	}
	return value * reader->scale[kind];
}

/* Whatever the row holds, good or bad. */
static struct error *read_row(struct reader *reader, size_t line, struct candidate *row) {
	const struct columns *columns = &reader->columns;
	*row = (struct candidate){.point = {.line = line}};
	struct fit_point *point = &row->point;
	point->N = take(reader, COLUMN_N, NAN, &row->wrong);
	point->D = take(reader, COLUMN_D, NAN, &row->wrong);
	point->C = take(reader, COLUMN_C, NAN, &row->wrong);
	if (columns->at[COLUMN_N] < 0) point->N = point->C / point->D / 6;
	if (columns->at[COLUMN_D] < 0) point->D = point->C / point->N / 6;
	if (columns->at[COLUMN_C] < 0) point->C = 6 * point->N * point->D;
	point->loss = take(reader, COLUMN_LOSS, NAN, &row->wrong);
	point->loss_error = take(reader, COLUMN_LOSS_ERROR, NAN, &row->wrong);
	point->weight = take(reader, COLUMN_WEIGHT, 1, &row->wrong);
	TRY(keep_field(reader, COLUMN_ID, &point->id));
	char buffer[HUMAN_SIZE];
	const char *fit =
	    columns->at[COLUMN_FIT] < 0 ? "1" : field_text(&reader->rows.fields[columns->at[COLUMN_FIT]], buffer);
	row->excluded = strcmp(fit, "0") == 0 || strcasecmp(fit, "false") == 0;
	row->excluded_known = row->excluded || *fit == 0 || strcmp(fit, "1") == 0 || strcasecmp(fit, "true") == 0;
	return row->excluded ? keep_field(reader, COLUMN_REASON, &row->reason) : NULL;
}

/* Does the row meet all conditions? When not it is left out, or complained of, here. */
static struct error *check_filters(struct reader *reader, const struct candidate *row, bool *admitted) {
	*admitted = true;
	for (int i = 0; i < reader->filter_count && *admitted; i++) {
		const struct filter *filter = &reader->filters[i];
		bool comparable = true;
		unsigned wrong = filter->column < 0 ? row->wrong & ((1u << QUANTITIES) - 1) : 0;
		*admitted = !wrong && filter_admits(filter, reader->rows.fields, &row->point, &comparable);
		if (*admitted) continue;
		if (wrong) return complain_of(reader, &row->point, (enum column_kind)__builtin_ctz(wrong), "a number");
		if (comparable) return leave_out(reader, &row->point, LEFT_OUT_BY_FILTER, reader->refusals[i]);
		char complaint[256], buffer[HUMAN_SIZE], column[SHOWN_SIZE], found[SHOWN_SIZE], source[SHOWN_SIZE];
		if (!filter->numeric) {
			snprintf(
			    complaint, sizeof complaint,
			    "column %s: a number here, and a word in --where '%s' (in quotes within it, it is compared as text)",
			    shown(filter->name, column), shown(filter->source, source));
			return complain(reader, &row->point, complaint);
		}
		snprintf(
		    complaint, sizeof complaint, "column %s: found '%s', expected a number for --where '%s'",
		    shown(filter->name, column), shown(field_text(&reader->rows.fields[filter->column], buffer), found),
		    shown(filter->source, source));
		return complain(reader, &row->point, complaint);
	}
	return NULL;
}

static bool usable(double value) {
	return value >= DBL_MIN && value <= DBL_MAX;
}

/* The caller's columns of a row that becomes a point. */
static struct error *keep_extra(struct reader *reader) {
	struct fit_points *points = reader->points;
	size_t count = points->input.extra_count, at = points->count * count;
	char buffer[HUMAN_SIZE];
	if (count == 0) return NULL;
	TRY(array_reserve((void **)&points->extra, &reader->extra_capacity, at + count, sizeof *points->extra));
	for (size_t k = 0; k < count; k++) {
		points->extra[at + k] = NULL;
		if (reader->extra[k] >= 0)
			TRY(keep(reader, field_text(&reader->rows.fields[reader->extra[k]], buffer), &points->extra[at + k]));
	}
	return NULL;
}

/* A point, or a word about why it is none. */
static struct error *add_point(struct reader *reader, const struct candidate *row) {
	const struct columns *columns = &reader->columns;
	const struct fit_point *point = &row->point;
	struct fit_points *points = reader->points;
	const double values[QUANTITIES] = {point->N, point->D, point->C, point->loss};
	if (row->wrong) return complain_of(reader, point, (enum column_kind)__builtin_ctz(row->wrong), "a number");
	if (reader->optima && isnan(point->N))
		return leave_out(reader, point, LEFT_OUT_BY_TABLE, "no optimum at this budget");
	for (enum column_kind kind = COLUMN_N; kind <= COLUMN_LOSS; kind++)
		if (columns->at[kind] >= 0 && !usable(values[kind]))
			return complain_of(reader, point, kind, "a finite number above zero");
	for (enum column_kind kind = COLUMN_N; kind <= COLUMN_C; kind++) {
		static const char *const formulas[] = {"N = C/(6 D)", "D = C/(6 N)", "C = 6 N D"};
		char complaint[128];
		if (usable(values[kind])) continue;
		snprintf(
		    complaint, sizeof complaint, "column %s: found %g, expected a number that a double can hold",
		    formulas[kind], values[kind]);
		return complain(reader, point, complaint);
	}
	if (point->loss_error < 0 || isinf(point->loss_error))
		return complain_of(reader, point, COLUMN_LOSS_ERROR, "a standard error of zero or more, or nothing");
	if (!(point->weight >= 0 && point->weight <= MOST_WEIGHT))
		return complain_of(reader, point, COLUMN_WEIGHT, "a weight from 0 to 1e100");
	if (point->weight < DBL_MIN) return leave_out(reader, point, LEFT_OUT_BY_TABLE, "weight 0");
	struct labels labels;
	TRY(keep_field(reader, COLUMN_GROUP, &labels.group));
	TRY(keep_field(reader, COLUMN_SEED, &labels.seed));
	TRY(array_reserve((void **)&points->items, &reader->capacity, points->count + 1, sizeof *points->items));
	TRY(array_reserve((void **)&reader->labels, &reader->labels_capacity, points->count + 1, sizeof *reader->labels));
	TRY(keep_extra(reader));
	reader->labels[points->count] = labels;
	points->items[points->count++] = *point;
	return NULL;
}

static struct error *read_rows(struct reader *reader) {
	for (;;) {
		size_t line;
		struct error *bad, *error;
		TRY(rows_next(&reader->rows, &line, &bad));
		if (line == 0) return NULL;
		struct candidate row;
		if (bad) {
			row.point = (struct fit_point){.N = NAN, .D = NAN, .C = NAN, .loss = NAN, .line = line};
			error = complain(reader, &row.point, bad->message);
			error_free(bad);
			TRY(error);
			continue;
		}
		TRY(read_row(reader, line, &row));
		if (row.excluded) {
			const char *reason = row.reason ? row.reason : "left out by the table";
			TRY(leave_out(reader, &row.point, LEFT_OUT_BY_TABLE, reason));
			continue;
		}
		if (!row.excluded_known) {
			TRY(complain_of(reader, &row.point, COLUMN_FIT, "1 (use this row) or 0 (leave it out)"));
			continue;
		}
		bool admitted;
		TRY(check_filters(reader, &row, &admitted));
		if (admitted) TRY(add_point(reader, &row));
	}
}

/* ------------------------------------------------------------------------------------------------------- extremes --- */

struct ranked {
	double loss;
	size_t point;
};

static int by_loss(const void *a, const void *b) {
	const struct ranked *x = a, *y = b;
	int order = (x->loss > y->loss) - (x->loss < y->loss);
	return order ? order : (x->point > y->point) - (x->point < y->point);
}

/* Leaves out the rows with the `lowest` lowest and the `highest` highest losses. Of equal ones the later ones go first. */
static struct error *drop_extremes(struct reader *reader, size_t lowest, size_t highest) {
	struct fit_points *points = reader->points;
	size_t count = points->count, kept = 0;
	if (lowest == 0 && highest == 0) return NULL;
	if (reader->columns.at[COLUMN_LOSS] < 0)
		return error_new(
		    ERROR_USAGE, "--drop-highest and --drop-lowest go by the loss, and %s has no column of losses",
		    reader->name);
	if (lowest >= count || highest >= count - lowest)
		return error_new(
		    ERROR_DATA, "%s: %zu rows are left, and %zu are to be dropped for their losses; drop fewer", reader->name,
		    count, lowest + highest);
	struct ranked *ranked = array_new(count, sizeof *ranked);
	char *fate = array_new(count, 1);
	struct error *error = NULL;
	if (!ranked || !fate) {
		error = error_memory(count * (sizeof *ranked + 1));
		goto done;
	}
	for (size_t i = 0; i < count; i++) ranked[i] = (struct ranked){points->items[i].loss, i};
	qsort(ranked, count, sizeof *ranked, by_loss);
	for (size_t i = 0; i < lowest; i++) fate[ranked[i].point] = 'l';
	for (size_t i = count - highest; i < count; i++) fate[ranked[i].point] = 'h';
	for (size_t i = 0; i < count && !error; i++) {
		if (fate[i]) {
			const char *reason = fate[i] == 'h' ? "among the highest losses" : "among the lowest losses";
			error = leave_out(reader, &points->items[i], LEFT_OUT_AS_EXTREME, reason);
			continue;
		}
		reader->labels[kept] = reader->labels[i];
		points->items[kept++] = points->items[i];
	}
	points->count = kept;
done:
	free(ranked);
	free(fate);
	return error;
}

static int by_line(const void *a, const void *b) {
	const struct fit_left_out *x = a, *y = b;
	return (x->line > y->line) - (x->line < y->line);
}

/* ----------------------------------------------------------------------------------------------------------- whole --- */

static double scale_of(double given) {
	return given == 0 ? 1 : given;
}

/* Options become columns, factors and filters. */
static struct error *prepare(struct reader *reader, const struct fit_input *input) {
	struct fit_points *points = reader->points;
	reader->skip_bad = input->skip_bad;
	reader->optima = input->optima;
	for (enum column_kind kind = 0; kind < COLUMN_KINDS; kind++) reader->scale[kind] = 1;
	reader->scale[COLUMN_N] = scale_of(input->N_scale);
	reader->scale[COLUMN_D] = scale_of(input->D_scale);
	reader->scale[COLUMN_C] = scale_of(input->C_scale);
	reader->scale[COLUMN_LOSS] = reader->scale[COLUMN_LOSS_ERROR] = scale_of(input->loss_scale);
	for (enum column_kind kind = 0; kind < COLUMN_KINDS; kind++)
		if (!(usable(reader->scale[kind])))
			return error_new(
			    ERROR_USAGE, "a scale is %g; expected a finite number above zero, such as 1e9", reader->scale[kind]);
	TRY(columns_find(&reader->rows, input, &reader->columns, &points->notes));
	points->input = *input;
	points->input.N_scale = reader->scale[COLUMN_N];
	points->input.D_scale = reader->scale[COLUMN_D];
	points->input.C_scale = reader->scale[COLUMN_C];
	points->input.loss_scale = reader->scale[COLUMN_LOSS];
	const char **names[] = {&points->input.N,      &points->input.D,          &points->input.C,
	                        &points->input.loss,   &points->input.loss_error, &points->input.group,
	                        &points->input.weight, &points->input.seed};
	for (enum column_kind kind = 0; kind < COUNT_OF(names); kind++) {
		*names[kind] = NULL;
		if (reader->columns.names[kind]) TRY(keep(reader, reader->columns.names[kind], names[kind]));
		if (kind < QUANTITIES) points->guessed[kind] = reader->columns.guessed[kind];
	}
	reader->extra = array_new(input->extra_count + 1, sizeof *reader->extra);
	if (!reader->extra) return error_memory(input->extra_count * sizeof *reader->extra);
	for (size_t k = 0; k < input->extra_count; k++) {
		const struct fit_extra *extra = &input->extra[k];
		TRY(column_named(&reader->rows, extra->name, &reader->extra[k]));
		if (reader->extra[k] >= 0 || !extra->option) continue;
		return no_column(&reader->rows, extra->name, extra->option, "");
	}
	points->input.extra = NULL; /* the caller's */
	for (int i = 0; i < input->where.count; i++) {
		char words[200], source[SHOWN_SIZE];
		TRY(filter_parse(input->where.items[i], &reader->filters[reader->filter_count++]));
		TRY(filter_bind(&reader->rows, &reader->filters[i]));
		TRY(keep(reader, input->where.items[i], &points->input.where.items[i]));
		snprintf(words, sizeof words, "not %s", shown(input->where.items[i], source));
		TRY(keep(reader, words, &reader->refusals[i]));
	}
	return NULL;
}

static struct error *bad_rows_error(const struct reader *reader) {
	char more[64] = "";
	if (reader->bad_rows > BAD_ROWS_SHOWN)
		snprintf(more, sizeof more, "; and %zu more", reader->bad_rows - BAD_ROWS_SHOWN);
	return error_new(
	    ERROR_DATA, "%s: %zu bad row%s: %s%s. Mend them, or leave them out with --where, or with --skip-bad",
	    reader->name, reader->bad_rows, reader->bad_rows == 1 ? "" : "s", reader->complaints.data, more);
}

/* The rungs and seeds of the points that are left, from their labels. */
static struct error *number_labels(struct reader *reader) {
	struct fit_points *points = reader->points;
	const char **names = array_new(points->count + 1, sizeof *names);
	if (!names) return error_memory(points->count * sizeof *names);
	bool groups = reader->columns.at[COLUMN_GROUP] >= 0, seeds = reader->columns.at[COLUMN_SEED] >= 0;
	for (size_t i = 0; i < points->count; i++) names[i] = reader->labels[i].group ? reader->labels[i].group : "";
	struct error *error = number_rungs(points, groups ? names : NULL);
	for (size_t i = 0; i < points->count; i++) names[i] = reader->labels[i].seed ? reader->labels[i].seed : "";
	if (!error) error = number_seeds(points, seeds ? names : NULL);
	free(names);
	return error;
}

/* `text` is taken apart. */
static struct error *parse(
    const char *name, char *text, size_t length, const struct fit_input *input, struct fit_points *points) {
	*points = (struct fit_points){0};
	struct reader reader = {.name = name, .points = points};
	struct error *error = rows_open(&reader.rows, name, text, length);
	if (!error) error = prepare(&reader, input);
	if (!error) error = read_rows(&reader);
	for (size_t i = 0; i < points->count && points->extra; i++)
		points->items[i].extra = points->extra + i * points->input.extra_count;
	if (!error && reader.bad_rows > 0) error = bad_rows_error(&reader);
	if (!error && points->count == 0)
		error = error_new(
		    ERROR_DATA, "%s: no row to fit: %zu rows, all of them left out%s%.300s", name, points->left_out_count,
		    points->left_out_count ? "; the first because: " : "; expected a row per run",
		    points->left_out_count ? points->left_out[0].reason : "");
	if (!error) error = drop_extremes(&reader, (size_t)input->drop_lowest, (size_t)input->drop_highest);
	if (!error) error = number_labels(&reader);
	if (!error && points->left_out_count)
		qsort(points->left_out, points->left_out_count, sizeof *points->left_out, by_line);
	if (!error) error = text_error(&points->notes);
	for (int i = 0; i < reader.filter_count; i++) filter_free(&reader.filters[i]);
	rows_close(&reader.rows);
	free(reader.labels);
	free(reader.extra);
	text_free(&reader.complaints);
	if (error) fit_points_free(points);
	return error;
}

struct error *fit_points_parse(
    const char *name, const char *text, size_t length, const struct fit_input *input, struct fit_points *points) {
	char *copy = array_new(length + 1, 1);
	if (!copy) return error_memory(length + 1);
	memcpy(copy, text, length);
	struct error *error = parse(name, copy, length, input, points);
	free(copy);
	return error;
}

/* A lab's table, be it named by the lab (not NULL) or by itself. */
static struct error *check_against_lab(
    const char *lab, const char *file, const struct text *table, struct text *notes) {
	if (lab) return lab_points_check(lab, file, table, notes);
	const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
	if (strcmp(name, "points.csv") != 0) return NULL;
	char *folder = slash == file ? strdup("/") : slash ? strndup(file, (size_t)(slash - file)) : strdup(".");
	if (!folder) return error_memory(strlen(file));
	struct error *error = lab_points_check(folder, file, table, notes);
	free(folder);
	return error;
}

struct error *fit_points_read(const char *path, const struct fit_input *input, struct fit_points *points) {
	struct stat status;
	bool standard = strcmp(path, "-") == 0;
	*points = (struct fit_points){0};
	if (!standard && !file_exists(path))
		return error_new(ERROR_DATA, "%s: there is no such lab folder or table; 'rung sweep' makes a lab folder", path);
	bool folder = !standard && stat(path, &status) == 0 && S_ISDIR(status.st_mode);
	char *file = folder ? path_join(path, "points.csv") : strdup(standard ? "standard input" : path);
	if (!file) return error_memory(strlen(path) + 12);
	struct text text = {0}, notes = {0};
	struct error *error = NULL;
	if (folder && !file_exists(file))
		error = error_new(
		    ERROR_DATA, "%s: there is no points.csv in this folder; is it a lab? 'rung sweep --lab %s' writes it", path,
		    path);
	if (!error && standard) error = file_read_open(STDIN_FILENO, file, MOST_BYTES, &text);
	if (!error && !standard) error = file_read(file, MOST_BYTES, &text);
	if (!error && !standard) error = check_against_lab(folder ? path : NULL, file, &text, &notes);
	if (!error) error = parse(file, text.data, text.length, input, points);
	if (!error) text_add_string(&points->notes, text_part(&notes, &points->notes));
	if (!error && points->notes.failed) {
		error = text_error(&points->notes);
		fit_points_free(points);
	}
	text_free(&text);
	text_free(&notes);
	free(file);
	return error;
}

void fit_points_free(struct fit_points *points) {
	free(points->items);
	free(points->left_out);
	free(points->extra);
	free(points->earlier);
	text_free(&points->notes);
	strings_free(points->strings);
	*points = (struct fit_points){0};
}
