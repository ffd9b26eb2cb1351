/* text.c - growable strings, numbers for people, and names that were nearly typed right. */
#include "base/base.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Room for `more` bytes and the NUL. */
static bool text_grow(struct text *text, size_t more) {
	if (text->failed) return false;
	size_t needed;
	if (__builtin_add_overflow(text->length, more, &needed) || __builtin_add_overflow(needed, 1, &needed)) {
		text->failed = true;
		return false;
	}
	if (needed <= text->capacity) return true;
	size_t capacity = text->capacity < 32 ? 64 : text->capacity * 2;
	if (capacity < needed) capacity = needed;
	char *data = realloc(text->data, capacity);
	if (!data) {
		text->failed = true;
		return false;
	}
	text->data = data;
	text->capacity = capacity;
	return true;
}

void text_add_bytes(struct text *text, const void *bytes, size_t count) {
	if (!text_grow(text, count)) return;
	if (count) memcpy(text->data + text->length, bytes, count);
	text->length += count;
	text->data[text->length] = '\0';
}

void text_add_string(struct text *text, const char *string) {
	text_add_bytes(text, string, strlen(string));
}

void text_add(struct text *text, const char *format, ...) {
	va_list arguments, again;
	va_start(arguments, format);
	va_copy(again, arguments);
	int length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0)
		text->failed = true;
	else if (text_grow(text, (size_t)length)) {
		vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
		text->length += (size_t)length;
	}
	va_end(again);
}

void text_clear(struct text *text) {
	text->length = 0;
	text->failed = false;
	if (text->data) text->data[0] = '\0';
}

void text_free(struct text *text) {
	free(text->data);
	*text = (struct text){0};
}

struct error *text_error(const struct text *text) {
	return text->failed ? error_memory(text->length) : NULL;
}

const char *text_part(const struct text *part, struct text *whole) {
	whole->failed |= part->failed;
	return part->data ? part->data : "";
}

size_t utf8_length(const char *bytes, size_t count) {
	const unsigned char *at = (const unsigned char *)bytes;
	if (count == 0) return 0;
	const unsigned char lead = at[0];
	if (lead < 0x80) return 1;
	const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
	if (lead < 0xc2 || lead > 0xf4 || length > count) return 0;
	for (size_t i = 1; i < length; i++)
		if ((at[i] & 0xc0) != 0x80) return 0;
	if ((lead == 0xe0 && at[1] < 0xa0) || (lead == 0xed && at[1] > 0x9f)) return 0;
	if ((lead == 0xf0 && at[1] < 0x90) || (lead == 0xf4 && at[1] > 0x8f)) return 0;
	return length;
}

/* ------------------------------------------------------------------------------------------- numbers for people --- */

/* `value` with one decimal below 100 and none above, in the first unit that keeps it below `step`. */
static char *human_scaled(
    double value, double step, const char *const *units, size_t count, const char *space, char out[HUMAN_SIZE]) {
	double size = fabs(value);
	size_t unit = 0;
	/* 999.6 would be printed as 1000: what is shown decides, not what is meant. */
	while (unit + 1 < count && (size < 99.95 ? size : round(size)) >= step) {
		size /= step;
		unit++;
	}
	const char *sign = value < 0 ? "-" : "";
	if (size >= 1e6)
		snprintf(out, HUMAN_SIZE, "%s%.3g%s%s", sign, size, space, units[unit]);
	else if (size >= 99.95 || round(size * 10) == round(size) * 10)
		snprintf(out, HUMAN_SIZE, "%s%.0f%s%s", sign, size, space, units[unit]);
	else if (unit == 0 && size < 1)
		snprintf(out, HUMAN_SIZE, "%s%.3g%s%s", sign, size, space, units[unit]);
	else
		snprintf(out, HUMAN_SIZE, "%s%.1f%s%s", sign, size, space, units[unit]);
	return out;
}

char *human_count(double count, char out[HUMAN_SIZE]) {
	static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};
	return human_scaled(count, 1000, units, COUNT_OF(units), "", out);
}

char *human_bytes(double bytes, char out[HUMAN_SIZE]) {
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	return human_scaled(bytes, 1024, units, COUNT_OF(units), " ", out);
}

char *human_seconds(double seconds, char out[HUMAN_SIZE]) {
	if (!isfinite(seconds) || fabs(seconds) > 1e12) {
		snprintf(out, HUMAN_SIZE, "%g s", seconds);
		return out;
	}
	const char *sign = seconds < 0 ? "-" : "";
	seconds = fabs(seconds);
	if (seconds < 0.9995 && seconds > 0)
		snprintf(out, HUMAN_SIZE, "%s%.3g ms", sign, seconds * 1e3);
	else if (seconds < 9.95 && seconds > 0)
		snprintf(out, HUMAN_SIZE, "%s%.1f s", sign, seconds);
	else if (seconds < 59.5)
		snprintf(out, HUMAN_SIZE, "%s%.0f s", sign, seconds);
	else if (seconds < 3599.5) {
		long whole = lround(seconds);
		snprintf(out, HUMAN_SIZE, "%s%ld min %02ld s", sign, whole / 60, whole % 60);
	} else if (seconds < 86370) {
		long minutes = lround(seconds / 60);
		snprintf(out, HUMAN_SIZE, "%s%ld h %02ld min", sign, minutes / 60, minutes % 60);
	} else {
		long hours = lround(seconds / 3600);
		snprintf(out, HUMAN_SIZE, "%s%ld d %02ld h", sign, hours / 24, hours % 24);
	}
	return out;
}

char *number_text(double value, char out[HUMAN_SIZE]) {
	char shortest[HUMAN_SIZE] = "nan"; /* whatever its sign */
	for (int digits = 15; digits <= 17 && !isnan(value); digits++) {
		snprintf(shortest, sizeof shortest, "%.*g", digits, value);
		/* Bits, not ==: with denormals flushed to zero, == would call every one of them equal. */
		double back = strtod(shortest, NULL);
		if (memcmp(&back, &value, sizeof value) == 0) break;
	}
	return memcpy(out, shortest, sizeof shortest);
}

/* ------------------------------------------------------------------------------------------------- nearest names --- */

#define LONGEST_NAME 64

/* Optimal string alignment: insertions, deletions, replacements and swapped neighbours (Damerau 1964). */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length) {
	size_t rows[3][LONGEST_NAME + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];
	for (size_t j = 0; j <= b_length; j++) above[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
			if (above[j] + 1 < best) best = above[j] + 1;
			if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
			bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
			if (swapped && before[j - 2] + 1 < best) best = before[j - 2] + 1;
			row[j] = best;
		}
		size_t *oldest = before;
		before = above;
		above = row;
		row = oldest;
	}
	return above[b_length];
}

const char *nearest_name(const char *typed, const void *rows, size_t count, size_t stride) {
	size_t length = strlen(typed);
	if (length == 0 || length > LONGEST_NAME) return NULL;
	const char *nearest = NULL;
	size_t least = 1 + (length + 1) / 3; /* more edits than that is another word */
	for (size_t i = 0; i < count; i++) {
		const char *name;
		memcpy(&name, (const char *)rows + i * stride, sizeof name);
		size_t name_length = strlen(name);
		if (name_length > LONGEST_NAME) continue;
		size_t distance = edit_distance(typed, length, name, name_length);
		/* The beginning of a name counts as nearly right. */
		if (length >= 2 && strncmp(typed, name, length) == 0) distance = distance > 1 ? 1 : distance;
		if (distance < least) {
			least = distance;
			nearest = name;
		}
	}
	return nearest;
}
