/* corpus_file.c - numbers to bytes and back, and the header's JSON. */
#include "data/corpus_file.h"

#include <math.h>
#include <string.h>

const char *const split_names[SPLIT_COUNT] = {"train", "held_out"};

/* ------------------------------------------------------------------------------------------ little-endian numbers --- */

static void put(unsigned char *bytes, size_t size, uint64_t value) {
	for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get(const unsigned char *bytes, size_t size) {
	uint64_t value = 0;
	for (size_t i = 0; i < size; i++) value |= (uint64_t)bytes[i] << (8 * i);
	return value;
}

size_t token_bytes(int vocab) {
	return vocab <= 256 ? 1 : 2;
}

void tokens_pack(const uint16_t *tokens, size_t count, size_t token_size, unsigned char *bytes) {
	if (token_size == 1)
		for (size_t i = 0; i < count; i++) bytes[i] = (unsigned char)tokens[i];
	else
		for (size_t i = 0; i < count; i++) put(bytes + 2 * i, 2, tokens[i]);
}

void tokens_unpack(const unsigned char *bytes, size_t count, size_t token_size, uint16_t *tokens) {
	if (token_size == 1)
		for (size_t i = 0; i < count; i++) tokens[i] = bytes[i];
	else
		for (size_t i = 0; i < count; i++) tokens[i] = (uint16_t)get(bytes + 2 * i, 2);
}

int tokens_largest(const unsigned char *bytes, size_t count, size_t token_size) {
	int largest = 0;
	for (size_t i = 0; i < count; i++) {
		int token = token_size == 1 ? bytes[i] : bytes[2 * i] | bytes[2 * i + 1] << 8;
		if (token > largest) largest = token;
	}
	return largest;
}

/* ------------------------------------------------------------------------------------------------------- preamble --- */

void preamble_pack(const struct preamble *preamble, unsigned char bytes[PREAMBLE_BYTES]) {
	memset(bytes, 0, PREAMBLE_BYTES);
	memcpy(bytes, CORPUS_MAGIC, 8);
	put(bytes + 8, 4, CORPUS_FORMAT);
	put(bytes + 12, 4, preamble->header_bytes);
	put(bytes + 16, 4, preamble->frames[SPLIT_TRAIN]);
	put(bytes + 20, 4, preamble->frames[SPLIT_HELD_OUT]);
	put(bytes + 24, 8, preamble->file_bytes);
	put(bytes + 32, 8, preamble->header_hash);
	put(bytes + 40, 8, preamble->table_hash);
	put(bytes + 56, 8, hash_bytes(bytes, 56, 0));
}

struct error *preamble_unpack(const unsigned char bytes[PREAMBLE_BYTES], const char *path, struct preamble *preamble) {
	if (memcmp(bytes, CORPUS_MAGIC, 8) != 0)
		return error_new(
		    ERROR_DATA, "%s: not a corpus: it does not begin with \"%s\"; 'rung data import' makes a corpus from text",
		    path, CORPUS_MAGIC);
	uint32_t format = (uint32_t)get(bytes + 8, 4);
	uint64_t stored = get(bytes + 56, 8), computed = hash_bytes(bytes, 56, 0);
	char hex[2][HASH_HEX_SIZE];
	if (!hash_agrees(computed, stored) && format == CORPUS_FORMAT)
		return error_new(
		    ERROR_DATA,
		    "%s: damaged preamble (bytes 0 to 63): its hash is %s, expected %s; make the corpus again or fetch it "
		    "again",
		    path, hash_hex(computed, hex[0]), hash_hex(stored, hex[1]));
	if (format != CORPUS_FORMAT)
		return error_new(
		    ERROR_DATA,
		    "%s: corpus format %u (bytes 8 to 11), this rung reads format %u; the file is damaged or was made by "
		    "another version: make it again",
		    path, (unsigned)format, CORPUS_FORMAT);
	preamble->header_bytes = (uint32_t)get(bytes + 12, 4);
	preamble->frames[SPLIT_TRAIN] = (uint32_t)get(bytes + 16, 4);
	preamble->frames[SPLIT_HELD_OUT] = (uint32_t)get(bytes + 20, 4);
	preamble->file_bytes = get(bytes + 24, 8);
	preamble->header_hash = get(bytes + 32, 8);
	preamble->table_hash = get(bytes + 40, 8);
	return NULL;
}

void frame_pack(const struct frame *frame, unsigned char bytes[TABLE_ROW_BYTES]) {
	put(bytes, 8, frame->offset);
	put(bytes + 8, 4, frame->bytes);
	put(bytes + 12, 4, frame->tokens);
	put(bytes + 16, 8, frame->hash);
}

struct frame frame_unpack(const unsigned char bytes[TABLE_ROW_BYTES]) {
	return (struct frame){
	    .offset = get(bytes, 8),
	    .bytes = (uint32_t)get(bytes + 8, 4),
	    .tokens = (uint32_t)get(bytes + 12, 4),
	    .hash = get(bytes + 16, 8),
	};
}

uint64_t corpus_hash(
    const struct tokenizer *tokenizer, const uint64_t tokens[SPLIT_COUNT], const uint64_t hashes[SPLIT_COUNT]) {
	unsigned char bytes[8 + 16 * SPLIT_COUNT];
	put(bytes, 8, tokenizer_hash(tokenizer));
	for (int split = 0; split < SPLIT_COUNT; split++) {
		put(bytes + 8 + 16 * split, 8, tokens[split]);
		put(bytes + 16 + 16 * split, 8, hashes[split]);
	}
	return hash_bytes(bytes, sizeof bytes, 0);
}

/* --------------------------------------------------------------------------------------------------------- header --- */

static bool add_hash(cJSON *object, const char *key, uint64_t hash) {
	char hex[HASH_HEX_SIZE];
	return cJSON_AddStringToObject(object, key, hash_hex(hash, hex)) != NULL;
}

struct error *info_to_json(
    const struct corpus_info *info, const uint64_t split_hashes[SPLIT_COUNT], uint64_t bigram_pairs, cJSON *header) {
	if (!add_hash(header, "hash", info->hash) || !add_hash(header, "source_hash", info->source_hash) ||
	    !cJSON_AddStringToObject(header, "description", info->description))
		return error_memory(0);
	for (int split = 0; split < SPLIT_COUNT; split++) {
		cJSON *object = cJSON_AddObjectToObject(header, split_names[split]);
		if (!object || !json_add_number(object, "tokens", (double)info->tokens[split]) ||
		    !json_add_number(object, "bytes", (double)info->bytes[split]) ||
		    !json_add_number(object, "documents", (double)info->documents[split]) ||
		    !add_hash(object, "hash", split_hashes[split]))
			return error_memory(0);
	}
	cJSON *entropy = cJSON_AddObjectToObject(header, "entropy");
	if (!entropy || !json_add_number(entropy, "unigram", info->unigram) ||
	    !json_add_number(entropy, "bigram", info->bigram) || !json_add_number(entropy, "rate", info->entropy_rate) ||
	    !json_add_number(entropy, "bigram_pairs", (double)bigram_pairs))
		return error_memory(0);
	return NULL;
}

static struct error *get_hash(const cJSON *object, const char *key, const char *path, uint64_t *hash) {
	const char *hex;
	TRY(json_get_text(object, key, path, &hex));
	if (hash_from_hex(hex, hash)) return NULL;
	return error_new(ERROR_DATA, "%s: \"%s\" is '%.40s', expected 16 hexadecimal digits", path, key, hex);
}

static struct error *get_count(const cJSON *object, const char *key, const char *path, uint64_t *count) {
	double value;
	TRY(json_get_number(object, key, path, &value));
	if (!(value >= 0 && value <= 0x1p53 && value == floor(value)))
		return error_new(ERROR_DATA, "%s: \"%s\" is %g, expected a count", path, key, value);
	*count = (uint64_t)value;
	return NULL;
}

struct error *info_from_json(
    const cJSON *header, const char *path, struct corpus_info *info, uint64_t split_hashes[SPLIT_COUNT]) {
	const char *description;
	TRY(get_hash(header, "hash", path, &info->hash));
	TRY(get_hash(header, "source_hash", path, &info->source_hash));
	TRY(json_get_text(header, "description", path, &description));
	snprintf(info->description, sizeof info->description, "%s", description);
	for (int split = 0; split < SPLIT_COUNT; split++) {
		const cJSON *object = cJSON_GetObjectItemCaseSensitive(header, split_names[split]);
		if (!cJSON_IsObject(object))
			return error_new(ERROR_DATA, "%s: the header has no object \"%s\"", path, split_names[split]);
		TRY(get_count(object, "tokens", path, &info->tokens[split]));
		TRY(get_count(object, "bytes", path, &info->bytes[split]));
		TRY(get_count(object, "documents", path, &info->documents[split]));
		TRY(get_hash(object, "hash", path, &split_hashes[split]));
	}
	const cJSON *entropy = cJSON_GetObjectItemCaseSensitive(header, "entropy");
	if (!cJSON_IsObject(entropy)) return error_new(ERROR_DATA, "%s: the header has no object \"entropy\"", path);
	TRY(json_get_number(entropy, "unigram", path, &info->unigram));
	TRY(json_get_number(entropy, "bigram", path, &info->bigram));
	return json_get_number(entropy, "rate", path, &info->entropy_rate);
}
