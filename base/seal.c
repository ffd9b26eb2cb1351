/* seal.c - JSON files that hold the hash of their own bytes, so that no damage to them passes for what was written. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

#define SEAL "xxh64"
/* How the member stands in the file: the last one, on a line of its own. The digits count as zeros in the hash. */
#define BEFORE_DIGITS "\n\t\"" SEAL "\": \""
#define ZERO_DIGITS "0000000000000000"

struct error *json_print_sealed(const cJSON *root, struct text *out, uint64_t *seal) {
	json_print(root, true, out);
	TRY(text_error(out));
	if (out->length < 2 || strcmp(out->data + out->length - 2, "\n}") != 0)
		return error_new(ERROR_FAILED, "only an object with members can be sealed");
	out->length -= 2;
	text_add_string(out, "," BEFORE_DIGITS);
	const size_t digits = out->length;
	text_add_string(out, ZERO_DIGITS "\"\n}\n");
	TRY(text_error(out));
	char hex[HASH_HEX_SIZE];
	*seal = hash_bytes(out->data, out->length, 0);
	memcpy(out->data + digits, hash_hex(*seal, hex), HASH_HEX_SIZE - 1);
	return NULL;
}

struct error *json_write_sealed(const char *path, const cJSON *root) {
	struct text text = {0};
	uint64_t seal;
	struct error *error = error_within(json_print_sealed(root, &text, &seal), "%s", path);
	if (!error) error = file_write(path, text.data, text.length);
	text_free(&text);
	return error;
}

/* The last place of BEFORE_DIGITS; NULL when there is none. A string in the file cannot hold it: quotes are escaped. */
static char *find_digits(const struct text *text) {
	const size_t length = strlen(BEFORE_DIGITS);
	for (size_t at = text->length; at >= length + HASH_HEX_SIZE; at--)
		if (memcmp(text->data + at - length - HASH_HEX_SIZE, BEFORE_DIGITS, length) == 0)
			return text->data + at - HASH_HEX_SIZE;
	return NULL;
}

static struct error *check_seal(const char *path, bool optional, struct text *text, const cJSON *seal, uint64_t *hash) {
	const char *claimed = cJSON_GetStringValue(seal);
	char *digits = find_digits(text), computed[HASH_HEX_SIZE] = "";
	uint64_t stored;
	if (digits) {
		memcpy(digits, ZERO_DIGITS, HASH_HEX_SIZE - 1);
		*hash = hash_bytes(text->data, text->length, 0);
		hash_hex(*hash, computed);
	}
	if (digits && claimed && hash_from_hex(claimed, &stored) && hash_agrees(*hash, stored)) return NULL;
	return error_new(
	    ERROR_DATA,
	    "%s: damaged, or changed by hand: its bytes have the hash %s, but its member \"" SEAL "\" says '%.40s'%s", path,
	    *computed ? computed : "of another layout of the same", claimed ? claimed : "no text",
	    optional ? " (a copy that was changed on purpose must do without that member)" : "");
}

/* *sealed: whether there was a seal, which is right then; it is not in the tree, but in *hash. `optional`: a file without
 * one is read as well. */
static struct error *read_and_check(const char *path, bool optional, cJSON **root, bool *sealed, uint64_t *hash) {
	struct text text = {0};
	struct error *error = file_read(path, JSON_LIMIT, &text);
	*root = NULL;
	*sealed = false;
	if (!error) error = json_parse(path, text.data, text.length, root);
	cJSON *seal = error ? NULL : cJSON_GetObjectItemCaseSensitive(*root, SEAL);
	if (seal) {
		error = check_seal(path, optional, &text, seal, hash);
		*sealed = true;
		cJSON_Delete(cJSON_DetachItemViaPointer(*root, seal));
	}
	if (error) {
		cJSON_Delete(*root);
		*root = NULL;
	}
	text_free(&text);
	return error;
}

struct error *json_read(const char *path, cJSON **root) {
	bool sealed;
	uint64_t hash;
	return read_and_check(path, true, root, &sealed, &hash);
}

struct error *json_read_sealed(const char *path, int since, cJSON **root) {
	uint64_t seal;
	return json_read_seal(path, since, root, &seal);
}

struct error *json_read_seal(const char *path, int since, cJSON **root, uint64_t *seal) {
	bool sealed;
	*seal = 0;
	TRY(read_and_check(path, since > 0, root, &sealed, seal));
	/* Damage to the seal's own key leaves "format" as it was, and damage to that leaves the seal. */
	const cJSON *format = cJSON_GetObjectItemCaseSensitive(*root, "format");
	if (sealed || (since > 0 && !(cJSON_IsNumber(format) && format->valuedouble >= since))) return NULL;
	cJSON_Delete(*root);
	*root = NULL;
	return error_new(
	    ERROR_DATA, "%s: damaged, or changed by hand: its last member must be \"" SEAL "\", the hash of its bytes",
	    path);
}
