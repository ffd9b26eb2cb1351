/* words.h - numbers and paragraphs for a terminal. Private to fit/. */
#ifndef RUNG_FIT_WORDS_H
#define RUNG_FIT_WORDS_H

#include "fit/fit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS 80
#define SHORT 40

/* Four digits, without an exponent where that reads better: "0.3401", "482.0", "2085", "1.2e+07". */
static inline char *digits(double value, char out[SHORT]) {
	if (isnan(value))
		snprintf(out, SHORT, "-");
	else if (value != 0 && (fabs(value) < 1e-3 || fabs(value) >= 1e6))
		snprintf(out, SHORT, "%.3g", value);
	else
		snprintf(out, SHORT, "%#.4g", value);
	size_t length = strlen(out);
	if (length && out[length - 1] == '.') out[length - 1] = 0;
	return out;
}

/* Seven digits, for parameters: with two an optimum moves by factors. */
static inline char *exactly(double value, char out[SHORT]) {
	snprintf(out, SHORT, isnan(value) ? "-" : "%.7g", value);
	return out;
}

/* "0.31 to 0.37", or "not known". */
static inline char *range(struct fit_interval interval, char out[2 * SHORT]) {
	char low[SHORT], high[SHORT];
	if (isnan(interval.low) || isnan(interval.high))
		snprintf(out, 2 * SHORT, "not known");
	else
		snprintf(out, 2 * SHORT, "%s to %s", digits(interval.low, low), digits(interval.high, high));
	return out;
}

/* Three digits of a count: "6.14k", "1.20M", "28.6G". */
static inline char *count(double value, char out[SHORT]) {
	static const char *units[] = {"", "k", "M", "G", "T"};
	size_t unit = 0;
	if (!(value >= 1) || value >= 1e15) {
		snprintf(out, SHORT, isnan(value) ? "-" : "%.3g", value);
		return out;
	}
	/* 999.6 would round to 1000: the next unit begins at 999.5. */
	for (; value >= 999.5 && unit + 1 < COUNT_OF(units); unit++) value /= 1000;
	snprintf(out, SHORT, "%#.3g", value);
	size_t length = strlen(out);
	if (out[length - 1] == '.') length--;
	snprintf(out + length, SHORT - length, "%s", units[unit]);
	return out;
}

static inline char *count_range(struct fit_interval interval, char out[2 * SHORT]) {
	char low[SHORT], high[SHORT];
	if (isnan(interval.low) || isnan(interval.high))
		snprintf(out, 2 * SHORT, "not known");
	else
		snprintf(out, 2 * SHORT, "%s to %s", count(interval.low, low), count(interval.high, high));
	return out;
}

/* Appends `words` broken into lines of COLUMNS, the first after `first` and the others after `rest`. */
static inline void wrapped(struct text *out, const char *first, const char *rest, const char *words) {
	size_t column = strlen(first);
	text_add_string(out, first);
	for (bool begins = true; *words; begins = false) {
		size_t length = strcspn(words, " ");
		if (!begins && column + 1 + length > COLUMNS) {
			text_add(out, "\n%s", rest);
			column = strlen(rest);
		} else if (!begins) {
			text_add_string(out, " ");
			column++;
		}
		text_add_bytes(out, words, length);
		column += length;
		words += length;
		words += strspn(words, " ");
	}
	text_add_string(out, "\n");
}

/* The same for every line of `lines`, which it takes apart. */
static inline void wrapped_lines(struct text *out, const char *first, const char *rest, struct text *lines) {
	out->failed |= lines->failed;
	for (char *line = lines->data, *end; line && *line; line = end) {
		end = line + strcspn(line, "\n");
		if (*end) *end++ = 0;
		wrapped(out, first, rest, line);
	}
}

/* Appends `item` to "a, b" in an array (at first ""). What has no room is cut, as in the warning that it is for. */
static inline void list_add(char *list, size_t size, const char *item) {
	size_t used = strlen(list);
	snprintf(list + used, size - used, "%s%s", used ? ", " : "", item);
}

/* The warnings, a paragraph each (text.c). */
void write_warning_lines(const struct fit *fit, struct text *out);

/* Ends the line that `out` is at, without the blanks that its last column was filled up with. */
static inline void end_line(struct text *out) {
	while (out->length && out->data[out->length - 1] == ' ') out->length--;
	text_add_string(out, "\n");
}

#endif
