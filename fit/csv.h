/* csv.h - comma-separated tables, a row at a time (RFC 4180, with LF, CRLF or CR). Private to fit/. */
#ifndef RUNG_FIT_CSV_H
#define RUNG_FIT_CSV_H

#include "base/base.h"

/* Takes its text apart in place: fields end in NUL where their comma stood, so they live as long as the text does. */
struct csv {
	const char *name; /* of the file, for messages */
	char *text;       /* ends in NUL */
	char separator;   /* between fields: a comma, or what the header has instead: tabs, semicolons */
	size_t length, at;
	size_t line; /* that `at` stands on, from 1 */
	char **fields;
	size_t capacity;
};

#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* what spreadsheets put before their text; it is skipped */

/* ERROR_DATA for what cannot be a table or JSON lines: zero bytes, UTF-16, packed files. `text` holds a NUL behind its
 * `length` bytes. */
MUST_CHECK struct error *check_plain_text(const char *name, const char *text, size_t length);

/* `text` must stay, be writable, and hold a NUL behind its `length` bytes. The same errors. */
MUST_CHECK struct error *csv_begin(struct csv *csv, const char *name, char *text, size_t length);

/* The next row that is not blank: *count fields in csv->fields, which begins on *line. *count is 0 at the end. */
MUST_CHECK struct error *csv_next(struct csv *csv, size_t *count, size_t *line);

void csv_end(struct csv *csv);

#endif
