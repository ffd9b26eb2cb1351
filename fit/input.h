/* input.h - from a file to rows of fields, and from the names of columns to what they hold. Private to fit/.
 *
 * Two formats give the same rows: comma-separated tables (csv.h) and JSON lines, an object a line. points.c makes points
 * of them. */
#ifndef RUNG_FIT_INPUT_H
#define RUNG_FIT_INPUT_H

#include "fit/csv.h"
#include "fit/fit.h"

/* ---------------------------------------------------------------------------------------------- strings (strings.c) --- */

/* A copy of `string` that lives until strings_free, or NULL when memory is short. Bytes that are no UTF-8 become '?', so
 * that whatever is kept can be printed and written as JSON. *strings begins as NULL. */
const char *strings_keep(struct fit_strings **strings, const char *string);
/* The same in place. */
void strings_clean(char *text);
void strings_free(struct fit_strings *strings);

/* The beginning of `text` for a message: at most 40 bytes on one line, without control characters. Returned. */
#define SHOWN_SIZE 48
char *shown(const char *text, char out[SHOWN_SIZE]);

/* --------------------------------------------------------------------------------------------- JSON lines (jsonl.c) --- */

/* What stands in one column of one row. Both live until the next row is read. */
struct field {
	const char *text; /* NULL: a number of JSON, below */
	double number;
};

struct json_lines {
	const char *name; /* of the file, for messages */
	const char *text;
	size_t length, at, line; /* line: that begins at `at`, from 1 */
	cJSON *tree;             /* of the row that was read last */
	struct text place;       /* names of the members that lead to a value, with dots between */
	struct text mended;      /* the line, where it needed quotes around NaN */
	bool *seen;              /* (count) columns that this row has had */
	struct fit_strings *strings;
	const char **names; /* (count) */
	size_t count, capacity;
	uint32_t *slots; /* a hash table of the names: index + 1, or 0 */
	size_t slot_count;
};

/* Goes through all lines for the names of their members: "config.N" is the member N of the object config. An array is one
 * value. Blank lines are skipped. ERROR_DATA when no line is an object, or the names have no end. */
MUST_CHECK struct error *json_lines_begin(struct json_lines *lines, const char *name, const char *text, size_t length);

/* The next row: fields (lines->count), an empty text where a line has no such member or null. *line is 0 at the end. A
 * line that is no row sets *bad (the caller's) and is passed over: no object, deeper than 500 levels, or longer than
 * LONGEST_LINE. */
#define LONGEST_LINE ((size_t)64 << 20)
MUST_CHECK struct error *json_lines_next(
    struct json_lines *lines, struct field *fields, size_t *line, struct error **bad);

void json_lines_end(struct json_lines *lines);

/* --------------------------------------------------------------------------------------------------- rows (rows.c) --- */

/* A file of rows in either format. */
struct rows {
	const char *name; /* of the file, for messages */
	bool json;
	struct csv csv;
	struct json_lines lines;
	size_t header_line;
	const char **names; /* (count) of the columns */
	size_t count;
	struct field *fields; /* (count) of the row that was read last */
};

/* JSON lines are known by their first character or by `name`: .jsonl, .ndjson. `text` is taken apart, must hold a NUL
 * behind its `length` bytes, and must outlive the rows. ERROR_DATA for what is no text, for UTF-16, for an empty file. */
MUST_CHECK struct error *rows_open(struct rows *rows, const char *name, char *text, size_t length);

/* The next row, in rows->fields. *line is 0 at the end. *bad (the caller's): why this line is no row. */
MUST_CHECK struct error *rows_next(struct rows *rows, size_t *line, struct error **bad);
void rows_close(struct rows *rows);

/* The text of a field, without blanks around it; numbers of JSON are written to `buffer`. */
const char *field_text(const struct field *field, char buffer[HUMAN_SIZE]);

/* The number in a field: decimal, perhaps with an exponent, and with K, M, B or G, T behind it when `suffixes`. Nothing,
 * "nan", "NA", "N/A", "null" and "none" are NaN. False for anything else. */
