/* option.c - one table of options for the command line, --help and JSON. */
#include "base/base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A count must come back from JSON, whose numbers are doubles. */
#define LARGEST_COUNT 9007199254740992.0 /* 2^53 */

#define HELP_COLUMNS 80

static void *field(const struct option_row *row, void *target) {
	return (char *)target + row->offset;
}

/* -------------------------------------------------------------------------------------------------------- values --- */

static size_t skip_digits(const char *text, size_t at) {
	while (text[at] >= '0' && text[at] <= '9') at++;
	return at;
}

bool number_from_text(const char *text, double *value) {
	if (strcmp(text, "inf") == 0) return *value = INFINITY, true;
	if (strcmp(text, "-inf") == 0) return *value = -INFINITY, true;
	size_t at = text[0] == '-' || text[0] == '+';
	size_t start = at, dots = 0;
	at = skip_digits(text, at);
	if (text[at] == '.') {
		dots = 1;
		at = skip_digits(text, at + 1);
	}
	size_t mantissa = at;
	if (mantissa - start == dots || mantissa > 300) return false; /* no digit, or a text of nothing but digits */
	long exponent = 0;
	if (text[at] == 'e' || text[at] == 'E') {
		size_t sign = text[at + 1] == '-' || text[at + 1] == '+';
		size_t end = skip_digits(text, at + 1 + sign);
		if (end == at + 1 + sign || end - at > 8) return false;
		exponent = strtol(text + at + 1, NULL, 10);
		at = end;
	}
	switch (text[at]) {
	case 'K':
	case 'k':
		exponent += 3;
		at++;
		break;
	case 'M':
		exponent += 6;
		at++;
		break;
	case 'G':
	case 'B':
		exponent += 9;
		at++;
		break;
	case 'T':
		exponent += 12;
		at++;
		break;
	default:
		break;
	}
	if (text[at]) return false;
	char plain[340];
	snprintf(plain, sizeof plain, "%.*se%ld", (int)mantissa, text, exponent);
	*value = strtod(plain, NULL);
	return true;
}

static struct error *range_error(const struct option_row *row, const char *text, double least, double most) {
	char low[HUMAN_SIZE], high[HUMAN_SIZE];
	number_text(least, low);
	number_text(most, high);
	if (isinf(least)) return error_new(ERROR_USAGE, "%s is %s, but at most %s is possible", row->name, text, high);
	if (isinf(most)) return error_new(ERROR_USAGE, "%s is %s, but must be at least %s", row->name, text, low);
	return error_new(ERROR_USAGE, "%s is %s, but must lie between %s and %s", row->name, text, low, high);
}

/* `text`: how the user wrote it. */
static struct error *store_number(const struct option_row *row, void *target, double value, const char *text) {
	double least = row->least, most = row->most;
	if (least == 0 && most == 0) {
		least = -INFINITY;
		most = INFINITY;
	}
	if (row->kind == OPTION_COUNT) {
		least = fmax(least, -LARGEST_COUNT);
		most = fmin(most, LARGEST_COUNT);
	}
	if (!(value >= least && value <= most)) return range_error(row, text, least, most);
	if (row->kind == OPTION_COUNT && value != rint(value))
		return error_new(ERROR_USAGE, "%s is %s, but must be a whole number", row->name, text);
	if (row->kind == OPTION_COUNT)
		*(int64_t *)field(row, target) = (int64_t)value;
	else
		*(double *)field(row, target) = value;
	return NULL;
}

