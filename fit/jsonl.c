/* jsonl.c - JSON lines: an object a line, whose members are columns. */
#include "fit/input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_NAMES 10000 /* of members, in all lines: beyond that the names are data */

/* ---------------------------------------------------------------------------------------------------------- names --- */

/* The slot in which `name` stands, or the empty one where it would. */
static size_t slot_of(const struct json_lines *lines, const char *name, size_t length) {
	size_t at = hash_bytes(name, length, 0) & (lines->slot_count - 1);
	for (; lines->slots[at]; at = (at + 1) & (lines->slot_count - 1))
		if (strcmp(lines->names[lines->slots[at] - 1], name) == 0) break;
	return at;
}

static struct error *grow_slots(struct json_lines *lines) {
	size_t count = lines->slot_count ? 2 * lines->slot_count : 64;
	uint32_t *slots = array_new(count, sizeof *slots);
	if (!slots) return error_memory(count * sizeof *slots);
	free(lines->slots);
	lines->slots = slots;
	lines->slot_count = count;
	for (size_t i = 0; i < lines->count; i++)
		slots[slot_of(lines, lines->names[i], strlen(lines->names[i]))] = (uint32_t)i + 1;
	return NULL;
}

static struct error *learn_name(struct json_lines *lines, const char *name, size_t length) {
	if (2 * (lines->count + 1) > lines->slot_count) TRY(grow_slots(lines));
	size_t slot = slot_of(lines, name, length);
	if (lines->slots[slot]) return NULL;
	if (lines->count == MOST_NAMES)
		return error_new(
		    ERROR_DATA,
		    "%s: line %zu: more than %d different names of members so far; expected the same few in every line",
		    lines->name, lines->line, MOST_NAMES);
	TRY(array_reserve((void **)&lines->names, &lines->capacity, lines->count + 1, sizeof *lines->names));
	const char *kept = strings_keep(&lines->strings, name);
	if (!kept) return error_memory(length);
	lines->names[lines->count++] = kept;
	lines->slots[slot] = (uint32_t)lines->count;
	return NULL;
}

/* --------------------------------------------------------------------------------------------------------- values --- */

/* Puts the value of a member into its field. */
static struct error *take_value(struct json_lines *lines, const cJSON *node, struct field *fields, struct error **bad) {
	size_t column = lines->slots[slot_of(lines, lines->place.data, lines->place.length)] - 1;
	if (lines->seen[column]) {
		if (!*bad) *bad = error_new(ERROR_DATA, "two members are called '%.60s'; keep one of them", lines->place.data);
		return NULL;
	}
	lines->seen[column] = true;
	fields[column] = (struct field){.text = ""};
	if (cJSON_IsNumber(node))
		fields[column] = (struct field){.number = node->valuedouble};
	else if (cJSON_IsString(node))
		fields[column].text = node->valuestring;
	else if (cJSON_IsBool(node))
		fields[column].text = cJSON_IsTrue(node) ? "true" : "false";
	else if (cJSON_IsArray(node))
		fields[column].text = "[...]";
	return NULL;
}

/* Every value below `node`; without `fields` only the names are learnt. */
static struct error *visit(struct json_lines *lines, const cJSON *node, struct field *fields, struct error **bad) {
	size_t before = lines->place.length;
	for (const cJSON *child = node->child; child; child = child->next) {
		if (before) text_add_bytes(&lines->place, ".", 1);
		text_add_string(&lines->place, child->string);
		TRY(text_error(&lines->place));
		strings_clean(lines->place.data + before); /* as names are kept */
		if (cJSON_IsObject(child))
			TRY(visit(lines, child, fields, bad));
		else if (fields)
			TRY(take_value(lines, child, fields, bad));
		else
			TRY(learn_name(lines, lines->place.data, lines->place.length));
		lines->place.length = before;
		lines->place.data[before] = 0;
	}
	return NULL;
}

/* ---------------------------------------------------------------------------------------------------------- lines --- */

/* Python writes NaN and Infinity into its JSON, which has no such thing. Outside of strings they get quotes. False when
 * the line holds none. */