bool field_number(const struct field *field, bool suffixes, double *value);

/* --------------------------------------------------------------------------------------------- columns (columns.c) --- */

enum column_kind {
	COLUMN_N,
	COLUMN_D,
	COLUMN_C,
	COLUMN_LOSS,
	COLUMN_LOSS_ERROR,
	COLUMN_GROUP,
	COLUMN_WEIGHT,
	COLUMN_SEED,
	COLUMN_FIT,
	COLUMN_REASON,
	COLUMN_ID,
	COLUMN_KINDS
};

struct columns {
	int at[COLUMN_KINDS]; /* index of the column; -1: there is none */
	const char *names[COLUMN_KINDS];
	bool guessed[COLUMN_KINDS]; /* neither named by the user nor called by the usual name */
};

/* What the user named, else what has the usual name, else, for N, D, C and loss, the one column whose name can only mean
 * it. Adds a line to `notes` about what was guessed. ERROR_DATA lists the columns that there are, and names the nearest. */
MUST_CHECK struct error *columns_find(
    const struct rows *rows, const struct fit_input *input, struct columns *columns, struct text *notes);

/* Index of the column that is called `name`, -1 when there is none; ERROR_DATA when there are two. */
MUST_CHECK struct error *column_named(const struct rows *rows, const char *name, int *at);

/* "FILE: there is no column ...", with those that there are, and the nearest as the value of `option`. `remark` ends it. */
MUST_CHECK struct error *no_column(const struct rows *rows, const char *name, const char *option, const char *remark);

/* ------------------------------------------------------------------------------------------------ filters (filter.c) --- */

enum comparison { LESS, AT_MOST, MORE, AT_LEAST, EQUAL, UNEQUAL };

/* COLUMN OPERATOR VALUE, such as C<1e21. */
struct filter {
	const char *source; /* as the user wrote it */
	char *name, *text;  /* the column, the value */
	bool quoted;        /* the name: it means the column of the file, even if it is N, D, C or loss */
	enum comparison comparison;
	bool numeric; /* the value is `number` */
	bool literal; /* the value stood in quotes: it is text, whatever the column holds */
	double number;
	enum column_kind kind; /* of the quantity, when `column` is -1 */
	int column;
};

/* ERROR_USAGE with an example when `source` is no condition. filter_free must follow, also after an error. */
MUST_CHECK struct error *filter_parse(const char *source, struct filter *filter);
/* Finds its column. N, D, C and loss, without quotes, are what the fit sees: scaled, or derived from the others. */
MUST_CHECK struct error *filter_bind(const struct rows *rows, struct filter *filter);
/* Does the row meet the condition? A missing value meets none but !=. *comparable becomes false when the value in the row
 * is a word where an order of numbers is asked for. */
bool filter_admits(
    const struct filter *filter, const struct field *fields, const struct fit_point *point, bool *comparable);
void filter_free(struct filter *filter);

/* ---------------------------------------------------------------------------------------------- options (cmd.c) --- */

/* points->notes to stderr: beside the answer, not into it. */
void print_notes(const struct fit_points *points);

