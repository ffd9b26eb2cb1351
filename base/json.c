/* json.c - JSON with errors that say where, and numbers that come back bit for bit. */
#include "base/base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A plan, a record or a table: far below this. What is larger is not one of ours. */
#define JSON_LIMIT ((size_t)256 << 20)

/* ------------------------------------------------------------------------------------------------------- parsing ---
 */

/* "PATH:line:column: not valid JSON: ..."; `at` is an offset in bytes, columns count characters from 1. */
static struct error *syntax_error(const char *path, const char *text, size_t length, size_t at, const char *what) {
	size_t line = 1, column = 1;
	for (size_t i = 0; i < at && i < length; i++) {
		if (text[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) /* not the middle of a UTF-8 character */
			column++;
	}
	char found[64];
	if (at >= length)
		snprintf(found, sizeof found, "the end of the text");
	else if (text[at] == '\n')
		snprintf(found, sizeof found, "the end of the line");
	else {
		size_t end = at;
		while (end < length && end - at < 24 && (unsigned char)text[end] >= ' ') end++;
		while (end > at + 1 && end < length && ((unsigned char)text[end] & 0xc0) == 0x80) end--;
		snprintf(found, sizeof found, "'%.*s'", (int)(end - at), text + at);
	}
	return error_new(ERROR_DATA, "%s:%zu:%zu: not valid JSON: %s, found %s", path, line, column, what, found);
}

static int compare_keys(const void *a, const void *b) {
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What the parser lets pass: keys that stand twice, of which only one would count, and numbers that are no numbers.
 * `place` is the path of keys to `node`, for the message. */
static struct error *check_tree(const char *path, const cJSON *node, struct text *place) {
	if (cJSON_IsNumber(node) && !isfinite(node->valuedouble))
		return error_new(
		    ERROR_DATA, "%s: %s: the number is too large; the largest is about 1.8e308, and infinity is \"inf\"", path,
		    place->length ? place->data : "the whole text");
	if (!node->child) return NULL;
	struct error *error = NULL;
	size_t length = place->length, index = 0;
	const char **keys = NULL;
	if (cJSON_IsObject(node)) {
		size_t count = (size_t)cJSON_GetArraySize(node);
		keys = array_new(count, sizeof *keys);
		if (!keys) return error_memory(count * sizeof *keys);
		size_t filled = 0;
		for (const cJSON *child = node->child; child; child = child->next) keys[filled++] = child->string;
		qsort(keys, count, sizeof *keys, compare_keys);
		for (size_t i = 1; i < count && !error; i++)
			if (strcmp(keys[i - 1], keys[i]) == 0)
				error = error_new(
				    ERROR_DATA, "%s: %s%sthe key \"%.200s\" stands twice; keep one of them", path,
				    length ? place->data : "", length ? ": " : "", keys[i]);
		free(keys);
	}
	for (const cJSON *child = node->child; child && !error; child = child->next, index++) {
		if (child->string)
			text_add(place, "%s%s", length ? "." : "", child->string);
		else
			text_add(place, "[%zu]", index);
		error = text_error(place);
		if (!error) error = check_tree(path, child, place);
		if (place->data) place->data[place->length = length] = '\0';
	}
	return error;
}

struct error *json_parse(const char *path, const char *text, size_t length, cJSON **root) {
	*root = NULL;
	const char *nul = length ? memchr(text, '\0', length) : NULL; /* white space to the parser */
	if (nul) return syntax_error(path, text, length, (size_t)(nul - text), "a zero byte; is this a text file?");
	size_t first = 0;
	while (first < length && (unsigned char)text[first] <= ' ') first++;
	if (first == length) return syntax_error(path, text, length, length, "expected a value");
	/* The parser's own pointer to the error is a global; this way of asking for the place is not. */
	const char *end = NULL;
	cJSON *tree = cJSON_ParseWithLengthOpts(text, length, &end, false);
	size_t at = end ? (size_t)(end - text) : 0;
	if (!tree) {
		/* It stops at the last byte when the text ends too soon. */
		bool cut = at + 1 >= length;
		if (at > 0 && at < length && (text[at - 1] == '"' || text[at] == '"') && !cut)
			return syntax_error(path, text, length, at, "expected a string with a closing quote and valid escapes");
		return syntax_error(
		    path, text, length, cut ? length : at,
		    cut ? "expected more: a bracket or a quote is still open"
		        : "expected a value, a key in quotes, ',' ':' or a bracket");
	}
	while (at < length && (unsigned char)text[at] <= ' ') at++;
	if (at < length) {
		cJSON_Delete(tree);
		return syntax_error(path, text, length, at, "expected nothing after the value");
	}
	struct text place = {0};
	struct error *error = check_tree(path, tree, &place);
	text_free(&place);
	if (error) {
		cJSON_Delete(tree);
		return error;
	}
	*root = tree;
	return NULL;
}

struct error *json_read(const char *path, cJSON **root) {
	*root = NULL;
	struct text text = {0};
	struct error *error = file_read(path, JSON_LIMIT, &text);
	if (!error) error = json_parse(path, text.data, text.length, root);
	text_free(&text);
	return error;
}

/* ------------------------------------------------------------------------------------------------------ printing ---
 */

void json_quote(struct text *text, const char *string) {
	text_add_string(text, "\"");
	for (const char *run = string; *run;) {
		size_t plain = 0;
		while ((unsigned char)run[plain] >= ' ' && run[plain] != '"' && run[plain] != '\\' && run[plain] != 127)
			plain++;
		text_add_bytes(text, run, plain);
		run += plain;
		if (!*run) break;
		unsigned char c = (unsigned char)*run++;
		if (c == '"' || c == '\\')
			text_add(text, "\\%c", c);
		else if (c == '\n')
			text_add_string(text, "\\n");
		else if (c == '\t')
			text_add_string(text, "\\t");
		else
			text_add(text, "\\u%04x", c);
	}
	text_add_string(text, "\"");
}

static void print_number(struct text *text, double value) {
	char digits[HUMAN_SIZE];
	number_text(value, digits);
	text_add(text, isfinite(value) ? "%s" : "\"%s\"", digits);
}

/* Indented by tabs; arrays of numbers and short words stay on one line, as people would write them. */
static void print_value(struct text *text, const cJSON *node, bool indented, int depth) {
	if (cJSON_IsNumber(node))
		print_number(text, node->valuedouble);
	else if (cJSON_IsString(node))
		json_quote(text, node->valuestring);
	else if (cJSON_IsRaw(node))
		text_add_string(text, node->valuestring);
	else if (cJSON_IsBool(node))
		text_add_string(text, cJSON_IsTrue(node) ? "true" : "false");
	else if (cJSON_IsArray(node) || cJSON_IsObject(node)) {
		bool object = cJSON_IsObject(node), lines = indented && object && node->child;
		for (const cJSON *child = node->child; child && indented; child = child->next) lines |= child->child != NULL;
		text_add_string(text, object ? "{" : "[");
		for (const cJSON *child = node->child; child; child = child->next) {
			if (lines) {
				text_add_string(text, "\n");
				for (int i = 0; i <= depth; i++) text_add_string(text, "\t");
			}
			if (object) {
				json_quote(text, child->string);
				text_add_string(text, indented ? ": " : ":");
			}
			print_value(text, child, indented, depth + 1);
			if (child->next) text_add_string(text, indented && !lines ? ", " : ",");
		}
		if (lines) {
			text_add_string(text, "\n");
			for (int i = 0; i < depth; i++) text_add_string(text, "\t");
		}
		text_add_string(text, object ? "}" : "]");
	} else
		text_add_string(text, "null");
}

void json_print(const cJSON *root, bool indented, struct text *out) {
	print_value(out, root, indented, 0);
}

struct error *json_write(const char *path, const cJSON *root) {
	struct text text = {0};
	json_print(root, true, &text);
	text_add_string(&text, "\n");
	struct error *error = text_error(&text);
	if (!error) error = file_write(path, text.data, text.length);
	text_free(&text);
	return error;
}

/* ------------------------------------------------------------------------------------------------------- members ---
 */

static const char *kind_of(const cJSON *node) {
	if (cJSON_IsNumber(node)) return "a number";
	if (cJSON_IsString(node)) return "a string";
	if (cJSON_IsBool(node)) return "true or false";
	if (cJSON_IsNull(node)) return "null";
	if (cJSON_IsArray(node)) return "an array";
	return "an object";
}

static struct error *
find_member(const cJSON *object, const char *key, const char *path, const char *wanted, const cJSON **member) {
	*member = cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
	if (*member) return NULL;
	if (!cJSON_IsObject(object))
		return error_new(
		    ERROR_DATA, "%s: expected an object with \"%s\", found %s", path, key,
		    object ? kind_of(object) : "nothing");
	return error_new(ERROR_DATA, "%s: \"%s\" is missing; expected %s", path, key, wanted);
}

struct error *json_get_number(const cJSON *object, const char *key, const char *path, double *value) {
	const cJSON *member;
	TRY(find_member(object, key, path, "a number", &member));
	if (cJSON_IsNumber(member)) {
		*value = member->valuedouble;
		return NULL;
	}
	if (cJSON_IsString(member)) {
		if (strcmp(member->valuestring, "nan") == 0) return *value = NAN, NULL;
		if (strcmp(member->valuestring, "inf") == 0) return *value = INFINITY, NULL;
		if (strcmp(member->valuestring, "-inf") == 0) return *value = -INFINITY, NULL;
		return error_new(
		    ERROR_DATA, "%s: \"%s\": expected a number (or \"nan\", \"inf\", \"-inf\"), found the string \"%.100s\"",
		    path, key, member->valuestring);
	}
	return error_new(ERROR_DATA, "%s: \"%s\": expected a number, found %s", path, key, kind_of(member));
}

struct error *json_get_text(const cJSON *object, const char *key, const char *path, const char **value) {
	const cJSON *member;
	TRY(find_member(object, key, path, "a string", &member));
	if (!cJSON_IsString(member))
		return error_new(ERROR_DATA, "%s: \"%s\": expected a string, found %s", path, key, kind_of(member));
	*value = member->valuestring;
	return NULL;
}

bool json_add_number(cJSON *object, const char *key, double value) {
	if (isfinite(value)) return cJSON_AddNumberToObject(object, key, value) != NULL;
	char name[HUMAN_SIZE];
	return cJSON_AddStringToObject(object, key, number_text(value, name)) != NULL;
}
