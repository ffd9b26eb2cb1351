/* json.c - JSON with errors that say where, and numbers that come back bit for bit. */
#include "base/base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------- parsing --- */

/* cJSON makes the tree, but takes more than JSON and knows only roughly where it stopped. So the text is first read by
 * this scanner, which keeps to RFC 8259 and knows what it expected where. */
struct scan {
	const char *path, *text; /* path: NULL when it is one line of many */
	size_t length, at;
};

#define DEEPEST 500       /* brackets in brackets: the parser is recursive, and stacks end */
#define LONGEST_NUMBER 60 /* characters; the parser reads 63 */

/* "PATH:line:column: not valid JSON: ...", or without a path "character N: ..."; columns count characters from 1. */
static struct error *unexpected(const struct scan *scan, const char *expected) {
	const char *text = scan->text;
	size_t line = 1, column = 1, at = scan->at;
	for (size_t i = 0; i < at; i++) {
		if (text[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) /* not the middle of a UTF-8 character */
			column++;
	}
	char found[48];
	if (at >= scan->length)
		snprintf(found, sizeof found, "the end of the text");
	else if (text[at] == '\n' || text[at] == '\r')
		snprintf(found, sizeof found, "the end of the line");
	else if ((unsigned char)text[at] < ' ' || utf8_length(text + at, scan->length - at) == 0)
		snprintf(found, sizeof found, "the byte %d", (unsigned char)text[at]);
	else {
		size_t end = at, length = utf8_length(text + at, scan->length - at);
		do {
			end += length;
			length = utf8_length(text + end, scan->length - end);
		} while (length && end - at < 20 && (unsigned char)text[end] > ' ');
		snprintf(found, sizeof found, "%.*s", (int)(end - at), text + at);
	}
	if (!scan->path)
		return error_new(ERROR_DATA, "character %zu: not valid JSON: expected %s, found %s", column, expected, found);
	return error_new(
	    ERROR_DATA, "%s:%zu:%zu: not valid JSON: expected %s, found %s", scan->path, line, column, expected, found);
}

static char peek(const struct scan *scan) {
	return scan->at < scan->length ? scan->text[scan->at] : '\0';
}

static void skip_blanks(struct scan *scan) {
	while (scan->at < scan->length && strchr(" \t\r\n", peek(scan)) && peek(scan)) scan->at++;
}

/* The four digits behind \u; -1 when they are not. */
static int hex_digits(const struct scan *scan, size_t at) {
	int value = 0;
	for (size_t i = at; i < at + 4; i++) {
		char c = i < scan->length ? scan->text[i] : '\0';
		const char *digits = "0123456789abcdef", *digit = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
		if (!digit) return -1;
		value = value * 16 + (int)(digit - digits);
	}
	return value;
}

static struct error *scan_escape(struct scan *scan) {
	size_t backslash = scan->at++;
	char c = peek(scan);
	if (c == 'u') {
		int unit = hex_digits(scan, scan->at + 1);
		bool high = unit >= 0xd800 && unit < 0xdc00, paired = false;
		if (high && scan->at + 6 < scan->length && memcmp(scan->text + scan->at + 5, "\\u", 2) == 0) {
			int low = hex_digits(scan, scan->at + 7);
			paired = low >= 0xdc00 && low < 0xe000;
		}
		scan->at = unit < 0 ? scan->at + 1 : backslash;
		if (unit < 0) return unexpected(scan, "four hexadecimal digits");
		if (unit == 0) return unexpected(scan, "no zero byte in a string");
		if ((high && !paired) || (unit >= 0xdc00 && unit < 0xe000)) return unexpected(scan, "a pair of surrogates");
		scan->at = backslash + (paired ? 12 : 6);
		return NULL;
	}
	if (!c || !strchr("\"\\/bfnrt", c)) return unexpected(scan, "one of \" \\ / b f n r t u behind the backslash");
	scan->at++;
	return NULL;
}

static struct error *scan_string(struct scan *scan) {
	size_t start = scan->at++;
	while (scan->at < scan->length && peek(scan) != '"') {
		if (peek(scan) == '\\')
			TRY(scan_escape(scan));
		else if ((unsigned char)peek(scan) < ' ')
			return unexpected(scan, "the string to end on its line (a line break in it is \\n, a tab \\t)");
		else
			scan->at++;
	}
	if (scan->at++ < scan->length) return NULL;
	scan->at = start;
	return unexpected(scan, "a closing quote for this string");
}

static size_t skip_digits(struct scan *scan) {
	size_t start = scan->at;
	while (peek(scan) >= '0' && peek(scan) <= '9') scan->at++;
	return scan->at - start;
}

static struct error *scan_number(struct scan *scan) {
	size_t start = scan->at;
	if (peek(scan) == '-') scan->at++;
	if (peek(scan) == '0')
		scan->at++;
	else if (skip_digits(scan) == 0)
		return unexpected(scan, "a digit");
	if (peek(scan) == '.') {
		scan->at++;
		if (skip_digits(scan) == 0) return unexpected(scan, "a digit after the point");
	}
	if (peek(scan) == 'e' || peek(scan) == 'E') {
		scan->at++;
		if (peek(scan) == '+' || peek(scan) == '-') scan->at++;
		if (skip_digits(scan) == 0) return unexpected(scan, "the digits of an exponent");
	}
	if (scan->at - start <= LONGEST_NUMBER) return NULL;
	scan->at = start;
	return unexpected(scan, "a number of at most 60 characters");
}

static struct error *scan_value(struct scan *scan, int depth) {
	static const char *const words[] = {"true", "false", "null"};
	char open = peek(scan), close = open == '{' ? '}' : ']';
	if (open == '"') return scan_string(scan);
	if (open == '-' || (open >= '0' && open <= '9')) return scan_number(scan);
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		size_t length = strlen(words[i]);
		if (scan->length - scan->at < length || memcmp(scan->text + scan->at, words[i], length) != 0) continue;
		scan->at += length;
		return NULL;
	}
	if (open != '{' && open != '[') return unexpected(scan, "a value");
	if (depth == DEEPEST) return unexpected(scan, "fewer brackets in brackets (at most 500)");
	scan->at++;
	skip_blanks(scan);
	for (bool first = true; !first || peek(scan) != close; first = false) {
		if (open == '{') {
			if (peek(scan) != '"')
				return unexpected(scan, first ? "a key in double quotes or }" : "a key in double quotes");
			TRY(scan_string(scan));
			skip_blanks(scan);
			if (peek(scan) != ':') return unexpected(scan, "a colon");
			scan->at++;
			skip_blanks(scan);
		}
		TRY(scan_value(scan, depth + 1));
		skip_blanks(scan);
		if (peek(scan) == close) break;
		if (peek(scan) != ',') return unexpected(scan, open == '{' ? "a comma or }" : "a comma or ]");
		scan->at++;
		skip_blanks(scan);
	}
	scan->at++;
	return NULL;
}