/* The rows of a table of options that fill the struct fit_input which is member `input`; of(member) is its offset. */
#define INPUT_OPTIONS(of, input)                                                                                        \
	{                                                                                                                   \
	    "N",     OPTION_TEXT, of(input.N), "", 0, 0, "column of the parameter count (N, or what can only mean it)",     \
	    "COLUMN"},                                                                                                      \
	    {"D", OPTION_TEXT, of(input.D), "", 0, 0, "column of the token count (D, ..., or else C / 6N)", "COLUMN"},      \
	    {"C", OPTION_TEXT, of(input.C), "", 0, 0, "column of the compute (C, ..., or else 6ND)", "COLUMN"},             \
	    {"loss", OPTION_TEXT, of(input.loss), "", 0, 0, "column of the loss (loss, ...)", "COLUMN"},                    \
	    {"loss-error",                                                                                                  \
	     OPTION_TEXT,                                                                                                   \
	     of(input.loss_error),                                                                                          \
	     "",                                                                                                            \
	     0,                                                                                                             \
	     0,                                                                                                             \
	     "column of the loss's standard error (loss_error, when there is one)",                                         \
	     "COLUMN"},                                                                                                     \
	    {"group",                                                                                                       \
	     OPTION_TEXT,                                                                                                   \
	     of(input.group),                                                                                               \
	     "",                                                                                                            \
	     0,                                                                                                             \
	     0,                                                                                                             \
	     "column whose equal values make a rung: points that share errors (when not named: equal N)",                   \
	     "COLUMN"},                                                                                                     \
	    {"weight",                                                                                                      \
	     OPTION_TEXT,                                                                                                   \
	     of(input.weight),                                                                                              \
	     "",                                                                                                            \
	     0,                                                                                                             \
	     0,                                                                                                             \
	     "column of the weight of a row: 2 counts it twice, 0 leaves it out (when not named: 1)",                       \
	     "COLUMN"},                                                                                                     \
	    {"seed",                                                                                                        \
	     OPTION_TEXT,                                                                                                   \
	     of(input.seed),                                                                                                \
	     "",                                                                                                            \
	     0,                                                                                                             \
	     0,                                                                                                             \
	     "column of the seeds that tell repeated runs apart (seed, when there is one)",                                 \
	     "COLUMN"},                                                                                                     \
	    {"N-scale", OPTION_REAL, of(input.N_scale), "1", 1e-300, 1e300, "N is this times the value in the table", "X"}, \
	    {"D-scale", OPTION_REAL, of(input.D_scale), "1", 1e-300, 1e300, "the same for D: 1e9 where it counts billions", \
	     "X"},                                                                                                          \
	    {"C-scale", OPTION_REAL, of(input.C_scale), "1", 1e-300, 1e300, "the same for C", "X"},                         \
	    {"loss-scale",                                                                                                  \
	     OPTION_REAL,                                                                                                   \
	     of(input.loss_scale),                                                                                          \
	     "1",                                                                                                           \
	     1e-300,                                                                                                        \
	     1e300,                                                                                                         \
	     "the same for the loss and its error: 0.693147 for bits",                                                      \
	     "X"},                                                                                                          \
	    {"where",                                                                                                       \
	     OPTION_LIST,                                                                                                   \
	     of(input.where),                                                                                               \
	     "",                                                                                                            \
	     0,                                                                                                             \
	     0,                                                                                                             \
	     "use only rows like 'C<1e21' (< <= > >= == !=; several times: all must hold)",                                 \
	     "CONDITION"},                                                                                                  \
	    {"drop-highest",                                                                                                \
	     OPTION_COUNT,                                                                                                  \
	     of(input.drop_highest),                                                                                        \
	     "0",                                                                                                           \
	     0,                                                                                                             \
	     1e15,                                                                                                          \
	     "leave out so many rows with the highest losses",                                                              \
	     "K"},                                                                                                          \
	    {"drop-lowest", OPTION_COUNT, of(input.drop_lowest), "0", 0, 1e15, "the same with the lowest", "K"}, {          \
		"skip-bad", OPTION_FLAG, of(input.skip_bad), "no", 0, 0,                                                        \
		    "leave out rows that cannot be used, and list them, instead of stopping", NULL                              \
	}

/* ---------------------------------------------------------------------------------------------------- rungs (rungs.c) --- */

/* Numbers the clusters, ascending in their smallest N: by their `names` (count), or by N where `names` is NULL. */
MUST_CHECK struct error *number_rungs(struct fit_points *points, const char *const *names);
/* Numbers the distinct seeds, in the order of their text: -1 where it is empty, and for all where `seeds` is NULL. */
MUST_CHECK struct error *number_seeds(struct fit_points *points, const char *const *seeds);

/* The rows for which `kept` (count) says so, their rungs numbered anew. What they point into stays that of `points`, which
 * must outlive them; fit_points_free. */
MUST_CHECK struct error *points_kept(const struct fit_points *points, const bool *kept, struct fit_points *rest);

#endif
