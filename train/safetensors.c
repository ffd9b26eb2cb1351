/* The safetensors format (8 bytes of header length, a JSON header, the numbers), as NumPy and PyTorch users open it, with
 * two hashes in its metadata: of the header, and of the whole file. */
#include "train/state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY /* the state lives on the stack */
#include <xxhash.h>

#define ZERO_HASH "0000000000000000"
enum { LENGTH_BYTES = 8 };
/* Where the digits of the two hashes stand. That of the file takes both for zeros; that of the header, its own. */
#define FILE_KEY "\"xxh64\":\""
#define HEADER_KEY "\"header_xxh64\":\""
#define FILE_LIMIT ((size_t)1 << 36)

static void put_length(unsigned char out[LENGTH_BYTES], uint64_t length) {
	for (int i = 0; i < LENGTH_BYTES; i++) out[i] = (unsigned char)(length >> (8 * i));
}

static uint64_t get_length(const unsigned char in[LENGTH_BYTES]) {
	uint64_t length = 0;
	for (int i = 0; i < LENGTH_BYTES; i++) length |= (uint64_t)in[i] << (8 * i);
	return length;
}

static size_t view_bytes(const struct tensor_view *view) {
	return (size_t)view->rows * (size_t)view->cols * sizeof(float);
}

/* The header with the hash as zeros, padded with spaces so that the numbers start at a multiple of 64. */
static struct error *build_header(
    const struct tensor_view *views, size_t count, const cJSON *metadata, struct text *header) {
	char *meta = cJSON_PrintUnformatted(metadata);
	if (!meta) return error_memory(1024);
	text_add(header, "{\"__metadata__\":%s", meta);
	free(meta);
	size_t offset = 0;
	for (size_t i = 0; i < count; i++) {
		const size_t end = offset + view_bytes(&views[i]);
		text_add(
		    header, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[%d,%d],\"data_offsets\":[%zu,%zu]}", views[i].name,
		    views[i].rows, views[i].cols, offset, end);
		offset = end;
	}
	text_add_string(header, "}");
	while (header->length % ALIGNMENT != ALIGNMENT - LENGTH_BYTES && !header->failed) text_add_string(header, " ");
	return text_error(header);
}

/* The digits behind `key` in the header, which is looked at before it is parsed: quotes inside strings are escaped, so none
 * of them can pass for it. NULL when there is none. */
static char *find_digits(char *header, size_t length, const char *key) {
	char *place = memmem(header, length, key, strlen(key));
	if (!place || (size_t)(header + length - place) < strlen(key) + HASH_HEX_SIZE) return NULL;
	return place + strlen(key);
}

static uint64_t hash_file(const struct text *header, const struct tensor_view *views, size_t count) {
	XXH64_state_t state;
	XXH64_reset(&state, 0);
	unsigned char length[LENGTH_BYTES];
	put_length(length, header->length);
	XXH64_update(&state, length, sizeof length);
	XXH64_update(&state, header->data, header->length);
	for (size_t i = 0; i < count; i++) XXH64_update(&state, views[i].data, view_bytes(&views[i]));
	return XXH64_digest(&state);
}

struct error *safetensors_write(
    const char *path, const struct tensor_view *views, size_t count, cJSON *metadata, uint64_t *hash) {
	if (!cJSON_AddStringToObject(metadata, "xxh64", ZERO_HASH) ||
	    !cJSON_AddStringToObject(metadata, "header_xxh64", ZERO_HASH))
		return error_memory(64);
	struct text header = {0};
	struct error *error = build_header(views, count, metadata, &header);
	struct file_writer writer = {0};
	if (!error) error = file_begin(&writer, path);
	if (error) {
		text_free(&header);
		return error;
	}
	char hex[HASH_HEX_SIZE];
	*hash = hash_file(&header, views, count);
	memcpy(find_digits(header.data, header.length, FILE_KEY), hash_hex(*hash, hex), HASH_HEX_SIZE - 1);
	const uint64_t own = hash_bytes(header.data, header.length, 0);
	memcpy(find_digits(header.data, header.length, HEADER_KEY), hash_hex(own, hex), HASH_HEX_SIZE - 1);

	unsigned char length[LENGTH_BYTES];
	put_length(length, header.length);
	error = file_put(&writer, length, sizeof length);
	for (size_t i = 0; i <= count && !error; i++)
		error = i == 0 ? file_put(&writer, header.data, header.length)
		               : file_put(&writer, views[i - 1].data, view_bytes(&views[i - 1]));
	text_free(&header);
	if (error) {
		file_abandon(&writer);
		return error;
	}
	return file_commit(&writer);
}

static struct error *damaged(const char *path, const char *what) {
	return error_new(ERROR_DATA, "%s: %s; the file is damaged or was not written by rung", path, what);
}

