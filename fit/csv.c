/* csv.c - comma-separated tables, a row at a time. */
#include "fit/csv.h"

#include <stdlib.h>
#include <string.h>

struct error *check_plain_text(const char *name, const char *text, size_t length) {
	static const struct {
		const char *bytes, *is;
	} signs[] = {
	    {"\xff\xfe", "is UTF-16 text, expected UTF-8; 'iconv -f UTF-16 -t UTF-8' makes it so"},
	    {"\xfe\xff", "is UTF-16 text, expected UTF-8; 'iconv -f UTF-16 -t UTF-8' makes it so"},
	    {"\x1f\x8b", "is compressed by gzip; 'zcat FILE | rung fit -' reads it"},
	    {"\x28\xb5\x2f\xfd", "is compressed by zstd; 'zstdcat FILE | rung fit -' reads it"},
	    {"PK\x03\x04", "is a zip archive or a workbook; save the sheet as comma-separated values"},
	};
	for (size_t i = 0; i < COUNT_OF(signs); i++)
		if (length >= strlen(signs[i].bytes) && memcmp(text, signs[i].bytes, strlen(signs[i].bytes)) == 0)
			return error_new(ERROR_DATA, "%s: %s", name, signs[i].is);
	const char *nul = memchr(text, 0, length);
	if (!nul) return NULL;
	return error_new(
	    ERROR_DATA,
	    "%s: byte %zu is zero, so this is no text; expected a table of comma-separated values or JSON lines", name,
	    (size_t)(nul - text));
}

/* What stands between the names of the first line, outside quotes: a tab where there is one, else the more frequent. */
static char separator_of(const char *text, size_t length) {
	bool quoted = false;
	size_t commas = 0, semicolons = 0;
	size_t i = strspn(text, "\r\n");
	for (; i < length && (quoted || (text[i] != '\n' && text[i] != '\r')); i++) {
		if (text[i] == '"') quoted = !quoted;
		if (quoted) continue;
		if (text[i] == '\t') return '\t';
		commas += text[i] == ',';
		semicolons += text[i] == ';';
	}
	return semicolons > commas ? ';' : ',';
}

struct error *csv_begin(struct csv *csv, const char *name, char *text, size_t length) {
	*csv = (struct csv){.name = name, .text = text, .length = length, .line = 1};
	TRY(check_plain_text(name, text, length));
	if (strncmp(text, BYTE_ORDER_MARK, 3) == 0) csv->at = 3;
	csv->separator = separator_of(text + csv->at, length - csv->at);
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
			if (after != csv->separator && line_end(csv, csv->at) == 0) {
				return error_new(
				    ERROR_DATA,
				    "%s: line %zu: found '%c' right after the closing quote of field %zu; expected the next "
				    "or the end of the line",
				    csv->name, csv->line, after, *count);
			}
		} else {
			while (line_end(csv, csv->at) == 0 && csv->text[csv->at] != csv->separator) csv->at++;
			end = csv->at;
		}
		bool more = csv->at < csv->length && csv->text[csv->at] == csv->separator;
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
