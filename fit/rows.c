/* rows.c - a file of rows, whichever of the two formats it has, and the numbers in its fields. */
#include "fit/input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool ends_in(const char *name, const char *ending) {
	size_t length = strlen(name), tail = strlen(ending);
	return length >= tail && strcasecmp(name + length - tail, ending) == 0;
}

/* The names of a table: its first line. */
static struct error *open_table(struct rows *rows, char *text, size_t length) {
	size_t line;
	TRY(csv_begin(&rows->csv, rows->name, text, length));
	TRY(csv_next(&rows->csv, &rows->count, &line));
	if (rows->count == 0)
		return error_new(ERROR_DATA, "%s: the file is empty; expected a header line and a row per run", rows->name);
	rows->header_line = line;
	rows->names = array_new(rows->count, sizeof *rows->names);
	if (!rows->names) return error_memory(rows->count * sizeof *rows->names);
	char buffer[HUMAN_SIZE];
	for (size_t i = 0; i < rows->count; i++)
		rows->names[i] = field_text(&(struct field){.text = rows->csv.fields[i]}, buffer);
	return NULL;
}

struct error *rows_open(struct rows *rows, const char *name, char *text, size_t length) {
	*rows = (struct rows){.name = name};
	TRY(check_plain_text(name, text, length));
	const char *begin = text + (strncmp(text, BYTE_ORDER_MARK, 3) == 0 ? 3 : 0);
	char first = begin[strspn(begin, " \t\r\n")];
	rows->json = first == '{' || first == '[' || ends_in(name, ".jsonl") || ends_in(name, ".ndjson");
	struct error *error;
	if (rows->json) {
		error = json_lines_begin(&rows->lines, name, begin, length - (size_t)(begin - text));
		rows->names = rows->lines.names;
		rows->count = rows->lines.count;
	} else {
		error = open_table(rows, text, length);
	}
	if (!error) rows->fields = array_new(rows->count, sizeof *rows->fields);
	if (!error && !rows->fields) error = error_memory(rows->count * sizeof *rows->fields);
	if (error) rows_close(rows);
	return error;
}

struct error *rows_next(struct rows *rows, size_t *line, struct error **bad) {
	*bad = NULL;
	if (rows->json) return json_lines_next(&rows->lines, rows->fields, line, bad);
	size_t count;
	TRY(csv_next(&rows->csv, &count, line));
	if (count == 0) {
		*line = 0;
		return NULL;
	}
	if (count != rows->count)
		*bad = error_new(ERROR_DATA, "found %zu fields, expected %zu as in the header", count, rows->count);
	for (size_t i = 0; i < rows->count; i++) rows->fields[i].text = i < count ? rows->csv.fields[i] : "";
	return NULL;
}

void rows_close(struct rows *rows) {
	if (!rows->json) free(rows->names);
	csv_end(&rows->csv);
	json_lines_end(&rows->lines);
	free(rows->fields);
	*rows = (struct rows){0};
}

/* --------------------------------------------------------------------------------------------------------- fields --- */

const char *field_text(const struct field *field, char buffer[HUMAN_SIZE]) {
	if (!field->text) return number_text(field->number, buffer);
	char *text = (char *)field->text; /* of the rows, which are there to be taken apart */
	text += strspn(text, " \t");
	size_t length = strlen(text);
	if (length > 0 && strchr(" \t", text[length - 1])) {
		while (length > 0 && strchr(" \t", text[length - 1])) length--;
		text[length] = 0;
	}
	return text;
}

/* Behind a number: a blank perhaps, and K, M, B, G or T in either case; "70B" is 7e10. */
static bool number_with_suffix(const char *text, double *value) {
	static const struct {
		char letter;
		int power;
	} suffixes[] = {{'k', 3}, {'m', 6}, {'b', 9}, {'g', 9}, {'t', 12}};
	char plain[80];
	size_t length = strlen(text);
	if (length < 2 || length > 64) return false;
	char last = text[length - 1] | 0x20;
	for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
		if (last != suffixes[i].letter) continue;
		size_t digits = length - 1;
		if (text[digits - 1] == ' ') digits--;
		if (strspn(text, "+-.0123456789") != digits) return false;
		snprintf(plain, sizeof plain, "%.*se%d", (int)digits, text, suffixes[i].power);
		char *end;
		*value = strtod(plain, &end); /* the suffix goes into the exponent before anything is rounded */
		return *end == 0;
	}
	return false;
}

bool field_number(const struct field *field, bool suffixes, double *value) {
	static const char *const words[] = {"", "nan", "na", "n/a", "null", "none"};
	*value = field->number;
	if (!field->text) return true;
	char buffer[HUMAN_SIZE], *end;
	const char *text = field_text(field, buffer);
	*value = NAN;
	if (*text && text[strspn(text, "+-.0123456789eE")] == 0) {
		*value = strtod(text, &end);
		return *end == 0;
	}
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (strcasecmp(text, words[i]) == 0) return true;
	if (*text) {
		const char *size = text + (*text == '-' || *text == '+');
		if (strcasecmp(size, "inf") == 0 || strcasecmp(size, "infinity") == 0) {
			*value = *text == '-' ? -INFINITY : INFINITY;
			return true;
		}
	}
	return suffixes && number_with_suffix(text, value);
}
