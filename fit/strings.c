/* strings.c - what is kept of a file's texts, and how they are shown. */
#include "fit/input.h"

#include <stdlib.h>
#include <string.h>

#define PIECE ((size_t)1 << 16)

/* Pieces never move, so the strings in them stay where they are. The newest comes first. */
struct fit_strings {
	struct fit_strings *next;
	size_t size, used;
	char bytes[];
};

/* Bytes of the character that the string begins with; 0 at its end, or where it is none. */
static size_t character(const char *text) {
	return utf8_length(text, strnlen(text, 4));
}

/* Copies at most `room` bytes of whole characters and a NUL; returns the number of bytes. */
static size_t copy_characters(const char *text, size_t room, bool plain, char *out) {
	const unsigned char *from = (const unsigned char *)text;
	size_t count = 0;
	while (*from) {
		size_t length = character((const char *)from);
		bool control = plain && (*from < ' ' || *from == 127);
		if (count + (length ? length : 1) > room) break;
		if (length && !control) {
			memcpy(out + count, from, length);
			count += length;
		} else {
			out[count++] = '?';
		}
		from += length ? length : 1;
	}
	out[count] = 0;
	return count;
}

void strings_clean(char *text) {
	for (size_t length; *text; text += length) {
		length = character(text);
		if (length) continue;
		*text = '?';
		length = 1;
	}
}

const char *strings_keep(struct fit_strings **strings, const char *string) {
	size_t length = strlen(string);
	struct fit_strings *piece = *strings;
	if (!piece || piece->size - piece->used <= length) {
		size_t size = length + 1 > PIECE ? length + 1 : PIECE;
		piece = malloc(sizeof *piece + size);
		if (!piece) return NULL;
		*piece = (struct fit_strings){.next = *strings, .size = size};
		*strings = piece;
	}
	char *copy = piece->bytes + piece->used;
	piece->used += copy_characters(string, length, false, copy) + 1;
	return copy;
}

void strings_free(struct fit_strings *strings) {
	while (strings) {
		struct fit_strings *next = strings->next;
		free(strings);
		strings = next;
	}
}

char *shown(const char *text, char out[SHOWN_SIZE]) {
	size_t length = copy_characters(text, 40, true, out);
	if (text[length]) memcpy(out + length, "...", 4);
	return out;
}