static bool parse_flag(const char *text, bool *value) {
	static const char *const words[][2] = {{"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};
	for (size_t i = 0; i < COUNT_OF(words); i++)
		for (int answer = 0; answer < 2; answer++)
			if (strcmp(text, words[i][answer]) == 0) return *value = answer, true;
	return false;
}

static struct error *append_text(const struct option_row *row, void *target, const char *text) {
	struct option_list *list = field(row, target);
	if (!*text) return error_new(ERROR_USAGE, "%s is empty: %s", row->name, row->meaning);
	if (list->count == OPTION_MOST_ITEMS)
		return error_new(ERROR_USAGE, "%s is given more than %d times", row->name, OPTION_MOST_ITEMS);
	list->items[list->count++] = text;
	return NULL;
}

/* A value as the user types it. Errors begin with the option's name, without dashes. */
static struct error *store_text(const struct option_row *row, void *target, const char *text) {
	double number;
	switch (row->kind) {
	case OPTION_FLAG:
		if (parse_flag(text, field(row, target))) return NULL;
		return error_new(ERROR_USAGE, "%s is '%.100s', but must be yes or no", row->name, text);
	case OPTION_TEXT:
		*(const char **)field(row, target) = *text ? text : NULL;
		return NULL;
	case OPTION_LIST:
		return append_text(row, target, text);
	case OPTION_COUNT:
	case OPTION_REAL:
		break;
	}
	if (!number_from_text(text, &number))
		return error_new(
		    ERROR_USAGE, "%s is '%.100s', but must be a number such as %s", row->name, text,
		    row->kind == OPTION_COUNT ? "20, 512K, 1.5M, 2G or 1e6" : "0.02, 3e-4 or 1.5M");
	return store_number(row, target, number, text);
}

static void store_nothing(const struct option_row *row, void *target) {
	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)field(row, target) = false;
		break;
	case OPTION_COUNT:
		*(int64_t *)field(row, target) = 0;
		break;
	case OPTION_REAL:
		*(double *)field(row, target) = 0;
		break;
	case OPTION_TEXT:
		*(const char **)field(row, target) = NULL;
		break;
	case OPTION_LIST:
		*(struct option_list *)field(row, target) = (struct option_list){0};
		break;
	}
}

struct error *options_defaults(const struct option_row *rows, size_t count, void *target) {
	for (size_t i = 0; i < count; i++) {
		store_nothing(&rows[i], target);
		if (rows[i].fallback && rows[i].fallback[0])
			TRY(error_within(store_text(&rows[i], target, rows[i].fallback), "the default of an option is wrong"));
	}
	return NULL;
}

/* -------------------------------------------------------------------------------------------------- command line --- */

static const struct option_row *find_row(const struct option_row *rows, size_t count, const char *name, size_t length) {
	for (size_t i = 0; i < count; i++)
		if (strlen(rows[i].name) == length && strncmp(rows[i].name, name, length) == 0) return &rows[i];
	return NULL;
}

static struct error *unknown_option(const struct option_row *rows, size_t count, const char *argument, size_t length) {
	char name[72];
	snprintf(name, sizeof name, "%.*s", (int)(length < 71 ? length : 71), argument);
	const char *typed = name + strspn(name, "-");
	const char *no = strncmp(typed, "no-", 3) == 0 ? "no-" : "";
	const char *nearest = nearest_name(typed, rows, count, sizeof *rows);
	if (nearest)
		no = "";
	else if (*no)
		nearest = nearest_name(typed + 3, rows, count, sizeof *rows);
	if (nearest) return error_new(ERROR_USAGE, "there is no option %s; did you mean --%s%s?", name, no, nearest);
	return error_new(ERROR_USAGE, "there is no option %s; --help lists those that there are", name);
}

