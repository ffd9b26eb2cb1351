/* paragraph.c - cuts text into paragraphs, whatever the pieces it comes in. */
#include "data/paragraph.h"

#include <string.h>

static bool is_space(char c) {
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_blank(const char *bytes, size_t count) {
	for (size_t i = 0; i < count; i++)
		if (!is_space(bytes[i])) return false;
	return true;
}

/* Hands out the first `count` bytes of the buffer. */
static struct error *hand_out(struct paragraph_cutter *cutter, size_t count) {
	if (count == 0) return NULL;
	TRY(cutter->take(cutter->context, cutter->buffer, count));
	cutter->length -= count;
	memmove(cutter->buffer, cutter->buffer + count, cutter->length);
	cutter->line = 0;
	cutter->content = cutter->closed = false;
	cutter->begun = true;
	return NULL;
}

/* The last line of the buffer is complete, or the document is. */
static struct error *end_line(struct paragraph_cutter *cutter) {
	size_t line_bytes = cutter->length - cutter->line;
	if (is_blank(cutter->buffer + cutter->line, line_bytes)) {
		cutter->closed = cutter->content;
		cutter->long_line = false;
	} else {
		bool alone = line_bytes >= PARAGRAPH_LINE || cutter->long_line;
		cutter->long_line = false;
		if (cutter->content && (cutter->closed || alone)) TRY(hand_out(cutter, cutter->line));
		cutter->begun = cutter->content = true;
		cutter->closed = alone;
	}
	cutter->line = cutter->length;
	return NULL;
}

/* Where to cut a line that fills the buffer: before the last space of its second half, or at its end. */
static size_t cut_inside(const char *bytes, size_t count) {
	for (size_t i = count - 1; i > count / 2; i--)
		if (bytes[i] == ' ' && !is_space(bytes[i - 1])) return i;
	return count;
}

static struct error *make_room(struct paragraph_cutter *cutter) {
	if (cutter->line > 0) return hand_out(cutter, cutter->line);
	TRY(hand_out(cutter, cut_inside(cutter->buffer, cutter->length)));
	cutter->long_line = true;
	return NULL;
}

struct error *paragraph_text(struct paragraph_cutter *cutter, const char *bytes, size_t count) {
	while (count > 0) {
		const char *newline = memchr(bytes, '\n', count);
		size_t part = newline ? (size_t)(newline - bytes) + 1 : count;
		size_t room = PARAGRAPH_MOST - cutter->length;
		bool complete = newline && part <= room;
		if (part > room) part = room;
		memcpy(cutter->buffer + cutter->length, bytes, part);
		cutter->length += part;
		bytes += part;
		count -= part;
		if (complete) {
			TRY(end_line(cutter));
			if (!cutter->begun) cutter->length = cutter->line = 0; /* blank lines before the first paragraph */
		}
		if (cutter->length == PARAGRAPH_MOST) TRY(make_room(cutter));
	}
	return NULL;
}

struct error *paragraph_end(struct paragraph_cutter *cutter) {
	if (cutter->length > cutter->line) TRY(end_line(cutter));
	if (cutter->begun) TRY(hand_out(cutter, cutter->length));
	cutter->length = cutter->line = 0;
	cutter->begun = cutter->content = cutter->closed = cutter->long_line = false;
	return NULL;
}

bool paragraph_key(const char *bytes, size_t count, uint64_t *key) {
	char plain[PARAGRAPH_MOST];
	size_t length = 0;
	bool gap = false;
	for (size_t i = 0; i < count; i++) {
		if (is_space(bytes[i])) {
			gap = true;
			continue;
		}
		if (gap && length > 0) plain[length++] = ' ';
		gap = false;
		plain[length++] = bytes[i];
	}
	*key = hash_bytes(plain, length, 0);
	return length >= PARAGRAPH_LEAST;
}
