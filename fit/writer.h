/* writer.h - members of a JSON tree, added one by one, with one look for failures at the end. Private to fit/. */
#ifndef RUNG_FIT_WRITER_H
#define RUNG_FIT_WRITER_H

#include "fit/fit.h"

/* A failed allocation anywhere shows in the end: every helper passes NULL on, and `failed` remembers. */
struct writer {
	bool failed;
};

static inline cJSON *object_in(struct writer *writer, cJSON *parent, const char *key) {
	cJSON *object = cJSON_AddObjectToObject(parent, key);
	writer->failed = writer->failed || !object;
	return object;
}

static inline cJSON *array_in(struct writer *writer, cJSON *parent, const char *key) {
	cJSON *array = cJSON_AddArrayToObject(parent, key);
	writer->failed = writer->failed || !array;
	return array;
}

static inline cJSON *object_at_end(struct writer *writer, cJSON *array) {
	cJSON *object = cJSON_CreateObject();
	if (!object || !cJSON_AddItemToArray(array, object)) writer->failed = true;
	return object;
}

static inline void number(struct writer *writer, cJSON *object, const char *key, double value) {
	if (!json_add_number(object, key, value)) writer->failed = true;
}

static inline void string(struct writer *writer, cJSON *object, const char *key, const char *value) {
	cJSON *item = value ? cJSON_AddStringToObject(object, key, value) : cJSON_AddNullToObject(object, key);
	writer->failed = writer->failed || !item;
}

static inline void string_of(struct writer *writer, cJSON *object, const char *key, const struct text *value) {
	string(writer, object, key, value->data ? value->data : "");
	writer->failed |= value->failed;
}

static inline void boolean(struct writer *writer, cJSON *object, const char *key, bool value) {
	if (!cJSON_AddBoolToObject(object, key, value)) writer->failed = true;
}

/* A number as an element of an array: json_add_number names its members, so it is made in an object and moved. */
static inline void element(struct writer *writer, cJSON *array, double value) {
	cJSON *holder = cJSON_CreateObject();
	if (!holder || !json_add_number(holder, "x", value) ||
	    !cJSON_AddItemToArray(array, cJSON_DetachItemFromObject(holder, "x")))
		writer->failed = true;
	cJSON_Delete(holder);
}

static inline void text_element(struct writer *writer, cJSON *array, const char *value) {
	cJSON *item = cJSON_CreateString(value);
	if (!item || !cJSON_AddItemToArray(array, item)) writer->failed = true;
}

static inline void interval(struct writer *writer, cJSON *object, const char *key, struct fit_interval value) {
	cJSON *array = array_in(writer, object, key);
	element(writer, array, value.low);
	element(writer, array, value.high);
}

/* Members that more than one kind of answer has (result.c): "left_out", "design", "warnings". */
void write_left_out(struct writer *writer, cJSON *root, const struct fit_points *points);
void write_design(struct writer *writer, cJSON *root, const struct fit *fit);
void write_warnings(struct writer *writer, cJSON *root, const struct fit *fit);

#endif