/* One "--name", "--no-name", "--name=value" or "--name value" at argv[*at], which moves to the last argument used. */
static struct error *parse_option(
    const struct option_row *rows, size_t count, void *target, int argc, char **argv, int *at, bool *given) {
	const char *argument = argv[*at], *name = argument + 2;
	size_t length = strcspn(name, "=");
	const char *value = name[length] == '=' ? name + length + 1 : NULL;
	const struct option_row *row = find_row(rows, count, name, length);
	if (!row && strncmp(name, "no-", 3) == 0) {
		row = find_row(rows, count, name + 3, length - 3);
		if (row && row->kind != OPTION_FLAG)
			return error_new(
			    ERROR_USAGE, "--no-%s makes no sense: --%s takes a value (%s)", row->name, row->name, row->value);
		if (row && value)
			return error_new(ERROR_USAGE, "%s: --no-%s takes no value; leave out '=%s'", argument, row->name, value);
		if (row) {
			*(bool *)field(row, target) = false;
			given[row - rows] = true;
			return NULL;
		}
	}
	if (!row) return unknown_option(rows, count, argument, length + 2);
	given[row - rows] = true;
	if (row->kind == OPTION_FLAG && !value) {
		*(bool *)field(row, target) = true;
		return NULL;
	}
	if (!value) {
		if (*at + 1 >= argc || strncmp(argv[*at + 1], "--", 2) == 0)
			return error_new(
			    ERROR_USAGE, "--%s needs a value: --%s %s (%s)", row->name, row->name, row->value, row->meaning);
		value = argv[++*at];
	}
	/* "--" in front of the name that the message begins with. */
	struct error *error = store_text(row, target, value);
	if (!error) return NULL;
	struct error *dashed = error_new(error->kind, "--%s", error->message);
	error_free(error);
	return dashed;
}

/* An empty text is a value for some options, but no file or folder has an empty name. */
static bool names_path(const struct option_row *row) {
	return row->value && (strcmp(row->value, "FILE") == 0 || strcmp(row->value, "DIR") == 0);
}

struct error *options_parse(
    const struct option_row *rows, size_t count, void *target, int argc, char **argv, struct operands *operands,
    bool *help) {
	struct error *error = NULL;
	*help = false;
	if (operands) *operands = (struct operands){0};
	TRY(options_defaults(rows, count, target));
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0) return *help = true, NULL;

	bool *given = array_new(count, sizeof *given);
	const char **items = array_new((size_t)argc, sizeof *items);
	int item_count = 0;
	if (!given || !items) {
		error = error_memory((size_t)argc * sizeof *items + count);
		goto done;
	}
	bool options_over = false;
	for (int i = 1; i < argc && !error; i++) {
		const char *argument = argv[i];
		if (!options_over && strcmp(argument, "--") == 0)
			options_over = true;
		else if (!options_over && strncmp(argument, "--", 2) == 0)
			error = parse_option(rows, count, target, argc, argv, &i, given);
		else if (!options_over && strcmp(argument, "-h") == 0) {
			*help = true;
			goto done;
		} else if (!options_over && argument[0] == '-' && argument[1]) /* "-" alone is standard input */
			error = unknown_option(rows, count, argument, strlen(argument));
		else if (!operands)
			error = error_new(ERROR_USAGE, "'%s' is one argument too many: only options are expected here", argument);
		else
			items[item_count++] = argument;
	}
	for (int i = 0; i < item_count && !error; i++)
		if (!*items[i]) error = error_new(ERROR_USAGE, "argument %d is empty: it names nothing", i + 1);
	for (size_t i = 0; i < count && !error; i++) {
		const struct option_row *row = &rows[i];
		const bool needed = !row->fallback, has_default = row->fallback && *row->fallback;
		const bool empty = given[i] && row->kind == OPTION_TEXT && !*(const char **)field(row, target);
		if ((needed && !given[i]) || (empty && (needed || has_default || names_path(row))))
			error = error_new(
			    ERROR_USAGE, "--%s %s is %s: %s", row->name, row->value ? row->value : "",
			    given[i] ? "empty" : "missing", row->meaning);
	}
	if (!error && operands) {
		*operands = (struct operands){items, item_count};
		items = NULL;
	}
done:
	free(items);
	free(given);
	return error;
}

/* ---------------------------------------------------------------------------------------------------------- help --- */

/* Breaks `words` at spaces so that no line passes HELP_COLUMNS; the first begins at `column`, the rest at `indent`. */
static void add_wrapped(struct text *out, const char *words, size_t column, size_t indent) {
	bool fresh = true; /* no word on this line yet */
	while (*words) {
		size_t length = strcspn(words, " ");
		if (!fresh && column + 1 + length > HELP_COLUMNS) {
			text_add(out, "\n%*s", (int)indent, "");
			column = indent;
			fresh = true;
		}
		text_add(out, "%s%.*s", fresh ? "" : " ", (int)length, words);
		column += length + !fresh;
		fresh = false;
		words += length + strspn(words + length, " ");
	}
	text_add_string(out, "\n");
}

