/* What differs between two plans, one line a difference, in words that a person can act on. */
#include "sweep/sweep.h"

#include <stdlib.h>
#include <string.h>

#define DIFFERENCES_MOST 6 /* lines; after that it is simply another plan */

struct comparison {
	const char *name, *other_name;
	struct text *out;
	int lines;
};

static void add_value(struct text *out, const cJSON *value, const char *name) {
	char *printed = value ? cJSON_PrintUnformatted(value) : NULL;
	if (!value)
		text_add(out, "not in %s", name);
	else
		text_add(out, "%.60s%s in %s", printed ? printed : "?", printed && strlen(printed) > 60 ? "..." : "", name);
	free(printed);
}

static void add_difference(struct comparison *comparison, const char *place, const cJSON *one, const cJSON *other) {
	if (++comparison->lines > DIFFERENCES_MOST) {
		if (comparison->lines == DIFFERENCES_MOST + 1) text_add_string(comparison->out, "  and more\n");
		return;
	}
	text_add(comparison->out, "  %s: ", place);
	add_value(comparison->out, one, comparison->name);
	text_add_string(comparison->out, ", ");
	add_value(comparison->out, other, comparison->other_name);
	text_add_string(comparison->out, "\n");
}

static bool is_plain(const cJSON *value) {
	return !value || !(cJSON_IsObject(value) || cJSON_IsArray(value));
}

/* Lists of numbers read best as a whole. */
static bool is_list_of_plain(const cJSON *value) {
	const cJSON *item;
	if (!cJSON_IsArray(value)) return false;
	cJSON_ArrayForEach(item, value) {
		if (!is_plain(item)) return false;
	}
	return true;
}

static void compare(struct comparison *comparison, const char *place, const cJSON *one, const cJSON *other);

static void compare_objects(struct comparison *comparison, const char *place, const cJSON *one, const cJSON *other) {
	char inner[256];
	const cJSON *member;
	cJSON_ArrayForEach(member, one) {
		snprintf(inner, sizeof inner, "%s%s%s", place, *place ? "." : "", member->string);
		compare(comparison, inner, member, cJSON_GetObjectItemCaseSensitive(other, member->string));
	}
	cJSON_ArrayForEach(member, other) {
		if (cJSON_GetObjectItemCaseSensitive(one, member->string)) continue;
		snprintf(inner, sizeof inner, "%s%s%s", place, *place ? "." : "", member->string);
		add_difference(comparison, inner, NULL, member);
	}
}

static void compare(struct comparison *comparison, const char *place, const cJSON *one, const cJSON *other) {
	if (cJSON_Compare(one, other, true)) return;
	if (cJSON_IsObject(one) && cJSON_IsObject(other)) {
		compare_objects(comparison, place, one, other);
	} else if (cJSON_IsArray(one) && cJSON_IsArray(other) && !(is_list_of_plain(one) && is_list_of_plain(other))) {
		char inner[256];
		int index = 0;
		const cJSON *left = one->child, *right = other->child;
		for (; left || right; index++) {
			snprintf(inner, sizeof inner, "%s[%d]", place, index);
			if (left && right)
				compare(comparison, inner, left, right);
			else
				add_difference(comparison, inner, left, right);
			left = left ? left->next : NULL;
			right = right ? right->next : NULL;
		}
	} else
		add_difference(comparison, place, one, other);
}

void plan_differences(
    const cJSON *plan, const char *name, const cJSON *other, const char *other_name, struct text *out) {
	struct comparison comparison = {name, other_name, out, 0};
	compare(&comparison, "", plan, other);
}
