/* filter.c - conditions on rows, as users write them: C<1e21, `Training FLOP`<1e21, dataset==c4. */
#include "fit/input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct error *no_condition(const char *source, const char *what) {
	char word[SHOWN_SIZE];
	return error_new(
	    ERROR_USAGE, "--where '%s': %s; expected COLUMN OPERATOR VALUE with <, <=, >, >=, == or !=, such as 'C<1e21'",
	    shown(source, word), what);
}

/* A copy of [begin, end) without the blanks around it. */
static char *trimmed_copy(const char *begin, const char *end) {
	while (begin < end && strchr(" \t", *begin)) begin++;
	while (end > begin && strchr(" \t", end[-1])) end--;
	return strndup(begin, (size_t)(end - begin));
}

static bool is_quote(char c) {
	return c == '\'' || c == '"' || c == '`';
}

/* The operator at `at`, and how long it is; 0 when there is none. */
static size_t operator_at(const char *at, enum comparison *comparison) {
	static const struct {
		const char *text;
		enum comparison comparison;
	} operators[] = {{"<=", AT_MOST}, {">=", AT_LEAST}, {"==", EQUAL}, {"!=", UNEQUAL},
	                 {"<", LESS},     {">", MORE},      {"=", EQUAL}};
	for (size_t i = 0; i < COUNT_OF(operators); i++) {
		size_t length = strlen(operators[i].text);
		if (strncmp(at, operators[i].text, length) != 0) continue;
		*comparison = operators[i].comparison;
		return length;
	}
	return 0;
}

struct error *filter_parse(const char *source, struct filter *filter) {
	*filter = (struct filter){.source = source, .column = -1};
	const char *at = source + strspn(source, " \t");
	if (is_quote(*at)) {
		const char *close = strchr(at + 1, *at);
		if (!close) return no_condition(source, "the name of the column opens with a quote that is never closed");
		filter->quoted = true;
		filter->name = strndup(at + 1, (size_t)(close - at - 1));
		at = close + 1 + strspn(close + 1, " \t");
	} else {
		const char *end = at + strcspn(at, "<>=!");
		filter->name = trimmed_copy(at, end);
		at = end;
	}
	if (!filter->name) return error_memory(strlen(source));
	if (!*filter->name) return no_condition(source, "the name of a column is missing");
	size_t length = operator_at(at, &filter->comparison);
	if (length == 0) return no_condition(source, "there is no operator behind the column");
	at += length;
	at += strspn(at, " \t");
	size_t rest = strlen(at);
	bool words = rest >= 2 && is_quote(*at) && at[rest - 1] == *at;
	filter->text = words ? strndup(at + 1, rest - 2) : trimmed_copy(at, at + rest);
	if (!filter->text) return error_memory(rest);
	if (!words && !*filter->text) return no_condition(source, "the value is missing (an empty one is written '')");
	if (!words && strchr("<>=!", *filter->text)) return no_condition(source, "found two operators");
	filter->literal = words;
	filter->numeric = !words && field_number(&(struct field){.text = filter->text}, true, &filter->number) &&
	                  (!isnan(filter->number) || strcasecmp(filter->text, "nan") == 0);
	return NULL;
}

void filter_free(struct filter *filter) {
	free(filter->name);
	free(filter->text);
	*filter = (struct filter){0};
}

struct error *filter_bind(const struct rows *rows, struct filter *filter) {
	static const char *const quantities[] = {"N", "D", "C", "loss"}; /* as enum column_kind begins */
	for (enum column_kind kind = COLUMN_N; kind <= COLUMN_LOSS && !filter->quoted; kind++)
		if (strcmp(filter->name, quantities[kind]) == 0) {
			filter->kind = kind;
			return NULL;
		}
	TRY(column_named(rows, filter->name, &filter->column));
	if (filter->column >= 0) return NULL;
	return no_column(rows, filter->name, "where", "; N, D, C and loss are known by these names");
}

static bool holds(enum comparison comparison, int order) {
	switch (comparison) {
	case LESS:
		return order < 0;
	case AT_MOST:
		return order <= 0;
	case MORE:
		return order > 0;
	case AT_LEAST:
		return order >= 0;
	case EQUAL:
		return order == 0;
	case UNEQUAL:
		return order != 0;
	}
	return false;
}

bool filter_admits(
    const struct filter *filter, const struct field *fields, const struct fit_point *point, bool *comparable) {
	char buffer[HUMAN_SIZE];
	const double quantities[] = {point->N, point->D, point->C, point->loss};
	struct field field = {.number = quantities[filter->kind]};
	if (filter->column >= 0) field = fields[filter->column];
	double value;
	bool number = field_number(&field, true, &value);
	bool ordered = filter->comparison != EQUAL && filter->comparison != UNEQUAL;
	*comparable = true;
	if (filter->numeric && number) {
		if (isnan(value) || isnan(filter->number))
			return (filter->comparison == UNEQUAL) != (isnan(value) && isnan(filter->number)) && !ordered;
		return holds(filter->comparison, (value > filter->number) - (value < filter->number));
	}
	if (ordered && (filter->numeric || (number && !filter->literal))) return *comparable = false;
	return holds(filter->comparison, strcmp(field_text(&field, buffer), filter->text));
}