static bool flag_on(const struct option_row *row) {
	bool on = false;
	return row->kind == OPTION_FLAG && row->fallback && parse_flag(row->fallback, &on) && on;
}

static void add_left(struct text *out, const struct option_row *row) {
	text_add(out, "  --%s%s", flag_on(row) ? "[no-]" : "", row->name);
	if (row->kind != OPTION_FLAG) text_add(out, " %s", row->value ? row->value : "VALUE");
}

void options_help(const struct option_row *rows, size_t count, struct text *out) {
	const size_t widest_left = 30;
	size_t left = 0;
	struct text line = {0};
	for (size_t i = 0; i < count; i++) {
		text_clear(&line);
		add_left(&line, &rows[i]);
		out->failed |= line.failed;
		if (line.length > left && line.length <= widest_left) left = line.length;
	}
	left += 2;
	for (size_t i = 0; i < count; i++) {
		const struct option_row *row = &rows[i];
		text_clear(&line);
		add_left(&line, row);
		if (line.length + 2 <= left)
			text_add(out, "%-*s", (int)left, text_part(&line, out));
		else
			text_add(out, "%s\n%*s", text_part(&line, out), (int)left, "");
		text_clear(&line);
		text_add_string(&line, row->meaning);
		if (!row->fallback)
			text_add_string(&line, " (required)");
		else if (row->kind == OPTION_FLAG ? flag_on(row) : row->fallback[0])
			text_add(&line, " [%s]", row->fallback);
		add_wrapped(out, text_part(&line, out), left, left);
	}
	text_free(&line);
}

/* ---------------------------------------------------------------------------------------------------------- JSON --- */

/* "eval-tokens" is "eval_tokens" in JSON; false when the name does not fit. */
static bool json_key(const struct option_row *row, char key[64]) {
	size_t length = strlen(row->name);
	if (length >= 64) return false;
	for (size_t i = 0; i <= length; i++) key[i] = row->name[i] == '-' ? '_' : row->name[i];
	return true;
}

struct error *options_to_json(const struct option_row *rows, size_t count, const void *target, cJSON *object) {
	for (size_t i = 0; i < count; i++) {
		const struct option_row *row = &rows[i];
		const void *value = (const char *)target + row->offset;
		bool unset = row->fallback && !row->fallback[0]; /* nothing is the default: null when there is nothing */
		bool added = false;
		char key[64];
		if (!json_key(row, key)) return error_new(ERROR_FAILED, "the option name %s is too long", row->name);
		switch (row->kind) {
		case OPTION_FLAG:
			added = cJSON_AddBoolToObject(object, key, *(const bool *)value) != NULL;
			break;
		case OPTION_COUNT: {
			int64_t number = *(const int64_t *)value;
			added = unset && number == 0 ? cJSON_AddNullToObject(object, key) != NULL
			                             : json_add_number(object, key, (double)number);
			break;
		}
		case OPTION_REAL: {
			double number = *(const double *)value;
			added = unset && number == 0 ? cJSON_AddNullToObject(object, key) != NULL
			                             : json_add_number(object, key, number);
			break;
		}
		case OPTION_TEXT: {
			const char *text = *(const char *const *)value;
			added =
			    text ? cJSON_AddStringToObject(object, key, text) != NULL : cJSON_AddNullToObject(object, key) != NULL;
			break;
		}
		case OPTION_LIST: {
			const struct option_list *list = value;
			cJSON *array = list->count ? cJSON_CreateStringArray(list->items, list->count) : cJSON_CreateArray();
			added = array && cJSON_AddItemToObject(object, key, array);
			break;
		}
		}
		if (!added) return error_memory(0);
	}
	return NULL;
}