/* Compares the hash of `bytes` with the one that its digits at `place` say, and leaves zeros there. */
static struct error *check_hash(
    const char *path, const char *what, char *place, const char *bytes, size_t from, size_t count, uint64_t *hash) {
	char hex[HASH_HEX_SIZE] = "";
	uint64_t claimed;
	memcpy(hex, place, HASH_HEX_SIZE - 1);
	memcpy(place, ZERO_HASH, HASH_HEX_SIZE - 1);
	*hash = hash_bytes(bytes, count, 0);
	if (hash_from_hex(hex, &claimed) && hash_agrees(*hash, claimed)) return NULL;
	return error_new(
	    ERROR_DATA,
	    "%s: damaged %s (bytes %zu to the end of the %s): they do not have the hash that was written for them; the "
	    "file "
	    "was damaged or cut short, or is not rung's",
	    path, what, from, what);
}

struct error *safetensors_read(const char *path, struct safetensors *out) {
	*out = (struct safetensors){0};
	struct error *error = file_read(path, FILE_LIMIT, &out->file);
	if (error) return error;

	char *bytes = out->file.data;
	const size_t size = out->file.length;
	if (size < LENGTH_BYTES) {
		error = damaged(path, "cut short: it has fewer than the 8 bytes of its header's length");
		goto done;
	}
	const uint64_t header_length = get_length((unsigned char *)bytes);
	if (header_length > size - LENGTH_BYTES || (header_length + LENGTH_BYTES) % ALIGNMENT != 0) {
		error = damaged(path, "cut short, or the length of its header (bytes 0 to 7) is damaged");
		goto done;
	}

	char *header = bytes + LENGTH_BYTES;
	char *file_digits = find_digits(header, header_length, FILE_KEY);
	char *header_digits = find_digits(header, header_length, HEADER_KEY);
	if (!file_digits || !header_digits) {
		error = damaged(path, "damaged header (bytes 8 on): it has no hash");
		goto done;
	}
	uint64_t hash;
	error = check_hash(path, "header", header_digits, header, LENGTH_BYTES, header_length, &hash);
	if (!error) error = check_hash(path, "numbers", file_digits, bytes, LENGTH_BYTES + header_length, size, &out->hash);
	if (error) goto done;
	error = json_parse(path, header, header_length, &out->header);
	if (error) goto done;
	out->metadata = cJSON_GetObjectItemCaseSensitive(out->header, "__metadata__");
	/* file_read's memory comes from the allocator, the header ends at a multiple of 64. */
	out->data = (const float *)(const void *)(header + header_length);
	out->data_count = (size - LENGTH_BYTES - header_length) / sizeof(float);
done:
	if (error) safetensors_free(out);
	return error;
}

void safetensors_free(struct safetensors *file) {
	text_free(&file->file);
	cJSON_Delete(file->header);
	*file = (struct safetensors){0};
}

static double array_number(const cJSON *array, int index) {
	const cJSON *item = cJSON_GetArrayItem(array, index);
	return cJSON_IsNumber(item) ? item->valuedouble : -1;
}

struct error *safetensors_copy(
    const struct safetensors *file, const char *path, const char *name, int rows, int cols, float *to) {
	const cJSON *entry = cJSON_GetObjectItemCaseSensitive(file->header, name);
	if (!entry) return error_new(ERROR_DATA, "%s: has no tensor '%s'", path, name);
	const cJSON *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape");
	const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
	if (array_number(shape, 0) != rows || array_number(shape, 1) != cols)
		return error_new(
		    ERROR_DATA, "%s: tensor '%s' is %g x %g, expected %d x %d", path, name, array_number(shape, 0),
		    array_number(shape, 1), rows, cols);
	const double begin = array_number(offsets, 0), bytes = (double)rows * cols * (double)sizeof(float);
	if (begin < 0 || fmod(begin, sizeof(float)) != 0 || array_number(offsets, 1) != begin + bytes ||
	    begin + bytes > (double)file->data_count * sizeof(float))
		return error_new(ERROR_DATA, "%s: tensor '%s' lies outside the file", path, name);
	memcpy(to, file->data + (size_t)begin / sizeof(float), (size_t)bytes);
	return NULL;
}

struct error *safetensors_text(const struct safetensors *file, const char *path, const char *key, const char **value) {
	return json_get_text(file->metadata, key, path, value);
}

struct error *safetensors_number(const struct safetensors *file, const char *path, const char *key, double *value) {
	const char *text;
	TRY(safetensors_text(file, path, key, &text));
	char *end;
	*value = strtod(text, &end);
	if (end == text || *end) return error_new(ERROR_DATA, "%s: '%s' is '%s', expected a number", path, key, text);
	return NULL;
}