static struct error *scan_text(const char *path, const char *text, size_t length) {
	struct scan scan = {.path = path, .text = text, .length = length};
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) scan.at = 3; /* a byte order mark */
	skip_blanks(&scan);
	TRY(scan_value(&scan, 0));
	skip_blanks(&scan);
	return scan.at < length ? unexpected(&scan, "nothing after the value") : NULL;
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
	TRY(scan_text(path, text, length));
	cJSON *tree = cJSON_ParseWithLength(text, length);
	if (!tree) return error_memory(length); /* the scanner passed it: there is no other reason */
	struct text place = {0};
	struct error *error = check_tree(path ? path : "not valid JSON", tree, &place);
	text_free(&place);
	if (error) {
		cJSON_Delete(tree);
		return error;
	}
	*root = tree;
	return NULL;
}

struct error *json_parse_line(const char *text, size_t length, cJSON **root) {
	return json_parse(NULL, text, length, root);
}

struct error *json_parse_row(const char *path, size_t number, const char *line, size_t length, cJSON **root) {
	*root = cJSON_ParseWithLength(line, length);
	if (*root) return NULL;
	/* Not JSON, or no memory for it: the slower way knows. */
	struct error *error = json_parse(path, line, length, root);
	if (!error || error->kind != ERROR_DATA) return error;
	error_free(error);
	return error_new(ERROR_DATA, "%s: line %zu: this is not a JSON object", path, number);
}

/* ------------------------------------------------------------------------------------------------------ printing --- */

void json_quote(struct text *text, const char *string) {
	json_quote_bytes(text, string, strlen(string));
}

void json_quote_bytes(struct text *text, const char *bytes, size_t count) {
	text_add_string(text, "\"");
	for (const char *run = bytes, *end = bytes + count; run < end;) {
		size_t plain = 0;
		while (run + plain < end && (unsigned char)run[plain] >= ' ' && run[plain] != '"' && run[plain] != '\\' &&
		       run[plain] != 127)
			plain++;
		text_add_bytes(text, run, plain);
		run += plain;
		if (run == end) break;
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

/* ------------------------------------------------------------------------------------------------------- members --- */

static const char *kind_of(const cJSON *node) {
	if (cJSON_IsNumber(node)) return "a number";
	if (cJSON_IsString(node)) return "a string";
	if (cJSON_IsBool(node)) return "true or false";
	if (cJSON_IsNull(node)) return "null";
	if (cJSON_IsArray(node)) return "an array";
	return "an object";
}

static struct error *find_member(
    const cJSON *object, const char *key, const char *path, const char *wanted, const cJSON **member) {
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

struct error *whole_number(double value, const char *key, const char *path, int64_t *whole) {
	if (!(fabs(value) <= 0x1p53) || value != floor(value))
		return error_new(ERROR_DATA, "%s: \"%s\": expected a whole number, found %g", path, key, value);
	*whole = (int64_t)value;
	return NULL;
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
