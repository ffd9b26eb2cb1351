/* csv.c - comma-separated tables, a row at a time. */
#include "fit/csv.h"

#include <stdlib.h>
#include <string.h>

struct error *csv_begin(struct csv *csv, const char *name, char *text, size_t length) {
	*csv = (struct csv){.name = name, .text = text, .length = length, .line = 1};
	const char *nul = memchr(text, 0, length);
	if (nul) {
		return error_new(
		    ERROR_DATA, "%s: byte %zu is zero, so this is no text; expected a table of comma-separated values", name,
		    (size_t)(nul - text));
	}
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) csv->at = 3; /* the byte order mark of spreadsheets */
	return NULL;
}

void csv_end(struct csv *csv) {
	free(csv->fields);
	*csv = (struct csv){0};
}

/* Length of the line end at `at`: "\n", "\r\n", a lone "\r", or the end of the text as SIZE_MAX; 0 when there is none. */
static size_t line_end(const struct csv *csv, size_t at) {
	if (at >= csv->length) return SIZE_MAX;
	if (csv->text[at] == '\n') return 1;
	if (csv->text[at] == '\r') return csv->text[at + 1] == '\n' ? 2 : 1;
	return 0;
}

/* The quoted field whose opening quote stands at csv->at; doubled quotes become one. */
static struct error *quoted_field(struct csv *csv, size_t *end) {
	size_t opened = csv->line, to = csv->at, from = csv->at + 1;
	for (;;) {
		if (from >= csv->length) {
			return error_new(
			    ERROR_DATA,
			    "%s: line %zu: a field opens with a quote that is never closed; expected another \" before "
			    "the end of the file",
			    csv->name, opened);
		}
		char c = csv->text[from++];
		if (c == '\n') csv->line++;
		if (c == '"' && csv->text[from] != '"') break;
		if (c == '"') from++;
		csv->text[to++] = c;
	}
	*end = to;
	csv->at = from;
	return NULL;
}

struct error *csv_next(struct csv *csv, size_t *count, size_t *line) {
	*count = 0;
	for (size_t end; csv->at < csv->length && (end = line_end(csv, csv->at)) > 0; csv->line++) csv->at += end;
	*line = csv->line;
	if (csv->at >= csv->length) return NULL;
	for (;;) {
		TRY(array_reserve((void **)&csv->fields, &csv->capacity, *count + 1, sizeof *csv->fields));
		csv->fields[(*count)++] = csv->text + csv->at;
		size_t end = 0;
		if (csv->text[csv->at] == '"') {
			TRY(quoted_field(csv, &end));
			char after = csv->text[csv->at];
			if (after != ',' && line_end(csv, csv->at) == 0) {
				return error_new(
				    ERROR_DATA,
				    "%s: line %zu: found '%c' right after the closing quote of field %zu; expected a comma "
				    "or the end of the line",
				    csv->name, csv->line, after, *count);
			}
		} else {
			while (line_end(csv, csv->at) == 0 && csv->text[csv->at] != ',') csv->at++;
			end = csv->at;
		}
		bool more = csv->at < csv->length && csv->text[csv->at] == ',';
		size_t ending = line_end(csv, csv->at); /* looked at before the NUL goes where it stands */
		csv->text[end] = 0;
		if (more) {
			csv->at++;
			continue;
		}
		if (ending != SIZE_MAX) {
			csv->at += ending;
			csv->line++;
		}
		return NULL;
	}
}