static const struct option_row *find_key(const struct option_row *rows, size_t count, const char *key) {
	char own[64];
	for (size_t i = 0; i < count; i++)
		if (json_key(&rows[i], own) && strcmp(own, key) == 0) return &rows[i];
	return NULL;
}

static struct error *unknown_key(const struct option_row *rows, size_t count, const char *path, const char *key) {
	char typed[72], near_key[64];
	snprintf(typed, sizeof typed, "%s", key);
	for (char *c = typed; *c; c++)
		if (*c == '_') *c = '-'; /* as the table has them */
	const char *nearest = nearest_name(typed, rows, count, sizeof *rows);
	const struct option_row *row = nearest ? find_row(rows, count, nearest, strlen(nearest)) : NULL;
	if (row && json_key(row, near_key))
		return error_new(
		    ERROR_DATA, "%s: unknown key \"%.100s\"; did you mean \"%s\"? (keys that begin with _ are comments)", path,
		    key, near_key);
	struct text known = {0};
	for (size_t i = 0; i < count; i++)
		if (json_key(&rows[i], near_key)) text_add(&known, "%s%s", i ? ", " : "", near_key);
	struct error *error = error_new(
	    ERROR_DATA, "%s: unknown key \"%.100s\"; the known ones are %.600s (and comments, which begin with _)", path,
	    key, known.data ? known.data : "none");
	text_free(&known);
	return error;
}

static struct error *wrong_kind(const char *path, const char *key, const char *expected) {
	return error_new(ERROR_DATA, "%s: \"%s\" must be %s", path, key, expected);
}

/* What would be wrong usage on the command line is bad data in a file. */
static struct error *as_data(struct error *error, const char *path) {
	if (!error || error->kind != ERROR_USAGE) return error;
	struct error *data = error_new(ERROR_DATA, "%s: %s", path, error->message);
	error_free(error);
	return data;
}

/* One member. Strings are read as on the command line, so that "20M" is fine for a count. */
static struct error *read_member(const struct option_row *row, void *target, const cJSON *member, const char *path) {
	struct error *error;
	char number[HUMAN_SIZE];
	if (cJSON_IsNull(member)) {
		if (!row->fallback || row->fallback[0])
			return wrong_kind(path, member->string, "given; null is no value for it");
		store_nothing(row, target);
		return NULL;
	}
	if (row->kind == OPTION_FLAG) {
		if (!cJSON_IsBool(member)) return wrong_kind(path, member->string, "true or false");
		*(bool *)field(row, target) = cJSON_IsTrue(member);
		return NULL;
	}
	if (row->kind == OPTION_LIST) {
		store_nothing(row, target);
		bool texts = cJSON_IsArray(member);
		for (const cJSON *item = texts ? member->child : NULL; item && texts; item = item->next) {
			texts = cJSON_IsString(item) && *item->valuestring;
			if (texts) TRY(as_data(append_text(row, target, item->valuestring), path));
		}
		return texts ? NULL : wrong_kind(path, member->string, "a list of strings");
	}
	if (cJSON_IsString(member))
		error = store_text(row, target, member->valuestring);
	else if (row->kind == OPTION_TEXT)
		return wrong_kind(path, member->string, "a string");
	else if (cJSON_IsNumber(member))
		error = store_number(row, target, member->valuedouble, number_text(member->valuedouble, number));
	else
		return wrong_kind(path, member->string, "a number");
	return as_data(error, path);
}

struct error *options_from_json(
    const struct option_row *rows, size_t count, void *target, const cJSON *object, const char *path) {
	if (!cJSON_IsObject(object)) return error_new(ERROR_DATA, "%s: expected an object, such as {\"key\": value}", path);
	for (const cJSON *member = object->child; member; member = member->next) {
		if (member->string[0] == '_') continue;
		const struct option_row *row = find_key(rows, count, member->string);
		if (!row) return unknown_key(rows, count, path, member->string);
		TRY(read_member(row, target, member, path));
	}
	return NULL;
}