static bool mend(const char *text, size_t length, struct text *mended) {
	static const char *const words[] = {"-Infinity", "Infinity", "NaN"};
	if (!memmem(text, length, "NaN", 3) && !memmem(text, length, "Infinity", 8)) return false;
	text_clear(mended);
	bool quoted = false;
	for (size_t i = 0, begin = 0; i <= length; i++) {
		if (i == length) {
			text_add_bytes(mended, text + begin, i - begin);
			break;
		}
		if (text[i] == '\\' && quoted) {
			i++;
			continue;
		}
		if (text[i] == '"') quoted = !quoted;
		for (size_t k = 0; k < COUNT_OF(words) && !quoted; k++) {
			size_t word = strlen(words[k]);
			if (length - i < word || memcmp(text + i, words[k], word) != 0) continue;
			text_add_bytes(mended, text + begin, i - begin);
			text_add(mended, "\"%s\"", words[k]);
			begin = i + word;
			i = begin - 1;
			break;
		}
	}
	return true;
}

/* The tree of one line, in lines->tree, or why it is none in *bad. */
static struct error *parse_line(struct json_lines *lines, const char *text, size_t length, struct error **bad) {
	cJSON_Delete(lines->tree);
	lines->tree = NULL;
	if (length > LONGEST_LINE) {
		*bad = error_new(
		    ERROR_DATA, "%zu bytes long, at most %zu are read; expected one object per run", length, LONGEST_LINE);
		return NULL;
	}
	if (mend(text, length, &lines->mended)) {
		TRY(text_error(&lines->mended));
		text = lines->mended.data;
		length = lines->mended.length;
	}
	struct error *error = json_parse_line(text, length, &lines->tree);
	if (error && error->kind != ERROR_DATA) return error;
	*bad = error;
	if (!error && !cJSON_IsObject(lines->tree))
		*bad = error_new(ERROR_DATA, "found no object, expected one run as {\"N\": ..., \"D\": ..., \"loss\": ...}");
	return NULL;
}

/* The next line that is not blank. False at the end. */
static bool find_line(struct json_lines *lines, const char **text, size_t *length) {
	while (lines->at < lines->length) {
		const char *begin = lines->text + lines->at, *end = memchr(begin, '\n', lines->length - lines->at);
		size_t whole = end ? (size_t)(end - begin) : lines->length - lines->at;
		lines->at += whole + 1;
		lines->line++;
		while (whole > 0 && strchr(" \t\r", begin[whole - 1])) whole--;
		if (whole == 0) continue;
		*text = begin;
		*length = whole;
		return true;
	}
	return false;
}

struct error *json_lines_begin(struct json_lines *lines, const char *name, const char *text, size_t length) {
	*lines = (struct json_lines){.name = name, .text = text, .length = length};
	const char *line;
	size_t line_length, first_line = 0;
	struct error *first = NULL, *error = NULL;
	while (!error && find_line(lines, &line, &line_length)) {
		struct error *bad = NULL;
		error = parse_line(lines, line, line_length, &bad);
		if (!error && !bad) error = visit(lines, lines->tree, NULL, NULL);
		if (bad && !first) {
			first = bad;
			first_line = lines->line;
		} else {
			error_free(bad);
		}
	}
	if (!error && lines->count == 0 && first)
		error = error_new(
		    ERROR_DATA, "%s: line %zu: %.600s. Expected JSON lines, a whole object on every line; %s writes them so",
		    name, first_line, first->message, text[strspn(text, " \t\r\n")] == '[' ? "'jq -c .[]'" : "'jq -c .'");
	if (!error && lines->count == 0)
		error = error_new(
		    ERROR_DATA, "%s: the file is empty, or no line in it has a member; expected an object per run, a line each",
		    name);
	error_free(first);
	lines->at = lines->line = 0;
	if (!error) {
		lines->seen = array_new(lines->count, sizeof *lines->seen);
		if (!lines->seen) error = error_memory(lines->count);
	}
	return error;
}

struct error *json_lines_next(struct json_lines *lines, struct field *fields, size_t *line, struct error **bad) {
	const char *text;
	size_t length;
	*line = 0;
	for (size_t i = 0; i < lines->count; i++) fields[i] = (struct field){.text = ""};
	if (!find_line(lines, &text, &length)) return NULL;
	*line = lines->line;
	TRY(parse_line(lines, text, length, bad));
	if (*bad) return NULL;
	memset(lines->seen, 0, lines->count * sizeof *lines->seen);
	return visit(lines, lines->tree, fields, bad);
}

void json_lines_end(struct json_lines *lines) {
	cJSON_Delete(lines->tree);
	text_free(&lines->place);
	text_free(&lines->mended);
	strings_free(lines->strings);
	free(lines->names);
	free(lines->slots);
	free(lines->seen);
	*lines = (struct json_lines){0};
}
